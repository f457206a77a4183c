//! One delivery to one domain: what the queue hands over, and what came of it.
//!
//! ```text
//! queue --Job: a message, recipients of one domain--> deliver --Attempt of each--> queue
//!
//! relay, or MX -> hosts -> addresses -> safety, one after the other until one takes messages:
//!     an idle connection, or dial -> TLS if offered, or as `safety` says -> smtp::client
//!     -> verdicts of all recipients; those that were too many at once are said again,
//!        those put off until later to the next host, to two hosts in all
//! ```
//!
//! Between the end of a message and the reply to it lies a moment in which nobody but the other
//! server knows whether it took it. When the connection breaks there the message is sent again.

pub(crate) use super::connection::Network;
use super::connection::{Line, NotOpen, Place};
use super::outside;
use super::route::{self, Reach, Route};
use super::safety::{self, Safety};
use super::sts::Known;
use super::tls_counts::{policy, result};
use super::worker::Deliver;
use crate::limits;
use crate::net::resolver::NoAnswer;
use crate::settings::{Ipv6, Relay};
use crate::smtp::Recipient;
use crate::smtp::client::{self, Trouble, Verdict};
use crate::store::remote::Counted;
use crate::wire::address::Address;
use crate::wire::smtp::{Body, ForwardPath, Notify, OriginalRecipient, Reply, Ret};
use crate::wire::sts::Mode;
use std::sync::Arc;

/// One message for the recipients of one domain.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// `None` is `<>`.
    pub from: Option<Address>,
    /// Of all recipients: lower case, A-labels, or an address literal.
    pub domain: String,
    /// At least one.
    pub recipients: Vec<Target>,
    /// As it goes over the wire, with CRLF and before dots are doubled.
    pub message: Arc<[u8]>,
    pub smtputf8: bool,
    pub body: Body,
    pub ret: Option<Ret>,
    pub envid: Option<Vec<u8>>,
    /// For the order of servers that are equally preferred.
    pub random: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub to: Address,
    pub notify: Option<Notify>,
    pub orcpt: Option<OriginalRecipient>,
}

/// What came of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub to: Address,
    pub outcome: Outcome,
    /// The server that was reached, as "mx1.b.test [192.0.2.1]"; empty when none was.
    pub server: String,
    /// How the connection was secured, for the trace: "encrypted with TLSv1.3, DANE", "not
    /// encrypted"; empty when no server was reached.
    pub secured: String,
    /// Did it come so far that a server gave verdicts?
    pub reached: bool,
    /// Did the server take over the duty to report (RFC 3461 5.2.2)?
    pub dsn: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server said 250 to the whole message.
    Delivered { reply: Reply },
    /// Try again later. `reply` is the server's, where it came to one; `why` is for a person.
    Retry { reply: Option<Reply>, why: String },
    /// Never. The same.
    Failed { reply: Option<Reply>, why: String },
}

impl Deliver for Arc<Network> {
    async fn deliver(&self, job: Job) -> Vec<Attempt> {
        deliver(self, job).await
    }

    fn way(&self, sender: &str, domain: &str) -> String {
        if let Some(way) = self.outside_way(sender) {
            return way;
        }
        let home = sender.rsplit_once('@').map(|(_, domain)| domain.to_lowercase());
        match self.outgoing.relay_of(home.as_deref()) {
            Some(relay) => format!("relay {}:{}", relay.host, relay.port),
            None => domain.to_string(),
        }
    }
}

/// Tries once, in bounded time. One attempt for each recipient, in their order.
pub(crate) async fn deliver(network: &Arc<Network>, job: Job) -> Vec<Attempt> {
    let mut course = Course::new(network, job);
    if tokio::time::timeout(limits::SMTP_OUT_TOTAL, course.run()).await.is_err() {
        course.note("It took too long altogether.", false);
    }
    course.attempts()
}

/// One job on its way.
struct Course<'n> {
    network: &'n Arc<Network>,
    job: Job,
    attempts: Vec<Option<Attempt>>,
    /// Who was put off by a host, and may be taken by the next.
    put_off: Vec<Option<Attempt>>,
    /// Hosts that came to verdicts.
    sessions: usize,
    /// What went wrong with hosts so far, in words.
    troubles: Vec<String>,
    /// The last host that said so in an own reply, and that.
    said: Option<Reply>,
    server: String,
    secured: String,
    /// Why DANE was not looked at, where it could not be.
    no_dane: Option<&'static str>,
    /// It leaves by the provider of its sender.
    provider: bool,
    /// What MTA-STS says of the domain, once it was asked for.
    sts: Option<Known>,
    /// All that was tried said that it would never take it.
    lasting: bool,
    addresses: usize,
}

