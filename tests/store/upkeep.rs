//! Verify, backup, restore, compact.

use super::{ALICE, BOB, NOW, Office, deliver, letter, letter_of, messages, prepared};
use crate::store::backup::Parts;
use crate::store::format::{BodyRef, MailboxTail, Outgoing, tag};
use crate::store::outbox::{self, NewOutgoing, NewRecipient};
use crate::store::writer::Options;
use crate::store::{Batch, INBOX, MailId, MailboxId, Read, Result, Store, StoreError};
use crate::store::{account, backup, mail, mailbox, trace, verify};
use crate::wire::address::Address;
use prost::Message;
use std::path::Path;

fn faults(store: &Store) -> Vec<String> {
    verify::verify(store, &mut |_, _| {}).expect("a check").faults
}

/// Brings back the store alone.
fn restore(from: &Path, dir: &Path, replace: bool) -> Result<()> {
    backup::restore((from, None), dir, replace, (&|_| Ok(()), &|_, _| Ok(()), &|_| Ok(())))
        .map(drop)
}

/// A store with some of everything.
pub(super) fn lived_in() -> Office {
    let office = Office::new();
    let make = |batch: &mut Batch| {
        mailbox::create(batch, ALICE, "Work/2026", "", NOW)?;
        for i in 0..20 {
            let text = format!("letter {} {}", i % 7, "x".repeat(i * 900));
            let id = format!("<{i}@office.test>");
            let body = prepared(text.as_bytes(), Some(&id), &["0@office.test"]);
            let mut new = letter_of(body, &["$Work"]);
            new.prefix = b"Delivered-To: somebody\r\n".to_vec();
            let added = deliver(batch, ALICE, INBOX, &new)?;
            deliver(batch, BOB, INBOX, &new)?;
            trace::put(batch, added.body, &crate::store::format::Trace::default())?;
        }
        mail::copy(batch, ALICE, INBOX, &[1, 2, 3], MailboxId(2), false, NOW)?;
        mail::copy(batch, ALICE, INBOX, &[4, 6, 8], MailboxId(3), true, NOW)?;
        mail::expunge(batch, BOB, INBOX, Some(&[1, 3, 4, 5, 9]), true)?;
        Ok(())
    };
    office.write(make).expect("some life");
    let big = letter_of(prepared(&messages::noise(300_000, 9), None, &[]), &[]);
    office.append(ALICE, INBOX, big).expect("a big one");
    office
}

/// Everything in a store that a client can see.
pub(super) fn picture(store: &Store) -> Vec<String> {
    let read = store.snapshot().expect("a snapshot");
    let mut lines = Vec::new();
    for (id, account) in account::list(&read).expect("accounts") {
        for mailbox in mailbox::list(&read, id).expect("mailboxes") {
            lines.push(format!("{} {:?}", account.login, mailbox.name));
            mail::rows(&read, id, mailbox.id, 0, u32::MAX, &mut |uid, row| {
                let octets = mail::octets(&read, &row, 0, u64::MAX)?;
                let ids = (row.email_id, row.thread_id, row.flags, row.internal_date);
                lines.push(format!("{uid} {ids:?} {:x?}", crc32fast::hash(&octets)));
                Ok(true)
            })
            .expect("messages");
        }
    }
    lines
}

#[test]
fn a_store_that_lives_is_found_good_and_counted() {
    let office = lived_in();
    let mut told = Vec::new();
    let report = verify::verify(&office.store, &mut |done, all| told.push((done, all)));
    let report = report.expect("a check");
    assert_eq!(report.faults, Vec::<String>::new());
    assert_eq!((report.accounts, report.messages), (2, 20 + 15 + 3 + 1));
    assert_eq!(report.bodies, 21);
    assert!(told.is_sorted() && told.last().is_some_and(|&(done, all)| done == all && all > 0));
}

/// Changes octets of the store's file where `pattern` stands.
pub(super) fn damage(folder: &Path, pattern: &[u8]) {
    let path = folder.join("data.mdb");
    let mut file = std::fs::read(&path).expect("the file");
    let places: Vec<usize> = file
        .windows(pattern.len())
        .enumerate()
        .filter_map(|(at, octets)| (octets == pattern).then_some(at))
        .collect();
    assert!(!places.is_empty(), "the pattern stands in the file");
    for at in places {
        *file.get_mut(at + pattern.len() / 2).expect("in the file") ^= 0x20;
    }
    std::fs::write(&path, file).expect("the file");
}

