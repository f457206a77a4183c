//! How guessing is slowed, with a clock of our own.

use crate::limits;
use crate::serve::throttle::{Pair, Throttle, Turn};
use std::net::IpAddr;
use std::time::Duration;

fn pair(address: &str, name: u8) -> Pair {
    let network = address.parse::<IpAddr>().expect("an address");
    Pair { network, name: [name; 16] }
}

fn seconds(count: u64) -> Turn {
    Turn::After(Duration::from_secs(count))
}

const MINUTE: u64 = 60_000;

#[test]
fn the_wait_grows_with_the_failures_of_the_pair() {
    let mut throttle = Throttle::default();
    let guess = pair("203.0.113.7", 1);
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..10 {
        let Turn::After(wait) = throttle.turn(guess, now) else { panic!("turned away") };
        waits.push(wait.as_secs());
        now += 30_000;
        throttle.failed(guess, now);
    }
    assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 8, 8]);
    assert_eq!(Duration::from_secs(8), limits::LOGIN_DELAY);
}

#[test]
fn nobody_can_lock_a_person_out_from_elsewhere() {
    let mut throttle = Throttle::default();
    for step in 0..1_000 {
        throttle.turn(pair("203.0.113.7", 1), step);
        throttle.failed(pair("203.0.113.7", 1), step);
    }
    assert_eq!(throttle.turn(pair("198.51.100.1", 1), 1_000), seconds(0));
    assert_eq!(throttle.turn(pair("192.168.1.5", 1), 1_000), seconds(0));
    // Nor from the same address, for another account of the office.
    assert_eq!(throttle.turn(pair("203.0.113.7", 2), 1_000), seconds(0));
}

#[test]
fn guesses_side_by_side_wait_one_after_another() {
    let mut throttle = Throttle::default();
    let guess = pair("203.0.113.7", 1);
    (0..20).for_each(|_| throttle.failed(guess, 0));
    let turns: Vec<Turn> = (0..100).map(|_| throttle.turn(guess, 0)).collect();
    assert_eq!(turns[..4], [seconds(8), seconds(16), seconds(24), seconds(32)]);
    assert_eq!(turns.last(), Some(&Turn::Crowded), "more than a few are turned away unchecked");
    // Once the queue is served there is a turn again.
    assert!(matches!(throttle.turn(guess, 2 * MINUTE), Turn::After(_)));
}

#[test]
fn the_office_is_delayed_and_never_turned_away() {
    for near in ["127.0.0.1", "192.168.1.5", "10.1.2.3", "172.16.0.9", "fd00::", "fe80::", "::"] {
        let mut throttle = Throttle::default();
        let guess = pair(near, 1);
        (0..20).for_each(|_| throttle.failed(guess, 0));
        for _ in 0..50 {
            assert!(matches!(throttle.turn(guess, 0), Turn::After(_)), "{near}");
        }
    }
}

#[test]
fn the_right_password_and_time_both_clear_the_pair() {
    let mut throttle = Throttle::default();
    let phone = pair("203.0.113.7", 1);
    (0..6).for_each(|_| throttle.failed(phone, 0));
    assert_eq!(throttle.turn(phone, 0), seconds(4));
    throttle.granted(phone);
    assert_eq!(throttle.turn(phone, 0), seconds(0));

    (0..6).for_each(|_| throttle.failed(phone, 0));
    let memory = u64::try_from(limits::LOGIN_MEMORY.as_millis()).expect("fits");
    assert_eq!(throttle.turn(phone, memory - 1), seconds(4));
    assert_eq!(throttle.turn(phone, memory), seconds(0));
    assert_eq!(throttle.len(), 0);
}

#[test]
fn an_address_that_tries_many_names_waits_for_each_further_one() {
    let mut throttle = Throttle::default();
    let sprayer = "203.0.113.7";
    let mut waits = Vec::new();
    for name in 0..40 {
        let Turn::After(wait) = throttle.turn(pair(sprayer, name), 0) else { panic!("away") };
        waits.push(wait);
        throttle.failed(pair(sprayer, name), 0);
    }
    let free = limits::LOGIN_NAMES_BEFORE_DELAY as usize;
    assert!(waits[..=free].iter().all(Duration::is_zero));
    assert!(waits[free + 1] > Duration::ZERO);
    assert!(waits.is_sorted());
    assert_eq!(waits.last(), Some(&limits::LOGIN_DELAY));
    assert_eq!(throttle.turn(pair("203.0.113.8", 1), 0), seconds(0));
}

#[test]
fn memory_is_bounded_and_the_oldest_goes_first() {
    let mut throttle = Throttle::default();
    let first = pair("203.0.113.7", 9);
    (0..6).for_each(|_| throttle.failed(first, 0));
    let many = u32::try_from(2 * limits::LOGIN_PAIRS).expect("fits");
    for number in 0..many {
        let address = IpAddr::V4(std::net::Ipv4Addr::from(0x0A00_0000 + number));
        throttle.failed(Pair { network: address, name: [1; 16] }, 1 + u64::from(number));
        assert!(throttle.len() <= limits::LOGIN_PAIRS);
    }
    assert_eq!(throttle.turn(first, u64::from(many)), seconds(0), "forgotten");
    let last = IpAddr::V4(std::net::Ipv4Addr::from(0x0A00_0000 + many - 1));
    let last = Pair { network: last, name: [1; 16] };
    (0..5).for_each(|_| throttle.failed(last, u64::from(many)));
    assert_eq!(throttle.turn(last, u64::from(many)), seconds(4), "remembered");
}
