//! Header fields: found, decoded, stripped; octets in, octets out.
//!
//! ```text
//! header = *( field / garbage line ) empty line            RFC 5322 2.2
//! field  = name *WSP ":" value CRLF *( WSP value CRLF )    RFC 5322 2.2.3, 4.5.3
//! ```
//!
//! Bare LF counts as a line end too (imported mail). A line that is no field (an mbox "From "
//! line, something a broken program wrote) is passed over and does not end the header.

use std::borrow::Cow;

/// One header field where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub name: &'a [u8],
    /// Folded as it stands, from behind the colon to before its last CRLF.
    pub value: &'a [u8],
    /// The whole field with its last CRLF.
    pub whole: &'a [u8],
}

impl Field<'_> {
    /// Is this its name? In any case.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields of a header in order; `raw` may go on with the empty line and the body. Takes bare
/// LF as a line end too (imported mail).
pub(crate) fn fields(raw: &[u8]) -> impl Iterator<Item = Field<'_>> {
    lines(raw).filter_map(field)
}

/// The first field of this name.
pub(crate) fn find<'a>(raw: &'a [u8], name: &str) -> Option<Field<'a>> {
    fields(raw).find(|field| field.is(name))
}

/// Octets of the header with the empty line that ends it; all of `raw` if there is none.
pub(crate) fn header_len(raw: &[u8]) -> usize {
    let fields: usize = lines(raw).map(<[u8]>::len).sum();
    let rest = raw.get(fields..).unwrap_or_default();
    fields + if rest.starts_with(b"\r\n") { 2 } else { rest.len().min(1) }
}

/// The message without the fields that `gone` names; the body and all else stay as they are.
pub(crate) fn without<'a>(raw: &'a [u8], gone: impl Fn(&Field<'_>) -> bool) -> Cow<'a, [u8]> {
    let is_gone = |line: &[u8]| field(line).is_some_and(|field| gone(&field));
    if !lines(raw).any(is_gone) {
        return Cow::Borrowed(raw);
    }
    let mut kept = Vec::with_capacity(raw.len());
    let mut used = 0;
    for line in lines(raw) {
        used += line.len();
        if !is_gone(line) {
            kept.extend_from_slice(line);
        }
    }
    kept.extend_from_slice(raw.get(used..).unwrap_or_default());
    Cow::Owned(kept)
}

/// A value on one line: the line ends of its folding taken out, blanks at both ends too.
/// RFC 5322 2.2.3
pub(crate) fn unfold(value: &[u8]) -> Vec<u8> {
    let kept: Vec<u8> = value.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    kept.trim_ascii().to_vec()
}

/// A value for a person: unfolded, encoded words (RFC 2047) read, unreadable octets as U+FFFD,
/// without control characters.
pub(crate) fn decode(value: &[u8]) -> String {
    let mut line = unfold(value);
    line.push(b'\n');
    let read = mail_parser::parsers::MessageStream::new(&line).parse_unstructured();
    let text = match read {
        mail_parser::HeaderValue::Text(text) => text.into_owned(),
        _ => String::new(),
    };
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The header as pieces that each are one field (or one garbage line) with its folding; stops
/// before the empty line. The pieces lie side by side from the start of `raw`.
fn lines(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        if rest.is_empty() || rest.starts_with(b"\n") || rest.starts_with(b"\r\n") {
            return None;
        }
        let mut end = line_len(rest);
        while matches!(rest.get(end), Some(b' ' | b'\t')) {
            end += line_len(rest.get(end..).unwrap_or_default());
        }
        let (line, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(line)
    })
}

fn line_len(raw: &[u8]) -> usize {
    raw.iter().position(|&b| b == b'\n').map_or(raw.len(), |at| at + 1)
}

fn field(whole: &[u8]) -> Option<Field<'_>> {
    let colon = whole.iter().position(|&b| b == b':')?;
    let (name, rest) = whole.split_at_checked(colon)?;
    // RFC 5322 4.5: blanks between name and colon are obsolete, and read
    let name = name.trim_ascii_end();
    // RFC 5322 2.2: a name is made of printable ASCII
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let value = rest.get(1..)?;
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    Some(Field { name, value, whole })
}