#[test]
fn flipped_octets_are_found_and_named() {
    let office = lived_in();
    let marked = messages::noise(3_000, 4_711);
    let mut new = letter_of(prepared(&marked, Some("<m@x>"), &[]), &[]);
    new.prefix = b"X-Mark: this very row\r\n".to_vec();
    let added = office.append(BOB, MailboxId(4), new).expect("an append");
    let Office { store, folder } = office;
    drop(store);
    damage(&folder.store(), b"this very row");
    damage(&folder.store(), marked.get(1_000..1_016).expect("some of it"));
    let store = Store::open(&folder.store(), Options::default()).expect("it still opens");
    let found = faults(&store);
    let row = "message 1 of mailbox 4 of account 2: the checksum is wrong".to_string();
    let part = format!("part 0 of mail {}: the checksum is wrong", added.body);
    assert!(found.contains(&row) && found.contains(&part), "{found:?}");
    // Reading it says so; the others are read as ever.
    let read = store.snapshot().expect("a snapshot");
    assert_eq!(mail::row(&read, BOB, MailboxId(4), 1), Err(StoreError::Corrupt(row)));
    let good = mail::row(&read, ALICE, INBOX, 1).expect("a row").expect("the row");
    assert!(mail::octets(&read, &good, 0, 99).is_ok());
    drop(read);
    // The mailbox with the damaged message can be deleted.
    let delete = |b: &mut Batch| mailbox::delete(b, BOB, "Junk");
    assert_eq!(store.write_blocking(delete), Ok(()));
}

#[test]
fn rows_that_contradict_each_other_are_found() {
    let office = lived_in();
    assert_eq!(faults(&office.store), Vec::<String>::new());
    office.write(spoil).expect("some wrong rows");
    let found = faults(&office.store).join("\n");
    for said in [
        "mailbox 1 of account 1: counts 19 messages and has 18",
        "mailbox 1 of account 1: has UID 21 and would give 3 next",
        "messages have this body and",
        "mailbox 2 of account 2: its name is missing",
        "mail 7: a body without a head",
    ] {
        assert!(found.contains(said), "{said} in {found}");
    }
}

/// Writes rows that cannot be true.
pub(super) fn spoil(batch: &mut Batch) -> Result<()> {
    let mut tail_key = vec![tag::MAIL, 0, 0, 0, 1, 0, 0, 0, 1];
    tail_key.push(0xff);
    let tail = batch.get(&tail_key)?.unwrap_or_default();
    let mut tail = MailboxTail::decode(tail.as_slice()).expect("counters");
    tail.messages += 1;
    tail.uidnext = 3;
    batch.put(&tail_key, &tail.encode_to_vec())?;
    let mut index = None;
    batch.scan(&[tag::INDEX], &[tag::INDEX + 1], &mut |key, payload| {
        if key.get(9) == Some(&0) {
            index = Some((key.to_vec(), payload.to_vec()));
        }
        Ok(true)
    })?;
    let (key, payload) = index.expect("a body");
    let mut body = BodyRef::decode(payload.as_slice()).expect("a reference");
    body.references += 1;
    batch.put(&key, &body.encode_to_vec())?;
    batch.delete(&[tag::NAME, 0, 0, 0, 2, 0, 0, 0, 2])?;
    batch.put(b"J\0\0\0\0\0\0\0\x07\x01\0\0\0\0", b"part of nothing")
}

