//! Which slot boots: the state that U-Boot's boot script (`board/boot.cmd`) and PID 1 share.
//!
//! ```text
//! 512 octets at 4 MiB of the disk and again at 12 MiB, as U-Boot's `env export -c` writes them:
//!   crc32 u32 LE of all that follows · "name=value\0" each, in alphabetical order · zeros
//!   gen    generation, hexadecimal: of two valid copies the higher counts, of equals the first
//!   good   the slot that was last confirmed: a, b
//!   left   how many more times the trial may be booted, hexadecimal; only with try
//!   try    the slot on trial: a, b; left out when there is no trial
//!
//!              PID 1: begin_trial          script, before it boots try: left - 1
//!  Confirmed --------------------> Pending ------------------------------------> OnTrial
//!      ^                           left > 0                                      left = 0
//!      | PID 1 of try, healthy: confirm                                            |  |
//!      +---------------------------------------------------------------------------+  |
//!      |                            panic, watchdog, power cut: the script boots good |
//!      +--------------------------------------- RolledBack <--------------------------+
//!        PID 1 of good: end_trial               left = 0
//! ```
//!
//! Every change has a new generation and is written to both copies one after the other, the worse
//! copy first (`Chosen::order`) and read back before the other is touched: the only valid copy is
//! never rewritten. The script counts down by the same rule. When neither copy is valid it boots
//! slot a, or b when a is not there, and PID 1 writes `State::first` of the slot it runs from.
//!
//! The host tool `image` shares this file: it writes the first state and shows both copies.

use std::fmt;

/// Where the two copies stand, in octets from the start of the disk: clear of every board's
/// loader, and so far apart that no erase block of a flash card holds both.
pub(crate) const COPIES: [u64; 2] = [4 << 20, 12 << 20];

/// Octets of a copy.
pub(crate) const SECTOR: usize = 512;

/// How many times a slot on trial is booted before it counts as failed.
pub(crate) const TRIES: u64 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    A,
    B,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub generation: u64,
    /// The slot that was last confirmed.
    pub good: Slot,
    pub trial: Option<Trial>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trial {
    pub slot: Slot,
    /// How many more times it may be booted.
    pub left: u64,
}

/// What a running slot is, by the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Confirmed,
    /// The running slot is good; the other one is tried at the next boot.
    Pending,
    /// The running slot is to be confirmed or it will not boot again.
    OnTrial,
    /// The other slot was tried and did not get as far as being confirmed.
    RolledBack,
    /// No trial, and yet the other slot is the good one: the script could not load it.
    Substitute,
}

/// Why a copy does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Zeros only.
    Blank,
    Checksum,
    /// A name that is not there, or there twice.
    Missing(&'static str),
    Value(&'static str, String),
}

/// What two copies amount to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub state: Option<State>,
    /// In which order the copies are to be written: the one that counts last.
    pub order: [usize; 2],
}

impl Slot {
    pub(crate) fn other(self) -> Slot {
        match self {
            Slot::A => Slot::B,
            Slot::B => Slot::A,
        }
    }

    /// As in the state, on the kernel's command line and on the console.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Slot::A => "a",
            Slot::B => "b",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Slot> {
        [Slot::A, Slot::B].into_iter().find(|slot| slot.name() == name)
    }

    /// Its partition, from 1 as Linux counts.
    pub(crate) fn partition(self) -> u32 {
        match self {
            Slot::A => 2,
            Slot::B => 3,
        }
    }
}

impl State {
    /// Of a new image, and of a box whose both copies are lost.
    pub(crate) fn first(good: Slot) -> State {
        State { generation: 1, good, trial: None }
    }

    /// The other slot is to be tried at the next boot. Only over a confirmed slot.
    pub(crate) fn begin_trial(self, running: Slot) -> Option<State> {
        let trial = Trial { slot: running.other(), left: TRIES };
        let confirmed = self.standing(running) == Standing::Confirmed;
        confirmed.then(|| State { trial: Some(trial), ..self.next() })
    }

    /// The running slot proved healthy.
    pub(crate) fn confirm(self, running: Slot) -> State {
        State { good: running, trial: None, ..self.next() }
    }

    /// A trial that failed is remembered elsewhere and over.
    pub(crate) fn end_trial(self) -> State {
        State { trial: None, ..self.next() }
    }

    pub(crate) fn standing(self, running: Slot) -> Standing {
        match self.trial {
            Some(trial) if trial.slot == running => Standing::OnTrial,
            Some(trial) if trial.left > 0 => Standing::Pending,
            Some(_) => Standing::RolledBack,
            None if self.good == running => Standing::Confirmed,
            None => Standing::Substitute,
        }
    }

    fn next(self) -> State {
        State { generation: self.generation.saturating_add(1), ..self }
    }
}

