//! The servers of an address that nobody told us, found and tried before anything is saved.
//!
//! ```text
//! known provider of the domain                                 providers.toml
//! MX of the domain is a known provider's                       providers.toml
//! https://autoconfig.DOMAIN/mail/config-v1.1.xml, https://DOMAIN/.well-known/autoconfig/mail/..
//! SRV _imaps _pop3s _submissions _imap _pop3 _submission       RFC 6186, RFC 8314 5.1
//! guess: imap.DOMAIN, pop.DOMAIN, smtp.DOMAIN, mail.DOMAIN
//! ```
//!
//! Each is tried by connecting, with TLS that is proven, and logging in; the first that lets us in
//! is taken. What was tried is told in plain words.

use super::providers::{self, Provider};
use super::{Fault, probe};
use crate::limits::{AUTOCONFIG_BYTES, DISCOVER_LOOK, DISCOVER_TRIES, DISCOVER_TRY};
use crate::net::dial::Trust;
use crate::net::https::{self, Wanted};
use crate::net::resolver::Resolver;
use crate::store::format::OutsideHost;
use crate::store::outside::{IMPLICIT, STARTTLS};
use crate::wire::address::Address;
use crate::wire::autoconfig::{self, Kind};
use crate::wire::sasl::Secret;
use std::path::PathBuf;

/// Who looks, and how it reaches others.
pub(crate) struct Finder {
    pub resolver: Resolver,
    pub trust: Trust,
    /// A PEM file with authorities beside the public ones.
    pub authority: Option<PathBuf>,
    /// 443; another for tests.
    pub https_port: u16,
}

/// A server that may be the right one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    pub kind: Kind,
    pub at: OutsideHost,
    pub user: String,
    /// Where it is known from, for a person.
    pub from: String,
}

/// [`Candidate::from`]
const GUESS: &str = "a guess";

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Found {
    /// Of a provider that is known.
    pub provider: Option<String>,
    pub source: Option<Candidate>,
    pub relay: Option<Candidate>,
    /// What was tried, and what came of it, in order.
    pub told: Vec<String>,
    /// A server was right and refused the log-in: why, and what to do.
    pub refused: Option<Fault>,
}

impl Finder {
    /// Looks for the server to collect from (by POP3 where that is wanted) and the one to leave by.
    pub(crate) async fn find(&self, address: &Address, password: &Secret, pop3: bool) -> Found {
        let mut found = Found::default();
        let all = self.candidates(address, &mut found).await;
        let wanted = if pop3 { Kind::Pop3 } else { Kind::Imap };
        found.source = self.first(&all, wanted, password, &mut found).await;
        // Who was refused once is not locked out by further tries.
        if found.source.is_some() {
            found.relay = self.first(&all, Kind::Smtp, password, &mut found).await;
        }
        found
    }

    /// What the provider or the domain says of its servers; guesses are left out.
    pub(crate) async fn known(&self, address: &Address) -> (Found, Vec<Candidate>) {
        let mut found = Found::default();
        let all = tokio::time::timeout(DISCOVER_LOOK, self.candidates(address, &mut found)).await;
        let mut all = all.unwrap_or_default();
        all.retain(|candidate| candidate.from != GUESS);
        (found, all)
    }

    async fn first(
        &self,
        all: &[Candidate],
        kind: Kind,
        password: &Secret,
        found: &mut Found,
    ) -> Option<Candidate> {
        let of_kind = all.iter().filter(|candidate| candidate.kind == kind);
        for candidate in of_kind.take(DISCOVER_TRIES / 2) {
            let Candidate { at, user, from, .. } = candidate;
            let called = format!("{}, port {} ({from})", at.host, at.port);
            let tried = probe::Try { kind, at, user, secret: password, token: false };
            let tried = probe::probe(&self.resolver, self.authority.as_deref(), tried);
            let came = match tokio::time::timeout(DISCOVER_TRY, tried).await {
                Ok(came) => came,
                Err(_) => Err(Fault::new(super::plan::UNREACHED, "It did not answer in time.", "")),
            };
            match came {
                Ok(()) => {
                    found.told.push(format!("{called}: it lets you in."));
                    return Some(candidate.clone());
                }
                Err(fault) => {
                    found.told.push(format!("{called}: {}", fault.why));
                    if fault.trouble == super::plan::REFUSED {
                        found.refused = Some(fault);
                        return None;
                    }
                }
            }
        }
        None
    }

    async fn candidates(&self, address: &Address, found: &mut Found) -> Vec<Candidate> {
        let domain = address.domain().to_string();
        if let Some(provider) = providers::of_domain(&domain) {
            return self.of_provider(provider, address, found);
        }
        let mx = self.resolver.mx(&domain).await.unwrap_or_default();
        let hosts: Vec<String> = mx.into_iter().map(|mx| mx.host).collect();
        if let Some(provider) = providers::of_mx(&hosts) {
            return self.of_provider(provider, address, found);
        }
        let mut all = self.autoconfig(address, found).await;
        if all.is_empty() {
            all = self.service_records(address, found).await;
        }
        if all.is_empty() {
            found
                .told
                .push(format!("{domain} tells nothing of its servers: usual names are tried."));
            all = guesses(address);
        }
        all
    }

