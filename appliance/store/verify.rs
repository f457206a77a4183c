//! Checks the whole store: every row's checksum and shape, and that rows agree with each other.
//!
//! Rows are read in one snapshot, so that counters and what they count are of one moment; the
//! contents of bodies, which take the time, are read afterwards in short snapshots of their own.
//! A body that is expunged meanwhile is not missed. [`night`] does the same in slices.

pub(crate) mod night;

use super::body::{self, HeadIndex};
use super::format::{
    Account, Audit, BodyRef, Brought, BroughtFolder, Checked, Domain, Expunged, FORMAT_VERSION,
    Fetched, Known, Looked, MailRow, MailboxName, MailboxTail, Moves, Outgoing, OutgoingRecipient,
    Outside, OutsideImport, OutsideState, Owner, Route, Sent, Setup, StsPolicy, Subscribed,
    ThreadRef, TlsDay, Tokens, Trace, Version, tag,
};
use super::key::{
    self, BODY_HEAD, BODY_PART, BODY_TRACE, BROUGHT_FOLDER, BROUGHT_RUN, INDEX_BODY,
    OUTSIDE_FETCHED, OUTSIDE_IMPORT, OUTSIDE_SELF, OUTSIDE_STATE, OWNER_LOOKED, OWNER_MOVES,
    OWNER_SELF, OWNER_SETUP, OWNER_TOKENS,
};
use super::mail::Flags;
use super::outbox::Place;
use super::{
    AccountId, MailId, MailboxId, Read, Result, Snapshot, Store, StoreError, outbox, proof,
};
use crate::limits;
use crate::wire::address::Address;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Report {
    /// All that were looked at.
    pub rows: u64,
    pub accounts: u64,
    pub messages: u64,
    pub bodies: u64,
    /// Octets of all bodies before compression.
    pub octets: u64,
    /// Rows whose kind is not known, whole by their sums: a later version wrote them.
    pub later: u64,
    /// What is wrong, in words; empty when the store is good.
    pub faults: Vec<String>,
}

impl Report {
    /// As it is kept.
    pub(crate) fn as_checked(&self, at: i64) -> Checked {
        Checked {
            at,
            rows: self.rows,
            octets: self.octets,
            faults: self.faults.len() as u64,
            told: self.faults.iter().take(limits::CHECK_FAULTS_KEPT).cloned().collect(),
            unjudged: 0,
        }
    }
}

/// Checks everything. `progress` is told rows done and rows in all.
pub(crate) fn verify(store: &Store, progress: &mut dyn FnMut(u64, u64)) -> Result<Report> {
    let snapshot = store.snapshot()?;
    let total = snapshot.count()?;
    let mut check = Check { total, ..Check::default() };
    check.rows(&snapshot, progress)?;
    drop(snapshot);
    check.agree();
    check.contents(store, progress)?;
    progress(total, total);
    Ok(check.report())
}

/// Only checksums and keys of all rows, which tells a whole file from a damaged one.
pub(super) fn check_rows(snapshot: &Snapshot) -> Result<()> {
    snapshot.raw(&FIRST, &LAST, &mut |key, row| key::open_row(key, row).map(|_| true))
}

/// Before and after every key.
const FIRST: [u8; 1] = [0];
const LAST: [u8; 8] = [0xff; 8];
/// Bodies read in one snapshot.
const BODIES_PER_SNAPSHOT: usize = 64;

#[derive(Default)]
struct Check {
    total: u64,
    done: u64,
    faults: Vec<String>,
    unlisted: usize,
    version: Version,
    accounts: BTreeMap<AccountId, Account>,
    domains: HashMap<String, Domain>,
    routes: Vec<(String, Route)>,
    sent: Vec<(AccountId, Sent)>,
    /// Accounts that know somebody, once for each row.
    known: Vec<AccountId>,
    /// Outside accounts, and those that other rows speak of.
    outside: BTreeSet<(AccountId, u32)>,
    of_outside: BTreeSet<(AccountId, u32)>,
    mailboxes: BTreeMap<(AccountId, MailboxId), Counted>,
    bodies: BTreeMap<MailId, Body>,
    threads: HashMap<(u64, AccountId), Threads>,
    /// Those in the outbox.
    leaving: HashSet<MailId>,
    messages: u64,
    octets: u64,
    later: u64,
}

