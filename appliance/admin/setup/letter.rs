//! A letter out and a letter in, followed while they travel.

use super::{Steps, finish, steps};
use crate::admin::audit;
use crate::admin::form::Form;
use crate::admin::http::Reply;
use crate::admin::meaning;
use crate::admin::page::{Page, show};
use crate::admin::people::{domains, everybody};
use crate::admin::routes::{Answer, Visit};
use crate::admin::trouble::Trouble;
use crate::admin::zone;
use crate::delivery::letter::{self, Letter};
use crate::delivery::report::Moment;
use crate::limits;
use crate::net::dkim::{Keys, Signer};
use crate::store::format::{Setup, Trace, TraceStep};
use crate::store::{MailId, owner, trace};
use crate::wire::address::Address;
use askama::Template;
use ring::rand::{SecureRandom, SystemRandom};

#[derive(Template)]
#[template(path = "setup/letter.html")]
struct LetterPage<'a> {
    page: &'a Page<'a>,
    steps: Steps<'a>,
    form: &'a Form,
    people: Vec<String>,
    /// The letter that was sent, and to whom.
    sent_to: String,
    out: Option<Journey<'a>>,
    /// Where a letter from outside is awaited.
    waits_for: String,
    came: Option<Journey<'a>>,
    running: bool,
}

/// What became of a letter, for a person.
struct Journey<'a> {
    mark: &'static str,
    words: &'a str,
    /// What the other server's words mean.
    meaning: &'a str,
    remedy: &'a str,
    from: String,
    steps: Vec<Shown>,
    /// Nothing more is to be awaited.
    over: bool,
}

struct Shown {
    at: String,
    text: String,
    reply: String,
}

pub(in crate::admin) fn page(visit: &mut Visit<'_>) -> Answer {
    show_letter(visit, &Form::default())
}

fn show_letter(visit: &Visit<'_>, form: &Form) -> Answer {
    let setup = owner::setup(&visit.house.store.snapshot()?)?;
    let (people, ours) = (everybody(visit)?, domains(visit)?);
    let people: Vec<String> = people.into_iter().map(|row| row.view.login).collect();
    let out = out(visit, &setup)?;
    let came = came(visit, &setup, &people, &ours)?;
    let old = |since: i64| visit.request.now - since > limits::LETTER_AWAITED_SECONDS;
    let is_here = came.as_ref().is_some_and(|journey| journey.over);
    let waits = setup.waits_since > 0 && !is_here && !old(setup.waits_since);
    let travels = out.as_ref().is_some_and(|journey| !journey.over);
    let running = waits || travels;
    let waits_for = if waits || came.is_some() { people.first().cloned() } else { None };
    let mut page = visit.page(visit.words.t("letter.title"));
    page.goes_on = running;
    let steps = steps(visit, "letter")?;
    let waits_for = waits_for.unwrap_or_default();
    let sent_to = setup.letter_to;
    show(&LetterPage { page: &page, steps, form, people, sent_to, out, waits_for, came, running })
}

// ---- out ----

/// Sends one in the name of a person, to an address elsewhere.
pub(in crate::admin) fn send(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let words = visit.words;
    let from = everybody(visit)?.into_iter().map(|row| row.view.login);
    let from = from.into_iter().find(|login| login == form.value("from"));
    let from = from.and_then(|login| Address::parse(&login).ok());
    if from.is_none() {
        form.wrong("from", words.t("letter.nobody"));
    }
    let typed = form.line(words, "to", 1, 254);
    let to = Address::parse(&typed).ok();
    let ours = domains(visit)?;
    match &to {
        None if !typed.is_empty() => form.wrong("to", words.t("letter.to-wrong")),
        Some(to) if ours.iter().any(|domain| domain == to.domain()) => {
            form.wrong("to", words.t("letter.to-ours"));
        }
        _ => {}
    }
    let (Some(from), Some(to), true) = (from, to, form.is_fine()) else {
        return Ok(show_letter(visit, &form)?.status(422));
    };
    let settings = visit.house.settings();
    let letter = Letter {
        from: &from,
        to: &to,
        subject: words.t("letter.subject"),
        text: &words.fill("letter.text", &[&settings.host]),
    };
    let signer = Signer::new(Keys::of(&visit.house.data));
    let micros = u64::try_from(visit.request.now).unwrap_or(0).saturating_mul(1_000_000);
    let moment = Moment { micros, chance: chance(visit) };
    let id = letter::to_outside(&visit.house.store, &signer, &letter, moment)?;
    let to = to.to_string();
    audit::note(visit, "letter/send", &to, "");
    change(visit, move |setup| {
        setup.letter.clone_from(&id);
        setup.letter_to.clone_from(&to);
    })?;
    Ok(Reply::see("/setup/letter"))
}

/// A number that nobody can guess.
fn chance(visit: &Visit<'_>) -> u64 {
    let mut random = [0; 8];
    match SystemRandom::new().fill(&mut random) {
        Ok(()) => u64::from_le_bytes(random),
        Err(_) => visit.house.place.millis(),
    }
}

