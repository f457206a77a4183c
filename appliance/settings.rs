//! The owner's settings: one TOML file, typed, validated, replaced atomically.
//!
//! What is wrong is told with file, line and reason, and nothing is served until it is right.

mod backup;
mod certificate;
mod checks;
mod hold;
mod later;
mod outgoing;
pub(crate) mod preset;
mod scanner;
mod secrets;
mod update;

pub(crate) use backup::Backups;
pub(crate) use certificate::{Algorithm, Certificate, Method, Update};
pub(crate) use checks::{Blocklist, BlocklistHit, Checks, Dmarc};
pub(crate) use hold::hold;
pub(crate) use outgoing::{Ipv6, Outgoing, Relay, RelayTls};
pub(crate) use scanner::{Device, Scanner, ScannerTls, Who};
pub(crate) use update::Restart;

use crate::limits;
use crate::wire::address::check_domain;
use crate::wire::sts::Mode;
use later::FORMAT;
use serde::Deserialize;
use std::fmt;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The settings, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The name of this server, as others and the certificate call it.
    pub host: String,
    /// The addresses it listens on.
    pub listen: Vec<IpAddr>,
    pub ports: Ports,
    /// More names and addresses that the box's own certificate is for.
    pub names: Vec<String>,
    /// Connections at once, in all and from one address.
    pub connections: usize,
    pub connections_per_address: usize,
    /// Recipients outside of this box that one person may write to in a day.
    pub sent_per_day: u32,
    /// The hour (UTC) at which the whole store is checked.
    pub check_hour: u8,
    pub outgoing: Outgoing,
    /// The door for devices on the LAN; `None`: shut.
    pub scanner: Option<Scanner>,
    pub checks: Checks,
    pub certificate: Certificate,
    pub backup: Backups,
    /// What others are asked to do when mail to us cannot be encrypted. RFC 8461 5
    pub mta_sts: Mode,
    /// Of a box, into an update.
    pub restart: Restart,
    /// What a later version wrote into the file and this one does not know, by name.
    pub passed_over: Vec<String>,
}

/// The port of each protocol; 0: not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    pub smtp: u16,
    pub submission: u16,
    pub submissions: u16,
    pub imap: u16,
    pub imaps: u16,
    pub pop3: u16,
    pub pop3s: u16,
    /// The pages: one in clear that leads to the other.
    pub http: u16,
    pub https: u16,
}

impl Ports {
    /// The well-known ports.
    pub(crate) const WELL_KNOWN: Ports = Ports {
        smtp: 25,
        submission: 587,
        submissions: 465,
        imap: 143,
        imaps: 993,
        pop3: 110,
        pop3s: 995,
        http: 80,
        https: 443,
    };

    /// Each with its name, as the settings and the demonstration call it.
    pub(crate) fn named(self) -> [(&'static str, u16); 9] {
        let Ports { smtp, submission, submissions, imap, imaps, pop3, pop3s, http, https } = self;
        [
            ("smtp", smtp),
            ("submission", submission),
            ("submissions", submissions),
            ("imap", imap),
            ("imaps", imaps),
            ("pop3", pop3),
            ("pop3s", pop3s),
            ("http", http),
            ("https", https),
        ]
    }

    /// Each as far above `base` as it is above 0; `None` when that leaves no port.
    pub(crate) fn above(base: u16) -> Option<Ports> {
        let known = Self::WELL_KNOWN;
        Some(Ports {
            smtp: base.checked_add(known.smtp)?,
            submission: base.checked_add(known.submission)?,
            submissions: base.checked_add(known.submissions)?,
            imap: base.checked_add(known.imap)?,
            imaps: base.checked_add(known.imaps)?,
            pop3: base.checked_add(known.pop3)?,
            pop3s: base.checked_add(known.pop3s)?,
            http: base.checked_add(known.http)?,
            https: base.checked_add(known.https)?,
        })
    }
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingsError {
    pub path: PathBuf,
    /// From 1; `None` when it is about the whole file.
    pub line: Option<usize>,
    pub why: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path.display(), self.why),
            None => write!(f, "{}: {}", self.path.display(), self.why),
        }
    }
}

