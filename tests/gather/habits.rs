//! Large providers, with the habits that they tell of or are known for. Each names where that was
//! read, or says that it is assumed.

use super::import::{here, run, run_as, subjects};
use super::toy::{Folder, Habit, Message, Toy, folder, message};
use crate::tests::store::Office;

fn with(name: &str, attributes: &str, subject: &str) -> Folder {
    let messages = vec![message(7, subject)];
    Folder { attributes: attributes.to_string(), ..folder(name, messages) }
}

/// Folders, their attributes and labels, and that a program should say what it is: "IMAP
/// Extensions", <https://developers.google.com/workspace/gmail/imap/imap-extensions>. Capabilities,
/// before and after the log-in: a log in "Syntax error in BODY. Unexpected token",
/// <https://github.com/jstedfast/MailKit/issues/1841>. What it says at FETCH when more is read than
/// it allows (2,500 MB in a day): "IMAPClient update error",
/// <https://github.com/ljmerza/ha-email-sensor/issues/16>; that it is a goodbye follows from how
/// Python's imaplib words it there, and is assumed.
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
            Habit::Bye("[OVERQUOTA] Account exceeded command or bandwidth limits.")
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

/// Behind each OK it may say that it slows the person down, which refuses nothing: "Gmail IMAP
/// Client Folder related commands are currently super slow?",
/// <https://github.com/jstedfast/MailKit/issues/1396>. Sessions end after 24 hours, those with a
/// token after one, and it says so: "IMAP, POP, and SMTP",
/// <https://developers.google.com/workspace/gmail/imap/imap-smtp>; its words for that are assumed.
#[test]
fn gmail_slows_down_behind_each_ok_and_ends_sessions() {
    let toy = Toy::new(vec![with("INBOX", "\\HasNoChildren", "in")]);
    let mut lasts = true;
    toy.does(move |command| match command.contains("BODY") && lasts {
        true => {
            lasts = false;
            Habit::Bye("Session expired, please login again.")
        }
        false if command.starts_with("AUTHENTICATE") => Habit::Usual,
        false => Habit::Ends("OK Success [THROTTLED]"),
    });
    let office = Office::new();
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.broken, report.skipped_count), (1, 1, 0), "{report:?}");
    assert_eq!(subjects(&office, "INBOX"), ["in"]);
}

/// Fifteen connections at once: "Limit concurrent connections",
/// <https://github.com/zone-eu/wildduck/issues/35>. It is no wrong password.
#[test]
fn gmail_has_too_many_connections_for_a_while() {
    let toy = Toy::new(vec![with("INBOX", "\\HasNoChildren", "in")]);
    let mut left = 2;
    toy.does(move |command| match command.starts_with("AUTHENTICATE") && left > 0 {
        true => {
            left -= 1;
            Habit::Says("NO [ALERT] Too many simultaneous connections. (Failure)")
        }
        false => Habit::Usual,
    });
    let office = Office::new();
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.broken), (1, 2), "{report:?}");
}

/// Capabilities, and that the refusal tells of IMAP switched off: "OAuth authorization in
/// Yandex.Mail", <https://tech.yandex.com/oauth/doc/imap/index-docpage/>; with AUTH=XOAUTH2 among
/// them: "Bug: IMAP yandex.ru", <https://github.com/Foundry376/Mailspring/issues/2111>. "|" between
/// levels, and attributes of folders: "Does not work properly with Yandex Email",
/// <https://github.com/Eden-PHP/Mail/issues/63>. "Backend error" now and then: "Backend error when
/// use search", <https://github.com/afterlogic/webmail-lite-8/issues/74>; that it comes at bodies
/// too is assumed, and that XLIST tells what LIST does.
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
    let mut ill = true;
    toy.does(move |command| match command.contains("BODY") && std::mem::take(&mut ill) {
        true => Habit::Says("NO [UNAVAILABLE] UID FETCH Backend error. sc=oUKM15T7x8c1_041330"),
        false => Habit::Usual,
    });
    let office = Office::new();
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.broken, report.skipped_count), (5, 1, 0), "{report:?}");
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
            "NO [AUTHENTICATIONFAILED] AUTHENTICATE Invalid credentials or IMAP is disabled \
             sc=ANQhQk2BrGkH_101523_7m",
        ),
        false => Habit::Usual,
    });
    let connections = toy.state().connections;
    let why = run_as(&office, super::import::ask(&toy)).0.expect_err("refused");
    assert!(why.contains("IMAP is disabled"), "the person reads its words: {why}");
    assert_eq!(toy.state().connections, connections + 1, "and it is not tried again");
}

