//! A toy protocol, a server for it, and clients.

use crate::net::authority::Names;
use crate::net::drive::{Pace, Terms};
use crate::net::listen::{Door, Gate};
use crate::net::tls::Tls;
use crate::net::{Handler, Service};
use crate::session::{Input, Peer, Session, Step, TlsFacts};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub const HOST: &str = "mail.office.test";
/// 2026-01-01.
pub const NOW: i64 = 1_767_225_600;

/// A folder that goes with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mailroom-net-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn names() -> Names {
    Names { host: HOST.to_string(), others: Vec::new() }
}

/// Lines in, lines out:
///
/// ```text
/// echo X | ask N | heavy N | pause MS | again N | work N | flood | secure | facts | watch |
/// panic | stuck | quit
/// ```
pub struct Toy {
    facts: Option<TlsFacts>,
    within: Duration,
    left: usize,
    /// Steps of work without output that are left.
    work: usize,
    flood: bool,
    watching: bool,
    wake: Arc<Notify>,
}

/// Steps of work done by all sessions together.
static WORKED: AtomicUsize = AtomicUsize::new(0);

impl Session for Toy {
    type Ask = u32;
    type Answer = u32;

    fn step(&mut self, input: Input<'_, u32>, out: &mut Vec<u8>) -> Step<u32> {
        match input {
            Input::Opened => say(out, "hello"),
            Input::Bytes(bytes) => {
                if let Some(end) = bytes.iter().position(|octet| *octet == b'\n') {
                    let line = bytes.drain(..=end).collect::<Vec<u8>>();
                    return self.command(String::from_utf8_lossy(&line).trim_end(), out);
                }
            }
            Input::Continue if self.flood => {
                out.resize(64 * 1024, b'x');
                return Step::Again;
            }
            Input::Continue if self.work > 0 => {
                self.work -= 1;
                let done = WORKED.fetch_add(1, Ordering::SeqCst) + 1;
                if self.work > 0 {
                    return Step::Again;
                }
                say(out, &format!("worked {done}"));
            }
            Input::Continue if self.left > 0 => {
                self.left -= 1;
                say(out, &format!("piece {}", self.left));
                return Step::Again;
            }
            Input::Continue => say(out, "go on"),
            Input::Answer(answer) => say(out, &format!("answer {answer}")),
            Input::Secured(facts) => {
                say(out, &format!("secured {}", facts.version));
                self.facts = Some(facts);
            }
            Input::Woken => say(out, "woken"),
            Input::TimedOut => return last(out, "late"),
            Input::Ended => return last(out, "ended"),
            Input::Stopping => return last(out, "stopping"),
        }
        self.read()
    }

    fn wake(&self) -> Option<Arc<Notify>> {
        Some(self.wake.clone())
    }
}

impl Toy {
    fn command(&mut self, line: &str, out: &mut Vec<u8>) -> Step<u32> {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = rest.parse().unwrap_or(0);
        match name {
            "echo" => say(out, rest),
            "ask" => return Step::Ask(number),
            "heavy" => {
                // More than the buffers of a socket take.
                out.resize(64 << 20, b'x');
                return Step::Ask(number);
            }
            "pause" => return Step::Pause(Duration::from_millis(number.into())),
            "again" => {
                self.left = number as usize;
                return Step::Again;
            }
            "work" => {
                self.work = number as usize;
                return Step::Again;
            }
            "flood" => {
                self.flood = true;
                return Step::Again;
            }
            "secure" => {
                say(out, "ready");
                return Step::Secure;
            }
            "facts" => say(out, &format!("{:?}", self.facts)),
            "watch" => {
                self.watching = true;
                say(out, "watching");
            }
            "panic" => panic!("the toy was told to panic"),
            "quit" => return last(out, "bye"),
            _ => say(out, "what?"),
        }
        self.read()
    }

    fn read(&self) -> Step<u32> {
        Step::Read { within: self.within, wake: self.watching }
    }
}

