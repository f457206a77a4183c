//! The owner's mailroom.toml on the boot partition of a box: what it shall be at its first start.
//!
//! ```text
//! domain = "office.example"
//! host = "mail.office.example"      mail.DOMAIN without it
//! setup_code = "ABCD-EFGH"
//!
//! [[people]]
//! address = "alice@office.example"
//! name = "Alice"
//! password = "..."
//!
//! [network]                         a fixed address; DHCP without it
//! address = "192.168.1.20/24"
//! gateway = "192.168.1.1"
//! resolvers = ["192.168.1.1"]
//!
//! [smarthost]                       as [outgoing.relay] of the settings
//! host = "smtp.provider.example"
//! ```

use super::{Fault, Relay, fault, line_of, name, outgoing};
use crate::limits;
use crate::wire::address::{Address, check_domain};
use serde::Deserialize;
use std::fmt;
use std::net::Ipv4Addr;
use toml::Spanned;

/// What the file says, checked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Preset {
    pub domain: Option<String>,
    pub host: Option<String>,
    pub setup_code: Option<String>,
    pub people: Vec<Person>,
    pub network: Option<Network>,
    pub smarthost: Option<Relay>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub address: Address,
    pub name: String,
    pub password: String,
}

/// A fixed address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Network {
    pub address: Ipv4Addr,
    pub prefix: u8,
    pub gateway: Option<Ipv4Addr>,
    pub resolvers: Vec<Ipv4Addr>,
}

/// Passwords and codes do not go into logs.
impl fmt::Debug for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Preset({:?}, {} people)", self.domain, self.people.len())
    }
}

/// Line (from 1; 0 for the whole file) and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PresetError {
    pub line: usize,
    pub why: String,
}

pub(crate) fn parse(octets: &[u8]) -> Result<Preset, PresetError> {
    let whole = |why: &str| PresetError { line: 0, why: why.to_string() };
    if octets.len() > limits::SETTINGS_BYTES {
        return Err(whole("the file is larger than 256 KiB"));
    }
    let text = std::str::from_utf8(octets).map_err(|error| {
        let before = octets.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|octet| **octet == b'\n').count() + 1;
        PresetError { line, why: "it is not UTF-8".to_string() }
    })?;
    // Editors of Windows write a mark in front.
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    read(text).map_err(|fault| PresetError {
        line: fault.at.map_or(0, |at| line_of(text, at.start)),
        why: fault.why,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    domain: Option<Spanned<String>>,
    host: Option<Spanned<String>>,
    setup_code: Option<Spanned<String>>,
    #[serde(default)]
    people: Vec<WrittenPerson>,
    network: Option<WrittenNetwork>,
    smarthost: Option<outgoing::WrittenRelay>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPerson {
    address: Spanned<String>,
    #[serde(default)]
    name: String,
    password: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenNetwork {
    address: Spanned<String>,
    gateway: Option<Spanned<String>>,
    #[serde(default)]
    resolvers: Vec<Spanned<String>>,
}

fn read(text: &str) -> Result<Preset, Fault> {
    let written: Written = toml::from_str(text)
        .map_err(|error| Fault { at: error.span(), why: error.message().to_string() })?;
    let domain = written.domain.as_ref().map(domain).transpose()?;
    let mut people = Vec::new();
    for person in &written.people {
        let person = read_person(person, domain.as_deref())?;
        if people.iter().any(|other: &Person| other.address == person.address) {
            return Err(fault(&written.people[people.len()].address, "this person is there twice"));
        }
        people.push(person);
    }
    Ok(Preset {
        domain,
        host: written.host.as_ref().map(name).transpose()?,
        setup_code: written.setup_code.as_ref().map(setup_code).transpose()?,
        people,
        network: written.network.as_ref().map(network).transpose()?,
        smarthost: written.smarthost.as_ref().map(outgoing::relay).transpose()?,
    })
}

fn domain(written: &Spanned<String>) -> Result<String, Fault> {
    let text = written.get_ref();
    check_domain(text).map_err(|_| fault(written, format!("{text:?} is no domain")))
}

fn read_person(written: &WrittenPerson, domain: Option<&str>) -> Result<Person, Fault> {
    let text = written.address.get_ref();
    let address = Address::parse(text)
        .map_err(|error| fault(&written.address, format!("{text:?} is no address: {error}")))?;
    if domain != Some(address.domain()) {
        let why = format!("{text:?} is not of the domain that `domain` names");
        return Err(fault(&written.address, why));
    }
    let password = written.password.get_ref();
    if password.is_empty() || password.len() > limits::PASSWORD_BYTES {
        let most = limits::PASSWORD_BYTES;
        let why = format!("the password must have from 1 to {most} octets");
        return Err(fault(&written.password, why));
    }
    Ok(Person { address, name: written.name.clone(), password: password.clone() })
}

/// Two groups of four of these, as the box makes them itself.
fn setup_code(written: &Spanned<String>) -> Result<String, Fault> {
    let text = written.get_ref();
    match crate::request::Code::parse(text) {
        Some(code) => Ok(code.to_string()),
        None => Err(fault(written, "a setup code is like ABCD-2345, without 0, 1, I and O")),
    }
}

fn network(written: &WrittenNetwork) -> Result<Network, Fault> {
    let text = written.address.get_ref();
    let wrong = || fault(&written.address, format!("{text:?} is not like 192.168.1.20/24"));
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
    let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
    let host = address.is_private() || !(address.is_loopback() || address.is_multicast());
    if !(1..=30).contains(&prefix) || address.is_unspecified() || !host {
        return Err(wrong());
    }
    let four = |written: &Spanned<String>| -> Result<Ipv4Addr, Fault> {
        let text = written.get_ref();
        text.parse().map_err(|_| fault(written, format!("{text:?} is no IPv4 address")))
    };
    let gateway = match &written.gateway {
        None => None,
        Some(written) => {
            let gateway = four(written)?;
            let network = |a: Ipv4Addr| u32::from(a) >> (32 - prefix);
            if network(gateway) != network(address) {
                return Err(fault(written, format!("{gateway} is not in the network of {text}")));
            }
            Some(gateway)
        }
    };
    let resolvers = written.resolvers.iter().map(four).collect::<Result<Vec<_>, _>>()?;
    if resolvers.len() > crate::request::SERVERS {
        return Err(fault(&written.resolvers[0], "at most three resolvers"));
    }
    Ok(Network { address, prefix, gateway, resolvers })
}
