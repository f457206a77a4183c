//! Mail that an address of ours passes on to the outside.
//!
//! ```text
//! envelope   the sender becomes a return address of ours (srs), so that SPF holds; <> stays <>
//! on top     X-Loop with the mark of our address; what DKIM signed is not touched
//! outbox     one row in the commit of the copies for mailboxes here: 250 is for all of them
//! reports    of our own outbox go to the sender; those of others come to the return address,
//!            and go on to the sender from <>
//! ```
//!
//! Not passed on is what carries our mark already (it goes in a circle), what was judged to be
//! junk, what claims to be from one of our own domains, came without log-in and is not proven
//! (with our return address it would look so), and what is above the limit of the day. It is kept:
//! by the mailboxes that the address leads to beside; where there are none, and nobody else gets
//! the message, the sender is refused it; where others do, the domain's postmaster keeps it.

use super::local::{Copy, Leads, Passed};
use super::srs::Srs;
use super::story;
use crate::limits::PASSED_PER_DAY;
use crate::message::{headers, people};
use crate::policy::judge::Verdict;
use crate::smtp::Arrived;
use crate::store::address::{self, Found};
use crate::store::format::TraceStep;
use crate::store::mail::Prepared;
use crate::store::outbox::{NewOutgoing, NewRecipient};
use crate::store::{Batch, MailId, Read, Result};
use crate::wire::address::Address;
use crate::wire::smtp::{OriginalRecipient, Reply, Ret};
use std::sync::Arc;

const MARK: &str = "X-Loop";

/// What the passing on of a message needs to know of it.
#[derive(Debug, Clone)]
pub(crate) struct Onward {
    from: Option<Address>,
    /// In its From field.
    authors: Vec<Address>,
    marks: Vec<String>,
    /// A verdict that keeps it here, in words for its sender.
    held_back: Option<String>,
    /// The domain in its From field vouches for it.
    proven: bool,
    smtputf8: bool,
    eight_bit: bool,
    ret: Option<Ret>,
    envid: Option<Vec<u8>>,
}

/// Where a message goes, and what is told of it.
pub(crate) struct Plan {
    pub copies: Vec<Copy>,
    /// For the outside.
    pub outgoing: Option<NewOutgoing>,
    pub steps: Vec<TraceStep>,
}

impl Onward {
    /// `message` is its text, `arrived` its envelope.
    pub(crate) fn of(arrived: &Arrived, message: &[u8]) -> Self {
        let header = message.get(..headers::header_len(message)).unwrap_or_default();
        Self {
            smtputf8: arrived.smtputf8 && !header.is_ascii(),
            ret: arrived.ret,
            envid: arrived.envid.clone(),
            ..Self::of_collected(arrived.from.clone(), message)
        }
    }

    /// Of one that came without an envelope.
    pub(crate) fn of_collected(from: Option<Address>, message: &[u8]) -> Self {
        let header = message.get(..headers::header_len(message)).unwrap_or_default();
        let mut onward = Self {
            from,
            authors: Vec::new(),
            marks: Vec::new(),
            held_back: None,
            proven: false,
            smtputf8: !header.is_ascii(),
            eight_bit: !message.is_ascii(),
            ret: None,
            envid: None,
        };
        for field in headers::fields(message) {
            if field.is(MARK) {
                let mark = String::from_utf8_lossy(field.value).trim().to_ascii_lowercase();
                onward.marks.push(mark);
            } else if field.is("From") {
                onward.authors.extend(authors(field.value));
            }
        }
        onward
    }

    /// What was found of it and decided. What is unwanted here is not passed on to others.
    pub(crate) fn judged(&mut self, verdict: Verdict, proven: bool) {
        self.proven = proven;
        self.held_back = (verdict != Verdict::Accept).then(|| "it looks unwanted".to_string());
    }
}

/// Decides where a message goes that leads to these; the reply when nobody may have it.
pub(crate) fn plan(
    batch: &mut Batch,
    srs: &Srs,
    (id, body, now): (MailId, &Arc<Prepared>, i64),
    onward: &Onward,
    leads: Leads,
) -> Result<std::result::Result<Plan, Reply>> {
    let Leads { copies, passed, returned } = leads;
    let mut plan = Plan { copies, outgoing: None, steps: Vec::new() };
    let (mut going, mut stray) = (Vec::new(), Vec::new());
    for passed in passed {
        match objection(batch, srs, onward, &passed, now)? {
            None => going.push(passed),
            Some(reply) => {
                plan.steps.push(story::kept(&passed.recipient, &reply, now));
                if !passed.kept {
                    stray.push((passed, reply));
                }
            }
        }
    }
    let nobody = plan.copies.is_empty() && going.is_empty() && returned.is_empty();
    if let (true, Some((_, reply))) = (nobody, stray.first()) {
        return Ok(Err(reply.clone()));
    }
    if let Some(reply) = keep(batch, &mut plan, stray)? {
        return Ok(Err(reply));
    }
    count(batch, &going, now)?;
    let recipients = recipients(&mut plan, &going, returned, now);
    if !recipients.is_empty() {
        let home = going.first().map(|passed| passed.via.domain());
        let sender = onward.from.as_ref().zip(home);
        let sender = sender.and_then(|(from, home)| srs.wrap(from, home, id, now));
        plan.outgoing = Some(NewOutgoing {
            body: body.clone(),
            sender,
            smtputf8: onward.smtputf8 || onward.from.as_ref().is_some_and(|from| !from.is_ascii()),
            eight_bit: onward.eight_bit,
            ret: onward.ret,
            envid: onward.envid.clone(),
            recipients,
            prefix: marks(srs, &going),
            report_to: onward.from.clone(),
            now,
        });
    }
    Ok(Ok(plan))
}

