//! Which pages are in use and which hold what is long gone.
//!
//! The engine never writes into a page in use: what changes is written elsewhere, and the old page
//! stands in the file until it is taken again. So a file holds old rows beside the new, and a row
//! alone does not say which it is. What tells:
//!
//! ```text
//! reached   from the root of the newest commit: what stands there is true
//! in use    not reached, since the page above is lost, and not in the list of free pages, which is
//!           whole: true as well
//! unknown   not reached, and the list of free pages is not whole
//! free      in the list of free pages: old, and of use only where the new is lost
//! ```
//!
//! Where the new is lost is known too: the tree has gaps, between the keys beside each page that is
//! missing. A row that is found only in old pages and lies in no gap was deleted.

use super::file::Pages;
use super::page::{self, Kind, Meta, NO_PAGE, Row};
use crate::limits::{SALVAGE_GAPS, SALVAGE_TREE_DEPTH};
use std::cmp::Ordering;

/// One bit a page.
#[derive(Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn new(count: u64) -> Bits {
        Bits(vec![0; usize::try_from(count.div_ceil(64)).unwrap_or(0)])
    }

    pub(super) fn set(&mut self, at: u64) {
        if let Some(word) = usize::try_from(at / 64).ok().and_then(|at| self.0.get_mut(at)) {
            *word |= 1 << (at % 64);
        }
    }

    pub(super) fn has(&self, at: u64) -> bool {
        let word = usize::try_from(at / 64).ok().and_then(|at| self.0.get(at));
        word.is_some_and(|word| word >> (at % 64) & 1 == 1)
    }
}

/// How far a row is to be believed, by the page it stands in. Later is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Trust {
    /// Of a page that is free.
    #[default]
    Old,
    /// Of a page of which it is not known.
    Unknown,
    /// Of a page in use.
    True,
}

/// What the first look at the file learned of its leaves.
#[derive(Default)]
pub(super) struct Leaves {
    /// Pages that are leaves with at least one good row.
    pub some: Bits,
    /// Leaves all of whose rows are good.
    pub whole: Bits,
    /// The leaf that lists free pages with the newest transaction in it, and which that is.
    pub newest_free: Option<(u64, u64)>,
}

pub(super) struct Life {
    reached: Bits,
    free: Bits,
    /// Is every free page listed?
    free_is_whole: bool,
    pub gaps: Gaps,
    /// Was the tree of rows found at all?
    pub has_root: bool,
    /// Branches and leaves of the tree that are lost.
    pub lost_pages: u64,
}

impl Life {
    pub(super) fn read(pages: &Pages<'_>, meta: Option<Meta>, leaves: &Leaves) -> Life {
        let mut life = Life {
            reached: Bits::new(pages.count),
            free: Bits::new(pages.count),
            free_is_whole: false,
            gaps: Gaps::default(),
            has_root: false,
            lost_pages: 0,
        };
        match meta {
            Some(meta) => {
                life.free_is_whole = life.read_free(pages, meta.free_root);
                (meta.last_page.saturating_add(1)..pages.count)
                    .for_each(|page| life.free.set(page));
                life.has_root = life.walk(pages, meta.rows_root, leaves);
            }
            // The newest list of all pages: what the last commit freed, at the least.
            None => {
                if let Some((_, page)) = leaves.newest_free {
                    life.read_free(pages, page);
                }
            }
        }
        if !life.has_root {
            life.gaps = Gaps::everything();
        }
        if life.free_is_whole {
            life.close_gaps(pages, leaves);
        }
        life.gaps.sort();
        life
    }

    /// Is it certain for every row whether it is old?
    pub(super) fn tells_old_from_new(&self) -> bool {
        self.free_is_whole || self.has_root && self.gaps.0.is_empty()
    }

    pub(super) fn trust(&self, page: u64) -> Trust {
        if self.reached.has(page) {
            Trust::True
        } else if self.free.has(page) {
            Trust::Old
        } else if self.free_is_whole {
            Trust::True
        } else {
            Trust::Unknown
        }
    }

