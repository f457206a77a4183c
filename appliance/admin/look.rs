//! What the world sees of the box, looked at in the background: it takes up to a minute, and no
//! page waits for it.

use super::house::House;
use crate::act::check::{Finding, machine};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the last look came to, and whether one is under way.
#[derive(Default, Clone)]
pub(crate) struct Looked {
    pub running: bool,
    /// When it ended, seconds since 1970, and what it found.
    pub last: Option<(i64, Arc<Vec<Finding>>)>,
}

/// Shared with the thread that looks.
#[derive(Default, Clone)]
pub(crate) struct Looks {
    state: Arc<Mutex<Looked>>,
}

impl Looks {
    fn state(&self) -> MutexGuard<'_, Looked> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Looked {
        self.state().clone()
    }

    /// Looks, unless somebody does already.
    pub(crate) fn begin(&self, look: impl FnOnce() -> (i64, Vec<Finding>) + Send + 'static) {
        let mut state = self.state();
        if std::mem::replace(&mut state.running, true) {
            return;
        }
        drop(state);
        let looks = self.clone();
        let begun = std::thread::Builder::new().name("look".into()).spawn(move || {
            // Also after a panic the next look may begin.
            let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(look)).ok();
            let mut state = looks.state();
            state.running = false;
            state.last = found.map(|(at, found)| (at, Arc::new(found))).or(state.last.take());
        });
        if begun.is_err() {
            self.state().running = false;
        }
    }
}

impl House {
    /// Looks at the machine and the world in the background.
    pub(crate) fn begin_look(&self) {
        let (data, clock): (PathBuf, fn() -> i64) = (self.data.clone(), self.clock);
        self.place.looks.begin(move || {
            let found = machine(&data, true, clock());
            (clock(), found)
        });
    }
}
