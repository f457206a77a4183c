//! The story of a message in plain words: what `mailroom trace` tells.

use super::checkpoint::Checked;
use super::local::Copy;
use super::stamp::literal;
use crate::limits::TRACE_STEPS;
use crate::message::headers;
use crate::smtp::{Arrived, Caller, Refusals, Story};
use crate::store::format::{Trace, TraceStep};
use crate::store::{Batch, MailId, Result, trace};
use crate::wire::address::Address;
use crate::wire::smtp::Reply;

/// The story of a message up to the moment before its copies are made.
pub(crate) fn of_arrival(arrived: &Arrived) -> Trace {
    let text = |name| headers::find(&arrived.message, name).map(|f| headers::decode(f.value));
    let caller = &arrived.caller;
    let mut steps = vec![connected(caller, arrived.began)];
    steps.extend(refused(&arrived.refused));
    Trace {
        from: arrived.from.as_ref().map(ToString::to_string).unwrap_or_default(),
        to: arrived.recipients.iter().map(|recipient| recipient.to.to_string()).collect(),
        subject: text("Subject").map(|subject| clipped(&subject)).unwrap_or_default(),
        message_id: text("Message-ID").map(|id| clipped(&id)).unwrap_or_default(),
        size: arrived.message.len() as u64,
        steps,
    }
}

/// The begin of the story of a letter that lay with another provider.
pub(crate) fn of_collected(from: Option<&Address>, message: &[u8]) -> Trace {
    let text = |name| headers::find(message, name).map(|f| headers::decode(f.value));
    Trace {
        from: from.map(ToString::to_string).unwrap_or_default(),
        to: Vec::new(),
        subject: text("Subject").map(|subject| clipped(&subject)).unwrap_or_default(),
        message_id: text("Message-ID").map(|id| clipped(&id)).unwrap_or_default(),
        size: message.len() as u64,
        steps: Vec::new(),
    }
}

/// The story of a message that was refused, or put off, after a look at it.
pub(crate) fn of_judged(arrived: &Arrived, checked: &Checked, reply: &Reply, now: i64) -> Trace {
    let mut story = of_arrival(arrived);
    story.steps.extend(checked.steps(now));
    story.steps.push(TraceStep {
        at: now,
        what: "refused".to_string(),
        text: "It was not taken; the sender was told so".to_string(),
        recipient: String::new(),
        reply: reply.to_string(),
    });
    story
}

/// Into whose mailbox this copy went. `login` is the owner of the mailbox.
pub(crate) fn delivered(
    copy: &Copy,
    mailbox: &str,
    login: &str,
    over_quota: bool,
    now: i64,
) -> TraceStep {
    let full = if over_quota { ", which is now above its quota" } else { "" };
    TraceStep {
        at: now,
        what: "delivered".to_string(),
        text: format!("Put into the {mailbox} of {login}{full}"),
        recipient: copy.address.clone(),
        reply: String::new(),
    }
}

/// This recipient is not on this box.
pub(crate) fn queued(to: &Address, now: i64) -> TraceStep {
    TraceStep {
        at: now,
        what: "queued".to_string(),
        text: format!("Put into the outbox, to be sent to the server of {}", to.domain()),
        recipient: to.to_string(),
        reply: String::new(),
    }
}

/// An address of ours leads to the outside.
pub(crate) fn passed_on(via: &Address, to: &Address, now: i64) -> TraceStep {
    TraceStep {
        at: now,
        what: "passed-on".to_string(),
        text: format!("{via} leads there: put into the outbox"),
        recipient: to.to_string(),
        reply: String::new(),
    }
}

/// It was not passed on, and this is why.
pub(crate) fn kept(recipient: &Address, why: &Reply, now: i64) -> TraceStep {
    TraceStep {
        at: now,
        what: "kept".to_string(),
        text: format!("Not passed on to the outside: {}", why.lines.join(" ")),
        recipient: recipient.to_string(),
        reply: String::new(),
    }
}

