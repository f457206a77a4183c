//! The table of commands, and the parsers of the short ones.
//!
//! ```text
//! command-any     = "CAPABILITY" / "LOGOUT" / "NOOP" / id
//! command-nonauth = login / authenticate / "STARTTLS"
//! command-auth    = append / create / delete / enable / examine / list / lsub / "NAMESPACE" /
//!                   rename / select / status / subscribe / unsubscribe / "IDLE" / quota
//! command-select  = "CHECK" / "CLOSE" / "UNSELECT" / "EXPUNGE" / copy / move / fetch / store /
//!                   search / uid
//! ```

use super::super::Command;
use super::lexer::Lexer;
use super::{Fault, Parsed, append, fetch, list, search, select, store};

/// The commands that may have a literal, and UID.
const WITH_LITERALS: [&str; 23] = [
    "ID",
    "AUTHENTICATE",
    "LOGIN",
    "ENABLE",
    "SELECT",
    "EXAMINE",
    "CREATE",
    "DELETE",
    "RENAME",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST",
    "LSUB",
    "STATUS",
    "APPEND",
    "GETQUOTA",
    "GETQUOTAROOT",
    "SETQUOTA",
    "UID",
    "SEARCH",
    "FETCH",
    "COPY",
    "MOVE",
];

/// Is the name that of a command that may have a literal?
pub(super) fn known(lexer: &mut Lexer) -> Parsed<()> {
    let name = lexer.word("a command")?;
    match WITH_LITERALS.contains(&name.as_str()) {
        true => Ok(()),
        false => Err(lexer.unknown("command with a literal", &name)),
    }
}

pub(super) fn command(lexer: &mut Lexer) -> Parsed<Command> {
    let name = lexer.word("a command")?;
    match name.as_str() {
        "CAPABILITY" => Ok(Command::Capability),
        "NOOP" => Ok(Command::Noop),
        "LOGOUT" => Ok(Command::Logout),
        "ID" => id(lexer),
        "STARTTLS" => Ok(Command::StartTls),
        "AUTHENTICATE" => authenticate(lexer),
        "LOGIN" => login(lexer),
        "ENABLE" => enable(lexer),
        "SELECT" => select::select(lexer, false),
        "EXAMINE" => select::select(lexer, true),
        "CREATE" => list::create(lexer),
        "DELETE" => mailbox(lexer).map(Command::Delete),
        "RENAME" => rename(lexer),
        "SUBSCRIBE" => mailbox(lexer).map(Command::Subscribe),
        "UNSUBSCRIBE" => mailbox(lexer).map(Command::Unsubscribe),
        "LIST" => list::list(lexer),
        "LSUB" => list::lsub(lexer),
        "NAMESPACE" => Ok(Command::Namespace),
        "STATUS" => list::status(lexer),
        "APPEND" => append::append(lexer),
        "IDLE" => Ok(Command::Idle),
        "GETQUOTA" => get_quota(lexer),
        "GETQUOTAROOT" => mailbox(lexer).map(Command::GetQuotaRoot),
        "SETQUOTA" => set_quota(lexer),
        "CHECK" => Ok(Command::Check),
        "CLOSE" => Ok(Command::Close),
        "UNSELECT" => Ok(Command::Unselect),
        "EXPUNGE" => Ok(Command::Expunge { uids: None }),
        "UID" => uid(lexer),
        _ => selected(lexer, &name, false).unwrap_or_else(|| Err(lexer.unknown("command", &name))),
    }
}

/// uid = "UID" SP (copy / move / fetch / search / store / uid-expunge)
fn uid(lexer: &mut Lexer) -> Parsed<Command> {
    lexer.space()?;
    let name = lexer.word("COPY, MOVE, FETCH, SEARCH, STORE or EXPUNGE")?;
    if name == "EXPUNGE" {
        lexer.space()?;
        return Ok(Command::Expunge { uids: Some(lexer.sequence_set()?) });
    }
    selected(lexer, &name, true).unwrap_or_else(|| Err(lexer.unknown("command behind UID", &name)))
}

