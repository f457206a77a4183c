//! IMAP commands: octets to values.
//!
//! ```text
//! octets --Receiver--> Assembled (line text, literals beside it) --parse--> Tagged | ParseError
//! ```
//!
//! - `receive`: puts a command together from pieces as they come, with every limit.
//! - `lexer`: strings, atoms, numbers, mailbox names, dates: what all commands are made of.
//! - `command`: the table of commands and the short ones; `append`, `fetch`, `list`, `search`,
//!   `select` and `store` the long ones.
//!
//! ```text
//! command = tag SP (command-any / command-auth / command-nonauth / command-select) CRLF
//! tag     = 1*<any ASTRING-CHAR except "+">
//! ```

pub(in crate::wire::imap) mod append;
mod command;
mod fetch;
mod lexer;
mod list;
mod receive;
mod search;
mod select;
mod store;

pub(crate) use receive::{Event, Line, Receiver, take_line};

use super::Tagged;
use lexer::Lexer;
use std::collections::VecDeque;

/// What the session has come to, as far as the grammar depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mode {
    /// Before log-in literals are small, and errors repeat nothing that the client sent: it may be
    /// a password out of place.
    pub logged_in: bool,
    /// The client enabled UTF8=ACCEPT or IMAP4rev2: UTF-8 in quoted strings, mailbox names are
    /// UTF-8 and "&" is just a character (RFC 6855 3, RFC 9051 5.1).
    pub utf8: bool,
}

/// Why a command was not understood, and the whole reply to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParseError {
    /// "*" when no tag could be read: the reply is then untagged.
    pub tag: String,
    pub kind: ErrorKind,
    /// What was expected and what was found; one line, US-ASCII, never a password.
    pub why: String,
}

/// The sort of reply an error wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// BAD: the grammar is broken.
    Bad,
    /// NO [BADCHARSET (...)], RFC 9051 6.4.4; `save`: of a SEARCH whose result was to be saved.
    BadCharset { save: bool },
    /// NO `[TOOBIG]`, RFC 7889 4: a message above APPENDLIMIT.
    TooBig,
    /// NO `[LIMIT]`, RFC 5530: other limits of ours.
    Limit,
    /// NO `[CANNOT]`, RFC 5530: a mailbox of this name can't be made.
    Cannot,
    /// NO `[UNAVAILABLE]`, RFC 5530: there is no memory for it now.
    Unavailable,
}

impl ParseError {
    /// Appends the reply: a tagged BAD or NO with its code.
    pub(crate) fn print(&self, out: &mut Vec<u8>) {
        let condition = match self.kind {
            ErrorKind::Bad => "BAD",
            ErrorKind::BadCharset { .. } => {
                "NO [BADCHARSET (US-ASCII UTF-8 ISO-8859-1 ISO-8859-15)]"
            }
            ErrorKind::TooBig => "NO [TOOBIG]",
            ErrorKind::Limit => "NO [LIMIT]",
            ErrorKind::Cannot => "NO [CANNOT]",
            ErrorKind::Unavailable => "NO [UNAVAILABLE]",
        };
        out.extend_from_slice(format!("{} {condition} {}\r\n", self.tag, self.why).as_bytes());
    }
}

/// One command as received: the text of its lines, in which each literal is only announced, and
/// the octets of the literals in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Assembled {
    /// Without the last CRLF; the CRLF behind an announced literal stands in it.
    pub text: Vec<u8>,
    pub literals: VecDeque<Vec<u8>>,
}

/// What a parser of a part gives.
type Parsed<T> = Result<T, Fault>;

/// An error that does not know its tag yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    kind: ErrorKind,
    why: String,
}

impl Fault {
    fn bad(why: impl Into<String>) -> Fault {
        Fault { kind: ErrorKind::Bad, why: why.into() }
    }

    fn tagged(self, tag: &str) -> ParseError {
        ParseError { tag: tag.to_string(), kind: self.kind, why: self.why }
    }
}

/// Reads one whole command.
pub(crate) fn parse(command: Assembled, mode: Mode) -> Result<Tagged, ParseError> {
    let mut lexer = Lexer::new(command, mode);
    let tag = lexer.tag().map_err(|fault| fault.tagged("*"))?;
    let command = command::command(&mut lexer)
        .and_then(|command| lexer.end().map(|()| command))
        .map_err(|fault| fault.tagged(&tag))?;
    Ok(Tagged { tag, command })
}

/// Does a command of this name exist? For one whose first literal is still to come.
fn known(command: &Assembled, mode: Mode) -> Result<(), ParseError> {
    let mut lexer = Lexer::new(command.clone(), mode);
    let tag = lexer.tag().map_err(|fault| fault.tagged("*"))?;
    command::known(&mut lexer).map_err(|fault| fault.tagged(&tag))
}

/// The tag at the begin of a line, for errors that come before the command can be read.
fn tag_of(text: &[u8]) -> String {
    let end = text.iter().position(|b| !lexer::is_tag_char(*b)).unwrap_or(text.len());
    match text.get(..end).map(std::str::from_utf8) {
        Some(Ok(tag)) if !tag.is_empty() && text.get(end) == Some(&b' ') => tag.to_string(),
        _ => "*".to_string(),
    }
}
