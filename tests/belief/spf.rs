//! SPF: what each fault of a record and each trouble of a name server comes to. The suite of
//! RFC 7208 itself goes through the whole server.

use super::names::{Names, reverse};
use super::{arrival, evidence};
use crate::net::authenticate::{Arrival, Examiner};
use crate::policy::{Finding, Identity};
use crate::wire::spf::Record;
use std::time::{Duration, Instant};

const LETTER: &str = "From: joe@far.test\r\n\r\ntext\r\n";

/// What SPF says of mail from joe@far.test at 192.0.2.7.
async fn check(zone: &str) -> (Finding, String) {
    let evidence = evidence(zone, LETTER).await;
    let own = evidence.spf.into_iter().find(|spf| spf.identity == Identity::Mail).expect("checked");
    assert_eq!(own.domain, "far.test");
    (own.finding, own.why)
}

const GOOD: &[&str] = &[
    "v=spf1",
    "V=SPF1 -ALL",
    "v=spf1 a mx ptr -all ",
    "v=spf1 +ip4:192.0.2.0/24 ~all",
    "v=spf1 a/24 mx//64 a:x.test/24//64",
    "v=spf1 ip6:2001:db8::/32",
    "v=spf1 ip6:::1/0",
    "v=spf1 exists:%{ir}.%{l1r+-}._spf.%{d2}.test",
    "v=spf1 include:%{d}",
    "v=spf1 a:%%.x-y.test.",
    "v=spf1 redirect=_spf.test exp=why.%{o}",
    "v=spf1 moo=%{c} cow.x_y-1=",
    "v=spf1 a:1.2a",
];

const BAD: &[&str] = &[
    "v=spf10",
    "v=spf1-all",
    "spf1",
    "",
    "v=spf1 -all:x",
    "v=spf1 all/8",
    "v=spf1 alle",
    "v=spf1 +-all",
    "v=spf1 -",
    "v=spf1\t-all",
    "v=spf1 include",
    "v=spf1 include:",
    "v=spf1 include:test",
    "v=spf1 include:x.test/24",
    "v=spf1 exists",
    "v=spf1 exists:test",
    "v=spf1 ptr:",
    "v=spf1 ptr/24",
    "v=spf1 a:",
    "v=spf1 a/",
    "v=spf1 a/33",
    "v=spf1 a/024",
    "v=spf1 a//129",
    "v=spf1 a/24/64",
    "v=spf1 a:x.123",
    "v=spf1 a:x.-a",
    "v=spf1 a:x.test/x",
    "v=spf1 mx:x..",
    "v=spf1 ip4",
    "v=spf1 ip4:192.0.2",
    "v=spf1 ip4:192.0.2.1/33",
    "v=spf1 ip4:192.0.2.256",
    "v=spf1 ip4:192.0.2.1//32",
    "v=spf1 ip4=192.0.2.1 ip4:",
    "v=spf1 ip6:192.0.2.1",
    "v=spf1 ip6:2001:db8::1/129",
    "v=spf1 ip6:2001:db8::g",
    "v=spf1 redirect=",
    "v=spf1 redirect=a.test redirect=b.test",
    "v=spf1 exp=a.test exp=b.test",
    "v=spf1 redirect:x.test",
    "v=spf1 redirect=test",
    "v=spf1 a:%{x}.test",
    "v=spf1 a:%{d",
    "v=spf1 a:%d.test",
    "v=spf1 a:%{d0}.test",
    "v=spf1 a:%{c}.test",
    "v=spf1 a:%{dx}.test",
    "v=spf1 moo=%{z}",
    "v=spf1 a:%",
    "v=spf1 a:caf\u{e9}.test",
    "v=spf1 unknown",
    "v=spf1 1a=x",
];

