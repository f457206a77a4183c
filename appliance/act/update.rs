//! Updates of the system, as far as the server has to do with them: it reads how they stand, takes
//! a file in, and tells PID 1 what the owner wants. What a file is, PID 1 finds out.
//!
//! ```text
//! begin     is anything in the way? is there room?
//! take ..   the first octets are those of a bundle; DATA/update.mru.new, 0600
//! end       on the disk; DATA/update.mru; PID 1 is told
//!           -> PID 1 checks, installs and tells how far it is (update::state)
//! ```

use super::Reply;
use super::failure::{Failure, Kind};
use super::words::{date_time, octets, plain, table};
use crate::limits;
use crate::request::UpdateAct;
use crate::update::bundle::{BUNDLE_BYTES, MAGIC};
use crate::update::slot::Standing;
use crate::update::state::{self, Outcome, Past, SENT, Step, Told, Way, Work};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UpdateOrder {
    Show,
    /// Take this file in and give it to PID 1.
    Take {
        file: PathBuf,
    },
    /// Install the file that was refused, although it is older or the same.
    Consent {
        /// Of the file that was refused.
        version: String,
    },
    /// Restart into the system that is installed.
    Now,
    /// Restart into the older system in the other slot.
    Back,
}

/// Says something to PID 1.
pub(crate) type Say = Box<dyn Fn(UpdateAct) -> io::Result<()> + Send + Sync>;

/// Where PID 1 tells how updates stand, and how it is spoken to.
pub(crate) struct Init {
    pub state: PathBuf,
    pub say: Say,
}

/// Shared by the pages, the calls and the control socket.
pub(crate) struct Updates {
    data: PathBuf,
    /// `None`: this server is no box.
    init: Option<Init>,
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    coming: Option<Coming>,
    broken_off: bool,
    asked: Option<(Asked, Told)>,
}

/// A file on its way here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Coming {
    /// Octets that are here, of how many.
    pub octets: u64,
    pub of: u64,
}

/// What PID 1 was asked for, and has not begun as far as can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub what: Wish,
    /// Seconds since 1970.
    pub at: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wish {
    Take,
    Consent,
    Now,
    Back,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct UpdateView {
    /// What PID 1 tells.
    pub system: Told,
    pub coming: Option<Coming>,
    /// The last file that was sent did not come whole.
    pub broken_off: bool,
    pub asked: Option<Asked>,
}

/// Why the server does not do what is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hindrance {
    NoBox,
    /// How updates stand cannot be read.
    Untold(String),
    /// Another file is coming.
    Coming,
    /// One is being installed, or PID 1 was just asked for something.
    Working,
    /// One is installed and waits for the restart.
    Waits,
    /// What runs is on trial.
    OnTrial,
    /// No octet came.
    Nothing,
    /// It does not begin as update files do.
    Foreign,
    Large,
    NoRoom,
    Disk(String),
    /// PID 1 does not listen.
    Unheard(String),
    /// No file of this version was refused that would be installed all the same.
    NothingRefused(String),
    NothingWaits,
    /// There is no older system.
    NothingBehind,
}

