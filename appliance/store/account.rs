//! Accounts: people's log-ins.

use super::format::{Account, Credential, Leaving, MailboxTail, Route, Sent, Version, tag};
use super::key::{self, load, save};
use super::writer::Usage;
use super::{AccountId, Batch, MailboxId, Read, Result, StoreError, address, mailbox, proof};
use crate::limits;
use crate::wire::address::Address;
use crate::wire::scram;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// The mailboxes made with each account: name and special use (RFC 6154 2).
const FIRST_MAILBOXES: [(&str, &str); 6] = [
    ("INBOX", ""),
    ("Sent", "\\Sent"),
    ("Drafts", "\\Drafts"),
    ("Junk", "\\Junk"),
    ("Trash", "\\Trash"),
    ("Archive", "\\Archive"),
];

/// Makes an account with its log-in address (whose domain must be a domain of ours), the mailboxes
/// INBOX, Sent, Drafts, Junk, Trash, Archive (special use set, subscribed), and its route.
pub(crate) fn create(batch: &mut Batch, account: NewAccount, now: i64) -> Result<AccountId> {
    check(&account.name, &account.credentials)?;
    let mut version: Version = load(batch, &key::version())?.unwrap_or_default();
    let id = AccountId(version.next_account.max(1));
    let route = Route {
        address: account.login.to_string(),
        accounts: vec![id.0],
        primary: true,
        created: now,
        ..Route::default()
    };
    address::add_route(batch, &account.login, &route)?;
    version.next_account = id.0.checked_add(1).ok_or(StoreError::Limit("accounts"))?;
    save(batch, &key::version(), &version)?;
    put(batch, id, account, now)?;
    Ok(id)
}

/// The row of an account, and its first mailboxes.
pub(super) fn put(batch: &mut Batch, id: AccountId, account: NewAccount, now: i64) -> Result<()> {
    let row = Account {
        login: account.login.to_string(),
        name: account.name,
        quota: account.quota,
        suspended: false,
        created: now,
        credentials: account.credentials,
        scram_salt: account.scram_salt,
        scram_iterations: account.scram_iterations,
        next_mailbox: 1,
        next_uidvalidity: 1,
        capabilities_off: Vec::new(),
        leaving: None,
        next_outside: 1,
    };
    save(batch, &key::account(id), &row)?;
    for (name, special_use) in FIRST_MAILBOXES {
        mailbox::create(batch, id, name, special_use, now)?;
        mailbox::subscribe(batch, id, name)?;
    }
    Ok(())
}

#[derive(Debug, Clone)]
pub(crate) struct NewAccount {
    pub login: Address,
    pub name: String,
    pub quota: u64,
    pub credentials: Vec<Credential>,
    pub scram_salt: Vec<u8>,
    pub scram_iterations: u32,
}

pub(crate) fn get(read: &impl Read, id: AccountId) -> Result<Option<Account>> {
    load(read, &key::account(id))
}

/// May its session go on that was begun with this password (0: not known which)? Not once it is
/// suspended or deleted, or the password changed or removed.
pub(crate) fn is_open(read: &impl Read, id: AccountId, credential: u64) -> Result<bool> {
    let Some(account) = get(read, id)? else { return Ok(false) };
    let is_it = |kept: &Credential| scram::mark(&kept.stored_key) == credential;
    Ok(!account.suspended && (credential == 0 || account.credentials.iter().any(is_it)))
}

/// By log-in address, case folded.
pub(crate) fn by_login(read: &impl Read, login: &str) -> Result<Option<(AccountId, Account)>> {
    let Ok(login) = Address::parse(login) else { return Ok(None) };
    if proof::is_its(&login) {
        return proof::by_login(read, &login);
    }
    let route = address::route(read, &login)?.filter(|route| route.primary);
    let Some(&id) = route.as_ref().and_then(|route| route.accounts.first()) else {
        return Ok(None);
    };
    Ok(get(read, AccountId(id))?.map(|account| (AccountId(id), account)))
}

/// Everybody's, as all that follows: where their rows begin, after the one of [`proof`].
fn people() -> Vec<u8> {
    key::account(AccountId(proof::ACCOUNT.0 + 1))
}

pub(crate) fn list(read: &impl Read) -> Result<Vec<(AccountId, Account)>> {
    let mut all = Vec::new();
    read.scan(&people(), &[tag::ACCOUNT + 1], &mut |key, payload| {
        all.push((AccountId(key::u32_at(key, 1)?), key::decode(key, payload)?));
        Ok(true)
    })?;
    Ok(all)
}

