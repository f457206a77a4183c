//! Firmware updates: which of the two slots boots.

pub(crate) mod slot;
