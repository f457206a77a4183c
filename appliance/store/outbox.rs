//! The outbox: messages on their way out, each with its recipients and what became of them.
//!
//! ```text
//!           put                  250                      every recipient is done:
//! (nothing) ---> Waiting ---------------> Delivered       the row goes, the body is let go
//!                 ^  | hold  \ 5yz, too old
//!             now |  v        '---------> Failed
//!                 Held
//! ```
//!
//! A row stands at the time when it is next to be looked at, so that the queue reads only what is
//! due. Which rows are being worked on is known to the one worker alone: after a crash every row
//! is simply due again. A message is sent twice only when the crash falls between the other
//! server's 250 and the commit of `delivery::record`.

use super::body::{self, Prepared};
use super::format::{Outgoing, OutgoingRecipient, tag};
use super::key::{self, load, save};
use super::{Batch, MailId, Read, Result, StoreError};
use crate::wire::address::Address;
use crate::wire::smtp::{Notify, OriginalRecipient, Ret};
use std::sync::Arc;

/// One message to be sent.
#[derive(Clone)]
pub(crate) struct NewOutgoing {
    pub body: Arc<Prepared>,
    /// `None` is `<>`.
    pub sender: Option<Address>,
    /// Needs SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// Has octets above 127.
    pub eight_bit: bool,
    pub ret: Option<Ret>,
    /// Decoded from xtext.
    pub envid: Option<Vec<u8>>,
    /// At least one.
    pub recipients: Vec<NewRecipient>,
    /// Header fields on top of the body.
    pub prefix: Vec<u8>,
    /// Who hears what became of it; `None`: the sender.
    pub report_to: Option<Address>,
    pub now: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewRecipient {
    pub to: Address,
    pub notify: Option<Notify>,
    pub orcpt: Option<OriginalRecipient>,
}

/// What a recipient's state can be; as it stands in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum State {
    #[default]
    Waiting = 0,
    /// The owner said so; no time ends it.
    Held = 1,
    Delivered = 2,
    Failed = 3,
}

/// Where a row stands: when it is next to be looked at (seconds since 1970), and which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub due: u64,
    pub id: MailId,
}

/// Due never: every recipient that is left is held.
pub(crate) const NEVER: u64 = u64::MAX;

/// Puts a message into the outbox, due at once. `id` is that of its arrival and of its trace; the
/// worker is woken by the commit.
pub(crate) fn put(batch: &mut Batch, id: MailId, new: &NewOutgoing) -> Result<()> {
    batch.check_room()?;
    if new.recipients.is_empty() {
        return Err(StoreError::Invalid("a message to be sent has a recipient"));
    }
    batch.memory.last_mail = batch.memory.last_mail.max(id);
    let body = body::refer(batch, &new.body, id)?;
    let notify = |notify: Notify| {
        1 | u32::from(notify.success) << 1
            | u32::from(notify.failure) << 2
            | u32::from(notify.delay) << 3
    };
    let recipient = |one: &NewRecipient| OutgoingRecipient {
        address: one.to.to_string(),
        notify: one.notify.map_or(0, notify),
        orcpt_kind: one.orcpt.as_ref().map(|it| it.kind.clone()).unwrap_or_default(),
        orcpt: one.orcpt.as_ref().map(|it| it.address.clone()).unwrap_or_default(),
        next: new.now,
        ..OutgoingRecipient::default()
    };
    let row = Outgoing {
        body: body.0,
        size: new.body.head.size,
        sender: new.sender.as_ref().map(ToString::to_string).unwrap_or_default(),
        smtputf8: new.smtputf8,
        eight_bit: new.eight_bit,
        ret: match new.ret {
            None => 0,
            Some(Ret::Full) => 1,
            Some(Ret::Headers) => 2,
        },
        envid: new.envid.clone(),
        created: new.now,
        recipients: new.recipients.iter().map(recipient).collect(),
        prefix: new.prefix.clone(),
        report_to: new.report_to.as_ref().map(ToString::to_string),
    };
    let place = Place { due: row.due(), id };
    wake(batch);
    save(batch, &key::outgoing(place), &row)
}

/// Puts a row back as it once was, into a store that is made anew.
pub(super) fn put_back(
    batch: &mut Batch,
    id: MailId,
    row: &Outgoing,
    body: &Prepared,
) -> Result<()> {
    batch.memory.last_mail = batch.memory.last_mail.max(id);
    let body = body::refer(batch, body, MailId(row.body))?;
    save(
        batch,
        &key::outgoing(Place { due: row.due(), id }),
        &Outgoing { body: body.0, ..row.clone() },
    )
}

/// Where up to `limit` rows stand that are due at `now`, the longest due first, but for those that
/// `known` knows.
pub(crate) fn due(
    read: &impl Read,
    now: u64,
    limit: usize,
    known: impl Fn(MailId) -> bool,
) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    let end = key::outgoing(Place { due: now.saturating_add(1), id: MailId(0) });
    read.keys(&[tag::OUTGOING], &end, &mut |key| {
        let place = place_of(key)?;
        if !known(place.id) {
            places.push(place);
        }
        Ok(places.len() < limit)
    })?;
    Ok(places)
}

/// The row that stands there.
pub(crate) fn get(read: &impl Read, place: Place) -> Result<Option<Outgoing>> {
    load(read, &key::outgoing(place))
}

