//! netd: the child that owns the network settings of the box. Links, addresses, names, the clock.
//!
//! ```text
//! route.rs      adapters and addresses of the kernel
//! interface.rs  which address the box has: a machine without sockets
//!   dhcp.rs     lent by a server
//!   arp.rs      nobody else's
//! names.rs      NAME.local
//! resolvers.rs  who answers questions for other names
//! sntp.rs       what time it is, by several servers; time.rs asks them
//! ```
//!
//! It has three capabilities (addresses, raw packets, the clock) and can write nothing but
//! resolv.conf. What it says to PID 1 is shown on the console.

pub(crate) mod arp;
pub(crate) mod dhcp;
pub(crate) mod interface;
pub(crate) mod names;
pub(crate) mod resolvers;
pub(crate) mod route;
pub(crate) mod sntp;
pub(crate) mod sockets;
pub(crate) mod time;

use super::init::folder::RESOLV;
use super::pair::Pair;
use super::syscall;
use crate::clock;
use crate::event::{Event as Log, emit};
use crate::limits;
use crate::request::{ClockState, From, Message, Plan, Words};
use interface::{Act, Bound, Event, Interface};
use names::Responder;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use resolvers::Resolvers;
use route::{News, Route};
use sntp::Correction;
use sockets::{ArpSocket, Dhcp};
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;
use time::{Order, Rounds};

/// The adapter that the box uses: the first that has a cable, else the first.
struct Adapter {
    index: u32,
    name: String,
    hardware: [u8; 6],
    up: bool,
    interface: Interface,
    dhcp: Dhcp,
    arp: ArpSocket,
}

struct Netd {
    pair: Pair,
    route: Route,
    plan: Plan,
    name: String,
    adapter: Option<Adapter>,
    rounds: Rounds,
    responder: Option<Responder>,
    resolvers: Resolvers,
    state: ClockState,
}

/// Runs until PID 1 closes its end. The error says what cannot be done without.
pub(crate) fn run(pair: Pair) -> Result<(), String> {
    let fault = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    let first = pair.hear().map_err(fault("PID 1"))?;
    let plan = match first.map(|heard| heard.message) {
        Some(Message::Network(plan)) => plan,
        Some(_) => return Err("the first message is not the network's".to_string()),
        None => return Ok(()),
    };
    let mut netd = Netd {
        pair,
        route: Route::open().map_err(fault("the kernel's routes"))?,
        plan,
        name: limits::HOST_NAME.to_string(),
        adapter: None,
        rounds: Rounds::new(clock::now()),
        responder: None,
        resolvers: Resolvers::default(),
        state: ClockState::Floor,
    };
    netd.route.ask_links().map_err(fault("the kernel's adapters"))?;
    while netd.turn()? {}
    Ok(())
}

impl Netd {
    /// One round of waiting and doing; false: PID 1 is gone.
    fn turn(&mut self) -> Result<bool, String> {
        if self.wait() && !self.hear()? {
            return Ok(false);
        }
        for news in self.route.news() {
            self.news(news)?;
        }
        self.packets();
        self.rounds.receive(since_1970());
        let (now, mark) = (uptime(), random()?);
        for order in self.rounds.tick(now, since_1970(), mark) {
            self.order(order)?;
        }
        self.interface(Event::Tick);
        self.write_resolvers();
        Ok(true)
    }

    /// Returns whether PID 1 said something.
    fn wait(&self) -> bool {
        let own = [self.pair.socket(), self.route.socket()];
        let adapter = self.adapter.iter().flat_map(|a| [a.dhcp.socket(), a.arp.socket()]);
        let all: Vec<BorrowedFd<'_>> =
            own.into_iter().chain(adapter).chain(self.rounds.sockets()).collect();
        let mut watched: Vec<PollFd<'_>> =
            all.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let due = self.adapter.as_ref().and_then(|adapter| adapter.interface.due());
        let due = due.into_iter().chain(self.rounds.due()).chain(self.resolvers.due()).min();
        let most = due.map_or(limits::NETD_LOOK, |due| due.saturating_sub(uptime()));
        let most = most.min(limits::NETD_LOOK) + Duration::from_millis(1);
        let most = u16::try_from(most.as_millis()).unwrap_or(u16::MAX);
        // A signal that interrupts it is as good as a tick.
        let _ = nix::poll::poll(&mut watched, PollTimeout::from(most));
        watched.first().is_some_and(|pair| pair.any().unwrap_or(false))
    }

