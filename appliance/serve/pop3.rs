//! Answers what POP3 sessions ask.

use super::login::{Desk, Logins};
use crate::limits::MESSAGES_PER_WRITE;
use crate::net::{Handler, Service};
use crate::pop3::{Answer, Ask, Server};
use crate::session::Peer;
use crate::store::{AccountId, INBOX, Store, StoreError, mail};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// POP3 as the server offers it. A clone serves another port with the same locks.
#[derive(Clone)]
pub(crate) struct Pop3 {
    store: Store,
    logins: Arc<Logins>,
    host: String,
    locks: Arc<Locks>,
}

impl Pop3 {
    pub(crate) fn new(store: Store, logins: Arc<Logins>, host: String) -> Self {
        Self { store, logins, host, locks: Arc::default() }
    }
}

impl Service for Pop3 {
    type Session = Server;
    type Handler = Answers;

    fn connect(&self, peer: Peer) -> (Server, Answers) {
        let desk = self.logins.desk("pop3", peer.remote.ip());
        let hold = Hold { locks: self.locks.clone(), account: Mutex::new(None) };
        let answers = Answers { store: self.store.clone(), desk, hold };
        (Server::new(peer, self.store.clone(), self.host.clone()), answers)
    }

    fn refusal(&self) -> &'static str {
        "-ERR [SYS/TEMP] Too many connections, try again later\r\n"
    }
}

/// The answers for one connection.
pub(crate) struct Answers {
    store: Store,
    desk: Desk,
    hold: Hold,
}

impl Handler<Server> for Answers {
    fn shut(&self) -> Option<&Notify> {
        Some(self.desk.shut())
    }

    async fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Login(ask) => Answer::Login(self.desk.answer(ask).await),
            Ask::Lock(account) if self.hold.take(account) => Answer::Locked,
            Ask::Lock(_) => Answer::InUse,
            Ask::Delete { account, uids } => {
                let deleted = delete(&self.store, account, uids).await;
                // Before the reply: who reads it may come back at once.
                self.hold.release();
                deleted.map_or_else(Answer::Failed, |()| Answer::Deleted)
            }
        }
    }
}

async fn delete(store: &Store, account: AccountId, uids: Vec<u32>) -> Result<(), StoreError> {
    for some in uids.chunks(MESSAGES_PER_WRITE).map(<[u32]>::to_vec) {
        let job = move |batch: &mut crate::store::Batch| {
            mail::expunge(batch, account, INBOX, Some(&some), true).map(drop)
        };
        store.write(job).await?;
    }
    Ok(())
}

/// The maildrops that a POP3 session has. RFC 1939 4: exclusive-access lock.
#[derive(Default)]
pub(crate) struct Locks {
    held: Mutex<HashSet<AccountId>>,
}

/// One connection's lock; goes with QUIT, or with the connection, however that ends.
struct Hold {
    locks: Arc<Locks>,
    account: Mutex<Option<AccountId>>,
}

impl Hold {
    fn take(&self, account: AccountId) -> bool {
        let mut mine = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = self.locks.held.lock().unwrap_or_else(PoisonError::into_inner);
        if mine.is_some() || !held.insert(account) {
            return *mine == Some(account);
        }
        *mine = Some(account);
        true
    }

    fn release(&self) {
        let mine = self.account.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(account) = mine {
            let mut held = self.locks.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.remove(&account);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.release();
    }
}