/// The fields by which a message is known that was passed on by these.
pub(crate) fn marks(srs: &Srs, going: &[Passed]) -> Vec<u8> {
    let mut marks = String::new();
    for passed in going {
        let line = format!("{MARK}: {}\r\n", srs.mark(&passed.via.to_string()));
        if !marks.contains(&line) {
            marks.push_str(&line);
        }
    }
    marks.into_bytes()
}

/// Counts for today what is passed on.
pub(crate) fn count(batch: &mut Batch, going: &[Passed], now: i64) -> Result<()> {
    for passed in going {
        let more = u32::try_from(passed.to.len()).unwrap_or(u32::MAX);
        address::count_passed(batch, &passed.via, more, now)?;
    }
    Ok(())
}

/// May no more be passed on by this address today?
pub(crate) fn is_spent(read: &impl Read, passed: &Passed, now: i64) -> Result<bool> {
    let more = u32::try_from(passed.to.len()).unwrap_or(u32::MAX);
    Ok(address::passed(read, &passed.via, now)?.saturating_add(more) > PASSED_PER_DAY)
}

/// For the outbox: those that a recipient of ours leads to.
pub(crate) fn new_recipients(passed: &Passed) -> impl Iterator<Item = NewRecipient> {
    // RFC 3461 4.2: the sender knows the address it wrote to, not where that leads
    let orcpt = passed.orcpt.clone().unwrap_or_else(|| OriginalRecipient {
        kind: if passed.recipient.is_ascii() { "rfc822" } else { "utf-8" }.to_string(),
        address: passed.recipient.to_string().into_bytes(),
    });
    // RFC 3461 5.2.7.3: success is told where a message is parted into several, not behind it
    let mut notify = passed.notify;
    if let Some(notify) = &mut notify {
        notify.success = false;
    }
    let orcpt = Some(orcpt);
    passed.to.iter().map(move |to| NewRecipient { to: to.clone(), notify, orcpt: orcpt.clone() })
}

/// Why it is not passed on.
fn objection(
    read: &impl Read,
    srs: &Srs,
    onward: &Onward,
    passed: &Passed,
    now: i64,
) -> Result<Option<Reply>> {
    let via = &passed.via;
    if onward.marks.contains(&srs.mark(&via.to_string())) {
        let text = format!("{via} has passed this message on before: it goes in a circle");
        return Ok(Some(Reply::new(554, 4, 6, text)));
    }
    if let Some(why) = &onward.held_back {
        let text = format!("{via} does not pass this message on: {why}");
        return Ok(Some(Reply::new(550, 7, 1, text)));
    }
    for author in onward.authors.iter().filter(|_| !onward.proven) {
        if address::find(read, author)? != Found::NotOurs {
            let text = format!(
                "{via} does not pass on mail from {} without log-in: submit it",
                author.domain()
            );
            return Ok(Some(Reply::new(550, 7, 1, text)));
        }
    }
    if is_spent(read, passed, now)? {
        let text = format!("{via} has passed on as much mail as may be in a day");
        return Ok(Some(Reply::new(452, 7, 1, text)));
    }
    Ok(None)
}

/// The postmaster keeps what nobody else would have of those who should; the reply where there is
/// no account that could.
fn keep(read: &impl Read, plan: &mut Plan, stray: Vec<(Passed, Reply)>) -> Result<Option<Reply>> {
    for (passed, reply) in stray {
        let Some(keeper) = address::keeper_of(read, passed.via.domain())? else {
            return Ok(Some(reply));
        };
        if !plan.copies.iter().any(|copy| copy.account == keeper) {
            let address = passed.recipient.to_string();
            plan.copies.push(Copy { account: keeper, address });
        }
    }
    Ok(None)
}

fn recipients(
    plan: &mut Plan,
    going: &[Passed],
    returned: Vec<Address>,
    now: i64,
) -> Vec<NewRecipient> {
    let mut recipients = Vec::new();
    for passed in going {
        plan.steps.extend(passed.to.iter().map(|to| story::passed_on(&passed.via, to, now)));
        recipients.extend(new_recipients(passed));
    }
    for to in returned {
        plan.steps.push(story::returned(&to, now));
        recipients.push(NewRecipient { to, notify: None, orcpt: None });
    }
    recipients
}

fn authors(value: &[u8]) -> Vec<Address> {
    let address = |entry: crate::message::facts::EnvelopeAddress| {
        let (local, host) = entry.mailbox.zip(entry.host)?;
        Address::new(&String::from_utf8(local).ok()?, &String::from_utf8(host).ok()?).ok()
    };
    people::list(&headers::unfold(value), &mut |_| true).into_iter().filter_map(address).collect()
}
