//! What came of a delivery, written down: states, the story, and the reports to the sender, all in
//! one batch.
//!
//! ```text
//! Delivered              -> Delivered; NOTIFY=SUCCESS and no report from there: "relayed"
//! Retry   time is left   -> as it was, next try later; after 4 h once: "delayed"
//!         no time left   -> Failed: "failed"
//! Failed                 -> Failed: "failed"
//! ```

use super::dsn::{self, Action, Told};
use super::remote::Outcome;
use super::report::{self, Moment};
use super::schedule::{self, Next};
use super::story;
use crate::limits::OUTBOX_REPORT_AGAIN_SECONDS;
use crate::store::format::{Outgoing, OutgoingRecipient, TraceStep};
use crate::store::outbox::{self, Place, State};
use crate::store::{Batch, Result, StoreError};
use crate::wire::smtp::Reply;

/// What came of one recipient, by its number in the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Came {
    pub index: usize,
    pub outcome: Outcome,
    pub server: String,
    pub secured: String,
    pub dsn: bool,
}

/// Whom to tell of what.
#[derive(Default)]
struct Reports {
    failed: Vec<(usize, Told)>,
    delayed: Vec<(usize, Told)>,
    relayed: Vec<(usize, Told)>,
}

/// Writes it down. When is the message due again? `None`: it is done, or was taken out meanwhile.
pub(crate) fn record(
    batch: &mut Batch,
    host: &str,
    moment: Moment,
    place: Place,
    came: &[Came],
) -> Result<Option<u64>> {
    let mut reports = Reports::default();
    let mut steps = Vec::new();
    let Some((place, mut row)) = outbox::find(batch, place.id, Some(place))? else {
        let step = |came: &Came| gone(came, moment.now());
        story::add(batch, place.id, came.iter().map(step).collect())?;
        return Ok(None);
    };
    for came in came {
        let created = row.created;
        let Some(recipient) = row.recipients.get_mut(came.index) else { continue };
        if !recipient.is_done() {
            steps.push(apply(recipient, created, came, moment, &mut reports));
        }
    }
    steps.extend(tell(batch, host, moment, &mut row, reports)?);
    story::add(batch, place.id, steps)?;
    let due = row.due();
    let open = row.recipients.iter().any(|recipient| !recipient.is_done());
    outbox::update(batch, place, &row)?;
    Ok(open.then_some(due))
}

/// The owner takes a message out: its sender is told of everyone it did not reach.
pub(crate) fn give_up(
    batch: &mut Batch,
    host: &str,
    moment: Moment,
    place: Place,
    row: &Outgoing,
) -> Result<()> {
    let mut row = row.clone();
    let why = "The owner of this mail server took the message out of the outbox.";
    let mut reports = Reports::default();
    let mut steps = Vec::new();
    for (index, recipient) in row.recipients.iter_mut().enumerate() {
        if recipient.is_done() {
            continue;
        }
        recipient.set_state(State::Failed);
        recipient.why = why.to_string();
        steps.push(step("dropped", why.to_string(), recipient, String::new(), moment.now()));
        if recipient.notify().is_none_or(|notify| notify.failure) {
            let mut told = told(recipient, "5.0.0");
            // What a server said at an earlier try is not why.
            (told.reply, told.server) = (String::new(), String::new());
            reports.failed.push((index, told));
        }
    }
    steps.extend(tell(batch, host, moment, &mut row, reports)?);
    story::add(batch, place.id, steps)?;
    outbox::update(batch, place, &row)
}