/// What the rows of one mailbox say.
#[derive(Default)]
struct Counted {
    name: Option<MailboxName>,
    tail: Option<MailboxTail>,
    /// Counters as the messages have them.
    sum: MailboxTail,
    last_uid: u32,
    keywords: usize,
    expunge_runs: u32,
    last_expunged: u32,
    oldest_expunge: Option<u64>,
    newest_modseq: u64,
}

/// What the rows say of one body.
#[derive(Default)]
struct Body {
    head: Option<HeadIndex>,
    index: Option<(u64, Vec<u8>, u32)>,
    has_parts: bool,
    references: u32,
}

#[derive(Default)]
struct Threads {
    written: u32,
    counted: u32,
}

impl Check {
    fn fault(&mut self, what: String) {
        if self.faults.len() < limits::FAULTS_LISTED {
            self.faults.push(what);
        } else {
            self.unlisted += 1;
        }
    }

    fn expect(&mut self, right: bool, what: impl FnOnce() -> String) {
        if !right {
            self.fault(what());
        }
    }

    fn report(mut self) -> Report {
        if self.unlisted > 0 {
            self.faults.push(format!("and {} more", self.unlisted));
        }
        Report {
            rows: self.done,
            accounts: self.accounts.len() as u64,
            messages: self.messages,
            bodies: self.bodies.values().filter(|body| body.head.is_some()).count() as u64,
            octets: self.octets,
            later: self.later,
            faults: self.faults,
        }
    }

    fn rows(&mut self, snapshot: &Snapshot, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        let ended = snapshot.raw(&FIRST, &LAST, &mut |key, row| {
            self.row(key, row);
            if self.done.is_multiple_of(1_000) {
                progress(self.done, self.total);
            }
            Ok(true)
        });
        match ended {
            Err(StoreError::Corrupt(what)) => self.fault(format!("{what}; reading stopped there")),
            other => other?,
        }
        Ok(())
    }

    /// One row. The parts of bodies are read later, with the bodies.
    fn row(&mut self, key: &[u8], row: &[u8]) {
        if key.first() == Some(&tag::BODY) && key.get(9) == Some(&BODY_PART) {
            if let Ok(mail) = key::u64_at(key, 1) {
                self.bodies.entry(MailId(mail)).or_default().has_parts = true;
            }
            return;
        }
        self.done += 1;
        let payload = match key::open_row(key, row) {
            Ok(payload) => payload,
            Err(error) => return self.fault(words(&error)),
        };
        if let Err(error) = self.payload(key, payload) {
            self.fault(words(&error));
        }
    }

