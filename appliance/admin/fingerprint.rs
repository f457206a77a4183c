//! Six words of the key of the box's certificate, so that a person can compare it with what stands
//! on the screen of the box.

use crate::net::tls;
use std::path::Path;

/// 256 short words: one for each octet.
const WORDS: &str = include_str!("../../config/words/fingerprint.txt");

/// Of the certificate in the folder `DATA/tls`.
pub(crate) fn of(folder: &Path) -> Option<Vec<&'static str>> {
    tls::public_key_hash(folder).ok().map(|hash| words(&hash))
}

/// Of the first six octets: whoever wants another key with the same words makes some 10^14 keys.
pub(crate) fn words(hash: &[u8; 32]) -> Vec<&'static str> {
    let all: Vec<&'static str> = WORDS.split_ascii_whitespace().collect();
    hash.iter().take(6).filter_map(|octet| all.get(usize::from(*octet)).copied()).collect()
}
