//! Every limit, and nonsense: a clear protocol error, never a panic.

use super::runner::{Client, World};
use crate::limits;

#[test]
fn too_many_wrong_commands_end_the_connection() {
    let world = World::new();
    let mut client = Client::logged_in(&world);
    for n in 1..=limits::IMAP_ERRORS {
        assert!(!client.closed, "closed after {n}");
        let heard = client.ask(&world, &format!("x{n} FROB"));
        assert!(heard.starts_with(&format!("x{n} BAD ")), "{heard}");
        assert_eq!(heard.contains("* BYE"), n == limits::IMAP_ERRORS, "{heard}");
    }
    assert!(client.closed);
}

#[test]
fn too_many_wrong_passwords_end_the_connection() {
    let world = World::new();
    let mut client = Client::new(&world, true, false);
    client.hear();
    for n in 1..=limits::LOGIN_FAILURES_PER_CONNECTION {
        assert!(!client.closed, "closed after {n}");
        let heard = client.ask(&world, "a LOGIN alice@office.test wrong");
        assert!(heard.starts_with("a NO [AUTHENTICATIONFAILED]"), "{heard}");
    }
    assert!(client.closed);
}

#[test]
fn commands_out_of_place() {
    let world = World::new();
    let mut client = Client::new(&world, true, false);
    client.hear();
    for command in ["SELECT INBOX", "FETCH 1 FLAGS", "IDLE", "LIST \"\" *", "ENABLE CONDSTORE"] {
        let heard = client.ask(&world, &format!("a {command}"));
        assert!(heard.starts_with("a BAD [CLIENTBUG]"), "{command}: {heard}");
    }
    let mut client = Client::logged_in(&world);
    for command in ["FETCH 1 FLAGS", "EXPUNGE", "CLOSE", "UID COPY 1 x", "SEARCH ALL", "STARTTLS"] {
        let heard = client.ask(&world, &format!("a {command}"));
        assert!(heard.starts_with("a BAD"), "{command}: {heard}");
    }
}

/// Names, sets and patterns from hell.
#[test]
fn nonsense_is_answered() {
    let world = World::new();
    world.fill("INBOX", 2);
    let mut client = Client::logged_in(&world);
    client.ask(&world, "s SELECT INBOX");
    let long = "x".repeat(limits::MAILBOX_NAME_BYTES + 1);
    let deep = "x/".repeat(limits::MAILBOX_LEVELS + 1);
    let stars = "*a%".repeat(500);
    let commands = [
        format!("CREATE {long}"),
        format!("CREATE {deep}x"),
        "CREATE \"\"".to_owned(),
        "CREATE \"a//b\"".to_owned(),
        format!("LIST \"\" \"{stars}\""),
        "FETCH 4294967295 FLAGS".to_owned(),
        "FETCH 3 FLAGS".to_owned(),
        "UID FETCH 4294967295:1 (FLAGS)".to_owned(),
        "FETCH 1:* (BODY[1.2.3.4.5.6.7.8.9.MIME] BODY.PEEK[99999.HEADER]<4294967295.1>)".to_owned(),
        "STORE 1 FLAGS (\\Recent)".to_owned(),
        "SEARCH 9:10".to_owned(),
        "SEARCH LARGER 99999999999999999999".to_owned(),
        format!("SEARCH {}ALL", "NOT ".repeat(100)),
        "RENAME INBOX INBOX".to_owned(),
        "SUBSCRIBE nowhere/at/all".to_owned(),
        "AUTHENTICATE".to_owned(),
    ];
    for command in commands {
        let heard = client.ask(&world, &format!("t {command}"));
        let last = heard.lines().last().unwrap_or_default();
        assert!(last.starts_with("t "), "{command}: {heard}");
        assert!(!heard.contains("SERVERBUG"), "{command}: {heard}");
    }
    assert!(!client.closed);
}

/// A quiet session holds little.
#[test]
fn a_session_is_small() {
    assert!(std::mem::size_of::<crate::imap::Imap>() < 1024);
}
