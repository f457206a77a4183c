//! The whole store checked while it is lived in: slice by slice, each in a short snapshot of its
//! own, so that no page is held back from its next use.
//!
//! Rows change between two slices, so a conclusion is drawn only where it holds all the same:
//!
//! ```text
//! people     few rows, one snapshot
//! mailboxes  the counters are compared when the mailbox has the same modseq in its last slice as
//!            in its first; else it is begun again, some times
//! outbox     each row beside its body, in one snapshot
//! bodies     the content of one is read in one snapshot, with its index row; it never changes
//! index      each row beside the head that it leads to, in one snapshot
//! again      bodies that seem to be counted wrongly are counted a second time, and what is wrong
//!            twice in the same way a third time, in one snapshot: a busy store may err alike twice
//! ```
//!
//! Threads are counted by `verify` alone.

use super::{Check, Counted};
use crate::limits::{
    CHECK_BODIES, CHECK_FAULTS_KEPT, CHECK_ROUNDS, CHECK_SLICE_BYTES, CHECK_SLICE_ROWS,
};
use crate::store::body::HeadIndex;
use crate::store::format::{
    Account, BodyRef, Checked, MailRow, MailboxTail, Outgoing, ThreadRef, Version, tag,
};
use crate::store::key::{self, BODY_HEAD, BODY_PART, BODY_TRACE, INDEX_BODY, load, save};
use crate::store::{AccountId, MailId, MailboxId, Read, Result, Snapshot, Store, StoreError};
use prost::Message;
use std::collections::{BTreeMap, HashMap};

/// A check on its way.
pub(crate) struct Night {
    stage: Stage,
    /// The next key to look at.
    next: Vec<u8>,
    /// The mailbox that the last slice ended in.
    open: Option<Open>,
    /// How many messages have a body.
    references: HashMap<MailId, u32>,
    /// All are counted: they were not too many.
    counts: bool,
    /// Bodies that seem to be counted wrongly: what is written, and what was found.
    doubts: BTreeMap<MailId, (u32, u32)>,
    rows: u64,
    octets: u64,
    faults: u64,
    told: Vec<String>,
    unjudged: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    People,
    Brought,
    Mailboxes,
    Outbox,
    Bodies,
    Index,
    MailboxesAgain,
    OutboxAgain,
    Done,
}

/// A mailbox of which a part was seen.
struct Open {
    at: (AccountId, MailboxId),
    modseq: u64,
    counted: Counted,
    /// How many of its messages have a body.
    references: HashMap<MailId, u32>,
    round: u32,
}

impl Open {
    fn new(at: (AccountId, MailboxId), modseq: u64, round: u32) -> Open {
        Open { at, modseq, counted: Counted::default(), references: HashMap::new(), round }
    }
}

/// What a slice came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    /// Octets that were read, about.
    pub octets: u64,
    pub done: bool,
}

/// What sees the next rows of a slice.
type OnNext<'a> = dyn FnMut(&mut Night, &[u8], &[u8]) -> Result<bool> + 'a;

impl Night {
    pub(crate) fn new() -> Night {
        Night {
            stage: Stage::People,
            next: Vec::new(),
            open: None,
            references: HashMap::new(),
            counts: true,
            doubts: BTreeMap::new(),
            rows: 0,
            octets: 0,
            faults: 0,
            told: Vec::new(),
            unjudged: 0,
        }
    }

    /// Looks at the next few rows.
    pub(crate) fn slice(&mut self, store: &Store) -> Result<Slice> {
        let snapshot = store.snapshot()?;
        let before = self.octets;
        let mut check = Check::default();
        let looked = match self.stage {
            Stage::People => check.people(&snapshot).map(|()| self.go_on(Stage::Brought)),
            Stage::Brought => self.brought(&snapshot, &mut check),
            Stage::Mailboxes => self.mailboxes(&snapshot, &mut check),
            Stage::Outbox => self.outbox(&snapshot, &mut check),
            Stage::Bodies => self.bodies(&snapshot, &mut check),
            Stage::Index => self.index(&snapshot, &mut check),
            Stage::MailboxesAgain => self.count(&snapshot, tag::MAIL, Stage::OutboxAgain),
            Stage::OutboxAgain => self.count(&snapshot, tag::OUTGOING, Stage::Done),
            Stage::Done => Ok(()),
        };
        let done = match looked {
            Err(StoreError::Corrupt(what)) => {
                // The engine's own pages: behind this nothing can be found.
                self.fault(format!("{what}; reading stopped there"));
                true
            }
            other => other.map(|()| self.stage == Stage::Done)?,
        };
        self.octets += check.octets;
        std::mem::take(&mut check.faults).into_iter().for_each(|fault| self.fault(fault));
        if done && self.stage == Stage::Done {
            self.settle(&snapshot)?;
        }
        self.stage = if done { Stage::Done } else { self.stage };
        Ok(Slice { octets: self.octets - before, done })
    }

