//! Firmware updates: which of the two slots boots, and what may be written into one.

pub(crate) mod bundle;
pub(crate) mod install;
pub(crate) mod ledger;
pub(crate) mod release;
pub(crate) mod slot;
pub(crate) mod state;
