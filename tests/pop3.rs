//! POP3: every dialogue of the RFCs that applies, and what goes wrong.

mod dialogues;
mod rfcs;
mod trouble;

use super::store::{ALICE, NOW, Office};
use crate::limits::OUTPUT_PIECE_BYTES;
use crate::net::{Handler, Service};
use crate::pop3::{Answer, Ask, Server};
use crate::serve::login::Logins;
use crate::serve::pop3::{Answers, Pop3};
use crate::session::{Input, Peer, Session, Step, TlsFacts};
use crate::store::mail::{self, FlagSet, NewMail, Prepared};
use crate::store::{Batch, INBOX};
use crate::wire::sasl::{Login, LoginAnswer, LoginAsk};
use std::sync::Arc;
use std::time::Duration;

/// A box with POP3, and its people.
struct House {
    office: Office,
    service: Pop3,
    run: tokio::runtime::Runtime,
}

impl House {
    /// Alice's INBOX holds these.
    fn with(mails: &[Vec<u8>]) -> House {
        let office = Office::new();
        let logins = Logins::new(office.store.clone(), &[7; 32]).expect("log-ins");
        let service = Pop3::new(office.store.clone(), logins, "mail.office.test".to_string());
        let run = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let house = House { office, service, run: run.expect("a runtime") };
        house.deliver(mails);
        house
    }

    fn deliver(&self, mails: &[Vec<u8>]) {
        let mail = |raw: &Vec<u8>| NewMail {
            body: Arc::new(Prepared::new(raw)),
            prefix: Vec::new(),
            flags: FlagSet::default(),
            internal_date: NOW,
            internal_zone_minutes: 0,
            save_date: NOW,
        };
        let mails: Vec<NewMail> = mails.iter().map(mail).collect();
        let job = move |batch: &mut Batch| {
            for mail in &mails {
                let id = mail::next_id(batch, NOW as u64 * 1_000_000)?;
                mail::append(batch, ALICE, INBOX, mail, id)?;
            }
            Ok(())
        };
        self.office.store.write_blocking(job).expect("delivered");
    }

    fn expunge(&self, uid: u32) {
        let job = move |batch: &mut Batch| {
            mail::expunge(batch, ALICE, INBOX, Some(&[uid]), true).map(drop)
        };
        self.office.store.write_blocking(job).expect("expunged");
    }

    fn uids(&self) -> Vec<u32> {
        let read = self.office.store.snapshot().expect("a snapshot");
        mail::uids(&read, ALICE, INBOX).expect("uids")
    }

    /// A client on this machine: passwords may cross.
    fn client(&self) -> Client<'_> {
        self.client_from("127.0.0.1:40000", None)
    }

    fn client_from(&self, remote: &str, tls: Option<TlsFacts>) -> Client<'_> {
        let mut client = self.connect(remote, tls);
        assert!(client.take().starts_with("+OK"), "the greeting");
        client
    }

    /// Connected, and the greeting still to be heard.
    fn connect(&self, remote: &str, tls: Option<TlsFacts>) -> Client<'_> {
        let address = |text: &str| text.parse().expect("an address");
        let peer = Peer { remote: address(remote), local: address("127.0.0.1:110"), tls };
        let (session, answers) = self.service.connect(peer);
        let mut client = Client {
            house: self,
            session,
            answers,
            buffer: Vec::new(),
            said: Vec::new(),
            closed: false,
            waited: Duration::ZERO,
        };
        client.drive(true);
        client
    }

    fn logged_in(&self) -> Client<'_> {
        let mut client = self.client();
        client.says("USER mrose\r\n", "+OK");
        client.says("PASS secret\r\n", "+OK");
        client
    }
}

fn tls() -> TlsFacts {
    TlsFacts { version: "TLSv1.3", cipher: "X".into(), exporter: Some([1; 32]), endpoint: vec![2] }
}

/// One connection, driven as the network drives it.
struct Client<'h> {
    house: &'h House,
    session: Server,
    answers: Answers,
    buffer: Vec<u8>,
    said: Vec<u8>,
    closed: bool,
    waited: Duration,
}

impl Client<'_> {
    /// Sends octets and hears what the server says until it wants more.
    fn send(&mut self, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
        self.drive(false);
    }

    /// Sends a line and expects a reply that begins so; the whole reply comes back.
    fn says(&mut self, line: &str, expected: &str) -> String {
        self.send(line.as_bytes());
        let reply = self.take();
        assert!(reply.starts_with(expected), "{line:?} was answered {reply:?}, not {expected:?}");
        reply
    }

    fn take(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.said)).into_owned()
    }

    fn end(&mut self) {
        let mut out = Vec::new();
        assert!(matches!(self.session.step(Input::Ended, &mut out), Step::Close));
        assert!(out.is_empty());
        self.closed = true;
    }

    fn drive(&mut self, opened: bool) {
        let mut out = Vec::new();
        let mut before = usize::MAX;
        let mut step = match opened {
            true => self.session.step(Input::Opened, &mut out),
            false => self.session.step(Input::Bytes(&mut self.buffer), &mut out),
        };
        loop {
            assert!(out.len() <= 3 * OUTPUT_PIECE_BYTES, "replies come in pieces: {}", out.len());
            self.said.append(&mut out);
            step = match step {
                Step::Read { .. } if self.buffer.is_empty() || self.buffer.len() == before => {
                    return;
                }
                Step::Read { .. } => {
                    before = self.buffer.len();
                    self.session.step(Input::Bytes(&mut self.buffer), &mut out)
                }
                Step::Again => self.session.step(Input::Continue, &mut out),
                Step::Pause(time) => {
                    self.waited += time;
                    self.session.step(Input::Continue, &mut out)
                }
                Step::Ask(ask) => {
                    let answer = self.answer(ask);
                    self.session.step(Input::Answer(answer), &mut out)
                }
                Step::Secure => {
                    self.buffer.clear();
                    self.session.step(Input::Secured(tls()), &mut out)
                }
                Step::Close => {
                    self.closed = true;
                    return;
                }
            };
        }
    }

    /// The real machine, but for the passwords, which tests of log-ins cover.
    fn answer(&self, ask: Ask) -> Answer {
        let Ask::Login(LoginAsk::Password { name, password }) = &ask else {
            return self.house.run.block_on(self.answers.answer(ask));
        };
        if name == "eve" {
            return Answer::Login(LoginAnswer::Crowded);
        }
        let right = [("mrose", &b"secret"[..]), ("test", b"test"), ("jörg", "pä ß".as_bytes())];
        Answer::Login(if right.contains(&(name.as_str(), &password.0[..])) {
            let login = Login {
                account: ALICE.0,
                name: name.clone(),
                capabilities_off: vec![],
                credential: crate::tests::store::password(&self.house.office.store, ALICE),
            };
            LoginAnswer::Granted(login)
        } else {
            LoginAnswer::Denied { wait: Duration::from_secs(2) }
        })
    }
}

/// A message of this many octets.
fn letter(octets: usize) -> Vec<u8> {
    let mut raw = b"Subject: letter\r\n\r\n".to_vec();
    raw.resize(octets - 2, b'x');
    raw.extend(b"\r\n");
    raw
}
