//! Connections to other servers: begun, secured, spoken over, kept for the next message.
//!
//! ```text
//! dial -> [TLS] -> greeting, EHLO, [STARTTLS], [AUTH] -> open -> message.. -> kept -> QUIT
//!           \------------- fails, and need not be: dialled anew, in clear
//! ```

use crate::limits;
use crate::net::dial::{self, Call, News, Trust};
use crate::net::resolver::Resolver;
use crate::settings::{Outgoing, Relay, RelayTls};
use crate::smtp::client::{Client, Input, Mail, StartTls, Step, Terms, Trouble, Verdict};
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
    anyone: Trust,
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
    pub(crate) fn new(host: String, outgoing: Outgoing) -> Result<Arc<Network>, String> {
        Self::with_patience(host, outgoing, Duration::MAX)
    }

    /// No wait for another server is longer than `patience`.
    pub(crate) fn with_patience(
        host: String,
        outgoing: Outgoing,
        patience: Duration,
    ) -> Result<Arc<Network>, String> {
        let resolver = Resolver::new(&outgoing.name_servers, patience)?;
        let anyone = Trust::anyone().map_err(|fault| fault.to_string())?;
        let idle = Mutex::default();
        let kept = AtomicU64::new(0);
        Ok(Arc::new(Self { resolver, host, outgoing, anyone, idle, patience, kept }))
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

    fn patience(&self, limit: Duration) -> Duration {
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
    messages: usize,
}

/// Why a connection does not take messages.
pub(super) enum NotOpen {
    /// TLS failed, and it may be tried in clear: why.
    Tls(String),
    /// With words on how the connection was secured.
    Trouble(Trouble, String),
}

impl Line {
    /// Connects and comes to where a message can be sent. `plain`: TLS has failed before, and why.
    pub(super) async fn open(
        network: &Network,
        place: &Place,
        plain: Option<&str>,
    ) -> Result<Line, NotOpen> {
        let tls = place.relay.as_ref().map_or(RelayTls::Opportunistic, |relay| relay.tls);
        let secured = match plain {
            Some(why) => format!("not encrypted, since TLS failed: {why}"),
            None => "not encrypted".to_string(),
        };
        let dialled = dial::dial(place.at, network.patience(limits::SMTP_OUT_CONNECT)).await;
        let call = dialled.map_err(|error| passing(&format!("No connection: {error}.")))?;
        let client = Client::new(Terms {
            host: network.host.clone(),
            tls: match tls {
                _ if plain.is_some() => StartTls::Never,
                RelayTls::StartTls => StartTls::Must,
                RelayTls::Opportunistic => StartTls::IfOffered,
                RelayTls::Implicit | RelayTls::None => StartTls::Never,
            },
            login: place.relay.as_ref().and_then(|relay| relay.login.clone()),
            // Settings let a password go in clear only to this machine.
            clear: matches!(tls, RelayTls::Implicit | RelayTls::None),
        });
        let mut line = Line { call, client, place: place.clone(), secured, messages: 0 };
        if tls == RelayTls::Implicit {
            line = line.secure(network).await?;
        }
        let mut out = Vec::new();
        let mut input = Input::Opened;
        loop {
            let step = line.client.step(input, &mut out);
            match line.converse(network, step, out).await {
                Step::Secure => line = line.secure(network).await?,
                Step::Over(trouble) => {
                    let secured = line.secured.clone();
                    line.close().await;
                    return Err(NotOpen::Trouble(trouble, secured));
                }
                _ => {
                    if let Some(reply) = line.client.tls_refused() {
                        line.secured = format!("not encrypted, since it refused TLS: {reply}");
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
        let Line { call, client, place, secured, messages } = self;
        let within = network.patience(limits::TLS_HANDSHAKE);
        let must = place.relay.as_ref().filter(|relay| relay.tls != RelayTls::Opportunistic);
        let trust = match must {
            None => network.anyone.clone(),
            Some(relay) => Trust::proven(relay.authority.as_deref())
                .map_err(|fault| passing(&format!("The relay's authority: {fault}.")))?,
        };
        match call.secure(&trust, &place.host, within).await {
            Ok((call, secured)) => Ok(Line { call, client, place, secured, messages }),
            Err(fault) if must.is_none() => Err(NotOpen::Tls(fault.to_string())),
            Err(fault) => {
                let NotOpen::Trouble(trouble, _) = passing(&format!("TLS failed: {fault}.")) else {
                    return Err(NotOpen::Tls(fault.to_string()));
                };
                Err(NotOpen::Trouble(trouble, secured))
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
    let (reply, why) = (None, why.to_string());
    NotOpen::Trouble(Trouble { reply, why, lasting: false, ourselves: false }, String::new())
}
