//! IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051) and their extensions: values of commands.
//!
//! One parser (`parse`) makes these values, one printer (`print`) writes replies; `heard` reads
//! what other servers say to us. Mailbox names in values are UTF-8; modified UTF-7 (RFC 3501 5.1.3)
//! is undone by the parser and done by the printer, depending on what the session enabled.

pub(crate) mod heard;
pub(crate) mod parse;
pub(crate) mod print;
pub(crate) mod sequence;
pub(crate) mod utf7;

use sequence::SequenceSet;

/// RFC 2971 3.3: field names and their values, NIL is `None`.
pub(crate) type IdPairs = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A tagged command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tagged {
    pub tag: String,
    pub command: Command,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    // any state
    Capability,
    Noop,
    Logout,
    /// RFC 2971: pairs; `None` for NIL.
    Id(Option<IdPairs>),
    // not authenticated
    StartTls,
    /// RFC 4959: the initial response, still base64 ("=" is empty).
    Authenticate {
        mechanism: String,
        initial: Option<Vec<u8>>,
    },
    Login {
        name: Vec<u8>,
        password: Vec<u8>,
    },
    // authenticated
    /// RFC 5161: upper case.
    Enable(Vec<String>),
    Select {
        mailbox: String,
        read_only: bool,
        condstore: bool,
        qresync: Option<Qresync>,
    },
    Create {
        mailbox: String,
        special_use: Vec<String>,
    },
    Delete(String),
    Rename {
        from: String,
        to: String,
    },
    Subscribe(String),
    Unsubscribe(String),
    List(List),
    Lsub {
        reference: String,
        pattern: String,
    },
    Namespace,
    Status {
        mailbox: String,
        items: Vec<StatusItem>,
    },
    /// The message octets came as literals; see `parse::Receiver`.
    Append {
        mailbox: String,
        messages: Vec<AppendMessage>,
    },
    Idle,
    GetQuota(Vec<u8>),
    GetQuotaRoot(String),
    SetQuota,
    // selected
    Check,
    Close,
    Unselect,
    /// RFC 4315: with UID.
    Expunge {
        uids: Option<SequenceSet>,
    },
    Search {
        uid: bool,
        search: Search,
    },
    Fetch {
        uid: bool,
        set: SequenceSet,
        items: Vec<FetchItem>,
        changed_since: Option<u64>,
        vanished: bool,
    },
    Store {
        uid: bool,
        set: SequenceSet,
        unchanged_since: Option<u64>,
        action: StoreAction,
        silent: bool,
        flags: Vec<String>,
    },
    Copy {
        uid: bool,
        set: SequenceSet,
        mailbox: String,
    },
    Move {
        uid: bool,
        set: SequenceSet,
        mailbox: String,
    },
}

/// RFC 7162 3.2.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Qresync {
    pub uidvalidity: u32,
    pub modseq: u64,
    pub known: Option<SequenceSet>,
    pub matched: Option<(SequenceSet, SequenceSet)>,
}

/// RFC 5258 and RFC 9051 6.3.9. A plain LIST has one pattern and no options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct List {
    pub reference: String,
    pub patterns: Vec<String>,
    /// LIST (SUBSCRIBED ...): was the extended form used?
    pub extended: bool,
    pub select_subscribed: bool,
    pub select_remote: bool,
    pub select_recursive: bool,
    pub select_special_use: bool,
    pub return_subscribed: bool,
    pub return_children: bool,
    pub return_special_use: bool,
    /// RFC 5819.
    pub return_status: Option<Vec<StatusItem>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusItem {
    Messages,
    /// IMAP4rev1 only; always 0.
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    Deleted,
    /// RFC 8438.
    Size,
    /// RFC 7162.
    HighestModSeq,
    /// RFC 7889.
    AppendLimit,
    /// RFC 9208.
    DeletedStorage,
    /// RFC 8474.
    MailboxId,
}

