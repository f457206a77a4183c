//! The watchdog's patience, with a pipe for the watchdog.

use crate::system::syscall::watchdog::Watchdog;
use std::fs::File;
use std::io::{PipeReader, Read};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

const EACH: Duration = Duration::from_millis(5);
/// So long a thread that feeds each five milliseconds is not silent by chance.
const SILENCE: Duration = Duration::from_millis(500);
const AT_MOST: Duration = Duration::from_secs(60);

fn fed() -> (Watchdog, Receiver<u8>) {
    let (mut from, into) = std::io::pipe().expect("a pipe");
    let (say, said) = channel();
    std::thread::spawn(move || {
        while let Some(octet) = next(&mut from) {
            if say.send(octet).is_err() {
                return;
            }
        }
    });
    (Watchdog::new(File::from(OwnedFd::from(into)), EACH), said)
}

fn next(from: &mut PipeReader) -> Option<u8> {
    let mut octet = [0];
    matches!(from.read(&mut octet), Ok(1)).then_some(octet[0])
}

fn is_silent(said: &Receiver<u8>) -> bool {
    said.recv_timeout(SILENCE) == Err(RecvTimeoutError::Timeout)
}

/// Waits until nothing comes any more.
fn falls_silent(said: &Receiver<u8>) {
    let until = std::time::Instant::now() + AT_MOST;
    while !is_silent(said) {
        assert!(std::time::Instant::now() < until, "it is fed for ever");
    }
}

#[test]
fn who_hangs_without_having_asked_for_patience_is_reset() {
    let (mut watchdog, said) = fed();
    watchdog.feed();
    assert_eq!(said.recv_timeout(AT_MOST), Ok(0));
    assert!(is_silent(&said));
}

#[test]
fn while_a_device_is_waited_for_it_is_fed_and_no_longer() {
    let (mut watchdog, said) = fed();
    watchdog.be_patient_for(AT_MOST * 10);
    for _ in 0..5 {
        assert_eq!(said.recv_timeout(AT_MOST), Ok(0));
    }
    // PID 1 is around its loop again.
    watchdog.feed();
    falls_silent(&said);
    // A hang is not waited for for ever.
    watchdog.be_patient_for(SILENCE);
    assert_eq!(said.recv_timeout(AT_MOST), Ok(0));
    falls_silent(&said);
}

#[test]
fn its_last_word_is_that_it_may_stop() {
    let (watchdog, said) = fed();
    watchdog.be_patient_for(AT_MOST);
    assert_eq!(said.recv_timeout(AT_MOST), Ok(0));
    watchdog.close().expect("closed");
    assert_eq!(said.iter().last(), Some(b'V'), "and nobody has it open any more");
}
