//! PID 1: the boot as one numbered list, each step with its rule on failure.
//!
//! ```text
//!  1 mounts          without /proc or /dev nothing can go on: a panic restarts the box
//!  2 command line    which slot, which disk; what is missing is told, and the disk is not found
//!  3 console         without one the box is mute, and goes on
//!  4 drivers         what cannot be loaded is told; new devices are followed from now on
//!  5 clock floor     build time; a clock that cannot be set stays
//!  6 watchdog        without one a hang needs the plug to be pulled: told
//!  7 disk            by its id; none, or two: repair
//!  8 slot state      one copy lost: mended; both lost: the running slot is the good one
//!  9 partition       grown to the disk's end; what fails is told and tried at the next start
//! 10 check           e2fsck -p; 0 and 1 go on, 2 restarts once, 4 and more: repair. A superblock
//!                    that a power cut left torn is mended, and e2fsck runs again
//! 11 data            mounted; if only for reading, or not at all: repair. Never formatted
//! 12 file system     grown to its partition; as step 9
//! 13 elsewhere       where the mail is on another disk, that one takes the place of step 11, after
//!                    steps 9 and 10 for it; none, two, or a damaged one: repair
//! 14 system folder   what is to be reset goes first: unless all of it does, repair; then identity,
//!                    saved clock, seed: what is missing is made
//! 15 disk id         its own, made at the first start
//! 16 presets         mailroom.toml of the boot partition, or SETUP-CODE.txt there
//! 17 kernel          settings of /proc/sys, and the network that leads back to the box
//! 18 children        the server, or in repair what says so; and netd
//! ```
//!
//! Repair: the server is not started, the console says why, netd runs, and the box stays up.

pub(crate) mod boot_partition;
pub(crate) mod check;
pub(crate) mod disk;
pub(crate) mod elsewhere;
pub(crate) mod folder;
pub(crate) mod modules;
pub(crate) mod note;
pub(crate) mod pattern;
pub(crate) mod reset;
pub(crate) mod slots;
pub(crate) mod superblock;

use super::syscall::{Access, Happening, Kill, Mount, Program, System};
use crate::limits;
use crate::request::{ClockState, Code, DeviceId, Message, Plan, Words};
use crate::update::ledger;
use crate::update::slot::{Slot, Standing};
use boot_partition::Preset;
use disk::Disk;
use elsewhere::{Elsewhere, Lost};
use modules::Modules;
use std::io;
use std::time::Duration;

/// Where e2fsck is told that the board's clock cannot be believed.
pub(crate) const FSCK_CONFIG: &str = "/run/e2fsck.conf";
pub(crate) const DATA: &str = "/data";

/// What the boot found: the supervisor goes on from here.
pub(crate) struct Booted {
    pub slot: Option<Slot>,
    pub standing: Standing,
    /// The system's: boot partition, slots and their state, notes; and the mail, as a rule.
    pub disk: Option<Disk>,
    /// Where the mail is on another: what is written of it,
    pub elsewhere: Option<Elsewhere>,
    /// and the disk itself.
    pub data: Option<Disk>,
    /// An old copy of the mail is on the system's.
    pub old_copy: bool,
    /// The mail came from another card, and this is the first start with it.
    pub adopted: bool,
    /// Why the mail is not there: /data is the system's disk then.
    pub lost: Option<Lost>,
    pub modules: Modules,
    /// Shown until the box has an owner.
    pub code: Option<Code>,
    pub preset: Preset,
    /// The owner's log-in is to be taken away by the server, under this number.
    pub reset: Option<u64>,
    /// What a reset of everything has to name.
    pub device: Option<DeviceId>,
    pub plan: Plan,
    pub clock: ClockState,
    /// Children that could not be started: tried again.
    pub unstarted: Vec<Program>,
    /// Restarts that PID 1 ordered because of trouble.
    pub restarts: u8,
    /// Why the server does not run.
    pub repair: Option<String>,
    /// What was not as it should be, for the console.
    pub faults: Vec<String>,
}

