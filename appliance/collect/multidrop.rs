//! One mailbox for a whole domain, shared out: to whom was a letter sent?
//!
//! The envelope is gone; the servers of the provider have written down what it said:
//!
//! ```text
//! X-Original-To, Envelope-To, X-Envelope-To, Delivered-To,
//! X-Delivered-To, X-RcptTo, Apparently-To                the last server, on top of the message
//! Received: .. for <address>                             one of the two servers before
//! To, Cc, Resent-To, Resent-Cc                           the author: only where the owner believes
//! ```
//!
//! What stands below the first Received came with the message and may be anybody's word; the one
//! field that the owner names is believed wherever it stands first. To tells whom the author wrote
//! to, which for lists and Bcc is somebody else: it is never believed alone without being asked
//! for, and then it is told in the story.

use crate::limits::{MULTIDROP_HEADER_BYTES, MULTIDROP_RECIPIENTS};
use crate::message::headers::{self, Field};
use crate::message::people;
use crate::store::format::Multidrop;
use crate::wire::address::Address;

/// The fields of the last server, the most exact first.
const ENVELOPE: [&str; 7] = [
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "Delivered-To",
    "X-Delivered-To",
    "X-RcptTo",
    "Apparently-To",
];
const AUTHOR: [&str; 4] = ["Resent-To", "Resent-Cc", "To", "Cc"];
/// Received fields of the provider's own servers that are looked at.
const RECEIVED: usize = 2;

/// Whom a letter is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Shared {
    /// In the domain; none: it goes to the postmaster.
    pub to: Vec<Address>,
    /// By which field: for the story.
    pub by: String,
    /// Only the author says so.
    pub doubtful: bool,
}

impl Shared {
    /// For the story of the letter.
    pub(crate) fn words(&self) -> String {
        match (self.to.is_empty(), self.doubtful) {
            (true, _) => {
                "Nothing in the header tells for whom it is: it goes to the postmaster".to_string()
            }
            (false, false) => format!("Shared out by its field {}", self.by),
            (false, true) => format!(
                "Shared out by {} alone, which the author wrote: a list or a blind copy may have \
                 meant somebody else",
                self.by
            ),
        }
    }
}

/// `own` is the address of the mailbox itself, which tells of nobody.
pub(crate) fn shared(message: &[u8], own: &str, rule: &Multidrop) -> Shared {
    let header = message.get(..headers::header_len(message)).unwrap_or_default();
    let header = header.get(..MULTIDROP_HEADER_BYTES.min(header.len())).unwrap_or_default();
    let fields: Vec<Field<'_>> = headers::fields(header).collect();
    let look = Look { own, domain: &rule.domain };
    if !rule.field.is_empty() {
        let named = fields.iter().filter(|field| field.is(&rule.field));
        return look.first(named, &rule.field, is_author(&rule.field));
    }
    let first_hop = fields.iter().position(|field| field.is("Received")).unwrap_or(fields.len());
    let top = fields.get(..first_hop).unwrap_or_default();
    for name in ENVELOPE {
        let found = look.first(top.iter().filter(|field| field.is(name)), name, false);
        if !found.to.is_empty() {
            return found;
        }
    }
    for field in fields.iter().filter(|field| field.is("Received")).take(RECEIVED) {
        if let Some(to) = received_for(field.value).and_then(|to| look.wanted(&to)) {
            return Shared { to: vec![to], by: "Received".to_string(), doubtful: false };
        }
    }
    if rule.believe_to {
        let mut found = Shared { doubtful: true, ..Shared::default() };
        for name in AUTHOR {
            for field in fields.iter().filter(|field| field.is(name)) {
                look.add(field.value, &mut found.to);
            }
            if found.by.is_empty() && !found.to.is_empty() {
                found.by = name.to_string();
            }
        }
        if !found.to.is_empty() {
            return found;
        }
    }
    Shared::default()
}

fn is_author(field: &str) -> bool {
    AUTHOR.iter().any(|name| name.eq_ignore_ascii_case(field))
}

struct Look<'a> {
    own: &'a str,
    domain: &'a str,
}

impl Look<'_> {
    /// The first of these fields that names somebody of the domain.
    fn first<'f>(
        &self,
        fields: impl Iterator<Item = &'f Field<'f>>,
        name: &str,
        doubtful: bool,
    ) -> Shared {
        for field in fields {
            let mut to = Vec::new();
            self.add(field.value, &mut to);
            if !to.is_empty() {
                return Shared { to, by: name.to_string(), doubtful };
            }
        }
        Shared::default()
    }

    fn add(&self, value: &[u8], to: &mut Vec<Address>) {
        for entry in people::list(&headers::unfold(value), &mut |_| true) {
            let (Some(local), Some(host)) = (entry.mailbox, entry.host) else { continue };
            let text = |octets| String::from_utf8(octets).unwrap_or_default();
            let Ok(address) = Address::new(&text(local), &text(host)) else { continue };
            let new = self.wanted(&address.to_string());
            if let Some(new) = new.filter(|new| !to.contains(new))
                && to.len() < MULTIDROP_RECIPIENTS
            {
                to.push(new);
            }
        }
    }

    /// An address of the domain that is not the mailbox itself.
    fn wanted(&self, text: &str) -> Option<Address> {
        let address = Address::parse(text).ok()?;
        let ours = address.domain() == self.domain;
        (ours && !address.to_string().eq_ignore_ascii_case(self.own)).then_some(address)
    }
}

/// RFC 5321 4.4: `for` and one address, outside of comments and before the date.
fn received_for(value: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&headers::unfold(value)).into_owned();
    let (mut plain, mut depth) = (String::new(), 0_usize);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => break,
            c if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    let mut words = plain.split_whitespace();
    words.find(|word| word.eq_ignore_ascii_case("for"))?;
    let address = words.next()?;
    let address = address.strip_prefix('<').unwrap_or(address);
    Some(address.strip_suffix('>').unwrap_or(address).to_string())
}
