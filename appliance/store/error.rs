//! What can go wrong in the store, each with whose fault it is and what the owner can do.

use super::backup::sealed::BadSeal;
use std::fmt;

pub(crate) type Result<T> = std::result::Result<T, StoreError>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreError {
    /// The disk is full, or so near to it that only deleting is allowed.
    DiskFull,
    /// The quota of the account does not hold this.
    OverQuota { used: u64, quota: u64 },
    /// A limit of limits.rs, named for the person.
    Limit(&'static str),
    /// No such account, mailbox, message or address.
    NotFound(&'static str),
    /// It is there already.
    Exists(&'static str),
    /// What was asked cannot be: a bad name, INBOX deleted, ...
    Invalid(&'static str),
    /// A row whose checksum or shape is wrong: which, and how.
    Corrupt(String),
    /// A sealed backup that does not open, or not all of it.
    Sealed(BadSeal),
    /// Another process has the store.
    Locked,
    /// The store was written by a newer version of the product.
    Newer { found: u32, known: u32 },
    /// The engine or the disk, in its own words.
    Engine(String),
    /// The map must grow; handled by the writer and never seen outside of it.
    MapFull,
    /// Its file is being copied to another disk, and nothing is written meanwhile.
    Moving,
    /// The store is stopping.
    Stopped,
}

impl StoreError {
    /// Will the same request work later, without the person changing it?
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::DiskFull
                | Self::Engine(_)
                | Self::Corrupt(_)
                | Self::MapFull
                | Self::Moving
                | Self::Stopped
        )
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DiskFull => f.write_str("the disk is full"),
            Self::OverQuota { used, quota } => {
                write!(f, "the mailbox holds {used} of {quota} octets and has no room for this")
            }
            Self::Limit(what) => write!(f, "limit reached: {what}"),
            Self::NotFound(what) => write!(f, "no such {what}"),
            Self::Exists(what) => write!(f, "{what} exists already"),
            Self::Invalid(why) => f.write_str(why),
            Self::Corrupt(what) => write!(f, "damaged: {what}"),
            Self::Sealed(why) => why.fmt(f),
            Self::Locked => f.write_str("another process has the store open"),
            Self::Newer { found, known } => write!(
                f,
                "the store has format {found} and this version knows {known}: use a newer version"
            ),
            Self::Engine(what) => write!(f, "storage error: {what}"),
            Self::MapFull => f.write_str("the store's map is full"),
            Self::Moving => f.write_str("the mail is being moved to another disk"),
            Self::Stopped => f.write_str("the store is stopping"),
        }
    }
}

impl std::error::Error for StoreError {}
