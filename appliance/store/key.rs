//! Keys as `format` draws them, the row head, and rows as protobuf values.

use super::error::{Result, StoreError};
use super::format::tag;
use super::kv::{Batch, Read};
use super::outbox::Place;
use super::{AccountId, MailId, MailboxId};
use prost::Message;

/// Octets of a row head before the key: checksum and key length.
pub(super) const ROW_HEAD: usize = 6;
/// The longest key the engine takes.
pub(super) const KEY_BYTES: usize = 511;

/// What stands behind the mailbox in an 'M' key.
const MAIL_MESSAGE: u8 = 0;
const MAIL_TAIL: u8 = 0xff;
/// What stands behind the mail in a 'J' key.
pub(super) const BODY_HEAD: u8 = 0;
pub(super) const BODY_PART: u8 = 1;
pub(super) const BODY_TRACE: u8 = 2;
/// What stands behind the tag of the owner's rows.
pub(super) const OWNER_SELF: u8 = 0;
pub(super) const OWNER_SETUP: u8 = 1;
pub(super) const OWNER_TOKENS: u8 = 2;
pub(super) const OWNER_LOOKED: u8 = 3;
pub(super) const OWNER_MOVES: u8 = 4;
/// What stands behind the number of an outside account.
pub(super) const OUTSIDE_SELF: u8 = 0;
pub(super) const OUTSIDE_STATE: u8 = 1;
pub(super) const OUTSIDE_FETCHED: u8 = 2;
pub(super) const OUTSIDE_IMPORT: u8 = 3;
/// What stands behind the folder in a 'B' key.
pub(super) const BROUGHT_FOLDER: u8 = 0;
pub(super) const BROUGHT_RUN: u8 = 1;
/// What stands behind the Message-ID's hash in an 'I' key.
pub(super) const INDEX_BODY: u8 = 0;
pub(super) const INDEX_THREAD: u8 = 1;

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(super) fn version() -> Vec<u8> {
    vec![tag::VERSION]
}

pub(super) fn account(id: AccountId) -> Vec<u8> {
    join(&[&[tag::ACCOUNT], &id.0.to_be_bytes()])
}

pub(super) fn sent(id: AccountId) -> Vec<u8> {
    of_account(tag::SENT, id)
}

pub(super) fn known(id: AccountId, hash: u8) -> Vec<u8> {
    join(&[&[tag::KNOWN], &id.0.to_be_bytes(), &[hash]])
}

pub(super) fn domain(name: &str) -> Vec<u8> {
    join(&[&[tag::DOMAIN], name.as_bytes()])
}

pub(super) fn sts_policy(domain: &str) -> Vec<u8> {
    join(&[&[tag::STS_POLICY], domain.as_bytes()])
}

pub(super) fn tls_day(day: u32, domain: &str) -> Vec<u8> {
    join(&[&[tag::TLS_DAY], &day.to_be_bytes(), domain.as_bytes()])
}

pub(super) fn owner(kind: u8) -> Vec<u8> {
    vec![tag::OWNER, kind]
}

/// Before every row of an outside account.
pub(super) fn of_outside(account: AccountId, number: u32) -> Vec<u8> {
    join(&[&[tag::OUTSIDE], &account.0.to_be_bytes(), &number.to_be_bytes()])
}

pub(super) fn outside(account: AccountId, number: u32, kind: u8) -> Vec<u8> {
    join(&[&of_outside(account, number), &[kind]])
}

pub(super) fn fetched(account: AccountId, number: u32, hash: u8) -> Vec<u8> {
    join(&[&of_outside(account, number), &[OUTSIDE_FETCHED, hash]])
}

pub(super) fn audit(number: u64) -> Vec<u8> {
    join(&[&[tag::AUDIT], &number.to_be_bytes()])
}

pub(super) fn route(domain: &str, local: &str) -> Vec<u8> {
    join(&[&[tag::ROUTE], domain.as_bytes(), &[0], local.as_bytes()])
}

/// Before every route of a domain.
pub(super) fn routes(domain: &str) -> Vec<u8> {
    join(&[&[tag::ROUTE], domain.as_bytes(), &[0]])
}

pub(super) fn name(account: AccountId, mailbox: MailboxId) -> Vec<u8> {
    of_mailbox(tag::NAME, account, mailbox)
}

pub(super) fn subscribed(account: AccountId, name: &str) -> Vec<u8> {
    join(&[&[tag::SUBSCRIBED], &account.0.to_be_bytes(), &sha256(name.as_bytes())[..16]])
}

/// Before every row with this tag of an account.
pub(super) fn of_account(tag: u8, account: AccountId) -> Vec<u8> {
    join(&[&[tag], &account.0.to_be_bytes()])
}

/// Before every row with this tag of a mailbox.
pub(super) fn of_mailbox(tag: u8, account: AccountId, mailbox: MailboxId) -> Vec<u8> {
    join(&[&[tag], &account.0.to_be_bytes(), &mailbox.0.to_be_bytes()])
}

