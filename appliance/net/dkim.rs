//! DKIM (RFC 6376): the keys of our domains, and signatures over what leaves.
//!
//! ```text
//! DATA/dkim/<domain>/<pair>.rsa        PKCS #1, RSA-2048; selector <pair>r     all files 0600
//! DATA/dkim/<domain>/<pair>.ed25519    PKCS #8, RFC 8463; selector <pair>e
//! DATA/dkim/<domain>/active            the name of the pair that signs
//!
//! pair: "m" and the day it was made, as m20261123; a second one of that day has a letter behind
//! ```
//!
//! Each message gets both signatures: one that every server can check, and a short one.
//!
//! A pair changes in steps, since others look the public key up when the mail arrives: make the
//! next one, publish it, let it sign, and take the old one off when no mail is on its way any more.
//! Files are written before `active` names them, so the server and the command line can both do it.

use crate::limits::{DKIM_KEY_BYTES, DKIM_RSA_BITS, DKIM_SELECTORS};
use crate::settings::replace_file;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::generate::DkimKeyPair;
use mail_auth::dkim::{DkimSigner, Done};
use nix::fcntl::{Flock, FlockArg};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer};
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use time::OffsetDateTime;
use x509_parser::asn1_rs::{Integer, Sequence};
use x509_parser::prelude::FromDer;

/// What is signed. RFC 6376 5.4.1; From stands twice so that nobody adds a second one (8.15), and
/// what is missing is signed as missing.
const SIGNED: [&str; 14] = [
    "From",
    "From",
    "Sender",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "To",
    "Cc",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "In-Reply-To",
    "References",
];

/// Why there is no key or no signature.
#[derive(Debug)]
pub(crate) struct DkimFault(String);

impl fmt::Display for DkimFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The public half of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    pub selector: String,
    /// "rsa" or "ed25519".
    pub kind: &'static str,
    /// In base64, as `p=` has it.
    pub key: String,
}

impl PublicKey {
    /// The text of its record at `<selector>._domainkey.<domain>`. RFC 6376 3.6.1
    pub(crate) fn record(&self) -> String {
        format!("v=DKIM1; k={}; p={}", self.kind, self.key)
    }
}

/// Two keys that sign together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub name: String,
    /// Does it sign?
    pub active: bool,
    pub keys: Vec<PublicKey>,
}

/// The folder with the keys of all domains.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    folder: PathBuf,
}

impl Keys {
    /// `data`: the folder of all data.
    pub(crate) fn of(data: &Path) -> Self {
        Self { folder: data.join("dkim") }
    }

    /// The pairs of a domain, the oldest first. Makes the first one: takes some seconds then.
    pub(crate) fn pairs(&self, domain: &str, now: i64) -> Result<Vec<Pair>, DkimFault> {
        self.active_or_new(domain, now)?;
        self.present(domain)
    }

    /// Makes the first pair of a domain where there is none.
    pub(crate) fn ready(&self, domain: &str, now: i64) -> Result<(), DkimFault> {
        self.active_or_new(domain, now).map(drop)
    }

    /// Makes one more pair, which does not sign yet.
    pub(crate) fn add(&self, domain: &str, now: i64) -> Result<String, DkimFault> {
        let folder = self.made(domain)?;
        let _alone = lock(&folder)?;
        make(&folder, domain, now)
    }

    /// Lets a pair sign from now on.
    pub(crate) fn activate(&self, domain: &str, name: &str) -> Result<(), DkimFault> {
        let folder = self.known(domain, name)?;
        write(&folder.join("active"), name.as_bytes())
    }
    /// Removes a pair that does not sign.
    pub(crate) fn remove(&self, domain: &str, name: &str) -> Result<(), DkimFault> {
        let folder = self.known(domain, name)?;
        if self.active(domain)?.as_deref() == Some(name) {
            return Err(DkimFault(format!("{name} signs the mail of {domain}: it must stay")));
        }
        for kind in ["rsa", "ed25519"] {
            let path = folder.join(format!("{name}.{kind}"));
            std::fs::remove_file(&path).map_err(|error| fault(&path, &error))?;
        }
        Ok(())
    }

    fn present(&self, domain: &str) -> Result<Vec<Pair>, DkimFault> {
        let active = self.active(domain)?;
        let names = names(&self.of_domain(domain)?)?;
        names
            .into_iter()
            .map(|name| {
                let folder = self.of_domain(domain)?;
                let (rsa, path) = half(&folder, &name, "rsa")?;
                let rsa = public_half(&rsa).ok_or_else(|| no_key(&path))?;
                let ed25519 = ed25519(&folder, &name)?;
                let key = |suffix: &str, kind, key: Vec<u8>| PublicKey {
                    selector: format!("{name}{suffix}"),
                    kind,
                    key: BASE64.encode(key),
                };
                let keys = vec![
                    key("r", "rsa", subject_public_key(&rsa)),
                    key("e", "ed25519", ed25519.public_key()),
                ];
                Ok(Pair { active: active.as_deref() == Some(name.as_str()), name, keys })
            })
            .collect()
    }

