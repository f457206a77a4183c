//! Content put into another transfer encoding, for clients and servers that know less.
//!
//! For clients that know only lines, `Content-Transfer-Encoding: binary` parts, and parts that hold
//! NUL, become base64. For servers that know only 7-bit lines of 998 octets, text becomes
//! quoted-printable and all else base64.
//!
//! ```text
//! Content-Transfer-Encoding: binary        Content-Transfer-Encoding: base64
//!
//! \x00\xff...                        ->    AP+...
//! ```
//!
//! Multiparts keep their boundaries. Signed content changes for clients, which RFC 3516 4.4
//! accepts; on its way out it stays as it is (RFC 1847 2.1: it was to be 7-bit already).

use super::facts::Part;
use super::{encode, headers, structure, value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// RFC 2045 6.8: at most 76 characters in a line, made of 57 octets.
const LINE_OCTETS: usize = 57;
/// RFC 5322 2.1.1: octets of the longest line that every server takes.
const LONGEST_LINE: usize = 998;

/// The message with its binary parts in base64; as it is if there are none.
pub(crate) fn without_binary(raw: Vec<u8>) -> Vec<u8> {
    let facts = structure::read(&raw);
    let mut parts = Vec::new();
    if let Some(root) = &facts.structure {
        collect(root, &raw, &mut parts);
    }
    if parts.is_empty() {
        return raw;
    }
    let mut out = Vec::with_capacity(raw.len() + raw.len() / 2);
    let mut copied = 0;
    for part in parts {
        let (header_at, body_at) = (at(part.header_at), at(part.body_at));
        let body_end = body_at + at(part.body_size);
        out.extend_from_slice(raw.get(copied..header_at).unwrap_or_default());
        rewrite_header(raw.get(header_at..body_at).unwrap_or_default(), part, &mut out);
        if part.parts.is_empty() {
            encode(raw.get(body_at..body_end).unwrap_or_default(), &mut out);
            copied = body_end;
        } else {
            copied = body_at;
        }
    }
    out.extend_from_slice(raw.get(copied..).unwrap_or_default());
    out
}

/// The message with nothing but short 7-bit lines in its parts, as far as that can be had: fields,
/// signed parts, and parts whose encoding is not known stay as they are.
pub(crate) fn seven_bit(raw: Vec<u8>) -> Vec<u8> {
    if is_seven_bit(raw.get(headers::header_len(&raw)..).unwrap_or_default()) {
        return raw;
    }
    let facts = structure::read(&raw);
    let mut parts = Vec::new();
    if let Some(root) = &facts.structure {
        collect_wide(root, &raw, &mut parts);
    }
    let mut out = Vec::with_capacity(raw.len() + raw.len() / 2);
    let mut copied = 0;
    for part in parts {
        let (header_at, body_at) = (at(part.header_at), at(part.body_at));
        let header = raw.get(header_at..body_at).unwrap_or_default();
        let body = raw.get(body_at..body_at + at(part.body_size)).unwrap_or_default();
        out.extend_from_slice(raw.get(copied..header_at).unwrap_or_default());
        copied = body_at;
        if !part.parts.is_empty() {
            new_header(header, "7bit", None, &mut out);
            continue;
        }
        copied += body.len();
        let charset = headers::find(header, "Content-Type").is_none().then(|| charset_of(body));
        if part.kind.eq_ignore_ascii_case(b"text") {
            new_header(header, "quoted-printable", charset, &mut out);
            encode::quoted_printable(body, &mut out);
        } else {
            new_header(header, "base64", charset, &mut out);
            encode(body, &mut out);
        }
    }
    out.extend_from_slice(raw.get(copied..).unwrap_or_default());
    out
}

fn is_seven_bit(octets: &[u8]) -> bool {
    octets.is_ascii() && octets.split(|&b| b == b'\n').all(|line| line.len() <= LONGEST_LINE + 1)
}

/// The parts whose header or content has to change, in their order. Will this one be 7-bit then?
fn collect_wide<'a>(part: &'a Part, raw: &[u8], to: &mut Vec<&'a Part>) -> bool {
    if is_seven_bit(structure::body_of(raw, part)) {
        return true;
    }
    let is = |name: &str| part.encoding.eq_ignore_ascii_case(name.as_bytes());
    if part.is_multipart() && part.subkind.eq_ignore_ascii_case(b"signed") {
        return false;
    }
    if !part.parts.is_empty() {
        let place = to.len();
        let mut narrow = true;
        for inner in &part.parts {
            narrow &= collect_wide(inner, raw, to);
        }
        // Its encoding tells of what is inside.
        if narrow && (is("8bit") || is("binary")) {
            to.insert(place, part);
        }
        return narrow;
    }
    let header = headers::find(structure::header_of(raw, part), "Content-Type");
    let written = header.and_then(|field| value::content_type(field.value));
    // What was too deep to be read is told as text, and is none.
    let known = written.is_none_or(|(kind, _, _)| kind.eq_ignore_ascii_case(&part.kind));
    let changes = known && (is("7bit") || is("8bit") || is("binary"));
    if changes {
        to.push(part);
    }
    changes
}

