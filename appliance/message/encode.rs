//! Raw characters in header fields as encoded words (RFC 2047), and text as quoted-printable.
//!
//! ```text
//! encoded-word     = "=?UTF-8?B?" base64 "?="      at most 75 characters        RFC 2047 2
//! quoted-printable = printable / "=" 2HEX / "=" CRLF                            RFC 2045 6.7
//! ```

use super::headers::{self, Field};
use super::text;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Octets of UTF-8 in one encoded word: 60 characters of base64 and 12 around them.
const WORD_OCTETS: usize = 45;
/// RFC 2045 6.7: at most 76 characters in a line, the soft break's "=" among them.
const LINE_CHARACTERS: usize = 76;

/// Fields whose value is free text. RFC 5322 3.6.5
const TEXTS: [&str; 5] =
    ["Subject", "Comments", "Content-Description", "Thread-Topic", "Organization"];
/// Fields whose value is a list of addresses with names. RFC 5322 3.6.2, 3.6.3, 3.6.6
const LISTS: [&str; 10] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Disposition-Notification-To",
];

/// The field with its raw characters as encoded words, with its CRLF; `None` for a field where no
/// encoded word may stand.
pub(crate) fn field(field: &Field<'_>) -> Option<Vec<u8>> {
    let value = text::to_utf8(&headers::unfold(field.value), None);
    let is = |names: &[&str]| names.iter().any(|name| field.is(name));
    let pieces = if is(&TEXTS) {
        words(&value)
    } else if is(&LISTS) {
        list(&value)
    } else {
        return None;
    };
    let mut out = field.name.to_vec();
    out.push(b':');
    let mut column = out.len();
    for piece in pieces {
        // RFC 2047 2: a line with an encoded word has at most 76 characters
        if column + 1 + piece.len() > LINE_CHARACTERS && column > field.name.len() + 1 {
            out.extend_from_slice(b"\r\n");
            column = 0;
        }
        out.push(b' ');
        out.extend_from_slice(piece.as_bytes());
        column += 1 + piece.len();
    }
    out.extend_from_slice(b"\r\n");
    Some(out)
}

/// Free text: words, runs of raw ones encoded together with the blanks between them.
fn words(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut raw = String::new();
    for word in text.split([' ', '\t']).filter(|word| !word.is_empty()) {
        if word.is_ascii() {
            flush(&mut raw, &mut pieces);
            pieces.push(word.to_string());
        } else {
            if !raw.is_empty() {
                raw.push(' ');
            }
            raw.push_str(word);
        }
    }
    flush(&mut raw, &mut pieces);
    pieces
}

/// A list: names are encoded; what stands in angle brackets or comments stays.
fn list(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut rest = text;
    let mut raw = String::new();
    while let Some(first) = rest.chars().next() {
        let (piece, after, kind) = token(rest, first);
        rest = after;
        match kind {
            Kind::Blank => {}
            Kind::Name if !piece.is_ascii() => {
                if !raw.is_empty() {
                    raw.push(' ');
                }
                raw.push_str(&unquoted(piece));
            }
            Kind::Name | Kind::Other => {
                flush(&mut raw, &mut pieces);
                pieces.push(piece.to_string());
            }
            Kind::Mark => {
                flush(&mut raw, &mut pieces);
                match pieces.last_mut() {
                    Some(last) => last.push_str(piece),
                    None => pieces.push(piece.to_string()),
                }
            }
        }
    }
    flush(&mut raw, &mut pieces);
    pieces
}

enum Kind {
    Blank,
    /// A word or a quoted string.
    Name,
    /// A comma, colon or semicolon: belongs to what stands before it.
    Mark,
    /// An address in angle brackets, a bare one, or a comment.
    Other,
}

/// The first token of `text`, and what stands behind it.
fn token(text: &str, first: char) -> (&str, &str, Kind) {
    let cut = |end: usize, kind: Kind| match text.split_at_checked(end) {
        Some((piece, after)) => (piece, after, kind),
        None => (text, "", kind),
    };
    match first {
        ' ' | '\t' => cut(1, Kind::Blank),
        ',' | ':' | ';' => cut(1, Kind::Mark),
        '"' => cut(closed(text, '"'), Kind::Name),
        '<' => cut(closed(text, '>'), Kind::Other),
        '(' => cut(closed(text, ')'), Kind::Other),
        _ => {
            let ends = |c: char| " \t,:;\"<(".contains(c);
            let end = text.find(ends).unwrap_or(text.len()).max(first.len_utf8());
            let is_address = text.get(..end).is_some_and(|word| word.contains('@'));
            cut(end, if is_address { Kind::Other } else { Kind::Name })
        }
    }
}

