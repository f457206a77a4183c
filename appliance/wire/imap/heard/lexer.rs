//! What responses are made of, read from the front.
//!
//! ```text
//! word    = up to a space, a bracket, a line end      a flag, an atom, a number
//! quoted  = DQUOTE *octet DQUOTE                      "\" takes the next octet as it is
//! literal = ["~"] "{" number ["+"] "}" line-end *octet
//! ```

use super::{Name, Octets};
use crate::limits;
use std::collections::VecDeque;

pub(super) struct Lexer {
    text: Vec<u8>,
    literals: VecDeque<Octets>,
    at: usize,
}

/// What is wrong, in words.
pub(super) type Read<T> = Result<T, String>;

/// Most octets of the server's that an error repeats.
const ECHO_BYTES: usize = 40;

impl Lexer {
    /// `text` ends with its line end.
    pub(super) fn new(mut text: Vec<u8>, literals: VecDeque<Octets>) -> Lexer {
        while matches!(text.last(), Some(b'\r' | b'\n')) {
            text.pop();
        }
        Lexer { text, literals, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn eat(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        self.at += usize::from(found);
        found
    }

    /// Takes `text` if it is next, in any case.
    pub(super) fn eat_text(&mut self, text: &str) -> bool {
        let next = self.rest().get(..text.len());
        let found = next.is_some_and(|next| next.eq_ignore_ascii_case(text.as_bytes()));
        self.at += if found { text.len() } else { 0 };
        found
    }

    pub(super) fn need(&mut self, octet: u8) -> Read<()> {
        match self.eat(octet) {
            true => Ok(()),
            false => Err(self.expected(&format!("\"{}\"", char::from(octet)))),
        }
    }

    /// Is a literal next?
    fn at_literal(&self) -> bool {
        self.rest().starts_with(b"{") || self.rest().starts_with(b"~{")
    }

    /// Servers say more spaces than one, or none before a bracket.
    pub(super) fn spaces(&mut self) {
        while self.eat(b' ') {}
    }

    pub(super) fn expected(&self, what: &str) -> String {
        match self.rest() {
            [] => format!("expected {what}, found the end of the line"),
            rest => {
                let some = rest.get(..ECHO_BYTES).unwrap_or(rest);
                let shown: String = some
                    .iter()
                    .map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '?' })
                    .collect();
                format!("expected {what}, found \"{shown}\"")
            }
        }
    }

    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &[u8] {
        let from = self.at;
        self.at += self.rest().iter().take_while(|b| belongs(**b)).count();
        self.text.get(from..self.at).unwrap_or_default()
    }

    /// Anything up to a space or a bracket; empty where none is.
    pub(super) fn word(&mut self) -> Vec<u8> {
        self.take_while(|b| !matches!(b, b' ' | b'(' | b')' | b'[' | b']' | b'\r' | b'\n')).to_vec()
    }

    /// The same in upper case, of letters.
    pub(super) fn name(&mut self) -> String {
        let word = self.word();
        word.iter().map(|b| char::from(b.to_ascii_uppercase())).collect()
    }

    /// A flag, which may be in brackets for all we know.
    pub(super) fn flag(&mut self) -> String {
        let word = self.take_while(|b| !matches!(b, b' ' | b'(' | b')' | b'\r' | b'\n'));
        String::from_utf8_lossy(word).into_owned()
    }

    pub(super) fn number64(&mut self, what: &str) -> Read<u64> {
        let before = self.at;
        let digits = self.take_while(|b| b.is_ascii_digit());
        let fold = |n: u64, d: &u8| n.checked_mul(10)?.checked_add(u64::from(d - b'0'));
        let number = digits.iter().try_fold(0, fold).filter(|_| !digits.is_empty());
        number.ok_or_else(|| {
            self.at = before;
            self.expected(what)
        })
    }

    pub(super) fn number(&mut self, what: &str) -> Read<u32> {
        let before = self.at;
        let number = u32::try_from(self.number64(what)?);
        number.map_err(|_| {
            self.at = before;
            self.expected(what)
        })
    }

    /// RFC 3501 9: nz-number; 0 is no message and no UID
    pub(super) fn nz_number(&mut self, what: &str) -> Read<u32> {
        let before = self.at;
        match self.number(what)? {
            0 => {
                self.at = before;
                Err(self.expected(what))
            }
            number => Ok(number),
        }
    }

