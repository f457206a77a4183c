//! SPF records and their macros.
//!
//! ```text
//! record      = "v=spf1" *( 1*SP ( directive / modifier ) ) *SP           RFC 7208 4.5, 12
//! directive   = [ "+" / "-" / "~" / "?" ] mechanism
//! mechanism   = "all" / "include:" spec / "exists:" spec / "ptr" [":" spec]
//!             / "a" [":" spec] [dual-cidr] / "mx" [":" spec] [dual-cidr]
//!             / "ip4:" network ["/" n] / "ip6:" network ["/" n]
//! modifier    = "redirect=" spec / "exp=" spec / name "=" macro-string
//! spec        = macro-string ( "." toplabel ["."] / macro-expand )        7.1
//! macro-expand= "%{" letter *DIGIT ["r"] *delimiter "}" / "%%" / "%_" / "%-"
//! ```
//!
//! One wrong term spoils the whole record, and that is said (4.6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub directives: Vec<(Qualifier, Mechanism)>,
    pub redirect: Option<Spec>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mechanism {
    All,
    Include(Spec),
    /// `None`: the present domain.
    A(Option<Spec>, Cidr),
    Mx(Option<Spec>, Cidr),
    Ptr(Option<Spec>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(Spec),
}

/// How many bits of an address count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cidr {
    pub four: u8,
    pub six: u8,
}

/// A name with macros in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// `%%`, `%_`, `%-`.
    Escape(&'static str),
    Macro {
        /// In lower case.
        letter: u8,
        /// It was in upper case.
        escape: bool,
        /// Parts kept from the right; 0: all.
        keep: usize,
        reverse: bool,
        delimiters: Vec<u8>,
    },
}

/// What the macros stand for. RFC 7208 7.2
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Values {
    pub local: String,
    pub sender_domain: String,
    pub domain: String,
    pub ip: IpAddr,
    pub helo: String,
    /// `%{p}`.
    pub validated: String,
}

/// What is wrong with a record.
pub(crate) type Fault = String;

/// RFC 7208 4.5: is this text an SPF record at all?
pub(crate) fn is_record(text: &[u8]) -> bool {
    let begins = text.get(..6).is_some_and(|v| v.eq_ignore_ascii_case(b"v=spf1"));
    begins && matches!(text.get(6), None | Some(b' '))
}

impl Record {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Fault> {
        if !is_record(text) {
            return Err("it does not begin with v=spf1".to_string());
        }
        let rest = text.get(6..).unwrap_or_default();
        let rest = std::str::from_utf8(rest).ok().filter(|rest| rest.is_ascii());
        let rest = rest.ok_or_else(|| "it holds octets that are not ASCII".to_string())?;
        let mut record = Self { directives: Vec::new(), redirect: None };
        let mut explained = false;
        for term in rest.split(' ').filter(|term| !term.is_empty()) {
            match modifier(term) {
                Some(("redirect", value)) => {
                    // RFC 7208 6: at most one of each
                    if record.redirect.replace(spec(term, value)?).is_some() {
                        return Err("redirect stands there twice".to_string());
                    }
                }
                Some(("exp", value)) => {
                    explanation(term, value)?;
                    if std::mem::replace(&mut explained, true) {
                        return Err("exp stands there twice".to_string());
                    }
                }
                Some((_, value)) => drop(pieces(term, value, true)?),
                None => record.directives.push(directive(term)?),
            }
        }
        Ok(record)
    }

    /// Does a name in it need the validated domain?
    pub(crate) fn needs_validated(&self) -> bool {
        self.specs().any(Spec::needs_validated)
    }

    /// All names in it.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn names(&self, values: &Values) -> Vec<String> {
        self.specs().map(|spec| spec.expand(values)).collect()
    }

    fn specs(&self) -> impl Iterator<Item = &Spec> {
        let own = self.directives.iter().filter_map(|(_, mechanism)| mechanism.spec());
        own.chain(&self.redirect)
    }
}

impl Mechanism {
    fn spec(&self) -> Option<&Spec> {
        match self {
            Self::Include(spec) | Self::Exists(spec) => Some(spec),
            Self::A(spec, _) | Self::Mx(spec, _) | Self::Ptr(spec) => spec.as_ref(),
            Self::All | Self::Ip4(..) | Self::Ip6(..) => None,
        }
    }
}

/// Name in lower case, and value. A `:` or `/` before the `=` makes it a mechanism.
fn modifier(term: &str) -> Option<(&'static str, &str)> {
    let (name, value) = term.split_once('=')?;
    let mut letters = name.bytes();
    let first = letters.next().is_some_and(|first| first.is_ascii_alphabetic());
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !first || !letters.all(is_name) {
        return None;
    }
    let known = ["redirect", "exp"].into_iter().find(|known| name.eq_ignore_ascii_case(known));
    Some((known.unwrap_or("unknown"), value))
}

