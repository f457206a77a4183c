//! The DHCP client against a server of the test's own.

use crate::limits;
use crate::system::netd::dhcp::{Action, Client, Lease};
use dhcproto::v4::{DhcpOption, Message, MessageType, Opcode, OptionCode};
use dhcproto::{Decodable, Encodable};
use std::net::Ipv4Addr;
use std::time::Duration;

const HARDWARE: [u8; 6] = [2, 0, 0, 0, 0, 7];
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 50);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The one packet among the actions, read.
fn sent(actions: &[Action]) -> (Message, Option<Ipv4Addr>) {
    let packets: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Send(octets, to) => Some((Message::from_bytes(octets).expect("DHCP"), *to)),
            _ => None,
        })
        .collect();
    assert_eq!(packets.len(), 1, "{actions:?}");
    packets.into_iter().next().expect("one")
}

fn kind(message: &Message) -> MessageType {
    message.opts().msg_type().expect("a type")
}

/// An answer as the server makes it.
fn answer(question: &Message, kind: MessageType, change: impl FnOnce(&mut Message)) -> Vec<u8> {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(question.xid(), none, OURS, none, none, &HARDWARE);
    message.set_opcode(Opcode::BootReply);
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    options.insert(DhcpOption::ServerIdentifier(SERVER));
    options.insert(DhcpOption::AddressLeaseTime(3_600));
    options.insert(DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)));
    options.insert(DhcpOption::Router(vec![SERVER]));
    options.insert(DhcpOption::DomainNameServer(vec![SERVER]));
    options.insert(DhcpOption::NtpServers(vec![SERVER]));
    change(&mut message);
    message.to_vec().expect("encoded")
}

fn client() -> Client {
    Client::new(HARDWARE, "mailroom", 77)
}

/// As far as an address that is being probed.
fn acknowledged() -> Client {
    let mut client = client();
    let (discover, _) = sent(&client.link_up(s(0)));
    let offer = answer(&discover, MessageType::Offer, |_| ());
    let (request, _) = sent(&client.received(s(1), &offer));
    let ack = answer(&request, MessageType::Ack, |_| ());
    assert_eq!(client.received(s(1), &ack), [Action::Probe(OURS)]);
    client
}

fn bound() -> Client {
    let mut client = acknowledged();
    let actions = client.probed(s(2), OURS, true);
    assert!(matches!(actions[..], [Action::Bind(_)]), "{actions:?}");
    client
}

#[test]
fn an_address_is_lent_after_four_packets_and_a_probe() {
    let mut client = client();
    let (discover, to) = sent(&client.link_up(s(0)));
    assert_eq!((kind(&discover), to), (MessageType::Discover, None));
    assert!(discover.flags().broadcast() && discover.chaddr() == HARDWARE);
    let name = discover.opts().get(OptionCode::Hostname);
    assert_eq!(name, Some(&DhcpOption::Hostname("mailroom".to_string())));
    let offer = answer(&discover, MessageType::Offer, |_| ());
    let (request, to) = sent(&client.received(s(1), &offer));
    assert_eq!((kind(&request), to), (MessageType::Request, None));
    let asked = request.opts().get(OptionCode::RequestedIpAddress);
    assert_eq!(asked, Some(&DhcpOption::RequestedIpAddress(OURS)));
    let ack = answer(&request, MessageType::Ack, |_| ());
    assert_eq!(client.received(s(1), &ack), [Action::Probe(OURS)]);
    assert_eq!(client.lease(), None, "not before the probe");
    let lease = Lease {
        address: OURS,
        prefix: 24,
        gateway: Some(SERVER),
        resolvers: vec![SERVER],
        time_servers: vec![SERVER],
        server: SERVER,
        renew: s(1_800),
        rebind: s(3_150),
        end: s(3_600),
    };
    assert_eq!(client.probed(s(2), OURS, true), [Action::Bind(lease)]);
    assert_eq!(client.due(), Some(s(1_802)));
}

#[test]
fn an_option_nobody_asked_for_is_not_looked_at_however_it_is_spelled() {
    use OptionCode::{BulkLeaseQueryBaseTime, ClasslessStaticRoute, ClientFQDN, DomainName};
    let spelled: [(OptionCode, &[u8]); 6] = [
        (DomainName, b"b\xFCro.lan"),      // RFC 2132 3.17: ASCII, no Latin-1
        (OptionCode::RapidCommit, &[1]),   // RFC 4039 4: no octet
        (ClientFQDN, &[0, 0]),             // RFC 4702 2: three octets or more
        (ClasslessStaticRoute, &[24, 10]), // RFC 3442: an address, cut
        (BulkLeaseQueryBaseTime, &[0]),    // RFC 6926 6.2: four octets
        (OptionCode::BulkLeaseQueryStatusCode, &[]), // RFC 6926 6.2: one octet or more
    ];
    for (code, data) in spelled {
        let mut client = client();
        let (discover, _) = sent(&client.link_up(s(0)));
        let mut offer = answer(&discover, MessageType::Offer, |_| ());
        let length = data.len().to_le_bytes()[0];
        offer.splice(240..240, [&[u8::from(code), length], data].concat());
        let (request, _) = sent(&client.received(s(1), &offer));
        assert_eq!(kind(&request), MessageType::Request, "{code:?}");
    }
}

