//! Backups: where they lie, one now or each night, and what is brought back. Each act goes on in
//! the background; how far it is and what came of it is asked for.

use super::{Call, Outcome, json};
use crate::act::backup::check;
use crate::act::backup::find::Search;
use crate::act::backup::record::{Past, Record};
use crate::act::backup::shelf::Entry;
use crate::act::failure::{Failure, Kind};
use crate::act::transfer::Imported;
use crate::admin::backup::desk::{Doing, Found, Task, Ticket};
use crate::admin::backup::work::{Nightly, Wanted, Work};
use crate::admin::restore::{self, on_same};
use crate::limits;
use crate::request::StickState;
use crate::store::backup::sealed::Passphrase;
use crate::store::format::Audit;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct View {
    place: PlaceView,
    doing: Option<Doing>,
    /// Why the last thing that was asked for was not done.
    failed: Option<Failure>,
    /// The last backup.
    last: Option<Past>,
    nightly: Option<NightlyView>,
    /// What lay there when somebody looked last.
    listed: Option<Vec<Entry>>,
    found: Option<Found>,
    brought: Option<Imported>,
}

#[derive(Serialize)]
struct PlaceView {
    /// "stick", "folder", "none".
    kind: &'static str,
    /// "ready", "unusable", "none".
    state: &'static str,
    name: String,
    octets: u64,
}

#[derive(Serialize)]
struct NightlyView {
    /// Of UTC.
    hour: u8,
    stick: String,
    /// The stick and the passphrase are known here.
    enrolled: bool,
    /// When the newest good one was made, seconds since 1970.
    good: Option<i64>,
    failed: String,
}

pub(super) fn show(call: &Call<'_>) -> Outcome {
    view(call, 200)
}

fn view(call: &Call<'_>, status: u16) -> Outcome {
    let house = call.house;
    let known = house.place.backups.known(house.place.millis());
    let record = Record::load(&house.data);
    let (shelf, hour) = (house.shelf(), house.nightly_hour());
    let seen = shelf.seen();
    let state = match seen.state {
        StickState::Ready => "ready",
        StickState::Unusable => "unusable",
        StickState::Mail => "mail",
        StickState::None => "none",
    };
    let nightly = hour.map(|hour| NightlyView {
        hour,
        stick: record.stick.clone(),
        enrolled: record.is_enrolled(),
        good: record.good_at(),
        failed: record.failed.clone(),
    });
    let listed = known.listed.filter(|it| it.place == seen.name).map(|it| it.entries);
    let place = PlaceView { kind: shelf.kind(), state, name: seen.name, octets: seen.octets };
    let view = View {
        place,
        doing: known.doing,
        failed: known.failed.map(|(_, failure)| failure),
        last: record.last,
        nightly,
        listed,
        found: known.found,
        brought: known.brought,
    };
    json(status, &serde_json::json!({ "backup": view }))
}

/// Begins it and shows how far it is.
fn begin(
    call: &Call<'_>,
    task: Task,
    (what, about): (&str, &str),
    job: impl FnOnce(&Work, &Ticket) -> Result<(), Failure> + Send + 'static,
) -> Outcome {
    let act = act(call, what, about);
    call.house.backup_work().begin(task, Some(act), job)?;
    view(call, 202)
}

fn act(call: &Call<'_>, what: &str, about: &str) -> Audit {
    Audit {
        at: call.request.now,
        who: call.program.clone(),
        from: call.request.peer.remote.ip().to_string(),
        what: what.to_string(),
        about: about.to_string(),
        failed: String::new(),
    }
}

