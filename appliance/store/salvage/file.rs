//! The damaged file: read in windows by place and length, never mapped, so that a block that the
//! disk cannot read is an error here and no signal.

use super::page::{self, Meta, PAGE_SIZES};
use crate::limits::{SALVAGE_SAMPLES, SALVAGE_WINDOW_BYTES};
use crate::store::backup::Head;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where octets come from.
pub(crate) trait Source {
    fn length(&self) -> u64;
    /// As `pread`: may give less than is asked for, and 0 only at the end.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize>;
}

/// A file, or anything else that has a size and can be read by place. Of a backup the store in it.
pub(crate) struct Disk {
    file: File,
    begins: u64,
    length: u64,
}

impl Disk {
    pub(crate) fn open(path: &Path) -> io::Result<Disk> {
        let mut file = File::open(path)?;
        // Also a whole card has a length so, where its metadata says 0.
        let length = file.seek(SeekFrom::End(0))?;
        let whole = Disk { file, begins: 0, length };
        // What cannot be read here is counted by whoever reads it all.
        let begins = Head::of(&whole).ok().flatten().map_or(0, |head| head.begins());
        Ok(Disk { begins, length: length.saturating_sub(begins), ..whole })
    }
}

/// Does a server or a command have the store of this file open? Its lock is looked at, and not
/// made if there is none.
pub(crate) fn is_in_use(file: &Path) -> bool {
    let folder = file.parent().unwrap_or(Path::new(""));
    match File::open(folder.join("lock")) {
        Ok(lock) => {
            let taken = Flock::lock(lock, FlockArg::LockSharedNonblock);
            matches!(taken, Err((_, Errno::EWOULDBLOCK)))
        }
        Err(_) => false,
    }
}

/// Is every page there that the newest meta page counts? The engine does not ask.
pub(crate) fn reaches_its_end(file: &Path) -> io::Result<bool> {
    let disk = Disk::open(file)?;
    let pages = Pages::new(&disk);
    let (meta, _) = pages.meta();
    Ok(meta.is_some_and(|meta| meta.last_page < pages.count))
}

impl Source for Disk {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(into, self.begins.saturating_add(at))
    }
}

impl Source for Vec<u8> {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let at = usize::try_from(at).unwrap_or(usize::MAX).min(self.len());
        let rest = self.get(at..).unwrap_or_default();
        let count = rest.len().min(into.len());
        for (to, from) in into.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(count)
    }
}

/// What sees pages in order: the number, and the octets of one that can be read.
pub(super) type OnPage<'a, E> = dyn FnMut(u64, Option<&[u8]>) -> Result<(), E> + 'a;

/// A source as pages.
pub(super) struct Pages<'s> {
    source: &'s dyn Source,
    pub size: usize,
    /// Whole pages; a piece behind the last is cut off.
    pub count: u64,
}

impl<'s> Pages<'s> {
    pub(super) fn new(source: &'s dyn Source) -> Pages<'s> {
        Self::of(source, page_size(source))
    }

    pub(super) fn of(source: &'s dyn Source, size: usize) -> Pages<'s> {
        Pages { source, size, count: source.length() / size as u64 }
    }

    /// Reads `count` pages from `first` on into `into`. Was all of it there?
    pub(super) fn read(&self, first: u64, count: u64, into: &mut Vec<u8>) -> bool {
        let end = first.checked_add(count).filter(|&end| end <= self.count);
        let octets = usize::try_from(count).ok().and_then(|count| count.checked_mul(self.size));
        let (Some(_), Some(octets)) = (end, octets) else { return false };
        into.clear();
        into.resize(octets, 0);
        read_all(self.source, first * self.size as u64, into)
    }

    /// Shows every page in order, `None` for one that the disk cannot read.
    pub(super) fn each<E>(&self, look: &mut OnPage<'_, E>) -> Result<(), E> {
        let at_once = (SALVAGE_WINDOW_BYTES / self.size).max(1) as u64;
        let (mut window, mut one) = (Vec::new(), Vec::new());
        let mut first = 0;
        while first < self.count {
            let count = at_once.min(self.count - first);
            if self.read(first, count, &mut window) {
                for (number, page) in (first..).zip(window.chunks(self.size)) {
                    look(number, Some(page))?;
                }
            } else {
                for number in first..first + count {
                    let there = self.read(number, 1, &mut one);
                    look(number, there.then_some(one.as_slice()))?;
                }
            }
            first += count;
        }
        Ok(())
    }

    /// The newest meta page of this page size that can be read, and how many can.
    pub(super) fn meta(&self) -> (Option<Meta>, u32) {
        let mut octets = Vec::new();
        let mut metas = Vec::new();
        for number in 0..2 {
            if self.read(number, 1, &mut octets) {
                metas.extend(page::meta(&octets).filter(|meta| meta.page_size == self.size));
            }
        }
        let readable = u32::try_from(metas.len()).unwrap_or(0);
        (metas.into_iter().max_by_key(|meta| meta.transaction), readable)
    }
}

/// Fills `into`; the end of the source and a block that cannot be read are both `false`.
fn read_all(source: &dyn Source, at: u64, into: &mut [u8]) -> bool {
    let mut done = 0;
    while done < into.len() {
        let rest = into.get_mut(done..).unwrap_or_default();
        match source.read_at(at + done as u64, rest) {
            Ok(0) => return false,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    true
}

/// By a meta page, or else the size with which the most heads are right among pages all over the
/// file.
fn page_size(source: &dyn Source) -> usize {
    let mut head = [0; 192];
    let places = PAGE_SIZES.iter().map(|&size| (size as u64, Some(size)));
    for (at, size) in std::iter::once((0, None)).chain(places) {
        if read_all(source, at, &mut head)
            && let Some(meta) = page::meta(&head)
            && size.is_none_or(|size| size == meta.page_size)
        {
            return meta.page_size;
        }
    }
    let right = |size: usize| {
        let count = source.length() / size as u64;
        let step = (count / SALVAGE_SAMPLES).max(1);
        let mut head = [0; page::HEAD];
        let mut numbers = (0..count).step_by(usize::try_from(step).unwrap_or(usize::MAX));
        let mut is_head = |number: u64| {
            read_all(source, number * size as u64, &mut head) && page::kind(&head, number).is_some()
        };
        numbers.by_ref().filter(|&number| is_head(number)).count()
    };
    // Of two that fit alike the smaller: heads of larger pages stand at its places too.
    let best = PAGE_SIZES.iter().rev().max_by_key(|&&size| right(size));
    best.copied().unwrap_or(PAGE_SIZES[0])
}