    /// Walks the tree of rows in order of its keys. Was there a root?
    fn walk(&mut self, pages: &Pages<'_>, root: u64, leaves: &Leaves) -> bool {
        if root == NO_PAGE {
            return true;
        }
        let mut octets = Vec::new();
        if !pages.read(root, 1, &mut octets) || page::kind(&octets, root).is_none() {
            return false;
        }
        let mut seen = Bits::new(pages.count);
        let mut open = vec![Below { page: root, from: Vec::new(), to: None, depth: 0 }];
        while let Some(below) = open.pop() {
            let number = below.page;
            // No page is in the tree twice: a branch that says so is damaged.
            let fresh = !seen.has(number);
            seen.set(number);
            if fresh && leaves.some.has(number) {
                self.reached.set(number);
                if !leaves.whole.has(number) {
                    self.lose(below);
                }
            } else if !fresh || !branch_into(pages, &below, &mut octets, &mut open) {
                self.lose(below);
            }
        }
        true
    }

    fn lose(&mut self, below: Below) {
        self.lost_pages += 1;
        self.gaps.add(below.from, below.to);
    }

    /// Marks what the tree of free pages lists. Is all of it there?
    fn read_free(&mut self, pages: &Pages<'_>, root: u64) -> bool {
        if root == NO_PAGE {
            return true;
        }
        let (mut octets, mut list) = (Vec::new(), Vec::new());
        let mut seen = Bits::new(pages.count);
        let mut open = vec![(root, 0)];
        let mut whole = true;
        while let Some((number, depth)) = open.pop() {
            let there = !seen.has(number) && pages.read(number, 1, &mut octets);
            seen.set(number);
            match page::kind(&octets, number).filter(|_| there) {
                Some(Kind::Leaf) => {
                    for node in page::rows(&octets) {
                        whole &= node.is_some_and(|(_, row)| self.free_row(pages, row, &mut list));
                    }
                }
                Some(Kind::Branch) if depth < SALVAGE_TREE_DEPTH => {
                    for child in page::children(&octets) {
                        match child {
                            Some((_, page)) => open.push((page, depth + 1)),
                            None => whole = false,
                        }
                    }
                }
                _ => whole = false,
            }
        }
        whole
    }

    fn free_row(&mut self, pages: &Pages<'_>, row: Row<'_>, list: &mut Vec<u8>) -> bool {
        let row = match row {
            Row::Here { row, .. } => row,
            Row::InRun { page, size } => {
                let count = page::pages_of_run(size.into(), pages.size);
                if !pages.read(page, count, list) {
                    return false;
                }
                let head = page::kind(list, page);
                if !head.is_some_and(|kind| matches!(kind, Kind::Run(all) if all >= count)) {
                    return false;
                }
                list.get(page::HEAD..).unwrap_or_default()
            }
        };
        // In a file that was cut off they reach beyond its end.
        let Some(numbers) = page::free_list(row, u64::MAX) else { return false };
        numbers.for_each(|number| self.free.set(number));
        true
    }

    /// A leaf in use that was not reached fills a part of a gap: between its first and last row
    /// nothing is missing.
    fn close_gaps(&mut self, pages: &Pages<'_>, leaves: &Leaves) {
        let mut octets = Vec::new();
        let mut filled = Vec::new();
        for number in 2..pages.count {
            let lost = leaves.whole.has(number) && !self.reached.has(number);
            if !lost || self.free.has(number) || !pages.read(number, 1, &mut octets) {
                continue;
            }
            let mut keys = page::rows(&octets).flatten().map(|(key, _)| key);
            if let Some(first) = keys.next() {
                filled.push((first.to_vec(), keys.last().unwrap_or(first).to_vec()));
            }
            if filled.len() >= SALVAGE_GAPS {
                self.gaps.fill(std::mem::take(&mut filled));
            }
        }
        self.gaps.fill(filled);
    }
}

