//! What programs may: the acts of the pages as JSON, for whoever has a token of the owner.
//!
//! ```text
//! routes -> under TLS? -> the row of the table -> an owner, and a token of theirs -> the
//!           parameters it knows -> handler -> act -> what the command line's --json prints
//! ```
//!
//! A session is nothing here: no cookie is looked at, and so no other site can make a browser ask.
//! What opens the box itself is not here either: the owner's password and second factor, and the
//! tokens. What is asked and answered is written down in config/openapi.json, and a test holds it
//! against the table.

mod backup;
mod certificate;
mod house;
mod machine;
mod mail;
pub(super) mod metrics;
mod moving;
mod outside;
mod people;
mod refused;
mod sessions;
mod storage;
mod update;

use super::House;
use super::audit;
use super::http::{Method, Reply, Request};
use super::restore;
use super::routes::matches;
use super::upload::Upload;
use crate::act::failure::Failure;
use crate::act::{self, Request as Act, token};
use crate::event::{Event, emit};
use crate::net::splice::{Allowed, Wish};
use crate::store::StoreError;
use refused::Refused;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::Cell;

/// What comes of a call.
type Outcome = Result<Reply, Refused>;
type Handler = fn(&Call<'_>) -> Outcome;

/// One row of the table.
pub(crate) struct Route {
    pub method: Method,
    /// `{}` stands for one part of the path.
    pub path: &'static str,
    /// Parameters behind the question mark.
    pub query: &'static [&'static str],
    /// Only with a token.
    pub token: bool,
    handler: Handler,
}

const fn row(method: Method, path: &'static str, handler: Handler) -> Route {
    Route { method, path, query: &[], token: true, handler }
}

const fn get(path: &'static str, handler: Handler) -> Route {
    row(Method::Get, path, handler)
}

const fn post(path: &'static str, handler: Handler) -> Route {
    row(Method::Post, path, handler)
}

const fn put(path: &'static str, handler: Handler) -> Route {
    row(Method::Put, path, handler)
}

const fn delete(path: &'static str, handler: Handler) -> Route {
    row(Method::Delete, path, handler)
}

impl Route {
    const fn with(self, query: &'static [&'static str]) -> Route {
        Route { query, ..self }
    }

    const fn for_anybody(self) -> Route {
        Route { token: false, ..self }
    }
}

/// Where a program sends a backup, or an update: the bodies that are larger than a form.
pub(super) const RESTORE: &str = "/api/v1/restore";
pub(super) const UPDATE: &str = "/api/v1/update";

