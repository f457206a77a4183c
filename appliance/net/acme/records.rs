//! The records that prove a name (RFC 8555 8.4): found, written by dynamic update (RFC 2136, signed
//! as RFC 8945 says), and looked for at the zone's own name servers, where no cache is between.

use crate::net::dial::{self, News};
use crate::net::resolver::Resolver;
use crate::settings::{Algorithm, Update};
use crate::{clock, limits};
use hickory_resolver::proto::op::update_message::{append, delete_by_rdata};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::TXT;
use hickory_resolver::proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordSet, TSigner};
use std::net::SocketAddr;

/// Seconds that others may remember such a record.
const TTL: u32 = 60;
/// RFC 8945 10: clocks may differ by five minutes.
const FUDGE: u16 = 300;

/// Where the record for a name is written: itself, or what it is an alias of. RFC 8555 8.4
pub(super) async fn place(resolver: &Resolver, host: &str) -> String {
    let mut name = format!("_acme-challenge.{host}");
    for _ in 0..limits::DNS_ALIASES {
        let alias = resolver.values(&name, "CNAME").await.unwrap_or_default();
        match alias.first() {
            Some(target) => name = target.trim_end_matches('.').to_ascii_lowercase(),
            None => break,
        }
    }
    name
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Add,
    Remove,
}

/// Writes or takes away one text.
pub(super) async fn change(
    resolver: &Resolver,
    update: &Update,
    change: Change,
    name: &str,
    text: &str,
) -> Result<(), String> {
    let own = match &update.zone {
        Some(zone) => zone.clone(),
        None => zone_of(resolver, name).await?,
    };
    let (owner, zone) = (dns_name(name)?, dns_name(&own)?);
    if !zone.zone_of(&owner) {
        let remedy = "leave zone out of [certificate.update], or make it an alias into that zone";
        return Err(format!("{name} is not in the zone {own}: {remedy}"));
    }
    let data = RData::TXT(TXT::new(vec![text.to_string()]));
    let set = RecordSet::from(Record::from_rdata(owner, TTL, data));
    let mut message = match change {
        Change::Add => append(set, zone, false, false),
        Change::Remove => delete_by_rdata(set, zone, false),
    };
    let at = update.server;
    let told = |why: String| format!("the name server {at} does not let us write records: {why}");
    let code = exchange(update, &mut message).await.map_err(told)?;
    match code {
        ResponseCode::NoError => Ok(()),
        ResponseCode::Refused => {
            Err(told(format!("it refuses: may the key {} change {name}?", update.key)))
        }
        ResponseCode::NotAuth => {
            Err(told(format!("it does not know the key {}, or our clock is wrong", update.key)))
        }
        ResponseCode::NotZone => Err(told(format!("it has no zone {own}"))),
        other => Err(told(other.to_string())),
    }
}

/// Over TCP: an update with its signature may be larger than a datagram. RFC 2136 6.2
async fn exchange(update: &Update, message: &mut Message) -> Result<ResponseCode, String> {
    let algorithm = match update.algorithm {
        Algorithm::HmacSha256 => TsigAlgorithm::HmacSha256,
        Algorithm::HmacSha384 => TsigAlgorithm::HmacSha384,
        Algorithm::HmacSha512 => TsigAlgorithm::HmacSha512,
    };
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let signer = TSigner::new(update.secret.clone(), algorithm, dns_name(&update.key)?, FUDGE);
    let signer = signer.map_err(|error| words(&error))?;
    let now = u64::try_from(clock::now()).unwrap_or(0);
    let verifier = message.finalize(&signer, now).map_err(|error| words(&error))?;
    let octets = message.to_vec().map_err(|error| words(&error))?;
    let answer = ask(update.server, &octets).await?;
    let reply = Message::from_vec(&octets_of(&answer)?).map_err(|error| words(&error))?;
    // RFC 8945 5.3: an answer to a key that is not known is not signed
    if reply.response_code != ResponseCode::NotAuth
        && let Some(mut verifier) = verifier
    {
        let forged = |error| format!("its answer is not signed with the key: {error}");
        verifier.verify(&octets_of(&answer)?).map_err(forged)?;
    }
    if reply.id != message.id {
        return Err("it answers another question".to_string());
    }
    Ok(reply.response_code)
}

