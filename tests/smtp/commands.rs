//! Command lines: read as values, refused with a reason, and in their order.

use super::stage::{addressed, office, run};
use crate::wire::smtp::{
    Body, Command, CommandError, ForwardPath, Mail, Notify, Reply, Ret, xtext,
};
use proptest::prelude::*;

fn mail(line: &str) -> Mail {
    match Command::parse(line) {
        Ok(Command::Mail(mail)) => mail,
        other => panic!("{line}: {other:?}"),
    }
}

fn refused(line: &str) -> String {
    Command::parse(line).expect_err(line).reply().to_string()
}

#[test]
fn verbs_in_any_case() {
    assert_eq!(Command::parse("ehlo [192.0.2.1]"), Ok(Command::Ehlo("[192.0.2.1]".into())));
    assert_eq!(Command::parse("Helo a.test"), Ok(Command::Helo("a.test".into())));
    for (line, command) in [
        ("DATA", Command::Data),
        ("rset ", Command::Rset),
        ("NOOP whatever", Command::Noop),
        ("HELP MAIL", Command::Help),
        ("qUIT", Command::Quit),
        ("STARTTLS", Command::StartTls),
        ("BDAT 0 last", Command::Bdat { octets: 0, last: true }),
        ("BDAT 86", Command::Bdat { octets: 86, last: false }),
        ("VRFY Crispin", Command::Vrfy("Crispin".into())),
        ("EXPN Example-People", Command::Expn("Example-People".into())),
        ("AUTH plain", Command::Auth { mechanism: "PLAIN".into(), initial: None }),
        ("AUTH PLAIN =", Command::Auth { mechanism: "PLAIN".into(), initial: Some("=".into()) }),
    ] {
        assert_eq!(Command::parse(line), Ok(command), "{line}");
    }
}

#[test]
fn senders() {
    for (line, from) in [
        ("MAIL FROM:<>", None),
        ("mail from:<JQP@bar.com>", Some("JQP@bar.com")),
        ("MAIL FROM: <a@b.test>", Some("a@b.test")),
        ("MAIL FROM:<@hosta.int,@jkl.org:userc@d.bar.org>", Some("userc@d.bar.org")),
        ("MAIL FROM:<@[IPv6:::1]:a@b.test>", Some("a@b.test")),
        ("MAIL FROM:<\"a > b\"@c.test>", Some("\"a > b\"@c.test")),
        ("MAIL FROM:<\"a\\\"> b\"@c.test> BODY=8BITMIME", Some("\"a\\\"> b\"@c.test")),
    ] {
        assert_eq!(mail(line).from.map(|a| a.to_string()).as_deref(), from, "{line}");
    }
}

#[test]
fn parameters_of_mail() {
    let mail =
        mail("MAIL FROM:<a@b> size=500000 body=8bitmime SMTPUTF8 RET=HDRS ENVID=QQ+2B314159");
    assert_eq!(mail.size, Some(500_000));
    assert_eq!(mail.body, Body::EightBitMime);
    assert!(mail.smtputf8 && mail.extended);
    assert_eq!(mail.ret, Some(Ret::Headers));
    assert_eq!(mail.envid.as_deref(), Some(&b"QQ+314159"[..]));
}

#[test]
fn recipients() {
    let Ok(Command::Rcpt(rcpt)) = Command::parse(
        "RCPT TO:<@a.test:Bob@Example.COM> NOTIFY=success,DELAY ORCPT=rfc822;Bob+2Bx@Example.COM",
    ) else {
        panic!("refused");
    };
    assert_eq!(rcpt.to.to_string(), "Bob@example.com");
    assert_eq!(rcpt.notify, Some(Notify { success: true, failure: false, delay: true }));
    let orcpt = rcpt.orcpt.unwrap();
    assert_eq!((orcpt.kind.as_str(), &orcpt.address[..]), ("rfc822", &b"Bob+x@Example.COM"[..]));
    let Ok(Command::Rcpt(rcpt)) = Command::parse("RCPT TO:<PostMaster> NOTIFY=NEVER") else {
        panic!("refused");
    };
    assert_eq!((rcpt.to, rcpt.notify), (ForwardPath::Postmaster, Some(Notify::default())));
}

