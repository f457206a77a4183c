//! The client and the reader of replies, without a network.

use super::MESSAGE;
use crate::smtp::Recipient;
use crate::smtp::client::{Client, Input, Mail, StartTls, Step, Terms, Verdict};
use crate::wire::address::Address;
use crate::wire::smtp::dots::Dots;
use crate::wire::smtp::heard::{Heard, Replies};
use crate::wire::smtp::reply::Enhanced;
use crate::wire::smtp::{ForwardPath, Notify, OriginalRecipient, Ret};

fn heard(octets: &[u8]) -> Heard {
    Replies::default().take(&mut octets.to_vec())
}

#[test]
fn replies_are_read_with_their_codes() {
    let Heard::Reply(reply) = heard(b"550-5.1.1 no such\r\n550 5.1.1 person\n") else {
        panic!("a reply")
    };
    assert_eq!((reply.code, reply.enhanced), (550, Some(Enhanced(5, 1, 1))));
    assert_eq!(reply.lines, ["no such", "person"]);
    assert_eq!(heard(b"250-half\r\n"), Heard::Need);
    let Heard::Reply(reply) = heard(b"250 caf\xe9\x07 4.1.1\r\n") else { panic!("a reply") };
    assert_eq!((reply.enhanced, reply.lines[0].as_str()), (None, "caf?? 4.1.1"));
}

#[test]
fn nonsense_is_no_reply_and_holds_no_memory() {
    for bad in [&b"hello\r\n"[..], b"25\r\n", b"099 x\r\n", b"250-a\r\n550 b\r\n", b"250_x\r\n"] {
        assert!(matches!(heard(bad), Heard::Broken(_)), "{bad:?}");
    }
    assert!(matches!(heard(&[b'2'; 10 << 20]), Heard::Broken(_)));
    assert!(matches!(heard(&b"250-more\r\n".repeat(1 << 20)), Heard::Broken(_)));
}

#[test]
fn dots_are_doubled_whatever_the_pieces() {
    let message = b"a\r\n.b\r\n..\r\nbare\n.\r\rend";
    let whole = b"a\r\n..b\r\n...\r\nbare\r\n..\r\n\r\nend\r\n.\r\n";
    for piece in 1..message.len() {
        let (mut dots, mut out) = (Dots::default(), Vec::new());
        while !dots.print(message, piece, &mut out) {}
        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(whole), "{piece}");
    }
}

fn client(tls: StartTls) -> Client {
    Client::new(Terms { host: "us.test".to_string(), tls, login: None, token: false, clear: false })
}

/// What the client says to this, and what it wants then.
fn tell(client: &mut Client, words: &str) -> (String, Step) {
    let mut out = Vec::new();
    let step = client.step(Input::Bytes(&mut words.as_bytes().to_vec()), &mut out);
    (String::from_utf8(out).expect("text"), step)
}

fn mail(recipients: &[&str]) -> Mail {
    let recipient = |to: &&str| Recipient {
        to: ForwardPath::To(Address::parse(to).expect("an address")),
        notify: Some(Notify { success: true, failure: true, delay: false }),
        orcpt: Some(OriginalRecipient { kind: "rfc822".to_string(), address: b"b+c@b".to_vec() }),
    };
    Mail {
        from: Address::parse("alice@a.test").ok(),
        recipients: recipients.iter().map(recipient).collect(),
        message: MESSAGE.into(),
        smtputf8: false,
        eight_bit: true,
        ret: Some(Ret::Headers),
        envid: Some(b"x=1".to_vec()),
    }
}

/// A client that is ready, with these words in the answer to EHLO.
fn ready(words: &str) -> Client {
    let mut client = client(StartTls::IfOffered);
    assert_eq!(tell(&mut client, "220 hi\r\n").0, "EHLO us.test\r\n");
    let (_, step) = tell(&mut client, &format!("250-b.test\r\n{words}250 HELP\r\n"));
    assert_eq!(step, Step::Ready);
    client
}

fn send(client: &mut Client, recipients: &[&str]) -> (String, Step) {
    let mut out = Vec::new();
    let step = client.send(mail(recipients), &mut out);
    (String::from_utf8(out).expect("text"), step)
}

fn verdicts(step: &Step) -> Vec<(&'static str, Option<u16>)> {
    let Step::Sent(verdicts) = step else { panic!("not sent: {step:?}") };
    let short = |verdict: &Verdict| match verdict {
        Verdict::Taken(reply) => ("taken", Some(reply.code)),
        Verdict::Later { reply, .. } => ("later", reply.as_ref().map(|reply| reply.code)),
        Verdict::Never { reply, .. } => ("never", reply.as_ref().map(|reply| reply.code)),
    };
    verdicts.iter().map(short).collect()
}

