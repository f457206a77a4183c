//! Tests: what is read from a message.

use crate::message::facts::{EnvelopeAddress, Facts, Part};
use crate::message::structure::{body_of, find, header_of, read};
use crate::message::{date, people, text, value};

fn text_of(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn kind(part: &Part) -> String {
    format!("{}/{}", text_of(&part.kind), text_of(&part.subkind)).to_lowercase()
}

/// `mixed(plain,message(plain))`: the shape of a message.
fn shape(part: &Part) -> String {
    let children: Vec<String> = part.parts.iter().map(shape).collect();
    let name = text_of(&part.subkind).to_lowercase();
    if children.is_empty() { name } else { format!("{name}({})", children.join(",")) }
}

fn structure(facts: &Facts) -> &Part {
    facts.structure.as_ref().expect("every message has a structure")
}

const LETTER: &[u8] = b"From: Alice <alice@office.test>\r\nTo: bob@office.test\r\n\
Subject: lunch\r\nDate: Fri, 21 Nov 1997 09:55:06 -0600\r\nMessage-ID: <1@office.test>\r\n\
In-Reply-To: <0@office.test>\r\nReferences: <a@x>\r\n <b@x>\r\n\r\nNoon?\r\nBob\r\n";

#[test]
fn a_letter_is_one_text_part() {
    let facts = read(LETTER);
    let part = structure(&facts);
    assert_eq!((kind(part).as_str(), part.body_lines), ("text/plain", 2));
    assert_eq!(body_of(LETTER, part), b"Noon?\r\nBob\r\n");
    assert!(header_of(LETTER, part).ends_with(b"<b@x>\r\n\r\n"));
    assert_eq!(facts.references, [&b"a@x"[..], b"b@x", b"0@office.test"]);
    assert_eq!((facts.sent, facts.sent_zone_minutes), (Some(880_127_706), -360));
    let envelope = facts.envelope.expect("an envelope");
    assert_eq!(envelope.message_id.as_deref(), Some(&b"<1@office.test>"[..]));
    assert_eq!(envelope.sender, envelope.from, "RFC 9051 7.5.2: Sender defaults to From");
    assert_eq!(envelope.reply_to, envelope.from);
}

const NESTED: &[u8] = b"Content-Type: multipart/mixed; boundary=out\r\n\r\npreamble\r\n--out\r\n\
Content-Type: multipart/alternative; boundary=\"in\"\r\n\r\n--in\r\n\r\nplain\r\n--in\r\n\
Content-Type: text/html\r\n\r\n<p>\r\n--in--\r\nepilogue\r\n--out\r\n\
Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n--out--\r\nend\r\n";

#[test]
fn parts_have_the_numbers_and_octets_of_rfc_9051() {
    let facts = read(NESTED);
    assert_eq!(shape(structure(&facts)), "mixed(alternative(plain,html),rfc822(plain))");
    let body = |numbers: &[u32]| find(&facts, numbers).map(|p| text_of(body_of(NESTED, p)));
    assert_eq!(body(&[1, 1]).as_deref(), Some("plain"));
    assert_eq!(body(&[1, 2]).as_deref(), Some("<p>"));
    assert_eq!(body(&[2]).as_deref(), Some("Subject: inner\r\n\r\ninner text"));
    assert_eq!(body(&[2, 1]).as_deref(), Some("inner text"));
    for none in [&[][..], &[0], &[3], &[1, 3], &[1, 1, 1], &[2, 2], &[2, 1, 1]] {
        assert_eq!(body(none), None, "{none:?}");
    }
}
