//! Replies of other servers, as they come: nothing in them is trusted.
//!
//! ```text
//! Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
//!                                                                          RFC 5321 4.2
//! ```
//!
//! Let pass: LF without CR, text that is not ASCII, lines longer than 512 octets. Not let pass: a
//! line without a code, lines of one reply with different codes, replies without end.

use super::reply::{Enhanced, Reply};
use crate::limits::{SMTP_REPLY_BYTES, SMTP_REPLY_LINE_BYTES};
use crate::wire::frame::{Ending, Line, LineTaker};
use std::fmt;

/// What the front of the buffer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// No whole reply yet.
    Need,
    Reply(Reply),
    /// No more can be understood on this connection.
    Broken(ReplyError),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReplyError {
    TooLong,
    /// The line, as far as it is worth showing.
    NoCode(String),
    Contradiction(u16, u16),
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "a reply of more than {SMTP_REPLY_BYTES} octets"),
            Self::NoCode(line) => write!(f, "a reply without a code: {line}"),
            Self::Contradiction(a, b) => write!(f, "one reply with the codes {a} and {b}"),
        }
    }
}

/// Takes replies from the front of a buffer.
#[derive(Debug)]
pub(crate) struct Replies {
    lines: LineTaker,
    /// The reply under way: its code and the lines so far.
    code: Option<u16>,
    texts: Vec<String>,
    octets: usize,
}

impl Default for Replies {
    fn default() -> Self {
        let lines = LineTaker::new(SMTP_REPLY_LINE_BYTES, Ending::Tolerant);
        Self { lines, code: None, texts: Vec::new(), octets: 0 }
    }
}

impl Replies {
    pub(crate) fn take(&mut self, buffer: &mut Vec<u8>) -> Heard {
        loop {
            let unread = buffer.len();
            let line = match self.lines.take(buffer) {
                // The line is too long already: its end may never come.
                Line::Need if buffer.len() < unread => return Heard::Broken(ReplyError::TooLong),
                Line::Need => return Heard::Need,
                Line::Whole(line) => line,
                Line::TooLong | Line::BareLf => return Heard::Broken(ReplyError::TooLong),
            };
            self.octets += line.len() + 2;
            if self.octets > SMTP_REPLY_BYTES {
                return Heard::Broken(ReplyError::TooLong);
            }
            let Some((code, more, text)) = split(&line) else {
                return Heard::Broken(ReplyError::NoCode(shown(&line)));
            };
            if let Some(first) = self.code.filter(|first| *first != code) {
                return Heard::Broken(ReplyError::Contradiction(first, code));
            }
            self.code = Some(code);
            self.texts.push(shown(text));
            if !more {
                self.code = None;
                self.octets = 0;
                return Heard::Reply(reply(code, std::mem::take(&mut self.texts)));
            }
        }
    }

    /// TLS begins: what was said before is forgotten.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }
}

/// Code, whether more lines follow, text.
fn split(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let digits = std::str::from_utf8(line.get(..3)?).ok()?;
    // RFC 5321 4.2: Reply-code = %x32-35 %x30-35 %x30-39
    let code = digits.parse().ok().filter(|code| (200..600).contains(code))?;
    match line.get(3) {
        None => Some((code, false, &[])),
        Some(b' ') => Some((code, false, line.get(4..)?)),
        Some(b'-') => Some((code, true, line.get(4..)?)),
        Some(_) => None,
    }
}

/// Text that can be shown to people: no control characters, no broken UTF-8.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_end();
    let safe = |c: char| if c.is_control() || c == char::REPLACEMENT_CHARACTER { '?' } else { c };
    text.chars().map(safe).take(SMTP_REPLY_LINE_BYTES).collect()
}

/// With the enhanced code taken out of the lines that carry it, RFC 2034 4.
fn reply(code: u16, texts: Vec<String>) -> Reply {
    let class = u8::try_from(code / 100).unwrap_or(5);
    let enhanced = texts.iter().find_map(|text| Some(enhanced(text)?.0));
    let Some(known) = enhanced.filter(|Enhanced(of, _, _)| *of == class) else {
        return Reply { code, enhanced: None, lines: texts };
    };
    let bare = |text: String| match self::enhanced(&text) {
        Some((found, rest)) if found == known => rest.to_string(),
        _ => text,
    };
    Reply { code, enhanced: Some(known), lines: texts.into_iter().map(bare).collect() }
}

/// The enhanced code in front of a text, and the rest.
fn enhanced(text: &str) -> Option<(Enhanced, &str)> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut numbers = word.split('.');
    let mut number = |most: usize| {
        let digits = numbers.next()?;
        let fine = (1..=most).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|_| fine)
    };
    let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
    let class = u8::try_from(class).ok().filter(|class| matches!(class, 2 | 4 | 5))?;
    numbers.next().is_none().then_some((Enhanced(class, subject, detail), rest))
}
