//! Messages on their way in: dots, chunks, and everything that only looks like an end of data.

use super::stage::{Table, Talk, addressed, office, run};
use proptest::prelude::*;

/// Sends `octets` after DATA, then asks whether the session is back at commands.
fn data(octets: &[u8]) -> (Talk<Table>, String) {
    let mut talk = addressed();
    assert!(talk.say("DATA").starts_with("354 "));
    let replies = talk.send(octets);
    (talk, replies)
}

fn taken(octets: &[u8]) -> Vec<u8> {
    let (mut talk, replies) = data(octets);
    assert_eq!(replies, "250 2.0.0 1 delivered\r\n", "{}", octets.escape_ascii());
    talk.machine.received.remove(0).message
}

#[test]
fn dots_are_taken_off() {
    assert_eq!(taken(b".\r\n"), b"");
    assert_eq!(taken(b"\r\n.\r\n"), b"\r\n");
    assert_eq!(taken(b"a\r\n..\r\n...b\r\n.c\r\nd.\r\n.\r\n"), b"a\r\n.\r\n..b\r\nc\r\nd.\r\n");
    let eight_bit = "ü\u{1}\t\r\n.\r\n".as_bytes();
    assert_eq!(taken(eight_bit), "ü\u{1}\t\r\n".as_bytes());
    let long = [&b"x".repeat(3_000)[..], b"\r\n.\r\n"].concat();
    assert_eq!(taken(&long).len(), 3_002);
}

/// Every known way to make two servers disagree about the end. None of them ends DATA; when the
/// end comes the message is refused, and what was smuggled has not been run.
#[test]
fn nothing_but_crlf_dot_crlf_ends_data() {
    let lookalikes: &[(&[u8], &str)] = &[
        (b"\n.\n", "LF without CR"),
        (b"\n.\r\n", "LF without CR"),
        (b"\r\n.\n", "LF without CR"),
        (b"\r.\r", "CR without LF"),
        (b"\r.\r\n", "CR without LF"),
        (b"\r\n.\r", "CR without LF"),
        (b"\r\n.\r\r\n", "CR without LF"),
        (b"\n.\r", "LF without CR"),
        (b"\r.\n", "CR without LF"),
        (b"\r\r\n.\r\r\n", "CR without LF"),
        (b"\r\n\0.\r\n", "NUL"),
        (b"\r\n.\0\r\n", "NUL"),
        (b"\r\n.\r\0\n", "CR without LF"),
        (b"\0\n.\n", "NUL"),
        (b"\r\n.\n\r\n", "LF without CR"),
        (b"\n\n.\n\n", "LF without CR"),
    ];
    let smuggled = b"MAIL FROM:<ceo@office.test>\r\nRCPT TO:<alice@office.test>\r\nDATA\r\nboo\r\n";
    for (ending, why) in lookalikes {
        let shown = ending.escape_ascii();
        let (mut talk, replies) = data(b"Subject: x\r\n\r\nhello");
        assert_eq!(replies, "");
        assert_eq!(talk.send(ending), "", "{shown}");
        assert_eq!(talk.send(smuggled), "", "{shown}");
        let replies = talk.send(b"\r\n.\r\n");
        assert!(replies.starts_with("550 5.6.11 "), "{shown}: {replies}");
        assert!(replies.contains(why), "{shown}: {replies}");
        assert!(talk.machine.received.is_empty(), "{shown}");
        run(&mut talk, "C: QUIT\nS: 221");
        let refusal = &talk.machine.told[0].refusals.told[0];
        assert_eq!(refusal.to, "bob@office.test");
        assert!(refusal.why.contains(why));
    }
}

#[test]
fn the_same_rules_hold_for_chunks() {
    let cases: &[(&[&[u8]], &str)] = &[
        (&[b"a\nb"], "LF without CR"),
        (&[b"a\rb"], "CR without LF"),
        (&[b"a\0b"], "NUL"),
        (&[b"a\r", b"b"], "CR without LF"),
        (&[b"a\r\n", b"\nb"], "LF without CR"),
        (&[b"a", b"\n"], "LF without CR"),
        (&[b"a\r"], "CR without LF"),
        (&[b"a\r", b""], "CR without LF"),
        (&[b"\r\n.\r\n", b"\n.\n"], "LF without CR"),
    ];
    for (chunks, why) in cases {
        let mut talk = addressed();
        let mut last = String::new();
        for (at, chunk) in chunks.iter().enumerate() {
            let end = if at + 1 == chunks.len() { " LAST" } else { "" };
            let mut sent = format!("BDAT {}{end}\r\n", chunk.len()).into_bytes();
            sent.extend_from_slice(chunk);
            last = talk.send(&sent);
        }
        assert!(last.starts_with("550 5.6.11 ") && last.contains(why), "{chunks:?}: {last}");
        assert!(talk.machine.received.is_empty());
        // In step again, and a new transaction begins.
        run(&mut talk, "C: MAIL FROM:<x@far.test>\nS: 250 2.1.0");
    }
}

