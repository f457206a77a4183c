//! A backup that a passphrase alone opens, in parts that every stick takes.
//!
//! ```text
//! NAME.mrb NAME.mrb.2 NAME.mrb.3 ..   each at most 2 GiB; all numbers little-endian
//! octet 0   16  "mailroom sealed\n"
//!       16  4   version: 1
//!       20  4   CRC-32 of the 80 octets of the head, these four taken as zeros
//!       24  4   the number of this part, from 1
//!       28  4   argon2id: KiB of memory
//!       32  4   argon2id: passes
//!       36  4   octets of a chunk before it is sealed
//!       40  4   chunks of every part but the last, which has no more
//!       44  4   zeros
//!       48  16  salt: random, the same in all parts of one backup and in no other backup
//!       64  16  by which another passphrase is known to be another
//!       80      chunks, each with its tag of 16 octets behind it
//!       end 16  "goes on in next\n", of the last part "end of a backup\n"
//! ```
//!
//! The passphrase (composed, RFC 5198 3) and the salt give 48 octets by argon2id: the key, and by
//! what it is known. A chunk is sealed by ChaCha20-Poly1305 and bound to the head of its part. Its
//! nonce is its number among all chunks, eight octets, three zeros, and 1 for the last of all: a
//! backup that was cut, or put together in another order, does not open. What was cut by accident
//! lacks its end, which is how it can be told.
//!
//! What is sealed is a backup as it always was, but that its head does not say how long its store
//! is.

mod read;

#[cfg(any(test, fuzzing))]
pub(crate) use read::Layout;
pub(crate) use read::Reader;

use super::super::error::{Result, StoreError};
use super::super::kv::{create_private, io_error, sync_folder};
use super::folder_of;
use crate::limits;
use crate::wire::unicode::composed;
use argon2::{Algorithm, Argon2, Params, Version};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

pub(crate) const MARK: &[u8; 16] = b"mailroom sealed\n";
const GOES_ON: &[u8; 16] = b"goes on in next\n";
const ENDS: &[u8; 16] = b"end of a backup\n";
const VERSION: u32 = 1;
pub(crate) const HEAD: usize = 80;
const END: usize = 16;
const TAG: usize = 16;
/// Where the sum of the head stands.
const AT_SUM: usize = 20;

/// What a backup is opened with. It stands in no log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Passphrase(String);

impl Passphrase {
    pub(crate) fn new(text: &str) -> Passphrase {
        Passphrase(text.to_string())
    }

    /// As it was given.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl Drop for Passphrase {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// Why a sealed backup is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadSeal {
    /// It is sealed, and no passphrase was given.
    Closed,
    WrongPassphrase,
    /// The head of this part is not as it was written.
    Head(u32),
    /// The end of this part is missing.
    Cut(u32),
    /// This part is not there.
    Missing(u32),
    /// In the place of this part stands another of the same backup.
    Swapped {
        place: u32,
        found: u32,
    },
    /// In the place of this part stands one of another backup.
    Foreign(u32),
    /// What is sealed in this part is not what was written.
    Altered(u32),
}

impl fmt::Display for BadSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the backup is locked, and no passphrase was given"),
            Self::WrongPassphrase => f.write_str("this is not the passphrase of the backup"),
            Self::Head(part) => write!(f, "the head of part {part} of the backup is damaged"),
            Self::Cut(part) => {
                write!(f, "part {part} of the backup is cut off: its end is missing")
            }
            Self::Missing(part) => write!(f, "part {part} of the backup is not there"),
            Self::Swapped { place, found } => {
                write!(f, "where part {place} of the backup should be stands part {found}")
            }
            Self::Foreign(part) => {
                write!(f, "where part {part} of the backup should be stands one of another backup")
            }
            Self::Altered(part) => {
                write!(f, "what is in part {part} of the backup is not what was written")
            }
        }
    }
}

fn bad<T>(why: BadSeal) -> Result<T> {
    Err(StoreError::Sealed(why))
}

/// How a backup is sealed, and how it is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// What argon2id costs.
    pub memory_kib: u32,
    pub passes: u32,
    /// Octets of a chunk, and chunks of a part.
    pub chunk: u32,
    pub chunks: u32,
}

impl Form {
    pub(crate) fn usual() -> Form {
        let room = limits::BACKUP_PART_BYTES - (HEAD + END) as u64;
        let chunks = room / (limits::SEAL_CHUNK_BYTES + TAG) as u64;
        Form {
            memory_kib: limits::SEAL_MEMORY_KIB,
            passes: limits::SEAL_PASSES,
            chunk: u32::try_from(limits::SEAL_CHUNK_BYTES).unwrap_or(u32::MAX),
            chunks: u32::try_from(chunks).unwrap_or(u32::MAX),
        }
    }

