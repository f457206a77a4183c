//! Backups: where they lie, one now or each night, and bringing back all, a mailbox or a message.

pub(crate) mod desk;
mod desk_words;
pub(crate) mod work;

use super::audit;
use super::form::Form;
use super::http::Reply;
use super::page::{Page, show};
use super::refusal;
use super::restore::{self, Stage, on_same};
use super::routes::{Answer, Visit};
use super::security::confirmed;
use super::trouble::Trouble;
use super::words::Words;
use super::zone;
use crate::act::backup::find::{FoundMail, Search};
use crate::act::backup::record::{Past, Record};
use crate::act::backup::{TriedView, shelf::Entry};
use crate::act::failure::Failure;
use crate::act::words::octets;
use crate::limits;
use crate::request::StickState;
use crate::store::backup::sealed::Passphrase;
use crate::store::owner;
use askama::Template;
use desk::{Known, Opened, Task};
use desk_words::doing;
use work::{Nightly, Wanted, Work};

const HERE: &str = "/backup";

#[derive(Template)]
#[template(path = "backup.html")]
struct BackupPage<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    /// A stick, a folder, or nowhere.
    kind: &'static str,
    /// The class and the key of the words for how it stands.
    stands: (&'static str, &'static str),
    place: String,
    size: String,
    /// A stick that can be made empty.
    is_in: bool,
    is_ready: bool,
    /// What is being done, and how far it is.
    doing: Option<String>,
    failed: Option<String>,
    last: Option<Last>,
    night: Option<Night>,
    hours: Vec<(u8, String)>,
    listed: Option<Vec<Row>>,
    opened: Option<One>,
    found: Option<Vec<Mail>>,
    /// There are more.
    more: bool,
    brought: Option<String>,
    host: String,
}

/// The last backup.
struct Last {
    at: String,
    past: Past,
    size: String,
    seconds: u64,
    tried: Option<String>,
    is_good: bool,
}

/// The nightly ones.
struct Night {
    hour: String,
    stick: String,
    is_known: bool,
    good: Option<String>,
    failed: String,
}

/// A backup that lies there.
pub(super) struct Row {
    pub at: String,
    pub size: String,
    pub entry: Entry,
}

/// The one that is open.
struct One {
    name: String,
    people: Vec<String>,
    mailboxes: Vec<String>,
    login: String,
}

struct Mail {
    at: String,
    size: String,
    it: FoundMail,
}

pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    show_backups(visit, &Form::default())
}

fn show_backups(visit: &Visit<'_>, form: &Form) -> Answer {
    let (house, words) = (visit.house, visit.words);
    let zone = owner::setup(&house.store.snapshot()?)?.zone;
    let known = house.place.backups.known(house.place.millis());
    let record = Record::load(&house.data);
    let shelf = house.shelf();
    let seen = shelf.seen();
    let mut page = visit.page(words.t("backup.title"));
    let at = |at: i64| zone::show(&zone, at);
    let size = if seen.octets == 0 { String::new() } else { octets(seen.octets) };
    // All of a backup is checked, and takes the place of the store, when it has been read.
    let (restoring, not_restored) = match house.place.restores.shelf_stage() {
        Stage::Checking => (Some(words.t("begin.checking").to_string()), None),
        Stage::Changing => (Some(words.t("begin.changing").to_string()), None),
        Stage::Failed(error) => (None, Some(restore::why(words, &error))),
        Stage::Nothing | Stage::Coming => (None, None),
    };
    let doing = known.doing.map(|it| doing(words, &it)).or(restoring);
    page.goes_on = doing.is_some();
    let failed = known.failed.as_ref().map(|(_, failure)| said(words, failure)).or(not_restored);
    let login = known.found.as_ref().map(|it| it.login.clone()).unwrap_or_default();
    let (listed, opened) = (listed(&known, &seen.name, &at), known.opened.clone());
    let mail = |it: FoundMail| Mail { at: at(it.at), size: octets(it.octets), it };
    let more = known.found.as_ref().is_some_and(|it| it.more);
    let found = known.found.map(|found| found.messages.into_iter().map(mail).collect());
    show(&BackupPage {
        page: &page,
        form,
        kind: shelf.kind(),
        stands: stands(seen.state),
        place: seen.name,
        size,
        is_in: shelf.kind() == "stick"
            && matches!(seen.state, StickState::Ready | StickState::Unusable),
        is_ready: seen.state == StickState::Ready,
        doing,
        failed,
        last: record.last.clone().map(|past| last(words, past, &at)),
        night: night(visit, &record, &at),
        hours: hours(&zone, visit.request.now),
        listed,
        opened: opened.map(|it| one(it, login)),
        found,
        more,
        brought: known.brought.map(|it| brought(words, &it)),
        host: house.settings().host.clone(),
    })
}

fn stands(state: StickState) -> (&'static str, &'static str) {
    match state {
        StickState::Ready => ("good", "backup.ready"),
        StickState::Unusable => ("bad", "backup.unusable"),
        StickState::Mail => ("warn", "backup.mail"),
        StickState::None => ("warn", "backup.none"),
    }
}

