//! Acts on outside accounts: mailboxes that people have with others.

mod import;
mod look;
pub(crate) mod said;
pub(crate) mod sender;
pub(crate) mod sign_in;
mod view;

use super::Reply;
use super::failure::{Failure, Kind};
use super::people::Password;
use crate::collect::providers::{self, Provider};
use crate::limits::OUTSIDE_SECRET_BYTES;
use crate::store::format::{Multidrop, Oauth, Outside, OutsideHost, Secrets};
use crate::store::outside::{self, OutsideId};
use crate::store::{Store, StoreError, account};
use crate::wire::address::{Address, check_domain};
use crate::wire::sasl::Secret;
use sender::Claim;
use serde::{Deserialize, Serialize};
pub(crate) use view::{ImportView, KnownView, OutsideView, ProviderView, SkippedView};
use view::{provider_view, shown};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CollectAct {
    Add {
        login: String,
        address: String,
        wish: Box<Wish>,
    },
    List {
        login: Option<String>,
    },
    Providers,
    Show {
        login: String,
        address: String,
    },
    Change {
        login: String,
        address: String,
        wish: Box<Wish>,
    },
    /// What is known of the servers of an address, without a log-in.
    Find {
        address: String,
    },
    /// Looks at it now, whenever it was to be looked at.
    Look {
        login: String,
        address: String,
    },
    /// All that it holds is brought over, by the server that runs or will run.
    Import {
        login: String,
        address: String,
    },
    /// Not now.
    PauseImport {
        login: String,
        address: String,
    },
    /// Logs in at its servers.
    Test {
        login: String,
        address: String,
    },
    /// A code for the person to type in at the provider.
    SignIn {
        login: String,
        address: String,
    },
    /// Was it typed in?
    SignInWait {
        login: String,
        address: String,
        begun: Box<sign_in::SignInView>,
    },
    Remove {
        login: String,
        address: String,
    },
}

/// What is asked for; nothing in a field: as the provider has it, or as it was.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Wish {
    /// The id of a known provider.
    pub provider: Option<String>,
    pub pop3: Option<bool>,
    pub source: Option<Server>,
    /// Nothing is collected: mail only leaves by it.
    pub no_source: bool,
    pub user: Option<String>,
    pub secret: Option<Password>,
    pub after: Option<After>,
    pub folders: Option<Vec<String>>,
    pub relay: Option<Server>,
    /// Mail of these addresses leaves as other mail does.
    pub no_relay: bool,
    pub senders: Option<Vec<String>>,
    pub relay_user: Option<String>,
    pub multidrop: Option<Option<Shared>>,
    pub oauth: Option<Client>,
    pub paused: Option<bool>,
    /// Saved without a try.
    pub untested: bool,
    /// The owner asks: the senders that are named are the person's.
    pub owner: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Server {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tls {
    /// From the first octet
    Implicit,
    /// STARTTLS (STLS), and without it nothing is said
    Starttls,
}

/// What becomes of a letter there once it is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum After {
    Keep,
    /// Days.
    Delete(u32),
    /// To this folder.
    Move(String),
}

/// How the catch-all of a domain is shared out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shared {
    pub domain: String,
    #[serde(default)]
    pub field: String,
    #[serde(default)]
    pub believe_to: bool,
}

/// The client that the owner registered with the provider.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Client {
    pub id: String,
    #[serde(default)]
    pub secret: String,
    #[serde(default)]
    pub device_url: String,
    #[serde(default)]
    pub token_url: String,
    #[serde(default)]
    pub scope: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.id)
    }
}

type Outcome = Result<Reply, Failure>;

pub(crate) fn act(store: &Store, act: CollectAct, now: i64) -> Outcome {
    match act {
        CollectAct::Add { login, address, wish } => add(store, &login, &address, *wish, now),
        CollectAct::List { login } => list(store, login.as_deref()),
        CollectAct::Providers => {
            Ok(Reply::Providers(providers::all().iter().map(provider_view).collect()))
        }
        CollectAct::Show { login, address } => {
            let what = format!("cannot show {address} of {login}");
            let found = find(store, &login, &address, &what)?;
            Ok(Reply::Outside(Box::new(view(store, &login, found, &what)?)))
        }
        CollectAct::Change { login, address, wish } => change(store, &login, &address, *wish),
        CollectAct::Find { address } => look::find(store, &address),
        CollectAct::Look { login, address } => look_now(store, &login, &address),
        CollectAct::Import { login, address } => import::begin(store, &login, &address, now),
        CollectAct::PauseImport { login, address } => import::pause(store, &login, &address),
        CollectAct::Test { login, address } => look::test(store, &login, &address),
        CollectAct::SignIn { login, address } => sign_in::begin(store, &login, &address),
        CollectAct::SignInWait { login, address, begun } => {
            sign_in::wait(store, &login, &address, &begun)
        }
        CollectAct::Remove { login, address } => {
            let what = format!("cannot remove {address} of {login}");
            let (id, _) = find(store, &login, &address, &what)?;
            store
                .write_blocking(move |batch| outside::remove(batch, id))
                .map_err(|error| Failure::store(&what, &error))?;
            let done = format!("nothing is collected from {address} any more; mail there stays");
            Ok(Reply::Done(done))
        }
    }
}