/// Capabilities, without IDLE: "imap: fake-IDLE on mail.ru",
/// <https://github.com/chatmail/core/issues/1868>. A password for the program, which the refusal
/// asks for: "Support mail.ru OAuth",
/// <https://github.com/thunderbird/thunderbird-android/issues/9069>. Assumed are the code before
/// its words and the folders: their Russian names, and their uses in the words of XLIST, seen in
/// programs that have no address to name. So the uses are told in one turn and not in the other.
#[test]
fn mail_ru_wants_a_password_for_the_program_and_names_folders_in_russian() {
    for told in [true, false] {
        let uses = |word: &'static str| if told { word } else { "" };
        let toy = Toy::new(vec![
            with("INBOX", uses("\\Inbox"), "in"),
            with("&BCcENQRABD0EPgQyBDgEOgQ4-", uses("\\Drafts"), "draft"),
            with("&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-", uses("\\Sent"), "sent"),
            with("&BCEEPwQwBDw-", uses("\\Spam"), "spam"),
            with("&BBoEPgRABDcEOAQ9BDA-", uses("\\Trash"), "bin"),
        ]);
        toy.state().capabilities =
            "IMAP4rev1 ID XLIST UIDPLUS UNSELECT MOVE LIST-STATUS AUTH=PLAIN".to_string();
        let office = Office::new();
        assert_eq!(run(&office, &toy).messages, 5);
        for (mailbox, subject) in [
            ("INBOX", "in"),
            ("Drafts", "draft"),
            ("Sent", "sent"),
            ("Junk", "spam"),
            ("Trash", "bin"),
        ] {
            assert_eq!(subjects(&office, mailbox), [subject], "{mailbox}");
        }
        toy.does(|command| match command.starts_with("AUTHENTICATE") {
            true => Habit::Says(
                "NO [AUTHENTICATIONFAILED] NEOBHODIM parol prilozheniya \
                 https://help.mail.ru/mail/security/protection/external / Application password is \
                 REQUIRED",
            ),
            false => Habit::Usual,
        });
        let why = run_as(&office, super::import::ask(&toy)).0.expect_err("refused");
        assert!(why.contains("Application password is REQUIRED"), "{why}");
    }
}

/// Exchange Online takes the log-in, and then answers nothing else for a while: "Office365 - A3 BAD
/// User is authenticated but not connected", <https://github.com/mscdex/node-imap/issues/689>, with
/// its capabilities. It says for how long it is to be left alone: "Trying command when NOT
/// connected!", <https://github.com/imapsync/imapsync/issues/198>, of five minutes and of another
/// command. The names of folders are assumed.
#[test]
fn microsoft_lets_in_without_a_connection_and_says_how_long() {
    let toy = Toy::new(vec![
        with("INBOX", "\\HasNoChildren", "in"),
        with("Deleted Items", "\\HasNoChildren", "bin"),
        with("Junk Email", "\\HasNoChildren", "spam"),
    ]);
    toy.state().capabilities = "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID \
                                UNSELECT CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION \
                                BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+"
        .to_string();
    let mut words = vec![
        ("BODY", "NO Request is throttled. Suggested Backoff Time: 3 milliseconds"),
        ("LIST", "BAD User is authenticated but not connected."),
    ];
    toy.does(move |command| {
        let is_due = words.last().is_some_and(|(at, _)| command.contains(*at));
        match is_due.then(|| words.pop()).flatten() {
            Some((_, said)) => Habit::Says(said),
            None => Habit::Usual,
        }
    });
    let office = Office::new();
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.broken, report.skipped_count), (3, 2, 0), "{report:?}");
    for (mailbox, subject) in [("INBOX", "in"), ("Trash", "bin"), ("Junk", "spam")] {
        assert_eq!(subjects(&office, mailbox), [subject], "{mailbox}");
    }
}

