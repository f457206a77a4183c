//! Servers of an outside account, tried before they are saved, and found where nobody named them.

use super::sign_in::outgoing;
use super::{KnownView, Outcome, find as kept, provider_view};
use crate::act::Reply;
use crate::act::failure::Failure;
use crate::collect::discover::{Finder, Found};
use crate::collect::probe::{self, Try};
use crate::collect::{Fault, providers};
use crate::delivery::keyring::Keyring;
use crate::limits::{DISCOVER_TRY, DNS_QUESTION};
use crate::net::dial::Trust;
use crate::net::resolver::{CLOCK, Resolver};
use crate::store::Store;
use crate::store::format::{Outside, OutsideHost};
use crate::store::outside;
use crate::wire::address::Address;
use crate::wire::autoconfig::Kind;
use crate::wire::sasl::Secret;

/// Logs in at each server of the account. What each came to, in words.
pub(super) fn tried(
    store: &Store,
    row: &Outside,
    secret: &Secret,
    what: &str,
) -> Result<Vec<String>, Failure> {
    run(what, async {
        let outgoing = outgoing(store);
        let resolver = Resolver::new(&outgoing.name_servers, DNS_QUESTION)
            .map_err(|why| Failure::new(what, why, ""))?;
        let authority = outgoing.authority.as_deref();
        let mut told = Vec::new();
        for (kind, at, user) in servers(row) {
            let wanted = Try { kind, at, user, secret, token: row.way == outside::XOAUTH2 };
            let tried = probe::probe(&resolver, authority, wanted);
            let came = tokio::time::timeout(DISCOVER_TRY, tried).await;
            let came = came.unwrap_or_else(|_| {
                let why = "It did not answer in time.";
                let remedy = "Look whether the server's name and port are right.";
                Err(Fault::new(crate::collect::plan::UNREACHED, why, remedy))
            });
            came.map_err(|fault| failure(what, at, fault, &row.provider))?;
            told.push(format!("{}, port {}, lets you in", at.host, at.port));
        }
        Ok(told)
    })
}

fn servers(row: &Outside) -> Vec<(Kind, &OutsideHost, &str)> {
    let kind = if row.kind == outside::POP3 { Kind::Pop3 } else { Kind::Imap };
    let by = if row.relay_login.is_empty() { &row.login } else { &row.relay_login };
    let source = row.source.iter().map(|at| (kind, at, row.login.as_str()));
    source.chain(row.relay.iter().map(|at| (Kind::Smtp, at, by.as_str()))).collect()
}

fn failure(what: &str, at: &OutsideHost, fault: Fault, provider: &str) -> Failure {
    let said = match fault.reply.is_empty() {
        true => String::new(),
        false => format!(" It said: {}", fault.reply),
    };
    let why = format!("{}, port {}: {}{said}", at.host, at.port, fault.why);
    let known =
        providers::by_id(provider).filter(|_| fault.trouble == crate::collect::plan::REFUSED);
    let remedy = match known {
        Some(known) => format!("{} {}", fault.remedy, known.switch_on),
        None => fault.remedy,
    };
    Failure::new(what, why, &remedy)
}

/// What is known of the servers of an address that was not logged in at.
pub(super) fn find(store: &Store, address: &str) -> Outcome {
    let what = format!("cannot look for the servers of {address}");
    let parsed = Address::parse(address).map_err(|error| Failure::new(&what, error, ""))?;
    let (found, all) = run(&what, async {
        let finder = finder(store, &what)?;
        Ok(finder.known(&parsed).await)
    })?;
    let first = |kind: Kind| {
        let it = all.iter().find(|it| it.kind == kind)?;
        Some(it.at.clone().into())
    };
    Ok(Reply::Known(Box::new(KnownView {
        address: parsed.to_string(),
        provider: found.provider.and_then(|id| providers::by_id(&id)).map(provider_view),
        imap: first(Kind::Imap),
        pop3: first(Kind::Pop3),
        smtp: first(Kind::Smtp),
        told: found.told,
    })))
}

fn finder(store: &Store, what: &str) -> Result<Finder, Failure> {
    let outgoing = outgoing(store);
    let wrong = |why: String| Failure::new(what, why, "");
    Ok(Finder {
        resolver: Resolver::new(&outgoing.name_servers, DNS_QUESTION).map_err(wrong)?,
        trust: Trust::proven(outgoing.authority.as_deref())
            .map_err(|fault| wrong(fault.to_string()))?,
        authority: outgoing.authority.clone(),
        https_port: outgoing.https_port,
    })
}

/// Looks for the servers of an address; an error tells what was tried.
pub(super) fn found(
    store: &Store,
    address: &Address,
    secret: &Secret,
    pop3: bool,
    what: &str,
) -> Result<Found, Failure> {
    run(what, async {
        let finder = finder(store, what)?;
        let found = finder.find(address, secret, pop3).await;
        match &found.source {
            Some(_) => Ok(found),
            None => {
                let why = format!("no server was found that lets you in. {}", found.told.join(" "));
                let remedy = match found.refused {
                    Some(fault) => fault.remedy,
                    None => "name them: --host HOST, and --smtp-host HOST".to_string(),
                };
                Err(Failure::new(what, why, &remedy))
            }
        }
    })
}

/// Tries an account that is kept.
pub(super) fn test(store: &Store, login: &str, address: &str) -> Outcome {
    let what = format!("cannot log in for {address} of {login}");
    let (id, row) = kept(store, login, address, &what)?;
    let key = run(&what, async {
        let outgoing = outgoing(store);
        let wrong = |why: String| Failure::new(&what, why, "");
        let resolver = Resolver::new(&outgoing.name_servers, DNS_QUESTION).map_err(wrong)?;
        let authority = outgoing.authority.as_deref();
        let keyring = Keyring::new(store.clone(), resolver, authority, CLOCK).map_err(wrong)?;
        keyring.key(id, &row).await.map_err(|no| Failure::new(&what, no.words(address), ""))
    })?;
    let told = tried(store, &row, &key.secret, &what)?;
    let proven = store.write_blocking(move |batch| outside::prove(batch, id));
    proven.map_err(|error| Failure::store(&what, &error))?;
    Ok(Reply::Done(format!("{address}: {}", told.join("; "))))
}

fn run<T>(what: &str, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(what, format!("no threads: {error}"), ""))?;
    runtime.block_on(work)
}
