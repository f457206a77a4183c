//! A backup as it lies somewhere, sealed or not.

use super::super::error::{Result, StoreError};
use super::super::kv::io_error;
use super::super::salvage::Source;
use super::sealed::{self, BadSeal, Passphrase, Reader};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Its octets, as if it never had been sealed.
pub(crate) enum Kept {
    Bare(File, u64),
    Sealed(Box<Reader>),
}

impl Kept {
    /// Opens the backup in this file, and with it all its parts.
    pub(crate) fn open(path: &Path, passphrase: Option<&Passphrase>) -> Result<Kept> {
        let what = format!("{} cannot be read", path.display());
        let trouble = |error: io::Error| io_error(&what, &error);
        let mut file = File::open(path).map_err(trouble)?;
        let mut begin = Vec::new();
        let mark = sealed::MARK.len() as u64;
        (&mut file).take(mark).read_to_end(&mut begin).map_err(trouble)?;
        if begin.starts_with(sealed::MARK) {
            let closed = StoreError::Sealed(BadSeal::Closed);
            let passphrase = passphrase.ok_or(closed)?;
            return Ok(Kept::Sealed(Box::new(Reader::open(path, passphrase)?)));
        }
        // Also a whole card has a length so, where its metadata says 0.
        let length = file.seek(SeekFrom::End(0)).map_err(trouble)?;
        Ok(Kept::Bare(file, length))
    }

    /// What is read comes from where it lies, and not from what the kernel still remembers: a stick
    /// that only seems to have room remembers nothing.
    pub(crate) fn forget(&self) {
        let files: Vec<&File> = match self {
            Kept::Bare(file, _) => vec![file],
            Kept::Sealed(reader) => reader.files().collect(),
        };
        for file in files {
            let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        }
    }

    /// Octets in all.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Kept::Bare(_, length) => *length,
            Kept::Sealed(reader) => reader.length(),
        }
    }

    /// As `pread`: 0 only at the end.
    pub(crate) fn at(&self, at: u64, into: &mut [u8]) -> Result<usize> {
        match self {
            Kept::Bare(file, _) => loop {
                match file.read_at(into, at) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                    read => {
                        break read.map_err(|error| io_error("the backup cannot be read", &error));
                    }
                }
            },
            Kept::Sealed(reader) => reader.read_at(at, into),
        }
    }
}

impl Source for Kept {
    fn length(&self) -> u64 {
        Kept::length(self)
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        self.at(at, into).map_err(io::Error::other)
    }
}
