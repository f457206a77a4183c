//! The stage: a session driven as the network drives it, with a table of people instead of a store.

use crate::session::{Input, Peer, Session, Step, TlsFacts};
use crate::smtp::{Answer, Arrived, Ask, Destination, Permit, Server, Setting, Story};
use crate::store::AccountId;
use crate::wire::address::Address;
use crate::wire::sasl::{Login, LoginAnswer, LoginAsk};
use crate::wire::smtp::{Budget, Reply};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Who answers the session.
pub(super) trait Machine {
    fn answer(&mut self, ask: Ask) -> Answer;
}

/// People by address, and what was received and told.
#[derive(Default)]
pub(super) struct Table {
    pub people: HashMap<String, Destination>,
    pub received: Vec<Arrived>,
    pub told: Vec<Story>,
    /// What is said to a message instead of 250.
    pub refuse: Option<Reply>,
}

impl Table {
    pub(super) fn of(people: &[&str]) -> Self {
        let name = |who: &&str| Address::parse(who).map_or(who.to_string(), |a| a.to_string());
        let ours = |who: &&str| (name(who).to_lowercase(), Destination::Ours);
        let people = people.iter().map(ours).collect();
        Self { people, ..Self::default() }
    }
}

impl Machine for Table {
    fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Login(ask) => Answer::Login(login(ask)),
            Ask::Sender { account, from, .. } => Answer::Sender(match from.to_string().as_str() {
                "alice@office.test" if account == AccountId(1) => Permit::Own,
                _ => Permit::NotOwn,
            }),
            Ask::Recipient { to, sending, .. } => {
                let to = to.to_string().to_lowercase();
                let domain = to.rsplit('@').next().unwrap_or_default();
                let ours = |who: &String| who.rsplit('@').next() == Some(domain);
                let found = self.people.get(&to).copied();
                Answer::Recipient(match found {
                    Some(destination) => destination,
                    None if self.people.keys().any(ours) => Destination::Unknown,
                    None => match sending {
                        Some(sending) if sending.outside < 2 => Destination::Outside,
                        Some(_) => Destination::TooMany,
                        None => Destination::NotOurs,
                    },
                })
            }
            Ask::Receive(arrived) => {
                if let Some(reply) = &self.refuse {
                    return Answer::Received(reply.clone());
                }
                self.received.push(*arrived);
                let id = self.received.len();
                Answer::Received(Reply::new(250, 0, 0, format!("{id} delivered")))
            }
            Ask::Tell(story) => {
                self.told.push(*story);
                Answer::Told
            }
        }
    }
}

/// Alice, whose password is "secret", and Eve, who is logged in everywhere already.
fn login(ask: LoginAsk) -> LoginAnswer {
    match ask {
        LoginAsk::Password { name, password }
            if name == "alice@office.test" && password.0 == b"secret" =>
        {
            LoginAnswer::Granted(Login {
                account: 1,
                name,
                capabilities_off: Vec::new(),
                credential: 0,
            })
        }
        LoginAsk::Password { name, .. } if name == "eve@office.test" => LoginAnswer::Crowded,
        _ => LoginAnswer::Denied { wait: Duration::ZERO },
    }
}

pub(super) static NOON: AtomicI64 = AtomicI64::new(1_790_000_000);

pub(super) fn noon() -> i64 {
    NOON.load(Ordering::Relaxed)
}

pub(super) fn peer() -> Peer {
    let remote = "192.0.2.7:40001".parse().unwrap();
    Peer { remote, local: "192.0.2.25:25".parse().unwrap(), tls: None }
}

pub(super) fn tls() -> TlsFacts {
    TlsFacts {
        version: "TLSv1.3",
        cipher: "TLS_AES_128_GCM_SHA256".to_string(),
        exporter: None,
        endpoint: Vec::new(),
    }
}

/// One connection.
pub(super) struct Talk<M> {
    pub session: Server,
    pub machine: M,
    buffer: Vec<u8>,
    out: Vec<u8>,
    /// How often answers were slowed.
    pub pauses: usize,
    /// What the last read may take.
    pub within: Duration,
    pub closed: bool,
    pub secured: bool,
}

impl<M: Machine> Talk<M> {
    /// Connected, and the greeting taken off.
    pub(super) fn new(setting: Arc<Setting>, machine: M) -> Self {
        let mut talk = Self::silent(setting, machine);
        let greeting = talk.replies();
        assert!(greeting.starts_with("220 mail.office.test "), "{greeting}");
        talk
    }

    /// Connected, and the greeting still to be heard.
    pub(super) fn silent(setting: Arc<Setting>, machine: M) -> Self {
        Self::of(Server::new(setting, peer()), machine)
    }

    /// The same from another address.
    pub(super) fn from(setting: Arc<Setting>, machine: M, remote: &str) -> Self {
        let remote = remote.parse().expect("an address");
        Self::of(Server::new(setting, Peer { remote, ..peer() }), machine)
    }

    /// A session that was made elsewhere, greeted.
    pub(super) fn with_session(session: Server, machine: M) -> Self {
        let mut talk = Self::of(session, machine);
        assert!(talk.replies().starts_with("220 "));
        talk
    }

    fn of(session: Server, machine: M) -> Self {
        let mut talk = Self {
            session,
            machine,
            buffer: Vec::new(),
            out: Vec::new(),
            pauses: 0,
            within: Duration::ZERO,
            closed: false,
            secured: false,
        };
        talk.drive(Input::Opened);
        talk
    }

