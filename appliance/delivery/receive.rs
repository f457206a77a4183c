//! An arriving message, step by step, until it is on disk.
//!
//! ```text
//! hops      has it gone round in circles?
//! evidence  who is it from? SPF, DKIM, DMARC, blocklists
//! judge     accept, junk, refuse, or later: policy::judge
//! stamp     results and Received on top; Return-Path and forged results off
//! prepare   hash, compress, read the structure: outside of the writer
//! onward    which recipients lead outside, and may it be passed on? (forward)
//! write     one job, one commit: every copy, one body, the outbox, the story
//! ```
//!
//! Peers that the settings trust are not judged, and nobody is asked about them.
//!
//! DATA has one reply for all recipients. So that nothing is lost and nothing comes twice, a
//! message is written for all of them or for none:
//!
//! - The quota is a door, asked at RCPT with the size the sender announced. A mailbox that is full
//!   is refused there and the others are not touched. Who passed the door gets the message even if
//!   it crosses the quota; the next one is refused. Only when none of the mailboxes has room for
//!   it (the sender announced no size) is it refused as a whole.
//! - An address that went away between RCPT and the write refuses the whole for now (450): at the
//!   next try RCPT says which.

use super::checkpoint::{Checked, Checkpoint};
use super::forward::{self, Onward};
use super::local::Leads;
use super::report::Moment;
use super::srs::Srs;
use super::{confirm, local, stamp, story};
use crate::event::{Event, emit};
use crate::limits::{PREPARE_INLINE_BYTES, RECEIVED_HEADERS};
use crate::policy::judge::Verdict;
use crate::policy::{Finding, Identity, words};
use crate::smtp::{Arrived, Recipient, Story};
use crate::store::format::{Outgoing, Trace, TraceStep};
use crate::store::mail::{FlagSet, NewMail, Prepared};
use crate::store::{
    AccountId, Batch, INBOX, MailId, MailboxId, Read, Result, Store, StoreError, account, known,
    mail, mailbox, outbox, proof, trace, writer,
};
use crate::wire::address::Address;
use crate::wire::smtp::{ForwardPath, Reply};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where mail comes in: the store, our name, and the ids to give.
pub(crate) struct Post {
    store: Store,
    /// In Received, and the authserv-id that nobody else may use.
    host: String,
    srs: Arc<Srs>,
    last_id: AtomicU64,
    /// `None`: every peer is trusted.
    checkpoint: Option<Checkpoint>,
}

/// What becomes of a message, and what is said.
#[derive(Debug)]
pub(crate) struct Received {
    pub reply: Reply,
    /// Of a message that was refused after a look at it: not written yet.
    pub story: Option<Trace>,
}

impl From<Reply> for Received {
    fn from(reply: Reply) -> Self {
        Self { reply, story: None }
    }
}

/// What the write came to.
enum Written {
    Done {
        /// Copies that were judged to be junk.
        junk: usize,
    },
    /// The id is given already: the clock went back.
    IdTaken,
    /// An address no longer leads anywhere.
    Changed,
    /// None of the mailboxes has room.
    Full,
    /// It may not be passed on, and nobody here gets it.
    Refused(Reply),
}

/// What the writer needs, shared by all runs of its job.
struct Work {
    id: MailId,
    from: Option<Address>,
    recipients: Vec<Recipient>,
    body: Arc<Prepared>,
    onward: Onward,
    srs: Arc<Srs>,
    story: Trace,
    checked: Option<Arc<Checked>>,
    host: String,
    envid: Option<Vec<u8>>,
    reply: Reply,
    now: i64,
}

impl Post {
    pub(crate) fn new(store: Store, host: String) -> Result<Self> {
        // Ids grow with time, also over a start with the clock behind.
        let last = writer::last_mail(&store.snapshot()?)?;
        let fleeting = |why: &str| StoreError::Engine(why.to_string());
        let srs = Arc::new(Srs::fleeting().map_err(fleeting)?);
        Ok(Self { store, host, srs, last_id: AtomicU64::new(last.0), checkpoint: None })
    }

    /// With return addresses that outlast a restart; `secret` is the store's own.
    pub(crate) fn with_secret(self, secret: &[u8]) -> Self {
        Self { srs: Arc::new(Srs::of(secret)), ..self }
    }