    /// What was found, once it is done.
    pub(crate) fn result(&self, at: i64) -> Checked {
        Checked {
            at,
            rows: self.rows,
            octets: self.octets,
            faults: self.faults,
            told: self.told.clone(),
            unjudged: self.unjudged,
        }
    }

    fn fault(&mut self, what: String) {
        self.faults += 1;
        if self.told.len() < CHECK_FAULTS_KEPT {
            self.told.push(what);
        }
    }

    fn go_on(&mut self, stage: Stage) {
        self.stage = stage;
        self.next.clear();
        self.open = None;
    }

    /// Calls `each` with key and row (before its head is taken off) of the next few rows with this
    /// tag. Were they the last? `each` says whether to go on.
    fn next_rows(&mut self, snapshot: &Snapshot, tag: u8, each: &mut OnNext<'_>) -> Result<bool> {
        let from = if self.next.is_empty() { vec![tag] } else { self.next.clone() };
        let (mut count, mut octets, mut ended) = (0, 0, true);
        snapshot.raw(&from, &[tag + 1], &mut |key, row| {
            if count >= CHECK_SLICE_ROWS || octets >= CHECK_SLICE_BYTES {
                (self.next, ended) = (key.to_vec(), false);
                return Ok(false);
            }
            count += 1;
            octets += (key.len() + row.len()) as u64;
            self.rows += 1;
            let go_on = each(self, key, row)?;
            if !go_on {
                (self.next, ended) = ([key, &[0]].concat(), false);
            }
            Ok(go_on)
        })?;
        self.octets += octets;
        Ok(ended)
    }

    fn mailboxes(&mut self, snapshot: &Snapshot, check: &mut Check) -> Result<()> {
        let mut again = None;
        let ended = self.next_rows(snapshot, tag::MAIL, &mut |night, key, row| {
            let Some(at) = at(key) else {
                check.row(key, row);
                return Ok(true);
            };
            night.enter(snapshot, check, at)?;
            if !key::is_tail(key) {
                night.message(snapshot, check, key, row)?;
                return Ok(true);
            }
            check.row(key, row);
            again = night.leave(snapshot, check)?;
            Ok(again.is_none())
        })?;
        if let Some(open) = self.open.as_mut() {
            open.counted = check.mailboxes.remove(&open.at).unwrap_or_default();
        }
        if let Some((at, round)) = again {
            let modseq = modseq(snapshot, at)?;
            self.next = key::of_mailbox(tag::MAIL, at.0, at.1);
            self.open = Some(Open::new(at, modseq, round));
        } else if ended {
            self.close(snapshot, check)?;
            self.go_on(Stage::Outbox);
        }
        Ok(())
    }

    /// Goes on with a mailbox, or begins it.
    fn enter(
        &mut self,
        snapshot: &Snapshot,
        check: &mut Check,
        at: (AccountId, MailboxId),
    ) -> Result<()> {
        match self.open.as_mut() {
            Some(open) if open.at == at => {
                // Once in each slice: what earlier slices counted.
                let counted = std::mem::take(&mut open.counted);
                check.mailboxes.entry(at).or_insert(counted);
                return Ok(());
            }
            _ => self.close(snapshot, check)?,
        }
        let modseq = modseq(snapshot, at)?;
        self.open = Some(Open::new(at, modseq, 0));
        check.mailboxes.insert(at, Counted::default());
        Ok(())
    }

    fn message(
        &mut self,
        snapshot: &Snapshot,
        check: &mut Check,
        key: &[u8],
        row: &[u8],
    ) -> Result<()> {
        let message = key::open_row(key, row).and_then(|it| key::decode::<MailRow>(key, it));
        if let Ok(message) = &message {
            let mail = MailId(message.body);
            // One that cannot be read is told where it stands.
            check.know_head(snapshot, mail);
            if let Some(open) = self.open.as_mut() {
                *open.references.entry(mail).or_default() += 1;
            }
        }
        check.row(key, row);
        Ok(())
    }

