//! What `check` finds outside: a name server and mail servers of the test's own stand for the
//! world.

use super::Data;
use crate::act::check::published::judge;
use crate::act::check::reach::{self, Reached, seen_in};
use crate::act::check::{State, world};
use crate::act::records::{Need, Place, Record};
use crate::limits::CHECK_RECEIVERS;
use crate::net::resolver::NoAnswer;
use crate::settings::{self, Ports, Settings};
use crate::tests::remote::peers::{A, Dns, MX, Peer, Script, mx};
use crate::wire::smtp::Reply;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::runtime::Runtime;

pub(super) type Answers = Vec<(String, u16, Vec<u8>)>;

pub(super) const PTR: u16 = 12;
/// What was looked at, its state, and what that means.
pub(super) type Found = Vec<(String, String, String)>;

const OURS: &str = "192.0.2.25";

/// An office, its world, and the threads that the world needs.
pub(super) struct Scene {
    pub data: Data,
    /// Zones of blocklists in the settings.
    lists: std::cell::RefCell<Vec<&'static str>>,
    runtime: Runtime,
}

impl Scene {
    pub(super) fn new() -> Scene {
        let data = Data::new();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("threads");
        let scene = Scene { data, lists: Default::default(), runtime };
        scene.set("127.0.0.1:9".parse().unwrap(), 9);
        scene.data.good("domain add office.test");
        scene
    }

    fn set(&self, name_server: SocketAddr, port: u16) {
        let mut settings = Settings::first("mail.office.test", Ports::WELL_KNOWN);
        settings.outgoing.name_servers = vec![name_server];
        settings.outgoing.port = port;
        let path = self.data.0.join("mailroom.toml");
        let list = |zone: &&str| format!("[[checks.blocklist]]\nzone = \"{zone}\"\n");
        let lists: String = self.lists.borrow().iter().map(list).collect();
        let text = settings::print(&settings) + &lists;
        settings::replace_file(&path, text.as_bytes()).unwrap();
    }

    /// What `dns` says to publish, as a name server answers it.
    pub(super) fn published(&self) -> Answers {
        let all = self.data.json("dns office.test");
        let all = all["records"].as_array().unwrap().iter();
        let in_zone = all.filter(|record| record["where"] == "zone");
        let text = |record: &Value, field: &str| record[field].as_str().unwrap().to_string();
        in_zone
            .map(|record| {
                let (kind, data) = answer(&text(record, "kind"), &text(record, "value"));
                (text(record, "name"), kind, data)
            })
            .collect()
    }

    /// What `check` finds in a world with these answers and this script on every mail server.
    pub(super) fn found(&self, answers: Answers, script: Option<Script>) -> Found {
        let (dns, port) = self.runtime.block_on(async {
            let port = match script {
                Some(script) => Peer::start("127.0.0.1:0", vec![script]).await.at.port(),
                // Nothing listens there.
                None => 1,
            };
            let answers =
                answers.iter().map(|(name, kind, data)| (name.as_str(), *kind, data.clone()));
            (Dns::start(answers.collect()).await, port)
        });
        self.set(dns.at, port);
        let ran = self.data.run("check --json");
        assert_eq!(ran.code, 1, "the server does not run");
        let value: Value = serde_json::from_str(&ran.out).expect("JSON");
        let text = |finding: &Value, field: &str| finding[field].as_str().unwrap().to_string();
        let findings = value["checked"].as_array().unwrap().iter();
        let findings =
            findings.map(|it| (text(it, "what"), text(it, "state"), text(it, "meaning")));
        findings.skip_while(|(what, ..)| what != "name servers").collect()
    }
}

/// A record's value as octets on the wire.
fn answer(kind: &str, value: &str) -> (u16, Vec<u8>) {
    let name = |name: &str| mx(0, name).split_off(2);
    let words: Vec<&str> = value.split(' ').collect();
    let number = |word: &str| word.parse::<u16>().expect("a number").to_be_bytes();
    match kind {
        "MX" => (MX, mx(words[0].parse().unwrap(), words[1])),
        "CNAME" => (5, name(value)),
        "SRV" => {
            let numbers = words[..3].iter().flat_map(|word| number(word));
            (33, numbers.chain(name(words[3])).collect())
        }
        "TXT" => {
            let value = value.replace("\" \"", "");
            (16, text(value.trim_matches('"')))
        }
        "CAA" => (257, [&[0, 5][..], b"issue", words[2].trim_matches('"').as_bytes()].concat()),
        other => panic!("{other} {value}"),
    }
}

