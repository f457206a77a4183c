//! The parts that come from Debian: fetched into a private folder of apt, for arm64, without root
//! and without touching the machine's own sources. The mirror is the machine's own.

use crate::lock::{Lock, Row};
use crate::tool;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Lists of the archive younger than this are not asked for again.
const LISTS_AGE: Duration = Duration::from_secs(6 * 60 * 60);

/// A private apt, and the packages that were fetched with it.
pub(crate) struct Archive {
    folder: PathBuf,
    suite: String,
}

/// A package as the archive serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub name: String,
    pub row: Row,
    /// Names of packages it needs.
    pub depends: Vec<String>,
}

impl Archive {
    pub(crate) fn open(folder: &Path, suite: &str) -> Result<Archive, String> {
        Archive::of("deb", folder, suite)
    }

    /// Of source packages, whose lists are long and which few need.
    pub(crate) fn of_sources(folder: &Path, suite: &str) -> Result<Archive, String> {
        Archive::of("deb-src", folder, suite)
    }

    /// Lays the folder out and brings the lists up to date.
    fn of(kind: &str, folder: &Path, suite: &str) -> Result<Archive, String> {
        let folder = std::path::absolute(folder).map_err(|error| error.to_string())?;
        let archive = Archive { folder: folder.clone(), suite: suite.to_string() };
        for part in ["state/lists/partial", "cache/archives/partial", "debs", "unpacked"] {
            std::fs::create_dir_all(folder.join(part)).map_err(|error| error.to_string())?;
        }
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))
        };
        write("status", "")?;
        write("apt.conf", &configuration(&folder))?;
        let stamp = folder.join("updated");
        let sources = sources(kind, &mirrors()?, suite)?;
        let same =
            std::fs::read_to_string(folder.join("sources.list")).ok().as_ref() == Some(&sources);
        write("sources.list", &sources)?;
        let age = std::fs::metadata(&stamp).and_then(|m| m.modified()).ok();
        let fresh = age.is_some_and(|at| at.elapsed().is_ok_and(|age| age < LISTS_AGE));
        if !same || !fresh {
            tool::run(archive.apt("apt-get").args(["update", "-qq"]))?;
            write("updated", "")?;
        }
        Ok(archive)
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = tool::system(program);
        command.env("APT_CONFIG", self.folder.join("apt.conf"));
        command.current_dir(self.folder.join("debs"));
        command
    }

    /// The newest version that the archive serves, or the one that is asked for.
    pub(crate) fn find(&self, name: &str, version: Option<&str>) -> Result<Package, String> {
        let text = self.shown(name, version)?;
        let mut policy = self.apt("apt-cache");
        policy.args(["madison", name]);
        let source = source_of(&tool::run(&mut policy)?, &field(&text, "Version")?);
        package(&text, source)
    }

    /// What the archive says of a package.
    pub(crate) fn shown(&self, name: &str, version: Option<&str>) -> Result<String, String> {
        let wanted = version.map_or(name.to_string(), |version| format!("{name}={version}"));
        let mut show = self.apt("apt-cache");
        show.args(["show", "--no-all-versions", &wanted]);
        let text = tool::run(&mut show).unwrap_or_default();
        if text.trim().is_empty() {
            let serves = match version {
                Some(_) => format!("; it serves {}", self.find(name, None)?.row.version),
                None => String::new(),
            };
            let suite = &self.suite;
            return Err(format!("the archive ({suite}) has no {wanted} for arm64{serves}"));
        }
        Ok(text)
    }

    /// Fetches a source package into a folder; apt's own words on which files that are.
    pub(crate) fn source(
        &self,
        name: &str,
        version: Option<&str>,
        into: &Path,
    ) -> Result<String, String> {
        let wanted = version.map_or(name.to_string(), |version| format!("{name}={version}"));
        let get = |how: &str, folder: &Path| {
            let mut command = self.apt("apt-get");
            command.args(["source", how, "-qq", &wanted]).current_dir(folder);
            tool::run(&mut command).map_err(|why| complaint(&why))
        };
        // What lies in the folder already is not told of: so it is asked for in another one.
        let files = get("--print-uris", &self.folder.join("debs"))?;
        get("--download-only", into)?;
        Ok(files)
    }

    /// Fetches a package, checks its sum, and unpacks it; returns the folder.
    pub(crate) fn unpacked(&self, package: &Package) -> Result<PathBuf, String> {
        let Package { name, row, .. } = package;
        let short = &row.sha256[..row.sha256.len().min(16)];
        let into = self.folder.join("unpacked").join(format!("{name}-{short}"));
        if into.is_dir() {
            return Ok(into);
        }
        let deb = self.fetched(package)?;
        let half = into.with_extension("half");
        let _ = std::fs::remove_dir_all(&half);
        tool::run(tool::system("dpkg-deb").arg("-x").arg(&deb).arg(&half))?;
        std::fs::rename(&half, &into).map_err(|error| error.to_string())?;
        Ok(into)
    }

    fn fetched(&self, package: &Package) -> Result<PathBuf, String> {
        let Package { name, row, .. } = package;
        let kept = self.folder.join("debs").join(format!("{}.deb", row.sha256));
        if kept.is_file() && tool::sha256(&kept)? == row.sha256 {
            return Ok(kept);
        }
        let wanted = format!("{name}={}", row.version);
        let before = debs(&self.folder)?;
        tool::run(self.apt("apt-get").args(["download", "-qq", &wanted]))?;
        let new = debs(&self.folder)?.into_iter().find(|deb| !before.contains(deb));
        let new = new.ok_or_else(|| format!("apt-get download {wanted} left no file"))?;
        let sum = tool::sha256(&new)?;
        if sum != row.sha256 {
            return Err(format!("{wanted}: its SHA-256 is {sum}, it should be {}", row.sha256));
        }
        std::fs::rename(&new, &kept).map_err(|error| error.to_string())?;
        Ok(kept)
    }
}

