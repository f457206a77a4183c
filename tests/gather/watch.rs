//! Letters collected by IMAP: each once, at once where the server can say so, and nothing goes
//! there before it is here.

use super::toy::{Folder, Habit, Message, Toy, folder, message};
use crate::collect::imap::watch::{Of, Watch};
use crate::collect::reach::{Place, Security};
use crate::collect::{Desk, Fault, Looked, plan};
use crate::delivery::keyring::Keyring;
use crate::delivery::receive::Post;
use crate::delivery::report::Moment;
use crate::imap::client::{Login, Secret};
use crate::limits::MESSAGE_BYTES;
use crate::net::resolver::{CLOCK, Resolver};
use crate::store::format::{Outside, OutsideState};
use crate::store::outside::{self, OutsideId};
use crate::store::{account, mail, mailbox, trace, verify};
use crate::tests::store::outside::{add, at_gmail, word};
use crate::tests::store::{ALICE, Office};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

const DAY: i64 = 24 * 3600;
const BEGIN: i64 = 1_760_000_000;

/// Each test has a clock of its own: they run at the same time.
static CLOCKS: [AtomicI64; 16] = [const { AtomicI64::new(BEGIN) }; 16];

fn moment_of<const N: usize>() -> Moment {
    let now = CLOCKS[N].load(Ordering::SeqCst);
    Moment { micros: now as u64 * 1_000_000, chance: 7 }
}

struct Stage {
    office: Office,
    runtime: Runtime,
    toy: Toy,
    desk: Desk,
    id: OutsideId,
    row: Outside,
}

impl Stage {
    fn new(moment: fn() -> Moment, folders: Vec<Folder>, change: fn(&mut Outside)) -> Stage {
        let office = Office::new();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let toy = Toy::new(folders);
        toy.state().capabilities.push_str(" IDLE UIDPLUS MOVE");
        let nobody = ["127.0.0.1:9".parse().expect("an address")];
        let resolver = || Resolver::new(&nobody, Duration::from_millis(50)).expect("a resolver");
        let keyring = Keyring::new(office.store.clone(), resolver(), None, CLOCK);
        let (keyring, resolver) = (keyring.expect("a keyring").into(), resolver());
        let post = Post::new(office.store.clone(), "mail.office.test".to_string()).expect("a post");
        let lines = Semaphore::new(1);
        let post = post.into();
        let desk = Desk { post, resolver, keyring, authority: None, moment, lines };
        let mut row = at_gmail("alice@provider.test");
        row.kind = outside::IMAP;
        change(&mut row);
        let id = add(&office.store, ALICE, row.clone(), word("word")).expect("an account");
        Stage { office, runtime, toy, desk, id, row }
    }

    fn of(&self) -> Of<'_> {
        Of { desk: &self.desk, id: self.id, row: &self.row }
    }

    fn open(&self) -> Result<Watch, Fault> {
        let place = Place {
            host: "127.0.0.1".to_string(),
            port: self.toy.port,
            tls: Security::None,
            authority: None,
        };
        let login = Login { user: "carl".into(), secret: Secret::Password("word".into()) };
        self.runtime.block_on(Watch::open(&place, &self.desk.resolver, login))
    }

    fn again(&self, watch: &mut Watch) -> Result<Looked, Fault> {
        self.runtime.block_on(watch.look(&self.of()))
    }

    /// By a connection of its own.
    fn look(&self) -> Result<Looked, Fault> {
        let mut watch = self.open()?;
        self.again(&mut watch)
    }

    fn subjects(&self, name: &str) -> Vec<String> {
        let read = self.office.store.snapshot().expect("a snapshot");
        let of = mailbox::by_name(&read, ALICE, name).expect("read").expect("a mailbox");
        let mut found = Vec::new();
        mail::rows(&read, ALICE, of.id, 0, u32::MAX, &mut |_, row| {
            let raw = mail::octets(&read, &row, 0, row.size)?;
            let text = String::from_utf8_lossy(&raw).into_owned();
            let subject = text.lines().find_map(|line| line.strip_prefix("Subject: "));
            found.push(subject.unwrap_or("?").to_string());
            Ok(true)
        })
        .expect("rows");
        drop(read);
        let faults = verify::verify(&self.office.store, &mut |_, _| ()).expect("verified").faults;
        assert_eq!(faults, Vec::<String>::new());
        found
    }

    fn state(&self) -> OutsideState {
        outside::state(&self.office.store.snapshot().expect("a snapshot"), self.id).expect("read")
    }

    fn there(&self, name: &str) -> Vec<u32> {
        let state = self.toy.state();
        let of = state.folders.iter().find(|it| it.name == name).expect("a folder");
        of.messages.iter().map(|it| it.uid).collect()
    }
}

