//! Mail by the hour, counted from the stories: each is read once, and only the new ones again.

use crate::limits;
use crate::store::format::Trace;
use crate::store::{MailId, Store, StoreError, trace};
use std::collections::BTreeMap;

const HOUR: i64 = 3600;

/// The messages of one hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hour {
    /// Taken, and not as junk.
    pub good: u32,
    pub junk: u32,
    pub refused: u32,
}

impl Hour {
    pub(crate) fn all(self) -> u32 {
        self.good + self.junk + self.refused
    }
}

/// What is counted so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counted: MailId,
    hours: BTreeMap<i64, Hour>,
}

/// The hours up to now, the oldest first.
pub(crate) struct Counted {
    /// Each with its begin, seconds since 1970.
    pub hours: Vec<(i64, Hour)>,
    /// Not everything is counted yet: the rest follows with the next look.
    pub more: bool,
}

impl Tally {
    /// Counts what is new, within the bounds of one request.
    pub(crate) fn count(&mut self, store: &Store, now: i64) -> Result<Counted, StoreError> {
        let newest = now.div_euclid(HOUR);
        let oldest = newest - limits::TALLY_HOURS + 1;
        self.hours.retain(|hour, _| (oldest..=newest).contains(hour));
        let since = u64::try_from(oldest * HOUR).unwrap_or(0).saturating_mul(1_000_000);
        self.counted = self.counted.max(MailId(since.saturating_sub(1)));
        let mut more = true;
        for _ in 0..limits::TALLY_TURNS {
            let read = store.snapshot()?;
            let stories = trace::following(&read, self.counted, limits::TALLY_STORIES)?;
            drop(read);
            more = stories.len() == limits::TALLY_STORIES;
            for (id, story) in stories {
                self.counted = id;
                let hour = i64::try_from(id.0 / 1_000_000).unwrap_or(i64::MAX).div_euclid(HOUR);
                if let (Some(story), true) = (story, (oldest..=newest).contains(&hour)) {
                    add(self.hours.entry(hour).or_default(), &story);
                }
            }
            if !more {
                break;
            }
        }
        let of = |hour: i64| (hour * HOUR, self.hours.get(&hour).copied().unwrap_or_default());
        Ok(Counted { hours: (oldest..=newest).map(of).collect(), more })
    }
}

/// A letter of the box itself counts as nothing: nobody sent it.
fn add(hour: &mut Hour, story: &Trace) {
    let has = |what: &str| story.steps.iter().any(|step| step.what == what);
    let is_junk = |step: &crate::store::format::TraceStep| {
        step.what == "judged" && step.text.starts_with("junk ")
    };
    if !has("accepted") {
        hour.refused += u32::from(has("refused"));
    } else if story.steps.iter().any(is_junk) {
        hour.junk += 1;
    } else {
        hour.good += 1;
    }
}
