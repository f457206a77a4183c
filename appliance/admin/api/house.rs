//! The server itself: what it is, how it stands, what it should tell the world, what was done.

use super::mail::rows;
use super::{Call, Outcome, Refused, json, reply};
use crate::act::check::Finding;
use crate::act::dns::{self, Dkim};
use crate::act::records::Dmarc;
use crate::act::{Reply as Done, Request as Act};
use crate::admin::setup::{domain, way};
use crate::admin::support;
use crate::admin::zone;
use crate::limits;
use crate::settings::{Relay, RelayTls};
use crate::store::format::Audit;
use crate::store::owner;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

// ---- how it stands ----

#[derive(Serialize)]
struct ServerView {
    /// The name of the box.
    host: String,
    version: &'static str,
    is_box: bool,
    /// Seconds since 1970.
    now: i64,
    /// IANA name of the zone that the pages show times in; "" for UTC.
    zone: String,
    ports: BTreeMap<&'static str, u16>,
}

pub(super) fn server(call: &Call<'_>) -> Outcome {
    let settings = call.house.settings();
    let view = ServerView {
        host: settings.host.clone(),
        version: env!("CARGO_PKG_VERSION"),
        is_box: call.house.is_box,
        now: call.request.now,
        zone: owner::setup(&call.house.store.snapshot()?)?.zone,
        ports: settings.ports.named().into_iter().filter(|(_, port)| *port != 0).collect(),
    };
    reply(&serde_json::json!({ "server": view }))
}

pub(super) fn space(call: &Call<'_>) -> Outcome {
    call.ask(Act::Space)
}

pub(super) fn last_check(call: &Call<'_>) -> Outcome {
    call.ask(Act::LastCheck)
}

pub(super) fn log(call: &Call<'_>) -> Outcome {
    call.ask(Act::Log)
}

/// All that tells how the server stands, without what opens anything.
pub(super) fn support_file(call: &Call<'_>) -> Outcome {
    let file = support::file(call.house, call.request.now)?;
    call.note("log/support", "", None);
    Ok(file)
}

/// The last look at the machine and at what the world sees of it.
#[derive(Serialize)]
struct LookView<'a> {
    running: bool,
    /// When it ended, seconds since 1970.
    at: Option<i64>,
    checked: &'a [Finding],
}

pub(super) fn looked(call: &Call<'_>) -> Outcome {
    show_look(call, 200)
}

/// Looks anew; it takes up to a minute, and is asked for later.
pub(super) fn look(call: &Call<'_>) -> Outcome {
    call.house.begin_look();
    show_look(call, 202)
}

fn show_look(call: &Call<'_>, status: u16) -> Outcome {
    let looked = call.house.looked();
    let at = looked.last.as_ref().map(|(at, _)| *at);
    let checked = looked.last.as_ref().map_or(&[][..], |(_, found)| found.as_slice());
    let view = LookView { running: looked.running, at, checked };
    json(status, &serde_json::json!({ "look": view }))
}

// ---- what it should tell the world ----

pub(super) fn records(call: &Call<'_>) -> Outcome {
    let dmarc = match call.request.query("dmarc") {
        "" if call.request.query.is_empty() => Dmarc::default(),
        "none" => Dmarc::None,
        "quarantine" => Dmarc::Quarantine,
        "reject" => Dmarc::Reject,
        _ => return Err(Refused::wrong("dmarc is none, quarantine or reject".to_string(), "")),
    };
    let (data, domain) = (&call.house.data, call.part(0));
    reply(&dns::zone(data, Some(&domain), dmarc, call.request.now)?)
}

pub(super) fn keys(call: &Call<'_>) -> Outcome {
    let act = Dkim::Show { domain: Some(call.part(0)) };
    reply(&dns::dkim(&call.house.data, act, call.request.now)?)
}

/// New keys, which do not sign yet.
pub(super) fn make_keys(call: &Call<'_>) -> Outcome {
    let domain = call.part(0);
    keep_keys(call, "keys/make", &domain.clone(), Dkim::Rotate { domain })
}

/// These keys sign from now on.
pub(super) fn use_keys(call: &Call<'_>) -> Outcome {
    let (domain, pair) = (call.part(0), call.part(1));
    let about = format!("{domain} {pair}");
    keep_keys(call, "keys/use", &about, Dkim::Activate { domain, pair })
}

pub(super) fn remove_keys(call: &Call<'_>) -> Outcome {
    let (domain, pair) = (call.part(0), call.part(1));
    let about = format!("{domain} {pair}");
    keep_keys(call, "keys/remove", &about, Dkim::Remove { domain, pair })
}

fn keep_keys(call: &Call<'_>, what: &str, about: &str, act: Dkim) -> Outcome {
    let done = dns::dkim(&call.house.data, act, call.request.now);
    call.note(what, about, done.as_ref().err());
    reply(&done?)
}

// ---- what was done ----