fn say(out: &mut Vec<u8>, line: &str) {
    out.extend_from_slice(line.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn last(out: &mut Vec<u8>, line: &str) -> Step<u32> {
    say(out, line);
    Step::Close
}

/// Answers with one more; 1000 waits until it is let go.
pub struct Toys {
    pub within: Duration,
    pub wake: Arc<Notify>,
    pub let_go: Arc<Notify>,
    /// Ends a connection.
    pub shut: Arc<Notify>,
    /// Asks begun.
    pub asked: mpsc::UnboundedSender<u32>,
    /// Answers made, whether or not anybody was left to hear them.
    pub answered: mpsc::UnboundedSender<u32>,
}

pub struct ToyHandler {
    let_go: Arc<Notify>,
    shut: Arc<Notify>,
    asked: mpsc::UnboundedSender<u32>,
    answered: mpsc::UnboundedSender<u32>,
}

impl Service for Toys {
    type Session = Toy;
    type Handler = ToyHandler;

    fn connect(&self, peer: Peer) -> (Toy, ToyHandler) {
        let toy = Toy {
            facts: peer.tls,
            within: self.within,
            left: 0,
            work: 0,
            flood: false,
            watching: false,
            wake: self.wake.clone(),
        };
        let (let_go, shut) = (self.let_go.clone(), self.shut.clone());
        let (asked, answered) = (self.asked.clone(), self.answered.clone());
        (toy, ToyHandler { let_go, shut, asked, answered })
    }

    fn refusal(&self) -> &'static str {
        "-ERR too many\r\n"
    }
}

impl Handler<Toy> for ToyHandler {
    fn shut(&self) -> Option<&Notify> {
        Some(&self.shut)
    }

    async fn answer(&self, ask: u32) -> u32 {
        let _ = self.asked.send(ask);
        if ask == 1000 {
            self.let_go.notified().await;
        }
        let _ = self.answered.send(ask);
        ask + 1
    }
}

/// A toy server with a plain and a TLS port.
pub struct Server {
    pub plain: SocketAddr,
    pub secure: SocketAddr,
    pub tls: Arc<Tls>,
    pub gate: Gate,
    pub wake: Arc<Notify>,
    pub let_go: Arc<Notify>,
    pub shut: Arc<Notify>,
    pub asked: mpsc::UnboundedReceiver<u32>,
    pub answered: mpsc::UnboundedReceiver<u32>,
    pub stop: watch::Sender<bool>,
    pub folder: Folder,
}

/// What a test turns.
pub struct Turn {
    pub within: Duration,
    pub pace: Pace,
    pub total: usize,
    pub per_address: usize,
    pub per_unit: usize,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            within: Duration::from_secs(60),
            pace: Pace::default(),
            total: 100,
            per_address: 100,
            per_unit: 100,
        }
    }
}

impl Server {
    pub fn start(turn: Turn) -> Server {
        let folder = Folder::new();
        let tls = Tls::open(&folder.0.join("tls"), names(), NOW).expect("certificates");
        let (stop, stop_seen) = watch::channel(false);
        let gate = Gate::new(turn.total, turn.per_address);
        let terms = Terms { tls: tls.clone(), stop: stop_seen, pace: turn.pace };
        let (asked_to, asked) = mpsc::unbounded_channel();
        let (answered_to, answered) = mpsc::unbounded_channel();
        let (wake, let_go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let shut = Arc::new(Notify::new());
        let toys = Arc::new(Toys {
            within: turn.within,
            wake: wake.clone(),
            let_go: let_go.clone(),
            shut: shut.clone(),
            asked: asked_to,
            answered: answered_to,
        });
        let at = |unit, is_tls| {
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            let door = Door::bind(unit, any, is_tls, turn.per_unit).expect("a port");
            let at = door.at().expect("an address");
            let (toys, gate, terms) = (toys.clone(), gate.clone(), terms.clone());
            tokio::spawn(async move { door.serve(&toys, &gate, &terms).await });
            at
        };
        let (plain, secure) = (at("toy", false), at("toys", true));
        Server { plain, secure, tls, gate, wake, let_go, shut, asked, answered, stop, folder }
    }

    pub fn tls_folder(&self) -> PathBuf {
        self.folder.0.join("tls")
    }

    pub async fn call(&self) -> Client<TcpStream> {
        let mut client = self.call_unheard().await;
        client.hears("hello").await;
        client
    }

    pub async fn call_unheard(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.plain).await.expect("connected"))
    }

    pub async fn call_secure(&self) -> Client<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.secure).await.expect("connected");
        let mut client = Client::new(handshake(socket, &self.tls_folder(), BOTH).await);
        client.hears("hello").await;
        client
    }
}

pub const BOTH: &[&rustls::SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];

/// As a mail program that trusts the box's authority.
pub async fn handshake(
    socket: TcpStream,
    tls: &Path,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> TlsStream<TcpStream> {
    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(tls.join("ca.pem")).expect("an authority");
    roots.add(ca).expect("a good authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    // The tests' time is the real one, the certificates' is fixed.
    config.time_provider = Arc::new(At(NOW));
    let name = ServerName::try_from(HOST).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("a handshake")
}

#[derive(Debug)]
struct At(i64);

impl rustls::time_provider::TimeProvider for At {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        let seconds = Duration::from_secs(self.0.unsigned_abs());
        Some(rustls::pki_types::UnixTime::since_unix_epoch(seconds))
    }
}

/// One side of a dialogue.
pub struct Client<S> {
    pub stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub async fn says(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.expect("written");
        self.stream.flush().await.expect("flushed");
    }

    /// The next line; empty at the end.
    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line);
        let read = tokio::time::timeout(Duration::from_secs(20), read).await;
        match read.expect("an answer within 20 s") {
            Ok(_) => line.trim_end().to_string(),
            Err(_) => String::new(),
        }
    }

    pub async fn hears(&mut self, line: &str) {
        assert_eq!(self.line().await, line);
    }
}

/// Waits for what no event tells: a count to become right.
pub async fn until(mut is: impl FnMut() -> bool) {
    let wait = async {
        while !is() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("within 20 s");
}
