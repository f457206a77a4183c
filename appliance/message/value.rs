//! Structured values of header fields: unfolding, tokens, and parameters.
//!
//! ```text
//! content     = type "/" subtype *(";" parameter)                    RFC 2045 5.1
//! disposition = token *(";" parameter)                               RFC 2183 2
//! parameter   = attribute "=" (token / quoted-string)
//! attribute   = name ["*" section] ["*"]                             RFC 2231 3 and 4
//! ```
//!
//! Sections are joined as RFC 2231 6 asks of IMAP servers, but percent-encoding and charset stay:
//! `name*0*=utf-8''a; name*1=b` becomes `name*` with `utf-8''ab`, so that a BODYSTRUCTURE made
//! from it stays ASCII.

use super::facts::Param;

/// A field's value on one line: folds undone, white space around it dropped. NUL and stray CR or LF
/// cannot stand in any reply and are dropped too.
pub(crate) fn unfold(value: &[u8]) -> Vec<u8> {
    let keep = |b: &u8| !matches!(b, b'\r' | b'\n' | 0);
    value.trim_ascii().iter().copied().filter(keep).collect()
}

/// Reads tokens, quoted strings and white space from an unfolded value.
pub(crate) struct Scanner<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self { octets, at: 0 }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.octets.get(self.at).copied()
    }

    pub(crate) fn next(&mut self) -> Option<u8> {
        let octet = self.peek()?;
        self.at += 1;
        Some(octet)
    }

    /// Goes past this octet if it comes next.
    pub(crate) fn eat(&mut self, octet: u8) -> bool {
        let is = self.peek() == Some(octet);
        self.at += usize::from(is);
        is
    }

    /// Goes past white space and comments (RFC 5322 3.2.2); was there any?
    pub(crate) fn skip_space(&mut self) -> bool {
        let from = self.at;
        while let Some(octet) = self.peek() {
            match octet {
                _ if octet.is_ascii_whitespace() => self.at += 1,
                b'(' => self.skip_comment(),
                _ => break,
            }
        }
        self.at > from
    }

    fn skip_comment(&mut self) {
        let mut depth = 0usize;
        while let Some(octet) = self.next() {
            match octet {
                b'\\' => self.at += 1,
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// The octets up to one for which `end` holds, or the end.
    pub(crate) fn until(&mut self, end: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.octets.get(self.at..).unwrap_or_default();
        let n = rest.iter().position(|&b| end(b)).unwrap_or(rest.len());
        self.at += n;
        rest.get(..n).unwrap_or_default()
    }

    /// The content of a quoted string whose opening quote comes next; ends with the value when the
    /// closing one is missing.
    pub(crate) fn quoted(&mut self) -> Vec<u8> {
        self.at += 1;
        let mut content = Vec::new();
        while let Some(octet) = self.next() {
            match octet {
                b'"' => break,
                b'\\' => content.extend(self.next()),
                octet => content.push(octet),
            }
        }
        content
    }
}

fn ends_token(octet: u8) -> bool {
    octet.is_ascii_whitespace() || b"()<>@,;:\\\"/[]?=".contains(&octet)
}

/// RFC 2045 5.1: type, subtype and parameters; `None` when there is no type and subtype.
pub(crate) fn content_type(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>, Vec<Param>)> {
    let mut scan = Scanner::new(value);
    scan.skip_space();
    let kind = scan.until(ends_token).to_vec();
    scan.skip_space();
    if kind.is_empty() || !scan.eat(b'/') {
        return None;
    }
    scan.skip_space();
    let subkind = scan.until(ends_token).to_vec();
    if subkind.is_empty() {
        return None;
    }
    Some((kind, subkind, params(&mut scan)))
}

/// RFC 2183 2: the disposition and its parameters.
pub(crate) fn disposition(value: &[u8]) -> Option<(Vec<u8>, Vec<Param>)> {
    let mut scan = Scanner::new(value);
    scan.skip_space();
    let kind =
        if scan.peek() == Some(b'"') { scan.quoted() } else { scan.until(ends_token).into() };
    if kind.is_empty() { None } else { Some((kind, params(&mut scan))) }
}

/// The first token of a value, comments dropped (Content-Transfer-Encoding).
pub(crate) fn token(value: &[u8]) -> Vec<u8> {
    let mut scan = Scanner::new(value);
    scan.skip_space();
    scan.until(ends_token).to_vec()
}

/// RFC 3282: tags parted by commas.
pub(crate) fn languages(value: &[u8]) -> Vec<Vec<u8>> {
    let mut scan = Scanner::new(value);
    let mut tags = Vec::new();
    while scan.peek().is_some() {
        scan.skip_space();
        let tag = scan.until(|b| b == b',' || b == b'(' || b.is_ascii_whitespace());
        if !tag.is_empty() {
            tags.push(tag.to_vec());
        }
        scan.skip_space();
        scan.eat(b',');
    }
    tags
}

/// One parameter as written, before its sections are joined.
struct Piece {
    name: Vec<u8>,
    section: u32,
    encoded: bool,
    value: Vec<u8>,
}

/// Parameters above this many in one field are no person's.
const PARAMS: usize = 256;

fn params(scan: &mut Scanner<'_>) -> Vec<Param> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut sectioned = false;
    while scan.peek().is_some() && pieces.len() < PARAMS {
        scan.until(|b| b == b';' || b == b'(' || b == b'"');
        match scan.peek() {
            Some(b'"') => drop(scan.quoted()),
            Some(b'(') => drop(scan.skip_space()),
            _ => {
                scan.eat(b';');
                if let Some(piece) = piece(scan) {
                    sectioned |= piece.section != NO_SECTION;
                    pieces.push(piece);
                }
            }
        }
    }
    if sectioned { join(pieces) } else { pieces.into_iter().map(whole).collect() }
}

const NO_SECTION: u32 = u32::MAX;

fn piece(scan: &mut Scanner<'_>) -> Option<Piece> {
    scan.skip_space();
    let attribute = scan.until(ends_token);
    scan.skip_space();
    if attribute.is_empty() || !scan.eat(b'=') {
        return None;
    }
    scan.skip_space();
    let value = match scan.peek() {
        Some(b'"') => scan.quoted(),
        // Wider than a token: unquoted file names hold '/', '=', ':' and the like.
        _ => scan.until(|b| b == b';' || b == b'"' || b.is_ascii_whitespace()).to_vec(),
    };
    let (name, section, encoded) = split_attribute(attribute);
    Some(Piece { name: name.to_vec(), section, encoded, value })
}

/// RFC 2231 3: `name*12*` is section 12 of name, percent-encoded.
fn split_attribute(attribute: &[u8]) -> (&[u8], u32, bool) {
    let (rest, encoded) = match attribute {
        [rest @ .., b'*'] if !rest.is_empty() => (rest, true),
        rest => (rest, false),
    };
    let Some(star) = rest.iter().rposition(|&b| b == b'*').filter(|&i| i > 0) else {
        return (rest, NO_SECTION, encoded);
    };
    let (name, digits) = (rest.get(..star), rest.get(star + 1..));
    let number = digits.and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| d.parse().ok());
    match (name, number) {
        (Some(name), Some(number)) if number < 10_000 => (name, number, encoded),
        _ => (rest, NO_SECTION, encoded),
    }
}

fn whole(piece: Piece) -> Param {
    let mut name = piece.name;
    if piece.encoded {
        name.push(b'*');
    }
    Param { name, value: piece.value }
}

/// Joins the sections of each name in the order of their numbers, at the place of the first.
fn join(pieces: Vec<Piece>) -> Vec<Param> {
    let mut params = Vec::new();
    let mut groups: Vec<(usize, Vec<Piece>)> = Vec::new();
    for piece in pieces {
        if piece.section == NO_SECTION {
            params.push(whole(piece));
            continue;
        }
        let same = |g: &&mut (usize, Vec<Piece>)| {
            g.1.first().is_some_and(|p| p.name.eq_ignore_ascii_case(&piece.name))
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.1.push(piece),
            None => {
                groups.push((params.len(), vec![piece]));
                params.push(Param::default());
            }
        }
    }
    for (place, mut sections) in groups {
        sections.sort_by_key(|p| p.section);
        if let Some(param) = params.get_mut(place) {
            *param = joined(sections);
        }
    }
    params
}

fn joined(sections: Vec<Piece>) -> Param {
    let encoded = sections.iter().any(|s| s.encoded);
    // A value whose later sections alone are encoded has no charset in front.
    let charset_missing = encoded && sections.first().is_some_and(|s| !s.encoded);
    let mut name = sections.first().map(|s| s.name.clone()).unwrap_or_default();
    let mut value = if charset_missing { b"''".to_vec() } else { Vec::new() };
    for section in sections {
        if encoded && !section.encoded {
            percent_encode(&section.value, &mut value);
        } else {
            value.extend(section.value);
        }
    }
    if encoded {
        name.push(b'*');
    }
    Param { name, value }
}

fn percent_encode(octets: &[u8], to: &mut Vec<u8>) {
    for &octet in octets {
        if octet.is_ascii_alphanumeric() || b"!#$&+-.^_`{|}~".contains(&octet) {
            to.push(octet);
        } else {
            to.extend(format!("%{octet:02X}").into_bytes());
        }
    }
}
