//! Mail comes in: header fields, addresses, commands, sessions, deliveries.

mod addresses;
mod commands;
mod content;
mod headers;
mod limits;
mod stage;
mod time;
mod transcripts;
