//! The order of hosts.

use crate::delivery::route::order;
use crate::net::resolver::Mx;

fn mx(preference: u16, host: &str) -> Mx {
    Mx { preference, host: host.to_string() }
}

#[test]
fn hosts_come_by_preference_and_equal_ones_in_every_order() {
    let records = || vec![mx(20, "c.test"), mx(10, "b.test"), mx(10, "a.test")];
    let mut seen = std::collections::BTreeSet::new();
    for random in 0..50 {
        let hosts = order(records(), "d.test", "us.test", random).expect("hosts");
        assert_eq!(hosts.last().map(String::as_str), Some("c.test"));
        seen.insert(hosts);
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn null_mx_and_a_loop_are_lasting_and_nonsense_is_not() {
    let why = |records| order(records, "d.test", "us.test", 1).expect_err("no host");
    assert!(why(vec![mx(0, "")]).lasting);
    assert!(why(vec![mx(10, "us.test"), mx(20, "b.test")]).lasting);
    assert!(!why(vec![mx(10, "192.0.2.1")]).lasting);
    assert!(!why(vec![mx(10, "-"), mx(20, "")]).lasting);
}

#[test]
fn only_hosts_preferred_to_ourselves_are_left() {
    let records = vec![mx(5, "a.test"), mx(10, "US.test"), mx(10, "b.test"), mx(20, "c.test")];
    assert_eq!(order(records, "d.test", "us.test", 1).expect("hosts"), ["a.test"]);
}