fn enough(passphrase: &Passphrase) -> Result<(), Failure> {
    check(passphrase).map_err(|why| Failure::new("cannot back up", why, "take more words"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    passphrase: Passphrase,
}

pub(super) fn make(call: &Call<'_>) -> Outcome {
    let Made { passphrase } = call.body()?;
    enough(&passphrase)?;
    begin(call, Task::Make, ("backup/make", ""), move |work, ticket| {
        work.make(ticket, Some(passphrase))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NightlyBody {
    /// `null`: none any more. To leave it out is a mistake, and must not end the backups.
    #[serde(deserialize_with = "Option::deserialize")]
    hour: Option<u8>,
    passphrase: Option<Passphrase>,
}

pub(super) fn nightly(call: &Call<'_>) -> Outcome {
    let NightlyBody { hour, passphrase } = call.body()?;
    let wrong = |why: &str| Failure::new("cannot change the nightly backups", why, "");
    let (wanted, act, about) = match (hour, passphrase) {
        (None, None) => (Nightly::Off, "backup/nightly-off", String::new()),
        (Some(hour @ 0..24), Some(passphrase)) => {
            enough(&passphrase)?;
            (Nightly::At(hour, passphrase), "backup/nightly", format!("{hour:02}:00"))
        }
        (Some(0..24), None) => return Err(wrong("they need a passphrase").into()),
        (Some(_), _) => return Err(wrong("hour is a number from 0 to 23").into()),
        (None, Some(_)) => return Err(wrong("without an hour there is no passphrase").into()),
    };
    begin(call, Task::Enrol, (act, &about), move |work, ticket| work.nightly(ticket, wanted))
}

pub(super) fn look(call: &Call<'_>) -> Outcome {
    begin(call, Task::Look, ("backup/look", ""), |work, ticket| work.look(ticket))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Looked {
    name: String,
    passphrase: Option<Passphrase>,
    login: String,
    mailbox: Option<String>,
    #[serde(default)]
    text: String,
}

/// What is longer than it can be was never listed here.
fn bounds(
    (name, passphrase): (&str, Option<&Passphrase>),
    mailbox: Option<&str>,
    text: &str,
) -> Result<(), Failure> {
    let wrong = |why: &str| Err(Failure::new("cannot do this", why, ""));
    if name.is_empty() || name.len() > limits::BACKUP_NAME_BYTES {
        return wrong("name is none of a backup");
    }
    if passphrase.is_some_and(|it| it.text().len() > limits::PASSWORD_BYTES) {
        return wrong("the passphrase is too long");
    }
    if mailbox.is_some_and(|it| it.len() > limits::MAILBOX_NAME_BYTES) {
        return wrong("mailbox is none");
    }
    if text.chars().count() > limits::API_TEXT_LETTERS {
        return wrong("text is too long");
    }
    Ok(())
}

/// RFC 5321 4.5.3.1.3: an address
fn is_login(login: &str) -> Result<(), Failure> {
    match login.chars().count() {
        3..=limits::ADDRESS_BYTES => Ok(()),
        _ => Err(Failure::new("cannot do this", "login is no address", "")),
    }
}

/// Messages of one account in a backup.
pub(super) fn find(call: &Call<'_>) -> Outcome {
    let Looked { name, passphrase, login, mailbox, text } = call.body()?;
    bounds((&name, passphrase.as_ref()), mailbox.as_deref(), &text)?;
    is_login(&login)?;
    let about = format!("{name} {login}");
    begin(call, Task::Find, ("backup/find", &about), move |work, ticket| {
        let search = Search { login, mailbox, text };
        work.find(ticket, (&name, passphrase.as_ref()), search)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Brought {
    name: String,
    passphrase: Option<Passphrase>,
    login: String,
    mailbox: Option<String>,
    uid: Option<u32>,
}

/// Brings back mail of one account, while mail flows.
pub(super) fn bring(call: &Call<'_>) -> Outcome {
    let Brought { name, passphrase, login, mailbox, uid } = call.body()?;
    bounds((&name, passphrase.as_ref()), mailbox.as_deref(), "")?;
    is_login(&login)?;
    if uid == Some(0) {
        return Err(Failure::new("cannot bring it back", "0 is no UID", "").into());
    }
    if uid.is_some() && mailbox.is_none() {
        let why = "a message is named by its mailbox too";
        return Err(Failure::new("cannot bring it back", why, "").into());
    }
    let about = format!("{login} {}", mailbox.as_deref().unwrap_or("*"));
    begin(call, Task::Bring, ("backup/bring", &about), move |work, ticket| {
        work.bring(ticket, (&name, passphrase), Wanted { login, mailbox, uid })
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restored {
    name: String,
    passphrase: Option<Passphrase>,
    /// Also where people have mail.
    #[serde(default)]
    replace: bool,
}

/// Brings back all of the office.
pub(super) fn restore(call: &Call<'_>) -> Outcome {
    let Restored { name, passphrase, replace } = call.body()?;
    bounds((&name, passphrase.as_ref()), None, "")?;
    if !replace && restore::is_lived_in(&call.house.store)? {
        let what = "cannot bring the backup back";
        let why = "people have mail here, which it would replace";
        return Err(Failure::new(what, why, "say replace").of_kind(Kind::Exists).into());
    }
    let act = act(call, "store/restore", &name);
    begin(call, Task::Restore, ("store/restore", &name.clone()), move |work, ticket| {
        work.restore(ticket, (&name, passphrase.as_ref()), (None, on_same(act)))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Formatted {
    /// As the stick that is in is called.
    stick: String,
}

/// Empties the stick, so that it can be used.
pub(super) fn format(call: &Call<'_>) -> Outcome {
    let Formatted { stick } = call.body()?;
    let seen = call.house.shelf().seen();
    if stick != seen.name || stick.is_empty() {
        let why = "the stick that is in is not called so";
        return Err(Failure::new("cannot format the stick", why, "see what is in").into());
    }
    begin(call, Task::Format, ("backup/format", &stick.clone()), move |work, ticket| {
        work.format(ticket, &stick)
    })
}
