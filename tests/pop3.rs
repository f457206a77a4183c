//! Tests: pop3.
