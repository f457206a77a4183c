//! Which peers are near, as the kernel's tables of routes say.

use super::stage::ip;
use crate::admin::lan::{Lan, host};

/// eth0 192.168.1.0/24 with its router, a bridge 172.17.0.0/16, a tunnel that takes half the world.
const FOUR: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
br0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0
";
/// eth0 2001:db8:1::/64 and its router by link-local address; what the kernel has for itself.
const SIX: &str = "\
20010db8000100000000000000000000 40 00000000000000000000000000000000 00 \
00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 \
00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo
ff000000000000000000000000000000 08 00000000000000000000000000000000 00 \
00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0
";

#[test]
fn the_networks_of_the_interfaces_are_near_and_the_router_is_not() {
    let lan = Lan::parse(FOUR, SIX);
    let near = ["192.168.1.9", "172.17.3.4", "127.0.0.1", "::1", "169.254.7.7", "fe80::2"];
    for peer in near.into_iter().chain(["2001:db8:1::77", "::ffff:192.168.1.9"]) {
        assert!(lan.holds(ip(peer)), "{peer}");
    }
    let far = ["192.168.1.1", "192.168.2.9", "8.8.8.8", "100.64.0.1", "::ffff:8.8.8.8"];
    for peer in far.into_iter().chain(["2001:db8:2::77", "2a00::1", "fe80::1"]) {
        assert!(!lan.holds(ip(peer)), "{peer}");
    }
    assert_eq!(Lan::parse("", ""), Lan::parse("rubbish\nrubbish rubbish", "x y z"));
    assert!(!Lan::parse("", "").holds(ip("192.168.1.9")));
}

#[test]
fn a_host_header_is_a_name_and_perhaps_a_port() {
    let part = |header: &str| host(header).map(|(name, port)| format!("{name} {port:?}"));
    assert_eq!(part("Mail.Office.Test.:2443").as_deref(), Some("mail.office.test Some(2443)"));
    assert_eq!(part("[fe80::1]:443").as_deref(), Some("fe80::1 Some(443)"));
    assert_eq!(part("[::1]").as_deref(), Some("::1 None"));
    for wrong in ["", ":443", "a:", "a:x", "[::1", "a:70000", "fe80::1"] {
        assert_eq!(part(wrong), None, "{wrong:?}");
    }
}
