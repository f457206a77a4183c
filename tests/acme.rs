//! Certificates of an authority: when one is asked for, how it stands, and where the proofs are.
//! With a real authority: tests/acme/run.

use crate::net::acme::challenge::Challenges;
use crate::net::acme::files::Files;
use crate::net::acme::plan::{
    Asked, ByHand, DAY, Health, InUse, Next, Record, Wanted, Why, Window, health, next, pause,
    renewal,
};
use crate::settings::{self, Method, Settings};
use crate::tests::net::toy::Folder;
use std::os::unix::fs::PermissionsExt;

/// A day after the first release.
const NOW: i64 = 1_800_000_000;
const DIRECTORY: &str = "https://ca.test/dir";

/// Of an authority, for 90 days, made so long ago.
fn public(age: i64) -> InUse {
    InUse {
        own: false,
        not_before: NOW - age,
        not_after: NOW - age + 90 * DAY,
        names: vec!["mail.office.test".to_string()],
        hash: [0x80; 32],
    }
}

fn own() -> InUse {
    InUse { own: true, ..public(0) }
}

/// The last try went well.
fn issued() -> Record {
    Record { directory: DIRECTORY.to_string(), tries: 1, ..Record::default() }
}

fn failed(times: u32, ago: i64) -> Record {
    Record {
        failures: times,
        at: NOW - ago,
        failing_since: NOW - ago,
        outcome: "port 80 is shut".to_string(),
        ..issued()
    }
}

fn decide(record: &Record, in_use: &InUse, asked: Option<Asked>, now: i64) -> Next {
    let names = ["mail.office.test".to_string()];
    next(record, in_use, Wanted { names: &names, directory: DIRECTORY }, asked, now)
}

#[test]
fn the_first_is_asked_for_at_once_and_the_next_after_two_thirds() {
    assert_eq!(decide(&Record::default(), &own(), None, NOW), Next::Now(Why::First));
    assert_eq!(decide(&issued(), &public(DAY), None, NOW), Next::At(NOW + 59 * DAY));
    assert_eq!(decide(&issued(), &public(60 * DAY), None, NOW), Next::Now(Why::Due));
    assert_eq!(decide(&issued(), &public(60 * DAY - 1), None, NOW), Next::At(NOW + 1));
    let other = Record { directory: "https://old.test/dir".to_string(), ..issued() };
    assert_eq!(decide(&other, &public(DAY), None, NOW), Next::Now(Why::First));
}

#[test]
fn a_name_that_is_new_is_asked_for_once_a_day() {
    let names = ["mail.office.test", "mta-sts.office.test"].map(String::from);
    let wanted = Wanted { names: &names, directory: DIRECTORY };
    let decide = |age| next(&issued(), &public(age), wanted, None, NOW);
    assert_eq!(decide(DAY), Next::Now(Why::Names));
    assert_eq!(decide(DAY / 2), Next::At(NOW + DAY / 2));
    assert_eq!(decide(60 * DAY), Next::Now(Why::Names));
    // One that is wanted no more is no reason.
    let more = InUse { names: names.to_vec(), ..public(DAY) };
    assert!(matches!(self::decide(&issued(), &more, None, NOW), Next::At(_)));
}

#[test]
fn after_failures_it_waits_longer_and_never_more_than_a_day() {
    for (times, wait) in [(1, 600), (2, 3600), (3, 6 * 3600), (4, DAY), (400, DAY)] {
        assert_eq!(pause(times), wait);
        let again = decide(&failed(times, 1), &own(), None, NOW);
        assert_eq!(again, Next::At(NOW + wait - 1), "after {times}");
        assert_eq!(decide(&failed(times, wait), &own(), None, NOW), Next::Now(Why::First));
    }
    // The owner need not wait, and what is good is not renewed by asking for a renewal.
    let asked = Some(Asked::Renew);
    assert_eq!(decide(&failed(4, 1), &own(), asked, NOW), Next::Now(Why::First));
    assert_eq!(decide(&issued(), &public(DAY), asked, NOW), Next::At(NOW + 59 * DAY));
    let asked = Some(Asked::Issue);
    assert_eq!(decide(&issued(), &public(DAY), asked, NOW), Next::Now(Why::Asked));
    // A try of a clock that stood in the future holds nobody up.
    assert_eq!(decide(&failed(4, -400 * DAY), &own(), None, NOW), Next::Now(Why::First));
}

