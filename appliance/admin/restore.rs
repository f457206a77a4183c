//! A backup that is brought back by way of the page.
//!
//! ```text
//! sent      octets go to the disk beside the store in use, as they come
//! checked   every row, in the background; the counters are moved ahead
//! wanted    the units end, the file takes the place of the store's, and everything starts anew
//! ```
//!
//! Until the very last step the store in use is untouched; then its file is kept beside the new.

use super::house::{House, Place};
use super::upload::{BadUpload, Upload};
use super::who::{Key, Who};
use super::words::Words;
use crate::event::{Event, emit};
use crate::limits;
use crate::net::splice::Allowed;
use crate::store::backup::{CUT_OFF, Incoming, NO_BACKUP, Ready, begins_well};
use crate::store::{Store, StoreError, account};
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
    by: Option<(Key, &'static Words)>,
}

impl Restores {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stage(&self) -> Stage {
        self.state().stage.clone()
    }

    fn is_busy(&self) -> bool {
        !matches!(self.stage(), Stage::Nothing | Stage::Failed(_))
    }

    /// False: another is under way.
    pub(crate) fn begin(&self, by: Option<(Key, &'static Words)>) -> bool {
        let mut state = self.state();
        if !matches!(state.stage, Stage::Nothing | Stage::Failed(_)) {
            return false;
        }
        *state = State { stage: Stage::Coming, ready: None, by };
        true
    }

    /// It did not come whole; the page says why.
    pub(super) fn stop(&self) {
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
    /// Puts the backup that waits in the place of the store, which is closed.
    pub(crate) fn put_backup(&self) {
        let (ready, by) = {
            let mut state = self.restores.state();
            (state.ready.take(), state.by.take())
        };
        let Some(ready) = ready else { return };
        let put = ready.put();
        let stage = match put {
            Ok(()) => {
                if let Some((key, words)) = by {
                    let notice = Some(words.t("begin.restored").to_string());
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

/// Takes the file in, beside the store in the folder `dir`.
pub(super) fn take(dir: &Path, upload: &mut Upload<'_>) -> Result<Incoming, Refused> {
    let Some(first) = upload.piece()? else { return Err(Refused::Nothing) };
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

/// Checks it in the background; `settle` is what must be other in the restored store.
pub(super) fn check(
    place: &Arc<Place>,
    incoming: Incoming,
    settle: impl FnOnce(&Store) -> Result<(), StoreError> + Send + 'static,
) {
    place.restores.state().stage = Stage::Checking;
    let of_thread = place.clone();
    let begun = std::thread::Builder::new().name("restore".into()).spawn(move || {
        let check = std::panic::AssertUnwindSafe(move || incoming.check(settle));
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
        StoreError::Invalid(NO_BACKUP) => words.t("begin.foreign").to_string(),
        StoreError::Invalid(CUT_OFF) => words.t("begin.cut").to_string(),
        StoreError::Newer { .. } => words.t("begin.newer").to_string(),
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
    // A form without a large file is told on a page.
    let refused = |words| Allowed { octets: limits::WEB_BODY_BYTES, words };
    let now = house.place.millis();
    let session = house.place.sessions().of_cookie(cookie, now);
    match session.map(|(_, session)| session.who) {
        Some(Who::Code | Who::Owner { .. }) => {}
        _ => {
            return refused(
                "Your session has ended, and nothing of the file was taken. Log in again, and \
                 choose it once more.\n",
            );
        }
    }
    if house.place.restores.is_busy() {
        return refused("Another backup is being brought back. Wait until that is done.\n");
    }
    let room = house.store.space().map_or(0, |space| space.disk);
    let octets = room.saturating_sub(limits::DISK_RESERVE_BYTES).min(limits::RESTORE_BYTES);
    let octets = octets.max(limits::WEB_BODY_BYTES);
    Allowed { octets, words: "The disk of this server has no room for a file of this size.\n" }
}
