//! Backups in a folder: on a stick, or where a machine that is no box keeps them.
//!
//! ```text
//! HOST-20261126-161503.mrb, .mrb.2, ..   a backup and its further parts; the time is UTC
//! HOST-night-20261126-020000.mrb         one that was made by itself, and goes by itself
//! mailroom-backup.id                     which stick it is: the box that uses it each night knows
//! ```
//!
//! Names come from sticks that anybody may have written: what is odd is not seen.

use super::super::words::is_unsafe;
use crate::limits::{BACKUP_FILES, BACKUP_NAME_BYTES, BACKUPS_LISTED};
use crate::store::StoreError;
use crate::store::backup::sealed;
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use time::{OffsetDateTime, PrimitiveDateTime};

const ID: &str = "mailroom-backup.id";
const ENDING: &str = ".mrb";
/// What the command line's example calls one that is not sealed.
const BARE: &str = ".backup";
const NIGHT: &str = "night-";
/// Letters of the time in a name.
const STAMP: usize = 15;
const UNFINISHED: &str = ".mrb.part";

/// A backup that lies there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    pub name: String,
    /// Seconds since 1970, by its name, or else by the file's own time.
    pub at: i64,
    /// Of all its parts that are there.
    pub octets: u64,
    pub parts: u32,
    /// Only its passphrase opens it.
    pub sealed: bool,
}

/// How a backup of this box made now is called.
pub(crate) fn name(host: &str, at: i64, nightly: bool) -> String {
    let form = time::macros::format_description!("[year][month][day]-[hour][minute][second]");
    let at = OffsetDateTime::from_unix_timestamp(at).ok().and_then(|at| at.format(form).ok());
    let night = if nightly { NIGHT } else { "" };
    format!("{}{night}{}{ENDING}", begin(host), at.unwrap_or_default())
}

/// How all backups of this box begin.
fn begin(host: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || ".-".contains(*c);
    let host: String = host.chars().filter(plain).take(BACKUP_NAME_BYTES / 2).collect();
    format!("{host}-")
}

/// When it was made, as its name says.
fn made(name: &str) -> Option<i64> {
    let bare = name.strip_suffix(ENDING)?;
    let stamp = bare.get(bare.len().checked_sub(STAMP)?..)?;
    let form = time::macros::format_description!("[year][month][day]-[hour][minute][second]");
    let at = PrimitiveDateTime::parse(stamp, form).ok()?;
    Some(at.assume_utc().unix_timestamp())
}

/// Those that lie there, the newest first; no more than a page shows.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = all(folder)?;
    entries.truncate(BACKUPS_LISTED);
    Ok(entries)
}

fn all(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let mut further = Vec::new();
    for file in fs::read_dir(folder)?.take(BACKUP_FILES) {
        let file = file?;
        let Ok(name) = file.file_name().into_string() else { continue };
        let Ok(about) = file.metadata() else { continue };
        if !about.is_file() || name.len() > BACKUP_NAME_BYTES || name.chars().any(is_unsafe) {
            continue;
        }
        if let Some(first) = first_of(&name) {
            further.push((first, about.len()));
        } else if name.ends_with(ENDING) || name.ends_with(BARE) {
            let changed = about.modified().ok().map(|at| OffsetDateTime::from(at).unix_timestamp());
            let at = made(&name).or(changed).unwrap_or(0);
            let sealed = begins(&file.path()).is_some_and(|it| it == *sealed::MARK);
            let entry = Entry { name: name.clone(), at, octets: about.len(), parts: 1, sealed };
            entries.insert(name, entry);
        }
    }
    for (first, octets) in further {
        if let Some(entry) = entries.get_mut(&first) {
            entry.octets += octets;
            entry.parts += 1;
        }
    }
    let mut entries: Vec<Entry> = entries.into_values().collect();
    entries.sort_by(|a, b| (b.at, &b.name).cmp(&(a.at, &a.name)));
    Ok(entries)
}

/// The name of the first part, of a further one.
fn first_of(name: &str) -> Option<String> {
    let (first, number) = name.rsplit_once('.')?;
    let is_number = !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit());
    (is_number && first.ends_with(ENDING)).then(|| first.to_string())
}

fn begins(path: &Path) -> Option<[u8; 16]> {
    let mut begin = [0; 16];
    File::open(path).and_then(|mut file| file.read_exact(&mut begin)).ok()?;
    Some(begin)
}

