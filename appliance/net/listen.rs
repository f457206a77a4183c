//! Accept loops and the limits at the door.
//!
//! ```text
//! accept -> Gate::enter -> refused: one line that says why, closed
//!                       -> Permit, held by the connection's task -> drive
//! ```

use super::drive::{Drive, End, Terms};
use super::stream::Stream;
use super::{Service, network, stopped};
use crate::event::counts::Open;
use crate::event::{Event, emit};
use crate::limits;
use crate::session::Peer;
use nix::sys::socket::{setsockopt, sockopt};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A bound socket that does not accept yet.
pub(crate) struct Door {
    pub unit: &'static str,
    listener: TcpListener,
    /// TLS from the first octet (993, 995).
    pub implicit_tls: bool,
    /// Connections of one network to this unit, if it has a limit of its own.
    pub per_address: usize,
}

impl Door {
    /// Binds; must be called inside the runtime.
    pub(crate) fn bind(
        unit: &'static str,
        at: SocketAddr,
        implicit_tls: bool,
        per_address: usize,
    ) -> io::Result<Door> {
        let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        if at.is_ipv6() {
            // So that 0.0.0.0 and [::] can both be listened on.
            setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
        }
        socket.bind(at)?;
        let listener = socket.listen(limits::ACCEPT_BACKLOG)?;
        Ok(Door { unit, listener, implicit_tls, per_address })
    }

    /// Where it listens: the port is known even if 0 was asked for.
    pub(crate) fn at(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts and serves until the server stops, then waits for the connections to end. Fails only
    /// when the socket itself does.
    pub(crate) async fn serve<P: Service>(
        &self,
        service: &Arc<P>,
        gate: &Gate,
        terms: &Terms,
    ) -> io::Result<()> {
        let refusal = (!self.implicit_tls).then(|| service.refusal());
        let each = |socket: TcpStream, remote: SocketAddr| {
            let connection = Connection {
                unit: self.unit,
                remote,
                implicit_tls: self.implicit_tls,
                service: service.clone(),
                terms: terms.clone(),
            };
            connection.run(socket)
        };
        self.accept_each(gate, &mut terms.stop.clone(), refusal, each).await
    }

    /// Accepts until the server stops, and runs what `serve` makes of each connection that the gate
    /// lets in; the others hear `refusal`.
    pub(super) async fn accept_each<F, R>(
        &self,
        gate: &Gate,
        stop: &mut watch::Receiver<bool>,
        refusal: Option<&'static str>,
        serve: F,
    ) -> io::Result<()>
    where
        F: Fn(TcpStream, SocketAddr) -> R,
        R: Future<Output = ()> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        let mut back_off = Backoff::default();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, remote)) => {
                        back_off = Backoff::default();
                        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
                        if let Some(permit) = self.admit(gate, &socket, remote, refusal) {
                            let serving = serve(socket, remote);
                            tasks.spawn(async move {
                                serving.await;
                                drop(permit);
                            });
                        }
                    }
                    Err(error) => back_off.after(self.unit, error).await?,
                },
                Some(ended) = tasks.join_next() => self.ended(ended),
                () = stopped(stop) => break,
            }
        }
        let finish = async { while tasks.join_next().await.is_some() {} };
        // Whoever is not done then is cut off: dropping the set ends its tasks.
        let _ = tokio::time::timeout(limits::SHUTDOWN_GRACE, finish).await;
        Ok(())
    }

    fn admit(
        &self,
        gate: &Gate,
        socket: &TcpStream,
        remote: SocketAddr,
        refusal: Option<&'static str>,
    ) -> Option<Permit> {
        match gate.enter(self.unit, remote.ip(), self.per_address) {
            Ok(permit) => Some(permit),
            Err(why) => {
                emit(Event::ConnectionRefused { unit: self.unit, remote, why });
                refusal.into_iter().for_each(|line| refuse(socket, line));
                None
            }
        }
    }

    /// A fault in one session ends that connection and no other.
    fn ended(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            let why = format!("a connection ended by an internal error: {error}");
            emit(Event::UnitFailed { unit: self.unit, why });
        }
    }
}

/// Nothing was read yet, so the line arrives before the end.
fn refuse(socket: &TcpStream, line: &str) {
    let _ = socket.try_write(line.as_bytes());
}

struct Connection<P: Service> {
    unit: &'static str,
    remote: SocketAddr,
    implicit_tls: bool,
    service: Arc<P>,
    terms: Terms,
}

