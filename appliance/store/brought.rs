//! What was brought in from other servers: so that nothing comes twice, however often a run is
//! cut, begun anew, or told new UIDs.
//!
//! A message is remembered in the same write as its row, by folder, UIDVALIDITY and UID; and by
//! its content, for the day on which the server changes UIDVALIDITY: then what came under the old
//! one is met again by its content, each as often as it came. What becomes of the message here
//! changes nothing of it.

use super::format::{Brought, BroughtFolder};
use super::key::{self, BROUGHT_FOLDER, BROUGHT_RUN, hash8, load, save, sha256};
use super::{AccountId, Batch, Read, Result};
use crate::limits::BROUGHT_PER_ROW;
use std::collections::{BTreeMap, HashMap};

const DAY_SECONDS: i64 = 24 * 3600;

/// A folder on another server, for one account of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    account: AccountId,
    /// "user@host", in lower case.
    source: String,
    /// As the server writes it.
    name: Vec<u8>,
}

/// Of a message's octets.
pub(crate) fn content(raw: &[u8]) -> u64 {
    hash8(&sha256(raw))
}

impl Folder {
    pub(crate) fn new(account: AccountId, source: &str, name: &[u8]) -> Folder {
        Folder { account, source: source.to_lowercase(), name: name.to_vec() }
    }

    fn key(&self) -> Vec<u8> {
        let hash = |octets: &[u8]| hash8(&sha256(octets));
        key::brought(self.account, hash(self.source.as_bytes()), hash(&self.name))
    }

    /// Before the runs of one UIDVALIDITY, or of all.
    fn runs(&self, uidvalidity: Option<u32>) -> Vec<u8> {
        let mut key = self.key();
        key.push(BROUGHT_RUN);
        key.extend(uidvalidity.iter().flat_map(|value| value.to_be_bytes()));
        key
    }

    fn run(&self, uidvalidity: u32, uid: u32) -> Vec<u8> {
        let mut key = self.runs(Some(uidvalidity));
        key.extend_from_slice(&(uid / BROUGHT_PER_ROW).to_be_bytes());
        key
    }

    /// Was this message brought?
    pub(crate) fn has(&self, read: &impl Read, uidvalidity: u32, uid: u32) -> Result<bool> {
        let row: Option<Brought> = load(read, &self.run(uidvalidity, uid))?;
        Ok(row.is_some_and(|row| row.uids.contains(&place(uid))))
    }

    /// Leaves those that were not brought.
    pub(crate) fn missing(
        &self,
        read: &impl Read,
        uidvalidity: u32,
        uids: &[u32],
    ) -> Result<Vec<u32>> {
        let mut missing = Vec::new();
        let mut known: Option<(u32, Brought)> = None;
        for &uid in uids {
            let run = uid / BROUGHT_PER_ROW;
            if known.as_ref().is_none_or(|(at, _)| *at != run) {
                known = Some((run, load(read, &self.run(uidvalidity, uid))?.unwrap_or_default()));
            }
            if !known.as_ref().is_some_and(|(_, row)| row.uids.contains(&place(uid))) {
                missing.push(uid);
            }
        }
        Ok(missing)
    }

