//! A message that one of our people sends, step by step, until it is on disk.
//!
//! ```text
//! hops      has it gone round in circles?
//! authors   From and Sender are addresses of the person who sends
//! fix up    what is missing is added, blind copies go, 8-bit becomes 7-bit
//! sign      DKIM in the name of the From address's domain
//! stamp     Received on top
//! prepare   hash, compress, read the structure: outside of the writer
//! write     one job, one commit: copies for people of this box, the outbox for all others,
//!           what the person has sent today, reports that were asked for, the story
//! ```
//!
//! Whoever gets the mail of an address may send as it: its own, an alias, one shared with others.
//! With an address elsewhere a person may send who has an account there: it leaves by that.
//!
//! A message that cannot be signed leaves all the same, and the owner is told: a lost key must not
//! stop the office.

use super::receive::{Post, refused, unread};
use super::report::Moment;
use super::srs::Srs;
use super::{confirm, forward, local, stamp, story};
use crate::event::{Event, emit};
use crate::limits::RECEIVED_HEADERS;
use crate::message::{fixup, headers, people};
use crate::net::dkim::Signer;
use crate::smtp::{Arrived, Permit, Recipient};
use crate::store::address::{self, Found};
use crate::store::format::{Outgoing, Trace, TraceStep};
use crate::store::mail::{FlagSet, NewMail, Prepared};
use crate::store::outbox::{self, NewOutgoing, NewRecipient};
use crate::store::{
    AccountId, Batch, INBOX, MailId, Read, Result, account, known, mail, outside, trace,
};
use crate::wire::address::Address;
use crate::wire::smtp::{ForwardPath, Reply};
use std::sync::Arc;

/// Where mail of our people comes in.
pub(crate) struct Counter {
    post: Arc<Post>,
    signer: Arc<Signer>,
    /// Recipients outside of this box that one person may write to in a day.
    per_day: u32,
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
    /// The person has reached the limit of the day.
    TooMany,
    /// An address of ours that leads outside has.
    Spent(Address),
}

/// What the writer needs, shared by all runs of its job.
struct Work {
    id: MailId,
    account: AccountId,
    from: Option<Address>,
    recipients: Vec<Recipient>,
    outgoing: NewOutgoing,
    per_day: u32,
    srs: Arc<Srs>,
    host: String,
    story: Trace,
    reply: Reply,
    moment: Moment,
}

impl Counter {
    pub(crate) fn new(post: Arc<Post>, signer: Arc<Signer>, per_day: u32) -> Self {
        Self { post, signer, per_day }
    }

    pub(crate) fn post(&self) -> &Post {
        &self.post
    }

    /// May one more outside recipient be written to by this person today?
    pub(crate) fn may_send(&self, id: AccountId, outside: usize, now: i64) -> Result<bool> {
        let sent = account::sent(&self.post.store().snapshot()?, id, now)?;
        Ok(usize::try_from(sent).unwrap_or(usize::MAX).saturating_add(outside) < self.most())
    }

    fn most(&self) -> usize {
        usize::try_from(self.per_day).unwrap_or(usize::MAX)
    }

    /// Takes a message of a person who is logged in. The reply is true only after the commit.
    pub(crate) async fn submit(&self, arrived: Arrived, moment: Moment) -> Reply {
        let Some(login) = &arrived.caller.login else {
            return Reply::new(530, 7, 0, "Log in first");
        };
        let (account, credential) = (AccountId(login.account), login.credential);
        let read = self.post.store().snapshot();
        match read.and_then(|read| account::is_open(&read, account, credential)) {
            Ok(true) => self.submit_for(account, arrived, moment).await,
            Ok(false) => Reply::new(550, 7, 1, "Your account may not send mail now"),
            Err(error) => refused(&error),
        }
    }

    /// The same of a message that is known to be in this account's name.
    pub(crate) async fn submit_for(
        &self,
        account: AccountId,
        mut arrived: Arrived,
        moment: Moment,
    ) -> Reply {
        let signs = match self.check(account, &mut arrived) {
            Ok(signs) => signs,
            Err(reply) => return reply,
        };
        let (id, now) = (self.post.next_id(moment.micros), moment.now());
        let (host, signer) = (self.post.host().to_string(), self.signer.clone());
        // Signing reads files and takes a while: not on a thread that serves connections.
        let made = tokio::task::spawn_blocking(move || {
            Letter::made(arrived, &host, signs.then_some(&*signer), id, now)
        });
        let Ok(letter) = made.await else { return unread() };
        self.write(letter, account, id, moment).await
    }

