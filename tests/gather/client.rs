//! The client without a network: how it enters, and what it never says.

use crate::imap::client::{Client, Heard, Ill, Input, Login, Secret, Step, Terms, busy, quoted};
use crate::wire::imap::heard::{Kind, Response, Status};
use std::time::Duration;

fn terms(start_tls: bool, clear: bool, secret: Secret) -> Terms {
    Terms { start_tls, clear, login: Login { user: "carl".to_string(), secret } }
}

fn password() -> Secret {
    Secret::Password("p\"w\\d".to_string())
}

fn client(start_tls: bool) -> Client {
    Client::new(terms(start_tls, !start_tls, password()))
}

/// What the client says to this, and what it wants then.
fn tell(client: &mut Client, words: &str) -> (String, Step) {
    let mut out = Vec::new();
    let step = client.step(Input::Bytes(&mut words.as_bytes().to_vec()), &mut out);
    (String::from_utf8(out).expect("text"), step)
}

/// The whole of a dialogue up to where the client is in.
fn enters(client: &mut Client, dialogue: &[(&str, &str)]) {
    let (last, before) = dialogue.split_last().expect("a dialogue");
    for (told, said) in before {
        let (out, step) = tell(client, told);
        assert_eq!(out, *said, "to {told:?}");
        assert!(matches!(step, Step::Read(_)), "to {told:?}: {step:?}");
    }
    let (out, step) = tell(client, last.0);
    assert_eq!((out.as_str(), step), (last.1, Step::Ready), "to {:?}", last.0);
}

#[test]
fn it_logs_in_as_the_server_offers() {
    let plain = "AGNhcmwAcCJ3XGQ=";
    let caps = "* CAPABILITY IMAP4rev1\r\n";
    enters(
        &mut client(false),
        &[
            (
                "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n",
                &format!("A1 AUTHENTICATE PLAIN {plain}\r\n"),
            ),
            ("A1 OK [CAPABILITY IMAP4rev1 IDLE ID] in\r\n", "A2 ID (\"name\" \"Mailroom\")\r\n"),
            ("* ID NIL\r\nA2 OK done\r\n", ""),
        ],
    );
    // RFC 3501 6.2.2: without SASL-IR it waits for "+"
    enters(
        &mut client(false),
        &[
            ("* OK hi\r\n", "A1 CAPABILITY\r\n"),
            ("* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nA1 OK done\r\n", "A2 AUTHENTICATE PLAIN\r\n"),
            ("+ \r\n", &format!("{plain}\r\n")),
            ("A2 OK in\r\n", "A3 CAPABILITY\r\n"),
            (&format!("{caps}A3 OK done\r\n"), ""),
        ],
    );
    enters(
        &mut client(false),
        &[
            ("* OK [CAPABILITY IMAP4rev1] hi\r\n", "A1 LOGIN \"carl\" \"p\\\"w\\\\d\"\r\n"),
            ("A1 OK [CAPABILITY IMAP4rev1] in\r\n", ""),
        ],
    );
}

