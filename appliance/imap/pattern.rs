//! Patterns of LIST and LSUB: `*` is any text, `%` any text without the separator.
//!
//! ```text
//! a%/*b    the positions in the pattern that fit the name so far move on with each octet
//! ```
//!
//! Time grows with name times pattern, never faster, whatever wildcards a client sends.

use crate::wire::unicode::composed;

/// What may stand in one LIST command, in octets: longer than any name.
const PATTERN_BYTES: usize = 2 * crate::limits::MAILBOX_NAME_BYTES;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    octets: Vec<u8>,
}

impl Pattern {
    /// Reference and pattern stand together. `None`: too long to be of use.
    pub(crate) fn new(reference: &str, pattern: &str) -> Option<Pattern> {
        let mut octets: Vec<u8> = Vec::with_capacity(reference.len() + pattern.len());
        // RFC 9051 5.1: names are composed, so patterns are
        for octet in composed(&format!("{reference}{pattern}")).bytes() {
            // One wildcard says as much as many.
            match (octets.last(), octet) {
                (Some(b'*'), b'*' | b'%') | (Some(b'%'), b'%') => {}
                (Some(b'%'), b'*') => {
                    octets.pop();
                    octets.push(b'*');
                }
                _ => octets.push(octet),
            }
        }
        // RFC 9051 5.1: INBOX in any case
        let end = octets.iter().position(|b| *b == b'/').unwrap_or(octets.len());
        if let Some(first) = octets.get_mut(..end)
            && first.eq_ignore_ascii_case(b"inbox")
        {
            first.make_ascii_uppercase();
        }
        (octets.len() <= PATTERN_BYTES).then_some(Pattern { octets })
    }

    /// RFC 3501 6.3.8: with "%" at the end, levels that are no mailboxes are told too.
    pub(crate) fn ends_with_level(&self) -> bool {
        self.octets.last() == Some(&b'%')
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        let mut at = vec![false; self.octets.len() + 1];
        let mut next = at.clone();
        if let Some(first) = at.first_mut() {
            *first = true;
        }
        self.skip_wildcards(&mut at);
        for octet in name.bytes() {
            next.fill(false);
            let mut any = false;
            for (i, wanted) in
                self.octets.iter().enumerate().filter(|(i, _)| at.get(*i) == Some(&true))
            {
                let to = match wanted {
                    b'*' => i,
                    b'%' if octet != b'/' => i,
                    b'%' => continue,
                    plain if *plain == octet => i + 1,
                    _ => continue,
                };
                if let Some(slot) = next.get_mut(to) {
                    *slot = true;
                    any = true;
                }
            }
            if !any {
                return false;
            }
            self.skip_wildcards(&mut next);
            std::mem::swap(&mut at, &mut next);
        }
        at.last() == Some(&true)
    }

    /// A wildcard may also stand for nothing.
    fn skip_wildcards(&self, at: &mut [bool]) {
        for (i, wanted) in self.octets.iter().enumerate() {
            if matches!(wanted, b'*' | b'%')
                && at.get(i) == Some(&true)
                && let Some(slot) = at.get_mut(i + 1)
            {
                *slot = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        Pattern::new("", pattern).is_some_and(|p| p.matches(name))
    }

    #[test]
    fn wildcards_stop_where_they_should() {
        assert!(fits("*", "a/b/c") && fits("%", "a") && !fits("%", "a/b") && fits("%/%", "a/b"));
        assert!(fits("a*b%c", "axxb/bc") && !fits("a%c", "a/c") && fits("iNbOx", "INBOX"));
        assert!(fits("inbox/%", "INBOX/x") && !fits("", "x") && fits("foo%", "foo"));
        assert!(fits("*%", "a/b") && fits("%*", "a/b") && fits("a*", "a"));
    }

    #[test]
    fn many_wildcards_cost_no_more_than_their_length() {
        let name = "a".repeat(1_000);
        assert!(!fits(&"*a%".repeat(300), &format!("{name}/b")[..1_001]));
        assert!(Pattern::new("", &"ab".repeat(1_001)).is_none());
    }
}
