//! Of all rows with the same key the one to believe; and from those what the office was.

use super::life::{Life, Trust};
use super::sort::Sorter;
use crate::limits::SALVAGE_EXPUNGES;
use crate::store::error::Result;
use crate::store::format::{
    Account, Domain, Expunged, MailRow, MailboxName, MailboxTail, Outgoing, Route, Sent,
    Subscribed, ThreadRef, Version, tag,
};
use crate::store::outbox::{self, State};
use crate::store::{AccountId, MailboxId, key, proof};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) type At = (AccountId, MailboxId);

/// What the rows say, but for messages and bodies.
#[derive(Default)]
pub(super) struct Office {
    pub version: Version,
    pub accounts: BTreeMap<AccountId, Account>,
    pub domains: BTreeMap<String, Domain>,
    /// By key.
    pub routes: BTreeMap<Vec<u8>, Route>,
    pub names: BTreeMap<At, MailboxName>,
    /// Counters, and whether they are those of the end.
    pub tails: BTreeMap<At, (MailboxTail, bool)>,
    pub subscribed: Vec<(AccountId, String)>,
    pub sent: Vec<(AccountId, Sent)>,
    /// Whom people know, and what is known of other domains, as it stands.
    pub of_others: Vec<(Vec<u8>, Vec<u8>)>,
    /// Accounts whose row is lost or may be old; `None` is the version of the store.
    pub uncertain: BTreeSet<Option<AccountId>>,
    /// By MailId.
    pub outgoing: BTreeMap<u64, (Outgoing, Trust)>,
    /// Mailboxes as their messages tell of them.
    pub seen: BTreeMap<At, Seen>,
    /// Rows other than messages that were found only in old pages and taken all the same.
    pub perhaps_old: u64,
    /// Rows that are older than what is here, or deleted.
    pub remains: u64,
    /// UIDs that are known to be expunged, as runs: a fact for ever, wherever it is read.
    gone: HashMap<At, Vec<(u32, u32)>>,
    runs: usize,
}

/// What the messages of a mailbox tell of it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Seen {
    pub last_uid: u32,
    pub newest_modseq: u64,
    pub messages: u64,
    /// Of them, those that are there for certain.
    pub certain: u64,
}

/// One row that was chosen.
pub(super) struct Choice<'r> {
    pub key: &'r [u8],
    pub payload: &'r [u8],
    pub trust: Trust,
}

