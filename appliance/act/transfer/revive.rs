//! Mail out of a backup, brought back into an account that lives: with its flags and dates, and
//! not a second time where it is already.

use super::arrive::Target;
use super::{Imported, Revive, at};
use crate::message::date::Moment;
use crate::store::format::{MailRow, MailboxName};
use crate::store::mail::{self, FlagSet, Flags};
use crate::store::salvage::{Archive, is_in_use};
use crate::store::{AccountId, MailboxId, Store, StoreError, account, mailbox};

/// A message of the backup, by where it is.
type Place = (MailboxId, u32);

pub(super) fn all(
    store: &Store,
    into: AccountId,
    ask: &Revive,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Imported, String> {
    if ask.file.file_name().is_some_and(|name| name == "data.mdb") && is_in_use(&ask.file) {
        return Err(at(&ask.file, "is the file of a store in use; name a backup of it"));
    }
    let archive = Archive::open(&ask.file, ask.passphrase.as_ref()).map_err(words)?;
    let found = account::by_login(&archive, &ask.account).map_err(words)?;
    let (from, _) = found.ok_or_else(|| format!("the backup has no account {}", ask.account))?;
    let mailboxes = mailboxes(&archive, from, ask)?;
    let only = match &ask.message {
        Some(message) => Some(find(&archive, from, &mailboxes, message, ask.mailbox.is_some())?),
        None => None,
    };
    let total: u64 = match only {
        Some(_) => 1,
        None => mailboxes.iter().map(|mailbox| mailbox.tail.octets).sum(),
    };
    let mut done = Imported::default();
    let mut read = 0;
    let chosen = |id: MailboxId| only.is_none_or(|(mailbox, _)| mailbox == id);
    for mailbox in mailboxes.iter().filter(|mailbox| chosen(mailbox.id)) {
        let name = ask.into.as_deref().unwrap_or(&mailbox.name.name);
        let name = mailbox::check_name(name).map_err(words)?;
        let mut target = Target::open(store, into, &name).map_err(words)?;
        let one = Bag { archive: &archive, account: from, mailbox };
        let mut tell = |octets: u64| {
            read += octets;
            progress(read.min(total), total);
        };
        let uids = only.map_or((0, u32::MAX), |(_, uid)| (uid, uid));
        one.bring(uids, &mut target, &mut done, &mut tell)
            .and_then(|()| target.flush(&mut done))
            .map_err(|why| {
            let kept = done.messages;
            format!("{why}; {kept} messages were brought back, the same again goes on there")
        })?;
        done.mailboxes += 1;
    }
    progress(total, total);
    Ok(done)
}

/// What is wrong with a backup, and what can be done about it.
fn words(why: StoreError) -> String {
    match why {
        StoreError::Corrupt(_) => {
            format!("{why}; `mailroom salvage` brings back what is whole in the file")
        }
        other => other.to_string(),
    }
}

/// Those that are asked for, as the backup has them.
fn mailboxes(
    archive: &Archive,
    from: AccountId,
    ask: &Revive,
) -> Result<Vec<mailbox::Mailbox>, String> {
    match &ask.mailbox {
        None => mailbox::list(archive, from).map_err(words),
        Some(name) => match mailbox::by_name(archive, from, name).map_err(words)? {
            Some(mailbox) => Ok(vec![mailbox]),
            None => Err(format!("{} has no mailbox {name} in the backup", ask.account)),
        },
    }
}

/// A message by its UID, where the mailbox is named, or by its number.
fn find(
    archive: &Archive,
    account: AccountId,
    mailboxes: &[mailbox::Mailbox],
    message: &str,
    has_mailbox: bool,
) -> Result<Place, String> {
    if let (true, Some(mailbox), Ok(uid)) = (has_mailbox, mailboxes.first(), message.parse())
        && mail::row(archive, account, mailbox.id, uid).map_err(words)?.is_some()
    {
        return Ok((mailbox.id, uid));
    }
    let none = || format!("the backup has no message {message} there");
    let id = u64::from_str_radix(message, 16).map_err(|_| none())?;
    let mut found = None;
    for mailbox in mailboxes {
        mail::rows(archive, account, mailbox.id, 0, u32::MAX, &mut |uid, row| {
            if row.body == id {
                found = Some((mailbox.id, uid));
            }
            Ok(found.is_none())
        })
        .map_err(words)?;
        if found.is_some() {
            break;
        }
    }
    found.ok_or_else(none)
}

/// A mailbox of the backup.
struct Bag<'a> {
    archive: &'a Archive,
    account: AccountId,
    mailbox: &'a mailbox::Mailbox,
}

impl Bag<'_> {
    fn bring(
        &self,
        (first, last): (u32, u32),
        target: &mut Target<'_>,
        done: &mut Imported,
        tell: &mut dyn FnMut(u64),
    ) -> Result<(), String> {
        let (archive, mailbox) = (self.archive, self.mailbox);
        let uids = mail::uids(archive, self.account, mailbox.id).map_err(words)?;
        for uid in uids.into_iter().filter(|uid| (first..=last).contains(uid)) {
            let read = mail::row(archive, self.account, mailbox.id, uid).and_then(|row| {
                let row = row.ok_or(StoreError::NotFound("message"))?;
                Ok((mail::octets(archive, &row, 0, row.size)?, row))
            });
            match read {
                Ok((raw, row)) => {
                    tell(raw.len() as u64);
                    let date = Moment {
                        seconds: row.internal_date,
                        zone_minutes: row.internal_zone_minutes,
                    };
                    let flags = flags(&mailbox.name, &row);
                    target.bring(&raw, row.prefix.len(), date, flags, done)?;
                }
                Err(why) => done.skip(format!("message {uid} of {}: {why}", mailbox.name.name)),
            }
        }
        Ok(())
    }
}

fn flags(mailbox: &MailboxName, row: &MailRow) -> FlagSet {
    FlagSet { flags: Flags(row.flags), keywords: mail::keyword_names(mailbox, row) }
}
