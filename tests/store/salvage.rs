//! Salvage: damaged stores, and what comes back of them.

use super::messages::noise;
use super::{ALICE, BOB, Folder, NOW, Office, add_person};
use crate::store::format::{OutgoingRecipient, StsPolicy, Trace, TraceStep};
use crate::store::mail::{FlagChange, FlagSet, Flags, NewMail, Prepared};
use crate::store::outbox::{self, NewOutgoing, NewRecipient, Place, State};
use crate::store::salvage::{Archive, Salvaged, Source, salvage};
use crate::store::writer::Options;
use crate::store::{AccountId, Batch, INBOX, MailboxId, Read, Result, Store};
use crate::store::{account, address, mail, mailbox, remote, trace, verify};
use crate::wire::address::Address;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

mod disk;
mod sorted;

const PEOPLE: u32 = 6;
const MESSAGES: u64 = 2_000;
const PAGE: usize = 4_096;

/// A letter of its own content: most are small, some of the size of a picture.
fn letter(number: u64) -> Vec<u8> {
    let size = match number % 50 {
        0 => 150_000,
        1..=4 => 30_000,
        5..=19 => 5_000,
        _ => 900,
    };
    let header = format!(
        "From: Sender {number} <s{number}@example.test>\r\nTo: people@office.test\r\n\
         Subject: letter {number}\r\nMessage-ID: <{number}@example.test>\r\n\
         References: <{}@example.test>\r\n\r\n",
        number - number % 7
    );
    let text = match number % 3 {
        0 => noise(size, number + 11),
        _ => format!("line {number} of many\r\n").into_bytes().repeat(size / 20),
    };
    [header.into_bytes(), text].concat()
}

fn new_mail(number: u64, body: Arc<Prepared>) -> NewMail {
    let keywords =
        if number.is_multiple_of(9) { vec![format!("$Label{}", number % 4)] } else { vec![] };
    NewMail {
        body,
        prefix: format!("Delivered-To: p{}@office.test\r\n", number % 5).into_bytes(),
        flags: FlagSet { flags: Flags((number % 32) as u32 & !Flags::DELETED.0), keywords },
        internal_date: NOW + number as i64,
        internal_zone_minutes: (number % 5) as i32 * 60 - 120,
        save_date: NOW + 2 * number as i64,
    }
}

fn story(number: u64) -> Trace {
    let step = TraceStep { at: NOW, what: "delivered".into(), ..TraceStep::default() };
    Trace { subject: format!("letter {number}"), steps: vec![step], ..Trace::default() }
}

fn deliver(batch: &mut Batch, number: u64, body: &Arc<Prepared>) -> Result<()> {
    let account = AccountId(1 + (number % u64::from(PEOPLE)) as u32);
    let mailbox = MailboxId([1, 1, 1, 6, 7, 2][(number / 6 % 6) as usize]);
    let id = mail::next_id(batch, NOW as u64 * 1_000_000 + number)?;
    let new = new_mail(number, body.clone());
    mail::append(batch, account, mailbox, &new, id)?;
    if number % 10 == 3 {
        let other = AccountId(1 + (number + 1) as u32 % PEOPLE);
        mail::append(batch, other, INBOX, &new, id)?;
    }
    trace::put(batch, id, &story(number))
}

/// Mail to the outside, some of it held.
fn send(batch: &mut Batch, number: u64) -> Result<()> {
    let to = Address::parse(&format!("friend{number}@elsewhere.test")).expect("an address");
    let id = mail::next_id(batch, NOW as u64 * 1_000_000 + number)?;
    let new = NewOutgoing {
        body: Arc::new(Prepared::new(&letter(1_000_000 + number))),
        sender: Address::parse("alice@office.test").ok(),
        smtputf8: false,
        eight_bit: number.is_multiple_of(2),
        ret: None,
        envid: Some(b"envelope".to_vec()),
        recipients: vec![NewRecipient { to, notify: None, orcpt: None }],
        prefix: format!("X-Passed-On: {number}\r\n").into_bytes(),
        report_to: Address::parse("bob@office.test").ok(),
        now: NOW + number as i64,
    };
    outbox::put(batch, id, &new)?;
    if number.is_multiple_of(3) {
        let place = Place { due: NOW as u64 + number, id };
        let mut row = outbox::get(batch, place)?.expect("the row");
        row.recipients.iter_mut().for_each(|it: &mut OutgoingRecipient| it.set_state(State::Held));
        outbox::update(batch, place, &row)?;
    }
    Ok(())
}

