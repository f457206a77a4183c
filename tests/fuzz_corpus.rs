//! Every file of fuzz/corpus/ goes through its entry: seeds made by hand, and what once broke a
//! parser.

use crate::fuzz_entry::ENTRIES;
use std::path::Path;

#[test]
fn the_whole_corpus_does_no_harm() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut folders = 0;
    for (target, entry) in ENTRIES {
        let files: Vec<_> = std::fs::read_dir(corpus.join(target)).unwrap().collect();
        assert!(files.len() >= 12, "{target} has {} files", files.len());
        for file in files {
            let path = file.unwrap().path();
            let data = std::fs::read(&path).unwrap();
            let outcome = std::panic::catch_unwind(|| entry(&data));
            assert!(outcome.is_ok(), "{} breaks its parser", path.display());
        }
        folders += 1;
    }
    assert_eq!(std::fs::read_dir(&corpus).unwrap().count(), folders, "a folder without an entry");
}

#[test]
fn every_entry_has_its_target() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    for (target, _) in ENTRIES {
        assert!(targets.join(target).with_extension("rs").exists(), "{target} is not fuzzed");
    }
    assert_eq!(std::fs::read_dir(&targets).unwrap().count(), ENTRIES.len());
}
