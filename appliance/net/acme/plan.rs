//! When a certificate is asked for, and how it stands: from facts to a decision, without a clock,
//! a file or a socket.
//!
//! ```text
//! what is in use          asked for again
//! the box's own           at once
//! of another authority    at once
//! lacks a wanted name     a day after it was made
//! of an authority         when the authority says (RFC 9773), else after two thirds of its time
//! a try failed            after a while that grows from ten minutes to a day
//! ```

use crate::clock;
use crate::limits;
use serde::{Deserialize, Serialize};

pub(crate) const DAY: i64 = 24 * 3600;

/// What the box remembers of its dealings with an authority.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    /// Tries so far, so that whoever asked can see that one more was made.
    pub tries: u64,
    /// Of the last try.
    pub at: i64,
    /// Tries in a row that failed, and since when.
    pub failures: u32,
    pub failing_since: i64,
    /// What came of the last try, in words.
    pub outcome: String,
    /// When the authority wants the certificate renewed.
    pub window: Option<Window>,
    /// Where the owner writes the records.
    pub by_hand: Option<ByHand>,
    /// Whose the certificate in use is.
    pub directory: String,
    /// When the postmasters were last written to.
    pub letter: i64,
    /// Names of the box that are left out, each with the reason.
    pub left_out: Vec<(String, String)>,
}

/// RFC 9773 4.1: the suggested window, of the certificate that begins so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    pub not_before: i64,
    pub start: i64,
    pub end: i64,
    /// When it is asked for again.
    pub again: i64,
}

/// An order whose records the owner writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ByHand {
    pub order: String,
    pub since: i64,
    /// All names of the order; none in a file written before they were kept.
    #[serde(default)]
    pub names: Vec<String>,
    /// The name and the text of each TXT record; none for a name that the authority still believes.
    pub records: Vec<(String, String)>,
}

impl ByHand {
    /// The names of the order.
    pub(crate) fn all_names(&self) -> Vec<String> {
        if !self.names.is_empty() {
            return self.names.clone();
        }
        let names = self.records.iter();
        names.map(|(name, _)| name.replacen("_acme-challenge.", "", 1)).collect()
    }
}

/// The certificate in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InUse {
    /// Made by the box itself.
    pub own: bool,
    pub not_before: i64,
    pub not_after: i64,
    /// In lower case.
    pub names: Vec<String>,
    /// The SHA-256 of its octets: chance that stays the same.
    pub hash: [u8; 32],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing until then.
    At(i64),
    Now(Why),
    /// A clock that is not set would renew what is good, and call good what has ended.
    NoClock,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Asked,
    First,
    Names,
    Due,
}

/// What the owner asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Asked {
    /// A new one whatever is in use.
    Issue,
    /// A new one if it is time, without waiting after a failure.
    Renew,
}

/// What the certificate is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// In lower case; the first is the box's own.
    pub names: &'a [String],
    pub directory: &'a str,
}

/// What is to be done now.
pub(crate) fn next(
    record: &Record,
    in_use: &InUse,
    wanted: Wanted<'_>,
    asked: Option<Asked>,
    now: i64,
) -> Next {
    if clock::state_at(now) == clock::State::Floor {
        return Next::NoClock;
    }
    let (due, why) = due(record, in_use, wanted);
    match asked {
        Some(Asked::Issue) => return Next::Now(Why::Asked),
        Some(Asked::Renew) if due <= now => return Next::Now(why),
        _ => {}
    }
    // A last try of the future was made by a clock that was wrong.
    let again =
        if record.at > now { now } else { record.at.saturating_add(pause(record.failures)) };
    let at = due.max(again);
    if at <= now { Next::Now(why) } else { Next::At(at) }
}

/// When it is time, failures aside.
fn due(record: &Record, in_use: &InUse, wanted: Wanted<'_>) -> (i64, Why) {
    if in_use.own || record.directory != wanted.directory {
        return (i64::MIN, Why::First);
    }
    let by_time = renewal(record, in_use);
    let lacks = wanted.names.iter().any(|name| !in_use.names.contains(name));
    let by_names = in_use.not_before.saturating_add(DAY);
    if lacks && by_names < by_time { (by_names, Why::Names) } else { (by_time, Why::Due) }
}

/// When the certificate in use is to be renewed.
pub(crate) fn renewal(record: &Record, in_use: &InUse) -> i64 {
    let InUse { not_before, not_after, .. } = *in_use;
    let life = not_after.saturating_sub(not_before).max(0);
    let usual = not_before + life / 3 * 2;
    let Some(window) = record.window.as_ref().filter(|window| window.not_before == not_before)
    else {
        return usual;
    };
    // RFC 9773 4.2: a uniform random time within the window
    let [a, b, c, d, ..] = in_use.hash;
    let chance = i64::from(u32::from_be_bytes([a, b, c, d]));
    let length = window.end.saturating_sub(window.start).clamp(0, 400 * DAY);
    let chosen = window.start.saturating_add((length * chance) >> 32);
    // Whatever an authority says: not so late that one failure would be too many.
    chosen.min(not_after - life / 10)
}

/// After so many failures in a row. Authorities bear few failures in an hour.
pub(crate) fn pause(failures: u32) -> i64 {
    match failures {
        0 => 0,
        1 => 600,
        2 => 3600,
        3 => 6 * 3600,
        _ => DAY,
    }
}

/// How the certificate stands, for the owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Health {
    /// The box's own, as the settings say.
    Own {
        ends: i64,
    },
    Good {
        ends: i64,
        renews: i64,
    },
    /// The first is still to come; the box's own is in use meanwhile.
    Coming,
    /// The last try failed; there is time.
    Failed {
        why: String,
        again: i64,
        /// `None`: the box's own is in use.
        ends: Option<i64>,
    },
    /// It ends soon, or has ended, and is not renewed.
    Urgent {
        why: String,
        again: i64,
        ends: i64,
    },
    /// The owner is to write records.
    ByHand {
        records: Vec<(String, String)>,
        since: i64,
        ends: Option<i64>,
    },
    NoClock,
}

/// How much before its end a certificate that is not renewed is urgent: two weeks, and of one that
/// lives shorter than six the last third.
fn matters(in_use: &InUse) -> i64 {
    let life = in_use.not_after.saturating_sub(in_use.not_before).max(0);
    (limits::CERTIFICATE_WARN_DAYS * DAY).min(life / 3)
}

pub(crate) fn health(record: &Record, in_use: &InUse, wants_authority: bool, now: i64) -> Health {
    let ends = in_use.not_after;
    if !wants_authority {
        return Health::Own { ends };
    }
    if clock::state_at(now) == clock::State::Floor {
        return Health::NoClock;
    }
    let public_ends = (!in_use.own).then_some(ends);
    let again = record.at.saturating_add(pause(record.failures));
    let again = if in_use.own { again } else { again.max(renewal(record, in_use)) };
    let late = !in_use.own && now >= ends - matters(in_use);
    let why = || match record.failures {
        0 => "it was not renewed in time".to_string(),
        _ => record.outcome.clone(),
    };
    match &record.by_hand {
        Some(ByHand { records, since, .. }) => {
            Health::ByHand { records: records.clone(), since: *since, ends: public_ends }
        }
        None if late => Health::Urgent { why: why(), again, ends },
        None if record.failures > 0 => Health::Failed { why: why(), again, ends: public_ends },
        None if in_use.own => Health::Coming,
        None => Health::Good { ends, renews: renewal(record, in_use) },
    }
}
