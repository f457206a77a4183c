//! Messages on their way into the new store: whole, with holes, or without a home.

use super::bodies::{Bodies, Content, Parts};
use super::choose::{At, Choice, at, choices, hold};
use super::life::{Bits, Life, Trust};
use super::report::Share;
use super::sort::Sorter;
use super::target::{Plan, Target};
use crate::limits::{IMPORT_BATCH_BYTES, IMPORT_BATCH_MESSAGES};
use crate::message::facts::{Envelope, EnvelopeAddress};
use crate::store::error::Result;
use crate::store::format::{MailRow, MailboxTail, Outgoing, ThreadRef, Trace, tag};
use crate::store::key::{self, load, save};
use crate::store::mail::{self, Prepared};
use crate::store::{AccountId, Batch, MailId, MailboxId, Store, outbox, proof, trace};
use prost::Message;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What is to be written with others.
enum Item {
    Message { at: At, uid: Option<u32>, row: MailRow, body: Prepared },
    Outgoing { id: MailId, row: Outgoing, body: Prepared },
    Story { id: MailId, trace: Trace },
}

/// Brings messages over, some in a commit.
pub(super) struct Carrier<'t, 's, 'b> {
    pub target: &'t mut Target<'s>,
    pub bodies: &'b Bodies<'b, 'b>,
    pub life: &'t Life,
    waiting: Vec<Item>,
    octets: usize,
    /// Bodies that somebody has, by their place in the index.
    used: Bits,
    /// Told of the thousandths that are done, now and then.
    progress: &'t mut dyn FnMut(u64) -> Result<()>,
    done: u64,
}

/// How much of a message there is.
enum Rest {
    Whole(Vec<u8>),
    /// With what stands before its header.
    Pieces(Vec<u8>, String),
    Nothing,
}

impl<'t, 's, 'b> Carrier<'t, 's, 'b> {
    pub(super) fn new(
        target: &'t mut Target<'s>,
        bodies: &'b Bodies<'b, 'b>,
        life: &'t Life,
        progress: &'t mut dyn FnMut(u64) -> Result<()>,
    ) -> Self {
        let used = Bits::new(bodies.end() + 1);
        let (waiting, octets, done) = (Vec::new(), 0, 500);
        Carrier { target, bodies, life, waiting, octets, used, progress, done }
    }

    /// Every message whose row is there; about so many.
    pub(super) fn messages(&mut self, rows: &mut Sorter, expected: u64) -> Result<()> {
        let (life, mut done) = (self.life, 0);
        choices(rows, life, &mut |_, _| {}, &mut |choice| {
            if choice.key.first() == Some(&tag::MAIL) && !key::is_tail(choice.key) {
                self.message(&choice)?;
                done += 1;
                self.done = 500 + (done * 450 / expected.max(1)).min(450);
                (self.progress)(self.done)?;
            }
            Ok(())
        })?;
        self.flush()
    }

    fn message(&mut self, choice: &Choice<'_>) -> Result<()> {
        let (Some(at), Ok(mut row)) = (at(choice.key), MailRow::decode(choice.payload)) else {
            return Ok(());
        };
        let Ok(uid) = key::uid_of(choice.key) else { return Ok(()) };
        if choice.trust != Trust::True && self.was_deleted(at, uid) {
            self.target.office.remains += 1;
            return Ok(());
        }
        let id = MailId(row.body);
        let parts = self.bodies.parts(id)?;
        self.used.set(parts.number);
        if at.0 == proof::ACCOUNT {
            return Ok(());
        }
        let size = row.size.checked_sub(row.prefix.len() as u64);
        let rest = rest_of(self.bodies.content(id, &parts, size));
        // Of an old row the body is gone too, or in part taken by others: it is no loss of now.
        if choice.trust == Trust::Old && !matches!(rest, Rest::Whole(_)) {
            self.target.office.remains += 1;
            return Ok(());
        }
        let plan = self.plan(at)?;
        let share = &mut plan.back.messages;
        let (raw, notice) = match rest {
            Rest::Whole(raw) => {
                share.whole += 1;
                share.perhaps_old += u64::from(choice.trust == Trust::Old);
                (raw, None)
            }
            Rest::Pieces(raw, notice) => {
                share.incomplete += 1;
                (raw, Some(notice))
            }
            Rest::Nothing => {
                share.lost += 1;
                return Ok(());
            }
        };
        let (to, keeps) = ((at.0, plan.to), plan.keeps);
        let known = self.target.office.names.get(&at).map_or(0, |name| name.keywords.len());
        row.keywords.retain(|&number| usize::from(number) < known);
        self.add(to, Some(uid).filter(|_| keeps), row, &raw, notice)
    }

