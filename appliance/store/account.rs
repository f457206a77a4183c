//! Accounts: people's log-ins.

use super::format::{Account, Credential};
use super::{AccountId, Batch, Read, Result};

/// Makes an account with its log-in address (whose domain must be a domain of ours), the mailboxes
/// INBOX, Sent, Drafts, Junk, Trash, Archive (special use set, subscribed), and its route.
pub(crate) fn create(_batch: &mut Batch, _account: NewAccount, _now: i64) -> Result<AccountId> {
    todo!()
}

#[derive(Debug, Clone)]
pub(crate) struct NewAccount {
    pub login: crate::wire::address::Address,
    pub name: String,
    pub quota: u64,
    pub credentials: Vec<Credential>,
    pub scram_salt: Vec<u8>,
    pub scram_iterations: u32,
}

pub(crate) fn get(_read: &impl Read, _id: AccountId) -> Result<Option<Account>> {
    todo!()
}

/// By log-in address, case folded.
pub(crate) fn by_login(_read: &impl Read, _login: &str) -> Result<Option<(AccountId, Account)>> {
    todo!()
}

pub(crate) fn list(_read: &impl Read) -> Result<Vec<(AccountId, Account)>> {
    todo!()
}

/// Changes the row of an account; the log-in address cannot be changed so.
pub(crate) fn update(
    _batch: &mut Batch,
    _id: AccountId,
    _change: &mut dyn FnMut(&mut Account) -> Result<()>,
) -> Result<()> {
    todo!()
}

/// Deletes the account with its routes (aliases to others lose it), mailboxes and messages.
pub(crate) fn delete(_batch: &mut Batch, _id: AccountId) -> Result<()> {
    todo!()
}

/// Octets in all its mailboxes, number of messages.
pub(crate) fn usage(_read: &impl Read, _id: AccountId) -> Result<(u64, u64)> {
    todo!()
}
