//! The disks of the box, as the server is told of them.

use super::moving;
use crate::request::{Holds, Message};
use crate::system::init::disk::{DATA as PARTITION, Disk};
use crate::system::lending::{called, octets, text};
use crate::system::syscall::System;

/// What each of them holds.
pub(crate) fn all(
    system: &mut dyn System,
    own: &Disk,
    data: Option<&Disk>,
    old_copy: bool,
) -> Vec<Message> {
    let holds = match (data, old_copy) {
        (None, _) => Holds::All,
        (Some(_), false) => Holds::System,
        (Some(_), true) => Holds::SystemAndOld,
    };
    let mut found = vec![holder(system, own, holds)];
    if let Some(data) = data {
        found.push(holder(system, data, Holds::Mail));
    }
    if let Some(old) = moving::before(system).filter(|old| data != Some(old)) {
        found.push(holder(system, &old, Holds::Old));
    }
    found
}

/// What is said of one that is no disk of the box any more: that it has no octets.
pub(crate) fn gone(told: &Message, found: &[Message]) -> Option<Message> {
    let Message::Holder { holds, name, .. } = told else { return None };
    let is_it = |message: &&Message| {
        matches!(message, Message::Holder { holds: now, name: called, .. }
            if called == name && kind(*now) == kind(*holds))
    };
    if found.iter().any(|message| is_it(&message)) {
        return None;
    }
    Some(Message::Holder { holds: *holds, octets: 0, worn: 0, errors: 0, name: name.clone() })
}

/// There is one of each: the system's, the mail's, an old one.
fn kind(holds: Holds) -> Holds {
    match holds {
        Holds::System | Holds::SystemAndOld => Holds::All,
        other => other,
    }
}

fn holder(system: &mut dyn System, disk: &Disk, holds: Holds) -> Message {
    let part = disk.partition(PARTITION);
    let part = part.trim_start_matches("/dev/");
    let counted = text(system, &format!("/sys/fs/ext4/{part}/errors_count"));
    Message::Holder {
        holds,
        octets: octets(system, &disk.name),
        worn: worn(&text(system, &format!("/sys/block/{}/device/life_time", disk.name))),
        errors: counted.parse().unwrap_or(0),
        name: called(system, &disk.name),
    }
}

/// eMMC says of its two kinds of memory how many tenths of their life are over: 0x01 to 0x0b.
pub(crate) fn worn(said: &str) -> u8 {
    let each = said.split_whitespace().filter_map(|word| {
        let tenths = u8::from_str_radix(word.strip_prefix("0x")?, 16).ok()?;
        (1..=11).contains(&tenths).then_some(tenths)
    });
    each.max().unwrap_or(0)
}
