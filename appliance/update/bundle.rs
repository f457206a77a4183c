//! A bundle: one signed file that holds a whole slot.
//!
//! ```text
//! mailroom-<version>-<board>.mru
//!   octets  0..8    "MROOMUP1"
//!           8..12   octets of the manifest, u32 LE: 1 to MANIFEST_BYTES
//!          12..16   octets of the signature, u32 LE: 1 to SIGNATURE_BYTES
//!          16..     the manifest, TOML: `Manifest`
//!                   the signature of these octets: minisign's text, prehashed (ED)
//!                   the blocks of the slot, in order, each a zstd frame of its own; nothing after
//!
//!   file -> open: lengths, signature, only then the manifest is read
//!        -> judge: is it for this box, and may it follow what runs
//!        -> Blocks::next: length, SHA-256 of what was read, only then it is decompressed
//! ```
//!
//! Nothing in it is believed before the signature fits, and no clock is asked: the check works on a
//! box that does not know the time. Later versions may add names to the manifest; what an older
//! program could misread has a new `format`.
//!
//! The host tool `image` shares this file: it makes bundles and shows what is in one.

use minisign_verify::{PublicKey, Signature};
use ring::digest::{Context, SHA256};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::Read;

pub(crate) const MAGIC: [u8; 8] = *b"MROOMUP1";
pub(crate) const FORMAT: u32 = 1;
pub(crate) const PRODUCT: &str = "mailroom";
/// Octets of a block of the slot; the last one may be shorter.
pub(crate) const BLOCK_BYTES: usize = 1 << 20;
/// What does not compress grows by a few octets: zstd's own bound for a block is below this.
pub(crate) const PACKED_BYTES: u64 = (1 << 20) + (1 << 14);
/// Octets of the largest slot: that of the disk layout.
pub(crate) const SLOT_BYTES: u64 = 128 << 20;
/// A slot is so many of these: a device without caches takes no less.
pub(crate) const PAGE_BYTES: u64 = 4096;
/// A manifest of the largest slot has about 14 KiB.
pub(crate) const MANIFEST_BYTES: u32 = 64 << 10;
/// Two comments and two lines of base64.
pub(crate) const SIGNATURE_BYTES: u32 = 4 << 10;
/// Octets of the largest file.
pub(crate) const BUNDLE_BYTES: u64 = 16
    + MANIFEST_BYTES as u64
    + SIGNATURE_BYTES as u64
    + SLOT_BYTES / BLOCK_BYTES as u64 * PACKED_BYTES;

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub format: u32,
    pub product: String,
    /// The name of the board's file in `board/`.
    pub board: String,
    pub version: Version,
    /// Raised when going back would open a hole again: never lowered on a box.
    pub epoch: u32,
    /// The oldest version that can be updated by this one.
    pub from: Version,
    /// Octets of the slot.
    pub size: u64,
    /// Of the whole slot, for reading back what was written.
    pub sha256: Hash,
    #[serde(rename = "block")]
    pub blocks: Vec<Block>,
}

/// One block as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Block {
    pub octets: u64,
    pub sha256: Hash,
}

/// SHA-256; hexadecimal in the manifest.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Hash([u8; 32]);

/// The keys that a bundle may be signed with.
pub(crate) struct Keys(Vec<PublicKey>);

/// What the box runs, for [`judge`].
#[derive(Debug, Clone)]
pub(crate) struct Running<'a> {
    pub board: &'a str,
    pub version: Version,
    pub epoch: u32,
}

/// Why a bundle is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotABundle,
    /// The file is of a later kind than this version reads.
    LaterFormat(u32),
    /// A length in the head that no bundle has.
    Length {
        what: &'static str,
        octets: u32,
    },
    /// The file ends in the middle of this.
    Truncated(String),
    /// The card or stick could not be read.
    Unreadable(String),
    NoKeys,
    Signature(&'static str),
    Manifest(String),
    Product(String),
    Board {
        bundle: String,
        here: String,
    },
    Same(Version),
    Older {
        bundle: Version,
        here: Version,
    },
    Epoch {
        bundle: u32,
        here: u32,
    },
    From {
        from: Version,
        here: Version,
    },
    /// A block is not the one that was signed.
    Block {
        number: usize,
        of: usize,
    },
    /// A block is not what the manifest makes of it.
    Content {
        number: usize,
        of: usize,
        why: &'static str,
    },
    /// All blocks are right, and the slot they make is not the one that was signed.
    Slot,
    /// There is something after the last block.
    Longer,
}

