//! Sockets: the only user of tokio::net and rustls.
//!
//! ```text
//! listen: accept -> limits -> (implicit TLS) -> Service::connect -> drive: session <-> handler
//! ```

pub(crate) mod acme;
pub(crate) mod authenticate;
pub(crate) mod authority;
pub(crate) mod dane;
pub(crate) mod dial;
pub(crate) mod dkim;
pub(crate) mod drive;
pub(crate) mod https;
pub(crate) mod listen;
pub(crate) mod notice;
pub(crate) mod oauth;
pub(crate) mod resolver;
pub(crate) mod splice;
pub(crate) mod stream;
pub(crate) mod tls;
pub(crate) mod unix;

pub(crate) use crate::session::network;
use crate::session::{Peer, Session};
use std::future::Future;
use std::net::{IpAddr, UdpSocket};
use tokio::sync::{Notify, watch};

/// Answers what a session asks, with the store, the clock and the log-ins: one for each connection,
/// dropped when the connection ends.
pub(crate) trait Handler<S: Session>: Send + Sync {
    /// The future may be started before the session's output is written, and always runs to its
    /// end, even if the peer is gone.
    fn answer(&self, ask: S::Ask) -> impl Future<Output = S::Answer> + Send;

    /// Where it is told that somebody ends this connection from elsewhere.
    fn shut(&self) -> Option<&Notify> {
        None
    }
}

/// A protocol as `units` serves it: makes a session and its handler for each connection.
/// `serve::<protocol>` has one.
pub(crate) trait Service: Send + Sync + 'static {
    type Session: Session + 'static;
    type Handler: Handler<Self::Session> + 'static;

    fn connect(&self, peer: Peer) -> (Self::Session, Self::Handler);

    /// What a connection beyond a limit is told before it is closed: a whole line with CRLF, such
    /// as "421 4.7.0 Too many connections, try again later\r\n".
    fn refusal(&self) -> &'static str;
}

/// Has this machine this address?
pub(crate) fn is_own_address(address: &IpAddr) -> bool {
    UdpSocket::bind((*address, 0)).is_ok()
}

/// Returns when the server stops: when the value becomes true.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Nobody is left who could stop us.
        std::future::pending().await
    }
}
