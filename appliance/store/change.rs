//! What changed, told to watching sessions after the commit; and the log of expunges.

use super::format::{Expunged, MailboxTail, tag};
use super::gate::lock;
use super::key::{self, load, save};
use super::{AccountId, Batch, MailboxId, Read, Result};
use crate::limits;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
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
pub(crate) struct Hub {
    watched: Arc<Mutex<Watched>>,
    outbox: Arc<Notify>,
}

type Watched = HashMap<(AccountId, MailboxId), Vec<Arc<Queue>>>;

/// What waits for one session.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    notify: Arc<Notify>,
}

#[derive(Default)]
struct Waiting {
    changes: Vec<Arc<Change>>,
    lost: bool,
}

impl Hub {
    /// Watches one mailbox. Watch first, then take the snapshot: a change of a modseq not above the
    /// snapshot's is in the snapshot already.
    pub(crate) fn watch(&self, account: AccountId, mailbox: MailboxId) -> Watch {
        let queue = Arc::new(Queue::default());
        let at = (account, mailbox);
        lock(&self.watched).entry(at).or_default().push(queue.clone());
        Watch { hub: self.clone(), at, queue }
    }

    /// Notified (one permit kept) after a commit that changed the outbox, for its one worker.
    pub(crate) fn outbox(&self) -> Arc<Notify> {
        self.outbox.clone()
    }

    /// Called by the writer after the commit.
    pub(crate) fn announce(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let watched = lock(&self.watched);
        for change in changes {
            let Some(queues) = watched.get(&(change.account, change.mailbox)) else { continue };
            let change = Arc::new(change);
            for queue in queues {
                queue.push(&change);
            }
        }
    }
}

impl Queue {
    fn push(&self, change: &Arc<Change>) {
        let mut waiting = lock(&self.waiting);
        if waiting.changes.len() >= limits::WATCH_QUEUE {
            waiting.changes = Vec::new();
            waiting.lost = true;
        }
        if !waiting.lost {
            waiting.changes.push(change.clone());
        }
        drop(waiting);
        self.notify.notify_one();
    }
}

/// The changes of one mailbox waiting for one session; dropping it ends the watch.
pub(crate) struct Watch {
    hub: Hub,
    at: (AccountId, MailboxId),
    queue: Arc<Queue>,
}

/// What a watch holds.
#[derive(Debug, PartialEq)]
pub(crate) enum Taken {
    Changes(Vec<Arc<Change>>),
    /// More than the queue holds: read the mailbox anew.
    Lost,
}

impl Watch {
    pub(crate) fn take(&self) -> Taken {
        let mut waiting = lock(&self.queue.waiting);
        let changes = std::mem::take(&mut waiting.changes);
        if std::mem::take(&mut waiting.lost) { Taken::Lost } else { Taken::Changes(changes) }
    }

    pub(crate) fn has_any(&self) -> bool {
        let waiting = lock(&self.queue.waiting);
        waiting.lost || !waiting.changes.is_empty()
    }

    /// Notified (one permit kept) when something was queued.
    pub(crate) fn notify(&self) -> Arc<Notify> {
        self.queue.notify.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = lock(&self.hub.watched);
        if let Some(queues) = watched.get_mut(&self.at) {
            queues.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
            if queues.is_empty() {
                watched.remove(&self.at);
            }
        }
    }
}

/// The uids expunged after `modseq`, ascending; `None` when the log no longer reaches back so far
/// (then every uid below uidnext that is not there counts as vanished, RFC 7162 3.2.5.1).
pub(crate) fn expunged_since(
    read: &impl Read,
    account: AccountId,
    mailbox: MailboxId,
    modseq: u64,
) -> Result<Option<Vec<u32>>> {
    let tail: MailboxTail = load(read, &key::tail(account, mailbox))?.unwrap_or_default();
    if modseq < tail.forgotten {
        return Ok(None);
    }
    let from = key::expunged(account, mailbox, modseq.saturating_add(1), 0);
    let to = key::after(&key::of_mailbox(tag::EXPUNGED, account, mailbox));
    let mut uids = Vec::new();
    read.scan(&from, &to, &mut |key, payload| {
        let row: Expunged = key::decode(key, payload)?;
        for run in row.runs.chunks_exact(2) {
            if let &[first, last] = run {
                uids.extend(first..=last.min(tail.uidnext));
            }
        }
        Ok(true)
    })?;
    uids.sort_unstable();
    Ok(Some(uids))
}

/// Writes uids (ascending) that vanish at `modseq` into the log, and forgets the oldest above the
/// limit. The tail is written by the caller.
pub(crate) fn log_expunged(
    batch: &mut Batch,
    (account, mailbox): (AccountId, MailboxId),
    tail: &mut MailboxTail,
    modseq: u64,
    uids: &[u32],
) -> Result<()> {
    let runs = runs(uids);
    for chunk in runs.chunks(limits::EXPUNGES_PER_ROW) {
        let Some(&(first, _)) = chunk.first() else { continue };
        let row = Expunged { runs: chunk.iter().flat_map(|&(a, b)| [a, b]).collect() };
        save(batch, &key::expunged(account, mailbox, modseq, first), &row)?;
    }
    let count = |runs: usize| u32::try_from(runs).unwrap_or(u32::MAX);
    tail.expunge_runs = tail.expunge_runs.saturating_add(count(runs.len()));
    if tail.expunge_runs <= count(limits::EXPUNGES_REMEMBERED) {
        return Ok(());
    }
    forget_oldest(batch, (account, mailbox), tail)
}

fn forget_oldest(
    batch: &mut Batch,
    (account, mailbox): (AccountId, MailboxId),
    tail: &mut MailboxTail,
) -> Result<()> {
    // A tenth more than need be, so that not every expunge writes at both ends of the log.
    let keep = u32::try_from(limits::EXPUNGES_REMEMBERED * 9 / 10).unwrap_or(u32::MAX);
    let from = key::of_mailbox(tag::EXPUNGED, account, mailbox);
    let (mut left, mut forgotten) = (tail.expunge_runs, tail.forgotten);
    batch.scan(&from, &key::after(&from), &mut |key, payload| {
        let modseq = key::u64_at(key, 9)?;
        if left <= keep && modseq > forgotten {
            return Ok(false);
        }
        let row: Expunged = key::decode(key, payload)?;
        left = left.saturating_sub(u32::try_from(row.runs.len() / 2).unwrap_or(u32::MAX));
        forgotten = modseq;
        Ok(true)
    })?;
    let to = key::expunged(account, mailbox, forgotten.saturating_add(1), 0);
    batch.delete_range(&from, &to)?;
    (tail.expunge_runs, tail.forgotten) = (left, forgotten);
    Ok(())
}

/// All that the log holds, as ascending runs that may touch or overlap.
pub(super) fn expunged_runs(
    read: &impl Read,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<Vec<(u32, u32)>> {
    let from = key::of_mailbox(tag::EXPUNGED, account, mailbox);
    let mut runs = Vec::new();
    read.scan(&from, &key::after(&from), &mut |key, payload| {
        let row: Expunged = key::decode(key, payload)?;
        runs.extend(row.runs.chunks_exact(2).filter_map(|run| Some((*run.first()?, *run.get(1)?))));
        Ok(true)
    })?;
    runs.sort_unstable();
    Ok(runs)
}

/// Ascending uids as runs.
pub(super) fn runs(uids: &[u32]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &uid in uids {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(uid) => *last = uid,
            _ => runs.push((uid, uid)),
        }
    }
    runs
}
