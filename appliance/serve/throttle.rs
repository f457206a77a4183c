//! How guessing is slowed, as a pure table in memory.
//!
//! What counts is the pair of address and account: after a few failures each further attempt of
//! that pair waits its turn, each turn longer than the last. An attacker elsewhere is another pair,
//! so nobody can lock a person out. An address that fails for many accounts waits as well, a little
//! more for each further name.
//!
//! ```text
//! failures of the pair     0..3  4    5    6    7 and more
//! wait before an attempt   0     1 s  2 s  4 s  8 s         one attempt after another
//! ```

use crate::limits;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Networks as `net::network` makes them; names folded and hashed, so that long ones cost nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Pair {
    pub network: IpAddr,
    pub name: [u8; 16],
}

/// When an attempt may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    After(Duration),
    /// So many attempts wait already that this one is turned away unchecked.
    Crowded,
}

#[derive(Debug, Default)]
pub(crate) struct Throttle {
    pairs: HashMap<Pair, Record>,
    /// Names that failed, by network.
    names: HashMap<IpAddr, u32>,
}

#[derive(Debug)]
struct Record {
    failures: u32,
    /// Milliseconds of the last failure.
    last: u64,
    /// Milliseconds from which the next attempt may run.
    free: u64,
}

impl Throttle {
    /// Asks for a turn at `now` (milliseconds of any clock that only grows).
    pub(crate) fn turn(&mut self, pair: Pair, now: u64) -> Turn {
        let spread = self.names.get(&pair.network).copied().unwrap_or_default();
        let spread = spread_wait(spread);
        let Some(record) = self.pairs.get_mut(&pair) else { return Turn::After(spread) };
        if now.saturating_sub(record.last) >= millis(limits::LOGIN_MEMORY) {
            self.forget(pair);
            return Turn::After(spread);
        }
        let wait = millis(pair_wait(record.failures).max(spread));
        if wait == 0 {
            return Turn::After(Duration::ZERO);
        }
        let start = record.free.max(now.saturating_add(wait));
        let ahead = start.saturating_sub(now);
        if ahead > millis(limits::LOGIN_QUEUE) && !is_near(pair.network) {
            return Turn::Crowded;
        }
        record.free = start.saturating_add(wait);
        Turn::After(Duration::from_millis(ahead))
    }

    /// How long it is until an attempt may run, for one who is told so and comes again: it takes no
    /// turn from anybody.
    pub(crate) fn look(&mut self, pair: Pair, now: u64) -> Duration {
        let spread = spread_wait(self.names.get(&pair.network).copied().unwrap_or_default());
        let Some(record) = self.pairs.get(&pair) else { return spread };
        if now.saturating_sub(record.last) >= millis(limits::LOGIN_MEMORY) {
            self.forget(pair);
            return spread;
        }
        let wait = millis(pair_wait(record.failures).max(spread));
        Duration::from_millis(record.last.saturating_add(wait).saturating_sub(now))
    }

    /// A wrong password.
    pub(crate) fn failed(&mut self, pair: Pair, now: u64) {
        if !self.pairs.contains_key(&pair) {
            self.make_room(now);
            *self.names.entry(pair.network).or_default() += 1;
        }
        let record = Record { failures: 0, last: now, free: 0 };
        let record = self.pairs.entry(pair).or_insert(record);
        record.failures = record.failures.saturating_add(1);
        record.last = now;
    }

    /// The right password: the pair starts anew.
    pub(crate) fn granted(&mut self, pair: Pair) {
        self.forget(pair);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    fn forget(&mut self, pair: Pair) {
        if self.pairs.remove(&pair).is_none() {
            return;
        }
        if let Some(names) = self.names.get_mut(&pair.network) {
            *names = names.saturating_sub(1);
            if *names == 0 {
                self.names.remove(&pair.network);
            }
        }
    }

    /// What is over goes first, then the oldest tenth, so that a flood pays for it seldom.
    fn make_room(&mut self, now: u64) {
        if self.pairs.len() < limits::LOGIN_PAIRS {
            return;
        }
        let mut ages: Vec<(u64, Pair)> = self.pairs.iter().map(|(p, r)| (r.last, *p)).collect();
        ages.sort_unstable_by_key(|(last, _)| *last);
        let over = now.saturating_sub(millis(limits::LOGIN_MEMORY));
        let tenth = limits::LOGIN_PAIRS / 10;
        for (index, (last, pair)) in ages.into_iter().enumerate() {
            if index > tenth && last > over {
                break;
            }
            self.forget(pair);
        }
    }
}

fn pair_wait(failures: u32) -> Duration {
    match failures.checked_sub(limits::LOGIN_FAILURES_BEFORE_DELAY + 1) {
        Some(beyond) => Duration::from_secs(1_u64 << beyond.min(16)).min(limits::LOGIN_DELAY),
        None => Duration::ZERO,
    }
}

fn spread_wait(names: u32) -> Duration {
    let beyond = names.saturating_sub(limits::LOGIN_NAMES_BEFORE_DELAY);
    Duration::from_millis(500 * u64::from(beyond)).min(limits::LOGIN_DELAY)
}

/// The box itself and the office's own network: delayed, never turned away.
fn is_near(network: IpAddr) -> bool {
    match network {
        IpAddr::V4(address) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        IpAddr::V6(address) => {
            // A network is a /64, in which ::1 is ::.
            address.is_unspecified()
                || address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
