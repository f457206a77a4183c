//! Lists of addresses in header fields, as ENVELOPE wants them.
//!
//! ```text
//! list    = [entry] *("," [entry])
//! entry   = group / mailbox
//! group   = phrase ":" [mailbox *("," mailbox)] ";"
//! mailbox = [phrase] "<" [route ":"] addr-spec ">" / addr-spec       RFC 5322 3.4, 4.4
//! ```
//!
//! Nothing is refused: what has no "@" is a mailbox without a host.

use super::facts::EnvelopeAddress;
use super::value::Scanner;

/// Reads an unfolded list. `room` is called with the octets of each entry; when it says no, the
/// rest of the list is left out.
pub(crate) fn list(value: &[u8], room: &mut dyn FnMut(usize) -> bool) -> Vec<EnvelopeAddress> {
    let mut list = List { scan: Scanner::new(value), entries: Vec::new(), in_group: false, room };
    while list.scan.peek().is_some() && list.entry() {}
    if list.in_group {
        list.entries.push(EnvelopeAddress::default());
    }
    list.entries
}

struct List<'a, 'r> {
    scan: Scanner<'a>,
    entries: Vec<EnvelopeAddress>,
    in_group: bool,
    room: &'r mut dyn FnMut(usize) -> bool,
}

/// Words read so far, and what ended them.
#[derive(Default)]
struct Words {
    /// The words with one space wherever white space stood: a display name.
    phrase: Vec<u8>,
    /// The words without it: a local part or domain.
    joined: Vec<u8>,
}

impl List<'_, '_> {
    /// One entry with the octet that ends it; false when there is no room for more.
    fn entry(&mut self) -> bool {
        let words = self.words(b"<@:,;");
        match self.scan.next() {
            Some(b'<') => self.angle(words.phrase),
            Some(b'@') => {
                let domain = self.words(b"<,;");
                match self.scan.peek() {
                    // `a@b <c@d>`: the address without quotes is a name.
                    Some(b'<') => {
                        self.scan.next();
                        self.angle([words.joined, domain.joined].join(&b'@'))
                    }
                    _ => self.push(None, words.joined, domain.joined),
                }
            }
            Some(b':') if !self.in_group => self.begin_group(words.phrase),
            Some(b';') => self.bare(words) && self.end_group(),
            _ => self.bare(words),
        }
    }

    fn bare(&mut self, words: Words) -> bool {
        words.joined.is_empty() || self.push(None, words.joined, Vec::new())
    }

    fn begin_group(&mut self, name: Vec<u8>) -> bool {
        self.in_group = true;
        let ok = (self.room)(name.len());
        self.entries.push(EnvelopeAddress { name: None, mailbox: Some(name), host: None });
        ok
    }

    fn end_group(&mut self) -> bool {
        if std::mem::take(&mut self.in_group) {
            self.entries.push(EnvelopeAddress::default());
        }
        true
    }

    /// Behind `<`: the address, and what stands after `>` up to the end of the entry.
    fn angle(&mut self, name: Vec<u8>) -> bool {
        let mut local = self.words(b"@>:,");
        // RFC 5322 4.4: a route is read past.
        if local.joined.is_empty() && matches!(self.scan.peek(), Some(b'@' | b',')) {
            self.scan.until(|b| b == b':' || b == b'>');
            self.scan.eat(b':');
            local = self.words(b"@>");
        }
        let domain = if self.scan.eat(b'@') { self.words(b">").joined } else { Vec::new() };
        self.scan.until(|b| b == b'>');
        self.scan.eat(b'>');
        self.words(b",;");
        let closes = self.scan.peek() == Some(b';');
        self.scan.next();
        let name = Some(name).filter(|n| !n.is_empty());
        self.push(name, local.joined, domain) && (!closes || self.end_group())
    }

    fn push(&mut self, name: Option<Vec<u8>>, mailbox: Vec<u8>, host: Vec<u8>) -> bool {
        let octets = name.as_ref().map_or(0, Vec::len) + mailbox.len() + host.len();
        if !(self.room)(octets) {
            return false;
        }
        self.entries.push(EnvelopeAddress { name, mailbox: Some(mailbox), host: Some(host) });
        true
    }

    /// Words up to one of `ends` (not taken), quoting and comments undone.
    fn words(&mut self, ends: &[u8]) -> Words {
        let mut words = Words::default();
        loop {
            let space = self.scan.skip_space();
            let Some(next) = self.scan.peek().filter(|b| !ends.contains(b)) else {
                return words;
            };
            if space && !words.phrase.is_empty() {
                words.phrase.push(b' ');
            }
            let word = match next {
                b'"' => self.scan.quoted(),
                b'[' => self.literal(),
                _ => self.scan.until(|b| ends.contains(&b) || b" \t\r\n(\"[".contains(&b)).to_vec(),
            };
            words.phrase.extend_from_slice(&word);
            words.joined.extend(word);
        }
    }

    /// RFC 5322 3.4.1: a domain literal with its brackets.
    fn literal(&mut self) -> Vec<u8> {
        let mut word = self.scan.until(|b| b == b']').to_vec();
        if self.scan.eat(b']') {
            word.push(b']');
        }
        word
    }
}
