//! What to publish, and the keys behind it.

use super::Data;
use crate::settings::{self, Ports, Settings};

fn data(host: &str) -> Data {
    let data = Data::new();
    let settings = Settings::first(host, Ports { pop3: 0, ..Ports::WELL_KNOWN });
    let path = data.0.join("mailroom.toml");
    settings::replace_file(&path, settings::print(&settings).as_bytes()).unwrap();
    data.good("domain add office.test");
    data
}

#[test]
fn the_zone_has_all_that_others_look_for_and_keys_change_in_steps() {
    let data = data("mail.office.test");
    let zone = data.good("dns office.test");
    for line in [
        "office.test. 3600 IN MX 10 mail.office.test.",
        "office.test. 3600 IN TXT \"v=spf1 mx a:mail.office.test ~all\"",
        "_dmarc.office.test. 3600 IN TXT \"v=DMARC1; p=quarantine; rua=mailto:",
        "_submissions._tcp.office.test. 3600 IN SRV 0 1 465 mail.office.test.",
        "_submission._tcp.office.test. 3600 IN SRV 10 1 587 mail.office.test.",
        "_pop3._tcp.office.test. 3600 IN SRV 0 0 0 .",
        "_smtp._tls.office.test. 3600 IN TXT \"v=TLSRPTv1; rua=mailto:",
        "mail.office.test. 3600 IN CAA 0 issue \"letsencrypt.org\"",
    ] {
        assert!(zone.lines().any(|l| l.starts_with(line)), "{line}\n{zone}");
    }
    assert_eq!(zone, data.good("dns"), "one domain is all there are, and its keys stay");
    let records = data.json("dns office.test");
    let keys = records["records"].as_array().unwrap();
    let keys = keys.iter().filter(|r| r["value"].as_str().unwrap().contains("DKIM1"));
    let keys: Vec<_> = keys.map(|r| r["value"].as_str().unwrap().to_string()).collect();
    // RFC 1035 3.3: the RSA key fills more than one string of 255 octets
    assert!(keys.len() == 2 && keys[0].contains("\" \"") && keys[1].contains("k=ed25519"));

    let shown = data.json("dkim show");
    let first = shown["pairs"][0]["pair"].as_str().unwrap().to_string();
    assert_eq!(shown["pairs"][0]["active"], true);
    let made = data.json("dkim rotate office.test");
    let next = made["pairs"][0]["pair"].as_str().unwrap().to_string();
    assert_eq!(made["pairs"][0]["active"], false);
    assert!(data.bad(&format!("dkim remove office.test {first}")).contains("must stay"));
    assert!(data.good(&format!("dkim activate office.test {next}")).contains("signs the mail"));
    data.good(&format!("dkim remove office.test {first}"));
    let zone = data.good("dns");
    assert!(zone.contains(&format!("{next}r._domainkey.office.test.")), "{zone}");
    assert!(!zone.contains(&format!("{first}r._domainkey")), "{zone}");
}

#[test]
fn what_cannot_be_published_is_told() {
    let data = data("localhost");
    let why = data.bad("dns");
    assert!(why.contains("not a name that others can look up"), "{why}");
    assert!(data.bad("dkim show far.test").contains("far.test is not a domain of this box"));
    assert!(data.bad("dkim activate office.test m1").contains("has no pair of keys"));
}
