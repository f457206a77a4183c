//! Tests: collecting mail from other providers, and sending it by them.

mod believed;
mod discover;
pub(crate) mod maildrop;
mod moving;
mod multidrop;
pub(crate) mod oauth;
mod out;
mod pop3;
mod providers;
mod sender;