    /// A quoted string, a literal, NIL, or a word.
    pub(super) fn nstring(&mut self, what: &str) -> Read<Octets> {
        match self.peek() {
            Some(b'"') => self.quoted().map(Octets::Held),
            _ if self.at_literal() => self.literal(),
            _ => match self.word() {
                word if word.eq_ignore_ascii_case(b"NIL") => Ok(Octets::Nil),
                word if word.is_empty() => Err(self.expected(what)),
                word => Ok(Octets::Held(word)),
            },
        }
    }

    /// The name of a mailbox: an atom with all that servers put into one, or a string.
    pub(super) fn mailbox(&mut self) -> Read<Name> {
        let octets = match self.peek() {
            Some(b'"') => self.quoted()?,
            _ if self.at_literal() => match self.literal()? {
                Octets::Held(octets) => octets,
                _ => return Err("the name of a mailbox is too long".to_string()),
            },
            _ => self.take_while(|b| !matches!(b, b' ' | b'\r' | b'\n')).to_vec(),
        };
        match octets.len() {
            0 => Err(self.expected("the name of a mailbox")),
            // modified UTF-7 takes up to three octets for one of UTF-8
            n if n > 3 * limits::MAILBOX_NAME_BYTES => {
                Err("the name of a mailbox is too long".to_string())
            }
            _ => Ok(Name(octets)),
        }
    }

    /// A label of Gmail: as a mailbox, and in a list.
    pub(super) fn label(&mut self) -> Read<Name> {
        match self.peek() {
            Some(b'"') => self.mailbox(),
            _ if self.at_literal() => self.mailbox(),
            _ => match self.flag() {
                label if label.is_empty() => Err(self.expected("a label")),
                label => Ok(Name(label.into_bytes())),
            },
        }
    }

    /// Of a server whatever can be understood; `parse::lexer` is as strict as the grammar with what
    /// clients say.
    pub(super) fn quoted(&mut self) -> Read<Vec<u8>> {
        self.need(b'"')?;
        let mut out = Vec::new();
        loop {
            let octet = self.peek();
            self.at += 1;
            match octet {
                Some(b'"') => return Ok(out),
                Some(b'\\') => {
                    let Some(next) = self.peek() else { continue };
                    self.at += 1;
                    out.push(next);
                }
                None => return Err("a quoted string without its closing quote".to_string()),
                Some(octet) => out.push(octet),
            }
        }
    }

    pub(super) fn literal(&mut self) -> Read<Octets> {
        self.eat(b'~');
        self.need(b'{')?;
        self.number64("the size of a literal")?;
        self.eat(b'+');
        self.need(b'}')?;
        self.eat(b'\r');
        if !self.eat(b'\n') && self.peek().is_some() {
            return Err(self.expected("a line end"));
        }
        let missing = || "the octets of a literal are missing".to_string();
        self.literals.pop_front().ok_or_else(missing)
    }

    /// Passes over the rest of a response code and its "]".
    pub(super) fn pass_code(&mut self) {
        while let Some(octet) = self.peek() {
            match octet {
                b'"' if self.quoted().is_ok() => {}
                b']' => {
                    self.at += 1;
                    return;
                }
                _ => self.at += 1,
            }
        }
    }

    /// Items between "(" and ")".
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Lexer) -> Read<T>) -> Read<Vec<T>> {
        self.need(b'(')?;
        let mut items = Vec::new();
        loop {
            self.spaces();
            if self.eat(b')') {
                return Ok(items);
            }
            let before = self.at;
            items.push(item(self)?);
            if self.at == before {
                return Err(self.expected("\")\""));
            }
        }
    }

    /// Passes over one value: a word, a string, a list of values.
    pub(super) fn skip(&mut self, depth: usize) -> Read<()> {
        if depth > limits::IMAP_DEPTH {
            return Err("lists are nested too deep".to_string());
        }
        match self.peek() {
            Some(b'(') => self.list(|lexer| lexer.skip(depth + 1)).map(drop),
            Some(b'[') => {
                self.take_while(|b| !matches!(b, b']' | b'\r' | b'\n'));
                self.need(b']')
            }
            _ => self.nstring("a value").map(drop),
        }
    }
}