    pub(crate) fn srs(&self) -> &Arc<Srs> {
        &self.srs
    }

    /// Judges what arrives from now on.
    pub(crate) fn judging(self, checkpoint: Checkpoint) -> Self {
        Self { checkpoint: Some(checkpoint), ..self }
    }

    /// Our name.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// Takes a message in. The reply is true only after the commit: 250 means on disk.
    pub(crate) async fn receive(
        &self,
        mut arrived: Arrived,
        now: i64,
        now_micros: u64,
    ) -> Received {
        if stamp::hops(&arrived.message) > RECEIVED_HEADERS {
            // RFC 5321 6.3: a message with so many Received fields goes round in circles
            let text = "The message goes in circles: too many Received";
            return Reply::new(554, 4, 6, text).into();
        }
        let checked = match &self.checkpoint {
            Some(checkpoint) if !is_proof(&arrived.recipients) => {
                checkpoint.look((&self.store, &self.srs), &mut arrived, now).await
            }
            _ => None,
        };
        if let Some(checked) = &checked
            && let Some(reply) = checked.refusal()
        {
            let story = Some(story::of_judged(&arrived, checked, &reply, now));
            return Received { reply, story };
        }
        self.take(arrived, checked.map(Arc::new), now, now_micros).await.into()
    }

    /// From `stamp` on.
    async fn take(
        &self,
        arrived: Arrived,
        checked: Option<Arc<Checked>>,
        now: i64,
        now_micros: u64,
    ) -> Reply {
        let size = arrived.message.len();
        let (host, srs) = (self.host.clone(), self.srs.clone());
        let open = move || Letter::open(arrived, checked, host, srs, now);
        let Some(mut letter) = aside(size, open).await else { return unread() };
        for _ in 0..3 {
            let id = self.next_id(now_micros);
            let Some((read, work)) = aside(size, move || letter.stamped(id)).await else {
                return unread();
            };
            letter = read;
            let reply = work.reply.clone();
            match self.store.write(move |batch| write(batch, &work)).await {
                Ok(Written::Done { junk }) => {
                    letter.tell(id, size, junk);
                    return reply;
                }
                Ok(Written::IdTaken) => {}
                Ok(Written::Changed) => {
                    return Reply::new(450, 2, 1, "A recipient changed just now, try again");
                }
                Ok(Written::Full) => {
                    return Reply::new(452, 2, 2, "The mailbox has no room for this message");
                }
                Ok(Written::Refused(reply)) => return reply,
                Err(error) => return refused(&error),
            }
        }
        Reply::new(451, 3, 0, "Cannot name the message now, try again later")
    }

    /// Writes down what a connection was refused.
    pub(crate) async fn remember(&self, refused: Story, now_micros: u64) {
        self.tell(story::of_refusals(&refused), now_micros).await;
    }

    /// Writes down the story of what was not taken.
    pub(crate) async fn tell(&self, story: Trace, now_micros: u64) {
        let id = self.next_id(now_micros);
        let job = move |batch: &mut Batch| {
            if mail::id_is_free(batch, id)? { trace::put(batch, id, &story) } else { Ok(()) }
        };
        if let Err(error) = self.store.write(job).await {
            emit(Event::StoreTrouble { doing: "writing a trace", why: error.to_string() });
        }
    }

    /// Above every id given before.
    pub(crate) fn next_id(&self, now_micros: u64) -> MailId {
        let next = |last: u64| now_micros.max(last.saturating_add(1));
        let update = |last| Some(next(last));
        let last = self.last_id.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
        MailId(next(last.unwrap_or_default()))
    }
}

/// A message between its arrival and its write. It is held once: what is put on top of it goes
/// into the same memory.
struct Letter {
    /// Without its message, which is in `body`.
    arrived: Arrived,
    onward: Onward,
    checked: Option<Arc<Checked>>,
    host: String,
    srs: Arc<Srs>,
    now: i64,
    story: Trace,
    body: Vec<u8>,
    /// Octets of `body` that we put on top.
    top: usize,
}

