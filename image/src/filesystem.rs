//! File systems, recognised by their first sectors.
//!
//! ```text
//! FAT:  octets a sector u16 at 11, sectors a cluster at 13; FAT32: id at 0x43, label at 0x47,
//!       "FAT32   " at 0x52; FAT12, FAT16: id at 0x27, label at 0x2b, "FAT1.   " at 0x36
//! ext:  superblock at 1024: block size 1024 << u32 at 24, 53 EF at 56, compat at 92, incompat
//!       at 96, uuid at 104, label at 120
//! ```

use crate::disk::{number, read_at};
use serde::Serialize;
use std::fmt;
use std::io::{Read, Seek};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Fat12,
    Fat16,
    Fat32,
    Ext2,
    Ext3,
    Ext4,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FileSystem {
    pub kind: Kind,
    pub label: String,
    /// The uuid of ext, the volume id of FAT.
    pub id: String,
    /// Octets of a block or cluster.
    pub block: u32,
}

/// What the partition holds, if it is known.
pub(crate) fn recognise(
    file: &mut (impl Read + Seek),
    start: u64,
    size: u64,
) -> Result<Option<FileSystem>, String> {
    if size < 2048 {
        return Ok(None);
    }
    let mut head = [0_u8; 2048];
    read_at(file, start, &mut head)?;
    Ok(fat(&head).or_else(|| ext(&head[1024..])))
}

fn fat(head: &[u8]) -> Option<FileSystem> {
    if head[510..512] != [0x55, 0xaa] {
        return None;
    }
    let (kind, id, label) = if &head[0x52..0x5a] == b"FAT32   " {
        (Kind::Fat32, 0x43, 0x47)
    } else if &head[0x36..0x3e] == b"FAT16   " {
        (Kind::Fat16, 0x27, 0x2b)
    } else if &head[0x36..0x3e] == b"FAT12   " {
        (Kind::Fat12, 0x27, 0x2b)
    } else {
        return None;
    };
    let id = number(&head[id..id + 4]);
    Some(FileSystem {
        kind,
        label: text(&head[label..label + 11]),
        id: format!("{:04X}-{:04X}", id >> 16, id & 0xffff),
        block: number(&head[11..13]) * u32::from(head[13]),
    })
}

fn ext(superblock: &[u8]) -> Option<FileSystem> {
    const JOURNAL: u32 = 4;
    const EXTENTS: u32 = 0x40;
    let shift = number(&superblock[24..28]);
    if superblock[56..58] != [0x53, 0xef] || shift > 6 {
        return None;
    }
    let kind = if number(&superblock[96..100]) & EXTENTS != 0 {
        Kind::Ext4
    } else if number(&superblock[92..96]) & JOURNAL != 0 {
        Kind::Ext3
    } else {
        Kind::Ext2
    };
    let hex = |octets: &[u8]| octets.iter().map(|o| format!("{o:02x}")).collect::<String>();
    let groups = [104..108, 108..110, 110..112, 112..114, 114..120];
    let id = groups.map(|group| hex(&superblock[group])).join("-");
    Some(FileSystem { kind, label: text(&superblock[120..136]), id, block: 1024 << shift })
}

/// A label without its padding, safe for a terminal.
fn text(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let text = text.trim_end_matches(['\0', ' ']);
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Fat12 => "FAT12",
            Kind::Fat16 => "FAT16",
            Kind::Fat32 => "FAT32",
            Kind::Ext2 => "ext2",
            Kind::Ext3 => "ext3",
            Kind::Ext4 => "ext4",
        };
        let Self { label, id, block, .. } = self;
        write!(f, "{kind}, label {label:?}, id {id}, blocks of {block}")
    }
}