/// The packages to use: what the archive serves, or exactly those of the lock.
pub(crate) fn resolve(
    archive: &Archive,
    names: &[String],
    kernel: &str,
    lock: Option<&Lock>,
) -> Result<BTreeMap<String, Package>, String> {
    let version = |name: &str| match lock {
        None => Ok(None),
        Some(lock) => match lock.input.get(name) {
            Some(row) => Ok(Some(row.version.clone())),
            None => Err(format!("{name} is not in image/inputs.lock, and LOCKED was asked for")),
        },
    };
    let mut found = BTreeMap::new();
    let kernel_name = match lock {
        Some(lock) => locked_kernel(lock)?,
        None => depended_kernel(&archive.find(kernel, None)?)?,
    };
    for name in names.iter().chain([&kernel_name]) {
        let version = version(name)?;
        let mut package = archive.find(name, version.as_deref())?;
        if let Some(row) = lock.and_then(|lock| lock.input.get(name)) {
            package.row.sha256.clone_from(&row.sha256);
        }
        found.insert(name.clone(), package);
    }
    Ok(found)
}

/// linux-image-6.1.0-1-arm64 and the like.
pub(crate) fn is_kernel(name: &str) -> bool {
    name.strip_prefix("linux-image-").is_some_and(|rest| rest.starts_with(char::is_numeric))
}

fn locked_kernel(lock: &Lock) -> Result<String, String> {
    let found = lock.input.keys().find(|name| is_kernel(name)).cloned();
    found.ok_or_else(|| "image/inputs.lock has no kernel".to_string())
}

fn depended_kernel(package: &Package) -> Result<String, String> {
    let found = package.depends.iter().find(|name| is_kernel(name)).cloned();
    found.ok_or_else(|| format!("{} depends on no kernel", package.name))
}

/// Of all that apt says when it fails, what it calls an error, without the mirror's number.
fn complaint(said: &str) -> String {
    let errors = said.lines().filter_map(|line| Some(line.split_once("E: ")?.1));
    let errors = errors.map(|error| error.split(" [IP: ").next().unwrap_or(error));
    let errors: Vec<&str> = errors.filter(|error| !error.contains("some archives")).collect();
    if errors.is_empty() { said.to_string() } else { errors.join("\n") }
}

/// `name: value` of what apt-cache shows.
pub(crate) fn field(text: &str, name: &str) -> Result<String, String> {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.map(str::to_string).ok_or_else(|| format!("the archive tells no {name} of a package"))
}

fn package(text: &str, source: String) -> Result<Package, String> {
    let depends = field(text, "Depends").unwrap_or_default();
    let words = depends.split([',', '|']).filter_map(|one| one.split_whitespace().next());
    Ok(Package {
        name: field(text, "Package")?,
        depends: words.map(str::to_string).collect(),
        row: Row { version: field(text, "Version")?, sha256: field(text, "SHA256")?, source },
    })
}

/// Suite and component from `apt-cache madison`, whose lines are `name | version | site
/// suite/component arch Packages`.
fn source_of(madison: &str, version: &str) -> String {
    let rows = madison.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let row = rows.into_iter().find(|row| row.get(1) == Some(&version));
    let place = row.and_then(|row| row.get(2).and_then(|place| place.split(' ').nth(1)));
    place.unwrap_or("unknown").replace('/', " ")
}

fn debs(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder.join("debs")).map_err(|error| error.to_string())?;
    let files = entries.flatten().map(|entry| entry.path());
    Ok(files.filter(|file| file.extension().is_some_and(|ending| ending == "deb")).collect())
}

