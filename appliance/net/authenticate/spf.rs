//! SPF (RFC 7208): may this address send for this domain?
//!
//! The evaluation is our own, to the letter of the RFC and on our resolver: what each answer of a
//! name server means, and how many may be asked, is what the result depends on.

use super::Answers;
use crate::limits::{SPF_NAMES, SPF_TERMS, SPF_VOIDS};
use crate::net::resolver::NoAnswer;
use crate::policy::Finding;
use crate::wire::spf::{self, Cidr, Mechanism, Qualifier, Record, Spec, Values};
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

/// Who is asked about.
pub(super) struct Asked<'a> {
    pub peer: IpAddr,
    pub helo: &'a str,
    /// Empty: postmaster (4.3).
    pub local: &'a str,
    pub domain: &'a str,
}

/// Why there is no plain result.
enum Stop {
    Temp(String),
    Perm(String),
}

/// What a record, or its absence, comes to.
enum Came {
    To(Qualifier),
    /// No mechanism matched and nobody else was named.
    Nothing,
    NoRecord,
}

/// The finding, and why, for a person.
pub(super) async fn check(answers: &Answers, asked: Asked<'_>) -> (Finding, String) {
    // 4.3: what is no domain of the world has no record
    if !is_domain(asked.domain) {
        return (Finding::None, String::new());
    }
    let local = if asked.local.is_empty() { "postmaster" } else { asked.local };
    let values = Values {
        local: local.to_string(),
        sender_domain: asked.domain.to_string(),
        domain: asked.domain.to_string(),
        ip: asked.peer,
        helo: asked.helo.to_string(),
        validated: "unknown".to_string(),
    };
    let mut check = Check { answers, values, terms: 0, voids: 0, names: None };
    match check.host(asked.domain.to_string()).await {
        Ok(Came::To(Qualifier::Pass)) => (Finding::Pass, String::new()),
        Ok(Came::To(Qualifier::Fail)) => (Finding::Fail, "it may not send".to_string()),
        Ok(Came::To(Qualifier::SoftFail)) => (Finding::SoftFail, "it should not send".to_string()),
        // 4.7: neutral where nothing matched
        Ok(Came::To(Qualifier::Neutral) | Came::Nothing) => (Finding::Neutral, String::new()),
        Ok(Came::NoRecord) => (Finding::None, String::new()),
        Err(Stop::Temp(why)) => (Finding::TempError, why),
        Err(Stop::Perm(why)) => (Finding::PermError, why),
    }
}

/// 4.3: several labels, none of them empty or too long; no address literal.
fn is_domain(domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let fits = |label: &str| (1..=63).contains(&label.len());
    let plain = domain.len() <= 253 && domain.contains('.') && !domain.starts_with('[');
    plain && domain.split('.').all(fits)
}

struct Check<'a> {
    answers: &'a Answers,
    values: Values,
    terms: usize,
    voids: usize,
    /// Names of the peer that lead back to it, once they were asked for.
    names: Option<Vec<String>>,
}

type Evaluated<'c> = Pin<Box<dyn Future<Output = Result<Came, Stop>> + Send + 'c>>;

