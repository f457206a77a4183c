//! Bodies: once per content, in compressed blocks, counted by those who refer to them; and threads.

use super::format::{BodyHead, BodyRef, MailRow, ThreadRef};
use super::key::{self, BODY_HEAD, BODY_PART, load, save};
use super::{AccountId, Batch, MailId, Read, Result};
use crate::limits::{BODY_BLOCK_BYTES, BODY_PART_BYTES, FACTS_ROW_BYTES, THREAD_REFERENCES};
use crate::message::facts::{Facts, OfFacts};
use prost::Message;
use std::cell::RefCell;

/// A body read, hashed and compressed outside of the writer thread. Share it between recipients.
pub(crate) struct Prepared {
    pub head: BodyHead,
    /// Compressed pieces in order, as (part number, octets).
    pub pieces: Vec<(u32, Vec<u8>)>,
    /// The head as its row.
    encoded: Vec<u8>,
    /// Of the nearest messages this one answers.
    answers: Vec<u64>,
}

impl Prepared {
    /// Takes CPU in proportion to the size; never fails: what cannot be parsed is text.
    pub(crate) fn new(raw: &[u8]) -> Prepared {
        Self::with_facts(raw, crate::message::structure::read(raw))
    }

    /// The same for one who has read the message already.
    pub(crate) fn with_facts(raw: &[u8], facts: Facts) -> Prepared {
        let hash = key::sha256(raw);
        let answers = facts.references.iter().rev().take(THREAD_REFERENCES);
        let answers = answers.map(|id| message_id_hash(id)).collect();
        let head = BodyHead {
            hash: hash.to_vec(),
            size: raw.len() as u64,
            message_id_hash: own_hash(&facts, &hash),
            facts: Some(facts).filter(|facts| facts.encoded_len() <= FACTS_ROW_BYTES),
        };
        let encoded = head.encode_to_vec();
        Prepared { head, pieces: pieces(raw), encoded, answers }
    }
}

/// What indexing needs of a head, without the facts.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HeadIndex {
    #[prost(bytes = "vec", tag = "1")]
    pub hash: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub size: u64,
    #[prost(fixed64, tag = "4")]
    pub message_id_hash: u64,
}

/// A head with a part of its facts.
#[derive(Clone, PartialEq, Message)]
struct HeadWith<F: Message + Default + std::fmt::Debug> {
    #[prost(uint64, tag = "2")]
    size: u64,
    #[prost(message, optional, tag = "3")]
    facts: Option<F>,
}

/// What is known of the body of a row, or a part of it.
pub(crate) fn facts<F: OfFacts>(read: &impl Read, row: &MailRow) -> Result<F> {
    let mail = MailId(row.body);
    let key = key::body(mail, BODY_HEAD);
    let missing = || key::corrupt(&key, "the row is missing");
    let head: HeadWith<F> = load(read, &key)?.ok_or_else(missing)?;
    match head.facts {
        Some(facts) => Ok(facts),
        None => {
            let raw = body_octets(read, mail, head.size, 0, head.size)?;
            Ok(F::of(crate::message::structure::read(&raw)))
        }
    }
}

/// What is known of the body of a row.
pub(crate) fn head(read: &impl Read, row: &MailRow) -> Result<BodyHead> {
    let mail = MailId(row.body);
    let key = key::body(mail, BODY_HEAD);
    let missing = || key::corrupt(&key, "the row is missing");
    let mut head: BodyHead = load(read, &key)?.ok_or_else(missing)?;
    if head.facts.is_none() {
        let raw = body_octets(read, mail, head.size, 0, head.size)?;
        head.facts = Some(crate::message::structure::read(&raw));
    }
    Ok(head)
}

/// The octets `from..to` of the message as a client sees it (prefix and body), clipped to its size.
pub(crate) fn octets(read: &impl Read, row: &MailRow, from: u64, to: u64) -> Result<Vec<u8>> {
    let prefix = row.prefix.len() as u64;
    let to = to.min(row.size);
    let from = from.min(to);
    let position = |at: u64| usize::try_from(at.min(prefix)).unwrap_or(usize::MAX);
    let mut out = row.prefix.get(position(from)..position(to)).unwrap_or_default().to_vec();
    if to > prefix {
        let size = row.size.saturating_sub(prefix);
        let (from, to) = (from.saturating_sub(prefix), to - prefix);
        read_octets(read, MailId(row.body), size, from..to, &mut out)?;
    }
    Ok(out)
}

/// The octets `from..to` of a body that has `size`.
pub(super) fn body_octets(
    read: &impl Read,
    mail: MailId,
    size: u64,
    from: u64,
    to: u64,
) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    read_octets(read, mail, size, from..to, &mut out)?;
    Ok(out)
}

