//! Commands put together from octets as they come.
//!
//! ```text
//!          line without literal                  line with {n}: Continue
//!  +--Line--------------------> Command     Line ------------------------> Literal
//!  |   ^                                         line with {n+}                |
//!  |   +-----------------------------------------------------------------------+ n octets
//!  |
//!  +--> Skip: a limit was passed. The rest of the command is read and thrown away: up to its line
//!       end, or up to a {n}, behind which the client waits and sends nothing more.
//! ```
//!
//! A refused synchronising literal needs no skipping: the client gets the error in the place of
//! "+" and goes on with a new command (RFC 9051 4.3).

use super::super::Tagged;
use super::{Assembled, ErrorKind, Fault, Mode, ParseError, known, parse, tag_of};
use crate::limits;
use crate::wire::budget::Hold;

/// What came of the octets so far.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    /// Nothing yet: more octets.
    Need,
    /// A literal was announced and is welcome: say "+ " and a line end, then go on.
    Continue,
    /// A whole command, or why it is none (its octets are gone either way): `ParseError::print`.
    Command(Result<Tagged, ParseError>),
    /// The client is about to send more than is worth reading: say BYE and close.
    Lost(ParseError),
}

/// Holds the command that is coming in; empty between commands.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    state: State,
    command: Assembled,
    /// Octets of the input known to have no line end.
    scanned: usize,
    messages: usize,
    message_octets: usize,
    other_octets: usize,
    /// What the literals hold of the server's memory; absent: nobody counts.
    hold: Option<Hold>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Line,
    Literal {
        octets: Vec<u8>,
        left: usize,
    },
    Skip(Skip),
}

#[derive(Debug)]
struct Skip {
    error: ParseError,
    /// Octets left of a literal.
    literal: u64,
    skipped: u64,
    /// The end of the line that is being skipped.
    tail: Vec<u8>,
}

/// `{n}` or `{n+}` at the end of a line.
#[derive(Debug, Clone, Copy)]
struct Announced {
    size: u64,
    waits: bool,
}

/// Enough of a line's end to see an announced literal: "{", 20 digits, "+}", CRLF.
const TAIL_BYTES: usize = 32;

impl Receiver {
    /// One whose literals are counted.
    pub(crate) fn within(hold: Hold) -> Receiver {
        Receiver { hold: Some(hold), ..Receiver::default() }
    }

    /// After a whole command: what its literals hold of the budget, to be kept as long as they.
    pub(crate) fn take_hold(&mut self) -> Option<Hold> {
        let next = self.hold.as_ref().map(Hold::another);
        std::mem::replace(&mut self.hold, next)
    }

    /// Forgets what came so far.
    pub(crate) fn restart(&mut self) {
        self.reset();
    }

