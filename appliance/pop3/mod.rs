//! POP3, server side (RFC 1939, 2449, 2595, 3206, 5034, 6856), without I/O.
//!
//! ```text
//! AUTHORIZATION --PASS, AUTH--> Checking -> Locking -> Opening --> TRANSACTION --QUIT--> UPDATE
//!      ^  |  \-- AUTH: Exchanging <-> Checking           |           |  ^
//!      |  +-- Refused (waits) <-- denied                  |          Sending (RETR, LIST ...)
//!      +------------------------- [IN-USE], no store -----+
//! ```
//!
//! The maildrop is INBOX as it was at log-in, locked against other POP3 sessions for the length of
//! this one; IMAP sessions go on. RETR does not set \Seen. Only QUIT deletes, in one commit: a
//! connection that ends otherwise deletes nothing.

pub(crate) mod client;
mod maildrop;
mod outgoing;

use crate::limits::{
    LOGIN_FAILURES_PER_CONNECTION, OUTPUT_PIECE_BYTES, POP3_AUTOLOGOUT, POP3_ERRORS,
    POP3_LINE_BYTES, SASL_LINE_BYTES,
};
use crate::session::{Input, Peer, Session};
use crate::store::{AccountId, Store, StoreError, account};
use crate::wire::frame::{Ending, Line, LineTaker};
use crate::wire::pop3::{self as wire, Command};
use crate::wire::sasl::{self, Binding, CROWDED, Exchange, Login, LoginAnswer, LoginAsk, Next};
use maildrop::{Entry, Maildrop};
use outgoing::{Letter, Outgoing};

/// What a session asks of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    Login(LoginAsk),
    /// May this connection have the maildrop of this account until it ends?
    Lock(AccountId),
    /// Remove these messages (none, perhaps) from INBOX, ascending, in one commit; the lock goes.
    Delete {
        account: AccountId,
        uids: Vec<u32>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Login(LoginAnswer),
    /// The lock is ours, until QUIT or the connection's end.
    Locked,
    /// Another connection has it.
    InUse,
    Deleted,
    /// Nothing was deleted.
    Failed(StoreError),
}

type Step = crate::session::Step<Ask>;

const READ: Step = Step::Read { within: POP3_AUTOLOGOUT, wake: false };

/// One connection.
pub(crate) struct Server {
    peer: Peer,
    store: Store,
    host: String,
    lines: LineTaker,
    phase: Phase,
    utf8: bool,
    errors: usize,
    failures: usize,
}

enum Phase {
    /// The name is that of USER.
    Authorization(Option<String>),
    /// A challenge is out.
    Exchanging(Exchange),
    /// The machine checks a log-in: of AUTH with its exchange, of PASS without.
    Checking(Option<Exchange>),
    /// The wait of a refused log-in.
    Refused,
    Locking(Login),
    Opening(Maildrop, Login),
    Transaction(Maildrop),
    Sending(Maildrop, Outgoing),
    Updating,
    Over,
}

impl Session for Server {
    type Ask = Ask;
    type Answer = Answer;

    fn step(&mut self, input: Input<'_, Answer>, out: &mut Vec<u8>) -> Step {
        match input {
            Input::Opened => {
                ok(out, &format!("{} POP3 ready", self.host));
                READ
            }
            Input::Bytes(buffer) => self.bytes(buffer, out),
            Input::Continue => self.go_on(out),
            Input::Answer(answer) => self.answered(answer, out),
            Input::Secured(facts) => {
                self.peer.tls = Some(facts);
                self.lines.restart();
                self.phase = Phase::Authorization(None);
                READ
            }
            Input::Woken => READ,
            // RFC 1939 3: an autologout deletes nothing and says nothing.
            Input::TimedOut | Input::Ended | Input::Stopping => self.over(),
        }
    }
}

impl Server {
    pub(crate) fn new(peer: Peer, store: Store, host: String) -> Self {
        Self {
            peer,
            store,
            host,
            lines: LineTaker::new(POP3_LINE_BYTES, Ending::Tolerant),
            phase: Phase::Authorization(None),
            utf8: false,
            errors: 0,
            failures: 0,
        }
    }

