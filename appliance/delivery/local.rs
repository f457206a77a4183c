//! Which mailboxes of this box an address leads to.

use crate::smtp::{Destination, Recipient};
use crate::store::address::{self, Found};
use crate::store::{AccountId, Read, Result, account};
use crate::wire::address::Address;
use crate::wire::smtp::ForwardPath;

/// One copy of a message, for the INBOX of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    pub account: AccountId,
    /// The recipient that led here, for Delivered-To.
    pub address: String,
}

/// What RCPT is told of an address; `size` as far as it is known.
pub(crate) fn destination(read: &impl Read, to: &ForwardPath, size: u64) -> Result<Destination> {
    let accounts = match find(read, to)? {
        Found::Accounts { accounts, .. } => accounts,
        Found::UnknownLocal => return Ok(Destination::Unknown),
        Found::NotOurs => return Ok(Destination::NotOurs),
    };
    for id in accounts {
        if has_room(read, id, size)? {
            return Ok(Destination::Ours);
        }
    }
    Ok(Destination::OverQuota)
}

/// The copies to make: one for each account, however many of the addresses lead to it. `None` when
/// an address no longer leads anywhere.
pub(crate) fn copies(read: &impl Read, recipients: &[Recipient]) -> Result<Option<Vec<Copy>>> {
    let mut copies: Vec<Copy> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for recipient in recipients {
        let Found::Accounts { accounts, .. } = find(read, &recipient.to)? else {
            return Ok(None);
        };
        for account in accounts {
            if known.insert(account) {
                copies.push(Copy { account, address: recipient.to.to_string() });
            }
        }
    }
    Ok(Some(copies))
}

/// Would a message of `size` octets fit the quota?
pub(crate) fn has_room(read: &impl Read, id: AccountId, size: u64) -> Result<bool> {
    let Some(account) = account::get(read, id)? else { return Ok(false) };
    if account.quota == 0 {
        return Ok(true);
    }
    let (used, _) = account::usage(read, id)?;
    Ok(used.saturating_add(size.max(1)) <= account.quota)
}

fn find(read: &impl Read, to: &ForwardPath) -> Result<Found> {
    match to {
        ForwardPath::To(to) => address::find(read, to),
        // RFC 5321 4.5.1: postmaster without a domain is that of this box
        ForwardPath::Postmaster => {
            let domains = address::domains(read)?;
            let first = domains.first().and_then(|d| Address::new("postmaster", &d.name).ok());
            first.map_or(Ok(Found::UnknownLocal), |to| address::find(read, &to))
        }
    }
}