/// The commands that come with UID and without.
fn selected(lexer: &mut Lexer, name: &str, uid: bool) -> Option<Parsed<Command>> {
    Some(match name {
        "SEARCH" => search::search(lexer, uid),
        "FETCH" => fetch::fetch(lexer, uid),
        "STORE" => store::store(lexer, uid),
        "COPY" => copy(lexer).map(|(set, mailbox)| Command::Copy { uid, set, mailbox }),
        "MOVE" => copy(lexer).map(|(set, mailbox)| Command::Move { uid, set, mailbox }),
        _ => return None,
    })
}

/// copy = "COPY" SP sequence-set SP mailbox
fn copy(lexer: &mut Lexer) -> Parsed<(super::super::sequence::SequenceSet, String)> {
    lexer.space()?;
    let set = lexer.sequence_set()?;
    Ok((set, mailbox(lexer)?))
}

/// SP mailbox
fn mailbox(lexer: &mut Lexer) -> Parsed<String> {
    lexer.space()?;
    lexer.mailbox()
}

/// RFC 2971 3.3: id = "ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" / nil)
fn id(lexer: &mut Lexer) -> Parsed<Command> {
    lexer.space()?;
    if lexer.eat_text("NIL") {
        return Ok(Command::Id(None));
    }
    let pairs = lexer.list(|lexer| {
        let field = lexer.string("a field name in quotes")?;
        lexer.space()?;
        Ok((field, lexer.nstring("a value in quotes or NIL")?))
    })?;
    Ok(Command::Id(Some(pairs)))
}

/// authenticate = "AUTHENTICATE" SP auth-type [SP (base64 / "=")]; the base64 is the log-in's
fn authenticate(lexer: &mut Lexer) -> Parsed<Command> {
    lexer.space()?;
    let mechanism = lexer.atom("a mechanism")?.to_ascii_uppercase();
    lexer.hush();
    let initial = match lexer.eat(b' ') {
        true => Some(lexer.atom("an initial response in base64")?.into_bytes()),
        false => None,
    };
    Ok(Command::Authenticate { mechanism, initial })
}

/// login = "LOGIN" SP userid SP password; both astring
fn login(lexer: &mut Lexer) -> Parsed<Command> {
    lexer.hush();
    lexer.space()?;
    let name = lexer.credential("a user name")?;
    lexer.space()?;
    Ok(Command::Login { name, password: lexer.credential("a password")? })
}

/// enable = "ENABLE" 1*(SP capability)
fn enable(lexer: &mut Lexer) -> Parsed<Command> {
    let mut names = Vec::new();
    lexer.space()?;
    loop {
        names.push(lexer.atom("a capability")?.to_ascii_uppercase());
        if !lexer.eat(b' ') {
            return Ok(Command::Enable(names));
        }
    }
}

/// rename = "RENAME" SP mailbox SP mailbox
fn rename(lexer: &mut Lexer) -> Parsed<Command> {
    let from = mailbox(lexer)?;
    lexer.space()?;
    Ok(Command::Rename { from, to: lexer.new_mailbox()? })
}

/// getquota = "GETQUOTA" SP quota-root-name
fn get_quota(lexer: &mut Lexer) -> Parsed<Command> {
    lexer.space()?;
    Ok(Command::GetQuota(lexer.astring("a quota root")?))
}

/// RFC 9208 7: setquota = "SETQUOTA" SP quota-root-name SP "(" [name SP number *(...)] ")"
fn set_quota(lexer: &mut Lexer) -> Parsed<Command> {
    lexer.space()?;
    lexer.astring("a quota root")?;
    lexer.space()?;
    lexer.list(|lexer| {
        lexer.atom("a resource name")?;
        lexer.space()?;
        lexer.number64("a limit").map_err(|fault| Fault::bad(fault.why))
    })?;
    Ok(Command::SetQuota)
}
