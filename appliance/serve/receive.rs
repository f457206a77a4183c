//! Port 25: answers what the SMTP session asks.

use crate::clock;
use crate::delivery::local;
use crate::delivery::receive::{Post, Received};
use crate::event::{Event, emit};
use crate::limits::{
    SMTP_REFUSED_TRACES_PER_DAY, SMTP_REFUSED_TRACES_PER_MINUTE, SMTP_REFUSED_TRACES_PER_NETWORK,
    SRS_RETURNED_PER_DAY,
};
use crate::net::{Handler, Service, network};
use crate::session::Peer;
use crate::smtp::{Answer, Ask, Destination, Permit, Refusal, Server, Setting, Story};
use crate::store::format::Trace;
use crate::store::proof;
use crate::wire::address::Address;
use crate::wire::budget::Budget;
use crate::wire::sasl::LoginAnswer;
use crate::wire::smtp::{ForwardPath, Reply};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

/// Port 25.
pub(crate) struct Smtp {
    setting: Arc<Setting>,
    desk: Arc<Desk>,
}

/// What all connections share.
struct Desk {
    post: Arc<Post>,
    knocks: Mutex<Knocks>,
}

/// What is counted of a day: refused connections told, in the present minute too, and reports
/// that went back.
#[derive(Debug, Default)]
pub(crate) struct Knocks {
    minute: i64,
    in_minute: u32,
    day: i64,
    in_day: u32,
    /// The day's by network: no more of them than stories told.
    of_network: HashMap<IpAddr, u32>,
    returned: u32,
}

/// The machine of one connection.
pub(crate) struct Machine {
    desk: Arc<Desk>,
    near: Near,
}

/// Does a connection come from this machine itself?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Near {
    Here,
    Elsewhere,
}

impl Near {
    fn of(peer: &Peer) -> Near {
        let remote = peer.remote.ip().to_canonical();
        let here = remote.is_loopback() || remote == peer.local.ip().to_canonical();
        if here { Near::Here } else { Near::Elsewhere }
    }
}

impl Smtp {
    /// `budget`: memory for messages, also of the ports of submission.
    pub(crate) fn new(post: Arc<Post>, budget: Arc<Budget>) -> Self {
        let setting = Setting::mx(post.host(), budget, clock::now);
        let desk = Desk { post, knocks: Mutex::default() };
        Self { setting, desk: Arc::new(desk) }
    }
}

impl Service for Smtp {
    type Session = Server;
    type Handler = Machine;

    fn connect(&self, peer: Peer) -> (Server, Machine) {
        let machine = Machine { desk: self.desk.clone(), near: Near::of(&peer) };
        (Server::new(self.setting.clone(), peer), machine)
    }

    fn refusal(&self) -> &'static str {
        "421 4.7.0 Too many connections, try again later\r\n"
    }
}

impl Handler<Server> for Machine {
    async fn answer(&self, ask: Ask) -> Answer {
        match ask {
            // Port 25 knows no log-in and never asks for one.
            Ask::Login(_) => Answer::Login(LoginAnswer::Unavailable),
            Ask::Sender { .. } => Answer::Sender(Permit::Unavailable),
            Ask::Recipient { from, to, size, .. } => {
                let found = look_up(&self.desk.post, self.near, (from.as_ref(), &to), size);
                Answer::Recipient(match found {
                    Destination::Returned if !self.may_return() => Destination::TooManyReturned,
                    found => found,
                })
            }
            Ask::Receive(arrived) => {
                let (now, now_micros) = (clock::now(), clock::now_micros());
                let remote = arrived.caller.remote;
                let Received { reply, story } =
                    self.desk.post.receive(*arrived, now, now_micros).await;
                match story {
                    None => Answer::Received(reply),
                    Some(story) => self.judged(remote, reply, story).await,
                }
            }
            Ask::Tell(story) => {
                self.tell(*story).await;
                Answer::Told
            }
        }
    }
}

/// What RCPT is told of an address, `from` of a message of the first to the second.
pub(super) fn look_up(
    post: &Post,
    near: Near,
    from: (Option<&Address>, &ForwardPath),
    size: Option<u64>,
) -> Destination {
    // The mailbox of a proof is there for this machine alone.
    if near == Near::Elsewhere && matches!(from.1, ForwardPath::To(to) if proof::is_its(to)) {
        return Destination::NotOurs;
    }
    let (size, now) = (size.unwrap_or(0), clock::now());
    let read = post.store().snapshot();
    let found = read.and_then(|read| local::destination(&read, post.srs(), from, size, now));
    found.unwrap_or_else(|error| {
        emit(Event::StoreTrouble { doing: "looking up an address", why: error.to_string() });
        Destination::Unavailable
    })
}

impl Machine {
    /// May one more report go back to the sender of passed-on mail?
    fn may_return(&self) -> bool {
        let minute = clock::now() / 60;
        self.desk.knocks.lock().is_ok_and(|mut knocks| knocks.may_return(minute))
    }

    async fn tell(&self, story: Story) {
        // What a proof was refused is told by the proof.
        if self.near == Near::Here && story.refusals.told.iter().all(is_of_proof) {
            return;
        }
        for refusal in &story.refusals.told {
            emit(Event::Refused {
                remote: story.caller.remote,
                from: refusal.from.clone(),
                to: refusal.to.clone(),
                reply: refusal.reply.to_string(),
            });
        }
        if self.may_tell(story.caller.remote) {
            self.desk.post.remember(story, clock::now_micros()).await;
        }
    }

    async fn judged(&self, remote: SocketAddr, reply: Reply, story: Trace) -> Answer {
        emit(Event::Refused {
            remote,
            from: story.from.clone(),
            to: story.to.join(", "),
            reply: reply.to_string(),
        });
        if self.may_tell(remote) {
            self.desk.post.tell(story, clock::now_micros()).await;
        }
        Answer::Judged(reply)
    }

    fn may_tell(&self, remote: SocketAddr) -> bool {
        let (minute, from) = (clock::now() / 60, network(remote.ip()));
        self.desk.knocks.lock().is_ok_and(|mut knocks| knocks.may_tell(minute, from))
    }
}

fn is_of_proof(refusal: &Refusal) -> bool {
    Address::parse(&refusal.from).is_ok_and(|from| proof::is_its(&from))
}

impl Knocks {
    /// May one more of this network be told in this minute (since 1970)?
    pub(crate) fn may_tell(&mut self, minute: i64, network: IpAddr) -> bool {
        self.turn(minute);
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

    /// May one more report go back to the sender of passed-on mail, at this minute (since 1970)?
    pub(crate) fn may_return(&mut self, minute: i64) -> bool {
        self.turn(minute);
        self.returned += 1;
        self.returned <= SRS_RETURNED_PER_DAY
    }

    fn turn(&mut self, minute: i64) {
        let day = minute / (24 * 60);
        if self.day != day {
            *self = Self { day, ..Self::default() };
        }
    }
}
