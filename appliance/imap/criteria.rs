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
//!
//! However many keys there are, a message's header and texts are decoded once: all texts of a
//! command ([`Texts`]) are looked for together, part by part.

use super::content::{self, Coding};
use super::reply::Reply;
use super::selected::Selected;
use super::{email_id, section, thread_id};
use crate::limits;
use crate::message::facts::{EnvelopeAddress, Enveloped, Facts, OfFacts, Part, Sent, Titled};
use crate::message::{headers, text};
use crate::store::format::{MailRow, MailboxName};
use crate::store::mail::Flags;
use crate::store::{Result, Snapshot, mail};
use crate::wire::imap::SearchKey;
use crate::wire::imap::sequence::Ranges;
use memchr::memmem::Finder;
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
    /// By their number in [`Texts`].
    Body(usize),
    Text(usize),
}

/// The texts of BODY and TEXT keys, folded, each once.
#[derive(Default)]
pub(super) struct Texts {
    folded: Vec<String>,
    finders: Vec<Finder<'static>>,
}

impl Texts {
    fn number(&mut self, text: &str) -> std::result::Result<usize, Reply> {
        let folded = fold(text);
        if let Some(at) = self.folded.iter().position(|known| *known == folded) {
            return Ok(at);
        }
        if self.folded.len() >= limits::SEARCH_TEXTS {
            let most = limits::SEARCH_TEXTS;
            let text = format!("At most {most} different texts are looked for at once");
            return Err(Reply::no(text).code("LIMIT"));
        }
        self.finders.push(Finder::new(folded.as_bytes()).into_owned());
        self.folded.push(folded);
        Ok(self.folded.len() - 1)
    }

    /// Notes which of those not found yet are in this text; is there one left?
    fn look(&self, text: &str, found: &mut [bool]) -> bool {
        for (finder, found) in self.finders.iter().zip(found.iter_mut()) {
            *found = *found || finder.find(text.as_bytes()).is_some();
        }
        found.iter().any(|found| !found)
    }
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

/// The test of a key, and the texts it looks for.
pub(super) fn test(
    key: &SearchKey,
    selected: &Selected,
    now: i64,
) -> std::result::Result<(Test, Texts), Reply> {
    let mut texts = Texts::default();
    Ok((one_test(key, selected, now, &mut texts)?, texts))
}

fn one_test(
    key: &SearchKey,
    selected: &Selected,
    now: i64,
    texts: &mut Texts,
) -> std::result::Result<Test, Reply> {
    let mut inner = |key: &SearchKey| one_test(key, selected, now, texts);
    let set = |set, uid| {
        selected.resolve(set, uid).map(Test::Uids).map_err(|why| Reply::bad(why).code("CLIENTBUG"))
    };
    let day = |which, compare, day: &i64| Test::Day(which, compare, *day);
    let ago = |seconds: &u64| now.saturating_sub(i64::try_from(*seconds).unwrap_or(i64::MAX));
    Ok(match key {
        SearchKey::All | SearchKey::Old | SearchKey::SaveDateSupported => Test::Always(true),
        // RFC 3501 2.3.2: no message is ever \Recent here
        SearchKey::Recent | SearchKey::New => Test::Always(false),
        SearchKey::And(keys) => {
            let tests: std::result::Result<Vec<Test>, Reply> = keys.iter().map(inner).collect();
            let mut tests = tests?;
            tests.sort_by_key(Test::cost);
            Test::And(tests)
        }
        SearchKey::Or(a, b) => {
            let (a, b) = (inner(a)?, inner(b)?);
            let (a, b) = if b.cost() < a.cost() { (b, a) } else { (a, b) };
            Test::Or(Box::new(a), Box::new(b))
        }
        SearchKey::Not(key) => Test::Not(Box::new(inner(key)?)),
        SearchKey::Sequence(numbers) => set(numbers, false)?,
        SearchKey::Uid(uids) => set(uids, true)?,
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
        SearchKey::Body(text) => Test::Body(texts.number(text)?),
        SearchKey::Text(text) => Test::Text(texts.number(text)?),
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
                if place_in_envelope(name).is_some() {
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
            Test::Body(text) => mail.body_has(*text)?,
            Test::Text(text) => mail.head_has(*text)? || mail.body_has(*text)?,
        })
    }
}

/// A message under test; what it costs to know is read when it is asked for, and once.
pub(super) struct Candidate<'a> {
    snapshot: &'a Snapshot,
    name: &'a MailboxName,
    texts: &'a Texts,
    uid: u32,
    row: MailRow,
    facts: OnceCell<Facts>,
    sent: OnceCell<Sent>,
    /// By place in [`ENVELOPE`].
    envelope: [OnceCell<String>; ENVELOPE.len()],
    header: OnceCell<Vec<u8>>,
    /// Name and value of the fields of the header, for a person and in small letters.
    fields: OnceCell<Vec<(String, String)>>,
    /// Which texts the header has, and which the body.
    in_head: OnceCell<Vec<bool>>,
    in_body: OnceCell<Vec<bool>>,
    /// Octets read so far, of all candidates of a piece.
    read: &'a Cell<u64>,
}

