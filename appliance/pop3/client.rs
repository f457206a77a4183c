//! The POP3 client (RFC 1939, 2449, 2595, 5034): a pure state machine over one connection to the
//! server of a provider.
//!
//! ```text
//! Greeting -> CAPA -> [STLS -> secured -> CAPA] -> log-in -> Ready
//! Ready --list--> UIDL, LIST --> Ready    --fetch--> RETR --> Ready
//!       --delete--> DELE --> Ready        --quit--> QUIT --> Done
//! any --what makes no sense, end, time-out--> Over
//! ```
//!
//! Nothing secret is said before TLS stands.

use crate::limits::{
    MESSAGE_BYTES, POP3_HEARD_LINE_BYTES, POP3_OUT_EXCESS_BYTES, POP3_OUT_LISTING_BYTES,
    POP3_OUT_MESSAGES, POP3_OUT_REPLY,
};
use crate::wire::frame::{Ending, Line, LineTaker};
use crate::wire::pop3::heard::{self, Lines, Status};
use crate::wire::sasl::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::collections::HashMap;
use std::time::Duration;

/// What the driver tells the client.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// The connection stands; in TLS already, or not.
    Opened {
        secured: bool,
    },
    /// Unread octets; all are taken that are of use.
    Bytes(&'a mut Vec<u8>),
    /// TLS stands; what was read before is forgotten.
    Secured,
    TimedOut,
    /// The peer closed or the connection broke, in words.
    Ended(String),
}

/// What the client wants next. Before each, what was said is written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Octets within this time.
    Read(Duration),
    /// TLS as the client.
    Secure,
    /// Logged in, or the last letter was deleted: say what to do.
    Ready,
    Listed(Listing),
    /// A letter; `None`: it is larger than any that is taken.
    Letter(Option<Vec<u8>>),
    /// The letter is not there any more, or not to be had now: what the server said.
    NoLetter(String),
    /// QUIT was answered: what was deleted is gone there.
    Done,
    Over(Trouble),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    pub letters: Vec<Listed>,
    /// The server gives no unique-ids.
    pub nameless: bool,
    /// There are more than are looked at.
    pub more: bool,
}

/// A letter of a maildrop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub number: u32,
    /// RFC 1939 7; empty when it has none.
    pub unique_id: Vec<u8>,
    /// As the server says.
    pub size: u64,
}

/// Why it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub kind: Kind,
    /// For a person.
    pub why: String,
    /// What the server said, word by word.
    pub reply: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The log-in is refused.
    Refused,
    /// There must be TLS, and is none.
    NoTls,
    /// Another has the maildrop, or it is too soon. RFC 2449 8.1, RFC 3206
    Busy,
    /// The connection broke.
    Lost,
    /// It cannot be understood.
    Broken,
}

#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub user: String,
    /// A password, or with `token` an access token.
    pub secret: Secret,
    /// RFC 6749: XOAUTH2.
    pub token: bool,
}

pub(crate) struct Client {
    login: Login,
    /// STLS must come before anything else.
    stls: bool,
    /// Letters above this are not kept.
    most: usize,
    lines: LineTaker,
    state: State,
    secured: bool,
    capabilities: Vec<String>,
    ids: Option<HashMap<u32, Vec<u8>>>,
}

#[derive(Debug)]
enum State {
    Greeting,
    Capa,
    CapaLines(Lines),
    Stls,
    User,
    Pass,
    /// AUTH was said: what to say when asked, and then nothing more.
    Auth(Option<String>),
    Ready,
    Uidl,
    UidlLines(Lines),
    List,
    ListLines(Lines),
    Retr,
    RetrLines(Lines),
    Dele,
    Quit,
    Over,
}

impl Client {
    /// `stls`: TLS is begun in the dialogue, and not from the first octet.
    pub(crate) fn new(login: Login, stls: bool) -> Self {
        Self {
            login,
            stls,
            most: MESSAGE_BYTES,
            lines: LineTaker::new(POP3_HEARD_LINE_BYTES, Ending::Tolerant),
            state: State::Greeting,
            secured: false,
            capabilities: Vec::new(),
            ids: None,
        }
    }