/// A store in which several people have lived, and its file; old pages stand among the new.
fn lived_in(messages: u64) -> (Vec<u8>, Picture) {
    let office = Office::new();
    let people = |batch: &mut Batch| {
        for i in 3..=PEOPLE {
            add_person(batch, &format!("person{i}"))?;
        }
        let all: Vec<_> = (1..=PEOPLE).map(AccountId).collect();
        let to_all = Address::parse("all@office.test").expect("an address");
        address::set_alias(batch, &to_all, &all, NOW)?;
        let away = Address::parse("away@office.test").expect("an address");
        let outside = Address::parse("alice@elsewhere.test").expect("an address");
        address::set_route(batch, &away, &[], &[outside], NOW)?;
        address::set_postmaster(batch, "office.test", Some(BOB))?;
        let domain = "elsewhere.test".to_string();
        let policy = StsPolicy { domain, mode: 2, fetched: NOW, ..StsPolicy::default() };
        remote::put_policy(batch, &policy)?;
        address::add_domain(batch, "branch.test", NOW + 1)?;
        address::set_catch_all(batch, "branch.test", Some(BOB))?;
        for id in all {
            mailbox::create(batch, id, "Projekte/Brücke \u{1f309}", "", NOW)?;
        }
        mailbox::subscribe(batch, ALICE, "Projekte/Brücke \u{1f309}")?;
        account::count_sent(batch, ALICE, 7, NOW)?;
        account::update(batch, ALICE, &mut |row| {
            row.suspended = true;
            row.quota = 1 << 40;
            Ok(())
        })
    };
    office.write(people).expect("people");
    let numbers: Vec<u64> = (0..messages).collect();
    for some in numbers.chunks(100) {
        let letters: Vec<_> =
            some.iter().map(|&n| (n, Arc::new(Prepared::new(&letter(n))))).collect();
        let fill = move |batch: &mut Batch| {
            letters.iter().try_for_each(|(number, body)| deliver(batch, *number, body))
        };
        office.write(fill).expect("mail");
    }
    let live = move |batch: &mut Batch| {
        for account in (1..=PEOPLE).map(AccountId) {
            let seen = FlagSet { flags: Flags::SEEN, keywords: vec!["$Done".into()] };
            let uids = [1, 2, 3, 5, 8, 13, 21];
            mail::set_flags(batch, account, INBOX, &uids, &FlagChange::Add(seen), None)?;
            mail::copy(batch, account, INBOX, &[2, 4, 9], MailboxId(6), false, NOW)?;
            mail::copy(batch, account, INBOX, &[6, 7], MailboxId(5), true, NOW)?;
            mail::expunge(batch, account, INBOX, Some(&[10, 11, 12, 14]), true)?;
        }
        mailbox::rename(batch, BOB, "Archive", "Old things", NOW)
    };
    office.write(live).expect("a life");
    office.write(|batch| (0..9).try_for_each(|number| send(batch, number))).expect("the outbox");
    let picture = picture(&office.store);
    let Office { store, folder } = office;
    drop(store);
    let file = std::fs::read(folder.store().join("data.mdb")).expect("the file");
    (file, picture)
}

/// What people see: of each message, by who, mailbox and uid, all that there is; and the rest.
#[derive(Debug, PartialEq, Clone, Default)]
struct Picture {
    messages: BTreeMap<(String, String, u32), Seen>,
    rest: Vec<String>,
}

#[derive(Debug, PartialEq, Clone)]
struct Seen {
    content: u32,
    facts: String,
}

