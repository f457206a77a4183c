//! The first look at the file, from its first page to its last: every row that is whole, wherever
//! it stands.

use super::file::Pages;
use super::life::{Bits, Leaves};
use super::page::{self, Kind, Row};
use super::sort::Sorter;
use crate::limits::{SALVAGE_ROW_BYTES, SALVAGE_RUN_PAGES};
use crate::store::error::Result;
use crate::store::format::tag;
use crate::store::key::{self, BODY_HEAD, BODY_PART, BODY_TRACE, INDEX_BODY};
use std::path::Path;

/// What the file holds.
pub(super) struct Found {
    /// Rows by key, each with its page and payload; all but those of 'J' and references.
    pub rows: Sorter,
    /// Where rows of 'J' stand, by mail, kind and part.
    pub parts: Sorter,
    pub leaves: Leaves,
    /// Pages that the disk could not read.
    pub unreadable: u64,
    /// Whole rows of a kind that this version does not know.
    pub strange: u64,
}

/// Where a row of 'J' stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub page: u64,
    /// Where in the page the row begins; 0: it fills a run of pages.
    pub at: u16,
    /// 0: not known, since the node that says it is lost.
    pub size: u32,
}

pub(super) const PART_KEY: usize = 13;
pub(super) const SPOT: usize = 14;

impl Spot {
    pub(super) fn encode(self) -> [u8; SPOT] {
        let mut octets = [0; SPOT];
        let fields = self.page.to_be_bytes().into_iter().chain(self.at.to_be_bytes());
        let fields = fields.chain(self.size.to_be_bytes());
        octets.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        octets
    }

    pub(super) fn decode(octets: &[u8]) -> Option<Spot> {
        Some(Spot {
            page: u64::from_be_bytes(octets.get(..8)?.try_into().ok()?),
            at: u16::from_be_bytes(octets.get(8..10)?.try_into().ok()?),
            size: u32::from_be_bytes(octets.get(10..14)?.try_into().ok()?),
        })
    }
}

