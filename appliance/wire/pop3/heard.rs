//! What POP3 servers of others say; nothing in it is trusted.
//!
//! ```text
//! status   = ("+OK" / "-ERR") [SP "[" code "]"] [SP text] CRLF       RFC 1939 3, RFC 2449 8
//! listing  = number SP size                                          LIST, RFC 1939 5
//! unique   = number SP 1*70(%x21-7E)                                 UIDL, RFC 1939 7
//! multi    = *( line CRLF ) "." CRLF, a dot before each dot          RFC 1939 3
//! ```
//!
//! Let pass: LF without CR, text that is not ASCII, unique-ids of up to 255 octets.

use crate::limits::POP3_HEARD_LINE_BYTES;

/// The first line of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub ok: bool,
    /// RFC 2449 8, RFC 3206: in upper case, without its brackets.
    pub code: String,
    /// For people: no control characters.
    pub text: String,
}

/// `None`: it is no reply.
pub(crate) fn status(line: &[u8]) -> Option<Status> {
    let (ok, rest) = match line {
        [b'+', b'O' | b'o', b'K' | b'k', rest @ ..] => (true, rest),
        [b'-', rest @ ..] if rest.get(..3)?.eq_ignore_ascii_case(b"ERR") => (false, rest.get(3..)?),
        _ => return None,
    };
    if rest.first().is_some_and(|octet| !octet.is_ascii_whitespace()) {
        return None;
    }
    let text = shown(rest);
    let coded = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (code, text) = match coded {
        Some((code, rest)) => (code.trim().to_ascii_uppercase(), rest.trim().to_string()),
        None => (String::new(), text),
    };
    Some(Status { ok, code, text })
}

/// A server wants the next words of a log-in: the challenge, still in base64. RFC 5034 4
pub(crate) fn challenge(line: &[u8]) -> Option<&[u8]> {
    match line {
        b"+" => Some(b""),
        [b'+', b' ', rest @ ..] => Some(rest),
        _ => None,
    }
}

/// A line of LIST: number and octets.
pub(crate) fn listing(line: &[u8]) -> Option<(u32, u64)> {
    let (number, rest) = numbered(line)?;
    let size = rest.split(u8::is_ascii_whitespace).next()?;
    Some((number, digits(size)?))
}

/// A line of UIDL: number and unique-id.
pub(crate) fn unique(line: &[u8]) -> Option<(u32, Vec<u8>)> {
    let (number, rest) = numbered(line)?;
    let rest = rest.trim_ascii_end();
    let fine = (1..=255).contains(&rest.len()) && rest.iter().all(u8::is_ascii_graphic);
    fine.then(|| (number, rest.to_vec()))
}

fn numbered(line: &[u8]) -> Option<(u32, &[u8])> {
    let at = line.iter().position(u8::is_ascii_whitespace)?;
    let (number, rest) = line.split_at_checked(at)?;
    let number = u32::try_from(digits(number)?).ok().filter(|number| *number > 0)?;
    Some((number, rest.trim_ascii_start()))
}

fn digits(text: &[u8]) -> Option<u64> {
    let fine = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| fine)?.parse().ok()
}

fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let safe = |c: char| if c.is_control() || c == char::REPLACEMENT_CHARACTER { '?' } else { c };
    text.trim().chars().map(safe).take(POP3_HEARD_LINE_BYTES).collect()
}

/// A reply of several lines while it comes: the octets between its first line and its last, with
/// CRLF at each line's end. What is above the limit is not kept, and the end is found all the same.
#[derive(Debug)]
pub(crate) struct Lines {
    most: usize,
    /// The line that is not whole yet.
    line: Vec<u8>,
    kept: Vec<u8>,
    octets: u64,
    over: bool,
}

impl Lines {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, line: Vec::new(), kept: Vec::new(), octets: 0, over: false }
    }

    /// Takes from the front of the buffer. `true`: the end has come.
    pub(crate) fn take(&mut self, buffer: &mut Vec<u8>) -> bool {
        let mut used = 0;
        let mut ended = false;
        for piece in buffer.split_inclusive(|octet| *octet == b'\n') {
            used += piece.len();
            self.octets = self.octets.saturating_add(piece.len() as u64);
            if self.line.len() + piece.len() <= self.most.saturating_add(3) {
                self.line.extend_from_slice(piece);
            } else {
                // A line above the limit: only its beginning tells whether it is the end.
                self.over = true;
                self.line.truncate(3);
                self.line.extend(piece.last().filter(|octet| **octet == b'\n'));
            }
            if piece.ends_with(b"\n") && self.end_line() {
                ended = true;
                break;
            }
        }
        buffer.drain(..used);
        ended
    }

    fn end_line(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line == b"." {
            return true;
        }
        // RFC 1939 3: the dot before a dot is taken off
        let line = line.strip_prefix(b".").unwrap_or(line);
        self.over |= self.kept.len() + line.len() + 2 > self.most;
        if self.over {
            self.kept = Vec::new();
        } else {
            self.kept.extend_from_slice(line);
            self.kept.extend_from_slice(b"\r\n");
        }
        false
    }

    /// Octets that have come so far.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// `None`: there were more than are kept.
    pub(crate) fn whole(self) -> Option<Vec<u8>> {
        (!self.over).then_some(self.kept)
    }
}
