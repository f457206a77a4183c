//! The IMAP wire: what clients send becomes values, what we say becomes octets.

mod errors;
mod examples;
mod grammar;
mod print;
mod receive;
mod round_trip;
mod sets;
mod structure;

use crate::wire::imap::parse::{ErrorKind, Event, Mode, ParseError, Receiver};
use crate::wire::imap::{Command, Tagged};

const LOGGED_IN: Mode = Mode { logged_in: true, utf8: false };
const WITH_UTF8: Mode = Mode { logged_in: true, utf8: true };
const STRANGER: Mode = Mode { logged_in: false, utf8: false };

/// All that comes of `input` given at once, without the last `Need`.
fn events(input: &[u8], mode: Mode) -> Vec<Event> {
    let mut input = input.to_vec();
    let mut receiver = Receiver::default();
    let mut events = Vec::new();
    loop {
        match receiver.next(&mut input, mode) {
            Event::Need => return events,
            event @ Event::Lost(_) => {
                events.push(event);
                return events;
            }
            event => events.push(event),
        }
    }
}

/// The one command in `input`.
fn receive(input: &[u8], mode: Mode) -> Result<Tagged, ParseError> {
    let mut commands = events(input, mode).into_iter().filter(|event| *event != Event::Continue);
    let (first, second) = (commands.next(), commands.next());
    assert_eq!(second, None, "more than one event");
    match first {
        Some(Event::Command(command)) => command,
        other => panic!("{other:?} of {:?}", String::from_utf8_lossy(input)),
    }
}

/// A line without its tag and line end, as a person writes it.
fn command_in(line: &str, mode: Mode) -> Command {
    match receive(format!("a1 {line}\r\n").as_bytes(), mode) {
        Ok(tagged) => {
            assert_eq!(tagged.tag, "a1");
            tagged.command
        }
        Err(error) => panic!("{line}: {}", error.why),
    }
}

fn command(line: &str) -> Command {
    command_in(line, LOGGED_IN)
}

fn error_in(line: &str, mode: Mode) -> ParseError {
    match receive(format!("a1 {line}\r\n").as_bytes(), mode) {
        Ok(tagged) => panic!("{line} was taken for {:?}", tagged.command),
        Err(error) => error,
    }
}

/// Why a line is BAD.
fn bad(line: &str) -> String {
    let error = error_in(line, LOGGED_IN);
    assert_eq!((error.tag.as_str(), error.kind), ("a1", ErrorKind::Bad), "{line}: {}", error.why);
    error.why
}
