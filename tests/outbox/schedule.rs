//! Retry times as pure values, and what a status says.

use crate::delivery::dsn::{meaning, status_of};
use crate::delivery::schedule::{Next, after, expires};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

#[test]
fn waits_grow_and_are_never_the_same_for_all() {
    for (tries, minutes) in [(1, 5), (2, 10), (3, 20), (4, 30), (5, 60), (8, 120), (10, 240)] {
        let seconds = minutes * 60;
        let at = |chance| match after(tries, 0, 0, chance) {
            Next::Again { at, late: false } => at,
            other => panic!("{other:?}"),
        };
        assert_eq!(at(0), seconds * 9 / 10);
        let width = u64::try_from(seconds / 5).unwrap();
        assert_eq!(at(width), seconds * 11 / 10, "try {tries}");
        assert_eq!(at(width + 1), at(0));
        assert!((at(0)..=at(width)).contains(&at(u64::MAX)));
    }
    assert_eq!(after(0, 0, 0, 0), after(1, 0, 0, 0));
    assert_eq!(after(u32::MAX, 0, 0, 0), after(10, 0, 0, 0));
}

#[test]
fn late_after_four_hours_and_over_after_five_days() {
    for (chance, least, most) in [(0, 30, 45), (u64::MAX, 25, 45)] {
        let (mut now, mut tries, mut warned_at) = (0, 0, None);
        loop {
            tries += 1;
            match after(tries, 0, now, chance) {
                Next::Again { at, late } => {
                    assert!(at > now && at <= expires(0));
                    assert_eq!(late, now >= 4 * HOUR);
                    warned_at = warned_at.or(late.then_some(now));
                    now = at;
                }
                Next::TooOld => break,
            }
        }
        assert!((least..=most).contains(&tries), "{tries} tries");
        assert!(now > 4 * DAY + 19 * HOUR && now <= 5 * DAY, "the last try is near the end");
        assert!(warned_at.is_some_and(|at| at < 6 * HOUR), "{warned_at:?}");
    }
}

#[test]
fn a_clock_at_its_ends_overflows_nothing() {
    assert_eq!(after(1, 0, i64::MAX, 0), Next::TooOld);
    assert!(matches!(after(1, i64::MAX, i64::MAX, 0), Next::Again { .. }));
    assert!(matches!(after(1, i64::MIN, i64::MIN, 0), Next::Again { .. }));
}

#[test]
fn a_status_is_read_out_of_a_reply() {
    for (reply, status) in [
        ("550 5.1.1 No such user", "5.1.1"),
        ("450 4.2.0 Greylisted", "4.2.0"),
        ("550 No such user", "5.0.0"),
        ("451", "4.0.0"),
        ("550 4.1.1 A liar", "5.0.0"),
        ("550 5.1 is short", "5.0.0"),
        ("550 5.1.1.1 is long", "5.0.0"),
        ("550 5.1234.1 is wide", "5.0.0"),
        ("550 5..1 is thin", "5.0.0"),
        ("", "5.1.2"),
        ("nonsense", "5.1.2"),
    ] {
        assert_eq!(status_of(reply, "5.1.2"), status, "{reply}");
    }
    assert_ne!(meaning("5.1.1"), meaning("5.2.2"));
    assert_ne!(meaning("4.9.9"), meaning("5.9.9"));
    assert!(!meaning("").is_empty());
}
