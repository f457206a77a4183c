//! Certificates of an authority that the world trusts: RFC 8555, by instant-acme.
//!
//! ```text
//! account -> order -> a challenge for each name -> the authority looks -> request -> host.pem
//! ```
//!
//! The key stays host.key from renewal to renewal; only host.pem is replaced, whole, and `net::tls`
//! takes it over while connections go on. When it is time is [`plan`]'s to say.

pub(crate) mod challenge;
mod client;
pub(crate) mod files;
pub(crate) mod plan;
mod records;

use super::dial::Trust;
use super::resolver::Resolver;
use super::tls::{self, TlsFault};
use crate::limits;
use crate::settings::{Certificate, Method, Update};
use challenge::Challenges;
use client::Client;
use files::Files;
use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, Problem, RetryPolicy,
};
use plan::{ByHand, InUse, Window};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use records::Change;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;

/// Why there is no certificate, in words for the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AcmeFault {
    pub why: String,
    /// The authority does not know our account.
    no_account: bool,
}

impl AcmeFault {
    pub(crate) fn took_too_long() -> Self {
        fault("the authority took too long")
    }
}

impl std::fmt::Display for AcmeFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

fn fault(why: impl std::fmt::Display) -> AcmeFault {
    AcmeFault { why: why.to_string(), no_account: false }
}

impl From<TlsFault> for AcmeFault {
    fn from(error: TlsFault) -> Self {
        fault(error)
    }
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Issued {
    /// host.pem is a new one.
    Replaced,
    /// The owner is to write these records first.
    ByHand(ByHand),
}

/// One authority, and what we show it.
pub(crate) struct Authority {
    pub settings: Certificate,
    pub files: Files,
    pub challenges: Challenges,
    pub resolver: Arc<Resolver>,
    pub trust: Trust,
}

/// How a name is proven, and what is to be taken away afterwards.
struct Shown {
    update: Option<Update>,
    records: Vec<(String, String)>,
}

impl Authority {
    /// Asks for a certificate for these names, the first is the box's own.
    pub(crate) async fn issue(
        &self,
        names: &[String],
        replaced: Option<&[u8]>,
    ) -> Result<Issued, AcmeFault> {
        match self.ask(names, replaced).await {
            Err(fault) if fault.no_account => {
                // Such as one that was shut, or an authority that began anew.
                self.files.forget_account()?;
                self.ask(names, replaced).await
            }
            issued => issued,
        }
    }

    async fn ask(&self, names: &[String], replaced: Option<&[u8]>) -> Result<Issued, AcmeFault> {
        let account = self.account().await?;
        let identifiers: Vec<_> = names.iter().cloned().map(Identifier::Dns).collect();
        let order = NewOrder::new(&identifiers);
        let replaced = replaced.and_then(|leaf| identifier(leaf).ok());
        let made = match replaced {
            Some(old) => match account.new_order(&order.replaces(old)).await {
                // RFC 9773 5: an authority that does not know it, or not yet, says so
                Err(_) => account.new_order(&NewOrder::new(&identifiers)).await,
                made => made,
            },
            None => account.new_order(&order).await,
        };
        let mut order = made.map_err(|error| self.words(&error))?;
        if matches!(self.settings.method, Method::ByHand) {
            let by_hand = self.to_be_written(&mut order, names).await?;
            if !by_hand.records.is_empty() {
                return Ok(Issued::ByHand(by_hand));
            }
            // RFC 8555 7.1.3: it believes what was proven not long ago
            self.checked(&mut order).await?;
            self.finish(&mut order, names).await?;
            return Ok(Issued::Replaced);
        }
        let mut shown = Shown { update: None, records: Vec::new() };
        let proven = self.prove(&mut order, &mut shown).await;
        self.challenges.clear();
        if let Some(update) = &shown.update {
            for (name, text) in &shown.records {
                // A record left over does no harm.
                let _ = records::change(&self.resolver, update, Change::Remove, name, text).await;
            }
        }
        proven?;
        self.finish(&mut order, names).await?;
        Ok(Issued::Replaced)
    }

    /// The records that are not there yet, of those that the owner is to write.
    pub(crate) async fn unwritten(
        &self,
        by_hand: &ByHand,
    ) -> Result<Vec<(String, String)>, AcmeFault> {
        let mut missing = Vec::new();
        for (name, text) in &by_hand.records {
            let place = alias_of(&self.resolver, name).await;
            match records::missing_at(&self.resolver, &place, text).await {
                Ok(servers) if servers.is_empty() => {}
                Ok(_) | Err(_) => missing.push((name.clone(), text.clone())),
            }
        }
        Ok(missing)
    }

