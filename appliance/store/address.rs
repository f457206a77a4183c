//! Domains of the box, and where each address leads.

use super::format::{Domain, Route};
use super::{AccountId, Batch, Read, Result};
use crate::wire::address::Address;

/// What an address is to this box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Leads to these accounts; `via` is the address of ours that matched (without the +tag, or
    /// the catch-all's domain as "@domain").
    Accounts { accounts: Vec<AccountId>, via: String },
    /// The domain is ours, the address is not known.
    UnknownLocal,
    /// The domain is not ours.
    NotOurs,
}

/// Order: the exact address; without its +tag; postmaster and abuse lead to the first account if
/// nobody set them (RFC 5321 4.5.1: postmaster always exists); the catch-all. Bare `postmaster`
/// comes here as postmaster@<first domain>.
pub(crate) fn find(_read: &impl Read, _address: &Address) -> Result<Found> {
    todo!()
}

pub(crate) fn add_domain(_batch: &mut Batch, _name: &str, _now: i64) -> Result<()> {
    todo!()
}

/// Refused while an address of the domain exists.
pub(crate) fn remove_domain(_batch: &mut Batch, _name: &str) -> Result<()> {
    todo!()
}

pub(crate) fn domains(_read: &impl Read) -> Result<Vec<Domain>> {
    todo!()
}

pub(crate) fn set_catch_all(
    _batch: &mut Batch,
    _domain: &str,
    _to: Option<AccountId>,
) -> Result<()> {
    todo!()
}

/// Adds an alias to one or more accounts; a primary address cannot be changed so.
pub(crate) fn set_alias(
    _batch: &mut Batch,
    _address: &Address,
    _accounts: &[AccountId],
    _now: i64,
) -> Result<()> {
    todo!()
}

pub(crate) fn remove_alias(_batch: &mut Batch, _address: &Address) -> Result<()> {
    todo!()
}

pub(crate) fn routes(_read: &impl Read) -> Result<Vec<Route>> {
    todo!()
}

/// All addresses that lead to this account.
pub(crate) fn of_account(_read: &impl Read, _id: AccountId) -> Result<Vec<Route>> {
    todo!()
}
