//! From RCPT to the mailbox, with a real store under the session.

use super::office::{ALICE, BOB, NOW, Office, add_person};
use super::stage::{Machine, Talk, noon, run, setting};
use crate::delivery::{local, receive::Post};
use crate::limits::RECEIVED_HEADERS;
use crate::smtp::{Answer, Ask, Destination};
use crate::store::format::Trace;
use crate::store::{
    AccountId, Batch, INBOX, MailId, Read, Result, StoreError, account, address, mail, trace,
};
use crate::wire::address::Address;
use crate::wire::smtp::Budget;
use std::collections::HashMap;
use tokio::runtime::Runtime;

/// The machine behind the session as `serve::receive` is, with a fixed clock.
struct Box25 {
    office: Office,
    post: Post,
    runtime: Runtime,
    /// Done once between the last RCPT and the write.
    meanwhile: Option<Job>,
}

type Job = std::boxed::Box<dyn Fn(&mut Batch) -> Result<()> + Send + Sync>;

impl Machine for Box25 {
    fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Login(_) | Ask::Sender { .. } => panic!("port 25 asks for no log-in"),
            Ask::Recipient { from, to, size, .. } => {
                let snapshot = self.office.store.snapshot().unwrap();
                let (srs, path) = (self.post.srs(), (from.as_ref(), &to));
                let found = local::destination(&snapshot, srs, path, size.unwrap_or(0), NOW);
                Answer::Recipient(found.unwrap_or(Destination::Unavailable))
            }
            Ask::Receive(arrived) => {
                if let Some(job) = self.meanwhile.take() {
                    self.office.write(move |batch| job(batch)).unwrap();
                }
                let received = self.runtime.block_on(self.post.receive(*arrived, NOW, MICROS));
                Answer::Received(received.reply)
            }
            Ask::Tell(story) => {
                self.runtime.block_on(self.post.remember(*story, MICROS));
                Answer::Told
            }
        }
    }
}

const MICROS: u64 = NOW as u64 * 1_000_000;

