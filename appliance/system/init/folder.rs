//! Step 14 and later: PID 1's own folder on the data partition, and the server's.
//!
//! ```text
//! /data/system/         0700, root
//!   disk-id             eight hexadecimal digits: the id that the disk's table shall have
//!   setup-code          until the box has an owner
//!   clock               the newest time that several time servers agreed on
//!   seed                random octets for the next start
//!   network             how the box gets its address, as a message of request.rs
//!   host-name           the box's name in the network
//!   presets-done        the presets are in the store; with "code" in it there is no owner again
//!   reset               what is being reset (reset/journal.rs)
//!   crash.log           the last words of children that crashed
//!   updates             what was installed and what came of it (update::ledger)
//!   elsewhere, before   where the mail is, and was (elsewhere.rs)
//! /data/mail/           0700, the server's: its data folder
//! ```

use super::{Boot, DATA};
use crate::limits;
use crate::request::{Code, Message, Plan};
use crate::system::lending;
use crate::system::syscall::System;
use std::io;

pub(crate) const FOLDER: &str = "/data/system";
pub(crate) const MAIL: &str = "/data/mail";
/// What the server may write for netd and netd for the server.
pub(crate) const RESOLV: &str = "/run/net";
/// What PID 1 tells the server of updates (`update::state`).
pub(crate) const UPDATE: &str = "/run/update";

impl Boot<'_> {
    pub(super) fn system_folder(&mut self) {
        // netd writes resolv.conf there, the server reads it.
        let shared = self.system.folder(RESOLV, 0o755, limits::NETD_USER);
        let shared = shared
            .and_then(|()| self.system.link(&format!("{RESOLV}/resolv.conf"), "/etc/resolv.conf"));
        if let Err(error) = shared {
            self.fault(format!("{RESOLV}: {error}"));
        }
        if let Err(error) = self.system.folder(UPDATE, 0o755, 0) {
            self.fault(format!("{UPDATE}: {error}"));
        }
        // A stick is mounted in it later.
        if let Err(error) = self.system.folder(lending::FOLDER, 0o755, 0) {
            self.fault(format!("{}: {error}", lending::FOLDER));
        }
        if !self.booted.writes() {
            return;
        }
        let made = self.system.folder(FOLDER, 0o700, 0);
        let made = made.and_then(|()| self.system.folder(MAIL, 0o700, limits::SERVER_USER));
        if let Err(error) = made {
            self.repair(format!("{DATA} cannot be written: {error}"));
            return;
        }
        self.reset();
        if self.booted.repair.is_some() {
            return self.lost_network();
        }
        self.saved_clock();
        self.seed();
        match setup_code(self.system) {
            Ok(code) => self.booted.code = Some(code),
            Err(error) => self.fault(format!("the setup code cannot be kept: {error}")),
        }
        self.booted.plan = network(self.system);
    }

    /// At most ten years after the build: one absurd time must not last for ever.
    fn saved_clock(&mut self) {
        let text = self.system.read(&format!("{FOLDER}/clock")).unwrap_or_default();
        let saved = String::from_utf8_lossy(&text).trim().parse::<i64>();
        if let Ok(saved) = saved
            && saved <= self.build + limits::CLOCK_FLOOR_SECONDS
        {
            self.not_before(saved);
        }
    }

    /// What was random before is mixed in, and replaced, so that it is never used twice.
    fn seed(&mut self) {
        let path = format!("{FOLDER}/seed");
        if let Ok(seed) = self.system.read(&path)
            && let Err(error) = self.system.put("/dev/urandom", &seed)
        {
            self.fault(format!("the saved randomness cannot be used: {error}"));
        }
        let mut next = [0; 64];
        let renewed = self.system.random(&mut next);
        if let Err(error) = renewed.and_then(|()| self.system.replace(&path, &next)) {
            self.fault(format!("randomness cannot be saved: {error}"));
        }
    }
}

fn setup_code(system: &mut dyn System) -> io::Result<Code> {
    let path = format!("{FOLDER}/setup-code");
    let known = system.read(&path).unwrap_or_default();
    if let Some(code) = Code::parse(&String::from_utf8_lossy(&known)) {
        return Ok(code);
    }
    let mut random = [0; 8];
    system.random(&mut random)?;
    let code = Code::new(random);
    keep_code(system, code)?;
    Ok(code)
}

pub(crate) fn keep_code(system: &mut dyn System, code: Code) -> io::Result<()> {
    system.replace(&format!("{FOLDER}/setup-code"), format!("{code}\n").as_bytes())
}

/// The id that the disk shall have: written before the table is, so that a cut between the two
/// leaves no third id.
pub(crate) fn own_disk_id(system: &mut dyn System) -> io::Result<u32> {
    let path = format!("{FOLDER}/disk-id");
    let known = system.read(&path).unwrap_or_default();
    let known = u32::from_str_radix(String::from_utf8_lossy(&known).trim(), 16);
    if let Ok(id) = known {
        return Ok(id);
    }
    let mut random = [0; 4];
    system.random(&mut random)?;
    // 0 is what a table without an id has.
    let id = u32::from_le_bytes(random).max(1);
    system.replace(&path, format!("{id:08x}\n").as_bytes())?;
    Ok(id)
}

/// Without a file, or with one that makes no sense: DHCP, which finds the box again.
pub(crate) fn network(system: &mut dyn System) -> Plan {
    let octets = system.read(&format!("{FOLDER}/network")).unwrap_or_default();
    match Message::decode(&octets) {
        Ok(Message::Network(plan)) => plan,
        _ => Plan::Dhcp,
    }
}

pub(crate) fn keep_network(system: &mut dyn System, plan: Plan) -> io::Result<()> {
    system.replace(&format!("{FOLDER}/network"), &Message::Network(plan).encode())
}

/// DHCP from the next start on.
pub(crate) fn forget_network(system: &mut dyn System) -> io::Result<()> {
    match system.remove(&format!("{FOLDER}/network")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Saves a synced time as the floor of the next start.
pub(crate) fn keep_clock(system: &mut dyn System, build: i64, seconds: i64) -> io::Result<()> {
    let seconds = seconds.min(build + limits::CLOCK_FLOOR_SECONDS);
    system.replace(&format!("{FOLDER}/clock"), format!("{seconds}\n").as_bytes())
}
