//! The sources that a release owes: of every package of Debian in its images, at the version that
//! is in them, from the same mirror. What is handed out with the images stands in a folder, and
//! `SOURCES` in it names all of it, and what the mirror had not.
//!
//! A package names its source (`Source`, or itself) and what else was built into it (`Built-Using`:
//! the kernel of a signed kernel, the firmware in U-Boot); what neither says stands in `[sources]`
//! of board/common.toml.

use crate::board;
use crate::inputs::{self, Archive};
use crate::lock::Lock;
use crate::tool;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

/// The list, in the folder of the sources and beside the images.
pub(crate) const LIST: &str = "SOURCES";

/// A package of sources; without a version it is the one that the mirror has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    pub name: String,
    pub version: Option<String>,
}

/// A file of a source, as the mirror's signed index names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub file: String,
    pub sha256: String,
}

/// What is owed, and why, and what came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Owed(BTreeMap<Source, Row>);

#[derive(Debug, PartialEq, Eq)]
struct Row {
    /// Name and version of the packages it is owed for.
    packages: Vec<String>,
    /// Its files, or why they are not there.
    files: Result<Vec<Part>, String>,
}

/// Fetches what is owed for these packages; for all of every board where none is named.
pub(crate) fn fetch(
    project: &Path,
    lock: &Lock,
    wanted: &[String],
    into: &Path,
) -> Result<Owed, String> {
    let common = board::common(project)?;
    let binaries = Archive::open(&project.join("target/image/apt"), &common.suite)?;
    let mut names = common.packages.clone();
    for board in board::names(project) {
        names.extend(board::board(project, &board)?.packages);
    }
    let packages = inputs::resolve(&binaries, &names, &common.kernel, Some(lock))?;
    if let Some(unknown) = wanted.iter().find(|name| !packages.contains_key(*name)) {
        return Err(format!("no image holds a package {unknown}"));
    }
    let mut owed = Owed::default();
    for (name, package) in &packages {
        if wanted.is_empty() || wanted.contains(name) {
            let told = binaries.shown(name, Some(&package.row.version))?;
            let more = common.sources.get(name).into_iter().flatten();
            owed.add(name, &package.row.version, sources_of(&told, more.cloned())?);
        }
    }
    std::fs::create_dir_all(into).map_err(|error| format!("{}: {error}", into.display()))?;
    let archive = Archive::of_sources(&project.join("target/image/apt-sources"), &common.suite)?;
    for (source, row) in &mut owed.0 {
        row.files = fetched(&archive, source, into);
    }
    let list = into.join(LIST);
    std::fs::write(&list, owed.to_string()).map_err(|e| format!("{}: {e}", list.display()))?;
    Ok(owed)
}

fn fetched(archive: &Archive, source: &Source, into: &Path) -> Result<Vec<Part>, String> {
    let Source { name, version } = source;
    let parts = parts(&archive.source(name, version.as_deref(), into)?)?;
    for Part { file, sha256 } in &parts {
        let sum = tool::sha256(&into.join(file))?;
        if sum != *sha256 {
            return Err(format!("{file}: its SHA-256 is {sum}, it should be {sha256}"));
        }
    }
    Ok(parts)
}

/// What apt says that it would fetch: `'address' file octets SHA256:sum`, a line each.
fn parts(told: &str) -> Result<Vec<Part>, String> {
    let part = |line: &str| {
        let [_, file, _, sum] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        let bare = !file.contains('/') && !file.starts_with('.');
        let sha256 = sum.strip_prefix("SHA256:").filter(|sum| sum.len() == 64 && bare)?;
        Some(Part { file: file.to_string(), sha256: sha256.to_string() })
    };
    let lines = told.lines().filter(|line| line.starts_with('\''));
    let parts = lines.map(|line| part(line).ok_or_else(|| format!("apt says {line:?}")));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    if parts.is_empty() {
        return Err("apt names no files of it".into());
    }
    Ok(parts)
}