impl Letter {
    /// The first half of `stamp`: what must not be there goes.
    fn open(
        mut arrived: Arrived,
        checked: Option<Arc<Checked>>,
        host: String,
        srs: Arc<Srs>,
        now: i64,
    ) -> Self {
        let mut story = story::of_arrival(&arrived);
        story.steps.extend(checked.iter().flat_map(|checked| checked.steps(now)));
        let mut onward = Onward::of(&arrived, &arrived.message);
        if let Some(checked) = &checked {
            let proven = checked.evidence.dmarc.finding == Finding::Pass;
            onward.judged(checked.whole.verdict, proven);
        }
        let body = stamp::cleaned(std::mem::take(&mut arrived.message), &host);
        Self { arrived, onward, checked, host, srs, now, story, body, top: 0 }
    }

    /// The rest of `stamp`, and `prepare`.
    fn stamped(mut self, id: MailId) -> (Self, Work) {
        self.body.drain(..self.top);
        let evidence = self.checked.as_ref().map(|checked| &checked.evidence);
        let top = stamp::top(&self.arrived, evidence, &self.body, &self.host, id, self.now);
        self.top = top.len();
        self.body.reserve_exact(top.len());
        self.body.splice(..0, top);
        let work = Work {
            id,
            from: self.arrived.from.clone(),
            recipients: self.arrived.recipients.clone(),
            body: Arc::new(Prepared::new(&self.body)),
            onward: self.onward.clone(),
            srs: self.srs.clone(),
            story: self.story.clone(),
            checked: self.checked.clone(),
            host: self.host.clone(),
            envid: self.arrived.envid.clone(),
            reply: Reply::new(250, 0, 0, format!("{id} delivered")),
            now: self.now,
        };
        (self, work)
    }

    fn tell(&self, id: MailId, octets: usize, junk: usize) {
        if is_proof(&self.arrived.recipients) {
            return;
        }
        emit(Event::Received {
            id: id.0,
            from: self.story.from.clone(),
            recipients: self.arrived.recipients.len(),
            octets,
            submitted: false,
            junk,
        });
    }
}

/// Work on a large message takes long: it is done beside the threads that serve connections.
/// `None` when it came to grief.
pub(super) async fn aside<T: Send + 'static>(
    octets: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if octets < PREPARE_INLINE_BYTES {
        return Some(work());
    }
    tokio::task::spawn_blocking(work).await.ok()
}

pub(super) fn unread() -> Reply {
    Reply::new(451, 3, 0, "Cannot read the message now, try again later")
}

/// The one job: may run more than once, and leaves nothing behind when it fails.
fn write(batch: &mut Batch, work: &Work) -> Result<Written> {
    if !mail::id_is_free(batch, work.id)? {
        return Ok(Written::IdTaken);
    }
    let Some(leads) = local::leads(batch, &work.srs, &work.recipients, work.now)? else {
        return Ok(Written::Changed);
    };
    let letter = (work.id, &work.body, work.now);
    let plan = match forward::plan(batch, &work.srs, letter, &work.onward, leads.clone())? {
        Ok(plan) => plan,
        Err(reply) => return Ok(Written::Refused(reply)),
    };
    let mut room = Vec::with_capacity(plan.copies.len());
    for copy in &plan.copies {
        room.push(local::has_room(batch, copy.account, work.body.head.size)?);
    }
    if plan.outgoing.is_none() && !room.contains(&true) && !is_open_anyway(batch, work)? {
        return Ok(Written::Full);
    }
    let mut story = work.story.clone();
    let mut body = work.id;
    for (copy, fits) in plan.copies.iter().zip(room) {
        let (id, name) = place(batch, work, copy.account)?;
        let new = NewMail {
            body: work.body.clone(),
            prefix: stamp::prefix(work.from.as_ref(), &copy.address, why(work, copy.account)),
            flags: FlagSet::default(),
            internal_date: work.now,
            internal_zone_minutes: 0,
            save_date: work.now,
        };
        body = mail::append_past_quota(batch, copy.account, id, &new, work.id)?.body;
        learn(batch, work, copy.account)?;
        let login = account::get(batch, copy.account)?.map(|a| a.login).unwrap_or_default();
        story.steps.push(story::delivered(copy, &name, &login, !fits, work.now));
    }
    if let Some(outgoing) = &plan.outgoing {
        outbox::put(batch, work.id, outgoing)?;
    }
    story.steps.extend(plan.steps);
    story.steps.extend(confirm(batch, work, &leads, body)?);
    story.steps.push(story::accepted(work.reply.to_string(), work.story.size, work.now));
    if !is_proof(&work.recipients) {
        trace::put(batch, work.id, &story)?;
    }
    let junk = plan.copies.iter().filter(|copy| is_unwanted(work, copy.account)).count();
    Ok(Written::Done { junk })
}