    /// A sealed chunk that is full.
    fn sealed(&self) -> u64 {
        u64::from(self.chunk) + TAG as u64
    }

    /// Of somebody who wrote it: nothing that costs all of our memory or time.
    fn is_sound(&self) -> bool {
        let Form { memory_kib, passes, chunk, chunks } = *self;
        (8..=limits::SEAL_MEMORY_MOST_KIB).contains(&memory_kib)
            && (1..=limits::SEAL_PASSES_MOST).contains(&passes)
            && (1..=limits::SEAL_CHUNK_MOST_BYTES).contains(&chunk)
            && chunks > 0
    }
}

/// The head of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub part: u32,
    pub form: Form,
    pub salt: [u8; 16],
    pub check: [u8; 16],
}

impl Head {
    /// Of the part in this place, from its first [`HEAD`] octets.
    pub(crate) fn read(octets: &[u8], place: u32) -> Result<Head> {
        let damaged = || StoreError::Sealed(BadSeal::Head(place));
        let octets: &[u8; HEAD] = octets.try_into().map_err(|_| damaged())?;
        if !octets.starts_with(MARK) || number(octets, AT_SUM) != sum(octets) {
            return Err(damaged());
        }
        let found = number(octets, 16);
        if found > VERSION {
            return Err(StoreError::Newer { found, known: VERSION });
        }
        let form = Form {
            memory_kib: number(octets, 28),
            passes: number(octets, 32),
            chunk: number(octets, 36),
            chunks: number(octets, 40),
        };
        let head =
            Head { part: number(octets, 24), form, salt: at(octets, 48), check: at(octets, 64) };
        let is_sound = found == VERSION && head.part > 0 && number(octets, 44) == 0;
        if is_sound && form.is_sound() { Ok(head) } else { Err(damaged()) }
    }

    pub(crate) fn print(&self) -> [u8; HEAD] {
        let Form { memory_kib, passes, chunk, chunks } = self.form;
        let mut octets = [0; HEAD];
        let numbers = [VERSION, 0, self.part, memory_kib, passes, chunk, chunks, 0];
        let numbers = numbers.into_iter().flat_map(u32::to_le_bytes);
        let all = MARK.iter().copied().chain(numbers).chain(self.salt).chain(self.check);
        octets.iter_mut().zip(all).for_each(|(to, from)| *to = from);
        let sum = sum(&octets).to_le_bytes();
        octets.iter_mut().skip(AT_SUM).zip(sum).for_each(|(to, from)| *to = from);
        octets
    }
}

fn sum(head: &[u8; HEAD]) -> u32 {
    let (before, rest) = head.split_at(AT_SUM);
    let mut sum = crc32fast::Hasher::new();
    [before, &[0; 4], rest.get(4..).unwrap_or_default()].iter().for_each(|it| sum.update(it));
    sum.finalize()
}

fn number(head: &[u8; HEAD], begin: usize) -> u32 {
    u32::from_le_bytes(at(head, begin))
}

fn at<const N: usize>(head: &[u8; HEAD], begin: usize) -> [u8; N] {
    let mut out = [0; N];
    out.iter_mut().zip(head.iter().skip(begin)).for_each(|(to, from)| *to = *from);
    out
}

