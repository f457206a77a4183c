//! Labels of Gmail (its IMAP extensions, X-GM-LABELS): one message stands in many folders. It is
//! read once, from the folder of all messages, and each label is a row of it in a mailbox.

use super::folders::Folder;
use crate::store::MailboxId;
use crate::wire::imap::heard::Name;
use std::collections::HashMap;

/// Where the messages of the folder of all go.
#[derive(Debug, Clone, Default)]
pub(super) struct Labels {
    /// By the label as Gmail writes it.
    mailboxes: HashMap<Name, MailboxId>,
    /// By the special use of the folder.
    uses: HashMap<&'static str, MailboxId>,
    inbox: Option<MailboxId>,
}

/// What the labels of one message come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Placed {
    /// Each once; empty: it has no label, and goes where the mail of its folder goes.
    pub mailboxes: Vec<MailboxId>,
    pub starred: bool,
    /// Labels without a mailbox: made since the folders were listed.
    pub unknown: Vec<Name>,
}

impl Labels {
    pub(super) fn add(&mut self, folder: &Folder, mailbox: MailboxId) {
        if folder.name.is_inbox() {
            self.inbox = Some(mailbox);
        }
        if !folder.special_use.is_empty() {
            self.uses.insert(folder.special_use, mailbox);
        }
        if !folder.is_all {
            self.mailboxes.insert(folder.name.clone(), mailbox);
        }
    }

    /// A label that came to be known.
    pub(super) fn learn(&mut self, label: Name, mailbox: MailboxId) {
        self.mailboxes.insert(label, mailbox);
    }

    pub(super) fn place(&self, labels: &[Name]) -> Placed {
        let mut placed = Placed::default();
        for label in labels {
            let known = match label.0.as_slice() {
                b"\\Inbox" => self.inbox,
                b"\\Sent" => self.uses.get("\\Sent").copied(),
                b"\\Draft" | b"\\Drafts" => self.uses.get("\\Drafts").copied(),
                b"\\Starred" => {
                    placed.starred = true;
                    None
                }
                // \Important, \Muted, \Chats: what Gmail thinks of it.
                [b'\\', ..] => None,
                _ => match self.mailboxes.get(label) {
                    Some(mailbox) => Some(*mailbox),
                    None => {
                        placed.unknown.push(label.clone());
                        None
                    }
                },
            };
            if let Some(mailbox) = known
                && !placed.mailboxes.contains(&mailbox)
            {
                placed.mailboxes.push(mailbox);
            }
        }
        placed
    }
}
