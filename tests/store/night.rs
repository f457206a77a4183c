//! The check at night: the same conclusions as `verify`, in slices, while the store lives.

use super::upkeep::{damage, lived_in, spoil};
use super::{ALICE, BOB, NOW, Office, deliver, letter, messages};
use crate::event;
use crate::limits::{CHECK_SLICE_BYTES, CHECK_SLICE_ROWS};
use crate::store::format::Checked;
use crate::store::mail::{FlagChange, FlagSet, Flags};
use crate::store::verify::night::{self, Night};
use crate::store::writer::Options;
use crate::store::{Batch, INBOX, MailId, MailboxId, Store, mail, mailbox, trace};
use crate::units::background::{check_now, next_check};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// Checks all of it; `between` runs after each slice.
fn check(store: &Store, between: &mut dyn FnMut(usize)) -> Checked {
    let mut night = Night::new();
    for number in 0..100_000 {
        let slice = night.slice(store).expect("a slice");
        // One body is read whole, whatever its size.
        assert!(slice.octets <= 2 * CHECK_SLICE_BYTES + 300_000, "{slice:?}");
        if slice.done {
            return night.result(NOW);
        }
        between(number);
    }
    panic!("it does not end");
}

fn told(store: &Store) -> Vec<String> {
    let checked = check(store, &mut |_| ());
    assert_eq!(checked.faults, checked.told.len() as u64);
    assert_eq!(checked.unjudged, 0);
    checked.told
}

#[test]
fn a_good_store_is_found_good() {
    let office = lived_in();
    assert_eq!(told(&office.store), Vec::<String>::new());
    let checked = check(&office.store, &mut |_| ());
    assert!(checked.rows > 100 && checked.octets > 300_000, "{checked:?}");
}

#[test]
fn flipped_octets_and_rows_that_contradict_each_other_are_found() {
    let office = lived_in();
    let marked = messages::noise(3_000, 4_711);
    let new = super::letter_of(super::prepared(&marked, Some("<m@x>"), &[]), &[]);
    let mut new = mail::NewMail { prefix: b"X-Mark: this very row\r\n".to_vec(), ..new };
    new.flags.keywords.clear();
    let added = office.append(BOB, MailboxId(4), new).expect("an append");
    office.write(spoil).expect("some wrong rows");
    let Office { store, folder } = office;
    drop(store);
    damage(&folder.store(), b"this very row");
    damage(&folder.store(), marked.get(1_000..1_016).expect("some of it"));
    let store = Store::open(&folder.store(), Options::default()).expect("it still opens");
    let found = told(&store).join("\n");
    for said in [
        "message 1 of mailbox 4 of account 2: the checksum is wrong",
        &format!("part 0 of mail {}: the checksum is wrong", added.body),
        "mailbox 1 of account 1: counts 19 messages and has 18",
        "mailbox 1 of account 1: has UID 21 and would give 3 next",
        "messages have this body and",
        "mailbox 2 of account 2: its name is missing",
        "mail 7: a body without a head",
    ] {
        assert!(found.contains(said), "{said} in {found}");
    }
}

#[test]
fn keys_of_any_length_are_told_of_and_end_nothing() {
    let office = Office::new();
    // Each as long as its kind has it at the most, and every shorter one.
    let put = |batch: &mut Batch| {
        for tag in b"VCDRNUMXJISOZ" {
            for length in 0..24 {
                let key = [&[*tag][..], &[0xff, 0, 1].repeat(8)[..length]].concat();
                if key != b"V" {
                    batch.put(&key, b"no row of ours")?;
                }
            }
        }
        Ok(())
    };
    office.write(put).expect("odd rows");
    let all = crate::store::verify::verify(&office.store, &mut |_, _| {}).expect("a check");
    let checked = check(&office.store, &mut |_| ());
    assert!(
        all.faults.len() > 200 && checked.faults > 100,
        "{} {}",
        all.faults.len(),
        checked.faults
    );
    assert!(all.faults.iter().any(|fault| fault.contains("the key is too short")));
}

