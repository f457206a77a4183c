//! A copy of a folder with all that is in it, read back and compared.

use super::Step;
use crate::act::failure::{Failure, Kind};
use crate::limits::{
    MOVE_DEPTH, MOVE_FILES, MOVE_PIECE_BYTES, MOVE_SPARE_BYTES, MOVE_UNSYNCED_BYTES,
};
use crate::store::{Store, StoreError, verify};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use ring::digest::{Context, Digest, SHA256};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const WHAT: &str = "cannot move the mail";

/// Files of an engine that runs, which a new one makes by itself.
const STORE: &str = "store";
const LEFT_OUT: [&str; 2] = ["lock", "lock.mdb"];

/// What a folder holds, with what tells whether it is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Below the folder.
    path: PathBuf,
    is_folder: bool,
    mode: u32,
    octets: u64,
    changed: (i64, i64),
    number: u64,
}

/// Says the step, what is done of it and how much it is, in octets.
pub(crate) type Told<'a> = dyn FnMut(Step, u64, u64) + 'a;

/// Copies all of `from` into the folder `to`, which is there and empty; what is in `from` may not
/// change meanwhile. Returns its octets.
pub(crate) fn copy(from: &Path, to: &Path, told: &mut Told<'_>) -> Result<u64, Failure> {
    let listed = list(from)?;
    let of: u64 = listed.iter().map(|it| it.octets).sum();
    is_empty(to)?;
    has_room(to, of)?;
    told(Step::Copying, 0, of);
    let mut done = 0;
    for item in &listed {
        let copied = item.copy(from, to, &mut |octets| {
            done += octets;
            told(Step::Copying, done, of);
        });
        copied.map_err(|error| item.trouble("copied", &error))?;
    }
    on_disk(to, &listed)?;
    told(Step::Comparing, 0, of);
    done = 0;
    for item in listed.iter().filter(|it| !it.is_folder) {
        let mut told = |octets| {
            done += octets;
            told(Step::Comparing, done / 2, of);
        };
        let ours = item.sum(from, &mut told).map_err(|error| item.trouble("read again", &error))?;
        let theirs = item.sum(to, &mut told);
        let theirs = theirs.map_err(|error| item.trouble("read from the new disk", &error))?;
        if ours.as_ref() != theirs.as_ref() {
            let why = format!("the new disk gives back something else: {}", item.path.display());
            return Err(Failure::new(WHAT, why, "take another disk").of_kind(Kind::Trouble));
        }
    }
    unchanged(from, &listed)?;
    Ok(of)
}

/// Checks every row of the store in the copy.
pub(crate) fn check(to: &Path, told: &mut Told<'_>) -> Result<(), Failure> {
    told(Step::Checking, 0, 0);
    let failed = |error: StoreError| {
        let why = format!("the copy of the mail cannot be read: {error}");
        Failure::new(WHAT, why, "take another disk").of_kind(Kind::Trouble)
    };
    let store = Store::open_read_only(&to.join("store")).map_err(failed)?;
    let report = verify::verify(&store, &mut |done, of| told(Step::Checking, done, of));
    let report = report.map_err(failed)?;
    match report.faults.first() {
        None => Ok(()),
        Some(first) => {
            let count = report.faults.len();
            let why = format!("the store is damaged: {count} faults, the first: {first}");
            let remedy = "run `mailroom verify`; bring a backup back, or salvage the store";
            Err(Failure::new(WHAT, why, remedy).of_kind(Kind::Trouble))
        }
    }
}

/// What is in the folder: each folder before what is in it.
fn list(folder: &Path) -> Result<Vec<Listed>, Failure> {
    let mut listed = Vec::new();
    list_into(folder, Path::new(""), MOVE_DEPTH, &mut listed)?;
    Ok(listed)
}

