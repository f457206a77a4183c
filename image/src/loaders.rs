//! Loaders: what a board's chip reads from fixed places of the disk before there are partitions for
//! it. They are written with the image and never again: no update touches them.
//!
//! `loaders.toml` on the boot partition notes what was written where, so that a disk can be held
//! against it later: a card that was written in part, or over which another system put its loader,
//! is told by it.

use crate::layout::{self, Place};
use crate::{disk, fat, tool, window::Window};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;

/// On the boot partition.
pub(crate) const NOTE: &str = "loaders.toml";

/// One loader, as it goes onto the disk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Loader {
    pub name: String,
    /// Octets from the start of the disk.
    pub at: u64,
    pub content: Vec<u8>,
}

/// What is noted of a loader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub name: String,
    pub at: u64,
    pub octets: u64,
    pub sha256: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    #[serde(default)]
    loader: Vec<Row>,
}

/// A noted loader, and whether it is what the disk holds.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Found {
    #[serde(flatten)]
    pub row: Row,
    pub whole: bool,
}

impl Loader {
    fn row(&self) -> Row {
        Row {
            name: self.name.clone(),
            at: self.at,
            octets: self.content.len() as u64,
            sha256: sum(&self.content),
        }
    }
}

/// The rows of loaders that may stand where they are to stand.
pub(crate) fn rows(loaders: &[Loader]) -> Result<Vec<Row>, String> {
    let rows: Vec<Row> = loaders.iter().map(Loader::row).collect();
    check(&rows)?;
    Ok(rows)
}

/// The note of them; nothing for a board without loaders.
pub(crate) fn note(rows: Vec<Row>) -> Result<Option<Vec<u8>>, String> {
    if rows.is_empty() {
        return Ok(None);
    }
    let text = toml::to_string(&Noted { loader: rows }).map_err(|error| error.to_string())?;
    let head =
        "# What the board's chip reads before the first partition: written with the image.\n";
    Ok(Some(format!("{head}\n{text}").into_bytes()))
}

/// Loaders overlap neither each other nor anything else that has its place on the disk.
pub(crate) fn check(rows: &[Row]) -> Result<(), String> {
    let mut taken: Vec<(String, Place)> = layout::fixed();
    for Row { name, at, octets, .. } in rows {
        if !at.is_multiple_of(disk::SECTOR) {
            return Err(format!("{name} at {at} does not begin with a sector"));
        }
        if *octets == 0 {
            return Err(format!("{name} is empty"));
        }
        let place = Place { start: *at, size: *octets };
        let end = at.checked_add(*octets).filter(|end| *end <= layout::BOOT.start);
        let Some(end) = end else {
            let first = layout::BOOT.start;
            return Err(format!(
                "{name} at {at}, {octets} octets, reaches into partition 1 ({first})"
            ));
        };
        let touches = |other: &Place| *at < other.start + other.size && other.start < end;
        if let Some((what, other)) = taken.iter().find(|(_, other)| touches(other)) {
            let (from, to) = (other.start, other.start + other.size);
            return Err(format!("{name} from {at} to {end} overlaps {what} from {from} to {to}"));
        }
        taken.push((name.clone(), place));
    }
    Ok(())
}

/// What is noted on a disk, each loader compared with its sum.
pub(crate) fn found(file: &File) -> Result<Vec<Found>, String> {
    let mut boot = Window::new(file, layout::BOOT.start, layout::BOOT.size);
    if !fat::list(&mut boot)?.iter().any(|(name, _)| name == NOTE) {
        return Ok(Vec::new());
    }
    let text = fat::get(&mut boot, NOTE)?;
    let noted = toml::from_str::<Noted>(&String::from_utf8_lossy(&text));
    let rows = noted.map_err(|error| format!("{NOTE}: {error}"))?.loader;
    // It bounds what is read, too.
    check(&rows).map_err(|why| format!("{NOTE}: {why}"))?;
    let mut reader = file;
    let held = |row: Row| {
        let mut content = vec![0; usize::try_from(row.octets).unwrap_or_default()];
        disk::read_at(&mut reader, row.at, &mut content)?;
        Ok(Found { whole: sum(&content) == row.sha256, row })
    };
    rows.into_iter().map(held).collect()
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { name, at, octets, .. } = &self.row;
        let (start, end) = (disk::size(*at), disk::size(at + octets));
        write!(f, "loader {name}: {octets} octets at {start}, up to {end}, ")?;
        f.write_str(match self.whole {
            true => "as it was written",
            false => "NOT WHAT WAS WRITTEN: the board may not start",
        })
    }
}

fn sum(content: &[u8]) -> String {
    tool::hex(digest(&SHA256, content).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, at: u64, octets: u64) -> Row {
        Row { name: name.into(), at, octets, sha256: String::new() }
    }

    #[test]
    fn loaders_overlap_nothing_that_has_its_place() {
        const MIB: u64 = 1 << 20;
        let good = [
            vec![row("first", 0x8000, 4 * MIB - 0x8000), row("second", 8 * MIB, 4 * MIB)],
            vec![row("first", 512, 512), row("second", 1024, 1)],
            vec![row("between", 4 * MIB + 512, 8 * MIB - 512)],
            vec![row("last", 13 * MIB + 512, 3 * MIB - 512)],
        ];
        for rows in good {
            assert_eq!(check(&rows), Ok(()), "{rows:?}");
        }
        for (rows, why) in [
            (vec![row("x", 0, 1)], "overlaps the partition table from 0 to 512"),
            (vec![row("x", 0x8000, 4 * MIB - 0x8000 + 1)], "overlaps a copy of the slot state"),
            (vec![row("x", 4 * MIB, 1)], "overlaps a copy of the slot state"),
            (vec![row("x", 8 * MIB, 4 * MIB + 1)], "overlaps a copy of the slot state"),
            (vec![row("x", 13 * MIB, 1)], "overlaps the note of PID 1"),
            (vec![row("x", 15 * MIB, MIB + 1)], "reaches into partition 1"),
            (vec![row("x", u64::MAX - 511, 512)], "reaches into partition 1"),
            (vec![row("x", 0x8000, 1024), row("y", 0x8200, 1)], "y from 33280 to 33281 overlaps x"),
            (vec![row("x", 0x8200, 1), row("y", 0x8000, 1024)], "y from 32768 to 33792 overlaps x"),
            (vec![row("x", 700, 1)], "does not begin with a sector"),
            (vec![row("x", 0x8000, 0)], "x is empty"),
        ] {
            let told = check(&rows).expect_err(why);
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let loader = Loader { name: "spl.bin".into(), at: 0x2000, content: vec![7; 900] };
        let rows = rows(&[loader]).expect("it may stand there");
        let text = note(rows.clone()).expect("TOML").expect("one loader");
        let noted: Noted = toml::from_str(&String::from_utf8_lossy(&text)).expect("a note");
        assert_eq!(noted.loader, rows);
        assert_eq!(note(Vec::new()), Ok(None));
    }
}
