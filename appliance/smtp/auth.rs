//! AUTH (RFC 4954): the log-in of a person who sends.
//!
//! ```text
//! C: AUTH mechanism [initial-response]        S: 334 challenge | 235 | 5yz
//! C: response | "*" (gives up)                S: 334 challenge | 235 | 5yz
//! ```
//!
//! Challenges and responses are base64. Nothing is offered where a password could be overheard,
//! SCRAM neither: the mail that follows would be.
//!
//! SCRAM-SHA-256-PLUS is done for a client that asks for it by name, and not told in EHLO: neomutt
//! with gsasl takes it as the strongest of the list, finds that it cannot bind to its TLS, and
//! tries no other, so that its people could not send at all (over IMAP it goes on to the next).

use super::Ask;
use super::server::{Phase, Role, Server};
use crate::limits::LOGIN_FAILURES_PER_CONNECTION;
use crate::session::Step;
use crate::wire::sasl::{self, Binding, CROWDED, Exchange, LoginAnswer, Next};
use crate::wire::smtp::{LineError, Reply};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

type Then = Option<Step<Ask>>;

impl Server {
    /// The mechanisms to offer; none where there is no log-in.
    pub(super) fn mechanisms(&self) -> Vec<&'static str> {
        match self.setting.role {
            // RFC 4954 3: AUTH is not offered where mail of other servers comes in
            Role::Mx | Role::Devices { log_in: false } => Vec::new(),
            Role::Submission | Role::Devices { .. }
                if self.talk.caller.login.is_some() || !self.may_log_in() =>
            {
                Vec::new()
            }
            Role::Submission | Role::Devices { .. } => sasl::mechanisms(true, &self.binding("")),
        }
    }

    pub(super) fn check_auth(&self) -> Result<(), Reply> {
        if matches!(self.setting.role, Role::Mx | Role::Devices { log_in: false }) {
            return Err(Reply::new(502, 5, 1, "There is no log-in on this port"));
        }
        if !self.talk.caller.extended {
            return Err(Reply::new(503, 5, 1, "Say EHLO first"));
        }
        // RFC 4954 4: after a log-in there is no other
        if self.talk.caller.login.is_some() {
            return Err(Reply::new(503, 5, 1, "You are logged in already"));
        }
        // RFC 4954 4: not inside of a transaction
        if self.transaction.is_some() {
            return Err(Reply::new(503, 5, 1, "RSET the message first"));
        }
        if !self.may_log_in() {
            // RFC 4954 6: 538 where the mechanism needs encryption
            return Err(Reply::new(538, 7, 11, "Say STARTTLS before logging in"));
        }
        Ok(())
    }

    pub(super) fn proceed_auth(
        &mut self,
        mechanism: &str,
        initial: Option<String>,
        out: &mut Vec<u8>,
    ) -> Then {
        let initial = match initial.as_deref() {
            None => None,
            // RFC 4954 4: "=" is an empty response
            Some("=") => Some(Vec::new()),
            Some(text) => match BASE64.decode(text) {
                Ok(octets) => Some(octets),
                Err(_) => return self.refuse(not_base64(), out),
            },
        };
        let binding = self.binding(mechanism);
        match Exchange::start(mechanism, initial.as_deref(), true, &binding) {
            Some((exchange, next)) => self.follow(exchange, next, out),
            None => self.refuse(Reply::new(504, 5, 4, "This mechanism is not offered here"), out),
        }
    }

    /// What the mechanism can bind to. For SCRAM-SHA-256 nothing: who sees no -PLUS in the list
    /// says "y" (RFC 5802 6), and that is no sign of an attack here.
    fn binding(&self, mechanism: &str) -> Binding {
        match mechanism.to_ascii_uppercase().ends_with("-PLUS") {
            true => Binding::from(self.talk.caller.tls.as_ref()),
            false => Binding::default(),
        }
    }

    /// A response of the client.
    pub(super) fn login_line(
        &mut self,
        mut exchange: Exchange,
        line: Result<String, LineError>,
        out: &mut Vec<u8>,
    ) -> Then {
        let text = match line {
            Ok(text) => text,
            // RFC 4954 6: 500 5.5.6 for an exchange line that is too long
            Err(LineError::TooLong) => {
                return self.refuse(Reply::new(500, 5, 6, "The response is too long"), out);
            }
            Err(error) => return self.refuse(Reply::new(500, 5, 2, error.to_string()), out),
        };
        // RFC 4954 4: the client gives up
        if text == "*" {
            return self.refuse(Reply::new(501, 7, 0, "Log-in given up"), out);
        }
        match BASE64.decode(text.trim_end()) {
            Ok(response) => {
                let next = exchange.respond(&response);
                self.follow(exchange, next, out)
            }
            Err(_) => self.refuse(not_base64(), out),
        }
    }

    pub(super) fn login_answered(
        &mut self,
        mut exchange: Exchange,
        answer: LoginAnswer,
        out: &mut Vec<u8>,
    ) -> Then {
        let next = exchange.answer(answer);
        self.follow(exchange, next, out)
    }

    fn follow(&mut self, exchange: Exchange, next: Next, out: &mut Vec<u8>) -> Then {
        match next {
            Next::Challenge(octets) => {
                Reply::plain(334, vec![BASE64.encode(octets)]).print_long(out);
                self.phase = Phase::Challenged(exchange);
                None
            }
            Next::Ask(ask) => {
                self.phase = Phase::LoggingIn(exchange);
                Some(Step::Ask(Ask::Login(ask)))
            }
            Next::Done(login) => {
                self.talk.caller.login = Some(login);
                Reply::new(235, 7, 0, "Logged in").print(out);
                self.pace()
            }
            Next::Denied { wait } => {
                // RFC 4954 6: without telling which of the two is wrong
                Reply::new(535, 7, 8, "Wrong name or password").print(out);
                self.talk.login_failures += 1;
                if self.talk.login_failures >= LOGIN_FAILURES_PER_CONNECTION {
                    let reply = Reply::new(421, 7, 0, "Too many wrong passwords, closing");
                    return Some(self.close(Some(reply), out));
                }
                if wait.is_zero() { self.pace() } else { Some(Step::Pause(wait)) }
            }
            Next::Malformed(why) => self.refuse(Reply::new(501, 5, 2, why), out),
            Next::Crowded => {
                Reply::new(454, 7, 0, CROWDED).print(out);
                self.pace()
            }
            Next::Unavailable => {
                let text = "The log-in could not be checked now, try again later";
                Reply::new(454, 7, 0, text).print(out);
                self.pace()
            }
        }
    }

    /// Under TLS, or when the connection never leaves the machine, or where the owner opened a door
    /// on the LAN for devices that know nothing better.
    fn may_log_in(&self) -> bool {
        matches!(self.setting.role, Role::Devices { .. })
            || self.talk.caller.tls.is_some()
            || self.talk.same_host
    }
}

fn not_base64() -> Reply {
    // RFC 4954 4: 501 when the client's words are not base64
    Reply::new(501, 5, 2, "That is not base64")
}
