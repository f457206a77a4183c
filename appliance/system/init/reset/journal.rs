//! The journal of resets, /data/system/reset: what is to be done, and which RESET.txt could not be
//! removed. Replaced as a whole, so that a cut of the power leaves the old or the new.
//!
//! ```text
//! work passwords 00112233445566aa ABCD-2345    the number of the reset, and the setup code of it
//! seen 00112233445566aabbccddee 0011..         a file system, and the sum of its RESET.txt
//! ```

use super::asked::Level;
use super::of_journal;
use crate::limits;
use crate::request::Code;
use crate::system::syscall::System;
use std::fmt::Write;
use std::io;

pub(crate) const NAME: &str = "reset";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Journal {
    pub work: Option<Work>,
    pub seen: Vec<Seen>,
}

/// A reset that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Work {
    pub step: Step,
    /// The server does each once.
    pub number: u64,
    pub code: Code,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Passwords,
    /// Of the same: what is PID 1's is done, the server's is not.
    Owner,
    Everything,
}

/// A RESET.txt that is obeyed no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub volume: [u8; 12],
    pub sum: [u8; 16],
}

impl Seen {
    pub(crate) fn of(volume: [u8; 12], octets: &[u8]) -> Seen {
        let digest = ring::digest::digest(&ring::digest::SHA256, octets);
        let mut sum = [0; 16];
        sum.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Seen { volume, sum }
    }
}

impl Step {
    const NAMES: [(Step, &str); 3] =
        [(Step::Passwords, "passwords"), (Step::Owner, "owner"), (Step::Everything, "everything")];

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(step, _)| *step == self).map_or("", |(_, name)| name)
    }
}

impl Journal {
    /// Nothing was ever written: nothing is to be done.
    pub(crate) fn read(system: &mut dyn System) -> io::Result<Journal> {
        match system.read(&of_journal()) {
            Ok(octets) => Ok(Journal::parse(&String::from_utf8_lossy(&octets))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Journal::default()),
            Err(error) => Err(error),
        }
    }

    /// One that says nothing is none.
    pub(crate) fn write(&self, system: &mut dyn System) -> io::Result<()> {
        let text = self.text();
        if !text.is_empty() {
            return system.replace(&of_journal(), text.as_bytes());
        }
        match system.remove(&of_journal()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// This much is to be reset, beside what is under way already.
    pub(crate) fn wish(&mut self, system: &mut dyn System, level: Level) -> io::Result<()> {
        if let Some(work) = &mut self.work {
            if level == Level::Everything {
                work.step = Step::Everything;
            }
            return Ok(());
        }
        let mut random = [0; 16];
        system.random(&mut random)?;
        let [number, code] = [0, 8].map(|at| {
            let mut half = [0; 8];
            half.copy_from_slice(&random[at..at + 8]);
            half
        });
        let step = match level {
            Level::Passwords => Step::Passwords,
            Level::Everything => Step::Everything,
        };
        // 0 is the number of a store that was never reset.
        let number = u64::from_le_bytes(number).max(1);
        self.work = Some(Work { step, number, code: Code::new(code) });
        Ok(())
    }

    pub(crate) fn remember(&mut self, seen: Seen) {
        self.seen.retain(|other| other.volume != seen.volume);
        self.seen.push(seen);
        let old = self.seen.len().saturating_sub(limits::RESETS_SEEN);
        self.seen.drain(..old);
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if let Some(Work { step, number, code }) = &self.work {
            let _ = writeln!(text, "work {} {number:016x} {code}", step.name());
        }
        for Seen { volume, sum } in &self.seen {
            let _ = writeln!(text, "seen {} {}", hex(volume), hex(sum));
        }
        text
    }

    /// Lines that make no sense are left out: only PID 1 writes here.
    pub(crate) fn parse(text: &str) -> Journal {
        let mut journal = Journal::default();
        for line in text.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["work", step, number, code] => journal.work = work(step, number, code),
                ["seen", volume, sum] => {
                    let seen = octets(volume).zip(octets(sum));
                    journal.seen.extend(seen.map(|(volume, sum)| Seen { volume, sum }));
                }
                _ => (),
            }
        }
        journal
    }
}

fn work(step: &str, number: &str, code: &str) -> Option<Work> {
    let (step, _) = Step::NAMES.iter().find(|(_, name)| *name == step)?;
    let number = u64::from_str_radix(number, 16).ok()?;
    Some(Work { step: *step, number, code: Code::parse(code)? })
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    if hex.len() != 2 * N {
        return None;
    }
    for (at, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(octets)
}
