//! Writes the slot of a bundle into a partition that is not running.
//!
//! ```text
//! file checked       every block as it was signed; the slot still holds what it held
//!  -> head wiped      the first HEAD_BYTES are zeros: no loader takes this for a system
//!  -> blocks written  each checked again before it is: a stick may lie the second time
//!  -> read back       from the device, past every cache: the sum of the whole is as signed
//!  -> head written    and read back: only now the slot can be booted
//! ```
//!
//! Each arrow is a flush. A power cut before the first leaves the old content, one before the last
//! a slot that no loader takes, one after it the whole new system. Which slot boots is decided
//! elsewhere, later (`slot`).

use super::bundle::{self, BLOCK_BYTES, Blocks, Hash, Keys, Manifest, Refusal};
use ring::digest::{Context, SHA256};
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

/// The superblock of ext4 begins at octet 1,024 and ends before this.
pub(crate) const HEAD_BYTES: usize = 4096;

/// What a device without caches wants of addresses in memory.
const ALIGN: usize = 4096;

/// A partition, opened so that no cache stands between (`O_DIRECT`): places, lengths and memory are
/// multiples of [`ALIGN`].
pub(crate) trait Target {
    fn size(&mut self) -> io::Result<u64>;
    fn write(&mut self, at: u64, octets: &[u8]) -> io::Result<()>;
    fn read(&mut self, at: u64, into: &mut [u8]) -> io::Result<()>;
    fn flush(&mut self) -> io::Result<()>;
}

/// How far it is, for the page and the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    pub step: Step,
    /// Blocks of the slot.
    pub done: usize,
    pub of: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Checking,
    Writing,
    ReadingBack,
}

#[derive(Debug)]
pub(crate) enum Failure {
    Refused(Refusal),
    /// The slot has less room than the system needs.
    Room {
        slot: u64,
        needed: u64,
    },
    Write(io::Error),
    ReadBack(io::Error),
    /// What came back is not what was written.
    Differs,
}

/// Installs the bundle at the start of `file`; what it was.
pub(crate) fn install(
    file: &mut (impl Read + Seek),
    target: &mut impl Target,
    keys: &Keys,
    allowed: impl Fn(&Manifest) -> Result<(), Refusal>,
    told: &mut dyn FnMut(Progress),
) -> Result<Manifest, Failure> {
    let manifest = bundle::open(file, keys).map_err(Failure::Refused)?;
    allowed(&manifest).map_err(Failure::Refused)?;
    let size = target.size().map_err(Failure::ReadBack)?;
    if size < manifest.size {
        return Err(Failure::Room { slot: size, needed: manifest.size });
    }
    let unreadable = |error: io::Error| Failure::Refused(Refusal::Unreadable(error.to_string()));
    let content = file.stream_position().map_err(unreadable)?;
    let of = manifest.blocks.len();
    let mut each = |step, done| told(Progress { step, done, of });
    blocks(&manifest, &mut *file, &mut |number, _| {
        each(Step::Checking, number);
        Ok(())
    })?;

    let mut memory = Aligned::new(BLOCK_BYTES);
    let zeros = memory.of(HEAD_BYTES);
    zeros.fill(0);
    target.write(0, zeros).and_then(|()| target.flush()).map_err(Failure::Write)?;
    file.seek(SeekFrom::Start(content)).map_err(unreadable)?;
    let mut head = Aligned::new(HEAD_BYTES);
    blocks(&manifest, file, &mut |number, block| {
        let at = ((number - 1) * BLOCK_BYTES) as u64;
        let piece = memory.of(block.len());
        piece.copy_from_slice(block);
        if number == 1 {
            let (first, _) = piece.split_at_mut(HEAD_BYTES);
            head.of(HEAD_BYTES).copy_from_slice(first);
            first.fill(0);
        }
        target.write(at, piece).map_err(Failure::Write)?;
        each(Step::Writing, number);
        Ok(())
    })?;
    target.flush().map_err(Failure::Write)?;
    let head = head.of(HEAD_BYTES);
    read_back(&manifest, target, &mut memory, head, &mut |number| each(Step::ReadingBack, number))?;
    target.write(0, head).and_then(|()| target.flush()).map_err(Failure::Write)?;
    let again = memory.of(HEAD_BYTES);
    target.read(0, again).map_err(Failure::ReadBack)?;
    if again != head {
        return Err(Failure::Differs);
    }
    Ok(manifest)
}

/// What is done with a block, counted from 1.
type Each<'a> = dyn FnMut(usize, &[u8]) -> Result<(), Failure> + 'a;

fn blocks(manifest: &Manifest, from: impl Read, each: &mut Each<'_>) -> Result<(), Failure> {
    let mut read = Blocks::new(manifest, from);
    let (mut block, mut number) = (Vec::with_capacity(BLOCK_BYTES), 0);
    while read.next(&mut block).map_err(Failure::Refused)? {
        number += 1;
        each(number, &block)?;
    }
    Ok(())
}

/// The sum of what the device gives back, with the head that is still to be written.
fn read_back(
    manifest: &Manifest,
    target: &mut impl Target,
    memory: &mut Aligned,
    head: &[u8],
    each: &mut dyn FnMut(usize),
) -> Result<(), Failure> {
    let mut sum = Context::new(&SHA256);
    for number in 0..manifest.blocks.len() {
        let piece = memory.of(manifest.block_bytes(number));
        target.read((number * BLOCK_BYTES) as u64, piece).map_err(Failure::ReadBack)?;
        if number == 0 {
            if piece[..HEAD_BYTES].iter().any(|octet| *octet != 0) {
                return Err(Failure::Differs);
            }
            piece[..HEAD_BYTES].copy_from_slice(head);
        }
        sum.update(piece);
        each(number + 1);
    }
    if Hash::finish(sum) == manifest.sha256 { Ok(()) } else { Err(Failure::Differs) }
}

/// Memory whose address a device without caches takes.
struct Aligned {
    memory: Vec<u8>,
    from: usize,
}

impl Aligned {
    fn new(most: usize) -> Aligned {
        let memory = vec![0; most + ALIGN];
        let from = memory.as_ptr().align_offset(ALIGN).min(ALIGN);
        Aligned { memory, from }
    }

    fn of(&mut self, length: usize) -> &mut [u8] {
        &mut self.memory[self.from..self.from + length]
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |octets: &u64| octets.div_ceil(1 << 20);
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Room { slot, needed } => write!(
                f,
                "the new system needs {} MiB and its place on the disk has {} MiB",
                mib(needed),
                mib(slot)
            ),
            Self::Write(error) => write!(f, "the disk of the box cannot be written: {error}"),
            Self::ReadBack(error) => {
                write!(f, "what was written to the disk of the box cannot be read back: {error}")
            }
            Self::Differs => f.write_str(
                "the disk of the box does not give back what was written to it: it is worn out or \
                 broken",
            ),
        }
    }
}
