//! Corners of the grammar that are right, though few clients go there.

use super::{LOGGED_IN, STRANGER, WITH_UTF8, bad, command, command_in, error_in};
use crate::wire::imap::parse::ErrorKind;
use crate::wire::imap::*;

fn mailbox_of(line: &str) -> String {
    match command(line) {
        Command::Select { mailbox, .. } | Command::Create { mailbox, .. } => mailbox,
        other => panic!("{other:?}"),
    }
}

fn key_of(line: &str) -> SearchKey {
    match command(line) {
        Command::Search { search, .. } => search.key,
        other => panic!("{other:?}"),
    }
}

#[test]
fn strings_of_every_kind_name_a_mailbox() {
    assert_eq!(mailbox_of("CREATE inbOX"), "INBOX");
    // SELECT tells an OLDNAME where the client writes the name otherwise.
    assert_eq!(mailbox_of("SELECT inbOX"), "inbOX");
    assert_eq!(mailbox_of("SELECT \"inbox\""), "inbox");
    assert_eq!(mailbox_of("SELECT {5}\r\ninbox"), "inbox");
    assert_eq!(mailbox_of("SELECT {5+}\r\ninbox (CONDSTORE)"), "inbox");
    assert_eq!(mailbox_of("SELECT inbox/Work"), "inbox/Work");
    assert_eq!(mailbox_of("SELECT a]b[c"), "a]b[c");
    assert_eq!(mailbox_of("SELECT \"a \\\"b\\\" \\\\c\""), "a \"b\" \\c");
    assert_eq!(mailbox_of("SELECT \"NIL\""), "NIL");
    assert_eq!(mailbox_of("SELECT \"\""), "");
}

#[test]
fn modified_utf7_is_undone_unless_utf8_was_enabled() {
    assert_eq!(mailbox_of("SELECT &BB8EQAQ4BDIENQRC-"), "Привет");
    assert_eq!(mailbox_of("SELECT \"~peter/mail/&U,BTFw-/&ZeVnLIqe-\""), "~peter/mail/台北/日本語");
    assert_eq!(mailbox_of("SELECT A&-B"), "A&B");
    let Command::Select { mailbox, .. } = command_in("SELECT A&-B", WITH_UTF8) else { panic!() };
    assert_eq!(mailbox, "A&-B");
    let Command::Select { mailbox, .. } = command_in("SELECT \"Привет\"", WITH_UTF8) else {
        panic!()
    };
    assert_eq!(mailbox, "Привет");
}

#[test]
fn broken_modified_utf7_is_looked_up_as_it_stands_but_never_made() {
    assert_eq!(mailbox_of("SELECT R&D"), "R&D");
    for name in ["R&D", "&Jjo!", "&AGE-", "&BB8-&BB8-", "&2D0-"] {
        for line in [format!("CREATE {name}"), format!("RENAME x {name}")] {
            assert_eq!(error_in(&line, LOGGED_IN).kind, ErrorKind::Cannot, "{line}");
        }
    }
    assert_eq!(mailbox_of("CREATE &BB8EQAQ4BDIENQRC-"), "Привет");
}

#[test]
fn patterns_are_decoded_around_their_wildcards() {
    let Command::List(list) = command("LIST \"&BB8-/\" &BB8-/%*") else { panic!() };
    assert_eq!((list.reference.as_str(), list.patterns[0].as_str()), ("П/", "П/%*"));
    let Command::List(list) = command("LIST \"\" {3}\r\na*]") else { panic!() };
    assert_eq!(list.patterns, ["a*]"]);
}

#[test]
fn commands_and_options_come_in_any_case() {
    assert_eq!(command("cApAbIlItY"), Command::Capability);
    assert_eq!(command("uid fetch 1 (uid)"), command("UID FETCH 1 (UID)"));
    assert_eq!(command("search return (all) seen"), command("SEARCH RETURN (ALL) SEEN"));
}

#[test]
fn flags_are_spelled_one_way_and_come_once() {
    let Command::Store { flags, .. } = command("STORE 1 FLAGS (\\SEEN \\seen $Junk $junk work)")
    else {
        panic!()
    };
    assert_eq!(flags, ["\\Seen", "$Junk", "work"]);
    assert!(bad("STORE 1 FLAGS (\\Foo)").contains("unknown system flag \"\\Foo\""));
    assert!(bad("STORE 1 FLAGS (\\Recent)").contains("\\Recent"));
    assert!(bad("STORE 1 FLAGS (\\*)").contains("flag"));
}

#[test]
fn keywords_have_a_longest_length() {
    let most = crate::limits::KEYWORD_BYTES;
    for (length, fits) in [(most, true), (most + 1, false), (10 * most, false)] {
        let line = format!("STORE 1 +FLAGS ({})", "k".repeat(length));
        match fits {
            true => drop(command(&line)),
            false => assert_eq!(error_in(&line, LOGGED_IN).kind, ErrorKind::Limit),
        }
    }
}

#[test]
fn dates_are_days() {
    assert_eq!(key_of("SEARCH ON 1-Jan-1970"), SearchKey::On(0));
    assert_eq!(key_of("SEARCH BEFORE \"31-dec-1969\""), SearchKey::Before(-1));
    assert_eq!(key_of("SEARCH SENTSINCE 29-Feb-2024"), SearchKey::SentSince(19_782));
    assert_eq!(key_of("SEARCH SAVEDON 01-Mar-2000"), SearchKey::SavedOn(11_017));
    for date in ["29-Feb-2023", "32-Jan-2020", "0-Jan-2020", "1-Foo-2020", "1-Jan-20", "1-Jan"] {
        assert!(bad(&format!("SEARCH ON {date}")).contains("not a date"), "{date}");
    }
}

