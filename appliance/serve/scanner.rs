//! The door for scanners and printers on the LAN: answers what the session of a device asks.
//!
//! ```text
//! known     by its address, or by the account it logs in as        [[scanner.device]]
//! sender    one of those that the settings give it; each leads to somebody of this box, who
//!           hears of what could not be delivered
//! to        people of this box; others where the settings say so; so many a day
//! then      as a submission: fields added, signed, one commit      delivery::submit
//! ```
//!
//! Such devices know no TLS of today, often only HELO, and end lines as they like: the owner opens
//! this door for them, also for a password in clear. Everybody else is told what to do.

use super::login::{Desk as LoginDesk, Logins};
use super::receive::{Knocks, Near, look_up};
use super::submit::moment;
use crate::clock;
use crate::delivery::submit::{self, Counter};
use crate::event::{Event, emit};
use crate::net::{Handler, Service, network};
use crate::session::Peer;
use crate::settings::{Device, Scanner, Who};
use crate::smtp::{Answer, Arrived, Ask, Destination, Permit, Server, Setting, Story};
use crate::store::address::{self, Found};
use crate::store::{AccountId, StoreError};
use crate::wire::address::Address;
use crate::wire::budget::Budget;
use crate::wire::sasl::{LoginAnswer, LoginAsk};
use crate::wire::smtp::{ForwardPath, Reply};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The door as the server offers it.
pub(crate) struct Devices {
    setting: Arc<Setting>,
    shared: Arc<Shared>,
}

/// What all connections share.
struct Shared {
    counter: Arc<Counter>,
    logins: Arc<Logins>,
    devices: Vec<Device>,
    knocks: Mutex<Knocks>,
    /// The day (since 1970), and recipients of each device on it.
    sent: Mutex<(i64, HashMap<String, u32>)>,
}

/// The machine of one connection.
pub(crate) struct Machine {
    shared: Arc<Shared>,
    desk: LoginDesk,
    remote: IpAddr,
    /// Who logged in, in lower case.
    login: Mutex<Option<String>>,
}

impl Devices {
    pub(crate) fn new(
        scanner: &Scanner,
        counter: Arc<Counter>,
        logins: Arc<Logins>,
        budget: Arc<Budget>,
    ) -> Self {
        let by_login = scanner.devices.iter().any(|it| matches!(it.who, Who::Account(_)));
        let setting = Setting::devices(counter.post().host(), by_login, budget, clock::now);
        let (devices, knocks, sent) = (scanner.devices.clone(), Mutex::default(), Mutex::default());
        Self { setting, shared: Arc::new(Shared { counter, logins, devices, knocks, sent }) }
    }
}

impl Service for Devices {
    type Session = Server;
    type Handler = Machine;

    fn connect(&self, peer: Peer) -> (Server, Machine) {
        let remote = peer.remote.ip();
        let desk = self.shared.logins.desk("scanner", remote);
        let machine =
            Machine { shared: self.shared.clone(), desk, remote, login: Mutex::default() };
        (Server::new(self.setting.clone(), peer), machine)
    }

    fn refusal(&self) -> &'static str {
        "421 4.7.0 Too many connections, try again later\r\n"
    }
}

impl Handler<Server> for Machine {
    async fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Login(ask) => Answer::Login(self.log_in(ask).await),
            Ask::Sender { from, .. } => Answer::Sender(self.sender(&from)),
            Ask::Recipient { from, to, size, .. } => {
                Answer::Recipient(self.recipient((from.as_ref(), &to), size))
            }
            Ask::Receive(arrived) => Answer::Received(self.receive(*arrived).await),
            Ask::Tell(story) => {
                self.tell(*story).await;
                Answer::Told
            }
        }
    }
}

impl Machine {
    async fn log_in(&self, ask: LoginAsk) -> LoginAnswer {
        let answer = self.desk.answer(ask).await;
        if let LoginAnswer::Granted(login) = &answer {
            let mut known = self.login.lock().unwrap_or_else(PoisonError::into_inner);
            *known = Some(login.name.to_lowercase());
        }
        answer
    }

    /// The first of the settings that it is: by log-in, else by address.
    fn device(&self) -> Option<&Device> {
        let login = self.login.lock().unwrap_or_else(PoisonError::into_inner);
        let is = |device: &&Device| match (&device.who, login.as_ref()) {
            (Who::Account(account), Some(login)) => account == login,
            (Who::Network(network), None) => network.holds(self.remote),
            _ => false,
        };
        self.shared.devices.iter().find(is)
    }

