//! One person: password, app passwords, room, suspended or not, gone.

use super::{Row, hand, made_up};
use crate::act::people::{AccountAct, Password};
use crate::act::{Reply as Done, Request as Act};
use crate::admin::audit;
use crate::admin::form::Form;
use crate::admin::http::Reply;
use crate::admin::page::{Page, show};
use crate::admin::refusal;
use crate::admin::routes::{Answer, Visit};
use crate::admin::sessions::{self, Row as SessionRow};
use crate::admin::trouble::Trouble;
use crate::limits;
use crate::store::{AccountId, account};
use askama::Template;

#[derive(Template)]
#[template(path = "person.html")]
struct Person<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    /// The room as it is, or as it was typed.
    room: Form,
    row: Row,
    /// How the person was when the page was made.
    seen: String,
    sessions: Vec<SessionRow>,
    end: String,
    /// Days that a deleted person's mail is kept.
    /// What becomes of one who is deleted.
    delete_what: String,
}

/// As disks are sold.
const GIGABYTE: u64 = 1_000_000_000;

fn find(visit: &Visit<'_>) -> Result<Row, Trouble> {
    let login = visit.part(0).to_string();
    match visit.ask(Act::Account(AccountAct::Show { login })) {
        Ok(Done::Account(view)) => Ok(Row::of(view)),
        _ => Err(Trouble::Missing),
    }
}

pub(in crate::admin) fn one(visit: &mut Visit<'_>) -> Answer {
    let row = find(visit)?;
    show_one(visit, row, &Form::default())
}

fn show_one(visit: &Visit<'_>, row: Row, form: &Form) -> Answer {
    let page = visit.page(&row.view.name);
    let page = if row.view.name.is_empty() { page.called(&row.view.login) } else { page };
    let seen = seen(&row);
    let delete_what = visit.words.fill("person.delete-what", &[&limits::LEAVING_DAYS]);
    let sessions = sessions::of_person(visit, id_of(visit, &row)?)?;
    let end = format!("{}/sessions", row.path());
    let room = match form.has("quota") {
        true => form.clone(),
        false => {
            let gigabytes = row.view.quota.div_ceil(GIGABYTE).to_string();
            Form::with(&[("quota", &gigabytes)])
        }
    };
    show(&Person { page: &page, form, room, row, seen, sessions, end, delete_what })
}

fn id_of(visit: &Visit<'_>, row: &Row) -> Result<AccountId, Trouble> {
    let found = account::by_login(&visit.house.store.snapshot()?, &row.view.login)?;
    Ok(found.ok_or(Trouble::Missing)?.0)
}

/// A mark of what can be changed on the page.
fn seen(row: &Row) -> String {
    let view = &row.view;
    let shut = (view.suspended, view.days_left.is_some());
    let all = format!("{} {shut:?} {:?}", view.quota, view.app_passwords);
    format!("{:08x}", crc32fast::hash(all.as_bytes()))
}

/// The person, unless somebody else changed something since the page was made.
fn unchanged(visit: &Visit<'_>) -> Result<Row, Trouble> {
    let row = find(visit)?;
    if visit.form.raw("seen") != seen(&row) {
        return Err(Trouble::Changed);
    }
    Ok(row)
}

/// Does it, says so, and shows the person again.
fn done(visit: &Visit<'_>, row: &Row, what: &str, act: AccountAct, words: &str) -> Answer {
    visit.act(what, &row.view.login, Act::Account(act))?;
    visit.say(words);
    Ok(Reply::see(&row.path()))
}

pub(in crate::admin) fn suspend(visit: &mut Visit<'_>) -> Answer {
    let row = unchanged(visit)?;
    let (login, suspended) = (row.view.login.clone(), !row.view.suspended);
    let words = visit.words.t(if suspended { "person.suspended" } else { "person.resumed" });
    let what = if suspended { "people/suspend" } else { "people/resume" };
    done(visit, &row, what, AccountAct::Suspend { login, suspended }, words)
}

pub(in crate::admin) fn quota(visit: &mut Visit<'_>) -> Answer {
    let row = unchanged(visit)?;
    let mut form = std::mem::take(&mut visit.form);
    let most = limits::QUOTA_GIGABYTES_AT_MOST;
    let gigabytes: Option<u64> = form.value("quota").parse().ok();
    let Some(gigabytes) = gigabytes.filter(|number| *number <= most) else {
        form.wrong("quota", &visit.words.fill("person.quota-wrong", &[&most]));
        return Ok(show_one(visit, row, &form)?.status(422));
    };
    let quota: u64 = gigabytes * GIGABYTE;
    let act = AccountAct::Quota { login: row.view.login.clone(), quota };
    done(visit, &row, "people/quota", act, visit.words.t("person.saved"))
}

