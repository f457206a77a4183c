//! How updates stand, as PID 1 tells the server: one small file in memory, replaced as a whole.
//!
//! ```text
//! PID 1: print -> FILE.new -> FILE                     (0644; the server may read, never write)
//!                             FILE -> parse: the server's pages, its calls, its command line
//! ```
//!
//! What `print` makes, `parse` takes: names and sentences are cut and freed of control characters
//! on the way out, and whatever is longer or of another form is refused on the way in.

use super::install;
use super::slot::{Slot, Standing};
use crate::limits;
use semver::Version;
use serde::{Deserialize, Serialize};

/// Where it stands on a box.
pub(crate) const FILE: &str = "/run/update/state";

/// The name in the data folder of a bundle that was sent to the server; PID 1 takes it from there.
pub(crate) const SENT: &str = "update.mru";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Told {
    pub board: String,
    /// What runs.
    pub version: Version,
    pub epoch: u32,
    pub kernel: String,
    /// When it was built, seconds since 1970.
    pub built: i64,
    #[serde(with = "SlotName")]
    pub slot: Slot,
    #[serde(with = "StandingName")]
    pub standing: Standing,
    /// A whole older system in the other slot: the box can go back to it.
    pub other: Option<Other>,
    /// An update that is being installed, or waits for the restart.
    pub work: Option<Work>,
    /// The last file that was not taken.
    pub refused: Option<Refused>,
    /// The newest first, at most [`limits::UPDATE_HISTORY`].
    pub history: Vec<Past>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Other {
    pub version: Version,
    pub epoch: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Work {
    pub way: Way,
    pub file: String,
    /// Once its signature was found good.
    pub version: Option<Version>,
    pub step: Step,
    /// Blocks.
    pub done: u32,
    pub of: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refused {
    pub way: Way,
    pub file: String,
    pub version: Option<Version>,
    /// A sentence.
    pub why: String,
    /// It is older or the same: the owner may install it all the same.
    pub consent: bool,
}

/// One update of the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Past {
    /// Seconds since 1970.
    pub at: i64,
    /// What was to run; nobody knows that of a file with a wrong signature.
    pub version: Option<Version>,
    /// What ran before.
    pub from: Version,
    pub way: Way,
    pub result: Outcome,
    /// A sentence, or empty.
    pub why: String,
}

/// How a system came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    Stick,
    Upload,
    /// The owner went back to the other slot.
    Hand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    Checking,
    Writing,
    ReadingBack,
    /// Runs after the next restart.
    Installed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    Kept,
    /// The old system runs again.
    Back,
    Refused,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Slot", rename_all = "kebab-case")]
enum SlotName {
    A,
    B,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Standing", rename_all = "kebab-case")]
enum StandingName {
    Confirmed,
    Pending,
    OnTrial,
    RolledBack,
    Substitute,
}

impl From<install::Step> for Step {
    fn from(step: install::Step) -> Step {
        match step {
            install::Step::Checking => Step::Checking,
            install::Step::Writing => Step::Writing,
            install::Step::ReadingBack => Step::ReadingBack,
        }
    }
}

/// The content of the file; the error says what is wrong with it.
pub(crate) fn parse(octets: &[u8]) -> Result<Told, String> {
    if octets.len() > limits::UPDATE_STATE_BYTES {
        return Err(format!("it has more than {} octets", limits::UPDATE_STATE_BYTES));
    }
    let told: Told = serde_json::from_slice(octets).map_err(|error| error.to_string())?;
    if told.tidy() != told {
        return Err("a text in it is too long or not of one line".to_string());
    }
    if told.work.as_ref().is_some_and(|work| work.done > work.of) {
        return Err("more blocks are done than there are".to_string());
    }
    Ok(told)
}

pub(crate) fn print(told: &Told) -> Vec<u8> {
    // Nothing in it can fail to be printed: no map, no number that JSON lacks.
    let mut octets = serde_json::to_vec_pretty(&told.tidy()).unwrap_or_default();
    octets.push(b'\n');
    octets
}

impl Told {
    /// As it may be printed.
    fn tidy(&self) -> Told {
        let mut told = self.clone();
        told.board = line(&told.board, limits::UPDATE_NAME_LETTERS);
        told.kernel = line(&told.kernel, limits::UPDATE_NAME_LETTERS);
        if let Some(work) = &mut told.work {
            work.file = line(&work.file, limits::UPDATE_NAME_LETTERS);
        }
        if let Some(refused) = &mut told.refused {
            refused.file = line(&refused.file, limits::UPDATE_NAME_LETTERS);
            refused.why = line(&refused.why, limits::UPDATE_WHY_LETTERS);
        }
        told.history.truncate(limits::UPDATE_HISTORY);
        for past in &mut told.history {
            past.why = line(&past.why, limits::UPDATE_WHY_LETTERS);
        }
        told
    }
}

/// So many letters of a text, in one line.
fn line(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
