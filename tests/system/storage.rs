//! The mail on another disk: made ready, moved to, missed, moved back, forgotten. Wherever the
//! power is cut, the box finds all of the mail in one place.

use super::boot::{golden, up};
use super::children::{GOOD, count, play, server};
use super::fake::{BUILD, Disks, Fake, seed};
use crate::request::{DeviceId, Health, Message, UpdateAct, Words};
use crate::system::init::disk::data_disks;
use crate::system::init::elsewhere::Lost;
use crate::system::init::reset::UNFINISHED;
use crate::system::init::{Outcome, boot};
use crate::system::storage::seed::Seed;
use crate::system::supervisor;
use crate::system::syscall::{Ended, Happening, Program, Source};
use nix::libc::{EBUSY, EIO, EROFS};
use std::collections::BTreeMap;
use std::time::Duration;

const NAME: &str = "Good Disk";
const SECTORS: u64 = 8 << 21;
pub(super) const ELSEWHERE: &str = "/data/system/elsewhere";

/// A box with an owner and mail, and what is to be found of it wherever it is.
pub(super) fn office() -> (Disks, BTreeMap<String, Vec<u8>>) {
    let mut fake = Fake::fresh();
    up(&mut fake);
    let mut disks = fake.disks;
    disks.files.remove("/boot/SETUP-CODE.txt");
    let mut put = |path: &str, octets: &[u8]| disks.files.insert(path.into(), octets.to_vec());
    put("/data/system/presets-done", b"");
    put("/data/system/updates", b"{\"epoch\":1}");
    put("/data/system/host-name", b"post\n");
    put("/data/mail/mailroom.toml", b"host = \"mail.office.test\"\n");
    put("/data/mail/secret.key", b"0123456789abcdef");
    put("/data/mail/store/data.mdb", b"all letters");
    let mail = below(&disks, "/data/mail/");
    (disks, mail)
}

pub(super) fn below(disks: &Disks, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let files = disks.files.iter();
    files
        .filter_map(|(path, octets)| Some((path.strip_prefix(folder)?.to_string(), octets.clone())))
        .collect()
}

/// The box with these disks, the other one in.
pub(super) fn with_disk(disks: Disks) -> Fake {
    let mut fake = Fake::again(disks);
    fake.plug_in_disk("sda", SECTORS);
    fake.copies = true;
    fake
}

fn words(text: &str) -> Words {
    Words::new(text)
}

fn prepare(name: &str) -> Happening {
    server(Message::Prepare(words(name)))
}

pub(super) fn owned() -> Happening {
    server(Message::Health(Health { owned: true, ..GOOD }))
}

/// What the owner does for a move, and what comes of it: the disks, and PID 1's calls.
fn moving(name: &str) -> Vec<(u64, Happening)> {
    let ended = Happening::Ended(Program::Server, Ended::Code(0));
    // In what waits the disk is made ready, a few pieces each time.
    let pieces = (0..40).map(|_| (0, owned()));
    let mut script = vec![(5, owned()), (1, prepare(name))];
    script.extend(pieces);
    script.extend([(9, server(Message::Switch)), (1, ended)]);
    script
}

fn moved(disks: Disks, name: &str) -> (Disks, Vec<String>) {
    let mut fake = with_disk(disks);
    let (done, off) = play(&mut fake, moving(name));
    assert!(!off, "it restarts: {done:#?}");
    (fake.disks, done)
}

/// An office whose mail is on the other disk.
pub(super) fn away() -> (Disks, BTreeMap<String, Vec<u8>>) {
    let (disks, mail) = office();
    (moved(disks, NAME).0, mail)
}

/// All of the mail that a start finds, and from which partition.
pub(super) fn found(fake: &mut Fake) -> (BTreeMap<String, Vec<u8>>, &'static str) {
    let booted = up(fake);
    assert_eq!(booted.repair, None, "{:#?}", fake.trace);
    match booted.data {
        Some(disk) => {
            assert_eq!(disk.name, "sda");
            (below(&fake.disks, "/dev/sda4/mail/"), "/dev/sda4")
        }
        None => (below(&fake.disks, "/data/mail/"), "/dev/vda4"),
    }
}

pub(super) fn at(done: &[String], what: &str) -> usize {
    let found = done.iter().position(|line| line.starts_with(what));
    found.unwrap_or_else(|| panic!("{what}: {done:#?}"))
}

