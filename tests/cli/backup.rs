//! Backup, restore, compact and verify.

use super::{Data, says, twice};
use crate::store::backup::{self, Parts};
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
    says(&data.good(&line), &["mail, settings, keys and", "office.backup", "not encrypted"]);
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

/// The text of a file in the data folder.
fn text(data: &Data, name: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(data.0.join(name)).unwrap_or_default()).into_owned()
}

#[test]
fn an_office_comes_back_on_another_machine_with_its_settings_and_keys() {
    let data = Data::new();
    office(&data);
    let write = |data: &Data, name: &str, text: &str| {
        let path = data.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let relay = "[outgoing.relay]\nhost = \"smtp.provider.example\"\nport = 465\ntls = \
                 \"implicit\"\nuser = \"office\"\npassword = \"of the relay\"\n";
    let scanner = "[scanner]\nlisten = [\"203.0.113.77\"]\n[[scanner.device]]\nname = \
                   \"copier\"\naddress = \"203.0.113.9\"\nfrom = [\"bob@office.test\"]\n";
    let theirs = format!(
        "host = \"mail.office.example\"\nlisten = [\"203.0.113.77\"]\n[ports]\nsmtp = 25\n\
         {relay}{scanner}"
    );
    write(&data, "mailroom.toml", &theirs);
    for (name, octets) in [
        ("secret.key", "a key"),
        ("dkim/office.test/active", "m20261123"),
        ("dkim/office.test/m20261123.rsa", "a key that signs"),
        ("tls/ca.key", "the key of the authority"),
        ("tls/acme-asked", "issue"),
        ("tls/host.pem.new", "half"),
        ("first-run.json", "passwords"),
    ] {
        write(&data, name, octets);
    }
    let file = data.0.join("office.backup");
    data.good(&format!("backup {}", file.display()));
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else reads the keys in it");

    let other = Data::empty();
    let ours = "host = \"box.local\"\nlisten = [\"127.0.0.1\"]\n[ports]\nsmtp = 2025\n";
    write(&other, "mailroom.toml", ours);
    write(&other, "tls/ca.key", "of the new box");
    let line = format!("restore {}", file.display());
    says(&other.good(&line), &["mail, settings, keys and certificates are as they were"]);
    let settings = crate::settings::load(&other.0.join("mailroom.toml")).unwrap();
    assert_eq!(settings.host, "mail.office.example");
    let login = ("office".to_string(), "of the relay".to_string());
    assert_eq!(settings.outgoing.relay.unwrap().login, Some(login));
    assert_eq!(settings.listen, ["127.0.0.1".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(settings.ports.smtp, 2025, "where it listens is its own");
    assert!(settings.scanner.is_none(), "an address that it lacks would keep all closed");
    assert_eq!(text(&other, "secret.key"), "a key");
    assert_eq!(text(&other, "dkim/office.test/m20261123.rsa"), "a key that signs");
    assert_eq!(text(&other, "tls/ca.key"), "the key of the authority");
    for name in ["tls/acme-asked", "tls/host.pem.new", "first-run.json", "restoring-office"] {
        assert!(!other.0.join(name).exists(), "{name}");
    }
    for name in ["mailroom.toml", "secret.key", "tls/ca.key", "dkim/office.test/active"] {
        let mode = std::fs::metadata(other.0.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let mode = std::fs::metadata(other.0.join("dkim/office.test")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(text(&other, "before-restore-1/tls/ca.key"), "of the new box", "it is kept");
    assert_eq!(text(&other, "before-restore-1/mailroom.toml"), ours);

    // A backup of before holds the store alone, and that is said.
    let old = Data::empty();
    write(&old, "mailroom.toml", ours);
    let said = old.good(&format!("restore {}", data.0.join("store/data.mdb").display()));
    says(&said, &["of an older version and holds no settings, keys or certificates"]);
    assert_eq!(text(&old, "mailroom.toml"), ours);
}

#[test]
fn a_backup_leads_to_no_other_place_and_what_it_says_is_checked() {
    let data = Data::new();
    office(&data);
    let file = data.0.join("office.backup");
    for (name, octets, why) in [
        ("../../outside", "x", "damaged: the names of settings and keys"),
        ("/etc/passwd", "x", "damaged: the names of settings and keys"),
        ("tls/../../x", "x", "damaged: the names of settings and keys"),
        ("store/data.mdb", "x", "damaged: the names of settings and keys"),
        ("tls", "x", "damaged: the names of settings and keys"),
        ("mailroom.toml", "from = \"the future\"", "a newer version may have written them"),
    ] {
        let parts = Parts::from([(name.to_string(), octets.as_bytes().to_vec())]);
        let store = data.store();
        backup::backup(&store, &parts, &file, &mut |_, _| {}).unwrap();
        drop(store);
        let other = Data::empty();
        let said = other.bad(&format!("restore {}", file.display()));
        says(&said, &["cannot restore", why]);
        assert!(!other.0.join("store/data.mdb").exists(), "{name}");
        std::fs::remove_file(&file).unwrap();
    }
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

#[test]
fn a_sealed_backup_opens_with_its_passphrase_and_is_tried() {
    twice(|data| {
        office(data);
        let words = data.0.join("words.txt");
        let with = format!("--passphrase-file {}", words.display());
        let file = data.0.join("office.mrb");
        let line = format!("backup {} {with}", file.display());
        says(&data.bad(&line), &["the passphrase in", "words.txt"]);
        std::fs::write(&words, "eleven let.\r\n").unwrap();
        says(&data.bad(&line), &["cannot back up", "has 11 letters", "at least 12"]);
        std::fs::write(&words, "oak pine elm ash\r\nnot this line").unwrap();
        let said = data.good(&line);
        says(&said, &["office.mrb", "it opens with the passphrase alone"]);
        says(
            &said,
            &["tried by a restore beside the store in", "1 accounts, 0 messages", "nothing"],
        );
        let octets = std::fs::read(&file).unwrap();
        assert!(octets.starts_with(b"mailroom sealed\n"));
        assert!(!octets.windows(15).any(|it| it == b"bob@office.test"), "nobody reads a name");
        let untried = format!("backup {} {with} --untried", data.0.join("b.mrb").display());
        let copied = &data.json(&untried)["copied"];
        assert_eq!((&copied["sealed"], &copied["tried"]), (&true.into(), &serde_json::Value::Null));

        // One account out of it, and all of it on another machine.
        let bob = format!("restore {} --account bob@office.test", file.display());
        says(&data.bad(&bob), &["the backup is locked, and no passphrase was given"]);
        says(&data.good(&format!("{bob} {with}")), &["0 messages"]);
        let other = Data::empty();
        let line = format!("restore {}", file.display());
        says(&other.bad(&line), &["the backup is locked", "--passphrase-file"]);
        let wrong = data.0.join("wrong.txt");
        std::fs::write(&wrong, "oak pine elm yew").unwrap();
        let why = other.bad(&format!("{line} --passphrase-file {}", wrong.display()));
        says(&why, &["this is not the passphrase of the backup", "letters count"]);
        other.good(&format!("{line} {with}"));
        assert_eq!(messages(&other), 0);
    });
}