/// How many there are.
pub(crate) fn count(read: &impl Read) -> Result<usize> {
    let mut count = 0;
    read.keys(&people(), &[tag::ACCOUNT + 1], &mut |_| {
        count += 1;
        Ok(true)
    })?;
    Ok(count)
}

/// The account made first of those that are not closed: it gets what nobody else is named for.
/// Where all are closed, the first of them, since somebody must.
pub(crate) fn first(read: &impl Read) -> Result<Option<AccountId>> {
    let (mut first, mut open) = (None, None);
    read.scan(&people(), &[tag::ACCOUNT + 1], &mut |key, payload| {
        let id = AccountId(key::u32_at(key, 1)?);
        first = first.or(Some(id));
        let account: Account = key::decode(key, payload)?;
        open = account.leaving.is_none().then_some(id);
        Ok(open.is_none())
    })?;
    Ok(open.or(first))
}

/// Has the owner closed it? One that is not there is as good as closed.
pub(crate) fn is_closed(read: &impl Read, id: AccountId) -> Result<bool> {
    Ok(get(read, id)?.is_none_or(|account| account.leaving.is_some()))
}

/// Shuts it at once, to be removed after so many days.
pub(crate) fn close(batch: &mut Batch, id: AccountId, days: u32, now: i64) -> Result<()> {
    update(batch, id, &mut |account| {
        if account.leaving.is_some() {
            return Err(StoreError::Invalid("the account is closed already"));
        }
        let (counted, suspended) = (now.div_euclid(DAY_SECONDS), account.suspended);
        account.leaving = Some(Leaving { closed: now, days, counted, suspended });
        account.suspended = true;
        Ok(())
    })
}

/// Undoes it: the account is as it was.
pub(crate) fn reopen(batch: &mut Batch, id: AccountId) -> Result<()> {
    update(batch, id, &mut |account| {
        let leaving = account.leaving.take();
        let leaving = leaving.ok_or(StoreError::Invalid("the account is not closed"))?;
        account.suspended = leaving.suspended;
        Ok(())
    })
}

/// Counts today, if it was not counted yet. Is its time over?
pub(crate) fn count_day(batch: &mut Batch, id: AccountId, now: i64) -> Result<bool> {
    let today = now.div_euclid(DAY_SECONDS);
    let Some(mut account) = get(batch, id)? else { return Ok(false) };
    let Some(leaving) = &mut account.leaving else { return Ok(false) };
    if leaving.counted != today {
        // A clock that was set back counts from there.
        leaving.days -= u32::from(leaving.counted < today && leaving.days > 0);
        leaving.counted = today;
        let left = leaving.days;
        save(batch, &key::account(id), &account)?;
        return Ok(left == 0);
    }
    Ok(leaving.days == 0)
}

/// Is it closed, and its time over?
pub(crate) fn is_over(read: &impl Read, id: AccountId) -> Result<bool> {
    let leaving = get(read, id)?.and_then(|account| account.leaving);
    Ok(leaving.is_some_and(|leaving| leaving.days == 0))
}

/// The account made first of those whose log-in address is in this domain and that are not closed.
pub(crate) fn first_of(read: &impl Read, domain: &str) -> Result<Option<AccountId>> {
    let mut first = None;
    read.scan(&people(), &[tag::ACCOUNT + 1], &mut |key, payload| {
        let account: Account = key::decode(key, payload)?;
        let is_in = account.login.rsplit('@').next() == Some(domain);
        if is_in && account.leaving.is_none() {
            first = Some(AccountId(key::u32_at(key, 1)?));
        }
        Ok(first.is_none())
    })?;
    Ok(first)
}

/// Changes the row of an account; the log-in address cannot be changed so.
pub(crate) fn update(
    batch: &mut Batch,
    id: AccountId,
    change: &mut dyn FnMut(&mut Account) -> Result<()>,
) -> Result<()> {
    let before = get(batch, id)?.ok_or(StoreError::NotFound("account"))?;
    let mut after = before.clone();
    change(&mut after)?;
    if after.login != before.login {
        return Err(StoreError::Invalid("the log-in address of an account cannot be changed"));
    }
    check(&after.name, &after.credentials)?;
    // Ids given are never given again, whatever the change did.
    after.next_mailbox = after.next_mailbox.max(before.next_mailbox);
    after.next_uidvalidity = after.next_uidvalidity.max(before.next_uidvalidity);
    after.next_outside = after.next_outside.max(before.next_outside);
    batch.memory.usage.remove(&id);
    save(batch, &key::account(id), &after)
}

