//! Resets: asked for by RESET.txt on the boot partition or a stick (asked.rs), at the console's
//! menu or on the owner's page; done at a start, before anything of the data partition is used.
//!
//! ```text
//! passwords    the network is DHCP again, there is a new setup code (PID 1); then the server
//!              takes the owner's log-in away and says so: people, mail and passwords of it stay
//! everything   all files below /data go but the id of the device, the journal and what is known
//!              of updates; small ones are overwritten first. Then it is a new box's first start
//! ```
//!
//! Where the mail is on another disk that is not in, /data is that of the system's disk: only
//! everything can be reset then, and the box is one with its mail on its own disk again.
//!
//! The order makes a cut of the power harmless: first the journal says what is to be done, then
//! RESET.txt goes, then it is done; the journal forgets it at the end. A cut before the journal
//! leaves RESET.txt and nothing done; one behind it leaves work that the next start goes on with. A
//! file that cannot be removed is remembered instead, and is not obeyed a second time.

pub(crate) mod asked;
pub(crate) mod journal;
pub(crate) mod sweep;

use super::disk::Disk;
use super::folder::{self, FOLDER};
use super::{Boot, boot_partition, elsewhere};
use crate::request::DeviceId;
use crate::system::sticks::{self, Stick, Unreadable};
use crate::system::storage::moving;
use crate::system::syscall::{Access, System};
use asked::{ASKED, Level, RESULT};
use journal::{Journal, Seen, Step};
use std::io;

/// Where RESET.txt may lie.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    Boot(&'a Disk),
    Stick(&'a Stick),
}

/// What a look came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Looked {
    /// The journal has it: it is done at the next start.
    pub taken: Option<Level>,
    /// For the console.
    pub told: Vec<String>,
}

impl Boot<'_> {
    /// Looks for RESET.txt, and does what the journal says.
    pub(super) fn reset(&mut self) {
        let Some(disk) = self.booted.disk.clone() else { return };
        let mut looked = look(self.system, &disk, Place::Boot(&disk));
        looked.add(look_at_sticks(self.system, &disk));
        looked.told.into_iter().for_each(|what| self.fault(what));
        let done = match Journal::read(self.system) {
            Ok(journal) => self.go_on(journal),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            self.fault(format!("a reset cannot go on, the next start tries it again: {error}"));
        }
    }

    /// The mail is nowhere else any more.
    fn found_again(&mut self) {
        (self.booted.lost, self.booted.elsewhere) = (None, None);
        (self.booted.repair, self.booted.old_copy) = (None, false);
    }

    fn go_on(&mut self, mut journal: Journal) -> io::Result<()> {
        let (own, is_away) = (self.booted.disk.clone(), self.booted.data.is_some());
        let lost = self.booted.lost.is_some();
        let Some(work) = &mut journal.work else { return Ok(()) };
        match work.step {
            Step::Everything => {
                let swept = own.map_or(Ok(()), |own| {
                    moving::forget_all(self.system, &own, is_away)?;
                    sweep::everything(self.system)
                });
                if let Err(left) = swept {
                    // What is left of a store is nobody's mail any more, and nobody's to read.
                    self.repair(format!("{UNFINISHED}: {left}"));
                    return Ok(());
                }
                folder::keep_code(self.system, work.code)?;
                journal.work = None;
                journal.write(self.system)?;
                self.fault("everything is reset: this is the first start of an empty box".into());
                if lost {
                    self.found_again();
                }
            }
            // They are with the mail, which is not there.
            _ if lost => (),
            Step::Passwords => {
                folder::forget_network(self.system)?;
                folder::keep_code(self.system, work.code)?;
                boot_partition::tell_code(self.system)?;
                work.step = Step::Owner;
                self.booted.reset = Some(work.number);
                journal.write(self.system)?;
                self.fault("passwords and network are reset: the setup code is a new one".into());
            }
            Step::Owner => {
                self.booted.reset = Some(work.number);
                boot_partition::tell_code(self.system)?;
            }
        }
        Ok(())
    }
}

/// Looks at every stick that is in.
fn look_at_sticks(system: &mut dyn System, own: &Disk) -> Looked {
    let mut looked = Looked::default();
    for stick in sticks::all(system, Some(own)) {
        looked.add(look(system, own, Place::Stick(&stick)));
    }
    looked
}

/// Looks for RESET.txt in one place; `own` is the disk of the box.
pub(crate) fn look(system: &mut dyn System, own: &Disk, place: Place<'_>) -> Looked {
    let path = place.path(ASKED);
    let read = place.with(system, Access::ReadOnly, |system| system.read(&path));
    let done = match read {
        Ok(octets) => answer(system, own, place, &octets),
        Err(error) if error.kind() == io::ErrorKind::NotFound => gone(system, place),
        Err(error) => Err(error),
    };
    done.unwrap_or_else(|error| {
        Looked::only(format!("RESET.txt {} cannot be looked for: {error}", place.words()))
    })
}

/// One that was remembered there is no more: the next is another wish.
fn gone(system: &mut dyn System, place: Place<'_>) -> io::Result<Looked> {
    let mut journal = Journal::read(system)?;
    if !journal.seen.is_empty() {
        let volume = place.volume(system);
        let before = journal.seen.len();
        journal.seen.retain(|seen| seen.volume != volume);
        if journal.seen.len() < before {
            journal.write(system)?;
        }
    }
    Ok(Looked::default())
}

