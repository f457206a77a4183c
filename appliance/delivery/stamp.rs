//! Header fields taken off and put on an arriving message.
//!
//! ```text
//! prefix, one for each person:  Return-Path: <sender>             RFC 5321 4.4
//!                               Delivered-To: recipient
//!                               X-Mailroom-Reason: verdict; named reason; words
//! on top of the common body:    Authentication-Results: what was found        RFC 8601
//!                               Received: from .. by .. with .. id .. ; date
//! taken off:                    Return-Path; X-Mailroom-Reason; Authentication-Results that
//!                               claims to be ours
//! ```

use crate::message::headers::{self, Field};
use crate::policy::{Evidence, results};
use crate::smtp::{Arrived, Caller};
use crate::store::MailId;
use crate::wire::address::{Address, check_domain};
use std::borrow::Cow;
use std::net::IpAddr;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Received fields in a message: how many servers it has passed. RFC 5321 6.3
pub(crate) fn hops(message: &[u8]) -> usize {
    headers::fields(message).filter(|field| field.is("Received")).count()
}

/// The message without what only we may say of it. What is not changed is not copied.
pub(crate) fn cleaned(message: Vec<u8>, host: &str) -> Vec<u8> {
    let kept = headers::without(&message, |field| {
        // RFC 5321 4.4: the final server removes a Return-Path and writes its own
        field.is("Return-Path") || field.is("X-Mailroom-Reason") || is_forged_result(field, host)
    });
    match kept {
        Cow::Owned(kept) => kept,
        Cow::Borrowed(_) => message,
    }
}

/// What stands on top of the cleaned message in the common body.
pub(crate) fn top(
    arrived: &Arrived,
    evidence: Option<&Evidence>,
    cleaned: &[u8],
    host: &str,
    id: MailId,
    now: i64,
) -> Vec<u8> {
    let results = evidence.map(|evidence| results::field(evidence, host)).unwrap_or_default();
    let mut top = (results + &received(arrived, host, id, now)).into_bytes();
    if !starts_with_field(cleaned) {
        // Without header the text begins at once: it must not become part of ours.
        top.extend_from_slice(b"\r\n");
    }
    top
}

/// What only this person's copy has. `why`: where it was judged.
pub(crate) fn prefix(from: Option<&Address>, recipient: &str, why: Option<String>) -> Vec<u8> {
    let from = from.map(ToString::to_string).unwrap_or_default();
    let why = why.map(|why| format!("X-Mailroom-Reason: {}\r\n", folded(&why)));
    let why = why.unwrap_or_default();
    format!("Return-Path: <{from}>\r\nDelivered-To: {recipient}\r\n{why}").into_bytes()
}

/// RFC 5322 2.1.1: lines of at most 78 where there are blanks.
fn folded(text: &str) -> String {
    let mut folded = String::new();
    let mut width = "X-Mailroom-Reason: ".len();
    for word in text.split(' ') {
        if width + word.len() > 76 && !folded.is_empty() {
            folded.push_str("\r\n\t");
            width = 8;
        } else if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
        width += word.len() + 1;
    }
    folded
}

/// RFC 5321 4.4, RFC 3848. No word of it differs between the recipients, so that they share one
/// body; `for` stands there only when there is a single one.
fn received(arrived: &Arrived, host: &str, id: MailId, now: i64) -> String {
    let caller = &arrived.caller;
    let mut lines =
        format!("Received: from {}\r\n\tby {host} with {}", from(caller), with(arrived));
    if let Some(tls) = &caller.tls {
        lines.push_str(&format!("\r\n\t({} {})", tls.version, tls.cipher));
    }
    lines.push_str(&format!("\r\n\tid {id}"));
    if let [only] = arrived.recipients.as_slice() {
        lines.push_str(&format!("\r\n\tfor <{}>", only.to));
    }
    lines.push_str(&format!(";\r\n\t{}\r\n", date(now)));
    lines
}

