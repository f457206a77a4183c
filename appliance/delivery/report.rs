//! Reports to the sender, written in the same batch as what they tell: none is lost, none comes
//! twice.
//!
//! ```text
//! sender <>           nobody is told: a report is never answered by a report   RFC 5321 4.5.5
//! an address of ours  into the INBOX of its people
//! any other           into the outbox, from <>
//! ```

use super::dsn::{self, Action, Report, Told};
use super::stamp;
use crate::limits::DSN_WHOLE_BYTES;
use crate::store::address::{self, Found};
use crate::store::format::{Outgoing, Trace, TraceStep};
use crate::store::mail::{FlagSet, NewMail, Prepared};
use crate::store::outbox::{self, NewOutgoing, NewRecipient};
use crate::store::{AccountId, Batch, INBOX, MailId, Read, Result, StoreError, mail, trace};
use crate::wire::address::Address;
use crate::wire::smtp::Ret;
use std::sync::Arc;

/// When something is done, and a number that nobody could guess: values from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Microseconds since 1970.
    pub micros: u64,
    pub chance: u64,
}

impl Moment {
    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        i64::try_from(self.micros / 1_000_000).unwrap_or(i64::MAX)
    }
}

/// Tells the sender of `row` what became of some of its recipients. What was done stands in the
/// step for the story of the message; `None` when there is nobody to tell. [`StoreError::DiskFull`]
/// leaves nothing written.
pub(crate) fn send(
    batch: &mut Batch,
    host: &str,
    moment: Moment,
    row: &Outgoing,
    action: Action,
    told: &[Told],
) -> Result<Option<TraceStep>> {
    // RFC 5321 4.5.5: no report on a message from <>
    let Some(sender) = row.told() else { return Ok(None) };
    let found = address::find(batch, &sender)?;
    if found == Found::UnknownLocal {
        let text = "The sender is no longer known here, so nobody was told".to_string();
        return Ok(Some(step(moment.now(), text)));
    }
    let id = mail::next_id(batch, moment.micros)?;
    let report = written(batch, host, moment, id, (row, &sender, &found), (action, told));
    let body = Arc::new(Prepared::new(&report));
    let story = story(&report, &sender, moment.now());
    let text = match found {
        Found::Accounts { accounts, outside, .. } => {
            into_mailboxes(batch, &accounts, &sender, &body, (id, moment.now()))?;
            let inside = !accounts.is_empty();
            match (inside, outside.is_empty()) {
                (true, true) => format!("A report was put into the INBOX of {sender}"),
                (inside, _) => {
                    put_out(batch, &outside, &report, body, (id, moment.now()))?;
                    let too = if inside { ", and to its INBOX" } else { "" };
                    format!("A report is on its way to where {sender} leads{too}")
                }
            }
        }
        _ => {
            let to = std::slice::from_ref(&sender);
            put_out(batch, to, &report, body, (id, moment.now()))?;
            format!("A report is on its way to {sender}")
        }
    };
    trace::put(batch, id, &story)?;
    Ok(Some(step(moment.now(), text)))
}

fn written(
    read: &impl Read,
    host: &str,
    moment: Moment,
    id: MailId,
    (row, sender, found): (&Outgoing, &Address, &Found),
    (action, told): (Action, &[Told]),
) -> Vec<u8> {
    // A body that cannot be read must not keep the sender from being told.
    let original = outbox::octets(read, row, 0, DSN_WHOLE_BYTES).unwrap_or_default();
    // RFC 3461 4.3: RET is for reports of failure; all others bring the header
    let whole = action == Action::Failed
        && row.ret() != Some(Ret::Headers)
        && row.octets() == original.len() as u64;
    dsn::print(&Report {
        action,
        host,
        domain: &domain(read, sender, found).unwrap_or_else(|| host.to_string()),
        to: &sender.to_string(),
        envid: row.envid.as_deref(),
        arrived: row.created,
        now: moment.now(),
        unique: format!("{id}.{:x}", moment.chance),
        told,
        original: &original,
        whole,
    })
}

/// A domain of ours, at which there is a postmaster: the sender's where that is one.
fn domain(read: &impl Read, sender: &Address, found: &Found) -> Option<String> {
    if matches!(found, Found::Accounts { .. }) {
        return Some(sender.domain().to_string());
    }
    let first = address::domains(read).ok()?.into_iter().next()?;
    Some(first.name)
}

pub(super) fn into_mailboxes(
    batch: &mut Batch,
    accounts: &[AccountId],
    sender: &Address,
    body: &Arc<Prepared>,
    (id, now): (MailId, i64),
) -> Result<()> {
    for account in accounts {
        let new = NewMail {
            body: body.clone(),
            prefix: stamp::prefix(None, &sender.to_string(), None),
            flags: FlagSet::default(),
            internal_date: now,
            internal_zone_minutes: 0,
            save_date: now,
        };
        // What a full mailbox must not lose is why mail did not go out.
        match mail::append_past_quota(batch, *account, INBOX, &new, id) {
            Err(StoreError::NotFound(_)) => {}
            other => {
                other?;
            }
        }
    }
    Ok(())
}

fn put_out(
    batch: &mut Batch,
    to: &[Address],
    report: &[u8],
    body: Arc<Prepared>,
    (id, now): (MailId, i64),
) -> Result<()> {
    let recipient = |to: &Address| NewRecipient { to: to.clone(), notify: None, orcpt: None };
    let new = NewOutgoing {
        body,
        sender: None,
        smtputf8: !to.iter().all(Address::is_ascii),
        eight_bit: !report.is_ascii(),
        ret: None,
        envid: None,
        recipients: to.iter().map(recipient).collect(),
        prefix: Vec::new(),
        report_to: None,
        now,
    };
    outbox::put(batch, id, &new)
}

fn story(report: &[u8], sender: &Address, now: i64) -> Trace {
    let text = |name| crate::message::headers::find(report, name).map(|field| field.value);
    let decoded = |name| text(name).map(crate::message::headers::decode).unwrap_or_default();
    Trace {
        from: String::new(),
        to: vec![sender.to_string()],
        subject: decoded("Subject"),
        message_id: decoded("Message-ID"),
        size: report.len() as u64,
        steps: vec![step(now, "A report of this server on a message it sent".to_string())],
    }
}

fn step(at: i64, text: String) -> TraceStep {
    TraceStep { at, what: "reported".to_string(), text, ..TraceStep::default() }
}
