//! ext4 file systems, made by mke2fs and debugfs from a folder: the same octets whoever makes
//! them, where and when. Both programs are told the time; what mke2fs takes over from the
//! folder's files (owner, times) is set by debugfs.

use crate::tool;
use std::path::Path;

/// A file system to be made.
pub(crate) struct Plan<'a> {
    pub label: &'a str,
    /// Its uuid, and the seed of its directory hashes.
    pub uuid: &'a str,
    pub size: u64,
    /// Seconds since 1970, of everything in it.
    pub time: u64,
    /// Files by their path in it, folders before what is in them.
    pub files: &'a [(String, Vec<u8>)],
    pub use_of: Use,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Read by U-Boot and replaced whole: no journal, nothing that U-Boot 2023.01 cannot read.
    Slot,
    /// Mail: a journal, and room to grow to 512 GiB.
    Data,
}

const SLOT: &str = "none,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,\
    huge_file,dir_nlink,extra_isize,metadata_csum";
const DATA: &str = "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,\
    sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum,resize_inode";

/// Makes the file system in a file of its own; `folder` is for what is staged.
pub(crate) fn make(plan: &Plan, folder: &Path, into: &Path) -> Result<(), String> {
    let stage = folder.join(format!("stage-{}", plan.label));
    let _ = std::fs::remove_dir_all(&stage);
    for (path, content) in plan.files {
        let file = stage.join(path);
        let parent = file.parent().unwrap_or(&stage);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&file, content))
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    std::fs::create_dir_all(&stage).map_err(|error| error.to_string())?;
    let file = std::fs::File::create(into).map_err(|error| error.to_string())?;
    file.set_len(plan.size).map_err(|error| error.to_string())?;
    format(plan, &stage, into)?;
    settle(plan, folder, into)
}

fn format(plan: &Plan, stage: &Path, into: &Path) -> Result<(), String> {
    let (features, more) = match plan.use_of {
        Use::Slot => (SLOT, String::new()),
        // 4 KiB from the start: blocks keep their size when the file system grows.
        Use::Data => (DATA, ",resize=512G".to_string()),
    };
    let extended = format!(
        "root_owner=0:0,hash_seed={},lazy_itable_init=0,lazy_journal_init=0{more}",
        plan.uuid
    );
    let mut command = told_the_time("mke2fs", plan.time);
    command.args(["-q", "-F", "-t", "ext4", "-O", features, "-E", &extended]);
    command.args(["-b", "4096", "-I", "256", "-m", "0", "-L", plan.label, "-U", plan.uuid]);
    command.arg("-d").arg(stage).arg(into);
    tool::run(&mut command).map(|_| ())
}

/// Owner and times of every file and folder, and of lost+found.
fn settle(plan: &Plan, folder: &Path, into: &Path) -> Result<(), String> {
    let mut paths = vec!["/".to_string()];
    for (path, _) in plan.files {
        let mut parts = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let mut above = Vec::new();
        while !parts.is_empty() {
            above.push(format!("/{parts}"));
            parts = parts.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
        paths.extend(above);
        paths.push(format!("/{path}"));
    }
    paths.sort();
    paths.dedup();
    let files = |path: &String| plan.files.iter().any(|(file, _)| format!("/{file}") == *path);
    let mut script = String::new();
    for path in &paths {
        let mode = if files(path) { "0100644" } else { "040755" };
        script += &format!("sif {path} mode {mode}\n");
        for (field, value) in [("uid", 0), ("gid", 0)] {
            script += &format!("sif {path} {field} {value}\n");
        }
        for field in ["atime", "ctime", "mtime", "crtime"] {
            script += &format!("sif {path} {field} @{}\n", plan.time);
            script += &format!("sif {path} {field}_extra 0\n");
        }
    }
    let commands = folder.join(format!("debugfs-{}", plan.label));
    std::fs::write(&commands, script).map_err(|error| error.to_string())?;
    let mut command = told_the_time("debugfs", plan.time);
    command.arg("-w").arg("-f").arg(&commands).arg(into);
    let said = tool::run(&mut command)?;
    let fault = |line: &&str| !line.starts_with("debugfs:") && !line.trim().is_empty();
    match said.lines().find(fault) {
        Some(line) => Err(format!("debugfs: {line}")),
        None => Ok(()),
    }
}

/// No configuration of the machine's own has a say.
fn told_the_time(name: &str, time: u64) -> std::process::Command {
    let mut command = tool::system(name);
    command.env("E2FSPROGS_FAKE_TIME", time.to_string()).env("MKE2FS_CONFIG", "/dev/null");
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn made(files: &[(String, Vec<u8>)], use_of: Use, name: &str) -> (Scratch, Vec<u8>) {
        let scratch = Scratch::new(name);
        let into = scratch.path().join("fs");
        let uuid = "11111111-2222-3333-4444-555555555555";
        let (label, time, size) = ("slot-a", 1_700_000_000, 16 << 20);
        let plan = Plan { label, uuid, size, time, files, use_of };
        make(&plan, scratch.path(), &into).expect("mke2fs and debugfs do their work");
        let octets = std::fs::read(&into).expect("made");
        (scratch, octets)
    }

    #[test]
    fn a_file_system_holds_its_files_and_is_the_same_each_time() {
        let files = [
            ("Image.gz".to_string(), b"kernel".to_vec()),
            ("dtbs/deep/a.dtb".to_string(), vec![7; 100_000]),
        ];
        let (scratch, first) = made(&files, Use::Slot, "ext4-first");
        let (_, second) = made(&files, Use::Slot, "ext4-second");
        assert!(first == second, "two makings differ");
        let ext4 = ext4_view::Ext4::load_from_path(scratch.path().join("fs")).expect("ext4");
        assert_eq!(ext4.read("/Image.gz").expect("a file"), b"kernel");
        assert_eq!(ext4.read("/dtbs/deep/a.dtb").expect("a file"), vec![7; 100_000]);
        let deep = ext4.metadata("/dtbs/deep").expect("a folder");
        assert_eq!((deep.uid(), deep.gid()), (0, 0));
        // Two makings in one second would not differ by the times they were made at.
        for path in ["/", "/Image.gz", "/dtbs/deep", "/dtbs/deep/a.dtb"] {
            let mut debugfs = tool::system("debugfs");
            debugfs.args(["-R", &format!("stat {path}")]).arg(scratch.path().join("fs"));
            let told = tool::run(&mut debugfs).expect("debugfs");
            for field in ["ctime", "atime", "mtime", "crtime"] {
                let wanted = format!("{field}: 0x{:08x}:00000000 ", 1_700_000_000);
                assert!(told.contains(&wanted), "{path} {field}\n{told}");
            }
        }
    }

    #[test]
    fn e2fsck_finds_nothing_to_do() {
        for use_of in [Use::Slot, Use::Data] {
            let files = [("a/b".to_string(), vec![1; 5000])];
            let (scratch, _) = made(&files, use_of, &format!("ext4-fsck-{use_of:?}"));
            let mut fsck = tool::system("e2fsck");
            tool::run(fsck.arg("-fn").arg(scratch.path().join("fs"))).expect("clean");
        }
    }
}
