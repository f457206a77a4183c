//! The header fields of a message: found where they stand, stripped without touching the rest.

use crate::message::headers::{decode, fields, find, header_len, unfold, without};
use proptest::prelude::*;

const MAIL: &[u8] = b"Received: from a\r\n\tby b;\r\n 1 Jan\r\nSubject : hello\r\n\
    no field at all\r\nX-Empty:\r\nSubject: second\r\n\r\nBody: not a field\r\n";

#[test]
fn fields_are_found_with_their_folding() {
    let names: Vec<&[u8]> = fields(MAIL).map(|f| f.name).collect();
    assert_eq!(names, [&b"Received"[..], b"Subject", b"X-Empty", b"Subject"]);
    let received = find(MAIL, "RECEIVED").unwrap();
    assert_eq!(received.value, b" from a\r\n\tby b;\r\n 1 Jan");
    assert_eq!(received.whole, b"Received: from a\r\n\tby b;\r\n 1 Jan\r\n");
    assert_eq!(unfold(received.value), b"from a\tby b; 1 Jan");
    assert_eq!(find(MAIL, "subject").unwrap().value, b" hello");
    assert_eq!(find(MAIL, "x-empty").unwrap().value, b"");
    assert_eq!(find(MAIL, "body"), None);
}

#[test]
fn bare_line_feeds_end_lines_too() {
    let raw = b"From bob@x Mon Jan  1\nA: 1\n 2\nB: 3\n\nC: body\n";
    let values: Vec<&[u8]> = fields(raw).map(|f| f.value).collect();
    assert_eq!(values, [&b" 1\n 2"[..], b" 3"]);
    assert_eq!(&raw[header_len(raw)..], b"C: body\n");
}

#[test]
fn stripping_touches_nothing_else() {
    let stripped = without(MAIL, |f| f.is("subject"));
    assert_eq!(
        stripped.as_ref(),
        b"Received: from a\r\n\tby b;\r\n 1 Jan\r\nno field at all\r\nX-Empty:\r\n\r\n\
          Body: not a field\r\n"
    );
    assert!(matches!(without(MAIL, |_| false), std::borrow::Cow::Borrowed(_)));
}

#[test]
fn values_are_decoded_for_a_person() {
    assert_eq!(
        decode(b" =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?B?IGF1cyBCb25u?="),
        "Grüße aus Bonn"
    );
    assert_eq!(decode(b" plain"), "plain");
    assert_eq!(decode(b""), "");
    assert_eq!(decode(b" a\x07b"), "a b");
    assert!(decode(b" caf\xe9").starts_with("caf"));
}

#[test]
fn odd_headers_do_no_harm() {
    for raw in [&b""[..], b"\r\n", b"\n", b"A", b"A:", b":\r\n", b" \r\n", b"\r", b"A:\r\n b"] {
        assert!(fields(raw).count() <= 1);
        assert!(header_len(raw) <= raw.len());
        decode(raw);
    }
}

proptest! {
    #[test]
    fn any_octets_are_taken(raw in proptest::collection::vec(
        prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), Just(b' '), Just(b'A'), any::<u8>()],
        0..200,
    )) {
        let end = header_len(&raw);
        prop_assert!(end <= raw.len());
        for field in fields(&raw) {
            prop_assert!(field.whole.len() <= end);
            decode(field.value);
        }
        // Without anything the body is what is left.
        let bare = without(&raw, |_| true);
        prop_assert!(bare.ends_with(&raw[end..]));
        prop_assert_eq!(fields(&bare).count(), 0);
    }
}
