//! A store that keeps still while its file is copied.

use super::{NOW, Office};
use crate::store::{AccountId, Store, StoreError, account, verify};
use std::time::Duration;

const SOON: Duration = Duration::from_millis(200);

fn write(store: &Store) -> Result<(), StoreError> {
    store.write_blocking(|batch| account::count_sent(batch, AccountId(1), 1, NOW))
}

fn file(office: &Office) -> Vec<u8> {
    std::fs::read(office.folder.store().join("data.mdb")).expect("the store's file")
}

#[test]
fn what_would_be_written_is_put_off_and_its_file_stays_as_it_is() {
    let office = Office::new();
    let store = &office.store;
    let frozen = store.freeze(SOON).expect("frozen");
    let before = file(&office);
    assert!(store.is_still());
    assert_eq!(write(store), Err(StoreError::Moving));
    // Also where the job makes light of it, and where it deletes.
    let hidden = store.write_blocking(|batch| Ok(batch.put(b"\xfex", b"1").is_ok()));
    assert_eq!(hidden, Err(StoreError::Moving));
    let removed = store.write_blocking(|batch| batch.delete(b"\xfex"));
    assert_eq!(removed, Err(StoreError::Moving));
    assert_eq!(
        crate::store::backup::compact(store, &mut |_, _| ()).err(),
        Some(StoreError::Moving)
    );
    // The health of a box asks so.
    assert_eq!(store.write_blocking(|_| Ok(7)), Ok(7));
    assert!(account::list(&store.snapshot().expect("read")).expect("read").len() == 2);
    assert!(store.freeze(SOON).is_err(), "once at a time");
    assert!(file(&office) == before, "not an octet of it was written");
    drop(frozen);
    assert!(!store.is_still());
    assert_eq!(write(store), Ok(()));
    assert!(verify::verify(store, &mut |_, _| ()).expect("checked").faults.is_empty());
}

#[test]
fn who_is_at_work_is_waited_for_and_nobody_begins_anew() {
    let office = Office::new();
    let store = office.store.clone();
    let at_work = store.at_work().expect("nobody wants it still");
    assert!(store.freeze(SOON).is_err_and(|error| error.to_string().contains("on its way")));
    assert_eq!(write(&store), Ok(()), "it gave up, and all goes on");
    assert!(store.at_work().is_some());
    let waits = {
        let store = store.clone();
        std::thread::spawn(move || store.freeze(Duration::from_secs(60)).map(drop))
    };
    while !store.is_still() {
        std::thread::yield_now();
    }
    assert!(store.at_work().is_none());
    assert_eq!(write(&store), Ok(()), "what is at work is written down");
    drop(at_work);
    assert_eq!(waits.join().expect("joined"), Ok(()));
}

#[test]
fn a_store_that_is_only_read_is_left_as_it_was() {
    let office = Office::new();
    let folder = office.folder.path().join("there");
    std::fs::create_dir(&folder).expect("a folder");
    assert!(matches!(Store::open_read_only(&folder), Err(StoreError::NotFound(_))));
    let copy = folder.join("data.mdb");
    std::fs::write(&copy, file(&office)).expect("copied");
    let store = Store::open_read_only(&folder).expect("opened");
    assert!(verify::verify(&store, &mut |_, _| ()).expect("checked").faults.is_empty());
    assert_eq!(write(&store), Err(StoreError::Stopped));
    drop(store);
    assert_eq!(std::fs::read_dir(&folder).expect("listed").count(), 1, "no other file was made");
    assert!(std::fs::read(&copy).expect("read") == file(&office));
    // Cut off, and no store at all.
    let octets = file(&office);
    for wrong in [&octets[..9_000], &octets[..100], &[7; 20_000], &[]] {
        std::fs::write(&copy, wrong).expect("written");
        assert!(matches!(Store::open_read_only(&folder), Err(StoreError::Corrupt(_))));
    }
}