fn keys(typed: &str) -> Vec<(u64, Happening)> {
    typed.bytes().map(|octet| (0, Happening::Key(Source::Serial, octet))).collect()
}

// ---- the move ----

#[test]
fn a_disk_is_made_ready_and_the_mail_moves_at_one_moment() {
    let (disks, mail) = office();
    let (id, before) = (disks.id(), disks.files.clone());
    let (disks, done) = moved(disks, NAME);
    let steps = [
        "tell server Holder { holds: All, octets: 8589934592, worn: 0, errors: 0, name: \
         Words(\"vda\") }",
        "write /dev/sda at 0",
        "write /dev/sda at 1085440",
        "read the table of /dev/sda",
        "mount /run/lent/stick ext4 /dev/sda4",
        "resize /run/lent/stick to ",
        "folder /run/lent/stick/system 700 of 0",
        "folder /run/lent/stick/mail 700 of 61025",
        "tell server Prepared(Words(\"Good Disk\"))",
        "kill server Ask",
        "replace /run/lent/stick/system/disk-id",
        "sync",
        "replace /data/system/elsewhere",
        "unmount /run/lent/stick",
        "restart",
    ];
    let places = steps.map(|step| at(&done, step));
    assert!(places.is_sorted(), "{places:?} {done:#?}");
    let table = at(&done, "read the table");
    assert_eq!(done[table - 1], "write /dev/sda at 0", "the table is the last that is written");
    assert_eq!(count(&done, "start server"), 0, "its end was wanted");

    // The disk as others see it.
    let sector = disks.sector("/dev/sda", 0);
    assert!(sector.starts_with(b"MAILROOM DATA") && sector[510..] == [0x55, 0xAA]);
    assert!(sector[446..494].iter().all(|octet| *octet == 0), "three empty entries");
    let number = |at: usize| u32::from_le_bytes(sector[at..at + 4].try_into().expect("four"));
    assert_eq!((sector[498], number(502), number(506)), (0x83, 2048, (SECTORS - 2048) as u32));
    assert_ne!((number(440), number(440)), (0, id));
    assert_eq!(disks.sector("/dev/sda", 2048 + 9 * 8 + 7), [9; 512], "a block of the seed");
    let head = disks.sector("/dev/sda", 2048 + 2);
    let blocks = u32::from_le_bytes(head[4..8].try_into().expect("four"));
    assert_eq!(u64::from(blocks), (SECTORS - 2048) / 8, "it is grown");

    // Who the box is went along, and what was there is still there.
    let told = String::from_utf8(disks.files[ELSEWHERE].clone()).expect("text");
    assert_eq!(told, format!("{:08x} Good Disk\n", number(440)));
    for (path, octets) in before.iter().filter(|(path, _)| path.starts_with("/data/")) {
        let there = disks.files.get(&path.replacen("/data", "/dev/sda4", 1));
        assert_eq!(there, Some(octets), "{path}");
    }
    let mut fake = with_disk(disks);
    let booted = up(&mut fake);
    golden("elsewhere", &fake, Some(&booted));
    assert_eq!((booted.device.map(|device| device.0), booted.old_copy), (Some(id), true));
    assert_eq!(found(&mut with_disk(fake.disks.clone())), (mail, "/dev/sda4"));
    let (done, _) = play(&mut with_disk(fake.disks), vec![(5, owned()), (5, owned())]);
    assert_eq!(count(&done, "tell server Holder { holds: SystemAndOld"), 1, "{done:#?}");
    assert_eq!(count(&done, "tell server Holder { holds: Mail, octets: 8589934592"), 1);
    assert_eq!(count(&done, "tell server Stick { state: None"), 1, "its own is no stick");
}

