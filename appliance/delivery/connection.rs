//! Connections to other servers: begun, secured, spoken over, kept for the next message.
//!
//! ```text
//! dial -> [TLS] -> greeting, EHLO, [STARTTLS], [AUTH] -> open -> message.. -> kept -> QUIT
//!           \------------- fails, and need not be (`safety`): dialled anew, in clear
//! ```

use super::keyring::Keyring;
use super::safety::{self, Safety};
use super::sts::Tried;
use super::tls_counts::{Ledger, result};
use crate::limits;
use crate::net::dial::{self, Call, News, Trust, Unproven};
use crate::net::resolver::{CLOCK, Clock, Resolver, no_time};
use crate::settings::{Outgoing, Relay, RelayTls};
use crate::smtp::client::{Client, Input, Mail, StartTls, Step, Terms, Trouble, Verdict};
use crate::store::Store;
use crate::store::remote::Counted;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What deliveries share: made once and kept.
pub(crate) struct Network {
    pub(super) resolver: Resolver,
    /// Our name.
    pub(super) host: String,
    pub(super) outgoing: Outgoing,
    pub(super) anyone: Trust,
    /// Where policies are remembered and counts are written; `None`: nowhere.
    pub(super) store: Option<Store>,
    /// What opens the providers of people; where there is a store.
    pub(super) keyring: Option<Arc<Keyring>>,
    clock: Clock,
    pub(super) sts_tried: Tried,
    counts: Ledger,
    /// Connections on which another message may follow.
    idle: Mutex<Vec<Idle>>,
    /// No wait is longer than this; a test makes it shorter.
    patience: Duration,
    kept: AtomicU64,
}

struct Idle {
    number: u64,
    line: Line,
}

impl Network {
    /// `host`: our name. Needs the runtime only when it delivers.
    pub(crate) fn new(host: String, outgoing: Outgoing, store: Store) -> Result<Arc<Self>, String> {
        Self::with_patience(host, outgoing, Some(store), Duration::MAX, CLOCK)
    }

    /// No wait for another server is longer than `patience`.
    pub(crate) fn with_patience(
        host: String,
        outgoing: Outgoing,
        store: Option<Store>,
        patience: Duration,
        clock: Clock,
    ) -> Result<Arc<Self>, String> {
        let anchor = outgoing.trust_anchor.as_deref();
        let resolver = Resolver::with_anchor(&outgoing.name_servers, anchor, patience, clock)?;
        let more = outgoing.authority.as_deref();
        let anyone = Trust::anyone(more).map_err(|fault| fault.to_string())?;
        let keyring = match &store {
            Some(store) => {
                let asker = Resolver::new(&outgoing.name_servers, patience)?;
                Some(Arc::new(Keyring::new(store.clone(), asker, more, clock)?))
            }
            None => None,
        };
        let idle = Mutex::default();
        let kept = AtomicU64::new(0);
        let (sts_tried, counts) = (Tried::default(), Ledger::default());
        Ok(Arc::new(Self {
            resolver,
            host,
            outgoing,
            anyone,
            store,
            keyring,
            clock,
            sts_tried,
            counts,
            idle,
            patience,
            kept,
        }))
    }

    /// Seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        (self.clock)()
    }

    pub(crate) fn keyring(&self) -> Option<Arc<Keyring>> {
        self.keyring.clone()
    }

    /// Why nothing that has an end in time can be proven now.
    pub(super) fn no_time(&self) -> Option<&'static str> {
        no_time(self.clock)
    }

    /// One connection more went so.
    pub(super) fn count(&self, one: Counted) {
        self.counts.count(self.now(), one);
    }

    /// Writes down what was counted.
    pub(crate) async fn write_counts(&self) -> crate::store::Result<()> {
        match &self.store {
            Some(store) => self.counts.write(store).await,
            None => Ok(()),
        }
    }

    /// `None` when it found a place; else the line back.
    fn put_idle(&self, number: u64, line: Line) -> Option<Line> {
        let Ok(mut idle) = self.idle.lock() else { return Some(line) };
        if idle.len() >= limits::SMTP_OUT_IDLE_KEPT {
            return Some(line);
        }
        idle.push(Idle { number, line });
        None
    }

    fn remove_idle(&self, number: u64) -> Option<Line> {
        let mut idle = self.idle.lock().ok()?;
        let at = idle.iter().position(|idle| idle.number == number)?;
        Some(idle.swap_remove(at).line)
    }

    pub(super) fn patience(&self, limit: Duration) -> Duration {
        limit.min(self.patience)
    }

    /// An idle connection to this place on which nothing has happened.
    pub(super) async fn take_idle(&self, place: &Place) -> Option<Line> {
        loop {
            let mut line = {
                let mut idle = self.idle.lock().ok()?;
                let at = idle.iter().position(|idle| idle.line.place == *place)?;
                idle.swap_remove(at).line
            };
            // What speaks or ends now is of no use.
            if line.is_open() && line.call.pending().await.is_none() {
                return Some(line);
            }
        }
    }
}

