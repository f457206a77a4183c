//! Mail comes in: header fields, addresses, commands, sessions, deliveries.

mod addresses;
mod headers;
