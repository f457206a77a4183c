//! Arriving mail from SMTP's hand-over to what a mail program shows: verdict, mailbox, headers,
//! trace.

use super::names::{Names, reverse};
use super::{AUTUMN, KEY, settings, sign};
use crate::delivery::checkpoint::Checkpoint;
use crate::delivery::receive::{Post, Received};
use crate::net::authenticate::Examiner;
use crate::policy::Evidence;
use crate::smtp::{Arrived, Caller, Recipient, Refusals};
use crate::store::account::{self, NewAccount};
use crate::store::format::Trace;
use crate::store::{AccountId, known, trace, verify};
use crate::tests::imap::runner::{Client, World};
use crate::wire::address::Address;
use crate::wire::budget::{Budget, Hold};
use crate::wire::smtp::{Body, ForwardPath, Reply};
use std::net::SocketAddr;
use std::pin::Pin;
use tokio::runtime::Runtime;

/// far.test sends from 192.0.2.7 and signs with `s`; what others send in its name is refused.
/// soft.test has no such wish, and its mail comes from anywhere.
const WORLD: &str = "
    7.2.0.192.in-addr.arpa PTR mx.far.test
    mx.far.test A 192.0.2.7
    far.test TXT v=spf1 ip4:192.0.2.7 -all
    s._domainkey.far.test TXT {key}
    _dmarc.far.test TXT v=DMARC1; p=reject
    soft.test TXT v=spf1 -all
    quiet.test TXT v=spf1 ip4:192.0.2.7 -all
    _dmarc.quiet.test TXT v=DMARC1; p=quarantine
";

struct Stage {
    world: World,
    bob: AccountId,
    runtime: Runtime,
    names: Names,
    post: Post,
    now: i64,
}

const LETTER: &str = "From: Joe <joe@far.test>\r\nSubject: hello\r\n\r\ntext\r\n";

