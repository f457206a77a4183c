//! The IMAP session, without I/O.
