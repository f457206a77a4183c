//! Binary content made safe for clients that know only lines: `Content-Transfer-Encoding: binary`
//! parts, and parts that hold NUL, become base64.
//!
//! ```text
//! Content-Transfer-Encoding: binary        Content-Transfer-Encoding: base64
//!
//! \x00\xff...                        ->    AP+...
//! ```
//!
//! Multiparts keep their boundaries; signed content changes, which RFC 3516 4.4 accepts.

use super::facts::Part;
use super::{headers, structure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// RFC 2045 6.8: at most 76 characters in a line, made of 57 octets.
const LINE_OCTETS: usize = 57;

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
}