    fn over(&mut self) -> Step {
        self.phase = Phase::Over;
        Step::Close
    }

    fn bytes(&mut self, buffer: &mut Vec<u8>, out: &mut Vec<u8>) -> Step {
        loop {
            if out.len() >= OUTPUT_PIECE_BYTES {
                return Step::Again;
            }
            let step = match self.lines.take(buffer) {
                Line::Need => return READ,
                Line::Whole(line) => self.line(&line, out),
                Line::TooLong | Line::BareLf => self.wrong("The line is too long", out),
            };
            if !matches!(step, Step::Read { .. }) {
                return step;
            }
        }
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Step {
        if matches!(self.phase, Phase::Exchanging(_)) {
            return self.respond(line, out);
        }
        if self.is_shut() {
            err(out, "[SYS/PERM] This account may not be used any more");
            return self.over();
        }
        match wire::parse(line) {
            Ok(command) => self.command(command, out),
            Err(why) => self.wrong(&why.to_string(), out),
        }
    }

    /// Has the account been suspended or deleted since the log-in, or its password changed?
    fn is_shut(&self) -> bool {
        let Phase::Transaction(maildrop) = &self.phase else { return false };
        let is_open = |read| account::is_open(&read, maildrop.account, maildrop.credential);
        !self.store.snapshot().and_then(is_open).unwrap_or(true)
    }

    fn command(&mut self, command: Command, out: &mut Vec<u8>) -> Step {
        match command {
            Command::Capa => self.capa(out),
            Command::Quit => self.quit(out),
            Command::User(name) => self.user(name, out),
            Command::Pass(password) => self.pass(password, out),
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial, out),
            Command::Stls => self.stls(out),
            Command::Utf8 => self.utf8(out),
            command => match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Transaction(maildrop) => self.transaction(maildrop, command, out),
                phase => {
                    self.phase = phase;
                    self.wrong("Log in first", out)
                }
            },
        }
    }

    /// A command that breaks a rule: too many end the connection.
    fn wrong(&mut self, why: &str, out: &mut Vec<u8>) -> Step {
        self.end_exchange();
        self.errors += 1;
        err(out, why);
        if self.errors >= POP3_ERRORS { self.over() } else { READ }
    }

    fn go_on(&mut self, out: &mut Vec<u8>) -> Step {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Refused => self.refused(out),
            Phase::Opening(maildrop, login) => self.opening(maildrop, login, out),
            Phase::Sending(maildrop, outgoing) => self.sending(maildrop, outgoing, out),
            phase => {
                self.phase = phase;
                READ
            }
        }
    }

    fn answered(&mut self, answer: Answer, out: &mut Vec<u8>) -> Step {
        match (std::mem::replace(&mut self.phase, Phase::Over), answer) {
            (Phase::Checking(Some(mut exchange)), Answer::Login(answer)) => {
                let next = exchange.answer(answer);
                self.exchanged(exchange, next, out)
            }
            (Phase::Checking(None), Answer::Login(answer)) => self.checked(answer, out),
            (Phase::Locking(login), Answer::Locked) => self.locked(login, out),
            (Phase::Locking(_), Answer::InUse) => {
                self.phase = Phase::Authorization(None);
                // RFC 2449 8.1.2
                err(out, "[IN-USE] Another POP3 session has this maildrop");
                READ
            }
            (Phase::Updating, Answer::Deleted) => {
                ok(out, "Bye");
                self.over()
            }
            (_, Answer::Failed(why)) => {
                err(out, &format!("{} Nothing was deleted: {why}", system_code(&why)));
                self.over()
            }
            _ => self.over(),
        }
    }
}

