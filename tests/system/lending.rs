//! A stick lent to the server, and one made empty.

use super::children::{GOOD, count, crash, play, server};
use super::fake::Fake;
use crate::limits;
use crate::request::{Message, Words};
use crate::system::confine::SERVER;
use crate::system::lending;
use crate::system::syscall::Happening;

/// A stick of so many sectors, whose maker says what it is.
fn put_in(fake: &mut Fake, sectors: u64) {
    fake.put_file("/sys/block/sda/size", &format!("{sectors}\n"));
    fake.put_file("/sys/block/sda/device/vendor", "SanDisk \n");
    fake.put_file("/sys/block/sda/device/model", "Ultra  USB\n");
    fake.put_file("/sys/block/sda/sda1/size", "2000\n");
}

fn changed() -> Happening {
    Happening::Disk("sda".to_string())
}

fn at(done: &[String], what: &str) -> usize {
    let found = done.iter().position(|line| line.starts_with(what));
    found.unwrap_or_else(|| panic!("{what}: {done:#?}"))
}

#[test]
fn a_stick_is_told_lent_and_taken_back() {
    let mut fake = Fake::fresh();
    put_in(&mut fake, 1 << 22);
    let script = vec![
        (5, server(Message::Lend { write: true })),
        (1, server(Message::Lend { write: false })),
        (9, server(Message::Returned)),
        (1, server(Message::Lend { write: false })),
    ];
    let (done, _) = play(&mut fake, script);
    let told = "tell server Stick { state: Ready, octets: 2147483648, name: \
                Words(\"SanDisk Ultra USB\") }";
    assert_eq!(count(&done, told), 1, "{done:#?}");
    let steps = [
        told,
        "mount /run/lent/stick vfat /dev/sda1",
        "tell server Lent(Words(\"SanDisk Ultra USB\"))",
        "tell server NotLent(Words(\"the stick is in use\"))",
        "unmount /run/lent/stick",
        "tell server TakenBack",
        "mount /run/lent/stick vfat /dev/sda1 read-only",
    ];
    let places = steps.map(|step| at(&done, step));
    assert!(places.is_sorted(), "{places:?} {done:#?}");
    // The end of the box gives it back too.
    assert_eq!(count(&done, "unmount /run/lent/stick"), 2, "{done:#?}");
    assert!(!fake.mounted.contains(lending::TARGET));
}

#[test]
fn a_server_that_ends_has_no_stick_any_more_and_the_next_is_told_what_is_in() {
    let mut fake = Fake::fresh();
    put_in(&mut fake, 1 << 22);
    let lent = vec![
        (5, server(Message::Lend { write: true })),
        (3, crash()),
        (30, server(Message::Health(GOOD))),
    ];
    let (done, _) = play(&mut fake, lent);
    assert!(at(&done, "unmount /run/lent/stick") < at(&done, "start server"), "{done:#?}");
    assert_eq!(count(&done, "tell server Stick { state: Ready"), 2, "{done:#?}");
    // What is busy a moment longer is tried again, and is not lent meanwhile.
    let mut fake = Fake::fresh();
    put_in(&mut fake, 1 << 22);
    fake.fails.push(("unmount /run/lent/stick", nix::libc::EBUSY));
    let script = vec![
        (5, server(Message::Lend { write: true })),
        (1, server(Message::Returned)),
        (2, server(Message::Lend { write: true })),
    ];
    let (done, _) = play(&mut fake, script);
    assert!(count(&done, "unmount /run/lent/stick") > 2, "{done:#?}");
    assert_eq!(count(&done, "tell server TakenBack"), 0, "it is still mounted: {done:#?}");
    assert_eq!(count(&done, "tell server NotLent(Words(\"the stick is in use"), 1, "{done:#?}");
}

