//! Looks at a POP3 maildrop: what comes here, what stays and what goes there.

use super::maildrop::Maildrop;
use crate::collect::{Desk, Fault, Looked, plan, pop3};
use crate::delivery::checkpoint::Checkpoint;
use crate::delivery::keyring::Keyring;
use crate::delivery::receive::Post;
use crate::delivery::report::Moment;
use crate::limits::MESSAGE_BYTES;
use crate::net::authenticate::Examiner;
use crate::net::resolver::{CLOCK, Resolver};
use crate::pop3::client::Login;
use crate::settings::Checks;
use crate::store::format::{Multidrop, Outside, OutsideHost, OutsideState};
use crate::store::outside::{self, OutsideId};
use crate::store::{AccountId, INBOX, MailboxId, account, address, mail, mailbox, trace, verify};
use crate::tests::store::outside::{add, at_gmail, word};
use crate::tests::store::{ALICE, BOB, Office};
use crate::wire::sasl::Secret;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

static NOW: AtomicI64 = AtomicI64::new(1_760_000_000);

fn moment() -> Moment {
    let now = NOW.load(Ordering::SeqCst);
    Moment { micros: now as u64 * 1_000_000, chance: 7 }
}

struct Stage {
    office: Office,
    runtime: Runtime,
    maildrop: Maildrop,
    desk: Desk,
    id: OutsideId,
    row: Outside,
}

impl Stage {
    /// Alice's outside account at a maildrop of the test's own.
    fn new(change: impl FnOnce(&mut Outside)) -> Self {
        Self::at(false, change)
    }

    fn at(stls: bool, change: impl FnOnce(&mut Outside)) -> Self {
        let office = Office::new();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let maildrop = runtime.block_on(Maildrop::start(stls));
        let pem = office.folder.path().join("authority.pem");
        std::fs::write(&pem, &maildrop.authority.pem).expect("a file");
        let resolver = || {
            let nobody = ["127.0.0.1:9".parse().expect("an address")];
            Resolver::new(&nobody, Duration::from_millis(50)).expect("a resolver")
        };
        let checks = Checks::default();
        let post = Post::new(office.store.clone(), "mail.office.test".to_string()).expect("a post");
        let post = post.judging(Checkpoint::new(Examiner::new(resolver(), Vec::new()), checks));
        let keyring = Keyring::new(office.store.clone(), resolver(), Some(&pem), CLOCK);
        let desk = Desk {
            post: post.into(),
            resolver: resolver(),
            keyring: keyring.expect("a keyring").into(),
            authority: Some(pem),
            moment,
            lines: Semaphore::new(1),
        };
        let tls = if stls { outside::STARTTLS } else { outside::IMPLICIT };
        let port = maildrop.at.port().into();
        let mut row = Outside {
            source: Some(OutsideHost { host: "localhost".to_string(), port, tls }),
            kind: outside::POP3,
            vouchers: vec!["provider.test".to_string()],
            ..at_gmail("alice@provider.test")
        };
        change(&mut row);
        let id = add(&office.store, ALICE, row.clone(), word("open sesame")).expect("an account");
        Self { office, runtime, maildrop, desk, id, row }
    }

    fn look(&self) -> Result<Looked, Fault> {
        let secret = Secret(b"open sesame".to_vec());
        self.look_with(Login { user: "alice".to_string(), secret, token: false })
    }

    fn look_with(&self, login: Login) -> Result<Looked, Fault> {
        self.runtime.block_on(pop3::look(&self.desk, self.id, &self.row, login))
    }

    fn texts(&self, who: AccountId, folder: &str) -> Vec<String> {
        let read = self.office.store.snapshot().expect("a snapshot");
        let names = mailbox::names(&read, who).expect("names");
        let (id, _) = names.into_iter().find(|(_, it)| it.name == folder).expect("a mailbox");
        texts(&self.office, who, id)
    }

    fn inbox(&self) -> Vec<String> {
        self.texts(ALICE, "INBOX")
    }

    fn state(&self) -> OutsideState {
        outside::state(&self.office.store.snapshot().expect("a snapshot"), self.id).expect("read")
    }

    fn verify(&self) {
        let report = verify::verify(&self.office.store, &mut |_, _| ()).expect("verified");
        assert_eq!(report.faults, Vec::<String>::new());
    }
}