pub(super) fn text(value: &str) -> Vec<u8> {
    let string = |octets: &[u8]| [&[octets.len() as u8], octets].concat();
    value.as_bytes().chunks(255).flat_map(string).collect()
}

/// The world around: the receivers that are called, and names for addresses.
pub(super) fn around(answers: &mut Answers, own: [u8; 4], name: Option<&str>) {
    for domain in CHECK_RECEIVERS {
        answers.push((domain.to_string(), MX, mx(5, "mx.large.test")));
    }
    answers.push(("mx.large.test".to_string(), A, vec![127, 0, 0, 1]));
    answers.push(("mail.office.test".to_string(), A, own.to_vec()));
    if let Some(name) = name {
        answers.push(("25.2.0.192.in-addr.arpa".to_string(), PTR, mx(0, name).split_off(2)));
    }
}

pub(super) fn open() -> Script {
    let hello = "250-mx.large.test at your service, [192.0.2.25]\r\n250 SIZE 1000\r\n";
    vec![("", "220 mx.large.test ESMTP\r\n"), ("EHLO", hello), ("QUIT", "221 bye\r\n")]
}

pub(super) fn state(found: &[(String, String, String)], what: &str) -> (String, String) {
    let finding = found.iter().find(|(it, ..)| it == what);
    let (_, state, meaning) = finding.unwrap_or_else(|| panic!("{what} in {found:#?}"));
    (state.clone(), meaning.clone())
}

#[test]
fn where_everything_is_published_and_open_all_is_well() {
    let scene = Scene::new();
    let mut answers = scene.published();
    let records = answers.len();
    around(&mut answers, [192, 0, 2, 25], Some("mail.office.test"));
    let found = scene.found(answers, Some(open()));
    let wrong: Vec<_> = found.iter().filter(|(_, state, _)| state != "ok").collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(found.len(), 5 + records, "{found:#?}");
    for (what, meaning) in [
        ("address of mail.office.test", OURS),
        ("name of 192.0.2.25", "mail.office.test, which leads back"),
        ("way out", "mx.large.test takes our calls"),
        ("outgoing address", "an address of mail.office.test"),
        ("MX of office.test", "comes here"),
        ("TXT of _dmarc.office.test", "p=none"),
    ] {
        assert!(state(&found, what).1.contains(meaning), "{what}: {:?}", state(&found, what));
    }
    let text = scene.data.run("check").out;
    super::says(&text, &["OK     name servers: they answer", "OK     way out: "]);
    let here = scene.data.run("check --here").out;
    assert!(!here.contains("name servers") && here.contains("settings"), "{here}");
}

#[test]
fn each_thing_that_is_missing_or_wrong_is_told_with_its_remedy() {
    let scene = Scene::new();
    let mut answers = scene.published();
    answers.retain(|(name, ..)| !name.contains("_domainkey") && !name.starts_with("_imap"));
    for (name, kind, data) in &mut answers {
        match (name.as_str(), *kind) {
            ("office.test", 16) => *data = text("v=spf1 ip4:203.0.113.9 -all"),
            ("office.test", MX) => *data = mx(10, "mx.old.test"),
            ("_dmarc.office.test", _) => *data = text("v=DMARC1; p=nothing"),
            ("_submissions._tcp.office.test", _) => *data = answer("SRV", "0 1 465 x.test").1,
            _ => {}
        }
    }
    around(&mut answers, [192, 0, 2, 25], Some("dsl-25.provider.test"));
    answers.push(("dsl-25.provider.test".to_string(), A, vec![192, 0, 2, 99]));
    let found = scene.found(answers, None);
    for (what, wanted, meaning) in [
        ("name of 192.0.2.25", "wrong", "dsl-25.provider.test does not lead back to it"),
        ("way out", "wrong", "refused: mx.large.test"),
        ("MX of office.test", "wrong", "goes to 10 mx.old.test."),
        ("TXT of office.test", "wrong", "does not let this server send"),
        ("TXT of _dmarc.office.test", "wrong", "has no policy"),
        ("SRV of _submissions._tcp.office.test", "warn", "0 1 465 x.test., and not 0 1 465 mail"),
        ("SRV of _imaps._tcp.office.test", "warn", "missing: mail programs find the port"),
        ("CNAME of autoconfig.office.test", "ok", "it is published"),
    ] {
        let (state, said) = state(&found, what);
        assert!(state == wanted && said.contains(meaning), "{what}: {state}: {said}");
    }
    let keys =
        found.iter().filter(|(what, state, _)| what.contains("_domainkey") && state == "wrong");
    assert_eq!(keys.count(), 2, "{found:#?}");
    let text = scene.data.run("check").out;
    super::says(
        &text,
        &[
            "WRONG  MX of office.test: mail for it goes to 10 mx.old.test.",
            "what to do: publish it as `mailroom dns office.test` says",
            "what to do: ask the provider of the address to name it mail.office.test",
            "what to do: ask the provider to open outgoing port 25, or send over a relay",
        ],
    );
}

