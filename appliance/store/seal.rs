//! Secrets of others, encrypted at rest: what must be given to a provider again as it was, and so
//! cannot be kept as a hash.
//!
//! ```text
//! 01 · nonce, 12 octets, random · ChaCha20-Poly1305 of the secret, bound to the key of its row
//! ```
//!
//! The key stands in a file of its own beside the store. A backup is the store without it: whoever
//! finds one learns no password, and who restores it on another box gives them again.

use super::error::{Result, StoreError};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

const FILE: &str = "secrets.key";
const KEY_BYTES: usize = 32;
/// The first octet of what is sealed.
const FORM: u8 = 1;

/// The key of the box.
pub(crate) struct Sealer(LessSafeKey);

impl Sealer {
    /// That of the store in the folder `dir`; made and on disk before it is used.
    pub(super) fn of(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let trouble = |error: std::io::Error| {
            StoreError::Engine(format!("the key of secrets, {}: {error}", path.display()))
        };
        let key = match fs::read(&path) {
            Ok(key) if key.len() == KEY_BYTES => Zeroizing::new(key),
            Ok(_) => {
                let why = "it is damaged: remove it, and give the passwords again";
                return Err(trouble(std::io::Error::other(why)));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(dir, &path).map_err(trouble)?
            }
            Err(error) => return Err(trouble(error)),
        };
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key);
        let key = key.map_err(|_| StoreError::Engine("a key of another length".to_string()))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Encrypts; it opens only with the same `at`.
    pub(crate) fn seal(&self, at: &[u8], secret: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        let none = |_| StoreError::Engine("no random numbers".to_string());
        SystemRandom::new().fill(&mut nonce).map_err(none)?;
        let mut sealed = Zeroizing::new(secret.to_vec());
        let sealed_with = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(sealed_with, Aad::from(at), &mut sealed);
        let tag = tag.map_err(|_| StoreError::Invalid("the secret is too long"))?;
        Ok([&[FORM], nonce.as_slice(), &sealed, tag.as_ref()].concat())
    }

    /// `None`: it was sealed with another key, for another row, or is damaged.
    pub(crate) fn open(&self, at: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let rest = sealed.strip_prefix(&[FORM])?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
        let mut rest = Zeroizing::new(rest.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.0.open_in_place(nonce, Aad::from(at), &mut rest).ok()?.len();
        rest.truncate(length);
        Some(rest)
    }
}

/// Is it of the form that `seal` gives?
pub(super) fn is_sealed(octets: &[u8]) -> bool {
    octets.first() == Some(&FORM) && octets.len() > NONCE_LEN + CHACHA20_POLY1305.tag_len()
}

fn make(dir: &Path, path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
    let none = |_| std::io::Error::other("the system gives no random numbers");
    SystemRandom::new().fill(&mut key).map_err(none)?;
    let new = dir.join(format!("{FILE}.new"));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    fs::File::open(dir)?.sync_all()?;
    Ok(key)
}
