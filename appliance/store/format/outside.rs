//! Rows of outside accounts: mailboxes that people have with others.

use prost::Message;
use std::fmt;

/// A mailbox that a person has with somebody else: mail is collected from it, and leaves by it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Outside {
    /// The person's address there; no two of a person's are alike.
    #[prost(string, tag = "1")]
    pub address: String,
    /// The entry of `config/providers.toml` that it was made from; empty: none.
    #[prost(string, tag = "2")]
    pub provider: String,
    /// Where mail is collected; absent: mail only leaves by it.
    #[prost(message, optional, tag = "3")]
    pub source: Option<OutsideHost>,
    /// 0 IMAP, 1 POP3.
    #[prost(uint32, tag = "4")]
    pub kind: u32,
    #[prost(string, tag = "5")]
    pub login: String,
    /// 0 password, 1 XOAUTH2.
    #[prost(uint32, tag = "6")]
    pub way: u32,
    /// [`Secrets`], encrypted with the key of the box; bound to the key of this row.
    #[prost(bytes = "vec", tag = "7")]
    pub sealed: Vec<u8>,
    /// What becomes of mail there once it is here: 0 it stays, 1 it is deleted after `days`, 2 it
    /// is moved to the folder `move_to`.
    #[prost(uint32, tag = "8")]
    pub after: u32,
    #[prost(uint32, tag = "9")]
    pub days: u32,
    #[prost(string, tag = "10")]
    pub move_to: String,
    /// Folders to collect, UTF-8 with "/" between levels; none: the inbox.
    #[prost(string, repeated, tag = "11")]
    pub folders: Vec<String>,
    /// Where mail leaves that is sent with one of `senders`; absent: as other mail.
    #[prost(message, optional, tag = "12")]
    pub relay: Option<OutsideHost>,
    /// Addresses of the person that leave through it, in lower case.
    #[prost(string, repeated, tag = "13")]
    pub senders: Vec<String>,
    /// The log-in name at `relay`; empty: as `login`.
    #[prost(string, tag = "14")]
    pub relay_login: String,
    /// It is the catch-all of a domain: mail is shared out by the address it was sent to.
    #[prost(message, optional, tag = "15")]
    pub multidrop: Option<Multidrop>,
    #[prost(message, optional, tag = "16")]
    pub oauth: Option<Oauth>,
    /// Whose Authentication-Results are believed (RFC 8601 2.5), by domain.
    #[prost(string, repeated, tag = "17")]
    pub vouchers: Vec<String>,
    /// Nothing is collected for now.
    #[prost(bool, tag = "18")]
    pub paused: bool,
    /// Seconds since 1970.
    #[prost(int64, tag = "19")]
    pub created: i64,
    /// Grows with each change.
    #[prost(uint32, tag = "20")]
    pub changes: u32,
    /// Of `senders`: those that are the person's by the log-in itself or by the owner's word.
    #[prost(string, repeated, tag = "21")]
    pub granted: Vec<String>,
    /// Its log-in let us in since its servers and its name there changed last: what is granted
    /// counts.
    #[prost(bool, tag = "22")]
    pub proven: bool,
}

/// A server of a provider.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OutsideHost {
    #[prost(string, tag = "1")]
    pub host: String,
    #[prost(uint32, tag = "2")]
    pub port: u32,
    /// 0 TLS from the first octet, 1 STARTTLS (STLS): there must be TLS.
    #[prost(uint32, tag = "3")]
    pub tls: u32,
}

/// How one mailbox is shared out.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Multidrop {
    /// The domain whose mail it holds.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// The one field that names the recipient, in lower case; empty: those that are usual.
    #[prost(string, tag = "2")]
    pub field: String,
    /// What only To and Cc tell is believed too, though they name others as well.
    #[prost(bool, tag = "3")]
    pub believe_to: bool,
}

/// RFC 6749 and RFC 8628: where tokens come from. The client is registered by the owner.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Oauth {
    #[prost(string, tag = "1")]
    pub client_id: String,
    #[prost(string, tag = "2")]
    pub device_url: String,
    #[prost(string, tag = "3")]
    pub token_url: String,
    #[prost(string, tag = "4")]
    pub scope: String,
}

