//! Answers what sessions ask.

pub(crate) mod login;