    /// Of these, those that were brought on this day or before.
    pub(crate) fn brought_until(
        &self,
        read: &impl Read,
        uidvalidity: u32,
        uids: &[u32],
        day: u32,
    ) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        let mut known: Option<(u32, Brought)> = None;
        for &uid in uids {
            let run = uid / BROUGHT_PER_ROW;
            if known.as_ref().is_none_or(|(at, _)| *at != run) {
                known = Some((run, load(read, &self.run(uidvalidity, uid))?.unwrap_or_default()));
            }
            let row = known.as_ref().map(|(_, row)| row);
            let at = row.and_then(|row| row.uids.binary_search(&place(uid)).ok());
            let of = at.and_then(|at| row.and_then(|row| row.days.get(at)));
            found.extend(of.filter(|of| **of <= day).map(|_| uid));
        }
        Ok(found)
    }

    /// Remembers messages, as UID and content. Those that are remembered already stay as they are.
    pub(crate) fn note(
        &self,
        batch: &mut Batch,
        uidvalidity: u32,
        messages: &[(u32, u64)],
        now: i64,
    ) -> Result<()> {
        self.note_on(batch, uidvalidity, messages, (day(now), now))
    }

    /// Remembers one that is not brought, and so never deleted there.
    pub(crate) fn note_left(
        &self,
        batch: &mut Batch,
        uidvalidity: u32,
        uid: u32,
        now: i64,
    ) -> Result<()> {
        self.note_on(batch, uidvalidity, &[(uid, 0)], (u32::MAX, now))
    }

    fn note_on(
        &self,
        batch: &mut Batch,
        uidvalidity: u32,
        messages: &[(u32, u64)],
        (day, now): (u32, i64),
    ) -> Result<()> {
        let mut folder = self.key();
        folder.push(BROUGHT_FOLDER);
        if !batch.view(&folder, &mut |_| Ok(()))? {
            let (source, name) = (self.source.clone(), self.name.clone());
            save(batch, &folder, &BroughtFolder { source, folder: name, begun: now })?;
        }
        let mut runs: BTreeMap<u32, Vec<(u32, u64)>> = BTreeMap::new();
        for &(uid, content) in messages {
            runs.entry(uid / BROUGHT_PER_ROW).or_default().push((uid, content));
        }
        for some in runs.into_values() {
            let Some((uid, _)) = some.first() else { continue };
            let key = self.run(uidvalidity, *uid);
            let mut row: Brought = load(batch, &key)?.unwrap_or_default();
            for (uid, content) in some {
                if let Err(at) = row.uids.binary_search(&place(uid)) {
                    row.uids.insert(at, place(uid));
                    row.contents.insert(at.min(row.contents.len()), content);
                    row.days.insert(at.min(row.days.len()), day);
                }
            }
            save(batch, &key, &row)?;
        }
        Ok(())
    }

    /// What came under other UIDVALIDITYs and was not met again under this one: contents, and how
    /// often each.
    pub(crate) fn to_meet(&self, read: &impl Read, uidvalidity: u32) -> Result<HashMap<u64, u32>> {
        let (mut before, mut met) = (HashMap::<u64, u32>::new(), Vec::new());
        if !self.has_others(read, uidvalidity)? {
            return Ok(before);
        }
        let from = self.runs(None);
        read.scan(&from, &key::after(&from), &mut |key, payload| {
            let row: Brought = key::decode(key, payload)?;
            match key::u32_at(key, from.len())? == uidvalidity {
                true => met.extend(row.contents),
                false => row.contents.iter().for_each(|it| *before.entry(*it).or_default() += 1),
            }
            Ok(true)
        })?;
        for content in met {
            if let Some(count) = before.get_mut(&content) {
                *count = count.saturating_sub(1);
            }
        }
        before.retain(|_, count| *count > 0);
        Ok(before)
    }

    /// Is there anything of another UIDVALIDITY?
    pub(crate) fn has_others(&self, read: &impl Read, uidvalidity: u32) -> Result<bool> {
        let (all, own) = (self.runs(None), self.runs(Some(uidvalidity)));
        let mut found = false;
        for (from, to) in [(all.clone(), own.clone()), (key::after(&own), key::after(&all))] {
            read.keys(&from, &to, &mut |_| {
                found = true;
                Ok(false)
            })?;
        }
        Ok(found)
    }

    /// Everything that is there now was looked at under this UIDVALIDITY: others are forgotten.
    pub(crate) fn settle(&self, batch: &mut Batch, uidvalidity: u32) -> Result<()> {
        let (all, own) = (self.runs(None), self.runs(Some(uidvalidity)));
        batch.delete_range(&all, &own)?;
        batch.delete_range(&key::after(&own), &key::after(&all))?;
        Ok(())
    }
}

/// Since 1970, UTC.
pub(crate) fn day(now: i64) -> u32 {
    u32::try_from(now.div_euclid(DAY_SECONDS)).unwrap_or(0)
}

/// Where a UID stands in its row.
fn place(uid: u32) -> u8 {
    u8::try_from(uid % BROUGHT_PER_ROW).unwrap_or(u8::MAX)
}

impl Brought {
    /// For `verify`.
    pub(super) fn is_right(&self) -> bool {
        self.uids.len() == self.contents.len()
            && self.uids.len() == self.days.len()
            && self.uids.is_sorted_by(|a, b| a < b)
            && self.uids.iter().all(|place| u32::from(*place) < BROUGHT_PER_ROW)
    }
}

impl BroughtFolder {
    /// For `verify`.
    pub(super) fn is_right(&self, key: &[u8]) -> bool {
        let account = key::u32_at(key, 1).map(AccountId);
        account.is_ok_and(|account| {
            let folder = Folder::new(account, &self.source, &self.folder);
            key.get(..key.len().saturating_sub(1)) == Some(folder.key().as_slice())
        })
    }
}
