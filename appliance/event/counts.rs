//! What happened since the start, in numbers: for whoever watches the server.

use super::{Event, Level};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Mail in messages, or in recipients where it says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// From other servers.
    pub arrived: u64,
    pub arrived_octets: u64,
    /// From outside accounts of people.
    pub collected: u64,
    pub collected_octets: u64,
    /// Of both, copies that were judged to be junk.
    pub junk: u64,
    /// From people and devices of the office.
    pub submitted: u64,
    pub submitted_octets: u64,
    /// Not taken: who sent it was told why.
    pub refused: u64,
    /// Recipients elsewhere whose server took it, of whom it is tried again, who never get it.
    pub sent: u64,
    pub put_off: u64,
    pub given_up: u64,
    /// By unit, and whether it was granted.
    pub logins: BTreeMap<(&'static str, bool), u64>,
    pub connections: BTreeMap<&'static str, Connections>,
    /// Events that the owner should see.
    pub warnings: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Connections {
    pub begun: u64,
    pub open: u64,
    /// Beyond a limit.
    pub refused: u64,
}

static COUNTS: Mutex<Counts> = Mutex::new(Counts {
    arrived: 0,
    arrived_octets: 0,
    collected: 0,
    collected_octets: 0,
    junk: 0,
    submitted: 0,
    submitted_octets: 0,
    refused: 0,
    sent: 0,
    put_off: 0,
    given_up: 0,
    logins: BTreeMap::new(),
    connections: BTreeMap::new(),
    warnings: 0,
});

/// As they stand now.
pub(crate) fn now() -> Counts {
    COUNTS.lock().map(|counts| counts.clone()).unwrap_or_default()
}

/// A connection to a unit, counted as open until this is dropped.
pub(crate) struct Open {
    unit: &'static str,
}

impl Open {
    pub(crate) fn new(unit: &'static str) -> Open {
        connections(unit, |it| (it.begun, it.open) = (it.begun + 1, it.open + 1));
        Open { unit }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        connections(self.unit, |it| it.open = it.open.saturating_sub(1));
    }
}

fn connections(unit: &'static str, change: impl FnOnce(&mut Connections)) {
    if let Ok(mut counts) = COUNTS.lock() {
        change(counts.connections.entry(unit).or_default());
    }
}

/// Counts an event.
pub(super) fn add(event: &Event) {
    let Ok(mut counts) = COUNTS.lock() else { return };
    let of = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    counts.warnings += u64::from(event.level() == Level::Warn);
    match event {
        Event::Received { submitted: true, octets, .. } => {
            counts.submitted += 1;
            counts.submitted_octets += of(*octets);
        }
        Event::Collected { octets, junk, .. } => {
            counts.collected += 1;
            counts.collected_octets += of(*octets);
            counts.junk += u64::from(*junk);
        }
        Event::Received { octets, junk, .. } => {
            counts.arrived += 1;
            counts.arrived_octets += of(*octets);
            counts.junk += of(*junk);
        }
        Event::Sent { sent, waiting, failed, .. } => {
            counts.sent += of(*sent);
            counts.put_off += of(*waiting);
            counts.given_up += of(*failed);
        }
        Event::Refused { .. } => counts.refused += 1,
        Event::LoginGranted { unit, .. } => *counts.logins.entry((*unit, true)).or_default() += 1,
        Event::LoginDenied { unit, .. } => *counts.logins.entry((*unit, false)).or_default() += 1,
        Event::ConnectionRefused { unit, .. } => {
            counts.connections.entry(*unit).or_default().refused += 1;
        }
        _ => (),
    }
}
