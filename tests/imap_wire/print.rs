//! Replies, as RFC 9051 shows them.

use crate::wire::imap::print::{Code, Condition, Esearch, ListReply, Printer, StatusValue};
use crate::wire::imap::sequence::Ranges;
use crate::wire::imap::*;

fn printed(utf8: bool, print: impl FnOnce(&mut Printer<'_>)) -> String {
    let mut out = Vec::new();
    print(&mut Printer::new(&mut out, utf8));
    String::from_utf8(out).unwrap()
}

fn ranges(numbers: &[u32]) -> Ranges {
    Ranges::from_ascending(numbers.iter().copied())
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
    assert_eq!(printed(false, |printer| printer.nstring(None)), "NIL");
    let astring = |text: &[u8]| printed(false, |printer| printer.astring(text));
    assert_eq!(astring(b"INBOX"), "INBOX");
    assert_eq!(astring(b"a]"), "a]");
    assert_eq!(astring(b"nil"), "\"nil\"");
    assert_eq!(astring(b"a b"), "\"a b\"");
    assert_eq!(astring(b""), "\"\"");
    assert_eq!(printed(false, |printer| printer.binary(b"a\0")), "~{2}\r\na\0");
    assert_eq!(printed(false, |printer| printer.binary(b"ab")), "{2}\r\nab");
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
fn status_lines_and_their_codes() {
    let line = |tag: &str, condition, code: Option<&Code>, text: &str| {
        printed(false, |printer| printer.status_line(tag, condition, code, text))
    };
    assert_eq!(line("A023", Condition::Ok, None, "done"), "A023 OK done\r\n");
    let word = Code::Word("TRYCREATE");
    assert_eq!(line("a", Condition::No, Some(&word), "no x"), "a NO [TRYCREATE] no x\r\n");
    assert_eq!(line("*", Condition::Bye, None, "bye"), "* BYE bye\r\n");
    let code = |code: Code| printed(false, |printer| printer.code(&code));
    let uids = ranges(&[3955]);
    assert_eq!(code(Code::AppendUid { uidvalidity: 38505, uids }), "APPENDUID 38505 3955");
    let (from, to) = (ranges(&[304, 319, 320]), ranges(&[3956, 3957, 3958]));
    let copied = Code::CopyUid { uidvalidity: 38505, from, to };
    assert_eq!(code(copied), "COPYUID 38505 304,319:320 3956:3958");
    assert_eq!(code(Code::HighestModSeq(715_194_045_007)), "HIGHESTMODSEQ 715194045007");
    assert_eq!(code(Code::Modified(ranges(&[7, 9]))), "MODIFIED 7,9");
    let flags = vec!["\\Deleted".to_string(), "\\Seen".to_string()];
    assert_eq!(
        code(Code::PermanentFlags { flags, any: true }),
        "PERMANENTFLAGS (\\Deleted \\Seen \\*)"
    );
    assert_eq!(code(Code::PermanentFlags { flags: vec![], any: false }), "PERMANENTFLAGS ()");
    assert_eq!(code(Code::UidNext(4392)), "UIDNEXT 4392");
    assert_eq!(code(Code::UidValidity(1)), "UIDVALIDITY 1");
    assert_eq!(code(Code::Unseen(12)), "UNSEEN 12");
    assert_eq!(code(Code::MailboxId("M1".into())), "MAILBOXID (M1)");
    assert_eq!(code(Code::Capability("IMAP4rev2 IDLE".into())), "CAPABILITY IMAP4rev2 IDLE");
}

#[test]
fn lists_and_states_of_mailboxes() {
    let list = |reply: ListReply<'_>| printed(true, |printer| printer.list_reply(&reply));
    let reply = ListReply {
        attributes: &["\\Noselect", "\\HasChildren"],
        mailbox: "foo",
        ..ListReply::default()
    };
    assert_eq!(list(reply), "* LIST (\\Noselect \\HasChildren) \"/\" foo\r\n");
    let old = ListReply { mailbox: "Neu", old_name: Some("Alt ü"), ..ListReply::default() };
    assert_eq!(list(old), "* LIST () \"/\" Neu (\"OLDNAME\" (\"Alt ü\"))\r\n");
    let parent = ListReply { mailbox: "Foo", child_info: true, ..ListReply::default() };
    assert_eq!(list(parent), "* LIST () \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
    let both = ListReply { old_name: Some("o"), ..parent };
    let expected = "* LIST () \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (o))\r\n";
    assert_eq!(list(both), expected);
    let lsub = ListReply { lsub: true, mailbox: "x", ..ListReply::default() };
    assert_eq!(list(lsub), "* LSUB () \"/\" x\r\n");

    let items = [
        (StatusItem::Messages, StatusValue::Number(231)),
        (StatusItem::MailboxId, StatusValue::Id("M2")),
        (StatusItem::AppendLimit, StatusValue::Nil),
    ];
    let status = printed(false, |printer| printer.status_reply("blurdybloop", &items));
    assert_eq!(status, "* STATUS blurdybloop (MESSAGES 231 MAILBOXID (M2) APPENDLIMIT NIL)\r\n");
}

#[test]
fn search_results() {
    let search = |numbers: &[u32], modseq| {
        printed(false, |printer| printer.search_reply(numbers.iter().copied(), modseq))
    };
    assert_eq!(search(&[2, 84, 882], None), "* SEARCH 2 84 882\r\n");
    assert_eq!(search(&[], None), "* SEARCH\r\n");
    assert_eq!(search(&[2, 5], Some(917)), "* SEARCH 2 5 (MODSEQ 917)\r\n");
    let esearch = |found: Esearch| printed(false, |printer| printer.esearch_reply("A282", &found));
    assert_eq!(
        esearch(Esearch { min: Some(2), count: Some(3), ..Esearch::default() }),
        "* ESEARCH (TAG \"A282\") MIN 2 COUNT 3\r\n"
    );
    assert_eq!(
        esearch(Esearch {
            uid: true,
            max: Some(11),
            all: Some(ranges(&[2, 10, 11])),
            modseq: Some(9),
            ..Esearch::default()
        }),
        "* ESEARCH (TAG \"A282\") UID MAX 11 ALL 2,10:11 MODSEQ 9\r\n"
    );
    let none = Esearch { all: Some(Ranges::default()), ..Esearch::default() };
    assert_eq!(esearch(none), "* ESEARCH (TAG \"A282\")\r\n");
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