pub(super) fn mail(account: AccountId, mailbox: MailboxId, uid: u32) -> Vec<u8> {
    let mut key = of_mailbox(tag::MAIL, account, mailbox);
    key.push(MAIL_MESSAGE);
    key.extend_from_slice(&uid.to_be_bytes());
    key
}

/// After every message of a mailbox and before its tail.
pub(super) fn mail_end(account: AccountId, mailbox: MailboxId) -> Vec<u8> {
    let mut key = of_mailbox(tag::MAIL, account, mailbox);
    key.push(MAIL_MESSAGE + 1);
    key
}

pub(super) fn tail(account: AccountId, mailbox: MailboxId) -> Vec<u8> {
    let mut key = of_mailbox(tag::MAIL, account, mailbox);
    key.push(MAIL_TAIL);
    key
}

pub(super) fn expunged(
    account: AccountId,
    mailbox: MailboxId,
    modseq: u64,
    first_uid: u32,
) -> Vec<u8> {
    let mut key = of_mailbox(tag::EXPUNGED, account, mailbox);
    key.extend_from_slice(&modseq.to_be_bytes());
    key.extend_from_slice(&first_uid.to_be_bytes());
    key
}

/// Before every row of a mail.
pub(super) fn of_mail(mail: MailId) -> Vec<u8> {
    join(&[&[tag::BODY], &mail.0.to_be_bytes()])
}

pub(super) fn body(mail: MailId, kind: u8) -> Vec<u8> {
    join(&[&[tag::BODY], &mail.0.to_be_bytes(), &[kind]])
}

pub(super) fn part(mail: MailId, part: u32) -> Vec<u8> {
    join(&[&[tag::BODY], &mail.0.to_be_bytes(), &[BODY_PART], &part.to_be_bytes()])
}

pub(super) fn body_ref(message_id_hash: u64, content_hash: &[u8]) -> Vec<u8> {
    join(&[&[tag::INDEX], &message_id_hash.to_be_bytes(), &[INDEX_BODY], content_hash])
}

pub(super) fn thread_ref(message_id_hash: u64, account: AccountId) -> Vec<u8> {
    let hash = message_id_hash.to_be_bytes();
    join(&[&[tag::INDEX], &hash, &[INDEX_THREAD], &account.0.to_be_bytes()])
}

/// A message on its way out; those due first stand first.
pub(super) fn outgoing(place: Place) -> Vec<u8> {
    join(&[&[tag::OUTGOING], &place.due.to_be_bytes(), &place.id.0.to_be_bytes()])
}

/// Before every row of a folder on another server.
pub(super) fn brought(account: AccountId, source: u64, folder: u64) -> Vec<u8> {
    let (account, source, folder) =
        (account.0.to_be_bytes(), source.to_be_bytes(), folder.to_be_bytes());
    join(&[&[tag::BROUGHT], &account, &source, &folder])
}

/// The first key after all that begin with `prefix` (tags are ASCII, so there is one).
pub(super) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            break;
        }
    }
    end
}

/// The big-endian u32 at `at`; a key that is too short is a damaged one.
pub(super) fn u32_at(key: &[u8], at: usize) -> Result<u32> {
    u32_in(key, at).ok_or_else(|| corrupt(key, "the key is too short"))
}

pub(super) fn u64_at(key: &[u8], at: usize) -> Result<u64> {
    u64_in(key, at).ok_or_else(|| corrupt(key, "the key is too short"))
}

fn u32_in(key: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(key.get(at..at + 4)?.try_into().ok()?))
}

fn u64_in(key: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(at..at + 8)?.try_into().ok()?))
}

/// The uid in the key of a message.
pub(super) fn uid_of(key: &[u8]) -> Result<u32> {
    u32_at(key, 10)
}

pub(super) fn is_tail(key: &[u8]) -> bool {
    key.len() == 10 && key.last() == Some(&MAIL_TAIL)
}

pub(super) fn sha256(octets: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, octets);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// The first 8 octets of a hash as they stand in an 'I' key.
pub(super) fn hash8(hash: &[u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Checksum over key length, key and payload.
pub(super) fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&key_length(key));
    crc.update(key);
    crc.update(payload);
    crc.finalize()
}

pub(super) fn key_length(key: &[u8]) -> [u8; 2] {
    // The engine refuses keys above 511 octets, so that the length always fits.
    u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes()
}

/// The payload of the row found at `key`, once its head is found right.
pub(super) fn open_row<'a>(key: &[u8], row: &'a [u8]) -> Result<&'a [u8]> {
    let short = || corrupt(key, "the row is too short");
    let (head, rest) = row.split_first_chunk::<ROW_HEAD>().ok_or_else(short)?;
    let [c0, c1, c2, c3, l0, l1] = *head;
    let length = usize::from(u16::from_le_bytes([l0, l1]));
    let (stored, payload) = rest.split_at_checked(length).ok_or_else(short)?;
    if stored != key {
        return Err(corrupt(key, "the row belongs to another key"));
    }
    if checksum(key, payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(corrupt(key, "the checksum is wrong"));
    }
    Ok(payload)
}