/// How the list ended.
pub(crate) enum Outcome {
    Up(Box<Booted>),
    /// The box restarts or is switched off.
    End {
        off: bool,
    },
}

/// Runs the list; `build` is the time of the build, in seconds since 1970.
pub(crate) fn boot(system: &mut dyn System, build: i64) -> io::Result<Outcome> {
    let mut boot = Boot { system, build, booted: Booted::nothing(), asked: None };
    boot.mounts()?;
    let line = boot.command_line();
    boot.console();
    boot.drivers();
    boot.clock_floor();
    boot.watchdog();
    boot.disk(line.disk);
    boot.slot_state(line.slot);
    boot.partition();
    if boot.check() == Next::Restart {
        return Ok(Outcome::End { off: false });
    }
    for step in [Boot::data, Boot::file_system] {
        // On a slow card each of these takes seconds.
        boot.system.feed_watchdog();
        step(&mut boot);
    }
    if boot.elsewhere() == Next::Restart {
        return Ok(Outcome::End { off: false });
    }
    let rest = [Boot::system_folder, Boot::disk_id, Boot::presets, Boot::kernel, Boot::children];
    for step in rest {
        boot.system.feed_watchdog();
        step(&mut boot);
    }
    match boot.asked {
        Some(off) => Ok(Outcome::End { off }),
        None => Ok(Outcome::Up(Box::new(boot.booted))),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    GoOn,
    Restart,
}

pub(crate) struct Boot<'a> {
    pub system: &'a mut dyn System,
    pub build: i64,
    pub booted: Booted,
    /// A signal asked for the end meanwhile; true: off.
    pub asked: Option<bool>,
}

#[derive(Debug, Default)]
struct CommandLine {
    slot: Option<Slot>,
    disk: Option<u32>,
}

impl Booted {
    fn nothing() -> Booted {
        Booted {
            slot: None,
            standing: Standing::Confirmed,
            disk: None,
            elsewhere: None,
            data: None,
            old_copy: false,
            adopted: false,
            lost: None,
            modules: Modules::default(),
            code: None,
            preset: Preset::None,
            reset: None,
            device: None,
            plan: Plan::Dhcp,
            clock: ClockState::Floor,
            unstarted: Vec::new(),
            restarts: 0,
            repair: None,
            faults: Vec::new(),
        }
    }
}

impl Booted {
    /// /data can be written: under repair only where the mail is elsewhere.
    pub(crate) fn writes(&self) -> bool {
        self.repair.is_none() || self.lost.is_some()
    }
}

