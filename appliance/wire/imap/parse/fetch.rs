//! FETCH (RFC 9051 6.4.5, modifiers of RFC 7162 3.1.4 and 3.2.6, BINARY of RFC 3516).
//!
//! ```text
//! fetch       = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att /
//!               "(" fetch-att *(SP fetch-att) ")") [SP "(" fetch-mod *(SP fetch-mod) ")"]
//! fetch-mod   = "CHANGEDSINCE" SP mod-sequence-value / "VANISHED"
//! fetch-att   = "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "RFC822" [".HEADER" / ".SIZE" / ".TEXT"] /
//!               "BODY" ["STRUCTURE"] / "UID" / "MODSEQ" / "SAVEDATE" / "EMAILID" / "THREADID" /
//!               "BODY" [".PEEK"] section [partial] / "BINARY" [".PEEK"] section-binary [partial] /
//!               "BINARY.SIZE" section-binary
//! section     = "[" [section-msgtext / (section-part ["." section-text])] "]"
//! section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"
//! section-text = section-msgtext / "MIME"
//! section-part = nz-number *("." nz-number)
//! section-binary = "[" [section-part] "]"
//! partial     = "<" number64 "." nz-number64 ">"
//! ```

use super::super::{Command, FetchItem, Section, SectionName, SectionWhat};
use super::lexer::Lexer;
use super::{Fault, Parsed};

pub(super) fn fetch(lexer: &mut Lexer, uid: bool) -> Parsed<Command> {
    lexer.space()?;
    let set = lexer.sequence_set()?;
    lexer.space()?;
    let items = match lexer.peek() {
        Some(b'(') => lexer.full_list("a FETCH item", item)?,
        _ => match macro_items(&lexer.peek_word()) {
            Some(items) => {
                lexer.word("a FETCH item")?;
                items
            }
            None => vec![item(lexer)?],
        },
    };
    let (mut changed_since, mut vanished) = (None, false);
    if lexer.eat(b' ') {
        lexer.full_list("a FETCH modifier", |lexer| {
            let name = lexer.word("CHANGEDSINCE or VANISHED")?;
            match name.as_str() {
                "CHANGEDSINCE" => {
                    lexer.space()?;
                    changed_since = Some(lexer.number64("a mod-sequence")?);
                }
                "VANISHED" => vanished = true,
                _ => return Err(lexer.unknown("FETCH modifier", &name)),
            }
            Ok(())
        })?;
    }
    // RFC 7162 3.2.6: only UID FETCH, and only with CHANGEDSINCE
    if vanished && !(uid && changed_since.is_some()) {
        return Err(Fault::bad("VANISHED needs UID FETCH and CHANGEDSINCE"));
    }
    Ok(Command::Fetch { uid, set, items, changed_since, vanished })
}

/// RFC 9051 6.4.5: ALL, FAST and FULL stand alone.
fn macro_items(name: &str) -> Option<Vec<FetchItem>> {
    use FetchItem::{Body, Envelope, Flags, InternalDate, Rfc822Size};
    match name {
        "ALL" => Some(vec![Flags, InternalDate, Rfc822Size, Envelope]),
        "FAST" => Some(vec![Flags, InternalDate, Rfc822Size]),
        "FULL" => Some(vec![Flags, InternalDate, Rfc822Size, Envelope, Body]),
        _ => None,
    }
}

