//! Messages on their way in: read one by one, committed some at a time.

use super::maildir::Keywords;
use super::source::{self, Source};
use super::{Imported, at};
use crate::clock;
use crate::limits::{
    IMPORT_BATCH_BYTES, IMPORT_BATCH_MESSAGES, KEYWORD_BYTES, MESSAGE_BYTES, SNAPSHOT_MESSAGES,
};
use crate::message::date::{self, Moment};
use crate::message::mbox::{Found, Marks, Reader};
use crate::message::{headers, text};
use crate::store::mail::{self, FlagSet, Flags, NewMail, Prepared};
use crate::store::{AccountId, Batch, MailboxId, Result as StoreResult, Store, mailbox};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Brings all sources in, one after another.
pub(super) fn all(
    store: &Store,
    account: AccountId,
    sources: Vec<Source>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Imported, String> {
    let total = sources.iter().map(|s| s.octets).sum();
    let mut done = Imported::default();
    let mut before = 0;
    for source in sources {
        let name = mailbox::check_name(&source.mailbox)
            .map_err(|why| at(&source.path, format!("the mailbox {:?}: {why}", source.mailbox)))?;
        let target = Target::open(store, account, &name);
        let mut target = target.map_err(|why| at(&source.path, why))?;
        let mut tell = |octets: u64| progress((before + octets).min(total), total);
        let result = match source.is_maildir {
            true => maildir(&source.path, &mut target, &mut done, &mut tell),
            false => mbox(&source.path, &mut target, &mut done, &mut tell),
        };
        let result = result.and_then(|()| target.flush(&mut done));
        result.map_err(|why| {
            let kept = done.messages;
            format!("{why}; {kept} messages were brought in, the same command again goes on there")
        })?;
        before += source.octets;
        done.mailboxes += 1;
    }
    progress(total, total);
    Ok(done)
}

/// The mailbox of this name, made and subscribed if there is none.
fn open(store: &Store, account: AccountId, name: &str) -> StoreResult<MailboxId> {
    if let Some(mailbox) = mailbox::by_name(&store.snapshot()?, account, name)? {
        return Ok(mailbox.id);
    }
    let (name, now) = (name.to_string(), clock::now());
    store.write_blocking(move |batch| {
        let made = mailbox::create(batch, account, &name, "", now)?;
        mailbox::subscribe(batch, account, &name)?;
        Ok(made.id)
    })
}

fn mbox(
    path: &Path,
    target: &mut Target<'_>,
    done: &mut Imported,
    tell: &mut dyn FnMut(u64),
) -> Result<(), String> {
    let file = File::open(path).map_err(|why| at(path, why))?;
    let written = modified(&file).map_err(|why| at(path, why))?;
    let mut reader = Reader::new(BufReader::with_capacity(1 << 16, file), MESSAGE_BYTES);
    loop {
        let found = reader.next().map_err(|why| at(path, why))?;
        tell(reader.at());
        match found {
            Found::End => return Ok(()),
            Found::TooLarge { at: place, octets } => {
                done.skip(at(path, format!("offset {place}: {octets} octets are too many")));
            }
            Found::Message(entry) => {
                let raw = text::with_crlf(&entry.raw).into_owned();
                if raw.is_empty() {
                    done.skip(at(path, format!("offset {}: an empty message", entry.at)));
                    continue;
                }
                let date = entry.date.or_else(|| date_of(&raw)).unwrap_or(written);
                target.offer(raw, date, marked(&entry.marks), done)?;
            }
        }
    }
}

fn maildir(
    path: &Path,
    target: &mut Target<'_>,
    done: &mut Imported,
    tell: &mut dyn FnMut(u64),
) -> Result<(), String> {
    let keywords = Keywords::read(path);
    let mut passed = 0;
    for (name, octets) in source::maildir_files(path)? {
        let file = path.join(&name);
        passed += octets;
        tell(passed);
        if octets > MESSAGE_BYTES as u64 {
            done.skip(at(&file, format!("{octets} octets are too many")));
            continue;
        }
        // A mail program may have moved the file meanwhile.
        let (raw, date) = match read(&file) {
            Ok(read) => read,
            Err(why) => {
                done.skip(at(&file, why));
                continue;
            }
        };
        let raw = text::with_crlf(&raw).into_owned();
        if raw.is_empty() || raw.len() > MESSAGE_BYTES {
            done.skip(at(&file, format!("{} octets with CRLF: empty or too many", raw.len())));
            continue;
        }
        let in_cur = name.starts_with("cur/");
        let flags = if in_cur { keywords.flags(&name) } else { FlagSet::default() };
        target.offer(raw, date, flags, done)?;
    }
    Ok(())
}

fn read(path: &Path) -> std::io::Result<(Vec<u8>, Moment)> {
    let date = modified(&File::open(path)?)?;
    Ok((fs::read(path)?, date))
}

fn modified(file: &File) -> std::io::Result<Moment> {
    let since = file.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Ok(Moment { seconds, zone_minutes: 0 })
}

/// The newest Received (its date stands behind the last ";"), else Date.
fn date_of(raw: &[u8]) -> Option<Moment> {
    let received = headers::find(raw, "Received");
    let stamp = received.and_then(|field| {
        let at = field.value.iter().rposition(|&b| b == b';')?;
        date::read(field.value.get(at + 1..)?)
    });
    stamp.or_else(|| headers::find(raw, "Date").and_then(|field| date::read(field.value)))
}

fn marked(marks: &Marks) -> FlagSet {
    let bits = [
        (marks.seen, Flags::SEEN),
        (marks.answered, Flags::ANSWERED),
        (marks.flagged, Flags::FLAGGED),
        (marks.draft, Flags::DRAFT),
        (marks.deleted, Flags::DELETED),
    ];
    let flags = bits.iter().filter(|(is, _)| *is).fold(0, |all, (_, flag)| all | flag.0);
    FlagSet { flags: Flags(flags), keywords: marks.keywords.clone() }
}

/// RFC 9051 9: a keyword is an atom. What is none is left out.
fn usable(keyword: &str) -> bool {
    let atom = |b: u8| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b);
    !keyword.is_empty() && keyword.len() <= KEYWORD_BYTES && keyword.bytes().all(atom)
}

