//! The system of a box, and another version of it.

use super::{Call, Outcome, Refused, json, reply};
use crate::act::Request as Act;
use crate::act::failure::Failure;
use crate::act::update::{Hindrance, UpdateOrder};
use crate::admin::update::{self, NotTaken};
use crate::admin::upload::BadUpload;
use crate::settings::Restart;
use serde::Deserialize;

pub(super) fn show(call: &Call<'_>) -> Outcome {
    call.ask(Act::Update(UpdateOrder::Show))
}

/// Takes a file in; PID 1 then checks and installs it.
pub(super) fn send(call: &Call<'_>) -> Outcome {
    let kind = call.request.header("content-type").unwrap_or_default();
    if !kind.eq_ignore_ascii_case("application/octet-stream") {
        return Err(Refused::no_octets(kind));
    }
    let length = call.request.header("content-length").and_then(|length| length.parse().ok());
    let brought = match call.upload.take() {
        Some(mut upload) => update::bring(call.house, &mut upload, length.unwrap_or(0)),
        None => Err(Hindrance::Nothing.into()),
    };
    let failed = |why: &str| Failure::new("cannot update", why, "send it again");
    let failure = match brought {
        Ok(()) => None,
        Err(NotTaken::Hindrance(hindrance)) => Some(Failure::from(hindrance)),
        Err(NotTaken::Upload(BadUpload::CutOff)) => Some(failed("it did not come whole")),
        Err(NotTaken::Upload(bad)) => Some(failed(bad.words())),
    };
    call.note("update/send", "", failure.as_ref());
    match failure {
        None => begun(call, UpdateOrder::Show),
        Some(failure) => Err(failure.into()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Consent {
    version: String,
}

pub(super) fn consent(call: &Call<'_>) -> Outcome {
    let Consent { version } = call.body()?;
    asked(call, ("update/consent", &version.clone()), UpdateOrder::Consent { version })
}

pub(super) fn restart(call: &Call<'_>) -> Outcome {
    asked(call, ("update/now", ""), UpdateOrder::Now)
}

pub(super) fn back(call: &Call<'_>) -> Outcome {
    asked(call, ("update/back", ""), UpdateOrder::Back)
}

fn asked(call: &Call<'_>, (what, about): (&str, &str), order: UpdateOrder) -> Outcome {
    let done = begun(call, order);
    call.note(what, about, done.as_ref().err().map(Refused::failure));
    done
}

/// What comes of it is asked for later.
fn begun(call: &Call<'_>, order: UpdateOrder) -> Outcome {
    json(202, &call.done(Act::Update(order))?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    when: String,
}

pub(super) fn when(call: &Call<'_>) -> Outcome {
    if !call.house.updates.is_of_box() {
        return Err(Failure::from(Hindrance::NoBox).into());
    }
    show_when(call.house.settings().restart)
}

fn show_when(restart: Restart) -> Outcome {
    reply(&serde_json::json!({ "when": restart.to_string() }))
}

pub(super) fn set_when(call: &Call<'_>) -> Outcome {
    let When { when } = call.body()?;
    let wrong = || Refused::wrong("when is at-once or an hour such as 03:00".to_string(), "");
    let restart = Restart::parse(&when).ok_or_else(wrong)?;
    update::keep_when(call.house, restart, &mut |failure| {
        call.note("update/when", &when, failure);
    })?;
    show_when(restart)
}