/// Stores a body, or counts one more reference to the same content. Where is it?
pub(super) fn refer(batch: &mut Batch, body: &Prepared, id: MailId) -> Result<MailId> {
    let index = key::body_ref(body.head.message_id_hash, &body.head.hash);
    if let Some(mut known) = load::<BodyRef>(batch, &index)? {
        known.references = known.references.saturating_add(1);
        save(batch, &index, &known)?;
        return Ok(MailId(known.mail));
    }
    let mut id = id;
    if batch.view(&key::body(id, BODY_HEAD), &mut |_| Ok(()))? {
        // One arrival brought two bodies.
        id = MailId(batch.memory.last_mail.0.max(id.0) + 1);
        batch.memory.last_mail = id;
    }
    batch.put(&key::body(id, BODY_HEAD), &body.encoded)?;
    for (part, octets) in &body.pieces {
        batch.put(&key::part(id, *part), octets)?;
    }
    save(batch, &index, &BodyRef { mail: id.0, references: 1 })?;
    Ok(id)
}

/// The thread of a message that comes into an account: that of its Message-ID, or of the nearest
/// message it answers, or a new one.
pub(super) fn join_thread(
    batch: &mut Batch,
    account: AccountId,
    body: &Prepared,
    new: u64,
) -> Result<u64> {
    let own = key::thread_ref(body.head.message_id_hash, account);
    let mut thread = match load::<ThreadRef>(batch, &own)? {
        Some(thread) => thread,
        None => {
            let thread_id = answered_thread(batch, account, body)?.unwrap_or(new);
            ThreadRef { thread_id, messages: 0 }
        }
    };
    thread.messages = thread.messages.saturating_add(1);
    save(batch, &own, &thread)?;
    Ok(thread.thread_id)
}

fn answered_thread(read: &impl Read, account: AccountId, body: &Prepared) -> Result<Option<u64>> {
    for &hash in &body.answers {
        if let Some(thread) = load::<ThreadRef>(read, &key::thread_ref(hash, account))? {
            return Ok(Some(thread.thread_id));
        }
    }
    Ok(None)
}

/// Counts one more MailRow of this body in this account (a copy of a message).
pub(super) fn refer_again(batch: &mut Batch, account: AccountId, row: &MailRow) -> Result<()> {
    let Some(index) = load::<HeadIndex>(batch, &key::body(MailId(row.body), BODY_HEAD))? else {
        return Err(key::corrupt(&key::body(MailId(row.body), BODY_HEAD), "the row is missing"));
    };
    let key = key::body_ref(index.message_id_hash, &index.hash);
    let missing = || key::corrupt(&key, "the row is missing");
    let mut body: BodyRef = load(batch, &key)?.ok_or_else(missing)?;
    body.references = body.references.saturating_add(1);
    save(batch, &key, &body)?;
    count_in_thread(batch, account, index.message_id_hash, row.thread_id)
}

/// Counts one more message of an account with this Message-ID, in this thread if it is the first.
pub(super) fn count_in_thread(
    batch: &mut Batch,
    account: AccountId,
    message_id_hash: u64,
    thread_id: u64,
) -> Result<()> {
    let key = key::thread_ref(message_id_hash, account);
    let mut thread =
        load::<ThreadRef>(batch, &key)?.unwrap_or(ThreadRef { thread_id, messages: 0 });
    thread.messages = thread.messages.saturating_add(1);
    save(batch, &key, &thread)
}

/// Counts one MailRow less; with the last reference the body goes. A damaged head must not keep a
/// person from deleting the message: then the body stays, for `verify` to tell.
pub(super) fn release(batch: &mut Batch, account: AccountId, row: &MailRow) -> Result<()> {
    let mail = MailId(row.body);
    let Ok(Some(index)) = load::<HeadIndex>(batch, &key::body(mail, BODY_HEAD)) else {
        return Ok(());
    };
    let key = key::thread_ref(index.message_id_hash, account);
    if let Ok(Some(mut thread)) = load::<ThreadRef>(batch, &key) {
        thread.messages = thread.messages.saturating_sub(1);
        match thread.messages {
            0 => drop(batch.delete(&key)?),
            _ => save(batch, &key, &thread)?,
        }
    }
    release_indexed(batch, mail, &index)
}

/// Counts one reference less that is no MailRow.
pub(super) fn release_body(batch: &mut Batch, mail: MailId) -> Result<()> {
    match load::<HeadIndex>(batch, &key::body(mail, BODY_HEAD)) {
        Ok(Some(index)) => release_indexed(batch, mail, &index),
        _ => Ok(()),
    }
}

