//! The list of who did what, and its page.

use super::house::House;
use super::http::Request;
use super::page::{Page, show};
use super::routes::{Answer, Visit};
use super::trouble::Trouble;
use super::who::Who;
use super::words::Words;
use super::zone;
use crate::event::{Event, emit};
use crate::limits;
use crate::store::format::Audit;
use crate::store::owner;
use askama::Template;

/// Writes down what was done, or tried. What cannot be written down is done all the same.
pub(super) fn note(visit: &Visit<'_>, what: &str, about: &str, failed: &str) {
    let act = row(visit, what, about, failed);
    if let Err(error) = visit.house.store.write_blocking(move |batch| owner::note(batch, &act)) {
        emit(Event::StoreTrouble { doing: "writing down an act", why: error.to_string() });
    }
}

/// The row of an act that somebody else writes down.
pub(super) fn row(visit: &Visit<'_>, what: &str, about: &str, failed: &str) -> Audit {
    let who = match visit.who() {
        Who::Visitor => "-".to_string(),
        Who::Code => "setup code".to_string(),
        Who::Owner { .. } => "owner".to_string(),
        Who::Person { login, .. } => login.clone(),
    };
    of(visit.request, (&who, what, about), failed)
}

/// Writes down an act of whoever `who` is.
pub(super) fn write(house: &House, request: &Request, said: (&str, &str, &str), failed: &str) {
    let act = of(request, said, failed);
    if let Err(error) = house.store.write_blocking(move |batch| owner::note(batch, &act)) {
        emit(Event::StoreTrouble { doing: "writing down an act", why: error.to_string() });
    }
}

pub(super) fn of(request: &Request, (who, what, about): (&str, &str, &str), failed: &str) -> Audit {
    Audit {
        at: request.now,
        who: who.to_string(),
        from: request.peer.remote.ip().to_string(),
        what: what.to_string(),
        about: about.to_string(),
        failed: failed.to_string(),
    }
}

#[derive(Template)]
#[template(path = "acts.html")]
struct Acts<'a> {
    page: &'a Page<'a>,
    acts: Vec<Row>,
    /// The number to go on before, when there are more.
    more: Option<u64>,
}

pub(super) struct Row {
    pub at: String,
    /// What was done, and to what.
    pub did: String,
    pub act: Audit,
}

/// The newest acts before the one of this number, and where the list goes on.
pub(super) fn rows(
    visit: &Visit<'_>,
    before: Option<u64>,
    most: usize,
) -> Result<(Vec<Row>, Option<u64>), Trouble> {
    let read = visit.house.store.snapshot()?;
    let zone = owner::setup(&read)?.zone;
    let found = owner::acts(&read, before, most)?;
    drop(read);
    let more = found.last().map(|(number, _)| *number).filter(|number| *number > 1);
    let more = more.filter(|_| found.len() == most);
    let row = |(_, act): (u64, Audit)| Row {
        at: zone::show(&zone, act.at),
        did: did(visit.words, &act),
        act,
    };
    Ok((found.into_iter().map(row).collect(), more))
}

/// The catalogue has `did.people-add` for "people/add".
fn did(words: &Words, act: &Audit) -> String {
    let key = format!("did.{}", act.what.replace('/', "-"));
    match words.t(&key) == key {
        // Of another version.
        true => format!("{} {}", act.what, act.about),
        false => words.fill(&key, &[&act.about]),
    }
}

/// `/acts?before=N`
pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    let before = visit.request.query("before").parse().ok();
    let (acts, more) = rows(visit, before, limits::PAGE_ROWS)?;
    let page = visit.page(visit.words.t("acts.title"));
    show(&Acts { page: &page, acts, more })
}
