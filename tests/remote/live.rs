//! Deliveries over sockets, to peers that a name server leads to.

use super::peers::{A, Dns, MX, Peer, Script, mx};
use super::{job, short};
use crate::delivery::remote::{Attempt, Job, Network, deliver};
use crate::net::resolver::CLOCK;
use crate::settings::{Outgoing, Relay, RelayTls};
use std::sync::Arc;
use std::time::Duration;

pub(super) const GREET: (&str, &str) = ("", "220 b.test ESMTP\r\n");
pub(super) const EHLO: (&str, &str) = ("EHLO", "250-b.test\r\n250 DSN\r\n");
pub(super) const OK: &str = "250 2.1.0 ok\r\n";

/// The rest of a delivery to one recipient, after EHLO.
fn rest() -> Script {
    let end = ("DATA", "354 go\r\n");
    vec![("MAIL", OK), ("RCPT", OK), end, (".", "250 2.0.0 queued as 7\r\n")]
        .into_iter()
        .map(|(begins, says)| if begins == "." { (".", says) } else { (begins, says) })
        .collect()
}

pub(super) fn good() -> Script {
    [vec![GREET, EHLO], rest_after_dots()].concat()
}

/// The same, where the message has a line that begins with two dots.
pub(super) fn rest_after_dots() -> Script {
    let mut script = rest();
    script.insert(3, ("and text", ""));
    script
}

/// Everything after TLS.
pub(super) fn secure() -> Script {
    let mut script = vec![GREET, ("EHLO", "250-b.test\r\n250 STARTTLS\r\n")];
    script.push(("STARTTLS", "tls220 go\r\n"));
    script.push(("EHLO", "250 b.test\r\n"));
    script.extend(rest_after_dots());
    script
}

pub(super) fn network(dns: &Dns, port: u16) -> Arc<Network> {
    let outgoing = Outgoing { port, name_servers: vec![dns.at], ..Outgoing::default() };
    let patience = Duration::from_secs(2);
    Network::with_patience("us.test".to_string(), outgoing, None, patience, CLOCK)
        .expect("a network")
}

pub(super) async fn one(network: &Arc<Network>, job: Job) -> Attempt {
    let attempts = deliver(network, job).await;
    assert_eq!(attempts.len(), 1);
    attempts.into_iter().next().expect("an attempt")
}

/// b.test has one host, at 127.0.0.1.
pub(super) fn b_test() -> Vec<(&'static str, u16, Vec<u8>)> {
    vec![("b.test", MX, mx(10, "mx.b.test")), ("mx.b.test", A, vec![127, 0, 0, 1])]
}

/// b.test with one host at 127.0.0.1 that follows the scripts.
pub(super) async fn host(scripts: Vec<Script>) -> (Peer, Arc<Network>) {
    let peer = Peer::start("127.0.0.1:0", scripts).await;
    let dns = Dns::start(b_test()).await;
    let network = network(&dns, peer.at.port());
    (peer, network)
}

#[tokio::test]
async fn mail_finds_its_way_and_the_next_takes_the_same_connection() {
    let script = [good(), rest_after_dots(), vec![("QUIT", "221 bye\r\n")]].concat();
    let (peer, network) = host(vec![script]).await;
    for _ in 0..2 {
        let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
        assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
        assert_eq!(attempt.server, "mx.b.test [127.0.0.1]");
        assert!(attempt.secured.starts_with("not encrypted;") && attempt.dsn, "{attempt:?}");
    }
    let heard = peer.heard();
    assert_eq!(heard.iter().filter(|line| line.starts_with("connection")).count(), 1);
    assert!(heard.contains(&"..a dot".to_string()), "{heard:?}");
}

#[tokio::test]
async fn a_server_that_ends_the_connection_after_some_messages_gets_the_next_over_another() {
    for says in ["421 4.7.0 that is enough for one connection\r\n", "close"] {
        let (peer, network) = host(vec![[good(), vec![("MAIL", says)]].concat(), good()]).await;
        for _ in 0..2 {
            let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
            assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{says}: {attempt:?}");
        }
        assert_eq!(peer.connections(), 2, "{says}");
    }
}

#[tokio::test]
async fn names_that_lead_nowhere_fail_and_names_nobody_knows_of_wait() {
    let records = vec![
        ("null.test", MX, mx(0, "")),
        ("bare.test", 99, vec![0]),
        ("lost.test", MX, mx(10, "gone.lost.test")),
    ];
    let dns = Dns::start(records).await;
    let network = network(&dns, 25);
    for (domain, how) in [
        ("null.test", "failed"),
        ("gone.test", "failed"),
        ("bare.test", "failed"),
        ("lost.test", "failed"),
        ("silent.test", "retry"),
    ] {
        let attempt = one(&network, job(domain, &[&format!("x@{domain}")])).await;
        assert_eq!(short(&attempt.outcome), (how, None), "{attempt:?}");
    }
}

