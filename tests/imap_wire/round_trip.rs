//! Properties: what is printed is read back, how the octets are cut does not matter, and octets of
//! any kind neither panic nor cost memory.

use super::{LOGGED_IN, STRANGER, WITH_UTF8, receive};
use crate::limits;
use crate::wire::imap::parse::{Event, Mode, Receiver};
use crate::wire::imap::print::Printer;
use crate::wire::imap::sequence::SequenceSet;
use crate::wire::imap::*;
use proptest::prelude::*;

// ---- commands of every kind ----

fn name() -> impl Strategy<Value = String> {
    "[^\0]{0,12}".prop_map(|name| match name.eq_ignore_ascii_case("INBOX") {
        true => "INBOX".to_string(),
        false => name,
    })
}

fn set() -> impl Strategy<Value = SequenceSet> {
    let end = prop_oneof![4 => 1u32..u32::MAX, 1 => Just(u32::MAX)];
    let some = prop::collection::vec((end.clone(), end), 1..5);
    prop_oneof![
        8 => some.prop_map(|ranges| SequenceSet { saved: false, ranges }),
        1 => Just(SequenceSet { saved: true, ranges: vec![] }),
    ]
}

fn key() -> impl Strategy<Value = SearchKey> {
    let leaf = prop_oneof![
        Just(SearchKey::All),
        Just(SearchKey::New),
        Just(SearchKey::Flag("\\Seen".into())),
        set().prop_map(SearchKey::Sequence),
        set().prop_map(SearchKey::Uid),
        "[a-z$]{1,8}".prop_map(SearchKey::Keyword),
        (0i64..20_000).prop_map(SearchKey::Since),
        (0i64..20_000).prop_map(SearchKey::SentBefore),
        (0u64..1 << 62).prop_map(SearchKey::Larger),
        (1u64..1 << 31).prop_map(SearchKey::Younger),
        (0u64..1 << 62).prop_map(SearchKey::ModSeq),
        "[^\0]{0,10}".prop_map(SearchKey::Text),
        ("[a-zA-Z-]{1,9}", "[^\0]{0,10}").prop_map(|(name, text)| SearchKey::Header(name, text)),
        "[a-zA-Z0-9_-]{1,9}".prop_map(SearchKey::EmailId),
    ];
    leaf.prop_recursive(5, 20, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|key| SearchKey::Not(Box::new(key))),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| SearchKey::Or(Box::new(a), Box::new(b))),
            prop::collection::vec(inner, 2..4).prop_map(SearchKey::And),
        ]
    })
}

fn section() -> impl Strategy<Value = Section> {
    let fields = prop::collection::vec("[A-Za-z -]{1,8}".prop_map(String::into_bytes), 1..4);
    let what = prop_oneof![
        Just(SectionWhat::All),
        Just(SectionWhat::Header),
        Just(SectionWhat::Text),
        fields.clone().prop_map(SectionWhat::HeaderFields),
        fields.prop_map(SectionWhat::HeaderFieldsNot),
    ];
    (prop::collection::vec(1u32..50, 0..4), what).prop_map(|(part, what)| Section { part, what })
}

fn item() -> impl Strategy<Value = FetchItem> {
    let partial = prop::option::of((0u64..1 << 40, 1u64..1 << 40));
    prop_oneof![
        Just(FetchItem::Uid),
        Just(FetchItem::BodyStructure),
        Just(FetchItem::Rfc822Size),
        (any::<bool>(), section(), partial).prop_map(|(peek, section, partial)| {
            FetchItem::Section { peek, section, partial, name: SectionName::Body }
        }),
        prop::collection::vec(1u32..9, 0..3).prop_map(|part| FetchItem::BinarySize { part }),
    ]
}

