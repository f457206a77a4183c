//! Pages of the engine's file as they stand on disk, read without the engine and without trust.
//!
//! ```text
//! every page        number u64 · pad u16 · kind u16 · lower u16 · upper u16
//! leaf, branch      offsets of nodes u16, from 16 up to `lower` · nodes, from `upper` up
//! first of a run    instead of lower and upper: pages of the run u32 · octets from 16 on, over all
//!                   pages of the run, whose others have no head
//! meta (0 and 1)    from 16 on: magic u32 · version u32 · address u64 · map size u64 ·
//!                   tree of free pages · tree of rows · last page u64 · transaction u64
//!   a tree          pad u32 (of the first: the page size) · flags u16 · depth u16 ·
//!                   branches u64 · leaves u64 · run pages u64 · entries u64 · root u64
//! leaf node         size u32 · flags u16 · key length u16 · key · row, or the first page of its
//!                   run u64 if flags has 1
//! branch node       page u48 · key length u16 · key (of the first node: none)
//! ```
//!
//! All numbers are little-endian, as on every board we run on. Nothing here allocates by a length
//! that was read, loops more often than a page has octets, or looks beyond its slice.

use crate::store::key;

/// Octets of a page's head.
pub(super) const HEAD: usize = 16;
const META_MAGIC: u32 = 0xBEEF_C0DE;
const META_VERSION: u32 = 1;
const NODE_HEAD: usize = 8;
/// How large pages can be: those of the machines that run us, and the engine's largest.
pub(super) const PAGE_SIZES: [usize; 5] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];

const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const RUN: u16 = 0x04;
const META: u16 = 0x08;
/// Bits that may stay behind in a page on disk and mean nothing there.
const PASSING: u16 = 0x10 | 0x4000 | 0x8000;
const IN_RUN: u16 = 0x01;

/// What a page is by its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Branch,
    Leaf,
    /// The first of so many pages that hold one row.
    Run(u64),
    Meta,
}

/// The kind of page `number`; `None` when its head is not that of this page.
pub(crate) fn kind(page: &[u8], number: u64) -> Option<Kind> {
    let flags = u16_at(page, 10)? & !PASSING;
    if u64_at(page, 0)? != number {
        return None;
    }
    match flags {
        BRANCH => Some(Kind::Branch),
        LEAF => Some(Kind::Leaf),
        RUN => Some(Kind::Run(u64::from(u32_at(page, 12)?))),
        META => Some(Kind::Meta),
        _ => None,
    }
}

/// What a meta page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    pub page_size: usize,
    pub free_root: u64,
    pub rows_root: u64,
    pub last_page: u64,
    pub transaction: u64,
}

/// A root that says that the tree is empty.
pub(super) const NO_PAGE: u64 = u64::MAX;

/// The meta page that begins here.
pub(crate) fn meta(page: &[u8]) -> Option<Meta> {
    let right = u32_at(page, 16)? == META_MAGIC && u32_at(page, 20)? == META_VERSION;
    let page_size = usize::try_from(u32_at(page, 40)?).ok()?;
    let meta = Meta {
        page_size,
        free_root: u64_at(page, 80)?,
        rows_root: u64_at(page, 128)?,
        last_page: u64_at(page, 136)?,
        transaction: u64_at(page, 144)?,
    };
    (right && PAGE_SIZES.contains(&page_size)).then_some(meta)
}

/// A row as a leaf has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row<'p> {
    /// The row, and where in the page it begins.
    Here { row: &'p [u8], at: usize },
    /// In a run that begins at this page.
    InRun { page: u64, size: u32 },
}

/// The nodes of a leaf, each as key and row; `None` for one that makes no sense.
pub(crate) fn rows(page: &[u8]) -> impl Iterator<Item = Option<(&[u8], Row<'_>)>> {
    nodes(page).map(move |at| leaf_node(page, at?))
}

/// The nodes of a branch, each as key and page; `None` for one that makes no sense.
pub(crate) fn children(page: &[u8]) -> impl Iterator<Item = Option<(&[u8], u64)>> {
    nodes(page).map(move |at| branch_node(page, at?))
}