/// A page of the tree, and which keys it has: from this one up to before that one.
struct Below {
    page: u64,
    from: Vec<u8>,
    to: Option<Vec<u8>>,
    depth: usize,
}

/// Puts the pages below a branch onto `open`, the first on top. Is it a good branch?
fn branch_into(
    pages: &Pages<'_>,
    below: &Below,
    octets: &mut Vec<u8>,
    open: &mut Vec<Below>,
) -> bool {
    let number = below.page;
    let there = below.depth < SALVAGE_TREE_DEPTH && pages.read(number, 1, octets);
    if !there || page::kind(octets, number) != Some(Kind::Branch) {
        return false;
    }
    let Some(children) = page::children(octets).collect::<Option<Vec<_>>>() else { return false };
    // The first node has no key: it begins where the branch does.
    let keys = || children.iter().skip(1).map(|(key, _)| *key);
    if !keys().is_sorted() || keys().any(|key| key < below.from.as_slice()) {
        return false;
    }
    let mut to = below.to.clone();
    for (i, (key, page)) in children.iter().enumerate().rev() {
        let from = if i == 0 { below.from.clone() } else { key.to_vec() };
        let next = Below { page: *page, from, to, depth: below.depth + 1 };
        to = Some(next.from.clone());
        open.push(next);
    }
    true
}

/// Ranges of keys of which rows are lost: from a key up to before another, or to the end.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Gaps(pub Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl Gaps {
    fn everything() -> Gaps {
        Gaps(vec![(Vec::new(), None)])
    }

    fn add(&mut self, from: Vec<u8>, to: Option<Vec<u8>>) {
        match self.0.last_mut() {
            // They come in order: one that begins where the last ends makes it longer.
            Some(last) if last.1.as_ref() == Some(&from) => last.1 = to,
            _ => self.0.push((from, to)),
        }
        if self.0.len() >= 2 * SALVAGE_GAPS {
            self.coarsen();
        }
    }

    /// Makes one of every two neighbours: what lies between them is looked for in vain, at worst.
    fn coarsen(&mut self) {
        self.sort();
        let join = |pair: &[(Vec<u8>, Option<Vec<u8>>)]| {
            let from = pair.first().map(|gap| gap.0.clone()).unwrap_or_default();
            (from, pair.last().and_then(|gap| gap.1.clone()))
        };
        self.0 = self.0.chunks(2).map(join).collect();
    }

    fn sort(&mut self) {
        self.0.sort();
    }

    /// Takes ranges (first and last key, both whole) out of the gaps.
    fn fill(&mut self, mut filled: Vec<(Vec<u8>, Vec<u8>)>) {
        self.sort();
        filled.sort();
        let mut left = Vec::new();
        let mut filled = filled.into_iter().peekable();
        for (mut from, to) in std::mem::take(&mut self.0) {
            let ends = |key: &Vec<u8>| to.as_ref().is_some_and(|to| key >= to);
            while let Some((first, last)) = filled.next_if(|(first, _)| !ends(first)) {
                if first > from {
                    left.push((std::mem::take(&mut from), Some(first)));
                }
                // The first key after `last`.
                let after = [last.as_slice(), &[0]].concat();
                from = from.max(after);
            }
            if !ends(&from) {
                left.push((from, to));
            }
        }
        self.0 = left;
        while self.0.len() >= 2 * SALVAGE_GAPS {
            self.coarsen();
        }
    }

    /// Is the key one that may be lost?
    pub(super) fn has(&self, key: &[u8]) -> bool {
        let place = |(from, to): &(Vec<u8>, Option<Vec<u8>>)| {
            if key < from.as_slice() {
                Ordering::Greater
            } else if to.as_ref().is_some_and(|to| key >= to.as_slice()) {
                Ordering::Less
            } else {
                Ordering::Equal
            }
        };
        self.0.binary_search_by(place).is_ok()
    }
}
