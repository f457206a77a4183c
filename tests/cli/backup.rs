//! Backup, restore, compact and verify.

use super::{Data, says, twice};
use crate::store::mail::{self, NewMail, Prepared};
use crate::store::{INBOX, Store, account};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

const NOW: i64 = 1_795_000_000;

/// Puts a message of this content into the INBOX of the first account.
pub(super) fn deliver(store: &Store, content: &[u8]) {
    let raw = [b"Subject: x\r\n\r\n", content, b"\r\n"].concat();
    let new = NewMail {
        body: Arc::new(Prepared::new(&raw)),
        prefix: Vec::new(),
        flags: mail::FlagSet::default(),
        internal_date: NOW,
        internal_zone_minutes: 0,
        save_date: NOW,
    };
    let written = store.write_blocking(move |batch| {
        let owner = account::list(batch)?[0].0;
        let id = mail::next_id(batch, 1)?;
        mail::append(batch, owner, INBOX, &new, id)
    });
    written.unwrap();
}

pub(super) fn office(data: &Data) {
    data.good("domain add office.test");
    data.good("account add bob@office.test");
}

pub(super) fn messages(data: &Data) -> u64 {
    data.json("account show bob@office.test")["account"]["messages"].as_u64().unwrap()
}

#[test]
fn what_was_backed_up_comes_back() {
    let data = Data::new();
    office(&data);
    let server = data.serve();
    deliver(&server.store, b"before the backup");
    let file = data.0.join("office.backup");
    let line = format!("backup {}", file.display());
    says(&data.good(&line), &["the whole store is in", "office.backup"]);
    says(&data.bad(&line), &["cannot back up to", "a file of this name exists already"]);
    deliver(&server.store, b"after the backup");
    assert_eq!(messages(&data), 2);
    drop(server);

    let line = format!("restore {}", file.display());
    says(&data.bad(&line), &["cannot restore", "a store exists already", "--replace"]);
    assert_eq!(messages(&data), 2);
    data.good(&format!("{line} --replace"));
    assert_eq!(messages(&data), 1);
    says(&data.good("verify"), &["1 accounts, 1 messages, 1 bodies", "nothing is damaged"]);

    let other = Data::empty();
    other.good(&line);
    assert_eq!(messages(&other), 1);
    let mode = std::fs::metadata(other.0.join("store")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "a restored store is the owner's alone, like any other");
    assert_eq!(other.json("verify")["verified"]["faults"], serde_json::json!([]));
}

#[test]
fn what_is_no_backup_is_refused_and_changes_nothing() {
    let data = Data::new();
    office(&data);
    let file = data.0.join("letter.txt");
    std::fs::write(&file, "Dear Bob").unwrap();
    let missing = data.0.join("missing");
    for file in [file, missing, data.0.clone()] {
        let why = data.bad(&format!("restore {} --replace", file.display()));
        says(&why, &["mailroom: cannot restore "]);
    }
    assert_eq!(messages(&data), 0);
    let why = data.bad("backup /nowhere/at/all/office.backup");
    says(&why, &["cannot back up to /nowhere/at/all/office.backup"]);
}

#[test]
fn compacting_gives_room_back_and_keeps_mail() {
    twice(|data| {
        office(data);
        data.good("account add carl@office.test");
        let before = data.json("compact")["compacted"].clone();
        assert!(before["after"].as_u64() <= before["before"].as_u64(), "{before}");
        says(&data.good("compact"), &["the store takes", "before"]);
        says(&data.good("verify"), &["2 accounts", "nothing is damaged"]);
        assert_eq!(messages(data), 0);
    });
}

#[test]
fn damage_is_told_and_exits_1() {
    let data = Data::new();
    office(&data);
    let store = data.store();
    // Octets that no compressor makes smaller, so that they stand in the file as they are.
    let mut state = 7_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0] | 0x80
    };
    let content: Vec<u8> = (0..400).map(|_| noise()).collect();
    deliver(&store, &content);
    drop(store);
    says(&data.good("verify"), &["nothing is damaged"]);

    let path = data.0.join("store/data.mdb");
    let mut octets = std::fs::read(&path).unwrap();
    let text = &content[..100];
    let places: Vec<_> = octets
        .windows(text.len())
        .enumerate()
        .filter(|(_, w)| *w == text)
        .map(|(i, _)| i)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        octets[at] ^= 1;
    }
    std::fs::write(&path, octets).unwrap();

    let ran = data.run("verify");
    assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{}", ran.out);
    says(&ran.out, &["1 faults"]);
    let json = data.run("verify --json");
    assert_eq!(json.code, 1);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["verified"]["faults"].as_array().unwrap().len(), 1);
    let told = data.run("check").out;
    says(
        &told,
        &["WRONG  last check of the store: 2", " UTC: 1 faults, the first: part 0 of mail"],
    );
    let server = data.serve();
    assert_eq!(data.run("verify").code, 1);
    drop(server);
}