#[test]
fn what_cannot_be_lent_is_told_why() {
    let (done, _) = play(&mut Fake::fresh(), vec![(5, server(Message::Lend { write: true }))]);
    assert_eq!(count(&done, "tell server Stick { state: None, octets: 0"), 1, "{done:#?}");
    assert_eq!(count(&done, "tell server NotLent(Words(\"there is no stick"), 1, "{done:#?}");
    let mut fake = Fake::fresh();
    put_in(&mut fake, 1 << 22);
    for call in ["mount /run/look", "mount /run/lent"] {
        fake.fails.push((call, nix::libc::EINVAL));
    }
    let (done, _) = play(&mut fake, vec![(5, server(Message::Lend { write: true }))]);
    assert_eq!(count(&done, "tell server Stick { state: Unusable"), 1, "{done:#?}");
    assert_eq!(count(&done, "tell server NotLent(Words(\"the stick has no file system"), 1);
    // It went: that is told once.
    let mut fake = Fake::fresh();
    put_in(&mut fake, 1 << 22);
    let booted = vec![(5, changed()), (5, changed()), (5, changed())];
    let (done, _) = play(&mut fake, booted);
    assert_eq!(count(&done, "tell server Stick"), 1, "nothing changed: {done:#?}");
}

#[test]
fn a_stick_is_formatted_only_when_it_is_called_by_its_name() {
    let format = |name: &str| server(Message::Format(Words::new(name)));
    let mut fake = Fake::fresh();
    put_in(&mut fake, 1 << 22);
    let (done, _) = play(&mut fake, vec![(5, format("Another"))]);
    assert_eq!(count(&done, "tell server NotLent(Words(\"no stick is called so"), 1, "{done:#?}");
    assert_eq!(count(&done, "write /dev/sda "), 0, "{done:#?}");

    let script = vec![
        (5, format("SanDisk Ultra USB")),
        (0, server(Message::Lend { write: true })),
        (60, server(Message::Health(GOOD))),
        (0, server(Message::Health(GOOD))),
    ];
    let mut fake = Fake::fresh();
    put_in(&mut fake, 1 << 22);
    fake.fails.push(("mount /run/look", nix::libc::EINVAL));
    let (done, _) = play(&mut fake, script);
    let table = at(&done, "read the table of /dev/sda");
    let last = done.iter().rposition(|line| line == "write /dev/sda at 0").expect("written");
    assert!(last + 1 == table, "the table is the last that is written: {done:#?}");
    assert_eq!(count(&done, "tell server NotLent(Words(\"the stick is in use"), 1, "{done:#?}");
    assert!(done[table..].iter().any(|line| line.starts_with("tell server Stick")), "{done:#?}");

    // What is on it as others read it: Microsoft's own names of the fields.
    let boot = fake.disks.sector("/dev/sda", 2048);
    let word = |at: usize| u16::from_le_bytes([boot[at], boot[at + 1]]);
    let long = |at: usize| u32::from_le_bytes(boot[at..at + 4].try_into().expect("four"));
    assert_eq!((word(11), word(14), boot[16], word(17), word(22)), (512, 32, 2, 0, 0));
    let (per_cluster, total, table) = (u32::from(boot[13]), long(32), long(36));
    assert_eq!((per_cluster, total), (8, (1 << 22) - 2048));
    let clusters = (total - 32 - 2 * table) / per_cluster;
    assert!(clusters >= 65_525 && table * 128 >= clusters + 2, "{clusters} {table}");
    assert!((table - 1) * 128 < clusters + 2 + 128, "and no longer than it needs: {table}");
    assert_eq!(fake.disks.sector("/dev/sda", 2048 + 6), boot);
    let tables = [0, table].map(|more| fake.disks.sector("/dev/sda", u64::from(2048 + 32 + more)));
    assert!(tables[0] == tables[1] && tables[0].starts_with(&[0xF8, 0xFF, 0xFF, 0x0F]));
    let root = fake.disks.sector("/dev/sda", u64::from(2048 + 32 + 2 * table));
    assert_eq!(
        (&root[..12], &boot[71..90]),
        (&b"MAILROOM   \x08"[..], &b"MAILROOM   FAT32   "[..])
    );
    assert!(root[32..].iter().all(|octet| *octet == 0));
    let own = fake.disks.sector("/dev/sda", 0);
    assert_eq!((own[450], &own[454..458]), (0x0C, &2048_u32.to_le_bytes()[..]));

    // One that is too small cannot be, and one that fails is told.
    let mut fake = Fake::fresh();
    put_in(&mut fake, 1 << 15);
    let (done, _) = play(&mut fake, vec![(5, format("SanDisk Ultra USB"))]);
    assert_eq!(count(&done, "tell server NotLent(Words(\"the stick is too small"), 1);
    let mut fake = Fake::fresh();
    put_in(&mut fake, 1 << 22);
    fake.fails.push(("write /dev/sda at 1048576", nix::libc::EIO));
    let (done, _) = play(&mut fake, vec![(5, format("SanDisk Ultra USB")), (9, format("x"))]);
    assert_eq!(count(&done, "tell server NotLent(Words(\"the stick cannot be formatted"), 1);
}

