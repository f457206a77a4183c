//! `mailroom check`: looks at this machine, and at what the world sees of it, and says of each
//! thing whether it is right, what that means and what to do.

pub(crate) mod backup;
pub(crate) mod published;
pub(crate) mod reach;
pub(crate) mod said;
pub(crate) mod world;

use super::call::{self, SOCKET, STORE};
use super::certificate::{standing, view};
use super::dns;
use super::failure::Failure;
use super::outbox::{OutboxAct, OutgoingView};
use super::update::UpdateOrder;
use super::words::octets;
use super::{LastCheck, Reply, Request};
use crate::limits::{
    CERTIFICATE_SOON, CHECK_OLD_SECONDS, DISK_LOW_PERCENT, DISK_RESERVE_BYTES, OUTBOX_LOOK,
    OUTBOX_OLD_SECONDS, STORE_WORTH_COMPACTING_BYTES, UPDATE_BACK_TOLD_SECONDS,
};
use crate::net::acme::plan::Health;
use crate::net::tls;
use crate::net::unix::{Caller, listens};
use crate::settings::{self, Ports, Settings};
use crate::update::slot::Standing;
use crate::update::state::{Outcome, Past, Told};
use said::{Said, Value, english, say};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Ok,
    /// Works now, and will not for long, or not for all.
    Warn,
    Wrong,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// What was looked at.
    pub what: String,
    pub state: State,
    pub meaning: String,
    /// Empty where nothing is to be done.
    pub remedy: String,
    /// What `meaning` is in English, for the pages.
    #[serde(skip)]
    pub said: Vec<Said>,
}

/// What a finding says that is about a question nobody answered.
const UNKNOWN: &str = "found.unknown";

impl Finding {
    /// Nothing was found out.
    pub(crate) fn is_unknown(&self) -> bool {
        self.said.iter().any(|said| said.key == UNKNOWN)
    }

    fn new(what: &str, state: State, said: Vec<Said>, remedy: &str) -> Finding {
        let (what, meaning, remedy) = (what.to_string(), english(&said), remedy.to_string());
        Finding { what, state, meaning, remedy, said }
    }

    /// Of something that failed.
    fn failed(what: &str, failure: &Failure) -> Finding {
        let said = say("found.failed", [failure.what.as_str().into(), failure.why.as_str().into()]);
        Finding::new(what, State::Wrong, said, &failure.remedy)
    }
}

/// 2026-01-01 in seconds since 1970: this version did not exist before.
const THIS_VERSION: i64 = 1_767_225_600;
/// Thirty years on no clock stands by itself.
const FAR_FUTURE: i64 = THIS_VERSION + 30 * 365 * 86_400;

/// Who does an act that changes nothing.
pub(crate) type Ask<'a> = &'a dyn Fn(Request) -> Result<Reply, Failure>;

/// Everything that can be told of the machine with the data in `data`, most basic first.
/// `served` are the ports, where they are not those of the settings; with `world` servers of others
/// are asked too.
pub(crate) fn machine(data: &Path, served: Option<Ports>, world: bool, now: i64) -> Vec<Finding> {
    let mut found = of_itself(data, &|act| call::perform(data, act, now, &mut |_| ()), now);
    let mut settings = settings::load(&data.join("mailroom.toml"));
    if let (Ok(settings), Some(served)) = (&mut settings, served) {
        settings.ports = served;
    }
    let server = server(data);
    let runs = server.state == State::Ok;
    found.push(server);
    if let (true, Ok(settings)) = (runs, &settings) {
        found.extend(ports(settings));
    }
    if let (true, Ok(settings)) = (world, &settings) {
        found.extend(outside(data, settings, now));
    }
    found
}

/// Where mail goes of a domain that is not one of ours yet; `None`: that cannot be told.
pub(crate) fn mail_of(data: &Path, domain: &str) -> Option<Finding> {
    let settings = settings::load(&data.join("mailroom.toml")).ok()?;
    world::mail_of(&settings, domain)
}

