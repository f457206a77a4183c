//! Mailroom: plug-in office mail.
#![allow(dead_code)]

pub(crate) mod cli;
pub(crate) mod clock;
pub(crate) mod delivery;
pub(crate) mod event;
pub(crate) mod imap;
pub(crate) mod limits;
pub(crate) mod message;
pub(crate) mod net;
pub(crate) mod pop3;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod smtp;
pub(crate) mod store;
pub(crate) mod units;
pub(crate) mod wire;

/// Runs the command line of this process.
pub fn run() -> std::process::ExitCode {
    cli::run(std::env::args_os())
}

#[cfg(test)]
#[path = "../tests/tests.rs"]
mod tests;
