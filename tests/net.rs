//! Sessions driven over real sockets: a toy protocol whose commands make each step happen.

mod authority;
mod doors;
mod secure;
mod steps;
pub(crate) mod toy;
