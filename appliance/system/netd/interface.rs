//! The one network adapter of the box and its IPv4 address, as a machine without socket or clock:
//! lent by DHCP, fixed by the owner, or of the link alone where neither works.
//!
//! A fixed address on trial goes back to what was before unless it is confirmed in time. The box
//! can always be found: while no address is to be had it has one of the link (RFC 3927).

use super::arp::{self, Answer, Arp, Probe};
use super::dhcp::{Action, Client};
use crate::limits;
use crate::request::{From, Plan, Static};
use std::net::Ipv4Addr;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    LinkUp,
    LinkDown,
    /// A packet that came to the DHCP client's port.
    Dhcp(Vec<u8>),
    Arp(Arp),
    Tick,
    Plan(Plan),
    /// The owner reached the box at its new address.
    Kept,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// To everyone, or to this server.
    SendDhcp(Vec<u8>, Option<Ipv4Addr>),
    SendArp([u8; arp::BYTES]),
    Configure(Bound),
    Unconfigure(Bound),
    /// For the console.
    Tell(String),
}

/// An address that the adapter has, and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    pub address: Ipv4Addr,
    pub prefix: u8,
    pub gateway: Option<Ipv4Addr>,
    pub resolvers: Vec<Ipv4Addr>,
    pub time_servers: Vec<Ipv4Addr>,
    pub from: From,
}

#[derive(Debug)]
pub(crate) struct Interface {
    hardware: [u8; 6],
    plan: Plan,
    /// What comes back when a trial fails, and when it does.
    before: Option<(Plan, Duration)>,
    up: bool,
    dhcp: Client,
    probes: Vec<(Probe, From)>,
    bound: Option<Bound>,
    /// When an address of the link is taken, where there is no other.
    local_due: Option<Duration>,
    local_attempts: u32,
    /// When a fixed address that another device has is tried again.
    again: Option<Duration>,
    defended: Option<Duration>,
}

impl Interface {
    pub(crate) fn new(hardware: [u8; 6], name: &str, plan: Plan, random: u32) -> Interface {
        Interface {
            hardware,
            plan,
            before: None,
            up: false,
            dhcp: Client::new(hardware, name, random),
            probes: Vec::new(),
            bound: None,
            local_due: None,
            local_attempts: 0,
            again: None,
            defended: None,
        }
    }

    /// When [`Event::Tick`] is wanted.
    pub(crate) fn due(&self) -> Option<Duration> {
        let probes = self.probes.iter().map(|(probe, _)| Some(probe.due()));
        let trial = self.before.map(|(_, until)| until);
        let others = [self.dhcp.due(), self.local_due, self.again, trial];
        probes.chain(others).flatten().min()
    }

    pub(crate) fn handle(&mut self, now: Duration, event: Event) -> Vec<Act> {
        let mut acts = Vec::new();
        match event {
            Event::LinkUp if !self.up => {
                self.up = true;
                self.begin(now, &mut acts);
            }
            Event::LinkDown => {
                self.up = false;
                self.stop(&mut acts);
            }
            Event::Dhcp(octets) => {
                let actions = self.dhcp.received(now, &octets);
                self.dhcp_acts(now, actions, &mut acts);
            }
            Event::Arp(heard) => self.heard(now, &heard, &mut acts),
            Event::Plan(plan) if plan != self.plan => self.change(now, plan, &mut acts),
            Event::Kept => {
                self.before = None;
                if let Plan::Static(fixed) = &mut self.plan {
                    fixed.on_trial = false;
                }
            }
            Event::Tick => self.tick(now, &mut acts),
            Event::LinkUp | Event::Plan(_) => (),
        }
        acts
    }

    fn begin(&mut self, now: Duration, acts: &mut Vec<Act>) {
        self.local_due = Some(now + limits::LINK_LOCAL_AFTER);
        match self.plan {
            Plan::Dhcp => {
                let actions = self.dhcp.link_up(now);
                self.dhcp_acts(now, actions, acts);
            }
            Plan::Static(fixed) => self.probes.push((Probe::new(fixed.address, now), From::Static)),
        }
    }

    fn stop(&mut self, acts: &mut Vec<Act>) {
        let _ = self.dhcp.link_down();
        self.probes.clear();
        (self.local_due, self.again) = (None, None);
        acts.extend(self.bound.take().map(Act::Unconfigure));
    }

    fn change(&mut self, now: Duration, plan: Plan, acts: &mut Vec<Act>) {
        let on_trial = matches!(plan, Plan::Static(fixed) if fixed.on_trial);
        // What was before the first of several trials comes back.
        let before = self.before.map_or(self.plan, |(before, _)| before);
        self.before = on_trial.then_some((before, now + limits::NETWORK_TRIAL));
        self.plan = plan;
        self.stop(acts);
        if self.up {
            self.begin(now, acts);
        }
    }

    fn tick(&mut self, now: Duration, acts: &mut Vec<Act>) {
        if let Some((before, until)) = self.before
            && until <= now
        {
            self.before = None;
            acts.push(Act::Tell("the new address was not confirmed: back to the old".to_string()));
            self.change(now, before, acts);
        }
        if !self.up {
            return;
        }
        let actions = self.dhcp.tick(now);
        self.dhcp_acts(now, actions, acts);
        self.tick_probes(now, acts);
        if self.again.is_some_and(|again| again <= now)
            && let Plan::Static(fixed) = self.plan
        {
            self.again = None;
            self.probes.push((Probe::new(fixed.address, now), From::Static));
        }
        if self.local_due.is_some_and(|due| due <= now) {
            self.local_due = None;
            if self.bound.is_none() {
                let address = arp::link_local(self.hardware, self.local_attempts);
                self.probes.push((Probe::new(address, now), From::LinkLocal));
            }
        }
    }