    async fn write(
        &self,
        mut letter: Letter,
        account: AccountId,
        mut id: MailId,
        moment: Moment,
    ) -> Reply {
        for _ in 0..3 {
            let (host, now) = (self.post.host().to_string(), moment.now());
            let prepared = tokio::task::spawn_blocking(move || letter.prepared(&host, id, now));
            let Ok((made, body)) = prepared.await else { return unread() };
            letter = made;
            let work = self.work(&letter, id, account, body, moment);
            let reply = work.reply.clone();
            match self.post.store().write(move |batch| write(batch, &work)).await {
                Ok(Written::Done) => {
                    letter.tell(id);
                    return reply;
                }
                Ok(Written::IdTaken) => id = self.post.next_id(moment.micros),
                Ok(Written::Changed) => {
                    return Reply::new(450, 2, 1, "A recipient changed just now, try again");
                }
                Ok(Written::Full) => {
                    return Reply::new(452, 2, 2, "The mailbox has no room for this message");
                }
                Ok(Written::TooMany) => {
                    let text = "You have written to as many outside as may be in a day";
                    return Reply::new(452, 7, 1, text);
                }
                Ok(Written::Spent(via)) => {
                    let text = format!("{via} has passed on as much mail as may be in a day");
                    return Reply::new(452, 7, 1, text);
                }
                Err(error) => return refused(&error),
            }
        }
        Reply::new(451, 3, 0, "Cannot name the message now, try again later")
    }

    fn work(
        &self,
        letter: &Letter,
        id: MailId,
        account: AccountId,
        body: Prepared,
        moment: Moment,
    ) -> Work {
        let arrived = &letter.arrived;
        Work {
            id,
            account,
            from: arrived.from.clone(),
            recipients: arrived.recipients.clone(),
            outgoing: NewOutgoing {
                body: Arc::new(body),
                sender: arrived.from.clone(),
                smtputf8: letter.utf8,
                eight_bit: letter.eight_bit,
                ret: arrived.ret,
                envid: arrived.envid.clone(),
                recipients: Vec::new(),
                prefix: Vec::new(),
                report_to: None,
                now: moment.now(),
            },
            per_day: self.per_day,
            srs: self.post.srs().clone(),
            host: self.post.host().to_string(),
            story: letter.story.clone(),
            reply: Reply::new(250, 0, 0, format!("{id} taken, it will be delivered")),
            moment,
        }
    }

    /// Steps `hops` and `authors`. Is it signed here?
    fn check(&self, id: AccountId, arrived: &mut Arrived) -> std::result::Result<bool, Reply> {
        if stamp::hops(&arrived.message) > RECEIVED_HEADERS {
            // RFC 5321 6.3: a message with so many Received fields goes round in circles
            return Err(Reply::new(554, 4, 6, "The message goes in circles: too many Received"));
        }
        let authors = authors(&arrived.message)?;
        let read = self.post.store().snapshot().map_err(|error| refused(&error))?;
        for author in authors.iter().chain(&arrived.from) {
            match permit(&read, id, author).map_err(|error| refused(&error))? {
                Permit::Own => {}
                Permit::NoAccount | Permit::Unavailable => {
                    return Err(Reply::new(550, 7, 1, "Your account may not send mail now"));
                }
                // RFC 6409 6.1
                _ => {
                    let text = format!("The message says it is from {author}, which is not yours");
                    return Err(Reply::new(550, 7, 1, text));
                }
            }
        }
        self.align(&read, arrived, authors.first()).map_err(|error| refused(&error))
    }

    /// The envelope of what leaves by a provider is of its author, so that From, DKIM and SPF are
    /// of one domain. Is that domain ours?
    fn align(
        &self,
        read: &impl Read,
        arrived: &mut Arrived,
        author: Option<&Address>,
    ) -> Result<bool> {
        let Some(author) = author.or(arrived.from.as_ref()).cloned() else { return Ok(true) };
        let ours = |address: &Address| -> Result<bool> {
            Ok(address::find(read, address)? != Found::NotOurs)
        };
        let home = ours(&author)?;
        let sent_by_ours = match &arrived.from {
            Some(from) => ours(from)?,
            None => true,
        };
        if arrived.from.is_some() && !(home && sent_by_ours) {
            arrived.from = Some(author);
        }
        Ok(home)
    }
}