    /// The peer sends octets; returns what is answered.
    pub(super) fn send(&mut self, octets: &[u8]) -> String {
        if self.closed {
            return String::new();
        }
        self.buffer.extend_from_slice(octets);
        let mut buffer = std::mem::take(&mut self.buffer);
        let step = self.session.step(Input::Bytes(&mut buffer), &mut self.out);
        self.buffer = buffer;
        self.go_on(step, true);
        self.replies()
    }

    /// A command line, its CRLF added.
    pub(super) fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes())
    }

    /// Anything but octets.
    pub(super) fn drive(&mut self, input: Input<'_, Answer>) {
        let step = self.session.step(input, &mut self.out);
        self.go_on(step, false);
    }

    pub(super) fn replies(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.out)).expect("replies are ASCII")
    }

    /// As `net::drive` does it.
    fn go_on(&mut self, mut step: Step<Ask>, mut was_bytes: bool) {
        let mut before = usize::MAX;
        loop {
            step = match step {
                Step::Read { within, .. } => {
                    self.within = within;
                    if self.buffer.is_empty() || (was_bytes && self.buffer.len() == before) {
                        return;
                    }
                    before = self.buffer.len();
                    was_bytes = true;
                    let mut buffer = std::mem::take(&mut self.buffer);
                    let step = self.session.step(Input::Bytes(&mut buffer), &mut self.out);
                    self.buffer = buffer;
                    step
                }
                Step::Again => {
                    was_bytes = false;
                    self.session.step(Input::Continue, &mut self.out)
                }
                Step::Pause(_) => {
                    was_bytes = false;
                    self.pauses += 1;
                    self.session.step(Input::Continue, &mut self.out)
                }
                Step::Ask(ask) => {
                    was_bytes = false;
                    let answer = self.machine.answer(ask);
                    self.session.step(Input::Answer(answer), &mut self.out)
                }
                Step::Secure => {
                    was_bytes = false;
                    self.secured = true;
                    self.buffer.clear();
                    self.session.step(Input::Secured(tls()), &mut self.out)
                }
                Step::Close => {
                    self.closed = true;
                    return;
                }
            };
        }
    }
}

pub(super) const BUDGET: usize = 1 << 20;

/// Port 25 of a small box: messages up to 4,000 octets.
pub(super) fn setting() -> Arc<Setting> {
    let mut setting = Setting::mx("mail.office.test", Budget::new(BUDGET), noon);
    Arc::get_mut(&mut setting).expect("not shared yet").message_bytes = 4_000;
    setting
}

/// A talk with alice, bob and a full mailbox, after EHLO.
pub(super) fn office() -> Talk<Table> {
    let mut table = Table::of(&["alice@office.test", "bob@office.test", "postmaster"]);
    table.people.insert("full@office.test".to_string(), Destination::OverQuota);
    for (name, destination) in [
        ("srs0=good", Destination::Returned),
        ("srs0=open", Destination::OnlyReports),
        ("srs0=forged", Destination::NoWayBack),
        ("srs0=flood", Destination::TooManyReturned),
    ] {
        table.people.insert(format!("{name}@office.test"), destination);
    }
    table.people.insert("broken@office.test".to_string(), Destination::Unavailable);
    let mut talk = Talk::new(setting(), table);
    let hello = talk.say("EHLO client.test");
    assert!(hello.starts_with("250-mail.office.test"), "{hello}");
    talk
}

/// The same, with sender and recipient given.
pub(super) fn addressed() -> Talk<Table> {
    let mut talk = office();
    assert_eq!(talk.say("MAIL FROM:<x@far.test>"), "250 2.1.0 Sender OK\r\n");
    assert_eq!(talk.say("RCPT TO:<bob@office.test>"), "250 2.1.5 bob@office.test OK\r\n");
    talk
}

/// Runs a transcript: `C: ` lines are sent with CRLF, `S: ` lines are the beginnings of the replies
/// in order, each reply line one, `S! closed` and `S! secured` what became of the connection.
/// Pipelined commands are sent in one piece.
pub(super) fn run<M: Machine>(talk: &mut Talk<M>, script: &str) {
    let mut sent = Vec::new();
    let mut answered: std::collections::VecDeque<String> = Default::default();
    for line in script.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        if let Some(said) = line.strip_prefix("C: ").or((line == "C:").then_some("")) {
            assert!(answered.is_empty(), "not expected: {answered:?} before {line:?}");
            sent.extend_from_slice(said.as_bytes());
            sent.extend_from_slice(b"\r\n");
            continue;
        }
        if !sent.is_empty() {
            let replies = talk.send(&std::mem::take(&mut sent));
            answered.extend(replies.lines().map(str::to_string));
        }
        match line {
            "S! closed" => assert!(talk.closed),
            "S! open" => assert!(!talk.closed),
            "S! secured" => assert!(talk.secured),
            _ => {
                let wanted = line.strip_prefix("S: ").expect("C: or S:");
                let got = answered.pop_front().unwrap_or_default();
                assert!(got.starts_with(wanted), "expected {wanted:?}, got {got:?}\n{script}");
            }
        }
    }
    assert!(answered.is_empty(), "not expected: {answered:?}\n{script}");
}
