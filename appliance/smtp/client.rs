//! The SMTP client (RFC 5321): a pure state machine over one connection to another server.
//!
//! ```text
//! Greeting --220--> Hello --250--> [StartTls --220--> secured --> Hello] --> [Login] --> Ready
//! Ready --send--> Envelope (MAIL, RCPT.., DATA in one go) --354--> Content --> End --> Ready
//!                   \--nobody accepted--------------------------------------------------> Ready
//! any --421, broken reply, end, time-out--> Over
//! ```
//!
//! Each recipient has a [`Verdict`]; what goes wrong before the first MAIL is a [`Trouble`] of the
//! host, so that another can be tried.

use super::envelope::Recipient;
use super::offer::Offer;
use crate::limits;
use crate::wire::address::Address;
use crate::wire::sasl::xoauth2;
use crate::wire::smtp::dots::Dots;
use crate::wire::smtp::heard::{Heard, Replies};
use crate::wire::smtp::{Reply, Ret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// What the driver tells the client.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// The connection stands.
    Opened,
    /// Unread octets; all are taken.
    Bytes(&'a mut Vec<u8>),
    /// What was said is written: go on.
    Continue,
    /// TLS stands; what was read before is forgotten.
    Secured,
    TimedOut,
    /// The peer closed or the connection broke, in words.
    Ended(String),
}

/// What the client wants next. Before each, what was said is written.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Octets within this time; a reply that is not whole buys no new time.
    Read(Duration),
    /// [`Input::Continue`] after writing; if the peer has spoken meanwhile, its octets first.
    Again,
    /// TLS as the client.
    Secure,
    /// A message can be sent.
    Ready,
    /// A message has gone, or has not: one for each recipient. Another can be sent if the client
    /// [`Client::is_open`].
    Sent(Vec<Verdict>),
    /// The host takes no mail of ours now.
    Over(Trouble),
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Taken(Reply),
    Later { reply: Option<Reply>, why: String },
    Never { reply: Option<Reply>, why: String },
}

/// Why a host takes no mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub reply: Option<Reply>,
    pub why: String,
    /// It said that it will never.
    pub lasting: bool,
    /// It answers by our own name: the mail would come back to us.
    pub ourselves: bool,
}

/// How far to go with this host.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// Our name.
    pub host: String,
    pub tls: StartTls,
    /// Name and password; only said under TLS, or where `clear` allows it.
    pub login: Option<(String, String)>,
    /// The password is an access token.
    pub token: bool,
    /// TLS stands from the first octet, or the host is this machine.
    pub clear: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartTls {
    Never,
    IfOffered,
    Must,
}

/// A message on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    /// `None` is `<>`.
    pub from: Option<Address>,
    /// At least one.
    pub recipients: Vec<Recipient>,
    pub message: Arc<[u8]>,
    /// The sender asked for it, RFC 6531.
    pub smtputf8: bool,
    pub eight_bit: bool,
    pub ret: Option<Ret>,
    pub envid: Option<Vec<u8>>,
}

pub(crate) struct Client {
    terms: Terms,
    replies: Replies,
    /// Replies heard: the driver's clock begins anew with each.
    heard: u64,
    state: State,
    offer: Offer,
    secured: bool,
    /// The peer has said goodbye, or cannot be understood any more.
    closed: bool,
    /// A transaction was begun and not ended by a reply to its data.
    dirty: bool,
    /// It broke after the whole message was said and before the reply to it.
    doubtful: bool,
    /// STARTTLS was offered, and refused with this.
    tls_refused: Option<Reply>,
    /// There must be TLS, and the server has none for us.
    lacks_tls: bool,
}

#[derive(Debug)]
enum State {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Login(VecDeque<String>),
    Ready,
    Sending(Box<Sending>),
}

/// A reply that is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Await {
    Rset,
    Mail,
    Rcpt(usize),
    Data,
    End,
}

#[derive(Debug)]
struct Sending {
    mail: Mail,
    /// Commands not yet said.
    unsaid: VecDeque<Await>,
    awaited: VecDeque<Await>,
    /// `None`: no answer yet, or accepted and waiting for the end of the message.
    verdicts: Vec<Option<Verdict>>,
    accepted: Vec<usize>,
    content: Option<Dots>,
    /// The message is empty: nobody was accepted and 354 came all the same.
    void: bool,
}

