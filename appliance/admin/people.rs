//! People: who has mail here. Made one by one or from a list that is pasted, changed, suspended,
//! deleted.

mod list;
mod one;

pub(super) use list::{Wrong, add, page, paste};
pub(super) use one::{
    app_password, delete, end, one, password, quota, remove_app, reopen, suspend,
};

use super::page::{Page, show};
use super::routes::{Answer, Visit};
use super::trouble::Trouble;
use crate::act::people::{AccountAct, AccountView, DomainAct, Password, PasswordSet};
use crate::act::words::octets;
use crate::act::{Reply as Done, Request as Act};
use askama::Template;

/// A person in a list.
pub(super) struct Row {
    pub view: AccountView,
    pub used: String,
    pub quota: String,
    /// Of the quota, in percent.
    pub percent: u64,
}

impl Row {
    pub(super) fn of(view: AccountView) -> Row {
        let percent = view.used.saturating_mul(100).checked_div(view.quota).unwrap_or(0);
        let quota = if view.quota == 0 { String::new() } else { octets(view.quota) };
        Row { used: octets(view.used), quota, percent: percent.min(100), view }
    }

    pub(super) fn path(&self) -> String {
        format!("/people/{}", super::http::encoded(&self.view.login))
    }
}

/// Everybody.
pub(super) fn everybody(visit: &Visit<'_>) -> Result<Vec<Row>, Trouble> {
    match visit.ask(Act::Account(AccountAct::List))? {
        Done::Accounts(views) => Ok(views.into_iter().map(Row::of).collect()),
        _ => Ok(Vec::new()),
    }
}

/// The log-in addresses of everybody, without a look at their mail.
pub(super) fn everybody_brief(visit: &Visit<'_>) -> Result<Vec<String>, Trouble> {
    let everybody = crate::store::account::list(&visit.house.store.snapshot()?)?;
    Ok(everybody.into_iter().map(|(_, account)| account.login).collect())
}

/// The domains of the box.
pub(super) fn domains(visit: &Visit<'_>) -> Result<Vec<String>, Trouble> {
    match visit.ask(Act::Domain(DomainAct::List))? {
        Done::Domains(views) => Ok(views.into_iter().map(|view| view.domain).collect()),
        _ => Ok(Vec::new()),
    }
}

/// A password that is made up here, and shown once.
pub(super) fn made_up() -> Result<Password, Trouble> {
    let text = crate::act::people::made_up().map_err(Trouble::Internal)?;
    Ok(Password { text, made_up: true })
}

#[derive(Template)]
#[template(path = "handed.html")]
struct Handed<'a> {
    page: &'a Page<'a>,
    set: &'a [PasswordSet],
    back: &'a str,
}

/// Passwords that were made up, shown this once.
pub(super) fn hand(visit: &Visit<'_>, set: &[PasswordSet], back: &str) -> Answer {
    let page = visit.page(visit.words.t("handed.title"));
    show(&Handed { page: &page, set, back })
}

/// Where a form of people was: on the page of every day, or in the setting up.
fn back(visit: &Visit<'_>) -> &'static str {
    if visit.form.raw("from") == "setup" { "/setup/people" } else { "/people" }
}
