//! Connections that we begin: TCP, TLS as the client, and what the other's certificate is worth.
//!
//! To a server that the DNS names, any certificate is good: without TLS the mail would go in clear.
//! What it was is told all the same. Where its domain says more (DANE, MTA-STS), and to a relay
//! that gets our password, it must be right.

use super::dane::{self, Tlsa};
use super::stream::Stream;
use super::tls::{TlsFault, crypto};
use crate::limits;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, ProtocolVersion, RootCertStore,
    SignatureScheme,
};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection that we began.
pub(crate) struct Call {
    stream: Stream,
    /// Read and not taken.
    pub input: Vec<u8>,
    pub remote: SocketAddr,
}

/// What came of waiting for octets.
#[derive(Debug)]
pub(crate) enum News {
    /// [`Call::input`] has more.
    Bytes,
    /// The other side closed, or the connection broke: in words.
    Ended(String),
    TimedOut,
}

/// Connects; fails when it takes longer than `within`.
pub(crate) async fn dial(to: SocketAddr, within: Duration) -> io::Result<Call> {
    let socket = if to.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    let connecting = tokio::time::timeout(within, socket.connect(to)).await;
    let slow = |_| io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time");
    let stream = connecting.map_err(slow)??;
    stream.set_nodelay(true)?;
    Ok(Call { stream: Stream::Plain(stream), input: Vec::new(), remote: to })
}

/// Where a wait begins.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The address that connections to `to` come from; `None` when there is no way there.
pub(crate) fn source(to: SocketAddr) -> Option<IpAddr> {
    let any = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let socket = std::net::UdpSocket::bind(any).ok()?;
    // Nothing is sent: the system only chooses the way.
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

impl Call {
    /// Writes and empties `out`; fails when the other takes nothing for longer than `stall`.
    pub(crate) async fn write(&mut self, out: &mut Vec<u8>, stall: Duration) -> io::Result<()> {
        let octets = std::mem::take(out);
        let mut rest = octets.as_slice();
        let mut flushed = rest.is_empty();
        while !flushed {
            let stream = &mut self.stream;
            let progress = poll_fn(|cx| match rest.is_empty() {
                true => Pin::new(&mut *stream).poll_flush(cx).map_ok(|()| 0),
                false => Pin::new(&mut *stream).poll_write(cx, rest),
            });
            let slow = |_| io::Error::new(io::ErrorKind::TimedOut, "it takes nothing more");
            let written = tokio::time::timeout(stall, progress).await.map_err(slow)??;
            flushed = rest.is_empty();
            rest = rest.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Waits for octets until then.
    pub(crate) async fn read(&mut self, until: Instant) -> News {
        let read = poll_fn(|cx| self.poll_read(cx));
        match tokio::time::timeout_at(until, read).await {
            Ok(news) => news,
            Err(_) => News::TimedOut,
        }
    }

    /// Octets, or an end, that are there already.
    pub(crate) async fn pending(&mut self) -> Option<News> {
        poll_fn(|cx| match self.poll_read(cx) {
            Poll::Ready(news) => Poll::Ready(Some(news)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// TLS with the host of this name. What was read before is forgotten.
    pub(crate) async fn secure(
        self,
        trust: &Trust,
        host: &str,
        within: Duration,
    ) -> Result<(Call, Seen), Unproven> {
        let Stream::Plain(socket) = self.stream else {
            return Err(TlsFault::Crypto("TLS inside TLS".to_string()).into());
        };
        let name = ServerName::try_from(host.to_string());
        let name = name.unwrap_or_else(|_| ServerName::from(self.remote.ip()));
        let judge = Arc::new(Judge { trust: trust.clone(), found: Mutex::new(None) });
        let connector = TlsConnector::from(Arc::new(config(judge.clone())?));
        let handshake = tokio::time::timeout(within, connector.connect(name, socket)).await;
        let found = || judge.found.lock().ok().and_then(|found| found.clone());
        let stream = handshake.map_err(|_| TlsFault::Slow)?.map_err(|error| match found() {
            Some(fault) => Unproven { why: fault.to_string(), certificate: Some(fault) },
            None => TlsFault::Handshake(error).into(),
        })?;
        let seen = Seen { version: version(&stream), fault: found() };
        let stream = Stream::Secure(Box::new(stream.into()));
        // RFC 3207 4.2: what came in clear before the handshake is forgotten
        Ok((Call { stream, input: Vec::new(), remote: self.remote }, seen))
    }

    /// For who speaks over it in another way; what was read and not taken is lost.
    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    /// Says goodbye to TLS and TCP, without waiting long for it.
    pub(crate) async fn close(mut self) {
        let bye = poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx));
        let _ = tokio::time::timeout(limits::LINGER, bye).await;
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<News> {
        let mut piece = [0; 4096];
        let mut piece = ReadBuf::new(&mut piece);
        match Pin::new(&mut self.stream).poll_read(cx, &mut piece) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) if piece.filled().is_empty() => {
                Poll::Ready(News::Ended("it closed the connection".to_string()))
            }
            Poll::Ready(Ok(())) => {
                self.input.extend_from_slice(piece.filled());
                Poll::Ready(News::Bytes)
            }
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Poll::Ready(News::Ended("it closed the connection".to_string()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(News::Ended(error.to_string())),
        }
    }
}

// ---- certificates ----

/// What TLS came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub version: &'static str,
    /// What is wrong with the certificate, where any will do.
    pub fault: Option<CertificateFault>,
}

/// Why there is no TLS.
#[derive(Debug)]
pub(crate) struct Unproven {
    pub why: String,
    /// It was the certificate.
    pub certificate: Option<CertificateFault>,
}

impl From<TlsFault> for Unproven {
    fn from(fault: TlsFault) -> Self {
        Self { why: fault.to_string(), certificate: None }
    }
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CertificateFault {
    Expired,
    OtherName,
    UnknownIssuer,
    /// No TLSA record fits it.
    NotInDns,
    Other(String),
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the certificate has expired",
            Self::OtherName => "the certificate is for another name",
            Self::UnknownIssuer => "the issuer of the certificate is not known",
            Self::NotInDns => "the certificate fits no TLSA record",
            Self::Other(why) => why,
        })
    }
}

/// Whose certificates are good, and whether others are let pass.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    authorities: Arc<WebPkiServerVerifier>,
    demand: Demand,
}

#[derive(Debug, Clone)]
enum Demand {
    /// Any certificate will do; the authorities tell what it is worth.
    Nothing,
    Authority,
    Dane {
        records: Arc<[Tlsa]>,
        names: Arc<[String]>,
    },
}

impl Trust {
    /// Any certificate will do; the public authorities tell what it is worth, and those in this PEM
    /// file.
    pub(crate) fn anyone(more: Option<&Path>) -> Result<Trust, TlsFault> {
        Ok(Trust { authorities: verifier(authorities(more)?)?, demand: Demand::Nothing })
    }

    /// It must be of a public authority, or of one in this PEM file.
    pub(crate) fn proven(more: Option<&Path>) -> Result<Trust, TlsFault> {
        Ok(Trust { authorities: verifier(authorities(more)?)?, demand: Demand::Authority })
    }

    /// The same authorities, and now it must be of one.
    pub(crate) fn strictly(&self) -> Trust {
        Trust { authorities: self.authorities.clone(), demand: Demand::Authority }
    }

    /// One of these records must fit it.
    pub(crate) fn dane(&self, records: Arc<[Tlsa]>, names: Arc<[String]>) -> Trust {
        Trust { authorities: self.authorities.clone(), demand: Demand::Dane { records, names } }
    }
}

fn authorities(more: Option<&Path>) -> Result<RootCertStore, TlsFault> {
    let mut authorities = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let Some(path) = more else { return Ok(authorities) };
    let broken = |why: String| TlsFault::File { path: path.to_path_buf(), why };
    let certificates = CertificateDer::pem_file_iter(path);
    for certificate in certificates.map_err(|error| broken(error.to_string()))? {
        let certificate = certificate.map_err(|error| broken(error.to_string()))?;
        authorities.add(certificate).map_err(|error| broken(error.to_string()))?;
    }
    Ok(authorities)
}

fn verifier(authorities: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, TlsFault> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), provider)
        .build()
        .map_err(crypto)
}