    fn payload(&mut self, key: &[u8], payload: &[u8]) -> Result<()> {
        match key.first() {
            Some(&tag::VERSION) => self.version = key::decode(key, payload)?,
            Some(&tag::ACCOUNT) => {
                let account = key::decode(key, payload)?;
                self.accounts.insert(AccountId(key::u32_at(key, 1)?), account);
            }
            Some(&tag::DOMAIN) => {
                let domain: Domain = key::decode(key, payload)?;
                let right = key::domain(&domain.name) == key;
                self.expect(right, || format!("{}: is another domain's", key::describe(key)));
                self.domains.insert(domain.name.clone(), domain);
            }
            Some(&tag::ROUTE) => {
                self.routes.push((key::describe(key), key::decode(key, payload)?));
            }
            Some(&tag::NAME) => {
                self.mailbox(key)?.name = Some(key::decode(key, payload)?);
            }
            Some(&tag::SUBSCRIBED) => {
                let row: Subscribed = key::decode(key, payload)?;
                let right = key::subscribed(AccountId(key::u32_at(key, 1)?), &row.name) == key;
                self.expect(right, || format!("{}: is of another name", key::describe(key)));
            }
            Some(&tag::SENT) => {
                self.sent.push((AccountId(key::u32_at(key, 1)?), key::decode(key, payload)?));
            }
            Some(&tag::KNOWN) => {
                let row: Known = key::decode(key, payload)?;
                self.expect(row.is_right(), || format!("{}: is not whole", key::describe(key)));
                self.known.push(AccountId(key::u32_at(key, 1)?));
            }
            Some(&tag::MAIL) if key::is_tail(key) => {
                self.mailbox(key)?.tail = Some(key::decode(key, payload)?);
            }
            Some(&tag::MAIL) => self.message(key, key::decode(key, payload)?)?,
            Some(&tag::EXPUNGED) => self.expunged(key, &key::decode(key, payload)?)?,
            Some(&tag::BODY) => self.body(key, payload)?,
            Some(&tag::INDEX) => self.index(key, payload)?,
            Some(&tag::OUTGOING) => self.outgoing(key, &key::decode(key, payload)?)?,
            Some(&tag::STS_POLICY) => {
                let row: StsPolicy = key::decode(key, payload)?;
                let right = key::sts_policy(&row.domain) == key;
                self.expect(right, || format!("{}: is another domain's", key::describe(key)));
            }
            Some(&tag::TLS_DAY) => {
                let row: TlsDay = key::decode(key, payload)?;
                let right = key::tls_day(key::u32_at(key, 1)?, &row.domain) == key;
                self.expect(right, || format!("{}: is another domain's", key::describe(key)));
            }
            Some(&tag::OWNER) => match key.get(1) {
                Some(&OWNER_SELF) => drop(key::decode::<Owner>(key, payload)?),
                Some(&OWNER_SETUP) => drop(key::decode::<Setup>(key, payload)?),
                Some(&OWNER_TOKENS) => drop(key::decode::<Tokens>(key, payload)?),
                Some(&OWNER_LOOKED) => drop(key::decode::<Looked>(key, payload)?),
                Some(&OWNER_MOVES) => drop(key::decode::<Moves>(key, payload)?),
                _ => self.later += 1,
            },
            Some(&tag::AUDIT) => drop(key::decode::<Audit>(key, payload)?),
            Some(&tag::OUTSIDE) => self.outside(key, payload)?,
            Some(&tag::BROUGHT) => self.brought(key, payload)?,
            _ => self.later += 1,
        }
        Ok(())
    }

    fn brought(&mut self, key: &[u8], payload: &[u8]) -> Result<()> {
        let right = match key.get(21) {
            Some(&BROUGHT_FOLDER) => key::decode::<BroughtFolder>(key, payload)?.is_right(key),
            Some(&BROUGHT_RUN) => key::decode::<Brought>(key, payload)?.is_right(),
            _ => {
                self.later += 1;
                return Ok(());
            }
        };
        self.expect(right, || format!("{}: is not whole", key::describe(key)));
        Ok(())
    }

    fn mailbox(&mut self, key: &[u8]) -> Result<&mut Counted> {
        let at = (AccountId(key::u32_at(key, 1)?), MailboxId(key::u32_at(key, 5)?));
        Ok(self.mailboxes.entry(at).or_default())
    }

