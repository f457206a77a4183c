//! What is being done with the disks of the box, one thing at a time, in the background. Pages and
//! programs look here how far it is and what came of it.

use crate::act::failure::Failure;
use crate::act::storage::Step;
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// All of the mail goes to another disk.
    Move,
    /// How fast is the disk?
    Measure,
    /// The old copy goes.
    Forget,
    /// A disk with mail is looked at by who says to be its owner.
    Adopt,
}

/// How far it is, in octets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Doing {
    pub task: Task,
    pub step: Option<Step>,
    pub done: u64,
    pub of: u64,
    /// The disk that it is about; "": that of the mail.
    pub disk: String,
}

impl Doing {
    pub(crate) fn percent(&self) -> u64 {
        self.done.saturating_mul(100).checked_div(self.of).unwrap_or(0).min(100)
    }
}

/// What is known at the moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub doing: Option<Doing>,
    /// Why the last thing that was asked for was not done.
    pub failed: Option<(Task, Failure)>,
    /// The last thing that was done.
    pub ended: Option<Task>,
}

/// Shared with the thread that does it.
#[derive(Default, Clone)]
pub(crate) struct Storage {
    state: Arc<Mutex<Known>>,
}

impl Storage {
    fn state(&self) -> MutexGuard<'_, Known> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn known(&self) -> Known {
        self.state().clone()
    }

    /// Somebody went on another way: why the last was not done is of no use any more.
    pub(crate) fn forget_failure(&self) {
        self.state().failed = None;
    }

    /// `None`: something else is being done.
    pub(crate) fn begin(&self, task: Task, disk: &str) -> Option<Ticket> {
        let mut state = self.state();
        if state.doing.is_some() {
            return None;
        }
        let disk = disk.to_string();
        state.doing = Some(Doing { task, step: None, done: 0, of: 0, disk });
        (state.failed, state.ended) = (None, None);
        Some(Ticket { storage: self.clone(), task })
    }
}

/// Whoever has it does what is being done. Dropped, nothing is done any more.
pub(crate) struct Ticket {
    storage: Storage,
    pub task: Task,
}

impl Ticket {
    pub(crate) fn at(&self, step: Option<Step>, done: u64, of: u64) {
        if let Some(doing) = &mut self.storage.state().doing {
            (doing.step, doing.done, doing.of) = (step, done, of);
        }
    }

    pub(crate) fn end(&self, done: Result<(), Failure>) {
        let mut state = self.storage.state();
        match done {
            Ok(()) => state.ended = Some(self.task),
            Err(failure) => state.failed = Some((self.task, failure)),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.storage.state().doing = None;
    }
}
