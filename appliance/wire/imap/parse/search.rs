//! SEARCH (RFC 9051 6.4.4; RFC 4731, 5032, 5182, 7162, 8474, 8514).
//!
//! ```text
//! search      = "SEARCH" [SP "RETURN" SP "(" [return-opt *(SP return-opt)] ")"]
//!               [SP "CHARSET" SP charset] 1*(SP search-key)
//! return-opt  = "MIN" / "MAX" / "ALL" / "COUNT" / "SAVE"
//! search-key  = "ALL" / flag-key / "RECENT" / "NEW" / "OLD" /
//!               ("BCC" / "BODY" / "CC" / "FROM" / "SUBJECT" / "TEXT" / "TO") SP astring /
//!               "HEADER" SP astring SP astring / ("KEYWORD" / "UNKEYWORD") SP flag-keyword /
//!               (["SENT" / "SAVED"] ("BEFORE" / "ON" / "SINCE")) SP date / "SAVEDATESUPPORTED" /
//!               ("LARGER" / "SMALLER") SP number64 / ("OLDER" / "YOUNGER") SP nz-number /
//!               "MODSEQ" [SP quoted SP ("all" / "priv" / "shared")] SP number64 /
//!               ("EMAILID" / "THREADID") SP objectid / "UID" SP sequence-set / sequence-set /
//!               "NOT" SP search-key / "OR" SP search-key SP search-key /
//!               "(" search-key *(SP search-key) ")"
//! ```

use super::super::{Command, Search, SearchKey, SearchReturn};
use super::append::date;
use super::lexer::Lexer;
use super::{ErrorKind, Fault, Parsed, store};
use crate::limits;
use mail_parser::decoders::charsets::map::charset_decoder;

/// How texts of keys become UTF-8.
enum Charset {
    Utf8,
    Other(fn(&[u8]) -> String),
}

pub(super) fn search(lexer: &mut Lexer, uid: bool) -> Parsed<Command> {
    lexer.space()?;
    let mut returns = None;
    if lexer.peek_word() == "RETURN" {
        lexer.word("RETURN")?;
        lexer.space()?;
        returns = Some(lexer.list(return_option)?);
        lexer.space()?;
    }
    let mut charset = None;
    if lexer.peek_word() == "CHARSET" {
        lexer.word("CHARSET")?;
        lexer.space()?;
        let name = lexer.astring("a charset")?;
        charset = Some(String::from_utf8_lossy(&name).to_ascii_uppercase());
        lexer.space()?;
    }
    let decode = Charset::named(charset.as_deref()).ok_or_else(|| Fault {
        kind: ErrorKind::BadCharset {
            save: returns.iter().flatten().any(|r| *r == SearchReturn::Save),
        },
        why: "this charset is not known here; UTF-8 always is".to_string(),
    })?;
    let mut keys = vec![key(lexer, &decode, 0)?];
    while lexer.eat(b' ') {
        keys.push(key(lexer, &decode, 0)?);
    }
    Ok(Command::Search { uid, search: Search { returns, charset, key: together(keys) } })
}

fn return_option(lexer: &mut Lexer) -> Parsed<SearchReturn> {
    let name = lexer.word("a SEARCH return option")?;
    match name.as_str() {
        "MIN" => Ok(SearchReturn::Min),
        "MAX" => Ok(SearchReturn::Max),
        "ALL" => Ok(SearchReturn::All),
        "COUNT" => Ok(SearchReturn::Count),
        "SAVE" => Ok(SearchReturn::Save),
        _ => Err(lexer.unknown("SEARCH return option", &name)),
    }
}

impl Charset {
    /// Without CHARSET: UTF-8 (RFC 9051 6.4.4), of which RFC 3501's US-ASCII is a part.
    fn named(name: Option<&str>) -> Option<Charset> {
        match name {
            None | Some("UTF-8" | "UTF8" | "US-ASCII" | "ASCII") => Some(Charset::Utf8),
            Some(name) if name.len() > 40 => None,
            Some(name) => charset_decoder(name.as_bytes()).map(Charset::Other),
        }
    }

    fn text(&self, lexer: &mut Lexer, what: &str) -> Parsed<String> {
        let octets = lexer.astring(what)?;
        match self {
            Charset::Utf8 => String::from_utf8(octets)
                .map_err(|_| Fault::bad("a text to search for is not valid UTF-8")),
            Charset::Other(decode) => Ok(decode(&octets)),
        }
    }
}

/// One key is itself, more must all match.
fn together(mut keys: Vec<SearchKey>) -> SearchKey {
    match (keys.len(), keys.pop()) {
        (1, Some(key)) => key,
        (_, Some(last)) => {
            keys.push(last);
            SearchKey::And(keys)
        }
        (_, None) => SearchKey::All,
    }
}