impl Updates {
    pub(crate) fn new(data: &Path, init: Option<Init>) -> Updates {
        Updates { data: data.to_path_buf(), init, desk: Mutex::default() }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_of_box(&self) -> bool {
        self.init.is_some()
    }

    /// What PID 1 tells. It may be a moment old.
    pub(crate) fn told(&self) -> Result<Told, Hindrance> {
        let init = self.init.as_ref().ok_or(Hindrance::NoBox)?;
        let most = limits::UPDATE_STATE_BYTES as u64 + 1;
        let mut content = Vec::new();
        let read = File::open(&init.state).and_then(|it| it.take(most).read_to_end(&mut content));
        read.map_err(|error| Hindrance::Untold(error.to_string()))?;
        state::parse(&content).map_err(Hindrance::Untold)
    }

    /// All that is known; `now` in seconds since 1970.
    pub(crate) fn view(&self, now: i64) -> Result<UpdateView, Hindrance> {
        let system = self.told()?;
        let mut desk = self.desk();
        let wait = |asked: &Asked| match asked.what {
            Wish::Take | Wish::Consent => limits::UPDATE_BEGINS_SECONDS,
            // The box restarts.
            Wish::Now | Wish::Back => limits::UPDATE_RESTARTS_SECONDS,
        };
        let over = |(asked, before): &mut (Asked, Told)| {
            *before != system || !(0..wait(asked)).contains(&now.saturating_sub(asked.at))
        };
        drop(desk.asked.take_if(over));
        let asked = desk.asked.as_ref().map(|(asked, _)| *asked);
        let (coming, broken_off) = (desk.coming, desk.broken_off);
        Ok(UpdateView { system, coming, broken_off, asked })
    }

    /// Does what the owner orders.
    pub(crate) fn act(&self, order: UpdateOrder, now: i64) -> Result<Reply, Failure> {
        let done = match order {
            UpdateOrder::Show => Ok(()),
            UpdateOrder::Take { file } => self.take_file(&file, now),
            UpdateOrder::Consent { version } => self.consent(version, now),
            UpdateOrder::Now => self.restart(now),
            UpdateOrder::Back => self.back(now),
        };
        let view = done.and_then(|()| self.view(now)).map_err(Failure::from)?;
        Ok(Reply::Update(Box::new(view)))
    }

    /// Another stick may have come since the owner looked.
    fn consent(&self, version: String, now: i64) -> Result<(), Hindrance> {
        let told = self.at_rest(now)?;
        let refused = told.refused.as_ref().filter(|refused| refused.consent);
        let there = refused.and_then(|refused| refused.version.as_ref());
        match there.is_some_and(|it| it.to_string() == version) {
            true => self.ask(Wish::Consent, told, now),
            false => Err(Hindrance::NothingRefused(version)),
        }
    }

    /// Restarts into the system that is installed.
    pub(crate) fn restart(&self, now: i64) -> Result<(), Hindrance> {
        let told = self.view(now)?.system;
        match told.work.as_ref().is_some_and(|work| work.step == Step::Installed) {
            true => self.ask(Wish::Now, told, now),
            false => Err(Hindrance::NothingWaits),
        }
    }

    fn back(&self, now: i64) -> Result<(), Hindrance> {
        let told = self.at_rest(now)?;
        match told.other.is_some() {
            true => self.ask(Wish::Back, told, now),
            false => Err(Hindrance::NothingBehind),
        }
    }

    /// What PID 1 tells, when nothing is under way.
    fn at_rest(&self, now: i64) -> Result<Told, Hindrance> {
        let UpdateView { system, coming, asked, .. } = self.view(now)?;
        if coming.is_some() {
            return Err(Hindrance::Coming);
        }
        match system.work.as_ref().map(|work| work.step) {
            Some(Step::Installed) => Err(Hindrance::Waits),
            Some(_) => Err(Hindrance::Working),
            None if asked.is_some() => Err(Hindrance::Working),
            None if system.standing == Standing::OnTrial => Err(Hindrance::OnTrial),
            None => Ok(system),
        }
    }

    fn ask(&self, what: Wish, before: Told, now: i64) -> Result<(), Hindrance> {
        let init = self.init.as_ref().ok_or(Hindrance::NoBox)?;
        let act = match what {
            Wish::Take => UpdateAct::Take,
            Wish::Consent => UpdateAct::Consent,
            Wish::Now => UpdateAct::Now,
            Wish::Back => UpdateAct::Back,
        };
        // Before it is said: PID 1 may be quick.
        self.desk().asked = Some((Asked { what, at: now }, before));
        (init.say)(act).map_err(|error| {
            self.desk().asked = None;
            Hindrance::Unheard(error.to_string())
        })
    }

    // ---- a file ----

    /// A file of so many octets comes; perhaps a few of them are not its own.
    pub(crate) fn begin(&self, of: u64, now: i64) -> Result<Arrival<'_>, Hindrance> {
        let before = self.at_rest(now)?;
        if of == 0 {
            return Err(Hindrance::Nothing);
        }
        if of > BUNDLE_BYTES + limits::WEB_BODY_BYTES {
            return Err(Hindrance::Large);
        }
        if room(&self.data) < of.saturating_add(limits::DISK_RESERVE_BYTES) {
            return Err(Hindrance::NoRoom);
        }
        let mut desk = self.desk();
        if desk.coming.is_some() {
            return Err(Hindrance::Coming);
        }
        (desk.coming, desk.broken_off) = (Some(Coming { octets: 0, of }), false);
        drop(desk);
        Ok(Arrival { updates: self, before, head: Vec::new(), file: None, octets: 0 })
    }

