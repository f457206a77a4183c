//! What the world sees of this box: its name and addresses, the way out, and its records.

use super::super::records::{self, Record};
use super::published;
use super::reach::{self, Reached};
use super::said::say;
use super::{Finding, State, UNKNOWN};
use crate::limits::{CHECK_AT_ONCE, CHECK_DOMAINS, CHECK_NAMES, DNS_QUESTION};
use crate::net::authenticate::{Examiner, Standing};
use crate::net::resolver::{NoAnswer, Resolver};
use crate::settings::Settings;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// A domain of the box, and what is to be published for it.
pub(crate) struct Domain {
    pub name: String,
    pub records: Vec<Record>,
}

/// Asks the name servers of the settings and a few servers of others; some seconds, or a minute
/// where nothing answers.
pub(super) fn look(settings: &Settings, domains: Vec<Domain>) -> Vec<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(seen(settings, domains)),
        Err(error) => {
            let said = say("found.no-threads", [error.into()]);
            vec![Finding::new("world", State::Wrong, said, "")]
        }
    }
}

/// Is mail of this domain taken by somebody?
pub(super) fn mail_of(settings: &Settings, domain: &str) -> Option<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let resolver = Resolver::new(&settings.outgoing.name_servers, DNS_QUESTION).ok()?;
    let mx = runtime.block_on(resolver.mx(domain)).ok()?;
    let others = mx.into_iter().map(|mx| mx.host);
    let others: Vec<String> = others.filter(|host| *host != settings.host).collect();
    let said = say("found.mx-elsewhere", [others.join(", ").into()]);
    let told = || Finding::new(&format!("MX of {domain}"), State::Ok, said, "");
    (!others.is_empty()).then(told)
}

async fn seen(settings: &Settings, domains: Vec<Domain>) -> Vec<Finding> {
    let resolver = match Resolver::new(&settings.outgoing.name_servers, DNS_QUESTION) {
        Ok(resolver) => Arc::new(resolver),
        Err(why) => return vec![unanswered(&why)],
    };
    let own = resolver.addresses(&settings.host, true).await;
    if let Err(NoAnswer::Unknown(why)) = &own {
        // Nothing else could be told either.
        return vec![unanswered(why)];
    }
    let mut found = vec![Finding::new("name servers", State::Ok, say("found.names", []), "")];
    let own = own.unwrap_or_default();
    found.push(address(&settings.host, &own));
    for address in own.iter().filter(|address| records::is_public(address)).take(CHECK_NAMES) {
        found.push(name_of(&resolver, &settings.host, *address).await);
    }
    let reached = reach::out(&resolver, settings).await;
    found.extend(way_out(&settings.host, &own, &reached));
    let seen = reached.iter().find_map(|(_, reached)| reached.seen_as());
    found.extend(blocklists(settings, own.iter().copied().chain(seen)).await);
    found.extend(compared(&resolver, domains).await);
    found
}

fn unanswered(why: &str) -> Finding {
    let remedy = "see name_servers in [outgoing], or whether the network is there";
    Finding::new("name servers", State::Wrong, say("found.names-none", [why.into()]), remedy)
}

/// Does the name of the box lead to an address that the world can reach?
pub(crate) fn address(host: &str, own: &[IpAddr]) -> Finding {
    let what = format!("address of {host}");
    let all = list(own);
    if own.is_empty() {
        let said = say("found.address-none", [host.into()]);
        let remedy = format!("publish an A record for {host} with this server's public address");
        return Finding::new(&what, State::Wrong, said, &remedy);
    }
    if let Some(inner) = own.iter().find(|address| !records::is_public(address)) {
        let said = say("found.address-inner", [all.into(), inner.into()]);
        let remedy = format!("publish the public address of the network instead of {inner}");
        return Finding::new(&what, State::Wrong, said, &remedy);
    }
    Finding::new(&what, State::Ok, say("found.address", [all.into()]), "")
}

