//! Data disks that are not the box's own, and what is told of all disks.

use super::boot::up;
use super::children::{GOOD, count, play, server};
use super::fake::{Disks, Fake};
use super::storage::{ELSEWHERE, at, away, found, office, owned, with_disk};
use super::updates::release;
use crate::request::Message;
use crate::system::sticks;
use crate::system::storage::holders::worn;
use crate::system::syscall::{Ended, Happening, Program};
use crate::update::ledger::Ledger;

/// A fresh card, and the data disk of an office whose card is lost.
fn new_card() -> (Disks, u32) {
    let old = away().0;
    let id = old.id();
    let mut fake = Fake::fresh();
    fake.random = 100;
    up(&mut fake);
    let mut disks = fake.disks;
    disks.put("/dev/sda", 0, old.sector("/dev/sda", 0));
    disks.put("/dev/sda", 2048 + 2, old.sector("/dev/sda", 2048 + 2));
    disks.files.insert("/data/mail/store/data.mdb".to_string(), b"empty".to_vec());
    let mail = old.files.into_iter().filter(|(path, _)| path.starts_with("/dev/sda4/"));
    disks.files.extend(mail);
    (disks, id)
}

#[test]
fn a_new_card_takes_the_mail_of_a_data_disk_when_its_owner_wants_it() {
    let (disks, id) = new_card();
    let mail = office().1;
    assert_ne!(disks.id(), id);
    let ended = Happening::Ended(Program::Server, Ended::Code(0));
    let nobody = || server(Message::Health(GOOD));
    let script = vec![
        (5, nobody()),
        (1, server(Message::Adopt)),
        (1, server(Message::Lend { write: true })),
        (1, server(Message::Lend { write: false })),
        (1, server(Message::Adopt)),
        (1, ended),
    ];
    let mut fake = with_disk(disks.clone());
    let (done, off) = play(&mut fake, script);
    assert!(!off, "{done:#?}");
    let steps = [
        "tell server Stick { state: Mail, octets: 8589934592, name: Words(\"Good Disk\") }",
        "tell server NotPrepared(Words(\"no disk with mail is lent\"))",
        "tell server NotLent(Words(\"the disk holds the mail of a Mailroom",
        "mount /run/lent/stick ext4 /dev/sda4 read-only",
        "tell server Lent(Words(\"Good Disk\"))",
        "kill server Ask",
        "remove /boot/SETUP-CODE.txt",
        "remove /data/mail/store/data.mdb",
        "replace /data/system/adopted",
        "replace /data/system/elsewhere",
        "restart",
    ];
    let places = steps.map(|step| at(&done, step));
    assert!(places.is_sorted(), "{places:?} {done:#?}");
    slots_of_the_old_card_are_forgotten(fake.disks.clone());
    let mut next = with_disk(fake.disks);
    assert_eq!(found(&mut next), (mail.clone(), "/dev/sda4"));
    assert_eq!(next.disks.id(), id, "it is the same device again");
    let booted = up(&mut with_disk(next.disks));
    assert_eq!((booted.device.map(|device| device.0), booted.old_copy), (Some(id), false));

    // A box with an owner has mail of its own, and lends its stick first.
    let script = vec![
        (5, owned()),
        (3, owned()),
        (1, server(Message::Lend { write: false })),
        (1, server(Message::Adopt)),
        (1, owned()),
    ];
    let mut fake = with_disk(disks);
    let (done, off) = play(&mut fake, script);
    assert!(off && count(&done, "mount /run/lent") == 0, "{done:#?}");
    assert_eq!(count(&done, "tell server NotPrepared(Words(\"this box has mail of its own"), 1);
    assert!(!fake.disks.files.contains_key(ELSEWHERE));
    fake.put_file("/sys/block/sdb/size", "4194304\n");
    let (done, _) = play(&mut fake, vec![(5, owned()), (3, owned()), (3, owned())]);
    assert_eq!(
        count(&done, "tell server Stick { state: Ready, octets: 2147483648"),
        1,
        "{done:#?}"
    );
}

/// The card that is lost had an update under way: nothing of this one's slots follows from it.
fn slots_of_the_old_card_are_forgotten(mut disks: Disks) {
    let ledger = r#"{"epoch": 3, "failed": ["ab"], "other": {"version": "1.1.0", "epoch": 1},
        "under_way": {"id": "cd", "slot": "b", "version": "1.1.0", "epoch": 1, "from": "1.0.0",
                      "from_epoch": 1, "way": "stick", "file": ""}}"#;
    let kept = Ledger::parse(ledger.as_bytes()).expect("a ledger");
    assert!(kept.under_way.is_some() && kept.other.is_some());
    disks.files.insert("/dev/sda4/system/updates".to_string(), ledger.into());
    let mut fake = with_disk(disks);
    release(&mut fake, "1.0.0");
    let (done, _) = play(&mut fake, vec![(5, owned()), (5, owned())]);
    let octets = &fake.disks.files["/dev/sda4/system/updates"];
    let left = Ledger::parse(octets).expect("a ledger");
    assert_eq!((left.other, left.under_way), (None, None), "{done:#?}");
    assert_eq!((left.epoch, left.failed.len()), (3, 1), "what was learned stays");
    assert!(!fake.disks.files.contains_key("/data/system/adopted"), "it is done once");
}

#[test]
fn no_data_disk_is_taken_for_a_stick() {
    let disks = away().0;
    let mut fake = with_disk(disks.clone());
    fake.put_file("/sys/block/sdb/size", "2048\n");
    let own = up(&mut fake).disk;
    let seen: Vec<_> = sticks::all(&mut fake, own.as_ref()).into_iter().map(|it| it.disk).collect();
    assert_eq!(seen, ["sdb"]);
    // Nor does anything look into it for updates or resets.
    let (done, _) = play(&mut with_disk(disks), vec![(5, owned()), (5, owned())]);
    assert!(!done.iter().any(|line| line.contains("/run/stick") || line.contains("/run/look")));
    assert!(!done.iter().any(|line| line.contains("vfat /dev/sda")), "{done:#?}");
}

#[test]
fn what_a_disk_says_of_its_life_is_told() {
    for (said, tenths) in [
        ("0x01 0x02", 2),
        ("0x0b 0x01\n", 11),
        ("0x00 0x00", 0),
        ("0x0c 0x01", 1),
        ("", 0),
        ("3 4", 0),
        ("0xzz 0x100", 0),
    ] {
        assert_eq!(worn(said), tenths, "{said:?}");
    }
    let mut fake = with_disk(office().0);
    fake.put_file("/sys/block/vda/device/life_time", "0x03 0x01\n");
    fake.put_file("/sys/fs/ext4/vda4/errors_count", "7\n");
    let (done, _) = play(&mut fake, vec![(5, owned()), (5, owned())]);
    assert_eq!(
        count(&done, "tell server Holder { holds: All, octets: 8589934592, worn: 3, errors: 7"),
        1
    );
}
