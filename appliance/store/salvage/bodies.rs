//! The content of messages, put together from where its parts stand.

use super::file::Pages;
use super::page;
use super::scan::{PART_KEY, SPOT, Spot};
use super::sort::Sorter;
use crate::limits::{BODY_BLOCK_BYTES, MESSAGE_BYTES, SALVAGE_RUN_PAGES, SALVAGE_SPOTS};
use crate::store::error::Result;
use crate::store::format::{BodyHead, Trace};
use crate::store::key::{self, BODY_HEAD, BODY_PART, BODY_TRACE};
use crate::store::kv::{create_private, io_error};
use crate::store::{MailId, body};
use prost::Message;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Records read at once; of the first of each so many the key stands in memory.
const BLOCK: usize = 256;
const RECORD: usize = PART_KEY + SPOT;

/// Where every part of every body stands: a sorted file of records of one length.
pub(super) struct Bodies<'p, 's> {
    pages: &'p Pages<'s>,
    index: File,
    count: u64,
    firsts: Vec<[u8; PART_KEY]>,
}

/// What there is of one mail.
#[derive(Default)]
pub(super) struct Parts {
    spots: BTreeMap<(u8, u32), Vec<Spot>>,
    /// The place in the index of its first record.
    pub number: u64,
}

/// What is left of a content.
pub(super) struct Content {
    /// Where something is lost there are spaces, and line ends around.
    pub octets: Vec<u8>,
    pub lost: u64,
    /// Is the first block there, and with it the header?
    pub has_header: bool,
    pub head: Option<BodyHead>,
}

impl Content {
    pub(super) fn is_whole(&self) -> bool {
        self.lost == 0
    }
}

impl<'p, 's> Bodies<'p, 's> {
    pub(super) fn new(
        parts: &mut Sorter,
        dir: &Path,
        pages: &'p Pages<'s>,
    ) -> Result<Bodies<'p, 's>> {
        let trouble = |error| io_error("the index of bodies", &error);
        let index = create_private(&dir.join("bodies"))?;
        let mut out = BufWriter::with_capacity(1 << 16, &index);
        let (mut count, mut firsts) = (0_u64, Vec::new());
        parts.each(&mut |key, spot| {
            if count.is_multiple_of(BLOCK as u64) {
                firsts.extend(<[u8; PART_KEY]>::try_from(key));
            }
            count += 1;
            out.write_all(key).and_then(|()| out.write_all(spot)).map_err(trouble)
        })?;
        out.flush().map_err(trouble)?;
        drop(out);
        Ok(Bodies { pages, index, count, firsts })
    }

    /// The place of the record after the last.
    pub(super) fn end(&self) -> u64 {
        self.count
    }

    /// Where the parts of a mail stand.
    pub(super) fn parts(&self, mail: MailId) -> Result<Parts> {
        let mail = mail.0.to_be_bytes();
        // The block before the first that begins with this mail or a later one.
        let block = self.firsts.partition_point(|first| first.get(..8) < Some(&mail[..]));
        self.parts_from(block.saturating_sub(1) as u64 * BLOCK as u64, &mail)
    }

    fn parts_from(&self, from: u64, mail: &[u8]) -> Result<Parts> {
        let mut parts = Parts { number: self.count, ..Parts::default() };
        let mut found = 0;
        self.records(from, &mut |number, key, spot| {
            let (of, rest) = key.split_at(8);
            if of < mail {
                return true;
            }
            // More copies of its parts than any file has is an attack on our memory.
            if of > mail || found >= SALVAGE_SPOTS {
                return false;
            }
            parts.number = parts.number.min(number);
            if let Some((&kind, part)) = rest.split_first() {
                let part = part.try_into().map_or(0, u32::from_be_bytes);
                parts.spots.entry((kind, part)).or_default().push(spot);
                found += 1;
            }
            true
        })?;
        Ok(parts)
    }

    /// Shows records in order until told to stop.
    fn records(&self, mut from: u64, look: &mut dyn FnMut(u64, &[u8], Spot) -> bool) -> Result<()> {
        let mut octets = vec![0; BLOCK * RECORD];
        while from < self.count {
            let count = (BLOCK as u64).min(self.count - from);
            let some = usize::try_from(count).unwrap_or(BLOCK) * RECORD;
            let some = octets.get_mut(..some).unwrap_or_default();
            let read = self.index.read_exact_at(some, from * RECORD as u64);
            read.map_err(|error| io_error("the index of bodies", &error))?;
            for (number, record) in (from..).zip(some.chunks_exact(RECORD)) {
                let (key, spot) = record.split_at(PART_KEY);
                let Some(spot) = Spot::decode(spot) else { continue };
                if !look(number, key, spot) {
                    return Ok(());
                }
            }
            from += count;
        }
        Ok(())
    }

    /// Calls `each` with every mail of which there is something, in order.
    pub(super) fn mails(&self, each: &mut dyn FnMut(MailId) -> Result<()>) -> Result<()> {
        let mut from = 0;
        let mut last = None;
        while from < self.count {
            let mut next = None;
            self.records(from, &mut |number, key, _| {
                let mail = key.first_chunk().map(|mail| u64::from_be_bytes(*mail));
                if mail == last {
                    return true;
                }
                next = mail.map(|mail| (number, mail));
                false
            })?;
            let Some((number, mail)) = next else { return Ok(()) };
            each(MailId(mail))?;
            (from, last) = (number + 1, Some(mail));
        }
        Ok(())
    }