impl<'a> Candidate<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        name: &'a MailboxName,
        texts: &'a Texts,
        (uid, row): (u32, MailRow),
        read: &'a Cell<u64>,
    ) -> Candidate<'a> {
        Candidate {
            snapshot,
            name,
            texts,
            uid,
            row,
            facts: OnceCell::new(),
            sent: OnceCell::new(),
            envelope: Default::default(),
            header: OnceCell::new(),
            fields: OnceCell::new(),
            in_head: OnceCell::new(),
            in_body: OnceCell::new(),
            read,
        }
    }

    pub(super) fn modseq(&self) -> u64 {
        self.row.modseq
    }

    fn spent(&self, octets: usize) {
        self.read.set(self.read.get() + octets as u64);
    }

    /// The facts or a part of them.
    fn some_facts<F: OfFacts>(&self) -> Result<F> {
        self.spent(limits::SEARCH_FACTS_COST_BYTES);
        mail::facts(self.snapshot, &self.row)
    }

    fn facts(&self) -> Result<&Facts> {
        once(&self.facts, || self.some_facts())
    }

    /// The header of the message, prefix included.
    fn header(&self) -> Result<&[u8]> {
        let read = || {
            let size = self.facts()?.structure.as_ref().map_or(0, |s| s.header_at + s.header_size);
            let to = (self.row.prefix.len() as u64 + size).min(limits::IMAP_HEADER_BYTES);
            let header = mail::octets(self.snapshot, &self.row, 0, to)?;
            self.spent(header.len() + limits::BODY_BLOCK_BYTES);
            Ok(header)
        };
        once(&self.header, read).map(Vec::as_slice)
    }

    fn fields(&self) -> Result<&[(String, String)]> {
        once(&self.fields, || Ok(decoded_fields(self.header()?))).map(Vec::as_slice)
    }

    /// Days since 1970; RFC 9051 6.4.4: without time and zone.
    fn day(&self, which: Which) -> Result<Option<i64>> {
        let seconds = match which {
            Which::Internal => {
                Some(self.row.internal_date + i64::from(self.row.internal_zone_minutes) * 60)
            }
            Which::Saved => Some(self.row.save_date),
            Which::Sent => {
                let facts = once(&self.sent, || self.some_facts::<Sent>())?;
                facts.sent.map(|sent| sent + i64::from(facts.sent_zone_minutes) * 60)
            }
        };
        Ok(seconds.map(|s| s.div_euclid(DAY)))
    }

    fn header_has(&self, name: &str, wanted: &str) -> Result<bool> {
        if let Some(at) = place_in_envelope(name).filter(|_| !wanted.is_empty())
            && let Some(cell) = self.envelope.get(at)
        {
            return Ok(once(cell, || self.envelope_text(name))?.contains(wanted));
        }
        let of_name = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        let mut of_name = self.fields()?.iter().filter(of_name);
        Ok(of_name.any(|(_, value)| value.contains(wanted)))
    }

    /// A field of the envelope for a person, in small letters.
    fn envelope_text(&self, name: &str) -> Result<String> {
        let octets =
            |value: &Option<Vec<u8>>| headers::decode(value.as_deref().unwrap_or_default());
        let people =
            |list: &[EnvelopeAddress]| list.iter().map(person).collect::<Vec<_>>().join(", ");
        let name = name.to_ascii_lowercase();
        if matches!(name.as_str(), "from" | "subject") {
            let title = self.some_facts::<Titled>()?.envelope.unwrap_or_default();
            let text = if name == "from" { people(&title.from) } else { octets(&title.subject) };
            return Ok(fold(&text));
        }
        let envelope = self.some_facts::<Enveloped>()?.envelope.unwrap_or_default();
        Ok(fold(&match name.as_str() {
            "to" => people(&envelope.to),
            "cc" => people(&envelope.cc),
            "bcc" => people(&envelope.bcc),
            "message-id" => octets(&envelope.message_id),
            _ => octets(&envelope.in_reply_to),
        }))
    }

    fn head_has(&self, text: usize) -> Result<bool> {
        let look = || {
            let mut found = self.nothing_found();
            self.texts.look(&header_text(self.fields()?), &mut found);
            Ok(found)
        };
        Ok(once(&self.in_head, look)?.get(text) == Some(&true))
    }

    fn body_has(&self, text: usize) -> Result<bool> {
        let look = || {
            let mut found = self.nothing_found();
            if let Some(root) = &self.facts()?.structure {
                self.look_in(root, &mut found)?;
            }
            Ok(found)
        };
        Ok(once(&self.in_body, look)?.get(text) == Some(&true))
    }

    /// An empty text is everywhere.
    fn nothing_found(&self) -> Vec<bool> {
        self.texts.folded.iter().map(String::is_empty).collect()
    }

    /// Looks for all texts in a part; is one still to be found?
    fn look_in(&self, part: &Part, found: &mut [bool]) -> Result<bool> {
        let prefix = self.row.prefix.len() as u64;
        if part.is_message() {
            for inner in &part.parts {
                let at = inner.header_at + prefix;
                let to = at + inner.header_size.min(limits::IMAP_HEADER_BYTES);
                let header = mail::octets(self.snapshot, &self.row, at, to)?;
                self.spent(header.len() + limits::BODY_BLOCK_BYTES);
                if !self.texts.look(&header_text(&decoded_fields(&header)), found) {
                    return Ok(false);
                }
            }
        }
        for inner in &part.parts {
            if !self.look_in(inner, found)? {
                return Ok(false);
            }
        }
        if !part.parts.is_empty() || !part.kind.eq_ignore_ascii_case(b"text") {
            return Ok(true);
        }
        let span = section::body(part, prefix);
        let coding = Coding::of(&part.encoding).unwrap_or(Coding::Identity);
        let most = limits::SEARCH_PART_BYTES;
        let octets = content::decoded(self.snapshot, &self.row, coding, span.at, span.to, most)?;
        self.spent(octets.len() + limits::BODY_BLOCK_BYTES);
        let charset = part.params.iter().find(|p| p.name.eq_ignore_ascii_case(b"charset"));
        let text = text::to_utf8(&octets, charset.map(|p| p.value.as_slice()));
        Ok(self.texts.look(&fold(&text), found))
    }
}

/// What the cell holds, made if it holds nothing yet.
fn once<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    match cell.get() {
        Some(made) => Ok(made),
        None => {
            let made = make()?;
            Ok(cell.get_or_init(|| made))
        }
    }
}

fn decoded_fields(header: &[u8]) -> Vec<(String, String)> {
    let decoded = |field: headers::Field<'_>| {
        let name = fold(&String::from_utf8_lossy(field.name));
        (name, fold(&headers::decode(field.value)))
    };
    headers::fields(header).map(decoded).collect()
}

/// "name: value" of every field.
fn header_text(fields: &[(String, String)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push('\n');
    }
    text
}

/// Fields that need no look at the header. Sender and Reply-To stand in an envelope even if they
/// are not in the header.
const ENVELOPE: [&str; 7] = ["from", "to", "cc", "bcc", "subject", "message-id", "in-reply-to"];

fn place_in_envelope(name: &str) -> Option<usize> {
    ENVELOPE.iter().position(|known| known.eq_ignore_ascii_case(name))
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
