//! What is done with backups: each act runs on a thread of its own, with the stick borrowed for as
//! long as it needs it.

use super::desk::{Found, Listed, Opened, Step, Task, Ticket};
use crate::act::backup;
use crate::act::backup::find::{self, Search};
use crate::act::backup::record::{Past, Record};
use crate::act::backup::shelf;
use crate::act::failure::{Failure, Kind};
use crate::act::transfer::{self, Revive};
use crate::act::words::octets;
use crate::admin::house::{House, Place, change_settings};
use crate::admin::restore::{self, By, Edit};
use crate::admin::sticks::{Borrowed, Seen, Sticks};
use crate::clock;
use crate::event::{Event, emit};
use crate::limits;
use crate::request::StickState;
use crate::settings::{self, Backups, Settings};
use crate::store::backup::sealed::Passphrase;
use crate::store::backup::{Incoming, Kept, Written};
use crate::store::format::Audit;
use crate::store::salvage::Archive;
use crate::store::{Store, StoreError, owner};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where backups lie.
#[derive(Clone)]
pub(crate) enum Shelf {
    Sticks(Arc<Sticks>),
    Folder(PathBuf),
    /// Of a machine that is no box, whose settings name no folder.
    None,
}

/// The folder while somebody uses it; a stick is given back with it.
pub(crate) struct Folder {
    pub path: PathBuf,
    /// What it is called.
    pub name: String,
    _stick: Option<Borrowed>,
}

impl Shelf {
    pub(crate) fn seen(&self) -> Seen {
        match self {
            Shelf::Sticks(sticks) => sticks.seen(),
            Shelf::Folder(path) => {
                let state = if path.is_dir() { StickState::Ready } else { StickState::None };
                Seen { state, octets: 0, name: path.display().to_string() }
            }
            Shelf::None => Seen::default(),
        }
    }

    /// "stick", "folder" or "none".
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Shelf::Sticks(_) => "stick",
            Shelf::Folder(_) => "folder",
            Shelf::None => "none",
        }
    }

    pub(crate) fn open(&self, write: bool) -> Result<Folder, String> {
        match self {
            Shelf::Sticks(sticks) => {
                let stick = sticks.borrow(write)?;
                let (path, name) = (stick.place().to_path_buf(), stick.name.clone());
                Ok(Folder { path, name, _stick: Some(stick) })
            }
            Shelf::Folder(path) if path.is_dir() => {
                let name = path.display().to_string();
                Ok(Folder { path: path.clone(), name, _stick: None })
            }
            Shelf::Folder(path) => Err(format!("{} is no folder", path.display())),
            Shelf::None => Err("the settings name no folder for backups".to_string()),
        }
    }
}

/// All that an act needs, on a thread of its own.
#[derive(Clone)]
pub(crate) struct Work {
    pub place: Arc<Place>,
    pub store: Store,
    pub data: PathBuf,
    pub shelf: Shelf,
    host: String,
    settings: Backups,
    clock: fn() -> i64,
}

/// What is wanted of the nightly backups.
pub(crate) enum Nightly {
    At(u8, Passphrase),
    Off,
}

type Done = Result<(), Failure>;

impl House {
    pub(crate) fn backup_work(&self) -> Work {
        let settings: Arc<Settings> = self.settings();
        Work {
            place: self.place.clone(),
            store: self.store.clone(),
            data: self.data.clone(),
            shelf: self.shelf(),
            host: settings.host.clone(),
            settings: settings.backup.clone(),
            clock: self.clock,
        }
    }

    pub(crate) fn shelf(&self) -> Shelf {
        match (&self.sticks, &self.settings().backup.folder) {
            (Some(sticks), _) => Shelf::Sticks(sticks.clone()),
            (None, Some(folder)) => Shelf::Folder(folder.clone()),
            (None, None) => Shelf::None,
        }
    }

    /// The hour of the nightly backups as it was kept last: who looks sees it, though the units
    /// take a moment to start anew with it.
    pub(crate) fn nightly_hour(&self) -> Option<u8> {
        let kept = settings::load(&self.data.join("mailroom.toml"));
        kept.map_or_else(|_| self.settings().backup.nightly, |kept| kept.backup.nightly)
    }