/// Where nodes begin. A page whose bounds make no sense has none, and says so by one `None`.
fn nodes(page: &[u8]) -> impl Iterator<Item = Option<usize>> {
    let bounds = || {
        let (lower, upper) = (usize::from(u16_at(page, 12)?), usize::from(u16_at(page, 14)?));
        let right = HEAD <= lower && lower <= upper && upper <= page.len() && lower % 2 == 0;
        right.then_some((lower, upper))
    };
    let (count, upper) = bounds().map_or((1, 0), |(lower, upper)| ((lower - HEAD) / 2, upper));
    (0..count).map(move |i| {
        let at = usize::from(u16_at(page, HEAD + 2 * i)?);
        (upper >= HEAD && at >= upper && at + NODE_HEAD <= page.len()).then_some(at)
    })
}

fn leaf_node(page: &[u8], at: usize) -> Option<(&[u8], Row<'_>)> {
    let size = u32_at(page, at)?;
    let flags = u16_at(page, at + 4)?;
    let from = at + NODE_HEAD;
    let to = from + usize::from(u16_at(page, at + 6)?);
    let key = page.get(from..to)?;
    match flags {
        0 => {
            let end = to.checked_add(usize::try_from(size).ok()?)?;
            Some((key, Row::Here { row: page.get(to..end)?, at: to }))
        }
        IN_RUN => Some((key, Row::InRun { page: u64_at(page, to)?, size })),
        // Trees within the tree: ours has none.
        _ => None,
    }
}

fn branch_node(page: &[u8], at: usize) -> Option<(&[u8], u64)> {
    let low = u64::from(u32_at(page, at)?);
    let high = u64::from(u16_at(page, at + 4)?);
    let from = at + NODE_HEAD;
    let key = page.get(from..from + usize::from(u16_at(page, at + 6)?))?;
    Some((key, low | high << 32))
}

/// How many pages a row of so many octets takes in a run.
pub(crate) fn pages_of_run(size: u64, page_size: usize) -> u64 {
    (size + HEAD as u64).div_ceil(page_size as u64)
}

/// The key in the head of a row.
pub(super) fn key_in(row: &[u8]) -> Option<&[u8]> {
    let length = usize::from(u16_at(row, 4)?);
    row.get(key::ROW_HEAD..key::ROW_HEAD.checked_add(length)?)
}

/// The row in the pages of a run, as key and payload: of this size, or of whichever size makes the
/// checksum right.
pub(crate) fn run_row(run: &[u8], size: Option<usize>) -> Option<(&[u8], &[u8])> {
    let row = run.get(HEAD..)?;
    let key = key_in(row)?;
    let from = key::ROW_HEAD + key.len();
    let payload = row.get(from..)?;
    if let Some(size) = size {
        let payload = payload.get(..size.checked_sub(from)?)?;
        return key::open_row(key, row.get(..size)?).ok().map(|_| (key, payload));
    }
    let wanted = u32_at(row, 0)?;
    // A run is no longer than its row needs, but for the rest of its last page (or of few: the
    // engine leaves a shorter row in the run of a longer).
    let least = payload.len().min(row.len().saturating_sub(FIRST_GUESS_BYTES));
    let mut sum = crc32fast::Hasher::new();
    [&key::key_length(key), key, payload.get(..least)?].iter().for_each(|part| sum.update(part));
    for length in least..=payload.len() {
        if sum.clone().finalize() == wanted {
            return Some((key, payload.get(..length)?));
        }
        sum.update(payload.get(length..length + 1).unwrap_or_default());
    }
    None
}

/// How much of the end of a run is looked through for the end of its row: the largest page.
const FIRST_GUESS_BYTES: usize = 64 << 10;

/// The free pages that a row of the tree of free pages lists; `None` when it is no such list.
pub(crate) fn free_list(row: &[u8], pages: u64) -> Option<impl Iterator<Item = u64>> {
    let count = usize::try_from(u64_at(row, 0)?).ok()?;
    let list = row.get(8..)?;
    let list = list.get(..count.checked_mul(8)?)?;
    let numbers = move || {
        list.chunks_exact(8).filter_map(|number| Some(u64::from_le_bytes(number.try_into().ok()?)))
    };
    // The engine keeps them falling.
    let mut last = u64::MAX;
    let falling = numbers().all(|number| std::mem::replace(&mut last, number) > number);
    (falling && numbers().all(|number| number > 1 && number < pages)).then(numbers)
}

pub(super) fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(octets.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(super) fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(super) fn u64_at(octets: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(octets.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
