//! Messages on their way out.

use super::maildir::Keywords;
use super::{Export, Exported, Format, at, name};
use crate::message::date::Moment;
use crate::message::mbox::{self, Marks};
use crate::message::{headers, text};
use crate::store::format::MailRow;
use crate::store::mail::{self, FlagSet, Flags};
use crate::store::mailbox::{self, Mailbox};
use crate::store::{AccountId, Result as StoreResult, Store, StoreError};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// Writes every mailbox, or the one that is asked for.
pub(super) fn all(
    store: &Store,
    account: AccountId,
    ask: &Export,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Exported, String> {
    let mailboxes = mailboxes(store, account, ask.mailbox.as_deref())?;
    check_free(&ask.to)?;
    let total = mailboxes.iter().map(|m| m.tail.octets).sum();
    let mut done = Exported::default();
    for mailbox in &mailboxes {
        let mut letters = Letters { store, account, mailbox, done: &mut done, total, progress };
        match (ask.format, &ask.mailbox) {
            (Format::Maildir, Some(_)) => letters.write_maildir(&ask.to)?,
            (Format::Maildir, None) => {
                letters.write_maildir(&ask.to.join(name::to_maildir(&mailbox.name.name)))?;
            }
            (Format::Mbox, Some(_)) => letters.write_mbox(&ask.to)?,
            (Format::Mbox, None) => {
                letters.write_mbox(&ask.to.join(name::to_mbox_path(&mailbox.name.name)))?;
            }
        }
        done.mailboxes += 1;
    }
    progress(total, total);
    Ok(done)
}

fn mailboxes(
    store: &Store,
    account: AccountId,
    only: Option<&str>,
) -> Result<Vec<Mailbox>, String> {
    let read = store.snapshot().map_err(|why| why.to_string())?;
    let Some(name) = only else {
        return mailbox::list(&read, account).map_err(|why| why.to_string());
    };
    match mailbox::by_name(&read, account, name).map_err(|why| why.to_string())? {
        Some(mailbox) => Ok(vec![mailbox]),
        None => Err(format!("there is no mailbox {name:?}")),
    }
}

/// Nothing that exists is written over.
fn check_free(to: &Path) -> Result<(), String> {
    match fs::read_dir(to).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(at(to, "the folder is not empty; name one that does not exist yet")),
        Err(_) if to.exists() => Err(at(to, "exists already; name a file that does not")),
        Err(_) => Ok(()),
    }
}

struct Letters<'a> {
    store: &'a Store,
    account: AccountId,
    mailbox: &'a Mailbox,
    done: &'a mut Exported,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

/// One message as it is written.
struct Letter {
    row: MailRow,
    flags: FlagSet,
    raw: Vec<u8>,
}

impl Letters<'_> {
    fn write_mbox(&mut self, file: &Path) -> Result<(), String> {
        if let Some(folder) = file.parent() {
            private_folder(folder)?;
        }
        // An empty folder may be where the file shall be.
        let _ = fs::remove_dir(file);
        let part = with_suffix(file, ".part");
        let mut out = BufWriter::new(private_file(&part).map_err(|why| at(&part, why))?);
        self.each(&part, &mut |_, letter| {
            let date = Moment {
                seconds: letter.row.internal_date,
                zone_minutes: letter.row.internal_zone_minutes,
            };
            mbox::write(&mut out, &sender(&letter.raw), date, &marks(letter), &letter.raw)
        })?;
        out.flush().and_then(|()| out.get_ref().sync_all()).map_err(|why| at(&part, why))?;
        fs::rename(&part, file).map_err(|why| at(file, why))
    }

    fn write_maildir(&mut self, folder: &Path) -> Result<(), String> {
        for part in ["tmp", "new", "cur"] {
            let part = folder.join(part);
            private_folder(&part)?;
        }
        let mut keywords = Keywords::default();
        self.each(folder, &mut |uid, letter| {
            let seconds = u64::try_from(letter.row.internal_date).unwrap_or(0);
            let unique = format!("{seconds}.M{uid:010}.mailroom");
            let tmp = folder.join("tmp").join(&unique);
            let mut out = BufWriter::new(private_file(&tmp)?);
            for line in letter.raw.split_inclusive(|&b| b == b'\n') {
                let content = text::without_line_end(line);
                out.write_all(content)?;
                out.write_all(if content.len() < line.len() { b"\n" } else { b"" })?;
            }
            out.flush()?;
            out.get_ref().set_modified(UNIX_EPOCH + Duration::from_secs(seconds))?;
            let letters = keywords.letters(&letter.flags);
            fs::rename(&tmp, folder.join("cur").join(format!("{unique}:2,{letters}")))
        })?;
        keywords.write(folder).map_err(|why| at(folder, why))
    }

    /// Hands out the messages one by one, each read in a short snapshot of its own.
    fn each(
        &mut self,
        to: &Path,
        write: &mut dyn FnMut(u32, &Letter) -> std::io::Result<()>,
    ) -> Result<(), String> {
        let uids =
            self.store.snapshot().and_then(|r| mail::uids(&r, self.account, self.mailbox.id));
        for uid in uids.map_err(|why| self.named(&why))? {
            let Some(letter) = self.letter(uid).map_err(|why| self.named(&why))? else { continue };
            write(uid, &letter).map_err(|why| at(to, why))?;
            self.done.messages += 1;
            self.done.octets += letter.row.size;
            (self.progress)(self.done.octets.min(self.total), self.total);
        }
        Ok(())
    }

    fn named(&self, why: &StoreError) -> String {
        format!("the mailbox {:?}: {why}", self.mailbox.name.name)
    }

    /// `None` when it was expunged meanwhile.
    fn letter(&self, uid: u32) -> StoreResult<Option<Letter>> {
        let read = self.store.snapshot()?;
        let Some(row) = mail::row(&read, self.account, self.mailbox.id, uid)? else {
            return Ok(None);
        };
        let raw = mail::octets(&read, &row, 0, row.size)?;
        let mut flags = FlagSet { flags: Flags(row.flags), keywords: Vec::new() };
        if !row.keywords.is_empty()
            && let Some(mailbox) = mailbox::get(&read, self.account, self.mailbox.id)?
        {
            let names = &mailbox.name.keywords;
            let keywords = row.keywords.iter().filter_map(|&i| names.get(usize::from(i)));
            flags.keywords = keywords.cloned().collect();
        }
        Ok(Some(Letter { row, flags, raw }))
    }
}

/// Mail is for its owner's eyes alone, wherever it is written.
fn private_folder(folder: &Path) -> Result<(), String> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|why| at(folder, why))
}

/// A new file, never one that somebody else put there, nor where a link of theirs leads.
fn private_file(path: &Path) -> std::io::Result<File> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(why),
        _ => File::options().write(true).create_new(true).mode(0o600).open(path),
    }
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

/// The address of Return-Path; empty when there is none.
fn sender(raw: &[u8]) -> String {
    let path = headers::find(raw, "Return-Path").map(|field| headers::decode(field.value));
    path.unwrap_or_default().trim_matches(['<', '>', ' ']).to_string()
}

fn marks(letter: &Letter) -> Marks {
    let flags = letter.flags.flags;
    Marks {
        seen: flags.has(Flags::SEEN),
        answered: flags.has(Flags::ANSWERED),
        flagged: flags.has(Flags::FLAGGED),
        draft: flags.has(Flags::DRAFT),
        deleted: flags.has(Flags::DELETED),
        keywords: letter.flags.keywords.clone(),
    }
}
