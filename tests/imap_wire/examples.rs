//! Every client line of the examples of RFC 9051 and RFC 3501, and of the extensions' RFCs.

use super::{WITH_UTF8, command, command_in, receive};
use crate::wire::imap::sequence::SequenceSet;
use crate::wire::imap::*;

fn text(text: &str) -> String {
    text.to_string()
}

fn set(text: &str) -> SequenceSet {
    SequenceSet::parse(text.as_bytes()).unwrap()
}

fn login(name: &str, password: &str) -> Command {
    Command::Login { name: name.into(), password: password.into() }
}

fn authenticate(mechanism: &str, initial: Option<&str>) -> Command {
    Command::Authenticate { mechanism: text(mechanism), initial: initial.map(Into::into) }
}

fn select(mailbox: &str, read_only: bool) -> Command {
    Command::Select { mailbox: text(mailbox), read_only, condstore: false, qresync: None }
}

fn create(mailbox: &str) -> Command {
    Command::Create { mailbox: text(mailbox), special_use: vec![] }
}

fn rename(from: &str, to: &str) -> Command {
    Command::Rename { from: text(from), to: text(to) }
}

fn basic(reference: &str, pattern: &str) -> List {
    List { reference: text(reference), patterns: vec![text(pattern)], ..List::default() }
}

fn extended(pattern: &str) -> List {
    List { extended: true, ..basic("", pattern) }
}

fn fetch(numbers: &str, items: Vec<FetchItem>) -> Command {
    let set = set(numbers);
    Command::Fetch { uid: false, set, items, changed_since: None, vanished: false }
}

fn uid_fetch(numbers: &str, items: Vec<FetchItem>) -> Command {
    let set = set(numbers);
    Command::Fetch { uid: true, set, items, changed_since: None, vanished: false }
}

fn body(peek: bool, part: &[u32], what: SectionWhat) -> FetchItem {
    let section = Section { part: part.to_vec(), what };
    FetchItem::Section { peek, section, partial: None, name: SectionName::Body }
}

