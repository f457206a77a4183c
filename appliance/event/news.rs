//! What is told of updates of the system.

use super::Level;
use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// One is installed and waits for the restart.
    Waits {
        what: String,
        /// As the settings say it.
        when: String,
    },
    Kept {
        version: String,
        from: String,
    },
    /// It was tried, and what ran before runs again.
    Back {
        version: String,
        from: String,
        why: String,
    },
    /// A file was not taken.
    Refused {
        file: String,
        why: String,
    },
}

impl News {
    pub(super) fn level(&self) -> Level {
        match self {
            Self::Waits { .. } | Self::Kept { .. } => Level::Info,
            Self::Back { .. } | Self::Refused { .. } => Level::Warn,
        }
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waits { what, when } => {
                write!(f, "{what} is installed; the box restarts into it: {when}")
            }
            Self::Kept { version, from } => {
                write!(f, "version {version} runs and is kept; before it was {from}")
            }
            Self::Back { version, from, why } => {
                write!(f, "version {version} was tried, and {from} runs again: {why}")
            }
            Self::Refused { file, why } => write!(f, "{file} is not installed: {why}"),
        }
    }
}
