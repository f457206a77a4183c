//! Every limit, and nonsense: a clear protocol error, never a panic.

use super::runner::{Client, NOW, World};
use crate::limits;
use crate::wire::budget::Budget;

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

/// One message of 60 KiB of structure, asked for three thousand times in one line.
#[test]
fn what_a_line_can_ask_for_is_made_piece_by_piece() {
    let world = World::new();
    let name = "n".repeat(900);
    let mut raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    for _ in 0..60 {
        raw.extend(format!("--b\r\nContent-Description: {name}\r\n\r\nx\r\n").into_bytes());
    }
    raw.extend_from_slice(b"--b--\r\n");
    world.add("INBOX", &raw, &[], NOW);
    let mut client = Client::logged_in(&world);
    client.ask(&world, "a SELECT INBOX");
    let one = client.ask(&world, "b FETCH 1 (BODYSTRUCTURE)").len();
    assert!(one > 50_000, "{one}");
    for item in ["BODYSTRUCTURE", "ENVELOPE BODYSTRUCTURE", "BODY.PEEK[]", "BODY.PEEK[1.MIME]"] {
        let items = vec![item; 300].join(" ");
        let all = client.ask(&world, &format!("c FETCH 1 ({items})"));
        assert!(all.ends_with("c OK FETCH completed\r\n"));
        assert_eq!(all.matches(" BODY").count(), 300 - usize::from(item.starts_with("BODY")));
    }
    let most = limits::OUTPUT_PIECE_BYTES + limits::BODY_BLOCK_BYTES + one;
    assert!(client.longest <= most, "{} octets at once", client.longest);
}

/// Ten letters of 100,000 octets and a search for sixty texts in them: each letter is decoded once,
/// so that together they are less than a piece of work.
#[test]
fn a_search_for_many_texts_decodes_each_message_once() {
    let world = World::new();
    for n in 0..10 {
        let text = format!("Subject: {n}\r\n\r\n{}\r\nword{n}\r\n", "x".repeat(100_000));
        world.add("INBOX", text.as_bytes(), &[], NOW);
    }
    let mut client = Client::logged_in(&world);
    client.ask(&world, "a SELECT INBOX");
    client.turns = 0;
    let keys: Vec<String> = (0..60).map(|n| format!("NOT BODY word{}", n + 5)).collect();
    let heard = client.ask(&world, &format!("b SEARCH {}", keys.join(" ")));
    assert!(heard.starts_with("* SEARCH 1 2 3 4 5\r\nb OK "), "{heard}");
    assert_eq!(client.turns, 0, "one piece of work");
    // Each key at its limit, and one above.
    let texts = |count: usize| (0..count).map(|n| format!(" TEXT t{n}")).collect::<String>();
    let heard = client.ask(&world, &format!("c SEARCH{}", texts(limits::SEARCH_TEXTS)));
    assert!(heard.starts_with("* SEARCH\r\nc OK "), "{heard}");
    let heard = client.ask(&world, &format!("d SEARCH{} TEXT t1", texts(limits::SEARCH_TEXTS)));
    assert!(heard.starts_with("* SEARCH\r\nd OK "), "the same text again is no other: {heard}");
    let heard = client.ask(&world, &format!("e SEARCH{}", texts(limits::SEARCH_TEXTS + 1)));
    assert!(heard.starts_with("e NO [LIMIT] "), "{heard}");
}

/// A search that reads much ends its turn again and again: it holds up nobody.
#[test]
fn a_long_search_lets_others_have_their_turn() {
    let world = World::new();
    let piece = usize::try_from(limits::SEARCH_PIECE_BYTES).expect("a size");
    for n in 0..6 {
        let text = format!("Subject: {n}\r\n\r\n{}\r\n", "x".repeat(piece / 2));
        world.add("INBOX", text.as_bytes(), &[], NOW);
    }
    let mut client = Client::logged_in(&world);
    client.ask(&world, "a SELECT INBOX");
    client.turns = 0;
    let heard = client.ask(&world, "b SEARCH BODY nowhere");
    assert!(heard.starts_with("* SEARCH\r\nb OK "), "{heard}");
    assert!((2..=6).contains(&client.turns), "{} turns", client.turns);
}

/// A client that uploads slowly holds the share of its network, and another network has its own.
#[test]
fn slow_uploads_of_one_network_shut_nobody_else_out() {
    let mut world = World::new();
    world.budget = Budget::with_share(100_000, 50_000);
    let text = "x".repeat(39_998) + "\r\n";
    let mut slow = Client::logged_in(&world);
    assert!(slow.ask(&world, "a APPEND INBOX {40000}").starts_with('+'));
    slow.say(&world, text.get(..30_000).unwrap_or_default().as_bytes());
    let mut same = Client::logged_in(&world);
    let heard = same.ask(&world, "b APPEND INBOX {40000}");
    assert!(heard.starts_with("b NO [UNAVAILABLE] "), "{heard}");
    let mut other = Client::new(&world, true, true);
    other.ask(&world, "a0 LOGIN alice@office.test wonderland");
    let heard = other.ask(&world, &format!("c APPEND INBOX {{40000+}}\r\n{text}"));
    assert!(heard.contains("c OK [APPENDUID "), "{heard}");
}

/// All clients together hold no more of messages on their way in than the server has for them.
#[test]
fn appended_messages_share_one_memory() {
    let mut world = World::new();
    world.budget = Budget::new(100_000);
    let text = "x".repeat(59_998) + "\r\n";
    let mut first = Client::logged_in(&world);
    let mut second = Client::logged_in(&world);
    assert!(first.ask(&world, "a APPEND INBOX {60000}").starts_with('+'));
    assert!(second.ask(&world, "b APPEND INBOX {60000}").starts_with('+'));
    first.say(&world, text.as_bytes());
    assert_eq!(world.budget.free(), 40_000);
    // In the middle of a literal: it is read to its end and refused.
    let heard = second.ask(&world, &text);
    assert!(heard.starts_with("b NO [UNAVAILABLE] "), "{heard}");
    // Before it.
    let heard = second.ask(&world, "c APPEND INBOX {60000}");
    assert!(heard.starts_with("c NO [UNAVAILABLE] "), "{heard}");
    let heard = second.ask(&world, &format!("d APPEND INBOX {{60000+}}\r\n{text}"));
    assert!(heard.starts_with("d NO [UNAVAILABLE] "), "{heard}");
    assert!(second.ask(&world, "e STATUS {5+}\r\nINBOX (MESSAGES)").contains("MESSAGES 0"));
    let heard = first.ask(&world, "");
    assert!(heard.contains("a OK [APPENDUID "), "{heard}");
    assert_eq!(world.budget.free(), 100_000);
    let heard = second.ask(&world, &format!("f APPEND INBOX {{60000+}}\r\n{text}"));
    assert!(heard.contains("f OK [APPENDUID "), "{heard}");
    assert!(first.ask(&world, "g APPEND INBOX {60000}").starts_with('+'));
    first.say(&world, text.get(..30_000).unwrap_or_default().as_bytes());
    assert_eq!(world.budget.free(), 70_000);
    // Who goes away gives back.
    drop(first);
    assert_eq!(world.budget.free(), 100_000);
}
