//! Whose is a sender address elsewhere?
//!
//! ```text
//! granted   the owner says so; or the log-in name is the address, at a server of a provider that
//!           we know or that we found by the address's own domain: never one named by hand, which
//!           may let in whoever it likes
//! proven    and that log-in let us in
//! ```
//!
//! Only what is both counts: mail with it leaves by that account, and the person may send as it. An
//! address that one person proved is nobody else's; one that was only named keeps nobody off.

use crate::act::failure::Failure;
use crate::collect::providers::{self, Provider};
use crate::store::format::{Outside, OutsideHost};
use crate::store::outside::{self, OutsideId};
use crate::store::{AccountId, Read, Store, StoreError, account, address};
use crate::wire::address::Address;

/// Who names the senders.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub owner: bool,
    /// The server was found by the domain of the address.
    pub found: bool,
}

/// Grants what may be granted of the senders of a row that is made, or was changed from `before`.
/// `new`: those that were named now.
pub(crate) fn grant(row: &mut Outside, before: Option<&Outside>, new: &[String], claim: Claim) {
    let same = before.is_some_and(|before| entrance(before) == entrance(row));
    let kept: &[String] = before.filter(|_| same).map_or(&[], |before| &before.granted);
    let own = own(row, claim.found);
    let may = |sender: &&String| {
        (claim.owner && new.contains(sender))
            || kept.contains(sender)
            || Some(*sender) == own.as_ref()
    };
    row.granted = row.senders.iter().filter(may).cloned().collect();
    row.proven &= same;
}

/// Where its log-in is proven, and the name there.
fn entrance(row: &Outside) -> (Option<&OutsideHost>, &str) {
    match (&row.source, &row.relay) {
        (None, Some(relay)) if !row.relay_login.is_empty() => (Some(relay), &row.relay_login),
        (None, relay) => (relay.as_ref(), &row.login),
        (source, _) => (source.as_ref(), &row.login),
    }
}

/// The address that its log-in proves, in lower case.
fn own(row: &Outside, found: bool) -> Option<String> {
    let (at, login) = entrance(row);
    let (at, login) = (at?, login.to_lowercase());
    let domain = |address: &str| address.rsplit_once('@').map(|(_, domain)| domain.to_lowercase());
    // Who serves a domain says nothing of the addresses of others.
    if found && domain(&login).is_some() && domain(&login) == domain(&row.address) {
        return Some(login);
    }
    let is_it = |server: &Option<providers::Server>| {
        server.as_ref().is_some_and(|server| server.host() == *at)
    };
    let of_it = |provider: &&Provider| {
        [&provider.imap, &provider.pop3, &provider.smtp].into_iter().any(is_it)
    };
    let provider = providers::all().iter().find(of_it)?;
    let address = row.address.to_lowercase();
    let theirs = |address: &str| {
        let (_, domain) = address.rsplit_once('@')?;
        provider.domains.iter().any(|it| it == domain).then(|| address.to_string())
    };
    match provider.user {
        // A name in a domain of its customers: it lets in none but whose it is.
        providers::User::Address => login.contains('@').then_some(login),
        providers::User::Local if login.contains('@') => theirs(&login),
        providers::User::Local => theirs(&address).filter(|_| provider.login_of(&address) == login),
    }
}

/// An address in a domain of ours may only be used by whom it leads to; one elsewhere that another
/// person proved by nobody else.
pub(super) fn check(
    store: &Store,
    id: AccountId,
    row: &Outside,
    what: &str,
) -> Result<(), Failure> {
    let fault = |error: StoreError| Failure::store(what, &error);
    let read = store.snapshot().map_err(fault)?;
    for sender in &row.senders {
        let Ok(parsed) = Address::parse(sender) else { continue };
        let leads_here = match address::find(&read, &parsed).map_err(fault)? {
            address::Found::NotOurs => true,
            address::Found::Accounts { accounts, .. } => accounts.contains(&id),
            _ => false,
        };
        let remedy = "name others: --send-as ADDRESS";
        if !leads_here {
            let why = format!("{sender} is an address of this box and leads to somebody else");
            return Err(Failure::new(what, why, remedy));
        }
        if let Some(holder) = outside::holder(&read, id, sender).map_err(fault)? {
            let why = format!("{sender} is proven to be an address of {}", name(&read, holder)?);
            return Err(Failure::new(what, why, remedy));
        }
    }
    Ok(())
}

fn name(read: &impl Read, id: AccountId) -> Result<String, Failure> {
    let found = account::get(read, id);
    let found = found.map_err(|error| Failure::store("cannot look up an account", &error))?;
    Ok(found.map(|account| account.login).unwrap_or_default())
}

/// Why mail of these senders does not leave by it yet: each with the reason.
pub(super) fn waiting(
    read: &impl Read,
    id: OutsideId,
    row: &Outside,
) -> Result<Vec<(String, String)>, StoreError> {
    let mut waiting = Vec::new();
    for sender in row.senders.iter().filter(|sender| !row.holds(sender)) {
        let why = if outside::holder(read, id.account, sender)?.is_some() {
            "another person proved that it is theirs"
        } else if row.granted.contains(sender) {
            "its log-in has not let us in yet"
        } else {
            "nothing proves that it is this person's: whoever looks after this server may say so"
        };
        waiting.push((sender.clone(), why.to_string()));
    }
    Ok(waiting)
}
