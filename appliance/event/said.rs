//! What was said lately: a ring in memory, for the owner to read.

use super::{Event, one_line};
use crate::limits::EVENT_RING;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;

/// One that was said.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// Counted from the start of the process.
    pub number: u64,
    /// Seconds since 1970.
    pub at: i64,
    pub event: Event,
}

impl Said {
    pub(crate) fn line(&self) -> String {
        one_line(&self.event.to_string())
    }
}

struct Ring {
    next: u64,
    said: VecDeque<Said>,
}

static RING: Mutex<Ring> = Mutex::new(Ring { next: 1, said: VecDeque::new() });

pub(super) fn keep(event: Event, at: i64) {
    let Ok(mut ring) = RING.lock() else { return };
    if ring.said.len() >= EVENT_RING {
        ring.said.pop_front();
    }
    let number = ring.next;
    ring.next += 1;
    ring.said.push_back(Said { number, at, event });
}

/// Shows each, the newest first, for as long as somebody looks. Whoever looks must say nothing.
pub(crate) fn look(each: &mut dyn FnMut(&Said) -> bool) {
    if let Ok(ring) = RING.lock() {
        let _ = ring.said.iter().rev().try_for_each(|said| each(said).then_some(()));
    }
}

/// The newest lines, oldest first.
pub(crate) fn recent() -> Vec<String> {
    RING.lock().map(|ring| ring.said.iter().map(Said::line).collect()).unwrap_or_default()
}

/// Whose events there are.
pub(crate) fn units() -> BTreeSet<&'static str> {
    RING.lock()
        .map(|ring| ring.said.iter().map(|said| said.event.unit()).collect())
        .unwrap_or_default()
}

impl Event {
    /// What part of the server it is about.
    pub(crate) fn unit(&self) -> &'static str {
        match self {
            Self::Listening { unit, .. }
            | Self::ConnectionRefused { unit, .. }
            | Self::ConnectionFailed { unit, .. }
            | Self::LoginGranted { unit, .. }
            | Self::LoginDenied { unit, .. }
            | Self::LoginCrowded { unit, .. }
            | Self::UnitFailed { unit, .. } => unit,
            Self::Stopping | Self::Again | Self::Restoring => "server",
            Self::Received { .. }
            | Self::Sent { .. }
            | Self::Refused { .. }
            | Self::CheckTrouble { .. }
            | Self::NameServers { .. }
            | Self::BlocklistIgnored { .. }
            | Self::PolicyOverridden { .. }
            | Self::SigningTrouble { .. } => "mail",
            Self::Collected { .. } | Self::CollectTrouble { .. } => "collect",
            Self::StoreTrouble { .. }
            | Self::StoreChecked { .. }
            | Self::StoreDamaged { .. }
            | Self::AccountRemoved { .. } => "store",
            Self::CertificateReplaced { .. } | Self::CertificateTrouble { .. } => "certificate",
            Self::BoxTrouble { .. }
            | Self::MailMoved { .. }
            | Self::StorageTrouble { .. }
            | Self::OldCopyRemoved
            | Self::DiskAdopted { .. }
            | Self::ChildSaid { .. } => "box",
            Self::WorldChanged { .. } => "world",
            Self::BackupMade { .. } | Self::BackupTrouble { .. } => "backup",
            Self::Update(_) | Self::UpdateKept { .. } => "update",
        }
    }
}
