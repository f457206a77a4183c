//! Sticks and data disks, as the server asks for them; the move of the mail from one disk to
//! another; the disks of the box, as the server is told of them.

use super::{State, Supervisor, Watch};
use crate::limits;
use crate::request::{Message, Words};
use crate::system::init::disk::{self, Disk};
use crate::system::init::elsewhere::{ELSEWHERE, Lost};
use crate::system::init::folder::FOLDER;
use crate::system::storage::moving::{self, Failed, Old};
use crate::system::storage::preparing::Place;
use crate::system::storage::{Own, holders};
use crate::system::syscall::{Kill, Program};
use crate::update::slot::Standing;
use std::time::Duration;

/// In PID 1's folder while the mail is on its way to another disk. Who finds it at a start was cut
/// off by the power.
const MOVING: &str = "moving";

/// What PID 1 remembers of where the mail is.
#[derive(Default)]
pub(super) struct Storing {
    /// When the disks of the box are to be looked at.
    look: Option<Duration>,
    /// What the server was told of them.
    told: Vec<Message>,
    /// What waits for the server's end, and until when.
    waiting: Option<(Waiting, Duration)>,
    /// Why the mail did not move: the next server hears it first.
    failed: Option<Message>,
    /// [`MOVING`] is there.
    is_marked: bool,
}

enum Waiting {
    Switch(Place),
    Adopt(Disk),
}

impl Storing {
    /// A disk came, went, or is another one.
    pub(super) fn changed(&mut self, now: Duration) {
        self.look = Some(now + limits::STICK_SETTLES);
    }

    /// What a server is told when it starts.
    pub(super) fn told(&mut self) -> Vec<Message> {
        self.told.iter().cloned().chain(self.failed.take()).collect()
    }

    /// The server's end is no crash.
    pub(super) fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    pub(super) fn wait(&self, now: Duration) -> Duration {
        let until = self.waiting.as_ref().map(|(_, until)| *until);
        let soonest = self.look.into_iter().chain(until).min();
        soonest.map_or(limits::WATCHDOG_FEED, |at| at.saturating_sub(now))
    }
}