#[test]
fn rows_of_the_outbox_are_held_against_their_drawing() {
    let office = Office::new();
    let send = |batch: &mut Batch| {
        for number in 1..=4 {
            let to = Address::parse("friend@elsewhere.test").expect("an address");
            let new = NewOutgoing {
                body: std::sync::Arc::new(prepared(
                    format!("letter {number}").as_bytes(),
                    None,
                    &[],
                )),
                sender: Address::parse("alice@office.test").ok(),
                smtputf8: false,
                eight_bit: false,
                ret: None,
                envid: None,
                recipients: vec![NewRecipient { to, notify: None, orcpt: None }],
                prefix: Vec::new(),
                report_to: None,
                now: NOW,
            };
            outbox::put(batch, MailId(number), &new)?;
        }
        Ok(())
    };
    office.write(send).expect("the outbox");
    assert_eq!(faults(&office.store), Vec::<String>::new());
    let spoil = |batch: &mut Batch| {
        let key = |due: i64, id: u64| [&b"O"[..], &due.to_be_bytes(), &id.to_be_bytes()].concat();
        let row = |batch: &Batch, id: u64| {
            let row = batch.get(&key(NOW, id))?.expect("a row");
            Ok::<_, StoreError>(Outgoing::decode(row.as_slice()).expect("a row"))
        };
        // One at two times, one due at another, one to nobody that could be, one from nowhere.
        let mut twice = row(batch, 1)?;
        twice.recipients[0].next = NOW + 60;
        batch.put(&key(NOW + 60, 1), &twice.encode_to_vec())?;
        let mut late = row(batch, 2)?;
        late.recipients[0].next = NOW + 60;
        batch.put(&key(NOW, 2), &late.encode_to_vec())?;
        let mut odd = row(batch, 3)?;
        odd.recipients[0].address = "no address".to_string();
        batch.put(&key(NOW, 3), &odd.encode_to_vec())?;
        let mut nowhere = row(batch, 4)?;
        nowhere.sender = "nowhere".to_string();
        batch.put(&key(NOW, 4), &nowhere.encode_to_vec())
    };
    office.write(spoil).expect("some wrong rows");
    let found = faults(&office.store).join("\n");
    for said in [
        "outgoing mail 1: stands at two times",
        "outgoing mail 2: is due at another time",
        "outgoing mail 3: a recipient makes no sense",
        "outgoing mail 4: its sender is no address",
        "mail 1: says 1 messages have this body and 2 do",
    ] {
        assert!(found.contains(said), "{said} in {found}");
    }
}

#[test]
fn a_backup_made_while_mail_flows_is_of_one_moment() {
    let office = lived_in();
    let store = office.store.clone();
    let writer = std::thread::spawn(move || {
        for i in 0..100 {
            let new = letter(&format!("while it copies {i}"));
            let both = move |batch: &mut Batch| {
                deliver(batch, ALICE, INBOX, &new)?;
                deliver(batch, BOB, INBOX, &new)
            };
            store.write_blocking(both).expect("a delivery");
        }
    });
    let file = office.folder.path().join("copy.backup");
    let size =
        backup::backup(&office.store, &Parts::new(), &file, &mut |_, _| {}).expect("a backup");
    writer.join().expect("the writer");
    assert_eq!(std::fs::metadata(&file).expect("the file").len(), size);
    let again = backup::backup(&office.store, &Parts::new(), &file, &mut |_, _| {});
    assert_eq!(again, Err(StoreError::Exists("a file of this name")));

    let dir = office.folder.path().join("second");
    restore(&file, &dir, false).expect("a restore");
    let second = Store::open(&dir, Options::default()).expect("the restored store");
    assert_eq!(faults(&second), Vec::<String>::new());
    let count = |account| {
        mail::uids(&second.snapshot().expect("a snapshot"), account, INBOX).expect("uids").len()
    };
    assert_eq!(count(ALICE) - 18, count(BOB) - 15, "both or none of each delivery");
}

#[test]
fn mail_that_arrives_during_a_backup_does_not_wait_for_its_end() {
    let options = Options { map_bytes: 1 << 20, map_step_bytes: 16 << 20, ..Options::default() };
    let office = Office::with(options);
    // What a backup does before it reads: as long as it reads the map cannot grow.
    office.store.make_room_blocking().expect("room");
    let reads = office.store.snapshot().expect("a snapshot that lasts as long as a backup");
    let store = office.store.clone();
    let (done, waiting) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for seed in 0..30 {
            let body = prepared(&messages::noise(100_000, 300 + 2 * seed), None, &[]);
            let new = letter_of(body, &[]);
            let written = store.write_blocking(move |b| deliver(b, BOB, INBOX, &new));
            done.send(written.is_ok()).expect("somebody waits");
        }
    });
    for _ in 0..30 {
        let written = waiting.recv_timeout(std::time::Duration::from_secs(120));
        assert_eq!(written, Ok(true), "the writer waits for the reader");
    }
    drop(reads);
    let file = office.folder.path().join("copy.backup");
    backup::backup(&office.store, &Parts::new(), &file, &mut |_, _| {}).expect("a backup");
}

