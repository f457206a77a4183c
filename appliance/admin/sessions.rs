//! Who is logged in: on these pages, and with mail programs. Shown, and ended.

use super::routes::Visit;
use super::trouble::Trouble;
use super::who::{Key, Session, Who};
use super::zone;
use crate::limits;
use crate::store::{AccountId, owner};
use std::fmt::Write;

/// One of them.
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

/// The owner's, on the pages.
pub(super) fn of_owner(visit: &Visit<'_>) -> Result<Vec<Row>, Trouble> {
    of_pages(visit, |who| matches!(who, Who::Owner { .. }))
}

/// A person's, on the pages and with mail programs.
pub(super) fn of_person(visit: &Visit<'_>, id: AccountId) -> Result<Vec<Row>, Trouble> {
    let mut rows = of_pages(visit, is_of(id))?;
    let zone = zone(visit)?;
    for live in visit.house.logins.live(id) {
        rows.push(Row {
            kind: match live.unit {
                "imap" => "sessions.imap",
                "pop3" => "sessions.pop3",
                _ => "sessions.sending",
            },
            from: live.remote.to_string(),
            agent: String::new(),
            since: zone::show(&zone, live.since),
            here: false,
            mark: format!("mail-{}", live.number),
        });
    }
    rows.truncate(limits::SESSION_ROWS);
    Ok(rows)
}

fn is_of(id: AccountId) -> impl Fn(&Who) -> bool {
    move |who| matches!(who, Who::Person { account, .. } if *account == id.0)
}

fn of_pages(visit: &Visit<'_>, which: impl Fn(&Who) -> bool) -> Result<Vec<Row>, Trouble> {
    let (zone, now) = (zone(visit)?, visit.house.place.millis());
    let mut kept = visit.house.place.sessions().list(now);
    kept.retain(|(_, session)| which(&session.who));
    kept.sort_by_key(|(_, session)| std::cmp::Reverse(session.used));
    kept.truncate(limits::SESSION_ROWS);
    let own = visit.session.as_ref().map(|(key, _)| *key);
    let row = |(key, session): (Key, Session)| {
        let ago = i64::try_from(now.saturating_sub(session.begun) / 1000).unwrap_or(0);
        Row {
            kind: "sessions.page",
            from: session.from,
            agent: program(&session.agent),
            since: zone::show(&zone, visit.request.now - ago),
            here: own == Some(key),
            mark: hex(&key),
        }
    };
    Ok(kept.into_iter().map(row).collect())
}

/// Ends the owner's session of this mark, or ("others") all but the one that asks. False: there is
/// no such session any more.
pub(super) fn end_of_owner(visit: &Visit<'_>, mark: &str) -> bool {
    end_pages(visit, mark, |who| matches!(who, Who::Owner { .. }))
}

/// The same of a person's.
pub(super) fn end_of_person(visit: &Visit<'_>, id: AccountId, mark: &str) -> bool {
    let mut ended = end_pages(visit, mark, is_of(id));
    for live in visit.house.logins.live(id) {
        if mark == "others" || mark == format!("mail-{}", live.number) {
            live.end();
            ended = true;
        }
    }
    ended || mark == "others"
}

fn end_pages(visit: &Visit<'_>, mark: &str, which: impl Fn(&Who) -> bool) -> bool {
    let own = visit.session.as_ref().map(|(key, _)| *key);
    let mut sessions = visit.house.place.sessions();
    let mut listed = sessions.list(visit.house.place.millis());
    listed.retain(|(key, session)| {
        which(&session.who) && if mark == "others" { own != Some(*key) } else { hex(key) == mark }
    });
    listed.iter().for_each(|(key, _)| sessions.end(key));
    !listed.is_empty() || mark == "others"
}

fn zone(visit: &Visit<'_>) -> Result<String, Trouble> {
    Ok(owner::setup(&visit.house.store.snapshot()?)?.zone)
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
