//! Command lines out of a stream of bytes.
//!
//! A line ends in CRLF and nowhere else. What comes before a bare LF, or holds a bare CR or a NUL,
//! is no command: acting on it would let two servers disagree about where a command begins.

use crate::limits::{SASL_LINE_BYTES, SMTP_LINE_BYTES};
use crate::wire::frame::{Ending, Line, LineTaker};
use std::fmt;

/// Why a line is no command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineError {
    TooLong,
    BareLf,
    BareCr,
    Nul,
    NotUtf8,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "The line is longer than {SMTP_LINE_BYTES} octets"),
            Self::BareLf => f.write_str("The line ends in LF without CR"),
            Self::BareCr => f.write_str("The line holds a CR that does not end it"),
            Self::Nul => f.write_str("The line holds a NUL"),
            Self::NotUtf8 => f.write_str("The line is not UTF-8"),
        }
    }
}

/// Takes lines from the front of a buffer. Of a line that is too long nothing is kept.
#[derive(Debug)]
pub(crate) struct Lines(LineTaker);

impl Lines {
    pub(crate) fn new() -> Self {
        Self(LineTaker::new(SMTP_LINE_BYTES, Ending::Strict))
    }

    /// The next whole line without its CRLF; `None` until it is all there.
    pub(crate) fn next(&mut self, buffer: &mut Vec<u8>) -> Option<Result<String, LineError>> {
        self.take(limit_of(buffer), buffer)
    }

    /// The same for a response to a challenge. RFC 4954 4: they may be long
    pub(crate) fn next_response(
        &mut self,
        buffer: &mut Vec<u8>,
    ) -> Option<Result<String, LineError>> {
        self.take(SASL_LINE_BYTES, buffer)
    }

    fn take(&mut self, limit: usize, buffer: &mut Vec<u8>) -> Option<Result<String, LineError>> {
        self.0.set_limit(limit);
        match self.0.take(buffer) {
            Line::Need => None,
            Line::Whole(line) => Some(checked(line)),
            Line::TooLong => Some(Err(LineError::TooLong)),
            Line::BareLf => Some(Err(LineError::BareLf)),
        }
    }
}

fn limit_of(buffer: &[u8]) -> usize {
    // RFC 4954 4: an AUTH line may carry an initial response of 12288 octets
    match buffer.get(..5) {
        Some(verb) if verb.eq_ignore_ascii_case(b"AUTH ") => SASL_LINE_BYTES,
        _ => SMTP_LINE_BYTES,
    }
}

/// RFC 5321 2.3.8: CR and LF stand at the end of a line and nowhere else.
fn checked(line: Vec<u8>) -> Result<String, LineError> {
    if line.contains(&b'\r') {
        return Err(LineError::BareCr);
    }
    if line.contains(&0) {
        return Err(LineError::Nul);
    }
    String::from_utf8(line).map_err(|_| LineError::NotUtf8)
}
