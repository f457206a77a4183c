//! Bundles made here with a key of the test's own, and damaged in every way there is.

use crate::update::bundle::{
    BLOCK_BYTES, Block, Blocks, FORMAT, Hash, Keys, Manifest, PRODUCT, Refusal, Running, judge,
    open, print_head,
};
use minisign::KeyPair;
use proptest::prelude::*;
use semver::Version;
use std::io::{self, Read};
use std::sync::LazyLock;

static OURS: LazyLock<KeyPair> = LazyLock::new(pair);
static NEXT: LazyLock<KeyPair> = LazyLock::new(pair);
static STRANGE: LazyLock<KeyPair> = LazyLock::new(pair);

fn pair() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().expect("a key pair")
}

/// Ours and the next one, as a box knows them.
pub(super) fn keys() -> Keys {
    let lines = [&OURS, &NEXT].map(|pair| pair.pk.to_base64() + "\n");
    Keys::parse(&format!("# release, rotation\n{}", lines.concat())).expect("two keys")
}

/// Two blocks and a bit, which neither compress well nor are alike.
pub(super) fn slot() -> Vec<u8> {
    let mut state = 1_u64;
    let octet = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8 & 0x3f
    };
    (0..2 * BLOCK_BYTES + 4096).map(octet).collect()
}

pub(super) struct Made {
    pub manifest: Manifest,
    blocks: Vec<Vec<u8>>,
}

pub(super) fn made() -> Made {
    let slot = slot();
    let blocks: Vec<Vec<u8>> = slot
        .chunks(BLOCK_BYTES)
        .map(|block| zstd::bulk::compress(block, 3).expect("compressed"))
        .collect();
    let rows = blocks.iter().map(|packed| row(packed)).collect();
    let manifest = Manifest {
        format: FORMAT,
        product: PRODUCT.to_string(),
        board: "qemu-virt".to_string(),
        version: Version::new(1, 2, 0),
        epoch: 3,
        from: Version::new(1, 0, 0),
        size: slot.len() as u64,
        sha256: Hash::of(&slot),
        blocks: rows,
    };
    Made { manifest, blocks }
}

fn row(packed: &[u8]) -> Block {
    Block { octets: packed.len() as u64, sha256: Hash::of(packed) }
}

fn signed(manifest: &[u8], pair: &KeyPair) -> Vec<u8> {
    let made = minisign::sign(Some(&pair.pk), &pair.sk, manifest, Some("a test"), None);
    made.expect("signed").into_string().into_bytes()
}

impl Made {
    pub fn file(&self) -> Vec<u8> {
        self.signed_by(&OURS)
    }

    fn signed_by(&self, pair: &KeyPair) -> Vec<u8> {
        let manifest = self.manifest.print().expect("a manifest");
        let mut file = print_head(&manifest, &signed(&manifest, pair)).expect("a head");
        file.extend(self.blocks.concat());
        file
    }

    pub fn head_bytes(&self) -> usize {
        self.file().len() - self.blocks.concat().len()
    }
}

/// All of a bundle: what the slot would hold.
fn taken(file: &[u8]) -> Result<Vec<u8>, Refusal> {
    taken_from(file)
}

fn taken_from(mut from: impl Read) -> Result<Vec<u8>, Refusal> {
    let manifest = open(&mut from, &keys())?;
    let mut blocks = Blocks::new(&manifest, from);
    let (mut slot, mut block) = (Vec::new(), Vec::new());
    while blocks.next(&mut block)? {
        slot.extend(&block);
    }
    Ok(slot)
}

#[test]
fn a_bundle_gives_back_the_slot_it_was_made_of() {
    let made = made();
    assert_eq!(taken(&made.file()).expect("taken"), slot());
    assert_eq!(taken(&made.signed_by(&NEXT)).expect("the second key counts as well"), slot());
}

#[test]
fn a_bundle_of_another_key_is_refused_before_it_is_read() {
    let wrong = Refusal::Signature("it was made with another key, or for other content");
    assert_eq!(taken(&made().signed_by(&STRANGE)), Err(wrong));
    // Even one that could not be read.
    let manifest = b"not a manifest at all";
    let file = print_head(manifest, &signed(manifest, &STRANGE)).expect("a head");
    let wrong = Refusal::Signature("it was made with another key, or for other content");
    assert_eq!(taken(&file), Err(wrong));
    let none = Keys::parse("# no key yet\n\n").expect("none");
    assert_eq!(open(&mut &made().file()[..], &none), Err(Refusal::NoKeys));
}

