//! The engine and the writer: shared commits, a map that grows, a disk that is full, one process.

use super::{ALICE, BOB, Folder, NOW, Office, deliver, letter, letter_of, messages, prepared};
use crate::store::writer::Options;
use crate::store::{Batch, INBOX, Read, Result, Store, StoreError, backup, mail, verify};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

fn noisy(length: usize, seed: u64) -> mail::NewMail {
    letter_of(prepared(&messages::noise(length, seed), None, &[]), &[])
}

fn count(store: &Store) -> usize {
    mail::uids(&store.snapshot().expect("a snapshot"), ALICE, INBOX).expect("uids").len()
}

/// Runs `jobs` in one group: the writer is kept busy until all of them are queued.
fn together(office: &Office, jobs: Vec<Job>) -> Vec<Result<u32>> {
    let (release, wait) = mpsc::channel::<()>();
    let (started, running) = mpsc::channel::<()>();
    let store = office.store.clone();
    let keeper = std::thread::spawn(move || {
        store.write_blocking(move |_| {
            let _ = started.send(());
            let _ = wait.recv();
            Ok(())
        })
    });
    running.recv().expect("the writer is busy");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let results = runtime.block_on(async {
        let mut tasks = Vec::new();
        for mut job in jobs {
            let store = office.store.clone();
            tasks.push(tokio::spawn(async move { store.write(move |b| job(b)).await }));
        }
        tokio::task::yield_now().await;
        release.send(()).expect("the writer goes on");
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.expect("a result"));
        }
        results
    });
    assert_eq!(keeper.join().expect("no panic"), Ok(()));
    results
}

type Job = Box<dyn FnMut(&mut Batch) -> Result<u32> + Send>;

fn adding(text: &'static str) -> Job {
    Box::new(move |batch| Ok(deliver(batch, ALICE, INBOX, &letter(text))?.uid))
}

#[test]
fn one_bad_job_spoils_no_other_of_its_commit() {
    let office = Office::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let failing = || -> Job {
        Box::new(|batch| {
            deliver(batch, ALICE, INBOX, &letter("must not stay"))?;
            Err(StoreError::Invalid("thought better of it"))
        })
    };
    let jobs: Vec<Job> = vec![
        Box::new(move |batch| {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(deliver(batch, ALICE, INBOX, &letter("one"))?.uid)
        }),
        failing(),
        adding("two"),
        Box::new(|batch| {
            deliver(batch, BOB, INBOX, &letter("must not stay either"))?;
            panic!("a fault in the program")
        }),
        failing(),
        Box::new(|batch| mail::expunge(batch, ALICE, INBOX, Some(&[77]), true).map(|_| 0)),
        Box::new(|_| Err(StoreError::NotFound("anything"))),
        adding("three"),
    ];
    let results = together(&office, jobs);
    let bad = Err(StoreError::Invalid("thought better of it"));
    let panicked = Err(StoreError::Engine("a write panicked: a fault in the program".to_string()));
    let nothing = Err(StoreError::NotFound("anything"));
    let right = [Ok(1), bad.clone(), Ok(2), panicked, bad, Ok(0), nothing, Ok(3)];
    assert_eq!(results, right);
    assert_eq!(runs.load(Ordering::SeqCst), 2, "the group ran again without the bad one");
    let report = verify::verify(&office.store, &mut |_, _| {}).expect("a check");
    assert_eq!((report.messages, report.faults), (3, vec![]));
    // What was counted for the quota while it ran is not counted twice.
    let read = office.store.snapshot().expect("a snapshot");
    assert_eq!(crate::store::account::usage(&read, ALICE), Ok((11, 3)));
}

#[test]
fn jobs_run_in_the_order_they_came_and_changes_are_told_first() {
    let office = Office::new();
    let watch = office.store.hub().watch(ALICE, INBOX);
    let texts = ["a", "b", "c", "d", "e", "f"];
    let results = together(&office, texts.into_iter().map(adding).collect());
    assert_eq!(results, (1..=6).map(Ok).collect::<Vec<_>>());
    let crate::store::change::Taken::Changes(changes) = watch.take() else { panic!("not lost") };
    let modseqs: Vec<u64> = changes.iter().map(|change| change.modseq).collect();
    assert_eq!(modseqs, [2, 3, 4, 5, 6, 7]);
}

