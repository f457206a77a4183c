//! The boards: one TOML file each in `board/`, and what all have in common. `board/README.md` says
//! what the names mean.

use crate::loaders;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `board/common.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Common {
    pub suite: String,
    pub kernel: String,
    /// The security epoch: raised when going back to an older version would open a hole.
    pub epoch: u32,
    pub packages: Vec<String>,
    pub modules: Vec<String>,
    /// Packages of sources that are owed for a package, though it does not say so.
    #[serde(default)]
    pub sources: BTreeMap<String, Vec<String>>,
}

/// `board/NAME.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Board {
    /// The name of its file.
    #[serde(skip)]
    pub name: String,
    pub about: String,
    /// Consoles of the kernel; the last is where the box speaks.
    pub console: Vec<String>,
    /// Where its memory begins.
    pub memory: u64,
    /// What U-Boot hands to the kernel as device tree, where the slot brings none.
    pub device_tree: String,
    /// The tree of the kernel package that goes into the slot: for a board of one model.
    pub slot_device_tree: Option<String>,
    #[serde(default)]
    pub packages: Vec<String>,
    /// Modules beside those that the device trees ask for.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Modules left out, though a device tree or another module asks for them.
    #[serde(default)]
    pub without: Vec<String>,
    /// What serves a node that is compatible to this, where no alias of a module says so: drivers
    /// that are built in tell of none, and some make devices that stand in no device tree.
    #[serde(default)]
    pub drivers: BTreeMap<String, Vec<String>>,
    /// Device trees of the kernel package: on the boot partition, by their bare names.
    #[serde(default)]
    pub device_trees: Vec<String>,
    /// Name on the boot partition, and where it comes from.
    #[serde(default)]
    pub boot: BTreeMap<String, Origin>,
    /// What is written before the first partition: where it comes from, and octets from the start
    /// of the disk.
    #[serde(default)]
    pub loader: BTreeMap<Origin, u64>,
    pub emulate: Option<Emulate>,
}

/// `package:path/in/it`, or a path from the top of the project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Origin {
    Package(String, PathBuf),
    Project(PathBuf),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Emulate {
    /// Of qemu-system-aarch64; {disk}, {device-trees}, {device-tree} and {PACKAGE} stand for paths.
    pub arguments: Vec<String>,
    /// The tree that the emulator is given as {device-tree}, of those of the kernel.
    #[serde(default)]
    pub device_tree: Option<PathBuf>,
    /// Devices of it, by what they are compatible with, that the emulator has not.
    #[serde(default)]
    pub lacks: Vec<String>,
}

pub(crate) fn common(project: &Path) -> Result<Common, String> {
    read(&project.join("board/common.toml"))
}

/// A board by its name or by its file.
pub(crate) fn board(project: &Path, name: &str) -> Result<Board, String> {
    let bare = Path::new(name).file_name().unwrap_or_default().to_string_lossy().to_string();
    let bare = bare.trim_end_matches(".toml").to_string();
    let file = project.join("board").join(format!("{bare}.toml"));
    if bare == "common" || !file.is_file() {
        let known = names(project).join(", ");
        return Err(format!("there is no board {bare:?}: the boards are {known}"));
    }
    let mut board: Board = read(&file)?;
    board.name = bare;
    Ok(board)
}

/// Every board there is.
pub(crate) fn names(project: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(project.join("board")).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.file_name().to_string_lossy().to_string());
    let mut names: Vec<String> =
        files.filter_map(|file| file.strip_suffix(".toml").map(str::to_string)).collect();
    names.retain(|name| name != "common");
    names.sort();
    names
}

impl Board {
    /// Files come from packages that are named, and loaders begin where there is room.
    pub(crate) fn check(&self) -> Result<(), String> {
        let name = &self.name;
        for origin in self.boot.values().chain(self.loader.keys()) {
            if let Origin::Package(package, _) = origin
                && !self.packages.contains(package)
            {
                return Err(format!("board {name}: {package} is not among its packages"));
            }
        }
        // How long they are is known once their packages are there.
        let begun = self.loader.iter().map(|(origin, at)| loaders::Row {
            name: origin.file_name(),
            at: *at,
            octets: 1,
            sha256: String::new(),
        });
        loaders::check(&begun.collect::<Vec<_>>()).map_err(|why| format!("board {name}: {why}"))
    }

    /// The device trees of the machines it runs on.
    pub(crate) fn trees(&self) -> impl Iterator<Item = &String> {
        self.device_trees.iter().chain(&self.slot_device_tree)
    }
}

