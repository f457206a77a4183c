//! The format of the store: every key and every row. Version 1.
//!
//! # The file
//!
//! `DATA/store/data.mdb` is one LMDB environment with one unnamed key space. A key is a tag octet
//! and fixed-width big-endian numbers, so that what a delivery touches lies side by side:
//!
//! ```text
//! key                                       row         what it is
//! 'V'                                       Version     format version, store id
//! 'C' account                               Account     log-in address, credentials, quota, state
//! 'D' domain                                Domain      a domain the box is home to
//! 'R' domain 00 local                       Route       where an address leads (both lower case)
//! 'N' account mailbox                       MailboxName name, uidvalidity, special use, keywords
//! 'U' account hash16(name)                  Subscribed  it may outlive its mailbox
//! 'M' account mailbox 00 uid                MailRow     one message of a mailbox: small
//! 'M' account mailbox FF                    MailboxTail uidnext, highestmodseq, counters
//! 'X' account mailbox modseq uid            Expunged    uids from uid that vanished at this modseq
//! 'J' mail 00                               BodyHead    size, hash, Facts
//! 'J' mail 01 part                          octets      the body: part = block * 8 + piece
//! 'J' mail 02                               Trace       the story of the message
//! 'I' hash8(message-id) 00 hash32(body)     BodyRef     the body with this content, references
//! 'I' hash8(message-id) 01 account          ThreadRef   the thread that holds this Message-ID
//! 'S' account                               Sent        outside recipients written to in a day
//! 'K' account hash1(address)                Known       whom the person knows
//! 'O' due mail                              Outgoing    a message on its way out
//! 'P' domain                                StsPolicy   the MTA-STS policy of another domain
//! 'T' day domain                            TlsDay      how TLS with another domain went that day
//! 'W' 00                                    Owner       who may do everything on the setup page
//! 'W' 01                                    Setup       how far the setting up has come
//! 'W' 02                                    Tokens      which programs may act for the owner
//! 'W' 03                                    Looked      the last look at the world, what changed
//! 'W' 04                                    Moves       domains on their way here
//! 'A' act                                   Audit       an act of the owner
//! 'E' account outside 00                    Outside     a mailbox that the person has elsewhere
//! 'E' account outside 01                    OutsideState  how collecting from it goes
//! 'E' account outside 02 hash1(unique-id)   Fetched     letters of a POP3 maildrop dealt with
//! 'E' account outside 03                    OutsideImport  all that it holds is brought over
//! 'B' account source folder 00              BroughtFolder  a folder on another server
//! 'B' account source folder 01 uidvalidity run  Brought    what was brought in from it
//!
//! account 0: nobody's, there while mail is proven to work (`proof`); no Route leads to it
//! account, mailbox, uid, outside: u32 · mail, modseq, due, act: u64 · part, day: u32
//! domain, local: UTF-8
//! hash1: the last octet of SHA-256 of an address in lower case, the 16th of that of a unique-id
//! source: hash8("user@host") · folder: hash8(its name there) · uidvalidity: u32 · run: u32, the
//! uids of one row from run * 128 on
//! ```
//!
//! Why it is so: a commit writes each touched leaf page and its branch anew, and a flash card pays
//! for each. A delivery touches three places: the end of 'J' (body, facts and trace together, since
//! `mail` grows with time), one leaf of 'I' (found by Message-ID, so that content and thread share
//! it), and the end of the mailbox in 'M' (the newest message beside the tail). The quota is the
//! sum of the tails, so there is no row for it. 'O' is ordered by the time (seconds since 1970, or
//! all ones: never) at which a message is next to be looked at; a change of it moves the row. The
//! reference count stands in BodyRef and not in BodyHead, so that COPY and expunge write one leaf
//! of 'I' and none of 'J'.
//!
//! # A row
//!
//! ```text
//! crc32 u32 LE over all that follows · key length u16 LE · key · payload
//! ```
//!
//! The key stands in the row so that salvage can read pages without the tree. A payload is a
//! protobuf message with the tags below; only the parts of a body are octets. Rows grow by new tags
//! and never change the meaning of an old one, so the previous firmware reads what the next wrote.
//!
//! # A body
//!
//! Raw octets are cut into blocks of 64 KiB; each block is compressed by itself (zstd) where that
//! helps, then cut into pieces of at most [`crate::limits::BODY_PART_BYTES`], so that no row needs
//! a long run of free pages and any block can be read alone. The first octet of a block is 0 (raw)
//! or 1 (zstd).
//!
//! What differs per person (Return-Path, Delivered-To) is `prefix` in the MailRow. A message as
//! seen by a client is prefix followed by body: RFC822.SIZE counts both.
//!
//! # A message's states
//!
//! ```text
//! Trace only (refused, or expunged and still told) <-> Body with references >= 1
//! MailRow exists  <=>  it is counted in BodyRef.references, in ThreadRef.messages and in its
//!                      MailboxTail
//! Outgoing exists <=>  it is counted in BodyRef.references, a recipient is not done, and it
//!                      stands once, at the time when the first of those that wait is due
//! ```