fn texts(office: &Office, who: AccountId, id: MailboxId) -> Vec<String> {
    let read = office.store.snapshot().expect("a snapshot");
    let mut rows = Vec::new();
    mail::rows(&read, who, id, 0, u32::MAX, &mut |_, row| {
        rows.push(row);
        Ok(true)
    })
    .expect("rows");
    let whole = |row: &crate::store::format::MailRow| {
        let body = mail::octets(&read, row, 0, row.size).expect("octets");
        String::from_utf8_lossy(&body).into_owned()
    };
    rows.iter().map(whole).collect()
}

fn letter(number: usize) -> String {
    format!("From: Joe <joe@far.test>\nSubject: number {number}\n\n.one\n..two\ntext {number}\n")
}

fn numbers(inbox: &[String]) -> Vec<usize> {
    let number =
        |text: &String| text.split("Subject: number ").nth(1)?.lines().next()?.parse().ok();
    let letters = inbox.iter().filter(|text| !text.contains("was not taken over"));
    let mut all: Vec<usize> = letters.filter_map(number).collect();
    all.sort_unstable();
    all
}

#[test]
fn what_is_new_comes_once_and_stays_there_with_its_story_here() {
    let stage = Stage::at(true, |row| row.after = outside::KEEP);
    stage.maildrop.put("a", &letter(1));
    let top = "Return-Path: <bounce@far.test>\nAuthentication-Results: mx.provider.test; \
               dmarc=pass header.from=far.test; spf=fail smtp.mailfrom=far.test\n";
    stage.maildrop.put("b", &format!("{top}{}", letter(2)));
    let looked = stage.look().expect("a look");
    assert_eq!((looked.taken, looked.skipped, looked.deleted), (2, 0, 0));
    let inbox = stage.inbox();
    assert_eq!(numbers(&inbox), [1, 2]);
    assert!(inbox[0].ends_with("\r\n\r\n.one\r\n..two\r\ntext 1\r\n"), "{}", inbox[0]);
    assert!(inbox[0].contains("Received: from localhost\r\n\tby mail.office.test with POP3"));
    assert!(inbox[1].starts_with("Return-Path: <bounce@far.test>\r\n"), "{}", inbox[1]);
    assert!(inbox[1].contains("X-Mailroom-Reason: accept; proven-author;"), "{}", inbox[1]);
    let clear: Vec<String> = stage.maildrop.with(|inside| inside.heard.clone());
    assert_eq!(clear[..2], ["clear CAPA", "clear STLS"], "no password in clear");
    assert_eq!(stage.look().expect("a look").taken, 0, "nothing twice");
    assert_eq!(stage.maildrop.ids(), ["a", "b"]);
    let read = stage.office.store.snapshot().expect("a snapshot");
    let (_, story) = trace::find(&read, "number 2", None, 1).expect("read").remove(0);
    let told: Vec<&str> = story.steps.iter().map(|step| step.text.as_str()).collect();
    assert!(told[0].contains("alice@provider.test, from localhost by POP3"), "{told:?}");
    assert!(told.iter().any(|it| it.contains("INBOX of alice@office.test")), "{told:?}");
    assert_eq!((story.from.as_str(), stage.state().letters), ("bounce@far.test", 2));
    stage.verify();
}

#[test]
fn a_cut_after_any_octet_neither_loses_nor_doubles() {
    let stage = Stage::new(|row| row.after = outside::DELETE);
    (1..=6).for_each(|number| stage.maildrop.put(&format!("u{number}"), &letter(number)));
    let mut cuts = 0;
    // Each look is cut a little later than the one before.
    for cut in (5..).step_by(23) {
        stage.maildrop.with(|inside| {
            *inside = super::maildrop::Inside {
                letters: std::mem::take(&mut inside.letters),
                password: "open sesame".to_string(),
                cut_after: Some(cut),
                ..Default::default()
            }
        });
        match stage.look() {
            Err(fault) => assert_eq!(fault.trouble, plan::UNREACHED, "{fault}"),
            Ok(_) => break,
        }
        cuts += 1;
        let mut all = numbers(&stage.inbox());
        let before = all.len();
        all.dedup();
        assert_eq!(all.len(), before, "doubled after {cut} octets");
        let there = stage.maildrop.ids();
        let lost = (1..=6).find(|n| !all.contains(n) && !there.contains(&format!("u{n}")));
        assert_eq!(lost, None, "gone there before it was here, after {cut} octets");
    }
    assert!(cuts >= 10, "{cuts}");
    assert_eq!(numbers(&stage.inbox()), [1, 2, 3, 4, 5, 6]);
    assert_eq!(stage.maildrop.ids(), Vec::<String>::new());
    stage.verify();
}