impl Origin {
    pub(crate) fn file_name(&self) -> String {
        let (Origin::Package(_, path) | Origin::Project(path)) = self;
        path.file_name().unwrap_or_default().to_string_lossy().to_string()
    }
}

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Origin, String> {
        let (package, path) = match text.split_once(':') {
            Some((package, path)) => (Some(package), path),
            None => (None, text.as_str()),
        };
        let plain = |c: std::path::Component| matches!(c, std::path::Component::Normal(_));
        if path.is_empty() || !Path::new(path).components().all(plain) {
            return Err(format!("{text:?} is not a path below its origin"));
        }
        let path = PathBuf::from(path);
        Ok(package.map_or(Origin::Project(path.clone()), |p| Origin::Package(p.to_string(), path)))
    }
}

fn read<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T, String> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
    toml::from_str(&text).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    #[test]
    fn every_board_of_the_project_is_whole() {
        let common = common(&project()).expect("common.toml");
        assert!(!common.modules.is_empty());
        let names = names(&project());
        assert!(names.contains(&"qemu-virt".to_string()), "{names:?}");
        for name in names {
            let board = board(&project(), &name).expect("a board");
            board.check().expect("its packages");
            assert!(!board.console.is_empty(), "{name} has a console");
            for origin in board.boot.values().chain(board.loader.keys()) {
                if let Origin::Project(path) = origin {
                    assert!(project().join(path).is_file(), "{name}: {}", path.display());
                }
            }
        }
    }

    #[test]
    fn a_board_whose_loaders_begin_in_one_place_is_none() {
        let mut board = board(&project(), "rock64").expect("the board");
        assert_eq!(board.loader.values().copied().collect::<Vec<_>>(), [64 * 512, 16384 * 512]);
        let (first, _) = board.loader.first_key_value().expect("a loader");
        board.loader.insert(first.clone(), 16384 * 512);
        let why = board.check().expect_err("both at 8 MiB");
        assert!(why.contains("board rock64: u-boot.itb") && why.contains("idbloader"), "{why}");
        board.packages.clear();
        assert!(board.check().expect_err("no package").contains("u-boot-rockchip"));
    }

    /// The firmware of a Pi stops without a word when a file that config.txt names is not there.
    #[test]
    fn every_file_that_config_txt_names_is_on_the_boot_partition() {
        let board = board(&project(), "rpi-arm64").expect("the board");
        let on_it = |name: &str| {
            let tree = |tree: &String| tree.ends_with(&format!("/{name}"));
            board.boot.contains_key(name) || board.device_trees.iter().any(tree)
        };
        let config = std::fs::read_to_string(project().join("board/rpi-arm64/config.txt"));
        let config = config.expect("config.txt");
        let named: Vec<&str> = config
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once('='))
            .filter(|(_, value)| value.contains('.'))
            .map(|(_, value)| value)
            .collect();
        assert_eq!(named, ["u-boot.bin", "bcm2711-rpi-cm4-io.dtb"]);
        for name in named {
            assert!(on_it(name), "{name}");
        }
        // What the firmware of the models looks for by itself: the boot code and start of the
        // Pi 3, the start of the Pi 4, and the device tree of each with upstream_kernel=1.
        for name in ["bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat"] {
            assert!(on_it(name), "{name}");
        }
        for model in ["bcm2837-rpi-3-b", "bcm2837-rpi-3-b-plus", "bcm2711-rpi-4-b"] {
            assert!(on_it(&format!("{model}.dtb")), "{model}");
        }
    }

    #[test]
    fn origins_stay_below_where_they_come_from() {
        let origin = |text: &str| Origin::try_from(text.to_string());
        let package = Origin::Package("p".into(), "usr/lib/x".into());
        assert_eq!(origin("p:usr/lib/x"), Ok(package));
        assert_eq!(origin("board/x"), Ok(Origin::Project("board/x".into())));
        for bad in ["", "p:", "/etc/passwd", "../x", "p:../x", "p:/x"] {
            assert!(origin(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_unknown_board_is_told_of_the_known_ones() {
        let why = board(&project(), "toaster").expect_err("no such board");
        assert!(why.contains("toaster") && why.contains("qemu-virt"), "{why}");
        assert!(board(&project(), "common").is_err());
        assert_eq!(board(&project(), "board/qemu-virt.toml").expect("by file").name, "qemu-virt");
    }
}
