//! Messages on their way into the store: read one by one, several in one commit, each remembered
//! in the same commit. While one commit is on its way the next messages are read.

use crate::clock;
use crate::limits::{FETCH_BATCH_BYTES, FETCH_BATCH_MESSAGES, KEYWORD_BYTES};
use crate::message::date::{self, Moment};
use crate::message::headers;
use crate::store::brought;
use crate::store::mail::{self, FlagSet, Flags, NewMail, Prepared};
use crate::store::{AccountId, Batch, MailboxId, Result as StoreResult, Store, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// What one folder brings.
pub(super) struct Bringer {
    store: Store,
    account: AccountId,
    folder: brought::Folder,
    uidvalidity: u32,
    /// Contents that came under another UIDVALIDITY, and how often each is to be met again.
    to_meet: HashMap<u64, u32>,
    /// Is anything of another UIDVALIDITY remembered?
    has_others: bool,
    waiting: Vec<Item>,
    /// Octets that wait, as they are held.
    octets: usize,
    writing: Option<JoinHandle<StoreResult<Written>>>,
}

/// One message of the other server.
struct Item {
    uid: u32,
    content: u64,
    /// `None`: it is here already.
    copies: Vec<(MailboxId, NewMail)>,
}

/// What a commit came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub messages: u64,
    pub octets: u64,
    /// Known already by their content, or brought by somebody else meanwhile.
    pub met: u64,
}

impl std::ops::AddAssign for Written {
    fn add_assign(&mut self, more: Written) {
        self.messages += more.messages;
        self.octets += more.octets;
        self.met += more.met;
    }
}

impl Bringer {
    pub(super) fn new(
        store: &Store,
        account: AccountId,
        folder: brought::Folder,
        uidvalidity: u32,
    ) -> StoreResult<Bringer> {
        let read = store.snapshot()?;
        let has_others = folder.has_others(&read, uidvalidity)?;
        let to_meet = folder.to_meet(&read, uidvalidity)?;
        drop(read);
        Ok(Bringer {
            store: store.clone(),
            account,
            folder,
            uidvalidity,
            to_meet,
            has_others,
            waiting: Vec::new(),
            octets: 0,
            writing: None,
        })
    }

    /// Takes one message for these mailboxes. What was committed meanwhile?
    pub(super) async fn take(
        &mut self,
        (uid, raw): (u32, Vec<u8>),
        date: Moment,
        flags: FlagSet,
        mailboxes: &[MailboxId],
    ) -> StoreResult<Written> {
        let content = brought::content(&raw);
        let mut copies = Vec::new();
        if !self.is_met(content) {
            let octets = crate::message::text::with_crlf(&raw);
            let body = Arc::new(Prepared::new(&octets));
            let pieces: usize = body.pieces.iter().map(|(_, piece)| piece.len()).sum();
            self.octets += pieces;
            copies.extend(mailboxes.iter().map(|mailbox| {
                let mail = NewMail {
                    body: body.clone(),
                    prefix: Vec::new(),
                    flags: flags.clone(),
                    internal_date: date.seconds,
                    internal_zone_minutes: date.zone_minutes,
                    save_date: clock::now(),
                };
                (*mailbox, mail)
            }));
        }
        drop(raw);
        self.waiting.push(Item { uid, content, copies });
        let full = self.waiting.len() >= FETCH_BATCH_MESSAGES || self.octets >= FETCH_BATCH_BYTES;
        if full { self.commit().await } else { Ok(Written::default()) }
    }

    /// Did it come under another UIDVALIDITY? Each that came is met once.
    fn is_met(&mut self, content: u64) -> bool {
        match self.to_meet.get_mut(&content) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }

    /// Begins to commit what waits; what came of the commit before?
    async fn commit(&mut self) -> StoreResult<Written> {
        let before = self.written().await?;
        let items = Arc::new(std::mem::take(&mut self.waiting));
        self.octets = 0;
        if items.is_empty() {
            return Ok(before);
        }
        let (store, account) = (self.store.clone(), self.account);
        let (folder, uidvalidity) = (self.folder.clone(), self.uidvalidity);
        let job = move |batch: &mut Batch| write(batch, account, (&folder, uidvalidity), &items);
        self.writing = Some(tokio::spawn(async move { store.write(job).await }));
        Ok(before)
    }

