//! A domain that moves here from another provider: what to do next.

use super::form::Form;
use super::http::Reply;
use super::page::{Page, show};
use super::routes::{Answer, Visit};
use super::trouble::Trouble;
use super::zone;
use crate::act::check::said::{Said, spoken};
use crate::act::failure::Kind;
use crate::act::moving::{MoveAct, MoveView};
use crate::act::words::date;
use crate::act::{Reply as Done, Request as Act};
use crate::limits;
use crate::store::{address, owner};
use askama::Template;

#[derive(Template)]
#[template(path = "move.html")]
struct Moves<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    moves: Vec<One>,
    /// Domains of the box that do not move.
    others: Vec<String>,
}

struct One {
    title: String,
    looked: String,
    /// What a run is offered for.
    runs: bool,
    days: Vec<(String, u64)>,
    checked: String,
    wanted: String,
    why: String,
    it: MoveView,
}

pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    show_all(visit, &Form::default())
}

fn show_all(visit: &Visit<'_>, form: &Form) -> Answer {
    let mut page = visit.page(visit.words.t("move.title"));
    let views = match visit.ask(Act::Move(MoveAct::List))? {
        Done::Moves(views) => views,
        _ => Vec::new(),
    };
    page.goes_on = views.iter().any(|view| view.looking);
    let read = visit.house.store.snapshot()?;
    let zone = owner::setup(&read)?.zone;
    let names = address::domains(&read)?.into_iter().map(|domain| domain.name);
    let others = names.filter(|name| views.iter().all(|view| view.domain != *name)).collect();
    let day = |(day, count): &(i64, u64)| (date(day * 24 * 3600), *count);
    let say = |said: &[Said]| spoken(said, visit.words, &|at| zone::show(&zone, at));
    let one = |it: MoveView| One {
        title: visit
            .words
            .fill("move.step", &[&it.domain, &it.step.to_string(), &it.steps.to_string()]),
        looked: if it.looked == 0 { String::new() } else { zone::show(&zone, it.looked) },
        runs: matches!(it.stage.as_str(), "first" | "last"),
        days: it.days.iter().take(limits::MOVE_DAYS_SHOWN).map(day).collect(),
        checked: say(&it.said.checked),
        wanted: say(&it.said.wanted),
        why: say(&it.said.why),
        it,
    };
    let moves = views.into_iter().map(one).collect();
    show(&Moves { page: &page, form, moves, others })
}

pub(super) fn begin(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let domain = form.raw("domain").to_string();
    if domain.is_empty() {
        form.wrong("domain", visit.words.t("move.choose"));
        return Ok(show_all(visit, &form)?.status(422));
    }
    let act = MoveAct::Begin { domain: domain.clone(), waits: false };
    match visit.act("move/begin", &domain, Act::Move(act)) {
        Ok(_) => {
            visit.house.place.moves.notify_one();
            Ok(Reply::see("/move"))
        }
        Err(failure) => {
            form.wrong("domain", &failure.why);
            Ok(show_all(visit, &form)?.status(422))
        }
    }
}

pub(super) fn look(visit: &mut Visit<'_>) -> Answer {
    done(visit, "move/look", |domain| MoveAct::Look { domain, waits: false })
}

pub(super) fn run(visit: &mut Visit<'_>) -> Answer {
    done(visit, "move/run", |domain| MoveAct::Run { domain })
}

pub(super) fn skip(visit: &mut Visit<'_>) -> Answer {
    done(visit, "move/skip", |domain| MoveAct::Skip { domain })
}

pub(super) fn back(visit: &mut Visit<'_>) -> Answer {
    done(visit, "move/back", |domain| MoveAct::Back { domain })
}

pub(super) fn end(visit: &mut Visit<'_>) -> Answer {
    done(visit, "move/end", |domain| MoveAct::End { domain })
}

fn done(visit: &mut Visit<'_>, what: &str, act: impl Fn(String) -> MoveAct) -> Answer {
    let domain = visit.part(0).to_string();
    match visit.act(what, &domain, Act::Move(act(domain.clone()))) {
        Ok(_) => {
            visit.house.place.moves.notify_one();
            Ok(Reply::see("/move"))
        }
        // It went on by itself while the page was looked at.
        Err(failure) if failure.kind == Kind::Wrong => Err(Trouble::Changed),
        Err(failure) => Err(failure.into()),
    }
}
