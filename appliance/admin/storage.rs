//! Storage: the disks of the box, how full and how fast they are, and all of the mail moved to
//! another.

pub(crate) mod desk;
pub(crate) mod work;

use crate::request::{Holds, StickState};

/// As programs read it.
pub(super) fn holds(holds: Holds) -> &'static str {
    match holds {
        Holds::All => "all",
        Holds::System => "system",
        Holds::SystemAndOld => "system-and-old",
        Holds::Mail => "mail",
        Holds::Old => "old",
    }
}

pub(super) fn state(state: StickState) -> &'static str {
    match state {
        StickState::None => "none",
        StickState::Ready => "ready",
        StickState::Unusable => "unusable",
        StickState::Mail => "mail",
    }
}
