//! The unit that brings over all that outside accounts hold: few at a time, gone on with after a
//! restart, tried again when a provider closes the door for a while.

use super::background::stops_within;
use super::collect::login;
use crate::admin::Place;
use crate::collect::imap::import::{self, Ask, Pace, Report};
use crate::collect::{Desk, Fault, pop3};
use crate::event::{Event, emit};
use crate::limits::{
    COLLECT_SETTLES, IMPORT_AGAIN_AT_MOST_SECONDS, IMPORT_AGAIN_SECONDS, IMPORT_TRIES,
    IMPORTS_AT_ONCE,
};
use crate::store::format::{Outside, OutsideImport};
use crate::store::outside::{self, BROUGHT, GIVEN_UP, OutsideId, UNDER_WAY};
use crate::store::{Result, account};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What all of them share.
pub(super) struct Imports {
    pub desk: Arc<Desk>,
    pub place: Arc<Place>,
    pub name_servers: Vec<SocketAddr>,
}

/// One under way, and what ends it early.
type Task = (watch::Sender<bool>, JoinHandle<()>);

impl Imports {
    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut tasks: HashMap<OutsideId, Task> = HashMap::new();
        loop {
            let wanted = self.wanted().unwrap_or_else(|error| {
                let why = error.to_string();
                emit(Event::StoreTrouble { doing: "looking for imports", why });
                HashMap::new()
            });
            tasks.retain(|id, (end, task)| {
                if !wanted.contains_key(id) {
                    let _ = end.send(true);
                }
                !task.is_finished()
            });
            for (id, row) in wanted {
                if tasks.len() < IMPORTS_AT_ONCE && !tasks.contains_key(&id) {
                    tasks.insert(id, self.clone().begin(id, row));
                }
            }
            let stops = tokio::select! {
                stops = stops_within(&mut stop, COLLECT_SETTLES) => stops,
                () = self.place.imports.changed.notified() => false,
            };
            if stops {
                // What is being written is written; nothing else has to be ended well.
                for (end, _) in tasks.values() {
                    let _ = end.send(true);
                }
                return;
            }
        }
    }

    /// Those whose time has come.
    fn wanted(&self) -> Result<HashMap<OutsideId, Outside>> {
        let now = (self.desk.moment)().now();
        let mut wanted = HashMap::new();
        if self.desk.store().is_still() {
            return Ok(wanted);
        }
        let read = self.desk.store().snapshot()?;
        for (id, row) in outside::all(&read)? {
            let import = outside::import(&read, id)?;
            let due = import.is_some_and(|import| {
                let wait = import.next.saturating_sub(now);
                // A time far ahead was noted by a clock that was wrong.
                import.stage == UNDER_WAY && !(1..=IMPORT_AGAIN_AT_MOST_SECONDS).contains(&wait)
            });
            let by_imap = row.source.is_some() && row.kind == outside::IMAP;
            if due && by_imap && !account::is_closed(&read, id.account)? {
                wanted.insert(id, row);
            }
        }
        Ok(wanted)
    }

    fn begin(self: Arc<Self>, id: OutsideId, row: Outside) -> Task {
        let (end, ended) = watch::channel(false);
        let handle = tokio::runtime::Handle::current();
        // Whoever hears how far it is need not be of many threads.
        let task =
            tokio::task::spawn_blocking(move || handle.block_on(self.bring(id, &row, ended)));
        (end, task)
    }

    async fn bring(&self, id: OutsideId, row: &Outside, mut ended: watch::Receiver<bool>) {
        self.place.imports.begin(id);
        let came = tokio::select! {
            came = self.once(id, row) => Some(came),
            _ = ended.changed() => None,
        };
        let live = self.place.imports.end(id).unwrap_or_default();
        if let Some(Err(why)) = &came {
            emit(Event::CollectTrouble { source: row.address.clone(), why: why.clone() });
        }
        let now = (self.desk.moment)().now();
        let written = self.desk.store().write(move |batch| {
            let Some(before) = outside::import(batch, id)? else { return Ok(false) };
            outside::note_import(batch, id, &mut |row| {
                (row.done, row.of) = (live.done.messages, live.done.of);
                // Paused meanwhile, it is not under way again.
                if before.stage == UNDER_WAY {
                    match &came {
                        Some(Ok(report)) => went_well(row, report, now),
                        Some(Err(why)) => failed(row, why, live.done.octets > 0, now),
                        None => (),
                    }
                }
            })
        });
        if let Err(error) = written.await {
            let why = error.to_string();
            emit(Event::StoreTrouble { doing: "noting how an import goes", why });
        }
        // The next in line.
        self.place.imports.changed.notify_one();
    }

    async fn once(&self, id: OutsideId, row: &Outside) -> std::result::Result<Report, String> {
        let fault = |fault: Fault| fault.to_string();
        let place = pop3::place(row, &self.desk).map_err(fault)?;
        let key = self.desk.keyring.key(id, row).await.map_err(|no| fault(no.into()))?;
        let ask = Ask {
            account: id.account,
            place,
            login: login(row, key),
            above: None,
            name_servers: self.name_servers.clone(),
            pace: Pace::default(),
        };
        let mut told = |done| self.place.imports.told(id, done, self.place.millis());
        import::run(self.desk.store(), ask, &mut told).await
    }
}

pub(crate) fn went_well(row: &mut OutsideImport, report: &Report, now: i64) {
    (row.stage, row.ended, row.tries, row.next) = (BROUGHT, now, 0, 0);
    (row.messages, row.octets) = (report.messages, report.octets);
    (row.already, row.folders) = (report.already, report.folders);
    row.skipped_count = report.skipped_count;
    row.skipped.clone_from(&report.skipped);
    row.error.clear();
}

/// Tried again after a while; who brought something before it ended may begin anew at once.
pub(crate) fn failed(row: &mut OutsideImport, why: &str, brought: bool, now: i64) {
    row.tries = if brought { 1 } else { row.tries.saturating_add(1) };
    row.error = why.to_string();
    let doubled = IMPORT_AGAIN_SECONDS.saturating_mul(1 << row.tries.saturating_sub(1).min(16));
    row.next = now.saturating_add(doubled.min(IMPORT_AGAIN_AT_MOST_SECONDS));
    if row.tries >= IMPORT_TRIES {
        (row.stage, row.ended) = (GIVEN_UP, now);
    }
}
