//! The ways in: the setup code, the first owner's password, the log-in; and what happens to a form
//! whose session has ended.

use super::code::Tried;
use super::form::Form;
use super::http::{Method, Reply};
use super::owner::Answer as Checked;
use super::page::{Page, show};
use super::routes::{Answer, May, ROUTES, Visit};
use super::who::{self, Who};
use super::{audit, home, http, my, setup};
use crate::event::{Event, emit};
use crate::limits;
use crate::store::{StoreError, owner};
use askama::Template;
use std::sync::PoisonError;

/// `/`: the first page of the owner, or wherever one is to go on.
pub(super) fn start(visit: &mut Visit<'_>) -> Answer {
    let owned = visit.house.is_owned()?;
    if visit.allows(May::Owner)? && setup::is_done(visit)? {
        return home::page(visit);
    }
    Ok(Reply::see(match visit.who() {
        Who::Code if !owned => "/setup",
        _ if !owned => "/code",
        Who::Owner { .. } if visit.allows(May::Owner)? => "/setup",
        Who::Person { .. } => "/my",
        _ => "/login",
    }))
}

// ---- the setup code ----

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    is_box: bool,
    /// It had an owner: a reset took the log-in away.
    reset: bool,
}

pub(super) fn code_page(visit: &mut Visit<'_>) -> Answer {
    if visit.house.is_owned()? {
        return Ok(Reply::see("/login"));
    }
    visit.need_session();
    show_code(visit, &Form::default())
}

fn show_code(visit: &Visit<'_>, form: &Form) -> Answer {
    let page = visit.page(visit.words.t("code.title"));
    let reset = setup::is_done(visit)?;
    show(&CodePage { page: &page, form, is_box: visit.house.is_box, reset })
}

pub(super) fn code(visit: &mut Visit<'_>) -> Answer {
    if visit.house.is_owned()? {
        return Ok(Reply::see("/login"));
    }
    let now = visit.house.place.millis();
    let typed = visit.form.value("code").to_string();
    let mut codes = visit.house.place.codes.lock().unwrap_or_else(PoisonError::into_inner);
    let tried = codes.try_one(&typed, now);
    drop(codes);
    let why = match tried {
        Tried::Right => {
            visit.become_who(Who::Code);
            return Ok(Reply::see("/"));
        }
        Tried::Wrong(left) => visit.words.fill("code.wrong", &[&left]),
        Tried::Closed(minutes) => visit.words.fill("code.closed", &[&minutes]),
    };
    denied(visit, "setup code");
    let mut form = Form::default();
    form.wrong("code", &why);
    Ok(show_code(visit, &form)?.status(422))
}

fn denied(visit: &Visit<'_>, login: &str) {
    let remote = visit.request.peer.remote.ip();
    emit(Event::LoginDenied { unit: "page", remote, login: login.to_string() });
}

// ---- the first owner ----

#[derive(Template)]
#[template(path = "claim.html")]
struct ClaimPage<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
}

pub(super) fn claim_page(visit: &mut Visit<'_>) -> Answer {
    if visit.house.is_owned()? {
        return Ok(Reply::see("/"));
    }
    show_claim(visit, &Form::default())
}

fn show_claim(visit: &Visit<'_>, form: &Form) -> Answer {
    let page = visit.page(visit.words.t("claim.title"));
    show(&ClaimPage { page: &page, form })
}

pub(super) fn claim(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let password = new_password(visit, &mut form);
    let Some(password) = password else { return Ok(show_claim(visit, &form)?.status(422)) };
    match visit.house.claim(&password, visit.request.now) {
        Ok(()) => {
            audit::note(visit, "owner/claim", "", "");
            visit.become_who(Who::Owner { changes: 0 });
            let mut sessions = visit.house.place.sessions();
            sessions.end_all(None, |session| session.who == Who::Code);
            drop(sessions);
            visit.say(visit.words.t("claim.done"));
            Ok(Reply::see("/"))
        }
        Err(StoreError::Exists(_)) => {
            audit::note(visit, "owner/claim", "", "the box has an owner");
            visit.become_who(Who::Visitor);
            visit.say(visit.words.t("claim.late"));
            Ok(Reply::see("/login"))
        }
        Err(StoreError::Invalid(_)) => {
            form.wrong("password", visit.words.t("password.odd"));
            Ok(show_claim(visit, &form)?.status(422))
        }
        Err(error) => Err(error.into()),
    }
}

/// The owner's new password, typed twice; or what is wrong with it.
pub(super) fn new_password(visit: &Visit<'_>, form: &mut Form) -> Option<String> {
    typed_twice(visit, form, limits::OWNER_PASSWORD_LETTERS)
}

/// A new password of at least so many letters, typed twice.
pub(super) fn typed_twice(visit: &Visit<'_>, form: &mut Form, least: usize) -> Option<String> {
    let (one, other) = (form.raw("password").to_string(), form.raw("password2").to_string());
    if one.chars().count() < least {
        form.wrong("password", &visit.words.fill("password.short", &[&least]));
    } else if one.len() > limits::PASSWORD_BYTES {
        form.wrong("password", visit.words.t("password.long"));
    } else if one != other {
        form.wrong("password2", visit.words.t("password.differ"));
    }
    form.is_fine().then_some(one)
}