fn picture(store: &Store) -> Picture {
    let read = store.snapshot().expect("a snapshot");
    let mut picture = Picture::default();
    let rest = &mut picture.rest;
    rest.push(format!("{:?}", address::domains(&read).expect("domains")));
    rest.push(format!("{:?}", address::routes(&read).expect("routes")));
    rest.push(format!("{:?}", remote::policies(&read, "", 9).expect("policies")));
    for (id, row) in account::list(&read).expect("accounts") {
        rest.push(format!("{id:?} {row:?} sent {:?}", account::sent(&read, id, NOW)));
        rest.push(format!("{:?}", mailbox::subscriptions(&read, id)));
        for mailbox in mailbox::list(&read, id).expect("mailboxes") {
            let tail = &mailbox.tail;
            let counts = (tail.uidnext, tail.highestmodseq, tail.messages, tail.unseen);
            rest.push(format!("{} {:?} {counts:?} {}", row.login, mailbox.name, tail.octets));
            mail::rows(&read, id, mailbox.id, 0, u32::MAX, &mut |uid, message| {
                let octets = mail::octets(&read, &message, 0, u64::MAX)?;
                let keywords = mail::keyword_names(&mailbox.name, &message);
                let ids = (message.email_id, message.thread_id, message.modseq);
                let dates = (message.internal_date, message.internal_zone_minutes);
                let (prefix, body) = octets.split_at(message.prefix.len());
                let prefix = String::from_utf8_lossy(prefix);
                let facts = format!(
                    "{} {keywords:?} {ids:?} {dates:?} {} {} {prefix}",
                    message.flags, message.save_date, message.size
                );
                let place = (row.login.clone(), mailbox.name.name.clone(), uid);
                let content = crc32fast::hash(body);
                picture.messages.insert(place, Seen { content, facts });
                Ok(true)
            })
            .expect("messages");
        }
    }
    for (place, row) in
        outbox::list(&read, Place { due: 0, id: Default::default() }, 99).expect("O")
    {
        let octets = outbox::octets(&read, &row, 0, u64::MAX).expect("its octets");
        rest.push(format!("{place:?} {row:?} {}", crc32fast::hash(&octets)));
    }
    for (id, trace) in trace::find(&read, "", None, 9_999).expect("stories") {
        rest.push(format!("{id} {trace:?}"));
    }
    picture
}

struct Back {
    told: Salvaged,
    picture: Picture,
    _folder: Folder,
}

/// Salvages, and verifies the new store.
fn bring_back(source: &dyn Source) -> Back {
    let folder = Folder::new();
    let dir = folder.store();
    let mut steps = Vec::new();
    let told = salvage(source, &dir, small(), NOW + 1_000_000, &mut |done| {
        steps.push(done);
        Ok(())
    });
    let told = told.expect("a salvage");
    assert!(steps.is_sorted() && steps.last() == Some(&1_000), "{:?}", steps.last());
    let store = Store::open(&dir, Options::default()).expect("the new store");
    let report = verify::verify(&store, &mut |_, _| {}).expect("a check");
    assert_eq!(report.faults, Vec::<String>::new());
    assert!(!dir.join("salvaging").exists());
    let picture = picture(&store);
    drop(store);
    Back { told, picture, _folder: folder }
}

fn small() -> Options {
    Options { map_bytes: 64 << 20, map_step_bytes: 64 << 20, ..Options::default() }
}

/// How many of the messages are there as they were: in their mailbox, and in any.
fn came_back(before: &Picture, after: &Picture) -> (usize, usize) {
    let same = |(place, seen): &(&(String, String, u32), &Seen)| {
        after
            .messages
            .get(place)
            .is_some_and(|it| it.facts == seen.facts && it.content == seen.content)
    };
    let contents: std::collections::HashSet<u32> =
        after.messages.values().map(|seen| seen.content).collect();
    let content = |seen: &&Seen| contents.contains(&seen.content);
    let here = before.messages.iter().filter(same).count();
    (here, before.messages.values().filter(content).count())
}