    /// Makes the nightly backup if it is time for it.
    pub(crate) fn back_up_nightly(&self) {
        let now = self.seconds();
        self.place.backups.forget(self.place.millis());
        let record = Record::load(&self.data);
        let due = self.settings().backup.nightly.is_some_and(|hour| record.is_due(hour, now));
        if !due || clock::state_at(now) == clock::State::Floor {
            return;
        }
        let work = self.backup_work();
        // Where something else is being done the next look comes soon.
        let _ = work.begin(Task::Make, None, |work, ticket| work.make(ticket, None));
    }
}

impl Work {
    /// Does something in the background; `act` stands in its list of acts when it has ended.
    pub(crate) fn begin(
        self,
        task: Task,
        act: Option<Audit>,
        job: impl FnOnce(&Work, &Ticket) -> Done + Send + 'static,
    ) -> Done {
        let busy = || {
            let why = "something else is being done with backups";
            Failure::new("cannot begin", why, "wait for it").of_kind(Kind::Exists)
        };
        // What takes the place of the store takes it from nobody who still reads there.
        let is_free = !self.place.restores.is_busy();
        let ticket = is_free.then(|| self.place.backups.begin(task)).flatten().ok_or_else(busy)?;
        self.place.restores.forget_failure();
        let run = move || {
            let job = std::panic::AssertUnwindSafe(|| job(&self, &ticket));
            let broken = |_| Err(Failure::new("cannot go on", "it broke off", ""));
            let done = std::panic::catch_unwind(job).unwrap_or_else(broken);
            // That the office was brought back stands in the store that takes the place of this.
            let act = act.filter(|_| task != Task::Restore || done.is_err());
            if let Some(mut act) = act {
                act.failed = done.as_ref().err().map(|it| it.why.clone()).unwrap_or_default();
                let noted = self.store.write_blocking(move |batch| owner::note(batch, &act));
                if let Err(error) = noted {
                    let why = error.to_string();
                    emit(Event::StoreTrouble { doing: "writing down an act", why });
                }
            }
            if let Err(failure) = done {
                ticket.fail(failure);
            }
        };
        let begun = std::thread::Builder::new().name("backup".into()).spawn(run);
        begun
            .map(drop)
            .map_err(|error| Failure::new("cannot begin", error, "").of_kind(Kind::Trouble))
    }

    fn millis(&self) -> u64 {
        self.place.millis()
    }

    fn open(&self, what: &str, write: bool) -> Result<Folder, Failure> {
        let opened = self.shelf.open(write);
        opened.map_err(|why| Failure::new(what, why, "put in the stick").of_kind(Kind::Missing))
    }

    /// A backup; without a passphrase it is that of the night. What came of it is remembered.
    pub(crate) fn make(&self, ticket: &Ticket, passphrase: Option<Passphrase>) -> Done {
        let mut record = Record::load(&self.data);
        let (now, nightly) = ((self.clock)(), passphrase.is_none());
        let mut past = Past { at: now, nightly, ..Past::default() };
        let made = match &passphrase {
            Some(passphrase) => self.write(ticket, &mut past, passphrase),
            None => {
                // Also where it never ends, such as when the power goes: it is not tried at once.
                record.attempt = now;
                let noted = self.remember(&record);
                let kept = self.store.sealer().ok().and_then(|sealer| record.passphrase(&sealer));
                let none =
                    || Failure::new("cannot back up", "its passphrase is not known here", "");
                let kept = noted.and_then(|()| kept.ok_or_else(none));
                kept.and_then(|kept| self.write_nightly(ticket, &mut past, &record, &kept))
            }
        };
        let faults = past.tried.as_ref().map_or(0, |tried| tried.faults);
        past.failed = made.as_ref().err().map(|it| it.why.clone()).unwrap_or_default();
        match &made {
            Ok(()) if nightly => {
                record.done = now;
                record.failed = match (faults, &past.tried) {
                    (1.., Some(tried)) => format!("the store is damaged: {}", tried.first),
                    _ => String::new(),
                };
                if faults == 0 {
                    record.good = Some((past.name.clone(), now));
                }
            }
            Err(failure) if nightly => record.failed = failure.why.clone(),
            _ => (),
        }
        emit(match &made {
            Ok(()) if faults == 0 => Event::BackupMade {
                name: past.name.clone(),
                octets: past.octets,
                messages: past.tried.as_ref().map_or(0, |tried| tried.messages),
                seconds: past.seconds,
            },
            Ok(()) => Event::BackupTrouble { why: format!("{}: {faults} faults", past.name) },
            Err(failure) => Event::BackupTrouble { why: failure.why.clone() },
        });
        record.last = Some(past);
        self.remember(&record)?;
        made
    }