/// Where the machine's own apt gets Debian from: the ordinary archive, and that of security.
struct Mirrors {
    main: String,
    security: String,
    signed_by: String,
}

fn mirrors() -> Result<Mirrors, String> {
    let format = "$(ORIGIN)|$(LABEL)|$(SITE)";
    let mut command = tool::system("apt-get");
    let text =
        tool::run(command.args(["indextargets", "--format", format, "Created-By: Packages"]))?;
    pick_mirrors(&text)
}

fn pick_mirrors(text: &str) -> Result<Mirrors, String> {
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('|').collect()).collect();
    let of = |label: &str| {
        rows.iter().find(|row| row.first() == Some(&"Debian") && row.get(1) == Some(&label))
    };
    let (Some(main), Some(security)) = (of("Debian"), of("Debian-Security")) else {
        return Err("this machine's apt knows no Debian archive with its security updates: run \
                    `apt-get update`, or build on Debian"
            .into());
    };
    let signed_by = main.get(3).copied().unwrap_or_default().to_string();
    Ok(Mirrors { main: main[2].into(), security: security[2].into(), signed_by })
}

fn sources(kind: &str, mirrors: &Mirrors, suite: &str) -> Result<String, String> {
    let Mirrors { main, security, signed_by } = mirrors;
    let keyring = if signed_by.is_empty() {
        "/usr/share/keyrings/debian-archive-keyring.gpg"
    } else {
        signed_by
    };
    if !Path::new(keyring).is_file() {
        return Err(format!("{keyring} is missing: install debian-archive-keyring"));
    }
    let line = |site: &str, suite: &str| {
        format!("{kind} [signed-by={keyring}] {site} {suite} main non-free-firmware\n")
    };
    Ok(line(main, suite) + &line(security, &format!("{suite}-security")))
}

fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "#clear APT::Architectures;\n\
         APT::Architecture \"arm64\";\nAPT::Architectures {{ \"arm64\"; }};\n\
         APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n\
         Dir::State \"{folder}/state\";\nDir::State::status \"{folder}/status\";\n\
         Dir::Cache \"{folder}/cache\";\n\
         Dir::Etc::SourceList \"{folder}/sources.list\";\nDir::Etc::SourceParts \"/dev/null\";\n\
         Dir::Etc::Preferences \"/dev/null\";\nDir::Etc::PreferencesParts \"/dev/null\";\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "Package: linux-image-arm64\nSource: linux-signed-arm64 (6.1+1)\n\
        Version: 6.1.1-1\nDepends: linux-image-6.1.0-9-arm64 (= 6.1.1-1), base | other\n\
        SHA256: 00ff\nDescription: Linux\n";

    #[test]
    fn a_package_is_read_from_what_apt_shows() {
        let madison = " linux-image-arm64 | 6.1.2-1 | http://mirror/debian bookworm/main arm64 \
            Packages\n linux-image-arm64 | 6.1.1-1 | http://mirror/security \
            bookworm-security/main arm64 Packages\n";
        let source = source_of(madison, "6.1.1-1");
        assert_eq!(source, "bookworm-security main");
        let package = package(SHOWN, source).expect("whole");
        assert_eq!(
            (package.row.version.as_str(), package.row.sha256.as_str()),
            ("6.1.1-1", "00ff")
        );
        assert_eq!(package.depends, ["linux-image-6.1.0-9-arm64", "base", "other"]);
        assert_eq!(depended_kernel(&package), Ok("linux-image-6.1.0-9-arm64".to_string()));
        assert!(super::package("Package: x\nVersion: 1\n", String::new()).is_err(), "no sum");
    }

    #[test]
    fn the_mirrors_are_the_machines_own() {
        let told = "other|other|http://elsewhere|\n\
            Debian|Debian|http://mirror/debian|/usr/share/keyrings/k.gpg\n\
            Debian|Debian-Security|http://mirror/security|/usr/share/keyrings/k.gpg\n";
        let mirrors = pick_mirrors(told).expect("both");
        assert_eq!(mirrors.main, "http://mirror/debian");
        assert_eq!(mirrors.security, "http://mirror/security");
        assert!(pick_mirrors("Ubuntu|Ubuntu|http://elsewhere|\n").is_err());
    }

    #[test]
    fn of_what_apt_says_its_errors_are_told() {
        let said = "apt-get source x failed (exit status: 100): W: slow\nErr:1 http://m x\n  404\n\
            E: Failed to fetch http://m/x  404  Not Found [IP: 10.0.0.1 80]\n\
            E: Failed to fetch some archives.";
        assert_eq!(complaint(said), "Failed to fetch http://m/x  404  Not Found");
        assert_eq!(complaint("apt-get: no such file"), "apt-get: no such file");
    }
}
