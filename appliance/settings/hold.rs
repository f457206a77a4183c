//! Folders that keep still while they are copied: no file in them is replaced meanwhile.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

static HELD: RwLock<Vec<PathBuf>> = RwLock::new(Vec::new());

/// The folder keeps still until this is dropped.
pub(crate) struct Held(PathBuf);

/// What is being replaced at this moment is replaced when it returns.
pub(crate) fn hold(folder: &Path) -> Held {
    let mut held = HELD.write().unwrap_or_else(PoisonError::into_inner);
    held.push(folder.to_path_buf());
    Held(folder.to_path_buf())
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = HELD.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = held.iter().position(|folder| *folder == self.0) {
            held.swap_remove(at);
        }
    }
}

/// Whoever replaces this file holds what is returned until it is done.
pub(super) fn replacing(path: &Path) -> io::Result<RwLockReadGuard<'static, Vec<PathBuf>>> {
    let held = HELD.read().unwrap_or_else(PoisonError::into_inner);
    if held.iter().any(|folder| path.starts_with(folder)) {
        let why = "the mail is being moved to another disk";
        return Err(io::Error::new(ErrorKind::ResourceBusy, why));
    }
    Ok(held)
}
