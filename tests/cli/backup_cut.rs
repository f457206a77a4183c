//! The power goes while a backup takes the place of an office.

use super::backup::messages;
use super::{Data, says};
use crate::act::office;
use crate::store::StoreError;
use crate::store::backup::{self, Ways};
use std::path::Path;

const OLD: &str = "host = \"old.office.test\"\nlisten = [\"127.0.0.1\"]\n";

/// What a restore renames once it is decided, in its order.
const RENAMES: [(&str, &str); 9] = [
    ("secret.key", "store/restored/office/replaced/secret.key"),
    ("store/restored/office/secret.key", "secret.key"),
    ("tls", "store/restored/office/replaced/tls"),
    ("store/restored/office/tls", "tls"),
    ("mailroom.toml", "store/restored/office/replaced/mailroom.toml"),
    ("store/restored/office/mailroom.toml", "mailroom.toml"),
    ("store/restored/office/replaced", "before-restore-1"),
    ("store/restored/data.mdb", "store/data.mdb"),
    ("store/restored/replaced.mdb", "store/before-restore-1"),
];

fn write(data: &Data, texts: &[(&str, &str)]) {
    for (name, text) in texts {
        let path = data.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn text(data: &Data, name: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(data.0.join(name)).unwrap_or_default()).into_owned()
}

/// An office where nobody has a letter, and a key.
fn old() -> Data {
    let data = Data::new();
    super::backup::office(&data);
    write(&data, &[("mailroom.toml", OLD), ("secret.key", "old"), ("tls/host.key", "old")]);
    data
}

/// The backup of another one with a letter, and other keys.
fn backed_up() -> Data {
    let data = Data::new();
    super::backup::office(&data);
    let server = data.serve();
    super::backup::deliver(&server.store, b"in the backup");
    let new = "host = \"new.office.test\"\n";
    write(&data, &[("mailroom.toml", new), ("secret.key", "new"), ("tls/host.key", "new")]);
    data.good(&format!("backup {}", data.0.join("office.backup").display()));
    drop(server);
    data
}

/// Restores until `put` is asked, or `write` before it, and no further.
fn cut(from: &Data, data: &Data, is_decided: bool) {
    let folder = data.0.join("store");
    let settle = |parts: &mut backup::Parts| office::settle(&data.0, parts);
    let write = |side: &Path, parts: &backup::Parts| match is_decided {
        true => office::write(side, parts),
        false => Err(StoreError::Stopped),
    };
    let ways: Ways<'_> = (&settle, &write, &|_| Err(StoreError::Stopped));
    let cut = backup::restore((&from.0.join("office.backup"), None), &folder, true, ways);
    assert_eq!(cut, Err(StoreError::Stopped));
}

fn is_new(data: &Data, cut: &str) {
    assert_eq!(messages(data), 1, "{cut}");
    let settings = crate::settings::load(&data.0.join("mailroom.toml")).unwrap();
    assert_eq!(settings.host, "new.office.test", "{cut}");
    for name in ["secret.key", "tls/host.key"] {
        assert_eq!(text(data, name), "new", "{cut}: {name}");
    }
    says(&data.good("verify"), &["1 accounts, 1 messages, 1 bodies", "nothing is damaged"]);
}

#[test]
fn before_it_is_decided_nothing_has_changed() {
    let (from, data) = (backed_up(), old());
    cut(&from, &data, false);
    assert_eq!(messages(&data), 0);
    assert_eq!(
        (text(&data, "mailroom.toml").as_str(), text(&data, "secret.key").as_str()),
        (OLD, "old")
    );
    assert!(!data.0.join("before-restore-1").exists());
    assert!(!data.0.join("store/before-restore-1").exists());
}

#[test]
fn once_it_is_decided_all_of_it_comes_wherever_it_was_cut() {
    let from = backed_up();
    for done in 0..=RENAMES.len() {
        let data = old();
        cut(&from, &data, true);
        assert_eq!(text(&data, "secret.key"), "old");
        for (from, to) in &RENAMES[..done] {
            std::fs::rename(data.0.join(from), data.0.join(to)).unwrap();
        }
        let cut = format!("cut after {done} renames");
        // A box that finds no settings writes first ones.
        if !data.0.join("mailroom.toml").exists() {
            write(&data, &[("mailroom.toml", "host = \"mailroom.local\"\n")]);
        }
        is_new(&data, &cut);
        // What was there is kept, once.
        let kept = [("mailroom.toml", OLD), ("secret.key", "old"), ("tls/host.key", "old")];
        for (name, old) in kept {
            assert_eq!(text(&data, &format!("before-restore-1/{name}")), old, "{cut}: {name}");
        }
        let stored = Data::empty();
        let line = format!("restore {}", data.0.join("store/before-restore-1").display());
        stored.good(&line);
        assert_eq!(messages(&stored), 0, "{cut}: the old store");
        for gone in ["store/restored", "store/restoring", "before-restore-2"] {
            assert!(!data.0.join(gone).exists(), "{cut}: {gone}");
        }
        assert!(!data.0.join("store/before-restore-2").exists(), "{cut}");
    }
}

#[test]
fn on_a_machine_that_had_nothing_the_next_command_finds_the_office() {
    let (from, data) = (backed_up(), Data::empty());
    cut(&from, &data, true);
    is_new(&data, "cut at once");
    assert!(!data.0.join("before-restore-1").exists(), "nothing was there");
}
