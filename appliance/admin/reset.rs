//! The box as a whole: restarted, switched off, and back to the beginning. What is done without the
//! owner's password is done at the box itself.

use super::audit;
use super::form::Form;
use super::page::{Page, show};
use super::routes::{Answer, Visit};
use super::security::confirmed;
use super::trouble::Trouble;
use crate::request::{DeviceId, Message};
use crate::store::format::Audit;
use crate::update::slot::Standing;
use askama::Template;

#[derive(Template)]
#[template(path = "reset.html")]
struct Reset<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    is_box: bool,
    device: Option<String>,
    /// What the box does in a moment.
    told: Option<&'a str>,
}

/// `/reset`
pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    show_reset(visit, &Form::default(), None)
}

fn show_reset(visit: &Visit<'_>, form: &Form, told: Option<&str>) -> Answer {
    let page = visit.page(visit.words.t("reset.title"));
    let (is_box, device) = (visit.house.is_box, device(visit).map(|device| device.to_string()));
    show(&Reset { page: &page, form, is_box, device, told })
}

/// PID 1 tells it at the start.
fn device(visit: &Visit<'_>) -> Option<DeviceId> {
    visit.house.network.as_ref().and_then(|network| network.state().device)
}

pub(super) fn restart(visit: &mut Visit<'_>) -> Answer {
    ask(visit, Message::End { off: false }, "box/restart", "reset.restarts")
}

pub(super) fn off(visit: &mut Visit<'_>) -> Answer {
    ask(visit, Message::End { off: true }, "box/off", "reset.goes-off")
}

pub(super) fn everything(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let own = device(visit).ok_or(Trouble::Missing)?;
    if DeviceId::parse(form.value("device")) != Some(own) {
        form.wrong("device", visit.words.t("reset.other-device"));
    }
    if !form.is_fine() || !confirmed(visit, &mut form, "password")? {
        return Ok(show_reset(visit, &form, None)?.status(422));
    }
    ask(visit, Message::Reset(own), "box/reset", "reset.empties")
}

/// The page that tells of it is at the browser when the box ends.
fn ask(visit: &Visit<'_>, message: Message, what: &str, told: &'static str) -> Answer {
    let network = visit.house.network.as_ref().ok_or(Trouble::Missing)?;
    // A system that ends before it is proved counts as one that failed, and is not tried again.
    if visit.house.updates.told().is_ok_and(|told| told.standing == Standing::OnTrial) {
        let told = Some(visit.words.t("reset.on-trial"));
        return Ok(show_reset(visit, &Form::default(), told)?.status(409));
    }
    audit::note(visit, what, "", "");
    network.later(message).map_err(|error| Trouble::Internal(error.to_string()))?;
    show_reset(visit, &Form::default(), Some(visit.words.t(told)))
}

/// What is written down when a reset at the box took the owner's log-in away.
pub(crate) fn owner_is_gone(now: i64) -> Audit {
    Audit {
        at: now,
        who: "the box".to_string(),
        from: "-".to_string(),
        what: "owner/reset".to_string(),
        about: String::new(),
        failed: String::new(),
    }
}