/// Octets up to behind the mark that closes what begins `text`, or all.
fn closed(text: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == mark => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

fn unquoted(word: &str) -> String {
    let Some(inner) = word.strip_prefix('"') else { return word.to_string() };
    let mut text = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.strip_suffix('"').unwrap_or(inner).chars() {
        if c == '\\' && !escaped {
            escaped = true;
            continue;
        }
        escaped = false;
        text.push(c);
    }
    text
}

/// RFC 2047 5: an encoded word holds whole characters.
fn flush(raw: &mut String, pieces: &mut Vec<String>) {
    let mut part = String::new();
    for c in std::mem::take(raw).chars() {
        if part.len() + c.len_utf8() > WORD_OCTETS {
            pieces.push(encoded(&std::mem::take(&mut part)));
        }
        part.push(c);
    }
    if !part.is_empty() {
        pieces.push(encoded(&part));
    }
}

fn encoded(part: &str) -> String {
    format!("=?UTF-8?B?{}?=", BASE64.encode(part))
}

/// Appends text as quoted-printable; its line ends stay line ends.
pub(crate) fn quoted_printable(text: &[u8], out: &mut Vec<u8>) {
    for line in text.split_inclusive(|&b| b == b'\n') {
        let content = text::without_line_end(line);
        let mut column = 0;
        for (at, &octet) in content.iter().enumerate() {
            let last = at + 1 == content.len();
            // RFC 2045 6.7: a blank at the end of a line is encoded
            let plain = matches!(octet, b'!'..=b'<' | b'>'..=b'~')
                || (matches!(octet, b' ' | b'\t') && !last);
            let width = if plain { 1 } else { 3 };
            // The last character needs no room for a soft break behind it.
            if column + width > LINE_CHARACTERS - usize::from(!last) {
                out.extend_from_slice(b"=\r\n");
                column = 0;
            }
            match plain {
                true => out.push(octet),
                false => out.extend_from_slice(format!("={octet:02X}").as_bytes()),
            }
            column += width;
        }
        if content.len() < line.len() {
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> String {
        let found = headers::fields(line.as_bytes()).next().expect("a field");
        String::from_utf8(field(&found).expect("encoded")).expect("text")
    }

    #[test]
    fn names_are_encoded_and_addresses_stay() {
        assert_eq!(
            of("To: Jürgen Müller <j@x.test>, \"Ä, B\" <b@x.test>, Bob <c@x.test>\r\n"),
            "To: =?UTF-8?B?SsO8cmdlbiBNw7xsbGVy?= <j@x.test>, =?UTF-8?B?w4QsIEI=?=\r\n \
             <b@x.test>, Bob <c@x.test>\r\n"
        );
        let found = headers::fields("X-Own: ä\r\n".as_bytes()).next().expect("a field");
        assert_eq!(field(&found), None);
    }

    #[test]
    fn long_texts_are_cut_at_characters_and_read_back() {
        let text = "ä€𝄞".repeat(40);
        let out = of(&format!("Subject: Re: {text} end\r\n"));
        assert!(out.is_ascii() && out.lines().all(|line| line.len() <= 76), "{out}");
        let found = headers::fields(out.as_bytes()).next().expect("a field");
        assert_eq!(headers::decode(found.value), format!("Re: {text} end"));
    }

    #[test]
    fn quoted_printable_reads_back_and_keeps_its_lines_short() {
        let text = format!("{}\r\n blank at end \r\n=\tä\r\nno end", "x".repeat(200));
        let mut out = Vec::new();
        quoted_printable(text.as_bytes(), &mut out);
        let lines = String::from_utf8(out.clone()).expect("ASCII");
        assert!(lines.is_ascii() && lines.lines().all(|line| line.len() <= 76), "{lines}");
        let head = "Content-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\n";
        let whole = [head.as_bytes(), &out].concat();
        let read = mail_parser::MessageParser::default().parse(&whole).expect("a message");
        assert_eq!(read.body_text(0).as_deref(), Some(text.as_str()));
    }
}