/// From what apt-cache shows of a package.
fn sources_of(told: &str, more: impl Iterator<Item = String>) -> Result<Vec<Source>, String> {
    let own = inputs::field(told, "Version")?;
    let source = inputs::field(told, "Source").or_else(|_| inputs::field(told, "Package"))?;
    let mut sources = vec![match source.split_once(" (") {
        Some((name, version)) => Source::new(name, version.trim_end_matches(')')),
        None => Source::new(&source, &own),
    }];
    for field in ["Built-Using", "Static-Built-Using"] {
        let used = inputs::field(told, field).unwrap_or_default();
        for one in used.split(", ").filter(|one| !one.is_empty()) {
            let fault = || format!("{field} of a package: {one:?}");
            let (name, version) = one.split_once(" (= ").ok_or_else(fault)?;
            sources.push(Source::new(name, version.strip_suffix(')').ok_or_else(fault)?));
        }
    }
    sources.extend(more.map(|name| Source { name, version: None }));
    Ok(sources)
}

impl Source {
    fn new(name: &str, version: &str) -> Source {
        Source { name: name.to_string(), version: Some(version.to_string()) }
    }
}

impl Owed {
    fn add(&mut self, package: &str, version: &str, sources: Vec<Source>) {
        for source in sources {
            let files = Err("not asked for yet".to_string());
            let row = self.0.entry(source).or_insert(Row { packages: Vec::new(), files });
            row.packages.push(format!("{package} {version}"));
        }
    }

