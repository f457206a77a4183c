//! What is done with the disks of the box: each act runs on a thread of its own.

use super::desk::{Task, Ticket};
use crate::act::failure::{Failure, Kind};
use crate::act::storage::Step;
use crate::act::storage::copy;
use crate::act::storage::record::{Moved, Record};
use crate::act::storage::speed;
use crate::admin::backup::desk;
use crate::admin::house::{House, Place};
use crate::admin::sticks::{Borrowed, Sticks};
use crate::event::{Event, emit};
use crate::limits;
use crate::request::StickState;
use crate::settings;
use crate::store::format::Audit;
use crate::store::{Store, StoreError, owner};
use std::path::PathBuf;
use std::sync::Arc;

/// All that an act needs, on a thread of its own.
#[derive(Clone)]
pub(crate) struct Work {
    pub place: Arc<Place>,
    pub store: Store,
    pub data: PathBuf,
    /// Of a box.
    pub sticks: Option<Arc<Sticks>>,
    pub clock: fn() -> i64,
}

pub(super) type Done = Result<(), Failure>;

/// Of the folder that the box lends, the server's part.
pub(crate) const MAIL: &str = "mail";

const RESTORING: &str = "a backup is being brought back";

impl House {
    pub(crate) fn storage_work(&self) -> Work {
        Work {
            place: self.place.clone(),
            store: self.store.clone(),
            data: self.data.clone(),
            sticks: self.sticks.clone(),
            clock: self.clock,
        }
    }
}

impl Work {
    /// Does something in the background. `act` stands in the list of acts at once, and once more
    /// when it failed: what is done last ends the server.
    pub(crate) fn begin(
        self,
        (task, disk): (Task, &str),
        act: Option<Audit>,
        job: impl FnOnce(&Work, &Ticket) -> Done + Send + 'static,
    ) -> Done {
        let busy = || {
            let why = "something else is being done with the disks";
            Failure::new("cannot begin", why, "wait for it").of_kind(Kind::Exists)
        };
        // What takes the place of the store takes it from nobody who still reads there.
        if self.place.restores.is_busy() {
            return Err(
                Failure::new("cannot begin", RESTORING, "wait for it").of_kind(Kind::Exists)
            );
        }
        let ticket = self.place.storage.begin(task, disk).ok_or_else(busy)?;
        // Backups need the disks as well, and lie still meanwhile.
        let backups = match task {
            Task::Measure => None,
            _ => Some(self.place.backups.begin(desk::Task::Storage).ok_or_else(busy)?),
        };
        if let Some(act) = &act {
            self.note(act.clone());
        }
        let run = move || {
            let job = std::panic::AssertUnwindSafe(|| job(&self, &ticket));
            let broken = |_| Err(Failure::new("cannot go on", "it broke off", ""));
            let done = std::panic::catch_unwind(job).unwrap_or_else(broken);
            if let Err(failure) = &done {
                emit(Event::StorageTrouble { why: failure.why.clone() });
                let failed = |act| Audit { failed: failure.why.clone(), at: (self.clock)(), ..act };
                act.map(failed).into_iter().for_each(|act| self.note(act));
            }
            ticket.end(done);
            drop((backups, ticket));
        };
        let begun = std::thread::Builder::new().name("storage".into()).spawn(run);
        begun
            .map(drop)
            .map_err(|error| Failure::new("cannot begin", error, "").of_kind(Kind::Trouble))
    }

    fn note(&self, act: Audit) {
        let noted = self.store.write_blocking(move |batch| owner::note(batch, &act));
        if let Err(error) = noted {
            emit(Event::StoreTrouble { doing: "writing down an act", why: error.to_string() });
        }
    }

    pub(super) fn sticks(&self, what: &str) -> Result<&Arc<Sticks>, Failure> {
        let none = || Failure::new(what, "this server is not a box", "");
        self.sticks.as_ref().ok_or_else(none)
    }

