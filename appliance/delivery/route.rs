//! Where mail for a domain goes: MX records, their order, and what stands in the way.
//!
//! ```text
//! MX records    -> hosts by preference, equal ones shuffled        RFC 5321 5.1
//! one MX of "." -> the domain takes no mail                        RFC 7505
//! no MX record  -> the domain itself is the host
//! ourselves     -> only hosts that are preferred to us; none: a loop
//! [192.0.2.1]   -> that address
//! ```

use crate::limits;
use crate::net::dial;
use crate::net::resolver::{Mx, NoAnswer, Resolver};
use crate::settings::Ipv6;
use crate::wire::address::check_domain;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Why mail for a domain cannot be brought anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoRoute {
    /// For a person.
    pub why: String,
    pub lasting: bool,
    /// DNSSEC says that the answer is forged.
    pub bogus: bool,
}

/// Where mail for a domain goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// In the order in which they are tried; at least one.
    pub hosts: Vec<String>,
    /// That these are the hosts is proven with DNSSEC.
    pub secure: bool,
}

/// The addresses of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reach {
    /// In the order in which they are tried; at least one.
    pub addresses: Vec<SocketAddr>,
    /// That these are its addresses is proven with DNSSEC.
    pub secure: bool,
    /// What the host is called after all aliases.
    pub name: String,
}

/// Who serves a domain. `ourselves` is our own name, `random` shuffles, `prove`: with DNSSEC.
pub(crate) async fn hosts(
    resolver: &Resolver,
    domain: &str,
    ourselves: &str,
    random: u64,
    prove: bool,
) -> Result<Route, NoRoute> {
    if literal(domain).is_some() {
        return Ok(Route { hosts: vec![domain.to_string()], secure: false });
    }
    let found = match prove {
        true => resolver.proven_mx(domain).await.map(|found| (found.records, found.secure)),
        false => resolver.mx(domain).await.map(|records| (records, false)),
    };
    let route = |hosts: Result<Vec<String>, NoRoute>, secure: bool| {
        hosts.map(|hosts| Route { hosts, secure })
    };
    match found {
        Ok((records, secure)) => route(order(records, domain, ourselves, random), secure),
        // RFC 5321 5.1: without MX the domain itself is the host
        Err(NoAnswer::NoRecord) => {
            let own = vec![Mx { preference: 0, host: domain.to_string() }];
            // Its addresses are in the same zone, and say whether that is signed.
            route(order(own, domain, ourselves, random), prove)
        }
        Err(NoAnswer::Bogus) => {
            let why = format!(
                "Where mail for {domain} goes is not believed: {}. Nothing is sent there until \
                 they are right again.",
                NoAnswer::Bogus
            );
            Err(NoRoute { why, lasting: false, bogus: true })
        }
        Err(NoAnswer::NoName) => Err(NoRoute {
            why: format!("There is no domain {domain}."),
            lasting: true,
            bogus: false,
        }),
        Err(NoAnswer::Unknown(why)) => {
            let why = format!("Where mail for {domain} goes cannot be found out now: {why}.");
            Err(NoRoute { why, lasting: false, bogus: false })
        }
    }
}

/// MX records as a list of hosts.
pub(crate) fn order(
    mut records: Vec<Mx>,
    domain: &str,
    ourselves: &str,
    random: u64,
) -> Result<Vec<String>, NoRoute> {
    // RFC 7505 3: one record with the empty name: no mail
    if let [only] = records.as_slice()
        && only.host.is_empty()
    {
        return Err(NoRoute {
            why: format!("{domain} takes no mail."),
            lasting: true,
            bogus: false,
        });
    }
    records.retain(|mx| check_domain(&mx.host).is_ok() && mx.host.parse::<IpAddr>().is_err());
    if records.is_empty() {
        let why = format!("The MX records of {domain} name no host.");
        return Err(NoRoute { why, lasting: false, bogus: false });
    }
    shuffle(&mut records, random);
    records.sort_by_key(|mx| mx.preference);
    // RFC 5321 5.1: hosts that are not preferred to ourselves are left out
    let own = records.iter().position(|mx| mx.host.eq_ignore_ascii_case(ourselves));
    if let Some(own) = own.and_then(|own| records.get(own)).map(|mx| mx.preference) {
        records.retain(|mx| mx.preference < own);
    }
    if records.is_empty() {
        return Err(NoRoute { why: loops(domain), lasting: true, bogus: false });
    }
    let mut hosts: Vec<String> = Vec::new();
    for mx in records {
        if !hosts.contains(&mx.host) {
            hosts.push(mx.host);
        }
    }
    hosts.truncate(limits::SMTP_OUT_HOSTS);
    Ok(hosts)
}