    fn remember(&self, record: &Record) -> Done {
        let kept = record.save(&self.data);
        kept.map_err(|error| Failure::new("cannot remember it", error, "").of_kind(Kind::Trouble))
    }

    fn write(&self, ticket: &Ticket, past: &mut Past, passphrase: &Passphrase) -> Done {
        let folder = self.open("cannot back up", true)?;
        past.place = folder.name.clone();
        // What one that was broken off has left.
        let _ = shelf::clear(&folder.path, &self.host);
        if shelf::free(&folder.path) < self.need() {
            return Err(self.no_room(&folder));
        }
        self.write_into(ticket, &folder, past, passphrase)
    }

    /// Octets that a backup takes at most.
    fn need(&self) -> u64 {
        let used = self.store.space().map_or(0, |space| space.used);
        used.saturating_add(used / 1000).saturating_add(limits::BACKUP_MORE_BYTES)
    }

    fn no_room(&self, folder: &Folder) -> Failure {
        let (free, need) = (octets(shelf::free(&folder.path)), octets(self.need()));
        let why = format!("{} has no room: {free} are free, and {need} needed", folder.name);
        Failure::new("cannot back up", why, "take a larger one").of_kind(Kind::Full)
    }

    /// On the stick that is known, where the newest that is good stays in any case.
    fn write_nightly(
        &self,
        ticket: &Ticket,
        past: &mut Past,
        record: &Record,
        passphrase: &Passphrase,
    ) -> Done {
        const WHAT: &str = "cannot back up at night";
        let folder = self.open(WHAT, true)?;
        past.place = folder.name.clone();
        if shelf::id(&folder.path).as_ref() != Some(&record.id) {
            let why = format!("it is not the stick of the nightly backups: {}", folder.name);
            let remedy = "put in that stick, and no other";
            return Err(Failure::new(WHAT, why, remedy).of_kind(Kind::Missing));
        }
        let good = record.good.as_ref().map(|(name, _)| name.as_str());
        let box_now = (self.host.as_str(), past.at);
        let trouble = |error: std::io::Error| Failure::new(WHAT, error, "").of_kind(Kind::Trouble);
        shelf::clear(&folder.path, &self.host).map_err(trouble)?;
        if !shelf::make_room(&folder.path, box_now, good, self.need()).map_err(trouble)? {
            return Err(self.no_room(&folder));
        }
        self.write_into(ticket, &folder, past, passphrase)?;
        let is_good = past.tried.as_ref().is_some_and(|tried| tried.faults == 0);
        let good = if is_good { Some(past.name.as_str()) } else { good };
        shelf::thin_out(&folder.path, box_now, good, self.settings.keep).map_err(trouble)
    }

    fn write_into(
        &self,
        ticket: &Ticket,
        folder: &Folder,
        past: &mut Past,
        passphrase: &Passphrase,
    ) -> Done {
        past.place = folder.name.clone();
        let name = shelf::name(&self.host, past.at, past.nightly);
        let file = folder.path.join(&name);
        let told = &mut |done, of| ticket.at(Step::Writing, done, of);
        let written = backup::write(&self.store, &file, Some(passphrase), told);
        let Written { octets, parts, took } = written.map_err(|error| match error {
            StoreError::DiskFull => self.no_room(folder),
            error => Failure::store("cannot back up", &error),
        })?;
        (past.name, past.octets, past.parts) = (name.clone(), octets, parts);
        past.seconds = took.as_secs().max(1);
        let told = &mut |done, of| ticket.at(Step::Trying, done, of);
        match backup::try_out(&self.store, &file, Some(passphrase), told) {
            Ok(tried) => past.tried = Some(tried),
            Err(failure) => {
                // It would be taken for one in need.
                let _ = shelf::remove(&folder.path, &name);
                return Err(failure);
            }
        }
        Ok(())
    }

