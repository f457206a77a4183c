//! The mbox format (RFC 4155), read and written as a stream: one message in memory at a time.
//!
//! ```text
//! mbox    = *( from-line message empty-line )
//! from    = "From " sender SP date LF           Fri Nov 21 09:55:06 1997, with or without a zone
//! message = lines; one that begins with *">" "From " has one more ">" in front      (mboxrd)
//! ```
//!
//! Read are mboxrd and mboxo (where only "From " got a ">"); lengths in Content-Length are not
//! believed. A From_ line stands at the very beginning or behind an empty line, and has a date:
//! "From here on ..." in the text of a careless writer is text. Lines end with LF or CRLF; a
//! message has CRLF when it leaves here.
//!
//! Flags stand in fields at the end of the header, as mail programs have written them for decades:
//! `Status: RO`, `X-Status: AFTD`, `X-Keywords: $Forwarded work`. They are taken out of the message
//! when it is read.

use super::date::{self, Moment};
use super::headers;
use super::text;
use std::io::{self, BufRead, Write};

/// One message of an mbox file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where its From_ line begins in the file.
    pub at: u64,
    pub date: Option<Moment>,
    /// With CRLF line ends, without the fields of its flags.
    pub raw: Vec<u8>,
    pub marks: Marks,
}

/// System flags and keywords, in the letters of Status and X-Status.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Marks {
    pub seen: bool,
    pub answered: bool,
    pub flagged: bool,
    pub draft: bool,
    pub deleted: bool,
    pub keywords: Vec<String>,
}

/// What the reader found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Message(Entry),
    /// A message above the limit: where it begins, its octets in the file. It was read past.
    TooLarge {
        at: u64,
        octets: u64,
    },
    End,
}

/// Why the file cannot be read further.
#[derive(Debug)]
pub(crate) enum MboxError {
    /// The file does not begin with a From_ line.
    NoFromLine {
        at: u64,
    },
    Read {
        at: u64,
        why: io::Error,
    },
}

impl std::fmt::Display for MboxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoFromLine { at } => {
                write!(
                    f,
                    "at offset {at} a line that begins with \"From \" is wanted: no mbox file"
                )
            }
            Self::Read { at, why } => write!(f, "at offset {at}: {why}"),
        }
    }
}

/// Reads messages one by one.
pub(crate) struct Reader<R> {
    from: R,
    limit: usize,
    /// Octets taken so far.
    at: u64,
    /// The From_ line that ended the last message, and where it stands.
    begun: Option<(u64, Vec<u8>)>,
}

/// A line is looked at in pieces of this size, so that a file without line ends costs no more.
const PIECE_BYTES: usize = 64 * 1024;

impl<R: BufRead> Reader<R> {
    /// `limit` is the largest message that is kept, in octets.
    pub(crate) fn new(from: R, limit: usize) -> Self {
        Self { from, limit, at: 0, begun: None }
    }

    /// Octets of the file read so far.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    pub(crate) fn next(&mut self) -> Result<Found, MboxError> {
        let begun = match self.begun.take() {
            Some(begun) => Some(begun),
            None => self.first()?,
        };
        let Some((at, from_line)) = begun else { return Ok(Found::End) };
        let mut raw = Vec::new();
        let (mut octets, mut too_large) = (0u64, false);
        let (mut fresh, mut after_empty) = (true, true);
        loop {
            let line_at = self.at;
            let piece = self.piece()?;
            if piece.is_empty() {
                break;
            }
            if fresh && after_empty && from_date(&piece).is_some() {
                self.begun = Some((line_at, piece));
                break;
            }
            octets += piece.len() as u64;
            let ends = piece.ends_with(b"\n");
            after_empty = fresh && matches!(&piece[..], b"\n" | b"\r\n");
            if !too_large {
                keep(&mut raw, &piece, fresh);
            }
            if raw.len() > self.limit.saturating_add(SLACK_BYTES) {
                (raw, too_large) = (Vec::new(), true);
            }
            fresh = ends;
        }
        // The empty line in front of the next From_ line belongs to it.
        if raw.ends_with(b"\r\n\r\n") || &raw[..] == b"\r\n" {
            raw.truncate(raw.len() - 2);
        }
        let (raw, marks) = take_marks(raw);
        if too_large || raw.len() > self.limit {
            return Ok(Found::TooLarge { at, octets });
        }
        Ok(Found::Message(Entry { at, date: from_date(&from_line), raw, marks }))
    }

    /// The From_ line at the beginning; empty lines in front of it are passed over.
    fn first(&mut self) -> Result<Option<(u64, Vec<u8>)>, MboxError> {
        loop {
            let at = self.at;
            let line = self.piece()?;
            match &line[..] {
                b"" => return Ok(None),
                b"\n" | b"\r\n" => {}
                _ if line.starts_with(b"From ") => return Ok(Some((at, line))),
                _ => return Err(MboxError::NoFromLine { at }),
            }
        }
    }

    /// The rest of the line, or a piece of it; empty at the end.
    fn piece(&mut self) -> Result<Vec<u8>, MboxError> {
        let mut piece = Vec::new();
        while piece.len() < PIECE_BYTES && !piece.ends_with(b"\n") {
            let got = match self.from.fill_buf() {
                Ok(got) => got,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                Err(why) => return Err(MboxError::Read { at: self.at, why }),
            };
            if got.is_empty() {
                break;
            }
            let most = got.len().min(PIECE_BYTES - piece.len());
            let got = got.get(..most).unwrap_or(got);
            let n = got.iter().position(|&b| b == b'\n').map_or(got.len(), |i| i + 1);
            piece.extend_from_slice(got.get(..n).unwrap_or(got));
            self.from.consume(n);
            self.at += n as u64;
        }
        Ok(piece)
    }
}