#[test]
fn a_restored_store_shows_the_same_and_goes_on_above() {
    let office = lived_in();
    let file = office.folder.path().join("copy.backup");
    backup::backup(&office.store, &Parts::new(), &file, &mut |_, _| {}).expect("a backup");
    let before = picture(&office.store);
    let lost = office.add(ALICE, "lost with the old store");
    let tail = |store: &Store| {
        let read = store.snapshot().expect("a snapshot");
        mailbox::get(&read, ALICE, INBOX).expect("read").expect("INBOX").tail
    };
    let old_tail = tail(&office.store);
    let Office { store, folder } = office;
    let refused = restore(&file, &folder.store(), true);
    assert_eq!(refused, Err(StoreError::Locked), "the server is running");
    drop(store);
    assert_eq!(restore(&file, &folder.store(), false), Err(StoreError::Exists("a store")));
    restore(&file, &folder.store(), true).expect("a restore");
    let store = Store::open(&folder.store(), Options::default()).expect("the restored store");
    assert_eq!(picture(&store), before);
    assert_eq!(faults(&store), Vec::<String>::new());
    // A client that knows the lost message sees it vanish, and no UID means two messages.
    let read = store.snapshot().expect("a snapshot");
    let since = crate::store::change::expunged_since(&read, ALICE, INBOX, old_tail.highestmodseq);
    assert_eq!(since, Ok(None));
    drop(read);
    assert!(tail(&store).highestmodseq > old_tail.highestmodseq);
    let office = Office { store, folder };
    assert!(office.add(ALICE, "new").uid > lost.uid);
    // The old store's file is kept and is a backup itself.
    let old = office.folder.store().join("before-restore-1");
    let dir = office.folder.path().join("third");
    restore(&old, &dir, false).expect("a restore of the old one");
    let third = Store::open(&dir, Options::default()).expect("the old store");
    assert!(
        mail::row(&third.snapshot().expect("a snapshot"), ALICE, INBOX, lost.uid)
            .expect("a row")
            .is_some()
    );
}

#[test]
fn what_belongs_to_the_office_comes_back_with_its_store() {
    let office = lived_in();
    let file = office.folder.path().join("copy.backup");
    let key = messages::noise(70_000, 3);
    let parts = Parts::from([
        ("mailroom.toml".to_string(), b"host = \"mail.office.test\"\n".to_vec()),
        ("tls/host.key".to_string(), key),
        ("dkim/office.test/active".to_string(), Vec::new()),
    ]);
    backup::backup(&office.store, &parts, &file, &mut |_, _| {}).expect("a backup");
    let dir = office.folder.path().join("second");
    let put = std::cell::RefCell::new(Vec::new());
    let settle = |parts: &mut Parts| {
        parts.remove("dkim/office.test/active");
        Ok(())
    };
    let write = |side: &Path, parts: &Parts| {
        std::fs::create_dir(side).expect("a folder for them");
        put.borrow_mut().push(parts.clone());
        Ok(())
    };
    let keep = |side: &Path| {
        assert!(side.exists() && !dir.join("data.mdb").exists(), "the store is put last");
        Ok(())
    };
    let ways: backup::Ways<'_> = (&settle, &write, &keep);
    assert_eq!(backup::restore((&file, None), &dir, false, ways), Ok(true));
    let mut settled = parts.clone();
    settle(&mut settled).expect("settled");
    assert_eq!(put.into_inner(), [settled], "as they were written, and settled");
    let second = Store::open(&dir, Options::default()).expect("the restored store");
    assert_eq!(picture(&second).len(), picture(&office.store).len());

    // A backup of before is the store's file alone.
    drop(second);
    let third = office.folder.path().join("third");
    let never = |_: &Path, _: &Parts| panic!("it has none");
    let ways: backup::Ways<'_> = (&|_| Ok(()), &never, &|_| panic!("it has none"));
    let old = backup::restore((&dir.join("data.mdb"), None), &third, false, ways);
    assert_eq!(old, Ok(false));

    // What cannot be written leaves the store as it was.
    let before = std::fs::read(third.join("data.mdb")).expect("the store");
    let full = |_: &Path, _: &Parts| Err(StoreError::DiskFull);
    let ways: backup::Ways<'_> = (&|_| Ok(()), &full, &|_| panic!("nothing was decided"));
    let failed = backup::restore((&file, None), &third, true, ways);
    assert_eq!(failed, Err(StoreError::DiskFull));
    assert!(before == std::fs::read(third.join("data.mdb")).expect("the store"));
}

