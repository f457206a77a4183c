//! The boot as a list: what it does in good and bad days, against traces kept in golden/.
//!
//! MAILROOM_BLESS=1 writes the traces anew; look at the difference before you keep it.

use super::fake::{BUILD, CARD, FACTORY, Fake};
use crate::request::Plan;
use crate::system::init::{Booted, Outcome, boot, note};
use crate::system::syscall::{Ended, Happening};
use crate::tests::net::toy::Folder;
use crate::update::slot::{self, Slot, Standing, State};
use nix::libc::{EIO, ENODEV, EROFS};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) fn up(fake: &mut Fake) -> Booted {
    match boot(fake, BUILD).expect("it starts") {
        Outcome::Up(booted) => *booted,
        Outcome::End { .. } => panic!("it ends: {:?}", fake.trace),
    }
}

/// Holds the trace, and what the console would say, against golden/NAME.txt.
pub(super) fn golden(name: &str, fake: &Fake, booted: Option<&Booted>) {
    let mut text = fake.trace.join("\n");
    if let Some(booted) = booted {
        let faults = booted.faults.iter().map(|fault| format!("\nfault: {fault}"));
        text.extend(faults);
        text.extend(booted.repair.iter().map(|why| format!("\nrepair: {why}")));
    }
    text.push('\n');
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/system/golden");
    let path = folder.join(format!("{name}.txt"));
    if std::env::var_os("MAILROOM_BLESS").is_some() {
        std::fs::write(&path, &text).expect("written");
    }
    let kept = std::fs::read_to_string(&path).expect("the golden trace");
    assert!(text == kept, "{name} differs:\n{text}");
}

/// A box that was started once already.
fn settled() -> Fake {
    let mut fake = Fake::fresh();
    up(&mut fake);
    let mut disks = fake.disks;
    disks.files.insert("/data/system/presets-done".to_string(), Vec::new());
    Fake::again(disks)
}

#[test]
fn a_first_start_grows_the_disk_and_makes_what_is_its_own() {
    let mut fake = Fake::fresh();
    let booted = up(&mut fake);
    golden("first", &fake, Some(&booted));
    assert_eq!(booted.faults, Vec::<String>::new());
    assert_ne!(fake.disks.id(), FACTORY, "it has an id of its own");
    let end = CARD / 2048 * 2048 - (1 << 20);
    assert_eq!((fake.disks.data_sectors(), fake.disks.blocks()), (end, end / 8));
    let code = booted.code.expect("a code").to_string();
    let told = String::from_utf8(fake.disks.files["/boot/SETUP-CODE.txt"].clone()).expect("text");
    assert!(told.contains(&code), "{told}");
}

#[test]
fn a_good_start_changes_nothing_but_the_seed() {
    let mut fake = settled();
    let booted = up(&mut fake);
    golden("good", &fake, Some(&booted));
    assert_eq!((booted.repair, booted.plan), (None, Plan::Dhcp));
}

#[test]
fn a_clock_at_1970_starts_at_the_newest_time_that_is_surely_past() {
    let mut fake = settled();
    fake.clock = 12;
    fake.disks.files.insert("/data/system/clock".to_string(), format!("{}\n", BUILD + 500).into());
    let booted = up(&mut fake);
    golden("clock-1970", &fake, Some(&booted));
    assert_eq!(fake.clock, BUILD + 500);

    // Never backwards, and one absurd saved time is not for ever.
    for (saved, clock) in [(BUILD - 9, BUILD), (BUILD + 20 * 366 * 86_400, BUILD)] {
        let mut fake = settled();
        fake.clock = 12;
        fake.disks.files.insert("/data/system/clock".to_string(), saved.to_string().into());
        up(&mut fake);
        assert_eq!(fake.clock, clock);
    }
    let mut fake = settled();
    fake.clock = BUILD + 99_999;
    up(&mut fake);
    assert_eq!(fake.clock, BUILD + 99_999);
}

#[test]
fn a_damaged_file_system_is_mended_or_left_for_repair() {
    for code in [1, 4, 8, 32] {
        let mut fake = settled();
        fake.check = Ended::Code(code);
        let booted = up(&mut fake);
        golden(&format!("e2fsck-{code}"), &fake, Some(&booted));
        assert_eq!(booted.repair.is_some(), code >= 4);
        assert_eq!(fake.mounted.contains("/data"), code < 4, "what is damaged is not mounted");
    }
    let mut fake = settled();
    fake.check = Ended::Signal(11);
    assert!(up(&mut fake).repair.expect("repair").contains("e2fsck SIGSEGV"));
}

