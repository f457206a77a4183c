//! The stories of messages: why a mail arrived, or did not.

use super::format::{Trace, tag};
use super::key::{self, BODY_TRACE, load, save};
use super::{Batch, MailId, Read, Result, mail};
use crate::limits;

/// Writes the story of a new arrival (also one that was refused and has no body).
pub(crate) fn put(batch: &mut Batch, id: MailId, trace: &Trace) -> Result<()> {
    save(batch, &key::body(id, BODY_TRACE), trace)
}

pub(crate) fn get(read: &impl Read, id: MailId) -> Result<Option<Trace>> {
    load(read, &key::body(id, BODY_TRACE))
}

/// Newest first, those in which the text occurs (addresses, subject, Message-ID, id; case folded;
/// empty: all), at most `limit`, looking at arrivals before `before` (`None`: from the newest).
pub(crate) fn find(
    read: &impl Read,
    text: &str,
    before: Option<MailId>,
    limit: usize,
) -> Result<Vec<(MailId, Trace)>> {
    let text = text.to_lowercase();
    let mut found = Vec::new();
    let mut end = before.map_or(vec![tag::BODY + 1], key::of_mail);
    // From mail to mail backwards: bodies are stepped over, not read.
    while found.len() < limit {
        let Some(newest) = read.last_key(&[tag::BODY], &end)? else { break };
        let id = MailId(key::u64_at(&newest, 1)?);
        if let Some(trace) = get(read, id)?
            && tells_of(id, &trace, &text)
        {
            found.push((id, trace));
        }
        end = key::of_mail(id);
    }
    Ok(found)
}

/// Can the clock be believed, as far as the arrivals tell? A clock that jumps ahead makes every
/// story old at once. So what came within the last days proves nothing, and if there is a long
/// silence before those, nothing is to be forgotten yet.
pub(crate) fn clock_is_likely(read: &impl Read, now_micros: u64) -> Result<bool> {
    let days = |days: u64| days * 24 * 3600 * 1_000_000;
    let doubted = MailId(now_micros.saturating_sub(days(limits::TRACE_DOUBT_DAYS)));
    let Some(newest) = read.last_key(&[tag::BODY], &key::of_mail(doubted))? else {
        return Ok(false);
    };
    let silence = doubted.0.saturating_sub(key::u64_at(&newest, 1)?);
    Ok(silence <= days(limits::TRACE_SILENCE_DAYS))
}

/// Forgets stories older than `before`; at most `limit` at a time. Returns how many went.
pub(crate) fn forget(batch: &mut Batch, before: MailId, limit: usize) -> Result<usize> {
    let mut old = Vec::new();
    batch.keys(&[tag::BODY], &key::of_mail(before), &mut |key| {
        if key.len() == 10 && key.last() == Some(&BODY_TRACE) {
            old.push(key.to_vec());
        }
        Ok(old.len() < limit)
    })?;
    for key in &old {
        batch.delete(key)?;
        mail::remember_newest(batch, MailId(key::u64_at(key, 1)?))?;
    }
    Ok(old.len())
}

fn tells_of(id: MailId, trace: &Trace, text: &str) -> bool {
    let has = |words: &str| words.to_lowercase().contains(text);
    text.is_empty()
        || has(&trace.from)
        || trace.to.iter().any(|to| has(to))
        || has(&trace.subject)
        || has(&trace.message_id)
        || has(&id.to_string())
}
