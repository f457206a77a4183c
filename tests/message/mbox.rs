//! The mbox format, read and written.

use crate::message::date::Moment;
use crate::message::mbox::{Entry, Found, Marks, MboxError, Reader, write};
use proptest::prelude::*;

fn all(file: &[u8], limit: usize) -> Result<Vec<Found>, MboxError> {
    let mut reader = Reader::new(file, limit);
    let mut found = Vec::new();
    loop {
        match reader.next()? {
            Found::End => return Ok(found),
            next => found.push(next),
        }
    }
}

fn messages(file: &[u8]) -> Vec<Entry> {
    let found = all(file, 1 << 20).expect("an mbox file");
    let entry = |found| match found {
        Found::Message(entry) => entry,
        other => panic!("{other:?}"),
    };
    found.into_iter().map(entry).collect()
}

fn texts(file: &[u8]) -> Vec<String> {
    messages(file).iter().map(|e| String::from_utf8_lossy(&e.raw).into_owned()).collect()
}

const FROM: &str = "From a@b Fri Nov 21 09:55:06 1997\n";

#[test]
fn from_lines_part_messages_and_quoting_is_undone() {
    let file = format!(
        "{FROM}Subject: 1\n\n>From me\n>>From you\n> From them\nFrom here on it is text\n\n\
         From there too\nFrom a@b Fri Nov 21 09:55:06 1997 without an empty line before\n\n\
         {FROM}Subject: 2\r\n\r\nb\r\n\r\nFrom - Fri Nov 21 09:55:06 1997\n\n"
    );
    assert_eq!(
        texts(file.as_bytes()),
        [
            "Subject: 1\r\n\r\nFrom me\r\n>From you\r\n> From them\r\n\
             From here on it is text\r\n\r\n\
             From there too\r\nFrom a@b Fri Nov 21 09:55:06 1997 without an empty line before\r\n",
            "Subject: 2\r\n\r\nb\r\n",
            "",
        ]
    );
}

#[test]
fn dates_and_places_come_from_the_from_line() {
    let file = b"\n\nFrom some one@b Fri Nov 21 09:55:06 1997 +0100\nA: b\n\n\nFrom x\n\n";
    let [entry] = &messages(file)[..] else { panic!("one message") };
    assert_eq!(entry.at, 2);
    assert_eq!(entry.date, Some(Moment { seconds: 880_102_506, zone_minutes: 60 }));
    assert_eq!(entry.raw, b"A: b\r\n\r\n\r\nFrom x\r\n");
}

#[test]
fn flags_are_read_and_taken_out() {
    let marks = "Status: RO\nX-Status: AF\nX-Keywords: $Forwarded work\n";
    let file = format!("{FROM}A: 1\n{marks}\nx\n");
    let [entry] = &messages(file.as_bytes())[..] else { panic!("one message") };
    assert_eq!(entry.raw, b"A: 1\r\n\r\nx\r\n");
    let marks = &entry.marks;
    assert!(marks.seen && marks.answered && marks.flagged && !marks.draft && !marks.deleted);
    assert_eq!(marks.keywords, ["$Forwarded", "work"]);
}

#[test]
fn what_is_no_mbox_file_is_told_with_its_place() {
    let why = all(b"\n\n\xff\xfe\x00garbage", 100).expect_err("no mbox");
    assert!(matches!(why, MboxError::NoFromLine { at: 2 }), "{why}");
    assert!(why.to_string().contains("offset 2"), "{why}");
    assert_eq!(all(b"", 100).expect("empty"), []);
    assert_eq!(all(b"\n\r\n", 100).expect("empty"), []);
}

#[test]
fn a_message_at_the_limit_is_kept_one_above_is_read_past() {
    let body = |octets: usize| format!("{FROM}{}\n\n", "x".repeat(octets - 2));
    let limit = 20_000;
    let file = [body(limit), body(limit + 1), body(limit * 10), body(10)].concat();
    let found = all(file.as_bytes(), limit).expect("an mbox file");
    let kept: Vec<bool> = found.iter().map(|f| matches!(f, Found::Message(_))).collect();
    assert_eq!(kept, [true, false, false, true]);
}

#[test]
fn a_file_without_line_ends_costs_no_memory() {
    let mut file = FROM.as_bytes().to_vec();
    file.extend(vec![b'x'; 10 << 20]);
    let found = all(&file, 1 << 16).expect("an mbox file");
    assert!(matches!(found[..], [Found::TooLarge { at: 0, octets }] if octets == 10 << 20));
}

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "[ -~]{0,20}",
        ">{0,3}From [ -~]{0,5}",
        Just(FROM.trim_end().to_string()),
        Just(String::new()),
    ];
    let header = "[A-Z][a-z]{0,5}: [a-z]{0,9}";
    (prop::collection::vec(header, 1..4), prop::collection::vec(line, 0..8)).prop_map(|(h, b)| {
        let lines = h.iter().map(String::as_str).chain([""]).chain(b.iter().map(String::as_str));
        lines.map(|line| format!("{line}\r\n")).collect::<String>().into_bytes()
    })
}

fn mails() -> impl Strategy<Value = (Vec<u8>, i64, i32, [bool; 5])> {
    (lines(), 0i64..4_000_000_000, -11i32..12, any::<[bool; 5]>())
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200)
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        mails in prop::collection::vec(mails(), 0..5),
    ) {
        let mut file = Vec::new();
        let mut expected = Vec::new();
        for (raw, seconds, quarter, [seen, answered, flagged, draft, deleted]) in mails {
            let date = Moment { seconds, zone_minutes: quarter * 60 };
            let keywords = if seen { vec!["$Forwarded".to_string()] } else { Vec::new() };
            let marks = Marks { seen, answered, flagged, draft, deleted, keywords };
            let at = file.len() as u64;
            write(&mut file, "a b@c", date, &marks, &raw).expect("memory");
            expected.push(Entry { at, date: Some(date), raw, marks });
        }
        prop_assert_eq!(messages(&file), expected);
    }

    #[test]
    fn any_octets_end(file in octets()) {
        let _ = all(&[FROM.as_bytes(), &file].concat(), 100);
        let _ = all(&file, 100);
    }
}
