//! The mailbox of a proof that mail works (`units::proof`), there for moments only.
//!
//! It is account 0, which nobody else gets, and its address is in a domain that nobody can have and
//! that is none of ours: no list of people, addresses or domains shows it. No row of an address
//! leads to it; it is found by what its own row says.

use super::account::{self, NewAccount};
use super::address::Found;
use super::format::Account;
use super::{AccountId, Batch, Read, Result, StoreError};
use crate::wire::address::Address;

pub(crate) const ACCOUNT: AccountId = AccountId(0);

/// RFC 6761 6.4: no name server knows it
pub(crate) const DOMAIN: &str = "proof.invalid";

/// Could it be this one?
pub(crate) fn is_its(address: &Address) -> bool {
    address.domain().eq_ignore_ascii_case(DOMAIN)
}

/// Makes it, in place of one that is left over.
pub(crate) fn make(batch: &mut Batch, new: NewAccount, now: i64) -> Result<()> {
    if !is_its(&new.login) {
        return Err(StoreError::Invalid("a proof has its mailbox in its own domain"));
    }
    remove(batch)?;
    account::put(batch, ACCOUNT, new, now)
}

/// Removes it and all that is in it. Was it there?
pub(crate) fn remove(batch: &mut Batch) -> Result<bool> {
    let there = is_there(batch)?;
    if there {
        account::delete(batch, ACCOUNT)?;
    }
    Ok(there)
}

pub(crate) fn is_there(read: &impl Read) -> Result<bool> {
    Ok(account::get(read, ACCOUNT)?.is_some())
}

/// What an address of its domain is to this box.
pub(super) fn find(read: &impl Read, address: &Address) -> Result<Found> {
    Ok(match by_login(read, address)? {
        Some((id, account)) => {
            Found::Accounts { accounts: vec![id], outside: Vec::new(), via: account.login }
        }
        None => Found::NotOurs,
    })
}

pub(super) fn by_login(read: &impl Read, login: &Address) -> Result<Option<(AccountId, Account)>> {
    let account = account::get(read, ACCOUNT)?;
    let right = account.filter(|account| account.login.eq_ignore_ascii_case(&login.to_string()));
    Ok(right.map(|account| (ACCOUNT, account)))
}