/// The file of a backup that lies there; a name that leads elsewhere is none.
pub(crate) fn path(folder: &Path, name: &str) -> Option<PathBuf> {
    let plain = !name.contains(['/', '\0']) && name.len() <= BACKUP_NAME_BYTES;
    let ends = name.ends_with(ENDING) || name.ends_with(BARE);
    (plain && ends && !name.starts_with('.')).then(|| folder.join(name))
}

/// Removes a backup: without its first part the others are none.
pub(crate) fn remove(folder: &Path, name: &str) -> io::Result<()> {
    let Some(first) = path(folder, name) else { return Err(io::ErrorKind::InvalidInput.into()) };
    fs::remove_file(&first)?;
    for number in 2.. {
        match fs::remove_file(sealed::part(&first, number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            removed => removed?,
        }
    }
    Ok(())
}

/// Removes what backups of this box left that were not finished, such as when the stick was pulled
/// out.
pub(crate) fn clear(folder: &Path, host: &str) -> io::Result<()> {
    let begin = begin(host);
    for file in fs::read_dir(folder)?.take(BACKUP_FILES) {
        let file = file?;
        let Ok(name) = file.file_name().into_string() else { continue };
        let orphan = |first: String| !folder.join(first).exists();
        let left = name.ends_with(UNFINISHED) || first_of(&name).is_some_and(orphan);
        if left && name.starts_with(&begin) {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// Octets that are free there.
pub(crate) fn free(folder: &Path) -> u64 {
    let stat = nix::sys::statvfs::statvfs(folder);
    stat.map_or(0, |stat| stat.blocks_available() * stat.fragment_size())
}

/// Nightly backups of this box, the newest first: the only ones that are ever removed. What a clock
/// that was wrong has dated into the future is not newer than all.
fn own(folder: &Path, host: &str, now: i64) -> io::Result<Vec<Entry>> {
    let begin = format!("{}{NIGHT}", begin(host));
    let is_stamp = |rest: &str| rest.len() == STAMP + ENDING.len() && made(rest).is_some();
    let mut all = all(folder)?;
    all.retain(|it| it.name.strip_prefix(&begin).is_some_and(is_stamp));
    all.sort_by_key(|it| it.at > now);
    Ok(all)
}

/// Removes the oldest until `need` octets are free, and never the one named `last_good`. Are they?
/// Where all of them together would not do, none goes.
pub(crate) fn make_room(
    folder: &Path,
    (host, now): (&str, i64),
    last_good: Option<&str>,
    need: u64,
) -> io::Result<bool> {
    let mut own = own(folder, host, now)?;
    own.retain(|it| Some(it.name.as_str()) != last_good);
    let all: u64 = own.iter().map(|it| it.octets).sum();
    if free(folder).saturating_add(all) < need {
        return Ok(false);
    }
    while free(folder) < need {
        let Some(oldest) = own.pop() else { return Ok(false) };
        remove(folder, &oldest.name)?;
    }
    Ok(true)
}

/// Removes all but the newest so many, and never the one named `last_good`.
pub(crate) fn thin_out(
    folder: &Path,
    (host, now): (&str, i64),
    last_good: Option<&str>,
    keep: usize,
) -> io::Result<()> {
    for old in own(folder, host, now)?.into_iter().skip(keep) {
        if Some(old.name.as_str()) != last_good {
            remove(folder, &old.name)?;
        }
    }
    Ok(())
}

/// Which stick it is, if it was ever asked to be one that is known.
pub(crate) fn id(folder: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(folder.join(ID)).ok()?.take(100).read_to_string(&mut text).ok()?;
    let id = text.trim();
    let is_one = id.len() == 32 && id.bytes().all(|c| c.is_ascii_hexdigit());
    is_one.then(|| id.to_string())
}

/// A new one, which no other stick has.
pub(crate) fn new_id() -> Result<String, StoreError> {
    let mut random = [0; 16];
    let none = |_| StoreError::Engine("no random numbers".to_string());
    SystemRandom::new().fill(&mut random).map_err(none)?;
    Ok(random.iter().map(|octet| format!("{octet:02x}")).collect())
}

/// Makes it one that is known by this.
pub(crate) fn set_id(folder: &Path, id: &str) -> io::Result<()> {
    let mut file = File::create(folder.join(ID))?;
    file.write_all(format!("{id}\n").as_bytes())?;
    file.sync_all()
}
