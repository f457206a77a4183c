//! Several sessions on one mailbox, and what the clients of the world do (PITFALLS: mail clients).

use super::runner::{Client, NOW, World, play, play_with, subject};
use crate::limits;
use crate::tests::store::set_password;

/// RFC 2180 4.1: gone, and not told yet.
#[test]
fn a_message_that_another_session_removed() {
    let world = World::new();
    world.fill("INBOX", 4);
    play(
        &world,
        "RFC 2180 4.1 and 4.2",
        "C: a1 SELECT INBOX
         S: ...
         S: a1 OK …
         C2: b1 SELECT INBOX
         S2: ...
         S2: b1 OK …
         C2: b2 STORE 2 +FLAGS.SILENT (\\Deleted)
         S2: b2 OK …
         C2: b3 EXPUNGE
         S2: * 2 EXPUNGE
         S2: b3 OK …
         C: a2 FETCH 1:4 (UID)
         S: * 1 FETCH (UID 1)
         S: * 3 FETCH (UID 3)
         S: * 4 FETCH (UID 4)
         S: a2 NO [EXPUNGEISSUED] …
         C: a3 STORE 2:3 +FLAGS (\\Flagged)
         S: * 3 FETCH (FLAGS (\\Flagged))
         S: a3 NO [EXPUNGEISSUED] …
         C: a4 SEARCH ALL
         S: * SEARCH 1 3 4
         S: a4 OK …
         C: a5 UID FETCH 2:3 (FLAGS)
         S: * 3 FETCH (UID 3 FLAGS (\\Flagged))
         S: * 2 EXPUNGE
         S: a5 OK …
         C: a6 FETCH 2 (UID)
         S: * 2 FETCH (UID 3)
         S: a6 OK …",
    );
}

#[test]
fn a_mailbox_deleted_under_a_session() {
    let world = World::new();
    world.fill("x", 1);
    play(
        &world,
        "RFC 2180 3.3",
        "C: a1 SELECT x
         S: ...
         S: a1 OK …
         C: a2 IDLE
         S: + idling
         C2: b1 SELECT x
         S2: ...
         S2: b1 OK …
         C2: b2 DELETE x
         S2: * OK [CLOSED] …
         S2: b2 OK …
         C2: b3 FETCH 1 FLAGS
         S2: b3 BAD …
         wake 1
         S: * BYE …",
    );
}

/// More changes than the watch can hold: the difference is told all the same.
#[test]
fn a_session_that_slept_through_too_much() {
    let world = World::new();
    world.fill("INBOX", 3);
    let mut sleeper = Client::logged_in(&world);
    sleeper.ask(&world, "a1 SELECT INBOX");
    let mut busy = Client::logged_in(&world);
    busy.ask(&world, "b1 SELECT INBOX");
    for n in 0..limits::WATCH_QUEUE + 10 {
        let sign = if n % 2 == 0 { '+' } else { '-' };
        busy.ask(&world, &format!("b2 STORE 1 {sign}FLAGS.SILENT (\\Seen)"));
    }
    busy.ask(&world, "b3 STORE 2 +FLAGS.SILENT (\\Deleted)");
    busy.ask(&world, "b4 EXPUNGE");
    world.fill("INBOX", 1);
    let heard = sleeper.ask(&world, "a2 NOOP");
    let wanted =
        "* 2 EXPUNGE\r\n* 3 EXISTS\r\n* 1 FETCH (UID 1 FLAGS ())\r\na2 OK NOOP completed\r\n";
    assert_eq!(heard, wanted);
}

/// iOS 18 sends DONE and the next command in one packet.
#[test]
fn done_and_the_next_command_in_one_packet() {
    let world = World::new();
    world.fill("INBOX", 1);
    let mut client = Client::logged_in(&world);
    client.ask(&world, "a1 SELECT INBOX");
    client.say(&world, b"a2 IDLE\r\n");
    assert_eq!(client.hear(), "+ idling\r\n");
    assert!(client.wake && client.within == limits::IMAP_IDLE_TICK);
    client.say(&world, b"DONE\r\na3 FETCH 1 (UID)\r\na4 NO");
    let heard = client.hear();
    assert_eq!(heard, "a2 OK IDLE terminated\r\n* 1 FETCH (UID 1)\r\na3 OK FETCH completed\r\n");
    client.say(&world, b"OP\r\n");
    assert_eq!(client.hear(), "a4 OK NOOP completed\r\n");
}