/// When the next row after `now` is due.
pub(crate) fn next_due(read: &impl Read, now: u64) -> Result<Option<u64>> {
    let from = key::outgoing(Place { due: now.saturating_add(1), id: MailId(0) });
    let mut next = None;
    read.keys(&from, &[tag::OUTGOING + 1], &mut |key| {
        next = Some(place_of(key)?.due).filter(|&due| due != NEVER);
        Ok(false)
    })?;
    Ok(next)
}

/// All rows, in the order in which they are due, from `from` on, at most `limit`.
pub(crate) fn list(read: &impl Read, from: Place, limit: usize) -> Result<Vec<(Place, Outgoing)>> {
    let mut rows = Vec::new();
    read.scan(&key::outgoing(from), &[tag::OUTGOING + 1], &mut |key, payload| {
        rows.push((place_of(key)?, key::decode(key, payload)?));
        Ok(rows.len() < limit)
    })?;
    Ok(rows)
}

/// The row of a message, wherever it stands now; `seen` is where it stood last.
pub(crate) fn find(
    read: &impl Read,
    id: MailId,
    seen: Option<Place>,
) -> Result<Option<(Place, Outgoing)>> {
    if let Some(place) = seen.filter(|place| place.id == id)
        && let Some(row) = load(read, &key::outgoing(place))?
    {
        return Ok(Some((place, row)));
    }
    let mut found = None;
    read.keys(&[tag::OUTGOING], &[tag::OUTGOING + 1], &mut |key| {
        let place = place_of(key)?;
        found = (place.id == id).then_some(place);
        Ok(found.is_none())
    })?;
    let Some(place) = found else { return Ok(None) };
    Ok(get(read, place)?.map(|row| (place, row)))
}

/// Writes a changed row to the place where it is due now; one whose recipients are all done goes,
/// and lets go of its body.
pub(crate) fn update(batch: &mut Batch, place: Place, row: &Outgoing) -> Result<()> {
    if row.recipients.iter().all(OutgoingRecipient::is_done) {
        return remove(batch, place, row);
    }
    let now = Place { due: row.due(), id: place.id };
    if now != place {
        batch.delete(&key::outgoing(place))?;
    }
    save(batch, &key::outgoing(now), row)
}

/// Lets the worker look at the outbox after the commit.
pub(crate) fn wake(batch: &mut Batch) {
    batch.memory.outbox = true;
}

/// Takes a message out of the outbox.
pub(crate) fn remove(batch: &mut Batch, place: Place, row: &Outgoing) -> Result<()> {
    batch.delete(&key::outgoing(place))?;
    body::release_body(batch, MailId(row.body))
}

/// The message of a row, as it goes out: `from..to`, clipped to its length.
pub(crate) fn octets(read: &impl Read, row: &Outgoing, from: u64, to: u64) -> Result<Vec<u8>> {
    let head = row.prefix.len() as u64;
    let to = to.min(row.octets());
    let from = from.min(to);
    let place = |at: u64| usize::try_from(at.min(head)).unwrap_or(usize::MAX);
    let mut octets = row.prefix.get(place(from)..place(to)).unwrap_or_default().to_vec();
    if to > head {
        let (from, to) = (from.saturating_sub(head), to - head);
        octets.extend(body::body_octets(read, MailId(row.body), row.size, from, to)?);
    }
    Ok(octets)
}

/// How many messages are in the outbox, counted up to `limit`.
pub(crate) fn count(read: &impl Read, limit: usize) -> Result<usize> {
    let mut count = 0;
    read.keys(&[tag::OUTGOING], &[tag::OUTGOING + 1], &mut |_| {
        count += 1;
        Ok(count < limit)
    })?;
    Ok(count)
}

impl Outgoing {
    /// When it is next to be looked at.
    pub(crate) fn due(&self) -> u64 {
        let waiting = self.recipients.iter().filter(|it| it.state() == State::Waiting);
        let next = waiting.map(|it| u64::try_from(it.next).unwrap_or(0)).min();
        next.unwrap_or(NEVER)
    }

    /// Of the message as it goes out.
    pub(crate) fn octets(&self) -> u64 {
        self.size.saturating_add(self.prefix.len() as u64)
    }

    /// Who hears what became of it; `None`: nobody. RFC 5321 4.5.5
    pub(crate) fn told(&self) -> Option<Address> {
        Address::parse(self.report_to.as_deref().unwrap_or(&self.sender)).ok()
    }

    pub(crate) fn ret(&self) -> Option<Ret> {
        match self.ret {
            1 => Some(Ret::Full),
            2 => Some(Ret::Headers),
            _ => None,
        }
    }
}

impl OutgoingRecipient {
    pub(crate) fn state(&self) -> State {
        match self.state {
            1 => State::Held,
            2 => State::Delivered,
            3 => State::Failed,
            _ => State::Waiting,
        }
    }

    pub(crate) fn set_state(&mut self, state: State) {
        self.state = state as u32;
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state(), State::Delivered | State::Failed)
    }

    /// RFC 3461 4.1; `None` when the sender left it to us.
    pub(crate) fn notify(&self) -> Option<Notify> {
        let has = |bit: u32| self.notify & bit != 0;
        has(1).then(|| Notify { success: has(2), failure: has(4), delay: has(8) })
    }

    pub(crate) fn orcpt(&self) -> Option<OriginalRecipient> {
        (!self.orcpt_kind.is_empty()).then(|| OriginalRecipient {
            kind: self.orcpt_kind.clone(),
            address: self.orcpt.clone(),
        })
    }
}

pub(super) fn place_of(key: &[u8]) -> Result<Place> {
    Ok(Place { due: key::u64_at(key, 1)?, id: MailId(key::u64_at(key, 9)?) })
}
