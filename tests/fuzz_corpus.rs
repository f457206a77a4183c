//! Every file of fuzz/corpus/ goes through its entry: seeds made by hand, and what once broke a
//! parser.

use crate::fuzz_entry::ENTRIES;
use proptest::prelude::*;
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
    // The workspace leaves fuzz/ out: nothing else reads its manifest before somebody fuzzes.
    let manifest = std::fs::read_to_string(targets.with_file_name("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let built: Vec<_> =
        manifest["bin"].as_array().unwrap().iter().map(|bin| bin["name"].as_str()).collect();
    for (target, _) in ENTRIES {
        assert!(built.contains(&Some(*target)), "{target} is not in fuzz/Cargo.toml");
    }
}

/// One change to a seed: where (a fraction of its length), how, and with which octets.
fn damage() -> impl Strategy<Value = (f64, u8, Vec<u8>)> {
    let octet =
        prop_oneof![any::<u8>(), prop::sample::select(b"\r\n\0 .\"(){}+\\*$&~<>@".to_vec())];
    (0.0..1.0f64, 0u8..4, prop::collection::vec(octet, 1..6))
}

fn damaged(seed: &[u8], changes: &[(f64, u8, Vec<u8>)]) -> Vec<u8> {
    let mut data = seed.to_vec();
    for (place, how, octets) in changes {
        let at = (data.len() as f64 * place) as usize;
        match how {
            0 => drop(data.splice(at..at, octets.iter().copied())),
            1 => data.truncate(at),
            2 => drop(data.drain(at..data.len().min(at + octets.len()))),
            _ => {
                let end = data.len().min(at + octets.len());
                data.splice(at..end, octets.iter().copied());
            }
        }
    }
    data
}

proptest! {
    #[test]
    fn damaged_seeds_do_no_harm(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec(damage(), 1..6),
    ) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (target, entry) in ENTRIES {
            let mut files: Vec<_> = std::fs::read_dir(corpus.join(target))
                .unwrap()
                .map(|file| file.unwrap().path())
                .collect();
            files.sort();
            let data = damaged(&std::fs::read(which.get(&files)).unwrap(), &changes);
            let outcome = std::panic::catch_unwind(|| entry(&data));
            let shown = String::from_utf8_lossy(&data);
            prop_assert!(outcome.is_ok(), "{} breaks on {:?}", target, shown);
        }
    }
}