impl StatusItem {
    const NAMES: [(StatusItem, &str); 11] = [
        (StatusItem::Messages, "MESSAGES"),
        (StatusItem::Recent, "RECENT"),
        (StatusItem::UidNext, "UIDNEXT"),
        (StatusItem::UidValidity, "UIDVALIDITY"),
        (StatusItem::Unseen, "UNSEEN"),
        (StatusItem::Deleted, "DELETED"),
        (StatusItem::Size, "SIZE"),
        (StatusItem::HighestModSeq, "HIGHESTMODSEQ"),
        (StatusItem::AppendLimit, "APPENDLIMIT"),
        (StatusItem::DeletedStorage, "DELETED-STORAGE"),
        (StatusItem::MailboxId, "MAILBOXID"),
    ];

    /// By its name in upper case.
    pub(crate) fn named(name: &str) -> Option<StatusItem> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(item, _)| *item)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppendMessage {
    pub flags: Vec<String>,
    /// Seconds since 1970 and the zone in minutes.
    pub date: Option<(i64, i32)>,
    pub octets: Vec<u8>,
    /// It came as literal8 or UTF8 (~{...}).
    pub literal8: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Search {
    /// RFC 4731 and RFC 9051 6.4.4: `None` without RETURN; an empty RETURN () means ALL.
    pub returns: Option<Vec<SearchReturn>>,
    pub charset: Option<String>,
    pub key: SearchKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SearchReturn {
    Min,
    Max,
    All,
    Count,
    /// RFC 5182: keep the result as $.
    Save,
}

/// Texts are UTF-8, decoded from the charset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SearchKey {
    All,
    And(Vec<SearchKey>),
    Or(Box<SearchKey>, Box<SearchKey>),
    Not(Box<SearchKey>),
    Sequence(SequenceSet),
    Uid(SequenceSet),
    /// A system flag as named in RFC 9051 ("\\Seen"), present or (Not) absent.
    Flag(String),
    Keyword(String),
    /// IMAP4rev1: NEW, OLD, RECENT; no message is recent.
    Recent,
    New,
    Old,
    /// Days since 1970, of the internal date without its time.
    Before(i64),
    On(i64),
    Since(i64),
    SentBefore(i64),
    SentOn(i64),
    SentSince(i64),
    /// RFC 8514.
    SavedBefore(i64),
    SavedOn(i64),
    SavedSince(i64),
    SaveDateSupported,
    Larger(u64),
    Smaller(u64),
    /// RFC 5032: seconds.
    Older(u64),
    Younger(u64),
    /// "FROM" "TO" "CC" "BCC" "SUBJECT" too: field name, text; empty text: the field is there.
    Header(String, String),
    Body(String),
    Text(String),
    /// RFC 7162.
    ModSeq(u64),
    /// RFC 8474.
    EmailId(String),
    ThreadId(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FetchItem {
    Uid,
    Flags,
    InternalDate,
    /// RFC 8514.
    SaveDate,
    Rfc822Size,
    Envelope,
    /// Without extension data.
    Body,
    BodyStructure,
    ModSeq,
    /// RFC 8474.
    EmailId,
    ThreadId,
    Section {
        peek: bool,
        section: Section,
        partial: Option<(u64, u64)>,
        name: SectionName,
    },
    /// RFC 3516: `BINARY[part]`; only numbers.
    Binary {
        peek: bool,
        part: Vec<u32>,
        partial: Option<(u64, u64)>,
    },
    BinarySize {
        part: Vec<u32>,
    },
}

/// How the client called a section: the reply calls it so too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SectionName {
    Body,
    Rfc822,
    Rfc822Header,
    Rfc822Text,
}

/// RFC 9051 6.4.5.1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Section {
    pub part: Vec<u32>,
    pub what: SectionWhat,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum SectionWhat {
    /// The whole part or message.
    #[default]
    All,
    Header,
    HeaderFields(Vec<Vec<u8>>),
    HeaderFieldsNot(Vec<Vec<u8>>),
    Text,
    Mime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreAction {
    Set,
    Add,
    Remove,
}