#[test]
fn a_record_with_a_fault_is_broken_as_a_whole() {
    for text in GOOD {
        assert!(
            Record::parse(text.as_bytes()).is_ok(),
            "{text}: {:?}",
            Record::parse(text.as_bytes())
        );
    }
    for text in BAD {
        assert!(Record::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[tokio::test]
async fn each_kind_of_record_has_its_result() {
    let me = "192.0.2.7";
    let table: Vec<(String, Finding)> = vec![
        ("far.test TXT v=spf1 -all".into(), Finding::Fail),
        ("far.test TXT v=spf1 ~all".into(), Finding::SoftFail),
        ("far.test TXT v=spf1 ?all".into(), Finding::Neutral),
        ("far.test TXT v=spf1".into(), Finding::Neutral),
        ("far.test TXT v=spf1 ip4:192.0.2.0/29 -all".into(), Finding::Pass),
        ("far.test TXT v=spf1 ip4:192.0.2.0/30 -all".into(), Finding::Fail),
        (format!("far.test TXT v=spf1 a -all\nfar.test A {me}"), Finding::Pass),
        (
            format!("far.test TXT v=spf1 mx -all\nfar.test MX 10 mx.test\nmx.test A {me}"),
            Finding::Pass,
        ),
        ("far.test TXT hello".into(), Finding::None),
        ("other.test TXT v=spf1 -all".into(), Finding::None),
        ("far.test TXT v=spf1 moo".into(), Finding::PermError),
        ("far.test TXT v=spf1 -all\nfar.test TXT v=spf1 +all".into(), Finding::PermError),
        ("far.test TXT v=spf1 include:none.test -all".into(), Finding::PermError),
        ("far.test TXT v=spf1 include:far.test -all".into(), Finding::PermError),
        ("far.test TXT v=spf1 redirect=far.test".into(), Finding::PermError),
        ("far.test TXT v=spf1 a:n1.test a:n2.test a:n3.test ?all".into(), Finding::PermError),
        ("far.test TXT v=spf1 a:n1.test a:n2.test ?all".into(), Finding::Neutral),
        ("far.test SERVFAIL".into(), Finding::TempError),
        ("far.test GARBAGE".into(), Finding::TempError),
        ("far.test LIE".into(), Finding::TempError),
        ("far.test TXT v=spf1 include:x.test +all\nx.test SERVFAIL".into(), Finding::TempError),
        ("far.test TXT v=spf1 exists:x.test +all\nx.test SERVFAIL".into(), Finding::TempError),
        (
            format!(
                "far.test TXT v=spf1 ptr -all\n{} PTR a.far.test\na.far.test A {me}",
                reverse(me)
            ),
            Finding::Pass,
        ),
        (
            format!(
                "far.test TXT v=spf1 ptr -all\n{} PTR a.far.test\na.far.test A 192.0.2.8",
                reverse(me)
            ),
            Finding::Fail,
        ),
    ];
    for (zone, finding) in table {
        let (found, why) = check(&zone).await;
        let looped = zone.contains("include:far.test") || zone.contains("redirect=far.test");
        assert!(!looped || why.contains("more than 10"), "{zone}: {why}");
        assert_eq!(found, finding, "{zone}: {why}");
    }
}

#[tokio::test]
async fn a_silent_name_server_holds_up_a_message_only_so_long() {
    let zone = "far.test SILENT\nmx.far.test SILENT\n_dmarc.far.test SILENT";
    let names = Names::start(&format!("{zone}\n{} SILENT", reverse("192.0.2.7"))).await;
    let examiner = Examiner::new(names.resolver(), Vec::new());
    let patience = Duration::from_millis(300);
    let examiner = examiner.with_patience(patience);
    let began = Instant::now();
    let evidence = examiner.examine(&arrival(LETTER)).await;
    // A resolver that waits by itself takes 15 seconds.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(evidence.iprev.finding, Finding::TempError);
    let spf: Vec<Finding> = evidence.spf.iter().map(|spf| spf.finding).collect();
    assert_eq!(spf, [Finding::TempError, Finding::TempError]);
    assert_eq!(evidence.dmarc.finding, Finding::TempError);
}

#[tokio::test]
async fn both_names_are_checked_and_mail_from_nobody_is_from_the_server() {
    let zone = "far.test TXT v=spf1 -all\nmx.far.test TXT v=spf1 ip4:192.0.2.7 -all";
    let of = async |sender: Option<&str>, helo: &str| {
        let names = Names::start(zone).await;
        let sender = sender.map(|sender| sender.parse().expect("an address"));
        let asked = Arrival { sender, helo: helo.to_string(), ..arrival(LETTER) };
        let evidence = Examiner::new(names.resolver(), Vec::new()).examine(&asked).await;
        evidence.spf.into_iter().map(|spf| (spf.domain, spf.finding)).collect::<Vec<_>>()
    };
    let helo = ("mx.far.test".to_string(), Finding::Pass);
    let far = ("far.test".to_string(), Finding::Fail);
    assert_eq!(of(Some("joe@far.test"), "MX.far.test.").await, [helo.clone(), far]);
    assert_eq!(of(None, "mx.far.test").await, [helo]);
    for odd in ["[192.0.2.7]", "localhost", "(evil)", "", "a..b"] {
        let found = of(None, odd).await;
        assert_eq!(found[0].1, Finding::None, "{odd}: {found:?}");
    }
}

#[tokio::test]
async fn the_name_of_an_address_must_lead_back_to_it() {
    let at = reverse("192.0.2.7");
    let table = [
        (format!("{at} PTR mx.far.test\nmx.far.test A 192.0.2.7"), Finding::Pass),
        (format!("{at} PTR a.test\n{at} PTR b.test\nb.test A 192.0.2.7"), Finding::Pass),
        (format!("{at} PTR mx.far.test\nmx.far.test A 192.0.2.8"), Finding::Fail),
        (format!("{at} PTR mx.far.test"), Finding::Fail),
        (format!("{at} PTR mx.far.test\nmx.far.test SERVFAIL"), Finding::TempError),
        ("other.test A 192.0.2.7".to_string(), Finding::PermError),
        (format!("{at} SERVFAIL"), Finding::TempError),
    ];
    for (zone, finding) in table {
        assert_eq!(evidence(&zone, LETTER).await.iprev.finding, finding, "{zone}");
    }
}
