//! The fields of a message as octets, and back.

use super::{
    Code, DeviceId, Health, Mail, Plan, SERVERS, Static, StoreState, WORDS_BYTES, Words, Wrong,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) struct Printer {
    pub octets: Vec<u8>,
}

impl Printer {
    pub(super) fn number(&mut self, kind: u8, number: u64) {
        self.octets.push(kind);
        self.octets.extend(number.to_le_bytes());
    }

    pub(super) fn device(&mut self, kind: u8, device: DeviceId) {
        self.octets.push(kind);
        self.octets.extend(device.0.to_le_bytes());
    }

    pub(super) fn words(&mut self, words: &Words) {
        self.octets.push(u8::try_from(words.0.len()).unwrap_or(0));
        self.octets.extend(words.0.as_bytes());
    }

    pub(super) fn health(&mut self, health: &Health) {
        let Health { mail, store, owned, accounts, waiting } = health;
        self.octets.extend([2, *mail as u8, *store as u8, u8::from(*owned)]);
        self.octets.extend(accounts.to_le_bytes());
        self.octets.extend(waiting.to_le_bytes());
    }

    pub(super) fn plan(&mut self, plan: &Plan) {
        self.octets.push(7);
        let Plan::Static(fixed) = plan else {
            self.octets.push(0);
            return;
        };
        self.octets.extend([1, u8::from(fixed.on_trial), fixed.prefix]);
        self.octets.extend(fixed.address.octets());
        for address in [fixed.gateway].into_iter().chain(fixed.resolvers) {
            self.octets.extend(address.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
        }
    }

    pub(super) fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(four) => {
                self.octets.push(4);
                self.octets.extend(four.octets());
                self.octets.extend([0; 12]);
            }
            IpAddr::V6(six) => {
                self.octets.push(6);
                self.octets.extend(six.octets());
            }
        }
    }
}

pub(super) struct Fields<'a> {
    pub rest: &'a [u8],
}

impl Fields<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Wrong> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Wrong("it is cut off"))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn octet(&mut self) -> Result<u8, Wrong> {
        self.take::<1>().map(|[octet]| octet)
    }

    pub(super) fn flag(&mut self) -> Result<bool, Wrong> {
        match self.octet()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Wrong("a flag is neither 0 nor 1")),
        }
    }

    pub(super) fn one_of<T: Copy>(&mut self, values: &[T]) -> Result<T, Wrong> {
        let at = usize::from(self.octet()?);
        values.get(at).copied().ok_or(Wrong("a value is not on its list"))
    }

    pub(super) fn words(&mut self) -> Result<Words, Wrong> {
        let length = usize::from(self.octet()?);
        if length > WORDS_BYTES || length > self.rest.len() {
            return Err(Wrong("its words are too long"));
        }
        let (words, rest) = self.rest.split_at(length);
        self.rest = rest;
        let words = std::str::from_utf8(words).map_err(|_| Wrong("its words are not UTF-8"))?;
        if words.chars().any(char::is_control) {
            return Err(Wrong("its words hold control characters"));
        }
        Ok(Words(words.to_string()))
    }

    pub(super) fn code(&mut self) -> Result<Code, Wrong> {
        let octets: [u8; 9] = self.take()?;
        let text = std::str::from_utf8(&octets).ok();
        let code = text.and_then(Code::parse).filter(|code| code.0 == octets);
        code.ok_or(Wrong("its setup code is none"))
    }

    pub(super) fn four(&mut self) -> Result<Option<Ipv4Addr>, Wrong> {
        let address = Ipv4Addr::from(self.take::<4>()?);
        Ok(Some(address).filter(|address| !address.is_unspecified()))
    }

    pub(super) fn address(&mut self) -> Result<IpAddr, Wrong> {
        let kind = self.octet()?;
        let octets: [u8; 16] = self.take()?;
        match kind {
            4 if octets[4..] == [0; 12] => {
                Ok(Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]).into())
            }
            6 => Ok(Ipv6Addr::from(octets).into()),
            _ => Err(Wrong("its address is none")),
        }
    }

    pub(super) fn plan(&mut self) -> Result<Plan, Wrong> {
        if !self.flag()? {
            return Ok(Plan::Dhcp);
        }
        let on_trial = self.flag()?;
        let prefix = self.octet()?;
        if !(1..=30).contains(&prefix) {
            return Err(Wrong("its network has no room for two"));
        }
        let address = self.four()?.ok_or(Wrong("its address is none"))?;
        let gateway = self.four()?;
        let mut resolvers = [None; SERVERS];
        for resolver in &mut resolvers {
            *resolver = self.four()?;
        }
        Ok(Plan::Static(Static { address, prefix, gateway, resolvers, on_trial }))
    }

    pub(super) fn health(&mut self) -> Result<Health, Wrong> {
        Ok(Health {
            mail: self.one_of(&[Mail::Closed, Mail::Open])?,
            store: self.one_of(&[StoreState::Good, StoreState::Full, StoreState::Failing])?,
            owned: self.flag()?,
            accounts: u32::from_le_bytes(self.take()?),
            waiting: u32::from_le_bytes(self.take()?),
        })
    }
}