#[test]
fn internal_dates_have_a_zone() {
    let date = |text: &str| match command(&format!("APPEND x \"{text}\" {{1+}}\r\nx")) {
        Command::Append { messages, .. } => messages[0].date,
        other => panic!("{other:?}"),
    };
    assert_eq!(date("17-Jul-1996 02:44:25 -0700"), Some((837_596_665, -420)));
    assert_eq!(date(" 1-Jan-1970 01:00:00 +0100"), Some((0, 60)));
    assert_eq!(date("01-Jan-1970 05:30:00 +0530"), Some((0, 330)));
    for text in [
        "1-Jan-1970 00:00:00 +0000",
        "01-Jan-1970 24:00:00 +0000",
        "01-Jan-1970 00:60:00 +0000",
        "01-Jan-1970 00:00:00 0000 ",
        "01-Jan-1970 00:00:00 +0060",
        "01-Jan-1970T00:00:00 +0000",
        "31-Apr-1970 00:00:00 +0000",
    ] {
        assert!(bad(&format!("APPEND x \"{text}\" {{1+}}\r\nx")).contains("date"), "{text}");
    }
}

#[test]
fn searches_nest_to_a_limit() {
    let most = crate::limits::IMAP_DEPTH;
    let nested = |depth: usize| format!("SEARCH {}SEEN", "NOT ".repeat(depth));
    command(&nested(most - 1));
    for depth in [most, most + 1, 5_000] {
        assert_eq!(error_in(&nested(depth), LOGGED_IN).kind, ErrorKind::Limit);
        let parens = format!("SEARCH {}SEEN{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(error_in(&parens, LOGGED_IN).kind, ErrorKind::Limit);
        let ors = format!("SEARCH {}SEEN", "OR SEEN ".repeat(depth));
        assert_eq!(error_in(&ors, LOGGED_IN).kind, ErrorKind::Limit);
    }
}

#[test]
fn charsets_that_can_be_decoded_are() {
    let latin = b"a1 SEARCH CHARSET iso-8859-1 SUBJECT {4}\r\ncaf\xe9\r\n";
    let Ok(Tagged { command: Command::Search { search, .. }, .. }) =
        super::receive(latin, LOGGED_IN)
    else {
        panic!()
    };
    assert_eq!(search.key, SearchKey::Header("SUBJECT".into(), "café".into()));
    for name in ["x-unknown", "\"\"", "\"a b\"", &"long".repeat(50)] {
        let error = error_in(&format!("SEARCH CHARSET {name} ALL"), LOGGED_IN);
        assert_eq!(error.kind, ErrorKind::BadCharset { save: false }, "{name}");
        let mut out = Vec::new();
        error.print(&mut out);
        assert!(out.starts_with(b"a1 NO [BADCHARSET (US-ASCII UTF-8"));
    }
}

#[test]
fn utf8_between_quotes_needs_to_be_enabled() {
    assert!(bad("SEARCH SUBJECT \"café\"").contains("above 127"));
    let Command::Search { search, .. } = command_in("SEARCH SUBJECT \"café\"", WITH_UTF8) else {
        panic!()
    };
    assert_eq!(search.key, SearchKey::Header("SUBJECT".into(), "café".into()));
    // a password is octets: clients write it so without asking
    let Command::Login { password, .. } = command_in("LOGIN bob \"pässwörd\"", STRANGER) else {
        panic!()
    };
    assert_eq!(password, "pässwörd".as_bytes());
}

#[test]
fn sections_of_every_kind() {
    for line in [
        "FETCH 1 BODY[]",
        "FETCH 1 BODY[TEXT]",
        "FETCH 1 BODY[1.HEADER]",
        "FETCH 1 BODY[1.2.TEXT]<5.10>",
        "FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (\"Received\" X-Y)]",
        "FETCH 1 BODY[3.HEADER.FIELDS (Subject)]<0.1>",
        "FETCH 1 (RFC822 RFC822.SIZE RFC822.HEADER RFC822.TEXT)",
        "FETCH 1 BINARY[]",
        "FETCH 1 (BODY BODYSTRUCTURE)",
    ] {
        command(line);
    }
    for line in [
        "FETCH 1 BODY[MIME]",
        "FETCH 1 BODY[0]",
        "FETCH 1 BODY[1.]",
        "FETCH 1 BODY[.1]",
        "FETCH 1 BODY[1..2]",
        "FETCH 1 BODY[HEADER.FIELDS ()]",
        "FETCH 1 BODY[HEADER.FIELDS]",
        "FETCH 1 BODY[]<0.0>",
        "FETCH 1 BODY[]<0>",
        "FETCH 1 BODY[",
        "FETCH 1 BINARY",
        "FETCH 1 BINARY[TEXT]",
        "FETCH 1 BINARY[1.]",
        "FETCH 1 ()",
        "FETCH 1 (ALL)",
        "FETCH 1 ALL FLAGS",
        "FETCH 1 (FLAGS",
        "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        "UID FETCH 1 FLAGS (VANISHED)",
    ] {
        bad(line);
    }
}

#[test]
fn lists_say_what_they_select_by() {
    assert!(bad("LIST (RECURSIVEMATCH) \"\" *").contains("RECURSIVEMATCH"));
    assert!(bad("LIST (REMOTE RECURSIVEMATCH) \"\" *").contains("RECURSIVEMATCH"));
    assert!(bad("LIST (SHINY) \"\" *").contains("SHINY"));
    assert!(bad("LIST \"\" * RETURN (SHINY)").contains("SHINY"));
    assert!(bad("LIST \"\" ()").contains("empty list"));
    assert!(bad("STATUS x ()").contains("empty list"));
    assert!(bad("STATUS x (SHINY)").contains("SHINY"));
    assert!(bad("CREATE x (USE \\Sent)").contains("expected"));
}
