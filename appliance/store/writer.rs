//! The store's handle and its one writer thread: jobs queue up and commit together.

use super::change::Hub;
use super::error::Result;
use super::kv::{Batch, Snapshot};
use std::path::Path;

/// How a store is opened.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub map_bytes: usize,
    pub map_step_bytes: usize,
    /// Test hook for the crash suite: answer before the commit, as no mail server may.
    #[cfg(test)]
    pub answer_before_commit: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            map_bytes: crate::limits::MAP_BYTES,
            map_step_bytes: crate::limits::MAP_STEP_BYTES,
            #[cfg(test)]
            answer_before_commit: false,
        }
    }
}

/// The store. A clone is another handle to the same.
#[derive(Clone)]
pub(crate) struct Store {}

impl Store {
    /// Opens the store in the folder `dir`, making it if the folder holds none. Takes the lock that
    /// keeps other processes out.
    pub(crate) fn open(_dir: &Path, _options: Options) -> Result<Store> {
        todo!()
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        todo!()
    }

    /// Runs `job` in a batch and returns what it returned once the batch is on disk. The job may be
    /// run more than once (the map grew, another job of the same batch failed): it must make its
    /// result anew each time. A job that fails after it wrote leaves nothing behind.
    pub(crate) async fn write<R, F>(&self, _job: F) -> Result<R>
    where
        R: Send + 'static,
        F: FnMut(&mut Batch) -> Result<R> + Send + 'static,
    {
        todo!()
    }

    /// The same for a thread that may block.
    pub(crate) fn write_blocking<R, F>(&self, _job: F) -> Result<R>
    where
        R: Send + 'static,
        F: FnMut(&mut Batch) -> Result<R> + Send + 'static,
    {
        todo!()
    }

    /// Where committed changes are announced.
    pub(crate) fn hub(&self) -> &Hub {
        todo!()
    }
    pub(crate) fn close(&self) {
        todo!()
    }
}