/// Every cut of the input gives the same replies.
#[test]
fn octet_by_octet_is_the_same() {
    let world = World::new();
    world.fill("INBOX", 2);
    let said = b"a1 SELECT INBOX\r\na2 FETCH 1:2 (UID FLAGS)\r\na3 CREATE {1+}\r\nx\r\n\
        a4 IDLE\r\nDONE\r\na5 FROB\r\n";
    let mut whole = Client::logged_in(&world);
    whole.say(&world, said);
    let wanted = whole.hear().replace("a3 OK", "a3 NO");
    let mut single = Client::logged_in(&world);
    for octet in said {
        single.say(&world, &[*octet]);
    }
    let heard = single.hear();
    let lines = |text: &str| text.lines().count();
    assert_eq!(lines(&heard), lines(&wanted), "{heard}\n{wanted}");
}

#[test]
fn a_large_message_streams_and_its_octets_are_right() {
    let world = World::new();
    let mut raw = b"Subject: large\r\n\r\n".to_vec();
    for n in 0..60_000u32 {
        raw.extend_from_slice(format!("line {n} of a large message\r\n").as_bytes());
    }
    world.add("INBOX", &raw, &[], NOW);
    let mut client = Client::logged_in(&world);
    client.ask(&world, "a1 SELECT INBOX");
    client.say(&world, b"a2 FETCH 1 (BODY.PEEK[] UID)\r\n");
    let heard = client.octets();
    let head = format!("* 1 FETCH (BODY[] {{{}}}\r\n", raw.len());
    let tail = b" UID 1)\r\na2 OK FETCH completed\r\n";
    assert!(heard.starts_with(head.as_bytes()));
    let body = heard.get(head.len()..head.len() + raw.len()).unwrap_or_default();
    assert!(body == raw, "the octets differ");
    assert_eq!(subject(body), "large");
    assert!(heard.ends_with(tail));
    assert_eq!(heard.len(), head.len() + raw.len() + tail.len());
    assert!(client.longest < 3 * limits::OUTPUT_PIECE_BYTES, "{} at once", client.longest);
}

#[test]
fn many_messages_come_in_pieces() {
    let world = World::new();
    world.fill("INBOX", 3_000);
    let mut client = Client::logged_in(&world);
    client.ask(&world, "a1 SELECT INBOX");
    let heard = client.ask(&world, "a2 FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)");
    assert_eq!(heard.lines().count(), 3_001);
    assert!(client.longest < 2 * limits::OUTPUT_PIECE_BYTES, "{} at once", client.longest);
    let heard = client.ask(&world, "a3 STORE 1:* +FLAGS (\\Seen)");
    assert_eq!(heard.lines().filter(|l| l.contains("FLAGS (\\Seen)")).count(), 3_000);
    let heard = client.ask(&world, "a4 SEARCH TEXT \"body of 2999\"");
    assert_eq!(heard, "* SEARCH 2999\r\na4 OK SEARCH completed\r\n");
}

/// A per-account list of capabilities switched off; UIDONLY never.
#[test]
fn capabilities_can_be_switched_off() {
    let mut world = World::new();
    world.capabilities_off = vec!["QRESYNC".to_owned(), "idle".to_owned()];
    let mut client = Client::logged_in(&world);
    let heard = client.ask(&world, "a1 CAPABILITY");
    assert!(!heard.contains("QRESYNC") && !heard.contains(" IDLE") && heard.contains("CONDSTORE"));
    assert!(!heard.contains("UIDONLY") && !heard.contains("AUTH="));
    let heard = client.ask(&world, "a2 ENABLE QRESYNC UIDONLY");
    assert_eq!(heard, "* ENABLED\r\na2 OK ENABLE completed\r\n");
}

