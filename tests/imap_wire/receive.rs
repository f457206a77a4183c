//! Commands put together from octets: limits at, above and far above; literals; pipelining.

use super::{LOGGED_IN, STRANGER, events, receive};
use crate::limits;
use crate::wire::imap::parse::{ErrorKind, Event, Line, Mode, ParseError, Receiver, take_line};
use crate::wire::imap::{Command, Tagged};

fn tags(events: &[Event]) -> Vec<String> {
    let tag = |event: &Event| match event {
        Event::Command(Ok(tagged)) => tagged.tag.clone(),
        Event::Command(Err(error)) => format!("{} refused", error.tag),
        Event::Continue => "+".to_string(),
        Event::Lost(error) => format!("{} lost", error.tag),
        Event::Need => "need".to_string(),
    };
    events.iter().map(tag).collect()
}

fn error(events: Vec<Event>) -> ParseError {
    match <[Event; 1]>::try_from(events) {
        Ok([Event::Command(Err(error)) | Event::Lost(error)]) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn done_and_the_next_command_come_in_one_packet() {
    let mut input = b"a1 IDLE\r\nDONE\r\na2 NOOP\r\na3 LOG".to_vec();
    let mut receiver = Receiver::default();
    let idle = Tagged { tag: "a1".into(), command: Command::Idle };
    assert_eq!(receiver.next(&mut input, LOGGED_IN), Event::Command(Ok(idle)));
    assert_eq!(take_line(&mut input, 100), Line::Is(b"DONE".to_vec()));
    let noop = Tagged { tag: "a2".into(), command: Command::Noop };
    assert_eq!(receiver.next(&mut input, LOGGED_IN), Event::Command(Ok(noop)));
    assert_eq!(receiver.next(&mut input, LOGGED_IN), Event::Need);
    input.extend_from_slice(b"OUT\r\n");
    let logout = Tagged { tag: "a3".into(), command: Command::Logout };
    assert_eq!(receiver.next(&mut input, LOGGED_IN), Event::Command(Ok(logout)));
    assert!(input.is_empty() && receiver.held() == 0);
}

#[test]
fn a_line_outside_of_commands_has_its_limit() {
    let take = |text: &str, limit: usize| take_line(&mut text.as_bytes().to_vec(), limit);
    assert_eq!(take("abc\r\nrest", 5), Line::Is(b"abc".to_vec()));
    assert_eq!(take("abc\nrest", 5), Line::Is(b"abc".to_vec()));
    assert_eq!(take("\r\n", 5), Line::Is(vec![]));
    assert_eq!(take("abc\r\n", 4), Line::TooLong);
    assert_eq!(take("abcdefgh", 5), Line::TooLong);
    assert_eq!(take("abc", 5), Line::Need);
}

#[test]
fn a_synchronising_literal_waits_for_its_welcome() {
    let wire = b"a1 LOGIN {3}\r\nbob {6}\r\nsecret\r\na2 NOOP\r\n";
    let found = events(wire, STRANGER);
    assert_eq!(tags(&found), ["+", "+", "a1", "a2"]);
    let login = Command::Login { name: b"bob".to_vec(), password: b"secret".to_vec() };
    assert_eq!(found[2], Event::Command(Ok(Tagged { tag: "a1".into(), command: login })));
    assert_eq!(tags(&events(b"a1 LOGIN {3+}\r\nbob {6+}\r\nsecret\r\n", STRANGER)), ["a1"]);
    assert_eq!(tags(&events(b"a1 SELECT {0+}\r\n\r\n", STRANGER)), ["a1"]);
}

#[test]
fn literals_before_log_in_are_small() {
    let most = limits::IMAP_LITERAL_BEFORE_LOGIN_BYTES;
    let wire = |size: usize, plus: &str| {
        format!("a1 LOGIN bob {{{size}{plus}}}\r\n{}\r\n", "x".repeat(size)).into_bytes()
    };
    assert!(receive(&wire(most, "+"), STRANGER).is_ok());
    for size in [most + 1, 100 * most] {
        let refused = receive(&wire(size, "+"), STRANGER).unwrap_err();
        assert!(refused.why.contains("the limit is 4096"), "{}", refused.why);
        // synchronising: refused at once, the octets never come
        let announced = format!("a1 LOGIN bob {{{size}}}\r\n");
        assert_eq!(error(events(announced.as_bytes(), STRANGER)).kind, ErrorKind::Bad);
    }
    // many small ones count together
    let two = format!("a1 LOGIN {{{most}+}}\r\n{} {{1+}}\r\nx\r\n", "x".repeat(most));
    assert!(receive(two.as_bytes(), STRANGER).unwrap_err().why.contains("limit"));
    // APPEND before log-in gets no room
    assert!(receive(&wire_append(most + 1), STRANGER).is_err());
}

fn wire_append(size: usize) -> Vec<u8> {
    let mut wire = format!("a1 APPEND INBOX {{{size}+}}\r\n").into_bytes();
    wire.resize(wire.len() + size, b'x');
    wire.extend_from_slice(b"\r\n");
    wire
}

#[test]
fn literals_of_other_commands_are_bounded_together() {
    let most = limits::IMAP_LITERAL_BYTES;
    let wire = |size: usize| format!("a1 SEARCH TEXT {{{size}+}}\r\n{}\r\n", "x".repeat(size));
    assert!(receive(wire(most).as_bytes(), LOGGED_IN).is_ok());
    assert!(receive(wire(most + 1).as_bytes(), LOGGED_IN).is_err());
    // the mailbox name of APPEND is no message
    let name = format!("a1 APPEND {{{}}}\r\n", most + 1);
    assert_eq!(error(events(name.as_bytes(), LOGGED_IN)).kind, ErrorKind::Bad);
    let small = b"a1 APPEND {3+}\r\nfoo {300000+}\r\n";
    assert_eq!(tags(&events(small, LOGGED_IN)), Vec::<String>::new(), "the message may be large");
}

#[test]
fn a_message_has_its_limit() {
    let most = limits::MESSAGE_BYTES;
    let announce = |size: u64, plus: &str| {
        events(format!("a1 APPEND INBOX {{{size}{plus}}}\r\n").as_bytes(), LOGGED_IN)
    };
    assert_eq!(announce(most as u64, ""), [Event::Continue]);
    let above = error(announce(most as u64 + 1, ""));
    assert_eq!(above.kind, ErrorKind::TooBig);
    let mut out = Vec::new();
    above.print(&mut out);
    assert!(out.starts_with(b"a1 NO [TOOBIG] a message of 52428801 octets"));
    // far above, without waiting: not worth reading
    for size in [limits::IMAP_DISCARD_BYTES + 1, u64::MAX] {
        assert_eq!(tags(&announce(size, "+")), ["a1 lost"]);
        assert_eq!(error(announce(size, "")).kind, ErrorKind::TooBig);
    }
    let huge = b"a1 APPEND INBOX {99999999999999999999999999+}\r\n";
    assert_eq!(tags(&events(huge, LOGGED_IN)), ["a1 lost"]);
}

#[test]
fn octets_of_a_refused_message_are_thrown_away_and_the_next_command_is_read() {
    let size = limits::MESSAGE_BYTES + 1;
    let mut receiver = Receiver::default();
    let mut input = format!("a1 APPEND INBOX {{{size}+}}\r\n").into_bytes();
    let mut left = size;
    while left > 0 {
        let piece = left.min(1 << 20);
        input.resize(input.len() + piece, b'\n');
        left -= piece;
        assert_eq!(receiver.next(&mut input, LOGGED_IN), Event::Need);
        assert!(input.is_empty() && receiver.held() < 1000);
    }
    input.extend_from_slice(b" {3+}\r\n\r\n\r more\r\na2 NOOP\r\n");
    let refused = receiver.next(&mut input, LOGGED_IN);
    assert_eq!(tags(&[refused]), ["a1 refused"]);
    assert_eq!(tags(&[receiver.next(&mut input, LOGGED_IN)]), ["a2"]);
}

#[test]
fn a_refused_command_ends_where_the_client_waits() {
    // the second literal is synchronising: the client sends nothing more
    let wire = b"a1 LOGIN {5000+}\r\n";
    let mut wire = wire.to_vec();
    wire.extend_from_slice(&[b'x'; 5000]);
    wire.extend_from_slice(b" {3}\r\na2 NOOP\r\n");
    assert_eq!(tags(&events(&wire, STRANGER)), ["a1 refused", "a2"]);
}

#[test]
fn messages_of_one_append_are_bounded_in_number_and_octets() {
    let wire = |count: usize| format!("a1 APPEND x{}\r\n", " {1+}\r\nm".repeat(count));
    let most = limits::IMAP_APPENDS;
    assert!(receive(wire(most).as_bytes(), LOGGED_IN).is_ok());
    let above = receive(wire(most + 1).as_bytes(), LOGGED_IN).unwrap_err();
    assert_eq!(above.kind, ErrorKind::Limit);

    let mut wire = wire_append(limits::MESSAGE_BYTES);
    wire.truncate(wire.len() - 2);
    let second = limits::IMAP_APPEND_BYTES - limits::MESSAGE_BYTES + 1;
    wire.extend_from_slice(format!(" {{{second}}}\r\n").as_bytes());
    assert_eq!(error(events(&wire, LOGGED_IN)).kind, ErrorKind::TooBig);
}

#[test]
fn a_message_moves_into_its_command_and_is_not_kept_twice() {
    let size = 8 << 20;
    let mut receiver = Receiver::default();
    let mut input = wire_append(size);
    let Event::Command(Ok(Tagged { command: Command::Append { messages, .. }, .. })) =
        receiver.next(&mut input, LOGGED_IN)
    else {
        panic!("no APPEND")
    };
    assert_eq!(messages[0].octets.len(), size);
    assert_eq!(receiver.held(), 0);
    // an announced message takes memory only as it comes
    let mut input = b"a1 APPEND INBOX {50000000}\r\n".to_vec();
    assert_eq!(receiver.next(&mut input, LOGGED_IN), Event::Continue);
    assert!(receiver.held() < 100);
}

#[test]
fn a_line_has_its_limit() {
    let most = limits::IMAP_LINE_BYTES;
    let wire = |length: usize| format!("a1 NOOP {}\r\na2 NOOP\r\n", "x".repeat(length - 10));
    // at the limit it is only wrong, above it is too long; both times the next command is read
    let at = events(wire(most).as_bytes(), LOGGED_IN);
    assert_eq!(tags(&at), ["a1 refused", "a2"]);
    for length in [most + 1, 20 * most] {
        let found = events(wire(length).as_bytes(), LOGGED_IN);
        assert_eq!(tags(&found), ["a1 refused", "a2"]);
        let Event::Command(Err(error)) = &found[0] else { panic!() };
        assert!(error.why.contains("longer than 65536"), "{}", error.why);
    }
    // lines between literals count together
    let pieces = format!("a1 SEARCH {}SEEN\r\n", "TEXT {0+}\r\n ".repeat(most / 12));
    assert!(receive(pieces.as_bytes(), LOGGED_IN).unwrap_err().why.contains("longer"));
}

#[test]
fn a_line_without_end_is_not_read_for_ever() {
    for (mode, most) in [
        (STRANGER, limits::IMAP_DISCARD_BEFORE_LOGIN_BYTES),
        (LOGGED_IN, limits::IMAP_DISCARD_BYTES),
    ] {
        assert_eq!(octets_until_lost(mode) >> 20, most >> 20);
    }
}

fn octets_until_lost(mode: Mode) -> u64 {
    let mut receiver = Receiver::default();
    let (mut input, mut sent) = (Vec::new(), 0);
    loop {
        input.resize(input.len() + (1 << 16), b'x');
        sent += 1 << 16;
        match receiver.next(&mut input, mode) {
            Event::Need => assert!(input.len() + receiver.held() <= limits::IMAP_LINE_BYTES),
            Event::Lost(_) => return sent,
            other => panic!("{other:?}"),
        }
    }
}
