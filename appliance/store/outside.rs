//! Outside accounts: mailboxes that people have with others. What is secret of them is sealed with
//! the key of the box and bound to its row.

use super::format::{
    Account, Fetched, Outside, OutsideHost, OutsideImport, OutsideState, Secrets, tag,
};
use super::key::{self, OUTSIDE_IMPORT, OUTSIDE_SELF, OUTSIDE_STATE, load, save, sha256};
use super::seal::{self, Sealer};
use super::{AccountId, Batch, Read, Result, StoreError};
use crate::limits::{
    FETCHED_KEPT_SECONDS, OUTSIDE_FOLDERS, OUTSIDE_IMPORT_SKIPPED, OUTSIDE_PER_ACCOUNT,
    OUTSIDE_SENDERS, OUTSIDE_SKIPPED, OUTSIDE_TEXT_BYTES,
};
use prost::Message;
use std::collections::{BTreeMap, HashMap, HashSet};

/// [`Outside::kind`]
pub(crate) const IMAP: u32 = 0;
pub(crate) const POP3: u32 = 1;
/// [`Outside::way`]
pub(crate) const PASSWORD: u32 = 0;
pub(crate) const XOAUTH2: u32 = 1;
/// [`Outside::after`]
pub(crate) const KEEP: u32 = 0;
pub(crate) const DELETE: u32 = 1;
pub(crate) const MOVE: u32 = 2;
/// [`OutsideHost::tls`]
pub(crate) const IMPLICIT: u32 = 0;
pub(crate) const STARTTLS: u32 = 1;

/// An outside account, for ever: never given to another of the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct OutsideId {
    pub account: AccountId,
    pub number: u32,
}

impl OutsideId {
    fn key(self, kind: u8) -> Vec<u8> {
        key::outside(self.account, self.number, kind)
    }
}

pub(crate) fn add(
    batch: &mut Batch,
    account: AccountId,
    row: &Outside,
    (sealer, secrets): (&Sealer, &Secrets),
) -> Result<OutsideId> {
    let person: Option<Account> = load(batch, &key::account(account))?;
    let mut person = person.ok_or(StoreError::NotFound("account"))?;
    let there = of(batch, account)?;
    if there.len() >= OUTSIDE_PER_ACCOUNT {
        return Err(StoreError::Limit("outside accounts of one person"));
    }
    if there.iter().any(|(_, other)| other.address.eq_ignore_ascii_case(&row.address)) {
        return Err(StoreError::Exists("an outside account of this address"));
    }
    check(row)?;
    unclaimed(batch, account, row)?;
    let id = OutsideId { account, number: person.next_outside.max(1) };
    person.next_outside =
        id.number.checked_add(1).ok_or(StoreError::Limit("outside accounts ever"))?;
    save(batch, &key::account(account), &person)?;
    let sealed = sealed(id, sealer, secrets)?;
    save(batch, &id.key(OUTSIDE_SELF), &Outside { sealed, changes: 1, ..row.clone() })?;
    Ok(id)
}

pub(crate) fn get(read: &impl Read, id: OutsideId) -> Result<Option<Outside>> {
    load(read, &id.key(OUTSIDE_SELF))
}

/// Those of one person, in the order in which they were made.
pub(crate) fn of(read: &impl Read, account: AccountId) -> Result<Vec<(OutsideId, Outside)>> {
    let from = key::of_account(tag::OUTSIDE, account);
    within(read, from.clone(), &key::after(&from))
}

/// Those of all people.
pub(crate) fn all(read: &impl Read) -> Result<Vec<(OutsideId, Outside)>> {
    within(read, vec![tag::OUTSIDE], &[tag::OUTSIDE + 1])
}

/// From one to the next: what was fetched from it is stepped over.
fn within(read: &impl Read, mut from: Vec<u8>, end: &[u8]) -> Result<Vec<(OutsideId, Outside)>> {
    let mut found = Vec::new();
    loop {
        let mut next = None;
        read.keys(&from, end, &mut |key| {
            let account = AccountId(key::u32_at(key, 1)?);
            next = Some(OutsideId { account, number: key::u32_at(key, 5)? });
            Ok(false)
        })?;
        let Some(id) = next else { return Ok(found) };
        if let Some(row) = get(read, id)? {
            found.push((id, row));
        }
        from = key::after(&key::of_outside(id.account, id.number));
    }
}

/// The one by which mail of the person with this sender leaves.
pub(crate) fn of_sender(
    read: &impl Read,
    account: AccountId,
    sender: &str,
) -> Result<Option<(OutsideId, Outside)>> {
    Ok(of(read, account)?.into_iter().find(|(_, row)| row.sends_as(sender)))
}

