//! Why did this mail not arrive? The stories of messages, searched and told.

use super::form::Form;
use super::http::encoded;
use super::meaning;
use super::page::{Page, short, show};
use super::people::everybody_brief;
use super::routes::{Answer, Visit};
use super::trouble::Trouble;
use super::zone;
use crate::act::people::AccountAct;
use crate::act::words::octets;
use crate::act::{Reply as Done, Request as Act};
use crate::limits;
use crate::store::format::{Trace, TraceStep};
use crate::store::trace::{self, Found, Wanted};
use crate::store::{MailId, owner};
use askama::Template;

#[derive(Template)]
#[template(path = "trace.html")]
struct List<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    /// Log-in addresses to choose from.
    people: Vec<String>,
    rows: Vec<Row>,
    /// Something is looked for.
    searched: bool,
    /// The address of the next page, and the time down to which was looked.
    more: Option<(String, String)>,
}

struct Row {
    id: String,
    at: String,
    from: String,
    to: String,
    others: usize,
    subject: String,
    state: Mark,
}

/// The class of a mark, and the key of its word.
type Mark = (&'static str, &'static str);

/// `/trace?text=&who=&since=&until=&before=`
pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    let asked = |name: &str| visit.request.query(name);
    let names = ["text", "who", "since", "until"];
    let values: Vec<(&str, &str)> = names.iter().map(|name| (*name, asked(name))).collect();
    let mut form = Form::with(&values);
    let zone = owner::setup(&visit.house.store.snapshot()?)?.zone;
    let wanted = wanted(visit, &mut form, &zone)?;
    let people = everybody_brief(visit)?;
    let page = visit.page(visit.words.t("trace.title"));
    let searched = values.iter().any(|(_, value)| !value.trim().is_empty());
    let Some(wanted) = wanted else {
        let (rows, more) = (Vec::new(), None);
        let list = List { page: &page, form: &form, people, rows, searched, more };
        return Ok(show(&list)?.status(422));
    };
    let before = u64::from_str_radix(asked("before"), 16).ok().map(MailId);
    let found = look(visit, &wanted, before)?;
    let more = found.more.map(|id| {
        let kept = values.iter().filter(|(_, value)| !value.is_empty());
        let kept = kept.map(|(name, value)| format!("{name}={}&", encoded(value)));
        let path = format!("/trace?{}before={id}", kept.collect::<String>());
        (path, zone::show(&zone, seconds(id)))
    });
    let rows = found.stories.into_iter().map(|(id, story)| row(id, story, &zone)).collect();
    show(&List { page: &page, form: &form, people, rows, searched, more })
}

/// What the form asks for; `None`: something is wrong with it.
fn wanted(visit: &Visit<'_>, form: &mut Form, zone: &str) -> Result<Option<Wanted>, Trouble> {
    let words = visit.words;
    let text = form.line(words, "text", 0, limits::TRACE_TEXT_LETTERS);
    let mut people = Vec::new();
    if !form.value("who").is_empty() {
        let login = form.value("who").to_string();
        match visit.ask(Act::Account(AccountAct::Show { login })) {
            Ok(Done::Account(view)) => people = view.addresses,
            _ => form.wrong("who", words.t("trace.nobody")),
        }
    }
    let mut day = |field: &'static str, more: i64| {
        let text = form.value(field).to_string();
        let day = zone::day(zone, &text, more);
        if !text.is_empty() && day.is_none() {
            form.wrong(field, words.t("trace.no-day"));
        }
        day.map(|at| MailId(u64::try_from(at).unwrap_or(0).saturating_mul(1_000_000)))
    };
    let (since, until) = (day("since", 0), day("until", 1));
    Ok(form.is_fine().then_some(Wanted { text, people, since, until }))
}

/// In short snapshots, and no more than one request may take.
fn look(visit: &Visit<'_>, wanted: &Wanted, before: Option<MailId>) -> Result<Found, Trouble> {
    const TURN: usize = 500;
    let mut all = Found { more: before, ..Found::default() };
    for _ in 0..limits::TRACE_LOOKS / TURN {
        let most = limits::PAGE_ROWS - all.stories.len();
        let read = visit.house.store.snapshot()?;
        let mut found = trace::look(&read, wanted, all.more, (most, TURN))?;
        drop(read);
        all.stories.append(&mut found.stories);
        all.more = found.more;
        if all.more.is_none() || all.stories.len() >= limits::PAGE_ROWS {
            break;
        }
    }
    Ok(all)
}

fn row(id: MailId, story: Trace, zone: &str) -> Row {
    let others = story.to.len().saturating_sub(1);
    Row {
        id: id.to_string(),
        at: zone::show(zone, seconds(id)),
        state: state(&story),
        to: story.to.first().map(|to| short(to, limits::LIST_LETTERS)).unwrap_or_default(),
        from: short(&story.from, limits::LIST_LETTERS),
        others,
        subject: short(&story.subject, limits::LIST_LETTERS),
    }
}

