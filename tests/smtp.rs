//! Mail comes in: header fields, addresses, commands, sessions, deliveries.

mod addresses;
mod commands;
mod content;
mod delivery;
mod headers;
mod limits;
mod office;
mod outside;
mod rfcs;
mod scanner;
mod serve;
mod stage;
mod submission;
mod submit;
mod time;
mod transcripts;