/// AUTHORIZATION: who is it?
impl Server {
    fn capa(&mut self, out: &mut Vec<u8>) -> Step {
        let authorization = matches!(self.phase, Phase::Authorization(_));
        let may_log_in = self.peer.may_log_in();
        let mechanisms = sasl::mechanisms(may_log_in, &self.binding());
        ok(out, "What this server can");
        let mut lines = vec!["TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"];
        lines.extend(may_log_in.then_some("USER"));
        // RFC 6856 2.1: USER says that names and passwords may be UTF-8.
        lines.push(if may_log_in { "UTF8 USER" } else { "UTF8" });
        // RFC 2595 4: STLS only where it may be used.
        lines.extend((authorization && self.peer.tls.is_none()).then_some("STLS"));
        lines.extend(["EXPIRE NEVER", "IMPLEMENTATION Mailroom"]);
        let sasl = format!("SASL {}", mechanisms.join(" "));
        lines.extend((!mechanisms.is_empty()).then_some(sasl.as_str()));
        for line in lines {
            out.extend(format!("{line}\r\n").into_bytes());
        }
        out.extend(b".\r\n");
        READ
    }

    fn binding(&self) -> Binding {
        Binding::from(self.peer.tls.as_ref())
    }

    /// `Err` with the reply already given.
    fn check_authorization(&mut self, out: &mut Vec<u8>) -> Result<(), Step> {
        if matches!(self.phase, Phase::Authorization(_)) {
            return Ok(());
        }
        Err(self.wrong("Only before log-in", out))
    }

    fn check_clear_password(&mut self, out: &mut Vec<u8>) -> Result<(), Step> {
        if self.peer.may_log_in() {
            return Ok(());
        }
        // RFC 2595 2.1: no password in clear
        Err(self.wrong("A password may not cross this connection in clear: STLS first", out))
    }

    fn user(&mut self, name: String, out: &mut Vec<u8>) -> Step {
        let check = self.check_authorization(out).and_then(|()| self.check_clear_password(out));
        if let Err(step) = check {
            return step;
        }
        self.phase = Phase::Authorization(Some(name));
        // RFC 1939 7: not told whether there is such a person
        ok(out, "The password, please");
        READ
    }

    fn pass(&mut self, password: sasl::Secret, out: &mut Vec<u8>) -> Step {
        let check = self.check_authorization(out).and_then(|()| self.check_clear_password(out));
        if let Err(step) = check {
            return step;
        }
        match std::mem::replace(&mut self.phase, Phase::Authorization(None)) {
            Phase::Authorization(Some(name)) => {
                self.phase = Phase::Checking(None);
                Step::Ask(Ask::Login(LoginAsk::Password { name, password }))
            }
            // RFC 1939 7: PASS only right after USER
            _ => self.wrong("USER first", out),
        }
    }

    fn auth(&mut self, mechanism: &str, initial: Option<Vec<u8>>, out: &mut Vec<u8>) -> Step {
        if let Err(step) = self.check_authorization(out) {
            return step;
        }
        let may_log_in = self.peer.may_log_in();
        let begun = Exchange::start(mechanism, initial.as_deref(), may_log_in, &self.binding());
        match begun {
            Some((exchange, next)) => self.exchanged(exchange, next, out),
            None => self.wrong("This mechanism is not offered here", out),
        }
    }

    fn respond(&mut self, line: &[u8], out: &mut Vec<u8>) -> Step {
        let phase = std::mem::replace(&mut self.phase, Phase::Authorization(None));
        self.lines.set_limit(POP3_LINE_BYTES);
        let Phase::Exchanging(mut exchange) = phase else { return self.over() };
        // RFC 5034 4: "*" cancels
        if line == b"*" {
            return self.wrong("Log-in cancelled", out);
        }
        let Some(response) = wire::response(line) else {
            return self.wrong("The response is not base64", out);
        };
        let next = exchange.respond(&response);
        self.exchanged(exchange, next, out)
    }