/// May this account send as this address?
pub(crate) fn permit(read: &impl Read, id: AccountId, from: &Address) -> Result<Permit> {
    if account::get(read, id)?.is_none_or(|account| account.suspended) {
        return Ok(Permit::NoAccount);
    }
    Ok(match address::find(read, from)? {
        Found::Accounts { accounts, .. } if accounts.contains(&id) => Permit::Own,
        // It leaves by the provider of the person's account there.
        Found::NotOurs if outside::of_sender(read, id, &from.to_string())?.is_some() => Permit::Own,
        _ => Permit::NotOwn,
    })
}

/// The addresses in From and Sender.
pub(crate) fn authors(message: &[u8]) -> std::result::Result<Vec<Address>, Reply> {
    let mut authors = Vec::new();
    for name in ["From", "Sender"] {
        let mut fields = headers::fields(message).filter(|field| field.is(name));
        let Some(field) = fields.next() else { continue };
        // RFC 5322 3.6: at most one of each
        if fields.next().is_some() {
            return Err(Reply::new(550, 6, 0, format!("The message has two {name} fields")));
        }
        let before = authors.len();
        for entry in people::list(&headers::unfold(field.value), &mut |_| true) {
            let (Some(local), Some(host)) = (entry.mailbox, entry.host) else { continue };
            let text = |octets| String::from_utf8(octets).unwrap_or_default();
            let (local, host) = (text(local), text(host));
            authors.push(Address::new(&local, &host).map_err(|error| {
                let text = format!("The {name} field holds {local}@{host}: {error}");
                Reply::new(550, 1, 7, text)
            })?);
        }
        if authors.len() == before {
            return Err(Reply::new(550, 1, 7, format!("The {name} field holds no address")));
        }
    }
    Ok(authors)
}

/// A message ready to leave. It is held once: what is put on top of it goes into the same memory.
struct Letter {
    /// Without its message, which is in `body`.
    arrived: Arrived,
    story: Trace,
    body: Vec<u8>,
    /// Octets of the Received field on top of `body`.
    top: usize,
    eight_bit: bool,
    utf8: bool,
}

impl Letter {
    /// Steps `fix up` and `sign`.
    fn made(
        mut arrived: Arrived,
        host: &str,
        signer: Option<&Signer>,
        id: MailId,
        now: i64,
    ) -> Self {
        let sender = arrived.from.clone();
        let domain = sender.as_ref().map_or(host, Address::domain).to_string();
        let message = stamp::cleaned(std::mem::take(&mut arrived.message), host);
        let addresses = arrived.recipients.iter().map(|recipient| recipient.to.to_string());
        let ascii = addresses.chain(sender.iter().map(Address::to_string)).all(|a| a.is_ascii());
        let header = message.get(..headers::header_len(&message)).unwrap_or_default();
        let utf8 = arrived.smtputf8 && !(ascii && header.is_ascii());
        let missing = fixup::Missing {
            from: sender.map(|sender| sender.to_string()).unwrap_or_default(),
            date: stamp::date(now),
            message_id: format!("{id}@{domain}"),
            utf8,
        };
        arrived.message = fixup::submitted(&message, &missing);
        drop(message);
        let story = story::of_arrival(&arrived);
        let mut body = std::mem::take(&mut arrived.message);
        let domain =
            authors(&body).ok().and_then(|all| all.first().map(|a| a.domain().to_string()));
        if let Some((domain, signer)) = domain.zip(signer) {
            match signer.sign(&domain, &body, now) {
                Ok(signatures) => drop(body.splice(..0, signatures)),
                Err(fault) => emit(Event::SigningTrouble { domain, why: fault.to_string() }),
            }
        }
        let eight_bit = !body.is_ascii();
        Self { arrived, story, body, top: 0, eight_bit, utf8 }
    }

    /// Steps `stamp` and `prepare`.
    fn prepared(mut self, host: &str, id: MailId, now: i64) -> (Self, Prepared) {
        let top = stamp::submitted(&self.arrived, host, id, now).into_bytes();
        self.body.splice(..self.top, top.iter().copied());
        self.top = top.len();
        let prepared = Prepared::new(&self.body);
        (self, prepared)
    }

    fn tell(&self, id: MailId) {
        emit(Event::Received {
            id: id.0,
            from: self.story.from.clone(),
            recipients: self.arrived.recipients.len(),
            octets: self.body.len(),
            submitted: true,
            junk: 0,
        });
    }
}

