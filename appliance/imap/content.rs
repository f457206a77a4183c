//! The octets of a message on their way out, block by block: raw, decoded, or made.

use crate::limits::BODY_BLOCK_BYTES;
use crate::store::format::MailRow;
use crate::store::{Read, Result, StoreError, mail};

/// Where the octets of a literal come from. Its length is known before.
pub(super) enum Source {
    /// The octets of the message from..to.
    Raw {
        at: u64,
        to: u64,
    },
    /// The content of a part without its transfer encoding.
    Decoded(Box<Decoded>),
    Made {
        octets: Vec<u8>,
        at: usize,
    },
}

pub(super) struct Decoded {
    decoder: Decoder,
    at: u64,
    to: u64,
    skip: u64,
    take: u64,
}

impl Source {
    /// The decoded octets from..from+length of the part that stands at..to.
    pub(super) fn decoded(coding: Coding, at: u64, to: u64, skip: u64, take: u64) -> Source {
        match coding {
            Coding::Identity => Source::Raw { at: at + skip, to: at + skip + take },
            _ => {
                let decoder = Decoder::new(coding);
                Source::Decoded(Box::new(Decoded { decoder, at, to, skip, take }))
            }
        }
    }

    /// Appends the next block. Is that all?
    pub(super) fn fill(
        &mut self,
        read: &impl Read,
        row: &MailRow,
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        match self {
            Source::Made { octets, at } => {
                let end = octets.len().min(*at + BODY_BLOCK_BYTES);
                out.extend_from_slice(octets.get(*at..end).unwrap_or_default());
                *at = end;
                Ok(end == octets.len())
            }
            Source::Raw { at, to } => {
                out.extend_from_slice(&block(read, row, at, *to)?);
                Ok(at >= to)
            }
            Source::Decoded(decoded) => decoded.fill(read, row, out),
        }
    }
}

impl Decoded {
    fn fill(&mut self, read: &impl Read, row: &MailRow, out: &mut Vec<u8>) -> Result<bool> {
        let mut plain = Vec::new();
        let octets = block(read, row, &mut self.at, self.to)?;
        self.decoder.feed(&octets, self.at >= self.to, &mut plain);
        let skipped = self.skip.min(plain.len() as u64);
        self.skip -= skipped;
        let taken = self.take.min(plain.len() as u64 - skipped);
        self.take -= taken;
        let from = usize::try_from(skipped).unwrap_or(usize::MAX);
        let to = usize::try_from(skipped + taken).unwrap_or(usize::MAX);
        out.extend_from_slice(plain.get(from..to).unwrap_or_default());
        Ok(self.take == 0 || self.at >= self.to)
    }
}

/// The next block of the message; a message that is shorter than its row says is damaged.
fn block(read: &impl Read, row: &MailRow, at: &mut u64, to: u64) -> Result<Vec<u8>> {
    let end = to.min(*at + BODY_BLOCK_BYTES as u64);
    let octets = mail::octets(read, row, *at, end)?;
    if octets.len() as u64 != end.saturating_sub(*at) {
        return Err(StoreError::Corrupt(format!("body {:x} ends before {end}", row.body)));
    }
    *at = end;
    Ok(octets)
}

/// A content transfer encoding that is understood (RFC 2045 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Base64,
    QuotedPrintable,
}

impl Coding {
    pub(super) fn of(name: &[u8]) -> Option<Coding> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if name.is_empty() || is("7bit") || is("8bit") || is("binary") {
            Some(Coding::Identity)
        } else if is("base64") {
            Some(Coding::Base64)
        } else if is("quoted-printable") {
            Some(Coding::QuotedPrintable)
        } else {
            None
        }
    }
}

/// Decoded octets of the part at..to.
pub(super) fn decoded_size(
    read: &impl Read,
    row: &MailRow,
    coding: Coding,
    at: u64,
    to: u64,
) -> Result<u64> {
    if coding == Coding::Identity {
        return Ok(to - at);
    }
    let (mut at, mut size, mut decoder, mut plain) = (at, 0, Decoder::new(coding), Vec::new());
    while at < to {
        let octets = block(read, row, &mut at, to)?;
        decoder.feed(&octets, at >= to, &mut plain);
        size += plain.len() as u64;
        plain.clear();
    }
    Ok(size)
}

/// At most `most` octets of the part at..to, decoded.
pub(super) fn decoded(
    read: &impl Read,
    row: &MailRow,
    coding: Coding,
    at: u64,
    to: u64,
    most: usize,
) -> Result<Vec<u8>> {
    let (mut at, mut decoder, mut plain) = (at, Decoder::new(coding), Vec::new());
    while at < to && plain.len() < most {
        let octets = block(read, row, &mut at, to)?;
        decoder.feed(&octets, at >= to, &mut plain);
    }
    plain.truncate(most);
    Ok(plain)
}

