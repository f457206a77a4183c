//! The first people.

use super::{Steps, finish, steps};
use crate::admin::form::Form;
use crate::admin::page::{Page, show};
use crate::admin::people::{Row, Wrong, domains, everybody};
use crate::admin::routes::{Answer, Visit};
use askama::Template;

#[derive(Template)]
#[template(path = "setup/people.html")]
struct PeopleStep<'a> {
    page: &'a Page<'a>,
    steps: Steps<'a>,
    form: &'a Form,
    people: Vec<Row>,
    domains: Vec<String>,
    wrong: &'a [Wrong],
    from: &'static str,
}

pub(in crate::admin) fn page(visit: &mut Visit<'_>) -> Answer {
    show_step(visit, &Form::default(), &[])
}

pub(in crate::admin) fn show_step(visit: &Visit<'_>, form: &Form, wrong: &[Wrong]) -> Answer {
    let page = visit.page(visit.words.t("setup.people"));
    let (steps, people, domains) = (steps(visit, "people")?, everybody(visit)?, domains(visit)?);
    show(&PeopleStep { page: &page, steps, form, people, domains, wrong, from: "setup" })
}

pub(in crate::admin) fn next(visit: &mut Visit<'_>) -> Answer {
    finish(visit, "people")
}
