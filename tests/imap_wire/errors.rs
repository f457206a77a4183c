//! What is wrong is said: what was expected, what was found, and never a password.

use super::{LOGGED_IN, STRANGER, bad, error_in, receive};
use crate::wire::imap::parse::{ErrorKind, Mode};

#[test]
fn an_error_says_what_was_expected_and_what_was_found() {
    assert_eq!(bad("FETCH FOO FLAGS"), "expected a sequence set, found \"FOO\"");
    assert_eq!(bad("FETCH"), "expected a space, found the end of the line");
    assert_eq!(bad("NOOP now"), "expected the end of the line, found a space");
    assert_eq!(bad("SELECT"), "expected a space, found the end of the line");
    assert_eq!(bad("SELECT  x"), "expected a mailbox name, found a space");
    assert_eq!(bad("FROBNICATE x"), "unknown command \"FROBNICATE\"");
    assert_eq!(bad("UID NOOP"), "unknown command behind UID \"NOOP\"");
    assert_eq!(bad("SEARCH SHINY"), "unknown SEARCH key \"SHINY\"");
    assert_eq!(bad("SEARCH (SEEN"), "expected a space or \")\", found the end of the line");
    assert_eq!(
        bad("SEARCH UID 0"),
        "expected a sequence set, found \"0\": 0 is not a message number or uid"
    );
    assert_eq!(bad("SEARCH LARGER big"), "expected a size in octets, found \"big\"");
    assert_eq!(bad("SELECT \"open"), "a quoted string without its closing quote");
    assert!(bad("SELECT \"a\\b\"").contains("\"\\\""));
}

#[test]
fn at_most_forty_octets_come_back_and_only_printable_ones() {
    let why = bad(&format!("FETCH {} x", "F".repeat(1000)));
    assert_eq!(why, format!("expected a sequence set, found \"{}\"", "F".repeat(40)));
    let error = receive(b"a1 FETCH \x07\xff\r\r\n", LOGGED_IN).unwrap_err();
    assert_eq!(error.why, "expected a sequence set, found \"??\"");
}

#[test]
fn no_password_comes_back() {
    let lines = [
        "LOGIN bob (hunter2",
        "LOGIN bob hunter2 hunter2",
        "LOGIN bob \"hunter2",
        "LOGIN (hunter2",
        "AUTHENTICATE PLAIN (hunter2",
        "AUTHENTICATE PLAIN aGk= hunter2",
    ];
    for mode in [STRANGER, LOGGED_IN] {
        for line in lines {
            let why = error_in(line, mode).why;
            assert!(!why.to_lowercase().contains("hunter2"), "{line}: {why}");
        }
    }
    // before log-in anything may be one
    for line in ["hunter2", "FETCH hunter2", "SELECT (hunter2"] {
        let why = error_in(line, STRANGER).why;
        assert!(!why.to_lowercase().contains("hunter2"), "{line}: {why}");
    }
}

#[test]
fn the_tag_is_there_when_it_could_be_read() {
    let tag = |wire: &[u8]| receive(wire, LOGGED_IN).unwrap_err().tag;
    assert_eq!(tag(b"A1 FOO\r\n"), "A1");
    assert_eq!(tag(b"\r\n"), "*");
    assert_eq!(tag(b"A1\r\n"), "*");
    assert_eq!(tag(b"+ NOOP\r\n"), "*");
    assert_eq!(tag(b"a+b NOOP\r\n"), "*");
    assert_eq!(tag(b" NOOP\r\n"), "*");
    assert_eq!(tag(b"(a NOOP\r\n"), "*");
    assert_eq!(tag(b"\xff NOOP\r\n"), "*");
}

#[test]
fn replies_are_one_line_of_plain_text() {
    let print = |wire: &[u8], mode: Mode| {
        let mut out = Vec::new();
        receive(wire, mode).unwrap_err().print(&mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        print(b"A1 FETCH x FLAGS\r\n", LOGGED_IN),
        "A1 BAD expected a sequence set, found \"x\"\r\n"
    );
    assert_eq!(print(b"\r\n", LOGGED_IN), "* BAD an empty line is no command\r\n");
    assert!(print(b"A1 CREATE &x\r\n", LOGGED_IN).starts_with("A1 NO [CANNOT] "));
    assert!(print(b"A1 FETCH \xc3\xa9\r\n", LOGGED_IN).is_ascii());
}

#[test]
fn nul_and_bare_line_ends_are_refused() {
    let why = |wire: &[u8]| receive(wire, LOGGED_IN).unwrap_err();
    assert!(why(b"A1 SELECT a\0b\r\n").why.contains("NUL"));
    assert!(why(b"A1 NOOP\n").why.contains("bare LF"));
    assert_eq!(why(b"A1 NOOP\n").tag, "A1");
    assert!(why(b"A1 SELECT a\rb\r\n").why.contains("line end"));
    assert!(why(b"A1 SELECT {3+}\r\na\0b\r\n").why.contains("NUL"));
    assert!(why(b"A1 APPEND x {3+}\r\na\0b\r\n").why.contains("literal8"));
    // the octets of a literal behind a bare LF are still its octets, not a command
    assert!(why(b"A1 SELECT {9+}\nA2 NOOP\r\n\r\n").why.contains("bare LF"));
}

#[test]
fn a_name_far_too_long_is_refused() {
    let most = 2 * crate::limits::MAILBOX_NAME_BYTES;
    let line = |length: usize| format!("SELECT {}", "n".repeat(length));
    super::command(&line(most));
    assert_eq!(error_in(&line(most + 1), LOGGED_IN).kind, ErrorKind::Limit);
}
