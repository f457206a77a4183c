//! Mail from other providers, and out by them.
//!
//! ```text
//! providers   well-known providers as data: hosts, ports, what a person must switch on
//! reach       a connection to a server of a provider, with TLS that is proven
//! imap        a provider's IMAP: import of everything
//! ```

pub(crate) mod imap;
#[allow(dead_code, reason = "MX hosts and folders are looked at by who collects, which comes next")]
pub(crate) mod providers;
pub(crate) mod reach;