fn item(lexer: &mut Lexer) -> Parsed<FetchItem> {
    let name = lexer.word("a FETCH item")?;
    let has_section = lexer.peek() == Some(b'[');
    Ok(match name.as_str() {
        "BODY" if has_section => section_item(lexer, false)?,
        "BODY.PEEK" if has_section => section_item(lexer, true)?,
        "BINARY" if has_section => binary(lexer, false)?,
        "BINARY.PEEK" if has_section => binary(lexer, true)?,
        "BINARY.SIZE" if has_section => FetchItem::BinarySize { part: section_binary(lexer)? },
        "BODY.PEEK" | "BINARY" | "BINARY.PEEK" | "BINARY.SIZE" => {
            return Err(lexer.expected("\"[\""));
        }
        "UID" => FetchItem::Uid,
        "FLAGS" => FetchItem::Flags,
        "INTERNALDATE" => FetchItem::InternalDate,
        "SAVEDATE" => FetchItem::SaveDate,
        "RFC822.SIZE" => FetchItem::Rfc822Size,
        "ENVELOPE" => FetchItem::Envelope,
        "BODY" => FetchItem::Body,
        "BODYSTRUCTURE" => FetchItem::BodyStructure,
        "MODSEQ" => FetchItem::ModSeq,
        "EMAILID" => FetchItem::EmailId,
        "THREADID" => FetchItem::ThreadId,
        // RFC 3501 6.4.5: like BODY[], BODY.PEEK[HEADER], BODY[TEXT] under another name
        "RFC822" => whole(false, SectionWhat::All, SectionName::Rfc822),
        "RFC822.HEADER" => whole(true, SectionWhat::Header, SectionName::Rfc822Header),
        "RFC822.TEXT" => whole(false, SectionWhat::Text, SectionName::Rfc822Text),
        _ => return Err(lexer.unknown("FETCH item", &name)),
    })
}

fn whole(peek: bool, what: SectionWhat, name: SectionName) -> FetchItem {
    let section = Section { part: Vec::new(), what };
    FetchItem::Section { peek, section, partial: None, name }
}

fn section_item(lexer: &mut Lexer, peek: bool) -> Parsed<FetchItem> {
    let section = section(lexer)?;
    let partial = partial(lexer)?;
    Ok(FetchItem::Section { peek, section, partial, name: SectionName::Body })
}

fn section(lexer: &mut Lexer) -> Parsed<Section> {
    lexer.need(b'[')?;
    let (part, more) = parts(lexer)?;
    let what = match lexer.peek() {
        Some(b']') if !more => SectionWhat::All,
        _ => section_text(lexer, !part.is_empty())?,
    };
    lexer.need(b']')?;
    Ok(Section { part, what })
}

/// The numbers, and whether a "." (taken) says that a word comes behind them.
fn parts(lexer: &mut Lexer) -> Parsed<(Vec<u32>, bool)> {
    let mut part = Vec::new();
    let mut more = false;
    while lexer.peek().is_some_and(|b| b.is_ascii_digit()) {
        part.push(lexer.nz_number("a part number")?);
        more = lexer.eat(b'.');
        if !more {
            break;
        }
    }
    Ok((part, more))
}

fn section_text(lexer: &mut Lexer, of_part: bool) -> Parsed<SectionWhat> {
    let name = lexer.word("a part number, HEADER, HEADER.FIELDS, TEXT, MIME or \"]\"")?;
    match name.as_str() {
        "HEADER" => Ok(SectionWhat::Header),
        "TEXT" => Ok(SectionWhat::Text),
        "MIME" if of_part => Ok(SectionWhat::Mime),
        "MIME" => Err(Fault::bad("MIME needs a part number before it")),
        "HEADER.FIELDS" => header_list(lexer).map(SectionWhat::HeaderFields),
        "HEADER.FIELDS.NOT" => header_list(lexer).map(SectionWhat::HeaderFieldsNot),
        _ => Err(lexer.unknown("section", &name)),
    }
}

fn header_list(lexer: &mut Lexer) -> Parsed<Vec<Vec<u8>>> {
    lexer.space()?;
    lexer.full_list("a header field name", |lexer| lexer.astring("a header field name"))
}

fn binary(lexer: &mut Lexer, peek: bool) -> Parsed<FetchItem> {
    let part = section_binary(lexer)?;
    Ok(FetchItem::Binary { peek, part, partial: partial(lexer)? })
}

fn section_binary(lexer: &mut Lexer) -> Parsed<Vec<u32>> {
    lexer.need(b'[')?;
    let (part, more) = parts(lexer)?;
    match more || !lexer.eat(b']') {
        true => Err(lexer.expected("a part number or \"]\"")),
        false => Ok(part),
    }
}

fn partial(lexer: &mut Lexer) -> Parsed<Option<(u64, u64)>> {
    if !lexer.eat(b'<') {
        return Ok(None);
    }
    let from = lexer.number64("an offset")?;
    lexer.need(b'.')?;
    let count = lexer.number64("a count of octets")?;
    if count == 0 {
        return Err(Fault::bad("a partial of 0 octets"));
    }
    lexer.need(b'>')?;
    Ok(Some((from, count)))
}
