//! What the pages stand on.

use super::backup::desk::Backups;
use super::code::Codes;
use super::lan::{self, Lan};
use super::look::Looks;
use super::network::Network;
use super::outside::trials::Trials;
use super::owner::OwnerDesk;
use super::restore::Restores;
use super::sticks::Sticks;
use super::storage::desk::Storage;
use super::tally::Tally;
use super::who::Sessions;
use crate::act::failure::Failure;
use crate::act::update::Updates;
use crate::act::{self, Reply, Request};
use crate::clock::{self, Ticks};
use crate::collect::board::Board;
use crate::limits;
use crate::net::tls::Tls;
use crate::request::Code;
use crate::serve::login::Logins;
use crate::settings::{self, Settings};
use crate::store::Store;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::sync::Notify;

/// What outlasts a restart of the units: who is logged in, and what was tried.
pub(crate) struct Place {
    pub codes: Mutex<Codes>,
    pub owner: Mutex<OwnerDesk>,
    sessions: Mutex<Sessions>,
    ticks: Ticks,
    lan: Mutex<Option<(u64, Arc<Lan>)>>,
    /// The settings were changed: the units of mail start anew.
    pub again: Notify,
    pub looks: Looks,
    /// Mail by the hour.
    pub tally: Mutex<Tally>,
    pub restores: Restores,
    pub backups: Backups,
    pub storage: Storage,
    /// What people wait for that is tried elsewhere.
    pub trials: Trials,
    /// How far imports are.
    pub imports: Board,
    /// A domain that moves here is to be looked at.
    pub moves: Notify,
}

/// Everything that a handler may ask.
pub(crate) struct House {
    pub place: Arc<Place>,
    pub store: Store,
    /// Log-ins of people, as the ports of mail have them.
    pub logins: Arc<Logins>,
    pub data: PathBuf,
    pub settings: RwLock<Arc<Settings>>,
    pub tls: Arc<Tls>,
    /// Seconds since 1970.
    pub clock: fn() -> i64,
    /// The networks of the interfaces, when they are not to be asked for.
    pub networks: Option<Lan>,
    pub is_box: bool,
    /// Of a box.
    pub network: Option<Arc<Network>>,
    pub updates: Arc<Updates>,
    pub sticks: Option<Arc<Sticks>>,
}

impl Place {
    /// `code` opens the page while there is no owner.
    pub(crate) fn new(code: Code) -> Arc<Place> {
        Place::at(code, Ticks::start())
    }

    pub(crate) fn at(code: Code, ticks: Ticks) -> Arc<Place> {
        Arc::new(Place {
            codes: Mutex::new(Codes::new(code)),
            owner: Mutex::default(),
            sessions: Mutex::default(),
            ticks,
            lan: Mutex::default(),
            again: Notify::new(),
            looks: Looks::default(),
            tally: Mutex::default(),
            restores: Restores::default(),
            backups: Backups::default(),
            storage: Storage::default(),
            trials: Trials::default(),
            imports: Board::default(),
            moves: Notify::new(),
        })
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds of a clock that only grows.
    pub(crate) fn millis(&self) -> u64 {
        self.ticks.millis()
    }
}

/// Changes the file of the settings in `data`; the units of mail start anew with them.
pub(super) fn change_settings(
    data: &Path,
    place: &Place,
    edit: impl FnOnce(&mut Settings),
) -> Result<(), Failure> {
    let what = "cannot change the settings";
    let path = data.join("mailroom.toml");
    let wrong = |why: String| Failure::new(what, why, "mend mailroom.toml");
    let mut now = settings::load(&path).map_err(|error| wrong(error.to_string()))?;
    let before = settings::print(&now);
    edit(&mut now);
    let put = |text: &str| settings::replace_file(&path, text.as_bytes());
    put(&settings::print(&now)).map_err(|error| wrong(error.to_string()))?;
    // What cannot be read back must not stop the next start.
    if let Err(error) = settings::load(&path) {
        put(&before).map_err(|error| wrong(error.to_string()))?;
        return Err(wrong(error.why));
    }
    place.again.notify_one();
    Ok(())
}

impl House {
    /// Of a server that is no box, at the time of the machine.
    pub(crate) fn new(
        place: Arc<Place>,
        (store, logins): (Store, Arc<Logins>),
        data: &Path,
        settings: &Settings,
        tls: Arc<Tls>,
    ) -> House {
        House {
            place,
            store,
            logins,
            data: data.to_path_buf(),
            settings: RwLock::new(Arc::new(settings.clone())),
            tls,
            clock: clock::now,
            networks: None,
            is_box: false,
            network: None,
            updates: Arc::new(Updates::new(data, None)),
            sticks: None,
        }
    }

    /// Does an act of the owner.
    pub(crate) fn act(&self, act: Request, now: i64) -> Result<Reply, Failure> {
        act::act_of_server(&self.store, &self.updates, act, now, &mut |_| ())
    }

    /// The settings in use.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the file of the settings; the units of mail start anew with them.
    pub(crate) fn change_settings(&self, edit: impl FnOnce(&mut Settings)) -> Result<(), Failure> {
        change_settings(&self.data, &self.place, edit)
    }

    /// These settings are in use from now on.
    pub(crate) fn settle(&self, settings: &Settings) {
        let mut place = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        *place = Arc::new(settings.clone());
    }

    pub(crate) fn seconds(&self) -> i64 {
        (self.clock)()
    }

    /// The networks that the box is in; looked at again after a few seconds.
    pub(crate) fn lan(&self) -> Arc<Lan> {
        if let Some(fixed) = &self.networks {
            return Arc::new(fixed.clone());
        }
        let now = self.place.millis();
        let mut kept = self.place.lan.lock().unwrap_or_else(PoisonError::into_inner);
        let within = u64::try_from(limits::LAN_LOOK.as_millis()).unwrap_or(u64::MAX);
        match &*kept {
            Some((at, lan)) if now.saturating_sub(*at) < within => lan.clone(),
            _ => {
                let lan = Arc::new(lan::of_this_machine());
                *kept = Some((now, lan.clone()));
                lan
            }
        }
    }

    /// Is the certificate of an authority that browsers know?
    pub(crate) fn is_proven(&self) -> bool {
        !self.tls.is_ours()
    }
}
