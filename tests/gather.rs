//! Tests: collecting from other servers and moving in.

mod client;
mod folders;
mod habits;
mod heard;
mod import;
mod memory;
mod toy;
mod watch;
