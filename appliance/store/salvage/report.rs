//! What a salvage says in the end: what came back, and what did not.

use serde::{Deserialize, Serialize};

/// The result; as it stands here it is what `--json` prints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Salvaged {
    /// Of the damaged file.
    pub octets: u64,
    pub page_octets: u64,
    pub pages: u64,
    /// Pages that the disk did not give.
    pub unreadable_pages: u64,
    /// Of the two pages with which a file begins, those that can be read.
    pub readable_beginnings: u32,
    /// Pages of the index of all rows that are damaged or missing.
    pub lost_index_pages: u64,
    /// Was it clear of every row whether it is of now? Otherwise deleted mail may be among it.
    pub tells_old_from_new: bool,
    pub accounts: Vec<AccountBack>,
    /// Domains and addresses that came back.
    pub domains: u64,
    pub addresses: u64,
    pub outgoing: OutgoingBack,
    /// Stories of messages.
    pub stories: u64,
    /// Rows other than messages that may be older than what was lost.
    pub perhaps_old_rows: u64,
    /// Rows of deleted or changed things, left alone.
    pub remains: u64,
    /// Rows of a kind that only a later version knows.
    pub unknown_rows: u64,
    /// Of all accounts together.
    pub messages: Share,
}

/// What came back of a number of messages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Share {
    /// How many there were, as far as that is known.
    pub expected: u64,
    pub whole: u64,
    /// With pieces of their text missing, which is said in them.
    pub incomplete: u64,
    pub lost: u64,
    /// Of the whole ones, those that may have been deleted before.
    pub perhaps_old: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AccountBack {
    pub login: String,
    /// Its own row is lost: nobody can log in before a password is set.
    pub placeholder: bool,
    pub messages: Share,
    pub mailboxes: Vec<MailboxBack>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct MailboxBack {
    pub name: String,
    /// Are its counters there, so that `expected` is right?
    pub counted: bool,
    pub messages: Share,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OutgoingBack {
    pub messages: u64,
    /// Of them, those that wait for the owner, since they may have been sent.
    pub held: u64,
    /// Their content is not whole.
    pub lost: u64,
}

impl Share {
    pub(crate) fn add(&mut self, other: &Share) {
        self.expected += other.expected;
        self.whole += other.whole;
        self.incomplete += other.incomplete;
        self.lost += other.lost;
        self.perhaps_old += other.perhaps_old;
    }

    /// Per mille of what was expected that came back whole.
    pub(crate) fn permille(&self) -> Option<u64> {
        (self.whole.min(self.expected) * 1_000).checked_div(self.expected)
    }
}

impl Salvaged {
    /// Did anything come back that somebody would miss?
    pub(crate) fn has_anything(&self) -> bool {
        let Share { whole, incomplete, .. } = self.messages;
        whole + incomplete + self.outgoing.messages + self.domains > 0
            || self.accounts.iter().any(|account| !account.placeholder)
    }
}