#[tokio::test]
async fn the_second_host_is_tried_and_a_domain_without_mx_is_its_own() {
    let good_peer = Peer::start("127.0.0.3:0", vec![good()]).await;
    let records = vec![
        ("b.test", MX, mx(10, "mx1.b.test")),
        ("b.test", MX, mx(20, "mx2.b.test")),
        ("mx1.b.test", A, vec![127, 0, 0, 4]),
        ("mx2.b.test", A, vec![127, 0, 0, 3]),
        ("own.test", A, vec![127, 0, 0, 3]),
    ];
    let dns = Dns::start(records).await;
    let network = network(&dns, good_peer.at.port());
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    assert_eq!(attempt.server, "mx2.b.test [127.0.0.3]", "{attempt:?}");
    let attempt = one(&network, job("own.test", &["bob@own.test"])).await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
}

#[tokio::test]
async fn a_failed_handshake_is_tried_anew_in_clear() {
    let offers = ("EHLO", "250-b.test\r\n250 STARTTLS\r\n");
    let garbage = vec![GREET, offers, ("STARTTLS", "220 go\r\n250 not TLS at all\r\n")];
    let mut clear = good();
    clear[1] = offers;
    let (peer, network) = host(vec![garbage, clear]).await;
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    assert!(attempt.secured.starts_with("not encrypted, since TLS failed"), "{attempt:?}");
    assert!(peer.heard().contains(&"connection 2".to_string()));
}

#[tokio::test]
async fn who_hangs_closes_or_talks_nonsense_is_tried_again_later() {
    let cases: Vec<(Script, &str, Option<u16>)> = vec![
        (vec![GREET, ("EHLO", "hang")], "retry", None),
        (vec![("", "close")], "retry", None),
        (vec![GREET, EHLO, ("MAIL", "close")], "retry", None),
        (vec![GREET, EHLO, ("MAIL", "250-a\r\n550 b\r\n")], "retry", None),
        (vec![("", "554 5.7.1 go away\r\n")], "failed", Some(554)),
        (vec![("", "421 busy\r\n")], "retry", Some(421)),
        (vec![GREET, EHLO, ("MAIL", OK), ("RCPT", "550 5.1.1 no\r\n")], "failed", Some(550)),
    ];
    for (script, how, code) in cases {
        let said = format!("{script:?}");
        let (_peer, network) = host(vec![script]).await;
        let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
        assert_eq!(short(&attempt.outcome), (how, code), "{said}: {attempt:?}");
    }
}

#[tokio::test]
async fn recipients_that_are_too_many_at_once_are_said_again() {
    let mut script = vec![GREET, EHLO, ("MAIL", OK), ("RCPT", OK)];
    script.push(("RCPT", "452 4.5.3 too many\r\n"));
    script.extend(rest_after_dots().split_off(2));
    script.extend(rest_after_dots());
    let (peer, network) = host(vec![script]).await;
    let attempts = deliver(&network, job("b.test", &["bob@b.test", "eve@b.test"])).await;
    for attempt in &attempts {
        assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    }
    assert_eq!(peer.heard().iter().filter(|line| *line == "RCPT TO:<eve@b.test>").count(), 2);
}

#[tokio::test]
async fn a_relay_takes_all_after_the_log_in() {
    let ehlo = ("EHLO", "250-relay.test\r\n250 AUTH LOGIN PLAIN\r\n");
    let script = [vec![GREET, ehlo, ("AUTH PLAIN", "235 ok\r\n")], rest_after_dots()].concat();
    let peer = Peer::start("127.0.0.1:0", vec![script]).await;
    let relay = Relay {
        token: false,
        host: "127.0.0.1".to_string(),
        port: peer.at.port(),
        tls: RelayTls::None,
        login: Some(("me".to_string(), "secret".to_string())),
        authority: None,
    };
    let outgoing = Outgoing { relay: Some(relay), ..Outgoing::default() };
    let patience = Duration::from_secs(20);
    let network = Network::with_patience("us.test".to_string(), outgoing, None, patience, CLOCK);
    let network = network.expect("a network");
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    assert!(peer.heard().contains(&"AUTH PLAIN AG1lAHNlY3JldA==".to_string()));
}