#[test]
fn the_map_grows_while_snapshots_come_and_go() {
    let small = Options { map_bytes: 1 << 20, map_step_bytes: 1 << 20, ..Options::default() };
    let office = Office::with(small);
    let store = office.store.clone();
    let stop = Arc::new(AtomicUsize::new(0));
    let done = stop.clone();
    // A reader that is nearly always inside, twice.
    let reader = std::thread::spawn(move || {
        while done.load(Ordering::SeqCst) == 0 {
            let first = store.snapshot().expect("a snapshot");
            let second = store.snapshot().expect("a second snapshot");
            let uids = |read| mail::uids(read, ALICE, INBOX).expect("uids").len();
            assert!(uids(&first) <= uids(&second));
        }
    });
    for seed in 0..30 {
        let new = noisy(200_000, 2 * seed);
        office.append(ALICE, INBOX, new).expect("a delivery beyond the map");
    }
    stop.store(1, Ordering::SeqCst);
    reader.join().expect("the reader");
    assert_eq!(count(&office.store), 30);
    let report = verify::verify(&office.store, &mut |_, _| {}).expect("a check");
    assert_eq!(report.faults, Vec::<String>::new());
    assert_eq!(count(&office.reopen().store), 30);
}

#[test]
fn a_thread_with_a_snapshot_gets_another_while_the_map_wants_to_grow() {
    let office =
        Office::with(Options { map_bytes: 1 << 20, map_step_bytes: 1 << 20, ..Options::default() });
    let held = office.store.snapshot().expect("a snapshot");
    let store = office.store.clone();
    let (started, begun) = mpsc::channel();
    let writer = std::thread::spawn(move || {
        let new = noisy(3_000_000, 5);
        store.write_blocking(move |batch| {
            let _ = started.send(());
            deliver(batch, ALICE, INBOX, &new)
        })
    });
    begun.recv().expect("the job runs");
    for _ in 0..20 {
        office.store.snapshot().expect("a second snapshot beside the first");
    }
    drop(held);
    assert_eq!(writer.join().expect("no panic").expect("a delivery").uid, 1);
}

/// Whoever looks at the room the file takes must not hold what the swap of the file waits for.
#[test]
fn the_file_is_swapped_while_others_look_at_its_size() {
    let office = Office::new();
    for seed in 0..4 {
        office.append(ALICE, INBOX, noisy(50_000, 2 * seed)).expect("a delivery");
    }
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while done.load(Ordering::SeqCst) == 0 {
                    office.store.space().expect("the room it takes");
                }
            });
        }
        for _ in 0..5 {
            let held = office.store.snapshot().expect("a snapshot");
            let (told, wait) = mpsc::channel();
            let store = office.store.clone();
            scope.spawn(move || told.send(backup::compact(&store, &mut |_, _| {})));
            // While the compaction waits for the snapshot, those who look give way for a while.
            for _ in 0..3 {
                office.store.space().expect("the room it takes");
            }
            drop(held);
            let compacted = wait.recv_timeout(std::time::Duration::from_secs(60));
            compacted.expect("it ends").expect("a compaction");
        }
        done.store(1, Ordering::SeqCst);
    });
    assert_eq!(count(&office.store), 4);
}

