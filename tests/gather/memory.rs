//! The memory of what was brought: exact, written with the mail, known to every checker.

use crate::store::brought::{Folder, content};
use crate::store::verify;
use crate::store::verify::night::Night;
use crate::store::{Store, account};
use crate::tests::store::{ALICE, BOB, NOW, Office};

fn inbox() -> Folder {
    Folder::new(ALICE, "Carl@Provider.test", b"INBOX")
}

fn note(store: &Store, folder: &Folder, uidvalidity: u32, uids: &[u32]) {
    let notes: Vec<(u32, u64)> =
        uids.iter().map(|uid| (*uid, content(uid.to_string().as_bytes()))).collect();
    let folder = folder.clone();
    store.write_blocking(move |batch| folder.note(batch, uidvalidity, &notes, NOW)).expect("noted");
}

fn faults(store: &Store) -> Vec<String> {
    let mut night = Night::new();
    while !night.slice(store).expect("a slice").done {}
    assert_eq!(night.result(NOW).faults, 0, "{:?}", night.result(NOW).told);
    verify::verify(store, &mut |_, _| ()).expect("verified").faults
}

#[test]
fn it_knows_each_message_and_no_other() {
    let office = Office::new();
    let folder = inbox();
    let some = [1, 2, 127, 128, 129, 4_000_000_000, u32::MAX];
    note(&office.store, &folder, 7, &some);
    note(&office.store, &folder, 7, &[2, 3]);
    let read = office.store.snapshot().expect("a snapshot");
    let asked: Vec<u32> = (1..200).chain([4_000_000_000, u32::MAX - 1, u32::MAX]).collect();
    let expected: Vec<u32> =
        asked.iter().copied().filter(|uid| !some.contains(uid) && *uid != 3).collect();
    assert_eq!(folder.missing(&read, 7, &asked), Ok(expected));
    assert_eq!(folder.missing(&read, 8, &[1]), Ok(vec![1]), "another UIDVALIDITY");
    for other in [
        Folder::new(BOB, "carl@provider.test", b"INBOX"),
        Folder::new(ALICE, "carl@provider.test", b"Inbox"),
        Folder::new(ALICE, "carla@provider.test", b"INBOX"),
    ] {
        assert_eq!(other.has(&read, 7, 1), Ok(false), "{other:?}");
    }
    let same = Folder::new(ALICE, "carl@provider.TEST", b"INBOX");
    assert_eq!(same.has(&read, 7, 1), Ok(true));
    drop(read);
    assert_eq!(faults(&office.store), Vec::<String>::new());
}

#[test]
fn a_new_uidvalidity_meets_what_came_under_the_old() {
    let office = Office::new();
    let folder = inbox();
    note(&office.store, &folder, 7, &[1, 2, 300]);
    let meet = |uidvalidity| {
        let read = office.store.snapshot().expect("a snapshot");
        let mut found: Vec<(u64, u32)> =
            folder.to_meet(&read, uidvalidity).expect("read").into_iter().collect();
        found.sort_unstable();
        found
    };
    assert_eq!(meet(7), [], "nothing came under another");
    let mut all: Vec<(u64, u32)> = ["1", "2", "300"].map(|it| (content(it.as_bytes()), 1)).into();
    all.sort_unstable();
    assert_eq!(meet(9), all);
    // One was met under the new value, and the line was cut.
    let one = content(b"2");
    let cut = folder.clone();
    let job = move |batch: &mut crate::store::Batch| cut.note(batch, 9, &[(55, one)], NOW);
    office.store.write_blocking(job).expect("noted");
    all.retain(|(content, _)| *content != one);
    assert_eq!(meet(9), all);
    let settled = folder.clone();
    office.store.write_blocking(move |batch| settled.settle(batch, 9)).expect("settled");
    assert_eq!(meet(9), []);
    let read = office.store.snapshot().expect("a snapshot");
    assert_eq!(folder.has(&read, 7, 1), Ok(false), "the old is forgotten");
    assert_eq!(folder.has(&read, 9, 55), Ok(true));
    drop(read);
    assert_eq!(faults(&office.store), Vec::<String>::new());
}

#[test]
fn it_goes_with_the_account() {
    let office = Office::new();
    note(&office.store, &inbox(), 7, &[1]);
    office.store.write_blocking(|batch| account::delete(batch, ALICE)).expect("deleted");
    let read = office.store.snapshot().expect("a snapshot");
    assert_eq!(inbox().has(&read, 7, 1), Ok(false));
    drop(read);
    assert_eq!(faults(&office.store), Vec::<String>::new());
}
