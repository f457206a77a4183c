//! A disk that dies.

use super::{PAGE, assert_told_truly, bring_back, lived_in, tell};
use crate::store::salvage::Source;

/// A disk with blocks that it cannot read, and that gives little at a time.
struct Dying {
    file: Vec<u8>,
    bad: Vec<u64>,
}

impl Source for Dying {
    fn length(&self) -> u64 {
        self.file.length()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> std::io::Result<usize> {
        let end = at + into.len() as u64;
        let hits = |page: &&u64| at < (*page + 1) * PAGE as u64 && end > *page * PAGE as u64;
        match self.bad.iter().find(hits) {
            // EIO
            Some(_) => Err(std::io::Error::from_raw_os_error(5)),
            None => {
                let some = into.len().min(10_000);
                self.file.read_at(at, &mut into[..some])
            }
        }
    }
}

#[test]
fn blocks_that_the_disk_cannot_read_are_skipped_and_counted() {
    let (file, before) = lived_in(300);
    let pages = (file.len() / PAGE) as u64;
    let bad: Vec<u64> = (0..pages).filter(|page| page % 40 == 0).collect();
    let count = bad.len() as u64;
    let back = bring_back(&Dying { file, bad });
    assert_eq!(back.told.unreadable_pages, count);
    let (_, content) = tell("one block of forty unreadable", &before, &back);
    assert!(content * 100 > before.messages.len() * 70);
    assert_told_truly(&before, &back);
}