/// Overwrites so many pages of a hundred with noise, the same ones each time.
fn with_noise(file: &[u8], percent: u64) -> Vec<u8> {
    let mut file = file.to_vec();
    let pages = (file.len() / PAGE) as u64;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ percent;
    let mut left = pages * percent / 100;
    let mut hit = std::collections::HashSet::new();
    while left > 0 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let page = (state >> 33) % pages;
        if hit.insert(page) {
            let at = page as usize * PAGE;
            file[at..at + PAGE].copy_from_slice(&noise(PAGE, state));
            left -= 1;
        }
    }
    file
}

#[test]
fn of_an_undamaged_store_everything_comes_back_as_it_was() {
    let (file, before) = lived_in(600);
    let back = bring_back(&file);
    assert!(before.messages.len() > 600);
    assert_eq!(back.picture.messages, before.messages);
    assert_eq!(back.picture.rest, before.rest);
    let told = back.told;
    assert_eq!(told.messages.whole, before.messages.len() as u64);
    assert_eq!((told.messages.lost, told.messages.incomplete), (0, 0));
    assert_eq!(told.messages.permille(), Some(1_000));
    assert_eq!((told.unreadable_pages, told.lost_index_pages, told.readable_beginnings), (0, 0, 2));
    assert!(told.tells_old_from_new && told.perhaps_old_rows == 0 && told.unknown_rows == 0);
    assert_eq!((told.outgoing.messages, told.outgoing.held, told.outgoing.lost), (9, 0, 0));
    assert!(told.remains > 0, "old pages were among the new, or this tests less than it says");
}

#[test]
fn a_file_read_without_the_engine_holds_the_same_rows() {
    let (file, _) = lived_in(300);
    let folder = Folder::new();
    std::fs::create_dir(folder.store()).expect("a folder");
    let path = folder.store().join("data.mdb");
    std::fs::write(&path, file).expect("a copy");
    let archive = Archive::open(&path, None).expect("the file");
    let store = Store::open(&folder.store(), Options::default()).expect("the store");
    let read = store.snapshot().expect("a snapshot");
    type Rows = Vec<(Vec<u8>, Vec<u8>)>;
    fn rows(read: &impl Read, from: &[u8], to: &[u8]) -> Rows {
        let mut rows = Rows::new();
        read.scan(from, to, &mut |key, payload| {
            rows.push((key.to_vec(), payload.to_vec()));
            Ok(true)
        })
        .expect("rows");
        rows
    }
    let all = rows(&read, &[0], &[0xff]);
    assert!(all.len() > 2_000);
    assert!(rows(&archive, &[0], &[0xff]) == all);
    for some in all.chunks(97) {
        let (first, last) = (&some[0].0, &some[some.len() - 1].0);
        assert!(rows(&archive, first, last) == some[..some.len() - 1]);
        assert_eq!(archive.get(first), read.get(first));
        assert_eq!(archive.get(&[&first[..], &[7]].concat()), Ok(None));
        assert_eq!(archive.last_key(&[0], last), read.last_key(&[0], last));
    }
}

fn tell(what: &str, before: &Picture, back: &Back) -> (usize, usize) {
    let (same, content) = came_back(before, &back.picture);
    let all = before.messages.len();
    let share = |count: usize| count as f64 * 100.0 / all as f64;
    let line = format!(
        "\n== salvage, {what}: {:.1} % of {all} messages came back as they were, {:.1} % with all \
         of their content; {} incomplete, {} told as lost\n",
        share(same),
        share(content),
        back.told.messages.incomplete,
        back.told.messages.lost,
    );
    // Not by a macro: the harness keeps for itself what those print.
    std::io::stdout().write_all(line.as_bytes()).expect("standard output");
    (same, content)
}