#[test]
fn chunks_are_joined_as_they_are() {
    let mut talk = addressed();
    // CR and LF in different chunks; dots are nothing special; no CRLF at the end.
    assert!(talk.send(b"BDAT 4\r\na\r\n.").starts_with("250 2.0.0 4 octets"));
    assert!(talk.send(b"BDAT 1\r\n\r").starts_with("250 2.0.0 1 octets"));
    assert!(talk.send(b"BDAT 0\r\n").starts_with("250 2.0.0 0 octets"));
    assert!(talk.send(b"BDAT 6 LAST\r\n\n..\r\nb").starts_with("250 2.0.0 1 delivered"));
    assert_eq!(talk.machine.received[0].message, b"a\r\n.\r\n..\r\nb");
}

#[test]
fn chunks_out_of_order_are_read_past() {
    let mut talk = office();
    run(
        &mut talk,
        "C: BDAT 7
         C: QUIT!
         S: 503 5.5.1
         C: MAIL FROM:<x@far.test>
         S: 250
         C: BDAT 7 LAST
         C: QUIT!
         S: 554 5.5.1
         C: MAIL FROM:<x@far.test>
         S: 250
         C: RCPT TO:<bob@office.test>
         S: 250
         C: BDAT 6
         C: abcd
         S: 250 2.0.0 6
         C: DATA
         S: 503 5.5.1
         C: RCPT TO:<alice@office.test>
         S: 503 5.5.1
         C: MAIL FROM:<y@far.test>
         S: 503 5.5.1
         C: RSET
         S: 250
         C: BDAT 0 LAST
         S: 503 5.5.1",
    );
    assert!(talk.machine.received.is_empty());
    // Where the data ends is not known, so nothing after it may be read as a command.
    run(&mut talk, "C: BDAT many\nC: QUIT\nS: 501 5.5.4\nS! closed");
}

#[test]
fn a_message_too_large_is_refused_at_its_end() {
    let ending = |size: usize| [&b"x".repeat(size - 2)[..], b"\r\n.\r\n"].concat();
    assert_eq!(taken(&ending(4_000)).len(), 4_000);
    for size in [4_001, 4_002, 400_000] {
        let (mut talk, replies) = data(&ending(size));
        assert!(replies.starts_with("552 5.3.4 "), "{size}: {replies}");
        assert!(talk.machine.received.is_empty());
        run(&mut talk, "C: MAIL FROM:<x@far.test>\nS: 250");
    }
    let mut talk = office();
    run(
        &mut talk,
        "C: MAIL FROM:<x@far.test> SIZE=4000
         S: 250
         C: RSET
         S: 250
         C: MAIL FROM:<x@far.test> SIZE=4001
         S: 552 5.3.4
         C: MAIL FROM:<x@far.test> SIZE=18446744073709551616
         S: 552 5.3.4",
    );
}

#[test]
fn chunks_too_large_are_refused_one_by_one() {
    let mut talk = addressed();
    let chunk = |size: usize, last: &str| {
        [format!("BDAT {size}{last}\r\n").as_bytes(), &b"x".repeat(size)[..]].concat()
    };
    assert!(talk.send(&chunk(3_000, "")).starts_with("250 "));
    assert!(talk.send(&chunk(1_001, "")).starts_with("552 5.3.4 "));
    assert!(talk.send(&chunk(1, "")).starts_with("552 5.3.4 "));
    assert!(talk.send(&chunk(1, " LAST")).starts_with("552 5.3.4 "));
    run(&mut talk, "C: BDAT 0 LAST\nS: 503\nC: MAIL FROM:<x@far.test>\nS: 250");
}

