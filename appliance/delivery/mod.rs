//! Mail on the move.

pub(crate) mod checkpoint;
pub(crate) mod collected;
pub(crate) mod confirm;
pub(crate) mod connection;
pub(crate) mod dsn;
pub(crate) mod forward;
pub(crate) mod keyring;
pub(crate) mod letter;
pub(crate) mod local;
pub(crate) mod outside;
pub(crate) mod pace;
pub(crate) mod queue;
pub(crate) mod receive;
pub(crate) mod record;
pub(crate) mod remote;
pub(crate) mod report;
pub(crate) mod route;
pub(crate) mod safety;
pub(crate) mod schedule;
pub(crate) mod srs;
pub(crate) mod stamp;
pub(crate) mod story;
mod sts;
pub(crate) mod submit;
mod tls_counts;
pub(crate) mod tls_report;
pub(crate) mod worker;
