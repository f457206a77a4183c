//! The one home of the clock. Sessions and the store never ask it: time comes to them as a value
//! or as a `fn() -> i64`, so that a test can fix it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970; 0 on a board whose clock stands before it.
pub(crate) fn now() -> i64 {
    i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX)
}

/// Microseconds since 1970.
pub(crate) fn now_micros() -> u64 {
    u64::try_from(since_1970().as_micros()).unwrap_or(u64::MAX)
}

fn since_1970() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
