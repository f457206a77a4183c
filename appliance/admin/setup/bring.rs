//! The old mail of the first people: brought once, fetched from now on, or both.

use super::{Steps, finish, steps};
use crate::admin::outside::{self, Row, Whose};
use crate::admin::page::{Page, show};
use crate::admin::people::everybody_brief;
use crate::admin::routes::{Answer, Visit};
use crate::store::owner;
use askama::Template;

#[derive(Template)]
#[template(path = "setup/bring.html")]
struct Bring<'a> {
    page: &'a Page<'a>,
    steps: Steps<'a>,
    people: Vec<(Whose, Vec<Row>)>,
    /// Mail stays at its provider: without a mailbox there nobody has any.
    collects: bool,
}

pub(in crate::admin) fn page(visit: &mut Visit<'_>) -> Answer {
    let mut people = Vec::new();
    for login in everybody_brief(visit)? {
        let whose = Whose::called_so(visit, &login)?;
        let rows = outside::rows(visit, &whose)?;
        people.push((whose, rows));
    }
    let collects = owner::setup(&visit.house.store.snapshot()?)?.collects;
    let page = visit.page(visit.words.t("bring.title"));
    show(&Bring { page: &page, steps: steps(visit, "bring")?, people, collects })
}

pub(in crate::admin) fn next(visit: &mut Visit<'_>) -> Answer {
    finish(visit, "bring")
}