/// One recipient. Returns the step for the story.
fn apply(
    recipient: &mut OutgoingRecipient,
    created: i64,
    came: &Came,
    moment: Moment,
    reports: &mut Reports,
) -> TraceStep {
    let now = moment.now();
    recipient.tries = recipient.tries.saturating_add(1);
    recipient.server.clone_from(&came.server);
    recipient.secured.clone_from(&came.secured);
    let (reply, why) = match &came.outcome {
        Outcome::Delivered { reply } => (Some(reply), String::new()),
        Outcome::Retry { reply, why } | Outcome::Failed { reply, why } => {
            (reply.as_ref(), why.clone())
        }
    };
    recipient.reply = reply.map(Reply::to_string).unwrap_or_default();
    recipient.why = why;
    let index = came.index;
    let (what, text) = match &came.outcome {
        Outcome::Delivered { .. } => {
            recipient.set_state(State::Delivered);
            if !came.dsn && recipient.notify().is_some_and(|notify| notify.success) {
                // RFC 3461 5.2.2: who passes it on to a server without DSN says so
                reports.relayed.push((index, told(recipient, "2.0.0")));
            }
            ("sent", format!("{} took it, {}", came.server, came.secured))
        }
        Outcome::Failed { .. } => {
            fail(recipient, index, "5.1.2", reports);
            ("failed", format!("Given up: {}", recipient.why))
        }
        Outcome::Retry { .. } => {
            match schedule::after(recipient.tries, created, now, moment.chance) {
                Next::TooOld => {
                    recipient.why = format!("It was tried for too long. {}", recipient.why);
                    fail(recipient, index, "4.4.7", reports);
                    ("failed", format!("Given up: {}", recipient.why))
                }
                Next::Again { at, late } => {
                    again(recipient, index, at, late, reports);
                    let wait = roughly(at.saturating_sub(now));
                    ("waits", format!("Not yet: {} It is tried again in {wait}", recipient.why))
                }
            }
        }
    };
    let reply = recipient.reply.clone();
    step(what, text, recipient, reply, now)
}

/// "20 minutes", "3 hours"
fn roughly(seconds: i64) -> String {
    let minutes = seconds.saturating_add(30) / 60;
    match minutes {
        ..=1 => "a minute".to_string(),
        2..=89 => format!("{minutes} minutes"),
        _ => format!("{} hours", minutes.saturating_add(30) / 60),
    }
}

fn fail(recipient: &mut OutgoingRecipient, index: usize, status: &str, reports: &mut Reports) {
    recipient.set_state(State::Failed);
    // RFC 3461 4.1: without NOTIFY, failures are told
    if recipient.notify().is_none_or(|notify| notify.failure) {
        reports.failed.push((index, told(recipient, status)));
    }
}

fn again(
    recipient: &mut OutgoingRecipient,
    index: usize,
    at: i64,
    late: bool,
    reports: &mut Reports,
) {
    recipient.next = at;
    if late && !recipient.warned {
        recipient.warned = true;
        if recipient.notify().is_none_or(|notify| notify.delay) {
            reports.delayed.push((index, told(recipient, "4.4.1")));
        }
    }
}

fn told(recipient: &OutgoingRecipient, otherwise: &str) -> Told {
    Told {
        address: recipient.address.clone(),
        orcpt: recipient.orcpt(),
        why: recipient.why.clone(),
        reply: recipient.reply.clone(),
        server: recipient.server.clone(),
        status: match otherwise {
            "4.4.7" => otherwise.to_string(),
            _ => dsn::status_of(&recipient.reply, otherwise),
        },
    }
}

/// Writes the reports. A failure that cannot be told for want of room has not happened yet: the
/// recipient is tried again. The other reports can be done without.
fn tell(
    batch: &mut Batch,
    host: &str,
    moment: Moment,
    row: &mut Outgoing,
    reports: Reports,
) -> Result<Vec<TraceStep>> {
    let mut steps = Vec::new();
    let kinds = [
        (Action::Failed, reports.failed),
        (Action::Delayed, reports.delayed),
        (Action::Relayed, reports.relayed),
    ];
    for (action, people) in kinds {
        if people.is_empty() {
            continue;
        }
        let (indexes, told): (Vec<usize>, Vec<Told>) = people.into_iter().unzip();
        match report::send(batch, host, moment, row, action, &told) {
            Ok(step) => steps.extend(step),
            Err(StoreError::DiskFull) if action == Action::Failed => {
                for index in indexes {
                    if let Some(recipient) = row.recipients.get_mut(index) {
                        recipient.set_state(State::Waiting);
                        recipient.next = moment.now().saturating_add(OUTBOX_REPORT_AGAIN_SECONDS);
                    }
                }
            }
            Err(StoreError::DiskFull) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(steps)
}

/// For a message that was taken out while it was being sent.
fn gone(came: &Came, at: i64) -> TraceStep {
    let (text, reply) = match &came.outcome {
        Outcome::Delivered { reply } => {
            (format!("{} took it all the same", came.server), reply.to_string())
        }
        Outcome::Retry { why, .. } | Outcome::Failed { why, .. } => (why.clone(), String::new()),
    };
    TraceStep { at, what: "dropped".to_string(), text, recipient: String::new(), reply }
}

fn step(
    what: &str,
    text: String,
    recipient: &OutgoingRecipient,
    reply: String,
    at: i64,
) -> TraceStep {
    TraceStep { at, what: what.to_string(), text, recipient: recipient.address.clone(), reply }
}
