//! Acts on accounts, domains and addresses.

use super::Reply;
use super::failure::{Failure, Kind};
use crate::limits::{PASSWORD_BYTES, SCRAM_ITERATIONS};
use crate::serve::login::{make_credential, new_salt};
use crate::store::account::{self as accounts, NewAccount};
use crate::store::address::{self as addresses, Found};
use crate::store::format::{Account, Credential};
use crate::store::{AccountId, Batch, Read, Store, StoreError};
use crate::wire::address::{Address, check_domain};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The label of the credential that is the account's own password.
pub(crate) const OWN_PASSWORD: &str = "password";

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AccountAct {
    Add {
        address: String,
        name: String,
        quota: u64,
        password: Password,
    },
    /// All of them or, if one cannot be made, none.
    AddAll {
        newcomers: Vec<Newcomer>,
    },
    List,
    Show {
        login: String,
    },
    Password {
        login: String,
        password: Password,
    },
    AppPassword {
        login: String,
        label: String,
        password: Password,
    },
    RemoveAppPassword {
        login: String,
        label: String,
    },
    Suspend {
        login: String,
        suspended: bool,
    },
    Quota {
        login: String,
        quota: u64,
    },
    /// Shuts it at once; its mail is removed after some days.
    Close {
        login: String,
    },
    Reopen {
        login: String,
    },
    Delete {
        login: String,
        yes: bool,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DomainAct {
    Add { domain: String },
    List,
    Remove { domain: String },
    CatchAll { domain: String, login: Option<String> },
    Postmaster { domain: String, login: Option<String> },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AddressAct {
    /// To accounts by their log-in address, and to other addresses.
    Add {
        address: String,
        targets: Vec<String>,
    },
    Remove {
        address: String,
    },
    List,
    Find {
        address: String,
    },
}

/// A password on its way to the store; no Debug output shows it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Password {
    pub text: String,
    /// It was made up here, so the person must be shown it.
    pub made_up: bool,
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// An account to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Newcomer {
    pub address: String,
    pub name: String,
    pub quota: u64,
    pub password: Password,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AccountView {
    pub login: String,
    pub name: String,
    /// Octets; 0: no limit.
    pub quota: u64,
    /// Octets of all its messages.
    pub used: u64,
    pub messages: u64,
    pub suspended: bool,
    /// Closed: its mail is removed in so many days.
    #[serde(default)]
    pub days_left: Option<u32>,
    /// Seconds since 1970.
    pub created: i64,
    /// Every address that leads to it, its log-in address first.
    pub addresses: Vec<String>,
    /// What its app passwords are for.
    pub app_passwords: Vec<String>,
}

/// What was set, and the password itself where it was made up.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PasswordSet {
    pub login: String,
    /// What it is for: "password", or the app.
    pub label: String,
    pub password: Option<String>,
}

impl fmt::Debug for PasswordSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordSet({}, {})", self.login, self.label)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DomainView {
    pub domain: String,
    pub catch_all: Option<String>,
    /// Who gets the mail of postmaster and abuse, while they are no addresses of their own.
    pub postmaster: Option<String>,
    pub addresses: usize,
    pub created: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AddressView {
    pub address: String,
    pub logins: Vec<String>,
    /// Other addresses it leads to: of this box, or outside.
    pub targets: Vec<String>,
    /// The log-in address of an account: it goes only with the account.
    pub primary: bool,
}

/// Where mail to an address would go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FoundView {
    pub address: String,
    /// "accounts", "unknown" (the domain is ours, mail is refused) or "elsewhere".
    pub leads: String,
    pub logins: Vec<String>,
    /// Addresses elsewhere that the mail is passed on to.
    pub outside: Vec<String>,
    /// The address of ours that matched, "@domain" for its catch-all.
    pub via: String,
}

type Outcome = Result<Reply, Failure>;

// ---- accounts ----

pub(crate) fn account(store: &Store, act: AccountAct, now: i64) -> Outcome {
    match act {
        AccountAct::Add { address, name, quota, password } => {
            let newcomer = Newcomer { address, name, quota, password };
            let mut set = add_accounts(store, vec![newcomer], now)?;
            let set = set.pop().ok_or_else(|| Failure::new("cannot add it", "nothing asked", ""));
            Ok(Reply::Password(set?))
        }
        AccountAct::AddAll { newcomers } => {
            add_accounts(store, newcomers, now).map(Reply::Passwords)
        }
        AccountAct::List => list_accounts(store),
        AccountAct::Show { login } => show_account(store, &login),
        AccountAct::Password { login, password } => {
            set_password(store, &login, OWN_PASSWORD, password, now)
        }
        AccountAct::AppPassword { login, label, password } => {
            let label = check_label(&label)?;
            set_password(store, &login, label, password, now)
        }
        AccountAct::RemoveAppPassword { login, label } => {
            remove_app_password(store, &login, &label)
        }
        AccountAct::Suspend { login, suspended } => {
            let now_is = if suspended { "may not log in now" } else { "may log in again" };
            change(store, &login, format!("{login} {now_is}"), move |account| {
                if account.leaving.is_some() {
                    return Err(StoreError::Invalid("the account is closed: reopen it first"));
                }
                account.suspended = suspended;
                Ok(())
            })
        }
        AccountAct::Quota { login, quota } => {
            let now_is = if quota == 0 { "no limit".into() } else { super::words::octets(quota) };
            change(store, &login, format!("{login} has {now_is} of room"), move |account| {
                account.quota = quota;
                Ok(())
            })
        }
        AccountAct::Close { login } => super::leaving::close(store, &login, now),
        AccountAct::Reopen { login } => super::leaving::reopen(store, &login),
        AccountAct::Delete { login, yes } => delete_account(store, &login, yes),
    }
}

fn add_accounts(
    store: &Store,
    newcomers: Vec<Newcomer>,
    now: i64,
) -> Result<Vec<PasswordSet>, Failure> {
    let (mut accounts, mut set) = (Vec::new(), Vec::new());
    for newcomer in newcomers {
        let (account, password) = new_account(store, newcomer, now)?;
        set.push(password_set(&account.login.to_string(), OWN_PASSWORD, password));
        accounts.push(account);
    }
    let what = match accounts.as_slice() {
        [one] => format!("cannot add the account {}", one.login),
        _ => "cannot add the accounts".to_string(),
    };
    write(store, &what, move |batch| {
        for account in &accounts {
            accounts::create(batch, account.clone(), now)?;
        }
        Ok(())
    })?;
    Ok(set)
}

fn new_account(
    store: &Store,
    newcomer: Newcomer,
    now: i64,
) -> Result<(NewAccount, Password), Failure> {
    let Newcomer { address, name, quota, password } = newcomer;
    let what = format!("cannot add the account {address}");
    let login = parse(&address, &what)?;
    let known = domains(store, &what)?;
    if !known.iter().any(|domain| domain == login.domain()) {
        let remedy = format!("add the domain first: mailroom domain add {}", login.domain());
        let why = format!("{} is not a domain of this box", login.domain());
        return Err(Failure::new(&what, why, &remedy));
    }
    let scram_salt = new_salt().map_err(|why| Failure::new(&what, why, ""))?;
    let credential =
        credential(&what, OWN_PASSWORD, &password, &scram_salt, SCRAM_ITERATIONS, now)?;
    let new = NewAccount {
        login,
        name,
        quota,
        credentials: vec![credential],
        scram_salt,
        scram_iterations: SCRAM_ITERATIONS,
    };
    Ok((new, password))
}

fn list_accounts(store: &Store) -> Outcome {
    let what = "cannot list the accounts";
    let list = read(store, what, accounts::list)?;
    let mut views = Vec::with_capacity(list.len());
    for (id, account) in list {
        // One snapshot each: counting a large account must not hold one for long.
        views.push(read(store, what, |read| view(read, id, &account))?);
    }
    Ok(Reply::Accounts(views))
}

fn show_account(store: &Store, login: &str) -> Outcome {
    let what = format!("cannot show {login}");
    let (id, account) = find_account(store, login, &what)?;
    read(store, &what, |read| view(read, id, &account)).map(Reply::Account)
}

fn view(read: &impl Read, id: AccountId, account: &Account) -> Result<AccountView, StoreError> {
    let (used, messages) = accounts::usage(read, id)?;
    let mut routes = addresses::of_account(read, id)?;
    routes.sort_by_key(|route| !route.primary);
    let apps = account.credentials.iter().filter(|c| c.label != OWN_PASSWORD);
    Ok(AccountView {
        login: account.login.clone(),
        name: account.name.clone(),
        quota: account.quota,
        used,
        messages,
        suspended: account.suspended,
        days_left: account.leaving.as_ref().map(|leaving| leaving.days),
        created: account.created,
        addresses: routes.into_iter().map(|route| route.address).collect(),
        app_passwords: apps.map(|c| c.label.clone()).collect(),
    })
}

/// Sets the credential of this label, in place of one that is there.
fn set_password(store: &Store, login: &str, label: &str, password: Password, now: i64) -> Outcome {
    let what = format!("cannot set the password of {login}");
    let (_, account) = find_account(store, login, &what)?;
    let (salt, iterations) = (&account.scram_salt, account.scram_iterations);
    let new = credential(&what, label, &password, salt, iterations, now)?;
    let reply = Reply::Password(password_set(&account.login, label, password));
    change_account(store, login, &what, move |account| {
        account.credentials.retain(|c| c.label != new.label);
        account.credentials.push(new.clone());
        if account.credentials.len() > crate::limits::CREDENTIALS_PER_ACCOUNT {
            return Err(StoreError::Limit("passwords of one account"));
        }
        Ok(())
    })?;
    Ok(reply)
}

fn remove_app_password(store: &Store, login: &str, label: &str) -> Outcome {
    let label = check_label(label)?.to_string();
    let done = format!("the app password {label:?} of {login} is gone");
    change(store, login, done, move |account| {
        let before = account.credentials.len();
        account.credentials.retain(|c| c.label != label);
        if account.credentials.len() == before {
            return Err(StoreError::NotFound("app password"));
        }
        Ok(())
    })
}

fn delete_account(store: &Store, login: &str, yes: bool) -> Outcome {
    let what = format!("cannot delete {login}");
    let (id, _) = find_account(store, login, &what)?;
    if !yes {
        let (octets, messages) = read(store, &what, |read| accounts::usage(read, id))?;
        let why = format!(
            "it has {messages} messages ({}), which would be gone for ever",
            super::words::octets(octets)
        );
        return Err(Failure::new(
            &what,
            why,
            "say --yes if that is what you want, or close it and have time to think",
        ));
    }
    while write(store, &what, move |batch| accounts::thin_out(batch, id))? {}
    write(store, &what, move |batch| accounts::delete(batch, id))?;
    Ok(Reply::Done(format!("{login} and all its mail are deleted")))
}

// ---- domains ----

pub(crate) fn domain(store: &Store, act: DomainAct, now: i64) -> Outcome {
    match act {
        DomainAct::Add { domain } => {
            let what = format!("cannot add the domain {domain}");
            let name = check_domain(&domain).map_err(|why| Failure::new(&what, why, ""))?;
            let done = format!("this box is home to {name} now");
            write(store, &what, move |batch| addresses::add_domain(batch, &name, now))?;
            Ok(Reply::Done(done))
        }
        DomainAct::List => list_domains(store),
        DomainAct::Remove { domain } => {
            let what = format!("cannot remove the domain {domain}");
            let name = domain.to_lowercase();
            write(store, &what, move |batch| addresses::remove_domain(batch, &name))?;
            Ok(Reply::Done(format!("mail to {domain} is no longer taken")))
        }
        DomainAct::CatchAll { domain, login } => catch_all(store, &domain, login.as_deref()),
        DomainAct::Postmaster { domain, login } => postmaster(store, &domain, login.as_deref()),
    }
}

fn list_domains(store: &Store) -> Outcome {
    read(store, "cannot list the domains", |read| {
        let routes = addresses::routes(read)?;
        let of = |name: &str| {
            let ends = |address: &str| address.rsplit('@').next() == Some(name);
            routes.iter().filter(|route| ends(&route.address.to_lowercase())).count()
        };
        let mut views = Vec::new();
        for domain in addresses::domains(read)? {
            let catch_all = match domain.catch_all {
                Some(id) => login_of(read, id)?,
                None => None,
            };
            let postmaster = match addresses::keeper_of(read, &domain.name)? {
                Some(id) => login_of(read, id.0)?,
                None => None,
            };
            let (addresses, created) = (of(&domain.name), domain.created);
            let domain = domain.name;
            views.push(DomainView { domain, catch_all, postmaster, addresses, created });
        }
        Ok(Reply::Domains(views))
    })
}

fn catch_all(store: &Store, domain: &str, login: Option<&str>) -> Outcome {
    let what = format!("cannot set the catch-all of {domain}");
    let to = match login {
        Some(login) => Some(find_account(store, login, &what)?.0),
        None => None,
    };
    let name = domain.to_lowercase();
    write(store, &what, move |batch| addresses::set_catch_all(batch, &name, to))?;
    Ok(Reply::Done(match login {
        Some(login) => format!("mail to unknown addresses of {domain} goes to {login}"),
        None => format!("mail to unknown addresses of {domain} is refused"),
    }))
}

fn postmaster(store: &Store, domain: &str, login: Option<&str>) -> Outcome {
    let what = format!("cannot name the postmaster of {domain}");
    let to = match login {
        Some(login) => Some(find_account(store, login, &what)?.0),
        None => None,
    };
    let name = domain.to_lowercase();
    write(store, &what, move |batch| addresses::set_postmaster(batch, &name, to))?;
    Ok(Reply::Done(match login {
        Some(login) => format!("mail to postmaster and abuse of {domain} goes to {login}"),
        None => format!("mail to postmaster and abuse of {domain} goes to its oldest account"),
    }))
}

// ---- addresses ----

pub(crate) fn address(store: &Store, act: AddressAct, now: i64) -> Outcome {
    match act {
        AddressAct::Add { address, targets } => add_address(store, &address, &targets, now),
        AddressAct::Remove { address } => {
            let what = format!("cannot remove the address {address}");
            let alias = parse(&address, &what)?;
            write(store, &what, move |batch| addresses::remove_alias(batch, &alias))?;
            Ok(Reply::Done(format!("the address {address} is gone")))
        }
        AddressAct::List => list_addresses(store),
        AddressAct::Find { address } => find_address(store, &address),
    }
}

fn add_address(store: &Store, address: &str, targets: &[String], now: i64) -> Outcome {
    let what = format!("cannot add the address {address}");
    let alias = parse(address, &what)?;
    let is_login = read(store, &what, |read| accounts::by_login(read, &alias.to_string()))?;
    let (mut ids, mut others) = (Vec::new(), Vec::new());
    for target in targets {
        let at = parse(target, &what)?;
        let found = read(store, &what, |read| accounts::by_login(read, target))?;
        match found {
            // A log-in address has no account but its own by id: the others are addresses to it.
            Some((id, _)) if is_login.as_ref().is_none_or(|(own, _)| *own == id) => ids.push(id),
            _ => others.push(at),
        }
    }
    if let Some(at) = others.iter().find(|at| !is_known(store, at, &what).unwrap_or(true)) {
        let remedy = "see `mailroom account list` and `mailroom address list`";
        return Err(Failure::new(&what, format!("there is no {at} here"), remedy));
    }
    if is_login.is_some() && ids.is_empty() {
        let why = "it is a log-in address, which goes on leading to its account";
        let remedy = format!("name it too: `mailroom address add {address} {address} ...`");
        return Err(Failure::new(&what, why, &remedy));
    }
    let job = move |batch: &mut Batch| addresses::set_route(batch, &alias, &ids, &others, now);
    write(store, &what, job)?;
    Ok(Reply::Done(format!("mail to {address} goes to {}", targets.join(", "))))
}

/// Outside of this box every address may be one.
fn is_known(store: &Store, at: &Address, what: &str) -> Result<bool, Failure> {
    let found = read(store, what, |read| addresses::find(read, at))?;
    Ok(found != Found::UnknownLocal)
}

fn list_addresses(store: &Store) -> Outcome {
    read(store, "cannot list the addresses", |read| {
        let mut views = Vec::new();
        for route in addresses::routes(read)? {
            let logins = logins_of(read, &route.accounts)?;
            let (address, targets, primary) = (route.address, route.targets, route.primary);
            views.push(AddressView { address, logins, targets, primary });
        }
        Ok(Reply::Addresses(views))
    })
}

fn find_address(store: &Store, text: &str) -> Outcome {
    let what = format!("cannot look up {text}");
    let address = parse(text, &what)?;
    read(store, &what, |read| {
        let (leads, logins, outside, via) = match addresses::find(read, &address)? {
            Found::Accounts { accounts, outside, via } => {
                let ids: Vec<u32> = accounts.iter().map(|id| id.0).collect();
                let outside = outside.iter().map(Address::to_string).collect();
                ("accounts", logins_of(read, &ids)?, outside, via)
            }
            Found::UnknownLocal => ("unknown", Vec::new(), Vec::new(), String::new()),
            Found::NotOurs => ("elsewhere", Vec::new(), Vec::new(), String::new()),
        };
        let (address, leads) = (address.to_string(), leads.to_string());
        Ok(Reply::Found(FoundView { address, leads, logins, outside, via }))
    })
}

// ---- helpers ----

fn logins_of(read: &impl Read, ids: &[u32]) -> Result<Vec<String>, StoreError> {
    let mut logins = Vec::new();
    for id in ids {
        logins.extend(login_of(read, *id)?);
    }
    Ok(logins)
}

fn login_of(read: &impl Read, id: u32) -> Result<Option<String>, StoreError> {
    Ok(accounts::get(read, AccountId(id))?.map(|account| account.login))
}

fn domains(store: &Store, what: &str) -> Result<Vec<String>, Failure> {
    let list = read(store, what, addresses::domains)?;
    Ok(list.into_iter().map(|domain| domain.name).collect())
}

pub(super) fn find_account(
    store: &Store,
    login: &str,
    what: &str,
) -> Result<(AccountId, Account), Failure> {
    let folded = login.to_lowercase();
    let found = read(store, what, |read| accounts::by_login(read, &folded))?;
    found.ok_or_else(|| {
        let why = format!("there is no account {login}");
        let remedy = "see them all with `mailroom account list`";
        Failure::new(what, why, remedy).of_kind(Kind::Missing)
    })
}

fn parse(text: &str, what: &str) -> Result<Address, Failure> {
    Address::parse(text).map_err(|why| Failure::new(what, why, "write it as name@domain"))
}

fn check_label(label: &str) -> Result<&str, Failure> {
    let what = "cannot use this name for an app password";
    let fine = !label.trim().is_empty()
        && label.len() <= crate::limits::LABEL_BYTES
        && !label.chars().any(char::is_control);
    if label == OWN_PASSWORD {
        let remedy = "set the account's own with `mailroom account password`";
        return Err(Failure::new(what, "it names the account's own password", remedy));
    }
    if fine {
        return Ok(label);
    }
    Err(Failure::new(what, "it is empty or too long", "name the app or device, as \"phone\""))
}

fn credential(
    what: &str,
    label: &str,
    password: &Password,
    salt: &[u8],
    iterations: u32,
    now: i64,
) -> Result<Credential, Failure> {
    let remedy = "choose another, or leave it out to have one made";
    if password.text.is_empty() {
        return Err(Failure::new(what, "the password is empty", remedy));
    }
    if password.text.len() > PASSWORD_BYTES {
        let why = format!("the password is longer than {PASSWORD_BYTES} octets");
        return Err(Failure::new(what, why, remedy));
    }
    make_credential(label, &password.text, salt, iterations, now)
        .map_err(|why| Failure::new(what, why, remedy))
}

fn password_set(login: &str, label: &str, password: Password) -> PasswordSet {
    let shown = password.made_up.then_some(password.text);
    PasswordSet { login: login.to_string(), label: label.to_string(), password: shown }
}

/// Letters and digits that are not mistaken for each other when read aloud or typed.
const PASSWORD_LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Four groups of four letters: 80 bits.
pub(crate) fn made_up() -> Result<String, String> {
    let mut random = [0_u8; 16];
    let source = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&source, &mut random)
        .map_err(|_| "the system gives no random numbers".to_string())?;
    let letter = |octet: &u8| char::from(PASSWORD_LETTERS[usize::from(octet % 32)]);
    let groups = random.chunks(4).map(|group| group.iter().map(letter).collect::<String>());
    Ok(groups.collect::<Vec<_>>().join("-"))
}

fn change<F>(store: &Store, login: &str, done: String, edit: F) -> Outcome
where
    F: Fn(&mut Account) -> Result<(), StoreError> + Send + 'static,
{
    change_account(store, login, &format!("cannot change {login}"), edit)?;
    Ok(Reply::Done(done))
}

fn change_account<F>(store: &Store, login: &str, what: &str, edit: F) -> Result<(), Failure>
where
    F: Fn(&mut Account) -> Result<(), StoreError> + Send + 'static,
{
    let (id, _) = find_account(store, login, what)?;
    write(store, what, move |batch| accounts::update(batch, id, &mut |account| edit(account)))
}

fn read<R>(
    store: &Store,
    what: &str,
    job: impl FnOnce(&crate::store::Snapshot) -> Result<R, StoreError>,
) -> Result<R, Failure> {
    store.snapshot().and_then(|read| job(&read)).map_err(|error| Failure::store(what, &error))
}

pub(super) fn write<R, F>(store: &Store, what: &str, job: F) -> Result<R, Failure>
where
    R: Send + 'static,
    F: FnMut(&mut Batch) -> Result<R, StoreError> + Send + 'static,
{
    store.write_blocking(job).map_err(|error| Failure::store(what, &error))
}
