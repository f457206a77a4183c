//! What changed, told to watching sessions after the commit; and the log of expunges.

use super::{AccountId, MailboxId, Read, Result};
use std::sync::Arc;
use tokio::sync::Notify;

/// One committed change of one mailbox. A mailbox's changes come in the order of their modseq.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub account: AccountId,
    pub mailbox: MailboxId,
    pub modseq: u64,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// New messages, ascending.
    Added(Vec<u32>),
    /// Messages whose flags changed, ascending.
    Flags(Vec<u32>),
    /// Messages that are gone, ascending.
    Expunged(Vec<u32>),
    /// The mailbox itself is gone.
    Deleted,
}

/// Hands changes to those who watch. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Hub {}

impl Hub {
    /// Watches one mailbox. Watch first, then take the snapshot: a change of a modseq not above the
    /// snapshot's is in the snapshot already.
    pub(crate) fn watch(&self, _account: AccountId, _mailbox: MailboxId) -> Watch {
        todo!()
    }

    /// Called by the writer after the commit.
    pub(crate) fn announce(&self, _changes: Vec<Change>) {
        todo!()
    }
}

/// The changes of one mailbox waiting for one session; dropping it ends the watch.
pub(crate) struct Watch {}

/// What a watch holds.
pub(crate) enum Taken {
    Changes(Vec<Arc<Change>>),
    /// More than the queue holds: read the mailbox anew.
    Lost,
}

impl Watch {
    pub(crate) fn take(&self) -> Taken {
        todo!()
    }

    pub(crate) fn has_any(&self) -> bool {
        todo!()
    }

    /// Notified (one permit kept) when something was queued.
    pub(crate) fn notify(&self) -> Arc<Notify> {
        todo!()
    }
}

/// The uids expunged after `modseq`, ascending; `None` when the log no longer reaches back so far
/// (then every uid below uidnext that is not there counts as vanished, RFC 7162 3.2.5.1).
pub(crate) fn expunged_since(
    _read: &impl Read,
    _account: AccountId,
    _mailbox: MailboxId,
    _modseq: u64,
) -> Result<Option<Vec<u32>>> {
    todo!()
}
