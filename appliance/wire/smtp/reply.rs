//! Replies: a code, an enhanced code where it has one, and text; printed here and nowhere else.
//!
//! ```text
//! Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
//!                                                                          RFC 5321 4.2
//! textstring = [ class "." subject "." detail SP ] text                    RFC 2034 4
//! ```

use std::fmt;

/// RFC 5321 4.5.3.1.5: a reply line has at most 512 octets.
const LINE_BYTES: usize = 512;

/// An enhanced status code (RFC 3463): class, subject, detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Enhanced(pub(crate) u8, pub(crate) u16, pub(crate) u16);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub code: u16,
    /// Every line carries it. Greeting, EHLO and 3yz replies have none.
    pub enhanced: Option<Enhanced>,
    /// At least one, each without line end.
    pub lines: Vec<String>,
}

impl Reply {
    /// A reply of one line with the enhanced code `class.subject.detail`; the class is the code's.
    pub(crate) fn new(code: u16, subject: u16, detail: u16, text: impl Into<String>) -> Self {
        // RFC 3463 2: the classes are 2, 4 and 5, those of the reply codes
        let class = u8::try_from(code / 100).unwrap_or(5);
        Self { code, enhanced: Some(Enhanced(class, subject, detail)), lines: vec![text.into()] }
    }

    /// A reply without an enhanced code.
    pub(crate) fn plain(code: u16, lines: Vec<String>) -> Self {
        Self { code, enhanced: None, lines }
    }

    /// Has the thing been done, or is being done?
    pub(crate) fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Would the same command work later? RFC 5321 4.2.1
    pub(crate) fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// Appends the reply without cutting its lines: a challenge is as long as it is. RFC 4954 4
    pub(crate) fn print_long(&self, out: &mut Vec<u8>) {
        for text in &self.lines {
            out.extend_from_slice(format!("{} {text}\r\n", self.code).as_bytes());
        }
    }

    /// Appends the reply as it goes over the wire.
    pub(crate) fn print(&self, out: &mut Vec<u8>) {
        let last = self.lines.len().saturating_sub(1);
        if self.lines.is_empty() {
            out.extend_from_slice(format!("{}\r\n", self.code).as_bytes());
        }
        for (at, text) in self.lines.iter().enumerate() {
            let between = if at == last { ' ' } else { '-' };
            let mut line = format!("{}{between}", self.code);
            if let Some(Enhanced(class, subject, detail)) = self.enhanced {
                line.push_str(&format!("{class}.{subject}.{detail} "));
            }
            // RFC 5321 4.2: the text is printable ASCII; what a peer sent may be in it
            let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
            line.extend(text.chars().map(printable));
            line.truncate(LINE_BYTES - 2);
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// On one line, for traces and logs.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(Enhanced(class, subject, detail)) = self.enhanced {
            write!(f, " {class}.{subject}.{detail}")?;
        }
        self.lines.iter().try_for_each(|line| write!(f, " {line}"))
    }
}
