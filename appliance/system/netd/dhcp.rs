//! DHCP for one network adapter, as a machine without socket or clock (RFC 2131).
//!
//! ```text
//!  Init --link--> Selecting --offer--> Requesting --ack--> Probing --free--> Bound
//!   ^                ^  ^                  | nak              | taken         | T1
//!   |                |  +------------------+                  v               v
//!   |                +------------------------------------ Declined       Renewing --ack--> Bound
//!  no link                                                  10 s              | T2
//!                    ^                                                        v
//!                    +----------------- lease ended, nak -------------- Rebinding --ack--> Bound
//! ```

use crate::limits;
use dhcproto::Encodable;
use dhcproto::error::DecodeResult;
use dhcproto::v4::{
    DhcpOption, DhcpOptions, Flags, Message, MessageType, Opcode, OptionCode, borrowed,
};
use std::net::Ipv4Addr;
use std::time::Duration;

/// What a server lends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub address: Ipv4Addr,
    pub prefix: u8,
    pub gateway: Option<Ipv4Addr>,
    pub resolvers: Vec<Ipv4Addr>,
    pub time_servers: Vec<Ipv4Addr>,
    pub server: Ipv4Addr,
    pub renew: Duration,
    pub rebind: Duration,
    pub end: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// A packet to everyone, or to the server that lent the address.
    Send(Vec<u8>, Option<Ipv4Addr>),
    /// Ask the network whether somebody has this address already.
    Probe(Ipv4Addr),
    Bind(Lease),
    Unbind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Init,
    Selecting,
    Requesting(Lease),
    Probing(Lease),
    Declined,
    /// With the time at which it was granted.
    Bound(Lease, Duration),
    Renewing(Lease, Duration),
    Rebinding(Lease, Duration),
}

#[derive(Debug)]
pub(crate) struct Client {
    state: State,
    hardware: [u8; 6],
    name: String,
    exchange: u32,
    /// When this state began, when the next packet is due, and how many were sent in it.
    since: Duration,
    due: Option<Duration>,
    tries: u32,
}

impl Client {
    /// `exchange` is random: answers to others are told from answers to us by it.
    pub(crate) fn new(hardware: [u8; 6], name: &str, exchange: u32) -> Client {
        let (state, name) = (State::Init, name.to_string());
        Client { state, hardware, name, exchange, since: Duration::ZERO, due: None, tries: 0 }
    }

    pub(crate) fn link_up(&mut self, now: Duration) -> Vec<Action> {
        match self.state {
            State::Init => self.select(now),
            // The cable may lead to another network now.
            State::Bound(..) | State::Renewing(..) | State::Rebinding(..) => {
                self.due = Some(now);
                self.tick(now)
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn link_down(&mut self) -> Vec<Action> {
        let had = self.lease().is_some();
        self.state = State::Init;
        self.due = None;
        if had { vec![Action::Unbind] } else { Vec::new() }
    }

    pub(crate) fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Bound(lease, _) | State::Renewing(lease, _) | State::Rebinding(lease, _) => {
                Some(lease)
            }
            _ => None,
        }
    }

    /// When [`Client::tick`] wants to be called.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.due
    }

    pub(crate) fn tick(&mut self, now: Duration) -> Vec<Action> {
        if self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        match self.state.clone() {
            State::Init | State::Probing(_) => Vec::new(),
            State::Declined => self.select(now),
            State::Selecting => vec![self.discover(now)],
            State::Requesting(lease) => {
                // RFC 2131 3.1.5: four tries, then from the beginning
                if self.tries >= limits::DHCP_REQUESTS {
                    return self.select(now);
                }
                vec![self.request(now, &lease)]
            }
            State::Bound(lease, granted)
            | State::Renewing(lease, granted)
            | State::Rebinding(lease, granted) => self.keep(now, lease, granted),
        }
    }

    /// Renewing from T1, rebinding from T2, until the end.
    fn keep(&mut self, now: Duration, lease: Lease, granted: Duration) -> Vec<Action> {
        let age = now.saturating_sub(granted);
        if age >= lease.end {
            let mut actions = vec![Action::Unbind];
            actions.extend(self.select(now));
            return actions;
        }
        self.exchange = self.exchange.wrapping_add(1);
        let rebinding = age >= lease.rebind;
        // RFC 2131 4.4.5: half of what is left, no more often than each minute
        let next = if rebinding { lease.end } else { lease.rebind };
        let wait = (next.saturating_sub(age) / 2).max(limits::DHCP_RENEW_PAUSE);
        self.due = Some((now + wait).min(granted + next.max(age)).max(now + limits::DHCP_FIRST));
        let octets = self.message(MessageType::Request, now, Some(lease.address), &[]);
        let server = lease.server;
        if rebinding {
            self.state = State::Rebinding(lease, granted);
            vec![Action::Send(octets, None)]
        } else {
            self.state = State::Renewing(lease, granted);
            vec![Action::Send(octets, Some(server))]
        }
    }

