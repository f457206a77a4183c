//! What an IMAP server says (RFC 3501 7, RFC 9051 7), as the client reads it.
//!
//! ```text
//! response = "+" [SP text]                             it waits for more
//!          / tag SP status                             a command is done
//!          / "*" SP (status / data)
//! status   = ("OK" / "NO" / "BAD" / "PREAUTH" / "BYE") [SP "[" code "]"] [SP text]
//! data     = what is told of mailboxes and messages; what we have no use for is passed over
//! ```
//!
//! Strict where a mistake could cost mail: a tag, a number, a UID, a size, the end of a literal.
//! Forgiving where servers are known to be loose: line ends of LF alone, needless spaces, unknown
//! items, flags and names of any octets. A response that makes no sense is told as
//! [`Response::Odd`] and costs nothing but itself.

mod lexer;
mod parse;
mod receive;

pub(crate) use receive::{Came, Receiver};

use super::StatusItem;
use super::sequence::SequenceSet;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Response {
    /// "+": the server waits for more of a command, and may say what for.
    Go(Vec<u8>),
    Done {
        tag: String,
        status: Status,
    },
    /// Untagged OK, NO, BAD, PREAUTH, BYE.
    Status(Status),
    /// In upper case.
    Capability(Vec<String>),
    List(Listed),
    /// LSUB: subscribed names.
    Lsub(Listed),
    StatusOf {
        mailbox: Name,
        items: Vec<(StatusItem, u64)>,
    },
    Search(Vec<u32>),
    /// RFC 4731: the answer to SEARCH RETURN (ALL).
    Esearch(Option<SequenceSet>),
    Exists(u32),
    Expunge(u32),
    Fetch(Fetched),
    /// RFC 7162.
    Vanished {
        earlier: bool,
        uids: SequenceSet,
    },
    /// Understood as far as that we have no use for it: its name.
    Other(String),
    /// What makes no sense, and why.
    Odd(String),
}

/// RFC 3501 7.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub kind: Kind,
    pub code: Option<Code>,
    /// For people; control characters are spaces.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ok,
    No,
    Bad,
    PreAuth,
    Bye,
}

/// RFC 3501 7.1, RFC 5530 and those that providers have made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Code {
    Capability(Vec<String>),
    UidValidity(u32),
    UidNext(u32),
    ReadOnly,
    /// RFC 9208; Gmail says it of its limits on traffic.
    OverQuota,
    /// RFC 9051 7.1.
    Limit,
    /// Not of an RFC: too much was asked in too short a time.
    Throttled,
    Unavailable,
    InUse,
    AuthenticationFailed,
    AuthorizationFailed,
    Expired,
    PrivacyRequired,
    ContactAdmin,
    NonExistent,
    /// Gmail: there is a page where the person has to go.
    WebAlert(String),
    Other(String),
}

impl Status {
    pub(crate) fn is_ok(&self) -> bool {
        matches!(self.kind, Kind::Ok | Kind::PreAuth)
    }
}

/// For people: the server's own words.
impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.kind {
            Kind::Ok => "OK",
            Kind::No => "NO",
            Kind::Bad => "BAD",
            Kind::PreAuth => "PREAUTH",
            Kind::Bye => "BYE",
        })?;
        if let Some(code) = &self.code {
            write!(f, " [{code}]")?;
        }
        match self.text.is_empty() {
            true => Ok(()),
            false => write!(f, " {}", self.text),
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Capability(_) => "CAPABILITY",
            Self::UidValidity(value) => return write!(f, "UIDVALIDITY {value}"),
            Self::UidNext(value) => return write!(f, "UIDNEXT {value}"),
            Self::ReadOnly => "READ-ONLY",
            Self::OverQuota => "OVERQUOTA",
            Self::Limit => "LIMIT",
            Self::Throttled => "THROTTLED",
            Self::Unavailable => "UNAVAILABLE",
            Self::InUse => "INUSE",
            Self::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Self::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Self::Expired => "EXPIRED",
            Self::PrivacyRequired => "PRIVACYREQUIRED",
            Self::ContactAdmin => "CONTACTADMIN",
            Self::NonExistent => "NONEXISTENT",
            Self::WebAlert(page) => return write!(f, "WEBALERT {page}"),
            Self::Other(code) => code,
        })
    }
}

/// A mailbox name as the server writes it, to be said back octet for octet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name(pub Vec<u8>);

impl Name {
    /// For people and for our own mailboxes: modified UTF-7 undone. What is no right modified UTF-7
    /// is kept as it is written.
    pub(crate) fn text(&self) -> String {
        let decoded = super::utf7::decode(&self.0);
        decoded.unwrap_or_else(|| String::from_utf8_lossy(&self.0).into_owned())
    }

    /// RFC 3501 5.1: INBOX is one name in any case.
    pub(crate) fn is_inbox(&self) -> bool {
        self.0.eq_ignore_ascii_case(b"INBOX")
    }
}

/// One line of LIST, XLIST or LSUB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// As written, with their backslash.
    pub attributes: Vec<String>,
    /// Between levels; `None`: there are none.
    pub delimiter: Option<char>,
    pub name: Name,
}

impl Listed {
    pub(crate) fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|it| it.eq_ignore_ascii_case(attribute))
    }
}

/// What a FETCH response tells of one message; what it does not tell is `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Fetched {
    pub number: u32,
    pub uid: Option<u32>,
    /// As written: system flags with their backslash, and keywords.
    pub flags: Option<Vec<String>>,
    /// INTERNALDATE: seconds since 1970 and the zone in minutes.
    pub date: Option<(i64, i32)>,
    pub size: Option<u64>,
    pub modseq: Option<u64>,
    /// `BODY[]`.
    pub body: Option<Octets>,
    /// X-GM-LABELS, as written.
    pub labels: Option<Vec<Name>>,
    /// X-GM-MSGID.
    pub gmail_id: Option<u64>,
}

/// A text that may be long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Octets {
    Held(Vec<u8>),
    /// Beyond our limit: so many octets, read and thrown away.
    TooLarge(u64),
    /// NIL: the server has none.
    Nil,
}