#[test]
fn nothing_is_asked_for_by_a_clock_that_is_not_set() {
    for asked in [None, Some(Asked::Issue), Some(Asked::Renew)] {
        assert_eq!(decide(&issued(), &public(80 * DAY), asked, 1_000), Next::NoClock);
    }
    assert_eq!(health(&issued(), &public(0), true, 1_000), Health::NoClock);
}

#[test]
fn the_authority_says_when_and_is_not_believed_beyond_reason() {
    let in_use = public(DAY);
    let window = |start: i64, end: i64| Record {
        window: Some(Window { not_before: in_use.not_before, start, end, again: 0 }),
        ..issued()
    };
    // Half of the hash: the middle of the window, each time the same.
    let (start, end) = (NOW + 10 * DAY, NOW + 12 * DAY);
    let middle = renewal(&window(start, end), &in_use);
    assert!((middle - (NOW + 11 * DAY)).abs() < 600, "{}", middle - NOW);
    let other = InUse { hash: [0x10; 32], ..in_use.clone() };
    let early = renewal(&window(start, end), &other);
    assert!(start < early && early < middle, "chance by certificate");
    // It was revoked: the window is past.
    let past = window(NOW - 2 * DAY, NOW - DAY);
    assert_eq!(decide(&past, &in_use, None, NOW), Next::Now(Why::Due));
    let absurd = renewal(&window(NOW + 9_000 * DAY, i64::MAX), &in_use);
    assert_eq!(absurd, in_use.not_after - 9 * DAY);
    let reversed = renewal(&window(end, start), &in_use);
    assert_eq!(reversed, end);
    // What was said of the one before counts for nothing.
    let next_one = InUse { not_before: NOW, not_after: NOW + 90 * DAY, ..in_use.clone() };
    assert_eq!(renewal(&past, &next_one), NOW + 60 * DAY);
}

#[test]
fn the_owner_is_told_in_time_and_not_before() {
    let public_for = |days_left: i64| public((90 - days_left) * DAY);
    assert!(matches!(health(&issued(), &public_for(80), true, NOW), Health::Good { .. }));
    let early = health(&failed(3, 60), &public_for(20), true, NOW);
    let Health::Failed { why, again, ends } = early else { panic!("{early:?}") };
    assert_eq!((why.as_str(), again), ("port 80 is shut", NOW - 60 + 6 * 3600));
    assert_eq!(ends, Some(NOW + 20 * DAY));
    // It was asked for before its time.
    let early = health(&failed(1, 60), &public_for(80), true, NOW);
    assert!(matches!(early, Health::Failed { again, .. } if again == NOW + 50 * DAY), "{early:?}");
    for left in [14, 1, 0, -3] {
        let late = health(&failed(4, 60), &public_for(left), true, NOW);
        let Health::Urgent { why, ends, .. } = late else { panic!("{left}: {late:?}") };
        assert_eq!((why.as_str(), ends), ("port 80 is shut", NOW + left * DAY));
    }
    // Also where no try was made, such as while the box was off.
    let off = health(&issued(), &public_for(3), true, NOW);
    assert!(matches!(off, Health::Urgent { .. }), "{off:?}");
    // One that lives for six days is not urgent all its life.
    let short = InUse { not_after: NOW + 5 * DAY, not_before: NOW - DAY, ..public(0) };
    assert!(matches!(health(&issued(), &short, true, NOW), Health::Good { .. }));
    assert!(matches!(health(&failed(1, 9), &short, true, NOW + 3 * DAY), Health::Urgent { .. }));
    assert_eq!(health(&issued(), &own(), true, NOW), Health::Coming);
    let first = health(&failed(1, 60), &own(), true, NOW);
    assert!(matches!(first, Health::Failed { ends: None, .. }), "{first:?}");
    assert_eq!(health(&issued(), &own(), false, NOW), Health::Own { ends: own().not_after });
    let records = vec![("_acme-challenge.mail.office.test".to_string(), "x".to_string())];
    let order = String::new();
    let waits = ByHand { order, since: NOW, names: Vec::new(), records: records.clone() };
    let waits = Record { by_hand: Some(waits), ..issued() };
    let waits = health(&waits, &own(), true, NOW);
    assert_eq!(waits, Health::ByHand { records, since: NOW, ends: None });
}

