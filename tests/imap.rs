//! IMAP sessions against a real store: every example dialogue of the RFCs that applies, and what
//! the clients of the world do.

mod extensions;
mod limits;
mod long;
mod rev1;
mod rev2;
mod rfcs;
pub(crate) mod runner;
mod sessions;
