//! Step 16: what the owner put on the FAT boot partition, and what the box writes there.
//!
//! PID 1 only carries the octets of mailroom.toml to the server, which reads them: a fault in them
//! is no fault in PID 1. The partition is mounted for moments only.

use super::disk::{BOOT, Disk};
use super::{Boot, folder};
use crate::request::Code;
use crate::system::syscall::{Access, Mount, System};
use std::fmt::Write;
use std::io;

pub(crate) const TARGET: &str = "/boot";
const PRESET: &str = "/boot/mailroom.toml";
const CODE: &str = "/boot/SETUP-CODE.txt";
/// Made once the presets are in the store, or the box has an owner. With [`NO_OWNER`] in it the
/// owner was reset: there is a code to tell, and no presets are read.
const DONE: &str = "/data/system/presets-done";
const NO_OWNER: &[u8] = b"code\n";

/// The owner's mailroom.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Preset {
    None,
    Waiting(Vec<u8>),
}

impl Preset {
    pub(crate) fn octets(&self) -> Option<&[u8]> {
        match self {
            Self::None => None,
            Self::Waiting(octets) => Some(octets),
        }
    }
}

impl Boot<'_> {
    pub(super) fn presets(&mut self) {
        let Some(disk) = self.booted.disk.clone().filter(|_| self.booted.repair.is_none()) else {
            return;
        };
        match done(self.system) {
            Done::No => match preset(self.system, &disk) {
                Ok(preset) => self.booted.preset = preset,
                Err(error) => self.fault(format!("the boot partition cannot be read: {error}")),
            },
            Done::NoOwner => (),
            Done::Yes => return,
        }
        if self.booted.preset == Preset::None {
            let Some(code) = self.booted.code else { return };
            let paper = Paper { code, key: None, wrong: None };
            if let Err(error) = paper.write(self.system, &disk) {
                self.fault(format!("SETUP-CODE.txt cannot be written: {error}"));
            }
        }
    }
}

fn preset(system: &mut dyn System, disk: &Disk) -> io::Result<Preset> {
    with_boot(system, disk, Access::ReadOnly, |system| match system.read(PRESET) {
        // One whose removal was cut off holds nothing but zeros.
        Ok(octets) if octets.iter().all(|octet| *octet == 0) => Ok(Preset::None),
        Ok(octets) => Ok(Preset::Waiting(octets)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Preset::None),
        Err(error) => Err(error),
    })
}

/// How far the presets are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Done {
    No,
    NoOwner,
    Yes,
}

fn done(system: &mut dyn System) -> Done {
    match system.read(DONE) {
        Ok(text) if text == NO_OWNER => Done::NoOwner,
        Ok(_) => Done::Yes,
        Err(_) => Done::No,
    }
}

/// A box whose owner is reset has a code to tell.
pub(crate) fn tell_code(system: &mut dyn System) -> io::Result<()> {
    match done(system) {
        Done::Yes => system.replace(DONE, NO_OWNER),
        Done::No | Done::NoOwner => Ok(()),
    }
}

/// SETUP-CODE.txt.
pub(crate) struct Paper<'a> {
    pub code: Code,
    /// The words of the key of the box's certificate; before the server runs nobody knows them.
    pub key: Option<&'a str>,
    /// What is wrong with mailroom.toml.
    pub wrong: Option<&'a str>,
}

impl Paper<'_> {
    /// Writes it where something else stands. One of an earlier start may know more than this.
    pub(crate) fn write(&self, system: &mut dyn System, disk: &Disk) -> io::Result<()> {
        if done(system) == Done::Yes {
            return Ok(());
        }
        let (head, text) = (self.head(), self.text());
        let more = |there: &[u8]| self.key.is_none() && there.starts_with(head.as_bytes());
        with_boot(system, disk, Access::Write, |system| {
            if system.read(CODE).is_ok_and(|there| there == text.as_bytes() || more(&there)) {
                return Ok(());
            }
            system.replace(CODE, text.as_bytes())
        })
    }

    fn head(&self) -> String {
        let Paper { code, wrong, .. } = self;
        let mut text = format!(
            "The setup code of this box is {code}\r\n\r\nOpen http://mailroom.local/ in the \
             same network and enter it.\r\n"
        );
        if let Some(wrong) = wrong {
            text.push_str("\r\nmailroom.toml was not taken:\r\n");
            text.push_str(wrong);
            text.push_str("\r\nPut it right and start the box again.\r\n");
        }
        text
    }

    fn text(&self) -> String {
        let mut text = self.head();
        if let Some(key) = self.key {
            let words = "\r\nThe browser will warn of a certificate that it does not know. It is \
                         the box's if that page names these six words:\r\n\r\n    ";
            let _ = write!(text, "{words}{key}\r\n");
        }
        text
    }
}

/// The presets are in the store, or the box has an owner: what held secrets goes. It is overwritten
/// first, since a removed file stays readable on the card.
pub(crate) fn finish(system: &mut dyn System, disk: &Disk) -> io::Result<()> {
    // What was not read while there was no owner is not ours to remove.
    let secrets = match done(system) {
        Done::Yes => return Ok(()),
        Done::NoOwner => &[CODE][..],
        Done::No => &[PRESET, CODE],
    };
    with_boot(system, disk, Access::Write, |system| {
        for path in secrets.iter().copied() {
            if let Ok(secret) = system.read(path) {
                system.write_at(path, 0, &vec![0; secret.len()])?;
            }
            match system.remove(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => (),
            }
        }
        Ok(())
    })?;
    system.folder(folder::FOLDER, 0o700, 0)?;
    system.replace(DONE, b"")
}

pub(crate) fn with_boot<T>(
    system: &mut dyn System,
    disk: &Disk,
    access: Access,
    act: impl FnOnce(&mut dyn System) -> io::Result<T>,
) -> io::Result<T> {
    system.mount(&Mount {
        source: disk.partition(BOOT),
        target: TARGET.to_string(),
        kind: "vfat",
        access,
        options: "umask=0077",
    })?;
    let done = act(system);
    let unmounted = system.unmount(TARGET);
    let done = done?;
    unmounted.map(|()| done)
}
