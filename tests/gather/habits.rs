//! Large providers, with the habits that they tell of or are known for.

use super::import::{here, run, run_as, subjects};
use super::toy::{Folder, Habit, Message, Toy, folder, message};
use crate::tests::store::Office;

fn with(name: &str, attributes: &str, subject: &str) -> Folder {
    let messages = vec![message(7, subject)];
    Folder { attributes: attributes.to_string(), ..folder(name, messages) }
}

/// Its capabilities once logged in, its folders and their attributes, and what it says when more
/// is read than it allows (2,500 MB in a day).
/// <https://developers.google.com/workspace/gmail/imap/imap-extensions>
/// <https://support.google.com/a/answer/1071518>
#[test]
fn gmail_tells_labels_and_closes_for_a_while() {
    let mut all = with("[Gmail]/All Mail", "\\HasNoChildren \\All", "kept");
    let labels = ["\"\\\\Inbox\" \"\\\\Important\"", "Receipts \"Muy Importante\"", ""];
    let labelled = |(at, labels): (u32, &str)| {
        let labels = labels.to_string();
        Message { labels, ..message(at + 1, &format!("letter {at}")) }
    };
    all.messages = (0u32..).zip(labels).map(labelled).collect();
    let toy = Toy::new(vec![
        with("INBOX", "\\HasNoChildren", "letter 0"),
        with("[Gmail]", "\\HasChildren \\Noselect", "never"),
        all,
        with("[Gmail]/Drafts", "\\Drafts \\HasNoChildren", "never"),
        with("[Gmail]/Important", "\\HasNoChildren \\Important", "letter 0"),
        with("[Gmail]/Sent Mail", "\\HasNoChildren \\Sent", "never"),
        with("[Gmail]/Spam", "\\HasNoChildren \\Junk", "spam"),
        with("[Gmail]/Starred", "\\Flagged \\HasNoChildren", "never"),
        with("[Gmail]/Trash", "\\HasNoChildren \\Trash", "bin"),
        with("Muy Importante", "\\HasNoChildren", "letter 1"),
        with("Receipts", "\\HasNoChildren", "letter 1"),
    ]);
    toy.state().capabilities = "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN \
                                X-GM-EXT-1 UIDPLUS COMPRESS=DEFLATE ENABLE MOVE CONDSTORE ESEARCH \
                                UTF8=ACCEPT LIST-EXTENDED LIST-STATUS LITERAL- SPECIAL-USE \
                                APPENDLIMIT=35651584 SASL-IR AUTH=PLAIN AUTH=XOAUTH2"
        .to_string();
    let mut closed = 2;
    toy.does(move |command| match command.contains("BODY") && closed > 0 {
        true => {
            closed -= 1;
            Habit::Says("NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)")
        }
        false => Habit::Usual,
    });
    let office = Office::new();
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.broken, report.skipped_count), (5, 2, 0), "{report:?}");
    for (mailbox, expected) in [
        ("INBOX", "letter 0"),
        ("Receipts", "letter 1"),
        ("Muy Importante", "letter 1"),
        ("Archive", "letter 2"),
        ("Junk", "spam"),
        ("Trash", "bin"),
    ] {
        assert_eq!(subjects(&office, mailbox), [expected], "{mailbox}");
    }
    assert_eq!(here(&office).len(), 6);
    let said = &toy.state().said;
    assert!(said.contains(&"ID (\"name\" \"Mailroom\")".to_string()), "as it asks of programs");
    assert!(said.contains(&"LIST \"\" \"*\" RETURN (SPECIAL-USE)".to_string()));
}