/// Has the address a name that leads back to it? RFC 1912 2.1
async fn name_of(resolver: &Resolver, host: &str, address: IpAddr) -> Finding {
    let what = format!("name of {address}");
    let remedy = format!("ask the provider of the address to name it {host} (reverse DNS, PTR)");
    let names = match resolver.names(address).await {
        Ok(names) => names,
        Err(NoAnswer::Unknown(why)) => {
            return Finding::new(&what, State::Warn, say(UNKNOWN, [why.into()]), "");
        }
        Err(_) => {
            return Finding::new(&what, State::Wrong, say("found.ptr-none", []), &remedy);
        }
    };
    for name in names.iter().take(CHECK_NAMES) {
        if resolver.addresses(name, true).await.is_ok_and(|back| back.contains(&address)) {
            if name.eq_ignore_ascii_case(host) {
                return Finding::new(&what, State::Ok, say("found.ptr", [name.into()]), "");
            }
            let said = say("found.ptr-other", [name.into(), host.into()]);
            return Finding::new(&what, State::Warn, said, &remedy);
        }
    }
    let said = say("found.ptr-astray", [names.join(", ").into()]);
    Finding::new(&what, State::Wrong, said, &remedy)
}

/// What came of calling others.
fn way_out(host: &str, own: &[IpAddr], reached: &[(String, Reached)]) -> Vec<Finding> {
    let mut found = vec![reach::judge(reached)];
    let seen = reached.iter().find_map(|(_, reached)| reached.seen_as());
    if let Some(seen) = seen.filter(records::is_public) {
        found.push(if own.contains(&seen) {
            let said = say("found.seen", [seen.into(), host.into()]);
            Finding::new("outgoing address", State::Ok, said, "")
        } else {
            let said = say("found.seen-other", [seen.into(), host.into()]);
            let remedy = format!("publish {seen} as an address of {host}, or send over a relay");
            Finding::new("outgoing address", State::Wrong, said, &remedy)
        });
    }
    found
}

/// Is an address that mail comes from on one of the blocklists of the settings?
async fn blocklists(settings: &Settings, addresses: impl Iterator<Item = IpAddr>) -> Vec<Finding> {
    let lists = settings.checks.blocklists.clone();
    let resolver = Resolver::new(&settings.outgoing.name_servers, DNS_QUESTION);
    let (false, Ok(resolver)) = (lists.is_empty(), resolver) else { return Vec::new() };
    let examiner = Examiner::new(resolver, lists);
    let mut looked_at: Vec<IpAddr> = Vec::new();
    let mut found = Vec::new();
    for address in addresses.filter(records::is_public) {
        if looked_at.contains(&address) || looked_at.len() == CHECK_NAMES {
            continue;
        }
        looked_at.push(address);
        let standing = examiner.standing(address).await;
        found.extend(standing.iter().map(|(zone, standing)| listed(address, zone, *standing)));
    }
    found
}

pub(crate) fn listed(address: IpAddr, zone: &str, standing: Standing) -> Finding {
    let what = format!("blocklist {zone}");
    match standing {
        Standing::Clean => {
            Finding::new(&what, State::Ok, say("found.list-clean", [address.into()]), "")
        }
        Standing::Listed(code) => {
            let said = say("found.list-on", [address.into(), code.into()]);
            let remedy = "see why on the web page of the list; stop what sent junk (a password in \
                          wrong hands, a PC), then ask there to be taken off";
            Finding::new(&what, State::Wrong, said, remedy)
        }
        Standing::Unknown => {
            let said = say("found.list-unknown", [address.into()]);
            let remedy = "it may not answer your name servers: ask it by others, or take it out of \
                          [[checks.blocklist]]";
            Finding::new(&what, State::Warn, said, remedy)
        }
    }
}

/// Each record as the world sees it, a few at once, told in the order of `mailroom dns`.
async fn compared(resolver: &Arc<Resolver>, domains: Vec<Domain>) -> Vec<Finding> {
    let turns = Arc::new(Semaphore::new(CHECK_AT_ONCE));
    let mut asked = JoinSet::new();
    let mut number = 0_usize;
    for Domain { name, records } in domains.into_iter().take(CHECK_DOMAINS) {
        for record in records.into_iter().filter(published::is_looked_at) {
            let (resolver, turns, domain) = (resolver.clone(), turns.clone(), name.clone());
            let place = number;
            number += 1;
            asked.spawn(async move {
                let _turn = turns.acquire().await;
                let answer = resolver.values(&record.name, &record.kind).await;
                (place, published::judge(&domain, &record, &answer))
            });
        }
    }
    let mut found: Vec<(usize, Finding)> = asked.join_all().await;
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, finding)| finding).collect()
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}
