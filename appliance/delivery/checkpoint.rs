//! Steps `evidence` and `judge` of an arriving message: who is it from, and what becomes of it?
//!
//! Whatever goes wrong in here, the mail is delivered: a fault of the checks proves nothing.

use super::local;
use super::srs::Srs;
use crate::event::{Event, emit};
use crate::limits::{AUTHORS_KNOWN, GREYLIST_KEPT, GREYLIST_REMEMBERED, GREYLIST_WAIT};
use crate::net::authenticate::{Arrival, Examiner};
use crate::net::network;
use crate::policy::judge::{Judgement, OnDmarc, Reason, Rules, Verdict, judge};
use crate::policy::{Claims, Evidence, words};
use crate::settings::{BlocklistHit, Checks, Dmarc};
use crate::smtp::Arrived;
use crate::store::format::TraceStep;
use crate::store::{AccountId, Store, known};
use crate::wire::smtp::Reply;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

/// Finds evidence.
pub(crate) type Examine =
    Box<dyn Fn(Arrival) -> Pin<Box<dyn Future<Output = Evidence> + Send>> + Send + Sync>;

pub(crate) struct Checkpoint {
    examine: Examine,
    settings: Checks,
    rules: Rules,
    waiting: Mutex<Waiting>,
    /// How often each override was made.
    overrides: Mutex<HashMap<&'static str, u64>>,
}

/// A message, looked at and judged.
#[derive(Debug)]
pub(crate) struct Checked {
    pub evidence: Evidence,
    /// What all recipients have in common; refused or put off only if it is so for all.
    pub whole: Judgement,
    each: HashMap<AccountId, Judgement>,
}

impl Checked {
    /// Of the copy for this account.
    pub(crate) fn of(&self, account: AccountId) -> &Judgement {
        self.each.get(&account).unwrap_or(&self.whole)
    }

    /// What the other server is told when the message is not taken.
    pub(crate) fn refusal(&self) -> Option<Reply> {
        let text = words::reply(&self.whole, &self.evidence);
        match (self.whole.verdict, &self.whole.reason) {
            // RFC 7372 3.3: several checks have failed
            (Verdict::Refuse, Reason::DmarcReject) => Some(Reply::new(550, 7, 26, text)),
            (Verdict::Refuse, _) => Some(Reply::new(550, 7, 1, text)),
            (Verdict::Later, _) => Some(Reply::new(451, 7, 1, text)),
            (Verdict::Accept | Verdict::Junk, _) => None,
        }
    }

    /// The story: what was found, and what was decided.
    pub(crate) fn steps(&self, now: i64) -> Vec<TraceStep> {
        let step = |what: &str, text: String| TraceStep {
            at: now,
            what: what.to_string(),
            text,
            ..TraceStep::default()
        };
        vec![
            step("checked", words::findings(&self.evidence)),
            step("judged", self.verdict_in_words()),
        ]
    }

    fn verdict_in_words(&self) -> String {
        let (whole, remedy) = (&self.whole, words::remedy(&self.whole));
        let (verdict, reason) = (whole.verdict.name(), whole.reason.name());
        let because = words::because(whole, &self.evidence);
        let gap = if remedy.is_empty() { "" } else { " " };
        format!("{verdict} ({reason}): {because}.{gap}{remedy}")
    }
}

impl Checkpoint {
    pub(crate) fn new(examiner: Examiner, settings: Checks) -> Self {
        let examiner = Arc::new(examiner);
        let examine = move |arrival| {
            let examiner = examiner.clone();
            let evidence = async move { examiner.examine(&arrival).await };
            Box::pin(evidence) as Pin<Box<dyn Future<Output = Evidence> + Send>>
        };
        Self::with(Box::new(examine), settings)
    }