impl Boot<'_> {
    /// Told on the console and in the log; the boot goes on.
    pub(crate) fn fault(&mut self, what: String) {
        crate::event::emit(crate::event::Event::BoxTrouble { what: what.clone() });
        self.booted.faults.push(what);
    }

    /// The server will not run; the first reason counts.
    pub(crate) fn repair(&mut self, why: String) {
        crate::event::emit(crate::event::Event::BoxTrouble { what: why.clone() });
        self.booted.repair.get_or_insert(why);
    }

    /// Waits and feeds the watchdog; a signal to end is kept for later.
    pub(crate) fn wait(&mut self, most: Duration) -> Vec<Happening> {
        self.system.feed_watchdog();
        let happened = self.system.wait(most);
        for happening in &happened {
            match happening {
                Happening::End { off } => self.asked = Some(*off),
                Happening::Device(alias) => self.drive(alias),
                _ => (),
            }
        }
        happened
    }

    // ---- 1 ----
    fn mounts(&mut self) -> io::Result<()> {
        let needed = [("/proc", "proc"), ("/dev", "devtmpfs")];
        let others = [("/sys", "sysfs"), ("/run", "tmpfs"), ("/tmp", "tmpfs")];
        for (target, kind) in needed {
            let mounted = self.system.mount(&kernel_mount(target, kind));
            // The kernel may have mounted /dev itself.
            match mounted {
                Err(error) if error.raw_os_error() != Some(nix::libc::EBUSY) => return Err(error),
                _ => (),
            }
        }
        for (target, kind) in others {
            if let Err(error) = self.system.mount(&kernel_mount(target, kind)) {
                self.fault(format!("{target} cannot be mounted: {error}"));
            }
        }
        Ok(())
    }

    // ---- 2 ----
    fn command_line(&mut self) -> CommandLine {
        let text = self.system.read("/proc/cmdline").unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let value = |name: &str| {
            let mut words = text.split_ascii_whitespace();
            words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let slot = value("mailroom.slot").and_then(Slot::from_name);
        let disk = value("mailroom.disk").map(|id| id.trim_start_matches("0x"));
        let disk = disk.and_then(|id| u32::from_str_radix(id, 16).ok());
        if slot.is_none() || disk.is_none() {
            let what = "the boot script does not say which slot and disk it started";
            self.fault(what.to_string());
        }
        CommandLine { slot, disk }
    }

    // ---- 3 ----
    fn console(&mut self) {
        if let Err(error) = self.system.adopt_console() {
            self.fault(format!("there is no console: {error}"));
        }
    }

    // ---- 4 ----
    fn drivers(&mut self) {
        let version = self.system.read("/proc/sys/kernel/osrelease").unwrap_or_default();
        let version = String::from_utf8_lossy(&version).trim().to_string();
        let folder = format!("/lib/modules/{version}");
        let mut text = |name: &str| {
            let octets = self.system.read(&format!("{folder}/{name}")).unwrap_or_default();
            String::from_utf8_lossy(&octets).into_owned()
        };
        let (dep, alias, softdep) =
            (text("modules.dep"), text("modules.alias"), text("modules.softdep"));
        if dep.is_empty() {
            self.fault(format!("{folder} holds no drivers"));
        }
        self.booted.modules = Modules::new(&dep, &alias, &softdep);
        for need in ["ext4", "vfat", "exfat", "nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"]
        {
            self.drive(need);
        }
        ["af_packet", "ipv6"].into_iter().for_each(|need| self.drive(need));
        self.known_devices();
    }

    /// Drivers of every device that is there; one may bring another.
    fn known_devices(&mut self) {
        for alias in self.system.modaliases() {
            self.drive(&alias);
        }
    }

    fn drive(&mut self, alias: &str) {
        for fault in load(self.system, &mut self.booted.modules, alias) {
            self.fault(fault);
        }
    }

    // ---- 5 ----
    fn clock_floor(&mut self) {
        // Where the board has a clock of its own the kernel took its time over.
        self.booted.clock = ClockState::Plausible;
        let floor = self.build;
        self.not_before(floor);
    }

    /// Never backwards: a clock that is ahead stays. One that is behind is not believed.
    pub(crate) fn not_before(&mut self, floor: i64) {
        if self.system.now() >= floor {
            return;
        }
        self.booted.clock = ClockState::Floor;
        if let Err(error) = self.system.set_clock(floor) {
            self.fault(format!("the clock cannot be set: {error}"));
        }
    }

    // ---- 6 ----
    fn watchdog(&mut self) {
        match self.system.open_watchdog(limits::WATCHDOG_SECONDS) {
            Ok(_) => self.system.feed_watchdog(),
            Err(error) => {
                let what = "there is no watchdog: a box that hangs needs its plug pulled";
                self.fault(format!("{what} ({error})"));
            }
        }
    }

    // ---- 7 ----
    fn disk(&mut self, id: Option<u32>) {
        let Some(id) = id else {
            self.repair("which disk is ours is not known".to_string());
            return;
        };
        let given_up = self.system.uptime() + limits::DISK_APPEARS;
        loop {
            match disk::with_id(self.system, id).as_slice() {
                [one] => {
                    let one = one.clone();
                    self.booted.restarts = note::restarts(self.system, &one);
                    self.booted.disk = Some(one);
                    return;
                }
                [] if self.system.uptime() < given_up => {
                    self.wait(limits::DISK_LOOK);
                    self.known_devices();
                }
                [] => {
                    self.repair(format!("no disk has the id {id:08x} that the box started from"));
                    return;
                }
                several => {
                    let names: Vec<&str> = several.iter().map(|disk| disk.name.as_str()).collect();
                    let names = names.join(" and ");
                    let what = format!("{names} carry the same id {id:08x}");
                    self.repair(format!("{what}: remove the one that is not the box's own"));
                    return;
                }
            }
        }
    }

    // ---- 8 ----
    fn slot_state(&mut self, slot: Option<Slot>) {
        self.booted.slot = slot;
        if let (Some(slot), Some(disk)) = (slot, self.booted.disk.clone()) {
            let found = slots::look(self.system, &disk, slot);
            self.booted.standing = found.standing;
            found.faults.into_iter().for_each(|fault| self.fault(fault));
            if found.standing == Standing::OnTrial
                && let Err(error) = note::write_trial(self.system, &disk, ledger::STARTED)
            {
                self.fault(format!("how far this trial came cannot be noted: {error}"));
            }
        }
    }

    // ---- 9 ----
    fn partition(&mut self) {
        let Some(disk) = self.booted.disk.clone() else { return };
        match disk::grow_partition(self.system, &disk) {
            Ok(growth) if growth.left_over > 0 => {
                self.fault("only the first 2 TiB of the disk are used".to_string());
            }
            Ok(_) => (),
            Err(error) => self.fault(format!("the data partition cannot grow: {error}")),
        }
    }

    // ---- 10: check.rs ----

    // ---- 11 ----
    fn data(&mut self) {
        let Some(disk) = self.booted.disk.clone().filter(|_| self.booted.repair.is_none()) else {
            return;
        };
        let mut mount = Mount {
            source: disk.partition(disk::DATA),
            target: DATA.to_string(),
            kind: "ext4",
            access: Access::Write,
            options: "",
        };
        let Err(error) = self.system.mount(&mount) else { return };
        mount.access = Access::ReadOnly;
        let why = match self.system.mount(&mount) {
            Ok(()) => format!("the data partition can only be read: {error}"),
            Err(_) => format!("the data partition cannot be mounted: {error}"),
        };
        self.repair(why);
    }

    // ---- 12 ----
    fn file_system(&mut self) {
        let Some(disk) = self.booted.disk.clone().filter(|_| self.booted.repair.is_none()) else {
            return;
        };
        if let Err(error) = disk::grow_file_system(self.system, &disk, DATA) {
            self.fault(format!("the data file system cannot grow: {error}"));
        }
    }

    // ---- 13: elsewhere.rs ----
    // ---- 14: folder.rs, reset.rs ----

    // ---- 15 ----
    fn disk_id(&mut self) {
        let writes = self.booted.writes();
        let Some(disk) = self.booted.disk.clone().filter(|_| writes) else { return };
        let own = match folder::own_disk_id(self.system) {
            Ok(own) => own,
            Err(error) => {
                return self.fault(format!("the disk's own id cannot be kept: {error}"));
            }
        };
        self.booted.device = Some(DeviceId(own));
        if own != disk.id
            && let Err(error) = disk::set_id(self.system, &disk, own)
        {
            self.fault(format!("the disk cannot get an id of its own: {error}"));
        }
    }

    // ---- 16: boot_partition.rs ----

    // ---- 17 ----
    fn kernel(&mut self) {
        let settings = [
            // The server binds its ports without a capability.
            ("net/ipv4/ip_unprivileged_port_start", "25"),
            ("net/ipv4/conf/all/rp_filter", "0"),
            ("net/ipv6/conf/all/accept_ra", "1"),
            ("kernel/panic_on_oops", "1"),
            // A processor that does nothing else for 40 s (twice this) hangs in a driver: the
            // kernel starts anew. The watchdog does not see it while PID 1 runs on another. The
            // count begins again with what RCU says of it, which it does each 63 s.
            ("kernel/watchdog_thresh", "20"),
            ("kernel/softlockup_panic", "1"),
            ("kernel/kptr_restrict", "2"),
            ("kernel/dmesg_restrict", "1"),
            ("fs/protected_hardlinks", "1"),
            ("fs/protected_symlinks", "1"),
        ];
        for (name, value) in settings {
            if let Err(error) = self.system.put(&format!("/proc/sys/{name}"), value.as_bytes()) {
                self.fault(format!("/proc/sys/{name} cannot be set: {error}"));
            }
        }
        let cards = "/sys/module/block/parameters/events_dfl_poll_msecs";
        if let Err(error) = self.system.put(cards, limits::CARD_LOOK_MILLIS.as_bytes()) {
            self.fault(format!("cards that are changed in a reader are not noticed: {error}"));
        }
        // The server's pages are handed on over it.
        if let Err(error) = self.system.loopback_up() {
            self.fault(format!("the loopback network cannot be switched on: {error}"));
        }
    }

    // ---- 18 ----
    fn children(&mut self) {
        if self.asked.is_some() {
            return;
        }
        let server = match self.booted.repair {
            None => Program::Server,
            Some(_) => Program::Repair,
        };
        for program in [server, Program::Netd] {
            if let Err(error) = self.start_child(&program) {
                self.fault(format!("{} cannot be started: {error}", program.name()));
                self.booted.unstarted.push(program);
            }
        }
    }

    fn start_child(&mut self, program: &Program) -> io::Result<()> {
        start_child(self.system, &self.booted, program)
    }
}

