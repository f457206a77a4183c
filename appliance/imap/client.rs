//! The IMAP client (RFC 3501, RFC 9051): a pure state machine over one connection to another
//! server.
//!
//! ```text
//! Greeting --OK--> Capability [--> StartTls --OK--> secured --> Capability] --> Login
//!   --OK--> [Capability] --> [Id] --> Ready
//! Ready --say--> commands, several in a row; what is heard is handed on, one response at a time
//! any --BYE, broken response, end, time-out--> Over
//! ```
//!
//! A password is said under TLS only, or where the terms allow it.

use crate::limits;
use crate::wire::imap::heard::{Came, Code, Kind, Name, Receiver, Response, Status};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::time::Duration;

/// What the driver tells the client.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// The connection stands.
    Opened,
    /// Unread octets; what makes no whole response yet is left or kept.
    Bytes(&'a mut Vec<u8>),
    /// TLS stands; what was read before is forgotten.
    Secured,
    TimedOut,
    /// The peer closed or the connection broke, in words.
    Ended(String),
}

/// What the client wants next. Before each, what was said is written.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Octets within this time.
    Read(Duration),
    /// TLS as the client.
    Secure,
    /// Logged in: commands can be said.
    Ready,
    /// Of a client that is ready: the next response. There may be more in what was read.
    Heard(Heard),
    Over(Trouble),
}

#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// Told without a tag.
    Told(Response),
    /// The command with this number is done.
    Done(u32, Status),
}

/// Why a server is of no use now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub ill: Ill,
    pub why: String,
}

/// What kind of trouble it is: what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ill {
    /// The connection, or a server that is not well: try again soon.
    Passing,
    /// It asks to be left alone for a while; for how long, if it says so.
    Busy(Option<Duration>),
    /// It takes neither name nor password: the person must do something.
    Login,
    /// It will be so again: TLS that is not proven, no way to log in.
    Lasting,
}

impl Trouble {
    pub(crate) fn new(ill: Ill, why: impl Into<String>) -> Trouble {
        Trouble { ill, why: why.into() }
    }
}

/// Who logs in, and how.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub user: String,
    pub secret: Secret,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    Password(String),
    /// An access token of OAuth 2.0, said by XOAUTH2.
    Token(String),
}

/// Neither goes into logs.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.user)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// STARTTLS must come before the log-in.
    pub start_tls: bool,
    /// TLS stands from the first octet, or the host is this machine.
    pub clear: bool,
    pub login: Login,
}

pub(crate) struct Client {
    terms: Terms,
    receiver: Receiver,
    state: State,
    secured: bool,
    /// In upper case; `None`: to be asked for.
    capabilities: Option<Vec<String>>,
    /// The number of the last command.
    last: u32,
    closed: bool,
}

#[derive(Debug, PartialEq)]
enum State {
    Greeting,
    Capability,
    StartTls,
    /// What is said at the next "+".
    Login(Vec<String>),
    /// After the log-in.
    CapabilityAgain,
    Id,
    Ready,
}

impl Client {
    pub(crate) fn new(terms: Terms) -> Client {
        Client {
            terms,
            receiver: Receiver::default(),
            state: State::Greeting,
            secured: false,
            capabilities: None,
            last: 0,
            closed: false,
        }
    }