fn directive(term: &str) -> Result<(Qualifier, Mechanism), Fault> {
    let (qualifier, rest) = match term.as_bytes().first() {
        Some(b'+') => (Qualifier::Pass, &term[1..]),
        Some(b'-') => (Qualifier::Fail, &term[1..]),
        Some(b'~') => (Qualifier::SoftFail, &term[1..]),
        Some(b'?') => (Qualifier::Neutral, &term[1..]),
        _ => (Qualifier::Pass, term),
    };
    let end = rest.find([':', '/']).unwrap_or(rest.len());
    let (name, value) = rest.split_at(end);
    let wrong = || format!("{} is not understood", shown(term));
    // Behind the colon, which must be there.
    let after = || value.strip_prefix(':').ok_or_else(wrong);
    let optional = |value: &str| match value {
        "" => Ok(None),
        _ => spec(term, value.strip_prefix(':').ok_or_else(wrong)?).map(Some),
    };
    let mechanism = match name.to_ascii_lowercase().as_str() {
        "all" if value.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(spec(term, after()?)?),
        "exists" => Mechanism::Exists(spec(term, after()?)?),
        "ptr" => Mechanism::Ptr(optional(value)?),
        "a" => {
            let (value, cidr) = dual_cidr(term, value)?;
            Mechanism::A(optional(value)?, cidr)
        }
        "mx" => {
            let (value, cidr) = dual_cidr(term, value)?;
            Mechanism::Mx(optional(value)?, cidr)
        }
        "ip4" => {
            let (network, bits) = network(term, after()?, 32)?;
            Mechanism::Ip4(network.parse().map_err(|_| wrong())?, bits)
        }
        "ip6" => {
            let (network, bits) = network(term, after()?, 128)?;
            Mechanism::Ip6(network.parse().map_err(|_| wrong())?, bits)
        }
        _ => return Err(wrong()),
    };
    Ok((qualifier, mechanism))
}

fn network<'t>(term: &str, value: &'t str, most: u8) -> Result<(&'t str, u8), Fault> {
    match value.split_once('/') {
        None => Ok((value, most)),
        Some((network, bits)) => Ok((network, prefix(term, bits, most)?)),
    }
}

/// Takes `/n`, `//n` or `/n//n` off the end.
fn dual_cidr<'t>(term: &str, value: &'t str) -> Result<(&'t str, Cidr), Fault> {
    let mut cidr = Cidr { four: 32, six: 128 };
    let mut rest = value;
    if let Some((before, bits)) = trailing(rest, "//") {
        cidr.six = prefix(term, bits, 128)?;
        rest = before;
    }
    if let Some((before, bits)) = trailing(rest, "/") {
        cidr.four = prefix(term, bits, 32)?;
        rest = before;
    }
    Ok((rest, cidr))
}

/// What stands before and behind the mark, if nothing but digits stands behind it.
fn trailing<'t>(value: &'t str, mark: &str) -> Option<(&'t str, &'t str)> {
    let (before, bits) = value.rsplit_once(mark)?;
    bits.bytes().all(|b| b.is_ascii_digit()).then_some((before, bits))
}

/// Without leading zeros. RFC 7208 5.6
fn prefix(term: &str, bits: &str, most: u8) -> Result<u8, Fault> {
    let plain = bits == "0" || (!bits.starts_with('0') && bits.bytes().all(|b| b.is_ascii_digit()));
    let bits = bits.parse().ok().filter(|bits| plain && *bits <= most);
    bits.ok_or_else(|| format!("{} has a wrong prefix length", shown(term)))
}

fn spec(term: &str, text: &str) -> Result<Spec, Fault> {
    checked_spec(term, pieces(term, text, false)?)
}

/// The name of an explanation may not use what only its text may; the text is not fetched.
fn explanation(term: &str, text: &str) -> Result<(), Fault> {
    spec(term, text).map(drop)
}

fn checked_spec(term: &str, pieces: Vec<Piece>) -> Result<Spec, Fault> {
    let good = match pieces.last() {
        None => false,
        Some(Piece::Literal(text)) => {
            let text = text.strip_suffix('.').unwrap_or(text);
            text.rsplit_once('.').is_some_and(|(_, label)| is_top_label(label))
        }
        Some(_) => true,
    };
    if good { Ok(Spec(pieces)) } else { Err(format!("{} names no domain", shown(term))) }
}

/// RFC 7208 7.1: letters, digits and inner hyphens, not only digits.
fn is_top_label(label: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(inner)
        && label.bytes().any(|b| !b.is_ascii_digit())
}

