//! The moment of a move, and what is done with an old copy. The server does not run meanwhile,
//! except beside [`forget`], which touches nothing of its own.

use super::preparing::{Place, at};
use super::{HOME, with};
use crate::system::init::DATA;
use crate::system::init::disk::Disk;
use crate::system::init::elsewhere::{ADOPTED, BEFORE, ELSEWHERE, Elsewhere, HALF};
use crate::system::init::folder::{FOLDER, MAIL};
use crate::system::init::reset::sweep;
use crate::system::lending::called;
use crate::system::syscall::{Kind, System};
use std::io;

/// Why the mail is not where it was to be.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It is where it was.
    Before(String),
    /// What decides was written, or was not: only the next start tells. Until then no mail may
    /// come: it might be on the one disk, and all mail from then on on the other.
    Meanwhile(String),
}

/// From the next start on the mail is there: what is lent holds all of it.
pub(crate) fn switch(
    system: &mut dyn System,
    own: &Disk,
    now: Option<&Elsewhere>,
    to: &Place,
) -> Result<(), Failed> {
    made_ready(system, now).map_err(|error| Failed::Before(error.to_string()))?;
    decided(system, own, now, to).map_err(|error| Failed::Meanwhile(error.to_string()))
}

fn made_ready(system: &mut dyn System, now: Option<&Elsewhere>) -> io::Result<()> {
    copy_folder(system)?;
    if let Some(now) = now {
        now.write(system, &at(&format!("{FOLDER}/{BEFORE}")))?;
    }
    system.sync();
    Ok(())
}

fn decided(
    system: &mut dyn System,
    own: &Disk,
    now: Option<&Elsewhere>,
    to: &Place,
) -> io::Result<()> {
    let path = format!("{FOLDER}/{ELSEWHERE}");
    let done = match to {
        Place::Home => system.remove(&at(&path)),
        Place::Data(disk) => {
            let name = called(system, &disk.name);
            let elsewhere = Elsewhere::new(disk, name.text());
            match now {
                None => elsewhere.write(system, &path),
                Some(_) => with(system, own, |system| elsewhere.write(system, &home(&path))),
            }
        }
    };
    system.sync();
    done
}

/// Where what is at this path below /data is on the disk at [`HOME`].
fn home(path: &str) -> String {
    path.replacen(DATA, HOME, 1)
}

/// The start after has forgotten what the mail's disk said of the slots of another card.
pub(crate) fn adopted(system: &mut dyn System, own: &Disk) -> io::Result<()> {
    with(system, own, |system| system.remove(&home(&format!("{FOLDER}/{ADOPTED}"))))
}

/// PID 1's folder: what is not in it any more goes there too.
fn copy_folder(system: &mut dyn System) -> io::Result<()> {
    let into = at(FOLDER);
    system.folder(&into, 0o700, 0)?;
    let names = system.list(FOLDER)?;
    for old in system.list(&into)? {
        let path = format!("{into}/{old}");
        let is_gone = old == HALF || !names.contains(&old);
        if old != ELSEWHERE && is_gone && is_file(system, &path)? {
            system.remove(&path)?;
        }
    }
    for name in names.iter().filter(|name| ![ELSEWHERE, HALF].contains(&name.as_str())) {
        let path = format!("{FOLDER}/{name}");
        if is_file(system, &path)? {
            let octets = system.read(&path)?;
            system.replace(&format!("{into}/{name}"), &octets)?;
        }
    }
    Ok(())
}

fn is_file(system: &mut dyn System, path: &str) -> io::Result<bool> {
    Ok(matches!(system.kind(path)?, Kind::File(_)))
}

/// From the next start on the box has the mail of this disk, which is another's: its own is that of
/// a box that nobody has set up.
pub(crate) fn adopt(system: &mut dyn System, disk: &Disk) -> Result<(), Failed> {
    sweep::folder(system, MAIL).map_err(Failed::Before)?;
    let marked = system.replace(&format!("{FOLDER}/{ADOPTED}"), b"");
    marked.map_err(|error| Failed::Before(format!("{ADOPTED}: {error}")))?;
    let name = called(system, &disk.name);
    let elsewhere = Elsewhere::new(disk, name.text());
    let done = elsewhere.write(system, &format!("{FOLDER}/{ELSEWHERE}"));
    system.sync();
    done.map_err(|error| Failed::Meanwhile(format!("{ELSEWHERE}: {error}")))
}

/// The data disk that held the mail before, where it is in.
pub(crate) fn before(system: &mut dyn System) -> Option<Disk> {
    let before = Elsewhere::read(system, &format!("{FOLDER}/{BEFORE}")).ok().flatten()?;
    let mut disks = before.disks(system);
    // Which of two is it?
    disks.pop().filter(|_| disks.is_empty())
}

/// What an old copy lies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Old {
    /// The system disk.
    System(Disk),
    Data(Disk),
}

/// Removes an old copy. That of a data disk goes with its table: it is a disk as any other then.
pub(crate) fn forget(system: &mut dyn System, old: &Old) -> Result<(), String> {
    let done = match old {
        Old::System(disk) => with(system, disk, |system| {
            sweep::folder(system, &home(MAIL)).map_err(io::Error::other)
        }),
        Old::Data(disk) => forget_disk(system, disk),
    };
    done.map_err(|error| format!("the old copy is not gone: {error}"))
}

fn forget_disk(system: &mut dyn System, disk: &Disk) -> io::Result<()> {
    with(system, disk, |system| sweep::folder(system, HOME).map_err(io::Error::other))?;
    system.write_at(&disk.device(), 0, &[0; 512])?;
    match system.remove(&format!("{FOLDER}/{BEFORE}")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    system.read_table(&disk.device())
}

/// A reset of everything takes old copies along, as far as they are in.
pub(crate) fn forget_all(system: &mut dyn System, own: &Disk, is_away: bool) -> Result<(), String> {
    if let Some(disk) = before(system) {
        forget(system, &Old::Data(disk))?;
    }
    if is_away {
        // What PID 1 has there is of the same office.
        let swept = with(system, own, |system| sweep::home(system, HOME).map_err(io::Error::other));
        swept.map_err(|error| format!("the old copy is not gone: {error}"))?;
    }
    Ok(())
}