#[test]
fn every_octet_of_the_head_counts() {
    let made = made();
    let file = made.file();
    let manifest_ends = 16 + made.manifest.print().expect("a manifest").len();
    for at in 0..made.head_bytes() {
        for bit in [0x01, 0x80] {
            let mut damaged = file.clone();
            damaged[at] ^= bit;
            let refused = open(&mut &damaged[..], &keys());
            let said = match at {
                0..8 => matches!(refused, Err(Refusal::NotABundle)),
                // Another length makes it too long, too short, or another content.
                8..16 => taken(&damaged).is_err(),
                _ if at < manifest_ends => matches!(refused, Err(Refusal::Signature(_))),
                // minisign does not sign its first comment: what it says changes nothing.
                _ => refused.is_ok_and(|it| it == made.manifest) || true_fault(&damaged),
            };
            assert!(said, "bit {bit:#x} of octet {at}");
        }
    }
}

fn true_fault(file: &[u8]) -> bool {
    matches!(open(&mut &file[..], &keys()), Err(Refusal::Signature(_)))
}

#[test]
fn a_bundle_that_ends_early_says_where() {
    let made = made();
    let file = made.file();
    let mut ends = vec![0, 7, 15, 16, made.head_bytes() - 1];
    let mut at = made.head_bytes();
    for block in &made.blocks {
        ends.extend([at, at + 1, at + block.len() - 1]);
        at += block.len();
    }
    for end in ends {
        let Err(Refusal::Truncated(at)) = taken(&file[..end]) else {
            panic!("{end} octets of {} were taken", file.len());
        };
        let expected = match end {
            0..16 => "its head",
            _ if end < made.head_bytes() => "its",
            _ => "block",
        };
        assert!(at.starts_with(expected), "{end}: {at}");
    }
    let words = taken(&file[..file.len() - 1]).expect_err("cut").to_string();
    let wanted = "the update file is not whole: it ends in block 3 of 3; copy it again";
    assert_eq!(words, wanted);
}

#[test]
fn a_block_that_was_not_signed_is_never_decompressed() {
    let made = made();
    let mut at = made.head_bytes();
    for (number, block) in made.blocks.iter().enumerate() {
        for place in [0, block.len() / 2, block.len() - 1] {
            let mut file = made.file();
            file[at + place] ^= 1;
            let wanted = Refusal::Block { number: number + 1, of: 3 };
            assert_eq!(taken(&file), Err(wanted), "octet {place} of block {number}");
        }
        at += block.len();
    }
    let mut longer = made.file();
    longer.push(0);
    assert_eq!(taken(&longer), Err(Refusal::Longer));
}

/// Signed, and wrong all the same: a fault in the making must not become one on the box.
#[test]
fn a_signed_bundle_still_has_to_make_sense() {
    let content = |number, why| Err(Refusal::Content { number, of: 3, why });
    let mut bomb = made();
    bomb.blocks[1] = zstd::bulk::compress(&vec![0; 64 * BLOCK_BYTES], 3).expect("a bomb");
    bomb.manifest.blocks[1] = row(&bomb.blocks[1]);
    let wanted = content(2, "it does not decompress to one block");
    assert_eq!(taken(&bomb.file()), wanted);

    let mut short = made();
    short.blocks[0] = zstd::bulk::compress(&[1, 2, 3], 3).expect("compressed");
    short.manifest.blocks[0] = row(&short.blocks[0]);
    assert_eq!(taken(&short.file()), content(1, "it is shorter than its block"));

    let mut plain = made();
    plain.blocks[2] = b"no frame of zstd".to_vec();
    plain.manifest.blocks[2] = row(&plain.blocks[2]);
    assert_eq!(taken(&plain.file()), content(3, "it does not decompress to one block"));

    let mut swapped = made();
    swapped.blocks.swap(0, 1);
    swapped.manifest.blocks.swap(0, 1);
    assert_eq!(taken(&swapped.file()), Err(Refusal::Slot));

    let manifest = |change: fn(&mut Manifest)| {
        let mut made = made();
        change(&mut made.manifest);
        taken(&made.file()).expect_err("refused").to_string()
    };
    let wrong = |why| format!("the manifest of the update file is wrong: {why}");
    for (change, wanted) in [
        ((|m| m.size = 0) as fn(&mut Manifest), wrong("the size is not that of a slot")),
        (|m| m.size -= 512, wrong("the size is not that of a slot")),
        (|m| m.size = (128 << 20) + 4096, wrong("the size is not that of a slot")),
        (|m| m.size -= 4096, wrong("the number of blocks does not fit the size")),
        (|m| m.blocks.truncate(2), wrong("the number of blocks does not fit the size")),
        (|m| m.blocks[0].octets = 0, wrong("a block has a length that none has")),
        (|m| m.blocks[0].octets = 1 << 40, wrong("a block has a length that none has")),
        (
            |m| m.product = "toaster".into(),
            "the update file is for \"toaster\", not for mailroom".to_string(),
        ),
        (
            |m| m.format = 2,
            "the update file is of a later kind (2, this version reads 1): update to a version \
             in between first"
                .to_string(),
        ),
    ] {
        assert_eq!(manifest(change), wanted);
    }
}

