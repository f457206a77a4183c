//! The one home of the clock. Sessions and the store never ask it: time comes to them as a value
//! or as a `fn() -> i64`, so that a test can fix it.

use crate::limits::CLOCK_FLOOR;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Seconds since 1970; 0 on a board whose clock stands before it.
pub(crate) fn now() -> i64 {
    i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX)
}

/// Microseconds since 1970.
pub(crate) fn now_micros() -> u64 {
    u64::try_from(since_1970().as_micros()).unwrap_or(u64::MAX)
}

/// Now, but never before this program was built: what a certificate is made by. A board that starts
/// in 1970 would else make an authority that has ended when the board is told the time.
pub(crate) fn at_least_built() -> i64 {
    not_before_built(now())
}

/// This time, or the day this program was built if it is before that.
pub(crate) fn not_before_built(now: i64) -> i64 {
    now.max(built())
}

/// Milliseconds by a clock that only grows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticks(Option<Instant>);

impl Ticks {
    /// From now on.
    pub(crate) fn start() -> Ticks {
        Ticks(Some(Instant::now()))
    }

    /// One that stands still: what is slow in a test changes nothing.
    #[cfg(test)]
    pub(crate) fn still() -> Ticks {
        Ticks(None)
    }

    pub(crate) fn micros(self) -> u64 {
        let since = self.0.map_or(0, |start| start.elapsed().as_micros());
        u64::try_from(since).unwrap_or(u64::MAX)
    }

    pub(crate) fn millis(self) -> u64 {
        let since = self.0.map_or(0, |start| start.elapsed().as_millis());
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}

/// How far the clock can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It stands before the day of this program: a board without a clock that nobody told the time.
    Floor,
    /// It may be right.
    Plausible,
}

/// What a clock that says so is worth.
pub(crate) fn state_at(now: i64) -> State {
    let told = TOLD_FLOOR.load(Ordering::Relaxed);
    if told || now < built() { State::Floor } else { State::Plausible }
}

/// A box starts its clock at the newest time that is surely past, which nobody can tell from a
/// right one: there PID 1 says what it is worth.
pub(crate) fn tell(state: State) {
    TOLD_FLOOR.store(state == State::Floor, Ordering::Relaxed);
}

static TOLD_FLOOR: AtomicBool = AtomicBool::new(false);

/// No clock that is right is before this. Whoever builds a release says when
/// (SOURCE_DATE_EPOCH); else it is a day before the first release.
pub(crate) fn built() -> i64 {
    let told = option_env!("SOURCE_DATE_EPOCH").and_then(|seconds| seconds.parse().ok());
    told.unwrap_or(CLOCK_FLOOR).max(CLOCK_FLOOR)
}

fn since_1970() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
