//! A message of one of our people made fit to leave (RFC 6409 8): what mail programs and scripts
//! leave out is added, what must not be read by others goes.
//!
//! ```text
//! header   up to the first line that is no field; a text without header gets an empty one
//! off      Bcc, Resent-Bcc, Return-Path
//! on       From, Date, Message-ID where they are missing
//! 7-bit    raw characters in fields become encoded words, parts become quoted-printable or
//!          base64; signed parts stay as they are
//! end      the last line has its CRLF
//! ```
//!
//! It is 7-bit before it is signed, so that no server on its way has a reason to change it.

use super::headers::{self, Field};
use super::{encode, reencode};
use std::borrow::Cow;

/// What is put where it is missing.
#[derive(Debug, Clone)]
pub(crate) struct Missing {
    /// An address.
    pub from: String,
    /// As RFC 5322 3.3 writes it.
    pub date: String,
    /// Without angle brackets.
    pub message_id: String,
    /// Fields may hold UTF-8 (RFC 6531): they stay as they are.
    pub utf8: bool,
}

/// The message as it may leave, with CRLF at each line's end.
pub(crate) fn submitted(raw: &[u8], missing: &Missing) -> Vec<u8> {
    let (fields, body) = split(raw);
    let mut out = Vec::with_capacity(raw.len() + 256);
    let has = |name| fields.iter().any(|field: &Field<'_>| field.is(name));
    if !has("From") {
        out.extend_from_slice(format!("From: {}\r\n", missing.from).as_bytes());
    }
    if !has("Date") {
        out.extend_from_slice(format!("Date: {}\r\n", missing.date).as_bytes());
    }
    // RFC 6409 8.3
    if !has("Message-ID") {
        out.extend_from_slice(format!("Message-ID: <{}>\r\n", missing.message_id).as_bytes());
    }
    for field in fields.iter().filter(|field| !is_secret(field)) {
        out.extend_from_slice(&outgoing(field, missing.utf8));
        close_line(&mut out);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    if !body.is_empty() {
        close_line(&mut out);
    }
    reencode::seven_bit(out)
}

/// The fields up to the first line that is none, and what stands behind them and the empty line.
fn split(raw: &[u8]) -> (Vec<Field<'_>>, &[u8]) {
    // A mail out of an mbox file begins with its separator.
    let rest = match raw.starts_with(b"From ").then(|| raw.iter().position(|&b| b == b'\n')) {
        Some(Some(end)) => raw.get(end + 1..).unwrap_or_default(),
        _ => raw,
    };
    let mut body = rest;
    let mut fields = Vec::new();
    for field in headers::fields(rest) {
        let Some(after) = body.strip_prefix(field.whole) else { break };
        body = after;
        fields.push(field);
    }
    (fields, body.strip_prefix(b"\r\n").unwrap_or(body))
}

/// RFC 5322 3.6.3: nobody sees who else got a blind copy. RFC 5321 4.4: Return-Path is the last
/// server's.
fn is_secret(field: &Field<'_>) -> bool {
    ["Bcc", "Resent-Bcc", "Return-Path"].iter().any(|name| field.is(name))
}

fn outgoing<'a>(field: &Field<'a>, utf8: bool) -> Cow<'a, [u8]> {
    if utf8 || field.whole.is_ascii() {
        return Cow::Borrowed(field.whole);
    }
    encode::field(field).map_or(Cow::Borrowed(field.whole), Cow::Owned)
}

fn close_line(out: &mut Vec<u8>) {
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing() -> Missing {
        Missing {
            from: "alice@office.test".to_string(),
            date: "Mon, 23 Nov 2026 12:00:00 +0000".to_string(),
            message_id: "1@office.test".to_string(),
            utf8: false,
        }
    }

    fn fixed(raw: &str) -> String {
        String::from_utf8(submitted(raw.as_bytes(), &missing())).expect("text")
    }

    #[test]
    fn what_is_missing_is_added_and_blind_copies_go() {
        let out = fixed(
            "Subject: x\r\nBcc: boss@office.test,\r\n secret@far.test\r\nTo: b@far.test\r\n\r\nhi",
        );
        assert_eq!(
            out,
            "From: alice@office.test\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\
             Message-ID: <1@office.test>\r\nSubject: x\r\nTo: b@far.test\r\n\r\nhi\r\n"
        );
    }

    #[test]
    fn what_is_there_stays() {
        let whole = "From: a@b.test\r\nDate: x\r\nMessage-ID: <q@b>\r\nX-Odd : y\r\n\r\nhi\r\n";
        assert_eq!(fixed(whole), whole);
    }

    #[test]
    fn a_text_without_header_and_a_header_without_end_lose_nothing() {
        let out = fixed("hello there\r\nhow are you?\r\n");
        assert!(out.ends_with("\r\n\r\nhello there\r\nhow are you?\r\n"), "{out}");
        let out = fixed("Subject: x\r\nhello there\r\n");
        assert!(out.ends_with("Subject: x\r\n\r\nhello there\r\n"), "{out}");
        let out = fixed("Subject: x");
        assert!(out.ends_with("Subject: x\r\n\r\n"), "{out}");
        let out = fixed("");
        assert!(out.starts_with("From: ") && out.ends_with(">\r\n\r\n"), "{out}");
        let out = fixed("From me@x Mon Nov 23\r\nSubject: x\r\n\r\nhi\r\n");
        assert!(!out.contains("From me"), "{out}");
    }

    #[test]
    fn eight_bit_becomes_seven() {
        let out = fixed("Subject: grüße\r\n\r\nmit ä = 1\r\n");
        assert!(out.is_ascii(), "{out}");
        assert!(out.contains("Subject: =?UTF-8?B?Z3LDvMOfZQ==?=\r\n"), "{out}");
        assert!(out.contains("Content-Type: text/plain; charset=utf-8\r\n"), "{out}");
        assert!(out.ends_with("\r\n\r\nmit =C3=A4 =3D 1\r\n"), "{out}");
    }
}