fn answer(
    system: &mut dyn System,
    own: &Disk,
    place: Place<'_>,
    octets: &[u8],
) -> io::Result<Looked> {
    // By now it may have another id than the table that the box started by.
    let device = folder::own_disk_id(system).unwrap_or(own.id);
    let mut asked = asked::parse(octets, DeviceId(device));
    if asked == Ok(Level::Passwords) && elsewhere::is_lost(system) {
        asked = Err(asked::Wrong { line: 0, why: AWAY });
    }
    let level = match asked {
        Ok(level) => level,
        Err(wrong) => {
            let told = format!("RESET.txt {} was not taken: {wrong}", place.words());
            let text = asked::not_taken(&wrong);
            // It stays: it can be put right. A stick that cannot be written has no answer.
            let _ = place.with(system, Access::Write, |system| {
                let (path, known) = (place.path(RESULT), text.as_bytes());
                match system.read(&path) {
                    Ok(there) if there == known => Ok(()),
                    _ => system.replace(&path, known),
                }
            });
            return Ok(Looked::only(told));
        }
    };
    let mut journal = Journal::read(system)?;
    let seen = Seen::of(place.volume(system), octets);
    if journal.seen.contains(&seen) {
        return again(system, place, journal, &seen);
    }
    journal.wish(system, level)?;
    journal.remember(seen.clone());
    // From here on it is done, whatever happens to power and stick.
    journal.write(system)?;
    let mut looked = Looked { taken: Some(level), told: Vec::new() };
    let text = journal.work.as_ref().map(asked::taken).unwrap_or_default();
    match consume(system, place, &text) {
        Ok(()) => {
            journal.seen.retain(|other| *other != seen);
            journal.write(system)?;
        }
        Err(error) => looked.told.push(format!(
            "RESET.txt {} cannot be removed ({error}): it is not obeyed again",
            place.words()
        )),
    }
    Ok(looked)
}

/// It was taken before, and is still there.
fn again(
    system: &mut dyn System,
    place: Place<'_>,
    mut journal: Journal,
    seen: &Seen,
) -> io::Result<Looked> {
    let text = journal.work.as_ref().map_or_else(asked::known, asked::taken);
    if consume(system, place, &text).is_err() {
        let words = place.words();
        let told = format!("RESET.txt {words} was obeyed before, and cannot be removed: remove it");
        return Ok(Looked::only(told));
    }
    journal.seen.retain(|other| other != seen);
    journal.write(system)?;
    Ok(Looked::default())
}

/// RESET.txt goes, and its answer stands beside where it was.
fn consume(system: &mut dyn System, place: Place<'_>, text: &str) -> io::Result<()> {
    place.with(system, Access::Write, |system| {
        system.replace(&place.path(RESULT), text.as_bytes())?;
        system.remove(&place.path(ASKED))
    })
}

/// Somebody at the console or the owner wishes it: the next start does it.
pub(crate) fn begin(system: &mut dyn System, level: Level) -> io::Result<()> {
    let mut journal = Journal::read(system)?;
    journal.wish(system, level)?;
    journal.write(system)
}

/// The server has taken the owner's log-in away.
pub(crate) fn owner_is_gone(system: &mut dyn System, number: u64) -> io::Result<()> {
    let mut journal = Journal::read(system)?;
    let is_it = |work: &mut journal::Work| work.number == number && work.step == Step::Owner;
    match journal.work.take_if(is_it) {
        Some(_) => journal.write(system),
        None => Ok(()),
    }
}

impl Looked {
    fn only(told: String) -> Looked {
        Looked { taken: None, told: vec![told] }
    }

    fn add(&mut self, other: Looked) {
        self.taken = self.taken.max(other.taken);
        self.told.extend(other.told);
    }
}

impl Place<'_> {
    fn words(self) -> &'static str {
        match self {
            Self::Boot(_) => "on the boot partition",
            Self::Stick(_) => "on the stick",
        }
    }

    fn path(self, name: &str) -> String {
        match self {
            Self::Boot(_) => format!("{}/{name}", boot_partition::TARGET),
            Self::Stick(_) => format!("{}/{name}", sticks::TARGET),
        }
    }

    fn with<T>(
        self,
        system: &mut dyn System,
        access: Access,
        act: impl FnOnce(&mut dyn System) -> io::Result<T>,
    ) -> io::Result<T> {
        match self {
            Self::Boot(disk) => boot_partition::with_boot(system, disk, access, act),
            Self::Stick(stick) => {
                sticks::with(system, stick, access, act).map_err(|why| match why {
                    Unreadable::Act(error) => error,
                    // Whoever looks for updates says so.
                    Unreadable::Ntfs | Unreadable::Unknown => io::ErrorKind::NotFound.into(),
                })
            }
        }
    }

    /// What tells its file system from others: the numbers that FAT16, FAT32 and exFAT give
    /// themselves when they are made.
    fn volume(self, system: &mut dyn System) -> [u8; 12] {
        let Self::Stick(stick) = self else { return *b"its own boot" };
        let head = system.read_at(&stick.device, 0, 512).unwrap_or_default();
        let mut volume = [0; 12];
        for (to, at) in volume.chunks_exact_mut(4).zip([0x27, 0x43, 0x64]) {
            to.copy_from_slice(head.get(at..at + 4).unwrap_or(&[0; 4]));
        }
        volume
    }
}

/// Why the server does not run when some of it is left.
pub(crate) const UNFINISHED: &str = "reset everything is not finished";

/// Why passwords cannot be reset.
const AWAY: &str =
    "the passwords are with the mail, on another disk that is not in: put it in first";

/// What a reset of everything leaves of PID 1's folder: who the device is, and what its systems in
/// both slots are, since they stay too.
const KEPT: [&str; 3] = ["disk-id", journal::NAME, "updates"];

fn of_journal() -> String {
    format!("{FOLDER}/{}", journal::NAME)
}
