//! TLS as a server: rustls with ring, TLS 1.2 and 1.3, and a certificate that is replaced while the
//! server runs. A connection keeps the certificate that it began with.
//!
//! ```text
//! DATA/tls/ca.pem host.pem   what clients see     all 0600: the folder is the server's alone
//! DATA/tls/ca.key host.key   what nobody sees
//! ```

use super::acme::challenge::{ALPN, Challenges};
use super::acme::plan::InUse;
use super::authority::{self, Names};
use crate::event::{Event, emit};
use crate::session::TlsFacts;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ProtocolVersion, ServerConfig};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What can go wrong with certificates and handshakes.
#[derive(Debug)]
pub(crate) enum TlsFault {
    /// A file of DATA/tls that can't be used: which, and why.
    File {
        path: PathBuf,
        why: String,
    },
    /// rustls or rcgen, in their own words.
    Crypto(String),
    Handshake(io::Error),
    Slow,
    /// It was an authority that looked at a proof.
    Looked,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Crypto(why) => f.write_str(why),
            Self::Handshake(error) => write!(f, "{error}"),
            Self::Slow => f.write_str("not finished in time"),
            Self::Looked => f.write_str("an authority looked at the proof of a name"),
        }
    }
}

impl std::error::Error for TlsFault {}

/// The server's side of TLS, shared by all connections.
pub(crate) struct Tls {
    folder: PathBuf,
    names: RwLock<Names>,
    tickets: Arc<dyn rustls::server::ProducesTickets>,
    current: RwLock<Arc<Current>>,
    /// How the files looked when they were last read, whether they were good or not.
    seen: Mutex<Vec<Stamp>>,
    /// Why our certificate could not be renewed, as it was last told.
    told: Mutex<Option<String>>,
    challenges: Challenges,
    /// Somebody renews it, and tells when that fails.
    kept: AtomicBool,
}

/// One certificate in use.
struct Current {
    config: Arc<ServerConfig>,
    in_use: InUse,
    leaf: Vec<u8>,
    /// RFC 5929 4.
    endpoint: Vec<u8>,
}

/// Length, time of change and inode: a file replaced in the same second is seen by its inode.
type Stamp = Option<(u64, i64, i64, u64)>;

impl Tls {
    /// Reads the certificate in `folder`; makes what is missing: the authority, the key, the
    /// certificate for `names`.
    pub(crate) fn open(folder: &Path, names: Names, now: i64) -> Result<Arc<Tls>, TlsFault> {
        authority::make_missing(folder, &names, now)?;
        let tickets = rustls::crypto::ring::Ticketer::new().map_err(crypto)?;
        let seen = Mutex::new(stamps(folder));
        let current = RwLock::new(Arc::new(read(folder, &tickets)?));
        let names = RwLock::new(names);
        let (folder, told) = (folder.to_path_buf(), Mutex::default());
        let (challenges, kept) = Default::default();
        Ok(Arc::new(Tls { folder, names, tickets, current, seen, told, challenges, kept }))
    }

    /// The server is called otherwise from now on: our own certificate is made anew for it.
    pub(crate) fn rename(&self, names: Names, now: i64) {
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = names;
        self.refresh(now);
    }

    /// Our own certificate takes the place of one that an authority gave and nobody renews.
    pub(crate) fn own_again(&self, now: i64) -> Result<(), TlsFault> {
        authority::make_own(&self.folder, &self.names(), now)?;
        self.refresh(now);
        Ok(())
    }

