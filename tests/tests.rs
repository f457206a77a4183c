//! The tests, compiled into the crate: one binary, and nothing becomes public for a test's sake.

mod acme;
mod admin;
mod belief;
mod cli;
mod clients;
mod collect;
mod crash;
mod dialogues;
mod forward;
mod fuzz_corpus;
mod gather;
mod imap;
mod imap_model;
mod imap_wire;
mod login;
mod message;
#[allow(dead_code, reason = "a program of its own has this file too")]
#[path = "harness/names/world.rs"]
mod names;
pub(crate) mod net;
mod outbox;
mod pop3;
mod public;
mod remote;
mod smtp;
pub(crate) mod store;
mod system;
mod tidy;
mod units;
mod update;
