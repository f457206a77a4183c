//! A message as DATA carries it: a dot in front of each line that begins with one, and at the end
//! CRLF "." CRLF. RFC 5321 4.5.2
//!
//! A CR or LF alone leaves as CRLF: a server that takes it for a line's end must not find the end
//! of DATA where we saw text.

/// How far a message has gone out.
#[derive(Debug, Default)]
pub(crate) struct Dots {
    at: usize,
    /// The last octet that went out was of this kind.
    after: After,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum After {
    #[default]
    LineEnd,
    Cr,
    Text,
}

impl Dots {
    /// Appends at least the next `octets` of the message, or all that is left and its end. `true`
    /// when that is done.
    pub(crate) fn print(&mut self, message: &[u8], octets: usize, out: &mut Vec<u8>) -> bool {
        let rest = message.get(self.at..).unwrap_or_default();
        let piece = rest.get(..octets.min(rest.len())).unwrap_or_default();
        out.reserve(piece.len() + piece.len() / 32);
        for &octet in piece {
            self.octet(octet, out);
        }
        self.at += piece.len();
        if self.at < message.len() {
            return false;
        }
        match self.after {
            After::LineEnd => out.extend_from_slice(b".\r\n"),
            After::Cr => out.extend_from_slice(b"\n.\r\n"),
            After::Text => out.extend_from_slice(b"\r\n.\r\n"),
        }
        true
    }

    fn octet(&mut self, octet: u8, out: &mut Vec<u8>) {
        self.after = match (self.after, octet) {
            (After::Cr, b'\n') => {
                out.push(b'\n');
                After::LineEnd
            }
            (After::Cr, _) => {
                out.push(b'\n');
                self.after = After::LineEnd;
                return self.octet(octet, out);
            }
            (_, b'\r') => {
                out.push(b'\r');
                After::Cr
            }
            (_, b'\n') => {
                out.extend_from_slice(b"\r\n");
                After::LineEnd
            }
            (after, octet) => {
                if after == After::LineEnd && octet == b'.' {
                    out.push(b'.');
                }
                out.push(octet);
                After::Text
            }
        };
    }
}