impl Supervisor<'_> {
    pub(super) fn storing_begins(&mut self) {
        if self.system.remove(&format!("{FOLDER}/{MOVING}")).is_err() {
            return;
        }
        self.did_not_move("the box restarted meanwhile");
        // One that runs already is not told at its start.
        if matches!(self.server.state, State::Running { .. })
            && let Some(failed) = self.storing.failed.take()
        {
            self.tell_server(&failed);
        }
    }

    fn did_not_move(&mut self, why: &str) {
        let why = format!("the mail did not move: {why}");
        self.storing.failed = Some(Message::NotPrepared(Words::new(&why)));
        self.trouble(why);
    }

    /// Once it is decided on nothing broke off any more.
    fn mark_move(&mut self) {
        let is_moving = self.lending.is_moving() && !self.storing.waits();
        if is_moving == self.storing.is_marked {
            return;
        }
        let path = format!("{FOLDER}/{MOVING}");
        let marked = match is_moving {
            true => self.system.replace(&path, b""),
            false => self.system.remove(&path),
        };
        if let Err(error) = marked {
            self.trouble(format!("{MOVING}: {error}"));
        }
        self.storing.is_marked = is_moving;
    }

    pub(super) fn storing_goes_on(&mut self, now: Duration) {
        self.mark_move();
        if let Some((_, until)) = &mut self.storing.waiting
            && *until <= now
        {
            // Its end is heard in a moment.
            *until = now + limits::CHILD_ENDS;
            self.system.kill(&Program::Server, Kill::AtOnce);
        }
        if self.storing.look.take_if(|at| *at <= now).is_some() {
            self.storing.look = Some(now + limits::DISKS_LOOKED_AT);
            self.look_at_disks();
        }
    }

    fn look_at_disks(&mut self) {
        if self.booted.lost == Some(Lost::Missing)
            && let Some(elsewhere) = self.booted.elsewhere.clone()
            && !elsewhere.disks(self.system).is_empty()
        {
            self.trouble(format!("the disk {} is in: the box restarts", elsewhere.name));
            self.end = Some(false);
        }
        if let (Some(data), Some(elsewhere)) = (&self.booted.data, &self.booted.elsewhere)
            && !disk::data_disks(self.system).contains(data)
        {
            let name = elsewhere.name.clone();
            self.trouble(format!("the disk {name}, which holds the mail, is gone: restart"));
            self.end = Some(false);
        }
        let Some(own) = self.booted.disk.clone().filter(|_| self.booted.repair.is_none()) else {
            return;
        };
        let (data, old_copy) = (self.booted.data.as_ref(), self.booted.old_copy);
        let found = holders::all(self.system, &own, data, old_copy);
        let before = std::mem::take(&mut self.storing.told);
        let gone = before.iter().filter_map(|told| holders::gone(told, &found));
        let new = found.iter().filter(|message| !before.contains(message)).cloned();
        let news: Vec<Message> = gone.chain(new).collect();
        self.storing.told = found;
        news.iter().for_each(|message| self.tell_server(message));
    }

    // ---- lent ----

    pub(super) fn lending_goes_on(&mut self, now: Duration) {
        let Self { booted, lending, system, .. } = self;
        let own = Own { system: booted.disk.as_ref(), data: booted.data.as_ref() };
        for message in lending.go_on(*system, own, now) {
            self.tell_server(&message);
        }
    }

    pub(super) fn lend(&mut self, write: bool) {
        let reads_stick = self.installs_from_stick();
        let Self { booted, lending, system, .. } = self;
        let own = Own { system: booted.disk.as_ref(), data: booted.data.as_ref() };
        let answer = match reads_stick {
            true => Message::NotLent(Words::new("an update is read from the stick: wait for it")),
            false => lending.lend(*system, own, write),
        };
        self.tell_server(&answer);
    }

    pub(super) fn format(&mut self, name: &Words) {
        let Self { booted, lending, system, .. } = self;
        let own = Own { system: booted.disk.as_ref(), data: booted.data.as_ref() };
        if let Some(answer) = lending.format(*system, own, name) {
            self.tell_server(&answer);
        }
    }

    // ---- the move ----

    pub(super) fn prepare(&mut self, name: &Words) {
        if let Some(why) = self.cannot_move() {
            return self.not_prepared(why);
        }
        let Self { booted, lending, system, .. } = self;
        let own = Own { system: booted.disk.as_ref(), data: booted.data.as_ref() };
        let answer = lending.prepare(*system, own, name);
        // That of the system's disk was removed to make room.
        booted.old_copy &= !matches!(lending.place(), Some(Place::Home));
        self.was_busy();
        if let Some(answer) = answer {
            self.tell_server(&answer);
        }
    }

    /// A change of the system and one of the disk at once: nobody could say which of them failed.
    fn cannot_move(&self) -> Option<&'static str> {
        if self.storing.waits() {
            return Some("the box is about to restart");
        }
        let updating = self.updates.is_installing() || self.booted.standing != Standing::Confirmed;
        updating.then_some("an update is under way: move the mail after it")
    }

    fn not_prepared(&mut self, why: &str) {
        self.tell_server(&Message::NotPrepared(Words::new(why)));
    }

    pub(super) fn switch_asked(&mut self, now: Duration) {
        match (self.cannot_move(), self.lending.place().cloned()) {
            (Some(why), _) => self.not_prepared(why),
            (None, None) => self.not_prepared("no disk is ready for the mail"),
            (None, Some(place)) => self.wait_for_server(Waiting::Switch(place), now),
        }
    }

    /// Only a box that nobody owns takes the mail of another.
    pub(super) fn adopt_asked(&mut self, now: Duration) {
        let owned = self.view.health.is_none_or(|health| health.owned);
        match (self.cannot_move(), self.lending.mail().cloned()) {
            (Some(why), _) => self.not_prepared(why),
            (None, _) if owned || self.booted.elsewhere.is_some() => {
                self.not_prepared("this box has mail of its own");
            }
            (None, None) => self.not_prepared("no disk with mail is lent"),
            (None, Some(disk)) => self.wait_for_server(Waiting::Adopt(disk), now),
        }
    }

    fn wait_for_server(&mut self, waiting: Waiting, now: Duration) {
        self.storing.waiting = Some((waiting, now + limits::CHILD_ENDS));
        self.mark_move();
        self.system.kill(&Program::Server, Kill::Ask);
    }

    /// It ended, as it was asked to: nothing is written any more but this.
    pub(super) fn server_let_go(&mut self, now: Duration) {
        let Some((waiting, _)) = self.storing.waiting.take() else { return };
        self.view.health = None;
        self.server = Watch::stopped();
        let Some(own) = self.booted.disk.clone() else { return };
        let done = match &waiting {
            Waiting::Switch(place) => {
                let before = self.booted.elsewhere.clone();
                moving::switch(self.system, &own, before.as_ref(), place)
            }
            Waiting::Adopt(disk) => {
                // The code of a box that has an owner is none.
                self.no_more_secrets();
                moving::adopt(self.system, disk)
            }
        };
        match done {
            Ok(()) => self.end = Some(false),
            Err(Failed::Meanwhile(why)) => {
                self.trouble(format!("the box restarts to see on which disk the mail is: {why}"));
                self.end = Some(false);
            }
            Err(Failed::Before(why)) => {
                self.did_not_move(&why);
                self.server = Watch::due_at(now);
                self.take_back();
            }
        }
    }

    /// What was lent is wanted no more; returns what the server is told that waits for it.
    pub(super) fn take_back(&mut self) -> Option<Message> {
        let answer = self.lending.take_back(self.system);
        // Where the mail did not come back there is no old copy any more.
        self.storing.look = Some(Duration::ZERO);
        answer
    }

    /// The server ended by itself, with the mail on its way: the next hears what became of it.
    pub(super) fn move_broke_off(&mut self) {
        if self.lending.is_moving() {
            let why = "it broke off: the mail is where it was";
            self.storing.failed = Some(Message::NotPrepared(Words::new(why)));
        }
        self.take_back();
    }

    // ---- old copies ----

    pub(super) fn forget(&mut self) {
        if self.storing.waits() || !self.lending.is_free() {
            return self.not_prepared("the disk is in use");
        }
        let (own, is_away) = (self.booted.disk.clone(), self.booted.data.is_some());
        let here = own.filter(|_| is_away && self.booted.old_copy).map(Old::System);
        let there = moving::before(self.system).map(Old::Data);
        let all: Vec<Old> = here.into_iter().chain(there).collect();
        if all.is_empty() {
            return self.not_prepared("there is no old copy of the mail in the box");
        }
        for old in all {
            if let Err(why) = moving::forget(self.system, &old) {
                self.trouble(why.clone());
                self.not_prepared(&why);
                break;
            }
            self.booted.old_copy &= !matches!(old, Old::System(_));
        }
        self.was_busy();
        let now = self.system.uptime();
        self.lending.changed(now);
        self.look_at_disks();
    }

    /// What was said meanwhile is not heard yet: nobody was silent.
    fn was_busy(&mut self) {
        let now = self.system.uptime();
        if matches!(self.server.state, State::Running { .. }) {
            self.server.heard(now);
        }
    }

    /// Whoever stands at the box wants it to go on without the disk that is missing.
    pub(super) fn use_old_copy(&mut self) {
        if self.booted.lost.is_none() || !self.can_reset {
            return;
        }
        match self.system.remove(&format!("{FOLDER}/{ELSEWHERE}")) {
            Ok(()) => self.end = Some(false),
            Err(error) => self.trouble(format!("the old copy is not used: {error}")),
        }
    }
}
