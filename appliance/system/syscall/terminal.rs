//! What is typed at the box: at its screen, and over the serial port. The kernel gives whole lines.

use super::{Happening, Source};
use crate::limits;
use nix::sys::termios::{self, InputFlags, SetArg};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub(super) struct Terminal {
    source: Source,
    file: File,
    /// How often it was at its end.
    ends: u32,
}

/// Those that there are. Where the console is the screen itself, the screen reads first.
pub(super) fn all() -> Vec<Terminal> {
    let places = [(Source::Screen, "/dev/tty1"), (Source::Serial, "/dev/console")];
    places.into_iter().filter_map(|(source, path)| open(source, path.as_ref())).collect()
}

fn open(source: Source, path: &Path) -> Option<Terminal> {
    let flags = nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    never_stopped(&file);
    Some(Terminal { source, file, ends: 0 })
}

/// Ctrl-S, or noise on a line, would have PID 1 wait at its next word for a Ctrl-Q.
fn never_stopped(file: &File) {
    // What is no terminal has no such key.
    if let Ok(mut settings) = termios::tcgetattr(file) {
        settings.input_flags.remove(InputFlags::IXON);
        let _ = termios::tcsetattr(file, SetArg::TCSANOW, &settings);
    }
}

impl Terminal {
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// What was typed; false: it is gone.
    pub(super) fn read(&mut self, happened: &mut Vec<Happening>) -> bool {
        let mut octets = [0; 256];
        match self.file.read(&mut octets) {
            // Ctrl-D; a terminal that hung up says so for ever, and PID 1 must not spin.
            Ok(0) => {
                self.ends += 1;
                self.ends < limits::TERMINAL_ENDS
            }
            Ok(length) => {
                let typed = octets.get(..length).unwrap_or_default();
                happened.extend(typed.iter().map(|octet| Happening::Key(self.source, *octet)));
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Happening, Source, open};
    use crate::limits;
    use crate::tests::net::toy::Folder;
    use nix::sys::stat::Mode;
    use std::io::Write;

    #[test]
    fn what_is_typed_is_heard_and_one_that_hung_up_is_let_go() {
        let folder = Folder::new();
        let path = folder.0.join("terminal");
        assert!(open(Source::Screen, &path).is_none(), "a board without a screen");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).expect("made");
        let mut terminal = open(Source::Serial, &path).expect("opened");
        let mut other = std::fs::OpenOptions::new().write(true).open(&path).expect("opened");
        let mut happened = Vec::new();
        assert!(terminal.read(&mut happened) && happened.is_empty(), "nothing is waited for");
        other.write_all(b"4\n").expect("typed");
        assert!(terminal.read(&mut happened));
        let keys = [b'4', b'\n'].map(|octet| Happening::Key(Source::Serial, octet));
        assert_eq!(happened, keys);
        drop(other);
        let ends = (0..99).take_while(|_| terminal.read(&mut happened)).count();
        assert_eq!(ends + 1, limits::TERMINAL_ENDS as usize);
        assert_eq!(happened, keys);
    }
}
