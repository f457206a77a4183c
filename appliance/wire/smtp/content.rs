//! The content of a message as it streams in: DATA with its dots, BDAT with its chunks.
//!
//! DATA ends at CRLF "." CRLF and at nothing else. A CR without LF, an LF without CR and a NUL are
//! never part of a message: what looks like an end of data to another server would be smuggled
//! through here as content, or the other way round. Such a message is read to its end, thrown away
//! and refused there. RFC 5321 2.3.8, 4.1.1.4; RFC 3030 2 for chunks, whose borders may fall
//! between CR and LF.
//!
//! ```text
//!             "."            CR            LF
//! LineStart ------> Dot ---------> DotCr ------> End        (DATA only)
//!    ^  | else       | else: the dot is taken off, RFC 5321 4.5.2
//!    |  v            v
//!    | Text <--------+
//!    |  | CR
//! LF |  v
//!    +-- Cr ---- else: a bare CR
//! ```
//!
//! People's scripts send bare LF. Where they submit ([`Content::lenient`]) it becomes CRLF, as
//! content: no dot behind it is taken off, and none ends the message, since the sender saw no line
//! there that it would have protected. What goes out again has CRLF everywhere.
//!
//! A line may be longer than the 998 octets of RFC 5321 4.5.3.1.6: real mail has such lines, and
//! the size of the message bounds them.

use crate::wire::budget::Hold;
use std::fmt;

/// Why a message cannot be taken. The first fault stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    BareCr,
    BareLf,
    Nul,
    TooBig {
        limit: usize,
    },
    /// Other messages hold the memory for now.
    NoMemory,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BareCr => f.write_str("The message holds a CR without LF"),
            Self::BareLf => f.write_str("The message holds an LF without CR"),
            Self::Nul => f.write_str("The message holds a NUL octet"),
            Self::TooBig { limit } => write!(f, "The message is larger than {limit} octets"),
            Self::NoMemory => f.write_str("Too many messages are being received, try again later"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    LineStart,
    Text,
    Cr,
    Dot,
    DotCr,
}

/// A message on its way in.
#[derive(Debug)]
pub(crate) struct Content {
    message: Vec<u8>,
    hold: Hold,
    limit: usize,
    state: State,
    fault: Option<Fault>,
    /// A bare LF becomes CRLF.
    lenient: bool,
}

impl Content {
    /// `limit`: octets of the largest message taken.
    pub(crate) fn new(limit: usize, hold: Hold) -> Self {
        Self {
            message: Vec::new(),
            hold,
            limit,
            // RFC 5321 4.1.1.4: the CRLF of the DATA line counts, "." may follow at once
            state: State::LineStart,
            fault: None,
            lenient: false,
        }
    }

    /// The same for mail of people: RFC 6409 8 lets a submission be mended.
    pub(crate) fn lenient(self) -> Self {
        Self { lenient: true, ..self }
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Takes octets that follow DATA. Returns how many belong to the message with its end, and
    /// whether the end has come.
    pub(crate) fn push_dotted(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut rest = bytes;
        while let Some((&b, after)) = rest.split_first() {
            match (self.state, b) {
                (State::LineStart, b'.') => self.state = State::Dot,
                (State::Dot, b'\r') => self.state = State::DotCr,
                (State::DotCr, b'\n') => return (bytes.len() - after.len(), true),
                (State::DotCr, _) => {
                    self.refuse(Fault::BareCr);
                    self.state = State::Text;
                    continue;
                }
                // RFC 5321 4.5.2: of a line that starts with a dot and goes on, the dot goes
                (State::Dot, _) => {
                    rest = self.push_some(rest, State::Text);
                    continue;
                }
                (state, _) => {
                    rest = self.push_some(rest, state);
                    continue;
                }
            }
            rest = after;
        }
        (bytes.len(), false)
    }

    /// Takes octets of a BDAT chunk.
    pub(crate) fn push_chunk(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = self.push_some(rest, self.state);
        }
    }

    /// The message with its hold on the budget, or why there is none.
    pub(crate) fn finish(mut self) -> Result<(Vec<u8>, Hold), Fault> {
        // RFC 3030 2: the last chunk may end without CRLF, but not between CR and LF
        if self.state == State::Cr {
            self.refuse(Fault::BareCr);
        }
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok((self.message, self.hold)),
        }
    }

    /// Takes at least one octet: a stray one, the one behind a CR, or all up to the next that
    /// matters. Returns what is left.
    fn push_some<'a>(&mut self, bytes: &'a [u8], state: State) -> &'a [u8] {
        let Some((&b, after)) = bytes.split_first() else { return bytes };
        self.state = State::Text;
        match (state, b) {
            (State::Cr, b'\n') => {
                self.keep(b"\r\n");
                self.state = State::LineStart;
                return after;
            }
            (State::Cr, _) => {
                self.refuse(Fault::BareCr);
                return bytes;
            }
            (_, b'\r') => {
                self.state = State::Cr;
                return after;
            }
            (_, b'\n') if self.lenient => {
                self.keep(b"\r\n");
                return after;
            }
            (_, b'\n') => {
                self.refuse(Fault::BareLf);
                return after;
            }
            (_, 0) => {
                self.refuse(Fault::Nul);
                return after;
            }
            _ => {}
        }
        let run = bytes.iter().position(|b| matches!(b, b'\r' | b'\n' | 0)).unwrap_or(bytes.len());
        let (text, rest) = bytes.split_at_checked(run).unwrap_or((bytes, &[]));
        self.keep(text);
        rest
    }

    fn keep(&mut self, octets: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        let size = self.message.len() + octets.len();
        if size > self.limit {
            return self.refuse(Fault::TooBig { limit: self.limit });
        }
        if size > self.message.capacity() {
            let room = (self.message.capacity() * 2).clamp(size, self.limit.max(size)).max(1024);
            if !self.hold.grow(room - self.message.capacity()) {
                return self.refuse(Fault::NoMemory);
            }
            self.message.reserve_exact(room - self.message.len());
        }
        self.message.extend_from_slice(octets);
    }

    /// From here on octets are only counted off, and the memory is given back.
    fn refuse(&mut self, fault: Fault) {
        if self.fault.is_none() {
            self.fault = Some(fault);
            self.message = Vec::new();
            self.hold = self.hold.another();
        }
    }
}
