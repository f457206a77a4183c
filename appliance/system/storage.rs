//! The mail on another disk: a data disk is made ready, lent, changed to, and let go.
//!
//! ```text
//! server: Prepare -> made piece by piece (Preparing), mounted where sticks are lent -> Prepared
//!         ... its copy, which it checks ...
//!         Switch  -> the server ends; PID 1's folder is copied; ELSEWHERE is written: that is the
//!                    moment of the move. Restart
//! ```
//!
//! A cut before that moment leaves all as it was, and one behind it leaves the mail moved: both
//! copies are whole then. The old one stays until it is forgotten.

pub(crate) mod holders;
pub(crate) mod moving;
pub(crate) mod preparing;
pub(crate) mod seed;

use super::init::disk::{DATA as PARTITION, Disk};
use super::syscall::{Access, Mount, System};
use std::io;

/// Where the system disk's partition 4 is for a moment while the mail is elsewhere, or an old data
/// disk's.
pub(crate) const HOME: &str = "/run/home";

/// The disks of the box.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Own<'a> {
    pub system: Option<&'a Disk>,
    /// What holds the mail, where that is another.
    pub data: Option<&'a Disk>,
}

impl Own<'_> {
    pub(crate) fn is(&self, name: &str) -> bool {
        [self.system, self.data].into_iter().flatten().any(|disk| disk.name == name)
    }
}

pub(crate) fn ext4(source: String, target: &str, access: Access) -> Mount {
    Mount { source, target: target.to_string(), kind: "ext4", access, options: "" }
}

/// Partition 4 of a disk for a moment, at [`HOME`].
pub(crate) fn with<T>(
    system: &mut dyn System,
    disk: &Disk,
    act: impl FnOnce(&mut dyn System) -> io::Result<T>,
) -> io::Result<T> {
    system.mount(&ext4(disk.partition(PARTITION), HOME, Access::Write))?;
    let done = act(system);
    let unmounted = system.unmount(HOME);
    let done = done?;
    unmounted.map(|()| done)
}
