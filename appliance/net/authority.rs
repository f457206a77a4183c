//! The box's own certificate authority, for the time before (or without) a public one: ten years,
//! able to sign host certificates and nothing below. The host certificate is made anew from the
//! same key a month before it ends, and when the names change. A certificate of another authority
//! is never touched.

use super::tls::{TlsFault, crypto};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

const DAY: i64 = 24 * 3600;
const CA_DAYS: i64 = 3_652;
/// Apple's devices refuse more than 398 days; an hour of the first day lies in the past.
const HOST_DAYS: i64 = 396;
const RENEW_DAYS: i64 = 30;

/// Whom the host certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    pub host: String,
    /// More names and addresses.
    pub others: Vec<String>,
}

impl Names {
    /// Also localhost, so that the box can be tried from itself.
    fn all(&self) -> BTreeSet<String> {
        let fixed = ["localhost", "127.0.0.1"].map(String::from);
        let others = self.others.iter().map(|name| name.to_lowercase());
        fixed.into_iter().chain([self.host.to_lowercase()]).chain(others).collect()
    }
}

/// Makes what `folder` lacks, and a new host certificate where ours has ended its use.
pub(super) fn make_missing(folder: &Path, names: &Names, now: i64) -> Result<(), TlsFault> {
    let certificate = folder.join("host.pem");
    let ended = Authority::of(folder).filter(|authority| authority.ends <= now);
    if certificate.exists() {
        match standing(folder, names, now) {
            Some(Standing::OursAndUsedUp) => {}
            Some(Standing::Ours) if ended.is_some() => {}
            Some(Standing::Ours | Standing::Another) | None => return Ok(()),
        }
    }
    make(folder, names, ended, now)
}

/// A new host certificate of our own, whoever made the one that is there.
pub(super) fn make_own(folder: &Path, names: &Names, now: i64) -> Result<(), TlsFault> {
    let ended = Authority::of(folder).filter(|authority| authority.ends <= now);
    make(folder, names, ended, now)
}

fn make(folder: &Path, names: &Names, ended: Option<Authority>, now: i64) -> Result<(), TlsFault> {
    let certificate = folder.join("host.pem");
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| file(folder, error))?;
    let ca_key = key(&folder.join("ca.key"))?;
    let ca_path = folder.join("ca.pem");
    if !ca_path.exists() || ended.is_some() {
        let pem = ca_params(ended, now)?.self_signed(&ca_key).map_err(crypto)?.pem();
        write(&ca_path, pem.as_bytes())?;
    }
    let ca_pem = std::fs::read_to_string(&ca_path).map_err(|error| file(&ca_path, error))?;
    let issuer =
        Issuer::from_ca_cert_pem(&ca_pem, ca_key).map_err(|error| file(&ca_path, error))?;
    let host_key = key(&folder.join("host.key"))?;
    let host = host_params(names, now)?.signed_by(&host_key, &issuer).map_err(crypto)?;
    write(&certificate, host.pem().as_bytes())
}

/// Was this certificate made by the authority of `folder`?
pub(super) fn is_ours(folder: &Path, certificate: &X509Certificate<'_>) -> bool {
    let issuer = certificate.issuer().as_raw();
    Authority::of(folder).is_some_and(|authority| authority.subject == issuer)
}

/// What the folder's own authority says of itself.
struct Authority {
    subject: Vec<u8>,
    name: Option<String>,
    ends: i64,
}

impl Authority {
    fn of(folder: &Path) -> Option<Self> {
        let der = first_der(&folder.join("ca.pem"))?;
        let (_, ca) = X509Certificate::from_der(&der).ok()?;
        let name = ca.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        Some(Authority {
            subject: ca.subject().as_raw().to_vec(),
            name: name.map(String::from),
            ends: ca.validity().not_after.timestamp(),
        })
    }
}

enum Standing {
    OursAndUsedUp,
    Ours,
    Another,
}

/// `None` when it can't be read: then `Tls` tells why.
fn standing(folder: &Path, names: &Names, now: i64) -> Option<Standing> {
    let der = first_der(&folder.join("host.pem"))?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    if !is_ours(folder, &certificate) {
        return Some(Standing::Another);
    }
    let validity = certificate.validity();
    let in_time = validity.not_before.timestamp() <= now
        && now < validity.not_after.timestamp() - RENEW_DAYS * DAY;
    let named = sans(&certificate).is_superset(&names.all());
    Some(if in_time && named { Standing::Ours } else { Standing::OursAndUsedUp })
}

pub(super) fn sans(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return BTreeSet::new();
    };
    let name = |general: &GeneralName<'_>| match general {
        GeneralName::DNSName(name) => Some(name.to_lowercase()),
        GeneralName::IPAddress(octets) => address(octets).map(|address| address.to_string()),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

fn first_der(path: &Path) -> Option<Vec<u8>> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::from_pem_file(path).ok().map(|der| der.to_vec())
}

/// One that has ended is made anew with its key and name, so that what it signed still fits.
fn ca_params(ended: Option<Authority>, now: i64) -> Result<CertificateParams, TlsFault> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // The name is this box's alone, so that two boxes' authorities can be told apart.
    let mark = u32::from_be_bytes(random()?);
    let name = ended.and_then(|authority| authority.name);
    let name = name.unwrap_or_else(|| format!("Mailroom authority {mark:08x}"));
    params.serial_number = Some(serial()?);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (moment(now - 3600)?, moment(now + CA_DAYS * DAY)?);
    Ok(params)
}

fn host_params(names: &Names, now: i64) -> Result<CertificateParams, TlsFault> {
    let all: Vec<String> = names.all().into_iter().collect();
    let mut params = CertificateParams::new(all).map_err(crypto)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.serial_number = Some(serial()?);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, names.host.clone());
    (params.not_before, params.not_after) = (moment(now - 3600)?, moment(now + HOST_DAYS * DAY)?);
    Ok(params)
}

/// RFC 5280 4.1.2.2: one authority gives no two certificates the same number, the second from the
/// same key neither; and it is positive.
fn serial() -> Result<SerialNumber, TlsFault> {
    let mut octets: [u8; 16] = random()?;
    octets[0] = octets[0] & 0x3f | 0x40;
    Ok(SerialNumber::from_slice(&octets))
}

fn random<const N: usize>() -> Result<[u8; N], TlsFault>
where
    [u8; N]: ring::rand::RandomlyConstructable,
{
    Ok(ring::rand::generate(&ring::rand::SystemRandom::new()).map_err(crypto)?.expose())
}

fn moment(seconds: i64) -> Result<OffsetDateTime, TlsFault> {
    OffsetDateTime::from_unix_timestamp(seconds).map_err(crypto)
}

/// The key in this file, made if there is none: ECDSA P-256.
fn key(path: &Path) -> Result<KeyPair, TlsFault> {
    if path.exists() {
        let pem = std::fs::read_to_string(path).map_err(|error| file(path, error))?;
        return KeyPair::from_pem(&pem).map_err(|error| file(path, error));
    }
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(crypto)?;
    write(path, key.serialize_pem().as_bytes())?;
    Ok(key)
}

/// Whole or not at all, for the owner's eyes only.
fn write(path: &Path, octets: &[u8]) -> Result<(), TlsFault> {
    crate::settings::replace_file(path, octets).map_err(|error| file(path, error))
}

fn file(path: &Path, why: impl std::fmt::Display) -> TlsFault {
    TlsFault::File { path: path.to_path_buf(), why: why.to_string() }
}
