//! Backup while running, restore, compact.
//!
//! A backup is a head with the settings and keys of the office (`head`), and the store's file
//! itself, without free pages, as of one moment; it may be `sealed` by a passphrase, and is tried
//! once it is written (`trial`). Restoring decides by one rename that it takes the place of the
//! store's file and of the parts, and keeps what was there:
//!
//! ```text
//! DATA/store/restoring/        the copy while it is checked and advanced
//!            restored/         the same once it is decided, until all of it is in its place:
//!              data.mdb        the store
//!              office/         the parts
//!              replaced.mdb    the old store's file
//!            before-restore-1  that, for ever the owner's to delete
//! ```
//!
//! Where the power goes before the rename nothing was changed; after it, the next start goes on
//! (`finish`): no settings and keys of one office ever serve the mail of another.
//!
//! What was given after the backup was made (UIDs, mod-sequences, mailbox ids) is known to clients
//! and must not be given again for something else. So a restored store goes on far above: clients
//! keep what they have, and see what is lost as expunged.

mod head;
mod kept;
pub(crate) mod sealed;
pub(crate) mod trial;

pub(crate) use head::{Head, Parts};
pub(crate) use kept::Kept;

use super::error::{Result, StoreError};
use super::format::{Account, MailRow, MailboxTail, tag};
use super::key::{self, load, save};
use super::kv::{create_private, io_error, put_in_place, sync_folder, take_lock};
use super::salvage::reaches_its_end;
use super::writer::{Options, Store};
use super::{AccountId, Batch, MailboxId, Read, verify};
use crate::limits;
use head::Opener;
use sealed::{Form, Passphrase};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Far above what an office gives away between a backup and the loss of the store.
const UID_GAP: u32 = 1 << 20;
const MODSEQ_GAP: u64 = 1 << 32;
const MAILBOX_GAP: u32 = 1 << 16;
/// Where the copy is opened before it takes the place of the store.
const RESTORING: &str = "restoring";
/// What that is called once it is decided, and what lies in it then.
const DECIDED: &str = "restored";
const OFFICE: &str = "office";
const REPLACED: &str = "replaced.mdb";