/// Reads the head: the manifest, if one of the keys signed it.
pub(crate) fn open(from: &mut impl Read, keys: &Keys) -> Result<Manifest, Refusal> {
    let (manifest, signature) = parts(from)?;
    keys.check(&manifest, &signature)?;
    read(&manifest)
}

/// A manifest, whoever signed it.
pub(crate) fn read(manifest: &[u8]) -> Result<Manifest, Refusal> {
    let manifest = Manifest::parse(manifest)?;
    manifest.check()?;
    Ok(manifest)
}

/// The manifest and its signature, not yet believed.
pub(crate) fn parts(from: &mut impl Read) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
    let mut head = [0; 16];
    exactly(from, &mut head, || "its head".to_string())?;
    if head[..8] != MAGIC {
        return Err(Refusal::NotABundle);
    }
    let length =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let mut part = |what, octets: u32, most| {
        if octets == 0 || octets > most {
            return Err(Refusal::Length { what, octets });
        }
        let mut part = vec![0; octets as usize];
        exactly(from, &mut part, || format!("its {what}"))?;
        Ok(part)
    };
    let manifest = part("manifest", length(8), MANIFEST_BYTES)?;
    let signature = part("signature", length(12), SIGNATURE_BYTES)?;
    Ok((manifest, signature))
}

/// The head of a bundle.
pub(crate) fn print_head(manifest: &[u8], signature: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut head = MAGIC.to_vec();
    let parts = [("manifest", manifest, MANIFEST_BYTES), ("signature", signature, SIGNATURE_BYTES)];
    for (what, part, most) in parts {
        let octets = u32::try_from(part.len()).unwrap_or(u32::MAX);
        if octets == 0 || octets > most {
            return Err(Refusal::Length { what, octets });
        }
        head.extend(octets.to_le_bytes());
    }
    head.extend(manifest);
    head.extend(signature);
    Ok(head)
}

/// May this bundle follow what runs? With `consent` the owner wants to go back, or the same again.
pub(crate) fn judge(
    manifest: &Manifest,
    running: &Running<'_>,
    consent: bool,
) -> Result<(), Refusal> {
    let Manifest { board, version, epoch, from, .. } = manifest;
    if *board != running.board {
        return Err(Refusal::Board { bundle: board.clone(), here: running.board.to_string() });
    }
    // The owner cannot consent to a hole that was closed.
    if *epoch < running.epoch {
        return Err(Refusal::Epoch { bundle: *epoch, here: running.epoch });
    }
    if *from > running.version {
        return Err(Refusal::From { from: from.clone(), here: running.version.clone() });
    }
    if !consent && *version == running.version {
        return Err(Refusal::Same(version.clone()));
    }
    if !consent && *version < running.version {
        let here = running.version.clone();
        return Err(Refusal::Older { bundle: version.clone(), here });
    }
    Ok(())
}

/// The blocks of a bundle whose manifest was read: `from` stands after the head.
pub(crate) struct Blocks<'a, R> {
    manifest: &'a Manifest,
    from: R,
    next: usize,
    packed: Vec<u8>,
    slot: Context,
}

impl<'a, R: Read> Blocks<'a, R> {
    pub(crate) fn new(manifest: &'a Manifest, from: R) -> Self {
        let (packed, slot) = (Vec::new(), Context::new(&SHA256));
        Self { manifest, from, next: 0, packed, slot }
    }

