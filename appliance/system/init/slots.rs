//! The state of the slots, as PID 1 reads and writes it (`update::slot` draws it).

use super::disk::Disk;
use crate::system::syscall::System;
use crate::update::slot::{self, COPIES, Chosen, Fault, SECTOR, Slot, Standing, State};
use std::io;

pub(crate) struct Found {
    pub standing: Standing,
    pub faults: Vec<String>,
}

/// Reads both copies. One that is lost is mended from the other, and one that is older, because the
/// power went between the two, is brought up to it; when both are lost, the running slot is the
/// good one.
pub(crate) fn look(system: &mut dyn System, disk: &Disk, running: Slot) -> Found {
    let copies = COPIES.map(|at| read(system, disk, at));
    let chosen = slot::choose(&copies);
    let mut faults = Vec::new();
    let lost = copies.iter().filter(|copy| copy.is_err()).count();
    let state = chosen.state.unwrap_or_else(|| State::first(running));
    let older = copies.iter().any(|copy| copy.as_ref().is_ok_and(|copy| *copy != state));
    if lost == 0
        && older
        && let Err(error) = mend(system, disk, &state, &copies, &chosen)
    {
        faults.push(format!("one copy of the slot state is older: {error}"));
    }
    if lost > 0 {
        let which = if lost == 1 { "one copy" } else { "both copies" };
        let mended = mend(system, disk, &state, &copies, &chosen);
        faults.push(match mended {
            Ok(()) => format!("{which} of the slot state was lost, and is written anew"),
            Err(error) => format!("{which} of the slot state is lost: {error}"),
        });
    }
    let standing = state.standing(running);
    match standing {
        Standing::RolledBack => faults.push(format!(
            "the update in slot {} did not prove itself: the box went back to slot {}",
            running.other().name(),
            running.name(),
        )),
        Standing::Substitute => faults.push(format!(
            "slot {} cannot be loaded: slot {} runs in its place",
            running.other().name(),
            running.name(),
        )),
        _ => (),
    }
    Found { standing, faults }
}

/// The running slot proved healthy.
pub(crate) fn confirm(system: &mut dyn System, disk: &Disk, running: Slot) -> io::Result<()> {
    change(system, disk, running, |state| Some(state.confirm(running)))
}

/// The other slot is booted next, once.
pub(crate) fn begin_trial(system: &mut dyn System, disk: &Disk, running: Slot) -> io::Result<()> {
    change(system, disk, running, |state| state.begin_trial(running))
}

/// What came of the trial is kept elsewhere.
pub(crate) fn end_trial(system: &mut dyn System, disk: &Disk, running: Slot) -> io::Result<()> {
    change(system, disk, running, |state| Some(state.end_trial()))
}

fn change(
    system: &mut dyn System,
    disk: &Disk,
    running: Slot,
    to: impl FnOnce(State) -> Option<State>,
) -> io::Result<()> {
    let copies = COPIES.map(|at| read(system, disk, at));
    let chosen = slot::choose(&copies);
    let state = to(chosen.state.unwrap_or_else(|| State::first(running)));
    let state = state.ok_or(io::Error::other("the running system is not confirmed"))?;
    chosen.order.into_iter().try_for_each(|copy| write(system, disk, copy, &state))
}

fn mend(
    system: &mut dyn System,
    disk: &Disk,
    state: &State,
    copies: &[Result<State, Fault>; 2],
    chosen: &Chosen,
) -> io::Result<()> {
    let wrong = chosen.order.into_iter().filter(|copy| copies[*copy].as_ref() != Ok(state));
    wrong.into_iter().try_for_each(|copy| write(system, disk, copy, state))
}

fn read(system: &mut dyn System, disk: &Disk, at: u64) -> Result<State, Fault> {
    let octets = system.read_at(&disk.device(), at, SECTOR).unwrap_or_default();
    let sector: [u8; SECTOR] = octets.try_into().map_err(|_| Fault::Blank)?;
    slot::parse(&sector)
}

/// Reads it back before the other copy may be touched.
fn write(system: &mut dyn System, disk: &Disk, copy: usize, state: &State) -> io::Result<()> {
    let sector = slot::print(state);
    system.write_at(&disk.device(), COPIES[copy], &sector)?;
    if system.read_at(&disk.device(), COPIES[copy], SECTOR)? == sector {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the disk does not keep what is written"))
}
