//! How mail leaves: `[outgoing]`.
//!
//! ```text
//! [outgoing]                    port, name_servers, ipv6, dane, tls_reports, trust_anchor,
//!                               authority, https_port
//! [outgoing.relay]              host, port, tls, user, password, authority
//! [[outgoing.relay_for]]        domain, and the same
//! ```

use super::{Fault, fault, name};
use crate::wire::address::check_domain;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use toml::Spanned;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// 25, on which the servers of the world listen. Another for tests and odd networks.
    pub port: u16,
    /// Empty: those of /etc/resolv.conf.
    pub name_servers: Vec<SocketAddr>,
    pub ipv6: Ipv6,
    /// Is DANE looked at?
    pub dane: bool,
    /// Are other domains told how TLS with them went, where they want to know?
    pub tls_reports: bool,
    /// DNSKEY records that DNSSEC begins from instead of those of the root of the world.
    pub trust_anchor: Option<PathBuf>,
    /// A PEM file with authorities beside the public ones, for the certificates that MTA-STS asks
    /// for.
    pub authority: Option<PathBuf>,
    /// 443, where the policies of MTA-STS are. Another for tests.
    pub https_port: u16,
    /// Where all mail goes that has no relay of its own.
    pub relay: Option<Relay>,
    /// Relays for mail from senders of these domains.
    pub relay_for: Vec<(String, Relay)>,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            port: 25,
            name_servers: Vec::new(),
            ipv6: Ipv6::Auto,
            dane: true,
            tls_reports: false,
            trust_anchor: None,
            authority: None,
            https_port: 443,
            relay: None,
            relay_for: Vec::new(),
        }
    }
}

impl Outgoing {
    /// The relay for mail from this domain; `None`: straight to the recipients' servers.
    pub(crate) fn relay_of(&self, sender: Option<&str>) -> Option<&Relay> {
        let own = self.relay_for.iter().find(|(domain, _)| Some(domain.as_str()) == sender);
        own.map(|(_, relay)| relay).or(self.relay.as_ref())
    }
}

/// Is mail sent over IPv6?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ipv6 {
    /// Where forward and reverse DNS of our address agree: large receivers refuse the rest.
    Auto,
    Always,
    Never,
}

/// A server that takes our mail for the world ("smarthost").
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Relay {
    pub host: String,
    pub port: u16,
    pub tls: RelayTls,
    /// Name and password.
    pub login: Option<(String, String)>,
    /// The password is an access token (XOAUTH2).
    pub token: bool,
    /// A PEM file with the authority of its certificate, where that is not a public one.
    pub authority: Option<PathBuf>,
}

/// A password does not go into logs.
impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {:?}", self.host, self.port, self.tls)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RelayTls {
    /// From the first octet, as on port 465; the certificate must be right.
    Implicit,
    /// STARTTLS, as on port 587; the certificate must be right.
    StartTls,
    /// STARTTLS where it is offered, any certificate: where no password is said.
    Opportunistic,
    /// Never: for a relay on the same machine.
    None,
}

/// The section with words for the owner.
pub(super) fn print(outgoing: &Outgoing) -> String {
    let servers: Vec<String> =
        outgoing.name_servers.iter().map(|server| format!("\"{server}\"")).collect();
    let ipv6 = match outgoing.ipv6 {
        Ipv6::Auto => "auto",
        Ipv6::Always => "always",
        Ipv6::Never => "never",
    };
    let mut text = format!(
        "\n[outgoing]\n\
         # The port of other servers: 25. Another one is for tests and odd networks.\n\
         port = {}\n\
         # The name servers to ask, as \"192.0.2.53\"; none: those of /etc/resolv.conf.\n\
         name_servers = [{}]\n\
         # \"auto\": over IPv6 only where reverse DNS of our address is right; or \"always\",\n\
         # \"never\".\n\
         ipv6 = \"{ipv6}\"\n\
         # Certificates of other servers are held against the DNS (DANE). false: where name\n\
         # servers or networks make trouble of DNSSEC.\n\
         dane = {}\n\
         # Tell other domains once a day how encryption with them went, where they ask for it.\n\
         tls_reports = {}\n\
         # All mail through another server: a section [outgoing.relay] with host, port, tls\n\
         # (\"implicit\", \"starttls\", \"opportunistic\", \"none\"), user, password,\n\
         # authority (a PEM file).\n\
         # Mail from one domain: [[outgoing.relay_for]] with domain, and the same.\n",
        outgoing.port,
        servers.join(", "),
        outgoing.dane,
        outgoing.tls_reports,
    );
    print_odd(outgoing, &mut text);
    if let Some(relay) = &outgoing.relay {
        text.push_str("\n[outgoing.relay]\n");
        print_relay(relay, &mut text);
    }
    for (domain, relay) in &outgoing.relay_for {
        let _ = write!(text, "\n[[outgoing.relay_for]]\ndomain = {domain:?}\n");
        print_relay(relay, &mut text);
    }
    text
}

/// What only tests and odd networks set.
fn print_odd(outgoing: &Outgoing, text: &mut String) {
    let files = [("trust_anchor", &outgoing.trust_anchor), ("authority", &outgoing.authority)];
    for (key, file) in files {
        if let Some(file) = file {
            let file = toml::Value::String(file.to_string_lossy().to_string());
            let _ = writeln!(text, "{key} = {file}");
        }
    }
    if outgoing.https_port != 443 {
        let _ = writeln!(text, "https_port = {}", outgoing.https_port);
    }
}

