//! The way out: does mail get through to the servers of others, and where do they see it come
//! from?
//!
//! A few large receivers are called on port 25 as mail would call them; nothing is sent. Many
//! providers block that port for homes and small offices.

use super::said::say;
use super::{Finding, State};
use crate::limits::{CHECK_CALL, CHECK_RECEIVERS, CHECK_REPLY};
use crate::net::dial::{self, Call, News};
use crate::net::resolver::Resolver;
use crate::settings::{Relay, RelayTls, Settings};
use crate::wire::smtp::Reply;
use crate::wire::smtp::heard::{Heard, Replies};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use tokio::task::JoinSet;

/// What came of calling one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reached {
    /// It greeted us; the address that it saw us come from, where it said so.
    Open(Option<IpAddr>),
    /// It answers, and wants nothing of us: in its own words.
    Unwelcome(String),
    /// The connection stands, and nobody speaks, or something that is no mail server.
    Silent,
    /// Something on the way, or the server, turned the call away.
    Refused,
    /// Nobody answers.
    Blocked,
    /// It could not be called.
    NoWay(String),
}

impl Reached {
    pub(super) fn seen_as(&self) -> Option<IpAddr> {
        match self {
            Self::Open(seen) => *seen,
            _ => None,
        }
    }
}

/// Calls the relay for all mail where there is one, else a few large receivers; names and results.
pub(super) async fn out(resolver: &Resolver, settings: &Settings) -> Vec<(String, Reached)> {
    let (host, outgoing) = (settings.host.clone(), &settings.outgoing);
    if let Some(relay) = outgoing.relay_of(None) {
        let reached = relayed(resolver, relay, &host).await;
        return vec![(format!("the relay {}:{}", relay.host, relay.port), reached)];
    }
    let mut calls = JoinSet::new();
    let mut reached = Vec::new();
    for (number, domain) in CHECK_RECEIVERS.iter().enumerate() {
        match receiver(resolver, domain).await {
            Ok((name, address)) => {
                let (at, host) = (SocketAddr::new(address, outgoing.port), host.clone());
                calls.spawn(async move { (number, (name, call(at, &host).await)) });
            }
            Err(why) => reached.push((number, (domain.to_string(), Reached::NoWay(why)))),
        }
    }
    reached.extend(calls.join_all().await);
    reached.sort_by_key(|(number, _)| *number);
    reached.into_iter().map(|(_, reached)| reached).collect()
}

/// The first host of a domain, and an IPv4 address of it: the way that every server has.
async fn receiver(resolver: &Resolver, domain: &str) -> Result<(String, IpAddr), String> {
    let mut hosts = resolver.mx(domain).await.map_err(|why| why.to_string())?;
    hosts.sort_by_key(|mx| mx.preference);
    let first = hosts.into_iter().next().ok_or("it has no mail server")?;
    let addresses = resolver.addresses(&first.host, false).await.map_err(|why| why.to_string())?;
    let address = addresses.into_iter().next().ok_or("its mail server has no address")?;
    Ok((first.host, address))
}

async fn relayed(resolver: &Resolver, relay: &Relay, host: &str) -> Reached {
    let address = match relay.host.parse() {
        Ok(address) => address,
        Err(_) => match resolver.addresses(&relay.host, false).await {
            Ok(addresses) if !addresses.is_empty() => addresses[0],
            Ok(_) => return Reached::NoWay("it has no address".to_string()),
            Err(why) => return Reached::NoWay(why.to_string()),
        },
    };
    let at = SocketAddr::new(address, relay.port);
    match relay.tls {
        // It greets only behind TLS: that it takes the connection has to do.
        RelayTls::Implicit => match dial::dial(at, CHECK_CALL).await {
            Ok(call) => {
                call.close().await;
                Reached::Open(None)
            }
            Err(error) => turned_away(&error),
        },
        _ => call(at, host).await,
    }
}