    fn exchanged(&mut self, exchange: Exchange, next: Next, out: &mut Vec<u8>) -> Step {
        self.phase = Phase::Authorization(None);
        match next {
            Next::Challenge(octets) => {
                out.extend(wire::challenge(&octets).into_bytes());
                self.lines.set_limit(SASL_LINE_BYTES);
                self.phase = Phase::Exchanging(exchange);
                READ
            }
            Next::Ask(ask) => {
                self.phase = Phase::Checking(Some(exchange));
                Step::Ask(Ask::Login(ask))
            }
            Next::Done(login) => self.checked(LoginAnswer::Granted(login), out),
            Next::Denied { wait } => self.checked(LoginAnswer::Denied { wait }, out),
            Next::Crowded => self.checked(LoginAnswer::Crowded, out),
            Next::Unavailable => self.checked(LoginAnswer::Unavailable, out),
            Next::Malformed(why) => self.wrong(why, out),
        }
    }

    fn end_exchange(&mut self) {
        if matches!(self.phase, Phase::Exchanging(_)) {
            self.lines.set_limit(POP3_LINE_BYTES);
            self.phase = Phase::Authorization(None);
        }
    }

    fn checked(&mut self, answer: LoginAnswer, out: &mut Vec<u8>) -> Step {
        match answer {
            LoginAnswer::Granted(login) => {
                let account = AccountId(login.account);
                self.phase = Phase::Locking(login);
                Step::Ask(Ask::Lock(account))
            }
            LoginAnswer::Denied { wait } => {
                self.phase = Phase::Refused;
                Step::Pause(wait)
            }
            LoginAnswer::Crowded => {
                self.phase = Phase::Authorization(None);
                err(out, &format!("[SYS/TEMP] {CROWDED}"));
                READ
            }
            LoginAnswer::Unavailable | LoginAnswer::Scram(_) => {
                self.phase = Phase::Authorization(None);
                // RFC 3206 4: not the person's fault
                err(out, "[SYS/TEMP] The log-in cannot be checked now, try again later");
                READ
            }
        }
    }

    fn refused(&mut self, out: &mut Vec<u8>) -> Step {
        self.phase = Phase::Authorization(None);
        self.failures += 1;
        // RFC 3206 5: [AUTH] so that the client asks its person for the password again
        err(out, "[AUTH] Wrong name or password");
        if self.failures >= LOGIN_FAILURES_PER_CONNECTION { self.over() } else { READ }
    }

    fn stls(&mut self, out: &mut Vec<u8>) -> Step {
        if let Err(step) = self.check_authorization(out) {
            return step;
        }
        // RFC 2595 4: not under TLS
        if self.peer.tls.is_some() {
            return self.wrong("TLS stands already", out);
        }
        ok(out, "Begin TLS");
        Step::Secure
    }

    fn utf8(&mut self, out: &mut Vec<u8>) -> Step {
        // RFC 6856 2.1: only in the AUTHORIZATION state
        if let Err(step) = self.check_authorization(out) {
            return step;
        }
        self.utf8 = true;
        ok(out, "UTF8 enabled");
        READ
    }

    fn locked(&mut self, login: Login, out: &mut Vec<u8>) -> Step {
        match Maildrop::open(&self.store, AccountId(login.account), login.credential) {
            Ok(maildrop) => self.opening(maildrop, login, out),
            Err(why) => self.trouble(&why, out),
        }
    }

    fn opening(&mut self, mut maildrop: Maildrop, login: Login, out: &mut Vec<u8>) -> Step {
        match maildrop.read_on(&self.store) {
            Ok(true) => {
                let (messages, octets) = maildrop.count();
                let name = login.name;
                ok(out, &format!("{name}'s maildrop has {messages} messages ({octets} octets)"));
                self.phase = Phase::Transaction(maildrop);
                READ
            }
            Ok(false) => {
                self.phase = Phase::Opening(maildrop, login);
                Step::Again
            }
            Err(why) => self.trouble(&why, out),
        }
    }

    /// The store cannot be read: the connection ends, nothing is deleted.
    fn trouble(&mut self, why: &StoreError, out: &mut Vec<u8>) -> Step {
        err(out, &format!("{} The maildrop cannot be read: {why}", system_code(why)));
        self.over()
    }
}