    /// The stick that is in, or the folder, gets a backup each night; or none does any more.
    pub(crate) fn nightly(&self, _: &Ticket, wanted: Nightly) -> Done {
        const WHAT: &str = "cannot change the nightly backups";
        let failed = |error: &StoreError| Failure::store(WHAT, error);
        let mut record = Record::load(&self.data);
        let hour = match wanted {
            Nightly::Off => {
                record.keep(&self.store, None).map_err(|error| failed(&error))?;
                (record.id, record.stick, record.failed) = Default::default();
                None
            }
            Nightly::At(hour, passphrase) => {
                let folder = self.open(WHAT, true)?;
                let id = match shelf::id(&folder.path) {
                    Some(known) => known,
                    None => shelf::new_id().map_err(|error| failed(&error))?,
                };
                let trouble =
                    |error: std::io::Error| Failure::new(WHAT, error, "").of_kind(Kind::Trouble);
                shelf::set_id(&folder.path, &id).map_err(trouble)?;
                if id != record.id {
                    record.good = None;
                }
                record.keep(&self.store, Some(&passphrase)).map_err(|error| failed(&error))?;
                (record.id, record.stick) = (id, folder.name.clone());
                (record.since, record.failed) = ((self.clock)(), String::new());
                Some(hour)
            }
        };
        self.remember(&record)?;
        change_settings(&self.data, &self.place, |settings| settings.backup.nightly = hour)
    }

    /// What lies there.
    pub(crate) fn look(&self, ticket: &Ticket) -> Done {
        const WHAT: &str = "cannot see which backups there are";
        let folder = self.open(WHAT, false)?;
        let entries = shelf::list(&folder.path);
        let entries =
            entries.map_err(|error| Failure::new(WHAT, error, "").of_kind(Kind::Trouble))?;
        let place = folder.name.clone();
        drop(folder);
        ticket.tell(self.millis(), |known| known.listed = Some(Listed { place, entries }));
        Ok(())
    }

    /// The backup of this name in the folder, which must outlast it.
    fn archive(
        &self,
        folder: &Folder,
        (what, name): (&str, &str),
        passphrase: Option<&Passphrase>,
    ) -> Result<Archive, Failure> {
        let file = file_of(&folder.path, what, name)?;
        let archive = Archive::open(&file, passphrase);
        archive.map_err(|error| Failure::store(what, &error))
    }

    /// Is the passphrase right, and who is in it?
    pub(crate) fn open_one(
        &self,
        ticket: &Ticket,
        name: String,
        passphrase: Option<Passphrase>,
    ) -> Done {
        const WHAT: &str = "cannot open the backup";
        let folder = self.open(WHAT, false)?;
        let archive = self.archive(&folder, (WHAT, &name), passphrase.as_ref())?;
        ticket.at(Step::Reading, 0, 0);
        let people = find::people(&archive).map_err(|error| Failure::store(WHAT, &error))?;
        drop((archive, folder));
        ticket.tell(self.millis(), |known| {
            known.opened = Some(Opened { name, passphrase, people });
            (known.found, known.brought) = (None, None);
        });
        Ok(())
    }

    pub(crate) fn find(
        &self,
        ticket: &Ticket,
        (name, passphrase): (&str, Option<&Passphrase>),
        search: Search,
    ) -> Done {
        const WHAT: &str = "cannot search the backup";
        let folder = self.open(WHAT, false)?;
        let archive = self.archive(&folder, (WHAT, name), passphrase)?;
        ticket.at(Step::Reading, 0, 0);
        let (messages, more) = find::find(&archive, &search)?;
        drop((archive, folder));
        let login = search.login;
        ticket.tell(self.millis(), |known| known.found = Some(Found { login, messages, more }));
        Ok(())
    }

