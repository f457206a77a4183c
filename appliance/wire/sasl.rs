//! SASL (RFC 4422), server side, without I/O: PLAIN, LOGIN, SCRAM-SHA-256 and -PLUS.
//!
//! The exchange is a state machine that a protocol session carries: the session undoes base64 and
//! hands responses in, sends challenges out, and forwards each [`LoginAsk`] to the machine.
//!
//! ```text
//! Started -> (Challenge -> Respond)* -> Ask(LoginAsk) -> answer -> Done | Denied
//! ```

use std::time::Duration;

/// What the exchange needs to know from the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LoginAsk {
    /// Is this the password of this person?
    Password { name: String, password: Secret },
    /// Salt, iterations and keys of this person (made up, always the same, for unknown names).
    Scram { name: String },
    /// The proof of a SCRAM exchange was right or wrong: count it.
    Proved { name: String, right: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LoginAnswer {
    Granted(Login),
    /// Wrong name or password, without telling which. Answer only after this time.
    Denied {
        wait: Duration,
    },
    Scram(ScramSecrets),
    /// Could not be checked now (store trouble): not the person's fault.
    Unavailable,
}

/// Who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub account: u32,
    /// The log-in address.
    pub name: String,
    pub capabilities_off: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScramSecrets {
    pub salt: Vec<u8>,
    pub iterations: u32,
    /// StoredKey and ServerKey (RFC 5802 3) of the password and each app password.
    pub keys: Vec<([u8; 32], [u8; 32])>,
}

/// Octets that no Debug output shows, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// What binds the exchange to its TLS connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Binding {
    pub tls: bool,
    /// RFC 9266; only under TLS 1.3.
    pub exporter: Option<[u8; 32]>,
    /// RFC 5929 4.
    pub endpoint: Vec<u8>,
}

/// One exchange.
#[derive(Debug)]
pub(crate) struct Exchange {}

/// What the session does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send this challenge (not yet base64) and hand the response to [`Exchange::respond`].
    Challenge(Vec<u8>),
    /// Ask the machine and hand its answer to [`Exchange::answer`].
    Ask(LoginAsk),
    /// Logged in.
    Done(Login),
    /// Refuse, after this time. The peer must not learn whether the name exists.
    Denied {
        wait: Duration,
    },
    /// The exchange broke the mechanism's grammar: why.
    Malformed(&'static str),
    Unavailable,
}

/// The names to offer: PLAIN and LOGIN only where a password may be sent (see
/// `session::Peer::may_log_in`); -PLUS only with a binding.
pub(crate) fn mechanisms(_may_log_in: bool, _binding: &Binding) -> Vec<&'static str> {
    todo!()
}

impl Exchange {
    /// Begins a mechanism (name in any case); `None` when it is not offered here. With `initial`
    /// the client sent its first response at once (decoded; empty for "=").
    pub(crate) fn start(
        _mechanism: &str,
        _initial: Option<&[u8]>,
        _may_log_in: bool,
        _binding: &Binding,
    ) -> Option<(Exchange, Next)> {
        todo!()
    }

    pub(crate) fn respond(&mut self, _response: &[u8]) -> Next {
        todo!()
    }

    pub(crate) fn answer(&mut self, _answer: LoginAnswer) -> Next {
        todo!()
    }
}