/// What is told without a look at ports or at the world: it takes a moment.
pub(crate) fn of_itself(data: &Path, ask: Ask<'_>, now: i64) -> Vec<Finding> {
    let mut found = vec![clock(now), space(data), store(ask)];
    found.extend(last_check(ask, now));
    found.extend(outbox(ask, now));
    found.extend(system(ask, now));
    let settings = settings::load(&data.join("mailroom.toml"));
    found.push(match &settings {
        Ok(settings) => {
            let said = say("found.settings", [Value::from(&settings.host)]);
            Finding::new("settings", State::Ok, said, "")
        }
        Err(error) => {
            let remedy = "mend the file, or remove it to begin with the defaults";
            let said = say("found.settings-bad", [Value::from(error)]);
            Finding::new("settings", State::Wrong, said, remedy)
        }
    });
    found.extend(settings.as_ref().ok().and_then(|it| backup::nightly(data, it, now)));
    found.push(certificate_in_use(data, settings.ok().as_ref(), now));
    found
}

/// What the world sees of it.
fn outside(data: &Path, settings: &Settings, now: i64) -> Vec<Finding> {
    if dns::is_unknown_outside(&settings.host) {
        let said = say("found.world-unnamed", [Value::from(&settings.host)]);
        let remedy = "set host in mailroom.toml to a name such as mail.example.org";
        return vec![Finding::new("world", State::Warn, said, remedy)];
    }
    match dns::published(data, settings, now) {
        Ok(domains) => world::look(settings, domains),
        Err(failure) => vec![Finding::failed("world", &failure)],
    }
}

pub(crate) fn clock(now: i64) -> Finding {
    if (THIS_VERSION..FAR_FUTURE).contains(&now) {
        return Finding::new("clock", State::Ok, say("found.clock", [Value::Time(now)]), "");
    }
    let said = say("found.clock-wrong", [Value::Time(now)]);
    Finding::new("clock", State::Wrong, said, "set the clock, or let the network set it")
}

fn space(data: &Path) -> Finding {
    let stat = match nix::sys::statvfs::statvfs(data) {
        Ok(stat) => stat,
        Err(error) => {
            let said = say("found.space-unreadable", [data.display().into(), error.into()]);
            let remedy = "name the data folder with --data, or make it with `mailroom serve`";
            return Finding::new("space", State::Wrong, said, remedy);
        }
    };
    let size = stat.blocks() * stat.fragment_size();
    let left = stat.blocks_available() * stat.fragment_size();
    space_left(left, size)
}

/// What so many octets left on a disk of `size` mean.
pub(crate) fn space_left(left: u64, size: u64) -> Finding {
    let says = |key: &str| say(key, [octets(left).into(), octets(size).into()]);
    let remedy = "delete mail and run `mailroom compact`, or move the data to a larger disk";
    if left < DISK_RESERVE_BYTES {
        return Finding::new("space", State::Wrong, says("found.space-none"), remedy);
    }
    if left.saturating_mul(100) < size.saturating_mul(DISK_LOW_PERCENT) {
        return Finding::new("space", State::Warn, says("found.space-low"), remedy);
    }
    Finding::new("space", State::Ok, says("found.space"), "")
}

/// Can the store be read, and is much of its file empty?
fn store(ask: Ask<'_>) -> Finding {
    match ask(Request::Space) {
        Ok(Reply::Space { file, free, .. }) => store_file(file, free),
        Ok(_) => Finding::new("store", State::Wrong, say("found.store-odd", []), ""),
        Err(failure) => Finding::failed("store", &failure),
    }
}

/// What a file of so many octets, of which so many are free, means.
pub(crate) fn store_file(file: u64, free: u64) -> Finding {
    let says = |key: &str| say(key, [octets(file).into(), octets(free).into()]);
    if file < STORE_WORTH_COMPACTING_BYTES || free < file / 2 {
        return Finding::new("store", State::Ok, says("found.store"), "");
    }
    let remedy = "`mailroom compact` gives the room back to the disk";
    Finding::new("store", State::Warn, says("found.store-empty"), remedy)
}

