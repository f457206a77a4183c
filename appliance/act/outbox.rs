//! Acts on the outbox: what waits to be sent, and the owner's hand on it.

use super::Reply;
use super::failure::{Failure, Kind};
use crate::clock;
use crate::delivery::record;
use crate::delivery::report::Moment;
use crate::limits::OUTBOX_LOOK;
use crate::store::format::{Outgoing, OutgoingRecipient};
use crate::store::outbox::{self, Place, State};
use crate::store::{Batch, MailId, Store, StoreError, address};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OutboxAct {
    List { limit: usize },
    Show { id: String },
    Hold { id: String },
    Now { id: String },
    Drop { id: String, yes: bool },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OutgoingView {
    /// The number of the message, as replies and logs say it.
    pub id: String,
    /// Empty for a report.
    pub from: String,
    pub size: u64,
    /// Seconds since 1970.
    pub created: i64,
    pub recipients: Vec<RecipientView>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecipientView {
    pub address: String,
    /// "waiting", "held", "delivered" or "failed".
    pub state: String,
    pub tries: u32,
    /// When it is tried next, in seconds since 1970; only while it waits.
    pub next: Option<i64>,
    /// What the last try came to; empty before the first.
    pub why: String,
    pub reply: String,
    pub server: String,
    /// How the connection to it was secured.
    pub secured: String,
}

type Outcome = Result<Reply, Failure>;

pub(crate) fn act(store: &Store, act: OutboxAct) -> Outcome {
    match act {
        OutboxAct::List { limit } => list(store, limit),
        OutboxAct::Show { id } => show(store, &id),
        OutboxAct::Hold { id } => {
            let held = turn(store, &id, State::Waiting, State::Held, 0)?;
            Ok(Reply::Done(format!("message {id}: {held} recipients wait until you say now")))
        }
        OutboxAct::Now { id } => {
            let now = clock::now();
            let freed = turn(store, &id, State::Held, State::Waiting, now)?;
            let held =
                if freed > 0 { format!(", {freed} of them were held") } else { String::new() };
            Ok(Reply::Done(format!("message {id} is tried now{held}")))
        }
        OutboxAct::Drop { id, yes: true } => dropped(store, &id),
        OutboxAct::Drop { id, .. } => Err(Failure::new(
            &format!("message {id} was not taken out"),
            "it would never reach those who still wait for it",
            "say so with --yes; its sender is told",
        )),
    }
}

fn list(store: &Store, limit: usize) -> Outcome {
    let mut views = Vec::new();
    let mut from = Place { due: 0, id: MailId(0) };
    // In pages, so that no snapshot lives long.
    while views.len() < limit {
        let most = OUTBOX_LOOK.min(limit - views.len());
        let page = store
            .snapshot()
            .and_then(|read| outbox::list(&read, from, most))
            .map_err(|error| Failure::store("cannot read the outbox", &error))?;
        let full = page.len() == most;
        for (place, row) in page {
            from = Place { due: place.due, id: MailId(place.id.0.saturating_add(1)) };
            views.push(view(place.id, &row));
        }
        if !full {
            break;
        }
    }
    Ok(Reply::Outbox(views))
}

fn show(store: &Store, id: &str) -> Outcome {
    let wanted = number(id)?;
    let found = store
        .snapshot()
        .and_then(|read| outbox::find(&read, wanted, None))
        .map_err(|error| Failure::store("cannot read the outbox", &error))?;
    match found {
        Some((_, row)) => Ok(Reply::Outgoing(view(wanted, &row))),
        None => Err(not_there(id)),
    }
}

/// Turns recipients from one state into another, and lets all that wait be tried at `next`, where
/// that is given. How many were turned?
fn turn(store: &Store, id: &str, from: State, to: State, next: i64) -> Result<usize, Failure> {
    let wanted = number(id)?;
    let job = move |batch: &mut Batch| {
        let Some((place, mut row)) = outbox::find(batch, wanted, None)? else { return Ok(None) };
        let mut turned = 0;
        for recipient in &mut row.recipients {
            if recipient.state() == from {
                recipient.set_state(to);
                turned += 1;
            }
            if next > 0 && recipient.state() == State::Waiting {
                recipient.next = next;
            }
        }
        outbox::update(batch, place, &row)?;
        outbox::wake(batch);
        Ok(Some(turned))
    };
    let what = format!("message {id} stays as it is");
    let turned = store.write_blocking(job).map_err(|error| Failure::store(&what, &error))?;
    turned.ok_or_else(|| not_there(id))
}

fn dropped(store: &Store, id: &str) -> Outcome {
    let wanted = number(id)?;
    let moment = Moment { micros: clock::now_micros(), chance: chance() };
    let job = move |batch: &mut Batch| {
        let Some((place, row)) = outbox::find(batch, wanted, None)? else { return Ok(false) };
        let first = address::domains(batch)?.into_iter().next();
        let host = first.map_or_else(|| "localhost".to_string(), |domain| domain.name);
        record::give_up(batch, &host, moment, place, &row)?;
        // Without room for the report it is still there.
        match outbox::find(batch, wanted, None)? {
            Some(_) => Err(StoreError::DiskFull),
            None => Ok(true),
        }
    };
    let what = format!("message {id} was not taken out");
    match store.write_blocking(job).map_err(|error| Failure::store(&what, &error))? {
        true => Ok(Reply::Done(format!("message {id} is out of the outbox; its sender is told"))),
        false => Err(not_there(id)),
    }
}

/// Only names a report: it need not be secret, but it differs each time.
fn chance() -> u64 {
    let mut random = [0; 8];
    match ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random) {
        Ok(()) => u64::from_le_bytes(random),
        Err(_) => clock::now_micros(),
    }
}

fn number(id: &str) -> Result<MailId, Failure> {
    u64::from_str_radix(id, 16).map(MailId).map_err(|_| {
        let what = format!("{id} is no number of a message");
        Failure::new(&what, "it has letters a to f and digits", "see `mailroom outbox list`")
    })
}

fn not_there(id: &str) -> Failure {
    Failure::new(
        &format!("no message {id} is in the outbox"),
        "it was sent, given up or taken out, or it never was there",
        &format!("see `mailroom outbox list` or `mailroom trace {id}`"),
    )
    .of_kind(Kind::Missing)
}

pub(crate) fn view(id: MailId, row: &Outgoing) -> OutgoingView {
    OutgoingView {
        id: id.to_string(),
        from: row.sender.clone(),
        size: row.size,
        created: row.created,
        recipients: row.recipients.iter().map(recipient).collect(),
    }
}

fn recipient(row: &OutgoingRecipient) -> RecipientView {
    let (state, waits) = match row.state() {
        State::Waiting => ("waiting", true),
        State::Held => ("held", false),
        State::Delivered => ("delivered", false),
        State::Failed => ("failed", false),
    };
    RecipientView {
        address: row.address.clone(),
        state: state.to_string(),
        tries: row.tries,
        next: Some(row.next).filter(|_| waits),
        why: row.why.clone(),
        reply: row.reply.clone(),
        server: row.server.clone(),
        secured: row.secured.clone(),
    }
}
