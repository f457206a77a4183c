//! The tests, compiled into the crate: one binary, and nothing becomes public for a test's sake.

mod cli;
mod crash;
mod forward;
mod fuzz_corpus;
mod imap;
mod imap_model;
mod imap_wire;
mod login;
mod message;
pub(crate) mod net;
mod outbox;
mod pop3;
mod remote;
mod smtp;
pub(crate) mod store;
mod tidy;
mod units;