/// Undoes a transfer encoding as octets come; what is not of the encoding is left out.
struct Decoder {
    coding: Coding,
    /// base64: characters of a group of four, six bits each. quoted-printable: octets whose meaning
    /// depends on what follows ("=", "=A", blanks).
    held: Vec<u8>,
}

/// Blanks held back because a line end may follow; more are not padding.
const HELD: usize = 1_000;

impl Decoder {
    fn new(coding: Coding) -> Decoder {
        Decoder { coding, held: Vec::new() }
    }

    fn feed(&mut self, octets: &[u8], last: bool, out: &mut Vec<u8>) {
        match self.coding {
            Coding::Identity => out.extend_from_slice(octets),
            Coding::Base64 => self.base64(octets, last, out),
            Coding::QuotedPrintable => self.quoted_printable(octets, last, out),
        }
    }

    fn base64(&mut self, octets: &[u8], last: bool, out: &mut Vec<u8>) {
        for octet in octets {
            let value = match octet {
                b'A'..=b'Z' => octet - b'A',
                b'a'..=b'z' => octet - b'a' + 26,
                b'0'..=b'9' => octet - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => {
                    self.end_group(out);
                    continue;
                }
                // RFC 2045 6.8: other characters are ignored
                _ => continue,
            };
            self.held.push(value);
            if self.held.len() == 4 {
                self.end_group(out);
            }
        }
        if last {
            self.end_group(out);
        }
    }

    fn end_group(&mut self, out: &mut Vec<u8>) {
        let bits = self.held.iter().fold(0u32, |bits, six| bits << 6 | u32::from(*six));
        let count = self.held.len();
        let [_, a, b, c] = (bits << (6 * (4 - count.min(4)))).to_be_bytes();
        out.extend([a, b, c].iter().take(count.saturating_sub(1)));
        self.held.clear();
    }

    fn quoted_printable(&mut self, octets: &[u8], last: bool, out: &mut Vec<u8>) {
        for octet in octets {
            self.quoted_octet(*octet, out);
        }
        if last {
            // RFC 2045 6.7: blanks at the end are padding; a lone "=" is a soft line end
            if !self.held.starts_with(b"=") || self.held.len() > 1 {
                self.held.retain(|b| !matches!(b, b' ' | b'\t'));
                out.append(&mut self.held);
            }
            self.held.clear();
        }
    }

    fn quoted_octet(&mut self, octet: u8, out: &mut Vec<u8>) {
        self.held.push(octet);
        match self.held.as_slice() {
            [b'='] | [b'=', b'\r'] => {}
            [b'=', b'\n'] | [b'=', b'\r', b'\n'] => self.held.clear(),
            [b'=', a, rest @ ..] if a.is_ascii_hexdigit() => match rest {
                [] => {}
                [b, ..] if b.is_ascii_hexdigit() => {
                    out.push(hex(*a) << 4 | hex(*b));
                    self.held.clear();
                }
                _ => out.append(&mut self.held),
            },
            // Blanks between "=" and the line end are padding too.
            [b'=', rest @ ..] if rest.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r')) => {
                if self.held.len() > HELD {
                    out.append(&mut self.held);
                }
            }
            [b'=', .., b'\n'] => self.held.clear(),
            [b' ' | b'\t', ..] if matches!(octet, b' ' | b'\t') && self.held.len() <= HELD => {}
            [b' ' | b'\t', .., b'\r' | b'\n'] => {
                self.held.clear();
                out.push(octet);
            }
            [b' ' | b'\t', .., b'='] => {
                self.held.pop();
                out.append(&mut self.held);
                self.held.push(b'=');
            }
            _ => out.append(&mut self.held),
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole and octet by octet must give the same.
    fn decode(coding: Coding, text: &[u8]) -> String {
        let (mut whole, mut single) = (Vec::new(), Vec::new());
        Decoder::new(coding).feed(text, true, &mut whole);
        let mut decoder = Decoder::new(coding);
        for octet in text {
            decoder.feed(&[*octet], false, &mut single);
        }
        decoder.feed(b"", true, &mut single);
        assert_eq!(whole, single);
        String::from_utf8_lossy(&whole).into_owned()
    }

    #[test]
    fn base64_is_undone_whatever_stands_between() {
        assert_eq!(decode(Coding::Base64, b"SGVs\r\nbG8g d29y!bGQ="), "Hello world");
        assert_eq!(decode(Coding::Base64, b"YQ==YWI="), "aab");
        assert_eq!(decode(Coding::Base64, b"YWI"), "ab");
    }

    #[test]
    fn quoted_printable_is_undone() {
        let coding = Coding::QuotedPrintable;
        assert_eq!(
            decode(coding, b"caf=C3=A9 =\r\nau lait  \r\nx = y"),
            "caf\u{e9} au lait\r\nx = y"
        );
        assert_eq!(decode(coding, b"a=3Db=\nc=zz ="), "a=bc=zz ");
        assert_eq!(decode(coding, b"tail= \t\r\nend \t"), "tailend");
    }
}
