use serde::{Deserialize, Serialize};
use std::path::PathBuf;
#[derive(Debug, Clone, Serialize, Deserialize, clap::Args)]
pub(crate) struct Import {
    pub account: String,
    pub from: PathBuf,
}
#[derive(Debug, Clone, Serialize, Deserialize, clap::Args)]
pub(crate) struct Export {
    pub account: String,
    pub to: PathBuf,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Imported {
    pub messages: u64,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exported {
    pub messages: u64,
}
impl std::fmt::Display for Imported {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
impl std::fmt::Display for Exported {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
use crate::store::Store;
pub(crate) fn import(
    _: &Store,
    _: &Import,
    _: &mut dyn FnMut(u64, u64),
) -> Result<Imported, String> {
    todo!()
}
pub(crate) fn export(
    _: &Store,
    _: &Export,
    _: &mut dyn FnMut(u64, u64),
) -> Result<Exported, String> {
    todo!()
}