fn config(judge: Arc<Judge>) -> Result<ClientConfig, TlsFault> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = &[&rustls::version::TLS13, &rustls::version::TLS12];
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(versions).map_err(crypto)?;
    let verified = builder.dangerous().with_custom_certificate_verifier(judge);
    let mut config = verified.with_no_client_auth();
    // A resumed session would show no certificate to tell of.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Looks at one certificate.
#[derive(Debug)]
struct Judge {
    trust: Trust,
    /// What is wrong with it.
    found: Mutex<Option<CertificateFault>>,
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Trust { authorities, demand } = &self.trust;
        let verified = match demand {
            Demand::Dane { records, names } => dane::check(records, names, leaf, between, now),
            _ => authorities.verify_server_cert(leaf, between, name, ocsp, now).map(|_| ()),
        };
        if let (Err(error), Ok(mut found)) = (&verified, self.found.lock()) {
            *found = Some(fault(error));
        }
        match verified {
            Err(error) if !matches!(demand, Demand::Nothing) => Err(error),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if matches!(self.trust.demand, Demand::Nothing) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        self.trust.authorities.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if matches!(self.trust.demand, Demand::Nothing) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        self.trust.authorities.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.authorities.supported_verify_schemes()
    }
}

fn fault(error: &rustls::Error) -> CertificateFault {
    use CertificateError as Fault;
    let rustls::Error::InvalidCertificate(fault) = error else {
        return CertificateFault::Other(error.to_string());
    };
    match fault {
        Fault::Expired | Fault::ExpiredContext { .. } => CertificateFault::Expired,
        Fault::NotValidForName | Fault::NotValidForNameContext { .. } => {
            CertificateFault::OtherName
        }
        Fault::UnknownIssuer => CertificateFault::UnknownIssuer,
        Fault::ApplicationVerificationFailure => CertificateFault::NotInDns,
        fault => CertificateFault::Other(format!("the certificate is not good: {fault}")),
    }
}

fn version(stream: &TlsStream<TcpStream>) -> &'static str {
    let (_, connection) = stream.get_ref();
    let modern = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    if modern { "TLSv1.3" } else { "TLSv1.2" }
}