    fn message(&mut self, key: &[u8], row: MailRow) -> Result<()> {
        let account = AccountId(key::u32_at(key, 1)?);
        let uid = key::uid_of(key)?;
        self.messages += 1;
        let counted = self.mailbox(key)?;
        counted.sum.messages += 1;
        counted.sum.unseen += u32::from(!Flags(row.flags).has(Flags::SEEN));
        counted.sum.deleted += u32::from(Flags(row.flags).has(Flags::DELETED));
        counted.sum.octets += row.size;
        counted.last_uid = counted.last_uid.max(uid);
        counted.newest_modseq = counted.newest_modseq.max(row.modseq);
        let keywords = row.keywords.iter().max().map_or(0, |&number| usize::from(number) + 1);
        counted.keywords = counted.keywords.max(keywords);
        self.expect(uid > 0, || format!("{}: 0 is no UID", key::describe(key)));
        // Bodies stand before mailboxes in the order of keys.
        let body = self.bodies.entry(MailId(row.body)).or_default();
        body.references += 1;
        let Some((size, hash)) = body.head.as_ref().map(|it| (it.size, it.message_id_hash)) else {
            let mail = MailId(row.body);
            self.fault(format!("{}: its body, mail {mail}, is missing", key::describe(key)));
            return Ok(());
        };
        self.threads.entry((hash, account)).or_default().counted += 1;
        let right = row.size == size + row.prefix.len() as u64;
        self.expect(right, || format!("{}: its size is wrong", key::describe(key)));
        Ok(())
    }

    fn outgoing(&mut self, key: &[u8], row: &Outgoing) -> Result<()> {
        let Place { due, id } = outbox::place_of(key)?;
        self.expect(row.due() == due, || format!("{}: is due at another time", key::describe(key)));
        let only = self.leaving.insert(id);
        self.expect(only, || format!("{}: stands at two times", key::describe(key)));
        self.addresses_of(key, row);
        let open = row.recipients.iter().any(|it| !it.is_done());
        self.expect(open, || format!("{}: has nobody left to send to", key::describe(key)));
        // Bodies stand before the outbox in the order of keys.
        let body = self.bodies.entry(MailId(row.body)).or_default();
        body.references += 1;
        let size = body.head.as_ref().map(|head| head.size);
        let right = size == Some(row.size);
        self.expect(right, || format!("{}: its body is missing or another", key::describe(key)));
        Ok(())
    }

    /// Are those that an outgoing message names what they are drawn as?
    fn addresses_of(&mut self, key: &[u8], row: &Outgoing) {
        let is_address = |text: &str| Address::parse(text).is_ok_and(|it| it.to_string() == text);
        let sender = row.sender.is_empty() || is_address(&row.sender);
        self.expect(sender, || format!("{}: its sender is no address", key::describe(key)));
        let told = row.report_to.as_deref().is_none_or(|text| text.is_empty() || is_address(text));
        self.expect(told, || format!("{}: whom to tell is no address", key::describe(key)));
        let right = |it: &OutgoingRecipient| {
            is_address(&it.address)
                && it.state <= outbox::State::Failed as u32
                && (it.notify == 0 || it.notify & 1 == 1 && it.notify < 16)
        };
        let right = row.ret <= 2 && row.recipients.iter().all(right);
        self.expect(right, || format!("{}: a recipient makes no sense", key::describe(key)));
    }

    fn outside(&mut self, key: &[u8], payload: &[u8]) -> Result<()> {
        let at = (AccountId(key::u32_at(key, 1)?), key::u32_at(key, 5)?);
        match key.get(9) {
            Some(&OUTSIDE_SELF) => {
                let row: Outside = key::decode(key, payload)?;
                let right = row.is_right();
                self.expect(right, || format!("{}: it makes no sense", key::describe(key)));
                self.outside.insert(at);
            }
            Some(&OUTSIDE_STATE) => {
                drop(key::decode::<OutsideState>(key, payload)?);
                self.of_outside.insert(at);
            }
            Some(&OUTSIDE_IMPORT) => {
                let right = key::decode::<OutsideImport>(key, payload)?.is_right();
                self.expect(right, || format!("{}: it makes no sense", key::describe(key)));
                self.of_outside.insert(at);
            }
            Some(&OUTSIDE_FETCHED) => {
                let row: Fetched = key::decode(key, payload)?;
                let right = row.is_right(key);
                self.expect(right, || format!("{}: is not whole", key::describe(key)));
                self.of_outside.insert(at);
            }
            _ => self.later += 1,
        }
        Ok(())
    }

