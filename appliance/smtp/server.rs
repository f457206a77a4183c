//! The session: what comes in goes to the phase it belongs to. Commands are in `commands`,
//! messages in `content`.

use super::envelope::{Caller, Recipient, Refusal, Refusals, Story};
use super::{Answer, Ask};
use crate::limits::{
    MESSAGE_BYTES, SMTP_COMMAND, SMTP_DATA, SMTP_DATA_TOTAL, SMTP_ERRORS, SMTP_TARPIT,
    SMTP_TARPIT_AFTER,
};
use crate::session::{Input, Peer, Session, Step};
use crate::wire::sasl::Exchange;
use crate::wire::smtp::{Budget, Content, LineError, Lines, Mail, Rcpt, Reply};
use std::sync::Arc;
use std::time::Duration;

/// Which door the session stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Port 25: mail of other servers for people of this box. No log-in.
    Mx,
    /// Ports 587 and 465: mail of our people for everybody, after a log-in. RFC 6409
    Submission,
    /// A port on the LAN for named devices; some of them may log in.
    Devices { log_in: bool },
}

/// What all sessions of one port share.
#[derive(Debug)]
pub(crate) struct Setting {
    pub role: Role,
    /// The name in the greeting and the Received field.
    pub host: String,
    pub starttls: bool,
    /// The largest message.
    pub message_bytes: usize,
    /// Memory for messages being received; the same object for every port.
    pub budget: Arc<Budget>,
    /// Seconds since 1970.
    pub now: fn() -> i64,
}

impl Setting {
    /// A port 25 that offers STARTTLS.
    pub(crate) fn mx(host: &str, budget: Arc<Budget>, now: fn() -> i64) -> Arc<Self> {
        let host = host.to_string();
        let message_bytes = MESSAGE_BYTES;
        Arc::new(Self { role: Role::Mx, host, starttls: true, message_bytes, budget, now })
    }

    /// A port 587 that offers STARTTLS, or a port 465 that has TLS from the first octet.
    pub(crate) fn submission(host: &str, budget: Arc<Budget>, now: fn() -> i64) -> Arc<Self> {
        let (role, host, message_bytes) = (Role::Submission, host.to_string(), MESSAGE_BYTES);
        Arc::new(Self { role, host, starttls: true, message_bytes, budget, now })
    }

    /// A port for devices on the LAN; `log_in`: some are known by an account.
    pub(crate) fn devices(
        host: &str,
        log_in: bool,
        budget: Arc<Budget>,
        now: fn() -> i64,
    ) -> Arc<Self> {
        let (role, host) = (Role::Devices { log_in }, host.to_string());
        let message_bytes = MESSAGE_BYTES;
        Arc::new(Self { role, host, starttls: true, message_bytes, budget, now })
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Server {
    pub(super) setting: Arc<Setting>,
    pub(super) talk: Talk,
    pub(super) transaction: Option<Transaction>,
    pub(super) phase: Phase,
    pub(super) lines: Lines,
    /// When the present wait began: for a command line, for a message.
    pub(super) since: i64,
}

/// What lasts as long as the connection.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) caller: Caller,
    pub(super) began: i64,
    /// EHLO or HELO has come (since TLS began).
    pub(super) greeted: bool,
    /// Wrong commands and refused recipients.
    pub(super) errors: usize,
    /// Transactions begun.
    pub(super) mails: usize,
    pub(super) refusals: Refusals,
    pub(super) login_failures: usize,
    /// Peer and local address are the same: nobody can listen in between.
    pub(super) same_host: bool,
}

/// What lasts from MAIL to the end of its message.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) mail: Mail,
    pub(super) began: i64,
    pub(super) recipients: Vec<Recipient>,
    pub(super) refused: Refusals,
    pub(super) chunks: Chunks,
    /// Recipients that are not on this box.
    pub(super) outside: usize,
}

/// What BDAT has brought. RFC 3030 2
#[derive(Debug)]
pub(super) enum Chunks {
    None,
    Some {
        content: Content,
        since: i64,
    },
    /// A chunk was refused: so are all others until the transaction ends.
    Failed(Reply),
}

/// What the next octets, or the next answer, are for.
#[derive(Debug)]
pub(super) enum Phase {
    Command,
    /// A response to a challenge is awaited.
    Challenged(Exchange),
    LoggingIn(Exchange),
    Sender(Mail),
    Recipient(Rcpt),
    Data(Content),
    Chunk {
        octets: u64,
        left: u64,
        last: bool,
        /// The chunk is read and thrown away, then this is said.
        refused: Option<Reply>,
    },
    /// `from` and `to` of the message, should it be refused.
    Receiving {
        from: String,
        to: String,
        refused: Refusals,
    },
    Closing,
}

