//! Command lines as values.
//!
//! ```text
//! ehlo = "EHLO" SP ( Domain / address-literal )               RFC 5321 4.1.1.1
//! helo = "HELO" SP Domain
//! mail = "MAIL FROM:" Reverse-path [SP Mail-parameters]       4.1.1.2
//!        SIZE=n (RFC 1870)  BODY=7BIT|8BITMIME (RFC 6152)  SMTPUTF8 (RFC 6531)
//!        RET=FULL|HDRS  ENVID=xtext (RFC 3461)  AUTH=xtext (RFC 4954), read and not used
//! rcpt = "RCPT TO:" Forward-path [SP Rcpt-parameters]         4.1.1.3
//!        NOTIFY=NEVER|SUCCESS,FAILURE,DELAY  ORCPT=type;xtext (RFC 3461)
//! data = "DATA"                                               4.1.1.4
//! bdat = "BDAT" SP n [SP "LAST"]                              RFC 3030 2
//! rset = "RSET"   quit = "QUIT"   starttls = "STARTTLS" (RFC 3207)
//! vrfy = "VRFY" SP String   expn = "EXPN" SP String           4.1.1.6, 4.1.1.7
//! help = "HELP" [SP String]   noop = "NOOP" [SP String]
//! auth = "AUTH" SP mechanism [SP initial-response]            RFC 4954 4
//! ```
//!
//! One blank after FROM: and TO: is let pass: scanners and old programs write it.

use super::path::{ForwardPath, PathError, forward, reverse};
use super::reply::Reply;
use super::xtext;
use crate::wire::address::Address;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Ehlo(String),
    Helo(String),
    Mail(Mail),
    Rcpt(Rcpt),
    Data,
    Bdat {
        octets: u64,
        last: bool,
    },
    Rset,
    Vrfy(String),
    Expn(String),
    Help,
    Noop,
    Quit,
    StartTls,
    /// `initial` as it came: base64, or "=" for an empty one.
    Auth {
        mechanism: String,
        initial: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Mail {
    /// `None` is `<>`.
    pub from: Option<Address>,
    pub size: Option<u64>,
    pub body: Body,
    pub smtputf8: bool,
    pub ret: Option<Ret>,
    /// Decoded from xtext.
    pub envid: Option<Vec<u8>>,
    /// RFC 4954 5: who first submitted it was named; nobody is believed that.
    pub auth: bool,
    /// Were there any parameters?
    pub extended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Body {
    #[default]
    SevenBit,
    EightBitMime,
}

/// RFC 3461 4.3: what a bounce brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ret {
    Full,
    Headers,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rcpt {
    pub to: ForwardPath,
    /// `None`: as RFC 3461 4.1 says, the server's choice of failure and delay.
    pub notify: Option<Notify>,
    pub orcpt: Option<OriginalRecipient>,
    /// Were there any parameters?
    pub extended: bool,
    /// Was it written in ASCII? Other text needs SMTPUTF8.
    pub ascii: bool,
}

/// RFC 3461 4.1; all `false` is NEVER.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Notify {
    pub success: bool,
    pub failure: bool,
    pub delay: bool,
}

/// RFC 3461 4.2
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OriginalRecipient {
    pub kind: String,
    /// Decoded from xtext.
    pub address: Vec<u8>,
}

/// Why a line is no command; [`CommandError::reply`] says it to the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommandError {
    Unknown,
    /// The verb is known; what should follow it.
    Syntax(&'static str),
    Sender(PathError),
    Recipient(PathError),
    /// RFC 6531 3.4: without SMTPUTF8 an address is ASCII.
    NotAscii,
    ParameterUnknown(String),
    ParameterTwice(String),
    ParameterBad {
        name: &'static str,
        why: &'static str,
    },
    /// BDAT without a number: where the next command begins cannot be known.
    ChunkSize,
}

impl CommandError {
    pub(crate) fn reply(&self) -> Reply {
        match self {
            Self::Unknown => Reply::new(500, 5, 1, "No such command"),
            Self::Syntax(form) => Reply::new(501, 5, 4, format!("Wrong form, must be: {form}")),
            Self::Sender(error) => Reply::new(501, 1, 7, format!("Sender: {error}")),
            Self::Recipient(error) => Reply::new(501, 1, 3, format!("Recipient: {error}")),
            // RFC 6531 3.5: 553 or 550, with X.6.7
            Self::NotAscii => Reply::new(553, 6, 7, "A non-ASCII address needs SMTPUTF8"),
            // RFC 5321 4.1.1.11
            Self::ParameterUnknown(name) => {
                Reply::new(555, 5, 4, format!("Parameter {name} is not known here"))
            }
            Self::ParameterTwice(name) => {
                Reply::new(501, 5, 4, format!("Parameter {name} stands twice"))
            }
            Self::ParameterBad { name, why } => Reply::new(501, 5, 4, format!("{name}: {why}")),
            Self::ChunkSize => {
                Reply::new(501, 5, 4, "BDAT needs a size, closing since its data has no end")
            }
        }
    }
}

type Parsed<T> = Result<T, CommandError>;

impl Command {
    /// Reads a line without its CRLF.
    pub(crate) fn parse(line: &str) -> Parsed<Command> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => Ok(Self::Ehlo(name(rest, "EHLO domain")?)),
            "HELO" => Ok(Self::Helo(name(rest, "HELO domain")?)),
            "MAIL" => mail(rest).map(Self::Mail),
            "RCPT" => rcpt(rest).map(Self::Rcpt),
            "DATA" => bare(rest, "DATA").map(|()| Self::Data),
            "BDAT" => bdat(rest),
            "RSET" => bare(rest, "RSET").map(|()| Self::Rset),
            "VRFY" => Ok(Self::Vrfy(name(rest, "VRFY address")?)),
            "EXPN" => Ok(Self::Expn(name(rest, "EXPN list")?)),
            "HELP" => Ok(Self::Help),
            "NOOP" => Ok(Self::Noop),
            "QUIT" => bare(rest, "QUIT").map(|()| Self::Quit),
            "STARTTLS" => bare(rest, "STARTTLS").map(|()| Self::StartTls),
            "AUTH" => auth(rest),
            _ => Err(CommandError::Unknown),
        }
    }
}