/// What the last check of the whole store came to.
fn last_check(ask: Ask<'_>, now: i64) -> Option<Finding> {
    match ask(Request::LastCheck) {
        Ok(Reply::LastCheck(last)) => Some(checked(last.as_ref(), now)),
        // Why is said where the store is looked at.
        _ => None,
    }
}

pub(crate) fn checked(last: Option<&LastCheck>, now: i64) -> Finding {
    const WHAT: &str = "last check of the store";
    let Some(last) = last else {
        return Finding::new(WHAT, State::Ok, say("found.check-never", []), "");
    };
    let at = Value::Time(last.at);
    if last.faults > 0 {
        let first = last.told.first().map(String::as_str).unwrap_or_default();
        let said = say("found.check-faults", [at, last.faults.into(), first.into()]);
        let remedy = "run `mailroom verify`, and restore a backup or salvage the store";
        return Finding::new(WHAT, State::Wrong, said, remedy);
    }
    if now.saturating_sub(last.at) > CHECK_OLD_SECONDS {
        let remedy = "let the server run, which checks it at night, or run `mailroom verify`";
        return Finding::new(WHAT, State::Warn, say("found.check-old", [at]), remedy);
    }
    Finding::new(WHAT, State::Ok, say("found.check", [at]), "")
}

fn server(data: &Path) -> Finding {
    if Caller::call(&data.join(SOCKET)).is_ok() {
        return Finding::new("server", State::Ok, say("found.server", []), "");
    }
    let (key, remedy) = if data.join(STORE).exists() {
        ("found.server-stopped", "start it: mailroom serve")
    } else {
        ("found.server-never", "start it: mailroom serve --data DIR")
    };
    Finding::new("server", State::Wrong, say(key, []), remedy)
}

/// How long has mail waited to be sent? Those that are tried first are looked at.
fn outbox(ask: Ask<'_>, now: i64) -> Option<Finding> {
    match ask(Request::Outbox(OutboxAct::List { limit: OUTBOX_LOOK })) {
        Ok(Reply::Outbox(waiting)) => Some(waiting_mail(&waiting, now)),
        // Why is said where the store is looked at.
        _ => None,
    }
}

/// What so much mail in the outbox means.
pub(crate) fn waiting_mail(waiting: &[OutgoingView], now: i64) -> Finding {
    const WHAT: &str = "outbox";
    let is_held = |view: &&OutgoingView| view.recipients.iter().all(|it| it.state != "waiting");
    let held = waiting.iter().filter(is_held).count();
    let mut said = match waiting.len() {
        0 => return Finding::new(WHAT, State::Ok, say("found.outbox-none", []), ""),
        1 => say("found.outbox-one", []),
        OUTBOX_LOOK.. => say("found.outbox-many", [waiting.len().into()]),
        some => say("found.outbox-some", [some.into()]),
    };
    if held > 0 {
        said.extend(say("found.outbox-held", [held.into()]));
    }
    let oldest = waiting.iter().filter(|view| !is_held(view)).map(|view| view.created).min();
    match oldest.filter(|oldest| now.saturating_sub(*oldest) > OUTBOX_OLD_SECONDS) {
        Some(oldest) => {
            said.extend(say("found.outbox-oldest", [Value::Time(oldest)]));
            let remedy = "see why with `mailroom outbox list`";
            Finding::new(WHAT, State::Warn, said, remedy)
        }
        None => Finding::new(WHAT, State::Ok, said, ""),
    }
}

/// The system of a box, where it is another than it should be.
fn system(ask: Ask<'_>, now: i64) -> Option<Finding> {
    match ask(Request::Update(UpdateOrder::Show)) {
        Ok(Reply::Update(view)) => updated(&view.system, now),
        // No box, or nothing is told: its page says why.
        _ => None,
    }
}