/// What stands on top of a message that one of our people sends. Where the person is concerns
/// nobody outside: the story of the message keeps the address here. RFC 5321 7.6
pub(crate) fn submitted(arrived: &Arrived, host: &str, id: MailId, now: i64) -> String {
    let mut lines = format!("Received: by {host} with {}", with(arrived));
    if let Some(tls) = &arrived.caller.tls {
        lines.push_str(&format!("\r\n\t({} {})", tls.version, tls.cipher));
    }
    lines.push_str(&format!("\r\n\tid {id};\r\n\t{}\r\n", date(now)));
    lines
}

/// What stands on top of a letter that was collected from this server of a provider.
pub(crate) fn collected(
    cleaned: &[u8],
    (from, protocol): (&str, &str),
    (host, id): (&str, MailId),
    now: i64,
) -> Vec<u8> {
    let date = date(now);
    let mut top = format!(
        "Received: from {from}\r\n\tby {host} with {protocol}\r\n\tid {id};\r\n\t{date}\r\n"
    );
    if !starts_with_field(cleaned) {
        top.push_str("\r\n");
    }
    top.into_bytes()
}

/// RFC 5322 3.3, in UTC.
pub(crate) fn date(now: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(now).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(&Rfc2822).unwrap_or_else(|_| "Thu, 01 Jan 1970 00:00:00 +0000".to_string())
}

/// What the other side called itself, and where it really is.
fn from(caller: &Caller) -> String {
    let literal = literal(caller.remote.ip());
    match check_domain(&caller.helo) {
        Ok(name) if name.is_ascii() => format!("{name} ({literal})"),
        _ => {
            // RFC 5321 4.1.4: mail is not refused for it; in a comment it does no harm
            let tame =
                |c: char| if c.is_ascii_alphanumeric() || "-._:".contains(c) { c } else { '?' };
            let said: String = caller.helo.chars().take(80).map(tame).collect();
            format!("{literal} (HELO {said})")
        }
    }
}

/// RFC 5321 4.1.3
pub(crate) fn literal(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => format!("[{ip}]"),
        IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    }
}

/// RFC 3848 and RFC 6531 4.3: names of the protocol for `with`.
fn with(arrived: &Arrived) -> &'static str {
    let caller = &arrived.caller;
    if caller.login.is_some() {
        return match (arrived.smtputf8, caller.tls.is_some()) {
            (false, false) => "ESMTPA",
            (false, true) => "ESMTPSA",
            (true, false) => "UTF8SMTPA",
            (true, true) => "UTF8SMTPSA",
        };
    }
    match (caller.extended, arrived.smtputf8, caller.tls.is_some()) {
        (false, _, _) => "SMTP",
        (true, false, false) => "ESMTP",
        (true, false, true) => "ESMTPS",
        (true, true, false) => "UTF8SMTP",
        (true, true, true) => "UTF8SMTPS",
    }
}

/// RFC 8601 5: a field that bears our name and comes from outside is a lie.
fn is_forged_result(field: &Field<'_>, host: &str) -> bool {
    field.is("Authentication-Results")
        && authserv_id(field.value).is_some_and(|id| id.eq_ignore_ascii_case(host.as_bytes()))
}

/// RFC 8601 2.2: the first word of the value, past comments and folding; it may be quoted.
fn authserv_id(value: &[u8]) -> Option<Vec<u8>> {
    let mut rest = value;
    let mut depth = 0_usize;
    while let Some((&b, after)) = rest.split_first() {
        match b {
            b'\\' if depth > 0 => {
                rest = after.get(1..).unwrap_or_default();
                continue;
            }
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            _ if depth > 0 || b.is_ascii_whitespace() => {}
            _ => break,
        }
        rest = after;
    }
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        let inner = quoted.iter().take_while(|&&b| b != b'"');
        return Some(inner.copied().filter(|&b| b != b'\\').collect());
    }
    let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b';' | b'(' | b'/');
    let word = rest.split(ends).next()?;
    Some(word.strip_suffix(b".").unwrap_or(word).to_vec())
}

fn starts_with_field(message: &[u8]) -> bool {
    if message.is_empty() || message.starts_with(b"\r\n") {
        return message.starts_with(b"\r\n");
    }
    let first = headers::fields(message).next();
    first.is_some_and(|field| message.starts_with(field.whole)) || message.starts_with(b"From ")
}