#[test]
fn an_order_by_hand_is_for_all_its_names_also_those_without_a_record() {
    let record = r#"["_acme-challenge.mail.office.test", "x"]"#;
    let read = |names: &str| -> ByHand {
        let text = format!(r#"{{"order": "o", "since": 1, {names} "records": [{record}]}}"#);
        serde_json::from_str(&text).expect("read")
    };
    let all = ["mail.office.test", "mta-sts.office.test"];
    assert_eq!(read(r#""names": ["mail.office.test", "mta-sts.office.test"],"#).all_names(), all);
    // As an earlier release wrote it.
    assert_eq!(read("").all_names(), all[..1]);
}

#[test]
fn what_is_remembered_is_read_back_and_is_nobody_elses() {
    let folder = Folder::new();
    std::fs::create_dir(folder.0.join("tls")).expect("a folder");
    let files = Files::of(&folder.0);
    assert_eq!(files.record().expect("none yet"), Record::default());
    let record = Record { left_out: vec![("a.test".into(), "why".into())], ..failed(2, 5) };
    files.remember(&record).expect("written");
    assert_eq!(files.record().expect("read"), record);
    assert_eq!(files.asked(), None);
    for asked in [Asked::Issue, Asked::Renew] {
        files.ask(asked).expect("asked");
        assert_eq!(files.asked(), Some(asked));
    }
    files.answered();
    assert_eq!(files.asked(), None);
    let path = folder.0.join("tls/acme.json");
    let mode = std::fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::write(&path, "{").expect("written");
    let told = files.record().expect_err("broken").to_string();
    assert!(told.contains("acme.json"), "{told}");
}

#[test]
fn a_page_is_shown_while_the_authority_looks_and_no_longer() {
    let challenges = Challenges::default();
    challenges.clone().show_page("token", "token.thumb");
    assert_eq!(challenges.page("token").as_deref(), Some("token.thumb"));
    assert_eq!(challenges.page("other"), None);
    challenges.clear();
    assert_eq!(challenges.page("token"), None);
}

fn parsed(text: &str) -> Result<Settings, String> {
    let folder = Folder::new();
    let path = folder.0.join("mailroom.toml");
    std::fs::write(&path, format!("host = \"mail.office.test\"\n{text}")).expect("written");
    settings::load(&path).map_err(|error| error.to_string())
}

const UPDATE: &str = "[certificate]\nmethod = \"dns-01\"\ndirectory = \"https://ca.test/dir\"\n\
     contact = \"me@office.test\"\n[certificate.update]\nserver = \"192.0.2.53\"\n\
     zone = \"Office.test\"\nkey = \"mailroom.\"\nsecret = \"MDEyMzQ1Njc4OWFiY2RlZg==\"\n";

#[test]
fn the_settings_say_how_and_are_printed_as_they_were() {
    let settings = parsed(UPDATE).expect("good");
    let Method::Dns01(update) = &settings.certificate.method else { panic!("{settings:?}") };
    assert_eq!(update.server, ([192, 0, 2, 53], 53).into());
    assert_eq!((update.zone.as_deref(), update.key.as_str()), (Some("office.test"), "mailroom"));
    assert!(!format!("{settings:?}").contains("0123456789"), "no secret in a log");
    for text in
        [UPDATE, "", "[certificate]\nmethod = \"http-01\"\n", "[public]\nmta_sts = \"none\"\n"]
    {
        let settings = parsed(text).expect("good");
        let printed = settings::print(&settings).replace("host = \"mail.office.test\"\n", "");
        assert_eq!(parsed(&printed).expect("as it was printed"), settings, "{printed}");
    }
}

#[test]
fn wrong_settings_are_told_with_line_and_reason() {
    for (text, line, why) in [
        ("[certificate]\nmethod = \"dns\"\n", 3, "none of own, http-01"),
        ("[certificate]\nmethod = \"dns-01\"\n", 3, "[certificate.update] is missing"),
        (&UPDATE.replace("dns-01", "http-01"), 6, "update is for method"),
        (&UPDATE.replace("https://", "http://"), 4, "no address such as https://"),
        (&UPDATE.replace("https://ca.test/dir", "https:///dir"), 4, "no address such as"),
        (&UPDATE.replace("me@office.test", "me"), 5, "no address such as me@"),
        (&UPDATE.replace("192.0.2.53", "ns.test"), 7, "no address such as 192.0.2.53"),
        (&UPDATE.replace("MDEy", "!"), 10, "no base64"),
        (&UPDATE.replace("MDEyMzQ1Njc4OWFiY2RlZg==", "MDEy"), 10, "at least 16 octets"),
        (&UPDATE.replace("secret =", "secert ="), 10, "unknown field"),
        ("[public]\nmta_sts = \"always\"\n", 3, "none of enforce"),
    ] {
        let told = parsed(text).expect_err(text);
        assert!(told.contains(&format!("mailroom.toml:{line}: ")), "{line}: {told}");
        assert!(told.contains(why), "{why}: {told}");
    }
}