#[test]
fn what_is_refused_and_why() {
    for (line, reply) in [
        ("", "500 5.5.1"),
        ("FROBNICATE", "500 5.5.1"),
        ("MAILFROM:<a@b>", "500 5.5.1"),
        ("EHLO", "501 5.5.4"),
        ("HELO  ", "501 5.5.4"),
        ("DATA now", "501 5.5.4"),
        ("QUIT please", "501 5.5.4"),
        ("RSET 1", "501 5.5.4"),
        ("STARTTLS now", "501 5.5.4"),
        ("VRFY", "501 5.5.4"),
        ("AUTH", "501 5.5.4"),
        ("AUTH PLAIN x y", "501 5.5.4"),
        ("BDAT", "501 5.5.4"),
        ("BDAT x", "501 5.5.4"),
        ("BDAT +5", "501 5.5.4"),
        ("BDAT -1", "501 5.5.4"),
        ("BDAT 99999999999999999999999", "501 5.5.4"),
        ("BDAT 5 FIRST", "501 5.5.4"),
        ("BDAT 5 LAST LAST", "501 5.5.4"),
        ("MAIL", "501 5.5.4"),
        ("MAIL TO:<a@b>", "501 5.5.4"),
        ("MAIL FROM a@b", "501 5.5.4"),
        ("MAIL FROM:a@b", "501 5.1.7"),
        ("MAIL FROM:<a@b", "501 5.1.7"),
        ("MAIL FROM:<a@b>SIZE=1", "501 5.1.7"),
        ("MAIL FROM:<a b@c>", "501 5.1.7"),
        ("MAIL FROM:<@:a@b>", "501 5.1.7"),
        ("MAIL FROM:<@x a@b>", "501 5.1.7"),
        ("MAIL FROM:<ü@b>", "553 5.6.7"),
        ("MAIL FROM:<a@b> SIZE", "501 5.5.4 SIZE"),
        ("MAIL FROM:<a@b> SIZE=", "501 5.5.4 SIZE"),
        ("MAIL FROM:<a@b> SIZE=-1", "501 5.5.4 SIZE"),
        ("MAIL FROM:<a@b> SIZE=1 size=2", "501 5.5.4 Parameter SIZE stands twice"),
        ("MAIL FROM:<a@b> BODY=BINARYMIME", "501 5.5.4 BODY"),
        ("MAIL FROM:<a@b> SMTPUTF8=yes", "501 5.5.4 SMTPUTF8"),
        ("MAIL FROM:<a@b> RET=ALL", "501 5.5.4 RET"),
        ("MAIL FROM:<a@b> ENVID=+zz", "501 5.5.4 ENVID"),
        ("MAIL FROM:<a@b> AUTH=+", "501 5.5.4"),
        ("MAIL FROM:<a@b> X-LOVE=all", "555 5.5.4"),
        ("RCPT TO:<>", "501 5.1.3"),
        ("RCPT TO:<bob>", "501 5.1.3"),
        ("RCPT TO:bob@x", "501 5.1.3"),
        ("RCPT FROM:<a@b>", "501 5.5.4"),
        ("RCPT TO:<a@b> NOTIFY=NEVER,SUCCESS", "501 5.5.4 NOTIFY"),
        ("RCPT TO:<a@b> NOTIFY=", "501 5.5.4 NOTIFY"),
        ("RCPT TO:<a@b> ORCPT=bob", "501 5.5.4 ORCPT"),
        ("RCPT TO:<a@b> ORCPT=rfc822;a=b", "501 5.5.4 ORCPT"),
        ("RCPT TO:<a@b> SIZE=3", "555 5.5.4"),
    ] {
        assert!(refused(line).starts_with(reply), "{line}: {}", refused(line));
    }
    let long = format!("EHLO {}", "a".repeat(256));
    assert_eq!(Command::parse(&long), Err(CommandError::Syntax("EHLO domain")));
    assert_eq!(mail("MAIL FROM:<a@b> SIZE=99999999999999999999").size, Some(u64::MAX));
}