#[derive(Serialize)]
struct ActView {
    number: u64,
    /// Seconds since 1970.
    at: i64,
    who: String,
    from: String,
    what: String,
    about: String,
    /// Why it was not done; "" when it was.
    failed: String,
}

pub(super) fn acts(call: &Call<'_>) -> Outcome {
    let (before, limit) = (call.number("before", 1, u64::MAX)?, rows(call)?);
    let found = owner::acts(&call.house.store.snapshot()?, before, limit)?;
    let view = |(number, act): (u64, Audit)| {
        let Audit { at, who, from, what, about, failed } = act;
        ActView { number, at, who, from, what, about, failed }
    };
    let views: Vec<ActView> = found.into_iter().map(view).collect();
    reply(&serde_json::json!({ "acts": views }))
}

// ---- settings ----

/// The server that all mail leaves over. Its password goes in and never out.
#[derive(Serialize)]
struct RelayView<'a> {
    host: &'a str,
    port: u16,
    tls: RelayTls,
    user: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRelay {
    host: String,
    port: u16,
    tls: RelayTls,
    user: Option<String>,
    password: Option<String>,
}

impl NewRelay {
    /// `before` knows what cannot be said here: whose authority the relay's certificate is of.
    fn relay(self, before: Option<&Relay>) -> Result<Relay, Refused> {
        let NewRelay { host, port, tls, user, password } = self;
        let wrong = |why: &str| Err(Refused::wrong(why.to_string(), ""));
        if !way::is_host(&host) {
            return wrong("host is no name of a server");
        }
        if port == 0 {
            return wrong("port is a number from 1 to 65535");
        }
        let login = match (user, password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            _ => return wrong("user and password belong together"),
        };
        let long = |text: &str| text.is_empty() || text.len() > limits::PASSWORD_BYTES;
        let odd = |text: &str| long(text) || text.chars().any(char::is_control);
        if login.as_ref().is_some_and(|(user, password)| odd(user) || odd(password)) {
            return wrong("user or password is empty, too long, or cannot be typed");
        }
        let before = before.filter(|relay| relay.host == host);
        let authority = before.and_then(|relay| relay.authority.clone());
        Ok(Relay { host, port, tls, login, token: false, authority })
    }
}

pub(super) fn relay(call: &Call<'_>) -> Outcome {
    show_relay(call.house.settings().outgoing.relay.as_ref())
}

fn show_relay(relay: Option<&Relay>) -> Outcome {
    let view = relay.map(|relay| RelayView {
        host: &relay.host,
        port: relay.port,
        tls: relay.tls,
        user: relay.login.as_ref().map(|(user, _)| user.as_str()),
    });
    reply(&serde_json::json!({ "relay": view }))
}

pub(super) fn set_relay(call: &Call<'_>) -> Outcome {
    let new: NewRelay = call.body()?;
    let settings = call.house.settings();
    let relay = new.relay(settings.outgoing.relay.as_ref())?;
    change_relay(call, Some(relay))
}

/// All mail straight to the servers of its recipients.
pub(super) fn no_relay(call: &Call<'_>) -> Outcome {
    change_relay(call, None)
}

/// The units of mail start anew with it.
fn change_relay(call: &Call<'_>, relay: Option<Relay>) -> Outcome {
    let about = relay.as_ref().map_or("direct".to_string(), |relay| format!("{relay:?}"));
    if relay != call.house.settings().outgoing.relay {
        let new = relay.clone();
        let changed = call.house.change_settings(|settings| settings.outgoing.relay = new);
        call.note("settings/way", &about, changed.as_ref().err());
        changed?;
    }
    show_relay(relay.as_ref())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Host {
    host: String,
}

/// The name of the box; the units of mail start anew with it.
pub(super) fn set_host(call: &Call<'_>) -> Outcome {
    let host = call.body::<Host>()?.host.to_lowercase();
    if !domain::is_host(&host) {
        let remedy = "name it as mail.office.example";
        return Err(Refused::wrong(format!("{host:?} is no name of a server"), remedy));
    }
    if host != call.house.settings().host {
        let new = host.clone();
        let changed = call.house.change_settings(|settings| settings.host = new);
        call.note("settings/host", &host, changed.as_ref().err());
        changed?;
    }
    reply(&Done::Done(format!("the box is called {host} now")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Zone {
    zone: String,
}

/// The zone that the pages show times in.
pub(super) fn set_zone(call: &Call<'_>) -> Outcome {
    let Zone { zone } = call.body()?;
    if !zone::is_known(&zone) {
        let remedy = "name it as Europe/Berlin";
        return Err(Refused::wrong(format!("there is no time zone {zone:?}"), remedy));
    }
    let kept = zone.clone();
    call.house.store.write_blocking(move |batch| {
        owner::change_setup(batch, &mut |setup| setup.zone.clone_from(&kept))
    })?;
    call.note("settings/zone", &zone, None);
    reply(&Done::Done(format!("the pages show times of {zone}")))
}
