//! Web connections, handed to the pages. TLS ends here, and with it whatever is slow, too large or
//! not HTTP; what goes on is one request at a time, printed anew from its parsed parts.
//!
//! ```text
//! accept -> Gate -> (TLS) -> head, parsed -> a loopback connection of its own to the pages, whose
//!                            source is registered with the real peer -> body -> reply -> next head
//! ```
//!
//! A request that came another way to the loopback port is in no register, and is refused there.

mod head;

use super::listen::{Door, Gate};
use super::stopped;
use super::stream::Stream;
use super::tls::Tls;
use crate::event::{Event, emit};
use crate::limits;
use crate::session::Peer;
use head::{Head, ReplyHead, Unfit};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// Who stands behind each loopback connection that was handed on.
#[derive(Clone, Default)]
pub(crate) struct Register {
    peers: Arc<Mutex<HashMap<SocketAddr, Peer>>>,
}

impl Register {
    /// The real peer of the connection that comes from `source`.
    pub(crate) fn find(&self, source: SocketAddr) -> Option<Peer> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).get(&source).cloned()
    }

    pub(crate) fn enter(&self, source: SocketAddr, peer: Peer) -> Entry {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).insert(source, peer);
        Entry { register: self.clone(), source }
    }
}

/// A line in the register; it goes with this.
pub(crate) struct Entry {
    register: Register,
    source: SocketAddr,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let peers = &self.register.peers;
        peers.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.source);
    }
}

/// How long things may take; a test makes them shorter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WebPace {
    pub handshake: Duration,
    pub idle: Duration,
    pub head: Duration,
    pub stall: Duration,
    pub body: Duration,
    pub reply: Duration,
}

impl Default for WebPace {
    fn default() -> Self {
        Self {
            handshake: limits::TLS_HANDSHAKE,
            idle: limits::WEB_IDLE,
            head: limits::WEB_HEAD,
            stall: limits::WEB_STALL,
            body: limits::WEB_BODY,
            reply: limits::WEB_REPLY,
        }
    }
}

/// A request whose body is still to come.
pub(crate) struct Wish<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// Its Cookie header; empty: none.
    pub cookie: &'a str,
    /// The same of its Authorization header.
    pub authorization: &'a str,
}

/// How large a body may be, and what is said of a larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub octets: u64,
    pub words: &'static str,
}

pub(crate) type Allowance = Arc<dyn Fn(&Wish<'_>) -> Allowed + Send + Sync>;

/// What hands connections on.
#[derive(Clone)]
pub(crate) struct Splice {
    /// Where the pages listen.
    pub pages: SocketAddr,
    pub register: Register,
    pub allowance: Allowance,
    pub pace: WebPace,
    pub tls: Arc<Tls>,
}

impl Splice {
    /// Serves a door until the server stops. Fails only when the socket itself does.
    pub(crate) async fn serve(
        &self,
        door: &Door,
        gate: &Gate,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let (splice, implicit_tls, unit) = (self.clone(), door.implicit_tls, door.unit);
        let stopping = stop.clone();
        let each = move |socket: TcpStream, remote: SocketAddr| {
            let (splice, mut stopping) = (splice.clone(), stopping.clone());
            async move {
                tokio::select! {
                    ended = splice.connection(socket, remote, implicit_tls) => {
                        if let Err(why) = ended {
                            emit(Event::ConnectionFailed { unit, remote, why });
                        }
                    }
                    () = stopped(&mut stopping) => (),
                }
            }
        };
        door.accept_each(gate, &mut stop, None, each).await
    }

    async fn connection(
        &self,
        socket: TcpStream,
        remote: SocketAddr,
        implicit_tls: bool,
    ) -> Result<(), String> {
        // The end of a page waits for no acknowledgement of its begin.
        let settled = socket.set_nodelay(true).and_then(|()| socket.local_addr());
        let Ok(local) = settled else { return Ok(()) };
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        let mut peer = Peer { remote, local, tls: None };
        let stream = match implicit_tls {
            false => Stream::Plain(socket),
            true => match self.tls.accept(socket, self.pace.handshake).await {
                Ok((stream, facts)) => {
                    peer.tls = Some(facts);
                    Stream::Secure(Box::new(stream.into()))
                }
                // A browser that does not know our authority hangs up here: daily life.
                Err(_) => return Ok(()),
            },
        };
        let mut visitor = Visitor { splice: self, peer, stream, unread: Vec::new() };
        visitor.requests().await;
        let _ = timeout(limits::LINGER, visitor.stream.shutdown()).await;
        Ok(())
    }
}

/// A browser on its connection.
struct Visitor<'a> {
    splice: &'a Splice,
    peer: Peer,
    stream: Stream,
    /// What came and is not used yet.
    unread: Vec<u8>,
}

/// Why a connection ends.
enum End {
    Gone,
    /// It is told so before.
    Refused(Unfit),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl From<tokio::time::error::Elapsed> for End {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Gone
    }
}