/// The one job: may run more than once, and leaves nothing behind when it fails.
fn write(batch: &mut Batch, work: &Work) -> Result<Written> {
    let now = work.moment.now();
    if !mail::id_is_free(batch, work.id)? {
        return Ok(Written::IdTaken);
    }
    let (ours, mut outside) = sorted(batch, &work.recipients)?;
    let Some(leads) = local::leads(batch, &work.srs, &ours, now)? else {
        return Ok(Written::Changed);
    };
    let more = u32::try_from(outside.len()).unwrap_or(u32::MAX);
    let sent = account::sent(batch, work.account, now)?;
    if more > 0 && sent.saturating_add(more) > work.per_day {
        return Ok(Written::TooMany);
    }
    for passed in &leads.passed {
        if forward::is_spent(batch, passed, now)? {
            return Ok(Written::Spent(passed.via.clone()));
        }
    }
    let mut room = Vec::with_capacity(leads.copies.len());
    for copy in &leads.copies {
        room.push(local::has_room(batch, copy.account, work.outgoing.body.head.size)?);
    }
    let leaves = !outside.is_empty() || !leads.passed.is_empty();
    if !leaves && !room.contains(&true) {
        return Ok(Written::Full);
    }
    let mut story = work.story.clone();
    let mut body = work.id;
    for (copy, fits) in leads.copies.iter().zip(room) {
        body = deliver(batch, work, copy)?;
        let login = account::get(batch, copy.account)?.map(|a| a.login).unwrap_or_default();
        story.steps.push(story::delivered(copy, "INBOX", &login, !fits, now));
    }
    story.steps.extend(outside.iter().map(|recipient| story::queued(&recipient.to, now)));
    for passed in &leads.passed {
        for recipient in forward::new_recipients(passed) {
            if !outside.iter().any(|other| other.to == recipient.to) {
                story.steps.push(story::passed_on(&passed.via, &recipient.to, now));
                outside.push(recipient);
            }
        }
    }
    if leaves {
        // The sender is ours: reports find the way back without our rewriting it.
        let prefix = forward::marks(&work.srs, &leads.passed);
        let outgoing = NewOutgoing { recipients: outside, prefix, ..work.outgoing.clone() };
        outbox::put(batch, work.id, &outgoing)?;
        account::count_sent(batch, work.account, more, now)?;
        forward::count(batch, &leads.passed, now)?;
    }
    learn(batch, work)?;
    story.steps.extend(confirm(batch, work, &ours, &leads, body)?);
    story.steps.push(story::accepted(work.reply.to_string(), work.story.size, now));
    trace::put(batch, work.id, &story)?;
    Ok(Written::Done)
}

/// Whom the person writes to is known to the person from now on.
fn learn(batch: &mut Batch, work: &Work) -> Result<()> {
    for recipient in &work.recipients {
        if let ForwardPath::To(to) = &recipient.to {
            known::wrote(batch, work.account, to)?;
        }
    }
    Ok(())
}

/// Where the body is: the new one, or the one that had the same content.
fn deliver(batch: &mut Batch, work: &Work, copy: &local::Copy) -> Result<MailId> {
    let now = work.moment.now();
    let new = NewMail {
        body: work.outgoing.body.clone(),
        prefix: stamp::prefix(work.from.as_ref(), &copy.address, None),
        flags: FlagSet::default(),
        internal_date: now,
        internal_zone_minutes: 0,
        save_date: now,
    };
    Ok(mail::append_past_quota(batch, copy.account, INBOX, &new, work.id)?.body)
}

/// Who asked for it hears of each recipient here what was done.
fn confirm(
    batch: &mut Batch,
    work: &Work,
    ours: &[Recipient],
    leads: &local::Leads,
    body: MailId,
) -> Result<Vec<TraceStep>> {
    let row = Outgoing {
        body: body.0,
        size: work.outgoing.body.head.size,
        sender: work.from.as_ref().map(ToString::to_string).unwrap_or_default(),
        envid: work.outgoing.envid.clone(),
        created: work.moment.now(),
        ..Outgoing::default()
    };
    confirm::success(batch, (&work.host, work.moment), &row, ours, leads)
}

/// Recipients on this box, and all others.
fn sorted(
    read: &impl Read,
    recipients: &[Recipient],
) -> Result<(Vec<Recipient>, Vec<NewRecipient>)> {
    let (mut ours, mut outside) = (Vec::new(), Vec::new());
    for recipient in recipients {
        match &recipient.to {
            ForwardPath::To(to) if address::find(read, to)? == Found::NotOurs => {
                let Recipient { notify, orcpt, .. } = recipient.clone();
                outside.push(NewRecipient { to: to.clone(), notify, orcpt });
            }
            _ => ours.push(recipient.clone()),
        }
    }
    Ok((ours, outside))
}
