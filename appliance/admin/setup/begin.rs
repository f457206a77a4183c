//! The first step: a new server, or one that goes on where another stopped.

use super::{Steps, finish, steps};
use crate::admin::audit;
use crate::admin::form::Form;
use crate::admin::http::Reply;
use crate::admin::page::{Page, show};
use crate::admin::restore::{self, Refused, Stage};
use crate::admin::routes::{Answer, Visit};
use crate::admin::upload::BadUpload;
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
}

pub(in crate::admin) fn page(visit: &mut Visit<'_>) -> Answer {
    show_begin(visit, &Form::default())
}

fn show_begin(visit: &Visit<'_>, form: &Form) -> Answer {
    let words = visit.words;
    let (running, failed) = match visit.house.place.restores.stage() {
        Stage::Nothing => (None, None),
        Stage::Coming => (Some(words.t("begin.coming")), None),
        Stage::Checking => (Some(words.t("begin.checking")), None),
        Stage::Changing => (Some(words.t("begin.changing")), None),
        Stage::Failed(error) => (None, Some(restore::why(words, &error))),
    };
    let lived_in = restore::is_lived_in(&visit.house.store)?;
    let mut page = visit.page(words.t("begin.title"));
    page.goes_on = running.is_some();
    let steps = steps(visit, "begin")?;
    show(&Begin { page: &page, steps, form, running, failed, lived_in })
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