/// What came of the last update.
pub(crate) fn updated(told: &Told, now: i64) -> Option<Finding> {
    const WHAT: &str = "update";
    if told.standing == Standing::Substitute {
        let said = say("found.update-substitute", [Value::from(&told.version)]);
        let remedy = "install an update, which writes the other system anew";
        return Some(Finding::new(WHAT, State::Wrong, said, remedy));
    }
    let last = told.history.iter().find(|past| past.result != Outcome::Refused)?;
    let Past { at, version, from, result, why, .. } = last;
    let fresh = (0..UPDATE_BACK_TOLD_SECONDS).contains(&now.saturating_sub(*at));
    if *result != Outcome::Back || !fresh {
        return None;
    }
    let version = version.as_ref().map_or("-".to_string(), ToString::to_string);
    let values = [version.into(), Value::Time(*at), from.into(), why.as_str().into()];
    let remedy = "see what it says, and take the next version when there is one";
    Some(Finding::new(WHAT, State::Warn, say("found.update-back", values), remedy))
}

fn certificate_in_use(data: &Path, settings: Option<&Settings>, now: i64) -> Finding {
    let found = match settings {
        Some(settings) => view(data, settings, now)
            .map(|view| certificate_stands(&view.health, now))
            .map_err(|failure| failure.why),
        None => tls::ends(&data.join("tls"))
            .map(|ends| certificate(ends, now))
            .map_err(|fault| fault.to_string()),
    };
    let remedy = "start the server: it makes a certificate where there is none";
    let wrong = |why: String| say("found.certificate-none", [why.into()]);
    found.unwrap_or_else(|why| Finding::new("certificate", State::Wrong, wrong(why), remedy))
}

/// How a certificate that stands so is to be seen.
pub(crate) fn certificate_stands(health: &Health, now: i64) -> Finding {
    let (state, remedy) = match health {
        Health::Own { ends } => return certificate(*ends, now),
        Health::Good { .. } => (State::Ok, ""),
        Health::Coming => (State::Ok, ""),
        Health::Failed { .. } => {
            (State::Warn, "mend what it says; `mailroom certificate renew` tries again at once")
        }
        Health::Urgent { ends, .. } => {
            let state = if *ends <= now { State::Wrong } else { State::Warn };
            (state, "mend what it says; `mailroom certificate renew` tries again at once")
        }
        Health::ByHand { .. } => (State::Warn, "see the records with `mailroom certificate show`"),
        Health::NoClock => (State::Warn, "let the network set the clock"),
    };
    Finding::new("certificate", state, standing(health), remedy)
}

/// What a certificate that ends then means.
pub(crate) fn certificate(ends: i64, now: i64) -> Finding {
    let soon = i64::try_from(CERTIFICATE_SOON.as_secs()).unwrap_or(i64::MAX);
    let says = |key: &str| say(key, [Value::Time(ends)]);
    let remedy = "put a new one into the tls folder of the data; no restart is needed";
    if ends <= now {
        return Finding::new("certificate", State::Wrong, says("found.certificate-over"), remedy);
    }
    if ends - now < soon {
        return Finding::new("certificate", State::Warn, says("found.certificate-soon"), remedy);
    }
    Finding::new("certificate", State::Ok, says("found.certificate"), "")
}

/// Does each port that the settings name take a connection?
fn ports(settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, port) in settings.ports.named() {
        for address in settings.listen.iter().filter(|_| port != 0) {
            let at = SocketAddr::new(reachable(*address), port);
            let what = format!("port {port} ({name})");
            found.push(match listens(at) {
                Ok(()) => Finding::new(&what, State::Ok, say("found.port", [at.into()]), ""),
                Err(error) => {
                    let said = say("found.port-shut", [at.into(), error.into()]);
                    let remedy = "was the server started with another --port-base? else restart it";
                    Finding::new(&what, State::Wrong, said, remedy)
                }
            });
        }
    }
    found
}

/// Where a server that listens on all addresses is reached from here.
pub(crate) fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}
