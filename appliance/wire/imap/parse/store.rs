//! STORE (RFC 9051 6.4.6, UNCHANGEDSINCE of RFC 7162 3.1.3), and flags.
//!
//! ```text
//! store         = "STORE" SP sequence-set [SP store-modifiers] SP store-att-flags
//! store-modifiers = "(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")"
//! store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
//! flag-list     = "(" [flag *(SP flag)] ")"
//! flag          = "\Answered" / "\Flagged" / "\Deleted" / "\Seen" / "\Draft" / flag-keyword
//! flag-keyword  = atom          also "$Forwarded", "$Junk" ...
//! ```

use super::super::{Command, StoreAction};
use super::lexer::Lexer;
use super::{ErrorKind, Fault, Parsed};
use crate::limits;

const SYSTEM_FLAGS: [&str; 5] = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"];

pub(super) fn store(lexer: &mut Lexer, uid: bool) -> Parsed<Command> {
    lexer.space()?;
    let set = lexer.sequence_set()?;
    lexer.space()?;
    let mut unchanged_since = None;
    if lexer.peek() == Some(b'(') {
        let given = lexer.full_list("a STORE modifier", |lexer| {
            let name = lexer.word("UNCHANGEDSINCE")?;
            if name != "UNCHANGEDSINCE" {
                return Err(lexer.unknown("STORE modifier", &name));
            }
            lexer.space()?;
            lexer.number64("a mod-sequence")
        })?;
        unchanged_since = given.last().copied();
        lexer.space()?;
    }
    let action = match lexer.peek() {
        Some(b'+') => StoreAction::Add,
        Some(b'-') => StoreAction::Remove,
        _ => StoreAction::Set,
    };
    if action != StoreAction::Set {
        lexer.eat(b'+');
        lexer.eat(b'-');
    }
    let item = lexer.word("FLAGS, +FLAGS or -FLAGS")?;
    let silent = match item.as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return Err(lexer.unknown("STORE item", &item)),
    };
    lexer.space()?;
    let flags = flags(lexer)?;
    Ok(Command::Store { uid, set, unchanged_since, action, silent, flags })
}

fn flags(lexer: &mut Lexer) -> Parsed<Vec<String>> {
    if lexer.peek() == Some(b'(') {
        return flag_list(lexer);
    }
    let mut flags = vec![flag(lexer)?];
    while lexer.eat(b' ') {
        flags.push(flag(lexer)?);
    }
    Ok(once(flags))
}

/// Each flag once; system flags spelled as in RFC 9051.
pub(super) fn flag_list(lexer: &mut Lexer) -> Parsed<Vec<String>> {
    lexer.list(flag).map(once)
}

fn once(flags: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    flags.into_iter().filter(|flag| seen.insert(flag.to_ascii_lowercase())).collect()
}

fn flag(lexer: &mut Lexer) -> Parsed<String> {
    if !lexer.eat(b'\\') {
        return keyword(lexer);
    }
    let name = lexer.atom("a flag name behind \"\\\"")?;
    let known = SYSTEM_FLAGS.iter().find(|flag| flag[1..].eq_ignore_ascii_case(&name));
    match known {
        Some(flag) => Ok(flag.to_string()),
        // RFC 9051 2.3.2: system flags are those of the RFC; \Recent is not the client's to set
        None => Err(lexer.unknown("system flag", &format!("\\{name}"))),
    }
}

pub(super) fn keyword(lexer: &mut Lexer) -> Parsed<String> {
    let keyword = lexer.atom("a flag or keyword")?;
    if keyword.len() > limits::KEYWORD_BYTES {
        let why = format!("a keyword is longer than {} octets", limits::KEYWORD_BYTES);
        return Err(Fault { kind: ErrorKind::Limit, why });
    }
    Ok(keyword)
}
