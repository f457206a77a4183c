//! A letter that lay with another provider, until it is on disk here. It enters at the same steps
//! as one that arrives by SMTP; there is no peer to judge and nobody to refuse.
//!
//! ```text
//! evidence  what the provider said it found, where it is believed: policy::believed
//! judge     accept or junk: policy::judge; what it would refuse is junk
//! stamp     Received on top; Return-Path and forged results off
//! prepare   hash, compress, read the structure: outside of the writer
//! onward    only where one mailbox is shared out: which recipients lead outside?
//! write     one job, one commit: the copies, the story, and that it was brought
//! ```

use super::checkpoint::Checked;
use super::forward::{self, Onward};
use super::local::{self, Copy, Leads};
use super::receive::{Post, aside, refused};
use super::{stamp, story};
use crate::event::{Event, emit};
use crate::message::{headers, text};
use crate::policy::judge::Verdict;
use crate::policy::{Finding, believed, words};
use crate::smtp::Recipient;
use crate::store::format::{Trace, TraceStep};
use crate::store::mail::{FlagSet, NewMail, Prepared};
use crate::store::{
    AccountId, Batch, INBOX, MailId, MailboxId, Read, Result, StoreError, account, address, known,
    mail, mailbox, outbox, trace,
};
use crate::wire::address::Address;
use crate::wire::smtp::ForwardPath;
use std::sync::Arc;

/// A letter with what is known of it.
pub(crate) struct Collected {
    /// For people: "alice@gmail.com, from pop.gmail.com by POP3".
    pub source: String,
    /// The provider's server.
    pub host: String,
    /// For `with` in Received: "POP3" or "IMAP".
    pub protocol: &'static str,
    pub message: Vec<u8>,
    pub to: To,
    /// Domains whose Authentication-Results are believed.
    pub vouchers: Vec<String>,
    pub flags: FlagSet,
    /// INTERNALDATE there, and its zone in minutes.
    pub date: Option<(i64, i32)>,
}

/// Where it goes.
#[derive(Debug, Clone)]
pub(crate) enum To {
    /// To the person who has the outside account; `mailbox`: where that is not the INBOX.
    Person { account: AccountId, mailbox: Option<MailboxId> },
    /// To these people; where they lead nowhere, or there are none, to the postmaster. `why` is
    /// told in the story.
    People { to: Vec<Address>, domain: String, why: String },
}

/// Writes down, in the same commit, that the letter was brought. `false`: it was before, and
/// nothing is written.
pub(crate) type Remember = Arc<dyn Fn(&mut Batch) -> Result<bool> + Send + Sync>;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Took {
    Here {
        id: MailId,
        junk: bool,
    },
    /// It was brought before.
    Known,
    /// None of the mailboxes has room: it stays where it is.
    NoRoom,
}

enum Written {
    Done { junk: bool },
    Known,
    IdTaken,
    NoRoom,
}

struct Work {
    id: MailId,
    from: Option<Address>,
    to: To,
    body: Arc<Prepared>,
    onward: Onward,
    checked: Option<Arc<Checked>>,
    story: Trace,
    flags: FlagSet,
    date: (i64, i32),
    remember: Remember,
    now: i64,
}

impl Post {
    /// Takes a letter in. Once it says [`Took::Here`] or [`Took::Known`] it may go at the provider.
    pub(crate) async fn collect(
        &self,
        letter: Collected,
        remember: Remember,
        (now, now_micros): (i64, u64),
    ) -> Result<Took> {
        let size = letter.message.len();
        let (host, source) = (self.host().to_string(), letter.source.clone());
        let checked = self.believed(&letter).map(Arc::new);
        let mut letter = Some(letter);
        let mut opened = None;
        for _ in 0..3 {
            let id = self.next_id(now_micros);
            let (host, checked, remember) = (host.clone(), checked.clone(), remember.clone());
            let (given, before) = (letter.take(), opened.take());
            let made = aside(size, move || {
                let open = before.or_else(|| given.map(|letter| Open::of(letter, &host)))?;
                let work = open.work((id, &host), checked, remember, now);
                Some((open, work))
            });
            let Some((open, work)) = made.await.flatten() else { return Err(unread()) };
            opened = Some(open);
            let (srs, from) = (self.srs().clone(), work.story.from.clone());
            match self.store().write(move |batch| write(batch, &srs, &work)).await {
                Ok(Written::Done { junk }) => {
                    emit(Event::Collected { id: id.0, from, source, octets: size, junk });
                    return Ok(Took::Here { id, junk });
                }
                Ok(Written::Known) => return Ok(Took::Known),
                Ok(Written::NoRoom) => return Ok(Took::NoRoom),
                Ok(Written::IdTaken) => {}
                Err(error) => {
                    refused(&error);
                    return Err(error);
                }
            }
        }
        Err(unread())
    }

