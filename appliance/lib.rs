//! # Mailroom: plug-in office mail
//!
//! This is the map; [ARCHITECTURE.md](../ARCHITECTURE.md) tells the same at length.
//!
//! ## Bird's eye
//!
//! A connection is a task ([`net::drive`]) that drives a [`session::Session`]: a protocol as a pure
//! state machine without socket, clock or task. What only the machine can do it asks for, and
//! [`serve`] answers. Everything that lasts is in the [`store`]: one LMDB file, one writer thread,
//! short read snapshots.
//!
//! ## Layers
//!
//! ```text
//! limits clock
//! event session settings              limits, the cut, what is said and set
//! wire                                octets <-> values
//! message                             what a mail holds
//! store                               what the box knows
//! net                                 sockets and TLS
//! smtp imap pop3                      sessions
//! delivery                            mail on the move
//! serve                               answers
//! act admin cli                       what an owner does, on the page and on the command line
//! units                               what runs
//! ```
//!
//! Who may import whom is a table in `tests/tidy.rs` that fails the build.
//!
//! ## Invariants
//!
//! - An acknowledged message is on disk: [`store::Store::write`] returns after the commit, and only
//!   then a reply is made.
//! - No snapshot lives across an await or a write to a socket.
//! - Every buffer, queue, count and time has its bound in [`limits`].
//! - Time and randomness enter sessions and the store as values.
//! - No octet from outside can make a parser panic.
//!
//! ## The paths
//!
//! 1. Arriving mail: [`net::listen`], [`net::drive`], [`wire::smtp`], [`smtp`], [`serve::receive`],
//!    [`delivery`], [`store::mail::append`], then 250.
//! 2. IMAP FETCH: [`net::drive`], [`wire::imap`], [`imap`], one [`store::Snapshot`], printed, then
//!    the socket.
//! 3. A change: [`serve`], [`store::Store::write`], after the commit [`store::change::Hub`], and
//!    every session that watches wakes.
//! 4. An act of the owner: [`cli::args`], [`act::call`], [`serve::control`], [`act::act`],
//!    [`cli::render`].
//! 5. Leaving mail: [`serve::submit`], [`delivery::submit`], [`store::outbox`], then 250; and
//!    [`delivery::worker`], [`delivery::remote`], [`smtp::client`], [`delivery::record`].
//! 6. The setup page: [`net::splice`], [`admin::routes`], one guard, a page's handler, [`act`].
//! 7. Mail that lies elsewhere: [`imap::client`] or [`pop3::client`], [`collect`], then as 1, and
//!    the note that it was brought in the same commit.

pub(crate) mod act;
pub(crate) mod admin;
pub(crate) mod cli;
pub(crate) mod clients;
pub(crate) mod clock;
pub(crate) mod collect;
pub(crate) mod delivery;
pub(crate) mod event;
#[cfg(any(test, fuzzing))]
pub mod fuzz_entry;
pub(crate) mod imap;
pub(crate) mod limits;
pub(crate) mod message;
pub(crate) mod net;
pub(crate) mod policy;
pub(crate) mod pop3;
pub(crate) mod public;
pub(crate) mod request;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod smtp;
pub(crate) mod store;
pub(crate) mod system;
pub(crate) mod units;
#[allow(dead_code, reason = "PID 1 and the host tool each use a part of it")]
pub(crate) mod update;
pub(crate) mod wire;
pub(crate) mod words;

/// What this process is: the first of a box, one of its children, or a command line.
pub fn run() -> std::process::ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    match arguments.iter().filter_map(|argument| argument.to_str()).collect::<Vec<_>>()[..] {
        [system::FIRST, ..] if system::is_first() => system::first(),
        [_, system::CHILD, role] => units::child::run(role),
        _ => cli::run(arguments),
    }
}

#[cfg(test)]
#[path = "../tests/tests.rs"]
mod tests;
