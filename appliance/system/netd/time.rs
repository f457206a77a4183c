//! Asks time servers in rounds, and sets the clock by what most of them say.

use super::sntp::{self, Correction, Sample};
use super::sockets::Time;
use crate::limits;
use crate::request::ClockState;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::BorrowedFd;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const PORT: u16 = 123;

/// What the clock is to do, as netd's loop does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    Correct(Correction),
    State(ClockState),
    Tell(String),
}

pub(crate) struct Rounds {
    sockets: Vec<Time>,
    /// Of DHCP, which are asked first.
    given: Vec<SocketAddr>,
    /// Of names, looked up on a thread since that may take long.
    looked_up: Vec<SocketAddr>,
    lookup: Option<Receiver<Vec<SocketAddr>>>,
    round: Option<Round>,
    due: Option<Duration>,
    state: ClockState,
    floor: i64,
    failures: u32,
}

struct Round {
    /// Who was asked: the mark of the question and the clock then.
    asked: HashMap<SocketAddr, ([u8; 8], Duration)>,
    samples: Vec<Sample>,
    until: Duration,
}

impl Rounds {
    /// `floor`: no server is believed that says an earlier time.
    pub(crate) fn new(floor: i64) -> Rounds {
        let sockets = [false, true].into_iter().filter_map(|six| Time::open(six).ok()).collect();
        Rounds {
            sockets,
            given: Vec::new(),
            looked_up: Vec::new(),
            lookup: None,
            round: None,
            due: None,
            state: ClockState::Floor,
            floor,
            failures: 0,
        }
    }

    pub(crate) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(Time::socket)
    }

    pub(crate) fn due(&self) -> Option<Duration> {
        self.round.as_ref().map(|round| round.until).or(self.due)
    }

    /// There is a network: these servers it named.
    pub(crate) fn network(&mut self, now: Duration, servers: &[std::net::Ipv4Addr]) {
        self.given =
            servers.iter().map(|server| SocketAddr::new(IpAddr::V4(*server), PORT)).collect();
        self.due = Some(now);
        self.failures = 0;
        let (sender, receiver) = channel();
        self.lookup = Some(receiver);
        let begun = std::thread::Builder::new().name("time servers".into()).spawn(move || {
            let names = limits::TIME_SERVERS.iter();
            let found = names.filter_map(|name| (*name, PORT).to_socket_addrs().ok()?.next());
            // Nobody waits any more when the network changed meanwhile.
            let _ = sender.send(found.collect());
        });
        if begun.is_err() {
            self.lookup = None;
        }
    }

    pub(crate) fn tick(&mut self, now: Duration, clock: Duration, mark: [u8; 8]) -> Vec<Order> {
        if let Some(found) = self.lookup.as_ref().and_then(|lookup| lookup.try_recv().ok()) {
            self.looked_up = found;
            self.lookup = None;
        }
        if self.round.as_ref().is_some_and(|round| round.until <= now) {
            return self.end(now, clock);
        }
        if self.round.is_none() && self.due.is_some_and(|due| due <= now) {
            self.begin(now, clock, mark);
        }
        Vec::new()
    }

    fn begin(&mut self, now: Duration, clock: Duration, mark: [u8; 8]) {
        let last: Vec<SocketAddr> = limits::TIME_SERVER_ADDRESSES
            .iter()
            .map(|at| SocketAddr::new((*at).into(), PORT))
            .collect();
        let names = if self.looked_up.is_empty() { &last } else { &self.looked_up };
        let servers = self.given.iter().chain(names).take(limits::TIME_SERVERS_ASKED);
        let mut asked = HashMap::new();
        for (at, server) in servers.enumerate() {
            let mut mark = mark;
            mark[7] ^= at.to_le_bytes()[0];
            let socket = self.sockets.get(usize::from(server.is_ipv6()));
            let sent = socket.map(|socket| socket.send(&sntp::question(mark), *server));
            if matches!(sent, Some(Ok(()))) {
                asked.insert(*server, (mark, clock));
            }
        }
        self.round = Some(Round { asked, samples: Vec::new(), until: now + limits::SNTP_ROUND });
    }

    /// Packets that came.
    pub(crate) fn receive(&mut self, clock: Duration) {
        let Some(round) = &mut self.round else {
            self.sockets.iter().for_each(|socket| while socket.receive().is_some() {});
            return;
        };
        for socket in &self.sockets {
            while let Some((octets, from)) = socket.receive() {
                let Some((mark, sent)) = round.asked.get(&from).copied() else { continue };
                if let Ok(sample) = sntp::answer(&octets, mark, sent, clock) {
                    round.asked.remove(&from);
                    round.samples.push(sample);
                }
            }
        }
        if round.asked.is_empty() {
            round.until = Duration::ZERO;
        }
    }

    fn end(&mut self, now: Duration, clock: Duration) -> Vec<Order> {
        let samples = self.round.take().map(|round| round.samples).unwrap_or_default();
        let Some((sample, state)) = sntp::agree(&samples) else {
            self.failures += 1;
            // 8 s, 16 s .. 17 minutes
            let wait = limits::SNTP_RETRY * (1 << self.failures.min(7));
            self.due = Some(now + wait);
            let why =
                if samples.is_empty() { "no time server answers" } else { "time servers disagree" };
            return vec![Order::Tell(why.to_string())];
        };
        self.failures = 0;
        let correction = sntp::correct(sample, clock, self.floor, self.state);
        if let Correction::Refuse(why) = correction {
            self.due = Some(now + limits::SNTP_AGAIN);
            return vec![Order::Tell(format!("time servers are not believed: {why}"))];
        }
        self.state = state.max_of(self.state);
        let again =
            if state == ClockState::Synced { limits::SNTP_AGAIN } else { limits::SNTP_SOON };
        self.due = Some(now + again);
        vec![Order::Correct(correction), Order::State(self.state)]
    }
}

impl ClockState {
    /// What was once agreed on is not forgotten because fewer answer now.
    fn max_of(self, other: ClockState) -> ClockState {
        if (self as u8) < (other as u8) { other } else { self }
    }
}
