//! SCRAM-SHA-256 and -PLUS.

use super::{bound, challenge, granted, tim};
use crate::wire::sasl::{Binding, Exchange, Login, LoginAnswer, LoginAsk, Next, ScramSecrets};
use crate::wire::scram;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac};
use std::time::Duration;

const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

fn start(mechanism: &str, binding: &Binding, first: &str) -> (Exchange, Next) {
    let initial = Some(first.as_bytes());
    Exchange::start_with(mechanism, initial, true, binding, SERVER_NONCE).expect("offered")
}

/// What the machine knows of a person with these passwords.
fn secrets(passwords: &[&str]) -> ScramSecrets {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
    let keys = passwords.iter().map(|password| scram::keys(password, &salt, 4096)).collect();
    ScramSecrets { salt, iterations: 4096, keys }
}

fn proved(name: &str, right: bool) -> Next {
    Next::Ask(LoginAsk::Proved { name: name.to_string(), right })
}

/// RFC 7677 3, octet by octet.
#[test]
fn the_example_of_rfc_7677() {
    let first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    let (mut exchange, next) = start("SCRAM-SHA-256", &Binding::default(), first);
    assert_eq!(next, Next::Ask(LoginAsk::Scram { name: "user".to_string() }));
    assert_eq!(
        exchange.answer(LoginAnswer::Scram(secrets(&["pencil"]))),
        challenge(
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        )
    );
    let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    assert_eq!(exchange.respond(last.as_bytes()), proved("user", true));
    let server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    assert_eq!(exchange.answer(granted()), challenge(server_final));
    let stored_key = secrets(&["pencil"]).keys[0].0;
    let login = Login { credential: scram::mark(&stored_key), ..tim() };
    assert_eq!(exchange.respond(b""), Next::Done(login), "and which password it was");
}

/// Whoever proved the password, and has too many connections, is told so and is not let in.
#[test]
fn a_right_password_of_a_crowded_account() {
    let first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    let (mut exchange, _) = start("SCRAM-SHA-256", &Binding::default(), first);
    exchange.answer(LoginAnswer::Scram(secrets(&["pencil"])));
    let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    assert_eq!(exchange.respond(last.as_bytes()), proved("user", true));
    assert_eq!(exchange.answer(LoginAnswer::Crowded), Next::Crowded);
    assert!(matches!(exchange.respond(b""), Next::Malformed(_)), "it is over");
}

/// The client's side of RFC 5802 3, written apart from the server's.
struct Client<'a> {
    header: &'a str,
    bound: &'a [u8],
    bare: &'a str,
    password: &'a str,
}

impl Client<'_> {
    fn first(&self) -> String {
        format!("{}{}", self.header, self.bare)
    }

    fn last(&self, server_first: &str) -> String {
        let field = |name| server_first.split(',').find_map(|part| part.strip_prefix(name));
        let salt = STANDARD.decode(field("s=").expect("a salt")).expect("base64");
        let rounds = field("i=").and_then(|i| i.parse().ok()).expect("iterations");
        let mut salted = [0; 32];
        ring::pbkdf2::derive(
            ring::pbkdf2::PBKDF2_HMAC_SHA256,
            rounds,
            &salt,
            self.password.as_bytes(),
            &mut salted,
        );
        let mac = |key: &[u8], text: &[u8]| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
        };
        let client_key = mac(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, &client_key);
        let channel = STANDARD.encode([self.header.as_bytes(), self.bound].concat());
        let nonce = field("r=").expect("a nonce");
        let bare = format!("c={channel},r={nonce}");
        let said = format!("{},{server_first},{bare}", self.bare);
        let signature = mac(stored_key.as_ref(), said.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        format!("{bare},p={}", STANDARD.encode(proof))
    }

    /// What the server asks after the client's last message.
    fn proves(&self, mechanism: &str, binding: &Binding, passwords: &[&str]) -> Next {
        let (mut exchange, next) = start(mechanism, binding, &self.first());
        assert!(matches!(next, Next::Ask(LoginAsk::Scram { .. })), "{next:?}");
        let next = exchange.answer(LoginAnswer::Scram(secrets(passwords)));
        let Next::Challenge(server_first) = next else { panic!("{next:?}") };
        let server_first = String::from_utf8(server_first).expect("ASCII");
        exchange.respond(self.last(&server_first).as_bytes())
    }
}

const USER: &str = "n=user,r=fyko+d2lbbFgONRv9qkxdawL";

#[test]
fn each_app_password_proves_and_no_other_does() {
    let passwords = ["pencil", "phone-abcd", "laptop-efgh"];
    for (password, right) in [("pencil", true), ("laptop-efgh", true), ("Pencil", false)] {
        let client = Client { header: "n,,", bound: b"", bare: USER, password };
        let next = client.proves("SCRAM-SHA-256", &Binding::default(), &passwords);
        assert_eq!(next, proved("user", right), "{password}");
    }
}

#[test]
fn a_wrong_proof_is_denied() {
    let client = Client { header: "n,,", bound: b"", bare: USER, password: "wrong" };
    let (mut exchange, _) = start("SCRAM-SHA-256", &Binding::default(), &client.first());
    let Next::Challenge(first) = exchange.answer(LoginAnswer::Scram(secrets(&["pencil"]))) else {
        panic!("no challenge")
    };
    let last = client.last(&String::from_utf8(first).expect("ASCII"));
    assert_eq!(exchange.respond(last.as_bytes()), proved("user", false));
    let wait = Duration::from_secs(1);
    assert_eq!(exchange.answer(LoginAnswer::Denied { wait }), Next::Denied { wait });
    assert!(matches!(exchange.respond(b""), Next::Malformed(_)), "it is over");
}

