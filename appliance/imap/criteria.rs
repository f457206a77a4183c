//! Does a message meet a SEARCH key? (RFC 9051 6.4.4)
//!
//! A key becomes a [`Test`] once: sets resolved, texts folded, cheap tests before dear ones.
//!
//! ```text
//! cost 0  the row      flags, dates, sizes, sets
//! cost 1  its Facts    envelope fields, sent date
//! cost 2  its header   other fields
//! cost 3  its body     texts of the parts, decoded
//! ```

use super::content::{self, Coding};
use super::selected::Selected;
use super::{email_id, section, thread_id};
use crate::limits;
use crate::message::facts::{Envelope, EnvelopeAddress, Facts, Part};
use crate::message::{headers, text};
use crate::store::format::{MailRow, MailboxName};
use crate::store::mail::Flags;
use crate::store::{Result, Snapshot, mail};
use crate::wire::imap::SearchKey;
use crate::wire::imap::sequence::Ranges;
use std::cell::{Cell, OnceCell};

/// A day in seconds.
const DAY: i64 = 86_400;

pub(super) enum Test {
    Always(bool),
    And(Vec<Test>),
    Or(Box<Test>, Box<Test>),
    Not(Box<Test>),
    Uids(Ranges),
    Flag(Flags),
    Keyword(String),
    /// The day of the internal date in its own zone, and how it compares.
    Day(Which, Compare, i64),
    Larger(u64),
    Smaller(u64),
    /// Internal date not before, not after; seconds since 1970.
    NotBefore(i64),
    NotAfter(i64),
    ModSeq(u64),
    EmailId(String),
    ThreadId(String),
    Header(String, String),
    Body(String),
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Internal,
    Sent,
    Saved,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Before,
    On,
    Since,
}

/// The test of a key; the error is the text of BAD.
pub(super) fn test(
    key: &SearchKey,
    selected: &Selected,
    now: i64,
) -> std::result::Result<Test, String> {
    let inner = |key: &SearchKey| test(key, selected, now);
    let day = |which, compare, day: &i64| Test::Day(which, compare, *day);
    let ago = |seconds: &u64| now.saturating_sub(i64::try_from(*seconds).unwrap_or(i64::MAX));
    Ok(match key {
        SearchKey::All | SearchKey::Old | SearchKey::SaveDateSupported => Test::Always(true),
        // RFC 3501 2.3.2: no message is ever \Recent here
        SearchKey::Recent | SearchKey::New => Test::Always(false),
        SearchKey::And(keys) => {
            let mut tests = keys.iter().map(inner).collect::<std::result::Result<Vec<_>, _>>()?;
            tests.sort_by_key(Test::cost);
            Test::And(tests)
        }
        SearchKey::Or(a, b) => {
            let (a, b) = (inner(a)?, inner(b)?);
            let (a, b) = if b.cost() < a.cost() { (b, a) } else { (a, b) };
            Test::Or(Box::new(a), Box::new(b))
        }
        SearchKey::Not(key) => Test::Not(Box::new(inner(key)?)),
        SearchKey::Sequence(set) => Test::Uids(selected.resolve(set, false)?),
        SearchKey::Uid(set) => Test::Uids(selected.resolve(set, true)?),
        SearchKey::Flag(name) => {
            let known = Flags::NAMES.iter().find(|(_, n)| n.eq_ignore_ascii_case(name));
            known.map_or(Test::Always(false), |(flag, _)| Test::Flag(*flag))
        }
        SearchKey::Keyword(name) => Test::Keyword(name.clone()),
        SearchKey::Before(d) => day(Which::Internal, Compare::Before, d),
        SearchKey::On(d) => day(Which::Internal, Compare::On, d),
        SearchKey::Since(d) => day(Which::Internal, Compare::Since, d),
        SearchKey::SentBefore(d) => day(Which::Sent, Compare::Before, d),
        SearchKey::SentOn(d) => day(Which::Sent, Compare::On, d),
        SearchKey::SentSince(d) => day(Which::Sent, Compare::Since, d),
        SearchKey::SavedBefore(d) => day(Which::Saved, Compare::Before, d),
        SearchKey::SavedOn(d) => day(Which::Saved, Compare::On, d),
        SearchKey::SavedSince(d) => day(Which::Saved, Compare::Since, d),
        SearchKey::Larger(size) => Test::Larger(*size),
        SearchKey::Smaller(size) => Test::Smaller(*size),
        // RFC 5032 3: not younger than, not older than
        SearchKey::Older(seconds) => Test::NotAfter(ago(seconds)),
        SearchKey::Younger(seconds) => Test::NotBefore(ago(seconds)),
        SearchKey::Header(name, text) => Test::Header(name.clone(), fold(text)),
        SearchKey::Body(text) => Test::Body(fold(text)),
        SearchKey::Text(text) => Test::Text(fold(text)),
        SearchKey::ModSeq(modseq) => Test::ModSeq(*modseq),
        SearchKey::EmailId(id) => Test::EmailId(id.clone()),
        SearchKey::ThreadId(id) => Test::ThreadId(id.clone()),
    })
}

