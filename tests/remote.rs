//! Mail to other servers: replies read, routes chosen, and whole deliveries to scripted peers that
//! a name server of the test's own leads to.

pub(super) mod certificates;
mod client;
mod dane;
mod faulty;
mod faulty_names;
mod live;
pub(super) mod peers;
mod route;
mod sts;
mod tls_reports;

use crate::delivery::remote::{Attempt, Job, Outcome, Target};
use crate::wire::address::Address;
use crate::wire::smtp::Body;

const MESSAGE: &[u8] = b"Subject: hello\r\n\r\n.a dot\r\nand text\r\n";

/// A message from alice@a.test.
fn job(domain: &str, recipients: &[&str]) -> Job {
    let target = |to: &&str| Target {
        to: Address::parse(to).expect("an address"),
        notify: None,
        orcpt: None,
    };
    Job {
        from: Address::parse("alice@a.test").ok(),
        domain: domain.to_string(),
        recipients: recipients.iter().map(target).collect(),
        message: MESSAGE.into(),
        smtputf8: false,
        body: Body::SevenBit,
        ret: None,
        envid: None,
        random: 7,
    }
}

/// Why it is not delivered; empty when it is.
fn why(attempt: &Attempt) -> &str {
    match &attempt.outcome {
        Outcome::Delivered { .. } => "",
        Outcome::Retry { why, .. } | Outcome::Failed { why, .. } => why,
    }
}

/// An outcome in short: how it went, and the code of the reply.
fn short(outcome: &Outcome) -> (&'static str, Option<u16>) {
    match outcome {
        Outcome::Delivered { reply } => ("delivered", Some(reply.code)),
        Outcome::Retry { reply, .. } => ("retry", reply.as_ref().map(|reply| reply.code)),
        Outcome::Failed { reply, .. } => ("failed", reply.as_ref().map(|reply| reply.code)),
    }
}