/// Room for the fields of flags and the last empty line, which are not part of a message.
const SLACK_BYTES: usize = 8 * 1024;

/// Adds a line or a piece of one: quoting undone, CRLF at its end.
fn keep(raw: &mut Vec<u8>, piece: &[u8], fresh: bool) {
    let quotes = piece.iter().take_while(|&&b| b == b'>').count();
    let quoted = quotes > 0 && piece.get(quotes..).is_some_and(|p| p.starts_with(b"From "));
    let from = usize::from(fresh && quoted);
    let piece = piece.get(from..).unwrap_or_default();
    match piece.strip_suffix(b"\n") {
        Some(line) => {
            raw.extend_from_slice(line);
            if !raw.ends_with(b"\r") {
                raw.push(b'\r');
            }
            raw.push(b'\n');
        }
        None => raw.extend_from_slice(piece),
    }
}

/// The date of a From_ line; `None` when this is none. The sender may have spaces in it.
fn from_date(line: &[u8]) -> Option<Moment> {
    let rest = line.strip_prefix(b"From ")?;
    if rest.len() > 1_000 {
        return None;
    }
    let spaces = rest.iter().enumerate().filter(|(_, b)| **b == b' ').take(16);
    spaces.filter_map(|(i, _)| rest.get(i..)).find_map(date::read)
}

/// Takes Status, X-Status and X-Keywords out of a message.
fn take_marks(raw: Vec<u8>) -> (Vec<u8>, Marks) {
    let mut marks = Marks::default();
    let is_mark = |field: &headers::Field<'_>| {
        field.is("Status") || field.is("X-Status") || field.is("X-Keywords")
    };
    for field in headers::fields(&raw).filter(is_mark) {
        let value = headers::decode(field.value);
        if field.is("X-Keywords") {
            marks.keywords.extend(value.split_whitespace().map(str::to_string));
            continue;
        }
        marks.seen |= value.contains('R');
        marks.answered |= value.contains('A');
        marks.flagged |= value.contains('F');
        marks.draft |= value.contains('T');
        marks.deleted |= value.contains('D');
    }
    let raw = headers::without(&raw, is_mark).into_owned();
    (raw, marks)
}

/// Writes one message with its empty line. `sender` is the envelope's, empty for none.
pub(crate) fn write(
    to: &mut impl Write,
    sender: &str,
    date: Moment,
    marks: &Marks,
    raw: &[u8],
) -> io::Result<()> {
    let sender: String = sender.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
    let sender = if sender.is_empty() { "MAILER-DAEMON" } else { &sender };
    writeln!(to, "From {sender} {}", date::asctime(date))?;
    let header = headers::header_len(raw);
    let (header, body) = raw.split_at_checked(header).unwrap_or((raw, &[]));
    let is_empty = |line: &[u8]| matches!(line, b"\r\n" | b"\n");
    let mut ended = false;
    for line in header.split_inclusive(|&b| b == b'\n') {
        if is_empty(line) {
            ended = true;
            write_marks(to, marks)?;
        }
        write_line(to, line)?;
    }
    if !ended {
        write_marks(to, marks)?;
        to.write_all(b"\n")?;
    }
    for line in body.split_inclusive(|&b| b == b'\n') {
        write_line(to, line)?;
    }
    to.write_all(b"\n")
}

fn write_line(to: &mut impl Write, line: &[u8]) -> io::Result<()> {
    let quotes = line.iter().take_while(|&&b| b == b'>').count();
    if line.get(quotes..).is_some_and(|l| l.starts_with(b"From ")) {
        to.write_all(b">")?;
    }
    to.write_all(text::without_line_end(line))?;
    to.write_all(b"\n")
}

fn write_marks(to: &mut impl Write, marks: &Marks) -> io::Result<()> {
    writeln!(to, "Status: {}", if marks.seen { "RO" } else { "O" })?;
    let letters =
        [(marks.answered, 'A'), (marks.flagged, 'F'), (marks.draft, 'T'), (marks.deleted, 'D')];
    let letters: String = letters.iter().filter(|(is, _)| *is).map(|(_, l)| l).collect();
    if !letters.is_empty() {
        writeln!(to, "X-Status: {letters}")?;
    }
    if !marks.keywords.is_empty() {
        writeln!(to, "X-Keywords: {}", marks.keywords.join(" "))?;
    }
    Ok(())
}