    /// The records are written: goes on with the order.
    pub(crate) async fn resume(&self, by_hand: &ByHand) -> Result<Issued, AcmeFault> {
        // The names of the order, whatever leads here now.
        let names = by_hand.all_names();
        let account = self.account().await?;
        let order = account.order(by_hand.order.clone()).await;
        let mut order = order.map_err(|error| self.words(&error))?;
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut one = next.map_err(|error| self.words(&error))?;
            if one.status == AuthorizationStatus::Pending
                && let Some(mut challenge) = one.challenge(ChallengeType::Dns01)
            {
                challenge.set_ready().await.map_err(|error| self.words(&error))?;
            }
        }
        self.checked(&mut order).await?;
        self.finish(&mut order, &names).await?;
        Ok(Issued::Replaced)
    }

    /// When the authority wants this certificate renewed; `None`: it does not say. RFC 9773
    pub(crate) async fn window(
        &self,
        leaf: &[u8],
        in_use: &InUse,
        now: i64,
    ) -> Result<Option<Window>, AcmeFault> {
        let account = self.account().await?;
        let Ok(id) = identifier(leaf) else { return Ok(None) };
        match account.renewal_info(&id).await {
            Ok((info, again)) => {
                let again = again.clamp(limits::ACME_WINDOW_LEAST, limits::ACME_WINDOW_MOST);
                let seconds = i64::try_from(again.as_secs()).unwrap_or(0);
                Ok(Some(Window {
                    not_before: in_use.not_before,
                    start: info.suggested_window.start.unix_timestamp(),
                    end: info.suggested_window.end.unix_timestamp(),
                    again: now + seconds,
                }))
            }
            Err(instant_acme::Error::Unsupported(_)) => Ok(None),
            Err(error) => Err(self.words(&error)),
        }
    }

    async fn account(&self) -> Result<Account, AcmeFault> {
        let directory = &self.settings.directory;
        let client = Client { resolver: self.resolver.clone(), trust: self.trust.clone() };
        let builder = Account::builder_with_http(Box::new(client));
        if let Some(kept) = self.files.account(directory)? {
            let credentials = serde_json::from_slice(&kept).map_err(fault)?;
            return builder.from_credentials(credentials).await.map_err(|error| self.words(&error));
        }
        let contact = self.settings.contact.as_ref().map(|address| format!("mailto:{address}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            // Whoever writes a method into the settings agrees; the page and the file say so.
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let made = builder.create(&new, directory.clone(), None).await;
        let (account, credentials) = made.map_err(|error| self.words(&error))?;
        let credentials = serde_json::to_value(&credentials).map_err(fault)?;
        self.files.keep_account(directory, credentials)?;
        Ok(account)
    }

    /// Shows what is asked for, and lets the authority look.
    async fn prove(&self, order: &mut Order, shown: &mut Shown) -> Result<(), AcmeFault> {
        let kind = match self.settings.method {
            Method::TlsAlpn01 => ChallengeType::TlsAlpn01,
            Method::Dns01(_) | Method::ByHand => ChallengeType::Dns01,
            Method::Http01 | Method::Own => ChallengeType::Http01,
        };
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut one = next.map_err(|error| self.words(&error))?;
            if one.status != AuthorizationStatus::Pending {
                continue;
            }
            let mut challenge = one.challenge(kind.clone()).ok_or_else(|| {
                fault(format!("the authority offers no {}", self.settings.method.word()))
            })?;
            let host = challenge.identifier().to_string();
            let key = challenge.key_authorization();
            match &self.settings.method {
                Method::TlsAlpn01 => {
                    self.challenges.show_certificate(&host, key.digest().as_ref())?;
                }
                Method::Dns01(update) => {
                    let name = records::place(&self.resolver, &host).await;
                    let text = key.dns_value();
                    shown.update = Some(update.clone());
                    shown.records.push((name.clone(), text.clone()));
                    let added =
                        records::change(&self.resolver, update, Change::Add, &name, &text).await;
                    added.map_err(fault)?;
                    self.until_seen(&name, &text).await?;
                }
                _ => self.challenges.show_page(&challenge.token, key.as_str()),
            }
            challenge.set_ready().await.map_err(|error| self.words(&error))?;
        }
        self.checked(order).await
    }

    /// Waits until every name server of the zone has the record.
    async fn until_seen(&self, name: &str, text: &str) -> Result<(), AcmeFault> {
        let until = super::dial::now() + limits::ACME_RECORD_SEEN;
        loop {
            let missing = records::missing_at(&self.resolver, name, text).await;
            match missing {
                // Hidden behind a firewall, they may still answer the authority.
                Err(_) => return Ok(()),
                Ok(servers) if servers.is_empty() => return Ok(()),
                Ok(servers) if super::dial::now() >= until => {
                    let at: Vec<_> = servers.iter().map(ToString::to_string).collect();
                    let at = at.join(", ");
                    let why = format!("the record {name} was written, and {at} does not show it");
                    return Err(fault(why));
                }
                Ok(_) => tokio::time::sleep(limits::ACME_RECORD_LOOK).await,
            }
        }
    }

    /// The records for the owner to write.
    async fn to_be_written(
        &self,
        order: &mut Order,
        names: &[String],
    ) -> Result<ByHand, AcmeFault> {
        let mut records = Vec::new();
        let url = order.url().to_string();
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut one = next.map_err(|error| self.words(&error))?;
            if one.status != AuthorizationStatus::Pending {
                continue;
            }
            let challenge = one.challenge(ChallengeType::Dns01);
            let challenge = challenge.ok_or_else(|| fault("the authority offers no dns-01"))?;
            let host = challenge.identifier().to_string();
            let at = names.iter().position(|name| *name == host);
            let text = challenge.key_authorization().dns_value();
            records.push((at, (format!("_acme-challenge.{host}"), text)));
        }
        // The authority has an order of its own.
        records.sort_by_key(|(at, _)| *at);
        let records = records.into_iter().map(|(_, record)| record).collect();
        Ok(ByHand { order: url, since: crate::clock::now(), names: names.to_vec(), records })
    }

