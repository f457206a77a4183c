//! What a system says of itself: `/etc/release.toml`, written by the image tool into every slot.

use semver::Version;
use serde::Deserialize;

pub(crate) const FILE: &str = "/etc/release.toml";
/// Whose updates it takes, beside it: `bundle::Keys::parse` reads it.
pub(crate) const KEYS: &str = "/etc/update-keys";

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Release {
    pub version: Version,
    pub board: String,
    #[serde(default)]
    pub kernel: String,
    #[serde(default)]
    pub epoch: u32,
    #[serde(default)]
    pub built: i64,
}

pub(crate) fn parse(octets: &[u8]) -> Result<Release, String> {
    let text = std::str::from_utf8(octets).map_err(|error| error.to_string())?;
    toml::from_str(text).map_err(|error| error.message().to_string())
}
