//! When a box restarts into an update, and what is told of updates.

use crate::clock::State;
use crate::event::{Event, News};
use crate::limits;
use crate::settings::{self, Restart};
use crate::tests::net::toy::NOW;
use crate::tests::update::state::{full, quiet, version};
use crate::units::updates::{Moment, Seen, Watch};
use crate::update::state::{Outcome, Past, Step, Told, Work};

fn moment(hour: u8) -> Moment {
    Moment { now: NOW, clock: State::Plausible, hour, millis: 0 }
}

fn installed() -> Told {
    let work = full().work.expect("one");
    Told { work: Some(Work { step: Step::Installed, ..work }), ..quiet() }
}

fn past(at: i64, result: Outcome) -> Past {
    let why = if result == Outcome::Back { "no mail".to_string() } else { String::new() };
    Past { at, result, why, ..full().history.remove(0) }
}

#[test]
fn the_owner_says_when_the_box_restarts() {
    let settings = |when: &str| format!("host = \"m.test\"\n[update]\nwhen = \"{when}\"\n");
    for (when, restart) in [
        ("at-once", Restart::AtOnce),
        ("00:00", Restart::Hour(0)),
        ("03:00", Restart::Hour(3)),
        ("23:00", Restart::Hour(23)),
    ] {
        let read = settings::read(&settings(when)).expect("settings");
        assert_eq!(read.restart, restart);
        assert_eq!(restart.to_string(), when);
        assert_eq!(settings::read(&settings::print(&read)).expect("read back"), read);
    }
    assert_eq!(settings::read("host = \"m.test\"\n").expect("settings").restart, Restart::AtOnce);
    for wrong in ["", "now", "24:00", "3:00", "03:30", "+3:00", "03:00 ", "é:00"] {
        assert_eq!(settings::read(&settings(wrong)), None, "{wrong}");
    }
}

#[test]
fn an_update_waits_for_its_hour_or_not_at_all() {
    let restarts = |restart, moment: &Moment| {
        let mut watch = Watch::default();
        watch.look(&installed(), restart, moment).restart
    };
    assert!(restarts(Restart::AtOnce, &moment(15)));
    assert!(!restarts(Restart::Hour(3), &moment(2)) && !restarts(Restart::Hour(3), &moment(4)));
    assert!(restarts(Restart::Hour(3), &moment(3)));
    let mut watch = Watch::default();
    let writing = Told { work: full().work, ..quiet() };
    assert!(!watch.look(&writing, Restart::AtOnce, &moment(3)).restart, "not yet");
    assert!(!watch.look(&quiet(), Restart::AtOnce, &moment(3)).restart, "nothing waits");

    // A box that does not know the time waits for an hour, from when it was installed on.
    let mut watch = Watch::default();
    let hour = u64::try_from(limits::UPDATE_WAITS_WITHOUT_CLOCK.as_millis()).expect("a number");
    let mut look = |told: &Told, millis| {
        let moment = Moment { clock: State::Floor, millis, ..moment(3) };
        watch.look(told, Restart::Hour(3), &moment).restart
    };
    assert!(!look(&quiet(), 0));
    assert!(!look(&installed(), 5_000), "it may be any hour");
    assert!(!look(&installed(), hour));
    assert!(look(&installed(), hour + 5_000));
}

#[test]
fn what_came_of_updates_is_told_once() {
    let mut watch = Watch::default();
    let mut look = |told: &Told| {
        let Seen { news, .. } = watch.look(told, Restart::Hour(3), &moment(12));
        news.iter().map(|it| Event::Update(it.clone()).to_string()).collect::<Vec<_>>()
    };
    let old = past(NOW - 2 * limits::UPDATE_NEWS_SECONDS, Outcome::Back);
    let refused = full().refused;
    let told = Told { refused: refused.clone(), history: vec![old.clone()], ..quiet() };
    assert!(look(&told).is_empty(), "what was there before the start is old");
    let waits = "update: 0.5.0 is installed; the box restarts into it: 03:00";
    assert_eq!(look(&Told { history: vec![old.clone()], ..installed() }), [waits]);
    assert!(look(&Told { history: vec![old.clone()], ..installed() }).is_empty(), "once");
    let again = look(&told);
    assert!(
        again.len() == 1 && again[0].contains("is not installed: the update file"),
        "{again:?}"
    );
    let kept = past(NOW, Outcome::Kept);
    let told = Told { refused, history: vec![kept.clone(), old], ..quiet() };
    assert_eq!(look(&told), ["update: version 0.5.0 runs and is kept; before it was 0.4.0"]);
    // A refused file is told by its own row, and does not hide what was before.
    let no = Past { version: None, ..past(NOW, Outcome::Refused) };
    let told = Told { history: [vec![no], told.history].concat(), ..told };
    assert!(look(&told).is_empty());

    // A box that went back has just started: nobody saw it before.
    let news = |at| {
        let told = Told { history: vec![past(at, Outcome::Back)], ..quiet() };
        Watch::default().look(&told, Restart::AtOnce, &moment(12)).news
    };
    let (version, from) = (version("0.5.0").to_string(), version("0.4.0").to_string());
    assert_eq!(news(NOW - 60), [News::Back { version, from, why: "no mail".to_string() }]);
    assert!(news(NOW - limits::UPDATE_NEWS_SECONDS).is_empty());
    assert!(news(NOW + 60).is_empty(), "of a clock that was wrong");
}
