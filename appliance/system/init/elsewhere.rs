//! Step 13: the mail on another disk than the system, the data disk.
//!
//! ```text
//! system disk, partition 4  /system/elsewhere  the data disk's id and name; without it the mail
//!                                              is here. Written or removed last when it moves
//! data disk,   partition 4  /system, /mail     all that /data holds
//!                           /system/before     the data disk that held it before, as above
//! ```
//!
//! Missing, twice there, damaged: repair, and partition 4 of the system disk stays at /data, so
//! that whoever stands at the box can reset it, or start it with the old copy of the mail there.

use super::disk::{self, DATA as PARTITION, Disk};
use super::folder::{self, FOLDER, MAIL};
use super::{Boot, DATA, Next};
use crate::limits;
use crate::system::storage::ext4;
use crate::system::syscall::{Access, System};
use std::io;

/// In PID 1's folder of the system disk.
pub(crate) const ELSEWHERE: &str = "elsewhere";
/// In PID 1's folder of the system disk from when the mail begins to come back there: half a copy
/// is no old one. The moment of the move takes it away, as all that the other disk does not have.
pub(crate) const HALF: &str = "half";
/// In PID 1's folder of a system disk from when it took the mail of another's data disk until the
/// start after: what that says of slots is of a card that is gone.
pub(crate) const ADOPTED: &str = "adopted";
/// In PID 1's folder beside the mail.
pub(crate) const BEFORE: &str = "before";

/// A data disk, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    /// In its table.
    pub id: u32,
    /// As its maker calls it, for people.
    pub name: String,
}

/// Why the mail is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It may come yet.
    Missing,
    Unusable,
}

impl Elsewhere {
    pub(crate) fn new(disk: &Disk, name: &str) -> Elsewhere {
        let name = name.chars().filter(|c| !c.is_control());
        Elsewhere { id: disk.id, name: name.take(limits::DISK_NAME_LETTERS).collect() }
    }

    /// `None`: nothing is written there. What cannot be read is no reason to guess.
    pub(crate) fn read(system: &mut dyn System, path: &str) -> io::Result<Option<Elsewhere>> {
        let octets = match system.read(path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let text = String::from_utf8_lossy(&octets);
        let parts = text.trim_end().split_once(' ');
        let found = parts.and_then(|(id, name)| {
            let id = u32::from_str_radix(id, 16).ok().filter(|_| id.len() == 8)?;
            Some(Elsewhere { id, name: name.to_string() })
        });
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "it makes no sense");
        found.map(Some).ok_or_else(wrong)
    }

    pub(crate) fn write(&self, system: &mut dyn System, path: &str) -> io::Result<()> {
        system.replace(path, format!("{:08x} {}\n", self.id, self.name).as_bytes())
    }

    /// Every disk that says it is this one.
    pub(crate) fn disks(&self, system: &mut dyn System) -> Vec<Disk> {
        disk::data_disks(system).into_iter().filter(|disk| disk.id == self.id).collect()
    }
}

/// Is /data the system disk's, though the mail is elsewhere? No data disk has this file.
pub(crate) fn is_lost(system: &mut dyn System) -> bool {
    !matches!(Elsewhere::read(system, &format!("{FOLDER}/{ELSEWHERE}")), Ok(None))
}

/// Is there mail in this folder, old or not?
pub(crate) fn holds_mail(system: &mut dyn System, folder: &str) -> bool {
    system.list(folder).is_ok_and(|names| !names.is_empty())
}