/// Where a connection leads, and on what terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub host: String,
    pub at: SocketAddr,
    /// A relay's terms; `None`: the server of a domain.
    pub relay: Option<Relay>,
    /// What the server of a domain must be like.
    pub safety: Safety,
}

impl Place {
    /// For people: "mx1.b.test [192.0.2.1]".
    pub(super) fn shown(&self) -> String {
        let address = self.at.ip();
        match self.host.parse::<IpAddr>() {
            Ok(_) => format!("[{address}]"),
            Err(_) if self.host.starts_with('[') => self.host.clone(),
            Err(_) => format!("{} [{address}]", self.host),
        }
    }
}

/// A connection with the client that speaks over it.
pub(super) struct Line {
    call: Call,
    pub client: Client,
    place: Place,
    /// In words, for the trace.
    pub secured: String,
    /// How TLS went, as it is counted: result and words.
    pub tls: (&'static str, String),
    messages: usize,
}

/// Why a connection does not take messages.
pub(super) enum NotOpen {
    /// TLS failed, and it may be tried in clear: why.
    Tls(Unproven),
    Trouble {
        trouble: Trouble,
        /// How the connection was secured, in words.
        secured: String,
        /// The same as it is counted; `None`: it did not come so far.
        tls: Option<(&'static str, String)>,
    },
}

impl Line {
    /// Connects and comes to where a message can be sent. `plain`: TLS has failed before, and why.
    pub(super) async fn open(
        network: &Network,
        place: &Place,
        plain: Option<&str>,
    ) -> Result<Line, NotOpen> {
        let wanted = place.relay.as_ref().map_or(RelayTls::Opportunistic, |relay| relay.tls);
        let secured = match plain {
            Some(why) => format!("not encrypted, since TLS failed: {why}"),
            None => "not encrypted".to_string(),
        };
        let dialled = dial::dial(place.at, network.patience(limits::SMTP_OUT_CONNECT)).await;
        let call = dialled.map_err(|error| passing(&format!("No connection: {error}.")))?;
        let client = Client::new(Terms {
            host: network.host.clone(),
            tls: match wanted {
                _ if plain.is_some() => StartTls::Never,
                RelayTls::StartTls => StartTls::Must,
                RelayTls::Opportunistic if place.safety.needs_tls() => StartTls::Must,
                RelayTls::Opportunistic => StartTls::IfOffered,
                RelayTls::Implicit | RelayTls::None => StartTls::Never,
            },
            login: place.relay.as_ref().and_then(|relay| relay.login.clone()),
            token: place.relay.as_ref().is_some_and(|relay| relay.token),
            // Settings let a password go in clear only to this machine.
            clear: matches!(wanted, RelayTls::Implicit | RelayTls::None),
        });
        let tls = (result::STARTTLS_NOT_SUPPORTED, "it does not offer STARTTLS".to_string());
        let mut line = Line { call, client, place: place.clone(), secured, tls, messages: 0 };
        if wanted == RelayTls::Implicit {
            line = line.secure(network).await?;
        }
        let mut out = Vec::new();
        let mut input = Input::Opened;
        loop {
            let step = line.client.step(input, &mut out);
            match line.converse(network, step, out).await {
                Step::Secure => line = line.secure(network).await?,
                Step::Over(mut trouble) => {
                    let lacks_tls = line.client.lacks_tls();
                    if lacks_tls && place.relay.is_none() {
                        let who = place.safety.who();
                        trouble.why = format!("{} {who} asks for it.", trouble.why);
                    }
                    let secured = line.secured.clone();
                    let spoke = lacks_tls || line.client.is_secured();
                    let tls = spoke.then(|| line.tls.clone());
                    line.close().await;
                    return Err(NotOpen::Trouble { trouble, secured, tls });
                }
                _ => {
                    if let Some(reply) = line.client.tls_refused() {
                        line.secured = format!("not encrypted, since it refused TLS: {reply}");
                        line.tls.1 = format!("it refused TLS: {reply}");
                    }
                    return Ok(line);
                }
            }
            (input, out) = (Input::Secured, Vec::new());
        }
    }

    /// Sends a message. A verdict for each recipient.
    pub(super) async fn send(&mut self, network: &Network, mail: Mail) -> Vec<Verdict> {
        let recipients = mail.recipients.len();
        self.messages += 1;
        let mut out = Vec::new();
        let step = self.client.send(mail, &mut out);
        match self.converse(network, step, out).await {
            Step::Sent(verdicts) => verdicts,
            _ => {
                let why = "The server said nothing that makes sense here.".to_string();
                vec![Verdict::Later { reply: None, why }; recipients]
            }
        }
    }