    /// Brings back a mailbox, a message or all of an account, while mail flows.
    pub(crate) fn bring(
        &self,
        ticket: &Ticket,
        (name, passphrase): (&str, Option<Passphrase>),
        wanted: Wanted,
    ) -> Done {
        const WHAT: &str = "cannot bring it back";
        let folder = self.open(WHAT, false)?;
        let file = file_of(&folder.path, WHAT, name)?;
        let Wanted { login, mailbox, uid } = wanted;
        // What is brought back must not be mistaken for what is new.
        let into = match (&mailbox, uid) {
            (_, Some(_)) => Some(RESTORED.to_string()),
            (Some(mailbox), None) => Some(format!("{RESTORED}/{mailbox}")),
            (None, None) => None,
        };
        let message = uid.map(|uid| uid.to_string());
        let ask = Revive { file, passphrase, account: login, mailbox, message, into };
        let told = &mut |done, of| ticket.at(Step::Reading, done, of);
        let brought = transfer::revive(&self.store, &ask, told);
        drop(folder);
        let brought = brought.map_err(|why| Failure::new(WHAT, why, ""))?;
        ticket.tell(self.millis(), |known| known.brought = Some(brought));
        Ok(())
    }

    /// Brings back all of the office: it is copied beside the store in use and checked, and takes
    /// its place when the units start anew. Settings that belong to this machine stay.
    pub(crate) fn restore(
        &self,
        ticket: &Ticket,
        (name, passphrase): (&str, Option<&Passphrase>),
        (by, edit): (By, Edit),
    ) -> Done {
        const WHAT: &str = "cannot bring the backup back";
        let failed = |error: StoreError| Failure::store(WHAT, &error);
        // A measurement of the disk reads there for a minute; all else of it waits for this.
        let is_busy = self.place.storage.known().doing.is_some();
        if is_busy || !self.place.restores.begin_from_shelf(by) {
            let why = "another is being brought back, or the disk is being measured";
            return Err(Failure::new(WHAT, why, "wait for it").of_kind(Kind::Exists));
        }
        let stopped = Stopped(&self.place);
        let folder = self.open(WHAT, false)?;
        let file = file_of(&folder.path, WHAT, name)?;
        let kept = Kept::open(&file, passphrase).map_err(failed)?;
        let room = self.store.space().map_or(0, |space| space.disk);
        if room.saturating_sub(limits::DISK_RESERVE_BYTES) < kept.length() {
            return Err(failed(StoreError::DiskFull));
        }
        let mut incoming = Incoming::begin(self.store.folder()).map_err(failed)?;
        let told = &mut |done, of| ticket.at(Step::Reading, done, of);
        incoming.take_all(&kept, told).map_err(failed)?;
        drop((kept, folder));
        std::mem::forget(stopped);
        restore::check(&self.place, &self.data, incoming, edit);
        Ok(())
    }

    /// The stick is emptied.
    pub(crate) fn format(&self, _: &Ticket, name: &str) -> Done {
        let failed = |why: String| Failure::new("cannot format the stick", why, "");
        match &self.shelf {
            Shelf::Sticks(sticks) => sticks.format(name).map_err(failed),
            _ => Err(failed("this machine has none of its own".to_string())),
        }
    }
}

/// It did not come whole.
struct Stopped<'p>(&'p Place);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.restores.stop();
    }
}

/// What is to be brought back: all of an account, a mailbox, or one message of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub login: String,
    pub mailbox: Option<String>,
    pub uid: Option<u32>,
}

/// The mailbox for what is brought back.
pub(crate) const RESTORED: &str = "Restored";

/// The file of this name, which somebody has typed.
pub(crate) fn file_of(folder: &Path, what: &str, name: &str) -> Result<PathBuf, Failure> {
    let file = shelf::path(folder, name).filter(|file| file.is_file());
    let none = || Failure::new(what, format!("there is no backup {name} here"), "look again");
    file.ok_or_else(|| none().of_kind(Kind::Missing))
}