/// The same, of whichever person it is.
pub(crate) fn by_sender(read: &impl Read, sender: &str) -> Result<Option<(OutsideId, Outside)>> {
    Ok(all(read)?.into_iter().find(|(_, row)| row.sends_as(sender)))
}

/// Another person whose proven account has this sender.
pub(crate) fn holder(
    read: &impl Read,
    account: AccountId,
    sender: &str,
) -> Result<Option<AccountId>> {
    let held = |(id, row): &(OutsideId, Outside)| id.account != account && row.holds(sender);
    Ok(all(read)?.iter().find(|found| held(found)).map(|(id, _)| id.account))
}

/// Its log-in let us in: from now on what was granted counts, but for what another proved before.
pub(crate) fn prove(batch: &mut Batch, id: OutsideId) -> Result<()> {
    let Some(mut row) = get(batch, id)?.filter(|row| !row.proven) else { return Ok(()) };
    let mut held = Vec::new();
    for sender in &row.granted {
        if holder(batch, id.account, sender)?.is_some() {
            held.push(sender.clone());
        }
    }
    row.granted.retain(|sender| !held.contains(sender));
    row.proven = true;
    save(batch, &id.key(OUTSIDE_SELF), &row)
}

/// No address is that of two people.
fn unclaimed(read: &impl Read, account: AccountId, row: &Outside) -> Result<()> {
    for sender in row.granted.iter().filter(|_| row.proven) {
        if holder(read, account, sender)?.is_some() {
            return Err(StoreError::Exists("another person's account with this sender"));
        }
    }
    Ok(())
}

/// New secrets that were got with the old ones: nobody changed the account.
pub(crate) fn renew(
    batch: &mut Batch,
    id: OutsideId,
    (sealer, secrets): (&Sealer, &Secrets),
) -> Result<()> {
    let row = get(batch, id)?.ok_or(StoreError::NotFound("outside account"))?;
    let sealed = sealed(id, sealer, secrets)?;
    save(batch, &id.key(OUTSIDE_SELF), &Outside { sealed, ..row })
}

/// Changes one, and its secrets where there are new ones.
pub(crate) fn change(
    batch: &mut Batch,
    id: OutsideId,
    secrets: Option<(&Sealer, &Secrets)>,
    edit: &mut dyn FnMut(&mut Outside) -> Result<()>,
) -> Result<()> {
    let before = get(batch, id)?.ok_or(StoreError::NotFound("outside account"))?;
    let mut after = before.clone();
    edit(&mut after)?;
    let others = of(batch, id.account)?;
    let is_like = |other: &Outside| other.address.eq_ignore_ascii_case(&after.address);
    if others.iter().any(|(it, other)| *it != id && is_like(other)) {
        return Err(StoreError::Exists("an outside account of this address"));
    }
    check(&after)?;
    unclaimed(batch, id.account, &after)?;
    if let Some((sealer, secrets)) = secrets {
        after.sealed = sealed(id, sealer, secrets)?;
    }
    after.changes = before.changes.wrapping_add(1);
    save(batch, &id.key(OUTSIDE_SELF), &after)
}

pub(crate) fn remove(batch: &mut Batch, id: OutsideId) -> Result<()> {
    if get(batch, id)?.is_none() {
        return Err(StoreError::NotFound("outside account"));
    }
    let from = key::of_outside(id.account, id.number);
    batch.delete_range(&from, &key::after(&from)).map(drop)
}

/// `None`: they were sealed on another box, or the key is another.
pub(crate) fn secrets(id: OutsideId, row: &Outside, sealer: &Sealer) -> Option<Secrets> {
    let open = sealer.open(&id.key(OUTSIDE_SELF), &row.sealed)?;
    Secrets::decode(open.as_slice()).ok()
}

fn sealed(id: OutsideId, sealer: &Sealer, secrets: &Secrets) -> Result<Vec<u8>> {
    let plain = zeroize::Zeroizing::new(secrets.encode_to_vec());
    sealer.seal(&id.key(OUTSIDE_SELF), &plain)
}

// ---- how it goes ----

pub(crate) fn state(read: &impl Read, id: OutsideId) -> Result<OutsideState> {
    Ok(load(read, &id.key(OUTSIDE_STATE))?.unwrap_or_default())
}