    /// May all of the mail go to the disk that is called so? The error says why not.
    pub(crate) fn may_move(&self, name: &str) -> Done {
        const WHAT: &str = "cannot move the mail";
        let sticks = self.sticks(WHAT)?;
        let seen = sticks.seen();
        let is_in = seen.state != StickState::None && seen.name.trim() == name;
        let holders = sticks.holders();
        let is_back =
            holders.iter().any(|it| it.is_system() && !it.holds_mail() && it.name.trim() == name);
        match name {
            "" => Err(Failure::new(WHAT, "no disk is named", "see which are in")),
            _ if is_in || is_back => Ok(()),
            _ => {
                let why = "no disk that is in is called so";
                Err(Failure::new(WHAT, why, "see which are in").of_kind(Kind::Missing))
            }
        }
    }

    /// All of the mail goes to the disk that is called so. Comes back only when it does not.
    pub(crate) fn move_to(&self, ticket: &Ticket, name: &str) -> Done {
        const WHAT: &str = "cannot move the mail";
        self.may_move(name)?;
        ticket.at(Some(Step::Preparing), 0, 0);
        let trouble = |why: String| Failure::new(WHAT, why, "").of_kind(Kind::Trouble);
        let disk = self.sticks(WHAT)?.prepare(name).map_err(trouble)?;
        ticket.at(Some(Step::Waiting), 0, 0);
        let frozen = self.store.freeze(limits::FREEZE_WAIT);
        let frozen = frozen.map_err(|error| Failure::store(WHAT, &error))?;
        let held = settings::hold(&self.data);
        if self.place.restores.is_busy() {
            return Err(trouble(RESTORING.to_string()));
        }
        let moved = self.copy(ticket, &disk)?;
        emit(Event::MailMoved { name: moved.name, octets: moved.octets });
        ticket.at(Some(Step::Switching), 0, 0);
        let why = disk.switch();
        // Mail goes on before the disk is given back: that waits until it is unmounted.
        drop((held, frozen));
        drop(disk);
        Err(trouble(why))
    }

    /// What is in use keeps still.
    fn copy(&self, ticket: &Ticket, disk: &Borrowed) -> Result<Moved, Failure> {
        let (to, begun) = (disk.place().join(MAIL), self.place.millis());
        let mut told = |step, done, of| ticket.at(Some(step), done, of);
        let octets = copy::copy(&self.data, &to, &mut told)?;
        copy::check(&to, &mut told)?;
        let seconds = (self.place.millis().saturating_sub(begun) / 1000).max(1);
        let moved = Moved { at: (self.clock)(), name: disk.name.clone(), octets, seconds };
        let record = Record { last: Some(moved.clone()), speed: None };
        let kept = record.save(&to);
        kept.map_err(|error| {
            Failure::new("cannot move the mail", error, "").of_kind(Kind::Trouble)
        })?;
        Ok(moved)
    }

    /// Is there an old copy?
    pub(crate) fn may_forget(&self) -> Done {
        const WHAT: &str = "cannot remove the old copy";
        match self.sticks(WHAT)?.holders().iter().any(|it| it.is_old()) {
            true => Ok(()),
            false => Err(Failure::new(WHAT, "there is none", "").of_kind(Kind::Missing)),
        }
    }

    /// The old copy of the mail goes.
    pub(crate) fn forget(&self, _: &Ticket) -> Done {
        const WHAT: &str = "cannot remove the old copy";
        self.may_forget()?;
        let sticks = self.sticks(WHAT)?;
        let failed = |why: String| Failure::new(WHAT, why, "").of_kind(Kind::Trouble);
        sticks.forget().map_err(failed)?;
        emit(Event::OldCopyRemoved);
        Ok(())
    }

    /// How fast is the disk that holds the mail?
    pub(crate) fn measure(&self, ticket: &Ticket) -> Done {
        const WHAT: &str = "cannot measure the disk";
        let room = self.store.space().map_err(|error| Failure::store(WHAT, &error))?.disk;
        let mut told = |done, of| ticket.at(None, done, of);
        // A clock of its own: that of a test stands still.
        let ticks = crate::clock::Ticks::start();
        let speed = speed::measure(&self.data, room, ((self.clock)(), ticks), &mut told)?;
        if self.store.is_still() {
            return Err(Failure::store(WHAT, &StoreError::Moving));
        }
        let record = Record { speed: Some(speed), ..Record::load(&self.data) };
        let kept = record.save(&self.data);
        kept.map_err(|error| Failure::new(WHAT, error, "").of_kind(Kind::Trouble))
    }
}
