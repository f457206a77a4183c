//! What the server said lately: searched, followed, and taken away for whoever helps.

use super::audit;
use super::form::Form;
use super::http::encoded;
use super::page::{Page, short, show};
use super::routes::{Answer, Visit};
use super::support;
use super::zone;
use crate::event::{self, Level, Said};
use crate::limits;
use crate::store::owner;
use askama::Template;

#[derive(Template)]
#[template(path = "log.html")]
struct Log<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    /// To choose from.
    units: Vec<&'static str>,
    rows: Vec<Row>,
    searched: bool,
    /// Where script looks again.
    live: Option<String>,
    /// The older ones.
    more: Option<String>,
}

struct Row {
    at: String,
    unit: &'static str,
    warns: bool,
    words: String,
}

/// What is looked for.
struct Wanted {
    /// In lower case.
    text: String,
    unit: String,
    warns: bool,
    before: u64,
}

impl Wanted {
    fn is(&self, said: &Said) -> bool {
        said.number < self.before
            && (self.unit.is_empty() || self.unit == said.event.unit())
            && (!self.warns || said.event.level() == Level::Warn)
            && (self.text.is_empty() || said.line().to_lowercase().contains(&self.text))
    }
}

/// `/log?text=&unit=&level=&before=`
pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    let names = ["text", "unit", "level"];
    let values = names.map(|name| (name, visit.request.query(name)));
    let mut form = Form::with(&values);
    let before = visit.request.query("before").parse().ok();
    let text = form.line(visit.words, "text", 0, limits::TRACE_TEXT_LETTERS).to_lowercase();
    let unit = form.value("unit").to_string();
    let warns = form.value("level") == "warn";
    let wanted = Wanted { text, unit, warns, before: before.unwrap_or(u64::MAX) };
    let zone = owner::setup(&visit.house.store.snapshot()?)?.zone;
    let (rows, more) = match form.is_fine() {
        true => rows(&wanted, &zone),
        false => (Vec::new(), None),
    };
    let kept = values.iter().filter(|(_, value)| !value.is_empty());
    let kept: String = kept.map(|(name, value)| format!("{name}={}&", encoded(value))).collect();
    let live = (before.is_none() && form.is_fine()).then(|| format!("/log?{kept}"));
    let more = more.map(|number| format!("/log?{kept}before={number}"));
    let searched = !kept.is_empty() || before.is_some();
    let units = event::units().into_iter().collect();
    let page = visit.page(visit.words.t("log.title"));
    let status = if form.is_fine() { 200 } else { 422 };
    let log = Log { page: &page, form: &form, units, rows, searched, live, more };
    Ok(show(&log)?.status(status))
}

/// The newest that are wanted, and the number to go on before.
fn rows(wanted: &Wanted, zone: &str) -> (Vec<Row>, Option<u64>) {
    let mut rows = Vec::new();
    let (mut room, mut last, mut more) = (limits::LOG_PAGE_BYTES, 0, false);
    event::look(&mut |said| {
        if !wanted.is(said) {
            return true;
        }
        let words = short(&said.line(), limits::LOG_LETTERS);
        let octets = printed(&words);
        if rows.len() >= limits::LOG_ROWS || octets > room {
            more = true;
            return false;
        }
        (room, last) = (room - octets, said.number);
        let warns = said.event.level() == Level::Warn;
        rows.push(Row { at: zone::show(zone, said.at), unit: said.event.unit(), warns, words });
        true
    });
    (rows, more.then_some(last))
}

/// Octets of a text on a page.
fn printed(text: &str) -> usize {
    let of = |c: char| if "<>&\"'".contains(c) { "&#00;".len() } else { c.len_utf8() };
    text.chars().map(of).sum()
}

/// A file for whoever helps.
pub(super) fn support(visit: &mut Visit<'_>) -> Answer {
    let reply = support::file(visit.house, visit.request.now)?;
    audit::note(visit, "log/support", "", "");
    Ok(reply)
}