    fn active_or_new(&self, domain: &str, now: i64) -> Result<String, DkimFault> {
        if let Some(name) = self.active(domain)? {
            return Ok(name);
        }
        let folder = self.made(domain)?;
        let _alone = lock(&folder)?;
        // Who came first has named its own meanwhile.
        if let Some(name) = self.active(domain)? {
            return Ok(name);
        }
        // A pair that was made just before a cut is there already.
        let first = names(&folder)?.into_iter().next();
        let name = first.map_or_else(|| make(&folder, domain, now), Ok)?;
        self.activate(domain, &name)?;
        Ok(name)
    }

    fn active(&self, domain: &str) -> Result<Option<String>, DkimFault> {
        let path = self.of_domain(domain)?.join("active");
        match read(&path) {
            Ok(octets) => {
                let name = String::from_utf8(octets).ok().filter(|name| is_name(name));
                let wrong = || DkimFault(format!("{}: names no pair of keys", path.display()));
                name.map(Some).ok_or_else(wrong)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault(&path, &error)),
        }
    }

    fn private(&self, domain: &str, name: &str) -> Result<(RsaKey<Sha256>, Ed25519Key), DkimFault> {
        let folder = self.of_domain(domain)?;
        let (octets, path) = half(&folder, name, "rsa")?;
        let der = PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(octets));
        let rsa = RsaKey::<Sha256>::from_key_der(der).map_err(|_| no_key(&path))?;
        Ok((rsa, ed25519(&folder, name)?))
    }

    fn known(&self, domain: &str, name: &str) -> Result<PathBuf, DkimFault> {
        let folder = self.of_domain(domain)?;
        if names(&folder)?.iter().any(|known| known == name) {
            return Ok(folder);
        }
        Err(DkimFault(format!("{domain} has no pair of keys {name:?}")))
    }

    fn made(&self, domain: &str) -> Result<PathBuf, DkimFault> {
        let folder = self.of_domain(domain)?;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| fault(&folder, &error))?;
        Ok(folder)
    }

    /// A domain of the store has only letters, digits, "-", "_" and "."; whatever comes here must.
    fn of_domain(&self, domain: &str) -> Result<PathBuf, DkimFault> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if domain.is_empty() || domain.starts_with('.') || !domain.chars().all(plain) {
            return Err(DkimFault(format!("{domain:?} is not the name of a domain")));
        }
        Ok(self.folder.join(domain.to_lowercase()))
    }
}

/// Signs for all domains; the keys are read once.
pub(crate) struct Signer {
    keys: Keys,
    ready: Mutex<HashMap<String, Arc<Ready>>>,
}

struct Ready {
    name: String,
    rsa: DkimSigner<RsaKey<Sha256>, Done>,
    ed25519: DkimSigner<Ed25519Key, Done>,
}

impl Signer {
    pub(crate) fn new(keys: Keys) -> Self {
        Self { keys, ready: Mutex::default() }
    }

    /// The fields to put on top of a message of this domain. Reads files, and makes the first keys
    /// of a domain: not for a thread that serves connections.
    pub(crate) fn sign(
        &self,
        domain: &str,
        message: &[u8],
        now: i64,
    ) -> Result<Vec<u8>, DkimFault> {
        let ready = self.ready(domain, now)?;
        let fault = |error: mail_auth::Error| DkimFault(format!("cannot sign: {error}"));
        let rsa = ready.rsa.sign(message).map_err(fault)?;
        let ed25519 = ready.ed25519.sign(message).map_err(fault)?;
        Ok([ed25519.to_header(), rsa.to_header()].concat().into_bytes())
    }