    /// What is known of messages that are gone: their mailbox is, or a log says so, or those that
    /// are there for certain are as many as there were.
    fn was_deleted(&self, at: At, uid: u32) -> bool {
        let office = &self.target.office;
        let Some(seen) = office.seen.get(&at) else { return true };
        let all_there = match office.tails.get(&at) {
            Some((tail, true)) => seen.certain >= u64::from(tail.messages),
            _ => false,
        };
        all_there || office.is_gone(at, uid)
    }

    /// Where the messages of a mailbox go, which may be decided only now.
    fn plan(&mut self, at: At) -> Result<&mut Plan> {
        if !self.target.plans.contains_key(&at) {
            self.flush()?;
            let to = self.salvaged(at.0)?;
            let tail = self.target.office.tails.get(&at).filter(|(_, is_true)| *is_true);
            let mut back = super::report::MailboxBack {
                name: format!("{} (was mailbox {})", super::target::SALVAGED, at.1.0),
                counted: tail.is_some(),
                ..Default::default()
            };
            back.messages.expected = tail.map_or(0, |(tail, _)| u64::from(tail.messages));
            self.target.plans.insert(at, Plan { to, keeps: false, back });
        }
        let missing = || crate::store::StoreError::NotFound("mailbox");
        self.target.plans.get_mut(&at).ok_or_else(missing)
    }

    fn salvaged(&mut self, account: AccountId) -> Result<MailboxId> {
        let owner = self.target.owner(account)?;
        self.target.salvaged(owner)
    }

    fn add(
        &mut self,
        at: At,
        uid: Option<u32>,
        mut row: MailRow,
        raw: &[u8],
        notice: Option<String>,
    ) -> Result<()> {
        let mut uid = uid;
        if uid.is_none() {
            // Numbers of keywords mean nothing in another mailbox.
            row.keywords.clear();
        }
        if let Some(notice) = notice {
            row.prefix.extend_from_slice(notice.as_bytes());
            // RFC 9051 2.3.1.1: what a uid stands for never changes
            uid = None;
        }
        if uid.is_none() {
            row.email_id = 0;
        }
        self.push(raw.len(), Item::Message { at, uid, row, body: Prepared::new(raw) })
    }

    /// The outbox: what may have been sent already is held.
    pub(super) fn outgoing(&mut self) -> Result<super::report::OutgoingBack> {
        let mut back = super::report::OutgoingBack::default();
        for (id, (mut row, trust)) in std::mem::take(&mut self.target.office.outgoing) {
            if row.recipients.iter().all(|it| it.is_done()) {
                continue;
            }
            let body = MailId(row.body);
            let parts = self.bodies.parts(body)?;
            self.used.set(parts.number);
            let Some(content) =
                self.bodies.content(body, &parts, Some(row.size)).filter(Content::is_whole)
            else {
                back.lost += u64::from(trust != Trust::Old);
                continue;
            };
            if trust != Trust::True {
                hold(&mut row);
                back.held += 1;
            }
            back.messages += 1;
            row.size = content.octets.len() as u64;
            let body = Prepared::new(&content.octets);
            self.push(content.octets.len(), Item::Outgoing { id: MailId(id), row, body })?;
        }
        self.flush()?;
        Ok(back)
    }

