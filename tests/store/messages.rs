//! Messages: bodies, flags, copies, threads, quota, change log.

use super::{ALICE, BOB, NOW, Office, deliver, letter, letter_of, prepared};
use crate::limits;
use crate::store::change::{Taken, What, expunged_since};
use crate::store::format::{MailRow, MailboxTail, Trace};
use crate::store::kv::OnRow;
use crate::store::mail::{FlagChange, FlagSet, Flags};
use crate::store::{AccountId, Batch, INBOX, MailId, MailboxId, StoreError};
use crate::store::{account, mail, mailbox, trace};

fn row(office: &Office, account: AccountId, mailbox: MailboxId, uid: u32) -> Option<MailRow> {
    mail::row(&office.store.snapshot().expect("a snapshot"), account, mailbox, uid).expect("a row")
}

fn tail(office: &Office, account: AccountId, mailbox: MailboxId) -> MailboxTail {
    let read = office.store.snapshot().expect("a snapshot");
    mailbox::get(&read, account, mailbox).expect("a mailbox").expect("the mailbox").tail
}

fn octets(office: &Office, row: &MailRow, from: u64, to: u64) -> Vec<u8> {
    mail::octets(&office.store.snapshot().expect("a snapshot"), row, from, to).expect("octets")
}

fn keywords(names: &[&str]) -> FlagSet {
    let keywords = names.iter().map(|name| name.to_string()).collect();
    FlagSet { flags: Flags::default(), keywords }
}

/// Octets that no compressor makes smaller, and that do not repeat.
pub(super) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A snapshot that counts how often the keys of messages were gone through.
struct Counted<'a>(&'a crate::store::Snapshot, std::cell::Cell<usize>);

impl crate::store::Read for Counted<'_> {
    fn view(
        &self,
        key: &[u8],
        look: &mut dyn FnMut(&[u8]) -> crate::store::Result<()>,
    ) -> crate::store::Result<bool> {
        self.0.view(key, look)
    }

    fn scan(&self, from: &[u8], to: &[u8], each: &mut OnRow<'_>) -> crate::store::Result<()> {
        self.0.scan(from, to, each)
    }

    fn keys(
        &self,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8]) -> crate::store::Result<bool>,
    ) -> crate::store::Result<()> {
        self.1.set(self.1.get() + 1);
        self.0.keys(from, to, each)
    }

    fn last_key(&self, from: &[u8], to: &[u8]) -> crate::store::Result<Option<Vec<u8>>> {
        self.0.last_key(from, to)
    }
}

/// SELECT of a large mailbox: the log of what was expunged tells the uids, while it reaches back.
#[test]
fn the_uids_of_a_mailbox_are_known_without_a_look_at_its_messages() {
    let office = Office::new();
    office
        .write(|batch| {
            for _ in 0..30_u32 {
                deliver(batch, ALICE, INBOX, &letter("text"))?;
            }
            mail::expunge(batch, ALICE, INBOX, Some(&[1, 7, 8, 30]), true)?;
            mail::expunge(batch, ALICE, INBOX, Some(&[9, 20]), true)
        })
        .expect("a life");
    let runs = || {
        let read = office.store.snapshot().expect("a snapshot");
        let counted = Counted(&read, std::cell::Cell::new(0));
        let runs = mail::uid_runs(&counted, ALICE, INBOX).expect("runs");
        (runs, counted.1.get())
    };
    let there = vec![(2, 6), (10, 19), (21, 29)];
    assert_eq!(runs(), (there.clone(), 0));
    // A log that forgets is not believed.
    let flood = |batch: &mut Batch| {
        let mut tail = tail_of(batch);
        let gaps: Vec<u32> = (0..limits::EXPUNGES_REMEMBERED as u32).map(|i| 100 + 2 * i).collect();
        let modseq = tail.highestmodseq + 1;
        crate::store::change::log_expunged(batch, (ALICE, INBOX), &mut tail, modseq, &gaps)
    };
    office.write(flood).expect("forgotten");
    assert_eq!(runs(), (there, 1));
}