/// At each write at which the power can go, of the way there and of the way back.
#[test]
fn wherever_the_power_is_cut_all_of_the_mail_is_in_one_place() {
    let (here, mail) = office();
    let there = away().0;
    for (disks, name, from, to) in
        [(here, NAME, "/dev/vda4", "/dev/sda4"), (there, "vda", "/dev/sda4", "/dev/vda4")]
    {
        let mut seen = BTreeMap::new();
        for cut in 0.. {
            let mut fake = with_disk(disks.clone());
            fake.cut = Some(cut);
            let _ = play(&mut fake, moving(name));
            let over = !fake.is_cut();
            let (all, place) = found(&mut with_disk(fake.disks.clone()));
            assert_eq!(all, mail, "cut after {cut}");
            assert!(place == from || place == to);
            *seen.entry(place).or_insert(0) += 1;
            // A second start finds it where the first did.
            assert_eq!(found(&mut with_disk(fake.disks)).1, place, "cut after {cut}");
            if over {
                assert_eq!(place, to, "the move is over");
                break;
            }
            // Once it is there it does not come back.
            assert!(place == to || !seen.contains_key(to), "cut after {cut}");
        }
        assert!(seen[from] > 6 && seen[to] >= 1, "{seen:?}");
    }
}

#[test]
fn what_cannot_be_made_ready_is_told_why_and_nothing_moved() {
    let refused = |fake: &mut Fake, script: Vec<(u64, Happening)>, why: &str| {
        let (done, _) = play(fake, script);
        let told = format!("tell server NotPrepared(Words(\"{why}");
        assert_eq!(count(&done, &told), 1, "{why}: {done:#?}");
        assert!(!fake.disks.files.contains_key(ELSEWHERE), "{why}");
        done
    };
    let fresh = || with_disk(office().0);
    let asked = |name: &str| {
        let mut script = vec![(5, owned()), (1, prepare(name))];
        script.extend((0..20).map(|_| (1, owned())));
        script
    };
    let none = refused(&mut fresh(), asked("Another"), "no disk is called so, or more than one");
    assert_eq!(count(&none, "write /dev/sda"), 0, "{none:#?}");
    refused(&mut fresh(), asked("vda"), "no disk is called so");
    let mut fake = fresh();
    fake.plug_in_disk("sdb", SECTORS);
    refused(&mut fake, asked(NAME), "no disk is called so, or more than one");
    let mut fake = fresh();
    fake.plug_in_disk("sda", 2500);
    let small = refused(&mut fake, asked(NAME), "the disk is too small");
    assert_eq!(count(&small, "write /dev/sda"), 0, "{small:#?}");
    let mut fake = fresh();
    fake.put_file("/sys/block/sda/queue/logical_block_size", "4096\n");
    refused(&mut fake, asked(NAME), "the disk has sectors of 4096 octets");
    let mut fake = fresh();
    fake.put_file("/lib/mailroom/data.seed", "MRSEED1");
    refused(&mut fake, asked(NAME), "/lib/mailroom/data.seed: the seed is damaged");
    for (call, how) in [
        ("write /dev/sda at 1048576", EIO),
        ("read the table of /dev/sda", EBUSY),
        ("mount /run/lent/stick ext4 /dev/sda4", EIO),
        ("resize /run/lent/stick", EIO),
        ("folder /run/lent/stick/mail", EROFS),
    ] {
        let mut fake = fresh();
        fake.fails.push((call, how));
        refused(&mut fake, asked(NAME), "the disk cannot be made ready: ");
        assert!(!fake.mounted.contains("/run/lent/stick"), "{call}");
    }
    // A part of it is mounted, whatever it is.
    let mut fake = fresh();
    fake.fails.push(("claim /dev/sda", EBUSY));
    let busy = refused(&mut fake, asked(NAME), "the disk is in use by something else");
    assert_eq!(count(&busy, "write /dev/sda"), 0, "{busy:#?}");
    let mut fake = fresh();
    let mut script = asked(NAME);
    script.insert(2, (0, Happening::Disk("sda".to_string())));
    refused(&mut fake, script, "the disk cannot be made ready: it was pulled out");
    let script = vec![(5, owned()), (1, server(Message::Switch))];
    refused(&mut fresh(), script, "no disk is ready for the mail");
    // While it is made ready, and until it is given back, it is nobody else's.
    let mut script = asked(NAME);
    script.insert(2, (0, server(Message::Lend { write: true })));
    script.push((1, prepare(NAME)));
    script.extend([(1, server(Message::Returned)), (1, server(Message::Switch)), (1, owned())]);
    let mut fake = fresh();
    let done = refused(&mut fake, script, "the disk is in use");
    assert_eq!(count(&done, "tell server NotLent(Words(\"the stick is in use\"))"), 1, "{done:#?}");
    assert_eq!(count(&done, "tell server NotPrepared(Words(\"no disk is ready"), 1, "{done:#?}");
    assert!(!fake.mounted.contains("/run/lent/stick"), "it may be pulled out");
}

