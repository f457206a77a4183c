//! The maildrop of one session: INBOX as it was at log-in, numbered from 1 (RFC 1939 5).
//!
//! Messages that another session flags \Deleted are shown as long as they are there. What arrives
//! later is seen by the next session. A unique-id is `uidvalidity.uid`: the store gives neither
//! twice, so none is ever reused (RFC 1939 7).

use crate::limits::SNAPSHOT_MESSAGES;
use crate::store::{AccountId, INBOX, Result, Store, StoreError, mail, mailbox};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub uid: u32,
    /// RFC822.SIZE: octets of the message with CRLF line ends.
    pub size: u64,
    pub deleted: bool,
}

#[derive(Debug)]
pub(super) struct Maildrop {
    pub account: AccountId,
    /// Which password opened it.
    pub credential: u64,
    uidvalidity: u32,
    entries: Vec<Entry>,
    /// The next uid to read and the first that came after log-in; both only while it is read.
    next: u32,
    end: u32,
}

impl Maildrop {
    pub(super) fn open(store: &Store, account: AccountId, credential: u64) -> Result<Maildrop> {
        let inbox = mailbox::get(&store.snapshot()?, account, INBOX)?;
        let inbox = inbox.ok_or(StoreError::NotFound("mailbox"))?;
        let end = inbox.tail.uidnext;
        let uidvalidity = inbox.name.uidvalidity;
        Ok(Maildrop { account, credential, uidvalidity, entries: Vec::new(), next: 1, end })
    }

    /// Reads the next messages, as many as one snapshot may; true when all have been read.
    pub(super) fn read_on(&mut self, store: &Store) -> Result<bool> {
        if self.next >= self.end {
            return Ok(true);
        }
        let (mut read, mut last) = (0, self.end - 1);
        let entries = &mut self.entries;
        let snapshot = store.snapshot()?;
        mail::rows(&snapshot, self.account, INBOX, self.next, self.end - 1, &mut |uid, row| {
            entries.push(Entry { uid, size: row.size, deleted: false });
            read += 1;
            let more = read < SNAPSHOT_MESSAGES;
            if !more {
                last = uid;
            }
            Ok(more)
        })?;
        self.next = last.saturating_add(1);
        Ok(self.next >= self.end)
    }

    /// How many numbers there are, deleted messages too.
    pub(super) fn numbers(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    /// The message of this number, unless it was deleted in this session.
    pub(super) fn get(&self, number: u32) -> Option<Entry> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        self.entries.get(at).copied().filter(|e| !e.deleted)
    }

    /// Messages not deleted, and their octets.
    pub(super) fn count(&self) -> (usize, u64) {
        let there = self.entries.iter().filter(|e| !e.deleted);
        there.fold((0, 0), |(n, octets), e| (n + 1, octets + e.size))
    }

    pub(super) fn mark(&mut self, number: u32) {
        let at = usize::try_from(number).unwrap_or(0).wrapping_sub(1);
        if let Some(entry) = self.entries.get_mut(at) {
            entry.deleted = true;
        }
    }

    pub(super) fn unmark_all(&mut self) {
        self.entries.iter_mut().for_each(|e| e.deleted = false);
    }

    /// Uids to remove in the UPDATE state.
    pub(super) fn marked(&self) -> Vec<u32> {
        self.entries.iter().filter(|e| e.deleted).map(|e| e.uid).collect()
    }

    pub(super) fn unique_id(&self, entry: Entry) -> String {
        format!("{}.{}", self.uidvalidity, entry.uid)
    }
}
