//! The unit of the pages: two doors, the splice between them and `admin`, the pages themselves.

use super::first::Setup;
use super::{cannot_listen, keep_running};
use crate::act::update::Updates;
use crate::admin::fingerprint;
use crate::admin::network::Network;
use crate::admin::sticks::Sticks;
use crate::admin::{self, House, Pages, Place};
use crate::event::{Event, emit};
use crate::limits;
use crate::net::listen::{Door, Gate};
use crate::net::splice::{Register, Splice, WebPace};
use crate::net::tls::Tls;
use crate::serve::login::Logins;
use crate::settings::Settings;
use crate::store::Store;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What a box has beside.
type OfBox = (Arc<Network>, Arc<Sticks>);

/// Bound and not yet serving.
pub(super) struct Web {
    doors: Vec<Arc<Door>>,
    house: Arc<House>,
}

impl Web {
    pub(super) fn open(
        data: &Path,
        settings: &Settings,
        (store, logins): (&Store, &Arc<Logins>),
        (tls, place): (&Arc<Tls>, Arc<Place>),
        (of_box, updates): (Option<OfBox>, Arc<Updates>),
    ) -> Result<Web, String> {
        let mut doors = Vec::new();
        let ports = [("http", settings.ports.http, false), ("https", settings.ports.https, true)];
        for (unit, port, tls) in ports.into_iter().filter(|(_, port, _)| *port != 0) {
            for address in &settings.listen {
                let at = SocketAddr::new(*address, port);
                let door = Door::bind(unit, at, tls, limits::WEB_CONNECTIONS_PER_ADDRESS);
                let door = door.map_err(|error| cannot_listen(unit, at, &error))?;
                doors.push(Arc::new(door));
            }
        }
        let (store, tls) = ((store.clone(), logins.clone()), tls.clone());
        let house = House::new(place, store, data, settings, tls);
        let is_box = of_box.is_some();
        let (network, sticks) = of_box.unzip();
        let house = House { is_box, network, sticks, updates, ..house };
        Ok(Web { doors, house: Arc::new(house) })
    }

    pub(super) fn house(&self) -> Arc<House> {
        self.house.clone()
    }

    /// Where to set it up, while nobody has. A box says so itself.
    pub(super) fn setup(&self, is_box: bool) -> Option<Setup> {
        let owned = self.house.is_owned().unwrap_or(true);
        let settings = self.house.settings();
        let port = settings.ports.https;
        if is_box || owned || port == 0 {
            return None;
        }
        let listen = settings.listen.first().copied();
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let at = listen.filter(|address| !address.is_unspecified()).unwrap_or(local);
        let codes = self.house.place.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let code = codes.code().to_string();
        let words = fingerprint::of(&self.house.data.join("tls")).unwrap_or_default();
        let words = words.into_iter().map(str::to_string).collect();
        Some(Setup { url: format!("https://{}/", SocketAddr::new(at, port)), code, words })
    }

    /// Serves until the server stops.
    pub(super) fn start(
        self,
        running: &mut JoinSet<()>,
        stop: &watch::Receiver<bool>,
    ) -> Result<Pages, String> {
        let register = Register::default();
        let pages = admin::start(&self.house, &register);
        let pages = pages.map_err(|error| format!("the pages cannot be served: {error}"))?;
        let splice = Splice {
            pages: pages.at(),
            register,
            allowance: admin::allowance(&self.house),
            pace: WebPace::default(),
            tls: self.house.tls.clone(),
        };
        let per_address = limits::WEB_CONNECTIONS_PER_ADDRESS;
        let gate = Gate::new(limits::WEB_CONNECTIONS, per_address);
        for door in self.doors {
            let unit = door.unit;
            if let Ok(at) = door.at() {
                emit(Event::Listening { unit, at });
            }
            let (splice, gate, stopping) = (splice.clone(), gate.clone(), stop.clone());
            let serve = move || {
                let (splice, gate) = (splice.clone(), gate.clone());
                let (door, stop) = (door.clone(), stopping.clone());
                async move { splice.serve(&door, &gate, stop).await }
            };
            running.spawn(keep_running(unit, stop.clone(), serve));
        }
        Ok(pages)
    }
}