impl Visitor<'_> {
    async fn requests(&mut self) {
        loop {
            match self.request().await {
                Ok(true) => (),
                Ok(false) | Err(End::Gone) => return,
                Err(End::Refused(unfit)) => {
                    let _ = timeout(self.splice.pace.stall, self.refuse(&unfit)).await;
                    return;
                }
            }
        }
    }

    /// One request and its reply; false when none may follow.
    async fn request(&mut self) -> Result<bool, End> {
        let pace = self.splice.pace;
        if self.unread.is_empty() {
            timeout(pace.idle, self.more()).await??;
        }
        let head = match timeout(pace.head, self.head()).await {
            Ok(head) => head?,
            Err(_) => return Err(End::Refused(Unfit::SLOW)),
        };
        let cookie = head.header("cookie").unwrap_or_default();
        let authorization = head.header("authorization").unwrap_or_default();
        let wish = Wish { method: &head.method, path: head.path(), cookie, authorization };
        let allowed = (self.splice.allowance)(&wish);
        if head.length > allowed.octets {
            return Err(End::Refused(Unfit::large(allowed.words)));
        }
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let source = socket.local_addr()?;
        let _entry = self.splice.register.enter(source, self.peer.clone());
        let mut inward = socket.connect(self.splice.pages).await?;
        inward.set_nodelay(true)?;
        timeout(pace.stall, inward.write_all(&head.print())).await??;
        if head.expects {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let pace_of_body = Duration::from_secs(head.length / limits::WEB_OCTETS_PER_SECOND);
        let within = pace.body.saturating_add(pace_of_body);
        match timeout(within, self.body(&mut inward, head.length)).await {
            Ok(sent) => sent?,
            Err(_) => return Err(End::Refused(Unfit::SLOW)),
        }
        self.reply(&mut inward, &head).await
    }

    /// Reads until a head is whole.
    async fn head(&mut self) -> Result<Head, End> {
        loop {
            match Head::parse(&self.unread) {
                Ok(Some((head, octets))) => {
                    self.unread.drain(..octets);
                    return Ok(head);
                }
                Ok(None) if self.unread.len() >= limits::WEB_HEAD_BYTES => {
                    return Err(End::Refused(Unfit::LONG));
                }
                Ok(None) => self.more().await?,
                Err(unfit) => return Err(End::Refused(unfit)),
            }
        }
    }

    /// Reads something more.
    async fn more(&mut self) -> Result<(), End> {
        let mut piece = [0; 4096];
        let room = limits::WEB_HEAD_BYTES.saturating_sub(self.unread.len()).clamp(1, piece.len());
        let piece = piece.get_mut(..room).unwrap_or_default();
        match self.stream.read(piece).await? {
            0 => Err(End::Gone),
            count => {
                self.unread.extend(piece.iter().take(count));
                Ok(())
            }
        }
    }

    /// Hands so many octets on.
    async fn body(&mut self, inward: &mut TcpStream, length: u64) -> Result<(), End> {
        let stall = self.splice.pace.stall;
        let mut left = length;
        let at_hand = self.unread.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let first: Vec<u8> = self.unread.drain(..at_hand).collect();
        left -= first.len() as u64;
        timeout(stall, inward.write_all(&first)).await??;
        let mut piece = vec![0; limits::READ_CHUNK_BYTES];
        while left > 0 {
            let most = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let room = piece.get_mut(..most).unwrap_or_default();
            let count = match timeout(stall, self.stream.read(room)).await {
                Ok(count) => count?,
                Err(_) => return Err(End::Refused(Unfit::SLOW)),
            };
            if count == 0 {
                return Err(End::Gone);
            }
            timeout(stall, inward.write_all(room.get(..count).unwrap_or_default())).await??;
            left -= count as u64;
        }
        Ok(())
    }

    /// Hands the reply on; false when the connection ends with it.
    async fn reply(&mut self, inward: &mut TcpStream, head: &Head) -> Result<bool, End> {
        let pace = self.splice.pace;
        let whole = timeout(pace.reply, reply_head(inward)).await;
        let Ok(Ok((reply, rest))) = whole else { return Err(End::Refused(Unfit::FAILED)) };
        let goes_on = head.goes_on;
        self.write(&reply.print(goes_on)).await?;
        let mut left = if head.method == "HEAD" { 0 } else { reply.length };
        let mut piece = rest;
        loop {
            let fits = usize::try_from(left).unwrap_or(usize::MAX);
            piece.truncate(fits);
            self.write(&piece).await?;
            left -= piece.len() as u64;
            if left == 0 {
                return Ok(goes_on);
            }
            piece.resize(limits::READ_CHUNK_BYTES, 0);
            let count = timeout(pace.reply, inward.read(&mut piece)).await??;
            if count == 0 {
                return Err(End::Gone);
            }
            piece.truncate(count);
        }
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), End> {
        let write = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        timeout(self.splice.pace.stall, write).await??;
        Ok(())
    }

    async fn refuse(&mut self, unfit: &Unfit) -> Result<(), End> {
        self.write(&unfit.print()).await?;
        // What is still on its way must not cut our words off.
        let mut rest = [0; 4096];
        let read_on = async { while matches!(self.stream.read(&mut rest).await, Ok(1..)) {} };
        let _ = timeout(limits::LINGER, read_on).await;
        Ok(())
    }
}

/// The head of the pages' reply, and what was read behind it.
async fn reply_head(inward: &mut TcpStream) -> io::Result<(ReplyHead, Vec<u8>)> {
    let mut octets = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some((reply, used)) = ReplyHead::parse(&octets)? {
            octets.drain(..used);
            return Ok((reply, octets));
        }
        if octets.len() > limits::WEB_REPLY_HEAD_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        match inward.read(&mut piece).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => octets.extend(piece.iter().take(count)),
        }
    }
}
