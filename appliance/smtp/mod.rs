//! The SMTP session (RFC 5321), server side: a pure state machine that asks and is answered.
//!
//! ```text
//! Command --RCPT--> Recipient (asked) --> Command
//! Command --DATA--> Data --CRLF.CRLF--> Receiving (asked) --> Command
//! Command --BDAT n--> Chunk --n octets--> Command, or with LAST --> Receiving --> Command
//! any --QUIT, 421, end of input--> Closing (what was refused is told) --> closed
//! ```

pub(crate) mod commands;
pub(crate) mod content;
pub(crate) mod envelope;
pub(crate) mod server;

pub(crate) use envelope::{Arrived, Caller, Recipient, Refusal, Refusals, Story};
pub(crate) use server::{Server, Setting};

use crate::wire::smtp::{ForwardPath, Reply};

/// What the session needs of the machine.
#[derive(Debug)]
pub(crate) enum Ask {
    /// May this address receive a message of this size? (Size as far as the sender told it.)
    Recipient { to: ForwardPath, size: Option<u64> },
    /// Take this message; the reply speaks only after the commit.
    Receive(Box<Arrived>),
    /// The connection is over; this is what was refused in it.
    Tell(Box<Story>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Recipient(Destination),
    Received(Reply),
    Told,
}

/// What an address is to this box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    Ours,
    /// Its domain is ours, the address is not known.
    Unknown,
    /// Its domain is not ours.
    NotOurs,
    /// Every mailbox it leads to is full.
    OverQuota,
    /// Could not be found out now.
    Unavailable,
}
