//! Memory for messages on their way in, whatever the protocol: one sum for the whole server, and of
//! it a share for each network, so that a few slow senders in one place shut nobody else out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Memory for messages being received, shared by all sessions.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: usize,
    share: usize,
    held: Mutex<Held>,
}

/// What messages hold now.
#[derive(Debug, Default)]
struct Held {
    all: usize,
    by_network: HashMap<IpAddr, usize>,
}

impl Budget {
    /// `share`: what one network may hold of it.
    pub(crate) fn with_share(bytes: usize, share: usize) -> Arc<Self> {
        Arc::new(Self { bytes, share, held: Mutex::default() })
    }

    /// One network may hold it all.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Self::with_share(bytes, bytes)
    }

    /// Octets not held by any message.
    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.bytes - self.held().all
    }

    /// Octets that this network could hold in addition.
    pub(crate) fn free_for(&self, network: IpAddr) -> usize {
        let held = self.held();
        let own = held.by_network.get(&network).copied().unwrap_or_default();
        (self.bytes - held.all).min(self.share.saturating_sub(own))
    }

    fn take(&self, network: IpAddr, bytes: usize) -> bool {
        let mut held = self.held();
        let own = held.by_network.get(&network).copied().unwrap_or_default();
        if bytes > self.bytes - held.all || bytes > self.share.saturating_sub(own) {
            return false;
        }
        if bytes > 0 {
            held.all += bytes;
            held.by_network.insert(network, own + bytes);
        }
        true
    }

    fn give_back(&self, network: IpAddr, bytes: usize) {
        let mut held = self.held();
        held.all = held.all.saturating_sub(bytes);
        if let Some(own) = held.by_network.get_mut(&network) {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                held.by_network.remove(&network);
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one message holds of the budget; given back when dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    budget: Arc<Budget>,
    network: IpAddr,
    bytes: usize,
}

impl Hold {
    /// Holds nothing yet. `network`: whose share it takes from.
    pub(crate) fn new(budget: &Arc<Budget>, network: IpAddr) -> Self {
        Self { budget: budget.clone(), network, bytes: 0 }
    }

    /// For another message of the same network.
    pub(crate) fn another(&self) -> Self {
        Self::new(&self.budget, self.network)
    }

    /// Octets that could be held in addition.
    pub(crate) fn free(&self) -> usize {
        self.budget.free_for(self.network)
    }

    /// Holds so many more, if they are free.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let granted = self.budget.take(self.network, bytes);
        if granted {
            self.bytes += bytes;
        }
        granted
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.budget.give_back(self.network, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn one_network_cannot_hold_it_all() {
        let budget = Budget::with_share(100, 60);
        let (mut slow, mut other) =
            (Hold::new(&budget, address(1)), Hold::new(&budget, address(2)));
        assert!(slow.grow(50) && !slow.another().grow(11) && slow.another().grow(10));
        assert_eq!((slow.free(), other.free()), (10, 50));
        assert!(other.grow(50), "half is left for the others");
        assert!(!slow.grow(1) && !Hold::new(&budget, address(3)).grow(1), "nothing is left");
        drop(other);
        assert_eq!((slow.free(), budget.free()), (10, 50));
        drop(slow);
        assert_eq!(budget.free(), 100);
        assert!(budget.held().by_network.is_empty(), "nobody is remembered");
    }
}
