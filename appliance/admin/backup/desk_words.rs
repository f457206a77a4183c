//! What is being done with backups, in words.

use super::desk::{Doing, Step, Task};
use crate::admin::words::Words;

pub(super) fn doing(words: &Words, doing: &Doing) -> String {
    let key = match (doing.task, doing.step) {
        (Task::Format, _) => "backup.formatting",
        (Task::Storage, _) => "backup.storage",
        (_, Step::Waiting) => "backup.waiting",
        (_, Step::Writing) => "backup.writing",
        (_, Step::Trying) => "backup.trying",
        (Task::Restore, Step::Reading) => "backup.restoring",
        (_, Step::Reading) => "backup.reading",
    };
    match doing.of {
        0 => words.t(key).to_string(),
        _ => format!("{} {}", words.t(key), words.fill("backup.percent", &[&doing.percent()])),
    }
}
