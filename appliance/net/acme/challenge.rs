//! What the authority looks for while it checks that a name is ours: held here only meanwhile.

use crate::net::tls::{TlsFault, builder, crypto};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// RFC 8737 6.2
pub(crate) const ALPN: &[u8] = b"acme-tls/1";

/// Shared by who asks the authority and who answers on ports 80 and 443. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct Challenges(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    /// By token: the whole page.
    pages: HashMap<String, String>,
    /// By name in lower case.
    certificates: HashMap<String, Arc<ServerConfig>>,
}

impl Challenges {
    /// The page at /.well-known/acme-challenge/TOKEN. RFC 8555 8.3
    pub(crate) fn page(&self, token: &str) -> Option<String> {
        self.0.lock().ok()?.pages.get(token).cloned()
    }

    /// What is shown to an authority that asks for this name by TLS.
    pub(in crate::net) fn certificate(&self, name: &str) -> Option<Arc<ServerConfig>> {
        self.0.lock().ok()?.certificates.get(&name.to_ascii_lowercase()).cloned()
    }

    pub(crate) fn show_page(&self, token: &str, page: &str) {
        if let Ok(mut held) = self.0.lock() {
            held.pages.insert(token.to_string(), page.to_string());
        }
    }

    /// RFC 8737 3: self-signed, for this name alone, with the digest of the key authorization.
    pub(crate) fn show_certificate(&self, name: &str, digest: &[u8]) -> Result<(), TlsFault> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(crypto)?;
        let mut params = CertificateParams::new(vec![name.to_string()]).map_err(crypto)?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let certificate = params.self_signed(&key).map_err(crypto)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(crypto)?;
        let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(crypto)?;
        // Unchecked: the extension is one that only authorities know.
        let pair = CertifiedKey::new(vec![certificate.der().clone()], key);
        let shown = Arc::new(SingleCertAndKey::from(pair));
        let mut config = builder()?.with_no_client_auth().with_cert_resolver(shown);
        config.alpn_protocols = vec![ALPN.to_vec()];
        if let Ok(mut held) = self.0.lock() {
            held.certificates.insert(name.to_ascii_lowercase(), Arc::new(config));
        }
        Ok(())
    }

    /// The authority has looked.
    pub(crate) fn clear(&self) {
        if let Ok(mut held) = self.0.lock() {
            *held = Held::default();
        }
    }
}
