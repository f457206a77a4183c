//! Updates, as PID 1 has them: a stick or an upload is handed to the installer, the slot is put on
//! trial, and what came of it is written down and said.
//!
//! ```text
//!   stick seen, file taken -> installer: Found -> Go -> Written -> ledger, slot state -> restart
//!                                 | Refused, or it ended
//!                                 v
//!                              letter on the stick, page, console
//!
//!   on trial: Proved -> kept            not within TRIAL_MOST, repair, crashes -> restart: back
//! ```
//!
//! Only over a confirmed system: while one waits for its restart or is on trial no stick is looked
//! at, and an upload is refused. PID 1 reads nothing of an update itself.

mod files;

use super::Supervisor;
use crate::event::{Event, emit};
use crate::limits;
use crate::request::{InstallStep, Message, RefusedFor, StoreState, UpdateAct, Words};
use crate::system::init::{folder, note, slots};
use crate::system::sticks::{self, Stick};
use crate::system::storage::moving;
use crate::system::syscall::{Access, Ended, Kill, Opened, Program};
use crate::update::ledger::{self, Ledger, Started, UnderWay};
use crate::update::release::{self, Release};
use crate::update::slot::{Slot, Standing};
use crate::update::state::{self, Other, Outcome, Past, Refused, Step, Told, Way, Work};
use semver::Version;
use std::io;
use std::time::Duration;

const CANNOT_WRITE: &str = "the box cannot write down what it does: its data has to be mended";

/// All that PID 1 remembers of updates.
#[derive(Default)]
pub(super) struct Updates {
    /// What runs; without it there are no updates.
    here: Option<Release>,
    ledger: Ledger,
    /// It was read, or is not there yet.
    knows_ledger: bool,
    /// When sticks are to be looked at.
    look: Option<Duration>,
    /// Those that were.
    seen: Vec<Stick>,
    install: Option<Install>,
    refused: Option<(Refused, Source)>,
    /// Why the system on trial is not proved yet.
    unproved: String,
    told: Vec<u8>,
}

/// One run of the installer.
struct Install {
    source: Source,
    file: String,
    consent: bool,
    step: Step,
    done: u32,
    of: u32,
    /// Known once its signature was found good.
    found: Option<Found>,
    /// What it said last.
    result: Option<Result<(), (RefusedFor, String)>>,
}

struct Found {
    id: String,
    version: Version,
    epoch: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Stick(Stick),
    Upload,
}

impl Updates {
    pub(super) fn is_installing(&self) -> bool {
        self.install.is_some()
    }
}

impl Source {
    fn way(&self) -> Way {
        match self {
            Self::Stick(_) => Way::Stick,
            Self::Upload => Way::Upload,
        }
    }
}

/// Where the server puts what was sent to it.
fn upload() -> String {
    format!("{}/{}", folder::MAIL, state::SENT)
}

