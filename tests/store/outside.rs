//! Outside accounts in the store: their secrets, what was fetched, and who looks after the rows.

use super::{ALICE, BOB, NOW, Office};
use crate::limits::FETCHED_KEPT_SECONDS;
use crate::store::backup::Parts;
use crate::store::format::{Fetched, Outside, OutsideHost, Secrets, Skipped, tag};
use crate::store::outside::{self, Done, OutsideId};
use crate::store::verify::{night::Night, verify};
use crate::store::writer::Options;
use crate::store::{Result, Store, StoreError, account, backup};
use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;

pub(crate) fn at_gmail(address: &str) -> Outside {
    let host = |host: &str, port| OutsideHost { host: host.to_string(), port, tls: 0 };
    Outside {
        address: address.to_string(),
        login: address.to_string(),
        source: Some(host("imap.gmail.com", 993)),
        relay: Some(host("smtp.gmail.com", 465)),
        senders: vec![address.to_lowercase()],
        granted: vec![address.to_lowercase()],
        proven: true,
        created: NOW,
        ..Outside::default()
    }
}

pub(crate) fn word(password: &str) -> Secrets {
    Secrets { password: password.to_string(), ..Secrets::default() }
}

pub(crate) fn add(
    store: &Store,
    who: crate::store::AccountId,
    row: Outside,
    secrets: Secrets,
) -> Result<OutsideId> {
    let sealer = store.sealer()?;
    store.write_blocking(move |batch| outside::add(batch, who, &row, (&sealer, &secrets)))
}

fn kept(store: &Store, id: OutsideId) -> Outside {
    outside::get(&store.snapshot().unwrap(), id).unwrap().expect("an outside account")
}

fn open(store: &Store, id: OutsideId) -> Option<Secrets> {
    outside::secrets(id, &kept(store, id), &store.sealer().unwrap())
}

fn faults(store: &Store) -> Vec<String> {
    let whole = verify(store, &mut |_, _| {}).unwrap().faults;
    let mut night = Night::new();
    while !night.slice(store).unwrap().done {}
    let told = night.result(NOW).told;
    assert_eq!(whole.is_empty(), told.is_empty(), "{whole:?} {told:?}");
    whole
}

