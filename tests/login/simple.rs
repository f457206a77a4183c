//! PLAIN and LOGIN.

use super::{bound, challenge, granted, tim};
use crate::wire::sasl::{
    Binding, Exchange, LoginAnswer, LoginAsk, Next, Secret, mechanisms, prepare,
};
use std::time::Duration;

fn start(mechanism: &str, initial: Option<&[u8]>) -> (Exchange, Next) {
    Exchange::start(mechanism, initial, true, &Binding::default()).expect("offered")
}

fn asks(name: &str, password: &str) -> Next {
    Next::Ask(LoginAsk::Password {
        name: name.to_string(),
        password: Secret(password.as_bytes().to_vec()),
    })
}

#[test]
fn what_cannot_be_finished_is_not_offered() {
    let clear = Binding::default();
    assert_eq!(mechanisms(false, &clear), ["SCRAM-SHA-256"]);
    assert_eq!(mechanisms(true, &clear), ["SCRAM-SHA-256", "PLAIN", "LOGIN"]);
    let all = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"];
    assert_eq!(mechanisms(true, &bound()), all);
    for name in ["PLAIN", "LOGIN", "SCRAM-SHA-256-PLUS", "CRAM-MD5", ""] {
        assert!(Exchange::start(name, None, false, &clear).is_none(), "{name}");
    }
    assert!(Exchange::start("plain", None, true, &clear).is_some(), "in any case");
}

/// RFC 4616 4, the first example: `S: +`, then the message, then success.
#[test]
fn plain_as_in_rfc_4616() {
    let (mut exchange, next) = start("PLAIN", None);
    assert_eq!(next, challenge(""));
    assert_eq!(exchange.respond(b"\0tim\0tanstaaftanstaaf"), asks("tim", "tanstaaftanstaaf"));
    assert_eq!(exchange.answer(granted()), Next::Done(tim()));

    let (mut exchange, next) = start("PLAIN", Some(b"\0tim\0tanstaaftanstaaf"));
    assert_eq!(next, asks("tim", "tanstaaftanstaaf"));
    let wait = Duration::from_secs(2);
    assert_eq!(exchange.answer(LoginAnswer::Denied { wait }), Next::Denied { wait });
}

/// RFC 4616 4, the second example: Kurt asks to act as Ursel. Nobody may here.
#[test]
fn plain_lets_nobody_act_for_another() {
    let (_, next) = start("PLAIN", Some(b"Ursel\0Kurt\0xipj3plmq"));
    assert_eq!(next, Next::Malformed("nobody may log in for another"));
    let (_, next) = start("PLAIN", Some(b"Kurt\0kurt\0xipj3plmq"));
    assert_eq!(next, asks("kurt", "xipj3plmq"));
}

#[test]
fn plain_that_is_none() {
    for message in [
        &b""[..],
        b"tim",
        b"\0tim",
        b"\0tim\0",
        b"\0\0secret",
        b"\0tim\0sec\0ret",
        b"\0\xFF\0secret",
    ] {
        let (mut exchange, next) = start("PLAIN", Some(message));
        assert!(matches!(next, Next::Malformed(_)), "{message:?}: {next:?}");
        assert!(matches!(exchange.respond(b"\0tim\0x"), Next::Malformed(_)), "it is over");
        assert_eq!(exchange.answer(granted()), Next::Unavailable, "nothing was asked");
    }
}

/// Outlook compares the prompts letter by letter.
#[test]
fn login_with_the_exact_prompts() {
    let (mut exchange, next) = start("LOGIN", None);
    assert_eq!(next, challenge("Username:"));
    assert_eq!(exchange.respond(b"tim"), challenge("Password:"));
    assert_eq!(exchange.respond(b"tanstaaf"), asks("tim", "tanstaaf"));
    assert_eq!(exchange.answer(granted()), Next::Done(tim()));

    let (mut exchange, next) = start("login", Some(b"tim"));
    assert_eq!(next, challenge("Password:"));
    assert_eq!(exchange.respond(b"tanstaaf"), asks("tim", "tanstaaf"));
    assert_eq!(exchange.answer(LoginAnswer::Unavailable), Next::Unavailable);

    let (mut exchange, _) = start("LOGIN", None);
    assert!(matches!(exchange.respond(b""), Next::Malformed(_)));
}

/// RFC 4013 3, the table of examples.
#[test]
fn passwords_are_prepared_as_in_rfc_4013() {
    for (given, prepared) in [
        ("I\u{AD}X", Some("IX")),
        ("user", Some("user")),
        ("USER", Some("USER")),
        ("\u{AA}", Some("a")),
        ("\u{2168}", Some("IX")),
        ("\u{7}", None),
        ("\u{627}1", None),
    ] {
        assert_eq!(prepare(given.as_bytes()).as_deref(), prepared, "{given:?}");
    }
    assert_eq!(prepare(b"\xFF"), None);
}

#[test]
fn a_secret_shows_in_no_debug_output() {
    let (_, next) = start("PLAIN", Some(b"\0tim\0tanstaaf"));
    assert!(!format!("{next:?}").contains("tanstaaf"), "{next:?}");
    assert!(!format!("{next:?}").contains("116"), "{next:?}");
}
