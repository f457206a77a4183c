//! DANE (RFC 7672), from a signed root down to a TLS handshake.

use super::certificates::{Authority, Shown, tlsa};
use super::live::{GREET, good, one, secure};
use super::peers::{Peer, Script};
use super::{job, short, why};
use crate::clock;
use crate::delivery::remote::{Attempt, Network};
use crate::net::resolver::{CLOCK, Clock, NoAnswer, Resolver};
use crate::settings::Outgoing;
use crate::tests::names::Names;
use crate::tests::net::toy::Folder;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

/// What the world says of b.test, and what its host does.
struct Scene {
    names: Names,
    peer: Peer,
    folder: Folder,
}

impl Scene {
    async fn new(script: Script, shown: Option<&Shown>) -> Scene {
        let peer = Peer::showing(script, shown).await;
        let names = Names::start("127.0.0.1:0", "").expect("a name server");
        Scene { names, peer, folder: Folder::new() }
    }

    /// A signed zone with these TLSA records.
    fn say(&self, records: &[String]) {
        self.say_in("signed", records, "");
    }

    fn say_in(&self, kind: &str, records: &[String], more: &str) {
        let port = self.peer.at.port();
        let mut text = format!(
            "zone b.test. {kind}\nb.test. MX 10 mx.b.test.\nmx.b.test. A 127.0.0.1\n{more}\n"
        );
        for record in records {
            text.push_str(&format!("_{port}._tcp.mx.b.test. TLSA {record}\n"));
        }
        self.names.become_world(&text).expect("a world");
    }

    fn network(&self, clock: Clock) -> Arc<Network> {
        let outgoing = self.outgoing();
        Network::with_patience("us.test".to_string(), outgoing, None, PATIENCE, clock)
            .expect("made")
    }

    fn outgoing(&self) -> Outgoing {
        let anchor = self.folder.0.join("anchor");
        std::fs::write(&anchor, self.names.anchor()).expect("written");
        Outgoing {
            port: self.peer.at.port(),
            name_servers: vec![self.names.at],
            trust_anchor: Some(anchor),
            ..Outgoing::default()
        }
    }

    async fn send(&self) -> Attempt {
        one(&self.network(CLOCK), job("b.test", &["bob@b.test"])).await
    }

    fn sent_in_clear(&self) -> bool {
        let heard = self.peer.heard();
        let tls = heard.iter().position(|line| line == "STARTTLS").unwrap_or(usize::MAX);
        heard.iter().position(|line| line.starts_with("MAIL")).is_some_and(|mail| mail < tls)
    }
}

#[tokio::test]
async fn the_right_record_delivers_whatever_else_the_certificate_says() {
    let authority = Authority::new();
    // DANE-EE asks neither for the name nor for the time.
    let shown = authority.show_expired("somebody.else.test");
    for (selector, matching) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
        let scene = Scene::new(secure(), Some(&shown)).await;
        scene.say(&[tlsa(3, selector, matching, &shown.der)]);
        let attempt = scene.send().await;
        assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
        assert_eq!(attempt.secured, "encrypted with TLSv1.3, DANE");
    }
}

#[tokio::test]
async fn the_wrong_record_delivers_nothing_and_the_trace_says_why() {
    let authority = Authority::new();
    let (shown, other) = (authority.show("mx.b.test"), authority.show("mx.b.test"));
    let scene = Scene::new(secure(), Some(&shown)).await;
    scene.say(&[tlsa(3, 1, 1, &other.der)]);
    let attempt = scene.send().await;
    assert_eq!(short(&attempt.outcome), ("retry", None), "{attempt:?}");
    let said =
        "DANE asks for TLS that is proven, and it is not: the certificate fits no TLSA record";
    assert!(why(&attempt).contains(said), "{attempt:?}");
    assert!(!scene.peer.heard().iter().any(|line| line.starts_with("MAIL")));
}

