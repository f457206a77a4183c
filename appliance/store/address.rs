//! Domains of the box, and where each address leads.
//!
//! An address leads to accounts, and to further addresses. Of these, one in a domain of ours leads
//! on as its own row says; any other is outside, and mail is passed on to it.

use super::format::{Domain, Route, tag};
use super::key::{self, load, save};
use super::{AccountId, Batch, Read, Result, StoreError, account, proof};
use crate::limits::{ALIAS_DEPTH, ALIAS_TARGETS};
use crate::wire::address::{Address, check_domain};
use std::collections::HashSet;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// What an address is to this box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Leads to these accounts, and outside to these addresses; at least one of all. `via` is the
    /// address of ours that matched (without the +tag, or the catch-all's domain as "@domain").
    Accounts { accounts: Vec<AccountId>, outside: Vec<Address>, via: String },
    /// The domain is ours, the address is not known.
    UnknownLocal,
    /// The domain is not ours.
    NotOurs,
}

/// Order: the exact address; without its +tag; postmaster and abuse, which always exist; the
/// catch-all. Bare `postmaster` comes here as postmaster at the first domain.
pub(crate) fn find(read: &impl Read, address: &Address) -> Result<Found> {
    if proof::is_its(address) {
        return proof::find(read, address);
    }
    let Some(home) = domain(read, address.domain())? else { return Ok(Found::NotOurs) };
    let tagless = address.without_tag();
    for candidate in std::iter::once(address).chain(&tagless) {
        let Some(route) = route(read, candidate)? else { continue };
        let leads = follow(read, &route)?;
        let (accounts, outside) = (open(read, leads.accounts)?, leads.outside);
        if !(accounts.is_empty() && outside.is_empty()) {
            return Ok(Found::Accounts { accounts, outside, via: route.address });
        }
    }
    let inside = |id: AccountId, via: String| Found::Accounts {
        accounts: vec![id],
        outside: Vec::new(),
        via,
    };
    let asked = tagless.as_ref().unwrap_or(address);
    if always_exists(asked)
        && let Some(keeper) = keeper(read, &home)?
    {
        return Ok(inside(keeper, asked.to_string()));
    }
    Ok(match home.catch_all.map(AccountId) {
        Some(id) if !account::is_closed(read, id)? => inside(id, format!("@{}", home.name)),
        _ => Found::UnknownLocal,
    })
}

/// Those that the owner has not closed: to the world a closed account is gone.
fn open(read: &impl Read, accounts: Vec<AccountId>) -> Result<Vec<AccountId>> {
    let mut open = Vec::with_capacity(accounts.len());
    for id in accounts {
        if !account::is_closed(read, id)? {
            open.push(id);
        }
    }
    Ok(open)
}

/// RFC 5321 4.5.1 and RFC 2142 4: in each domain these are somebody, and are not turned away.
pub(crate) fn always_exists(address: &Address) -> bool {
    let local = address.local_folded();
    matches!(local.split('+').next(), Some("postmaster" | "abuse"))
}

/// The account that answers for a domain of ours: the one that the owner named, else the oldest of
/// the domain, else the oldest of the box.
pub(crate) fn keeper_of(read: &impl Read, name: &str) -> Result<Option<AccountId>> {
    match domain(read, name)? {
        Some(home) => keeper(read, &home),
        None => account::first(read),
    }
}

fn keeper(read: &impl Read, home: &Domain) -> Result<Option<AccountId>> {
    if let Some(id) = home.postmaster.map(AccountId)
        && !account::is_closed(read, id)?
    {
        return Ok(Some(id));
    }
    match account::first_of(read, &home.name)? {
        Some(id) => Ok(Some(id)),
        None => account::first(read),
    }
}

/// All that a row leads to, and how.
#[derive(Default)]
struct Leads {
    accounts: Vec<AccountId>,
    outside: Vec<Address>,
    /// Did it come back to where it began?
    circle: bool,
    /// Was something left out for being too many or too far?
    cut: bool,
}