#[test]
fn a_superblock_that_a_power_cut_left_torn_is_mended() {
    let folder = Folder::new();
    let (path, whole) = made(&folder);
    // The power went after its first sector: one mount more is counted there, the sum is of before.
    let mut torn = whole.clone();
    torn[1024 + 0x34] += 1;
    std::fs::write(&path, &torn).expect("written");
    assert_eq!(tool(&["e2fsck", "-p"], &path), 8, "e2fsck does not take it");
    let mut fake = settled();
    superblock(&mut fake, &torn);
    fake.check_first = Some(Ended::Code(8));
    let booted = up(&mut fake);
    golden("torn-superblock", &fake, Some(&booted));
    assert_eq!((booted.repair, fake.mounted.contains("/data")), (None, true));
    let (at, second) = (1536, fake.disks.sector("/dev/vda4", 3));
    assert_eq!(second[..508], torn[at..at + 508], "nothing but the sum is written");
    torn[at..at + 512].copy_from_slice(&second);
    std::fs::write(&path, &torn).expect("written");
    assert_eq!(tool(&["e2fsck", "-p"], &path), 0, "e2fsck takes it");
    assert_eq!(tool(&["e2fsck", "-fn"], &path), 0);
}

#[test]
fn a_superblock_that_is_not_torn_is_left_as_it_is() {
    let (_, whole) = made(&Folder::new());
    // One that is whole, none, or one without sums, whatever e2fsck says of it.
    let mut other = whole.clone();
    other[1024 + 0x38] = 0;
    let mut no_sums = whole.clone();
    no_sums[1024 + 0x65] &= !4;
    for octets in [&whole, &other, &no_sums] {
        let mut fake = settled();
        superblock(&mut fake, octets);
        fake.check = Ended::Code(8);
        assert!(up(&mut fake).repair.expect("repair").contains("cannot be checked"));
        assert!(!fake.trace.iter().any(|line| line.starts_with("write /dev/vda4")));
    }
    // Where it cannot be written the box says so, and waits for repair.
    let mut fake = settled();
    superblock(&mut fake, &whole);
    let mut second = fake.disks.sector("/dev/vda4", 3);
    second[511] ^= 1;
    fake.disks.put("/dev/vda4", 3, second);
    fake.check = Ended::Code(8);
    fake.fails.push(("write /dev/vda4 at 1536", EIO));
    let booted = up(&mut fake);
    assert!(booted.repair.is_some());
    let said = |fault: &String| fault.contains("the superblock of the data file system cannot");
    assert!(booted.faults.iter().any(said), "{:?}", booted.faults);
}

/// A file system by mke2fs, and its octets.
fn made(folder: &Folder) -> (PathBuf, Vec<u8>) {
    let path = folder.0.join("data");
    std::fs::File::create(&path).and_then(|file| file.set_len(8 << 20)).expect("written");
    let mke2fs = ["mke2fs", "-q", "-F", "-t", "ext4", "-O", "metadata_csum"];
    assert_eq!(tool(&mke2fs, &path), 0);
    let octets = std::fs::read(&path).expect("the file system");
    (path, octets)
}

/// The data partition begins as this does.
fn superblock(fake: &mut Fake, octets: &[u8]) {
    for sector in [2, 3] {
        let at = sector as usize * 512;
        let content = octets[at..at + 512].try_into().expect("a sector");
        fake.disks.put("/dev/vda4", sector, content);
    }
}

/// A program of e2fsprogs on this file; what it ends with.
fn tool(words: &[&str], on: &Path) -> i32 {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = std::process::Command::new(words[0]);
    command.args(&words[1..]).arg(on).env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command.output().expect("e2fsprogs").status.code().expect("a code")
}

#[test]
fn e2fsck_gets_the_restart_that_it_asks_for_once() {
    let mut fake = settled();
    fake.check = Ended::Code(2);
    let ends = boot(&mut fake, BUILD).expect("it runs");
    assert!(matches!(ends, Outcome::End { off: false }));
    golden("e2fsck-2", &fake, None);
    // It asks again: a box that restarts for ever helps nobody.
    let mut fake = Fake::again(fake.disks);
    fake.check = Ended::Code(2);
    let booted = up(&mut fake);
    golden("e2fsck-2-again", &fake, Some(&booted));
    assert!(booted.repair.is_some() && booted.restarts == 1);
    // Where the restart cannot be noted there is none.
    let mut fake = settled();
    fake.check = Ended::Code(2);
    fake.fails.push(("write /dev/vda at 13631488", EIO));
    assert!(up(&mut fake).repair.is_some());
}

#[test]
fn no_data_partition_and_read_only_data_are_repair_and_the_box_is_up() {
    let mut fake = settled();
    fake.fails.push(("mount /data ext4", EIO));
    let booted = up(&mut fake);
    golden("no-data", &fake, Some(&booted));
    assert!(fake.trace.iter().any(|line| line == "start netd"));
    assert!(!fake.trace.iter().any(|line| line == "start server"));

    let mut fake = settled();
    fake.fails.push(("mount /data ext4 /dev/vda4$", EROFS));
    let booted = up(&mut fake);
    golden("read-only", &fake, Some(&booted));
    assert!(booted.repair.expect("repair").contains("can only be read"));
}

