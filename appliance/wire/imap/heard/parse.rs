//! One response read from a whole line with its literals.

use super::lexer::{Lexer, Read};
use super::{Code, Fetched, Kind, Listed, Name, Octets, Response, Status};
use crate::wire::imap::StatusItem;
use crate::wire::imap::parse::append::parse_date_time;
use crate::wire::imap::sequence::SequenceSet;

pub(super) fn response(lexer: &mut Lexer) -> Response {
    read(lexer).unwrap_or_else(Response::Odd)
}

fn read(lexer: &mut Lexer) -> Read<Response> {
    if lexer.eat(b'+') {
        lexer.eat(b' ');
        return Ok(Response::Go(lexer.rest().to_vec()));
    }
    if lexer.eat(b'*') {
        lexer.spaces();
        return untagged(lexer);
    }
    let tag = lexer.word();
    lexer.spaces();
    let word = lexer.name();
    let tag = String::from_utf8(tag).map_err(|_| "a tag of odd octets".to_string())?;
    match kind(&word).filter(|_| !tag.is_empty()) {
        Some(kind) => Ok(Response::Done { tag, status: status(lexer, kind) }),
        None => Err(format!("\"{}\" begins no response", shown(&tag))),
    }
}

fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '?' } else { c };
    text.chars().take(40).map(plain).collect()
}

fn kind(word: &str) -> Option<Kind> {
    Some(match word {
        "OK" => Kind::Ok,
        "NO" => Kind::No,
        "BAD" => Kind::Bad,
        "PREAUTH" => Kind::PreAuth,
        "BYE" => Kind::Bye,
        _ => return None,
    })
}

fn untagged(lexer: &mut Lexer) -> Read<Response> {
    if lexer.peek().is_some_and(|b| b.is_ascii_digit()) {
        return numbered(lexer);
    }
    let word = lexer.name();
    if let Some(kind) = kind(&word) {
        return Ok(Response::Status(status(lexer, kind)));
    }
    lexer.spaces();
    Ok(match word.as_str() {
        "CAPABILITY" => Response::Capability(capabilities(lexer)),
        // XLIST: Gmail and others before RFC 6154
        "LIST" | "XLIST" => Response::List(listed(lexer)?),
        "LSUB" => Response::Lsub(listed(lexer)?),
        "STATUS" => status_of(lexer)?,
        "SEARCH" => Response::Search(search(lexer)?),
        "ESEARCH" => Response::Esearch(esearch(lexer)?),
        "VANISHED" => {
            let earlier = lexer.eat_text("(EARLIER)");
            lexer.spaces();
            Response::Vanished { earlier, uids: set(lexer)? }
        }
        "" => return Err(lexer.expected("a response")),
        _ => Response::Other(shown(&word)),
    })
}

fn numbered(lexer: &mut Lexer) -> Read<Response> {
    let number = lexer.number("a number")?;
    lexer.spaces();
    let word = lexer.name();
    lexer.spaces();
    Ok(match word.as_str() {
        "EXISTS" => Response::Exists(number),
        "EXPUNGE" => Response::Expunge(number),
        "FETCH" => Response::Fetch(fetched(lexer, number)?),
        _ => Response::Other(shown(&word)),
    })
}

// ---- status ----

fn status(lexer: &mut Lexer, kind: Kind) -> Status {
    lexer.spaces();
    let code = if lexer.eat(b'[') { Some(code(lexer)) } else { None };
    lexer.spaces();
    let text = String::from_utf8_lossy(lexer.rest());
    let text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Status { kind, code, text }
}

/// Up to its "]"; what is wrong in it is left out, since the text may still be of use.
fn code(lexer: &mut Lexer) -> Code {
    let name = lexer.name();
    lexer.spaces();
    let other = |name: &str| Code::Other(shown(name));
    let code = match name.as_str() {
        "CAPABILITY" => Code::Capability(capabilities(lexer)),
        "UIDVALIDITY" => lexer.nz_number("").map_or_else(|_| other(&name), Code::UidValidity),
        "UIDNEXT" => lexer.nz_number("").map_or_else(|_| other(&name), Code::UidNext),
        "READ-ONLY" => Code::ReadOnly,
        "OVERQUOTA" => Code::OverQuota,
        "LIMIT" => Code::Limit,
        "THROTTLED" => Code::Throttled,
        "UNAVAILABLE" => Code::Unavailable,
        "INUSE" => Code::InUse,
        "AUTHENTICATIONFAILED" => Code::AuthenticationFailed,
        "AUTHORIZATIONFAILED" => Code::AuthorizationFailed,
        "EXPIRED" => Code::Expired,
        "PRIVACYREQUIRED" => Code::PrivacyRequired,
        "CONTACTADMIN" => Code::ContactAdmin,
        "NONEXISTENT" => Code::NonExistent,
        "WEBALERT" => Code::WebAlert(shown(&String::from_utf8_lossy(&lexer.word()))),
        _ => other(&name),
    };
    lexer.pass_code();
    code
}

/// As far as they are words: those of a code end at its "]".
fn capabilities(lexer: &mut Lexer) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        lexer.spaces();
        match lexer.name() {
            name if name.is_empty() => return all,
            name => all.push(name),
        }
    }
}

