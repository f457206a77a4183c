//! The proof that a system on trial does mail: it sends a letter to itself and reads it back, the
//! whole way that the letter of a person goes.
//!
//! ```text
//! store   a mailbox is made that nobody knows of (`store::proof`)
//! smtp    a letter goes to it, by the box's own port of mail
//! imap    and is read back: TLS with the box's own key, log-in, SELECT, FETCH
//! store   all of it is removed
//! page    in place of smtp and imap while there is no domain: the setup page answers
//! ```
//!
//! PID 1 hears of each try. A port that the owner has closed is passed over. Nothing is asked of
//! the internet nor of the clock: of a certificate only the key is looked at. What was cut off goes
//! at the next try or the next start.

use super::probe;
use crate::act::check::reachable;
use crate::act::people::made_up;
use crate::clock;
use crate::collect::imap::line::Line;
use crate::event::{Event, emit};
use crate::imap::client::{Login, Secret};
use crate::limits::{PROOF_AGAIN, PROOF_ANSWER_BYTES, PROOF_STEP, SCRAM_ITERATIONS};
use crate::net::dane::Tlsa;
use crate::net::dial::{self, Call, News, Trust};
use crate::net::tls;
use crate::request::{Message, Words};
use crate::serve::login::{make_credential, new_salt};
use crate::settings::Settings;
use crate::smtp::Recipient;
use crate::smtp::client::{Client, Input, Mail, StartTls, Step, Terms, Verdict};
use crate::store::account::NewAccount;
use crate::store::{INBOX, Result as Stored, Store, mail, proof};
use crate::wire::address::Address;
use crate::wire::imap::heard::{Fetched, Octets, Response, Status};
use crate::wire::smtp::ForwardPath;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How PID 1 is told.
pub(crate) type Say = Arc<dyn Fn(&Message) -> io::Result<()> + Send + Sync>;

/// Of a server that was started on trial.
#[derive(Clone)]
pub(crate) struct Proof {
    pub say: Say,
    /// PID 1 has not heard of success yet.
    pub due: Arc<AtomicBool>,
    pub store: Store,
    /// Of the certificates.
    pub tls: PathBuf,
}

/// The ports of the box as it reaches them itself; `None`: closed by the owner.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ways {
    pub smtp: Option<SocketAddr>,
    pub imaps: Option<SocketAddr>,
    pub https: Option<SocketAddr>,
}

/// Why mail is not proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unproved {
    pub step: &'static str,
    pub heard: String,
}

impl fmt::Display for Unproved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.heard)
    }
}

impl Proof {
    /// Tries until it works and PID 1 has heard so.
    pub(super) async fn run(self, ways: Ways) {
        while self.due.load(Ordering::SeqCst) {
            // First, too: the ports open meanwhile.
            tokio::time::sleep(PROOF_AGAIN).await;
            self.once(&ways).await;
        }
    }

    pub(crate) async fn once(&self, ways: &Ways) {
        let message = match prove(&self.store, &self.tls, ways).await {
            Ok(()) => Message::Proved,
            Err(why) => Message::Unproved(Words::new(&why.to_string())),
        };
        let (proved, say) = (message == Message::Proved, self.say.clone());
        // The socket may block.
        match tokio::task::spawn_blocking(move || say(&message)).await {
            Ok(Ok(())) if proved => self.due.store(false, Ordering::SeqCst),
            Ok(Ok(())) => {}
            Ok(Err(error)) => emit(Event::UnitFailed { unit: "proof", why: error.to_string() }),
            Err(error) => emit(Event::UnitFailed { unit: "proof", why: error.to_string() }),
        }
    }
}

impl Ways {
    pub(crate) fn of(settings: &Settings) -> Ways {
        let all: Vec<IpAddr> = settings.listen.iter().copied().map(reachable).collect();
        let here = all.iter().find(|address| address.is_loopback()).or(all.first()).copied();
        let at = |port: u16| Some(SocketAddr::new(here?, port)).filter(|_| port != 0);
        let ports = &settings.ports;
        Ways { smtp: at(ports.smtp), imaps: at(ports.imaps), https: at(ports.https) }
    }
}

/// Removes what a proof left behind that was cut off. Blocks.
pub(crate) fn clear_up(store: &Store) {
    let cleared = || -> Stored<()> {
        if proof::is_there(&store.snapshot()?)? {
            store.write_blocking(proof::remove)?;
        }
        Ok(())
    };
    if let Err(error) = cleared() {
        let why = error.to_string();
        emit(Event::StoreTrouble { doing: "removing what a proof left", why });
    }
}

