//! Updates: what is taken for a bundle, and what is refused with which words.

mod bundle;
mod install;
pub(crate) mod sent;
pub(crate) mod state;