/// Only what lies on the stick that is in.
pub(super) fn listed(known: &Known, place: &str, at: &dyn Fn(i64) -> String) -> Option<Vec<Row>> {
    let listed = known.listed.as_ref().filter(|it| it.place == place)?;
    let row =
        |entry: &Entry| Row { at: at(entry.at), size: octets(entry.octets), entry: entry.clone() };
    Some(listed.entries.iter().map(row).collect())
}

fn one(opened: Opened, login: String) -> One {
    let mut mailboxes: Vec<String> =
        opened.people.iter().flat_map(|it| it.mailboxes.iter().cloned()).collect();
    mailboxes.sort();
    mailboxes.dedup();
    mailboxes.truncate(limits::PAGE_ROWS);
    let people = opened.people.into_iter().map(|it| it.login).collect();
    One { name: opened.name, people, mailboxes, login }
}

fn last(words: &Words, past: Past, at: &dyn Fn(i64) -> String) -> Last {
    let is_good = past.failed.is_empty() && past.tried.as_ref().is_some_and(|it| it.faults == 0);
    let tried = past.tried.as_ref().map(|it| tried(words, it));
    let (at, size, seconds) = (at(past.at), octets(past.octets), past.seconds);
    Last { at, size, seconds, tried, is_good, past }
}

/// What came of the trial, in words.
fn tried(words: &Words, tried: &TriedView) -> String {
    let TriedView { accounts, messages, seconds, faults, first, .. } = tried;
    let size = octets(tried.octets);
    let key = if tried.restored { "backup.tried" } else { "backup.read" };
    let mut text = words.fill(key, &[accounts, messages, &size, seconds]);
    text.push(' ');
    text.push_str(&match faults {
        0 => words.t("backup.whole").to_string(),
        some => words.fill("backup.faults", &[some, first]),
    });
    text
}

fn brought(words: &Words, it: &crate::act::transfer::Imported) -> String {
    words.fill("backup.brought", &[&it.messages, &it.already_there, &it.skipped])
}

fn night(visit: &Visit<'_>, record: &Record, at: &dyn Fn(i64) -> String) -> Option<Night> {
    let hour = visit.house.nightly_hour()?;
    Some(Night {
        hour: clock_of(at, hour, visit.request.now),
        stick: record.stick.clone(),
        is_known: record.is_enrolled(),
        good: record.good_at().map(at),
        failed: record.failed.clone(),
    })
}

/// The hours of UTC, as the clock of the office shows them.
fn hours(zone: &str, now: i64) -> Vec<(u8, String)> {
    let at = |at: i64| zone::show(zone, at);
    let mut hours: Vec<(u8, String)> =
        (0..24).map(|hour| (hour, clock_of(&at, hour, now))).collect();
    hours.sort_by(|a, b| a.1.cmp(&b.1));
    hours
}

fn clock_of(at: &dyn Fn(i64) -> String, hour: u8, now: i64) -> String {
    let midnight = now.div_euclid(86_400) * 86_400;
    at(midnight + i64::from(hour) * 3600).get(11..16).unwrap_or_default().to_string()
}

/// Why something was not done: its own words, where the page has none.
pub(super) fn said(words: &Words, failure: &Failure) -> String {
    refusal::words(words, failure)
}

// ---- what is asked for ----

/// A passphrase that is typed twice, since nobody can ask for it again.
fn new_passphrase(
    words: &Words,
    form: &mut Form,
    (field, again): (&'static str, &'static str),
) -> Option<Passphrase> {
    let text = form.raw(field).to_string();
    let (letters, least) = (text.chars().count(), limits::PASSPHRASE_LETTERS);
    if letters < least {
        form.wrong(field, &words.fill("form.short", &[&least]));
    } else if text.len() > limits::PASSWORD_BYTES {
        form.wrong(field, &words.fill("form.long", &[&limits::PASSWORD_BYTES, &letters]));
    } else if form.raw(again) != text {
        form.wrong(again, words.t("backup.not-same"));
    }
    form.is_fine().then(|| Passphrase::new(&text))
}

/// That of a backup that is there; one that is not sealed needs none.
pub(super) fn given_passphrase(form: &Form, field: &str) -> Option<Passphrase> {
    let text = form.raw(field);
    (!text.is_empty()).then(|| Passphrase::new(text))
}

/// Begins it; the page shows how far it is.
fn begin(
    visit: &Visit<'_>,
    task: Task,
    (what, about): (&str, &str),
    job: impl FnOnce(&Work, &desk::Ticket) -> Result<(), Failure> + Send + 'static,
) -> Answer {
    let act = audit::row(visit, what, about, "");
    match visit.house.backup_work().begin(task, Some(act), job) {
        Ok(()) => Ok(Reply::see(HERE)),
        Err(failure) => {
            visit.say(&said(visit.words, &failure));
            Ok(Reply::see(HERE))
        }
    }
}

fn again(visit: &Visit<'_>, form: &Form) -> Answer {
    Ok(show_backups(visit, form)?.status(422))
}

