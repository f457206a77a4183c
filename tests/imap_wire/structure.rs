//! ENVELOPE and BODYSTRUCTURE.

use crate::imap::structure;
use crate::message::facts::{Envelope, EnvelopeAddress, Param, Part};
use crate::wire::imap::print::Printer;

fn envelope(value: &Envelope, utf8: bool) -> String {
    let mut out = Vec::new();
    structure::envelope(&mut Printer::new(&mut out, utf8), value);
    String::from_utf8(out).unwrap()
}

fn body(part: &Part, extended: bool) -> String {
    let mut out = Vec::new();
    structure::body(&mut Printer::new(&mut out, false), part, extended);
    String::from_utf8(out).unwrap()
}

fn octets(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

fn address(name: Option<&str>, mailbox: &str, host: &str) -> EnvelopeAddress {
    let name = name.map(|name| name.as_bytes().to_vec());
    EnvelopeAddress { name, mailbox: octets(mailbox), host: octets(host) }
}

fn text(subkind: &str, size: u64, lines: u64) -> Part {
    Part {
        kind: b"TEXT".to_vec(),
        subkind: subkind.into(),
        params: vec![Param { name: b"CHARSET".to_vec(), value: b"US-ASCII".to_vec() }],
        encoding: b"7BIT".to_vec(),
        body_size: size,
        body_lines: lines,
        ..Part::default()
    }
}

#[test]
fn the_envelope_of_rfc_9051() {
    let gray = || vec![address(Some("Terry Gray"), "gray", "cac.washington.edu")];
    let value = Envelope {
        date: octets("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)"),
        subject: octets("IMAP4rev2 WG mtg summary and minutes"),
        from: gray(),
        to: vec![address(None, "imap", "cac.washington.edu")],
        cc: vec![
            address(None, "minutes", "CNRI.Reston.VA.US"),
            address(Some("John Klensin"), "KLENSIN", "MIT.EDU"),
        ],
        message_id: octets("<B27397-0100000@cac.washington.ed>"),
        ..Envelope::default()
    };
    // Sender and Reply-To are absent: the author stands in their places
    let expected = "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \
        \"IMAP4rev2 WG mtg summary and minutes\" \
        ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
        ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
        ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
        ((NIL NIL \"imap\" \"cac.washington.edu\")) \
        ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")\
        (\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \
        \"<B27397-0100000@cac.washington.ed>\")";
    assert_eq!(envelope(&value, false), expected);
}

#[test]
fn groups_and_names_that_are_not_us_ascii() {
    let start = EnvelopeAddress { mailbox: octets("Büro"), ..EnvelopeAddress::default() };
    let value = Envelope {
        to: vec![
            start,
            address(Some("Jörg"), "jörg", "bücher.example"),
            EnvelopeAddress::default(),
        ],
        ..Envelope::default()
    };
    let plain = envelope(&value, false);
    assert!(plain.is_ascii());
    assert!(plain.contains(
        "((NIL NIL \"=?UTF-8?B?QsO8cm8=?=\" NIL)\
        (\"=?UTF-8?B?SsO2cmc=?=\" NIL \"j??rg\" \"b??cher.example\")(NIL NIL NIL NIL))"
    ));
    let utf8 = envelope(&value, true);
    assert!(utf8.contains("(NIL NIL \"Büro\" NIL)(\"Jörg\" NIL \"jörg\" \"bücher.example\")"));
    assert_eq!(envelope(&Envelope::default(), false).matches("NIL").count(), 10);
}

#[test]
fn a_single_part() {
    let part = text("PLAIN", 3028, 92);
    let fields = "\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 92";
    assert_eq!(body(&part, false), format!("({fields})"));
    assert_eq!(body(&part, true), format!("({fields} NIL NIL NIL NIL)"));
    let image = Part {
        kind: b"IMAGE".to_vec(),
        subkind: b"PNG".to_vec(),
        id: octets("<1@x>"),
        description: octets("a chart"),
        encoding: b"BASE64".to_vec(),
        md5: octets("Q2hlY2s="),
        disposition: octets("attachment"),
        disposition_params: vec![Param { name: b"filename".to_vec(), value: b"a b.png".to_vec() }],
        language: vec![b"en".to_vec(), b"de".to_vec()],
        location: octets("http://x.example/"),
        body_size: 5,
        body_lines: 9,
        ..Part::default()
    };
    assert_eq!(
        body(&image, true),
        "(\"IMAGE\" \"PNG\" NIL \"<1@x>\" \"a chart\" \"BASE64\" 5 \"Q2hlY2s=\" \
        (\"attachment\" (\"filename\" \"a b.png\")) (\"en\" \"de\") \"http://x.example/\")"
    );
}

#[test]
fn parts_in_parts() {
    let boundary = Param { name: b"BOUNDARY".to_vec(), value: b"xx".to_vec() };
    let mixed = Part {
        kind: b"multipart".to_vec(),
        subkind: b"MIXED".to_vec(),
        params: vec![boundary],
        language: vec![b"en".to_vec()],
        parts: vec![text("PLAIN", 1152, 23), text("HTML", 4554, 73)],
        ..Part::default()
    };
    let parameters = "(\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\"";
    let short = format!(
        "((\"TEXT\" \"PLAIN\" {parameters} 1152 23)(\"TEXT\" \"HTML\" {parameters} 4554 73) \
        \"MIXED\")"
    );
    assert_eq!(body(&mixed, false), short);
    assert!(body(&mixed, true).ends_with(" \"MIXED\" (\"BOUNDARY\" \"xx\") NIL \"en\" NIL)"));

    let message = Part {
        kind: b"message".to_vec(),
        subkind: b"rfc822".to_vec(),
        encoding: b"7BIT".to_vec(),
        envelope: Some(Envelope { subject: octets("inner"), ..Envelope::default() }),
        parts: vec![mixed],
        body_size: 6000,
        body_lines: 100,
        ..Part::default()
    };
    let nil = "NIL NIL NIL NIL NIL NIL NIL NIL";
    assert_eq!(
        body(&message, false),
        format!(
            "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 6000 (NIL \"inner\" {nil}) {short} 100)"
        )
    );
}

#[test]
fn what_the_grammar_has_not_is_never_printed() {
    let empty = Part { kind: b"MULTIPART".to_vec(), subkind: b"MIXED".to_vec(), ..Part::default() };
    assert!(body(&empty, true).starts_with("((\"TEXT\" \"PLAIN\""));
    let hollow = Part { kind: b"MESSAGE".to_vec(), subkind: b"RFC822".to_vec(), ..Part::default() };
    assert!(body(&hollow, true).starts_with("(\"APPLICATION\" \"OCTET-STREAM\""));
}
