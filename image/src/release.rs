//! `image release`: all that a version hands out. Images of every board, of exactly the inputs of
//! image/inputs.lock, each with its signed update and its bill of materials; the sources that are
//! owed; and the sums of all of it.
//!
//! ```text
//! target/mailroom-VERSION/   mailroom-VERSION-BOARD.img.zst .mru .cdx.json, SOURCES, SHA256SUMS
//! target/release-sources/    the sources that SOURCES names
//! ```

use crate::{board, build, bundle, sources, tool};
use semver::Version;
use std::path::{Path, PathBuf};

pub(crate) struct Order<'a> {
    pub project: &'a Path,
    pub binary: &'a Path,
    pub compilers: &'a Path,
    pub time: u64,
    pub version: Option<Version>,
    /// The file of public keys that boxes take updates by.
    pub keys: &'a Path,
    /// The secret key that signs.
    pub key: &'a Path,
    /// The oldest version that can be updated.
    pub from: &'a Version,
    /// Goes out though the mirror has not all sources that are owed.
    pub without_sources: bool,
}

/// What was made, in words.
pub(crate) fn release(order: &Order) -> Result<String, String> {
    // What can fail for want of something comes before what takes long.
    let secret = bundle::secret(order.key)?;
    bundle::is_trusted(&secret, order.keys)?;
    let lock = build::read_lock(order.project)?;
    let folder = order.project.join("target/release-sources");
    let owed = sources::fetch(order.project, &lock, &[], &folder)?;
    owed.only(&folder)?;
    let missing = owed.whole().err();
    if let Some(why) = missing.as_ref().filter(|_| !order.without_sources) {
        return Err(why.clone());
    }
    let version = order.version.clone().map_or_else(ours, Ok)?;
    let into = order.project.join(format!("target/mailroom-{version}"));
    let fault = |error: std::io::Error| format!("{}: {error}", into.display());
    if into.exists() {
        std::fs::remove_dir_all(&into).map_err(fault)?;
    }
    std::fs::create_dir_all(&into).map_err(fault)?;
    let mut told = String::new();
    for name in board::names(order.project) {
        told += &of_board(order, &secret, &name, &version, &into)?;
    }
    std::fs::write(into.join(sources::LIST), owed.to_string()).map_err(fault)?;
    let sums = sums(&into)?;
    std::fs::write(into.join(SUMS), &sums).map_err(fault)?;
    let missing = missing.map(|why| format!("{why}\n")).unwrap_or_default();
    let (into, folder) = (into.display(), folder.display());
    Ok(format!("{told}{missing}release     {into}\nsources     {folder}\n{sums}"))
}

const SUMS: &str = "SHA256SUMS";

fn ours() -> Result<Version, String> {
    env!("CARGO_PKG_VERSION").parse().map_err(|error: semver::Error| error.to_string())
}

/// Image, bill and update of one board, moved to where they are handed out.
fn of_board(
    order: &Order,
    secret: &minisign::SecretKey,
    name: &str,
    version: &Version,
    into: &Path,
) -> Result<String, String> {
    let work = order.project.join("target/image");
    let built = build::build(&build::Order {
        project: order.project,
        board: name,
        binary: order.binary,
        compilers: order.compilers,
        into: &work,
        time: order.time,
        version: Some(version.clone()),
        keys: order.keys,
        locked: true,
        accept: false,
    })?;
    let image = work.join(format!("mailroom-{name}.img"));
    let signed = bundle::bundle(&bundle::Order {
        image: &image,
        secret,
        from: order.from.clone(),
        into,
        keys: order.keys,
    })?;
    for (made, handed_out) in handed_out(&image, version, name) {
        std::fs::rename(&made, into.join(handed_out))
            .map_err(|error| format!("{}: {error}", made.display()))?;
    }
    Ok(format!("{built}{signed}\n"))
}

/// What `image build` leaves, and the name under which it is handed out.
fn handed_out(image: &Path, version: &Version, board: &str) -> Vec<(PathBuf, String)> {
    let endings = ["img.zst", "cdx.json"].into_iter();
    let named =
        |ending| (image.with_extension(ending), format!("mailroom-{version}-{board}.{ending}"));
    endings.map(named).collect()
}

/// A line for each file of the folder, as sha256sum reads it.
fn sums(folder: &Path) -> Result<String, String> {
    let fault = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        names.push(entry.map_err(fault)?.file_name().to_string_lossy().to_string());
    }
    names.retain(|name| name != SUMS);
    names.sort();
    let line = |name: String| Ok(format!("{}  {name}\n", tool::sha256(&folder.join(&name))?));
    names.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::process::Command;

    #[test]
    fn what_is_handed_out_bears_version_and_board() {
        let image = Path::new("target/image/mailroom-rock64.img");
        let handed_out = handed_out(image, &Version::new(1, 2, 3), "rock64");
        let row = |from: &str, to: &str| (PathBuf::from(from), to.to_string());
        let wanted = [
            row("target/image/mailroom-rock64.img.zst", "mailroom-1.2.3-rock64.img.zst"),
            row("target/image/mailroom-rock64.cdx.json", "mailroom-1.2.3-rock64.cdx.json"),
        ];
        assert_eq!(handed_out, wanted);
        assert_eq!(ours().expect("a version").to_string(), env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn the_sums_are_those_that_sha256sum_checks() {
        let scratch = Scratch::new("sums");
        let folder = scratch.path();
        for (name, content) in [("b.mru", "two"), ("a.img.zst", "one"), (SUMS, "of before")] {
            std::fs::write(folder.join(name), content).expect("written");
        }
        let text = sums(folder).expect("sums");
        let names: Vec<&str> = text.lines().filter_map(|line| line.split("  ").nth(1)).collect();
        assert_eq!(names, ["a.img.zst", "b.mru"]);
        std::fs::write(folder.join(SUMS), text).expect("written");
        let mut command = Command::new("sha256sum");
        tool::run(command.current_dir(folder).args(["--check", "--strict", SUMS])).expect("right");
    }
}
