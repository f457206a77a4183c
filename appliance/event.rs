//! What happens, as typed events: the only way to log.
//!
//! An event goes to the standard error output through tracing, and into a ring in memory that the
//! owner can read. It carries no password, no message text and no secret. Add a variant for what
//! you need to say; its words are written for the owner of the box.

pub(crate) mod counts;
mod news;
mod said;

pub(crate) use news::News;
pub(crate) use said::{Said, look, recent, units};

use crate::clock;
use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::span;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Listening {
        unit: &'static str,
        at: SocketAddr,
    },
    Stopping,
    /// The units of mail start anew, for new settings.
    Again,
    /// A backup takes the place of the store.
    Restoring,
    /// Connections beyond a limit of limits.rs.
    ConnectionRefused {
        unit: &'static str,
        remote: SocketAddr,
        why: &'static str,
    },
    ConnectionFailed {
        unit: &'static str,
        remote: SocketAddr,
        why: String,
    },
    LoginGranted {
        unit: &'static str,
        remote: IpAddr,
        login: String,
    },
    LoginDenied {
        unit: &'static str,
        remote: IpAddr,
        login: String,
    },
    /// The password was right, and the account has as many connections as it may have.
    LoginCrowded {
        unit: &'static str,
        remote: IpAddr,
        login: String,
    },
    /// A message was taken in; the trace of `id` tells the rest.
    Received {
        id: u64,
        from: String,
        recipients: usize,
        octets: usize,
        /// By somebody of the office who logged in.
        submitted: bool,
        /// Copies that were judged to be junk.
        junk: usize,
    },
    /// A letter was taken over from another provider.
    Collected {
        id: u64,
        from: String,
        /// Whose it is, and from where.
        source: String,
        octets: usize,
        junk: bool,
    },
    /// An outside account cannot be collected from.
    CollectTrouble {
        source: String,
        why: String,
    },
    /// A delivery to one domain is done; the numbers are recipients.
    Sent {
        id: u64,
        domain: String,
        sent: usize,
        waiting: usize,
        failed: usize,
        /// For what was not sent.
        why: String,
    },
    Refused {
        remote: SocketAddr,
        from: String,
        to: String,
        reply: String,
    },
    StoreTrouble {
        doing: &'static str,
        why: String,
    },
    /// The sender of a message could not be checked; it was delivered.
    CheckTrouble {
        why: String,
    },
    /// Other name servers are asked from now on.
    NameServers {
        servers: Vec<SocketAddr>,
    },
    /// A blocklist failed its test and is not believed for now.
    BlocklistIgnored {
        zone: String,
        ipv6: bool,
        why: String,
    },
    /// What a domain asks for by DMARC was not done to the letter.
    PolicyOverridden {
        domain: String,
        by: &'static str,
        /// How often for this reason, since the start.
        times: u64,
    },
    /// The whole store was checked, and is good.
    StoreChecked {
        rows: u64,
        octets: u64,
        unjudged: u32,
    },
    /// The whole store was checked, and is not.
    StoreDamaged {
        faults: u64,
        first: String,
    },
    /// Mail of this domain leaves without a signature.
    SigningTrouble {
        domain: String,
        why: String,
    },
    CertificateReplaced {
        host: String,
    },
    CertificateTrouble {
        why: String,
    },
    UnitFailed {
        unit: &'static str,
        why: String,
    },
    /// Something of the box itself is not as it should be.
    /// A new system proved itself.
    UpdateKept {
        version: String,
    },
    BoxTrouble {
        what: String,
    },
    /// A look at the world, a day after the last, found something else than that.
    WorldChanged {
        what: String,
        meaning: String,
    },
    /// A backup was made, and can be brought back.
    BackupMade {
        name: String,
        octets: u64,
        messages: u64,
        seconds: u64,
    },
    /// There is no backup, or none that is good.
    BackupTrouble {
        why: String,
    },
    /// All of the mail is on another disk now, which the box uses from its next start on.
    MailMoved {
        name: String,
        octets: u64,
    },
    /// Something with the disks of the box was not done.
    StorageTrouble {
        why: String,
    },
    /// A box that nobody owned goes on with the mail of a disk.
    DiskAdopted {
        name: String,
    },
    /// The copy of the mail on the disk that held it before is gone.
    OldCopyRemoved,
    /// A closed account whose days were over is gone with its mail.
    AccountRemoved {
        login: String,
    },
    /// Of the system of a box.
    Update(News),
    /// A line of a child's error output.
    ChildSaid {
        line: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    Warn,
}

