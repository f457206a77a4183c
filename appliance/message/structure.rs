//! From octets to [`Facts`]: one pass over the lines, never fails.
//!
//! ```text
//! entity    = header empty-line body                             RFC 2045 2.4
//! multipart = [preamble] 1*( "--" boundary LF entity ) [ "--" boundary "--" [epilogue] ]
//! ```
//!
//! A delimiter line ends every part inside of its own multipart, whether or not those were closed
//! (RFC 2046 5.1.2); the line end in front of it belongs to it, not to the part. A line is a
//! delimiter when nothing but white space follows the boundary. CRLF and bare LF both end lines.
//!
//! What holds for every result: a part that [`Part::is_multipart`] has at least one child, one that
//! [`Part::is_message`] has exactly one and an envelope. A multipart without boundary or parts, and
//! all that is nested or counted beyond the limits, is text/plain. Texts are cut so that the facts
//! of any message stay within [`FACTS_BYTES`], plus a fixed cost for each part.

use super::facts::{Envelope, EnvelopeAddress, Facts, Param, Part};
use super::{date, people, text, value};
use crate::limits::{FACT_BYTES, FACTS_BYTES, MIME_DEPTH, MIME_PARTS, REFERENCES};

/// Reads a message.
pub(crate) fn read(raw: &[u8]) -> Facts {
    let mut walk =
        Walk { raw, at: 0, lines: 0, boundaries: Vec::new(), parts: 0, room: FACTS_BYTES };
    let (structure, header, _) = walk.entity(0, false);
    let envelope = walk.envelope(&header);
    let sent = header.get(Name::Date).and_then(date::read);
    Facts {
        references: walk.references(&header),
        envelope: Some(envelope),
        structure: Some(structure),
        sent: sent.map(|m| m.seconds),
        sent_zone_minutes: sent.map_or(0, |m| m.zone_minutes),
    }
}

/// The part with these numbers. RFC 9051 6.4.5.1: a message that is no multipart has a part 1, its
/// body; the numbers behind a message/rfc822 part count in the message inside. Nothing for `[]`.
pub(crate) fn find<'a>(facts: &'a Facts, numbers: &[u32]) -> Option<&'a Part> {
    let (first, rest) = numbers.split_first()?;
    let mut part = child(facts.structure.as_ref()?, *first)?;
    for &number in rest {
        part = match part.parts.first() {
            Some(_) if part.is_multipart() => nth(part, number)?,
            Some(inner) if part.is_message() => child(inner, number)?,
            _ => return None,
        };
    }
    Some(part)
}

fn child(message: &Part, number: u32) -> Option<&Part> {
    match (message.is_multipart(), number) {
        (true, _) => nth(message, number),
        (false, 1) => Some(message),
        (false, _) => None,
    }
}

fn nth(multipart: &Part, number: u32) -> Option<&Part> {
    multipart.parts.get(usize::try_from(number.checked_sub(1)?).ok()?)
}

/// The octets of a part's body within the whole body.
#[cfg(test)]
pub(crate) fn body_of<'a>(raw: &'a [u8], part: &Part) -> &'a [u8] {
    slice(raw, part.body_at, part.body_size)
}

/// The octets of a part's header, with its empty line.
#[cfg(test)]
pub(crate) fn header_of<'a>(raw: &'a [u8], part: &Part) -> &'a [u8] {
    slice(raw, part.header_at, part.header_size)
}

#[cfg(test)]
fn slice(raw: &[u8], at: u64, size: u64) -> &[u8] {
    let place = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(raw.len());
    raw.get(place(at)..place(at.saturating_add(size))).unwrap_or_default()
}

/// The fields that are looked at. The first of a name counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Date,
    Subject,
    From,
    Sender,
    ReplyTo,
    To,
    Cc,
    Bcc,
    InReplyTo,
    MessageId,
    References,
    ContentType,
    ContentId,
    ContentDescription,
    ContentTransferEncoding,
    ContentMd5,
    ContentDisposition,
    ContentLanguage,
    ContentLocation,
}

