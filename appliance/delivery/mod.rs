//! Mail on the move.

pub(crate) mod local;
pub(crate) mod receive;
pub(crate) mod remote;
pub(crate) mod stamp;
pub(crate) mod story;