impl Event {
    pub(crate) fn level(&self) -> Level {
        match self {
            Self::Listening { .. }
            | Self::Stopping
            | Self::Again
            | Self::Restoring
            | Self::LoginGranted { .. }
            | Self::Received { .. }
            | Self::Collected { .. }
            | Self::NameServers { .. }
            | Self::PolicyOverridden { .. }
            | Self::StoreChecked { .. }
            | Self::CertificateReplaced { .. }
            | Self::BackupMade { .. }
            | Self::MailMoved { .. }
            | Self::OldCopyRemoved
            | Self::DiskAdopted { .. }
            | Self::AccountRemoved { .. }
            | Self::ChildSaid { .. } => Level::Info,
            Self::Sent { waiting: 0, failed: 0, .. } => Level::Info,
            Self::Update(news) => news.level(),
            _ => Level::Warn,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { unit, at } => write!(f, "{unit}: listening on {at}"),
            Self::Stopping => f.write_str("stopping"),
            Self::Restoring => f.write_str("a backup takes the place of the store: starting anew"),
            Self::Again => f.write_str("the settings have changed: starting anew"),
            Self::ConnectionRefused { unit, remote, why } => {
                write!(f, "{unit}: connection of {remote} refused: {why}")
            }
            Self::ConnectionFailed { unit, remote, why } => {
                write!(f, "{unit}: connection of {remote} ended: {why}")
            }
            Self::LoginGranted { unit, remote, login } => {
                write!(f, "{unit}: {login} logged in from {remote}")
            }
            Self::LoginDenied { unit, remote, login } => {
                write!(f, "{unit}: wrong name or password for {login:?} from {remote}")
            }
            Self::LoginCrowded { unit, remote, login } => {
                write!(f, "{unit}: {login} has too many connections for one more from {remote}")
            }
            Self::Received { id, from, recipients, octets, .. } => {
                write!(f, "mail {id:x}: {octets} octets from <{from}> for {recipients}")
            }
            Self::Collected { id, from, source, octets, .. } => {
                write!(f, "mail {id:x}: {octets} octets from <{from}>, collected for {source}")
            }
            Self::CollectTrouble { source, why } => write!(f, "collecting for {source}: {why}"),
            Self::Sent { id, domain, sent, waiting, failed, why } => {
                write!(f, "mail {id:x} to {domain}: sent to {sent}, {waiting} wait, ")?;
                write!(f, "{failed} failed")?;
                if why.is_empty() { Ok(()) } else { write!(f, ": {why}") }
            }
            Self::Refused { remote, from, to, reply } => {
                write!(f, "mail from <{from}> to <{to}> of {remote} refused: {reply}")
            }
            Self::StoreTrouble { doing, why } => write!(f, "store: {doing}: {why}"),
            Self::CheckTrouble { why } => {
                write!(f, "a message was delivered without a check of its sender: {why}")
            }
            Self::NameServers { servers } => {
                let list: Vec<String> = servers.iter().map(|at| at.ip().to_string()).collect();
                write!(f, "name servers are now {}", list.join(", "))
            }
            Self::BlocklistIgnored { zone, ipv6, why } => {
                let kind = if *ipv6 { "IPv6" } else { "IPv4" };
                write!(f, "blocklist {zone} is not asked about {kind} for now: {why}")
            }
            Self::PolicyOverridden { domain, by, times } => {
                write!(f, "the DMARC policy of {domain} was overridden: {by} (the {times}. time)")
            }
            Self::StoreChecked { rows, octets, unjudged } => checked(f, *rows, *octets, *unjudged),
            Self::SigningTrouble { domain, why } => {
                write!(f, "mail of {domain} leaves without a DKIM signature: {why}")
            }
            Self::CertificateReplaced { host } => write!(f, "certificate of {host} replaced"),
            Self::CertificateTrouble { why } => write!(f, "certificate: {why}"),
            Self::UnitFailed { unit, why } => write!(f, "{unit}: failed: {why}"),
            Self::UpdateKept { version } => write!(f, "box: version {version} proved itself"),
            Self::BoxTrouble { what } => write!(f, "box: {what}"),
            Self::WorldChanged { what, meaning } => write!(f, "changed: {what}: {meaning}"),
            Self::AccountRemoved { login } => write!(f, "{login} was closed and is gone now"),
            Self::Update(news) => write!(f, "update: {news}"),
            Self::ChildSaid { line } => f.write_str(line),
            _ => self.kept(f),
        }
    }
}