fn names(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

fn search(returns: Option<&[SearchReturn]>, keys: Vec<SearchKey>) -> Command {
    let returns = returns.map(<[SearchReturn]>::to_vec);
    let key = match <[SearchKey; 1]>::try_from(keys) {
        Ok([one]) => one,
        Err(keys) => SearchKey::And(keys),
    };
    Command::Search { uid: false, search: Search { returns, charset: None, key } }
}

fn uid_search(returns: Option<&[SearchReturn]>, keys: Vec<SearchKey>) -> Command {
    match search(returns, keys) {
        Command::Search { search, .. } => Command::Search { uid: true, search },
        other => other,
    }
}

fn flag(name: &str) -> SearchKey {
    SearchKey::Flag(format!("\\{name}"))
}

fn not_from(name: &str) -> SearchKey {
    SearchKey::Not(Box::new(SearchKey::Header(text("FROM"), text(name))))
}

/// 1 February 1994.
const FEBRUARY_1994: i64 = 8_797;

fn store(numbers: &str, action: StoreAction, silent: bool, flags: &[&str]) -> Command {
    Command::Store {
        uid: false,
        set: set(numbers),
        unchanged_since: None,
        action,
        silent,
        flags: flags.iter().map(|flag| text(flag)).collect(),
    }
}

fn copy(uid: bool, numbers: &str, mailbox: &str) -> Command {
    Command::Copy { uid, set: set(numbers), mailbox: text(mailbox) }
}

fn check(examples: Vec<(&str, Command)>) {
    for (line, expected) in examples {
        let tagged = receive(format!("{line}\r\n").as_bytes(), super::LOGGED_IN);
        let (tag, _) = line.split_once(' ').unwrap();
        assert_eq!(tagged, Ok(Tagged { tag: text(tag), command: expected }), "{line}");
    }
}

#[test]
fn any_state_and_log_in() {
    check(vec![
        ("abcd CAPABILITY", Command::Capability),
        ("efgh STARTTLS", Command::StartTls),
        ("a002 NOOP", Command::Noop),
        ("A023 LOGOUT", Command::Logout),
        ("a001 login mrc secret", login("mrc", "secret")),
        ("a001 LOGIN SMITH SESAME", login("SMITH", "SESAME")),
        ("a001 AUTHENTICATE GSSAPI", authenticate("GSSAPI", None)),
        ("A001 AUTHENTICATE SCRAM-SHA-256", authenticate("SCRAM-SHA-256", None)),
        // RFC 4959 4
        (
            "C01 AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=",
            authenticate("PLAIN", Some("dGVzdAB0ZXN0AHRlc3Q=")),
        ),
        ("C01 AUTHENTICATE EXTERNAL =", authenticate("EXTERNAL", Some("="))),
        ("t1 CAPABILITY", Command::Capability),
        ("t2 ENABLE CONDSTORE X-GOOD-IDEA", Command::Enable(names_of("CONDSTORE X-GOOD-IDEA"))),
        ("a1 ENABLE condstore", Command::Enable(names_of("CONDSTORE"))),
        ("a2 ENABLE UTF8=ACCEPT", Command::Enable(names_of("UTF8=ACCEPT"))),
    ]);
}

fn names_of(words: &str) -> Vec<String> {
    words.split(' ').map(text).collect()
}

#[test]
fn mailboxes() {
    check(vec![
        ("A142 SELECT INBOX", select("INBOX", false)),
        ("A143 SELECT Drafts", select("Drafts", false)),
        ("A932 EXAMINE blurdybloop", select("blurdybloop", true)),
        ("A003 CREATE owatagusiam/", create("owatagusiam/")),
        ("A004 CREATE owatagusiam/blurdybloop", create("owatagusiam/blurdybloop")),
        ("A002 CREATE \"INBOX.Sent Mail\"", create("INBOX.Sent Mail")),
        ("A004 CREATE \"Sent Mail\"", create("Sent Mail")),
        ("A006 CREATE \"#mh/Deleted Items\"", create("#mh/Deleted Items")),
        ("A683 DELETE blurdybloop", Command::Delete(text("blurdybloop"))),
        ("A685 DELETE foo/bar", Command::Delete(text("foo/bar"))),
        ("A683 RENAME blurdybloop sarasoop", rename("blurdybloop", "sarasoop")),
        ("Z433 RENAME INBOX old-mail", rename("INBOX", "old-mail")),
        ("A002 SUBSCRIBE #news.comp.mail.mime", Command::Subscribe(text("#news.comp.mail.mime"))),
        (
            "A002 UNSUBSCRIBE #news.comp.mail.mime",
            Command::Unsubscribe(text("#news.comp.mail.mime")),
        ),
        ("A001 NAMESPACE", Command::Namespace),
        (
            "A042 STATUS blurdybloop (UIDNEXT MESSAGES)",
            Command::Status {
                mailbox: text("blurdybloop"),
                items: vec![StatusItem::UidNext, StatusItem::Messages],
            },
        ),
        ("A002 IDLE", Command::Idle),
        ("FXXZ CHECK", Command::Check),
        ("A341 CLOSE", Command::Close),
        ("A342 UNSELECT", Command::Unselect),
        ("A202 EXPUNGE", Command::Expunge { uids: None }),
        ("A003 UID EXPUNGE 3000:3002", Command::Expunge { uids: Some(set("3000:3002")) }),
        // RFC 9208 4.1
        ("A003 GETQUOTA \"\"", Command::GetQuota(vec![])),
        ("A003 GETQUOTAROOT INBOX", Command::GetQuotaRoot(text("INBOX"))),
        ("A001 SETQUOTA \"\" (STORAGE 512)", Command::SetQuota),
        // RFC 6154 5.3
        (
            "t2 CREATE MySpecial (USE (\\Drafts \\Sent))",
            Command::Create {
                mailbox: text("MySpecial"),
                special_use: vec![text("\\Drafts"), text("\\Sent")],
            },
        ),
    ]);
}

#[test]
fn lists() {
    let status = Some(vec![StatusItem::Messages, StatusItem::Unseen]);
    let examples = vec![
        ("A682 LIST \"\" *", basic("", "*")),
        ("A101 LIST \"\" \"\"", basic("", "")),
        ("A102 LIST #news.comp.mail.misc \"\"", basic("#news.comp.mail.misc", "")),
        ("A202 LIST ~/Mail/ %", basic("~/Mail/", "%")),
        ("A002 LIST \"\" \"Other Users/%\"", basic("", "Other Users/%")),
        ("A02 LIST (SUBSCRIBED) \"\" \"*\"", List { select_subscribed: true, ..extended("*") }),
        (
            "A03 LIST () \"\" \"%\" RETURN (CHILDREN)",
            List { return_children: true, ..extended("%") },
        ),
        (
            "A04 LIST (REMOTE) \"\" \"%\" RETURN (CHILDREN)",
            List { select_remote: true, return_children: true, ..extended("%") },
        ),
        (
            "A05 LIST (REMOTE SUBSCRIBED) \"\" \"*\"",
            List { select_remote: true, select_subscribed: true, ..extended("*") },
        ),
        (
            "A06 LIST (REMOTE) \"\" \"*\" RETURN (SUBSCRIBED)",
            List { select_remote: true, return_subscribed: true, ..extended("*") },
        ),
        (
            "C04 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"%\" RETURN (CHILDREN)",
            List {
                select_subscribed: true,
                select_recursive: true,
                return_children: true,
                ..extended("%")
            },
        ),
        ("a1 LIST \"\" (\"foo\")", extended("foo")),
        (
            "a3.1 LIST \"\" (% music/rock)",
            List { patterns: vec![text("%"), text("music/rock")], ..extended("") },
        ),
        (
            "A01 LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN))",
            List { return_status: status, ..extended("%") },
        ),
        ("t1 LIST (SPECIAL-USE) \"\" \"*\"", List { select_special_use: true, ..extended("*") }),
        (
            "t2 LIST \"\" \"%\" RETURN (SPECIAL-USE)",
            List { return_special_use: true, ..extended("%") },
        ),
    ];
    check(examples.into_iter().map(|(line, list)| (line, Command::List(list))).collect());
    let lsub = Command::Lsub { reference: text("#news."), pattern: text("comp.mail.*") };
    check(vec![("A002 LSUB \"#news.\" \"comp.mail.*\"", lsub)]);
}

#[test]
fn searches() {
    use SearchReturn::{All, Count, Max, Min, Save};
    let since = SearchKey::Since(FEBRUARY_1994);
    let junk = SearchKey::Keyword(text("$Junk"));
    check(vec![
        (
            "A282 SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
            search(Some(&[Min, Count]), vec![flag("Flagged"), since.clone(), not_from("Smith")]),
        ),
        (
            "A283 SEARCH RETURN () FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
            search(Some(&[]), vec![flag("Flagged"), since.clone(), not_from("Smith")]),
        ),
        (
            "A282 SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
            search(None, vec![flag("Flagged"), since, not_from("Smith")]),
        ),
        (
            "A283 SEARCH TEXT \"string not in mailbox\"",
            search(None, vec![SearchKey::Text(text("string not in mailbox"))]),
        ),
        (
            "A284 SEARCH RETURN (MIN) UNSEEN",
            search(Some(&[Min]), vec![SearchKey::Not(Box::new(flag("Seen")))]),
        ),
        (
            "A285 UID SEARCH RETURN (MIN MAX) 1:5000",
            uid_search(Some(&[Min, Max]), vec![SearchKey::Sequence(set("1:5000"))]),
        ),
        ("A286 SEARCH RETURN (COUNT) DELETED", search(Some(&[Count]), vec![flag("Deleted")])),
        (
            "A301 UID SEARCH UID $ SMALLER 4096",
            uid_search(None, vec![SearchKey::Uid(set("$")), SearchKey::Smaller(4096)]),
        ),
        (
            "A301 UID SEARCH $ SMALLER 4096",
            uid_search(None, vec![SearchKey::Sequence(set("$")), SearchKey::Smaller(4096)]),
        ),
        ("F282 SEARCH RETURN (SAVE) KEYWORD $Junk", search(Some(&[Save]), vec![junk])),
        (
            "C286 SEARCH RETURN (MAX SAVE MIN COUNT ALL) SINCE 12-Feb-2006 NOT FROM \"Smith\"",
            search(
                Some(&[Max, Save, Min, Count, All]),
                vec![SearchKey::Since(13_191), not_from("Smith")],
            ),
        ),
    ]);
}

#[test]
fn searches_of_extensions() {
    check(vec![
        // RFC 7162 3.1.5
        (
            "a SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338",
            search(None, vec![SearchKey::ModSeq(620_162_338)]),
        ),
        (
            "t SEARCH OR NOT MODSEQ 720162338 LARGER 50000",
            search(
                None,
                vec![SearchKey::Or(
                    Box::new(SearchKey::Not(Box::new(SearchKey::ModSeq(720_162_338)))),
                    Box::new(SearchKey::Larger(50_000)),
                )],
            ),
        ),
        // RFC 5032 2
        (
            "a1 SEARCH UNSEEN YOUNGER 259200",
            search(None, vec![SearchKey::Not(Box::new(flag("Seen"))), SearchKey::Younger(259_200)]),
        ),
        // RFC 8514 5
        (
            "a SEARCH SAVEDSINCE 1-Feb-1994",
            search(None, vec![SearchKey::SavedSince(FEBRUARY_1994)]),
        ),
        // RFC 8474 6
        (
            "a SEARCH EMAILID M6d99ac3275bb4e",
            search(None, vec![SearchKey::EmailId(text("M6d99ac3275bb4e"))]),
        ),
    ]);
}

#[test]
fn searches_with_literals() {
    let wire = "A285 SEARCH CHARSET UTF-8 TEXT {12}\r\nотпуск\r\n";
    let Ok(Tagged { command: Command::Search { search, .. }, .. }) =
        receive(wire.as_bytes(), super::LOGGED_IN)
    else {
        panic!("no search")
    };
    assert_eq!(search.charset.as_deref(), Some("UTF-8"));
    assert_eq!(search.key, SearchKey::Text(text("отпуск")));

    let wire = "P283 SEARCH CHARSET UTF-8 (OR $ 1,3000:3021) TEXT {8+}\r\nмать\r\n";
    let Ok(Tagged { command: Command::Search { search, .. }, .. }) =
        receive(wire.as_bytes(), super::LOGGED_IN)
    else {
        panic!("no search")
    };
    let sets = ["$", "1,3000:3021"].map(|numbers| Box::new(SearchKey::Sequence(set(numbers))));
    let [left, right] = sets;
    let expected = vec![SearchKey::Or(left, right), SearchKey::Text(text("мать"))];
    assert_eq!(search.key, SearchKey::And(expected));

    let mut wire = b"B283 SEARCH RETURN (SAVE) CHARSET KOI8-R TEXT {4}\r\n".to_vec();
    wire.extend_from_slice(b"\xcd\xc1\xd4\xd8\r\n");
    let Ok(Tagged { command: Command::Search { search, .. }, .. }) =
        receive(&wire, super::LOGGED_IN)
    else {
        panic!("no search")
    };
    assert_eq!(search.key, SearchKey::Text(text("мать")));
}

#[test]
fn fetches() {
    use FetchItem::{Envelope, Flags, InternalDate, Rfc822Size, Uid};
    let header = |peek| body(peek, &[], SectionWhat::Header);
    check(vec![
        (
            "A654 FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])",
            fetch(
                "2:4",
                vec![Flags, body(false, &[], SectionWhat::HeaderFields(names(&["DATE", "FROM"])))],
            ),
        ),
        (
            "A283 FETCH $ (UID INTERNALDATE FLAGS BODY.PEEK[HEADER])",
            fetch("$", vec![Uid, InternalDate, Flags, header(true)]),
        ),
        ("A003 FETCH 4 ALL", fetch("4", vec![Flags, InternalDate, Rfc822Size, Envelope])),
        (
            "a003 fetch 12 full",
            fetch("12", vec![Flags, InternalDate, Rfc822Size, Envelope, FetchItem::Body]),
        ),
        ("a004 fetch 12 body[header]", fetch("12", vec![header(false)])),
        ("A003 FETCH 1 FAST", fetch("1", vec![Flags, InternalDate, Rfc822Size])),
        ("A999 UID FETCH 4827313:4828442 FLAGS", uid_fetch("4827313:4828442", vec![Flags])),
        ("A003 UID FETCH 443:557 FLAGS", uid_fetch("443:557", vec![Flags])),
        ("a FETCH 1 BODY[4.2.2.1]", fetch("1", vec![body(false, &[4, 2, 2, 1], SectionWhat::All)])),
        ("a FETCH 1 BODY[4.1.MIME]", fetch("1", vec![body(false, &[4, 1], SectionWhat::Mime)])),
        (
            "a FETCH 1 BODY[]<0.2048>",
            fetch(
                "1",
                vec![FetchItem::Section {
                    peek: false,
                    section: Section::default(),
                    partial: Some((0, 2048)),
                    name: SectionName::Body,
                }],
            ),
        ),
    ]);
}

#[test]
fn fetches_of_extensions() {
    use FetchItem::{Flags, ModSeq, Uid};
    check(vec![
        // RFC 7162 3.1.4.1: and 3.2.6 for VANISHED
        (
            "s100 UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345)",
            Command::Fetch {
                uid: true,
                set: set("1:*"),
                items: vec![Flags],
                changed_since: Some(12_345),
                vanished: false,
            },
        ),
        (
            "s100 UID FETCH 300:500 (FLAGS MODSEQ) (CHANGEDSINCE 12345 VANISHED)",
            Command::Fetch {
                uid: true,
                set: set("300:500"),
                items: vec![Flags, ModSeq],
                changed_since: Some(12_345),
                vanished: true,
            },
        ),
        // RFC 3516 4.2
        (
            "a FETCH 4 BINARY.PEEK[3.1]<0.10>",
            fetch(
                "4",
                vec![FetchItem::Binary { peek: true, part: vec![3, 1], partial: Some((0, 10)) }],
            ),
        ),
        ("a FETCH 4 BINARY.SIZE[2]", fetch("4", vec![FetchItem::BinarySize { part: vec![2] }])),
        // RFC 8474 5.3: and RFC 8514 4.3
        (
            "b FETCH 1:* (UID EMAILID THREADID SAVEDATE)",
            fetch("1:*", vec![Uid, FetchItem::EmailId, FetchItem::ThreadId, FetchItem::SaveDate]),
        ),
    ]);
}

#[test]
fn stores_copies_and_moves() {
    use StoreAction::{Add, Remove, Set};
    check(vec![
        ("A003 STORE 2:4 +FLAGS (\\Deleted)", store("2:4", Add, false, &["\\Deleted"])),
        ("a005 store 12 +flags \\deleted", store("12", Add, false, &["\\Deleted"])),
        ("F284 STORE $ +FLAGS.Silent (\\Deleted)", store("$", Add, true, &["\\Deleted"])),
        ("a STORE 1 FLAGS ()", store("1", Set, false, &[])),
        (
            "a STORE 1 -FLAGS.SILENT \\Seen $Forwarded",
            store("1", Remove, true, &["\\Seen", "$Forwarded"]),
        ),
        (
            "a103 UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)",
            Command::Store {
                uid: true,
                set: set("6,4,8"),
                unchanged_since: Some(12_121_230_045),
                action: Add,
                silent: true,
                flags: vec![text("\\Deleted")],
            },
        ),
        ("A003 COPY 2:4 MEETING", copy(false, "2:4", "MEETING")),
        ("A005 UID COPY 305:310 meeting", copy(true, "305:310", "meeting")),
        ("E283 COPY $ \"Other Messages\"", copy(false, "$", "Other Messages")),
        (
            "a UID MOVE 42:69 foo",
            Command::Move { uid: true, set: set("42:69"), mailbox: text("foo") },
        ),
    ]);
}

#[test]
fn selects_with_qresync() {
    let qresync = |known: Option<&str>, matched: Option<(&str, &str)>| Command::Select {
        mailbox: text("INBOX"),
        read_only: false,
        condstore: false,
        qresync: Some(Qresync {
            uidvalidity: 67_890_007,
            modseq: 20_050_715_194_045_000,
            known: known.map(set),
            matched: matched.map(|(numbers, uids)| (set(numbers), set(uids))),
        }),
    };
    check(vec![
        (
            "A02 SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))",
            qresync(Some("41,43:211,214:541"), None),
        ),
        ("A02 SELECT INBOX (QRESYNC (67890007 20050715194045000))", qresync(None, None)),
        (
            "B04 SELECT INBOX (QRESYNC (67890007 20050715194045000 41:211,214:541 \
             (5,7:9 12,16:18)))",
            qresync(Some("41:211,214:541"), Some(("5,7:9", "12,16:18"))),
        ),
        (
            "B04 SELECT INBOX (QRESYNC (67890007 20050715194045000 (5,7:9 12,16:18)))",
            qresync(None, Some(("5,7:9", "12,16:18"))),
        ),
        (
            "A142 SELECT INBOX (CONDSTORE)",
            Command::Select {
                mailbox: text("INBOX"),
                read_only: false,
                condstore: true,
                qresync: None,
            },
        ),
    ]);
}

#[test]
fn identification() {
    let pair = |name: &str, value: Option<&str>| (name.into(), value.map(Into::into));
    check(vec![
        ("a023 ID NIL", Command::Id(None)),
        ("a023 ID ()", Command::Id(Some(vec![]))),
        (
            "a023 ID (\"name\" \"sodr\" \"version\" \"19.34\" \"vendor\" NIL)",
            Command::Id(Some(vec![
                pair("name", Some("sodr")),
                pair("version", Some("19.34")),
                pair("vendor", None),
            ])),
        ),
    ]);
}

#[test]
fn the_letter_of_rfc_9051_is_appended() {
    let letter = "Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\n\
        From: Fred Foobar <foobar@Blurdybloop.example>\r\n\
        Subject: afternoon meeting\r\n\
        To: mooch@owatagu.siam.edu.example\r\n\
        Message-Id: <B27397-0100000@Blurdybloop.example>\r\n\
        MIME-Version: 1.0\r\n\
        Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\
        \r\n\
        Hello Joe, do you think we can meet at 3:30 tomorrow?\r\n\r\n";
    for plus in ["", "+"] {
        let length = letter.len();
        let wire = format!("APPEND saved-messages (\\Seen) {{{length}{plus}}}\r\n{letter}");
        let expected = AppendMessage {
            flags: vec![text("\\Seen")],
            date: None,
            octets: letter.into(),
            literal8: false,
        };
        let mailbox = text("saved-messages");
        assert_eq!(command(&wire), Command::Append { mailbox, messages: vec![expected] });
    }
}

#[test]
fn several_messages_binary_and_utf8_are_appended() {
    // RFC 3502 6.3.11
    let wire = "APPEND saved-messages (\\Seen) {3+}\r\none \
        (\\Seen) \" 7-Feb-1994 22:43:04 -0800\" {3+}\r\ntwo";
    let Command::Append { messages, .. } = command(wire) else { panic!("no APPEND") };
    let dates: Vec<_> = messages.iter().map(|message| message.date).collect();
    assert_eq!(dates, [None, Some((760_689_784, -480))]);
    assert_eq!(messages[1].octets, b"two");
    // RFC 3516 4.4: octets of any kind
    let Command::Append { messages, .. } = command("APPEND x ~{3+}\r\n\0\x01\0") else {
        panic!("no APPEND")
    };
    assert!(messages[0].literal8 && messages[0].octets == [0, 1, 0]);
    // RFC 6855 4
    let Command::Append { messages, .. } =
        command_in("APPEND x (\\Seen) UTF8 (~{4+}\r\nю\0!)", WITH_UTF8)
    else {
        panic!("no APPEND")
    };
    assert!(messages[0].literal8 && messages[0].octets == "ю\0!".as_bytes());
}