/// Blanks at the end are let pass; anything else is not.
fn bare(rest: &str, form: &'static str) -> Parsed<()> {
    if rest.trim_end().is_empty() { Ok(()) } else { Err(CommandError::Syntax(form)) }
}

/// One argument of printable characters: what a peer calls itself is not checked further, since
/// RFC 5321 4.1.4 forbids to refuse mail for it.
fn name(rest: &str, form: &'static str) -> Parsed<String> {
    let text = rest.trim();
    if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
        return Err(CommandError::Syntax(form));
    }
    Ok(text.to_string())
}

fn bdat(rest: &str) -> Parsed<Command> {
    let mut words = rest.split_ascii_whitespace();
    let size = words.next().unwrap_or_default();
    let octets = digits(size).ok_or(CommandError::ChunkSize)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(CommandError::ChunkSize),
    };
    if words.next().is_some() {
        return Err(CommandError::ChunkSize);
    }
    Ok(Command::Bdat { octets, last })
}

fn auth(rest: &str) -> Parsed<Command> {
    let form = CommandError::Syntax("AUTH mechanism [initial-response]");
    let mut words = rest.split_ascii_whitespace();
    let Some(mechanism) = words.next() else { return Err(form) };
    let initial = words.next().map(str::to_string);
    if words.next().is_some() {
        return Err(form);
    }
    Ok(Command::Auth { mechanism: mechanism.to_ascii_uppercase(), initial })
}

fn mail(rest: &str) -> Parsed<Mail> {
    let path = after(rest, "FROM:").ok_or(CommandError::Syntax("MAIL FROM:<address>"))?;
    let (from, params) = reverse(path).map_err(CommandError::Sender)?;
    let mut mail = Mail { from, extended: !params.is_empty(), ..Mail::default() };
    let mut seen = Vec::new();
    for word in params.split_ascii_whitespace() {
        let (key, value) = parameter(word, &mut seen)?;
        match key.as_str() {
            "SIZE" => mail.size = Some(size(value)?),
            "BODY" => mail.body = body(value)?,
            "SMTPUTF8" if value.is_none() => mail.smtputf8 = true,
            "SMTPUTF8" => {
                return Err(CommandError::ParameterBad { name: "SMTPUTF8", why: "takes no value" });
            }
            "RET" => mail.ret = Some(ret(value)?),
            "AUTH" => {
                auth_name(value)?;
                mail.auth = true;
            }
            "ENVID" => mail.envid = Some(envid(value)?),
            _ => return Err(CommandError::ParameterUnknown(key)),
        }
    }
    if !mail.smtputf8 && !path.is_ascii() {
        return Err(CommandError::NotAscii);
    }
    Ok(mail)
}

fn rcpt(rest: &str) -> Parsed<Rcpt> {
    let path = after(rest, "TO:").ok_or(CommandError::Syntax("RCPT TO:<address>"))?;
    let (to, params) = forward(path).map_err(CommandError::Recipient)?;
    let (extended, ascii) = (!params.is_empty(), path.is_ascii());
    let mut rcpt = Rcpt { to, notify: None, orcpt: None, extended, ascii };
    let mut seen = Vec::new();
    for word in params.split_ascii_whitespace() {
        let (key, value) = parameter(word, &mut seen)?;
        match key.as_str() {
            "NOTIFY" => rcpt.notify = Some(notify(value)?),
            "ORCPT" => rcpt.orcpt = Some(orcpt(value)?),
            _ => return Err(CommandError::ParameterUnknown(key)),
        }
    }
    Ok(rcpt)
}