/// What fails at the moment of the move leaves the mail where it is, and the next server is told.
#[test]
fn a_move_that_fails_at_its_end_starts_the_server_where_the_mail_is() {
    let mail = office().1;
    let mut fake = with_disk(office().0);
    fake.fails.push(("replace /run/lent/stick/system/host-name", EIO));
    let mut script = moving(NAME);
    script.extend([(5, owned()), (5, owned())]);
    let (done, off) = play(&mut fake, script);
    assert!(off, "it does not restart: {done:#?}");
    let told = "tell server NotPrepared(Words(\"the mail did not";
    assert!(at(&done, "start server") < at(&done, told), "{done:#?}");
    assert!(!fake.mounted.contains("/run/lent/stick"));
    fake.fails.clear();
    assert_eq!(found(&mut with_disk(fake.disks)), (mail.clone(), "/dev/vda4"));
    // Where what decides may have been written, no server starts before the box has looked anew.
    let mut fake = with_disk(office().0);
    fake.fails.push(("replace /data/system/elsewhere", EIO));
    let mut script = moving(NAME);
    script.extend([(5, owned()), (5, owned())]);
    let (done, off) = play(&mut fake, script);
    assert!(!off, "it restarts: {done:#?}");
    let last = done.iter().rposition(|line| line.starts_with("start server"));
    assert!(last < Some(at(&done, "replace /data/system/elsewhere")), "{done:#?}");
    fake.fails.clear();
    assert_eq!(found(&mut with_disk(fake.disks)), (mail, "/dev/vda4"));
    the_end_of_a_server_breaks_it_off();
}

/// The owner, who finds the mail where it was, is told why.
#[test]
fn a_power_cut_while_the_mail_is_on_its_way_is_told_at_the_next_start_and_once() {
    let told = "tell server NotPrepared(Words(\"the mail did not move: the box restarted meanwhile";
    let started = |fake: &mut Fake| {
        let (done, _) = play(fake, vec![(5, owned())]);
        count(&done, told)
    };
    let mut fake = with_disk(office().0);
    play(&mut fake, vec![(5, owned()), (1, prepare(NAME)), (5, owned())]);
    let mut fake = with_disk(fake.disks);
    assert_eq!(started(&mut fake), 1);
    assert_eq!(started(&mut with_disk(fake.disks)), 0);
    // Where the mail moved, or was given back, nothing is.
    let mut fake = with_disk(office().0);
    play(&mut fake, moving(NAME));
    assert!(fake.disks.files.contains_key(ELSEWHERE), "it moved");
    assert_eq!(started(&mut with_disk(fake.disks)), 0);
    let mut fake = with_disk(office().0);
    let mut script = vec![(5, owned()), (1, prepare(NAME)), (5, owned())];
    script.extend([(1, server(Message::Returned)), (5, owned())]);
    play(&mut fake, script);
    assert_eq!(started(&mut with_disk(fake.disks)), 0);
}

fn the_end_of_a_server_breaks_it_off() {
    let mail = office().1;
    // The new disk was pulled out, and what read there fell.
    let mut fake = with_disk(office().0);
    let mut script = moving(NAME);
    let (_, ended) = script.pop().expect("its end");
    script.pop();
    script.extend([(1, ended.clone()), (30, owned())]);
    let (done, _) = play(&mut fake, script);
    let told = "tell server NotPrepared(Words(\"it broke off";
    assert_eq!(count(&done, told), 1, "{done:#?}");
    assert_eq!(found(&mut with_disk(fake.disks)), (mail, "/dev/vda4"));
    // A server that does not end is ended.
    let mut fake = with_disk(office().0);
    let mut script = moving(NAME);
    let (_, ended) = script.pop().expect("its end");
    // What it gives back meanwhile is not let go.
    script.push((1, server(Message::Returned)));
    script.extend([(25, Happening::Device(String::new())), (1, ended)]);
    let (done, off) = play(&mut fake, script);
    assert!(!off && at(&done, "kill server Ask") < at(&done, "kill server AtOnce"), "{done:#?}");
    assert!(fake.disks.files.contains_key(ELSEWHERE));
}