    fn expunged(&mut self, key: &[u8], row: &Expunged) -> Result<()> {
        let modseq = key::u64_at(key, 9)?;
        let first = key::u32_at(key, 17)?;
        let counted = self.mailbox(key)?;
        counted.expunge_runs += u32::try_from(row.runs.len() / 2).unwrap_or(u32::MAX);
        counted.last_expunged = counted.last_expunged.max(row.runs.last().copied().unwrap_or(0));
        counted.newest_modseq = counted.newest_modseq.max(modseq);
        counted.oldest_expunge = counted.oldest_expunge.or(Some(modseq));
        let right = row.runs.len().is_multiple_of(2)
            && row.runs.first() == Some(&first)
            && row.runs.is_sorted();
        self.expect(right, || format!("{}: the uids are out of order", key::describe(key)));
        Ok(())
    }

    fn body(&mut self, key: &[u8], payload: &[u8]) -> Result<()> {
        let mail = MailId(key::u64_at(key, 1)?);
        match key.get(9) {
            Some(&BODY_HEAD) => {
                let head: HeadIndex = key::decode(key, payload)?;
                key::decode::<super::format::BodyHead>(key, payload)?;
                self.bodies.entry(mail).or_default().head = Some(head);
            }
            Some(&BODY_TRACE) => drop(key::decode::<Trace>(key, payload)?),
            _ => self.later += 1,
        }
        Ok(())
    }

    fn index(&mut self, key: &[u8], payload: &[u8]) -> Result<()> {
        let hash = key::u64_at(key, 1)?;
        if key.get(9) == Some(&INDEX_BODY) {
            let row: BodyRef = key::decode(key, payload)?;
            let content = key.get(10..).unwrap_or_default().to_vec();
            let body = self.bodies.entry(MailId(row.mail)).or_default();
            let twice = body.index.replace((hash, content, row.references)).is_some();
            self.expect(!twice, || format!("{}: a second one", key::describe(key)));
        } else {
            let row: ThreadRef = key::decode(key, payload)?;
            let account = AccountId(key::u32_at(key, 10)?);
            self.threads.entry((hash, account)).or_default().written = row.messages;
        }
        Ok(())
    }

    fn agree_version(&mut self) {
        let known = self.version.format;
        self.expect(known == FORMAT_VERSION, || format!("the store's format is {known}"));
    }

    /// Do the rows agree with each other?
    fn agree(&mut self) {
        self.agree_version();
        self.agree_accounts();
        self.agree_routes();
        self.agree_sent();
        for (at, counted) in std::mem::take(&mut self.mailboxes) {
            self.agree_mailbox(at, &counted);
        }
        let mut faults = Vec::new();
        for (mail, body) in &self.bodies {
            agree_body(*mail, body, &mut faults);
        }
        for ((hash, account), threads) in &self.threads {
            if threads.written != threads.counted {
                faults.push(format!(
                    "the thread at {hash:016x} of account {} says {} messages and has {}",
                    account.0, threads.written, threads.counted
                ));
            }
        }
        faults.into_iter().for_each(|fault| self.fault(fault));
    }

    fn agree_accounts(&mut self) {
        let mut faults = Vec::new();
        for (id, account) in &self.accounts {
            if id.0 >= self.version.next_account {
                faults.push(format!("account {}: its id may be given again", id.0));
            }
            let shut = account
                .leaving
                .as_ref()
                .is_none_or(|leaving| account.suspended && leaving.days <= limits::LEAVING_DAYS);
            if !shut {
                faults.push(format!("account {}: it is closed, and yet it is not", id.0));
            }
            let own = |(_, route): &&(String, Route)| {
                route.primary && route.accounts == [id.0] && route.address == account.login
            };
            let is_led_to = *id == proof::ACCOUNT || self.routes.iter().filter(own).count() == 1;
            if !is_led_to {
                faults.push(format!("account {}: {} does not lead to it", id.0, account.login));
            }
            let mut seen = HashSet::new();
            for ((_, mailbox), counted) in
                self.mailboxes.range((*id, MailboxId(0))..=(*id, MailboxId(u32::MAX)))
            {
                let name = counted.name.as_ref();
                let uidvalidity = name.map_or(0, |name| name.uidvalidity);
                if name.is_some() && (uidvalidity == 0 || !seen.insert(uidvalidity)) {
                    faults
                        .push(format!("{}: its UIDVALIDITY is not its own", called(*id, *mailbox)));
                }
                if mailbox.0 >= account.next_mailbox || uidvalidity >= account.next_uidvalidity {
                    faults.push(format!("{}: its id may be given again", called(*id, *mailbox)));
                }
            }
        }
        faults.into_iter().for_each(|fault| self.fault(fault));
    }

