//! Tests: collecting mail from other providers, and sending it by them.

mod providers;
