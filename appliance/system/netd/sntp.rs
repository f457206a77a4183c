//! The time of day from several servers (RFC 4330), none of which is believed alone.
//!
//! Each answer is a range in which the true time must be, if its server is right: its time, give
//! or take half of the way there and back. The time that most ranges hold is taken; a server
//! outside of it is wrong. One answer alone is plausible and no more.

use crate::limits;
use crate::request::ClockState;
use std::time::Duration;

/// Octets of a packet without extensions.
pub(crate) const BYTES: usize = 48;
/// Between 1900, where NTP begins, and 1970.
const SINCE_1900: u64 = 2_208_988_800;

/// How far our clock is behind, in nanoseconds, by one server; true within `within`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub behind: i128,
    pub within: i128,
}

/// RFC 4330 5: version 4, client; the transmit field is random and comes back in the answer, so
/// that nobody who does not see our packets can answer them.
pub(crate) fn question(mark: [u8; 8]) -> [u8; BYTES] {
    let mut packet = [0; BYTES];
    packet[0] = 0b00_100_011;
    packet[40..48].copy_from_slice(&mark);
    packet
}

/// Reads an answer: `sent` and `came` are the clock at these moments, since 1970.
pub(crate) fn answer(
    packet: &[u8],
    mark: [u8; 8],
    sent: Duration,
    came: Duration,
) -> Result<Sample, &'static str> {
    let packet: &[u8; BYTES] =
        packet.get(..BYTES).and_then(|p| p.try_into().ok()).ok_or("short")?;
    let (leap, mode, stratum) = (packet[0] >> 6, packet[0] & 7, packet[1]);
    // RFC 4330 5: what a client must check
    if mode != 4 {
        return Err("it is no answer of a server");
    }
    if packet[24..32] != mark {
        return Err("it answers another question");
    }
    if leap == 3 || stratum == 0 || stratum > 15 {
        return Err("the server does not know the time itself");
    }
    let (received, transmitted) = (stamp(&packet[32..40]), stamp(&packet[40..48]));
    if transmitted == 0 || transmitted < received {
        return Err("its times make no sense");
    }
    let (sent, came) = (nanos(sent), nanos(came));
    let way = (came - sent) - (transmitted - received);
    if way < 0 || came < sent {
        return Err("it came before it was asked");
    }
    let behind = ((received - sent) + (transmitted - came)) / 2;
    Ok(Sample { behind, within: way / 2 + nanos(limits::SNTP_SERVER_ERROR) })
}

/// Nanoseconds since 1970. RFC 4330 3: a first bit of 0 is the time after 2036.
fn stamp(octets: &[u8]) -> i128 {
    let number =
        |octets: &[u8]| octets.iter().fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet));
    let (seconds, part) = (number(&octets[..4]), number(&octets[4..]));
    if seconds == 0 && part == 0 {
        return 0;
    }
    let era = if seconds & 0x8000_0000 == 0 { 1 << 32 } else { 0 };
    let seconds = i128::from(seconds + era) - i128::from(SINCE_1900);
    seconds * 1_000_000_000 + i128::from((part * 1_000_000_000) >> 32)
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

/// What all answers together amount to.
pub(crate) fn agree(samples: &[Sample]) -> Option<(Sample, ClockState)> {
    // The best place is where some range begins.
    let beginnings = samples.iter().map(|sample| sample.behind - sample.within);
    let holds = |at: i128, s: &Sample| (s.behind - s.within..=s.behind + s.within).contains(&at);
    let best = beginnings.max_by_key(|at| samples.iter().filter(|s| holds(*at, s)).count())?;
    let fitting: Vec<&Sample> = samples.iter().filter(|sample| holds(best, sample)).collect();
    let begin = fitting.iter().map(|s| s.behind - s.within).max()?;
    let end = fitting.iter().map(|s| s.behind + s.within).min()?;
    let sample = Sample { behind: i128::midpoint(begin, end), within: (end - begin) / 2 };
    if fitting.len() * 2 <= samples.len() {
        return None;
    }
    let state = if fitting.len() >= 2 { ClockState::Synced } else { ClockState::Plausible };
    Some((sample, state))
}

/// What to do about our clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Correction {
    None,
    /// Faster or slower until it is right, in nanoseconds.
    Slew(i128),
    /// At once, since 1970.
    Step(Duration),
    /// The servers say what cannot be.
    Refuse(&'static str),
}

/// Forwards at once, backwards only before anything was believed in this run, and never before the
/// floor. More than ten years after it nobody is believed: that is a broken server.
pub(crate) fn correct(sample: Sample, now: Duration, floor: i64, state: ClockState) -> Correction {
    let small = nanos(limits::SNTP_SLEW);
    if sample.behind.abs() <= sample.within.min(small / 4) {
        return Correction::None;
    }
    if sample.behind.abs() <= small {
        return Correction::Slew(sample.behind);
    }
    let then = nanos(now) + sample.behind;
    let floor = i128::from(floor) * 1_000_000_000;
    let most = floor + i128::from(limits::CLOCK_FLOOR_SECONDS) * 1_000_000_000;
    if then < floor {
        return Correction::Refuse("their time is before this system was built");
    }
    if then > most {
        return Correction::Refuse("their time is more than ten years after this system was built");
    }
    if sample.behind < 0 && state == ClockState::Synced {
        return Correction::Refuse("the clock would go backwards");
    }
    let seconds = u64::try_from(then / 1_000_000_000).unwrap_or(0);
    let rest = u32::try_from(then % 1_000_000_000).unwrap_or(0);
    Correction::Step(Duration::new(seconds, rest))
}