#[test]
fn a_seed_is_taken_whole_or_not_at_all() {
    let good = seed();
    assert!(Seed::parse(&good).is_ok());
    for at in [0, 8, 12, 16, 20, good.len() / 2, good.len() - 1] {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        assert!(Seed::parse(&damaged).is_err(), "octet {at}");
    }
    for length in [0, 3, 15, 19, good.len() - 1] {
        assert!(Seed::parse(&good[..length]).is_err(), "{length} octets");
    }
    // A sum that is right does not make a block fit that lies behind the end.
    let mut outside = good[..good.len() - 4].to_vec();
    outside[16..20].copy_from_slice(&64_u32.to_le_bytes());
    outside.extend(crc32fast::hash(&outside).to_le_bytes());
    assert!(Seed::parse(&outside).is_err());
    // At most 512 GiB.
    let writing = Seed::parse(&good).expect("good").writing(4 << 31, 7).expect("large enough");
    let (place, table) = writing.last().expect("the table");
    let length = u32::from_le_bytes(table[506..510].try_into().expect("four"));
    assert_eq!((place, u64::from(length) * 512), (0, 512 << 30));
    let least = 2048_u64 + 64 * 8;
    assert!(Seed::parse(&good).expect("good").writing(least.next_multiple_of(2048), 7).is_some());
    assert!(Seed::parse(&good).expect("good").writing(2048 + 511, 7).is_none());
}

// ---- a disk that is not as it was ----

#[test]
fn a_data_disk_that_is_missing_twice_there_or_damaged_is_told_by_its_name() {
    let disks = away().0;
    let told = |fake: &mut Fake, name: &str, why: &str, lost: Lost| {
        let booted = up(fake);
        golden(name, fake, Some(&booted));
        let repair = booted.repair.expect("repair");
        assert!(repair.contains(why) && repair.contains(NAME), "{repair}");
        assert_eq!(booted.lost, Some(lost));
        assert!(fake.mounted.contains("/data"));
        assert!(!fake.trace.iter().any(|line| line == "start server"), "no old copy is served");
        assert!(booted.device.is_some(), "it can be reset");
    };
    let mut fake = Fake::again(disks.clone());
    fake.script.push_back((Duration::from_secs(900), owned()));
    told(&mut fake, "elsewhere-missing", "is not in: put it in", Lost::Missing);
    let mut fake = with_disk(disks.clone());
    let sector = fake.disks.sector("/dev/sda", 0);
    fake.disks.put("/dev/sdb", 0, sector);
    fake.plug_in_disk("sdb", SECTORS);
    told(&mut fake, "elsewhere-twins", "sda and sdb both say", Lost::Unusable);
    let mut fake = with_disk(disks.clone());
    fake.check_of = Some(("/dev/sda4", Ended::Code(4)));
    told(&mut fake, "elsewhere-damaged", "is damaged (e2fsck exit code 4", Lost::Unusable);
    let mut fake = with_disk(disks.clone());
    fake.fails.push(("mount /data ext4 /dev/sda4$", EROFS));
    told(&mut fake, "elsewhere-read-only", "can only be read", Lost::Unusable);
    // Which disk it is cannot be read: that is no reason to serve what is old.
    let mut fake = with_disk(disks.clone());
    fake.disks.files.insert(ELSEWHERE.to_string(), b"\0\0\0".to_vec());
    let booted = up(&mut fake);
    assert!(booted.repair.expect("repair").contains("makes no sense"));
    assert_eq!(booted.lost, Some(Lost::Unusable));
    // What e2fsck mends is told, and what it wants a restart for gets one.
    let mut fake = with_disk(disks.clone());
    fake.check_of = Some(("/dev/sda4", Ended::Code(1)));
    let booted = up(&mut fake);
    assert!(booted.repair.is_none() && booted.faults[0].contains("was damaged and is mended"));
    let mut fake = with_disk(disks);
    fake.check_of = Some(("/dev/sda4", Ended::Code(2)));
    let next = boot(&mut fake, BUILD);
    assert!(matches!(next, Ok(Outcome::End { off: false })));
    assert!(fake.trace.iter().any(|line| line == "write /dev/vda at 13631488"), "noted at home");
    let mut fake = with_disk(fake.disks);
    fake.check_of = Some(("/dev/sda4", Ended::Code(2)));
    assert!(up(&mut fake).repair.expect("repair").contains("a restart did not help"));
}