/// Its capabilities, its refusal and "|" between levels, as programs that were shown them report.
/// <https://github.com/Foundry376/Mailspring/issues/2111>
/// <https://yandex.com/support/mail/mail-clients/others.html>
#[test]
fn yandex_has_neither_sasl_ir_nor_esearch_and_says_where_imap_is_switched_on() {
    let toy = Toy::new(vec![
        with("INBOX", "\\Unmarked \\NoInferiors", "in"),
        with("Drafts", "\\HasNoChildren \\Unmarked \\Drafts", "draft"),
        with("Sent", "\\HasNoChildren \\Unmarked \\Sent", "sent"),
        with("Spam", "\\HasNoChildren \\Unmarked \\Junk", "spam"),
        with("&BB8EQAQ+BDUEOgRCBEs-|A/B", "\\HasNoChildren \\Unmarked", "project"),
    ]);
    {
        let mut state = toy.state();
        state.capabilities = "IMAP4rev1 CHILDREN UNSELECT LITERAL+ NAMESPACE XLIST BINARY UIDPLUS \
                              ENABLE ID AUTH=PLAIN AUTH=XOAUTH2 IDLE MOVE"
            .to_string();
        state.delimiter = '|';
    }
    let office = Office::new();
    assert_eq!(run(&office, &toy).messages, 5);
    assert_eq!(run(&office, &toy).messages, 0);
    let expected = [
        ("INBOX", "in"),
        ("Drafts", "draft"),
        ("Sent", "sent"),
        ("Junk", "spam"),
        ("Проекты/A_B", "project"),
    ];
    for (mailbox, subject) in expected {
        assert_eq!(subjects(&office, mailbox), [subject], "{mailbox}");
    }
    let said = toy.state().said.clone();
    assert!(said.contains(&"AUTHENTICATE PLAIN".to_string()), "{said:?}");
    assert!(said.contains(&"UID FETCH 1:* (UID)".to_string()), "{said:?}");
    assert!(said.contains(&"XLIST \"\" \"*\"".to_string()), "{said:?}");
    toy.does(|command| match command.starts_with("AUTHENTICATE") {
        true => Habit::Says(
            "NO [AUTHENTICATIONFAILED] LOGIN invalid credentials or IMAP is disabled sc=cYXlpv73",
        ),
        false => Habit::Usual,
    });
    let connections = toy.state().connections;
    let why = run_as(&office, super::import::ask(&toy)).0.expect_err("refused");
    assert!(why.contains("IMAP is disabled"), "the person reads its words: {why}");
    assert_eq!(toy.state().connections, connections + 1, "and it is not tried again");
}

/// Mailboxes of Mail.ru have no special uses for those with names of its own, and programs need a
/// password of their own. <https://help.mail.ru/mail/mailer/popsmtp>
#[test]
fn mail_ru_wants_a_password_for_the_program_and_names_folders_in_russian() {
    let toy = Toy::new(vec![
        with("INBOX", "\\Inbox", "in"),
        with("&BCcENQRABD0EPgQyBDgEOgQ4-", "", "draft"),
        with("&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-", "", "sent"),
        with("&BCEEPwQwBDw-", "", "spam"),
        with("&BBoEPgRABDcEOAQ9BDA-", "", "bin"),
    ]);
    toy.state().capabilities = "IMAP4rev1 ID XLIST UIDPLUS UNSELECT AUTH=PLAIN".to_string();
    let office = Office::new();
    assert_eq!(run(&office, &toy).messages, 5);
    for (mailbox, subject) in
        [("INBOX", "in"), ("Drafts", "draft"), ("Sent", "sent"), ("Junk", "spam"), ("Trash", "bin")]
    {
        assert_eq!(subjects(&office, mailbox), [subject], "{mailbox}");
    }
    toy.does(|command| match command.starts_with("AUTHENTICATE") {
        true => Habit::Says("NO [AUTHENTICATIONFAILED] Application password is REQUIRED"),
        false => Habit::Usual,
    });
    let why = run_as(&office, super::import::ask(&toy)).0.expect_err("refused");
    assert!(why.contains("Application password is REQUIRED"), "{why}");
}

/// Yahoo writes INBOX in small letters and calls its folders as it likes.
/// <https://github.com/jstedfast/MailKit/issues/242>
#[test]
fn yahoo_writes_inbox_as_it_likes() {
    let toy = Toy::new(vec![
        with("Inbox", "\\HasNoChildren", "in"),
        with("Bulk Mail", "\\HasNoChildren", "spam"),
        with("Draft", "\\HasNoChildren", "draft"),
    ]);
    toy.state().capabilities =
        "IMAP4rev1 ID NAMESPACE X-ID-ACLID UIDPLUS LITERAL+ CHILDREN AUTH=PLAIN".to_string();
    let office = Office::new();
    assert_eq!(run(&office, &toy).messages, 3);
    for (mailbox, subject) in [("INBOX", "in"), ("Junk", "spam"), ("Drafts", "draft")] {
        assert_eq!(subjects(&office, mailbox), [subject], "{mailbox}");
    }
}
