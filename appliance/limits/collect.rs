//! Limits of what is collected from other providers, and of what leaves by them.

/// Outside accounts of one person: each is a connection now and then.
pub(crate) const OUTSIDE_PER_ACCOUNT: usize = 20;
/// Folders of one that are collected.
pub(crate) const OUTSIDE_FOLDERS: usize = 500;
/// Addresses that leave through one.
pub(crate) const OUTSIDE_SENDERS: usize = 50;
/// A name, an address or a folder of one.
pub(crate) const OUTSIDE_TEXT_BYTES: usize = 1_000;
/// Letters that were not taken over and are told of: the newest.
pub(crate) const OUTSIDE_SKIPPED: usize = 50;
/// How long a letter that is gone at the provider is remembered, in seconds.
#[allow(dead_code, reason = "see store::outside")]
pub(crate) const FETCHED_KEPT_SECONDS: i64 = 30 * 24 * 3600;
/// A password or token of a provider; those of Microsoft have 2,000 octets and more.
pub(crate) const OUTSIDE_SECRET_BYTES: usize = 16 * 1024;