pub(super) fn corrupt(key: &[u8], how: &str) -> StoreError {
    StoreError::Corrupt(format!("{}: {how}", describe(key)))
}

pub(super) fn decode<M: Message + Default>(key: &[u8], payload: &[u8]) -> Result<M> {
    M::decode(payload).map_err(|error| corrupt(key, &format!("the row cannot be read: {error}")))
}

/// The row at `key` as a value.
pub(super) fn load<M: Message + Default>(read: &impl Read, key: &[u8]) -> Result<Option<M>> {
    let mut found = None;
    read.view(key, &mut |payload| {
        found = Some(decode(key, payload)?);
        Ok(())
    })?;
    Ok(found)
}

pub(super) fn save(batch: &mut Batch, key: &[u8], row: &impl Message) -> Result<()> {
    batch.put(key, &row.encode_to_vec())
}

/// A key in words, for the owner and for whoever repairs.
pub(super) fn describe(key: &[u8]) -> String {
    words(key).unwrap_or_else(|| format!("row with the odd key {}", hex(key)))
}

/// A damaged key is described too: nothing here may fail by describing it.
fn words(key: &[u8]) -> Option<String> {
    let (&first, rest) = key.split_first()?;
    let text = || String::from_utf8_lossy(rest).into_owned();
    Some(match first {
        tag::VERSION => "the store's version".to_string(),
        tag::ACCOUNT => format!("account {}", u32_in(key, 1)?),
        tag::DOMAIN => format!("domain {}", text()),
        tag::ROUTE => {
            let (domain, local) = rest.split_at(rest.iter().position(|&octet| octet == 0)?);
            let local = String::from_utf8_lossy(local.get(1..)?).into_owned();
            format!("address {local}@{}", String::from_utf8_lossy(domain))
        }
        tag::KNOWN => format!("people known to account {}", u32_in(key, 1)?),
        tag::NAME => format!("name of {}", mailbox_words(key)?),
        tag::SUBSCRIBED => format!("a subscription of account {}", u32_in(key, 1)?),
        tag::MAIL if is_tail(key) => format!("counters of {}", mailbox_words(key)?),
        tag::MAIL => format!("message {} of {}", u32_in(key, 10)?, mailbox_words(key)?),
        tag::EXPUNGED => format!("expunge log of {}", mailbox_words(key)?),
        tag::BODY => body_words(key)?,
        tag::OUTGOING => format!("outgoing mail {}", MailId(u64_in(key, 9)?)),
        tag::STS_POLICY => format!("MTA-STS policy of {}", text()),
        tag::TLS_DAY => {
            let domain = String::from_utf8_lossy(key.get(5..)?).into_owned();
            format!("TLS counts of {domain} on day {}", u32_in(key, 1)?)
        }
        tag::OWNER => match *rest.first()? {
            OWNER_SELF => "the owner".to_string(),
            OWNER_SETUP => "how far the setting up has come".to_string(),
            OWNER_TOKENS => "the tokens of programs".to_string(),
            OWNER_LOOKED => "the last look at the world".to_string(),
            OWNER_MOVES => "the domains that move here".to_string(),
            _ => return None,
        },
        tag::AUDIT => format!("act {} of the owner", u64_in(key, 1)?),
        tag::OUTSIDE => outside_words(key)?,
        tag::BROUGHT => {
            format!("what account {} brought from {:x}", u32_in(key, 1)?, u64_in(key, 5)?)
        }
        tag::INDEX => match key.get(9)? {
            &INDEX_BODY => format!("index of contents at {}", hex(rest)),
            _ => format!("index of threads at {}", hex(rest)),
        },
        _ => return None,
    })
}

fn mailbox_words(key: &[u8]) -> Option<String> {
    Some(format!("mailbox {} of account {}", u32_in(key, 5)?, u32_in(key, 1)?))
}

fn outside_words(key: &[u8]) -> Option<String> {
    let of = format!("outside account {} of account {}", u32_in(key, 5)?, u32_in(key, 1)?);
    Some(match *key.get(9)? {
        OUTSIDE_SELF => of,
        OUTSIDE_STATE => format!("state of {of}"),
        OUTSIDE_FETCHED => format!("letters fetched from {of}"),
        OUTSIDE_IMPORT => format!("import of {of}"),
        _ => return None,
    })
}

fn body_words(key: &[u8]) -> Option<String> {
    let mail = MailId(u64_in(key, 1)?);
    Some(match *key.get(9)? {
        BODY_HEAD => format!("head of mail {mail}"),
        BODY_PART => format!("part {} of mail {mail}", u32_in(key, 10)?),
        BODY_TRACE => format!("trace of mail {mail}"),
        _ => return None,
    })
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