fn append_message() -> impl Strategy<Value = AppendMessage> {
    let flags = prop::sample::subsequence(vec!["\\Seen", "\\Draft", "$Junk", "work"], 0..4)
        .prop_map(|flags| flags.into_iter().map(String::from).collect());
    let date = prop::option::of((0i64..4_000_000_000, -720i32..840));
    (flags, date, prop::collection::vec(any::<u8>(), 0..60))
        .prop_map(|(flags, date, octets)| AppendMessage { flags, date, octets, literal8: true })
}

fn commands() -> impl Strategy<Value = Command> {
    let octets = || prop::collection::vec(1u8..=255, 0..20);
    prop_oneof![
        Just(Command::Capability),
        (octets(), octets()).prop_map(|(name, password)| Command::Login { name, password }),
        (name(), any::<bool>()).prop_map(|(mailbox, read_only)| Command::Select {
            mailbox,
            read_only,
            condstore: read_only,
            qresync: None
        }),
        (name(), name()).prop_map(|(from, to)| Command::Rename { from, to }),
        (name(), name()).prop_map(|(reference, pattern)| Command::Lsub { reference, pattern }),
        (name(), prop::collection::vec(append_message(), 1..4))
            .prop_map(|(mailbox, messages)| Command::Append { mailbox, messages }),
        (any::<bool>(), key()).prop_map(|(uid, key)| Command::Search {
            uid,
            search: Search { returns: Some(vec![SearchReturn::All]), charset: None, key }
        }),
        (any::<bool>(), set(), prop::collection::vec(item(), 1..4)).prop_map(
            |(uid, set, items)| Command::Fetch {
                uid,
                set,
                items,
                changed_since: Some(7),
                vanished: uid
            }
        ),
        (any::<bool>(), set(), name()).prop_map(|(uid, set, mailbox)| Command::Copy {
            uid,
            set,
            mailbox
        }),
    ]
}

// ---- their printer: what a client would send ----

fn print(command: &Command, utf8: bool) -> Vec<u8> {
    let mut out = b"t9 ".to_vec();
    let printer = &mut Printer::new(&mut out, utf8);
    match command {
        Command::Capability => printer.raw("CAPABILITY"),
        Command::Login { name, password } => {
            printer.raw("LOGIN ");
            printer.astring(name);
            printer.raw(" ");
            printer.astring(password);
        }
        Command::Select { mailbox, read_only, condstore, .. } => {
            printer.raw(if *read_only { "EXAMINE " } else { "SELECT " });
            printer.mailbox(mailbox);
            printer.raw(if *condstore { " (CONDSTORE)" } else { "" });
        }
        Command::Rename { from, to } => print_names(printer, "RENAME", from, to),
        Command::Lsub { reference, pattern } => print_names(printer, "LSUB", reference, pattern),
        Command::Append { mailbox, messages } => print_append(printer, mailbox, messages),
        Command::Search { uid, search } => {
            printer.raw(if *uid { "UID " } else { "" });
            printer.raw("SEARCH RETURN (ALL) ");
            print_keys(printer, &search.key);
        }
        Command::Fetch { uid, set, items, .. } => {
            printer.raw(if *uid { "UID " } else { "" });
            printer.value(format_args!("FETCH {set} "));
            printer.list(items, print_item);
            printer.raw(" (CHANGEDSINCE 7");
            printer.raw(if *uid { " VANISHED)" } else { ")" });
        }
        Command::Copy { uid, set, mailbox } => {
            printer.raw(if *uid { "UID " } else { "" });
            printer.value(format_args!("COPY {set} "));
            printer.mailbox(mailbox);
        }
        other => panic!("no printer for {other:?}"),
    }
    printer.raw("\r\n");
    out
}

fn print_names(printer: &mut Printer<'_>, word: &str, first: &str, second: &str) {
    printer.raw(word);
    printer.raw(" ");
    printer.mailbox(first);
    printer.raw(" ");
    printer.mailbox(second);
}