/// TRANSACTION and UPDATE: the mail.
impl Server {
    fn transaction(&mut self, mut drop: Maildrop, command: Command, out: &mut Vec<u8>) -> Step {
        let found = |number| drop.get(number).ok_or("No such message");
        let one = match command {
            Command::Stat => {
                let (messages, octets) = drop.count();
                Ok(format!("{messages} {octets}"))
            }
            Command::List(Some(number)) => found(number).map(|e| format!("{number} {}", e.size)),
            Command::Uidl(Some(number)) => {
                found(number).map(|e| format!("{number} {}", drop.unique_id(e)))
            }
            Command::List(None) => {
                let (messages, octets) = drop.count();
                ok(out, &format!("{messages} messages ({octets} octets)"));
                return self.sending(drop, Outgoing::Sizes { next: 1 }, out);
            }
            Command::Uidl(None) => {
                ok(out, "Unique-ids follow");
                return self.sending(drop, Outgoing::UniqueIds { next: 1 }, out);
            }
            Command::Retr(number) => match found(number) {
                Ok(entry) => return self.letter(drop, entry, None, out),
                Err(why) => Err(why),
            },
            Command::Top(number, lines) => match found(number) {
                Ok(entry) => return self.letter(drop, entry, Some(lines), out),
                Err(why) => Err(why),
            },
            Command::Dele(number) => match found(number) {
                Ok(_) => {
                    drop.mark(number);
                    Ok(format!("Message {number} deleted"))
                }
                Err(why) => Err(why),
            },
            Command::Rset => {
                drop.unmark_all();
                let (messages, octets) = drop.count();
                Ok(format!("Maildrop has {messages} messages ({octets} octets)"))
            }
            _ => Ok(String::new()),
        };
        self.phase = Phase::Transaction(drop);
        match one {
            Ok(text) => ok(out, &text),
            Err(why) => return self.wrong(why, out),
        }
        READ
    }

    /// RETR and TOP.
    fn letter(
        &mut self,
        drop: Maildrop,
        entry: Entry,
        lines: Option<u64>,
        out: &mut Vec<u8>,
    ) -> Step {
        match Letter::open(&self.store, &drop, entry.uid, lines, !self.utf8) {
            Ok(Some(letter)) => {
                match lines {
                    None => ok(out, &format!("{} octets", entry.size)),
                    Some(_) => ok(out, "Top of message follows"),
                }
                self.sending(drop, Outgoing::Message(Box::new(letter)), out)
            }
            Ok(None) => {
                self.phase = Phase::Transaction(drop);
                err(out, "Another session removed this message");
                READ
            }
            Err(why) => {
                self.phase = Phase::Transaction(drop);
                err(out, &format!("{} {why}", system_code(&why)));
                READ
            }
        }
    }

    fn sending(&mut self, drop: Maildrop, mut outgoing: Outgoing, out: &mut Vec<u8>) -> Step {
        match outgoing.go_on(&self.store, &drop, out) {
            Ok(true) => {
                self.phase = Phase::Transaction(drop);
                READ
            }
            Ok(false) => {
                self.phase = Phase::Sending(drop, outgoing);
                Step::Again
            }
            // The reply is half out: only the end of the connection can tell that it is not whole.
            Err(_) => self.over(),
        }
    }

    fn quit(&mut self, out: &mut Vec<u8>) -> Step {
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        let Phase::Transaction(drop) = phase else {
            ok(out, "Bye");
            return Step::Close;
        };
        let (account, uids) = (drop.account, drop.marked());
        self.phase = Phase::Updating;
        Step::Ask(Ask::Delete { account, uids })
    }
}

/// RFC 3206 4: will it pass by itself?
fn system_code(why: &StoreError) -> &'static str {
    if why.is_temporary() { "[SYS/TEMP]" } else { "[SYS/PERM]" }
}

fn ok(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"+OK");
    rest(out, text);
}

fn err(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"-ERR");
    rest(out, text);
}

fn rest(out: &mut Vec<u8>, text: &str) {
    if !text.is_empty() {
        out.push(b' ');
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}
