//! A provider's POP3 server of the test's own: a maildrop behind TLS, and what can go wrong there.

use crate::tests::remote::certificates::Authority;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

#[derive(Debug, Clone, Default)]
pub(crate) struct Letter {
    pub unique_id: String,
    pub text: String,
    /// What LIST says instead of the truth.
    pub said: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Inside {
    pub letters: Vec<Letter>,
    pub password: String,
    /// The connection breaks before so many octets are said in all.
    pub cut_after: Option<usize>,
    /// UIDL is not known.
    pub nameless: bool,
    /// PASS is answered so instead.
    pub refuses: Option<String>,
    /// All lines heard.
    pub heard: Vec<String>,
    pub said: usize,
}

#[derive(Clone)]
pub(crate) struct Maildrop {
    pub at: SocketAddr,
    pub inside: Arc<Mutex<Inside>>,
    pub authority: Arc<Authority>,
}

impl Maildrop {
    /// At localhost; `stls`: it begins in clear.
    pub(crate) async fn start(stls: bool) -> Self {
        Self::named("localhost", stls).await
    }

    /// With a certificate of this name.
    pub(crate) async fn named(name: &str, stls: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let authority = Arc::new(Authority::new());
        let acceptor = authority.show(name).acceptor;
        let inside = Inside { password: "open sesame".to_string(), ..Inside::default() };
        let drop = Self { at, inside: Arc::new(Mutex::new(inside)), authority };
        let own = drop.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (own, acceptor) = (own.clone(), acceptor.clone());
                tokio::spawn(async move { own.serve(stream, acceptor, stls).await });
            }
        });
        drop
    }

    pub(crate) fn with<T>(&self, with: impl FnOnce(&mut Inside) -> T) -> T {
        with(&mut self.inside.lock().expect("a lock"))
    }

    pub(crate) fn put(&self, unique_id: &str, text: &str) {
        let (unique_id, text) = (unique_id.to_string(), text.replace('\n', "\r\n"));
        self.with(|inside| inside.letters.push(Letter { unique_id, text, said: None }));
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.with(|inside| inside.letters.iter().map(|it| it.unique_id.clone()).collect())
    }

    async fn serve(
        &self,
        mut stream: tokio::net::TcpStream,
        acceptor: TlsAcceptor,
        stls: bool,
    ) -> Option<()> {
        if stls {
            let mut plain = BufReader::new(&mut stream);
            plain.write_all(b"+OK ready\r\n").await.ok()?;
            loop {
                let mut line = String::new();
                if plain.read_line(&mut line).await.ok()? == 0 {
                    return None;
                }
                self.with(|inside| inside.heard.push(format!("clear {}", line.trim_end())));
                match line.trim_end() {
                    "CAPA" => plain.write_all(b"+OK\r\nSTLS\r\n.\r\n").await.ok()?,
                    "STLS" => {
                        // What is said behind it must be forgotten.
                        plain.write_all(b"+OK go\r\n+OK planted\r\n").await.ok()?;
                        break;
                    }
                    _ => plain.write_all(b"-ERR TLS first\r\n").await.ok()?,
                }
            }
        }
        let secure = acceptor.accept(stream).await.ok()?;
        let mut lines = BufReader::new(secure);
        let mut doomed = Vec::new();
        if !stls {
            self.say(&mut lines, b"+OK ready\r\n").await?;
        }
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_string();
            self.with(|inside| inside.heard.push(line.clone()));
            let (answer, over) = self.answer(&line, &mut doomed);
            self.say(&mut lines, &answer).await?;
            if over {
                let _ = lines.shutdown().await;
                return None;
            }
        }
    }

    async fn say(&self, to: &mut (impl AsyncWriteExt + Unpin), octets: &[u8]) -> Option<()> {
        let left = self.with(|inside| {
            let left = inside.cut_after.map(|cut| cut.saturating_sub(inside.said));
            inside.said += octets.len();
            left
        });
        let cut = left.filter(|left| *left < octets.len());
        to.write_all(&octets[..cut.unwrap_or(octets.len())]).await.ok()?;
        to.flush().await.ok()?;
        cut.is_none().then_some(())
    }

    /// What is said, and whether it is the last.
    fn answer(&self, line: &str, doomed: &mut Vec<usize>) -> (Vec<u8>, bool) {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = || rest.split(' ').next().and_then(|it| it.parse::<usize>().ok()).unwrap_or(0);
        let ok = |text: &str| (format!("+OK {text}\r\n").into_bytes(), false);
        self.with(|inside| match command {
            "CAPA" => (b"+OK\r\nUIDL\r\nTOP\r\n.\r\n".to_vec(), false),
            "USER" => ok("go on"),
            "PASS" => match &inside.refuses {
                Some(refusal) => (format!("-ERR {refusal}\r\n").into_bytes(), false),
                None if rest == inside.password => ok("welcome"),
                None => (b"-ERR [AUTH] no\r\n".to_vec(), false),
            },
            "UIDL" if inside.nameless => (b"-ERR what?\r\n".to_vec(), false),
            "UIDL" | "LIST" => {
                let one = |(at, it): (usize, &Letter)| match command {
                    "UIDL" => format!("{} {}\r\n", at + 1, it.unique_id),
                    _ => format!("{} {}\r\n", at + 1, it.said.unwrap_or(it.text.len() as u64)),
                };
                let all: String = inside.letters.iter().enumerate().map(one).collect();
                (format!("+OK\r\n{all}.\r\n").into_bytes(), false)
            }
            "RETR" | "TOP" => {
                let text = &inside.letters[number() - 1].text;
                let head = text.split_inclusive("\r\n\r\n").next().unwrap_or_default();
                let text = if command == "TOP" { head } else { text.as_str() };
                let text = text.replace("\r\n.", "\r\n..");
                let end = if text.ends_with("\r\n") { ".\r\n" } else { "\r\n.\r\n" };
                (format!("+OK\r\n{text}{end}").into_bytes(), false)
            }
            "DELE" => {
                doomed.push(number() - 1);
                ok("")
            }
            "QUIT" => {
                doomed.sort_unstable();
                for at in doomed.drain(..).rev() {
                    inside.letters.remove(at);
                }
                (b"+OK bye\r\n".to_vec(), true)
            }
            _ => (b"-ERR what?\r\n".to_vec(), false),
        })
    }
}