/// Binary content goes in as literal8 and comes out as lines.
#[test]
fn literal8_is_stored_as_base64() {
    let world = World::new();
    let raw = b"Subject: b\r\nContent-Type: application/octet-stream\r\n\
        Content-Transfer-Encoding: binary\r\n\r\n\x00\x01\x02";
    let mut client = Client::logged_in(&world);
    client.ask(&world, "a1 SELECT INBOX");
    client.say(&world, format!("a2 APPEND INBOX ~{{{}+}}\r\n", raw.len()).as_bytes());
    client.say(&world, raw);
    client.say(&world, b"\r\n");
    assert!(client.hear().contains("a2 OK [APPENDUID"));
    let heard = client.ask(&world, "a3 FETCH 1 (BODY.PEEK[TEXT] BINARY.PEEK[1])");
    assert!(
        heard.contains("BODY[TEXT] {6}\r\nAAEC\r\n BINARY[1] ~{3}\r\n\0\u{1}\u{2})"),
        "{heard}"
    );
}

/// The idle time ends some time after the autologout, never before.
#[test]
fn time_outs_and_goodbyes() {
    let world = World::new();
    let mut quiet = Client::new(&world, true, false);
    quiet.hear();
    assert_eq!(quiet.within, limits::IMAP_BEFORE_LOGIN);
    quiet.time_over(&world);
    assert!(quiet.hear().starts_with("* BYE ") && quiet.closed);
    let mut client = Client::logged_in(&world);
    assert_eq!(client.within, limits::IMAP_AUTOLOGOUT);
    client.stop(&world);
    assert!(client.hear().starts_with("* BYE [UNAVAILABLE] ") && client.closed);
}

#[test]
fn a_password_in_clear_never_crosses_the_network() {
    let world = World::new();
    let mut here = Client::new(&world, false, true);
    let greeting = here.hear();
    assert!(greeting.contains("AUTH=PLAIN") && greeting.contains("STARTTLS"), "{greeting}");
    assert!(!greeting.contains("LOGINDISABLED"), "{greeting}");
    play_with(
        &world,
        &mut [Some(here), None, None, None],
        "the same host",
        "C: a1 LOGIN alice@office.test wonderland
         S: a1 OK [CAPABILITY …] …",
    );
}

/// An owner who suspends a person means the sessions that stand as well.
#[test]
fn a_suspended_person_reads_no_further() {
    let world = World::new();
    world.fill("INBOX", 1);
    let (mut reading, mut idling) = (Client::logged_in(&world), Client::logged_in(&world));
    assert!(reading.ask(&world, "a1 SELECT INBOX").contains("a1 OK"));
    assert!(idling.ask(&world, "b1 SELECT INBOX").contains("b1 OK"));
    assert!(idling.ask(&world, "b2 IDLE").contains("+ idling"));
    world.suspend();
    let bye = "* BYE [CONTACTADMIN] This account may not be used any more\r\n";
    assert_eq!(reading.ask(&world, "a2 FETCH 1 (BODY[])"), bye);
    world.fill("INBOX", 1);
    idling.wake(&world);
    assert_eq!(idling.hear(), bye);
    assert!(reading.closed && idling.closed);
}

/// A phone that was lost is shut out when its password is changed, also while it is logged in.
#[test]
fn a_session_ends_with_the_password_that_began_it() {
    let world = World::new();
    world.fill("INBOX", 1);
    set_password(&world.store, world.alice, 1);
    let (mut lost, mut idling) = (Client::logged_in(&world), Client::logged_in(&world));
    assert!(lost.ask(&world, "a1 SELECT INBOX").contains("a1 OK"));
    assert!(idling.ask(&world, "b1 SELECT INBOX").contains("b1 OK"));
    assert!(idling.ask(&world, "b2 IDLE").contains("+ idling"));
    set_password(&world.store, world.alice, 2);
    let bye = "* BYE [CONTACTADMIN] This account may not be used any more\r\n";
    assert_eq!(lost.ask(&world, "a2 FETCH 1 (BODY[])"), bye);
    world.fill("INBOX", 1);
    idling.wake(&world);
    assert_eq!(idling.hear(), bye);
    let mut found = Client::logged_in(&world);
    assert!(found.ask(&world, "c1 SELECT INBOX").contains("c1 OK"));
}
