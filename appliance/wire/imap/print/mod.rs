//! IMAP replies: values to octets.
//!
//! ```text
//! string   = quoted / literal          quoted where it can be, else {n}
//! astring  = 1*ASTRING-CHAR / string
//! mailbox  = astring                   modified UTF-7, or UTF-8 when the client enabled it
//! header text (ENVELOPE, BODYSTRUCTURE): see `Printer::header_text`
//! ```
//!
//! No octet above 127 leaves outside of literals unless the client enabled UTF8=ACCEPT or
//! IMAP4rev2: clients exist that stop at the first one.

mod label;

use super::utf7;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write;

/// Longer strings go as literals: old clients read quoted strings into small buffers.
const QUOTED_BYTES: usize = 1_000;
/// Octets of one encoded word before base64: with "=?UTF-8?B?" and "?=" 72 of 75 characters.
const ENCODED_WORD_BYTES: usize = 45;

/// Appends to a session's output.
pub(crate) struct Printer<'a> {
    pub out: &'a mut Vec<u8>,
    /// The client enabled UTF8=ACCEPT or IMAP4rev2.
    pub utf8: bool,
}

impl<'a> Printer<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>, utf8: bool) -> Printer<'a> {
        Printer { out, utf8 }
    }

    pub(crate) fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn value(&mut self, value: impl Display) {
        // a Vec takes everything
        let _ = write!(self.out, "{value}");
    }

    /// "(", the items with one space between, ")".
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut print: impl FnMut(&mut Printer<'_>, T),
    ) {
        self.raw("(");
        for (i, item) in items.into_iter().enumerate() {
            if i > 0 {
                self.raw(" ");
            }
            print(self, item);
        }
        self.raw(")");
    }

    // ---- strings ----

    /// Quoted if it can be (UTF-8 only for those who enabled it), else a literal.
    pub(crate) fn string(&mut self, text: &[u8]) {
        let plain = text.len() <= QUOTED_BYTES
            && !text.iter().any(|b| matches!(b, 0 | b'\r' | b'\n'))
            && (text.is_ascii() || (self.utf8 && std::str::from_utf8(text).is_ok()));
        if !plain {
            return self.literal(text);
        }
        self.raw("\"");
        for b in text {
            if matches!(b, b'"' | b'\\') {
                self.out.push(b'\\');
            }
            self.out.push(*b);
        }
        self.raw("\"");
    }

    pub(crate) fn astring(&mut self, text: &[u8]) {
        // "NIL" unquoted would be no string
        let atom = !text.is_empty()
            && text.iter().all(|b| is_astring_char(*b))
            && !text.eq_ignore_ascii_case(b"NIL");
        match atom {
            true => self.out.extend_from_slice(text),
            false => self.string(text),
        }
    }

    /// `{n}` and the octets.
    pub(crate) fn literal(&mut self, octets: &[u8]) {
        self.literal_head(octets.len() as u64);
        self.out.extend_from_slice(octets);
    }

    /// The announcement alone, for octets that are appended piece by piece.
    pub(crate) fn literal_head(&mut self, size: u64) {
        self.value(format_args!("{{{size}}}\r\n"));
    }

    pub(crate) fn mailbox(&mut self, name: &str) {
        match self.utf8 {
            true => self.astring(name.as_bytes()),
            false => self.astring(utf7::encode(name).as_bytes()),
        }
    }

    /// RFC 9051 9 date-time: `" 1-Feb-1994 21:52:25 -0800"`, the time as in its zone.
    pub(crate) fn date_time(&mut self, seconds: i64, zone_minutes: i32) {
        let zone = zone_minutes.clamp(-99 * 60 - 59, 99 * 60 + 59);
        let local = seconds.saturating_add(i64::from(zone) * 60);
        // years 0 to 9999: the grammar has no others
        let local = local.clamp(-62_167_219_200, 253_402_300_799);
        let Ok(at) = time::OffsetDateTime::from_unix_timestamp(local) else { return };
        let month = at.month().to_string();
        let month = month.get(..3).unwrap_or_default();
        let sign = if zone < 0 { '-' } else { '+' };
        let (hours, minutes) = (zone.abs() / 60, zone.abs() % 60);
        self.value(format_args!("\"{:2}-{month}-{:04} ", at.day(), at.year()));
        self.value(format_args!("{:02}:{:02}:{:02} ", at.hour(), at.minute(), at.second()));
        self.value(format_args!("{sign}{hours:02}{minutes:02}\""));
    }

    // ---- texts of message headers ----

    /// A header text for people (subject, names, descriptions). Octets above 127: UTF-8 goes out
    /// as it is to those who enabled it, to others as encoded words (RFC 2047); what is not UTF-8
    /// becomes "?" octet by octet.
    pub(crate) fn header_text(&mut self, text: Option<&[u8]>) {
        self.header(text, encoded_words);
    }

    /// A header text for machines (addresses, parameters), where encoded words have no place:
    /// octets above 127 become "?".
    pub(crate) fn header_token(&mut self, text: Option<&[u8]>) {
        self.header(text, |text| question_marks(text.as_bytes()));
    }

    fn header(&mut self, text: Option<&[u8]>, ascii: impl Fn(&str) -> Vec<u8>) {
        let Some(text) = text else { return self.raw("NIL") };
        // RFC 9051 9: no NUL in strings
        let text: Cow<'_, [u8]> = match text.contains(&0) {
            true => text.iter().map(|b| if *b == 0 { b'?' } else { *b }).collect::<Vec<_>>().into(),
            false => text.into(),
        };
        match std::str::from_utf8(&text) {
            _ if text.is_ascii() => self.string(&text),
            Ok(_) if self.utf8 => self.string(&text),
            Ok(utf8) => self.string(&ascii(utf8)),
            Err(_) => self.string(&question_marks(&text)),
        }
    }
}

fn question_marks(text: &[u8]) -> Vec<u8> {
    text.iter().map(|b| if b.is_ascii() { *b } else { b'?' }).collect()
}

/// Runs of words with characters above 127 become encoded words, the rest stays: encoded words
/// that stand there already keep working.
fn encoded_words(text: &str) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len() * 2);
    let mut run = String::new();
    for (i, word) in text.split(' ').enumerate() {
        let ascii = word.is_ascii();
        if ascii && !run.is_empty() {
            encode_run(&std::mem::take(&mut run), &mut out);
        }
        if i > 0 {
            // blanks between encoded words are not shown, so the run takes them in
            if run.is_empty() { out.push(b' ') } else { run.push(' ') }
        }
        if ascii { out.extend_from_slice(word.as_bytes()) } else { run.push_str(word) }
    }
    encode_run(&run, &mut out);
    out
}

fn encode_run(run: &str, out: &mut Vec<u8>) {
    let mut rest = run;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(ENCODED_WORD_BYTES));
        if rest.len() < run.len() {
            out.push(b' ');
        }
        out.extend_from_slice(b"=?UTF-8?B?");
        out.extend_from_slice(STANDARD.encode(word).as_bytes());
        out.extend_from_slice(b"?=");
        rest = after;
    }
}

fn is_astring_char(b: u8) -> bool {
    b.is_ascii_graphic() && !matches!(b, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\')
}
