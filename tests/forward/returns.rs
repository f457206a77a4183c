//! Return addresses (SRS): they lead back, for reports alone, for a time, and for nobody who
//! makes one up.

use super::{Town, at, carry};
use crate::delivery::remote::Outcome;
use crate::delivery::srs::{Back, NoWayBack, Srs, is_return};
use crate::limits::{SRS_DAYS, SRS_RETURNED_PER_DAY};
use crate::serve::receive::Knocks;
use crate::smtp::Destination;
use crate::store::MailId;
use crate::tests::store::NOW;
use crate::wire::address::Address;
use crate::wire::smtp::Reply;
use std::sync::atomic::Ordering;

const TEXT: &str = "From: eve@far.test\r\nSubject: offer\r\n\r\nx\r\n";
const DAY: i64 = 86_400;

/// A town that has passed a message of this sender on, and the return address it left with.
async fn passed(sender: &str) -> (Town, String) {
    let town = Town::new("a.test");
    town.lead("sales@a.test", &[], &["partner@b.test"]).expect("sales");
    assert!(town.send(sender, &["sales@a.test"], TEXT).await.is_positive());
    let (place, row, _) = town.outbox().remove(0);
    town.record(place, 0, Outcome::Delivered { reply: Reply::new(250, 0, 0, "taken") });
    (town, row.sender)
}

#[tokio::test]
async fn a_report_of_another_server_goes_back_to_the_sender_in_whatever_case() {
    let long = "bounces+1234567-0123-sales=a.test@mail.of.a.large.sender.of.newsletters.test";
    for sender in ["Eve.O'Neil@far.test", long, "\"e v e\"@far.test", "eve=x=y@far.test"] {
        let (town, back) = passed(sender).await;
        for back in [back.clone(), back.to_uppercase(), back.to_lowercase()] {
            assert_eq!(town.rcpt("", &back), Destination::Returned, "{back}");
            let report = "From: postmaster@b.test\r\nSubject: no\r\n\r\nno such person\r\n";
            let reply = town.send("", &[&back], report).await;
            assert!(reply.is_positive(), "{back}: {reply}");
            let gone = carry(&[&town]).await;
            let [(from, to, text)] = gone.as_slice() else { panic!("{gone:?}") };
            assert_eq!(from, "");
            assert!(to.eq_ignore_ascii_case(sender), "{to} {sender}");
            assert!(text.ends_with(report), "{text}");
        }
    }
}

#[tokio::test]
async fn it_is_no_way_out_for_anything_else() {
    let (town, back) = passed("eve@far.test").await;
    assert_eq!(town.rcpt("x@far.test", &back), Destination::OnlyReports);
    let (local, _) = back.split_once('@').expect("an address");
    let hash = local.get(5..11).expect("a hash");
    let other = if hash.starts_with('a') { "b" } else { "a" };
    for forged in [
        back.replace("=eve@", "=bob@"),
        back.replace("=far.test=", "=bank.test="),
        back.replacen(hash, &format!("{other}{}", &hash[1..]), 1),
        back.replacen(hash, "", 1),
        "SRS0=x@a.test".to_string(),
        "SRS1=x==y@a.test".to_string(),
        "SRSM=aaaaaa=aa=1@a.test".to_string(),
    ] {
        assert_eq!(town.rcpt("", &forged), Destination::NoWayBack, "{forged}");
    }
    assert_eq!(town.rcpt("", &back.replace("@a.test", "@far.test")), Destination::NotOurs);
    town.clock.fetch_add(SRS_DAYS as i64 * DAY, Ordering::SeqCst);
    assert_eq!(town.rcpt("", &back), Destination::Returned, "at the last day");
    town.clock.fetch_add(DAY, Ordering::SeqCst);
    assert_eq!(town.rcpt("", &back), Destination::NoWayBack, "expired");
}

#[tokio::test]
async fn what_our_own_outbox_could_not_deliver_is_told_to_the_sender_at_once() {
    let town = Town::new("a.test");
    town.lead("sales@a.test", &[], &["partner@b.test"]).expect("sales");
    assert!(town.send("eve@far.test", &["sales@a.test"], TEXT).await.is_positive());
    let (place, ..) = town.outbox().remove(0);
    let reply = Some(Reply::new(550, 1, 1, "no such person"));
    town.record(place, 0, Outcome::Failed { reply, why: "It was refused.".to_string() });
    let gone = carry(&[&town]).await;
    let [(from, to, report)] = gone.as_slice() else { panic!("{gone:?}") };
    assert_eq!((from.as_str(), to.as_str()), ("", "eve@far.test"));
    assert!(report.contains("Original-Recipient: rfc822; sales@a.test\r\n"), "{report}");
}

