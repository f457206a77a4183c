//! Commands on more messages than one write takes: each write is bounded, so that those of others
//! come between, and the client hears the same as ever.

use super::runner::{Client, NOW, World};
use crate::limits::{KEYWORDS_PER_MAILBOX, MESSAGES_PER_WRITE};
use crate::store::change::{Taken, Watch, What};
use crate::store::mail::{self, FlagChange, FlagSet, Flags, NewMail, Prepared};
use crate::store::{Batch, MailboxId, account, mailbox, verify};
use std::sync::Arc;

const MESSAGES: usize = 2 * MESSAGES_PER_WRITE + 200;

/// A mailbox Big, one message of which has a keyword.
fn world() -> (World, MailboxId) {
    let world = World::new();
    let alice = world.alice;
    let id = world.store.write_blocking(move |batch| {
        let big = mailbox::create(batch, alice, "Big", "", NOW)?;
        mailbox::create(batch, alice, "Target", "", NOW)?;
        for number in 0..MESSAGES {
            let raw = format!("Subject: {number}\r\n\r\nbody of {number}\r\n");
            let keywords = if number == 700 { vec!["special".to_string()] } else { Vec::new() };
            let new = NewMail {
                body: Arc::new(Prepared::new(raw.as_bytes())),
                prefix: Vec::new(),
                flags: FlagSet { flags: Flags::default(), keywords },
                internal_date: NOW,
                internal_zone_minutes: 0,
                save_date: NOW,
            };
            let id = mail::next_id(batch, 1)?;
            mail::append(batch, alice, big.id, &new, id)?;
        }
        Ok(big.id)
    });
    (world, id.expect("a big mailbox"))
}

/// How many messages each change took away, and whether the mailbox went.
fn expunges(watch: &Watch) -> (Vec<usize>, bool) {
    let Taken::Changes(changes) = watch.take() else { panic!("too many changes") };
    let gone = |change: &What| match change {
        What::Expunged(uids) => Some(uids.len()),
        _ => None,
    };
    let deleted = changes.iter().any(|change| change.what == What::Deleted);
    (changes.iter().filter_map(|change| gone(&change.what)).collect(), deleted)
}

fn is_sliced(watch: &Watch, messages: usize) -> bool {
    let (gone, deleted) = expunges(watch);
    assert!(gone.iter().all(|&count| count <= MESSAGES_PER_WRITE), "{gone:?}");
    assert_eq!(gone.iter().sum::<usize>(), messages);
    deleted
}

fn count(world: &World, name: &str) -> u32 {
    let read = world.store.snapshot().expect("a snapshot");
    let found = mailbox::by_name(&read, world.alice, name).expect("readable");
    found.map_or(0, |mailbox| mailbox.tail.messages)
}

fn is_good(world: &World) {
    let report = verify::verify(&world.store, &mut |_, _| {}).expect("a check");
    assert_eq!(report.faults, Vec::<String>::new());
}

#[test]
fn expunge_of_many_is_done_in_parts_and_told_as_one() {
    let (world, big) = world();
    let mut client = Client::logged_in(&world);
    client.ask(&world, "a1 SELECT Big");
    let flagged = client.ask(&world, "a2 STORE 1:* +FLAGS.SILENT (\\Deleted)");
    assert!(flagged.contains("a2 OK"), "{flagged}");
    client.ask(&world, "a3 UID STORE 600:650 -FLAGS.SILENT (\\Deleted)");
    let watch = world.store.hub().watch(world.alice, big);
    let heard = client.ask(&world, "a4 UID EXPUNGE 1:700");
    assert_eq!(heard.matches(" EXPUNGE\r\n").count(), 649, "{heard}");
    assert!(heard.contains("a4 OK"), "{heard}");
    assert!(!is_sliced(&watch, 649));
    let heard = client.ask(&world, "a5 EXPUNGE");
    assert_eq!(heard.matches(" EXPUNGE\r\n").count(), MESSAGES - 700);
    assert!(!is_sliced(&watch, MESSAGES - 700));
    assert_eq!(count(&world, "Big"), 51);
    is_good(&world);
}

