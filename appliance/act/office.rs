//! What belongs to an office beside its store, and goes into a backup with it: settings, the keys
//! that sign mail, certificates and their keys.
//!
//! ```text
//! mailroom.toml   settings; addresses and ports to listen at stay those of the machine, and the
//!                 folder of its backups
//! secret.key      return addresses of forwarded mail are proven by it
//! dkim/..         keys that sign mail
//! tls/..          the box's own authority, the certificate, keys, the account at an authority
//! ```
//!
//! What a restore replaces is kept in DATA/before-restore-N, as the store's file is in DATA/store.

use crate::limits::{BACKUP_PARTS_BYTES, SETTINGS_BYTES};
use crate::net::is_own_address;
use crate::settings::{self, Settings, replace_file};
use crate::store::StoreError;
use crate::store::backup::{self, Parts};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path};

const SETTINGS: &str = "mailroom.toml";
/// What there is in DATA, in the order in which it is put there: settings last.
const ITEMS: [&str; 4] = ["secret.key", "dkim", "tls", SETTINGS];
/// The folder beside the new items that takes the old ones.
const REPLACED: &str = "replaced";
/// What is about a moment, and of no use after it.
const PASSING: [&str; 1] = ["tls/acme-asked"];

/// The files of the data folder that go into a backup.
pub(crate) fn parts(data: &Path) -> Result<Parts, StoreError> {
    let mut parts = Parts::new();
    let mut octets = 0;
    for item in ITEMS {
        collect(data, Path::new(item), &mut parts, &mut octets)?;
    }
    Ok(parts)
}

fn collect(
    data: &Path,
    below: &Path,
    parts: &mut Parts,
    octets: &mut u64,
) -> Result<(), StoreError> {
    let path = data.join(below);
    let kind = match fs::symlink_metadata(&path) {
        Ok(about) => about.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(trouble(&path, &error)),
    };
    if kind.is_dir() {
        for entry in fs::read_dir(&path).map_err(|error| trouble(&path, &error))? {
            let entry = entry.map_err(|error| trouble(&path, &error))?;
            collect(data, &below.join(entry.file_name()), parts, octets)?;
        }
        return Ok(());
    }
    let name = below.to_string_lossy().into_owned();
    // Half of a file that is replaced just now, a lock, or what somebody else has put here.
    if !kind.is_file() || !is_name(&name) || name.ends_with(".new") || name.ends_with("lock") {
        return Ok(());
    }
    if PASSING.contains(&name.as_str()) {
        return Ok(());
    }
    let read = fs::read(&path).map_err(|error| trouble(&path, &error))?;
    *octets += read.len() as u64;
    if *octets > BACKUP_PARTS_BYTES {
        return Err(StoreError::Limit("octets of settings and keys"));
    }
    parts.insert(name, read);
    Ok(())
}

/// A name that leads to nowhere else, whoever wrote it.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let path = Path::new(name);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    let first = name.split('/').next().unwrap_or_default();
    inside
        && name.chars().all(plain)
        && ITEMS.contains(&first)
        && matches!(first, "dkim" | "tls") == name.contains('/')
}

/// Makes of the parts of another machine those of this one, with the data in `data`: where it
/// listens is its own.
pub(crate) fn settle(data: &Path, parts: &mut Parts) -> Result<(), StoreError> {
    if !parts.keys().all(|name| is_name(name)) {
        return Err(StoreError::Corrupt("the names of settings and keys in the backup".into()));
    }
    let Some(text) = parts.get(SETTINGS) else { return Ok(()) };
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= SETTINGS_BYTES);
    let theirs = text.and_then(settings::read);
    let mut theirs = theirs.ok_or(StoreError::Invalid(BAD_SETTINGS))?;
    let ours = settings::load(&data.join(SETTINGS));
    theirs.backup.folder = ours.as_ref().ok().and_then(|ours| ours.backup.folder.clone());
    if let Ok(Settings { listen, ports, .. }) = ours {
        (theirs.listen, theirs.ports) = (listen, ports);
    }
    // A door at an address that this machine lacks would keep all of it closed.
    theirs.scanner = theirs.scanner.filter(|it| it.listen.iter().all(is_own_address));
    parts.insert(SETTINGS.to_string(), settings::print(&theirs).into_bytes());
    Ok(())
}

/// Why a backup is not taken whose settings this version cannot read.
pub(crate) const BAD_SETTINGS: &str =
    "the settings in the backup cannot be read: a newer version may have written them";

/// Brings the backup back whose restore was decided on, just now or before the power went; nobody
/// may use `data` meanwhile.
pub(crate) fn finish_restore(data: &Path) -> Result<(), StoreError> {
    backup::finish(&data.join("store"), &|side| put(data, side))
}

/// Writes parts into the folder `side`, from where `put` takes them.
pub(crate) fn write(side: &Path, parts: &Parts) -> Result<(), StoreError> {
    write_all(side, parts).map_err(|error| trouble(side, &error))
}

fn write_all(side: &Path, parts: &Parts) -> io::Result<()> {
    folder(side)?;
    // What is replaced is put here first: later there may be no room for a folder.
    folder(&side.join(REPLACED))?;
    for (name, octets) in parts.iter().filter(|(name, _)| is_name(name)) {
        let path = side.join(name);
        path.parent().map_or(Ok(()), folder)?;
        replace_file(&path, octets)?;
    }
    fs::File::open(side)?.sync_all()
}

/// Puts what was written into `side` in its place in `data`; nobody may use it meanwhile. What was
/// there is kept. Goes on where it was broken off.
pub(crate) fn put(data: &Path, side: &Path) -> Result<(), StoreError> {
    let kept = backup::free_name(data)?;
    swap(data, side, &kept).map_err(|error| trouble(side, &error))
}

fn swap(data: &Path, side: &Path, kept_as: &Path) -> io::Result<()> {
    let replaced = side.join(REPLACED);
    for item in ITEMS {
        let (new, there, kept) = (side.join(item), data.join(item), replaced.join(item));
        if !new.exists() {
            continue;
        }
        // Where it is kept already, what is there was made since.
        if !kept.exists() {
            rename(&there, &kept)?;
        }
        fs::rename(&new, &there)?;
    }
    // Of a machine that had nothing yet nothing is kept.
    let _ = fs::remove_dir(&replaced);
    if replaced.exists() {
        fs::rename(&replaced, kept_as)?;
    }
    fs::File::open(data)?.sync_all()
}

/// There may be nothing to rename.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn trouble(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::DiskFull,
        _ => StoreError::Engine(format!("{}: {error}", path.display())),
    }
}
