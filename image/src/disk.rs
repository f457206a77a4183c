//! The partition table of a disk image: a master boot record.
//!
//! ```text
//! sector 0:   446 octets of boot code · 4 entries of 16 octets · 55 AA
//! an entry:   active · 3 octets CHS · type · 3 octets CHS · start u32 LE · sectors u32 LE
//! ```

use crate::filesystem::{self, FileSystem};
use serde::Serialize;
use std::fmt;
use std::io::{Read, Seek, SeekFrom};

pub(crate) const SECTOR: u64 = 512;

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Disk {
    /// Octets of the file.
    pub size: u64,
    /// The disk's own number in the boot record.
    pub disk_id: String,
    pub partitions: Vec<Partition>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Partition {
    /// From 1, as Linux counts.
    pub number: usize,
    pub kind: u8,
    pub kind_name: &'static str,
    pub active: bool,
    /// Octets from the start of the disk.
    pub start: u64,
    pub size: u64,
    pub file_system: Option<FileSystem>,
}

/// Reads an image; the error says why it is none, or what is wrong with it.
pub(crate) fn read(file: &mut (impl Read + Seek)) -> Result<Disk, String> {
    let size = file.seek(SeekFrom::End(0)).map_err(|error| error.to_string())?;
    if size < SECTOR {
        return Err(format!("{size} octets are no disk image: a disk has at least one sector"));
    }
    let mut sector = [0_u8; 512];
    read_at(file, 0, &mut sector)?;
    check_record(&sector)?;
    let mut partitions = Vec::new();
    for (i, entry) in sector[446..510].chunks(16).enumerate() {
        if entry[4] != 0 {
            partitions.push(partition(file, i + 1, entry, size)?);
        }
    }
    check_overlap(&partitions)?;
    let disk_id = format!("{:08x}", number(&sector[440..444]));
    Ok(Disk { size, disk_id, partitions })
}

/// Says what the first sector is, where it is not a boot record with a partition table.
fn check_record(sector: &[u8; 512]) -> Result<(), String> {
    let packed = [
        (&b"\x1f\x8b"[..], "gzip"),
        (&b"\xfd7zXZ\0"[..], "xz"),
        (&b"\x28\xb5\x2f\xfd"[..], "zstd"),
        (&b"PK\x03\x04"[..], "zip"),
    ];
    if let Some((_, name)) = packed.iter().find(|(magic, _)| sector.starts_with(magic)) {
        return Err(format!("it is compressed with {name}: unpack it first"));
    }
    if sector[510..] != [0x55, 0xaa] {
        return Err("not a disk image: its first sector does not end with 55 AA".into());
    }
    let entries = || sector[446..510].chunks(16);
    if entries().any(|entry| entry[0] != 0 && entry[0] != 0x80) {
        let is_fat = sector[0] == 0xeb || sector[0] == 0xe9;
        return Err(if is_fat {
            "a file system without a partition table, not the image of a whole disk".into()
        } else {
            "not a disk image: its partition table is not one".to_string()
        });
    }
    if entries().any(|entry| entry[4] == 0xee) {
        return Err("it has a GPT, and Mailroom's images have an MBR: not one of ours".into());
    }
    if entries().all(|entry| entry[4] == 0) {
        return Err("its partition table is empty".into());
    }
    Ok(())
}

fn partition(
    file: &mut (impl Read + Seek),
    at: usize,
    entry: &[u8],
    disk: u64,
) -> Result<Partition, String> {
    let start = u64::from(number(&entry[8..12])) * SECTOR;
    let size = u64::from(number(&entry[12..16])) * SECTOR;
    if start == 0 || size == 0 {
        return Err(format!("partition {at} begins at {start} and has {size} octets"));
    }
    if start + size > disk {
        let missing = start + size - disk;
        return Err(format!("partition {at} ends {missing} octets after the file: cut short?"));
    }
    Ok(Partition {
        number: at,
        kind: entry[4],
        kind_name: kind_name(entry[4]),
        active: entry[0] == 0x80,
        start,
        size,
        file_system: filesystem::recognise(file, start, size)?,
    })
}

fn check_overlap(partitions: &[Partition]) -> Result<(), String> {
    for (i, a) in partitions.iter().enumerate() {
        for b in &partitions[i + 1..] {
            if a.start < b.start + b.size && b.start < a.start + a.size {
                return Err(format!("partitions {} and {} overlap", a.number, b.number));
            }
        }
    }
    Ok(())
}

fn kind_name(kind: u8) -> &'static str {
    match kind {
        0x01 | 0x04 | 0x06 | 0x0e => "FAT16",
        0x0b | 0x0c => "FAT32",
        0x05 | 0x0f => "extended",
        0x07 => "NTFS or exFAT",
        0x82 => "Linux swap",
        0x83 => "Linux",
        0xda => "raw data",
        0xef => "EFI system",
        _ => "unknown",
    }
}

pub(crate) fn read_at(
    file: &mut (impl Read + Seek),
    at: u64,
    into: &mut [u8],
) -> Result<(), String> {
    let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(into));
    read.map_err(|error| format!("cannot read at {at}: {error}"))
}

