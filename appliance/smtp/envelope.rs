//! What SMTP says around a message: who calls, from whom, to whom, and what was refused.

use crate::limits::SMTP_REFUSALS_TOLD;
use crate::session::{TlsFacts, network};
use crate::wire::address::Address;
use crate::wire::budget::Hold;
use crate::wire::sasl::Login;
use crate::wire::smtp::{Body, ForwardPath, Notify, OriginalRecipient, Reply, Ret};
use std::net::{IpAddr, SocketAddr};

/// The other side of a connection, as the Received field and the trace name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub remote: SocketAddr,
    /// What it called itself in EHLO or HELO; empty before.
    pub helo: String,
    /// EHLO, not HELO.
    pub extended: bool,
    pub tls: Option<TlsFacts>,
    /// Submission: who logged in.
    pub login: Option<Login>,
}

impl Caller {
    /// Whose share of the memory for messages it uses.
    pub(super) fn network(&self) -> IpAddr {
        network(self.remote.ip())
    }
}

/// A recipient that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipient {
    pub to: ForwardPath,
    pub notify: Option<Notify>,
    pub orcpt: Option<OriginalRecipient>,
}

/// A complete message with its envelope.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub caller: Caller,
    /// When MAIL came.
    pub began: i64,
    /// `None` is `<>`.
    pub from: Option<Address>,
    #[allow(dead_code, reason = "said by the peer; a report to the sender must repeat it")]
    pub body: Body,
    pub smtputf8: bool,
    #[allow(dead_code, reason = "said by the peer; a report to the sender must obey it")]
    pub ret: Option<Ret>,
    #[allow(dead_code, reason = "said by the peer; a report to the sender must repeat it")]
    pub envid: Option<Vec<u8>>,
    /// At least one.
    pub recipients: Vec<Recipient>,
    pub refused: Refusals,
    pub message: Vec<u8>,
    /// The message's share of the memory for messages being received.
    #[allow(dead_code, reason = "held until it is dropped")]
    pub hold: Hold,
}

/// Something that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub at: i64,
    /// Empty for `<>`.
    pub from: String,
    /// Empty when it was not about one recipient.
    pub to: String,
    /// For the owner, in plain words.
    pub why: String,
    pub reply: Reply,
}

/// The first refusals, and how many more there were: a guesser of addresses fills no disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Refusals {
    pub told: Vec<Refusal>,
    pub more: usize,
}

impl Refusals {
    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    pub(crate) fn add(&mut self, refusal: Refusal) {
        if self.told.len() < SMTP_REFUSALS_TOLD {
            self.told.push(refusal);
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn append(&mut self, later: Refusals) {
        self.more += later.more;
        later.told.into_iter().for_each(|refusal| self.add(refusal));
    }
}

/// What a connection leaves behind when it was refused something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Story {
    pub caller: Caller,
    /// When the connection began.
    pub began: i64,
    /// At least one.
    pub refusals: Refusals,
}
