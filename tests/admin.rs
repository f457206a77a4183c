//! The pages on the LAN: who may what, forms, and each page as a story.

mod days;
mod guard;
mod lan;
mod leaving;
mod my;
mod people;
mod security;
mod setup;
mod splice;
pub(crate) mod stage;
mod strangers;
mod ways_in;
mod words;