    /// Takes out of the folder what is not owed: the sources of an earlier release.
    pub(crate) fn only(&self, folder: &Path) -> Result<(), String> {
        let fault = |error: std::io::Error| format!("{}: {error}", folder.display());
        let parts = self.0.values().filter_map(|row| row.files.as_ref().ok()).flatten();
        let mut kept: BTreeSet<&str> = parts.map(|part| part.file.as_str()).collect();
        kept.insert(LIST);
        for entry in std::fs::read_dir(folder).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let is_kept = entry.file_name().to_str().is_some_and(|name| kept.contains(name));
            if entry.file_type().map_err(fault)?.is_file() && !is_kept {
                std::fs::remove_file(entry.path()).map_err(fault)?;
            }
        }
        Ok(())
    }

    /// What a release must not go out without; the error names it.
    pub(crate) fn whole(&self) -> Result<(), String> {
        let missing = self.0.iter().filter(|(_, row)| row.files.is_err());
        let lines: String = missing.map(|(source, _)| format!("  {source}\n")).collect();
        if lines.is_empty() {
            return Ok(());
        }
        Err(format!(
            "the mirror has not these sources (why: {LIST}):\n{lines}a release hands them out, or \
             says that it does not: WITHOUT_SOURCES=1"
        ))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{} {version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for Owed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Sources of what the images take from Debian, each at the version that is in them.\n\
             Those of Mailroom itself are the repository; its crates are named in the SBOM."
        )?;
        for (source, Row { packages, files }) in &self.0 {
            writeln!(f, "\n{source}\n  for {}", packages.join(", "))?;
            if source.version.is_none() {
                writeln!(f, "  no package says which version: the one that the mirror has")?;
            }
            match files {
                Ok(parts) => {
                    parts
                        .iter()
                        .try_for_each(|part| writeln!(f, "  {} {}", part.sha256, part.file))?;
                }
                Err(why) => {
                    writeln!(f, "  NOT HERE: {}", why.replace('\n', "\n    "))?;
                    let Source { name, version } = source;
                    let version = version.as_deref().unwrap_or_default();
                    writeln!(f, "  see https://snapshot.debian.org/package/{name}/{version}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const KERNEL: &str = "Package: linux-image-6.1.0-9-arm64\n\
        Source: linux-signed-arm64 (6.1.1+1)\nVersion: 6.1.1-1\n\
        Built-Using: linux (= 6.1.1-1), other (= 1:2~3)\n";

    fn of(told: &str, more: &[&str]) -> Vec<String> {
        let more = more.iter().map(|name| name.to_string());
        let sources = sources_of(told, more).expect("sources");
        sources.iter().map(Source::to_string).collect()
    }

    #[test]
    fn a_package_says_what_it_was_built_from() {
        let kernel = ["linux-signed-arm64 6.1.1+1", "linux 6.1.1-1", "other 1:2~3"];
        assert_eq!(of(KERNEL, &[]), kernel);
        let rebuilt =
            "Package: e2fsck-static\nSource: e2fsprogs (1.47.0-2)\nVersion: 1.47.0-2+b2\n";
        assert_eq!(of(rebuilt, &["glibc"]), ["e2fsprogs 1.47.0-2", "glibc"]);
        let plain = "Package: raspi-firmware\nVersion: 1.2+ds-1\n";
        assert_eq!(of(plain, &[]), ["raspi-firmware 1.2+ds-1"]);
        let named = "Package: u-boot-rpi\nSource: u-boot\nVersion: 2023.01-2\n";
        assert_eq!(of(named, &[]), ["u-boot 2023.01-2"]);
        let odd = "Package: x\nVersion: 1\nBuilt-Using: y (>= 2)\n";
        let why = sources_of(odd, std::iter::empty()).expect_err("not an exact one");
        assert!(why.contains("y (>= 2)"), "{why}");
    }

    #[test]
    fn the_files_of_a_source_are_those_that_apt_names() {
        let sum = "0123456789abcdef".repeat(4);
        let told = format!("Need to get 1 B.\n'http://m/x_1.dsc' x_1.dsc 9 SHA256:{sum}\n");
        let part = Part { file: "x_1.dsc".into(), sha256: sum.clone() };
        assert_eq!(parts(&told), Ok(vec![part]));
        for odd in [
            String::new(),
            "'http://m/x_1.dsc' x_1.dsc 9 MD5Sum:00\n".into(),
            format!("'http://m/x' ../x 9 SHA256:{sum}\n"),
            format!("'http://m/x' SHA256:{sum}\n"),
        ] {
            assert!(parts(&odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn what_is_missing_is_named_and_holds_a_release_up() {
        let mut owed = Owed::default();
        let uboot = || vec![Source::new("u-boot", "2023.01-2")];
        owed.add("u-boot-rpi", "2023.01-2", uboot());
        owed.add("u-boot-qemu", "2023.01-2", uboot());
        let kernel = Source::new("linux", "6.1.1-1");
        owed.add("linux-image-6.1.0-9-arm64", "6.1.1-1", vec![kernel.clone()]);
        for row in owed.0.values_mut() {
            row.files = Ok(vec![Part { file: "f.dsc".into(), sha256: "00ff".into() }]);
        }
        assert_eq!(owed.whole(), Ok(()));
        let scratch = Scratch::new("owed");
        for name in ["f.dsc", "older.dsc", LIST] {
            std::fs::write(scratch.path().join(name), "x").expect("written");
        }
        owed.only(scratch.path()).expect("removed");
        let left = ["f.dsc", "older.dsc", LIST].map(|name| scratch.path().join(name).is_file());
        assert_eq!(left, [true, false, true]);
        let text = owed.to_string();
        let wanted = "\nu-boot 2023.01-2\n  for u-boot-rpi 2023.01-2, u-boot-qemu 2023.01-2\n  \
            00ff f.dsc\n";
        assert!(text.contains(wanted), "{text}");
        owed.0.get_mut(&kernel).expect("the kernel").files = Err("404  Not Found".into());
        let why = owed.whole().expect_err("the kernel is missing");
        assert!(why.contains("  linux 6.1.1-1\n") && !why.contains("u-boot"), "{why}");
        let text = owed.to_string();
        let wanted =
            "  NOT HERE: 404  Not Found\n  see https://snapshot.debian.org/package/linux/6.1.1-1\n";
        assert!(text.contains(wanted), "{text}");
    }

    #[test]
    fn what_more_is_owed_is_owed_for_what_is_in_the_images() {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let common = board::common(&project).expect("common.toml");
        for name in common.sources.keys() {
            assert!(common.packages.contains(name), "{name}");
        }
    }
}
