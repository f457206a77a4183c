//! A part of a file that looks like a file of its own: a partition of a disk image.

use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};

pub(crate) struct Window<T> {
    inner: T,
    start: u64,
    size: u64,
    at: u64,
}

impl<T> Window<T> {
    pub(crate) fn new(inner: T, start: u64, size: u64) -> Window<T> {
        Window { inner, start, size, at: 0 }
    }

    /// How many of so many octets lie before the end.
    fn room(&self, wanted: usize) -> usize {
        let left = self.size.saturating_sub(self.at);
        usize::try_from(left).map_or(wanted, |left| left.min(wanted))
    }
}

impl<T: Read + Seek> Read for Window<T> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let room = self.room(into.len());
        self.inner.seek(SeekFrom::Start(self.start + self.at))?;
        let read = self.inner.read(&mut into[..room])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl<T: Write + Seek> Write for Window<T> {
    fn write(&mut self, from: &[u8]) -> Result<usize> {
        let room = self.room(from.len());
        self.inner.seek(SeekFrom::Start(self.start + self.at))?;
        let written = self.inner.write(&from[..room])?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> Result<()> {
        self.inner.flush()
    }
}

impl<T> Seek for Window<T> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn a_window_ends_where_it_ends() {
        let mut disk = Cursor::new((0..16).collect::<Vec<u8>>());
        let mut window = Window::new(&mut disk, 4, 8);
        let mut all = Vec::new();
        window.read_to_end(&mut all).expect("readable");
        assert_eq!(all, [4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(window.seek(SeekFrom::End(-2)).expect("inside"), 6);
        assert_eq!(window.write(&[1, 2, 3]).expect("room for two"), 2);
        assert_eq!(window.write(&[9]).expect("no room"), 0);
        assert!(window.seek(SeekFrom::Current(-9)).is_err());
        assert_eq!(disk.into_inner()[8..], [8, 9, 1, 2, 12, 13, 14, 15]);
    }
}
