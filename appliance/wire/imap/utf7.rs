//! IMAP utf7.
