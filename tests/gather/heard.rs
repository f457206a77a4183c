//! What servers say: the lines of the RFCs, those of servers that are loose, and limits.

use crate::limits;
use crate::wire::imap::StatusItem;
use crate::wire::imap::heard::{
    Came, Code, Fetched, Kind, Listed, Name, Octets, Receiver, Response, Status,
};
use crate::wire::imap::sequence::SequenceSet;
use proptest::prelude::*;

/// All responses in these octets, which come in pieces of `piece`.
fn all(octets: &[u8], piece: usize) -> Vec<Response> {
    let (mut receiver, mut buffer, mut found) = (Receiver::default(), Vec::new(), Vec::new());
    for piece in octets.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match receiver.next(&mut buffer) {
                Came::Need => break,
                Came::Response(response) => found.push(*response),
                Came::Lost(why) => panic!("lost: {why}"),
            }
        }
    }
    assert!(buffer.is_empty(), "{buffer:?} is left");
    found
}

fn one(text: &str) -> Response {
    let found = all(text.as_bytes(), usize::MAX >> 1);
    assert_eq!(found.len(), 1, "{text:?}: {found:?}");
    found.into_iter().next().expect("one")
}

fn fetched(text: &str) -> Fetched {
    match one(text) {
        Response::Fetch(fetched) => fetched,
        other => panic!("{text:?}: {other:?}"),
    }
}

fn status(kind: Kind, code: Option<Code>, text: &str) -> Status {
    Status { kind, code, text: text.to_string() }
}

#[test]
fn what_is_told_without_a_tag_is_read() {
    // RFC 3501 7.1, RFC 9051 7.1, RFC 5530 3
    let untagged = [
        (
            "* OK [CAPABILITY STARTTLS AUTH=GSSAPI IMAP4rev2] IMAP4rev2 Service Ready\r\n",
            Kind::Ok,
            Some(Code::Capability(vec![
                "STARTTLS".into(),
                "AUTH=GSSAPI".into(),
                "IMAP4REV2".into(),
            ])),
            "IMAP4rev2 Service Ready",
        ),
        ("* PREAUTH IMAP4rev1 server logged in as Smith\r\n", Kind::PreAuth, None, ""),
        ("* BYE Autologout; idle for too long\r\n", Kind::Bye, None, ""),
        ("* NO Disk is 98% full, please delete unnecessary data\r\n", Kind::No, None, ""),
        (
            "* OK [UIDVALIDITY 3857529045] UIDs valid\r\n",
            Kind::Ok,
            Some(Code::UidValidity(3_857_529_045)),
            "UIDs valid",
        ),
        ("* OK [UIDNEXT 4392] Predicted next UID\r\n", Kind::Ok, Some(Code::UidNext(4_392)), ""),
        (
            "* OK [PERMANENTFLAGS (\\Deleted \\Seen \\*)] Limited\r\n",
            Kind::Ok,
            Some(Code::Other("PERMANENTFLAGS".into())),
            "Limited",
        ),
        ("* OK [BADCHARSET ({5}] odd\r\n", Kind::Ok, Some(Code::Other("BADCHARSET".into())), "odd"),
        ("* OK see {10}\r\n", Kind::Ok, None, "see {10}"),
    ];
    for (line, kind, code, text) in untagged {
        let Response::Status(found) = one(line) else { panic!("{line}") };
        assert_eq!((found.kind, &found.code), (kind, &code), "{line}");
        assert!(text.is_empty() || found.text == text, "{line}: {found:?}");
    }
}