#[test]
fn an_option_that_is_read_and_makes_no_sense_makes_no_offer() {
    for code in [OptionCode::SubnetMask, OptionCode::Router, OptionCode::AddressLeaseTime] {
        let mut client = client();
        let (discover, _) = sent(&client.link_up(s(0)));
        let mut offer = answer(&discover, MessageType::Offer, |message| {
            message.opts_mut().remove(code);
        });
        offer.splice(240..240, [u8::from(code), 3, 255, 255, 255]);
        assert_eq!(client.received(s(1), &offer), [], "{code:?}");
    }
}

#[test]
fn a_silent_network_is_asked_less_and_less_often() {
    let mut client = client();
    client.link_up(s(0));
    let mut times = vec![s(0)];
    for _ in 0..7 {
        let due = client.due().expect("due");
        assert!(client.tick(due - Duration::from_millis(1)).is_empty());
        let (again, _) = sent(&client.tick(due));
        assert_eq!(kind(&again), MessageType::Discover);
        times.push(due);
    }
    let pauses: Vec<f32> = times.windows(2).map(|w| (w[1] - w[0]).as_secs_f32()).collect();
    for (pause, base) in pauses.iter().zip([4.0, 8.0, 16.0, 32.0, 64.0, 64.0, 64.0]) {
        assert!((pause - base).abs() <= 1.0, "{pauses:?}");
    }
}

#[test]
fn a_request_that_nobody_answers_begins_anew() {
    let mut client = client();
    let (discover, _) = sent(&client.link_up(s(0)));
    client.received(s(1), &answer(&discover, MessageType::Offer, |_| ()));
    let mut kinds = Vec::new();
    for _ in 0..4 {
        let due = client.due().expect("due");
        kinds.push(kind(&sent(&client.tick(due)).0));
    }
    use MessageType::{Discover, Request};
    assert_eq!(kinds, [Request, Request, Request, Discover]);
}

#[test]
fn an_address_that_another_has_is_declined_and_not_used() {
    let mut client = acknowledged();
    let (decline, _) = sent(&client.probed(s(2), OURS, false));
    assert_eq!(kind(&decline), MessageType::Decline);
    let which = decline.opts().get(OptionCode::RequestedIpAddress);
    assert_eq!(which, Some(&DhcpOption::RequestedIpAddress(OURS)));
    // RFC 2131 3.1.5: ten seconds
    assert_eq!(client.due(), Some(s(12)));
    assert!(client.tick(s(11)).is_empty());
    assert_eq!(kind(&sent(&client.tick(s(12))).0), MessageType::Discover);
    // Also later, when a device comes that insists on it.
    let mut client = bound();
    let actions = client.conflict(s(500));
    assert_eq!(actions[0], Action::Unbind);
    assert_eq!(kind(&sent(&actions).0), MessageType::Decline);
}

#[test]
fn a_lease_is_renewed_with_its_server_then_with_any_and_ends() {
    let mut client = bound();
    let granted = s(2);
    let (renew, to) = sent(&client.tick(granted + s(1_800)));
    assert_eq!((kind(&renew), to), (MessageType::Request, Some(SERVER)));
    assert_eq!((renew.ciaddr(), renew.flags().broadcast()), (OURS, false));
    assert_eq!(renew.opts().get(OptionCode::RequestedIpAddress), None, "RFC 2131 4.3.6");
    let ack = answer(&renew, MessageType::Ack, |_| ());
    let actions = client.received(granted + s(1_801), &ack);
    assert!(matches!(&actions[..], [Action::Bind(_)]), "{actions:?}");
    assert_eq!(client.due(), Some(granted + s(3_601)));

    // Nobody answers: to the server until T2, then to everyone, then it is over.
    let mut client = bound();
    let mut seen = Vec::new();
    loop {
        let now = client.due().expect("due");
        let actions = client.tick(now);
        if actions.contains(&Action::Unbind) {
            assert_eq!(now, granted + s(3_600));
            assert_eq!(kind(&sent(&actions).0), MessageType::Discover);
            break;
        }
        let (_, to) = sent(&actions);
        assert_eq!(to.is_some(), now < granted + s(3_150), "at {now:?}");
        seen.push(now);
        assert!(seen.len() < 50, "{seen:?}");
    }
    assert!(seen.len() >= 5);
    assert_eq!(client.lease(), None);
}