/// Reads one copy.
pub(crate) fn parse(sector: &[u8; SECTOR]) -> Result<State, Fault> {
    if sector.iter().all(|octet| *octet == 0) {
        return Err(Fault::Blank);
    }
    let (sum, content) = sector.split_at(4);
    if sum != crc32fast::hash(content).to_le_bytes() {
        return Err(Fault::Checksum);
    }
    let generation = hexadecimal("gen", value(content, "gen")?)?;
    let good = slot("good", value(content, "good")?)?;
    let trial = match value(content, "try") {
        Err(_) => None,
        Ok(name) => Some(Trial {
            slot: slot("try", name)?,
            left: hexadecimal("left", value(content, "left")?)?,
        }),
    };
    Ok(State { generation, good, trial })
}

/// Writes one copy.
pub(crate) fn print(state: &State) -> [u8; SECTOR] {
    let mut text = format!("gen={:x}\0good={}\0", state.generation, state.good.name());
    if let Some(trial) = &state.trial {
        text += &format!("left={:x}\0try={}\0", trial.left, trial.slot.name());
    }
    let mut sector = [0; SECTOR];
    sector[4..4 + text.len()].copy_from_slice(text.as_bytes());
    let sum = crc32fast::hash(&sector[4..]);
    sector[..4].copy_from_slice(&sum.to_le_bytes());
    sector
}

/// Which of the two copies counts, and how they are to be written.
pub(crate) fn choose(copies: &[Result<State, Fault>; 2]) -> Chosen {
    match copies {
        [Ok(first), Ok(second)] if first.generation >= second.generation => {
            Chosen { state: Some(*first), order: [1, 0] }
        }
        [_, Ok(second)] => Chosen { state: Some(*second), order: [0, 1] },
        [Ok(first), Err(_)] => Chosen { state: Some(*first), order: [1, 0] },
        [Err(_), Err(_)] => Chosen { state: None, order: [0, 1] },
    }
}

/// The value of a name that is there once.
fn value<'a>(content: &'a [u8], name: &'static str) -> Result<&'a [u8], Fault> {
    let mut found = content.split(|octet| *octet == 0).filter_map(|entry| {
        entry.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
    });
    match (found.next(), found.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(Fault::Missing(name)),
    }
}

fn hexadecimal(name: &'static str, value: &[u8]) -> Result<u64, Fault> {
    let digits = value.iter().all(u8::is_ascii_hexdigit);
    let text = String::from_utf8_lossy(value);
    match u64::from_str_radix(&text, 16) {
        Ok(number) if digits => Ok(number),
        _ => Err(Fault::Value(name, text.escape_debug().to_string())),
    }
}