fn box25() -> Talk<Box25> {
    let office = Office::new();
    let post = Post::new(office.store.clone(), "mail.office.test".to_string()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut talk = Talk::new(setting(), Box25 { office, post, runtime, meanwhile: None });
    talk.say("EHLO client.test");
    talk
}

/// Sends a message; returns the reply to its end.
fn send(talk: &mut Talk<Box25>, from: &str, to: &[&str], message: &str) -> String {
    assert!(talk.say(&format!("MAIL FROM:<{from}>")).starts_with("250 "));
    for who in to {
        let reply = talk.say(&format!("RCPT TO:<{who}>"));
        assert!(reply.starts_with("250 "), "{who}: {reply}");
    }
    assert!(talk.say("DATA").starts_with("354 "));
    talk.send(format!("{message}.\r\n").as_bytes())
}

impl Talk<Box25> {
    fn office(&self) -> &Office {
        &self.machine.office
    }

    /// The messages in an INBOX as a client reads them.
    fn inbox(&self, who: AccountId) -> Vec<String> {
        let snapshot = self.office().store.snapshot().unwrap();
        let uids = mail::uids(&snapshot, who, INBOX).unwrap();
        let text = |uid: u32| {
            let row = mail::row(&snapshot, who, INBOX, uid).unwrap().unwrap();
            let octets = mail::octets(&snapshot, &row, 0, row.size).unwrap();
            assert_eq!(octets.len() as u64, row.size);
            String::from_utf8(octets).unwrap()
        };
        uids.into_iter().map(text).collect()
    }

    fn stories(&self, text: &str) -> Vec<(MailId, Trace)> {
        trace::find(&self.office().store.snapshot().unwrap(), text, None, 100).unwrap()
    }

    fn quota(&self, who: AccountId, octets: u64) {
        let job = move |batch: &mut Batch| {
            account::update(batch, who, &mut |account| {
                account.quota = octets;
                Ok(())
            })
        };
        self.office().write(job).unwrap();
    }

    /// Bodies in the store: each has one head row, whose key is 'J', the id and a 0.
    fn bodies(&self) -> usize {
        let mut bodies = 0;
        let snapshot = self.office().store.snapshot().unwrap();
        let count = &mut |key: &[u8], _: &[u8]| {
            bodies += usize::from(key.last() == Some(&0) && key.len() == 10);
            Ok(true)
        };
        snapshot.scan(b"J", b"K", count).unwrap();
        bodies
    }

    /// Commits so far: the transaction number in the newer of the file's two meta pages.
    fn commits(&self) -> u64 {
        let file = std::fs::read(self.office().folder.join("data.mdb")).unwrap();
        let number = |page: usize| {
            let at = page * 4096 + 144;
            u64::from_le_bytes(file[at..at + 8].try_into().unwrap())
        };
        number(0).max(number(1))
    }
}

const LETTER: &str = "From: x@far.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
    Message-ID: <1@far.test>\r\n\r\nHello Bob\r\n";

#[test]
fn a_message_arrives_with_its_story() {
    let mut talk = box25();
    let reply = send(&mut talk, "x@far.test", &["Bob+news@office.test"], LETTER);
    let id = reply.strip_prefix("250 2.0.0 ").and_then(|r| r.strip_suffix(" delivered\r\n"));
    let id = id.unwrap_or_else(|| panic!("{reply}"));
    assert_eq!(
        talk.inbox(BOB),
        [format!(
            "Return-Path: <x@far.test>\r\nDelivered-To: Bob+news@office.test\r\n\
             Received: from client.test ([192.0.2.7])\r\n\tby mail.office.test with ESMTP\r\n\
             \tid {id}\r\n\tfor <Bob+news@office.test>;\r\n\t\
             Thu, 09 Oct 2025 08:53:20 +0000\r\n{LETTER}"
        )]
    );
    let stories = talk.stories("bob+news@");
    let [(found, story)] = &stories[..] else { panic!("{stories:?}") };
    assert_eq!(found.to_string(), id);
    assert_eq!((story.from.as_str(), story.subject.as_str()), ("x@far.test", "Grüße"));
    assert_eq!(story.size, LETTER.len() as u64);
    let steps: Vec<(&str, &str)> =
        story.steps.iter().map(|step| (step.what.as_str(), step.text.as_str())).collect();
    assert_eq!(
        steps,
        [
            ("connected", "client.test connected from [192.0.2.7], not encrypted"),
            ("delivered", "Put into the INBOX of bob@office.test"),
            ("accepted", "Taken in whole, 95 octets; the sender was told so"),
        ]
    );
    assert_eq!(story.steps[2].reply, reply.trim_end());
}

#[test]
fn tls_stands_in_the_received_field() {
    let mut talk = box25();
    talk.say("STARTTLS");
    talk.say("EHLO client.test");
    talk.say("MAIL FROM:<pelé@far.test> SMTPUTF8");
    talk.say("RCPT TO:<bob@office.test>");
    talk.say("DATA");
    assert!(talk.send(b".\r\n").starts_with("250 "));
    let text = &talk.inbox(BOB)[0];
    let tls = "with UTF8SMTPS\r\n\t(TLSv1.3 TLS_AES_128_GCM_SHA256)\r\n\tid ";
    assert!(text.contains(tls) && text.starts_with("Return-Path: <pelé@far.test>\r\n"), "{text}");
}

#[test]
fn twenty_people_share_one_body_and_one_commit() {
    let mut talk = box25();
    let people: Vec<String> = (0..20).map(|n| format!("p{n}")).collect();
    let mut accounts = Vec::new();
    for name in people.clone() {
        accounts.push(talk.office().write(move |batch| add_person(batch, &name)).unwrap());
    }
    let to: Vec<String> = people.iter().map(|name| format!("{name}@office.test")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let (bodies, commits) = (talk.bodies(), talk.commits());
    assert!(send(&mut talk, "x@far.test", &to, LETTER).starts_with("250 "));
    assert_eq!(talk.bodies(), bodies + 1);
    assert_eq!(talk.commits(), commits + 1);
    for (who, to) in accounts.into_iter().zip(to) {
        let inbox = talk.inbox(who);
        assert_eq!(inbox.len(), 1);
        assert!(inbox[0].contains(&format!("Delivered-To: {to}\r\n")));
        assert!(!inbox[0].contains("\tfor <"), "no recipient learns of another");
    }
    assert_eq!(talk.stories("p7@office.test").len(), 1);
}

#[test]
fn a_person_reached_twice_gets_one_copy() {
    let mut talk = box25();
    let team = Address::parse("team@office.test").unwrap();
    talk.office().write(move |batch| address::set_alias(batch, &team, &[ALICE, BOB], NOW)).unwrap();
    let to = ["bob@office.test", "team@office.test", "BOB@office.test"];
    assert!(send(&mut talk, "x@far.test", &to, LETTER).starts_with("250 "));
    assert_eq!((talk.inbox(BOB).len(), talk.inbox(ALICE).len()), (1, 1));
    assert!(talk.inbox(BOB)[0].contains("Delivered-To: bob@office.test\r\n"));
    assert!(talk.inbox(ALICE)[0].contains("Delivered-To: team@office.test\r\n"));
}

#[test]
fn postmaster_and_catch_all() {
    let mut talk = box25();
    assert!(send(&mut talk, "", &["postmaster"], LETTER).starts_with("250 "));
    assert_eq!(talk.inbox(ALICE).len(), 1, "the first person is postmaster");
    assert!(talk.inbox(ALICE)[0].starts_with("Return-Path: <>\r\nDelivered-To: postmaster\r\n"));
    talk.say("MAIL FROM:<>");
    assert!(talk.say("RCPT TO:<anybody@office.test>").starts_with("550 5.1.1 "));
    talk.say("RSET");
    talk.office().write(|batch| address::set_catch_all(batch, "office.test", Some(BOB))).unwrap();
    assert!(send(&mut talk, "", &["anybody@office.test"], LETTER).starts_with("250 "));
    assert_eq!(talk.inbox(BOB).len(), 1);
}

#[test]
fn a_full_mailbox_is_refused_at_rcpt_and_spoils_nothing() {
    let mut talk = box25();
    talk.quota(BOB, 400);
    assert!(send(&mut talk, "x@far.test", &["bob@office.test"], LETTER).starts_with("250 "));
    run(
        &mut talk,
        "C: MAIL FROM:<x@far.test> SIZE=300
         S: 250
         C: RCPT TO:<bob@office.test>
         S: 452 4.2.2
         C: RCPT TO:<alice@office.test>
         S: 250
         C: DATA
         S: 354
         C: hello
         C: .
         S: 250",
    );
    assert_eq!((talk.inbox(BOB).len(), talk.inbox(ALICE).len()), (1, 1));
    // The story of what alice got also says why bob did not.
    let (_, story) = &talk.stories("alice@")[0];
    let refused = story.steps.iter().find(|step| step.what == "refused").unwrap();
    assert_eq!(refused.recipient, "bob@office.test");
    assert!(refused.reply.starts_with("452 4.2.2 "));
}

#[test]
fn who_passed_the_door_gets_the_message() {
    let mut talk = box25();
    talk.quota(BOB, 200);
    let big = format!("Subject: big\r\n\r\n{}\r\n", "x".repeat(500));
    // No size was announced: bob crosses his quota, alice is not touched, nothing comes twice.
    let to = ["bob@office.test", "alice@office.test"];
    assert!(send(&mut talk, "x@far.test", &to, &big).starts_with("250 "));
    assert_eq!((talk.inbox(BOB).len(), talk.inbox(ALICE).len()), (1, 1));
    let (_, story) = &talk.stories("bob@")[0];
    assert!(story.steps.iter().any(|step| step.text.contains("above its quota")), "{story:?}");
    // The next one is refused.
    talk.say("MAIL FROM:<x@far.test>");
    assert!(talk.say("RCPT TO:<bob@office.test>").starts_with("452 4.2.2 "));
}

#[test]
fn a_message_that_fits_nobody_is_refused_whole() {
    let mut talk = box25();
    talk.quota(BOB, 200);
    let big = format!("Subject: big\r\n\r\n{}\r\n", "x".repeat(500));
    let (bodies, commits) = (talk.bodies(), talk.commits());
    let reply = send(&mut talk, "x@far.test", &["bob@office.test"], &big);
    assert!(reply.starts_with("452 4.2.2 "), "{reply}");
    assert!(talk.inbox(BOB).is_empty());
    assert_eq!(talk.bodies(), bodies);
    assert!(talk.commits() <= commits + 1);
    talk.say("QUIT");
    let (_, story) = &talk.stories("bob@")[0];
    assert!(story.steps.iter().any(|step| step.reply.starts_with("452 4.2.2 ")), "{story:?}");
}

#[test]
fn a_recipient_gone_before_the_write_refuses_all_for_now() {
    let mut talk = box25();
    talk.machine.meanwhile = Some(std::boxed::Box::new(|batch| account::delete(batch, BOB)));
    let to = ["alice@office.test", "bob@office.test"];
    let reply = send(&mut talk, "x@far.test", &to, LETTER);
    assert!(reply.starts_with("450 4.2.1 "), "{reply}");
    assert!(talk.inbox(ALICE).is_empty(), "or she would get it twice");
    // At the next try RCPT says which, and alice gets hers.
    talk.say("MAIL FROM:<x@far.test>");
    assert!(talk.say("RCPT TO:<bob@office.test>").starts_with("550 5.1.1 "));
    talk.say("RSET");
    assert!(send(&mut talk, "x@far.test", &["alice@office.test"], LETTER).starts_with("250 "));
    assert_eq!(talk.inbox(ALICE).len(), 1);
}

#[test]
fn only_we_may_say_what_we_checked() {
    let mut talk = box25();
    let forged = "Return-Path: <liar@far.test>\r\n\
        Authentication-Results: mail.office.test; spf=pass\r\n\
        Authentication-Results: (a (nested) comment)\r\n MAIL.Office.test/1 ; dkim=pass\r\n\
        authentication-results: \"mail.office.test\"; none\r\n\
        Authentication-Results: mail.office.test.far.test; spf=fail\r\n\
        Authentication-Results: other.test; spf=pass\r\n\
        Subject: Return-Path: kept\r\n\r\nReturn-Path: kept too\r\n";
    assert!(send(&mut talk, "x@far.test", &["bob@office.test"], forged).starts_with("250 "));
    let text = &talk.inbox(BOB)[0];
    assert_eq!(text.matches("Return-Path: <").count(), 1);
    assert!(text.starts_with("Return-Path: <x@far.test>\r\n"));
    let results: Vec<&str> =
        text.lines().filter(|line| line.to_lowercase().starts_with("auth")).collect();
    assert_eq!(
        results,
        [
            "Authentication-Results: mail.office.test.far.test; spf=fail",
            "Authentication-Results: other.test; spf=pass",
        ]
    );
    assert!(!text.contains("dkim=pass"));
    assert!(text.ends_with("Subject: Return-Path: kept\r\n\r\nReturn-Path: kept too\r\n"));
}

#[test]
fn a_message_that_goes_in_circles_is_refused() {
    let mut talk = box25();
    let looped = |hops: usize| "Received: from a by b; now\r\n".repeat(hops) + "\r\nx\r\n";
    let roomy = crate::smtp::Setting::mx("mail.office.test", Budget::new(1 << 20), noon);
    talk.session = crate::smtp::Server::new(roomy, super::stage::peer());
    talk.say("EHLO client.test");
    let to = ["bob@office.test"];
    assert!(send(&mut talk, "", &to, &looped(RECEIVED_HEADERS)).starts_with("250 "));
    for hops in [RECEIVED_HEADERS + 1, 10 * RECEIVED_HEADERS] {
        let reply = send(&mut talk, "", &to, &looped(hops));
        assert!(reply.starts_with("554 5.4.6 "), "{reply}");
    }
    assert_eq!(talk.inbox(BOB).len(), 1);
}

#[test]
fn a_large_message_comes_through_whole() {
    let mut talk = box25();
    let roomy = crate::smtp::Setting::mx("mail.office.test", Budget::new(1 << 24), noon);
    let budget = roomy.budget.clone();
    talk.session = crate::smtp::Server::new(roomy, super::stage::peer());
    talk.say("EHLO client.test");
    let lines: String = (0..100_000).map(|n| format!("line {n}\r\n")).collect();
    let letter = format!("Subject: large\r\n\r\n{lines}");
    assert!(send(&mut talk, "", &["bob@office.test"], &letter).starts_with("250 "));
    assert!(talk.inbox(BOB)[0].ends_with(&letter));
    assert_eq!(budget.free(), 1 << 24, "given back");
}

#[test]
fn text_without_header_does_not_join_ours() {
    for (message, wanted) in [
        ("hello\r\n", "+0000\r\n\r\nhello\r\n"),
        (" id fake; yesterday\r\n", "+0000\r\n\r\n id fake; yesterday\r\n"),
        ("\r\nhello\r\n", "+0000\r\n\r\nhello\r\n"),
        ("", "+0000\r\n\r\n"),
        ("Subject: x\r\n", "+0000\r\nSubject: x\r\n"),
    ] {
        let mut talk = box25();
        assert!(send(&mut talk, "", &["bob@office.test"], message).starts_with("250 "));
        let text = &talk.inbox(BOB)[0];
        assert!(text.ends_with(wanted), "{message:?}: {text}");
    }
}

#[test]
fn names_that_lie_do_no_harm() {
    let mut talk = box25();
    talk.say("EHLO (evil) by mail.office.test; forged");
    assert!(send(&mut talk, "", &["bob@office.test"], LETTER).starts_with("250 "));
    let text = &talk.inbox(BOB)[0];
    let wanted = "Received: from [192.0.2.7] (HELO ?evil??by?mail.office.test??forged)\r\n";
    assert!(text.contains(wanted), "{text}");
}

#[test]
fn refused_connections_have_a_story() {
    let mut talk = box25();
    run(
        &mut talk,
        "C: MAIL FROM:<spam@far.test>
         S: 250
         C: RCPT TO:<nobody@office.test>
         S: 550 5.1.1
         C: RCPT TO:<friend@elsewhere.test>
         S: 550 5.7.1
         C: QUIT
         S: 221",
    );
    let stories = talk.stories("nobody@");
    let [(_, story)] = &stories[..] else { panic!("{stories:?}") };
    assert_eq!(story.from, "spam@far.test");
    assert_eq!(story.to, ["nobody@office.test", "friend@elsewhere.test"]);
    let told: HashMap<&str, &str> =
        story.steps.iter().map(|s| (s.recipient.as_str(), s.text.as_str())).collect();
    assert_eq!(told["nobody@office.test"], "There is no such address here");
    assert!(told["friend@elsewhere.test"].contains("The domain is not ours"));
}

#[test]
fn ids_grow_even_when_the_clock_does_not() {
    let mut talk = box25();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let reply = send(&mut talk, "", &["bob@office.test"], LETTER);
        ids.push(reply.split(' ').nth(2).unwrap().to_string());
    }
    assert!(ids[0] < ids[1] && ids[1] < ids[2], "{ids:?}");
    // Taken by another way of arrival: the next free one is used, and nothing is overwritten.
    let next = MailId(MICROS + 3);
    let taken = talk.office().write(move |batch| {
        trace::put(batch, next, &Trace { subject: "another's".to_string(), ..Trace::default() })
    });
    assert_eq!(taken, Ok(()));
    let reply = send(&mut talk, "", &["bob@office.test"], LETTER);
    assert_eq!(reply, format!("250 2.0.0 {} delivered\r\n", MailId(MICROS + 4)));
    assert_eq!(talk.stories("another's").len(), 1);
    let text = talk.inbox(BOB).pop().unwrap();
    assert_eq!(text.matches("Received: ").count(), 1);
    assert!(text.contains(&format!("\tid {}\r\n", MailId(MICROS + 4))), "{text}");
    // After a start with the clock behind, ids still grow.
    let post = Post::new(talk.office().store.clone(), "mail.office.test".to_string()).unwrap();
    talk.machine.post = post;
    let reply = send(&mut talk, "", &["bob@office.test"], LETTER);
    assert!(reply.split(' ').nth(2).unwrap() > ids[2].as_str());
}

#[test]
fn errors_of_the_store_are_for_now() {
    for error in [StoreError::DiskFull, StoreError::Stopped, StoreError::Corrupt(String::new())] {
        let reply = crate::delivery::receive::refused(&error);
        assert!(reply.is_temporary(), "{error}: {reply}");
    }
}