const NAMES: [(&str, Name); 19] = [
    ("date", Name::Date),
    ("subject", Name::Subject),
    ("from", Name::From),
    ("sender", Name::Sender),
    ("reply-to", Name::ReplyTo),
    ("to", Name::To),
    ("cc", Name::Cc),
    ("bcc", Name::Bcc),
    ("in-reply-to", Name::InReplyTo),
    ("message-id", Name::MessageId),
    ("references", Name::References),
    ("content-type", Name::ContentType),
    ("content-id", Name::ContentId),
    ("content-description", Name::ContentDescription),
    ("content-transfer-encoding", Name::ContentTransferEncoding),
    ("content-md5", Name::ContentMd5),
    ("content-disposition", Name::ContentDisposition),
    ("content-language", Name::ContentLanguage),
    ("content-location", Name::ContentLocation),
];

/// Values of the known fields, as they stand.
#[derive(Default)]
struct Header<'a> {
    values: [Option<&'a [u8]>; NAMES.len()],
}

impl<'a> Header<'a> {
    fn get(&self, name: Name) -> Option<&'a [u8]> {
        self.values.get(name as usize).copied().flatten()
    }

    /// Takes a field up, `whole` from its name to before its last line end.
    fn field(&mut self, whole: &'a [u8]) {
        let Some(colon) = whole.iter().position(|&b| b == b':') else { return };
        let name = whole.get(..colon).unwrap_or_default().trim_ascii_end();
        let known = NAMES.iter().find(|(n, _)| name.eq_ignore_ascii_case(n.as_bytes()));
        let slot = known.and_then(|&(_, name)| self.values.get_mut(name as usize));
        if let Some(slot @ None) = slot {
            let value = whole.get(colon + 1..).unwrap_or_default();
            *slot = value.get(..value.len().min(FACTS_BYTES));
        }
    }
}

/// Where a part's content ended.
#[derive(Debug, Clone, Copy)]
struct Stop {
    /// Before the line end that belongs to the delimiter.
    end: usize,
    /// Line ends before `end`.
    lines: u64,
    /// The delimiter's boundary as its place in the stack and whether it closes; `None` at the end
    /// of the message.
    delimiter: Option<(usize, bool)>,
}

struct Walk<'a> {
    raw: &'a [u8],
    at: usize,
    /// Line ends before `at`.
    lines: u64,
    /// Boundaries of the multiparts around this place, outermost first.
    boundaries: Vec<Vec<u8>>,
    parts: usize,
    /// Octets of text that may still be kept.
    room: usize,
}

impl<'a> Walk<'a> {
    /// One header and body, up to a delimiter of any multipart around it.
    fn entity(&mut self, depth: usize, in_digest: bool) -> (Part, Header<'a>, Stop) {
        self.parts += 1;
        let header_at = self.at;
        let (header, stop) = self.header();
        let mut part = self.describe(&header, in_digest);
        part.header_at = header_at as u64;
        let (body_at, before) = match stop {
            Some(stop) => (stop.end.max(header_at), stop.lines),
            None => (self.at, self.lines),
        };
        part.header_size = (body_at - header_at) as u64;
        part.body_at = body_at as u64;
        let stop = match stop {
            Some(stop) => {
                self.childless(&mut part);
                stop
            }
            None => self.body(&mut part, depth),
        };
        let end = stop.end.max(body_at);
        part.body_size = (end - body_at) as u64;
        part.body_lines = stop.lines.saturating_sub(before);
        (part, header, stop)
    }

    fn body(&mut self, part: &mut Part, depth: usize) -> Stop {
        let may_nest = depth + 1 < MIME_DEPTH && self.parts < MIME_PARTS;
        if part.is_multipart() {
            let boundary = part.params.iter().find(|p| p.name.eq_ignore_ascii_case(b"boundary"));
            let boundary = boundary.map(|p| p.value.trim_ascii_end().to_vec());
            if let Some(boundary) = boundary.filter(|b| may_nest && !b.is_empty()) {
                return self.multipart(part, boundary, depth);
            }
        } else if part.is_message() && may_nest {
            let (inner, header, stop) = self.entity(depth + 1, false);
            part.envelope = Some(self.envelope(&header));
            part.parts.push(inner);
            return stop;
        }
        self.childless(part);
        self.content()
    }

    fn multipart(&mut self, part: &mut Part, boundary: Vec<u8>, depth: usize) -> Stop {
        let level = self.boundaries.len();
        let in_digest = part.subkind.eq_ignore_ascii_case(b"digest");
        self.boundaries.push(boundary);
        let mut stop = self.content();
        while stop.delimiter == Some((level, false)) {
            let (child, _, next) = self.entity(depth + 1, in_digest);
            part.parts.push(child);
            stop = next;
        }
        self.boundaries.truncate(level);
        if stop.delimiter == Some((level, true)) {
            // The epilogue.
            stop = self.content();
        }
        self.childless(part);
        stop
    }

