//! Accounts, domains, addresses, mailboxes.

use super::{ALICE, BOB, NOW, Office, letter};
use crate::store::address::{Found, find};
use crate::store::{
    AccountId, Batch, INBOX, Result, Store, StoreError, account, address, mail, mailbox,
};
use crate::wire::address::Address;

fn at(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

fn found(store: &Store, text: &str) -> Found {
    find(&store.snapshot().expect("a snapshot"), &at(text)).expect("a lookup")
}

fn leads(accounts: &[AccountId], via: &str) -> Found {
    Found::Accounts { accounts: accounts.to_vec(), outside: Vec::new(), via: via.to_string() }
}

#[test]
fn an_address_leads_where_the_owner_said() {
    let office = Office::new();
    let store = &office.store;
    assert_eq!(found(store, "Alice@OFFICE.test"), leads(&[ALICE], "alice@office.test"));
    assert_eq!(found(store, "alice+shop@office.test"), leads(&[ALICE], "alice@office.test"));
    assert_eq!(found(store, "nobody@office.test"), Found::UnknownLocal);
    assert_eq!(found(store, "alice@elsewhere.test"), Found::NotOurs);
    // RFC 5321 4.5.1: postmaster is somebody
    assert_eq!(found(store, "Postmaster@office.test"), leads(&[ALICE], "Postmaster@office.test"));

    let alias = |batch: &mut Batch| {
        address::set_alias(batch, &at("Sales@office.test"), &[BOB, ALICE, BOB], NOW)?;
        address::set_alias(batch, &at("postmaster@office.test"), &[BOB], NOW)?;
        address::set_catch_all(batch, "Office.Test", Some(BOB))
    };
    assert_eq!(office.write(alias), Ok(()));
    assert_eq!(found(store, "sales+x@office.test"), leads(&[BOB, ALICE], "Sales@office.test"));
    assert_eq!(found(store, "postmaster@office.test"), leads(&[BOB], "postmaster@office.test"));
    assert_eq!(found(store, "abuse@office.test"), leads(&[ALICE], "abuse@office.test"));
    assert_eq!(found(store, "whoever@office.test"), leads(&[BOB], "@office.test"));
}

#[test]
fn a_closed_account_is_to_the_world_as_if_it_were_gone() {
    let office = Office::new();
    let store = &office.store;
    let lead = |batch: &mut Batch| {
        address::set_alias(batch, &at("all@office.test"), &[ALICE, BOB], NOW)?;
        address::set_alias(batch, &at("own@office.test"), &[ALICE], NOW)?;
        address::set_postmaster(batch, "office.test", Some(ALICE))?;
        address::set_catch_all(batch, "office.test", Some(ALICE))
    };
    assert_eq!(office.write(lead), Ok(()));
    assert_eq!(office.write(|batch| account::close(batch, ALICE, 3, NOW)), Ok(()));
    for gone in ["alice@office.test", "alice+x@office.test", "own@office.test", "x@office.test"] {
        assert_eq!(found(store, gone), Found::UnknownLocal, "{gone}");
    }
    assert_eq!(found(store, "all@office.test"), leads(&[BOB], "all@office.test"));
    // Whoever answers for the domain is somebody who is there.
    assert_eq!(found(store, "postmaster@office.test"), leads(&[BOB], "postmaster@office.test"));
    // Its address is still its own.
    let again = |batch: &mut Batch| super::add_person(batch, "alice");
    assert_eq!(office.write(again), Err(StoreError::Exists("address")));
    assert_eq!(office.write(|batch| account::reopen(batch, ALICE)), Ok(()));
    assert_eq!(found(store, "alice@office.test"), leads(&[ALICE], "alice@office.test"));
    assert_eq!(found(store, "x@office.test"), leads(&[ALICE], "@office.test"));
    // With everybody closed somebody answers all the same.
    for id in [ALICE, BOB] {
        assert_eq!(office.write(move |batch| account::close(batch, id, 3, NOW)), Ok(()));
    }
    assert_eq!(found(store, "postmaster@office.test"), leads(&[ALICE], "postmaster@office.test"));
}

#[test]
fn addresses_that_cannot_be_are_refused_with_the_reason() {
    let office = Office::new();
    let over = |batch: &mut Batch| address::set_alias(batch, &at("bob@office.test"), &[ALICE], NOW);
    assert_eq!(office.write(over), Err(StoreError::Exists("account with this address")));
    let foreign = |batch: &mut Batch| address::set_alias(batch, &at("x@else.test"), &[ALICE], NOW);
    assert_eq!(office.write(foreign), Err(StoreError::NotFound("domain of ours")));
    let ghost =
        |batch: &mut Batch| address::set_alias(batch, &at("x@office.test"), &[AccountId(77)], NOW);
    assert_eq!(office.write(ghost), Err(StoreError::NotFound("account")));
    let own = |batch: &mut Batch| address::remove_alias(batch, &at("bob@office.test"));
    assert!(matches!(office.write(own), Err(StoreError::Invalid(_))));
    let used = |batch: &mut Batch| address::remove_domain(batch, "office.test");
    assert!(matches!(office.write(used), Err(StoreError::Invalid(_))));
    let again = |batch: &mut Batch| super::add_person(batch, "alice");
    assert_eq!(office.write(again), Err(StoreError::Exists("address")));
}

#[test]
fn a_new_account_has_its_mailboxes_subscribed() {
    let office = Office::new();
    let read = office.store.snapshot().expect("a snapshot");
    let all = mailbox::list(&read, ALICE).expect("a list");
    let names: Vec<&str> = all.iter().map(|mailbox| mailbox.name.name.as_str()).collect();
    assert_eq!(names, ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"]);
    assert_eq!(mailbox::subscriptions(&read, ALICE).expect("a list"), names);
    assert_eq!(all.first().map(|mailbox| mailbox.id), Some(INBOX));
    assert!(all.iter().all(|mailbox| mailbox.name.uidvalidity > 0));
    assert!(all.iter().all(|mailbox| mailbox.tail.highestmodseq == 1));
    let sent = mailbox::by_name(&read, ALICE, "Sent").expect("a lookup").expect("Sent");
    assert_eq!(sent.name.special_use, "\\Sent");
    let (id, row) = account::by_login(&read, "ALICE@office.test").expect("").expect("alice");
    assert_eq!((id, row.login.as_str()), (ALICE, "alice@office.test"));
    assert_eq!(account::by_login(&read, "alice").expect("a lookup"), None);
}

#[test]
fn a_deleted_account_leaves_nothing_and_its_id_is_not_given_again() {
    let office = Office::new();
    office.add(ALICE, "hers alone");
    office.add(ALICE, "both have this");
    office.add(BOB, "both have this");
    let alias = |batch: &mut Batch| {
        address::set_alias(batch, &at("team@office.test"), &[ALICE, BOB], NOW)?;
        address::set_alias(batch, &at("boss@office.test"), &[ALICE], NOW)?;
        address::set_catch_all(batch, "office.test", Some(ALICE))
    };
    assert_eq!(office.write(alias), Ok(()));
    assert_eq!(office.write(|batch| account::delete(batch, ALICE)), Ok(()));
    let store = &office.store;
    assert_eq!(found(store, "team@office.test"), leads(&[BOB], "team@office.test"));
    assert_eq!(found(store, "boss@office.test"), Found::UnknownLocal);
    assert_eq!(found(store, "alice@office.test"), Found::UnknownLocal);
    let again = office.write(|batch| super::add_person(batch, "alice"));
    assert_eq!(again, Ok(AccountId(3)));
    let read = store.snapshot().expect("a snapshot");
    let row = mail::row(&read, BOB, INBOX, 1).expect("a row").expect("the message");
    assert_eq!(mail::octets(&read, &row, 0, 100).expect("octets"), b"both have this");
}

#[test]
fn mailboxes_are_made_with_the_levels_above() {
    let office = Office::new();
    let make = |name: &'static str| {
        office.write(move |batch| mailbox::create(batch, ALICE, name, "", NOW).map(|new| new.id))
    };
    make("Projects/Büro/2026/").expect("a mailbox");
    assert_eq!(make("Projects/Büro"), Err(StoreError::Exists("mailbox")));
    assert_eq!(make("iNbOx"), Err(StoreError::Exists("mailbox")));
    make("inbox/Later").expect("a mailbox");
    for bad in ["", "/", "a//b", "/a", "a\u{7}b"] {
        assert!(matches!(make(bad), Err(StoreError::Invalid(_))), "{bad:?}");
    }
    let names = names(&office).expect("names");
    let made = ["INBOX", "INBOX/Later", "Archive", "Drafts", "Junk", "Projects", "Projects/Büro"];
    assert_eq!(names.get(..7).expect("seven"), made);
    let second = |batch: &mut Batch| mailbox::create(batch, ALICE, "More", "\\Sent", NOW).map(drop);
    assert_eq!(office.write(second), Err(StoreError::Exists("mailbox for this use")));
}

fn names(office: &Office) -> Result<Vec<String>> {
    let all = mailbox::names(&office.store.snapshot()?, ALICE)?;
    Ok(all.into_iter().map(|(_, row)| row.name).collect())
}

fn rename(office: &Office, from: &'static str, to: &'static str) -> Result<()> {
    office.write(move |batch| mailbox::rename(batch, ALICE, from, to, NOW + 5))
}

#[test]
fn renaming_moves_names_and_no_message() {
    let office = Office::new();
    let make = |batch: &mut Batch| {
        mailbox::create(batch, ALICE, "a/b/c", "", NOW)?;
        mailbox::create(batch, ALICE, "ab", "", NOW).map(drop)
    };
    assert_eq!(office.write(make), Ok(()));
    let look = |name: &str| {
        mailbox::by_name(&office.store.snapshot().expect("a snapshot"), ALICE, name).expect("read")
    };
    let before = look("a/b").expect("a/b");
    office.append(ALICE, before.id, letter("stays")).expect("an append");
    assert_eq!(rename(&office, "a", "x/y"), Ok(()));
    let after = look("x/y/b").expect("x/y/b");
    assert_eq!((after.id, after.name.uidvalidity), (before.id, before.name.uidvalidity));
    assert_eq!(after.tail.messages, 1);
    assert!(look("a").is_none() && look("a/b/c").is_none());
    assert!(look("ab").is_some() && look("x").is_some());
    assert!(matches!(rename(&office, "x", "x/z"), Err(StoreError::Invalid(_))));
    assert_eq!(rename(&office, "nope", "z"), Err(StoreError::NotFound("mailbox")));
    assert_eq!(rename(&office, "x", "Sent"), Err(StoreError::Exists("mailbox")));
}

#[test]
fn renaming_inbox_moves_its_messages_and_inbox_stays() {
    let office = Office::new();
    office.add(ALICE, "one");
    office.add(ALICE, "two");
    assert_eq!(rename(&office, "INBOX", "Old/Mail"), Ok(()));
    let read = office.store.snapshot().expect("a snapshot");
    let inbox = mailbox::by_name(&read, ALICE, "inbox").expect("read").expect("INBOX");
    assert_eq!((inbox.tail.messages, inbox.tail.uidnext), (0, 3));
    let old = mailbox::by_name(&read, ALICE, "Old/Mail").expect("read").expect("the new one");
    assert_eq!((old.tail.messages, old.tail.octets), (2, 6));
}

#[test]
fn a_deleted_mailbox_takes_its_messages_and_leaves_its_children() {
    let office = Office::new();
    let make = |batch: &mut Batch| mailbox::create(batch, ALICE, "p/q", "", NOW).map(drop);
    assert_eq!(office.write(make), Ok(()));
    let read = office.store.snapshot().expect("a snapshot");
    let parent = mailbox::by_name(&read, ALICE, "p").expect("read").expect("p");
    drop(read);
    office.append(ALICE, parent.id, letter("gone soon")).expect("an append");
    let watch = office.store.hub().watch(ALICE, parent.id);
    assert_eq!(office.write(|batch| mailbox::delete(batch, ALICE, "p")), Ok(()));
    assert!(watch.has_any());
    let read = office.store.snapshot().expect("a snapshot");
    assert_eq!(account::usage(&read, ALICE), Ok((0, 0)));
    assert!(mailbox::by_name(&read, ALICE, "p/q").expect("read").is_some());
    drop(read);
    let inbox = office.write(|batch| mailbox::delete(batch, ALICE, "Inbox"));
    assert!(matches!(inbox, Err(StoreError::Invalid(_))));
    // Made again, the name has another UIDVALIDITY and id.
    let again = office.write(|batch| mailbox::create(batch, ALICE, "p", "", NOW)).expect("p");
    assert!(again.name.uidvalidity > parent.name.uidvalidity && again.id > parent.id);
}
