//! What the server remembers of its backups: `DATA/backups.json`, readable by it alone and in no
//! backup.
//!
//! The passphrase of nightly backups stands in it, sealed with the key of the box
//! (`store/secrets.key`): whoever has the whole card has both.

use super::TriedView;
use crate::limits::{BACKUP_AGAIN_SECONDS, BACKUP_STATE_BYTES};
use crate::settings::replace_file;
use crate::store::backup::sealed::Passphrase;
use crate::store::seal::Sealer;
use crate::store::{Store, StoreError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const FILE: &str = "backups.json";
/// What the passphrase is bound to.
const BOUND: &[u8] = b"backup passphrase";
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    /// The stick of nightly backups, by the file on it; "": none.
    pub id: String,
    /// As it is called.
    pub stick: String,
    /// The passphrase of nightly backups, sealed.
    secret: String,
    /// Since when there are any, seconds since 1970.
    pub since: i64,
    /// The last backup that was tried to be made, by whomever.
    pub last: Option<Past>,
    /// When a nightly backup was tried last; and when the last was made that can be brought back.
    pub attempt: i64,
    pub done: i64,
    /// The newest nightly backup in which nothing was damaged: its name, and when it was made.
    pub good: Option<(String, i64)>,
    /// Why the nightly ones since then are none; "": they are.
    pub failed: String,
}

/// A backup of the past.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Past {
    /// Seconds since 1970.
    pub at: i64,
    pub name: String,
    /// Where it lies: the stick as it is called, or the folder.
    pub place: String,
    pub octets: u64,
    pub parts: u32,
    /// That it took to write it.
    pub seconds: u64,
    pub tried: Option<TriedView>,
    pub nightly: bool,
    /// Why there is none; "": there is.
    pub failed: String,
}

impl Record {
    /// What is known of the server with this data; a file that cannot be read is as none.
    pub(crate) fn load(data: &Path) -> Record {
        let mut octets = Vec::new();
        let read = File::open(data.join(FILE))
            .and_then(|file| file.take(BACKUP_STATE_BYTES).read_to_end(&mut octets));
        read.ok().and_then(|_| serde_json::from_slice(&octets).ok()).unwrap_or_default()
    }

    pub(crate) fn save(&self, data: &Path) -> io::Result<()> {
        replace_file(&data.join(FILE), &serde_json::to_vec_pretty(self)?)
    }

    /// Keeps the passphrase of nightly backups; `None` forgets it.
    pub(crate) fn keep(
        &mut self,
        store: &Store,
        passphrase: Option<&Passphrase>,
    ) -> Result<(), StoreError> {
        let seal = |it: &Passphrase| -> Result<String, StoreError> {
            Ok(STANDARD.encode(store.sealer()?.seal(BOUND, it.text().as_bytes())?))
        };
        self.secret = passphrase.map(seal).transpose()?.unwrap_or_default();
        Ok(())
    }

    /// The passphrase of nightly backups; `None`: none is kept, or by another box.
    pub(crate) fn passphrase(&self, sealer: &Sealer) -> Option<Passphrase> {
        let sealed = STANDARD.decode(&self.secret).ok()?;
        let open = sealer.open(BOUND, &sealed)?;
        std::str::from_utf8(&open).ok().map(Passphrase::new)
    }

    /// Is there a stick and a passphrase for nightly backups?
    pub(crate) fn is_enrolled(&self) -> bool {
        !self.id.is_empty() && !self.secret.is_empty()
    }

    /// When the newest good one was made.
    pub(crate) fn good_at(&self) -> Option<i64> {
        self.good.as_ref().map(|(_, at)| *at)
    }

    /// Is it time for the nightly backup? `hour` is of UTC.
    pub(crate) fn is_due(&self, hour: u8, now: i64) -> bool {
        let hour = i64::from(hour) * HOUR;
        let night = (now - hour).div_euclid(DAY) * DAY + hour;
        // What was in the future was dated by a clock that was wrong.
        let (done, attempt) = (past(self.done, now), past(self.attempt, now));
        if !self.is_enrolled() || past(self.since, now) > night || done >= night {
            return false;
        }
        attempt < night || now - attempt >= BACKUP_AGAIN_SECONDS
    }
}

fn past(at: i64, now: i64) -> i64 {
    if at > now { 0 } else { at }
}