#[test]
fn a_backup_that_was_cut_or_changed_in_its_head_is_refused() {
    let office = lived_in();
    let file = office.folder.path().join("copy.backup");
    let parts = Parts::from([("mailroom.toml".to_string(), messages::noise(5_000, 4))]);
    backup::backup(&office.store, &parts, &file, &mut |_, _| {}).expect("a backup");
    let whole = std::fs::read(&file).expect("the backup");
    let dir = office.folder.path().join("second");
    let wrong = office.folder.path().join("wrong");
    let tried = |octets: &[u8], what: &str| {
        std::fs::write(&wrong, octets).expect("a file");
        let refused = restore(&wrong, &dir, false).expect_err(what);
        assert!(!matches!(refused, StoreError::Engine(_)), "{what}: {refused}");
        assert!(!dir.join("data.mdb").exists(), "{what}");
    };
    let places = (0..48).chain([4_000, 8_191, 8_192, 8_193, whole.len() / 2, whole.len() - 1]);
    for length in places {
        tried(&whole[..length], &format!("cut at {length}"));
    }
    for at in (0..40).chain([41, 60, 5_030]) {
        let mut octets = whole.clone();
        octets[at] ^= 0x41;
        tried(&octets, &format!("octet {at} is another"));
    }
    let twice = [whole.as_slice(), b"x"].concat();
    tried(&twice, "more than it says");
    restore(&file, &dir, false).expect("and the whole one is taken");
}

#[test]
fn a_file_that_is_no_good_backup_changes_nothing() {
    let office = lived_in();
    let path = office.folder.path().to_path_buf();
    let file = path.join("copy.backup");
    backup::backup(&office.store, &Parts::new(), &file, &mut |_, _| {}).expect("a backup");
    let before = picture(&office.store);
    let Office { store, folder } = office;
    drop(store);
    let wrong = path.join("wrong");
    std::fs::write(&wrong, "From bob@office.test\r\n".repeat(99)).expect("a file");
    let no_backup = Err(StoreError::Invalid("the file is no backup of a store"));
    assert_eq!(restore(&wrong, &folder.store(), true), no_backup);
    let nothing = restore(&path.join("nothing"), &folder.store(), true);
    assert!(matches!(nothing, Err(StoreError::Engine(_))));
    let mut octets = std::fs::read(&file).expect("the backup");
    let noise = messages::noise(300_000, 9);
    let piece = noise.get(70_000..70_032).expect("some of it");
    let at = octets.windows(32).position(|it| it == piece).expect("the piece is in the file");
    *octets.get_mut(at).expect("in the file") ^= 1;
    std::fs::write(&wrong, octets).expect("a file");
    let damaged = restore(&wrong, &folder.store(), true);
    assert!(matches!(&damaged, Err(StoreError::Corrupt(what)) if what.contains("part 8 of mail")));
    let store = Store::open(&folder.store(), Options::default()).expect("the store as it was");
    assert_eq!(picture(&store), before);
    assert!(!folder.store().join("restoring").exists());
}

#[test]
fn compacting_gives_the_room_back_while_the_store_is_open() {
    let office = lived_in();
    let fill = |batch: &mut Batch| {
        for seed in 0..40 {
            let body = prepared(&messages::noise(100_000, 100 + 2 * seed), None, &[]);
            deliver(batch, BOB, MailboxId(2), &letter_of(body, &[]))?;
        }
        Ok(())
    };
    office.write(fill).expect("much");
    office.write(|b| mail::expunge(b, BOB, MailboxId(2), None, true)).expect("nothing again");
    let before = picture(&office.store);
    let space = office.store.space().expect("space");
    assert!(space.free > 3_000_000 && space.file > space.free && space.disk > 0, "{space:?}");
    let held = office.store.snapshot().expect("a snapshot");
    let store = office.store.clone();
    let compacting = std::thread::spawn(move || backup::compact(&store, &mut |_, _| {}));
    // A snapshot that is open reads on; the swap waits for it.
    assert!(mail::row(&held, ALICE, INBOX, 1).expect("a row").is_some());
    drop(held);
    let (old, new) = compacting.join().expect("no panic").expect("compacted");
    assert!(new + 3_000_000 < old, "{old} {new}");
    assert_eq!(picture(&office.store), before);
    office.add(ALICE, "goes on");
    assert_eq!(faults(&office.store), Vec::<String>::new());
    let office = office.reopen();
    assert_eq!(faults(&office.store), Vec::<String>::new());
}