    fn agree_sent(&mut self) {
        for id in std::mem::take(&mut self.known) {
            let there = self.accounts.contains_key(&id);
            self.expect(there, || format!("account {} is gone, and still knows people", id.0));
        }
        let outside = std::mem::take(&mut self.outside);
        for (id, number) in &outside {
            let there = self.accounts.get(id).is_some_and(|it| it.next_outside > *number);
            self.expect(there, || format!("outside account {number} of {}: whose is it?", id.0));
        }
        for (id, number) in std::mem::take(&mut self.of_outside).difference(&outside) {
            self.fault(format!("outside account {number} of {} is gone, rows of it not", id.0));
        }
        for (id, sent) in std::mem::take(&mut self.sent) {
            let known = self.accounts.contains_key(&id);
            self.expect(known, || format!("{} sent mail on day {}, and is gone", id.0, sent.day));
        }
    }

    fn agree_routes(&mut self) {
        for (at, route) in std::mem::take(&mut self.routes) {
            let address = Address::parse(&route.address);
            let home = address.as_ref().is_ok_and(|it| self.domains.contains_key(it.domain()));
            self.expect(home, || format!("{at}: its domain is not one of ours"));
            for id in &route.accounts {
                let there = self.accounts.contains_key(&AccountId(*id));
                self.expect(there, || format!("{at}: leads to account {id}, which is missing"));
            }
            for target in &route.targets {
                let right = Address::parse(target).is_ok_and(|it| it.to_string() == *target);
                self.expect(right, || format!("{at}: leads to what is no address"));
            }
            let leads = !(route.accounts.is_empty() && route.targets.is_empty());
            self.expect(leads, || format!("{at}: leads nowhere"));
        }
        for domain in std::mem::take(&mut self.domains).into_values() {
            for (post, id) in [("catch-all", domain.catch_all), ("postmaster", domain.postmaster)] {
                let there = id.is_none_or(|id| self.accounts.contains_key(&AccountId(id)));
                self.expect(there, || {
                    format!("domain {}: the account of its {post} is missing", domain.name)
                });
            }
        }
    }

    fn agree_mailbox(&mut self, (account, mailbox): (AccountId, MailboxId), counted: &Counted) {
        let called = called(account, mailbox);
        let there = self.accounts.contains_key(&account);
        self.expect(there, || format!("{called}: its account is missing"));
        let Some(name) = &counted.name else {
            return self.fault(format!("{called}: its name is missing"));
        };
        let Some(tail) = &counted.tail else {
            return self.fault(format!("{called}: its counters are missing"));
        };
        let sum = &counted.sum;
        for (what, says, has) in [
            ("messages", u64::from(tail.messages), u64::from(sum.messages)),
            ("unseen messages", u64::from(tail.unseen), u64::from(sum.unseen)),
            ("deleted messages", u64::from(tail.deleted), u64::from(sum.deleted)),
            ("octets", tail.octets, sum.octets),
            ("runs of expunges", u64::from(tail.expunge_runs), u64::from(counted.expunge_runs)),
        ] {
            self.expect(says == has, || format!("{called}: counts {says} {what} and has {has}"));
        }
        let last_uid = counted.last_uid.max(counted.last_expunged);
        self.expect(last_uid < tail.uidnext, || {
            format!("{called}: has UID {last_uid} and would give {} next", tail.uidnext)
        });
        let newest = counted.newest_modseq;
        self.expect(tail.highestmodseq > 0 && newest <= tail.highestmodseq, || {
            format!("{called}: has modseq {newest} above its highest, {}", tail.highestmodseq)
        });
        let oldest = counted.oldest_expunge.unwrap_or(u64::MAX);
        self.expect(oldest > tail.forgotten, || format!("{called}: remembers what it forgot"));
        let keywords = counted.keywords <= name.keywords.len();
        self.expect(keywords, || format!("{called}: a message has a keyword without a name"));
    }

