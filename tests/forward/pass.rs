//! Mail that is passed on: with whose name, with what on top, and when it is not.

use super::{Town, carry};
use crate::limits::PASSED_PER_DAY;
use crate::store::account;
use crate::wire::smtp::Notify;

const TEXT: &str = "DKIM-Signature: v=1; a=rsa-sha256; d=far.test; b=abc\r\n\
    From: Eve <eve@far.test>\r\nSubject: offer\r\n\r\n signed to the last  space \r\n";

#[tokio::test]
async fn copies_here_and_the_way_out_are_one_commit_and_nothing_signed_is_touched() {
    let town = Town::new("a.test");
    let carol = town.person("carol@a.test", 0);
    town.lead("sales@a.test", &[carol], &["partner@b.test", "other@c.test"]).expect("sales");
    let asked = Some(Notify { success: true, failure: true, delay: false });
    let to = ["sales@a.test", "carol@a.test"];
    let reply = town.send_asking("eve@far.test", &to, asked, TEXT).await;
    assert!(reply.is_positive(), "{reply}");
    assert_eq!(town.inbox(carol).len(), 1);
    let outbox = town.outbox();
    let [(_, row, text)] = outbox.as_slice() else { panic!("{outbox:?}") };
    assert!(row.sender.starts_with("SRS0=") && row.sender.ends_with("@a.test"), "{}", row.sender);
    assert!(row.sender.contains("=far.test=eve@"), "{}", row.sender);
    assert_eq!(row.report_to.as_deref(), Some("eve@far.test"));
    assert!(text.ends_with(TEXT), "{text}");
    assert!(text.starts_with("X-Loop: ") && text.contains("\r\nReceived: from mx.far.test"));
    let to: Vec<_> = row.recipients.iter().map(|it| (it.address.as_str(), it.notify())).collect();
    let kept = Some(Notify { success: false, failure: true, delay: false });
    assert_eq!(to, [("partner@b.test", kept), ("other@c.test", kept)]);
    for recipient in &row.recipients {
        let said = recipient.orcpt().expect("the address that the sender knows");
        assert_eq!((said.kind.as_str(), said.address.as_slice()), ("rfc822", &b"sales@a.test"[..]));
    }
    assert!(!town.inbox(carol)[0].contains("X-Loop"), "{:?}", town.inbox(carol));
    let told = ["connected", "delivered", "passed-on", "passed-on", "accepted"];
    assert_eq!(town.steps("eve@far.test"), told);
    town.sound();
}

#[tokio::test]
async fn a_report_stays_from_nobody_and_a_full_mailbox_stops_nothing_that_leads_on() {
    let town = Town::new("a.test");
    let carol = town.person("carol@a.test", 1);
    town.lead("sales@a.test", &[carol], &["partner@b.test"]).expect("sales");
    let reply = town.send("", &["sales@a.test"], "Subject: report\r\n\r\nx\r\n").await;
    assert!(reply.is_positive(), "{reply}");
    assert_eq!(town.leaving(), [["", "partner@b.test"]]);
    assert_eq!(town.outbox()[0].1.told(), None, "a report is answered by nobody");
    assert_eq!(town.inbox(carol).len(), 1);
}

#[tokio::test]
async fn what_claims_to_be_ours_and_came_without_log_in_is_not_passed_on() {
    let town = Town::new("a.test");
    let carol = town.person("carol@a.test", 0);
    town.lead("out@a.test", &[], &["partner@b.test"]).expect("out");
    town.lead("both@a.test", &[carol], &["partner@b.test"]).expect("both");
    let forged = "From: \"The Boss\" <boss@A.test>\r\nSubject: pay\r\n\r\nnow\r\n";
    let reply = town.send("eve@far.test", &["out@a.test"], forged).await;
    assert_eq!(reply.code, 550, "{reply}");
    assert!(reply.to_string().contains("without log-in"), "{reply}");
    assert!(town.inbox(carol).is_empty());
    let reply = town.send("eve@far.test", &["both@a.test"], forged).await;
    assert!(reply.is_positive(), "{reply}");
    assert_eq!(town.inbox(carol).len(), 1, "kept for the one here");
    assert_eq!(town.steps("boss"), Vec::<String>::new());
    assert!(town.steps("both@a.test").contains(&"kept".to_string()));
    assert!(town.leaving().is_empty());
}