#[test]
fn commands_out_of_order() {
    let mut talk = office();
    run(
        &mut talk,
        "C: RCPT TO:<bob@office.test>
         S: 503 5.5.1
         C: DATA
         S: 503 5.5.1
         C: MAIL FROM:<x@far.test>
         S: 250 2.1.0
         C: MAIL FROM:<y@far.test>
         S: 503 5.5.1
         C: DATA
         S: 554 5.5.1
         C: RCPT TO:<bob@office.test>
         S: 250 2.1.5
         C: EHLO again.test
         S: 250-
         S: 250-PIPELINING
         S: 250-SIZE 4000
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-ENHANCEDSTATUSCODES
         S: 250-CHUNKING
         S: 250-DSN
         S: 250-LIMITS MAILMAX=1000 RCPTMAX=1000
         S: 250 STARTTLS
         C: RCPT TO:<bob@office.test>
         S: 503 5.5.1",
    );
    assert!(talk.machine.received.is_empty());
}

#[test]
fn before_ehlo_there_is_no_mail() {
    let mut talk = super::stage::Talk::new(super::stage::setting(), Default::default());
    let talk: &mut super::stage::Talk<super::stage::Table> = &mut talk;
    run(
        talk,
        "C: NOOP
         S: 250 2.0.0
         C: HELP
         S: 214 2.0.0
         C: VRFY bob
         S: 252 2.0.0
         C: EXPN staff
         S: 502 5.5.1
         C: RSET
         S: 250 2.0.0
         C: MAIL FROM:<x@far.test>
         S: 503 5.5.1
         C: STARTTLS
         S: 503 5.5.1
         C: QUIT
         S: 221 2.0.0
         S! closed",
    );
}

#[test]
fn helo_has_no_extensions() {
    let mut talk = office();
    run(
        &mut talk,
        "C: HELO old.test
         S: 250 mail.office.test
         C: MAIL FROM:<x@far.test> SIZE=10
         S: 555 5.5.4
         C: MAIL FROM:<x@far.test>
         S: 250 2.1.0
         C: RCPT TO:<bob@office.test> NOTIFY=NEVER
         S: 555 5.5.4
         C: RCPT TO:<bob@office.test>
         S: 250 2.1.5
         C: DATA
         S: 354
         C: .
         S: 250 2.0.0",
    );
    assert!(!talk.machine.received[0].caller.extended);
}

#[test]
fn return_addresses_say_what_they_are_for() {
    let mut talk = office();
    run(
        &mut talk,
        "C: MAIL FROM:<>
         C: RCPT TO:<srs0=open@office.test>
         C: RCPT TO:<srs0=forged@office.test>
         C: RCPT TO:<srs0=flood@office.test>
         C: RCPT TO:<srs0=good@office.test>
         S: 250 2.1.0
         S: 550 5.7.1 This return address takes only delivery reports, from <>
         S: 550 5.1.1 This return address was not made here, or has expired
         S: 452 4.7.1 As many reports have gone back today as may, try tomorrow
         S: 250 2.1.5",
    );
}

#[test]
fn recipients_get_their_own_answers() {
    let mut talk = office();
    run(
        &mut talk,
        "C: MAIL FROM:<x@far.test>
         C: RCPT TO:<nobody@office.test>
         C: RCPT TO:<bob@elsewhere.test>
         C: RCPT TO:<full@office.test>
         C: RCPT TO:<broken@office.test>
         C: RCPT TO:<böb@office.test>
         C: RCPT TO:<bob@office.test>
         C: RCPT TO:<bob@office.test>
         C: RCPT TO:<postmaster>
         C: DATA
         S: 250 2.1.0
         S: 550 5.1.1
         S: 550 5.7.1
         S: 452 4.2.2
         S: 451 4.3.0
         S: 553 5.6.7
         S: 250 2.1.5
         S: 250 2.1.5
         S: 250 2.1.5
         S: 354
         C: hello
         C: .
         S: 250 2.0.0 1 delivered
         C: QUIT
         S: 221",
    );
    let arrived = &talk.machine.received[0];
    let to: Vec<String> = arrived.recipients.iter().map(|r| r.to.to_string()).collect();
    assert_eq!(to, ["bob@office.test", "postmaster"]);
    // The refused ones are part of this message's story, so there is no other.
    assert_eq!(arrived.refused.told.len(), 4);
    assert!(talk.machine.told.is_empty());
}

