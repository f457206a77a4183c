//! Which address the box has: lent, fixed, of the link; and who else has it.

use crate::limits;
use crate::request::{From, Plan, Static};
use crate::system::netd::arp::{self, Arp};
use crate::system::netd::interface::{Act, Event, Interface};
use dhcproto::v4::{DhcpOption, Message, MessageType, Opcode};
use dhcproto::{Decodable, Encodable};
use std::net::Ipv4Addr;
use std::time::Duration;

const HARDWARE: [u8; 6] = [2, 0, 0, 0, 0, 7];
const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 8];
const LENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 50);
const FIXED: Static = Static {
    address: Ipv4Addr::new(10, 0, 0, 20),
    prefix: 24,
    gateway: Some(Ipv4Addr::new(10, 0, 0, 1)),
    resolvers: [None; 3],
    on_trial: false,
};

/// The adapter, its time, and the network around it.
struct Lan {
    interface: Interface,
    now: Duration,
    /// A DHCP server answers.
    lends: bool,
    /// Another device has these.
    taken: Vec<Ipv4Addr>,
    log: Vec<String>,
}

impl Lan {
    fn new(plan: Plan, lends: bool) -> Lan {
        let interface = Interface::new(HARDWARE, "mailroom", plan, 5);
        Lan { interface, now: Duration::ZERO, lends, taken: Vec::new(), log: Vec::new() }
    }

    fn tell(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for act in self.interface.handle(self.now, event) {
                events.extend(self.done(act));
            }
        }
    }

    /// What the network answers.
    fn done(&mut self, act: Act) -> Option<Event> {
        let at = self.now.as_secs();
        match act {
            Act::SendDhcp(octets, _) => {
                let asked = Message::from_bytes(&octets).expect("DHCP");
                let kind = match asked.opts().msg_type().expect("a type") {
                    MessageType::Discover => MessageType::Offer,
                    MessageType::Request => MessageType::Ack,
                    other => {
                        self.log.push(format!("{at}: {other:?}"));
                        return None;
                    }
                };
                self.lends.then(|| Event::Dhcp(lend(&asked, kind)))
            }
            Act::SendArp(packet) => {
                let asked = arp::read(&packet).expect("ARP");
                let taken = self.taken.contains(&asked.target);
                let (hardware, sender, target) = (OTHER, asked.target, asked.sender);
                taken.then_some(Event::Arp(Arp { hardware, sender, target }))
            }
            Act::Configure(bound) => {
                self.log.push(format!("{at}: +{} {:?}", bound.address, bound.from));
                None
            }
            Act::Unconfigure(bound) => {
                self.log.push(format!("{at}: -{}", bound.address));
                None
            }
            Act::Tell(words) => {
                self.log.push(format!("{at}: {words}"));
                None
            }
        }
    }

    /// Lets time pass, from one due moment to the next.
    fn until(&mut self, seconds: u64) -> Vec<String> {
        let end = Duration::from_secs(seconds);
        let mut turns = 0;
        while let Some(due) = self.interface.due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.tell(Event::Tick);
            turns += 1;
            assert!(turns < 1_000, "it spins at {due:?}: {:?}", self.log);
        }
        self.now = end;
        std::mem::take(&mut self.log)
    }
}

fn lend(asked: &Message, kind: MessageType) -> Vec<u8> {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(asked.xid(), none, LENT, none, none, &HARDWARE);
    message.set_opcode(Opcode::BootReply);
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    options.insert(DhcpOption::ServerIdentifier(Ipv4Addr::new(10, 0, 0, 1)));
    options.insert(DhcpOption::AddressLeaseTime(86_400));
    message.to_vec().expect("encoded")
}

#[test]
fn a_lent_address_is_up_within_two_seconds_and_stays() {
    let mut lan = Lan::new(Plan::Dhcp, true);
    assert!(lan.until(100).is_empty(), "no cable, no address");
    lan.tell(Event::LinkUp);
    assert_eq!(lan.until(102), ["101: +10.0.0.50 Dhcp"]);
    assert!(lan.until(200_000).is_empty(), "renewals change nothing");
    lan.tell(Event::LinkDown);
    assert_eq!(lan.until(200_001), ["200000: -10.0.0.50"]);
}

#[test]
fn without_a_server_an_address_of_the_link_until_one_comes() {
    let mut lan = Lan::new(Plan::Dhcp, false);
    lan.tell(Event::LinkUp);
    let local = arp::link_local(HARDWARE, 0);
    assert_eq!(lan.until(30), [format!("16: +{local} LinkLocal")]);
    lan.lends = true;
    let log = lan.until(200);
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log[0].ends_with(&format!("-{local}")) && log[1].ends_with("+10.0.0.50 Dhcp"));
    // Its server goes, the lease ends: the link again.
    lan.lends = false;
    let log = lan.until(90_000);
    assert!(log[0].ends_with("-10.0.0.50") && log[1].ends_with("LinkLocal"), "{log:?}");
}

