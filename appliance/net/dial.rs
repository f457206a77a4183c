//! Connections that we begin: TCP, TLS as the client, and what the other's certificate is worth.
//!
//! To a server that the DNS names, any certificate is good: without TLS the mail would go in clear.
//! What it was is told all the same. To a relay that gets our password it must be right.

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

    /// TLS with the host of this name. What was read before is forgotten. Returns words on it for
    /// the trace.
    pub(crate) async fn secure(
        self,
        trust: &Trust,
        host: &str,
        within: Duration,
    ) -> Result<(Call, String), TlsFault> {
        let Stream::Plain(socket) = self.stream else {
            return Err(TlsFault::Crypto("TLS inside TLS".to_string()));
        };
        let name = ServerName::try_from(host.to_string());
        let name = name.unwrap_or_else(|_| ServerName::from(self.remote.ip()));
        let judge = Arc::new(Judge { trust: trust.clone(), found: Mutex::new(None) });
        let connector = TlsConnector::from(Arc::new(config(judge.clone())?));
        let handshake = tokio::time::timeout(within, connector.connect(name, socket)).await;
        let stream = handshake.map_err(|_| TlsFault::Slow)?.map_err(TlsFault::Handshake)?;
        let words = words(&stream, &judge);
        let stream = Stream::Secure(Box::new(stream.into()));
        // RFC 3207 4.2: what came in clear before the handshake is forgotten
        Ok((Call { stream, input: Vec::new(), remote: self.remote }, words))
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

/// Whose certificates are good, and whether others are let pass.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    authorities: Arc<WebPkiServerVerifier>,
    must: bool,
}

impl Trust {
    /// Any certificate will do; the public authorities tell what it is worth.
    pub(crate) fn anyone() -> Result<Trust, TlsFault> {
        Ok(Trust { authorities: verifier(public())?, must: false })
    }

    /// It must be of a public authority, or of one in this PEM file.
    pub(crate) fn proven(more: Option<&Path>) -> Result<Trust, TlsFault> {
        let mut authorities = public();
        if let Some(path) = more {
            let broken = |why: String| TlsFault::File { path: path.to_path_buf(), why };
            let certificates = CertificateDer::pem_file_iter(path);
            for certificate in certificates.map_err(|error| broken(error.to_string()))? {
                let certificate = certificate.map_err(|error| broken(error.to_string()))?;
                authorities.add(certificate).map_err(|error| broken(error.to_string()))?;
            }
        }
        Ok(Trust { authorities: verifier(authorities)?, must: true })
    }
}

fn public() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
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
    found: Mutex<Option<String>>,
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
        let verified = self.trust.authorities.verify_server_cert(leaf, between, name, ocsp, now);
        match verified {
            Err(error) if !self.trust.must => {
                if let Ok(mut found) = self.found.lock() {
                    *found = Some(fault_in_words(&error));
                }
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if !self.trust.must {
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
        if !self.trust.must {
            return Ok(HandshakeSignatureValid::assertion());
        }
        self.trust.authorities.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.authorities.supported_verify_schemes()
    }
}

fn fault_in_words(error: &rustls::Error) -> String {
    use CertificateError as Fault;
    let rustls::Error::InvalidCertificate(fault) = error else { return error.to_string() };
    match fault {
        Fault::Expired | Fault::ExpiredContext { .. } => "it has expired".to_string(),
        Fault::NotValidForName | Fault::NotValidForNameContext { .. } => {
            "it is for another name".to_string()
        }
        Fault::UnknownIssuer => "its issuer is not known".to_string(),
        fault => format!("{fault}"),
    }
}

fn words(stream: &TlsStream<TcpStream>, judge: &Judge) -> String {
    let (_, connection) = stream.get_ref();
    let modern = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    let version = if modern { "TLSv1.3" } else { "TLSv1.2" };
    let found = judge.found.lock().ok().and_then(|found| found.clone());
    match found {
        None => format!("encrypted with {version}, certificate good"),
        Some(why) => format!("encrypted with {version}, certificate not proven: {why}"),
    }
}