#[test]
fn ends_of_commands_are_read() {
    // RFC 3501 8, RFC 9051 8
    let tagged = [
        ("a001 OK LOGIN completed\r\n", Kind::Ok, None),
        ("a002 OK [READ-ONLY] EXAMINE completed\r\n", Kind::Ok, Some(Code::ReadOnly)),
        (
            "B NO [AUTHENTICATIONFAILED] Bad password\r\n",
            Kind::No,
            Some(Code::AuthenticationFailed),
        ),
        ("B NO [UNAVAILABLE] User's backend down\r\n", Kind::No, Some(Code::Unavailable)),
        ("B NO [THROTTLED] slow down\r\n", Kind::No, Some(Code::Throttled)),
        (
            "B NO [OVERQUOTA] Account exceeded command or bandwidth limits.\r\n",
            Kind::No,
            Some(Code::OverQuota),
        ),
        (
            "A5 NO [WEBALERT https://accounts.example.net/signin] Web login required.\r\n",
            Kind::No,
            Some(Code::WebAlert("https://accounts.example.net/signin".into())),
        ),
        ("a3 BAD\r\n", Kind::Bad, None),
        ("a3 ok done\n", Kind::Ok, None),
    ];
    for (line, kind, code) in tagged {
        let Response::Done { tag, status } = one(line) else { panic!("{line}") };
        assert_eq!((status.kind, status.code), (kind, code), "{line}");
        assert_eq!(Some(tag.as_str()), line.split(' ').next());
    }
    assert_eq!(
        one("+ Ready for additional command text\r\n"),
        Response::Go(b"Ready for additional command text".to_vec())
    );
    assert_eq!(one("+\r\n"), Response::Go(Vec::new()));
}

#[test]
fn folders_are_listed_with_their_names_and_uses() {
    let listed = |text: &str| match one(text) {
        Response::List(listed) | Response::Lsub(listed) => listed,
        other => panic!("{text:?}: {other:?}"),
    };
    let name = |text: &str| Name(text.as_bytes().to_vec());
    // RFC 3501 7.2.2, RFC 6154 5.1
    assert_eq!(
        listed("* LIST (\\Noselect) \"/\" ~/Mail/foo\r\n"),
        Listed {
            attributes: vec!["\\Noselect".into()],
            delimiter: Some('/'),
            name: name("~/Mail/foo")
        }
    );
    let sent = listed("* LIST (\\HasNoChildren \\Sent) \"/\" \"[Gmail]/Sent Mail\"\r\n");
    assert!(sent.has("\\sent") && !sent.has("\\Drafts"));
    assert_eq!(sent.name.text(), "[Gmail]/Sent Mail");
    assert_eq!(listed("* LIST () NIL inbox\r\n").delimiter, None);
    assert!(listed("* XLIST (\\Inbox) \"/\" \"Eingang\"\r\n").has("\\Inbox"));
    assert_eq!(listed("* LSUB () \".\" #news.comp.mail.misc\r\n").delimiter, Some('.'));
    assert_eq!(listed("* LIST () \"\\\\\" {7}\r\na\"b\\c d\r\n").name, name("a\"b\\c d"));
    // RFC 3501 5.1.3: what is broken stands for itself
    assert_eq!(
        listed("* LIST () \"/\" \"~peter/mail/&U,BTFw-/&ZeVnLIqe-\"\r\n").name.text(),
        "~peter/mail/台北/日本語"
    );
    assert_eq!(listed("* LIST () \"/\" \"R&D\"\r\n").name.text(), "R&D");
    assert_eq!(listed("* LIST () \"/\" \"&Jjo!\"\r\n").name.text(), "&Jjo!");
    assert_eq!(listed("* LIST () \"/\" \"Entwürfe\"\r\n").name.text(), "Entwürfe");
    // RFC 9051 7.3.1: OLDNAME and the like behind it
    let old = "* LIST () \"/\" \"NewMailbox\" (\"OLDNAME\" (\"OldMailbox\"))\r\n";
    assert_eq!(listed(old).name, name("NewMailbox"));
    assert!(matches!(one("* LIST () \"/\"\r\n"), Response::Odd(_)));
    assert!(matches!(one("* LIST (\\A \"/\" x\r\n"), Response::Odd(_)));
}

