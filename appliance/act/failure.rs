//! Why an act was not done: what, why, and what to do about it.

use crate::store::StoreError;
use serde::{Deserialize, Serialize};

/// Why something was not done, in the words of the person who asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub what: String,
    pub why: String,
    /// What to do about it.
    pub remedy: String,
}

impl Failure {
    pub(crate) fn new(what: &str, why: impl ToString, remedy: &str) -> Failure {
        Failure { what: what.to_string(), why: why.to_string(), remedy: remedy.to_string() }
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
            StoreError::Stopped => "try again once the server runs",
            StoreError::NotFound(_) => "look with `mailroom account list` or `address list`",
            StoreError::Limit(_) | StoreError::Exists(_) | StoreError::Invalid(_) => "",
        };
        Failure::new(what, error, remedy)
    }
}
