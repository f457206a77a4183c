//! Who answers questions for names, by DHCP and by routers of IPv6.

use crate::limits;
use crate::system::netd::resolvers::{Announced, Resolvers, read};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

const FIRST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn server(n: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n)
}

fn option(lifetime: u32, servers: &[Ipv6Addr]) -> Vec<u8> {
    let mut octets = vec![25, 1 + 2 * servers.len() as u8, 0, 0];
    octets.extend(lifetime.to_be_bytes());
    servers.iter().for_each(|server| octets.extend(server.octets()));
    octets
}

#[test]
fn the_option_is_read_among_others_and_nonsense_is_passed_over() {
    let others = [31, 1, 0, 0, 0, 0, 0, 9];
    let link = "fe80::1".parse().expect("an address");
    let octets = [&others[..], &option(600, &[FIRST, link, server(2)])].concat();
    let want = Announced { servers: vec![FIRST, server(2)], lifetime: seconds(600) };
    assert_eq!(read(&octets), [want]);
    let whole = option(600, &[FIRST]);
    for cut in 0..whole.len() {
        assert!(read(&whole[..cut]).is_empty(), "cut after {cut}");
    }
    assert!(read(&[25, 0, 0, 0, 0, 0, 0, 0]).is_empty(), "a length of 0 ends it");
}

#[test]
fn the_file_follows_what_is_known_and_is_written_when_it_changes_alone() {
    let mut resolvers = Resolvers::default();
    assert_eq!(resolvers.changed(seconds(1)), None, "nothing is known");
    resolvers.give(&[Ipv4Addr::new(10, 0, 0, 1)]);
    assert_eq!(resolvers.changed(seconds(1)).as_deref(), Some("nameserver 10.0.0.1\n"));
    let announced = |servers: &[Ipv6Addr], lifetime| Announced {
        servers: servers.to_vec(),
        lifetime: seconds(lifetime),
    };
    resolvers.announce(seconds(10), &announced(&[FIRST], 600));
    let both = "nameserver 10.0.0.1\nnameserver 2001:db8::1\n";
    assert_eq!(resolvers.changed(seconds(10)).as_deref(), Some(both));
    // Said again and again.
    resolvers.announce(seconds(500), &announced(&[FIRST], 600));
    assert_eq!(resolvers.changed(seconds(500)), None);
    assert_eq!(resolvers.due(), Some(seconds(1_100)));
    assert_eq!(resolvers.changed(seconds(1_099)), None);
    let lent = Some("nameserver 10.0.0.1\n");
    assert_eq!(resolvers.changed(seconds(1_100)).as_deref(), lent, "it was not said again");
    resolvers.announce(seconds(1_200), &announced(&[FIRST], 600));
    assert_eq!(resolvers.changed(seconds(1_200)).as_deref(), Some(both));
    resolvers.announce(seconds(1_201), &announced(&[FIRST], 0));
    assert_eq!(resolvers.changed(seconds(1_201)).as_deref(), lent, "it was taken back");
    // The cable leads elsewhere.
    resolvers.announce(seconds(1_300), &announced(&[FIRST], 600));
    assert!(resolvers.changed(seconds(1_300)).is_some());
    resolvers.forget_routers();
    assert_eq!(resolvers.changed(seconds(1_300)).as_deref(), lent);
}

#[test]
fn a_router_that_names_very_many_is_heard_for_the_newest() {
    let mut resolvers = Resolvers::default();
    for n in 1..=200 {
        let servers = vec![server(n)];
        resolvers.announce(seconds(1), &Announced { servers, lifetime: seconds(60) });
    }
    let text = resolvers.changed(seconds(1)).expect("written");
    assert_eq!(text.lines().count(), limits::RESOLVERS_ANNOUNCED);
    assert!(text.ends_with("nameserver 2001:db8::c8\n"), "{text}");
}