#[test]
fn messages_are_read_whole() {
    // RFC 3501 8: with a body as a literal
    let text = "* 12 FETCH (FLAGS (\\Seen $Forwarded) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" \
                RFC822.SIZE 4286 UID 7 BODY[] {5}\r\na\r\nb))\r\n";
    let found = fetched(text);
    assert_eq!((found.number, found.uid, found.size), (12, Some(7), Some(4_286)));
    assert_eq!(found.flags, Some(vec!["\\Seen".to_string(), "$Forwarded".to_string()]));
    assert_eq!(found.date, Some((837_596_665, -420)));
    assert_eq!(found.body, Some(Octets::Held(b"a\r\nb)".to_vec())));
    for (text, body) in [
        ("* 1 FETCH (UID 9 BODY[] {3}\r\nabc)\r\n", Octets::Held(b"abc".to_vec())),
        ("* 1 FETCH (UID 9 BODY[] ~{3}\r\na\0c)\r\n", Octets::Held(b"a\0c".to_vec())),
        ("* 1 FETCH (BODY[] \"a \\\"b\\\" c\" UID 9)\r\n", Octets::Held(b"a \"b\" c".to_vec())),
        ("* 1 FETCH (UID 9 BODY[]<0> {1}\r\nx)\r\n", Octets::Held(b"x".to_vec())),
        ("* 1 FETCH (UID 9 RFC822 {0}\r\n)\r\n", Octets::Held(Vec::new())),
        ("* 1 FETCH (UID 9 BODY[] NIL)\r\n", Octets::Nil),
        ("* 1 FETCH ( UID 9  body[] {2}\nok )\n", Octets::Held(b"ok".to_vec())),
    ] {
        let found = fetched(text);
        assert_eq!((found.uid, found.body), (Some(9), Some(body)), "{text:?}");
    }
    // What nobody asked for is passed over.
    let found = fetched(
        "* 3 FETCH (ENVELOPE (\"d\" {1}\r\ns ((NIL NIL \"a\" \"b\")) NIL) BODY[HEADER.FIELDS (DATE \
         FROM)] {4}\r\nx: y BODYSTRUCTURE (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 5 1) UID 4 \
         MODSEQ (624140003) EMAILID (M6d99)  PREVIEW NIL)\r\n",
    );
    assert_eq!((found.uid, found.modseq, found.body), (Some(4), Some(624_140_003), None));
}

#[test]
fn labels_of_gmail_are_read() {
    // developers.google.com/workspace/gmail/imap/imap-extensions
    let found = fetched(
        "* 1 FETCH (X-GM-MSGID 1278455344230334865 X-GM-LABELS (\\Inbox \\Sent Important \"Muy \
         Importante\" {3}\r\na b foo/&BB8-) UID 5)\r\n",
    );
    let labels: Vec<String> = found.labels.unwrap().iter().map(Name::text).collect();
    assert_eq!(labels, ["\\Inbox", "\\Sent", "Important", "Muy Importante", "a b", "foo/П"]);
    assert_eq!((found.gmail_id, found.uid), (Some(1_278_455_344_230_334_865), Some(5)));
}

#[test]
fn counts_and_searches_are_read() {
    // RFC 3501 7.2.4, RFC 9051 7.3.4, RFC 7162 3.2.10
    let StatusOf { mailbox, items } = status_of(
        "* STATUS blurdybloop (MESSAGES 231 X-NEW (a b) UIDNEXT 44292 MAILBOXID (F2))\r\n",
    );
    assert_eq!(mailbox.text(), "blurdybloop");
    assert_eq!(items, [(StatusItem::Messages, 231), (StatusItem::UidNext, 44_292)]);
    assert_eq!(one("* SEARCH 2 84 882\r\n"), Response::Search(vec![2, 84, 882]));
    assert_eq!(one("* SEARCH\r\n"), Response::Search(Vec::new()));
    assert_eq!(one("* SEARCH 2 5 (MODSEQ 917162500)\r\n"), Response::Search(vec![2, 5]));
    let set = |text: &str| SequenceSet::parse(text.as_bytes()).unwrap();
    let found = "* ESEARCH (TAG \"A284\") UID MIN 2 COUNT 17 ALL 4:18,21\r\n";
    assert_eq!(one(found), Response::Esearch(Some(set("4:18,21"))));
    assert_eq!(one("* ESEARCH (TAG \"A284\") UID\r\n"), Response::Esearch(None));
    let gone = Response::Vanished { earlier: true, uids: set("41,43:116") };
    assert_eq!(one("* VANISHED (EARLIER) 41,43:116\r\n"), gone);
    assert_eq!(one("* 172 EXISTS\r\n"), Response::Exists(172));
    assert_eq!(one("* 44 EXPUNGE\r\n"), Response::Expunge(44));
    assert_eq!(one("* FLAGS (\\Answered \\Seen)\r\n"), Response::Other("FLAGS".into()));
    assert!(matches!(one("* ESEARCH (TAG \"a\") UID ALL 1:*\r\n"), Response::Odd(_)));
}

