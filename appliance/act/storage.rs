//! All that the office keeps, copied to another disk; and how fast a disk is.
//!
//! ```text
//! listed     files and folders, with what tells whether one is changed
//! copied     file by file, on the disk when it ends
//! compared   both read again from their disks, by their sums
//! listed     once more: nothing was changed meanwhile
//! checked    the copy's store, every row
//! ```

pub(crate) mod copy;
pub(crate) mod record;
pub(crate) mod speed;

use serde::{Deserialize, Serialize};

/// Where a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    /// The new disk is emptied.
    Preparing,
    /// Mail on its way out comes to its end.
    Waiting,
    Copying,
    Comparing,
    Checking,
    /// The box changes to it, and restarts.
    Switching,
}
