//! Paths: an address in angle brackets.
//!
//! ```text
//! Reverse-path = Path / "<>"                                  RFC 5321 4.1.2
//! Forward-path = "<Postmaster>" / Path
//! Path         = "<" [ A-d-l ":" ] Mailbox ">"
//! A-d-l        = At-domain *( "," At-domain )       a source route: read and ignored
//! ```

use crate::wire::address::{Address, AddressError, check_domain};
use std::fmt;

/// Whom RCPT names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ForwardPath {
    /// RFC 5321 4.5.1: `<postmaster>` without a domain.
    Postmaster,
    To(Address),
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("postmaster"),
            Self::To(address) => address.fmt(f),
        }
    }
}

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathError {
    NoBrackets,
    NotClosed,
    /// `<>` is nobody's address.
    Empty,
    Route,
    Behind,
    Address(AddressError),
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBrackets => f.write_str("the address must stand in angle brackets: <a@b>"),
            Self::NotClosed => f.write_str("the address has no closing bracket >"),
            Self::Empty => f.write_str("<> cannot receive mail"),
            Self::Route => f.write_str("the source route before the address is not well formed"),
            Self::Behind => f.write_str("there must be a space between > and a parameter"),
            Self::Address(error) => error.fmt(f),
        }
    }
}

/// The sender in front of `text` (`None` for `<>`), and the parameters behind it.
pub(crate) fn reverse(text: &str) -> Result<(Option<Address>, &str), PathError> {
    let (inner, rest) = split(text)?;
    if inner.is_empty() {
        return Ok((None, rest));
    }
    Ok((Some(mailbox(inner)?), rest))
}

/// The recipient in front of `text`, and the parameters behind it.
pub(crate) fn forward(text: &str) -> Result<(ForwardPath, &str), PathError> {
    let (inner, rest) = split(text)?;
    if inner.is_empty() {
        return Err(PathError::Empty);
    }
    if inner.eq_ignore_ascii_case("postmaster") {
        return Ok((ForwardPath::Postmaster, rest));
    }
    Ok((ForwardPath::To(mailbox(inner)?), rest))
}

/// What stands between the brackets, and what stands behind them. A bracket inside of quotes is
/// part of the local part.
fn split(text: &str) -> Result<(&str, &str), PathError> {
    let text = text.strip_prefix('<').ok_or(PathError::NoBrackets)?;
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let rest = text.get(at + 1..).unwrap_or_default();
                if !rest.is_empty() && !rest.starts_with(' ') {
                    return Err(PathError::Behind);
                }
                return Ok((text.get(..at).unwrap_or_default(), rest.trim_matches(' ')));
            }
            _ => {}
        }
    }
    Err(PathError::NotClosed)
}

fn mailbox(inner: &str) -> Result<Address, PathError> {
    let address = match inner.strip_prefix('@') {
        None => inner,
        Some(_) => without_route(inner)?,
    };
    Address::parse(address).map_err(PathError::Address)
}

fn without_route(inner: &str) -> Result<&str, PathError> {
    // RFC 5321 4.1.2: a server must take the source route's syntax, and should ignore it
    let colon = route_end(inner).ok_or(PathError::Route)?;
    let (route, address) = inner.split_at_checked(colon).ok_or(PathError::Route)?;
    let hop = |hop: &str| hop.strip_prefix('@').is_some_and(|d| check_domain(d).is_ok());
    if !route.split(',').all(hop) {
        return Err(PathError::Route);
    }
    address.strip_prefix(':').ok_or(PathError::Route)
}

/// The colon that ends the route: not one inside of an address literal.
fn route_end(inner: &str) -> Option<usize> {
    let mut literal = false;
    inner.char_indices().find_map(|(at, c)| {
        match c {
            '[' => literal = true,
            ']' => literal = false,
            ':' if !literal => return Some(at),
            _ => {}
        }
        None
    })
}