#[tokio::test]
async fn below_an_authority_name_and_time_must_be_right() {
    let authority = Authority::new();
    let record = tlsa(2, 0, 1, &authority.der);
    let cases = [
        (authority.show("mx.b.test"), "delivered", ""),
        (authority.show("b.test"), "delivered", ""),
        (authority.show("else.test"), "retry", "is for another name"),
        (authority.show_expired("mx.b.test"), "retry", "has expired"),
        (Authority::new().show("mx.b.test"), "retry", "fits no TLSA record"),
    ];
    for (shown, how, said) in cases {
        let scene = Scene::new(secure(), Some(&shown)).await;
        scene.say(std::slice::from_ref(&record));
        let attempt = scene.send().await;
        assert_eq!(short(&attempt.outcome).0, how, "{said}: {attempt:?}");
        assert!(why(&attempt).contains(said), "{attempt:?}");
    }
}

#[tokio::test]
async fn of_several_records_one_is_enough_and_what_cannot_be_used_is_passed_over() {
    let authority = Authority::new();
    let (shown, old) = (authority.show("mx.b.test"), authority.show("mx.b.test"));
    let scene = Scene::new(secure(), Some(&shown)).await;
    let pkix = tlsa(1, 1, 1, &old.der);
    scene.say(&[tlsa(3, 1, 1, &old.der), tlsa(3, 1, 1, &shown.der), pkix]);
    let attempt = scene.send().await;
    assert_eq!(attempt.secured, "encrypted with TLSv1.3, DANE", "{attempt:?}");
}

#[tokio::test]
async fn records_of_no_use_ask_for_tls_with_any_certificate() {
    let authority = Authority::new();
    let shown = authority.show("mx.b.test");
    let records = [tlsa(1, 1, 1, &shown.der), "3 1 1 abcd".to_string()];
    let scene = Scene::new(secure(), Some(&shown)).await;
    scene.say(&records);
    let attempt = scene.send().await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    let said = "encrypted with TLSv1.3, DANE without a record of use, certificate not proven";
    assert!(attempt.secured.starts_with(said), "{attempt:?}");
    // Without TLS nothing is sent.
    let scene = Scene::new(good(), None).await;
    scene.say(&records);
    let attempt = scene.send().await;
    assert_eq!(short(&attempt.outcome), ("retry", None), "{attempt:?}");
    assert!(why(&attempt).contains("offers no TLS"), "{attempt:?}");
    assert!(why(&attempt).contains("DANE asks for it"), "{attempt:?}");
}

#[tokio::test]
async fn no_handshake_and_no_starttls_send_nothing_in_clear_where_dane_is() {
    let shown = Authority::new().show("mx.b.test");
    let offers = ("EHLO", "250-b.test\r\n250 STARTTLS\r\n");
    let garbage = vec![GREET, offers, ("STARTTLS", "220 go\r\n250 not TLS at all\r\n")];
    let mut refused = good();
    refused[1] = offers;
    refused.insert(2, ("STARTTLS", "454 4.7.0 not now\r\n"));
    for (script, said) in [(good(), "offers no TLS"), (refused, "TLS"), (garbage, "TLS")] {
        let scene = Scene::new(script, None).await;
        scene.say(&[tlsa(3, 1, 1, &shown.der)]);
        let attempt = scene.send().await;
        assert_eq!(short(&attempt.outcome).0, "retry", "{attempt:?}");
        assert!(why(&attempt).contains(said) && why(&attempt).contains("DANE"), "{attempt:?}");
        assert!(!scene.sent_in_clear());
        assert_eq!(scene.peer.connections(), 1, "there is no second try in clear");
    }
}

#[tokio::test]
async fn a_forged_or_expired_zone_is_not_believed_and_the_mail_waits() {
    for kind in ["forged", "expired"] {
        let scene = Scene::new(good(), None).await;
        scene.say_in(kind, &[], "");
        let attempt = scene.send().await;
        assert_eq!(short(&attempt.outcome), ("retry", None), "{kind}: {attempt:?}");
        assert!(why(&attempt).contains("DNSSEC"), "{kind}: {attempt:?}");
        assert_eq!(scene.peer.connections(), 0, "{kind}");
    }
}

