//! Who is logged in: the owner on the pages, people on the pages and with mail programs.

use super::{Call, Outcome, Refused, reply};
use crate::act::Reply as Done;
use crate::act::failure::{Failure, Kind};
use crate::admin::sessions::{self, Open, Which};
use crate::store::{AccountId, account};
use serde::Serialize;

#[derive(Serialize)]
struct SessionView {
    /// "page", "imap", "pop3" or "submission".
    unit: &'static str,
    from: String,
    /// The browser and the system, where they are known.
    agent: String,
    /// Seconds since 1970.
    since: i64,
    /// What it is ended by.
    mark: String,
}

fn listed(open: Vec<Open>) -> Outcome {
    let view = |open: Open| {
        let Open { unit, from, agent, since, mark, .. } = open;
        SessionView { unit, from, agent, since, mark }
    };
    let views: Vec<SessionView> = open.into_iter().map(view).collect();
    reply(&serde_json::json!({ "sessions": views }))
}

pub(super) fn of_owner(call: &Call<'_>) -> Outcome {
    listed(sessions::owners(call.house, call.request.now))
}

pub(super) fn end_of_owner(call: &Call<'_>) -> Outcome {
    let mark = call.part(0);
    let ended = sessions::end_of_owner(call.house, Which::One(&mark));
    told(call, "owner/end-session", "", ended)
}

/// Every browser must log in anew.
pub(super) fn end_all_of_owner(call: &Call<'_>) -> Outcome {
    let ended = sessions::end_of_owner(call.house, Which::Others(None));
    told(call, "owner/end-session", "", ended)
}

fn find(call: &Call<'_>, login: &str) -> Result<AccountId, Refused> {
    let found = account::by_login(&call.house.store.snapshot()?, login)?;
    let missing = || Failure::new("cannot tell the sessions", "there is no such account", "");
    found.map(|(id, _)| id).ok_or_else(|| missing().of_kind(Kind::Missing).into())
}

pub(super) fn of_person(call: &Call<'_>) -> Outcome {
    let id = find(call, &call.part(0))?;
    listed(sessions::persons(call.house, id, call.request.now))
}

pub(super) fn end_of_person(call: &Call<'_>) -> Outcome {
    let (login, mark) = (call.part(0), call.part(1));
    let id = find(call, &login)?;
    let ended = sessions::end_of_person(call.house, id, Which::One(&mark));
    told(call, "people/end-session", &login, ended)
}

pub(super) fn end_all_of_person(call: &Call<'_>) -> Outcome {
    let login = call.part(0);
    let id = find(call, &login)?;
    let ended = sessions::end_of_person(call.house, id, Which::Others(None));
    told(call, "people/end-session", &login, ended)
}

fn told(call: &Call<'_>, what: &str, about: &str, ended: bool) -> Outcome {
    if !ended {
        let failure = Failure::new("cannot end it", "there is no such session any more", "");
        return Err(failure.of_kind(Kind::Missing).into());
    }
    call.note(what, about, None);
    reply(&Done::Done("ended".to_string()))
}
