//! Where a section of a message stands (RFC 9051 6.4.5.1).
//!
//! ```text
//! stored body:            header | body                     Facts offsets
//! as the client sees it:  prefix | header | body            all offsets shifted by the prefix,
//!                         \__HEADER_____/ \TEXT/            which belongs to the top header
//! ```

use crate::message::facts::{Facts, Part};
use crate::message::structure;
use crate::wire::imap::{Section, SectionWhat};

/// Octets of the message as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub at: u64,
    pub to: u64,
}

/// What a section is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Octets(Span),
    /// Fields of the header that stands there; (names, are they the ones to leave out).
    Fields(Span, &'a [Vec<u8>], bool),
}

/// `None`: there is no such section (NIL).
pub(super) fn find<'a>(
    facts: &Facts,
    prefix: u64,
    size: u64,
    section: &'a Section,
) -> Option<Found<'a>> {
    let whole = Part::default();
    let root = facts.structure.as_ref().unwrap_or(&whole);
    let top = section.part.is_empty();
    if top && section.what == SectionWhat::All {
        return Some(Found::Octets(Span { at: 0, to: size }));
    }
    let part = if top { root } else { structure::find(facts, &section.part)? };
    // RFC 9051 6.4.5.1: HEADER and TEXT of a part are those of the message inside
    let message = || match top {
        true => Some(part),
        false if part.is_message() => part.parts.first(),
        false => None,
    };
    let header = |of: &Part| {
        let to = of.header_at + of.header_size + prefix;
        match top {
            true => Span { at: 0, to },
            false => Span { at: of.header_at + prefix, to },
        }
    };
    Some(match &section.what {
        SectionWhat::All => Found::Octets(body(part, prefix)),
        SectionWhat::Text => Found::Octets(body(message()?, prefix)),
        SectionWhat::Header => Found::Octets(header(message()?)),
        SectionWhat::Mime => Found::Octets(header(part)),
        SectionWhat::HeaderFields(names) => Found::Fields(header(message()?), names, false),
        SectionWhat::HeaderFieldsNot(names) => Found::Fields(header(message()?), names, true),
    })
}

/// The content of a part.
pub(super) fn body(part: &Part, prefix: u64) -> Span {
    Span { at: part.body_at + prefix, to: part.body_at + part.body_size + prefix }
}

/// The octets `from` and `count` of a partial fetch leave of a span of `size`.
pub(super) fn partial(size: u64, partial: Option<(u64, u64)>) -> (u64, u64) {
    match partial {
        None => (0, size),
        Some((from, count)) => {
            let from = from.min(size);
            (from, count.min(size - from))
        }
    }
}
