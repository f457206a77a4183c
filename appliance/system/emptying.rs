//! A disk that is written over: zeros first, then what makes it a disk of its kind, the table of
//! partitions in both cases.

use crate::limits;
use crate::system::init::disk::SECTOR;

/// What is to be written: where, and what. Zeros come in pieces.
pub(crate) struct Writing {
    /// Zeros from this octet to that.
    zeros: (u64, u64),
    /// Then these, in order.
    pieces: std::vec::IntoIter<(u64, Vec<u8>)>,
}

impl Writing {
    /// Zeros up to `end`, then the pieces.
    pub(crate) fn new(end: u64, pieces: Vec<(u64, Vec<u8>)>) -> Writing {
        Writing { zeros: (0, end), pieces: pieces.into_iter() }
    }
}

impl Iterator for Writing {
    type Item = (u64, Vec<u8>);

    fn next(&mut self) -> Option<(u64, Vec<u8>)> {
        let (at, end) = self.zeros;
        if at < end {
            let length = (end - at).min(limits::FORMAT_PIECE_BYTES as u64);
            self.zeros.0 = at + length;
            return Some((at, vec![0; usize::try_from(length).unwrap_or(0)]));
        }
        self.pieces.next()
    }
}

/// A sector of zeros with these in their places.
pub(crate) fn sector(parts: &[(usize, &[u8])]) -> [u8; SECTOR as usize] {
    let mut sector = [0; SECTOR as usize];
    for (at, octets) in parts {
        sector.iter_mut().skip(*at).zip(*octets).for_each(|(to, from)| *to = *from);
    }
    sector
}

/// An entry of the table: type, first sector, sectors.
pub(crate) fn entry(kind: u8, begin: u64, length: u64) -> Vec<u8> {
    let number = |number: u64| u32::try_from(number).unwrap_or(0).to_le_bytes();
    // Cylinders and heads that nobody counts by any more.
    let [far, away, here] = [0xFE, 0xFF, 0xFF];
    let mut entry = vec![0, far, away, here, kind, far, away, here];
    entry.extend(number(begin));
    entry.extend(number(length));
    entry
}