#[test]
fn a_refusal_takes_the_address_away() {
    let mut client = bound();
    let (renew, _) = sent(&client.tick(s(1_802)));
    let actions = client.received(s(1_803), &answer(&renew, MessageType::Nak, |_| ()));
    assert_eq!(actions[0], Action::Unbind);
    assert_eq!(kind(&sent(&actions).0), MessageType::Discover);
    // And another address at renewal is no renewal.
    let mut client = bound();
    let (renew, _) = sent(&client.tick(s(1_802)));
    let other = answer(&renew, MessageType::Ack, |message| {
        message.set_yiaddr(Ipv4Addr::new(10, 0, 0, 51));
    });
    assert_eq!(client.received(s(1_803), &other)[0], Action::Unbind);
}

#[test]
fn a_cable_that_goes_takes_the_address_and_one_that_flickers_is_asked_about() {
    let mut client = bound();
    assert_eq!(client.link_down(), [Action::Unbind]);
    assert_eq!(client.due(), None);
    assert!(client.link_down().is_empty());
    assert_eq!(kind(&sent(&client.link_up(s(9))).0), MessageType::Discover);
    let mut client = bound();
    let (again, to) = sent(&client.link_up(s(9)));
    assert_eq!((kind(&again), to), (MessageType::Request, Some(SERVER)));
}

/// What is meant for others, damaged or senseless changes nothing.
#[test]
fn only_sensible_answers_to_us_count() {
    let mut client = client();
    let (discover, _) = sent(&client.link_up(s(0)));
    type Change = fn(&mut Message);
    let wrong: [Change; 9] = [
        |m| {
            m.set_xid(5);
        },
        |m| {
            m.set_opcode(Opcode::BootRequest);
        },
        |m| {
            m.set_chaddr(&[2, 0, 0, 0, 0, 8]);
        },
        |m| {
            m.set_yiaddr(Ipv4Addr::UNSPECIFIED);
        },
        |m| {
            m.set_yiaddr(Ipv4Addr::new(127, 0, 0, 1));
        },
        |m| {
            m.set_yiaddr(Ipv4Addr::new(224, 0, 0, 1));
        },
        |m| drop(m.opts_mut().remove(OptionCode::ServerIdentifier)),
        |m| drop(m.opts_mut().remove(OptionCode::AddressLeaseTime)),
        |m| drop(m.opts_mut().insert(DhcpOption::SubnetMask(Ipv4Addr::new(255, 0, 255, 0)))),
    ];
    for change in wrong {
        let packet = answer(&discover, MessageType::Offer, change);
        assert!(client.received(s(1), &packet).is_empty());
    }
    let good = answer(&discover, MessageType::Offer, |_| ());
    for cut in 0..good.len().min(240) {
        assert!(client.received(s(1), &good[..cut]).is_empty());
    }
    assert!(client.received(s(1), &answer(&discover, MessageType::Ack, |_| ())).is_empty());
    assert_eq!(client.received(s(1), &good).len(), 1);
}

#[test]
fn odd_times_of_a_server_are_put_in_order() {
    let times: [(u32, u32, u32); 4] =
        [(10, 5, 8), (u32::MAX, 0, 0), (600, 599, 300), (600, 600, 600)];
    for (end, t1, t2) in times {
        let mut client = client();
        let (discover, _) = sent(&client.link_up(s(0)));
        client.received(s(1), &answer(&discover, MessageType::Offer, |_| ()));
        let (request, _) = {
            let due = client.due().expect("due");
            sent(&client.tick(due))
        };
        let ack = answer(&request, MessageType::Ack, |message| {
            let options = message.opts_mut();
            options.insert(DhcpOption::AddressLeaseTime(end));
            options.insert(DhcpOption::Renewal(t1));
            options.insert(DhcpOption::Rebinding(t2));
        });
        client.received(s(9), &ack);
        let actions = client.probed(s(10), OURS, true);
        let [Action::Bind(lease)] = &actions[..] else { panic!("{actions:?}") };
        assert!(lease.renew <= lease.rebind && lease.rebind < lease.end, "{lease:?}");
        assert!(lease.end >= limits::DHCP_LEASE_LEAST && lease.end <= limits::DHCP_LEASE_MOST);
    }
}