#[test]
fn what_is_in_use_or_was_taken_out_is_not_written_over() {
    let format = || server(Message::Format(Words::new("SanDisk Ultra USB")));
    // A part of it is mounted, whatever it is.
    let mut fake = Fake::fresh();
    put_in(&mut fake, 1 << 22);
    fake.fails.push(("claim /dev/sda", nix::libc::EBUSY));
    let (done, _) = play(&mut fake, vec![(5, format())]);
    let told = "tell server NotLent(Words(\"the box uses the stick for something else";
    assert_eq!(count(&done, told), 1, "{done:#?}");
    assert_eq!(count(&done, "write /dev/sda "), 0, "{done:#?}");
    // Another may be in its place meanwhile.
    let mut fake = Fake::fresh();
    put_in(&mut fake, 1 << 22);
    let (done, _) = play(&mut fake, vec![(5, format()), (0, changed()), (60, changed())]);
    let told = "tell server NotLent(Words(\"the stick cannot be formatted: it was taken out";
    assert_eq!(count(&done, told), 1, "{done:#?}");
    assert_eq!(count(&done, "read the table of /dev/sda"), 0, "{done:#?}");
    // It is empty, and the kernel still does not take it.
    let mut fake = Fake::fresh();
    put_in(&mut fake, 1 << 22);
    fake.fails.push(("mount /run/look", nix::libc::EINVAL));
    let (done, _) = play(&mut fake, vec![(5, format()), (60, changed())]);
    let told = "tell server NotLent(Words(\"the stick was formatted, and still cannot";
    assert_eq!(count(&done, told), 1, "{done:#?}");
}

#[test]
fn a_stick_comes_before_a_card_that_nobody_can_take_out() {
    let mut fake = Fake::fresh();
    put_in(&mut fake, 1 << 22);
    fake.put_file("/sys/block/mmcblk1/size", "60000000\n");
    fake.put_file("/sys/block/mmcblk1/device/name", "SOLDER\n");
    fake.put_file("/sys/block/mmcblk1/mmcblk1p1/size", "2000\n");
    let (done, _) = play(&mut fake, vec![(5, server(Message::Lend { write: true }))]);
    assert_eq!(count(&done, "tell server Lent(Words(\"SanDisk Ultra USB"), 1, "{done:#?}");
    // One that is protected is told so, and the card is taken where that goes.
    fake = Fake::fresh();
    put_in(&mut fake, 1 << 22);
    fake.fails.push(("mount /run/lent/stick vfat /dev/sda1", nix::libc::EACCES));
    let (done, _) = play(&mut fake, vec![(5, server(Message::Lend { write: true }))]);
    let told = "tell server NotLent(Words(\"the stick is protected against writing";
    assert_eq!(count(&done, told), 1, "{done:#?}");
}

#[test]
fn the_server_may_write_where_a_stick_is_mounted_and_it_is_its_own() {
    let above = std::path::Path::new(lending::TARGET).parent().expect("a folder");
    assert_eq!(above.to_str(), Some(lending::FOLDER));
    assert!(SERVER.write.contains(&lending::FOLDER));
    assert_eq!(crate::admin::sticks::PLACE, lending::TARGET);
    for (_, options) in lending::KINDS {
        let user = limits::SERVER_USER;
        assert!(options.starts_with(&format!("uid={user},gid={user},umask=0077")), "{options}");
    }
}