    fn believed(&self, letter: &Collected) -> Option<Checked> {
        let evidence = believed::evidence(&letter.message, &letter.host, &letter.vouchers);
        let to = match &letter.to {
            To::Person { account, .. } => vec![*account],
            To::People { to, .. } => {
                let read = self.store().snapshot().ok()?;
                let of = |to: &Address| match address::find(&read, to) {
                    Ok(address::Found::Accounts { accounts, .. }) => accounts,
                    _ => Vec::new(),
                };
                to.iter().flat_map(of).collect()
            }
        };
        self.checkpoint().map(|checkpoint| checkpoint.believe(self.store(), &to, evidence))
    }
}

fn unread() -> StoreError {
    StoreError::Engine("a letter could not be read".to_string())
}

/// A letter without what must not be there.
struct Open {
    from: Option<Address>,
    story: Trace,
    onward: Onward,
    body: Vec<u8>,
    /// Octets of `body` that we put on top.
    top: usize,
    letter: Collected,
}

impl Open {
    fn of(mut letter: Collected, host: &str) -> Self {
        let message = std::mem::take(&mut letter.message);
        let message = match text::with_crlf(&message) {
            std::borrow::Cow::Owned(clean) => clean,
            std::borrow::Cow::Borrowed(_) => message,
        };
        // RFC 5321 4.4: the provider wrote the sender of the envelope there
        let from = headers::find(&message, "Return-Path").and_then(|field| {
            let path = headers::unfold(field.value);
            let path = String::from_utf8(path).ok()?;
            Address::parse(path.trim_start_matches('<').trim_end_matches('>')).ok()
        });
        let onward = Onward::of_collected(from.clone(), &message);
        let story = story::of_collected(from.as_ref(), &message);
        let body = stamp::cleaned(message, host);
        Self { from, story, onward, body, top: 0, letter }
    }

    fn work(
        &self,
        (id, host): (MailId, &str),
        checked: Option<Arc<Checked>>,
        remember: Remember,
        now: i64,
    ) -> Work {
        let letter = &self.letter;
        let top = stamp::collected(&self.body, (&letter.host, letter.protocol), (host, id), now);
        let body = [top.as_slice(), self.body.get(self.top..).unwrap_or_default()].concat();
        let mut story = self.story.clone();
        story.to = match &letter.to {
            To::Person { .. } => Vec::new(),
            To::People { to, .. } => to.iter().map(ToString::to_string).collect(),
        };
        story.steps.push(step("collected", format!("Collected for {}", letter.source), now));
        story.steps.extend(checked.iter().flat_map(|checked| checked.steps(now)));
        let mut onward = self.onward.clone();
        if let Some(checked) = &checked {
            let proven = checked.evidence.dmarc.finding == Finding::Pass;
            onward.judged(checked.whole.verdict, proven);
        }
        Work {
            id,
            from: self.from.clone(),
            to: letter.to.clone(),
            body: Arc::new(Prepared::new(&body)),
            onward,
            checked,
            story,
            flags: letter.flags.clone(),
            date: letter.date.unwrap_or((now, 0)),
            remember,
            now,
        }
    }
}

fn step(what: &str, text: String, now: i64) -> TraceStep {
    TraceStep { at: now, what: what.to_string(), text, ..TraceStep::default() }
}