fn release_indexed(batch: &mut Batch, mail: MailId, index: &HeadIndex) -> Result<()> {
    let key = key::body_ref(index.message_id_hash, &index.hash);
    let Ok(Some(mut body)) = load::<BodyRef>(batch, &key) else { return Ok(()) };
    body.references = body.references.saturating_sub(1);
    if body.references > 0 || body.mail != mail.0 {
        return save(batch, &key, &body);
    }
    batch.delete(&key)?;
    batch.delete(&key::body(mail, BODY_HEAD))?;
    batch.delete_range(&key::body(mail, BODY_PART), &key::body(mail, BODY_PART + 1))?;
    super::mail::remember_newest(batch, mail)
}

/// Cuts a body into blocks, compresses each where that helps, and cuts the blocks into pieces.
fn pieces(raw: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut pieces = Vec::new();
    for (block, octets) in (0_u32..).zip(raw.chunks(BODY_BLOCK_BYTES)) {
        let packed = pack(octets);
        for (piece, octets) in (0_u32..).zip(packed.chunks(BODY_PART_BYTES)) {
            pieces.push((block * 8 + piece, octets.to_vec()));
        }
    }
    pieces
}

const RAW: u8 = 0;
const ZSTD: u8 = 1;
/// Fast; the higher levels win little on mail.
const ZSTD_LEVEL: i32 = 1;

thread_local! {
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> =
        const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> =
        const { RefCell::new(None) };
}

fn pack(octets: &[u8]) -> Vec<u8> {
    let packed = COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = zstd::bulk::Compressor::new(ZSTD_LEVEL).ok();
        }
        slot.as_mut()?.compress(octets).ok()
    });
    let (how, content) = match &packed {
        Some(packed) if packed.len() < octets.len() => (ZSTD, packed.as_slice()),
        _ => (RAW, octets),
    };
    let mut block = Vec::with_capacity(1 + content.len());
    block.push(how);
    block.extend_from_slice(content);
    block
}

/// The octets of a block that has `size` of them.
pub(super) fn unpack(block: &[u8], size: usize) -> std::result::Result<Vec<u8>, &'static str> {
    let octets = match block.split_first() {
        Some((&RAW, octets)) => octets.to_vec(),
        Some((&ZSTD, packed)) => DECOMPRESSOR
            .with_borrow_mut(|slot| {
                if slot.is_none() {
                    *slot = zstd::bulk::Decompressor::new().ok();
                }
                slot.as_mut()?.decompress(packed, size).ok()
            })
            .ok_or("the block cannot be decompressed")?,
        _ => return Err("the block is empty or of an unknown kind"),
    };
    if octets.len() == size { Ok(octets) } else { Err("the block has the wrong size") }
}

fn read_octets(
    read: &impl Read,
    mail: MailId,
    size: u64,
    range: std::ops::Range<u64>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let block_bytes = BODY_BLOCK_BYTES as u64;
    let end = range.end.min(size);
    let mut at = range.start;
    while at < end {
        let start = at / block_bytes * block_bytes;
        let length = block_bytes.min(size - start);
        let octets = read_block(read, mail, at / block_bytes, length)?;
        let stop = end.min(start + length);
        let inside = |position: u64| usize::try_from(position - start).unwrap_or(usize::MAX);
        out.extend_from_slice(octets.get(inside(at)..inside(stop)).unwrap_or_default());
        at = stop;
    }
    Ok(())
}

fn read_block(read: &impl Read, mail: MailId, block: u64, length: u64) -> Result<Vec<u8>> {
    let first = u32::try_from(block * 8).unwrap_or(u32::MAX);
    let first_key = key::part(mail, first);
    let wrong = |how: &str| key::corrupt(&first_key, how);
    let mut packed = Vec::new();
    let mut expected = first;
    let to = key::part(mail, first.saturating_add(8));
    read.scan(&first_key, &to, &mut |key, payload| {
        if key::u32_at(key, 10)? != expected {
            return Err(wrong("a piece of the block is missing"));
        }
        expected += 1;
        packed.extend_from_slice(payload);
        Ok(true)
    })?;
    if packed.is_empty() {
        return Err(wrong("the row is missing"));
    }
    unpack(&packed, usize::try_from(length).unwrap_or(usize::MAX)).map_err(wrong)
}

/// By what the 'I' rows of a body are found: its Message-ID, or its content where it has none.
fn own_hash(facts: &Facts, content: &[u8; 32]) -> u64 {
    let id = facts.envelope.as_ref().and_then(|envelope| envelope.message_id.as_deref());
    match id.map(bare).filter(|id| !id.is_empty()) {
        Some(id) => message_id_hash(id),
        None => key::hash8(content),
    }
}

fn message_id_hash(id: &[u8]) -> u64 {
    key::hash8(&key::sha256(bare(id)))
}

fn bare(id: &[u8]) -> &[u8] {
    let id = id.trim_ascii();
    let id = id.strip_prefix(b"<").unwrap_or(id);
    id.strip_suffix(b">").unwrap_or(id).trim_ascii()
}
