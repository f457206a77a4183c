//! A backup that is brought back by way of the page, or by a program.
//!
//! ```text
//! sent      octets go to the disk beside the store in use, as they come
//! checked   every row, in the background; the counters are moved ahead
//! wanted    the units end, settings and keys are put in their place, the file takes the place of
//!           the store's, and everything starts anew
//! ```
//!
//! Until the very last step all that is in use is untouched; then it is kept beside the new.

use super::house::{House, Place};
use super::upload::{BadUpload, Upload};
use super::who::{Key, Who};
use super::words::Words;
use crate::act::call::STORE;
use crate::act::office::{self, BAD_SETTINGS};
use crate::event::{Event, emit};
use crate::limits;
use crate::net::splice::Allowed;
use crate::store::backup::sealed::{self, BadSeal};
use crate::store::backup::{CUT_OFF, Incoming, NO_BACKUP, Parts, Ready, begins_well};
use crate::store::format::Audit;
use crate::store::{Batch, Store, StoreError, account, owner};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Stage {
    #[default]
    Nothing,
    Coming,
    Checking,
    /// Everything starts anew.
    Changing,
    Failed(StoreError),
}

/// Shared by the page, the thread that checks, and the units.
#[derive(Default)]
pub(crate) struct Restores {
    state: Mutex<State>,
    asked: Notify,
}

#[derive(Default)]
struct State {
    stage: Stage,
    ready: Option<Ready>,
    /// Who is told of the end, in which language.
    by: By,
    /// It lies where backups lie: their page tells how far it is, until more is done there.
    from_shelf: bool,
}

