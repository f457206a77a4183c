//! A store that keeps still while its file is copied to another disk: it is read, and what would be
//! written is put off with [`StoreError::Moving`].
//!
//! ```text
//! freeze    who must not be cut off between doing something and writing it down (at work) is
//!           waited for, and nobody begins anew -> the writer's queue is on the disk -> still
//! dropped   everything goes on
//! ```

use super::error::{Result, StoreError};
use super::gate::lock;
use super::writer::Store;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Shared by all handles of a store.
pub(super) struct Still {
    state: Mutex<State>,
    changed: Condvar,
    /// Nobody begins anew.
    wanted: watch::Sender<bool>,
    /// Nothing is written.
    pub(super) frozen: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    at_work: usize,
}

/// Whoever has it is waited for before the store keeps still.
pub(crate) struct AtWork(Arc<Still>);

/// The store keeps still until this is dropped.
pub(crate) struct Frozen {
    store: Store,
}

impl Still {
    pub(super) fn new(frozen: Arc<AtomicBool>) -> Arc<Still> {
        let (wanted, _) = watch::channel(false);
        Arc::new(Still { state: Mutex::default(), changed: Condvar::new(), wanted, frozen })
    }

    fn is_wanted(&self) -> bool {
        *self.wanted.borrow()
    }

    /// Nobody begins anew from now on, and nobody is at work when it returns `true`.
    fn wait(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        let mut state = lock(&self.state);
        while state.at_work > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.at_work = state.at_work.saturating_sub(1);
        self.0.changed.notify_all();
    }
}

impl Store {
    /// Does it keep still, or is about to?
    pub(crate) fn is_still(&self) -> bool {
        self.still().is_wanted()
    }

    /// For what has effects outside before they are written down. `None`: not now.
    pub(crate) fn at_work(&self) -> Option<AtWork> {
        let still = self.still();
        let mut state = lock(&still.state);
        if still.is_wanted() {
            return None;
        }
        state.at_work += 1;
        Some(AtWork(still.clone()))
    }

    /// Keeps still from when it returns on. Blocks, at most `within` for those at work.
    pub(crate) fn freeze(&self, within: Duration) -> Result<Frozen> {
        let still = self.still();
        {
            // Who is counted before is waited for, and who comes after is turned away.
            let _state = lock(&still.state);
            if still.wanted.send_replace(true) {
                return Err(StoreError::Moving);
            }
        }
        let frozen = Frozen { store: self.clone() };
        if !still.wait(within) {
            return Err(StoreError::Limit("how long mail on its way is waited for"));
        }
        self.freeze_blocking()?;
        Ok(frozen)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let still = self.store.still();
        still.frozen.store(false, Ordering::SeqCst);
        still.wanted.send_replace(false);
        // What is due was not looked for meanwhile.
        self.store.hub().outbox().notify_one();
    }
}
