//! The head of a backup: what belongs to the office beside its store.
//!
//! ```text
//! octet 0   16  "mailroom backup\n"
//!       16  4   version: 1                     all numbers little-endian
//!       20  4   CRC-32 of the parts
//!       24  8   octets of the parts
//!       32  8   octets of the store's file; 0: it was never written to its end; all ones: as many
//!               as there are, which what it is sealed in knows
//!       40      the parts: 2 octets length, a name; 4 octets length, its octets
//!               zeros up to a multiple of 4096, then the store's file
//! ```
//!
//! Backups of before this head are the store's file alone, and are read as such.

use super::super::error::{Result, StoreError};
use super::super::kv::io_error;
use super::{CUT_OFF, NO_BACKUP};
use crate::limits::{BACKUP_PARTS, BACKUP_PARTS_BYTES};
use crate::store::salvage::Source;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Files by their names, as `dkim/office.test/active`.
pub(crate) type Parts = BTreeMap<String, Vec<u8>>;

pub(super) const MARK: &[u8; 16] = b"mailroom backup\n";
const VERSION: u32 = 1;
const FIXED: usize = 40;
const PAGE: u64 = 4096;
/// Where the length of the store stands.
const AT_STORE: u64 = 32;
/// The length of a store that was written without looking back.
const STREAMED: u64 = u64::MAX;

/// What the first octets of a backup say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    crc: u32,
    parts: u64,
    /// Octets of the store's file.
    store: u64,
}

impl Head {
    /// `None`: a backup of before, or no backup at all. Wants [`FIXED`] octets, or the whole file.
    fn read(octets: &[u8]) -> Result<Option<Head>> {
        match Head::parse(octets)? {
            Some(head) if head.store == 0 => Err(StoreError::Invalid(CUT_OFF)),
            head => Ok(head),
        }
    }

    /// The same of one that was never written to its end.
    fn parse(octets: &[u8]) -> Result<Option<Head>> {
        if octets.get(..MARK.len()) != Some(MARK) {
            return Ok(None);
        }
        let cut = || StoreError::Invalid(CUT_OFF);
        let version = u32::from_le_bytes(at(octets, 16).ok_or_else(cut)?);
        if version > VERSION {
            return Err(StoreError::Newer { found: version, known: VERSION });
        }
        let head = Head {
            crc: u32::from_le_bytes(at(octets, 20).ok_or_else(cut)?),
            parts: u64::from_le_bytes(at(octets, 24).ok_or_else(cut)?),
            store: u64::from_le_bytes(at(octets, 32).ok_or_else(cut)?),
        };
        if version == 0 || head.parts > BACKUP_PARTS_BYTES {
            return Err(StoreError::Invalid(NO_BACKUP));
        }
        Ok(Some(head))
    }

    /// The head of what is there, also of a file that was never written to its end.
    pub(crate) fn of(source: &dyn Source) -> std::io::Result<Option<Head>> {
        let (mut octets, mut read) = ([0; FIXED], 0);
        while let Some(rest) = octets.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match source.read_at(read as u64, rest) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
        Ok(Head::parse(octets.get(..read).unwrap_or_default()).unwrap_or(None))
    }

    /// Where the store's file begins.
    pub(crate) fn begins(&self) -> u64 {
        (FIXED as u64 + self.parts).next_multiple_of(PAGE)
    }

    /// The parts, out of all the octets before the store.
    fn parts(&self, octets: &[u8]) -> Result<Parts> {
        let damaged = || StoreError::Corrupt("the settings and keys in the backup".to_string());
        let length = usize::try_from(self.parts).map_err(|_| damaged())?;
        let mut rest = octets.get(FIXED..FIXED + length).ok_or_else(damaged)?;
        if crc32fast::hash(rest) != self.crc {
            return Err(damaged());
        }
        let mut parts = Parts::new();
        while !rest.is_empty() {
            let name = piece::<2>(&mut rest).ok_or_else(damaged)?;
            let octets = piece::<4>(&mut rest).ok_or_else(damaged)?;
            let name = String::from_utf8(name).map_err(|_| damaged())?;
            if parts.len() == BACKUP_PARTS || parts.insert(name, octets).is_some() {
                return Err(damaged());
            }
        }
        Ok(parts)
    }
}