/// More messages than three slices hold.
fn large() -> Office {
    let office = Office::new();
    let fill = |batch: &mut Batch| {
        (0..3 * CHECK_SLICE_ROWS).try_for_each(|i| {
            deliver(batch, ALICE, INBOX, &letter(&format!("letter {}", i % 40))).map(drop)
        })
    };
    office.write(fill).expect("mail");
    office
}

#[test]
fn a_mailbox_that_changes_meanwhile_is_looked_at_again_and_then_left() {
    let office = large();
    // Once: the second look judges it.
    let mut changed = false;
    let once = check(&office.store, &mut |number| {
        if number == 2 && !std::mem::replace(&mut changed, true) {
            office.add(ALICE, "in between");
            let gone = |b: &mut Batch| mail::expunge(b, ALICE, INBOX, Some(&[3, 4]), true);
            office.write(gone).expect("an expunge");
        }
    });
    assert_eq!((once.faults, once.unjudged), (0, 0), "{:?}", once.told);
    // Without end: it is said that nothing can be said.
    let always = check(&office.store, &mut |number| {
        if number < 60 {
            let change =
                FlagChange::Set(FlagSet { flags: Flags(number as u32 % 2), ..FlagSet::default() });
            let flag = move |b: &mut Batch| {
                mail::set_flags(b, ALICE, INBOX, &[9], &change, None).map(drop)
            };
            office.write(flag).expect("a flag");
        }
    });
    assert_eq!((always.faults, always.unjudged), (0, 1), "{:?}", always.told);
    // A fault in it is found all the same once it rests.
    let tail = [b"M\0\0\0\x01\0\0\0\x01".as_slice(), &[0xff]].concat();
    let spoil = move |batch: &mut Batch| {
        use crate::store::Read;
        let row = batch.get(&tail)?.expect("counters");
        let mut row: crate::store::format::MailboxTail =
            prost::Message::decode(row.as_slice()).expect("counters");
        row.unseen += 5;
        batch.put(&tail, &prost::Message::encode_to_vec(&row))
    };
    office.write(spoil).expect("a wrong row");
    assert!(told(&office.store)[0].contains("unseen messages"));
}

#[test]
fn a_busy_store_is_never_said_to_be_damaged() {
    let office = large();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (office, stop) = (&office, &stop);
        scope.spawn(move || {
            for i in 0_u32.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let job = move |batch: &mut Batch| {
                    let new = letter(&format!("letter {}", i % 60));
                    let added = deliver(batch, BOB, MailboxId(1 + i % 3), &new)?;
                    let uids = [1 + i, 2 + i];
                    mail::copy(batch, ALICE, INBOX, &uids, MailboxId(2), i % 2 == 0, NOW)?;
                    mail::expunge(batch, BOB, INBOX, Some(&[i / 2]), true)?;
                    if i % 7 == 0 {
                        mailbox::create(batch, BOB, &format!("Box {i}"), "", NOW)?;
                    } else if i % 7 == 6 {
                        mailbox::delete(batch, BOB, &format!("Box {}", i - 6))?;
                    }
                    trace::put(batch, MailId(added.body.0), &Default::default())
                };
                office.write(job).expect("life goes on");
            }
        });
        let checks: Vec<_> = (0..6).map(|_| check(&office.store, &mut |_| ()).told).collect();
        // Before anything is judged: a failure must not leave the writer running.
        stop.store(true, Ordering::SeqCst);
        assert_eq!(checks, vec![Vec::<String>::new(); 6]);
    });
    assert_eq!(told(&office.store), Vec::<String>::new());
}