    /// The next block of the slot into `into`; false: that was all, and all was right.
    pub(crate) fn next(&mut self, into: &mut Vec<u8>) -> Result<bool, Refusal> {
        into.clear();
        let of = self.manifest.blocks.len();
        let Some(block) = self.manifest.blocks.get(self.next) else {
            return self.end().map(|()| false);
        };
        self.next += 1;
        let number = self.next;
        // `Manifest::check` has bounded it.
        self.packed.resize(usize::try_from(block.octets).unwrap_or_default(), 0);
        exactly(&mut self.from, &mut self.packed, || format!("block {number} of {of}"))?;
        if Hash::of(&self.packed) != block.sha256 {
            return Err(Refusal::Block { number, of });
        }
        let wanted = self.manifest.block_bytes(number - 1);
        into.reserve_exact(wanted);
        let content = |why| Refusal::Content { number, of, why };
        let mut decompressor = zstd::bulk::Decompressor::new()
            .map_err(|_| content("there is no memory to decompress it"))?;
        decompressor
            .decompress_to_buffer(&self.packed[..], into)
            .map_err(|_| content("it does not decompress to one block"))?;
        if into.len() != wanted {
            return Err(content("it is shorter than its block"));
        }
        self.slot.update(into);
        Ok(true)
    }

    fn end(&mut self) -> Result<(), Refusal> {
        let mut more = [0];
        match self.from.read(&mut more) {
            Ok(0) => (),
            Ok(_) => return Err(Refusal::Longer),
            Err(error) => return Err(Refusal::Unreadable(error.to_string())),
        }
        if Hash::finish(self.slot.clone()) != self.manifest.sha256 {
            return Err(Refusal::Slot);
        }
        Ok(())
    }
}

impl Manifest {
    pub(crate) fn print(&self) -> Result<Vec<u8>, Refusal> {
        let text = toml::to_string(self).map_err(|error| Refusal::Manifest(error.to_string()))?;
        Ok(text.into_bytes())
    }

    fn parse(octets: &[u8]) -> Result<Manifest, Refusal> {
        /// What every later format keeps.
        #[derive(Deserialize)]
        struct Kept {
            format: u32,
        }
        let fault = |why: String| Refusal::Manifest(why.lines().last().unwrap_or("").to_string());
        let text = std::str::from_utf8(octets).map_err(|error| fault(error.to_string()))?;
        let kept: Kept = toml::from_str(text).map_err(|error| fault(error.to_string()))?;
        if kept.format != FORMAT {
            return Err(Refusal::LaterFormat(kept.format));
        }
        toml::from_str(text).map_err(|error| fault(error.to_string()))
    }

    /// What a signed manifest must still hold to be of use.
    fn check(&self) -> Result<(), Refusal> {
        if self.product != PRODUCT {
            return Err(Refusal::Product(self.product.clone()));
        }
        let fault = |why: &str| Err(Refusal::Manifest(why.to_string()));
        let whole = self.size.is_multiple_of(PAGE_BYTES);
        if self.size == 0 || self.size > SLOT_BYTES || !whole {
            return fault("the size is not that of a slot");
        }
        if self.blocks.len() as u64 != self.size.div_ceil(BLOCK_BYTES as u64) {
            return fault("the number of blocks does not fit the size");
        }
        if self.blocks.iter().any(|block| block.octets == 0 || block.octets > PACKED_BYTES) {
            return fault("a block has a length that none has");
        }
        Ok(())
    }

    /// Octets of a block of the slot, counted from 0.
    pub(crate) fn block_bytes(&self, number: usize) -> usize {
        let before = (number * BLOCK_BYTES) as u64;
        let left = self.size.saturating_sub(before).min(BLOCK_BYTES as u64);
        usize::try_from(left).unwrap_or(BLOCK_BYTES)
    }

    /// Octets of all blocks in the file.
    pub(crate) fn packed_bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.octets).sum()
    }
}

