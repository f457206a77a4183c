//! What PID 1 keeps of updates on the data partition, and what follows from it at each start.
//!
//! ```text
//! /data/system/updates    JSON: `Ledger`; later versions add names, and none changes its meaning
//!
//!   written into the slot -> ledger: under way -> slot state: trial -> restart
//!                                     |
//!   start of the new system           |   start of the old one, rolled back
//!     proved -> slot state: good      |     ledger: back, failed -> slot state: no trial
//!            -> ledger: kept          |
//! ```
//!
//! Each arrow may be where the power goes. The next start sees by the slot state which side of it
//! was reached, and goes on from there (`started`).

use super::release::Release;
use super::slot::{Slot, Standing};
use super::state::{Other, Outcome, Past, Way};
use crate::limits;
use semver::Version;
use serde::{Deserialize, Serialize};

pub(crate) const FILE: &str = "/data/system/updates";

/// Why a trial ended, where nobody could say more.
pub(crate) const NEVER_STARTED: &str =
    "the new system did not start: its kernel or its first program ended at once";
pub(crate) const STARTED: &str = "the new system started, and ended before it had proved that \
                                  mail works: it crashed or hung, or the power went";

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Ledger {
    /// No system with a lower security epoch is installed.
    pub epoch: u32,
    /// A whole system in the slot that does not run, which ran well before.
    pub other: Option<Other>,
    pub under_way: Option<UnderWay>,
    /// Updates that did not prove themselves, by their ids; the newest last.
    pub failed: Vec<String>,
    /// What is to be written onto the stick that brought the last one.
    pub letter: Option<Letter>,
    /// The newest first.
    pub history: Vec<Past>,
}

/// From being written whole to being kept or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnderWay {
    /// Of its manifest; empty for the system that stands in the other slot.
    pub id: String,
    /// Where it was written.
    pub slot: String,
    pub version: Version,
    pub epoch: u32,
    pub from: Version,
    pub from_epoch: u32,
    pub way: Way,
    pub file: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// The update file that lies beside it.
    pub file: String,
    pub text: String,
}

/// What a start has to do about updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Started {
    Nothing,
    /// The trial was to begin when the power went.
    Begin,
    /// This system has to prove itself.
    OnTrial,
    /// The ledger has the end of the trial; then the slot state is to be told.
    Ended,
    /// The slot state knew that it is kept; the ledger has learned it.
    Kept,
}

impl Ledger {
    pub(crate) fn parse(octets: &[u8]) -> Result<Ledger, String> {
        serde_json::from_slice(octets).map_err(|error| error.to_string())
    }

    pub(crate) fn print(&self) -> Vec<u8> {
        // No map and no number that JSON lacks.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// It came with the mail from a card that is gone: what it says of slots is not of these.
    pub(crate) fn of_another_card(&mut self) {
        (self.other, self.under_way, self.letter) = (None, None, None);
    }

    /// `why`: what the trial's system noted of its end.
    pub(crate) fn started(
        &mut self,
        running: Slot,
        standing: Standing,
        why: &str,
        at: i64,
    ) -> Started {
        match (standing, &self.under_way) {
            (Standing::OnTrial, _) => Started::OnTrial,
            (Standing::RolledBack, _) => {
                self.back(if why.is_empty() { NEVER_STARTED } else { why }, at);
                Started::Ended
            }
            (Standing::Confirmed, Some(under_way)) if under_way.slot == running.name() => {
                self.kept(at);
                Started::Kept
            }
            (Standing::Confirmed, Some(_)) => Started::Begin,
            _ => Started::Nothing,
        }
    }

    /// The running system proved itself.
    pub(crate) fn kept(&mut self, at: i64) {
        let Some(it) = self.under_way.take() else { return };
        self.epoch = self.epoch.max(it.epoch);
        let text = format!(
            "Version {} was installed on {} and works. Version {} ran before; the box can go back \
             to it on its page Update.\r\n",
            it.version,
            day(at),
            it.from,
        );
        self.letter = it.letter(text);
        self.other = Some(Other { version: it.from.clone(), epoch: it.from_epoch });
        self.past(it.past(at, Outcome::Kept, ""));
    }

    /// The system on trial did not prove itself, and the one before runs again.
    pub(crate) fn back(&mut self, why: &str, at: i64) {
        let Some(it) = self.under_way.take() else { return };
        let text = format!(
            "Version {} was installed on {} and did not work: {why}. Version {} runs again, and no \
             mail was lost. This file is not tried again; a later version will be.\r\n",
            it.version,
            day(at),
            it.from,
        );
        self.letter = it.letter(text);
        self.other = None;
        if !it.id.is_empty() {
            self.failed.push(it.id.clone());
            let old = self.failed.len().saturating_sub(limits::UPDATE_HISTORY);
            self.failed.drain(..old);
        }
        self.past(it.past(at, Outcome::Back, why));
    }

    pub(crate) fn past(&mut self, past: Past) {
        self.history.insert(0, past);
        self.history.truncate(limits::UPDATE_HISTORY);
    }

    pub(crate) fn has_failed(&self, id: &str) -> bool {
        self.failed.iter().any(|failed| failed == id)
    }

    /// The way back to the other slot, if there is one.
    pub(crate) fn way_back(&self, here: &Release, running: Slot) -> Result<UnderWay, String> {
        let Some(other) = &self.other else {
            return Err("there is no other system to go back to".to_string());
        };
        if other.epoch < self.epoch {
            return Err(format!(
                "version {} is older than a security fix of this system (epoch {}, {} is running)",
                other.version, other.epoch, self.epoch
            ));
        }
        Ok(UnderWay {
            id: String::new(),
            slot: running.other().name().to_string(),
            version: other.version.clone(),
            epoch: other.epoch,
            from: here.version.clone(),
            from_epoch: here.epoch,
            way: Way::Hand,
            file: String::new(),
        })
    }
}

impl UnderWay {
    fn past(&self, at: i64, result: Outcome, why: &str) -> Past {
        let (version, from) = (Some(self.version.clone()), self.from.clone());
        Past { at, version, from, way: self.way, result, why: why.to_string() }
    }

    fn letter(&self, text: String) -> Option<Letter> {
        (self.way == Way::Stick).then(|| Letter { file: self.file.clone(), text })
    }
}

/// In words that are the same everywhere: PID 1 knows no zone.
fn day(at: i64) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp(at).ok();
    at.map_or_else(String::new, |at| {
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02} UTC",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute()
        )
    })
}
