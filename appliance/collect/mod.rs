//! Mail from other providers, and out by them.
//!
//! ```text
//! board       how far the imports are that are under way
//! discover    the servers of an address that nobody told us, found and tried
//! probe       one try of a server: connect, TLS, log in
//! providers   well-known providers as data: hosts, ports, what a person must switch on
//! reach       a connection to a server of a provider, with TLS that is proven
//! imap        a provider's IMAP: import of everything
//! pop3        one look at a maildrop: what is new comes here, what is old enough goes there
//! letter      one letter: for whom, into the store or left there
//! moving      how a domain comes here from another provider: pure
//! multidrop   one mailbox for a domain: for whom is a letter?
//! plan        when an account is looked at next, and what a person is told of trouble
//! ```
//!
//! A letter is written in one commit with the note that it was brought, and only then may it go at
//! the provider: a cut at any moment neither loses nor doubles it.

pub(crate) mod board;
pub(crate) mod discover;
pub(crate) mod imap;
mod letter;
pub(crate) mod moving;
pub(crate) mod multidrop;
pub(crate) mod plan;
pub(crate) mod pop3;
pub(crate) mod probe;
pub(crate) mod providers;
pub(crate) mod reach;

use crate::delivery::keyring::{Keyring, NoKey};
use crate::delivery::receive::Post;
use crate::delivery::report::Moment;
use crate::net::resolver::Resolver;
use crate::store::{Store, StoreError};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What all collecting shares.
pub(crate) struct Desk {
    pub post: Arc<Post>,
    pub resolver: Resolver,
    /// What opens the accounts.
    pub keyring: Arc<Keyring>,
    /// A PEM file with authorities beside the public ones.
    pub authority: Option<PathBuf>,
    /// The clock and chance.
    pub moment: fn() -> Moment,
    /// So many are spoken to at once.
    pub lines: Semaphore,
}

impl Desk {
    pub(crate) fn store(&self) -> &Store {
        self.post.store()
    }
}

/// What one look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Looked {
    /// Letters that were taken over.
    pub taken: usize,
    /// Letters that stay there, and are told of.
    pub skipped: usize,
    pub deleted: usize,
    /// There are more: look again at once.
    pub more: bool,
}

/// Why nothing is collected now, for the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Of [`crate::store::format::OutsideState`].
    pub trouble: u32,
    pub why: String,
    /// What the other server said, word by word.
    pub reply: String,
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        if !self.reply.is_empty() {
            write!(f, " The server said: {}.", self.reply.trim_end_matches('.'))?;
        }
        write!(f, " What to do: {}", self.remedy)
    }
}

impl Fault {
    pub(crate) fn new(trouble: u32, why: impl Into<String>, remedy: &str) -> Self {
        let (why, reply, remedy) = (why.into(), String::new(), remedy.to_string());
        Self { trouble, why, reply, remedy }
    }

    pub(crate) fn refused(reply: &str) -> Self {
        let why = "The provider refuses the log-in.";
        let remedy = "Give the password anew: it may have changed or expired, or the provider \
                      wants one that is made for programs.";
        Self { reply: reply.to_string(), ..Self::new(plan::REFUSED, why, remedy) }
    }

    pub(crate) fn store(error: &StoreError) -> Self {
        let why = format!("What was collected cannot be kept here: {error}.");
        Self::new(plan::OTHER, why, "Tell whoever looks after this server.")
    }
}

impl From<NoKey> for Fault {
    fn from(no: NoKey) -> Self {
        match no {
            NoKey::Unreadable => {
                let why = "The password cannot be read on this box: it was kept with another key, \
                           as after a restore.";
                Self::new(plan::NO_SECRET, why, "Give the password anew.")
            }
            NoKey::LogIn(reply) => {
                let why = "The provider wants you to sign in anew.";
                Self { reply, ..Self::new(plan::REFUSED, why, "Sign in there once more.") }
            }
            NoKey::Passing(why) => {
                Self::new(plan::UNREACHED, format!("No token now: {why}."), "Nothing: wait.")
            }
        }
    }
}

impl From<reach::NoCall> for Fault {
    fn from(no: reach::NoCall) -> Self {
        match no {
            reach::NoCall::Passing(why) => {
                let remedy = "Wait: it may be over soon. If not, look whether the server's name \
                              and port are right.";
                Self::new(plan::UNREACHED, why, remedy)
            }
            reach::NoCall::Lasting(why) => {
                let remedy = "Look whether the server's name is right. If it is, its certificate \
                              is not, and the password is not told to whoever answers there.";
                Self::new(plan::CERTIFICATE, why, remedy)
            }
        }
    }
}
