//! Sending with an address that a person has elsewhere.

use super::office::{ALICE, BOB};
use super::submit::desk;
use crate::delivery::submit::permit;
use crate::smtp::Permit;
use crate::store::{MailId, outbox, outside};
use crate::tests::store::outside::{add, at_gmail, word};
use crate::wire::address::Address;

const FAR: [&str; 1] = ["friend@far.test"];

fn letter(from: &str) -> String {
    format!("From: {from}\r\nTo: friend@far.test\r\nSubject: hi\r\n\r\ntext\r\n")
}

#[tokio::test]
async fn an_address_elsewhere_is_its_owners_alone_and_is_not_signed_here() {
    let desk = desk(20);
    add(&desk.office.store, ALICE, at_gmail("alice@gmail.com"), word("w")).expect("added");
    let read = desk.office.store.snapshot().expect("a snapshot");
    let may = |id, text: &str| permit(&read, id, &Address::parse(text).expect("an address"));
    assert_eq!(may(ALICE, "Alice@gmail.com"), Ok(Permit::Own));
    assert_eq!(may(BOB, "alice@gmail.com"), Ok(Permit::NotOwn), "of another person");
    assert_eq!(may(ALICE, "eve@gmail.com"), Ok(Permit::NotOwn), "of another at the provider");
    drop(read);
    let sent = desk.submit("alice@gmail.com", &FAR, &letter("alice@gmail.com")).await;
    assert!(sent.starts_with("250 "), "{sent}");
    // A mail program that says one thing in the envelope and another in From.
    let sent = desk.submit("alice@office.test", &FAR, &letter("alice@gmail.com")).await;
    assert!(sent.starts_with("250 "), "{sent}");
    let sent = desk.submit("alice@gmail.com", &FAR, &letter("alice@office.test")).await;
    assert!(sent.starts_with("250 "), "{sent}");
    let refused = desk.submit("alice@office.test", &FAR, &letter("eve@gmail.com")).await;
    assert!(refused.starts_with("550 5.7.1 "), "{refused}");
    let read = desk.office.store.snapshot().expect("a snapshot");
    let rows = outbox::list(&read, outbox::Place { due: 0, id: MailId(0) }, 9).expect("rows");
    let senders: Vec<&str> = rows.iter().map(|(_, row)| row.sender.as_str()).collect();
    assert_eq!(senders, ["alice@gmail.com", "alice@gmail.com", "alice@office.test"]);
    for (_, row) in &rows {
        let text = outbox::octets(&read, row, 0, row.octets()).expect("octets");
        let signed = String::from_utf8_lossy(&text).contains("DKIM-Signature");
        assert_eq!(signed, row.sender.ends_with("office.test"), "{row:?}");
    }
    assert!(!desk.office.folder.join("dkim/gmail.com").exists(), "no key of a domain of others");
}

#[tokio::test]
async fn without_a_way_out_by_the_provider_the_address_is_not_used() {
    let desk = desk(20);
    let row = crate::store::format::Outside { relay: None, ..at_gmail("alice@gmail.com") };
    let id = add(&desk.office.store, ALICE, row, word("w")).expect("added");
    let refused = desk.submit("alice@gmail.com", &FAR, &letter("alice@gmail.com")).await;
    assert!(refused.starts_with("550 5.7.1 "), "{refused}");
    desk.office
        .write(move |batch| {
            outside::change(batch, id, None, &mut |row| {
                row.relay.clone_from(&row.source);
                Ok(())
            })
        })
        .expect("changed");
    let sent = desk.submit("alice@gmail.com", &FAR, &letter("alice@gmail.com")).await;
    assert!(sent.starts_with("250 "), "{sent}");
}
