//! `image/inputs.lock`: version and SHA-256 of everything that goes into an image. The archive
//! replaces packages over time; what differs from the lock is named, accepted by a person, and
//! refused in a release.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Of an input: where it is from, its version, its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub version: String,
    pub sha256: String,
    /// Suite and component of a package; "host" for a program of the machine that builds.
    pub source: String,
}

/// Rows by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lock {
    #[serde(default)]
    pub input: BTreeMap<String, Row>,
}

const HEAD: &str = "\
# What went into the images: written by `make image ACCEPT=1`, compared by every `make image`,
# insisted on by `make image LOCKED=1`.

";

pub(crate) fn parse(text: &str) -> Result<Lock, String> {
    toml::from_str(text).map_err(|error| format!("image/inputs.lock: {error}"))
}

pub(crate) fn print(lock: &Lock) -> Result<String, String> {
    toml::to_string(lock).map(|text| format!("{HEAD}{text}")).map_err(|error| error.to_string())
}

impl Lock {
    /// What was used and is not as the lock says, one line each. `whole` when all that the lock
    /// has ought to have been used.
    pub(crate) fn differences(&self, used: &Lock, whole: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, row) in &used.input {
            let Row { version, .. } = row;
            match self.input.get(name) {
                Some(locked) if locked.sha256 == row.sha256 => {}
                Some(locked) if locked.version == *version => {
                    let (was, is) = (&locked.sha256, &row.sha256);
                    lines
                        .push(format!("{name} {version}: its SHA-256 is {is}, the lock has {was}"));
                }
                Some(locked) => {
                    let was = &locked.version;
                    lines.push(format!("{name}: version {version}, the lock has {was}"));
                }
                None => lines.push(format!("{name} {version}: not in the lock")),
            }
        }
        let gone = self.input.keys().filter(|name| whole && !used.input.contains_key(*name));
        lines.extend(gone.map(|name| format!("{name}: in the lock and not used")));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(rows: &[(&str, &str, &str)]) -> Lock {
        let row = |version: &str, sha256: &str| Row {
            version: version.into(),
            sha256: sha256.into(),
            source: "bookworm main".into(),
        };
        Lock { input: rows.iter().map(|(n, v, s)| (n.to_string(), row(v, s))).collect() }
    }

    #[test]
    fn the_lock_reads_what_it_wrote() {
        let lock = lock(&[("linux-image-6.1.0-1-arm64", "6.1.1-1", "aa"), ("zig", "0.15.1", "bb")]);
        let text = print(&lock).expect("TOML");
        assert!(text.contains("[input.zig]"), "{text}");
        assert_eq!(parse(&text), Ok(lock));
        assert!(parse("[input.zig]\nversion = \"1\"\n").is_err(), "a row without its sum");
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let locked =
            lock(&[("a", "1", "aa"), ("b", "1", "bb"), ("c", "1", "cc"), ("d", "1", "dd")]);
        let used = lock(&[("a", "1", "aa"), ("b", "2", "b2"), ("c", "1", "c2"), ("e", "1", "ee")]);
        let lines = locked.differences(&used, true);
        assert_eq!(
            lines,
            [
                "b: version 2, the lock has 1",
                "c 1: its SHA-256 is c2, the lock has cc",
                "e 1: not in the lock",
                "d: in the lock and not used",
            ]
        );
        assert_eq!(locked.differences(&lock(&[("a", "1", "aa")]), false), Vec::<String>::new());
    }
}