pub(in crate::admin) fn password(visit: &mut Visit<'_>) -> Answer {
    let row = find(visit)?;
    let mut form = std::mem::take(&mut visit.form);
    let typed = form.raw("password").to_string();
    let password = match typed.as_str() {
        "" => made_up()?,
        text => Password { text: text.to_string(), made_up: false },
    };
    let login = row.view.login.clone();
    let act = Act::Account(AccountAct::Password { login: login.clone(), password });
    match visit.act("people/password", &login, act) {
        Ok(Done::Password(set)) if set.password.is_some() => hand(visit, &[set], &row.path()),
        Ok(_) => {
            visit.say(visit.words.t("person.password-set"));
            Ok(Reply::see(&row.path()))
        }
        Err(failure) => {
            form.wrong("password", &refusal::words(visit.words, &failure));
            Ok(show_one(visit, row, &form)?.status(422))
        }
    }
}

pub(in crate::admin) fn app_password(visit: &mut Visit<'_>) -> Answer {
    let row = unchanged(visit)?;
    let mut form = std::mem::take(&mut visit.form);
    let label = form.line(visit.words, "label", 1, limits::LABEL_BYTES / 4);
    if row.view.app_passwords.contains(&label) {
        form.wrong("label", visit.words.t("person.label-there"));
    }
    if !form.is_fine() {
        return Ok(show_one(visit, row, &form)?.status(422));
    }
    let (login, password) = (row.view.login.clone(), made_up()?);
    let act = AccountAct::AppPassword { login: login.clone(), label, password };
    match visit.act("people/app-password", &login, Act::Account(act)) {
        Ok(Done::Password(set)) => hand(visit, &[set], &row.path()),
        Ok(_) => Ok(Reply::see(&row.path())),
        Err(failure) => {
            form.wrong("label", &refusal::words(visit.words, &failure));
            Ok(show_one(visit, row, &form)?.status(422))
        }
    }
}

pub(in crate::admin) fn remove_app(visit: &mut Visit<'_>) -> Answer {
    let row = unchanged(visit)?;
    let (login, label) = (row.view.login.clone(), visit.form.raw("label").to_string());
    let act = AccountAct::RemoveAppPassword { login, label };
    done(visit, &row, "people/remove-app-password", act, visit.words.t("person.app-gone"))
}

/// Ends a session, or all of them.
pub(in crate::admin) fn end(visit: &mut Visit<'_>) -> Answer {
    let row = find(visit)?;
    let which = visit.form.raw("which").to_string();
    let which = sessions::which(visit, &which);
    let ended = sessions::end_of_person(visit.house, id_of(visit, &row)?, which);
    audit::note(visit, "people/end-session", &row.view.login, "");
    visit.say(visit.words.t(if ended { "sessions.ended" } else { "sessions.gone" }));
    Ok(Reply::see(&row.path()))
}

/// Undoes the deletion.
pub(in crate::admin) fn reopen(visit: &mut Visit<'_>) -> Answer {
    let row = unchanged(visit)?;
    let act = AccountAct::Reopen { login: row.view.login.clone() };
    done(visit, &row, "people/reopen", act, visit.words.t("person.reopened"))
}

/// Whoever deletes a person types who it is. Of a person who was deleted before, the mail goes now.
pub(in crate::admin) fn delete(visit: &mut Visit<'_>) -> Answer {
    let row = unchanged(visit)?;
    let mut form = std::mem::take(&mut visit.form);
    if !form.value("who").eq_ignore_ascii_case(&row.view.login) {
        form.wrong("who", &visit.words.fill("person.delete-wrong", &[&row.view.login]));
        return Ok(show_one(visit, row, &form)?.status(422));
    }
    let login = row.view.login.clone();
    if row.view.days_left.is_some() {
        let act = AccountAct::Delete { login: login.clone(), yes: true };
        visit.act("people/remove", &login, Act::Account(act))?;
        visit.say(&visit.words.fill("person.deleted", &[&login]));
        return Ok(Reply::see("/people"));
    }
    let id = id_of(visit, &row)?;
    visit.act("people/delete", &login, Act::Account(AccountAct::Close { login: login.clone() }))?;
    sessions::end_of_person(visit.house, id, sessions::which(visit, "others"));
    visit.say(&visit.words.fill("person.closed", &[&login, &limits::LEAVING_DAYS]));
    Ok(Reply::see(&row.path()))
}
