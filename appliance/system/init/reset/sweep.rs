//! Everything below /data goes, or what an old copy of it is. The partition is not formatted: what
//! is left has to be provable.

use super::KEPT;
use crate::limits;
use crate::system::init::elsewhere::ELSEWHERE;
use crate::system::init::{DATA, folder};
use crate::system::syscall::{Kind, System};
use std::io;

/// What e2fsck puts there is found again.
const FOUND: &str = "/data/lost+found";

/// What is left on the system's disk of an office that is elsewhere: who the device is, and where.
const KEPT_HOME: [&str; 2] = ["disk-id", ELSEWHERE];

/// All that is in a folder, which stays. One that is not there holds nothing.
pub(crate) fn folder(system: &mut dyn System, path: &str) -> Result<(), String> {
    let mut left = None;
    match system.list(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        _ => (),
    }
    for path in below(system, path, &mut left) {
        remove(system, path, &mut left);
    }
    left.map_or(Ok(()), Err)
}

/// All of a data partition that is mounted there, but [`KEPT_HOME`] of PID 1's folder.
pub(crate) fn home(system: &mut dyn System, root: &str) -> Result<(), String> {
    let mut left = None;
    let own = folder::FOLDER.replacen(DATA, root, 1);
    for path in below(system, root, &mut left) {
        if path != own {
            remove(system, path, &mut left);
            continue;
        }
        let kept = KEPT_HOME.map(|name| format!("{own}/{name}"));
        for path in below(system, &path, &mut left) {
            if !kept.contains(&path) {
                remove(system, path, &mut left);
            }
        }
    }
    left.map_or(Ok(()), Err)
}

/// All but what is [`KEPT`], and the folders that every start makes. Nothing runs beside it. The
/// error names what is left first; all else is gone.
pub(super) fn everything(system: &mut dyn System) -> Result<(), String> {
    let mut left = None;
    for path in below(system, DATA, &mut left) {
        match path.as_str() {
            folder::FOLDER => {
                let kept = KEPT.map(|name| format!("{}/{name}", folder::FOLDER));
                for path in below(system, &path, &mut left) {
                    if !kept.contains(&path) {
                        remove(system, path, &mut left);
                    }
                }
            }
            folder::MAIL | FOUND => {
                for path in below(system, &path, &mut left) {
                    remove(system, path, &mut left);
                }
            }
            _ => remove(system, path, &mut left),
        }
    }
    left.map_or(Ok(()), Err)
}

fn below(system: &mut dyn System, path: &str, left: &mut Option<String>) -> Vec<String> {
    let names = noted(system.list(path), path, left).unwrap_or_default();
    names.into_iter().map(|name| format!("{path}/{name}")).collect()
}

/// The first that fails is told.
fn noted<T>(done: io::Result<T>, path: &str, left: &mut Option<String>) -> Option<T> {
    // A path may be as long as whoever made it liked.
    let told = |error: io::Error| format!("{path}: {error}").chars().take(200).collect::<String>();
    done.map_err(|error| left.get_or_insert_with(|| told(error)).len()).ok()
}

/// A file, or a folder with what is in it.
fn remove(system: &mut dyn System, path: String, left: &mut Option<String>) {
    let mut own = None;
    let mut waiting = vec![(path, false)];
    while let Some((path, is_empty)) = waiting.pop() {
        system.feed_watchdog();
        if is_empty {
            // One with something left in it stays, so that the rest is seen.
            if own.is_none() {
                noted(system.remove_folder(&path), &path, &mut own);
            }
            continue;
        }
        match noted(system.kind(&path), &path, &mut own) {
            Some(Kind::Folder) => {
                waiting.push((path.clone(), true));
                let inside = below(system, &path, &mut own);
                waiting.extend(inside.into_iter().map(|path| (path, false)));
            }
            Some(Kind::File(length)) => drop(noted(erase(system, &path, length), &path, &mut own)),
            Some(Kind::Other) => drop(noted(system.remove(&path), &path, &mut own)),
            None => (),
        }
    }
    *left = left.take().or(own);
}

fn erase(system: &mut dyn System, path: &str, length: u64) -> io::Result<()> {
    if (1..=limits::RESET_OVERWRITTEN_BYTES).contains(&length) {
        let zeros = vec![0; usize::try_from(length).unwrap_or(0)];
        system.write_at(path, 0, &zeros)?;
    }
    // At once a large file might take longer than the watchdog waits.
    let mut rest = length;
    while rest > limits::RESET_PART_BYTES {
        rest -= limits::RESET_PART_BYTES;
        system.feed_watchdog();
        system.shorten(path, rest)?;
    }
    system.remove(path)
}
