//! Who is let in.

use super::toy::{Server, Turn, until};
use crate::net::listen::{Backoff, Gate};
use crate::net::network;
use std::net::IpAddr;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_beyond_the_limit_is_told_why_and_a_place_is_free_again() {
    for (turn, what) in [
        (Turn { total: 2, ..Turn::default() }, "in all"),
        (Turn { per_address: 2, ..Turn::default() }, "of one address"),
        (Turn { per_unit: 2, ..Turn::default() }, "of one address to one service"),
    ] {
        let server = Server::start(turn);
        let first = server.call().await;
        let mut second = server.call().await;
        let mut third = server.call_unheard().await;
        assert_eq!(third.line().await, "-ERR too many", "{what}");
        third.hears("").await;
        second.says("echo still\r\n").await;
        second.hears("still").await;
        drop(first);
        until(|| server.gate.open() == 1).await;
        server.call().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_of_one_service_leaves_the_other_open() {
    let server = Server::start(Turn { per_unit: 1, ..Turn::default() });
    let _plain = server.call().await;
    let _secure = server.call_secure().await;
    assert_eq!(server.gate.open(), 2);
}

#[test]
fn an_ipv6_host_is_one_peer_in_all_its_64() {
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    for (one, other, same) in [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("::ffff:192.0.2.1", "192.0.2.1", true),
    ] {
        assert_eq!(network(address(one)) == network(address(other)), same, "{one} {other}");
    }
    let gate = Gate::new(10, 2);
    let first = gate.enter("toy", address("2001:db8::1"), 10).expect("let in");
    let second = gate.enter("toy", address("2001:db8::2"), 10).expect("let in");
    assert!(gate.enter("toy", address("2001:db8::3"), 10).is_err());
    gate.enter("toy", address("2001:db8:0:1::3"), 10).expect("another network");
    drop((first, second));
    assert_eq!(gate.open(), 0);
    gate.enter("toy", address("2001:db8::3"), 10).expect("let in again");
}

/// Out of descriptors passes when a connection ends, so the door waits; a dead socket does not.
#[tokio::test]
async fn a_door_waits_out_what_passes_and_gives_up_on_what_does_not() {
    use nix::errno::Errno;
    let error = |errno: Errno| std::io::Error::from_raw_os_error(errno as i32);
    let mut back_off = Backoff::default();
    let mut waits = Vec::new();
    for _ in 0..4 {
        let began = std::time::Instant::now();
        back_off.after("toy", error(Errno::EMFILE)).await.expect("it passes");
        waits.push(began.elapsed());
    }
    for (wait, least) in waits.iter().zip([10, 20, 40, 80]) {
        assert!(wait.as_millis() >= least, "{waits:?}");
    }
    back_off.after("toy", error(Errno::ECONNABORTED)).await.expect("the peer was quicker");
    back_off.after("toy", error(Errno::EBADF)).await.expect_err("the socket is dead");
}