fn print_append(printer: &mut Printer<'_>, mailbox: &str, messages: &[AppendMessage]) {
    printer.raw("APPEND ");
    printer.mailbox(mailbox);
    for message in messages {
        printer.raw(" ");
        if !message.flags.is_empty() {
            printer.list(&message.flags, |printer, flag| printer.raw(flag));
            printer.raw(" ");
        }
        if let Some((seconds, zone)) = message.date {
            printer.date_time(seconds, zone);
            printer.raw(" ");
        }
        printer.raw("~");
        printer.literal(&message.octets);
    }
}

fn print_item(printer: &mut Printer<'_>, item: &FetchItem) {
    match item {
        FetchItem::Section { peek, section, partial, .. } => {
            printer.raw(if *peek { "BODY.PEEK[" } else { "BODY[" });
            printer.section(section);
            printer.raw("]");
            if let Some((from, count)) = partial {
                printer.value(format_args!("<{from}.{count}>"));
            }
        }
        other => printer.fetch_label(other),
    }
}

fn print_keys(printer: &mut Printer<'_>, key: &SearchKey) {
    match key {
        SearchKey::And(keys) => {
            for (i, key) in keys.iter().enumerate() {
                printer.raw(if i > 0 { " " } else { "" });
                print_key(printer, key);
            }
        }
        one => print_key(printer, one),
    }
}

fn print_key(printer: &mut Printer<'_>, key: &SearchKey) {
    match key {
        SearchKey::All => printer.raw("ALL"),
        SearchKey::New => printer.raw("NEW"),
        SearchKey::Flag(_) => printer.raw("SEEN"),
        SearchKey::Sequence(set) => printer.value(set),
        SearchKey::Uid(set) => printer.value(format_args!("UID {set}")),
        SearchKey::Keyword(word) => printer.value(format_args!("KEYWORD {word}")),
        SearchKey::Since(day) => print_date(printer, "SINCE", *day),
        SearchKey::SentBefore(day) => print_date(printer, "SENTBEFORE", *day),
        SearchKey::Larger(size) => printer.value(format_args!("LARGER {size}")),
        SearchKey::Younger(seconds) => printer.value(format_args!("YOUNGER {seconds}")),
        SearchKey::ModSeq(modseq) => printer.value(format_args!("MODSEQ {modseq}")),
        SearchKey::EmailId(id) => printer.value(format_args!("EMAILID {id}")),
        SearchKey::Text(text) => {
            printer.raw("TEXT ");
            printer.astring(text.as_bytes());
        }
        SearchKey::Header(name, text) => {
            printer.raw("HEADER ");
            printer.astring(name.as_bytes());
            printer.raw(" ");
            printer.astring(text.as_bytes());
        }
        SearchKey::Not(key) => {
            printer.raw("NOT ");
            print_key(printer, key);
        }
        SearchKey::Or(left, right) => {
            printer.raw("OR ");
            print_key(printer, left);
            printer.raw(" ");
            print_key(printer, right);
        }
        SearchKey::And(_) => {
            printer.raw("(");
            print_keys(printer, key);
            printer.raw(")");
        }
        other => panic!("no printer for {other:?}"),
    }
}

fn print_date(printer: &mut Printer<'_>, word: &str, day: i64) {
    let mut date = Vec::new();
    Printer::new(&mut date, false).date_time(day * 86_400, 0);
    let date = String::from_utf8(date[1..12].to_vec()).unwrap();
    printer.value(format_args!("{word} {}", date.trim()));
}

// ---- the properties ----

/// All events of `input` given in `pieces` (each a length).
fn events_in_pieces(input: &[u8], pieces: &[usize], mode: Mode) -> Vec<Event> {
    let mut receiver = Receiver::default();
    let (mut buffer, mut events) = (Vec::new(), Vec::new());
    let mut rest = input;
    let mut pieces = pieces.iter().cycle();
    while !rest.is_empty() {
        let size = pieces.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
        let (piece, after) = rest.split_at(size);
        rest = after;
        buffer.extend_from_slice(piece);
        loop {
            match receiver.next(&mut buffer, mode) {
                Event::Need => break,
                event @ Event::Lost(_) => {
                    events.push(event);
                    return events;
                }
                event => events.push(event),
            }
        }
        let most = limits::IMAP_LINE_BYTES + limits::IMAP_LITERAL_BYTES + input.len();
        assert!(receiver.held() + buffer.len() <= most);
    }
    events
}

