//! IMAP parse.
