//! The examples of RFC 2449, 2595, 3206, 5034 and 6856, and what those of RFC 1939 (`rfcs`) leave
//! open. Free text behind the status differs
//! from server to server: of a line that ends with `*` what stands before it must be there.

use super::{Client, House, letter};

/// Where the example stands, and its lines.
type Dialogue = (&'static str, &'static str);

/// In the AUTHORIZATION state.
const BEFORE_LOGIN: [Dialogue; 16] = [
    ("RFC 1939 6", "C: QUIT\nS: +OK*"),
    ("RFC 1939 7 USER, known", "C: USER mrose\nS: +OK*"),
    ("RFC 1939 7 USER, unknown: not told", "C: USER frated\nS: +OK*"),
    ("RFC 1939 7 PASS, wrong", "C: USER mrose\nS: +OK*\nC: PASS wrong\nS: -ERR [AUTH]*"),
    (
        "RFC 1939 7 PASS, right",
        "C: USER mrose\nS: +OK*\nC: PASS secret\n\
         S: +OK mrose's maildrop has 2 messages (320 octets)",
    ),
    ("RFC 1939 7 APOP is not offered", "C: APOP mrose c4c9334bac560ecc979e58001b3e22fb\nS: -ERR*"),
    ("RFC 2595 4 STLS", "C: STLS\nS: +OK*\nC: STLS\nS: -ERR*\nC: CAPA\nS: +OK*"),
    ("RFC 3206 5", "C: USER mrose\nS: +OK*\nC: PASS nope\nS: -ERR [AUTH]*"),
    (
        "RFC 5034 6 PLAIN in steps",
        "C: AUTH PLAIN\nS: + \nC: dGVzdAB0ZXN0AHRlc3Q=\nS: +OK test's maildrop has 2 messages*",
    ),
    ("RFC 5034 4 PLAIN at once", "C: AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=\nS: +OK*"),
    ("RFC 5034 4 cancelled", "C: AUTH PLAIN\nS: + \nC: *\nS: -ERR*\nC: NOOP\nS: -ERR*"),
    ("RFC 5034 4 unknown mechanism", "C: AUTH GSSAPI\nS: -ERR*"),
    ("RFC 5034 4 no base64", "C: AUTH PLAIN\nS: + \nC: ???\nS: -ERR*"),
    ("RFC 6856 2", "C: UTF8\nS: +OK*"),
    ("RFC 6856 2.1 after STLS", "C: STLS\nS: +OK*\nC: UTF8\nS: +OK*"),
    ("RFC 6856 2.1 USER in UTF-8", "C: USER jörg\nS: +OK*\nC: PASS pä ß\nS: +OK*"),
];

/// In the TRANSACTION state, with messages of 120 and 200 octets.
const LOGGED_IN: [Dialogue; 17] = [
    ("RFC 1939 5 STAT", "C: STAT\nS: +OK 2 320"),
    ("RFC 1939 5 LIST", "C: LIST\nS: +OK 2 messages (320 octets)\nS: 1 120\nS: 2 200\nS: ."),
    ("RFC 1939 5 LIST one", "C: LIST 2\nS: +OK 2 200"),
    ("RFC 1939 5 LIST none", "C: LIST 3\nS: -ERR*"),
    ("RFC 1939 5 RETR", "C: RETR 1\nS: +OK 120 octets\nS: Subject: letter\nS: \nS: x*\nS: ."),
    ("RFC 1939 5 DELE", "C: DELE 1\nS: +OK*"),
    ("RFC 1939 5 DELE twice", "C: DELE 2\nS: +OK*\nC: DELE 2\nS: -ERR*\nC: STAT\nS: +OK 1 120"),
    ("RFC 1939 5 NOOP", "C: NOOP\nS: +OK"),
    (
        "RFC 1939 5 RSET",
        "C: DELE 1\nS: +OK*\nC: RSET\nS: +OK Maildrop has 2 messages (320 octets)\n\
         C: LIST 1\nS: +OK 1 120",
    ),
    ("RFC 1939 6 QUIT, nothing to do", "C: QUIT\nS: +OK*"),
    ("RFC 1939 6 QUIT, with deletions", "C: DELE 1\nS: +OK*\nC: DELE 2\nS: +OK*\nC: QUIT\nS: +OK*"),
    ("RFC 1939 7 TOP", "C: TOP 1 0\nS: +OK*\nS: Subject: letter\nS: \nS: .\nC: TOP 1 10\nS: +OK*"),
    ("RFC 1939 7 TOP none", "C: TOP 100 3\nS: -ERR*"),
    ("RFC 1939 7 UIDL", "C: UIDL\nS: +OK*\nS: 1 *\nS: 2 *\nS: ."),
    ("RFC 1939 7 UIDL one and none", "C: UIDL 2\nS: +OK 2 *\nC: UIDL 3\nS: -ERR*"),
    (
        "RFC 1939 10",
        "C: STAT\nS: +OK 2 320\nC: LIST\nS: +OK 2 messages (320 octets)\nS: 1 120\nS: 2 200\nS: .\n\
         C: RETR 1\nS: +OK 120 octets\nS: Subject: letter\nS: \nS: x*\nS: .\nC: DELE 1\nS: +OK*\n\
         C: RETR 2\nS: +OK 200 octets\nS: Subject: letter\nS: \nS: x*\nS: .\nC: DELE 2\nS: +OK*\n\
         C: QUIT\nS: +OK*",
    ),
    ("RFC 2449 5 CAPA without STLS", "C: STLS\nS: -ERR*\nC: USER x\nS: -ERR*\nC: UTF8\nS: -ERR*"),
];

#[test]
fn the_dialogues_of_the_rfcs_are_held() {
    for (name, dialogue) in BEFORE_LOGIN {
        let house = House::with(&[letter(120), letter(200)]);
        hold(name, dialogue, house.client());
    }
    for (name, dialogue) in LOGGED_IN {
        let house = House::with(&[letter(120), letter(200)]);
        hold(name, dialogue, house.logged_in());
        let left =
            if dialogue.ends_with("QUIT\nS: +OK*") && dialogue.contains("DELE") { 0 } else { 2 };
        assert_eq!(house.uids().len(), left, "{name}");
    }
}

/// RFC 2449 8.1.2: its example of a locked maildrop.
#[test]
fn a_maildrop_in_use_is_refused_until_its_session_ends() {
    let house = House::with(&[letter(120)]);
    let first = house.logged_in();
    let mut second = house.client();
    second.says("USER mrose\r\n", "+OK");
    second.says("PASS secret\r\n", "-ERR [IN-USE]");
    drop(first);
    second.says("USER mrose\r\n", "+OK");
    second.says("PASS secret\r\n", "+OK");
}

fn hold(name: &str, dialogue: &str, mut client: Client<'_>) {
    let mut heard: Vec<String> = Vec::new();
    for line in dialogue.lines() {
        if let Some(line) = line.strip_prefix("C: ") {
            client.send(format!("{line}\r\n").as_bytes());
            heard = client.take().split_terminator("\r\n").map(str::to_string).collect();
            heard.reverse();
        } else if let Some(expected) = line.strip_prefix("S: ").or(line.strip_prefix("S:")) {
            let got = heard.pop().unwrap_or_else(|| panic!("{name}: nothing for {expected:?}"));
            match expected.strip_suffix('*') {
                Some(start) => assert!(got.starts_with(start), "{name}: {got:?}, not {expected:?}"),
                None => assert_eq!(got, expected, "{name}"),
            }
        }
    }
}