/// The same before a store's file that ends where all ends.
pub(super) fn print_streamed(parts: &Parts) -> Result<Vec<u8>> {
    let mut head = print(parts)?;
    let length = STREAMED.to_le_bytes();
    head.iter_mut().skip(AT_STORE as usize).zip(length).for_each(|(to, from)| *to = from);
    Ok(head)
}

/// The octets before the store's file, whose length is not known yet.
pub(super) fn print(parts: &Parts) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    for (name, octets) in parts {
        let long = |_| StoreError::Limit("octets of settings and keys");
        body.extend(u16::try_from(name.len()).map_err(long)?.to_le_bytes());
        body.extend(name.as_bytes());
        body.extend(u32::try_from(octets.len()).map_err(long)?.to_le_bytes());
        body.extend(octets);
    }
    if body.len() as u64 > BACKUP_PARTS_BYTES || parts.len() > BACKUP_PARTS {
        return Err(StoreError::Limit("octets of settings and keys"));
    }
    let mut head = MARK.to_vec();
    head.extend(VERSION.to_le_bytes());
    head.extend(crc32fast::hash(&body).to_le_bytes());
    head.extend((body.len() as u64).to_le_bytes());
    head.extend(0_u64.to_le_bytes());
    head.extend(body);
    head.resize(head.len().next_multiple_of(PAGE as usize), 0);
    Ok(head)
}

/// The store's file is there to its end: says how long it is.
pub(super) fn seal(file: &File, store: u64) -> Result<()> {
    let sealed = file.write_all_at(&store.to_le_bytes(), AT_STORE).and_then(|()| file.sync_all());
    sealed.map_err(|error| io_error("the backup cannot be written", &error))
}

/// Takes the head off a backup that comes in piece by piece.
#[derive(Default)]
pub(super) struct Opener {
    /// What came before it was known where the store begins.
    begun: Vec<u8>,
    is_in_store: bool,
    /// `None`: a backup of before, which is the store alone.
    pub parts: Option<Parts>,
    /// Octets of the store still to come, where that is known.
    left: Option<u64>,
}

impl Opener {
    /// Which of these octets are of the store?
    pub(super) fn take<'o>(&'o mut self, octets: &'o [u8]) -> Result<&'o [u8]> {
        let of_store = if self.is_in_store {
            octets
        } else {
            self.begun.extend_from_slice(octets);
            let Some(begins) = self.begins()? else { return Ok(&[]) };
            self.begun.get(begins..).unwrap_or_default()
        };
        if let Some(left) = &mut self.left {
            // More than it says: two files in one.
            let rest = left.checked_sub(of_store.len() as u64);
            *left = rest.ok_or(StoreError::Invalid(NO_BACKUP))?;
        }
        Ok(of_store)
    }

    /// Where the store begins in what came; `None`: more must come.
    fn begins(&mut self) -> Result<Option<usize>> {
        let mark = self.begun.len().min(MARK.len());
        let could_be = self.begun.get(..mark) == MARK.get(..mark);
        if could_be && self.begun.len() < FIXED {
            return Ok(None);
        }
        let Some(head) = Head::read(&self.begun)? else {
            self.is_in_store = true;
            return Ok(Some(0));
        };
        let begins = usize::try_from(head.begins()).unwrap_or(usize::MAX);
        if self.begun.len() < begins {
            return Ok(None);
        }
        self.parts = Some(head.parts(&self.begun)?);
        (self.is_in_store, self.left) = (true, Some(head.store).filter(|it| *it != STREAMED));
        Ok(Some(begins))
    }

    /// Nothing more comes.
    pub(super) fn finish(self) -> Result<Option<Parts>> {
        match (self.is_in_store, self.left) {
            (true, None | Some(0)) => Ok(self.parts),
            (false, _) if !self.begun.starts_with(MARK) => Err(StoreError::Invalid(NO_BACKUP)),
            _ => Err(StoreError::Invalid(CUT_OFF)),
        }
    }
}

fn at<const N: usize>(octets: &[u8], begin: usize) -> Option<[u8; N]> {
    octets.get(begin..begin + N)?.try_into().ok()
}

/// A length of `N` octets and what it is the length of, off the front.
fn piece<const N: usize>(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut length = [0; 8];
    length.iter_mut().zip(rest.get(..N)?).for_each(|(to, from)| *to = *from);
    let end = N.checked_add(usize::try_from(u64::from_le_bytes(length)).ok()?)?;
    let octets = rest.get(N..end)?.to_vec();
    *rest = rest.get(end..)?;
    Some(octets)
}
