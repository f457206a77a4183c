//! The content of a mail as views over its bytes.

pub(crate) mod facts;
pub(crate) mod headers;
pub(crate) mod mbox;
pub(crate) mod structure;
