//! Answers what sessions ask.

pub(crate) mod control;
pub(crate) mod imap;
pub(crate) mod login;
pub(crate) mod pop3;
pub(crate) mod receive;
pub(crate) mod scanner;
pub(crate) mod submit;
pub(crate) mod throttle;
