//! Tests: imap_wire.