/// Every call.
pub(crate) const ROUTES: &[Route] = &[
    get("/metrics", metrics::answer),
    get("/api/v1/openapi.json", |_| Ok(described())).for_anybody(),
    get("/api/v1/accounts", people::accounts),
    post("/api/v1/accounts", people::add),
    post("/api/v1/newcomers", people::add_all),
    get("/api/v1/accounts/{}", people::account),
    delete("/api/v1/accounts/{}", people::remove),
    put("/api/v1/accounts/{}/password", people::password),
    put("/api/v1/accounts/{}/suspended", people::suspend),
    put("/api/v1/accounts/{}/closed", people::close),
    put("/api/v1/accounts/{}/quota", people::quota),
    put("/api/v1/accounts/{}/app-passwords/{}", people::app_password),
    delete("/api/v1/accounts/{}/app-passwords/{}", people::remove_app_password),
    get("/api/v1/accounts/{}/apple", people::apple),
    get("/api/v1/accounts/{}/sessions", sessions::of_person),
    delete("/api/v1/accounts/{}/sessions", sessions::end_all_of_person),
    delete("/api/v1/accounts/{}/sessions/{}", sessions::end_of_person),
    get("/api/v1/accounts/{}/outside", outside::of_person),
    post("/api/v1/accounts/{}/outside", outside::add),
    get("/api/v1/accounts/{}/outside/{}", outside::show),
    put("/api/v1/accounts/{}/outside/{}", outside::change),
    delete("/api/v1/accounts/{}/outside/{}", outside::remove),
    post("/api/v1/accounts/{}/outside/{}/look", outside::look),
    post("/api/v1/accounts/{}/outside/{}/test", outside::test),
    get("/api/v1/accounts/{}/outside/{}/import", outside::import_goes),
    put("/api/v1/accounts/{}/outside/{}/import", outside::import),
    get("/api/v1/accounts/{}/outside/{}/sign-in", outside::sign_in_goes),
    post("/api/v1/accounts/{}/outside/{}/sign-in", outside::sign_in),
    get("/api/v1/outside", outside::all),
    get("/api/v1/outside/providers", outside::providers),
    get("/api/v1/outside/servers", outside::find).with(&["address"]),
    get("/api/v1/domains", people::domains),
    post("/api/v1/domains", people::add_domain),
    delete("/api/v1/domains/{}", people::remove_domain),
    put("/api/v1/domains/{}/catch-all", people::catch_all),
    put("/api/v1/domains/{}/postmaster", people::postmaster),
    get("/api/v1/domains/{}/records", house::records).with(&["dmarc"]),
    get("/api/v1/domains/{}/keys", house::keys),
    post("/api/v1/domains/{}/keys", house::make_keys),
    post("/api/v1/domains/{}/keys/{}/use", house::use_keys),
    delete("/api/v1/domains/{}/keys/{}", house::remove_keys),
    get("/api/v1/moves", moving::all),
    post("/api/v1/moves", moving::begin),
    delete("/api/v1/moves/{}", moving::end),
    post("/api/v1/moves/{}/look", moving::look),
    post("/api/v1/moves/{}/run", moving::run),
    post("/api/v1/moves/{}/skip", moving::skip),
    post("/api/v1/moves/{}/back", moving::back),
    get("/api/v1/addresses", people::addresses),
    get("/api/v1/addresses/{}", people::find_address),
    put("/api/v1/addresses/{}", people::set_address),
    delete("/api/v1/addresses/{}", people::remove_address),
    get("/api/v1/outbox", mail::outbox).with(&["limit"]),
    get("/api/v1/outbox/{}", mail::outgoing),
    post("/api/v1/outbox/{}/hold", mail::hold),
    post("/api/v1/outbox/{}/now", mail::send_now),
    delete("/api/v1/outbox/{}", mail::drop),
    get("/api/v1/stories", mail::stories).with(&["text", "limit", "since"]),
    get("/api/v1/tls/days", mail::tls_days).with(&["days"]),
    get("/api/v1/tls/policies", mail::policies),
    get("/api/v1/server", house::server),
    get("/api/v1/space", house::space),
    get("/api/v1/last-check", house::last_check),
    get("/api/v1/log", house::log),
    get("/api/v1/support-file", house::support_file),
    get("/api/v1/look", house::looked),
    post("/api/v1/look", house::look),
    get("/api/v1/certificate", certificate::show),
    get("/api/v1/certificate/way", certificate::way),
    put("/api/v1/certificate/way", certificate::set_way),
    post("/api/v1/certificate/again", certificate::again),
    get("/api/v1/certificate/authority", certificate::authority),
    get("/api/v1/sessions", sessions::of_owner),
    delete("/api/v1/sessions", sessions::end_all_of_owner),
    delete("/api/v1/sessions/{}", sessions::end_of_owner),
    get("/api/v1/network", machine::network),
    put("/api/v1/network", machine::set_network),
    post("/api/v1/network/keep", machine::keep_network),
    get("/api/v1/restore", machine::restoring),
    post(RESTORE, machine::restore),
    get(UPDATE, update::show),
    post(UPDATE, update::send),
    post("/api/v1/update/consent", update::consent),
    post("/api/v1/update/now", update::restart),
    post("/api/v1/update/back", update::back),
    get("/api/v1/update/when", update::when),
    put("/api/v1/update/when", update::set_when),
    get("/api/v1/backup", backup::show),
    post("/api/v1/backup", backup::make),
    put("/api/v1/backup/nightly", backup::nightly),
    post("/api/v1/backup/look", backup::look),
    post("/api/v1/backup/find", backup::find),
    post("/api/v1/backup/bring", backup::bring),
    post("/api/v1/backup/restore", backup::restore),
    post("/api/v1/backup/format", backup::format),
    get("/api/v1/storage", storage::show),
    post("/api/v1/storage/move", storage::move_to),
    post("/api/v1/storage/forget", storage::forget),
    post("/api/v1/storage/measure", storage::measure),
    get("/api/v1/acts", house::acts).with(&["before", "limit"]),
    get("/api/v1/relay", house::relay),
    put("/api/v1/relay", house::set_relay),
    delete("/api/v1/relay", house::no_relay),
    put("/api/v1/host", house::set_host),
    put("/api/v1/zone", house::set_zone),
];

/// Is it for programs?
pub(super) fn is_of(path: &str) -> bool {
    path == "/metrics" || path == "/api" || path.starts_with("/api/")
}

/// One call that may be answered.
struct Call<'a> {
    house: &'a House,
    request: &'a Request,
    /// The name of the token.
    program: String,
    parts: Vec<String>,
    /// A file that comes in.
    upload: Cell<Option<Upload<'a>>>,
}

/// The reply to a program of the LAN that called the box by its name.
pub(super) fn answer<'a>(
    house: &'a House,
    request: &'a Request,
    upload: Option<Upload<'a>>,
) -> Reply {
    let made = guard(house, request).and_then(|(call, handler)| {
        call.upload.set(upload);
        handler(&call)
    });
    made.unwrap_or_else(Refused::reply)
}

