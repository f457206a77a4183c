//! When to try again, when to warn, when to give up: pure, with time and chance as values.
//!
//! ```text
//! tries   1   2    3    4    5  6  7  8  9 10 and more
//! wait    5 m 10 m 20 m 30 m 1h 1h 1h 2h 2h 4 h            each up to a tenth shorter or longer
//!
//! 0 --------- 4 h: the sender hears of the delay --------- 5 days: the sender gets it back
//! ```

use crate::limits::{
    OUTBOX_DELAY_WARNING, OUTBOX_EXPIRES, OUTBOX_JITTER_PERCENT, OUTBOX_WAIT_MINUTES,
};
use std::time::Duration;

/// What follows a try that came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Seconds since 1970; and has it come to the time when the sender is to hear of it?
    Again { at: i64, late: bool },
    /// RFC 5321 4.5.4.1: after four or five days it is given up
    TooOld,
}

/// After try number `tries` (from 1) at `now`, of what was `created` then.
pub(crate) fn after(tries: u32, created: i64, now: i64, chance: u64) -> Next {
    let at = now.saturating_add(wait(tries, chance));
    if at > expires(created) {
        return Next::TooOld;
    }
    let late = now.saturating_sub(created) >= seconds(OUTBOX_DELAY_WARNING);
    Next::Again { at, late }
}

/// The last moment at which what was `created` then is tried.
pub(crate) fn expires(created: i64) -> i64 {
    created.saturating_add(seconds(OUTBOX_EXPIRES))
}

/// Seconds. The jitter keeps the tries of many messages from falling together.
fn wait(tries: u32, chance: u64) -> i64 {
    let step = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    let longest = OUTBOX_WAIT_MINUTES.last().copied().unwrap_or(60);
    let wait = OUTBOX_WAIT_MINUTES.get(step).copied().unwrap_or(longest) * 60;
    let jitter = wait * OUTBOX_JITTER_PERCENT / 100;
    let off = i64::try_from(chance % (2 * jitter + 1)).unwrap_or(0);
    i64::try_from(wait - jitter).unwrap_or(i64::MAX).saturating_add(off)
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}