/// The mailbox that is filled.
pub(super) struct Target<'s> {
    store: &'s Store,
    account: AccountId,
    mailbox: MailboxId,
    known: Known,
    waiting: Vec<NewMail>,
    octets: usize,
}

impl<'s> Target<'s> {
    /// The mailbox of this name, made and subscribed if there is none.
    pub(super) fn open(
        store: &'s Store,
        account: AccountId,
        name: &str,
    ) -> StoreResult<Target<'s>> {
        let mailbox = open(store, account, name)?;
        let known = Known::read(store, account, mailbox)?;
        Ok(Target { store, account, mailbox, known, waiting: Vec::new(), octets: 0 })
    }

    fn offer(
        &mut self,
        raw: Vec<u8>,
        date: Moment,
        mut flags: FlagSet,
        done: &mut Imported,
    ) -> Result<(), String> {
        flags.keywords.retain(|k| usable(k));
        self.bring(&raw, 0, date, flags, done)
    }

    /// The same for a message of which the first octets are only this copy's.
    pub(super) fn bring(
        &mut self,
        raw: &[u8],
        prefix: usize,
        date: Moment,
        flags: FlagSet,
        done: &mut Imported,
    ) -> Result<(), String> {
        let known = self.known.take(self.store, self.account, self.mailbox, raw, date);
        if known.map_err(|why| why.to_string())? {
            done.already_there += 1;
            return Ok(());
        }
        let (prefix, body) = raw.split_at_checked(prefix).unwrap_or((&[], raw));
        self.octets += raw.len();
        self.waiting.push(NewMail {
            body: Arc::new(Prepared::new(body)),
            prefix: prefix.to_vec(),
            flags,
            internal_date: date.seconds,
            internal_zone_minutes: date.zone_minutes,
            save_date: clock::now(),
        });
        let full = self.waiting.len() >= IMPORT_BATCH_MESSAGES || self.octets >= IMPORT_BATCH_BYTES;
        if full { self.flush(done) } else { Ok(()) }
    }

    /// Commits what waits.
    pub(super) fn flush(&mut self, done: &mut Imported) -> Result<(), String> {
        let mails = Arc::new(std::mem::take(&mut self.waiting));
        let octets = std::mem::take(&mut self.octets) as u64;
        let count = mails.len() as u64;
        if count == 0 {
            return Ok(());
        }
        let (account, mailbox, now) = (self.account, self.mailbox, clock::now_micros());
        let job = move |batch: &mut Batch| {
            for mail in mails.iter() {
                let id = mail::next_id(batch, now)?;
                mail::append(batch, account, mailbox, mail, id)?;
            }
            Ok(())
        };
        self.store.write_blocking(job).map_err(|why| why.to_string())?;
        done.messages += count;
        done.octets += octets;
        Ok(())
    }
}

/// The messages that were in the mailbox before this import began, each to be met once. A message
/// is told by its date and size first, and read only if one of the source has both.
struct Known {
    /// Uids by date and size.
    unread: HashMap<(i64, u64), Vec<u32>>,
    /// How many by date and hash.
    read: HashMap<(i64, Hash), u32>,
}

type Hash = [u8; 16];

impl Known {
    fn read(store: &Store, account: AccountId, mailbox: MailboxId) -> StoreResult<Known> {
        let mut unread: HashMap<(i64, u64), Vec<u32>> = HashMap::new();
        let mut next = Some(1);
        while let Some(from) = next {
            next = None;
            let mut looked = 0;
            let snapshot = store.snapshot()?;
            mail::rows(&snapshot, account, mailbox, from, u32::MAX, &mut |uid, row| {
                unread.entry((row.internal_date, row.size)).or_default().push(uid);
                looked += 1;
                if looked < SNAPSHOT_MESSAGES {
                    return Ok(true);
                }
                next = uid.checked_add(1);
                Ok(false)
            })?;
        }
        Ok(Known { unread, read: HashMap::new() })
    }

    /// Is it there? Then it counts as met.
    fn take(
        &mut self,
        store: &Store,
        account: AccountId,
        mailbox: MailboxId,
        raw: &[u8],
        date: Moment,
    ) -> StoreResult<bool> {
        for uid in self.unread.remove(&(date.seconds, raw.len() as u64)).unwrap_or_default() {
            let snapshot = store.snapshot()?;
            if let Some(row) = mail::row(&snapshot, account, mailbox, uid)? {
                let octets = mail::octets(&snapshot, &row, 0, row.size)?;
                *self.read.entry((date.seconds, hash(&octets))).or_default() += 1;
            }
        }
        if self.read.is_empty() {
            return Ok(false);
        }
        match self.read.get_mut(&(date.seconds, hash(raw))) {
            Some(count) if *count > 0 => {
                *count -= 1;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

fn hash(octets: &[u8]) -> Hash {
    let digest = ring::digest::digest(&ring::digest::SHA256, octets);
    let mut hash = Hash::default();
    hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    hash
}