    fn of_provider(
        &self,
        provider: &Provider,
        address: &Address,
        found: &mut Found,
    ) -> Vec<Candidate> {
        found.provider = Some(provider.id.clone());
        found.told.push(format!("{} is known here.", provider.name));
        let user = provider.login_of(&address.to_string());
        let server = |kind, server: &Option<providers::Server>| {
            server.as_ref().map(|server| Candidate {
                kind,
                at: server.host(),
                user: user.clone(),
                from: provider.name.clone(),
            })
        };
        let all = [
            server(Kind::Imap, &provider.imap),
            server(Kind::Pop3, &provider.pop3),
            server(Kind::Smtp, &provider.smtp),
        ];
        all.into_iter().flatten().collect()
    }

    async fn autoconfig(&self, address: &Address, found: &mut Found) -> Vec<Candidate> {
        let domain = address.domain();
        let places = [
            (format!("autoconfig.{domain}"), "/mail/config-v1.1.xml"),
            (domain.to_string(), "/.well-known/autoconfig/mail/config-v1.1.xml"),
        ];
        for (host, path) in places {
            let wanted = Wanted {
                host: &host,
                port: self.https_port,
                path,
                most_octets: AUTOCONFIG_BYTES,
                within: DISCOVER_TRY,
            };
            let text = match https::get(&self.resolver, &self.trust, &wanted).await {
                Ok(text) => text,
                Err(fault) => {
                    found.told.push(format!("https://{host}{path}: {fault}."));
                    continue;
                }
            };
            match autoconfig::servers(&text, address) {
                Ok(servers) if !servers.is_empty() => {
                    return servers.into_iter().map(|server| told_by(&host, server)).collect();
                }
                Ok(_) => {
                    found.told.push(format!("https://{host}{path}: it names no server with TLS."));
                }
                Err(why) => found.told.push(format!("https://{host}{path}: {why}.")),
            }
        }
        Vec::new()
    }

    async fn service_records(&self, address: &Address, found: &mut Found) -> Vec<Candidate> {
        let mut all = Vec::new();
        let services = [
            ("_imaps", Kind::Imap, IMPLICIT),
            ("_imap", Kind::Imap, STARTTLS),
            ("_pop3s", Kind::Pop3, IMPLICIT),
            ("_pop3", Kind::Pop3, STARTTLS),
            ("_submissions", Kind::Smtp, IMPLICIT),
            ("_submission", Kind::Smtp, STARTTLS),
        ];
        for (service, kind, tls) in services {
            let name = format!("{service}._tcp.{}", address.domain());
            let records = self.resolver.values(&name, "SRV").await.unwrap_or_default();
            let mut records: Vec<_> =
                records.iter().filter_map(|record| autoconfig::srv(record)).collect();
            // RFC 2782: the lowest priority first, of equal ones the heaviest
            records.sort_by_key(|(priority, weight, ..)| (*priority, u16::MAX - *weight));
            for (_, _, port, host) in records {
                let at = OutsideHost { host, port: port.into(), tls };
                let user = address.to_string();
                all.push(Candidate { kind, at, user, from: format!("the SRV record {name}") });
            }
        }
        if all.is_empty() {
            found.told.push(format!("{} has no SRV records of its servers.", address.domain()));
        }
        all
    }
}

fn told_by(host: &str, server: autoconfig::Server) -> Candidate {
    let autoconfig::Server { kind, host: name, port, implicit, user } = server;
    let tls = if implicit { IMPLICIT } else { STARTTLS };
    let at = OutsideHost { host: name, port: port.into(), tls };
    Candidate { kind, at, user, from: format!("autoconfig of {host}") }
}

fn guesses(address: &Address) -> Vec<Candidate> {
    let domain = address.domain();
    let names = [
        (Kind::Imap, "imap", 993, IMPLICIT),
        (Kind::Imap, "mail", 993, IMPLICIT),
        (Kind::Imap, "", 993, IMPLICIT),
        (Kind::Pop3, "pop", 995, IMPLICIT),
        (Kind::Pop3, "pop3", 995, IMPLICIT),
        (Kind::Pop3, "mail", 995, IMPLICIT),
        (Kind::Smtp, "smtp", 465, IMPLICIT),
        (Kind::Smtp, "mail", 465, IMPLICIT),
        (Kind::Smtp, "smtp", 587, STARTTLS),
        (Kind::Smtp, "mail", 587, STARTTLS),
    ];
    let guess = |(kind, name, port, tls): (Kind, &str, u32, u32)| {
        let host = if name.is_empty() { domain.to_string() } else { format!("{name}.{domain}") };
        let at = OutsideHost { host, port, tls };
        Candidate { kind, at, user: address.to_string(), from: GUESS.to_string() }
    };
    names.into_iter().map(guess).collect()
}
