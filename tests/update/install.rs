//! A slot is written by a bundle, with power cuts, bad disks and lying sticks.

use super::bundle::{keys, made, slot};
use crate::update::bundle::{BLOCK_BYTES, Manifest, Refusal};
use crate::update::install::{Failure, HEAD_BYTES, Progress, Step, Target, install};
use std::io::{self, Cursor, Read, Seek, SeekFrom};

/// A partition whose writes reach the disk at a flush, or in part when the power goes.
struct Disk {
    stable: Vec<u8>,
    /// Written since the last flush.
    waiting: Vec<(usize, Vec<u8>)>,
    /// Writes and flushes until the power goes.
    left: Option<usize>,
    acts: usize,
    /// Every write to this octet is lost.
    worn: Option<usize>,
    log: Vec<String>,
}

impl Disk {
    fn new(size: usize) -> Disk {
        let stable = vec![0xaa; size];
        Disk { stable, waiting: Vec::new(), left: None, acts: 0, worn: None, log: Vec::new() }
    }

    fn act(&mut self, what: String) -> io::Result<()> {
        self.log.push(what);
        if self.left == Some(self.acts) {
            return Err(io::Error::other("no power"));
        }
        self.acts += 1;
        Ok(())
    }

    fn land(&mut self, at: usize, octets: &[u8]) {
        self.stable[at..at + octets.len()].copy_from_slice(octets);
        if let Some(worn) = self.worn.filter(|worn| (at..at + octets.len()).contains(worn)) {
            self.stable[worn] = 0x55;
        }
    }

    /// What is there after the power went: of what no flush followed, every second write.
    fn after_a_cut(mut self) -> Vec<u8> {
        let waiting = std::mem::take(&mut self.waiting);
        for (at, octets) in waiting.iter().skip(1).step_by(2) {
            self.land(*at, octets);
        }
        self.stable
    }
}

impl Target for Disk {
    fn size(&mut self) -> io::Result<u64> {
        Ok(self.stable.len() as u64)
    }