#[test]
fn an_inner_address_a_wall_and_another_way_out_are_seen() {
    let scene = Scene::new();
    let mut answers = Answers::new();
    around(&mut answers, [10, 0, 0, 5], None);
    let wall = vec![("", "what do you want\r\n")];
    let found = scene.found(answers.clone(), Some(wall));
    assert!(state(&found, "address of mail.office.test").1.contains("cannot be reached"));
    assert!(state(&found, "way out").1.contains("something in between"), "{found:?}");
    assert!(!found.iter().any(|(what, ..)| what.starts_with("name of")));

    let unwelcome = vec![("", "554 5.7.1 your address is listed\r\n")];
    let found = scene.found(answers.clone(), Some(unwelcome));
    let (is, said) = state(&found, "way out");
    assert!(is == "wrong" && said.contains("your address is listed"), "{said}");

    let found = scene.found(answers, Some(open()));
    let (is, said) = state(&found, "outgoing address");
    assert!(is == "wrong" && said.contains("192.0.2.25, which is no address of"), "{said}");

    let found = scene.found(Answers::new(), None);
    let (is, said) = state(&found, "address of mail.office.test");
    assert!(is == "wrong" && said.contains("finds no address"), "{said}");
    assert_eq!(state(&found, "way out").0, "warn");
}

#[test]
fn an_address_on_a_blocklist_is_told_and_a_list_that_fails_its_test_is_not_believed() {
    let scene = Scene::new();
    scene.lists.replace(vec!["bad.test", "deaf.test", "clean.test"]);
    let mut answers = Answers::new();
    around(&mut answers, [192, 0, 2, 25], None);
    // RFC 5782 5: 127.0.0.2 is on every list, 127.0.0.1 on none
    for (name, octet) in [("2.0.0.127.bad.test", 2), ("25.2.0.192.bad.test", 4)] {
        answers.push((name.to_string(), A, vec![127, 0, 0, octet]));
    }
    answers.push(("2.0.0.127.clean.test".to_string(), A, vec![127, 0, 0, 2]));
    let found = scene.found(answers, Some(open()));
    for (what, wanted, meaning) in [
        ("blocklist bad.test", "wrong", "192.0.2.25 is on it (127.0.0.4)"),
        ("blocklist clean.test", "ok", "192.0.2.25 is not on it"),
        ("blocklist deaf.test", "warn", "fails its own test"),
    ] {
        let (state, said) = state(&found, what);
        assert!(state == wanted && said.contains(meaning), "{what}: {state}: {said}");
    }
    assert_eq!(found.iter().filter(|(what, ..)| what.starts_with("blocklist")).count(), 3);
}

#[test]
fn each_way_out_has_its_meaning() {
    let one = |reached: Reached| {
        let finding = reach::judge(&[("mx.a.test".to_string(), reached)]);
        (finding.state, finding.meaning)
    };
    for (reached, state, meaning) in [
        (Reached::Open(None), State::Ok, "mx.a.test takes our calls"),
        (Reached::Blocked, State::Wrong, "blocked: nobody answers (mx.a.test)"),
        (Reached::Refused, State::Wrong, "refused: mx.a.test"),
        (Reached::Silent, State::Wrong, "something in between"),
        (Reached::NoWay("no route".to_string()), State::Warn, "mx.a.test: no route"),
    ] {
        let said = one(reached);
        assert!(said.0 == state && said.1.contains(meaning), "{said:?}");
    }
    // One that answers is enough.
    let two = [("a".to_string(), Reached::Blocked), ("b".to_string(), Reached::Open(None))];
    assert_eq!(reach::judge(&two).state, State::Ok);
    let hello = |text: &str| seen_in(&Reply::plain(250, vec![text.to_string()]));
    assert_eq!(hello("mx at your service, [192.0.2.1]"), "192.0.2.1".parse().ok());
    assert_eq!(hello("mx Hello me.test (IPv6:2001:db8::1)"), "2001:db8::1".parse().ok());
    assert_eq!(hello("mx.test Hello"), None);
    let inner = ["192.0.2.1".parse().unwrap(), "10.1.1.1".parse().unwrap()];
    assert_eq!(world::address("h.test", &inner[..1]).state, State::Ok);
    assert_eq!(world::address("h.test", &inner).state, State::Wrong);
}