fn add(store: &Store, login: &str, address: &str, wish: Wish, now: i64) -> Outcome {
    let what = format!("cannot add {address} to {login}");
    let wrong = |why: &str, remedy: &str| Failure::new(&what, why, remedy);
    let parsed = Address::parse(address).map_err(|error| wrong(&error.to_string(), ""))?;
    let id = person(store, login, &what)?;
    let provider = match &wish.provider {
        Some(id) => Some(providers::by_id(id).ok_or_else(|| {
            wrong("no such provider is known", "leave --provider out, or name the servers")
        })?),
        None => providers::of_domain(parsed.domain()),
    };
    let mut row = match provider {
        Some(provider) => from_provider(provider, &parsed.to_string(), wish.pop3 == Some(true)),
        None => Outside { login: parsed.to_string(), ..Outside::default() },
    };
    (row.address, row.created) = (parsed.to_string(), now);
    row.senders = vec![parsed.to_string().to_lowercase()];
    let mut secrets = Secrets::default();
    if wish.secret.is_none() && wish.oauth.is_none() {
        return Err(wrong("it has no password", "give it in a file: --password-file FILE"));
    }
    apply(&mut row, &mut secrets, &wish).map_err(|why| wrong(&why, ""))?;
    sender::check(store, id, &row, &what)?;
    let (mut found_by_us, mut let_in) = (false, false);
    if let Some(secret) = wish.secret.as_ref().filter(|_| !wish.untested && wish.oauth.is_none()) {
        let secret = Secret(secret.text.clone().into_bytes());
        if row.source.is_none() && row.relay.is_none() {
            let pop3 = wish.pop3 == Some(true);
            let found = look::found(store, &parsed, &secret, pop3, &what)?;
            row.provider = found.provider.unwrap_or_default();
            let known = providers::by_id(&row.provider);
            row.vouchers = match known {
                Some(known) => known.vouchers.clone(),
                None => vec![parsed.domain().to_string()],
            };
            row.relay = found.relay.map(|relay| relay.at);
            if let Some(source) = found.source {
                (row.source, row.login) = (Some(source.at), source.user);
            }
            found_by_us = true;
        } else {
            look::tried(store, &row, &secret, &what)?;
        }
        let_in = true;
    }
    if row.source.is_none() && row.relay.is_none() {
        let why = "its servers are not known";
        return Err(wrong(
            why,
            "name them: --host HOST, and --smtp-host HOST for mail that leaves",
        ));
    }
    let named = row.senders.clone();
    sender::grant(&mut row, None, &named, Claim { owner: wish.owner, found: found_by_us });
    row.proven = let_in;
    let sealer = store.sealer().map_err(|error| Failure::store(&what, &error))?;
    let kept = row.clone();
    store
        .write_blocking(move |batch| outside::add(batch, id, &kept, (&sealer, &secrets)))
        .map_err(|error| Failure::store(&what, &error))?;
    let found = find(store, login, address, &what)?;
    Ok(Reply::Outside(Box::new(view(store, login, found, &what)?)))
}

/// The task of an account that changed begins anew, with a look.
fn look_now(store: &Store, login: &str, address: &str) -> Outcome {
    let what = format!("cannot look at {address} of {login}");
    let (id, row) = find(store, login, address, &what)?;
    if row.source.is_none() || row.paused {
        let why = "nothing is collected from it";
        return Err(Failure::new(&what, why, "collect again: `mailroom collect change --resume`"));
    }
    store
        .write_blocking(move |batch| {
            outside::change(batch, id, None, &mut |_| Ok(()))?;
            outside::note(batch, id, &mut |state| {
                (state.looked, state.failures, state.told, state.trouble) = (0, 0, false, 0);
                state.error.clear();
            })
        })
        .map_err(|error| Failure::store(&what, &error))?;
    Ok(Reply::Done(format!("{address} is looked at now")))
}