    pub(crate) fn with(examine: Examine, settings: Checks) -> Self {
        let rules = Rules {
            dmarc: match settings.dmarc {
                Dmarc::Honour => OnDmarc::Honour,
                Dmarc::Junk => OnDmarc::Junk,
                Dmarc::Report => OnDmarc::Report,
            },
            greylist: settings.greylist,
            refuse_listed: settings.blocklist_hit == BlocklistHit::Refuse,
            allow: settings.allow.clone(),
            deny: settings.deny.clone(),
            forwarders: settings.forwarders.clone(),
        };
        Self { examine, settings, rules, waiting: Mutex::default(), overrides: Mutex::default() }
    }

    /// `None`: the peer is trusted, and its mail is not looked at.
    pub(crate) async fn look(
        &self,
        place: (&Store, &Srs),
        arrived: &mut Arrived,
        now: i64,
    ) -> Option<Checked> {
        let peer = arrived.caller.remote.ip();
        if self.settings.trusts(peer) {
            return None;
        }
        let message = Arc::new(std::mem::take(&mut arrived.message));
        let arrival = Arrival {
            peer,
            helo: arrived.caller.helo.clone(),
            tls: arrived.caller.tls.is_some(),
            sender: arrived.from.clone(),
            message: message.clone(),
            now,
        };
        let mut evidence = self.evidence(arrival).await;
        arrived.message = Arc::try_unwrap(message).unwrap_or_else(|shared| (*shared).clone());
        let envelope = self.envelope(arrived);
        evidence.waited = self.with_waiting(|waiting| waiting.has_waited(envelope, now));
        let (each, open) = self.judge_each(place, arrived, &evidence, now);
        let whole = self.whole(&each, open, &evidence);
        if whole.verdict == Verdict::Later {
            self.with_waiting(|waiting| waiting.begin(envelope, now));
        }
        self.count(&whole, &evidence);
        Some(Checked { evidence, whole, each })
    }

    /// The judgement of a letter that another provider has checked, for each of these.
    pub(super) fn believe(
        &self,
        store: &Store,
        accounts: &[AccountId],
        evidence: Evidence,
    ) -> Checked {
        let authors = &evidence.claims.authors;
        let plain = evidence.claims.unreadable == 0 && (1..=AUTHORS_KNOWN).contains(&authors.len());
        let knows = |account: AccountId| {
            let read = store.snapshot()?;
            let mut knows = plain;
            for author in authors.iter().take(AUTHORS_KNOWN) {
                knows = knows && known::knows(&read, account, author)?;
            }
            crate::store::Result::Ok(knows)
        };
        let judged = |account: &AccountId| {
            let known = knows(*account).unwrap_or_default();
            (*account, judge(&Evidence { known, ..evidence.clone() }, &self.rules))
        };
        let each: HashMap<_, _> = accounts.iter().map(judged).collect();
        let whole = match accounts.first().and_then(|first| each.get(first)) {
            Some(first) => first.clone(),
            None => judge(&evidence, &self.rules),
        };
        Checked { evidence, whole, each }
    }

    /// In a task of its own, so that whatever happens in it happens to it alone.
    async fn evidence(&self, arrival: Arrival) -> Evidence {
        let (peer, helo) = (arrival.peer, arrival.helo.clone());
        match tokio::spawn((self.examine)(arrival)).await {
            Ok(evidence) => evidence,
            Err(error) => {
                emit(Event::CheckTrouble { why: error.to_string() });
                let fault = Some("the checks broke off".to_string());
                Evidence { fault, ..Evidence::new(peer, &helo, Claims::default()) }
            }
        }
    }