impl Keys {
    /// A key a line in minisign's base64; what begins with # is a comment.
    pub(crate) fn parse(text: &str) -> Result<Keys, String> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let key = |line: &str| {
            PublicKey::from_base64(line).map_err(|error| format!("{line:?} is no key: {error}"))
        };
        lines.map(key).collect::<Result<_, _>>().map(Keys)
    }

    fn check(&self, manifest: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        if self.0.is_empty() {
            return Err(Refusal::NoKeys);
        }
        let text = std::str::from_utf8(signature).ok();
        let signature = text.and_then(|text| Signature::decode(text).ok());
        let signature = signature.ok_or(Refusal::Signature("it is not one of minisign"))?;
        // A signature that is not prehashed is of a kind that minisign itself gave up.
        let fits = |key: &PublicKey| key.verify(manifest, &signature, false).is_ok();
        if self.0.iter().any(fits) {
            Ok(())
        } else {
            Err(Refusal::Signature("it was made with another key, or for other content"))
        }
    }
}

impl Hash {
    pub(crate) fn of(octets: &[u8]) -> Hash {
        let mut context = Context::new(&SHA256);
        context.update(octets);
        Hash::finish(context)
    }

    pub(crate) fn finish(context: Context) -> Hash {
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Hash(hash)
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Hash, &'static str> {
        const WRONG: &str = "a SHA-256 has 64 hexadecimal digits";
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if !rest.is_empty() || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(WRONG);
        }
        let octet = |pair: &[u8; 2]| {
            let text = std::str::from_utf8(pair).map_err(|_| WRONG)?;
            u8::from_str_radix(text, 16).map_err(|_| WRONG)
        };
        let octets = pairs.iter().map(octet).collect::<Result<Vec<u8>, _>>()?;
        octets.try_into().map(Hash).map_err(|_| WRONG)
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> String {
        hash.0.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from(*self))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `what` is where the file ended.
fn exactly(
    from: &mut impl Read,
    into: &mut [u8],
    what: impl Fn() -> String,
) -> Result<(), Refusal> {
    from.read_exact(into).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Refusal::Truncated(what()),
        _ => Refusal::Unreadable(error.to_string()),
    })
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotABundle => f.write_str("this is not an update file of Mailroom"),
            Self::LaterFormat(format) => write!(
                f,
                "the update file is of a later kind ({format}, this version reads {FORMAT}): \
                 update to a version in between first"
            ),
            Self::Length { what, octets } => {
                write!(f, "the update file is damaged: its {what} cannot have {octets} octets")
            }
            Self::Truncated(at) => {
                write!(f, "the update file is not whole: it ends in {at}; copy it again")
            }
            Self::Unreadable(why) => write!(f, "the update file cannot be read: {why}"),
            Self::NoKeys => f.write_str("this system trusts no key, so it takes no update"),
            Self::Signature(why) => write!(f, "the signature of the update file is wrong: {why}"),
            Self::Manifest(why) => write!(f, "the manifest of the update file is wrong: {why}"),
            Self::Product(product) => {
                write!(f, "the update file is for {:?}, not for {PRODUCT}", product)
            }
            Self::Board { bundle, here } => {
                write!(f, "the update file is for the board {bundle:?}; this box is {here:?}")
            }
            Self::Same(version) => write!(f, "version {version} is already running"),
            Self::Older { bundle, here } => write!(
                f,
                "the update file has version {bundle}, older than {here}, which is running"
            ),
            Self::Epoch { bundle, here } => write!(
                f,
                "the update file is older than a security fix of this system (epoch {bundle}, \
                 {here} is running) and cannot be installed"
            ),
            Self::From { from, here } => write!(
                f,
                "the update file needs version {from} or later to be running, and {here} is: \
                 update to {from} first"
            ),
            Self::Block { number, of } => {
                write!(f, "the update file is damaged in block {number} of {of}; copy it again")
            }
            Self::Content { number, of, why } => {
                write!(f, "the update file is wrong in block {number} of {of}: {why}")
            }
            Self::Slot => f.write_str("the update file is wrong: its blocks make another system"),
            Self::Longer => f.write_str("the update file is damaged: it goes on after its end"),
        }
    }
}
