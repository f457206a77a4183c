//! An arriving message, step by step, until it is on disk.
//!
//! ```text
//! hops     has it gone round in circles?
//! stamp    Received on top; Return-Path and forged results off
//! prepare  hash, compress, read the structure: outside of the writer
//! onward   which recipients lead outside, and may it be passed on? (forward)
//! write    one job, one commit: every copy, one body, the outbox, the story
//! ```
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

use super::forward::{self, Onward};
use super::srs::Srs;
use super::{local, stamp, story};
use crate::event::{Event, emit};
use crate::limits::{PREPARE_INLINE_BYTES, RECEIVED_HEADERS};
use crate::smtp::{Arrived, Recipient, Story};
use crate::store::format::Trace;
use crate::store::mail::{FlagSet, NewMail, Prepared};
use crate::store::{
    Batch, INBOX, MailId, Result, Store, StoreError, account, mail, outbox, trace, writer,
};
use crate::wire::address::Address;
use crate::wire::smtp::Reply;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where mail comes in: the store, our name, and the ids to give.
pub(crate) struct Post {
    store: Store,
    /// In Received, and the authserv-id that nobody else may use.
    host: String,
    srs: Arc<Srs>,
    last_id: AtomicU64,
}

/// What the write came to.
enum Written {
    Done,
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
    reply: Reply,
    now: i64,
}

impl Post {
    pub(crate) fn new(store: Store, host: String) -> Result<Self> {
        // Ids grow with time, also over a start with the clock behind.
        let last = writer::last_mail(&store.snapshot()?)?;
        let fleeting = |why: &str| StoreError::Engine(why.to_string());
        let srs = Arc::new(Srs::fleeting().map_err(fleeting)?);
        Ok(Self { store, host, srs, last_id: AtomicU64::new(last.0) })
    }

    /// With return addresses that outlast a restart; `secret` is the store's own.
    pub(crate) fn with_secret(self, secret: &[u8]) -> Self {
        Self { srs: Arc::new(Srs::of(secret)), ..self }
    }

    pub(crate) fn srs(&self) -> &Arc<Srs> {
        &self.srs
    }

    /// Our name.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Takes a message in. The reply is true only after the commit: 250 means on disk.
    pub(crate) async fn receive(&self, arrived: Arrived, now: i64, now_micros: u64) -> Reply {
        let size = arrived.message.len();
        let (host, srs) = (self.host.clone(), self.srs.clone());
        let mut letter = match aside(size, move || Letter::open(arrived, host, srs, now)).await {
            Some(Ok(letter)) => letter,
            Some(Err(reply)) => return reply,
            None => return unread(),
        };
        for _ in 0..3 {
            let id = self.next_id(now_micros);
            let Some((read, work)) = aside(size, move || letter.stamped(id)).await else {
                return unread();
            };
            letter = read;
            let reply = work.reply.clone();
            match self.store.write(move |batch| write(batch, &work)).await {
                Ok(Written::Done) => {
                    letter.tell(id, size);
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
        let id = self.next_id(now_micros);
        let story = story::of_refusals(&refused);
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
    host: String,
    srs: Arc<Srs>,
    now: i64,
    story: Trace,
    body: Vec<u8>,
    /// Octets of `body` that we put on top.
    top: usize,
}

impl Letter {
    /// Steps `hops` and the first half of `stamp`: what must not be there goes.
    fn open(
        mut arrived: Arrived,
        host: String,
        srs: Arc<Srs>,
        now: i64,
    ) -> std::result::Result<Self, Reply> {
        if stamp::hops(&arrived.message) > RECEIVED_HEADERS {
            // RFC 5321 6.3: a message with so many Received fields goes round in circles
            return Err(Reply::new(554, 4, 6, "The message goes in circles: too many Received"));
        }
        let story = story::of_arrival(&arrived);
        let onward = Onward::of(&arrived, &arrived.message);
        let body = stamp::cleaned(std::mem::take(&mut arrived.message), &host);
        Ok(Self { arrived, onward, host, srs, now, story, body, top: 0 })
    }

    /// The rest of `stamp`, and `prepare`.
    fn stamped(mut self, id: MailId) -> (Self, Work) {
        self.body.drain(..self.top);
        let top = stamp::top(&self.arrived, &self.body, &self.host, id, self.now);
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
            reply: Reply::new(250, 0, 0, format!("{id} delivered")),
            now: self.now,
        };
        (self, work)
    }

    fn tell(&self, id: MailId, octets: usize) {
        emit(Event::Received {
            id: id.0,
            from: self.story.from.clone(),
            recipients: self.arrived.recipients.len(),
            octets,
        });
    }
}

/// Work on a large message takes long: it is done beside the threads that serve connections.
/// `None` when it came to grief.
async fn aside<T: Send + 'static>(
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
    let plan = match forward::plan(batch, &work.srs, letter, &work.onward, leads)? {
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
    for (copy, fits) in plan.copies.iter().zip(room) {
        let new = NewMail {
            body: work.body.clone(),
            prefix: stamp::prefix(work.from.as_ref(), &copy.address),
            flags: FlagSet::default(),
            internal_date: work.now,
            internal_zone_minutes: 0,
            save_date: work.now,
        };
        mail::append_past_quota(batch, copy.account, INBOX, &new, work.id)?;
        let login = account::get(batch, copy.account)?.map(|a| a.login).unwrap_or_default();
        story.steps.push(story::delivered(copy, &login, !fits, work.now));
    }
    if let Some(outgoing) = &plan.outgoing {
        outbox::put(batch, work.id, outgoing)?;
    }
    story.steps.extend(plan.steps);
    story.steps.push(story::accepted(work.reply.to_string(), work.story.size, work.now));
    trace::put(batch, work.id, &story)?;
    Ok(Written::Done)
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

pub(crate) fn refused(error: &StoreError) -> Reply {
    emit(Event::StoreTrouble { doing: "delivering", why: error.to_string() });
    match error {
        StoreError::DiskFull => Reply::new(452, 3, 1, "The disk is full, try again later"),
        StoreError::OverQuota { .. } => Reply::new(452, 2, 2, "The mailbox is full"),
        _ => Reply::new(451, 3, 0, "Cannot store the message now, try again later"),
    }
}