pub(super) fn make(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    match new_passphrase(visit.words, &mut form, ("passphrase", "passphrase2")) {
        Some(passphrase) => begin(visit, Task::Make, ("backup/make", ""), move |work, ticket| {
            work.make(ticket, Some(passphrase))
        }),
        None => again(visit, &form),
    }
}

pub(super) fn nightly(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let hour: Option<u8> = form.value("hour").parse().ok().filter(|hour| *hour < 24);
    if hour.is_none() {
        form.wrong("hour", visit.words.t("backup.choose-hour"));
    }
    let passphrase = new_passphrase(visit.words, &mut form, ("night", "night2"));
    let (Some(hour), Some(passphrase)) = (hour, passphrase) else { return again(visit, &form) };
    let about = format!("{hour:02}:00");
    begin(visit, Task::Enrol, ("backup/nightly", &about), move |work, ticket| {
        work.nightly(ticket, Nightly::At(hour, passphrase))
    })
}

pub(super) fn nightly_off(visit: &mut Visit<'_>) -> Answer {
    begin(visit, Task::Enrol, ("backup/nightly-off", ""), |work, ticket| {
        work.nightly(ticket, Nightly::Off)
    })
}

pub(super) fn look(visit: &mut Visit<'_>) -> Answer {
    begin(visit, Task::Look, ("backup/look", ""), |work, ticket| work.look(ticket))
}

/// The name of the backup that was chosen, or a fault.
pub(super) fn chosen(visit: &Visit<'_>, form: &mut Form) -> Option<String> {
    let name = form.raw("name").to_string();
    if name.is_empty() || name.len() > limits::BACKUP_NAME_BYTES {
        form.wrong("name", visit.words.t("backup.choose"));
        return None;
    }
    Some(name)
}

pub(super) fn open(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let Some(name) = chosen(visit, &mut form) else { return again(visit, &form) };
    let passphrase = given_passphrase(&form, "word");
    begin(visit, Task::Open, ("backup/open", &name.clone()), move |work, ticket| {
        work.open_one(ticket, name, passphrase)
    })
}

pub(super) fn close(visit: &mut Visit<'_>) -> Answer {
    visit.house.place.backups.close();
    Ok(Reply::see(HERE))
}

/// The one that is open; it may have been closed meanwhile.
fn opened(visit: &Visit<'_>) -> Result<Opened, Trouble> {
    let place = &visit.house.place;
    place.backups.known(place.millis()).opened.ok_or(Trouble::Changed)
}

pub(super) fn find(visit: &mut Visit<'_>) -> Answer {
    let Opened { name, passphrase, .. } = opened(visit)?;
    let form = &visit.form;
    let (login, text) = (form.raw("login").to_string(), form.value("text").to_string());
    let mailbox = Some(form.value("mailbox").to_string()).filter(|it| !it.is_empty());
    let about = format!("{name} {login}");
    begin(visit, Task::Find, ("backup/find", &about), move |work, ticket| {
        let search = Search { login, mailbox, text };
        work.find(ticket, (&name, passphrase.as_ref()), search)
    })
}

pub(super) fn bring(visit: &mut Visit<'_>) -> Answer {
    let Opened { name, passphrase, .. } = opened(visit)?;
    let form = &visit.form;
    let login = form.raw("login").to_string();
    let mailbox = Some(form.value("mailbox").to_string()).filter(|it| !it.is_empty());
    let uid: Option<u32> = match form.raw("uid") {
        "" => None,
        // All of a mailbox is not what was meant.
        text => Some(text.parse().map_err(|_| Trouble::Changed)?),
    };
    let about = format!("{login} {}", mailbox.as_deref().unwrap_or("*"));
    begin(visit, Task::Bring, ("backup/bring", &about), move |work, ticket| {
        work.bring(ticket, (&name, passphrase), Wanted { login, mailbox, uid })
    })
}

/// All of the office, in the place of what is here: only after its name was typed, and with the
/// password.
pub(super) fn restore(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let name = chosen(visit, &mut form);
    if form.value("host") != visit.house.settings().host {
        form.wrong("host", visit.words.t("backup.other-name"));
    }
    let Some(name) = name.filter(|_| form.is_fine()) else { return again(visit, &form) };
    if !confirmed(visit, &mut form, "password")? {
        return again(visit, &form);
    }
    let passphrase = given_passphrase(&form, "word");
    let by = visit.session.as_ref().map(|(key, _)| (*key, visit.words));
    let act = audit::row(visit, "store/restore", &name, "");
    begin(visit, Task::Restore, ("store/restore", &name.clone()), move |work, ticket| {
        work.restore(ticket, (&name, passphrase.as_ref()), (by, on_same(act)))
    })
}

/// The stick is emptied: only after its name was typed.
pub(super) fn format(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let seen = visit.house.shelf().seen();
    if form.value("stick") != seen.name.trim() || seen.name.trim().is_empty() {
        form.wrong("stick", visit.words.t("backup.other-name"));
        return again(visit, &form);
    }
    begin(visit, Task::Format, ("backup/format", &seen.name.clone()), move |work, ticket| {
        work.format(ticket, &seen.name)
    })
}
