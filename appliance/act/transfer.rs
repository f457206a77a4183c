//! Mail moved in bulk: mbox files, Maildirs and what stands on another server into an account, and
//! an account out into files.
//!
//! ```text
//! source                                mailbox
//! an mbox file                          --mailbox, or INBOX
//! a Maildir (cur/ new/)                 the same; its .Folder.Sub (Maildir++) become Folder/Sub
//! an .eml file, a folder of them        the same
//! a folder of all these                 their paths, without ".mbox" and ".sbd"
//! a .zip of all these                   the same as a folder; of Google Takeout: by its labels
//! ```
//!
//! Flags come from the fields Status and X-Status or from the file's name, keywords from X-Keywords
//! or `dovecot-keywords`. INTERNALDATE is the date of the From_ line, or of the Maildir file; where
//! there is none the newest Received, then Date, then the time of the mbox file.
//!
//! An import can be run again, after it was cut or after the source grew: a message that is in the
//! mailbox already, octet for octet and with the same date, is not brought a second time. Two equal
//! messages in the source are two messages in the mailbox, however often it is run.

mod archive;
mod arrive;
mod export;
mod gmail;
mod imap;
mod maildir;
pub(crate) mod many;
mod name;
mod revive;
mod source;

pub(super) use imap::alone;
pub(crate) use imap::{FromImap, import as import_imap};
pub(crate) use many::{Many, OneOfMany, import as import_many};

use crate::store::backup::sealed::Passphrase;
use crate::store::{AccountId, Store, account};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What to bring in, and where to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Import {
    /// The account that gets the mail: its log-in address.
    pub account: String,
    /// An mbox file, a Maildir, or a folder that holds them.
    pub from: PathBuf,
    /// The mailbox to fill (INBOX unless given); of a folder: the mailbox above those it makes.
    pub mailbox: Option<String>,
}

/// What to write out, and where to.
#[derive(Debug, Clone, Serialize, Deserialize, clap::Args)]
pub(crate) struct Export {
    /// The account whose mail is written: its log-in address
    pub account: String,
    /// A file or folder that does not exist yet (an empty folder will do)
    pub to: PathBuf,
    /// Only this mailbox
    #[arg(long, value_name = "NAME")]
    pub mailbox: Option<String>,
    /// One mbox file for each mailbox, or one Maildir with its folders
    #[arg(long, value_enum, default_value = "mbox")]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    Mbox,
    Maildir,
}

/// What to bring back out of a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Revive {
    /// A file that `backup` wrote.
    pub file: PathBuf,
    /// What opens it, where it is sealed.
    pub passphrase: Option<Passphrase>,
    /// Whose mail: the log-in address, in the backup and now.
    pub account: String,
    /// Only this mailbox.
    pub mailbox: Option<String>,
    /// Only this message: its UID in the mailbox, or its number as stories say it.
    pub message: Option<String>,
    /// Where to put it, unless where it was.
    pub into: Option<String>,
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Imported {
    pub messages: u64,
    pub octets: u64,
    /// Messages that were in their mailbox before.
    pub already_there: u64,
    pub mailboxes: u64,
    /// How many messages or files could not be brought.
    pub skipped: u64,
    /// Which and why; the first [`TOLD`] of them.
    pub skipped_because: Vec<String>,
}

/// What an export wrote.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exported {
    pub messages: u64,
    pub octets: u64,
    pub mailboxes: u64,
}

/// Skipped messages that are named one by one.
const TOLD: usize = 1_000;

impl Imported {
    fn skip(&mut self, why: String) {
        self.skipped += 1;
        if self.skipped_because.len() < TOLD {
            self.skipped_because.push(why);
        }
    }
}

impl std::fmt::Display for Imported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { messages, octets, already_there, mailboxes, skipped, .. } = self;
        write!(f, "{messages} messages ({octets} octets) brought into {mailboxes} mailboxes")?;
        write!(f, ", {already_there} were there already, {skipped} skipped")?;
        self.skipped_because.iter().try_for_each(|why| write!(f, "\nskipped: {why}"))
    }
}

impl std::fmt::Display for Exported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { messages, octets, mailboxes } = self;
        write!(f, "{messages} messages ({octets} octets) of {mailboxes} mailboxes written")
    }
}

/// Brings mail in. `progress` hears octets done and in all. An error says what, why and what to do;
/// what was committed before it stays.
pub(crate) fn import(
    store: &Store,
    ask: &Import,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Imported, String> {
    let account = find_account(store, &ask.account)?;
    let sources = source::find(&ask.from, ask.mailbox.as_deref())?;
    arrive::all(store, account, sources, ask.mailbox.as_deref(), progress)
}

/// Brings mail back out of a backup. `progress` hears octets done and in all.
pub(crate) fn revive(
    store: &Store,
    ask: &Revive,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Imported, String> {
    let account = find_account(store, &ask.account)?;
    revive::all(store, account, ask, progress)
}

/// Writes mail out. `progress` hears octets done and in all.
pub(crate) fn export(
    store: &Store,
    ask: &Export,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Exported, String> {
    let account = find_account(store, &ask.account)?;
    export::all(store, account, ask, progress)
}

fn find_account(store: &Store, login: &str) -> Result<AccountId, String> {
    let found = store.snapshot().and_then(|read| account::by_login(&read, login));
    match found.map_err(|why| format!("the account {login}: {why}"))? {
        Some((id, _)) => Ok(id),
        None => Err(format!("there is no account {login}")),
    }
}

fn at(path: &Path, why: impl std::fmt::Display) -> String {
    format!("{}: {why}", path.display())
}