impl Stage {
    /// Alice and Bob, with this section of the settings; nobody is trusted.
    fn new(section: &str) -> Stage {
        let world = World::new();
        let bob = world.store.write_blocking(|batch| {
            let new = NewAccount {
                login: Address::parse("bob@office.test").expect("an address"),
                name: "Bob".to_string(),
                quota: 0,
                credentials: Vec::new(),
                scram_salt: Vec::new(),
                scram_iterations: 4096,
            };
            account::create(batch, new, AUTUMN)
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let names = runtime.block_on(Names::start(&WORLD.replace("{key}", KEY)));
        let checks = settings::read(&format!("[checks]\n{section}")).expect("settings").checks;
        let examiner = Examiner::new(names.resolver(), checks.blocklists.clone());
        let post = Post::new(world.store.clone(), "mail.office.test".to_string()).expect("a post");
        let post = post.judging(Checkpoint::new(examiner, checks));
        Stage { world, bob: bob.expect("bob"), runtime, names, post, now: AUTUMN }
    }

    fn nobody_trusted(section: &str) -> Stage {
        Self::new(&format!("trusted = []\n{section}"))
    }

    fn judge_with(&mut self, checkpoint: Checkpoint) {
        let host = "mail.office.test".to_string();
        let post = Post::new(self.world.store.clone(), host).expect("a post");
        self.post = post.judging(checkpoint);
    }

    fn deliver(&mut self, from: &str, to: &[&str], message: &str) -> Received {
        self.deliver_from("192.0.2.7:40000", from, to, message)
    }

    fn deliver_from(&mut self, at: &str, from: &str, to: &[&str], message: &str) -> Received {
        let recipient = |to: &&str| Recipient {
            to: ForwardPath::To(Address::parse(to).expect("an address")),
            notify: None,
            orcpt: None,
        };
        let remote: SocketAddr = at.parse().expect("an address");
        let arrived = Arrived {
            caller: Caller {
                remote,
                helo: "mx.far.test".to_string(),
                extended: true,
                tls: None,
                login: None,
            },
            began: self.now,
            from: Address::parse(from).ok(),
            body: Body::SevenBit,
            smtputf8: false,
            ret: None,
            envid: None,
            recipients: to.iter().map(recipient).collect(),
            refused: Refusals::default(),
            message: message.as_bytes().to_vec(),
            hold: Hold::new(&Budget::new(1 << 20), remote.ip()),
        };
        self.now += 1;
        let micros = self.now as u64 * 1_000_000;
        self.runtime.block_on(self.post.receive(arrived, self.now, micros))
    }

    fn code(&mut self, from: &str, message: &str) -> u16 {
        self.deliver(from, &["alice@office.test"], message).reply.code
    }

    /// Alice's mail program looks into a mailbox: what the last message there says.
    fn seen_in(&self, mailbox: &str) -> Option<String> {
        let mut client = Client::logged_in(&self.world);
        let heard = client.ask(&self.world, &format!("a1 EXAMINE {mailbox}"));
        assert!(heard.contains("a1 OK"), "{heard}");
        if heard.contains("* 0 EXISTS") {
            return None;
        }
        let heard = client.ask(&self.world, "a2 FETCH * BODY.PEEK[]");
        let (_, text) = heard.split_once("}\r\n").expect("a literal");
        Some(text.rsplit_once(")\r\na2 OK").expect("the end").0.to_string())
    }

    fn story(&self, text: &str) -> Trace {
        let read = self.world.store.snapshot().expect("a snapshot");
        let found = trace::find(&read, text, None, 1).expect("stories");
        found.into_iter().next().expect("a story").1
    }

    fn knows(&self, who: AccountId, address: &str) -> bool {
        let read = self.world.store.snapshot().expect("a snapshot");
        known::knows(&read, who, &Address::parse(address).expect("an address")).expect("read")
    }

    fn verify(&self) {
        let report = verify::verify(&self.world.store, &mut |_, _| ()).expect("verified");
        assert_eq!(report.faults, Vec::<String>::new());
    }
}

#[test]
fn proven_mail_has_its_results_on_top_and_forged_ones_are_gone() {
    let mut stage = Stage::nobody_trusted("");
    let forged = format!(
        "Authentication-Results: mail.office.test; dmarc=pass header.from=bank.test\r\n\
         X-Mailroom-Reason: accept; forged\r\n{LETTER}"
    );
    let received =
        stage.deliver("joe@far.test", &["alice@office.test"], &sign("far.test", "s", &forged));
    assert_eq!(received.reply.code, 250, "{received:?}");
    let text = stage.seen_in("INBOX").expect("in the inbox");
    let (head, _) = text.split_once("Received: ").expect("ours");
    let b = head.split_once("header.b=").expect("a signature").1;
    let b = b.split_once(";\r\n").expect("its end").0;
    assert_eq!(
        head,
        format!(
            "Return-Path: <joe@far.test>\r\nDelivered-To: alice@office.test\r\n\
             X-Mailroom-Reason: accept; proven-author; far.test is proven as its author\r\n\
             Authentication-Results: mail.office.test;\r\n\
             \tiprev=pass (mx.far.test) policy.iprev=192.0.2.7;\r\n\
             \tspf=none smtp.helo=mx.far.test;\r\n\
             \tspf=pass smtp.mailfrom=far.test;\r\n\
             \tdkim=pass header.d=far.test header.s=s header.a=ed25519-sha256 header.b={b};\r\n\
             \tdmarc=pass (p=reject) header.from=far.test\r\n"
        )
    );
    assert!(!text.contains("forged") && !text.contains("bank.test"), "{text}");
    let story = stage.story("hello");
    let said: Vec<&str> = story.steps.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(said, ["connected", "checked", "judged", "delivered", "accepted"]);
    let checked = &story.steps[1].text;
    assert!(checked.contains("far.test as the sender: allows 192.0.2.7"), "{checked}");
    assert!(checked.contains("The author far.test is proven by SPF"), "{checked}");
    stage.verify();
}

#[test]
fn a_forgery_is_refused_with_its_reason_and_told() {
    let mut stage = Stage::nobody_trusted("");
    let at = "198.51.100.9:4000";
    let received = stage.deliver_from(at, "x@soft.test", &["alice@office.test"], LETTER);
    assert_eq!(
        received.reply,
        Reply::new(
            550,
            7,
            26,
            "Refused since far.test asks so by DMARC: neither SPF nor DKIM proves it"
        )
    );
    let story = received.story.expect("a story");
    assert_eq!((story.from.as_str(), story.subject.as_str()), ("x@soft.test", "hello"));
    let judged = story.steps.iter().find(|step| step.what == "judged").expect("judged");
    assert!(
        judged.text.starts_with("refuse (dmarc-reject): far.test asks to refuse"),
        "{judged:?}"
    );
    assert!(judged.text.contains("put the domain into allow in [checks]"), "{judged:?}");
    assert!(story.steps.last().expect("the end").reply.starts_with("550 5.7.26 "));
    assert_eq!(stage.seen_in("INBOX"), None);
    assert_eq!(stage.seen_in("Junk"), None);
}

#[test]
fn what_is_put_aside_is_seen_in_junk_or_in_the_inbox_of_who_has_none() {
    let mut stage = Stage::nobody_trusted("");
    let letter = LETTER.replace("far.test", "quiet.test");
    assert_eq!(stage.code("x@far.test", &letter), 250);
    assert_eq!(stage.seen_in("INBOX"), None);
    let text = stage.seen_in("Junk").expect("in Junk");
    let reason = "X-Mailroom-Reason: junk; dmarc-quarantine; quiet.test asks to put aside mail\r\n\
        \tin its name that is not proven (DMARC)\r\n";
    assert!(text.contains(reason), "{text}");
    let delivered = stage.story("x@far.test").steps.into_iter().find(|s| s.what == "delivered");
    assert_eq!(delivered.expect("a step").text, "Put into the Junk of alice@office.test");
    let mut client = Client::logged_in(&stage.world);
    assert!(client.ask(&stage.world, "a1 DELETE Junk").contains("a1 OK"));
    assert_eq!(stage.code("x@far.test", &letter), 250);
    assert!(stage.seen_in("INBOX").expect("in the inbox").contains("X-Mailroom-Reason: junk;"));
    stage.verify();
}

#[test]
fn a_trusted_peer_is_not_judged_and_nobody_is_asked() {
    let mut stage = Stage::new("");
    let from = "127.0.0.9:4000";
    let received = stage.deliver_from(from, "x@soft.test", &["alice@office.test"], LETTER);
    assert_eq!(received.reply.code, 250);
    let text = stage.seen_in("INBOX").expect("in the inbox");
    assert!(!text.contains("Authentication-Results") && !text.contains("X-Mailroom"), "{text}");
    assert_eq!(stage.names.asked(), Vec::<String>::new());
    assert_eq!(stage.story("hello").steps.len(), 3);
}

#[test]
fn a_first_letter_counts_only_beside_another_sign_and_each_recipient_for_oneself() {
    let mut stage = Stage::nobody_trusted("");
    // Forwarded without care: SPF fails and nothing is signed.
    let letter = LETTER.replace("far.test", "soft.test");
    let both = ["alice@office.test", "bob@office.test"];
    assert_eq!(stage.code("joe@soft.test", &letter), 250);
    assert!(stage.seen_in("Junk").is_some() && stage.seen_in("INBOX").is_none());
    // Alice writes to Joe; Bob has never heard of him.
    let alice = stage.world.alice;
    let joe = Address::parse("Joe@soft.test").expect("an address");
    let wrote = stage.world.store.write_blocking(move |batch| known::wrote(batch, alice, &joe));
    wrote.expect("written");
    assert_eq!(stage.deliver("joe@soft.test", &both, &letter).reply.code, 250);
    let text = stage.seen_in("INBOX").expect("hers");
    assert!(text.contains("X-Mailroom-Reason: accept; ordinary;"), "{text}");
    let delivered: Vec<String> = stage
        .story("joe@soft.test")
        .steps
        .into_iter()
        .filter(|step| step.what == "delivered")
        .map(|step| step.text)
        .collect();
    assert_eq!(
        delivered,
        ["Put into the INBOX of alice@office.test", "Put into the Junk of bob@office.test"]
    );
    assert!(stage.knows(alice, "joe@soft.test") && !stage.knows(stage.bob, "joe@soft.test"));
}

#[test]
fn a_stranger_who_writes_beside_a_friend_is_a_stranger() {
    let mut stage = Stage::nobody_trusted("");
    let alice = stage.world.alice;
    let joe = Address::parse("joe@soft.test").expect("an address");
    let wrote = stage.world.store.write_blocking(move |batch| known::wrote(batch, alice, &joe));
    wrote.expect("written");
    for author in ["joe@soft.test, eve@quiet-not.test", "joe@soft.test, eve@..test"] {
        let letter = LETTER.replace("Joe <joe@far.test>", author);
        assert_eq!(stage.code("eve@quiet.test", &letter), 250);
        let text = stage.seen_in("Junk").expect("put aside").replace("\r\n\t", " ");
        assert!(text.contains("who wrote it is not clear"), "{text}");
    }
    assert!(stage.seen_in("INBOX").is_none());
}

#[test]
fn whose_proven_mail_was_had_is_known_until_it_is_moved_to_junk() {
    let mut stage = Stage::nobody_trusted("");
    let alice = stage.world.alice;
    assert_eq!(stage.code("joe@far.test", LETTER), 250);
    assert!(stage.knows(alice, "JOE@far.test") && !stage.knows(alice, "jim@far.test"));
    // What is not proven teaches nothing.
    assert_eq!(stage.code("joe@far.test", &LETTER.replace("far.test", "bare.test")), 250);
    assert!(!stage.knows(alice, "joe@bare.test"));
    let mut client = Client::logged_in(&stage.world);
    client.ask(&stage.world, "a1 SELECT INBOX");
    assert!(client.ask(&stage.world, "a2 MOVE 1 Junk").contains("a2 OK"));
    assert!(!stage.knows(alice, "joe@far.test"));
    assert_eq!(stage.code("joe@far.test", LETTER), 250);
    assert!(!stage.knows(alice, "joe@far.test"), "once unwanted, it is not learnt again by itself");
    client.ask(&stage.world, "a3 SELECT Junk");
    assert!(client.ask(&stage.world, "a4 MOVE 1 Trash").contains("a4 OK"));
    assert!(!stage.knows(alice, "joe@far.test"), "the bin says nothing");
    client.ask(&stage.world, "a5 SELECT INBOX");
    assert!(client.ask(&stage.world, "a6 COPY 1:* Junk").contains("a6 OK"));
    client.ask(&stage.world, "a7 SELECT Junk");
    assert!(client.ask(&stage.world, "a8 MOVE 1:* INBOX").contains("a8 OK"));
    assert!(stage.knows(alice, "joe@far.test"), "fetched back by a person");
    stage.verify();
    let gone = stage.world.store.write_blocking(move |batch| account::delete(batch, alice));
    gone.expect("deleted");
    stage.verify();
}

#[test]
fn greylisting_asks_suspicious_strangers_to_come_again() {
    let mut stage = Stage::nobody_trusted("greylist = true");
    let letter = LETTER.replace("far.test", "soft.test");
    let received = stage.deliver("joe@soft.test", &["alice@office.test"], &letter);
    assert_eq!(received.reply.to_string(), "451 4.7.1 Not now, try again in a few minutes");
    assert!(received.story.expect("a story").steps.iter().any(|s| s.text.contains("greylist")));
    assert_eq!(stage.code("joe@soft.test", &letter), 451, "too soon");
    assert_eq!(stage.code("joe@far.test", LETTER), 250, "who is not suspicious never waits");
    stage.now += 10 * 60;
    assert_eq!(stage.code("joe@soft.test", &letter), 250);
}

#[test]
fn the_owners_lists_are_the_last_word() {
    let mut stage = Stage::nobody_trusted("allow = [\"far.test\"]\ndeny = [\"quiet.test\"]");
    assert_eq!(stage.code("x@soft.test", LETTER), 250, "far.test asks to refuse it");
    assert!(stage.seen_in("INBOX").expect("taken").contains("accept; allow-list;"));
    let received =
        stage.deliver("joe@quiet.test", &["alice@office.test"], &LETTER.replace("far", "x"));
    assert!(received.reply.to_string().starts_with("550 5.7.1 "), "{received:?}");
    let told = crate::event::recent();
    let overridden = |line: &String| line.contains("DMARC policy of far.test was overridden");
    assert!(told.iter().any(overridden), "{told:?}");
}

#[test]
fn a_panic_in_the_checks_is_no_reason_to_lose_mail() {
    let mut stage = Stage::nobody_trusted("");
    let checks = settings::read("[checks]\ntrusted = []\n").expect("settings").checks;
    let examine = |_| -> Pin<Box<dyn Future<Output = Evidence> + Send>> {
        Box::pin(async { panic!("a fault of the test's own") })
    };
    stage.judge_with(Checkpoint::with(Box::new(examine), checks));
    let at = "198.51.100.9:4000";
    let received = stage.deliver_from(at, "x@soft.test", &["alice@office.test"], LETTER);
    assert_eq!(received.reply.code, 250, "a forgery, but nobody could know");
    let text = stage.seen_in("INBOX").expect("delivered");
    assert!(text.ends_with(LETTER), "{text}");
    assert!(text.contains("X-Mailroom-Reason: accept; not-checked;"), "{text}");
    let told = crate::event::recent();
    assert!(told.iter().any(|line| line.contains("without a check of its sender")), "{told:?}");
    let checked = stage.story("hello").steps.into_iter().find(|step| step.what == "checked");
    assert!(checked.expect("a step").text.contains("could not be checked"));
}

#[test]
fn name_servers_that_are_away_refuse_nobody() {
    let mut stage = Stage::nobody_trusted("");
    let away = "10.9.8.7:40000";
    let at = reverse("10.9.8.7");
    let zone = format!("{at} SERVFAIL\nfar.test SERVFAIL\n_dmarc.far.test SERVFAIL");
    let names = stage.runtime.block_on(Names::start(&zone));
    let checks = settings::read("[checks]\ntrusted = []\n").expect("settings").checks;
    let examiner = Examiner::new(names.resolver(), Vec::new());
    stage.judge_with(Checkpoint::new(examiner, checks));
    let received = stage.deliver_from(away, "joe@far.test", &["alice@office.test"], LETTER);
    assert_eq!(received.reply.code, 250);
    let text = stage.seen_in("INBOX").expect("delivered");
    assert!(text.contains("dmarc=temperror") && text.contains("spf=temperror"), "{text}");
}
