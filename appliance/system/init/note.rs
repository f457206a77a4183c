//! What PID 1 must know after a restart that it ordered itself, when data may not be mounted: one
//! sector at 13 MiB, between the loaders' places and the first partition.
//!
//! ```text
//! octet 0..8     "MRNOTE1\0"
//!       8        restarts ordered because of trouble, since the box was last well for an hour
//!       9        octets of the next
//!       10..     how far the trial of a new system came, in words (UTF-8)
//!       508..512 CRC-32 of the rest
//! ```
//!
//! A sector that is no note says nothing. Where none can be written no restart is ordered: the box
//! never restarts for ever.

use super::disk::{Disk, SECTOR};
use crate::request::Words;
use crate::system::syscall::System;
use std::io;

pub(crate) const AT: u64 = 13 << 20;
const MARK: &[u8; 8] = b"MRNOTE1\0";

#[derive(Debug, Default, PartialEq, Eq)]
struct Note {
    restarts: u8,
    trial: String,
}

/// Restarts ordered so far.
pub(crate) fn restarts(system: &mut dyn System, disk: &Disk) -> u8 {
    read(system, disk).restarts
}

pub(crate) fn write(system: &mut dyn System, disk: &Disk, restarts: u8) -> io::Result<()> {
    let note = Note { restarts, ..read(system, disk) };
    note.write(system, disk)
}

/// How far the last trial came; empty: no program of it ran.
pub(crate) fn trial(system: &mut dyn System, disk: &Disk) -> String {
    read(system, disk).trial
}

/// Writes where something else stands.
pub(crate) fn write_trial(system: &mut dyn System, disk: &Disk, words: &str) -> io::Result<()> {
    let trial = Words::new(words).text().to_string();
    let before = read(system, disk);
    if before.trial == trial {
        return Ok(());
    }
    Note { trial, ..before }.write(system, disk)
}

fn read(system: &mut dyn System, disk: &Disk) -> Note {
    let octets = system.read_at(&disk.device(), AT, SECTOR as usize).unwrap_or_default();
    let Some((note, sum)) = octets.split_last_chunk::<4>() else { return Note::default() };
    if crc32fast::hash(note) != u32::from_le_bytes(*sum) || !note.starts_with(MARK) {
        return Note::default();
    }
    let restarts = note.get(8).copied().unwrap_or(0);
    let length = note.get(9).copied().map_or(0, usize::from);
    let words = note.get(10..10 + length).unwrap_or_default();
    Note { restarts, trial: String::from_utf8_lossy(words).into_owned() }
}

impl Note {
    fn write(&self, system: &mut dyn System, disk: &Disk) -> io::Result<()> {
        let mut octets = vec![0; SECTOR as usize];
        octets[..8].copy_from_slice(MARK);
        octets[8] = self.restarts;
        // Words have at most 160 octets.
        octets[9] = u8::try_from(self.trial.len()).unwrap_or(0);
        let length = usize::from(octets[9]);
        octets[10..10 + length].copy_from_slice(&self.trial.as_bytes()[..length]);
        let sum = crc32fast::hash(&octets[..508]);
        octets[508..].copy_from_slice(&sum.to_le_bytes());
        system.write_at(&disk.device(), AT, &octets)
    }
}
