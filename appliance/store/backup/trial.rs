//! A backup is good when it was brought back: what was written is read again and restored beside
//! the store, into a folder that is gone afterwards. Where the disk has no room for that, all of it
//! is read and each row is held against its checksum.

use super::kept::Kept;
use super::sealed::Passphrase;
use super::{Incoming, Settle};
use crate::limits;
use crate::store::error::{Result, StoreError};
use crate::store::salvage::Archive;
use crate::store::verify::night::Night;
use crate::store::{Read, Store, account, mailbox};
use std::path::Path;
use std::time::{Duration, Instant};

/// Where it is restored, in the folder of the store.
pub(super) const TRYING: &str = "trying";

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tried {
    /// It was restored; else only read.
    pub restored: bool,
    pub accounts: u64,
    pub messages: u64,
    /// Of the messages.
    pub octets: u64,
    pub faults: u64,
    /// The first of them, in words.
    pub first: String,
    pub took: Duration,
}

/// Tries the backup `from` beside the store in the folder `dir`. An error says why it cannot be
/// brought back; faults are of the store that it was made of. `progress` is told octets read and
/// how many in all.
pub(crate) fn try_out(
    (from, passphrase): (&Path, Option<&Passphrase>),
    dir: &Path,
    settle: Settle<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Tried> {
    let begun = Instant::now();
    let kept = Kept::open(from, passphrase)?;
    kept.forget();
    let has_room = room(dir) >= kept.length().saturating_add(limits::TRIAL_SPARE_BYTES);
    let tried = if has_room { restored(kept, dir, settle, progress) } else { read(kept, progress) };
    // Mail took the room meanwhile, which is no fault of the backup.
    let tried = match tried {
        Err(StoreError::DiskFull) => {
            let again = Kept::open(from, passphrase)?;
            again.forget();
            read(again, progress)
        }
        other => other,
    };
    tried.map(|tried| Tried { took: begun.elapsed(), ..tried })
}

/// Octets that the disk of this folder has left.
fn room(dir: &Path) -> u64 {
    let stat = nix::sys::statvfs::statvfs(dir);
    stat.map_or(0, |stat| stat.blocks_available() * stat.fragment_size())
}

fn restored(
    kept: Kept,
    dir: &Path,
    settle: Settle<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Tried> {
    let mut incoming = Incoming::begin_in(dir, TRYING)?;
    incoming.take_all(&kept, progress)?;
    drop(kept);
    let mut tried = Tried { restored: true, ..Tried::default() };
    let ready = incoming.check(
        |store| {
            count(&store.snapshot()?, &mut tried)?;
            checked(store, &mut tried)
        },
        settle,
    );
    // Gone with it are the store and what belongs to it.
    ready.map(drop)?;
    Ok(tried)
}

fn checked(store: &Store, tried: &mut Tried) -> Result<()> {
    let mut night = Night::new();
    while !night.slice(store)?.done {}
    let result = night.result(0);
    (tried.faults, tried.first) =
        (result.faults, result.told.into_iter().next().unwrap_or_default());
    Ok(())
}

fn read(kept: Kept, progress: &mut dyn FnMut(u64, u64)) -> Result<Tried> {
    let total = kept.length();
    let mut piece = vec![0; limits::RESTORE_PIECE_BYTES];
    let mut at = 0;
    loop {
        let count = kept.at(at, &mut piece)? as u64;
        at += count;
        progress(at.min(total), total);
        if count == 0 {
            break;
        }
    }
    let archive = Archive::of(kept)?;
    let mut tried = Tried::default();
    count(&archive, &mut tried)?;
    match archive.scan(&[0], &[0xff; 8], &mut |_, _| Ok(true)) {
        Err(StoreError::Corrupt(what)) => (tried.faults, tried.first) = (1, what),
        other => other?,
    }
    Ok(tried)
}

fn count(read: &impl Read, tried: &mut Tried) -> Result<()> {
    for (id, _) in account::list(read)? {
        tried.accounts += 1;
        for mailbox in mailbox::list(read, id)? {
            tried.messages += u64::from(mailbox.tail.messages);
            tried.octets += mailbox.tail.octets;
        }
    }
    Ok(())
}