    /// Octets that came to the client's port; what is no answer to us is passed over.
    pub(crate) fn received(&mut self, now: Duration, octets: &[u8]) -> Vec<Action> {
        let Ok(message) = borrowed::Message::new(octets) else { return Vec::new() };
        let ours = message.opcode() == Opcode::BootReply
            && message.xid() == self.exchange
            // RFC 2131 2: the length is said by the peer, and the field has 16 octets
            && usize::from(message.hlen()) == self.hardware.len()
            && message.chaddr() == self.hardware;
        if !ours {
            return Vec::new();
        }
        let Ok(options) = options_of(&message) else { return Vec::new() };
        let Some(kind) = options.msg_type() else { return Vec::new() };
        let address = message.yiaddr();
        match (kind, self.state.clone()) {
            (MessageType::Offer, State::Selecting) => {
                let Some(lease) = lease_of(address, &options) else { return Vec::new() };
                self.enter(State::Requesting(lease.clone()), now);
                vec![self.request(now, &lease)]
            }
            (MessageType::Ack, State::Requesting(_)) => {
                let Some(lease) = lease_of(address, &options) else { return self.select(now) };
                self.enter(State::Probing(lease), now);
                self.due = None;
                // RFC 2131 3.1.5 and RFC 5227 2.1: nobody else may have it
                vec![Action::Probe(address)]
            }
            (MessageType::Ack, State::Renewing(old, _) | State::Rebinding(old, _)) => {
                let Some(lease) = lease_of(address, &options) else { return Vec::new() };
                if lease.address != old.address {
                    let mut actions = vec![Action::Unbind];
                    actions.extend(self.select(now));
                    return actions;
                }
                self.bind(now, lease)
            }
            (MessageType::Nak, State::Requesting(_)) => self.select(now),
            (MessageType::Nak, State::Renewing(..) | State::Rebinding(..)) => {
                let mut actions = vec![Action::Unbind];
                actions.extend(self.select(now));
                actions
            }
            _ => Vec::new(),
        }
    }

    /// What the probe of the offered address found.
    pub(crate) fn probed(&mut self, now: Duration, address: Ipv4Addr, free: bool) -> Vec<Action> {
        match self.state.clone() {
            State::Probing(lease) if lease.address == address && free => self.bind(now, lease),
            State::Probing(lease) if lease.address == address => self.decline(now, &lease),
            _ => Vec::new(),
        }
    }

    /// Another device uses the address that is ours.
    pub(crate) fn conflict(&mut self, now: Duration) -> Vec<Action> {
        let Some(lease) = self.lease().cloned() else { return Vec::new() };
        let mut actions = vec![Action::Unbind];
        actions.extend(self.decline(now, &lease));
        actions
    }

    /// RFC 2131 3.1.5: DHCPDECLINE, and a pause of ten seconds.
    fn decline(&mut self, now: Duration, lease: &Lease) -> Vec<Action> {
        let octets = self.message(MessageType::Decline, now, None, &offered(lease));
        self.enter(State::Declined, now);
        self.due = Some(now + limits::DHCP_DECLINED);
        vec![Action::Send(octets, None)]
    }

    fn bind(&mut self, now: Duration, lease: Lease) -> Vec<Action> {
        self.enter(State::Bound(lease.clone(), now), now);
        self.due = Some(now + lease.renew);
        vec![Action::Bind(lease)]
    }

    fn select(&mut self, now: Duration) -> Vec<Action> {
        self.exchange = self.exchange.wrapping_add(1);
        self.enter(State::Selecting, now);
        vec![self.discover(now)]
    }

    fn enter(&mut self, state: State, now: Duration) {
        (self.state, self.since, self.tries) = (state, now, 0);
    }

    fn discover(&mut self, now: Duration) -> Action {
        self.due = Some(now + self.pause());
        Action::Send(self.message(MessageType::Discover, now, None, &[]), None)
    }

    fn request(&mut self, now: Duration, lease: &Lease) -> Action {
        self.due = Some(now + self.pause());
        Action::Send(self.message(MessageType::Request, now, None, &offered(lease)), None)
    }

    /// RFC 2131 4.1: 4 s, then doubled; up to 64 s; 1 s moved by what is random in the exchange.
    fn pause(&mut self) -> Duration {
        let base = limits::DHCP_FIRST * (1 << self.tries.min(4));
        self.tries += 1;
        let moved = u64::from(self.exchange.rotate_left(self.tries) % 2_000);
        base + Duration::from_millis(moved) - Duration::from_secs(1)
    }

