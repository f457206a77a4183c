//! Backup while running, restore, compact.
use super::*;
use std::path::Path;
pub(crate) fn backup(_s: &Store, _to: &Path, _p: &mut dyn FnMut(u64, u64)) -> Result<u64> {
    todo!()
}
pub(crate) fn restore(_f: &Path, _to: &Path, _r: bool) -> Result<()> {
    todo!()
}
pub(crate) fn compact(_s: &Store, _p: &mut dyn FnMut(u64, u64)) -> Result<(u64, u64)> {
    todo!()
}