/// Does the text stand in any file below?
fn stands_in(folder: &std::path::Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let octets = std::fs::read(entry.path()).unwrap_or_default();
        octets.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[test]
fn a_secret_is_opened_only_in_its_row_and_with_the_key_of_the_box() {
    let office = Office::new();
    let id = add(&office.store, ALICE, at_gmail("alice@gmail.com"), word("lily of the valley"));
    let id = id.unwrap();
    let other = add(&office.store, BOB, at_gmail("bob@gmail.com"), word("edelweiss")).unwrap();
    assert_eq!(open(&office.store, id), Some(word("lily of the valley")));
    // The sealed octets of one row open nothing in another.
    let stolen = kept(&office.store, id).sealed;
    office
        .write(move |batch| {
            outside::change(batch, other, None, &mut |row| {
                row.sealed.clone_from(&stolen);
                Ok(())
            })
        })
        .unwrap();
    assert_eq!(open(&office.store, other), None);
    assert!(!format!("{:?} {:?}", word("edelweiss"), kept(&office.store, id)).contains("edel"));
    let file = office.folder.store().join("secrets.key");
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(faults(&office.store), Vec::<String>::new());
    let again = office.reopen();
    assert_eq!(open(&again.store, id), Some(word("lily of the valley")));
    assert!(!stands_in(&again.folder.store(), "lily of the valley"));
}

#[test]
fn a_backup_holds_no_key_and_on_another_box_the_password_is_asked_for_again() {
    let office = Office::new();
    let id = add(&office.store, ALICE, at_gmail("alice@gmail.com"), word("hellebore")).unwrap();
    let file = office.folder.path().join("copy");
    backup::backup(&office.store, &Parts::new(), &file, &mut |_, _| {}).unwrap();
    let key = std::fs::read(office.folder.store().join("secrets.key")).unwrap();
    let octets = std::fs::read(&file).unwrap();
    assert!(!octets.windows(key.len()).any(|window| window == key));
    let elsewhere = office.folder.path().join("elsewhere");
    let alone = backup::restore(
        (&file, None),
        &elsewhere,
        false,
        (&|_| Ok(()), &|_, _| Ok(()), &|_| Ok(())),
    );
    assert_eq!(alone, Ok(true));
    let there = Store::open(&elsewhere, Options::default()).unwrap();
    assert_eq!(kept(&there, id).address, "alice@gmail.com");
    assert_eq!(open(&there, id), None);
    there.close();
}

#[test]
fn numbers_are_given_once_and_everything_goes_with_the_person() {
    let office = Office::new();
    let first = add(&office.store, ALICE, at_gmail("alice@gmail.com"), word("a")).unwrap();
    let twice = add(&office.store, ALICE, at_gmail("Alice@Gmail.com"), word("a"));
    assert_eq!(twice, Err(StoreError::Exists("an outside account of this address")));
    office
        .write(move |batch| {
            outside::note_fetched(batch, first, outside::mark(b"1"), Done { at: 1, skipped: false })
        })
        .unwrap();
    office.write(move |batch| outside::remove(batch, first)).unwrap();
    let noted = office.write(move |batch| outside::note(batch, first, &mut |_| {})).unwrap();
    assert!(!noted, "what is gone has no state");
    let second = add(&office.store, ALICE, at_gmail("alice@gmail.com"), word("a")).unwrap();
    assert_ne!(first, second);
    assert_eq!(outside::fetched(&office.store.snapshot().unwrap(), second).unwrap().len(), 0);
    add(&office.store, BOB, at_gmail("bob@gmail.com"), word("b")).unwrap();
    assert_eq!(outside::all(&office.store.snapshot().unwrap()).unwrap().len(), 2);
    office.write(|batch| account::delete(batch, ALICE)).unwrap();
    let left = outside::all(&office.store.snapshot().unwrap()).unwrap();
    assert_eq!(left.iter().map(|(id, _)| id.account).collect::<Vec<_>>(), [BOB]);
    assert_eq!(faults(&office.store), Vec::<String>::new());
}

#[test]
fn what_was_fetched_is_known_and_forgotten_only_long_after_it_is_gone_there() {
    let office = Office::new();
    let id = add(&office.store, ALICE, at_gmail("alice@gmail.com"), word("a")).unwrap();
    let ids: Vec<String> = (0..2_000).map(|number| format!("uid-{number}")).collect();
    let all = ids.clone();
    office
        .write(move |batch| {
            for unique_id in &all {
                let done = Done { at: NOW, skipped: unique_id.ends_with("99") };
                outside::note_fetched(batch, id, outside::mark(unique_id.as_bytes()), done)?;
            }
            Ok(())
        })
        .unwrap();
    let read = office.store.snapshot().unwrap();
    let known = outside::fetched(&read, id).unwrap();
    assert_eq!(known.len(), 2_000);
    assert!(known[&outside::mark(b"uid-199")].skipped);
    assert!(outside::is_fetched(&read, id, outside::mark(b"uid-7")).unwrap());
    assert!(!outside::is_fetched(&read, id, outside::mark(b"uid-2000")).unwrap());
    drop(read);
    let there: HashSet<_> = ids.iter().take(100).map(|it| outside::mark(it.as_bytes())).collect();
    let soon = there.clone();
    let forgotten =
        office.write(move |batch| outside::forget_fetched(batch, id, &soon, NOW + 60)).unwrap();
    assert_eq!(forgotten, 0, "a server may show less than it has for a while");
    let late = NOW + FETCHED_KEPT_SECONDS + 1;
    let forgotten =
        office.write(move |batch| outside::forget_fetched(batch, id, &there, late)).unwrap();
    assert_eq!(forgotten, 1_900);
    let known = outside::fetched(&office.store.snapshot().unwrap(), id).unwrap();
    assert_eq!(known.len(), 100);
    assert_eq!(faults(&office.store), Vec::<String>::new());
}

#[test]
fn rows_that_make_no_sense_are_found_and_what_is_asked_for_is_checked() {
    let office = Office::new();
    let id = add(&office.store, ALICE, at_gmail("alice@gmail.com"), word("a")).unwrap();
    let wrong = Outside { kind: 1, after: 2, move_to: "Done".into(), ..at_gmail("x@gmail.com") };
    assert!(matches!(add(&office.store, ALICE, wrong, word("x")), Err(StoreError::Invalid(_))));
    let nowhere = Outside { source: None, relay: None, ..at_gmail("x@gmail.com") };
    assert!(matches!(add(&office.store, ALICE, nowhere, word("x")), Err(StoreError::Invalid(_))));
    office
        .write(move |batch| {
            outside::note(batch, id, &mut |state| {
                state.skipped = (0..200).map(|at| Skipped { at, ..Skipped::default() }).collect();
            })
        })
        .unwrap();
    let state = outside::state(&office.store.snapshot().unwrap(), id).unwrap();
    assert_eq!((state.skipped.len(), state.skipped[0].at), (50, 150), "the newest are listed");
    assert_eq!(faults(&office.store), Vec::<String>::new());
    // Half an entry, and a row of an outside account that is not there.
    office
        .write(|batch| {
            use prost::Message;
            let half = Fetched { ids: vec![7; 15], at: vec![1], how: vec![0] };
            let key = |number: u8, last: u8| [tag::OUTSIDE, 0, 0, 0, 1, 0, 0, 0, number, 2, last];
            batch.put(&key(1, 7), &half.encode_to_vec())?;
            let whole = Fetched { ids: vec![9; 16], at: vec![1], how: vec![0] };
            batch.put(&key(44, 9), &whole.encode_to_vec())
        })
        .unwrap();
    let told = faults(&office.store).join("\n");
    assert!(told.contains("letters fetched from outside account 1"), "{told}");
    assert!(told.contains("outside account 44 of 1 is gone"), "{told}");
}
