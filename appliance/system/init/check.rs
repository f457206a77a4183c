//! Step 10: e2fsck of the data partition, with the watchdog fed meanwhile.

use super::disk::{DATA, Disk};
use super::{Boot, FSCK_CONFIG, Next, note, superblock};
use crate::limits;
use crate::system::syscall::{Ended, Happening, Program};
use std::io;

impl Boot<'_> {
    pub(super) fn check(&mut self) -> Next {
        let Some(disk) = self.booted.disk.clone() else { return Next::GoOn };
        let checked = self.checked(&disk, "the data file system");
        checked.unwrap_or_else(|why| {
            self.repair(why);
            Next::GoOn
        })
    }

    /// The data partition of this disk, which is called so. The error says why it cannot be used.
    pub(super) fn checked(&mut self, disk: &Disk, what: &str) -> Result<Next, String> {
        // A board without a clock of its own has mounts "in the future", which are no damage.
        let config = b"[options]\nbroken_system_clock = true\n";
        if let Err(error) = self.system.replace(FSCK_CONFIG, config) {
            self.fault(format!("{FSCK_CONFIG}: {error}"));
        }
        let partition = disk.partition(DATA);
        let (mut ended, mut said) = match self.e2fsck(&partition) {
            Ok(done) => done,
            Err(error) => {
                // The journal is replayed by the mount; only older damage would go unseen.
                self.fault(format!("e2fsck cannot be started: {error}"));
                return Ok(Next::GoOn);
            }
        };
        let torn = matches!(ended, Ended::Code(8)) && self.untorn(&partition, what);
        if torn && let Ok(again) = self.e2fsck(&partition) {
            (ended, said) = again;
        }
        match ended {
            Ended::Code(0) if !torn => Ok(Next::GoOn),
            Ended::Code(0 | 1) => {
                self.fault(format!("{what} was damaged and is mended"));
                Ok(Next::GoOn)
            }
            Ended::Code(2 | 3) => self.restart_once(what),
            ended => {
                let last = said.last().map(|line| format!(": {line}")).unwrap_or_default();
                // e2fsck(8): 4 is damage that it left; without it, it could not do its work.
                let how = match ended {
                    Ended::Code(code) if code & 4 == 0 => "cannot be checked",
                    _ => "is damaged",
                };
                Err(format!("{what} {how} (e2fsck {ended}{last})"))
            }
        }
    }

    fn e2fsck(&mut self, partition: &str) -> io::Result<(Ended, Vec<String>)> {
        let program = Program::Check(partition.to_string());
        self.system.start(&program)?;
        Ok(self.until_ended(&program))
    }

    /// Whether a superblock that e2fsck does not take was torn, and is whole now.
    fn untorn(&mut self, partition: &str, what: &str) -> bool {
        superblock::mend(self.system, partition).unwrap_or_else(|error| {
            self.fault(format!("the superblock of {what} cannot be mended: {error}"));
            false
        })
    }

    /// A check may take minutes on a large disk.
    fn until_ended(&mut self, program: &Program) -> (Ended, Vec<String>) {
        let mut said = Vec::new();
        loop {
            for happening in self.wait(limits::WATCHDOG_FEED) {
                match happening {
                    Happening::Said(of, line) if of == *program => said.push(line),
                    Happening::Ended(of, ended) if of == *program => return (ended, said),
                    _ => (),
                }
            }
            let most = limits::CHECK_LINES;
            said.drain(..said.len().saturating_sub(most));
        }
    }

    /// e2fsck asks for a restart. The note keeps a second one from following.
    fn restart_once(&mut self, what: &str) -> Result<Next, String> {
        let again = self.booted.restarts > 0;
        let restarts = self.booted.restarts + 1;
        let noted = match self.booted.disk.clone() {
            Some(own) if !again => note::write(self.system, &own, restarts).is_ok(),
            _ => false,
        };
        if noted {
            return Ok(Next::Restart);
        }
        let why = if again { "a restart did not help" } else { "the restart cannot be noted" };
        Err(format!("{what} was damaged, and {why}"))
    }
}
