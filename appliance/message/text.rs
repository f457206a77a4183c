//! Text in a charset as UTF-8, and the ends of lines.

use mail_parser::decoders::charsets::map::charset_decoder;
use std::borrow::Cow;

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