    /// Can another message be sent?
    pub(super) fn is_open(&self) -> bool {
        self.client.is_open() && self.call.input.is_empty()
    }

    /// Kept until another message takes it, or a moment is over.
    pub(super) async fn keep(self, network: &Arc<Network>) {
        if !self.is_open() || self.messages >= limits::SMTP_OUT_MESSAGES {
            return self.close().await;
        }
        let number = network.kept.fetch_add(1, Ordering::Relaxed);
        let Some(line) = network.put_idle(number, self) else {
            let network = Arc::downgrade(network);
            tokio::spawn(async move {
                tokio::time::sleep(limits::SMTP_OUT_IDLE).await;
                let Some(network) = network.upgrade() else { return };
                if let Some(line) = network.remove_idle(number) {
                    line.close().await;
                }
            });
            return;
        };
        line.close().await;
    }

    /// Says goodbye if there is somebody to say it to.
    pub(super) async fn close(mut self) {
        let mut out = Vec::new();
        self.client.quit(&mut out);
        let _ = self.call.write(&mut out, limits::LINGER).await;
        self.call.close().await;
    }

    async fn secure(self, network: &Network) -> Result<Line, NotOpen> {
        let Line { call, client, place, secured, messages, .. } = self;
        let within = network.patience(limits::TLS_HANDSHAKE);
        let relay = place.relay.as_ref().filter(|relay| relay.tls != RelayTls::Opportunistic);
        let trust = match relay {
            None => place.safety.trust(&network.anyone),
            Some(relay) => Trust::proven(relay.authority.as_deref())
                .map_err(|fault| passing(&format!("The relay's authority: {fault}.")))?,
        };
        match call.secure(&trust, &place.host, within).await {
            Ok((call, seen)) => {
                let (secured, tls) = (place.safety.words(&seen), place.safety.result(&seen));
                Ok(Line { call, client, place, secured, tls, messages })
            }
            Err(unproven) if relay.is_none() && !place.safety.needs_tls() => {
                Err(NotOpen::Tls(unproven))
            }
            Err(unproven) => {
                let who = if relay.is_some() { "the relay" } else { place.safety.who() };
                let why = format!(
                    "{who} asks for TLS that is proven, and it is not: {}. Nothing was sent.",
                    unproven.why
                );
                let tls = Some((safety::of_unproven(&unproven), unproven.why));
                Err(NotOpen::Trouble { trouble: trouble(&why), secured, tls })
            }
        }
    }

    /// Goes on until the client comes to something else than reading and writing.
    async fn converse(&mut self, network: &Network, step: Step, mut out: Vec<u8>) -> Step {
        let (mut step, mut heard, mut since) = (step, self.client.heard(), dial::now());
        loop {
            let within = match step {
                Step::Read(within) => Some(network.patience(within)),
                Step::Again => None,
                other => {
                    let _ = self.call.write(&mut out, limits::LINGER).await;
                    return other;
                }
            };
            // A reply that is not whole buys no new time.
            if !out.is_empty() || heard != self.client.heard() {
                (heard, since) = (self.client.heard(), dial::now());
            }
            let stall = network.patience(limits::SMTP_OUT_BLOCK);
            if let Err(error) = self.call.write(&mut out, stall).await {
                step = self.last_words(error.to_string(), &mut out).await;
                out.clear();
                continue;
            }
            let news = match within {
                Some(within) => Some(self.call.read(since + within).await),
                None => self.call.pending().await,
            };
            let input = match news {
                Some(News::Bytes) => Input::Bytes(&mut self.call.input),
                Some(News::Ended(why)) => Input::Ended(why),
                Some(News::TimedOut) => Input::TimedOut,
                None => Input::Continue,
            };
            step = self.client.step(input, &mut out);
        }
    }

    /// Nothing more can be written; the other may have said why before it closed.
    async fn last_words(&mut self, error: String, out: &mut Vec<u8>) -> Step {
        while let Some(News::Bytes) = self.call.pending().await {
            let step = self.client.step(Input::Bytes(&mut self.call.input), out);
            if !matches!(step, Step::Read(_) | Step::Again) {
                return step;
            }
        }
        self.client.step(Input::Ended(error), out)
    }
}

/// A trouble that may be over at the next try.
fn passing(why: &str) -> NotOpen {
    NotOpen::Trouble { trouble: trouble(why), secured: String::new(), tls: None }
}

fn trouble(why: &str) -> Trouble {
    Trouble { reply: None, why: why.to_string(), lasting: false, ourselves: false }
}
