//! Why an act was not done: what, why, and what to do about it.

use crate::store::StoreError;
use crate::store::backup::sealed::BadSeal;
use serde::{Deserialize, Serialize};

/// Why something was not done, in the words of the person who asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub what: String,
    pub why: String,
    /// What to do about it.
    pub remedy: String,
    /// For programs.
    #[serde(default)]
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// What was asked cannot be.
    #[default]
    Wrong,
    /// What it is about is not there.
    Missing,
    /// It is there already.
    Exists,
    /// There is no room.
    Full,
    /// The machine or its store is in trouble.
    Trouble,
}

impl Failure {
    pub(crate) fn new(what: &str, why: impl ToString, remedy: &str) -> Failure {
        let (what, why, remedy) = (what.to_string(), why.to_string(), remedy.to_string());
        Failure { what, why, remedy, kind: Kind::default() }
    }

    pub(crate) fn of_kind(self, kind: Kind) -> Failure {
        Failure { kind, ..self }
    }

    /// A fault of the store while doing `what`.
    pub(crate) fn store(what: &str, error: &StoreError) -> Failure {
        let remedy = match error {
            StoreError::DiskFull => "free space on the disk, or move the data to a larger one",
            StoreError::OverQuota { .. } => "raise it with `mailroom account quota`",
            StoreError::Locked => "stop the other process, or ask through it",
            StoreError::Newer { .. } => "run the version that wrote the store, or a newer one",
            StoreError::Corrupt(_) => "run `mailroom verify`; restore a backup if it finds more",
            StoreError::Engine(_) | StoreError::MapFull => "look at the disk and its system log",
            StoreError::Moving => "wait until that is done: the page Storage tells how far it is",
            StoreError::Stopped => "try again once the server runs",
            StoreError::NotFound(_) => "look with `mailroom account list` or `address list`",
            StoreError::Sealed(BadSeal::Closed) => "name a file that holds it: --passphrase-file",
            StoreError::Sealed(BadSeal::WrongPassphrase) => "letters count, also large and small",
            StoreError::Sealed(_) => "keep all its parts in one folder; else take another backup",
            StoreError::Limit(_) | StoreError::Exists(_) | StoreError::Invalid(_) => "",
        };
        let kind = match error {
            StoreError::DiskFull | StoreError::OverQuota { .. } => Kind::Full,
            StoreError::NotFound(_) => Kind::Missing,
            StoreError::Exists(_) | StoreError::Moving => Kind::Exists,
            StoreError::Limit(_) | StoreError::Invalid(_) | StoreError::Sealed(_) => Kind::Wrong,
            _ => Kind::Trouble,
        };
        Failure::new(what, error, remedy).of_kind(kind)
    }
}
