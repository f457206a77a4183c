//! Name servers that lie, loop, hang and babble; and reverse names, without which IPv6 is not used.

use super::live::{good, one};
use super::peers::Peer;
use super::{job, short, why};
use crate::delivery::remote::{Attempt, Network};
use crate::delivery::route;
use crate::net::resolver::{CLOCK, Resolver};
use crate::settings::{Ipv6, Outgoing};
use crate::tests::names::Names;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// b.test, its host at 127.0.0.1, and one fault.
const WORLD: &str = "zone b.test. unsigned\n\
     b.test. MX 10 mx.b.test.\n\
     mx.b.test. A 127.0.0.1\n";

fn world(more: &str) -> Names {
    Names::start("127.0.0.1:0", &format!("{WORLD}{more}\n")).expect("a name server")
}

fn network(names: &Names, port: u16) -> Arc<Network> {
    let outgoing = Outgoing { port, name_servers: vec![names.at], ..Outgoing::default() };
    let patience = Duration::from_secs(2);
    Network::with_patience("us.test".to_string(), outgoing, None, patience, CLOCK)
        .expect("a network")
}

/// What comes of a letter to b.test in this world, and how often its host was called.
async fn send(names: &Names) -> (Attempt, usize) {
    let peer = Peer::start("127.0.0.1:0", vec![good()]).await;
    let network = network(names, peer.at.port());
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    (attempt, peer.connections())
}

#[tokio::test]
async fn lies_silence_and_nonsense_are_no_answer_and_the_mail_waits() {
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for fault in ["silent", "wrong-id", "wrong-question", "garbage", "servfail", "refused"] {
        for name in ["b.test.", "mx.b.test."] {
            tasks.spawn(async move {
                let said = format!("fault {name} {fault}");
                let (attempt, called) = send(&world(&said)).await;
                (said, attempt, called)
            });
        }
    }
    for (said, attempt, called) in tasks.join_all().await {
        assert_eq!(short(&attempt.outcome), ("retry", None), "{said}: {attempt:?}");
        assert_eq!(called, 0, "{said}");
        assert!(!why(&attempt).is_empty(), "{said}");
    }
    assert!(began.elapsed() < Duration::from_secs(120));
}

#[tokio::test]
async fn a_domain_that_is_not_there_fails_at_once() {
    let names = world("fault x.test. silent");
    let peer = Peer::start("127.0.0.1:0", vec![good()]).await;
    let network = network(&names, peer.at.port());
    let attempt = one(&network, job("gone.b.test", &["bob@gone.b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("failed", None), "{attempt:?}");
    assert!(why(&attempt).contains("There is no domain gone.b.test"), "{attempt:?}");
}

#[tokio::test]
async fn aliases_that_lead_in_a_circle_end() {
    let circle = "zone c.test. unsigned\nc.test. MX 10 one.c.test.\n\
                  one.c.test. CNAME two.c.test.\ntwo.c.test. CNAME one.c.test.";
    let names = world(circle);
    let peer = Peer::start("127.0.0.1:0", vec![good()]).await;
    let network = network(&names, peer.at.port());
    let attempt = one(&network, job("c.test", &["bob@c.test"])).await;
    assert_ne!(short(&attempt.outcome).0, "delivered", "{attempt:?}");
    assert!(why(&attempt).contains("one.c.test has no address"), "{attempt:?}");
}

#[tokio::test]
async fn an_answer_that_fits_no_datagram_is_fetched_over_tcp() {
    for fault in ["truncated", "huge"] {
        let names = world(&format!("fault mx.b.test. {fault}"));
        let (attempt, _) = send(&names).await;
        assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{fault}: {attempt:?}");
        assert!(names.asked("A mx.b.test.", "tcp") > 0, "{fault}");
    }
}

#[tokio::test]
async fn a_thousand_addresses_are_not_all_tried() {
    // The real one is not among them, so that none of the others answers.
    let names = world(
        "zone h.test. unsigned\nh.test. MX 10 mx.h.test.\n\
                       mx.h.test. A 127.2.0.1\nfault mx.h.test. huge",
    );
    let network = network(&names, 1);
    let began = Instant::now();
    let attempt = one(&network, job("h.test", &["bob@h.test"])).await;
    assert_eq!(short(&attempt.outcome), ("retry", None), "{attempt:?}");
    let tried = why(&attempt).matches("No connection").count();
    assert_eq!(tried, crate::limits::SMTP_OUT_ADDRESSES, "{attempt:?}");
    assert!(began.elapsed() < Duration::from_secs(60));
}

// ---- IPv6 ----

fn resolver(names: &Names) -> Resolver {
    Resolver::new(&[names.at], Duration::from_secs(5)).expect("a resolver")
}

#[tokio::test]
async fn our_address_is_confirmed_by_a_name_that_leads_back_to_it_alone() {
    let back = |tail: &str| format!("{}{tail}.ip6.arpa.", "0.".repeat(24));
    let good = back("8.b.d.0.1.0.0.2").replacen("0.", "1.", 1);
    let other = back("8.b.d.0.1.0.0.2").replacen("0.", "2.", 1);
    let text = format!(
        "{}{good} PTR six.b.test.\n{other} PTR six.b.test.\nsix.b.test. AAAA 2001:db8::1\n",
        "zone ip6.arpa. unsigned\n"
    );
    let names = world(&text);
    let resolver = resolver(&names);
    let own = |text: &str| text.parse::<IpAddr>().expect("an address");
    assert!(route::confirmed(&resolver, own("2001:db8::1")).await);
    assert!(!route::confirmed(&resolver, own("2001:db8::2")).await, "leads to another");
    assert!(!route::confirmed(&resolver, own("2001:db8::3")).await, "has no name");
}

#[tokio::test]
async fn ipv6_is_used_as_the_settings_say() {
    let names = world(
        "dual.b.test. A 127.0.0.1\ndual.b.test. AAAA ::1\n\
         far.b.test. A 127.0.0.1\nfar.b.test. AAAA 2001:db8::9\nsix.b.test. AAAA 2001:db8::9",
    );
    let resolver = resolver(&names);
    let (four, six) = ("127.0.0.1:25", "[::1]:25");
    let far = "[2001:db8::9]:25";
    // ::1 has the name localhost, which leads back to it. No way leads to 2001:db8::9, or one from
    // an address that the name servers of this test know nothing of.
    for (host, ipv6, wanted) in [
        ("dual.b.test", Ipv6::Auto, vec![six, four]),
        ("dual.b.test", Ipv6::Never, vec![four]),
        ("far.b.test", Ipv6::Auto, vec![four]),
        ("far.b.test", Ipv6::Always, vec![far, four]),
        ("six.b.test", Ipv6::Auto, vec![far]),
    ] {
        let found = route::addresses(&resolver, host, 25, ipv6, false).await.expect("addresses");
        let wanted: Vec<SocketAddr> = wanted.iter().map(|at| at.parse().expect("one")).collect();
        assert_eq!(found.addresses, wanted, "{host} {ipv6:?}");
    }
}
