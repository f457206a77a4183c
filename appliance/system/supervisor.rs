//! PID 1 after the boot: children are kept running, what they say is carried on, the console shows
//! how things are.
//!
//! ```text
//!            started              ended, or silent too long
//!  Waiting ----------> Running ------------------------------> Waiting (1 s, 2 s .. 60 s)
//!                                 the server three times an hour:
//!                                     the first time   -> the box restarts, once
//!                                     after a restart  -> repair: Stopped, told on the console
//! ```
//!
//! A full or read-only disk is said by the server and shown; it restarts nothing.

mod resets;
mod storing;
mod updating;

use super::console::{Console, View};
use super::init::{Booted, DATA, boot_partition, folder, load, note, start_child};
use super::lending::Lending;
use super::menu::Menu;
use super::syscall::{Access, Ended, Happening, Kill, Mount, Program, System};
use crate::event::{Event, emit};
use crate::limits;
use crate::request::{ClockState, Health, Message, Plan, Role, StoreState};
use crate::update::slot::Standing;
use std::collections::VecDeque;
use std::time::Duration;

/// One child over time; time is the uptime of the box.
#[derive(Debug)]
pub(crate) struct Watch {
    state: State,
    /// When it ended lately.
    ends: VecDeque<Duration>,
    wait: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running { heard: Duration, since: Duration },
    Waiting { until: Duration },
    Stopped,
}

impl Watch {
    pub(crate) fn running(now: Duration) -> Watch {
        let state = State::Running { heard: now, since: now };
        Watch { state, ends: VecDeque::new(), wait: limits::CHILD_WAIT_FIRST }
    }

    pub(crate) fn stopped() -> Watch {
        let wait = limits::CHILD_WAIT_FIRST;
        Watch { state: State::Stopped, ends: VecDeque::new(), wait }
    }

    /// To be started now.
    fn due_at(now: Duration) -> Watch {
        Watch { state: State::Waiting { until: now }, ..Watch::stopped() }
    }

    fn started(&mut self, now: Duration) {
        self.state = State::Running { heard: now, since: now };
    }

    /// Returns how often it ended in the last hour.
    pub(crate) fn ended(&mut self, now: Duration) -> usize {
        // One that ran for long starts again at once.
        if let State::Running { since, .. } = self.state
            && now.saturating_sub(since) > limits::CHILD_WAIT_MOST
        {
            self.wait = limits::CHILD_WAIT_FIRST;
        }
        self.ends.push_back(now);
        let hour_ago = now.saturating_sub(limits::CRASH_WINDOW);
        self.ends.retain(|end| *end >= hour_ago);
        self.state = State::Waiting { until: now + self.wait };
        self.wait = (self.wait * 2).min(limits::CHILD_WAIT_MOST);
        self.ends.len()
    }

    fn heard(&mut self, now: Duration) {
        if let State::Running { heard, .. } = &mut self.state {
            *heard = now;
        }
    }

    pub(crate) fn due(&self, now: Duration) -> bool {
        matches!(self.state, State::Waiting { until } if until <= now)
    }

    pub(crate) fn stale(&self, now: Duration) -> bool {
        let State::Running { heard, since } = self.state else { return false };
        // Opening a large store after a power cut takes time.
        let patience = if heard == since { limits::HEALTH_FIRST } else { limits::HEALTH_STALE };
        now.saturating_sub(heard) > patience
    }

    fn running_for(&self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Running { since, heard } if heard > since => Some(now.saturating_sub(since)),
            _ => None,
        }
    }
}

pub(crate) struct Supervisor<'a> {
    system: &'a mut dyn System,
    booted: Booted,
    build: i64,
    server: Watch,
    repair: Watch,
    netd: Watch,
    console: Console,
    view: View,
    /// The last lines of the server, for the crash log.
    last: VecDeque<String>,
    clock_kept: Option<Duration>,
    name: Option<Message>,
    /// What comes back when the new address is not confirmed, and when it does.
    trial: Option<(Plan, Duration)>,
    /// At the screen, and at the serial port.
    menus: (Menu, Menu),
    /// The data partition was fit to be written at the start.
    can_reset: bool,
    end: Option<bool>,
    updates: updating::Updates,
    lending: Lending,
    storing: storing::Storing,
}

