//! What the world sees of the box, looked at in the background: it takes up to a minute, and no
//! page waits for it. Once a day it is looked at by itself; what came of it is kept, and the owner
//! is told of what changed and of nothing else.

use super::finding::told;
use super::house::House;
use super::words::Words;
use crate::act::check::said::{Said, Value};
use crate::act::check::{Finding, State, machine, mail_of};
use crate::act::dns;
use crate::clock;
use crate::delivery::letter;
use crate::delivery::report::Moment;
use crate::event::{Event, emit};
use crate::limits;
use crate::store::format::{Looked as Row, Seen, SeenChange, SeenSaid, SeenValue};
use crate::store::{Store, StoreError, address, owner};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the last look came to, and whether one is under way.
#[derive(Default, Clone)]
pub(crate) struct Looked {
    pub running: bool,
    /// When it ended, seconds since 1970, and what it found.
    pub last: Option<(i64, Arc<Vec<Finding>>)>,
    /// What changed of late, the newest first.
    pub changes: Arc<Vec<Change>>,
}

/// Something that is seen otherwise than at the look before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub at: i64,
    pub was: State,
    pub now: Finding,
}

/// Shared with the thread that looks.
#[derive(Default, Clone)]
pub(crate) struct Looks {
    state: Arc<Mutex<Looked>>,
}

impl Looks {
    fn state(&self) -> MutexGuard<'_, Looked> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks, unless somebody does already.
    pub(crate) fn begin(&self, look: impl FnOnce() -> Looked + Send + 'static) {
        let mut state = self.state();
        if std::mem::replace(&mut state.running, true) {
            return;
        }
        drop(state);
        let looks = self.clone();
        let begun = std::thread::Builder::new().name("look".into()).spawn(move || {
            // Also after a panic the next look may begin.
            let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(look)).ok();
            let mut state = looks.state();
            state.running = false;
            if let Some(found) = found {
                *state = found;
            }
        });
        if begun.is_err() {
            self.state().running = false;
        }
    }
}

impl House {
    /// What the last look came to, also of one before the start.
    pub(crate) fn looked(&self) -> Looked {
        let mut state = self.place.looks.state();
        if state.last.is_none() {
            let kept = self.store.snapshot().and_then(|read| owner::looked(&read));
            if let Ok(Some(kept)) = kept {
                *state = Looked { running: state.running, ..of_row(&kept) };
            }
        }
        state.clone()
    }

    /// Looks at the machine and the world in the background.
    pub(crate) fn begin_look(&self) {
        let (data, clock): (PathBuf, fn() -> i64) = (self.data.clone(), self.clock);
        let (store, settings) = (self.store.clone(), self.settings());
        let (host, ports) = (settings.host.clone(), settings.ports);
        self.place.looks.begin(move || {
            let mut found = machine(&data, Some(ports), true, clock());
            // While there is no domain yet, the one that the owner named.
            let named = store.snapshot().and_then(|read| owner::setup(&read)).unwrap_or_default();
            let what = format!("MX of {}", named.domain);
            if !named.domain.is_empty() && !found.iter().any(|it| it.what == what) {
                found.extend(mail_of(&data, &named.domain));
            }
            keep(&store, &host, &found, clock())
        });
    }

    /// Once a day, by itself.
    pub(crate) fn look_daily(&self) {
        let (last, now) = (self.looked().last, self.seconds());
        // A last look of the future was dated by a clock that was wrong.
        let fresh = |at: i64| (0..limits::WORLD_LOOK_SECONDS).contains(&now.saturating_sub(at));
        let settled = clock::state_at(now) != clock::State::Floor;
        let domains = self.store.snapshot().and_then(|read| address::domains(&read));
        let known = domains.is_ok_and(|domains| !domains.is_empty())
            && !dns::is_unknown_outside(&self.settings().host);
        if settled && known && !last.is_some_and(|(at, _)| fresh(at)) {
            self.begin_look();
        }
    }
}

/// Keeps what a look found, and tells what changed since the one before.
pub(crate) fn keep(store: &Store, host: &str, found: &[Finding], now: i64) -> Looked {
    let before = store.snapshot().and_then(|read| owner::looked(&read)).unwrap_or(None);
    let (row, new) = row_after(before.as_ref(), found, now);
    let looked = of_row(&row);
    for change in &new {
        let (what, meaning) = (change.now.what.clone(), change.now.meaning.clone());
        emit(Event::WorldChanged { what, meaning });
    }
    let worse: Vec<Change> = new.into_iter().filter(|it| it.now.state != State::Ok).collect();
    let zone = store.snapshot().and_then(|read| owner::setup(&read)).map(|it| it.zone);
    let zone = zone.unwrap_or_default();
    let letter = (!worse.is_empty()).then(|| letter_of(host, &worse, &zone));
    let host = host.to_string();
    let kept = store.write_blocking(move |batch| {
        owner::keep_looked(batch, &row)?;
        if let Some((subject, text)) = &letter {
            letter::to_postmasters(batch, &host, moment(), subject, text)?;
        }
        Ok(())
    });
    if let Err(error) = kept {
        trouble(&error);
    }
    looked
}

fn trouble(error: &StoreError) {
    emit(Event::StoreTrouble { doing: "keeping a look at the world", why: error.to_string() });
}