    fn message(
        &self,
        kind: MessageType,
        now: Duration,
        own: Option<Ipv4Addr>,
        more: &[DhcpOption],
    ) -> Vec<u8> {
        let none = Ipv4Addr::UNSPECIFIED;
        let own_or_none = own.unwrap_or(none);
        let mut message =
            Message::new_with_id(self.exchange, own_or_none, none, none, none, &self.hardware);
        let waited = now.saturating_sub(self.since).as_secs();
        message.set_secs(u16::try_from(waited).unwrap_or(u16::MAX));
        // RFC 2131 4.1: without an address we hear only what is sent to everyone
        if own.is_none() {
            message.set_flags(Flags::default().set_broadcast());
        }
        let options = message.opts_mut();
        options.insert(DhcpOption::MessageType(kind));
        // RFC 2132 9.14: the hardware address with its type
        let identity = [&[1][..], &self.hardware].concat();
        options.insert(DhcpOption::ClientIdentifier(identity));
        if kind != MessageType::Decline {
            options.insert(DhcpOption::Hostname(self.name.clone()));
            options.insert(DhcpOption::MaxMessageSize(1_500));
            options.insert(DhcpOption::ParameterRequestList(vec![
                OptionCode::SubnetMask,
                OptionCode::Router,
                OptionCode::DomainNameServer,
                OptionCode::NtpServers,
                OptionCode::AddressLeaseTime,
                OptionCode::Renewal,
                OptionCode::Rebinding,
            ]));
        }
        for option in more {
            options.insert(option.clone());
        }
        // Every option above fits.
        message.to_vec().unwrap_or_default()
    }
}

fn offered(lease: &Lease) -> [DhcpOption; 2] {
    [DhcpOption::RequestedIpAddress(lease.address), DhcpOption::ServerIdentifier(lease.server)]
}

/// What the client reads of an answer.
const READ: [OptionCode; 9] = [
    OptionCode::MessageType,
    OptionCode::ServerIdentifier,
    OptionCode::AddressLeaseTime,
    OptionCode::Renewal,
    OptionCode::Rebinding,
    OptionCode::SubnetMask,
    OptionCode::Router,
    OptionCode::DomainNameServer,
    OptionCode::NtpServers,
];

/// Only those of `READ`: no lease is lost over another option that a server spells wrongly.
fn options_of(message: &borrowed::Message) -> DecodeResult<DhcpOptions> {
    let mut options = DhcpOptions::new();
    for option in message.opts().filter(|option| READ.contains(&option.code())) {
        options.insert(option.into_option()?);
    }
    Ok(options)
}

/// `None` where an offer or acknowledgement makes no sense.
fn lease_of(address: Ipv4Addr, options: &DhcpOptions) -> Option<Lease> {
    let usable = !address.is_unspecified()
        && !address.is_loopback()
        && !address.is_multicast()
        && !address.is_broadcast();
    let Some(DhcpOption::ServerIdentifier(server)) = options.get(OptionCode::ServerIdentifier)
    else {
        return None;
    };
    let seconds = |code: OptionCode| match options.get(code) {
        Some(
            DhcpOption::AddressLeaseTime(seconds)
            | DhcpOption::Renewal(seconds)
            | DhcpOption::Rebinding(seconds),
        ) => Some(Duration::from_secs(u64::from(*seconds))),
        _ => None,
    };
    let end = seconds(OptionCode::AddressLeaseTime)?;
    let end = end.clamp(limits::DHCP_LEASE_LEAST, limits::DHCP_LEASE_MOST);
    // RFC 2131 4.4.5: half, and seven eighths; what the server says where it is in order
    let rebind = seconds(OptionCode::Rebinding).filter(|t2| *t2 < end).unwrap_or(end * 7 / 8);
    let renew = seconds(OptionCode::Renewal).filter(|t1| *t1 < rebind).unwrap_or(end / 2);
    let renew = renew.min(rebind);
    let prefix = match options.get(OptionCode::SubnetMask) {
        Some(DhcpOption::SubnetMask(mask)) => prefix_of(*mask)?,
        _ => 24,
    };
    let list = |code: OptionCode| match options.get(code) {
        Some(
            DhcpOption::Router(list)
            | DhcpOption::DomainNameServer(list)
            | DhcpOption::NtpServers(list),
        ) => list.iter().copied().take(limits::DHCP_SERVERS).collect(),
        _ => Vec::new(),
    };
    usable.then(|| Lease {
        address,
        prefix,
        gateway: list(OptionCode::Router).first().copied(),
        resolvers: list(OptionCode::DomainNameServer),
        time_servers: list(OptionCode::NtpServers),
        server: *server,
        renew,
        rebind,
        end,
    })
}

/// Of a mask whose ones stand together.
fn prefix_of(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    let ones = bits.leading_ones();
    (bits.count_ones() == ones && (1..=32).contains(&ones)).then(|| ones.to_le_bytes()[0])
}