/// The browser that is told of the end, and its language.
pub(crate) type By = Option<(Key, &'static Words)>;
/// What must be other in the restored store.
pub(super) type Edit = Box<dyn FnOnce(&Store) -> Result<(), StoreError> + Send>;

impl Restores {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stage(&self) -> Stage {
        self.state().stage.clone()
    }

    pub(crate) fn is_busy(&self) -> bool {
        !matches!(self.stage(), Stage::Nothing | Stage::Failed(_))
    }

    /// False: another is under way.
    pub(crate) fn begin(&self, by: By) -> bool {
        let mut state = self.state();
        if !matches!(state.stage, Stage::Nothing | Stage::Failed(_)) {
            return false;
        }
        *state = State { stage: Stage::Coming, by, ..State::default() };
        true
    }

    /// The same with one that lies where backups lie.
    pub(crate) fn begin_from_shelf(&self, by: By) -> bool {
        let begun = self.begin(by);
        self.state().from_shelf |= begun;
        begun
    }

    /// How far one of those is.
    pub(crate) fn shelf_stage(&self) -> Stage {
        let state = self.state();
        if state.from_shelf { state.stage.clone() } else { Stage::Nothing }
    }

    /// Something else is done there: that one of those failed is of no use any more.
    pub(crate) fn forget_failure(&self) {
        let mut state = self.state();
        if state.from_shelf && matches!(state.stage, Stage::Failed(_)) {
            state.stage = Stage::Nothing;
        }
    }

    /// It did not come whole; the page says why.
    pub(crate) fn stop(&self) {
        self.state().stage = Stage::Nothing;
    }

    fn checked(&self, checked: Result<Ready, StoreError>) {
        let mut state = self.state();
        match checked {
            Ok(ready) => {
                (state.stage, state.ready) = (Stage::Changing, Some(ready));
                drop(state);
                self.asked.notify_one();
            }
            Err(error) => state.stage = Stage::Failed(error),
        }
    }

    /// Returns when a backup waits to take the place of the store.
    pub(crate) async fn wanted(&self) {
        self.asked.notified().await;
    }

    #[cfg(test)]
    pub(crate) fn is_wanted(&self) -> bool {
        self.state().ready.is_some()
    }
}

impl Place {
    /// Decides that the backup that waits takes the place of the store, which is closed: the next
    /// start puts it there.
    pub(crate) fn put_backup(&self) {
        let (ready, by) = {
            let mut state = self.restores.state();
            (state.ready.take(), state.by.take())
        };
        let Some(ready) = ready else { return };
        let stage = match ready.decide(&office::write) {
            Ok(whole) => {
                if let Some((key, words)) = by {
                    let done = if whole { "begin.restored" } else { "begin.restored-store" };
                    let notice = Some(words.t(done).to_string());
                    self.sessions().edit(&key, |session| session.notice = notice);
                }
                Stage::Nothing
            }
            Err(error) => {
                let why = error.to_string();
                emit(Event::StoreTrouble { doing: "putting a backup in its place", why });
                Stage::Failed(error)
            }
        };
        self.restores.state().stage = stage;
    }
}

/// Why a file was not taken.
pub(super) enum Refused {
    Upload(BadUpload),
    Store(StoreError),
    /// No octet came.
    Nothing,
    /// People have mail here, which it would replace.
    LivedIn,
    /// Another is under way.
    Busy,
}

impl From<BadUpload> for Refused {
    fn from(bad: BadUpload) -> Refused {
        Refused::Upload(bad)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        Refused::Store(error)
    }
}

/// Takes a backup in and begins to check it; `act` stands in its list of acts then.
pub(super) fn bring(
    house: &House,
    upload: &mut Upload<'_>,
    by: By,
    act: Audit,
) -> Result<(), Refused> {
    if is_lived_in(&house.store)? {
        return Err(Refused::LivedIn);
    }
    let place = &house.place;
    // A copy of the store under way would outlast it.
    let is_busy = place.backups.known(place.millis()).doing.is_some()
        || place.storage.known().doing.is_some();
    if is_busy || !place.restores.begin(by) {
        return Err(Refused::Busy);
    }
    match take(&house.data.join(STORE), upload) {
        Ok(incoming) => {
            check(place, &house.data, incoming, on_new(act));
            Ok(())
        }
        Err(refused) => {
            place.restores.stop();
            Err(refused)
        }
    }
}

/// On a machine that was not set up before.
pub(super) fn on_new(act: Audit) -> Edit {
    let write = move |batch: &mut Batch| {
        // The network, the domain's records and the rest are of this machine now.
        owner::change_setup(batch, &mut |setup| {
            setup.done = vec!["begin".to_string()];
            setup.letter.clear();
            setup.letter_to.clear();
            setup.waits_since = 0;
        })?;
        owner::note(batch, &act)
    };
    Box::new(move |store| store.write_blocking(write))
}

/// On one that goes on as it is.
pub(super) fn on_same(act: Audit) -> Edit {
    Box::new(move |store| store.write_blocking(move |batch| owner::note(batch, &act)))
}

/// Takes the file in, beside the store in the folder `dir`.
fn take(dir: &Path, upload: &mut Upload<'_>) -> Result<Incoming, Refused> {
    let Some(first) = upload.piece()? else { return Err(Refused::Nothing) };
    if first.starts_with(sealed::MARK) {
        // Its parts come from where they lie.
        return Err(StoreError::Sealed(BadSeal::Closed).into());
    }
    if !begins_well(&first) {
        return Err(StoreError::Invalid(NO_BACKUP).into());
    }
    let mut incoming = Incoming::begin(dir)?;
    incoming.take(&first)?;
    while let Some(piece) = upload.piece()? {
        incoming.take(&piece)?;
    }
    Ok(incoming)
}

/// Checks it in the background; `edit` is what must be other in the restored store.
pub(super) fn check(place: &Arc<Place>, data: &Path, incoming: Incoming, edit: Edit) {
    place.restores.state().stage = Stage::Checking;
    let (of_thread, data) = (place.clone(), data.to_path_buf());
    let begun = std::thread::Builder::new().name("restore".into()).spawn(move || {
        let settle = move |parts: &mut Parts| office::settle(&data, parts);
        let check = std::panic::AssertUnwindSafe(move || incoming.check(edit, &settle));
        let checked = std::panic::catch_unwind(check);
        let broken = || Err(StoreError::Engine("the check broke off".to_string()));
        of_thread.restores.checked(checked.unwrap_or_else(|_| broken()));
    });
    if let Err(error) = begun {
        place.restores.checked(Err(StoreError::Engine(format!("no thread: {error}"))));
    }
}

/// What is wrong with a backup, in words of the page.
pub(super) fn why(words: &Words, error: &StoreError) -> String {
    match error {
        StoreError::Sealed(BadSeal::Closed) => words.t("begin.locked").to_string(),
        StoreError::Invalid(NO_BACKUP) => words.t("begin.foreign").to_string(),
        StoreError::Invalid(CUT_OFF) => words.t("begin.cut").to_string(),
        StoreError::Newer { .. } | StoreError::Invalid(BAD_SETTINGS) => {
            words.t("begin.newer").to_string()
        }
        StoreError::Corrupt(what) => words.fill("begin.damaged", &[what]),
        StoreError::DiskFull => words.t("begin.full").to_string(),
        other => words.fill("begin.failed", &[other]),
    }
}

/// Does the store hold mail of people already? Then no page replaces it.
pub(super) fn is_lived_in(store: &Store) -> Result<bool, StoreError> {
    Ok(!account::list(&store.snapshot()?)?.is_empty())
}

/// How large a backup may be that this browser sends now. Asked before the first octet of it is
/// read: nobody but the owner may fill the disk.
pub(super) fn allowance(house: &House, cookie: &str) -> Allowed {
    let now = house.place.millis();
    let session = house.place.sessions().of_cookie(cookie, now);
    match session.map(|(_, session)| session.who) {
        Some(Who::Code | Who::Owner { .. }) => room(house),
        // A form without a large file is told on a page.
        _ => refused(
            "Your session has ended, and nothing of the file was taken. Log in again, and choose \
             it once more.\n",
        ),
    }
}

/// No file is taken; what is no larger than a form is told why by whoever answers it.
pub(super) fn refused(words: &'static str) -> Allowed {
    Allowed { octets: limits::WEB_BODY_BYTES, words }
}

/// How large a backup may be that somebody sends who may.
pub(super) fn room(house: &House) -> Allowed {
    if house.place.restores.is_busy() {
        return refused("Another backup is being brought back. Wait until that is done.\n");
    }
    let room = house.store.space().map_or(0, |space| space.disk);
    let octets = room.saturating_sub(limits::DISK_RESERVE_BYTES).min(limits::RESTORE_BYTES);
    let octets = octets.max(limits::WEB_BODY_BYTES);
    Allowed { octets, words: "The disk of this server has no room for a file of this size.\n" }
}
