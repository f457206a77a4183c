//! `image inspect FILE`: what is in a disk image, read without root and without mounting it.

mod disk;
mod filesystem;

use std::io::Write;
use std::process::ExitCode;

const HELP: &str = "\
Reads the disk images that Mailroom is shipped in.

Usage: image inspect [--json] FILE

Prints the partitions of a disk image (number, type, start, size) and what file system each
holds (FAT or ext: label, id, block size). Needs no root and changes nothing.

Example:
  image inspect mailroom.img
";

enum Asked {
    Help,
    Inspect { file: String, json: bool },
}

fn main() -> ExitCode {
    let mut out = std::io::stdout();
    let mut err = std::io::stderr();
    match read_line(std::env::args().skip(1)) {
        Ok(Asked::Help) => {
            let _ = out.write_all(HELP.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Asked::Inspect { file, json }) => match inspect(&file, json) {
            Ok(text) => {
                let _ = out.write_all(text.as_bytes());
                ExitCode::SUCCESS
            }
            Err(why) => {
                let _ = writeln!(err, "image: {file}: {why}");
                ExitCode::FAILURE
            }
        },
        Err(why) => {
            let _ = write!(err, "image: {why}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn read_line(words: impl Iterator<Item = String>) -> Result<Asked, String> {
    let (mut json, mut rest) = (false, Vec::new());
    for word in words {
        match word.as_str() {
            "--help" | "-h" | "help" => return Ok(Asked::Help),
            "--json" => json = true,
            option if option.starts_with('-') => return Err(format!("no such option: {option}")),
            _ => rest.push(word),
        }
    }
    match rest.as_slice() {
        [act, file] if act == "inspect" => Ok(Asked::Inspect { file: file.clone(), json }),
        [act] if act == "inspect" => Err("inspect what? name a file".into()),
        [] => Err("what shall be done?".into()),
        [act, ..] if act == "inspect" => Err("one file at a time".into()),
        [act, ..] => Err(format!("no such command: {act}")),
    }
}

fn inspect(file: &str, json: bool) -> Result<String, String> {
    let mut opened = std::fs::File::open(file).map_err(|error| error.to_string())?;
    let disk = disk::read(&mut opened)?;
    if json {
        let text = serde_json::to_string_pretty(&disk).map_err(|error| error.to_string())?;
        return Ok(text + "\n");
    }
    Ok(disk.to_string())
}