#[test]
fn a_data_disk_that_comes_late_or_goes_restarts_the_box() {
    let (disks, mail) = away();
    let mut fake = Fake::again(disks.clone());
    let later = (Duration::from_secs(70), Happening::Device(String::new()));
    fake.script.push_back(later);
    let booted = up(&mut fake);
    assert_eq!(booted.lost, Some(Lost::Missing));
    fake.plug_in_disk("sda", SECTORS);
    fake.script = [Happening::Disk("sda".into()), owned(), owned()]
        .map(|what| (Duration::from_secs(3), what))
        .into();
    assert!(!supervisor::run(&mut fake, booted, BUILD), "a restart");
    assert_eq!(found(&mut with_disk(fake.disks)), (mail.clone(), "/dev/sda4"));
    // It is pulled out while the box runs.
    let mut fake = with_disk(disks);
    let booted = up(&mut fake);
    fake.files.retain(|path, _| !path.starts_with("/sys/block/sda"));
    fake.script = [Happening::Disk("sda".into()), owned(), owned()]
        .map(|what| (Duration::from_secs(3), what))
        .into();
    assert!(!supervisor::run(&mut fake, booted, BUILD), "a restart");
    assert!(fake.serial.contains("the disk Good Disk, which holds the mail, is gone"));
    // All is there when it is back.
    assert_eq!(found(&mut with_disk(fake.disks)), (mail, "/dev/sda4"));
}

#[test]
fn whoever_stands_at_the_box_can_go_on_without_the_disk() {
    let (disks, mail) = away();
    let lost = |typed: &str| {
        let mut fake = Fake::again(disks.clone());
        let later = (Duration::from_secs(900), Happening::Device(String::new()));
        fake.script.push_back(later);
        let booted = up(&mut fake);
        let device = booted.device.expect("a device").to_string();
        let script = keys(&typed.replace("DEVICE", &device));
        fake.script = script.into_iter().map(|(s, key)| (Duration::from_secs(s), key)).collect();
        let off = supervisor::run(&mut fake, booted, BUILD);
        (fake, off)
    };
    let (fake, off) = lost("\n6\nyes\n");
    assert!(!off, "{}", fake.serial);
    assert!(fake.serial.contains("6  start with the old copy"), "{}", fake.serial);
    let mut next = with_disk(fake.disks.clone());
    assert_eq!(found(&mut next), (mail.clone(), "/dev/vda4"));
    // The other disk is that of somebody else now.
    let (done, _) = play(&mut with_disk(fake.disks), vec![(5, owned()), (5, owned())]);
    assert_eq!(count(&done, "tell server Stick { state: Mail, octets: 8589934592"), 1, "{done:#?}");
    for no in ["\n6\nno\n", "\n6\n\n"] {
        let (fake, off) = lost(no);
        assert!(off && fake.disks.files.contains_key(ELSEWHERE), "{}", fake.serial);
    }
    // The passwords are with the mail.
    let (fake, off) = lost("\n3\n");
    assert!(off && fake.serial.contains("The passwords are with the mail"), "{}", fake.serial);
    // A reset of everything makes it an empty box with its mail on its own disk.
    let (fake, off) = lost("\n4\nDEVICE\n");
    assert!(!off, "{}", fake.serial);
    let mut next = Fake::again(fake.disks);
    next.script.push_back((Duration::from_secs(900), owned()));
    let booted = up(&mut next);
    assert_eq!((booted.repair, booted.lost, booted.elsewhere), (None, None, None));
    assert_eq!(below(&next.disks, "/data/mail/"), BTreeMap::new());
    assert!(!next.disks.files.contains_key(ELSEWHERE));
    assert!(next.trace.iter().any(|line| line == "start server"));
    assert_eq!(below(&next.disks, "/dev/sda4/mail/"), mail, "what is not in is not touched");
    // RESET.txt is held to the same.
    let mut asked = disks.clone();
    asked.files.insert("/boot/RESET.txt".to_string(), b"reset passwords".to_vec());
    let mut fake = Fake::again(asked);
    fake.script.push_back((Duration::from_secs(900), owned()));
    let booted = up(&mut fake);
    assert!(booted.faults.iter().any(|fault| fault.contains("the passwords are with the mail")));
    assert!(!fake.disks.files.contains_key("/data/system/reset"));
}