#[test]
fn the_result_is_told_and_kept_over_a_restart() {
    let office = lived_in();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    assert_eq!(night::last(&office.store.snapshot().expect("a snapshot")), Ok(None));
    // A server that stops ends it, and it counts for nothing.
    let (stopper, mut stop) = watch::channel(true);
    runtime.block_on(check_now(&office.store, &mut stop));
    assert_eq!(night::last(&office.store.snapshot().expect("a snapshot")), Ok(None));
    drop(stopper);
    let (_stopper, mut stop) = watch::channel(false);
    runtime.block_on(check_now(&office.store, &mut stop));
    let last = |store: &Store| {
        let last = night::last(&store.snapshot().expect("a snapshot"));
        last.expect("it is readable").expect("it is kept")
    };
    let first = last(&office.store);
    assert!(first.at > NOW && first.faults == 0);
    let words = format!("store: all of it was checked and is good: {} rows", first.rows);
    assert!(event::recent().iter().any(|line| line.starts_with(&words)), "{words}");
    office.write(spoil).expect("some wrong rows");
    let office = office.reopen();
    assert_eq!(last(&office.store), first);
    runtime.block_on(check_now(&office.store, &mut stop));
    let second = last(&office.store);
    assert!(second.faults > 3 && second.told.len() as u64 == second.faults);
    let words = format!("store: the check found {} faults, the first: ", second.faults);
    assert!(event::recent().iter().any(|line| line.starts_with(&words)), "{words}");
}

#[test]
fn it_begins_at_the_quiet_hour_and_not_at_every_start() {
    let day = 24 * 3600;
    let night = 20_000 * day + 2 * 3600;
    let noon = night + 10 * 3600;
    let cases = [
        ("the hour has come", Some(night - day + 60), night - 9_000, night, night),
        ("started somewhat later", Some(night - day), night + 3_600, night + 3_600, night + 3_600),
        ("done in this night", Some(night + 60), noon, night + 120, night + day),
        ("started again by day", Some(night + 60), noon, noon, night + day),
        ("the night was missed once", Some(night - day), noon, noon, night + day),
        ("missed thrice: by day", Some(night - 4 * day), noon, noon, noon + 3_600),
        ("and the hour is over", Some(night - 4 * day), noon, noon + 3_600, noon + 3_600),
        ("never", None, noon, noon, noon + 3_600),
        ("never, and it is night", None, night + 60, night + 60, night + 60),
        ("by a clock that was wrong", Some(noon + 900 * day), noon, noon, noon + 3_600),
    ];
    for (story, last, started, now, due) in cases {
        let next = next_check(last, started, now, 2);
        assert!(next == due || (due <= now && next <= now), "{story}: {next} and not {due}");
    }
    // Whatever the hour is, a day has one check.
    for hour in 0..24 {
        let (mut now, mut last, mut checks) = (night, Some(night - day), 0);
        while now < night + 10 * day {
            if next_check(last, night - day, now, hour) <= now {
                (last, checks) = (Some(now + 600), checks + 1);
            }
            now += 600;
        }
        assert!((10..=11).contains(&checks), "{checks} checks in ten days at {hour}");
    }
}

#[test]
fn a_clock_that_jumped_forgets_no_story() {
    let office = Office::new();
    let day = 24 * 3600 * 1_000_000_u64;
    let now = NOW as u64 * 1_000_000;
    let likely = |now| {
        let read = office.store.snapshot().expect("a snapshot");
        trace::clock_is_likely(&read, now).expect("it is readable")
    };
    let tell = |at: u64| {
        let put = move |batch: &mut Batch| trace::put(batch, MailId(at), &Default::default());
        office.write(put).expect("a story");
    };
    assert!(!likely(now), "there is nothing to tell it by, nor to forget");
    // An office that gets mail each day.
    (0..30).for_each(|ago| tell(now - ago * day));
    assert!(likely(now) && likely(now + day));
    // The clock is far ahead, and mail goes on to arrive in that future.
    let future = now + 400 * day;
    tell(future - 600);
    tell(future);
    assert!(!likely(future), "what arrived since proves nothing");
    // Set right again: the office goes on, and what is old is forgotten in time.
    assert!(likely(now + day));
    // A box that was off for some weeks is believed once it has run for some days.
    (0..6).for_each(|ago| tell(now + (40 + ago) * day));
    assert!(!likely(now + 40 * day) && !likely(now + 41 * day));
    assert!(likely(now + 45 * day));
}