/// Yahoo writes INBOX in small letters and calls its folders as it likes, with its capabilities in
/// the greeting: "IMAP Yahoo Mail: No 'Inbox' folder listed",
/// <https://github.com/jstedfast/MailKit/issues/242>
#[test]
fn yahoo_writes_inbox_as_it_likes() {
    let toy = Toy::new(vec![
        with("Inbox", "\\HasNoChildren", "in"),
        with("Bulk Mail", "\\HasNoChildren", "spam"),
        with("Draft", "\\HasNoChildren", "draft"),
    ]);
    toy.state().capabilities = "IMAP4rev1 ID NAMESPACE X-ID-ACLID UIDPLUS LITERAL+ CHILDREN \
                                XAPPLEPUSHSERVICE XYMHIGHESTMODSEQ AUTH=PLAIN AUTH=LOGIN \
                                AUTH=XOAUTH2"
        .to_string();
    let office = Office::new();
    assert_eq!(run(&office, &toy).messages, 3);
    for (mailbox, subject) in [("INBOX", "in"), ("Junk", "spam"), ("Drafts", "draft")] {
        assert_eq!(subjects(&office, mailbox), [subject], "{mailbox}");
    }
}

/// Does this command ask for the body of that letter?
fn asks(command: &str, uid: u32) -> bool {
    let set = command.split(' ').nth(2).unwrap_or_default();
    let holds = |range: &str| {
        let (from, to) = range.split_once(':').unwrap_or((range, range));
        (from.parse().unwrap_or(1)..=to.parse().unwrap_or(0)).contains(&uid)
    };
    command.contains("BODY") && set.split(',').any(holds)
}

/// A letter that Yahoo never gives: "Server error - Please try again later",
/// <https://github.com/imapsync/imapsync/issues/119>,
/// <https://github.com/joeyates/imap-backup/issues/218>. Its words in between are assumed.
#[test]
fn yahoo_never_gives_a_damaged_letter_and_that_keeps_no_other() {
    const NO: &str = "NO [UNAVAILABLE] UID FETCH Server error - Please try again later";
    let letters = || (1..=5).map(|uid| message(uid, &format!("letter {uid}"))).collect();
    let toy = Toy::new(vec![folder("INBOX", letters()), with("Work", "", "work")]);
    toy.does(|command| match asks(command, 3) {
        true => Habit::Says(NO),
        false => Habit::Usual,
    });
    let office = Office::new();
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.skipped_count), (5, 1), "{report:?}");
    assert!(report.skipped[0].contains("message 3 of INBOX: the server refuses it"), "{report:?}");
    assert_eq!(subjects(&office, "INBOX"), ["letter 1", "letter 2", "letter 4", "letter 5"]);
    assert_eq!(subjects(&office, "Work"), ["work"]);
    // Once it is given, it comes.
    toy.does(|_| Habit::Usual);
    assert_eq!(run(&office, &toy).messages, 1);
    // Where none is given, the server is busy, and nothing is passed over.
    let toy = Toy::new(vec![folder("INBOX", letters())]);
    toy.does(|command| match command.contains("BODY") {
        true => Habit::Says(NO),
        false => Habit::Usual,
    });
    let why = run_as(&Office::new(), super::import::ask(&toy)).0.expect_err("busy");
    assert!(why.contains("asks to slow down") && why.contains("0 messages"), "{why}");
}
