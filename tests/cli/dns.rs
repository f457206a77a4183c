//! What to publish, and the keys behind it.

use super::Data;
use crate::act::records::{self, Known};
use crate::net::authority::Names;
use crate::net::dkim::PublicKey;
use crate::net::tls::Tls;
use crate::settings::{self, Ports, Settings};
use hickory_resolver::proto::rr::{Name, RData, Record};
use hickory_resolver::proto::serialize::txt::Parser;
use serde_json::Value;
use std::collections::BTreeSet;

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
        "_dmarc.office.test. 3600 IN TXT \"v=DMARC1; p=none; rua=mailto:postmaster+dmarc@o",
        "_submissions._tcp.office.test. 3600 IN SRV 0 1 465 mail.office.test.",
        "_submission._tcp.office.test. 3600 IN SRV 10 1 587 mail.office.test.",
        "_pop3._tcp.office.test. 3600 IN SRV 0 0 0 .",
        "_smtp._tls.office.test. 3600 IN TXT \"v=TLSRPTv1; rua=mailto:",
        "autodiscover.office.test. 3600 IN CNAME mail.office.test.",
        "_mta-sts.office.test. 3600 IN TXT \"v=STSv1; id=",
        ";   mx: mail.office.test",
        "; (the public address of this server). 3600 IN PTR mail.office.test.",
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

/// Name, type and value of each record that a program reads from a zone file.
fn read_zone(zone: &str) -> BTreeSet<(String, String, Vec<String>)> {
    let origin = Name::from_ascii("office.test.").unwrap();
    let (_, sets) = Parser::new(zone, None, Some(origin)).parse().expect("a zone file");
    let record = |record: &Record| {
        let strings = match &record.data {
            RData::TXT(txt) => {
                let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
                txt.txt_data.iter().map(|octets| text(octets)).collect()
            }
            other => vec![other.to_string()],
        };
        let name = record.name.to_ascii().trim_end_matches('.').to_string();
        (name, record.record_type().to_string(), strings)
    };
    sets.values().flat_map(|set| set.records_without_rrsigs().map(record)).collect()
}

#[test]
fn other_programs_read_the_zone_as_it_was_meant() {
    let data = data("mail.office.test");
    let settings = data.0.join("mailroom.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let listen = "listen = [\"192.0.2.25\", \"2001:db8::25\", \"10.0.0.5\"]";
    std::fs::write(&settings, text.replace("listen = [\"127.0.0.1\"]", listen)).unwrap();
    let tls = data.0.join("tls");
    let names = Names { host: "mail.office.test".to_string(), others: Vec::new() };
    std::fs::create_dir_all(&tls).unwrap();
    drop(Tls::open(&tls, names, crate::clock::now()).unwrap());
    data.good("dkim rotate office.test");
    let zone = data.good("dns office.test --dmarc reject");
    let read = read_zone(&zone);
    let all = data.json("dns office.test --dmarc reject");
    let all = all["records"].as_array().unwrap();
    let text = |record: &Value, field: &str| record[field].as_str().unwrap().to_string();
    let in_zone: Vec<&Value> = all.iter().filter(|record| record["where"] == "zone").collect();
    assert_eq!(read.len(), in_zone.len(), "{zone}");
    for record in &in_zone {
        let (name, kind, value) =
            (text(record, "name"), text(record, "kind"), text(record, "value"));
        let found = read.iter().find(|it| (&it.0, &it.1) == (&name, &kind));
        let (.., strings) = found.unwrap_or_else(|| panic!("{name} {kind} in {read:?}"));
        if kind == "TXT" {
            assert!(strings.iter().all(|string| string.len() <= 255), "{strings:?}");
            assert_eq!(strings.concat(), value.replace("\" \"", "").trim_matches('"'));
        } else {
            assert_eq!(strings.concat().replace('"', ""), value.replace('"', ""), "{name}");
        }
    }
    let keys = read.iter().filter(|(name, ..)| name.contains("._domainkey."));
    assert_eq!(keys.count(), 4, "of the pair that signs and of the next");
    for (name, kind, value) in [
        ("mail.office.test", "A", "192.0.2.25"),
        ("mail.office.test", "AAAA", "2001:db8::25"),
        (
            "_dmarc.office.test",
            "TXT",
            "v=DMARC1; p=reject; rua=mailto:postmaster+dmarc@office.test",
        ),
    ] {
        let wanted = (name.to_string(), kind.to_string(), vec![value.to_string()]);
        assert!(read.contains(&wanted), "{wanted:?} in {read:?}");
    }
    for line in [
        "; 25.2.0.192.in-addr.arpa. 3600 IN PTR mail.office.test.",
        "; 5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 3600 IN PTR",
        "; _25._tcp.mail.office.test. 3600 IN TLSA 3 1 1 ",
    ] {
        assert!(zone.contains(line), "{line}\n{zone}");
    }
    assert!(!zone.contains("10.0.0.5"), "{zone}");
}

#[test]
fn what_would_break_a_text_is_escaped_and_a_policy_has_a_new_id_when_it_changes() {
    let settings = |host: &str| Settings::first(host, Ports::WELL_KNOWN);
    let sts = |host: &str| {
        let all = records::of_domain("office.test", &settings(host), &[], &Known::default());
        let sts = all.into_iter().find(|record| record.name == "_mta-sts.office.test");
        sts.expect("a record").value
    };
    assert_ne!(sts("mail.office.test"), sts("other.office.test"));
    let odd = PublicKey { selector: "m1r".into(), kind: "rsa", key: "a\"b\\c;d ".repeat(40) };
    let record = records::of_key("office.test", &odd, true);
    let read = read_zone(&records::printed(&[record]));
    let (_, _, strings) = read.first().expect("a record");
    assert_eq!(strings.concat(), odd.record());
    let wide = PublicKey { key: "é".into(), ..odd };
    assert!(records::of_key("office.test", &wide, true).value.ends_with(r#"p=\195\169""#));
}

#[test]
fn what_cannot_be_published_is_told() {
    let data = data("localhost");
    let why = data.bad("dns");
    assert!(why.contains("not a name that others can look up"), "{why}");
    assert!(data.bad("dkim show far.test").contains("far.test is not a domain of this box"));
    assert!(data.bad("dkim activate office.test m1").contains("has no pair of keys"));
}