    /// Waits for the authority's judgement.
    async fn checked(&self, order: &mut Order) -> Result<(), AcmeFault> {
        let policy = RetryPolicy::new().timeout(limits::ACME_CHECKED);
        let status = order.poll_ready(&policy).await;
        if matches!(status, Ok(OrderStatus::Ready | OrderStatus::Valid)) {
            return Ok(());
        }
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let Ok(mut one) = next else { break };
            let Ok(state) = one.refresh().await else { break };
            let problem = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
            if let Some(problem) = problem {
                let name = state.identifier().to_string();
                return Err(fault(format!("{name}: {}", self.problem(problem))));
            }
        }
        match status {
            Err(error) => Err(self.words(&error)),
            Ok(status) => Err(fault(format!("the authority left the order {status:?}"))),
        }
    }

    /// The request with our key, and the certificate that comes of it.
    async fn finish(&self, order: &mut Order, names: &[String]) -> Result<(), AcmeFault> {
        let key = KeyPair::from_pem(&self.files.key()?);
        let key = key.map_err(|error| fault(format!("host.key: {error}")))?;
        let mut params = CertificateParams::new(names.to_vec()).map_err(fault)?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(fault)?;
        order.finalize_csr(request.der()).await.map_err(|error| self.words(&error))?;
        let policy = RetryPolicy::new().timeout(limits::ACME_CHECKED);
        let pem = order.poll_certificate(&policy).await.map_err(|error| self.words(&error))?;
        let got = tls::fits(&pem, self.files.folder())?;
        if let Some(missing) = names.iter().find(|name| !got.names.contains(*name)) {
            return Err(fault(format!("the authority left {missing} out of the certificate")));
        }
        self.files.replace_certificate(&pem)?;
        Ok(())
    }

    fn words(&self, error: &instant_acme::Error) -> AcmeFault {
        match error {
            instant_acme::Error::Api(problem) => {
                let kind = problem.r#type.as_deref().unwrap_or_default();
                let no_account = kind.ends_with(":accountDoesNotExist");
                AcmeFault { no_account, ..fault(self.problem(problem)) }
            }
            error => fault(error),
        }
    }

    /// RFC 8555 6.7: what the authority says, and what to do about it.
    fn problem(&self, problem: &Problem) -> String {
        let kind = problem.r#type.as_deref().unwrap_or_default();
        let kind = kind.rsplit(':').next().unwrap_or_default();
        let said = problem.detail.clone().unwrap_or_else(|| problem.to_string());
        let remedy = remedy(kind, &self.settings.method);
        let dot = if remedy.is_empty() { "" } else { "; " };
        format!("the authority says: {said} ({kind}){dot}{remedy}")
    }
}

fn remedy(kind: &str, method: &Method) -> &'static str {
    match (kind, method) {
        ("caa", _) => {
            "a CAA record of the domain allows other authorities only: add this one, or take the \
             record away"
        }
        ("connection" | "unauthorized" | "malformed", Method::Http01) => {
            "does port 80 of the box's public address lead to this box? Look at the router, or \
             take dns-01"
        }
        ("connection" | "unauthorized" | "tls" | "malformed", Method::TlsAlpn01) => {
            "does port 443 of the box's public address lead to this box? Look at the router, or \
             take dns-01"
        }
        ("dns", _) => "the name is not known to the world: publish what `mailroom dns` prints",
        ("unauthorized", Method::Dns01(_) | Method::ByHand) => {
            "the authority does not see the record: do all name servers of the domain have it?"
        }
        ("rateLimited", _) => "it was asked too often: wait, it is tried again by itself",
        _ => "",
    }
}

/// RFC 9773 4.1
fn identifier(leaf: &[u8]) -> Result<instant_acme::CertificateIdentifier<'static>, AcmeFault> {
    let leaf = CertificateDer::from(leaf);
    let id = instant_acme::CertificateIdentifier::try_from(&leaf).map_err(fault)?;
    Ok(id.into_owned())
}

/// Where `_acme-challenge.NAME` leads.
async fn alias_of(resolver: &Resolver, name: &str) -> String {
    records::place(resolver, name.trim_start_matches("_acme-challenge.")).await
}