mod brought;
mod looked;
mod moving;
mod outside;

pub(crate) use brought::{Brought, BroughtFolder};
pub(crate) use looked::{Looked, Seen, SeenChange, SeenSaid, SeenValue};
pub(crate) use moving::{Move, MoveDay, MoveResult, Moves};
pub(crate) use outside::{
    Fetched, Multidrop, Oauth, Outside, OutsideHost, OutsideImport, OutsideState, Secrets, Skipped,
};
use prost::Message;

pub(crate) const FORMAT_VERSION: u32 = 1;

/// Row tags, the first octet of a key.
pub(crate) mod tag {
    pub(crate) const VERSION: u8 = b'V';
    pub(crate) const ACCOUNT: u8 = b'C';
    pub(crate) const DOMAIN: u8 = b'D';
    pub(crate) const ROUTE: u8 = b'R';
    pub(crate) const NAME: u8 = b'N';
    pub(crate) const SUBSCRIBED: u8 = b'U';
    pub(crate) const MAIL: u8 = b'M';
    pub(crate) const EXPUNGED: u8 = b'X';
    pub(crate) const BODY: u8 = b'J';
    pub(crate) const INDEX: u8 = b'I';
    pub(crate) const OUTGOING: u8 = b'O';
    pub(crate) const SENT: u8 = b'S';
    pub(crate) const STS_POLICY: u8 = b'P';
    pub(crate) const TLS_DAY: u8 = b'T';
    pub(crate) const KNOWN: u8 = b'K';
    pub(crate) const OWNER: u8 = b'W';
    pub(crate) const AUDIT: u8 = b'A';
    pub(crate) const OUTSIDE: u8 = b'E';
    pub(crate) const BROUGHT: u8 = b'B';
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Version {
    #[prost(uint32, tag = "1")]
    pub format: u32,
    /// Random, made with the store: tells two stores apart.
    #[prost(bytes = "vec", tag = "2")]
    pub store_id: Vec<u8>,
    /// The next AccountId.
    #[prost(uint32, tag = "3")]
    pub next_account: u32,
    /// The newest MailId whose rows are gone while it was the newest of all: MailIds go on above.
    #[prost(fixed64, tag = "4")]
    pub last_mail: u64,
    /// What the last check of the whole store came to.
    #[prost(message, optional, tag = "5")]
    pub checked: Option<Checked>,
}

/// The result of a check.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Checked {
    /// When it ended, seconds since 1970.
    #[prost(int64, tag = "1")]
    pub at: i64,
    #[prost(uint64, tag = "2")]
    pub rows: u64,
    /// Octets read for it.
    #[prost(uint64, tag = "3")]
    pub octets: u64,
    #[prost(uint64, tag = "4")]
    pub faults: u64,
    /// The first faults, in words.
    #[prost(string, repeated, tag = "5")]
    pub told: Vec<String>,
    /// Mailboxes and bodies that changed too often to be judged.
    #[prost(uint32, tag = "6")]
    pub unjudged: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Account {
    /// The address that is its log-in name.
    #[prost(string, tag = "1")]
    pub login: String,
    #[prost(string, tag = "2")]
    pub name: String,
    /// Octets; 0: no limit.
    #[prost(uint64, tag = "3")]
    pub quota: u64,
    #[prost(bool, tag = "4")]
    pub suspended: bool,
    #[prost(int64, tag = "5")]
    pub created: i64,
    #[prost(message, repeated, tag = "6")]
    pub credentials: Vec<Credential>,
    /// One salt and iteration count for all credentials, so that SCRAM can try each.
    #[prost(bytes = "vec", tag = "7")]
    pub scram_salt: Vec<u8>,
    #[prost(uint32, tag = "8")]
    pub scram_iterations: u32,
    /// The next MailboxId.
    #[prost(uint32, tag = "9")]
    pub next_mailbox: u32,
    /// The next UIDVALIDITY: grows with each mailbox made, so a name never gets an old one back.
    #[prost(uint32, tag = "10")]
    pub next_uidvalidity: u32,
    /// IMAP capabilities that are not offered to this account.
    #[prost(string, repeated, tag = "11")]
    pub capabilities_off: Vec<String>,
    /// The owner deleted it, and may still think otherwise.
    #[prost(message, optional, tag = "12")]
    pub leaving: Option<Leaving>,
    /// The next number of an outside account.
    #[prost(uint32, tag = "13")]
    pub next_outside: u32,
}

/// A closed account: `suspended` is set as well, so that a version before this one lets nobody in.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Leaving {
    /// Seconds since 1970.
    #[prost(int64, tag = "1")]
    pub closed: i64,
    /// Days until it is removed with its mail.
    #[prost(uint32, tag = "2")]
    pub days: u32,
    /// The day (since 1970, UTC) that was counted last: a clock that jumps takes one day, not all.
    #[prost(int64, tag = "3")]
    pub counted: i64,
    /// It was suspended before.
    #[prost(bool, tag = "4")]
    pub suspended: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Credential {
    /// "password", or what the person called the app password.
    #[prost(string, tag = "1")]
    pub label: String,
    /// PHC string of argon2id.
    #[prost(string, tag = "2")]
    pub argon2: String,
    /// RFC 5802 3; 32 octets each (SHA-256).
    #[prost(bytes = "vec", tag = "3")]
    pub stored_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub server_key: Vec<u8>,
    #[prost(int64, tag = "5")]
    pub created: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Domain {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int64, tag = "2")]
    pub created: i64,
    /// Account that gets what no address of the domain takes.
    #[prost(uint32, optional, tag = "3")]
    pub catch_all: Option<u32>,
    /// Account that postmaster and abuse lead to while no Route of theirs does.
    #[prost(uint32, optional, tag = "4")]
    pub postmaster: Option<u32>,
}

