//! Setting up: from the code to the first letter, in steps. Each is saved when it is left, and can
//! be gone back to.
//!
//! A step is one file here, one template in `pages/setup`, its rows in `routes` and its line in
//! [`STEPS`].

pub(super) mod begin;
pub(super) mod bring;
pub(super) mod certificate;
pub(super) mod clients;
pub(super) mod domain;
pub(super) mod finish;
pub(super) mod letter;
pub(super) mod network;
pub(super) mod people;
pub(super) mod time;
pub(super) mod way;

use super::form::Form;
use super::http::Reply;
use super::routes::{Answer, Visit};
use super::trouble::Trouble;
use super::who::Who;
use crate::store::owner;
use std::fmt::Debug;

/// The steps in order: the end of `/setup/...`, and the key of their name.
pub(super) const STEPS: &[(&str, &str)] = &[
    ("begin", "setup.begin"),
    ("time", "setup.time"),
    ("owner", "setup.owner"),
    ("network", "setup.network"),
    ("way", "setup.way"),
    ("domain", "setup.domain"),
    ("certificate", "setup.certificate"),
    ("people", "setup.people"),
    ("bring", "setup.bring"),
    ("clients", "setup.clients"),
    ("letter", "setup.letter"),
    ("done", "setup.done"),
];

/// What stays to be changed once all is set up.
const LASTING: [(&str, &str); 6] = [
    ("time", "setup.time"),
    ("network", "setup.network"),
    ("way", "setup.way"),
    ("domain", "setup.domain"),
    ("certificate", "setup.certificate"),
    ("done", "setup.sheet"),
];

/// The steps as a page shows them beside the one it is at.
pub(crate) struct Steps<'a> {
    pub steps: Vec<Step<'a>>,
    pub number: usize,
    /// All is set up: these are settings now.
    pub over: bool,
}

pub(crate) struct Step<'a> {
    pub path: String,
    pub words: &'a str,
    pub done: bool,
    pub here: bool,
    /// May be gone to: it is done, or next.
    pub open: bool,
}

impl Steps<'_> {
    pub(crate) fn count(&self) -> usize {
        self.steps.len()
    }

    /// The key of what the list is called.
    pub(crate) fn title(&self) -> &'static str {
        if self.over { "setup.settings" } else { "setup.steps" }
    }

    /// The key of what a form's button says.
    pub(crate) fn go(&self) -> &'static str {
        if self.over { "setup.save" } else { "setup.next" }
    }
}

/// The steps, at the one of this name.
pub(super) fn steps<'a>(visit: &Visit<'a>, here: &str) -> Result<Steps<'a>, Trouble> {
    let words = visit.words;
    let done = done(visit)?;
    let is_owner = matches!(visit.who(), Who::Owner { .. });
    let next = next(visit, &done);
    let step = |(name, key): &(&str, &'static str)| {
        let is_done = done.iter().any(|it| it == name);
        Step {
            path: format!("/setup/{name}"),
            words: words.t(key),
            done: is_done,
            here: *name == here,
            open: *name != here
                && (is_over(&done) || is_done || *name == next)
                && (is_owner || *name != "owner"),
        }
    };
    let over = is_over(&done);
    let all = if over { &LASTING[..] } else { STEPS };
    let steps: Vec<Step<'a>> =
        all.iter().filter(|(name, _)| is_here(visit, name)).map(step).collect();
    let number = steps.iter().position(|step| step.here).map_or(1, |at| at + 1);
    Ok(Steps { steps, number, over })
}

/// The network of a server that is no box is set elsewhere.
fn is_here(visit: &Visit<'_>, step: &str) -> bool {
    step != "network" || visit.house.is_box
}

fn done(visit: &Visit<'_>) -> Result<Vec<String>, Trouble> {
    let read = visit.house.store.snapshot()?;
    let mut done = owner::setup(&read)?.done;
    if owner::get(&read)?.is_some() {
        // Who owns it has chosen how to begin.
        done.extend(["begin", "owner"].map(str::to_string));
    }
    Ok(done)
}

/// The first step that is not done.
fn next(visit: &Visit<'_>, done: &[String]) -> &'static str {
    let open = |(name, _): &&(&'static str, &str)| {
        is_here(visit, name) && !done.iter().any(|it| it == name)
    };
    STEPS.iter().find(open).map_or("done", |(name, _)| *name)
}

/// Is there nothing left to set up?
pub(super) fn is_done(visit: &Visit<'_>) -> Result<bool, Trouble> {
    Ok(is_over(&done(visit)?))
}

fn is_over(done: &[String]) -> bool {
    done.iter().any(|it| it == "done")
}

/// `/setup`: wherever it goes on.
pub(super) fn go_on(visit: &mut Visit<'_>) -> Answer {
    let done = done(visit)?;
    // All is set up, and a reset took the owner away: nothing but that is missing.
    let next = match is_over(&done) && !visit.house.is_owned()? {
        true => "owner",
        false => next(visit, &done),
    };
    Ok(Reply::see(&format!("/setup/{next}")))
}

/// This step is done; the browser goes on to the one after it.
pub(super) fn finish(visit: &Visit<'_>, step: &'static str) -> Answer {
    mark(visit, step)?;
    if is_done(visit)? {
        visit.say(visit.words.t("setup.saved"));
        return Ok(Reply::see(&format!("/setup/{step}")));
    }
    let owned = visit.house.is_owned()?;
    let mut after = STEPS.iter().skip_while(|(name, _)| *name != step).skip(1);
    let after = after.find(|(name, _)| is_here(visit, name) && !(owned && *name == "owner"));
    let after = after.map_or("done", |(name, _)| *name);
    Ok(Reply::see(&format!("/setup/{after}")))
}

/// A mark of what a form changes, as it was when the page was made.
fn seen(what: &impl Debug) -> String {
    format!("{:08x}", crc32fast::hash(format!("{what:?}").as_bytes()))
}

/// In two browsers the one that comes second is told.
fn unchanged(form: &Form, what: &impl Debug) -> Result<(), Trouble> {
    match form.has("seen") && form.raw("seen") != seen(what) {
        true => Err(Trouble::Changed),
        false => Ok(()),
    }
}

pub(super) fn mark(visit: &Visit<'_>, step: &'static str) -> Result<(), Trouble> {
    let mark = move |setup: &mut crate::store::format::Setup| {
        if !setup.done.iter().any(|it| it == step) {
            setup.done.push(step.to_string());
        }
    };
    visit.house.store.write_blocking(move |batch| owner::change_setup(batch, &mut { mark }))?;
    Ok(())
}