/// Little-endian, up to four octets.
pub(crate) fn number(octets: &[u8]) -> u32 {
    octets.iter().rev().fold(0, |sum, octet| (sum << 8) | u32::from(*octet))
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "disk {}: {}", self.disk_id, size(self.size))?;
        for p in &self.partitions {
            let active = if p.active { ", active" } else { "" };
            let (start, octets) = (size(p.start), size(p.size));
            write!(f, "{}  type {:02x} ({}{active})", p.number, p.kind, p.kind_name)?;
            write!(f, "  starts at {start}  size {octets}")?;
            match &p.file_system {
                Some(file_system) => writeln!(f, "  {file_system}")?,
                None => writeln!(f, "  no file system known")?,
            }
        }
        Ok(())
    }
}

/// The largest unit in which it is a whole number.
pub(crate) fn size(octets: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(shift, _)| octets != 0 && octets.trailing_zeros() >= *shift) {
        Some((shift, unit)) => format!("{} {unit}", octets >> shift),
        None => format!("{octets} octets"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::Kind;
    use std::io::Cursor;

    const MIB: usize = 1 << 20;

    /// A disk of so many MiB with these partitions: type, first MiB, MiBs.
    fn made(mib: usize, partitions: &[(u8, u32, u32)]) -> Vec<u8> {
        let mut disk = vec![0; mib * MIB];
        disk[440..444].copy_from_slice(&[0x78, 0x56, 0x34, 0x12]);
        for (i, (kind, start, size)) in partitions.iter().enumerate() {
            let entry = &mut disk[446 + 16 * i..462 + 16 * i];
            entry[4] = *kind;
            entry[8..12].copy_from_slice(&(start * 2048).to_le_bytes());
            entry[12..16].copy_from_slice(&(size * 2048).to_le_bytes());
        }
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        disk
    }

    fn fat32(part: &mut [u8]) {
        part[11..14].copy_from_slice(&[0, 2, 4]);
        part[0x43..0x47].copy_from_slice(&[0xef, 0xbe, 0xad, 0xde]);
        part[0x47..0x52].copy_from_slice(b"BOOT       ");
        part[0x52..0x5a].copy_from_slice(b"FAT32   ");
        part[510..512].copy_from_slice(&[0x55, 0xaa]);
    }

    fn ext4(part: &mut [u8]) {
        let block = &mut part[1024..2048];
        block[24] = 2;
        block[56..58].copy_from_slice(&[0x53, 0xef]);
        block[92] = 4;
        block[96] = 0x40;
        block[104..120].copy_from_slice(&[0x11; 16]);
        block[120..124].copy_from_slice(b"data");
    }

    fn refusal(disk: Vec<u8>) -> String {
        read(&mut Cursor::new(disk)).expect_err("refused")
    }

    #[test]
    fn partitions_and_their_file_systems_are_told() {
        let mut image = made(8, &[(0x0c, 1, 2), (0x83, 3, 4), (0xda, 7, 1)]);
        image[446] = 0x80;
        fat32(&mut image[MIB..]);
        ext4(&mut image[3 * MIB..]);
        let disk = read(&mut Cursor::new(image)).expect("an image");
        assert_eq!((disk.size, disk.disk_id.as_str()), (8 << 20, "12345678"));
        let [boot, data, raw] = disk.partitions.as_slice() else { panic!("three partitions") };
        assert_eq!((boot.number, boot.kind_name, boot.active), (1, "FAT32", true));
        assert_eq!((data.start, data.size), (3 << 20, 4 << 20));
        let boot = boot.file_system.as_ref().expect("FAT");
        assert_eq!((boot.kind, boot.label.as_str(), boot.block), (Kind::Fat32, "BOOT", 2048));
        assert_eq!(boot.id, "DEAD-BEEF");
        let ext = data.file_system.as_ref().expect("ext4");
        assert_eq!((ext.kind, ext.label.as_str(), ext.block), (Kind::Ext4, "data", 4096));
        assert_eq!(ext.id, "11111111-1111-1111-1111-111111111111");
        assert_eq!(raw.file_system, None);
        let text = disk.to_string();
        assert!(text.contains("1  type 0c (FAT32, active)  starts at 1 MiB  size 2 MiB"), "{text}");
        assert!(text.contains("ext4, label \"data\""), "{text}");
    }

    #[test]
    fn what_is_no_image_is_refused_with_the_reason() {
        assert!(refusal(vec![0; 100]).contains("at least one sector"));
        assert!(refusal(vec![0; 1024]).contains("55 AA"));
        assert!(refusal([b"\x1f\x8b".to_vec(), vec![0; 1024]].concat()).contains("gzip"));
        assert!(refusal(made(1, &[])).contains("empty"));
        assert!(refusal(made(1, &[(0xee, 0, 1)])).contains("GPT"));
        let mut noise = made(1, &[]);
        noise[446] = 0x33;
        assert!(refusal(noise.clone()).contains("is not one"));
        noise[0] = 0xeb;
        assert!(refusal(noise).contains("without a partition table"));
    }

    #[test]
    fn what_is_wrong_with_an_image_is_said() {
        let cut = made(2, &[(0x83, 1, 2)]);
        assert!(refusal(cut).contains("partition 1 ends 1048576 octets after the file"));
        let overlap = made(4, &[(0x83, 1, 2), (0x83, 2, 1)]);
        assert!(refusal(overlap).contains("partitions 1 and 2 overlap"));
        let nothing = made(4, &[(0x83, 1, 0)]);
        assert!(refusal(nothing).contains("has 0 octets"));
    }
}
