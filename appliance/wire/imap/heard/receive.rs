//! Responses put together from octets as they come, within bounds.
//!
//! ```text
//!          line without literal              line that ends in {n}
//!  +--Line----------------------> Response   ----------------------> Literal --n octets--+
//!  |   ^ ^-------------------------------------------------------------------------------+
//!  +---+
//! ```
//!
//! A literal above the limit is read and thrown away, and its response says so. A line above its
//! limit, or more literals than any response has, cannot be understood any more: the connection is
//! of no use then.

use super::lexer::Lexer;
use super::{Octets, Response, parse};
use crate::limits::{
    IMAP_HEARD_LINE_BYTES, IMAP_HEARD_LITERAL_BYTES, IMAP_HEARD_LITERALS, MESSAGE_BYTES,
};
use std::collections::VecDeque;

/// What came of the octets so far.
#[derive(Debug, PartialEq)]
pub(crate) enum Came {
    /// Nothing whole yet: more octets.
    Need,
    Response(Box<Response>),
    /// The server says what no client can take: why.
    Lost(&'static str),
}

/// Holds the response that is coming in; empty between responses.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    /// The lines so far, with the announcements of literals at their ends.
    text: Vec<u8>,
    literals: VecDeque<Octets>,
    literal: Option<Literal>,
    /// Octets of the input known to have no line end.
    scanned: usize,
    /// Octets held by the small literals.
    small: usize,
    /// A large literal was held for this response.
    has_large: bool,
}

#[derive(Debug)]
struct Literal {
    octets: Vec<u8>,
    size: u64,
    left: u64,
    kept: bool,
}

impl Receiver {
    /// Takes what it can from the front of `input`. Call again, without new octets, until it says
    /// [`Came::Need`]. Octets behind a response stay in `input`.
    pub(crate) fn next(&mut self, input: &mut Vec<u8>) -> Came {
        loop {
            if let Some(literal) = &mut self.literal {
                if !literal.take(input) {
                    return Came::Need;
                }
                self.scanned = 0;
                if let Some(whole) = self.literal.take() {
                    self.literals.push_back(whole.end());
                }
                continue;
            }
            let Some(at) = input.iter().skip(self.scanned).position(|b| *b == b'\n') else {
                self.scanned = input.len();
                return match self.text.len() + input.len() > IMAP_HEARD_LINE_BYTES {
                    true => Came::Lost("it says a line that is too long"),
                    false => Came::Need,
                };
            };
            let end = self.scanned + at + 1;
            self.scanned = 0;
            self.text.extend(input.drain(..end));
            if self.text.len() > IMAP_HEARD_LINE_BYTES {
                return Came::Lost("it says a line that is too long");
            }
            match announced(&self.text) {
                Some(size) => match self.begin(size) {
                    Ok(()) => {}
                    Err(why) => return Came::Lost(why),
                },
                None => return Came::Response(Box::new(self.whole())),
            }
        }
    }

    /// Is a message on its way in? Then each of its octets is a sign of life.
    pub(crate) fn is_in_literal(&self) -> bool {
        self.literal.is_some()
    }

    /// Forgets what came so far.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }

    fn begin(&mut self, size: u64) -> Result<(), &'static str> {
        if self.literals.len() >= IMAP_HEARD_LITERALS {
            return Err("it says too many literals in one response");
        }
        let held = usize::try_from(size).ok().filter(|size| *size <= MESSAGE_BYTES);
        let kept = match held {
            None => false,
            Some(size) if size + self.small <= IMAP_HEARD_LITERAL_BYTES => {
                self.small += size;
                true
            }
            // One message in a response: nobody asked for more.
            Some(_) => !std::mem::replace(&mut self.has_large, true),
        };
        let mut octets = Vec::new();
        if kept {
            octets.reserve_exact(held.unwrap_or_default());
        }
        self.literal = Some(Literal { octets, size, left: size, kept });
        Ok(())
    }

    fn whole(&mut self) -> Response {
        let text = std::mem::take(&mut self.text);
        let literals = std::mem::take(&mut self.literals);
        self.restart();
        parse::response(&mut Lexer::new(text, literals))
    }
}

impl Literal {
    /// Is it whole?
    fn take(&mut self, input: &mut Vec<u8>) -> bool {
        let now = usize::try_from(self.left).map_or(input.len(), |left| left.min(input.len()));
        if self.kept {
            self.octets.extend_from_slice(input.get(..now).unwrap_or_default());
        }
        input.drain(..now);
        self.left = self.left.saturating_sub(now as u64);
        self.left == 0
    }

    fn end(self) -> Octets {
        if self.kept { Octets::Held(self.octets) } else { Octets::TooLarge(self.size) }
    }
}

/// The size of the literal that is announced at the end of what was read of a response. Free text
/// announces nothing, whatever it ends in.
fn announced(text: &[u8]) -> Option<u64> {
    let line = text.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_suffix(b"}")?;
    // RFC 7888: only a client says "+", and it does no harm
    let line = line.strip_suffix(b"+").unwrap_or(line);
    let open = line.iter().rposition(|b| *b == b'{')?;
    let digits = line.get(open + 1..)?;
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if is_free_text(text) {
        return None;
    }
    Some(digits.iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0')))
}

/// "+", and the status responses, tagged or not.
fn is_free_text(text: &[u8]) -> bool {
    let mut words = text.split(|b| matches!(b, b' ' | b'\r' | b'\n')).filter(|w| !w.is_empty());
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let status: [&[u8]; 5] = [b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"];
    first == b"+" || status.iter().any(|word| second.eq_ignore_ascii_case(word))
}