fn key(lexer: &mut Lexer, charset: &Charset, depth: usize) -> Parsed<SearchKey> {
    if depth >= limits::IMAP_DEPTH {
        let why = format!("SEARCH keys nest more than {} deep", limits::IMAP_DEPTH);
        return Err(Fault { kind: ErrorKind::Limit, why });
    }
    match lexer.peek() {
        Some(b'(') => {
            let keys = lexer.full_list("a SEARCH key", |lexer| key(lexer, charset, depth + 1))?;
            return Ok(together(keys));
        }
        Some(b'0'..=b'9' | b'*' | b'$') => return lexer.sequence_set().map(SearchKey::Sequence),
        _ => {}
    }
    let name = lexer.word("a SEARCH key")?;
    if let Some(key) = bare_key(&name) {
        return Ok(key);
    }
    match name.as_str() {
        "NOT" => {
            lexer.space()?;
            Ok(not(key(lexer, charset, depth + 1)?))
        }
        "OR" => {
            lexer.space()?;
            let left = key(lexer, charset, depth + 1)?;
            lexer.space()?;
            Ok(SearchKey::Or(Box::new(left), Box::new(key(lexer, charset, depth + 1)?)))
        }
        _ => key_with_argument(lexer, charset, &name),
    }
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

/// Keys without an argument.
fn bare_key(name: &str) -> Option<SearchKey> {
    let flag = |flag: &str| SearchKey::Flag(format!("\\{flag}"));
    Some(match name {
        "ALL" => SearchKey::All,
        "ANSWERED" => flag("Answered"),
        "DELETED" => flag("Deleted"),
        "DRAFT" => flag("Draft"),
        "FLAGGED" => flag("Flagged"),
        "SEEN" => flag("Seen"),
        "UNANSWERED" => not(flag("Answered")),
        "UNDELETED" => not(flag("Deleted")),
        "UNDRAFT" => not(flag("Draft")),
        "UNFLAGGED" => not(flag("Flagged")),
        "UNSEEN" => not(flag("Seen")),
        "NEW" => SearchKey::New,
        "OLD" => SearchKey::Old,
        "RECENT" => SearchKey::Recent,
        "SAVEDATESUPPORTED" => SearchKey::SaveDateSupported,
        _ => return None,
    })
}

fn key_with_argument(lexer: &mut Lexer, charset: &Charset, name: &str) -> Parsed<SearchKey> {
    if !TAKES_ARGUMENT.contains(&name) {
        return Err(lexer.unknown("SEARCH key", name));
    }
    lexer.space()?;
    Ok(match name {
        "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => {
            SearchKey::Header(name.to_string(), charset.text(lexer, "a text")?)
        }
        "HEADER" => {
            let field = lexer.astring("a header field name")?;
            let field = String::from_utf8(field)
                .map_err(|_| Fault::bad("a header field name is not US-ASCII"))?;
            lexer.space()?;
            SearchKey::Header(field, charset.text(lexer, "a text")?)
        }
        "BODY" => SearchKey::Body(charset.text(lexer, "a text")?),
        "TEXT" => SearchKey::Text(charset.text(lexer, "a text")?),
        "KEYWORD" => SearchKey::Keyword(store::keyword(lexer)?),
        "UNKEYWORD" => not(SearchKey::Keyword(store::keyword(lexer)?)),
        "BEFORE" => SearchKey::Before(date(lexer)?),
        "ON" => SearchKey::On(date(lexer)?),
        "SINCE" => SearchKey::Since(date(lexer)?),
        "SENTBEFORE" => SearchKey::SentBefore(date(lexer)?),
        "SENTON" => SearchKey::SentOn(date(lexer)?),
        "SENTSINCE" => SearchKey::SentSince(date(lexer)?),
        "SAVEDBEFORE" => SearchKey::SavedBefore(date(lexer)?),
        "SAVEDON" => SearchKey::SavedOn(date(lexer)?),
        "SAVEDSINCE" => SearchKey::SavedSince(date(lexer)?),
        "LARGER" => SearchKey::Larger(lexer.number64("a size in octets")?),
        "SMALLER" => SearchKey::Smaller(lexer.number64("a size in octets")?),
        // RFC 5032 3: the interval is not 0
        "OLDER" => SearchKey::Older(u64::from(lexer.nz_number("seconds")?)),
        "YOUNGER" => SearchKey::Younger(u64::from(lexer.nz_number("seconds")?)),
        "UID" => SearchKey::Uid(lexer.sequence_set()?),
        "MODSEQ" => SearchKey::ModSeq(modseq(lexer)?),
        "EMAILID" => SearchKey::EmailId(object_id(lexer)?),
        _ => SearchKey::ThreadId(object_id(lexer)?),
    })
}

const TAKES_ARGUMENT: [&str; 27] = [
    "BCC",
    "CC",
    "FROM",
    "SUBJECT",
    "TO",
    "HEADER",
    "BODY",
    "TEXT",
    "KEYWORD",
    "UNKEYWORD",
    "BEFORE",
    "ON",
    "SINCE",
    "SENTBEFORE",
    "SENTON",
    "SENTSINCE",
    "SAVEDBEFORE",
    "SAVEDON",
    "SAVEDSINCE",
    "LARGER",
    "SMALLER",
    "OLDER",
    "YOUNGER",
    "UID",
    "MODSEQ",
    "EMAILID",
    "THREADID",
];

/// RFC 7162 3.1.5: the entry name says which mod-sequence; there is one per message here.
fn modseq(lexer: &mut Lexer) -> Parsed<u64> {
    if lexer.peek() == Some(b'"') {
        lexer.quoted()?;
        lexer.space()?;
        let kind = lexer.word("all, priv or shared")?;
        if !matches!(kind.as_str(), "ALL" | "PRIV" | "SHARED") {
            return Err(lexer.unknown("entry type", &kind));
        }
        lexer.space()?;
    }
    lexer.number64("a mod-sequence")
}

/// RFC 8474 7: objectid = 1*255(ALPHA / DIGIT / "_" / "-")
fn object_id(lexer: &mut Lexer) -> Parsed<String> {
    let id = lexer.astring("an object id")?;
    let fits = (1..=255).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    match String::from_utf8(id) {
        Ok(id) if fits => Ok(id),
        _ => Err(Fault::bad("an object id has 1 to 255 letters, digits, \"_\" and \"-\"")),
    }
}
