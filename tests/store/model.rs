//! Random lives of mailboxes beside a model in memory that is too simple to be wrong.

use super::{ALICE, BOB, NOW, Office, letter};
use crate::store::change::expunged_since;
use crate::store::mail::{FlagChange, FlagSet, Flags};
use crate::store::{AccountId, MailboxId, mail, mailbox, verify};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone)]
enum Act {
    Append { at: Place, text: u8 },
    Flag { at: Place, uids: Vec<u32>, how: u8, flags: u32, keyword: Option<u8> },
    Copy { at: Place, uids: Vec<u32>, to: u32, remove: bool },
    Expunge { at: Place, uids: Option<Vec<u32>>, all: bool },
    Reopen,
}

type Place = (AccountId, MailboxId);

fn place() -> impl Strategy<Value = Place> {
    (prop_oneof![Just(ALICE), Just(BOB)], 1_u32..=3).prop_map(|(who, id)| (who, MailboxId(id)))
}

fn uids() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(1_u32..12, 0..6)
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (place(), 0_u8..6).prop_map(|(at, text)| Act::Append { at, text }),
        4 => (place(), uids(), 0_u8..3, 0_u32..32, prop::option::of(0_u8..4)).prop_map(
            |(at, uids, how, flags, keyword)| Act::Flag { at, uids, how, flags, keyword }
        ),
        3 => (place(), uids(), 1_u32..=3, any::<bool>())
            .prop_map(|(at, uids, to, remove)| Act::Copy { at, uids, to, remove }),
        3 => (place(), prop::option::of(uids()), prop::bool::weighted(0.3))
            .prop_map(|(at, uids, all)| Act::Expunge { at, uids, all }),
        1 => Just(Act::Reopen),
    ]
}

#[derive(Default, Clone)]
struct Box {
    messages: BTreeMap<u32, (u8, u32, BTreeSet<String>)>,
    uidnext: u32,
    highest: u64,
    gone: Vec<(u64, u32)>,
}

#[derive(Default)]
struct Model(BTreeMap<Place, Box>);

impl Model {
    fn at(&mut self, at: Place) -> &mut Box {
        let new = || Box { uidnext: 1, highest: 1, ..Box::default() };
        self.0.entry(at).or_insert_with(new)
    }
}

fn run(office: &Office, model: &mut Model, act: Act) {
    match act {
        Act::Append { at, text } => {
            let added = office.append(at.0, at.1, letter(&word(text))).expect("an append");
            let mailbox = model.at(at);
            assert_eq!(added.uid, mailbox.uidnext);
            mailbox.messages.insert(added.uid, (text, 0, BTreeSet::new()));
            mailbox.uidnext += 1;
            mailbox.highest += 1;
        }
        Act::Flag { at, uids, how, flags, keyword } => {
            flag(office, model, at, uids, how, flags, keyword)
        }
        Act::Copy { at, uids, to, remove } => copy(office, model, at, uids, MailboxId(to), remove),
        Act::Expunge { at, uids, all } => {
            let asked = uids.clone();
            let job = move |b: &mut crate::store::Batch| {
                mail::expunge(b, at.0, at.1, asked.as_deref(), all)
            };
            let (gone, _) = office.write(job).expect("an expunge");
            let mailbox = model.at(at);
            let doomed: Vec<u32> = mailbox
                .messages
                .iter()
                .filter(|(uid, _)| uids.as_ref().is_none_or(|uids| uids.contains(uid)))
                .filter(|(_, (_, flags, _))| all || flags & Flags::DELETED.0 != 0)
                .map(|(&uid, _)| uid)
                .collect();
            assert_eq!(gone, doomed);
            vanish(mailbox, &doomed);
        }
        Act::Reopen => {}
    }
}

fn word(text: u8) -> String {
    format!("text {text} ").repeat(usize::from(text) * 3_000 + 1)
}

fn vanish(mailbox: &mut Box, uids: &[u32]) {
    if uids.is_empty() {
        return;
    }
    mailbox.highest += 1;
    for uid in uids {
        mailbox.messages.remove(uid);
        mailbox.gone.push((mailbox.highest, *uid));
    }
}

