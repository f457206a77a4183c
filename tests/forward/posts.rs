//! Postmaster and abuse are somebody in every domain, and are never turned away.

use super::{Town, at};
use crate::smtp::Destination;
use crate::store::address::{self, Found};
use crate::store::{AccountId, account};

fn leads(town: &Town, to: &str) -> Vec<AccountId> {
    let read = town.store.snapshot().expect("a snapshot");
    match address::find(&read, &at(to)).expect("a lookup") {
        Found::Accounts { accounts, .. } => accounts,
        other => panic!("{to}: {other:?}"),
    }
}

#[test]
fn they_lead_to_whom_the_owner_named_or_to_the_oldest_of_the_domain_or_of_the_box() {
    let town = Town::new("a.test");
    let alice = town.person("alice@a.test", 0);
    town.write(|batch| address::add_domain(batch, "b.test", 1)).expect("a domain");
    assert_eq!(leads(&town, "postmaster@b.test"), [alice], "the oldest of the box");
    let (carol, dave) = (town.person("carol@b.test", 0), town.person("dave@b.test", 0));
    for who in ["postmaster", "Abuse", "POSTMASTER+list"] {
        assert_eq!(leads(&town, &format!("{who}@b.test")), [carol], "the oldest of the domain");
        assert_eq!(leads(&town, &format!("{who}@a.test")), [alice]);
    }
    let set = move |batch: &mut crate::store::Batch| {
        address::set_catch_all(batch, "b.test", Some(alice))?;
        address::set_postmaster(batch, "b.test", Some(dave))
    };
    town.write(set).expect("named");
    assert_eq!(leads(&town, "abuse@b.test"), [dave], "whom the owner named, not the catch-all");
    assert_eq!(leads(&town, "abuses@b.test"), [alice], "the catch-all");
    town.lead("abuse@b.test", &[carol], &[]).expect("an address of its own");
    assert_eq!(
        (leads(&town, "abuse@b.test"), leads(&town, "postmaster@b.test")),
        (vec![carol], vec![dave])
    );
    town.write(move |batch| account::delete(batch, dave)).expect("deleted");
    assert_eq!(leads(&town, "postmaster@b.test"), [carol]);
    town.sound();
}

#[tokio::test]
async fn a_full_mailbox_does_not_close_their_way() {
    let town = Town::new("a.test");
    let alice = town.person("alice@a.test", 10);
    let text = "Subject: your server\r\n\r\nsends junk\r\n";
    for round in 1..4 {
        for to in ["postmaster", "Postmaster@a.test", "abuse@a.test"] {
            assert_eq!(town.rcpt("x@far.test", to), Destination::Ours, "{to}");
            let reply = town.send("x@far.test", &[to], text).await;
            assert!(reply.is_positive(), "{to}: {reply}");
        }
        assert_eq!(town.inbox(alice).len(), 3 * round);
        assert_eq!(town.rcpt("x@far.test", "alice@a.test"), Destination::OverQuota);
    }
    assert_eq!(town.rcpt("x@far.test", "postmaster@far.test"), Destination::NotOurs);
}
