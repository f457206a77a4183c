//! Who is logged in: on these pages, and with mail programs. Shown, and ended.

use super::house::House;
use super::routes::Visit;
use super::trouble::Trouble;
use super::who::{Key, Session, Who};
use super::zone;
use crate::limits;
use crate::store::{AccountId, owner};
use std::fmt::Write;

/// Somebody who is logged in.
pub(super) struct Open {
    /// "page", or the port of mail.
    pub unit: &'static str,
    pub from: String,
    /// The browser and the system, where they are known.
    pub agent: String,
    /// Seconds since 1970.
    pub since: i64,
    /// What it is called by when it is to end.
    pub mark: String,
    /// Of the pages.
    key: Option<Key>,
}

/// One of them on a page.
pub(super) struct Row {
    /// The key of the word for what it is.
    pub kind: &'static str,
    pub from: String,
    pub agent: String,
    pub since: String,
    /// It is the one that looks.
    pub here: bool,
    /// What a form calls it by.
    pub mark: String,
}

/// Which to end.
#[derive(Clone, Copy)]
pub(super) enum Which<'a> {
    /// The one of this mark.
    One(&'a str),
    /// All but the one that asks.
    Others(Option<Key>),
}

// ---- on pages ----

/// The key of the words that end all at once, where that ends more than looking does.
pub(super) fn all(rows: &[Row]) -> Option<&'static str> {
    let here = rows.iter().any(|row| row.here);
    let others = rows.iter().any(|row| !row.here);
    others.then_some(if here { "sessions.end-others" } else { "sessions.end-all" })
}

/// The owner's, on the pages.
pub(super) fn of_owner(visit: &Visit<'_>) -> Result<Vec<Row>, Trouble> {
    rows(visit, owners(visit.house, visit.request.now))
}

/// A person's, on the pages and with mail programs.
pub(super) fn of_person(visit: &Visit<'_>, id: AccountId) -> Result<Vec<Row>, Trouble> {
    rows(visit, persons(visit.house, id, visit.request.now))
}

fn rows(visit: &Visit<'_>, open: Vec<Open>) -> Result<Vec<Row>, Trouble> {
    let zone = owner::setup(&visit.house.store.snapshot()?)?.zone;
    let own = own(visit);
    let row = |open: Open| Row {
        kind: match open.unit {
            "page" => "sessions.page",
            "imap" => "sessions.imap",
            "pop3" => "sessions.pop3",
            _ => "sessions.sending",
        },
        here: own.is_some() && own == open.key,
        since: zone::show(&zone, open.since),
        from: open.from,
        agent: open.agent,
        mark: open.mark,
    };
    Ok(open.into_iter().map(row).collect())
}

fn own(visit: &Visit<'_>) -> Option<Key> {
    visit.session.as_ref().map(|(key, _)| *key)
}

/// What a form asks to end: a mark, or "others".
pub(super) fn which<'m>(visit: &Visit<'_>, mark: &'m str) -> Which<'m> {
    if mark == "others" { Which::Others(own(visit)) } else { Which::One(mark) }
}

// ---- whoever asks ----

pub(super) fn owners(house: &House, now: i64) -> Vec<Open> {
    of_pages(house, now, is_owner)
}

pub(super) fn persons(house: &House, id: AccountId, now: i64) -> Vec<Open> {
    let mut open = of_pages(house, now, is_of(id));
    for live in house.logins.live(id) {
        open.push(Open {
            unit: live.unit,
            from: live.remote.to_string(),
            agent: String::new(),
            since: live.since,
            mark: format!("mail-{}", live.number),
            key: None,
        });
    }
    open.truncate(limits::SESSION_ROWS);
    open
}

/// Ends sessions of the owner. False: there is no such session any more.
pub(super) fn end_of_owner(house: &House, which: Which<'_>) -> bool {
    end_pages(house, which, is_owner)
}

/// The same of a person's.
pub(super) fn end_of_person(house: &House, id: AccountId, which: Which<'_>) -> bool {
    let mut ended = end_pages(house, which, is_of(id));
    for live in house.logins.live(id) {
        let is_it = match which {
            Which::Others(_) => true,
            Which::One(mark) => mark == format!("mail-{}", live.number),
        };
        if is_it {
            live.end();
            ended = true;
        }
    }
    ended
}

fn is_owner(who: &Who) -> bool {
    matches!(who, Who::Owner { .. })
}

fn is_of(id: AccountId) -> impl Fn(&Who) -> bool {
    move |who| matches!(who, Who::Person { account, .. } if *account == id.0)
}

fn of_pages(house: &House, now: i64, which: impl Fn(&Who) -> bool) -> Vec<Open> {
    let millis = house.place.millis();
    let mut kept = house.place.sessions().list(millis);
    kept.retain(|(_, session)| which(&session.who));
    kept.sort_by_key(|(_, session)| std::cmp::Reverse(session.used));
    kept.truncate(limits::SESSION_ROWS);
    let open = |(key, session): (Key, Session)| {
        let ago = i64::try_from(millis.saturating_sub(session.begun) / 1000).unwrap_or(0);
        Open {
            unit: "page",
            from: session.from,
            agent: program(&session.agent),
            since: now - ago,
            mark: hex(&key),
            key: Some(key),
        }
    };
    kept.into_iter().map(open).collect()
}

fn end_pages(house: &House, which: Which<'_>, whose: impl Fn(&Who) -> bool) -> bool {
    let mut sessions = house.place.sessions();
    let mut listed = sessions.list(house.place.millis());
    listed.retain(|(key, session)| {
        whose(&session.who)
            && match which {
                Which::Others(own) => own != Some(*key),
                Which::One(mark) => hex(key) == mark,
            }
    });
    listed.iter().for_each(|(key, _)| sessions.end(key));
    !listed.is_empty() || matches!(which, Which::Others(_))
}

/// Half of the hash of a cookie: enough to tell sessions apart, and no cookie can be made of it.
fn hex(key: &Key) -> String {
    key.iter().take(16).fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// The browser and the system of a User-Agent, where they are known.
fn program(agent: &str) -> String {
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    // In this order: each names those before it too.
    let browser = find(&[
        ("Firefox/", "Firefox"),
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = find(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "Mac"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser}, {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_string(),
        (None, None) => agent.chars().take(60).collect(),
    }
}