impl Boot<'_> {
    pub(super) fn elsewhere(&mut self) -> Next {
        let Some(own) = self.booted.disk.clone().filter(|_| self.booted.repair.is_none()) else {
            return Next::GoOn;
        };
        let path = format!("{FOLDER}/{ELSEWHERE}");
        let elsewhere = match Elsewhere::read(self.system, &path) {
            Ok(None) => return Next::GoOn,
            Ok(Some(elsewhere)) => elsewhere,
            Err(error) => {
                self.lost(Lost::Unusable, format!("on which disk the mail is, {path}: {error}"));
                return Next::GoOn;
            }
        };
        let half = self.system.kind(&format!("{FOLDER}/{HALF}"));
        self.booted.old_copy = holds_mail(self.system, MAIL) && half.is_err();
        self.booted.elsewhere = Some(elsewhere.clone());
        self.booted.adopted = self.system.kind(&format!("{FOLDER}/{ADOPTED}")).is_ok();
        if let Err(error) = self.system.unmount(DATA) {
            self.repair(format!("the data partition cannot be let go: {error}"));
            return Next::GoOn;
        }
        let (lost, why) = match self.data_disk(&elsewhere) {
            Ok(None) => return Next::GoOn,
            Ok(Some(Next::Restart)) => return Next::Restart,
            Ok(Some(Next::GoOn)) => (Lost::Missing, missing(&elsewhere)),
            Err(why) => (Lost::Unusable, why),
        };
        let home = ext4(own.partition(PARTITION), DATA, Access::Write);
        match self.system.mount(&home) {
            Ok(()) => self.lost(lost, why),
            Err(_) => self.repair(why),
        }
        Next::GoOn
    }

    fn lost(&mut self, lost: Lost, why: String) {
        self.booted.lost = Some(lost);
        self.repair(why);
    }

    /// Puts it at /data: `None`. Else what is to be done: restart, or go on without it.
    fn data_disk(&mut self, elsewhere: &Elsewhere) -> Result<Option<Next>, String> {
        let Some(disk) = self.awaited(elsewhere)? else { return Ok(Some(Next::GoOn)) };
        match disk::grow_partition(self.system, &disk) {
            Ok(growth) if growth.left_over > 0 => {
                let name = &elsewhere.name;
                self.fault(format!("only the first 512 GiB of the disk {name} are used"));
            }
            Ok(_) => (),
            Err(error) => self.fault(format!("the data partition cannot grow: {error}")),
        }
        let what = format!("the file system of the disk {}, which holds the mail,", elsewhere.name);
        if self.checked(&disk, &what)? == Next::Restart {
            return Ok(Some(Next::Restart));
        }
        let at = |access| ext4(disk.partition(PARTITION), DATA, access);
        let cannot = |how, error| {
            format!("the disk {}, which holds the mail, {how}: {error}", elsewhere.name)
        };
        self.system.feed_watchdog();
        if let Err(error) = self.system.mount(&at(Access::Write)) {
            let reads = self.system.mount(&at(Access::ReadOnly)).is_ok();
            if reads && let Err(error) = self.system.unmount(DATA) {
                return Err(cannot("cannot be let go", error));
            }
            let how = if reads { "can only be read" } else { "cannot be used" };
            return Err(cannot(how, error));
        }
        if let Err(error) = disk::grow_file_system(self.system, &disk, DATA) {
            self.fault(format!("the data file system cannot grow: {error}"));
        }
        self.booted.data = Some(disk);
        Ok(None)
    }

    /// The disk, once it is there. None that is there after a minute comes later, or never.
    fn awaited(&mut self, elsewhere: &Elsewhere) -> Result<Option<Disk>, String> {
        let given_up = self.system.uptime() + limits::DISK_APPEARS;
        loop {
            match elsewhere.disks(self.system).as_slice() {
                [one] => return Ok(Some(one.clone())),
                [] if self.system.uptime() < given_up => {
                    self.wait(limits::DISK_LOOK);
                    self.known_devices();
                }
                [] => return Ok(None),
                several => {
                    let names: Vec<&str> = several.iter().map(|disk| disk.name.as_str()).collect();
                    let (names, name) = (names.join(" and "), &elsewhere.name);
                    let what = format!("{names} both say that they are the disk {name}");
                    return Err(format!("{what}, which holds the mail: remove the copy"));
                }
            }
        }
    }

    /// Without its mail the box is still who it is.
    pub(super) fn lost_network(&mut self) {
        if self.booted.lost.is_some() {
            self.booted.plan = folder::network(self.system);
        }
    }
}

fn missing(elsewhere: &Elsewhere) -> String {
    let Elsewhere { id, name } = elsewhere;
    format!("the disk {name} ({id:08x}), which holds the mail, is not in: put it in, and wait")
}
