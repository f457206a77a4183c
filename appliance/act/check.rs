//! `mailroom check`: looks at this machine, and at what the world sees of it, and says of each
//! thing whether it is right, what that means and what to do.

pub(crate) mod published;
pub(crate) mod reach;
pub(crate) mod world;

use super::call::{self, SOCKET, STORE};
use super::certificate::{told, view};
use super::dns;
use super::failure::Failure;
use super::outbox::{OutboxAct, OutgoingView};
use super::words::{date_time, octets};
use super::{LastCheck, Reply, Request};
use crate::limits::{
    CERTIFICATE_SOON, CHECK_OLD_SECONDS, DISK_LOW_PERCENT, DISK_RESERVE_BYTES, OUTBOX_LOOK,
    OUTBOX_OLD_SECONDS, STORE_WORTH_COMPACTING_BYTES,
};
use crate::net::acme::plan::Health;
use crate::net::tls;
use crate::net::unix::{Caller, listens};
use crate::settings::{self, Ports, Settings};
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
}

/// What a finding says that is about a question nobody answered.
const UNKNOWN: &str = "it cannot be looked up";

impl Finding {
    /// Nothing was found out.
    pub(crate) fn is_unknown(&self) -> bool {
        self.meaning.starts_with(UNKNOWN)
    }