    /// The payload of a row that stands at one of these spots.
    fn payload(&self, wanted: &[u8], spots: &[Spot]) -> Option<Vec<u8>> {
        // Those whose size is known first: the others cost more.
        let known = spots.iter().filter(|spot| spot.size > 0);
        let unknown = spots.iter().filter(|spot| spot.size == 0);
        known.chain(unknown).find_map(|spot| self.payload_at(wanted, *spot))
    }

    fn payload_at(&self, wanted: &[u8], spot: Spot) -> Option<Vec<u8>> {
        let mut octets = Vec::new();
        let size = usize::try_from(spot.size).ok()?;
        if spot.at > 0 {
            let at = usize::from(spot.at);
            let row = self.pages.read(spot.page, 1, &mut octets).then_some(octets.as_slice())?;
            let row = row.get(at..at.checked_add(size)?)?;
            return key::open_row(wanted, row).ok().map(<[u8]>::to_vec);
        }
        let count = match spot.size {
            0 => self.run_length(spot.page, &mut octets)?,
            size => page::pages_of_run(size.into(), self.pages.size),
        };
        if count > SALVAGE_RUN_PAGES || !self.pages.read(spot.page, count, &mut octets) {
            return None;
        }
        let (key, payload) = page::run_row(&octets, Some(size).filter(|&size| size > 0))?;
        (key == wanted).then(|| payload.to_vec())
    }

    fn run_length(&self, number: u64, octets: &mut Vec<u8>) -> Option<u64> {
        match self.pages.read(number, 1, octets).then(|| page::kind(octets, number))?? {
            page::Kind::Run(count) => Some(count),
            _ => None,
        }
    }

    pub(super) fn head(&self, mail: MailId, parts: &Parts) -> Option<BodyHead> {
        let spots = parts.spots.get(&(BODY_HEAD, 0))?;
        let payload = self.payload(&key::body(mail, BODY_HEAD), spots)?;
        BodyHead::decode(payload.as_slice()).ok()
    }

    /// The content of a mail. `size` is what a message says of it, should its head be lost.
    pub(super) fn content(
        &self,
        mail: MailId,
        parts: &Parts,
        size: Option<u64>,
    ) -> Option<Content> {
        let head = self.head(mail, parts);
        let size = head.as_ref().map(|head| head.size).or(size)?;
        // A larger one was never taken in.
        let size = usize::try_from(size).ok().filter(|&size| size <= MESSAGE_BYTES + (1 << 20))?;
        let mut content =
            Content { octets: Vec::with_capacity(size), lost: 0, has_header: true, head };
        let mut at = 0;
        while at < size {
            let length = BODY_BLOCK_BYTES.min(size - at);
            match self.block(mail, parts, at / BODY_BLOCK_BYTES, length) {
                Some(block) => content.octets.extend_from_slice(&block),
                None => {
                    content.lost += length as u64;
                    content.has_header &= at > 0;
                    fill(&mut content.octets, length);
                }
            }
            at += length;
        }
        let hash = content.head.as_ref().map(|head| head.hash.as_slice());
        let right = hash.is_none_or(|hash| hash == key::sha256(&content.octets));
        // Every part is what it was, and together they are not: nothing tells what is wrong.
        if content.lost == 0 && !right {
            content.lost = content.octets.len() as u64;
        }
        (content.lost < size as u64 || size == 0 || content.head.is_some()).then_some(content)
    }

    fn block(&self, mail: MailId, parts: &Parts, block: usize, length: usize) -> Option<Vec<u8>> {
        let mut packed = Vec::new();
        let first = u32::try_from(block).ok()?.checked_mul(8)?;
        for part in first..first + 8 {
            let Some(spots) = parts.spots.get(&(BODY_PART, part)) else { break };
            packed.extend(self.payload(&key::part(mail, part), spots)?);
        }
        body::unpack(&packed, length).ok()
    }

    /// The stories that there are of a mail, each with the page where it stands.
    pub(super) fn traces(&self, mail: MailId, parts: &Parts) -> Vec<(u64, Trace)> {
        let key = key::body(mail, BODY_TRACE);
        let spots = parts.spots.get(&(BODY_TRACE, 0)).map(Vec::as_slice).unwrap_or_default();
        let read = |spot: &Spot| {
            let payload = self.payload_at(&key, *spot)?;
            Some((spot.page, Trace::decode(payload.as_slice()).ok()?))
        };
        spots.iter().filter_map(read).collect()
    }

    /// Where copies of its head stand.
    pub(super) fn heads(parts: &Parts) -> impl Iterator<Item = u64> {
        parts.spots.get(&(BODY_HEAD, 0)).into_iter().flatten().map(|spot| spot.page)
    }
}

/// In the place of a lost block: its length in octets, as a text that a person reads.
fn fill(octets: &mut Vec<u8>, length: usize) {
    let words = format!("\r\n\r\n[{length} octets of this message are lost]\r\n\r\n");
    octets.extend(words.bytes());
}