/// Writes the store as it is now, and with it `parts`, into the file `to`, which must not exist,
/// while mail flows. Returns the size of the file. `progress` is told octets done and about how
/// many in all.
pub(crate) fn backup(
    store: &Store,
    parts: &Parts,
    to: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64> {
    if to.exists() {
        return Err(StoreError::Exists("a file of this name"));
    }
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let written = copy(store, parts, &part, progress).and_then(|octets| {
        fs::rename(&part, to).map_err(|error| io_error("the backup cannot be named", &error))?;
        sync_folder(folder_of(to))?;
        Ok(octets)
    });
    if written.is_err() {
        // A half backup helps nobody.
        let _ = fs::remove_file(&part);
    }
    written
}

/// The same, sealed by this passphrase. Returns octets on the disk and in how many parts.
pub(crate) fn backup_sealed(
    store: &Store,
    parts: &Parts,
    to: &Path,
    (passphrase, form): (&Passphrase, Form),
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(u64, u32)> {
    if to.exists() {
        return Err(StoreError::Exists("a file of this name"));
    }
    let mut writer = sealed::Writer::create(to, passphrase, form)?;
    pour(store, parts, &mut writer, progress)?;
    writer.finish()
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub octets: u64,
    pub parts: u32,
    pub took: Duration,
}

/// Either of both, with the time that it took.
pub(crate) fn write(
    store: &Store,
    parts: &Parts,
    to: &Path,
    seal: Option<(&Passphrase, Form)>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Written> {
    let begun = Instant::now();
    let (octets, parts) = match seal {
        Some(seal) => backup_sealed(store, parts, to, seal, progress)?,
        None => (backup(store, parts, to, progress)?, 1),
    };
    Ok(Written { octets, parts, took: begun.elapsed() })
}

/// Makes of the parts of a backup what is to be put in their place.
pub(crate) type Settle<'a> = &'a dyn Fn(&mut Parts) -> Result<()>;
/// Writes parts into a folder, which is to be made, so that they can be put in their place.
pub(crate) type WriteParts<'a> = &'a dyn Fn(&Path, &Parts) -> Result<()>;
/// Puts what stands in such a folder in its place, where that was not broken off before.
pub(crate) type PutParts<'a> = &'a dyn Fn(&Path) -> Result<()>;
/// All that is done with parts, in this order.
pub(crate) type Ways<'a> = (Settle<'a>, WriteParts<'a>, PutParts<'a>);

/// Puts the backup `from` in the place of the store in the folder `dir`, which no process may have
/// open. A store that is there is replaced only when `replace` says so, and its file is kept.
/// False: it is an old one, without parts.
pub(crate) fn restore(
    (from, passphrase): (&Path, Option<&Passphrase>),
    dir: &Path,
    replace: bool,
    (settle, write, put): Ways<'_>,
) -> Result<bool> {
    finish(dir, put)?;
    let there = dir.join("data.mdb").exists();
    if there && !replace {
        return Err(StoreError::Exists("a store"));
    }
    let kept = Kept::open(from, passphrase)?;
    if matches!(kept, Kept::Bare(..)) {
        check_file(from)?;
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| io_error("the store's folder", &error))?;
    let _lock = take_lock(dir)?;
    let mut incoming = Incoming::begin(dir)?;
    incoming.take_all(&kept, &mut |_, _| ())?;
    let whole = incoming.check(|_| Ok(()), settle)?.decide_locked(write)?;
    go_on(dir, put)?;
    Ok(whole)
}

/// A backup that comes in piece by piece, beside a store that may be in use meanwhile. Dropping it
/// takes away what came.
pub(crate) struct Incoming {
    side: Side,
    file: fs::File,
    opener: Opener,
}

/// A backup that is whole, checked and moved ahead: it may take the place of the store.
pub(crate) struct Ready {
    side: Side,
    /// `None`: one of before, which holds the store alone.
    parts: Option<Parts>,
}

/// The folder beside the store, of this name, for as long as somebody wants it.
struct Side(PathBuf, &'static str);

impl Drop for Side {
    fn drop(&mut self) {
        // What is left is the copy that failed, or nothing but lock files; the next one begins by
        // removing it.
        let _ = remove_folder(&self.folder());
    }
}

impl Side {
    fn folder(&self) -> PathBuf {
        self.0.join(self.1)
    }

    fn file(&self) -> PathBuf {
        self.folder().join("data.mdb")
    }
}

impl Incoming {
    /// For the store in the folder `dir`. One at a time.
    pub(crate) fn begin(dir: &Path) -> Result<Incoming> {
        Incoming::begin_in(dir, RESTORING)
    }

    fn begin_in(dir: &Path, name: &'static str) -> Result<Incoming> {
        remove_folder(&dir.join(name))?;
        let side = Side(dir.to_path_buf(), name);
        let made = fs::DirBuilder::new().mode(0o700).create(side.folder());
        made.map_err(|error| io_error("the backup cannot be copied", &error))?;
        let file = create_private(&side.file())?;
        Ok(Incoming { side, file, opener: Opener::default() })
    }

    /// The next octets of it.
    pub(crate) fn take(&mut self, octets: &[u8]) -> Result<()> {
        let taken = self.file.write_all(self.opener.take(octets)?);
        taken.map_err(|error| io_error("the backup cannot be written", &error))
    }

    /// All of it. `progress` is told octets done and how many in all.
    pub(crate) fn take_all(
        &mut self,
        kept: &Kept,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let mut piece = vec![0; limits::RESTORE_PIECE_BYTES];
        let mut at = 0;
        loop {
            let count = kept.at(at, &mut piece)?;
            match piece.get(..count) {
                Some(octets) if count > 0 => self.take(octets)?,
                _ => return Ok(()),
            }
            at += count as u64;
            progress(at, kept.length());
        }
    }

    /// Checks every row, and moves its counters ahead; `edit` changes what else must be other in
    /// the restored store, `settle` in its parts. Takes a while where the store is large.
    pub(crate) fn check(
        self,
        edit: impl FnOnce(&Store) -> Result<()>,
        settle: Settle<'_>,
    ) -> Result<Ready> {
        let Incoming { side, file, opener } = self;
        drop(file);
        let mut parts = opener.finish()?;
        parts.as_mut().map_or(Ok(()), settle)?;
        check_store(&side.file())?;
        let options = Options { file_ahead_bytes: 0, disk_reserve_bytes: 0, ..Options::default() };
        let store = Store::open(&side.folder(), options)?;
        let done = verify::check_rows(&store.snapshot()?)
            .and_then(|()| advance(&store))
            .and_then(|()| edit(&store));
        store.close();
        done?;
        let synced = fs::File::open(side.file()).and_then(|file| file.sync_all());
        synced.map_err(|error| io_error("the backup cannot be copied", &error))?;
        Ok(Ready { side, parts })
    }
}

impl Ready {
    /// Decides that it takes the place of the store, which nobody may have open; `finish` does it.
    /// False: it has no parts.
    pub(crate) fn decide(self, write: WriteParts<'_>) -> Result<bool> {
        let _lock = take_lock(&self.side.0)?;
        self.decide_locked(write)
    }

    /// All that may find no room comes before the rename.
    fn decide_locked(self, write: WriteParts<'_>) -> Result<bool> {
        let (dir, folder) = (&self.side.0, self.side.folder());
        if let Some(parts) = &self.parts {
            write(&folder.join(OFFICE), parts)?;
        }
        let there = dir.join("data.mdb");
        if there.exists() {
            let kept = fs::hard_link(there, folder.join(REPLACED));
            kept.map_err(|error| io_error("the old store", &error))?;
        }
        sync_folder(&folder)?;
        let decided = fs::rename(&folder, dir.join(DECIDED));
        decided.map_err(|error| io_error("the restored store cannot take its place", &error))?;
        sync_folder(dir)?;
        Ok(self.parts.is_some())
    }
}

/// Puts a backup in the place of the store in `dir`, which nobody may have open, where that was
/// decided: just now, or before the power went.
pub(crate) fn finish(dir: &Path, put: PutParts<'_>) -> Result<()> {
    if !dir.join(DECIDED).exists() {
        return Ok(());
    }
    let _lock = take_lock(dir)?;
    go_on(dir, put)
}

/// Each step may have been done before.
fn go_on(dir: &Path, put: PutParts<'_>) -> Result<()> {
    let side = dir.join(DECIDED);
    let (office, file, replaced) = (side.join(OFFICE), side.join("data.mdb"), side.join(REPLACED));
    if office.exists() {
        put(&office)?;
    }
    if file.exists() {
        put_in_place(dir, &file)?;
    }
    if replaced.exists() {
        let kept = fs::rename(&replaced, free_name(dir)?);
        kept.and_then(|()| fs::File::open(dir)?.sync_all())
            .map_err(|error| io_error("the old store", &error))?;
    }
    remove_folder(&side)
}

/// Removes what a backup that was being brought back, or tried, has left in the store's folder when
/// the power went. Only for who has the store.
pub(crate) fn clear_up(dir: &Path) -> Result<()> {
    [RESTORING, trial::TRYING].iter().try_for_each(|name| remove_folder(&dir.join(name)))
}

/// Gives the free pages in the file back to the disk, while mail waits. Returns the file's size
/// before and after.
pub(crate) fn compact(store: &Store, progress: &mut dyn FnMut(u64, u64)) -> Result<(u64, u64)> {
    let before = store.space()?;
    progress(0, before.used);
    store.compact_blocking()?;
    progress(before.used, before.used);
    Ok((before.file, store.space()?.file))
}

fn copy(
    store: &Store,
    parts: &Parts,
    part: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64> {
    let head = head::print(parts)?;
    // The copy is a reader for as long as it takes, and while it reads the map cannot grow.
    store.make_room_blocking()?;
    let total = store.space()?.used;
    let mut file = create_private(part)?;
    let begun = file.write_all(&head);
    begun.map_err(|error| io_error("the backup cannot be written", &error))?;
    std::thread::scope(|scope| {
        let (done, waiting) = mpsc::channel();
        scope.spawn(move || {
            let copied = store.kv().copy_to(&mut file).and_then(|()| {
                let all = length(&file)?;
                head::seal(&file, all.saturating_sub(head.len() as u64))?;
                Ok(all)
            });
            let _ = done.send(copied);
        });
        loop {
            match waiting.recv_timeout(limits::BACKUP_PROGRESS) {
                Ok(result) => {
                    progress(total, total);
                    return result;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let now = fs::metadata(part).map_or(0, |data| data.len());
                    progress(now.min(total), total);
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(StoreError::Stopped),
            }
        }
    })
}

/// Writes the store through a pipe: the engine writes to descriptors alone.
fn pour(
    store: &Store,
    parts: &Parts,
    writer: &mut sealed::Writer,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<()> {
    writer.write(&head::print_streamed(parts)?)?;
    // As in `copy`.
    store.make_room_blocking()?;
    let total = store.space()?.used;
    let trouble = |error| io_error("the store cannot be read", &error);
    let (mut from, into) = std::io::pipe().map_err(trouble)?;
    std::thread::scope(|scope| {
        let copying = scope.spawn(move || {
            let mut into = fs::File::from(OwnedFd::from(into));
            store.kv().pour_into(&mut into)
        });
        let mut piece = vec![0; limits::RESTORE_PIECE_BYTES];
        let (mut done, mut told) = (0, Instant::now());
        let taken = loop {
            let count = match from.read(&mut piece) {
                Ok(0) => break Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => break Err(trouble(error)),
            };
            if let Err(error) = writer.write(piece.get(..count).unwrap_or_default()) {
                break Err(error);
            }
            done += count as u64;
            if told.elapsed() >= limits::BACKUP_PROGRESS {
                told = Instant::now();
                progress(done.min(total), total);
            }
        };
        // Where nobody reads any more the copy ends.
        drop(from);
        let copied = copying.join().unwrap_or(Err(StoreError::Stopped));
        taken.and(copied)?;
        progress(total, total);
        Ok(())
    })
}

fn length(file: &fs::File) -> Result<u64> {
    Ok(file.metadata().map_err(|error| io_error("size of the backup", &error))?.len())
}

/// Is this a backup at all? Asked before anything is made.
fn check_file(from: &Path) -> Result<()> {
    let mut begin = [0; 24];
    let opened = fs::File::open(from).and_then(|mut file| file.read_exact(&mut begin));
    match opened {
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            Err(io_error(&format!("{} cannot be read", from.display()), &error))
        }
        Ok(()) if begins_well(&begin) => Ok(()),
        _ => Err(StoreError::Invalid(NO_BACKUP)),
    }
}

/// Is this a file of the engine, and whole? Better words than the engine's.
fn check_store(from: &Path) -> Result<()> {
    check_file(from)?;
    // The engine maps the file: a page behind its end would end the process (SIGBUS).
    match reaches_its_end(from) {
        Ok(true) => Ok(()),
        Ok(false) => Err(StoreError::Invalid(CUT_OFF)),
        Err(error) => Err(io_error(&format!("{} cannot be read", from.display()), &error)),
    }
}

/// Does a file that begins so begin like a backup?
pub(crate) fn begins_well(begin: &[u8]) -> bool {
    let mark = begin.len().min(head::MARK.len());
    let has_head = begin.get(..mark) == head::MARK.get(..mark);
    has_head || begin.get(16..20).is_none_or(|mark| mark == MAGIC.to_ne_bytes())
}

pub(crate) const NO_BACKUP: &str = "the file is no backup of a store";
pub(crate) const CUT_OFF: &str = "the backup is cut off: its end is missing";
/// LMDB's, behind a page header of 16 octets.
const MAGIC: u32 = 0xBEEF_C0DE;

/// Moves every counter above what the lost store may have given.
fn advance(store: &Store) -> Result<()> {
    let snapshot = store.snapshot()?;
    let mut mailboxes = Vec::new();
    snapshot.keys(&[tag::NAME], &[tag::NAME + 1], &mut |key| {
        mailboxes.push((AccountId(key::u32_at(key, 1)?), MailboxId(key::u32_at(key, 5)?)));
        Ok(true)
    })?;
    let mut accounts = Vec::new();
    snapshot.keys(&[tag::ACCOUNT], &[tag::ACCOUNT + 1], &mut |key| {
        accounts.push(key.to_vec());
        Ok(true)
    })?;
    drop(snapshot);
    for at in mailboxes {
        let mut from = 0;
        while let Some(next) = store.write_blocking(move |batch| advance_rows(batch, at, from))? {
            from = next;
        }
        store.write_blocking(move |batch| advance_tail(batch, at))?;
    }
    for key in accounts {
        store.write_blocking(move |batch| {
            let Some(mut account) = load::<Account>(batch, &key)? else { return Ok(()) };
            account.next_mailbox = account.next_mailbox.saturating_add(MAILBOX_GAP);
            account.next_uidvalidity = account.next_uidvalidity.saturating_add(MAILBOX_GAP);
            save(batch, &key, &account)
        })?;
    }
    Ok(())
}

/// Gives some messages from `from` on the modseq that the tail will have. Where to go on?
fn advance_rows(
    batch: &mut Batch,
    (account, mailbox): (AccountId, MailboxId),
    from: u32,
) -> Result<Option<u32>> {
    let Some(tail) = load::<MailboxTail>(batch, &key::tail(account, mailbox))? else {
        return Ok(None);
    };
    let mut rows: Vec<(u32, MailRow)> = Vec::new();
    super::mail::rows(batch, account, mailbox, from, u32::MAX, &mut |uid, row| {
        rows.push((uid, row));
        Ok(rows.len() < limits::SNAPSHOT_MESSAGES)
    })?;
    let next = rows.last().and_then(|(uid, _)| uid.checked_add(1));
    for (uid, mut row) in rows {
        row.modseq = tail.highestmodseq.saturating_add(MODSEQ_GAP);
        save(batch, &key::mail(account, mailbox, uid), &row)?;
    }
    Ok(next)
}

fn advance_tail(batch: &mut Batch, (account, mailbox): (AccountId, MailboxId)) -> Result<()> {
    let key = key::tail(account, mailbox);
    let Some(mut tail) = load::<MailboxTail>(batch, &key)? else { return Ok(()) };
    tail.uidnext = tail.uidnext.saturating_add(UID_GAP);
    tail.highestmodseq = tail.highestmodseq.saturating_add(MODSEQ_GAP);
    tail.forgotten = tail.highestmodseq;
    tail.expunge_runs = 0;
    let log = key::of_mailbox(tag::EXPUNGED, account, mailbox);
    batch.delete_range(&log, &key::after(&log))?;
    save(batch, &key, &tail)
}

/// Where what a restore replaces in this folder is kept.
pub(crate) fn free_name(dir: &Path) -> Result<PathBuf> {
    let mut names = (1..=u16::MAX).map(|number| dir.join(format!("before-restore-{number}")));
    names.find(|name| !name.exists()).ok_or(StoreError::Limit("old stores kept"))
}

fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io_error("a left-over folder cannot be removed", &error))
        }
        _ => Ok(()),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
