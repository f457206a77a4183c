//! The store: everything the box knows, in one LMDB file.
//!
//! Reading is done in a [`Snapshot`]: consistent, cheap, and short (never held across an await or a
//! socket write). Writing is done by a job that the one writer thread runs in a batch: many jobs
//! share one commit, and an answer is given only after it.
//!
//! What a snapshot can look up, a batch can too: both are [`Read`].

pub(crate) mod account;
pub(crate) mod address;
pub(crate) mod backup;
mod body;
pub(crate) mod brought;
pub(crate) mod change;
pub(crate) mod error;
pub(crate) mod format;
mod gate;
mod key;
pub(crate) mod known;
pub(crate) mod kv;
pub(crate) mod mail;
pub(crate) mod mailbox;
pub(crate) mod outbox;
pub(crate) mod outside;
pub(crate) mod owner;
pub(crate) mod proof;
pub(crate) mod remote;
pub(crate) mod salvage;
pub(crate) mod seal;
pub(crate) mod still;
pub(crate) mod trace;
pub(crate) mod verify;
pub(crate) mod writer;

pub(crate) use error::{Result, StoreError};
pub(crate) use kv::{Batch, Read, Snapshot};
pub(crate) use writer::Store;

/// An account, for ever: never given to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct AccountId(pub u32);

/// A mailbox of an account: never reused within the account. INBOX is always 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MailboxId(pub u32);

pub(crate) const INBOX: MailboxId = MailboxId(1);

/// A message's life on this box, from its arrival (also a refused one): grows with time, and is
/// what the reply to DATA, the log and the trace call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct MailId(pub u64);

impl std::fmt::Display for MailId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}", self.0)
    }
}
