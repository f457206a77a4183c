//! Names of other servers: the only user of hickory.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Asks the name servers, and remembers what they said for as long as they allowed.
pub(crate) struct Resolver {}

/// An MX record (RFC 5321 5.1); the name in lower case without the last dot, "" is null MX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mx {
    pub preference: u16,
    pub host: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The name does not exist.
    NoName,
    /// The name exists and has no such record.
    NoRecord,
    /// Nobody can say for now: time-outs, servers that fail, answers that make no sense.
    Unknown(String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName => f.write_str("the name does not exist"),
            Self::NoRecord => f.write_str("the name has no such record"),
            Self::Unknown(why) => f.write_str(why),
        }
    }
}

impl Resolver {
    /// With no `servers`: those of /etc/resolv.conf.
    pub(crate) fn new(servers: &[SocketAddr]) -> Result<Resolver, String> {
        let _ = servers;
        Ok(Resolver {})
    }

    pub(crate) async fn mx(&self, domain: &str) -> Result<Vec<Mx>, NoAnswer> {
        Err(NoAnswer::Unknown(domain.to_string()))
    }

    /// A, and with `ipv6` AAAA. IPv6 first where both are there.
    pub(crate) async fn addresses(&self, host: &str, ipv6: bool) -> Result<Vec<IpAddr>, NoAnswer> {
        Err(NoAnswer::Unknown(format!("{host} {ipv6}")))
    }

    pub(crate) async fn txt(&self, name: &str) -> Result<Vec<String>, NoAnswer> {
        Err(NoAnswer::Unknown(name.to_string()))
    }

    /// The names of an address, from its PTR records.
    pub(crate) async fn names(&self, address: IpAddr) -> Result<Vec<String>, NoAnswer> {
        Err(NoAnswer::Unknown(address.to_string()))
    }
}
