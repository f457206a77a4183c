//! Whom each person knows: who they wrote to, and whose mail they had that was proven and not moved
//! to Junk.
//!
//! An account has at most 256 rows of at most [`limits::KNOWN_PER_ROW`] people: so much does it
//! know, however many write to it. The oldest goes first, and whom one wrote to after all others.

use super::format::{BodyHead, Known, MailRow};
use super::key::{self, BODY_HEAD, load, save, sha256};
use super::{AccountId, Batch, MailId, Read, Result, StoreError};
use crate::limits;
use crate::wire::address::Address;

/// The person has written to them.
const WROTE: u32 = 1;
/// Mail of theirs came, was proven, and was not unwanted.
const HEARD: u32 = 2;
/// The person moved mail of theirs to Junk.
const JUNKED: u32 = 4;

/// Does the person know this address?
pub(crate) fn knows(read: &impl Read, account: AccountId, address: &Address) -> Result<bool> {
    let (row, hash) = place(account, address);
    let known: Known = load(read, &row)?.unwrap_or_default();
    let facts = known.facts_of(hash);
    Ok(facts & WROTE != 0 || facts & (HEARD | JUNKED) == HEARD)
}

/// Proven mail of this author came into the inbox. Writes only what is new.
pub(crate) fn heard(batch: &mut Batch, account: AccountId, author: &Address) -> Result<()> {
    learn(batch, account, author, |facts| facts | HEARD)
}

/// The person writes to this address. Writes only what is new.
pub(crate) fn wrote(batch: &mut Batch, account: AccountId, to: &Address) -> Result<()> {
    learn(batch, account, to, |facts| (facts | WROTE) & !JUNKED)
}

/// Messages went from one mailbox to another: what that says of their authors.
pub(super) fn moved(
    batch: &mut Batch,
    account: AccountId,
    from: &str,
    to: &str,
    rows: &[(u32, MailRow)],
) -> Result<()> {
    let is = |special_use: &str, what: &str| special_use.eq_ignore_ascii_case(what);
    let (out, into) = (is(from, "\\Junk"), is(to, "\\Junk"));
    // Out of Junk and into the bin says nothing.
    if out == into || (out && is(to, "\\Trash")) {
        return Ok(());
    }
    for (_, row) in rows.iter().take(limits::KNOWN_LEARNT_AT_ONCE) {
        let Some(author) = author(batch, MailId(row.body))? else { continue };
        let change = move |facts: u32| match into {
            true => facts | JUNKED,
            false => (facts | HEARD) & !JUNKED,
        };
        learn(batch, account, &author, change)?;
    }
    Ok(())
}

/// The author as far as it is known without reading the message. What is damaged may be moved too.
fn author(read: &impl Read, mail: MailId) -> Result<Option<Address>> {
    let head: Option<BodyHead> = match load(read, &key::body(mail, BODY_HEAD)) {
        Err(StoreError::Corrupt(_)) => None,
        head => head?,
    };
    let envelope = head.and_then(|head| head.facts).and_then(|facts| facts.envelope);
    let Some(from) = envelope.and_then(|envelope| envelope.from.into_iter().next()) else {
        return Ok(None);
    };
    let text = |octets: Option<Vec<u8>>| String::from_utf8(octets.unwrap_or_default()).ok();
    let (local, host) = (text(from.mailbox), text(from.host));
    Ok(local.zip(host).and_then(|(local, host)| Address::new(&local, &host).ok()))
}

fn learn(
    batch: &mut Batch,
    account: AccountId,
    address: &Address,
    change: impl Fn(u32) -> u32,
) -> Result<()> {
    let (row, hash) = place(account, address);
    let mut known: Known = load(batch, &row)?.unwrap_or_default();
    let before = known.facts_of(hash);
    let after = change(before);
    if after == before {
        return Ok(());
    }
    known.forget(hash);
    if known.people.len() >= limits::KNOWN_PER_ROW {
        let oldest = known.facts.iter().position(|facts| facts & WROTE == 0).unwrap_or(0);
        known.people.remove(oldest);
        known.facts.remove(oldest);
    }
    known.people.push(hash);
    known.facts.push(after);
    save(batch, &row, &known)
}

/// The row, and what the address is called in it.
fn place(account: AccountId, address: &Address) -> (Vec<u8>, u64) {
    let name = format!("{}@{}", address.local_folded(), address.domain());
    let hash = sha256(name.as_bytes());
    (key::known(account, hash[31]), key::hash8(&hash))
}

impl Known {
    fn facts_of(&self, hash: u64) -> u32 {
        let at = self.people.iter().position(|other| *other == hash);
        at.and_then(|at| self.facts.get(at)).copied().unwrap_or_default()
    }

    fn forget(&mut self, hash: u64) {
        if let Some(at) = self.people.iter().position(|other| *other == hash)
            && at < self.facts.len()
        {
            self.people.remove(at);
            self.facts.remove(at);
        }
    }

    /// For `verify`.
    pub(super) fn is_right(&self) -> bool {
        self.people.len() == self.facts.len()
            && self.people.len() <= limits::KNOWN_PER_ROW
            && self.facts.iter().all(|facts| (1..=WROTE | HEARD | JUNKED).contains(facts))
    }
}