    /// Is this capability offered? In upper case.
    pub(crate) fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().flatten().any(|it| it == capability)
    }

    /// Can it be spoken to?
    pub(crate) fn is_open(&self) -> bool {
        !self.closed && self.state == State::Ready
    }

    /// Says a command without its tag and line end; many may be said before the first is done.
    /// What is its number?
    pub(crate) fn say(&mut self, command: &[u8], out: &mut Vec<u8>) -> u32 {
        self.last += 1;
        out.extend_from_slice(format!("A{} ", self.last).as_bytes());
        out.extend_from_slice(command);
        out.extend_from_slice(b"\r\n");
        self.last
    }

    pub(crate) fn step(&mut self, input: Input<'_>, out: &mut Vec<u8>) -> Step {
        match input {
            Input::Opened => Step::Read(limits::IMAP_OUT_GREETING),
            Input::Bytes(buffer) => self.bytes(buffer, out),
            Input::Secured => {
                self.secured = true;
                self.receiver.restart();
                // RFC 9051 6.2.1: what was offered before TLS is forgotten
                self.capabilities = None;
                self.go_on(out)
            }
            Input::TimedOut => {
                let why = format!("The server said nothing for too long {}.", self.doing());
                self.over(Ill::Passing, why)
            }
            Input::Ended(why) => {
                let why = format!("The connection ended {}: {why}.", self.doing());
                self.over(Ill::Passing, why)
            }
        }
    }

    fn doing(&self) -> &'static str {
        match self.state {
            State::Greeting => "before its greeting",
            State::Capability | State::CapabilityAgain | State::Id => "at its capabilities",
            State::StartTls => "at STARTTLS",
            State::Login(_) => "at the log-in",
            State::Ready if self.receiver.is_in_literal() => "in the middle of a message",
            State::Ready => "while it was asked for mail",
        }
    }

    fn over(&mut self, ill: Ill, why: impl Into<String>) -> Step {
        self.closed = true;
        Step::Over(Trouble::new(ill, why))
    }

    fn bytes(&mut self, buffer: &mut Vec<u8>, out: &mut Vec<u8>) -> Step {
        loop {
            match self.receiver.next(buffer) {
                Came::Need => return Step::Read(limits::IMAP_OUT_REPLY),
                Came::Lost(why) => {
                    let why = format!("The server cannot be understood: {why}.");
                    return self.over(Ill::Passing, why);
                }
                Came::Response(response) => {
                    if let Some(step) = self.take(*response, out) {
                        return step;
                    }
                }
            }
        }
    }

    /// `None`: nothing comes of it yet.
    fn take(&mut self, response: Response, out: &mut Vec<u8>) -> Option<Step> {
        if let Response::Status(status) = &response
            && status.kind == Kind::Bye
        {
            let ill = busy(status).map_or(Ill::Passing, Ill::Busy);
            return Some(self.over(ill, format!("The server said goodbye: {status}")));
        }
        match self.state {
            State::Greeting => self.greeting(response, out),
            State::Ready => Some(Step::Heard(match response {
                Response::Done { tag, status } => match number(&tag) {
                    Some(number) => Heard::Done(number, status),
                    None => Heard::Told(Response::Odd(format!("the tag {tag} is none of ours"))),
                },
                response => Heard::Told(response),
            })),
            _ => self.entering(response, out),
        }
    }

    fn greeting(&mut self, response: Response, out: &mut Vec<u8>) -> Option<Step> {
        let Response::Status(status) = response else {
            let why = "It greets as no IMAP server does.";
            return Some(self.over(Ill::Lasting, why));
        };
        match status.kind {
            Kind::Ok => self.learn(&status),
            Kind::PreAuth if self.terms.start_tls => {
                // RFC 9051 7.1.4: no STARTTLS any more
                let why = "It lets everybody in before there is TLS: nothing was said to it.";
                return Some(self.over(Ill::Lasting, why));
            }
            Kind::PreAuth => {
                self.learn(&status);
                return Some(self.entered(out));
            }
            _ => {
                let ill = busy(&status).map_or(Ill::Passing, Ill::Busy);
                return Some(self.over(ill, format!("The server greets with {status}")));
            }
        }
        Some(self.go_on(out))
    }

    fn learn(&mut self, status: &Status) {
        if let Some(Code::Capability(all)) = &status.code {
            self.capabilities = Some(all.clone());
        }
    }

    /// Towards the log-in, once the capabilities are known.
    fn go_on(&mut self, out: &mut Vec<u8>) -> Step {
        if self.capabilities.is_none() {
            self.state = State::Capability;
            self.say(b"CAPABILITY", out);
            return Step::Read(limits::IMAP_OUT_REPLY);
        }
        if self.terms.start_tls && !self.secured {
            if !self.has("STARTTLS") {
                let why = "It offers no STARTTLS, and a password does not go in clear.";
                return self.over(Ill::Lasting, why);
            }
            self.state = State::StartTls;
            self.say(b"STARTTLS", out);
            return Step::Read(limits::IMAP_OUT_REPLY);
        }
        self.log_in(out)
    }

    fn log_in(&mut self, out: &mut Vec<u8>) -> Step {
        if !self.secured && !self.terms.clear {
            return self
                .over(Ill::Lasting, "There is no TLS, and a password does not go in clear.");
        }
        let Login { user, secret } = self.terms.login.clone();
        let (mechanism, response) = match &secret {
            Secret::Token(token) => {
                ("XOAUTH2", format!("user={user}\u{1}auth=Bearer {token}\u{1}\u{1}"))
            }
            Secret::Password(password) => ("PLAIN", format!("\0{user}\0{password}")),
        };
        if self.has(&format!("AUTH={mechanism}")) {
            let response = BASE64.encode(response);
            // RFC 4959: with the command, where that is understood
            let (line, later) = match self.has("SASL-IR") {
                true => (format!("AUTHENTICATE {mechanism} {response}"), Vec::new()),
                false => (format!("AUTHENTICATE {mechanism}"), vec![response]),
            };
            self.say(line.as_bytes(), out);
            self.state = State::Login(later);
            return Step::Read(limits::IMAP_OUT_REPLY);
        }
        match secret {
            Secret::Password(_) if self.has("LOGINDISABLED") => {
                self.over(Ill::Lasting, "It offers no way to log in with a password.")
            }
            Secret::Token(_) => {
                self.over(Ill::Lasting, "It offers no way to log in with a token (XOAUTH2).")
            }
            Secret::Password(password) => {
                let (Some(user), Some(password)) =
                    (quoted(user.as_bytes()), quoted(password.as_bytes()))
                else {
                    let why = "The name or the password has a line end in it.";
                    return self.over(Ill::Login, why);
                };
                self.say(&[b"LOGIN ".as_slice(), &user, b" ", &password].concat(), out);
                self.state = State::Login(Vec::new());
                Step::Read(limits::IMAP_OUT_REPLY)
            }
        }
    }

    /// Between greeting and readiness.
    fn entering(&mut self, response: Response, out: &mut Vec<u8>) -> Option<Step> {
        let status = match response {
            Response::Capability(all) => {
                self.capabilities = Some(all);
                return None;
            }
            Response::Go(_) => return self.asked(out),
            Response::Done { tag, status } if number(&tag) == Some(self.last) => status,
            _ => return None,
        };
        match &self.state {
            State::Capability if status.is_ok() && self.capabilities.is_some() => {
                Some(self.go_on(out))
            }
            State::Capability => {
                let why = format!("The server does not say what it can do: {status}");
                Some(self.over(Ill::Passing, why))
            }
            State::StartTls if status.is_ok() => Some(Step::Secure),
            State::StartTls => {
                Some(self.over(Ill::Passing, format!("The server refuses TLS: {status}")))
            }
            State::Login(_) if status.is_ok() => {
                // RFC 9051 6.2.2: what is offered may have changed
                self.capabilities = None;
                self.learn(&status);
                Some(self.entered(out))
            }
            State::Login(_) => {
                let ill = busy(&status).map_or(Ill::Login, Ill::Busy);
                Some(self.over(ill, format!("The server refuses the log-in: {status}")))
            }
            _ => Some(self.entered(out)),
        }
    }

    /// "+": the next line of the log-in.
    fn asked(&mut self, out: &mut Vec<u8>) -> Option<Step> {
        let State::Login(later) = &mut self.state else { return None };
        // An empty line: XOAUTH2 told why it fails, and waits for that before it says NO.
        let line = later.pop().unwrap_or_default();
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
        Some(Step::Read(limits::IMAP_OUT_REPLY))
    }

    /// Logged in.
    fn entered(&mut self, out: &mut Vec<u8>) -> Step {
        if self.capabilities.is_none() && self.state != State::CapabilityAgain {
            self.state = State::CapabilityAgain;
            self.say(b"CAPABILITY", out);
            return Step::Read(limits::IMAP_OUT_REPLY);
        }
        // RFC 2971: some providers open no mailbox to who does not say what he is
        if self.has("ID") && self.state != State::Id {
            self.state = State::Id;
            self.say(b"ID (\"name\" \"Mailroom\")", out);
            return Step::Read(limits::IMAP_OUT_REPLY);
        }
        self.state = State::Ready;
        Step::Ready
    }
}

