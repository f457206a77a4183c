//! Messages: taken in, read, flagged, copied, moved, expunged.

pub(crate) use super::body::{Prepared, facts, head, octets};
use super::change::{self, Change, What, log_expunged};
use super::format::{MailRow, MailboxName, MailboxTail, Version, tag};
use super::key::{self, load, save};
use super::{AccountId, Batch, MailId, MailboxId, Read, Result, StoreError, account, body, known};
use crate::limits;
use std::sync::Arc;

/// System flags as bits. RFC 9051 2.3.2 without \Recent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) struct Flags(pub u32);

impl Flags {
    pub(crate) const SEEN: Flags = Flags(1);
    pub(crate) const ANSWERED: Flags = Flags(2);
    pub(crate) const FLAGGED: Flags = Flags(4);
    pub(crate) const DELETED: Flags = Flags(8);
    pub(crate) const DRAFT: Flags = Flags(16);
    pub(crate) const NAMES: [(Flags, &'static str); 5] = [
        (Flags::ANSWERED, "\\Answered"),
        (Flags::FLAGGED, "\\Flagged"),
        (Flags::DELETED, "\\Deleted"),
        (Flags::SEEN, "\\Seen"),
        (Flags::DRAFT, "\\Draft"),
    ];

    pub(crate) fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Flags and keywords as a client names them. Keywords keep the case of their first use in the
/// mailbox and compare without case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FlagSet {
    pub flags: Flags,
    pub keywords: Vec<String>,
}

/// One message for one mailbox.
#[derive(Clone)]
pub(crate) struct NewMail {
    pub body: Arc<Prepared>,
    /// Header lines that only this copy has, each with its CRLF.
    pub prefix: Vec<u8>,
    pub flags: FlagSet,
    pub internal_date: i64,
    pub internal_zone_minutes: i32,
    pub save_date: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Appended {
    pub uid: u32,
    pub uidvalidity: u32,
    pub modseq: u64,
    /// Where the body is: the new one, or the one that had the same content.
    pub body: MailId,
}

/// The MailId for something that arrives now: above every one given before.
pub(crate) fn next_id(batch: &mut Batch, now_micros: u64) -> Result<MailId> {
    let above = batch.memory.last_mail.0.checked_add(1).ok_or(StoreError::Limit("mails"))?;
    let id = MailId(above.max(now_micros));
    batch.memory.last_mail = id;
    Ok(id)
}

/// Writes a message into a mailbox: quota checked, body stored once per content, UID assigned, the
/// change announced. `id` is used if the body is new. When it fails for want of room or quota, or
/// since the mailbox is gone, nothing has been written: the job may go on without it.
pub(crate) fn append(
    batch: &mut Batch,
    account: AccountId,
    mailbox: MailboxId,
    mail: &NewMail,
    id: MailId,
) -> Result<Appended> {
    write_new(batch, (account, mailbox), mail, id, account::charge)
}

/// The same for what was taken in when there was room: mail for several people is not half
/// delivered since one of them came to the end of the quota meanwhile.
pub(crate) fn append_past_quota(
    batch: &mut Batch,
    account: AccountId,
    mailbox: MailboxId,
    mail: &NewMail,
    id: MailId,
) -> Result<Appended> {
    write_new(batch, (account, mailbox), mail, id, account::charge_anyway)
}

/// Is there no row of this mail? For ids that are made before the batch, where `next_id` cannot.
pub(crate) fn id_is_free(read: &impl Read, id: MailId) -> Result<bool> {
    let from = key::of_mail(id);
    Ok(read.last_key(&from, &key::after(&from))?.is_none())
}

fn write_new(
    batch: &mut Batch,
    at: (AccountId, MailboxId),
    mail: &NewMail,
    id: MailId,
    charge: fn(&mut Batch, AccountId, u64) -> Result<()>,
) -> Result<Appended> {
    let (account, mailbox) = at;
    batch.check_room()?;
    batch.memory.last_mail = batch.memory.last_mail.max(id);
    let mut tail = load_tail(batch, at)?;
    let mut name = load_name(batch, at)?;
    let uid = take_uid(&mut tail)?;
    let known = name.keywords.len();
    let keywords = keyword_numbers(&mut name, &mail.flags.keywords)?;
    let size = mail.prefix.len() as u64 + mail.body.head.size;
    charge(batch, account, size)?;
    if name.keywords.len() > known {
        save(batch, &key::name(account, mailbox), &name)?;
    }
    let body = body::refer(batch, &mail.body, id)?;
    // RFC 8474 5.1: an EMAILID is never given twice in an account
    let email_id = u64::from(mailbox.0) << 32 | u64::from(uid);
    let thread_id = body::join_thread(batch, account, &mail.body, email_id)?;
    let modseq = new_modseq(batch, at, &mut tail);
    let row = MailRow {
        body: body.0,
        flags: mail.flags.flags.0,
        keywords,
        modseq,
        internal_date: mail.internal_date,
        internal_zone_minutes: mail.internal_zone_minutes,
        save_date: mail.save_date,
        size,
        email_id,
        thread_id,
        prefix: mail.prefix.clone(),
    };
    count_in(&mut tail, &row);
    save(batch, &key::mail(account, mailbox, uid), &row)?;
    save(batch, &key::tail(account, mailbox), &tail)?;
    announce(batch, at, modseq, What::Added(vec![uid]));
    Ok(Appended { uid, uidvalidity: name.uidvalidity, modseq, body })
}

/// Puts a message back as it once was, into a store that is made anew: with its uid (or the next),
/// flags, dates and modseq. Neither quota nor watchers are asked. What is its uid?
pub(super) fn put_back(
    batch: &mut Batch,
    at: (AccountId, MailboxId),
    uid: Option<u32>,
    row: &MailRow,
    body: &Prepared,
) -> Result<u32> {
    batch.check_room()?;
    let mut tail = load_tail(batch, at)?;
    let uid = match uid {
        Some(uid) => {
            let next = uid.checked_add(1).ok_or(StoreError::Limit("messages ever in a mailbox"))?;
            tail.uidnext = tail.uidnext.max(next);
            uid
        }
        None => take_uid(&mut tail)?,
    };
    let id = MailId(row.body);
    batch.memory.last_mail = batch.memory.last_mail.max(id);
    let id = body::refer(batch, body, id)?;
    let size = row.prefix.len() as u64 + body.head.size;
    // RFC 8474 5.1: an EMAILID is never given twice in an account
    let own = u64::from(at.1.0) << 32 | u64::from(uid);
    let or_own = |id: u64| if id == 0 { own } else { id };
    let (email_id, thread_id) = (or_own(row.email_id), or_own(row.thread_id));
    let row = MailRow { body: id.0, size, email_id, thread_id, ..row.clone() };
    body::count_in_thread(batch, at.0, body.head.message_id_hash, thread_id)?;
    tail.highestmodseq = tail.highestmodseq.max(row.modseq);
    count_in(&mut tail, &row);
    save(batch, &key::mail(at.0, at.1, uid), &row)?;
    save(batch, &key::tail(at.0, at.1), &tail)?;
    Ok(uid)
}

/// Calls `each` with uid and row of the messages in `from..=to` in order, until it says stop.
pub(crate) fn rows(
    read: &impl Read,
    account: AccountId,
    mailbox: MailboxId,
    from: u32,
    to: u32,
    each: &mut dyn FnMut(u32, MailRow) -> Result<bool>,
) -> Result<()> {
    let end = match to.checked_add(1) {
        Some(end) => key::mail(account, mailbox, end),
        None => key::mail_end(account, mailbox),
    };
    read.scan(&key::mail(account, mailbox, from), &end, &mut |key, payload| {
        each(key::uid_of(key)?, key::decode(key, payload)?)
    })
}

/// Only the uids, as fast as can be (SELECT of a large mailbox), ascending.
pub(crate) fn uids(read: &impl Read, account: AccountId, mailbox: MailboxId) -> Result<Vec<u32>> {
    let mut uids = Vec::new();
    let (from, to) = (key::mail(account, mailbox, 0), key::mail_end(account, mailbox));
    read.keys(&from, &to, &mut |key| {
        uids.push(key::uid_of(key)?);
        Ok(true)
    })?;
    Ok(uids)
}

/// The uids as ascending runs (first, last), which is quicker still: what the log of expunged uids
/// leaves of those below uidnext. A uid is never given again, so if as many are left as there are
/// messages, they are the same; if not (the log forgets), the rows are looked through.
pub(crate) fn uid_runs(
    read: &impl Read,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<Vec<(u32, u32)>> {
    let tail: MailboxTail = load(read, &key::tail(account, mailbox))?.unwrap_or_default();
    let runs = between(&change::expunged_runs(read, account, mailbox)?, tail.uidnext);
    let count: u64 = runs.iter().map(|(first, last)| u64::from(last - first) + 1).sum();
    match count == u64::from(tail.messages) {
        true => Ok(runs),
        false => Ok(change::runs(&uids(read, account, mailbox)?)),
    }
}

/// What ascending runs leave of 1..uidnext.
fn between(gone: &[(u32, u32)], uidnext: u32) -> Vec<(u32, u32)> {
    let mut left = Vec::with_capacity(gone.len() + 1);
    let mut next = 1;
    for (first, last) in gone.iter().copied().filter(|(first, _)| *first < uidnext) {
        if next < first {
            left.push((next, first - 1));
        }
        next = next.max(last.saturating_add(1));
    }
    if next < uidnext {
        left.push((next, uidnext - 1));
    }
    left
}

pub(crate) fn row(
    read: &impl Read,
    account: AccountId,
    mailbox: MailboxId,
    uid: u32,
) -> Result<Option<MailRow>> {
    load(read, &key::mail(account, mailbox, uid))
}

/// How STORE changes flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FlagChange {
    Set(FlagSet),
    Add(FlagSet),
    Remove(FlagSet),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Flagged {
    /// Messages whose flags are now as asked, ascending (also those that were so before).
    pub done: Vec<u32>,
    /// RFC 7162 3.1.3: messages not touched because their modseq is above UNCHANGEDSINCE.
    pub modified: Vec<u32>,
    /// Messages that are not there (expunged by another session).
    pub missing: Vec<u32>,
    /// That of the change, as it is announced; 0 when nothing changed.
    pub modseq: u64,
}

pub(crate) fn set_flags(
    batch: &mut Batch,
    account: AccountId,
    mailbox: MailboxId,
    uids: &[u32],
    change: &FlagChange,
    unchanged_since: Option<u64>,
) -> Result<Flagged> {
    let at = (account, mailbox);
    let mut tail = load_tail(batch, at)?;
    let change = Resolved::new(batch, at, change)?;
    let mut flagged = Flagged::default();
    let mut changed = Vec::new();
    for uid in ascending(uids) {
        let Some(mut row) = row(batch, account, mailbox, uid)? else {
            flagged.missing.push(uid);
            continue;
        };
        if unchanged_since.is_some_and(|modseq| row.modseq > modseq) {
            flagged.modified.push(uid);
            continue;
        }
        flagged.done.push(uid);
        let after = change.apply(&row);
        if after == (row.flags, row.keywords.clone()) {
            continue;
        }
        count_out(&mut tail, &row);
        (row.flags, row.keywords) = after;
        row.modseq = new_modseq(batch, at, &mut tail);
        count_in(&mut tail, &row);
        save(batch, &key::mail(account, mailbox, uid), &row)?;
        changed.push(uid);
    }
    if !changed.is_empty() {
        flagged.modseq = tail.highestmodseq;
        save(batch, &key::tail(account, mailbox), &tail)?;
        announce(batch, at, tail.highestmodseq, What::Flags(changed));
    }
    Ok(flagged)
}

/// Removes messages: those of `uids` (all if `None`) that have \Deleted, or all of `uids` when
/// `even_undeleted`. Returns what is gone, ascending, and the modseq of it.
pub(crate) fn expunge(
    batch: &mut Batch,
    account: AccountId,
    mailbox: MailboxId,
    uids: Option<&[u32]>,
    even_undeleted: bool,
) -> Result<(Vec<u32>, u64)> {
    let at = (account, mailbox);
    let mut tail = load_tail(batch, at)?;
    let mut gone = Vec::new();
    let doomed = |row: &MailRow| even_undeleted || Flags(row.flags).has(Flags::DELETED);
    match uids {
        // Nothing to look for: the most frequent EXPUNGE of all, at CLOSE.
        None if !even_undeleted && tail.deleted == 0 => {}
        None => rows(batch, account, mailbox, 0, u32::MAX, &mut |uid, row| {
            if doomed(&row) {
                gone.push((uid, row));
            }
            Ok(true)
        })?,
        Some(uids) => {
            for uid in ascending(uids) {
                if let Some(row) = row(batch, account, mailbox, uid)?.filter(&doomed) {
                    gone.push((uid, row));
                }
            }
        }
    }
    for (_, row) in &gone {
        body::release(batch, account, row)?;
        account::release(batch, account, row.size);
    }
    let modseq = drop_rows(batch, at, &mut tail, &gone)?;
    Ok((gone.into_iter().map(|(uid, _)| uid).collect(), modseq))
}

/// Where a removal in several writes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rest {
    pub from: u32,
    /// The last uid that there was when it began: what arrives later is not meant.
    pub to: u32,
}

/// Removes the next messages that have \Deleted, or just the next when `even_undeleted`: a bounded
/// number. `rest` is `None` at the beginning; what is left is returned beside what is gone, and to
/// be removed in a write of its own, so that the writes of others come between.
pub(crate) fn expunge_some(
    batch: &mut Batch,
    (account, mailbox): (AccountId, MailboxId),
    rest: Option<Rest>,
    even_undeleted: bool,
) -> Result<(Vec<u32>, Option<Rest>)> {
    let tail = load_tail(batch, (account, mailbox))?;
    let Rest { from, to } = rest.unwrap_or(Rest { from: 1, to: tail.uidnext.saturating_sub(1) });
    // Nothing to look for: the most frequent EXPUNGE of all, at CLOSE.
    if (!even_undeleted && tail.deleted == 0) || from > to {
        return Ok((Vec::new(), None));
    }
    let (mut doomed, mut looked, mut next) = (Vec::new(), 0, None);
    rows(batch, account, mailbox, from, to, &mut |uid, row| {
        if looked >= limits::ROWS_PER_WRITE || doomed.len() >= limits::MESSAGES_PER_WRITE {
            next = Some(Rest { from: uid, to });
            return Ok(false);
        }
        looked += 1;
        if even_undeleted || Flags(row.flags).has(Flags::DELETED) {
            doomed.push(uid);
        }
        Ok(true)
    })?;
    let (gone, _) = expunge(batch, account, mailbox, Some(&doomed), even_undeleted)?;
    Ok((gone, next))
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Copied {
    pub uidvalidity: u32,
    /// Pairs of old and new uid, ascending. Empty when no message was there.
    pub uids: Vec<(u32, u32)>,
    /// Of a move: the modseq of the expunge in the source.
    pub modseq: u64,
}

/// COPY: all or nothing; quota checked. With `remove` it is MOVE (RFC 6851), one commit.
pub(crate) fn copy(
    batch: &mut Batch,
    account: AccountId,
    from: MailboxId,
    uids: &[u32],
    to: MailboxId,
    remove: bool,
    now: i64,
) -> Result<Copied> {
    let source = load_name(batch, (account, from))?;
    let mut target = load_name(batch, (account, to))?;
    let uidvalidity = target.uidvalidity;
    let mut found = Vec::new();
    for uid in ascending(uids) {
        if let Some(row) = row(batch, account, from, uid)? {
            found.push((uid, row));
        }
    }
    let known = target.keywords.len();
    let mut keywords = Vec::with_capacity(found.len());
    for (_, row) in &found {
        keywords.push(keyword_numbers(&mut target, &keyword_names(&source, row))?);
    }
    if !remove && !found.is_empty() {
        batch.check_room()?;
        account::charge(batch, account, found.iter().map(|(_, row)| row.size).sum())?;
    }
    if target.keywords.len() > known {
        save(batch, &key::name(account, to), &target)?;
    }
    let uids = add_copies(batch, (account, to), &found, keywords, remove, now)?;
    known::moved(batch, account, &source.special_use, &target.special_use, &found)?;
    let mut modseq = 0;
    if remove {
        let mut tail = load_tail(batch, (account, from))?;
        modseq = drop_rows(batch, (account, from), &mut tail, &found)?;
    }
    Ok(Copied { uidvalidity, uids, modseq })
}

/// Writes the rows of `found` anew at the end of a mailbox, as pairs of old and new uid.
fn add_copies(
    batch: &mut Batch,
    at: (AccountId, MailboxId),
    found: &[(u32, MailRow)],
    keywords: Vec<Vec<u8>>,
    moved: bool,
    now: i64,
) -> Result<Vec<(u32, u32)>> {
    let (account, mailbox) = at;
    let mut tail = load_tail(batch, at)?;
    let mut pairs = Vec::with_capacity(found.len());
    for ((old, row), keywords) in found.iter().zip(keywords) {
        if !moved {
            body::refer_again(batch, account, row)?;
        }
        let uid = take_uid(&mut tail)?;
        let modseq = new_modseq(batch, at, &mut tail);
        // RFC 8514 3: the save date is when the message came into this mailbox
        let row = MailRow { keywords, modseq, save_date: now, ..row.clone() };
        count_in(&mut tail, &row);
        save(batch, &key::mail(account, mailbox, uid), &row)?;
        pairs.push((*old, uid));
    }
    if !pairs.is_empty() {
        save(batch, &key::tail(account, mailbox), &tail)?;
        let added = pairs.iter().map(|&(_, new)| new).collect();
        announce(batch, at, tail.highestmodseq, What::Added(added));
    }
    Ok(pairs)
}

/// Takes rows out of their mailbox, logs and announces that. Bodies are the caller's. Returns the
/// modseq of it.
fn drop_rows(
    batch: &mut Batch,
    at: (AccountId, MailboxId),
    tail: &mut MailboxTail,
    gone: &[(u32, MailRow)],
) -> Result<u64> {
    if gone.is_empty() {
        return Ok(tail.highestmodseq);
    }
    let modseq = new_modseq(batch, at, tail);
    for (uid, row) in gone {
        count_out(tail, row);
        batch.delete(&key::mail(at.0, at.1, *uid))?;
    }
    let uids: Vec<u32> = gone.iter().map(|&(uid, _)| uid).collect();
    log_expunged(batch, at, tail, modseq, &uids)?;
    save(batch, &key::tail(at.0, at.1), tail)?;
    announce(batch, at, modseq, What::Expunged(uids));
    Ok(modseq)
}

/// Gives up the body of a message whose mailbox goes; its row goes with the mailbox's.
pub(super) fn forget_message(
    batch: &mut Batch,
    account: AccountId,
    mailbox: MailboxId,
    uid: u32,
) -> Result<()> {
    match row(batch, account, mailbox, uid) {
        Ok(Some(row)) => body::release(batch, account, &row),
        // A row that cannot be read must not keep the mailbox from being deleted.
        Ok(None) | Err(StoreError::Corrupt(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// After rows of a mail went: if it was the newest of all, remembers that its id was given.
pub(super) fn remember_newest(batch: &mut Batch, mail: MailId) -> Result<()> {
    if batch.last_key(&key::of_mail(mail), &[tag::BODY + 1])?.is_some() {
        return Ok(());
    }
    let mut version: Version = load(batch, &key::version())?.unwrap_or_default();
    if version.last_mail >= mail.0 {
        return Ok(());
    }
    version.last_mail = mail.0;
    save(batch, &key::version(), &version)
}

/// The names of a row's keywords.
pub(crate) fn keyword_names(mailbox: &MailboxName, row: &MailRow) -> Vec<String> {
    let name = |&number: &u8| mailbox.keywords.get(usize::from(number)).cloned();
    row.keywords.iter().filter_map(name).collect()
}

/// A change of flags with its keywords as numbers of the mailbox.
struct Resolved {
    flags: u32,
    keywords: Vec<u8>,
    how: How,
}

enum How {
    Set,
    Add,
    Remove,
}

impl Resolved {
    /// Keywords that the mailbox does not know yet become known, but for those to be removed.
    fn new(batch: &mut Batch, at: (AccountId, MailboxId), change: &FlagChange) -> Result<Self> {
        let (set, how) = match change {
            FlagChange::Set(set) => (set, How::Set),
            FlagChange::Add(set) => (set, How::Add),
            FlagChange::Remove(set) => (set, How::Remove),
        };
        let flags = set.flags.0;
        if set.keywords.is_empty() {
            return Ok(Self { flags, keywords: Vec::new(), how });
        }
        let mut name = load_name(batch, at)?;
        if matches!(how, How::Remove) {
            let known = set.keywords.iter().filter_map(|keyword| number_of(&name, keyword));
            return Ok(Self { flags, keywords: known.collect(), how });
        }
        let known = name.keywords.len();
        let keywords = keyword_numbers(&mut name, &set.keywords)?;
        if name.keywords.len() > known {
            save(batch, &key::name(at.0, at.1), &name)?;
        }
        Ok(Self { flags, keywords, how })
    }

    fn apply(&self, row: &MailRow) -> (u32, Vec<u8>) {
        let mut keywords = row.keywords.clone();
        match self.how {
            How::Set => return (self.flags, self.keywords.clone()),
            How::Remove => {
                keywords.retain(|number| !self.keywords.contains(number));
                return (row.flags & !self.flags, keywords);
            }
            How::Add => keywords.extend_from_slice(&self.keywords),
        }
        keywords.sort_unstable();
        keywords.dedup();
        (row.flags | self.flags, keywords)
    }
}

/// The numbers of keywords, sorted; unknown ones are added to the mailbox's list (not saved here).
fn keyword_numbers(mailbox: &mut MailboxName, keywords: &[String]) -> Result<Vec<u8>> {
    let mut numbers = Vec::with_capacity(keywords.len());
    for keyword in keywords {
        if let Some(number) = number_of(mailbox, keyword) {
            numbers.push(number);
            continue;
        }
        if keyword.is_empty() || keyword.len() > limits::KEYWORD_BYTES {
            return Err(StoreError::Invalid("a keyword is empty or too long"));
        }
        let number = u8::try_from(mailbox.keywords.len()).ok();
        let number = number.filter(|&number| usize::from(number) < limits::KEYWORDS_PER_MAILBOX);
        numbers.push(number.ok_or(StoreError::Limit("keywords of a mailbox"))?);
        mailbox.keywords.push(keyword.clone());
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

fn number_of(mailbox: &MailboxName, keyword: &str) -> Option<u8> {
    let at = mailbox.keywords.iter().position(|known| known.eq_ignore_ascii_case(keyword))?;
    u8::try_from(at).ok()
}

fn load_tail(read: &impl Read, (account, mailbox): (AccountId, MailboxId)) -> Result<MailboxTail> {
    load(read, &key::tail(account, mailbox))?.ok_or(StoreError::NotFound("mailbox"))
}

fn load_name(read: &impl Read, (account, mailbox): (AccountId, MailboxId)) -> Result<MailboxName> {
    load(read, &key::name(account, mailbox))?.ok_or(StoreError::NotFound("mailbox"))
}

fn take_uid(tail: &mut MailboxTail) -> Result<u32> {
    let uid = tail.uidnext.max(1);
    tail.uidnext = uid.checked_add(1).ok_or(StoreError::Limit("messages ever in a mailbox"))?;
    Ok(uid)
}

/// The one modseq that the running job gives to a mailbox, taken at its first change.
fn new_modseq(batch: &mut Batch, at: (AccountId, MailboxId), tail: &mut MailboxTail) -> u64 {
    let given = &mut batch.memory.modseqs;
    if let Some(&(_, modseq)) = given.iter().find(|(mailbox, _)| *mailbox == at) {
        return modseq;
    }
    tail.highestmodseq += 1;
    given.push((at, tail.highestmodseq));
    tail.highestmodseq
}

fn count_in(tail: &mut MailboxTail, row: &MailRow) {
    let flags = Flags(row.flags);
    tail.messages = tail.messages.saturating_add(1);
    tail.unseen = tail.unseen.saturating_add(u32::from(!flags.has(Flags::SEEN)));
    tail.deleted = tail.deleted.saturating_add(u32::from(flags.has(Flags::DELETED)));
    tail.octets = tail.octets.saturating_add(row.size);
}

fn count_out(tail: &mut MailboxTail, row: &MailRow) {
    let flags = Flags(row.flags);
    tail.messages = tail.messages.saturating_sub(1);
    tail.unseen = tail.unseen.saturating_sub(u32::from(!flags.has(Flags::SEEN)));
    tail.deleted = tail.deleted.saturating_sub(u32::from(flags.has(Flags::DELETED)));
    tail.octets = tail.octets.saturating_sub(row.size);
}

fn announce(
    batch: &mut Batch,
    (account, mailbox): (AccountId, MailboxId),
    modseq: u64,
    what: What,
) {
    batch.announce(Change { account, mailbox, modseq, what });
}

fn ascending(uids: &[u32]) -> Vec<u32> {
    let mut uids = uids.to_vec();
    uids.sort_unstable();
    uids.dedup();
    uids
}