fn change(
    visit: &Visit<'_>,
    mut edit: impl FnMut(&mut Setup) + Send + 'static,
) -> Result<(), Trouble> {
    let write = visit.house.store.write_blocking(move |b| owner::change_setup(b, &mut edit));
    Ok(write?)
}

/// How the letter that was sent is on its way.
fn out<'a>(visit: &Visit<'a>, setup: &Setup) -> Result<Option<Journey<'a>>, Trouble> {
    if setup.letter.is_empty() {
        return Ok(None);
    }
    let read = visit.house.store.snapshot()?;
    let found = trace::find(&read, &setup.letter, None, 1)?;
    let Some((_, story)) = found.into_iter().next() else { return Ok(None) };
    drop(read);
    let last = story
        .steps
        .iter()
        .rev()
        .find(|step| ["sent", "failed", "waits", "dropped"].contains(&step.what.as_str()));
    let (mark, key, over) = match last.map(|step| step.what.as_str()) {
        None => ("", "letter.out-queued", false),
        Some("sent") => ("good", "letter.out-sent", true),
        Some("waits") => ("warn", "letter.out-waits", false),
        Some(_) => ("bad", "letter.out-failed", true),
    };
    let meaning = last.and_then(|step| meaning::of_reply(&step.reply));
    let remedy = last.and_then(remedy);
    let say = |key: Option<&'static str>| key.map_or("", |key| visit.words.t(key));
    let (words, meaning, remedy) = (visit.words.t(key), say(meaning), say(remedy));
    let steps = shown(&story, &setup.zone);
    Ok(Some(Journey { mark, words, meaning, remedy, from: story.from, steps, over }))
}

/// What to do about a letter that does not arrive: by whether a server answered, and how.
fn remedy(step: &TraceStep) -> Option<&'static str> {
    let reply = step.reply.as_str();
    let answered = reply.chars().take_while(char::is_ascii_digit).count() == 3;
    Some(match (step.what.as_str(), answered) {
        ("sent", _) => "letter.remedy-sent",
        ("waits", true) => "letter.remedy-later",
        ("waits", false) => "letter.remedy-silent",
        ("failed", true) if reply.contains("5.1.1") => "letter.remedy-nobody",
        ("failed", true) => "letter.remedy-refused",
        // Given up at once and without a word of a server: there is none to ask.
        ("failed", false) if !step.text.contains("too long") => "letter.remedy-nobody",
        ("failed", false) => "letter.remedy-silent",
        _ => return None,
    })
}

// ---- in ----

/// From now on a letter from outside is awaited.
pub(in crate::admin) fn wait(visit: &mut Visit<'_>) -> Answer {
    if everybody(visit)?.is_empty() {
        let mut form = Form::default();
        form.wrong("from", visit.words.t("letter.nobody"));
        return Ok(show_letter(visit, &form)?.status(422));
    }
    let now = visit.request.now;
    change(visit, move |setup| setup.waits_since = now)?;
    Ok(Reply::see("/setup/letter"))
}

/// The first that came from outside since then, to anybody here; also one that was refused.
fn came<'a>(
    visit: &Visit<'a>,
    setup: &Setup,
    people: &[String],
    ours: &[String],
) -> Result<Option<Journey<'a>>, Trouble> {
    if setup.waits_since == 0 {
        return Ok(None);
    }
    let begun = |story: &Trace| story.steps.first().map_or(0, |step| step.at);
    let of_ours = |address: &str| {
        let domain = address.rsplit('@').next().unwrap_or_default();
        ours.iter().any(|it| it == domain)
    };
    let from_outside = |story: &Trace| {
        let connected = story.steps.first().is_some_and(|step| step.what == "connected");
        let to_us = story.to.iter().any(|to| people.contains(to) || of_ours(to));
        connected && to_us && !of_ours(&story.from)
    };
    let read = visit.house.store.snapshot()?;
    let found = trace::find(&read, "", None, limits::PAGE_ROWS)?;
    drop(read);
    let since = found.into_iter().filter(|(_, story)| begun(story) >= setup.waits_since);
    let stories: Vec<(MailId, Trace)> = since.filter(|(_, story)| from_outside(story)).collect();
    let delivered = |story: &Trace| story.steps.iter().any(|step| step.what == "delivered");
    let best = stories.iter().find(|(_, story)| delivered(story)).or(stories.last());
    let Some((_, story)) = best else { return Ok(None) };
    let (mark, words, remedy) = match delivered(story) {
        true => ("good", "letter.in-came", ""),
        false => ("bad", "letter.in-refused", visit.words.t("letter.remedy-refused-here")),
    };
    Ok(Some(Journey {
        mark,
        words: visit.words.t(words),
        meaning: "",
        remedy,
        from: story.from.clone(),
        steps: shown(story, &setup.zone),
        over: delivered(story),
    }))
}

fn shown(story: &Trace, zone: &str) -> Vec<Shown> {
    let shown = |step: &TraceStep| Shown {
        at: zone::show(zone, step.at),
        text: step.text.clone(),
        reply: step.reply.clone(),
    };
    story.steps.iter().map(shown).collect()
}

pub(in crate::admin) fn next(visit: &mut Visit<'_>) -> Answer {
    finish(visit, "letter")
}
