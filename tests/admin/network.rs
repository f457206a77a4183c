//! The address of a box: asked for, on trial, kept or gone back.

use super::stage::{World, ip};
use crate::admin::network::Network;
use crate::request::{From, Message, Plan, Static};
use std::net::Ipv4Addr;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MAC: [u8; 6] = [2, 0, 0x5e, 0x10, 0, 1];

/// A box with an owner whose PID 1 is the test, and what it hears.
pub(super) struct Boxed {
    pub world: World,
    pub heard: Receiver<Message>,
    pub network: Arc<Network>,
}

pub(super) fn boxed() -> Boxed {
    let mut world = World::owned();
    let (say, heard) = channel();
    let say = Mutex::new(say);
    let network = Network::new(Box::new(move |message| {
        let said = say.lock().expect("a sender").send(message.clone());
        said.map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }));
    network.hear(&Message::Network(Plan::Dhcp));
    network.hear(&Message::Link { up: true, hardware: MAC });
    let address = ip("192.168.1.20");
    network.hear(&Message::Address { address, prefix: 24, from: From::Dhcp });
    world.become_box(network.clone());
    Boxed { world, heard, network }
}

const FIXED: [(&str, &str); 5] = [
    ("how", "fixed"),
    ("address", "192.168.1.50"),
    ("mask", "255.255.255.0"),
    ("gateway", "192.168.1.1"),
    ("resolvers", "192.168.1.1\n9.9.9.9"),
];

fn fixed(on_trial: bool) -> Plan {
    let resolvers = [Some(Ipv4Addr::new(192, 168, 1, 1)), Some(Ipv4Addr::new(9, 9, 9, 9)), None];
    let (address, gateway) = (Ipv4Addr::new(192, 168, 1, 50), Some(Ipv4Addr::new(192, 168, 1, 1)));
    Plan::Static(Static { address, prefix: 24, gateway, resolvers, on_trial })
}

/// Where the page says that the browser is to go.
fn there(text: &str) -> String {
    let rest = text.split("href=\"https://").nth(1).expect("a link");
    rest.split('"').next().unwrap_or_default().to_string()
}

#[test]
fn a_fixed_address_is_kept_by_who_reaches_the_box_there() {
    let Boxed { world, heard, network } = boxed();
    let mut owner = world.owner();
    let text = owner.get("/setup/network").text();
    assert!(text.contains("192.168.1.20/24") && text.contains("02:00:5e:10:00:01"), "{text}");
    let reply = owner.post("/setup/network", &FIXED);
    assert_eq!(reply.status, 200, "the page itself, while the old address is there");
    let text = reply.text();
    assert!(text.contains("data-countdown") && text.contains("192.168.1.50"), "{text}");
    let there = there(&text);
    let (host, path) = there.split_once("/network/").expect("a secret");
    assert_eq!(host, "mail.office.test:2443", "by the name that it came by");
    let path = format!("/network/{path}");
    let said = heard.recv_timeout(Duration::from_secs(60));
    assert_eq!(said, Ok(Message::Network(fixed(true))), "on trial, and not before the page");
    network.hear(&Message::Network(fixed(true)));

    // By number, at the new address, without a log-in.
    let mut phone = world.browser();
    (phone.host, phone.local) = ("192.168.1.50:2443".to_string(), ip("192.168.1.50"));
    assert_eq!(phone.get("/network/guessed").status, 404);
    assert!(phone.get(&path).text().contains("Keep it"));
    // Still at the old one: nothing is proven.
    let mut still = phone.clone();
    (still.host, still.local) = ("192.168.1.20:2443".to_string(), ip("192.168.1.20"));
    let reply = still.post(&path, &[]);
    assert_eq!(reply.status, 422);
    assert!(reply.text().contains("still at another address"), "{}", reply.text());
    assert!(heard.try_recv().is_err(), "PID 1 was told nothing");
    assert_eq!(phone.post(&path, &[]).header("Location"), Some("/"));
    assert_eq!(heard.recv_timeout(Duration::from_secs(60)), Ok(Message::NetworkKept));
    network.hear(&Message::Network(fixed(false)));
    assert_eq!(phone.post(&path, &[]).status, 404, "once");
    // It is so already: the step is done without another trial.
    owner.get("/setup/network");
    assert_eq!(owner.post("/setup/network", &FIXED).header("Location"), Some("/setup/way"));
    let text = owner.get("/setup/network").text();
    assert!(text.contains("value=\"192.168.1.50\"") && !text.contains("data-countdown"), "{text}");
    assert!(heard.try_recv().is_err());
    let text = owner.get("/setup/way").text();
    assert!(text.contains("02:00:5e:10:00:01") && text.contains("<th scope=\"row\">25</th>"));
}