#[test]
fn bodies_of_every_size_come_back_whole_and_in_parts() {
    let office = Office::new();
    let piece = limits::BODY_PART_BYTES;
    let block = limits::BODY_BLOCK_BYTES;
    let mut sizes = vec![0, 1, 2];
    for edge in [piece, 2 * piece, 4 * piece, block, block + piece, 2 * block] {
        sizes.extend([edge - 2, edge - 1, edge, edge + 1]);
    }
    for (seed, &size) in (1..).zip(&sizes) {
        for raw in [noise(size, seed), vec![b'a'; size]] {
            let mut new = letter_of(prepared(&raw, None, &[]), &[]);
            new.prefix = b"Delivered-To: alice\r\n".to_vec();
            let whole = [new.prefix.clone(), raw.clone()].concat();
            let added = office.append(ALICE, INBOX, new).expect("an append");
            let row = row(&office, ALICE, INBOX, added.uid).expect("the row");
            assert_eq!(row.size, whole.len() as u64);
            assert!(octets(&office, &row, 0, u64::MAX) == whole, "size {size}");
            for (from, to) in [(5, 30), (20, 22), (size / 2, size), (size, size + 21)] {
                let to = to.min(whole.len());
                let part = octets(&office, &row, from as u64, to as u64);
                assert!(part == whole.get(from.min(to)..to).expect("in range"), "{size} {from}");
            }
        }
    }
}

#[test]
fn one_content_is_one_body_until_the_last_reference_goes() {
    let office = Office::new();
    let first = office.add(ALICE, "the same words");
    let second = office.add(BOB, "the same words");
    assert_eq!(first.body, second.body);
    let copy = |batch: &mut Batch| mail::copy(batch, ALICE, INBOX, &[1], MailboxId(2), false, NOW);
    assert_eq!(office.write(copy).expect("a copy").uids, [(1, 1)]);
    let other = office.add(BOB, "other words");
    assert_ne!(first.body, other.body);
    let expunge =
        |account| office.write(move |batch| mail::expunge(batch, account, INBOX, Some(&[1]), true));
    expunge(ALICE).expect("an expunge");
    expunge(BOB).expect("an expunge");
    let copy = row(&office, ALICE, MailboxId(2), 1).expect("the copy");
    assert_eq!(octets(&office, &copy, 0, 99), b"the same words");
    let last = |batch: &mut Batch| mail::expunge(batch, ALICE, MailboxId(2), Some(&[1]), true);
    office.write(last).expect("an expunge");
    let gone = mail::head(&office.store.snapshot().expect("a snapshot"), &copy);
    assert!(matches!(gone, Err(StoreError::Corrupt(_))));
    // The same content again is a new body.
    assert_ne!(office.add(ALICE, "the same words").body, first.body);
}

#[test]
fn flags_change_once_and_count_in_the_tail() {
    let office = Office::new();
    for text in ["a", "b", "c"] {
        office.add(ALICE, text);
    }
    assert_eq!(tail(&office, ALICE, INBOX).unseen, 3);
    let seen = FlagChange::Add(FlagSet { flags: Flags::SEEN, keywords: vec!["Work".into()] });
    let change = seen.clone();
    let done = office.write(move |b| mail::set_flags(b, ALICE, INBOX, &[3, 1, 9], &change, None));
    let done = done.expect("a change");
    assert_eq!((done.done, done.missing, done.modseq), (vec![1, 3], vec![9], 5));
    assert_eq!(tail(&office, ALICE, INBOX).unseen, 1);
    // Again: nothing changes, so no modseq is spent.
    let again = office.write(move |b| mail::set_flags(b, ALICE, INBOX, &[1, 3], &seen, None));
    assert_eq!(again.expect("a change").modseq, 0);
    // RFC 7162 3.1.3: what changed since is left alone
    let since = FlagChange::Set(FlagSet { flags: Flags::DELETED, keywords: Vec::new() });
    let since = office.write(move |b| mail::set_flags(b, ALICE, INBOX, &[1, 2], &since, Some(4)));
    let since = since.expect("a change");
    assert_eq!((since.done, since.modified), (vec![2], vec![1]));
    assert_eq!(tail(&office, ALICE, INBOX).deleted, 1);
    let gone = office.write(|batch| mail::expunge(batch, ALICE, INBOX, None, false));
    assert_eq!(gone, Ok((vec![2], 7)));
    let tail = tail(&office, ALICE, INBOX);
    assert_eq!((tail.messages, tail.unseen, tail.deleted, tail.octets), (2, 0, 0, 2));
}