fn from_provider(provider: &Provider, address: &str, pop3: bool) -> Outside {
    let source = if pop3 { &provider.pop3 } else { &provider.imap };
    Outside {
        provider: provider.id.clone(),
        source: source.as_ref().map(|server| server.host()),
        kind: if pop3 { outside::POP3 } else { outside::IMAP },
        login: provider.login_of(address),
        relay: provider.smtp.as_ref().map(|server| server.host()),
        vouchers: provider.vouchers.clone(),
        ..Outside::default()
    }
}

fn change(store: &Store, login: &str, address: &str, wish: Wish) -> Outcome {
    let what = format!("cannot change {address} of {login}");
    let (id, row) = find(store, login, address, &what)?;
    let sealer = store.sealer().map_err(|error| Failure::store(&what, &error))?;
    let known = outside::secrets(id, &row, &sealer);
    let renewed = wish.secret.is_some() || wish.oauth.is_some();
    let mut secrets = known.unwrap_or_default();
    let mut wanted = row.clone();
    apply(&mut wanted, &mut secrets, &wish).map_err(|why| Failure::new(&what, why, ""))?;
    sender::check(store, id.account, &wanted, &what)?;
    let opens_otherwise = wish.secret.is_some() || wish.source.is_some() || wish.relay.is_some();
    let opens_otherwise = opens_otherwise || wish.user.is_some() || wish.relay_user.is_some();
    let tries = opens_otherwise && !wish.untested && wanted.way == outside::PASSWORD;
    if tries {
        look::tried(store, &wanted, &Secret(secrets.password.clone().into_bytes()), &what)?;
    }
    let named = if wish.senders.is_some() { wanted.senders.clone() } else { Vec::new() };
    let claim = Claim { owner: wish.owner, found: false };
    sender::grant(&mut wanted, Some(&row), &named, claim);
    wanted.proven |= tries;
    store
        .write_blocking(move |batch| {
            let secrets = renewed.then_some((&*sealer, &secrets));
            outside::change(batch, id, secrets, &mut |row| {
                let sealed = std::mem::take(&mut row.sealed);
                *row = Outside { sealed, changes: row.changes, ..wanted.clone() };
                Ok(())
            })?;
            // What was wrong may be right now: it is looked at anew, and told anew.
            outside::note(batch, id, &mut |state| {
                (state.failures, state.told, state.trouble) = (0, false, 0);
                state.error.clear();
            })
        })
        .map_err(|error| Failure::store(&what, &error))?;
    let found = find(store, login, address, &what)?;
    Ok(Reply::Outside(Box::new(view(store, login, found, &what)?)))
}

/// Puts what is wished into the row.
fn apply(row: &mut Outside, secrets: &mut Secrets, wish: &Wish) -> Result<(), String> {
    if let Some(pop3) = wish.pop3 {
        row.kind = if pop3 { outside::POP3 } else { outside::IMAP };
    }
    if let Some(server) = &wish.source {
        row.source = Some(host(server)?);
    }
    if let Some(server) = &wish.relay {
        row.relay = Some(host(server)?);
    }
    if wish.no_source {
        row.source = None;
    }
    if wish.no_relay {
        row.relay = None;
    }
    for (given, kept) in [(&wish.user, &mut row.login), (&wish.relay_user, &mut row.relay_login)] {
        if let Some(given) = given {
            kept.clone_from(given);
        }
    }
    match &wish.after {
        None => {}
        Some(After::Keep) => (row.after, row.move_to) = (outside::KEEP, String::new()),
        Some(After::Delete(days)) => {
            (row.after, row.days, row.move_to) = (outside::DELETE, *days, String::new());
        }
        Some(After::Move(to)) => (row.after, row.move_to) = (outside::MOVE, to.clone()),
    }
    if let Some(folders) = &wish.folders {
        row.folders.clone_from(folders);
    }
    if let Some(senders) = &wish.senders {
        row.senders = senders.iter().map(|sender| lower(sender)).collect::<Result<_, _>>()?;
    }
    if let Some(shared) = &wish.multidrop {
        row.multidrop = shared.as_ref().map(multidrop).transpose()?;
    }
    if let Some(client) = &wish.oauth {
        row.oauth = Some(oauth(client, row)?);
        row.way = outside::XOAUTH2;
        secrets.client_secret.clone_from(&client.secret);
    }
    if let Some(secret) = &wish.secret {
        if secret.text.is_empty() || secret.text.len() > OUTSIDE_SECRET_BYTES {
            return Err("the password is empty or too long".to_string());
        }
        if wish.oauth.is_none() {
            (row.way, row.oauth) = (outside::PASSWORD, None);
        }
        secrets.password.clone_from(&secret.text);
    }
    row.paused = wish.paused.unwrap_or(row.paused);
    Ok(())
}

