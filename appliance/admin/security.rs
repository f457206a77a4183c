//! Security: who tried to get in, the certificate, the owner's password and second factor, who is
//! logged in, and what was done of late.

use super::enter::new_password;
use super::finding::sentence;
use super::form::Form;
use super::http::{Reply, encoded};
use super::owner::{Answer as Checked, new_secret, totp, totp_step};
use super::page::{Page, show};
use super::routes::{Answer, Visit};
use super::sessions::{self, Row as SessionRow};
use super::trouble::Trouble;
use super::who::Who;
use super::{audit, zone};
use crate::act::certificate::{self, CertificateView};
use crate::clients::qr;
use crate::event::{self, Event, emit};
use crate::limits;
use crate::serve::login::hash_of;
use crate::store::owner;
use askama::Template;

#[derive(Template)]
#[template(path = "security.html")]
struct Security<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    denied: Vec<Denied>,
    certificate: Option<Certificate>,
    /// The owner has a second factor.
    totp: bool,
    sessions: Vec<SessionRow>,
    end: &'static str,
    acts: Vec<audit::Row>,
}

struct Denied {
    unit: &'static str,
    login: String,
    from: String,
    last: String,
    times: u64,
}

struct Certificate {
    view: CertificateView,
    until: String,
    told: String,
}

/// Rows of a list that has a page of its own.
const SHOWN: usize = 10;

/// `/security`
pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    show_security(visit, &Form::default())
}

fn show_security(visit: &Visit<'_>, form: &Form) -> Answer {
    let read = visit.house.store.snapshot()?;
    let zone = owner::setup(&read)?.zone;
    let totp = owner::get(&read)?.is_some_and(|row| !row.totp.is_empty());
    drop(read);
    let row = |it: event::Denied| Denied {
        unit: it.unit,
        login: it.login,
        from: it.remote.to_string(),
        last: zone::show(&zone, it.last),
        times: it.times,
    };
    let denied = event::denied().into_iter().take(limits::PAGE_ROWS).map(row).collect();
    let (house, now) = (visit.house, visit.request.now);
    let view = certificate::view(&house.data, &house.settings(), now).ok();
    let certificate = view.map(|view| Certificate {
        until: zone::show(&zone, view.ends),
        told: sentence(visit.words, &zone, &certificate::standing(&view.health)),
        view,
    });
    let sessions = sessions::of_owner(visit)?;
    let (acts, _) = audit::rows(visit, None, SHOWN)?;
    let page = visit.page(visit.words.t("security.title"));
    let end = "/security/sessions";
    show(&Security { page: &page, form, denied, certificate, totp, sessions, end, acts })
}

/// Who changes something here says the password once more: a browser may have been left open.
pub(super) fn confirmed(
    visit: &Visit<'_>,
    form: &mut Form,
    field: &'static str,
) -> Result<bool, Trouble> {
    let password = form.raw(field).to_string();
    let remote = visit.request.peer.remote.ip();
    match visit.house.check_password(&password, remote)? {
        Checked::Granted(_) => return Ok(true),
        Checked::Later(seconds) => {
            form.wrong(field, &visit.words.fill("login.later", &[&seconds]));
        }
        Checked::Denied | Checked::NoOwner => {
            emit(Event::LoginDenied { unit: "page", remote, login: "owner".to_string() });
            form.wrong(field, visit.words.t("security.not-it"));
        }
    }
    Ok(false)
}

/// After a change every session of before has ended: this browser goes on with a new one.
fn go_on(visit: &mut Visit<'_>, changes: u32, what: &str, said: &'static str) -> Answer {
    audit::note(visit, what, "", "");
    visit.become_who(Who::Owner { changes });
    let own = visit.session.as_ref().map(|(key, _)| *key);
    let is_owner = |session: &super::who::Session| matches!(session.who, Who::Owner { .. });
    visit.house.place.sessions().end_all(own.as_ref(), is_owner);
    visit.say(visit.words.t(said));
    Ok(Reply::see("/security"))
}

