//! The host tool: builds disk images of Mailroom, shows what is in one, boots one in QEMU. Needs
//! no root.

mod board;
mod build;
mod bundle;
#[path = "../../appliance/update/bundle.rs"]
#[allow(dead_code, reason = "shared with the box, which does more with it")]
mod bundled;
mod devicetree;
mod disk;
mod emulate;
mod ext4;
mod fat;
mod filesystem;
mod initramfs;
mod inputs;
mod inspect;
mod kernel;
mod label;
mod layout;
mod line;
mod loaders;
mod lock;
mod modules;
#[path = "../../appliance/system/init/pattern.rs"]
mod pattern;
mod release;
mod sbom;
mod scratch;
mod seed;
#[allow(dead_code, reason = "shared with PID 1, which does more with it")]
#[path = "../../appliance/update/slot.rs"]
mod slot;
mod sources;
mod tool;
mod window;

use clap::Parser;
use line::{Act, Line};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The box looks for it on its boot partition.
const PRESET: &str = "mailroom.toml";

fn main() -> ExitCode {
    let line = Line::parse();
    match act(&line.act) {
        Ok(octets) => {
            let _ = std::io::stdout().write_all(&octets);
            ExitCode::SUCCESS
        }
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "image: {why}");
            ExitCode::FAILURE
        }
    }
}

/// What is to be printed.
fn act(act: &Act) -> Result<Vec<u8>, String> {
    let project = project()?;
    match act {
        Act::Build(line) => {
            let order = build::Order {
                project: &project,
                board: &line.board,
                binary: &line.binary,
                compilers: &line.compilers,
                into: &line.into,
                time: line.time,
                version: line.version.clone(),
                keys: &keys(&project, line.keys.as_deref()),
                locked: line.locked,
                accept: line.accept,
            };
            build::build(&order).map(String::into_bytes)
        }
        Act::Bundle { image, key, from, into, keys: named } => {
            let keys = &keys(&project, named.as_deref());
            let secret = &bundle::secret(key)?;
            let order = bundle::Order { image, secret, from: from.clone(), into, keys };
            bundle::bundle(&order).map(String::into_bytes)
        }
        Act::Sign { file, key, keys: named } => {
            bundle::sign(file, key, &keys(&project, named.as_deref())).map(String::into_bytes)
        }
        Act::Key { file } => bundle::key(file).map(String::into_bytes),
        Act::Inspect { json, file, keys: named } => {
            inspect_file(file, *json, &keys(&project, named.as_deref()))
        }
        Act::Emulate { image, disk, fresh, size, forward, lan, preset, serial, monitor, more } => {
            new_or_old(disk, preset.as_deref(), || emulate::disk(image, disk, size << 20, *fresh))?;
            let order = emulate::Order {
                image,
                disk,
                forward,
                lan: lan.as_deref(),
                serial: serial.as_deref(),
                monitor: monitor.as_deref(),
                more,
            };
            emulate::emulate(&order).map(|()| Vec::new())
        }
        Act::Sources { packages, into } => {
            let lock = build::read_lock(&project)?;
            let owed = sources::fetch(&project, &lock, packages, into)?;
            owed.whole().map(|()| owed.to_string().into_bytes())
        }
        Act::Release(line) => {
            let order = release::Order {
                project: &project,
                binary: &line.binary,
                compilers: &line.compilers,
                time: line.time,
                version: line.version.clone(),
                keys: &keys(&project, line.keys.as_deref()),
                key: &line.key,
                from: &line.from,
                without_sources: line.without_sources,
            };
            release::release(&order).map(String::into_bytes)
        }
        Act::Label { image } => label::label(&project, image).map(String::into_bytes),
        Act::Put { image, file } => put_file(image, file).map(|()| Vec::new()),
        Act::Get { image, name } => get_file(image, name),
    }
}

