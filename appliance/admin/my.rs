//! The page of each person who has mail here: password, app passwords, devices, room, sessions.
//! On the LAN alone, and of nobody else.

use super::form::Form;
use super::http::Reply;
use super::page::{Page, show};
use super::people::{Row, hand, made_up};
use super::routes::{Answer, Visit};
use super::sessions::{self, Row as SessionRow};
use super::trouble::Trouble;
use super::who::Who;
use super::{audit, enter, refusal};
use crate::act::people::{AccountAct, OWN_PASSWORD, Password};
use crate::act::{Reply as Done, Request as Act};
use crate::limits;
use crate::serve::login::PageLogin;
use crate::store::{AccountId, account};
use crate::wire::scram;
use askama::Template;

// ---- the way in ----

#[derive(Template)]
#[template(path = "my_login.html")]
struct LoginPage<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    /// The form that waits for this log-in: where it goes, and its fields.
    again: &'a str,
    kept: &'a str,
}

/// `/my/login`
pub(super) fn login_page(visit: &mut Visit<'_>) -> Answer {
    visit.need_session();
    show_login(visit, &Form::default(), "", "")
}

pub(super) fn show_login(visit: &Visit<'_>, form: &Form, again: &str, kept: &str) -> Answer {
    let page = visit.page(visit.words.t("my.login-title"));
    show(&LoginPage { page: &page, form, again, kept })
}

pub(super) fn login(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let name = form.line(visit.words, "name", 1, 254);
    if !form.is_fine() {
        return Ok(show_login(visit, &form, "", "")?.status(422));
    }
    let (again, kept) = (form.raw("again").to_string(), form.raw("kept").to_string());
    match check(visit, &name, form.raw("password"))? {
        PageLogin::Granted { account, login, credential } => {
            visit.become_who(Who::Person { account, login, credential });
            audit::note(visit, "my/login", "", "");
            match again.as_str() {
                "" => Ok(Reply::see("/my")),
                again => enter::resume(visit, again, &kept),
            }
        }
        PageLogin::Denied => {
            form.wrong("password", visit.words.t("login.wrong"));
            Ok(show_login(visit, &form, &again, &kept)?.status(422))
        }
        PageLogin::Later(seconds) => {
            form.wrong("password", &visit.words.fill("login.later", &[&seconds]));
            Ok(show_login(visit, &form, &again, &kept)?.status(422))
        }
    }
}

fn check(visit: &Visit<'_>, name: &str, password: &str) -> Result<PageLogin, Trouble> {
    let remote = visit.request.peer.remote.ip();
    Ok(visit.house.logins.check_page(name, password, OWN_PASSWORD, remote)?)
}

// ---- the page ----

#[derive(Template)]
#[template(path = "my.html")]
struct My<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    row: Row,
    seen: String,
    sessions: Vec<SessionRow>,
    end: &'static str,
}

/// Who is logged in. The guard lets nobody else come here.
fn who(visit: &Visit<'_>) -> Result<(AccountId, String), Trouble> {
    match visit.who() {
        Who::Person { account, login, .. } => Ok((AccountId(*account), login.clone())),
        _ => Err(Trouble::Missing),
    }
}

fn own_row(visit: &Visit<'_>) -> Result<Row, Trouble> {
    let (_, login) = who(visit)?;
    match visit.ask(Act::Account(AccountAct::Show { login })) {
        Ok(Done::Account(view)) => Ok(Row::of(view)),
        _ => Err(Trouble::Missing),
    }
}

/// `/my`
pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    let row = own_row(visit)?;
    show_my(visit, row, &Form::default())
}

fn show_my(visit: &Visit<'_>, row: Row, form: &Form) -> Answer {
    let sessions = sessions::of_person(visit, who(visit)?.0)?;
    let page = visit.page(visit.words.t("my.title"));
    let (seen, end) = (seen(&row), "/my/sessions");
    show(&My { page: &page, form, row, seen, sessions, end })
}

/// A mark of what can be changed on the page.
fn seen(row: &Row) -> String {
    format!("{:08x}", crc32fast::hash(format!("{:?}", row.view.app_passwords).as_bytes()))
}

