//! Port 25: answers what the SMTP session asks.

use crate::clock;
use crate::delivery::local;
use crate::delivery::receive::Post;
use crate::event::{Event, emit};
use crate::limits::{
    SMTP_REFUSED_TRACES_PER_DAY, SMTP_REFUSED_TRACES_PER_MINUTE, SMTP_REFUSED_TRACES_PER_NETWORK,
};
use crate::net::{Handler, Service, network};
use crate::session::Peer;
use crate::smtp::{Answer, Ask, Destination, Server, Setting, Story};
use crate::store::{Result, Store};
use crate::wire::budget::Budget;
use crate::wire::smtp::ForwardPath;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// Port 25.
pub(crate) struct Smtp {
    setting: Arc<Setting>,
    desk: Arc<Desk>,
}

/// What all connections share.
struct Desk {
    post: Post,
    knocks: Mutex<Knocks>,
}

/// Refused connections told in the present minute and day.
#[derive(Debug, Default)]
pub(crate) struct Knocks {
    minute: i64,
    in_minute: u32,
    day: i64,
    in_day: u32,
    /// The day's by network: no more of them than stories told.
    of_network: HashMap<IpAddr, u32>,
}

/// The machine of one connection.
pub(crate) struct Machine(Arc<Desk>);

impl Smtp {
    /// `host`: our name in greeting, Received and Authentication-Results.
    /// `budget`: memory for all messages on their way in.
    pub(crate) fn new(store: Store, host: String, budget: Arc<Budget>) -> Result<Self> {
        let setting = Setting::mx(&host, budget, clock::now);
        let desk = Desk { post: Post::new(store, host)?, knocks: Mutex::default() };
        Ok(Self { setting, desk: Arc::new(desk) })
    }
}

impl Service for Smtp {
    type Session = Server;
    type Handler = Machine;

    fn connect(&self, peer: Peer) -> (Server, Machine) {
        (Server::new(self.setting.clone(), peer), Machine(self.desk.clone()))
    }

    fn refusal(&self) -> &'static str {
        "421 4.7.0 Too many connections, try again later\r\n"
    }
}

impl Handler<Server> for Machine {
    async fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Recipient { to, size } => Answer::Recipient(self.recipient(&to, size)),
            Ask::Receive(arrived) => {
                let (now, now_micros) = (clock::now(), clock::now_micros());
                Answer::Received(self.0.post.receive(*arrived, now, now_micros).await)
            }
            Ask::Tell(story) => {
                self.tell(*story).await;
                Answer::Told
            }
        }
    }
}

impl Machine {
    fn recipient(&self, to: &ForwardPath, size: Option<u64>) -> Destination {
        let found = self
            .0
            .post
            .store()
            .snapshot()
            .and_then(|snapshot| local::destination(&snapshot, to, size.unwrap_or(0)));
        found.unwrap_or_else(|error| {
            emit(Event::StoreTrouble { doing: "looking up an address", why: error.to_string() });
            Destination::Unavailable
        })
    }

    async fn tell(&self, story: Story) {
        for refusal in &story.refusals.told {
            emit(Event::Refused {
                remote: story.caller.remote,
                from: refusal.from.clone(),
                to: refusal.to.clone(),
                reply: refusal.reply.to_string(),
            });
        }
        let (minute, from) = (clock::now() / 60, network(story.caller.remote.ip()));
        if self.0.knocks.lock().is_ok_and(|mut knocks| knocks.may_tell(minute, from)) {
            self.0.post.remember(story, clock::now_micros()).await;
        }
    }
}

impl Knocks {
    /// May one more of this network be told in this minute (since 1970)?
    pub(crate) fn may_tell(&mut self, minute: i64, network: IpAddr) -> bool {
        let day = minute / (24 * 60);
        if self.day != day {
            *self = Self { day, ..Self::default() };
        }
        if self.minute != minute {
            (self.minute, self.in_minute) = (minute, 0);
        }
        let of_network = self.of_network.get(&network).copied().unwrap_or_default();
        let may = self.in_minute < SMTP_REFUSED_TRACES_PER_MINUTE
            && self.in_day < SMTP_REFUSED_TRACES_PER_DAY
            && of_network < SMTP_REFUSED_TRACES_PER_NETWORK;
        if may {
            self.in_minute += 1;
            self.in_day += 1;
            self.of_network.insert(network, of_network + 1);
        }
        may
    }
}
