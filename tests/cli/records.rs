//! What `check` says of each record that an office is to publish: there, missing, wrong, or not to
//! be learnt. The page of the domain shows the same.

use super::world::{Answers, Found, PTR, Scene, around, open, state, text};
use crate::act::records::reverse;
use crate::tests::remote::peers::{A, FAILS, mx};
use serde_json::Value;
use std::net::Ipv6Addr;

const AAAA: u16 = 28;
const OURS: [u8; 4] = [192, 0, 2, 25];
const SIX: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x25);

/// The findings of a world where all is well but for these answers.
fn found(scene: &Scene, mut answers: Answers) -> Found {
    around(&mut answers, OURS, Some("mail.office.test"));
    scene.found(answers, Some(open()))
}

/// What is not as it should be.
fn amiss(found: &Found) -> Vec<&(String, String, String)> {
    found.iter().filter(|(_, state, _)| state != "ok").collect()
}

/// The records in the zone, as `dns` tells them: what `check` calls each, and how it is needed.
fn told(scene: &Scene) -> Vec<(String, String)> {
    let all = scene.data.json("dns office.test");
    let all = all["records"].as_array().expect("records").iter();
    let text = |record: &Value, field: &str| record[field].as_str().expect("a text").to_string();
    let what = |record: &Value| format!("{} of {}", text(record, "kind"), text(record, "name"));
    let in_zone = all.filter(|record| record["where"] == "zone");
    in_zone.map(|record| (what(record), text(record, "need"))).collect()
}

#[test]
fn each_record_that_is_missing_is_told_and_no_other() {
    let scene = Scene::new();
    let (published, told) = (scene.published(), told(&scene));
    assert_eq!((published.len(), told.len() > 10), (told.len(), true));
    for (number, (what, need)) in told.iter().enumerate() {
        let mut answers = published.clone();
        answers.remove(number);
        let found = found(&scene, answers);
        let (wanted, words) = match need.as_str() {
            "must" => ("wrong", "missing: "),
            "should" => ("warn", "missing: "),
            _ => ("ok", "not published, which is well: "),
        };
        let (is, meaning) = state(&found, what);
        assert!(is == wanted && meaning.starts_with(words), "{what}: {is}: {meaning}");
        let others: Vec<_> = amiss(&found).into_iter().filter(|it| it.0 != *what).collect();
        assert!(others.is_empty(), "without {what}: {others:#?}");
    }
}

#[test]
fn each_record_that_is_wrong_is_told_with_what_it_says() {
    let scene = Scene::new();
    let (published, told) = (scene.published(), told(&scene));
    for (number, (what, need)) in told.iter().enumerate() {
        let mut answers = published.clone();
        let (name, kind, data) = answers[number].clone();
        let other = name.starts_with("_smtp._tls") || name.starts_with("_mta-sts");
        let (data, wanted, words) = match what.split(' ').next().unwrap_or_default() {
            "MX" => (mx(10, "mx.old.test"), "wrong", "goes to 10 mx.old.test."),
            // RFC 8460 3, RFC 8461 3.1: of two none counts
            "TXT" if other => (data, "wrong", "2 of them"),
            "TXT" if name.contains("_domainkey") => {
                (text("v=DKIM1; p=AAAA"), "wrong", "another key")
            }
            "TXT" if name.starts_with("_dmarc") => {
                (text("v=DMARC1; p=nothing"), "wrong", "no policy")
            }
            "TXT" => {
                (text("v=spf1 ip4:203.0.113.9 -all"), "wrong", "does not let this server send")
            }
            "SRV" => {
                ([&[0; 5][..], &[1], &mx(0, "x.test")[2..]].concat(), "warn", "x.test., and not")
            }
            // Whoever wants none of it may do otherwise: told, and not blamed.
            "CNAME" => (mx(0, "web.test").split_off(2), "ok", "it says web.test."),
            "CAA" => ([&[0, 5][..], b"issueca.test"].concat(), "ok", "it says 0 issue \"ca.test\""),
            kind => panic!("a record of a kind that is not tried here: {kind}"),
        };
        assert!(wanted != "ok" || need == "may", "{what} is needed");
        match other {
            true => answers.push((name, kind, data)),
            false => answers[number] = (name, kind, data),
        }
        let found = found(&scene, answers);
        let (is, meaning) = state(&found, what);
        assert!(is == wanted && meaning.contains(words), "{what}: {is}: {meaning}");
        let others: Vec<_> = amiss(&found).into_iter().filter(|it| it.0 != *what).collect();
        assert!(others.is_empty(), "with a wrong {what}: {others:#?}");
    }
}

#[test]
fn an_ipv6_address_wants_its_own_name() {
    let scene = Scene::new();
    let with = |name: Option<&str>| {
        let mut answers = scene.published();
        answers.push(("mail.office.test".to_string(), AAAA, SIX.octets().to_vec()));
        if let Some(name) = name {
            answers.push((reverse(SIX.into()), PTR, mx(0, name).split_off(2)));
        }
        answers.push(("dsl.provider.test".to_string(), A, vec![192, 0, 2, 99]));
        found(&scene, answers)
    };
    let what = "name of 2001:db8::25";
    let all_well = with(Some("mail.office.test"));
    assert!(amiss(&all_well).is_empty(), "{all_well:#?}");
    assert!(state(&all_well, what).1.contains("mail.office.test, which leads back"));
    for (name, words) in [(None, "it has none"), (Some("dsl.provider.test"), "does not lead back")]
    {
        let found = with(name);
        let (is, meaning) = state(&found, what);
        assert!(is == "wrong" && meaning.contains(words), "{is}: {meaning}");
        assert_eq!(amiss(&found).len(), 1, "the IPv4 address has its name: {found:#?}");
    }
}

#[test]
fn what_a_name_server_fails_to_say_is_not_called_missing() {
    let scene = Scene::new();
    let (published, told) = (scene.published(), told(&scene));
    let mut names: Vec<String> = published.iter().map(|(name, ..)| name.clone()).collect();
    names.dedup();
    // Without the name of the box nothing can be told, and that is said.
    let mut answers = published.clone();
    answers.push(("mail.office.test".to_string(), FAILS, Vec::new()));
    let lost = found(&scene, answers);
    let (is, meaning) = state(&lost, "name servers");
    assert!(is == "wrong" && meaning.contains("nothing outside could be looked at"), "{meaning}");
    assert_eq!(lost.len(), 1, "{lost:#?}");
    for name in names.iter().filter(|name| *name != "mail.office.test") {
        let mut answers = published.clone();
        answers.push((name.clone(), FAILS, Vec::new()));
        let found = found(&scene, answers);
        let of_name = |what: &str| what.ends_with(&format!(" of {name}"));
        for (what, _) in told.iter().filter(|(what, _)| of_name(what)) {
            let (is, meaning) = state(&found, what);
            assert!(is == "warn" && meaning.contains("cannot be looked up"), "{what}: {meaning}");
        }
        let others: Vec<_> = amiss(&found).into_iter().filter(|it| !of_name(&it.0)).collect();
        assert!(others.is_empty(), "{name} fails: {others:#?}");
    }
    assert!(names.len() > 8, "{names:?}");
}
