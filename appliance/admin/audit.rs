//! The list of who did what, and its page.

use super::house::House;
use super::http::Request;
use super::page::{Page, show};
use super::routes::{Answer, Visit};
use super::trouble::Trouble;
use super::who::Who;
use super::words::Words;
use super::zone;
use crate::event::{Event, emit};
use crate::limits;
use crate::store::format::Audit;
use crate::store::owner;
use askama::Template;

/// Writes down what was done, or tried. What cannot be written down is done all the same.
pub(super) fn note(visit: &Visit<'_>, what: &str, about: &str, failed: &str) {
    let act = row(visit, what, about, failed);
    if let Err(error) = visit.house.store.write_blocking(move |batch| owner::note(batch, &act)) {
        emit(Event::StoreTrouble { doing: "writing down an act", why: error.to_string() });
    }
}

/// The row of an act that somebody else writes down.
pub(super) fn row(visit: &Visit<'_>, what: &str, about: &str, failed: &str) -> Audit {
    let who = match visit.who() {
        Who::Visitor => "-".to_string(),
        Who::Code => "setup code".to_string(),
        Who::Owner { .. } => "owner".to_string(),
        Who::Person { login, .. } => login.clone(),
    };
    of(visit.request, (&who, what, about), failed)
}

/// Writes down an act of whoever `who` is.
pub(super) fn write(house: &House, request: &Request, said: (&str, &str, &str), failed: &str) {
    let act = of(request, said, failed);
    if let Err(error) = house.store.write_blocking(move |batch| owner::note(batch, &act)) {
        emit(Event::StoreTrouble { doing: "writing down an act", why: error.to_string() });
    }
}

fn of(request: &Request, (who, what, about): (&str, &str, &str), failed: &str) -> Audit {
    Audit {
        at: request.now,
        who: who.to_string(),
        from: request.peer.remote.ip().to_string(),
        what: what.to_string(),
        about: about.to_string(),
        failed: failed.to_string(),
    }
}

/// What is written down, and the key of how a page says it.
pub(crate) const DID: &[(&str, &str)] = &[
    ("addresses/catch-all", "did.addresses-catch-all"),
    ("addresses/postmaster", "did.addresses-postmaster"),
    ("addresses/remove", "did.addresses-remove"),
    ("addresses/set", "did.addresses-set"),
    ("certificate/ask", "did.certificate-ask"),
    ("domain/add", "did.domain-add"),
    ("domain/remove", "did.domain-remove"),
    ("keys/make", "did.keys-make"),
    ("keys/remove", "did.keys-remove"),
    ("keys/use", "did.keys-use"),
    ("letter/send", "did.letter-send"),
    ("move/back", "did.move-back"),
    ("move/begin", "did.move-begin"),
    ("move/end", "did.move-end"),
    ("move/look", "did.move-look"),
    ("move/run", "did.move-run"),
    ("move/skip", "did.move-skip"),
    ("my/app-password", "did.my-app-password"),
    ("my/end-session", "did.my-end-session"),
    ("my/login", "did.my-login"),
    ("my/password", "did.my-password"),
    ("my/remove-app-password", "did.my-remove-app-password"),
    ("outbox/drop", "did.outbox-drop"),
    ("outbox/hold", "did.outbox-hold"),
    ("outbox/now", "did.outbox-now"),
    ("outside/add", "did.outside-add"),
    ("outside/change", "did.outside-change"),
    ("outside/import", "did.outside-import"),
    ("outside/import-pause", "did.outside-import-pause"),
    ("outside/look", "did.outside-look"),
    ("outside/password", "did.outside-password"),
    ("outside/pause", "did.outside-pause"),
    ("outside/remove", "did.outside-remove"),
    ("outside/resume", "did.outside-resume"),
    ("outside/sign-in", "did.outside-sign-in"),
    ("owner/claim", "did.owner-claim"),
    ("owner/end-session", "did.owner-end-session"),
    ("owner/login", "did.owner-login"),
    ("owner/password", "did.owner-password"),
    ("owner/totp-off", "did.owner-totp-off"),
    ("owner/totp-on", "did.owner-totp-on"),
    ("people/add", "did.people-add"),
    ("people/add-list", "did.people-add-list"),
    ("people/app-password", "did.people-app-password"),
    ("people/close", "did.people-close"),
    ("people/delete", "did.people-delete"),
    ("people/end-session", "did.people-end-session"),
    ("people/password", "did.people-password"),
    ("people/quota", "did.people-quota"),
    ("people/remove", "did.people-remove"),
    ("people/remove-app-password", "did.people-remove-app-password"),
    ("people/reopen", "did.people-reopen"),
    ("people/resume", "did.people-resume"),
    ("people/suspend", "did.people-suspend"),
    ("settings/certificate", "did.settings-certificate"),
    ("settings/host", "did.settings-host"),
    ("settings/network", "did.settings-network"),
    ("settings/network-kept", "did.settings-network-kept"),
    ("settings/way", "did.settings-way"),
    ("settings/zone", "did.settings-zone"),
    ("store/restore", "did.store-restore"),
    ("token/add", "did.token-add"),
    ("token/remove", "did.token-remove"),
];

#[derive(Template)]
#[template(path = "acts.html")]
struct Acts<'a> {
    page: &'a Page<'a>,
    acts: Vec<Row>,
    /// The number to go on before, when there are more.
    more: Option<u64>,
}

pub(super) struct Row {
    pub at: String,
    /// What was done, and to what.
    pub did: String,
    pub act: Audit,
}

/// The newest acts before the one of this number, and where the list goes on.
pub(super) fn rows(
    visit: &Visit<'_>,
    before: Option<u64>,
    most: usize,
) -> Result<(Vec<Row>, Option<u64>), Trouble> {
    let read = visit.house.store.snapshot()?;
    let zone = owner::setup(&read)?.zone;
    let found = owner::acts(&read, before, most)?;
    drop(read);
    let more = found.last().map(|(number, _)| *number).filter(|number| *number > 1);
    let more = more.filter(|_| found.len() == most);
    let row = |(_, act): (u64, Audit)| Row {
        at: zone::show(&zone, act.at),
        did: did(visit.words, &act),
        act,
    };
    Ok((found.into_iter().map(row).collect(), more))
}

fn did(words: &Words, act: &Audit) -> String {
    match DID.iter().find(|(what, _)| *what == act.what) {
        Some((_, key)) => words.fill(key, &[&act.about]),
        // Of another version.
        None => format!("{} {}", act.what, act.about),
    }
}

/// `/acts?before=N`
pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    let before = visit.request.query("before").parse().ok();
    let (acts, more) = rows(visit, before, limits::PAGE_ROWS)?;
    let page = visit.page(visit.words.t("acts.title"));
    show(&Acts { page: &page, acts, more })
}
