//! The first page of every day: is all well, and if not, what is to be done? How much mail comes.

use super::finding::{FACTS, Told, meaning, told};
use super::page::{Page, show};
use super::routes::{Answer, Visit};
use super::tally::{Counted, Hour};
use super::trouble::Trouble;
use super::words::Words;
use super::zone;
use crate::act::check::{self, Finding, State};
use crate::limits;
use crate::store::owner;
use askama::Template;
use std::sync::PoisonError;

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    page: &'a Page<'a>,
    /// The class of the line on top, and the line.
    health: (&'static str, String),
    attention: Vec<Wants>,
    /// What is shown in any case: name, state and meaning.
    facts: Vec<Fact>,
    chart: Chart,
    /// The chart is not whole yet.
    counting: bool,
}

/// Something that wants the owner.
struct Wants {
    told: Told,
    mark: Mark,
}

struct Fact {
    name: &'static str,
    mark: Mark,
    meaning: String,
}

/// The class of a mark, and the key of its word.
type Mark = (&'static str, &'static str);

fn mark(state: State) -> Mark {
    match state {
        State::Ok => ("good", "home.ok"),
        State::Warn => ("warn", "home.warn"),
        State::Wrong => ("bad", "home.wrong"),
    }
}

/// `/` of the owner.
pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    let (house, now) = (visit.house, visit.request.now);
    let mut found = check::of_itself(&house.data, &|act| visit.ask(act), now);
    let zone = owner::setup(&house.store.snapshot()?)?.zone;
    let facts = facts(visit.words, &zone, &found);
    let looked = house.looked();
    // What was just looked at is newer than what the last look at the world says of it.
    for older in looked.last.iter().flat_map(|(_, found)| found.iter()) {
        if !found.iter().any(|it| it.what == older.what) {
            found.push(older.clone());
        }
    }
    found.retain(|finding| finding.state != State::Ok);
    found.sort_by_key(|finding| finding.state != State::Wrong);
    let health = health(visit.words, &found);
    found.truncate(limits::HOME_FINDINGS);
    let wants = |it: &Finding| Wants { told: told(visit.words, &zone, it), mark: mark(it.state) };
    let attention = found.iter().map(wants).collect();
    let counted = counted(visit)?;
    let counting = counted.more;
    let chart = Chart::of(visit.words, &counted.hours, &zone);
    let mut page = visit.page(visit.words.t("home.title"));
    page.goes_on = counting;
    show(&Home { page: &page, health, attention, facts, chart, counting })
}

fn counted(visit: &Visit<'_>) -> Result<Counted, Trouble> {
    let mut tally = visit.house.place.tally.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(tally.count(&visit.house.store, visit.request.now)?)
}

/// In one line.
fn health(words: &Words, found: &[Finding]) -> (&'static str, String) {
    let wrong = found.iter().filter(|it| it.state == State::Wrong).count();
    match (wrong, found.len()) {
        (0, 0) => ("good", words.t("home.all-well").to_string()),
        (0, 1) => ("warn", words.t("home.one-look").to_string()),
        (0, some) => ("warn", words.fill("home.looks", &[&some])),
        (1, _) => ("bad", words.t("home.one-wrong").to_string()),
        (some, _) => ("bad", words.fill("home.wrongs", &[&some])),
    }
}

/// What is shown whatever it says, by what the checks call it.
fn facts(words: &Words, zone: &str, found: &[Finding]) -> Vec<Fact> {
    let fact = |(what, name): &(&str, &'static str)| {
        let finding = found.iter().find(|it| it.what == *what)?;
        let meaning = meaning(words, zone, finding);
        Some(Fact { name, mark: mark(finding.state), meaning })
    };
    FACTS.iter().filter_map(fact).collect()
}

// ---- mail by the hour ----

/// A picture of mail by the hour, its numbers, and what it says in a sentence.
struct Chart {
    bars: Vec<Bar>,
    /// The number at the top of the picture.
    top: u32,
    said: String,
}

struct Bar {
    /// "16:00", and whether the picture has room to say so.
    hour: String,
    is_said: bool,
    counts: Hour,
    x: u32,
    /// Top and height of each part: taken, junk, refused.
    good: (u32, u32),
    junk: (u32, u32),
    refused: (u32, u32),
}

/// The picture is as high as this, without what stands below it.
const HIGH: u32 = 120;
/// From bar to bar.
const STEP: u32 = 19;
/// Left of the first bar.
const LEFT: u32 = 24;

impl Chart {
    fn of(words: &Words, hours: &[(i64, Hour)], zone: &str) -> Chart {
        let top = hours.iter().map(|(_, hour)| hour.all()).max().unwrap_or(0).max(4);
        let mut sum = Hour::default();
        for (_, hour) in hours {
            sum.good += hour.good;
            sum.junk += hour.junk;
            sum.refused += hour.refused;
        }
        let taken = sum.good + sum.junk;
        let share = (sum.junk * 100).checked_div(taken).unwrap_or(0);
        let values: [&dyn std::fmt::Display; 4] = [&taken, &sum.junk, &share, &sum.refused];
        let said = words.fill("home.mail-said", &values);
        let bars = hours.iter().enumerate().map(|(at, (begin, counts))| {
            let at = u32::try_from(at).unwrap_or(0);
            Bar::of(at, zone::show(zone, *begin).get(11..16).unwrap_or_default(), *counts, top)
        });
        Chart { bars: bars.collect(), top, said }
    }
}

impl Bar {
    fn of(at: u32, hour: &str, counts: Hour, top: u32) -> Bar {
        let high = |count: u32| count * HIGH / top + u32::from(count > 0 && count * HIGH < top);
        let (good, junk, refused) = (high(counts.good), high(counts.junk), high(counts.refused));
        let floor = HIGH + 10;
        let mut up = floor;
        let mut part = |height: u32| {
            up = up.saturating_sub(height);
            (up, height)
        };
        Bar {
            hour: hour.to_string(),
            is_said: at % 6 == 2,
            counts,
            x: LEFT + at * STEP,
            good: part(good),
            junk: part(junk),
            refused: part(refused),
        }
    }

    fn middle(&self) -> u32 {
        self.x + STEP / 2
    }
}