impl Client {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            replies: Replies::default(),
            heard: 0,
            state: State::Greeting,
            offer: Offer::default(),
            secured: false,
            closed: false,
            dirty: false,
            doubtful: false,
            tls_refused: None,
            lacks_tls: false,
        }
    }

    /// Replies heard so far.
    pub(crate) fn heard(&self) -> u64 {
        self.heard
    }

    /// Can another message be sent?
    pub(crate) fn is_open(&self) -> bool {
        !self.closed && matches!(self.state, State::Ready)
    }

    /// Did it end so that the server may have taken the message all the same?
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Does TLS stand?
    pub(crate) fn is_secured(&self) -> bool {
        self.secured
    }

    /// Is it all over because there must be TLS and is none?
    pub(crate) fn lacks_tls(&self) -> bool {
        self.lacks_tls
    }

    /// How it refused to start the TLS that it offered, if it did.
    pub(crate) fn tls_refused(&self) -> Option<&Reply> {
        self.tls_refused.as_ref()
    }

    /// What the host has said it can do.
    pub(crate) fn offer(&self) -> &Offer {
        &self.offer
    }

    pub(crate) fn step(&mut self, input: Input<'_>, out: &mut Vec<u8>) -> Step {
        match input {
            Input::Opened => Step::Read(limits::SMTP_OUT_GREETING),
            Input::Bytes(buffer) => self.bytes(buffer, out),
            Input::Continue => self.go_on(out),
            Input::Secured => {
                self.secured = true;
                self.replies.restart();
                self.hello(out)
            }
            Input::TimedOut => {
                let why = format!("The server did not answer {} in time.", self.doing());
                self.broken(why, None)
            }
            Input::Ended(why) => {
                let why = format!("The connection ended {}: {why}.", self.doing());
                self.broken(why, None)
            }
        }
    }

    /// Begins a message; only after [`Step::Ready`] or [`Step::Sent`] with [`Client::is_open`].
    pub(crate) fn send(&mut self, mail: Mail, out: &mut Vec<u8>) -> Step {
        let verdicts = self.offer.objections(&mail);
        if verdicts.iter().all(Option::is_some) {
            return Step::Sent(verdicts.into_iter().flatten().collect());
        }
        let mut unsaid = VecDeque::new();
        if std::mem::replace(&mut self.dirty, true) {
            unsaid.push_back(Await::Rset);
        }
        unsaid.push_back(Await::Mail);
        let open = verdicts.iter().enumerate().filter(|(_, verdict)| verdict.is_none());
        unsaid.extend(open.map(|(at, _)| Await::Rcpt(at)));
        unsaid.push_back(Await::Data);
        let sending = Sending {
            mail,
            unsaid,
            awaited: VecDeque::new(),
            verdicts,
            accepted: Vec::new(),
            content: None,
            void: false,
        };
        self.state = State::Sending(Box::new(sending));
        self.say_commands(out)
    }

    /// Says goodbye; nothing that comes after it matters.
    pub(crate) fn quit(&mut self, out: &mut Vec<u8>) {
        if self.is_open() {
            out.extend_from_slice(b"QUIT\r\n");
        }
        self.closed = true;
    }

    fn bytes(&mut self, buffer: &mut Vec<u8>, out: &mut Vec<u8>) -> Step {
        loop {
            match self.replies.take(buffer) {
                Heard::Need => return self.waiting(),
                Heard::Broken(error) => {
                    let why = format!("The server cannot be understood {}: {error}.", self.doing());
                    return self.broken(why, None);
                }
                Heard::Reply(reply) => {
                    self.heard += 1;
                    let step = self.reply(reply, out);
                    if !matches!(step, Step::Read(_)) {
                        return step;
                    }
                }
            }
        }
    }

    fn reply(&mut self, reply: Reply, out: &mut Vec<u8>) -> Step {
        // RFC 5321 3.8: 421 may answer any command, and the connection is closed then
        if reply.code == 421 {
            let why = "The server has no time for us now.".to_string();
            return self.broken(why, Some(reply));
        }
        match &mut self.state {
            State::Greeting => self.greeted(reply, out),
            State::Ehlo => self.ehlo(reply, out),
            State::Helo if reply.code == 250 => self.ready(),
            State::Helo => self.over("The server does not take our greeting.", reply),
            State::StartTls => self.start_tls(reply, out),
            State::Login(_) => self.log_in(reply, out),
            State::Ready => {
                // Nobody asked: only a goodbye makes sense here.
                self.closed = true;
                self.over("The server spoke out of turn.", reply)
            }
            State::Sending(_) => self.answered(reply, out),
        }
    }

    /// Where a reply is awaited, for how long. RFC 5321 4.5.3.2
    fn waiting(&self) -> Step {
        Step::Read(match &self.state {
            State::Greeting => limits::SMTP_OUT_GREETING,
            State::Sending(sending) => match sending.awaited.front() {
                Some(Await::Data) => limits::SMTP_OUT_DATA,
                Some(Await::End) if sending.content.is_none() => limits::SMTP_OUT_END,
                Some(Await::End) => return Step::Again,
                _ => limits::SMTP_OUT_COMMAND,
            },
            _ => limits::SMTP_OUT_COMMAND,
        })
    }

    /// What we were about, to stand in a sentence.
    fn doing(&self) -> &'static str {
        match &self.state {
            State::Greeting => "before its greeting",
            State::Ehlo | State::Helo => "to our greeting",
            State::StartTls => "at the start of TLS",
            State::Login(_) => "during the log-in",
            State::Ready => "between two messages",
            State::Sending(sending) => match sending.awaited.front() {
                Some(Await::End) if sending.content.is_none() => "after the whole message",
                Some(Await::End) => "in the middle of the message",
                Some(Await::Data) => "before the message",
                _ => "to sender and recipients",
            },
        }
    }

    // ---- before the first message ----

    fn greeted(&mut self, reply: Reply, out: &mut Vec<u8>) -> Step {
        if reply.code != 220 {
            return self.over("The server takes no mail from us.", reply);
        }
        self.hello(out)
    }

    fn hello(&mut self, out: &mut Vec<u8>) -> Step {
        out.extend_from_slice(format!("EHLO {}\r\n", self.terms.host).as_bytes());
        self.state = State::Ehlo;
        self.waiting()
    }

    fn ehlo(&mut self, reply: Reply, out: &mut Vec<u8>) -> Step {
        if reply.code != 250 {
            let unknown = (500..=504).contains(&reply.code);
            let must = self.terms.tls == StartTls::Must && !self.secured;
            if !unknown || must || self.terms.login.is_some() {
                return self.over("The server does not take our greeting.", reply);
            }
            // RFC 5321 3.2: an old server knows only HELO
            out.extend_from_slice(format!("HELO {}\r\n", self.terms.host).as_bytes());
            self.state = State::Helo;
            return self.waiting();
        }
        if is_named(&reply, &self.terms.host) {
            let why = format!("The server calls itself {}, as we do.", self.terms.host);
            return Step::Over(Trouble { reply: None, why, lasting: true, ourselves: true });
        }
        self.offer = Offer::read(&reply);
        let wanted = !self.secured && self.terms.tls != StartTls::Never;
        if wanted && self.offer.starttls {
            out.extend_from_slice(b"STARTTLS\r\n");
            self.state = State::StartTls;
            return self.waiting();
        }
        if wanted && self.terms.tls == StartTls::Must {
            self.lacks_tls = true;
            let why = "The server offers no TLS, and without it nothing is sent there.";
            return self.trouble(why, None, false);
        }
        self.begin_log_in(out)
    }

    fn start_tls(&mut self, reply: Reply, out: &mut Vec<u8>) -> Step {
        if reply.code == 220 {
            return Step::Secure;
        }
        if self.terms.tls == StartTls::Must {
            self.lacks_tls = true;
            return self.trouble("The server does not start TLS.", Some(reply), false);
        }
        // RFC 3207 4: the client may go on without
        self.tls_refused = Some(reply);
        self.begin_log_in(out)
    }

    fn begin_log_in(&mut self, out: &mut Vec<u8>) -> Step {
        let Some((name, password)) = self.terms.login.clone() else { return self.ready() };
        if !self.secured && !self.terms.clear {
            let why = "The relay offers no TLS, and the password is not said in clear.";
            return self.trouble(why, None, false);
        }
        let mut words = VecDeque::new();
        if self.terms.token {
            if !self.offer.auth("XOAUTH2") {
                return self.trouble("The relay takes no tokens (XOAUTH2).", None, false);
            }
            let whole = BASE64.encode(xoauth2(&name, password.as_bytes()));
            out.extend_from_slice(format!("AUTH XOAUTH2 {whole}\r\n").as_bytes());
            // A challenge tells why it is refused: the answer is an empty line.
            words.push_back(String::new());
        } else if self.offer.auth("PLAIN") {
            // RFC 4616 2
            let whole = BASE64.encode(format!("\0{name}\0{password}"));
            out.extend_from_slice(format!("AUTH PLAIN {whole}\r\n").as_bytes());
        } else if self.offer.auth("LOGIN") {
            words.extend([BASE64.encode(name), BASE64.encode(password)]);
            out.extend_from_slice(b"AUTH LOGIN\r\n");
        } else {
            return self.trouble("The relay offers no log-in that we know.", None, false);
        }
        self.state = State::Login(words);
        self.waiting()
    }

    fn log_in(&mut self, reply: Reply, out: &mut Vec<u8>) -> Step {
        let State::Login(words) = &mut self.state else { return self.ready() };
        match (reply.code, words.pop_front()) {
            (235, _) => self.ready(),
            (334, Some(word)) => {
                out.extend_from_slice(format!("{word}\r\n").as_bytes());
                self.waiting()
            }
            // The owner can put it right: the mail is kept.
            _ => self.trouble("The relay does not take our name and password.", Some(reply), false),
        }
    }

    fn ready(&mut self) -> Step {
        self.state = State::Ready;
        Step::Ready
    }

    fn over(&mut self, why: &str, reply: Reply) -> Step {
        let lasting = reply.code >= 500;
        self.trouble(why, Some(reply), lasting)
    }

    fn trouble(&mut self, why: &str, reply: Option<Reply>, lasting: bool) -> Step {
        self.closed = true;
        Step::Over(Trouble { reply, why: why.to_string(), lasting, ourselves: false })
    }

    /// The connection is of no more use. What was sent and not answered is tried again: whether
    /// the server took it after all cannot be known.
    fn broken(&mut self, why: String, reply: Option<Reply>) -> Step {
        self.closed = true;
        let State::Sending(sending) = std::mem::replace(&mut self.state, State::Ready) else {
            return Step::Over(Trouble { reply, why, lasting: false, ourselves: false });
        };
        let end = sending.awaited.front() == Some(&Await::End);
        self.doubtful = end && sending.content.is_none();
        let later = Verdict::Later { reply, why };
        let verdicts = sending.verdicts.into_iter();
        Step::Sent(verdicts.map(|verdict| verdict.unwrap_or_else(|| later.clone())).collect())
    }

    // ---- a message ----

    /// Says the next commands: all that may be under way at once.
    fn say_commands(&mut self, out: &mut Vec<u8>) -> Step {
        let most = if self.offer.pipelining { limits::SMTP_OUT_PIPELINE } else { 1 };
        let State::Sending(sending) = &mut self.state else { return Step::Ready };
        while sending.awaited.len() < most
            && let Some(next) = sending.unsaid.pop_front()
        {
            sending.say(next, &self.offer, out);
            sending.awaited.push_back(next);
        }
        self.waiting()
    }

    fn answered(&mut self, reply: Reply, out: &mut Vec<u8>) -> Step {
        let State::Sending(sending) = &mut self.state else { return self.ready() };
        match sending.awaited.pop_front() {
            None => return self.broken("The server spoke out of turn.".to_string(), Some(reply)),
            Some(Await::Rset) if reply.code != 250 => {
                return self.broken("The server does not begin anew.".to_string(), Some(reply));
            }
            Some(Await::Rset) => {}
            Some(Await::Mail) if reply.code != 250 => {
                sending.refuse_all(&reply, "The server refuses the sender.");
                sending.unsaid.clear();
            }
            Some(Await::Mail) => {}
            Some(Await::Rcpt(at)) => sending.recipient(at, reply),
            Some(Await::Data) => return self.may_send(reply, out),
            Some(Await::End) => return self.sent(reply),
        }
        // RFC 2920 3.1: without a recipient DATA need not be said
        if sending.unsaid.len() == 1 && sending.awaited.is_empty() && sending.is_decided() {
            sending.unsaid.clear();
        }
        if sending.unsaid.is_empty() && sending.awaited.is_empty() {
            return self.finish();
        }
        self.say_commands(out)
    }

    fn may_send(&mut self, reply: Reply, out: &mut Vec<u8>) -> Step {
        let State::Sending(sending) = &mut self.state else { return self.ready() };
        if reply.code != 354 {
            sending.refuse_all(&reply, "The server refuses the message.");
            return self.finish();
        }
        sending.awaited.push_back(Await::End);
        sending.content = Some(Dots::default());
        // RFC 2920 3.1: 354 though all recipients were refused is answered by an empty message
        sending.void = sending.accepted.is_empty();
        self.go_on(out)
    }

    /// The next piece of the message.
    fn go_on(&mut self, out: &mut Vec<u8>) -> Step {
        let State::Sending(sending) = &mut self.state else { return self.waiting() };
        let Some(dots) = &mut sending.content else { return self.waiting() };
        let message: &[u8] = if sending.void { &[] } else { &sending.mail.message };
        if dots.print(message, limits::OUTPUT_PIECE_BYTES, out) {
            sending.content = None;
        }
        self.waiting()
    }

    fn sent(&mut self, reply: Reply) -> Step {
        let State::Sending(sending) = &mut self.state else { return self.ready() };
        let early = sending.content.is_some();
        let taken = reply.code < 300 && !early;
        if taken {
            for at in std::mem::take(&mut sending.accepted) {
                if let Some(verdict) = sending.verdicts.get_mut(at) {
                    *verdict = Some(Verdict::Taken(reply.clone()));
                }
            }
        } else {
            sending.refuse_all(&reply, "The server refuses the message.");
        }
        self.dirty = false;
        // What follows in the middle of a message would be read as its text.
        self.closed |= early;
        self.finish()
    }

    fn finish(&mut self) -> Step {
        let State::Sending(sending) = std::mem::replace(&mut self.state, State::Ready) else {
            return Step::Ready;
        };
        let unknown = Verdict::Later { reply: None, why: "The server gave no answer.".to_string() };
        let verdicts = sending.verdicts.into_iter();
        Step::Sent(verdicts.map(|verdict| verdict.unwrap_or_else(|| unknown.clone())).collect())
    }
}

