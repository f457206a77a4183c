//! The first step: a new server, or one that goes on where another stopped.

use super::{Steps, finish, steps};
use crate::act::failure::Failure;
use crate::admin::audit;
use crate::admin::backup::desk::{Known, Task};
use crate::admin::backup::{self, Row};
use crate::admin::form::Form;
use crate::admin::http::Reply;
use crate::admin::page::{Page, show};
use crate::admin::restore::{self, Refused, Stage, on_new};
use crate::admin::routes::{Answer, Visit};
use crate::admin::upload::BadUpload;
use crate::admin::zone;
use crate::request::StickState;
use askama::Template;

#[derive(Template)]
#[template(path = "setup/begin.html")]
struct Begin<'a> {
    page: &'a Page<'a>,
    steps: Steps<'a>,
    form: &'a Form,
    /// What is being done with a backup.
    running: Option<&'a str>,
    /// Why the last one was not brought back.
    failed: Option<String>,
    /// People have mail here: a backup would replace it.
    lived_in: bool,
    stick: Option<Stick>,
}

/// The stick of a box, or the folder of a machine that has one.
struct Stick {
    name: String,
    is_box: bool,
    is_ready: bool,
    /// Once somebody has looked.
    rows: Option<Vec<Row>>,
}

pub(in crate::admin) fn page(visit: &mut Visit<'_>) -> Answer {
    show_begin(visit, &Form::default())
}

fn show_begin(visit: &Visit<'_>, form: &Form) -> Answer {
    let words = visit.words;
    let place = &visit.house.place;
    let known = place.backups.known(place.millis());
    let (running, failed) = match place.restores.stage() {
        Stage::Nothing if known.doing.is_some() => (Some(words.t("begin.looking")), None),
        Stage::Nothing => {
            (None, known.failed.as_ref().map(|(_, failure)| backup::said(words, failure)))
        }
        Stage::Coming => (Some(words.t("begin.coming")), None),
        Stage::Checking => (Some(words.t("begin.checking")), None),
        Stage::Changing => (Some(words.t("begin.changing")), None),
        Stage::Failed(error) => (None, Some(restore::why(words, &error))),
    };
    let lived_in = restore::is_lived_in(&visit.house.store)?;
    let mut page = visit.page(words.t("begin.title"));
    page.goes_on = running.is_some();
    let steps = steps(visit, "begin")?;
    let stick = stick(visit, &known);
    show(&Begin { page: &page, steps, form, running, failed, lived_in, stick })
}

/// `None`: a machine that is no box, whose settings name no folder.
fn stick(visit: &Visit<'_>, known: &Known) -> Option<Stick> {
    let shelf = visit.house.shelf();
    let seen = shelf.seen();
    let is_ready = seen.state == StickState::Ready;
    // No zone is chosen yet.
    let rows = backup::listed(known, &seen.name, &|at| zone::show("", at));
    let is_box = shelf.kind() == "stick";
    let stick = Stick { name: seen.name, is_box, is_ready, rows: rows.filter(|_| is_ready) };
    (shelf.kind() != "none").then_some(stick)
}

/// What lies on the stick.
pub(in crate::admin) fn look(visit: &mut Visit<'_>) -> Answer {
    let work = visit.house.backup_work();
    begun(visit, work.begin(Task::Look, None, |work, ticket| work.look(ticket)))
}

/// `POST /setup/begin/stick`: brings back one that lies there.
pub(in crate::admin) fn from_stick(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    if restore::is_lived_in(&visit.house.store)? {
        form.wrong("name", visit.words.t("begin.lived-in"));
    }
    let name = backup::chosen(visit, &mut form);
    let Some(name) = name.filter(|_| form.is_fine()) else {
        return Ok(show_begin(visit, &form)?.status(422));
    };
    let passphrase = backup::given_passphrase(&form, "word");
    let by = visit.session.as_ref().map(|(key, _)| (*key, visit.words));
    let act = audit::row(visit, "store/restore", &name, "");
    let (work, noted) = (visit.house.backup_work(), act.clone());
    begun(
        visit,
        work.begin(Task::Restore, Some(noted), move |work, ticket| {
            work.restore(ticket, (&name, passphrase.as_ref()), (by, on_new(act)))
        }),
    )
}

fn begun(visit: &Visit<'_>, begun: Result<(), Failure>) -> Answer {
    if let Err(failure) = begun {
        visit.say(&backup::said(visit.words, &failure));
    }
    Ok(Reply::see("/setup/begin"))
}

/// A new one.
pub(in crate::admin) fn new(visit: &mut Visit<'_>) -> Answer {
    finish(visit, "begin")
}

/// `POST /setup/begin/restore`, a form with a file.
pub(in crate::admin) fn restore(visit: &mut Visit<'_>) -> Answer {
    let mut form = Form::default();
    match bring(visit) {
        Ok(()) => return Ok(Reply::see("/setup/begin")),
        Err(words) => form.wrong("file", &words),
    }
    Ok(show_begin(visit, &form)?.status(422))
}

fn bring(visit: &mut Visit<'_>) -> Result<(), String> {
    let words = visit.words;
    let choose = || words.t("begin.choose").to_string();
    let mut upload = visit.upload.take().ok_or_else(choose)?;
    let by = visit.session.as_ref().map(|(key, _)| (*key, words));
    let act = audit::row(visit, "store/restore", "", "");
    let brought = restore::bring(visit.house, &mut upload, by, act);
    let (why, is_noted) = match brought {
        Ok(()) => return Ok(()),
        Err(Refused::LivedIn) => (words.t("begin.lived-in").to_string(), false),
        Err(Refused::Busy) => (words.t("begin.busy").to_string(), false),
        Err(Refused::Nothing) => (choose(), true),
        Err(Refused::Store(error)) => (restore::why(words, &error), true),
        Err(Refused::Upload(BadUpload::CutOff)) => (words.t("begin.not-whole").to_string(), true),
        Err(Refused::Upload(bad)) => (bad.words().to_string(), true),
    };
    if is_noted {
        audit::note(visit, "store/restore", "", &why);
    }
    Err(why)
}
