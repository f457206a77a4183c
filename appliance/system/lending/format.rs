//! A stick made empty: a table with one partition, and in it FAT32.
//!
//! ```text
//! sector 0        the table: one partition of type 0C from 1 MiB to the end
//! 1 MiB    0      boot sector, and again at 6
//!          1      how much is free, and again at 7
//!          32     two tables of clusters, then the root folder: one cluster
//! ```
//!
//! The table is written last: a stick that was pulled out meanwhile has none, and is unusable as
//! before.

use crate::system::emptying::{Writing, entry, sector};
use crate::system::init::disk::SECTOR;

/// Where the partition begins.
const BEGIN: u64 = 2048;
/// Sectors before the tables of clusters.
const RESERVED: u64 = 32;
const TABLES: u64 = 2;
/// A volume with fewer clusters is FAT16 to everybody.
const CLUSTERS_LEAST: u64 = 65_525;

/// As computers show it.
const LABEL: &[u8; 11] = b"MAILROOM   ";

/// For a stick of so many sectors; `None`: it cannot be FAT32.
pub(super) fn begin(sectors: u64, id: u32) -> Option<Writing> {
    let length = sectors.checked_sub(BEGIN)?;
    // 32 bits of the table and of the boot sector.
    u32::try_from(sectors).ok()?;
    let per_cluster = per_cluster(length);
    // Each sector of a table knows 128 clusters.
    let table = length.checked_sub(RESERVED)?.div_ceil((128 * per_cluster + TABLES).max(1));
    let clusters = length.checked_sub(RESERVED + TABLES * table)? / per_cluster;
    if clusters < CLUSTERS_LEAST {
        return None;
    }
    let boot = boot(per_cluster, table, length, id);
    let free = free(clusters);
    let mut first_table = [0; SECTOR as usize];
    // What stands in the place of the first two clusters, and the end of the root folder.
    let begin = [0x0FFF_FFF8_u32, 0x0FFF_FFFF, 0x0FFF_FFFF].into_iter().flat_map(u32::to_le_bytes);
    first_table.iter_mut().zip(begin).for_each(|(to, from)| *to = from);
    let at = |sector: u64| (BEGIN + sector) * SECTOR;
    let mut all = Vec::new();
    for copy in 0..TABLES {
        all.push((at(RESERVED + copy * table), first_table.to_vec()));
    }
    all.push((at(RESERVED + TABLES * table), root().to_vec()));
    for copy in [0, 6] {
        all.push((at(copy), boot.to_vec()));
        all.push((at(copy + 1), free.to_vec()));
    }
    all.push((0, self::table(length, id).to_vec()));
    // The old table goes first: what it leads to is no more.
    let end = at(RESERVED + TABLES * table + per_cluster);
    Some(Writing::new(end, all))
}

/// Sectors of a cluster, as others choose them.
fn per_cluster(length: u64) -> u64 {
    match (length * SECTOR) >> 20 {
        0..260 => 1,
        260..8_192 => 8,
        8_192..16_384 => 16,
        16_384..32_768 => 32,
        _ => 64,
    }
}

/// The root folder knows the label too; that is all that is in it.
fn root() -> [u8; SECTOR as usize] {
    sector(&[(0, LABEL), (LABEL.len(), &[0x08])])
}

fn boot(per_cluster: u64, table: u64, length: u64, id: u32) -> [u8; SECTOR as usize] {
    let mut sector = [0; SECTOR as usize];
    let mut put = |at: usize, octets: &[u8]| {
        sector.iter_mut().skip(at).zip(octets).for_each(|(to, from)| *to = *from);
    };
    let small = |number: u64| u16::try_from(number).unwrap_or(0).to_le_bytes();
    let large = |number: u64| u32::try_from(number).unwrap_or(0).to_le_bytes();
    put(0, &[0xEB, 0x58, 0x90]);
    put(3, b"MAILROOM");
    put(11, &small(SECTOR));
    put(13, &[u8::try_from(per_cluster).unwrap_or(0)]);
    put(14, &small(RESERVED));
    put(16, &[TABLES as u8]);
    put(21, &[0xF8]);
    put(24, &small(63));
    put(26, &small(255));
    put(28, &large(BEGIN));
    put(32, &large(length));
    put(36, &large(table));
    put(44, &large(2));
    put(48, &small(1));
    put(50, &small(6));
    put(64, &[0x80, 0, 0x29]);
    put(67, &id.to_le_bytes());
    put(71, LABEL);
    put(82, b"FAT32   ");
    put(510, &[0x55, 0xAA]);
    sector
}

/// Of so many clusters the root folder has one.
fn free(clusters: u64) -> [u8; SECTOR as usize] {
    let free = u32::try_from(clusters.saturating_sub(1)).unwrap_or(u32::MAX);
    sector(&[
        (0, b"RRaA"),
        (484, b"rrAa"),
        (488, &free.to_le_bytes()),
        (492, &3_u32.to_le_bytes()),
        (508, &[0, 0, 0x55, 0xAA]),
    ])
}

fn table(length: u64, id: u32) -> [u8; SECTOR as usize] {
    let entry = entry(0x0C, BEGIN, length);
    sector(&[(440, &id.to_le_bytes()), (446, &entry), (510, &[0x55, 0xAA])])
}
