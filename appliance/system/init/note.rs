//! What PID 1 must know after a restart that it ordered itself, when data may not be mounted: one
//! sector at 13 MiB, between the loaders' places and the first partition.
//!
//! ```text
//! octet 0..8     "MRNOTE1\0"
//!       8        restarts ordered because of trouble, since the box was last well for an hour
//!       508..512 CRC-32 of the rest
//! ```
//!
//! A sector that is no note says nothing. Where none can be written no restart is ordered: the box
//! never restarts for ever.

use super::disk::{Disk, SECTOR};
use crate::system::syscall::System;
use std::io;

pub(crate) const AT: u64 = 13 << 20;
const MARK: &[u8; 8] = b"MRNOTE1\0";

/// Restarts ordered so far.
pub(crate) fn restarts(system: &mut dyn System, disk: &Disk) -> u8 {
    let octets = system.read_at(&disk.device(), AT, SECTOR as usize).unwrap_or_default();
    let Some((note, sum)) = octets.split_last_chunk::<4>() else { return 0 };
    let sound = crc32fast::hash(note) == u32::from_le_bytes(*sum) && note.starts_with(MARK);
    if sound { note.get(8).copied().unwrap_or(0) } else { 0 }
}

pub(crate) fn write(system: &mut dyn System, disk: &Disk, restarts: u8) -> io::Result<()> {
    let mut octets = vec![0; SECTOR as usize];
    octets[..8].copy_from_slice(MARK);
    octets[8] = restarts;
    let sum = crc32fast::hash(&octets[..508]);
    octets[508..].copy_from_slice(&sum.to_le_bytes());
    system.write_at(&disk.device(), AT, &octets)
}
