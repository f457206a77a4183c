//! Google Takeout: one mbox file of everything, in which each message names its labels.
//!
//! ```text
//! X-Gmail-Labels: Inbox,Important,Opened,=?UTF-8?Q?Rechnungen_M=C3=A4rz?=,jobs/projects
//! ```
//!
//! A label of Gmail is a folder here, or a flag; a message with several stands in several, with one
//! body. What has none but those that say nothing goes to the archive.

use crate::message::headers;
use crate::store::mail::{FlagSet, Flags};

/// Where a message goes: the special use of a mailbox, or a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Inbox,
    Special(&'static str),
    Named(String),
}

/// `None`: it is not from there.
pub(super) fn placed(raw: &[u8]) -> Option<(Vec<Place>, FlagSet)> {
    let header = raw.get(..headers::header_len(raw)).unwrap_or_default();
    let field = headers::find(header, "X-Gmail-Labels")?;
    let text = headers::decode(field.value);
    let (mut places, mut flags) = (Vec::new(), Flags::SEEN.0);
    for label in labels(&text) {
        let place = match label.to_ascii_lowercase().as_str() {
            "inbox" => Place::Inbox,
            "sent" | "sent mail" => Place::Special("\\Sent"),
            "drafts" | "draft" => {
                flags |= Flags::DRAFT.0;
                Place::Special("\\Drafts")
            }
            "spam" => Place::Special("\\Junk"),
            "trash" | "bin" => Place::Special("\\Trash"),
            "unread" => {
                flags &= !Flags::SEEN.0;
                continue;
            }
            "starred" => {
                flags |= Flags::FLAGGED.0;
                continue;
            }
            // What Gmail thinks of it, and where it would be anyway.
            "important" | "opened" | "archived" | "chat" | "muted" | "snoozed" => continue,
            word if word.starts_with("category ") => continue,
            _ => Place::Named(label),
        };
        if !places.contains(&place) {
            places.push(place);
        }
    }
    if places.is_empty() {
        places.push(Place::Special("\\Archive"));
    }
    Some((places, FlagSet { flags: Flags(flags), keywords: Vec::new() }))
}

/// Parted by commas; one with a comma or a quote in it is quoted.
fn labels(text: &str) -> Vec<String> {
    let (mut all, mut label, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                label.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(std::mem::take(&mut label)),
            c => label.push(c),
        }
    }
    all.push(label);
    all.into_iter().map(|label| label.trim().to_string()).filter(|it| !it.is_empty()).collect()
}
