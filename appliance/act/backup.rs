//! A backup into a file: written, and tried by bringing it back beside the store.

pub(crate) mod find;
pub(crate) mod record;
pub(crate) mod shelf;

use super::Reply;
use super::failure::Failure;
use super::office;
use super::words::{octets, plain};
use crate::limits::{PASSPHRASE_LETTERS, PASSWORD_BYTES};
use crate::store::backup::sealed::{Form, Passphrase};
use crate::store::backup::trial::{self, Tried};
use crate::store::backup::{self, Parts, Written};
use crate::store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Backup {
    pub file: PathBuf,
    /// Only whoever knows it opens the backup; without one everybody does.
    pub passphrase: Option<Passphrase>,
    /// It is not tried.
    pub untried: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Copied {
    pub file: PathBuf,
    /// In all its parts.
    pub octets: u64,
    pub parts: u32,
    pub sealed: bool,
    /// That it took to write it.
    pub seconds: u64,
    /// What came of the trial, if there was one.
    pub tried: Option<TriedView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TriedView {
    /// It was restored beside the store; else only read, for want of room.
    pub restored: bool,
    pub accounts: u64,
    pub messages: u64,
    /// Of the messages.
    pub octets: u64,
    pub seconds: u64,
    pub faults: u64,
    /// The first of them.
    pub first: String,
}

impl From<Tried> for TriedView {
    fn from(tried: Tried) -> TriedView {
        let Tried { restored, accounts, messages, octets, faults, first, took } = tried;
        let seconds = took.as_secs().max(1);
        TriedView { restored, accounts, messages, octets, seconds, faults, first }
    }
}

/// The letters of a passphrase are enough, or the error says how many are.
pub(crate) fn check(passphrase: &Passphrase) -> Result<(), String> {
    match passphrase.text().chars().count() {
        _ if passphrase.text().len() > PASSWORD_BYTES => {
            Err(format!("the passphrase is longer than {PASSWORD_BYTES} octets"))
        }
        PASSPHRASE_LETTERS.. => Ok(()),
        few => Err(format!(
            "the passphrase has {few} letters, and at least {PASSPHRASE_LETTERS} are needed: \
             whoever finds the backup has time to guess"
        )),
    }
}

pub(super) fn back_up(
    store: &Store,
    to: Backup,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Reply, Failure> {
    let what = format!("cannot back up to {}", to.file.display());
    if let Some(passphrase) = &to.passphrase {
        check(passphrase).map_err(|why| Failure::new(&what, why, "take more words"))?;
    }
    let (passphrase, phases) = (to.passphrase.as_ref(), if to.untried { 1 } else { 2 });
    let written = write(store, &to.file, passphrase, &mut |done, total| {
        progress(done, total.saturating_mul(phases));
    });
    let written = written.map_err(|error| Failure::store(&what, &error))?;
    let tried = match to.untried {
        true => None,
        false => Some(try_out(store, &to.file, passphrase, &mut |done, total| {
            progress(total.saturating_add(done), total.saturating_mul(phases));
        })?),
    };
    let Written { octets, parts, took } = written;
    let (sealed, seconds) = (to.passphrase.is_some(), took.as_secs().max(1));
    Ok(Reply::Copied(Copied { file: to.file.clone(), octets, parts, sealed, seconds, tried }))
}

/// Writes all of the office.
pub(crate) fn write(
    store: &Store,
    file: &Path,
    passphrase: Option<&Passphrase>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Written, StoreError> {
    let parts = office::parts(data(store))?;
    backup::write(store, &parts, file, passphrase.map(|it| (it, Form::usual())), progress)
}

/// Brings it back beside the store.
pub(crate) fn try_out(
    store: &Store,
    file: &Path,
    passphrase: Option<&Passphrase>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<TriedView, Failure> {
    let data = data(store);
    let settle = |parts: &mut Parts| office::settle(data, parts);
    let tried = trial::try_out((file, passphrase), store.folder(), &settle, progress);
    let what = format!("the backup in {} is written, and cannot be brought back", file.display());
    tried.map(TriedView::from).map_err(|error| Failure::store(&what, &error))
}

/// DATA/store is the store's.
fn data(store: &Store) -> &Path {
    store.folder().parent().unwrap_or(Path::new(""))
}

/// In words, as the command line says it.
pub(crate) fn printed(copied: &Copied) -> String {
    let size = octets(copied.octets);
    let parts = match copied.parts {
        0 | 1 => String::new(),
        some => format!(" in {some} parts"),
    };
    let seal = match copied.sealed {
        true => "it opens with the passphrase alone: without it all of it is lost",
        false => {
            "it opens all of the office and is not encrypted: keep it where nobody else reaches it"
        }
    };
    let file = copied.file.display();
    let seconds = copied.seconds;
    let mut text = format!(
        "mail, settings, keys and certificates are in {file} ({size}{parts}, {seconds} s); {seal}\n"
    );
    if let Some(tried) = &copied.tried {
        text.push_str(&format!("{}\n", said(tried)));
    }
    text
}

/// What came of the trial.
pub(crate) fn said(tried: &TriedView) -> String {
    let TriedView { restored, accounts, messages, octets: size, seconds, faults, first } = tried;
    let how = match restored {
        true => "tried by a restore beside the store",
        false => "read again, since there is no room for a trial restore",
    };
    let size = octets(*size);
    let found = match faults {
        0 => "nothing is damaged".to_string(),
        1 => format!("one fault: {}", plain(first)),
        some => format!("{some} faults, the first: {}", plain(first)),
    };
    format!("{how} in {seconds} s: {accounts} accounts, {messages} messages ({size}), {found}")
}
