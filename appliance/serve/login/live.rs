//! Who is logged in to mail just now, and how a connection is ended from elsewhere.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Notify;

/// A connection on which somebody is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    /// Tells it from all others of this server's run.
    pub number: u64,
    pub account: u32,
    /// "imap", "pop3" or "submission".
    pub unit: &'static str,
    pub remote: IpAddr,
    /// Seconds since 1970.
    pub since: i64,
    shut: Arc<Notify>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Table {
    last: u64,
    live: BTreeMap<u64, Live>,
}

impl Table {
    /// Somebody logged in; returns the number of it.
    pub(super) fn add(
        &mut self,
        account: u32,
        (unit, remote): (&'static str, IpAddr),
        shut: &Arc<Notify>,
        since: i64,
    ) -> u64 {
        self.last += 1;
        let (number, shut) = (self.last, shut.clone());
        self.live.insert(number, Live { number, account, unit, remote, since, shut });
        number
    }

    pub(super) fn remove(&mut self, number: u64) {
        self.live.remove(&number);
    }

    pub(super) fn of(&self, account: u32) -> Vec<Live> {
        self.live.values().filter(|it| it.account == account).cloned().collect()
    }
}

impl Live {
    /// Its session says goodbye when it next waits for its peer. Whoever knows the password may
    /// come back.
    pub(crate) fn end(&self) {
        self.shut.notify_one();
    }
}
