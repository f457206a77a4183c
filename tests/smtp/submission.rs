//! Ports 587 and 465: what a person may say before and after the log-in.

use super::stage::{BUDGET, Table, Talk, noon, run};
use crate::limits::LOGIN_FAILURES_PER_CONNECTION;
use crate::smtp::Setting;
use crate::wire::smtp::Budget;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::sync::Arc;

fn setting() -> Arc<Setting> {
    Setting::submission("mail.office.test", Budget::new(BUDGET), noon)
}

/// A connection to port 587, greeted, in clear.
fn clear() -> Talk<Table> {
    Talk::new(setting(), Table::of(&["alice@office.test", "bob@office.test"]))
}

/// The same under TLS, after EHLO.
fn secured() -> Talk<Table> {
    let mut talk = clear();
    talk.say("EHLO client.test");
    talk.say("STARTTLS");
    talk.say("EHLO client.test");
    talk
}

fn plain(password: &str) -> String {
    BASE64.encode(format!("\0alice@office.test\0{password}"))
}

/// The same, logged in as alice.
fn logged_in() -> Talk<Table> {
    let mut talk = secured();
    let reply = talk.say(&format!("AUTH PLAIN {}", plain("secret")));
    assert_eq!(reply, "235 2.7.0 Logged in\r\n");
    talk
}

#[test]
fn nothing_is_offered_and_nothing_taken_in_clear() {
    let mut talk = clear();
    let hello = talk.say("EHLO client.test");
    assert!(hello.contains("STARTTLS") && !hello.contains("AUTH"), "{hello}");
    run(
        &mut talk,
        "C: MAIL FROM:<alice@office.test>
         S: 530 5.7.0 Log in first
         C: AUTH PLAIN
         S: 538 5.7.11 Say STARTTLS
         C: STARTTLS
         S: 220 2.0.0
         S! secured
         C: AUTH PLAIN
         S: 503 5.5.1 Say EHLO first",
    );
    let hello = talk.say("EHLO client.test");
    // neomutt with gsasl would take -PLUS, fail at it, and try no other; see below.
    let offered = "AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n";
    assert!(hello.ends_with(&format!("250 {offered}")), "{hello}");
    assert!(talk.say("MAIL FROM:<alice@office.test>").starts_with("530 "));
}

/// SCRAM-SHA-256-PLUS is not in the list, and done for whoever knows it: bound to this TLS. The
/// bare one takes "y", which a client says that could bind and saw no -PLUS.
#[test]
fn a_bound_log_in_is_done_for_who_asks_for_it() {
    let first = |header: &str| BASE64.encode(format!("{header}n=alice@office.test,r=abcdef"));
    let mut talk = secured();
    run(&mut talk, "C: AUTH SCRAM-SHA-256-PLUS\nS: 334 ");
    // tls-server-end-point stands under every TLS; without a binding -PLUS is no -PLUS.
    let reply = talk.say(&first("n,,"));
    assert!(reply.starts_with("501 "), "{reply}");
    for (mechanism, header) in [
        ("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,"),
        ("scram-sha-256-plus", "p=tls-server-end-point,,"),
        ("SCRAM-SHA-256", "y,,"),
        ("SCRAM-SHA-256", "n,,"),
    ] {
        // This stage knows no SCRAM keys: to be asked for them is to have been understood.
        let reply = talk.say(&format!("AUTH {mechanism} {}", first(header)));
        assert!(reply.starts_with("535 5.7.8 "), "{mechanism} {header}: {reply}");
    }
    let mut clear = clear();
    clear.say("EHLO client.test");
    let reply = clear.say(&format!("AUTH SCRAM-SHA-256-PLUS {}", first("p=tls-exporter,,")));
    assert!(reply.starts_with("538 5.7.11 "), "{reply}");
}

#[test]
fn port_25_knows_no_log_in() {
    let mut talk = super::stage::office();
    run(
        &mut talk,
        "C: AUTH PLAIN
         S: 502 5.5.1
         C: MAIL FROM:<x@far.test> AUTH=<>
         S: 555 5.5.4 Parameter AUTH
         C: MAIL FROM:<x@far.test>
         S: 250 2.1.0",
    );
}

#[test]
fn a_log_in_with_prompts_as_outlook_does_it() {
    let mut talk = secured();
    let (name, password) = (BASE64.encode("alice@office.test"), BASE64.encode("secret"));
    run(
        &mut talk,
        &format!(
            "C: AUTH LOGIN
             S: 334 VXNlcm5hbWU6
             C: {name}
             S: 334 UGFzc3dvcmQ6
             C: {password}
             S: 235 2.7.0
             C: AUTH PLAIN
             S: 503 5.5.1 You are logged in already"
        ),
    );
    assert!(!talk.say("EHLO client.test").contains("AUTH"), "not offered again");
}

