//! How many deliveries go to one place at once.

use super::stage::{Scripted, Stage, refused, took};
use crate::delivery::pace::Felt;
use crate::delivery::queue::{Piece, Queue};
use crate::delivery::remote::{Attempt, Outcome};
use crate::delivery::worker;
use crate::limits::{OUTBOX_PER_PLACE, OUTBOX_PER_PLACE_FIRST, OUTBOX_REFUSALS};
use crate::store::MailId;
use crate::store::format::{Outgoing, OutgoingRecipient};
use crate::store::outbox::Place;
use crate::wire::address::Address;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

fn row(to: &str) -> Outgoing {
    let recipient = OutgoingRecipient { address: to.to_string(), ..OutgoingRecipient::default() };
    Outgoing {
        sender: "alice@office.test".to_string(),
        recipients: vec![recipient],
        size: 1,
        ..Outgoing::default()
    }
}

/// So many messages to this address, each of its own number.
fn fill(queue: &mut Queue, first: u64, messages: u64, to: &str) {
    for number in first..first + messages {
        let place = Place { due: 0, id: MailId(number) };
        queue.take(place, &row(to), 1, |_, domain| domain.to_string());
    }
}

fn all(queue: &mut Queue) -> Vec<Piece> {
    std::iter::from_fn(|| queue.next()).collect()
}

fn down() -> Felt {
    Felt::Refused(Outcome::Retry { reply: None, why: "No connection.".to_string() })
}

/// Carries all that may go, and ends it so. How many were it?
fn round(queue: &mut Queue, felt: &Felt) -> usize {
    let running = all(queue);
    for piece in &running {
        assert!(queue.done(piece, felt).is_none());
    }
    running.len()
}

fn rounds(queue: &mut Queue, count: usize, felt: &Felt) -> Vec<usize> {
    (0..count).map(|_| round(queue, felt)).collect()
}

#[test]
fn it_begins_small_and_grows_with_each_that_is_served() {
    let mut queue = Queue::default();
    fill(&mut queue, 1, 500, "x@b.test");
    assert_eq!(rounds(&mut queue, 6, &Felt::Served), [2, 4, 8, 16, 20, 20]);
    // One by one it is the same: a place that is free is taken at once.
    let mut running = all(&mut queue);
    assert_eq!(running.len(), OUTBOX_PER_PLACE);
    for _ in 0..50 {
        assert!(queue.done(&running.remove(0), &Felt::Served).is_none());
        running.extend(all(&mut queue));
        assert_eq!(running.len(), OUTBOX_PER_PLACE);
    }
}

#[test]
fn who_neither_serves_nor_refuses_changes_nothing() {
    let mut queue = Queue::default();
    fill(&mut queue, 1, 50, "x@b.test");
    assert_eq!(rounds(&mut queue, 3, &Felt::Nothing), [2, 2, 2]);
}

#[test]
fn those_that_are_turned_away_together_are_one_refusal_and_then_it_grows_slowly() {
    let mut queue = Queue::default();
    fill(&mut queue, 1, 500, "x@b.test");
    rounds(&mut queue, 4, &Felt::Served);
    // Half of twenty are too many for it.
    let running = all(&mut queue);
    assert_eq!(running.len(), 20);
    for (at, piece) in running.iter().enumerate() {
        let felt = if at % 2 == 0 { down() } else { Felt::Served };
        assert!(queue.done(piece, &felt).is_none());
    }
    assert_eq!(rounds(&mut queue, 4, &Felt::Served), [11, 12, 13, 14]);
    assert_eq!(round(&mut queue, &down()), 15);
    assert_eq!(rounds(&mut queue, 2, &Felt::Served), [7, 8]);
}

#[test]
fn a_place_that_is_shut_puts_off_what_waits_and_nothing_else() {
    let mut queue = Queue::default();
    fill(&mut queue, 1, 100, "x@down.test");
    fill(&mut queue, 201, 10, "x@up.test");
    let (mut tried, mut up, mut off) = (0, 0, Vec::new());
    loop {
        let running = all(&mut queue);
        if running.is_empty() {
            break;
        }
        for piece in running {
            let is_down = piece.domain == "down.test";
            *(if is_down { &mut tried } else { &mut up }) += 1;
            let felt = if is_down { down() } else { Felt::Served };
            if let Some(put_off) = queue.done(&piece, &felt) {
                assert!(matches!(put_off.outcome, Outcome::Retry { reply: None, .. }));
                off.extend(put_off.pieces);
            }
        }
    }
    assert_eq!(tried, OUTBOX_PER_PLACE_FIRST + OUTBOX_REFUSALS - 1);
    assert_eq!((off.len(), up), (100 - tried, 10));
    assert!(off.iter().all(|piece| piece.domain == "down.test"));
    // Until it is written down that they wait, they are not read again.
    assert!(queue.has(off[0].place.id));
    off.iter().for_each(|piece| queue.close(piece));
    assert!(!queue.has(off[0].place.id));
    // The next time it is tried anew.
    fill(&mut queue, 301, 10, "x@down.test");
    assert_eq!(all(&mut queue).len(), OUTBOX_PER_PLACE_FIRST);
}