#[tokio::test]
async fn whoever_keeps_the_records_from_us_gains_nothing() {
    for fault in ["silent", "servfail", "stripped"] {
        let shown = Authority::new().show("mx.b.test");
        let scene = Scene::new(good(), None).await;
        let port = scene.peer.at.port();
        let fault = format!("fault _{port}._tcp.mx.b.test. {fault}");
        scene.say_in("signed", &[tlsa(3, 1, 1, &shown.der)], &fault);
        let attempt = scene.send().await;
        assert_eq!(short(&attempt.outcome), ("retry", None), "{fault}: {attempt:?}");
        assert!(why(&attempt).contains("Whether mx.b.test uses DANE is not known"), "{attempt:?}");
        assert_eq!(scene.peer.connections(), 0, "{fault}");
    }
}

#[tokio::test]
async fn unsigned_zones_and_signed_ones_without_records_are_opportunistic() {
    let shown = Authority::new().show_expired("mx.b.test");
    for (kind, records) in
        [("unsigned", vec![tlsa(3, 1, 1, &[shown.der.as_ref()].concat())]), ("signed", vec![])]
    {
        let scene = Scene::new(secure(), Some(&shown)).await;
        scene.say_in(kind, &records, "");
        let attempt = scene.send().await;
        assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{kind}: {attempt:?}");
        // An expired certificate is better than none, and is told.
        let said = "encrypted with TLSv1.3, certificate not proven: the";
        assert!(attempt.secured.starts_with(said), "{kind}: {attempt:?}");
    }
}

#[tokio::test]
async fn hosts_in_an_unsigned_zone_have_no_dane_even_below_a_signed_domain() {
    let shown = Authority::new().show("mx.c.test");
    let scene = Scene::new(secure(), Some(&shown)).await;
    let port = scene.peer.at.port();
    let wrong = tlsa(3, 1, 1, &Authority::new().show("x.test").der);
    let text = format!(
        "zone b.test. signed\nzone c.test. unsigned\nb.test. MX 10 mx.c.test.\n\
         mx.c.test. A 127.0.0.1\n_{port}._tcp.mx.c.test. TLSA {wrong}\n"
    );
    scene.names.become_world(&text).expect("a world");
    let attempt = scene.send().await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    assert_eq!(scene.names.asked(&format!("TLSA _{port}._tcp.mx.c.test."), "udp"), 0);
}

#[tokio::test]
async fn a_domain_without_mx_has_dane_by_itself_and_through_an_alias() {
    let shown = Authority::new().show("x.test");
    let record = tlsa(3, 1, 1, &shown.der);
    let scene = Scene::new(secure(), Some(&shown)).await;
    let port = scene.peer.at.port();
    for (owner, text) in [
        ("b.test.", "b.test. A 127.0.0.1\n"),
        (
            "real.b.test.",
            "b.test. TXT x\nwww.b.test. CNAME real.b.test.\nreal.b.test. A 127.0.0.1\n",
        ),
    ] {
        let text = format!("zone b.test. signed\n{text}_{port}._tcp.{owner} TLSA {record}\n");
        scene.names.become_world(&text).expect("a world");
        let domain = if owner == "b.test." { "b.test" } else { "www.b.test" };
        let to = format!("bob@{domain}");
        let attempt = one(&scene.network(CLOCK), job(domain, &[&to])).await;
        assert_eq!(attempt.secured, "encrypted with TLSv1.3, DANE", "{owner} {attempt:?}");
    }
}

#[tokio::test]
async fn a_clock_that_is_not_set_does_not_hold_the_mail_up() {
    let shown = Authority::new().show("mx.b.test");
    for kind in ["signed", "expired"] {
        let scene = Scene::new(secure(), Some(&shown)).await;
        let other = Authority::new().show("mx.b.test");
        scene.say_in(kind, &[tlsa(3, 1, 1, &other.der)], "");
        let network = scene.network(|| 0);
        let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
        assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{kind}: {attempt:?}");
        let said = "DANE and MTA-STS not looked at, since the clock of this machine is not set";
        assert!(attempt.secured.ends_with(said), "{kind}: {attempt:?}");
    }
}