#[test]
fn a_password_waits_for_tls() {
    let mut starting = client(true);
    let greeting = "* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] hi\r\n";
    assert_eq!(tell(&mut starting, greeting).0, "A1 STARTTLS\r\n");
    // What stands behind the OK in clear was put there by somebody else.
    let injected = "A1 OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=EVIL\r\n";
    assert_eq!(tell(&mut starting, injected), (String::new(), Step::Secure));
    let mut out = Vec::new();
    let step = starting.step(Input::Secured, &mut out);
    assert!(matches!(step, Step::Read(_)));
    assert_eq!(out, b"A2 CAPABILITY\r\n", "what was offered in clear is forgotten");
    for (greeting, why) in [
        ("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n", "no STARTTLS"),
        ("* PREAUTH [CAPABILITY IMAP4rev1] come in\r\n", "before there is TLS"),
    ] {
        let (out, step) = tell(&mut client(true), greeting);
        let Step::Over(trouble) = step else { panic!("{step:?}") };
        assert!(out.is_empty() && trouble.ill == Ill::Lasting, "{out}");
        assert!(trouble.why.contains(why), "{trouble:?}");
    }
    let mut bare = Client::new(terms(false, false, password()));
    let (out, step) = tell(&mut bare, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n");
    assert!(out.is_empty() && matches!(step, Step::Over(_)), "{step:?}");
    let (out, step) = tell(&mut client(false), "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n");
    assert!(out.is_empty() && matches!(step, Step::Over(_)), "{step:?}");
}

#[test]
fn a_token_is_said_by_xoauth2() {
    let mut client = Client::new(terms(false, true, Secret::Token("ya29.x".to_string())));
    let greeting = "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2 AUTH=PLAIN] hi\r\n";
    // developers.google.com/workspace/gmail/imap/xoauth2-protocol
    let said = "A1 AUTHENTICATE XOAUTH2 dXNlcj1jYXJsAWF1dGg9QmVhcmVyIHlhMjkueAEB\r\n";
    assert_eq!(tell(&mut client, greeting).0, said);
    // Why it fails comes as a challenge, and wants an empty line.
    assert_eq!(tell(&mut client, "+ eyJzdGF0dXMiOiI0MDEifQ==\r\n").0, "\r\n");
    let (_, step) = tell(&mut client, "A1 NO [AUTHENTICATIONFAILED] Invalid credentials\r\n");
    let Step::Over(trouble) = step else { panic!("{step:?}") };
    assert_eq!(trouble.ill, Ill::Login);
}

#[test]
fn what_a_refusal_means_is_known() {
    let refused = |words: &str| {
        let mut client = client(false);
        tell(&mut client, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n");
        match tell(&mut client, words).1 {
            Step::Over(trouble) => trouble.ill,
            other => panic!("{other:?}"),
        }
    };
    for words in [
        "A1 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n",
        "A1 NO [AUTHENTICATIONFAILED] Too many login failures\r\n",
        "A1 NO [ALERT] Application-specific password required\r\n",
        "A1 NO [EXPIRED] password expired\r\n",
        "A1 NO LOGIN failed.\r\n",
    ] {
        assert_eq!(refused(words), Ill::Login, "{words}");
    }
    for words in [
        "A1 NO [UNAVAILABLE] Temporary authentication failure\r\n",
        "A1 NO [ALERT] Too many simultaneous connections. (Failure)\r\n",
        "A1 NO [LIMIT] Rate limit hit.\r\n",
        "* BYE Too many connections\r\n",
    ] {
        assert_eq!(refused(words), Ill::Busy(None), "{words}");
    }
    let status = |text: &str| Status { kind: Kind::Bad, code: None, text: text.to_string() };
    let wait = Some(Some(Duration::from_millis(92_415)));
    let words = "Request is throttled. Suggested Backoff Time: 92415 milliseconds";
    assert_eq!(busy(&status(words)), wait);
    assert_eq!(busy(&status("no such message")), None);
}

#[test]
fn commands_may_be_said_in_a_row() {
    let mut client = client(false);
    let greeting = "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n";
    enters(
        &mut client,
        &[
            (greeting, "A1 AUTHENTICATE PLAIN AGNhcmwAcCJ3XGQ=\r\n"),
            ("A1 OK [CAPABILITY IMAP4rev1] in\r\n", ""),
        ],
    );
    let mut out = Vec::new();
    let (first, second) = (client.say(b"NOOP", &mut out), client.say(b"CHECK", &mut out));
    assert_eq!(out, b"A2 NOOP\r\nA3 CHECK\r\n");
    let mut input = b"* 3 EXISTS\r\nA2 OK\r\nA3 NO [INUSE] no\r\nX9 OK\r\n* BYE\r\n".to_vec();
    let mut next = || client.step(Input::Bytes(&mut input), &mut Vec::new());
    assert_eq!(next(), Step::Heard(Heard::Told(Response::Exists(3))));
    assert!(matches!(next(), Step::Heard(Heard::Done(number, _)) if number == first));
    assert!(matches!(next(), Step::Heard(Heard::Done(number, _)) if number == second));
    assert!(matches!(next(), Step::Heard(Heard::Told(Response::Odd(_)))));
    assert!(matches!(next(), Step::Over(_)));
    assert!(!client.is_open());
}

#[test]
fn names_are_quoted_and_never_end_a_line() {
    assert_eq!(quoted(b"a \"b\" \\c").as_deref(), Some(&b"\"a \\\"b\\\" \\\\c\""[..]));
    assert_eq!(quoted(b"a\r\nA9 DELETE INBOX"), None);
    assert_eq!(quoted("Entwürfe".as_bytes()), Some("\"Entwürfe\"".as_bytes().to_vec()));
}
