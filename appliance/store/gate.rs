//! The gate between short readers and the rare act that needs the engine for itself (growing the
//! map, swapping in a compacted file).
//!
//! Readers come and go; whoever needs the engine alone asks, waits till no reader is left, and then
//! holds the gate. While somebody asks, new readers wait a little so that the old ones run out, but
//! not for ever: a thread that holds one snapshot and takes another must get through.

use crate::limits;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A lock that another thread's panic does not close: every state behind it is whole at any time.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    readers: usize,
    wanted: bool,
    alone: bool,
}

impl Gate {
    /// A reader comes in. Each `enter` needs its [`Gate::leave`].
    pub(super) fn enter(&self) {
        let mut state = lock(&self.state);
        let patience = Instant::now() + limits::GATE_PATIENCE;
        while state.alone || (state.wanted && Instant::now() < patience) {
            state = self.wait(state, limits::GATE_PATIENCE);
        }
        state.readers += 1;
    }

    pub(super) fn leave(&self) {
        let mut state = lock(&self.state);
        state.readers = state.readers.saturating_sub(1);
        if state.readers == 0 {
            self.changed.notify_all();
        }
    }

    /// Runs `act` while no reader is inside. With `within`, gives up (`None`) after that long.
    pub(super) fn alone<R>(&self, within: Option<Duration>, act: impl FnOnce() -> R) -> Option<R> {
        let until = within.map(|time| Instant::now() + time);
        let mut state = lock(&self.state);
        while state.readers > 0 || state.alone {
            if until.is_some_and(|until| Instant::now() >= until) {
                state.wanted = false;
                self.changed.notify_all();
                return None;
            }
            state.wanted = true;
            state = self.wait(state, limits::GATE_PATIENCE);
        }
        state.alone = true;
        drop(state);
        let _open_again = Reopen(self);
        Some(act())
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Opens the gate also when the act panicked.
struct Reopen<'a>(&'a Gate);

impl Drop for Reopen<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.alone = false;
        state.wanted = false;
        self.0.changed.notify_all();
    }
}