/// Runs until the box restarts (false) or is switched off (true).
pub(crate) fn run(system: &mut dyn System, booted: Booted, build: i64) -> bool {
    let now = system.uptime();
    let watch = |program| match booted.unstarted.contains(&program) {
        true => Watch::due_at(now + limits::CHILD_WAIT_FIRST),
        false => Watch::running(now),
    };
    let (server, repair) = match booted.repair {
        None => (watch(Program::Server), Watch::stopped()),
        Some(_) => (Watch::stopped(), watch(Program::Repair)),
    };
    let netd = watch(Program::Netd);
    let view = View::new(&booted);
    let can_reset = booted.writes();
    let mut supervisor = Supervisor {
        system,
        booted,
        build,
        server,
        repair,
        netd,
        console: Console::default(),
        view,
        last: VecDeque::new(),
        clock_kept: None,
        name: None,
        trial: None,
        menus: Default::default(),
        can_reset,
        end: None,
        updates: updating::Updates::default(),
        lending: Lending::default(),
        storing: storing::Storing::default(),
    };
    supervisor.lending.changed(now);
    supervisor.storing.changed(now);
    supervisor.storing_begins();
    supervisor.updates_begin();
    let off = supervisor.until_end();
    supervisor.shut_down(off);
    off
}

impl Supervisor<'_> {
    fn until_end(&mut self) -> bool {
        loop {
            if let Some(off) = self.end {
                return off;
            }
            self.system.feed_watchdog();
            let now = self.system.uptime();
            self.start_due(now);
            self.end_trial(now);
            self.close_menus(now);
            self.look_at_health(now);
            self.updates_go_on(now);
            self.lending_goes_on(now);
            self.storing_goes_on(now);
            self.view.now = self.system.now();
            self.console.show(self.system, &self.view);
            for happening in self.system.wait(limits::WATCHDOG_FEED.min(self.next(now))) {
                self.handle(happening);
            }
        }
    }

    /// Until a child is to be started.
    fn next(&self, now: Duration) -> Duration {
        let until = |watch: &Watch| match watch.state {
            State::Waiting { until } => until.saturating_sub(now),
            _ => limits::WATCHDOG_FEED,
        };
        let children = [&self.server, &self.repair, &self.netd];
        let soonest = children.into_iter().map(until).min();
        let others = self.updates_wait(now).min(self.lending.wait(now)).min(self.storing.wait(now));
        let soonest = soonest.map(|soonest| soonest.min(others));
        soonest.unwrap_or(limits::WATCHDOG_FEED).max(limits::INIT_BREATH)
    }

    fn start_due(&mut self, now: Duration) {
        for program in [Program::Server, Program::Repair, Program::Netd] {
            if !self.watch(&program).due(now) {
                continue;
            }
            match start_child(self.system, &self.booted, &program) {
                Ok(()) => self.watch(&program).started(now),
                Err(error) => {
                    self.trouble(format!("{} cannot be started: {error}", program.name()));
                    self.ended(&program, now);
                }
            }
            // One that died at once is started again and told then.
            match (&program, &self.name) {
                (Program::Netd, Some(name)) => drop(self.system.tell(&program, name, None)),
                (Program::Server, _) => {
                    let told = self.view.told().into_iter().chain(self.lending.told().cloned());
                    let told = told.chain(self.storing.told());
                    for message in told.collect::<Vec<_>>() {
                        let _ = self.system.tell(&program, &message, None);
                    }
                }
                _ => (),
            }
        }
    }

    fn watch(&mut self, program: &Program) -> &mut Watch {
        match program {
            Program::Server => &mut self.server,
            Program::Repair => &mut self.repair,
            _ => &mut self.netd,
        }
    }

    fn look_at_health(&mut self, now: Duration) {
        if self.server.stale(now) {
            self.trouble("the server gives no sign of life and is started again".to_string());
            self.system.kill(&Program::Server, Kill::AtOnce);
            // Its end is heard later; until then it is not killed again.
            self.server.heard(now);
        }
        let Some(healthy) = self.server.running_for(now) else { return };
        let Some(disk) = self.booted.disk.clone() else { return };
        if self.booted.restarts > 0 && healthy > limits::CRASH_WINDOW {
            self.booted.restarts = 0;
            if let Err(error) = note::write(self.system, &disk, 0) {
                self.trouble(format!("the note of a restart cannot be cleared: {error}"));
            }
        }
    }

    fn handle(&mut self, happening: Happening) {
        let now = self.system.uptime();
        match happening {
            Happening::End { off } => self.end = Some(off),
            Happening::Device(alias) => {
                for fault in load(self.system, &mut self.booted.modules, &alias) {
                    self.trouble(fault);
                }
            }
            Happening::Disk(name) => {
                self.disk_changed(&name, now);
                self.lending.disk_changed(&name, now);
                self.storing.changed(now);
            }
            Happening::Key(source, octet) => self.key(source, octet, now),
            Happening::Said(program, line) => self.said(&program, line),
            Happening::Ended(Program::Installer, how) => self.installer_ended(how),
            Happening::Ended(Program::Server, _) if self.storing.waits() => self.server_let_go(now),
            Happening::Ended(program, how) => {
                self.crashed(&program, how);
                self.ended(&program, now);
            }
            Happening::Babbled(program, why) => self.distrust(&program, why),
            Happening::Told(Program::Server, message) if message.fits(Role::Server) => {
                self.server.heard(now);
                self.server_said(message, now);
            }
            Happening::Told(Program::Netd, message) if message.fits(Role::Netd) => {
                self.netd_said(message, now);
            }
            Happening::Told(Program::Installer, message) if message.fits(Role::Installer) => {
                self.installer_said(message);
            }
            Happening::Told(program, _) => self.distrust(&program, "it is not its to say"),
        }
    }

    /// A child that says what none of ours says is not ours any more.
    fn distrust(&mut self, program: &Program, why: &'static str) {
        self.trouble(format!("{} said what makes no sense: {why}", program.name()));
        self.system.kill(program, Kill::AtOnce);
    }

    fn said(&mut self, program: &Program, line: String) {
        emit(Event::ChildSaid { line: format!("{}: {}", program.name(), undated(&line)) });
        let line = format!("{}: {line}", program.name());
        if self.last.len() >= limits::CRASH_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    fn trouble(&mut self, what: String) {
        emit(Event::BoxTrouble { what: what.clone() });
        self.view.trouble(&what);
    }

    /// A child ended by itself.
    fn crashed(&mut self, program: &Program, how: Ended) {
        self.trouble(format!("{} ended: {how}", program.name()));
        if self.booted.repair.is_some() {
            return;
        }
        let path = format!("{}/crash.log", folder::FOLDER);
        let mut log = self.system.read(&path).unwrap_or_default();
        let at = self.system.now();
        log.extend(format!("---- {at}: {} ended: {how}\n", program.name()).as_bytes());
        for line in self.last.drain(..) {
            log.extend(line.as_bytes());
            log.push(b'\n');
        }
        let old = log.len().saturating_sub(limits::CRASH_LOG_BYTES);
        // A full disk must not keep the child from being started again.
        let _ = self.system.replace(&path, log.get(old..).unwrap_or_default());
    }

    fn ended(&mut self, program: &Program, now: Duration) {
        let ends = self.watch(program).ended(now);
        self.view.ended(program, ends);
        match program {
            // What it had of a stick ends with it.
            Program::Server => self.move_broke_off(),
            Program::Netd => return self.view.addresses.clear(),
            _ => return,
        }
        self.view.health = None;
        if ends < limits::CRASHES {
            return;
        }
        if self.booted.standing == Standing::OnTrial {
            return self.trial_failed("the server ended three times");
        }
        let restarts = self.booted.restarts;
        let disk = self.booted.disk.clone();
        let noted = disk
            .filter(|_| restarts == 0)
            .is_some_and(|disk| note::write(self.system, &disk, restarts + 1).is_ok());
        if noted {
            self.trouble("the server ended three times in an hour: the box restarts".to_string());
            self.end = Some(false);
        } else {
            let why = "the server ended three times in an hour, also after a restart";
            self.trouble(why.to_string());
            self.server = Watch::stopped();
            self.repair = Watch::due_at(now);
            self.booted.repair = Some(why.to_string());
            self.view.repair = Some(why.to_string());
        }
    }

    fn server_said(&mut self, message: Message, now: Duration) {
        match message {
            Message::Health(health) => self.health(health),
            Message::PresetTaken => {
                self.booted.preset = boot_partition::Preset::None;
                self.view.preset_wrong = None;
                self.no_more_secrets();
            }
            Message::PresetWrong { line, why } => self.preset_wrong(line, why.text()),
            Message::SetupCode(code) => {
                self.booted.code = Some(code);
                self.view.code = Some(code);
                if let Err(error) = folder::keep_code(self.system, code) {
                    self.trouble(format!("the setup code cannot be kept: {error}"));
                }
            }
            Message::Key(words) => {
                self.view.key = Some(words.text().to_string());
                self.write_paper();
            }
            Message::End { off } => self.end = Some(off),
            Message::Update(act) => self.update_act(act),
            Message::Lend { write } => self.lend(write),
            // What waits for the server's end needs the disk.
            Message::Returned if self.storing.waits() => (),
            Message::Returned => {
                let answer = self.take_back();
                answer.iter().for_each(|answer| self.tell_server(answer));
            }
            Message::Format(name) => self.format(&name),
            Message::Prepare(name) => self.prepare(&name),
            Message::Switch => self.switch_asked(now),
            Message::Adopt => self.adopt_asked(now),
            Message::Forget => self.forget(),
            Message::Proved => self.proved(),
            Message::Unproved(why) => self.unproved(why.text()),
            Message::Reset(device) => self.reset_asked(device),
            Message::ResetDone(number) => self.owner_is_gone(number),
            Message::Network(plan) => self.network(plan, now),
            Message::NetworkKept => self.network_kept(now),
            Message::Name(name) => {
                self.view.name = name.text().to_string();
                self.tell_netd(&Message::Name(name.clone()));
                self.name = Some(Message::Name(name));
            }
            _ => (),
        }
    }

    fn health(&mut self, health: Health) {
        if health.store == StoreState::Full && self.view.store() != Some(StoreState::Full) {
            self.trouble("the data partition is full: new mail is put off".to_string());
        }
        self.view.health = Some(health);
        let now = self.system.uptime();
        self.lending.owned(health.owned, now);
        if health.owned && self.view.code.is_some() {
            self.view.code = None;
            self.no_more_secrets();
        }
    }

    /// SETUP-CODE.txt and mailroom.toml go.
    fn no_more_secrets(&mut self) {
        let Some(disk) = self.booted.disk.clone() else { return };
        if let Err(error) = boot_partition::finish(self.system, &disk) {
            self.trouble(format!("mailroom.toml cannot be removed: {error}"));
        }
    }

    fn preset_wrong(&mut self, line: u32, why: &str) {
        let place = if line == 0 { String::new() } else { format!("line {line}: ") };
        let wrong = format!("{place}{why}");
        self.trouble(format!("mailroom.toml was not taken: {wrong}"));
        self.view.preset_wrong = Some(wrong.clone());
        self.booted.preset = boot_partition::Preset::None;
        self.write_paper();
    }

    /// SETUP-CODE.txt, while there is a code to tell.
    fn write_paper(&mut self) {
        let (Some(disk), Some(code)) = (self.booted.disk.clone(), self.view.code) else { return };
        let (key, wrong) = (self.view.key.as_deref(), self.view.preset_wrong.as_deref());
        let paper = boot_partition::Paper { code, key, wrong };
        if let Err(error) = paper.write(self.system, &disk) {
            self.trouble(format!("SETUP-CODE.txt cannot be written: {error}"));
        }
    }

    fn network(&mut self, plan: Plan, now: Duration) {
        let on_trial = matches!(plan, Plan::Static(fixed) if fixed.on_trial);
        // What was before the first of several trials comes back.
        let before = self.trial.map_or(self.booted.plan, |(before, _)| before);
        self.trial = on_trial.then_some((before, now + limits::NETWORK_TRIAL));
        self.booted.plan = plan;
        // One on trial is kept only once it is confirmed: a restart goes back.
        if !on_trial {
            self.keep_network();
        }
        self.tell_netd(&Message::Network(plan));
        self.tell_server(&Message::Network(plan));
    }

    /// Too late, it is not heard: netd has gone back.
    fn network_kept(&mut self, now: Duration) {
        if self.trial.take_if(|(_, until)| now < *until).is_none() {
            return;
        }
        if let Plan::Static(fixed) = &mut self.booted.plan {
            fixed.on_trial = false;
        }
        self.keep_network();
        self.tell_netd(&Message::NetworkKept);
        self.tell_server(&Message::Network(self.booted.plan));
    }

    /// What was before holds again; netd has gone back by itself, unless it was started anew.
    fn end_trial(&mut self, now: Duration) {
        if let Some((before, _)) = self.trial.take_if(|(_, until)| *until <= now) {
            self.booted.plan = before;
            self.tell_netd(&Message::Network(before));
            self.tell_server(&Message::Network(before));
        }
    }

    fn keep_network(&mut self) {
        if let Err(error) = folder::keep_network(self.system, self.booted.plan) {
            self.trouble(format!("the network settings cannot be kept: {error}"));
        }
    }

    /// One that does not run is told at its start.
    fn tell_server(&mut self, message: &Message) {
        if matches!(self.server.state, State::Running { .. })
            && let Err(error) = self.system.tell(&Program::Server, message, None)
        {
            self.trouble(format!("the server does not listen: {error}"));
        }
    }

    fn tell_netd(&mut self, message: &Message) {
        if let Err(error) = self.system.tell(&Program::Netd, message, None) {
            self.trouble(format!("netd does not listen: {error}"));
        }
    }

    fn netd_said(&mut self, message: Message, now: Duration) {
        match message {
            Message::Clock { state, seconds } => {
                (self.booted.clock, self.view.clock) = (state, state);
                self.tell_server(&message);
                let kept = self.clock_kept;
                let due = kept.is_none_or(|at| now.saturating_sub(at) > limits::CLOCK_KEEP);
                if state == ClockState::Synced && due && self.booted.repair.is_none() {
                    self.clock_kept = Some(now);
                    if let Err(error) = folder::keep_clock(self.system, self.build, seconds) {
                        self.trouble(format!("the clock cannot be saved: {error}"));
                    }
                }
            }
            message => {
                if !matches!(message, Message::Told(_)) {
                    self.tell_server(&message);
                }
                self.view.network(message);
            }
        }
    }

    /// Children end, data is written out; then the box restarts or is off.
    fn shut_down(&mut self, off: bool) {
        emit(Event::Stopping);
        self.system.kill(&Program::Server, Kill::Ask);
        let given_up = self.system.uptime() + limits::CHILD_ENDS;
        let mut running = !matches!(self.server.state, State::Stopped | State::Waiting { .. });
        while running && self.system.uptime() < given_up {
            self.system.feed_watchdog();
            for happening in self.system.wait(limits::INIT_BREATH) {
                running &= !matches!(happening, Happening::Ended(Program::Server, _));
            }
        }
        self.system.kill(&Program::Server, Kill::AtOnce);
        self.system.kill(&Program::Netd, Kill::AtOnce);
        self.system.kill(&Program::Installer, Kill::AtOnce);
        self.lending.take_back(self.system);
        self.system.sync();
        let data = Mount {
            source: String::new(),
            target: DATA.to_string(),
            kind: "",
            access: Access::BecomeReadOnly,
            options: "",
        };
        // Nothing more can be done where it fails: what was acknowledged is on the disk anyway.
        let _ = self.system.mount(&data);
        self.system.sync();
        if off {
            self.system.close_watchdog();
        }
        if let Err(error) = self.system.reboot(off) {
            self.trouble(format!("the box cannot restart: {error}"));
        }
    }
}

/// What a child logged, without the time and the level that this line has again.
pub(crate) fn undated(line: &str) -> &str {
    match line.split_once("Z ") {
        // RFC 3339 5.6: to the second
        Some((time, said)) if time.len() == 19 && time.contains('T') => {
            said.strip_prefix("INFO ").unwrap_or(said).trim_start()
        }
        _ => line,
    }
}