#[tokio::test]
async fn a_report_finds_its_way_back_over_three_forwarders() {
    let (a, b, c) = (Town::new("a.test"), Town::new("b.test"), Town::new("c.test"));
    a.lead("x@a.test", &[], &["x@b.test"]).expect("a");
    b.lead("x@b.test", &[], &["x@c.test"]).expect("b");
    c.lead("x@c.test", &[], &["x@end.test"]).expect("c");
    assert!(a.send("eve@far.test", &["x@a.test"], TEXT).await.is_positive());
    let gone = carry(&[&a, &b, &c]).await;
    let [(from, to, _)] = gone.as_slice() else { panic!("{gone:?}") };
    assert_eq!(to, "x@end.test");
    assert!(from.starts_with("SRS1=") && from.ends_with("@c.test"), "{from}");
    assert!(from.contains("=a.test=="), "straight back to the first: {from}");
    let report = "Subject: no\r\n\r\nno such person\r\n";
    assert!(c.send("", &[from], report).await.is_positive());
    let gone = carry(&[&a, &b, &c]).await;
    let told: Vec<_> = gone.iter().map(|(from, to, _)| (from.as_str(), to.as_str())).collect();
    assert_eq!(told, [("", "eve@far.test")]);
}

#[tokio::test]
async fn a_report_to_a_sender_of_ours_comes_into_the_mailbox() {
    let town = Town::new("a.test");
    let alice = town.person("alice@a.test", 0);
    town.lead("sales@a.test", &[], &["partner@b.test"]).expect("sales");
    // A list sends for her: the envelope is hers, the From is not.
    assert!(town.send("alice@a.test", &["sales@a.test"], TEXT).await.is_positive());
    let back = town.outbox().remove(0).1.sender;
    assert!(is_return(&at(&back)), "{back}");
    assert!(town.send("", &[&back], "Subject: no\r\n\r\nx\r\n").await.is_positive());
    assert_eq!(town.inbox(alice).len(), 1);
}

#[test]
fn an_address_that_the_owner_made_is_what_the_owner_says() {
    let town = Town::new("a.test");
    let alice = town.person("alice@a.test", 0);
    town.lead("srs0=project@a.test", &[alice], &[]).expect("an alias");
    assert_eq!(town.rcpt("x@far.test", "SRS0=project@a.test"), Destination::Ours);
    let all = move |batch: &mut crate::store::Batch| {
        crate::store::address::set_catch_all(batch, "a.test", Some(alice))
    };
    town.write(all).expect("a catch-all");
    assert_eq!(town.rcpt("x@far.test", "whoever@a.test"), Destination::Ours);
    assert_eq!(town.rcpt("x@far.test", "SRS0=x=y=z@a.test"), Destination::OnlyReports);
}

#[test]
fn another_key_makes_other_addresses_and_marks() {
    let (one, other) = (Srs::of(b"one secret"), Srs::of(b"another secret"));
    let id = MailId(0x6443c7c0b1d80);
    let wrapped = one.wrap(&at("eve@far.test"), "a.test", id, NOW).expect("an address");
    assert_eq!(one.unwrap(&wrapped, NOW), Ok(Back::To(at("eve@far.test"))));
    assert_eq!(other.unwrap(&wrapped, NOW), Err(NoWayBack::Forged));
    assert_eq!(one.mark("Sales@a.test"), one.mark("sales@a.test"));
    assert_ne!(one.mark("sales@a.test"), other.mark("sales@a.test"));
    let long = at(&format!("{}@far.test", "x".repeat(60)));
    let wrapped = one.wrap(&long, "a.test", id, NOW).expect("an address");
    assert!(wrapped.local().len() <= 64);
    assert_eq!(one.unwrap(&wrapped, NOW), Ok(Back::SenderOf(id)));
    // A day of the future is none.
    assert_eq!(one.unwrap(&wrapped, NOW - 2 * DAY), Err(NoWayBack::Expired));
}

#[test]
fn reports_go_back_up_to_the_limit_of_the_day() {
    let mut knocks = Knocks::default();
    assert!((0..SRS_RETURNED_PER_DAY).all(|_| knocks.may_return(1)));
    assert!(!knocks.may_return(2));
    assert!(knocks.may_return(24 * 60), "another day");
}

proptest::proptest! {
    /// What was not made here is not believed, and breaks nothing.
    #[test]
    fn made_up_return_addresses_lead_nowhere(
        tag in "[sS][rR][sS][01mM]",
        rest in "[=+-]?[a-z2-7A-Z=+.é]{0,50}",
    ) {
        let Ok(address) = Address::new(&format!("{tag}{rest}"), "a.test") else { return Ok(()) };
        if is_return(&address) {
            proptest::prop_assert!(Srs::of(b"secret").unwrap(&address, NOW).is_err());
        }
    }

    /// Whoever sends, the way leads back, in any case of letters.
    #[test]
    fn every_sender_is_found_again(local in "[ -~]{1,64}", domain in "[a-z]{1,20}[.][a-z]{2,9}") {
        let Ok(sender) = Address::new(&local, &domain) else { return Ok(()) };
        let (srs, id) = (Srs::of(b"secret"), MailId(0x6443c7c0b1d80));
        let back = srs.wrap(&sender, "a.test", id, NOW).expect("an address");
        proptest::prop_assert!(is_return(&back) && back.to_string().starts_with("SRS"));
        let loud = Address::new(&back.local().to_ascii_uppercase(), "a.test").expect("an address");
        for back in [back, loud] {
            match srs.unwrap(&back, NOW) {
                Ok(Back::To(found)) => proptest::prop_assert!(
                    found.to_string().eq_ignore_ascii_case(&sender.to_string())
                ),
                Ok(Back::SenderOf(found)) => proptest::prop_assert_eq!(found, id),
                Err(why) => proptest::prop_assert!(false, "{:?}: {:?}", sender, why),
            }
        }
    }
}
