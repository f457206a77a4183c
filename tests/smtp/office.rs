//! A store of its own for one test: office.test with alice (account 1) and bob (account 2).

use crate::store::account::{self, NewAccount};
use crate::store::writer::Options;
use crate::store::{AccountId, Batch, Result, Store, address};
use crate::wire::address::Address;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) const NOW: i64 = 1_760_000_000;
pub(super) const ALICE: AccountId = AccountId(1);
pub(super) const BOB: AccountId = AccountId(2);

pub(super) struct Office {
    pub store: Store,
    pub folder: PathBuf,
}

impl Office {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mailroom-smtp-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        let store = Store::open(&folder, Options::default()).expect("a new store");
        let office = Self { store, folder };
        office.write(|batch| address::add_domain(batch, "office.test", NOW)).expect("domain");
        for (name, id) in [("alice", ALICE), ("bob", BOB)] {
            assert_eq!(office.write(move |batch| add_person(batch, name)), Ok(id));
        }
        office
    }

    pub(super) fn write<R: Send + 'static>(
        &self,
        job: impl FnMut(&mut Batch) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.store.write_blocking(job)
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(super) fn add_person(batch: &mut Batch, name: &str) -> Result<AccountId> {
    let account = NewAccount {
        login: Address::parse(&format!("{name}@office.test")).expect("an address"),
        name: name.to_string(),
        quota: 0,
        credentials: Vec::new(),
        scram_salt: vec![7; 16],
        scram_iterations: 4096,
    };
    account::create(batch, account, NOW)
}