/// Writes how it goes. False: it is gone meanwhile.
pub(crate) fn note(
    batch: &mut Batch,
    id: OutsideId,
    edit: &mut dyn FnMut(&mut OutsideState),
) -> Result<bool> {
    if get(batch, id)?.is_none() {
        return Ok(false);
    }
    let mut state = state(batch, id)?;
    edit(&mut state);
    let more = state.skipped.len().saturating_sub(OUTSIDE_SKIPPED);
    state.skipped.drain(..more);
    save(batch, &id.key(OUTSIDE_STATE), &state)?;
    Ok(true)
}

// ---- all that it holds, brought over ----

/// [`OutsideImport::stage`]
pub(crate) const UNDER_WAY: u32 = 0;
pub(crate) const PAUSED: u32 = 1;
pub(crate) const BROUGHT: u32 = 2;
pub(crate) const GIVEN_UP: u32 = 3;

/// `None`: nobody asked for it.
pub(crate) fn import(read: &impl Read, id: OutsideId) -> Result<Option<OutsideImport>> {
    load(read, &id.key(OUTSIDE_IMPORT))
}

/// It is not at its end: under way, or paused.
pub(crate) fn goes_on(import: &OutsideImport) -> bool {
    matches!(import.stage, UNDER_WAY | PAUSED)
}

/// Begins, or goes on where it was paused; again it brings only what is new. False: the account is
/// gone.
pub(crate) fn begin_import(batch: &mut Batch, id: OutsideId, now: i64) -> Result<bool> {
    note_import(batch, id, &mut |row| {
        if row.stage != PAUSED {
            (row.began, row.done, row.of) = (now, 0, 0);
        }
        (row.stage, row.ended, row.tries, row.next) = (UNDER_WAY, 0, 0, 0);
        row.error.clear();
    })
}

/// Writes how it goes. False: the account is gone meanwhile.
pub(crate) fn note_import(
    batch: &mut Batch,
    id: OutsideId,
    edit: &mut dyn FnMut(&mut OutsideImport),
) -> Result<bool> {
    if get(batch, id)?.is_none() {
        return Ok(false);
    }
    let mut row = import(batch, id)?.unwrap_or_default();
    edit(&mut row);
    row.skipped.truncate(OUTSIDE_IMPORT_SKIPPED);
    save(batch, &id.key(OUTSIDE_IMPORT), &row)?;
    Ok(true)
}

impl OutsideImport {
    /// For `verify`.
    pub(super) fn is_right(&self) -> bool {
        self.stage <= GIVEN_UP && self.skipped.len() <= OUTSIDE_IMPORT_SKIPPED
    }
}

// ---- what was fetched by POP3 ----

/// A unique-id as it is remembered.
pub(crate) type Mark = [u8; MARK];

const MARK: usize = 16;

/// What was done with a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Done {
    /// Seconds since 1970.
    pub at: i64,
    pub skipped: bool,
}

pub(crate) fn mark(unique_id: &[u8]) -> Mark {
    let mut mark = [0; MARK];
    mark.iter_mut().zip(sha256(unique_id)).for_each(|(to, from)| *to = from);
    mark
}

pub(crate) fn fetched(read: &impl Read, id: OutsideId) -> Result<HashMap<Mark, Done>> {
    let mut found = HashMap::new();
    let (from, end) = fetched_rows(id);
    read.scan(&from, &end, &mut |key, payload| {
        let row: Fetched = key::decode(key, payload)?;
        found.extend(row.entries());
        Ok(true)
    })?;
    Ok(found)
}

/// Was it dealt with?
pub(crate) fn is_fetched(read: &impl Read, id: OutsideId, mark: Mark) -> Result<bool> {
    let row: Option<Fetched> = load(read, &fetched_row(id, mark))?;
    Ok(row.is_some_and(|row| row.entries().any(|(it, _)| it == mark)))
}

pub(crate) fn note_fetched(batch: &mut Batch, id: OutsideId, mark: Mark, done: Done) -> Result<()> {
    let key = fetched_row(id, mark);
    let row: Fetched = load(batch, &key)?.unwrap_or_default();
    let mut entries: BTreeMap<Mark, Done> = row.entries().collect();
    entries.insert(mark, done);
    save(batch, &key, &Fetched::of(&entries))
}

/// Forgets what is no longer there, some time after it was dealt with: a server that once shows
/// less than it has does not get its mail fetched twice.
pub(crate) fn forget_fetched(
    batch: &mut Batch,
    id: OutsideId,
    there: &HashSet<Mark>,
    now: i64,
) -> Result<usize> {
    let (from, end) = fetched_rows(id);
    let (mut changed, mut forgotten) = (Vec::new(), 0);
    batch.scan(&from, &end, &mut |key, payload| {
        let row: Fetched = key::decode(key, payload)?;
        let mut entries: BTreeMap<Mark, Done> = row.entries().collect();
        let before = entries.len();
        let is_old = |done: &Done| done.at < now.saturating_sub(FETCHED_KEPT_SECONDS);
        entries.retain(|mark, done| there.contains(mark) || !is_old(done));
        if entries.len() < before {
            forgotten += before - entries.len();
            changed.push((key.to_vec(), entries));
        }
        Ok(true)
    })?;
    for (key, entries) in changed {
        match entries.is_empty() {
            true => drop(batch.delete(&key)?),
            false => save(batch, &key, &Fetched::of(&entries))?,
        }
    }
    Ok(forgotten)
}

