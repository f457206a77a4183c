//! Tests: imap.
