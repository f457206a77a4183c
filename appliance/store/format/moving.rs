//! How far domains have come on their way here from another provider.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Moves {
    #[prost(message, repeated, tag = "1")]
    pub moves: Vec<Move>,
}

/// One domain.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Move {
    #[prost(string, tag = "1")]
    pub domain: String,
    /// 0 the TTL is lowered, 1 first run, 2 the MX is changed, 3 watched, 4 last run, 5 over.
    #[prost(uint32, tag = "2")]
    pub stage: u32,
    /// Since when, seconds since 1970, as all times here.
    #[prost(int64, tag = "3")]
    pub since: i64,
    /// The longest that others may still remember the old MX, in seconds.
    #[prost(uint32, tag = "4")]
    pub ttl: u32,
    /// When the low TTL was first seen, and when it was seen again; 0: not.
    #[prost(int64, tag = "5")]
    pub low: i64,
    #[prost(int64, tag = "6")]
    pub lowered: i64,
    /// The last answer of the name servers: when, the hosts in their order, and the TTL.
    #[prost(int64, tag = "7")]
    pub seen_at: i64,
    #[prost(string, repeated, tag = "8")]
    pub seen: Vec<String>,
    #[prost(uint32, tag = "9")]
    pub seen_ttl: u32,
    /// When it was looked at last, and why that came to nothing; empty: it did not.
    #[prost(int64, tag = "10")]
    pub looked: i64,
    #[prost(string, tag = "11")]
    pub fault: String,
    /// When all MX were first seen to lead here; 0: they do not.
    #[prost(int64, tag = "12")]
    pub changed: i64,
    /// A run is wanted, and not at its end.
    #[prost(bool, tag = "13")]
    pub run: bool,
    /// When the last run ended, and what it came to.
    #[prost(int64, tag = "14")]
    pub ran: i64,
    #[prost(message, repeated, tag = "15")]
    pub results: Vec<MoveResult>,
    /// Letters collected in all by the end of each day (since 1970, UTC).
    #[prost(message, repeated, tag = "16")]
    pub days: Vec<MoveDay>,
    /// When the last letter came by collecting.
    #[prost(int64, tag = "17")]
    pub letter: i64,
    /// Outside accounts that cannot be collected from now: their silence tells nothing.
    #[prost(string, repeated, tag = "18")]
    pub deaf: Vec<String>,
    /// When the run began that is under way; 0: it is still to begin.
    #[prost(int64, tag = "19")]
    pub run_from: i64,
    /// Somebody wants a look now.
    #[prost(bool, tag = "20")]
    pub asked: bool,
}

/// What came of the mail of one outside account.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MoveResult {
    #[prost(string, tag = "1")]
    pub account: String,
    /// Its address there.
    #[prost(string, tag = "2")]
    pub source: String,
    #[prost(uint64, tag = "3")]
    pub messages: u64,
    #[prost(uint64, tag = "4")]
    pub already: u64,
    /// Why it came to no end; empty: it did.
    #[prost(string, tag = "5")]
    pub error: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MoveDay {
    #[prost(int64, tag = "1")]
    pub day: i64,
    #[prost(uint64, tag = "2")]
    pub letters: u64,
}
