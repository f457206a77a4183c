//! How the last move went, and how fast the disk was that holds the mail: `DATA/disks.json`.

use super::speed::Speed;
use crate::limits::MOVE_STATE_BYTES;
use crate::settings::replace_file;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const FILE: &str = "disks.json";

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    /// The move that brought the mail here.
    pub last: Option<Moved>,
    /// Of the disk that holds the mail.
    pub speed: Option<Speed>,
}

/// A move that was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Moved {
    /// Seconds since 1970.
    pub at: i64,
    /// The disk that the mail went to.
    pub name: String,
    pub octets: u64,
    pub seconds: u64,
}

impl Record {
    /// What is known in this folder; a file that cannot be read is as none.
    pub(crate) fn load(data: &Path) -> Record {
        let mut octets = Vec::new();
        let read = File::open(data.join(FILE))
            .and_then(|file| file.take(MOVE_STATE_BYTES).read_to_end(&mut octets));
        read.ok().and_then(|_| serde_json::from_slice(&octets).ok()).unwrap_or_default()
    }

    pub(crate) fn save(&self, data: &Path) -> io::Result<()> {
        replace_file(&data.join(FILE), &serde_json::to_vec_pretty(self)?)
    }
}