#[test]
fn a_pipelined_message_says_what_the_server_understands() {
    let mut client = ready("250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-DSN\r\n");
    let (said, _) = send(&mut client, &["bob@b.test", "no@b.test"]);
    let dsn = "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b+2Bc@b";
    let mail = "MAIL FROM:<alice@a.test> SIZE=36 BODY=8BITMIME RET=HDRS ENVID=x+3D1";
    let rest = format!("RCPT TO:<bob@b.test> {dsn}\r\nRCPT TO:<no@b.test> {dsn}\r\nDATA\r\n");
    assert_eq!(said, format!("{mail}\r\n{rest}"));
    let (said, _) = tell(&mut client, "250 ok\r\n250 ok\r\n550 5.1.1 who?\r\n354 go\r\n");
    assert_eq!(said, "Subject: hello\r\n\r\n..a dot\r\nand text\r\n.\r\n");
    let (_, step) = tell(&mut client, "250 2.0.0 queued\r\n");
    assert_eq!(verdicts(&step), [("taken", Some(250)), ("never", Some(550))]);
    assert!(client.is_open());
}

#[test]
fn without_extensions_nothing_is_said_of_them_and_one_command_at_a_time() {
    let mut client = client(StartTls::IfOffered);
    tell(&mut client, "220 hi\r\n");
    assert_eq!(tell(&mut client, "502 what?\r\n").0, "HELO us.test\r\n");
    assert_eq!(tell(&mut client, "250 hi\r\n").1, Step::Ready);
    assert_eq!(send(&mut client, &["bob@b.test"]).0, "MAIL FROM:<alice@a.test>\r\n");
    assert_eq!(tell(&mut client, "250 ok\r\n").0, "RCPT TO:<bob@b.test>\r\n");
    let (said, step) = tell(&mut client, "450 4.2.0 greylisted\r\n");
    assert_eq!((said.as_str(), verdicts(&step)), ("", vec![("later", Some(450))]));
    // The transaction was left half done: it is taken back before the next.
    assert_eq!(send(&mut client, &["bob@b.test"]).0, "RSET\r\n");
}

#[test]
fn data_answered_with_354_though_nobody_was_accepted_sends_nothing() {
    let mut client = ready("250-PIPELINING\r\n");
    send(&mut client, &["no@b.test"]);
    assert_eq!(tell(&mut client, "250 ok\r\n550 no\r\n354 go\r\n").0, ".\r\n");
    assert_eq!(verdicts(&tell(&mut client, "554 empty\r\n").1), [("never", Some(550))]);
}

#[test]
fn goodbye_silence_and_nonsense_are_tried_again() {
    let words = "250 ok\r\n250 ok\r\n354 go\r\n";
    for (says, code) in [("421 bye\r\n", Some(421)), ("nonsense\r\n", None)] {
        let mut client = ready("250-PIPELINING\r\n");
        send(&mut client, &["bob@b.test"]);
        tell(&mut client, words);
        assert_eq!(verdicts(&tell(&mut client, says).1), [("later", code)], "{says}");
        assert!(!client.is_open());
    }
    let mut client = ready("250-PIPELINING\r\n");
    send(&mut client, &["bob@b.test"]);
    tell(&mut client, words);
    let step = client.step(Input::TimedOut, &mut Vec::new());
    assert_eq!(verdicts(&step), [("later", None)]);
}

#[test]
fn too_large_and_foreign_letters_are_known_before_they_are_tried() {
    let mut client = ready("250-SIZE 10\r\n");
    let (said, step) = send(&mut client, &["bob@b.test"]);
    assert_eq!((said.as_str(), verdicts(&step)), ("", vec![("never", None)]));
    let mut client = ready("250-PIPELINING\r\n");
    let (said, _) = send(&mut client, &["bob@b.test", "böb@b.test"]);
    assert!(said.contains("bob@b.test") && !said.contains("böb"), "{said}");
}

#[test]
fn required_tls_is_required_and_our_own_name_is_a_loop() {
    let mut must = client(StartTls::Must);
    tell(&mut must, "220 hi\r\n");
    assert!(matches!(tell(&mut must, "250 b.test\r\n").1, Step::Over(_)));
    let mut offered = client(StartTls::IfOffered);
    tell(&mut offered, "220 hi\r\n");
    assert_eq!(tell(&mut offered, "250-b.test\r\n250 STARTTLS\r\n").0, "STARTTLS\r\n");
    assert_eq!(tell(&mut offered, "454 not now\r\n").1, Step::Ready);
    let mut own = client(StartTls::IfOffered);
    tell(&mut own, "220 hi\r\n");
    let (_, step) = tell(&mut own, "250 US.test\r\n");
    assert!(matches!(step, Step::Over(trouble) if trouble.ourselves));
}
