//! Modified UTF-7, how IMAP4rev1 writes mailbox names (RFC 3501 5.1.3).
//!
//! ```text
//! name    = *(direct / "&-" / shifted)
//! direct  = %x20-25 / %x27-7E               printable US-ASCII but "&"
//! shifted = "&" 1*mbase64 "-"               UTF-16BE in base64, "," for "/", no padding
//! ```
//!
//! Only the canonical form is read: each name has one spelling, so two spellings never reach one
//! mailbox.

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

const BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// UTF-8 to modified UTF-7; all texts have one.
pub(crate) fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut shifted: Vec<u8> = Vec::new();
    for c in name.chars() {
        if (' '..='~').contains(&c) {
            unshift(&mut shifted, &mut out);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            let mut units = [0u16; 2];
            for unit in c.encode_utf16(&mut units) {
                shifted.extend_from_slice(&unit.to_be_bytes());
            }
        }
    }
    unshift(&mut shifted, &mut out);
    out
}

/// Modified UTF-7 to UTF-8. `None` for what the encoder would never write: octets outside of
/// printable US-ASCII, broken base64, lone surrogates, printable characters in base64, needless
/// shifts.
pub(crate) fn decode(name: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(name).ok()?;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (shifted, after) = after.split_once('-')?;
        if shifted.is_empty() {
            out.push('&');
        } else {
            out.push_str(&decode_shifted(shifted)?);
        }
        rest = after;
    }
    out.push_str(rest);
    // RFC 3501 5.1.3: no superfluous shift, and nothing in base64 that can represent itself
    (encode(&out) == text).then_some(out)
}

fn decode_shifted(shifted: &str) -> Option<String> {
    let octets = BASE64.decode(shifted).ok()?;
    let (pairs, []) = octets.as_chunks::<2>() else { return None };
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    String::from_utf16(&units).ok()
}

fn unshift(shifted: &mut Vec<u8>, out: &mut String) {
    if !shifted.is_empty() {
        out.push('&');
        BASE64.encode_string(&*shifted, out);
        out.push('-');
        shifted.clear();
    }
}
