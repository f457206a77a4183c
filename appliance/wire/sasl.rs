//! SASL (RFC 4422), server side, without I/O: PLAIN, LOGIN, SCRAM-SHA-256 and -PLUS.
//!
//! The exchange is a state machine that a protocol session carries: the session undoes base64 and
//! hands responses in, sends challenges out, and forwards each [`LoginAsk`] to the machine.
//!
//! ```text
//! Started -> (Challenge -> Respond)* -> Ask(LoginAsk) -> answer -> Done | Denied
//! ```

use super::scram::{Scram, Variant};
use std::time::Duration;
use zeroize::Zeroize;

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
    /// The account has as many connections open as it may have.
    Crowded,
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
    /// Which of its passwords it was ([`super::scram::mark`]); 0 where that is not known.
    pub credential: u64,
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

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

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
pub(crate) struct Exchange {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Waits for the one response of PLAIN.
    Plain,
    /// LOGIN asked for the name.
    LoginName,
    /// LOGIN asked for the password.
    LoginPassword {
        name: String,
    },
    /// The machine is asked whether the password is right.
    Checking,
    Scram(Box<Scram>),
    Over,
}

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
    /// The account has as many connections open as it may have.
    Crowded,
    Unavailable,
}

/// What a person is told of [`Next::Crowded`], in every protocol.
pub(crate) const CROWDED: &str =
    "Too many connections of this account are open, end a program or a device that uses it";

/// The names to offer, strongest first: PLAIN and LOGIN only where a password may be sent (see
/// `session::Peer::may_log_in`); -PLUS only with a binding.
pub(crate) fn mechanisms(may_log_in: bool, binding: &Binding) -> Vec<&'static str> {
    let mut names = Vec::with_capacity(4);
    if binding.tls {
        names.push("SCRAM-SHA-256-PLUS");
    }
    names.push("SCRAM-SHA-256");
    if may_log_in {
        names.extend(["PLAIN", "LOGIN"]);
    }
    names
}

/// The form of a name or password in which it is compared and hashed; `None` when it holds what
/// may not stand in one. RFC 4013 by way of RFC 7677 3.
pub(crate) fn prepare(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    stringprep::saslprep(text).ok().map(|prepared| prepared.into_owned())
}

impl Exchange {
    /// Begins a mechanism (name in any case); `None` when it is not offered here. With `initial`
    /// the client sent its first response at once (decoded; empty for "=").
    pub(crate) fn start(
        mechanism: &str,
        initial: Option<&[u8]>,
        may_log_in: bool,
        binding: &Binding,
    ) -> Option<(Exchange, Next)> {
        let nonce = super::scram::nonce()?;
        Self::start_with(mechanism, initial, may_log_in, binding, &nonce)
    }

    /// The same with the server's nonce as a value.
    pub(crate) fn start_with(
        mechanism: &str,
        initial: Option<&[u8]>,
        may_log_in: bool,
        binding: &Binding,
        nonce: &str,
    ) -> Option<(Exchange, Next)> {
        let offered = mechanisms(may_log_in, binding);
        let mechanism = offered.into_iter().find(|m| m.eq_ignore_ascii_case(mechanism))?;
        let scram = |variant| State::Scram(Box::new(Scram::new(variant, binding.clone(), nonce)));
        let (state, prompt) = match mechanism {
            "SCRAM-SHA-256-PLUS" => (scram(Variant::Plus), ""),
            "SCRAM-SHA-256" => (scram(Variant::Bare), ""),
            "LOGIN" => (State::LoginName, "Username:"),
            _ => (State::Plain, ""),
        };
        let mut exchange = Exchange { state };
        let next = match initial {
            Some(response) => exchange.respond(response),
            None => Next::Challenge(prompt.as_bytes().to_vec()),
        };
        Some((exchange, next))
    }

    pub(crate) fn respond(&mut self, response: &[u8]) -> Next {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Plain => self.check(plain(response)),
            State::LoginName => match String::from_utf8(response.to_vec()) {
                Ok(name) if !name.is_empty() => {
                    self.state = State::LoginPassword { name };
                    Next::Challenge(b"Password:".to_vec())
                }
                _ => Next::Malformed("the name is empty or not UTF-8"),
            },
            State::LoginPassword { name } => self.check(Ok((name, Secret(response.to_vec())))),
            State::Scram(mut scram) => {
                let next = scram.respond(response);
                self.state = State::Scram(scram);
                next
            }
            State::Checking | State::Over => Next::Malformed("the exchange expects no response"),
        }
    }

    pub(crate) fn answer(&mut self, answer: LoginAnswer) -> Next {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Scram(mut scram) => {
                let next = scram.answer(answer);
                self.state = State::Scram(scram);
                next
            }
            State::Checking => match answer {
                LoginAnswer::Granted(login) => Next::Done(login),
                LoginAnswer::Denied { wait } => Next::Denied { wait },
                LoginAnswer::Crowded => Next::Crowded,
                LoginAnswer::Scram(_) | LoginAnswer::Unavailable => Next::Unavailable,
            },
            _ => Next::Unavailable,
        }
    }

    fn check(&mut self, read: Result<(String, Secret), &'static str>) -> Next {
        match read {
            Ok((name, password)) => {
                self.state = State::Checking;
                Next::Ask(LoginAsk::Password { name, password })
            }
            Err(why) => Next::Malformed(why),
        }
    }
}

/// ```text
/// message = [authzid] NUL authcid NUL passwd                        RFC 4616 2
/// ```
fn plain(message: &[u8]) -> Result<(String, Secret), &'static str> {
    let mut parts = message.split(|octet| *octet == 0);
    let (Some(authzid), Some(authcid), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("PLAIN takes a name and a password, each after a NUL");
    };
    if authcid.is_empty() || password.is_empty() {
        return Err("the name or the password is empty");
    }
    let name = std::str::from_utf8(authcid).map_err(|_| "the name is not UTF-8")?;
    // RFC 4616 2: nobody may act for another here.
    if !authzid.is_empty() && !authzid.eq_ignore_ascii_case(authcid) {
        return Err("nobody may log in for another");
    }
    Ok((name.to_string(), Secret(password.to_vec())))
}

/// What a client says with the mechanism XOAUTH2, before base64: Google's and Microsoft's way to
/// log in with an access token (RFC 6750 2.1).
pub(crate) fn xoauth2(user: &str, token: &[u8]) -> Vec<u8> {
    [b"user=", user.as_bytes(), b"\x01auth=Bearer ", token, b"\x01\x01"].concat()
}