fn moment() -> Moment {
    let micros = clock::now_micros();
    Moment { micros, chance: micros.rotate_left(17) }
}

/// Only what the world sees: the rest is looked at whenever the first page is.
fn is_of_world(finding: &Finding) -> bool {
    const OF_MACHINE: [&str; 8] = [
        "clock",
        "space",
        "store",
        "last check of the store",
        "backup",
        "outbox",
        "settings",
        "server",
    ];
    !OF_MACHINE.contains(&finding.what.as_str()) && !finding.what.starts_with("port ")
}

/// The row after a look, and what changed at it. What could not be looked up is as it was.
fn row_after(before: Option<&Row>, found: &[Finding], now: i64) -> (Row, Vec<Change>) {
    let kept_of = |what: &str| before?.seen.iter().find(|seen| seen.what == what);
    let was = |what: &str| kept_of(what).map(|seen| state(seen.state));
    let changed = |finding: &&Finding| {
        let differs = was(&finding.what).is_some_and(|was| was != finding.state);
        differs && is_of_world(finding) && !finding.is_unknown()
    };
    let seen_now = |finding: &Finding| match kept_of(&finding.what) {
        Some(kept) if finding.is_unknown() => kept.clone(),
        _ => seen(finding),
    };
    let change = |finding: &Finding| Change {
        at: now,
        was: was(&finding.what).unwrap_or(State::Ok),
        now: finding.clone(),
    };
    let new: Vec<Change> = found.iter().filter(changed).map(change).collect();
    let mut changes: Vec<SeenChange> = new.iter().map(kept).collect();
    changes.extend(before.iter().flat_map(|before| before.changes.iter().cloned()));
    changes.retain(|it| now.saturating_sub(it.at) < limits::WORLD_CHANGES_SECONDS);
    changes.truncate(limits::WORLD_CHANGES);
    (Row { at: now, seen: found.iter().map(seen_now).collect(), changes }, new)
}

/// As the page Domain says it; a letter is in the first of the languages.
fn letter_of(host: &str, worse: &[Change], zone: &str) -> (String, String) {
    let words = Words::english();
    let mut text = format!("{}\n\n", words.fill("look.begin", &[&host]));
    for Change { now, .. } in worse {
        let told = told(words, zone, now);
        text.push_str(&format!("{}: {}\n", told.what, told.meaning));
        if !told.mend.is_empty() {
            text.push_str(&format!("  {} {}\n", words.t("look.mend"), told.mend));
        }
        text.push('\n');
    }
    text.push_str(&format!("{}\n", words.t("look.end")));
    (words.fill("look.subject", &[&host]), text)
}

// ---- as it is kept ----

fn state(number: u32) -> State {
    match number {
        0 => State::Ok,
        1 => State::Warn,
        _ => State::Wrong,
    }
}

fn seen(finding: &Finding) -> Seen {
    Seen {
        what: finding.what.clone(),
        state: match finding.state {
            State::Ok => 0,
            State::Warn => 1,
            State::Wrong => 2,
        },
        meaning: finding.meaning.clone(),
        remedy: finding.remedy.clone(),
        said: finding.said.iter().map(kept_said).collect(),
    }
}

fn kept_said(said: &Said) -> SeenSaid {
    let value = |value: &Value| match value {
        Value::Text(text) => SeenValue { text: text.clone(), ..SeenValue::default() },
        Value::Time(time) => SeenValue { time: Some(*time), ..SeenValue::default() },
        Value::Span(span) => SeenValue { span: Some(*span), ..SeenValue::default() },
    };
    SeenSaid { key: said.key.clone(), values: said.values.iter().map(value).collect() }
}

fn finding(seen: &Seen) -> Finding {
    let value = |value: &SeenValue| match (value.time, value.span) {
        (Some(time), _) => Value::Time(time),
        (None, Some(span)) => Value::Span(span),
        (None, None) => Value::Text(value.text.clone()),
    };
    let said = |said: &SeenSaid| Said {
        key: said.key.clone(),
        values: said.values.iter().map(value).collect(),
    };
    Finding {
        what: seen.what.clone(),
        state: state(seen.state),
        meaning: seen.meaning.clone(),
        remedy: seen.remedy.clone(),
        said: seen.said.iter().map(said).collect(),
    }
}

fn kept(change: &Change) -> SeenChange {
    let was = Finding { state: change.was, ..change.now.clone() };
    SeenChange { at: change.at, was: seen(&was).state, now: Some(seen(&change.now)) }
}

fn of_row(row: &Row) -> Looked {
    let change = |it: &SeenChange| {
        let now = finding(it.now.as_ref()?);
        Some(Change { at: it.at, was: state(it.was), now })
    };
    Looked {
        running: false,
        last: Some((row.at, Arc::new(row.seen.iter().map(finding).collect()))),
        changes: Arc::new(row.changes.iter().filter_map(change).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_the_same_after_it_was_kept() {
        let values = [Value::from("mail.office.test"), Value::Time(0), Value::Span(0)];
        let said = Said { key: "found.clock".to_string(), values: values.to_vec() };
        let finding_of = |said: Vec<SeenSaid>| finding(&Seen { said, ..Seen::default() });
        assert_eq!(finding_of(vec![kept_said(&said)]).said, [said]);
    }
}