    /// Takes what it can from the front of `input`. Call again, without new octets, until it says
    /// `Need`. Octets behind a command stay in `input`.
    pub(crate) fn next(&mut self, input: &mut Vec<u8>, mode: Mode) -> Event {
        loop {
            let event = match &mut self.state {
                State::Line => self.line(input, mode),
                State::Literal { octets, left } => {
                    let now = (*left).min(input.len());
                    if !self.hold.as_mut().is_none_or(|hold| hold.grow(now)) {
                        let left = *left as u64;
                        let fault = no_memory().tagged(&tag_of(&self.command.text));
                        match self.skip(fault, left, mode) {
                            Some(event) => return event,
                            None => continue,
                        }
                    }
                    octets.extend_from_slice(input.get(..now).unwrap_or_default());
                    input.drain(..now);
                    *left -= now;
                    if *left > 0 {
                        return Event::Need;
                    }
                    self.command.literals.push_back(std::mem::take(octets));
                    self.state = State::Line;
                    None
                }
                State::Skip(skip) => match skip.take(input, mode) {
                    Some(Event::Need) => return Event::Need,
                    Some(event) => {
                        self.reset();
                        Some(event)
                    }
                    None => None,
                },
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    /// Memory held for the command that is coming in, in octets.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        let coming = match &self.state {
            State::Literal { octets, .. } => octets.len(),
            _ => 0,
        };
        let literals: usize = self.command.literals.iter().map(Vec::len).sum();
        self.command.text.len() + literals + coming
    }

    fn reset(&mut self) {
        let hold = self.hold.as_ref().map(Hold::another);
        *self = Receiver { hold, ..Receiver::default() };
    }

    /// Takes one line of the command; `None`: go on in the new state.
    fn line(&mut self, input: &mut Vec<u8>, mode: Mode) -> Option<Event> {
        let from = self.scanned.min(input.len());
        let found = line_end(input.get(from..).unwrap_or_default());
        let length = found.map_or(input.len(), |at| from + at + 1);
        if self.command.text.len() + length > limits::IMAP_LINE_BYTES {
            let why = format!("a command line is longer than {} octets", limits::IMAP_LINE_BYTES);
            let mut front = std::mem::take(&mut self.command.text);
            front.extend(input.iter().take(limits::IMAP_LINE_BYTES - front.len()));
            return self.skip(Fault::bad(why).tagged(&tag_of(&front)), 0, mode);
        }
        if found.is_none() {
            self.scanned = length;
            return Some(Event::Need);
        }
        self.scanned = 0;
        let start = self.command.text.len();
        self.command.text.extend_from_slice(input.get(..length).unwrap_or_default());
        input.drain(..length);
        let announced = announced(&self.command.text);
        match (line_fault(self.command.text.get(start..).unwrap_or_default()), announced) {
            (Some(fault), Some(Announced { size, waits: false })) => {
                self.skip(fault.tagged(&tag_of(&self.command.text)), size, mode)
            }
            (Some(fault), _) => Some(self.refuse(fault)),
            (None, Some(announced)) => self.announce(announced, mode),
            (None, None) => {
                self.command.text.truncate(self.command.text.len() - 2);
                let command = std::mem::take(&mut self.command);
                let hold = self.hold.take();
                self.reset();
                self.hold = hold;
                Some(Event::Command(parse(command, mode)))
            }
        }
    }

    fn refuse(&mut self, fault: Fault) -> Event {
        let error = fault.tagged(&tag_of(&self.command.text));
        self.reset();
        Event::Command(Err(error))
    }

    fn skip(&mut self, error: ParseError, literal: u64, mode: Mode) -> Option<Event> {
        if literal > discard_limit(mode) {
            self.reset();
            return Some(Event::Lost(error));
        }
        let skip = Skip { error, literal, skipped: 0, tail: Vec::new() };
        self.reset();
        self.state = State::Skip(skip);
        None
    }

    /// A literal was announced: is it welcome?
    fn announce(&mut self, literal: Announced, mode: Mode) -> Option<Event> {
        // RFC 9051 7.6: what is no command is refused before its literal
        if literal.waits
            && self.command.literals.is_empty()
            && let Err(error) = known(&self.command, mode)
        {
            self.reset();
            return Some(Event::Command(Err(error)));
        }
        if let Err(fault) = self.admit(literal.size, mode) {
            if literal.waits {
                return Some(self.refuse(fault));
            }
            let error = fault.tagged(&tag_of(&self.command.text));
            return self.skip(error, literal.size, mode);
        }
        let left = usize::try_from(literal.size).unwrap_or(usize::MAX);
        // the rest grows as octets really come
        let octets = Vec::with_capacity(left.min(limits::READ_CHUNK_BYTES));
        self.state = State::Literal { octets, left };
        literal.waits.then_some(Event::Continue)
    }

    fn admit(&mut self, size: u64, mode: Mode) -> Result<(), Fault> {
        let large = |kind, what: &str, limit: usize| {
            Err(Fault { kind, why: format!("{what} of {size} octets: the limit is {limit}") })
        };
        let size_now = usize::try_from(size).unwrap_or(usize::MAX);
        if mode.logged_in && self.is_message() {
            if size_now > limits::MESSAGE_BYTES {
                return large(ErrorKind::TooBig, "a message", limits::MESSAGE_BYTES);
            }
            self.messages += 1;
            self.message_octets = self.message_octets.saturating_add(size_now);
            if self.messages > limits::IMAP_APPENDS {
                let limit = limits::IMAP_APPENDS;
                let why = format!("one APPEND takes at most {limit} messages");
                return Err(Fault { kind: ErrorKind::Limit, why });
            }
            if self.message_octets > limits::IMAP_APPEND_BYTES {
                let limit = limits::IMAP_APPEND_BYTES;
                let why = format!("the messages of one APPEND have more than {limit} octets");
                return Err(Fault { kind: ErrorKind::TooBig, why });
            }
            // Better before the upload than in the middle of it.
            let room = self.hold.as_ref().is_none_or(|hold| size_now <= hold.free());
            return if room { Ok(()) } else { Err(no_memory()) };
        }
        let limit = match mode.logged_in {
            true => limits::IMAP_LITERAL_BYTES,
            false => limits::IMAP_LITERAL_BEFORE_LOGIN_BYTES,
        };
        self.other_octets = self.other_octets.saturating_add(size_now);
        match self.other_octets > limit {
            true => large(ErrorKind::Bad, "literals", limit),
            false => Ok(()),
        }
    }

    /// Is the literal just announced a message of APPEND, and not its mailbox name?
    fn is_message(&self) -> bool {
        let mut words = self.command.text.splitn(3, |b| *b == b' ');
        let (_tag, name, rest) = (words.next(), words.next(), words.next());
        name.is_some_and(|name| name.eq_ignore_ascii_case(b"APPEND"))
            && rest.is_some_and(|rest| {
                rest.first() != Some(&b'{') || !self.command.literals.is_empty()
            })
    }
}

/// RFC 5530 3 UNAVAILABLE: it will pass.
fn no_memory() -> Fault {
    let why = "too many messages are being received, try again later".to_owned();
    Fault { kind: ErrorKind::Unavailable, why }
}

impl Skip {
    /// Throws away; an event when the command is over, `None` to go on at once.
    fn take(&mut self, input: &mut Vec<u8>, mode: Mode) -> Option<Event> {
        if self.literal > 0 {
            let now = input.len().min(usize::try_from(self.literal).unwrap_or(usize::MAX));
            input.drain(..now);
            self.literal -= now as u64;
            self.skipped += now as u64;
            return (self.literal > 0).then_some(Event::Need);
        }
        let found = line_end(input);
        let length = found.map_or(input.len(), |at| at + 1);
        self.skipped += length as u64;
        let end = input.get(length.saturating_sub(TAIL_BYTES)..length).unwrap_or_default();
        self.tail.extend_from_slice(end);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL_BYTES));
        input.drain(..length);
        if self.skipped > discard_limit(mode) {
            return Some(Event::Lost(self.error.clone()));
        }
        if found.is_none() {
            return Some(Event::Need);
        }
        match announced(&std::mem::take(&mut self.tail)) {
            Some(Announced { size, waits: false }) => {
                if self.skipped.saturating_add(size) > discard_limit(mode) {
                    return Some(Event::Lost(self.error.clone()));
                }
                self.literal = size;
                None
            }
            _ => Some(Event::Command(Err(self.error.clone()))),
        }
    }
}