impl Session for Server {
    type Ask = Ask;
    type Answer = Answer;

    fn step(&mut self, input: Input<'_, Answer>, out: &mut Vec<u8>) -> Step<Ask> {
        match input {
            Input::Opened => self.greet(out),
            Input::Bytes(buffer) => self.bytes(buffer, out),
            Input::Continue | Input::Woken => self.wait(),
            Input::Answer(answer) => self.answer(answer, out),
            Input::Secured(tls) => {
                // RFC 3207 4.2: all that was learnt before TLS is forgotten
                self.reset();
                self.talk.greeted = false;
                self.talk.caller.helo.clear();
                self.talk.caller.extended = false;
                self.talk.caller.login = None;
                self.talk.caller.tls = Some(tls);
                self.lines = Lines::new();
                self.wait()
            }
            Input::TimedOut => self.late(out),
            Input::Ended => self.ended(out),
            Input::Stopping => {
                self.close(Some(Reply::new(421, 3, 2, "This server is stopping")), out)
            }
        }
    }
}

impl Server {
    pub(crate) fn new(setting: Arc<Setting>, peer: Peer) -> Self {
        let began = (setting.now)();
        let (remote, same_host) = (peer.remote, peer.remote.ip() == peer.local.ip());
        let caller =
            Caller { remote, helo: String::new(), extended: false, tls: peer.tls, login: None };
        let talk = Talk {
            caller,
            began,
            greeted: false,
            errors: 0,
            mails: 0,
            refusals: Refusals::default(),
            login_failures: 0,
            same_host,
        };
        Self {
            setting,
            talk,
            transaction: None,
            phase: Phase::Command,
            lines: Lines::new(),
            since: began,
        }
    }

    fn greet(&mut self, out: &mut Vec<u8>) -> Step<Ask> {
        Reply::plain(220, vec![format!("{} ESMTP Mailroom", self.setting.host)]).print(out);
        self.since = self.now();
        self.wait()
    }

    /// Uses what can be used, until there is nothing more or something must be asked first.
    fn bytes(&mut self, buffer: &mut Vec<u8>, out: &mut Vec<u8>) -> Step<Ask> {
        if self.patience().is_zero() {
            return self.late(out);
        }
        while !buffer.is_empty() {
            let step = match self.phase {
                Phase::Command => match self.lines.next(buffer) {
                    None => return self.wait(),
                    Some(line) => {
                        self.since = self.now();
                        self.line(line, out)
                    }
                },
                Phase::Challenged(_) => match self.lines.next_response(buffer) {
                    None => return self.wait(),
                    Some(line) => self.response(line, out),
                },
                Phase::Data(_) => self.data_bytes(buffer, out),
                Phase::Chunk { .. } => self.chunk_bytes(buffer, out),
                // The answer comes first; the octets stay where they are.
                Phase::LoggingIn(_)
                | Phase::Sender(_)
                | Phase::Recipient(_)
                | Phase::Receiving { .. } => return self.wait(),
                Phase::Closing => return Step::Close,
            };
            if let Some(step) = step {
                return step;
            }
        }
        self.wait()
    }