    fn names(&self) -> Names {
        self.names.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks whether the files were replaced, and renews our own certificate in time. A pair that
    /// can't be used is told once and left alone: the one in use stays.
    pub(crate) fn refresh(&self, now: i64) {
        let renewed = match self.current().in_use.own {
            true => authority::make_missing(&self.folder, &self.names(), now),
            false => Ok(()),
        };
        self.tell(renewed.err());
        let stamps = stamps(&self.folder);
        let Ok(mut seen) = self.seen.lock() else { return };
        if *seen == stamps {
            return;
        }
        *seen = stamps;
        match read(&self.folder, &self.tickets) {
            Ok(current) => {
                if let Ok(mut place) = self.current.write() {
                    *place = Arc::new(current);
                }
                emit(Event::CertificateReplaced { host: self.names().host });
            }
            Err(fault) => emit(Event::CertificateTrouble { why: fault.to_string() }),
        }
    }

    /// The same trouble is told once, however often it is met.
    fn tell(&self, fault: Option<TlsFault>) {
        let why = fault.map(|fault| fault.to_string());
        let Ok(mut told) = self.told.lock() else { return };
        if let Some(why) = why.clone().filter(|_| why != *told) {
            emit(Event::CertificateTrouble { why });
        }
        *told = why;
    }

    /// Seconds since 1970 at which the certificate in use ends.
    pub(crate) fn ends(&self) -> i64 {
        self.current().in_use.not_after
    }

    /// The certificate in use: what it says, and its octets.
    pub(crate) fn in_use(&self) -> (InUse, Vec<u8>) {
        let current = self.current();
        (current.in_use.clone(), current.leaf.clone())
    }

    /// From now on somebody renews it and tells, or nobody does.
    pub(crate) fn is_kept(&self, kept: bool) {
        self.kept.store(kept, Ordering::Relaxed);
    }

    pub(crate) fn kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    /// What an authority is shown meanwhile.
    pub(crate) fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// Is the certificate in use made by the box's own authority?
    pub(crate) fn is_ours(&self) -> bool {
        self.current().in_use.own
    }

    /// The handshake as the server, at most `within`.
    pub(super) async fn accept(
        &self,
        socket: TcpStream,
        within: Duration,
    ) -> Result<(TlsStream<TcpStream>, TlsFacts), TlsFault> {
        let current = self.current();
        let handshake = async {
            let hello =
                LazyConfigAcceptor::new(rustls::server::Acceptor::default(), socket).await?;
            let proof = self.proof(&hello.client_hello());
            let config = proof.clone().unwrap_or_else(|| current.config.clone());
            hello.into_stream(config).await.map(|stream| (stream, proof.is_some()))
        };
        let handshake = tokio::time::timeout(within, handshake).await;
        let (stream, looked) =
            handshake.map_err(|_| TlsFault::Slow)?.map_err(TlsFault::Handshake)?;
        if looked {
            return Err(TlsFault::Looked);
        }
        let facts = facts(&stream, &current.endpoint);
        Ok((stream, facts))
    }

    /// RFC 8737 3: who offers this protocol and no other asks for the proof of a name.
    fn proof(&self, hello: &rustls::server::ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut offered = hello.alpn()?;
        if offered.next() != Some(ALPN) || offered.next().is_some() {
            return None;
        }
        self.challenges.certificate(hello.server_name()?)
    }

    fn current(&self) -> Arc<Current> {
        match self.current.read() {
            Ok(current) => current.clone(),
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }
}

/// When the certificate in the folder `DATA/tls` ends: seconds since 1970.
pub(crate) fn ends(folder: &Path) -> Result<i64, TlsFault> {
    let path = folder.join("host.pem");
    let broken = |why: String| TlsFault::File { path: path.clone(), why };
    let leaf = CertificateDer::from_pem_file(&path).map_err(|error| broken(error.to_string()))?;
    let parsed = X509Certificate::from_der(&leaf);
    let (_, parsed) = parsed.map_err(|error| broken(format!("not a certificate: {error}")))?;
    Ok(parsed.validity().not_after.timestamp())
}

/// SHA-256 of the public key of the certificate in the folder `DATA/tls`. RFC 6698 2.1.2
pub(crate) fn public_key_hash(folder: &Path) -> Result<[u8; 32], TlsFault> {
    let path = folder.join("host.pem");
    let broken = |why: String| TlsFault::File { path: path.clone(), why };
    let leaf = CertificateDer::from_pem_file(&path).map_err(|error| broken(error.to_string()))?;
    let parsed = X509Certificate::from_der(&leaf);
    let (_, parsed) = parsed.map_err(|error| broken(format!("not a certificate: {error}")))?;
    let digest = ring::digest::digest(&ring::digest::SHA256, parsed.public_key().raw);
    digest.as_ref().try_into().map_err(crypto)
}

/// The one place where a connection's facts are made.
fn facts(stream: &TlsStream<TcpStream>, endpoint: &[u8]) -> TlsFacts {
    let (_, connection) = stream.get_ref();
    let modern = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    // RFC 9266 4: TLS 1.2 would need the extended master secret to be safe, so only TLS 1.3.
    let exporter = modern
        .then(|| connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None).ok())
        .flatten();
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    TlsFacts {
        version: if modern { "TLSv1.3" } else { "TLSv1.2" },
        // rustls writes TLS13_AES_..., IANA writes TLS_AES_...
        cipher: suite.unwrap_or("unknown").replacen("TLS13_", "TLS_", 1),
        exporter,
        endpoint: endpoint.to_vec(),
    }
}

fn read(
    folder: &Path,
    tickets: &Arc<dyn rustls::server::ProducesTickets>,
) -> Result<Current, TlsFault> {
    let path = folder.join("host.pem");
    let pem = std::fs::read(&path);
    let pem = pem.map_err(|error| TlsFault::File { path: path.clone(), why: error.to_string() })?;
    let (mut config, in_use, leaf, endpoint) = parse(&pem, folder)?;
    config.ticketer = tickets.clone();
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(Current { config: Arc::new(config), in_use, leaf, endpoint })
}

/// What a chain of certificates for the key in this folder says; fails when it is none.
pub(super) fn fits(pem: &str, folder: &Path) -> Result<InUse, TlsFault> {
    parse(pem.as_bytes(), folder).map(|(_, in_use, _, _)| in_use)
}

/// The certificate of the box's own authority in the folder `DATA/tls`.
pub(crate) fn own_authority(folder: &Path) -> Result<Vec<u8>, TlsFault> {
    let path = folder.join("ca.pem");
    let broken = |why: String| TlsFault::File { path: path.clone(), why };
    let der = CertificateDer::from_pem_file(&path).map_err(|error| broken(error.to_string()))?;
    Ok(der.to_vec())
}

/// What is in use in the folder `DATA/tls`.
pub(crate) fn in_use(folder: &Path) -> Result<InUse, TlsFault> {
    let path = folder.join("host.pem");
    let pem = std::fs::read(&path);
    let pem = pem.map_err(|error| TlsFault::File { path: path.clone(), why: error.to_string() })?;
    parse(&pem, folder).map(|(_, in_use, _, _)| in_use)
}

type Parsed = (ServerConfig, InUse, Vec<u8>, Vec<u8>);

fn parse(pem: &[u8], folder: &Path) -> Result<Parsed, TlsFault> {
    let path = folder.join("host.pem");
    let broken = |why: String| TlsFault::File { path: path.clone(), why };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| broken(format!("not a PEM certificate: {error}")))?;
    let Some(leaf) = chain.first().cloned() else {
        return Err(broken("holds no certificate".to_string()));
    };
    let (_, parsed) = X509Certificate::from_der(&leaf)
        .map_err(|error| broken(format!("not a certificate: {error}")))?;
    let hash = ring::digest::digest(&ring::digest::SHA256, &leaf);
    let in_use = InUse {
        own: authority::is_ours(folder, &parsed),
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
        names: authority::sans(&parsed).into_iter().collect(),
        hash: hash.as_ref().try_into().map_err(crypto)?,
    };
    let key = read_key(&folder.join("host.key"))?;
    let config = builder()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| broken(format!("does not fit host.key: {error}")))?;
    let endpoint = endpoint(&leaf, &parsed);
    Ok((config, in_use, leaf.to_vec(), endpoint))
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| TlsFault::File {
        path: path.to_path_buf(),
        why: format!("not a PEM private key: {error}"),
    })
}