fn inbox() -> Vec<Folder> {
    vec![folder("INBOX", vec![message(3, "one"), message(5, "two")])]
}

#[test]
fn letters_come_once_with_their_flags_and_stories() {
    let stage = Stage::new(moment_of::<0>, inbox(), |_| ());
    let looked = stage.look().expect("looked");
    assert_eq!((looked.taken, looked.skipped, looked.deleted), (2, 0, 0));
    assert_eq!(stage.look().expect("looked").taken, 0);
    assert_eq!(stage.subjects("INBOX"), ["one", "two"]);
    assert_eq!(stage.there("INBOX"), [3, 5], "they stay there");
    assert_eq!((stage.state().letters, stage.state().letter), (2, BEGIN));
    let read = stage.office.store.snapshot().expect("a snapshot");
    let row = mail::row(&read, ALICE, crate::store::INBOX, 1).expect("read").expect("a row");
    assert_eq!((row.flags, row.internal_date, row.internal_zone_minutes), (1, 837_596_665, -420));
    let stories = trace::find(&read, "alice@provider.test", None, 10);
    assert!(stories.is_ok());
    let told = trace::find(&read, "one", None, 10).expect("read");
    assert!(told[0].1.steps.iter().any(|it| it.text.contains("by IMAP")), "{told:?}");
    let said = &stage.toy.state().said;
    assert!(said.contains(&"EXAMINE \"INBOX\"".to_string()), "nothing is changed there: {said:?}");
}

#[test]
fn a_new_letter_wakes_the_line() {
    let stage = Stage::new(moment_of::<1>, inbox(), |_| ());
    let mut watch = stage.open().expect("open");
    assert!(watch.idles());
    assert_eq!(stage.again(&mut watch).expect("looked").taken, 2);
    let toy = stage.toy.clone();
    let sender = std::thread::spawn(move || {
        // Once it waits.
        while !toy.state().said.iter().any(|it| it == "IDLE") {
            std::thread::sleep(Duration::from_millis(1));
        }
        toy.state().folders[0].messages.push(message(9, "three"));
    });
    let began = Instant::now();
    stage.runtime.block_on(watch.wait(Duration::from_secs(600))).expect("woken");
    assert_eq!(stage.again(&mut watch).expect("looked").taken, 1);
    assert!(began.elapsed() < Duration::from_secs(60), "it did not wait for its time");
    sender.join().expect("sent");
    assert_eq!(stage.subjects("INBOX"), ["one", "two", "three"]);
    let said = stage.toy.state().said.clone();
    assert!(said.contains(&"UID SEARCH RETURN (ALL) UID 6:*".to_string()), "only what is new");
    // And without news the time ends it.
    stage.runtime.block_on(watch.wait(Duration::from_millis(20))).expect("waited");
    assert_eq!(stage.again(&mut watch).expect("looked").taken, 0);
}

#[test]
fn a_letter_that_comes_during_a_look_is_not_slept_over() {
    let stage = Stage::new(moment_of::<2>, inbox(), |_| ());
    let mut watch = stage.open().expect("open");
    let toy = stage.toy.clone();
    stage.toy.does(move |command| match command.contains("UID FETCH 5 (UID BODY") {
        true => Habit::First(b"* 3 EXISTS\r\n".to_vec()),
        false => Habit::Usual,
    });
    assert_eq!(stage.again(&mut watch).expect("looked").taken, 2);
    toy.state().folders[0].messages.push(message(9, "three"));
    stage.runtime.block_on(watch.wait(Duration::from_secs(600))).expect("at once");
    assert!(!toy.state().said.contains(&"IDLE".to_string()));
    assert_eq!(stage.again(&mut watch).expect("looked").taken, 1);
}

