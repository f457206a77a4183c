//! The settings file: what is right, and what is told of what is wrong.

use crate::limits;
use crate::settings::{Ports, Settings, load, print, replace_file};
use crate::tests::net::toy::Folder;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;

fn read(text: &str) -> Result<Settings, String> {
    let folder = Folder::new();
    let path = folder.0.join("mailroom.toml");
    std::fs::write(&path, text).expect("written");
    load(&path).map_err(|error| error.to_string().replace(&folder.0.display().to_string(), "DATA"))
}

#[test]
fn a_short_file_has_the_rest_by_default() {
    let settings = read("host = \"Mail.Office.Test\"\n").expect("right");
    assert_eq!(settings.host, "mail.office.test");
    assert_eq!(settings.listen, ["127.0.0.1".parse::<IpAddr>().expect("an address")]);
    assert_eq!(settings.ports, Ports::WELL_KNOWN);
    assert_eq!(settings.connections, limits::CONNECTIONS_TOTAL);
}

#[test]
fn what_is_printed_is_read_back() {
    let mut settings =
        Settings::first("mail.office.test", Ports::above(2000).expect("ports below 65536"));
    assert_eq!(settings.ports.imaps, 2993);
    settings.listen.push("::1".parse().expect("an address"));
    settings.names.push("10.0.0.5".to_string());
    settings.ports.pop3 = 0;
    settings.connections = 7;
    settings.check_hour = 23;
    assert_eq!(read(&print(&settings)), Ok(settings));
    assert_eq!(Ports::above(65_000), None);
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_reason() {
    for (text, told) in [
        (
            "host = \"a.test\"\n[store]\ncheck_hour = 24\n",
            "DATA/mailroom.toml:3: must be from 0 to 23",
        ),
        ("", "DATA/mailroom.toml:1: missing field `host`"),
        ("host = \"a b\"", "DATA/mailroom.toml:1: \"a b\" is not a host name"),
        ("\n\nhost = 7\n", "DATA/mailroom.toml:3: invalid type"),
        ("host = \"m.test\"\n[ports]\n\nsmtp = 70000\n", "DATA/mailroom.toml:4: invalid value"),
        ("host = \"m.test\"\n[ports]\nsmtp = 25\nimap = 25", "DATA/mailroom.toml:4: port 25 is"),
        ("host = \"m.test\"\nhots = 1\n", "DATA/mailroom.toml:2: unknown field `hots`"),
        ("host = \"m.test\"\nlisten = [\n\"1.2.3.4\",\n\"house\"]", ":4: \"house\" is not an IP"),
        ("host = \"m.test\"\nlisten = []\n", ":2: listen names no address"),
        ("host = \"m.test\"\n[tls]\nnames = [\"-x\"]", ":3: \"-x\" is not a host name"),
        ("host = \"m.test\"\n[limits]\nconnections = 0", ":3: must be from 1 to 2000"),
        ("host = \"m.test\"\n[limits]\nconnections = 2001", ":3: must be from 1 to 2000"),
        ("host = \"m.test\"\n[limits]\nconnections = 9999999", ":3: must be from 1 to 2000"),
        ("host = \"m.test\"\nhost = \"n.test\"", "DATA/mailroom.toml:2: duplicate key"),
        ("host = \"m.test", "DATA/mailroom.toml:1: "),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.contains(told), "{text:?}: {error}");
    }
    let most = format!("host = \"m.test\"\n[limits]\nconnections = {}", limits::CONNECTIONS_TOTAL);
    assert!(read(&most).is_ok());
}

/// After an update that was gone back from, the file has what only the newer system knows.
#[test]
fn what_only_a_later_version_knows_is_passed_over_and_named() {
    let known = "host = \"m.test\"\n[limits]\nsent_per_day = 7\n";
    let later = "format = 2\ncolour = { sky = \"blue\", of = [1, 2] }\n".to_string()
        + known
        + "lanes = [\n  1,\n  2,\n]\n[store]\ncheck_hour = 4\n[night.owl]\nhoot = true\n\
           [night]\nlong = \"\"\n[[trains]]\nat = 7\n[[trains]]\nat = 8\n[ports]\nimap = 1143\n";
    let settings = read(&later).expect("what is known is good");
    assert_eq!((settings.host.as_str(), settings.sent_per_day), ("m.test", 7));
    assert_eq!((settings.check_hour, settings.ports.imap), (4, 1143));
    let mut passed_over = settings.passed_over.clone();
    passed_over.sort();
    assert_eq!(passed_over, ["colour", "limits.lanes", "night", "trains"]);
    // Only what is later may have it.
    for format in ["", "format = 1\n"] {
        let error = read(&later.replace("format = 2\n", format)).expect_err(format);
        assert!(error.contains("unknown field `colour`"), "{error}");
    }
    // What is wrong in what is known is told, at its line.
    let wrong = later.replace("check_hour = 4", "check_hour = 24");
    assert_eq!(read(&wrong), Err("DATA/mailroom.toml:11: must be from 0 to 23".to_string()));
    let error = read("format = 0\nhost = \"m.test\"").expect_err("no format");
    assert_eq!(error, "DATA/mailroom.toml:1: must be from 1");
    let many: String = (0..200).map(|number| format!("n{number} = 1\n")).collect();
    let error = read(&format!("format = 2\n{many}host = \"m.test\"")).expect_err("too many");
    assert!(error.contains("unknown field"), "{error}");
}

/// A name that is new here is one that the version before does not know: it comes with a higher
/// format, once a version with this list was released.
#[test]
fn each_name_that_is_written_is_on_the_list_of_its_format() {
    let printed = print(&Settings::first("m.test", Ports::WELL_KNOWN));
    let table: toml::Table = printed.parse().expect("TOML");
    let mut names = Vec::new();
    for (name, value) in &table {
        match value.as_table() {
            Some(below) => names.extend(below.keys().map(|key| format!("{name}.{key}"))),
            None => names.push(name.clone()),
        }
    }
    names.sort();
    let listed: Vec<&str> = include_str!("settings-1.txt").lines().collect();
    assert_eq!(names, listed);
}

#[test]
fn a_file_that_is_none() {
    let folder = Folder::new();
    let path = folder.0.join("mailroom.toml");
    assert!(load(&path).expect_err("not there").to_string().contains("No such file"));
    std::fs::write(&path, b"host = \"\xFF\"").expect("written");
    assert!(load(&path).expect_err("not text").to_string().contains("not UTF-8"));
    std::fs::write(&path, vec![b'#'; limits::SETTINGS_BYTES]).expect("written");
    assert!(load(&path).expect_err("no host").to_string().contains("host"));
    std::fs::write(&path, vec![b'#'; limits::SETTINGS_BYTES + 1]).expect("written");
    assert!(load(&path).expect_err("too large").to_string().contains("larger than"));
}

#[test]
fn a_file_is_replaced_whole_and_for_the_server_alone() {
    let folder = Folder::new();
    let path = folder.0.join("mailroom.toml");
    replace_file(&path, b"one").expect("written");
    replace_file(&path, b"two").expect("replaced");
    assert_eq!(std::fs::read(&path).expect("read"), b"two");
    let mode = std::fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(&folder.0).expect("listed").count(), 1, "nothing is left over");
}