    fn refer(&mut self, mail: MailId, count: u32) {
        *self.references.entry(mail).or_default() += count;
        if self.references.len() > CHECK_BODIES {
            self.counts = false;
            self.references.clear();
        }
    }

    /// The mailbox is at its end: do its counters agree? `Some` when it must be begun again.
    fn leave(
        &mut self,
        snapshot: &Snapshot,
        check: &mut Check,
    ) -> Result<Option<((AccountId, MailboxId), u32)>> {
        let Some(open) = self.open.take() else { return Ok(None) };
        let unchanged = modseq(snapshot, open.at)? == open.modseq;
        if !unchanged && open.round + 1 < CHECK_ROUNDS {
            check.mailboxes.remove(&open.at);
            return Ok(Some((open.at, open.round + 1)));
        }
        if unchanged {
            check.judge_mailbox(snapshot, open.at)?;
        } else {
            check.mailboxes.remove(&open.at);
            self.unjudged += 1;
        }
        open.references.into_iter().for_each(|(mail, count)| self.refer(mail, count));
        Ok(None)
    }

    /// The mailbox that was open has no counters: it was deleted meanwhile, or they are missing.
    fn close(&mut self, snapshot: &Snapshot, check: &mut Check) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let (account, mailbox) = open.at;
        let from = key::of_mailbox(tag::MAIL, account, mailbox);
        let mut is_there = false;
        snapshot.keys(&from, &key::after(&from), &mut |_| {
            is_there = true;
            Ok(false)
        })?;
        if is_there {
            check.judge_mailbox(snapshot, open.at)?;
        }
        Ok(())
    }

    /// One row for each few messages that ever were brought: too many for one slice.
    fn brought(&mut self, snapshot: &Snapshot, check: &mut Check) -> Result<()> {
        let ended = self.next_rows(snapshot, tag::BROUGHT, &mut |_, key, row| {
            check.row(key, row);
            Ok(true)
        })?;
        if ended {
            self.go_on(Stage::Mailboxes);
        }
        Ok(())
    }

    fn outbox(&mut self, snapshot: &Snapshot, check: &mut Check) -> Result<()> {
        let ended = self.next_rows(snapshot, tag::OUTGOING, &mut |night, key, row| {
            let read = key::open_row(key, row).and_then(|it| key::decode::<Outgoing>(key, it));
            if let Ok(outgoing) = &read {
                let mail = MailId(outgoing.body);
                check.know_head(snapshot, mail);
                night.refer(mail, 1);
            }
            check.row(key, row);
            Ok(true)
        })?;
        if ended {
            self.go_on(Stage::Bodies);
        }
        Ok(())
    }

    fn bodies(&mut self, snapshot: &Snapshot, check: &mut Check) -> Result<()> {
        let from = if self.next.is_empty() { vec![tag::BODY] } else { self.next.clone() };
        let mut next = from;
        let mut looked = 0;
        while check.octets < CHECK_SLICE_BYTES && looked < CHECK_SLICE_ROWS {
            let mut found = None;
            snapshot.keys(&next, &[tag::BODY + 1], &mut |key| {
                found = Some(key.to_vec());
                Ok(false)
            })?;
            let Some(found) = found else {
                self.go_on(Stage::Index);
                return Ok(());
            };
            looked += 1;
            self.rows += 1;
            let mail = match key::u64_at(&found, 1) {
                Ok(mail) => MailId(mail),
                Err(error) => {
                    self.fault(super::words(&error));
                    next = [found.as_slice(), &[0]].concat();
                    continue;
                }
            };
            if let Some(written) = check.mail(snapshot, mail)? {
                let counted = self.references.get(&mail).copied().unwrap_or(0);
                if self.counts && written != counted && self.doubts.len() < CHECK_BODIES {
                    self.doubts.insert(mail, (written, counted));
                }
            }
            next = key::after(&key::of_mail(mail));
        }
        self.next = next;
        Ok(())
    }

    fn index(&mut self, snapshot: &Snapshot, check: &mut Check) -> Result<()> {
        let ended = self.next_rows(snapshot, tag::INDEX, &mut |night, key, row| {
            check.row(key, row);
            let Ok(payload) = key::open_row(key, row) else { return Ok(true) };
            let wrong = if key.get(9) == Some(&INDEX_BODY) {
                let row: BodyRef = key::decode(key, payload).unwrap_or_default();
                let head = key::body(MailId(row.mail), BODY_HEAD);
                let head: Result<Option<HeadIndex>> = load(snapshot, &head);
                matches!(head, Ok(None))
            } else {
                key::decode::<ThreadRef>(key, payload).unwrap_or_default().messages == 0
            };
            if wrong {
                night.fault(format!("{}: leads to nothing", key::describe(key)));
            }
            Ok(true)
        })?;
        if ended {
            let again = !self.doubts.is_empty();
            self.references.clear();
            self.go_on(if again { Stage::MailboxesAgain } else { Stage::Done });
        }
        Ok(())
    }

    /// Counts the bodies in doubt once more.
    fn count(&mut self, snapshot: &Snapshot, tag: u8, then: Stage) -> Result<()> {
        let ended = self.next_rows(snapshot, tag, &mut |night, key, row| {
            let Some(mail) = body_of(tag, key, row) else { return Ok(true) };
            if night.doubts.contains_key(&mail) {
                *night.references.entry(mail).or_default() += 1;
            }
            Ok(true)
        })?;
        if ended {
            self.go_on(then);
        }
        Ok(())
    }

    /// What was counted wrongly twice in the same way, and is wrong within this snapshot too.
    fn settle(&mut self, snapshot: &Snapshot) -> Result<()> {
        let mut wrong = HashMap::new();
        for (mail, before) in std::mem::take(&mut self.doubts) {
            let Ok(Some(head)) = load::<HeadIndex>(snapshot, &key::body(mail, BODY_HEAD)) else {
                continue;
            };
            let index = key::body_ref(head.message_id_hash, &head.hash);
            let Ok(Some(index)) = load::<BodyRef>(snapshot, &index) else { continue };
            let counted = self.references.get(&mail).copied().unwrap_or(0);
            if index.references == counted {
                continue;
            }
            if (index.references, counted) == before {
                wrong.insert(mail, index.references);
            } else {
                self.unjudged += 1;
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let counted = references(snapshot, &wrong)?;
        let mut wrong: Vec<_> = wrong.into_iter().collect();
        wrong.sort_unstable();
        for (mail, written) in wrong {
            let counted = counted.get(&mail).copied().unwrap_or(0);
            if counted != written {
                let what = format!("says {written} messages have this body and {counted} do");
                self.fault(format!("mail {mail}: {what}"));
            }
        }
        Ok(())
    }
}

/// How many messages have each of these bodies, all at one moment.
fn references(snapshot: &Snapshot, of: &HashMap<MailId, u32>) -> Result<HashMap<MailId, u32>> {
    let mut counted = HashMap::new();
    for tag in [tag::MAIL, tag::OUTGOING] {
        snapshot.raw(&[tag], &[tag + 1], &mut |key, row| {
            let Some(mail) = body_of(tag, key, row) else { return Ok(true) };
            if of.contains_key(&mail) {
                *counted.entry(mail).or_default() += 1;
            }
            Ok(true)
        })?;
    }
    Ok(counted)
}

/// The body that a message or a row of the outbox has.
fn body_of(tag: u8, key: &[u8], row: &[u8]) -> Option<MailId> {
    let payload = key::open_row(key, row).ok()?;
    let body = match tag {
        tag::OUTGOING => Outgoing::decode(payload).ok()?.body,
        _ if key::is_tail(key) => return None,
        _ => MailRow::decode(payload).ok()?.body,
    };
    Some(MailId(body))
}

impl Check {
    /// What few rows say of people, addresses and the names of mailboxes; not of what is in them.
    fn people(&mut self, snapshot: &Snapshot) -> Result<()> {
        let tags = [
            tag::VERSION,
            tag::ACCOUNT,
            tag::DOMAIN,
            tag::ROUTE,
            tag::NAME,
            tag::SUBSCRIBED,
            tag::SENT,
            tag::KNOWN,
            tag::STS_POLICY,
            tag::TLS_DAY,
            tag::OWNER,
            tag::AUDIT,
            tag::OUTSIDE,
        ];
        for tag in tags {
            snapshot.raw(&[tag], &[tag + 1], &mut |key, row| {
                self.octets += row.len() as u64;
                self.row(key, row);
                Ok(true)
            })?;
        }
        self.agree_version();
        self.agree_accounts();
        self.agree_routes();
        self.agree_sent();
        for at in std::mem::take(&mut self.mailboxes).into_keys() {
            let mut has_tail = false;
            snapshot.keys(
                &key::tail(at.0, at.1),
                &key::after(&key::tail(at.0, at.1)),
                &mut |_| {
                    has_tail = true;
                    Ok(false)
                },
            )?;
            self.expect(has_tail, || {
                format!("{}: its counters are missing", super::called(at.0, at.1))
            });
        }
        Ok(())
    }

    /// Reads the head of a body beside the row that leads to it.
    fn know_head(&mut self, snapshot: &Snapshot, mail: MailId) {
        // One that cannot be read is told where it stands.
        let head = load(snapshot, &key::body(mail, BODY_HEAD)).unwrap_or(None);
        self.bodies.entry(mail).or_default().head = head;
    }

    /// Holds a mailbox that was seen whole against its counters.
    fn judge_mailbox(&mut self, snapshot: &Snapshot, at: (AccountId, MailboxId)) -> Result<()> {
        let log = key::of_mailbox(tag::EXPUNGED, at.0, at.1);
        let name = key::name(at.0, at.1);
        for (from, to) in [(log.clone(), key::after(&log)), (name.clone(), key::after(&name))] {
            snapshot.raw(&from, &to, &mut |key, row| {
                self.row(key, row);
                Ok(true)
            })?;
        }
        if let Ok(Some(account)) = load::<Account>(snapshot, &key::account(at.0)) {
            self.accounts.insert(at.0, account);
        }
        let counted = self.mailboxes.remove(&at).unwrap_or_default();
        self.agree_mailbox(at, &counted);
        Ok(())
    }

    /// Everything of one mail in one snapshot. How many messages have its body, as is written?
    fn mail(&mut self, snapshot: &Snapshot, mail: MailId) -> Result<Option<u32>> {
        let small = [(BODY_HEAD, BODY_PART), (BODY_TRACE, BODY_TRACE + 1)];
        for (from, to) in small {
            snapshot.raw(&key::body(mail, from), &key::body(mail, to), &mut |key, row| {
                self.octets += row.len() as u64;
                self.row(key, row);
                Ok(true)
            })?;
        }
        snapshot.keys(&key::part(mail, 0), &key::body(mail, BODY_PART + 1), &mut |_| {
            self.bodies.entry(mail).or_default().has_parts = true;
            Ok(false)
        })?;
        let Some(mut body) = self.bodies.remove(&mail) else { return Ok(None) };
        let mut written = None;
        if let Some(head) = &body.head {
            let index = key::body_ref(head.message_id_hash, &head.hash);
            // One that cannot be read is told where it stands.
            if let Ok(Some(index)) = load::<BodyRef>(snapshot, &index)
                && index.mail == mail.0
            {
                written = Some(index.references);
                body.references = index.references;
                body.index = Some((head.message_id_hash, head.hash.clone(), index.references));
            }
            self.content(snapshot, mail, head)?;
        }
        super::agree_body(mail, &body, &mut self.faults);
        Ok(written)
    }
}

fn at(key: &[u8]) -> Option<(AccountId, MailboxId)> {
    let account = AccountId(key::u32_at(key, 1).ok()?);
    Some((account, MailboxId(key::u32_at(key, 5).ok()?)))
}

fn modseq(read: &impl Read, (account, mailbox): (AccountId, MailboxId)) -> Result<u64> {
    match load::<MailboxTail>(read, &key::tail(account, mailbox)) {
        Ok(tail) => Ok(tail.map_or(0, |tail| tail.highestmodseq)),
        Err(StoreError::Corrupt(_)) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Keeps the result of a check beside the version, for the owner to see.
pub(crate) fn remember(store: &Store, checked: Checked) -> Result<()> {
    store.write_blocking(move |batch| {
        let version: Option<Version> = load(batch, &key::version())?;
        let Some(mut version) = version else { return Ok(()) };
        version.checked = Some(checked.clone());
        save(batch, &key::version(), &version)
    })
}

/// The result of the last whole check.
pub(crate) fn last(read: &impl Read) -> Result<Option<Checked>> {
    let version: Option<Version> = load(read, &key::version())?;
    Ok(version.and_then(|version| version.checked))
}
