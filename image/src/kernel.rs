//! The kernel of Debian: its image, its device trees, and the modules that a board needs of it.

use crate::board::{Board, Common};
use crate::devicetree::{self, Node};
use crate::initramfs::{Entry, Tree};
use crate::modules::{self, Kernel};
use crate::tool;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// An unpacked kernel package, after depmod.
pub(crate) struct Package {
    folder: PathBuf,
    pub version: String,
    pub modules: Kernel,
}

/// Files of depmod that PID 1 reads.
const TABLES: [&str; 5] =
    ["modules.dep", "modules.alias", "modules.softdep", "modules.order", "modules.builtin"];

impl Package {
    pub(crate) fn open(folder: &Path) -> Result<Package, String> {
        let all = folder.join("lib/modules");
        let entries = std::fs::read_dir(&all).map_err(|e| format!("{}: {e}", all.display()))?;
        let mut names = entries.flatten().map(|entry| entry.file_name());
        let version = names.next().ok_or("the kernel package has no modules")?;
        let version = version.to_string_lossy().to_string();
        let tables = all.join(&version);
        if !tables.join("modules.dep").is_file() {
            tool::run(tool::system("depmod").arg("-b").arg(folder).arg(&version))?;
        }
        let modules = modules::read(&tables)?;
        Ok(Package { folder: folder.to_path_buf(), version, modules })
    }

    pub(crate) fn image(&self) -> Result<Vec<u8>, String> {
        read(&self.folder.join(format!("boot/vmlinuz-{}", self.version)))
    }

    /// Where the device trees are.
    pub(crate) fn device_trees(&self) -> PathBuf {
        self.folder.join(format!("usr/lib/linux-image-{}", self.version))
    }

    pub(crate) fn device_tree(&self, name: &str) -> Result<Vec<u8>, String> {
        read(&self.device_trees().join(name))
    }

    /// What a board ships: what is named, what its device trees ask for, and what these need.
    pub(crate) fn wanted(
        &self,
        common: &Common,
        board: &Board,
    ) -> Result<BTreeSet<String>, String> {
        let named = common.modules.iter().chain(&board.modules);
        let named = named.chain(board.drivers.values().flatten());
        let mut wanted: BTreeSet<String> = named.cloned().collect();
        for tree in board.trees() {
            let nodes = devicetree::nodes(&self.device_tree(tree)?);
            for node in nodes.map_err(|why| format!("{tree}: {why}"))? {
                let driver = self.modules.driver(&node.modalias());
                wanted.extend(driver.modules.into_iter().filter(|m| !board.without.contains(m)));
            }
        }
        self.modules.closure(&wanted, &board.without)
    }

    /// Every device that a box cannot do without has a driver that is shipped or built in: what
    /// holds the disk, the network, USB, and the watchdog. The error names the first that has not.
    pub(crate) fn check(&self, board: &Board, shipped: &BTreeSet<String>) -> Result<(), String> {
        for tree in board.trees() {
            let nodes = devicetree::nodes(&self.device_tree(tree)?);
            let nodes = nodes.map_err(|why| format!("{tree}: {why}"))?;
            unserved(&self.modules, board, &nodes, shipped)
                .map_err(|why| format!("{tree}: {why}"))?;
        }
        Ok(())
    }

    /// The modules and their tables, as they stand in the initramfs. `stage` is a folder for
    /// depmod to work in.
    pub(crate) fn tree(
        &self,
        board: &Board,
        shipped: &BTreeSet<String>,
        stage: &Path,
    ) -> Result<Tree, String> {
        let base = format!("lib/modules/{}", self.version);
        let mut tree = Tree::new();
        let mut put = |name: &str, content: Vec<u8>| -> Result<(), String> {
            let file = stage.join(&base).join(name);
            std::fs::create_dir_all(file.parent().unwrap_or(stage))
                .and_then(|()| std::fs::write(&file, &content))
                .map_err(|error| format!("{}: {error}", file.display()))?;
            tree.insert(format!("{base}/{name}"), Entry::File(content));
            Ok(())
        };
        for module in shipped {
            let name = self.modules.file(module).ok_or_else(|| format!("no file of {module}"))?;
            put(name, read(&self.folder.join(&base).join(name))?)?;
        }
        for name in ["modules.order", "modules.builtin"] {
            put(name, read(&self.folder.join(&base).join(name))?)?;
        }
        tool::run(tool::system("depmod").arg("-b").arg(stage).arg(&self.version))?;
        for name in TABLES {
            let mut content = read(&stage.join(&base).join(name))?;
            if name == "modules.alias" {
                content.extend(aliases(board, shipped).into_bytes());
            }
            tree.insert(format!("{base}/{name}"), Entry::File(content));
        }
        Ok(tree)
    }
}

