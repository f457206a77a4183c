//! xtext (RFC 3461 4): any octets as printable ASCII.
//!
//! ```text
//! xtext   = *( xchar / hexchar )
//! xchar   = any ASCII CHAR between "!" and "~" except "+" and "="
//! hexchar = "+" 2(upper case hex digit)
//! ```

/// The octets that `text` stands for; `None` if it is no xtext.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        match b {
            b'+' => octets.push(hex(rest.next()?)? << 4 | hex(rest.next()?)?),
            b'=' => return None,
            b'!'..=b'~' => octets.push(b),
            _ => return None,
        }
    }
    Some(octets)
}

/// Octets as xtext.
#[cfg(test)]
pub(crate) fn encode(octets: &[u8]) -> String {
    use std::fmt::Write;
    octets.iter().fold(String::with_capacity(octets.len()), |mut text, &b| {
        match b {
            b'+' | b'=' => _ = write!(text, "+{b:02X}"),
            b'!'..=b'~' => text.push(char::from(b)),
            _ => _ = write!(text, "+{b:02X}"),
        }
        text
    })
}

fn hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}