/// Where an address leads: to accounts, by id, and to further addresses. A log-in address has the
/// id of its own account alone.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Route {
    /// As the owner wrote it.
    #[prost(string, tag = "1")]
    pub address: String,
    #[prost(uint32, repeated, tag = "2")]
    pub accounts: Vec<u32>,
    /// The log-in address of an account, which goes only with the account.
    #[prost(bool, tag = "3")]
    pub primary: bool,
    #[prost(int64, tag = "4")]
    pub created: i64,
    /// Addresses: one in a domain of ours leads where its own Route does, any other is outside.
    #[prost(string, repeated, tag = "5")]
    pub targets: Vec<String>,
    /// Outside recipients that mail was passed on to on that day (days since 1970, UTC).
    #[prost(int64, tag = "6")]
    pub passed_day: i64,
    #[prost(uint32, tag = "7")]
    pub passed: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MailboxName {
    /// UTF-8, "/" between levels.
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(uint32, tag = "2")]
    pub uidvalidity: u32,
    /// RFC 6154, as "\\Sent"; empty when none.
    #[prost(string, tag = "3")]
    pub special_use: String,
    /// Keywords by their number in MailRow.keywords.
    #[prost(string, repeated, tag = "4")]
    pub keywords: Vec<String>,
    #[prost(int64, tag = "5")]
    pub created: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Subscribed {
    #[prost(string, tag = "1")]
    pub name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MailboxTail {
    #[prost(uint32, tag = "1")]
    pub uidnext: u32,
    #[prost(uint64, tag = "2")]
    pub highestmodseq: u64,
    #[prost(uint32, tag = "3")]
    pub messages: u32,
    #[prost(uint32, tag = "4")]
    pub unseen: u32,
    #[prost(uint32, tag = "5")]
    pub deleted: u32,
    /// Sum of RFC822.SIZE.
    #[prost(uint64, tag = "6")]
    pub octets: u64,
    /// Expunges up to this modseq are forgotten.
    #[prost(uint64, tag = "7")]
    pub forgotten: u64,
    /// Runs of uids in the expunge log.
    #[prost(uint32, tag = "8")]
    pub expunge_runs: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MailRow {
    /// MailId of its body.
    #[prost(fixed64, tag = "1")]
    pub body: u64,
    /// Bits of [`super::mail::Flags`].
    #[prost(uint32, tag = "2")]
    pub flags: u32,
    /// Indices into MailboxName.keywords.
    #[prost(bytes = "vec", tag = "3")]
    pub keywords: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub modseq: u64,
    /// INTERNALDATE, seconds since 1970, and its zone in minutes.
    #[prost(int64, tag = "5")]
    pub internal_date: i64,
    #[prost(sint32, tag = "6")]
    pub internal_zone_minutes: i32,
    /// RFC 8514: when it came into this mailbox.
    #[prost(int64, tag = "7")]
    pub save_date: i64,
    /// Octets of prefix and body together.
    #[prost(uint64, tag = "8")]
    pub size: u64,
    /// RFC 8474: mailbox and uid at birth; kept by COPY and MOVE.
    #[prost(fixed64, tag = "9")]
    pub email_id: u64,
    #[prost(fixed64, tag = "10")]
    pub thread_id: u64,
    #[prost(bytes = "vec", tag = "11")]
    pub prefix: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Expunged {
    /// Runs of uids, ascending: first, last, first, last, ...
    #[prost(uint32, repeated, tag = "1")]
    pub runs: Vec<u32>,
}

/// What a person has sent to others than this box.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sent {
    /// Days since 1970, UTC.
    #[prost(int64, tag = "1")]
    pub day: i64,
    /// Recipients on that day.
    #[prost(uint32, tag = "2")]
    pub recipients: u32,
}

/// Whom a person knows, those who were learnt of last at the end. Both lists are of one length.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Known {
    /// The first 8 octets of SHA-256 of each address in lower case.
    #[prost(fixed64, repeated, tag = "1")]
    pub people: Vec<u64>,
    /// Of each: 1 the person wrote to them, 2 proven mail of theirs came, 4 the person moved mail
    /// of theirs to Junk.
    #[prost(uint32, repeated, tag = "2")]
    pub facts: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct BodyHead {
    /// SHA-256 of the raw octets.
    #[prost(bytes = "vec", tag = "1")]
    pub hash: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub size: u64,
    /// Absent when they would fill more than limits::FACTS_ROW_BYTES: then they are read from the
    /// body each time.
    #[prost(message, optional, tag = "3")]
    pub facts: Option<crate::message::facts::Facts>,
    /// The first 8 octets of SHA-256 of the Message-ID without its angle brackets (of the body
    /// where there is none).
    #[prost(fixed64, tag = "4")]
    pub message_id_hash: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct BodyRef {
    #[prost(fixed64, tag = "1")]
    pub mail: u64,
    /// MailRows and Outgoings with this body; with the last the body goes.
    #[prost(uint32, tag = "2")]
    pub references: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ThreadRef {
    #[prost(fixed64, tag = "1")]
    pub thread_id: u64,
    /// MailRows of the account with this Message-ID; the row goes with the last.
    #[prost(uint32, tag = "2")]
    pub messages: u32,
}

/// One message to be sent to recipients outside, by the MailId of its arrival.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Outgoing {
    /// MailId of its body, and the octets of it.
    #[prost(fixed64, tag = "1")]
    pub body: u64,
    #[prost(uint64, tag = "2")]
    pub size: u64,
    /// Empty is `<>`.
    #[prost(string, tag = "3")]
    pub sender: String,
    #[prost(bool, tag = "4")]
    pub smtputf8: bool,
    #[prost(bool, tag = "5")]
    pub eight_bit: bool,
    /// RFC 3461 4.3: 0 not given, 1 FULL, 2 HDRS.
    #[prost(uint32, tag = "6")]
    pub ret: u32,
    /// RFC 3461 4.4, decoded from xtext.
    #[prost(bytes = "vec", optional, tag = "7")]
    pub envid: Option<Vec<u8>>,
    /// Seconds since 1970.
    #[prost(int64, tag = "8")]
    pub created: i64,
    #[prost(message, repeated, tag = "9")]
    pub recipients: Vec<OutgoingRecipient>,
    /// Put on top of the body; not counted in `size`.
    #[prost(bytes = "vec", tag = "10")]
    pub prefix: Vec<u8>,
    /// Who hears what became of it, when that is not `sender`: mail that was passed on.
    #[prost(string, optional, tag = "11")]
    pub report_to: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OutgoingRecipient {
    #[prost(string, tag = "1")]
    pub address: String,
    /// RFC 3461 4.1: 0 not given; else 1, with 2 SUCCESS, 4 FAILURE, 8 DELAY.
    #[prost(uint32, tag = "2")]
    pub notify: u32,
    /// RFC 3461 4.2: its type, empty when not given; and the address, decoded from xtext.
    #[prost(string, tag = "3")]
    pub orcpt_kind: String,
    #[prost(bytes = "vec", tag = "4")]
    pub orcpt: Vec<u8>,
    /// Of [`super::outbox::State`].
    #[prost(uint32, tag = "5")]
    pub state: u32,
    /// Times that a server was looked for.
    #[prost(uint32, tag = "6")]
    pub tries: u32,
    /// When to try next, seconds since 1970.
    #[prost(int64, tag = "7")]
    pub next: i64,
    /// The sender was told of the delay.
    #[prost(bool, tag = "8")]
    pub warned: bool,
    /// What the last try came to, for a person.
    #[prost(string, tag = "9")]
    pub why: String,
    /// The last reply of a server, word by word, and which server it was.
    #[prost(string, tag = "10")]
    pub reply: String,
    #[prost(string, tag = "11")]
    pub server: String,
    /// How the connection to it was secured, for a person.
    #[prost(string, tag = "12")]
    pub secured: String,
}

/// RFC 8461: a policy as it was fetched.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StsPolicy {
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Of the TXT record that it was fetched for.
    #[prost(string, tag = "2")]
    pub id: String,
    /// 0 none, 1 testing, 2 enforce.
    #[prost(uint32, tag = "3")]
    pub mode: u32,
    #[prost(string, repeated, tag = "4")]
    pub mx: Vec<String>,
    /// Seconds that it is good for from `fetched` on, in seconds since 1970.
    #[prost(uint32, tag = "5")]
    pub max_age: u32,
    #[prost(int64, tag = "6")]
    pub fetched: i64,
}

/// RFC 8460: connections of one day (since 1970, UTC) to the hosts of one domain.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TlsDay {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(message, repeated, tag = "2")]
    pub counts: Vec<TlsCount>,
    /// The domain has had its report, or wants none.
    #[prost(bool, tag = "3")]
    pub reported: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TlsCount {
    /// RFC 8460 4.4: "tlsa", "sts" or "no-policy-found".
    #[prost(string, tag = "1")]
    pub policy: String,
    /// RFC 8460 4.3: what went wrong; empty when TLS stood as it should.
    #[prost(string, tag = "2")]
    pub result: String,
    #[prost(uint64, tag = "3")]
    pub sessions: u64,
    /// The last host it happened with, and in which words.
    #[prost(string, tag = "4")]
    pub host: String,
    #[prost(string, tag = "5")]
    pub why: String,
}

/// The one who set the box up. While there is no such row, whoever knows the setup code may.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Owner {
    /// PHC string of argon2id.
    #[prost(string, tag = "1")]
    pub argon2: String,
    /// RFC 6238: the secret shared with the owner's app; empty: no second factor.
    #[prost(bytes = "vec", tag = "2")]
    pub totp: Vec<u8>,
    /// RFC 6238 5.2: the last time step that was accepted, which is not accepted again.
    #[prost(uint64, tag = "3")]
    pub totp_step: u64,
    #[prost(int64, tag = "4")]
    pub created: i64,
    /// Grows with each change of password or second factor.
    #[prost(uint32, tag = "5")]
    pub changes: u32,
}

/// What was chosen while setting up, so that it can be gone on with after a break.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Setup {
    /// The steps that are done, by their names in the page's addresses.
    #[prost(string, repeated, tag = "1")]
    pub done: Vec<String>,
    /// IANA name of the time zone that the pages show times in; empty: UTC.
    #[prost(string, tag = "2")]
    pub zone: String,
    /// The letter that was sent to try things: its Message-ID, and to whom.
    #[prost(string, tag = "3")]
    pub letter: String,
    #[prost(string, tag = "4")]
    pub letter_to: String,
    /// When the page began to wait for a letter from outside, seconds since 1970; 0: not yet.
    #[prost(int64, tag = "5")]
    pub waits_since: i64,
    /// Mail stays at its provider: it is fetched from there and leaves through it.
    #[prost(bool, tag = "6")]
    pub collects: bool,
    /// What mail addresses end in, as the owner said before there was a domain.
    #[prost(string, tag = "7")]
    pub domain: String,
    /// The number of the last reset that took the owner away: each is done once. 0: none.
    #[prost(uint64, tag = "8")]
    pub reset: u64,
}

/// The programs that act for the owner over the API.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tokens {
    #[prost(message, repeated, tag = "1")]
    pub tokens: Vec<Token>,
}

