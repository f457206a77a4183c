//! Where the certificate comes from: `[certificate]`.
//!
//! ```text
//! [certificate]          method, directory, contact
//! [certificate.update]   server, zone, key, secret, algorithm: for method = "dns-01"
//! ```

use super::{Fault, fault, name};
use crate::wire::address::check_domain;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};
use toml::Spanned;

/// The authority that most of the world uses.
pub(crate) const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub method: Method,
    /// Where the directory of the authority is. RFC 8555 7.1.1
    pub directory: String,
    /// An address that the authority may write to.
    pub contact: Option<String>,
}

impl Default for Certificate {
    fn default() -> Self {
        Self { method: Method::Own, directory: LETS_ENCRYPT.to_string(), contact: None }
    }
}

/// How an authority is shown that the names are ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Method {
    /// No authority of the world: the box's own signs it.
    Own,
    /// A page on port 80. RFC 8555 8.3
    Http01,
    /// A certificate on port 443. RFC 8737
    TlsAlpn01,
    /// A record that the box writes itself. RFC 8555 8.4
    Dns01(Update),
    /// A record that the owner writes, each time anew.
    ByHand,
}

impl Method {
    /// As the settings write it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01(_) => "dns-01",
            Self::ByHand => "by-hand",
        }
    }
}

/// Who lets us write records, and with which key. RFC 2136, RFC 8945
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Update {
    pub server: SocketAddr,
    /// The zone that is written to; `None`: the nearest, as the DNS says.
    pub zone: Option<String>,
    pub key: String,
    pub secret: Vec<u8>,
    pub algorithm: Algorithm,
}

impl fmt::Debug for Update {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Update { server, zone, key, algorithm, .. } = self;
        write!(f, "Update {{ {server}, {zone:?}, {key}, {algorithm:?} }}")
    }
}

/// RFC 8945 6
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Algorithm {
    HmacSha256,
    HmacSha384,
    HmacSha512,
}

impl Algorithm {
    fn word(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }
}

/// The section with words for the owner.
pub(super) fn print(certificate: &Certificate) -> String {
    let Certificate { method, directory, contact } = certificate;
    let string = |text: &str| toml::Value::String(text.to_string()).to_string();
    let mut text = format!(
        "\n[certificate]\n\
         # Who signs it: \"own\" (the box itself: each device must be told to trust it), or a \
         public\n\
         # authority, which asks for a proof: \"http-01\" (port 80 leads here), \"tls-alpn-01\" \
         (port 443\n\
         # does), \"dns-01\" (the box may write records: [certificate.update] with server, \
         key,\n\
         # secret, algorithm, zone), or as the last resort \"by-hand\": you write a record, every \
         two months.\n\
         method = \"{}\"\n\
         directory = {}\n",
        method.word(),
        string(directory),
    );
    if let Some(contact) = contact {
        let _ = writeln!(text, "contact = {}", string(contact));
    }
    if let Method::Dns01(update) = method {
        let Update { server, zone, key, secret, algorithm } = update;
        let _ = write!(
            text,
            "[certificate.update]\nserver = \"{server}\"\nkey = {}\nsecret = \"{}\"\n\
             algorithm = \"{}\"\n",
            string(key),
            STANDARD.encode(secret),
            algorithm.word(),
        );
        if let Some(zone) = zone {
            let _ = writeln!(text, "zone = {}", string(zone));
        }
    }
    text
}

// ---- the section as it is written ----

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenCertificate {
    method: Option<Spanned<String>>,
    directory: Option<Spanned<String>>,
    contact: Option<Spanned<String>>,
    update: Option<Spanned<WrittenUpdate>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenUpdate {
    server: Spanned<String>,
    zone: Option<Spanned<String>>,
    key: Spanned<String>,
    secret: Spanned<String>,
    algorithm: Option<Algorithm>,
}

pub(super) fn certificate(written: &WrittenCertificate) -> Result<Certificate, Fault> {
    let word = written.method.as_ref().map_or("own", |method| method.get_ref().as_str());
    let method = match (word, &written.update) {
        ("dns-01", Some(update)) => Method::Dns01(self::update(update.get_ref())?),
        (_, Some(update)) => {
            return Err(fault(update, "update is for method = \"dns-01\" and no other"));
        }
        ("own", None) => Method::Own,
        ("http-01", None) => Method::Http01,
        ("tls-alpn-01", None) => Method::TlsAlpn01,
        ("by-hand", None) => Method::ByHand,
        (word, None) => {
            let why = match word {
                "dns-01" => "which server lets us write records? [certificate.update] is missing",
                _ => "is none of own, http-01, tls-alpn-01, dns-01, by-hand",
            };
            let at = written.method.as_ref().map(Spanned::span);
            return Err(Fault { at, why: format!("{word:?}: {why}") });
        }
    };
    let usual = Certificate::default();
    Ok(Certificate {
        method,
        directory: written.directory.as_ref().map_or(Ok(usual.directory), directory)?,
        contact: written.contact.as_ref().map(contact).transpose()?,
    })
}

/// RFC 8555 6.1: always HTTPS.
fn directory(written: &Spanned<String>) -> Result<String, Fault> {
    let text = written.get_ref();
    let rest = text.strip_prefix("https://").unwrap_or_default();
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    let printable = text.bytes().all(|octet| octet.is_ascii_graphic());
    match printable && !host.is_empty() {
        true => Ok(text.clone()),
        false => Err(fault(written, format!("{text:?} is no address such as {LETS_ENCRYPT}"))),
    }
}

fn contact(written: &Spanned<String>) -> Result<String, Fault> {
    let text = written.get_ref();
    let address = crate::wire::address::Address::parse(text);
    match address.is_ok() && text.bytes().all(|octet| octet.is_ascii_graphic()) {
        true => Ok(text.clone()),
        false => Err(fault(written, format!("{text:?} is no address such as me@example.org"))),
    }
}

fn update(written: &WrittenUpdate) -> Result<Update, Fault> {
    let WrittenUpdate { server, zone, key, secret, algorithm } = written;
    let text = server.get_ref();
    let bare = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
    let at = bare.or_else(|_| text.parse());
    let at = at.map_err(|_| fault(server, format!("{text:?} is no address such as 192.0.2.53")))?;
    let octets = STANDARD.decode(secret.get_ref().trim());
    let octets = octets.ok().filter(|octets| octets.len() >= LEAST_SECRET);
    let octets = octets.ok_or_else(|| {
        fault(secret, "the secret is no base64 of at least 16 octets, as name servers print it")
    })?;
    let key_name = key.get_ref().trim_end_matches('.');
    check_domain(key_name)
        .map_err(|_| fault(key, format!("{key_name:?} is no name of a key, such as mailroom")))?;
    Ok(Update {
        server: at,
        zone: zone.as_ref().map(name).transpose()?,
        key: key_name.to_string(),
        secret: octets,
        algorithm: algorithm.unwrap_or(Algorithm::HmacSha256),
    })
}

/// Octets of a secret; fewer could be guessed.
const LEAST_SECRET: usize = 16;