impl Sending {
    fn say(&self, what: Await, offer: &Offer, out: &mut Vec<u8>) {
        match what {
            Await::Rset => out.extend_from_slice(b"RSET\r\n"),
            Await::Mail => offer.mail(&self.mail, out),
            Await::Rcpt(at) => {
                if let Some(recipient) = self.mail.recipients.get(at) {
                    offer.rcpt(recipient, out);
                }
            }
            Await::Data => out.extend_from_slice(b"DATA\r\n"),
            Await::End => {}
        }
    }

    fn recipient(&mut self, at: usize, reply: Reply) {
        let Some(verdict) = self.verdicts.get_mut(at) else { return };
        if verdict.is_some() {
            return;
        }
        match reply.code {
            250..=252 => self.accepted.push(at),
            // RFC 5321 4.5.3.1.10: 552 for too many recipients is to be read as 452
            552 if reply.enhanced.is_none_or(|code| code.1 == 5) => {
                let why = "The server takes no more recipients at once.".to_string();
                *verdict = Some(Verdict::Later { reply: Some(reply), why });
            }
            _ => *verdict = Some(refused(&reply, "The server refuses the recipient.")),
        }
    }

    /// All that have no verdict yet.
    fn refuse_all(&mut self, reply: &Reply, why: &str) {
        for verdict in self.verdicts.iter_mut().filter(|verdict| verdict.is_none()) {
            *verdict = Some(refused(reply, why));
        }
        self.accepted.clear();
    }

    fn is_decided(&self) -> bool {
        self.accepted.is_empty() && self.verdicts.iter().all(Option::is_some)
    }
}

/// 5yz is for ever; all else, also what makes no sense here, is not.
fn refused(reply: &Reply, why: &str) -> Verdict {
    let (reply, lasting) = (Some(reply.clone()), reply.code >= 500);
    let why = why.to_string();
    if lasting { Verdict::Never { reply, why } } else { Verdict::Later { reply, why } }
}

/// Does the host call itself so in its answer to EHLO?
fn is_named(reply: &Reply, name: &str) -> bool {
    let first = reply.lines.first().and_then(|line| line.split_whitespace().next());
    first.is_some_and(|first| first.eq_ignore_ascii_case(name))
}
