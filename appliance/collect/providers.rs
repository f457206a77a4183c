//! Well-known providers, as `config/providers.toml` tells of them.

use crate::store::format::OutsideHost;
use crate::store::outside::{IMPLICIT, STARTTLS};
use serde::Deserialize;
use std::sync::LazyLock;

const TEXT: &str = include_str!("../../config/providers.toml");

/// A provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provider {
    /// A short word: `[a-z0-9-]`.
    pub id: String,
    /// As people call it.
    pub name: String,
    /// Domains of addresses there.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Names of its mail servers end so: how a company's own domain there is known by its MX.
    #[serde(default)]
    pub mx: Vec<String>,
    pub imap: Option<Server>,
    pub pop3: Option<Server>,
    pub smtp: Option<Server>,
    /// What the log-in name is.
    pub user: User,
    /// Does a password do for programs? Some want OAuth alone.
    pub password: Login,
    pub oauth: Option<Endpoints>,
    /// What the person must switch on there, in plain words.
    pub switch_on: String,
    /// What the provider keeps programs to, in plain words.
    #[serde(default)]
    pub limits: String,
    /// Folders that are special there: role (RFC 6154 without the backslash) and name.
    #[serde(default)]
    pub folders: Vec<Folder>,
    /// Whose Authentication-Results are believed of mail from there.
    #[serde(default)]
    pub vouchers: Vec<String>,
    /// Looks at POP3 nearer than this are refused or told of, seconds.
    #[serde(default)]
    pub pop3_every: u64,
    /// Does mail that is sent by its SMTP stand in its Sent folder by itself?
    #[serde(default)]
    pub keeps_sent: bool,
    /// The public document that says so.
    pub source: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tls {
    Implicit,
    Starttls,
}

/// The form of the log-in name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum User {
    /// The whole address.
    Address,
    /// What stands before the @.
    Local,
}

/// How programs log in with a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Login {
    /// One made for the program.
    App,
    /// That of the account.
    Own,
    /// Not at all.
    No,
}

/// Where tokens come from (RFC 6749, RFC 8628).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Endpoints {
    /// Absent: it has no device grant for mail.
    pub device_url: Option<String>,
    pub token_url: String,
    pub scope: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Folder {
    pub role: String,
    pub name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    provider: Vec<Provider>,
}

/// All of them. The file is compiled in, and a test holds it to its form.
pub(crate) fn all() -> &'static [Provider] {
    static ALL: LazyLock<Vec<Provider>> =
        LazyLock::new(|| read(TEXT).map(|file| file.provider).unwrap_or_default());
    &ALL
}

fn read(text: &str) -> Result<File, toml::de::Error> {
    toml::from_str(text)
}

/// Why the file cannot be read, for the test of it.
#[cfg(test)]
pub(crate) fn fault() -> Option<String> {
    read(TEXT).err().map(|error| error.to_string())
}

pub(crate) fn by_id(id: &str) -> Option<&'static Provider> {
    all().iter().find(|provider| provider.id == id)
}

/// The one with addresses in this domain.
pub(crate) fn of_domain(domain: &str) -> Option<&'static Provider> {
    let is_it = |it: &String| it.eq_ignore_ascii_case(domain);
    all().iter().find(|provider| provider.domains.iter().any(is_it))
}

/// The one whose servers these MX hosts are.
pub(crate) fn of_mx(hosts: &[String]) -> Option<&'static Provider> {
    let is_below = |host: &str, end: &str| {
        let host = host.to_ascii_lowercase();
        host == end || host.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'))
    };
    hosts.iter().find_map(|host| {
        all().iter().find(|provider| provider.mx.iter().any(|end| is_below(host, end)))
    })
}

impl Provider {
    /// The log-in name of this address.
    pub(crate) fn login_of(&self, address: &str) -> String {
        match self.user {
            User::Address => address.to_string(),
            User::Local => address.rsplit_once('@').map_or(address, |(local, _)| local).to_string(),
        }
    }
}

impl Server {
    /// As it is kept.
    pub(crate) fn host(&self) -> OutsideHost {
        OutsideHost {
            host: self.host.clone(),
            port: self.port.into(),
            tls: match self.tls {
                Tls::Implicit => IMPLICIT,
                Tls::Starttls => STARTTLS,
            },
        }
    }
}
