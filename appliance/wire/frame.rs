//! Lines taken from the front of a buffer: the framing of SMTP, IMAP and POP3.
//!
//! ```text
//! line = *OCTET CRLF          at most `limit` octets with the CRLF
//! ```
//!
//! A line above its limit is thrown away up to its end while it comes, so that it holds no memory,
//! and is reported once, at its end; what follows it is in step again.

/// What ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Only CRLF; a line that ends with a bare LF is [`Line::BareLf`].
    Strict,
    /// CRLF or LF.
    Tolerant,
}

/// What the front of the buffer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// No whole line yet.
    Need,
    /// A line, without its end.
    Whole(Vec<u8>),
    /// A line above the limit came to its end.
    TooLong,
    /// A line that ends with LF alone where that is not allowed; it is gone from the buffer.
    BareLf,
}

/// Takes lines. Remembers how far it looked, so that a line that comes octet by octet costs no more
/// than one that comes at once.
#[derive(Debug, Clone)]
pub(crate) struct LineTaker {
    limit: usize,
    ending: Ending,
    looked: usize,
    skipping: bool,
}

impl LineTaker {
    /// `limit` counts the line with its end.
    pub(crate) fn new(limit: usize, ending: Ending) -> Self {
        Self { limit, ending, looked: 0, skipping: false }
    }

    /// Another limit from the next line on (a SASL response is longer than a command).
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes one line from the front of the buffer. Between two calls the buffer may only grow at
    /// its end; after anything else was taken from it, call [`LineTaker::restart`].
    pub(crate) fn take(&mut self, buffer: &mut Vec<u8>) -> Line {
        let from = self.looked.min(buffer.len());
        let Some(lf) = find(buffer.get(from..).unwrap_or_default(), b'\n').map(|i| from + i) else {
            return self.wait(buffer);
        };
        self.looked = 0;
        let long = std::mem::take(&mut self.skipping) || lf >= self.limit;
        if long {
            buffer.drain(..=lf);
            return Line::TooLong;
        }
        let mut line: Vec<u8> = buffer.drain(..=lf).collect();
        line.pop();
        let crlf = line.last() == Some(&b'\r');
        if crlf {
            line.pop();
        }
        if crlf || self.ending == Ending::Tolerant { Line::Whole(line) } else { Line::BareLf }
    }

    /// The buffer's front was changed by another hand (octets taken, TLS begun).
    pub(crate) fn restart(&mut self) {
        self.looked = 0;
        self.skipping = false;
    }

    fn wait(&mut self, buffer: &mut Vec<u8>) -> Line {
        if buffer.len() >= self.limit {
            self.skipping = true;
            buffer.clear();
        }
        self.looked = buffer.len();
        Line::Need
    }
}

fn find(octets: &[u8], wanted: u8) -> Option<usize> {
    octets.iter().position(|&b| b == wanted)
}
