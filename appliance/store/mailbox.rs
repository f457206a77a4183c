//! Mailboxes of an account: names, counters, subscriptions.

use super::change::{Change, What};
use super::format::{Account, MailboxName, MailboxTail, Subscribed, tag};
use super::key::{self, load, save};
use super::{AccountId, Batch, INBOX, MailboxId, Read, Result, StoreError, account, mail};
use crate::limits;
use crate::wire::unicode::composed;

/// One mailbox as LIST, STATUS and SELECT need it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mailbox {
    pub id: MailboxId,
    pub name: MailboxName,
    pub tail: MailboxTail,
}

/// Every mailbox, ordered by name (levels compared one by one), INBOX first.
pub(crate) fn list(read: &impl Read, account: AccountId) -> Result<Vec<Mailbox>> {
    let names = names(read, account)?;
    names.into_iter().map(|(id, name)| with_tail(read, account, id, name)).collect()
}

/// Names only, without the counters: cheaper. In the same order.
pub(crate) fn names(read: &impl Read, account: AccountId) -> Result<Vec<(MailboxId, MailboxName)>> {
    let from = key::of_account(tag::NAME, account);
    let mut names: Vec<(MailboxId, MailboxName)> = Vec::new();
    read.scan(&from, &key::after(&from), &mut |key, payload| {
        names.push((MailboxId(key::u32_at(key, 5)?), key::decode(key, payload)?));
        Ok(true)
    })?;
    names.sort_by(|(_, a), (_, b)| place(&a.name).cmp(place(&b.name)));
    Ok(names)
}

/// By name; INBOX in any case, characters in whatever form.
pub(crate) fn by_name(read: &impl Read, account: AccountId, name: &str) -> Result<Option<Mailbox>> {
    match find(read, account, name)? {
        Some((id, name)) => with_tail(read, account, id, name).map(Some),
        None => Ok(None),
    }
}

pub(crate) fn get(read: &impl Read, account: AccountId, id: MailboxId) -> Result<Option<Mailbox>> {
    match load(read, &key::name(account, id))? {
        Some(name) => with_tail(read, account, id, name).map(Some),
        None => Ok(None),
    }
}

/// Makes a mailbox and the levels above it that are missing. `special_use` as "\\Sent" or empty
/// (RFC 6154 5: only one mailbox of an account has it, another one is refused).
pub(crate) fn create(
    batch: &mut Batch,
    account: AccountId,
    name: &str,
    special_use: &str,
    now: i64,
) -> Result<Mailbox> {
    let name = check_name(name)?;
    let existing = names(batch, account)?;
    let has = |name: &str| existing.iter().any(|(_, row)| row.name == name);
    if has(&name) {
        return Err(StoreError::Exists("mailbox"));
    }
    let same_use = |(_, row): &(_, MailboxName)| row.special_use == special_use;
    if !special_use.is_empty() && existing.iter().any(same_use) {
        return Err(StoreError::Exists("mailbox for this use"));
    }
    let above: Vec<&str> = levels_above(&name).filter(|&level| !has(level)).collect();
    if existing.len() + above.len() >= limits::MAILBOXES_PER_ACCOUNT {
        return Err(StoreError::Limit("mailboxes of an account"));
    }
    for level in above {
        make(batch, account, level, "", now)?;
    }
    make(batch, account, &name, special_use, now)
}

/// A mailbox that has lived long: the numbers that the examples of the RFCs have.
#[cfg(test)]
pub(crate) fn age(
    batch: &mut Batch,
    account: AccountId,
    id: MailboxId,
    uidvalidity: u32,
    uidnext: u32,
) -> Result<()> {
    let mut aged = get(batch, account, id)?.ok_or(StoreError::NotFound("mailbox"))?;
    aged.name.uidvalidity = uidvalidity;
    aged.tail.uidnext = uidnext;
    save(batch, &key::name(account, id), &aged.name)?;
    save(batch, &key::tail(account, id), &aged.tail)
}

/// Deletes a mailbox and its messages; not INBOX; children stay (RFC 9051 6.3.5).
pub(crate) fn delete(batch: &mut Batch, account: AccountId, name: &str) -> Result<()> {
    let (id, _) = find(batch, account, name)?.ok_or(StoreError::NotFound("mailbox"))?;
    if id == INBOX {
        return Err(StoreError::Invalid("INBOX cannot be deleted"));
    }
    remove(batch, account, id)
}

/// Removes the next messages of a mailbox that is about to be deleted, unless it is small: whoever
/// deletes a large one does this in writes of its own, until it says that it is small.
pub(crate) fn thin_out(batch: &mut Batch, account: AccountId, name: &str) -> Result<bool> {
    let (id, _) = find(batch, account, name)?.ok_or(StoreError::NotFound("mailbox"))?;
    if id == INBOX {
        return Err(StoreError::Invalid("INBOX cannot be deleted"));
    }
    thin_out_by_id(batch, account, id)
}