fn lower(address: &str) -> Result<String, String> {
    let parsed = Address::parse(address).map_err(|error| format!("{address}: {error}"))?;
    Ok(parsed.to_string().to_lowercase())
}

fn host(server: &Server) -> Result<OutsideHost, String> {
    let host = server.host.trim_end_matches('.').to_ascii_lowercase();
    let literal = host.parse::<std::net::IpAddr>().is_ok();
    if !literal && check_domain(&host).is_err() {
        return Err(format!("{:?} is not the name of a server", server.host));
    }
    let tls = match server.tls {
        Tls::Implicit => outside::IMPLICIT,
        Tls::Starttls => outside::STARTTLS,
    };
    Ok(OutsideHost { host, port: server.port.into(), tls })
}

fn multidrop(shared: &Shared) -> Result<Multidrop, String> {
    let domain = check_domain(&shared.domain).map_err(|why| why.to_string())?;
    let is_name = |c: char| c.is_ascii_graphic() && c != ':';
    if !shared.field.chars().all(is_name) {
        return Err(format!("{:?} is not the name of a header field", shared.field));
    }
    let field = shared.field.to_ascii_lowercase();
    Ok(Multidrop { domain, field, believe_to: shared.believe_to })
}

fn oauth(client: &Client, row: &Outside) -> Result<Oauth, String> {
    let known = providers::by_id(&row.provider).and_then(|provider| provider.oauth.as_ref());
    let or = |given: &str, known: Option<&str>| match given {
        "" => known.unwrap_or_default().to_string(),
        given => given.to_string(),
    };
    let made = Oauth {
        client_id: client.id.clone(),
        device_url: or(&client.device_url, known.and_then(|it| it.device_url.as_deref())),
        token_url: or(&client.token_url, known.map(|it| it.token_url.as_str())),
        scope: or(&client.scope, known.map(|it| it.scope.as_str())),
    };
    let safe = |url: &str| url.starts_with("https://");
    let device = made.device_url.is_empty() || safe(&made.device_url);
    if made.client_id.is_empty() || !safe(&made.token_url) || !device {
        let why = "XOAUTH2 wants the client's id and the addresses (https) where codes and tokens \
                   are given out";
        return Err(why.to_string());
    }
    Ok(made)
}

fn list(store: &Store, login: Option<&str>) -> Outcome {
    let what = "cannot list outside accounts";
    let fault = |error: StoreError| Failure::store(what, &error);
    let only = login.map(|login| person(store, login, what)).transpose()?;
    let read = store.snapshot().map_err(fault)?;
    let rows = match only {
        Some(id) => outside::of(&read, id),
        None => outside::all(&read),
    };
    let mut views = Vec::new();
    for (id, row) in rows.map_err(fault)? {
        let login = account::get(&read, id.account).map_err(fault)?.map(|it| it.login);
        let state = outside::state(&read, id).map_err(fault)?;
        let waiting = sender::waiting(&read, id, &row).map_err(fault)?;
        let import = outside::import(&read, id).map_err(fault)?;
        views.push(shown(&login.unwrap_or_default(), row, (state, import), waiting));
    }
    Ok(Reply::Outsides(views))
}

fn person(store: &Store, login: &str, what: &str) -> Result<crate::store::AccountId, Failure> {
    let found = store.snapshot().and_then(|read| account::by_login(&read, login));
    let found = found.map_err(|error| Failure::store(what, &error))?;
    found.map(|(id, _)| id).ok_or_else(|| {
        let why = format!("there is no account {login}");
        Failure::new(what, why, "look with `mailroom account list`").of_kind(Kind::Missing)
    })
}

fn find(
    store: &Store,
    login: &str,
    address: &str,
    what: &str,
) -> Result<(OutsideId, Outside), Failure> {
    let id = person(store, login, what)?;
    let rows = store.snapshot().and_then(|read| outside::of(&read, id));
    let rows = rows.map_err(|error| Failure::store(what, &error))?;
    rows.into_iter().find(|(_, row)| row.address.eq_ignore_ascii_case(address)).ok_or_else(|| {
        let why = format!("{login} has no outside account {address}");
        Failure::new(what, why, "look with `mailroom collect list`").of_kind(Kind::Missing)
    })
}

fn view(
    store: &Store,
    login: &str,
    (id, row): (OutsideId, Outside),
    what: &str,
) -> Result<OutsideView, Failure> {
    let read = store.snapshot().and_then(|read| {
        let state = (outside::state(&read, id)?, outside::import(&read, id)?);
        Ok((state, sender::waiting(&read, id, &row)?))
    });
    let (state, waiting) = read.map_err(|error| Failure::store(what, &error))?;
    Ok(shown(login, row, state, waiting))
}