#[test]
fn without_its_end_a_message_is_no_message() {
    use crate::session::Input;
    for octets in [&b""[..], b"Subject: x\r\n\r\nhello\r\n", b"hello\r\n.", b"hello\r\n.\r"] {
        let (mut talk, _) = data(octets);
        talk.drive(Input::Ended);
        assert!(talk.closed && talk.machine.received.is_empty());
        assert!(talk.machine.told[0].refusals.told[0].why.contains("hung up"));
    }
    // All of it, then half-closed: everything is answered.
    let (mut talk, replies) = data(b"hello\r\n.\r\nQUIT\r\n");
    assert!(replies.starts_with("250 ") && replies.contains("\r\n221 "));
    talk.drive(Input::Ended);
    assert_eq!(talk.machine.received.len(), 1);
    let mut talk = addressed();
    talk.send(b"BDAT 10 LAST\r\n123456789");
    talk.drive(Input::Ended);
    assert!(talk.closed && talk.machine.received.is_empty());
}

/// A conversation with everything in it, cut anywhere, says and delivers the same.
const CONVERSATION: &[u8] = b"EHLO client.test\r\nNOOP\nFROB\rNICATE\r\n\
    MAIL FROM:<x@far.test> BODY=8BITMIME\r\nRCPT TO:<nobody@office.test>\r\n\
    RCPT TO:<bob@office.test>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\n\
    MAIL FROM:<>\r\nRCPT TO:<alice@office.test>\r\nBDAT 9\r\nSubject: \r\n\
    BDAT 4\r\ny\r\n\rBDAT 1 LAST\r\n\nMAIL FROM:<x@far.test>\r\n\
    RCPT TO:<bob@office.test>\r\nDATA\r\na\nb\r\n.\n\r\n.\r\nVRFY bob\r\nQUIT\r\n";

fn held(pieces: &[&[u8]]) -> (String, Vec<Vec<u8>>) {
    let mut talk =
        Talk::new(super::stage::setting(), Table::of(&["alice@office.test", "bob@office.test"]));
    let said: String = pieces.iter().map(|piece| talk.send(piece)).collect();
    (said, talk.machine.received.into_iter().map(|arrived| arrived.message).collect())
}

#[test]
fn octet_by_octet_is_the_same() {
    let whole = held(&[CONVERSATION]);
    assert_eq!(whole.1, [&b"Subject: x\r\n\r\n.dot\r\n"[..], b"Subject: y\r\n\r\n"]);
    assert!(whole.0.contains("550 5.6.11") && whole.0.ends_with("goodbye\r\n"), "{}", whole.0);
    let octets: Vec<&[u8]> = CONVERSATION.chunks(1).collect();
    assert_eq!(held(&octets), whole);
}

proptest! {
    #[test]
    fn any_cuts_are_the_same(mut cuts in proptest::collection::vec(0..CONVERSATION.len(), 0..12)) {
        cuts.push(0);
        cuts.push(CONVERSATION.len());
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &CONVERSATION[w[0]..w[1]]).collect();
        prop_assert_eq!(held(&pieces), held(&[CONVERSATION]));
    }

    #[test]
    fn any_message_comes_through_its_dots(
        lines in proptest::collection::vec("[ -~.]{0,20}", 0..20),
    ) {
        let (mut sent, mut message) = (Vec::new(), Vec::new());
        for line in lines {
            if line.starts_with('.') {
                sent.push(b'.');
            }
            for to in [&mut sent, &mut message] {
                to.extend_from_slice(line.as_bytes());
                to.extend_from_slice(b"\r\n");
            }
        }
        sent.extend_from_slice(b".\r\n");
        prop_assert_eq!(taken(&sent), message);
    }

    #[test]
    fn random_octets_do_no_harm(
        pieces in proptest::collection::vec(
            proptest::collection::vec(
                prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b' '), any::<u8>()],
                0..60,
            ),
            0..12,
        ),
        start in 0..4_usize,
    ) {
        let starts: [&[u8]; 4] = [
            b"",
            b"MAIL FROM:<x@far.test>\r\nRCPT TO:<bob@office.test>\r\nDATA\r\n",
            b"MAIL FROM:<x@far.test>\r\nRCPT TO:<bob@office.test>\r\nBDAT 40\r\n",
            b"MAIL FROM:<",
        ];
        let mut talk = office();
        talk.send(starts[start]);
        for piece in pieces {
            talk.send(&piece);
        }
        talk.drive(crate::session::Input::Ended);
        for arrived in talk.machine.received {
            let message = arrived.message;
            prop_assert!(!message.contains(&0));
            let crlfs = message.windows(2).filter(|w| w == b"\r\n").count();
            prop_assert_eq!(message.iter().filter(|&&b| b == b'\r').count(), crlfs);
            prop_assert_eq!(message.iter().filter(|&&b| b == b'\n').count(), crlfs);
        }
    }
}
