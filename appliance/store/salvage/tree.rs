//! A store's file read as it stands, without the engine: a backup on a stick that may be pulled
//! out, or be damaged, ends an act with an error and not the server with a signal.

use super::file::{Pages, Source};
use super::page::{self, Kind, NO_PAGE, Row};
use crate::limits::{SALVAGE_ROW_BYTES, SALVAGE_TREE_DEPTH};
use crate::store::backup::sealed::Passphrase;
use crate::store::backup::{Head, Kept};
use crate::store::error::{Result, StoreError};
use crate::store::format::{FORMAT_VERSION, Version};
use crate::store::key;
use crate::store::kv::{OnRow, Read, io_error};
use std::io;
use std::path::Path;

/// The rows of a file that nobody writes.
pub(crate) struct Archive {
    disk: Behind,
    page_size: usize,
    root: u64,
}

impl Archive {
    /// Opens a backup, sealed or not, or any other file of a store.
    pub(crate) fn open(path: &Path, passphrase: Option<&Passphrase>) -> Result<Archive> {
        Archive::of(Kept::open(path, passphrase)?)
    }

    pub(crate) fn of(kept: Kept) -> Result<Archive> {
        let head =
            Head::of(&kept).map_err(|error| io_error("the backup cannot be read", &error))?;
        let disk = Behind { begins: head.map_or(0, |head| head.begins()), kept };
        let pages = Pages::new(&disk);
        let (Some(meta), _) = pages.meta() else {
            return Err(StoreError::Invalid("the file is no backup of a store"));
        };
        let archive = Archive { page_size: pages.size, root: meta.rows_root, disk };
        let version: Option<Version> = key::load(&archive, &key::version())?;
        match version.map(|version| version.format) {
            Some(found) if found > FORMAT_VERSION => {
                Err(StoreError::Newer { found, known: FORMAT_VERSION })
            }
            Some(_) => Ok(archive),
            None => Err(StoreError::Invalid("the file is no backup of a store")),
        }
    }

    fn pages(&self) -> Pages<'_> {
        Pages::of(&self.disk, self.page_size)
    }

    /// Calls `each` with the nodes of leaves in `from..to` in order, until it says stop.
    fn nodes(
        &self,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8], Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        let pages = self.pages();
        let mut open = if self.root == NO_PAGE { Vec::new() } else { vec![(self.root, 0)] };
        let (mut octets, mut read) = (Vec::new(), 0);
        while let Some((number, depth)) = open.pop() {
            read += 1;
            let there = read <= pages.count && pages.read(number, 1, &mut octets);
            match page::kind(&octets, number).filter(|_| there) {
                Some(Kind::Leaf) => {
                    for node in page::rows(&octets) {
                        let (key, row) = node.ok_or_else(|| damaged(number))?;
                        if key >= to || key >= from && !each(key, row)? {
                            return Ok(());
                        }
                    }
                }
                Some(Kind::Branch) if depth < SALVAGE_TREE_DEPTH => {
                    let children = page::children(&octets).collect::<Option<Vec<_>>>();
                    let children = children.ok_or_else(|| damaged(number))?;
                    for (i, (key, child)) in children.iter().enumerate().rev() {
                        let ends = children.get(i + 1).is_some_and(|(next, _)| *next <= from);
                        if !ends && (i == 0 || *key < to) {
                            open.push((*child, depth + 1));
                        }
                    }
                }
                _ => return Err(damaged(number)),
            }
        }
        Ok(())
    }

    fn row(&self, row: Row<'_>, look: &mut dyn FnMut(&[u8]) -> Result<bool>) -> Result<bool> {
        let (first, size) = match row {
            Row::Here { row, .. } => return look(row),
            Row::InRun { page, size } => (page, size),
        };
        let pages = self.pages();
        let mut octets = Vec::new();
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        let count = page::pages_of_run(size.into(), pages.size);
        let fits = length <= SALVAGE_ROW_BYTES;
        if !fits || !pages.read(first, count, &mut octets) {
            return Err(damaged(first));
        }
        let row = octets.get(page::HEAD..).and_then(|row| row.get(..length));
        look(row.ok_or_else(|| damaged(first))?)
    }
}

/// The store in a backup, behind its head.
struct Behind {
    kept: Kept,
    begins: u64,
}

impl Source for Behind {
    fn length(&self) -> u64 {
        self.kept.length().saturating_sub(self.begins)
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        Source::read_at(&self.kept, self.begins.saturating_add(at), into)
    }
}

impl Read for Archive {
    fn view(&self, key: &[u8], look: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let mut found = false;
        let after = [key, &[0]].concat();
        self.scan(key, &after, &mut |_, payload| {
            found = true;
            look(payload).map(|()| false)
        })?;
        Ok(found)
    }

    fn scan(&self, from: &[u8], to: &[u8], each: &mut OnRow<'_>) -> Result<()> {
        self.nodes(from, to, &mut |key, row| {
            self.row(row, &mut |row| each(key, key::open_row(key, row)?))
        })
    }

    fn keys(
        &self,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8]) -> Result<bool>,
    ) -> Result<()> {
        self.nodes(from, to, &mut |key, _| each(key))
    }

    fn last_key(&self, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut last = None;
        self.keys(from, to, &mut |key| {
            last = Some(key.to_vec());
            Ok(true)
        })?;
        Ok(last)
    }
}

fn damaged(page: u64) -> StoreError {
    StoreError::Corrupt(format!("page {page} of the file"))
}
