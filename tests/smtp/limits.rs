//! Every limit of a session: at it, above it, far above it.

use super::stage::{BUDGET, Table, Talk, noon, office, run, setting};
use crate::limits::{
    SMTP_ERRORS, SMTP_LINE_BYTES, SMTP_MAILS_PER_SESSION, SMTP_RECIPIENTS, SMTP_REFUSALS_TOLD,
    SMTP_TARPIT_AFTER,
};
use crate::wire::budget::Hold;
use crate::wire::smtp::{Budget, Content, Fault};
use std::net::{IpAddr, Ipv4Addr};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

#[test]
fn command_lines() {
    let mut talk = office();
    let noop = |octets: usize| format!("NOOP {}", "x".repeat(octets - "NOOP \r\n".len()));
    assert!(talk.say(&noop(SMTP_LINE_BYTES)).starts_with("250 "));
    assert!(talk.say(&noop(SMTP_LINE_BYTES + 1)).starts_with("500 5.5.2 "));
    // Far above: nothing is kept, one reply, and what follows is in step.
    for _ in 0..100 {
        assert_eq!(talk.send(&b"y".repeat(100_000)), "");
    }
    let replies = talk.send(b"\r\nNOOP\r\n");
    assert!(replies.starts_with("500 5.5.2 ") && replies.contains("\r\n250 2.0.0 "), "{replies}");
}

#[test]
fn lines_that_are_no_command_lines() {
    let mut talk = office();
    for (sent, why) in [
        (&b"NOOP\n"[..], "LF without CR"),
        (b"NO\rOP\r\n", "CR"),
        (b"NO\0OP\r\n", "NUL"),
        (b"NOOP \xff\xfe\r\n", "not UTF-8"),
    ] {
        let reply = talk.send(sent);
        assert!(reply.starts_with("500 5.5.2 ") && reply.contains(why), "{reply}");
    }
}

