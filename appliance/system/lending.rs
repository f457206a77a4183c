//! A stick lent to the server, for as long as it writes or reads a backup there.
//!
//! ```text
//! server: Lend -> mounted at TARGET, the server's -> Lent | NotLent
//!         Returned, or its end -> unmounted: it may be pulled out -> TakenBack
//!         Format -> emptied, piece by piece (format.rs) -> Stick | NotLent
//!         Prepare -> made a data disk (storage.rs), mounted as one that is lent -> Prepared
//! a disk came or went -> Stick: what is in, and whether it can be used
//! ```
//!
//! It is mounted one level below the folder that the server's cage names: a rule for a folder that
//! a mount hides counts for nothing (Landlock), and one for the folder above it does.

mod format;

use super::emptying::Writing;
use super::init::disk::{self, DATA as PARTITION, Disk};
use super::sticks::{self, Stick};
use super::storage::preparing::{self, Place, Preparing};
use super::storage::{Own, ext4};
use super::syscall::{Access, Mount, System};
use crate::limits;
use crate::request::{Message, StickState, Words};
use std::io;
use std::time::Duration;

/// What the server's cage lets it write.
pub(crate) const FOLDER: &str = "/run/lent";
pub(crate) const TARGET: &str = "/run/lent/stick";
/// Where it is mounted for a moment, to see whether that goes: an update may be read from it at the
/// same time, elsewhere.
const LOOK: &str = "/run/look";

/// What sticks are formatted with, and how they are the server's alone: [`limits::SERVER_USER`].
pub(crate) const KINDS: [(&str, &str); 2] = [
    ("vfat", "uid=61025,gid=61025,umask=0077,iocharset=utf8"),
    ("exfat", "uid=61025,gid=61025,umask=0077"),
];

/// What PID 1 remembers of it.
#[derive(Default)]
pub(crate) struct Lending {
    state: State,
    /// When it is to be looked what is in.
    look: Option<Duration>,
    /// What the server was told.
    told: Option<Message>,
    /// The box has an owner: sticks come before the mail of others.
    owned: bool,
}

#[derive(Default)]
enum State {
    #[default]
    Free,
    /// With the mail of another box on it: that data disk.
    Lent(Option<Disk>),
    /// The server wants it no more, and it is not unmounted yet.
    Returned,
    Formatting(Box<Formatting>),
    Preparing(Box<Preparing>),
    /// It is lent until the mail is there, or it is wanted no more.
    Prepared(Place),
}

struct Formatting {
    disk: String,
    /// It was taken out, and another may be in its place.
    is_gone: bool,
    writing: Writing,
}

impl Lending {
    /// What the server is told when it starts.
    pub(crate) fn told(&self) -> Option<&Message> {
        self.told.as_ref()
    }

    /// It is to be looked what is in.
    pub(crate) fn changed(&mut self, now: Duration) {
        self.look = Some(now + limits::STICK_SETTLES);
    }

    /// A disk came, went, or is another one: what comes next must not be written over.
    pub(crate) fn disk_changed(&mut self, disk: &str, now: Duration) {
        self.changed(now);
        match &mut self.state {
            State::Formatting(work) => work.is_gone |= work.disk == disk,
            State::Preparing(work) => work.disk_changed(disk),
            _ => (),
        }
    }

