//! `image inspect`: what is on a disk, read without root and without mounting it.

use crate::disk::{self, Disk};
use crate::initramfs::Release;
use crate::slot::{self, Slot};
use crate::window::Window;
use crate::{fat, layout, loaders};
use ext4_view::{Ext4, Ext4Read};
use serde::Serialize;
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// Octets of a slot's `release.toml` that are read.
const RELEASE_BYTES: u64 = 4096;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub disk: Disk,
    /// Only of disks that are laid out as ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailroom: Option<Mailroom>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Mailroom {
    /// Each copy in words, or why it does not count.
    pub state: [String; 2],
    /// Which slot boots next, if nothing stands in the way.
    pub boots: String,
    pub slots: [SlotReport; 2],
    /// Those that are noted on the boot partition, or why the note cannot be read.
    pub loaders: Result<Vec<loaders::Found>, String>,
    /// Names and sizes, or why they cannot be read.
    pub boot_files: Result<Vec<(String, u64)>, String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct SlotReport {
    pub name: &'static str,
    pub release: Result<Release, String>,
    pub files: Vec<(String, u64)>,
}

pub(crate) fn inspect(file: &File) -> Result<Report, String> {
    let mut reader = file;
    let disk = disk::read(&mut reader)?;
    let starts: Vec<u64> = disk.partitions.iter().map(|partition| partition.start).collect();
    let ours = [layout::BOOT, layout::SLOTS[0], layout::SLOTS[1], layout::DATA];
    let mailroom =
        if starts == ours.map(|place| place.start) { Some(Mailroom::read(file)?) } else { None };
    Ok(Report { disk, mailroom })
}

impl Mailroom {
    fn read(file: &File) -> Result<Mailroom, String> {
        let mut reader = file;
        let mut copies = [Err(slot::Fault::Blank), Err(slot::Fault::Blank)];
        for (copy, at) in copies.iter_mut().zip(slot::COPIES) {
            let mut sector = [0; slot::SECTOR];
            disk::read_at(&mut reader, at, &mut sector)?;
            *copy = slot::parse(&sector);
        }
        let boots = match slot::choose(&copies).state {
            None => "a, or b when a is not whole: no copy of the state is valid".to_string(),
            Some(state) => match state.trial {
                Some(trial) if trial.left > 0 => format!("{}, on trial", trial.slot.name()),
                _ => state.good.name().to_string(),
            },
        };
        let words = |copy: &Result<slot::State, slot::Fault>| match copy {
            Ok(state) => state.to_string(),
            Err(fault) => fault.to_string(),
        };
        let state = [words(&copies[0]), words(&copies[1])];
        let mut window = Window::new(file, layout::BOOT.start, layout::BOOT.size);
        Ok(Mailroom {
            state,
            boots,
            slots: [slot_report(file, Slot::A)?, slot_report(file, Slot::B)?],
            loaders: loaders::found(file),
            boot_files: fat::list(&mut window),
        })
    }
}

pub(crate) fn slot_report(file: &File, slot: Slot) -> Result<SlotReport, String> {
    let place = layout::SLOTS[(slot.partition() - 2) as usize];
    let file = file.try_clone().map_err(|error| error.to_string())?;
    let name = slot.name();
    let part = Part(Window::new(file, place.start, place.size));
    let ext4 = match Ext4::load(Box::new(part)) {
        Ok(ext4) => ext4,
        Err(error) => {
            return Ok(SlotReport { name, release: Err(error.to_string()), files: Vec::new() });
        }
    };
    let mut files = Vec::new();
    for entry in ext4.read_dir("/").into_iter().flatten().flatten() {
        let name = entry.file_name().as_str().unwrap_or("?").to_string();
        if let Ok(metadata) = entry.metadata()
            && metadata.file_type().is_regular_file()
        {
            files.push((name, metadata.len()));
        }
    }
    files.sort();
    Ok(SlotReport { name, release: release(&ext4), files })
}

fn release(ext4: &Ext4) -> Result<Release, String> {
    let path = "/release.toml";
    let fault = |why: &dyn fmt::Display| format!("{path}: {why}");
    let length = ext4.metadata(path).map_err(|error| fault(&error))?.len();
    if length > RELEASE_BYTES {
        return Err(fault(&format!("{length} octets are too many")));
    }
    let text = ext4.read_to_string(path).map_err(|error| fault(&error))?;
    toml::from_str(&text).map_err(|error| fault(&error))
}

/// A partition as the reader of ext4 wants it.
struct Part(Window<File>);

impl Ext4Read for Part {
    fn read(
        &mut self,
        start_byte: u64,
        dst: &mut [u8],
    ) -> Result<(), Box<dyn Error + Send + Sync + 'static>> {
        self.0.seek(SeekFrom::Start(start_byte))?;
        self.0.read_exact(dst)?;
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.disk)?;
        let Some(Mailroom { state, boots, slots, loaders, boot_files }) = &self.mailroom else {
            return writeln!(f, "not laid out as a disk of Mailroom");
        };
        match loaders {
            Ok(loaders) if loaders.is_empty() => writeln!(f, "loaders: none is noted")?,
            Ok(loaders) => loaders.iter().try_for_each(|loader| writeln!(f, "{loader}"))?,
            Err(why) => writeln!(f, "loaders: {why}")?,
        }
        for (copy, at) in state.iter().zip(slot::COPIES) {
            writeln!(f, "state at {} MiB: {copy}", at >> 20)?;
        }
        writeln!(f, "boots next: slot {boots}")?;
        for slot in slots {
            match &slot.release {
                Ok(Release { version, board, kernel, .. }) => {
                    write!(f, "slot {}: Mailroom {version} for {board}, ", slot.name)?;
                    writeln!(f, "kernel {kernel}; {}", Names(&slot.files))?;
                }
                Err(why) => writeln!(f, "slot {}: {why}", slot.name)?,
            }
        }
        match boot_files {
            Ok(files) => writeln!(f, "boot: {}", Names(files)),
            Err(why) => writeln!(f, "boot: {why}"),
        }
    }
}

