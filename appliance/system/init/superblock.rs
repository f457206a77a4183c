//! The superblock of an ext4 file system: 1024 octets, which are two sectors. A power cut between
//! them leaves one new and one old, and e2fsck ends before it begins (Linux, "ext4 Data Structures
//! and Algorithms", The Super Block).
//!
//! ```text
//! octet 0x38  2  s_magic: 53 EF
//!       0x64  4  s_feature_ro_compat: bit 0x400 is metadata_csum
//!       0x175 1  s_checksum_type: 1 is crc32c
//!       0x3FC 4  s_checksum: crc32c from ~0, not inverted at its end, of the 1020 octets before
//! ```
//!
//! What a running file system changes (counts, times, state, needs_recovery) stands in the first
//! sector, the second has hardly more than the sum. So a sum of what is there makes the first
//! sector valid, be it new or old, and e2fsck with the journal brings the rest to agree with it.
//! A copy of the superblock would not do: it is as old as the file system, and the journal of one
//! that grew since does not fit to it.

use super::disk::SECTOR;
use crate::system::syscall::System;
use std::io;

const AT: u64 = 1024;
const LENGTH: usize = 1024;
const MAGIC: [u8; 2] = [0x53, 0xEF];
const METADATA_CSUM: u32 = 0x400;
const CRC32C: u8 = 1;

/// Writes the sum anew where it alone is wrong: one sector, so all of it or nothing.
pub(crate) fn mend(system: &mut dyn System, partition: &str) -> io::Result<bool> {
    let octets = system.read_at(partition, AT, LENGTH)?;
    let Some(mended) = mended(&octets) else { return Ok(false) };
    let second = SECTOR as usize;
    system.write_at(partition, AT + SECTOR, &mended[second..])?;
    Ok(true)
}

/// With its sum, if it has another.
fn mended(octets: &[u8]) -> Option<Vec<u8>> {
    let (content, sum) = octets.split_last_chunk::<4>()?;
    let features = u32::from_le_bytes(content.get(0x64..0x68)?.try_into().ok()?);
    let kind = *content.get(0x175)?;
    let known = content.get(0x38..0x3A)? == MAGIC && features & METADATA_CSUM != 0;
    if !known || kind != CRC32C {
        return None;
    }
    let right = (!crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(content)).to_le_bytes();
    (*sum != right).then(|| [content, &right].concat())
}
