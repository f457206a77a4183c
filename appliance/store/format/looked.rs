//! How the world sees the office, as it is kept from look to look.

use prost::Message;

/// What the last look at the world came to, and what changed at the looks before.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Looked {
    /// When it ended, seconds since 1970.
    #[prost(int64, tag = "1")]
    pub at: i64,
    #[prost(message, repeated, tag = "2")]
    pub seen: Vec<Seen>,
    /// The newest first.
    #[prost(message, repeated, tag = "3")]
    pub changes: Vec<SeenChange>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Seen {
    #[prost(string, tag = "1")]
    pub what: String,
    /// 0 right, 1 worth a look, 2 wrong.
    #[prost(uint32, tag = "2")]
    pub state: u32,
    #[prost(string, tag = "3")]
    pub meaning: String,
    #[prost(string, tag = "4")]
    pub remedy: String,
    /// `meaning` as sentences of the catalogue, one behind the other.
    #[prost(message, repeated, tag = "5")]
    pub said: Vec<SeenSaid>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SeenSaid {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(message, repeated, tag = "2")]
    pub values: Vec<SeenValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SeenValue {
    #[prost(string, tag = "1")]
    pub text: String,
    /// Seconds since 1970, where it is a time.
    #[prost(int64, optional, tag = "2")]
    pub time: Option<i64>,
    /// So many seconds, where it is a span of time.
    #[prost(int64, optional, tag = "3")]
    pub span: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SeenChange {
    #[prost(int64, tag = "1")]
    pub at: i64,
    /// States as in [`Seen`].
    #[prost(uint32, tag = "2")]
    pub was: u32,
    #[prost(message, optional, tag = "3")]
    pub now: Option<Seen>,
}
