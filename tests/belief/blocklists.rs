//! Blocklists: asked only while their test entries are right, and only listed codes count.

use super::arrival;
use super::names::{Names, reverse};
use crate::event;
use crate::net::authenticate::{Arrival, Examiner};
use crate::settings::Blocklist;
use std::net::Ipv4Addr;
use std::time::Duration;

/// The test entries of a list that works.
fn working(zone: &str) -> String {
    let six = |last: u8| six(&format!("::ffff:127.0.0.{last}"));
    format!("2.0.0.127.{zone} A 127.0.0.2\n{}.{zone} A 127.0.0.2\n", six(2))
}

fn four(address: &str) -> String {
    reverse(address).replace(".in-addr.arpa", "")
}

fn six(address: &str) -> String {
    reverse(address).replace(".ip6.arpa", "")
}

fn list(zone: &str) -> Blocklist {
    let code = |last| Ipv4Addr::new(127, 0, 0, last);
    Blocklist { zone: zone.to_string(), codes: vec![(code(2), code(11))] }
}

/// The lists that name this peer.
async fn listed(zone: &str, lists: &[&str], peer: &str) -> (Vec<String>, Names) {
    let names = Names::start(zone).await;
    let examiner = Examiner::new(names.resolver(), lists.iter().map(|zone| list(zone)).collect());
    let peer = peer.parse().expect("an address");
    let asked = Arrival { peer, ..arrival("From: joe@far.test\r\n\r\nx\r\n") };
    let found = examiner.examine(&asked).await.listed;
    (found.into_iter().map(|listed| format!("{} {}", listed.zone, listed.code)).collect(), names)
}

#[tokio::test]
async fn who_is_listed_is_found_over_ipv4_and_ipv6() {
    let (me, other) = (four("192.0.2.7"), six("2001:db8::7"));
    let zone = format!(
        "{}{me}.bl.test A 127.0.0.4\n{other}.bl.test A 127.0.0.3\n{}",
        working("bl.test"),
        working("second.test")
    );
    let lists = ["bl.test", "second.test"];
    assert_eq!(listed(&zone, &lists, "192.0.2.7").await.0, ["bl.test 127.0.0.4"]);
    assert_eq!(listed(&zone, &lists, "::ffff:192.0.2.7").await.0, ["bl.test 127.0.0.4"]);
    assert_eq!(listed(&zone, &lists, "2001:db8::7").await.0, ["bl.test 127.0.0.3"]);
    assert!(listed(&zone, &lists, "192.0.2.8").await.0.is_empty());
}

#[tokio::test]
async fn only_codes_of_the_list_count() {
    for code in ["127.255.255.254", "127.255.255.252", "127.0.0.1", "127.0.0.12", "192.0.2.1"] {
        let zone = format!("{}{}.bl.test A {code}\n", working("bl.test"), four("192.0.2.7"));
        assert!(listed(&zone, &["bl.test"], "192.0.2.7").await.0.is_empty(), "{code}");
    }
    let both = format!(
        "{0}{1}.bl.test A 127.255.255.254\n{1}.bl.test A 127.0.0.2\n",
        working("bl.test"),
        four("192.0.2.7")
    );
    assert_eq!(listed(&both, &["bl.test"], "192.0.2.7").await.0, ["bl.test 127.0.0.2"]);
}

#[tokio::test]
async fn a_list_that_fails_its_test_is_ignored_and_told_of() {
    let me = four("192.0.2.7");
    for (what, tests) in [
        ("dead.test", String::new()),
        ("blocked.test", "2.0.0.127.blocked.test A 127.255.255.254\n".to_string()),
        (
            "all.test",
            "2.0.0.127.all.test A 127.0.0.2\n1.0.0.127.all.test A 127.0.0.2\n".to_string(),
        ),
        ("ill.test", "2.0.0.127.ill.test SERVFAIL\n".to_string()),
    ] {
        let zone = format!("{tests}{me}.{what} A 127.0.0.2\n");
        let (found, names) = listed(&zone, &[what], "192.0.2.7").await;
        assert!(found.is_empty(), "{what}: {found:?}");
        assert!(!names.asked().contains(&format!("{me}.{what}")), "{what} was asked of a person");
        let told =
            event::recent().into_iter().any(|line| line.contains(&format!("blocklist {what}")));
        assert!(told, "{what}");
    }
}

#[tokio::test]
async fn a_list_that_never_answers_takes_no_time_from_the_others() {
    let me = four("192.0.2.7");
    let zone =
        format!("2.0.0.127.mute.test SILENT\n{}{me}.bl.test A 127.0.0.2", working("bl.test"));
    let names = Names::start(&zone).await;
    let lists = vec![list("mute.test"), list("bl.test")];
    let examiner = Examiner::new(names.resolver(), lists).with_patience(Duration::from_secs(2));
    let found = examiner.examine(&arrival("From: joe@far.test\r\n\r\nx\r\n")).await.listed;
    let zones: Vec<&str> = found.iter().map(|listed| listed.zone.as_str()).collect();
    assert_eq!(zones, ["bl.test"]);
}

#[tokio::test]
async fn a_test_is_made_once_and_not_for_each_message() {
    let names = Names::start(&working("bl.test")).await;
    let examiner = Examiner::new(names.resolver(), vec![list("bl.test")]);
    for last in 1..=5 {
        let peer = format!("192.0.2.{last}").parse().expect("an address");
        examiner.examine(&Arrival { peer, ..arrival("From: joe@far.test\r\n\r\nx\r\n") }).await;
    }
    // Also 127.0.0.1 is not on it: nothing but our own memory knows that it was asked.
    let asked = names.asked();
    let count = |name: &str| asked.iter().filter(|other| *other == name).count();
    assert_eq!((count("2.0.0.127.bl.test"), count("1.0.0.127.bl.test")), (1, 1));
    assert_eq!(asked.iter().filter(|name| name.ends_with(".2.0.192.bl.test")).count(), 5);
}