/// The system and the place of the mail do not change at once.
#[test]
fn no_update_begins_in_the_middle_of_a_move_and_none_without_the_mail() {
    let release =
        "version = \"1.0.0\"\nboard = \"qemu-virt\"\nkernel = \"6.1.0\"\nepoch = 1\nbuilt = 9\n";
    let update = || server(Message::Update(UpdateAct::Take));
    let with_update = |disks: Disks| {
        let mut fake = with_disk(disks);
        fake.put_file("/etc/release.toml", release);
        fake.disks.files.insert("/data/mail/update.mru".to_string(), b"x".to_vec());
        fake
    };
    let mut fake = with_update(office().0);
    let mut script = moving(NAME);
    script.truncate(script.len() - 2);
    script.extend([(1, update()), (1, owned())]);
    let (done, _) = play(&mut fake, script);
    assert_eq!(count(&done, "start installer"), 0, "{done:#?}");
    assert!(fake.serial.contains("the mail is being moved to another disk"), "{}", fake.serial);
    // The other way round.
    let mut fake = with_update(office().0);
    let script = vec![(5, owned()), (1, update()), (1, prepare(NAME)), (1, owned())];
    let (done, _) = play(&mut fake, script);
    assert_eq!(count(&done, "start installer"), 1, "{done:#?}");
    assert_eq!(count(&done, "tell server NotPrepared(Words(\"an update is under way"), 1);
    assert_eq!(count(&done, "write /dev/sda "), 0, "{done:#?}");
    // What came of one is kept with the mail.
    let mut fake = Fake::again(away().0);
    fake.put_file("/etc/release.toml", release);
    fake.put_file("/sys/block/sdb/size", "2048\n");
    fake.put_file("/sys/block/sdb/sdb1/size", "2000\n");
    fake.disks.files.insert("/run/stick/mailroom-1.1.0-qemu-virt.mru".to_string(), Vec::new());
    let later = (Duration::from_secs(70), Happening::Device(String::new()));
    fake.script.push_back(later);
    let booted = up(&mut fake);
    assert_eq!(booted.lost, Some(Lost::Missing));
    fake.script = [owned(), owned()].map(|what| (Duration::from_secs(5), what)).into();
    supervisor::run(&mut fake, booted, BUILD);
    assert!(!fake.trace.iter().any(|line| line == "start installer"), "{:#?}", fake.trace);
    assert!(fake.serial.contains("put it in first"), "{}", fake.serial);
}

// ---- back, and old copies ----

#[test]
fn the_mail_moves_back_and_its_old_copies_are_forgotten() {
    let (disks, mail) = away();
    // What changed there is what comes back; nothing of what was here mixes in.
    let mut disks = disks;
    disks.files.insert("/dev/sda4/mail/store/data.mdb".to_string(), b"more letters".to_vec());
    disks.files.remove("/dev/sda4/system/host-name");
    disks.files.insert("/data/mail/gone".to_string(), b"old".to_vec());
    let mut want = mail;
    want.insert("store/data.mdb".to_string(), b"more letters".to_vec());
    let (disks, done) = moved(disks, "vda");
    let steps = [
        "mount /run/lent/stick ext4 /dev/vda4",
        "remove /run/lent/stick/mail/gone",
        "tell server Prepared(Words(\"vda\"))",
        "remove /run/lent/stick/system/host-name",
        "replace /run/lent/stick/system/before",
        "remove /run/lent/stick/system/elsewhere",
        "restart",
    ];
    let places = steps.map(|step| at(&done, step));
    assert!(places.is_sorted(), "{places:?} {done:#?}");
    assert_eq!(found(&mut with_disk(disks.clone())), (want.clone(), "/dev/vda4"));
    // The old copy is told, and goes when it is wanted no more, its table last.
    let script = vec![(5, owned()), (1, server(Message::Forget)), (5, owned()), (5, owned())];
    let mut fake = with_disk(disks);
    let (done, _) = play(&mut fake, script.clone());
    let steps = [
        "tell server Holder { holds: Old, octets: 8589934592",
        "mount /run/home ext4 /dev/sda4",
        "overwrite /run/home/mail/secret.key",
        "unmount /run/home",
        "write /dev/sda at 0",
        "remove /data/system/before",
        "tell server Holder { holds: Old, octets: 0",
        "tell server Stick { state: Ready",
    ];
    let places = steps.map(|step| at(&done, step));
    assert!(places.is_sorted(), "{places:?} {done:#?}");
    assert_eq!(below(&fake.disks, "/dev/sda4/"), BTreeMap::new());
    assert_eq!(data_disks(&mut fake), Vec::new());
    assert_eq!(found(&mut with_disk(fake.disks)), (want, "/dev/vda4"));

    // The same of a copy on the system's disk: what the box is stays there.
    let (disks, mail) = away();
    let mut fake = with_disk(disks);
    let (done, _) = play(&mut fake, script.clone());
    assert!(at(&done, "tell server Holder { holds: SystemAndOld") < at(&done, "mount /run/home"));
    assert!(at(&done, "mount /run/home") < at(&done, "tell server Holder { holds: System,"));
    assert_eq!(below(&fake.disks, "/data/mail/"), BTreeMap::new());
    let mut next = with_disk(fake.disks.clone());
    assert_eq!(found(&mut next), (mail, "/dev/sda4"));
    let (done, _) = play(&mut with_disk(fake.disks), script);
    assert_eq!(
        count(&done, "tell server NotPrepared(Words(\"there is no old copy"),
        1,
        "{done:#?}"
    );
    // What cannot be removed is told.
    let mut fake = with_disk(away().0);
    fake.fails.push(("remove /run/home/mail/store/data.mdb", EIO));
    let script = vec![(5, owned()), (1, server(Message::Forget)), (5, owned())];
    let (done, _) = play(&mut fake, script);
    assert_eq!(count(&done, "tell server NotPrepared(Words(\"the old copy is not gone: "), 1);
    assert_eq!(count(&done, "tell server Holder { holds: System,"), 0, "{done:#?}");
}