/// Reads the whole file once. `progress` is told how many pages are done.
pub(super) fn scan(
    pages: &Pages<'_>,
    dir: &Path,
    progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Found> {
    let leaves =
        Leaves { some: Bits::new(pages.count), whole: Bits::new(pages.count), newest_free: None };
    let (rows, parts) = (Sorter::new(dir, "rows"), Sorter::new(dir, "parts"));
    let found = Found { rows, parts, leaves, unreadable: 0, strange: 0 };
    let mut scan = Scan { pages, found, run: None, octets: Vec::new() };
    pages.each(&mut |number, octets| {
        scan.page(number, octets)?;
        progress(number + 1)
    })?;
    Ok(scan.found)
}

struct Scan<'p, 's> {
    pages: &'p Pages<'s>,
    found: Found,
    /// The run that the page before was in: its first page and the first behind it, and whether
    /// its row is whole, once that was asked.
    run: Option<(u64, u64, Option<bool>)>,
    octets: Vec<u8>,
}

impl Scan<'_, '_> {
    fn page(&mut self, number: u64, octets: Option<&[u8]>) -> Result<()> {
        let Some(octets) = octets else {
            self.found.unreadable += 1;
            return Ok(());
        };
        match page::kind(octets, number) {
            Some(Kind::Leaf) if !self.is_content(number) => self.leaf(number, octets),
            Some(Kind::Run(count)) if !self.is_content(number) => self.run(number, octets, count),
            _ => Ok(()),
        }
    }

    /// What looks like a page may be mail that was written to look so: in the middle of a run whose
    /// row is whole it is.
    fn is_content(&mut self, number: u64) -> bool {
        let Some((first, end, whole)) = self.run.filter(|run| number < run.1) else { return false };
        let whole = whole.unwrap_or_else(|| {
            let there = self.pages.read(first, end - first, &mut self.octets);
            there && page::run_row(&self.octets, None).is_some()
        });
        self.run = Some((first, end, Some(whole)));
        whole
    }

    /// The first page of a run: should the node that leads here be lost, it is found by this.
    fn run(&mut self, number: u64, octets: &[u8], count: u64) -> Result<()> {
        if !(1..=SALVAGE_RUN_PAGES).contains(&count) {
            return Ok(());
        }
        let Some(key) = page::key_in(octets.get(page::HEAD..).unwrap_or_default()) else {
            return Ok(());
        };
        self.run = Some((number, number.saturating_add(count), None));
        match part_key(key) {
            Some(part) => {
                let spot = Spot { page: number, at: 0, size: 0 };
                self.found.parts.push(&part, &[&spot.encode()])
            }
            None => Ok(()),
        }
    }

    fn leaf(&mut self, number: u64, octets: &[u8]) -> Result<()> {
        let (mut good, mut bad) = (0_usize, 0_usize);
        let mut newest_free = None;
        for node in page::rows(octets) {
            let Some((key, row)) = node else {
                bad += 1;
                continue;
            };
            match self.row(number, key, row)? {
                true => good += 1,
                false => {
                    bad += 1;
                    newest_free = newest_free.max(free_transaction(key, row, self.pages.count));
                }
            }
        }
        if good > 0 {
            self.found.leaves.some.set(number);
        }
        if good > 0 && bad == 0 {
            self.found.leaves.whole.set(number);
        }
        if let Some(transaction) = newest_free.filter(|_| good == 0) {
            let newest = Some((transaction, number));
            self.found.leaves.newest_free = self.found.leaves.newest_free.max(newest);
        }
        Ok(())
    }

    /// Keeps a row; `false` when it is not whole.
    fn row(&mut self, page: u64, key: &[u8], row: Row<'_>) -> Result<bool> {
        if let Some(part) = part_key(key) {
            let spot = match row {
                Row::Here { row, at } if key::open_row(key, row).is_ok() => {
                    let at = u16::try_from(at).unwrap_or(0);
                    Spot { page, at, size: u32::try_from(row.len()).unwrap_or(0) }
                }
                Row::Here { .. } => return Ok(false),
                // It is checked when it is read.
                Row::InRun { page, size } if page < self.pages.count => Spot { page, at: 0, size },
                // Also where its run was cut off.
                Row::InRun { .. } => return Ok(true),
            };
            if spot.size > 0 {
                self.found.parts.push(&part, &[&spot.encode()])?;
            }
            return Ok(true);
        }
        let row = match row {
            Row::Here { row, .. } => row,
            Row::InRun { page, size } => {
                let count = page::pages_of_run(size.into(), self.pages.size);
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                let fits = size <= SALVAGE_ROW_BYTES;
                if !fits || !self.pages.read(page, count, &mut self.octets) {
                    return Ok(false);
                }
                self.octets.get(page::HEAD..).and_then(|row| row.get(..size)).unwrap_or_default()
            }
        };
        let Ok(payload) = key::open_row(key, row) else { return Ok(false) };
        match key.first() {
            // References are counted anew from what comes back.
            Some(&tag::INDEX) if key.get(9) == Some(&INDEX_BODY) => {}
            Some(
                &(tag::INDEX
                | tag::VERSION
                | tag::ACCOUNT
                | tag::DOMAIN
                | tag::ROUTE
                | tag::NAME
                | tag::SUBSCRIBED
                | tag::MAIL
                | tag::EXPUNGED
                | tag::SENT
                | tag::KNOWN
                | tag::STS_POLICY
                | tag::TLS_DAY
                | tag::OWNER
                | tag::AUDIT
                | tag::OUTSIDE
                | tag::BROUGHT
                | tag::OUTGOING),
            ) => self.found.rows.push(key, &[&page.to_be_bytes(), payload])?,
            _ => self.found.strange += 1,
        }
        Ok(true)
    }
}

/// Mail, kind and part of a key of 'J'.
fn part_key(key: &[u8]) -> Option<[u8; PART_KEY]> {
    let (&first, rest) = key.split_first()?;
    let kind = *rest.get(8)?;
    let right = match kind {
        BODY_PART => rest.len() == PART_KEY,
        BODY_HEAD | BODY_TRACE => rest.len() == PART_KEY - 4,
        _ => false,
    };
    if first != tag::BODY || !right {
        return None;
    }
    let mut part = [0; PART_KEY];
    part.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    Some(part)
}

/// The transaction of a row of free pages, should it be one.
fn free_transaction(key: &[u8], row: Row<'_>, pages: u64) -> Option<u64> {
    let transaction = u64::from_le_bytes(key.try_into().ok()?);
    match row {
        Row::Here { row, .. } => page::free_list(row, pages).map(|_| transaction),
        Row::InRun { page, .. } => (page < pages).then_some(transaction),
    }
}
