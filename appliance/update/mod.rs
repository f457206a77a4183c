//! Firmware updates: which of the two slots boots, and what may be written into one.

pub(crate) mod bundle;
pub(crate) mod install;
pub(crate) mod slot;