#[test]
fn a_reset_of_everything_leaves_no_copy_on_either_disk() {
    let (mut disks, _) = away();
    let id = disks.id();
    let device = DeviceId(id);
    let asked = format!("reset everything {device}\n");
    disks.files.insert("/boot/RESET.txt".to_string(), asked.into_bytes());
    for cut in (0..400).step_by(3).map(Some).chain([None]) {
        let mut fake = with_disk(disks.clone());
        fake.cut = cut;
        let _ = boot(&mut fake, BUILD);
        if cut.is_some() && !fake.is_cut() {
            continue;
        }
        let mut next = with_disk(fake.disks);
        let booted = up(&mut next);
        assert_eq!(booted.repair, None, "cut after {cut:?}");
        for folder in ["/data/mail/", "/dev/sda4/mail/"] {
            assert_eq!(below(&next.disks, folder), BTreeMap::new(), "cut after {cut:?}");
        }
        assert_eq!(next.disks.id(), id, "the same device");
        assert!(booted.data.is_some(), "cut after {cut:?}");
        assert!(!next.disks.files.contains_key("/data/system/seed"));
    }
    // What is left is told, and nobody is served.
    let mut fake = with_disk(disks);
    fake.fails.push(("remove /run/home/mail/secret.key", EIO));
    let booted = up(&mut fake);
    assert!(booted.repair.expect("repair").starts_with(UNFINISHED));
    let mut next = with_disk(fake.disks);
    assert_eq!(up(&mut next).repair, None);
    assert_eq!(below(&next.disks, "/data/mail/"), BTreeMap::new());
}

/// On its way back it breaks off: what is on the system's disk by then is no old copy.
#[test]
fn half_a_copy_is_no_old_one() {
    let mut fake = with_disk(away().0);
    let script =
        vec![(5, owned()), (1, prepare("vda")), (1, server(Message::Returned)), (1, owned())];
    let (done, _) = play(&mut fake, script);
    let given = at(&done, "tell server TakenBack");
    assert!(at(&done, "replace /run/lent/stick/system/half") < given, "{done:#?}");
    let told = |line: &String| line.starts_with("tell server Holder { holds: System,");
    assert!(done[given..].iter().any(told), "{done:#?}");
    let mut disks = fake.disks;
    disks.files.insert("/data/mail/store/data.mdb".to_string(), b"half of all".to_vec());
    let booted = up(&mut with_disk(disks.clone()));
    assert!(!booted.old_copy && booted.repair.is_none());
    // What moves back after all leaves no mark, and nothing of the half.
    let back = moved(disks, "vda").0;
    assert!(!back.files.contains_key("/data/system/half"));
    assert_eq!(found(&mut Fake::again(back)).1, "/dev/vda4");
}
