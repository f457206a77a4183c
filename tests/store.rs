//! Tests: store.
//!
//! Stories of the store through its own interface; the sub-modules each tell of one part.

mod compat;
mod cost;
mod engine;
mod messages;
mod model;
mod night;
pub(crate) mod outside;
mod people;
mod salvage;
mod sealed;
mod still;
mod upkeep;

use crate::message::facts::{Envelope, Facts};
use crate::store::account::NewAccount;
use crate::store::format::Credential;
use crate::store::mail::{FlagSet, Flags, NewMail, Prepared};
use crate::store::writer::Options;
use crate::store::{AccountId, Batch, MailId, Result, Store, account, address, mail};
use crate::wire::address::Address;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) const NOW: i64 = 1_760_000_000;

/// A folder of its own for one test, gone with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir();
        let path = path.join(format!("mailroom-store-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A store in which office.test is a domain and alice (account 1) and bob (account 2) are people.
pub(crate) struct Office {
    pub store: Store,
    pub folder: Folder,
}

pub(crate) const ALICE: AccountId = AccountId(1);
pub(crate) const BOB: AccountId = AccountId(2);

impl Office {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let folder = Folder::new();
        let store = Store::open(&folder.store(), options).expect("a new store");
        let office = Self { store, folder };
        office.write(|batch| address::add_domain(batch, "office.test", NOW)).expect("domain");
        for (name, id) in [("alice", ALICE), ("bob", BOB)] {
            assert_eq!(office.write(move |batch| add_person(batch, name)), Ok(id));
        }
        office
    }

    /// Closes and opens again, as a restart does.
    pub(crate) fn reopen(self) -> Self {
        let Self { store, folder } = self;
        drop(store);
        let store = Store::open(&folder.store(), Options::default()).expect("the store again");
        Self { store, folder }
    }

    pub(crate) fn write<R: Send + 'static>(
        &self,
        job: impl FnMut(&mut Batch) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.store.write_blocking(job)
    }

    pub(crate) fn append(
        &self,
        account: AccountId,
        mailbox: crate::store::MailboxId,
        new: NewMail,
    ) -> Result<mail::Appended> {
        self.write(move |batch| deliver(batch, account, mailbox, &new))
    }

    pub(crate) fn add(&self, account: AccountId, text: &str) -> mail::Appended {
        self.append(account, crate::store::INBOX, letter(text)).expect("an append")
    }
}

pub(crate) fn add_person(batch: &mut Batch, name: &str) -> Result<AccountId> {
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

pub(crate) fn deliver(
    batch: &mut Batch,
    account: AccountId,
    mailbox: crate::store::MailboxId,
    new: &NewMail,
) -> Result<mail::Appended> {
    let id: MailId = mail::next_id(batch, NOW as u64 * 1_000_000)?;
    mail::append(batch, account, mailbox, new, id)
}

/// A message without flags whose text is all there is.
pub(crate) fn letter(text: &str) -> NewMail {
    letter_of(prepared(text.as_bytes(), None, &[]), &[])
}

pub(crate) fn letter_of(body: Prepared, keywords: &[&str]) -> NewMail {
    let keywords = keywords.iter().map(|keyword| keyword.to_string()).collect();
    NewMail {
        body: Arc::new(body),
        prefix: Vec::new(),
        flags: FlagSet { flags: Flags::default(), keywords },
        internal_date: NOW,
        internal_zone_minutes: 60,
        save_date: NOW,
    }
}

pub(crate) fn prepared(raw: &[u8], message_id: Option<&str>, references: &[&str]) -> Prepared {
    let message_id = message_id.map(|id| id.as_bytes().to_vec());
    let facts = Facts {
        envelope: Some(Envelope { message_id, ..Envelope::default() }),
        references: references.iter().map(|id| id.as_bytes().to_vec()).collect(),
        ..Facts::default()
    };
    Prepared::with_facts(raw, facts)
}

/// Gives an account this password in place of all it had; returns what tells it from others.
pub(crate) fn set_password(store: &Store, who: AccountId, octet: u8) -> u64 {
    let stored_key = vec![octet; 32];
    let mark = crate::wire::scram::mark(&stored_key);
    let set = store.write_blocking(move |batch| {
        account::update(batch, who, &mut |account| {
            let stored_key = stored_key.clone();
            account.credentials = vec![Credential { stored_key, ..Credential::default() }];
            Ok(())
        })
    });
    set.expect("a password");
    mark
}

/// What tells the first password of an account from others; 0 where it has none.
pub(crate) fn password(store: &Store, who: AccountId) -> u64 {
    let account = account::get(&store.snapshot().expect("a snapshot"), who).expect("read");
    let kept = account.and_then(|account| account.credentials.into_iter().next());
    kept.map_or(0, |kept| crate::wire::scram::mark(&kept.stored_key))
}
