//! Letters that the box itself writes: to whoever answers for it, into the INBOX of the postmaster
//! of each of its domains, whatever the quota; and one to the outside, to try the way there.

use super::report::{Moment, into_mailboxes};
use super::{stamp, story};
use crate::event::{Event, emit};
use crate::message::fixup;
use crate::net::dkim::Signer;
use crate::store::format::{Trace, TraceStep};
use crate::store::mail::{self, Prepared};
use crate::store::outbox::{self, NewOutgoing, NewRecipient};
use crate::store::{AccountId, Batch, Result, Store, account, address, trace};
use crate::wire::address::Address;
use std::sync::Arc;

/// Lines of a letter are not longer, as people like to read them.
const COLUMNS: usize = 76;

/// Writes a letter to each postmaster, once to each person; returns to how many.
pub(crate) fn to_postmasters(
    batch: &mut Batch,
    host: &str,
    moment: Moment,
    subject: &str,
    text: &str,
) -> Result<usize> {
    let mut told = Vec::new();
    for domain in address::domains(batch)? {
        let Some(keeper) = address::keeper_of(batch, &domain.name)? else { continue };
        let Ok(to) = Address::new("postmaster", &domain.name) else { continue };
        if told.contains(&keeper) {
            continue;
        }
        told.push(keeper);
        to_one(batch, (host, moment), (keeper, &to), (subject, text))?;
    }
    Ok(told.len())
}

/// Writes a letter to one person.
pub(crate) fn to_person(
    batch: &mut Batch,
    host: &str,
    moment: Moment,
    account: AccountId,
    (subject, text): (&str, &str),
) -> Result<()> {
    let Some(person) = account::get(batch, account)? else { return Ok(()) };
    let Ok(to) = Address::parse(&person.login) else { return Ok(()) };
    to_one(batch, (host, moment), (account, &to), (subject, text))
}

fn to_one(
    batch: &mut Batch,
    (host, moment): (&str, Moment),
    (account, to): (AccountId, &Address),
    (subject, text): (&str, &str),
) -> Result<()> {
    let id = mail::next_id(batch, moment.micros)?;
    let unique = format!("{id}.{:x}", moment.chance);
    let letter = written(host, to, subject, text, (&unique, moment.now()));
    let body = Arc::new(Prepared::new(letter.as_bytes()));
    into_mailboxes(batch, &[account], to, &body, (id, moment.now()))?;
    let step = TraceStep {
        at: moment.now(),
        what: "delivered".to_string(),
        text: "A letter of this server".to_string(),
        ..TraceStep::default()
    };
    let story = Trace {
        from: String::new(),
        to: vec![to.to_string()],
        subject: subject.to_string(),
        message_id: format!("<{unique}@{host}>"),
        size: letter.len() as u64,
        steps: vec![step],
    };
    trace::put(batch, id, &story)
}

/// A letter in the name of somebody here.
pub(crate) struct Letter<'a> {
    pub from: &'a Address,
    pub to: &'a Address,
    pub subject: &'a str,
    pub text: &'a str,
}

/// Signs it and puts it into the outbox; returns its Message-ID. Blocks, and reads files.
pub(crate) fn to_outside(
    store: &Store,
    signer: &Signer,
    letter: &Letter<'_>,
    moment: Moment,
) -> Result<String> {
    let Letter { from, to, subject, text } = *letter;
    let domain = from.domain();
    let message_id = format!("{:x}.{:x}@{domain}", moment.micros, moment.chance);
    let message = format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}",
        folded(text)
    );
    // As what a person sends: date and number are added, and nothing is left that is not 7-bit.
    let missing = fixup::Missing {
        from: from.to_string(),
        date: stamp::date(moment.now()),
        message_id: message_id.clone(),
        utf8: false,
    };
    let mut message = fixup::submitted(message.as_bytes(), &missing);
    let message_id = format!("<{message_id}>");
    match signer.sign(domain, &message, moment.now()) {
        Ok(signatures) => drop(message.splice(..0, signatures)),
        Err(fault) => {
            emit(Event::SigningTrouble { domain: domain.to_string(), why: fault.to_string() });
        }
    }
    let new = NewOutgoing {
        body: Arc::new(Prepared::new(&message)),
        sender: Some(from.clone()),
        smtputf8: false,
        eight_bit: !message.is_ascii(),
        ret: None,
        envid: None,
        recipients: vec![NewRecipient { to: to.clone(), notify: None, orcpt: None }],
        prefix: Vec::new(),
        report_to: None,
        now: moment.now(),
    };
    let story = Trace {
        from: from.to_string(),
        to: vec![to.to_string()],
        subject: subject.to_string(),
        message_id: message_id.clone(),
        size: message.len() as u64,
        steps: vec![story::queued(to, moment.now())],
    };
    store.write_blocking(move |batch| {
        let id = mail::next_id(batch, moment.micros)?;
        outbox::put(batch, id, &new)?;
        trace::put(batch, id, &story)
    })?;
    Ok(message_id)
}

fn written(
    host: &str,
    to: &Address,
    subject: &str,
    text: &str,
    (unique, now): (&str, i64),
) -> String {
    let date = stamp::date(now);
    let encoding = if text.is_ascii() { "7bit" } else { "8bit" };
    format!(
        "From: Mailroom <{to}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nDate: {date}\r\n\
         Message-ID: <{unique}@{host}>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n\
         {}",
        folded(text)
    )
}

/// In lines that end with CRLF; words stay whole.
fn folded(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut column = 0;
        for word in line.split(' ') {
            let length = word.chars().count();
            if column > 0 && column + 1 + length > COLUMNS {
                out.push_str("\r\n");
                column = 0;
            }
            if column > 0 {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += length;
        }
        out.push_str("\r\n");
    }
    out
}
