//! Looks at how updates stand: restarts the box into one that waits as soon as the settings allow
//! it, and tells what came of one.

use super::background::stops_within;
use super::{Boxed, ServeOptions};
use crate::act::update::{Init, Updates, Wish};
use crate::admin::{House, zone};
use crate::clock;
use crate::event::{Event, News, emit};
use crate::limits;
use crate::request::Message;
use crate::settings::Restart;
use crate::store::owner;
use crate::update::state::{self, Outcome, Past, Refused, Step, Told};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;

/// How updates are told and asked for here.
pub(super) fn of(data: &Path, options: &ServeOptions, boxed: Option<&Boxed>) -> Updates {
    let init = match (boxed, &options.update_state) {
        (Some(boxed), _) => {
            let pair = boxed.pair.clone();
            let say = move |act| pair.say(&Message::Update(act));
            Some(Init { state: state::FILE.into(), say: Box::new(say) })
        }
        (None, Some(state)) => {
            let asked = state.with_added_extension("asked");
            let say = move |act| {
                let mut options = std::fs::OpenOptions::new();
                writeln!(options.append(true).create(true).open(&asked)?, "{act:?}")
            };
            Some(Init { state: state.clone(), say: Box::new(say) })
        }
        (None, None) => None,
    };
    Updates::new(data, init)
}

pub(super) async fn run(house: Arc<House>, mut stop: watch::Receiver<bool>) {
    if !house.updates.is_of_box() {
        return;
    }
    let mut watch = Watch::default();
    loop {
        let house = house.clone();
        // Reads a file and the store, and the socket may block.
        let looked = tokio::task::spawn_blocking(move || {
            let soon = look(&house, &mut watch);
            (watch, soon)
        });
        let Ok((back, soon)) = looked.await else { return };
        watch = back;
        let wait = if soon { limits::UPDATE_LOOK_SOON } else { limits::UPDATE_LOOK };
        if stops_within(&mut stop, wait).await {
            return;
        }
    }
}

/// Looks once; true: again soon.
fn look(house: &House, watch: &mut Watch) -> bool {
    let now = house.seconds();
    let Ok(told) = house.updates.told() else { return false };
    let setup = house.store.snapshot().and_then(|read| owner::setup(&read)).unwrap_or_default();
    let moment = Moment {
        now,
        clock: clock::state_at(now),
        hour: zone::hour(&setup.zone, now),
        millis: house.place.millis(),
    };
    let Seen { news, restart } = watch.look(&told, house.settings().restart, &moment);
    news.into_iter().for_each(|news| emit(Event::Update(news)));
    let asked = house.updates.view(now).ok().and_then(|view| view.asked);
    if restart
        && asked.is_none_or(|asked| asked.what != Wish::Now)
        && let Err(hindrance) = house.updates.restart(now)
    {
        emit(Event::UnitFailed { unit: "updates", why: hindrance.to_string() });
    }
    told.work.is_some()
}

/// When it is looked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Seconds since 1970, and whether that may be believed.
    pub now: i64,
    pub clock: clock::State,
    /// Of the office.
    pub hour: u8,
    /// By a clock that only grows.
    pub millis: u64,
}

/// What was seen before.
#[derive(Default)]
pub(crate) struct Watch {
    /// Since when an update waits for the restart.
    waits: Option<u64>,
    /// The last file that was refused, and the last update; `None` before the first look.
    before: Option<(Option<Refused>, Option<Past>)>,
}

/// What a look comes to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub news: Vec<News>,
    /// Restart now.
    pub restart: bool,
}

impl Watch {
    pub(crate) fn look(&mut self, told: &Told, restart: Restart, moment: &Moment) -> Seen {
        let mut seen = Seen { news: self.news(told, moment.now), restart: false };
        let Some(work) = told.work.as_ref().filter(|work| work.step == Step::Installed) else {
            self.waits = None;
            return seen;
        };
        if self.waits.is_none() {
            let what = work.version.as_ref().map_or(work.file.clone(), ToString::to_string);
            seen.news.push(News::Waits { what, when: restart.to_string() });
        }
        let since = *self.waits.get_or_insert(moment.millis);
        let waited = moment.millis.saturating_sub(since);
        seen.restart = is_due(restart, moment, waited);
        seen
    }

    /// What came of files and updates since the last look. What stands there at the first look is
    /// old, but that of the last hour: a box that went back has just started.
    fn news(&mut self, told: &Told, now: i64) -> Vec<News> {
        let past = told.history.first().filter(|past| past.result != Outcome::Refused);
        let fresh = |at: i64| (0..limits::UPDATE_NEWS_SECONDS).contains(&now.saturating_sub(at));
        let new = (told.refused.clone(), past.cloned());
        let before = self.before.replace(new);
        let mut news = Vec::new();
        if let Some(Refused { file, why, .. }) = &told.refused
            && before.as_ref().is_some_and(|(refused, _)| *refused != told.refused)
        {
            news.push(News::Refused { file: file.clone(), why: why.clone() });
        }
        if let Some(past) = past
            && before.map_or(fresh(past.at), |(_, last)| last.as_ref() != Some(past))
        {
            let Past { version, from, why, .. } = past;
            let version = version.as_ref().map_or("-".to_string(), ToString::to_string);
            let (from, why) = (from.to_string(), why.clone());
            news.push(match past.result {
                Outcome::Kept => News::Kept { version, from },
                _ => News::Back { version, from, why },
            });
        }
        news
    }
}

/// May the box restart now, into an update that has waited so many milliseconds?
fn is_due(restart: Restart, moment: &Moment, waited: u64) -> bool {
    match restart {
        Restart::AtOnce => true,
        // Nobody knows which hour it is.
        Restart::Hour(_) if moment.clock == clock::State::Floor => {
            u128::from(waited) >= limits::UPDATE_WAITS_WITHOUT_CLOCK.as_millis()
        }
        Restart::Hour(hour) => hour == moment.hour,
    }
}
