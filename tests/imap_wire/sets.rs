//! Sequence sets and modified UTF-7.

use crate::wire::imap::sequence::{NoSuchNumber, Ranges, SequenceSet};
use crate::wire::imap::utf7;
use proptest::prelude::*;

fn set(text: &str) -> SequenceSet {
    SequenceSet::parse(text.as_bytes()).unwrap()
}

fn uids(text: &str, largest: u32) -> String {
    set(text).resolve_uids(largest).to_string()
}

#[test]
fn sets_are_read_as_written() {
    assert_eq!(set("2,4:7,9,12:*").ranges, [(2, 2), (4, 7), (9, 9), (12, u32::MAX)]);
    assert_eq!(set("$"), SequenceSet { saved: true, ranges: vec![] });
    assert_eq!(set("*:5").to_string(), "*:5");
    for text in
        ["", ",", "1,", ",1", "0", "1:0", "1:2:3", "a", "-1", "+1", "1:", ":1", "$,1", "1,$", "**"]
    {
        assert!(SequenceSet::parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(SequenceSet::parse(b"4294967296").is_err());
    assert!(SequenceSet::parse(b"99999999999999999999").is_err());
}

#[test]
fn the_largest_stands_for_the_star() {
    assert_eq!(uids("*", 7), "7");
    assert_eq!(uids("3:*", 7), "3:7");
    // RFC 9051 9: 3291:* includes the largest even if it is below
    assert_eq!(uids("3291:*", 7), "7");
    assert_eq!(uids("*:3291", 7), "7");
    assert_eq!(uids("1:*", 0), "");
    assert_eq!(uids("4:2,3,9:7", 8), "2:4,7:8");
    assert_eq!(uids("1:3,4:5,7", 10), "1:5,7");
    // a number that looks like the star is none: it must not hit the last message
    assert_eq!(uids("4294967295", 7), "");
}

#[test]
fn message_numbers_above_the_count_are_errors() {
    let numbers = |text: &str, count| set(text).resolve_numbers(count).map(|set| set.to_string());
    assert_eq!(numbers("1:3", 3), Ok("1:3".into()));
    assert_eq!(numbers("2:*", 3), Ok("2:3".into()));
    assert_eq!(numbers("9:*", 3), Ok("3".into()));
    assert_eq!(numbers("1:*", 0), Ok(String::new()));
    assert_eq!(numbers("4", 3), Err(NoSuchNumber { number: 4, count: 3 }));
    assert_eq!(numbers("4:2", 3), Err(NoSuchNumber { number: 4, count: 3 }));
    assert_eq!(numbers("1", 0), Err(NoSuchNumber { number: 1, count: 0 }));
    let why = numbers("4", 3).unwrap_err().to_string();
    assert_eq!(why, "there is no message 4, the last is 3");
}

#[test]
fn a_huge_range_is_one_range() {
    let all = set("1:4294967295,1:4294967294").resolve_uids(u32::MAX - 1);
    assert_eq!(all.ranges(), [(1, u32::MAX - 1)]);
    assert_eq!(all.count(), u64::from(u32::MAX) - 1);
}

proptest! {
    #[test]
    fn a_set_is_what_it_says(
        ranges in prop::collection::vec((1u32..60, 1u32..60), 1..8),
        star in any::<bool>(),
        largest in 0u32..50,
    ) {
        let mut set = SequenceSet { saved: false, ranges };
        if star {
            set.ranges.push((set.ranges[0].0, u32::MAX));
        }
        let printed = set.to_string();
        prop_assert_eq!(SequenceSet::parse(printed.as_bytes()), Ok(set.clone()));
        let found = set.resolve_uids(largest);
        let end = |n: u32| if n == u32::MAX { largest } else { n };
        let expected: Vec<u32> = (1..=largest)
            .filter(|n| {
                set.ranges.iter().any(|&(a, b)| {
                    let (a, b) = (end(a), end(b));
                    (a.min(b)..=a.max(b)).contains(n)
                })
            })
            .collect();
        prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected.clone());
        for n in 0..70 {
            prop_assert_eq!(found.contains(n), expected.contains(&n));
        }
        prop_assert_eq!(found.count() as usize, expected.len());
        prop_assert_eq!(&Ranges::from_ascending(expected.iter().copied()), &found);
    }

    #[test]
    fn every_text_has_one_modified_utf7(name in ".{0,40}") {
        let encoded = utf7::encode(&name);
        prop_assert!(encoded.bytes().all(|b| (0x20..0x7f).contains(&b)));
        prop_assert_eq!(utf7::decode(encoded.as_bytes()), Some(name));
    }

    #[test]
    fn nothing_but_the_one_spelling_is_read(octets in "[&A-C+,/a-c0-9-]{0,20}") {
        if let Some(name) = utf7::decode(octets.as_bytes()) {
            prop_assert_eq!(utf7::encode(&name), octets);
        }
    }

    #[test]
    fn octets_of_any_kind_do_no_harm(octets in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = utf7::decode(&octets);
        let _ = SequenceSet::parse(&octets);
    }
}

#[test]
fn modified_utf7_as_in_rfc_3501() {
    assert_eq!(utf7::encode("~peter/mail/台北/日本語"), "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
    assert_eq!(utf7::encode("Entwürfe & Ähnliches"), "Entw&APw-rfe &- &AMQ-hnliches");
    assert_eq!(utf7::encode("😀"), "&2D3eAA-");
    assert_eq!(utf7::decode(b"&U,BTFw-"), Some("台北".into()));
    let broken: [&[u8]; 9] = [
        b"&Jjo",               // not ended
        b"&Jjo!",              // not base64
        b"&U,BTFw-&ZeVnLIqe-", // a needless break
        b"&AGE-",              // "a" needs no base64
        b"&Jj-",               // half a unit
        b"&2D0-",              // a lone surrogate
        b"&AP9-",              // bits left over
        b"a\tb",               // not printable
        "ä".as_bytes(),        // not US-ASCII
    ];
    for octets in broken {
        assert_eq!(utf7::decode(octets), None, "{}", String::from_utf8_lossy(octets));
    }
}