pub(super) fn password(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let Some(password) = new_password(visit, &mut form) else {
        return Ok(show_security(visit, &form)?.status(422));
    };
    if !confirmed(visit, &mut form, "password-now")? {
        return Ok(show_security(visit, &form)?.status(422));
    }
    let Ok(argon2) = hash_of(&password) else {
        form.wrong("password", visit.words.t("password.odd"));
        return Ok(show_security(visit, &form)?.status(422));
    };
    let changes = visit.house.change_owner(move |row| row.argon2.clone_from(&argon2))?;
    go_on(visit, changes, "owner/password", "security.password-set")
}

pub(super) fn end(visit: &mut Visit<'_>) -> Answer {
    let which = visit.form.raw("which").to_string();
    let ended = sessions::end_of_owner(visit.house, sessions::which(visit, &which));
    audit::note(visit, "owner/end-session", "", "");
    visit.say(visit.words.t(if ended { "sessions.ended" } else { "sessions.gone" }));
    Ok(Reply::see("/security"))
}

// ---- the second factor ----

#[derive(Template)]
#[template(path = "totp.html")]
struct Factor<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    /// The picture for the app, and the same to type.
    code: Option<String>,
    typed: String,
}

/// Makes a secret; it is the second factor once a code of it was typed.
pub(super) fn totp_begin(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    if !confirmed(visit, &mut form, "password-totp")? {
        return Ok(show_security(visit, &form)?.status(422));
    }
    let secret = new_secret()?;
    if let Some((key, _)) = &visit.session {
        visit.house.place.sessions().edit(key, |session| session.secret = Some(secret));
    }
    Ok(Reply::see("/security/totp"))
}

/// `/security/totp`
pub(super) fn totp_page(visit: &mut Visit<'_>) -> Answer {
    show_factor(visit, &Form::default())
}

fn show_factor(visit: &Visit<'_>, form: &Form) -> Answer {
    let Some(secret) = pending(visit) else { return Ok(Reply::see("/security")) };
    let base32 = totp(&secret).get_secret_base32();
    let host = visit.house.settings().host.clone();
    // As every app reads it: a label of issuer and account, and the parameters.
    let text = format!(
        "otpauth://totp/Mailroom:{}?secret={base32}&issuer=Mailroom&digits=6&period=30",
        encoded(&host)
    );
    let code = qr::svg(&text, visit.words.t("security.totp-picture"));
    let letters: Vec<char> = base32.chars().collect();
    let groups = letters.chunks(4).map(|four| four.iter().collect::<String>());
    let typed = groups.collect::<Vec<_>>().join(" ");
    let page = visit.page(visit.words.t("security.totp-title"));
    show(&Factor { page: &page, form, code, typed })
}

fn pending(visit: &Visit<'_>) -> Option<Vec<u8>> {
    visit.session.as_ref().and_then(|(_, session)| session.secret.clone())
}

pub(super) fn totp_confirm(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let Some(secret) = pending(visit) else { return Ok(Reply::see("/security")) };
    let Some(step) = totp_step(&secret, form.value("code"), visit.request.now) else {
        form.wrong("code", visit.words.t("security.totp-wrong"));
        return Ok(show_factor(visit, &form)?.status(422));
    };
    // RFC 6238 5.2: the code that confirmed it opens nothing any more
    let changes = visit.house.change_owner(move |row| {
        row.totp.clone_from(&secret);
        row.totp_step = step;
    })?;
    go_on(visit, changes, "owner/totp-on", "security.totp-on")
}

pub(super) fn totp_off(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    if !confirmed(visit, &mut form, "password-totp")? {
        return Ok(show_security(visit, &form)?.status(422));
    }
    let changes = visit.house.change_owner(|row| row.totp.clear())?;
    go_on(visit, changes, "owner/totp-off", "security.totp-off")
}
