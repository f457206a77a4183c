//! Which folder becomes which mailbox, for the folders of many providers.

use crate::collect::imap::folders::{Folder, plan};
use crate::collect::imap::sets;
use crate::wire::imap::heard::{Came, Listed, Receiver, Response};

const OURS: [(&str, &str); 5] = [
    ("\\Sent", "Sent"),
    ("\\Drafts", "Drafts"),
    ("\\Junk", "Junk"),
    ("\\Trash", "Bin"),
    ("\\Archive", "Archive"),
];

fn listed(lines: &str) -> Vec<Listed> {
    let mut input: Vec<u8> = lines.lines().map(|it| format!("{it}\r\n")).collect::<String>().into();
    let mut receiver = Receiver::default();
    let mut found = Vec::new();
    while let Came::Response(response) = receiver.next(&mut input) {
        match *response {
            Response::List(one) => found.push(one),
            other => panic!("{other:?}"),
        }
    }
    found
}

fn planned(lines: &str, above: Option<&str>, gmail: bool) -> Vec<Folder> {
    let ours: Vec<_> = OURS.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    let (folders, left) = plan(&listed(lines), &ours, above, gmail);
    assert!(left.is_empty(), "{left:?}");
    folders
}

fn mapped(lines: &str) -> Vec<(String, String)> {
    planned(lines, None, false).into_iter().map(|it| (it.text, it.mailbox)).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
}

#[test]
fn special_folders_become_ours() {
    // RFC 6154 5.1: as Dovecot lists them
    let lines = "* LIST (\\HasNoChildren) \"/\" INBOX\n\
                 * LIST (\\HasNoChildren \\Sent) \"/\" \"Gesendete Objekte\"\n\
                 * LIST () \"/\" \"Gesendete Objekte/2019\"\n\
                 * LIST (\\Trash) \"/\" Papierkorb\n\
                 * LIST (\\Noselect) \"/\" Projekte\n\
                 * LIST () \"/\" \"Projekte/A & B\"\n\
                 * LIST (\\Flagged) \"/\" Wichtig\n\
                 * LIST (\\All) \"/\" Alles\n\
                 * LIST () \"/\" Sent";
    let expected = [
        ("INBOX", "INBOX"),
        ("Papierkorb", "Bin"),
        ("Projekte/A & B", "Projekte/A & B"),
        ("Gesendete Objekte", "Sent"),
        ("Sent", "Sent"),
        ("Gesendete Objekte/2019", "Sent/2019"),
    ];
    assert_eq!(mapped(lines), pairs(&expected), "two that are the same here are one mailbox");
}

#[test]
fn names_tell_where_attributes_do_not() {
    let lines = "* LIST () \"/\" INBOX\n\
                 * LIST () \"/\" \"&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-\"\n\
                 * LIST () \"/\" Spam\n\
                 * LIST () \"/\" \"Sent Items\"\n\
                 * LIST () \"/\" \"Work/Trash\"";
    let expected = [
        ("INBOX", "INBOX"),
        ("Spam", "Junk"),
        ("Отправленные", "Sent"),
        ("Sent Items", "Sent Items"),
        ("Work/Trash", "Work/Trash"),
    ];
    assert_eq!(mapped(lines), pairs(&expected), "each use once, at the top alone");
}

#[test]
fn a_prefix_of_all_is_none_of_ours() {
    let lines = "* LIST (\\HasChildren) \".\" INBOX\n\
                 * LIST (\\HasNoChildren) \".\" INBOX.Sent\n\
                 * LIST () \".\" INBOX.Lists.rust\n\
                 * LIST () \".\" \"INBOX.a/b\"\n\
                 * LIST () \".\" INBOX.work\n\
                 * LIST () \".\" INBOX.Work";
    let expected = [
        ("INBOX", "INBOX"),
        ("INBOX.Lists.rust", "Lists/rust"),
        ("INBOX.Sent", "Sent"),
        ("INBOX.Work", "Work"),
        ("INBOX.a/b", "a_b"),
        ("INBOX.work", "work"),
    ];
    assert_eq!(mapped(lines), pairs(&expected));
    // Where others stand beside INBOX, what is below it is below ours.
    let beside = "* LIST () \"/\" INBOX\n* LIST () \"/\" INBOX/x\n* LIST () \"/\" y";
    assert_eq!(mapped(beside), pairs(&[("INBOX", "INBOX"), ("INBOX/x", "INBOX/x"), ("y", "y")]));
}

