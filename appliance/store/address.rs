//! Domains of the box, and where each address leads.

use super::format::{Domain, Route, tag};
use super::key::{self, load, save};
use super::{AccountId, Batch, Read, Result, StoreError, account};
use crate::wire::address::{Address, check_domain};

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
/// comes here as postmaster at the first domain.
pub(crate) fn find(read: &impl Read, address: &Address) -> Result<Found> {
    let Some(home) = domain(read, address.domain())? else { return Ok(Found::NotOurs) };
    let tagless = address.without_tag();
    for candidate in std::iter::once(address).chain(&tagless) {
        if let Some(route) = route(read, candidate)?.filter(|route| !route.accounts.is_empty()) {
            let accounts = route.accounts.iter().map(|&id| AccountId(id)).collect();
            return Ok(Found::Accounts { accounts, via: route.address });
        }
    }
    let asked = tagless.as_ref().unwrap_or(address);
    if matches!(asked.local_folded().as_str(), "postmaster" | "abuse")
        && let Some(first) = account::first(read)?
    {
        return Ok(Found::Accounts { accounts: vec![first], via: asked.to_string() });
    }
    Ok(match home.catch_all {
        Some(id) => {
            Found::Accounts { accounts: vec![AccountId(id)], via: format!("@{}", home.name) }
        }
        None => Found::UnknownLocal,
    })
}

pub(crate) fn add_domain(batch: &mut Batch, name: &str, now: i64) -> Result<()> {
    let name = folded(name)?;
    if domain(batch, &name)?.is_some() {
        return Err(StoreError::Exists("domain"));
    }
    let row = Domain { name: name.clone(), created: now, catch_all: None };
    save(batch, &key::domain(&name), &row)
}

/// Refused while an address of the domain exists.
pub(crate) fn remove_domain(batch: &mut Batch, name: &str) -> Result<()> {
    let name = folded(name)?;
    if domain(batch, &name)?.is_none() {
        return Err(StoreError::NotFound("domain"));
    }
    let from = key::routes(&name);
    if batch.last_key(&from, &key::after(&from))?.is_some() {
        return Err(StoreError::Invalid("the domain still has addresses: remove them first"));
    }
    batch.delete(&key::domain(&name)).map(drop)
}

pub(crate) fn domains(read: &impl Read) -> Result<Vec<Domain>> {
    let mut all = Vec::new();
    read.scan(&[tag::DOMAIN], &[tag::DOMAIN + 1], &mut |key, payload| {
        all.push(key::decode::<Domain>(key, payload)?);
        Ok(true)
    })?;
    // The first domain is the oldest: the one the box was set up with.
    all.sort_by_key(|domain| domain.created);
    Ok(all)
}

pub(crate) fn set_catch_all(batch: &mut Batch, domain: &str, to: Option<AccountId>) -> Result<()> {
    let name = folded(domain)?;
    let mut row = self::domain(batch, &name)?.ok_or(StoreError::NotFound("domain"))?;
    if let Some(to) = to {
        check_accounts(batch, &[to])?;
    }
    row.catch_all = to.map(|id| id.0);
    save(batch, &key::domain(&name), &row)
}

/// Adds an alias to one or more accounts; a primary address cannot be changed so.
pub(crate) fn set_alias(
    batch: &mut Batch,
    address: &Address,
    accounts: &[AccountId],
    now: i64,
) -> Result<()> {
    if accounts.is_empty() {
        return Err(StoreError::Invalid("an alias leads to one account or more"));
    }
    check_accounts(batch, accounts)?;
    let before = route(batch, address)?;
    if before.as_ref().is_some_and(|route| route.primary) {
        return Err(StoreError::Exists("account with this address"));
    }
    check_home(batch, address)?;
    let mut ids = Vec::new();
    for id in accounts.iter().map(|id| id.0) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let created = before.map_or(now, |route| route.created);
    let row = Route { address: address.to_string(), accounts: ids, primary: false, created };
    save(batch, &route_key(address), &row)
}

pub(crate) fn remove_alias(batch: &mut Batch, address: &Address) -> Result<()> {
    match route(batch, address)? {
        None => Err(StoreError::NotFound("address")),
        Some(route) if route.primary => {
            Err(StoreError::Invalid("this is the log-in address of an account, not an alias"))
        }
        Some(_) => batch.delete(&route_key(address)).map(drop),
    }
}

pub(crate) fn routes(read: &impl Read) -> Result<Vec<Route>> {
    let mut all = Vec::new();
    read.scan(&[tag::ROUTE], &[tag::ROUTE + 1], &mut |key, payload| {
        all.push(key::decode(key, payload)?);
        Ok(true)
    })?;
    Ok(all)
}

/// All addresses that lead to this account.
pub(crate) fn of_account(read: &impl Read, id: AccountId) -> Result<Vec<Route>> {
    let mut all = routes(read)?;
    all.retain(|route| route.accounts.contains(&id.0));
    Ok(all)
}

/// The row of an address, as it stands: no tag, no catch-all.
pub(super) fn route(read: &impl Read, address: &Address) -> Result<Option<Route>> {
    load(read, &route_key(address))
}

pub(super) fn add_route(batch: &mut Batch, address: &Address, row: &Route) -> Result<()> {
    check_home(batch, address)?;
    if route(batch, address)?.is_some() {
        return Err(StoreError::Exists("address"));
    }
    save(batch, &route_key(address), row)
}

/// Takes an account out of every route and catch-all; routes that lead nowhere go.
pub(super) fn forget_account(batch: &mut Batch, id: AccountId) -> Result<()> {
    let mut touched = Vec::new();
    batch.scan(&[tag::ROUTE], &[tag::ROUTE + 1], &mut |key, payload| {
        let route: Route = key::decode(key, payload)?;
        if route.accounts.contains(&id.0) {
            touched.push((key.to_vec(), route));
        }
        Ok(true)
    })?;
    for (key, mut route) in touched {
        route.accounts.retain(|&other| other != id.0);
        if route.primary || route.accounts.is_empty() {
            batch.delete(&key)?;
        } else {
            save(batch, &key, &route)?;
        }
    }
    for mut domain in domains(batch)? {
        if domain.catch_all == Some(id.0) {
            domain.catch_all = None;
            save(batch, &key::domain(&domain.name), &domain)?;
        }
    }
    Ok(())
}

fn route_key(address: &Address) -> Vec<u8> {
    key::route(&address.domain().to_lowercase(), &address.local_folded())
}

fn domain(read: &impl Read, name: &str) -> Result<Option<Domain>> {
    load(read, &key::domain(&name.to_lowercase()))
}

fn folded(domain: &str) -> Result<String> {
    match check_domain(domain) {
        Ok(name) if !name.starts_with('[') => Ok(name.to_lowercase()),
        _ => Err(StoreError::Invalid("the domain is not well formed")),
    }
}

fn check_home(read: &impl Read, address: &Address) -> Result<()> {
    match domain(read, address.domain())? {
        Some(_) => Ok(()),
        None => Err(StoreError::NotFound("domain of ours")),
    }
}

fn check_accounts(read: &impl Read, accounts: &[AccountId]) -> Result<()> {
    for &id in accounts {
        if account::get(read, id)?.is_none() {
            return Err(StoreError::NotFound("account"));
        }
    }
    Ok(())
}