    fn response(
        &mut self,
        line: Result<String, LineError>,
        out: &mut Vec<u8>,
    ) -> Option<Step<Ask>> {
        self.since = self.now();
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Challenged(exchange) => self.login_line(exchange, line, out),
            _ => None,
        }
    }

    fn answer(&mut self, answer: Answer, out: &mut Vec<u8>) -> Step<Ask> {
        self.since = self.now();
        let step = match (std::mem::replace(&mut self.phase, Phase::Command), answer) {
            (Phase::LoggingIn(exchange), Answer::Login(answer)) => {
                self.login_answered(exchange, answer, out)
            }
            (Phase::Sender(mail), Answer::Sender(permit)) => self.sender_found(mail, permit, out),
            (Phase::Recipient(rcpt), Answer::Recipient(destination)) => {
                self.recipient_found(rcpt, destination, out)
            }
            (Phase::Receiving { from, to, refused }, Answer::Received(reply)) => {
                self.received(from, to, refused, reply, out)
            }
            (Phase::Receiving { .. }, Answer::Judged(reply)) => self.said(reply, out),
            // Told, or an answer to nothing that was asked: there is nothing more to say.
            _ => Some(Step::Close),
        };
        step.unwrap_or_else(|| self.wait())
    }

    pub(super) fn now(&self) -> i64 {
        (self.setting.now)()
    }

    /// More bytes, within the time this phase has left.
    pub(super) fn wait(&self) -> Step<Ask> {
        Step::Read { within: self.patience(), wake: false }
    }

    fn patience(&self) -> Duration {
        let left = |limit: Duration, since: i64| {
            let gone = self.now().saturating_sub(since).max(0).unsigned_abs();
            limit.saturating_sub(Duration::from_secs(gone))
        };
        let wait = match self.phase {
            Phase::Data(_) => SMTP_DATA.min(left(SMTP_DATA_TOTAL, self.since)),
            Phase::Chunk { .. } => SMTP_DATA.min(left(SMTP_DATA_TOTAL, self.since)),
            _ => left(SMTP_COMMAND, self.since),
        };
        match self.transaction.as_ref().map(|transaction| &transaction.chunks) {
            // Chunks hold memory until the last: all of them together have the time of one DATA.
            Some(Chunks::Some { since, .. }) => wait.min(left(SMTP_DATA_TOTAL, *since)),
            _ => wait,
        }
    }

    /// Refuses, and counts it against the peer. `None`: go on.
    pub(super) fn refuse(&mut self, reply: Reply, out: &mut Vec<u8>) -> Option<Step<Ask>> {
        reply.print(out);
        self.talk.errors += 1;
        if self.talk.errors >= SMTP_ERRORS {
            let reply = Reply::new(421, 7, 0, "Too many errors, closing");
            return Some(self.close(Some(reply), out));
        }
        self.pace()
    }

    /// A peer with many errors gets its answers slowly.
    pub(super) fn pace(&self) -> Option<Step<Ask>> {
        (self.talk.errors >= SMTP_TARPIT_AFTER).then_some(Step::Pause(SMTP_TARPIT))
    }

    /// Remembers a refusal for the trace.
    pub(super) fn note(&mut self, to: String, why: &str, reply: &Reply) {
        let from = self.transaction.as_ref().and_then(|t| t.mail.from.as_ref());
        let from = from.map(ToString::to_string).unwrap_or_default();
        self.note_from(from, to, why, reply);
    }

    pub(super) fn note_from(&mut self, from: String, to: String, why: &str, reply: &Reply) {
        let why = why.to_string();
        let refusal = Refusal { at: self.now(), from, to, why, reply: reply.clone() };
        match &mut self.transaction {
            Some(transaction) => transaction.refused.add(refusal),
            None => self.talk.refusals.add(refusal),
        }
    }

    /// Ends the transaction without a message. What it refused stays told.
    pub(super) fn reset(&mut self) {
        self.phase = Phase::Command;
        if let Some(transaction) = self.transaction.take() {
            self.talk.refusals.append(transaction.refused);
        }
    }

    fn late(&mut self, out: &mut Vec<u8>) -> Step<Ask> {
        // RFC 5321 3.8: 421 before the connection is closed for a time-out
        let reply = Reply::new(421, 4, 2, "Nothing came in time, closing");
        self.note_unfinished("The sender stopped in the middle of the message", &reply);
        self.close(Some(reply), out)
    }

    fn ended(&mut self, out: &mut Vec<u8>) -> Step<Ask> {
        // RFC 5321 4.1.1.4: without its end a message is not a message
        let reply = Reply::new(421, 4, 2, "The connection ended before the message did");
        self.note_unfinished("The sender hung up in the middle of the message", &reply);
        self.close(None, out)
    }

    fn note_unfinished(&mut self, why: &str, reply: &Reply) {
        let Some(transaction) = &self.transaction else { return };
        let in_message = matches!(self.phase, Phase::Data(_))
            || matches!(transaction.chunks, Chunks::Some { .. });
        if in_message {
            let to = transaction.names();
            self.note(to, why, reply);
        }
    }

    /// Says the last word, tells what was refused, and closes.
    pub(super) fn close(&mut self, reply: Option<Reply>, out: &mut Vec<u8>) -> Step<Ask> {
        if matches!(self.phase, Phase::Closing) {
            return Step::Close;
        }
        if let Some(reply) = reply {
            reply.print(out);
        }
        self.reset();
        self.phase = Phase::Closing;
        let refusals = std::mem::take(&mut self.talk.refusals);
        if refusals.is_empty() {
            return Step::Close;
        }
        let caller = self.talk.caller.clone();
        Step::Ask(Ask::Tell(Box::new(Story { caller, began: self.talk.began, refusals })))
    }
}

impl Transaction {
    /// The recipients, for a person; of many the first few.
    pub(super) fn names(&self) -> String {
        let shown = self.recipients.iter().take(5);
        let mut names: Vec<String> = shown.map(|r| r.to.to_string()).collect();
        if self.recipients.len() > names.len() {
            names.push(format!("{} more", self.recipients.len() - names.len()));
        }
        names.join(", ")
    }
}