    fn new(what: &str, state: State, meaning: impl Into<String>, remedy: &str) -> Finding {
        let remedy = remedy.to_string();
        Finding { what: what.to_string(), state, meaning: meaning.into(), remedy }
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

/// What is told without a look at ports or at the world: it takes a moment.
pub(crate) fn of_itself(data: &Path, ask: Ask<'_>, now: i64) -> Vec<Finding> {
    let mut found = vec![clock(now), space(data), store(ask)];
    found.extend(last_check(ask, now));
    found.extend(outbox(ask, now));
    let settings = settings::load(&data.join("mailroom.toml"));
    found.push(match &settings {
        Ok(settings) => {
            Finding::new("settings", State::Ok, format!("this is {}", settings.host), "")
        }
        Err(error) => {
            let meaning = format!("{error}; the server will not start");
            let remedy = "mend the file, or remove it to begin with the defaults";
            Finding::new("settings", State::Wrong, meaning, remedy)
        }
    });
    found.push(certificate_in_use(data, settings.ok().as_ref(), now));
    found
}

/// What the world sees of it.
fn outside(data: &Path, settings: &Settings, now: i64) -> Vec<Finding> {
    if dns::is_unknown_outside(&settings.host) {
        let meaning =
            format!("{} is no name for the world: nothing outside to look at", settings.host);
        let remedy = "set host in mailroom.toml to a name such as mail.example.org";
        return vec![Finding::new("world", State::Warn, meaning, remedy)];
    }
    match dns::published(data, settings, now) {
        Ok(domains) => world::look(settings, domains),
        Err(failure) => {
            let meaning = format!("{}: {}", failure.what, failure.why);
            vec![Finding::new("world", State::Wrong, meaning, &failure.remedy)]
        }
    }
}

pub(crate) fn clock(now: i64) -> Finding {
    let says = format!("it is {} UTC", date_time(now));
    if (THIS_VERSION..FAR_FUTURE).contains(&now) {
        return Finding::new("clock", State::Ok, says, "");
    }
    let meaning = format!("{says}, which cannot be: certificates and dates of mail will be wrong");
    Finding::new("clock", State::Wrong, meaning, "set the clock, or let the network set it")
}

fn space(data: &Path) -> Finding {
    let stat = match nix::sys::statvfs::statvfs(data) {
        Ok(stat) => stat,
        Err(error) => {
            let meaning = format!("{} cannot be read: {error}", data.display());
            let remedy = "name the data folder with --data, or make it with `mailroom serve`";
            return Finding::new("space", State::Wrong, meaning, remedy);
        }
    };
    let size = stat.blocks() * stat.fragment_size();
    let left = stat.blocks_available() * stat.fragment_size();
    space_left(left, size)
}

/// What so many octets left on a disk of `size` mean.
pub(crate) fn space_left(left: u64, size: u64) -> Finding {
    let says = format!("{} of {} are free", octets(left), octets(size));
    let remedy = "delete mail and run `mailroom compact`, or move the data to a larger disk";
    if left < DISK_RESERVE_BYTES {
        let meaning = format!("{says}: new mail is refused until there is room");
        return Finding::new("space", State::Wrong, meaning, remedy);
    }
    if left.saturating_mul(100) < size.saturating_mul(DISK_LOW_PERCENT) {
        let meaning = format!("{says}: mail is taken, but not for long");
        return Finding::new("space", State::Warn, meaning, remedy);
    }
    Finding::new("space", State::Ok, says, "")
}

/// Can the store be read, and is much of its file empty?
fn store(ask: Ask<'_>) -> Finding {
    match ask(Request::Space) {
        Ok(Reply::Space { file, free, .. }) => store_file(file, free),
        Ok(_) => Finding::new("store", State::Wrong, "the server answers another question", ""),
        Err(failure) => {
            let meaning = format!("{}: {}", failure.what, failure.why);
            Finding::new("store", State::Wrong, meaning, &failure.remedy)
        }
    }
}

/// What a file of so many octets, of which so many are free, means.
pub(crate) fn store_file(file: u64, free: u64) -> Finding {
    let says = format!("it takes {}, of which {} wait for new mail", octets(file), octets(free));
    if file < STORE_WORTH_COMPACTING_BYTES || free < file / 2 {
        return Finding::new("store", State::Ok, says, "");
    }
    let remedy = "`mailroom compact` gives the room back to the disk";
    Finding::new("store", State::Warn, says, remedy)
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
        let meaning = "not yet: the server does it at night";
        return Finding::new(WHAT, State::Ok, meaning, "");
    };
    let at = format!("{} UTC", date_time(last.at));
    if last.faults > 0 {
        let first = last.told.first().map(String::as_str).unwrap_or_default();
        let meaning = format!("{at}: {} faults, the first: {first}", last.faults);
        let remedy = "run `mailroom verify`, and restore a backup or salvage the store";
        return Finding::new(WHAT, State::Wrong, meaning, remedy);
    }
    if now.saturating_sub(last.at) > CHECK_OLD_SECONDS {
        let meaning = format!("{at}: all was good, but that is long ago");
        let remedy = "let the server run, which checks it at night, or run `mailroom verify`";
        return Finding::new(WHAT, State::Warn, meaning, remedy);
    }
    Finding::new(WHAT, State::Ok, format!("{at}: all is good"), "")
}

fn server(data: &Path) -> Finding {
    if Caller::call(&data.join(SOCKET)).is_ok() {
        return Finding::new("server", State::Ok, "it runs and answers", "");
    }
    let (meaning, remedy) = if data.join(STORE).exists() {
        ("it does not run: no mail is taken", "start it: mailroom serve")
    } else {
        ("it was never started here", "start it: mailroom serve --data DIR")
    };
    Finding::new("server", State::Wrong, meaning, remedy)
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
    let at_least = if waiting.len() >= OUTBOX_LOOK { "at least " } else { "" };
    let mut says = match waiting.len() {
        0 => return Finding::new(WHAT, State::Ok, "nothing waits to be sent", ""),
        1 => "one message waits to be sent".to_string(),
        some => format!("{at_least}{some} messages wait to be sent"),
    };
    if held > 0 {
        says.push_str(&format!(", {held} of them held by you"));
    }
    let oldest = waiting.iter().filter(|view| !is_held(view)).map(|view| view.created).min();
    match oldest.filter(|oldest| now.saturating_sub(*oldest) > OUTBOX_OLD_SECONDS) {
        Some(oldest) => {
            let meaning = format!("{says}; the oldest since {} UTC", date_time(oldest));
            let remedy = "see why with `mailroom outbox list`";
            Finding::new(WHAT, State::Warn, meaning, remedy)
        }
        None => Finding::new(WHAT, State::Ok, says, ""),
    }
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
    found.unwrap_or_else(|why| Finding::new("certificate", State::Wrong, why, remedy))
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
    Finding::new("certificate", state, told(health), remedy)
}

/// What a certificate that ends then means.
pub(crate) fn certificate(ends: i64, now: i64) -> Finding {
    let soon = i64::try_from(CERTIFICATE_SOON.as_secs()).unwrap_or(i64::MAX);
    let until = format!("{} UTC", date_time(ends));
    let remedy = "put a new one into the tls folder of the data; no restart is needed";
    if ends <= now {
        let meaning = format!("it ended {until}: clients refuse to connect");
        return Finding::new("certificate", State::Wrong, meaning, remedy);
    }
    if ends - now < soon {
        let meaning = format!("it ends {until}");
        return Finding::new("certificate", State::Warn, meaning, remedy);
    }
    Finding::new("certificate", State::Ok, format!("valid until {until}"), "")
}

/// Does each port that the settings name take a connection?
fn ports(settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, port) in settings.ports.named() {
        for address in settings.listen.iter().filter(|_| port != 0) {
            let at = SocketAddr::new(reachable(*address), port);
            let what = format!("port {port} ({name})");
            found.push(match listens(at) {
                Ok(()) => Finding::new(&what, State::Ok, format!("{at} takes connections"), ""),
                Err(error) => {
                    let meaning = format!("{at} takes no connection: {error}");
                    let remedy = "was the server started with another --port-base? else restart it";
                    Finding::new(&what, State::Wrong, meaning, remedy)
                }
            });
        }
    }
    found
}

/// Where a server that listens on all addresses is reached from here.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}
