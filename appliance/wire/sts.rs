//! MTA-STS (RFC 8461): the record that says that there is a policy, and the policy.
//!
//! ```text
//! _mta-sts.b.test TXT "v=STSv1; id=20160831085700Z;"                              RFC 8461 3.1
//!
//! version: STSv1                                                                  RFC 8461 3.2
//! mode: enforce | testing | none
//! mx: mail.b.test | *.b.test                one label in place of the star
//! max_age: 604800                           seconds, at most a year
//! ```

use super::address::check_domain;
use crate::limits::{STS_MX, STS_POLICY_BYTES};
use std::fmt;

/// RFC 8461 3.2: max_age is at most about a year.
const MAX_AGE: u32 = 31_557_600;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    pub mode: Mode,
    /// Names, or `*.` and a name; in lower case.
    pub mx: Vec<String>,
    /// Seconds.
    pub max_age: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Enforce,
    Testing,
    None,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        })
    }
}

/// The policy of a domain whose mail comes to this host alone. RFC 8461 3.2
pub(crate) fn printed(host: &str, mode: Mode) -> String {
    format!("version: STSv1\r\nmode: {mode}\r\nmx: {host}\r\nmax_age: 604800\r\n")
}

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PolicyError {
    TooLong,
    NotText,
    /// It begins with something else, or says nothing of it.
    Version,
    /// The line that makes no sense, as far as it is worth showing.
    Line(String),
    /// A field that must be there and is not, or has a value that it cannot have.
    Missing(&'static str),
    Value(&'static str, String),
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "it has more than {STS_POLICY_BYTES} octets"),
            Self::NotText => f.write_str("it is not text"),
            Self::Version => f.write_str("it is not of version STSv1"),
            Self::Line(line) => write!(f, "a line that is no field: {line}"),
            Self::Missing(field) => write!(f, "it has no {field}"),
            Self::Value(field, value) => write!(f, "{field} cannot be {value}"),
        }
    }
}

/// The id in the TXT records of `_mta-sts`; `None`: the domain has no policy. Each record is the
/// strings of one, joined.
pub(crate) fn id<R: AsRef<[u8]>>(records: &[R]) -> Option<String> {
    let ours = |record: &&R| record.as_ref().starts_with(b"v=STSv1");
    let mut found = records.iter().filter(ours).filter_map(|record| read_id(record.as_ref()));
    let id = found.next()?;
    // RFC 8461 3.1: several records are as good as none
    (records.iter().filter(ours).count() == 1).then_some(id)
}

fn read_id(record: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(record).ok()?;
    let mut fields = text.split(';').map(|field| field.trim_matches([' ', '\t']));
    if fields.next() != Some("v=STSv1") {
        return None;
    }
    let mut id = None;
    for field in fields.filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=')?;
        if name == "id" && id.is_none() {
            let fits = (1..=32).contains(&value.len())
                && value.bytes().all(|octet| octet.is_ascii_alphanumeric());
            id = Some(fits.then(|| value.to_string())?);
        }
    }
    id
}

impl Policy {
    pub(crate) fn parse(octets: &[u8]) -> Result<Policy, PolicyError> {
        if octets.len() > STS_POLICY_BYTES {
            return Err(PolicyError::TooLong);
        }
        let text = std::str::from_utf8(octets).map_err(|_| PolicyError::NotText)?;
        let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
        for line in text.split('\n').map(str::trim).filter(|line| !line.is_empty()) {
            let Some((name, value)) = line.split_once(':') else {
                return Err(PolicyError::Line(shown(line)));
            };
            let value = value.trim();
            // RFC 8461 3.2: of fields given twice the first counts; unknown ones are passed over
            match name.trim_end() {
                "version" => version = version.or(Some(value)),
                "mode" => mode = mode.or(Some(value)),
                "max_age" => max_age = max_age.or(Some(value)),
                "mx" => mx.push(pattern(value)?),
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err(PolicyError::Version);
        }
        let mode = match mode.ok_or(PolicyError::Missing("mode"))? {
            "enforce" => Mode::Enforce,
            "testing" => Mode::Testing,
            "none" => Mode::None,
            other => return Err(PolicyError::Value("mode", shown(other))),
        };
        let max_age = seconds(max_age.ok_or(PolicyError::Missing("max_age"))?)?;
        if mx.is_empty() && mode != Mode::None {
            return Err(PolicyError::Missing("mx"));
        }
        mx.truncate(STS_MX);
        Ok(Policy { mode, mx, max_age })
    }

    /// May this host take mail for the domain? RFC 8461 4.1
    pub(crate) fn allows(&self, host: &str) -> bool {
        self.mx.iter().any(|pattern| matches(pattern, host))
    }
}

/// Does a host fit an entry of mx?
pub(crate) fn matches(pattern: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    match pattern.strip_prefix("*.") {
        None => pattern.eq_ignore_ascii_case(host),
        // RFC 8461 4.1: the star stands for one label
        Some(parent) => host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent)),
    }
}

fn pattern(value: &str) -> Result<String, PolicyError> {
    let wrong = || PolicyError::Value("mx", shown(value));
    let (star, name) = match value.strip_prefix("*.") {
        Some(name) => ("*.", name),
        None => ("", value),
    };
    let name = check_domain(name).map_err(|_| wrong())?;
    Ok(format!("{star}{name}"))
}

fn seconds(value: &str) -> Result<u32, PolicyError> {
    let digits = (1..=10).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
    let number: Option<u64> = value.parse().ok().filter(|_| digits);
    let number = number.ok_or_else(|| PolicyError::Value("max_age", shown(value)))?;
    Ok(u32::try_from(number).unwrap_or(MAX_AGE).min(MAX_AGE))
}

/// For people: short and without control characters.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}
