//! A connection to a server of a provider. Its certificate is proven before a password is said.

use crate::limits;
use crate::net::dial::{self, Call, Trust};
use crate::net::resolver::Resolver;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Where a server is, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub host: String,
    pub port: u16,
    pub tls: Security,
    /// A PEM file with authorities beside the public ones.
    pub authority: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Security {
    /// From the first octet.
    Implicit,
    /// After STARTTLS, before the log-in.
    StartTls,
    /// Never: only to this machine.
    None,
}

impl Place {
    /// May a password go there in clear? Only where it never leaves the machine.
    pub(crate) fn is_here(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoCall {
    /// It may be there at the next try.
    Passing(String),
    /// TLS that is not proven, or settings that make no sense.
    Lasting(String),
}

/// Connects, with TLS where it stands from the first octet.
pub(crate) async fn reach(place: &Place, resolver: &Resolver) -> Result<Call, NoCall> {
    if place.tls == Security::None && !place.is_here() {
        let why = "A password does not go to another machine without TLS.".to_string();
        return Err(NoCall::Lasting(why));
    }
    let call = connect(place, resolver).await?;
    match place.tls {
        Security::Implicit => secure(call, place).await,
        Security::StartTls | Security::None => Ok(call),
    }
}

/// TLS as the client; the certificate must be right.
pub(crate) async fn secure(call: Call, place: &Place) -> Result<Call, NoCall> {
    let trust = Trust::proven(place.authority.as_deref());
    let trust = trust.map_err(|fault| NoCall::Lasting(format!("The authority: {fault}.")))?;
    let secured = call.secure(&trust, &place.host, limits::TLS_HANDSHAKE).await;
    match secured {
        Ok((call, _)) => Ok(call),
        Err(unproven) => {
            let why = format!("TLS with {} fails: {}.", place.host, unproven.why);
            Err(match unproven.certificate {
                Some(_) => NoCall::Lasting(why),
                None => NoCall::Passing(why),
            })
        }
    }
}

async fn connect(place: &Place, resolver: &Resolver) -> Result<Call, NoCall> {
    let mut last = format!("{} has no address.", place.host);
    for address in addresses(place, resolver).await? {
        let to = SocketAddr::new(address, place.port);
        if dial::source(to).is_none() {
            last = format!("There is no way to {to}.");
            continue;
        }
        match dial::dial(to, limits::IMAP_OUT_CONNECT).await {
            Ok(call) => return Ok(call),
            Err(error) => last = format!("No connection to {} [{to}]: {error}.", place.host),
        }
    }
    Err(NoCall::Passing(last))
}

async fn addresses(place: &Place, resolver: &Resolver) -> Result<Vec<IpAddr>, NoCall> {
    if let Ok(address) = place.host.parse() {
        return Ok(vec![address]);
    }
    // RFC 6761 6.3: no name server is asked about it
    if place.host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into()]);
    }
    let found = resolver.addresses(&place.host, true).await;
    found.map_err(|why| NoCall::Passing(format!("The address of {}: {why}.", place.host)))
}