impl std::error::Error for SettingsError {}

/// Reads and checks the settings in `path`.
pub(crate) fn load(path: &Path) -> Result<Settings, SettingsError> {
    let whole = |why: String| SettingsError { path: path.to_path_buf(), line: None, why };
    let octets = std::fs::read(path).map_err(|error| whole(error.to_string()))?;
    if octets.len() > limits::SETTINGS_BYTES {
        return Err(whole("is larger than 256 KiB".to_string()));
    }
    let text = String::from_utf8(octets).map_err(|_| whole("is not UTF-8".to_string()))?;
    parse(&text).map_err(|fault| SettingsError {
        path: path.to_path_buf(),
        line: fault.at.map(|at| line_of(&text, at.start)),
        why: fault.why,
    })
}

/// The settings of a text; `None` where it is none.
pub(crate) fn read(text: &str) -> Option<Settings> {
    parse(text).ok()
}

/// A settings file with these values and words for the owner.
pub(crate) fn print(settings: &Settings) -> String {
    let list = |items: Vec<String>| {
        items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", ")
    };
    let listen = list(settings.listen.iter().map(IpAddr::to_string).collect());
    let names = list(settings.names.clone());
    let ports = settings.ports.named().map(|(name, port)| format!("{name} = {port}\n")).concat();
    format!(
        "# Settings of this mail server. Read at its start.\n\
         \n\
         # Of this file: in one of a later version, names that are not known are passed over.\n\
         format = {FORMAT}\n\
         # The server's name, as other servers and its certificate call it.\n\
         host = {:?}\n\
         # The addresses it listens on; [\"0.0.0.0\", \"::\"] is every one.\n\
         listen = [{listen}]\n\
         \n\
         # A port of 0 is not served.\n\
         [ports]\n\
         {ports}\
         \n\
         [tls]\n\
         # More names and addresses that the box's own certificate is for.\n\
         names = [{names}]\n\
         \n\
         [limits]\n\
         # Connections at once, in all and from one address.\n\
         connections = {}\n\
         connections_per_address = {}\n\
         # Recipients outside of this box that one person may write to in a day.\n\
         sent_per_day = {}\n\
         \n\
         [store]\n\
         # The hour (UTC, 0 to 23) at which all of it is checked, slowly.\n\
         check_hour = {}\n",
        settings.host,
        settings.connections,
        settings.connections_per_address,
        settings.sent_per_day,
        settings.check_hour,
    ) + &outgoing::print(&settings.outgoing)
        + &scanner::print(settings.scanner.as_ref())
        + &checks::print(&settings.checks)
        + &certificate::print(&settings.certificate)
        + &backup::print(&settings.backup)
        + &print_public(settings.mta_sts)
        + &update::print(settings.restart)
}

