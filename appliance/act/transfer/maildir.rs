//! The Maildir format: one file for each message, its flags in the file's name.
//!
//! ```text
//! file  = unique [":2," *(flag / keyword)]
//! flag  = "D" draft / "F" flagged / "P" passed on / "R" answered / "S" seen / "T" trashed
//! keyword = "a".."z", the place of its line in the file dovecot-keywords
//! ```

use crate::store::mail::{FlagSet, Flags};
use std::path::Path;

const FLAGS: [(char, Flags); 5] = [
    ('D', Flags::DRAFT),
    ('F', Flags::FLAGGED),
    ('R', Flags::ANSWERED),
    ('S', Flags::SEEN),
    ('T', Flags::DELETED),
];
/// RFC 5788: what "P" is called in IMAP.
const PASSED: &str = "$Forwarded";
const KEYWORDS: &str = "dovecot-keywords";

/// Keywords of a folder by letter.
#[derive(Debug, Default)]
pub(super) struct Keywords {
    names: Vec<String>,
}

impl Keywords {
    /// Those of an existing folder; none when it has no such file.
    pub(super) fn read(folder: &Path) -> Self {
        let text = std::fs::read(folder.join(KEYWORDS)).unwrap_or_default();
        let mut names = vec![String::new(); 26];
        for line in String::from_utf8_lossy(&text).lines() {
            let Some((place, name)) = line.split_once(' ') else { continue };
            let slot = place.parse().ok().and_then(|place: usize| names.get_mut(place));
            if let Some(slot) = slot {
                *slot = name.trim().to_string();
            }
        }
        Self { names }
    }

    pub(super) fn write(&self, folder: &Path) -> std::io::Result<()> {
        if self.names.is_empty() {
            return Ok(());
        }
        let lines = self.names.iter().enumerate().map(|(i, name)| format!("{i} {name}\n"));
        std::fs::write(folder.join(KEYWORDS), lines.collect::<String>())
    }

    /// The letter of a keyword; `None` when all 26 are given away.
    fn letter(&mut self, keyword: &str) -> Option<char> {
        let place = match self.names.iter().position(|n| n.eq_ignore_ascii_case(keyword)) {
            Some(place) => place,
            None if self.names.len() < 26 => {
                self.names.push(keyword.to_string());
                self.names.len() - 1
            }
            None => return None,
        };
        char::from_u32('a' as u32 + place as u32)
    }

    /// The flags of a file in cur/.
    pub(super) fn flags(&self, file: &str) -> FlagSet {
        let info = file.rsplit_once([':', ';', '!']).and_then(|(_, info)| info.strip_prefix("2,"));
        let mut set = FlagSet::default();
        for letter in info.unwrap_or_default().chars() {
            if let Some((_, flag)) = FLAGS.iter().find(|(l, _)| *l == letter) {
                set.flags.0 |= flag.0;
            } else if letter == 'P' {
                set.keywords.push(PASSED.to_string());
            } else if letter.is_ascii_lowercase() {
                let name = self.names.get((letter as usize) - ('a' as usize));
                set.keywords.extend(name.filter(|n| !n.is_empty()).cloned());
            }
        }
        set
    }

    /// What stands behind ":2," for these flags, in the order of the alphabet.
    pub(super) fn letters(&mut self, set: &FlagSet) -> String {
        let mut letters: Vec<char> =
            FLAGS.iter().filter(|(_, flag)| set.flags.has(*flag)).map(|(l, _)| *l).collect();
        for keyword in &set.keywords {
            if keyword.eq_ignore_ascii_case(PASSED) {
                letters.push('P');
            } else {
                letters.extend(self.letter(keyword));
            }
        }
        letters.sort_unstable();
        letters.into_iter().collect()
    }
}

/// Is this folder a Maildir?
pub(super) fn is_maildir(folder: &Path) -> bool {
    folder.join("cur").is_dir() || folder.join("new").is_dir()
}