impl Check<'_> {
    /// check_host() of the RFC, for one domain.
    fn host(&mut self, domain: String) -> Evaluated<'_> {
        Box::pin(async move {
            let Some(record) = self.record(&domain).await? else { return Ok(Came::NoRecord) };
            self.values.domain = domain.clone();
            if record.needs_validated() {
                self.values.validated = self.validated(&domain).await;
            }
            for (qualifier, mechanism) in &record.directives {
                if self.matches(mechanism, &domain).await? {
                    return Ok(Came::To(*qualifier));
                }
                // An include left its own behind.
                self.values.domain.clone_from(&domain);
            }
            let Some(redirect) = &record.redirect else { return Ok(Came::Nothing) };
            self.term()?;
            let target = redirect.expand(&self.values);
            match self.host(target.clone()).await? {
                // 6.1
                Came::NoRecord => Err(Stop::Perm(format!("{target} has no SPF record"))),
                came => Ok(came),
            }
        })
    }

    /// 4.4, 4.5: the one record.
    async fn record(&self, domain: &str) -> Result<Option<Record>, Stop> {
        let texts = match self.answers.texts(domain).await {
            Ok(texts) => texts,
            Err(NoAnswer::NoName | NoAnswer::NoRecord) => return Ok(None),
            Err(unknown) => return Err(Stop::Temp(format!("{domain}: {unknown}"))),
        };
        let mut records = texts.iter().filter(|text| spf::is_record(text));
        match (records.next(), records.next()) {
            (None, _) => Ok(None),
            (Some(text), None) => match Record::parse(text) {
                Ok(record) => Ok(Some(record)),
                Err(fault) => Err(Stop::Perm(format!("{domain}: {fault}"))),
            },
            // 4.5
            _ => Err(Stop::Perm(format!("{domain} has two SPF records"))),
        }
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, Stop> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, bits) => Ok(is_in(self.values.ip, (*network).into(), *bits)),
            Mechanism::Ip6(network, bits) => Ok(is_in(self.values.ip, (*network).into(), *bits)),
            Mechanism::Include(spec) => self.includes(spec).await,
            Mechanism::A(spec, cidr) => {
                self.term()?;
                let target = self.target(spec.as_ref(), domain);
                self.leads_here(&target, *cidr).await
            }
            Mechanism::Mx(spec, cidr) => {
                self.term()?;
                let target = self.target(spec.as_ref(), domain);
                self.mx_leads_here(&target, *cidr).await
            }
            Mechanism::Ptr(spec) => {
                self.term()?;
                let target = self.target(spec.as_ref(), domain).to_ascii_lowercase();
                let names = self.names().await;
                // 5.5
                Ok(names.iter().any(|name| crate::wire::party::is_below(name, &target)))
            }
            Mechanism::Exists(spec) => {
                self.term()?;
                let target = spec.expand(&self.values);
                // 5.7: an A record, also for IPv6
                let asked = self.answers.addresses_like(&target, IpAddr::from([0, 0, 0, 0])).await;
                Ok(self.found(&target, asked)?.is_some())
            }
        }
    }

    /// 5.2
    async fn includes(&mut self, spec: &Spec) -> Result<bool, Stop> {
        self.term()?;
        let target = spec.expand(&self.values);
        match self.host(target.clone()).await? {
            Came::To(qualifier) => Ok(qualifier == Qualifier::Pass),
            Came::Nothing => Ok(false),
            Came::NoRecord => Err(Stop::Perm(format!("{target} has no SPF record"))),
        }
    }

    fn target(&self, spec: Option<&Spec>, domain: &str) -> String {
        spec.map_or_else(|| domain.to_string(), |spec| spec.expand(&self.values))
    }

    /// 5.3
    async fn leads_here(&mut self, name: &str, cidr: Cidr) -> Result<bool, Stop> {
        let peer = self.values.ip;
        let asked = self.answers.addresses_like(name, peer).await;
        let bits = if peer.is_ipv4() { cidr.four } else { cidr.six };
        let found = self.found(name, asked)?.unwrap_or_default();
        Ok(found.into_iter().any(|address| is_in(peer, address, bits)))
    }

    /// 5.4
    async fn mx_leads_here(&mut self, name: &str, cidr: Cidr) -> Result<bool, Stop> {
        let asked = self.answers.mx(name).await;
        let mut hosts = self.found(name, asked)?.unwrap_or_default();
        // 4.6.4
        if hosts.len() > SPF_NAMES {
            return Err(Stop::Perm(format!("{name} has more than {SPF_NAMES} MX records")));
        }
        hosts.sort_by_key(|mx| mx.preference);
        let peer = self.values.ip;
        let bits = if peer.is_ipv4() { cidr.four } else { cidr.six };
        for mx in hosts {
            match self.answers.addresses_like(&mx.host, peer).await {
                Ok(found) if found.iter().any(|address| is_in(peer, *address, bits)) => {
                    return Ok(true);
                }
                Ok(_) | Err(NoAnswer::NoName | NoAnswer::NoRecord) => {}
                Err(unknown) => {
                    return Err(Stop::Temp(format!("{}: {unknown}", mx.host)));
                }
            }
        }
        Ok(false)
    }

    /// Names of the peer that lead back to it. 5.5: whoever cannot say is passed over.
    async fn names(&mut self) -> &[String] {
        if self.names.is_none() {
            let peer = self.values.ip;
            let mut found = Vec::new();
            let names = self.answers.names(peer).await.unwrap_or_default();
            // 4.6.4: beyond these none is looked at
            for name in names.into_iter().take(SPF_NAMES) {
                let addresses = self.answers.addresses_like(&name, peer).await;
                if addresses.is_ok_and(|addresses| addresses.contains(&peer)) {
                    found.push(name);
                }
            }
            self.names = Some(found);
        }
        self.names.as_deref().unwrap_or_default()
    }

    /// 7.3: the domain itself before one below it before any other.
    async fn validated(&mut self, domain: &str) -> String {
        let domain = domain.to_ascii_lowercase();
        let names = self.names().await;
        let own = names.iter().find(|name| **name == domain);
        let below = || names.iter().find(|name| crate::wire::party::is_below(name, &domain));
        let found = own.or_else(below).or(names.first());
        found.cloned().unwrap_or_else(|| "unknown".to_string())
    }

    /// 4.6.4: the terms that ask are counted.
    fn term(&mut self) -> Result<(), Stop> {
        self.terms += 1;
        match self.terms > SPF_TERMS {
            true => Err(Stop::Perm(format!("it asks for more than {SPF_TERMS} names"))),
            false => Ok(()),
        }
    }

    /// 4.6.4: answers that hold nothing are counted too.
    fn found<T>(&mut self, name: &str, asked: Result<T, NoAnswer>) -> Result<Option<T>, Stop> {
        match asked {
            Ok(found) => Ok(Some(found)),
            Err(NoAnswer::NoName | NoAnswer::NoRecord) => {
                self.voids += 1;
                match self.voids > SPF_VOIDS {
                    true => Err(Stop::Perm("it names too many that do not exist".to_string())),
                    false => Ok(None),
                }
            }
            Err(unknown) => Err(Stop::Temp(format!("{name}: {unknown}"))),
        }
    }
}

/// Do the first bits agree? Never of addresses of two kinds.
fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let shift = width.saturating_sub(u32::from(bits));
        a.checked_shr(shift) == b.checked_shr(shift)
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
        _ => false,
    }
}
