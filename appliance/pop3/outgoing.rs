//! Replies of many lines, made in pieces.
//!
//! ```text
//! multi-line = *( line CRLF ) "." CRLF        a line that begins with "." gets one more in front
//! ```

use super::maildrop::Maildrop;
use crate::limits::OUTPUT_PIECE_BYTES;
use crate::store::format::MailRow;
use crate::store::{INBOX, Result, Store, mail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A reply under way.
#[derive(Debug)]
pub(super) enum Outgoing {
    Sizes { next: u32 },
    UniqueIds { next: u32 },
    Message(Box<Letter>),
}

impl Outgoing {
    /// Adds about [`OUTPUT_PIECE_BYTES`]; true when the reply is complete.
    pub(super) fn go_on(
        &mut self,
        store: &Store,
        maildrop: &Maildrop,
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        match self {
            Self::Sizes { next } => {
                Ok(listing(maildrop, next, out, |entry| entry.size.to_string()))
            }
            Self::UniqueIds { next } => {
                Ok(listing(maildrop, next, out, |entry| maildrop.unique_id(entry)))
            }
            Self::Message(letter) => letter.go_on(store, out),
        }
    }
}

fn listing(
    maildrop: &Maildrop,
    next: &mut u32,
    out: &mut Vec<u8>,
    what: impl Fn(super::maildrop::Entry) -> String,
) -> bool {
    while *next <= maildrop.numbers() {
        if out.len() >= OUTPUT_PIECE_BYTES {
            return false;
        }
        if let Some(entry) = maildrop.get(*next) {
            out.extend(format!("{next} {}\r\n", what(entry)).into_bytes());
        }
        *next += 1;
    }
    out.extend(b".\r\n");
    true
}

/// A message on its way out: RETR, or TOP with a number of body lines.
#[derive(Debug)]
pub(super) struct Letter {
    row: MailRow,
    at: u64,
    /// The beginning of a line whose end has not been read yet.
    half: Vec<u8>,
    in_header: bool,
    /// What comes next begins a line.
    fresh: bool,
    body_lines_left: Option<u64>,
    /// RFC 6856 2.1: without UTF8 mode, header fields go out in ASCII.
    to_ascii: bool,
}

impl Letter {
    /// `None` when the message is gone: another session expunged it.
    pub(super) fn open(
        store: &Store,
        maildrop: &Maildrop,
        uid: u32,
        body_lines: Option<u64>,
        to_ascii: bool,
    ) -> Result<Option<Letter>> {
        let row = mail::row(&store.snapshot()?, maildrop.account, INBOX, uid)?;
        Ok(row.map(|row| Letter {
            row,
            at: 0,
            half: Vec::new(),
            in_header: true,
            fresh: true,
            body_lines_left: body_lines,
            to_ascii,
        }))
    }

    fn go_on(&mut self, store: &Store, out: &mut Vec<u8>) -> Result<bool> {
        while out.len() < OUTPUT_PIECE_BYTES {
            let to = (self.at + OUTPUT_PIECE_BYTES as u64).min(self.row.size);
            let more = mail::octets(&store.snapshot()?, &self.row, self.at, to)?;
            if more.len() as u64 != to - self.at {
                let what = format!("message of {} octets ends at {}", self.row.size, self.at);
                return Err(crate::store::StoreError::Corrupt(what));
            }
            self.at = to;
            let last = to >= self.row.size;
            if self.lines(more, last, out) {
                out.extend(b".\r\n");
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sends the lines of this piece; true when no more lines are to be sent.
    fn lines(&mut self, more: Vec<u8>, last: bool, out: &mut Vec<u8>) -> bool {
        let mut octets = std::mem::take(&mut self.half);
        octets.extend(more);
        for line in octets.split_inclusive(|&b| b == b'\n') {
            if self.body_lines_left == Some(0) && !self.in_header {
                return true;
            }
            let whole = line.ends_with(b"\n");
            if !whole && !last && line.len() < OUTPUT_PIECE_BYTES {
                self.half = line.to_vec();
                return false;
            }
            self.send(line, whole, out);
        }
        if last && !self.fresh {
            out.extend(b"\r\n");
        }
        last
    }

    fn send(&mut self, line: &[u8], whole: bool, out: &mut Vec<u8>) {
        if self.fresh && line.first() == Some(&b'.') {
            out.push(b'.');
        }
        if self.in_header && self.to_ascii && !line.is_ascii() {
            downgrade(line, out);
        } else {
            out.extend_from_slice(line);
        }
        if whole && self.in_header {
            self.in_header = !(self.fresh && matches!(line, b"\r\n" | b"\n"));
        } else if whole {
            self.body_lines_left = self.body_lines_left.map(|n| n.saturating_sub(1));
        }
        self.fresh = whole;
    }
}

/// Octets of UTF-8 in one encoded word: RFC 2047 2 allows 75 in all.
const WORD_OCTETS: usize = 45;

/// Writes a header line with its words that are not ASCII as encoded words (RFC 2047): a client
/// that did not say UTF8 can show them, and gets ASCII only.
fn downgrade(line: &[u8], out: &mut Vec<u8>) {
    for word in line.split_inclusive(|b| b" \t<>,;:\"()\r\n".contains(b)) {
        if word.is_ascii() {
            out.extend_from_slice(word);
            continue;
        }
        let ends = word.last().is_some_and(|b| b" \t<>,;:\"()\r\n".contains(b));
        let (text, end) = word.split_at(word.len() - usize::from(ends));
        let text = crate::message::text::to_utf8(text, None);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let mut cut = rest.len().min(WORD_OCTETS);
            while !rest.is_char_boundary(cut) {
                cut -= 1;
            }
            let (now, later) = rest.split_at(cut);
            out.extend(format!("=?UTF-8?B?{}?=", STANDARD.encode(now)).into_bytes());
            rest = later;
            if !rest.is_empty() {
                out.push(b' ');
            }
        }
        out.extend_from_slice(end);
    }
}
