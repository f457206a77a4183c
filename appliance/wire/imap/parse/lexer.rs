//! What commands are made of (RFC 9051 9).
//!
//! ```text
//! atom          = 1*ATOM-CHAR
//! ATOM-CHAR     = <any CHAR except "(" ")" "{" SP CTL "%" "*" DQUOTE "\" "]">
//! ASTRING-CHAR  = ATOM-CHAR / "]"
//! astring       = 1*ASTRING-CHAR / string
//! string        = quoted / literal
//! quoted        = DQUOTE *(TEXT-CHAR except DQUOTE and "\" / "\" DQUOTE / "\" "\") DQUOTE
//! literal       = "{" number64 ["+"] "}" CRLF *CHAR8       no NUL
//! literal8      = "~{" number64 ["+"] "}" CRLF *OCTET
//! mailbox       = "INBOX" / astring
//! list-mailbox  = 1*(ATOM-CHAR / "%" / "*" / "]") / string
//! number        = 1*DIGIT     nz-number = not 0     number64 up to 63 bits
//! ```

use super::super::sequence::SequenceSet;
use super::super::utf7;
use super::{Assembled, ErrorKind, Fault, Mode, Parsed};
use crate::limits;
use std::collections::VecDeque;

/// A command being read from its front.
pub(super) struct Lexer {
    text: Vec<u8>,
    literals: VecDeque<Vec<u8>>,
    at: usize,
    pub mode: Mode,
    /// Errors repeat what was found; never around passwords.
    echo: bool,
}

/// Most octets of the client's that an error repeats.
const ECHO_BYTES: usize = 40;

impl Lexer {
    pub fn new(command: Assembled, mode: Mode) -> Lexer {
        let Assembled { text, literals } = command;
        Lexer { text, literals, at: 0, mode, echo: mode.logged_in }
    }

    /// From here on errors keep to themselves what was found.
    pub fn hush(&mut self) {
        self.echo = false;
    }

    // ---- single octets and words ----

    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes `octet` if it is next.
    pub fn eat(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        self.at += usize::from(found);
        found
    }

    /// Takes `text` if it is next, in any case.
    pub fn eat_text(&mut self, text: &str) -> bool {
        let found = self
            .rest()
            .get(..text.len())
            .is_some_and(|next| next.eq_ignore_ascii_case(text.as_bytes()));
        self.at += if found { text.len() } else { 0 };
        found
    }

    pub fn need(&mut self, octet: u8) -> Parsed<()> {
        match self.eat(octet) {
            true => Ok(()),
            false => Err(self.expected(&format!("\"{}\"", char::from(octet)))),
        }
    }

    pub fn space(&mut self) -> Parsed<()> {
        match self.eat(b' ') {
            true => Ok(()),
            false => Err(self.expected("a space")),
        }
    }

