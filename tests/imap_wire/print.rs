//! Replies, as RFC 9051 shows them.

use crate::wire::imap::print::Printer;
use crate::wire::imap::*;

fn printed(utf8: bool, print: impl FnOnce(&mut Printer<'_>)) -> String {
    let mut out = Vec::new();
    print(&mut Printer::new(&mut out, utf8));
    String::from_utf8(out).unwrap()
}

#[test]
fn strings_are_quoted_where_they_can_be() {
    let string = |text: &[u8]| printed(false, |printer| printer.string(text));
    assert_eq!(string(b"abc"), "\"abc\"");
    assert_eq!(string(b""), "\"\"");
    assert_eq!(string(b"a\"b\\c"), "\"a\\\"b\\\\c\"");
    assert_eq!(string(b"a\r\nb"), "{4}\r\na\r\nb");
    assert_eq!(string("é".as_bytes()), "{2}\r\né");
    assert_eq!(printed(true, |printer| printer.string("é".as_bytes())), "\"é\"");
    assert!(string(&[b'x'; 1001]).starts_with("{1001}\r\n"));
    let astring = |text: &[u8]| printed(false, |printer| printer.astring(text));
    assert_eq!(astring(b"INBOX"), "INBOX");
    assert_eq!(astring(b"a]"), "a]");
    assert_eq!(astring(b"nil"), "\"nil\"");
    assert_eq!(astring(b"a b"), "\"a b\"");
    assert_eq!(astring(b""), "\"\"");
}

#[test]
fn mailbox_names_follow_what_the_session_enabled() {
    let name = |utf8| printed(utf8, |printer| printer.mailbox("Entwürfe & mehr"));
    assert_eq!(name(false), "\"Entw&APw-rfe &- mehr\"");
    assert_eq!(name(true), "\"Entwürfe & mehr\"");
}

#[test]
fn header_texts_never_leave_with_raw_octets_unasked() {
    let text = |utf8, text: &[u8]| printed(utf8, |printer| printer.header_text(Some(text)));
    assert_eq!(text(false, b"plain"), "\"plain\"");
    assert_eq!(text(true, "Grüße".as_bytes()), "\"Grüße\"");
    assert_eq!(text(false, "Grüße".as_bytes()), "\"=?UTF-8?B?R3LDvMOfZQ==?=\"");
    assert_eq!(text(false, "Re: ä ö x".as_bytes()), "\"Re: =?UTF-8?B?w6Qgw7Y=?= x\"");
    assert_eq!(text(false, b"caf\xe9"), "\"caf?\"");
    assert_eq!(text(true, b"caf\xe9"), "\"caf?\"");
    assert_eq!(text(false, b"a\0b"), "\"a?b\"");
    let token =
        |utf8, text: &str| printed(utf8, |printer| printer.header_token(Some(text.as_bytes())));
    assert_eq!(token(false, "jörg"), "\"j??rg\"");
    assert_eq!(token(true, "jörg"), "\"jörg\"");
    // a long run is several encoded words, none above 75 characters, none within a character
    let long = text(false, "ж".repeat(100).as_bytes());
    assert!(long.trim_matches('"').split(' ').all(|word| word.len() <= 75 && word.is_ascii()));
    assert_eq!(long.split(' ').count(), 5);
}

#[test]
fn encoded_words_decode_to_the_text() {
    for subject in ["Grüße", "Re: ä ö x", &"жить ".repeat(40), "x 日本語 y 日本 語"] {
        let printed = printed(false, |printer| printer.header_text(Some(subject.as_bytes())));
        let mail = format!("Subject: {}\r\n\r\n", printed.trim_matches('"'));
        let mail = mail_parser::MessageParser::default().parse(mail.as_bytes()).unwrap();
        assert_eq!(mail.subject().unwrap().trim(), subject.trim());
    }
}

#[test]
fn internal_dates_stand_in_their_zone() {
    let date = |seconds, zone| printed(false, |printer| printer.date_time(seconds, zone));
    assert_eq!(date(837_596_665, -420), "\"17-Jul-1996 02:44:25 -0700\"");
    assert_eq!(date(0, 60), "\" 1-Jan-1970 01:00:00 +0100\"");
    assert_eq!(date(-1, 0), "\"31-Dec-1969 23:59:59 +0000\"");
    assert_eq!(date(0, 330), "\" 1-Jan-1970 05:30:00 +0530\"");
    // times beyond four-digit years stop at them
    assert_eq!(date(i64::MAX, 0), "\"31-Dec-9999 23:59:59 +0000\"");
    assert_eq!(date(i64::MIN, -1), "\" 1-Jan-0000 00:00:00 -0001\"");
}

#[test]
fn fetched_items_are_called_as_they_were_asked_for() {
    for (asked, reply) in [
        ("BODY[]", "BODY[]"),
        ("BODY.PEEK[]<0.2048>", "BODY[]<0>"),
        ("BODY[1.2.TEXT]", "BODY[1.2.TEXT]"),
        ("BODY[2.MIME]", "BODY[2.MIME]"),
        ("BODY.PEEK[HEADER.FIELDS (Date \"x y\")]", "BODY[HEADER.FIELDS (Date \"x y\")]"),
        ("BODY[3.HEADER.FIELDS.NOT (A)]<7.1>", "BODY[3.HEADER.FIELDS.NOT (A)]<7>"),
        ("RFC822", "RFC822"),
        ("RFC822.HEADER", "RFC822.HEADER"),
        ("RFC822.TEXT", "RFC822.TEXT"),
        ("RFC822.SIZE", "RFC822.SIZE"),
        ("BINARY.PEEK[1]<5.6>", "BINARY[1]<5>"),
        ("BINARY.SIZE[1.2]", "BINARY.SIZE[1.2]"),
        ("bodystructure", "BODYSTRUCTURE"),
    ] {
        let Command::Fetch { items, .. } = super::command(&format!("FETCH 1 ({asked})")) else {
            panic!("no FETCH")
        };
        assert_eq!(printed(false, |printer| printer.fetch_label(&items[0])), reply);
    }
}