/// What a board's file says of drivers, as modules.alias has it: PID 1 loads by that.
fn aliases(board: &Board, shipped: &BTreeSet<String>) -> String {
    let mut lines = String::new();
    for (compatible, drivers) in &board.drivers {
        let names = drivers.iter().map(|driver| driver.replace('-', "_"));
        for name in names.filter(|name| shipped.contains(name)) {
            for end in ["", "C*"] {
                lines += &format!("alias of:N*T*C{compatible}{end} {name}\n");
            }
        }
    }
    lines
}

/// Names of nodes, without their addresses, and whether every board has at least one of them.
const DEVICES: [(&str, bool); 7] = [
    ("mmc", true),
    ("mmcnr", false),
    ("ethernet", true),
    ("usb", true),
    ("pcie", false),
    ("watchdog", true),
    // The current of a card may go through it.
    ("pmic", false),
];

fn unserved(
    kernel: &Kernel,
    board: &Board,
    nodes: &[Node],
    shipped: &BTreeSet<String>,
) -> Result<(), String> {
    for (kind, required) in DEVICES {
        let of_kind = |node: &&Node| node.kind() == kind && !node.compatible.is_empty();
        let mut any = false;
        for node in nodes.iter().filter(of_kind) {
            any = true;
            if !is_served(kernel, board, node, shipped) {
                let Node { path, compatible, .. } = node;
                return Err(format!("no driver is shipped for {path} ({})", compatible.join(", ")));
            }
        }
        if required && !any {
            return Err(format!("no node of it is called {kind} and switched on"));
        }
    }
    Ok(())
}

fn is_served(kernel: &Kernel, board: &Board, node: &Node, shipped: &BTreeSet<String>) -> bool {
    let mut named = node.compatible.iter().filter_map(|name| board.drivers.get(name));
    if let Some(drivers) = named.next() {
        return drivers.iter().all(|driver| {
            kernel.is_built_in(driver) || shipped.contains(&driver.replace('-', "_"))
        });
    }
    let driver = kernel.driver(&node.modalias());
    !driver.built_in.is_empty() || !driver.modules.is_disjoint(shipped)
}

pub(crate) fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devicetree::tests::made;

    const BOARD: &str = "about = \"x\"\nconsole = [\"c\"]\nmemory = 0\ndevice_tree = \"x\"\n\
        [drivers]\n\"acme,dog\" = [\"dog\", \"leash\"]\n";

    #[test]
    fn a_device_without_a_driver_on_board_is_named() {
        let mut kernel = Kernel::default();
        kernel.read_aliases(
            "alias of:N*T*Cacme,card card\nalias of:N*T*Cacme,usb usb\n\
             alias usb:v0424pEC00d*dc*dsc*dp*ic*isc*ip*in* smsc95xx\n",
        );
        kernel.read_built_in("kernel/dog.ko\n", "clk.alias=of:N*T*Cacme,pcie\0");
        let board: Board = toml::from_str(BOARD).expect("a board");
        let tree = |card: &str| {
            let nodes = devicetree::nodes(&made(&[
                ("mmc@1", &[("compatible", card)]),
                ("usb@2", &[("compatible", "acme,usb")]),
                ("ethernet@1", &[("compatible", "usb424,ec00")]),
                ("pcie@4", &[("compatible", "acme,pcie")]),
                ("watchdog@3", &[("compatible", "acme,dog")]),
            ]));
            nodes.expect("a tree")
        };
        let names = ["card", "usb", "smsc95xx", "leash"];
        let all: BTreeSet<String> = names.iter().map(|name| name.to_string()).collect();
        assert_eq!(unserved(&kernel, &board, &tree("acme,card"), &all), Ok(()));
        let why = unserved(&kernel, &board, &tree("acme,newer"), &all).expect_err("no driver");
        assert!(why.contains("/mmc@1 (acme,newer)"), "{why}");
        for left_out in names {
            let mut shipped = all.clone();
            shipped.remove(left_out);
            let told = unserved(&kernel, &board, &tree("acme,card"), &shipped);
            assert!(told.is_err(), "{left_out}");
        }
        assert_eq!(
            aliases(&board, &["leash".to_string()].into()),
            "alias of:N*T*Cacme,dog leash\nalias of:N*T*Cacme,dogC* leash\n",
            "PID 1 loads what is shipped; what is built in needs no loading"
        );
        let bare = devicetree::nodes(&made(&[])).expect("a tree");
        assert!(unserved(&kernel, &board, &bare, &all).expect_err("no card").contains("mmc"));
    }
}