    pub fn end(&mut self) -> Parsed<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("the end of the line")),
        }
    }

    /// The longest run of octets that `belongs` takes.
    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &[u8] {
        let from = self.at;
        let length = self.rest().iter().take_while(|b| belongs(**b)).count();
        self.at += length;
        self.text.get(from..self.at).unwrap_or_default()
    }

    /// A command, key, item or option name in upper case: letters, digits, "." and "-".
    pub fn word(&mut self, what: &str) -> Parsed<String> {
        let word = self
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'='));
        if word.is_empty() {
            return Err(self.expected(what));
        }
        Ok(word.iter().map(|b| char::from(b.to_ascii_uppercase())).collect())
    }

    /// The word at the front without taking it.
    pub fn peek_word(&self) -> String {
        let word = self.rest().iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'.');
        word.map(|b| char::from(b.to_ascii_uppercase())).collect()
    }

    /// Repeats `item` between "(" and ")", one space between; may be empty.
    pub fn list<T>(&mut self, mut item: impl FnMut(&mut Lexer) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.need(b'(')?;
        let mut items = Vec::new();
        if self.eat(b')') {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.eat(b')') {
                return Ok(items);
            }
            if !self.eat(b' ') {
                return Err(self.expected("a space or \")\""));
            }
        }
    }

    /// The same with at least one.
    pub fn full_list<T>(
        &mut self,
        what: &str,
        item: impl FnMut(&mut Lexer) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let items = self.list(item)?;
        match items.is_empty() {
            true => Err(Fault::bad(format!("expected {what}, found an empty list"))),
            false => Ok(items),
        }
    }

    // ---- errors ----

    /// "expected X, found Y". At most 40 octets of the client's, none where a password may be.
    pub fn expected(&self, what: &str) -> Fault {
        let found = match self.rest() {
            [] => "the end of the line".to_string(),
            [b'\r' | b'\n', ..] => "a line end".to_string(),
            [b' ', ..] => "a space".to_string(),
            _ if !self.echo => "something else".to_string(),
            rest => format!("\"{}\"", shown(rest)),
        };
        Fault::bad(format!("expected {what}, found {found}"))
    }

    /// `what` is not known here; the word that was read is said.
    pub fn unknown(&self, what: &str, word: &str) -> Fault {
        match self.echo {
            true => Fault::bad(format!("unknown {what} \"{}\"", shown(word.as_bytes()))),
            false => Fault::bad(format!("unknown {what}")),
        }
    }

    // ---- numbers ----

    pub fn number64(&mut self, what: &str) -> Parsed<u64> {
        let before = self.at;
        let digits = self.take_while(|b| b.is_ascii_digit());
        let number = (1..=19)
            .contains(&digits.len())
            .then(|| digits.iter().fold(0u64, |n, digit| n * 10 + u64::from(digit - b'0')));
        // RFC 9051 9: number64 has 63 bits
        match number {
            Some(n) if n <= u64::MAX >> 1 => Ok(n),
            _ => {
                self.at = before;
                Err(self.expected(what))
            }
        }
    }

    pub fn number(&mut self, what: &str) -> Parsed<u32> {
        let before = self.at;
        let number = u32::try_from(self.number64(what)?);
        number.map_err(|_| {
            self.at = before;
            self.expected(what)
        })
    }

    pub fn nz_number(&mut self, what: &str) -> Parsed<u32> {
        let before = self.at;
        match self.number(what)? {
            0 => {
                self.at = before;
                Err(self.expected(what))
            }
            number => Ok(number),
        }
    }

    pub fn sequence_set(&mut self) -> Parsed<SequenceSet> {
        let before = self.at;
        let text =
            self.take_while(|b| b.is_ascii_digit() || matches!(b, b',' | b':' | b'*' | b'$'));
        if text.is_empty() {
            return Err(self.expected("a sequence set"));
        }
        let set = SequenceSet::parse(text);
        set.map_err(|why| {
            self.at = before;
            let fault = self.expected("a sequence set");
            Fault::bad(format!("{}: {why}", fault.why))
        })
    }

    // ---- strings ----

    pub fn tag(&mut self) -> Parsed<String> {
        let tag = text_of(self.take_while(is_tag_char));
        if tag.is_empty() || self.peek() != Some(b' ') {
            let blank = self.text.is_empty();
            self.echo = false;
            return Err(match blank {
                true => Fault::bad("an empty line is no command"),
                false if tag.is_empty() => self.expected("a tag"),
                false => Fault::bad("expected a space and a command behind the tag"),
            });
        }
        self.at += 1;
        Ok(tag)
    }

    pub fn atom(&mut self, what: &str) -> Parsed<String> {
        let atom = text_of(self.take_while(is_atom_char));
        match atom.is_empty() {
            true => Err(self.expected(what)),
            false => Ok(atom),
        }
    }

    pub fn astring(&mut self, what: &str) -> Parsed<Vec<u8>> {
        let atom = self.take_while(is_astring_char).to_vec();
        match atom.is_empty() {
            true => self.string(what),
            false => Ok(atom),
        }
    }

    pub fn string(&mut self, what: &str) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal(),
            _ => Err(self.expected(what)),
        }
    }

    pub fn nstring(&mut self, what: &str) -> Parsed<Option<Vec<u8>>> {
        match matches!(self.peek(), Some(b'"' | b'{')) {
            true => self.string(what).map(Some),
            false if self.eat_text("NIL") => Ok(None),
            false => Err(self.expected(what)),
        }
    }

    /// Also takes any octets from 0x80: the caller says whether they may be there.
    fn quoted_octets(&mut self) -> Parsed<Vec<u8>> {
        self.need(b'"')?;
        let mut out = Vec::new();
        loop {
            let octet = self.peek();
            self.at += 1;
            match octet {
                Some(b'"') => return Ok(out),
                Some(b'\\') => {
                    let Some(escaped @ (b'"' | b'\\')) = self.peek() else {
                        return Err(Fault::bad(
                            "in a quoted string \"\\\" stands only before \"\\\" and the quote",
                        ));
                    };
                    self.at += 1;
                    out.push(escaped);
                }
                None | Some(b'\r' | b'\n') => {
                    return Err(Fault::bad("a quoted string without its closing quote"));
                }
                Some(octet) => out.push(octet),
            }
        }
    }

    pub fn quoted(&mut self) -> Parsed<Vec<u8>> {
        let octets = self.quoted_octets()?;
        // RFC 6855 3: UTF-8 in quoted strings only after ENABLE; RFC 9051 9: QUOTED-CHAR
        match octets.is_ascii() {
            true => Ok(octets),
            false if !self.mode.utf8 => Err(Fault::bad(
                "a quoted string has octets above 127; use a literal or ENABLE UTF8=ACCEPT",
            )),
            false if std::str::from_utf8(&octets).is_err() => {
                Err(Fault::bad("a quoted string is not valid UTF-8"))
            }
            false => Ok(octets),
        }
    }

    /// A name or password of LOGIN: as astring, but clients write UTF-8 between quotes without
    /// asking, and a password is octets.
    pub fn credential(&mut self, what: &str) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted_octets(),
            _ => self.astring(what),
        }
    }

    /// Takes an announced literal and hands over its octets; a NUL in it is an error.
    pub fn literal(&mut self) -> Parsed<Vec<u8>> {
        let octets = self.any_literal()?;
        // RFC 9051 9: CHAR8 is %x01-ff
        match octets.contains(&0) {
            true => Err(Fault::bad("a literal has a NUL octet; only a literal8 (~{n}) may")),
            false => Ok(octets),
        }
    }

    pub fn literal8(&mut self) -> Parsed<Vec<u8>> {
        self.need(b'~')?;
        self.any_literal()
    }

    fn any_literal(&mut self) -> Parsed<Vec<u8>> {
        self.need(b'{')?;
        self.number64("the size of a literal")?;
        self.eat(b'+');
        if !self.eat_text("}\r\n") {
            return Err(self.expected("\"}\" and a line end"));
        }
        // the receiver made one entry for each announcement at the end of a line
        self.literals.pop_front().ok_or_else(|| Fault::bad("the octets of a literal are missing"))
    }

    // ---- mailbox names ----

    /// A mailbox that is looked up. A name that is broken modified UTF-7 stands for itself if it
    /// is UTF-8: it finds what a client meant that never heard of modified UTF-7, else nothing.
    pub fn mailbox(&mut self) -> Parsed<String> {
        let octets = self.astring("a mailbox name")?;
        self.mailbox_name(octets)
    }

    /// The same with INBOX as the client spells it.
    pub fn mailbox_as_given(&mut self) -> Parsed<String> {
        let octets = self.astring("a mailbox name")?;
        self.mailbox_text(octets)
    }

    /// A mailbox that is to be made: broken modified UTF-7 is refused.
    pub fn new_mailbox(&mut self) -> Parsed<String> {
        let octets = self.astring("a mailbox name")?;
        if !self.mode.utf8 && utf7::decode(&octets).is_none() {
            return Err(Fault {
                kind: ErrorKind::Cannot,
                why: "the mailbox name is not valid modified UTF-7 (RFC 3501 5.1.3)".to_string(),
            });
        }
        self.mailbox_name(octets)
    }

    /// RFC 9051 5.1: INBOX is the same in any case.
    fn mailbox_name(&self, octets: Vec<u8>) -> Parsed<String> {
        let name = self.mailbox_text(octets)?;
        match name.eq_ignore_ascii_case("INBOX") {
            true => Ok("INBOX".to_string()),
            false => Ok(name),
        }
    }

    /// A name, pattern or reference as UTF-8.
    pub fn mailbox_text(&self, octets: Vec<u8>) -> Parsed<String> {
        let decoded = if self.mode.utf8 { None } else { utf7::decode(&octets) };
        let name = match decoded {
            Some(name) => name,
            None => String::from_utf8(octets)
                .map_err(|_| Fault::bad("a mailbox name is not valid UTF-8"))?,
        };
        // twice what a name may have, so that wildcards fit
        match name.len() > 2 * limits::MAILBOX_NAME_BYTES {
            true => Err(Fault { kind: ErrorKind::Limit, why: "a mailbox name too long".into() }),
            false => Ok(name),
        }
    }

    /// list-mailbox, wildcards and all.
    pub fn list_mailbox(&mut self) -> Parsed<String> {
        let atom = self.take_while(|b| is_astring_char(b) || matches!(b, b'%' | b'*')).to_vec();
        let octets = match atom.is_empty() {
            true => self.string("a mailbox pattern")?,
            false => atom,
        };
        self.mailbox_text(octets)
    }
}

pub(super) fn is_tag_char(b: u8) -> bool {
    is_astring_char(b) && b != b'+'
}

pub(super) fn is_astring_char(b: u8) -> bool {
    is_atom_char(b) || b == b']'
}

pub(super) fn is_atom_char(b: u8) -> bool {
    b.is_ascii_graphic() && !matches!(b, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// US-ASCII octets as text.
fn text_of(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}

/// The front of what was found, fit for a reply line.
fn shown(octets: &[u8]) -> String {
    let front = octets.iter().take_while(|b| !matches!(b, b' ' | b'\r' | b'\n')).take(ECHO_BYTES);
    front.map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '?' }).collect()
}
