//! How far the imports are that are under way, for whoever looks.

use super::imap::import::Progress;
use crate::limits::{IMPORT_PACE_MILLIS, IMPORT_PACE_STEP_MILLIS};
use crate::store::outside::OutsideId;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Shared by the unit that imports and those who look.
#[derive(Default)]
pub(crate) struct Board {
    live: Mutex<HashMap<OutsideId, Live>>,
    /// Somebody began one, or paused it.
    pub changed: Notify,
}

/// One that is under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Live {
    pub done: Progress,
    /// Milliseconds and messages, the oldest first.
    noted: VecDeque<(u64, u64)>,
}

impl Board {
    fn live(&self) -> MutexGuard<'_, HashMap<OutsideId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, id: OutsideId) {
        self.live().insert(id, Live::default());
    }

    pub(crate) fn told(&self, id: OutsideId, done: Progress, now: u64) {
        if let Some(live) = self.live().get_mut(&id) {
            live.told(done, now);
        }
    }

    /// `None`: it is not under way.
    pub(crate) fn of(&self, id: OutsideId) -> Option<Live> {
        self.live().get(&id).cloned()
    }

    pub(crate) fn end(&self, id: OutsideId) -> Option<Live> {
        self.live().remove(&id)
    }
}

impl Live {
    pub(crate) fn told(&mut self, done: Progress, now: u64) {
        let due = |(at, _): &(u64, u64)| now.saturating_sub(*at) >= IMPORT_PACE_STEP_MILLIS;
        if self.noted.back().is_none_or(due) {
            self.noted.push_back((now, done.messages));
        }
        while self.noted.front().is_some_and(|(at, _)| now - *at > IMPORT_PACE_MILLIS) {
            self.noted.pop_front();
        }
        self.done = done;
    }

    /// Messages in a minute, once that can be said.
    pub(crate) fn pace(&self, now: u64) -> Option<u64> {
        let (at, messages) = self.noted.front()?;
        let millis = now.saturating_sub(*at).max(IMPORT_PACE_STEP_MILLIS);
        let pace = self.done.messages.saturating_sub(*messages) * 60_000 / millis;
        (pace > 0).then_some(pace)
    }

    /// Seconds that are left at this pace.
    pub(crate) fn left(&self, now: u64) -> Option<u64> {
        let left = self.done.of.saturating_sub(self.done.messages);
        self.pace(now).map(|pace| (left * 60).div_ceil(pace))
    }
}
