//! The disk: found by the id in its table, its data partition grown to its end.
//!
//! ```text
//! sector 0           the table (MBR)
//!   octet 440..444   the id of the disk
//!   octet 446 + 16 n entry n: type at 4, first sector at 8, sectors at 12, little-endian
//!   octet 510..512   55 AA
//! 4 MiB, 12 MiB      the state of the slots, twice (update::slot)
//! 13 MiB             the note of PID 1 (note.rs)
//! 16 MiB ..          partition 1 boot (FAT), 2 and 3 the slots, 4 data
//! ```
//!
//! A data disk (elsewhere.rs) begins with "MAILROOM DATA", and has partition 4 alone, from 1 MiB.
//!
//! Growing goes to an end that is compared with what is there, step by step: the table, the
//! kernel's idea of the partition, the file system. A cut between any two leaves a state from
//! which the next start goes on.

use crate::limits;
use crate::system::syscall::System;
use std::io;

pub(crate) const SECTOR: u64 = 512;
/// How the table of a data disk begins.
pub(crate) const DATA_MARK: &[u8] = b"MAILROOM DATA";
/// Sectors of a MiB: partitions begin and end on one.
pub(crate) const MIB: u64 = 2048;
pub(crate) const BOOT: u32 = 1;
pub(crate) const DATA: u32 = 4;

/// A disk that carries our table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disk {
    /// As in /dev and /sys/block.
    pub name: String,
    pub id: u32,
}

impl Disk {
    pub(crate) fn device(&self) -> String {
        format!("/dev/{}", self.name)
    }

    pub(crate) fn partition(&self, number: u32) -> String {
        format!("/dev/{}", self.partition_name(number))
    }

    /// `sda4`, and `mmcblk0p4`.
    fn partition_name(&self, number: u32) -> String {
        let between = if self.name.ends_with(|c: char| c.is_ascii_digit()) { "p" } else { "" };
        format!("{}{between}{number}", self.name)
    }
}

/// Every disk with this id in its table.
pub(crate) fn with_id(system: &mut dyn System, id: u32) -> Vec<Disk> {
    let mut found = Vec::new();
    for name in whole_disks(system) {
        let disk = Disk { name, id };
        if Table::read(system, &disk).is_ok_and(|table| table.id() == id) {
            found.push(disk);
        }
    }
    found
}

/// Every disk that is made to hold mail, of this box or another.
pub(crate) fn data_disks(system: &mut dyn System) -> Vec<Disk> {
    let mut found = Vec::new();
    for name in whole_disks(system) {
        let disk = Disk { name, id: 0 };
        if let Some(table) = Table::read(system, &disk).ok().filter(Table::is_of_data) {
            found.push(Disk { id: table.id(), ..disk });
        }
    }
    found
}

/// The names of all disks, as in /sys/block.
pub(crate) fn whole_disks(system: &mut dyn System) -> Vec<String> {
    let not_disks = ["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd"];
    let mut names = system.list("/sys/block").unwrap_or_default();
    names.retain(|name| !not_disks.iter().any(|no| name.starts_with(no)));
    names
}

/// Sector 0.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Table([u8; 512]);

impl Table {
    pub(crate) fn read(system: &mut dyn System, disk: &Disk) -> io::Result<Table> {
        let octets = system.read_at(&disk.device(), 0, 512)?;
        let table: [u8; 512] = octets.try_into().map_err(|_| io::ErrorKind::UnexpectedEof)?;
        if table[510..] != [0x55, 0xAA] {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it has no partition table"));
        }
        Ok(Table(table))
    }

    fn write(&self, system: &mut dyn System, disk: &Disk) -> io::Result<()> {
        system.write_at(&disk.device(), 0, &self.0)
    }

    pub(crate) fn id(&self) -> u32 {
        self.number(440)
    }

    fn is_of_data(&self) -> bool {
        self.0.starts_with(DATA_MARK)
    }

    /// First sector and sectors.
    pub(crate) fn partition(&self, number: u32) -> (u64, u64) {
        let at = Self::entry(number);
        (self.number(at + 8).into(), self.number(at + 12).into())
    }

    fn entry(number: u32) -> usize {
        446 + 16 * (number as usize - 1)
    }

    fn number(&self, at: usize) -> u32 {
        let mut octets = [0; 4];
        octets.copy_from_slice(&self.0[at..at + 4]);
        u32::from_le_bytes(octets)
    }