#[test]
fn what_is_here_for_long_enough_goes_there() {
    let stage = Stage::new(moment_of::<3>, inbox(), |row| {
        (row.after, row.days) = (outside::DELETE, 3);
    });
    assert_eq!(stage.look().expect("looked").deleted, 0);
    CLOCKS[3].fetch_add(2 * DAY, Ordering::SeqCst);
    stage.toy.state().folders[0].messages.push(message(9, "three"));
    let looked = stage.look().expect("looked");
    assert_eq!((looked.taken, looked.deleted), (1, 0));
    CLOCKS[3].fetch_add(DAY, Ordering::SeqCst);
    assert_eq!(stage.look().expect("looked").deleted, 2);
    assert_eq!(stage.there("INBOX"), [9]);
    assert_eq!(stage.subjects("INBOX"), ["one", "two", "three"]);
}

#[test]
fn letters_are_moved_there_to_a_folder_that_is_made() {
    let stage = Stage::new(moment_of::<4>, inbox(), |row| {
        (row.after, row.move_to) = (outside::MOVE, "Fetched/by us".to_string());
    });
    let looked = stage.look().expect("looked");
    assert_eq!((looked.taken, looked.deleted), (2, 2));
    assert_eq!((stage.there("INBOX"), stage.there("Fetched/by us")), (vec![], vec![3, 5]));
    // Without MOVE they are copied and deleted.
    let stage = Stage::new(moment_of::<5>, inbox(), |row| {
        (row.after, row.move_to) = (outside::MOVE, "Old".to_string());
    });
    let capabilities = stage.toy.state().capabilities.replace(" MOVE", "");
    stage.toy.state().capabilities = capabilities;
    assert_eq!(stage.look().expect("looked").deleted, 2);
    let said = stage.toy.state().said.join("\n");
    assert!(said.contains("UID COPY 3,5 \"Old\"\nUID STORE 3,5 +FLAGS"), "{said}");
    assert!(said.contains("UID EXPUNGE 3,5"), "{said}");
    assert!(!said.contains("\nEXPUNGE"), "what others marked stays: {said}");
}

#[test]
fn nothing_goes_there_before_it_is_here() {
    let stage = Stage::new(moment_of::<6>, inbox(), |row| {
        (row.after, row.days) = (outside::DELETE, 0);
    });
    let quota = |quota: u64| {
        let job = move |batch: &mut crate::store::Batch| {
            account::update(batch, ALICE, &mut |row| {
                row.quota = quota;
                Ok(())
            })
        };
        stage.office.store.write_blocking(job).expect("changed");
    };
    quota(10);
    let fault = stage.look().expect_err("no room");
    assert_eq!(fault.trouble, plan::NO_ROOM);
    assert_eq!(stage.there("INBOX"), [3, 5]);
    quota(0);
    // The line breaks between our commit and the deletion.
    stage.toy.does(|command| match command.starts_with("UID STORE") {
        true => Habit::Cuts(0),
        false => Habit::Usual,
    });
    // The toy marks them before its line breaks; they are not gone.
    let fault = stage.look().expect_err("cut");
    assert_eq!(fault.trouble, plan::UNREACHED);
    assert_eq!(stage.there("INBOX"), [3, 5]);
    stage.toy.does(|_| Habit::Usual);
    let looked = stage.look().expect("looked");
    assert_eq!((looked.taken, looked.deleted), (0, 2));
    assert_eq!((stage.there("INBOX"), stage.subjects("INBOX").len()), (vec![], 2));
}

#[test]
fn what_is_too_large_stays_and_is_told_once() {
    let mut large = message(7, "large");
    large.body.resize(MESSAGE_BYTES + 1, b'x');
    let stage = Stage::new(moment_of::<7>, vec![folder("INBOX", vec![large])], |row| {
        (row.after, row.days) = (outside::DELETE, 0);
    });
    let looked = stage.look().expect("looked");
    assert_eq!((looked.taken, looked.skipped, looked.deleted), (0, 1, 0));
    let again = stage.look().expect("looked");
    assert_eq!((again.skipped, again.deleted), (0, 0));
    assert_eq!(stage.there("INBOX"), [7], "it is never deleted");
    assert_eq!(stage.subjects("INBOX"), ["A letter for alice@provider.test is too large"]);
    let skipped = &stage.state().skipped;
    assert_eq!((skipped.len(), skipped[0].subject.as_str()), (1, "large"));
}