/// What follows the keyword, which has no blank before its colon.
fn after<'a>(rest: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, path) = rest.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then(|| path.strip_prefix(' ').unwrap_or(path))
}

/// RFC 5321 4.1.2: `esmtp-keyword ["=" esmtp-value]`, each keyword once.
fn parameter<'a>(word: &'a str, seen: &mut Vec<String>) -> Parsed<(String, Option<&'a str>)> {
    let (key, value) = match word.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (word, None),
    };
    let key = key.to_ascii_uppercase();
    if seen.contains(&key) {
        return Err(CommandError::ParameterTwice(key));
    }
    seen.push(key.clone());
    Ok((key, value))
}

/// Decimal digits and nothing else (a sign would parse too).
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn size(value: Option<&str>) -> Parsed<u64> {
    let bad = CommandError::ParameterBad { name: "SIZE", why: "must be a number of octets" };
    // RFC 1870 3: 1 to 20 digits; what does not fit 64 bits is too large in any case
    let value = value.filter(|v| v.len() <= 20 && !v.is_empty()).ok_or(bad.clone())?;
    if !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad);
    }
    Ok(value.parse().unwrap_or(u64::MAX))
}

fn body(value: Option<&str>) -> Parsed<Body> {
    match value.map(str::to_ascii_uppercase).as_deref() {
        Some("7BIT") => Ok(Body::SevenBit),
        Some("8BITMIME") => Ok(Body::EightBitMime),
        // RFC 3030 3: BINARYMIME is not offered
        _ => Err(CommandError::ParameterBad { name: "BODY", why: "must be 7BIT or 8BITMIME" }),
    }
}

fn ret(value: Option<&str>) -> Parsed<Ret> {
    match value.map(str::to_ascii_uppercase).as_deref() {
        Some("FULL") => Ok(Ret::Full),
        Some("HDRS") => Ok(Ret::Headers),
        _ => Err(CommandError::ParameterBad { name: "RET", why: "must be FULL or HDRS" }),
    }
}

fn envid(value: Option<&str>) -> Parsed<Vec<u8>> {
    // RFC 3461 4.4: at most 100 characters of xtext, printable when decoded
    value
        .filter(|value| !value.is_empty() && value.len() <= 100)
        .and_then(xtext::decode)
        .filter(|id| id.iter().all(|b| matches!(b, b' '..=b'~')))
        .ok_or(CommandError::ParameterBad { name: "ENVID", why: "must be xtext" })
}

fn auth_name(value: Option<&str>) -> Parsed<()> {
    // RFC 4954 5: xtext of at most 500 characters
    value
        .filter(|value| !value.is_empty() && value.len() <= 500)
        .and_then(xtext::decode)
        .map(drop)
        .ok_or(CommandError::ParameterBad { name: "AUTH", why: "must be xtext" })
}

fn notify(value: Option<&str>) -> Parsed<Notify> {
    let bad = CommandError::ParameterBad {
        name: "NOTIFY",
        why: "must be NEVER or a list of SUCCESS,FAILURE,DELAY",
    };
    let value = value.unwrap_or_default().to_ascii_uppercase();
    let mut notify = Notify::default();
    // RFC 3461 4.1: NEVER stands alone
    if value == "NEVER" {
        return Ok(notify);
    }
    for word in value.split(',') {
        match word {
            "SUCCESS" => notify.success = true,
            "FAILURE" => notify.failure = true,
            "DELAY" => notify.delay = true,
            _ => return Err(bad),
        }
    }
    Ok(notify)
}

fn orcpt(value: Option<&str>) -> Parsed<OriginalRecipient> {
    let bad = CommandError::ParameterBad { name: "ORCPT", why: "must be type;xtext" };
    // RFC 3461 4.2: at most 500 characters
    let value = value.filter(|value| value.len() <= 500).ok_or(bad.clone())?;
    let (kind, address) = value.split_once(';').ok_or(bad.clone())?;
    let is_atom = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    if kind.is_empty() || !kind.chars().all(is_atom) || address.is_empty() {
        return Err(bad);
    }
    // RFC 6533 3: utf-8-addr-xtext and utf-8-addr-unitext stand without xtext's +HH
    let address = match kind.eq_ignore_ascii_case("utf-8") {
        true if !address.chars().any(char::is_control) => address.as_bytes().to_vec(),
        true => return Err(bad),
        false => xtext::decode(address).ok_or(bad)?,
    };
    Ok(OriginalRecipient { kind: kind.to_ascii_lowercase(), address })
}