/// The one job: may run more than once, and leaves nothing behind when it fails.
fn write(batch: &mut Batch, srs: &super::srs::Srs, work: &Work) -> Result<Written> {
    if !mail::id_is_free(batch, work.id)? {
        return Ok(Written::IdTaken);
    }
    let mut story = work.story.clone();
    let leads = leads(batch, srs, work, &mut story)?;
    let letter = (work.id, &work.body, work.now);
    let Ok(plan) = forward::plan(batch, srs, letter, &work.onward, leads)? else {
        return Ok(Written::NoRoom);
    };
    let mut room = Vec::with_capacity(plan.copies.len());
    for copy in &plan.copies {
        room.push(local::has_room(batch, copy.account, work.body.head.size)?);
    }
    if plan.outgoing.is_none() && !room.contains(&true) {
        return Ok(Written::NoRoom);
    }
    if !(work.remember)(batch)? {
        return Ok(Written::Known);
    }
    let mut junk = false;
    for (copy, fits) in plan.copies.iter().zip(room) {
        let (id, name) = place(batch, work, copy.account)?;
        junk |= is_unwanted(work, copy.account);
        let why = work
            .checked
            .as_ref()
            .map(|checked| words::reason_field(checked.of(copy.account), &checked.evidence));
        let new = NewMail {
            body: work.body.clone(),
            prefix: stamp::prefix(work.from.as_ref(), &copy.address, why),
            flags: work.flags.clone(),
            internal_date: work.date.0,
            internal_zone_minutes: work.date.1,
            save_date: work.now,
        };
        mail::append_past_quota(batch, copy.account, id, &new, work.id)?;
        learn(batch, work, copy.account)?;
        let login = account::get(batch, copy.account)?.map(|a| a.login).unwrap_or_default();
        if story.to.is_empty() {
            story.to.push(login.clone());
        }
        story.steps.push(story::delivered(copy, &name, &login, !fits, work.now));
    }
    if let Some(outgoing) = &plan.outgoing {
        outbox::put(batch, work.id, outgoing)?;
    }
    story.steps.extend(plan.steps);
    trace::put(batch, work.id, &story)?;
    Ok(Written::Done { junk })
}

fn leads(
    batch: &mut Batch,
    srs: &super::srs::Srs,
    work: &Work,
    story: &mut Trace,
) -> Result<Leads> {
    let (to, domain, why) = match &work.to {
        To::Person { account, .. } => {
            let login = account::get(batch, *account)?.ok_or(StoreError::NotFound("account"))?;
            let copy = Copy { account: *account, address: login.login };
            return Ok(Leads { copies: vec![copy], ..Leads::default() });
        }
        To::People { to, domain, why } => (to, domain, why),
    };
    if !why.is_empty() {
        story.steps.push(step("placed", why.clone(), work.now));
    }
    let recipient =
        |to: &Address| Recipient { to: ForwardPath::To(to.clone()), notify: None, orcpt: None };
    let recipients: Vec<Recipient> = to.iter().map(recipient).collect();
    let found = local::leads(batch, srs, &recipients, work.now)?;
    if let Some(leads) = found.filter(|leads| *leads != Leads::default()) {
        return Ok(leads);
    }
    if !to.is_empty() {
        let text = "No such address here: it goes to the postmaster".to_string();
        story.steps.push(step("placed", text, work.now));
    }
    let keeper = match address::keeper_of(batch, domain)? {
        Some(keeper) => Some(keeper),
        None => account::first(batch)?,
    };
    let account = keeper.ok_or(StoreError::NotFound("postmaster"))?;
    let copy = Copy { account, address: format!("postmaster@{domain}") };
    Ok(Leads { copies: vec![copy], ..Leads::default() })
}

/// The mailbox of this copy: of unwanted mail the one with \Junk, if the person has one.
fn place(read: &impl Read, work: &Work, account: AccountId) -> Result<(MailboxId, String)> {
    let names = mailbox::names(read, account)?;
    let wanted = match &work.to {
        To::Person { mailbox, .. } => mailbox.unwrap_or(INBOX),
        To::People { .. } => INBOX,
    };
    let is_junk = |special_use: &str| special_use.eq_ignore_ascii_case("\\Junk");
    let junk = names.iter().find(|(_, it)| is_unwanted(work, account) && is_junk(&it.special_use));
    let wanted = names.iter().find(|(id, _)| *id == wanted);
    let found = junk.or(wanted).map(|(id, it)| (*id, it.name.clone()));
    // A folder that was deleted here meanwhile.
    Ok(found.unwrap_or((INBOX, "INBOX".to_string())))
}

fn is_unwanted(work: &Work, account: AccountId) -> bool {
    let judged = work.checked.as_ref().map(|checked| checked.of(account).verdict);
    !matches!(judged, None | Some(Verdict::Accept))
}

fn learn(batch: &mut Batch, work: &Work, account: AccountId) -> Result<()> {
    let Some(checked) = &work.checked else { return Ok(()) };
    match checked.evidence.claims.authors.first() {
        Some(author) if !is_unwanted(work, account) && checked.evidence.is_proven() => {
            known::heard(batch, account, author)
        }
        _ => Ok(()),
    }
}
