//! All that a mailbox elsewhere holds is brought over: begun, watched, paused.

use super::{Whose, named};
use crate::act::Request as Act;
use crate::act::collect::{CollectAct, ImportView};
use crate::act::words::octets;
use crate::admin::http::Reply;
use crate::admin::routes::{Answer, Visit};
use crate::admin::trouble::Trouble;
use crate::admin::words::Words;
use crate::admin::zone;
use crate::collect::board::Live;
use crate::store::outside::{self, OutsideId};

/// As the page shows it.
pub(super) struct Import {
    pub view: ImportView,
    /// The class of its mark, and the key of its word.
    pub state: (&'static str, &'static str),
    pub under_way: bool,
    /// Letters, of how many; 0: they are not counted yet.
    pub done: u64,
    pub of: u64,
    pub octets: String,
    pub folder: String,
    /// Letters in a minute, and the time that is left, once that can be said.
    pub pace: Option<u64>,
    pub left: String,
    pub ended: String,
    /// When it is begun again by itself.
    pub next: String,
}

impl Import {
    pub(super) fn of(
        visit: &Visit<'_>,
        (whose, address): (&Whose, &str),
        zone: &str,
        view: ImportView,
    ) -> Result<Import, Trouble> {
        let live = id_of(visit, whose, address)?.and_then(|id| visit.house.place.imports.of(id));
        let now = visit.house.place.millis();
        let under_way = view.stage == "under-way";
        let state = match view.stage.as_str() {
            "under-way" if live.is_none() && !view.error.is_empty() => ("warn", "outside.waits"),
            "under-way" => ("", "outside.under-way"),
            "paused" => ("warn", "outside.paused"),
            "done" => ("good", "outside.done"),
            _ => ("bad", "outside.given-up"),
        };
        let goes = live.as_ref().filter(|_| under_way);
        let (pace, left) = (goes.and_then(|it| it.pace(now)), goes.and_then(|it| it.left(now)));
        let left = left.map(|left| in_words(visit.words, left)).unwrap_or_default();
        let Live { done, .. } = live.unwrap_or_default();
        let (said, of) = if done.of > 0 { (done.messages, done.of) } else { (view.done, view.of) };
        let when = |at: i64| if at == 0 { String::new() } else { zone::show(zone, at) };
        let brought = if under_way { done.octets } else { view.octets };
        Ok(Import {
            state,
            under_way,
            done: said,
            of,
            octets: octets(brought),
            folder: done.folder,
            pace,
            left,
            ended: when(view.ended),
            next: when(view.next),
            view,
        })
    }
}

/// About how long it takes.
fn in_words(words: &Words, seconds: u64) -> String {
    match seconds {
        0..90 => words.t("outside.left-moment").to_string(),
        90..5_400 => words.fill("outside.left-minutes", &[&seconds.div_ceil(60)]),
        _ => words.fill("outside.left-hours", &[&seconds.div_ceil(3_600)]),
    }
}

fn id_of(visit: &Visit<'_>, whose: &Whose, address: &str) -> Result<Option<OutsideId>, Trouble> {
    let all = outside::of(&visit.house.store.snapshot()?, whose.id)?;
    let mut all = all.into_iter();
    Ok(all.find(|(_, row)| row.address.eq_ignore_ascii_case(address)).map(|(id, _)| id))
}

/// Begins it, pauses it, goes on with it.
pub(in crate::admin) fn import(visit: &mut Visit<'_>) -> Answer {
    let (whose, view) = named(visit)?;
    let (login, address) = (whose.login.clone(), view.address.clone());
    let path = whose.path(&address);
    let pauses = visit.form.raw("what") == "pause";
    if pauses && view.import.is_none_or(|import| import.stage != "under-way") {
        // It ended while the page was looked at.
        return Ok(Reply::see(&path));
    }
    let (what, act) = match pauses {
        true => ("outside/import-pause", CollectAct::PauseImport { login, address }),
        false => ("outside/import", CollectAct::Import { login, address }),
    };
    visit.act(what, &whose.about(&view.address), Act::Collect(act))?;
    visit.house.place.imports.changed.notify_one();
    Ok(Reply::see(&path))
}
