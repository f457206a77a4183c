//! Messages on their way in: read one by one, committed some at a time.

use super::gmail::{self, Place};
use super::maildir::Keywords;
use super::source::{self, Kind, Source};
use super::{Imported, archive, at};
use crate::clock;
use crate::limits::{
    IMPORT_BATCH_BYTES, IMPORT_BATCH_MESSAGES, KEYWORD_BYTES, MESSAGE_BYTES, SNAPSHOT_MESSAGES,
};
use crate::message::date::{self, Moment};
use crate::message::mbox::{Found, Marks, Reader};
use crate::message::{headers, text};
use crate::store::mail::{self, FlagSet, Flags, NewMail, Prepared};
use crate::store::{AccountId, Batch, MailboxId, Result as StoreResult, Store, mailbox};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Brings all sources in, one after another.
pub(super) fn all(
    store: &Store,
    account: AccountId,
    sources: Vec<Source>,
    named: Option<&str>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Imported, String> {
    let total = sources.iter().map(|s| s.octets).sum();
    let mut done = Imported::default();
    let mut before = 0;
    for source in sources {
        let mut into = Targets { store, account, named: named.is_some(), open: BTreeMap::new() };
        let mut tell = |octets: u64| progress((before + octets).min(total), total);
        let Source { path, mailbox, .. } = &source;
        let result = match source.kind {
            Kind::Zip => archive::zip(path, named, &mut into, &mut done, &mut tell),
            Kind::Mbox => mbox(path, mailbox, &mut into, &mut done, &mut tell),
            Kind::Letters => letters(path, into.to(mailbox, path)?, &mut done, &mut tell),
            Kind::Maildir => maildir(path, into.to(mailbox, path)?, &mut done, &mut tell),
        };
        let result = result.and_then(|()| into.flush(&mut done));
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
    mailbox: &str,
    into: &mut Targets<'_>,
    done: &mut Imported,
    tell: &mut dyn FnMut(u64),
) -> Result<(), String> {
    let file = File::open(path).map_err(|why| at(path, why))?;
    let written = modified(&file).map_err(|why| at(path, why))?;
    // Also where it is empty.
    into.to(mailbox, path)?;
    mbox_from(path, BufReader::with_capacity(1 << 16, file), (mailbox, written), into, done, tell)
}

/// The same from where it is unpacked.
pub(super) fn mbox_from(
    path: &Path,
    from: impl BufRead,
    (mailbox, written): (&str, Moment),
    into: &mut Targets<'_>,
    done: &mut Imported,
    tell: &mut dyn FnMut(u64),
) -> Result<(), String> {
    let mut reader = Reader::new(from, MESSAGE_BYTES);
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
                into.offer(path, mailbox, raw, (date, marked(&entry.marks)), done)?;
            }
        }
    }
}

fn letters(
    path: &Path,
    target: &mut Target<'_>,
    done: &mut Imported,
    tell: &mut dyn FnMut(u64),
) -> Result<(), String> {
    let mut passed = 0;
    for file in source::letters(path)? {
        let octets = fs::metadata(&file).map_or(0, |kind| kind.len());
        passed += octets;
        tell(passed);
        if octets > MESSAGE_BYTES as u64 {
            done.skip(at(&file, format!("{octets} octets are too many")));
            continue;
        }
        match read(&file) {
            Ok((raw, date)) => eml(&file, raw, (date, FlagSet::default()), target, done)?,
            Err(why) => done.skip(at(&file, why)),
        }
    }
    Ok(())
}

/// One message in a file of its own.
pub(super) fn eml(
    path: &Path,
    raw: Vec<u8>,
    (written, flags): (Moment, FlagSet),
    target: &mut Target<'_>,
    done: &mut Imported,
) -> Result<(), String> {
    let raw = text::with_crlf(&raw).into_owned();
    if raw.is_empty() || raw.len() > MESSAGE_BYTES {
        done.skip(at(path, format!("{} octets with CRLF: empty or too many", raw.len())));
        return Ok(());
    }
    let date = date_of(&raw).unwrap_or(written);
    target.offer(raw, date, flags, done)
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

/// The mailboxes that are filled.
pub(super) struct Targets<'s> {
    store: &'s Store,
    account: AccountId,
    /// The owner said where to: labels say nothing then.
    named: bool,
    open: BTreeMap<String, Target<'s>>,
}

impl<'s> Targets<'s> {
    pub(super) fn to(&mut self, name: &str, path: &Path) -> Result<&mut Target<'s>, String> {
        let checked = mailbox::check_name(name)
            .map_err(|why| at(path, format!("the mailbox {name:?}: {why}")))?;
        match self.open.entry(checked) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(free) => {
                let target = Target::open(self.store, self.account, free.key());
                Ok(free.insert(target.map_err(|why| at(path, why))?))
            }
        }
    }

    /// To where its labels say, if it has some and nobody said otherwise.
    fn offer(
        &mut self,
        path: &Path,
        mailbox: &str,
        raw: Vec<u8>,
        (date, flags): (Moment, FlagSet),
        done: &mut Imported,
    ) -> Result<(), String> {
        let Some((places, flags)) = gmail::placed(&raw).filter(|_| !self.named) else {
            return self.to(mailbox, path)?.offer(raw, date, flags, done);
        };
        for place in places {
            let name = self.called(&place).map_err(|why| at(path, why))?;
            match self.to(&name, path) {
                Ok(target) => target.offer(raw.clone(), date, flags.clone(), done)?,
                // A label that can be no mailbox here.
                Err(why) => done.skip(why),
            }
        }
        Ok(())
    }

    fn called(&self, place: &Place) -> StoreResult<String> {
        let special = match place {
            Place::Inbox => return Ok("INBOX".to_string()),
            Place::Named(name) => return Ok(name.clone()),
            Place::Special(special) => *special,
        };
        let names = mailbox::names(&self.store.snapshot()?, self.account)?;
        let is_it = |it: &str| it.eq_ignore_ascii_case(special);
        let found = names.into_iter().find(|(_, it)| is_it(&it.special_use));
        let usual = special.trim_start_matches('\\').to_string();
        Ok(found.map_or(usual, |(_, it)| it.name))
    }

    fn flush(&mut self, done: &mut Imported) -> Result<(), String> {
        self.open.values_mut().try_for_each(|target| target.flush(done))
    }
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
