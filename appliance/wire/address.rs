//! Mail addresses: `local@domain`, valid by construction.
//!
//! ```text
//! Mailbox        = Local-part "@" ( Domain / address-literal )      RFC 5321 4.1.2
//! Local-part     = Dot-string / Quoted-string
//! Domain         = sub-domain *("." sub-domain)                     RFC 6531 3.3 adds U-labels
//! ```

use super::punycode;
use std::fmt;

/// An address: the local part's case is kept, quoting is undone; the domain is in lower case and
/// ASCII (U-labels become A-labels), so that equal domains are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    local: String,
    domain: String,
}

/// The rule an address breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressError {
    Empty,
    NoAt,
    LocalTooLong,
    DomainTooLong,
    LocalSyntax,
    DomainSyntax,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the address is empty",
            Self::NoAt => "the address has no @ and domain",
            Self::LocalTooLong => "the part before the @ is longer than 64 octets",
            Self::DomainTooLong => "the domain is longer than 255 octets",
            Self::LocalSyntax => "the part before the @ has a character that may not stand there",
            Self::DomainSyntax => "the domain is not well formed",
        })
    }
}

impl std::error::Error for AddressError {}

impl Address {
    /// Reads `local@domain`, with or without quoting of the local part.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        let at = text.rfind('@').ok_or(AddressError::NoAt)?;
        Self::new(&unquote_local(&text[..at])?, &text[at + 1..])
    }

    /// From a local part without quoting and a domain.
    pub fn new(local: &str, domain: &str) -> Result<Self, AddressError> {
        // RFC 5321 4.5.3.1.1
        if local.is_empty() {
            return Err(AddressError::LocalSyntax);
        }
        if local.len() > 64 {
            return Err(AddressError::LocalTooLong);
        }
        if local.chars().any(|c| c.is_control() || (c.is_whitespace() && c != ' ')) {
            return Err(AddressError::LocalSyntax);
        }
        Ok(Self { local: local.to_string(), domain: check_domain(domain)? })
    }

    pub fn local(&self) -> &str {
        &self.local
    }

    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Can it be said without SMTPUTF8?
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii()
    }

    /// The local part as it is looked up: lower case, since no owner wants Bob and bob to differ.
    pub fn local_folded(&self) -> String {
        self.local.to_lowercase()
    }

    /// `bob+lists@` is Bob: the local part before the first plus sign, if there is one.
    pub fn without_tag(&self) -> Option<Address> {
        let plus = self.local.find('+').filter(|&i| i > 0)?;
        Some(Self { local: self.local[..plus].to_string(), domain: self.domain.clone() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local) {
            return write!(f, "{}@{}", self.local, self.domain);
        }
        f.write_str("\"")?;
        for c in self.local.chars() {
            if c == '"' || c == '\\' {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        write!(f, "\"@{}", self.domain)
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// A domain (in ASCII: A-labels) or address literal in lower case, or why not.
pub(crate) fn check_domain(domain: &str) -> Result<String, AddressError> {
    // RFC 5321 4.5.3.1.2
    if domain.len() > 255 {
        return Err(AddressError::DomainTooLong);
    }
    if domain.starts_with('[') {
        return check_literal(domain);
    }
    let bare = domain.strip_suffix('.').unwrap_or(domain).to_lowercase();
    let labels: Option<Vec<String>> = bare.split('.').map(check_label).collect();
    let bare = labels.ok_or(AddressError::DomainSyntax)?.join(".");
    if bare.len() > 255 {
        return Err(AddressError::DomainTooLong);
    }
    Ok(bare)
}

/// RFC 5890 2.3.2.4: U-label and A-label are the same; the A-label is kept, so that it compares.
fn check_label(label: &str) -> Option<String> {
    let in_label = |c: char| {
        c.is_ascii_alphanumeric() || c == '-' || c == '_' || (!c.is_ascii() && c.is_alphanumeric())
    };
    let edge = |label: &str| label.starts_with('-') || label.ends_with('-');
    if label.is_empty() || edge(label) || !label.chars().all(in_label) {
        return None;
    }
    // RFC 1035 2.3.4: at most 63 octets
    punycode::a_label(label).filter(|label| label.len() <= 63 && !edge(label))
}

/// RFC 5321 4.1.3: `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
fn check_literal(text: &str) -> Result<String, AddressError> {
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let inner = inner.ok_or(AddressError::DomainSyntax)?;
    let ok = match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => {
            inner[5..].parse::<std::net::Ipv6Addr>().is_ok()
        }
        _ => inner.parse::<std::net::Ipv4Addr>().is_ok(),
    };
    if ok { Ok(text.to_lowercase()) } else { Err(AddressError::DomainSyntax) }
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
}

fn is_dot_string(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn unquote_local(text: &str) -> Result<String, AddressError> {
    let Some(inner) = text.strip_prefix('"') else {
        return if is_dot_string(text) {
            Ok(text.to_string())
        } else {
            Err(AddressError::LocalSyntax)
        };
    };
    let inner = inner.strip_suffix('"').ok_or(AddressError::LocalSyntax)?;
    let mut local = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => local.push(chars.next().ok_or(AddressError::LocalSyntax)?),
            '"' => return Err(AddressError::LocalSyntax),
            c => local.push(c),
        }
    }
    Ok(local)
}
