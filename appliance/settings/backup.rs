//! Where backups lie, and when they are made by themselves: `[backup]`.
//!
//! ```text
//! [backup]   nightly, keep, folder
//! ```

use super::{Fault, fault};
use crate::limits;
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backups {
    /// The hour (UTC) at which one is made each night.
    pub nightly: Option<u8>,
    /// How many of these are kept.
    pub keep: usize,
    /// Of a machine that is no box: the folder that stands for a stick.
    pub folder: Option<PathBuf>,
}

impl Default for Backups {
    fn default() -> Self {
        Self { nightly: None, keep: limits::BACKUPS_KEPT, folder: None }
    }
}

/// The section with words for the owner.
pub(super) fn print(backups: &Backups) -> String {
    let nightly = backups.nightly.map_or(String::new(), |hour| format!("{hour:02}:00"));
    let folder = backups.folder.as_ref().map(|it| it.display().to_string()).unwrap_or_default();
    format!(
        "\n[backup]\n\
         # The hour (UTC, as \"02:00\") of a backup each night; \"\": none. The page Backup sets\n\
         # it, since it needs a passphrase and a stick that is known.\n\
         nightly = \"{nightly}\"\n\
         # How many of these are kept, where there is room for them.\n\
         keep = {}\n\
         # On a machine that is no box: the folder where backups lie, instead of a stick.\n\
         folder = {}\n",
        backups.keep,
        toml::Value::String(folder),
    )
}

// ---- the section as it is written ----

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenBackup {
    nightly: Option<Spanned<String>>,
    keep: Option<Spanned<usize>>,
    folder: Option<Spanned<String>>,
}

pub(super) fn backups(written: &WrittenBackup) -> Result<Backups, Fault> {
    let usual = Backups::default();
    let most = limits::BACKUPS_KEPT_AT_MOST;
    let keep = match &written.keep {
        None => usual.keep,
        Some(keep) if (1..=most).contains(keep.get_ref()) => *keep.get_ref(),
        Some(keep) => return Err(fault(keep, format!("must be from 1 to {most}"))),
    };
    let folder = match &written.folder {
        Some(folder) if !folder.get_ref().is_empty() => {
            let path = PathBuf::from(folder.get_ref());
            if !path.is_absolute() {
                return Err(fault(folder, "must be a whole path, such as \"/srv/backup\""));
            }
            Some(path)
        }
        _ => None,
    };
    let nightly = written.nightly.as_ref().filter(|it| !it.get_ref().is_empty());
    Ok(Backups { nightly: nightly.map(hour).transpose()?, keep, folder })
}

fn hour(written: &Spanned<String>) -> Result<u8, Fault> {
    let hour = written.get_ref().strip_suffix(":00").filter(|hour| hour.len() == 2);
    let hour = hour.and_then(|hour| hour.parse().ok()).filter(|hour| *hour < 24);
    hour.ok_or_else(|| fault(written, "must be a whole hour, from \"00:00\" to \"23:00\""))
}
