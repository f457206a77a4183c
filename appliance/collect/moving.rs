//! How a domain comes here from another provider, state by state: pure.
//!
//! ```text
//! lower     the MX may be remembered for a few minutes only, seen twice; what others remembered
//!           before has run out
//! first     all old mail is brought
//! change    every MX leads here, in an answer of the name servers
//! watch     nothing came the old way for some days, while everybody was collected from
//! last      what came since the first run is brought
//! over      the old provider may be left
//! ```
//!
//! It goes on only by what was seen. A question that has no answer changes nothing; an answer that
//! says otherwise takes a step back. The owner may go back, and forward past a run.

use crate::limits::{MOVE_ASK_AGAIN_SECONDS, MOVE_DAYS, MOVE_SILENT_SECONDS, MOVE_TTL_SECONDS};
use crate::store::format::{Move, MoveDay, MoveResult};

const DAY: i64 = 24 * 3600;

/// [`Move::stage`]
pub(crate) const LOWER: u32 = 0;
pub(crate) const FIRST: u32 = 1;
pub(crate) const CHANGE: u32 = 2;
pub(crate) const WATCH: u32 = 3;
pub(crate) const LAST: u32 = 4;
pub(crate) const OVER: u32 = 5;

/// What the name servers say of the MX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// By preference.
    pub hosts: Vec<String>,
    pub ttl: u32,
}

/// What collecting tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    /// Ever.
    pub letters: u64,
    /// When the last came; 0: none.
    pub last: i64,
    /// Accounts that cannot be collected from now.
    pub deaf: Vec<String>,
}

pub(crate) fn begun(domain: &str, now: i64) -> Move {
    Move { domain: domain.to_string(), since: now, asked: true, ..Move::default() }
}

fn enter(row: &mut Move, stage: u32, now: i64) {
    (row.stage, row.since, row.run, row.run_from) = (stage, now, false, 0);
}

/// A look at the name servers. `ours`: names of this box.
pub(crate) fn looked(row: &mut Move, seen: Result<Seen, String>, ours: &[String], now: i64) {
    let first = row.seen_at == 0;
    (row.looked, row.asked) = (now, false);
    let seen = match seen {
        Ok(seen) if !seen.hosts.is_empty() => seen,
        Ok(_) => return row.fault = "there is no MX record".to_string(),
        Err(why) => return row.fault = why,
    };
    row.fault.clear();
    (row.seen_at, row.seen_ttl) = (now, seen.ttl);
    row.seen.clone_from(&seen.hosts);
    low(row, seen.ttl, first, now);
    let is_ours = |host: &String| ours.iter().any(|own| own.eq_ignore_ascii_case(host));
    let here = seen.hosts.iter().all(is_ours);
    match (row.stage, here) {
        (LOWER, _) if row.lowered != 0 && now >= row.low.saturating_add(row.ttl.into()) => {
            enter(row, FIRST, now);
        }
        (CHANGE, true) => {
            row.changed = now;
            enter(row, WATCH, now);
        }
        (WATCH | LAST, false) => {
            row.changed = 0;
            enter(row, CHANGE, now);
        }
        _ => {}
    }
}

/// A name server that remembers an answer counts its TTL down, so that a low one may be the rest of
/// a high one: that rest is over when it is asked again, and a high one cannot have run down by
/// then.
fn low(row: &mut Move, ttl: u32, first: bool, now: i64) {
    // RFC 2181 8: seconds
    row.ttl = row.ttl.max(ttl);
    if ttl > MOVE_TTL_SECONDS {
        (row.low, row.lowered) = (0, 0);
        return;
    }
    if first {
        // What it was before nobody knows; a day is usual.
        row.ttl = row.ttl.max(u32::try_from(DAY).unwrap_or(u32::MAX));
    }
    let between = now.saturating_sub(row.low);
    let again = i64::from(MOVE_TTL_SECONDS)..=MOVE_ASK_AGAIN_SECONDS;
    if row.lowered != 0 {
        return;
    }
    if row.low != 0 && again.contains(&between) {
        row.lowered = now;
    } else if row.low == 0 || between > MOVE_ASK_AGAIN_SECONDS {
        row.low = now;
    }
}

/// What came by collecting, at a look.
pub(crate) fn collected(row: &mut Move, told: Collected, now: i64) {
    let day = now.div_euclid(DAY);
    match row.days.last_mut().filter(|last| last.day == day) {
        Some(last) => last.letters = told.letters,
        None => row.days.push(MoveDay { day, letters: told.letters }),
    }
    let more = row.days.len().saturating_sub(MOVE_DAYS);
    row.days.drain(..more);
    (row.letter, row.deaf) = (told.last, told.deaf);
    if row.stage == WATCH && row.fault.is_empty() && silent(row, now) {
        enter(row, LAST, now);
    }
}

fn silent(row: &Move, now: i64) -> bool {
    let from = row.letter.max(row.changed).max(row.since);
    row.deaf.is_empty() && now.saturating_sub(from) >= MOVE_SILENT_SECONDS
}

/// Letters that came by collecting on each day, the newest first.
pub(crate) fn by_day(row: &Move) -> Vec<(i64, u64)> {
    let pairs = row.days.windows(2).filter_map(|pair| match pair {
        [before, day] => Some((day.day, day.letters.saturating_sub(before.letters))),
        _ => None,
    });
    let mut days: Vec<_> = pairs.collect();
    days.reverse();
    days
}

/// A run came to its end.
pub(crate) fn ran(row: &mut Move, results: Vec<MoveResult>, now: i64) {
    let good = !results.is_empty() && results.iter().all(|one| one.error.is_empty());
    (row.run, row.run_from, row.ran, row.results) = (false, 0, now, results);
    if good && matches!(row.stage, FIRST | LAST) {
        enter(row, row.stage + 1, now);
    }
}

/// The owner goes on without the run. Only runs may be passed over: the rest is seen or not.
pub(crate) fn skip(row: &mut Move, now: i64) -> bool {
    let may = matches!(row.stage, FIRST | LAST);
    if may {
        enter(row, row.stage + 1, now);
    }
    may
}

/// One state back. What was seen is to be seen anew.
pub(crate) fn back(row: &mut Move, now: i64) -> bool {
    if row.stage == LOWER {
        return false;
    }
    if row.stage <= FIRST {
        (row.low, row.lowered) = (0, 0);
    }
    if row.stage <= WATCH {
        row.changed = 0;
    }
    enter(row, row.stage - 1, now);
    true
}

/// When it is looked at next by itself: once a day, and soon where an answer is to be seen again or
/// is waited for.
pub(crate) fn next_look(row: &Move) -> i64 {
    let wait = match row.stage {
        LOWER if row.low != 0 && row.lowered == 0 => i64::from(MOVE_TTL_SECONDS) + 30,
        CHANGE => 3600,
        OVER => return i64::MAX,
        _ => DAY,
    };
    let look = row.looked.saturating_add(wait);
    match row.stage {
        LOWER if row.lowered != 0 => look.min(row.low.saturating_add(row.ttl.into())),
        _ => look,
    }
}

/// When the old provider may be left: other servers try for five days what they could not hand
/// over there (RFC 5321 4.5.4.1).
pub(crate) fn may_close(row: &Move) -> Option<i64> {
    (row.stage == OVER).then(|| row.since.max(row.changed.saturating_add(5 * DAY)))
}
