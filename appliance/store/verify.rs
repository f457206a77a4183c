//! Checks the whole store.
use super::*;
pub(crate) struct Report {
    pub accounts: u64,
    pub messages: u64,
    pub bodies: u64,
    pub faults: Vec<String>,
}
pub(crate) fn verify(_s: &Store, _p: &mut dyn FnMut(u64, u64)) -> Result<Report> {
    todo!()
}
