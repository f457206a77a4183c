//! The owner's mailroom.toml: read with line and reason, put into the store once.

use crate::request::{Mail, StoreState};
use crate::settings::preset::{Preset, parse};
use crate::store::writer::Options;
use crate::store::{Store, account, address};
use crate::tests::net::toy::Folder;
use crate::units::preset::apply;
use crate::units::probe::health as probe_health;

const WHOLE: &str = r#"
domain = "office.test"
setup_code = "abcd-2345"

[[people]]
address = "alice@office.test"
name = "Alice"
password = "wonder land"

[[people]]
address = "bob@office.test"
password = "builder"

[network]
address = "192.168.1.20/24"
gateway = "192.168.1.1"
resolvers = ["192.168.1.1", "9.9.9.9"]

[smarthost]
host = "smtp.provider.example"
user = "office"
password = "secret"
"#;

#[test]
fn all_that_can_be_preset_is_read() {
    let preset = parse(WHOLE.as_bytes()).expect("it is right");
    assert_eq!(preset.domain.as_deref(), Some("office.test"));
    assert_eq!(preset.setup_code.as_deref(), Some("ABCD-2345"));
    assert_eq!(preset.people[0].address.to_string(), "alice@office.test");
    assert_eq!(preset.people[1].password, "builder");
    let network = preset.network.clone().expect("a network");
    assert_eq!((network.address.octets(), network.prefix), ([192, 168, 1, 20], 24));
    assert_eq!(network.resolvers.len(), 2);
    assert_eq!(preset.smarthost.as_ref().expect("a relay").port, 587);
    let told = format!("{preset:?}");
    assert!(!told.contains("builder") && !told.contains("secret"), "{told}");
    // A Windows editor's file, and one that presets nothing.
    let windows = format!("\u{FEFF}{}", WHOLE.replace('\n', "\r\n"));
    assert_eq!(parse(windows.as_bytes()), Ok(preset));
    assert!(parse(b"").is_ok());
}

#[test]
fn the_preset_of_a_labelled_box_names_its_code_and_nothing_else() {
    let text = include_str!("../../image/preset.toml");
    let preset = parse(text.as_bytes()).expect("it is right");
    assert_eq!(preset.setup_code.as_deref(), Some("AAAA-AAAA"));
    let nothing = parse(b"").expect("nothing is preset");
    assert_eq!(Preset { setup_code: None, ..preset.clone() }, nothing);
    // It is taken, and the box waits for its owner.
    let folder = Folder::new();
    let store = Store::open(&folder.0.join("store"), Options::default()).expect("a store");
    apply(&store, &preset, 5).expect("done");
    let health = probe_health(&store, Mail::Closed).expect("health");
    assert_eq!((health.owned, health.accounts), (false, 0));
}

#[test]
fn what_is_wrong_is_told_with_line_and_reason() {
    for (line, text, why) in [
        (1, "domain = 7", "expected a string"),
        (2, "domain = \"office.test\"\ndomian = 1", "unknown field `domian`"),
        (1, "domain = \"not a domain\"", "is no domain"),
        (1, "setup_code = \"HELLO\"", "like ABCD-2345"),
        (2, "[[people]]\naddress = \"a@b.test\"\npassword = \"x\"", "not of the domain"),
        (3, "domain = \"b.test\"\n[[people]]\naddress = \"@@\"\npassword = \"x\"", "no address"),
        (4, "domain = \"b.test\"\n[[people]]\naddress = \"a@b.test\"\npassword = \"\"", "password"),
        (2, "[network]\naddress = \"192.168.1.20\"", "is not like 192.168.1.20/24"),
        (2, "[network]\naddress = \"192.168.1.20/31\"", "is not like 192.168.1.20/24"),
        (3, "[network]\naddress = \"10.0.0.2/24\"\ngateway = \"10.0.1.1\"", "not in the network"),
        (
            4,
            "[smarthost]\nhost = \"h.test\"\ntls = \"none\"\npassword = \"x\"\nuser = \"u\"",
            "needs tls",
        ),
        (1, "domain = \"x", ""),
    ] {
        let error = parse(text.as_bytes()).expect_err(text);
        assert!(error.line == line && error.why.contains(why), "{text}: {error:?}");
    }
    let twice = "domain = \"b.test\"\n[[people]]\naddress = \"a@b.test\"\npassword = \"x\"\n\
                 [[people]]\naddress = \"a@b.test\"\npassword = \"y\"\n";
    assert_eq!(parse(twice.as_bytes()).expect_err("twice").line, 6);
    assert_eq!(parse(b"domain = \"a.test\"\nhost = \"\xFF\"").expect_err("octets").line, 2);
    assert_eq!(parse(&[b' '; 300_000]).expect_err("large").line, 0);
}

#[test]
fn presets_make_domain_and_people_once_and_health_tells() {
    let folder = Folder::new();
    let store = Store::open(&folder.0.join("store"), Options::default()).expect("a store");
    let health = probe_health(&store, Mail::Closed).expect("health");
    assert_eq!((health.owned, health.accounts), (false, 0));
    let preset = parse(WHOLE.as_bytes()).expect("it is right");
    apply(&store, &preset, 5).expect("done");
    let read = store.snapshot().expect("a snapshot");
    let (_, alice) = account::by_login(&read, "alice@office.test").expect("read").expect("there");
    assert_eq!((alice.name.as_str(), alice.credentials.len()), ("Alice", 1));
    assert_eq!(address::domains(&read).expect("read").len(), 1);
    drop(read);
    // After a start that was cut off before the file was removed: the same again changes nothing.
    apply(&store, &preset, 9).expect("done");
    let read = store.snapshot().expect("a snapshot");
    let (_, again) = account::by_login(&read, "alice@office.test").expect("read").expect("there");
    assert_eq!(again.credentials, alice.credentials);
    assert_eq!(account::list(&read).expect("read").len(), 2);
    drop(read);
    let health = probe_health(&store, Mail::Open).expect("health");
    assert_eq!((health.store, health.owned, health.accounts), (StoreState::Good, false, 2));
    store.close();
    assert!(probe_health(&store, Mail::Open).is_err(), "a store that is gone has no health");
}