    fn write(&mut self, at: u64, octets: &[u8]) -> io::Result<()> {
        assert!(at.is_multiple_of(4096) && octets.len().is_multiple_of(4096));
        assert_eq!(octets.as_ptr().align_offset(4096), 0, "no device without caches takes this");
        self.act(format!("write {at} {}", octets.len()))?;
        self.waiting.push((usize::try_from(at).expect("small"), octets.to_vec()));
        Ok(())
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> io::Result<()> {
        assert!(self.waiting.is_empty(), "read back before it was flushed");
        assert_eq!(into.as_ptr().align_offset(4096), 0);
        let at = usize::try_from(at).expect("small");
        into.copy_from_slice(&self.stable[at..at + into.len()]);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.act("flush".to_string())?;
        for (at, octets) in std::mem::take(&mut self.waiting) {
            self.land(at, &octets);
        }
        Ok(())
    }
}

fn installed(file: &[u8], disk: &mut Disk) -> Result<Manifest, Failure> {
    install(&mut Cursor::new(file), disk, &keys(), |_| Ok(()), &mut |_| ())
}

fn room() -> usize {
    slot().len() + BLOCK_BYTES
}

#[test]
fn a_bundle_becomes_the_slot_head_last() {
    let mut disk = Disk::new(room());
    let mut steps = Vec::new();
    let file = made().file();
    let told = &mut |progress: Progress| steps.push((progress.step, progress.done, progress.of));
    let manifest = install(&mut Cursor::new(&file), &mut disk, &keys(), |_| Ok(()), told);
    assert_eq!(manifest.expect("installed"), made().manifest);
    assert!(disk.stable[..slot().len()] == slot());
    assert!(disk.stable[slot().len()..].iter().all(|octet| *octet == 0xaa), "not beyond its end");
    let log = [
        "write 0 4096",
        "flush",
        "write 0 1048576",
        "write 1048576 1048576",
        "write 2097152 4096",
        "flush",
        "write 0 4096",
        "flush",
    ];
    assert_eq!(disk.log, log);
    let step = |step| (1..=3).map(move |done| (step, done, 3));
    let all = [Step::Checking, Step::Writing, Step::ReadingBack].into_iter().flat_map(step);
    assert_eq!(steps, all.collect::<Vec<_>>());
}

#[test]
fn what_is_refused_leaves_the_slot_as_it_was() {
    let file = made().file();
    let mut damaged = file.clone();
    *damaged.last_mut().expect("octets") ^= 1;
    let cut = &file[..file.len() - 1];
    for (file, wanted) in [
        (&damaged[..], Refusal::Block { number: 3, of: 3 }),
        (cut, Refusal::Truncated("block 3 of 3".to_string())),
        (&b"MROOMUP0 and so on"[..], Refusal::NotABundle),
    ] {
        let mut disk = Disk::new(room());
        let Err(Failure::Refused(refusal)) = installed(file, &mut disk) else { panic!("taken") };
        assert_eq!((refusal, disk.log.len()), (wanted, 0));
    }
    let mut disk = Disk::new(room());
    let same = || Refusal::Same(made().manifest.version);
    let refused = |_: &Manifest| Err(same());
    let refused = install(&mut Cursor::new(&file), &mut disk, &keys(), refused, &mut |_| ());
    assert!(matches!(refused, Err(Failure::Refused(refusal)) if refusal == same()));
    let mut small = Disk::new(slot().len() - 4096);
    let why = installed(&file, &mut small).expect_err("no room").to_string();
    assert_eq!(why, "the new system needs 3 MiB and its place on the disk has 2 MiB");
    assert_eq!((disk.log.len(), small.log.len()), (0, 0));
}

/// Nothing in between: what a loader can take for a system is the old one or the whole new one.
#[test]
fn a_power_cut_at_any_act_leaves_the_old_system_none_or_the_new() {
    let file = made().file();
    let (mut seen, old) = ([false; 3], vec![0xaa; room()]);
    for cut in 0..8 {
        let mut disk = Disk::new(room());
        disk.left = Some(cut);
        let failed = installed(&file, &mut disk);
        assert!(matches!(failed, Err(Failure::Write(_))), "cut {cut}");
        let left = disk.after_a_cut();
        let head = &left[..HEAD_BYTES];
        let kind = if left == old {
            0
        } else if head.iter().all(|octet| *octet == 0) {
            1
        } else {
            assert!(left[..slot().len()] == slot(), "cut {cut}: neither old nor whole");
            2
        };
        seen[kind] = true;
    }
    // A cut at the last flush: the head may have reached the disk all the same.
    let mut disk = Disk::new(room());
    disk.left = Some(7);
    assert!(installed(&file, &mut disk).is_err());
    let waiting = std::mem::take(&mut disk.waiting);
    waiting.iter().for_each(|(at, octets)| disk.land(*at, octets));
    assert!(disk.stable[..slot().len()] == slot());
    assert_eq!(seen, [true, true, false]);
}

#[test]
fn a_worn_disk_is_found_and_its_slot_never_gets_a_head() {
    for worn in [HEAD_BYTES, BLOCK_BYTES + 7, 2 * BLOCK_BYTES + 4095] {
        let mut disk = Disk::new(room());
        disk.worn = Some(worn);
        let failed = installed(&made().file(), &mut disk);
        assert!(matches!(failed, Err(Failure::Differs)), "octet {worn}");
        assert!(disk.stable[..HEAD_BYTES].iter().all(|octet| *octet == 0), "octet {worn}");
    }
    let mut disk = Disk::new(room());
    disk.worn = Some(100);
    let why = installed(&made().file(), &mut disk).expect_err("worn").to_string();
    assert!(why.starts_with("the disk of the box does not give back"), "{why}");
}

/// Right when it is checked, another when it is written.
#[test]
fn a_stick_that_lies_the_second_time_writes_nothing_of_its_own() {
    struct Liar {
        file: Cursor<Vec<u8>>,
        rewound: bool,
        at: usize,
    }
    impl Read for Liar {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let from = usize::try_from(self.file.position()).expect("small");
            let read = self.file.read(into)?;
            if self.rewound && (from..from + read).contains(&self.at) {
                into[self.at - from] ^= 1;
            }
            Ok(read)
        }
    }
    impl Seek for Liar {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.rewound |= !matches!(to, SeekFrom::Current(0));
            self.file.seek(to)
        }
    }
    let file = made().file();
    let at = file.len() - 1;
    let mut liar = Liar { file: Cursor::new(file), rewound: false, at };
    let mut disk = Disk::new(room());
    let failed = install(&mut liar, &mut disk, &keys(), |_| Ok(()), &mut |_| ());
    let wanted = Refusal::Block { number: 3, of: 3 };
    assert!(matches!(failed, Err(Failure::Refused(refusal)) if refusal == wanted));
    assert!(disk.stable[..HEAD_BYTES].iter().all(|octet| *octet == 0));
    assert!(!disk.log.contains(&"write 2097152 4096".to_string()));
}
