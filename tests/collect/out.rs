//! Mail that leaves by the provider of its sender: two providers, and what they refuse.

use crate::delivery::outside::meaning;
use crate::delivery::remote::{Attempt, Job, Network, Outcome, Target, deliver};
use crate::delivery::worker::Deliver;
use crate::net::resolver::CLOCK;
use crate::settings::Outgoing;
use crate::store::format::{Outside, OutsideHost};
use crate::store::outside::STARTTLS;
use crate::tests::remote::certificates::Authority;
use crate::tests::remote::peers::{A, Dns, Peer, Script};
use crate::tests::store::outside::{add, at_gmail, word};
use crate::tests::store::{ALICE, BOB, Office};
use crate::wire::address::Address;
use crate::wire::smtp::{Body, Reply};
use std::sync::Arc;
use std::time::Duration;

fn script(login: &'static str, after: &[(&'static str, &'static str)]) -> Script {
    let mut script = vec![
        ("", "220 hello\r\n"),
        ("EHLO", "250-x.test\r\n250 STARTTLS\r\n"),
        ("STARTTLS", "tls220 go\r\n"),
        ("EHLO", "250-x.test\r\n250 AUTH PLAIN XOAUTH2\r\n"),
        ("AUTH", login),
    ];
    script.extend(after);
    script
}

const TAKES: [(&str, &str); 4] = [
    ("MAIL", "250 2.1.0 ok\r\n"),
    ("RCPT", "250 2.1.5 ok\r\n"),
    ("DATA", "354 go\r\n"),
    (".", "250 2.0.0 queued\r\n"),
];

struct Stage {
    office: Office,
    network: Arc<Network>,
    one: Peer,
    two: Peer,
}

impl Stage {
    async fn new(one: Script, two: Script) -> Self {
        let office = Office::new();
        let authority = Authority::new();
        let start = async |name: &str, script| {
            let acceptor = authority.show(name).acceptor;
            Peer::start_with("127.0.0.1:0", vec![script], Some(acceptor)).await
        };
        let (one, two) = (start("smtp.one.test", one).await, start("smtp.two.test", two).await);
        let here = vec![127, 0, 0, 1];
        let names = vec![("smtp.one.test", A, here.clone()), ("smtp.two.test", A, here)];
        let dns = Dns::start(names).await;
        let pem = office.folder.path().join("authority.pem");
        std::fs::write(&pem, &authority.pem).expect("a file");
        let outgoing = Outgoing {
            name_servers: vec![dns.at],
            authority: Some(pem),
            dane: false,
            ..Outgoing::default()
        };
        let store = Some(office.store.clone());
        let (host, patience) = ("us.test".to_string(), Duration::from_secs(20));
        let network = Network::with_patience(host, outgoing, store, patience, CLOCK);
        Self { office, network: network.expect("a network"), one, two }
    }

    fn provider(&self, who: crate::store::AccountId, address: &str, peer: &Peer, host: &str) {
        let port = peer.at.port().into();
        let relay = OutsideHost { host: host.to_string(), port, tls: STARTTLS };
        let row = Outside { source: None, relay: Some(relay), ..at_gmail(address) };
        add(&self.office.store, who, row, word("the word")).expect("added");
    }

    async fn send(&self, from: &str) -> Attempt {
        let to = Address::parse("friend@far.test").expect("an address");
        let job = Job {
            from: Address::parse(from).ok(),
            domain: "far.test".to_string(),
            recipients: vec![Target { to, notify: None, orcpt: None }],
            message: b"From: x\r\n\r\ntext\r\n".as_slice().into(),
            smtputf8: false,
            body: Body::SevenBit,
            ret: None,
            envid: None,
            random: 7,
        };
        deliver(&self.network, job).await.remove(0)
    }
}

fn why(attempt: &Attempt) -> &str {
    match &attempt.outcome {
        Outcome::Delivered { .. } => "",
        Outcome::Retry { why, .. } | Outcome::Failed { why, .. } => why,
    }
}

#[tokio::test]
async fn each_address_leaves_by_its_own_provider() {
    let taken = || script("235 2.7.0 ok\r\n", &TAKES);
    let stage = Stage::new(taken(), taken()).await;
    stage.provider(ALICE, "alice@one.test", &stage.one, "smtp.one.test");
    stage.provider(BOB, "Bob@two.test", &stage.two, "smtp.two.test");
    let attempt = stage.send("alice@one.test").await;
    assert!(matches!(attempt.outcome, Outcome::Delivered { .. }), "{attempt:?}");
    assert!(attempt.server.starts_with("smtp.one.test "), "{attempt:?}");
    let attempt = stage.send("bob@two.test").await;
    assert!(matches!(attempt.outcome, Outcome::Delivered { .. }), "{attempt:?}");
    let heard = stage.one.heard();
    assert!(heard.iter().any(|it| it.starts_with("AUTH PLAIN ")), "{heard:?}");
    assert!(heard.contains(&"MAIL FROM:<alice@one.test>".to_string()), "{heard:?}");
    assert!(stage.two.heard().contains(&"MAIL FROM:<bob@two.test>".to_string()));
    let ways: Vec<String> = ["alice@one.test", "bob@two.test", "carol@one.test", ""]
        .map(|sender| stage.network.way(sender, "far.test"))
        .to_vec();
    assert!(ways[0].ends_with("for alice@one.test") && ways[1].contains("smtp.two.test"));
    assert_eq!(ways[2..], ["far.test", "far.test"], "who has no account there goes straight");
}

#[tokio::test]
async fn what_a_provider_refuses_is_told_in_plain_words() {
    let refusal = "553 5.7.1 <alice@one.test>: Sender address rejected: not owned by user\r\n";
    let one = script("235 ok\r\n", &[("MAIL", refusal)]);
    let two = script("535 5.7.8 Username and Password not accepted\r\n", &[]);
    let stage = Stage::new(one, two).await;
    stage.provider(ALICE, "alice@one.test", &stage.one, "smtp.one.test");
    stage.provider(BOB, "bob@two.test", &stage.two, "smtp.two.test");
    let attempt = stage.send("alice@one.test").await;
    assert!(matches!(attempt.outcome, Outcome::Failed { .. }), "{attempt:?}");
    assert!(why(&attempt).contains("add the address there"), "{attempt:?}");
    let attempt = stage.send("bob@two.test").await;
    assert!(matches!(attempt.outcome, Outcome::Retry { .. }), "it is kept: {attempt:?}");
    assert!(why(&attempt).contains("Give it anew"), "{attempt:?}");
    let limit = Reply::new(550, 5, 4, "Daily user sending limit exceeded");
    assert!(meaning(&limit).contains("only so much mail"));
    assert_eq!(meaning(&Reply::new(550, 1, 1, "No such user here")), "", "no words to spare");
}

#[tokio::test]
async fn a_provider_whose_certificate_does_not_fit_hears_no_password() {
    let stage = Stage::new(script("235 ok\r\n", &TAKES), script("235 ok\r\n", &TAKES)).await;
    // The second provider's server under the first one's name.
    stage.provider(ALICE, "alice@one.test", &stage.two, "smtp.one.test");
    let attempt = stage.send("alice@one.test").await;
    assert!(matches!(attempt.outcome, Outcome::Retry { .. }), "{attempt:?}");
    assert!(why(&attempt).contains("for another name"), "{attempt:?}");
    assert!(!stage.two.heard().iter().any(|line| line.starts_with("AUTH")));
}