    /// What claims to hold parts and holds none is text.
    fn childless(&self, part: &mut Part) {
        if part.parts.is_empty() && (part.is_multipart() || part.is_message()) {
            (part.kind, part.subkind, part.params) = plain();
        }
    }

    /// Goes past lines up to a delimiter or the end.
    fn content(&mut self) -> Stop {
        if self.boundaries.is_empty() {
            let rest = self.raw.get(self.at..).unwrap_or_default();
            self.lines += rest.iter().filter(|&&b| b == b'\n').count() as u64;
            self.at = self.raw.len();
        }
        loop {
            let Some(line) = self.line() else {
                return Stop { end: self.raw.len(), lines: self.lines, delimiter: None };
            };
            if let Some(stop) = self.delimiter(line) {
                return stop;
            }
        }
    }

    /// Reads fields up to the empty line; a delimiter may cut the header off.
    fn header(&mut self) -> (Header<'a>, Option<Stop>) {
        let mut header = Header::default();
        let (mut from, mut to) = (self.at, self.at);
        let stop = loop {
            let start = self.at;
            let Some(line) = self.line() else { break None };
            if let Some(stop) = self.delimiter(line) {
                break Some(stop);
            }
            let content = text::without_line_end(line);
            if !matches!(line.first(), Some(b' ' | b'\t')) || to == from {
                header.field(self.raw.get(from..to).unwrap_or_default());
                from = start;
            }
            to = start + content.len();
            if content.is_empty() {
                break None;
            }
        };
        header.field(self.raw.get(from..to).unwrap_or_default());
        (header, stop)
    }