    /// Reads every body, checks its rows and that the content has the hash and size it had.
    fn contents(&mut self, store: &Store, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        let bodies: Vec<(MailId, HeadIndex)> = std::mem::take(&mut self.bodies)
            .into_iter()
            .filter_map(|(mail, body)| {
                let head = body.head.clone()?;
                self.bodies.insert(mail, body);
                Some((mail, head))
            })
            .collect();
        for some in bodies.chunks(BODIES_PER_SNAPSHOT) {
            let snapshot = store.snapshot()?;
            for (mail, head) in some {
                self.content(&snapshot, *mail, head)?;
                progress(self.done.min(self.total), self.total);
            }
        }
        Ok(())
    }

    fn content(&mut self, read: &Snapshot, mail: MailId, head: &HeadIndex) -> Result<()> {
        let key = key::body(mail, BODY_HEAD);
        let mut there = false;
        read.keys(&key, &key::after(&key), &mut |_| {
            there = true;
            Ok(false)
        })?;
        if !there {
            return Ok(());
        }
        self.octets += head.size;
        match hash_of(read, mail, head.size, &mut self.done) {
            Ok(hash) => {
                let right = hash == head.hash;
                self.expect(right, || format!("mail {mail}: the content is not what arrived"));
                Ok(())
            }
            Err(StoreError::Corrupt(what)) => {
                self.fault(what);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn agree_body(mail: MailId, body: &Body, faults: &mut Vec<String>) {
    let Some(head) = &body.head else {
        if body.has_parts || body.index.is_some() {
            faults.push(format!("mail {mail}: a body without a head"));
        }
        return;
    };
    match &body.index {
        Some((hash, content, references)) => {
            if (*hash, content) != (head.message_id_hash, &head.hash) {
                faults.push(format!("mail {mail}: the index knows it by another content"));
            }
            if *references != body.references {
                faults.push(format!(
                    "mail {mail}: says {references} messages have this body and {} do",
                    body.references
                ));
            }
        }
        None => faults.push(format!("mail {mail}: the body is missing in the index")),
    }
    if body.references == 0 {
        faults.push(format!("mail {mail}: no message has this body"));
    }
}

fn hash_of(read: &Snapshot, mail: MailId, size: u64, rows: &mut u64) -> Result<Vec<u8>> {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    let block = limits::BODY_BLOCK_BYTES as u64;
    let mut at = 0;
    while at < size {
        digest.update(&body::body_octets(read, mail, size, at, at + block)?);
        at += block;
    }
    let end = u32::try_from(size.div_ceil(block) * 8).unwrap_or(u32::MAX);
    let mut excess = false;
    read.keys(&key::part(mail, 0), &key::body(mail, BODY_PART + 1), &mut |key| {
        *rows += 1;
        excess |= key::u32_at(key, 10)? >= end;
        Ok(true)
    })?;
    if excess {
        return Err(key::corrupt(&key::part(mail, end), "the body has no such part"));
    }
    Ok(digest.finish().as_ref().to_vec())
}

fn called(account: AccountId, mailbox: MailboxId) -> String {
    format!("mailbox {} of account {}", mailbox.0, account.0)
}

fn words(error: &StoreError) -> String {
    match error {
        StoreError::Corrupt(what) => what.clone(),
        other => other.to_string(),
    }
}