#[test]
fn of_a_damaged_store_comes_back_what_was_not_hit() {
    let (file, before) = lived_in(MESSAGES);
    let all = before.messages.len();
    let back = bring_back(&file);
    assert_eq!(tell("no damage", &before, &back), (all, all));
    assert_eq!(back.picture, before);
    // At the least: measured, and a tenth of it as room for another spread of the damage.
    for (percent, least) in [(1, 80), (10, 45), (50, 3)] {
        let back = bring_back(&with_noise(&file, percent));
        let what = format!("{percent} % of the pages noise");
        let (_, content) = tell(&what, &before, &back);
        assert!(content * 100 >= least * all, "{what}: only {content} of {all}");
        assert_told_truly(&before, &back);
    }
    let back = bring_back(&file[..file.len() / 2].to_vec());
    let (_, content) = tell("cut off at half", &before, &back);
    assert!(content * 100 >= 20 * all, "only {content} of {all}");
    assert_told_truly(&before, &back);
}

/// Nothing comes back that never was, and no more is said to be whole than is.
fn assert_told_truly(before: &Picture, back: &Back) {
    let leaving = (0..9).map(|number| crc32fast::hash(&letter(1_000_000 + number)));
    let known: std::collections::HashSet<u32> =
        before.messages.values().map(|seen| seen.content).chain(leaving).collect();
    let bare = |seen: &&Seen| !known.contains(&seen.content);
    let unknown = back.picture.messages.values().filter(bare).count() as u64;
    let messages = &back.told.messages;
    // What came from an old page may have been deleted before, and it is said where that is so.
    if back.told.tells_old_from_new {
        assert!(unknown <= messages.incomplete + messages.perhaps_old, "{unknown}: {messages:?}");
    }
    let there = back.picture.messages.len() as u64;
    assert_eq!(messages.whole + messages.incomplete, there);
}

/// Makes every copy of a row unreadable. How many were there?
fn lose(file: &mut [u8], key: &[u8]) -> usize {
    let head = [&(key.len() as u16).to_le_bytes(), key].concat();
    let at = |(at, octets): (usize, &[u8])| (octets == head).then_some(at);
    let places: Vec<usize> = file.windows(head.len()).enumerate().filter_map(at).collect();
    // The checksum stands before the length of the key.
    places.iter().for_each(|place| file[place - 1] ^= 0xff);
    places.len()
}

fn key_of(tag: u8, numbers: &[u32]) -> Vec<u8> {
    let numbers = numbers.iter().flat_map(|number| number.to_be_bytes());
    std::iter::once(tag).chain(numbers).collect()
}

fn message_key(account: u32, mailbox: u32, uid: u32) -> Vec<u8> {
    let mut key = key_of(b'M', &[account, mailbox]);
    key.push(0);
    key.extend(uid.to_be_bytes());
    key
}

fn in_mailbox<'p>(picture: &'p Picture, login: &str, name: &str) -> Vec<(u32, &'p Seen)> {
    let here = |at: &(String, String, u32)| at.0 == login && at.1 == name;
    let rows = picture.messages.iter().filter(|(at, _)| here(at));
    rows.map(|(at, seen)| (at.2, seen)).collect()
}

