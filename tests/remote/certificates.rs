//! An authority of the tests' own, and certificates of every kind.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use time::OffsetDateTime;
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer, X509Certificate};

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct Authority {
    pub der: CertificateDer<'static>,
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// What a server shows.
pub(crate) struct Shown {
    pub der: CertificateDer<'static>,
    pub acceptor: TlsAcceptor,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // Each has a name of its own, so that none is taken for another.
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("Authority {} of the tests", NEXT.fetch_add(1, Ordering::SeqCst));
        params.distinguished_name.push(DnType::CommonName, name);
        let own = params.self_signed(&key).expect("signed");
        let (der, pem) = (own.der().clone(), own.pem());
        Authority { der, pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn show(&self, name: &str) -> Shown {
        self.show_for(name, OffsetDateTime::now_utc() + 10 * DAY)
    }

    pub(crate) fn show_expired(&self, name: &str) -> Shown {
        self.show_for(name, OffsetDateTime::now_utc() - DAY)
    }

    /// With the authority in the chain.
    fn show_for(&self, name: &str, ends: OffsetDateTime) -> Shown {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_string()]).expect("a name");
        (params.not_before, params.not_after) = (ends - 20 * DAY, ends);
        let own = params.signed_by(&key, &self.issuer).expect("signed");
        let chain = vec![own.der().clone(), self.der.clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate");
        Shown { der: own.der().clone(), acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

/// The data of a TLSA record for this certificate, as "3 1 1 ab12..".
pub(crate) fn tlsa(usage: u8, selector: u8, matching: u8, der: &[u8]) -> String {
    let (_, read) = X509Certificate::from_der(der).expect("a certificate");
    let part = if selector == 1 { read.tbs_certificate.subject_pki.raw } else { der };
    let data = match matching {
        0 => part.to_vec(),
        1 => ring::digest::digest(&ring::digest::SHA256, part).as_ref().to_vec(),
        _ => ring::digest::digest(&ring::digest::SHA512, part).as_ref().to_vec(),
    };
    let hex: String = data.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{usage} {selector} {matching} {hex}")
}
