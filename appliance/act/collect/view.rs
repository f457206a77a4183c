//! Outside accounts as they are shown: to the pages, to programs, on the command line.

use super::{After, Server, Shared, Tls, import};
use crate::collect::providers::{self, Provider};
use crate::store::format::{Outside, OutsideHost, OutsideImport, OutsideState};
use crate::store::outside;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OutsideView {
    /// Whose it is.
    pub login: String,
    pub address: String,
    pub provider: String,
    /// "imap" or "pop3".
    pub kind: String,
    pub source: Option<Server>,
    pub user: String,
    /// "password" or "xoauth2".
    pub way: String,
    pub after: After,
    pub folders: Vec<String>,
    pub relay: Option<Server>,
    pub senders: Vec<String>,
    /// Those of them that do not count yet, each with why.
    #[serde(default)]
    pub waiting: Vec<(String, String)>,
    pub relay_user: String,
    pub multidrop: Option<Shared>,
    pub paused: bool,
    /// Seconds since 1970, as all times here; 0: never.
    pub created: i64,
    pub looked: i64,
    pub letter: i64,
    pub letters: u64,
    /// What is wrong and what to do; empty: nothing.
    pub error: String,
    pub since: i64,
    pub skipped: Vec<SkippedView>,
    /// `None`: nobody asked that all it holds be brought over.
    pub import: Option<ImportView>,
}

/// All that it holds is brought over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImportView {
    /// "under-way", "paused", "done" or "given-up".
    pub stage: String,
    pub began: i64,
    pub ended: i64,
    /// Letters that the last run brought over, their octets, and those that were here already.
    pub messages: u64,
    pub octets: u64,
    pub already: u64,
    pub folders: u64,
    pub skipped_count: u64,
    /// Which were not brought and why, the first of them.
    pub skipped: Vec<String>,
    /// Why it ended early; empty: it did not.
    pub error: String,
    /// When it is begun again.
    pub next: i64,
    /// How far it was: letters, of how many.
    pub done: u64,
    pub of: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SkippedView {
    pub at: i64,
    pub size: u64,
    pub from: String,
    pub subject: String,
    pub why: String,
}

/// A known provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProviderView {
    pub id: String,
    pub name: String,
    pub domains: Vec<String>,
    /// Names of its mail servers end so.
    pub mx: Vec<String>,
    /// Special folders there: what each is for, and its name.
    pub folders: Vec<(String, String)>,
    /// The public document that says so.
    pub source: String,
    pub imap: Option<Server>,
    pub pop3: Option<Server>,
    pub smtp: Option<Server>,
    /// What the person must do there first.
    pub switch_on: String,
    pub limits: String,
    /// Seconds between two looks by POP3, where there is a rule.
    pub pop3_every: u64,
    /// Mail that leaves by it is in its Sent folder by itself.
    pub keeps_sent: bool,
    /// Only tokens open it.
    pub only_tokens: bool,
    /// Its password is one that is made for programs.
    pub app_password: bool,
    /// It gives out codes for signing in (RFC 8628).
    pub sign_in: bool,
}

/// What is known of an address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KnownView {
    pub address: String,
    pub provider: Option<ProviderView>,
    /// Servers that its provider or its domain names.
    pub imap: Option<Server>,
    pub pop3: Option<Server>,
    pub smtp: Option<Server>,
    /// Where was looked, and what came of it.
    pub told: Vec<String>,
}

pub(super) fn provider_view(it: &Provider) -> ProviderView {
    let server = |server: &Option<providers::Server>| server.as_ref().map(|it| it.host().into());
    ProviderView {
        id: it.id.clone(),
        name: it.name.clone(),
        domains: it.domains.clone(),
        mx: it.mx.clone(),
        folders: it.folders.iter().map(|it| (it.role.clone(), it.name.clone())).collect(),
        source: it.source.clone(),
        imap: server(&it.imap),
        pop3: server(&it.pop3),
        smtp: server(&it.smtp),
        switch_on: it.switch_on.clone(),
        limits: it.limits.clone(),
        pop3_every: it.pop3_every,
        keeps_sent: it.keeps_sent,
        only_tokens: it.password == providers::Login::No,
        app_password: it.password == providers::Login::App,
        sign_in: it.oauth.as_ref().is_some_and(|oauth| oauth.device_url.is_some()),
    }
}

impl From<OutsideHost> for Server {
    fn from(host: OutsideHost) -> Server {
        Server {
            host: host.host,
            port: u16::try_from(host.port).unwrap_or_default(),
            tls: if host.tls == outside::IMPLICIT { Tls::Implicit } else { Tls::Starttls },
        }
    }
}

pub(super) fn shown(
    login: &str,
    row: Outside,
    (state, import): (OutsideState, Option<OutsideImport>),
    waiting: Vec<(String, String)>,
) -> OutsideView {
    let skipped = state.skipped.into_iter().map(|it| SkippedView {
        at: it.at,
        size: it.size,
        from: it.from,
        subject: it.subject,
        why: it.why,
    });
    OutsideView {
        login: login.to_string(),
        address: row.address,
        provider: row.provider,
        kind: if row.kind == outside::POP3 { "pop3" } else { "imap" }.to_string(),
        source: row.source.map(Server::from),
        user: row.login,
        way: if row.way == outside::XOAUTH2 { "xoauth2" } else { "password" }.to_string(),
        after: match row.after {
            outside::DELETE => After::Delete(row.days),
            outside::MOVE => After::Move(row.move_to),
            _ => After::Keep,
        },
        folders: row.folders,
        relay: row.relay.map(Server::from),
        senders: row.senders,
        waiting,
        relay_user: row.relay_login,
        multidrop: row.multidrop.map(|it| Shared {
            domain: it.domain,
            field: it.field,
            believe_to: it.believe_to,
        }),
        paused: row.paused,
        created: row.created,
        looked: state.looked,
        letter: state.letter,
        letters: state.letters,
        error: state.error,
        since: state.since,
        skipped: skipped.collect(),
        import: import.map(import::view),
    }
}
