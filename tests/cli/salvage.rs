//! `mailroom salvage`, with its child.

use super::backup::{deliver, messages, office};
use super::{Data, says};
use crate::cli::salvage::{child, part, watch};
use crate::store::writer::Options;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Not a story: the child of the others.
#[test]
fn child_reads() {
    let Some(from) = std::env::var_os("MAILROOM_TEST_SALVAGE_FROM") else { return };
    let to = std::env::var_os("MAILROOM_TEST_SALVAGE_TO").expect("where to");
    part(Path::new(&from), Path::new(&to), crate::clock::now()).expect("it tells");
}

/// A data folder with some mail, whose store nobody has open.
fn with_mail() -> Data {
    let data = Data::new();
    office(&data);
    let store = data.store();
    for number in 0..20 {
        deliver(&store, format!("letter {number}").repeat(500).as_bytes());
    }
    store.close();
    data
}

fn file_of(data: &Data) -> PathBuf {
    data.0.join("store/data.mdb")
}

#[test]
fn a_store_comes_back_by_any_of_its_names_and_is_not_touched() {
    let data = with_mail();
    let before = std::fs::read(file_of(&data)).unwrap();
    for (number, from) in [data.0.clone(), data.0.join("store"), file_of(&data)].iter().enumerate()
    {
        let to = data.0.join(format!("new{number}"));
        let line = format!("salvage {} {}", from.display(), to.display());
        let told = data.good(&line);
        says(&told, &["100.0 % of the messages came back whole: 20 of 20 whole"]);
        says(&told, &["bob@office.test: 20 of 20 whole", "INBOX: 20 of 20 whole", "1 domains"]);
        let new = Data(to);
        assert_eq!(messages(&new), 20);
        says(&new.good("verify"), &["1 accounts, 20 messages", "nothing is damaged"]);
        let again = data.bad(&line);
        says(&again, &["is there already and not empty", "what to do: name a folder"]);
    }
    assert!(std::fs::read(file_of(&data)).unwrap() == before, "the source was written");
}

#[test]
fn scripts_read_what_came_back_and_nothing_at_all_is_a_failure() {
    let data = with_mail();
    let to = data.0.join("new");
    let json = data.json(&format!("salvage {} {}", data.0.display(), to.display()));
    let told = &json["salvaged"];
    assert_eq!(told["messages"]["whole"], 20);
    assert_eq!(told["messages"]["lost"], 0);
    assert_eq!(told["accounts"][0]["login"], "bob@office.test");
    assert_eq!(told["accounts"][0]["mailboxes"][0]["name"], "INBOX");
    assert_eq!(told["tells_old_from_new"], true);

    for (name, octets) in [("empty", Vec::new()), ("text", b"Dear Bob\r\n".repeat(9_000))] {
        let file = data.0.join(name);
        std::fs::write(&file, octets).unwrap();
        let to = data.0.join(format!("{name}-salvaged"));
        let ran = data.run(&format!("salvage {} {}", file.display(), to.display()));
        assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
        says(&ran.out, &["nothing came back"]);
    }
}

#[test]
fn what_cannot_be_salvaged_is_said_before_anything_is_made() {
    let data = with_mail();
    let to = data.0.join("new");
    let line = |from: &Path| format!("salvage {} {}", from.display(), to.display());
    says(&data.bad(&line(&data.0.join("missing"))), &["cannot salvage", "No such file"]);
    let folder = data.0.join("folder");
    std::fs::create_dir(&folder).unwrap();
    says(&data.bad(&line(&folder)), &["there is no store", "what to do: name the file itself"]);
    let server = data.serve();
    says(&data.bad(&line(&data.0)), &["the store is in use", "what to do: stop the server first"]);
    drop(server);
    assert!(!to.exists());
    let help = data.good("salvage --help");
    says(&help, &["FROM-STORE", "NEW-STORE", "The damaged file is only read", "Examples:"]);
    assert!(!data.good("--help").contains("salvage-part"));
}

/// Runs a child that ends badly in the middle.
fn broken(data: &Data, how: &str, stall: Duration) -> String {
    let to = data.0.join(how);
    let own = std::env::current_exe().unwrap();
    let mut child = child(&own, &file_of(data), &to);
    child.env("MAILROOM_TEST_SALVAGE_FAULT", how);
    let mut told = Vec::new();
    let result = watch(child, "cannot salvage it", &to, stall, &mut |done, _| told.push(done));
    let failure = result.expect_err("it broke off");
    assert!(told.is_sorted() && told.last().is_some_and(|&done| done > 500), "{told:?}");
    assert_eq!(failure.what, "cannot salvage it");
    says(&failure.remedy, &["copy the damaged file to another disk"]);
    says(&failure.why, &["what was brought until then is kept in", "/store"]);
    // What was written so far is a store.
    let store = crate::store::Store::open(&to.join("store"), Options::default()).unwrap();
    let report = crate::store::verify::verify(&store, &mut |_, _| {}).unwrap();
    assert_eq!((report.accounts, report.faults), (1, Vec::new()));
    store.close();
    failure.why
}

#[test]
fn a_child_that_dies_is_told_and_what_it_wrote_is_kept() {
    let data = with_mail();
    says(&broken(&data, "abort", Duration::from_secs(600)), &["broken off by SIGABRT"]);
}

#[test]
fn a_child_that_hangs_is_ended() {
    let data = with_mail();
    says(&broken(&data, "hang", Duration::from_secs(8)), &["no further for a long time"]);
}