#[test]
fn keywords_keep_the_case_of_their_first_use_and_have_a_limit() {
    let office = Office::new();
    let new = letter_of(prepared(b"x", None, &[]), &["$Label", "$LABEL", "Travel"]);
    office.append(ALICE, INBOX, new).expect("an append");
    let add = FlagChange::Add(keywords(&["TRAVEL", "b"]));
    let one = &[1];
    office.write(move |b| mail::set_flags(b, ALICE, INBOX, one, &add, None)).expect("flags");
    let remove = FlagChange::Remove(keywords(&["$label", "unknown"]));
    office.write(move |b| mail::set_flags(b, ALICE, INBOX, one, &remove, None)).expect("flags");
    let read = office.store.snapshot().expect("a snapshot");
    let name = mailbox::get(&read, ALICE, INBOX).expect("read").expect("INBOX").name;
    assert_eq!(name.keywords, ["$Label", "Travel", "b"]);
    let row = row(&office, ALICE, INBOX, 1).expect("the row");
    assert_eq!(mail::keyword_names(&name, &row), ["Travel", "b"]);
    let many: Vec<String> = (0..limits::KEYWORDS_PER_MAILBOX).map(|i| format!("k{i}")).collect();
    let many = FlagChange::Add(FlagSet { flags: Flags::default(), keywords: many });
    let over = office.write(move |b| mail::set_flags(b, ALICE, INBOX, one, &many, None));
    assert_eq!(over, Err(StoreError::Limit("keywords of a mailbox")));
}

#[test]
fn a_move_keeps_ids_and_tells_both_mailboxes() {
    let office = Office::new();
    let sent = MailboxId(2);
    let new = letter_of(prepared(b"moves", None, &[]), &["Alpha", "Beta"]);
    office.append(ALICE, INBOX, new).expect("an append");
    let here = office.store.hub().watch(ALICE, INBOX);
    let there = office.store.hub().watch(ALICE, sent);
    let before = row(&office, ALICE, INBOX, 1).expect("the row");
    let go = move |b: &mut Batch| mail::copy(b, ALICE, INBOX, &[1, 4], sent, true, NOW + 9);
    let moved = office.write(go).expect("a move");
    assert_eq!(moved.uids, [(1, 1)]);
    let after = row(&office, ALICE, sent, 1).expect("the row");
    assert_eq!((after.email_id, after.thread_id), (before.email_id, before.thread_id));
    assert_eq!((after.save_date, after.internal_date), (NOW + 9, NOW));
    assert!(row(&office, ALICE, INBOX, 1).is_none());
    let what = |taken| match taken {
        Taken::Changes(changes) => changes.iter().map(|change| change.what.clone()).collect(),
        Taken::Lost => Vec::new(),
    };
    assert_eq!(what(here.take()), [What::Expunged(vec![1])]);
    assert_eq!(what(there.take()), [What::Added(vec![1])]);
    // Within one mailbox a move gives a new uid.
    let go = move |b: &mut Batch| mail::copy(b, ALICE, sent, &[1], sent, true, NOW);
    assert_eq!(office.write(go).expect("a move").uids, [(1, 2)]);
    assert_eq!(tail(&office, ALICE, sent).messages, 1);
    // A message moved can be deleted afterwards.
    let delete = move |b: &mut Batch| mail::expunge(b, ALICE, sent, Some(&[2]), true);
    assert_eq!(office.write(delete).expect("an expunge").0, [2]);
}

