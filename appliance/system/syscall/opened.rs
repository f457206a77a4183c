//! What PID 1 opens for a child that may not open it itself.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Opened {
    /// A file, for reading; what is no file, or a link to one, is not opened.
    File(String),
    /// A partition, for reading and writing past every cache.
    Partition(String),
}

impl Opened {
    pub(super) fn open(&self) -> io::Result<OwnedFd> {
        let mut options = OpenOptions::new();
        let file = match self {
            // One that waits for a writer (a pipe) must not keep PID 1.
            Self::File(path) => options
                .read(true)
                .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
                .open(path)?,
            Self::Partition(path) => {
                options.read(true).write(true).custom_flags(nix::libc::O_DIRECT).open(path)?
            }
        };
        if matches!(self, Self::File(_)) && !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
        }
        Ok(file.into())
    }
}