#[test]
fn plus_is_bound_to_this_connection() {
    let (exporter, endpoint) = ([0xE5; 32], [0xEB; 32]);
    for (header, octets, right) in [
        ("p=tls-exporter,,", &exporter, true),
        ("p=tls-server-end-point,,", &endpoint, true),
        // Somebody between the two has another connection with each.
        ("p=tls-exporter,,", &[0x00; 32], false),
        ("p=tls-server-end-point,,", &[0x00; 32], false),
    ] {
        let client = Client { header, bound: octets, bare: USER, password: "pencil" };
        let next = client.proves("SCRAM-SHA-256-PLUS", &bound(), &["pencil"]);
        assert_eq!(next, proved("user", right), "{header}");
    }
}

/// RFC 5802 6: what the flag may be in which mechanism.
#[test]
fn the_flag_must_fit_the_mechanism_and_what_we_offered() {
    let clear = Binding::default();
    let old = Binding { exporter: None, ..bound() };
    let plus = "SCRAM-SHA-256-PLUS";
    for (mechanism, binding, header, good) in [
        ("SCRAM-SHA-256", &clear, "n,,", true),
        ("SCRAM-SHA-256", &clear, "y,,", true),
        ("SCRAM-SHA-256", &bound(), "n,,", true),
        // The client could bind and believes that we can't: the list was tampered with.
        ("SCRAM-SHA-256", &bound(), "y,,", false),
        ("SCRAM-SHA-256", &bound(), "p=tls-exporter,,", false),
        (plus, &bound(), "n,,", false),
        (plus, &bound(), "y,,", false),
        (plus, &bound(), "p=tls-unique,,", false),
        (plus, &bound(), "p=,,", false),
        // RFC 9266: there is no exporter below TLS 1.3.
        (plus, &old, "p=tls-exporter,,", false),
        (plus, &old, "p=tls-server-end-point,,", true),
    ] {
        let (_, next) = start(mechanism, binding, &format!("{header}{USER}"));
        let went_on = matches!(next, Next::Ask(_));
        assert_eq!(went_on, good, "{mechanism} {header}: {next:?}");
    }
    let (_, next) = start("SCRAM-SHA-256", &bound(), &format!("y,,{USER}"));
    assert_eq!(next, Next::Denied { wait: Duration::ZERO });
}

#[test]
fn names_with_commas_and_equals_signs() {
    for (first, name) in [
        ("n,,n=a=2Cb=3Dc,r=x", Some("a,b=c")),
        ("n,a=user,n=user,r=x", Some("user")),
        ("n,a=USER,n=user,r=x", Some("user")),
        ("n,a=boss,n=user,r=x", None),
        ("n,boss,n=user,r=x", None),
        ("n,,n=a=2c,r=x", None),
        ("n,,n=a=,r=x", None),
        ("n,,n=,r=x", None),
        ("n,,n=user,r=", None),
        ("n,,n=user,r=\u{e9}", None),
        ("n,,n=user", None),
        ("n,,r=x,n=user", None),
        // RFC 5802 5.1: an extension that must be understood is not.
        ("n,,m=new,n=user,r=x", None),
        ("n,,n=user,r=x,later=1", Some("user")),
        ("n,", None),
        ("", None),
    ] {
        let (_, next) = start("SCRAM-SHA-256", &Binding::default(), first);
        match name {
            Some(name) => {
                assert_eq!(next, Next::Ask(LoginAsk::Scram { name: name.into() }), "{first}")
            }
            None => assert!(matches!(next, Next::Malformed(_)), "{first}: {next:?}"),
        }
    }
}

#[test]
fn a_last_message_that_is_none() {
    let nonce = format!("x{SERVER_NONCE}");
    let proof = STANDARD.encode([0; 32]);
    for (last, is_proof) in [
        (format!("c=biws,r={nonce},p={proof}"), true),
        (format!("c=biws,r=other,p={proof}"), true),
        (format!("c=biws,r={nonce},p={}", STANDARD.encode([0; 31])), true),
        (format!("c=biws,r={nonce},p=*"), false),
        (format!("c=biws,r={nonce}"), false),
        (format!("c=*,r={nonce},p={proof}"), false),
        (format!("r={nonce},c=biws,p={proof}"), false),
        (String::new(), false),
        ("c=biws".to_string(), false),
    ] {
        let (mut exchange, _) = start("SCRAM-SHA-256", &Binding::default(), "n,,n=user,r=x");
        exchange.answer(LoginAnswer::Scram(secrets(&["pencil"])));
        let next = exchange.respond(last.as_bytes());
        if is_proof {
            assert_eq!(next, proved("user", false), "{last}");
        } else {
            assert!(matches!(next, Next::Malformed(_)), "{last}: {next:?}");
        }
    }
}

#[test]
fn the_servers_nonce_is_new_each_time_and_holds_no_comma() {
    let one = scram::nonce().expect("randomness");
    let other = scram::nonce().expect("randomness");
    assert_ne!(one, other);
    assert!(one.len() >= 24 && !one.contains(','));
}

proptest::proptest! {
    /// Whatever a client sends, the exchange answers and does not fall over.
    #[test]
    fn any_messages(
        mechanism in "SCRAM-SHA-256(-PLUS)?|PLAIN|LOGIN",
        first in "([nyp]=?[a-z-]{0,12},)?[ -~]{0,30}",
        rest in proptest::collection::vec(proptest::collection::vec(0_u8.., 0..60), 0..4),
    ) {
        let (mut exchange, _) = start(&mechanism, &bound(), &first);
        exchange.answer(LoginAnswer::Scram(secrets(&["pencil"])));
        for message in rest {
            proptest::prop_assert!(!matches!(exchange.respond(&message), Next::Done(_)));
        }
    }
}