    /// Bodies in use that nobody has since the rows of their messages are lost: they go to whoever
    /// has a thread with their Message-ID.
    pub(super) fn orphans(&mut self, rows: &mut Sorter) -> Result<()> {
        let mut orphans = BTreeMap::new();
        let bodies = self.bodies;
        bodies.mails(&mut |mail| {
            let parts = bodies.parts(mail)?;
            (self.progress)(self.done)?;
            if !self.used.has(parts.number) && self.is_alive(mail, &parts) {
                let head = bodies.head(mail, &parts);
                orphans.extend(head.map(|head| (mail, head.message_id_hash)));
            }
            Ok(())
        })?;
        let owners = self.owners(rows, orphans.values().copied())?;
        for (mail, hash) in orphans {
            let parts = self.bodies.parts(mail)?;
            let rest = rest_of(self.bodies.content(mail, &parts, None));
            let (raw, notice) = match rest {
                Rest::Whole(raw) => (raw, None),
                Rest::Pieces(raw, notice) => (raw, Some(notice)),
                Rest::Nothing => continue,
            };
            let mut accounts = owners.get(&hash).cloned().unwrap_or_default();
            if accounts.is_empty() {
                accounts.push((self.target.nobody()?, 0));
            }
            for (account, thread_id) in accounts {
                self.orphan(account, thread_id, mail, &raw, notice.clone())?;
            }
        }
        self.flush()
    }

    fn orphan(
        &mut self,
        account: AccountId,
        thread_id: u64,
        mail: MailId,
        raw: &[u8],
        notice: Option<String>,
    ) -> Result<()> {
        self.flush()?;
        let mailbox = self.salvaged(account)?;
        if let Some((_, share)) = self.target.salvaged.get_mut(&account) {
            match notice {
                None => share.whole += 1,
                Some(_) => share.incomplete += 1,
            }
        }
        // A MailId is the microsecond of its arrival.
        let arrived = i64::try_from(mail.0 / 1_000_000).unwrap_or(self.target.now);
        let row = MailRow {
            body: mail.0,
            modseq: 1,
            internal_date: arrived,
            save_date: self.target.now,
            thread_id,
            ..MailRow::default()
        };
        self.add((account, mailbox), None, row, raw, notice)
    }

    fn is_alive(&self, mail: MailId, parts: &Parts) -> bool {
        let best = Bodies::heads(parts).map(|page| self.life.trust(page)).max();
        match best {
            Some(Trust::True) => true,
            Some(Trust::Unknown) => self.life.gaps.has(&key::body(mail, key::BODY_HEAD)),
            _ => false,
        }
    }

    /// Who has a thread with these Message-IDs, and which.
    fn owners(
        &self,
        rows: &mut Sorter,
        hashes: impl Iterator<Item = u64>,
    ) -> Result<HashMap<u64, Vec<(AccountId, u64)>>> {
        let mut owners: HashMap<u64, Vec<_>> = hashes.map(|hash| (hash, Vec::new())).collect();
        if owners.is_empty() {
            return Ok(owners);
        }
        let (life, office) = (self.life, &self.target.office);
        choices(rows, life, &mut |_, _| {}, &mut |choice| {
            let Choice { key, payload, .. } = choice;
            if key.first() != Some(&tag::INDEX) {
                return Ok(());
            }
            let (Ok(hash), Ok(account)) = (key::u64_at(key, 1), key::u32_at(key, 10)) else {
                return Ok(());
            };
            let account = AccountId(account);
            let known = office.accounts.contains_key(&account);
            if let Some(list) = owners.get_mut(&hash)
                && (known || life.gaps.has(&key::account(account)))
                && let Ok(thread) = ThreadRef::decode(payload)
            {
                list.push((account, thread.thread_id));
            }
            Ok(())
        })?;
        Ok(owners)
    }

    /// Stories of messages. How many?
    pub(super) fn stories(&mut self) -> Result<u64> {
        let (bodies, life) = (self.bodies, self.life);
        let mut count = 0;
        bodies.mails(&mut |mail| {
            let parts = bodies.parts(mail)?;
            let stories = bodies.traces(mail, &parts);
            let rank = |page: u64, trace: &Trace| (life.trust(page), trace.steps.len());
            let best = stories.into_iter().max_by_key(|(page, trace)| rank(*page, trace));
            let Some((page, trace)) = best else { return Ok(()) };
            let lost = || life.gaps.has(&key::body(mail, key::BODY_TRACE));
            if life.trust(page) != Trust::True && !lost() {
                return Ok(());
            }
            count += 1;
            self.push(trace.encoded_len(), Item::Story { id: mail, trace })
        })?;
        self.flush()?;
        Ok(count)
    }