impl<'n> Course<'n> {
    fn new(network: &'n Arc<Network>, job: Job) -> Self {
        let attempts = vec![None; job.recipients.len()];
        let put_off = attempts.clone();
        Self {
            network,
            job,
            attempts,
            put_off,
            sessions: 0,
            troubles: Vec::new(),
            said: None,
            server: String::new(),
            secured: String::new(),
            no_dane: None,
            provider: false,
            sts: None,
            lasting: true,
            addresses: 0,
        }
    }

    async fn run(&mut self) {
        let sender = self.job.from.as_ref().map(|from| from.domain());
        let relay = match self.network.outside_relay(self.job.from.as_ref()).await {
            Ok(Some(relay)) => {
                self.provider = true;
                Some(relay)
            }
            Ok(None) => self.network.outgoing.relay_of(sender).cloned(),
            // It is the person's to put right: the mail is kept.
            Err(why) => return self.note(&why, false),
        };
        let route = match &relay {
            Some(relay) => Route { hosts: vec![relay.host.clone()], secure: false },
            None => match self.route().await {
                Some(route) => route,
                None => return,
            },
        };
        for host in &route.hosts {
            if self.host(host, relay.as_ref(), route.secure).await {
                return;
            }
        }
    }

    async fn route(&mut self) -> Option<Route> {
        let Network { resolver, host, .. } = self.network.as_ref();
        self.no_dane = match self.network.outgoing.dane {
            true => resolver.can_prove().await.err(),
            false => Some("the settings say so"),
        };
        let prove = self.no_dane.is_none();
        match route::hosts(resolver, &self.job.domain, host, self.job.random, prove).await {
            Ok(route) => Some(route),
            Err(none) => {
                if none.bogus {
                    self.count(policy::TLSA, result::DNSSEC_INVALID, "", &none.why);
                }
                self.troubles.push(none.why);
                self.lasting &= none.lasting;
                None
            }
        }
    }

    /// Tries the addresses of a host. Has every recipient a verdict that stands?
    async fn host(&mut self, host: &str, relay: Option<&Relay>, proven: bool) -> bool {
        let outgoing = &self.network.outgoing;
        let port = relay.map_or(outgoing.port, |relay| relay.port);
        let ipv6 = if relay.is_some() { Ipv6::Always } else { outgoing.ipv6 };
        let resolver = &self.network.resolver;
        let reach = match route::addresses(resolver, host, port, ipv6, proven).await {
            Ok(reach) => reach,
            Err(NoAnswer::Bogus) => {
                let why = format!("{host} is not used: {}.", NoAnswer::Bogus);
                self.count(policy::TLSA, result::DNSSEC_INVALID, host, &why);
                self.note(&why, false);
                return false;
            }
            Err(none) => {
                // A relay is the owner's to put right: the mail is kept.
                let never = !matches!(none, NoAnswer::Unknown(_)) && relay.is_none();
                self.note(&format!("{host} has no address: {none}."), never);
                return false;
            }
        };
        let safety = match relay {
            Some(_) => Safety::Opportunistic,
            None => match self.safety(host, &reach).await {
                Some(safety) => safety,
                None => return false,
            },
        };
        for at in reach.addresses {
            self.addresses += 1;
            if self.addresses > limits::SMTP_OUT_ADDRESSES {
                return false;
            }
            let (host, safety) = (host.to_string(), safety.clone());
            let place = Place { host, at, relay: relay.cloned(), safety };
            if self.place(&place).await {
                // RFC 5321 5.1: who is put off by one host is tried at another
                return self.attempts.iter().all(Option::is_some);
            }
        }
        false
    }

    /// How safe a connection to the host must be; `None`: it is not used.
    async fn safety(&mut self, host: &str, reach: &Reach) -> Option<Safety> {
        if reach.secure {
            match safety::dane(self.network, &self.job.domain, host, reach).await {
                Ok(Some(dane)) => return Some(dane),
                Ok(None) => {}
                Err(unknown) => {
                    let why = format!("Whether {host} uses DANE is not known: {unknown}.");
                    self.count(policy::TLSA, result::DNSSEC_INVALID, host, &why);
                    self.note(&why, false);
                    return None;
                }
            }
        }
        let Some(policy) = self.sts().await.policy else { return Some(Safety::Opportunistic) };
        let allowed = policy.allows(host);
        match policy.mode {
            Mode::Enforce if allowed => Some(Safety::Sts),
            Mode::Enforce => {
                // RFC 8461 5: a host that the policy does not name is passed over
                let why = format!("{host} is not used: the MTA-STS policy does not name it.");
                self.count(policy::STS, result::VALIDATION_FAILURE, host, &why);
                self.note(&why, false);
                None
            }
            Mode::Testing | Mode::None => Some(Safety::StsTesting { allowed }),
        }
    }