/// Does the key ask for modseqs?
pub(super) fn names_modseq(key: &SearchKey) -> bool {
    match key {
        SearchKey::ModSeq(_) => true,
        SearchKey::And(keys) => keys.iter().any(names_modseq),
        SearchKey::Or(a, b) => names_modseq(a) || names_modseq(b),
        SearchKey::Not(key) => names_modseq(key),
        _ => false,
    }
}

fn fold(text: &str) -> String {
    text.to_lowercase()
}

impl Test {
    fn cost(&self) -> u8 {
        match self {
            Test::Body(_) | Test::Text(_) => 3,
            Test::Header(name, _) => {
                if is_in_envelope(name) {
                    1
                } else {
                    2
                }
            }
            Test::Day(Which::Sent, ..) => 1,
            Test::And(tests) => tests.iter().map(Test::cost).max().unwrap_or(0),
            Test::Or(a, b) => a.cost().max(b.cost()),
            Test::Not(test) => test.cost(),
            _ => 0,
        }
    }

    /// Uids outside of these cannot meet the test.
    pub(super) fn only(&self) -> Option<&Ranges> {
        match self {
            Test::Uids(ranges) => Some(ranges),
            Test::And(tests) => tests.iter().filter_map(Test::only).min_by_key(|r| r.count()),
            _ => None,
        }
    }

    pub(super) fn meets(&self, mail: &Candidate<'_>) -> Result<bool> {
        let row = &mail.row;
        Ok(match self {
            Test::Always(answer) => *answer,
            Test::And(tests) => {
                for test in tests {
                    if !test.meets(mail)? {
                        return Ok(false);
                    }
                }
                true
            }
            Test::Or(a, b) => a.meets(mail)? || b.meets(mail)?,
            Test::Not(test) => !test.meets(mail)?,
            Test::Uids(ranges) => ranges.contains(mail.uid),
            Test::Flag(flag) => Flags(row.flags).has(*flag),
            Test::Keyword(keyword) => row.keywords.iter().any(|number| {
                let known = mail.name.keywords.get(usize::from(*number));
                known.is_some_and(|k| k.eq_ignore_ascii_case(keyword))
            }),
            Test::Day(which, compare, day) => mail.day(*which)?.is_some_and(|is| match compare {
                Compare::Before => is < *day,
                Compare::On => is == *day,
                Compare::Since => is >= *day,
            }),
            Test::Larger(size) => row.size > *size,
            Test::Smaller(size) => row.size < *size,
            Test::NotBefore(time) => row.internal_date >= *time,
            Test::NotAfter(time) => row.internal_date <= *time,
            // RFC 7162 3.1.5: equal or above
            Test::ModSeq(modseq) => row.modseq >= *modseq,
            Test::EmailId(id) => *id == email_id(row),
            Test::ThreadId(id) => *id == thread_id(row),
            Test::Header(name, text) => mail.header_has(name, text)?,
            Test::Body(text) => mail.body_has(text)?,
            Test::Text(text) => {
                mail.header_text()?.contains(text.as_str()) || mail.body_has(text)?
            }
        })
    }
}

/// A message under test; what it costs to know is read when it is asked for, and once.
pub(super) struct Candidate<'a> {
    snapshot: &'a Snapshot,
    name: &'a MailboxName,
    uid: u32,
    row: MailRow,
    facts: OnceCell<Facts>,
    header: OnceCell<Vec<u8>>,
    /// Octets read so far, of all candidates of a piece.
    read: &'a Cell<u64>,
}

