//! The cut between protocol and machine.
//!
//! A session is one protocol's server side as a pure state machine: it is given bytes and answers,
//! and says what it wants next. It owns no socket, no clock and no task, so a test drives it with a
//! transcript and the network drives it with `net::drive`; both see the same code.
//!
//! ```text
//!            Input::Bytes / Answer / Secured / Woken / TimedOut / Ended
//!   driver ----------------------------------------------------------> session
//!          <----------------------------------------------------------
//!            output appended to `out`, and a Step: Read, Again, Ask, Secure, Pause, Close
//! ```
//!
//! The driver writes `out` to the peer before it acts on the step.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What the driver tells a session.
#[derive(Debug)]
pub enum Input<'a, A> {
    /// The connection stands; say the greeting.
    Opened,
    /// Unread bytes from the peer. The session takes what it can use from the front of the buffer
    /// and leaves the rest (a half line, a pipelined command) for the next call.
    Bytes(&'a mut Vec<u8>),
    /// `out` has been written after [`Step::Again`], or a [`Step::Pause`] is over: go on.
    Continue,
    /// The answer to the question asked by [`Step::Ask`].
    Answer(A),
    /// TLS stands after [`Step::Secure`]; everything read before it was thrown away.
    Secured(TlsFacts),
    /// The mailbox that the session watches has changed (only while it waits with `wake`).
    Woken,
    /// Nothing came within the time the session asked for.
    TimedOut,
    /// The peer closed its sending side; nothing further will be read.
    Ended,
    /// The server is about to stop: say goodbye.
    Stopping,
}

/// What a session wants next.
#[derive(Debug)]
pub enum Step<Q> {
    /// More bytes, within this time. `wake` also ends the wait when the watched mailbox changes.
    Read { within: Duration, wake: bool },
    /// Write `out`, then call again with [`Input::Continue`]: a long reply made in pieces.
    Again,
    /// Something only the machine can do: a log-in, a write, a lookup.
    Ask(Q),
    /// Write `out`, then start TLS as the server.
    Secure,
    /// Write `out`, wait, then [`Input::Continue`]: how guessing and abuse are slowed.
    Pause(Duration),
    /// Write `out` and close.
    Close,
}

/// One server-side protocol session. `Ask` and `Answer` are each protocol's own questions.
pub trait Session: Send {
    type Ask: Send;
    type Answer: Send;

    fn step(&mut self, input: Input<'_, Self::Answer>, out: &mut Vec<u8>) -> Step<Self::Ask>;

    /// Where changes to the watched mailbox are announced, while there is one.
    fn wake(&self) -> Option<std::sync::Arc<tokio::sync::Notify>> {
        None
    }
}

/// What the driver knows of a connection when it begins.
#[derive(Debug, Clone)]
pub struct Peer {
    pub remote: SocketAddr,
    pub local: SocketAddr,
    /// Set when the port is implicit TLS (993, 995, 465).
    pub tls: Option<TlsFacts>,
}

impl Peer {
    /// May a password cross this connection in clear? Only under TLS, or when peer and local
    /// address are the same, so that it never leaves the machine (127.0.0.2 to 127.0.0.1 is not
    /// the same).
    pub fn may_log_in(&self) -> bool {
        self.tls.is_some() || self.remote.ip() == self.local.ip()
    }

    pub fn network(&self) -> IpAddr {
        network(self.remote.ip())
    }
}

/// What counts as one peer: an IPv4 address, or the /64 that an IPv6 host moves about in.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

/// What a session may know of its TLS connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// For the Received header: "TLSv1.3", "TLSv1.2".
    pub version: &'static str,
    /// For the Received header: the cipher suite's IANA name.
    pub cipher: String,
    /// RFC 9266: 32 octets exported with the label EXPORTER-Channel-Binding; TLS 1.3 only.
    pub exporter: Option<[u8; 32]>,
    /// RFC 5929 4: hash of the server's certificate.
    pub endpoint: Vec<u8>,
}

impl From<Option<&TlsFacts>> for crate::wire::sasl::Binding {
    fn from(facts: Option<&TlsFacts>) -> Self {
        match facts {
            Some(facts) => {
                Self { tls: true, exporter: facts.exporter, endpoint: facts.endpoint.clone() }
            }
            None => Self::default(),
        }
    }
}