pub(crate) fn loops(domain: &str) -> String {
    format!(
        "Mail for {domain} would come back to this server, which does not know the domain. \
         Either its MX record is wrong, or it should be made a domain of this server."
    )
}

/// The addresses of a host. `prove`: with DNSSEC.
pub(crate) async fn addresses(
    resolver: &Resolver,
    host: &str,
    port: u16,
    ipv6: Ipv6,
    prove: bool,
) -> Result<Reach, NoAnswer> {
    let name = host.to_string();
    if let Some(address) = literal(host) {
        let addresses = vec![SocketAddr::new(address, port)];
        return Ok(Reach { addresses, secure: false, name });
    }
    let six = ipv6 != Ipv6::Never;
    let (found, secure, name) = match prove {
        true => {
            let found = resolver.proven_addresses(host, six).await?;
            (found.records, found.secure, found.name)
        }
        false => (resolver.addresses(host, six).await?, false, name),
    };
    let found = found.into_iter().map(|address| address.to_canonical()).filter(is_a_host);
    let (six, four): (Vec<IpAddr>, Vec<IpAddr>) = found.partition(IpAddr::is_ipv6);
    let at = |address: IpAddr| SocketAddr::new(address, port);
    let usable = match (ipv6, six.first()) {
        (Ipv6::Never, _) | (_, None) => false,
        (Ipv6::Always, _) => true,
        // Who has only IPv6 is reached by it or not at all.
        (Ipv6::Auto, Some(first)) => {
            four.is_empty()
                || match dial::source(at(*first)) {
                    Some(own) => confirmed(resolver, own).await,
                    None => false,
                }
        }
    };
    let six = if usable { six } else { Vec::new() };
    let addresses: Vec<SocketAddr> = six.into_iter().chain(four).map(at).collect();
    if addresses.is_empty() {
        return Err(NoAnswer::NoRecord);
    }
    Ok(Reach { addresses, secure, name })
}

/// Has our address a name that leads back to it?
pub(crate) async fn confirmed(resolver: &Resolver, own: IpAddr) -> bool {
    let names = resolver.names(own).await.unwrap_or_default();
    for name in names.iter().take(limits::SMTP_OUT_HOSTS) {
        let back = resolver.addresses(name, true).await.unwrap_or_default();
        if back.contains(&own) {
            return true;
        }
    }
    false
}

/// `[192.0.2.1]`, `[IPv6:2001:db8::1]`, or a bare address.
fn literal(domain: &str) -> Option<IpAddr> {
    let inner = domain.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let inner = inner.unwrap_or(domain);
    match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => inner.get(5..)?.parse().ok(),
        _ => inner.parse().ok(),
    }
}

/// Can a single host have it?
fn is_a_host(address: &IpAddr) -> bool {
    let broadcast = *address == IpAddr::V4(Ipv4Addr::BROADCAST);
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}

/// Fisher-Yates, with the numbers of SplitMix64.
fn shuffle<T>(list: &mut [T], random: u64) {
    let mut state = random;
    for at in (1..list.len()).rev() {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let with = (z ^ (z >> 31)) % (at as u64 + 1);
        list.swap(at, usize::try_from(with).unwrap_or(0));
    }
}
