//! Mailboxes of an account: names, counters, subscriptions.

use super::format::{MailboxName, MailboxTail};
use super::{AccountId, Batch, MailboxId, Read, Result};

/// One mailbox as LIST, STATUS and SELECT need it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mailbox {
    pub id: MailboxId,
    pub name: MailboxName,
    pub tail: MailboxTail,
}

/// Every mailbox, ordered by name (levels compared one by one), INBOX first.
pub(crate) fn list(_read: &impl Read, _account: AccountId) -> Result<Vec<Mailbox>> {
    todo!()
}

/// Names only, without the counters: cheaper.
pub(crate) fn names(
    _read: &impl Read,
    _account: AccountId,
) -> Result<Vec<(MailboxId, MailboxName)>> {
    todo!()
}

/// By name; INBOX in any case.
pub(crate) fn by_name(
    _read: &impl Read,
    _account: AccountId,
    _name: &str,
) -> Result<Option<Mailbox>> {
    todo!()
}

pub(crate) fn get(
    _read: &impl Read,
    _account: AccountId,
    _id: MailboxId,
) -> Result<Option<Mailbox>> {
    todo!()
}

/// Makes a mailbox and the levels above it that are missing. `special_use` as "\\Sent" or empty
/// (RFC 6154 5: only one mailbox of an account has it, another one is refused).
pub(crate) fn create(
    _batch: &mut Batch,
    _account: AccountId,
    _name: &str,
    _special_use: &str,
    _now: i64,
) -> Result<Mailbox> {
    todo!()
}

/// Deletes a mailbox and its messages; not INBOX; children stay (RFC 9051 6.3.5).
pub(crate) fn delete(_batch: &mut Batch, _account: AccountId, _name: &str) -> Result<()> {
    todo!()
}

/// Renames a mailbox and all below it; no message moves, UIDVALIDITY stays. INBOX: its messages
/// move to a new mailbox and INBOX stays, its children too (RFC 9051 6.3.6).
pub(crate) fn rename(
    _batch: &mut Batch,
    _account: AccountId,
    _from: &str,
    _to: &str,
    _now: i64,
) -> Result<()> {
    todo!()
}

pub(crate) fn subscribe(_batch: &mut Batch, _account: AccountId, _name: &str) -> Result<()> {
    todo!()
}

pub(crate) fn unsubscribe(_batch: &mut Batch, _account: AccountId, _name: &str) -> Result<()> {
    todo!()
}

/// Subscribed names, sorted; some may name no mailbox.
pub(crate) fn subscriptions(_read: &impl Read, _account: AccountId) -> Result<Vec<String>> {
    todo!()
}

/// A name a mailbox may have: levels not empty, no control characters, within the limits; "INBOX"
/// in any case as the first level is written INBOX. Returns the name to use.
pub(crate) fn check_name(_name: &str) -> Result<String> {
    todo!()
}