    /// What MTA-STS says of the domain.
    async fn sts(&mut self) -> Known {
        if let Some(known) = &self.sts {
            return known.clone();
        }
        let literal = self.job.domain.starts_with('[');
        let known = match self.network.no_time() {
            None if !literal => self.network.policy(&self.job.domain).await,
            _ => Known::default(),
        };
        if let Some((result, why)) = &known.fault {
            self.count(policy::STS, result, "", why);
        }
        self.sts = Some(known.clone());
        known
    }

    /// One connection more went so.
    fn count(&self, policy: &'static str, result: &'static str, host: &str, why: &str) {
        let (domain, host, why) = (self.job.domain.clone(), host.to_string(), why.to_string());
        self.network.count(Counted { day: 0, domain, policy, result, sessions: 1, host, why });
    }

    fn count_at(&self, place: &Place, tls: &(&'static str, String)) {
        if place.relay.is_none() {
            self.count(place.safety.policy(), tls.0, &place.host, &tls.1);
        }
    }

    /// Has it come to verdicts?
    async fn place(&mut self, place: &Place) -> bool {
        self.server = place.shown();
        if let Some(line) = self.network.take_idle(place).await {
            let heard = line.client.heard();
            if self.send(line, Some(heard)).await {
                return true;
            }
        }
        let mut plain = None;
        loop {
            match Line::open(self.network, place, plain.as_deref()).await {
                Ok(line) => {
                    // A second try, in clear, is counted by what the first came to.
                    if plain.is_none() {
                        self.count_at(place, &line.tls);
                    }
                    return self.send(line, None).await;
                }
                Err(NotOpen::Tls(unproven)) => {
                    self.count_at(place, &(safety::of_unproven(&unproven), unproven.why.clone()));
                    plain = Some(unproven.why);
                }
                Err(NotOpen::Trouble { trouble, secured, tls }) => {
                    let code = trouble.reply.as_ref().map(|reply| reply.code);
                    if place.relay.as_ref().is_some_and(|it| it.token) && code == Some(535) {
                        self.network.forget_token(self.job.from.as_ref()).await;
                    }
                    if let Some(tls) = tls.filter(|_| plain.is_none()) {
                        self.count_at(place, &tls);
                    }
                    self.trouble(trouble, secured);
                    return false;
                }
            }
        }
    }

    fn at(&self, why: &str) -> String {
        format!("{}: {why}", self.server)
    }

    /// Sends to all who have no verdict yet. With `heard` the connection has been idle: if it turns
    /// out to be dead before any reply, or the server only says goodbye (some do after so many
    /// messages), nothing has happened: `false`.
    async fn send(&mut self, mut line: Line, heard: Option<u64>) -> bool {
        self.secured.clone_from(&line.secured);
        if let Some(why) = self.no_dane {
            let what = if self.network.no_time().is_some() { "DANE and MTA-STS" } else { "DANE" };
            self.secured = format!("{}; {what} not looked at, since {why}", line.secured);
        }
        self.sessions += 1;
        loop {
            let open: Vec<usize> = (0..self.attempts.len())
                .filter(|at| self.attempts.get(*at).is_some_and(Option::is_none))
                .collect();
            let verdicts = line.send(self.network, self.outgoing(&open)).await;
            let silent = heard == Some(line.client.heard());
            let goodbye = heard.is_some() && verdicts.iter().all(is_goodbye);
            if (silent || goodbye && !line.client.is_doubtful()) && !line.client.is_open() {
                self.sessions -= 1;
                line.close().await;
                return false;
            }
            let taken = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Taken(_)));
            let again = taken && line.is_open();
            let elsewhere = self.sessions < limits::SMTP_OUT_SESSIONS && !line.client.is_doubtful();
            let mut more = false;
            for (at, verdict) in open.into_iter().zip(verdicts) {
                let dsn = line.client.offer().dsn;
                if again && is_too_many(&verdict) {
                    more = true;
                } else if elsewhere && matches!(verdict, Verdict::Later { .. }) {
                    self.put_off(at, verdict);
                } else {
                    self.decide(at, verdict, dsn);
                }
            }
            if !more {
                line.keep(self.network).await;
                return true;
            }
        }
    }

    fn outgoing(&self, open: &[usize]) -> client::Mail {
        let recipient = |at: &usize| {
            let target = self.job.recipients.get(*at)?.clone();
            let (notify, orcpt) = (target.notify, target.orcpt);
            Some(Recipient { to: ForwardPath::To(target.to), notify, orcpt })
        };
        client::Mail {
            from: self.job.from.clone(),
            recipients: open.iter().filter_map(recipient).collect(),
            message: self.job.message.clone(),
            smtputf8: self.job.smtputf8,
            eight_bit: self.job.body == Body::EightBitMime,
            ret: self.job.ret,
            envid: self.job.envid.clone(),
        }
    }

    fn put_off(&mut self, at: usize, verdict: Verdict) {
        let attempt = self.attempt(at, outcome(verdict), false);
        if let Some(place) = self.put_off.get_mut(at) {
            *place = attempt;
        }
    }

    fn decide(&mut self, at: usize, verdict: Verdict, dsn: bool) {
        let attempt = self.attempt(at, outcome(verdict), dsn);
        if let Some(place) = self.attempts.get_mut(at) {
            *place = attempt;
        }
    }

    fn attempt(&self, at: usize, outcome: Outcome, dsn: bool) -> Option<Attempt> {
        let to = self.job.recipients.get(at)?.to.clone();
        let (server, secured) = (self.server.clone(), self.secured.clone());
        let outcome = if self.provider { explained(outcome) } else { outcome };
        Some(Attempt { to, outcome, server, secured, reached: self.sessions > 0, dsn })
    }

    fn trouble(&mut self, trouble: Trouble, secured: String) {
        self.secured = secured;
        let why = match trouble.ourselves {
            true => format!("{} {}", trouble.why, route::loops(&self.job.domain)),
            false => trouble.why.clone(),
        };
        self.said = trouble.reply.or(self.said.take());
        self.note(&self.at(&why), trouble.lasting);
    }

    /// One more thing that went wrong, as a sentence.
    fn note(&mut self, why: &str, lasting: bool) {
        self.troubles.push(why.to_string());
        self.lasting &= lasting;
    }

    /// Whoever has no verdict gets that of the host that put it off, or what went wrong with the
    /// hosts.
    fn attempts(self) -> Vec<Attempt> {
        let why = match self.troubles.is_empty() {
            true => "No server was reached.".to_string(),
            false => self.troubles.join(" "),
        };
        let reply = self.said.clone();
        let outcome = match self.lasting && !self.troubles.is_empty() {
            true => Outcome::Failed { reply, why },
            false => Outcome::Retry { reply, why },
        };
        let said = |attempts: &[Option<Attempt>], at: usize| attempts.get(at).cloned().flatten();
        let done = |at: usize| {
            let verdict = said(&self.attempts, at).or_else(|| said(&self.put_off, at));
            verdict.or_else(|| self.attempt(at, outcome.clone(), false))
        };
        (0..self.job.recipients.len()).filter_map(done).collect()
    }
}