/// One try, with nothing left of it.
pub(crate) async fn prove(store: &Store, tls: &Path, ways: &Ways) -> Result<(), Unproved> {
    let of_store = |heard: String| Unproved { step: "store", heard };
    let letter = within("store", Letter::begin(store)).await?;
    let went = match probe::has_domain(store) {
        Ok(true) => letter.goes(store, tls, ways).await,
        Ok(false) => match ways.https {
            Some(at) => within("page", page(at, tls)).await,
            None => Ok(()),
        },
        Err(error) => Err(of_store(error.to_string())),
    };
    let removed = store.write(proof::remove).await;
    went?;
    match removed {
        Ok(true) => Ok(()),
        Ok(false) => Err(of_store("what was written is gone".to_string())),
        Err(error) => Err(of_store(error.to_string())),
    }
}

async fn within<T>(
    step: &'static str,
    what: impl Future<Output = Result<T, String>>,
) -> Result<T, Unproved> {
    let done = tokio::time::timeout(PROOF_STEP, what).await;
    let slow = |_| Err("not finished in time".to_string());
    done.unwrap_or_else(slow).map_err(|heard| Unproved { step, heard })
}

struct Letter {
    /// From whom and to whom.
    address: Address,
    password: String,
    text: Vec<u8>,
}

impl Letter {
    /// Its mailbox is in the store when it returns.
    async fn begin(store: &Store) -> Result<Letter, String> {
        let (name, password, word) = (made_up()?, made_up()?, made_up()?);
        let domain = proof::DOMAIN;
        let address = Address::parse(&format!("{name}@{domain}"));
        let address = address.map_err(|error| error.to_string())?;
        let text = format!(
            "From: <{address}>\r\nTo: <{address}>\r\nSubject: Does mail work?\r\n\
             Message-ID: <{word}@{domain}>\r\n\r\n{word}\r\n"
        );
        let now = clock::now();
        let (login, secret) = (address.clone(), password.clone());
        // Takes long, as it must.
        let new = tokio::task::spawn_blocking(move || account(login, &secret, now)).await;
        let new = new.map_err(|error| error.to_string())??;
        let made = store.write(move |batch| proof::make(batch, new.clone(), now)).await;
        made.map_err(|error| error.to_string())?;
        Ok(Letter { address, password, text: text.into_bytes() })
    }

    async fn goes(&self, store: &Store, tls: &Path, ways: &Ways) -> Result<(), Unproved> {
        if let Some(at) = ways.smtp {
            within("smtp", self.send(at)).await?;
            within("store", self.lies(store)).await?;
        }
        match ways.imaps {
            Some(at) => within("imap", self.read(at, tls, ways.smtp.is_some())).await,
            None => Ok(()),
        }
    }

    async fn send(&self, at: SocketAddr) -> Result<(), String> {
        let mut call = dial(at).await?;
        let mut client = Client::new(Terms {
            host: proof::DOMAIN.to_string(),
            tls: StartTls::Never,
            login: None,
            token: false,
            clear: false,
        });
        let mut out = Vec::new();
        let step = client.step(Input::Opened, &mut out);
        let ready = converse(&mut call, &mut client, step, &mut out).await?;
        let step = match ready {
            Step::Ready => client.send(self.mail(), &mut out),
            other => other,
        };
        let sent = converse(&mut call, &mut client, step, &mut out).await?;
        client.quit(&mut out);
        let _ = call.write(&mut out, PROOF_STEP).await;
        call.close().await;
        let (reply, why) = match sent {
            Step::Sent(verdicts) => match verdicts.into_iter().next() {
                Some(Verdict::Taken(_)) => return Ok(()),
                Some(Verdict::Later { reply, why } | Verdict::Never { reply, why }) => (reply, why),
                None => (None, String::new()),
            },
            Step::Over(trouble) => (trouble.reply, trouble.why),
            _ => (None, "it says what makes no sense here".to_string()),
        };
        Err(reply.map_or(why, |reply| reply.to_string()))
    }

    fn mail(&self) -> Mail {
        let to = ForwardPath::To(self.address.clone());
        Mail {
            from: Some(self.address.clone()),
            recipients: vec![Recipient { to, notify: None, orcpt: None }],
            message: self.text.clone().into(),
            smtputf8: false,
            eight_bit: false,
            ret: None,
            envid: None,
        }
    }