struct StatusOf {
    mailbox: Name,
    items: Vec<(StatusItem, u64)>,
}

fn status_of(text: &str) -> StatusOf {
    match one(text) {
        Response::StatusOf { mailbox, items } => StatusOf { mailbox, items },
        other => panic!("{other:?}"),
    }
}

#[test]
fn nonsense_costs_only_itself() {
    let text = "* 0 FETCH (UID 0)\r\n* 1 FETCH (UID 99999999999)\r\nHTTP/1.1 400 Bad\r\n\r\n\
                * 1 FETCH (FLAGS (\\Seen)\r\n* STATUS x (MESSAGES -1)\r\n* 5 EXISTS\r\n";
    let found = all(text.as_bytes(), 7);
    assert_eq!(found.len(), 7, "{found:?}");
    assert!(found[..6].iter().all(|it| matches!(it, Response::Odd(_))), "{found:?}");
    assert_eq!(found[6], Response::Exists(5));
}

#[test]
fn what_is_too_large_is_read_and_not_kept() {
    let beyond = limits::MESSAGE_BYTES + 1;
    let mut receiver = Receiver::default();
    let mut buffer = format!("* 1 FETCH (UID 5 BODY[] {{{beyond}}}\r\n").into_bytes();
    assert_eq!(receiver.next(&mut buffer), Came::Need);
    let piece = vec![b'x'; 1 << 20];
    let mut left = beyond;
    while left > 0 {
        let now = left.min(piece.len());
        buffer.extend_from_slice(&piece[..now]);
        left -= now;
        assert_eq!(receiver.next(&mut buffer), Came::Need);
        assert!(buffer.is_empty());
    }
    buffer.extend_from_slice(b")\r\n* 2 EXISTS\r\n");
    let Came::Response(response) = receiver.next(&mut buffer) else { panic!("a response") };
    let Response::Fetch(found) = *response else { panic!("{response:?}") };
    assert_eq!(found.body, Some(Octets::TooLarge(beyond as u64)));
    assert_eq!(receiver.next(&mut buffer), Came::Response(Box::new(Response::Exists(2))));
    // Lines, and literals without number.
    let mut line = vec![b'x'; limits::IMAP_HEARD_LINE_BYTES + 1];
    assert!(matches!(Receiver::default().next(&mut line), Came::Lost(_)));
    let mut many = b"{0}\r\n".repeat(limits::IMAP_HEARD_LITERALS + 2);
    let mut receiver = Receiver::default();
    assert!(matches!(receiver.next(&mut many), Came::Lost(_)));
}

/// A status, whatever it is made of.
#[test]
fn text_of_a_status_has_no_control_characters() {
    let Response::Status(found) = one("* OK hello\u{7}\u{1b}[31m there\r\n") else { panic!() };
    assert_eq!(found, status(Kind::Ok, None, "hello  [31m there"));
}

proptest! {
    #[test]
    fn cuts_do_not_matter(
        octets in prop::collection::vec(any::<u8>(), 0..400),
        piece in 1usize..40,
    ) {
        crate::fuzz_entry::imap_response(&[&[piece as u8], octets.as_slice()].concat());
    }

    #[test]
    fn a_message_of_any_octets_comes_as_it_is(
        body in prop::collection::vec(any::<u8>(), 0..3_000),
        uid in 1u32..,
        piece in 1usize..500,
    ) {
        let mut text = format!("* 9 FETCH (UID {uid} BODY[] {{{}}}\r\n", body.len()).into_bytes();
        text.extend_from_slice(&body);
        text.extend_from_slice(b" FLAGS (\\Seen))\r\nA1 OK done\r\n");
        let found = all(&text, piece);
        prop_assert_eq!(found.len(), 2);
        let Response::Fetch(one) = &found[0] else { panic!("{:?}", found[0]) };
        prop_assert_eq!(one.uid, Some(uid));
        prop_assert_eq!(one.body.clone(), Some(Octets::Held(body)));
        prop_assert_eq!(one.flags.clone(), Some(vec!["\\Seen".to_string()]));
    }
}