/// `c`, `r` and `t` only where `all_letters`.
fn pieces(term: &str, text: &str, all_letters: bool) -> Result<Vec<Piece>, Fault> {
    let wrong = || format!("{} has a wrong macro", shown(term));
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find('%').unwrap_or(rest.len());
        let (literal, after) = rest.split_at(end);
        if !literal.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(format!("{} holds an octet that may not stand there", shown(term)));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.to_string()));
        }
        rest = after;
        if let Some(inside) = rest.strip_prefix("%{") {
            let (inside, after) = inside.split_once('}').ok_or_else(wrong)?;
            pieces.push(expansion(inside, all_letters).ok_or_else(wrong)?);
            rest = after;
        } else if !rest.is_empty() {
            let escape = match rest.as_bytes().get(1) {
                Some(b'%') => "%",
                Some(b'_') => " ",
                Some(b'-') => "%20",
                _ => return Err(wrong()),
            };
            pieces.push(Piece::Escape(escape));
            rest = rest.get(2..).unwrap_or_default();
        }
    }
    Ok(pieces)
}

fn expansion(inside: &str, all_letters: bool) -> Option<Piece> {
    let (&first, rest) = inside.as_bytes().split_first()?;
    let letter = first.to_ascii_lowercase();
    let letters: &[u8] = if all_letters { b"slodiphcrtv" } else { b"slodiphv" };
    if !letters.contains(&letter) {
        return None;
    }
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, mut rest) = rest.split_at_checked(digits)?;
    let keep = match digits {
        [] => 0,
        // RFC 7208 7.3: not zero; whoever writes more than fits means all.
        digits => {
            let text = std::str::from_utf8(digits).ok()?;
            let number: usize = text.parse().unwrap_or(usize::MAX);
            (number > 0).then_some(number)?
        }
    };
    let reverse = matches!(rest.first(), Some(b'r' | b'R'));
    if reverse {
        rest = rest.get(1..)?;
    }
    if !rest.iter().all(|b| b".-+,/_=".contains(b)) {
        return None;
    }
    let delimiters = if rest.is_empty() { b".".to_vec() } else { rest.to_vec() };
    Some(Piece::Macro { letter, escape: first.is_ascii_uppercase(), keep, reverse, delimiters })
}

impl Spec {
    fn needs_validated(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Macro { letter: b'p', .. }))
    }

    /// The name, without a last dot.
    pub(crate) fn expand(&self, values: &Values) -> String {
        let mut name = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => name.push_str(text),
                Piece::Escape(text) => name.push_str(text),
                Piece::Macro { letter, escape, keep, reverse, delimiters } => {
                    let value = values.of(*letter);
                    let is_delimiter = |c: char| delimiters.iter().any(|d| char::from(*d) == c);
                    let mut parts: Vec<&str> = value.split(is_delimiter).collect();
                    if *reverse {
                        parts.reverse();
                    }
                    if *keep > 0 {
                        parts.drain(..parts.len().saturating_sub(*keep));
                    }
                    let joined = parts.join(".");
                    name.push_str(&if *escape { escaped(&joined) } else { joined });
                }
            }
        }
        let name = name.strip_suffix('.').unwrap_or(&name);
        fitting(name).to_string()
    }
}

/// RFC 7208 7.3: of a name that is too long, labels are left out from the left.
fn fitting(mut name: &str) -> &str {
    while name.len() > 253 {
        match name.split_once('.') {
            Some((_, rest)) => name = rest,
            None => return "",
        }
    }
    name
}

/// RFC 3986 2.1
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02x}"));
        }
    }
    out
}

impl Values {
    fn of(&self, letter: u8) -> String {
        match letter {
            b's' => format!("{}@{}", self.local, self.sender_domain),
            b'l' => self.local.clone(),
            b'o' => self.sender_domain.clone(),
            b'd' => self.domain.clone(),
            b'i' => dotted(self.ip),
            b'p' => self.validated.clone(),
            b'h' => self.helo.clone(),
            b'v' if self.ip.is_ipv4() => "in-addr".to_string(),
            b'v' => "ip6".to_string(),
            _ => String::new(),
        }
    }
}

/// RFC 7208 7.3: an IPv6 address with a dot between its hexadecimal digits.
fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let digits = format!("{:032x}", u128::from(ip));
            digits.chars().map(String::from).collect::<Vec<_>>().join(".")
        }
    }
}

/// A term as others wrote it, fit for a line.
fn shown(term: &str) -> String {
    let tame = |c: char| if c.is_ascii_graphic() { c } else { '?' };
    format!("\"{}\"", term.chars().take(60).map(tame).collect::<String>())
}