#[test]
fn a_move_of_many_is_done_in_parts_and_has_one_copyuid() {
    let (world, big) = world();
    let mut client = Client::logged_in(&world);
    client.ask(&world, "a1 SELECT Big");
    let watch = world.store.hub().watch(world.alice, big);
    let heard = client.ask(&world, "a2 MOVE 1:* Target");
    assert_eq!(heard.matches("COPYUID").count(), 1);
    assert!(heard.contains(&format!(" 1:{MESSAGES} 1:{MESSAGES}] Moved\r\n")), "{heard}");
    assert_eq!(heard.matches(" EXPUNGE\r\n").count(), MESSAGES);
    assert!(heard.contains("a2 OK"));
    assert!(!is_sliced(&watch, MESSAGES));
    assert_eq!((count(&world, "Big"), count(&world, "Target")), (0, MESSAGES as u32));
    is_good(&world);
}

#[test]
fn a_move_that_fails_in_the_middle_tells_what_it_moved() {
    let (world, _) = world();
    let alice = world.alice;
    // Target knows as many keywords as a mailbox can, and not the one of the message 701.
    let fill = move |batch: &mut Batch| {
        let target = mailbox::by_name(batch, alice, "Target")?.expect("it is there");
        let one = NewMail {
            body: Arc::new(Prepared::new(b"Subject: x\r\n\r\n")),
            prefix: Vec::new(),
            flags: FlagSet::default(),
            internal_date: NOW,
            internal_zone_minutes: 0,
            save_date: NOW,
        };
        let id = mail::next_id(batch, 1)?;
        let uid = mail::append(batch, alice, target.id, &one, id)?.uid;
        let keywords = (0..KEYWORDS_PER_MAILBOX).map(|number| format!("k{number}")).collect();
        let set = FlagChange::Add(FlagSet { flags: Flags::default(), keywords });
        mail::set_flags(batch, alice, target.id, &[uid], &set, None).map(drop)
    };
    world.store.write_blocking(fill).expect("a target full of keywords");
    let mut client = Client::logged_in(&world);
    client.ask(&world, "a1 SELECT Big");
    let heard = client.ask(&world, "a2 UID MOVE 1:* Target");
    let moved = MESSAGES_PER_WRITE;
    assert!(heard.contains(&format!(" 1:{moved} 2:{}] Moved\r\n", moved + 1)), "{heard}");
    assert_eq!(heard.matches(" EXPUNGE\r\n").count(), moved);
    assert!(heard.contains("\r\na2 NO [LIMIT]"), "{heard}");
    assert_eq!(count(&world, "Big") as usize, MESSAGES - moved);
    assert_eq!(count(&world, "Target") as usize, moved + 1);
    // RFC 9051 6.4.7: of a COPY nothing stays.
    let heard = client.ask(&world, "a3 UID COPY 1:* Target");
    assert!(heard.contains("a3 NO [LIMIT]"), "{heard}");
    assert_eq!(count(&world, "Target") as usize, moved + 1);
    is_good(&world);
}

#[test]
fn a_large_mailbox_and_a_large_account_are_deleted_in_parts() {
    let (world, big) = world();
    let mut client = Client::logged_in(&world);
    let watch = world.store.hub().watch(world.alice, big);
    let heard = client.ask(&world, "a1 DELETE Big");
    assert!(heard.contains("a1 OK"), "{heard}");
    let (gone, deleted) = expunges(&watch);
    assert!(deleted && gone.iter().all(|&count| count <= MESSAGES_PER_WRITE), "{gone:?}");
    assert_eq!(gone.len(), 2, "the rest goes with the mailbox");
    let heard = client.ask(&world, "a2 DELETE INBOX");
    assert!(heard.contains("a2 NO") && heard.contains("INBOX cannot be deleted"), "{heard}");
    is_good(&world);

    let (world, big) = self::world();
    let (alice, watch) = (world.alice, world.store.hub().watch(world.alice, big));
    let mut parts = 0;
    while world.store.write_blocking(move |batch| account::thin_out(batch, alice)).expect("less") {
        parts += 1;
        is_good(&world);
    }
    assert_eq!((parts, expunges(&watch).0.len()), (2, 2));
    world.store.write_blocking(move |batch| account::delete(batch, alice)).expect("gone");
    is_good(&world);
}
