//! The pages on the LAN: who may what, forms, and each page as a story.

mod api;
mod backup;
mod calls;
mod certificate;
mod days;
mod guard;
mod import;
mod lan;
mod leaving;
mod letter;
mod log;
mod moving;
mod my;
mod network;
mod outside;
mod people;
mod reset;
mod restore;
mod rights;
mod security;
mod setup;
mod splice;
pub(crate) mod stage;
mod strangers;
mod update;
mod ways_in;
mod words;
