//! Several sessions with random commands on one mailbox; a model of the RFCs checks every response.
//!
//! ```text
//! dice -> command -> session -> octets -> (planted fault) -> responses -> model: right or why not
//! ```
//!
//! The model knows no code of the server: it holds the messages there are, what each client has
//! been told, and the rules. `MAILROOM_SEED=n` plays a run again, `MAILROOM_SECONDS=n` makes it
//! longer.

mod fault;
mod model;
mod play;
mod response;

use crate::imap::planted;
use fault::{Fault, INSIDE};
use play::Play;
use std::time::{Duration, Instant};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_response_of_random_sessions_is_right() {
    let seconds = number("MAILROOM_SECONDS").unwrap_or(10);
    let first = number("MAILROOM_SEED").unwrap_or_else(crate::clock::now_micros);
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut seed, mut commands) = (first, 0);
    while Instant::now() < end {
        let mut play = Play::new(seed, None);
        for _ in 0..400 {
            if let Err(why) = play.step() {
                panic!("MAILROOM_SEED={seed}: {why}\n{}", play.story());
            }
            commands += 1;
        }
        if let Err(why) = play.converge() {
            panic!("MAILROOM_SEED={seed}: at the end: {why}\n{}", play.story());
        }
        seed = seed.wrapping_add(1);
    }
    println!("seeds from {first}: {commands} commands, every response right");
}

/// What the model is worth: each fault that is planted into the responses is found.
#[test]
fn planted_faults_are_caught() {
    for fault in Fault::ALL {
        let caught = (1..=20).find_map(|seed| {
            let mut play = Play::new(seed, Some(fault));
            let wrong = (0..400).find_map(|_| play.step().err()).or_else(|| play.converge().err());
            assert!(wrong.is_none() || play.planted(), "{fault:?}: seen without being there");
            wrong
        });
        match caught {
            Some(why) => println!("{fault:?} is caught: {why}"),
            None => panic!("{fault:?} was not caught in 20 runs of 400 commands"),
        }
    }
}

/// The same for mistakes made inside of the session, where its state goes wrong with its words.
#[test]
fn faults_inside_of_the_session_are_caught() {
    for fault in INSIDE {
        planted::plant(Some(fault));
        let caught = (1..=20).find_map(|seed| {
            let mut play = Play::new(seed, None);
            (0..400).find_map(|_| play.step().err()).or_else(|| play.converge().err())
        });
        planted::plant(None);
        match caught {
            Some(why) => println!("{fault:?} is caught: {why}"),
            None => panic!("{fault:?} was not caught in 20 runs of 400 commands"),
        }
    }
}