impl Event {
    /// Whether the store and its backups are good, and where it lies.
    fn kept(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StoreDamaged { faults, first } => {
                write!(f, "store: the check found {faults} faults, the first: {first}; ")?;
                f.write_str("run `mailroom verify`, and restore a backup or salvage the store")
            }
            Self::BackupMade { name, octets, messages, seconds } => {
                write!(f, "backup: {name}: {octets} octets, {messages} messages, in {seconds} s")
            }
            Self::BackupTrouble { why } => write!(f, "backup: {why}"),
            Self::MailMoved { name, octets } => {
                write!(
                    f,
                    "box: all of the mail ({octets} octets) was copied to {name}, and is good: "
                )?;
                f.write_str("the box restarts with it")
            }
            Self::StorageTrouble { why } => write!(f, "box: the disks: {why}"),
            Self::DiskAdopted { name } => write!(f, "box: it goes on with the mail on {name}"),
            Self::OldCopyRemoved => f.write_str("box: the old copy of the mail was removed"),
            _ => Ok(()),
        }
    }
}

fn checked(f: &mut fmt::Formatter<'_>, rows: u64, octets: u64, unjudged: u32) -> fmt::Result {
    write!(f, "store: all of it was checked and is good: {rows} rows, {octets} octets")?;
    if unjudged == 0 {
        return Ok(());
    }
    write!(f, "; {unjudged} things changed too often to be judged")
}

/// A log-in that was turned away, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denied {
    pub unit: &'static str,
    pub remote: IpAddr,
    pub login: String,
    /// When first and last, seconds since 1970.
    pub first: i64,
    pub last: i64,
    pub times: u64,
}

/// Log-ins that were turned away; the one whose last try is longest ago stands first. In memory
/// alone: whoever guesses must not wear out a memory card.
pub(crate) struct Guesses(VecDeque<Denied>);

static GUESSES: Mutex<Guesses> = Mutex::new(Guesses::new());

/// Says what happened.
pub(crate) fn emit(event: Event) {
    counts::add(&event);
    if let (Event::LoginDenied { unit, remote, login }, Ok(mut guesses)) = (&event, GUESSES.lock())
    {
        guesses.add(unit, *remote, login, clock::now());
    }
    let line = one_line(&event.to_string());
    match event.level() {
        Level::Info => tracing::info!("{line}"),
        Level::Warn => tracing::warn!("{line}"),
    }
    said::keep(event, clock::now());
}

impl Guesses {
    pub(crate) const fn new() -> Guesses {
        Guesses(VecDeque::new())
    }

    pub(crate) fn add(&mut self, unit: &'static str, remote: IpAddr, login: &str, now: i64) {
        let alike = |it: &Denied| it.unit == unit && it.remote == remote && it.login == login;
        let before = self.0.iter().position(alike).and_then(|at| self.0.remove(at));
        let (first, times) = before.map_or((now, 0), |before| (before.first, before.times));
        if self.0.len() >= crate::limits::DENIED_KEPT {
            self.0.pop_front();
        }
        let (login, times) = (login.to_string(), times.saturating_add(1));
        self.0.push_back(Denied { unit, remote, login, first, last: now, times });
    }

    /// The newest first.
    pub(crate) fn list(&self) -> Vec<Denied> {
        self.0.iter().rev().cloned().collect()
    }
}

/// Log-ins that were turned away since the start, the newest first.
pub(crate) fn denied() -> Vec<Denied> {
    GUESSES.lock().map(|guesses| guesses.list()).unwrap_or_default()
}

/// One event is one line, and no terminal obeys it, whatever a peer put into it.
fn one_line(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Sends events to the standard error output from now on, and panics as events.
pub(crate) fn start() {
    // Tests start it more than once in a process, and have a hook of their own.
    let first = tracing::subscriber::set_global_default(StandardError).is_ok();
    if first && !cfg!(test) {
        std::panic::set_hook(Box::new(|panic| {
            emit(Event::UnitFailed { unit: "internal error", why: panic.to_string() });
        }));
    }
}

/// One line for each event: time, level, words.
struct StandardError;

impl tracing::Subscriber for StandardError {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let at = OffsetDateTime::from_unix_timestamp(clock::now()).ok();
        let at = at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default();
        let mut line = Words(format!("{at} {:5} ", event.metadata().level()));
        event.record(&mut line);
        line.0.push('\n');
        // Nobody is left to be told when this fails.
        let _ = std::io::stderr().write_all(line.0.as_bytes());
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write;
        if field.name() == "message" {
            let _ = write!(self.0, "{}", one_line(&format!("{value:?}")));
        }
    }
}
