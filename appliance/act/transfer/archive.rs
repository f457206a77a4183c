//! A .zip of mbox files, Maildirs and .eml files, as mail programs and Google Takeout make them:
//! read as a stream, nothing of it is written to disk.
//!
//! A file that unpacks to many times its size is no mail: reading stops at
//! [`crate::limits::IMPORT_ZIP_RATIO`].

use super::arrive::{Targets, eml, mbox_from};
use super::maildir::Keywords;
use super::{Imported, at, name};
use crate::limits::{IMPORT_ZIP_ENTRIES, IMPORT_ZIP_LEAST_BYTES, IMPORT_ZIP_RATIO};
use crate::message::date::Moment;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use zip::ZipArchive;

/// `above` is the mailbox that all is to stand below.
pub(super) fn zip(
    path: &Path,
    above: Option<&str>,
    into: &mut Targets<'_>,
    done: &mut Imported,
    tell: &mut dyn FnMut(u64),
) -> Result<(), String> {
    let file = File::open(path).map_err(|why| at(path, why))?;
    let size = file.metadata().map_err(|why| at(path, why))?.len();
    let archive = ZipArchive::new(BufReader::with_capacity(1 << 16, file));
    let mut archive = archive.map_err(|why| at(path, why))?;
    if archive.len() > IMPORT_ZIP_ENTRIES {
        return Err(at(path, format!("it has {} files, which are too many", archive.len())));
    }
    let mut left = size.saturating_mul(IMPORT_ZIP_RATIO).max(IMPORT_ZIP_LEAST_BYTES);
    for index in 0..archive.len() {
        tell(size.saturating_mul(index as u64) / archive.len().max(1) as u64);
        let entry = match archive.by_index(index) {
            Ok(entry) if entry.is_dir() => continue,
            Ok(entry) => entry,
            // Encrypted, or packed in a way that is not known.
            Err(why) => {
                done.skip(at(path, format!("file {index}: {why}")));
                continue;
            }
        };
        let inside = entry.name().replace('\\', "/");
        let written = written(entry.last_modified());
        let called = path.join(&inside);
        let mut reader = BufReader::new(Bounded { from: entry, left: &mut left });
        let Some(place) = Place::of(&inside, above) else { continue };
        match place {
            Place::Letter { mailbox, file } => {
                let mut raw = Vec::new();
                let most = crate::limits::MESSAGE_BYTES as u64 + 1;
                reader.by_ref().take(most).read_to_end(&mut raw).map_err(|why| at(&called, why))?;
                let flags = match file.strip_prefix("cur/") {
                    Some(_) => Keywords::default().flags(&file),
                    None => Default::default(),
                };
                eml(&called, raw, (written, flags), into.to(&mailbox, &called)?, done)?;
            }
            Place::Mbox { mailbox } => {
                let head = reader.fill_buf().map_err(|why| at(&called, why))?;
                if head.starts_with(b"From ") {
                    mbox_from(&called, reader, (&mailbox, written), into, done, &mut |_| ())?;
                    done.mailboxes += 1;
                }
            }
        }
    }
    Ok(())
}

/// What a file of an archive is, as far as its name tells.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// One message; `file` is as a Maildir calls it.
    Letter { mailbox: String, file: String },
    /// An mbox file, if it begins like one.
    Mbox { mailbox: String },
}

impl Place {
    fn of(inside: &str, above: Option<&str>) -> Option<Place> {
        let mut levels: Vec<&str> = inside.split('/').filter(|it| !it.is_empty()).collect();
        let file = levels.pop()?;
        if file.starts_with('.') || levels.contains(&"..") || levels.contains(&"__MACOSX") {
            return None;
        }
        let part = levels.last().copied().filter(|it| matches!(*it, "cur" | "new" | "tmp"));
        if let Some(part) = part {
            levels.pop();
            let mailbox = joined(above, &levels, None);
            let letter = Place::Letter { mailbox, file: format!("{part}/{file}") };
            return (part != "tmp").then_some(letter);
        }
        if file.to_ascii_lowercase().ends_with(".eml") {
            let mailbox = joined(above, &levels, None);
            return Some(Place::Letter { mailbox, file: file.to_string() });
        }
        Some(Place::Mbox { mailbox: joined(above, &levels, Some(&name::from_file(file))) })
    }
}

/// The mailbox of a folder in the archive; the top is INBOX.
fn joined(above: Option<&str>, levels: &[&str], last: Option<&str>) -> String {
    let mut all: Vec<String> = above.map(str::to_string).into_iter().collect();
    for level in levels {
        match level.strip_prefix('.') {
            Some(_) => all.extend(name::from_maildir(level)),
            None => all.push(name::from_file(level)),
        }
    }
    all.extend(last.map(str::to_string));
    if all.is_empty() { "INBOX".to_string() } else { all.join("/") }
}

fn written(stamp: Option<zip::DateTime>) -> Moment {
    let seconds = stamp.and_then(|it| {
        let month = time::Month::try_from(it.month()).ok()?;
        let day = time::Date::from_calendar_date(it.year().into(), month, it.day()).ok()?;
        let time = day.with_hms(it.hour(), it.minute(), it.second()).ok()?;
        Some(time.assume_utc().unix_timestamp())
    });
    Moment { seconds: seconds.unwrap_or(0), zone_minutes: 0 }
}

/// Gives no more than all files together may have.
struct Bounded<'l, R> {
    from: R,
    left: &'l mut u64,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => *self.left = left,
            None => {
                let why = format!("it unpacks to more than {IMPORT_ZIP_RATIO} times its size");
                return Err(io::Error::other(why));
            }
        }
        Ok(count)
    }
}
