//! When a box restarts into an update that is installed: `[update]`.

use super::{Fault, fault};
use serde::Deserialize;
use std::fmt;
use toml::Spanned;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Restart {
    #[default]
    AtOnce,
    /// From this hour of the office on, for an hour.
    Hour(u8),
}

impl Restart {
    /// "at-once" or "03:00"
    pub(crate) fn parse(text: &str) -> Option<Restart> {
        if text == "at-once" {
            return Some(Restart::AtOnce);
        }
        let hour = text.strip_suffix(":00").filter(|hour| hour.len() == 2)?;
        let hour = hour.bytes().all(|c| c.is_ascii_digit()).then(|| hour.parse().ok())??;
        (hour < 24).then_some(Restart::Hour(hour))
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtOnce => f.write_str("at-once"),
            Self::Hour(hour) => write!(f, "{hour:02}:00"),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenUpdate {
    when: Option<Spanned<String>>,
}

pub(super) fn restart(written: &WrittenUpdate) -> Result<Restart, Fault> {
    let Some(when) = &written.when else { return Ok(Restart::default()) };
    let text = when.get_ref();
    let why = || format!("{text:?} is neither \"at-once\" nor an hour such as \"03:00\"");
    Restart::parse(text).ok_or_else(|| fault(when, why()))
}

/// The section with words for the owner.
pub(super) fn print(restart: Restart) -> String {
    format!(
        "\n[update]\n\
         # When a box restarts into an update that is installed: \"at-once\", or in an hour of the \
         office,\n\
         # such as \"03:00\".\n\
         when = \"{restart}\"\n"
    )
}