/// A report on mail that was passed on goes back to its sender.
pub(crate) fn returned(sender: &Address, now: i64) -> TraceStep {
    TraceStep {
        at: now,
        what: "passed-on".to_string(),
        text: "A report on mail that was passed on: put into the outbox".to_string(),
        recipient: sender.to_string(),
        reply: String::new(),
    }
}

/// The last step: the duty is ours now.
pub(crate) fn accepted(reply: String, size: u64, now: i64) -> TraceStep {
    TraceStep {
        at: now,
        what: "accepted".to_string(),
        text: format!("Taken in whole, {size} octets; the sender was told so"),
        recipient: String::new(),
        reply,
    }
}

/// The story of a connection that was refused something and left no message behind.
pub(crate) fn of_refusals(story: &Story) -> Trace {
    let mut steps = vec![connected(&story.caller, story.began)];
    steps.extend(refused(&story.refusals));
    let told = &story.refusals.told;
    let mut to: Vec<String> = told.iter().map(|refusal| refusal.to.clone()).collect();
    to.retain(|to| !to.is_empty());
    to.dedup();
    Trace {
        from: told.iter().map(|r| r.from.clone()).find(|f| !f.is_empty()).unwrap_or_default(),
        to,
        steps,
        ..Trace::default()
    }
}

fn connected(caller: &Caller, at: i64) -> TraceStep {
    let name = if caller.helo.is_empty() { "A server without a name" } else { &caller.helo };
    let secured = match &caller.tls {
        Some(tls) => format!("encrypted with {}", tls.version),
        None => "not encrypted".to_string(),
    };
    let text = match &caller.login {
        Some(login) => {
            format!("{} sent it from {}, {secured}", login.name, literal(caller.remote.ip()))
        }
        None => {
            format!("{name} connected from {}, {secured}", literal(caller.remote.ip()))
        }
    };
    TraceStep {
        at,
        what: "connected".to_string(),
        text,
        recipient: String::new(),
        reply: String::new(),
    }
}

fn refused(refusals: &Refusals) -> Vec<TraceStep> {
    let step = |refusal: &crate::smtp::Refusal| TraceStep {
        at: refusal.at,
        what: "refused".to_string(),
        text: refusal.why.clone(),
        recipient: refusal.to.clone(),
        reply: refusal.reply.to_string(),
    };
    let mut steps: Vec<TraceStep> = refusals.told.iter().map(step).collect();
    if let (Some(last), more @ 1..) = (refusals.told.last(), refusals.more) {
        steps.push(TraceStep {
            at: last.at,
            what: "refused".to_string(),
            text: format!("{more} more were refused on this connection"),
            recipient: String::new(),
            reply: String::new(),
        });
    }
    steps
}

/// A header is as long as its writer likes; a story is not.
fn clipped(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Goes on with the story of a message, where there is one still. What happened alike to many
/// recipients at once is one step.
pub(crate) fn add(batch: &mut Batch, id: MailId, steps: Vec<TraceStep>) -> Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    let mut story = trace::get(batch, id)?.unwrap_or_default();
    for step in merged(steps) {
        if story.steps.len() >= TRACE_STEPS {
            // Tries that came to nothing are told least of all.
            let oldest = story.steps.iter().position(|step| step.what == "waits");
            story.steps.remove(oldest.unwrap_or(1));
        }
        story.steps.push(step);
    }
    trace::put(batch, id, &story)
}

fn merged(steps: Vec<TraceStep>) -> Vec<TraceStep> {
    let mut told: Vec<(TraceStep, usize)> = Vec::new();
    for step in steps {
        let alike = |(other, _): &&mut (TraceStep, usize)| {
            (&other.what, &other.text, &other.reply) == (&step.what, &step.text, &step.reply)
        };
        match told.iter_mut().find(alike) {
            Some((_, count)) => *count += 1,
            None => told.push((step, 1)),
        }
    }
    let tell = |(step, count): (TraceStep, usize)| match count {
        1 => step,
        _ => TraceStep { recipient: format!("{} and {} more", step.recipient, count - 1), ..step },
    };
    told.into_iter().map(tell).collect()
}