impl<P: Service> Connection<P> {
    async fn run(self, socket: TcpStream) {
        let remote = self.remote;
        let unit = self.unit;
        match self.serve(socket).await {
            Ok(()) => (),
            Err(end) if end.is_ordinary() => (),
            Err(end) => emit(Event::ConnectionFailed { unit, remote, why: end.to_string() }),
        }
    }

    async fn serve(&self, socket: TcpStream) -> Result<(), End> {
        prepare(&socket).map_err(End::Gone)?;
        let local = socket.local_addr().map_err(End::Gone)?;
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        let mut peer = Peer { remote: self.remote, local, tls: None };
        let stream = if self.implicit_tls {
            let handshake = self.terms.pace.handshake;
            let accepted = self.terms.tls.accept(socket, handshake).await;
            let (stream, facts) = accepted.map_err(End::Handshake)?;
            peer.tls = Some(facts);
            Stream::Secure(Box::new(stream.into()))
        } else {
            Stream::Plain(socket)
        };
        let (session, handler) = self.service.connect(peer);
        Drive::new(session, &handler, self.terms.clone()).run(stream).await
    }
}

/// Small answers leave at once; a peer that vanished without a word is noticed.
fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    setsockopt(socket, sockopt::KeepAlive, &true)?;
    setsockopt(socket, sockopt::TcpKeepIdle, &limits::KEEPALIVE_IDLE_SECONDS)?;
    setsockopt(socket, sockopt::TcpKeepInterval, &limits::KEEPALIVE_INTERVAL_SECONDS)?;
    setsockopt(socket, sockopt::TcpKeepCount, &limits::KEEPALIVE_PROBES)?;
    Ok(())
}

/// Waits longer after each failure in a row.
#[derive(Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Out of descriptors or memory passes; a broken listener does not.
    pub(crate) async fn after(&mut self, unit: &'static str, error: io::Error) -> io::Result<()> {
        use nix::errno::Errno;
        let errno = error.raw_os_error().map(Errno::from_raw);
        match errno {
            Some(Errno::ECONNABORTED | Errno::EINTR | Errno::EPROTO | Errno::EPERM) => Ok(()),
            Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) => {
                if self.failures == 0 {
                    emit(Event::UnitFailed { unit, why: format!("cannot accept: {error}") });
                }
                let wait = limits::ACCEPT_WAIT.saturating_mul(1 << self.failures.min(16));
                self.failures += 1;
                tokio::time::sleep(wait.min(limits::ACCEPT_WAIT_AT_MOST)).await;
                Ok(())
            }
            _ => Err(error),
        }
    }
}

/// Counts the connections of the whole server. A clone is the same gate.
#[derive(Clone)]
pub(crate) struct Gate {
    counts: Arc<Mutex<Counts>>,
    total: usize,
    per_address: usize,
}

#[derive(Default)]
struct Counts {
    total: usize,
    by_network: HashMap<IpAddr, usize>,
    by_unit: HashMap<(&'static str, IpAddr), usize>,
}

impl Gate {
    pub(crate) fn new(total: usize, per_address: usize) -> Self {
        Self { counts: Arc::default(), total, per_address }
    }

    /// Lets a connection in and counts it until the permit is dropped, or says why not.
    pub(crate) fn enter(
        &self,
        unit: &'static str,
        remote: IpAddr,
        unit_limit: usize,
    ) -> Result<Permit, &'static str> {
        let network = network(remote);
        let Ok(mut counts) = self.counts.lock() else { return Err("internal error") };
        if counts.total >= self.total {
            return Err("too many connections");
        }
        if counts.by_network.get(&network).is_some_and(|count| *count >= self.per_address) {
            return Err("too many connections from this address");
        }
        if counts.by_unit.get(&(unit, network)).is_some_and(|count| *count >= unit_limit) {
            return Err("too many connections from this address to this service");
        }
        counts.total += 1;
        *counts.by_network.entry(network).or_default() += 1;
        *counts.by_unit.entry((unit, network)).or_default() += 1;
        drop(counts);
        Ok(Permit { gate: self.clone(), unit, network, _open: Open::new(unit) })
    }

    /// Connections now.
    #[cfg(test)]
    pub(crate) fn open(&self) -> usize {
        self.counts.lock().map(|counts| counts.total).unwrap_or_default()
    }
}

/// The right to be connected.
pub(crate) struct Permit {
    gate: Gate,
    unit: &'static str,
    network: IpAddr,
    _open: Open,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Ok(mut counts) = self.gate.counts.lock() else { return };
        counts.total = counts.total.saturating_sub(1);
        less(&mut counts.by_network, self.network);
        less(&mut counts.by_unit, (self.unit, self.network));
    }
}

fn less<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(&key);
        }
    }
}