impl<'a> Candidate<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        name: &'a MailboxName,
        uid: u32,
        row: MailRow,
        read: &'a Cell<u64>,
    ) -> Candidate<'a> {
        let (facts, header) = (OnceCell::new(), OnceCell::new());
        Candidate { snapshot, name, uid, row, facts, header, read }
    }

    pub(super) fn modseq(&self) -> u64 {
        self.row.modseq
    }

    fn spent(&self, octets: usize) {
        self.read.set(self.read.get() + octets as u64);
    }

    fn facts(&self) -> Result<&Facts> {
        if let Some(facts) = self.facts.get() {
            return Ok(facts);
        }
        self.spent(limits::SEARCH_FACTS_COST_BYTES);
        let facts = mail::head(self.snapshot, &self.row)?.facts.unwrap_or_default();
        Ok(self.facts.get_or_init(|| facts))
    }

    /// The header of the message, prefix included.
    fn header(&self) -> Result<&[u8]> {
        if let Some(header) = self.header.get() {
            return Ok(header);
        }
        let size = self.facts()?.structure.as_ref().map_or(0, |s| s.header_at + s.header_size);
        let to = (self.row.prefix.len() as u64 + size).min(limits::IMAP_HEADER_BYTES);
        let header = mail::octets(self.snapshot, &self.row, 0, to)?;
        self.spent(header.len() + limits::BODY_BLOCK_BYTES);
        Ok(self.header.get_or_init(|| header))
    }

    /// Days since 1970; RFC 9051 6.4.4: without time and zone.
    fn day(&self, which: Which) -> Result<Option<i64>> {
        let seconds = match which {
            Which::Internal => {
                Some(self.row.internal_date + i64::from(self.row.internal_zone_minutes) * 60)
            }
            Which::Saved => Some(self.row.save_date),
            Which::Sent => {
                let facts = self.facts()?;
                facts.sent.map(|sent| sent + i64::from(facts.sent_zone_minutes) * 60)
            }
        };
        Ok(seconds.map(|s| s.div_euclid(DAY)))
    }

    fn header_has(&self, name: &str, wanted: &str) -> Result<bool> {
        if is_in_envelope(name) && !wanted.is_empty() {
            let facts = self.facts()?;
            let none = Envelope::default();
            let envelope = facts.envelope.as_ref().unwrap_or(&none);
            return Ok(envelope_text(envelope, name).contains(wanted));
        }
        let of_name = headers::fields(self.header()?).filter(|field| field.is(name));
        Ok(of_name.into_iter().any(|field| fold(&headers::decode(field.value)).contains(wanted)))
    }

    fn header_text(&self) -> Result<String> {
        Ok(header_text(self.header()?))
    }

    fn body_has(&self, wanted: &str) -> Result<bool> {
        if wanted.is_empty() {
            return Ok(true);
        }
        match &self.facts()?.structure {
            Some(root) => self.part_has(root, wanted),
            None => Ok(false),
        }
    }

    fn part_has(&self, part: &Part, wanted: &str) -> Result<bool> {
        let prefix = self.row.prefix.len() as u64;
        if part.is_message() {
            for inner in &part.parts {
                let at = inner.header_at + prefix;
                let to = at + inner.header_size.min(limits::IMAP_HEADER_BYTES);
                let header = mail::octets(self.snapshot, &self.row, at, to)?;
                self.spent(header.len() + limits::BODY_BLOCK_BYTES);
                if header_text(&header).contains(wanted) {
                    return Ok(true);
                }
            }
        }
        for inner in &part.parts {
            if self.part_has(inner, wanted)? {
                return Ok(true);
            }
        }
        if !part.parts.is_empty() || !part.kind.eq_ignore_ascii_case(b"text") {
            return Ok(false);
        }
        let span = section::body(part, prefix);
        let coding = Coding::of(&part.encoding).unwrap_or(Coding::Identity);
        let most = limits::SEARCH_PART_BYTES;
        let octets = content::decoded(self.snapshot, &self.row, coding, span.at, span.to, most)?;
        self.spent(octets.len() + limits::BODY_BLOCK_BYTES);
        let charset = part.params.iter().find(|p| p.name.eq_ignore_ascii_case(b"charset"));
        let text = text::to_utf8(&octets, charset.map(|p| p.value.as_slice()));
        Ok(fold(&text).contains(wanted))
    }
}

/// "name: value" of every field, for a person and in small letters.
fn header_text(header: &[u8]) -> String {
    let mut text = String::new();
    for field in headers::fields(header) {
        text.push_str(&fold(&String::from_utf8_lossy(field.name)));
        text.push_str(": ");
        text.push_str(&fold(&headers::decode(field.value)));
        text.push('\n');
    }
    text
}

/// Fields that need no look at the header. Sender and Reply-To stand in an envelope even if they
/// are not in the header.
fn is_in_envelope(name: &str) -> bool {
    ["from", "to", "cc", "bcc", "subject", "message-id", "in-reply-to"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

/// A field of the envelope for a person, in small letters.
fn envelope_text(envelope: &Envelope, name: &str) -> String {
    let octets = |value: &Option<Vec<u8>>| headers::decode(value.as_deref().unwrap_or_default());
    let people = |list: &[EnvelopeAddress]| list.iter().map(person).collect::<Vec<_>>().join(", ");
    let text = match name.to_ascii_lowercase().as_str() {
        "from" => people(&envelope.from),
        "to" => people(&envelope.to),
        "cc" => people(&envelope.cc),
        "bcc" => people(&envelope.bcc),
        "subject" => octets(&envelope.subject),
        "message-id" => octets(&envelope.message_id),
        _ => octets(&envelope.in_reply_to),
    };
    fold(&text)
}

fn person(address: &EnvelopeAddress) -> String {
    let octets = |value: &Option<Vec<u8>>| headers::decode(value.as_deref().unwrap_or_default());
    let (name, mailbox, host) =
        (octets(&address.name), octets(&address.mailbox), octets(&address.host));
    match (name.is_empty(), host.is_empty()) {
        (_, true) => format!("{name}{mailbox}"),
        (true, false) => format!("<{mailbox}@{host}>"),
        (false, false) => format!("{name} <{mailbox}@{host}>"),
    }
}
