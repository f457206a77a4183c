//! The seed of a data file system: what mke2fs makes of an empty one, without its zeros. The box
//! makes the file system of another disk of it, and grows it (`appliance/system/storage/seed.rs`).
//!
//! ```text
//! octet 0..8     "MRSEED1\0"
//!       8..12    blocks of the file system, of 4 KiB each; numbers little-endian
//!       12..16   how many of them follow
//!       then     each: its number u32, its 4096 octets; in order
//!       last 4   CRC-32 of all before
//! ```

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Where it stands in the initramfs.
pub(crate) const PATH: &str = "lib/mailroom/data.seed";
const MARK: &[u8; 8] = b"MRSEED1\0";
const BLOCK: usize = 4096;
/// PID 1 reads it whole, and it takes room in both slots.
const MOST_BYTES: usize = 4 << 20;

/// Of a file system in a file.
pub(crate) fn of(file_system: &Path) -> Result<Vec<u8>, String> {
    let fault = |error: std::io::Error| format!("{}: {error}", file_system.display());
    let mut file = File::open(file_system).map_err(fault)?;
    let length = file.metadata().map_err(fault)?.len();
    let blocks = u32::try_from(length / BLOCK as u64).map_err(|error| error.to_string())?;
    if length == 0 || length % BLOCK as u64 != 0 {
        return Err(format!("{}: {length} octets are not whole blocks", file_system.display()));
    }
    let (mut kept, mut count, mut block) = (Vec::new(), 0_u32, [0; BLOCK]);
    for number in 0..blocks {
        file.read_exact(&mut block).map_err(fault)?;
        if block != [0; BLOCK] {
            kept.extend(number.to_le_bytes());
            kept.extend(block);
            count += 1;
        }
    }
    let head = [&MARK[..], &blocks.to_le_bytes(), &count.to_le_bytes()].concat();
    let mut seed = [head, kept].concat();
    seed.extend(crc32fast::hash(&seed).to_le_bytes());
    if seed.len() > MOST_BYTES {
        return Err(format!("the seed of a data file system has {} octets", seed.len()));
    }
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use crate::{build, ext4, layout, tool};

    /// The file system that a seed is of: as PID 1 writes it.
    fn grown(seed: &[u8]) -> Vec<u8> {
        let number = |at: usize| u32::from_le_bytes(seed[at..at + 4].try_into().expect("four"));
        let mut whole = vec![0; number(8) as usize * BLOCK];
        for at in 0..number(12) as usize {
            let at = 16 + at * (4 + BLOCK);
            let to = number(at) as usize * BLOCK;
            whole[to..to + BLOCK].copy_from_slice(&seed[at + 4..at + 4 + BLOCK]);
        }
        whole
    }

    #[test]
    fn of_a_seed_grows_what_mke2fs_made_and_twice_the_same() {
        let made = |name: &str| {
            let scratch = Scratch::new(name);
            let into = scratch.path().join("data.ext4");
            let (uuid, size, time) = (build::DATA_UUID, layout::DATA.size, 1_700_000_000);
            let use_of = ext4::Use::Data;
            let plan = ext4::Plan { label: "data", uuid, size, time, files: &[], use_of };
            ext4::make(&plan, scratch.path(), &into).expect("a file system");
            (of(&into).expect("a seed"), scratch)
        };
        let (seed, scratch) = made("seed");
        assert!(seed == made("seed-again").0, "two makings differ");
        assert!(seed.len() < 1 << 20, "{} octets", seed.len());
        let file = scratch.path().join("data.ext4");
        assert!(grown(&seed) == std::fs::read(&file).expect("made"), "it is another one");
        let again = scratch.path().join("again.ext4");
        std::fs::write(&again, grown(&seed)).expect("written");
        let mut fsck = tool::system("e2fsck");
        tool::run(fsck.arg("-fn").arg(&again)).expect("clean");
    }

    #[test]
    fn what_is_no_file_system_of_whole_blocks_has_no_seed() {
        let scratch = Scratch::new("seed-odd");
        let file = scratch.path().join("odd");
        for (octets, why) in [(&b""[..], "0 octets are not"), (b"odd", "3 octets are not")] {
            std::fs::write(&file, octets).expect("written");
            assert!(of(&file).expect_err("no seed").contains(why));
        }
        // One that is full of something is no empty file system.
        std::fs::write(&file, vec![1; 5 << 20]).expect("written");
        assert!(of(&file).expect_err("no seed").contains("octets"));
    }
}