    fn set(&mut self, at: usize, number: u32) {
        self.0[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
}

/// Gives the disk another id.
pub(crate) fn set_id(system: &mut dyn System, disk: &Disk, id: u32) -> io::Result<()> {
    let mut table = Table::read(system, disk)?;
    table.set(440, id);
    table.write(system, disk)
}

/// The table and the kernel's idea of the data partition, grown to the disk's end. Before the file
/// system is checked: its own size is another step.
pub(crate) fn grow_partition(system: &mut dyn System, disk: &Disk) -> io::Result<Growth> {
    let mut table = Table::read(system, disk)?;
    let (start, length) = table.partition(DATA);
    let others = (1..DATA).map(|number| table.partition(number));
    let ends = others.map(|(start, length)| start + length).max().unwrap_or(0);
    if start < ends || length == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "partition 4 is not the last"));
    }
    let whole = number_in(system, &format!("/sys/block/{}/size", disk.name))?;
    let most = match table.is_of_data() {
        true => limits::DATA_DISK_BYTES / SECTOR,
        false => u64::from(u32::MAX) / MIB * MIB,
    };
    let room = whole.saturating_sub(start).min(most) / MIB * MIB;
    let mut growth = Growth { grown: false, left_over: whole.saturating_sub(start + most) };
    let goal = if room > length { room } else { length };
    if goal > length {
        table.set(Table::entry(DATA) + 12, u32::try_from(goal).unwrap_or(u32::MAX));
        table.write(system, disk)?;
        growth.grown = true;
    }
    let name = disk.partition_name(DATA);
    let known = number_in(system, &format!("/sys/block/{}/{name}/size", disk.name))?;
    if known < goal {
        let range = (start * SECTOR, goal * SECTOR);
        system.resize_partition(&disk.device(), DATA.cast_signed(), range)?;
        growth.grown = true;
    }
    Ok(growth)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Growth {
    pub grown: bool,
    /// Sectors that a table of this kind cannot reach, beyond 2 TiB, or that are too many for the
    /// file system of a data disk.
    pub left_over: u64,
}

/// The mounted data file system on its way to the end of its partition, in blocks.
pub(crate) struct Growing {
    now: u64,
    goal: u64,
    step: u64,
}

/// How far it has to grow.
pub(crate) fn growing(system: &mut dyn System, disk: &Disk) -> io::Result<Growing> {
    let name = disk.partition_name(DATA);
    let sectors = number_in(system, &format!("/sys/block/{}/{name}/size", disk.name))?;
    let head = system.read_at(&disk.partition(DATA), 1024, 1024)?;
    let (blocks, block) = ext4_blocks(&head)
        .ok_or(io::Error::new(io::ErrorKind::InvalidData, "the data partition is not ext4"))?;
    let goal = sectors * SECTOR / block;
    // A few blocks at the end may be too few for another group: no need to ask each time.
    let enough = goal < blocks + limits::GROWTH_BYTES / block;
    let goal = if enough { blocks } else { goal };
    Ok(Growing { now: blocks, goal, step: limits::GROWTH_STEP_BYTES / block })
}

impl Growing {
    /// Grows it by a step. A large card at once takes longer than the watchdog waits. False: it is
    /// as large as it has to be.
    pub(crate) fn go_on(&mut self, system: &mut dyn System, target: &str) -> io::Result<bool> {
        if self.now >= self.goal {
            return Ok(false);
        }
        self.now = (self.now + self.step).min(self.goal);
        system.feed_watchdog();
        system.resize_file_system(target, self.now)?;
        Ok(true)
    }
}

/// The mounted data file system, grown to its partition.
pub(crate) fn grow_file_system(
    system: &mut dyn System,
    disk: &Disk,
    target: &str,
) -> io::Result<bool> {
    let mut growing = growing(system, disk)?;
    let mut grown = false;
    while growing.go_on(system, target)? {
        grown = true;
    }
    Ok(grown)
}

/// Blocks, and octets of each, in an ext4 superblock.
fn ext4_blocks(head: &[u8]) -> Option<(u64, u64)> {
    let number = |at: usize| head.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let is_ext4 = head.get(0x38..0x3A)? == [0x53, 0xEF];
    let (low, size, features) = (number(4)?, number(24)?, number(0x60)?);
    let has_64_bit = features & 0x80 != 0;
    let high = if has_64_bit { number(0x150)? } else { 0 };
    if !is_ext4 || size > 6 {
        return None;
    }
    Some((u64::from(high) << 32 | u64::from(low), 1024 << size))
}

fn number_in(system: &mut dyn System, path: &str) -> io::Result<u64> {
    let text = system.read(path)?;
    let text = String::from_utf8_lossy(&text);
    text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, path.to_string()))
}
