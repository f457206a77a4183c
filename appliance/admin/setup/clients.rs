//! The programs and devices of each person.

use super::{Steps, finish, steps};
use crate::admin::clients;
use crate::admin::page::{Page, show};
use crate::admin::people::{Row, everybody};
use crate::admin::routes::{Answer, Visit};
use crate::clients::qr;
use askama::Template;

#[derive(Template)]
#[template(path = "setup/clients.html")]
struct ClientsStep<'a> {
    page: &'a Page<'a>,
    steps: Steps<'a>,
    people: Vec<Row>,
    /// Where each person sets up their own, and the picture of it.
    there: String,
    code: Option<String>,
}

pub(in crate::admin) fn page(visit: &mut Visit<'_>) -> Answer {
    let there = clients::own_address(visit);
    let code = qr::svg(&there, visit.words.t("clients.code"));
    let (steps, people) = (steps(visit, "clients")?, everybody(visit)?);
    let page = visit.page(visit.words.t("clients.title"));
    show(&ClientsStep { page: &page, steps, people, there, code })
}

pub(in crate::admin) fn next(visit: &mut Visit<'_>) -> Answer {
    finish(visit, "clients")
}