    pub(crate) fn step(&mut self, input: Input<'_>, out: &mut Vec<u8>) -> Step {
        match input {
            Input::Opened { secured } => {
                self.secured = secured;
                Step::Read(POP3_OUT_REPLY)
            }
            Input::Bytes(buffer) => self.bytes(buffer, out),
            Input::Secured => {
                self.secured = true;
                self.lines = LineTaker::new(POP3_HEARD_LINE_BYTES, Ending::Tolerant);
                self.capa(out)
            }
            Input::TimedOut => {
                let why = format!("The server did not answer {} in time.", self.doing());
                self.over(Kind::Lost, why, "")
            }
            Input::Ended(why) => {
                let why = format!("The connection ended {}: {why}.", self.doing());
                self.over(Kind::Lost, why, "")
            }
        }
    }

    /// What is in the maildrop; only after [`Step::Ready`] or another answer to what was asked.
    pub(crate) fn list(&mut self, out: &mut Vec<u8>) -> Step {
        self.say("UIDL", State::Uidl, out)
    }

    pub(crate) fn fetch(&mut self, number: u32, out: &mut Vec<u8>) -> Step {
        self.say(&format!("RETR {number}"), State::Retr, out)
    }

    /// Only the header, of one that is too large. RFC 1939 7: a server may not have it
    pub(crate) fn fetch_header(&mut self, number: u32, out: &mut Vec<u8>) -> Step {
        self.say(&format!("TOP {number} 0"), State::Retr, out)
    }

    /// It is gone with [`Client::quit`], not before. RFC 1939 5
    pub(crate) fn delete(&mut self, number: u32, out: &mut Vec<u8>) -> Step {
        self.say(&format!("DELE {number}"), State::Dele, out)
    }

    pub(crate) fn quit(&mut self, out: &mut Vec<u8>) -> Step {
        self.say("QUIT", State::Quit, out)
    }

    fn say(&mut self, command: &str, state: State, out: &mut Vec<u8>) -> Step {
        out.extend_from_slice(command.as_bytes());
        out.extend_from_slice(b"\r\n");
        self.state = state;
        Step::Read(POP3_OUT_REPLY)
    }

    fn bytes(&mut self, buffer: &mut Vec<u8>, out: &mut Vec<u8>) -> Step {
        loop {
            if let Some(lines) = self.awaited_lines() {
                let ended = lines.take(buffer);
                let most = POP3_OUT_EXCESS_BYTES;
                let too_much = lines.octets() > most.max(POP3_OUT_LISTING_BYTES as u64);
                if ended {
                    return self.lines_ended(out);
                }
                if too_much {
                    let why = "The server sends without end.".to_string();
                    return self.over(Kind::Broken, why, "");
                }
                return Step::Read(POP3_OUT_REPLY);
            }
            let line = match self.lines.take(buffer) {
                Line::Need => return Step::Read(POP3_OUT_REPLY),
                Line::Whole(line) => line,
                Line::TooLong | Line::BareLf => {
                    let why = format!("The server answers {} with an endless line.", self.doing());
                    return self.over(Kind::Broken, why, "");
                }
            };
            let step = self.line(&line, out);
            let goes_on = matches!(step, Step::Read(_));
            if !goes_on || buffer.is_empty() {
                return step;
            }
        }
    }