/// Starts a child and says its first message.
pub(crate) fn start_child(
    system: &mut dyn System,
    booted: &Booted,
    program: &Program,
) -> io::Result<()> {
    system.start(program)?;
    let told = match program {
        Program::Server => {
            let code = booted.code.unwrap_or(Code::new([0; 8]));
            let file = booted.preset.octets();
            let trial = booted.standing == Standing::OnTrial;
            let start = Message::Start { preset: file.is_some(), trial, code };
            let clock = Message::Clock { state: booted.clock, seconds: system.now() };
            let before = booted.reset.map(Message::ResetOwner);
            let told = before.map_or(Ok(()), |reset| system.tell(program, &reset, None));
            let told = told.and_then(|()| system.tell(program, &start, file));
            let device = booted.device.map(Message::Device);
            let rest = [clock, Message::Network(booted.plan)].into_iter().chain(device);
            told.and_then(|()| {
                rest.into_iter().try_for_each(|message| system.tell(program, &message, None))
            })
        }
        Program::Repair => {
            let why = Words::new(booted.repair.as_deref().unwrap_or_default());
            system.tell(program, &Message::Repair(why), None)
        }
        _ => system.tell(program, &Message::Network(booted.plan), None),
    };
    if told.is_err() {
        system.kill(program, Kill::AtOnce);
    }
    told
}

/// Loads what a device asks for; returns what failed.
pub(crate) fn load(system: &mut dyn System, modules: &mut Modules, alias: &str) -> Vec<String> {
    let files = modules.wanted(alias);
    if files.is_empty() {
        return Vec::new();
    }
    let version = system.read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version = String::from_utf8_lossy(&version).trim().to_string();
    let mut faults = Vec::new();
    for file in files {
        match system.load_module(&format!("/lib/modules/{version}/{file}")) {
            // A driver that finds no device of its own says so; that is no fault.
            Err(error) if error.raw_os_error() != Some(nix::libc::ENODEV) => {
                faults.push(format!("the driver {file} cannot be loaded: {error}"));
            }
            _ => (),
        }
    }
    faults
}

fn kernel_mount(target: &str, kind: &'static str) -> Mount {
    let options = if kind == "tmpfs" { "mode=0755,size=32m" } else { "" };
    let (source, target) = (kind.to_string(), target.to_string());
    Mount { source, target, kind, access: Access::Write, options }
}