fn flag(
    office: &Office,
    model: &mut Model,
    at: Place,
    uids: Vec<u32>,
    how: u8,
    flags: u32,
    keyword: Option<u8>,
) {
    let keywords: Vec<String> = keyword.iter().map(|number| format!("key{number}")).collect();
    let set = FlagSet { flags: Flags(flags), keywords: keywords.clone() };
    let change = match how {
        0 => FlagChange::Set(set),
        1 => FlagChange::Add(set),
        _ => FlagChange::Remove(set),
    };
    let asked = uids.clone();
    let job =
        move |b: &mut crate::store::Batch| mail::set_flags(b, at.0, at.1, &asked, &change, None);
    let done = office.write(job).expect("flags");
    let mailbox = model.at(at);
    let uids: BTreeSet<u32> = uids.into_iter().collect();
    let mut changed = false;
    for uid in &uids {
        let Some((_, old, words)) = mailbox.messages.get_mut(uid) else { continue };
        let before = (*old, words.clone());
        match how {
            0 => (*old, *words) = (flags, keywords.iter().cloned().collect()),
            1 => {
                *old |= flags;
                words.extend(keywords.iter().cloned());
            }
            _ => {
                *old &= !flags;
                words.retain(|word| !keywords.contains(word));
            }
        }
        changed |= before != (*old, words.clone());
    }
    mailbox.highest += u64::from(changed);
    let (there, missing) = uids.iter().partition(|uid| mailbox.messages.contains_key(uid));
    assert_eq!((done.done, done.missing), (there, missing));
}

fn copy(
    office: &Office,
    model: &mut Model,
    at: Place,
    uids: Vec<u32>,
    to: MailboxId,
    remove: bool,
) {
    let asked = uids.clone();
    let job = move |b: &mut crate::store::Batch| mail::copy(b, at.0, at.1, &asked, to, remove, NOW);
    let copied = office.write(job).expect("a copy");
    let uids: BTreeSet<u32> = uids.into_iter().collect();
    let there: Vec<_> = uids
        .into_iter()
        .filter_map(|uid| Some((uid, model.at(at).messages.get(&uid)?.clone())))
        .collect();
    let target = model.at((at.0, to));
    let mut pairs = Vec::new();
    for (uid, message) in &there {
        pairs.push((*uid, target.uidnext));
        target.messages.insert(target.uidnext, message.clone());
        target.uidnext += 1;
    }
    target.highest += u64::from(!there.is_empty());
    assert_eq!(copied.uids, pairs);
    if remove {
        let gone: Vec<u32> = there.iter().map(|(uid, _)| *uid).collect();
        let source = model.at(at);
        // Within one mailbox the job has one modseq for both.
        source.highest -= u64::from(at.1 == to && !gone.is_empty());
        vanish(source, &gone);
    }
}

fn compare(office: &Office, model: &mut Model) {
    let read = office.store.snapshot().expect("a snapshot");
    for (&(account, id), expected) in &model.0 {
        let found = mailbox::get(&read, account, id).expect("read").expect("the mailbox");
        let mut messages = BTreeMap::new();
        mail::rows(&read, account, id, 0, u32::MAX, &mut |uid, row| {
            let octets = mail::octets(&read, &row, 0, u64::MAX)?;
            let text = *octets.get(5).expect("the number") - b'0';
            assert_eq!(octets, word(text).into_bytes());
            let words = mail::keyword_names(&found.name, &row).into_iter().collect();
            messages.insert(uid, (text, row.flags, words));
            Ok(true)
        })
        .expect("messages");
        assert_eq!(messages, expected.messages);
        let runs = mail::uid_runs(&read, account, id).expect("runs");
        let uids: Vec<u32> = runs.into_iter().flat_map(|(first, last)| first..=last).collect();
        assert_eq!(uids, expected.messages.keys().copied().collect::<Vec<_>>());
        assert_eq!(found.tail.uidnext, expected.uidnext);
        assert_eq!(found.tail.highestmodseq, expected.highest);
        let middle = expected.highest / 2;
        let mut gone: Vec<u32> = expected
            .gone
            .iter()
            .filter_map(|&(modseq, uid)| (modseq > middle).then_some(uid))
            .collect();
        gone.sort_unstable();
        assert_eq!(expunged_since(&read, account, id, middle), Ok(Some(gone)));
    }
    drop(read);
    let report = verify::verify(&office.store, &mut |_, _| {}).expect("a check");
    assert_eq!(report.faults, Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_random_life_is_as_the_model_says(acts in prop::collection::vec(act(), 1..40)) {
        let mut office = Office::new();
        let mut model = Model::default();
        for act in acts {
            if matches!(act, Act::Reopen) {
                office = office.reopen();
            }
            run(&office, &mut model, act);
            compare(&office, &mut model);
        }
    }
}