    /// 250 means that it is in the store.
    async fn lies(&self, store: &Store) -> Result<(), String> {
        let read = store.snapshot().map_err(|error| error.to_string())?;
        match mail::uids(&read, proof::ACCOUNT, INBOX) {
            Ok(uids) if uids.len() == 1 => Ok(()),
            Ok(uids) => Err(format!("{} letters in place of one", uids.len())),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn read(&self, at: SocketAddr, tls: &Path, sent: bool) -> Result<(), String> {
        let call = secure(dial(at).await?, tls).await?;
        let secret = Secret::Password(self.password.clone());
        let login = Login { user: self.address.to_string(), secret };
        let mut line = Line::over(call, login).await.map_err(|trouble| trouble.why)?;
        let done = self.read_over(&mut line, sent).await;
        line.close().await;
        done
    }

    async fn read_over(&self, line: &mut Line, sent: bool) -> Result<(), String> {
        ask(line, "SELECT INBOX", &mut |_| {}).await?;
        if !sent {
            return Ok(());
        }
        let mut body = Vec::new();
        let mut each = |response| {
            if let Response::Fetch(Fetched { body: Some(Octets::Held(held)), .. }) = response {
                body = held;
            }
        };
        ask(line, "FETCH 1 (BODY[])", &mut each).await?;
        // What the box puts on top of a letter is its own affair.
        match body.ends_with(&self.text) {
            true => Ok(()),
            false => Err("the letter is not as it was sent".to_string()),
        }
    }
}

fn account(login: Address, password: &str, now: i64) -> Result<NewAccount, String> {
    let (scram_salt, scram_iterations) = (new_salt()?, SCRAM_ITERATIONS);
    let credential = make_credential("proof", password, &scram_salt, scram_iterations, now)?;
    let (name, credentials) = ("proof".to_string(), vec![credential]);
    Ok(NewAccount { login, name, quota: 0, credentials, scram_salt, scram_iterations })
}

async fn dial(at: SocketAddr) -> Result<Call, String> {
    let call = dial::dial(at, PROOF_STEP).await;
    call.map_err(|error| format!("no connection to {at}: {error}"))
}

/// TLS with the key in the folder `DATA/tls`, whatever its certificate says of names and times.
async fn secure(call: Call, folder: &Path) -> Result<Call, String> {
    let key = tls::public_key_hash(folder).map_err(|fault| fault.to_string())?;
    let own = Tlsa { usage: 3, selector: 1, matching: 1, data: key.to_vec() };
    let trust = Trust::anyone(None).map_err(|fault| fault.to_string())?;
    let trust = trust.dane(Arc::from([own]), Arc::from([]));
    match call.secure(&trust, proof::DOMAIN, PROOF_STEP).await {
        Ok((call, _)) => Ok(call),
        Err(unproven) if unproven.certificate.is_some() => {
            Err("the key that it shows is not the box's own".to_string())
        }
        Err(unproven) => Err(format!("TLS: {}", unproven.why)),
    }
}

/// Goes on until the client comes to something else than reading and writing.
async fn converse(
    call: &mut Call,
    client: &mut Client,
    mut step: Step,
    out: &mut Vec<u8>,
) -> Result<Step, String> {
    loop {
        let within = match step {
            Step::Read(within) => Some(within),
            Step::Again => None,
            other => return Ok(other),
        };
        call.write(out, PROOF_STEP).await.map_err(|error| error.to_string())?;
        let input = match within {
            None => Input::Continue,
            Some(within) => match call.read(dial::now() + within).await {
                News::Bytes => Input::Bytes(&mut call.input),
                News::Ended(why) => Input::Ended(why),
                News::TimedOut => Input::TimedOut,
            },
        };
        step = client.step(input, out);
    }
}

async fn ask(
    line: &mut Line,
    command: &str,
    each: &mut (dyn FnMut(Response) + Send),
) -> Result<Status, String> {
    let status = line.ask(command.as_bytes(), each).await.map_err(|trouble| trouble.why)?;
    if status.is_ok() { Ok(status) } else { Err(format!("{command}: {status}")) }
}

/// The setup page answers, with the box's own key.
async fn page(at: SocketAddr, tls: &Path) -> Result<(), String> {
    let mut call = secure(dial(at).await?, tls).await?;
    let mut out = format!("GET / HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n").into_bytes();
    call.write(&mut out, PROOF_STEP).await.map_err(|error| error.to_string())?;
    let until = dial::now() + PROOF_STEP;
    let first = loop {
        if let Some(end) = call.input.iter().position(|octet| *octet == b'\n') {
            break call.input.get(..end).unwrap_or_default().to_vec();
        }
        match call.read(until).await {
            News::Bytes if call.input.len() <= PROOF_ANSWER_BYTES => {}
            News::Bytes => return Err("it answers as no page does".to_string()),
            News::Ended(why) => return Err(why),
            News::TimedOut => return Err("no answer in time".to_string()),
        }
    };
    call.close().await;
    let first = String::from_utf8_lossy(&first).trim_end().to_string();
    match first.strip_prefix("HTTP/1.1 ") {
        Some(status) if status.starts_with(['2', '3']) => Ok(()),
        _ => Err(first),
    }
}
