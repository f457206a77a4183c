//! What time it is, by servers that are right, wrong, and worse.

use super::fake::BUILD;
use crate::request::ClockState;
use crate::system::netd::sntp::{Correction, Sample, agree, answer, correct, question};
use proptest::prelude::*;
use std::time::Duration;

const MARK: [u8; 8] = *b"question";
const MS: i128 = 1_000_000;

/// An answer of a server whose clock is ahead of ours by so many seconds.
fn reply(sent: Duration, ahead: u64) -> [u8; 48] {
    let mut packet = [0; 48];
    packet[0] = 0b00_100_100;
    packet[1] = 2;
    packet[24..32].copy_from_slice(&MARK);
    let seconds = (sent.as_secs() + ahead + 2_208_988_800) as u32;
    packet[32..36].copy_from_slice(&seconds.to_be_bytes());
    packet[40..44].copy_from_slice(&seconds.to_be_bytes());
    packet
}

#[test]
fn an_answer_says_how_far_we_are_behind() {
    let sent = Duration::from_secs(1_800_000_000);
    let came = sent + Duration::from_millis(20);
    let sample = answer(&reply(sent, 100), MARK, sent, came).expect("an answer");
    assert_eq!(sample.behind, 100_000 * MS - 10 * MS);
    assert_eq!(sample.within, 10 * MS + 50 * MS);
    // RFC 4330 3: past 2036 the count begins anew
    let sent = Duration::from_secs(2_100_000_000);
    let sample = answer(&reply(sent, 0), MARK, sent, sent).expect("an answer");
    assert_eq!(sample.behind, 0);
    assert_eq!(question(MARK)[40..48], MARK);
}

#[test]
fn an_answer_that_does_not_hold_is_none() {
    let sent = Duration::from_secs(1_800_000_000);
    let good = reply(sent, 1);
    type Change = fn(&mut [u8; 48]);
    let wrong: [Change; 7] = [
        |p| p[0] = 0b00_100_011,
        |p| p[0] = 0b11_100_100,
        |p| p[1] = 0,
        |p| p[1] = 16,
        |p| p[24] ^= 1,
        |p| p[40..48].fill(0),
        |p| p[40] -= 1,
    ];
    for change in wrong {
        let mut packet = good;
        change(&mut packet);
        assert!(answer(&packet, MARK, sent, sent).is_err());
    }
    assert!(answer(&good[..47], MARK, sent, sent).is_err());
    let before = sent - Duration::from_secs(1);
    assert!(answer(&good, MARK, sent, before).is_err(), "a clock that was set meanwhile");
}

fn by(behind_ms: i128) -> Sample {
    Sample { behind: behind_ms * MS, within: 60 * MS }
}

#[test]
fn most_servers_are_believed_and_one_that_lies_is_not() {
    let ten_years = 10 * 365 * 86_400 * 1_000;
    let (sample, state) = agree(&[by(500), by(510), by(ten_years), by(480)]).expect("agreed");
    assert_eq!(state, ClockState::Synced);
    assert!((430 * MS..560 * MS).contains(&sample.behind), "{sample:?}");
    // One alone is plausible; two that disagree are nobody.
    assert_eq!(agree(&[by(500)]).map(|(_, state)| state), Some(ClockState::Plausible));
    assert_eq!(agree(&[by(500), by(9_000)]), None);
    assert_eq!(agree(&[by(0), by(5), by(9_000), by(9_010)]), None);
    assert_eq!(agree(&[]), None);
}

#[test]
fn the_clock_goes_forwards_and_never_before_the_floor_or_out_of_this_world() {
    let now = Duration::from_secs(BUILD.cast_unsigned() + 1_000);
    let floor = BUILD;
    let corrected = |ms, state| correct(by(ms), now, floor, state);
    assert_eq!(corrected(10, ClockState::Floor), Correction::None);
    assert_eq!(corrected(300, ClockState::Synced), Correction::Slew(300 * MS));
    assert_eq!(corrected(-300, ClockState::Synced), Correction::Slew(-300 * MS));
    let step = Correction::Step(now + Duration::from_secs(3_600));
    assert_eq!(corrected(3_600_000, ClockState::Synced), step);
    // Backwards only before anything was believed, and not before the floor.
    let back = Correction::Step(now - Duration::from_secs(500));
    assert_eq!(corrected(-500_000, ClockState::Floor), back);
    assert!(matches!(corrected(-500_000, ClockState::Synced), Correction::Refuse(_)));
    assert!(matches!(corrected(-2_000_000, ClockState::Floor), Correction::Refuse(_)));
    let eleven_years = 11 * 365 * 86_400 * 1_000;
    assert!(matches!(corrected(eleven_years, ClockState::Floor), Correction::Refuse(_)));
}

proptest! {
    #[test]
    fn no_octets_upset_it(
        octets in prop::collection::vec(any::<u8>(), 0..64),
        mark in any::<[u8; 8]>(),
    ) {
        let at = Duration::from_secs(1_800_000_000);
        if let Ok(sample) = answer(&octets, mark, at, at) {
            let _ = correct(sample, at, BUILD, ClockState::Floor);
        }
    }

    /// However many lie alike: with more honest servers the truth is within what is said.
    #[test]
    fn the_honest_outvote_liars(
        honest in prop::collection::vec(-40_i128..40, 3..6),
        lies in prop::collection::vec(10_000_i128..1_000_000, 0..3),
    ) {
        let samples: Vec<Sample> = honest.iter().chain(&lies).map(|ms| by(*ms)).collect();
        let (sample, _) = agree(&samples).expect("agreed");
        prop_assert!(sample.behind.abs() <= 100 * MS);
    }
}