#[test]
fn one_that_is_served_between_refusals_keeps_it_open() {
    let mut queue = Queue::default();
    fill(&mut queue, 1, 100, "x@b.test");
    for _ in 0..10 {
        for felt in [down(), down(), Felt::Served] {
            let piece = queue.next().expect("a piece");
            assert!(queue.done(&piece, &felt).is_none());
        }
    }
}

#[test]
fn what_goes_over_one_relay_shares_its_pace() {
    let mut queue = Queue::default();
    for number in 1..50 {
        let place = Place { due: 0, id: MailId(number) };
        let to = format!("x@d{number}.test");
        queue.take(place, &row(&to), 1, |sender, _| format!("relay of {sender}"));
    }
    let running = all(&mut queue);
    assert_eq!(running.len(), OUTBOX_PER_PLACE_FIRST);
    assert_eq!(running[0].way, "relay of alice@office.test");
}

#[test]
fn a_421_is_about_the_place_and_other_replies_are_about_the_message() {
    let attempt = |reached, outcome| Attempt {
        to: Address::parse("x@b.test").expect("an address"),
        outcome,
        server: String::new(),
        secured: String::new(),
        reached,
        dsn: false,
    };
    let felt = |reached, outcome| Felt::of(&[attempt(reached, outcome)]);
    let broke = || Outcome::Retry { reply: None, why: String::new() };
    let is_refused = |felt| matches!(felt, Felt::Refused(_));
    assert_eq!(felt(true, took()), Felt::Served);
    assert_eq!(felt(true, refused(550, (1, 1), "nobody")), Felt::Served);
    assert_eq!(felt(true, refused(450, (7, 1), "greylisted")), Felt::Nothing);
    assert!(is_refused(felt(true, refused(421, (7, 0), "too many connections"))));
    assert!(is_refused(felt(false, refused(450, (7, 0), "not now"))), "at the greeting");
    assert!(is_refused(felt(true, broke())) && is_refused(felt(false, broke())));
    assert_eq!(felt(false, refused(554, (7, 1), "never")), Felt::Nothing);
    let both = [attempt(true, refused(421, (7, 0), "enough")), attempt(true, took())];
    assert_eq!(Felt::of(&both), Felt::Served);
}

/// A worker with a place that is down: a few are tried, all are told why they wait.
#[test]
fn what_waits_for_a_place_that_is_down_is_put_off_with_the_same_words() {
    let stage = Stage::new();
    let ids: Vec<MailId> = (0..300).map(|_| stage.put(&["x@down.test"])).collect();
    let why = "No connection: it did not answer in time.".to_string();
    let script = move |_: &_, _: &_| Outcome::Retry { reply: None, why: why.clone() };
    let (through, _ended) = mpsc::unbounded_channel();
    let jobs = stage.jobs.clone();
    let servers = Scripted { script: Box::new(script), jobs, through, dsn: false };
    let (stopper, stop) = watch::channel(false);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let queue = runtime.spawn(worker::run(stage.desk(), Arc::new(servers), stop));
    let began = Instant::now();
    let tries =
        || -> Vec<u32> { stage.rows().iter().map(|(_, row)| row.recipients[0].tries).collect() };
    while tries().contains(&0) {
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", tries());
        std::thread::sleep(Duration::from_millis(5));
    }
    stopper.send(true).unwrap();
    runtime.block_on(queue).unwrap();
    assert_eq!(tries(), [1; 300]);
    let tried = stage.jobs.lock().unwrap().len();
    assert_eq!(tried, OUTBOX_PER_PLACE_FIRST + OUTBOX_REFUSALS - 1);
    let last = stage.story(*ids.last().unwrap()).last().unwrap().clone();
    assert_eq!(last.what, "waits");
    assert!(last.text.starts_with("Not yet: As others a moment ago: No connection"), "{last:?}");
    stage.sound();
}
