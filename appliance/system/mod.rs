//! The box: PID 1, what it starts, and the console. Of this only `syscall/program` runs on a
//! machine that only serves mail.
//!
//! ```text
//! init         the boot, a numbered list; then the supervisor
//!   server     all mail and pages, as a user without capabilities
//!   netd       links, addresses, names, the clock
//!   installer  checks one update file and writes it into the slot that does not run
//!   e2fsck     once, before data is mounted
//! ```
//!
//! PID 1 parses no octets from outside: files of the owner and of the network go to the children,
//! whose messages ([`crate::request`]) are of one size and checked.

pub(crate) mod confine;
pub(crate) mod console;
pub(crate) mod emptying;
pub(crate) mod init;
pub(crate) mod installer;
pub(crate) mod lending;
pub(crate) mod menu;
pub(crate) mod netd;
pub(crate) mod pair;
pub(crate) mod sticks;
pub(crate) mod storage;
pub(crate) mod supervisor;
pub(crate) mod syscall;

use crate::clock;
use crate::event::{self, Event, emit};
use init::Outcome;
use std::process::ExitCode;
use syscall::{Linux, System};

/// The name under which the kernel starts PID 1. In a container any program may be the first.
pub(crate) const FIRST: &str = "/init";
/// The first argument of a child; the second is its role.
pub(crate) const CHILD: &str = "child";

/// Is this process the first of the machine?
pub(crate) fn is_first() -> bool {
    std::process::id() == 1
}

/// PID 1. It returns only when the box cannot go on: the kernel panics then, and restarts it.
pub(crate) fn first() -> ExitCode {
    let Ok(mut system) = Linux::new() else { return ExitCode::FAILURE };
    event::start();
    let build = clock::built();
    let off = match init::boot(&mut system, build) {
        Ok(Outcome::Up(booted)) => supervisor::run(&mut system, *booted, build),
        Ok(Outcome::End { off }) => {
            system.sync();
            off
        }
        Err(error) => {
            emit(Event::BoxTrouble { what: format!("the box cannot start: {error}") });
            return ExitCode::FAILURE;
        }
    };
    // Only where the supervisor's own attempt failed.
    let _ = system.reboot(off);
    ExitCode::FAILURE
}