fn number(tag: &str) -> Option<u32> {
    tag.strip_prefix('A')?.parse().ok()
}

/// A quoted string; `None` for what none can hold.
pub(crate) fn quoted(octets: &[u8]) -> Option<Vec<u8>> {
    if octets.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
        return None;
    }
    let mut out = vec![b'"'];
    for &octet in octets {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(octet);
    }
    out.push(b'"');
    Some(out)
}

/// The name of a mailbox as it is said.
pub(crate) fn mailbox(name: &Name) -> Option<Vec<u8>> {
    quoted(&name.0)
}

/// Does it say that too much is asked of it, or that it is not well? And for how long?
pub(crate) fn busy(status: &Status) -> Option<Option<Duration>> {
    let text = status.text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let coded = matches!(
        status.code,
        Some(Code::Throttled | Code::OverQuota | Code::Limit | Code::Unavailable | Code::InUse)
    );
    let refused = matches!(
        status.code,
        Some(Code::AuthenticationFailed | Code::AuthorizationFailed | Code::Expired)
    );
    let said = says(&["too many", "throttl", "bandwidth limit", "rate limit", "simultaneous"])
        || says(&["try again later", "temporar", "server busy", "exceeded command"]);
    (coded || (said && !refused)).then(|| suggested(&text))
}

/// Microsoft: "Suggested Backoff Time: 92415 milliseconds".
fn suggested(text: &str) -> Option<Duration> {
    let (_, rest) = text.split_once("backoff time:")?;
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let number: u64 = rest.get(..end)?.parse().ok()?;
    let unit = rest.get(end..).unwrap_or_default().trim_start();
    let wait = match unit.starts_with("milli") {
        true => Duration::from_millis(number),
        false => Duration::from_secs(number),
    };
    Some(wait.min(limits::FETCH_THROTTLED_AT_MOST))
}
