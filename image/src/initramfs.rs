//! The file system that PID 1 wakes up in: one archive, loaded by U-Boot, unpacked by the kernel.
//!
//! ```text
//! /init                            the binary
//! /sbin/e2fsck                     static
//! /etc/e2fsck.conf                 the clock may be wrong
//! /etc/update-keys                 who may sign the next update: config/update-keys
//! /etc/release.toml                version, board, kernel, time of building: `Release`
//! /lib/mailroom/data.seed          the empty data file system, for another disk: seed.rs
//! /lib/modules/VERSION/kernel/...  modules as Debian made them
//! /lib/modules/VERSION/modules.*   dep alias softdep order builtin: what depmod says of them
//! /dev/console  /dev /proc /sys /run /tmp /data /boot
//! ```

use cpio::newc::{Builder, ModeFileType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `/etc/release.toml`, and `/release.toml` in the slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Release {
    pub version: String,
    pub board: String,
    pub kernel: String,
    /// Which updates may follow: `epoch` of board/common.toml.
    #[serde(default)]
    pub epoch: u32,
    /// Seconds since 1970: the clock of the box is never earlier.
    pub built: u64,
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Folder,
    File(Vec<u8>),
    Program(Vec<u8>),
    /// A character device: major, minor.
    Device(u32, u32),
}

/// Paths without a leading slash; folders of files need not be named.
pub(crate) type Tree = BTreeMap<String, Entry>;

/// Folders that PID 1 mounts on, and the console that the kernel opens before.
pub(crate) fn base() -> Tree {
    let folders = ["boot", "data", "dev", "proc", "run", "sys", "tmp"];
    let mut tree: Tree = folders.iter().map(|name| (name.to_string(), Entry::Folder)).collect();
    tree.insert("dev/console".into(), Entry::Device(5, 1));
    let config = "[options]\nbroken_system_clock = 1\n";
    tree.insert("etc/e2fsck.conf".into(), Entry::File(config.into()));
    tree
}

/// The archive, not compressed.
pub(crate) fn archive(tree: &Tree, time: u64) -> Result<Vec<u8>, String> {
    let time = u32::try_from(time).map_err(|_| "a time after 2106".to_string())?;
    let mut whole = BTreeMap::new();
    for (path, entry) in tree {
        for (at, _) in path.match_indices('/') {
            whole.entry(&path[..at]).or_insert(&Entry::Folder);
        }
        whole.insert(path, entry);
    }
    let mut out = Vec::new();
    for (number, (path, entry)) in (1..).zip(whole) {
        let builder = Builder::new(path).ino(number).uid(0).gid(0).nlink(1).mtime(time);
        let (builder, content): (Builder, &[u8]) = match entry {
            Entry::Folder => {
                (builder.mode(0o755).nlink(2).set_mode_file_type(ModeFileType::Directory), &[])
            }
            Entry::File(content) => {
                (builder.mode(0o644).set_mode_file_type(ModeFileType::Regular), content)
            }
            Entry::Program(content) => {
                (builder.mode(0o755).set_mode_file_type(ModeFileType::Regular), content)
            }
            Entry::Device(major, minor) => {
                let device = builder.mode(0o600).set_mode_file_type(ModeFileType::Char);
                (device.rdev_major(*major).rdev_minor(*minor), &[])
            }
        };
        let fault = |error: std::io::Error| format!("{path}: {error}");
        let length = u32::try_from(content.len()).map_err(|_| format!("{path} is too large"))?;
        let mut writer = builder.write(&mut out, length);
        std::io::Write::write_all(&mut writer, content).map_err(fault)?;
        writer.finish().map_err(fault)?;
    }
    cpio::newc::trailer(&mut out).map_err(|error| error.to_string())?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_holds_folders_before_files_all_of_root() {
        let mut tree = base();
        tree.insert("init".into(), Entry::Program(b"\x7fELF".to_vec()));
        tree.insert("lib/modules/6.1/modules.dep".into(), Entry::File(b"x:".to_vec()));
        let octets = archive(&tree, 1_700_000_000).expect("an archive");
        assert_eq!(octets, archive(&tree, 1_700_000_000).expect("again"));
        let (mut rest, mut seen) = (octets.as_slice(), Vec::new());
        loop {
            let reader = cpio::newc::Reader::new(rest).expect("an entry");
            let entry = reader.entry();
            if entry.is_trailer() {
                break;
            }
            assert_eq!((entry.uid(), entry.gid(), entry.mtime()), (0, 0, 1_700_000_000));
            seen.push((entry.name().to_string(), entry.mode(), entry.file_size()));
            rest = reader.finish().expect("the next");
        }
        let at = |name: &str| seen.iter().position(|(n, _, _)| n == name).expect(name);
        assert_eq!(seen[at("init")], ("init".to_string(), 0o100_755, 4));
        assert_eq!(seen[at("dev/console")].1, 0o20_600);
        assert_eq!(seen[at("lib/modules")].1, 0o40_755);
        assert!(at("lib") < at("lib/modules") && at("dev") < at("dev/console"));
    }
}