/// What is kept secret of an outside account. It never stands in a row as it is.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Secrets {
    #[prost(string, tag = "1")]
    pub password: String,
    #[prost(string, tag = "2")]
    pub refresh_token: String,
    #[prost(string, tag = "3")]
    pub client_secret: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

/// How collecting from it goes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OutsideState {
    /// When it was looked at last, seconds since 1970; written only now and then.
    #[prost(int64, tag = "1")]
    pub looked: i64,
    /// When the last letter was taken over from it.
    #[prost(int64, tag = "2")]
    pub letter: i64,
    /// Letters taken over from it, ever.
    #[prost(uint64, tag = "3")]
    pub letters: u64,
    /// What is wrong and what to do, for a person; empty: nothing.
    #[prost(string, tag = "4")]
    pub error: String,
    /// 1 the log-in is refused, 2 the certificate does not fit, 3 the server is not reached, 4 the
    /// provider asks to slow down, 5 there is no room here, 6 the secret cannot be read, 9 other.
    #[prost(uint32, tag = "5")]
    pub trouble: u32,
    /// Since when.
    #[prost(int64, tag = "6")]
    pub since: i64,
    /// Looks in a row that failed.
    #[prost(uint32, tag = "7")]
    pub failures: u32,
    /// The person was told of this trouble.
    #[prost(bool, tag = "8")]
    pub told: bool,
    /// Letters that were not taken over, the newest last.
    #[prost(message, repeated, tag = "9")]
    pub skipped: Vec<Skipped>,
}

/// All that an outside account holds is brought over: asked for, and how it goes or went.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OutsideImport {
    /// 0 under way, 1 paused, 2 done, 3 given up.
    #[prost(uint32, tag = "1")]
    pub stage: u32,
    /// Seconds since 1970, as all times here.
    #[prost(int64, tag = "2")]
    pub began: i64,
    /// 0: not yet.
    #[prost(int64, tag = "3")]
    pub ended: i64,
    /// Of the run that was last: letters brought over, and their octets.
    #[prost(uint64, tag = "4")]
    pub messages: u64,
    #[prost(uint64, tag = "5")]
    pub octets: u64,
    /// Letters that were here already.
    #[prost(uint64, tag = "6")]
    pub already: u64,
    #[prost(uint64, tag = "7")]
    pub folders: u64,
    /// Letters that were not brought, and of the first of them which and why.
    #[prost(uint64, tag = "8")]
    pub skipped_count: u64,
    #[prost(string, repeated, tag = "9")]
    pub skipped: Vec<String>,
    /// Why the last try ended early; empty: it did not.
    #[prost(string, tag = "10")]
    pub error: String,
    /// Tries in a row that ended early.
    #[prost(uint32, tag = "11")]
    pub tries: u32,
    /// When the next try begins.
    #[prost(int64, tag = "12")]
    pub next: i64,
    /// How far it was when it was paused: of how many letters, and letters and octets of them.
    #[prost(uint64, tag = "13")]
    pub of: u64,
    #[prost(uint64, tag = "14")]
    pub done: u64,
}

/// A letter that stays where it is.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Skipped {
    /// Seconds since 1970.
    #[prost(int64, tag = "1")]
    pub at: i64,
    #[prost(uint64, tag = "2")]
    pub size: u64,
    #[prost(string, tag = "3")]
    pub from: String,
    #[prost(string, tag = "4")]
    pub subject: String,
    #[prost(string, tag = "5")]
    pub why: String,
}

/// Letters of a POP3 maildrop that were dealt with; all lists are of one length.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Fetched {
    /// The first 16 octets of SHA-256 of each unique-id (RFC 1939 7).
    #[prost(bytes = "vec", tag = "1")]
    pub ids: Vec<u8>,
    /// When each was, seconds since 1970.
    #[prost(int64, repeated, tag = "2")]
    pub at: Vec<i64>,
    /// Of each: 0 it was taken over, 1 it was skipped.
    #[prost(uint32, repeated, tag = "3")]
    pub how: Vec<u32>,
}
