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

/// What is looked for among the stories; nothing in a field is everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Occurs in an address, the subject, the Message-ID or the number.
    pub text: String,
    /// Is the sender or a recipient: the addresses of a person.
    pub people: Vec<String>,
    /// Arrived at this or later, and before that.
    pub since: Option<MailId>,
    pub until: Option<MailId>,
}

/// What one look came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub stories: Vec<(MailId, Trace)>,
    /// There may be more: arrivals before this one were not looked at.
    pub more: Option<MailId>,
}

/// Newest first, at most `limit` stories, looking at no more than `looks` arrivals before `before`.
pub(crate) fn look(
    read: &impl Read,
    wanted: &Wanted,
    before: Option<MailId>,
    (limit, looks): (usize, usize),
) -> Result<Found> {
    let text = wanted.text.to_lowercase();
    let people: Vec<String> = wanted.people.iter().map(|it| plain(it)).collect();
    let mut found = Found::default();
    let end = [before, wanted.until].into_iter().flatten().min();
    let mut end = end.map_or(vec![tag::BODY + 1], key::of_mail);
    let from = wanted.since.map_or(vec![tag::BODY], key::of_mail);
    for _ in 0..looks {
        if end <= from {
            return Ok(found);
        }
        let Some(newest) = read.last_key(&from, &end)? else { return Ok(found) };
        let id = MailId(key::u64_at(&newest, 1)?);
        if found.stories.len() == limit {
            found.more = Some(MailId(id.0.saturating_add(1)));
            return Ok(found);
        }
        if let Some(trace) = get(read, id)?
            && tells_of(id, &trace, &text)
            && (people.is_empty() || is_of(&trace, &people))
        {
            found.stories.push((id, trace));
        }
        end = key::of_mail(id);
        found.more = Some(id);
    }
    Ok(found)
}

/// Is one of these the sender or a recipient?
fn is_of(trace: &Trace, people: &[String]) -> bool {
    let is_one = |address: &String| people.contains(&plain(address));
    is_one(&trace.from)
        || trace.to.iter().any(is_one)
        || trace.steps.iter().any(|step| is_one(&step.recipient))
}

/// An address in lower case and without its +tag.
fn plain(address: &str) -> String {
    let folded = address.to_lowercase();
    match folded.split_once('+').zip(folded.rsplit_once('@')) {
        Some(((local, _), (_, domain))) => format!("{local}@{domain}"),
        None => folded,
    }
}

/// Stories of arrivals after this one, the oldest first; `most` arrivals are looked at. Of an
/// arrival without a story only the number is told.
pub(crate) fn following(
    read: &impl Read,
    after: MailId,
    most: usize,
) -> Result<Vec<(MailId, Option<Trace>)>> {
    let mut found = Vec::new();
    let mut from = key::of_mail(MailId(after.0.saturating_add(1)));
    while found.len() < most {
        let mut next = None;
        read.keys(&from, &[tag::BODY + 1], &mut |key| {
            next = Some(MailId(key::u64_at(key, 1)?));
            Ok(false)
        })?;
        let Some(id) = next else { break };
        found.push((id, get(read, id)?));
        from = key::of_mail(MailId(id.0.saturating_add(1)));
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
