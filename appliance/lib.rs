#![doc = "skeleton"]
#![allow(dead_code)]

pub(crate) mod limits;
pub(crate) mod message;
pub(crate) mod session;
pub(crate) mod store;
pub(crate) mod wire;