fn unchanged(visit: &Visit<'_>) -> Result<Row, Trouble> {
    let row = own_row(visit)?;
    if visit.form.raw("seen") != seen(&row) {
        return Err(Trouble::Changed);
    }
    Ok(row)
}

pub(super) fn password(visit: &mut Visit<'_>) -> Answer {
    let (id, login) = who(visit)?;
    let mut form = std::mem::take(&mut visit.form);
    let least = limits::PERSON_PASSWORD_LETTERS;
    let password = enter::typed_twice(visit, &mut form, least);
    if let Some(password) = password
        && confirmed(visit, &login, &mut form)?
    {
        let password = Password { text: password, made_up: false };
        let act = AccountAct::Password { login: login.clone(), password };
        match visit.act("my/password", &login, Act::Account(act)) {
            Ok(_) => return begin_anew(visit, id, login),
            Err(failure) => form.wrong("password", &refusal::words(visit.words, &failure)),
        }
    }
    let row = own_row(visit)?;
    Ok(show_my(visit, row, &form)?.status(422))
}

/// A browser may have been left open.
fn confirmed(visit: &Visit<'_>, login: &str, form: &mut Form) -> Result<bool, Trouble> {
    match check(visit, login, form.raw("password-now"))? {
        PageLogin::Granted { .. } => return Ok(true),
        PageLogin::Later(seconds) => {
            form.wrong("password-now", &visit.words.fill("login.later", &[&seconds]));
        }
        PageLogin::Denied => form.wrong("password-now", visit.words.t("security.not-it")),
    }
    Ok(false)
}

/// With the old password every session of it has ended; this browser knows the new one.
fn begin_anew(visit: &mut Visit<'_>, id: AccountId, login: String) -> Answer {
    let row = account::get(&visit.house.store.snapshot()?, id)?.ok_or(Trouble::Missing)?;
    let own = row.credentials.iter().find(|it| it.label == OWN_PASSWORD);
    let credential = own.map_or(0, |it| scram::mark(&it.stored_key));
    visit.become_who(Who::Person { account: id.0, login, credential });
    visit.say(visit.words.t("person.password-set"));
    Ok(Reply::see("/my"))
}

pub(super) fn app_password(visit: &mut Visit<'_>) -> Answer {
    let row = unchanged(visit)?;
    let mut form = std::mem::take(&mut visit.form);
    let label = form.line(visit.words, "label", 1, limits::LABEL_BYTES / 4);
    if row.view.app_passwords.contains(&label) {
        form.wrong("label", visit.words.t("person.label-there"));
    }
    if form.is_fine() {
        let (login, password) = (row.view.login.clone(), made_up()?);
        let act = AccountAct::AppPassword { login: login.clone(), label, password };
        match visit.act("my/app-password", &login, Act::Account(act)) {
            Ok(Done::Password(set)) => return hand(visit, &[set], "/my"),
            Ok(_) => return Ok(Reply::see("/my")),
            Err(failure) => form.wrong("label", &refusal::words(visit.words, &failure)),
        }
    }
    Ok(show_my(visit, row, &form)?.status(422))
}

pub(super) fn remove_app(visit: &mut Visit<'_>) -> Answer {
    let row = unchanged(visit)?;
    let (login, label) = (row.view.login.clone(), visit.form.raw("label").to_string());
    let act = AccountAct::RemoveAppPassword { login: login.clone(), label };
    visit.act("my/remove-app-password", &login, Act::Account(act))?;
    visit.say(visit.words.t("person.app-gone"));
    Ok(Reply::see("/my"))
}

pub(super) fn end(visit: &mut Visit<'_>) -> Answer {
    let (id, login) = who(visit)?;
    let which = visit.form.raw("which").to_string();
    let ended = sessions::end_of_person(visit.house, id, sessions::which(visit, &which));
    audit::note(visit, "my/end-session", &login, "");
    visit.say(visit.words.t(if ended { "sessions.ended" } else { "sessions.gone" }));
    Ok(Reply::see("/my"))
}