/// RFC 3461 4.1: who asked for it hears that the message arrived. Only a sender whose server may
/// speak for it is told: a report to a forged one would be junk that we send.
fn confirm(batch: &mut Batch, work: &Work, leads: &Leads, body: MailId) -> Result<Vec<TraceStep>> {
    let believed = work.checked.as_ref().is_some_and(|checked| {
        let evidence = &checked.evidence;
        checked.whole.verdict == Verdict::Accept
            && (evidence.spf_of(Identity::Mail) == Finding::Pass
                || evidence.dmarc.finding == Finding::Pass)
    });
    let Some(from) = work.from.as_ref().filter(|_| believed) else { return Ok(Vec::new()) };
    let row = Outgoing {
        body: body.0,
        size: work.body.head.size,
        sender: from.to_string(),
        envid: work.envid.clone(),
        created: work.now,
        ..Outgoing::default()
    };
    let micros = u64::try_from(work.now).unwrap_or(0).saturating_mul(1_000_000).max(work.id.0);
    let moment = Moment { micros, chance: work.srs.chance(work.id) };
    confirm::success(batch, (&work.host, moment), &row, &work.recipients, leads)
}

/// Is it the letter of a proof that mail works? It is nobody's, and not to be judged or told of.
fn is_proof(recipients: &[Recipient]) -> bool {
    let is_its = |to: &ForwardPath| matches!(to, ForwardPath::To(to) if proof::is_its(to));
    recipients.iter().all(|recipient| is_its(&recipient.to))
}

/// Is one of its recipients never turned away for want of room?
fn is_open_anyway(batch: &Batch, work: &Work) -> Result<bool> {
    for recipient in &work.recipients {
        if local::is_always_open(batch, &recipient.to)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The mailbox of this copy: of unwanted mail the one with \Junk, if the person has one.
fn place(read: &impl Read, work: &Work, account: AccountId) -> Result<(MailboxId, String)> {
    let inbox = (INBOX, "INBOX".to_string());
    if !is_unwanted(work, account) {
        return Ok(inbox);
    }
    let is_junk = |special_use: &str| special_use.eq_ignore_ascii_case("\\Junk");
    let mut all = mailbox::names(read, account)?.into_iter();
    let junk = all.find(|(_, mailbox)| is_junk(&mailbox.special_use));
    Ok(junk.map_or(inbox, |(id, mailbox)| (id, mailbox.name)))
}

/// Was it judged to be junk for this one, or refused for this one and not for all? DATA has one
/// reply, so it was taken.
fn is_unwanted(work: &Work, account: AccountId) -> bool {
    let judged = work.checked.as_ref().map(|checked| checked.of(account).verdict);
    !matches!(judged, None | Some(Verdict::Accept))
}

/// The reason as this copy's header gives it.
fn why(work: &Work, account: AccountId) -> Option<String> {
    let checked = work.checked.as_ref()?;
    Some(words::reason_field(checked.of(account), &checked.evidence))
}

/// Whose proven mail the person gets is known from now on.
fn learn(batch: &mut Batch, work: &Work, account: AccountId) -> Result<()> {
    let Some(checked) = &work.checked else { return Ok(()) };
    let accepted = checked.of(account).verdict == Verdict::Accept;
    match checked.evidence.claims.authors.first() {
        Some(author) if accepted && checked.evidence.is_proven() => {
            known::heard(batch, account, author)
        }
        _ => Ok(()),
    }
}

pub(crate) fn refused(error: &StoreError) -> Reply {
    emit(Event::StoreTrouble { doing: "delivering", why: error.to_string() });
    match error {
        StoreError::DiskFull => Reply::new(452, 3, 1, "The disk is full, try again later"),
        // RFC 3463 3.4: such as for maintenance
        StoreError::Moving => {
            Reply::new(451, 3, 2, "The mail is being moved to another disk, try again later")
        }
        StoreError::OverQuota { .. } => Reply::new(452, 2, 2, "The mailbox is full"),
        _ => Reply::new(451, 3, 0, "Cannot store the message now, try again later"),
    }
}