#[test]
fn addresses_of_the_link_that_others_have_are_passed_over() {
    let mut lan = Lan::new(Plan::Dhcp, false);
    let locals: Vec<Ipv4Addr> = (0..3).map(|n| arp::link_local(HARDWARE, n)).collect();
    lan.taken = locals[..2].to_vec();
    lan.tell(Event::LinkUp);
    let log = lan.until(60);
    assert!(log.last().expect("some").ends_with(&format!("+{} LinkLocal", locals[2])), "{log:?}");
    // RFC 3927 2.1: the first and last 256 are kept for others; the same device gets the same
    for attempt in 0..2_000 {
        let [a, b, c, _] = arp::link_local(HARDWARE, attempt).octets();
        assert!((a, b) == (169, 254) && (1..=254).contains(&c));
    }
    assert_eq!(locals[0], arp::link_local(HARDWARE, 0));
}

#[test]
fn a_lent_address_that_another_device_has_is_declined() {
    let mut lan = Lan::new(Plan::Dhcp, true);
    lan.taken = vec![LENT];
    lan.tell(Event::LinkUp);
    let log = lan.until(9);
    assert_eq!(log, ["0: another device has the address 10.0.0.50", "0: Decline"]);
    lan.taken.clear();
    assert_eq!(lan.until(13), ["11: +10.0.0.50 Dhcp"]);
}

#[test]
fn a_device_that_insists_on_our_address_gets_it_after_one_defence() {
    let mut lan = Lan::new(Plan::Dhcp, true);
    lan.tell(Event::LinkUp);
    lan.until(100);
    let claim = Arp { hardware: OTHER, sender: LENT, target: LENT };
    lan.tell(Event::Arp(claim));
    assert!(lan.until(101).is_empty(), "defended");
    lan.tell(Event::Arp(claim));
    let log = lan.until(102);
    assert_eq!(log[..2], ["101: -10.0.0.50", "101: Decline"], "{log:?}");
    // Our own packets, and those of others about others, are nothing.
    let mut lan = Lan::new(Plan::Dhcp, true);
    lan.tell(Event::LinkUp);
    lan.until(100);
    for _ in 0..3 {
        lan.tell(Event::Arp(Arp { hardware: HARDWARE, ..claim }));
        lan.tell(Event::Arp(Arp { sender: Ipv4Addr::new(10, 0, 0, 9), ..claim }));
    }
    assert!(lan.until(101).is_empty());
}

#[test]
fn a_fixed_address_is_taken_or_waited_for_while_the_box_can_be_found() {
    let mut lan = Lan::new(Plan::Static(FIXED), true);
    lan.tell(Event::LinkUp);
    assert_eq!(lan.until(5), ["1: +10.0.0.20 Static"]);
    let mut lan = Lan::new(Plan::Static(FIXED), false);
    lan.taken = vec![FIXED.address];
    lan.tell(Event::LinkUp);
    let log = lan.until(10);
    assert_eq!(log[0], "0: another device has the address 10.0.0.20");
    assert!(log[1].ends_with("LinkLocal"), "{log:?}");
    lan.taken.clear();
    let log = lan.until(100);
    assert!(log.last().expect("some").ends_with("+10.0.0.20 Static"), "{log:?}");
}

#[test]
fn a_fixed_address_that_is_not_confirmed_goes_back() {
    let trial = Plan::Static(Static { on_trial: true, ..FIXED });
    let mut lan = Lan::new(Plan::Dhcp, true);
    lan.tell(Event::LinkUp);
    lan.until(10);
    lan.tell(Event::Plan(trial));
    assert_eq!(lan.until(69), ["10: -10.0.0.50", "11: +10.0.0.20 Static"]);
    let log = lan.until(80);
    assert_eq!(log[0], "70: the new address was not confirmed: back to the old");
    assert_eq!(log[1..], ["70: -10.0.0.20", "71: +10.0.0.50 Dhcp"]);
    // Confirmed, it stays.
    lan.tell(Event::Plan(trial));
    lan.until(90);
    lan.tell(Event::Kept);
    assert!(lan.until(1_000).is_empty());
    // Of two trials in a row the first plan comes back.
    let mut lan = Lan::new(Plan::Dhcp, true);
    lan.tell(Event::LinkUp);
    lan.until(10);
    lan.tell(Event::Plan(trial));
    lan.until(20);
    let other = Static { address: Ipv4Addr::new(10, 0, 0, 21), on_trial: true, ..FIXED };
    lan.tell(Event::Plan(Plan::Static(other)));
    let log = lan.until(200);
    assert!(log.last().expect("some").ends_with("+10.0.0.50 Dhcp"), "{log:?}");
    assert_eq!(limits::NETWORK_TRIAL, Duration::from_secs(60));
    assert!(!log.iter().any(|line| line.contains(&format!("{:?}", From::LinkLocal))), "{log:?}");
}

#[test]
fn arp_packets_are_read_as_they_are_written() {
    let (sender, target) = (Ipv4Addr::new(10, 0, 0, 1), LENT);
    let packet = arp::request(HARDWARE, sender, target);
    assert_eq!(arp::read(&packet), Some(Arp { hardware: HARDWARE, sender, target }));
    for cut in 0..packet.len() {
        assert_eq!(arp::read(&packet[..cut]), None);
    }
    for at in [0, 2, 4, 5, 7] {
        let mut wrong = packet;
        wrong[at] = 9;
        assert_eq!(arp::read(&wrong), None, "octet {at}");
    }
}
