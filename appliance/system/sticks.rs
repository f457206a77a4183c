//! Cards and sticks that people put into the box: found, and mounted for moments.
//!
//! ```text
//! /run/stick    one partition at a time: no device, no program and no other user counts on it
//! ```
//!
//! Which file system it is the kernel says; PID 1 tries those that sticks have. All that it reads
//! of one itself is names, and the mark of NTFS, so that the error can say what is wrong.

use super::init::disk::{self, Disk, whole_disks};
use super::syscall::{Access, Mount, System};
use std::fmt;
use std::io;

/// Where one is mounted.
pub(crate) const TARGET: &str = "/run/stick";

/// What sticks are formatted with. exFAT's names are UTF-8 by itself.
const KINDS: [(&str, &str); 2] = [("vfat", "umask=0077,iocharset=utf8"), ("exfat", "umask=0077")];

/// A partition of a card or stick; one without partitions is its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stick {
    /// As in /sys/block: `sdb`.
    pub disk: String,
    /// As in /dev: `/dev/sdb1`.
    pub device: String,
}

/// Why one cannot be used.
#[derive(Debug)]
pub(crate) enum Unreadable {
    Ntfs,
    /// No file system that sticks have.
    Unknown,
    /// What was to be done on it failed.
    Act(io::Error),
}

/// Those that are in, all but the disk of the box, and what is made to hold mail, its own or not.
pub(crate) fn all(system: &mut dyn System, own: Option<&Disk>) -> Vec<Stick> {
    let mut found = Vec::new();
    let data: Vec<String> = disk::data_disks(system).into_iter().map(|disk| disk.name).collect();
    for disk in whole_disks(system) {
        let is_own = own.is_some_and(|own| own.name == disk) || data.contains(&disk);
        // The boot areas of the soldered card of a board are disks by themselves.
        if is_own || disk.contains("boot") || disk.contains("rpmb") || is_empty(system, &disk) {
            continue;
        }
        let below = system.list(&format!("/sys/block/{disk}")).unwrap_or_default();
        let mut parts: Vec<String> =
            below.into_iter().filter(|name| name.starts_with(&disk)).collect();
        if parts.is_empty() {
            parts.push(disk.clone());
        }
        let stick = |part| Stick { disk: disk.clone(), device: format!("/dev/{part}") };
        found.extend(parts.into_iter().map(stick));
    }
    found
}

/// A reader without a card has no sectors.
fn is_empty(system: &mut dyn System, disk: &str) -> bool {
    let size = system.read(&format!("/sys/block/{disk}/size")).unwrap_or_default();
    matches!(String::from_utf8_lossy(&size).trim(), "" | "0")
}

/// Mounts it, acts, and unmounts it.
pub(crate) fn with<T>(
    system: &mut dyn System,
    stick: &Stick,
    access: Access,
    act: impl FnOnce(&mut dyn System) -> io::Result<T>,
) -> Result<T, Unreadable> {
    mount(system, stick, access)?;
    let done = act(system);
    let unmounted = system.unmount(TARGET);
    let done = done.map_err(Unreadable::Act)?;
    unmounted.map(|()| done).map_err(Unreadable::Act)
}

/// Mounts it until [`release`].
pub(crate) fn mount(
    system: &mut dyn System,
    stick: &Stick,
    access: Access,
) -> Result<(), Unreadable> {
    for (kind, options) in KINDS {
        let (source, target) = (stick.device.clone(), TARGET.to_string());
        match system.mount(&Mount { source, target, kind, access, options }) {
            Ok(()) => return Ok(()),
            // The kernel's word for another file system.
            Err(error) if error.raw_os_error() == Some(nix::libc::EINVAL) => (),
            Err(error) => return Err(Unreadable::Act(error)),
        }
    }
    // "NTFS    " where all of them keep the name of what formatted it.
    let head = system.read_at(&stick.device, 0, 512).unwrap_or_default();
    let is_ntfs = head.get(3..11) == Some(b"NTFS    ");
    Err(if is_ntfs { Unreadable::Ntfs } else { Unreadable::Unknown })
}

pub(crate) fn release(system: &mut dyn System) -> io::Result<()> {
    system.unmount(TARGET)
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ntfs => f.write_str(
                "the stick has the file system NTFS, which the box does not read: format it as \
                 FAT32 or exFAT",
            ),
            Self::Unknown => f.write_str(
                "the stick has no file system that the box reads: format it as FAT32 or exFAT",
            ),
            Self::Act(error) => write!(f, "the stick cannot be used: {error}"),
        }
    }
}