// ---- the owner's log-in ----

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    /// A second factor is asked for.
    totp: bool,
    /// The form that waits for this log-in: where it goes, and its fields.
    again: &'a str,
    kept: &'a str,
}

pub(super) fn login_page(visit: &mut Visit<'_>) -> Answer {
    if !visit.house.is_owned()? {
        return Ok(Reply::see("/code"));
    }
    visit.need_session();
    show_login(visit, &Form::default(), "", "")
}

fn show_login(visit: &Visit<'_>, form: &Form, again: &str, kept: &str) -> Answer {
    let row = owner::get(&visit.house.store.snapshot()?)?;
    let totp = row.is_some_and(|row| !row.totp.is_empty());
    let page = visit.page(visit.words.t("login.title"));
    show(&LoginPage { page: &page, form, totp, again, kept })
}

pub(super) fn login(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let (password, code) = (form.raw("password").to_string(), form.value("code").to_string());
    let peer = visit.request.peer.remote.ip();
    let checked = visit.house.check_owner(&password, &code, peer, visit.request.now)?;
    let (again, kept) = (form.raw("again").to_string(), form.raw("kept").to_string());
    match checked {
        Checked::Granted(changes) => {
            visit.become_who(Who::Owner { changes });
            audit::note(visit, "owner/login", "", "");
            return if again.is_empty() {
                Ok(Reply::see("/"))
            } else {
                resume(visit, &again, &kept)
            };
        }
        Checked::NoOwner => return Ok(Reply::see("/code")),
        Checked::Denied => {
            denied(visit, "owner");
            form.wrong("password", visit.words.t("login.wrong"));
        }
        Checked::Later(seconds) => {
            form.wrong("password", &visit.words.fill("login.later", &[&seconds]));
        }
    }
    Ok(show_login(visit, &form, &again, &kept)?.status(422))
}

pub(super) fn logout(visit: &mut Visit<'_>) -> Answer {
    let back = if matches!(visit.who(), Who::Person { .. }) { "/my/login" } else { "/login" };
    if let Some((key, _)) = visit.session.take() {
        visit.house.place.sessions().end(&key);
    }
    visit.cookie = Some(who::no_cookie());
    Ok(Reply::see(back))
}

// ---- forms that outlived their session ----

#[derive(Template)]
#[template(path = "again.html")]
struct Again<'a> {
    page: &'a Page<'a>,
    to: &'a str,
    fields: Vec<(String, String)>,
}

/// The session of a form has ended, or is another by now. Nothing was done; what was typed is kept
/// for after the log-in, but for passwords.
pub(super) fn stale(visit: &mut Visit<'_>) -> Reply {
    let path = visit.request.path.clone();
    let of_enter = ["/login", "/my/login", "/code", "/logout"].contains(&path.as_str());
    let of_person = path.starts_with("/my/");
    let own = visit.request.header("sec-fetch-site") == Some("same-origin");
    let kept = encode(visit.form.values());
    // A browser that does not say where the form was made may have been given it by anybody.
    if of_enter || !own || kept.len() > limits::PAGE_BYTES / 2 {
        let words = visit.words.t("stale.lost");
        visit.need_session();
        visit.say(words);
        let back = if of_person { "/my" } else { "/" };
        return Reply::see(if of_enter { &path } else { back });
    }
    let shown = match visit.who() {
        Who::Owner { .. } | Who::Code if !of_person => resume(visit, &path, &kept),
        Who::Person { .. } if of_person && visit.allows(May::Person).unwrap_or(false) => {
            resume(visit, &path, &kept)
        }
        _ if of_person => {
            visit.need_session();
            let mut form = Form::default();
            form.wrong("password", visit.words.t("stale.kept"));
            my::show_login(visit, &form, &path, &kept)
        }
        _ => {
            visit.need_session();
            let mut form = Form::default();
            form.wrong("password", visit.words.t("stale.kept"));
            show_login(visit, &form, &path, &kept)
        }
    };
    shown.unwrap_or_else(|trouble| visit.tell(&trouble)).status(403)
}

/// Shows a kept form to be sent again.
pub(super) fn resume(visit: &mut Visit<'_>, to: &str, kept: &str) -> Answer {
    let known = ROUTES.iter().any(|route| route.method == Method::Post && route.fits(to));
    let fields = http::pairs(kept.as_bytes()).unwrap_or_default();
    if !known || !to.starts_with('/') {
        return Ok(Reply::see("/"));
    }
    let page = visit.page(visit.words.t("again.title"));
    show(&Again { page: &page, to, fields })
}

/// The fields that may be kept, as one text.
fn encode(fields: &[(String, String)]) -> String {
    let secret = |name: &str| {
        name == "csrf" || name == "kept" || name.starts_with("password") || name.starts_with("code")
    };
    let kept: Vec<_> = fields.iter().filter(|(name, _)| !secret(name)).cloned().collect();
    http::printed(&kept)
}
