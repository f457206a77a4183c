//! What the box keeps of its dealings with an authority, in DATA/tls, 0600.
//!
//! ```text
//! acme-account.json   the account: which authority, its address there, its key
//! acme.json           plan::Record
//! acme-asked          the owner asks for a certificate: "issue" or "renew"; gone when it is done
//! host.key            the key of the certificate, the same at each renewal: a TLSA record names it
//! host.pem            the certificate and those between; replaced whole
//! ```

use super::plan::{Asked, Record};
use crate::net::tls::TlsFault;
use crate::settings::replace_file;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The folder DATA/tls.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(crate) fn of(data: &Path) -> Files {
        Files { folder: data.join("tls") }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is remembered; nothing if there is no file.
    pub(crate) fn record(&self) -> Result<Record, TlsFault> {
        let path = self.folder.join("acme.json");
        match std::fs::read(&path) {
            Ok(octets) => serde_json::from_slice(&octets).map_err(|error| broken(&path, error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Record::default()),
            Err(error) => Err(broken(&path, error)),
        }
    }

    pub(crate) fn remember(&self, record: &Record) -> Result<(), TlsFault> {
        let path = self.folder.join("acme.json");
        let text = serde_json::to_vec_pretty(record).map_err(|error| broken(&path, error))?;
        replace_file(&path, &text).map_err(|error| broken(&path, error))
    }

    /// Asks the server that runs on this folder; it looks every few seconds.
    pub(crate) fn ask(&self, asked: Asked) -> Result<(), TlsFault> {
        let path = self.folder.join("acme-asked");
        let word = match asked {
            Asked::Issue => "issue",
            Asked::Renew => "renew",
        };
        replace_file(&path, word.as_bytes()).map_err(|error| broken(&path, error))
    }

    pub(crate) fn asked(&self) -> Option<Asked> {
        match std::fs::read(self.folder.join("acme-asked")).ok()?.as_slice() {
            b"issue" => Some(Asked::Issue),
            _ => Some(Asked::Renew),
        }
    }

    /// What was asked for is done, or can't be.
    pub(crate) fn answered(&self) {
        // What can't be removed is asked again, and then the disk tells why.
        let _ = std::fs::remove_file(self.folder.join("acme-asked"));
    }

    /// The account with the authority of this directory, as JSON.
    pub(super) fn account(&self, directory: &str) -> Result<Option<Vec<u8>>, TlsFault> {
        let path = self.folder.join("acme-account.json");
        let octets = match std::fs::read(&path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(broken(&path, error)),
        };
        let kept: Account =
            serde_json::from_slice(&octets).map_err(|error| broken(&path, error))?;
        if kept.directory != directory {
            return Ok(None);
        }
        serde_json::to_vec(&kept.credentials).map(Some).map_err(|error| broken(&path, error))
    }

    /// The authority does not know it any more.
    pub(super) fn forget_account(&self) -> Result<(), TlsFault> {
        let path = self.folder.join("acme-account.json");
        std::fs::remove_file(&path).map_err(|error| broken(&path, error))
    }

    pub(super) fn keep_account(
        &self,
        directory: &str,
        credentials: serde_json::Value,
    ) -> Result<(), TlsFault> {
        let path = self.folder.join("acme-account.json");
        let account = Account { directory: directory.to_string(), credentials };
        let text = serde_json::to_vec(&account).map_err(|error| broken(&path, error))?;
        replace_file(&path, &text).map_err(|error| broken(&path, error))
    }

    pub(super) fn key(&self) -> Result<String, TlsFault> {
        let path = self.folder.join("host.key");
        std::fs::read_to_string(&path).map_err(|error| broken(&path, error))
    }

    pub(super) fn replace_certificate(&self, pem: &str) -> Result<(), TlsFault> {
        let path = self.folder.join("host.pem");
        replace_file(&path, pem.as_bytes()).map_err(|error| broken(&path, error))
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Account {
    directory: String,
    credentials: serde_json::Value,
}

fn broken(path: &Path, why: impl std::fmt::Display) -> TlsFault {
    TlsFault::File { path: path.to_path_buf(), why: why.to_string() }
}
