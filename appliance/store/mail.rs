//! Messages: taken in, read, flagged, copied, moved, expunged.

use super::format::{BodyHead, MailRow};
use super::{AccountId, Batch, MailId, MailboxId, Read, Result};
use std::sync::Arc;

/// System flags as bits. RFC 9051 2.3.2 without \Recent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) struct Flags(pub u32);

impl Flags {
    pub(crate) const SEEN: Flags = Flags(1);
    pub(crate) const ANSWERED: Flags = Flags(2);
    pub(crate) const FLAGGED: Flags = Flags(4);
    pub(crate) const DELETED: Flags = Flags(8);
    pub(crate) const DRAFT: Flags = Flags(16);
    pub(crate) const NAMES: [(Flags, &'static str); 5] = [
        (Flags::ANSWERED, "\\Answered"),
        (Flags::FLAGGED, "\\Flagged"),
        (Flags::DELETED, "\\Deleted"),
        (Flags::SEEN, "\\Seen"),
        (Flags::DRAFT, "\\Draft"),
    ];

    pub(crate) fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Flags and keywords as a client names them. Keywords keep the case of their first use in the
/// mailbox and compare without case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FlagSet {
    pub flags: Flags,
    pub keywords: Vec<String>,
}

/// A body read, hashed and compressed outside of the writer thread. Share it between recipients.
pub(crate) struct Prepared {
    pub head: BodyHead,
    /// Compressed pieces in order, as (part number, octets).
    pub pieces: Vec<(u32, Vec<u8>)>,
}

impl Prepared {
    /// Takes CPU in proportion to the size; never fails: what cannot be parsed is text.
    pub(crate) fn new(_raw: &[u8]) -> Prepared {
        todo!()
    }
}

/// One message for one mailbox.
#[derive(Clone)]
pub(crate) struct NewMail {
    pub body: Arc<Prepared>,
    /// Header lines that only this copy has, each with its CRLF.
    pub prefix: Vec<u8>,
    pub flags: FlagSet,
    pub internal_date: i64,
    pub internal_zone_minutes: i32,
    pub save_date: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Appended {
    pub uid: u32,
    pub uidvalidity: u32,
    pub modseq: u64,
    /// Where the body is: the new one, or the one that had the same content.
    pub body: MailId,
}

/// The MailId for something that arrives now: above every one given before.
pub(crate) fn next_id(_batch: &mut Batch, _now_micros: u64) -> Result<MailId> {
    todo!()
}

/// Writes a message into a mailbox: quota checked, body stored once per content, UID assigned, the
/// change announced. `id` is used if the body is new.
pub(crate) fn append(
    _batch: &mut Batch,
    _account: AccountId,
    _mailbox: MailboxId,
    _mail: &NewMail,
    _id: MailId,
) -> Result<Appended> {
    todo!()
}

/// Calls `each` with uid and row of the messages in `from..=to` in order, until it says stop.
pub(crate) fn rows(
    _read: &impl Read,
    _account: AccountId,
    _mailbox: MailboxId,
    _from: u32,
    _to: u32,
    _each: &mut dyn FnMut(u32, MailRow) -> Result<bool>,
) -> Result<()> {
    todo!()
}

/// Only the uids, as fast as can be (SELECT of a large mailbox), ascending.
pub(crate) fn uids(
    _read: &impl Read,
    _account: AccountId,
    _mailbox: MailboxId,
) -> Result<Vec<u32>> {
    todo!()
}

pub(crate) fn row(
    _read: &impl Read,
    _account: AccountId,
    _mailbox: MailboxId,
    _uid: u32,
) -> Result<Option<MailRow>> {
    todo!()
}

/// What is known of the body of a row.
pub(crate) fn head(_read: &impl Read, _row: &MailRow) -> Result<BodyHead> {
    todo!()
}

/// The octets `from..to` of the message as a client sees it (prefix and body), clipped to its size.
pub(crate) fn octets(_read: &impl Read, _row: &MailRow, _from: u64, _to: u64) -> Result<Vec<u8>> {
    todo!()
}

/// How STORE changes flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FlagChange {
    Set(FlagSet),
    Add(FlagSet),
    Remove(FlagSet),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Flagged {
    /// Messages whose flags are now as asked, ascending (also those that were so before).
    pub done: Vec<u32>,
    /// RFC 7162 3.1.3: messages not touched because their modseq is above UNCHANGEDSINCE.
    pub modified: Vec<u32>,
    /// Messages that are not there (expunged by another session).
    pub missing: Vec<u32>,
    pub modseq: u64,
}

pub(crate) fn set_flags(
    _batch: &mut Batch,
    _account: AccountId,
    _mailbox: MailboxId,
    _uids: &[u32],
    _change: &FlagChange,
    _unchanged_since: Option<u64>,
) -> Result<Flagged> {
    todo!()
}

/// Removes messages: those of `uids` (all if `None`) that have \Deleted, or all of `uids` when
/// `even_undeleted`. Returns what is gone, ascending, and the modseq of it.
pub(crate) fn expunge(
    _batch: &mut Batch,
    _account: AccountId,
    _mailbox: MailboxId,
    _uids: Option<&[u32]>,
    _even_undeleted: bool,
) -> Result<(Vec<u32>, u64)> {
    todo!()
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Copied {
    pub uidvalidity: u32,
    /// Pairs of old and new uid, ascending. Empty when no message was there.
    pub uids: Vec<(u32, u32)>,
    /// Of a move: the modseq of the expunge in the source.
    pub modseq: u64,
}

/// COPY: all or nothing; quota checked. With `remove` it is MOVE (RFC 6851), one commit.
pub(crate) fn copy(
    _batch: &mut Batch,
    _account: AccountId,
    _from: MailboxId,
    _uids: &[u32],
    _to: MailboxId,
    _remove: bool,
    _now: i64,
) -> Result<Copied> {
    todo!()
}