impl Supervisor<'_> {
    /// After the boot: what the last start left is brought to its end.
    pub(super) fn updates_begin(&mut self) {
        let here = self.system.read(release::FILE).map_err(|error| error.to_string());
        match here.and_then(|octets| release::parse(&octets)) {
            Ok(here) => {
                self.view.version = here.version.to_string();
                self.updates.here = Some(here);
            }
            Err(why) => return self.trouble(format!("{}: {why}", release::FILE)),
        }
        self.updates.look = Some(self.system.uptime() + limits::STICK_SETTLES);
        // Without its data the box knows nothing of the past; the state of the slots stays as it
        // is until a start that does.
        if self.booted.repair.is_some() {
            return;
        }
        match self.system.read(ledger::FILE) {
            Ok(octets) => {
                self.updates.knows_ledger = true;
                match Ledger::parse(&octets) {
                    Ok(ledger) => self.updates.ledger = ledger,
                    Err(why) => self.trouble(format!("{}: {why}", ledger::FILE)),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.updates.knows_ledger = true;
            }
            Err(error) => self.trouble(format!("{}: {error}", ledger::FILE)),
        }
        let (Some(disk), Some(slot)) = (self.booted.disk.clone(), self.booted.slot) else { return };
        let (why, at) = (note::trial(self.system, &disk), self.system.now());
        if self.booted.standing == Standing::Substitute {
            self.take_over();
        }
        let before = self.updates.ledger.clone();
        if self.booted.adopted {
            self.updates.ledger.of_another_card();
        }
        let started = self.updates.ledger.started(slot, self.booted.standing, &why, at);
        let is_kept = self.updates.ledger == before || self.keep_ledger();
        if self.booted.adopted && is_kept {
            // A start that finds it once more does the same again.
            let _ = moving::adopted(self.system, &disk);
        }
        match started {
            Started::Nothing | Started::OnTrial => (),
            Started::Kept => self.clear_note(),
            Started::Begin => self.begin_trial(),
            Started::Ended => {
                let last = self.updates.ledger.history.first().map(|past| past.why.clone());
                self.trouble(format!("why it went back: {}", last.unwrap_or(why)));
                match slots::end_trial(self.system, &disk, slot) {
                    Ok(()) => self.booted.standing = Standing::Confirmed,
                    Err(error) => self.trouble(format!("the slot state cannot be kept: {error}")),
                }
                self.clear_note();
            }
        }
    }

    /// The good slot could not be loaded: this one is the good one from now on.
    fn take_over(&mut self) {
        let (Some(disk), Some(slot)) = (self.booted.disk.clone(), self.booted.slot) else { return };
        match slots::confirm(self.system, &disk, slot) {
            Ok(()) => self.booted.standing = Standing::Confirmed,
            Err(error) => self.trouble(format!("the slot state cannot be kept: {error}")),
        }
        self.updates.ledger.other = None;
        self.updates.ledger.under_way = None;
        self.keep_ledger();
    }

    /// Now and then, and after everything that happened.
    pub(super) fn updates_go_on(&mut self, now: Duration) {
        if self.booted.standing == Standing::OnTrial {
            self.watch_trial(now);
        }
        let confirmed = self.booted.standing == Standing::Confirmed;
        let moving = self.lending.is_moving() || self.storing.waits();
        let free = self.updates.install.is_none() && confirmed && !moving;
        if free && self.updates.look.take_if(|at| *at <= now).is_some() {
            self.look_at_sticks();
        }
        self.publish();
    }

    /// The shortest wait that updates need.
    pub(super) fn updates_wait(&self, now: Duration) -> Duration {
        let may = self.booted.standing == Standing::Confirmed && !self.lending.is_moving();
        let look = self.updates.look.filter(|_| may);
        look.map_or(limits::WATCHDOG_FEED, |at| at.saturating_sub(now))
    }

    /// A stick that was seen may have another one in its place before the next look.
    pub(super) fn disk_changed(&mut self, name: &str, now: Duration) {
        self.updates.seen.retain(|stick| stick.disk != name);
        self.updates.look = Some(now + limits::STICK_SETTLES);
    }

    // ---- the trial ----

    fn watch_trial(&mut self, now: Duration) {
        let why = match (&self.booted.repair, self.updates.unproved.as_str()) {
            (Some(why), _) => why.clone(),
            (None, _) if now < limits::TRIAL_MOST => return,
            (None, "") => "the server did not say within ten minutes that mail works".to_string(),
            (None, why) => format!("mail did not work within ten minutes: {why}"),
        };
        self.trial_failed(&why);
    }

    /// Back to the other system: it is the good one, and the boot script tries this one no more.
    pub(super) fn trial_failed(&mut self, why: &str) {
        self.trouble(format!("this system did not prove itself and the box goes back: {why}"));
        if let Some(disk) = self.booted.disk.clone()
            && let Err(error) = note::write_trial(self.system, &disk, why)
        {
            self.trouble(format!("the reason cannot be noted: {error}"));
        }
        self.end = Some(false);
    }

    pub(super) fn unproved(&mut self, why: &str) {
        if self.booted.standing == Standing::OnTrial && self.updates.unproved != why {
            self.trouble(format!("mail does not work yet: {why}"));
            self.updates.unproved = why.to_string();
        }
    }

    pub(super) fn proved(&mut self) {
        let (Some(disk), Some(slot)) = (self.booted.disk.clone(), self.booted.slot) else { return };
        if self.booted.standing != Standing::OnTrial || self.end.is_some() {
            return;
        }
        if let Err(error) = slots::confirm(self.system, &disk, slot) {
            return self.trouble(format!("this system cannot be confirmed: {error}"));
        }
        self.booted.standing = Standing::Confirmed;
        self.view.on_trial = false;
        let at = self.system.now();
        self.updates.ledger.kept(at);
        self.keep_ledger();
        self.clear_note();
        let version = self.updates.here.as_ref().map(|here| here.version.to_string());
        emit(Event::UpdateKept { version: version.unwrap_or_default() });
        // The stick that brought it gets its letter.
        self.updates.look = Some(self.system.uptime());
    }

    fn clear_note(&mut self) {
        let Some(disk) = self.booted.disk.clone() else { return };
        if let Err(error) = note::write_trial(self.system, &disk, "") {
            self.trouble(format!("the note of a trial cannot be cleared: {error}"));
        }
    }

    /// The stick is mounted for the installer.
    pub(super) fn installs_from_stick(&self) -> bool {
        let source = self.updates.install.as_ref().map(|install| &install.source);
        matches!(source, Some(Source::Stick(_)))
    }

    // ---- what the owner wants ----

    pub(super) fn update_act(&mut self, act: UpdateAct) {
        match act {
            UpdateAct::Take => self.begin(Source::Upload, state::SENT, false),
            UpdateAct::Consent => {
                let Some((refused, source)) = self.updates.refused.take() else { return };
                if let Source::Stick(stick) = &source
                    && let Err(why) = sticks::mount(self.system, stick, Access::ReadOnly)
                {
                    return self.refuse(&source, &refused.file, None, &why.to_string());
                }
                self.begin(source, &refused.file, true);
            }
            UpdateAct::Now if self.booted.standing == Standing::Pending => self.end = Some(false),
            UpdateAct::Now => (),
            UpdateAct::Back => self.go_back(),
        }
    }

    fn go_back(&mut self) {
        let (Some(here), Some(slot)) = (&self.updates.here, self.booted.slot) else { return };
        let way = match self.updates.ledger.way_back(here, slot) {
            Ok(way) if self.booted.standing == Standing::Confirmed => way,
            Ok(_) => return self.trouble("another change of the system is under way".to_string()),
            Err(why) => return self.trouble(why),
        };
        self.updates.ledger.under_way = Some(way);
        if self.keep_ledger() {
            self.begin_trial();
            self.end = Some(false);
        }
    }

    // ---- installing ----

    /// The file lies where it is opened: the stick is mounted.
    fn begin(&mut self, source: Source, file: &str, consent: bool) {
        let (disk, slot, here) =
            (self.booted.disk.clone(), self.booted.slot, self.updates.here.clone());
        let (Some(disk), Some(slot), Some(here)) = (disk, slot, here) else { return };
        if self.updates.install.is_some() {
            return self.not_begun(&source, file, "another update is being installed");
        }
        if self.booted.standing != Standing::Confirmed {
            let why = "another update waits for its restart or is on trial: try it after that";
            return self.not_begun(&source, file, why);
        }
        if self.booted.lost.is_some() {
            // What came of it is kept with the mail, and no trial succeeds without.
            let why = "the disk that holds the mail is missing: put it in first";
            return self.not_begun(&source, file, why);
        }
        if self.lending.is_moving() || self.storing.waits() {
            let why = "the mail is being moved to another disk: try it after that";
            return self.not_begun(&source, file, why);
        }
        if self.view.store() == Some(StoreState::Full) {
            // It would be taken for a bad one: no letter can be taken in to prove it.
            let why = "the disk is full, and no new system could prove that mail works: make room";
            return self.not_begun(&source, file, why);
        }
        self.updates.refused = None;
        let path = match &source {
            Source::Stick(_) => format!("{}/{file}", sticks::TARGET),
            Source::Upload => upload(),
        };
        let idle = disk.partition(slot.other().partition());
        let order = Message::Install {
            consent,
            epoch: here.epoch.max(self.updates.ledger.epoch),
            running: Words::new(&format!("{} {}", here.board, here.version)),
        };
        let opened = [Opened::File(path), Opened::Partition(idle)];
        let started = self.system.start(&Program::Installer);
        let started = started.and_then(|()| self.system.hand(&Program::Installer, &order, &opened));
        if let Err(error) = started {
            self.system.kill(&Program::Installer, Kill::AtOnce);
            return self.not_begun(&source, file, &format!("it cannot be installed: {error}"));
        }
        self.view.update = Some(format!("checking {file}"));
        self.updates.install = Some(Install {
            source,
            file: file.to_string(),
            consent,
            step: Step::Checking,
            done: 0,
            of: 0,
            found: None,
            result: None,
        });
    }

    fn not_begun(&mut self, source: &Source, file: &str, why: &str) {
        self.let_go(source);
        self.refuse(source, file, None, why);
    }

    pub(super) fn installer_said(&mut self, message: Message) {
        let Some(install) = &mut self.updates.install else { return };
        match message {
            Message::Found { id, epoch, version } => {
                let Ok(version) = Version::parse(version.text()) else {
                    return self.system.kill(&Program::Installer, Kill::AtOnce);
                };
                let id = id.iter().map(|octet| format!("{octet:02x}")).collect();
                self.found(Found { id, version, epoch });
            }
            Message::Progress { step, done, of } => {
                let step = match step {
                    InstallStep::Checking => Step::Checking,
                    InstallStep::Writing => Step::Writing,
                    InstallStep::ReadingBack => Step::ReadingBack,
                };
                if install.step != step {
                    self.view.update = Some(format!("installing {}", install.file));
                }
                (install.step, install.done, install.of) = (step, done.min(of), of);
            }
            Message::Written => install.result = Some(Ok(())),
            Message::Refused { kind, why } => {
                let why = why.text().to_string();
                install.result.get_or_insert(Err((kind, why)));
            }
            _ => (),
        }
    }

    fn found(&mut self, found: Found) {
        let Some(install) = &mut self.updates.install else { return };
        if self.updates.ledger.has_failed(&found.id) && !install.consent {
            let why = format!(
                "version {} was installed before and did not prove itself: it is not tried again",
                found.version
            );
            install.result = Some(Err((RefusedFor::Older, why)));
            install.found = Some(found);
            return self.system.kill(&Program::Installer, Kill::AtOnce);
        }
        install.found = Some(found);
        // What stands in that slot is about to go.
        self.updates.ledger.other = None;
        if !self.keep_ledger() {
            if let Some(install) = &mut self.updates.install {
                install.result = Some(Err((RefusedFor::Good, CANNOT_WRITE.to_string())));
            }
            return self.system.kill(&Program::Installer, Kill::AtOnce);
        }
        if let Err(error) = self.system.tell(&Program::Installer, &Message::Go, None) {
            self.trouble(format!("the installer does not listen: {error}"));
        }
    }

    pub(super) fn installer_ended(&mut self, how: Ended) {
        let Some(install) = self.updates.install.take() else { return };
        self.view.update = None;
        self.let_go(&install.source);
        let Install { source, file, found, result, .. } = install;
        let failed = found.as_ref().is_some_and(|it| self.updates.ledger.has_failed(&it.id));
        let (kind, why) = match (result, found) {
            (Some(Ok(())), Some(found)) => return self.installed(&source, &file, found),
            (Some(Err((kind, why))), found) => ((kind, found.map(|it| it.version)), why),
            (_, found) => {
                let why = format!("the installer ended without a word: {how}");
                ((RefusedFor::Good, found.map(|it| it.version)), why)
            }
        };
        // Why it failed stands in the letter of that time.
        self.refused(&source, &file, kind, (&why, !failed));
    }

    fn installed(&mut self, source: &Source, file: &str, found: Found) {
        let (Some(here), Some(slot)) = (&self.updates.here, self.booted.slot) else { return };
        let version = found.version.clone();
        self.updates.ledger.under_way = Some(UnderWay {
            id: found.id,
            slot: slot.other().name().to_string(),
            version: found.version,
            epoch: found.epoch,
            from: here.version.clone(),
            from_epoch: here.epoch,
            way: source.way(),
            file: file.to_string(),
        });
        if !self.keep_ledger() {
            self.updates.ledger.under_way = None;
            return self.refuse(source, file, Some(version), CANNOT_WRITE);
        }
        self.forget_upload(source);
        self.begin_trial();
        // With nobody to say when, at once.
        if self.booted.repair.is_some() {
            self.end = Some(false);
        }
    }

    /// The other slot boots next, once; it is in the ledger already.
    fn begin_trial(&mut self) {
        let (Some(disk), Some(slot)) = (self.booted.disk.clone(), self.booted.slot) else { return };
        self.clear_note();
        match slots::begin_trial(self.system, &disk, slot) {
            Ok(()) => {
                self.booted.standing = Standing::Pending;
                let version = self.updates.ledger.under_way.as_ref().map(|it| &it.version);
                let version = version.map(Version::to_string).unwrap_or_default();
                self.view.update = Some(format!("version {version} runs after the next restart"));
            }
            Err(error) => {
                self.updates.ledger.under_way = None;
                self.keep_ledger();
                self.trouble(format!("the new system cannot be put on trial: {error}"));
            }
        }
    }

    // ---- what is not taken ----

    fn refuse(&mut self, source: &Source, file: &str, version: Option<Version>, why: &str) {
        self.refused(source, file, (RefusedFor::Good, version), (why, true));
    }

    fn refused(
        &mut self,
        source: &Source,
        file: &str,
        (kind, version): (RefusedFor, Option<Version>),
        (why, replaces): (&str, bool),
    ) {
        let consent = kind != RefusedFor::Good;
        // A stick that stays in after its update says nothing new at each start.
        let news = kind != RefusedFor::Same;
        if news {
            self.trouble(format!("{file} is not installed: {why}"));
            self.past_refused(source, version.clone(), why);
        }
        if news || *source == Source::Upload {
            let file = file.to_string();
            let (way, why) = (source.way(), why.to_string());
            let refused = Refused { way, file, version, why, consent };
            self.updates.refused = Some((refused, source.clone()));
        }
        match source {
            Source::Stick(stick) => {
                let text = format!("{file} was not installed: {why}.\r\n");
                self.write_letter(stick, &text, news && replaces);
            }
            // It is kept while the owner may still consent.
            Source::Upload if consent => (),
            Source::Upload => self.forget_upload(source),
        }
    }

    fn past_refused(&mut self, source: &Source, version: Option<Version>, why: &str) {
        let Some(here) = &self.updates.here else { return };
        let (from, way) = (here.version.clone(), source.way());
        let at = self.system.now();
        let why = why.chars().take(limits::UPDATE_WHY_LETTERS).collect();
        let past = Past { at, version, from, way, result: Outcome::Refused, why };
        // The same stick again is no other event.
        let again = self.updates.ledger.history.first().is_some_and(|last| {
            last.result == Outcome::Refused && last.why == past.why && last.way == past.way
        });
        if !again {
            self.updates.ledger.past(past);
            self.keep_ledger();
        }
    }

    // ---- told ----

    /// Writes what the server may read, where it changed.
    fn publish(&mut self) {
        let (Some(here), Some(slot)) = (&self.updates.here, self.booted.slot) else { return };
        let other = self.updates.ledger.other.clone();
        let told = Told {
            board: here.board.clone(),
            version: here.version.clone(),
            epoch: here.epoch,
            kernel: here.kernel.clone(),
            built: here.built,
            slot,
            standing: self.booted.standing,
            other: other.filter(|other: &Other| other.epoch >= self.updates.ledger.epoch),
            work: self.work(slot),
            refused: self.updates.refused.as_ref().map(|(refused, _)| refused.clone()),
            history: self.updates.ledger.history.clone(),
        };
        let octets = state::print(&told);
        if octets == self.updates.told {
            return;
        }
        match self.system.show(state::FILE, &octets) {
            Ok(()) => self.updates.told = octets,
            Err(error) => {
                // Once: it would be tried at every turn.
                self.updates.told = octets;
                self.trouble(format!("{}: {error}", state::FILE));
            }
        }
    }

    fn work(&self, slot: Slot) -> Option<Work> {
        if let Some(install) = &self.updates.install {
            let Install { source, file, step, done, of, found, .. } = install;
            let version = found.as_ref().map(|found| found.version.clone());
            let (way, file) = (source.way(), file.clone());
            return Some(Work { way, file, version, step: *step, done: *done, of: *of });
        }
        let under_way = self.updates.ledger.under_way.as_ref();
        let waits = under_way.filter(|it| {
            self.booted.standing == Standing::Pending && it.slot == slot.other().name()
        });
        waits.map(|it| Work {
            way: it.way,
            file: it.file.clone(),
            version: Some(it.version.clone()),
            step: Step::Installed,
            done: 1,
            of: 1,
        })
    }
}