// ---- mailboxes ----

fn listed(lexer: &mut Lexer) -> Read<Listed> {
    let attributes = lexer.list(|lexer| Ok(lexer.flag()))?;
    lexer.spaces();
    let delimiter = match lexer.nstring("a delimiter")? {
        Octets::Held(octets) => {
            // RFC 3501 7.2.2: one character; an empty one is none
            String::from_utf8_lossy(&octets).chars().next()
        }
        _ => None,
    };
    lexer.spaces();
    Ok(Listed { attributes, delimiter, name: lexer.mailbox()? })
}

fn status_of(lexer: &mut Lexer) -> Read<Response> {
    let mailbox = lexer.mailbox()?;
    lexer.spaces();
    let items = lexer.list(|lexer| {
        let name = lexer.name();
        lexer.spaces();
        match StatusItem::named(&name) {
            Some(StatusItem::MailboxId) | None => lexer.skip(0).map(|()| None),
            Some(item) => Ok(Some((item, lexer.number64("a number")?))),
        }
    })?;
    Ok(Response::StatusOf { mailbox, items: items.into_iter().flatten().collect() })
}

fn search(lexer: &mut Lexer) -> Read<Vec<u32>> {
    let mut found = Vec::new();
    loop {
        lexer.spaces();
        match lexer.peek() {
            Some(b'0'..=b'9') => found.push(lexer.nz_number("a number of a message")?),
            // RFC 7162 3.1.5: (MODSEQ n) behind them
            _ => return Ok(found),
        }
    }
}

fn esearch(lexer: &mut Lexer) -> Read<Option<SequenceSet>> {
    if lexer.peek() == Some(b'(') {
        lexer.skip(0)?;
    }
    let mut all = None;
    loop {
        lexer.spaces();
        match lexer.name().as_str() {
            "" => return Ok(all),
            "UID" => {}
            "ALL" => {
                lexer.spaces();
                all = Some(set(lexer)?);
            }
            _ => {
                lexer.spaces();
                lexer.skip(0)?;
            }
        }
    }
}

fn set(lexer: &mut Lexer) -> Read<SequenceSet> {
    let text = lexer.word();
    let set = SequenceSet::parse(&text).map_err(|why| format!("a set of UIDs: {why}"))?;
    match set.without_star() {
        Some(_) => Ok(set),
        None => Err("a set of UIDs that names none".to_string()),
    }
}

// ---- messages ----

fn fetched(lexer: &mut Lexer, number: u32) -> Read<Fetched> {
    let mut found = Fetched { number, ..Fetched::default() };
    lexer.list(|lexer| item(lexer, &mut found))?;
    Ok(found)
}

fn item(lexer: &mut Lexer, found: &mut Fetched) -> Read<()> {
    let name = lexer.name();
    match name.as_str() {
        "BODY" | "BODY.PEEK" | "BINARY" if lexer.eat_text("[]") => {
            // RFC 3501 7.4.2: "<0>" of a part from its beginning
            if lexer.peek() == Some(b'<') {
                lexer.word();
            }
            lexer.spaces();
            found.body = Some(lexer.nstring("a message")?);
            return Ok(());
        }
        "" => return Err(lexer.expected("an item")),
        _ => {}
    }
    if lexer.peek() == Some(b'[') {
        // A section that nobody asked for: its name, its origin, its value.
        section(lexer)?;
    }
    lexer.spaces();
    match name.as_str() {
        "UID" => found.uid = Some(lexer.nz_number("a UID")?),
        "RFC822" => found.body = Some(lexer.nstring("a message")?),
        "RFC822.SIZE" => found.size = Some(lexer.number64("a size")?),
        "FLAGS" => found.flags = Some(lexer.list(|lexer| Ok(lexer.flag()))?),
        "INTERNALDATE" => {
            let text = lexer.nstring("a date")?;
            if let Octets::Held(text) = text {
                found.date = parse_date_time(&text);
            }
        }
        "MODSEQ" => found.modseq = lexer.list(|it| it.number64("a modseq"))?.first().copied(),
        "X-GM-LABELS" => found.labels = Some(labels(lexer)?),
        "X-GM-MSGID" => found.gmail_id = Some(lexer.number64("a number of Gmail's")?),
        _ => lexer.skip(0)?,
    }
    Ok(())
}

fn labels(lexer: &mut Lexer) -> Read<Vec<Name>> {
    match lexer.peek() {
        Some(b'(') => lexer.list(Lexer::label),
        _ => lexer.skip(0).map(|()| Vec::new()),
    }
}

fn section(lexer: &mut Lexer) -> Read<()> {
    lexer.need(b'[')?;
    while !lexer.eat(b']') {
        match lexer.peek() {
            Some(b'(') => drop(lexer.list(|lexer| lexer.nstring("a field").map(drop))?),
            Some(b' ') => lexer.spaces(),
            Some(_) if !lexer.word().is_empty() => {}
            _ => return Err(lexer.expected("\"]\"")),
        }
    }
    if lexer.peek() == Some(b'<') {
        lexer.word();
    }
    Ok(())
}