#[test]
fn what_fails_before_it_writes_has_used_no_quota() {
    let office = Office::new();
    let mail = office.append(ALICE, INBOX, noisy(1_000, 2)).expect("a delivery").body;
    let quota = |batch: &mut Batch| {
        crate::store::account::update(batch, ALICE, &mut |account| {
            account.quota = 3_500;
            Ok(())
        })
    };
    office.write(quota).expect("a quota");
    // The head of the body cannot be read: it can be copied no more.
    let key = [b"J".as_slice(), &mail.0.to_be_bytes(), &[0]].concat();
    office.write(move |batch| batch.put(&key, b"\xff\xff")).expect("a damaged row");
    for _ in 0..10 {
        let copy = |b: &mut Batch| mail::copy(b, ALICE, INBOX, &[1], INBOX, false, NOW);
        assert!(matches!(office.write(copy), Err(StoreError::Corrupt(_))));
    }
    office.append(ALICE, INBOX, noisy(1_000, 4)).expect("the quota has room for this");
}

#[test]
fn near_a_full_disk_nothing_is_added_and_deleting_works() {
    let office = Office::new();
    office.add(ALICE, "old");
    let Office { store, folder } = office;
    drop(store);
    let options = Options { disk_reserve_bytes: u64::MAX, ..Options::default() };
    let store = Store::open(&folder.store(), options).expect("the store");
    let office = Office { store, folder };
    assert_eq!(office.append(ALICE, INBOX, letter("new")), Err(StoreError::DiskFull));
    let copy =
        |b: &mut Batch| mail::copy(b, ALICE, INBOX, &[1], crate::store::MailboxId(2), false, NOW);
    assert_eq!(office.write(copy), Err(StoreError::DiskFull));
    let delete = |b: &mut Batch| mail::expunge(b, ALICE, INBOX, None, true);
    assert_eq!(office.write(delete).expect("an expunge").0, [1]);
}

/// On a disk that is full to the brim a hole in this file would end the process at its start.
#[test]
fn the_table_of_readers_has_all_its_room_from_the_first_opening_on() {
    use std::os::unix::fs::MetadataExt;
    let office = Office::new();
    let table = office.folder.store().join("lock.mdb");
    let holes = || {
        let data = std::fs::metadata(&table).expect("the table");
        data.len().saturating_sub(data.blocks() * 512)
    };
    assert_eq!(holes(), 0);
    // What a power cut left of an older version's.
    let Office { store, folder } = office;
    drop(store);
    let file = std::fs::File::options().write(true).open(&table).expect("the table");
    let length = file.metadata().expect("its size").len();
    file.set_len(0).and_then(|()| file.set_len(length)).expect("nothing but a hole");
    assert!(holes() > 0);
    drop(Store::open(&folder.store(), Options::default()).expect("the store"));
    assert_eq!(holes(), 0);
}

const CHILD: &str = "MAILROOM_TEST_FULL_DISK";

/// The limit on the size of files stands in for a disk that ends: a write beyond it fails, also in
/// the middle of a commit. A process of its own, since the limit is one of the whole process.
#[test]
fn a_disk_that_ends_in_the_middle_of_a_commit_is_a_full_disk() {
    let folder = Folder::new();
    let test = "tests::store::engine::child_writes_until_its_disk_is_full";
    let script = "trap '' XFSZ; ulimit -f 6000; exec \"$0\" --exact \"$1\"";
    let status = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().expect("this program"))
        .arg(test)
        .env(CHILD, folder.path())
        .stdout(std::process::Stdio::null())
        .status()
        .expect("a child");
    assert!(status.success());
    let letters = std::fs::read_to_string(folder.path().join("done")).expect("the child ran");
    let letters: usize = letters.parse().expect("a number");
    let store = Store::open(&folder.store(), Options::default()).expect("the store");
    let report = verify::verify(&store, &mut |_, _| {}).expect("a check");
    assert_eq!(report.faults, Vec::<String>::new());
    assert_eq!(count(&store), letters);
}

