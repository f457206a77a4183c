//! Mail on its way out, the stories of messages, TLS with other servers.

use super::{Call, Outcome, Refused};
use crate::act::outbox::OutboxAct;
use crate::act::tls::TlsAct;
use crate::act::{Request as Act, StorySearch};
use crate::limits::{API_ROWS, API_ROWS_AT_MOST, API_TEXT_LETTERS, TLS_DAYS_SHOWN};

pub(super) fn outbox(call: &Call<'_>) -> Outcome {
    call.ask(Act::Outbox(OutboxAct::List { limit: rows(call)? }))
}

/// How many rows are asked for.
pub(super) fn rows(call: &Call<'_>) -> Result<usize, Refused> {
    Ok(call.number("limit", 1, API_ROWS_AT_MOST)?.unwrap_or(API_ROWS))
}

pub(super) fn outgoing(call: &Call<'_>) -> Outcome {
    call.ask(Act::Outbox(OutboxAct::Show { id: call.part(0) }))
}

pub(super) fn hold(call: &Call<'_>) -> Outcome {
    let id = call.part(0);
    call.act("outbox/hold", &id, Act::Outbox(OutboxAct::Hold { id: id.clone() }))
}

pub(super) fn send_now(call: &Call<'_>) -> Outcome {
    let id = call.part(0);
    call.act("outbox/now", &id, Act::Outbox(OutboxAct::Now { id: id.clone() }))
}

pub(super) fn drop(call: &Call<'_>) -> Outcome {
    let id = call.part(0);
    let act = OutboxAct::Drop { id: id.clone(), yes: true };
    call.act("outbox/drop", &id, Act::Outbox(act))
}

pub(super) fn stories(call: &Call<'_>) -> Outcome {
    let text = call.request.query("text").to_string();
    if text.chars().count() > API_TEXT_LETTERS {
        return Err(Refused::wrong(format!("text has at most {API_TEXT_LETTERS} letters"), ""));
    }
    let (limit, since) = (rows(call)?, call.number("since", 0, i64::MAX)?);
    call.ask(Act::Trace(StorySearch { text, limit, since }))
}

pub(super) fn tls_days(call: &Call<'_>) -> Outcome {
    let days = call.number("days", 1, 366)?.unwrap_or(TLS_DAYS_SHOWN);
    call.ask(Act::Tls(TlsAct::Counts { days }))
}

pub(super) fn policies(call: &Call<'_>) -> Outcome {
    call.ask(Act::Tls(TlsAct::Policies))
}