/// One of them. The token itself is kept nowhere.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Token {
    /// As the owner called it; no two are called the same.
    #[prost(string, tag = "1")]
    pub name: String,
    /// SHA-256 of the token, which is random enough to need no slower hash.
    #[prost(bytes = "vec", tag = "2")]
    pub hash: Vec<u8>,
    /// Seconds since 1970.
    #[prost(int64, tag = "3")]
    pub created: i64,
}

/// One act of the owner, or of somebody who tried to be.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Audit {
    /// Seconds since 1970.
    #[prost(int64, tag = "1")]
    pub at: i64,
    /// "owner", "setup code", a person's log-in address, the name of a token.
    #[prost(string, tag = "2")]
    pub who: String,
    /// The address it came from.
    #[prost(string, tag = "3")]
    pub from: String,
    /// A short word for programs, such as "people/add".
    #[prost(string, tag = "4")]
    pub what: String,
    /// Whom or what it concerns, never a secret.
    #[prost(string, tag = "5")]
    pub about: String,
    /// Why it was not done; empty when it was.
    #[prost(string, tag = "6")]
    pub failed: String,
}

/// The story of one message, as steps in time.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Trace {
    #[prost(string, tag = "1")]
    pub from: String,
    #[prost(string, repeated, tag = "2")]
    pub to: Vec<String>,
    #[prost(string, tag = "3")]
    pub subject: String,
    #[prost(string, tag = "4")]
    pub message_id: String,
    #[prost(uint64, tag = "5")]
    pub size: u64,
    #[prost(message, repeated, tag = "6")]
    pub steps: Vec<TraceStep>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TraceStep {
    /// Seconds since 1970.
    #[prost(int64, tag = "1")]
    pub at: i64,
    /// A short word for programs: "connected", "refused", "delivered", "expunged".
    #[prost(string, tag = "2")]
    pub what: String,
    /// What happened, for a person.
    #[prost(string, tag = "3")]
    pub text: String,
    /// Whom it concerns, if one recipient.
    #[prost(string, tag = "4")]
    pub recipient: String,
    /// The reply given or got, word by word.
    #[prost(string, tag = "5")]
    pub reply: String,
}
