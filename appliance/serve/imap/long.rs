//! What may concern a hundred thousand messages and need not be done at once: some in each write,
//! so that the writes of others come between.
//!
//! ```text
//! EXPUNGE, CLOSE   each message goes by itself; what is gone when it fails is told as ever
//! MOVE             RFC 6851 3.3: a message is in one of the two mailboxes at any instant; when it
//!                  fails in the middle, COPYUID and EXPUNGE tell what was moved, then NO
//! DELETE           its messages first, then the rest with the mailbox itself
//! COPY             RFC 9051 6.4.7 wants all or nothing: stays one write. It writes no body
//! RENAME of INBOX  one write: half an INBOX under two names helps nobody
//! ```

use crate::imap::Wrote;
use crate::limits::MESSAGES_PER_WRITE;
use crate::store::mail::{self, Copied};
use crate::store::{AccountId, Batch, MailboxId, Result, Store, mailbox};

type At = (AccountId, MailboxId);

/// Those of `uids`, or all, that have \\Deleted.
pub(super) async fn expunge(store: &Store, at: At, uids: Option<Vec<u32>>) -> Result<Wrote> {
    let mut all = Vec::new();
    if let Some(uids) = uids {
        for some in parts(uids) {
            let job = move |batch: &mut Batch| mail::expunge(batch, at.0, at.1, Some(&some), false);
            all.extend(store.write(job).await?.0);
        }
        return Ok(Wrote::Expunged(all));
    }
    let mut rest = None;
    loop {
        let job = move |batch: &mut Batch| mail::expunge_some(batch, at, rest, false);
        let (gone, left) = store.write(job).await?;
        all.extend(gone);
        rest = left;
        if rest.is_none() {
            return Ok(Wrote::Expunged(all));
        }
    }
}

/// MOVE to the mailbox of this name.
pub(super) async fn shift(
    store: &Store,
    from: At,
    uids: Vec<u32>,
    to: String,
    now: i64,
) -> Result<Wrote> {
    let account = from.0;
    let mut all = Copied::default();
    let mut target: Option<MailboxId> = None;
    for some in parts(uids) {
        let name = to.clone();
        let job = move |batch: &mut Batch| {
            // The name may become another mailbox meanwhile; all go to the first.
            let to = match target {
                Some(id) => id,
                None => match mailbox::by_name(batch, account, &name)? {
                    Some(mailbox) => mailbox.id,
                    None => return Ok(None),
                },
            };
            let copied = mail::copy(batch, account, from.1, &some, to, true, now)?;
            Ok(Some((to, copied)))
        };
        match store.write(job).await {
            Ok(Some((id, part))) => {
                target = Some(id);
                all.uidvalidity = part.uidvalidity;
                all.uids.extend(part.uids);
                all.modseq = part.modseq;
            }
            Ok(None) => return Ok(Wrote::NoMailbox),
            Err(error) if all.uids.is_empty() => return Err(error),
            Err(error) => return Ok(Wrote::MovedSome(all, error)),
        }
    }
    Ok(Wrote::Copied(all))
}

pub(super) async fn delete(store: &Store, account: AccountId, name: String) -> Result<Wrote> {
    loop {
        let of_write = name.clone();
        let job = move |batch: &mut Batch| {
            let more = mailbox::thin_out(batch, account, &of_write)?;
            if !more {
                mailbox::delete(batch, account, &of_write)?;
            }
            Ok(more)
        };
        if !store.write(job).await? {
            return Ok(Wrote::Done);
        }
    }
}

/// Ascending, each once, some at a time.
fn parts(mut uids: Vec<u32>) -> Vec<Vec<u32>> {
    uids.sort_unstable();
    uids.dedup();
    uids.chunks(MESSAGES_PER_WRITE).map(<[u32]>::to_vec).collect()
}
