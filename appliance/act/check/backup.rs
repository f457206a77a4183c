//! How nightly backups stand.

use super::said::{Value, say};
use super::{Finding, State};
use crate::act::backup::record::Record;
use crate::limits::{BACKUP_LOST_SECONDS, BACKUP_OLD_SECONDS};
use crate::settings::Settings;
use std::path::Path;

const WHAT: &str = "backup";

/// `None`: none is wanted, and the last that somebody made went well.
pub(super) fn nightly(data: &Path, settings: &Settings, now: i64) -> Option<Finding> {
    stands(&Record::load(data), settings.backup.nightly.is_some(), now)
}

pub(crate) fn stands(record: &Record, is_nightly: bool, now: i64) -> Option<Finding> {
    let last = record.last.as_ref();
    if !is_nightly {
        let failed = last.filter(|last| !last.failed.is_empty())?;
        let said = say("found.backup-hand", [Value::Time(failed.at), Value::from(&failed.failed)]);
        return Some(Finding::new(WHAT, State::Warn, said, "make another"));
    }
    if !record.is_enrolled() {
        let remedy = "put in the stick, and set the nightly backup up on the page Backup";
        let said = say("found.backup-unknown", []);
        return Some(Finding::new(WHAT, State::Warn, said, remedy));
    }
    let good = record.good_at();
    // Nothing is old that never was: the first night is yet to come.
    let quiet_for = now.saturating_sub(good.unwrap_or(record.since).max(record.since));
    let state = match quiet_for {
        BACKUP_LOST_SECONDS.. => State::Wrong,
        _ => State::Warn,
    };
    let remedy = "put in the stick of the nightly backups, and see the page Backup";
    if !record.failed.is_empty() {
        let said = match good {
            Some(at) => say("found.backup-failed", [Value::from(&record.failed), Value::Time(at)]),
            None => say("found.backup-never", [Value::from(&record.failed)]),
        };
        return Some(Finding::new(WHAT, state, said, remedy));
    }
    if quiet_for > BACKUP_OLD_SECONDS {
        let said = match good {
            Some(at) => say("found.backup-old", [Value::Time(at)]),
            None => say("found.backup-none", []),
        };
        return Some(Finding::new(WHAT, state, said, remedy));
    }
    let said = match good {
        Some(at) => say("found.backup", [Value::Time(at)]),
        None => say("found.backup-soon", []),
    };
    Some(Finding::new(WHAT, State::Ok, said, ""))
}
