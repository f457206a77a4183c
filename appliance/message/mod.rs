//! The content of a mail as views over its bytes.

pub(crate) mod facts;