#[test]
fn threads_follow_message_ids() {
    let office = Office::new();
    let add = |raw: &str, id: Option<&str>, references: &[&str]| {
        let new = letter_of(prepared(raw.as_bytes(), id, references), &[]);
        let uid = office.append(ALICE, INBOX, new).expect("an append").uid;
        row(&office, ALICE, INBOX, uid).expect("the row").thread_id
    };
    let root = add("question", Some("<q@x>"), &[]);
    let answer = add("answer", Some(" <a@x> "), &["unknown@x", "q@x"]);
    let later = add("answer to the answer", Some("<b@x>"), &["a@x"]);
    let other = add("something else", None, &[]);
    assert_eq!((answer, later), (root, root));
    assert_ne!(other, root);
    assert_ne!(add("yet another", None, &[]), other);
}

#[test]
fn the_quota_holds_and_one_full_account_spoils_nothing() {
    let office = Office::new();
    let limit = |account: &mut crate::store::format::Account| {
        account.quota = 10;
        Ok(())
    };
    office.write(move |batch| account::update(batch, BOB, &mut limit.clone())).expect("a quota");
    let both = |batch: &mut Batch| {
        let new = letter("eight is");
        Ok((deliver(batch, BOB, INBOX, &new), deliver(batch, ALICE, INBOX, &new)))
    };
    let (bob, alice) = office.write(both).expect("both fit");
    assert!(bob.is_ok() && alice.is_ok());
    let (bob, alice) = office.write(both).expect("one fits");
    assert_eq!(bob, Err(StoreError::OverQuota { used: 8, quota: 10 }));
    assert!(alice.is_ok());
    let copy = |batch: &mut Batch| mail::copy(batch, BOB, INBOX, &[1], MailboxId(2), false, NOW);
    assert!(matches!(office.write(copy), Err(StoreError::OverQuota { .. })));
    // Moving needs no room; deleting makes room, also across a restart.
    let go = |batch: &mut Batch| mail::copy(batch, BOB, INBOX, &[1], MailboxId(2), true, NOW);
    assert_eq!(office.write(go).expect("a move").uids, [(1, 1)]);
    let delete = |b: &mut Batch| mail::expunge(b, BOB, MailboxId(2), None, true);
    assert_eq!(office.write(delete).expect("an expunge").0, [1]);
    let office = office.reopen();
    assert_eq!(office.add(BOB, "ten octets").uid, 2);
    let read = office.store.snapshot().expect("a snapshot");
    assert_eq!(account::usage(&read, BOB), Ok((10, 1)));
}

#[test]
fn expunges_are_remembered_up_to_the_limit() {
    let office = Office::new();
    let since = |modseq| {
        expunged_since(&office.store.snapshot().expect("a snapshot"), ALICE, INBOX, modseq)
    };
    let count = 40;
    let fill = move |batch: &mut Batch| {
        for i in 0..count {
            deliver(batch, ALICE, INBOX, &letter(&format!("letter {i}")))?;
        }
        Ok(())
    };
    office.write(fill).expect("letters");
    let expunge = |uids: Vec<u32>| {
        let job = move |b: &mut Batch| mail::expunge(b, ALICE, INBOX, Some(&uids), true);
        office.write(job).expect("an expunge").1
    };
    let first = expunge(vec![2, 3, 4, 9]);
    let second = expunge(vec![1, 5]);
    assert_eq!(since(1), Ok(Some(vec![1, 2, 3, 4, 5, 9])));
    assert_eq!(since(first), Ok(Some(vec![1, 5])));
    assert_eq!(since(second), Ok(Some(vec![])));
    // A log that is full forgets the oldest and says so.
    let more = limits::EXPUNGES_REMEMBERED as u32;
    let flood = move |batch: &mut crate::store::Batch| {
        let mut tail = tail_of(batch);
        let gaps: Vec<u32> = (0..more).map(|i| 100 + 2 * i).collect();
        tail.highestmodseq += 1;
        tail.uidnext = 100 + 2 * more;
        let modseq = tail.highestmodseq;
        crate::store::change::log_expunged(batch, (ALICE, INBOX), &mut tail, modseq, &gaps)?;
        Ok((modseq, tail.expunge_runs, tail.forgotten))
    };
    let (modseq, runs, forgotten) = office.write(flood).expect("a flood");
    assert_eq!((runs, forgotten), (0, modseq));
}