fn slot(name: &'static str, value: &[u8]) -> Result<Slot, Fault> {
    let text = String::from_utf8_lossy(value);
    Slot::from_name(&text).ok_or_else(|| Fault::Value(name, text.escape_debug().to_string()))
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "generation {}, slot {} confirmed", self.generation, self.good.name())?;
        match &self.trial {
            None => Ok(()),
            Some(Trial { slot, left: 0 }) => write!(f, ", slot {} was tried", slot.name()),
            Some(Trial { slot, left }) => {
                write!(f, ", slot {} to be tried, boots left: {left}", slot.name())
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Blank => f.write_str("never written"),
            Fault::Checksum => f.write_str("damaged: its checksum is wrong"),
            Fault::Missing(name) => write!(f, "damaged: {name} has to be there once"),
            Fault::Value(name, value) => write!(f, "damaged: {name} cannot be {value:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector(text: &str) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        sector[4..4 + text.len()].copy_from_slice(text.as_bytes());
        let sum = crc32fast::hash(&sector[4..]).to_le_bytes();
        sector[..4].copy_from_slice(&sum);
        sector
    }

    fn on_trial(left: u64) -> State {
        let trial = Some(Trial { slot: Slot::B, left });
        State { generation: 0x1f, good: Slot::A, trial }
    }

    #[test]
    fn a_copy_is_what_u_boot_exports_and_reads_back_the_same() {
        // As U-Boot 2023.01 for qemu_arm64 writes it:
        // `env export -c -s 0x200 ${addr} gen good try left`, with gen 1f, good a, try b, left 1.
        let exported = sector("gen=1f\0good=a\0left=1\0try=b\0");
        assert_eq!(exported[..4], 0x34c7_b15c_u32.to_le_bytes());
        assert_eq!(print(&on_trial(1)), exported);
        assert_eq!(parse(&exported), Ok(on_trial(1)));
        let settled = State::first(Slot::B);
        assert_eq!(print(&settled), sector("gen=1\0good=b\0"));
        assert_eq!(parse(&print(&settled)), Ok(settled));
    }

    #[test]
    fn a_damaged_copy_never_counts() {
        let whole = print(&on_trial(1));
        for at in 0..SECTOR {
            for bit in [1, 0x80] {
                let mut torn = whole;
                torn[at] ^= bit;
                assert_eq!(parse(&torn), Err(Fault::Checksum), "bit {bit} of octet {at}");
            }
        }
        assert_eq!(parse(&[0; SECTOR]), Err(Fault::Blank));
        assert_eq!(parse(&[0xff; SECTOR]), Err(Fault::Checksum));
    }

    #[test]
    fn a_whole_copy_with_strange_content_never_counts() {
        for (text, fault) in [
            ("good=a\0", Fault::Missing("gen")),
            ("gen=1\0", Fault::Missing("good")),
            ("gen=1\0gen=2\0good=a\0", Fault::Missing("gen")),
            ("gen=1\0good=a\0try=b\0", Fault::Missing("left")),
            ("gen=+1\0good=a\0", Fault::Value("gen", "+1".into())),
            ("gen=\0good=a\0", Fault::Value("gen", String::new())),
            (
                "gen=10000000000000000\0good=a\0",
                Fault::Value("gen", "1".to_string() + &"0".repeat(16)),
            ),
            ("gen=1\0good=c\0", Fault::Value("good", "c".into())),
            ("gen=1\0good=a\0left=x\0try=b\0", Fault::Value("left", "x".into())),
        ] {
            assert_eq!(parse(&sector(text)), Err(fault), "{text:?}");
        }
        let more = sector("gen=1\0good=a\0later=7\0");
        assert_eq!(parse(&more), Ok(State::first(Slot::A)), "names of later versions are skipped");
    }

    #[test]
    fn the_newer_copy_counts_and_is_written_last() {
        let (old, new) = (State::first(Slot::A), State::first(Slot::A).confirm(Slot::B));
        let broken = || Err(Fault::Checksum);
        for (copies, state, order) in [
            ([Ok(new), Ok(old)], Some(new), [1, 0]),
            ([Ok(old), Ok(new)], Some(new), [0, 1]),
            ([Ok(new), Ok(new)], Some(new), [1, 0]),
            ([Ok(old), broken()], Some(old), [1, 0]),
            ([broken(), Ok(old)], Some(old), [0, 1]),
            ([broken(), broken()], None, [0, 1]),
        ] {
            assert_eq!(choose(&copies), Chosen { state, order }, "{copies:?}");
        }
    }

    /// Writes a change as it is to be written, with the power cut during one of the two writes.
    #[test]
    fn a_power_cut_during_a_write_leaves_the_old_state_or_the_new() {
        let (old, new) = (State::first(Slot::A), State::first(Slot::A).confirm(Slot::B));
        let torn = || Err(Fault::Checksum);
        for before in [[Ok(old), Ok(old)], [Ok(old), torn()], [torn(), Ok(old)]] {
            for cut in 0..2 {
                let mut copies = before.clone();
                for (i, at) in choose(&before).order.into_iter().enumerate() {
                    copies[at] = if i == cut { torn() } else { Ok(new) };
                    if i == cut {
                        break;
                    }
                }
                let want = if cut == 0 { old } else { new };
                assert_eq!(choose(&copies).state, Some(want), "{before:?}, cut in write {cut}");
            }
        }
    }

    #[test]
    fn a_trial_is_confirmed_or_rolled_back() {
        let settled = State::first(Slot::A);
        let pending = settled.begin_trial(Slot::A).expect("over a confirmed slot");
        assert_eq!(pending.trial, Some(Trial { slot: Slot::B, left: TRIES }));
        assert_eq!(pending.standing(Slot::A), Standing::Pending);
        assert_eq!(pending.begin_trial(Slot::A), None, "one trial at a time");

        let booted = State { trial: Some(Trial { slot: Slot::B, left: 0 }), ..pending.next() };
        assert_eq!(booted.standing(Slot::B), Standing::OnTrial);
        assert_eq!(booted.begin_trial(Slot::B), None, "no update over a slot on trial");
        let confirmed = booted.confirm(Slot::B);
        assert_eq!((confirmed.good, confirmed.trial), (Slot::B, None));
        assert_eq!(confirmed.standing(Slot::B), Standing::Confirmed);
        assert_eq!(confirmed.standing(Slot::A), Standing::Substitute);

        assert_eq!(booted.standing(Slot::A), Standing::RolledBack);
        let ended = booted.end_trial();
        assert_eq!((ended.good, ended.standing(Slot::A)), (Slot::A, Standing::Confirmed));
        assert!(ended.generation > booted.generation && booted.generation > pending.generation);
    }

    #[test]
    fn a_state_is_told_in_words() {
        let words = "generation 31, slot a confirmed, slot b to be tried, boots left: 1";
        assert_eq!(on_trial(1).to_string(), words);
        assert_eq!(on_trial(0).to_string(), "generation 31, slot a confirmed, slot b was tried");
        let fault = Fault::Value("good", "c".into()).to_string();
        assert_eq!(fault, "damaged: good cannot be \"c\"");
    }
}
