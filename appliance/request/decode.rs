//! A message from its octets.

use super::octets::Fields;
use super::{
    ClockState, DeviceId, From, Holds, InstallStep, Message, RefusedFor, StickState, UPDATE_ACTS,
    Wrong,
};

impl Fields<'_> {
    pub(super) fn message(&mut self) -> Result<Message, Wrong> {
        Ok(match self.octet()? {
            1 => {
                let (preset, trial) = (self.flag()?, self.flag()?);
                Message::Start { preset, trial, code: self.code()? }
            }
            2 => Message::Health(self.health()?),
            3 => Message::PresetTaken,
            4 => {
                Message::PresetWrong { line: u32::from_le_bytes(self.take()?), why: self.words()? }
            }
            5 => Message::SetupCode(self.code()?),
            6 => Message::End { off: self.flag()? },
            7 => Message::Network(self.plan()?),
            8 => Message::NetworkKept,
            9 => Message::Name(self.words()?),
            10 => Message::Link { up: self.flag()?, hardware: self.take()? },
            11 => self.message_address()?,
            12 => Message::AddressGone(self.address()?),
            13 => self.message_clock()?,
            14 => Message::Told(self.words()?),
            15 => Message::Key(self.words()?),
            16 => Message::Repair(self.words()?),
            18 => Message::Proved,
            19 => Message::Unproved(self.words()?),
            17 => Message::Update(self.one_of(&UPDATE_ACTS)?),
            kind @ 20..=25 => self.message_install(kind)?,
            40 => Message::ResetOwner(u64::from_le_bytes(self.take()?)),
            41 => Message::ResetDone(u64::from_le_bytes(self.take()?)),
            42 => Message::Reset(DeviceId(u32::from_le_bytes(self.take()?))),
            43 => Message::Device(DeviceId(u32::from_le_bytes(self.take()?))),
            30 => Message::Lend { write: self.flag()? },
            31 => Message::Lent(self.words()?),
            32 => Message::NotLent(self.words()?),
            33 => Message::Returned,
            34 => Message::Format(self.words()?),
            35 => self.message_stick()?,
            kind @ 50..=57 => self.message_storage(kind)?,
            _ => return Err(Wrong("its kind is unknown")),
        })
    }

    fn message_install(&mut self, kind: u8) -> Result<Message, Wrong> {
        let steps = [InstallStep::Checking, InstallStep::Writing, InstallStep::ReadingBack];
        Ok(match kind {
            20 => Message::Install {
                consent: self.flag()?,
                epoch: u32::from_le_bytes(self.take()?),
                running: self.words()?,
            },
            21 => Message::Go,
            22 => Message::Found {
                id: self.take()?,
                epoch: u32::from_le_bytes(self.take()?),
                version: self.words()?,
            },
            23 => Message::Progress {
                step: self.one_of(&steps)?,
                done: u32::from_le_bytes(self.take()?),
                of: u32::from_le_bytes(self.take()?),
            },
            24 => Message::Written,
            _ => {
                let kinds = [RefusedFor::Good, RefusedFor::Same, RefusedFor::Older];
                Message::Refused { kind: self.one_of(&kinds)?, why: self.words()? }
            }
        })
    }

    fn message_storage(&mut self, kind: u8) -> Result<Message, Wrong> {
        let holds = [Holds::All, Holds::System, Holds::SystemAndOld, Holds::Mail, Holds::Old];
        Ok(match kind {
            50 => Message::Prepare(self.words()?),
            51 => Message::Switch,
            52 => Message::Adopt,
            53 => Message::Forget,
            54 => Message::Prepared(self.words()?),
            55 => Message::NotPrepared(self.words()?),
            57 => Message::TakenBack,
            _ => Message::Holder {
                holds: self.one_of(&holds)?,
                octets: u64::from_le_bytes(self.take()?),
                worn: self.octet()?,
                errors: u32::from_le_bytes(self.take()?),
                name: self.words()?,
            },
        })
    }

    fn message_stick(&mut self) -> Result<Message, Wrong> {
        let states = [StickState::None, StickState::Ready, StickState::Unusable, StickState::Mail];
        Ok(Message::Stick {
            state: self.one_of(&states)?,
            octets: u64::from_le_bytes(self.take()?),
            name: self.words()?,
        })
    }

    fn message_address(&mut self) -> Result<Message, Wrong> {
        let (address, prefix) = (self.address()?, self.octet()?);
        let most = if address.is_ipv4() { 32 } else { 128 };
        if prefix > most {
            return Err(Wrong("its prefix is longer than its address"));
        }
        let from = self.one_of(&[From::Dhcp, From::LinkLocal, From::Static, From::Router])?;
        Ok(Message::Address { address, prefix, from })
    }

    fn message_clock(&mut self) -> Result<Message, Wrong> {
        let states = [ClockState::Floor, ClockState::Plausible, ClockState::Synced];
        let (state, seconds) = (self.one_of(&states)?, i64::from_le_bytes(self.take()?));
        if !(0..=u32::MAX.into()).contains(&seconds) {
            return Err(Wrong("its time is out of this world"));
        }
        Ok(Message::Clock { state, seconds })
    }
}
