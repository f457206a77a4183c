//! The load generator of `make bench`: SMTP deliveries, submissions, IDLE sessions, operations on a
//! big mailbox.
//!
//! `load ACT key=value ...`; the result is one line of JSON on stdout. The same bytes go to every
//! server. SMTP commands are pipelined as mail servers do; each connection comes from an address
//! of its own (127.0.x.y), as strangers do. IMAP is spoken in clear text from 127.0.0.1, except in
//! `idle`, which speaks TLS. What is measured says "ready" when all are logged in, and begins when
//! a line comes.

mod leave;

use std::collections::HashMap;
use std::error::Error;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1);
    let act = words.next().unwrap_or_default();
    let given = words.filter_map(|w| w.split_once('=').map(|(k, v)| (k.into(), v.into())));
    let options = Arc::new(Options(given.collect()));
    let result = match act.as_str() {
        "deliver" => deliver(options).await?,
        "lone" => lone(options).await?,
        "idle" => idle(options).await?,
        "fill" => fill(options).await?,
        "mailbox" => mailbox(options).await?,
        "leave" => leave::leave(options).await?,
        _ => return Err("load deliver|lone|leave|idle|fill|mailbox key=value ...".into()),
    };
    say(&result)
}

fn say(line: &str) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// All is set up: who measures looks at the counters and sends a line.
async fn ready() -> Outcome<()> {
    say(r#"{"ready":true}"#)?;
    let mut go = [0];
    standard_input()?.read_exact(&mut go).await?;
    Ok(())
}

/// What the command line says: `smtp=2025 imap=2143 connections=16 ...`.
struct Options(HashMap<String, String>);

impl Options {
    fn text(&self, key: &str) -> Outcome<&str> {
        Ok(self.0.get(key).ok_or(format!("{key}=... is missing"))?)
    }

    fn number(&self, key: &str) -> Outcome<u64> {
        Ok(self.text(key)?.parse().map_err(|_| format!("{key}: not a number"))?)
    }

    fn port(&self, key: &str) -> Outcome<SocketAddr> {
        let port = u16::try_from(self.number(key)?)?;
        Ok((Ipv4Addr::LOCALHOST, port).into())
    }

    /// Addresses and passwords: `people=a@x:secret,b@x:secret`.
    fn people(&self) -> Outcome<Vec<(String, String)>> {
        let split = |one: &str| one.split_once(':').map(|(a, p)| (a.to_owned(), p.to_owned()));
        let people: Option<Vec<_>> = self.text("people")?.split(',').map(split).collect();
        Ok(people.ok_or("people=address:password,...")?)
    }
}

// ---- messages ----

const WORDS: &str = "\
    the office mail of a small company has letters offers invoices questions about delivery \
    dates prices meetings contracts and answers to them with kind regards from people who \
    write much text that repeats words but never quite in the same order as before Monday \
    Tuesday please find attached thank you best number order customer project version change";

/// A letter of `size` bytes, told apart by `number`: generated words; above 8 KiB the second half
/// is random hex, as an attachment hardly compresses.
fn letter(number: u64, size: usize, to: &str) -> Vec<u8> {
    letter_from(&format!("sender{}@example.org", number % 500), number, size, to)
}

fn letter_from(from: &str, number: u64, size: usize, to: &str) -> Vec<u8> {
    let mut dice = Dice(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let head = format!(
        "From: \"Sender {number}\" <{from}>\r\nTo: <{to}>\r\n\
         Subject: order {number} of customer {}\r\nDate: {:02} Mar 2024 {:02}:{:02}:00 +0000\r\n\
         Message-ID: <{number}.{:x}@example.org>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n",
        number % 97,
        1 + number % 28,
        number % 24,
        number % 60,
        dice.roll(),
    );
    let mut out = head.into_bytes();
    let mut line = 0;
    while out.len() + 2 < size {
        let start = out.len();
        if size > 8192 && start > size / 2 {
            out.extend(format!("{:016x}", dice.roll()).into_bytes());
        } else {
            out.extend(words[(dice.roll() % words.len() as u64) as usize].bytes());
            out.push(b' ');
        }
        line += out.len() - start;
        if line > 66 {
            out.extend(b"\r\n");
            line = 0;
        }
    }
    out.truncate(size.saturating_sub(2));
    while out.last().is_some_and(|c| matches!(c, b'\r' | b'\n')) {
        out.pop();
    }
    out.extend(b"\r\n");
    out
}

/// xorshift64*: enough for texts, the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

// ---- SMTP ----

struct Smtp<S>(BufReader<S>);

impl Smtp<TcpStream> {
    async fn connect(server: SocketAddr, from: u64) -> Outcome<Smtp<TcpStream>> {
        let mut session = Smtp(BufReader::new(connect(server, from).await?));
        session.reply().await?;
        session.command("EHLO load.example").await?;
        Ok(session)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Smtp<S> {
    async fn command(&mut self, line: &str) -> Outcome<()> {
        self.0.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.0.flush().await?;
        self.reply().await
    }

    async fn send(&mut self, from: &str, to: &str, text: &[u8]) -> Outcome<()> {
        let envelope = format!("MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\n");
        self.0.write_all(envelope.as_bytes()).await?;
        self.0.flush().await?;
        for _ in 0..3 {
            self.reply().await?;
        }
        // No line of ours starts with a dot.
        let mut data = Vec::with_capacity(text.len() + 3);
        data.extend_from_slice(text);
        data.extend_from_slice(b".\r\n");
        self.0.write_all(&data).await?;
        self.0.flush().await?;
        self.reply().await
    }

    async fn quit(mut self) -> Outcome<()> {
        self.command("QUIT").await
    }

    async fn reply(&mut self) -> Outcome<()> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line).await? == 0 {
                return Err("SMTP: closed".into());
            }
            if line.as_bytes().get(3) == Some(&b' ') {
                break;
            }
        }
        if line.starts_with(['2', '3']) { Ok(()) } else { Err(line.into()) }
    }
}

/// From 127.0.0.1 (`from` 0), or from an address of its own.
async fn connect(server: SocketAddr, from: u64) -> Outcome<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if from > 0 {
        let [.., third, fourth] = from.to_be_bytes();
        socket.bind((Ipv4Addr::new(127, 1, third, fourth.max(1)), 0).into())?;
    }
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

// ---- IMAP ----

struct Imap<S> {
    stream: BufReader<S>,
    tag: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Imap<S> {
    async fn log_in(stream: S, address: &str, password: &str) -> Outcome<Imap<S>> {
        let mut session = Imap { stream: BufReader::with_capacity(65_536, stream), tag: 0 };
        let mut greeting = Vec::new();
        session.stream.read_until(b'\n', &mut greeting).await?;
        session.run(&format!("LOGIN {address} {password}")).await?;
        Ok(session)
    }

    /// Sends a command and returns all that came, the tagged line included.
    async fn run(&mut self, command: &str) -> Outcome<Vec<u8>> {
        self.run_bytes(command.as_bytes()).await
    }

    async fn run_bytes(&mut self, command: &[u8]) -> Outcome<Vec<u8>> {
        self.tag += 1;
        let tag = format!("t{} ", self.tag);
        let mut sent = tag.clone().into_bytes();
        sent.extend_from_slice(command);
        sent.extend_from_slice(b"\r\n");
        self.stream.write_all(&sent).await?;
        self.stream.flush().await?;
        let mut came = Vec::new();
        loop {
            let start = came.len();
            if self.stream.read_until(b'\n', &mut came).await? == 0 {
                return Err("IMAP: closed".into());
            }
            let line = &came[start..];
            if let Some(length) = literal(line) {
                let from = came.len();
                came.resize(from + length, 0);
                self.stream.read_exact(&mut came[from..]).await?;
            } else if line.starts_with(tag.as_bytes()) {
                let good = line[tag.len()..].starts_with(b"OK");
                let said = String::from_utf8_lossy(line).into_owned();
                return if good { Ok(came) } else { Err(said.into()) };
            }
        }
    }

    async fn idle(&mut self) -> Outcome<()> {
        self.stream.write_all(b"i IDLE\r\n").await?;
        self.stream.flush().await?;
        let mut line = Vec::new();
        while !line.starts_with(b"+") {
            line.clear();
            if self.stream.read_until(b'\n', &mut line).await? == 0 {
                return Err("IMAP: closed".into());
            }
        }
        Ok(())
    }

    /// The number of messages in INBOX.
    async fn messages(&mut self) -> Outcome<u64> {
        let came = self.run("STATUS INBOX (MESSAGES)").await?;
        let text = String::from_utf8_lossy(&came).into_owned();
        let (_, rest) = text.split_once("MESSAGES ").ok_or("STATUS without MESSAGES")?;
        Ok(rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse()?)
    }
}

/// `... {123}` at the end of a line.
fn literal(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"}\r\n")?;
    let open = line.iter().rposition(|&c| c == b'{')?;
    std::str::from_utf8(line.get(open + 1..)?).ok()?.parse().ok()
}

async fn watchers(options: &Options) -> Outcome<Vec<Imap<TcpStream>>> {
    let mut all = Vec::new();
    for (address, password) in options.people()? {
        let stream = connect(options.port("imap")?, 0).await?;
        all.push(Imap::log_in(stream, &address, &password).await?);
    }
    Ok(all)
}

async fn total(watchers: &mut [Imap<TcpStream>]) -> Outcome<u64> {
    let mut sum = 0;
    for watcher in watchers {
        sum += watcher.messages().await?;
    }
    Ok(sum)
}

// ---- the acts ----

/// `messages` letters over `connections`, to the people in turn; `each=1`: a connection a letter.
/// Accepted: the last 250; delivered: the last is counted by IMAP STATUS.
async fn deliver(options: Arc<Options>) -> Outcome<String> {
    let mut watchers = watchers(&options).await?;
    let before = total(&mut watchers).await?;
    let (messages, size) = (options.number("messages")?, options.number("size")? as usize);
    let offset = options.number("offset")?;
    let people = options.people()?;
    let letters: Vec<_> = (0..messages)
        .map(|n| {
            let to = people[(n % people.len() as u64) as usize].0.clone();
            let text = letter(offset + n, size, &to);
            (to, text)
        })
        .collect();
    let (letters, next) = (Arc::new(letters), Arc::new(AtomicU64::new(0)));
    let (server, each) = (options.port("smtp")?, options.number("each")? == 1);

    ready().await?;
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..options.number("connections")? {
        clients.spawn(client_of(server, client + 1, each, Arc::clone(&letters), next.clone()));
    }
    let mut took = Vec::new();
    while let Some(done) = clients.join_next().await {
        took.extend(done??);
    }
    let accepted = start.elapsed();
    let wanted = before + messages;
    while total(&mut watchers).await? < wanted {
        if start.elapsed() > Duration::from_secs(180) {
            return Err("not delivered after 180 s".into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let delivered = start.elapsed();
    Ok(format!(
        r#"{{"accepted_s":{:.4},"delivered_s":{:.4},"p50_ms":{:.3},"p99_ms":{:.3}}}"#,
        accepted.as_secs_f64(),
        delivered.as_secs_f64(),
        quantile(&mut took, 0.5),
        quantile(&mut took, 0.99),
    ))
}

async fn client_of(
    server: SocketAddr,
    from: u64,
    each: bool,
    letters: Arc<Vec<(String, Vec<u8>)>>,
    next: Arc<AtomicU64>,
) -> Outcome<Vec<Duration>> {
    let mut took = Vec::new();
    let mut session = None;
    while let Some((to, text)) = letters.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
        let start = Instant::now();
        let mut open = match session.take() {
            Some(open) => open,
            None => Smtp::connect(server, from).await?,
        };
        open.send("s@example.org", to, text).await?;
        took.push(start.elapsed());
        if each {
            open.quit().await?;
        } else {
            session = Some(open);
        }
    }
    if let Some(open) = session {
        open.quit().await?;
    }
    Ok(took)
}

/// One letter after another, nothing else going on: until the 250, and until IMAP counts it.
async fn lone(options: Arc<Options>) -> Outcome<String> {
    let (messages, size) = (options.number("messages")?, options.number("size")? as usize);
    let offset = options.number("offset")?;
    let (address, password) = options.people()?.swap_remove(0);
    let stream = connect(options.port("imap")?, 0).await?;
    let mut watcher = Imap::log_in(stream, &address, &password).await?;
    let mut session = Smtp::connect(options.port("smtp")?, 1).await?;
    let mut seen = watcher.messages().await?;
    ready().await?;
    let (mut accepted, mut visible) = (Vec::new(), Vec::new());
    for number in 0..messages {
        let text = letter(offset + number, size, &address);
        let start = Instant::now();
        session.send("s@example.org", &address, &text).await?;
        accepted.push(start.elapsed());
        seen += 1;
        while watcher.messages().await? < seen {
            if start.elapsed() > Duration::from_secs(30) {
                return Err("not visible after 30 s".into());
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        visible.push(start.elapsed());
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    session.quit().await?;
    Ok(format!(
        concat!(
            r#"{{"accepted_p50_ms":{:.3},"accepted_p99_ms":{:.3},"#,
            r#""visible_p50_ms":{:.3},"visible_p99_ms":{:.3}}}"#
        ),
        quantile(&mut accepted, 0.5),
        quantile(&mut accepted, 0.99),
        quantile(&mut visible, 0.5),
        quantile(&mut visible, 0.99),
    ))
}

/// `connections` sessions over TLS, INBOX selected, in IDLE; they stay until stdin ends.
async fn idle(options: Arc<Options>) -> Outcome<String> {
    let (connector, name) = tls(&options)?;
    let people = options.people()?;
    let server = options.port("imaps")?;

    let mut open = Vec::new();
    let start = Instant::now();
    for number in 0..options.number("connections")? {
        let (address, password) = &people[(number % people.len() as u64) as usize];
        let stream = connect(server, number + 1).await?;
        let stream = connector.connect(name.clone(), stream).await?;
        let mut session = Imap::log_in(stream, address, password).await?;
        session.run("SELECT INBOX").await?;
        session.idle().await?;
        open.push(session);
    }
    say(&format!(r#"{{"open":{},"seconds":{:.2}}}"#, open.len(), start.elapsed().as_secs_f64()))?;
    let mut rest = Vec::new();
    standard_input()?.read_to_end(&mut rest).await?;
    Ok(format!(r#"{{"closed":{}}}"#, open.len()))
}

/// Trusts the authority in `ca`, for the server called `name`.
fn tls(options: &Options) -> Outcome<(TlsConnector, ServerName<'static>)> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(options.text("ca")?)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(options.text("name")?.to_owned())?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// Standard input, a pipe (tokio's own needs another feature of it).
fn standard_input() -> Outcome<pipe::Receiver> {
    let own = std::io::stdin().as_fd().try_clone_to_owned()?;
    Ok(pipe::Receiver::from_owned_fd(own)?)
}

/// `messages` letters appended to INBOX, a hundred a command (MULTIAPPEND): every tenth flagged,
/// every third seen, dated a minute apart.
async fn fill(options: Arc<Options>) -> Outcome<String> {
    let (messages, size) = (options.number("messages")?, options.number("size")? as usize);
    let people = options.people()?;
    let start = Instant::now();
    for (address, password) in &people {
        let stream = connect(options.port("imap")?, 0).await?;
        let mut session = Imap::log_in(stream, address, password).await?;
        for first in (0..messages).step_by(100) {
            let mut command = b"APPEND INBOX".to_vec();
            for number in first..messages.min(first + 100) {
                let text = letter(number, size, address);
                let flags = match (number % 10, number % 3) {
                    (0, _) => "\\Flagged",
                    (_, 0) => "\\Seen",
                    _ => "",
                };
                let (minute, hour) = (number % 60, number / 60 % 24);
                let (day, month) = (1 + number / 1440 % 28, number / 40_320 % 12);
                let month = &"JanFebMarAprMayJunJulAugSepOctNovDec"[month as usize * 3..][..3];
                let date = format!("{day:02}-{month}-2024 {hour:02}:{minute:02}:00 +0000");
                command.extend(format!(" ({flags}) \"{date}\" {{{}+}}\r\n", text.len()).bytes());
                command.extend(text);
            }
            session.run_bytes(&command).await?;
        }
    }
    Ok(format!(r#"{{"seconds":{:.2}}}"#, start.elapsed().as_secs_f64()))
}

/// What each client does with a big mailbox; the median of `rounds`, in ms.
async fn mailbox(options: Arc<Options>) -> Outcome<String> {
    let (address, password) = options.people()?.swap_remove(0);
    let messages = options.number("messages")?;
    let last = messages.saturating_sub(49).max(1);
    let acts = [
        ("select", "SELECT INBOX".to_owned()),
        ("flags", "FETCH 1:* (FLAGS)".to_owned()),
        ("headers", format!("FETCH {last}:* (UID FLAGS RFC822.SIZE BODY.PEEK[HEADER])")),
        ("envelopes", format!("FETCH {last}:* (UID FLAGS ENVELOPE INTERNALDATE)")),
        ("search flag", "SEARCH FLAGGED".to_owned()),
        ("search unseen", "SEARCH UNSEEN".to_owned()),
        ("search date", "SEARCH SINCE 1-Mar-2024 BEFORE 5-Mar-2024".to_owned()),
        ("search sent", "SEARCH SENTSINCE 27-Mar-2024".to_owned()),
        ("search header", "SEARCH SUBJECT \"customer 42\"".to_owned()),
        ("search from", "SEARCH FROM \"sender123@\"".to_owned()),
    ];
    let mut times: HashMap<&str, Vec<Duration>> = HashMap::new();
    let mut found = HashMap::new();
    for _ in 0..options.number("rounds")? {
        let stream = connect(options.port("imap")?, 0).await?;
        let mut session = Imap::log_in(stream, &address, &password).await?;
        for (name, command) in &acts {
            let start = Instant::now();
            let came = session.run(command).await?;
            times.entry(name).or_default().push(start.elapsed());
            let numbers = came.split(|&c| c == b'\n').next().unwrap_or_default();
            let hits = numbers.split(|&c| c == b' ').count().saturating_sub(2);
            found.insert(*name, if name.starts_with("search") { hits } else { came.len() });
        }
        session.run("LOGOUT").await?;
    }
    let rows = acts.iter().map(|(name, _)| {
        let median = quantile(times.entry(name).or_default(), 0.5);
        format!(r#""{name}":{{"ms":{median:.3},"found":{}}}"#, found[name])
    });
    Ok(format!("{{{}}}", rows.collect::<Vec<_>>().join(",")))
}

/// In ms.
fn quantile(took: &mut [Duration], part: f64) -> f64 {
    took.sort_unstable();
    let at = ((took.len() as f64 * part).ceil() as usize).clamp(1, took.len().max(1));
    took.get(at - 1).map_or(0.0, |d| d.as_secs_f64() * 1000.0)
}
