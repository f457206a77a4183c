//! Every command on one page: its name, when it may come, what it may tell, who handles it.

use super::{
    Core, Turn, append, copy, fetch, flags, idle, list, login, mailbox, quota, search, select,
};
use crate::wire::imap::Command;

/// RFC 9051 3: when a command may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum States {
    Any,
    NotAuthenticated,
    /// Authenticated or selected.
    Authenticated,
    Selected,
}

pub(crate) struct Row {
    pub name: &'static str,
    pub states: States,
    /// RFC 9051 7.5.1: may the reply come after EXPUNGE responses? Not of FETCH, STORE, SEARCH by
    /// numbers; nor of what ends the selected state.
    pub expunges: bool,
    pub run: Handler,
}

type Handler = fn(&mut Core, Command, &str, &mut Vec<u8>) -> Turn;

use States::{Any, Authenticated, NotAuthenticated, Selected};

const fn row(name: &'static str, states: States, expunges: bool, run: Handler) -> Row {
    Row { name, states, expunges, run }
}

/// For what could not be read as a command.
pub(crate) static UNKNOWN: Row = row("", Any, false, |_, command, _, _| super::misrouted(command));

static TABLE: [Row; 39] = [
    row("CAPABILITY", Any, true, login::capability),
    row("NOOP", Any, true, select::noop),
    row("LOGOUT", Any, false, login::logout),
    row("ID", Any, true, login::id),
    row("STARTTLS", NotAuthenticated, false, login::starttls),
    row("AUTHENTICATE", NotAuthenticated, false, login::authenticate),
    row("LOGIN", NotAuthenticated, false, login::login),
    row("ENABLE", Authenticated, true, login::enable),
    row("SELECT", Authenticated, false, select::select),
    row("EXAMINE", Authenticated, false, select::select),
    row("CREATE", Authenticated, true, mailbox::create),
    row("DELETE", Authenticated, true, mailbox::delete),
    row("RENAME", Authenticated, true, mailbox::rename),
    row("SUBSCRIBE", Authenticated, true, mailbox::subscribe),
    row("UNSUBSCRIBE", Authenticated, true, mailbox::unsubscribe),
    row("LIST", Authenticated, true, list::list),
    row("LSUB", Authenticated, true, list::lsub),
    row("NAMESPACE", Authenticated, true, mailbox::namespace),
    row("STATUS", Authenticated, true, mailbox::status),
    row("APPEND", Authenticated, true, append::append),
    row("IDLE", Authenticated, true, idle::idle),
    row("GETQUOTA", Authenticated, true, quota::get),
    row("GETQUOTAROOT", Authenticated, true, quota::root),
    row("SETQUOTA", Authenticated, true, quota::set),
    row("CHECK", Selected, true, select::noop),
    row("CLOSE", Selected, false, select::close),
    row("UNSELECT", Selected, false, select::unselect),
    row("EXPUNGE", Selected, true, select::expunge),
    row("UID EXPUNGE", Selected, true, select::expunge),
    row("SEARCH", Selected, false, search::search),
    row("UID SEARCH", Selected, true, search::search),
    row("FETCH", Selected, false, fetch::fetch),
    row("UID FETCH", Selected, true, fetch::fetch),
    row("STORE", Selected, false, flags::store),
    row("UID STORE", Selected, true, flags::store),
    row("COPY", Selected, true, copy::copy),
    row("UID COPY", Selected, true, copy::copy),
    row("MOVE", Selected, true, copy::copy),
    row("UID MOVE", Selected, true, copy::copy),
];

/// The row of a command.
pub(crate) fn find(command: &Command) -> &'static Row {
    let name = name(command);
    TABLE.iter().find(|row| row.name == name).unwrap_or(&UNKNOWN)
}

fn name(command: &Command) -> &'static str {
    let by =
        |uid: bool, with: &'static str, without: &'static str| if uid { with } else { without };
    match command {
        Command::Capability => "CAPABILITY",
        Command::Noop => "NOOP",
        Command::Logout => "LOGOUT",
        Command::Id(_) => "ID",
        Command::StartTls => "STARTTLS",
        Command::Authenticate { .. } => "AUTHENTICATE",
        Command::Login { .. } => "LOGIN",
        Command::Enable(_) => "ENABLE",
        Command::Select { read_only, .. } => by(*read_only, "EXAMINE", "SELECT"),
        Command::Create { .. } => "CREATE",
        Command::Delete(_) => "DELETE",
        Command::Rename { .. } => "RENAME",
        Command::Subscribe(_) => "SUBSCRIBE",
        Command::Unsubscribe(_) => "UNSUBSCRIBE",
        Command::List(_) => "LIST",
        Command::Lsub { .. } => "LSUB",
        Command::Namespace => "NAMESPACE",
        Command::Status { .. } => "STATUS",
        Command::Append { .. } => "APPEND",
        Command::Idle => "IDLE",
        Command::GetQuota(_) => "GETQUOTA",
        Command::GetQuotaRoot(_) => "GETQUOTAROOT",
        Command::SetQuota => "SETQUOTA",
        Command::Check => "CHECK",
        Command::Close => "CLOSE",
        Command::Unselect => "UNSELECT",
        Command::Expunge { uids } => by(uids.is_some(), "UID EXPUNGE", "EXPUNGE"),
        Command::Search { uid, .. } => by(*uid, "UID SEARCH", "SEARCH"),
        Command::Fetch { uid, .. } => by(*uid, "UID FETCH", "FETCH"),
        Command::Store { uid, .. } => by(*uid, "UID STORE", "STORE"),
        Command::Copy { uid, .. } => by(*uid, "UID COPY", "COPY"),
        Command::Move { uid, .. } => by(*uid, "UID MOVE", "MOVE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9051 7.5.1: numbers that the client is using must not shift.
    #[test]
    fn commands_that_use_numbers_tell_no_expunge() {
        for name in ["FETCH", "STORE", "SEARCH"] {
            let row = TABLE.iter().find(|row| row.name == name).map(|row| row.expunges);
            assert_eq!(row, Some(false), "{name}");
        }
    }
}
