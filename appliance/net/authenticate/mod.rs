//! Who sent a message, as far as the world can tell: evidence for [`crate::policy`].
//!
//! ```text
//! iprev   the address has a name that leads back to it            RFC 8601 3
//! spf     the domain lets the address send                        RFC 7208   own, on our resolver
//! dkim    signatures                                              RFC 6376   mail-auth
//! arc     the chain of those who handed it on                     RFC 8617   mail-auth
//! dmarc   the author's domain is proven by spf or dkim            RFC 9989   own
//! listed  blocklists                                              RFC 5782
//! ```
//!
//! All at once, and all within [`limits::CHECKS`]: a question that is not answered by then is a
//! temperror, and no mail waits longer or is lost for it.

mod blocklist;
mod dmarc;
mod signature;
mod spf;

pub(crate) use blocklist::Standing;

use super::resolver::{Mx, NoAnswer, Resolver};
use crate::message::headers;
use crate::policy::{Claims, Clock, Evidence, Finding, Identity, Iprev, Spf};
use crate::settings::Blocklist;
use crate::wire::address::Address;
use crate::{clock, limits};
use signature::{Given, Keys, Signed};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// Gathers evidence, with what it remembers of the blocklists.
pub(crate) struct Examiner {
    resolver: Arc<Resolver>,
    lists: blocklist::Lists,
    patience: Duration,
}

/// A message, and what its connection said.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub peer: IpAddr,
    pub helo: String,
    pub tls: bool,
    /// `None` is `<>`.
    pub sender: Option<Address>,
    pub message: Arc<Vec<u8>>,
    pub now: i64,
}

impl Examiner {
    pub(crate) fn new(resolver: Resolver, blocklists: Vec<Blocklist>) -> Self {
        let lists = blocklist::Lists::new(blocklists);
        Self { resolver: Arc::new(resolver), lists, patience: limits::CHECKS }
    }

    /// Waits no longer than this for all answers together.
    #[cfg(test)]
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// How an address, one of ours, stands with the blocklists.
    pub(crate) async fn standing(&self, address: IpAddr) -> Vec<(String, Standing)> {
        let answers = Answers::until(self.resolver.clone(), Instant::now() + self.patience);
        self.lists.standing(&answers, address.to_canonical()).await
    }

    /// All that can be known without the store.
    pub(crate) async fn examine(&self, arrival: &Arrival) -> Evidence {
        let answers = Answers::until(self.resolver.clone(), Instant::now() + self.patience);
        let peer = arrival.peer.to_canonical();
        let claims = Claims::of(&arrival.message);
        let mut evidence = Evidence::new(peer, &arrival.helo, claims);
        (evidence.tls, evidence.sender) = (arrival.tls, arrival.sender.clone());
        evidence.clock = match clock::state_at(arrival.now) {
            clock::State::Floor => Clock::Floor,
            clock::State::Plausible => Clock::Told,
        };
        let (iprev, spf, signed, listed) = tokio::join!(
            iprev(&answers, peer),
            spf_results(&answers, arrival, peer),
            signed(&answers, arrival, evidence.claims.domain()),
            self.lists.of(&answers, peer),
        );
        (evidence.iprev, evidence.spf, evidence.listed) = (iprev, spf, listed);
        (evidence.dkim, evidence.arc, evidence.more_signatures) =
            (signed.dkim, signed.arc, signed.more);
        let patience = self.patience.min(limits::CHECKS_DMARC);
        let answers = Answers::until(self.resolver.clone(), Instant::now() + patience);
        let Evidence { claims, spf, dkim, .. } = &evidence;
        evidence.dmarc = dmarc::check(&answers, claims, spf, dkim).await;
        evidence
    }
}

/// The name servers, for as long as this message may take.
#[derive(Clone)]
struct Answers {
    resolver: Arc<Resolver>,
    until: Instant,
}

impl Answers {
    fn until(resolver: Arc<Resolver>, until: Instant) -> Self {
        Self { resolver, until }
    }

    async fn texts(&self, name: &str) -> Result<Vec<Vec<u8>>, NoAnswer> {
        self.in_time(self.resolver.texts(name)).await
    }

    async fn mx(&self, name: &str) -> Result<Vec<Mx>, NoAnswer> {
        self.in_time(self.resolver.mx(name)).await
    }

