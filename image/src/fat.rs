//! The boot partition: FAT32, read by the board's firmware, by U-Boot and by any computer.

use crate::window::Window;
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use std::fs::File;
use std::io::{Read, Seek, Write};

/// Octets of a file of the boot partition that is taken into memory.
const FILE_BYTES: u64 = 32 << 20;

/// Makes the file system with these files. Times in it are all the same.
pub(crate) fn make(
    window: &mut Window<&File>,
    id: u32,
    files: &[(String, Vec<u8>)],
) -> Result<(), String> {
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_cluster(512)
        .volume_id(id)
        .volume_label(*b"MAILROOM   ");
    window.rewind().map_err(|error| error.to_string())?;
    fatfs::format_volume(&mut *window, options).map_err(|error| format!("FAT: {error}"))?;
    for (name, content) in files {
        put(window, name, content)?;
    }
    Ok(())
}

/// Writes a file, in place of one of the same name.
pub(crate) fn put(window: &mut Window<&File>, name: &str, content: &[u8]) -> Result<(), String> {
    let fault = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::WriteZero => format!("{name}: the boot partition is full"),
        _ => format!("{name}: {error}"),
    };
    let system = mounted(window).map_err(fault)?;
    {
        let mut file = system.root_dir().create_file(name).map_err(fault)?;
        file.truncate().and_then(|()| file.write_all(content)).map_err(fault)?;
    }
    system.unmount().map_err(fault)
}

/// Reads a file.
pub(crate) fn get(window: &mut Window<&File>, name: &str) -> Result<Vec<u8>, String> {
    let fault = |error: std::io::Error| format!("{name}: {error}");
    let system = mounted(window).map_err(fault)?;
    let file = system.root_dir().open_file(name).map_err(fault)?;
    let mut content = Vec::new();
    file.take(FILE_BYTES).read_to_end(&mut content).map_err(fault)?;
    Ok(content)
}

/// Names of files and their sizes, in alphabetical order.
pub(crate) fn list(window: &mut Window<&File>) -> Result<Vec<(String, u64)>, String> {
    let fault = |error: std::io::Error| format!("boot partition: {error}");
    let system = mounted(window).map_err(fault)?;
    let mut found = Vec::new();
    for entry in system.root_dir().iter() {
        let entry = entry.map_err(fault)?;
        if entry.is_file() {
            found.push((entry.file_name(), entry.len()));
        }
    }
    found.sort();
    Ok(found)
}

/// Reading leaves no trace of when it was.
fn mounted<'a, 'f>(
    window: &'a mut Window<&'f File>,
) -> std::io::Result<FileSystem<&'a mut Window<&'f File>>> {
    window.rewind()?;
    FileSystem::new(window, FsOptions::new().update_accessed_date(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::path::Path;

    const MIB: u64 = 1 << 20;

    fn opened(path: &Path) -> File {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).expect("a file");
        file.set_len(49 * MIB).expect("room");
        file
    }

    #[test]
    fn files_are_written_read_and_replaced() {
        let scratch = Scratch::new("fat");
        let file = opened(&scratch.path().join("a"));
        let mut window = Window::new(&file, MIB, 48 * MIB);
        let long = "bcm2837-rpi-3-b-plus.dtb";
        let files = [("boot.scr".to_string(), vec![1; 3000]), (long.to_string(), vec![2; 10])];
        make(&mut window, 0x1234_5678, &files).expect("made");
        put(&mut window, "mailroom.toml", b"domain = \"a.example\"\n").expect("put");
        put(&mut window, "boot.scr", b"shorter").expect("replaced");
        assert_eq!(get(&mut window, "boot.scr").expect("there"), b"shorter");
        let names: Vec<_> = list(&mut window).expect("listed");
        assert_eq!(
            names,
            [
                (long.to_string(), 10),
                ("boot.scr".to_string(), 7),
                ("mailroom.toml".to_string(), 21)
            ]
        );
        let why = get(&mut window, "SETUP-CODE.txt").expect_err("not there");
        assert!(why.contains("SETUP-CODE.txt"), "{why}");
        let disk = std::fs::read(scratch.path().join("a")).expect("readable");
        assert!(disk[..MIB as usize].iter().all(|o| *o == 0), "nothing before the partition");
    }

    #[test]
    fn the_same_files_make_the_same_octets() {
        let scratch = Scratch::new("fat-same");
        let octets = ["a", "b"].map(|name| {
            let path = scratch.path().join(name);
            let file = opened(&path);
            let mut window = Window::new(&file, MIB, 48 * MIB);
            make(&mut window, 7, &[("x".into(), vec![3; 5000])]).expect("made");
            std::fs::read(&path).expect("readable")
        });
        assert!(octets[0] == octets[1]);
    }

    #[test]
    fn a_full_partition_is_said() {
        let scratch = Scratch::new("fat-full");
        let file = opened(&scratch.path().join("a"));
        let mut window = Window::new(&file, MIB, 48 * MIB);
        let why = make(&mut window, 7, &[("x".into(), vec![3; 49 << 20])]).expect_err("too much");
        assert!(why.starts_with("x: "), "{why}");
    }
}