/// What the passphrase gives: the key, and what stands in the heads.
fn derive(passphrase: &Passphrase, form: Form, salt: &[u8]) -> Result<(LessSafeKey, [u8; 16])> {
    let trouble = |_| StoreError::Engine("there is no memory for the passphrase".to_string());
    let params = Params::new(form.memory_kib, form.passes, 1, Some(48)).map_err(trouble)?;
    let text = Zeroizing::new(composed(&passphrase.0).into_owned());
    let mut out = Zeroizing::new([0; 48]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(text.as_bytes(), salt, out.as_mut())
        .map_err(trouble)?;
    let (key, known) = out.split_at(32);
    let key = UnboundKey::new(&CHACHA20_POLY1305, key);
    let key = key.map_err(|_| StoreError::Engine("a key of another length".to_string()))?;
    let mut check = [0; 16];
    check.iter_mut().zip(known).for_each(|(to, from)| *to = *from);
    Ok((LessSafeKey::new(key), check))
}

fn nonce(chunk: u64, is_last: bool) -> Nonce {
    let mut octets = [0; NONCE_LEN];
    octets.iter_mut().zip(chunk.to_le_bytes()).for_each(|(to, from)| *to = from);
    if let Some(last) = octets.last_mut() {
        *last = u8::from(is_last);
    }
    Nonce::assume_unique_for_key(octets)
}

/// The file of this part, by that of the first.
pub(crate) fn part(first: &Path, number: u32) -> PathBuf {
    if number < 2 {
        return first.to_path_buf();
    }
    with_ending(first, &format!(".{number}"))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Seals what comes and writes it out. The first part has its name when all is on the disk; what
/// was written is gone if that never comes.
pub(crate) struct Writer {
    to: PathBuf,
    key: LessSafeKey,
    head: Head,
    /// The part that is being written, its head as it is there, and how many chunks it has.
    file: File,
    bound: [u8; HEAD],
    in_part: u32,
    /// Chunks before the next.
    chunks: u64,
    /// What is not sealed yet: the last chunk is known by that nothing follows it.
    open: Vec<u8>,
    octets: u64,
    unsynced: u64,
    is_whole: bool,
}

impl Writer {
    pub(crate) fn create(to: &Path, passphrase: &Passphrase, form: Form) -> Result<Writer> {
        let mut salt = [0; 16];
        let none = |_| StoreError::Engine("no random numbers".to_string());
        SystemRandom::new().fill(&mut salt).map_err(none)?;
        let (key, check) = derive(passphrase, form, &salt)?;
        let head = Head { part: 1, form, salt, check };
        let file = create_private(&unfinished(to))?;
        let mut writer = Writer {
            to: to.to_path_buf(),
            key,
            bound: head.print(),
            head,
            file,
            in_part: 0,
            chunks: 0,
            open: Vec::with_capacity(form.chunk as usize * 2),
            octets: 0,
            unsynced: 0,
            is_whole: false,
        };
        writer.put(&writer.head.print())?;
        Ok(writer)
    }

    /// The next octets.
    pub(crate) fn write(&mut self, mut octets: &[u8]) -> Result<()> {
        let size = self.head.form.chunk as usize;
        while !octets.is_empty() {
            if self.open.len() == size {
                self.seal(false)?;
            }
            let fits = (size - self.open.len()).min(octets.len());
            let (now, rest) = octets.split_at(fits);
            self.open.extend_from_slice(now);
            octets = rest;
        }
        Ok(())
    }

    /// Nothing more comes. Returns how many octets are on the disk, in how many parts.
    pub(crate) fn finish(mut self) -> Result<(u64, u32)> {
        self.seal(true)?;
        self.end_part(ENDS)?;
        let named = fs::rename(unfinished(&self.to), &self.to);
        named.map_err(|error| io_error("the backup cannot be named", &error))?;
        self.is_whole = true;
        sync_folder(folder_of(&self.to))?;
        Ok((self.octets, self.head.part))
    }

    /// Seals what is open as the next chunk.
    fn seal(&mut self, is_last: bool) -> Result<()> {
        if self.in_part == self.head.form.chunks {
            self.end_part(GOES_ON)?;
            self.head.part = self.head.part.saturating_add(1);
            self.file = create_private(&part(&self.to, self.head.part))?;
            (self.bound, self.in_part) = (self.head.print(), 0);
            self.put(&self.head.print())?;
        }
        let nonce = nonce(self.chunks, is_last);
        let sealed =
            self.key.seal_in_place_append_tag(nonce, Aad::from(&self.bound), &mut self.open);
        sealed.map_err(|_| StoreError::Engine("the backup cannot be sealed".to_string()))?;
        let sealed = std::mem::take(&mut self.open);
        self.put(&sealed)?;
        self.open = sealed;
        self.open.clear();
        self.chunks += 1;
        self.in_part += 1;
        Ok(())
    }

    fn end_part(&mut self, end: &[u8; END]) -> Result<()> {
        self.put(end)?;
        self.file.sync_all().map_err(|error| trouble(&error))
    }

    fn put(&mut self, octets: &[u8]) -> Result<()> {
        self.file.write_all(octets).map_err(|error| trouble(&error))?;
        self.octets += octets.len() as u64;
        self.unsynced += octets.len() as u64;
        // What waits in memory for a slow stick holds up others, and is lost with the stick.
        if self.unsynced >= limits::BACKUP_UNSYNCED_BYTES {
            self.unsynced = 0;
            self.file.sync_data().map_err(|error| trouble(&error))?;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.is_whole {
            return;
        }
        // Half a backup helps nobody.
        let _ = fs::remove_file(unfinished(&self.to));
        for number in 2..=self.head.part {
            let _ = fs::remove_file(part(&self.to, number));
        }
    }
}

fn unfinished(to: &Path) -> PathBuf {
    with_ending(to, ".part")
}

fn trouble(error: &std::io::Error) -> StoreError {
    io_error("the backup cannot be written", error)
}