/// Follows a row over the rows that it leads to, each once.
fn follow(read: &impl Read, first: &Route) -> Result<Leads> {
    let mut leads = Leads::default();
    let mut seen = HashSet::new();
    let mut level = vec![first.clone()];
    for depth in 0.. {
        let mut next = Vec::new();
        for route in level {
            for id in route.accounts.into_iter().map(AccountId) {
                if !leads.accounts.contains(&id) {
                    leads.accounts.push(id);
                }
            }
            for target in route.targets {
                let Ok(target) = Address::parse(&target) else { continue };
                if !seen.insert(route_key(&target)) {
                    continue;
                }
                match own_route(read, &target)? {
                    Some(Some(route)) if route.address == first.address => leads.circle = true,
                    Some(Some(route)) => next.push(route),
                    // An address of ours that is gone leads nowhere.
                    Some(None) => {}
                    None => leads.outside.push(target),
                }
            }
        }
        leads.cut |= leads.accounts.len() + leads.outside.len() > ALIAS_TARGETS;
        leads.cut |= depth >= ALIAS_DEPTH && !next.is_empty();
        if next.is_empty() || leads.cut {
            break;
        }
        level = next;
    }
    leads.accounts.truncate(ALIAS_TARGETS);
    leads.outside.truncate(ALIAS_TARGETS - leads.accounts.len());
    Ok(leads)
}

/// `None`: the domain is not ours; else the row of the address, with or without its +tag.
fn own_route(read: &impl Read, address: &Address) -> Result<Option<Option<Route>>> {
    if domain(read, address.domain())?.is_none() {
        return Ok(None);
    }
    let exact = route(read, address)?;
    Ok(Some(match (exact, address.without_tag()) {
        (None, Some(tagless)) => route(read, &tagless)?,
        (exact, _) => exact,
    }))
}