    async fn written(&mut self) -> StoreResult<Written> {
        match self.writing.take() {
            None => Ok(Written::default()),
            Some(writing) => writing.await.unwrap_or(Err(StoreError::Stopped)),
        }
    }

    /// Commits all that waits; what came of it is on disk.
    pub(super) async fn flush(&mut self) -> StoreResult<Written> {
        let mut written = self.commit().await?;
        written += self.written().await?;
        Ok(written)
    }

    /// Every message of the folder was looked at: what came under another UIDVALIDITY is forgotten.
    pub(super) async fn settle(&self) -> StoreResult<()> {
        if !self.has_others {
            return Ok(());
        }
        let (folder, uidvalidity) = (self.folder.clone(), self.uidvalidity);
        self.store.write(move |batch| folder.settle(batch, uidvalidity)).await
    }
}

fn write(
    batch: &mut Batch,
    account: AccountId,
    (folder, uidvalidity): (&brought::Folder, u32),
    items: &[Item],
) -> StoreResult<Written> {
    let (now, micros) = (clock::now(), clock::now_micros());
    let (mut written, mut notes) = (Written::default(), Vec::with_capacity(items.len()));
    for item in items {
        // Two imports may run at once.
        if item.copies.is_empty() || folder.has(batch, uidvalidity, item.uid)? {
            written.met += 1;
        } else {
            for (mailbox, mail) in &item.copies {
                let id = mail::next_id(batch, micros)?;
                append(batch, (account, *mailbox), mail, id)?;
            }
            written.messages += 1;
            written.octets += item.copies.first().map_or(0, |(_, mail)| mail.body.head.size);
        }
        notes.push((item.uid, item.content));
    }
    folder.note(batch, uidvalidity, &notes, now)?;
    Ok(written)
}

/// A mailbox takes only so many keywords: the message comes without them rather than not at all.
fn append(
    batch: &mut Batch,
    (account, mailbox): (AccountId, MailboxId),
    mail: &NewMail,
    id: crate::store::MailId,
) -> StoreResult<()> {
    match mail::append(batch, account, mailbox, mail, id) {
        Err(StoreError::Limit("keywords of a mailbox")) => {
            let flags = FlagSet { keywords: Vec::new(), ..mail.flags.clone() };
            let bare = NewMail { flags, ..mail.clone() };
            mail::append(batch, account, mailbox, &bare, id).map(drop)
        }
        other => other.map(drop),
    }
}

/// Flags as a server writes them. What is neither a flag of ours nor a keyword is left out.
pub(super) fn flags(written: &[String]) -> FlagSet {
    let mut set = FlagSet::default();
    for flag in written {
        let known = Flags::NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(flag));
        match known {
            Some((bit, _)) => set.flags.0 |= bit.0,
            None if is_keyword(flag) => set.keywords.push(flag.clone()),
            None => {}
        }
    }
    set
}

/// RFC 9051 9: a keyword is an atom
fn is_keyword(flag: &str) -> bool {
    let atom = |b: u8| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b);
    !flag.is_empty() && flag.len() <= KEYWORD_BYTES && flag.bytes().all(atom)
}

/// The date of a message whose server told none: the newest Received, else Date, else now.
pub(super) fn date_of(raw: &[u8]) -> Moment {
    let received = headers::find(raw, "Received");
    let stamp = received.and_then(|field| {
        let at = field.value.iter().rposition(|&b| b == b';')?;
        date::read(field.value.get(at + 1..)?)
    });
    let date = stamp.or_else(|| headers::find(raw, "Date").and_then(|it| date::read(it.value)));
    date.unwrap_or(Moment { seconds: clock::now(), zone_minutes: 0 })
}
