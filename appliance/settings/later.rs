//! Settings of a later version: what is not known here is passed over, so that the system to which
//! an update goes back serves with what it knows.
//!
//! ```text
//! format = 1    of the file: a version that brings new settings writes a higher number
//! ```
//!
//! In a file of this format or an earlier one a name that is not known is a mistake of whoever
//! wrote it.

use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What this version writes.
pub(super) const FORMAT: u32 = 1;

/// Does the text say that it is of a later version?
pub(super) fn is_later(text: &str) -> bool {
    let Ok(table) = DeTable::parse(text) else { return false };
    let format = table.get_ref().iter().find(|(name, _)| name.get_ref() == "format");
    let Some(DeValue::Integer(format)) = format.map(|(_, value)| value.get_ref()) else {
        return false;
    };
    format.as_str().parse::<u32>().is_ok_and(|format| format > FORMAT)
}

/// The text with spaces for the setting whose name stands there, and all that is in it; its name.
pub(super) fn without(text: &str, at: &Range<usize>) -> Option<(String, String)> {
    let table = DeTable::parse(text).ok()?;
    let mut spans = Vec::new();
    let name = find(table.get_ref(), at, &mut spans)?;
    let mut octets = text.as_bytes().to_vec();
    for span in spans {
        let covered = octets.get_mut(span)?;
        // Lines keep their numbers.
        covered.iter_mut().filter(|octet| **octet != b'\n').for_each(|octet| *octet = b' ');
    }
    Some((String::from_utf8(octets).ok()?, name))
}

/// The name of the setting there, and what it covers.
fn find(table: &DeTable<'_>, at: &Range<usize>, spans: &mut Vec<Range<usize>>) -> Option<String> {
    for (name, value) in table {
        if name.span() == *at {
            cover(name.span(), value, spans);
            return Some(name.get_ref().to_string());
        }
        let below = match value.get_ref() {
            DeValue::Table(table) => find(table, at, spans),
            DeValue::Array(items) => items.iter().find_map(|item| match item.get_ref() {
                DeValue::Table(table) => find(table, at, spans),
                _ => None,
            }),
            _ => None,
        };
        if let Some(below) = below {
            return Some(format!("{}.{below}", name.get_ref()));
        }
    }
    None
}

fn cover(name: Range<usize>, value: &Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    let span = value.span();
    spans.push(name.start.min(span.start)..span.end.max(name.end));
    match value.get_ref() {
        DeValue::Table(table) => {
            table.iter().for_each(|(name, value)| cover(name.span(), value, spans));
        }
        DeValue::Array(items) => {
            items.iter().for_each(|item| cover(item.span(), item, spans));
        }
        _ => (),
    }
}
