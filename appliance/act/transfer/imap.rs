//! Everything of an account on another IMAP server.

use super::{Imported, find_account};
use crate::act;
use crate::collect::imap::import::{self, Ask, Login, Pace, Progress, Report, Secret};
use crate::collect::reach::{Place, Security};
use crate::store::{AccountId, Store};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Which, and for whom.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct FromImap {
    /// The account that gets the mail: its log-in address.
    pub account: String,
    pub host: String,
    pub port: u16,
    pub tls: Security,
    pub user: String,
    pub password: String,
    /// A PEM file with authorities beside the public ones.
    pub authority: Option<PathBuf>,
    /// The mailbox that all are to stand below.
    pub mailbox: Option<String>,
    /// Empty: those of the system.
    pub name_servers: Vec<SocketAddr>,
}

/// A password does not go into logs.
impl fmt::Debug for FromImap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}@{}:{}", self.account, self.user, self.host, self.port)
    }
}

/// Brings it in. An error says what, why and what to do; what was committed before it stays.
pub(crate) fn import(
    store: &Store,
    ask: FromImap,
    told: &mut dyn FnMut(act::Progress),
) -> Result<Imported, String> {
    let account = find_account(store, &ask.account)?;
    run(store, self::ask(account, ask), told)
}

/// The same as the engine has it.
pub(super) fn ask(account: AccountId, from: FromImap) -> Ask {
    let FromImap { host, port, tls, user, password, authority, mailbox, name_servers, .. } = from;
    Ask {
        account,
        place: Place { host, port, tls, authority },
        login: Login { user, secret: Secret::Password(password) },
        above: mailbox,
        name_servers,
        pace: Pace::default(),
    }
}

pub(super) fn run(
    store: &Store,
    ask: Ask,
    told: &mut dyn FnMut(act::Progress),
) -> Result<Imported, String> {
    let mut progress = |done: Progress| {
        let Progress { messages, of, octets, .. } = done;
        told(act::Progress::Mail { messages, of, octets });
    };
    alone(import::run(store, ask, &mut progress))?.map(imported)
}

/// On a thread that does nothing else.
pub(in crate::act) fn alone<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|error| format!("no threads: {error}"))?.block_on(work))
}

fn imported(report: Report) -> Imported {
    Imported {
        messages: report.messages,
        octets: report.octets,
        already_there: report.already,
        mailboxes: report.folders,
        skipped: report.skipped_count,
        skipped_because: report.skipped,
    }
}