/// Shows of every key the row to believe. `raw` sees all rows before. How many rows were old?
pub(super) fn choices(
    rows: &mut Sorter,
    life: &Life,
    raw: &mut dyn FnMut(&[u8], &[u8]),
    each: &mut dyn FnMut(Choice<'_>) -> Result<()>,
) -> Result<u64> {
    let mut best: Option<Candidate> = None;
    let mut old = 0;
    let mut settle = |best: Option<Candidate>, old: &mut u64| match best {
        Some(best) if best.trust == Trust::True || life.gaps.has(&best.key) => {
            let Candidate { key, payload, trust, .. } = &best;
            each(Choice { key, payload, trust: *trust })
        }
        Some(_) => {
            *old += 1;
            Ok(())
        }
        None => Ok(()),
    };
    rows.each(&mut |key, value| {
        let Some((page, payload)) = value.split_first_chunk::<8>() else { return Ok(()) };
        raw(key, payload);
        let trust = life.trust(u64::from_be_bytes(*page));
        let newness = newness(key, payload);
        if let Some(best) = best.as_mut().filter(|best| best.key == key) {
            if (trust, newness) > (best.trust, best.newness) {
                *best = Candidate { payload: payload.to_vec(), trust, newness, ..best.take() };
            }
            return Ok(());
        }
        let next = Candidate { key: key.to_vec(), payload: payload.to_vec(), trust, newness };
        settle(best.replace(next), &mut old)
    })?;
    settle(best, &mut old)?;
    Ok(old)
}

#[derive(Default)]
struct Candidate {
    key: Vec<u8>,
    payload: Vec<u8>,
    trust: Trust,
    newness: (u64, u64),
}

impl Candidate {
    fn take(&mut self) -> Candidate {
        std::mem::take(self)
    }
}

/// Of two versions of a row the later has more of what only grows.
fn newness(key: &[u8], payload: &[u8]) -> (u64, u64) {
    fn read<M: Message + Default>(payload: &[u8]) -> M {
        M::decode(payload).unwrap_or_default()
    }
    match key.first() {
        Some(&tag::MAIL) if key::is_tail(key) => {
            let tail: MailboxTail = read(payload);
            (tail.highestmodseq, tail.uidnext.into())
        }
        Some(&tag::MAIL) => (read::<MailRow>(payload).modseq, 0),
        Some(&tag::VERSION) => {
            let version: Version = read(payload);
            (version.next_account.into(), version.last_mail)
        }
        Some(&tag::ACCOUNT) => {
            let account: Account = read(payload);
            let newest = account.credentials.iter().map(|it| it.created).max().unwrap_or(0);
            let made = u64::from(account.next_mailbox) << 32 | u64::from(account.next_uidvalidity);
            (made, u64::try_from(newest).unwrap_or(0))
        }
        Some(&tag::NAME) => (read::<MailboxName>(payload).keywords.len() as u64, 0),
        Some(&tag::OUTGOING) => (progress(&read(payload)), 0),
        Some(&tag::SENT) => {
            let sent: Sent = read(payload);
            (u64::try_from(sent.day).unwrap_or(0), sent.recipients.into())
        }
        Some(&tag::INDEX) => (read::<ThreadRef>(payload).messages.into(), 0),
        _ => (0, 0),
    }
}

/// How far an outgoing message has come: recipients that are done, then tries.
fn progress(row: &Outgoing) -> u64 {
    let done = row.recipients.iter().filter(|it| it.is_done()).count() as u64;
    let tries: u64 = row.recipients.iter().map(|it| u64::from(it.tries)).sum();
    done << 32 | tries.min(u32::MAX.into())
}

/// What a key of a mailbox is of.
pub(super) fn at(key: &[u8]) -> Option<At> {
    let account = AccountId(key::u32_at(key, 1).ok()?);
    Some((account, MailboxId(key::u32_at(key, 5).ok()?)))
}

impl Office {
    /// Reads everything but messages and bodies into memory: it is what few people have made.
    pub(super) fn read(rows: &mut Sorter, life: &Life) -> Result<Office> {
        let mut office = Office { uncertain: BTreeSet::from([None]), ..Office::default() };
        let mut facts = Office::default();
        let old =
            choices(rows, life, &mut |key, payload| facts.fact(key, payload), &mut |choice| {
                office.choice(&choice);
                Ok(())
            })?;
        (office.gone, office.runs, office.remains) = (facts.gone, facts.runs, old);
        office.gone.values_mut().for_each(|runs| runs.sort_unstable());
        Ok(office)
    }

    fn fact(&mut self, key: &[u8], payload: &[u8]) {
        if key.first() != Some(&tag::EXPUNGED) || self.runs >= SALVAGE_EXPUNGES {
            return;
        }
        let (Some(at), Ok(row)) = (at(key), Expunged::decode(payload)) else { return };
        let runs = row.runs.chunks_exact(2).filter_map(|run| Some((*run.first()?, *run.last()?)));
        let list = self.gone.entry(at).or_default();
        let before = list.len();
        list.extend(runs);
        self.runs += list.len() - before;
    }

    /// Was this message taken out of its mailbox?
    pub(super) fn is_gone(&self, at: At, uid: u32) -> bool {
        let Some(runs) = self.gone.get(&at) else { return false };
        let end = runs.partition_point(|&(first, _)| first <= uid);
        // A run of an old page and one of a new may overlap; those before end sooner or later.
        runs.iter().take(end).rev().take(RUNS_LOOKED_AT).any(|&(_, last)| uid <= last)
    }

    fn choice(&mut self, choice: &Choice<'_>) {
        let Choice { key, payload, trust } = *choice;
        if trust == Trust::Old && !matches!(key.first(), Some(&(tag::MAIL | tag::INDEX))) {
            self.perhaps_old += 1;
        }
        // A row that was written by us and cannot be read was written by a later version, or never.
        let _ = self.row(key, payload, trust);
    }

    fn row(&mut self, key: &[u8], payload: &[u8], trust: Trust) -> Option<()> {
        let account = AccountId(key::u32_at(key, 1).unwrap_or(0));
        match *key.first()? {
            tag::VERSION => {
                self.version = Version::decode(payload).ok()?;
                if trust == Trust::True {
                    self.uncertain.remove(&None);
                }
            }
            // What a proof left behind is nobody's.
            tag::ACCOUNT if account == proof::ACCOUNT => {}
            tag::ACCOUNT => {
                let mut row = Account::decode(payload).ok()?;
                if trust != Trust::True {
                    self.uncertain.insert(Some(account));
                    // It may be of before the owner thought otherwise: it stays shut, and its mail.
                    row.leaving = None;
                }
                self.accounts.insert(account, row);
            }
            tag::DOMAIN => {
                let domain = Domain::decode(payload).ok()?;
                self.domains.insert(domain.name.clone(), domain);
            }
            tag::ROUTE => drop(self.routes.insert(key.to_vec(), Route::decode(payload).ok()?)),
            tag::NAME => {
                self.names.insert(at(key)?, MailboxName::decode(payload).ok()?);
            }
            tag::SUBSCRIBED => {
                self.subscribed.push((account, Subscribed::decode(payload).ok()?.name));
            }
            tag::SENT => self.sent.push((account, Sent::decode(payload).ok()?)),
            tag::MAIL if key::is_tail(key) => {
                let tail = MailboxTail::decode(payload).ok()?;
                self.tails.insert(at(key)?, (tail, trust == Trust::True));
            }
            tag::MAIL => {
                let row = MailRow::decode(payload).ok()?;
                let seen = self.seen.entry(at(key)?).or_default();
                seen.last_uid = seen.last_uid.max(key::uid_of(key).ok()?);
                seen.newest_modseq = seen.newest_modseq.max(row.modseq);
                seen.messages += 1;
                seen.certain += u64::from(trust == Trust::True);
            }
            // A policy that may be old is fetched again. From an outside account that may be gone
            // nothing is collected. What may not have been brought is brought again. An owner's
            // password that may be old opens nothing: without one the setup code does.
            tag::KNOWN
            | tag::STS_POLICY
            | tag::TLS_DAY
            | tag::OWNER
            | tag::AUDIT
            | tag::OUTSIDE
            | tag::BROUGHT
                if trust == Trust::True =>
            {
                self.of_others.push((key.to_vec(), payload.to_vec()));
            }
            tag::OUTGOING => self.outgoing(outbox::place_of(key).ok()?.id.0, payload, trust)?,
            _ => {}
        }
        Some(())
    }

    /// A row of the outbox moves with its time: of several of a message the true one, or else the
    /// one that has come furthest.
    fn outgoing(&mut self, mail: u64, payload: &[u8], trust: Trust) -> Option<()> {
        let row = Outgoing::decode(payload).ok()?;
        let rank = |row: &Outgoing, trust: Trust| (trust, progress(row));
        let known = self.outgoing.get(&mail);
        if known.is_none_or(|(known, its)| rank(known, *its) < rank(&row, trust)) {
            self.outgoing.insert(mail, (row, trust));
        }
        Some(())
    }
}

/// Runs of expunges before a uid that are looked at for one that holds it.
const RUNS_LOOKED_AT: usize = 64;

/// What may have been sent already is not sent again before the owner says so.
pub(super) fn hold(row: &mut Outgoing) {
    for recipient in row.recipients.iter_mut().filter(|it| it.state() == State::Waiting) {
        recipient.set_state(State::Held);
        recipient.why = "held since the store was salvaged: it may have been sent already; \
                         `mailroom outbox now` sends it"
            .to_string();
    }
}
