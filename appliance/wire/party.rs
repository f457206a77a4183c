//! Whom the owner means in a list: one address, or a domain and all below it.

use super::address::{Address, check_domain};
use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Party {
    Address(Address),
    /// In lower case and ASCII.
    Domain(String),
}

impl Party {
    /// `joe@example.org`, `example.org`, or the same with an `@` in front.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = Address::parse(text) {
            return Some(Self::Address(address));
        }
        let domain = check_domain(text.strip_prefix('@').unwrap_or(text)).ok()?;
        (!domain.starts_with('[')).then_some(Self::Domain(domain))
    }

    /// Is it this address?
    pub(crate) fn is(&self, address: &Address) -> bool {
        match self {
            Self::Address(own) => {
                own.domain() == address.domain() && own.local_folded() == address.local_folded()
            }
            Self::Domain(own) => is_below(address.domain(), own),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Domain(domain) => f.write_str(domain),
        }
    }
}

/// Is `name` this domain or one below it? Both in lower case.
pub(crate) fn is_below(name: &str, domain: &str) -> bool {
    match name.strip_suffix(domain) {
        Some(rest) => rest.is_empty() || rest.ends_with('.'),
        None => false,
    }
}
