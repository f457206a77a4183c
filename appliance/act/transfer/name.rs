//! Mailbox names as names of files, and back.
//!
//! ```text
//! mbox      Lists/rust       <-> Lists/rust.mbox
//! Maildir++ Lists/rust.dev   <-> .Lists.rust%2Edev      modified UTF-7 beside that
//! ```
//!
//! `%25` is "%" and `%2E` is "." where the dot would mean something else.

use crate::wire::imap::utf7;

/// The path of a mailbox's mbox file below the folder of an export.
pub(super) fn to_mbox_path(mailbox: &str) -> std::path::PathBuf {
    let mut path = std::path::PathBuf::new();
    let mut levels = mailbox.split('/').peekable();
    while let Some(level) = levels.next() {
        let mut name = level.replace('%', "%25");
        if let Some(rest) = name.strip_prefix('.') {
            name = format!("%2E{rest}");
        }
        if let Some(rest) = name.strip_suffix(".mbox") {
            name = format!("{rest}%2Embox");
        }
        if levels.peek().is_none() {
            name.push_str(".mbox");
        }
        path.push(name);
    }
    path
}

/// A level of a mailbox's name from that of a file or folder.
pub(super) fn from_file(name: &str) -> String {
    let bare = name.strip_suffix(".mbox").or(name.strip_suffix(".sbd")).unwrap_or(name);
    unescape(bare)
}

/// The folder of a mailbox in a Maildir++; empty for INBOX.
pub(super) fn to_maildir(mailbox: &str) -> String {
    if mailbox == "INBOX" {
        return String::new();
    }
    let level = |level: &str| utf7::encode(&level.replace('%', "%25").replace('.', "%2E"));
    mailbox.split('/').map(|l| format!(".{}", level(l))).collect()
}

/// The levels of `.Lists.rust`; names that are no modified UTF-7 are taken as UTF-8.
pub(super) fn from_maildir(folder: &str) -> Vec<String> {
    let levels = folder.split('.').filter(|level| !level.is_empty());
    let decode = |level: &str| utf7::decode(level.as_bytes()).unwrap_or_else(|| level.to_string());
    levels.map(|level| unescape(&decode(level))).collect()
}

fn unescape(name: &str) -> String {
    name.replace("%2E", ".").replace("%25", "%")
}
