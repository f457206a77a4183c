//! Letters of the box to whoever answers for it: into the INBOX of the postmaster of each of its
//! domains, whatever the quota.

use super::report::{Moment, into_mailboxes};
use super::stamp;
use crate::store::format::{Trace, TraceStep};
use crate::store::mail::{self, Prepared};
use crate::store::{Batch, Result, address, trace};
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
        let id = mail::next_id(batch, moment.micros)?;
        let unique = format!("{id}.{:x}", moment.chance);
        let letter = written(host, &to, subject, text, (&unique, moment.now()));
        let body = Arc::new(Prepared::new(letter.as_bytes()));
        into_mailboxes(batch, &[keeper], &to, &body, (id, moment.now()))?;
        let step = TraceStep {
            at: moment.now(),
            what: "delivered".to_string(),
            text: "A letter of this server to its postmaster".to_string(),
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
        trace::put(batch, id, &story)?;
    }
    Ok(told.len())
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