#[test]
fn child_writes_until_its_disk_is_full() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let path = std::path::PathBuf::from(path);
    let options = Options { disk_reserve_bytes: 0, ..Options::default() };
    let store = Store::open(&path.join("store"), options).expect("a store");
    let domain = |b: &mut Batch| crate::store::address::add_domain(b, "office.test", NOW);
    store.write_blocking(domain).expect("a domain");
    store.write_blocking(|b| super::add_person(b, "alice")).expect("alice");
    let mut kept = 0;
    let full = loop {
        let new = noisy(20_000, 2 * kept);
        match store.write_blocking(move |b| deliver(b, ALICE, INBOX, &new)) {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(full, StoreError::DiskFull);
    assert!(kept > 20, "{kept} letters fit");
    // Reading and deleting go on, and make room.
    assert_eq!(count(&store) as u64, kept);
    let half: Vec<u32> = (1..=10).collect();
    for uid in half {
        let delete = move |b: &mut Batch| mail::expunge(b, ALICE, INBOX, Some(&[uid]), true);
        store.write_blocking(delete).expect("deleting works on a full disk");
    }
    for seed in 0..3 {
        let new = noisy(20_000, 100_000 + 2 * seed);
        store.write_blocking(move |b| deliver(b, ALICE, INBOX, &new)).expect("there is room");
    }
    let left = count(&store).to_string();
    std::fs::write(path.join("done"), left).expect("the result");
}

/// A process that the last owner began just now holds the lock until it runs its program: whoever
/// opens meanwhile waits for a moment instead of failing.
#[test]
fn a_lock_about_to_be_given_back_is_waited_for() {
    let folder = super::Folder::new();
    let path = folder.store();
    // A machine that stands still for longer than the wait spoils a round, not all of them.
    let opened_while_held = || {
        let held = Store::open(&path, Options::default()).expect("a store");
        let (tell, told) = std::sync::mpsc::channel();
        let path = path.clone();
        let opener = std::thread::spawn(move || {
            tell.send(()).expect("somebody waits");
            Store::open(&path, Options::default()).map(drop)
        });
        told.recv().expect("the thread began");
        std::thread::sleep(crate::limits::STORE_LOCK / 8);
        drop(held);
        opener.join().expect("no panic").is_ok()
    };
    assert!((0..10).any(|_| opened_while_held()));
}

#[test]
fn another_opening_is_refused_until_the_first_is_closed() {
    let office = Office::new();
    let again = || Store::open(&office.folder.store(), Options::default());
    assert!(matches!(again(), Err(StoreError::Locked)));
    let other = office.store.clone();
    office.store.close();
    assert_eq!(other.write_blocking(|_| Ok(())), Err(StoreError::Stopped));
    assert!(matches!(other.snapshot(), Err(StoreError::Stopped)));
    // The lock is held until the last handle is gone.
    let Office { store, folder } = office;
    drop((store, other));
    Store::open(&folder.store(), Options::default()).expect("now it opens");
}

#[test]
fn what_is_queued_is_written_before_the_store_closes() {
    let office = Office::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        for _ in 0..50 {
            let store = office.store.clone();
            tokio::spawn(async move {
                let job = |b: &mut Batch| deliver(b, ALICE, INBOX, &letter("queued"));
                let _ = store.write(job).await;
            });
        }
        tokio::task::yield_now().await;
    });
    // The callers are gone; their work is not.
    drop(runtime);
    assert_eq!(count(&office.reopen().store), 50);
}

#[test]
fn a_store_of_the_future_is_refused() {
    let office = Office::new();
    let newer = |batch: &mut Batch| {
        let mut version: crate::store::format::Version =
            prost::Message::decode(batch.get(b"V")?.unwrap_or_default().as_slice())
                .map_err(|_| StoreError::NotFound("version"))?;
        version.format += 1;
        batch.put(b"V", &prost::Message::encode_to_vec(&version))
    };
    office.write(newer).expect("a newer version");
    let Office { store, folder } = office;
    drop(store);
    let refused = Store::open(&folder.store(), Options::default()).map(drop);
    assert_eq!(refused, Err(StoreError::Newer { found: 2, known: 1 }));
}

#[test]
fn the_folder_and_its_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let office = Office::new();
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
    };
    assert_eq!(mode(&office.folder.store()), 0o700);
    for entry in std::fs::read_dir(office.folder.store()).expect("a folder") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}