#[test]
fn what_lost_its_owner_its_folder_or_its_row_is_found_all_the_same() {
    let (mut file, before) = lived_in(300);
    assert!(lose(&mut file, &key_of(b'C', &[2])) > 0, "the account of bob");
    assert!(lose(&mut file, &key_of(b'N', &[1, 7])) > 0, "the name of alice's project");
    assert!(lose(&mut file, &key_of(b'N', &[3, 1])) > 0, "that of an INBOX");
    assert!(lose(&mut file, &message_key(4, 1, 20)) > 0, "the row of a message");
    let tail = [key_of(b'M', &[5, 1]), vec![0xff]].concat();
    assert!(lose(&mut file, &tail) > 0, "the counters of an INBOX");
    let back = bring_back(&file);
    let after = &back.picture;
    let told = |login: &str| {
        let found = back.told.accounts.iter().find(|it| it.login == login);
        found.unwrap_or_else(|| panic!("{login} in {:?}", back.told.accounts)).clone()
    };
    // Bob's address survived, so the account in his place has it; all his mail is there.
    let bob = told("bob@office.test");
    assert!(bob.placeholder);
    let of_bob = |picture: &Picture| {
        let own = picture.messages.iter().filter(|(at, _)| at.0 == "bob@office.test");
        own.map(|(at, seen)| (at.clone(), seen.clone())).collect::<Vec<_>>()
    };
    assert_eq!(of_bob(after), of_bob(&before));
    // Alice's project is in Salvaged, the flags kept; INBOX needs no name to be known.
    let project = in_mailbox(&before, "alice@office.test", "Projekte");
    let salvaged = in_mailbox(after, "alice@office.test", "Salvaged");
    let contents =
        |list: &[(u32, &Seen)]| list.iter().map(|(_, it)| it.content).collect::<Vec<_>>();
    assert!(!project.is_empty());
    assert_eq!(contents(&salvaged), contents(&project));
    let inbox = |picture: &Picture| {
        let rows = in_mailbox(picture, "person3@office.test", "INBOX");
        rows.into_iter().map(|(uid, seen)| (uid, seen.content)).collect::<Vec<_>>()
    };
    assert_eq!(inbox(after), inbox(&before));
    // The content whose row is lost is found by its Message-ID.
    let rowless = &before.messages[&("person4@office.test".into(), "INBOX".into(), 20)];
    let found = in_mailbox(after, "person4@office.test", "Salvaged");
    assert_eq!(contents(&found), [rowless.content]);
    assert_eq!(told("person4@office.test").messages.lost, 0);
    // Where the counters are lost no UID is given again.
    let uids = |picture: &Picture| in_mailbox(picture, "person5@office.test", "INBOX").len();
    assert_eq!(uids(after), uids(&before));
    let told = told("person5@office.test");
    assert!(told.mailboxes.iter().any(|it| it.name == "INBOX" && !it.counted));
    let uidnext = after
        .rest
        .iter()
        .find(|line| line.starts_with("person5@office.test") && line.contains("\"INBOX\""));
    let far = uidnext.expect("its counters").split('(').nth(1).expect("counts").to_string();
    let far: u32 = far.split(',').next().expect("uidnext").parse().expect("a number");
    assert!(far > 1 << 20, "{far}");
}

#[test]
fn a_message_with_holes_says_so_and_an_outgoing_one_is_not_sent() {
    let office = Office::new();
    let raw = letter(0);
    let added =
        office.append(ALICE, INBOX, new_mail(0, Arc::new(Prepared::new(&raw)))).expect("in");
    let second = letter(150);
    let other = office.append(ALICE, INBOX, new_mail(0, Arc::new(Prepared::new(&second))));
    let other = other.expect("in");
    office.write(|batch| send(batch, 1)).expect("out");
    let Office { store, folder } = office;
    drop(store);
    let mut file = std::fs::read(folder.store().join("data.mdb")).expect("the file");
    let part = |mail: u64, part: u32| {
        let mut key = vec![b'J'];
        key.extend(mail.to_be_bytes());
        key.push(1);
        key.extend(part.to_be_bytes());
        key
    };
    assert!(lose(&mut file, &part(added.body.0, 9)) > 0, "a piece of the second block");
    assert!(lose(&mut file, &part(other.body.0, 0)) > 0, "the first piece of the other");
    let sent = NOW as u64 * 1_000_000 + 2;
    assert!(lose(&mut file, &part(sent, 0)) > 0, "what was to be sent");
    let back = bring_back(&file);
    assert_eq!((back.told.messages.whole, back.told.messages.incomplete), (0, 2));
    assert_eq!((back.told.outgoing.messages, back.told.outgoing.lost), (0, 1));
    let store = Store::open(&back._folder.store(), Options::default()).expect("the new store");
    let read = store.snapshot().expect("a snapshot");
    let mut found = Vec::new();
    mail::rows(&read, ALICE, INBOX, 0, u32::MAX, &mut |uid, row| {
        let octets = mail::octets(&read, &row, 0, u64::MAX)?;
        found.push((uid, String::from_utf8_lossy(&octets).into_owned(), octets));
        Ok(true)
    })
    .expect("messages");
    let [(first_uid, first, octets), (_, second, _)] = &found[..] else {
        panic!("{}", found.len())
    };
    // RFC 9051 2.3.1.1: what a client has under the old UID is another content.
    assert!(*first_uid > other.uid);
    assert!(first.contains("X-Mailroom-Salvaged: not whole; 65536 octets are lost"));
    assert!(first.contains("Subject: letter 0\r\n"));
    assert!(first.contains("[65536 octets of this message are lost]"));
    let whole_block = &raw[..65_536];
    assert!(octets.windows(whole_block.len()).any(|it| it == whole_block), "the rest is as it was");
    // The header was in the lost block: it is made again of what is known beside the body.
    assert!(second.contains("Subject: letter 150\r\n") && second.contains("s150@example.test"));
}

