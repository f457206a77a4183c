//! The IMAP session, without I/O.
pub(crate) mod structure;
