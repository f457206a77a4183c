//! Mail comes in: header fields, addresses, commands, sessions, deliveries.

mod addresses;
mod commands;
mod content;
mod delivery;
mod headers;
mod limits;
mod office;
mod rfcs;
mod scanner;
mod serve;
mod stage;
mod submission;
mod submit;
mod time;
mod transcripts;
