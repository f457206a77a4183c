//! Command lines out of a stream of bytes.
//!
//! A line ends in CRLF and nowhere else. What comes before a bare LF, or holds a bare CR or a NUL,
//! is no command: acting on it would let two servers disagree about where a command begins.

use crate::limits::{SASL_LINE_BYTES, SMTP_LINE_BYTES};
use std::fmt;

/// Why a line is no command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineError {
    TooLong { limit: usize },
    BareLf,
    BareCr,
    Nul,
    NotUtf8,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { limit } => write!(f, "the line is longer than {limit} octets"),
            Self::BareLf => f.write_str("the line ends in LF without CR"),
            Self::BareCr => f.write_str("the line holds a CR that does not end it"),
            Self::Nul => f.write_str("the line holds a NUL"),
            Self::NotUtf8 => f.write_str("the line is not UTF-8"),
        }
    }
}

/// Takes lines from the front of a buffer. Of a line that is too long nothing is kept.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Inside a line that is too long already: this was its limit.
    skipping: Option<usize>,
    /// Octets of the buffer known to hold no LF.
    seen: usize,
}

impl Lines {
    /// The next whole line without its CRLF; `None` until it is all there.
    pub(crate) fn next(&mut self, buffer: &mut Vec<u8>) -> Option<Result<String, LineError>> {
        let limit = self.skipping.unwrap_or_else(|| limit_of(buffer));
        let unseen = buffer.get(self.seen..).unwrap_or_default();
        let Some(at) = unseen.iter().position(|&b| b == b'\n').map(|at| at + self.seen) else {
            self.seen = buffer.len();
            if self.skipping.is_some() || buffer.len() > limit {
                self.skipping = Some(limit);
                self.seen = 0;
                buffer.clear();
            }
            return None;
        };
        self.seen = 0;
        let line: Vec<u8> = buffer.drain(..=at).collect();
        if self.skipping.take().is_some() || line.len() > limit {
            return Some(Err(LineError::TooLong { limit }));
        }
        Some(checked(line))
    }
}

fn limit_of(buffer: &[u8]) -> usize {
    // RFC 4954 4: an AUTH line may carry an initial response of 12288 octets
    match buffer.get(..5) {
        Some(verb) if verb.eq_ignore_ascii_case(b"AUTH ") => SASL_LINE_BYTES,
        _ => SMTP_LINE_BYTES,
    }
}

fn checked(mut line: Vec<u8>) -> Result<String, LineError> {
    // RFC 5321 2.3.8: lines end in CRLF; CR and LF stand nowhere else
    if !line.ends_with(b"\r\n") {
        return Err(LineError::BareLf);
    }
    line.truncate(line.len() - 2);
    if line.contains(&b'\r') {
        return Err(LineError::BareCr);
    }
    if line.contains(&0) {
        return Err(LineError::Nul);
    }
    String::from_utf8(line).map_err(|_| LineError::NotUtf8)
}