#[test]
fn a_later_format_is_told_though_its_manifest_is_another() {
    let manifest = b"format = 7\nwhole = \"other\"\n";
    let file = print_head(manifest, &signed(manifest, &OURS)).expect("a head");
    assert_eq!(taken(&file), Err(Refusal::LaterFormat(7)));
    let manifest = b"format = 1\nproduct = \"mailroom\"\n";
    let file = print_head(manifest, &signed(manifest, &OURS)).expect("a head");
    let Err(Refusal::Manifest(why)) = taken(&file) else { panic!("taken") };
    assert!(why.contains("missing field"), "{why}");
}

#[test]
fn names_of_later_versions_are_skipped() {
    let made = made();
    let mut manifest = b"notes = \"https://example.com/\"\n".to_vec();
    manifest.extend(made.manifest.print().expect("a manifest"));
    let mut file = print_head(&manifest, &signed(&manifest, &OURS)).expect("a head");
    file.extend(made.blocks.concat());
    assert_eq!(taken(&file).expect("taken"), slot());
}

#[test]
fn lengths_that_no_bundle_has_are_refused_before_memory_is_taken() {
    let head = |manifest: u32, signature: u32| {
        let mut head = b"MROOMUP1".to_vec();
        head.extend(manifest.to_le_bytes());
        head.extend(signature.to_le_bytes());
        head.extend([b' '; 100]);
        head
    };
    let length = |what, octets| Err(Refusal::Length { what, octets });
    assert_eq!(taken(&head(0, 1)), length("manifest", 0));
    assert_eq!(taken(&head(65_537, 1)), length("manifest", 65_537));
    assert_eq!(taken(&head(u32::MAX, 1)), length("manifest", u32::MAX));
    assert_eq!(taken(&head(1, 0)), length("signature", 0));
    assert_eq!(taken(&head(1, 4097)), length("signature", 4097));
    assert_eq!(taken(&head(65_536, 1)), Err(Refusal::Truncated("its manifest".into())));
}

#[test]
fn a_card_that_cannot_be_read_is_not_a_damaged_file() {
    struct Broken(usize);
    impl Read for Broken {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::from_raw_os_error(nix::libc::EIO));
            }
            let length = into.len().min(self.0);
            into[..length].fill(0);
            self.0 -= length;
            Ok(length)
        }
    }
    let made = made();
    let file = made.file();
    for whole in [4, 20, made.head_bytes() + 10] {
        let Err(Refusal::Unreadable(why)) = taken_from(file[..whole].chain(Broken(0))) else {
            panic!("after {whole} octets");
        };
        assert!(why.contains("Input/output error"), "{why}");
    }
    let after = taken_from(file.chain(Broken(0)));
    assert!(matches!(after, Err(Refusal::Unreadable(_))), "{after:?}");
}

#[test]
fn what_may_follow_what_runs() {
    let manifest = made().manifest;
    let running = |board, (major, minor): (u64, u64), epoch| Running {
        board,
        version: Version::new(major, minor, 0),
        epoch,
    };
    let version = |minor| Version::new(1, minor, 0);
    for (here, consent, wanted) in [
        (running("qemu-virt", (1, 1), 3), false, Ok(())),
        (running("qemu-virt", (1, 0), 0), false, Ok(())),
        (running("qemu-virt", (1, 2), 3), false, Err(Refusal::Same(version(2)))),
        (running("qemu-virt", (1, 2), 3), true, Ok(())),
        (
            running("qemu-virt", (1, 3), 3),
            false,
            Err(Refusal::Older { bundle: version(2), here: version(3) }),
        ),
        (running("qemu-virt", (1, 3), 3), true, Ok(())),
        (running("qemu-virt", (1, 3), 4), true, Err(Refusal::Epoch { bundle: 3, here: 4 })),
        (
            running("qemu-virt", (0, 9), 0),
            true,
            Err(Refusal::From { from: version(0), here: Version::new(0, 9, 0) }),
        ),
        (
            running("rpi-arm64", (1, 1), 3),
            true,
            Err(Refusal::Board { bundle: "qemu-virt".into(), here: "rpi-arm64".into() }),
        ),
    ] {
        assert_eq!(judge(&manifest, &here, consent), wanted, "{here:?}, {consent}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn noise_is_refused_and_never_a_panic(noise in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(taken(&noise).is_err());
        let mut headed = b"MROOMUP1".to_vec();
        headed.extend(noise);
        prop_assert!(taken(&headed).is_err());
    }
}