async fn call(at: SocketAddr, host: &str) -> Reached {
    let mut call = match dial::dial(at, CHECK_CALL).await {
        Ok(call) => call,
        Err(error) => return turned_away(&error),
    };
    let mut replies = Replies::default();
    let reached = match reply(&mut call, &mut replies).await {
        None => Reached::Silent,
        Some(greeting) if greeting.is_positive() => {
            let mut hello = format!("EHLO {host}\r\n").into_bytes();
            let said = call.write(&mut hello, CHECK_REPLY).await;
            let answer = match said {
                Ok(()) => reply(&mut call, &mut replies).await,
                Err(_) => None,
            };
            let _ = call.write(&mut b"QUIT\r\n".to_vec(), CHECK_REPLY).await;
            Reached::Open(answer.as_ref().and_then(seen_in))
        }
        Some(greeting) => Reached::Unwelcome(greeting.to_string().trim_end().to_string()),
    };
    call.close().await;
    reached
}

fn turned_away(error: &std::io::Error) -> Reached {
    match error.kind() {
        ErrorKind::TimedOut => Reached::Blocked,
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Reached::Refused,
        _ => Reached::NoWay(error.to_string()),
    }
}

async fn reply(call: &mut Call, replies: &mut Replies) -> Option<Reply> {
    let until = dial::now() + CHECK_REPLY;
    loop {
        match replies.take(&mut call.input) {
            Heard::Reply(reply) => return Some(reply),
            Heard::Broken(_) => return None,
            Heard::Need => {}
        }
        match call.read(until).await {
            News::Bytes => {}
            News::Ended(_) | News::TimedOut => return None,
        }
    }
}

/// Many greet with the address that they see: "at your service, [192.0.2.1]".
pub(crate) fn seen_in(answer: &Reply) -> Option<IpAddr> {
    let first = answer.lines.first()?;
    let words = first.split(|c: char| c.is_whitespace() || "[](),;".contains(c));
    let address = |word: &str| {
        let word = word.trim_start_matches("IPv6:");
        word.parse::<IpAddr>().ok().map(|address| address.to_canonical())
    };
    words.filter_map(address).next()
}

/// What it means for mail that leaves.
pub(crate) fn judge(reached: &[(String, Reached)]) -> Finding {
    let what = "way out";
    let relay =
        "ask the provider to open outgoing port 25, or send over a relay ([outgoing.relay])";
    let find = |wanted: fn(&Reached) -> bool| reached.iter().find(|(_, it)| wanted(it));
    if let Some((name, _)) = find(|it| matches!(it, Reached::Open(_))) {
        return Finding::new(what, State::Ok, say("found.way", [name.into()]), "");
    }
    if let Some((name, Reached::Unwelcome(words))) = find(|it| matches!(it, Reached::Unwelcome(_)))
    {
        let said = say("found.way-unwelcome", [name.into(), words.into()]);
        let remedy = "its words say why; often the address is on a blocklist, or has no name";
        return Finding::new(what, State::Wrong, said, remedy);
    }
    if let Some((name, _)) = find(|it| *it == Reached::Silent) {
        let said = say("found.way-silent", [name.into()]);
        let remedy = "switch off the inspection of mail in the router or firewall, or use a relay";
        return Finding::new(what, State::Wrong, said, remedy);
    }
    let names: Vec<&str> = reached.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(", ");
    if find(|it| *it == Reached::Blocked).is_some() {
        return Finding::new(what, State::Wrong, say("found.way-blocked", [names.into()]), relay);
    }
    if find(|it| *it == Reached::Refused).is_some() {
        return Finding::new(what, State::Wrong, say("found.way-refused", [names.into()]), relay);
    }
    let why = reached.iter().find_map(|(name, it)| match it {
        Reached::NoWay(why) => Some(format!("{name}: {why}")),
        _ => None,
    });
    let said = say("found.way-none", [why.unwrap_or_default().into()]);
    Finding::new(what, State::Warn, said, "see whether this machine reaches the internet")
}
