//! What the sender is told, and when nobody is.

use super::stage::{Stage, new, notify, refused, took};
use crate::delivery::dsn::{Action, Report, Told, print};
use crate::message::structure;
use crate::store::mail::Prepared;
use crate::tests::store::ALICE;
use crate::wire::address::Address;
use crate::wire::smtp::{OriginalRecipient, Ret};
use std::sync::Arc;

fn no_such_user() -> Box<super::stage::Script> {
    Box::new(|_, _| refused(550, (1, 1), "No such user"))
}

/// A report as one string without line ends, for words that may be folded.
fn flat(report: &str) -> String {
    report.replace("\r\n ", " ").replace("\r\n", "\n")
}

#[test]
fn a_failure_comes_back_readable() {
    let stage = Stage::new();
    let mut outgoing = new(&["Nobody@b.test"], stage.now());
    outgoing.envid = Some(b"QQ+1".to_vec());
    outgoing.recipients[0].orcpt =
        Some(OriginalRecipient { kind: "rfc822".into(), address: b"Old@b.test".to_vec() });
    let id = stage.put_new(outgoing);
    stage.work(1, no_such_user());
    let inbox = stage.inbox(ALICE);
    let report = flat(&inbox[0]);
    for line in [
        "Return-Path: <>",
        "From: Mail server <postmaster@office.test>",
        "To: <alice@office.test>",
        "Subject: Not delivered: Offer",
        "In-Reply-To: <1@office.test>",
        "Auto-Submitted: auto-replied",
        "Original-Envelope-Id: QQ+1",
        "Reporting-MTA: dns; mail.office.test",
        "Original-Recipient: rfc822; Old@b.test",
        "Final-Recipient: rfc822; Nobody@b.test",
        "Action: failed",
        "Status: 5.1.1",
        "Remote-MTA: dns; mx.b.test",
        "Diagnostic-Code: smtp; 550 5.1.1 No such user",
        "Content-Type: message/rfc822",
        "Dear all,",
    ] {
        assert!(report.contains(&format!("\n{line}\n")) || report.starts_with(line), "{line}");
    }
    assert!(report.contains("mx.b.test [127.0.0.9] said: 550 5.1.1 No such user"), "{report}");
    let facts = structure::read(inbox[0].as_bytes());
    let root = facts.structure.expect("a structure");
    assert_eq!(root.parts.len(), 3, "three parts of a report");
    let told: Vec<_> = stage.story(id).into_iter().map(|step| step.what).collect();
    assert_eq!(told, ["accepted", "failed", "reported"]);
    assert_eq!(stage.rows(), []);
}

#[test]
fn ret_and_size_decide_what_comes_back() {
    let stage = Stage::new();
    let mut headers = new(&["x@b.test"], stage.now());
    headers.ret = Some(Ret::Headers);
    stage.put_new(headers);
    let mut large = new(&["x@b.test"], stage.now());
    let text = format!("{}{}", super::stage::MESSAGE, "A long line of text.\r\n".repeat(5_000));
    large.body = Arc::new(Prepared::new(text.as_bytes()));
    large.ret = Some(Ret::Full);
    stage.put_new(large);
    stage.work(2, no_such_user());
    let inbox = stage.inbox(ALICE);
    assert_eq!(inbox.len(), 2);
    for report in inbox {
        assert!(report.contains("Content-Type: text/rfc822-headers"));
        assert!(report.contains("Subject: Offer\r\n") && !report.contains("Dear all"));
        assert!(report.len() < 4_000);
    }
}