    fn hear(&mut self) -> Result<bool, String> {
        let heard = self.pair.hear().map_err(|error| format!("PID 1: {error}"))?;
        match heard.map(|heard| heard.message) {
            None => return Ok(false),
            Some(Message::Network(plan)) => {
                self.plan = plan;
                self.interface(Event::Plan(plan));
            }
            Some(Message::NetworkKept) => self.interface(Event::Kept),
            Some(Message::Name(name)) => {
                self.name = name.text().to_string();
                self.responder = None;
                self.announce();
            }
            Some(_) => (),
        }
        Ok(true)
    }

    fn say(&self, message: &Message) -> Result<(), String> {
        self.pair.say(message).map_err(|error| format!("PID 1: {error}"))
    }

    fn tell(&self, words: &str) {
        // Whoever cannot be told is gone, and that is seen at once by `hear`.
        let _ = self.say(&Message::Told(Words::new(words)));
    }

    fn news(&mut self, news: News) -> Result<(), String> {
        match news {
            News::Link { index, on: false, .. } => {
                if let Err(error) = self.route.switch_on(index) {
                    self.tell(&format!("the network adapter cannot be switched on: {error}"));
                }
                Ok(())
            }
            News::Link { index, name, hardware, up, .. } => self.link(index, name, hardware, up),
            News::LinkGone { index } => {
                if self.adapter.as_ref().is_some_and(|adapter| adapter.index == index) {
                    self.leave()?;
                    return self.again();
                }
                Ok(())
            }
            News::Address { index, address: IpAddr::V6(address), prefix } => {
                // RFC 4862: made by the kernel from what the router announces
                let ours = self.adapter.as_ref().is_some_and(|adapter| adapter.index == index);
                let from =
                    if address.is_unicast_link_local() { From::LinkLocal } else { From::Router };
                let address = IpAddr::V6(address);
                if ours { self.say(&Message::Address { address, prefix, from }) } else { Ok(()) }
            }
            News::AddressGone { address: IpAddr::V6(address), .. } => {
                self.say(&Message::AddressGone(IpAddr::V6(address)))
            }
            News::Address { .. } | News::AddressGone { .. } => Ok(()),
            News::Resolvers { index, announced } => {
                if self.adapter.as_ref().is_some_and(|adapter| adapter.index == index) {
                    self.resolvers.announce(uptime(), &announced);
                }
                Ok(())
            }
            News::Failed(why) => {
                emit(Log::BoxTrouble {
                    what: format!("the kernel refuses a network setting: {why}"),
                });
                Ok(())
            }
        }
    }

    /// All adapters are looked at anew.
    fn again(&mut self) -> Result<(), String> {
        self.route.ask_links().map_err(|error| format!("the kernel's adapters: {error}"))
    }

    fn link(
        &mut self,
        index: u32,
        name: String,
        hardware: [u8; 6],
        up: bool,
    ) -> Result<(), String> {
        let better = match &self.adapter {
            None => true,
            Some(adapter) if adapter.index == index => {
                if adapter.up == up {
                    return Ok(());
                }
                self.link_turned(up, hardware)?;
                // Another may have a cable when this one lost it.
                return if up { Ok(()) } else { self.again() };
            }
            Some(adapter) => up && !adapter.up,
        };
        if !better {
            return Ok(());
        }
        self.leave()?;
        let random = u32::from_le_bytes(random::<4>()?);
        let interface = Interface::new(hardware, &self.name, self.plan, random);
        let opened = Dhcp::open(&name).and_then(|dhcp| Ok((dhcp, ArpSocket::open(index)?)));
        let (dhcp, arp) = match opened {
            Ok(both) => both,
            Err(error) => {
                self.tell(&format!("the network adapter {name} cannot be used: {error}"));
                return Ok(());
            }
        };
        self.adapter = Some(Adapter { index, name, hardware, up: false, interface, dhcp, arp });
        self.link_turned(up, hardware)
    }

    fn link_turned(&mut self, up: bool, hardware: [u8; 6]) -> Result<(), String> {
        if let Some(adapter) = &mut self.adapter {
            adapter.up = up;
        }
        if !up {
            self.resolvers.forget_routers();
        }
        self.say(&Message::Link { up, hardware })?;
        self.interface(if up { Event::LinkUp } else { Event::LinkDown });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), String> {
        self.interface(Event::LinkDown);
        match self.adapter.take() {
            Some(old) => self.say(&Message::Link { up: false, hardware: old.hardware }),
            None => Ok(()),
        }
    }

