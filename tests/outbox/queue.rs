//! From the outbox row to the other server and back.

use super::stage::{MESSAGE, Stage, new, refused, took};
use crate::delivery::remote::Outcome;
use crate::limits::{OUTBOX_PER_PLACE, OUTBOX_RECIPIENTS};
use crate::store::mail::{self, FlagSet, NewMail};
use crate::store::outbox::{self, State};
use crate::store::{INBOX, MailId};
use crate::tests::store::{ALICE, BOB};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

#[test]
fn a_message_goes_out_and_leaves_only_its_story() {
    let stage = Stage::new();
    let id = stage.put(&["x@b.test"]);
    stage.sound();
    stage.work(1, Box::new(|_, _| took()));
    assert_eq!(stage.rows(), []);
    let jobs = stage.jobs.lock().unwrap();
    assert_eq!((jobs.len(), jobs[0].domain.as_str()), (1, "b.test"));
    assert_eq!(&jobs[0].message[..], MESSAGE.as_bytes());
    assert_eq!(jobs[0].from.as_ref().unwrap().to_string(), "alice@office.test");
    let story = stage.story(id);
    assert_eq!(story.last().unwrap().what, "sent");
    assert_eq!(story.last().unwrap().recipient, "x@b.test");
    assert_eq!(story.last().unwrap().reply, "250 2.0.0 queued as 77");
    let report = crate::store::verify::verify(stage.store(), &mut |_, _| ()).unwrap();
    assert_eq!((report.bodies, report.messages), (0, 0));
    assert!(stage.inbox(ALICE).is_empty(), "nobody asked for a report");
}

#[test]
fn its_body_is_shared_with_copies_in_the_office() {
    let stage = Stage::new();
    let outgoing = new(&["x@b.test"], stage.now());
    let body = outgoing.body.clone();
    let id = stage.put_new(outgoing);
    stage.write(move |batch| {
        let copy = NewMail {
            body: body.clone(),
            prefix: b"Delivered-To: bob@office.test\r\n".to_vec(),
            flags: FlagSet::default(),
            internal_date: 1,
            internal_zone_minutes: 0,
            save_date: 1,
        };
        mail::append_past_quota(batch, BOB, INBOX, &copy, id)
    });
    stage.sound();
    let uids = stage.write(|batch| mail::expunge(batch, BOB, INBOX, None, true)).0;
    assert_eq!(uids, [1]);
    stage.sound();
    stage.work(1, Box::new(|_, _| took()));
    assert_eq!(&stage.jobs.lock().unwrap()[0].message[..], MESSAGE.as_bytes());
}

#[test]
fn greylisting_is_waited_out() {
    let stage = Stage::new();
    let id = stage.put(&["x@b.test"]);
    stage.work(1, Box::new(|_, _| refused(450, (7, 1), "Greylisted")));
    let row = stage.row(id).expect("it waits");
    let recipient = &row.recipients[0];
    assert_eq!((recipient.state(), recipient.tries), (State::Waiting, 1));
    assert_eq!(recipient.reply, "450 4.7.1 Greylisted");
    assert_eq!(recipient.next, stage.now() + 270);
    let due = |stage: &Stage| {
        let read = stage.store().snapshot().unwrap();
        let now = stage.now().unsigned_abs();
        outbox::due(&read, now, 10, |_| false).unwrap().len()
    };
    assert_eq!(due(&stage), 0);
    let read = stage.store().snapshot().unwrap();
    let next = outbox::next_due(&read, stage.now().unsigned_abs()).unwrap();
    assert_eq!(next, Some((stage.now() + 270).unsigned_abs()));
    drop(read);
    stage.pass(270);
    assert_eq!(due(&stage), 1);
    stage.work(1, Box::new(|_, _| took()));
    assert_eq!(stage.rows(), []);
    let told: Vec<_> = stage.story(id).into_iter().map(|step| step.what).collect();
    assert_eq!(told, ["accepted", "waits", "sent"]);
}

#[test]
fn each_recipient_has_a_fate_of_its_own() {
    let stage = Stage::new();
    let id = stage.put(&["good@b.test", "bad@b.test", "slow@b.test", "good@c.test"]);
    stage.work(
        2,
        Box::new(|_, to| match to.local() {
            "good" => took(),
            "bad" => refused(550, (1, 1), "No such user"),
            _ => refused(452, (2, 2), "Full"),
        }),
    );
    let row = stage.row(id).expect("one waits");
    let states: Vec<_> = row.recipients.iter().map(|it| it.state()).collect();
    assert_eq!(states, [State::Delivered, State::Failed, State::Waiting, State::Delivered]);
    stage.pass(3600);
    stage.work(1, Box::new(|_, _| took()));
    assert_eq!(stage.rows(), []);
    let jobs = stage.jobs.lock().unwrap();
    let mut sizes: Vec<_> = jobs.iter().map(|job| job.recipients.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 3], "by domain, and only who waits is tried again");
    assert_eq!(jobs.last().unwrap().recipients[0].to.to_string(), "slow@b.test");
}