#[test]
fn notify_is_honoured() {
    for (words, failed, delayed, success) in [
        ("never", 0, 0, 0),
        ("failure", 1, 0, 0),
        ("delay", 0, 1, 0),
        ("success", 0, 0, 1),
        ("success failure delay", 1, 1, 1),
    ] {
        let stage = Stage::new();
        let put = || {
            let mut outgoing = new(&["x@b.test"], stage.now());
            outgoing.recipients[0].notify = notify(words);
            stage.put_new(outgoing)
        };
        put();
        stage.work(1, no_such_user());
        let id = put();
        stage.pass(5 * 3600);
        stage.work(1, Box::new(|_, _| refused(451, (3, 0), "Later")));
        let recipient = stage.row(id).unwrap().recipients[0].clone();
        assert!(recipient.warned);
        stage.pass(recipient.next - stage.now());
        stage.work(1, Box::new(|_, _| took()));
        put();
        // A server that reports by itself takes the duty over.
        stage.work_as(1, true, Box::new(|_, _| took()));
        let inbox = stage.inbox(ALICE).concat();
        let count = |action: &str| inbox.matches(&format!("Action: {action}\r\n")).count();
        let counts = (count("failed"), count("delayed"), count("relayed"));
        assert_eq!(counts, (failed, delayed, success), "NOTIFY={words}");
    }
}

#[test]
fn a_report_is_never_answered_by_a_report() {
    let stage = Stage::new();
    let mut outgoing = new(&["x@b.test"], stage.now());
    outgoing.sender = None;
    let id = stage.put_new(outgoing);
    stage.work(1, no_such_user());
    assert_eq!(stage.rows(), []);
    assert_eq!(stage.story(id).last().unwrap().what, "failed");
    assert!(stage.inbox(ALICE).is_empty());
}

#[test]
fn a_sender_elsewhere_is_told_by_mail() {
    let stage = Stage::new();
    let mut outgoing = new(&["x@b.test"], stage.now());
    outgoing.sender = Some(Address::parse("carol@c.test").unwrap());
    stage.put_new(outgoing);
    stage.work(
        2,
        Box::new(|job, _| match job.domain.as_str() {
            "b.test" => refused(550, (1, 1), "No such user"),
            _ => took(),
        }),
    );
    assert_eq!(stage.rows(), []);
    let jobs = stage.jobs.lock().unwrap();
    assert_eq!((jobs[1].domain.as_str(), &jobs[1].from), ("c.test", &None));
    let text = String::from_utf8(jobs[1].message.to_vec()).unwrap();
    assert!(text.contains("From: Mail server <postmaster@office.test>"), "{text}");
    assert!(text.contains("Action: failed"));
}

#[test]
fn a_sender_who_is_gone_is_not_told() {
    let stage = Stage::new();
    let mut outgoing = new(&["x@b.test"], stage.now());
    outgoing.sender = Some(Address::parse("gone@office.test").unwrap());
    let id = stage.put_new(outgoing);
    stage.work(1, no_such_user());
    assert_eq!(stage.rows(), []);
    assert!(stage.story(id).last().unwrap().text.contains("no longer known"));
}

#[test]
fn words_of_others_break_no_line() {
    let told = Told {
        address: "ü@b.test".into(),
        orcpt: None,
        why: "a\r\nAction: delivered".into(),
        reply: format!("550 x\r\n\r\nevil: {} ü", "long ".repeat(500)),
        server: "mx\r\nX: y".into(),
        status: "5.0.0".into(),
    };
    let original = "Subject: =?utf-8?Q?=C3=BCber?= alles\r\nMessage-ID: <a b>\r\n\r\nx";
    let report = print(&Report {
        action: Action::Failed,
        host: "mail.office.test",
        domain: "office.test",
        to: "alice@office.test",
        envid: Some(b"a\r\nb\xff"),
        arrived: 0,
        now: 1,
        unique: "1.2".into(),
        told: &[told],
        original: original.as_bytes(),
        whole: true,
    });
    let text = String::from_utf8(report).unwrap();
    assert_eq!(text.matches("\nAction: ").count(), 1, "{text}");
    assert!(!text.contains("\nevil") && !text.contains("\nX:"));
    assert!(!text.contains("In-Reply-To"), "a Message-ID that is none");
    assert!(text.contains("Original-Envelope-Id: a??b?\r\n"));
    assert!(text.contains("message/global-delivery-status"));
    assert!(text.contains("Final-Recipient: utf-8; ü@b.test"));
    assert!(text.contains("Subject: Not delivered:\r\n =?utf-8?B?"));
    assert!(text.lines().all(|line| line.len() < 998 || line.starts_with("    mx")));
    assert_eq!(structure::read(text.as_bytes()).structure.expect("a structure").parts.len(), 3);
}
