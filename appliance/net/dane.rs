//! DANE (RFC 6698, 7671, 7672): what TLSA records say of a server's certificate.
//!
//! ```text
//! 3 DANE-EE  the certificate itself, or its key: nothing else of it matters
//! 2 DANE-TA  an authority in its chain: name and time must be right too
//! 0 1 PKIX   of no use between mail servers                              RFC 7672 3.1.3
//! ```

use super::tls::crypto;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Certificates of one chain that are held against the records.
const CHAIN: usize = 10;

/// A TLSA record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tlsa {
    pub usage: u8,
    pub selector: u8,
    pub matching: u8,
    pub data: Vec<u8>,
}

impl Tlsa {
    /// RFC 7672 3.1: what a sender can use; the rest is passed over.
    pub(crate) fn is_usable(&self) -> bool {
        let length = self.data.len();
        let fits = match self.matching {
            0 => length > 0,
            1 => length == 32,
            2 => length == 64,
            _ => false,
        };
        matches!(self.usage, 2 | 3) && matches!(self.selector, 0 | 1) && fits
    }

    fn fits(&self, certificate: &CertificateDer<'_>) -> bool {
        let whole: &[u8] = certificate;
        let part = match self.selector {
            0 => Some(whole),
            1 => X509Certificate::from_der(whole)
                .ok()
                .map(|(_, read)| read.tbs_certificate.subject_pki.raw),
            _ => None,
        };
        let Some(part) = part else { return false };
        let hash = |with| ring::digest::digest(with, part).as_ref() == self.data;
        match self.matching {
            0 => part == self.data,
            1 => hash(&ring::digest::SHA256),
            2 => hash(&ring::digest::SHA512),
            _ => false,
        }
    }
}

/// Is the certificate one of those that the records allow? `names`: whom it may be for, where that
/// matters.
pub(super) fn check(
    records: &[Tlsa],
    names: &[String],
    leaf: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), rustls::Error> {
    let usable = || records.iter().filter(|record| record.is_usable());
    // RFC 7672 3.1.1: with DANE-EE neither names nor times are looked at
    if usable().any(|record| record.usage == 3 && record.fits(leaf)) {
        return Ok(());
    }
    let mut anchors = RootCertStore::empty();
    for record in usable().filter(|record| record.usage == 2) {
        for certificate in between.iter().take(CHAIN).filter(|other| record.fits(other)) {
            let _ = anchors.add(certificate.clone().into_owned());
        }
        // The record may be the authority itself, which servers need not send then.
        if (record.selector, record.matching) == (0, 0) {
            let _ = anchors.add(CertificateDer::from(record.data.clone()));
        }
    }
    if anchors.is_empty() {
        return Err(CertificateError::ApplicationVerificationFailure.into());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(anchors), provider)
        .build()
        .map_err(|error| rustls::Error::General(crypto(error).to_string()))?;
    let mut last = CertificateError::NotValidForName.into();
    for name in names {
        let Ok(name) = ServerName::try_from(name.as_str()) else { continue };
        match verifier.verify_server_cert(leaf, between, &name, &[], now) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}