/// Where the first LF is. `contains` looks at many octets at a time, and most looks find none.
fn line_end(octets: &[u8]) -> Option<usize> {
    octets.contains(&b'\n').then(|| octets.iter().position(|b| *b == b'\n')).flatten()
}

fn discard_limit(mode: Mode) -> u64 {
    match mode.logged_in {
        true => limits::IMAP_DISCARD_BYTES,
        false => limits::IMAP_DISCARD_BEFORE_LOGIN_BYTES,
    }
}

/// What is wrong with a line as such.
fn line_fault(line: &[u8]) -> Option<Fault> {
    if !line.ends_with(b"\r\n") {
        // RFC 9051 2.2: lines end with CRLF
        return Some(Fault::bad("a line must end with CRLF, found a bare LF"));
    }
    // RFC 9051 9: CHAR is %x01-7F
    line.contains(&0).then(|| Fault::bad("a command has a NUL octet"))
}

/// Sees `{n}`, `{n+}` before the line end. A number too large for 64 bits is the largest.
fn announced(line: &[u8]) -> Option<Announced> {
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line).strip_suffix(b"}")?;
    let (line, waits) = match line.strip_suffix(b"+") {
        Some(line) => (line, false),
        None => (line, true),
    };
    let digits = line.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (line, digits) = line.split_at(line.len() - digits);
    if digits.is_empty() || line.last() != Some(&b'{') {
        return None;
    }
    let size = digits
        .iter()
        .fold(0u64, |n, digit| n.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(Announced { size, waits })
}

/// One line outside of commands: IDLE's DONE, AUTHENTICATE's responses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// No line end yet.
    Need,
    /// Without its line end; a bare LF ends it too, there is nothing to smuggle in it.
    Is(Vec<u8>),
    /// Longer than the limit: nothing of it was taken, the connection is to be closed.
    TooLong,
}

/// Takes a line of at most `limit` octets (line end included) from the front of `input`.
pub(crate) fn take_line(input: &mut Vec<u8>, limit: usize) -> Line {
    let found = input.iter().take(limit).position(|b| *b == b'\n');
    let Some(at) = found else {
        return if input.len() >= limit { Line::TooLong } else { Line::Need };
    };
    let mut line: Vec<u8> = input.drain(..=at).collect();
    line.pop();
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Line::Is(line)
}