#[test]
fn without_its_first_pages_a_store_comes_back_and_gone_mail_stays_gone() {
    let (mut file, before) = lived_in(600);
    file[..2 * PAGE].copy_from_slice(&noise(2 * PAGE, 5));
    let back = bring_back(&file);
    let (same, _) = tell("both first pages noise", &before, &back);
    assert_eq!(same, before.messages.len());
    assert!(!back.told.tells_old_from_new && back.told.readable_beginnings == 0);
    for name in ["alice", "bob", "person3", "person6"] {
        let login = format!("{name}@office.test");
        let uids = |picture: &Picture| {
            let rows = in_mailbox(picture, &login, "INBOX");
            rows.into_iter().map(|(uid, _)| uid).collect::<Vec<_>>()
        };
        assert_eq!(uids(&back.picture), uids(&before), "{name}: expunged and moved mail");
    }
}

#[test]
fn odd_files_are_no_trouble() {
    let (file, before) = lived_in(60);
    let odd = [
        Vec::new(),
        vec![0],
        vec![0; 100_000],
        vec![0xff; 100_001],
        noise(1 << 20, 77),
        file[..PAGE].to_vec(),
        file[..3 * PAGE + 1].to_vec(),
        file[2 * PAGE..].to_vec(),
    ];
    for (number, file) in odd.into_iter().enumerate() {
        let back = bring_back(&file);
        assert!(back.told.messages.whole <= before.messages.len() as u64);
        assert!(number >= 5 || !back.told.has_anything(), "{number}: {:?}", back.told);
    }
}

#[test]
fn an_old_row_of_a_closed_account_removes_no_mail() {
    let office = Office::new();
    office.write(|batch| account::close(batch, ALICE, 3, NOW)).expect("closed");
    let Office { store, folder } = office;
    drop(store);
    let mut file = std::fs::read(folder.store().join("data.mdb")).expect("the file");
    let says = |back: &Back, what: &str| {
        let rows = back.picture.rest.iter().filter(|it| it.contains("login: \"alice@"));
        rows.filter(|it| it.contains("suspended: true")).any(|it| it.contains(what))
    };
    assert!(says(&bring_back(&file), "days: 3"), "of a whole store it is as it was");
    // Nothing but the pages themselves is left to tell which row is the last.
    file[..2 * PAGE].copy_from_slice(&noise(2 * PAGE, 5));
    assert!(says(&bring_back(&file), "leaving: None"));
}

/// A page as the engine writes it, in which stands an account that anybody knows the password of.
fn forged_page(number: u64) -> Vec<u8> {
    let row = crate::store::format::Account {
        login: "intruder@office.test".into(),
        next_mailbox: 99,
        next_uidvalidity: 99,
        ..Default::default()
    };
    let (key, payload) = (key_of(b'C', &[1]), prost::Message::encode_to_vec(&row));
    let length = (key.len() as u16).to_le_bytes();
    let crc = crc32fast::hash(&[&length[..], &key, &payload].concat());
    let row = [&crc.to_le_bytes()[..], &length, &key, &payload].concat();
    let node = [&(row.len() as u32).to_le_bytes()[..], &[0, 0], &length, &key, &row].concat();
    let at = ((PAGE - node.len()) & !1) as u16;
    let mut page = noise(PAGE, 3);
    page[..8].copy_from_slice(&number.to_le_bytes());
    page[8..12].copy_from_slice(&[0, 0, 2, 0]);
    page[12..14].copy_from_slice(&18_u16.to_le_bytes());
    page[14..16].copy_from_slice(&at.to_le_bytes());
    page[16..18].copy_from_slice(&at.to_le_bytes());
    page[usize::from(at)..usize::from(at) + node.len()].copy_from_slice(&node);
    page
}