#[tokio::test]
async fn what_nobody_would_have_is_kept_by_the_postmaster_when_others_took_the_message() {
    let town = Town::new("a.test");
    let (alice, bob) = (town.person("alice@a.test", 0), town.person("bob@a.test", 0));
    town.lead("out@a.test", &[], &["partner@b.test"]).expect("out");
    let forged = "From: boss@a.test\r\n\r\nnow\r\n";
    let reply = town.send("eve@far.test", &["out@a.test", "bob@a.test"], forged).await;
    assert!(reply.is_positive(), "{reply}");
    assert_eq!((town.inbox(alice).len(), town.inbox(bob).len()), (1, 1));
    assert!(town.inbox(alice)[0].contains("Delivered-To: out@a.test\r\n"));
    assert!(town.leaving().is_empty());
}

#[tokio::test]
async fn where_there_is_no_postmaster_all_are_refused_what_one_may_not_have() {
    let town = Town::new("a.test");
    town.lead("out@a.test", &[], &["partner@b.test"]).expect("out");
    assert!(town.send("eve@far.test", &["out@a.test"], TEXT).await.is_positive());
    let looped = town.outbox().remove(0).2;
    town.lead("other@a.test", &[], &["friend@b.test"]).expect("other");
    let reply = town.send("eve@far.test", &["out@a.test", "other@a.test"], &looped).await;
    assert_eq!(reply.to_string().get(..9), Some("554 5.4.6"), "{reply}");
    assert_eq!(town.leaving().len(), 1, "only the first");
}

#[tokio::test]
async fn a_flood_is_passed_on_up_to_the_limit_of_the_day() {
    let town = Town::new("a.test");
    let half: Vec<String> = (0..PASSED_PER_DAY / 2).map(|n| format!("p{n}@b.test")).collect();
    let half: Vec<&str> = half.iter().map(String::as_str).collect();
    town.lead("list@a.test", &[], &half).expect("a list");
    for round in 0..2 {
        let reply = town.send("eve@far.test", &["list@a.test"], TEXT).await;
        assert!(reply.is_positive(), "{round}: {reply}");
    }
    let reply = town.send("eve@far.test", &["list@a.test"], TEXT).await;
    assert_eq!(reply.to_string().get(..9), Some("452 4.7.1"), "{reply}");
    town.clock.fetch_add(86_400, std::sync::atomic::Ordering::SeqCst);
    assert!(town.send("eve@far.test", &["list@a.test"], TEXT).await.is_positive(), "a new day");
    assert_eq!(town.outbox().len(), 3);
    town.sound();
}

#[tokio::test]
async fn two_boxes_that_lead_to_each_other_come_to_rest_and_the_sender_hears_of_it() {
    let (a, b) = (Town::new("a.test"), Town::new("b.test"));
    let alice = a.person("alice@a.test", 0);
    a.lead("sales@a.test", &[alice], &["info@b.test"]).expect("a");
    b.lead("info@b.test", &[], &["sales@a.test"]).expect("b");
    assert!(a.send("eve@far.test", &["sales@a.test"], TEXT).await.is_positive());
    let gone = carry(&[&a, &b]).await;
    // It came back once, was kept for alice, and went no further.
    assert_eq!((a.inbox(alice).len(), gone.len()), (2, 0), "{gone:?}");

    // Where nobody would keep it, the sender is told that it goes in a circle.
    a.lead("sales@a.test", &[], &["info@b.test"]).expect("a");
    assert!(a.send("eve@far.test", &["sales@a.test"], TEXT).await.is_positive());
    let gone = carry(&[&a, &b]).await;
    let [(from, to, report)] = gone.as_slice() else { panic!("{gone:?}") };
    assert_eq!((from.as_str(), to.as_str()), ("", "eve@far.test"));
    assert!(report.contains("554 5.4.6") && report.contains("Action: failed"), "{report}");
}

#[tokio::test]
async fn a_circle_over_two_addresses_of_one_box_ends_as_well() {
    let (a, b) = (Town::new("a.test"), Town::new("b.test"));
    a.lead("one@a.test", &[], &["x@b.test"]).expect("one");
    a.lead("two@a.test", &[], &["y@b.test"]).expect("two");
    b.lead("x@b.test", &[], &["two@a.test"]).expect("x");
    b.lead("y@b.test", &[], &["one@a.test"]).expect("y");
    assert!(a.send("eve@far.test", &["one@a.test"], TEXT).await.is_positive());
    let gone = carry(&[&a, &b]).await;
    let told: Vec<_> = gone.iter().map(|(from, to, _)| (from.as_str(), to.as_str())).collect();
    assert_eq!(told, [("", "eve@far.test")]);
    let read = a.store.snapshot().expect("a snapshot");
    assert!(account::list(&read).expect("none").is_empty());
}