    /// The next line with its end.
    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = self.raw.get(self.at..).filter(|r| !r.is_empty())?;
        let lf = rest.iter().position(|&b| b == b'\n');
        let line = rest.get(..lf.map_or(rest.len(), |i| i + 1))?;
        self.at += line.len();
        self.lines += u64::from(lf.is_some());
        Some(line)
    }

    /// Is the line just taken a delimiter, and of which multipart? The innermost counts.
    fn delimiter(&self, line: &[u8]) -> Option<Stop> {
        let text = line.strip_prefix(b"--")?.trim_ascii_end();
        let hit = |(level, boundary): (usize, &Vec<u8>)| match text.strip_prefix(&boundary[..])? {
            b"" => Some((level, false)),
            b"--" => Some((level, true)),
            _ => None,
        };
        let found = self.boundaries.iter().enumerate().rev().find_map(hit)?;
        if !found.1 && self.parts >= MIME_PARTS {
            return None;
        }
        let start = self.at - line.len();
        let before = self.raw.get(..start).unwrap_or_default();
        let end = text::without_line_end(before).len();
        let lines = self.lines - u64::from(line.ends_with(b"\n"));
        Some(Stop { end, lines: lines - u64::from(end < start), delimiter: Some(found) })
    }

    /// What the header says of its part, with the defaults of RFC 2045 5.2 and RFC 2046 5.1.5.
    fn describe(&mut self, header: &Header<'a>, in_digest: bool) -> Part {
        let kind = header.get(Name::ContentType).map(value::unfold);
        let (kind, subkind, params) = match kind.as_deref().and_then(value::content_type) {
            Some((kind, subkind, params)) => (self.keep(kind), self.keep(subkind), params),
            None if in_digest => (b"MESSAGE".to_vec(), b"RFC822".to_vec(), Vec::new()),
            None => plain(),
        };
        let encoding = header.get(Name::ContentTransferEncoding).map(value::unfold);
        let encoding = encoding.map(|e| value::token(&e)).filter(|e| !e.is_empty());
        let disposition = header.get(Name::ContentDisposition).map(value::unfold);
        let disposition = disposition.as_deref().and_then(value::disposition);
        let (disposition, disposition_params) = match disposition {
            Some((kind, params)) => (Some(self.keep(kind)), self.keep_params(params)),
            None => (None, Vec::new()),
        };
        let languages = header.get(Name::ContentLanguage).map(value::unfold);
        let languages = languages.map(|l| value::languages(&l)).unwrap_or_default();
        let location = header.get(Name::ContentLocation).map(value::unfold);
        Part {
            kind,
            subkind,
            params: self.keep_params(params),
            id: self.text(header, Name::ContentId),
            description: self.text(header, Name::ContentDescription),
            encoding: encoding.map_or_else(|| b"7BIT".to_vec(), |e| self.keep(e)),
            md5: self.text(header, Name::ContentMd5),
            disposition,
            disposition_params,
            language: self.keep_all(languages),
            // RFC 2557 4.4: a folded URI has no white space in it.
            location: location
                .map(|l| self.keep(l.split(u8::is_ascii_whitespace).collect::<Vec<_>>().concat())),
            ..Part::default()
        }
    }

    /// RFC 9051 7.5.2: Sender and Reply-To default to From.
    fn envelope(&mut self, header: &Header<'a>) -> Envelope {
        let from = self.addresses(header, Name::From);
        let mut or_from = |name| {
            let list = self.addresses(header, name);
            if list.is_empty() { from.clone() } else { list }
        };
        let (sender, reply_to) = (or_from(Name::Sender), or_from(Name::ReplyTo));
        Envelope {
            date: self.text(header, Name::Date),
            subject: self.text(header, Name::Subject),
            sender,
            reply_to,
            from,
            to: self.addresses(header, Name::To),
            cc: self.addresses(header, Name::Cc),
            bcc: self.addresses(header, Name::Bcc),
            in_reply_to: self.text(header, Name::InReplyTo),
            message_id: self.text(header, Name::MessageId),
        }
    }

    fn addresses(&mut self, header: &Header<'a>, name: Name) -> Vec<EnvelopeAddress> {
        let Some(list) = header.get(name).map(value::unfold) else { return Vec::new() };
        people::list(&list, &mut |octets| self.pay(octets + ITEM_BYTES))
    }

    /// Ids of References, then of In-Reply-To, each once. Of too many the first (the thread's
    /// root) and the last are kept.
    fn references(&mut self, header: &Header<'a>) -> Vec<Vec<u8>> {
        let mut ids: Vec<Vec<u8>> = Vec::new();
        for name in [Name::References, Name::InReplyTo] {
            let Some(list) = header.get(name).map(value::unfold) else { continue };
            for id in message_ids(&list) {
                if ids.iter().any(|known| known == id) {
                    continue;
                }
                if ids.len() >= REFERENCES {
                    ids.remove(1);
                }
                ids.push(id.to_vec());
            }
        }
        self.keep_all(ids)
    }

    fn text(&mut self, header: &Header<'a>, name: Name) -> Option<Vec<u8>> {
        let text = header.get(name).map(value::unfold)?;
        Some(self.keep(text))
    }

    fn keep_all(&mut self, texts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        texts.into_iter().filter(|t| self.pay(t.len() + ITEM_BYTES)).collect()
    }

    fn keep_params(&mut self, params: Vec<Param>) -> Vec<Param> {
        let octets = |p: &Param| p.name.len() + p.value.len() + ITEM_BYTES;
        params.into_iter().filter(|p| self.pay(octets(p))).collect()
    }

    /// Cuts a text to what may be kept.
    fn keep(&mut self, mut text: Vec<u8>) -> Vec<u8> {
        text.truncate(self.room.min(FACT_BYTES));
        self.room -= text.len();
        text
    }

    /// May something of this size be kept? Then it is counted.
    fn pay(&mut self, octets: usize) -> bool {
        let may = octets <= self.room.min(FACT_BYTES);
        self.room -= if may { octets } else { 0 };
        may
    }
}

/// What an item of a list costs beside its octets.
const ITEM_BYTES: usize = 16;

/// RFC 2045 5.2: what has no usable Content-Type.
fn plain() -> (Vec<u8>, Vec<u8>, Vec<Param>) {
    let charset = Param { name: b"CHARSET".to_vec(), value: b"US-ASCII".to_vec() };
    (b"TEXT".to_vec(), b"PLAIN".to_vec(), vec![charset])
}

/// What stands in angle brackets, without white space around it.
fn message_ids(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let after = value.split(|&b| b == b'<').skip(1);
    let ids = after.filter_map(|piece| {
        let end = piece.iter().position(|&b| b == b'>')?;
        piece.get(..end).map(<[u8]>::trim_ascii)
    });
    ids.filter(|id| !id.is_empty())
}