#[test]
fn two_disks_with_the_same_id_are_not_guessed_between() {
    let mut fake = Fake::fresh();
    fake.format("vdb");
    let booted = up(&mut fake);
    golden("two-disks", &fake, Some(&booted));
    assert!(booted.disk.is_none());
    assert_eq!(fake.disks.id(), FACTORY, "neither is written to");

    // After the first start its own id tells the box's disk from a fresh card beside it.
    let mut fake = settled();
    fake.format("vdb");
    let booted = up(&mut fake);
    assert_eq!(booted.disk.expect("its disk").name, "vda");
}

#[test]
fn a_disk_that_comes_late_is_waited_for_and_one_that_never_comes_is_told() {
    let mut fake = settled();
    let vda = fake.disks.clone();
    fake.disks = Default::default();
    // Something else happens much later.
    let later = (Duration::from_secs(900), Happening::Device(String::new()));
    fake.script.push_back(later);
    let booted = up(&mut fake);
    assert!(booted.repair.expect("repair").contains("no disk has the id"));
    assert!(fake.uptime.as_secs() >= 60, "it was waited for");
    // The same list, with the disk there in the end.
    let mut fake = Fake::again(vda);
    assert_eq!(up(&mut fake).repair, None);
}

#[test]
fn a_lost_copy_of_the_slot_state_is_written_anew() {
    for (name, lost) in [("state-one", vec![0]), ("state-two", vec![1]), ("state-both", vec![0, 1])]
    {
        let mut fake = settled();
        for copy in lost {
            fake.disks.put("/dev/vda", slot::COPIES[copy] / 512, [0xA5; 512]);
        }
        let booted = up(&mut fake);
        golden(name, &fake, Some(&booted));
        assert_eq!(booted.standing, Standing::Confirmed);
        for at in slot::COPIES {
            let state = slot::parse(&fake.disks.sector("/dev/vda", at / 512)).expect("a state");
            assert_eq!(state, State::first(Slot::A));
        }
    }
}

/// At each step at which power can go: the next start finishes what was begun.
#[test]
fn a_first_start_cut_anywhere_is_finished_by_the_next() {
    let mut whole = Fake::fresh();
    up(&mut whole);
    let mut cuts = 0;
    for cut in 0.. {
        let mut fake = Fake::fresh();
        fake.cut = Some(cut);
        let _ = boot(&mut fake, BUILD);
        let mut next = Fake::again(fake.disks);
        let booted = up(&mut next);
        assert_eq!((booted.repair, booted.faults), (None, Vec::new()), "cut after {cut}");
        assert_eq!(next.disks.data_sectors(), whole.disks.data_sectors(), "cut after {cut}");
        assert_eq!(next.disks.blocks(), whole.disks.blocks(), "cut after {cut}");
        assert_ne!(next.disks.id(), FACTORY, "cut after {cut}");
        // And is stable from then on.
        let (id, files) = (next.disks.id(), next.disks.files.clone());
        let mut last = Fake::again(next.disks);
        up(&mut last);
        assert_eq!(last.disks.id(), id, "cut after {cut}");
        let code = "/data/system/setup-code";
        assert_eq!(last.disks.files.get(code), files.get(code), "cut after {cut}");
        cuts = cut;
        if !fake.trace.is_empty() && fake.trace == whole.trace {
            break;
        }
    }
    assert!(cuts >= 6, "only {cuts} steps change the disk");
}

#[test]
fn what_is_missing_is_told_and_the_box_goes_on() {
    let mut fake = settled();
    fake.fails = vec![
        ("open the watchdog", ENODEV),
        ("adopt the console", EIO),
        ("load /lib/modules/6.1.0-test/kernel/virtio_blk.ko", EIO),
        ("put /proc/sys", EROFS),
        ("mount /tmp", EIO),
    ];
    let booted = up(&mut fake);
    golden("much-missing", &fake, Some(&booted));
    assert_eq!(booted.repair, None);
    // A driver without its device is no fault.
    let mut fake = settled();
    fake.fails = vec![("load /lib/modules/6.1.0-test/kernel/virtio_blk.ko", ENODEV)];
    assert_eq!(up(&mut fake).faults, Vec::<String>::new());
    // Without /proc nothing can go on.
    let mut fake = settled();
    fake.fails = vec![("mount /proc", EIO)];
    assert!(boot(&mut fake, BUILD).is_err());
}

#[test]
fn a_note_that_is_none_says_nothing() {
    let mut fake = settled();
    let disk = up(&mut fake).disk.expect("a disk");
    assert_eq!(note::restarts(&mut fake, &disk), 0);
    note::write(&mut fake, &disk, 2).expect("written");
    assert_eq!(note::restarts(&mut fake, &disk), 2);
    let mut torn = fake.disks.sector("/dev/vda", note::AT / 512);
    torn[8] = 9;
    fake.disks.put("/dev/vda", note::AT / 512, torn);
    assert_eq!(note::restarts(&mut fake, &disk), 0);
}