pub(super) fn builder()
-> Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>, TlsFault> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = &[&rustls::version::TLS13, &rustls::version::TLS12];
    ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).map_err(crypto)
}

/// RFC 5929 4.1: the hash of the certificate's signature; MD5 and SHA-1 count as SHA-256.
fn endpoint(leaf: &[u8], parsed: &X509Certificate<'_>) -> Vec<u8> {
    let hash = match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        // ecdsa-with-SHA384, sha384WithRSAEncryption
        "1.2.840.10045.4.3.3" | "1.2.840.113549.1.1.12" => &ring::digest::SHA384,
        // ecdsa-with-SHA512, sha512WithRSAEncryption
        "1.2.840.10045.4.3.4" | "1.2.840.113549.1.1.13" => &ring::digest::SHA512,
        _ => &ring::digest::SHA256,
    };
    ring::digest::digest(hash, leaf).as_ref().to_vec()
}

fn stamps(folder: &Path) -> Vec<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let stamp = |name| {
        let facts = std::fs::metadata(folder.join(name)).ok()?;
        Some((facts.len(), facts.mtime(), facts.mtime_nsec(), facts.ino()))
    };
    ["host.pem", "host.key"].into_iter().map(stamp).collect()
}

pub(super) fn crypto(error: impl fmt::Display) -> TlsFault {
    TlsFault::Crypto(error.to_string())
}