fn fetched_row(id: OutsideId, mark: Mark) -> Vec<u8> {
    key::fetched(id.account, id.number, mark[MARK - 1])
}

fn fetched_rows(id: OutsideId) -> (Vec<u8>, Vec<u8>) {
    let from = id.key(key::OUTSIDE_FETCHED);
    let end = key::after(&from);
    (from, end)
}

impl Fetched {
    fn entries(&self) -> impl Iterator<Item = (Mark, Done)> {
        let (marks, _) = self.ids.as_chunks::<MARK>();
        let facts = self.at.iter().zip(&self.how);
        marks
            .iter()
            .zip(facts)
            .map(|(mark, (at, how))| (*mark, Done { at: *at, skipped: *how != 0 }))
    }

    fn of(entries: &BTreeMap<Mark, Done>) -> Self {
        Self {
            ids: entries.keys().flatten().copied().collect(),
            at: entries.values().map(|done| done.at).collect(),
            how: entries.values().map(|done| u32::from(done.skipped)).collect(),
        }
    }

    /// For `verify`.
    pub(super) fn is_right(&self, key: &[u8]) -> bool {
        let (marks, rest) = self.ids.as_chunks::<MARK>();
        let of_row = |mark: &Mark| mark.last() == key.last();
        rest.is_empty()
            && marks.len() == self.at.len()
            && marks.len() == self.how.len()
            && marks.iter().all(of_row)
            && self.how.iter().all(|how| *how <= 1)
    }
}

// ---- what makes sense ----

impl Outside {
    fn sends_as(&self, sender: &str) -> bool {
        self.relay.is_some() && self.holds(sender)
    }

    /// Is this sender proven to be the person's?
    pub(crate) fn holds(&self, sender: &str) -> bool {
        self.proven && self.granted.iter().any(|it| it.eq_ignore_ascii_case(sender))
    }

    /// For `verify`.
    pub(super) fn is_right(&self) -> bool {
        check(self).is_ok() && seal::is_sealed(&self.sealed)
    }
}

fn check(row: &Outside) -> Result<()> {
    let texts = [&row.address, &row.provider, &row.login, &row.relay_login, &row.move_to];
    let texts = texts.into_iter().chain(&row.folders).chain(&row.senders).chain(&row.vouchers);
    let texts = texts.chain(&row.granted);
    for text in texts {
        if text.len() > OUTSIDE_TEXT_BYTES || text.chars().any(char::is_control) {
            return Err(StoreError::Invalid("a text is too long or has a control character"));
        }
    }
    if row.folders.len() > OUTSIDE_FOLDERS {
        return Err(StoreError::Limit("folders of an outside account"));
    }
    if row.senders.len().max(row.granted.len()) > OUTSIDE_SENDERS {
        return Err(StoreError::Limit("addresses that leave through an outside account"));
    }
    if row.address.is_empty() || row.login.is_empty() {
        return Err(StoreError::Invalid("an outside account has an address and a log-in name"));
    }
    if row.source.is_none() && row.relay.is_none() {
        return Err(StoreError::Invalid("neither does mail come from it nor leave by it"));
    }
    if !row.source.iter().chain(&row.relay).all(is_host) {
        return Err(StoreError::Invalid("a server has a name, a port and TLS"));
    }
    let known = row.kind <= POP3 && row.way <= XOAUTH2 && row.after <= MOVE;
    let moved = (row.after == MOVE) != row.move_to.is_empty();
    if !known || !moved || (row.kind == POP3 && (row.after == MOVE || !row.folders.is_empty())) {
        return Err(StoreError::Invalid("POP3 knows no folders, and mail is moved to one"));
    }
    if (row.way == XOAUTH2) != row.oauth.is_some() {
        return Err(StoreError::Invalid("XOAUTH2 wants to know where tokens come from"));
    }
    Ok(())
}

fn is_host(host: &OutsideHost) -> bool {
    let named = !host.host.is_empty() && host.host.len() <= 255;
    named && (1..=65_535).contains(&host.port) && host.tls <= STARTTLS
}