#[test]
fn names_that_cannot_be_are_told() {
    let long = format!("* LIST () \"/\" INBOX\n* LIST () \"/\" \"{}\"", "x".repeat(1_001));
    let (folders, left) = plan(&listed(&long), &[], None, false);
    assert_eq!((folders.len(), left.len()), (1, 1));
    assert!(left[0].1.contains("too long"), "{left:?}");
    let broken = "* LIST () \"/\" \"R&D/&Jjo!\"\n* LIST () NIL \"a/b\"";
    assert_eq!(mapped(broken), pairs(&[("R&D/&Jjo!", "R&D/&Jjo!"), ("a/b", "a_b")]));
}

#[test]
fn all_may_stand_below_one() {
    let lines = "* LIST () \".\" INBOX\n* LIST (\\Sent) \".\" INBOX.Sent";
    let found: Vec<_> =
        planned(lines, Some("Old"), false).into_iter().map(|it| it.mailbox).collect();
    assert_eq!(found, ["Old/INBOX", "Old/INBOX/Sent"]);
}

#[test]
fn of_gmail_all_mail_is_read_and_labels_are_made() {
    // developers.google.com/workspace/gmail/imap/imap-extensions, special-use of its LIST
    let lines = "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\n\
                 * LIST (\\HasChildren \\Noselect) \"/\" \"[Gmail]\"\n\
                 * LIST (\\All \\HasNoChildren) \"/\" \"[Gmail]/All Mail\"\n\
                 * LIST (\\Drafts \\HasNoChildren) \"/\" \"[Gmail]/Drafts\"\n\
                 * LIST (\\HasNoChildren \\Important) \"/\" \"[Gmail]/Important\"\n\
                 * LIST (\\HasNoChildren \\Sent) \"/\" \"[Gmail]/Sent Mail\"\n\
                 * LIST (\\HasNoChildren \\Junk) \"/\" \"[Gmail]/Spam\"\n\
                 * LIST (\\Flagged \\HasNoChildren) \"/\" \"[Gmail]/Starred\"\n\
                 * LIST (\\HasNoChildren \\Trash) \"/\" \"[Gmail]/Trash\"\n\
                 * LIST (\\HasNoChildren) \"/\" \"Muy Importante\"";
    let found = planned(lines, None, true);
    let mail: Vec<_> = found.iter().filter(|it| it.has_mail).map(|it| &*it.mailbox).collect();
    assert_eq!(mail, ["Archive", "Bin", "Junk"]);
    let made: Vec<_> = found.iter().filter(|it| !it.has_mail).map(|it| &*it.mailbox).collect();
    assert_eq!(made, ["INBOX", "Drafts", "Muy Importante", "Sent"]);
    assert!(found.iter().all(|it| it.is_all == (it.mailbox == "Archive")));
    // XLIST, before RFC 6154.
    let old = "* XLIST (\\Inbox) \"/\" INBOX\n* XLIST (\\AllMail) \"/\" \"[G]/Alle\"\n\
               * XLIST (\\Spam) \"/\" \"[G]/Werbung\"\n* XLIST (\\Starred) \"/\" \"[G]/*\"";
    let found: Vec<_> = planned(old, None, true).into_iter().map(|it| it.mailbox).collect();
    assert_eq!(found, ["INBOX", "Archive", "Junk"]);
}

#[test]
fn sets_are_short_and_lose_nobody() {
    assert_eq!(sets(&[], 10, 100), []);
    let uids: Vec<u32> = (1..=5).chain([7, 9, 10]).chain(4_000_000_000..4_000_000_003).collect();
    let whole = sets(&uids, 100, 1_000);
    assert_eq!(whole, [("1:5,7,9:10,4000000000:4000000002".to_string(), uids.clone())]);
    let some: Vec<(String, Vec<u32>)> = sets(&uids, 3, 1_000);
    let texts: Vec<&str> = some.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["1:3", "4:5,7", "9:10,4000000000", "4000000001:4000000002"]);
    let sparse: Vec<u32> = (1..5_000).map(|n| n * 3).collect();
    let cut = sets(&sparse, 500, 1_000);
    assert!(cut.iter().all(|(text, uids)| text.len() < 1_020 && uids.len() <= 500));
    let all: Vec<u32> = cut.into_iter().flat_map(|(_, uids)| uids).collect();
    assert_eq!(all, sparse);
}
