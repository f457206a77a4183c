//! What is being done with backups, one thing at a time, in the background: a stick is slow, and no
//! page waits for it. Pages and programs look here how far it is and what came of it.

use crate::act::backup::find::{FoundMail, Person};
use crate::act::backup::shelf::Entry;
use crate::act::failure::Failure;
use crate::act::transfer::Imported;
use crate::limits;
use crate::store::backup::sealed::Passphrase;
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// A backup, now or at night.
    Make,
    /// The stick becomes that of the nightly backups.
    Enrol,
    /// See what lies there.
    Look,
    /// See whether a passphrase is right, and who is in a backup.
    Open,
    Find,
    /// Bring back a mailbox or a message.
    Bring,
    /// Bring back all of the office.
    Restore,
    /// Empty the stick.
    Format,
    /// The disks of the box are at work: all of the mail goes to another.
    Storage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    /// The stick is waited for.
    Waiting,
    Writing,
    Trying,
    Reading,
}

/// How far it is, in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Doing {
    pub task: Task,
    pub step: Step,
    pub done: u64,
    pub of: u64,
}

impl Doing {
    pub(crate) fn percent(&self) -> u64 {
        self.done.saturating_mul(100).checked_div(self.of).unwrap_or(0).min(100)
    }
}

/// A backup whose passphrase was right.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub name: String,
    pub passphrase: Option<Passphrase>,
    pub people: Vec<Person>,
}

/// What was found in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Found {
    /// Whose mail was looked through.
    pub login: String,
    pub messages: Vec<FoundMail>,
    /// There are more, or not all was looked at.
    pub more: bool,
}

/// What lies in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub place: String,
    pub entries: Vec<Entry>,
}

/// What is known at the moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub doing: Option<Doing>,
    /// Why the last thing that was asked for was not done.
    pub failed: Option<(Task, Failure)>,
    pub listed: Option<Listed>,
    pub opened: Option<Opened>,
    pub found: Option<Found>,
    /// What was brought back last.
    pub brought: Option<Imported>,
}

#[derive(Default)]
struct State {
    known: Known,
    /// When the opened one was used last, in milliseconds.
    used: u64,
}

/// Shared with the thread that does it.
#[derive(Default, Clone)]
pub(crate) struct Backups {
    state: Arc<Mutex<State>>,
}

impl Backups {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At this moment, in milliseconds.
    pub(crate) fn known(&self, now: u64) -> Known {
        self.forget(now);
        self.state().known.clone()
    }

    /// What was opened does not stay open for long, whether somebody looks or not: with it goes the
    /// passphrase.
    pub(crate) fn forget(&self, now: u64) {
        let mut state = self.state();
        let most = u64::try_from(limits::BACKUP_OPEN.as_millis()).unwrap_or(u64::MAX);
        if now.saturating_sub(state.used) > most {
            (state.known.opened, state.known.found) = (None, None);
        }
    }

    /// `None`: something else is being done.
    pub(crate) fn begin(&self, task: Task) -> Option<Ticket> {
        let mut state = self.state();
        if state.known.doing.is_some() {
            return None;
        }
        state.known.doing = Some(Doing { task, step: Step::Waiting, done: 0, of: 0 });
        state.known.failed = None;
        Some(Ticket { backups: self.clone(), task })
    }

    /// What was opened is closed.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        (state.known.opened, state.known.found, state.known.brought) = (None, None, None);
    }
}

/// Whoever has it does what is being done. Dropped, nothing is done any more.
pub(crate) struct Ticket {
    backups: Backups,
    pub task: Task,
}

impl Ticket {
    pub(crate) fn at(&self, step: Step, done: u64, of: u64) {
        if let Some(doing) = &mut self.backups.state().known.doing {
            (doing.step, doing.done, doing.of) = (step, done, of);
        }
    }

    /// Something came of it.
    pub(crate) fn tell(&self, now: u64, edit: impl FnOnce(&mut Known)) {
        let mut state = self.backups.state();
        state.used = now;
        edit(&mut state.known);
    }

    pub(crate) fn fail(&self, failure: Failure) {
        self.backups.state().known.failed = Some((self.task, failure));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.backups.state().known.doing = None;
    }
}
