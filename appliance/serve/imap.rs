//! What IMAP sessions ask: log-ins, and writes answered once they are on disk.

mod long;

use super::login::{Desk, Logins};
use crate::clock;
use crate::imap::{Answer, Ask, Imap as Session, NewMessage, Write, Wrote};
use crate::net::{Handler, Service};
use crate::session::Peer;
use crate::store::mail::{self, NewMail, Prepared};
use crate::store::{AccountId, Batch, Result, Store, StoreError, mailbox};
use crate::wire::budget::Budget;
use std::sync::Arc;
use tokio::sync::Notify;

/// IMAP as units serves it.
#[derive(Clone)]
pub(crate) struct Imap {
    store: Store,
    logins: Arc<Logins>,
    budget: Arc<Budget>,
}

impl Imap {
    /// `budget`: memory for all messages on their way in.
    pub(crate) fn new(store: Store, logins: Arc<Logins>, budget: Arc<Budget>) -> Imap {
        Imap { store, logins, budget }
    }
}

impl Service for Imap {
    type Session = Session;
    type Handler = Answers;

    fn connect(&self, peer: Peer) -> (Session, Answers) {
        let desk = self.logins.desk("imap", peer.remote.ip());
        let session = Session::new(self.store.clone(), peer, clock::now, &self.budget);
        (session, Answers { store: self.store.clone(), desk })
    }

    fn refusal(&self) -> &'static str {
        "* BYE [UNAVAILABLE] Too many connections, try again later\r\n"
    }
}

/// Answers one connection.
pub(crate) struct Answers {
    store: Store,
    desk: Desk,
}

impl Handler<Session> for Answers {
    fn shut(&self) -> Option<&Notify> {
        Some(self.desk.shut())
    }

    async fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Login(ask) => Answer::Login(self.desk.answer(ask).await),
            Ask::Write { account, write } => {
                let (now, micros) = (clock::now(), clock::now_micros());
                Answer::Wrote(write_to(&self.store, account, write, now, micros).await)
            }
        }
    }
}

/// Does a write and returns once it is on disk. `now` in seconds, `micros` in microseconds since
/// 1970.
pub(crate) async fn write_to(
    store: &Store,
    account: AccountId,
    write: Write,
    now: i64,
    micros: u64,
) -> Result<Wrote> {
    match write {
        Write::Expunge { mailbox, uids } => long::expunge(store, (account, mailbox), uids).await,
        Write::Copy { mailbox, uids, to, remove: true } => {
            long::shift(store, (account, mailbox), uids, to, now).await
        }
        Write::Delete { name } => long::delete(store, account, name).await,
        write => {
            let mut job = prepare(account, write, now, micros).await?;
            store.write(move |batch| job(batch)).await
        }
    }
}

type Job = Box<dyn FnMut(&mut Batch) -> Result<Wrote> + Send>;

async fn prepare(account: AccountId, write: Write, now: i64, micros: u64) -> Result<Job> {
    Ok(match write {
        Write::Append { name, mails } => {
            let mails = tokio::task::spawn_blocking(move || new_mails(mails, now))
                .await
                .map_err(|e| StoreError::Engine(format!("a message could not be read: {e}")))?;
            Box::new(move |batch| append(batch, account, &name, &mails, micros))
        }
        Write::Create { name, special_use } => Box::new(move |batch| {
            let made = mailbox::create(batch, account, &name, &special_use, now)?;
            Ok(Wrote::Created(made.id))
        }),
        Write::Rename { from, to } => Box::new(move |batch| {
            mailbox::rename(batch, account, &from, &to, now).map(|()| Wrote::Done)
        }),
        Write::Subscribe { name } => {
            Box::new(move |batch| mailbox::subscribe(batch, account, &name).map(|()| Wrote::Done))
        }
        Write::Unsubscribe { name } => {
            Box::new(move |batch| mailbox::unsubscribe(batch, account, &name).map(|()| Wrote::Done))
        }
        Write::Flags { mailbox, uids, change, unchanged_since } => Box::new(move |batch| {
            mail::set_flags(batch, account, mailbox, &uids, &change, unchanged_since)
                .map(Wrote::Flagged)
        }),
        // RFC 9051 6.4.7: all or nothing, which a crash must not break either: one write.
        Write::Copy { mailbox, uids, to, .. } => Box::new(move |batch| {
            let Some(to) = mailbox::by_name(batch, account, &to)? else {
                return Ok(Wrote::NoMailbox);
            };
            mail::copy(batch, account, mailbox, &uids, to.id, false, now).map(Wrote::Copied)
        }),
        Write::Expunge { .. } | Write::Delete { .. } => {
            return Err(StoreError::Invalid("this is done in several writes"));
        }
    })
}

/// Reads, hashes and compresses: work in proportion to the octets, outside of the writer.
fn new_mails(mails: Vec<NewMessage>, now: i64) -> Vec<NewMail> {
    let new = |message: NewMessage| {
        let (internal_date, internal_zone_minutes) = message.date.unwrap_or((now, 0));
        NewMail {
            body: Arc::new(Prepared::new(&message.octets)),
            prefix: Vec::new(),
            flags: message.flags,
            internal_date,
            internal_zone_minutes,
            save_date: now,
        }
    };
    mails.into_iter().map(new).collect()
}

fn append(
    batch: &mut Batch,
    account: AccountId,
    name: &str,
    mails: &[NewMail],
    micros: u64,
) -> Result<Wrote> {
    let Some(mailbox) = mailbox::by_name(batch, account, name)? else {
        return Ok(Wrote::NoMailbox);
    };
    let mut uids = Vec::with_capacity(mails.len());
    for mail in mails {
        let id = mail::next_id(batch, micros)?;
        uids.push(mail::append(batch, account, mailbox.id, mail, id)?.uid);
    }
    Ok(Wrote::Appended { uidvalidity: mailbox.name.uidvalidity, uids })
}