#[test]
fn a_long_list_goes_in_pieces() {
    let stage = Stage::new();
    let names: Vec<String> = (0..OUTBOX_RECIPIENTS + 1).map(|n| format!("n{n}@b.test")).collect();
    let to: Vec<&str> = names.iter().map(String::as_str).collect();
    let id = stage.put(&to);
    stage.work(2, Box::new(|_, _| took()));
    assert_eq!(stage.rows(), []);
    let story = stage.story(id);
    assert!(story.len() <= 3, "alike is told once: {}", story.len());
    assert!(story.iter().any(|step| step.recipient.ends_with("and 99 more")), "{story:?}");
}

#[test]
fn a_delivery_that_breaks_off_is_tried_again() {
    let stage = Stage::new();
    let id = stage.put(&["x@b.test"]);
    stage.work(1, Box::new(|_, _| panic!("a fault of ours")));
    let row = stage.row(id).expect("it waits");
    assert_eq!((row.recipients[0].tries, row.recipients[0].state()), (1, State::Waiting));
    assert!(row.recipients[0].why.contains("our side"));
}

#[test]
fn a_crash_before_the_commit_loses_nothing() {
    let stage = Stage::new();
    let id = stage.put(&["x@b.test"]);
    let store = stage.store().clone();
    let moved = Mutex::new(Some(store));
    let stage_folder = stage.office.folder.store();
    let Stage { office, clock, jobs } = stage;
    let (through, mut ended) = tokio::sync::mpsc::unbounded_channel();
    // The store is gone between the other server's 250 and the commit.
    let script = move |_: &_, _: &_| {
        if let Some(store) = moved.lock().unwrap().take() {
            store.close();
        }
        took()
    };
    let servers = super::stage::Scripted { script: Box::new(script), jobs, through, dsn: false };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stage = Stage { office, clock, jobs: Arc::default() };
    let (stopper, stop) = tokio::sync::watch::channel(false);
    runtime.block_on(async {
        let queue = crate::delivery::worker::run(stage.desk(), Arc::new(servers), stop);
        let stopping = async {
            ended.recv().await.unwrap();
            stopper.send(true).unwrap();
        };
        tokio::join!(queue, stopping);
    });
    drop(runtime);
    let Stage { office, clock, jobs } = stage;
    let crate::tests::store::Office { store, folder } = office;
    drop(store);
    let store = crate::store::Store::open(&stage_folder, Default::default()).unwrap();
    let stage = Stage { office: crate::tests::store::Office { store, folder }, clock, jobs };
    assert!(stage.row(id).is_some(), "it is still there");
    stage.work(1, Box::new(|_, _| took()));
    assert_eq!(stage.rows(), [], "the one window in which it is sent twice");
}

#[test]
fn a_slow_domain_holds_up_no_other() {
    let stage = Stage::new();
    let slow: Vec<MailId> = (0..12).map(|_| stage.put(&["x@slow.test"])).collect();
    let fast = stage.put(&["x@fast.test"]);
    let (running, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    stage.work(
        13,
        Box::new(move |job, _| {
            let (open, bell) = &*gate;
            if job.domain == "fast.test" {
                *open.lock().unwrap() = true;
                bell.notify_all();
                return took();
            }
            seen.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Nothing of the slow domain ends before the fast one was served.
            let wait = Duration::from_secs(30);
            let guard = open.lock().unwrap();
            let (_guard, timed) = bell.wait_timeout_while(guard, wait, |open| !*open).unwrap();
            assert!(!timed.timed_out());
            running.fetch_sub(1, Ordering::SeqCst);
            took()
        }),
    );
    assert_eq!(stage.rows(), []);
    assert!(most.load(Ordering::SeqCst) <= OUTBOX_PER_PLACE);
    assert!(slow.iter().all(|id| stage.story(*id).last().unwrap().what == "sent"));
    assert_eq!(stage.story(fast).last().unwrap().what, "sent");
}

#[test]
fn what_waits_is_not_tried_for_ever() {
    let stage = Stage::new();
    let id = stage.put(&["x@b.test"]);
    let mut tries = 0;
    while let Some(row) = stage.row(id) {
        let wait = row.recipients[0].next - stage.now();
        stage.pass(wait);
        stage.work(
            1,
            Box::new(|_, _| Outcome::Retry { reply: None, why: "No server answers.".into() }),
        );
        tries += 1;
        assert!(tries < 60);
    }
    assert!(tries > 20);
    let inbox = stage.inbox(ALICE);
    assert_eq!(inbox.len(), 2, "one warning, one end");
    assert!(inbox[0].contains("Action: delayed") && inbox[1].contains("Action: failed"));
    assert!(inbox[1].contains("Status: 4.4.7"), "{}", inbox[1]);
}
