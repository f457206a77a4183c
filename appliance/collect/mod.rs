//! Mail from other providers, and out by them.
//!
//! ```text
//! providers   well-known providers as data: hosts, ports, what a person must switch on
//! ```

#[allow(dead_code, reason = "MX hosts and folders are looked at by who collects, which comes next")]
pub(crate) mod providers;
