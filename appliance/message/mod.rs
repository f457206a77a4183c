//! The content of a mail as views over its bytes.

pub(crate) mod date;
pub(crate) mod encode;
pub(crate) mod facts;
pub(crate) mod fixup;
pub(crate) mod headers;
pub(crate) mod mbox;
pub(crate) mod people;
pub(crate) mod reencode;
pub(crate) mod structure;
pub(crate) mod text;
pub(crate) mod value;