#[test]
fn what_nobody_confirms_goes_back_and_the_page_says_so() {
    let Boxed { world, heard, network } = boxed();
    let mut owner = world.owner();
    owner.get("/setup/network");
    let path = there(&owner.post("/setup/network", &FIXED).text());
    let path = path.split_once('/').expect("a path").1;
    assert!(heard.recv_timeout(Duration::from_secs(60)).is_ok());
    network.hear(&Message::Network(fixed(true)));
    // netd and PID 1 went back.
    network.hear(&Message::Network(Plan::Dhcp));
    let text = owner.get("/setup/network").text();
    assert!(text.contains("Nobody confirmed"), "{text}");
    let mut late = world.browser();
    (late.host, late.local) = ("192.168.1.50:2443".to_string(), ip("192.168.1.50"));
    assert_eq!(late.get(&format!("/{path}")).status, 404, "too late");
    assert!(heard.try_recv().is_err(), "and PID 1 is not told to keep it");
    // DHCP needs no trial.
    network.hear(&Message::Network(fixed(false)));
    owner.get("/setup/network");
    let reply = owner.post("/setup/network", &[("how", "dhcp")]);
    assert_eq!(reply.header("Location"), Some("/setup/way"));
    let said = heard.recv_timeout(Duration::from_secs(60));
    assert_eq!(said, Ok(Message::Network(Plan::Dhcp)));
}

#[test]
fn an_address_that_cannot_be_is_told_field_by_field() {
    let Boxed { world, heard, .. } = boxed();
    let mut owner = world.owner();
    owner.get("/setup/network");
    for (field, value, why) in [
        ("how", "pigeon", "Choose one of the two"),
        ("address", "", "no address that a box can have"),
        ("address", "192.168.1", "no address that a box can have"),
        ("address", "127.0.0.1", "no address that a box can have"),
        ("address", "224.0.0.1", "no address that a box can have"),
        ("address", "<script>", "no address that a box can have"),
        ("address", "192.168.1.255", "whole network"),
        ("address", "192.168.1.0", "whole network"),
        ("mask", "255.0.255.0", "no mask such as"),
        ("mask", "31", "no mask such as"),
        ("gateway", "192.168.2.1", "another address in the same network"),
        ("gateway", "192.168.1.50", "another address in the same network"),
        ("gateway", "router", "no address of a router"),
        ("resolvers", "dns.test", "dns.test is no address"),
        ("resolvers", "1.1.1.1 8.8.8.8 9.9.9.9 1.0.0.1", "At most 3"),
    ] {
        let mut fields = FIXED;
        let at = fields.iter().position(|(name, _)| *name == field).expect("a field");
        fields[at] = (field, value);
        let reply = owner.post("/setup/network", &fields);
        assert_eq!(reply.status, 422, "{field} {value}");
        assert!(reply.text().contains(why), "{why}: {}", reply.text());
        assert!(!reply.text().contains("<script>"));
    }
    assert!(heard.try_recv().is_err(), "nothing was asked for");
}

#[test]
fn a_server_that_is_no_box_has_no_such_step() {
    let world = World::owned();
    let mut owner = world.owner();
    let text = owner.get("/setup/network").text();
    assert!(text.contains("no box of its own") && !text.contains("name=\"address\""), "{text}");
    assert_eq!(owner.post("/setup/network", &[]).header("Location"), Some("/setup/way"));
    let text = owner.get("/setup/way").text();
    assert!(!text.contains(">Network<"), "{text}");
    assert!(!text.contains("<th scope=\"row\">25</th>"), "no table for a router: {text}");
}
