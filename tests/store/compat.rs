//! Stores across versions, both ways: what a later version wrote is read, told apart from damage
//! and kept, and what this one writes an earlier one reads.
//!
//! tests/compat/run does the same with the program of an earlier version itself.

use super::upkeep::{lived_in, picture};
use super::{ALICE, NOW, Office, deliver, letter};
use crate::store::format::{Version, tag};
use crate::store::verify::night::Night;
use crate::store::writer::Options;
use crate::store::{Batch, INBOX, Read, Result, Store, StoreError, verify};
use prost::Message;

/// A field of a number that no row has: 1000, two octets long.
const FIELD: [u8; 4] = [0xC2, 0x3E, 0x01, 0x07];

/// Rows as a later version may write them: of new kinds, and with a new field in a known one.
fn by_a_later_one(batch: &mut Batch) -> Result<()> {
    batch.put(b"Znew kind", b"its payload")?;
    batch.put(b"Y\0\0\0\x01", b"")?;
    batch.put(&[tag::OWNER, 0x77], b"of the owner")?;
    batch
        .put(&[&[tag::OUTSIDE][..], &[0, 0, 0, 1, 0, 0, 0, 1, 0x77]].concat(), b"of an outside")?;
    batch.put(&[&[tag::BODY][..], &[0, 0, 0, 0, 0, 0, 0, 9, 0x77]].concat(), b"of a body")?;
    let key = [&[tag::MAIL][..], &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 2]].concat();
    let row = batch.get(&key)?.expect("alice's second letter");
    batch.put(&key, &[row, FIELD.to_vec()].concat())
}

#[test]
fn what_a_later_version_wrote_is_no_damage_and_stays() {
    let office = lived_in();
    let before = picture(&office.store);
    office.write(by_a_later_one).expect("its rows");
    let Office { store, folder } = office;
    drop(store);
    let store = Store::open(&folder.store(), Options::default()).expect("it is served");
    assert_eq!(picture(&store), before);
    let office = Office { store, folder };
    let report = verify::verify(&office.store, &mut |_, _| {}).expect("a check");
    assert_eq!((report.faults, report.later), (Vec::new(), 5));
    let mut night = Night::new();
    while !night.slice(&office.store).expect("a slice").done {}
    assert_eq!(night.result(NOW).told, Vec::<String>::new());
    // It goes on with people and mail, and what it does not know is there for the later one.
    office.write(|batch| deliver(batch, ALICE, INBOX, &letter("new")).map(drop)).expect("mail");
    let there = office.store.snapshot().expect("a snapshot");
    assert_eq!(there.get(b"Znew kind").expect("read").as_deref(), Some(&b"its payload"[..]));
    assert_eq!(there.get(b"Y\0\0\0\x01").expect("read").as_deref(), Some(&b""[..]));
}

#[test]
fn a_store_of_a_later_format_is_refused_and_not_touched() {
    let office = lived_in();
    let version = |batch: &mut Batch| {
        let key = [tag::VERSION];
        let row = batch.get(&key)?.expect("a version");
        let mut row = Version::decode(row.as_slice()).expect("a version");
        row.format += 1;
        batch.put(&key, &row.encode_to_vec())
    };
    office.write(version).expect("a later one");
    let Office { store, folder } = office;
    drop(store);
    let before = std::fs::read(folder.store().join("data.mdb")).expect("a file");
    let opened = Store::open(&folder.store(), Options::default());
    assert_eq!(opened.err(), Some(StoreError::Newer { found: 2, known: 1 }));
    assert!(std::fs::read(folder.store().join("data.mdb")).expect("a file") == before);
}

/// Every field of every row with its number and type, and every tag of a key. A version that was
/// released reads by these: lines may be added to the list, none may change or go.
#[test]
fn rows_grow_by_new_fields_and_change_none() {
    let sources = [
        include_str!("../../appliance/store/format.rs"),
        include_str!("../../appliance/store/format/brought.rs"),
        include_str!("../../appliance/store/format/looked.rs"),
        include_str!("../../appliance/store/format/moving.rs"),
        include_str!("../../appliance/store/format/outside.rs"),
    ];
    let mut found: Vec<String> = sources.into_iter().flat_map(fields).collect();
    found.sort();
    let listed: Vec<&str> = include_str!("format-1.txt").lines().collect();
    for line in &listed {
        assert!(found.iter().any(|it| it == line), "earlier versions know it: {line}");
    }
    for line in &found {
        assert!(listed.contains(&line.as_str()), "not on the list format-1.txt: {line}");
    }
    assert!(listed.len() > 150, "{}", listed.len());
}

/// `MailRow 3 uint64 modseq`, `tag MAIL b'M'`.
fn fields(source: &str) -> Vec<String> {
    let (mut found, mut row, mut field) = (Vec::new(), "", None);
    for line in source.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("pub(crate) struct ") {
            row = name.trim_end_matches([' ', '{']);
        } else if let Some(prost) = line.strip_prefix("#[prost(") {
            let Some((kind, number)) = prost.split_once("tag") else { continue };
            let number: String = number.chars().filter(char::is_ascii_digit).collect();
            field = Some((kind.trim_end_matches([',', ' ']).to_string(), number));
        } else if let Some(name) = line.strip_prefix("pub ")
            && let Some((kind, number)) = field.take()
        {
            let (name, _) = name.split_once(':').expect("a name and a type");
            found.push(format!("{row} {number} {kind} {name}"));
        } else if let Some(tag) = line.strip_prefix("pub(crate) const ")
            && let Some((name, value)) = tag.split_once(": u8 = ")
        {
            found.push(format!("tag {name} {}", value.trim_end_matches(';')));
        }
    }
    found
}