#[tokio::test]
async fn name_servers_without_dnssec_do_not_hold_the_mail_up_unless_they_once_had_it() {
    let shown = Authority::new().show("mx.b.test");
    let scene = Scene::new(secure(), Some(&shown)).await;
    let stripped = "fault . stripped\nfault b.test. stripped\nfault mx.b.test. stripped";
    scene.say_in("signed", &[], stripped);
    let attempt = scene.send().await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    assert!(attempt.secured.contains("do not pass on the proofs of DNSSEC"), "{attempt:?}");
    // Who had it yesterday is not believed without it today.
    scene.say(&[]);
    let network = scene.network(later);
    let attempt = one(&network, job("c.test", &["bob@c.test"])).await;
    assert_eq!(short(&attempt.outcome), ("failed", None), "{attempt:?}");
    scene.say_in("signed", &[], stripped);
    for hours in [0, 1, 23] {
        LATER.store(hours * 3600, Ordering::SeqCst);
        let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
        assert_eq!(short(&attempt.outcome), ("retry", None), "{hours}: {attempt:?}");
        assert!(why(&attempt).contains("DNSSEC"), "{attempt:?}");
    }
    // After a day they are taken for other name servers, and mail goes on.
    LATER.store(25 * 3600, Ordering::SeqCst);
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
}

static LATER: AtomicI64 = AtomicI64::new(0);

fn later() -> i64 {
    clock::now() + LATER.load(Ordering::SeqCst)
}

#[tokio::test]
async fn the_owner_may_switch_dane_off() {
    let (shown, other) = (Authority::new().show("mx.b.test"), Authority::new().show("mx.b.test"));
    let scene = Scene::new(secure(), Some(&shown)).await;
    scene.say(&[tlsa(3, 1, 1, &other.der)]);
    let outgoing = Outgoing { dane: false, ..scene.outgoing() };
    let network =
        Network::with_patience("us.test".to_string(), outgoing, None, PATIENCE, CLOCK).unwrap();
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    assert!(attempt.secured.contains("since the settings say so"), "{attempt:?}");
}

#[tokio::test]
async fn an_alias_is_proven_link_by_link() {
    let names = Names::start(
        "127.0.0.1:0",
        "zone b.test. signed\nzone c.test. unsigned\n\
         good.b.test. CNAME real.b.test.\nreal.b.test. A 127.0.0.1\n\
         half.c.test. CNAME real.b.test.\nout.b.test. CNAME far.c.test.\nfar.c.test. A 127.0.0.2\n",
    )
    .expect("a name server");
    let folder = Folder::new();
    let anchor = folder.0.join("anchor");
    std::fs::write(&anchor, names.anchor()).expect("written");
    let resolver =
        Resolver::with_anchor(&[names.at], Some(&anchor), PATIENCE, CLOCK).expect("made");
    for (host, secure) in [("real", true), ("good", true), ("out", false)] {
        let found = resolver.proven_addresses(&format!("{host}.b.test"), true).await;
        assert_eq!(found.expect("found").secure, secure, "{host}");
    }
    let found = resolver.proven_addresses("half.c.test", true).await.expect("found");
    assert_eq!((found.secure, found.name.as_str()), (false, "real.b.test"));
    let none = resolver.proven_addresses("none.b.test", true).await;
    assert_eq!(none.err(), Some(NoAnswer::NoName));
    assert_eq!(resolver.proven_mx("real.b.test").await.err(), Some(NoAnswer::NoRecord));
}

#[test]
fn a_trust_anchor_that_is_none_is_told() {
    let folder = Folder::new();
    let anchor = folder.0.join("anchor");
    std::fs::write(&anchor, "not an anchor").expect("written");
    let outgoing = Outgoing { trust_anchor: Some(anchor), ..Outgoing::default() };
    let fault = Network::with_patience("us.test".to_string(), outgoing, None, PATIENCE, CLOCK)
        .err()
        .expect("a fault");
    assert!(fault.contains("no trust anchor"), "{fault}");
}