fn print_relay(relay: &Relay, text: &mut String) {
    let tls = match relay.tls {
        RelayTls::Implicit => "implicit",
        RelayTls::StartTls => "starttls",
        RelayTls::Opportunistic => "opportunistic",
        RelayTls::None => "none",
    };
    let string = |text: &str| toml::Value::String(text.to_string()).to_string();
    let _ = writeln!(text, "host = {:?}\nport = {}\ntls = \"{tls}\"", relay.host, relay.port);
    if let Some((user, password)) = &relay.login {
        let _ = writeln!(text, "user = {}\npassword = {}", string(user), string(password));
    }
    if let Some(authority) = &relay.authority {
        let _ = writeln!(text, "authority = {}", string(&authority.to_string_lossy()));
    }
}

// ---- the section as it is written ----

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenOutgoing {
    port: Option<Spanned<u16>>,
    #[serde(default)]
    name_servers: Vec<Spanned<String>>,
    ipv6: Option<Ipv6>,
    dane: Option<bool>,
    #[serde(default)]
    tls_reports: bool,
    trust_anchor: Option<PathBuf>,
    authority: Option<PathBuf>,
    https_port: Option<Spanned<u16>>,
    relay: Option<WrittenRelay>,
    #[serde(default)]
    relay_for: Vec<WrittenRelay>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenRelay {
    /// Only in relay_for.
    domain: Option<Spanned<String>>,
    host: Spanned<String>,
    port: Option<Spanned<u16>>,
    tls: Option<RelayTls>,
    user: Option<Spanned<String>>,
    password: Option<Spanned<String>>,
    authority: Option<PathBuf>,
}

pub(super) fn outgoing(written: &WrittenOutgoing) -> Result<Outgoing, Fault> {
    let port = port(written.port.as_ref(), 25)?;
    let https_port = self::port(written.https_port.as_ref(), 443)?;
    let name_servers = written.name_servers.iter().map(server).collect::<Result<_, _>>()?;
    if let Some(domain) = written.relay.as_ref().and_then(|relay| relay.domain.as_ref()) {
        return Err(fault(domain, "relay is for all domains; write [[outgoing.relay_for]]"));
    }
    let relay_for = written.relay_for.iter().map(relay_for).collect::<Result<_, _>>()?;
    Ok(Outgoing {
        port,
        name_servers,
        ipv6: written.ipv6.unwrap_or(Ipv6::Auto),
        dane: written.dane.unwrap_or(true),
        tls_reports: written.tls_reports,
        trust_anchor: written.trust_anchor.clone(),
        authority: written.authority.clone(),
        https_port,
        relay: written.relay.as_ref().map(relay).transpose()?,
        relay_for,
    })
}

fn port(written: Option<&Spanned<u16>>, usual: u16) -> Result<u16, Fault> {
    match written {
        None => Ok(usual),
        Some(port) if *port.get_ref() == 0 => Err(fault(port, "0 is no port to send to")),
        Some(port) => Ok(*port.get_ref()),
    }
}

fn server(written: &Spanned<String>) -> Result<SocketAddr, Fault> {
    let text = written.get_ref();
    let bare = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
    bare.or_else(|_| text.parse())
        .map_err(|_| fault(written, format!("{text:?} is not an address such as 192.0.2.53")))
}

fn relay_for(written: &WrittenRelay) -> Result<(String, Relay), Fault> {
    let Some(domain) = &written.domain else {
        return Err(fault(&written.host, "whose mail goes there? domain is missing"));
    };
    let text = domain.get_ref();
    let name = check_domain(text).map_err(|_| fault(domain, format!("{text:?} is no domain")))?;
    Ok((name, relay(written)?))
}

pub(super) fn relay(written: &WrittenRelay) -> Result<Relay, Fault> {
    let host = name(&written.host)?;
    let tls = written.tls.unwrap_or(RelayTls::StartTls);
    let usual = match tls {
        RelayTls::Implicit => 465,
        RelayTls::StartTls => 587,
        RelayTls::Opportunistic | RelayTls::None => 25,
    };
    let port = written.port.as_ref().map_or(usual, |port| *port.get_ref());
    if port == 0 {
        return Err(fault(&written.host, "0 is no port to send to"));
    }
    let login = match (&written.user, &written.password) {
        (Some(user), Some(password)) => {
            let local = matches!(host.parse::<IpAddr>(), Ok(address) if address.is_loopback());
            let safe = match tls {
                RelayTls::Implicit | RelayTls::StartTls => true,
                RelayTls::Opportunistic => false,
                RelayTls::None => local,
            };
            if !safe {
                let why = "a password needs tls = \"implicit\" or \"starttls\"";
                return Err(fault(password, why));
            }
            Some((user.get_ref().clone(), password.get_ref().clone()))
        }
        (None, None) => None,
        (Some(user), None) => return Err(fault(user, "a user without a password")),
        (None, Some(password)) => return Err(fault(password, "a password without a user")),
    };
    let authority = written.authority.clone();
    Ok(Relay { host, port, tls, login, token: false, authority })
}