/// `a 12, b 3`: names and octets.
struct Names<'a>(&'a [(String, u64)]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<String> =
            self.0.iter().map(|(name, size)| format!("{name} {size}")).collect();
        f.write_str(&each.join(", "))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::loaders::{Loader, NOTE, note, rows};
    use crate::scratch::Scratch;
    use crate::{build, ext4};
    use std::io::Write;
    use std::path::PathBuf;

    fn loader((at, length, name): (u64, usize, &str)) -> Loader {
        Loader { name: name.to_string(), at, content: vec![3; length] }
    }

    pub(crate) fn disk(scratch: &Scratch) -> PathBuf {
        let release = Release {
            version: "1.2.3".into(),
            board: "qemu-virt".into(),
            kernel: "6.1.0-1-arm64".into(),
            epoch: 1,
            built: 1_700_000_000,
        };
        let release = toml::to_string(&release).expect("TOML").into_bytes();
        let files = [("Image.gz".to_string(), vec![1; 12]), ("release.toml".to_string(), release)];
        let made = |label, uuid, place: layout::Place, files: &[_], use_of| {
            let into = scratch.path().join(label);
            let (size, time) = (place.size, 1_700_000_000);
            let plan = ext4::Plan { label, uuid, size, time, files, use_of };
            ext4::make(&plan, scratch.path(), &into).expect("a file system");
            into
        };
        let slot = made("slot", build::SLOT_UUID, layout::SLOTS[0], &files, ext4::Use::Slot);
        let data = made("data", build::DATA_UUID, layout::DATA, &[], ext4::Use::Data);
        let image = scratch.path().join("disk");
        let loaders = [(0x2000, 0x8000, "spl"), (0xa000, 900_000, "u-boot")].map(loader);
        let noted = note(rows(&loaders).expect("they may stand there")).expect("TOML");
        let boot = [
            ("boot.scr".to_string(), vec![2; 34]),
            (NOTE.to_string(), noted.expect("two loaders")),
        ];
        build::write_disk(&image, &boot, &loaders, &slot, &data).expect("a disk");
        image
    }

    #[test]
    fn a_disk_is_told_with_its_slots_and_its_state() {
        let scratch = Scratch::new("inspect");
        let image = disk(&scratch);
        let mut file = File::options().read(true).write(true).open(&image).expect("a disk");
        let text = inspect(&file).expect("one of ours").to_string();
        for line in [
            "loader spl: 32768 octets at 8 KiB, up to 40 KiB, as it was written",
            "loader u-boot: 900000 octets at 40 KiB, up to 940960 octets, as it was written",
            "state at 4 MiB: generation 1, slot a confirmed",
            "state at 12 MiB: generation 1, slot a confirmed",
            "boots next: slot a",
            "slot a: Mailroom 1.2.3 for qemu-virt, kernel 6.1.0-1-arm64; Image.gz 12, release.toml",
            "slot b: Mailroom 1.2.3 for qemu-virt, kernel 6.1.0-1-arm64; Image.gz 12, release.toml",
            "boot: boot.scr 34, loaders.toml ",
            "4  type 83 (Linux)  starts at 320 MiB  size 192 MiB  ext4, label \"data\"",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }

        let trial = slot::Trial { slot: Slot::B, left: 1 };
        let state = slot::State { generation: 7, good: Slot::A, trial: Some(trial) };
        let mut write = |at: u64, octets: &[u8]| {
            file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(octets)).expect("written");
        };
        write(slot::COPIES[0], &[0x55; slot::SECTOR]);
        write(slot::COPIES[1], &slot::print(&state));
        write(layout::SLOTS[1].start, &[0; 4096]);
        // As another system's installation would.
        write(0xa000 + 899_999, &[4]);
        let report = inspect(&file).expect("one of ours");
        let text = report.to_string();
        for line in [
            "loader spl: 32768 octets at 8 KiB, up to 40 KiB, as it was written",
            "up to 940960 octets, NOT WHAT WAS WRITTEN: the board may not start",
            "state at 4 MiB: damaged: its checksum is wrong",
            "state at 12 MiB: generation 7, slot a confirmed, slot b to be tried, boots left: 1",
            "boots next: slot b, on trial",
            "slot a: Mailroom 1.2.3",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        let mailroom = report.mailroom.expect("one of ours");
        assert!(mailroom.slots[1].release.is_err(), "slot b is destroyed");
    }

    #[test]
    fn another_disk_is_no_disk_of_mailroom() {
        let scratch = Scratch::new("inspect-other");
        let path = scratch.path().join("disk");
        let mut record = layout::boot_record().expect("a record");
        // No fourth partition.
        record[446 + 3 * 16 + 4] = 0;
        std::fs::write(&path, record).expect("written");
        let file = File::options().read(true).write(true).open(&path).expect("a disk");
        file.set_len(layout::DISK).expect("room");
        let report = inspect(&file).expect("a disk");
        assert!(report.mailroom.is_none());
        assert!(report.to_string().contains("not laid out as a disk of Mailroom"));
    }
}
