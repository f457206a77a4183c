//! Domains that come here from another provider.

use super::{Call, Outcome};
use crate::act::Request as Act;
use crate::act::moving::MoveAct;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Begun {
    domain: String,
}

pub(super) fn all(call: &Call<'_>) -> Outcome {
    call.ask(Act::Move(MoveAct::List))
}

pub(super) fn begin(call: &Call<'_>) -> Outcome {
    let Begun { domain } = call.body()?;
    let act = MoveAct::Begin { domain: domain.clone(), waits: false };
    let done = call.act("move/begin", &domain, Act::Move(act))?;
    call.house.place.moves.notify_one();
    Ok(done)
}

/// Asks the name servers now.
pub(super) fn look(call: &Call<'_>) -> Outcome {
    named(call, "move/look", |domain| MoveAct::Look { domain, waits: false })
}

/// Brings the old mail of all.
pub(super) fn run(call: &Call<'_>) -> Outcome {
    named(call, "move/run", |domain| MoveAct::Run { domain })
}

pub(super) fn skip(call: &Call<'_>) -> Outcome {
    named(call, "move/skip", |domain| MoveAct::Skip { domain })
}

pub(super) fn back(call: &Call<'_>) -> Outcome {
    named(call, "move/back", |domain| MoveAct::Back { domain })
}

pub(super) fn end(call: &Call<'_>) -> Outcome {
    named(call, "move/end", |domain| MoveAct::End { domain })
}

fn named(call: &Call<'_>, what: &str, act: impl Fn(String) -> MoveAct) -> Outcome {
    let domain = call.part(0);
    let done = call.act(what, &domain, Act::Move(act(domain.clone())))?;
    call.house.place.moves.notify_one();
    Ok(done)
}
