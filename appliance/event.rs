//! What happens, as typed events: the only way to log.
//!
//! An event goes to the standard error output through tracing, and into a ring in memory that the
//! owner can read. It carries no password, no message text and no secret. Add a variant for what
//! you need to say; its words are written for the owner of the box.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Mutex;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Listening {
        unit: &'static str,
        at: SocketAddr,
    },
    Stopping,
    /// Connections beyond a limit of limits.rs.
    ConnectionRefused {
        unit: &'static str,
        remote: SocketAddr,
        why: &'static str,
    },
    ConnectionFailed {
        unit: &'static str,
        remote: SocketAddr,
        why: String,
    },
    LoginGranted {
        unit: &'static str,
        remote: SocketAddr,
        login: String,
    },
    LoginDenied {
        unit: &'static str,
        remote: SocketAddr,
        login: String,
    },
    /// A message was taken in; the trace of `id` tells the rest.
    Received {
        id: u64,
        from: String,
        recipients: usize,
        octets: usize,
    },
    Refused {
        remote: SocketAddr,
        from: String,
        to: String,
        reply: String,
    },
    StoreTrouble {
        doing: &'static str,
        why: String,
    },
    CertificateReplaced {
        host: String,
    },
    CertificateTrouble {
        why: String,
    },
    Settings {
        why: String,
    },
    UnitFailed {
        unit: &'static str,
        why: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    Warn,
}

impl Event {
    pub(crate) fn level(&self) -> Level {
        match self {
            Self::Listening { .. }
            | Self::Stopping
            | Self::LoginGranted { .. }
            | Self::Received { .. }
            | Self::CertificateReplaced { .. } => Level::Info,
            _ => Level::Warn,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { unit, at } => write!(f, "{unit}: listening on {at}"),
            Self::Stopping => f.write_str("stopping"),
            Self::ConnectionRefused { unit, remote, why } => {
                write!(f, "{unit}: connection of {remote} refused: {why}")
            }
            Self::ConnectionFailed { unit, remote, why } => {
                write!(f, "{unit}: connection of {remote} ended: {why}")
            }
            Self::LoginGranted { unit, remote, login } => {
                write!(f, "{unit}: {login} logged in from {remote}")
            }
            Self::LoginDenied { unit, remote, login } => {
                write!(f, "{unit}: wrong name or password for {login:?} from {remote}")
            }
            Self::Received { id, from, recipients, octets } => {
                write!(f, "mail {id:x}: {octets} octets from <{from}> for {recipients}")
            }
            Self::Refused { remote, from, to, reply } => {
                write!(f, "mail from <{from}> to <{to}> of {remote} refused: {reply}")
            }
            Self::StoreTrouble { doing, why } => write!(f, "store: {doing}: {why}"),
            Self::CertificateReplaced { host } => write!(f, "certificate of {host} replaced"),
            Self::CertificateTrouble { why } => write!(f, "certificate: {why}"),
            Self::Settings { why } => write!(f, "settings: {why}"),
            Self::UnitFailed { unit, why } => write!(f, "{unit}: failed: {why}"),
        }
    }
}

static RING: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Says what happened.
pub(crate) fn emit(event: Event) {
    let line = event.to_string();
    match event.level() {
        Level::Info => tracing::info!("{line}"),
        Level::Warn => tracing::warn!("{line}"),
    }
    if let Ok(mut ring) = RING.lock() {
        if ring.len() >= crate::limits::EVENT_RING {
            ring.pop_front();
        }
        ring.push_back(line);
    }
}