#[test]
fn each_record_is_judged_by_what_it_does() {
    let record = |kind: &str, value: &str, need: Need| Record {
        name: "x.test".to_string(),
        kind: kind.to_string(),
        value: value.to_string(),
        why: "why".to_string(),
        place: Place::Zone,
        need,
    };
    let spf = record("TXT", "\"v=spf1 mx a:mail.x.test ~all\"", Need::Must);
    let key = record("TXT", "\"v=DKIM1; k=rsa; p=AAAA\" \"BBBB\"", Need::Must);
    let dmarc = record("TXT", "\"v=DMARC1; p=none\"", Need::Should);
    let tlsa = record("TLSA", "3 1 1 00ff", Need::May);
    let page = record("CNAME", "mail.x.test.", Need::May);
    let mail = record("MX", "10 mail.x.test.", Need::Must);
    for (record, values, state, meaning) in [
        (&spf, vec!["v=spf1 +MX -all", "another text"], State::Ok, "it says"),
        (&spf, vec!["v=spf1 include:relay.test ~all"], State::Warn, "perhaps include:relay.test"),
        (&spf, vec!["v=spf1 mx +all"], State::Wrong, "everybody"),
        (&spf, vec!["v=spf1 mx -all", "v=spf1 a -all"], State::Wrong, "2 of them"),
        (&spf, vec!["no spf here"], State::Wrong, "missing"),
        (&key, vec!["k=rsa; p=AAAA BBBB"], State::Ok, "our key"),
        (&key, vec!["v=DKIM1; p=CCCC"], State::Wrong, "another key"),
        (&key, vec!["v=DKIM1; p="], State::Wrong, "withdrawn"),
        (&dmarc, vec!["v=DMARC1; P=Reject; rua=mailto:a@b.test"], State::Ok, "refused"),
        (&dmarc, vec![], State::Warn, "missing"),
        (&tlsa, vec!["3 1 1 00FF"], State::Ok, "published"),
        (&tlsa, vec!["3 1 1 0000"], State::Wrong, "not our key"),
        (&tlsa, vec![], State::Ok, "not published"),
        (&page, vec!["web.x.test."], State::Ok, "web.x.test."),
        (&mail, vec!["5 MAIL.x.test.", "9 backup.test."], State::Warn, "9 backup.test. too"),
    ] {
        let values: Vec<String> = values.into_iter().map(str::to_string).collect();
        let said = format!("{} {values:?}", record.value);
        let answer = if values.is_empty() { Err(NoAnswer::NoName) } else { Ok(values) };
        let finding = judge("x.test", record, &answer);
        assert!(finding.state == state && finding.meaning.contains(meaning), "{said}: {finding:?}");
        assert_eq!(finding.remedy.is_empty(), state == State::Ok, "{said}");
    }
    let lost = judge("x.test", &spf, &Err(NoAnswer::Unknown("nobody answers".to_string())));
    assert_eq!((lost.state, lost.meaning.contains("nobody answers")), (State::Warn, true));
}

#[test]
fn a_box_without_a_name_or_name_servers_looks_no_further() {
    let data = Data::new();
    let mut settings = Settings::first("localhost", Ports::WELL_KNOWN);
    let path = data.0.join("mailroom.toml");
    settings::replace_file(&path, settings::print(&settings).as_bytes()).unwrap();
    super::says(&data.run("check").out, &["warn   world: localhost is no name for the world"]);
    settings.host = "silent.test".to_string();
    settings.outgoing.name_servers = vec!["127.0.0.1:1".parse().unwrap()];
    settings::replace_file(&path, settings::print(&settings).as_bytes()).unwrap();
    let said = data.run("check").out;
    super::says(&said, &["WRONG  name servers: ", "see name_servers in [outgoing]"]);
    assert!(!said.contains("way out"), "{said}");
}
