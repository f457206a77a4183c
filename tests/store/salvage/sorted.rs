//! The sorter: more records than its memory holds.

use crate::store::salvage::sort::Sorter;
use crate::tests::store::Folder;
use std::collections::BTreeSet;

#[test]
fn more_than_memory_holds_comes_out_in_order_and_once() {
    let folder = Folder::new();
    let mut sorter = Sorter::with_memory(folder.path(), 2_000);
    let mut expected = BTreeSet::new();
    let mut state = 1_u64;
    for number in 0..20_000_u32 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let key = format!("key {}", (state >> 40) % 900);
        // One key is the beginning of another, and the value decides among equal keys.
        let value = (number % 7).to_be_bytes();
        sorter.push(key.as_bytes(), &[&value[..2], &value[2..]]).expect("room");
        expected.insert((key.into_bytes(), value.to_vec()));
    }
    for _ in 0..2 {
        let mut found = Vec::new();
        sorter
            .each(&mut |key, value| {
                found.push((key.to_vec(), value.to_vec()));
                Ok(())
            })
            .expect("files");
        assert_eq!(found, expected.iter().cloned().collect::<Vec<_>>());
    }
    let files = std::fs::read_dir(folder.path()).expect("the folder").count();
    assert!((1..64).contains(&files), "{files} files are too many to read together");
}