fn get_file(image: &Path, name: &str) -> Result<Vec<u8>, String> {
    let opened = opened(image, false)?;
    let found = boot_partition(&opened).and_then(|mut boot| fat::get(&mut boot, name));
    found.map_err(|why| format!("{}: {why}", image.display()))
}

/// The folder with board/ in it: this one, or the one that the tool was built in.
fn project() -> Result<PathBuf, String> {
    let here = std::env::current_dir().map_err(|error| error.to_string())?;
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let found = [here, built].into_iter().find(|folder| folder.join("board").is_dir());
    found.ok_or_else(|| "run this in the folder of the project".to_string())
}

/// The file with the keys that sign updates: the one named, or the project's.
fn keys(project: &Path, named: Option<&Path>) -> PathBuf {
    named.map_or_else(|| project.join(bundle::KEYS), Path::to_path_buf)
}

fn inspect_file(file: &Path, json: bool, keys: &Path) -> Result<Vec<u8>, String> {
    let mut open = opened(file, false)?;
    if bundle::is_bundle(&mut open) {
        let report = bundle::read_back(file, &bundle::trusted(keys)?)?;
        return shown(&report, json);
    }
    let report = inspect::inspect(&open);
    shown(&report.map_err(|why| format!("{}: {why}", file.display()))?, json)
}

fn shown<T: serde::Serialize + ToString>(report: &T, json: bool) -> Result<Vec<u8>, String> {
    if !json {
        return Ok(report.to_string().into_bytes());
    }
    let text = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
    Ok((text + "\n").into_bytes())
}

fn put_file(image: &Path, file: &Path) -> Result<(), String> {
    let name = file.file_name().ok_or_else(|| format!("{} is no file", file.display()))?;
    put_content(image, &name.to_string_lossy(), &kernel::read(file)?)
}

/// The disk of the box, with its preset where `make` makes it anew.
fn new_or_old(
    disk: &Path,
    preset: Option<&Path>,
    make: impl FnOnce() -> Result<bool, String>,
) -> Result<(), String> {
    // Read before a disk is made that would begin without it.
    let content = preset.map(kernel::read).transpose()?;
    match (make()?, content) {
        (true, Some(content)) => put_content(disk, PRESET, &content),
        (false, Some(_)) => Err(format!(
            "{} is there already, and only the first start reads a preset: begin with a new disk \
             (--fresh, FRESH=1)",
            disk.display()
        )),
        (_, None) => Ok(()),
    }
}

fn put_content(image: &Path, name: &str, content: &[u8]) -> Result<(), String> {
    let opened = opened(image, true)?;
    let put = boot_partition(&opened).and_then(|mut boot| fat::put(&mut boot, name, content));
    put.map_err(|why| format!("{}: {why}", image.display()))
}

fn opened(file: &Path, write: bool) -> Result<File, String> {
    let opened = File::options().read(true).write(write).open(file);
    opened.map_err(|error| format!("{}: {error}", file.display()))
}

/// The first partition, if it is a FAT one.
fn boot_partition(file: &File) -> Result<window::Window<&File>, String> {
    let mut reader = file;
    let disk = disk::read(&mut reader)?;
    let first = disk.partitions.first().filter(|first| first.kind_name == "FAT32");
    let first = first.ok_or("the first partition is no FAT32 one: not an image of Mailroom")?;
    Ok(window::Window::new(file, first.start, first.size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_is_for_a_new_disk_and_is_read_before_there_is_one() {
        let missing = Path::new("there/is/none.toml");
        let make = || -> Result<bool, String> { panic!("nothing is made without its preset") };
        let why = new_or_old(Path::new("box.disk"), Some(missing), make);
        assert!(why.is_err_and(|why| why.contains("none.toml")));
        let preset = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let why = new_or_old(Path::new("box.disk"), Some(&preset), || Ok(false));
        assert!(why.is_err_and(|why| why.contains("box.disk") && why.contains("FRESH=1")));
        assert_eq!(new_or_old(Path::new("box.disk"), None, || Ok(false)), Ok(()));
    }
}