/// With what a provider's refusal means.
fn explained(outcome: Outcome) -> Outcome {
    let with = |reply: Option<Reply>, why: String| {
        let meaning = reply.as_ref().map(outside::meaning).unwrap_or_default();
        let gap = if meaning.is_empty() || why.is_empty() { "" } else { " " };
        (reply, format!("{why}{gap}{meaning}"))
    };
    match outcome {
        Outcome::Retry { reply, why } => {
            let (reply, why) = with(reply, why);
            Outcome::Retry { reply, why }
        }
        Outcome::Failed { reply, why } => {
            let (reply, why) = with(reply, why);
            Outcome::Failed { reply, why }
        }
        delivered => delivered,
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Taken(reply) => Outcome::Delivered { reply },
        Verdict::Later { reply, why } => Outcome::Retry { reply, why },
        Verdict::Never { reply, why } => Outcome::Failed { reply, why },
    }
}

/// RFC 5321 3.8: the connection ends, which says nothing of the message
fn is_goodbye(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Later { reply: Some(reply), .. } if reply.code == 421)
}

/// RFC 5321 4.5.3.1.10: 452 (or 552) to one of several: the rest can be said in a next transaction.
fn is_too_many(verdict: &Verdict) -> bool {
    let Verdict::Later { reply: Some(reply), .. } = verdict else { return false };
    let too_many = |code: crate::wire::smtp::reply::Enhanced| code.1 == 5 && code.2 == 3;
    matches!(reply.code, 452 | 552) && reply.enhanced.is_none_or(too_many)
}
