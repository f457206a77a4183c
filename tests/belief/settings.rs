//! The section [checks]: what is wrong is named with its line.

use crate::settings::{BlocklistHit, Checks, Dmarc, Settings, load, print, replace_file};
use std::net::IpAddr;
use std::path::PathBuf;

/// A file of settings with this section, as it is read.
pub(super) fn read(section: &str) -> Result<Settings, String> {
    file(&format!("host = \"mail.office.test\"\n{section}"))
}

fn file(text: &str) -> Result<Settings, String> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("mailroom-checks-{}-{number}.toml", std::process::id());
    let path: PathBuf = std::env::temp_dir().join(name);
    replace_file(&path, text.as_bytes()).expect("written");
    let read = load(&path).map_err(|error| error.to_string());
    std::fs::remove_file(&path).expect("removed");
    read
}

#[test]
fn the_default_trusts_this_machine_and_honours_dmarc() {
    let checks = read("").expect("settings").checks;
    assert_eq!(checks, Checks::default());
    let trusts = |address: &str| checks.trusts(address.parse::<IpAddr>().expect("an address"));
    for own in ["127.0.0.1", "127.255.0.3", "::1", "::ffff:127.0.0.1"] {
        assert!(trusts(own), "{own}");
    }
    for other in ["192.0.2.7", "10.0.0.1", "::2", "2001:db8::1"] {
        assert!(!trusts(other), "{other}");
    }
    assert_eq!((checks.dmarc, checks.greylist), (Dmarc::Honour, false));
}

#[test]
fn what_is_printed_is_read_again() {
    let text = "[checks]\ntrusted = [\"192.0.2.0/25\", \"2001:db8::/32\", \"10.1.2.3\"]\n\
        dmarc = \"junk\"\ngreylist = true\nallow = [\"joe@far.test\", \"near.test\"]\n\
        deny = [\"@evil.test\"]\nforwarders = [\"lists.test\"]\nblocklist_hit = \"refuse\"\n\
        [[checks.blocklist]]\nzone = \"bl.test\"\n\
        [[checks.blocklist]]\nzone = \"xbl.test\"\n\
        codes = [\"127.0.0.2\", \"127.0.1.4-127.0.1.9\"]\n";
    let settings = read(text).expect("settings");
    let checks = &settings.checks;
    assert_eq!((checks.dmarc, checks.blocklist_hit), (Dmarc::Junk, BlocklistHit::Refuse));
    let trusts = |address: &str| checks.trusts(address.parse().expect("an address"));
    assert!(trusts("192.0.2.127") && !trusts("192.0.2.128") && trusts("2001:db8:9::1"));
    assert!(trusts("10.1.2.3") && !trusts("10.1.2.4") && !trusts("127.0.0.1"));
    let [first, second] = &checks.blocklists[..] else { panic!("{checks:?}") };
    assert!(first.counts([127, 0, 0, 10].into()) && !first.counts([127, 0, 0, 1].into()));
    assert!(!first.counts([127, 255, 255, 254].into()));
    assert!(second.counts([127, 0, 1, 5].into()) && !second.counts([127, 0, 0, 3].into()));
    let printed = print(&settings);
    let again = file(&printed).unwrap_or_else(|why| panic!("{why}\n{printed}"));
    assert_eq!(again, settings);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (line, why) in [
        ("trusted = [\"192.0.2.0/33\"]", "is no network such as 192.0.2.0/24"),
        ("trusted = [\"office\"]", "is no network such as 192.0.2.0/24"),
        ("dmarc = \"maybe\"", "maybe"),
        ("greylist = \"yes\"", "invalid type"),
        ("allow = [\"a b\"]", "is no address such as joe@example.org"),
        ("deny = [\"joe@\"]", "is no address such as joe@example.org"),
        ("forwarders = [\"joe@far.test\"]", "is no domain"),
        ("blocklist_hit = \"maybe\"", "maybe"),
        ("colour = 1", "colour"),
        ("[[checks.blocklist]]\nzone = \"\"", "is no domain"),
        ("[[checks.blocklist]]\nzone = \"bl.test\"\ncodes = []", "would never count"),
        ("[[checks.blocklist]]\nzone = \"bl.test\"\ncodes = [\"127.255.255.254\"]", "is no code"),
        (
            "[[checks.blocklist]]\nzone = \"bl.test\"\ncodes = [\"127.0.0.9-127.0.0.2\"]",
            "is no code",
        ),
    ] {
        let error = read(&format!("[checks]\n{line}\n")).expect_err(line);
        assert!(error.contains(why), "{line}: {error}");
        let number = error.split(':').nth(1).and_then(|number| number.parse::<u32>().ok());
        assert!(number.is_some_and(|number| number >= 3), "{line}: {error}");
    }
    let many = "[[checks.blocklist]]\nzone = \"bl.test\"\n".repeat(11);
    assert!(read(&many).expect_err("eleven").contains("at most 10 blocklists"));
}
