//! Accounts, domains, addresses.

use super::{Call, Outcome, Refused};
use crate::act::failure::{Failure, Kind};
use crate::act::people::{AccountAct, AddressAct, DomainAct, Newcomer, Password, made_up};
use crate::act::{self, Request as Act};
use crate::admin::clients;
use crate::admin::sessions::{self, Which};
use crate::limits;
use crate::store::account;
use serde::Deserialize;

/// Octets of the largest quota.
const QUOTA_AT_MOST: u64 = limits::QUOTA_GIGABYTES_AT_MOST * 1_000_000_000;

fn given(password: Option<String>) -> Result<Password, Failure> {
    match password {
        Some(text) => Ok(Password { text, made_up: false }),
        None => {
            let text = made_up().map_err(|why| Failure::new("cannot make a password", why, ""))?;
            Ok(Password { text, made_up: true })
        }
    }
}

fn room(quota: u64) -> Result<u64, Refused> {
    match quota {
        0..=QUOTA_AT_MOST => Ok(quota),
        _ => Err(Refused::wrong(format!("no disk has more than {QUOTA_AT_MOST} octets"), "")),
    }
}

// ---- accounts ----

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    address: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    quota: u64,
    password: Option<String>,
}

impl NewAccount {
    fn newcomer(self) -> Result<Newcomer, Refused> {
        let NewAccount { address, name, quota, password } = self;
        if name.chars().count() > limits::PERSON_NAME_LETTERS {
            let most = limits::PERSON_NAME_LETTERS;
            return Err(Refused::wrong(format!("a name has at most {most} letters"), ""));
        }
        Ok(Newcomer { address, name, quota: room(quota)?, password: given(password)? })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Newcomers {
    newcomers: Vec<NewAccount>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suspended {
    suspended: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Closed {
    closed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quota {
    quota: u64,
}

pub(super) fn accounts(call: &Call<'_>) -> Outcome {
    call.ask(Act::Account(AccountAct::List))
}

pub(super) fn account(call: &Call<'_>) -> Outcome {
    call.ask(Act::Account(AccountAct::Show { login: call.part(0) }))
}

pub(super) fn add(call: &Call<'_>) -> Outcome {
    let Newcomer { address, name, quota, password } = call.body::<NewAccount>()?.newcomer()?;
    let about = address.clone();
    let act = AccountAct::Add { address, name, quota, password };
    call.act("people/add", &about, Act::Account(act))
}

pub(super) fn add_all(call: &Call<'_>) -> Outcome {
    let all = call.body::<Newcomers>()?.newcomers;
    if !(1..=limits::PEOPLE_AT_ONCE).contains(&all.len()) {
        let most = limits::PEOPLE_AT_ONCE;
        return Err(Refused::wrong(format!("from 1 to {most} newcomers at once"), ""));
    }
    let about = all.len().to_string();
    let newcomers =
        all.into_iter().map(NewAccount::newcomer).collect::<Result<Vec<_>, Refused>>()?;
    call.act("people/add-list", &about, Act::Account(AccountAct::AddAll { newcomers }))
}

pub(super) fn remove(call: &Call<'_>) -> Outcome {
    let login = call.part(0);
    // The call says it by its method; a person on the page types whom.
    let act = AccountAct::Delete { login: login.clone(), yes: true };
    call.act("people/delete", &login, Act::Account(act))
}

pub(super) fn password(call: &Call<'_>) -> Outcome {
    let (login, password) = (call.part(0), given(call.body::<NewPassword>()?.password)?);
    let act = AccountAct::Password { login: login.clone(), password };
    call.act("people/password", &login, Act::Account(act))
}

pub(super) fn suspend(call: &Call<'_>) -> Outcome {
    let (login, Suspended { suspended }) = (call.part(0), call.body()?);
    let what = if suspended { "people/suspend" } else { "people/resume" };
    let act = AccountAct::Suspend { login: login.clone(), suspended };
    call.act(what, &login, Act::Account(act))
}

pub(super) fn close(call: &Call<'_>) -> Outcome {
    let (login, Closed { closed }) = (call.part(0), call.body()?);
    let about = login.clone();
    match closed {
        true => {
            let closed =
                call.act("people/close", &about, Act::Account(AccountAct::Close { login }))?;
            if let Some((id, _)) = account::by_login(&call.house.store.snapshot()?, &about)? {
                sessions::end_of_person(call.house, id, Which::Others(None));
            }
            Ok(closed)
        }
        false => call.act("people/reopen", &about, Act::Account(AccountAct::Reopen { login })),
    }
}

pub(super) fn quota(call: &Call<'_>) -> Outcome {
    let (login, Quota { quota }) = (call.part(0), call.body()?);
    let act = AccountAct::Quota { login: login.clone(), quota: room(quota)? };
    call.act("people/quota", &login, Act::Account(act))
}

pub(super) fn app_password(call: &Call<'_>) -> Outcome {
    let (login, label) = (call.part(0), call.part(1));
    let password = given(call.body::<NewPassword>()?.password)?;
    let act = AccountAct::AppPassword { login: login.clone(), label, password };
    call.act("people/app-password", &login, Act::Account(act))
}

pub(super) fn remove_app_password(call: &Call<'_>) -> Outcome {
    let (login, label) = (call.part(0), call.part(1));
    let act = AccountAct::RemoveAppPassword { login: login.clone(), label };
    call.act("people/remove-app-password", &login, Act::Account(act))
}

/// A file for Apple's devices.
pub(super) fn apple(call: &Call<'_>) -> Outcome {
    let done = call.done(Act::Account(AccountAct::Show { login: call.part(0) }))?;
    let file = match &done {
        act::Reply::Account(view) => clients::apple_file(call.house, view),
        _ => None,
    };
    let failure = || {
        let why = "no port of this server takes mail programs";
        Failure::new("cannot make the file", why, "").of_kind(Kind::Missing)
    };
    file.ok_or_else(|| failure().into())
}

// ---- domains ----

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDomain {
    domain: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    /// `null`: nobody.
    login: Option<String>,
}

pub(super) fn domains(call: &Call<'_>) -> Outcome {
    call.ask(Act::Domain(DomainAct::List))
}

pub(super) fn add_domain(call: &Call<'_>) -> Outcome {
    let NewDomain { domain } = call.body()?;
    call.act("domain/add", &domain, Act::Domain(DomainAct::Add { domain: domain.clone() }))
}

pub(super) fn remove_domain(call: &Call<'_>) -> Outcome {
    let domain = call.part(0);
    let act = DomainAct::Remove { domain: domain.clone() };
    call.act("domain/remove", &domain, Act::Domain(act))
}

pub(super) fn catch_all(call: &Call<'_>) -> Outcome {
    let (domain, Login { login }) = (call.part(0), call.body()?);
    let about = format!("{domain} {}", login.as_deref().unwrap_or("-"));
    call.act("addresses/catch-all", &about, Act::Domain(DomainAct::CatchAll { domain, login }))
}

pub(super) fn postmaster(call: &Call<'_>) -> Outcome {
    let (domain, Login { login }) = (call.part(0), call.body()?);
    let about = format!("{domain} {}", login.as_deref().unwrap_or("-"));
    call.act("addresses/postmaster", &about, Act::Domain(DomainAct::Postmaster { domain, login }))
}

// ---- addresses ----

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Targets {
    targets: Vec<String>,
}

pub(super) fn addresses(call: &Call<'_>) -> Outcome {
    call.ask(Act::Address(AddressAct::List))
}

pub(super) fn find_address(call: &Call<'_>) -> Outcome {
    call.ask(Act::Address(AddressAct::Find { address: call.part(0) }))
}

pub(super) fn set_address(call: &Call<'_>) -> Outcome {
    let (address, Targets { targets }) = (call.part(0), call.body()?);
    if !(1..=limits::ALIAS_TARGETS).contains(&targets.len()) {
        let most = limits::ALIAS_TARGETS;
        return Err(Refused::wrong(format!("an address leads to 1 to {most} others"), ""));
    }
    let act = AddressAct::Add { address: address.clone(), targets };
    call.act("addresses/set", &address, Act::Address(act))
}

pub(super) fn remove_address(call: &Call<'_>) -> Outcome {
    let address = call.part(0);
    let act = AddressAct::Remove { address: address.clone() };
    call.act("addresses/remove", &address, Act::Address(act))
}
