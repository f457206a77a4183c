//! A disk made ready for all of the mail, a few pieces at a time.

use super::seed::{FILE, Seed};
use super::{Own, ext4};
use crate::limits;
use crate::request::Words;
use crate::system::emptying::Writing;
use crate::system::init::disk::{self, DATA as PARTITION, Disk, Growing};
use crate::system::init::elsewhere::HALF;
use crate::system::init::folder::{FOLDER, MAIL};
use crate::system::init::reset::sweep;
use crate::system::lending::{TARGET, called, octets, text};
use crate::system::sticks;
use crate::system::syscall::{Access, System};
use std::io;

/// Where the mail is about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this data disk.
    Data(Disk),
    /// On the system disk again.
    Home,
}

/// A data disk in the making.
pub(crate) struct Preparing {
    pub called: Words,
    disk: Disk,
    /// It was pulled out, and another may have its name.
    is_gone: bool,
    step: Step,
}

enum Step {
    Writing(Writing),
    Growing(Growing),
}

/// The disk that is called so, where it may be emptied.
pub(crate) fn candidate(system: &mut dyn System, own: Own, wanted: &Words) -> Result<Disk, String> {
    if own.system.is_none() {
        return Err("which disk is the box's own is not known: none is emptied".to_string());
    }
    let mut names: Vec<String> =
        sticks::all(system, own.system).into_iter().map(|stick| stick.disk).collect();
    names.extend(disk::data_disks(system).into_iter().map(|disk| disk.name));
    names.sort();
    names.dedup();
    names.retain(|name| !own.is(name) && called(system, name) == *wanted);
    let [name] = names.as_slice() else {
        let why = "no disk is called so, or more than one: leave only that one in";
        return Err(why.to_string());
    };
    let mut id = [0; 4];
    let known: Vec<u32> = disk::data_disks(system).into_iter().map(|disk| disk.id).collect();
    let random = system.random(&mut id);
    let id = u32::from_le_bytes(id).max(1);
    if random.is_err() || known.contains(&id) {
        return Err("the system gives no random numbers".to_string());
    }
    Ok(Disk { name: name.clone(), id })
}

/// Begins to empty it.
pub(crate) fn begin(
    system: &mut dyn System,
    disk: Disk,
    called: Words,
) -> Result<Preparing, String> {
    let seed = system.read(FILE).and_then(|octets| Seed::parse(&octets));
    let seed = seed.map_err(|error| format!("{FILE}: {error}"))?;
    // The numbers of a table are in the disk's own sectors.
    let sector = text(system, &format!("/sys/block/{}/queue/logical_block_size", disk.name));
    if !matches!(sector.as_str(), "" | "512") {
        return Err(format!("the disk has sectors of {sector} octets: the box uses those of 512"));
    }
    let claimed = system.claim(&disk.device());
    claimed.map_err(|error| format!("the disk is in use by something else: {error}"))?;
    let sectors = octets(system, &disk.name) / disk::SECTOR;
    match seed.writing(sectors, disk.id) {
        Some(writing) => {
            Ok(Preparing { called, disk, is_gone: false, step: Step::Writing(writing) })
        }
        None => Err("the disk is too small for the mail".to_string()),
    }
}

impl Preparing {
    pub(crate) fn disk_changed(&mut self, name: &str) {
        // Once it is mounted, its name is nobody else's.
        self.is_gone |= self.disk.name == name && !self.is_mounted();
    }

    /// A few pieces; `None`: there are more. Once it is good it is mounted at [`TARGET`].
    pub(crate) fn go_on(&mut self, system: &mut dyn System) -> Option<Result<Place, String>> {
        match self.pieces(system) {
            Ok(false) => None,
            Ok(true) => Some(Ok(Place::Data(self.disk.clone()))),
            Err(error) => {
                if self.is_mounted() {
                    // The next that is lent says so where it is still busy.
                    let _ = system.unmount(TARGET);
                }
                Some(Err(format!("the disk cannot be made ready: {error}")))
            }
        }
    }

    pub(crate) fn is_mounted(&self) -> bool {
        matches!(self.step, Step::Growing(_))
    }

    fn pieces(&mut self, system: &mut dyn System) -> io::Result<bool> {
        if self.is_gone {
            return Err(io::Error::other("it was pulled out"));
        }
        let device = self.disk.device();
        let writing = match &mut self.step {
            Step::Writing(writing) => writing,
            Step::Growing(growing) => {
                if growing.go_on(system, TARGET)? {
                    return Ok(false);
                }
                folders(system)?;
                return Ok(true);
            }
        };
        for _ in 0..limits::FORMAT_PIECES_AT_ONCE {
            let Some((at, octets)) = writing.next() else {
                system.read_table(&device)?;
                let part = self.disk.partition(PARTITION);
                system.mount(&ext4(part, TARGET, Access::Write))?;
                let growing = disk::growing(system, &self.disk);
                self.step = Step::Growing(growing.or_else(|error| {
                    system.unmount(TARGET)?;
                    Err(error)
                })?);
                return Ok(false);
            };
            system.write_at(&device, at, &octets)?;
        }
        Ok(false)
    }
}

fn folders(system: &mut dyn System) -> io::Result<()> {
    system.folder(&at(FOLDER), 0o700, 0)?;
    system.folder(&at(MAIL), 0o700, limits::SERVER_USER)
}

/// Where what is at this path below /data is on the disk that is lent.
pub(crate) fn at(path: &str) -> String {
    path.replacen(crate::system::init::DATA, TARGET, 1)
}

/// The system disk again: what is left of the mail there goes, and it is mounted at [`TARGET`].
pub(crate) fn home(system: &mut dyn System, own: &Disk) -> Result<Place, String> {
    let mount = ext4(own.partition(PARTITION), TARGET, Access::Write);
    system.mount(&mount).map_err(|error| format!("the system's disk cannot be used: {error}"))?;
    let half = at(&format!("{FOLDER}/{HALF}"));
    let marked = system.replace(&half, b"").map_err(|error| error.to_string());
    let swept = marked.and_then(|()| sweep::folder(system, &at(MAIL)));
    let done = swept.and_then(|()| folders(system).map_err(|error| error.to_string()));
    match done {
        Ok(()) => Ok(Place::Home),
        Err(why) => {
            let _ = system.unmount(TARGET);
            Err(format!("the system's disk cannot be made ready: {why}"))
        }
    }
}