/// RFC 1035 4.2.2: two octets of length stand before a message.
async fn ask(at: SocketAddr, message: &[u8]) -> Result<Vec<u8>, String> {
    let length = u16::try_from(message.len()).map_err(|_| "the message is too long".to_string())?;
    let call = dial::dial(at, limits::DNS_TRY).await;
    let mut call = call.map_err(|error| format!("no connection: {error}"))?;
    let mut out = [&length.to_be_bytes(), message].concat();
    call.write(&mut out, limits::DNS_TRY).await.map_err(|error| error.to_string())?;
    let until = dial::now() + limits::DNS_QUESTION;
    while octets_of(&call.input).is_err() {
        match call.read(until).await {
            News::Bytes => {}
            News::Ended(why) => return Err(why),
            News::TimedOut => return Err("it does not answer".to_string()),
        }
    }
    let answer = std::mem::take(&mut call.input);
    call.close().await;
    Ok(answer)
}

fn octets_of(answer: &[u8]) -> Result<Vec<u8>, String> {
    let length = answer.first_chunk::<2>().map(|two| usize::from(u16::from_be_bytes(*two)));
    let whole = length.and_then(|length| answer.get(2..2 + length));
    whole.map(<[u8]>::to_vec).ok_or_else(|| "its answer is cut short".to_string())
}

fn dns_name(text: &str) -> Result<Name, String> {
    let mut name = Name::from_ascii(text).map_err(|error| format!("{text}: {error}"))?;
    name.set_fqdn(true);
    Ok(name)
}

/// Which name servers of the zone do not show this text yet; those that do not answer cannot say.
pub(super) async fn missing_at(
    resolver: &Resolver,
    name: &str,
    text: &str,
) -> Result<Vec<SocketAddr>, String> {
    let mut missing = Vec::new();
    let mut asked = 0;
    for server in name_servers(resolver, name).await? {
        let own = Resolver::new(&[server], limits::DNS_TRY)?;
        let texts = match own.texts(name).await {
            Ok(texts) => texts,
            Err(crate::net::resolver::NoAnswer::Unknown(_)) => continue,
            Err(_) => Vec::new(),
        };
        asked += 1;
        if !texts.iter().any(|found| found == text.as_bytes()) {
            missing.push(server);
        }
    }
    match asked {
        0 => Err(format!("no name server of {name} answers")),
        _ => Ok(missing),
    }
}

/// The nearest zone around a name, or its own.
async fn zone_of(resolver: &Resolver, name: &str) -> Result<String, String> {
    let mut zone = name;
    loop {
        match resolver.values(zone, "SOA").await {
            Ok(found) if !found.is_empty() => return Ok(zone.to_string()),
            _ => {}
        }
        zone = match zone.split_once('.') {
            Some((_, above)) if above.contains('.') => above,
            _ => return Err(format!("the zone of {name} is not known")),
        };
    }
}

/// Of the nearest zone that has some.
async fn name_servers(resolver: &Resolver, name: &str) -> Result<Vec<SocketAddr>, String> {
    let mut zone = name;
    while let Some((_, above)) = zone.split_once('.') {
        zone = above;
        let servers = resolver.values(zone, "NS").await.unwrap_or_default();
        let mut found = Vec::new();
        for server in servers.iter().take(limits::SMTP_OUT_HOSTS) {
            let addresses = resolver.addresses(server.trim_end_matches('.'), true).await;
            let addresses = addresses.unwrap_or_default().into_iter();
            found.extend(addresses.map(|at| SocketAddr::new(at, 53)));
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err(format!("the name servers of {name} are not known"))
}
