//! The text of a part: transfer encoding and charset undone.

use super::facts::Part;
use super::value;
use mail_parser::decoders::charsets::map::charset_decoder;
use std::borrow::Cow;

/// The octets of a part with its transfer encoding undone; `None` when the encoding is not known
/// (RFC 9051 6.4.5.1 then wants UNKNOWN-CTE). `body` is the part's body as it stands.
pub(crate) fn decoded<'a>(part: &Part, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let is = |name: &str| part.encoding.eq_ignore_ascii_case(name.as_bytes());
    if is("7bit") || is("8bit") || is("binary") {
        Some(Cow::Borrowed(body))
    } else if is("base64") {
        Some(Cow::Owned(base64(body)))
    } else if is("quoted-printable") {
        Some(Cow::Owned(quoted_printable(body)))
    } else {
        None
    }
}

/// The text of a part as UTF-8, for a search. Never fails: what cannot be decoded is taken as it
/// stands.
pub(crate) fn text_of(part: &Part, body: &[u8]) -> String {
    let octets = decoded(part, body).unwrap_or(Cow::Borrowed(body));
    to_utf8(&octets, value::decoded(&part.params, "charset").as_deref().map(str::as_bytes))
}

/// UTF-8 of octets in a charset. An unknown, absent or lying charset is taken as UTF-8 where the
/// octets are that, else as windows-1252.
pub(crate) fn to_utf8(octets: &[u8], charset: Option<&[u8]>) -> String {
    let named = charset.filter(|c| !c.is_empty() && !c.eq_ignore_ascii_case(b"us-ascii"));
    if let Some(decode) = named.and_then(charset_decoder) {
        return decode(octets);
    }
    match std::str::from_utf8(octets) {
        Ok(text) => text.to_string(),
        Err(_) => match charset_decoder(b"windows-1252") {
            Some(decode) => decode(octets),
            None => String::from_utf8_lossy(octets).into_owned(),
        },
    }
}

/// RFC 2045 6.8: octets outside of the alphabet are passed over; what stands behind the padding
/// is read too (joined pieces).
fn base64(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for &symbol in text {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                count = 0;
                continue;
            }
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count & 0xff) as u8);
        }
    }
    octets
}

/// RFC 2045 6.7: wrong escapes stay as they stand.
fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|&b| b == b'\n') {
        let content = line.trim_ascii_end();
        let end: &[u8] = match line {
            [.., b'\r', b'\n'] => b"\r\n",
            [.., b'\n'] => b"\n",
            _ => b"",
        };
        match content.strip_suffix(b"=") {
            Some(soft) => unescape(soft, &mut octets),
            None => {
                unescape(content, &mut octets);
                octets.extend(end);
            }
        }
    }
    octets
}

fn unescape(mut line: &[u8], to: &mut Vec<u8>) {
    while let Some((&octet, after)) = line.split_first() {
        let pair = after.get(..2).and_then(|h| std::str::from_utf8(h).ok());
        match pair.filter(|_| octet == b'=').and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(code) => {
                to.push(code);
                line = after.get(2..).unwrap_or_default();
            }
            None => {
                to.push(octet);
                line = after;
            }
        }
    }
}

/// A message with CRLF at the end of each line, as all stored messages have it: a bare LF gets its
/// CR. Octets of value 0 cannot stand in a message (RFC 5322 4.1) and are left out.
pub(crate) fn with_crlf(raw: &[u8]) -> Cow<'_, [u8]> {
    let bare = |pair: &[u8]| pair.last() == Some(&b'\n') && pair.first() != Some(&b'\r');
    let clean = !raw.contains(&0) && raw.first() != Some(&b'\n') && !raw.windows(2).any(bare);
    if clean {
        return Cow::Borrowed(raw);
    }
    let mut all = Vec::with_capacity(raw.len() + raw.len() / 32);
    for line in raw.split_inclusive(|&b| b == b'\n') {
        let content = without_line_end(line);
        all.extend(content.iter().filter(|&&b| b != 0));
        if content.len() < line.len() {
            all.extend_from_slice(b"\r\n");
        }
    }
    Cow::Owned(all)
}

pub(crate) fn without_line_end(line: &[u8]) -> &[u8] {
    match line {
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\n'] => rest,
        rest => rest,
    }
}