/// Removes the next messages of an account that is about to be deleted, as `mailbox::thin_out`.
pub(crate) fn thin_out(batch: &mut Batch, id: AccountId) -> Result<bool> {
    for mailbox in mailbox_ids(batch, id)? {
        if mailbox::thin_out_by_id(batch, id, mailbox)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes the account with its routes (aliases to others lose it), mailboxes and messages.
pub(crate) fn delete(batch: &mut Batch, id: AccountId) -> Result<()> {
    if get(batch, id)?.is_none() {
        return Err(StoreError::NotFound("account"));
    }
    for (mailbox, _) in mailbox::names(batch, id)? {
        mailbox::remove(batch, id, mailbox)?;
    }
    let tags = [
        tag::SUBSCRIBED,
        tag::EXPUNGED,
        tag::MAIL,
        tag::NAME,
        tag::KNOWN,
        tag::OUTSIDE,
        tag::BROUGHT,
    ];
    for tag in tags {
        let from = key::of_account(tag, id);
        batch.delete_range(&from, &key::after(&from))?;
    }
    address::forget_account(batch, id)?;
    batch.memory.usage.remove(&id);
    batch.delete(&key::sent(id))?;
    batch.delete(&key::account(id)).map(drop)
}

/// Recipients outside of this box that the account has written to on the day of `now`.
pub(crate) fn sent(read: &impl Read, id: AccountId, now: i64) -> Result<u32> {
    let row: Option<Sent> = load(read, &key::sent(id))?;
    let today = row.filter(|row| row.day == now.div_euclid(DAY_SECONDS));
    Ok(today.map_or(0, |row| row.recipients))
}

/// Counts so many more.
pub(crate) fn count_sent(batch: &mut Batch, id: AccountId, more: u32, now: i64) -> Result<()> {
    let recipients = sent(batch, id, now)?.saturating_add(more);
    save(batch, &key::sent(id), &Sent { day: now.div_euclid(DAY_SECONDS), recipients })
}

/// Octets in all its mailboxes, number of messages.
pub(crate) fn usage(read: &impl Read, id: AccountId) -> Result<(u64, u64)> {
    let (mut octets, mut messages) = (0, 0);
    for mailbox in mailbox_ids(read, id)? {
        let tail: MailboxTail = load(read, &key::tail(id, mailbox))?.unwrap_or_default();
        octets += tail.octets;
        messages += u64::from(tail.messages);
    }
    Ok((octets, messages))
}

/// Refuses what the quota does not hold, and counts what it does.
pub(super) fn charge(batch: &mut Batch, id: AccountId, octets: u64) -> Result<()> {
    let usage = remembered(batch, id)?;
    let used = usage.used.saturating_add(octets);
    if usage.quota > 0 && used > usage.quota {
        return Err(StoreError::OverQuota { used: usage.used, quota: usage.quota });
    }
    batch.memory.usage.insert(id, Usage { used, ..usage });
    Ok(())
}

/// Counts also what the quota does not hold.
pub(super) fn charge_anyway(batch: &mut Batch, id: AccountId, octets: u64) -> Result<()> {
    let usage = remembered(batch, id)?;
    let used = usage.used.saturating_add(octets);
    batch.memory.usage.insert(id, Usage { used, ..usage });
    Ok(())
}

/// Counts what is gone.
pub(super) fn release(batch: &mut Batch, id: AccountId, octets: u64) {
    if let Some(usage) = batch.memory.usage.get_mut(&id) {
        usage.used = usage.used.saturating_sub(octets);
    }
}

fn remembered(batch: &mut Batch, id: AccountId) -> Result<Usage> {
    if let Some(usage) = batch.memory.usage.get(&id) {
        return Ok(*usage);
    }
    let account = get(batch, id)?.ok_or(StoreError::NotFound("account"))?;
    let usage = Usage { used: self::usage(batch, id)?.0, quota: account.quota };
    batch.memory.usage.insert(id, usage);
    Ok(usage)
}

fn mailbox_ids(read: &impl Read, id: AccountId) -> Result<Vec<MailboxId>> {
    let from = key::of_account(tag::NAME, id);
    let mut ids = Vec::new();
    read.keys(&from, &key::after(&from), &mut |key| {
        ids.push(MailboxId(key::u32_at(key, 5)?));
        Ok(true)
    })?;
    Ok(ids)
}

fn check(name: &str, credentials: &[Credential]) -> Result<()> {
    if name.chars().any(char::is_control) || name.len() > limits::MAILBOX_NAME_BYTES {
        return Err(StoreError::Invalid("the name is too long or has a control character"));
    }
    if credentials.len() > limits::CREDENTIALS_PER_ACCOUNT {
        return Err(StoreError::Limit("passwords of an account"));
    }
    Ok(())
}