#[test]
fn a_new_uidvalidity_brings_nothing_twice() {
    let stage = Stage::new(moment_of::<8>, inbox(), |_| ());
    assert_eq!(stage.look().expect("looked").taken, 2);
    {
        let mut state = stage.toy.state();
        state.folders[0].uidvalidity = 78;
        state.folders[0].messages.iter_mut().for_each(|it| it.uid += 500);
        state.folders[0].messages.push(message(900, "new"));
    }
    assert_eq!(stage.look().expect("looked").taken, 1);
    assert_eq!(stage.look().expect("looked").taken, 0);
    assert_eq!(stage.subjects("INBOX"), ["one", "two", "new"]);
}

#[test]
fn chosen_folders_come_into_ours() {
    let folders = vec![
        folder("INBOX", vec![message(1, "in")]),
        folder("Projects/A", vec![message(1, "project")]),
        folder("Trash", vec![message(1, "bin")]),
        folder("&BB8-", vec![message(1, "elsewhere")]),
    ];
    let stage = Stage::new(moment_of::<9>, folders, |row| {
        row.folders = ["INBOX", "Projects/A", "Trash", "П"].map(String::from).to_vec();
    });
    assert_eq!(stage.look().expect("looked").taken, 4);
    let mut inbox = stage.subjects("INBOX");
    inbox.sort();
    assert_eq!(inbox, ["elsewhere", "in", "project"], "where there is no such mailbox, INBOX");
    assert_eq!(stage.subjects("Trash"), ["bin"]);
}

#[test]
fn faults_say_what_kind_they_are() {
    let stage = Stage::new(moment_of::<10>, inbox(), |_| ());
    for (at, words, trouble) in [
        ("AUTHENTICATE", "NO [AUTHENTICATIONFAILED] wrong", plan::REFUSED),
        ("AUTHENTICATE", "NO [UNAVAILABLE] later", plan::BUSY),
        ("EXAMINE", "NO [THROTTLED] slow down", plan::BUSY),
        ("EXAMINE", "NO [NONEXISTENT] gone", plan::OTHER),
        ("UID SEARCH", "NO [LIMIT] too much", plan::BUSY),
        ("UID FETCH 3,5 (UID FLAGS", "NO broken", plan::OTHER),
    ] {
        stage.toy.does(move |command| match command.starts_with(at) {
            true => Habit::Says(words),
            false => Habit::Usual,
        });
        assert_eq!(stage.look().expect_err(at).trouble, trouble, "{at} {words}");
    }
    stage.toy.does(|_| Habit::Usual);
    assert_eq!(stage.look().expect("looked").taken, 2);
}

#[test]
fn a_letter_goes_from_the_middle_of_a_look() {
    let stage = Stage::new(moment_of::<11>, inbox(), |_| ());
    stage.toy.does(|command| match command.contains("UID FETCH 3 (UID BODY") {
        true => Habit::Instead(Vec::new()),
        false => Habit::Usual,
    });
    assert_eq!(stage.look().expect("looked").taken, 1);
    assert_eq!(stage.subjects("INBOX"), ["two"]);
    let _: Vec<Message> = std::mem::take(&mut stage.toy.state().folders[0].messages);
    assert_eq!(stage.look().expect("looked").taken, 0);
}

#[test]
fn a_letter_that_is_not_given_keeps_no_other() {
    let stage = Stage::new(moment_of::<12>, inbox(), |_| ());
    stage.toy.does(|command| match command.contains("UID FETCH 3 (UID BODY") {
        true => Habit::Says("NO [UNAVAILABLE] UID FETCH Server error"),
        false => Habit::Usual,
    });
    assert_eq!(stage.look().expect_err("one is missing").trouble, plan::BUSY);
    assert_eq!(stage.subjects("INBOX"), ["two"]);
    stage.toy.does(|_| Habit::Usual);
    assert_eq!(stage.look().expect("looked").taken, 1);
    assert_eq!(stage.subjects("INBOX").len(), 2);
}
