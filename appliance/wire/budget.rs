//! Memory for messages on their way in, whatever the protocol: one sum for the whole server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Memory for messages being received, shared by all sessions.
#[derive(Debug)]
pub(crate) struct Budget {
    free: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { free: AtomicUsize::new(bytes) })
    }

    /// Octets not held by any message.
    pub(crate) fn free(&self) -> usize {
        self.free.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let less = |free: usize| free.checked_sub(bytes);
        self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// What one message holds of the budget; given back when dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Hold {
    /// Holds nothing yet.
    pub(crate) fn new(budget: &Arc<Budget>) -> Self {
        Self { budget: budget.clone(), bytes: 0 }
    }

    /// For another message, of the same budget.
    pub(crate) fn another(&self) -> Self {
        Self::new(&self.budget)
    }

    /// Octets that could be held in addition.
    pub(crate) fn free(&self) -> usize {
        self.budget.free()
    }

    /// Holds so many more, if they are free.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let granted = self.budget.take(bytes);
        if granted {
            self.bytes += bytes;
        }
        granted
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.budget.free.fetch_add(self.bytes, Ordering::Relaxed);
    }
}