    fn packets(&mut self) {
        let Some(adapter) = &self.adapter else { return };
        let mut events = Vec::new();
        while let Some(octets) = adapter.dhcp.receive() {
            events.push(Event::Dhcp(octets));
        }
        while let Some(heard) = adapter.arp.receive() {
            events.push(Event::Arp(heard));
        }
        events.into_iter().for_each(|event| self.interface(event));
    }

    fn interface(&mut self, event: Event) {
        let Some(adapter) = &mut self.adapter else { return };
        for act in adapter.interface.handle(uptime(), event) {
            if let Err(error) = self.act(act) {
                self.tell(&error);
            }
        }
    }

    fn act(&mut self, act: Act) -> Result<(), String> {
        let Some(adapter) = &self.adapter else { return Ok(()) };
        let (index, name) = (adapter.index, adapter.name.clone());
        let failed = |what: &str, error: io::Error| format!("{name}: {what}: {error}");
        match act {
            Act::SendDhcp(octets, to) => {
                adapter.dhcp.send(&octets, to).map_err(|error| failed("DHCP", error))
            }
            Act::SendArp(packet) => adapter.arp.send(&packet).map_err(|error| failed("ARP", error)),
            Act::Configure(bound) => {
                let set = self.route.configure(index, &bound);
                set.map_err(|error| failed("the address cannot be set", error))?;
                self.configured(&bound)
            }
            Act::Unconfigure(bound) => {
                let taken = self.route.unconfigure(index, &bound);
                taken.map_err(|error| failed("the address cannot be taken back", error))?;
                self.say(&Message::AddressGone(bound.address.into()))
            }
            Act::Tell(words) => {
                self.tell(&words);
                Ok(())
            }
        }
    }

    fn configured(&mut self, bound: &Bound) -> Result<(), String> {
        let (address, prefix, from) = (bound.address.into(), bound.prefix, bound.from);
        self.say(&Message::Address { address, prefix, from })?;
        if from != From::LinkLocal {
            self.resolvers.give(&bound.resolvers);
            self.write_resolvers();
            self.rounds.network(uptime(), &bound.time_servers);
        }
        self.announce();
        Ok(())
    }

    fn write_resolvers(&mut self) {
        let Some(text) = self.resolvers.changed(uptime()) else { return };
        if let Err(error) = write_resolvers(&text) {
            self.tell(&format!("resolv.conf cannot be written: {error}"));
        }
    }

    /// Once; it follows the addresses by itself then.
    fn announce(&mut self) {
        if self.responder.is_some() {
            return;
        }
        match Responder::start(&self.name) {
            Ok(responder) => self.responder = Some(responder),
            Err(error) => self.tell(&format!("the name cannot be announced: {error}")),
        }
    }

    fn order(&mut self, order: Order) -> Result<(), String> {
        match order {
            Order::Correct(correction) => {
                let done = match correction {
                    Correction::Step(to) => syscall::set_clock(to),
                    Correction::Slew(by) => syscall::slew_clock(by),
                    Correction::None | Correction::Refuse(_) => Ok(()),
                };
                if let Err(error) = done {
                    self.tell(&format!("the clock cannot be set: {error}"));
                }
                Ok(())
            }
            Order::State(state) => {
                self.state = state;
                self.say(&Message::Clock { state, seconds: clock::now() })
            }
            Order::Tell(words) => {
                if self.state == ClockState::Floor {
                    self.tell(&words);
                }
                Ok(())
            }
        }
    }
}

/// Replaced whole: the server may read it at any time.
fn write_resolvers(text: &str) -> io::Result<()> {
    let (new, path) = (format!("{RESOLV}/resolv.conf.new"), format!("{RESOLV}/resolv.conf"));
    std::fs::write(&new, text)?;
    std::fs::rename(new, path)
}

fn uptime() -> Duration {
    let clock = nix::time::ClockId::CLOCK_BOOTTIME;
    nix::time::clock_gettime(clock).map(Duration::from).unwrap_or_default()
}

fn since_1970() -> Duration {
    Duration::from_micros(clock::now_micros())
}

fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut octets = [0; N];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut octets)
        .map_err(|_| "the kernel gives no random numbers".to_string())?;
    Ok(octets)
}