    fn awaited_lines(&mut self) -> Option<&mut Lines> {
        match &mut self.state {
            State::CapaLines(lines)
            | State::UidlLines(lines)
            | State::ListLines(lines)
            | State::RetrLines(lines) => Some(lines),
            _ => None,
        }
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Step {
        if let State::Auth(answer) = &mut self.state
            && heard::challenge(line).is_some()
        {
            // A second challenge tells why a token is refused: the answer is an empty line.
            let answer = answer.take().unwrap_or_default();
            out.extend_from_slice(answer.as_bytes());
            out.extend_from_slice(b"\r\n");
            return Step::Read(POP3_OUT_REPLY);
        }
        let Some(status) = heard::status(line) else {
            let why = format!("The server cannot be understood {}.", self.doing());
            let said = String::from_utf8_lossy(line).into_owned();
            return self.over(Kind::Broken, why, &said);
        };
        self.status(&status, out)
    }

    fn status(&mut self, status: &Status, out: &mut Vec<u8>) -> Step {
        let state = std::mem::replace(&mut self.state, State::Over);
        match (state, status.ok) {
            (State::Greeting, true) => self.capa(out),
            (State::Greeting, false) => {
                self.failed(Kind::Busy, "The server lets nobody in now.", status)
            }
            (State::Capa, true) => self.read(State::CapaLines(Lines::new(POP3_OUT_LISTING_BYTES))),
            // RFC 2449 5: an old server has none
            (State::Capa, false) => self.after_capa(out),
            (State::Stls, true) => {
                self.state = State::Stls;
                Step::Secure
            }
            (State::Stls, false) => self.failed(Kind::NoTls, "The server refuses TLS.", status),
            (State::User, true) => self.pass(out),
            (State::Pass | State::Auth(_), true) => {
                self.state = State::Ready;
                Step::Ready
            }
            (State::User | State::Pass | State::Auth(_), false) => self.denied(status),
            (State::Uidl, true) => self.read(State::UidlLines(Lines::new(POP3_OUT_LISTING_BYTES))),
            (State::Uidl, false) => {
                self.ids = None;
                self.say("LIST", State::List, out)
            }
            (State::List, true) => self.read(State::ListLines(Lines::new(POP3_OUT_LISTING_BYTES))),
            (State::Retr, true) => self.read(State::RetrLines(Lines::new(self.most))),
            (State::Retr, false) => {
                self.state = State::Ready;
                Step::NoLetter(status.text.clone())
            }
            // What cannot be deleted is gone already: it is known by its unique-id next time.
            (State::Dele, _) => {
                self.state = State::Ready;
                Step::Ready
            }
            (State::Quit, true) => Step::Done,
            (State::Quit, false) => {
                self.failed(Kind::Broken, "The server did not delete all that it was told.", status)
            }
            (_, false) => self.failed(Kind::Broken, "The server refuses what it must do.", status),
            (_, true) => {
                self.over(Kind::Broken, "The server spoke out of turn.".to_string(), &status.text)
            }
        }
    }

    fn read(&mut self, state: State) -> Step {
        self.state = state;
        Step::Read(POP3_OUT_REPLY)
    }

    fn capa(&mut self, out: &mut Vec<u8>) -> Step {
        // What was said in clear is not believed once TLS stands.
        self.capabilities.clear();
        self.say("CAPA", State::Capa, out)
    }

    fn after_capa(&mut self, out: &mut Vec<u8>) -> Step {
        if !self.secured {
            return match self.stls {
                true => self.say("STLS", State::Stls, out),
                false => {
                    let why = "There is no TLS, and without it no password is said.".to_string();
                    self.over(Kind::NoTls, why, "")
                }
            };
        }
        let Login { user, secret, token } = &self.login;
        let unsayable = |text: &[u8]| text.iter().any(|octet| *octet < 0x20 || *octet == 0x7f);
        if unsayable(user.as_bytes()) || unsayable(&secret.0) {
            let why = "Name or password has a character that POP3 cannot say.".to_string();
            return self.over(Kind::Refused, why, "");
        }
        let sasl = |name: &str| self.capabilities.iter().any(|it| it == &format!("SASL {name}"));
        if *token {
            let said = crate::wire::sasl::xoauth2(user, &secret.0);
            let said = BASE64.encode(said);
            return self.say("AUTH XOAUTH2", State::Auth(Some(said)), out);
        }
        if sasl("PLAIN") {
            let said = [b"\0", user.as_bytes(), b"\0", &secret.0].concat();
            let said = BASE64.encode(said);
            return self.say("AUTH PLAIN", State::Auth(Some(said)), out);
        }
        let command = format!("USER {user}");
        self.say(&command, State::User, out)
    }

    fn pass(&mut self, out: &mut Vec<u8>) -> Step {
        out.extend_from_slice(b"PASS ");
        out.extend_from_slice(&self.login.secret.0);
        out.extend_from_slice(b"\r\n");
        self.read(State::Pass)
    }

    fn denied(&mut self, status: &Status) -> Step {
        // RFC 2449 8.1.1, RFC 3206 4: not the password is wrong, the moment is
        let busy = matches!(status.code.as_str(), "IN-USE" | "LOGIN-DELAY" | "SYS/TEMP");
        match busy {
            true => self.failed(Kind::Busy, "The server lets us in later.", status),
            false => self.failed(Kind::Refused, "The server refuses the log-in.", status),
        }
    }

    fn lines_ended(&mut self, out: &mut Vec<u8>) -> Step {
        match std::mem::replace(&mut self.state, State::Ready) {
            State::CapaLines(lines) => {
                self.capabilities = capabilities(&lines.whole().unwrap_or_default());
                self.after_capa(out)
            }
            State::UidlLines(lines) => match lines.whole() {
                Some(text) => {
                    let read = |line| heard::unique(line);
                    self.ids = Some(text.split(|octet| *octet == b'\n').filter_map(read).collect());
                    self.say("LIST", State::List, out)
                }
                None => self.over(Kind::Broken, "The maildrop has too many letters.".into(), ""),
            },
            State::ListLines(lines) => match lines.whole() {
                Some(text) => Step::Listed(self.listing(&text)),
                None => self.over(Kind::Broken, "The maildrop has too many letters.".into(), ""),
            },
            State::RetrLines(lines) => Step::Letter(lines.whole()),
            _ => self.over(Kind::Broken, "The server spoke out of turn.".into(), ""),
        }
    }

    fn listing(&mut self, text: &[u8]) -> Listing {
        let ids = self.ids.take();
        let nameless = ids.is_none();
        let mut ids = ids.unwrap_or_default();
        let mut letters = Vec::new();
        let mut more = false;
        for (number, size) in text.split(|octet| *octet == b'\n').filter_map(heard::listing) {
            if letters.len() >= POP3_OUT_MESSAGES {
                more = true;
                break;
            }
            // One without a name of its own could be neither remembered nor told from others.
            match ids.remove(&number) {
                Some(unique_id) => letters.push(Listed { number, unique_id, size }),
                None if nameless => letters.push(Listed { number, unique_id: Vec::new(), size }),
                None => {}
            }
        }
        Listing { letters, nameless, more }
    }

    /// What we were about, to stand in a sentence.
    fn doing(&self) -> &'static str {
        match &self.state {
            State::Greeting => "before its greeting",
            State::Capa | State::CapaLines(_) => "to CAPA",
            State::Stls => "at the start of TLS",
            State::User | State::Pass | State::Auth(_) => "during the log-in",
            State::Uidl | State::UidlLines(_) | State::List | State::ListLines(_) => {
                "at the list of letters"
            }
            State::Retr | State::RetrLines(_) => "in the middle of a letter",
            State::Dele => "at deleting a letter",
            State::Quit => "at the end",
            State::Ready | State::Over => "between two letters",
        }
    }

    fn failed(&mut self, kind: Kind, why: &str, status: &Status) -> Step {
        self.over(kind, why.to_string(), &status.text)
    }

    fn over(&mut self, kind: Kind, why: String, reply: &str) -> Step {
        self.state = State::Over;
        let safe = |c: char| if c.is_control() { '?' } else { c };
        let reply = reply.chars().map(safe).take(POP3_HEARD_LINE_BYTES).collect();
        Step::Over(Trouble { kind, why, reply })
    }
}

/// In upper case; of SASL one for each mechanism. RFC 2449 6.3
fn capabilities(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text).to_ascii_uppercase();
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("SASL") => found.extend(words.map(|name| format!("SASL {name}"))),
            Some(name) => found.push(name.to_string()),
            None => {}
        }
    }
    found
}
