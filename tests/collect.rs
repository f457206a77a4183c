//! Tests: collecting mail from other providers, and sending it by them.

mod believed;
mod discover;
mod maildrop;
mod multidrop;
mod oauth;
mod out;
mod pop3;
mod providers;
mod sender;