/// Was there something to remove, and may there be more?
pub(super) fn thin_out_by_id(batch: &mut Batch, account: AccountId, id: MailboxId) -> Result<bool> {
    let tail: MailboxTail = load(batch, &key::tail(account, id))?.unwrap_or_default();
    if usize::try_from(tail.messages).unwrap_or(usize::MAX) <= limits::MESSAGES_PER_WRITE {
        return Ok(false);
    }
    match mail::expunge_some(batch, (account, id), None, true) {
        Ok((gone, _)) => Ok(!gone.is_empty()),
        // A damaged row must not keep the mailbox from being deleted: then it goes as a whole.
        Err(StoreError::Corrupt(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Renames a mailbox and all below it; no message moves, UIDVALIDITY stays. INBOX: its messages
/// move to a new mailbox and INBOX stays, its children too (RFC 9051 6.3.6).
pub(crate) fn rename(
    batch: &mut Batch,
    account: AccountId,
    from: &str,
    to: &str,
    now: i64,
) -> Result<()> {
    let to = check_name(to)?;
    let (_, found) = find(batch, account, from)?.ok_or(StoreError::NotFound("mailbox"))?;
    let from = found.name;
    let all = names(batch, account)?;
    let has = |name: &str| all.iter().any(|(_, row)| row.name == name);
    if has(&to) {
        return Err(StoreError::Exists("mailbox"));
    }
    if from == "INBOX" {
        let new = create(batch, account, &to, "", now)?;
        let uids = mail::uids(batch, account, INBOX)?;
        return mail::copy(batch, account, INBOX, &uids, new.id, true, now).map(drop);
    }
    if below(&to, &from).is_some() {
        return Err(StoreError::Invalid("a mailbox cannot be moved below itself"));
    }
    let mut renamed = Vec::new();
    for (id, row) in &all {
        let rest = if row.name == from { Some("") } else { below(&row.name, &from) };
        let Some(rest) = rest else { continue };
        let name = check_name(&format!("{to}{rest}"))?;
        if has(&name) {
            return Err(StoreError::Exists("mailbox"));
        }
        renamed.push((*id, MailboxName { name, ..row.clone() }));
    }
    let missing = levels_above(&to).filter(|&level| !has(level)).count();
    if all.len() + missing > limits::MAILBOXES_PER_ACCOUNT {
        return Err(StoreError::Limit("mailboxes of an account"));
    }
    for level in levels_above(&to).filter(|&level| !has(level)) {
        make(batch, account, level, "", now)?;
    }
    for (id, row) in renamed {
        save(batch, &key::name(account, id), &row)?;
    }
    Ok(())
}

pub(crate) fn subscribe(batch: &mut Batch, account: AccountId, name: &str) -> Result<()> {
    let name = check_name(name)?;
    let from = key::of_account(tag::SUBSCRIBED, account);
    let mut count = 0;
    batch.keys(&from, &key::after(&from), &mut |_| {
        count += 1;
        Ok(true)
    })?;
    let key = key::subscribed(account, &name);
    if count >= limits::MAILBOXES_PER_ACCOUNT && batch.get(&key)?.is_none() {
        return Err(StoreError::Limit("subscriptions of an account"));
    }
    save(batch, &key, &Subscribed { name })
}

pub(crate) fn unsubscribe(batch: &mut Batch, account: AccountId, name: &str) -> Result<()> {
    let given = name.strip_suffix('/').unwrap_or(name);
    batch.delete(&key::subscribed(account, given))?;
    batch.delete(&key::subscribed(account, &canonical(given))).map(drop)
}

/// Subscribed names, sorted; some may name no mailbox.
pub(crate) fn subscriptions(read: &impl Read, account: AccountId) -> Result<Vec<String>> {
    let from = key::of_account(tag::SUBSCRIBED, account);
    let mut names = Vec::new();
    read.scan(&from, &key::after(&from), &mut |key, payload| {
        names.push(key::decode::<Subscribed>(key, payload)?.name);
        Ok(true)
    })?;
    names.sort_by(|a, b| place(a).cmp(place(b)));
    Ok(names)
}

/// A name a mailbox may have: levels not empty, no control characters, within the limits; "INBOX"
/// in any case as the first level is written INBOX, characters are composed. Returns the name to
/// use.
pub(crate) fn check_name(name: &str) -> Result<String> {
    // RFC 9051 6.3.4: a trailing separator only says that names below will be made
    let name = canonical(name.strip_suffix('/').unwrap_or(name));
    if name.len() > limits::MAILBOX_NAME_BYTES {
        return Err(StoreError::Invalid("the mailbox name is too long"));
    }
    if name.split('/').any(str::is_empty) {
        return Err(StoreError::Invalid("a level of the mailbox name is empty"));
    }
    if name.split('/').count() > limits::MAILBOX_LEVELS {
        return Err(StoreError::Invalid("the mailbox name has too many levels"));
    }
    if name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(StoreError::Invalid("the mailbox name has a control character"));
    }
    Ok(name)
}

/// Removes a mailbox with all that is in it, and tells those who watch it.
pub(super) fn remove(batch: &mut Batch, account: AccountId, id: MailboxId) -> Result<()> {
    let tail: MailboxTail = load(batch, &key::tail(account, id))?.unwrap_or_default();
    for uid in mail::uids(batch, account, id)? {
        mail::forget_message(batch, account, id, uid)?;
    }
    account::release(batch, account, tail.octets);
    for tag in [tag::MAIL, tag::EXPUNGED] {
        let from = key::of_mailbox(tag, account, id);
        batch.delete_range(&from, &key::after(&from))?;
    }
    batch.delete(&key::name(account, id))?;
    let modseq = tail.highestmodseq.saturating_add(1);
    batch.announce(Change { account, mailbox: id, modseq, what: What::Deleted });
    Ok(())
}

fn make(
    batch: &mut Batch,
    account: AccountId,
    name: &str,
    special_use: &str,
    now: i64,
) -> Result<Mailbox> {
    let no_account = StoreError::NotFound("account");
    let mut row: Account = load(batch, &key::account(account))?.ok_or(no_account)?;
    let id = MailboxId(row.next_mailbox.max(1));
    row.next_mailbox = id.0.checked_add(1).ok_or(StoreError::Limit("mailboxes of an account"))?;
    // The time in it keeps values above those of a store that was lost and restored from older.
    let uidvalidity = row.next_uidvalidity.max(u32::try_from(now).unwrap_or(0)).max(1);
    row.next_uidvalidity =
        uidvalidity.checked_add(1).ok_or(StoreError::Limit("mailboxes of an account"))?;
    save(batch, &key::account(account), &row)?;
    let name = MailboxName {
        name: name.to_string(),
        uidvalidity,
        special_use: special_use.to_string(),
        keywords: Vec::new(),
        created: now,
    };
    // RFC 7162 3.1.2.1: a mod-sequence is never 0
    let tail = MailboxTail { uidnext: 1, highestmodseq: 1, ..MailboxTail::default() };
    save(batch, &key::name(account, id), &name)?;
    save(batch, &key::tail(account, id), &tail)?;
    Ok(Mailbox { id, name, tail })
}

fn find(
    read: &impl Read,
    account: AccountId,
    name: &str,
) -> Result<Option<(MailboxId, MailboxName)>> {
    let from = key::of_account(tag::NAME, account);
    let name = canonical(name);
    let mut found = None;
    read.scan(&from, &key::after(&from), &mut |key, payload| {
        let row: MailboxName = key::decode(key, payload)?;
        if row.name == name || (!row.name.is_ascii() && canonical(&row.name) == name) {
            found = Some((MailboxId(key::u32_at(key, 5)?), row));
        }
        Ok(found.is_none())
    })?;
    Ok(found)
}

fn with_tail(
    read: &impl Read,
    account: AccountId,
    id: MailboxId,
    name: MailboxName,
) -> Result<Mailbox> {
    let key = key::tail(account, id);
    let missing = || key::corrupt(&key, "the row is missing");
    let tail = load(read, &key)?.ok_or_else(missing)?;
    Ok(Mailbox { id, name, tail })
}

/// Where a name stands in a list: INBOX first, then level by level.
fn place(name: &str) -> impl Iterator<Item = (bool, &str)> {
    name.split('/').enumerate().map(|(i, level)| (i > 0 || level != "INBOX", level))
}

/// RFC 9051 5.1: INBOX is one name in any case, and names are Net-Unicode, composed.
pub(crate) fn canonical(name: &str) -> String {
    let name = composed(name);
    match name.get(..5) {
        Some(head) if head.eq_ignore_ascii_case("INBOX") => match name.get(5..) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("INBOX{rest}"),
            _ => name.into_owned(),
        },
        _ => name.into_owned(),
    }
}

/// "a/b/c" is below "a": "/b/c".
fn below<'a>(name: &'a str, above: &str) -> Option<&'a str> {
    name.strip_prefix(above).filter(|rest| rest.starts_with('/'))
}

/// Of "a/b/c": "a", "a/b".
fn levels_above(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').filter_map(|(at, _)| name.get(..at))
}
