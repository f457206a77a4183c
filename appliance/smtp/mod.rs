//! The SMTP session (RFC 5321), server side: a pure state machine that asks and is answered.
//!
//! ```text
//! Command --AUTH--> LoggingIn (asked) <--> Challenged --> Command               submission only
//! Command --MAIL--> Sender (asked) --> Command                                submission only
//! Command --RCPT--> Recipient (asked) --> Command
//! Command --DATA--> Data --CRLF.CRLF--> Receiving (asked) --> Command
//! Command --BDAT n--> Chunk --n octets--> Command, or with LAST --> Receiving --> Command
//! any --QUIT, 421, end of input--> Closing (what was refused is told) --> closed
//! ```

pub(crate) mod auth;
pub(crate) mod client;
pub(crate) mod commands;
pub(crate) mod content;
pub(crate) mod envelope;
pub(crate) mod offer;
pub(crate) mod server;

pub(crate) use envelope::{Arrived, Caller, Recipient, Refusal, Refusals, Story};
pub(crate) use server::{Server, Setting};

use crate::store::AccountId;
use crate::wire::address::Address;
use crate::wire::sasl::{LoginAnswer, LoginAsk};
use crate::wire::smtp::{ForwardPath, Reply};

/// What the session needs of the machine.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Submission: is this the password?
    Login(LoginAsk),
    /// Submission: may this account, logged in with this password, send as this address?
    Sender { account: AccountId, credential: u64, from: Address },
    /// May this address receive a message of this size? (Size as far as the sender told it.)
    /// `from` is the sender of the message, `sending` is of the person who submits.
    Recipient {
        from: Option<Address>,
        to: ForwardPath,
        size: Option<u64>,
        sending: Option<Sending>,
    },
    /// Take this message; the reply speaks only after the commit.
    Receive(Box<Arrived>),
    /// The connection is over; this is what was refused in it.
    Tell(Box<Story>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Login(LoginAnswer),
    Sender(Permit),
    Recipient(Destination),
    Received(Reply),
    /// The message was refused after a look at it, and that is told already.
    Judged(Reply),
    Told,
}

/// Who submits, and how many recipients of this message are outside of the box already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sending {
    pub account: AccountId,
    pub outside: usize,
}

/// May a person send as an address?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permit {
    Own,
    NotOwn,
    /// The account was suspended or deleted since the log-in.
    NoAccount,
    /// The door is for named devices, and this is none.
    NoDevice,
    /// It is not among the senders of the device.
    NotOfDevice,
    /// Nobody of this box gets mail for it.
    LeadsNowhere,
    /// Could not be found out now.
    Unavailable,
}

/// What an address is to this box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    Ours,
    /// Its domain is ours, the address is not known.
    Unknown,
    /// Its domain is not ours.
    NotOurs,
    /// Its domain is not ours, and the person who is logged in may write to it.
    Outside,
    /// The person has written to as many outside as may be in a day.
    TooMany,
    /// Its domain is not ours, and the device may write to people of this box only.
    InsideOnly,
    /// The device has written to as many as may be in a day.
    TooManyOfDevice,
    /// A return address of ours, for a report on mail that was passed on.
    Returned,
    /// The same, and the message is no report.
    OnlyReports,
    /// A return address that was not made here, or has expired.
    NoWayBack,
    /// As many reports have gone back today as may.
    TooManyReturned,
    /// Every mailbox it leads to is full.
    OverQuota,
    /// Could not be found out now.
    Unavailable,
}