pub(crate) fn add_domain(batch: &mut Batch, name: &str, now: i64) -> Result<()> {
    let name = folded(name)?;
    if domain(batch, &name)?.is_some() {
        return Err(StoreError::Exists("domain"));
    }
    if name == proof::DOMAIN {
        return Err(StoreError::Invalid("the box keeps that domain for itself"));
    }
    let in_it = |target: &String| target.rsplit('@').next() == Some(name.as_str());
    if routes(batch)?.iter().any(|route| route.targets.iter().any(in_it)) {
        return Err(StoreError::Invalid(
            "an address of this box passes mail on to that domain: change it first",
        ));
    }
    let row = Domain { name: name.clone(), created: now, ..Domain::default() };
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

/// Names the account that postmaster and abuse lead to while the owner made no such addresses.
pub(crate) fn set_postmaster(batch: &mut Batch, domain: &str, to: Option<AccountId>) -> Result<()> {
    let name = folded(domain)?;
    let mut row = self::domain(batch, &name)?.ok_or(StoreError::NotFound("domain"))?;
    check_accounts(batch, to.as_slice())?;
    row.postmaster = to.map(|id| id.0);
    save(batch, &key::domain(&name), &row)
}

/// An alias to accounts alone.
#[cfg(test)]
pub(crate) fn set_alias(
    batch: &mut Batch,
    address: &Address,
    accounts: &[AccountId],
    now: i64,
) -> Result<()> {
    set_route(batch, address, accounts, &[], now)
}

/// Says where an address leads: to accounts, and to other addresses of ours or outside. A log-in
/// address goes on leading to its account, and to nothing by id beside it.
pub(crate) fn set_route(
    batch: &mut Batch,
    address: &Address,
    accounts: &[AccountId],
    targets: &[Address],
    now: i64,
) -> Result<()> {
    if accounts.is_empty() && targets.is_empty() {
        return Err(StoreError::Invalid("an alias leads to one account or address, or more"));
    }
    check_accounts(batch, accounts)?;
    check_home(batch, address)?;
    let before = route(batch, address)?.unwrap_or_else(|| Route {
        address: address.to_string(),
        created: now,
        ..Route::default()
    });
    let mut row = Route { accounts: Vec::new(), targets: Vec::new(), ..before };
    for id in accounts.iter().map(|id| id.0) {
        if !row.accounts.contains(&id) {
            row.accounts.push(id);
        }
    }
    if row.primary {
        let own = account::by_login(batch, &row.address)?.map(|(id, _)| id.0);
        if own.is_none_or(|own| row.accounts != [own]) {
            return Err(StoreError::Exists("account with this address"));
        }
    }
    for target in targets {
        if own_route(batch, target)? == Some(None) {
            return Err(StoreError::NotFound("address it should lead to"));
        }
        let target = target.to_string();
        if !row.targets.contains(&target) {
            row.targets.push(target);
        }
    }
    save(batch, &route_key(address), &row)?;
    check_leads(batch, &row)
}

/// No new circle, and no address that leads too far or to too many.
fn check_leads(batch: &Batch, changed: &Route) -> Result<()> {
    // A new circle passes through what was changed.
    if follow(batch, changed)?.circle {
        return Err(StoreError::Invalid(
            "mail to it would go in a circle: it leads back to itself",
        ));
    }
    for route in routes(batch)?.iter().filter(|route| !route.targets.is_empty()) {
        if follow(batch, route)?.cut {
            return Err(StoreError::Limit("how far, and to how many, an address leads"));
        }
    }
    Ok(())
}

pub(crate) fn remove_alias(batch: &mut Batch, address: &Address) -> Result<()> {
    match route(batch, address)? {
        None => return Err(StoreError::NotFound("address")),
        Some(route) if route.primary => {
            return Err(StoreError::Invalid(
                "this is the log-in address of an account, not an alias",
            ));
        }
        Some(_) => {}
    }
    let leads_here = |target: &String| {
        Address::parse(target).is_ok_and(|target| route_key(&target) == route_key(address))
    };
    if routes(batch)?.iter().any(|route| route.targets.iter().any(leads_here)) {
        return Err(StoreError::Invalid("another address leads to this one: change it first"));
    }
    batch.delete(&route_key(address)).map(drop)
}

/// Outside recipients that mail to this address was passed on to on the day of `now`.
pub(crate) fn passed(read: &impl Read, address: &Address, now: i64) -> Result<u32> {
    let today = now.div_euclid(DAY_SECONDS);
    let row = own_route(read, address)?.flatten();
    Ok(row.filter(|row| row.passed_day == today).map_or(0, |row| row.passed))
}

/// Counts so many more.
pub(crate) fn count_passed(
    batch: &mut Batch,
    address: &Address,
    more: u32,
    now: i64,
) -> Result<()> {
    let passed = passed(batch, address, now)?.saturating_add(more);
    let Some(mut row) = own_route(batch, address)?.flatten() else { return Ok(()) };
    (row.passed_day, row.passed) = (now.div_euclid(DAY_SECONDS), passed);
    let Ok(at) = Address::parse(&row.address) else { return Ok(()) };
    save(batch, &route_key(&at), &row)
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

/// Takes an account out of every route, catch-all and post of postmaster; routes that lead nowhere
/// go.
pub(super) fn forget_account(batch: &mut Batch, id: AccountId) -> Result<()> {
    let login = account::get(batch, id)?.map(|account| account.login).unwrap_or_default();
    let login = Address::parse(&login).ok().map(|login| route_key(&login));
    let is_login =
        |target: &str| Address::parse(target).is_ok_and(|it| Some(route_key(&it)) == login);
    let mut touched = Vec::new();
    batch.scan(&[tag::ROUTE], &[tag::ROUTE + 1], &mut |key, payload| {
        let route: Route = key::decode(key, payload)?;
        if route.accounts.contains(&id.0) || route.targets.iter().any(|it| is_login(it)) {
            touched.push((key.to_vec(), route));
        }
        Ok(true)
    })?;
    for (key, mut route) in touched {
        let own = route.primary && route.accounts.contains(&id.0);
        route.accounts.retain(|&other| other != id.0);
        route.targets.retain(|target| !is_login(target));
        if own || (route.accounts.is_empty() && route.targets.is_empty()) {
            batch.delete(&key)?;
        } else {
            save(batch, &key, &route)?;
        }
    }
    for mut domain in domains(batch)? {
        let before = domain.clone();
        domain.catch_all = domain.catch_all.filter(|it| *it != id.0);
        domain.postmaster = domain.postmaster.filter(|it| *it != id.0);
        if domain != before {
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