/// An id is the time of the arrival, in microseconds.
fn seconds(id: MailId) -> i64 {
    i64::try_from(id.0 / 1_000_000).unwrap_or(i64::MAX)
}

/// How it stands with a message: its last step that says something of it.
fn state(story: &Trace) -> Mark {
    let mut steps = story.steps.iter().rev().map(|step| step.what.as_str());
    let found = steps.find_map(|what| STATES.iter().find(|(name, ..)| *name == what));
    let is_report = story.steps.iter().any(|step| step.what == "reported");
    let otherwise = if is_report { "trace.is-report" } else { "trace.is-known" };
    found.map_or(("", otherwise), |(_, class, key)| (*class, *key))
}

const STATES: [(&str, &str, &str); 9] = [
    ("sent", "good", "trace.is-sent"),
    ("delivered", "good", "trace.is-delivered"),
    ("refused", "bad", "trace.is-refused"),
    ("failed", "bad", "trace.is-failed"),
    ("dropped", "warn", "trace.is-dropped"),
    ("waits", "warn", "trace.is-waiting"),
    ("queued", "warn", "trace.is-queued"),
    ("passed-on", "good", "trace.is-passed"),
    ("kept", "warn", "trace.is-kept"),
];

// ---- one story ----

#[derive(Template)]
#[template(path = "story.html")]
struct Story<'a> {
    page: &'a Page<'a>,
    id: String,
    story: &'a Trace,
    size: String,
    state: Mark,
    first: Vec<Step>,
    /// Steps between those, which are not shown.
    between: usize,
    last: Vec<Step>,
}

impl Story<'_> {
    /// Where a list of steps begins anew, that is with what number.
    fn goes_on(&self) -> usize {
        self.first.len() + self.between + 1
    }
}

struct Step {
    at: String,
    name: &'static str,
    class: &'static str,
    it: TraceStep,
    meaning: Option<&'static str>,
}

/// `/trace/{}`
pub(super) fn one(visit: &mut Visit<'_>) -> Answer {
    let id = u64::from_str_radix(visit.part(0), 16).map_err(|_| Trouble::Missing)?;
    let read = visit.house.store.snapshot()?;
    let story = trace::get(&read, MailId(id))?.ok_or(Trouble::Missing)?;
    let zone = owner::setup(&read)?.zone;
    drop(read);
    let subject = match story.subject.as_str() {
        "" => visit.words.t("trace.no-subject"),
        subject => subject,
    };
    let page = visit.page(subject);
    let all = story.steps.len();
    let (first, rest) = story.steps.split_at(all.min(limits::STORY_FIRST));
    let between = rest.len().saturating_sub(limits::STORY_LAST);
    let steps = |of: &[TraceStep]| of.iter().map(|it| step(it, &zone)).collect();
    let (first, last) = (steps(first), steps(rest.get(between..).unwrap_or_default()));
    let (size, state) = (octets(story.size), state(&story));
    let id = MailId(id).to_string();
    show(&Story { page: &page, id, story: &story, size, state, first, between, last })
}

fn step(it: &TraceStep, zone: &str) -> Step {
    let named = STEPS.iter().find(|(what, ..)| *what == it.what);
    let (_, class, name) = named.copied().unwrap_or(("", "", "story.other"));
    let meaning = match it.what.as_str() {
        // What this server said itself is told in its text.
        "refused" => None,
        "waits" => meaning::of_try(&it.reply),
        _ => meaning::of_reply(&it.reply),
    };
    let it = TraceStep {
        text: short(&it.text, limits::STORY_LETTERS),
        reply: short(&it.reply, limits::STORY_LETTERS),
        ..it.clone()
    };
    Step { at: zone::show(zone, it.at), name, class, it, meaning }
}

/// What a step is called, and how it looks.
const STEPS: [(&str, &str, &str); 15] = [
    ("connected", "", "story.connected"),
    ("checked", "", "story.checked"),
    ("judged", "", "story.judged"),
    ("accepted", "good", "story.accepted"),
    ("delivered", "good", "story.delivered"),
    ("queued", "", "story.queued"),
    ("passed-on", "", "story.passed-on"),
    ("kept", "warn", "story.kept"),
    ("sent", "good", "story.sent"),
    ("waits", "warn", "story.waits"),
    ("failed", "bad", "story.failed"),
    ("refused", "bad", "story.refused"),
    ("dropped", "warn", "story.dropped"),
    ("reported", "", "story.reported"),
    ("expunged", "", "story.expunged"),
];
