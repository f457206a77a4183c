//! Sealed parts read back: by place, with some chunks kept open.

use super::{
    BadSeal, END, ENDS, GOES_ON, HEAD, Head, Passphrase, Result, StoreError, TAG, bad, derive,
    nonce, part,
};
use crate::limits;
use crate::store::kv::io_error;
use ring::aead::{Aad, LessSafeKey};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A sealed backup that is open: all its parts are there, and the passphrase is right.
pub(crate) struct Reader {
    key: LessSafeKey,
    head: Head,
    parts: Vec<Part>,
    /// Chunks in all, and octets of the last.
    chunks: u64,
    last: u64,
    /// The chunks looked at last, the newest first.
    kept: RefCell<VecDeque<(u64, Vec<u8>)>>,
}

struct Part {
    file: File,
    /// Its head, to which its chunks are bound.
    bound: [u8; HEAD],
}

/// Chunks of a part, and octets of its last when it is opened; and whether another part follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub chunks: u64,
    pub last: u64,
    pub goes_on: bool,
}

impl Layout {
    /// Of a part of so many octets with this end; `None`: it is cut off.
    pub(crate) fn of(head: &Head, length: u64, end: &[u8]) -> Option<Layout> {
        let goes_on = end == GOES_ON;
        let body = length.checked_sub((HEAD + END) as u64)?;
        let full = head.form.sealed();
        let (whole, rest) = (body / full, body % full);
        let (chunks, last) = match rest {
            0 => (whole, full),
            rest => (whole + 1, rest),
        };
        let last = last.checked_sub(TAG as u64)?;
        let most = u64::from(head.form.chunks);
        let is_right = match goes_on {
            true => chunks == most && rest == 0,
            false => end == ENDS && (1..=most).contains(&chunks),
        };
        is_right.then_some(Layout { chunks, last, goes_on })
    }
}

impl Reader {
    /// Opens all parts of the backup whose first is `path`.
    pub(crate) fn open(path: &Path, passphrase: &Passphrase) -> Result<Reader> {
        let (first, mut layout, one) = look(path, 1)?;
        let mut chunks = layout.chunks;
        let mut parts = vec![one];
        let mut number = 1;
        while layout.goes_on {
            number += 1;
            let (head, next, one) = look(&part(path, number), number)?;
            let wanted = Head { part: number, ..first.clone() };
            if head.salt != wanted.salt {
                return bad(BadSeal::Foreign(number));
            }
            if head.part != number {
                return bad(BadSeal::Swapped { place: number, found: head.part });
            }
            if head != wanted {
                return bad(BadSeal::Head(number));
            }
            chunks += next.chunks;
            layout = next;
            parts.push(one);
        }
        if first.part != 1 {
            return bad(BadSeal::Swapped { place: 1, found: first.part });
        }
        let (key, check) = derive(passphrase, first.form, &first.salt)?;
        if check != first.check {
            return bad(BadSeal::WrongPassphrase);
        }
        let kept = RefCell::default();
        Ok(Reader { key, head: first, parts, chunks, last: layout.last, kept })
    }

    /// How many parts it has, and octets on the disk.
    #[cfg(test)]
    pub(crate) fn parts(&self) -> (u32, u64) {
        let ends = self.parts.len() as u64 * (HEAD + END) as u64;
        let tags = self.chunks * TAG as u64;
        (u32::try_from(self.parts.len()).unwrap_or(u32::MAX), ends + tags + self.length())
    }

    pub(in super::super) fn files(&self) -> impl Iterator<Item = &File> {
        self.parts.iter().map(|part| &part.file)
    }

    /// Octets of what is sealed.
    pub(crate) fn length(&self) -> u64 {
        let full = self.chunks.saturating_sub(1) * u64::from(self.head.form.chunk);
        full + self.last
    }

    /// As `pread`.
    pub(crate) fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize> {
        let size = u64::from(self.head.form.chunk);
        if at >= self.length() {
            return Ok(0);
        }
        let (number, begin) = (at / size, usize::try_from(at % size).unwrap_or(usize::MAX));
        let mut kept = self.kept.borrow_mut();
        match kept.iter().position(|(it, _)| *it == number) {
            Some(place) => {
                let found = kept.remove(place);
                found.into_iter().for_each(|it| kept.push_front(it));
            }
            None => {
                let spare =
                    if kept.len() < limits::SEAL_CHUNKS_KEPT { None } else { kept.pop_back() };
                let mut octets = spare.map(|(_, octets)| octets).unwrap_or_default();
                self.chunk(number, &mut octets)?;
                kept.push_front((number, octets));
            }
        }
        let octets = kept.front().and_then(|(_, octets)| octets.get(begin..)).unwrap_or_default();
        let count = octets.len().min(into.len());
        into.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
        Ok(count)
    }

    /// Reads and opens one chunk.
    fn chunk(&self, number: u64, octets: &mut Vec<u8>) -> Result<()> {
        let form = self.head.form;
        let (place, within) = (number / u64::from(form.chunks), number % u64::from(form.chunks));
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let named = u32::try_from(place).unwrap_or(u32::MAX).saturating_add(1);
        let Some(part) = self.parts.get(place) else { return bad(BadSeal::Missing(named)) };
        let is_last = number + 1 == self.chunks;
        let length = if is_last { self.last + TAG as u64 } else { form.sealed() };
        octets.clear();
        octets.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
        let at = HEAD as u64 + within * form.sealed();
        part.file.read_exact_at(octets, at).map_err(|error| unreadable(named, &error))?;
        let nonce = nonce(number, is_last);
        let opened = self.key.open_in_place(nonce, Aad::from(&part.bound), octets);
        let length = opened.map_err(|_| StoreError::Sealed(BadSeal::Altered(named)))?.len();
        octets.truncate(length);
        Ok(())
    }
}

/// The head and the layout of a part.
fn look(path: &Path, number: u32) -> Result<(Head, Layout, Part)> {
    let trouble = |error: &io::Error| unreadable(number, error);
    let file = match File::open(path) {
        Err(error) if number > 1 && error.kind() == ErrorKind::NotFound => {
            return bad(BadSeal::Missing(number));
        }
        opened => opened.map_err(|error| trouble(&error))?,
    };
    let length = file.metadata().map_err(|error| trouble(&error))?.len();
    let mut bound = [0; HEAD];
    let mut end = [0; END];
    if length < (HEAD + END) as u64 {
        return bad(BadSeal::Cut(number));
    }
    file.read_exact_at(&mut bound, 0).map_err(|error| trouble(&error))?;
    let head = Head::read(&bound, number)?;
    let at = length - END as u64;
    file.read_exact_at(&mut end, at).map_err(|error| trouble(&error))?;
    match Layout::of(&head, length, &end) {
        Some(layout) => Ok((head, layout, Part { file, bound })),
        None => bad(BadSeal::Cut(number)),
    }
}

fn unreadable(part: u32, error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::UnexpectedEof => StoreError::Sealed(BadSeal::Cut(part)),
        _ => io_error(&format!("part {part} of the backup cannot be read"), error),
    }
}