    fn tick_probes(&mut self, now: Duration, acts: &mut Vec<Act>) {
        let mut free = Vec::new();
        for (probe, from) in &mut self.probes {
            match probe.tick(now) {
                Answer::Wait => (),
                Answer::Send => acts.push(Act::SendArp(arp::request(
                    self.hardware,
                    Ipv4Addr::UNSPECIFIED,
                    probe.address,
                ))),
                Answer::Free => free.push((probe.address, *from)),
            }
        }
        for (address, from) in free {
            self.probes.retain(|(probe, _)| probe.address != address);
            match from {
                From::Static => self.bind_static(acts),
                From::LinkLocal => self.bind(link_local(address), acts),
                From::Dhcp | From::Router => {
                    let actions = self.dhcp.probed(now, address, true);
                    self.dhcp_acts(now, actions, acts);
                }
            }
        }
    }

    fn bind_static(&mut self, acts: &mut Vec<Act>) {
        let Plan::Static(fixed) = self.plan else { return };
        let Static { address, prefix, gateway, resolvers, .. } = fixed;
        let resolvers = resolvers.into_iter().flatten().collect();
        let from = From::Static;
        let time_servers = Vec::new();
        self.bind(Bound { address, prefix, gateway, resolvers, time_servers, from }, acts);
    }

    /// RFC 5227 2.3: announced, so that others forget who had it before.
    fn bind(&mut self, bound: Bound, acts: &mut Vec<Act>) {
        if bound.from == From::LinkLocal && self.bound.is_some() {
            return;
        }
        if let Some(old) = self.bound.replace(bound.clone())
            && old.address != bound.address
        {
            acts.push(Act::Unconfigure(old));
        }
        self.local_due = None;
        let (hardware, address) = (self.hardware, bound.address);
        acts.push(Act::Configure(bound));
        acts.push(Act::SendArp(arp::request(hardware, address, address)));
    }

    fn dhcp_acts(&mut self, now: Duration, actions: Vec<Action>, acts: &mut Vec<Act>) {
        for action in actions {
            match action {
                Action::Send(octets, to) => acts.push(Act::SendDhcp(octets, to)),
                Action::Probe(address) => {
                    self.probes.push((Probe::new(address, now), From::Dhcp));
                }
                Action::Bind(lease) => {
                    let bound = Bound {
                        address: lease.address,
                        prefix: lease.prefix,
                        gateway: lease.gateway,
                        resolvers: lease.resolvers,
                        time_servers: lease.time_servers,
                        from: From::Dhcp,
                    };
                    // A renewed lease that says the same changes nothing.
                    if self.bound.as_ref() != Some(&bound) {
                        self.bind(bound, acts);
                    }
                }
                Action::Unbind => {
                    let ours = self.bound.take_if(|bound| bound.from == From::Dhcp);
                    acts.extend(ours.map(Act::Unconfigure));
                    self.local_due = Some(now + limits::LINK_LOCAL_AFTER);
                }
            }
        }
    }

    fn heard(&mut self, now: Duration, heard: &Arp, acts: &mut Vec<Act>) {
        let taken = self.probes.iter().find(|(probe, _)| probe.taken(self.hardware, heard));
        if let Some((probe, from)) = taken.copied() {
            self.probes.retain(|(other, _)| other.address != probe.address);
            self.taken(now, probe.address, from, acts);
        }
        let ours = self.bound.as_ref().map(|bound| (bound.address, bound.from));
        let Some((address, from)) = ours else { return };
        if heard.hardware == self.hardware || heard.sender != address {
            return;
        }
        // RFC 5227 2.4: defended once; whoever insists gets it
        let lately = self.defended.is_some_and(|at| now.saturating_sub(at) < limits::ARP_DEFEND);
        if !lately {
            self.defended = Some(now);
            acts.push(Act::SendArp(arp::request(self.hardware, address, address)));
            return;
        }
        if from == From::Dhcp {
            let actions = self.dhcp.conflict(now);
            self.dhcp_acts(now, actions, acts);
        } else {
            acts.extend(self.bound.take().map(Act::Unconfigure));
        }
        self.taken(now, address, from, acts);
    }

    /// Another device has it.
    fn taken(&mut self, now: Duration, address: Ipv4Addr, from: From, acts: &mut Vec<Act>) {
        acts.push(Act::Tell(format!("another device has the address {address}")));
        match from {
            From::Static => {
                self.again = Some(now + limits::STATIC_AGAIN);
                if self.bound.is_none() {
                    self.local_due = Some(now);
                }
            }
            From::LinkLocal => {
                self.local_attempts += 1;
                // RFC 3927 2.2.1: after ten conflicts no more than one try a minute
                let many = self.local_attempts >= limits::LINK_LOCAL_CONFLICTS;
                let wait = if many { limits::LINK_LOCAL_PAUSE } else { Duration::ZERO };
                self.local_due = Some(now + wait);
            }
            From::Dhcp | From::Router => {
                let actions = self.dhcp.probed(now, address, false);
                self.dhcp_acts(now, actions, acts);
            }
        }
    }
}

fn link_local(address: Ipv4Addr) -> Bound {
    Bound {
        address,
        prefix: 16,
        gateway: None,
        resolvers: Vec::new(),
        time_servers: Vec::new(),
        from: From::LinkLocal,
    }
}
