//! What an import finds at the path it is given.

use super::{at, maildir, name};
use crate::limits::MAILBOX_LEVELS;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// One mailbox to be filled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub path: PathBuf,
    pub kind: Kind,
    pub mailbox: String,
    /// Octets of its messages as they lie on the disk.
    pub octets: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Mbox,
    Maildir,
    /// One .eml file, or a folder of them.
    Letters,
    Zip,
}

/// All mailboxes at this path, in the order of their names.
pub(super) fn find(from: &Path, mailbox: Option<&str>) -> Result<Vec<Source>, String> {
    let kind = fs::metadata(from).map_err(|why| at(from, why))?;
    let levels: Vec<String> = mailbox.map(str::to_string).into_iter().collect();
    let mut found = Vec::new();
    if kind.is_dir() {
        folder(from, &levels, 0, &mut found)?;
        if found.is_empty() {
            return Err(at(
                from,
                "there is neither an mbox file nor a Maildir nor an .eml file in this folder",
            ));
        }
    } else {
        let mailbox = mailbox.unwrap_or("INBOX").to_string();
        let kind = match () {
            () if begins_with(from, b"PK\x03\x04")? => Kind::Zip,
            () if is_eml(from) => Kind::Letters,
            () => Kind::Mbox,
        };
        found.push(file(from, mailbox, kind)?);
    }
    found.sort_by(|a, b| a.mailbox.cmp(&b.mailbox).then_with(|| a.path.cmp(&b.path)));
    Ok(found)
}

fn is_eml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("eml"))
}

/// The .eml files of a folder, in the order of their names; or the one that is named.
pub(super) fn letters(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let entries = fs::read_dir(path).map_err(|why| at(path, why))?;
    let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut files: Vec<PathBuf> = files.filter(|file| is_eml(file) && file.is_file()).collect();
    files.sort();
    Ok(files)
}

fn file(path: &Path, mailbox: String, kind: Kind) -> Result<Source, String> {
    let octets = fs::metadata(path).map_err(|why| at(path, why))?.len();
    Ok(Source { path: path.to_path_buf(), kind, mailbox, octets })
}

/// A folder and what is below it; `levels` is the mailbox it stands for, empty for none.
fn folder(
    path: &Path,
    levels: &[String],
    depth: usize,
    found: &mut Vec<Source>,
) -> Result<(), String> {
    if depth > MAILBOX_LEVELS {
        return Err(at(path, "folders are nested too deep (a link to a folder above it?)"));
    }
    let is_maildir = maildir::is_maildir(path);
    if is_maildir {
        let mailbox = if levels.is_empty() { "INBOX".to_string() } else { levels.join("/") };
        let octets = maildir_octets(path)?;
        found.push(Source { path: path.to_path_buf(), kind: Kind::Maildir, mailbox, octets });
    }
    let single = letters(path)?;
    if !is_maildir && !single.is_empty() {
        let mailbox = if levels.is_empty() { "INBOX".to_string() } else { levels.join("/") };
        let length = |file: &PathBuf| fs::metadata(file).map_or(0, |kind| kind.len());
        let octets = single.iter().map(length).sum();
        found.push(Source { path: path.to_path_buf(), kind: Kind::Letters, mailbox, octets });
    }
    for entry in fs::read_dir(path).map_err(|why| at(path, why))? {
        let entry = entry.map_err(|why| at(path, why))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let (below, kind) = (entry.path(), fs::metadata(entry.path()));
        let Ok(kind) = kind else { continue };
        let mut levels = levels.to_vec();
        if kind.is_dir() && (!is_maildir || !["cur", "new", "tmp"].contains(&name.as_str())) {
            match name.strip_prefix('.') {
                Some(_) => levels.extend(name::from_maildir(&name)),
                None => levels.push(name::from_file(&name)),
            }
            folder(&below, &levels, depth + 1, found)?;
        } else if kind.is_file() && !is_maildir && !name.starts_with('.') && begins_mbox(&below)? {
            levels.push(name::from_file(&name));
            found.push(file(&below, levels.join("/"), Kind::Mbox)?);
        }
    }
    Ok(())
}

/// Is it an mbox file? An empty one named `.mbox` is an empty mailbox; other files of a folder
/// (indexes, settings) are passed over.
fn begins_mbox(path: &Path) -> Result<bool, String> {
    let named = path.extension().is_some_and(|e| e == "mbox");
    let empty = fs::metadata(path).map_err(|why| at(path, why))?.len() == 0;
    Ok(begins_with(path, b"From ")? || (named && empty))
}

fn begins_with(path: &Path, wanted: &[u8]) -> Result<bool, String> {
    let mut head = Vec::new();
    let file = fs::File::open(path).map_err(|why| at(path, why))?;
    file.take(wanted.len() as u64).read_to_end(&mut head).map_err(|why| at(path, why))?;
    Ok(head == wanted)
}

/// Files of a Maildir with their octets: name within the Maildir, in the order of their names.
pub(super) fn maildir_files(path: &Path) -> Result<Vec<(String, u64)>, String> {
    let mut files = Vec::new();
    for part in ["cur", "new"] {
        let folder = path.join(part);
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(|why| at(&folder, why))? {
            let entry = entry.map_err(|why| at(&folder, why))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(kind) = entry.metadata() else { continue };
            if kind.is_file() && !name.starts_with('.') {
                files.push((format!("{part}/{name}"), kind.len()));
            }
        }
    }
    files.sort_by(|a, b| key(&a.0).cmp(&key(&b.0)));
    Ok(files)
}

/// Names begin with the time of delivery: by it, then by the rest of the name.
fn key(name: &str) -> (u64, &str) {
    let name = name.get(4..).unwrap_or(name);
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    (name.get(..digits).and_then(|d| d.parse().ok()).unwrap_or(u64::MAX), name)
}

fn maildir_octets(path: &Path) -> Result<u64, String> {
    Ok(maildir_files(path)?.iter().map(|(_, octets)| octets).sum())
}