fn tail_of(batch: &crate::store::Batch) -> MailboxTail {
    mailbox::get(batch, ALICE, INBOX).expect("read").expect("INBOX").tail
}

#[test]
fn a_session_that_sleeps_too_long_is_told_it_lost_changes() {
    let office = Office::new();
    let watch = office.store.hub().watch(ALICE, INBOX);
    office.add(ALICE, "first");
    office.add(BOB, "not watched");
    match watch.take() {
        Taken::Changes(changes) => {
            let changes: Vec<_> = changes.iter().map(|it| (it.modseq, it.what.clone())).collect();
            assert_eq!(changes, [(2, What::Added(vec![1]))]);
        }
        Taken::Lost => panic!("nothing was lost"),
    }
    assert!(!watch.has_any());
    let change = crate::store::change::Change {
        account: ALICE,
        mailbox: INBOX,
        modseq: 3,
        what: What::Flags(vec![1]),
    };
    office.store.hub().announce(vec![change; limits::WATCH_QUEUE + 1]);
    assert_eq!(watch.take(), Taken::Lost);
    assert_eq!(watch.take(), Taken::Changes(vec![]));
}

#[test]
fn traces_are_found_newest_first_and_forgotten_by_age() {
    let office = Office::new();
    let story = |from: &str, subject: &str| Trace {
        from: from.to_string(),
        subject: subject.to_string(),
        to: vec!["Alice@office.test".to_string()],
        ..Trace::default()
    };
    for (at, from, subject) in [(10, "ann@x", "Hello"), (20, "ben@x", "Bill"), (30, "cat@x", "Oh")]
    {
        let trace = story(from, subject);
        office.write(move |batch| trace::put(batch, MailId(at), &trace)).expect("a trace");
    }
    let find = |text: &str, before, limit| -> Vec<u64> {
        let read = office.store.snapshot().expect("a snapshot");
        let found = trace::find(&read, text, before, limit).expect("a search");
        found.into_iter().map(|(id, _)| id.0).collect()
    };
    assert_eq!(find("", None, 2), [30, 20]);
    assert_eq!(find("ALICE@", Some(MailId(30)), 9), [20, 10]);
    assert_eq!(find("bill", None, 9), [20]);
    assert_eq!(find("1e", None, 9), [30]);
    assert_eq!(office.write(|batch| trace::forget(batch, MailId(30), 1)), Ok(1));
    assert_eq!(office.write(|batch| trace::forget(batch, MailId(30), 9)), Ok(1));
    assert_eq!(find("", None, 9), [30]);
}

#[test]
fn mail_ids_grow_also_when_the_clock_goes_back_and_the_newest_is_gone() {
    let office = Office::new();
    let first = office.add(ALICE, "short lived").body;
    office.write(|b| mail::expunge(b, ALICE, INBOX, None, true)).expect("an expunge");
    let office = office.reopen();
    let next = office.write(|batch| mail::next_id(batch, 5)).expect("an id");
    assert!(next > first);
}