#[test]
fn refusals_are_told_once_a_connection() {
    let mut talk = office();
    run(
        &mut talk,
        "C: MAIL FROM:<x@far.test>
         C: RCPT TO:<nobody@office.test>
         C: RSET
         C: MAIL FROM:<x@far.test>
         C: RCPT TO:<bob@elsewhere.test>
         C: QUIT
         S: 250
         S: 550 5.1.1
         S: 250
         S: 250
         S: 550 5.7.1
         S: 221
         S! closed",
    );
    let [story] = &talk.machine.told[..] else { panic!("{:?}", talk.machine.told) };
    let told: Vec<_> = story.refusals.told.iter().map(|r| (r.from.as_str(), &r.to[..])).collect();
    assert_eq!(told, [("x@far.test", "nobody@office.test"), ("x@far.test", "bob@elsewhere.test")]);
}

#[test]
fn there_is_no_log_in_on_port_25() {
    run(&mut office(), "C: AUTH PLAIN AGJvYgBzZWNyZXQ=\nS: 502 5.5.1");
}

#[test]
fn what_is_pipelined_with_starttls_is_thrown_away() {
    let mut talk = addressed();
    // RFC 3207 4.2: the injected commands and the transaction before are gone
    let replies =
        talk.send(b"STARTTLS\r\nMAIL FROM:<evil@far.test>\r\nRCPT TO:<bob@office.test>\r\n");
    assert_eq!(replies, "220 2.0.0 Begin TLS\r\n");
    run(
        &mut talk,
        "S! secured
         C: DATA
         S: 503 5.5.1
         C: MAIL FROM:<x@far.test>
         S: 503 5.5.1 Say EHLO
         C: EHLO client.test
         S: 250-
         S: 250-PIPELINING
         S: 250-SIZE
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-ENHANCEDSTATUSCODES
         S: 250-CHUNKING
         S: 250-DSN
         S: 250 LIMITS
         C: STARTTLS
         S: 503 5.5.1
         C: MAIL FROM:<x@far.test>
         S: 250",
    );
}

#[test]
fn replies_carry_what_peers_sent_only_as_printable_ascii() {
    let mut out = Vec::new();
    let mut reply = Reply::new(550, 1, 1, "a\r\n250 fake\u{7f}ü\0");
    reply.lines.push("y".repeat(600));
    reply.print(&mut out);
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(lines[0], "550-5.1.1 a??250 fake???");
    assert_eq!(lines[1].len(), 510);
    assert!(lines[1].starts_with("550 5.1.1 yyy"));
}

proptest! {
    #[test]
    fn any_line_is_read_or_refused(line in "\\PC{0,80}") {
        if let Err(error) = Command::parse(&line) {
            prop_assert!((500..=555).contains(&error.reply().code));
        }
    }

    #[test]
    fn any_parameters_are_read_or_refused(
        verb in "(MAIL FROM:|RCPT TO:)",
        path in "<[ -~ü]{0,12}>?",
        params in "( [A-Z0-9]{0,8}(=[ -~]{0,12})?){0,3}",
    ) {
        _ = Command::parse(&format!("{verb}{path}{params}"));
    }

    #[test]
    fn xtext_brings_back_any_octets(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
        let text = xtext::encode(&octets);
        prop_assert!(text.bytes().all(|b| (b'!'..=b'~').contains(&b) && b != b'='));
        prop_assert_eq!(xtext::decode(&text), Some(octets));
    }
}
