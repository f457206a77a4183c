//! Who answers questions for names: as DHCP or the owner says, and as routers announce it for IPv6
//! (RFC 8106). The server reads them from resolv.conf.

use crate::limits;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The RDNSS option of a router's announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announced {
    pub servers: Vec<Ipv6Addr>,
    /// Zero: they are no longer to be asked.
    pub lifetime: Duration,
}

/// RFC 8106 5.1: its type, and the octets before the addresses.
const RDNSS: u8 = 25;
const HEAD_BYTES: usize = 8;

/// From the options of an announcement: each its type, its length in units of eight octets, the
/// rest.
pub(crate) fn read(mut options: &[u8]) -> Vec<Announced> {
    let mut found = Vec::new();
    while let [kind, units, ..] = *options {
        let length = usize::from(units) * 8;
        // RFC 4861 4.6: a length of 0 is no option
        let Some((option, rest)) = options.split_at_checked(length).filter(|_| length > 0) else {
            break;
        };
        if kind == RDNSS {
            found.extend(announced(option));
        }
        options = rest;
    }
    found
}

fn announced(option: &[u8]) -> Option<Announced> {
    let seconds: [u8; 4] = option.get(4..HEAD_BYTES)?.try_into().ok()?;
    let (addresses, _) = option.get(HEAD_BYTES..)?.as_chunks::<16>();
    let servers = addresses.iter().map(|octets| Ipv6Addr::from(*octets));
    // One of the link alone could not be written down without the name of the adapter.
    let usable = servers.filter(|server| {
        !server.is_unspecified() && !server.is_multicast() && !server.is_unicast_link_local()
    });
    let lifetime = Duration::from_secs(u32::from_be_bytes(seconds).into());
    Some(Announced { servers: usable.collect(), lifetime })
}

/// All that are known now.
#[derive(Debug, Default)]
pub(crate) struct Resolvers {
    given: Vec<Ipv4Addr>,
    /// Each with the time at which it is forgotten.
    announced: Vec<(Ipv6Addr, Duration)>,
    written: Option<String>,
}

impl Resolvers {
    /// By DHCP or by the owner.
    pub(crate) fn give(&mut self, servers: &[Ipv4Addr]) {
        self.given = servers.to_vec();
    }

    pub(crate) fn announce(&mut self, now: Duration, announced: &Announced) {
        for server in &announced.servers {
            self.announced.retain(|(known, _)| known != server);
            if !announced.lifetime.is_zero() {
                self.announced.push((*server, now + announced.lifetime));
            }
        }
        // RFC 8106 5.3.1: the newest are kept
        let old = self.announced.len().saturating_sub(limits::RESOLVERS_ANNOUNCED);
        self.announced.drain(..old);
    }

    /// The cable is out: routers are no longer heard.
    pub(crate) fn forget_routers(&mut self) {
        self.announced.clear();
    }

    pub(crate) fn due(&self) -> Option<Duration> {
        self.announced.iter().map(|(_, until)| *until).min()
    }

    /// resolv.conf, where it has to be written anew.
    pub(crate) fn changed(&mut self, now: Duration) -> Option<String> {
        self.announced.retain(|(_, until)| *until > now);
        let mut text = String::new();
        for server in &self.given {
            let _ = writeln!(text, "nameserver {server}");
        }
        for (server, _) in &self.announced {
            let _ = writeln!(text, "nameserver {server}");
        }
        if self.written.as_ref() == Some(&text) || (self.written.is_none() && text.is_empty()) {
            return None;
        }
        self.written = Some(text.clone());
        Some(text)
    }
}