#[test]
fn letters_go_there_only_after_their_days() {
    let stage = Stage::new(|row| (row.after, row.days) = (outside::DELETE, 7));
    stage.maildrop.put("a", &letter(1));
    assert_eq!(stage.look().expect("a look").deleted, 0);
    let begun = NOW.fetch_add(6 * 86_400, Ordering::SeqCst);
    assert_eq!(stage.look().expect("a look").deleted, 0);
    assert_eq!(stage.maildrop.ids(), ["a"]);
    NOW.fetch_max(begun + 30 * 86_400, Ordering::SeqCst);
    assert_eq!(stage.look().expect("a look").deleted, 1);
    assert_eq!((stage.maildrop.ids().len(), numbers(&stage.inbox())), (0, vec![1]));
}

#[test]
fn a_letter_that_is_too_large_is_told_of_once_and_stays() {
    let stage = Stage::new(|row| row.after = outside::DELETE);
    stage.maildrop.put("huge", &letter(1));
    stage.maildrop.put("fine", &letter(2));
    stage.maildrop.with(|inside| inside.letters[0].said = Some(200 << 20));
    let looked = stage.look().expect("a look");
    assert_eq!((looked.taken, looked.skipped), (1, 1));
    assert_eq!(stage.maildrop.ids(), ["huge"]);
    assert!(!stage.maildrop.with(|inside| inside.heard.contains(&"RETR 1".to_string())));
    let skipped = stage.state().skipped;
    assert_eq!((skipped.len(), skipped[0].subject.as_str()), (1, "number 1"));
    let told = stage.inbox().into_iter().filter(|text| text.contains("is too large")).count();
    assert_eq!(told, 1);
    assert_eq!(stage.look().expect("a look"), Looked::default());
    assert_eq!(stage.inbox().len(), 2, "told once");
    // One that is larger than the server says is let pass by, and what follows is understood.
    let body = "x".repeat(998) + "\n";
    let lying = letter(3) + &body.repeat(MESSAGE_BYTES / 999 + 10);
    stage.maildrop.put("liar", &lying);
    stage.maildrop.put("last", &letter(4));
    stage.maildrop.with(|inside| inside.letters[1].said = Some(1_000));
    let looked = stage.look().expect("a look");
    assert_eq!((looked.taken, looked.skipped), (1, 1));
    assert_eq!(numbers(&stage.inbox()), [2, 4]);
    stage.verify();
}

#[test]
fn odd_servers_neither_hide_letters_nor_repeat_them() {
    let stage = Stage::new(|row| row.after = outside::DELETE);
    // The same name for different letters.
    for number in 1..=3 {
        stage.maildrop.put("same", &letter(number));
    }
    stage.maildrop.with(|inside| inside.nameless = false);
    let kept = Stage::new(|_| ());
    (1..=3).for_each(|number| kept.maildrop.put("same", &letter(number)));
    assert_eq!(kept.look().expect("a look").taken, 3);
    assert_eq!(kept.look().expect("a look").taken, 0);
    // No names at all: only where letters go at once.
    kept.maildrop.with(|inside| inside.nameless = true);
    let fault = kept.look().expect_err("no names");
    assert!(fault.to_string().contains("IMAP"), "{fault}");
    stage.maildrop.with(|inside| {
        inside.nameless = true;
        inside.cut_after = Some(inside.said + 260);
    });
    stage.look().expect_err("cut");
    stage.maildrop.with(|inside| inside.cut_after = None);
    stage.look().expect("a look");
    assert_eq!((numbers(&stage.inbox()), stage.maildrop.ids().len()), (vec![1, 2, 3], 0));
}

#[test]
fn a_password_that_expired_and_a_certificate_that_does_not_fit_are_told_apart() {
    let mut stage = Stage::new(|_| ());
    let wrong = Login { user: "alice".into(), secret: Secret(b"old".to_vec()), token: false };
    let fault = stage.look_with(wrong).expect_err("refused");
    assert_eq!(fault.trouble, plan::REFUSED);
    stage.maildrop.with(|inside| inside.refuses = Some("[IN-USE] wait".to_string()));
    assert_eq!(stage.look().expect_err("busy").trouble, plan::BUSY);
    let bad = Login { user: "a\r\nDELE 1".into(), secret: Secret(b"x".to_vec()), token: false };
    assert_eq!(stage.look_with(bad).expect_err("refused").trouble, plan::REFUSED);
    assert!(!stage.maildrop.with(|inside| inside.heard.iter().any(|it| it.contains("DELE"))));
    let before = stage.maildrop.with(|inside| inside.heard.len());
    stage.desk.authority = None;
    let fault = stage.look().expect_err("an unknown authority");
    assert_eq!(fault.trouble, plan::CERTIFICATE, "{fault}");
    assert_eq!(stage.maildrop.with(|inside| inside.heard.len()), before, "nothing was said");
}

