//! Where everything stands on a disk.
//!
//! ```text
//!   0        boot record with the partition table; behind it, up to 4 MiB, room for loaders
//!   4 MiB    state of the slots, first copy (appliance/update/slot.rs)
//!            room for loaders (loaders.rs)
//!  12 MiB    state of the slots, second copy
//!  13 MiB    what PID 1 notes of its own restarts (appliance/system/init/note.rs)
//!  16 MiB    1 FAT32  boot: board firmware, U-Boot, boot.scr; never written by an update
//!  64 MiB    2 ext4   slot a: kernel, initramfs
//! 192 MiB    3 ext4   slot b
//! 320 MiB    4 ext4   data: grown to the end of the disk at first boot
//! 512 MiB    the end of the image: a power of two, as an emulated SD card has to be
//! ```

use crate::disk::SECTOR;
use crate::slot;

const MIB: u64 = 1 << 20;

/// The disk's number until first boot gives it one of its own.
pub(crate) const DISK_ID: u32 = 0x6d61_696c;

pub(crate) const DISK: u64 = 512 * MIB;

/// Octets from the start of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub start: u64,
    pub size: u64,
}

pub(crate) const BOOT: Place = Place { start: 16 * MIB, size: 48 * MIB };
pub(crate) const SLOTS: [Place; 2] =
    [Place { start: 64 * MIB, size: 128 * MIB }, Place { start: 192 * MIB, size: 128 * MIB }];
pub(crate) const DATA: Place = Place { start: 320 * MIB, size: 192 * MIB };

/// What PID 1 writes before the first partition, beside the state of the slots.
pub(crate) const NOTE: u64 = 13 * MIB;

/// What has its place before the first partition on every board.
pub(crate) fn fixed() -> Vec<(String, Place)> {
    let [first, second] = slot::COPIES;
    [
        ("the partition table", 0),
        ("a copy of the slot state", first),
        ("a copy of the slot state", second),
        ("the note of PID 1", NOTE),
    ]
    .map(|(what, start)| (what.to_string(), Place { start, size: SECTOR }))
    .to_vec()
}

/// The first sector.
pub(crate) fn boot_record() -> Result<[u8; 512], String> {
    let mut sector = [0; 512];
    sector[440..444].copy_from_slice(&DISK_ID.to_le_bytes());
    let partitions = [(0x0c, BOOT), (0x83, SLOTS[0]), (0x83, SLOTS[1]), (0x83, DATA)];
    for (entry, (kind, place)) in sector[446..510].chunks_mut(16).zip(partitions) {
        // Firmware that looks for the active partition looks for the boot partition.
        entry[0] = if kind == 0x0c { 0x80 } else { 0 };
        // Cylinders and heads mean nothing here: the largest there is.
        entry[1..4].copy_from_slice(&[0xfe, 0xff, 0xff]);
        entry[4] = kind;
        entry[5..8].copy_from_slice(&[0xfe, 0xff, 0xff]);
        let sectors = |octets: u64| u32::try_from(octets / SECTOR).map_err(|e| e.to_string());
        entry[8..12].copy_from_slice(&sectors(place.start)?.to_le_bytes());
        entry[12..16].copy_from_slice(&sectors(place.size)?.to_le_bytes());
    }
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    Ok(sector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{disk, scratch::Scratch};
    use std::io::Write;

    #[test]
    fn the_table_says_what_the_layout_says() {
        let scratch = Scratch::new("layout");
        let path = scratch.path().join("disk");
        let mut file = std::fs::File::create(&path).expect("a file");
        file.write_all(&boot_record().expect("a record")).expect("written");
        file.set_len(DISK).expect("room");
        let mut file = std::fs::File::open(&path).expect("readable");
        let disk = disk::read(&mut file).expect("an image");
        assert_eq!(disk.disk_id, "6d61696c");
        let places: Vec<Place> = disk
            .partitions
            .iter()
            .map(|partition| Place { start: partition.start, size: partition.size })
            .collect();
        assert_eq!(places, [BOOT, SLOTS[0], SLOTS[1], DATA]);
        assert!(DISK.is_power_of_two() && DATA.start + DATA.size == DISK);
    }

    #[test]
    fn what_the_box_writes_lies_before_the_first_partition_and_apart() {
        let note = include_str!("../../appliance/system/init/note.rs");
        assert!(note.contains(&format!("const AT: u64 = {} << 20;", NOTE >> 20)));
        assert_eq!(slot::SECTOR as u64, SECTOR);
        let mut places: Vec<u64> = fixed().into_iter().map(|(_, place)| place.start).collect();
        places.push(BOOT.start);
        assert!(places.windows(2).all(|pair| pair[0] + SECTOR <= pair[1]), "{places:?}");
        // No erase block of a flash card holds both copies.
        assert!(slot::COPIES[1] - slot::COPIES[0] >= 4 << 20);
    }
}