#[test]
fn wrong_log_ins_are_told_apart_and_bounded() {
    let mut talk = secured();
    run(
        &mut talk,
        "C: AUTH CRAM-MD5
         S: 504 5.5.4
         C: AUTH PLAIN ***
         S: 501 5.5.2 That is not base64
         C: AUTH LOGIN
         S: 334 VXNlcm5hbWU6
         C: *
         S: 501 5.7.0 Log-in given up
         C: AUTH PLAIN =
         S: 501 5.5.2",
    );
    talk.say("AUTH LOGIN");
    let long = "A".repeat(20_000);
    assert!(talk.say(&long).starts_with("500 5.5.6 "));
    for n in 1..=LOGIN_FAILURES_PER_CONNECTION {
        let reply = talk.say(&format!("AUTH PLAIN {}", plain("wrong")));
        assert!(reply.starts_with("535 5.7.8 Wrong name or password\r\n"), "{n}: {reply}");
    }
    assert!(talk.closed);
}

#[test]
fn a_person_with_too_many_connections_hears_so() {
    run(
        &mut secured(),
        "C: AUTH PLAIN AGV2ZUBvZmZpY2UudGVzdABhbnk=
         S: 454 4.7.0 Too many connections of this account are open,
         C: NOOP
         S: 250 2.0.0",
    );
}

#[test]
fn a_person_sends_as_themselves_to_everybody() {
    let mut talk = logged_in();
    run(
        &mut talk,
        "C: MAIL FROM:<>
         S: 550 5.7.1 <> is for reports
         C: MAIL FROM:<boss@office.test>
         S: 553 5.7.1 boss@office.test is not one of your addresses
         C: MAIL FROM:<alice@office.test> AUTH=<> RET=HDRS ENVID=7
         S: 250 2.1.0
         C: AUTH PLAIN
         S: 503 5.5.1
         C: RCPT TO:<bob@office.test>
         S: 250 2.1.5
         C: RCPT TO:<nobody@office.test>
         S: 550 5.1.1
         C: RCPT TO:<friend@far.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;friend@far.test
         S: 250 2.1.5
         C: RCPT TO:<two@far.test>
         S: 250 2.1.5
         C: RCPT TO:<three@far.test>
         S: 452 4.7.1 You have written to as many
         C: DATA
         S: 354 ",
    );
    let reply = talk.send(b"Subject: x\n\nline\n.still text\n.\r\nlast\r\n..dot\r\n.\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
    let arrived = talk.machine.received.first().expect("taken");
    // Behind a bare LF no dot was doubled by the sender, so none is taken off, and none ends it.
    let text = String::from_utf8_lossy(&arrived.message);
    assert_eq!(text, "Subject: x\r\n\r\nline\r\n.still text\r\n.\r\nlast\r\n.dot\r\n");
    assert_eq!(arrived.caller.login.as_ref().map(|login| login.account), Some(1));
    let friend = arrived.recipients.get(1).expect("a recipient");
    assert!(friend.notify.is_some_and(|notify| notify.success && !notify.failure));
    assert_eq!(friend.orcpt.as_ref().map(|o| o.address.as_slice()), Some(&b"friend@far.test"[..]));
}

#[test]
fn a_bare_cr_and_a_nul_are_refused_from_people_too() {
    for text in [&b"Subject: x\r\rtext\r\n.\r\n"[..], b"Subject: x\0\r\n.\r\n"] {
        let mut talk = logged_in();
        talk.say("MAIL FROM:<alice@office.test>");
        talk.say("RCPT TO:<bob@office.test>");
        talk.say("DATA");
        assert!(talk.send(text).starts_with("550 5.6.11 "));
    }
}

#[test]
fn pipelined_commands_wait_for_their_turn() {
    let mut talk = secured();
    let reply = talk.send(
        format!(
            "AUTH PLAIN {}\r\nMAIL FROM:<alice@office.test>\r\nRCPT TO:<friend@far.test>\r\n\
             DATA\r\n",
            plain("secret")
        )
        .as_bytes(),
    );
    let codes: Vec<&str> = reply.lines().filter_map(|line| line.get(..3)).collect();
    assert_eq!(codes, ["235", "250", "250", "354"]);
}
