//! A file for whoever helps: all that tells how the server stands, and nothing that opens anything.
//!
//! ```text
//! settings     printed without their secrets
//! log          names that were tried at a log-in and that nobody has are left out: people type
//!              their password there
//! every line   is left out when it holds a secret that the server knows, a token, or a key,
//!              wherever it came from
//! ```

use super::House;
use super::api::metrics;
use super::http::Reply;
use super::network::State;
use super::page::short;
use crate::act::Reply as Done;
use crate::act::Request as Act;
use crate::act::check::{self, Finding};
use crate::act::token;
use crate::act::update::printed;
use crate::act::words::{date, date_time, octets};
use crate::event::{self, Event, Level, Said};
use crate::limits;
use crate::store::{Store, StoreError, account, outside};
use std::sync::PoisonError;

const HEAD: &str = "What this server says of itself, for whoever helps. It holds names of people, \
                    servers and domains, and addresses; no password, no key, and nothing out of \
                    a letter.";
const LEFT_OUT: &str = "(a line with a secret was left out)";
const NOBODY: &str = "(a name that nobody has)";

pub(super) fn file(house: &House, now: i64) -> Result<Reply, StoreError> {
    let text = cleared(&text(house, now)?, &secrets(house)?);
    let name = format!("mailroom-support-{}.txt", date(now));
    Ok(Reply::file("text/plain; charset=utf-8", &name, text.into_bytes()))
}

fn text(house: &House, now: i64) -> Result<String, StoreError> {
    let settings = house.settings();
    let mut text = format!("{HEAD}\n");
    let mut section = |title: &str, content: &str| {
        text.push_str(&format!("\n==== {title}\n\n{}\n", content.trim_end()));
    };
    let kind = if house.is_box { "a box" } else { "no box" };
    let version = env!("CARGO_PKG_VERSION");
    section(
        "Server",
        &format!("mailroom {version}, {kind}\n{} UTC\n{}", date_time(now), settings.host),
    );
    if house.updates.is_of_box() {
        let view = house.updates.view(now);
        section("System", &view.map_or_else(|why| why.to_string(), |view| printed(&view)));
    }
    if let Some(network) = &house.network {
        section("Network", &addresses(&network.state()));
    }
    section("Settings", &settings.print_without_secrets());
    let found = check::of_itself(&house.data, &|act| house.act(act, now), now);
    section("What is found", &findings(&found));
    if let Some((at, found)) = house.looked().last {
        section(&format!("What the world sees, {} UTC", date_time(at)), &findings(&found));
    }
    section("Store", &space(house, now));
    section("Figures", &metrics::text(house, now)?);
    section("Log", &log(&house.store));
    Ok(text)
}

fn addresses(state: &State) -> String {
    let each = state.addresses.iter();
    each.map(|(address, prefix, from)| format!("{address}/{prefix} {from:?}\n")).collect()
}

fn findings(found: &[Finding]) -> String {
    found.iter().map(|it| format!("{:?}: {}: {}\n", it.state, it.what, it.meaning)).collect()
}

fn space(house: &House, now: i64) -> String {
    let told = match house.act(Act::Space, now) {
        Ok(Done::Space { file, used, free }) => {
            format!("file {}, used {}, free {}", octets(file), octets(used), octets(free))
        }
        Ok(_) => String::new(),
        Err(failure) => failure.why,
    };
    let last = match house.act(Act::LastCheck, now) {
        Ok(Done::LastCheck(Some(last))) => {
            let first = last.told.first().map_or("", String::as_str);
            format!("checked {} UTC, {} faults {first}", date_time(last.at), last.faults)
        }
        Ok(_) => "not checked yet".to_string(),
        Err(failure) => failure.why,
    };
    format!("{told}\n{last}\n")
}

/// The oldest first.
fn log(store: &Store) -> String {
    let mut all: Vec<Said> = Vec::new();
    event::look(&mut |said| {
        all.push(said.clone());
        true
    });
    let line = |said: Said| {
        let level = if said.event.level() == Level::Warn { "warn" } else { "    " };
        let said = Said { event: without_names(store, said.event), ..said };
        let words = short(&said.line(), limits::SUPPORT_LETTERS);
        format!("{} {level} {words}\n", date_time(said.at))
    };
    all.into_iter().rev().map(line).collect()
}

/// Who typed a password into the place of the name is not told on.
fn without_names(store: &Store, event: Event) -> Event {
    let is_known = |login: &str| {
        // Those that the pages themselves say.
        ["owner", "token", "setup code"].contains(&login)
            || store
                .snapshot()
                .and_then(|read| account::by_login(&read, login))
                .is_ok_and(|found| found.is_some())
    };
    match event {
        Event::LoginDenied { unit, remote, login } if !is_known(&login) => {
            Event::LoginDenied { unit, remote, login: NOBODY.to_string() }
        }
        event => event,
    }
}

/// All that the server knows itself and must give to others, such as to a relay.
fn secrets(house: &House) -> Result<Vec<String>, StoreError> {
    let mut secrets = house.settings().secrets();
    let codes = house.place.codes.lock().unwrap_or_else(PoisonError::into_inner);
    secrets.push(codes.code().to_string());
    drop(codes);
    let all = outside::all(&house.store.snapshot()?)?;
    if !all.is_empty() {
        let sealer = house.store.sealer()?;
        for (id, row) in &all {
            if let Some(of_row) = outside::secrets(*id, row, &sealer) {
                secrets.extend([of_row.password, of_row.refresh_token, of_row.client_secret]);
            }
        }
    }
    secrets.retain(|secret| secret.chars().count() >= limits::SECRET_LETTERS);
    Ok(secrets)
}

/// A line is left out as a whole: a gap in it would tell what stood there.
fn cleared(text: &str, secrets: &[String]) -> String {
    let tells = |line: &str| {
        secrets.iter().any(|secret| line.contains(secret.as_str()))
            || line.contains("PRIVATE KEY")
            || token::is_in(line)
    };
    let line = |line: &str| format!("{}\n", if tells(line) { LEFT_OUT } else { line });
    text.lines().map(line).collect()
}