/// Parts of commands, so that random joins of them go deep into the parser.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "a1 ",
        "LOGIN ",
        "SEARCH ",
        "APPEND INBOX ",
        "UID ",
        "FETCH 1:* ",
        "(",
        ")",
        "\"",
        "\\",
        "{3}\r\n",
        "{3+}\r\n",
        "~{2+}\r\n",
        "{5000+}\r\n",
        "{99999999999+}\r\n",
        "\r\n",
        "\n",
        " ",
        "BODY[",
        "]<0.1>",
        "$",
        "1,2:*",
        "OR ",
        "NOT ",
        "RETURN ",
        "CHARSET x ",
        "&Jjo-",
        "UTF8 ",
        "\0",
        "abc",
        "STORE 1 +FLAGS ",
        "\\Seen",
        "LIST ",
        "SELECT x (QRESYNC (1 2 ",
        "DONE\r\n",
    ])
    .prop_map(|text| text.as_bytes().to_vec());
    let any = prop::collection::vec(any::<u8>(), 0..6);
    prop::collection::vec(prop_oneof![12 => known, 1 => any], 0..40)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_printed_command_is_read_back(command in commands(), utf8 in any::<bool>()) {
        let mode = if utf8 { WITH_UTF8 } else { LOGGED_IN };
        let wire = print(&command, utf8);
        let read = receive(&wire, mode);
        prop_assert_eq!(read, Ok(Tagged { tag: "t9".into(), command }),
            "{}", String::from_utf8_lossy(&wire));
    }

    #[test]
    fn how_octets_are_cut_does_not_matter(
        commands in prop::collection::vec(commands(), 1..5),
        extra in fragments(),
        pieces in prop::collection::vec(1usize..40, 1..10),
    ) {
        let mut wire = extra.clone();
        for command in &commands {
            wire.extend_from_slice(&print(command, false));
        }
        wire.extend_from_slice(&extra);
        let whole = events_in_pieces(&wire, &[], LOGGED_IN);
        for pieces in [&pieces[..], &[1]] {
            prop_assert_eq!(&events_in_pieces(&wire, pieces, LOGGED_IN), &whole);
        }
    }

    #[test]
    fn octets_of_any_kind_do_no_harm(
        wire in fragments(),
        pieces in prop::collection::vec(1usize..20, 1..5),
    ) {
        for mode in [STRANGER, LOGGED_IN, WITH_UTF8] {
            for event in events_in_pieces(&wire, &pieces, mode) {
                if let Event::Command(Err(error)) = event {
                    let mut out = Vec::new();
                    error.print(&mut out);
                    prop_assert!(out.is_ascii() && out.ends_with(b"\r\n"));
                    let lines = out.iter().filter(|b| matches!(b, b'\r' | b'\n' | 0)).count();
                    prop_assert_eq!(lines, 2);
                }
            }
        }
    }
}

#[test]
fn lines_too_long_are_cut_anywhere_too() {
    let mut wire = b"a1 SEARCH TEXT ".to_vec();
    wire.resize(2 * limits::IMAP_LINE_BYTES, b'x');
    wire.extend_from_slice(b" {4+}\r\n\r\n\r\n tail\r\na2 NOOP\r\na3 LOGIN {9000+}\r\n");
    wire.resize(wire.len() + 9000, b'\n');
    wire.extend_from_slice(b" x\r\na4 NOOP\r\n");
    for mode in [LOGGED_IN, STRANGER] {
        let whole = events_in_pieces(&wire, &[], mode);
        assert_eq!(whole.len(), 4);
        for piece in [1, 7, 1000, 65_537] {
            assert_eq!(events_in_pieces(&wire, &[piece], mode), whole, "{piece}");
        }
    }
}