    fn ready(&self, domain: &str, now: i64) -> Result<Arc<Ready>, DkimFault> {
        let name = self.keys.active_or_new(domain, now)?;
        let known = self.lock().get(domain).filter(|ready| ready.name == name).cloned();
        if let Some(ready) = known {
            return Ok(ready);
        }
        let (rsa, ed25519) = self.keys.private(domain, &name)?;
        let rsa = DkimSigner::from_key(rsa).domain(domain).selector(format!("{name}r"));
        let ed25519 = DkimSigner::from_key(ed25519).domain(domain).selector(format!("{name}e"));
        let (rsa, ed25519) = (rsa.headers(SIGNED), ed25519.headers(SIGNED));
        let ready = Arc::new(Ready { name, rsa, ed25519 });
        self.lock().insert(domain.to_string(), ready.clone());
        Ok(ready)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Ready>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new pair in the folder of a domain.
fn make(folder: &Path, domain: &str, now: i64) -> Result<String, DkimFault> {
    let names = names(folder)?;
    if names.len() >= DKIM_SELECTORS {
        let why = format!("{domain} has {} pairs of keys: remove old ones first", names.len());
        return Err(DkimFault(why));
    }
    let day = day(now);
    let letters = ["", "a", "b", "c", "d", "e", "f", "g", "h"];
    let free = letters.iter().map(|letter| format!("{day}{letter}"));
    let name = free.into_iter().find(|name| !names.contains(name));
    let name = name.ok_or_else(|| DkimFault("enough keys for one day".to_string()))?;
    let fault = |error: mail_auth::Error| DkimFault(format!("no key could be made: {error}"));
    let rsa = DkimKeyPair::generate_rsa(DKIM_RSA_BITS).map_err(fault)?;
    let ed25519 = DkimKeyPair::generate_ed25519().map_err(fault)?;
    write(&folder.join(format!("{name}.ed25519")), ed25519.private_key())?;
    write(&folder.join(format!("{name}.rsa")), rsa.private_key())?;
    Ok(name)
}

/// Pairs whose both files are there, in the order of their names.
fn names(folder: &Path) -> Result<Vec<String>, DkimFault> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fault(folder, &error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let file = entry.map_err(|error| fault(folder, &error))?.file_name();
        let name = file.to_str().and_then(|file| file.strip_suffix(".rsa"));
        // The RSA key is written last.
        names.extend(name.filter(|name| is_name(name)).map(str::to_string));
    }
    names.sort();
    Ok(names)
}

/// Of several who want to make keys one does.
fn lock(folder: &Path) -> Result<Flock<File>, DkimFault> {
    let file = File::open(folder).map_err(|error| fault(folder, &error))?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, error)| DkimFault(format!("{}: {error}", folder.display())))
}

/// One file of a pair, and where it is.
fn half(folder: &Path, name: &str, kind: &str) -> Result<(Vec<u8>, PathBuf), DkimFault> {
    let path = folder.join(format!("{name}.{kind}"));
    match read(&path) {
        Ok(octets) => Ok((octets, path)),
        Err(error) => Err(fault(&path, &error)),
    }
}

fn ed25519(folder: &Path, name: &str) -> Result<Ed25519Key, DkimFault> {
    let (octets, path) = half(folder, name, "ed25519")?;
    Ed25519Key::from_pkcs8_der(&octets).map_err(|_| no_key(&path))
}

fn no_key(path: &Path) -> DkimFault {
    DkimFault(format!("{}: is no private key", path.display()))
}

/// The RSAPublicKey in an RSAPrivateKey (RFC 8017 A.1.1, A.1.2), without the proof that the primes
/// fit, which takes a small board long.
fn public_half(private: &[u8]) -> Option<Vec<u8>> {
    let (_, key) = Sequence::from_der(private).ok()?;
    let (numbers, _version) = Integer::from_der(&key.content).ok()?;
    let (rest, _modulus) = Integer::from_der(numbers).ok()?;
    let (rest, _exponent) = Integer::from_der(rest).ok()?;
    Some(der(0x30, &numbers[..numbers.len() - rest.len()]))
}

/// An RSA public key as SubjectPublicKeyInfo. RFC 6376 3.6.1 speaks of RSAPublicKey, but the keys
/// of its appendix C and all that verify them have this around it.
fn subject_public_key(key: &[u8]) -> Vec<u8> {
    // AlgorithmIdentifier of rsaEncryption. RFC 8017 A.1
    const RSA: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let bits = [&[0], key].concat();
    der(0x30, &[&RSA, der(0x03, &bits).as_slice()].concat())
}

/// One element of up to 65,535 octets.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let mut out = match (high, low) {
        (0, short @ ..0x80) => vec![tag, short],
        (0, long) => vec![tag, 0x81, long],
        (high, low) => vec![tag, 0x82, high, low],
    };
    out.extend_from_slice(content);
    out
}

/// A label of a domain name, and no path.
fn is_name(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn day(now: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(now).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!("m{:04}{:02}{:02}", at.year(), u8::from(at.month()), at.day())
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(path)?.take(DKIM_KEY_BYTES).read_to_end(&mut octets)?;
    Ok(octets)
}

fn write(path: &Path, octets: &[u8]) -> Result<(), DkimFault> {
    replace_file(path, octets).map_err(|error| fault(path, &error))
}

fn fault(path: &Path, error: &std::io::Error) -> DkimFault {
    DkimFault(format!("{}: {error}", path.display()))
}
