//! What is known of a body once it has been read: the values that IMAP's ENVELOPE and
//! BODYSTRUCTURE print and that a search asks for. Made once when a message arrives, kept beside
//! the body, never made again.
//!
//! All texts are as they stand in the message (encoded words undecoded, raw octets): RFC 9051
//! wants ENVELOPE and BODYSTRUCTURE so. Offsets count octets from the start of the body as stored.
//! These are protobuf rows too: fields are only ever added.

use prost::Message;

/// All that is known of one body.
#[derive(Clone, PartialEq, Message)]
pub struct Facts {
    #[prost(message, optional, tag = "1")]
    pub envelope: Option<Envelope>,
    #[prost(message, optional, tag = "2")]
    pub structure: Option<Part>,
    /// The Date header as seconds since 1970, its zone in minutes; absent when unreadable.
    #[prost(sint64, optional, tag = "3")]
    pub sent: Option<i64>,
    #[prost(sint32, tag = "4")]
    pub sent_zone_minutes: i32,
    /// Message-IDs this one answers: References, then In-Reply-To, without angle brackets.
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub references: Vec<Vec<u8>>,
}

/// A part of [`Facts`] that is read alone: what it does not name is passed over.
pub(crate) trait OfFacts: Message + Default + std::fmt::Debug {
    fn of(facts: Facts) -> Self;
}

impl OfFacts for Facts {
    fn of(facts: Facts) -> Facts {
        facts
    }
}

/// When it was sent.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sent {
    #[prost(sint64, optional, tag = "3")]
    pub sent: Option<i64>,
    #[prost(sint32, tag = "4")]
    pub sent_zone_minutes: i32,
}

impl OfFacts for Sent {
    fn of(facts: Facts) -> Sent {
        Sent { sent: facts.sent, sent_zone_minutes: facts.sent_zone_minutes }
    }
}

/// The envelope alone.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Enveloped {
    #[prost(message, optional, tag = "1")]
    pub envelope: Option<Envelope>,
}

impl OfFacts for Enveloped {
    fn of(facts: Facts) -> Enveloped {
        Enveloped { envelope: facts.envelope }
    }
}

/// Of the envelope what most searches ask for.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Titled {
    #[prost(message, optional, tag = "1")]
    pub envelope: Option<Title>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Title {
    #[prost(bytes = "vec", optional, tag = "2")]
    pub subject: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "3")]
    pub from: Vec<EnvelopeAddress>,
}

impl OfFacts for Titled {
    fn of(facts: Facts) -> Titled {
        let title = |envelope: Envelope| Title { subject: envelope.subject, from: envelope.from };
        Titled { envelope: facts.envelope.map(title) }
    }
}

/// RFC 9051 7.5.2, the fields of ENVELOPE in their order. Absent is NIL.
#[derive(Clone, PartialEq, Message)]
pub struct Envelope {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub date: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub subject: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "3")]
    pub from: Vec<EnvelopeAddress>,
    #[prost(message, repeated, tag = "4")]
    pub sender: Vec<EnvelopeAddress>,
    #[prost(message, repeated, tag = "5")]
    pub reply_to: Vec<EnvelopeAddress>,
    #[prost(message, repeated, tag = "6")]
    pub to: Vec<EnvelopeAddress>,
    #[prost(message, repeated, tag = "7")]
    pub cc: Vec<EnvelopeAddress>,
    #[prost(message, repeated, tag = "8")]
    pub bcc: Vec<EnvelopeAddress>,
    #[prost(bytes = "vec", optional, tag = "9")]
    pub in_reply_to: Option<Vec<u8>>,
    /// With its angle brackets, as ENVELOPE prints it.
    #[prost(bytes = "vec", optional, tag = "10")]
    pub message_id: Option<Vec<u8>>,
}

/// RFC 9051 7.5.2: name, (source route, always NIL), mailbox, host. A group starts with host NIL
/// and its name as mailbox, and ends with both NIL.
#[derive(Clone, PartialEq, Message)]
pub struct EnvelopeAddress {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub name: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub mailbox: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub host: Option<Vec<u8>>,
}

/// One MIME part. Of a multipart `parts` are the children; of a message/rfc822 (or message/global)
/// `parts` holds exactly the structure of the message inside and `envelope` its envelope.
#[derive(Clone, PartialEq, Message)]
pub struct Part {
    /// As written; "TEXT" "PLAIN" when there is no usable Content-Type.
    #[prost(bytes = "vec", tag = "1")]
    pub kind: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub subkind: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    pub params: Vec<Param>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub id: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub description: Option<Vec<u8>>,
    /// As written; "7BIT" when absent.
    #[prost(bytes = "vec", tag = "6")]
    pub encoding: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub md5: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "8")]
    pub disposition: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "9")]
    pub disposition_params: Vec<Param>,
    #[prost(bytes = "vec", repeated, tag = "10")]
    pub language: Vec<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "11")]
    pub location: Option<Vec<u8>>,
    /// Where this part's header begins (for the whole message: 0), and its octets including the
    /// empty line.
    #[prost(uint64, tag = "12")]
    pub header_at: u64,
    #[prost(uint64, tag = "13")]
    pub header_size: u64,
    /// Where its content begins, its octets, its lines (CRLFs).
    #[prost(uint64, tag = "14")]
    pub body_at: u64,
    #[prost(uint64, tag = "15")]
    pub body_size: u64,
    #[prost(uint64, tag = "16")]
    pub body_lines: u64,
    #[prost(message, repeated, tag = "17")]
    pub parts: Vec<Part>,
    #[prost(message, optional, tag = "18")]
    pub envelope: Option<Envelope>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Param {
    #[prost(bytes = "vec", tag = "1")]
    pub name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

impl Part {
    pub fn is_multipart(&self) -> bool {
        self.kind.eq_ignore_ascii_case(b"multipart")
    }

    /// RFC 9051 6.4.5: parts of these can be addressed through their inner message.
    pub fn is_message(&self) -> bool {
        self.kind.eq_ignore_ascii_case(b"message")
            && (self.subkind.eq_ignore_ascii_case(b"rfc822")
                || self.subkind.eq_ignore_ascii_case(b"global"))
    }
}
