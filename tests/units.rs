//! Starting the server: what is wrong is found before anything is served.

mod proof;
mod updates;

use crate::store::writer::Options;
use crate::store::{Store, account, address};
use crate::tests::net::toy::Folder;
use crate::units::{ServeOptions, first, serve};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Starts what cannot start and returns why.
fn refused(data: &Path, options: ServeOptions) -> String {
    serve(data, options).expect_err("it must not start")
}

fn write(data: &Path, text: &str) {
    std::fs::write(data.join("mailroom.toml"), text).expect("written");
}

#[test]
fn wrong_settings_stop_the_start_with_file_line_and_reason() {
    let folder = Folder::new();
    write(&folder.0, "host = \"mail.office.test\"\nlisten = [\"127.0.0.1\"]\nprots = {}\n");
    let why = refused(&folder.0, ServeOptions::default());
    assert!(why.contains("mailroom.toml:3: unknown field `prots`"), "{why}");
    assert!(!folder.0.join("store").exists(), "nothing else was touched");
    let why =
        refused(&folder.0, ServeOptions { port_base: Some(65_000), ..ServeOptions::default() });
    assert!(why.contains("65000 is too high"), "{why}");
}

#[test]
fn a_port_that_is_taken_stops_the_whole_start() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let text = format!(
        "host = \"m.test\"\n[ports]\nsmtp = 0\nsubmission = 0\nsubmissions = 0\n\
         imap = 0\nimaps = 0\npop3 = {port}\npop3s = 0\nhttp = 0\nhttps = 0\n"
    );
    write(&folder.0, &text);
    let why = refused(&folder.0, ServeOptions::default());
    assert!(why.contains(&format!("pop3: cannot listen on 127.0.0.1:{port}")), "{why}");
    assert!(why.contains("stop what listens there"), "and what to do: {why}");
    assert!(!folder.0.join("control.sock").exists(), "nothing is half served");
    // The store was closed again: the next start finds it free.
    Store::open(&folder.0.join("store"), Options::default()).expect("free").close();
}

#[test]
fn a_broken_certificate_or_first_run_file_stops_the_start() {
    let folder = Folder::new();
    write(
        &folder.0,
        "host = \"m.test\"\n[ports]\nsmtp = 0\nsubmission = 0\nsubmissions = 0\n\
         imap = 0\nimaps = 0\npop3 = 0\npop3s = 0\nhttp = 0\nhttps = 0\n",
    );
    std::fs::write(folder.0.join("first-run.json"), "{\"domain\": 7}").expect("written");
    let why = refused(&folder.0, ServeOptions::default());
    assert!(why.contains("first-run.json"), "{why}");
    std::fs::write(folder.0.join("tls/host.pem"), "no certificate").expect("written");
    let why = refused(&folder.0, ServeOptions::default());
    assert!(why.contains("tls/host.pem"), "{why}");
}

#[tokio::test]
async fn a_demonstration_is_made_once_and_told_each_time() {
    let folder = Folder::new();
    let data = folder.0.join("da ta");
    std::fs::create_dir_all(&data).expect("a folder");
    let store = Store::open(&data.join("store"), Options::default()).expect("a store");
    let ports = crate::settings::Ports::above(2000).expect("ports");
    let settings = crate::settings::Settings::first(first::HOST, ports);
    let told = first::start(&data, true, &settings, &store, None).await.expect("made");
    let path = data.join("first-run.json");
    let mode = std::fs::metadata(&path).expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("JSON");
    assert_eq!(json["domain"], "office.test");
    assert_eq!(json["host"], "mail.office.test");
    assert_eq!(json["ports"]["imaps"], 2993);
    assert_eq!(json["people"][1]["address"], "bob@office.test");
    let ca = json["ca"].as_str().expect("a path").to_string();
    let alice = json["people"][0]["password"].as_str().expect("a password").to_string();
    let told = told.join("\n");
    assert!(told.contains(&format!("alice@office.test:{alice}")), "{told}");
    assert!(told.contains(&format!("--cacert '{ca}'")), "a path with a space is quoted: {told}");

    let read = store.snapshot().expect("a snapshot");
    assert_eq!(address::domains(&read).expect("read").len(), 1);
    assert_eq!(account::list(&read).expect("read").len(), 2);
    drop(read);
    // Later, with or without --demo, the same passwords are told and nobody is made anew.
    for demo in [true, false] {
        let again = first::start(&data, demo, &settings, &store, None).await.expect("told");
        assert_eq!(again.join("\n"), told);
    }
    let read = store.snapshot().expect("a snapshot");
    assert_eq!(account::list(&read).expect("read").len(), 2);
    drop(read);
    // Another folder that never was a demonstration is told nothing.
    let plain = folder.0.join("plain");
    assert!(
        first::start(&plain, false, &settings, &store, None).await.expect("nothing").is_empty()
    );
    store.close();
}

/// A start that was cut off after the file was written and before the people were made.
#[tokio::test]
async fn a_first_start_that_was_cut_off_goes_on_with_the_same_passwords() {
    let folder = Folder::new();
    let settings = crate::settings::Settings::first(
        first::HOST,
        crate::settings::Ports::above(2000).expect("ports"),
    );
    let open = |name: &str| Store::open(&folder.0.join(name), Options::default()).expect("a store");
    let lost = open("lost");
    let told = first::start(&folder.0, true, &settings, &lost, None).await.expect("made");
    lost.close();
    let store = open("store");
    assert_eq!(first::start(&folder.0, true, &settings, &store, None).await.expect("made"), told);
    let read = store.snapshot().expect("a snapshot");
    assert!(account::by_login(&read, "bob@office.test").expect("read").is_some());
    drop(read);
    store.close();
}