    /// How long nothing is to be done.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        match (&self.state, self.look) {
            (State::Returned | State::Formatting(_) | State::Preparing(_), _) => Duration::ZERO,
            (State::Free, Some(at)) => at.saturating_sub(now),
            _ => limits::WATCHDOG_FEED,
        }
    }

    /// Now and then: what the server is to be told.
    pub(crate) fn go_on(
        &mut self,
        system: &mut dyn System,
        own: Own,
        now: Duration,
    ) -> Vec<Message> {
        match &mut self.state {
            State::Returned => {
                if system.unmount(TARGET).is_err() {
                    return Vec::new();
                }
                self.state = State::Free;
                vec![Message::TakenBack]
            }
            State::Formatting(work) => {
                let done = work.go_on(system);
                self.formatted(system, own, done)
            }
            State::Preparing(work) => {
                let (done, called) = (work.go_on(system), work.called.clone());
                done.map(|done| self.prepared(done, called)).into_iter().collect()
            }
            State::Free if self.look.take_if(|at| *at <= now).is_some() => {
                self.seen(system, own).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// What is in, where that is something else than before.
    fn seen(&mut self, system: &mut dyn System, own: Own) -> Option<Message> {
        let message = look(system, own, self.owned);
        if self.told.as_ref() == Some(&message) {
            return None;
        }
        self.told = Some(message.clone());
        Some(message)
    }

    /// The answer to who wants it.
    pub(crate) fn lend(&mut self, system: &mut dyn System, own: Own, write: bool) -> Message {
        if !matches!(self.state, State::Free) {
            return Message::NotLent(Words::new("the stick is in use"));
        }
        if matches!(self.told, Some(Message::Stick { state: StickState::Mail, .. })) {
            return self.lend_mail(system, own, write);
        }
        let sticks = candidates(system, own.system);
        let mut why = "there is no stick in the box".to_string();
        for stick in sticks {
            let access = if write { Access::Write } else { Access::ReadOnly };
            match mount(system, (&stick, TARGET), access) {
                Ok(()) => {
                    self.state = State::Lent(None);
                    return Message::Lent(called(system, &stick.disk));
                }
                Err(error) => why = error,
            }
        }
        Message::NotLent(Words::new(&why))
    }

    /// It is wanted no more: the server said so, or ended. Returns what the server is told, which
    /// waits for it; `None`: it is still busy.
    pub(crate) fn take_back(&mut self, system: &mut dyn System) -> Option<Message> {
        let is_mounted = match &self.state {
            State::Lent(_) | State::Prepared(_) => true,
            State::Preparing(work) => work.is_mounted(),
            State::Returned => return None,
            State::Free | State::Formatting(_) => return Some(Message::TakenBack),
        };
        if self.is_moving() {
            // One that is half made, or holds half a copy, is another one than before.
            self.look.get_or_insert_default();
        }
        let unmounted = !is_mounted || system.unmount(TARGET).is_ok();
        // What is still open a moment longer is tried again.
        self.state = if unmounted { State::Free } else { State::Returned };
        unmounted.then_some(Message::TakenBack)
    }

    /// Begins to empty the stick that is called so; `None`: the answer comes when that is done.
    pub(crate) fn format(
        &mut self,
        system: &mut dyn System,
        own: Own,
        wanted: &Words,
    ) -> Option<Message> {
        let refuse = |why: &str| Some(Message::NotLent(Words::new(why)));
        if !matches!(self.state, State::Free) {
            return refuse("the stick is in use");
        }
        let mut disks: Vec<String> =
            candidates(system, own.system).into_iter().map(|it| it.disk).collect();
        disks.dedup();
        disks.retain(|disk| called(system, disk) == *wanted);
        let [disk] = disks.as_slice() else {
            return refuse("no stick is called so, or more than one: leave only that one in");
        };
        if let Err(error) = system.claim(&format!("/dev/{disk}")) {
            return refuse(&said(&error));
        }
        let mut id = [0; 4];
        if system.random(&mut id).is_err() {
            return refuse("the system gives no random numbers");
        }
        match format::begin(octets(system, disk) / 512, u32::from_le_bytes(id)) {
            Some(writing) => {
                let work = Formatting { disk: disk.clone(), is_gone: false, writing };
                self.state = State::Formatting(Box::new(work));
                None
            }
            None => refuse("the stick is too small, or larger than 2 TiB"),
        }
    }

    /// The data disk of another box, to be read.
    fn lend_mail(&mut self, system: &mut dyn System, own: Own, write: bool) -> Message {
        let refuse = |why: &str| Message::NotLent(Words::new(why));
        // What it is made of is read by the kernel: only where somebody may be helped by it.
        if write || self.owned {
            return refuse("the disk holds the mail of a Mailroom: nothing else is written there");
        }
        let Some(disk) = foreign(system, own) else { return refuse("the disk is gone") };
        let mount = ext4(disk.partition(PARTITION), TARGET, Access::ReadOnly);
        if let Err(error) = system.mount(&mount) {
            return refuse(&format!("the disk cannot be read: {error}"));
        }
        let name = called(system, &disk.name);
        self.state = State::Lent(Some(disk));
        Message::Lent(name)
    }

    /// Begins to make a data disk of the one that is called so; `None`: the answer comes when that
    /// is done. By the name of the system's disk the mail comes back there.
    pub(crate) fn prepare(
        &mut self,
        system: &mut dyn System,
        own: Own,
        wanted: &Words,
    ) -> Option<Message> {
        if !matches!(self.state, State::Free) {
            return Some(Message::NotPrepared(Words::new("the disk is in use")));
        }
        if let (Some(home), Some(_)) = (own.system, own.data)
            && called(system, &home.name) == *wanted
        {
            let done = preparing::home(system, home);
            return Some(self.prepared(done, wanted.clone()));
        }
        let begun = preparing::candidate(system, own, wanted);
        match begun.and_then(|disk| preparing::begin(system, disk, wanted.clone())) {
            Ok(work) => {
                self.state = State::Preparing(Box::new(work));
                None
            }
            Err(why) => Some(Message::NotPrepared(Words::new(&why))),
        }
    }

    fn prepared(&mut self, done: Result<Place, String>, called: Words) -> Message {
        match done {
            Ok(place) => {
                self.state = State::Prepared(place);
                Message::Prepared(called)
            }
            Err(why) => {
                self.state = State::Free;
                // It is another disk than it was.
                self.look.get_or_insert_default();
                Message::NotPrepared(Words::new(&why))
            }
        }
    }

    /// A disk is made ready for the mail, or the mail is on its way there.
    pub(crate) fn is_moving(&self) -> bool {
        matches!(self.state, State::Preparing(_) | State::Prepared(_))
    }

    pub(crate) fn is_free(&self) -> bool {
        matches!(self.state, State::Free)
    }

    /// Where the mail may be from the next start on.
    pub(crate) fn place(&self) -> Option<&Place> {
        match &self.state {
            State::Prepared(place) => Some(place),
            _ => None,
        }
    }

    /// The data disk of another box that is lent.
    pub(crate) fn mail(&self) -> Option<&Disk> {
        match &self.state {
            State::Lent(disk) => disk.as_ref(),
            _ => None,
        }
    }

    /// The box has an owner, or has none any more.
    pub(crate) fn owned(&mut self, owned: bool, now: Duration) {
        if std::mem::replace(&mut self.owned, owned) != owned {
            self.look = Some(now);
        }
    }

    fn formatted(
        &mut self,
        system: &mut dyn System,
        own: Own,
        done: Option<io::Result<()>>,
    ) -> Vec<Message> {
        let Some(done) = done else { return Vec::new() };
        self.state = State::Free;
        let message = look(system, own, self.owned);
        self.told = Some(message.clone());
        match done {
            Ok(()) if matches!(message, Message::Stick { state: StickState::Ready, .. }) => {
                vec![message]
            }
            Ok(()) => {
                let why = "the stick was formatted, and still cannot be used: take another";
                vec![Message::NotLent(Words::new(why)), message]
            }
            Err(error) => {
                let why = format!("the stick cannot be formatted: {error}");
                vec![Message::NotLent(Words::new(&why)), message]
            }
        }
    }
}

impl Formatting {
    /// A few pieces; `None`: there are more.
    fn go_on(&mut self, system: &mut dyn System) -> Option<io::Result<()>> {
        if self.is_gone {
            return Some(Err(io::Error::other("it was taken out")));
        }
        let device = format!("/dev/{}", self.disk);
        for _ in 0..limits::FORMAT_PIECES_AT_ONCE {
            let Some((at, octets)) = self.writing.next() else {
                return Some(system.read_table(&device));
            };
            if let Err(error) = system.write_at(&device, at, &octets) {
                return Some(Err(error));
            }
        }
        None
    }
}

/// Those that somebody has put in before what is soldered in. Where nobody knows which disk is the
/// box's own, none is touched.
fn candidates(system: &mut dyn System, own: Option<&Disk>) -> Vec<Stick> {
    if own.is_none() {
        return Vec::new();
    }
    let mut all = sticks::all(system, own);
    all.sort_by_key(|it| !it.disk.starts_with("sd"));
    all
}

/// What is in: the first that can be used, or else the first. The mail of another box comes before
/// them while this one has no owner, and after them when it has one.
fn look(system: &mut dyn System, own: Own, owned: bool) -> Message {
    let mail = foreign(system, own);
    let sticks = candidates(system, own.system);
    if let Some(disk) = mail.filter(|_| !owned || sticks.is_empty()) {
        let (octets, name) = (octets(system, &disk.name), called(system, &disk.name));
        return Message::Stick { state: StickState::Mail, octets, name };
    }
    let mut usable = |stick: &&Stick| {
        let is_usable = mount(&mut *system, (stick, LOOK), Access::ReadOnly).is_ok();
        is_usable && system.unmount(LOOK).is_ok()
    };
    let (state, found) = match sticks.iter().find(&mut usable) {
        Some(stick) => (StickState::Ready, Some(stick)),
        None if sticks.is_empty() => (StickState::None, None),
        None => (StickState::Unusable, sticks.first()),
    };
    let Some(stick) = found else {
        return Message::Stick { state, octets: 0, name: Words::new("") };
    };
    let name = called(system, &stick.disk);
    Message::Stick { state, octets: octets(system, &stick.disk), name }
}

/// A disk with mail that is not this box's.
fn foreign(system: &mut dyn System, own: Own) -> Option<Disk> {
    disk::data_disks(system).into_iter().find(|disk| !own.is(&disk.name))
}

fn mount(
    system: &mut dyn System,
    (stick, target): (&Stick, &str),
    access: Access,
) -> Result<(), String> {
    for (kind, options) in KINDS {
        let (source, target) = (stick.device.clone(), target.to_string());
        match system.mount(&Mount { source, target, kind, access, options }) {
            Ok(()) => return Ok(()),
            // The kernel's word for another file system.
            Err(error) if error.raw_os_error() == Some(nix::libc::EINVAL) => (),
            Err(error) => return Err(said(&error)),
        }
    }
    Err("the stick has no file system that the box uses: FAT32 or exFAT".to_string())
}

/// What the kernel says, in words for the owner.
fn said(error: &io::Error) -> String {
    use nix::libc::{EACCES, EBUSY, EROFS};
    match error.raw_os_error() {
        Some(EROFS | EACCES) => {
            "the stick is protected against writing: move the small slider at its side".to_string()
        }
        Some(EBUSY) => "the box uses the stick for something else: wait for it".to_string(),
        _ => format!("the stick cannot be used: {error}"),
    }
}

pub(crate) fn octets(system: &mut dyn System, disk: &str) -> u64 {
    let sectors = text(system, &format!("/sys/block/{disk}/size"));
    sectors.parse::<u64>().unwrap_or(0).saturating_mul(512)
}

/// As its maker calls it; a card has one word, and what says nothing is called by its place.
pub(crate) fn called(system: &mut dyn System, disk: &str) -> Words {
    let mut of = |what: &str| text(system, &format!("/sys/block/{disk}/device/{what}"));
    let words = [of("vendor"), of("model"), of("name")];
    // A virtual disk has a number for its maker.
    let is_word = |it: &&str| !it.is_empty() && !it.starts_with("0x");
    let words: Vec<&str> = words.iter().map(String::as_str).filter(is_word).collect();
    Words::new(&if words.is_empty() { disk.to_string() } else { words.join(" ") })
}

pub(crate) fn text(system: &mut dyn System, path: &str) -> String {
    let octets = system.read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&octets);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
