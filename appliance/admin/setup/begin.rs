//! The first step: a new server, or one that goes on where another stopped.

use super::{Steps, finish, steps};
use crate::act::failure::Failure;
use crate::admin::audit;
use crate::admin::backup::desk::{Known, Task};
use crate::admin::backup::{self, Row};
use crate::admin::form::Form;
use crate::admin::http::Reply;
use crate::admin::page::{Page, show};
use crate::admin::refusal;
use crate::admin::restore::{self, Refused, Stage, on_new};
use crate::admin::routes::{Answer, Visit};
use crate::admin::storage::adopt::Claim;
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
    /// A disk with the mail of a Mailroom that is in, as it is called.
    disk: Option<String>,
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
    let disks = place.storage.known();
    let (running, failed) = match place.restores.stage() {
        Stage::Nothing if disks.doing.as_ref().is_some_and(|it| it.step.is_some()) => {
            (Some(words.t("storage.switching")), None)
        }
        Stage::Nothing if disks.doing.is_some() => (Some(words.t("storage.adopting")), None),
        Stage::Nothing if known.doing.is_some() => (Some(words.t("begin.looking")), None),
        // Whichever was tried last: what is begun at one of them forgets what the other said.
        Stage::Nothing => {
            let of_stick = known.failed.as_ref().map(|(_, failure)| backup::said(words, failure));
            let of_disk = disks.failed.as_ref().map(|(_, it)| refusal::words(words, it));
            (None, of_stick.or(of_disk))
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
    let (stick, disk) = (stick(visit, &known), disk_with_mail(visit));
    show(&Begin { page: &page, steps, form, running, failed, lived_in, stick, disk })
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

fn disk_with_mail(visit: &Visit<'_>) -> Option<String> {
    let seen = visit.house.sticks.as_ref()?.seen();
    (seen.state == StickState::Mail).then_some(seen.name)
}

/// `POST /setup/begin/disk`: the box goes on with the mail on the disk that is in.
pub(in crate::admin) fn from_disk(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let words = visit.words;
    if restore::is_lived_in(&visit.house.store)? {
        form.wrong("disk-password", words.t("begin.lived-in"));
    } else if disk_with_mail(visit).is_none() {
        form.wrong("disk-password", words.t("storage.no-mail"));
    }
    if form.is_fine() {
        let remote = visit.request.peer.remote.ip();
        let (password, code) = (form.raw("disk-password"), form.value("disk-code"));
        let claim = Claim { password: password.to_string(), code: code.to_string(), remote };
        match visit.house.begin_adopting(claim) {
            Ok(Ok(())) => return Ok(Reply::see("/setup/begin")),
            Ok(Err(seconds)) => {
                form.wrong("disk-password", &words.fill("login.later", &[&seconds]));
            }
            Err(failure) => form.wrong("disk-password", &refusal::words(words, &failure)),
        }
    }
    Ok(show_begin(visit, &form)?.status(422))
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
    match begun {
        Ok(()) => visit.house.place.storage.forget_failure(),
        Err(failure) => visit.say(&backup::said(visit.words, &failure)),
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
