//! IMAP print.