fn list_into(
    folder: &Path,
    below: &Path,
    depth: usize,
    listed: &mut Vec<Listed>,
) -> Result<(), Failure> {
    let at = folder.join(below);
    let trouble = |error: io::Error| {
        Failure::new(WHAT, format!("{} cannot be read: {error}", at.display()), "")
            .of_kind(Kind::Trouble)
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(&at).map_err(trouble)? {
        names.push(entry.map_err(trouble)?.file_name());
    }
    names.sort();
    for name in names {
        let path = below.join(&name);
        let data = fs::symlink_metadata(folder.join(&path)).map_err(trouble)?;
        let (is_folder, is_file) = (data.is_dir(), data.is_file());
        if LEFT_OUT.iter().any(|it| Path::new(STORE).join(it) == path) || is_made_anew(&data) {
            continue;
        }
        let odd = |why: &str| Failure::new(WHAT, format!("{} {why}", path.display()), "move it");
        if !is_folder && !is_file {
            return Err(odd("is neither a file nor a folder"));
        }
        if listed.len() >= MOVE_FILES || depth == 0 {
            return Err(odd("is one of too many files, or too deep in folders"));
        }
        listed.push(Listed {
            path: path.clone(),
            is_folder,
            mode: data.mode() & 0o7777,
            octets: if is_file { data.len() } else { 0 },
            // What is left out changes its folder.
            changed: if is_file { (data.mtime(), data.mtime_nsec()) } else { (0, 0) },
            number: data.ino(),
        });
        if is_folder {
            list_into(folder, &path, depth - 1, listed)?;
        }
    }
    Ok(())
}

/// Sockets and pipes belong to a process.
fn is_made_anew(data: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    data.file_type().is_socket() || data.file_type().is_fifo()
}

fn is_empty(to: &Path) -> Result<(), Failure> {
    let trouble = |error: io::Error| {
        Failure::new(WHAT, format!("the new disk cannot be read: {error}"), "take another disk")
            .of_kind(Kind::Trouble)
    };
    match fs::read_dir(to).map_err(trouble)?.next() {
        None => Ok(()),
        Some(_) => Err(Failure::new(WHAT, "the new disk is not empty", "try again")),
    }
}

fn has_room(to: &Path, octets: u64) -> Result<(), Failure> {
    let room = nix::sys::statvfs::statvfs(to).map_err(|errno| {
        Failure::new(WHAT, format!("the room of the new disk is not told: {errno}"), "")
            .of_kind(Kind::Trouble)
    })?;
    enough(room.blocks_available().saturating_mul(room.fragment_size()), octets)
}

fn enough(room: u64, octets: u64) -> Result<(), Failure> {
    let need = octets.saturating_add(MOVE_SPARE_BYTES);
    if room >= need {
        return Ok(());
    }
    let (room, need) = (crate::act::words::octets(room), crate::act::words::octets(need));
    let why = format!("the new disk is too small: it has room for {room}, and {need} are needed");
    Err(Failure::new(WHAT, why, "take a larger disk").of_kind(Kind::Full))
}

/// Did anybody write in `from` since it was listed?
fn unchanged(from: &Path, before: &[Listed]) -> Result<(), Failure> {
    let now = list(from)?;
    let other = now.iter().find(|it| !before.contains(it));
    let gone = || before.iter().find(|it| !now.contains(it));
    match other.or_else(gone) {
        None => Ok(()),
        Some(it) => {
            let why = format!("{} was changed meanwhile", it.path.display());
            Err(Failure::new(WHAT, why, "try again").of_kind(Kind::Trouble))
        }
    }
}

/// Folders from within: each name is on the disk then.
fn on_disk(to: &Path, listed: &[Listed]) -> Result<(), Failure> {
    for item in listed.iter().rev().filter(|it| it.is_folder) {
        let synced = File::open(to.join(&item.path)).and_then(|folder| folder.sync_all());
        synced.map_err(|error| item.trouble("written", &error))?;
    }
    let synced = File::open(to).and_then(|folder| folder.sync_all());
    synced.map_err(|error| {
        Failure::new(WHAT, format!("the new disk cannot be written: {error}"), "take another disk")
            .of_kind(Kind::Trouble)
    })
}

impl Listed {
    fn trouble(&self, done: &str, error: &io::Error) -> Failure {
        let path = self.path.display();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                let why = format!("the new disk is full: {path} has no room on it");
                Failure::new(WHAT, why, "take a larger disk").of_kind(Kind::Full)
            }
            _ => {
                Failure::new(WHAT, format!("{path} cannot be {done}: {error}"), "take another disk")
                    .of_kind(Kind::Trouble)
            }
        }
    }

    fn copy(&self, from: &Path, to: &Path, told: &mut dyn FnMut(u64)) -> io::Result<()> {
        let place = to.join(&self.path);
        if self.is_folder {
            DirBuilder::new().mode(0o700).create(&place)?;
            return fs::set_permissions(&place, Permissions::from_mode(self.mode));
        }
        let mut source = File::open(from.join(&self.path))?;
        let mut target =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place)?;
        let mut piece = vec![0; MOVE_PIECE_BYTES];
        let mut unsynced = 0;
        loop {
            let count = read(&mut source, &mut piece)?;
            if count == 0 {
                break;
            }
            target.write_all(piece.get(..count).unwrap_or_default())?;
            unsynced += count as u64;
            if unsynced >= MOVE_UNSYNCED_BYTES {
                target.sync_data()?;
                drop_cache(&source);
                drop_cache(&target);
                unsynced = 0;
            }
            told(count as u64);
        }
        target.set_permissions(Permissions::from_mode(self.mode))?;
        target.set_modified(source.metadata()?.modified()?)?;
        target.sync_all()?;
        drop_cache(&source);
        drop_cache(&target);
        Ok(())
    }

    /// As it is on the disk.
    fn sum(&self, folder: &Path, told: &mut dyn FnMut(u64)) -> io::Result<Digest> {
        let mut file = File::open(folder.join(&self.path))?;
        drop_cache(&file);
        let mut sum = Context::new(&SHA256);
        let mut piece = vec![0; MOVE_PIECE_BYTES];
        loop {
            let count = read(&mut file, &mut piece)?;
            if count == 0 {
                drop_cache(&file);
                return Ok(sum.finish());
            }
            sum.update(piece.get(..count).unwrap_or_default());
            told(count as u64);
        }
    }
}

fn read(file: &mut File, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(into) {
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            other => return other,
        }
    }
}

/// What is read next comes from the disk. A file system that cannot is read as it is.
pub(super) fn drop_cache(file: &File) {
    let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_told_as_such_before_and_while_it_is_written() {
        let no = enough(MOVE_SPARE_BYTES + 999, 1_000).expect_err("too small");
        assert!(no.kind == Kind::Full && no.why.contains("too small"), "{no:?}");
        assert_eq!(enough(MOVE_SPARE_BYTES + 1_000, 1_000), Ok(()));
        let listed = Listed {
            path: "store/data.mdb".into(),
            is_folder: false,
            mode: 0o600,
            octets: 7,
            changed: (0, 0),
            number: 1,
        };
        let full = io::Error::from(ErrorKind::StorageFull);
        let no = listed.trouble("copied", &full);
        assert!(no.kind == Kind::Full && no.why.contains("disk is full: store/data.mdb"), "{no:?}");
        let no = listed.trouble("copied", &io::Error::from_raw_os_error(5));
        assert!(no.kind == Kind::Trouble && no.why.contains("cannot be copied"), "{no:?}");
    }
}