#[test]
fn recipients() {
    let people: Vec<String> =
        (0..SMTP_RECIPIENTS + 5).map(|n| format!("p{n}@office.test")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let mut talk = Talk::new(setting(), Table::of(&people));
    talk.say("EHLO client.test");
    talk.say("MAIL FROM:<x@far.test>");
    for (at, who) in people.iter().enumerate() {
        let reply = talk.say(&format!("RCPT TO:<{who}>"));
        let wanted = if at < SMTP_RECIPIENTS { "250 2.1.5 " } else { "452 4.5.3 " };
        assert!(reply.starts_with(wanted), "{at}: {reply}");
    }
    run(&mut talk, "C: DATA\nS: 354\nC: .\nS: 250");
    assert_eq!(talk.machine.received[0].recipients.len(), SMTP_RECIPIENTS);
}

#[test]
fn messages_in_one_session() {
    let mut talk = office();
    for _ in 0..SMTP_MAILS_PER_SESSION {
        assert!(talk.send(b"MAIL FROM:<>\r\nRSET\r\n").starts_with("250 2.1.0 "));
    }
    run(&mut talk, "C: MAIL FROM:<>\nS: 421 4.7.0\nS! closed");
}

#[test]
fn errors_are_slowed_and_then_end_the_connection() {
    let mut talk = office();
    for error in 1..SMTP_ERRORS {
        assert!(talk.say("FROBNICATE").starts_with("500 5.5.1 "));
        assert_eq!(talk.pauses, (error + 1).saturating_sub(SMTP_TARPIT_AFTER));
    }
    let pauses = talk.pauses;
    assert!(talk.say("NOOP").starts_with("250 "));
    assert_eq!(talk.pauses, pauses + 1, "good answers are slow too by now");
    let replies = talk.say("FROBNICATE");
    assert!(replies.starts_with("500 ") && replies.contains("\r\n421 4.7.0 "), "{replies}");
    assert!(talk.closed);
    assert_eq!(talk.say("NOOP"), "");
}

#[test]
fn a_guesser_of_addresses_is_slowed_ended_and_told_in_one_story() {
    let mut talk = office();
    talk.say("MAIL FROM:<x@far.test>");
    let guesses: Vec<String> =
        (0..2 * SMTP_ERRORS).map(|n| format!("RCPT TO:<guess{n}@office.test>\r\n")).collect();
    let replies = talk.send(guesses.concat().as_bytes());
    assert_eq!(replies.matches("550 5.1.1 ").count(), SMTP_ERRORS);
    assert!(replies.ends_with("421 4.7.0 Too many errors, closing\r\n") && talk.closed);
    assert!(talk.pauses > SMTP_ERRORS / 2);
    let [story] = &talk.machine.told[..] else { panic!("{}", talk.machine.told.len()) };
    assert_eq!(story.refusals.told.len(), SMTP_REFUSALS_TOLD);
    assert_eq!(story.refusals.more, SMTP_ERRORS - SMTP_REFUSALS_TOLD);
}

#[test]
fn memory_for_messages_is_shared_and_given_back() {
    let budget = Budget::new(10_000);
    let mut first = Content::new(8_000, Hold::new(&budget, HERE));
    first.push_chunk(&[b'x'; 8_000]);
    assert_eq!((first.fault(), budget.free()), (None, 2_000));
    let mut second = Content::new(8_000, Hold::new(&budget, HERE));
    second.push_chunk(&[b'x'; 1_500]);
    assert_eq!(second.fault(), None);
    second.push_chunk(&[b'x'; 1_500]);
    assert_eq!((second.fault(), budget.free()), (Some(Fault::NoMemory), 2_000));
    // Far above: counted off, nothing held.
    for _ in 0..100 {
        second.push_chunk(&[b'x'; 100_000]);
    }
    assert_eq!(second.finish().err(), Some(Fault::NoMemory));
    let (message, hold) = first.finish().unwrap();
    assert_eq!((message.len(), budget.free()), (8_000, 2_000));
    drop(hold);
    assert_eq!(budget.free(), 10_000);
}

/// Three slow senders at one place hold their network's share and no more: another network's
/// message is taken all the same.
#[test]
fn slow_senders_of_one_network_shut_nobody_else_out() {
    let mut shared =
        crate::smtp::Setting::mx("mail.office.test", Budget::with_share(8_000, 4_000), noon);
    std::sync::Arc::get_mut(&mut shared).unwrap().message_bytes = 4_000;
    let slow = [2_900, 1_900, 900].map(|octets| {
        let mut talk = in_data(shared.clone(), "192.0.2.7:40001");
        assert_eq!(talk.send(&b"x".repeat(octets)), "", "the message goes on");
        talk
    });
    // The least that a message holds is 1,024.
    assert_eq!(
        shared.budget.free(),
        8_000 - 2_900 - 1_024,
        "the second would have gone beyond the share"
    );
    let mut other = in_data(shared.clone(), "192.0.2.8:40001");
    let reply = other.send(&[&b"x".repeat(3_900)[..], b"\r\n.\r\n"].concat());
    assert!(reply.starts_with("250 "), "{reply}");
    let [first, mut second, third] = slow;
    let reply = second.send(b"\r\n.\r\n");
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");
    drop(third);
    let mut first = first;
    let reply = first.send(b"\r\n.\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
}

/// A talk from this address that has said DATA.
fn in_data(shared: std::sync::Arc<crate::smtp::Setting>, remote: &str) -> Talk<Table> {
    let mut talk = Talk::from(shared, Table::of(&["bob@office.test"]), remote);
    talk.replies();
    talk.say("EHLO x");
    talk.say("MAIL FROM:<>");
    talk.say("RCPT TO:<bob@office.test>");
    assert!(talk.say("DATA").starts_with("354 "));
    talk
}

#[test]
fn out_of_memory_is_for_now() {
    let mut table = Table::of(&["bob@office.test"]);
    table.refuse = None;
    let mut own =
        crate::smtp::Setting::mx("mail.office.test", Budget::new(3_000), super::stage::noon);
    std::sync::Arc::get_mut(&mut own).unwrap().message_bytes = 4_000;
    let mut talk = Talk::new(own.clone(), table);
    talk.say("EHLO client.test");
    run(
        &mut talk,
        "C: MAIL FROM:<> SIZE=3001
         S: 452 4.3.1
         C: MAIL FROM:<>
         S: 250
         C: RCPT TO:<bob@office.test>
         S: 250
         C: DATA
         S: 354",
    );
    let replies = talk.send(&[&b"x".repeat(3_500)[..], b"\r\n.\r\n"].concat());
    assert!(replies.starts_with("452 4.3.1 "), "{replies}");
    assert_eq!(own.budget.free(), 3_000);
    // A smaller one fits, and is given back with the message.
    run(
        &mut talk,
        "C: MAIL FROM:<>
         S: 250
         C: RCPT TO:<bob@office.test>
         S: 250
         C: DATA
         S: 354
         C: hello
         C: .
         S: 250",
    );
    assert!(own.budget.free() < 3_000);
    talk.machine.received.clear();
    assert_eq!(own.budget.free(), 3_000);
}

#[test]
fn a_session_that_breaks_off_gives_its_memory_back() {
    let shared = setting();
    let budget = shared.budget.clone();
    let mut talk = Talk::new(shared, Table::of(&["bob@office.test"]));
    talk.say("EHLO x");
    talk.say("MAIL FROM:<>");
    talk.say("RCPT TO:<bob@office.test>");
    talk.say("DATA");
    talk.send(&b"x".repeat(3_000));
    assert!(budget.free() < BUDGET);
    talk.drive(crate::session::Input::Ended);
    assert_eq!(budget.free(), BUDGET);
}
