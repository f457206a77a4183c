//! One mailbox elsewhere: how it goes, what can be changed, and its end.

use super::add::{after, folders, secret};
use super::import::Import;
use super::trials::{Kind, Stage};
use super::{Row, Told, Whose, begin_act, named};
use crate::act::Request as Act;
use crate::act::collect::{After, CollectAct, OutsideView, Server, SkippedView, Wish};
use crate::act::words::octets;
use crate::admin::form::Form;
use crate::admin::http::Reply;
use crate::admin::page::{Page, short, show};
use crate::admin::refusal;
use crate::admin::routes::{Answer, Visit};
use crate::admin::trouble::Trouble;
use crate::admin::zone;
use crate::collect::providers::{self, Provider};
use crate::limits;
use crate::store::owner;
use crate::wire::address::Address;
use askama::Template;

#[derive(Template)]
#[template(path = "outside/one.html")]
struct One<'a> {
    page: &'a Page<'a>,
    whose: &'a Whose,
    form: &'a Form,
    row: Row,
    provider: Option<&'static Provider>,
    /// How it was when the page was made.
    seen: String,
    /// A change is tried.
    running: bool,
    failure: Option<Told>,
    /// What is wrong, and since when.
    since: String,
    skipped: Vec<Skipped>,
    /// Mail can leave by it.
    can_send: bool,
    import: Option<Import>,
}

/// A letter that was not taken over.
struct Skipped {
    at: String,
    size: String,
    from: String,
    subject: String,
    why: String,
}

impl Skipped {
    fn of(zone: &str, it: &SkippedView) -> Skipped {
        let text = |text: &str| short(text, limits::LIST_LETTERS);
        let (at, size) = (zone::show(zone, it.at), octets(it.size));
        let (from, subject) = (text(&it.from), text(&it.subject));
        Skipped { at, size, from, subject, why: it.why.clone() }
    }
}

/// `.../outside/{}`
pub(in crate::admin) fn one(visit: &mut Visit<'_>) -> Answer {
    let (whose, view) = named(visit)?;
    let key = whose.key(Kind::Password, &view.address);
    let trials = &visit.house.place.trials;
    match trials.stage(&key) {
        Some(Stage::Failed(failed)) => {
            if !visit.is_part() {
                trials.forget(&key);
            }
            let told = Told::of(visit.words, &failed.0);
            show_one(visit, whose, view, (&failed.1, Some(told), false))
        }
        Some(stage) if stage.goes_on() => {
            let form = filled(&view);
            show_one(visit, whose, view, (&form, None, true))
        }
        Some(_) => {
            trials.forget(&key);
            visit.say(visit.words.t("person.saved"));
            Ok(Reply::see(&whose.path(&view.address)))
        }
        None => {
            let form = filled(&view);
            show_one(visit, whose, view, (&form, None, false))
        }
    }
}

fn filled(view: &OutsideView) -> Form {
    let (after, days, to) = match &view.after {
        After::Keep => ("keep", 14, ""),
        After::Delete(days) => ("delete", *days, ""),
        After::Move(to) => ("move", 14, to.as_str()),
    };
    let (days, folders) = (days.to_string(), view.folders.join("\n"));
    let senders = view.senders.join("\n");
    Form::with(&[
        ("after", after),
        ("days", &days),
        ("move-to", to),
        ("folders", &folders),
        ("senders", &senders),
        ("out", if view.relay.is_some() { "yes" } else { "" }),
    ])
}

fn show_one(
    visit: &Visit<'_>,
    whose: Whose,
    view: OutsideView,
    (form, failure, running): (&Form, Option<Told>, bool),
) -> Answer {
    let zone = owner::setup(&visit.house.store.snapshot()?)?.zone;
    let since = if view.since == 0 { String::new() } else { zone::show(&zone, view.since) };
    let skipped = view.skipped.iter().rev().map(|it| Skipped::of(&zone, it)).collect();
    let provider = providers::by_id(&view.provider);
    let can_send = view.relay.is_some() || provider.is_some_and(|it| it.smtp.is_some());
    let seen = seen(&view);
    let row = Row::of(&whose, &zone, view);
    let import = match row.view.import.clone() {
        Some(import) => Some(Import::of(visit, (&whose, &row.view.address), &zone, import)?),
        None => None,
    };
    let mut page = visit.page(&row.view.address);
    let imports = import.as_ref().is_some_and(|import| import.under_way);
    page.goes_on = running || row.is_awaited() || imports;
    let (page, whose) = (&page, &whose);
    show(&One {
        page,
        whose,
        form,
        row,
        provider,
        seen,
        running,
        failure,
        since,
        skipped,
        can_send,
        import,
    })
}

/// A mark of what can be changed on the page.
fn seen(view: &OutsideView) -> String {
    let all = (&view.after, &view.folders, &view.relay, &view.senders, view.paused);
    format!("{:08x}", crc32fast::hash(format!("{all:?}").as_bytes()))
}

fn unchanged(visit: &Visit<'_>) -> Result<(Whose, OutsideView), Trouble> {
    let (whose, view) = named(visit)?;
    if visit.form.raw("seen") != seen(&view) {
        return Err(Trouble::Changed);
    }
    Ok((whose, view))
}

/// Does it, says so, and shows the mailbox again.
fn done(
    visit: &Visit<'_>,
    (whose, address): (&Whose, &str),
    what: &str,
    act: CollectAct,
    words: &str,
) -> Answer {
    visit.act(what, &whose.about(address), Act::Collect(act))?;
    visit.say(words);
    Ok(Reply::see(&whose.path(address)))
}

