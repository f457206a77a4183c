//! The time zone, and whether the clock is right.

use super::{Steps, finish, steps};
use crate::admin::form::Form;
use crate::admin::page::{Page, show};
use crate::admin::routes::{Answer, Visit};
use crate::admin::zone;
use crate::store::owner;
use askama::Template;

#[derive(Template)]
#[template(path = "setup/time.html")]
struct TimePage<'a> {
    page: &'a Page<'a>,
    steps: Steps<'a>,
    form: &'a Form,
    zones: Vec<String>,
    /// What the box's clock says, in the zone.
    now: String,
    /// Minutes between the clocks of box and browser, where they differ.
    apart: Option<i64>,
    is_box: bool,
}

pub(in crate::admin) fn page(visit: &mut Visit<'_>) -> Answer {
    let setup = owner::setup(&visit.house.store.snapshot()?)?;
    let form = Form::with(&[("zone", &setup.zone)]);
    show_time(visit, &form, None)
}

fn show_time(visit: &Visit<'_>, form: &Form, apart: Option<i64>) -> Answer {
    let page = visit.page(visit.words.t("time.title"));
    let now = zone::show(form.value("zone"), visit.request.now);
    let (steps, zones, is_box) = (steps(visit, "time")?, zone::names(), visit.house.is_box);
    show(&TimePage { page: &page, steps, form, zones, now, apart, is_box })
}

/// Clocks that differ less agree: the page was read for a while.
const APART_SECONDS: i64 = 5 * 60;

pub(in crate::admin) fn save(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let zone = form.value("zone").to_string();
    if !zone::is_known(&zone) {
        form.wrong("zone", visit.words.t("time.unknown"));
        return Ok(show_time(visit, &form, None)?.status(422));
    }
    let kept = zone.clone();
    visit.house.store.write_blocking(move |batch| {
        owner::change_setup(batch, &mut |setup| setup.zone.clone_from(&kept))
    })?;
    let apart = form.value("now").parse().ok().map(|browser: i64| visit.request.now - browser);
    let apart = apart.filter(|apart| apart.abs() > APART_SECONDS);
    if let (Some(apart), true) = (apart, form.raw("seen").is_empty()) {
        return show_time(visit, &form, Some(apart / 60));
    }
    finish(visit, "time")
}