/// Everything that must be so before a handler runs.
fn guard<'a>(house: &'a House, request: &'a Request) -> Result<(Call<'a>, Handler), Refused> {
    if !request.is_secure() {
        return Err(Refused::in_clear());
    }
    let (route, parts) = find(request)?;
    let program = if route.token { program(house, request)? } else { String::new() };
    if route.method != Method::Get && house.store.is_still() {
        return Err(Refused::from(StoreError::Moving));
    }
    let foreign = request.query.iter().find(|(name, _)| !route.query.contains(&name.as_str()));
    if let Some((name, _)) = foreign {
        let known = route.query.join(", ");
        return Err(Refused::wrong(format!("there is no parameter {name:?} here"), &known));
    }
    Ok((Call { house, request, program, parts, upload: Cell::new(None) }, route.handler))
}

fn find(request: &Request) -> Result<(&'static Route, Vec<String>), Refused> {
    let mut others = Vec::new();
    for route in ROUTES {
        let Some(parts) = matches(route.path, &request.parts) else { continue };
        if route.method == request.method {
            return Ok((route, parts));
        }
        others.push(route.method.word());
    }
    Err(if others.is_empty() { Refused::no_such_call() } else { Refused::method(&others) })
}

/// The name of the token that came with the request. RFC 6750 2.1
fn program(house: &House, request: &Request) -> Result<String, Refused> {
    if !house.is_owned()? {
        return Err(Refused::no_owner());
    }
    let given = request.header("authorization").and_then(bearer);
    let Some(given) = given else { return Err(Refused::without_token()) };
    if let Some(name) = whose(house, given)? {
        return Ok(name);
    }
    let remote = request.peer.remote.ip();
    emit(Event::LoginDenied { unit: "api", remote, login: "token".to_string() });
    Err(Refused::wrong_token())
}

/// How large a file may be that a program sends. Asked before the first octet of it is read.
pub(super) fn allowance(house: &House, wish: &Wish<'_>) -> Allowed {
    match bearer(wish.authorization).map(|token| whose(house, token)) {
        Some(Ok(Some(_))) if wish.path == UPDATE => super::update::room(house),
        Some(Ok(Some(_))) => restore::room(house),
        _ => restore::refused("It came without a token of the owner, and nothing was taken.\n"),
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    // RFC 9110 11.1: the name of a scheme is of any case
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn whose(house: &House, token: &str) -> Result<Option<String>, StoreError> {
    token::whose(&house.store.snapshot()?, token)
}

impl Call<'_> {
    fn part(&self, number: usize) -> String {
        self.parts.get(number).cloned().unwrap_or_default()
    }

    /// Does an act of the owner and writes it down, as the pages do.
    fn act(&self, what: &str, about: &str, act: Act) -> Outcome {
        let done = self.done(act);
        self.note(what, about, done.as_ref().err());
        reply(&done?)
    }

    /// An act that changes nothing, and is not written down.
    fn ask(&self, act: Act) -> Outcome {
        reply(&self.done(act)?)
    }

    fn done(&self, act: Act) -> Result<act::Reply, Failure> {
        self.house.act(act, self.request.now)
    }

    fn note(&self, what: &str, about: &str, failure: Option<&Failure>) {
        let failed = failure.map_or("", |failure| failure.why.as_str());
        audit::write(self.house, self.request, (&self.program, what, about), failed);
    }

    /// The body as JSON of this shape.
    fn body<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        let kind = self.request.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Refused::kind(kind));
        }
        // The values of an object in their order, without its names, would be read as one.
        if self.request.body.trim_ascii_start().starts_with(b"[") {
            let why = "the body is a list, and an object is wanted";
            return Err(Refused::wrong(why.to_string(), ""));
        }
        serde_json::from_slice(&self.request.body).map_err(|error| Refused::body(&error))
    }

    /// A number of the query within bounds, or what it is when it is not given.
    fn number<T>(&self, name: &str, least: T, most: T) -> Result<Option<T>, Refused>
    where
        T: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        if !self.request.query.iter().any(|(it, _)| it == name) {
            return Ok(None);
        }
        let number = self.request.query(name).parse().ok();
        let number = number.filter(|number| (&least..=&most).contains(&number));
        let wrong = || Refused::wrong(format!("{name} is a number from {least} to {most}"), "");
        number.map(Some).ok_or_else(wrong)
    }
}

fn reply(value: &impl Serialize) -> Outcome {
    json(200, value)
}

fn json(status: u16, value: &impl Serialize) -> Outcome {
    let printed = serde_json::to_vec(value);
    let body = printed.map_err(|error| Failure::new("cannot print the reply", error, ""))?;
    Ok(Reply { status, kind: "application/json", body, headers: Vec::new() })
}

/// The description of all this: config/openapi.json, as build.rs leaves it.
pub(crate) const DESCRIPTION: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

fn described() -> Reply {
    let body = DESCRIPTION.as_bytes().to_vec();
    Reply { status: 200, kind: "application/json", body, headers: Vec::new() }
}