    fn take_file(&self, path: &Path, now: i64) -> Result<(), Hindrance> {
        // Before the file is looked for: here it may not matter what is in it.
        self.at_rest(now)?;
        let disk = |error: io::Error| Hindrance::Disk(error.to_string());
        let mut file = File::open(path).map_err(disk)?;
        let meta = file.metadata().map_err(disk)?;
        if !meta.is_file() {
            return Err(Hindrance::Foreign);
        }
        let mut arrival = self.begin(meta.len(), now)?;
        let mut piece = vec![0; limits::READ_CHUNK_BYTES];
        loop {
            match file.read(&mut piece).map_err(disk)? {
                0 => return arrival.end(now),
                count => arrival.take(piece.get(..count).unwrap_or_default())?,
            }
        }
    }

    fn coming_file(&self) -> PathBuf {
        self.data.join(format!("{SENT}.new"))
    }
}

/// A file while it comes in. Dropped before its end it is gone.
pub(crate) struct Arrival<'a> {
    updates: &'a Updates,
    before: Told,
    /// Until it is clear what it is nothing is written.
    head: Vec<u8>,
    file: Option<File>,
    octets: u64,
}

impl Arrival<'_> {
    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<(), Hindrance> {
        self.octets += piece.len() as u64;
        if self.octets > BUNDLE_BYTES {
            return Err(Hindrance::Large);
        }
        match &mut self.file {
            Some(file) => file.write_all(piece).map_err(|error| wrong(&error))?,
            None => {
                self.head.extend(piece);
                if !MAGIC.starts_with(&self.head) && !self.head.starts_with(&MAGIC) {
                    return Err(Hindrance::Foreign);
                }
                if self.head.starts_with(&MAGIC) {
                    let mut options = std::fs::OpenOptions::new();
                    options.write(true).create(true).truncate(true).mode(0o600);
                    let file = options.open(self.updates.coming_file());
                    let file = self.file.insert(file.map_err(|error| wrong(&error))?);
                    file.write_all(&self.head).map_err(|error| wrong(&error))?;
                    self.head = Vec::new();
                }
            }
        }
        if let Some(coming) = &mut self.updates.desk().coming {
            coming.octets = self.octets.min(coming.of);
        }
        Ok(())
    }

    /// It did not come whole: the next view says so.
    pub(crate) fn break_off(self) {
        self.updates.desk().broken_off = true;
    }

    /// It is whole: PID 1 takes it.
    pub(crate) fn end(mut self, now: i64) -> Result<(), Hindrance> {
        let Some(file) = self.file.take() else {
            let none = self.octets == 0;
            return Err(if none { Hindrance::Nothing } else { Hindrance::Foreign });
        };
        let (new, sent) = (self.updates.coming_file(), self.updates.data.join(SENT));
        let kept = file.sync_all().and_then(|()| std::fs::rename(&new, &sent));
        let kept = kept.and_then(|()| File::open(&self.updates.data)?.sync_all());
        kept.map_err(|error| wrong(&error))?;
        let asked = self.updates.ask(Wish::Take, self.before.clone(), now);
        if asked.is_err() {
            let _ = std::fs::remove_file(&sent);
        }
        asked
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        // Once it is whole it has another name.
        let _ = std::fs::remove_file(self.updates.coming_file());
        self.updates.desk().coming = None;
    }
}

fn wrong(error: &io::Error) -> Hindrance {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Hindrance::NoRoom,
        _ => Hindrance::Disk(error.to_string()),
    }
}

/// Octets that are free on the disk of a folder.
fn room(data: &Path) -> u64 {
    let stat = nix::sys::statvfs::statvfs(data);
    stat.map_or(0, |stat| stat.blocks_available().saturating_mul(stat.fragment_size()))
}

// ---- in words ----

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBox => "this server is not a box",
            Self::Untold(why) => return write!(f, "the box does not tell how it stands: {why}"),
            Self::Coming => "another update file is being sent here",
            Self::Working => "an update is being installed",
            Self::Waits => "an update is installed and waits for the restart",
            Self::OnTrial => "the version that runs is still on trial",
            Self::Nothing => "no octet came",
            Self::Foreign => "this is not an update file of Mailroom",
            Self::Large => "it is larger than any update file",
            Self::NoRoom => "the disk has no room for it",
            Self::Disk(why) => return write!(f, "it cannot be kept: {why}"),
            Self::Unheard(why) => return write!(f, "PID 1 does not listen: {why}"),
            Self::NothingRefused(version) => {
                let version = plain(version);
                return write!(
                    f,
                    "no file of version {version} was refused that could be installed all the same"
                );
            }
            Self::NothingWaits => "no update waits for a restart",
            Self::NothingBehind => "there is no older system on the box",
        })
    }
}