    fn push(&mut self, octets: usize, item: Item) -> Result<()> {
        self.waiting.push(item);
        self.octets += octets;
        match self.waiting.len() >= IMPORT_BATCH_MESSAGES || self.octets >= IMPORT_BATCH_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        (self.progress)(self.done)?;
        self.octets = 0;
        let items = Arc::new(std::mem::take(&mut self.waiting));
        if items.is_empty() {
            return Ok(());
        }
        self.target.store.write_blocking(move |batch| items.iter().try_for_each(|it| it.put(batch)))
    }

    /// Sets the counters of mailboxes of which something is lost above what clients know, so that
    /// they see what is lost as expunged.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.flush()?;
        let damaged: Vec<At> = self
            .target
            .plans
            .iter_mut()
            .filter(|(_, plan)| plan.keeps)
            .filter_map(|(at, plan)| {
                let Share { expected, whole, perhaps_old, .. } = plan.back.messages;
                (!plan.back.counted || expected != whole || perhaps_old > 0).then_some(*at)
            })
            .collect();
        let store: &Store = self.target.store;
        store.write_blocking(move |batch| damaged.iter().try_for_each(|at| advance(batch, *at)))
    }
}

fn advance(batch: &mut Batch, at: At) -> Result<()> {
    let key = key::tail(at.0, at.1);
    let Some(mut tail) = load::<MailboxTail>(batch, &key)? else { return Ok(()) };
    tail.highestmodseq = tail.highestmodseq.saturating_add(1);
    tail.forgotten = tail.highestmodseq;
    save(batch, &key, &tail)
}

impl Item {
    fn put(&self, batch: &mut Batch) -> Result<()> {
        match self {
            Item::Message { at, uid, row, body } => {
                mail::put_back(batch, *at, *uid, row, body).map(drop)
            }
            Item::Outgoing { id, row, body } => outbox::put_back(batch, *id, row, body),
            Item::Story { id, trace } => trace::put(batch, *id, trace),
        }
    }
}

fn rest_of(content: Option<Content>) -> Rest {
    let Some(content) = content else { return Rest::Nothing };
    if content.is_whole() {
        return Rest::Whole(content.octets);
    }
    let lost = content.lost;
    let notice = format!("X-Mailroom-Salvaged: not whole; {lost} octets are lost or damaged\r\n");
    if content.has_header {
        return Rest::Pieces(content.octets, notice);
    }
    // The header went with the first block; the most of it stands beside the body as well.
    let facts = content.head.and_then(|head| head.facts);
    let Some(envelope) = facts.and_then(|facts| facts.envelope) else { return Rest::Nothing };
    let mut raw = header(&envelope);
    raw.extend_from_slice(&content.octets);
    Rest::Pieces(raw, notice)
}

/// The header of a message, as far as ENVELOPE knows it.
fn header(envelope: &Envelope) -> Vec<u8> {
    let mut raw = Vec::new();
    let mut field = |name: &str, value: &[u8]| {
        raw.extend_from_slice(name.as_bytes());
        raw.extend_from_slice(b": ");
        raw.extend(value.iter().filter(|octet| !matches!(octet, b'\r' | b'\n' | 0)));
        raw.extend_from_slice(b"\r\n");
    };
    for (name, list) in [("From", &envelope.from), ("To", &envelope.to), ("Cc", &envelope.cc)] {
        if !list.is_empty() {
            field(name, &list.iter().map(address).collect::<Vec<_>>().join(&b", "[..]));
        }
    }
    let texts = [
        ("Subject", &envelope.subject),
        ("Date", &envelope.date),
        ("Message-ID", &envelope.message_id),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            field(name, text);
        }
    }
    raw
}

fn address(it: &EnvelopeAddress) -> Vec<u8> {
    let part = |part: &Option<Vec<u8>>| part.clone().unwrap_or_default();
    let address = [&part(&it.mailbox)[..], b"@", &part(&it.host)].concat();
    match &it.name {
        Some(name) => [b"\"", name.as_slice(), b"\" <", &address, b">"].concat(),
        None => address,
    }
}
