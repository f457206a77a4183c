//! The empty file system of a data disk, as it comes in the initramfs (`image/src/seed.rs`): its
//! blocks that are not all zeros, and the table of the disk.
//!
//! ```text
//! octet 0..8    "MRSEED1\0"
//!       8..12   blocks of the file system, of 4 KiB each; numbers little-endian
//!       12..16  how many of them follow
//!       then    each: its number u32, its 4096 octets; in order
//!       last 4  CRC-32 of all before
//! ```

use crate::limits;
use crate::system::emptying::{Writing, entry, sector};
use crate::system::init::disk::{DATA_MARK, MIB, SECTOR};
use std::io;

pub(crate) const FILE: &str = "/lib/mailroom/data.seed";
const MARK: &[u8; 8] = b"MRSEED1\0";
const BLOCK: usize = 4096;
/// Where the partition begins.
const BEGIN: u64 = MIB * SECTOR;

/// Octets of the file system, and its blocks that are not all zeros.
pub(crate) struct Seed {
    length: u64,
    blocks: Vec<(u64, Vec<u8>)>,
}

impl Seed {
    pub(crate) fn parse(octets: &[u8]) -> io::Result<Seed> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the seed is damaged");
        let (whole, sum) = octets.split_last_chunk::<4>().ok_or_else(damaged)?;
        let number = |at: usize| {
            let four = whole.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(four))
        };
        let (all, count) = number(8).zip(number(12)).ok_or_else(damaged)?;
        let good = crc32fast::hash(whole) == u32::from_le_bytes(*sum) && whole.starts_with(MARK);
        let kept = whole.get(16..).unwrap_or_default();
        let each = kept.chunks_exact(4 + BLOCK);
        if !good || !each.remainder().is_empty() || each.len() != count as usize {
            return Err(damaged());
        }
        let mut blocks = Vec::new();
        for kept in each {
            let (at, block) = kept.split_first_chunk::<4>().ok_or_else(damaged)?;
            let at = u32::from_le_bytes(*at);
            if at >= all {
                return Err(damaged());
            }
            blocks.push((u64::from(at) * BLOCK as u64, block.to_vec()));
        }
        Ok(Seed { length: u64::from(all) * BLOCK as u64, blocks })
    }

    /// What is to be written on a disk of so many sectors, in this order: zeros over what was, the
    /// blocks, the table. `None`: it is too small.
    pub(crate) fn writing(self, sectors: u64, id: u32) -> Option<Writing> {
        let room = sectors.min(limits::DATA_DISK_BYTES / SECTOR + MIB) / MIB * MIB;
        let length = room.checked_sub(MIB)?;
        let end = BEGIN + self.length;
        if length * SECTOR < self.length {
            return None;
        }
        let mut pieces: Vec<_> =
            self.blocks.into_iter().map(|(at, block)| (BEGIN + at, block)).collect();
        pieces.push((0, table(length, id).to_vec()));
        Some(Writing::new(end, pieces))
    }
}

/// One partition, the fourth: it has the place of the system disk's.
fn table(length: u64, id: u32) -> [u8; SECTOR as usize] {
    let entry = entry(0x83, MIB, length);
    sector(&[
        (0, DATA_MARK),
        (440, &id.to_le_bytes()),
        (446 + 3 * 16, &entry),
        (510, &[0x55, 0xAA]),
    ])
}
