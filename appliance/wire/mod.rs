//! Bytes to values and back: the grammar of every protocol the box speaks.

pub(crate) mod address;
pub(crate) mod autoconfig;
pub(crate) mod budget;
pub(crate) mod dmarc;
pub(crate) mod frame;
pub(crate) mod imap;
pub(crate) mod party;
pub(crate) mod pop3;
pub(crate) mod punycode;
pub(crate) mod sasl;
pub(crate) mod scram;
pub(crate) mod smtp;
pub(crate) mod spf;
pub(crate) mod sts;
pub(crate) mod tlsrpt;
pub(crate) mod unicode;
