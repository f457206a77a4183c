//! Rows of what was brought in from other servers.

use prost::Message;

/// A folder on another server that mail is brought in from.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct BroughtFolder {
    /// "user@host", in lower case.
    #[prost(string, tag = "1")]
    pub source: String,
    /// As the server writes it.
    #[prost(bytes = "vec", tag = "2")]
    pub folder: Vec<u8>,
    /// Seconds since 1970.
    #[prost(int64, tag = "3")]
    pub begun: i64,
}

/// What was brought in from a folder, whatever became of it here. Written with the message itself.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Brought {
    /// The uids of the run, each as its distance from the first: ascending.
    #[prost(bytes = "vec", tag = "1")]
    pub uids: Vec<u8>,
    /// hash8 of each one's content, in the same order: it is known again when UIDVALIDITY changes.
    #[prost(fixed64, repeated, tag = "2")]
    pub contents: Vec<u64>,
    /// The day (since 1970, UTC) on which each was, in the same order: what is here for long enough
    /// may be deleted there.
    #[prost(uint32, repeated, tag = "3")]
    pub days: Vec<u32>,
}