#[test]
fn a_full_mailbox_leaves_letters_where_they_are() {
    let stage = Stage::new(|row| row.after = outside::DELETE);
    stage.maildrop.put("a", &letter(1));
    let quota = |octets| {
        let change = move |batch: &mut crate::store::Batch| {
            account::update(batch, ALICE, &mut |account| {
                account.quota = octets;
                Ok(())
            })
        };
        stage.office.write(change).expect("a quota");
    };
    quota(10);
    assert_eq!(stage.look().expect_err("full").trouble, plan::NO_ROOM);
    assert_eq!((stage.inbox().len(), stage.maildrop.ids().len()), (0, 1));
    quota(0);
    assert_eq!(stage.look().expect("a look").taken, 1);
}

#[test]
fn one_mailbox_of_a_domain_is_shared_out() {
    let stage = Stage::new(|row| {
        row.address = "all@office.test".to_string();
        row.senders.clear();
        let domain = "office.test".to_string();
        row.multidrop = Some(Multidrop { domain, ..Multidrop::default() });
    });
    stage
        .office
        .write(|batch| address::set_postmaster(batch, "office.test", Some(ALICE)))
        .expect("set");
    stage.maildrop.put("1", &format!("Delivered-To: bob@office.test\n{}", letter(1)));
    stage
        .maildrop
        .put("2", &format!("Envelope-To: alice@office.test, bob@office.test\n{}", letter(2)));
    stage.maildrop.put("3", &format!("Delivered-To: nobody@office.test\n{}", letter(3)));
    stage.maildrop.put("4", &format!("To: bob@office.test\n{}", letter(4)));
    assert_eq!(stage.look().expect("a look").taken, 4);
    assert_eq!(numbers(&texts(&stage.office, BOB, INBOX)), [1, 2]);
    assert_eq!(numbers(&stage.inbox()), [2, 3, 4], "what cannot be placed is the postmaster's");
    let read = stage.office.store.snapshot().expect("a snapshot");
    let (_, story) = trace::find(&read, "number 4", None, 1).expect("read").remove(0);
    let words = |text: &str| story.steps.iter().any(|step| step.text.contains(text));
    assert!(words("goes to the postmaster"), "{story:?}");
    stage.verify();
}

#[test]
fn trouble_is_told_once_and_polling_slows() {
    let mut state = OutsideState::default();
    let refused = Fault::refused("no such luck");
    assert!(plan::failed(&mut state, &refused, 100));
    let first = plan::wait(&state, 0, None);
    assert!(!plan::failed(&mut state, &refused, 200), "told once");
    assert!(plan::wait(&state, 0, None) > first);
    let (subject, text) =
        plan::letter(&Outside { address: "a@b.test".into(), ..Outside::default() }, &refused, None);
    assert!(subject.contains("a@b.test") && text.contains("no such luck"), "{subject} {text}");
    plan::went_well(&mut state, 300);
    assert!(plan::failed(&mut state, &refused, 400), "and anew after it was well");
    let lost = Fault::new(plan::UNREACHED, "gone", "wait");
    assert!(!plan::failed(&mut state, &lost, 500), "a line that breaks is no news beside it");
    assert!(!plan::failed(&mut state, &refused, 600), "and what was told still stands");
    let taken_back = Fault::new(plan::NO_SECRET, "the token was taken back", "sign in");
    assert!(!plan::failed(&mut state, &taken_back, 700), "another way in which the log-in fails");
    plan::went_well(&mut state, 800);
    assert!(!plan::failed(&mut state, &lost, 500), "not for every cloud");
    assert!(plan::failed(&mut state, &lost, 500 + 24 * 3600), "but after a day");
    plan::went_well(&mut state, 1);
    let gmail = crate::collect::providers::by_id("gmail");
    let quiet: Vec<Duration> = [0, 3, 90].map(|quiet| plan::wait(&state, quiet, None)).to_vec();
    assert!(quiet[0] < quiet[1] && quiet[1] < quiet[2], "{quiet:?}");
    assert!(plan::wait(&state, 0, gmail) >= Duration::from_secs(300));
}