/// A text that says nothing of itself.
fn charset_of(body: &[u8]) -> &'static str {
    match std::str::from_utf8(body) {
        Ok(_) => "utf-8",
        Err(_) => "windows-1252",
    }
}

/// The part's header with its new encoding, and a type where it has none.
fn new_header(header: &[u8], encoding: &str, charset: Option<&str>, out: &mut Vec<u8>) {
    for field in headers::fields(header) {
        if !field.is("Content-Transfer-Encoding") {
            out.extend_from_slice(field.whole);
        }
    }
    // RFC 2045 4: without it a reader need not look at the other fields
    if headers::find(header, "From").is_some() && headers::find(header, "MIME-Version").is_none() {
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
    }
    if let Some(charset) = charset {
        out.extend_from_slice(
            format!("Content-Type: text/plain; charset={charset}\r\n").as_bytes(),
        );
    }
    out.extend_from_slice(format!("Content-Transfer-Encoding: {encoding}\r\n\r\n").as_bytes());
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// The parts whose header or content has to change, in their order.
fn collect<'a>(part: &'a Part, raw: &[u8], to: &mut Vec<&'a Part>) {
    let body = raw.get(at(part.body_at)..at(part.body_at) + at(part.body_size));
    let binary = part.encoding.eq_ignore_ascii_case(b"binary");
    let nul = part.parts.is_empty() && body.is_some_and(|b| b.contains(&0));
    if binary || nul {
        to.push(part);
    }
    for inner in &part.parts {
        collect(inner, raw, to);
    }
}

/// The part's header with its new encoding; of a multipart 8bit, since what is inside is lines now.
fn rewrite_header(header: &[u8], part: &Part, out: &mut Vec<u8>) {
    let new = if part.parts.is_empty() { "base64" } else { "8bit" };
    for field in headers::fields(header) {
        if !field.is("Content-Transfer-Encoding") {
            out.extend_from_slice(field.whole);
        }
    }
    out.extend_from_slice(format!("Content-Transfer-Encoding: {new}\r\n\r\n").as_bytes());
}

fn encode(octets: &[u8], out: &mut Vec<u8>) {
    for line in octets.chunks(LINE_OCTETS) {
        out.extend_from_slice(BASE64.encode(line).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_part_becomes_base64_and_the_rest_stays() {
        let raw = b"Subject: x\r\nMIME-Version: 1.0\r\n\
            Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n\
            --b\r\n\r\nplain\r\n--b\r\nContent-Type: image/png\r\n\
            Content-Transfer-Encoding: BINARY\r\n\r\n\x00\x01\xff\r\n--b--\r\n";
        let out = without_binary(raw.to_vec());
        assert!(!out.contains(&0));
        let text = String::from_utf8_lossy(&out);
        assert!(text.contains("plain\r\n--b\r\n"), "{text}");
        assert!(
            text.contains("Content-Transfer-Encoding: base64\r\n\r\nAAH/\r\n\r\n--b--"),
            "{text}"
        );
        assert!(text.contains("Content-Transfer-Encoding: 8bit\r\n\r\n--b\r\n"), "{text}");
        let facts = structure::read(&out);
        let part = structure::find(&facts, &[2]).cloned().unwrap_or_default();
        assert_eq!(part.encoding.to_ascii_lowercase(), b"base64");
    }

    #[test]
    fn what_is_not_binary_stays_octet_by_octet() {
        let raw = b"Subject: x\r\n\r\nplain\r\n".to_vec();
        assert_eq!(without_binary(raw.clone()), raw);
    }

    #[test]
    fn parts_become_seven_bit_and_signed_ones_stay() {
        let raw = "From: a@b.test\r\nMIME-Version: 1.0\r\n\
            Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
            --b\r\nContent-Type: text/html; charset=utf-8\r\n\
            Content-Transfer-Encoding: 8bit\r\n\r\n<p>\u{e4}\r\n--b\r\n\
            Content-Type: image/png\r\n\r\n\u{e4}\r\n--b--\r\n";
        let out = String::from_utf8(seven_bit(raw.as_bytes().to_vec())).expect("ASCII");
        assert!(out.is_ascii(), "{out}");
        assert!(out.contains("quoted-printable\r\n\r\n<p>=C3=A4\r\n--b\r\n"), "{out}");
        assert!(out.contains("base64\r\n\r\nw6Q=\r\n\r\n--b--"), "{out}");
        assert!(out.contains("Content-Transfer-Encoding: 7bit\r\n\r\n--b\r\n"), "{out}");
        let signed = raw.replace("multipart/mixed", "multipart/signed");
        assert_eq!(seven_bit(signed.clone().into_bytes()), signed.into_bytes());
    }

    #[test]
    fn a_line_that_is_too_long_is_folded() {
        let raw = format!("From: a@b.test\r\n\r\n{}\r\n", "x".repeat(2_000));
        let out = seven_bit(raw.into_bytes());
        assert!(out.split(|&b| b == b'\n').all(|line| line.len() < 100));
    }
}