    async fn names(&self, address: IpAddr) -> Result<Vec<String>, NoAnswer> {
        self.in_time(self.resolver.names(address)).await
    }

    async fn addresses_like(&self, name: &str, like: IpAddr) -> Result<Vec<IpAddr>, NoAnswer> {
        self.in_time(self.resolver.addresses_like(name, like)).await
    }

    async fn in_time<T>(
        &self,
        asked: impl Future<Output = Result<T, NoAnswer>>,
    ) -> Result<T, NoAnswer> {
        let late = |_| Err(NoAnswer::Unknown("the name servers did not answer in time".into()));
        timeout_at(self.until, asked).await.unwrap_or_else(late)
    }
}

/// RFC 8601 3
async fn iprev(answers: &Answers, peer: IpAddr) -> Iprev {
    let names = match answers.names(peer).await {
        Ok(names) => names,
        Err(NoAnswer::NoName | NoAnswer::NoRecord) => {
            return Iprev { finding: Finding::PermError, name: String::new() };
        }
        Err(_) => {
            return Iprev { finding: Finding::TempError, name: String::new() };
        }
    };
    let mut finding = Finding::Fail;
    for name in names.iter().take(limits::IPREV_NAMES) {
        match answers.addresses_like(name, peer).await {
            Ok(addresses) if addresses.contains(&peer) => {
                return Iprev { finding: Finding::Pass, name: name.clone() };
            }
            Ok(_) | Err(NoAnswer::NoName | NoAnswer::NoRecord) => {}
            Err(_) => finding = Finding::TempError,
        }
    }
    Iprev { finding, name: names.into_iter().next().unwrap_or_default() }
}

/// RFC 7208 2.3 and 2.4: the name in HELO, and the sender.
async fn spf_results(answers: &Answers, arrival: &Arrival, peer: IpAddr) -> Vec<Spf> {
    let helo = arrival.helo.trim_end_matches('.').to_ascii_lowercase();
    let ask = async |identity, local: &str, domain: &str| {
        let asked = spf::Asked { peer, helo: &helo, local, domain };
        let (finding, why) = spf::check(answers, asked).await;
        Spf { identity, domain: domain.to_string(), finding, why }
    };
    let of_helo = ask(Identity::Helo, "", &helo);
    let Some(sender) = &arrival.sender else { return vec![of_helo.await] };
    let of_sender = ask(Identity::Mail, sender.local(), sender.domain());
    let (of_helo, of_sender) = tokio::join!(of_helo, of_sender);
    vec![of_helo, of_sender]
}

async fn signed(answers: &Answers, arrival: &Arrival, author: Option<&str>) -> Signed {
    let author = author.map(str::to_string);
    let given = Given { author, now: arrival.now, clock: clock::state_at(arrival.now) };
    let (message, also_given) = (arrival.message.clone(), given.clone());
    let wanted = aside(message.len(), move || {
        let header = message.get(..headers::header_len(&message)).unwrap_or_default();
        signature::wanted(header, &also_given)
    });
    let keys = keys(answers, wanted.await.unwrap_or_default()).await;
    let (resolver, message) = (answers.resolver.clone(), arrival.message.clone());
    if message.len() < limits::PREPARE_INLINE_BYTES {
        return signature::check(&resolver, &message, &keys, &given).await;
    }
    let here = tokio::runtime::Handle::current();
    let check = move || here.block_on(signature::check(&resolver, &message, &keys, &given));
    aside(limits::PREPARE_INLINE_BYTES, check).await.unwrap_or_default()
}

/// Work on a large message takes long: it is done beside the threads that serve connections. A
/// panic goes on to the caller; `None` only when the server stops.
async fn aside<T: Send + 'static>(
    octets: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if octets < limits::PREPARE_INLINE_BYTES {
        return Some(work());
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(end) => match end.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}

/// All of them at once.
async fn keys(answers: &Answers, names: Vec<String>) -> Keys {
    let mut asked = JoinSet::new();
    for name in names {
        let answers = answers.clone();
        asked.spawn(async move {
            let texts = answers.texts(&name).await;
            (name, texts)
        });
    }
    asked.join_all().await.into_iter().collect()
}
