//! Ports 587 and 465: answers what the session of a person who sends asks.

use super::login::{Desk as LoginDesk, Logins};
use super::receive::{Knocks, Near, look_up};
use crate::clock;
use crate::delivery::report::Moment;
use crate::delivery::submit::{Counter, permit};
use crate::event::{Event, emit};
use crate::net::{Handler, Service, network};
use crate::session::Peer;
use crate::smtp::{Answer, Ask, Destination, Permit, Sending, Server, Setting, Story};
use crate::store::{AccountId, Store, StoreError, account};
use crate::wire::address::Address;
use crate::wire::budget::Budget;
use crate::wire::smtp::ForwardPath;
use ring::rand::{SecureRandom, SystemRandom};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// Submission as the server offers it. A clone serves another port.
#[derive(Clone)]
pub(crate) struct Submission {
    setting: Arc<Setting>,
    shared: Arc<Shared>,
}

/// What all connections share.
struct Shared {
    counter: Arc<Counter>,
    logins: Arc<Logins>,
    knocks: Mutex<Knocks>,
}

/// The machine of one connection.
pub(crate) struct Machine {
    shared: Arc<Shared>,
    desk: LoginDesk,
}

impl Submission {
    /// `host`: our name in greeting and Received; `budget`: memory for messages, also of port 25.
    pub(crate) fn new(
        counter: Arc<Counter>,
        logins: Arc<Logins>,
        host: &str,
        budget: Arc<Budget>,
    ) -> Self {
        let setting = Setting::submission(host, budget, clock::now);
        Self { setting, shared: Arc::new(Shared { counter, logins, knocks: Mutex::default() }) }
    }
}

impl Service for Submission {
    type Session = Server;
    type Handler = Machine;

    fn connect(&self, peer: Peer) -> (Server, Machine) {
        let desk = self.shared.logins.desk("submission", peer.remote.ip());
        (Server::new(self.setting.clone(), peer), Machine { shared: self.shared.clone(), desk })
    }

    fn refusal(&self) -> &'static str {
        "421 4.7.0 Too many connections, try again later\r\n"
    }
}

impl Handler<Server> for Machine {
    fn shut(&self) -> Option<&Notify> {
        Some(self.desk.shut())
    }

    async fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Login(ask) => Answer::Login(self.desk.answer(ask).await),
            Ask::Sender { account, credential, from } => {
                Answer::Sender(self.sender(account, credential, &from))
            }
            Ask::Recipient { from, to, size, sending } => {
                Answer::Recipient(self.recipient((from.as_ref(), &to), size, sending))
            }
            Ask::Receive(arrived) => {
                Answer::Received(self.shared.counter.submit(*arrived, moment()).await)
            }
            Ask::Tell(story) => {
                self.tell(*story).await;
                Answer::Told
            }
        }
    }
}

impl Machine {
    fn store(&self) -> &Store {
        self.shared.counter.post().store()
    }

    fn sender(&self, account: AccountId, credential: u64, from: &Address) -> Permit {
        let found = self.store().snapshot().and_then(|read| {
            match account::is_open(&read, account, credential)? {
                true => permit(&read, account, from),
                false => Ok(Permit::NoAccount),
            }
        });
        found.unwrap_or_else(|error| {
            trouble(&error);
            Permit::Unavailable
        })
    }

    /// Addresses of this box are looked up as on port 25; everybody else's may be written to.
    fn recipient(
        &self,
        from: (Option<&Address>, &ForwardPath),
        size: Option<u64>,
        sending: Option<Sending>,
    ) -> Destination {
        let found = look_up(self.shared.counter.post(), Near::Elsewhere, from, size);
        let (Destination::NotOurs, Some(Sending { account, outside })) = (found, sending) else {
            return found;
        };
        match self.shared.counter.may_send(account, outside, clock::now()) {
            Ok(true) => Destination::Outside,
            Ok(false) => Destination::TooMany,
            Err(error) => {
                trouble(&error);
                Destination::Unavailable
            }
        }
    }

    async fn tell(&self, story: Story) {
        let (minute, from) = (clock::now() / 60, network(story.caller.remote.ip()));
        if self.shared.knocks.lock().is_ok_and(|mut knocks| knocks.may_tell(minute, from)) {
            self.shared.counter.post().remember(story, clock::now_micros()).await;
        }
    }
}

/// The time, and a number that nobody can guess.
pub(super) fn moment() -> Moment {
    let (micros, mut random) = (clock::now_micros(), [0; 8]);
    let filled = SystemRandom::new().fill(&mut random).is_ok();
    Moment { micros, chance: if filled { u64::from_le_bytes(random) } else { micros } }
}

fn trouble(error: &StoreError) {
    emit(Event::StoreTrouble { doing: "looking up an address", why: error.to_string() });
}