/// What becomes of letters there, folders, and what leaves by it.
pub(in crate::admin) fn change(visit: &mut Visit<'_>) -> Answer {
    let (whose, view) = unchanged(visit)?;
    let mut form = std::mem::take(&mut visit.form);
    let wish = Wish { owner: !whose.own, ..changed(visit, &mut form, &view) };
    if !form.is_fine() {
        return Ok(show_one(visit, whose, view, (&form, None, false))?.status(422));
    }
    let address = view.address.clone();
    let (login, tried) = (whose.login.clone(), wish.relay.is_some());
    let act = CollectAct::Change { login, address: address.clone(), wish: Box::new(wish) };
    if tried {
        // A server is asked first.
        return begin_change(visit, (whose, view), "outside/change", act, form);
    }
    match visit.act("outside/change", &whose.about(&address), Act::Collect(act)) {
        Ok(_) => {
            visit.say(visit.words.t("person.saved"));
            Ok(Reply::see(&whose.path(&address)))
        }
        Err(failure) => {
            form.wrong("senders", &refusal::words(visit.words, &failure));
            Ok(show_one(visit, whose, view, (&form, None, false))?.status(422))
        }
    }
}

fn changed(visit: &Visit<'_>, form: &mut Form, view: &OutsideView) -> Wish {
    let mut wish = Wish::default();
    if view.source.is_some() {
        wish.after = after(visit.words, form);
        if view.kind == "imap" {
            wish.folders = Some(folders(visit.words, form));
        } else if matches!(wish.after, Some(After::Move(_))) {
            form.wrong("after", visit.words.t("outside.no-folders"));
        }
    }
    match (form.raw("out") == "yes", &view.relay) {
        (true, None) => wish.relay = relay_of(view),
        (false, Some(_)) if view.source.is_none() => {
            form.wrong("out", visit.words.t("outside.nothing-left"));
        }
        (false, Some(_)) => wish.no_relay = true,
        _ => (),
    }
    if form.raw("out") == "yes" {
        let lines = form.raw("senders").lines().map(str::trim).filter(|line| !line.is_empty());
        let senders: Vec<String> = lines.map(str::to_string).collect();
        let bad = senders.iter().find_map(|it| Some((it, Address::parse(it).err()?)));
        if let Some((it, error)) = bad {
            form.wrong("senders", &visit.words.fill("people.bad", &[&format!("{it}: {error}")]));
        }
        if senders.is_empty() {
            form.wrong("senders", visit.words.t("form.empty"));
        }
        wish.senders = Some(senders);
    }
    wish
}

/// The server of its provider by which mail leaves.
fn relay_of(view: &OutsideView) -> Option<Server> {
    let provider = providers::by_id(&view.provider)?;
    provider.smtp.as_ref().map(|smtp| smtp.host().into())
}

/// Tries a change in the background; this page follows.
fn begin_change(
    visit: &Visit<'_>,
    (whose, view): (Whose, OutsideView),
    what: &str,
    act: CollectAct,
    mut form: Form,
) -> Answer {
    let key = whose.key(Kind::Password, &view.address);
    // The other forms of the page are shown as it is.
    let kept = if what == "outside/password" { filled(&view) } else { form.clone() };
    if !begin_act(visit, key, (what, &whose.about(&view.address)), kept, act) {
        form.wrong("password", visit.words.t("outside.busy"));
        return Ok(show_one(visit, whose, view, (&form, None, false))?.status(503));
    }
    Ok(Reply::see(&whose.path(&view.address)))
}

/// A new password, tried before it takes the place of the old.
pub(in crate::admin) fn password(visit: &mut Visit<'_>) -> Answer {
    let (whose, view) = named(visit)?;
    let mut typed = std::mem::take(&mut visit.form);
    let mut form = filled(&view);
    match secret(visit.words, &mut typed) {
        Some(secret) => {
            let (login, address) = (whose.login.clone(), view.address.clone());
            let wish = Box::new(Wish { secret: Some(secret), ..Wish::default() });
            let act = CollectAct::Change { login, address, wish };
            begin_change(visit, (whose, view), "outside/password", act, form)
        }
        None => {
            form.wrong("password", typed.fault("password"));
            Ok(show_one(visit, whose, view, (&form, None, false))?.status(422))
        }
    }
}

pub(in crate::admin) fn pause(visit: &mut Visit<'_>) -> Answer {
    let (whose, view) = unchanged(visit)?;
    let paused = !view.paused;
    let (login, address) = (whose.login.clone(), view.address.clone());
    let wish = Box::new(Wish { paused: Some(paused), ..Wish::default() });
    let act = CollectAct::Change { login, address, wish };
    let what = if paused { "outside/pause" } else { "outside/resume" };
    let words = if paused { "outside.is-paused" } else { "outside.goes-on" };
    done(visit, (&whose, &view.address), what, act, visit.words.t(words))
}

/// It is looked at now.
pub(in crate::admin) fn look(visit: &mut Visit<'_>) -> Answer {
    let (whose, view) = named(visit)?;
    let (login, address) = (whose.login.clone(), view.address.clone());
    let act = CollectAct::Look { login, address };
    done(visit, (&whose, &view.address), "outside/look", act, visit.words.t("outside.looks"))
}

pub(in crate::admin) fn remove(visit: &mut Visit<'_>) -> Answer {
    let (whose, view) = named(visit)?;
    let (login, address) = (whose.login.clone(), view.address.clone());
    let act = Act::Collect(CollectAct::Remove { login, address });
    visit.act("outside/remove", &whose.about(&view.address), act)?;
    for kind in [Kind::Add, Kind::Password, Kind::SignIn] {
        visit.house.place.trials.forget(&whose.key(kind, &view.address));
    }
    visit.say(&visit.words.fill("outside.removed", &[&view.address]));
    Ok(Reply::see(&whose.base))
}
