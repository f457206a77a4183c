//! The list of who did what, and its page.

use super::page::{Page, show};
use super::routes::{Answer, Visit};
use super::who::Who;
use crate::act::words::date_time;
use crate::event::{Event, emit};
use crate::limits;
use crate::store::format::Audit;
use crate::store::owner;
use askama::Template;

/// Writes down what was done, or tried. What cannot be written down is done all the same.
pub(super) fn note(visit: &Visit<'_>, what: &str, about: &str, failed: &str) {
    let who = match visit.who() {
        Who::Visitor => "-".to_string(),
        Who::Code => "setup code".to_string(),
        Who::Owner { .. } => "owner".to_string(),
        Who::Person { login, .. } => login.clone(),
    };
    let act = Audit {
        at: visit.request.now,
        who,
        from: visit.request.peer.remote.ip().to_string(),
        what: what.to_string(),
        about: about.to_string(),
        failed: failed.to_string(),
    };
    if let Err(error) = visit.house.store.write_blocking(move |batch| owner::note(batch, &act)) {
        emit(Event::StoreTrouble { doing: "writing down an act", why: error.to_string() });
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

struct Row {
    at: String,
    act: Audit,
}

/// `/acts?before=N`
pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    let before = visit.request.query("before").parse().ok();
    let read = visit.house.store.snapshot()?;
    let found = owner::acts(&read, before, limits::PAGE_ROWS)?;
    drop(read);
    let more = found.last().map(|(number, _)| *number).filter(|number| *number > 1);
    let more = more.filter(|_| found.len() == limits::PAGE_ROWS);
    let row = |(_, act): (u64, Audit)| Row { at: date_time(act.at), act };
    let acts = found.into_iter().map(row).collect();
    let page = visit.page(visit.words.t("acts.title"));
    show(&Acts { page: &page, acts, more })
}
