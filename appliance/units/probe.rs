//! The health loop of a box: tells PID 1 every few seconds how mail is. It goes by way of what it
//! tells of (the runtime, a snapshot, the writer's thread), so that a server that hangs is silent.

use crate::admin::fingerprint;
use crate::event::{Event, emit};
use crate::limits;
use crate::net::stopped;
use crate::request::{Health, Mail, Message, StoreState, Words};
use crate::store::{Result, Store, account, address, outbox, owner};
use crate::system::pair::Pair;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

#[derive(Clone)]
pub(super) struct Probe {
    pair: Arc<Pair>,
    store: Store,
    open: Arc<AtomicBool>,
    /// Of the certificates.
    folder: PathBuf,
    /// The words of the key that PID 1 has heard.
    told: Arc<Mutex<String>>,
}

impl Probe {
    pub(super) fn new(pair: Arc<Pair>, store: Store, folder: &Path) -> Probe {
        let folder = folder.to_path_buf();
        Probe { pair, store, open: Arc::default(), folder, told: Arc::default() }
    }

    /// The mail ports are open now.
    pub(super) fn opened(&self) {
        self.open.store(true, Ordering::SeqCst);
    }

    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            let probe = self.clone();
            // Reads the store, and the socket may block.
            let told = tokio::task::spawn_blocking(move || probe.tell()).await;
            if let Ok(Err(error)) = told {
                let why = error.to_string();
                emit(Event::UnitFailed { unit: "health", why });
            }
            tokio::select! {
                () = tokio::time::sleep(limits::HEALTH_SAID) => (),
                () = stopped(&mut stop) => return,
            }
        }
    }

    fn tell(&self) -> std::io::Result<()> {
        let mail = if self.open.load(Ordering::SeqCst) { Mail::Open } else { Mail::Closed };
        let health = health(&self.store, mail).unwrap_or(Health {
            mail,
            store: StoreState::Failing,
            owned: true,
            accounts: 0,
            waiting: 0,
        });
        self.pair.say(&Message::Health(health))?;
        self.tell_key()
    }

    /// When it is another than before: a certificate may be replaced.
    fn tell_key(&self) -> std::io::Result<()> {
        let Some(words) = fingerprint::of(&self.folder) else { return Ok(()) };
        let words = words.join(" ");
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != words {
            self.pair.say(&Message::Key(Words::new(&words)))?;
            *told = words;
        }
        Ok(())
    }

    /// Returns once there is a domain. An empty store costs nothing to look at.
    pub(super) async fn until_domain(&self) {
        loop {
            let store = self.store.clone();
            let found = tokio::task::spawn_blocking(move || has_domain(&store)).await;
            if matches!(found, Ok(Ok(true))) {
                return;
            }
            tokio::time::sleep(limits::DOMAIN_LOOK).await;
        }
    }
}

pub(crate) fn has_domain(store: &Store) -> Result<bool> {
    let read = store.snapshot()?;
    Ok(!address::domains(&read)?.is_empty())
}

/// As the store says it.
pub(crate) fn health(store: &Store, mail: Mail) -> Result<Health> {
    // An empty write goes through the writer's thread and costs the disk nothing.
    store.write_blocking(|_| Ok(()))?;
    let space = store.space()?;
    let free = space.disk.saturating_add(space.free);
    let full = free < limits::DISK_RESERVE_BYTES;
    let read = store.snapshot()?;
    let accounts = u32::try_from(account::list(&read)?.len()).unwrap_or(u32::MAX);
    let waiting = outbox::count(&read, limits::HEALTH_COUNTED)?;
    Ok(Health {
        mail,
        store: if full { StoreState::Full } else { StoreState::Good },
        owned: owner::get(&read)?.is_some(),
        accounts,
        waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
    })
}