#[test]
fn mail_that_looks_like_a_page_of_the_store_is_mail() {
    // How far into the content the second page of its run begins: page head, row head, key, kind.
    let skip = PAGE - 16 - 6 - 14 - 1;
    let store_with = |content: &[u8]| {
        let office = Office::new();
        let body = Arc::new(Prepared::new(content));
        office.append(BOB, INBOX, new_mail(0, body)).expect("mail");
        let Office { store, folder } = office;
        drop(store);
        std::fs::read(folder.store().join("data.mdb")).expect("the file")
    };
    let mut content = noise(16_000, 21);
    let file = store_with(&content);
    let mark = &content[skip..skip + 64];
    let at = file.windows(64).position(|it| it == mark).expect("it stands in the file raw");
    assert_eq!(at % PAGE, 0);
    content[skip..skip + PAGE].copy_from_slice(&forged_page((at / PAGE) as u64));
    let mut file = store_with(&content);
    let there =
        |file: &[u8]| file[at + PAGE - 200..at + PAGE].windows(8).any(|it| it == b"intruder");
    assert!(there(&file), "the forged page stands where its number says");
    // Nothing but the pages themselves is left to tell.
    file[..2 * PAGE].copy_from_slice(&noise(2 * PAGE, 5));
    let back = bring_back(&file);
    let logins: Vec<_> = back.told.accounts.iter().map(|it| it.login.as_str()).collect();
    assert_eq!(logins, ["alice@office.test", "bob@office.test"]);
    assert_eq!(back.told.messages.whole, 1);
    // With the run itself damaged nothing tells it from a page: that is what the rule above holds.
    file[at - PAGE + 100] ^= 1;
    let back = bring_back(&file);
    assert_eq!(back.told.messages.whole, 0);
}

/// Few, but for those who ask for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(48)
}

/// One change to a file: where (in thousandths), how, and with what.
fn damage() -> impl Strategy<Value = (u64, u8, Vec<u8>)> {
    (0_u64..1_000, 0_u8..5, prop::collection::vec(any::<u8>(), 1..64))
}

fn damaged(file: &[u8], changes: &[(u64, u8, Vec<u8>)]) -> Vec<u8> {
    let mut file = file.to_vec();
    for (place, how, octets) in changes {
        let at = file.len() * *place as usize / 1_000;
        let page = at / PAGE * PAGE;
        match how {
            // Octets, a page of noise, the head of a page, a page in the place of another, a cut.
            0 => file[at..].iter_mut().zip(octets).for_each(|(to, from)| *to = *from),
            1 => file[page..]
                .iter_mut()
                .take(PAGE)
                .zip(noise(PAGE, at as u64))
                .for_each(|(to, from)| *to = from),
            2 => file[page + 8..].iter_mut().zip(octets).for_each(|(to, from)| *to ^= *from),
            3 => {
                let other = usize::from(octets[0]) * PAGE;
                if other + PAGE <= file.len() && page + PAGE <= file.len() {
                    file.copy_within(other..other + PAGE, page);
                }
            }
            _ if *place > 500 => file.truncate(at),
            _ => {}
        }
    }
    file
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn no_damage_makes_it_stumble(changes in prop::collection::vec(damage(), 1..12)) {
        static SOURCE: std::sync::OnceLock<(Vec<u8>, Picture)> = std::sync::OnceLock::new();
        let (file, before) = SOURCE.get_or_init(|| lived_in(40));
        // `bring_back` verifies the new store.
        let back = bring_back(&damaged(file, &changes));
        assert_told_truly(before, &back);
    }
}
