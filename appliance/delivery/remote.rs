//! One delivery to one domain: what the queue hands over, and what came of it.
//!
//! ```text
//! queue --Job: one message, recipients of one domain--> deliver --an Attempt per recipient--> queue
//! ```

use crate::store::MailId;
use crate::wire::address::Address;
use crate::wire::smtp::{Body, Notify, OriginalRecipient, Reply, Ret};
use std::sync::Arc;

/// One message for the recipients of one domain.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub id: MailId,
    /// `None` is `<>`.
    pub from: Option<Address>,
    /// Of all recipients: lower case, A-labels, or an address literal.
    pub domain: String,
    /// At least one.
    pub recipients: Vec<Target>,
    /// As it goes over the wire, with CRLF and before dots are doubled.
    pub message: Arc<[u8]>,
    pub smtputf8: bool,
    pub body: Body,
    pub ret: Option<Ret>,
    pub envid: Option<Vec<u8>>,
    /// For the order of servers that are equally preferred.
    pub random: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub to: Address,
    pub notify: Option<Notify>,
    pub orcpt: Option<OriginalRecipient>,
}

/// What came of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub to: Address,
    pub outcome: Outcome,
    /// The server that was reached, as "mx1.b.test [192.0.2.1]"; empty when none was.
    pub server: String,
    /// How the connection was secured, for the trace: "TLSv1.3, certificate not checked", "not
    /// encrypted"; empty when no server was reached.
    pub secured: String,
    /// Did the server take over the duty to report (RFC 3461 5.2.2)?
    pub dsn: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server said 250 to the whole message.
    Delivered { reply: Reply },
    /// Try again later. `reply` is the server's, where it came to one; `why` is for a person.
    Retry { reply: Option<Reply>, why: String },
    /// Never. The same.
    Failed { reply: Option<Reply>, why: String },
}