/// Replaces a file whole or not at all, readable by the server alone.
pub(crate) fn replace_file(path: &Path, octets: &[u8]) -> std::io::Result<()> {
    let _replacing = hold::replacing(path)?;
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(octets)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

impl Settings {
    /// For a first start on this machine alone.
    pub(crate) fn first(host: &str, ports: Ports) -> Self {
        Self {
            host: host.to_string(),
            listen: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            ports,
            names: Vec::new(),
            connections: limits::CONNECTIONS_TOTAL,
            connections_per_address: limits::CONNECTIONS_PER_ADDRESS,
            sent_per_day: limits::SENT_PER_DAY,
            check_hour: limits::CHECK_HOUR,
            outgoing: Outgoing::default(),
            scanner: None,
            checks: Checks::default(),
            certificate: Certificate::default(),
            backup: Backups::default(),
            mta_sts: Mode::Testing,
            restart: Restart::default(),
            passed_over: Vec::new(),
        }
    }
}

// ---- the file as it is written ----

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: Option<Spanned<u32>>,
    host: Spanned<String>,
    #[serde(default)]
    listen: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    ports: WrittenPorts,
    #[serde(default)]
    tls: WrittenTls,
    #[serde(default)]
    limits: WrittenLimits,
    #[serde(default)]
    store: WrittenStore,
    #[serde(default)]
    outgoing: outgoing::WrittenOutgoing,
    scanner: Option<Spanned<scanner::WrittenScanner>>,
    #[serde(default)]
    checks: checks::WrittenChecks,
    #[serde(default)]
    certificate: certificate::WrittenCertificate,
    #[serde(default)]
    backup: backup::WrittenBackup,
    #[serde(default)]
    public: WrittenPublic,
    #[serde(default)]
    update: update::WrittenUpdate,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct WrittenPorts {
    smtp: Option<Spanned<u16>>,
    submission: Option<Spanned<u16>>,
    submissions: Option<Spanned<u16>>,
    imap: Option<Spanned<u16>>,
    imaps: Option<Spanned<u16>>,
    pop3: Option<Spanned<u16>>,
    pop3s: Option<Spanned<u16>>,
    http: Option<Spanned<u16>>,
    https: Option<Spanned<u16>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct WrittenTls {
    #[serde(default)]
    names: Vec<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct WrittenLimits {
    connections: Option<Spanned<usize>>,
    connections_per_address: Option<Spanned<usize>>,
    sent_per_day: Option<Spanned<u32>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct WrittenStore {
    check_hour: Option<Spanned<u8>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct WrittenPublic {
    mta_sts: Option<Spanned<String>>,
}

struct Fault {
    at: Option<Range<usize>>,
    why: String,
}

fn fault<T>(at: &Spanned<T>, why: impl Into<String>) -> Fault {
    Fault { at: Some(at.span()), why: why.into() }
}

fn parse(text: &str) -> Result<Settings, Fault> {
    let (written, passed_over) = written(text)?;
    if let Some(format) = written.format.as_ref().filter(|format| *format.get_ref() == 0) {
        return Err(fault(format, "must be from 1"));
    }
    let host = name(&written.host)?;
    let listen = match &written.listen {
        Some(list) => list.iter().map(address).collect::<Result<Vec<_>, _>>()?,
        None => vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
    };
    if listen.is_empty() {
        let why = "listen names no address: nobody could reach the server".to_string();
        return Err(Fault { at: text.find("listen").map(|at| at..at), why });
    }
    let names = written.tls.names.iter().map(name).collect::<Result<Vec<_>, _>>()?;
    let limits = &written.limits;
    let connections = count(&limits.connections, limits::CONNECTIONS_TOTAL)?;
    let per_address = count(&limits.connections_per_address, limits::CONNECTIONS_PER_ADDRESS)?;
    let ports = ports(&written.ports)?;
    Ok(Settings {
        host,
        listen,
        ports,
        names,
        connections,
        connections_per_address: per_address,
        sent_per_day: sent_per_day(limits)?,
        check_hour: check_hour(&written.store)?,
        outgoing: outgoing::outgoing(&written.outgoing)?,
        scanner: written.scanner.as_ref().map(scanner::scanner).transpose()?,
        checks: checks::checks(&written.checks)?,
        certificate: certificate::certificate(&written.certificate)?,
        backup: backup::backups(&written.backup)?,
        mta_sts: mta_sts(&written.public)?,
        restart: update::restart(&written.update)?,
        passed_over,
    })
}

/// The file, and the names in it that only a later version knows.
fn written(text: &str) -> Result<(Written, Vec<String>), Fault> {
    let is_later = later::is_later(text);
    let (mut text, mut passed_over) = (text.to_string(), Vec::new());
    loop {
        let error = match toml::from_str(&text) {
            Ok(written) => return Ok((written, passed_over)),
            Err(error) => error,
        };
        let fault = Fault { at: error.span(), why: error.message().to_string() };
        let is_unknown = fault.why.starts_with("unknown field") && is_later;
        if !is_unknown || passed_over.len() >= limits::SETTINGS_PASSED_OVER {
            return Err(fault);
        }
        let Some((rest, name)) = fault.at.as_ref().and_then(|at| later::without(&text, at)) else {
            return Err(fault);
        };
        text = rest;
        passed_over.push(name);
    }
}

/// A host name or an address.
fn name(written: &Spanned<String>) -> Result<String, Fault> {
    let text = written.get_ref();
    if text.parse::<IpAddr>().is_ok() {
        return Ok(text.clone());
    }
    let ascii_name = |name: &String| name.is_ascii() && !name.starts_with('[');
    match check_domain(text) {
        Ok(name) if ascii_name(&name) => Ok(name),
        _ => Err(fault(written, format!("{text:?} is not a host name such as mail.example.org"))),
    }
}

fn address(written: &Spanned<String>) -> Result<IpAddr, Fault> {
    let text = written.get_ref();
    text.parse().map_err(|_| fault(written, format!("{text:?} is not an IP address")))
}

fn count(written: &Option<Spanned<usize>>, most: usize) -> Result<usize, Fault> {
    match written {
        None => Ok(most),
        Some(count) if (1..=most).contains(count.get_ref()) => Ok(*count.get_ref()),
        Some(count) => Err(fault(count, format!("must be from 1 to {most}"))),
    }
}

fn sent_per_day(written: &WrittenLimits) -> Result<u32, Fault> {
    let most = limits::SENT_PER_DAY_AT_MOST;
    match &written.sent_per_day {
        None => Ok(limits::SENT_PER_DAY),
        Some(count) if (1..=most).contains(count.get_ref()) => Ok(*count.get_ref()),
        Some(count) => Err(fault(count, format!("must be from 1 to {most}"))),
    }
}

fn check_hour(written: &WrittenStore) -> Result<u8, Fault> {
    match &written.check_hour {
        None => Ok(limits::CHECK_HOUR),
        Some(hour) if *hour.get_ref() < 24 => Ok(*hour.get_ref()),
        Some(hour) => Err(fault(hour, "must be from 0 to 23")),
    }
}

fn mta_sts(written: &WrittenPublic) -> Result<Mode, Fault> {
    let Some(written) = &written.mta_sts else { return Ok(Mode::Testing) };
    match written.get_ref().as_str() {
        "enforce" => Ok(Mode::Enforce),
        "testing" => Ok(Mode::Testing),
        "none" => Ok(Mode::None),
        other => Err(fault(written, format!("{other:?} is none of enforce, testing, none"))),
    }
}

fn print_public(mta_sts: Mode) -> String {
    format!(
        "\n[public]\n\
         # What others do when they cannot encrypt mail to this box (MTA-STS): \"enforce\" (they \
         wait and\n\
         # send it back), \"testing\" (they send it all the same, and tell), \"none\".\n\
         mta_sts = \"{mta_sts}\"\n"
    )
}

fn ports(written: &WrittenPorts) -> Result<Ports, Fault> {
    let known = Ports::WELL_KNOWN;
    let all = [
        &written.smtp,
        &written.submission,
        &written.submissions,
        &written.imap,
        &written.imaps,
        &written.pop3,
        &written.pop3s,
        &written.http,
        &written.https,
    ];
    let mut seen: Vec<u16> = Vec::new();
    for port in all.into_iter().flatten().filter(|port| *port.get_ref() != 0) {
        if seen.contains(port.get_ref()) {
            return Err(fault(port, format!("port {} is given twice", port.get_ref())));
        }
        seen.push(*port.get_ref());
    }
    let or =
        |port: &Option<Spanned<u16>>, known: u16| port.as_ref().map_or(known, |p| *p.get_ref());
    Ok(Ports {
        smtp: or(&written.smtp, known.smtp),
        submission: or(&written.submission, known.submission),
        submissions: or(&written.submissions, known.submissions),
        imap: or(&written.imap, known.imap),
        imaps: or(&written.imaps, known.imaps),
        pop3: or(&written.pop3, known.pop3),
        pop3s: or(&written.pop3s, known.pop3s),
        http: or(&written.http, known.http),
        https: or(&written.https, known.https),
    })
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|octet| *octet == b'\n').count() + 1
}
