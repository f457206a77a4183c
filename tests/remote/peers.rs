//! A name server and mail servers that do what a test wrote down.

use super::certificates::Shown;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;

/// Record types.
pub(crate) const A: u16 = 1;
pub(crate) const MX: u16 = 15;

/// Answers with the records it knows; other names do not exist. A name of "silent.test" is never
/// answered.
pub(crate) struct Dns {
    pub at: SocketAddr,
}

impl Dns {
    /// Each record: name, type, data.
    pub(crate) async fn start(records: Vec<(&str, u16, Vec<u8>)>) -> Dns {
        let mut known: HashMap<String, Vec<(u16, Vec<u8>)>> = HashMap::new();
        for (name, kind, data) in records {
            known.entry(name.to_string()).or_default().push((kind, data));
        }
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let at = socket.local_addr().expect("an address");
        tokio::spawn(async move {
            let mut question = [0; 2048];
            while let Ok((octets, from)) = socket.recv_from(&mut question).await {
                if let Some(answer) = answer(&question[..octets], &known) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        Dns { at }
    }
}

fn answer(question: &[u8], known: &HashMap<String, Vec<(u16, Vec<u8>)>>) -> Option<Vec<u8>> {
    let (mut name, mut at) = (String::new(), 12);
    while let Some(length) = question.get(at).map(|octet| usize::from(*octet)).filter(|n| *n > 0) {
        let label = question.get(at + 1..at + 1 + length)?;
        name.push_str(&String::from_utf8_lossy(label).to_lowercase());
        name.push('.');
        at += 1 + length;
    }
    let name = name.trim_end_matches('.');
    if name == "silent.test" {
        return None;
    }
    let kind = u16::from_be_bytes([*question.get(at + 1)?, *question.get(at + 2)?]);
    let all = known.get(name);
    let records: Vec<&Vec<u8>> =
        all.into_iter().flatten().filter(|(of, _)| *of == kind).map(|(_, data)| data).collect();
    let fails = all.is_some_and(|all| all.iter().any(|(of, _)| *of == FAILS));
    let code = if fails { 2 } else { 3 * u8::from(all.is_none()) };
    let mut out = question.get(..2)?.to_vec();
    out.extend([0x81, 0x80 | code, 0, 1]);
    out.extend((records.len() as u16).to_be_bytes());
    out.extend([0, 0, 0, 0]);
    out.extend(question.get(12..at + 5)?);
    for data in records {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    Some(out)
}

/// No type of records: whatever is asked of a name that has it, the name server fails.
pub(crate) const FAILS: u16 = 0xff00;

/// The data of an MX record; the host "" is null MX.
pub(crate) fn mx(preference: u16, host: &str) -> Vec<u8> {
    let mut data = preference.to_be_bytes().to_vec();
    for label in host.split('.').filter(|label| !label.is_empty()) {
        data.push(label.len() as u8);
        data.extend(label.bytes());
    }
    data.push(0);
    data
}

/// One connection's script: what is said at first, then what follows each line that begins so.
///
/// What is said may also be "close", "hang", "flood" (ten million octets of one line), "babble"
/// (ten million octets of lines that never end a reply), "deaf" with words (reads no more), or
/// "tls" with words: they are said in clear, and the handshake follows.
pub(crate) type Script = Vec<(&'static str, &'static str)>;

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A mail server: each connection follows the next script, the last one again and again.
#[derive(Clone)]
pub(crate) struct Peer {
    pub at: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    tls: Option<TlsAcceptor>,
}

impl Peer {
    pub(crate) async fn start(at: &str, scripts: Vec<Script>) -> Peer {
        Self::start_with(at, scripts, None).await
    }

    /// The host of b.test, with what it shows under TLS.
    pub(super) async fn showing(script: Script, shown: Option<&Shown>) -> Peer {
        let acceptor = shown.map(|shown| shown.acceptor.clone());
        Self::start_with("127.0.0.1:0", vec![script], acceptor).await
    }

    pub(crate) async fn start_with(
        at: &str,
        scripts: Vec<Script>,
        tls: Option<TlsAcceptor>,
    ) -> Peer {
        let listener = TcpListener::bind(at).await.expect("a free port");
        let at = listener.local_addr().expect("an address");
        let peer = Peer { at, heard: Arc::default(), tls };
        let own = peer.clone();
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let script = scripts[number.min(scripts.len() - 1)].clone();
                number += 1;
                own.heard.lock().expect("a lock").push(format!("connection {number}"));
                tokio::spawn(own.clone().follow(stream, script));
            }
        });
        peer
    }

    /// All lines heard on all connections.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("a lock").clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.heard().iter().filter(|line| line.starts_with("connection")).count()
    }

    async fn follow(self, stream: TcpStream, script: Script) {
        let mut stream: Box<dyn Duplex> = Box::new(stream);
        let mut script = script.into_iter();
        let Some((_, greeting)) = script.next() else { return };
        let Some(next) = self.say(stream, greeting).await else { return };
        stream = next;
        let mut unread = Vec::new();
        for (begins, says) in script {
            loop {
                let Some(line) = line(&mut stream, &mut unread).await else { return };
                self.heard.lock().expect("a lock").push(line.clone());
                if line.starts_with(begins) {
                    break;
                }
            }
            let Some(next) = self.say(stream, says).await else { return };
            stream = next;
        }
        // Whoever is not through yet says goodbye.
        while line(&mut stream, &mut unread).await.is_some() {}
    }

    /// `None`: the connection is over.
    async fn say(&self, mut stream: Box<dyn Duplex>, says: &str) -> Option<Box<dyn Duplex>> {
        match says {
            "close" => return None,
            "hang" => std::future::pending().await,
            "flood" => {
                let _ = stream.write_all(&vec![b'2'; 10 << 20]).await;
            }
            "babble" => {
                let _ = stream.write_all(&b"250-more of it\r\n".repeat(655_360)).await;
            }
            _ => {}
        }
        if let Some(words) = says.strip_prefix("deaf") {
            let _ = stream.write_all(words.as_bytes()).await;
            std::future::pending::<()>().await;
        }
        if let Some(words) = says.strip_prefix("tls") {
            let _ = stream.write_all(words.as_bytes()).await;
            let stream = self.tls.as_ref()?.accept(stream).await.ok()?;
            return Some(Box::new(stream));
        }
        if !matches!(says, "flood" | "babble") {
            let _ = stream.write_all(says.as_bytes()).await;
        }
        Some(stream)
    }
}

async fn line(stream: &mut Box<dyn Duplex>, unread: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = unread.iter().position(|octet| *octet == b'\n') {
            let line: Vec<u8> = unread.drain(..=end).collect();
            return Some(String::from_utf8_lossy(&line).trim_end().to_string());
        }
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    }
}