    fn sender(&self, from: &Address) -> Permit {
        let Some(device) = self.device() else { return Permit::NoDevice };
        if !device.from.iter().any(|own| is_same(own, from)) {
            return Permit::NotOfDevice;
        }
        match self.keeper(from) {
            Ok(Some(_)) => Permit::Own,
            Ok(None) => Permit::LeadsNowhere,
            Err(error) => {
                trouble(&error);
                Permit::Unavailable
            }
        }
    }

    /// Who hears what became of mail from this address.
    fn keeper(&self, from: &Address) -> Result<Option<AccountId>, StoreError> {
        let read = self.shared.counter.post().store().snapshot()?;
        Ok(match address::find(&read, from)? {
            Found::Accounts { accounts, .. } => accounts.first().copied(),
            _ => None,
        })
    }

    fn recipient(&self, path: (Option<&Address>, &ForwardPath), size: Option<u64>) -> Destination {
        let Some(device) = self.device() else { return Destination::NotOurs };
        let found = look_up(self.shared.counter.post(), Near::Elsewhere, path, size);
        match found {
            Destination::NotOurs if !device.outside => return Destination::InsideOnly,
            Destination::NotOurs | Destination::Ours => {}
            refused => return refused,
        }
        if self.sent().1.get(&device.name).is_some_and(|sent| *sent >= device.per_day) {
            return Destination::TooManyOfDevice;
        }
        if found == Destination::Ours { found } else { Destination::Outside }
    }

    async fn receive(&self, arrived: Arrived) -> Reply {
        let unknown =
            || Reply::new(550, 7, 1, "The settings of this server changed, connect again");
        let Some(device) = self.device() else { return unknown() };
        let Some(from) = arrived.from.clone() else { return unknown() };
        let authors = match submit::authors(&arrived.message) {
            Ok(authors) => authors,
            Err(reply) => return reply,
        };
        // RFC 6409 6.1
        let other = authors.iter().find(|it| !device.from.iter().any(|own| is_same(own, it)));
        if let Some(other) = other {
            let text = format!(
                "The message says it is from {other}; this device may send as {} (from of {:?} in \
                 the settings)",
                device.from.iter().map(Address::to_string).collect::<Vec<_>>().join(", "),
                device.name
            );
            return Reply::new(550, 7, 1, text);
        }
        let account = match self.keeper(&from) {
            Ok(Some(account)) => account,
            Ok(None) => return unknown(),
            Err(error) => return crate::delivery::receive::refused(&error),
        };
        let more = u32::try_from(arrived.recipients.len()).unwrap_or(u32::MAX);
        if !self.count(device, more) {
            let text = "This device has written to as many as may be in a day";
            return Reply::new(452, 7, 1, text);
        }
        let reply = self.shared.counter.submit_for(account, arrived, moment()).await;
        if !reply.is_positive() {
            let mut sent = self.sent();
            let sent = sent.1.entry(device.name.clone()).or_default();
            *sent = sent.saturating_sub(more);
        }
        reply
    }

    /// Counts recipients of today; false, and none is counted, where they are too many.
    fn count(&self, device: &Device, more: u32) -> bool {
        let mut sent = self.sent();
        let sent = sent.1.entry(device.name.clone()).or_default();
        let all = sent.saturating_add(more);
        if all <= device.per_day {
            *sent = all;
        }
        all <= device.per_day
    }

    /// Of today.
    fn sent(&self) -> MutexGuard<'_, (i64, HashMap<String, u32>)> {
        let today = clock::now().div_euclid(24 * 60 * 60);
        let mut sent = self.shared.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.0 != today {
            *sent = (today, HashMap::new());
        }
        sent
    }

    async fn tell(&self, story: Story) {
        let (minute, from) = (clock::now() / 60, network(story.caller.remote.ip()));
        if self.shared.knocks.lock().is_ok_and(|mut knocks| knocks.may_tell(minute, from)) {
            self.shared.counter.post().remember(story, clock::now_micros()).await;
        }
    }
}

/// Case does not count, since no owner wants it to.
fn is_same(one: &Address, other: &Address) -> bool {
    one.domain() == other.domain() && one.local_folded() == other.local_folded()
}

fn trouble(error: &StoreError) {
    emit(Event::StoreTrouble { doing: "looking up an address", why: error.to_string() });
}