    /// The judgement of each copy: who knows the author is less easily alarmed. And: is one of the
    /// recipients always to be reached?
    fn judge_each(
        &self,
        (store, srs): (&Store, &Srs),
        arrived: &Arrived,
        evidence: &Evidence,
        now: i64,
    ) -> (HashMap<AccountId, Judgement>, bool) {
        let authors = &evidence.claims.authors;
        let look = || -> crate::store::Result<(Vec<(AccountId, bool)>, bool)> {
            let read = store.snapshot()?;
            let leads = local::leads(&read, srs, &arrived.recipients, now)?.unwrap_or_default();
            let (mut known, mut open) = (Vec::with_capacity(leads.copies.len()), false);
            for local::Copy { account, .. } in leads.copies {
                // Whoever puts a stranger beside a friend is a stranger.
                let mut knows =
                    evidence.claims.unreadable == 0 && (1..=AUTHORS_KNOWN).contains(&authors.len());
                for author in authors.iter().take(AUTHORS_KNOWN) {
                    knows = knows && known::knows(&read, account, author)?;
                }
                known.push((account, knows));
            }
            for recipient in &arrived.recipients {
                open |= local::is_always_open(&read, &recipient.to)?;
            }
            Ok((known, open))
        };
        // A store that cannot be read says so at the write.
        let (known, open) = look().unwrap_or_default();
        let judged = |(account, known)| {
            (account, judge(&Evidence { known, ..evidence.clone() }, &self.rules))
        };
        (known.into_iter().map(judged).collect(), open)
    }

    /// DATA has one reply for all: it is refused or put off only if it is so for each, and for
    /// nobody whose door is always open.
    fn whole(
        &self,
        each: &HashMap<AccountId, Judgement>,
        open: bool,
        evidence: &Evidence,
    ) -> Judgement {
        let stays_out = |one: &Judgement| matches!(one.verdict, Verdict::Refuse | Verdict::Later);
        let mut all: Vec<&Judgement> = each.values().collect();
        all.sort_by_key(|one| one.verdict as u8);
        let whole = match all.iter().find(|one| !stays_out(one)).or(all.last()) {
            Some(one) => (*one).clone(),
            None => judge(evidence, &self.rules),
        };
        // RFC 5321 4.5.1: postmaster is reached in spite of rules; who complains of a wrong one
        // writes there.
        if open && stays_out(&whole) {
            return Judgement { verdict: Verdict::Junk, ..whole };
        }
        whole
    }

    fn count(&self, whole: &Judgement, evidence: &Evidence) {
        let (Some(by), Ok(mut overrides)) = (whole.overridden, self.overrides.lock()) else {
            return;
        };
        let times = overrides.entry(by.name()).or_default();
        *times += 1;
        let domain = evidence.dmarc.domain.clone();
        emit(Event::PolicyOverridden { domain, by: by.name(), times: *times });
    }

    /// Who sends to whom, as a number.
    fn envelope(&self, arrived: &Arrived) -> u64 {
        let to = arrived.recipients.first().map(|recipient| recipient.to.to_string());
        let from = arrived.from.as_ref().map(ToString::to_string);
        let peer = network(arrived.caller.remote.ip());
        self.with_waiting(|waiting| waiting.secret.hash_one((peer, from, to)))
    }

    fn with_waiting<T>(&self, with: impl FnOnce(&mut Waiting) -> T) -> T {
        // Nothing in it can be half done.
        with(&mut self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// Who was asked to come again, and when. A restart forgets it: then they come once more.
#[derive(Debug, Default)]
struct Waiting {
    secret: RandomState,
    since: HashMap<u64, i64>,
}

impl Waiting {
    fn has_waited(&self, envelope: u64, now: i64) -> bool {
        let since = self.since.get(&envelope);
        since.is_some_and(|since| now.saturating_sub(*since) >= GREYLIST_WAIT.as_secs() as i64)
    }

    fn begin(&mut self, envelope: u64, now: i64) {
        let kept = GREYLIST_KEPT.as_secs() as i64;
        if self.since.len() >= GREYLIST_REMEMBERED {
            self.since.retain(|_, since| now.saturating_sub(*since) < kept);
        }
        if self.since.len() >= GREYLIST_REMEMBERED {
            self.since.clear();
        }
        self.since.entry(envelope).or_insert(now);
    }
}