impl From<Hindrance> for Failure {
    fn from(hindrance: Hindrance) -> Failure {
        let (remedy, kind) = match &hindrance {
            Hindrance::NoBox => ("update it as it was installed", Kind::Missing),
            Hindrance::Untold(_) => ("wait a minute; else restart the box", Kind::Trouble),
            Hindrance::Coming | Hindrance::Working => ("wait until that is done", Kind::Exists),
            Hindrance::Waits => ("restart first: mailroom update --now", Kind::Exists),
            Hindrance::OnTrial => ("wait some minutes, until it is proven", Kind::Exists),
            Hindrance::Nothing | Hindrance::Foreign | Hindrance::Large => {
                ("take the file whose name ends in .mru, as it was published", Kind::Wrong)
            }
            Hindrance::NoRoom => ("make room, or use a USB stick", Kind::Full),
            Hindrance::Disk(_) => ("", Kind::Trouble),
            Hindrance::Unheard(_) => ("restart the box", Kind::Trouble),
            Hindrance::NothingRefused(_) | Hindrance::NothingWaits | Hindrance::NothingBehind => {
                ("see how it stands: mailroom update", Kind::Missing)
            }
        };
        Failure::new("cannot update", hindrance, remedy).of_kind(kind)
    }
}

/// For the command line.
pub(crate) fn printed(view: &UpdateView) -> String {
    let Told {
        board, version, kernel, built, slot, standing, other, work, refused, history, ..
    } = &view.system;
    let mut rows = vec![
        ("version", format!("{version}, built {} UTC", date_time(*built))),
        ("board", plain(board)),
        ("kernel", plain(kernel)),
        ("slot", format!("{}, {}", slot.name(), standing_words(*standing))),
    ];
    if let Some(other) = other {
        rows.push(("other slot", format!("version {}", other.version)));
    }
    if let Some(Coming { octets: here, of }) = view.coming {
        rows.push(("being sent", format!("{} of {}", octets(here), octets(of))));
    }
    if let Some(asked) = view.asked {
        let what = match asked.what {
            Wish::Take | Wish::Consent => "to install a file",
            Wish::Now => "to restart into the update",
            Wish::Back => "to go back",
        };
        rows.push(("asked", what.to_string()));
    }
    if let Some(work) = work {
        rows.push(("update", work_words(work)));
    }
    if let Some(it) = refused {
        rows.push(("refused", format!("{}: {}", plain(&it.file), plain(&it.why))));
        if it.consent {
            let version = it.version.as_ref().map(ToString::to_string).unwrap_or_default();
            rows.push(("", format!("it is installed all the same with --consent {version}")));
        }
    }
    let mut text: String =
        rows.iter().map(|(name, value)| format!("{name:12} {value}\n")).collect();
    if !history.is_empty() {
        let rows: Vec<_> = history.iter().map(past_row).collect();
        let head = ["when (UTC)", "version", "before", "by", "result", "why"];
        text.push_str(&format!("\n{}", table(&head, &rows)));
    }
    text
}

fn standing_words(standing: Standing) -> &'static str {
    match standing {
        Standing::Confirmed => "confirmed",
        Standing::Pending => "confirmed; the other one is tried at the next start",
        Standing::OnTrial => "on trial",
        Standing::RolledBack => "confirmed; the other one was tried and given up",
        Standing::Substitute => "in the place of the other one, which could not be loaded",
    }
}

fn work_words(work: &Work) -> String {
    let Work { file, version, step, done, of, .. } = work;
    let what = match version {
        Some(version) => format!("version {version}"),
        None => plain(file),
    };
    match step {
        Step::Checking => format!("{what} is being checked: {done} of {of} blocks"),
        Step::Writing => format!("{what} is being written: {done} of {of} blocks"),
        Step::ReadingBack => format!("{what} is being read back: {done} of {of} blocks"),
        Step::Installed => format!("{what} is installed and runs after a restart"),
    }
}

fn past_row(past: &Past) -> Vec<String> {
    let way = match past.way {
        Way::Stick => "stick",
        Way::Upload => "sent here",
        Way::Hand => "by hand",
    };
    let result = match past.result {
        Outcome::Kept => "kept",
        Outcome::Back => "went back",
        Outcome::Refused => "refused",
    };
    let version = past.version.as_ref().map_or("-".to_string(), ToString::to_string);
    let before = past.from.to_string();
    vec![date_time(past.at), version, before, way.into(), result.into(), plain(&past.why)]
}
