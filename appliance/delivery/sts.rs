//! MTA-STS (RFC 8461) as a sender: is there a policy, fetched or remembered, and what does it say.
//!
//! ```text
//! remembered, of this id, young                    it counts
//! remembered, and no id can be found               it counts, until its max_age is over
//! new id, or old, or not remembered: fetched       good: remembered, and it counts
//!                                                  not: the remembered one counts, if there is one
//! ```
//!
//! A fetch that failed is not repeated for some minutes. Policies are fetched anew in the
//! background before they end: who was once told to demand TLS does not forget it for want of mail.

use super::connection::Network;
use super::tls_counts::result;
use crate::limits;
use crate::net::dial;
use crate::net::https::{FetchFault, Wanted, fetch};
use crate::store::format::StsPolicy;
use crate::store::{Result, remote};
use crate::wire::sts::{self, Mode, Policy};
use std::collections::HashMap;
use std::sync::Mutex;
use tokio::time::Instant;

/// What is known of the policy of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Known {
    /// Its policy, unless it has none, or one of mode none.
    pub policy: Option<Policy>,
    /// Why there is none, or no newer one.
    pub fault: Option<Fault>,
}

/// When a policy was last asked for in vain, and why.
#[derive(Default)]
pub(super) struct Tried(Mutex<HashMap<String, Try>>);

struct Try {
    when: Instant,
    id: String,
    fault: Fault,
}

/// A result of RFC 8460, and words.
type Fault = (&'static str, String);

impl Network {
    /// What a sender to this domain is to do.
    pub(super) async fn policy(&self, domain: &str) -> Known {
        let held = self.held(domain);
        let Some(id) = self.policy_id(domain).await else {
            return known(held.as_ref(), None);
        };
        let young = |held: &StsPolicy| {
            held.id == id && self.now().saturating_sub(held.fetched) < limits::STS_REFRESH_SECONDS
        };
        if held.as_ref().is_some_and(young) {
            return known(held.as_ref(), None);
        }
        if let Some(fault) = self.sts_tried.recently(domain, &id) {
            return known(held.as_ref(), Some(fault));
        }
        match self.fetch_policy(domain).await {
            Ok(policy) => {
                let row = row(domain, &id, &policy, self.now());
                self.hold(row.clone()).await;
                known(Some(&row), None)
            }
            Err(fault) => {
                self.sts_tried.remember(domain, &id, fault.clone());
                known(held.as_ref(), Some(fault))
            }
        }
    }

    /// The id of its policy as the DNS has it now.
    async fn policy_id(&self, domain: &str) -> Option<String> {
        let records = self.resolver.texts(&format!("_mta-sts.{domain}")).await;
        sts::id(&records.unwrap_or_default())
    }

    async fn fetch_policy(&self, domain: &str) -> std::result::Result<Policy, Fault> {
        // RFC 8461 3.3: where it is, and that its certificate is for that name
        let host = format!("mta-sts.{domain}");
        let wanted = Wanted {
            host: &host,
            port: self.outgoing.https_port,
            path: "/.well-known/mta-sts.txt",
            most_octets: limits::STS_POLICY_BYTES,
            within: self.patience(limits::STS_FETCH),
        };
        let fetched = fetch(&self.resolver, &self.anyone, &wanted).await.map_err(|fault| {
            let result = match fault {
                FetchFault::Certificate(_) => result::STS_WEBPKI_INVALID,
                FetchFault::Other(_) => result::STS_POLICY_FETCH_ERROR,
            };
            (result, format!("{host}: {fault}"))
        })?;
        Policy::parse(&fetched)
            .map_err(|error| (result::STS_POLICY_INVALID, format!("{host}: {error}")))
    }

    /// What is remembered, and good still.
    fn held(&self, domain: &str) -> Option<StsPolicy> {
        let read = self.store.as_ref()?.snapshot().ok()?;
        let held = remote::policy(&read, domain).ok().flatten()?;
        (held.fetched.saturating_add(i64::from(held.max_age)) > self.now()).then_some(held)
    }

    /// A disk that does not take it costs another fetch, and no mail.
    async fn hold(&self, row: StsPolicy) {
        let Some(store) = &self.store else { return };
        let _ = store.write(move |batch| remote::put_policy(batch, &row)).await;
    }

    /// Fetches anew what is old, and forgets what has ended.
    pub(crate) async fn refresh_policies(&self) -> Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        let mut after = String::new();
        loop {
            let page = remote::policies(&store.snapshot()?, &after, limits::OUTBOX_LOOK)?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.domain);
            for held in page {
                let age = self.now().saturating_sub(held.fetched);
                if age >= i64::from(held.max_age) {
                    let domain = held.domain;
                    store.write(move |batch| remote::forget_policy(batch, &domain)).await?;
                } else if age >= limits::STS_REFRESH_SECONDS {
                    self.policy(&held.domain).await;
                }
            }
        }
    }
}

impl Tried {
    fn recently(&self, domain: &str, id: &str) -> Option<Fault> {
        let tried = self.0.lock().ok()?;
        let last = tried.get(domain)?;
        let fresh = last.id == id && last.when.elapsed() < limits::STS_FETCH_AGAIN;
        fresh.then(|| last.fault.clone())
    }

    fn remember(&self, domain: &str, id: &str, fault: Fault) {
        let Ok(mut tried) = self.0.lock() else { return };
        if tried.len() >= limits::STS_TRIED {
            tried.retain(|_, last| last.when.elapsed() < limits::STS_FETCH_AGAIN);
        }
        if tried.len() < limits::STS_TRIED {
            let last = Try { when: dial::now(), id: id.to_string(), fault };
            tried.insert(domain.to_string(), last);
        }
    }
}

fn known(held: Option<&StsPolicy>, fault: Option<Fault>) -> Known {
    let policy = held.map(|held| Policy {
        mode: match held.mode {
            2 => Mode::Enforce,
            1 => Mode::Testing,
            _ => Mode::None,
        },
        mx: held.mx.clone(),
        max_age: held.max_age,
    });
    Known { policy: policy.filter(|policy| policy.mode != Mode::None), fault }
}

fn row(domain: &str, id: &str, policy: &Policy, now: i64) -> StsPolicy {
    StsPolicy {
        domain: domain.to_string(),
        id: id.to_string(),
        mode: match policy.mode {
            Mode::None => 0,
            Mode::Testing => 1,
            Mode::Enforce => 2,
        },
        mx: policy.mx.clone(),
        max_age: policy.max_age,
        fetched: now,
    }
}
