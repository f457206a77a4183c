//! Tests: what is read from a message.

mod mbox;
mod tree;

use crate::limits::{FACTS_BYTES, MIME_DEPTH, MIME_PARTS, REFERENCES};
use crate::message::facts::{EnvelopeAddress, Facts, Param, Part};
use crate::message::structure::{body_of, find, header_of, read};
use crate::message::{date, people, text, value};
use prost::Message;

fn string(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn kind(part: &Part) -> String {
    format!("{}/{}", string(&part.kind), string(&part.subkind)).to_lowercase()
}

/// `mixed(plain,message(plain))`: the shape of a message.
fn shape(part: &Part) -> String {
    let children: Vec<String> = part.parts.iter().map(shape).collect();
    let name = string(&part.subkind).to_lowercase();
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
    let body = |numbers: &[u32]| find(&facts, numbers).map(|p| string(body_of(NESTED, p)));
    assert_eq!(body(&[1, 1]).as_deref(), Some("plain"));
    assert_eq!(body(&[1, 2]).as_deref(), Some("<p>"));
    assert_eq!(body(&[2]).as_deref(), Some("Subject: inner\r\n\r\ninner text"));
    assert_eq!(body(&[2, 1]).as_deref(), Some("inner text"));
    for none in [&[][..], &[0], &[3], &[1, 3], &[1, 1, 1], &[2, 2], &[2, 1, 1]] {
        assert_eq!(body(none), None, "{none:?}");
    }
    let inner = find(&facts, &[2]).and_then(|p| p.envelope.as_ref());
    assert_eq!(inner.and_then(|e| e.subject.as_deref()), Some(&b"inner"[..]));
}

#[test]
fn a_message_that_is_no_multipart_has_part_one() {
    let facts = read(LETTER);
    assert_eq!(find(&facts, &[1]), facts.structure.as_ref());
    assert_eq!(find(&facts, &[1, 1]), None);
    let forwarded = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx";
    let facts = read(forwarded);
    assert_eq!(find(&facts, &[1]).map(kind).as_deref(), Some("message/rfc822"));
    assert_eq!(find(&facts, &[1, 1]).map(|p| body_of(forwarded, p)), Some(&b"x"[..]));
}

#[test]
fn a_delimiter_of_an_outer_multipart_ends_the_inner_ones() {
    let raw = b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\
Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--a\n\ntwo";
    let facts = read(raw);
    assert_eq!(shape(structure(&facts)), "mixed(mixed(plain),plain)");
    let body = |numbers: &[u32]| find(&facts, numbers).map(|p| string(body_of(raw, p)));
    assert_eq!(body(&[1, 1]).as_deref(), Some("one"));
    assert_eq!(body(&[2]).as_deref(), Some("two"), "a missing close delimiter is no loss");
}

#[test]
fn a_digest_holds_messages_unless_it_says_otherwise() {
    let raw =
        b"Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: 1\r\n\r\na\r\n\
--d\r\nContent-Type: text/plain\r\n\r\nb\r\n--d--\r\n";
    let facts = read(raw);
    assert_eq!(shape(structure(&facts)), "digest(rfc822(plain),plain)");
}

#[test]
fn what_claims_parts_and_has_none_is_text() {
    for (raw, why) in [
        (&b"Content-Type: multipart/mixed\r\n\r\nx"[..], "no boundary"),
        (b"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n", "an empty boundary"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--c\r\n", "no delimiter"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n", "only the last one"),
        (b"Content-Type: multipart\r\n\r\n", "no subtype"),
        (b"Content-Type: ;;;\r\n\r\n", "no type"),
        (b"", "nothing"),
        (b"\r\n", "no header"),
        (b"\n\n", "no header, LF"),
        (b"\0\0\0", "NUL"),
    ] {
        let facts = read(raw);
        let part = structure(&facts);
        assert_eq!(kind(part), "text/plain", "{why}");
        assert_eq!(part.body_at + part.body_size, raw.len() as u64, "{why}");
    }
}

#[test]
fn a_line_is_a_delimiter_only_with_nothing_behind_it() {
    let raw = b"Content-Type: multipart/mixed; boundary=abc\r\n\r\n--abc \t\r\n\r\n--abcd\r\n\
--abc--x\r\n --abc\r\n--abc--\t\r\n";
    let facts = read(raw);
    let part = find(&facts, &[1]).expect("one part");
    assert_eq!(body_of(raw, part), b"--abcd\r\n--abc--x\r\n --abc");
}

#[test]
fn a_header_may_be_cut_off_by_a_delimiter() {
    let raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-ID: <1>\r\n--b\r\n\
--b\r\n\r\n\r\n--b--\r\n";
    let facts = read(raw);
    let parts = &structure(&facts).parts;
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[0].id.as_deref(), Some(&b"<1>"[..]));
    assert!(parts.iter().all(|p| p.body_size == 0), "{parts:?}");
}

#[test]
fn content_fields_are_read() {
    let raw =
        b"Content-Type: Text/HTML (page) ; Charset = \"utf-8\" ;\r\n name=\"a\\\"b.html\"\r\n\
Content-Transfer-Encoding: (x) Quoted-Printable\r\nContent-ID: <id@x>\r\n\
Content-Description: a\r\n page\r\nContent-MD5: Q2hlY2s=\r\nContent-Language: en (x), de\r\n\
Content-Location: http://x/\r\n y\r\nContent-Disposition: attachment; filename=a b; size=3\r\n\r\n";
    let facts = read(raw);
    let part = structure(&facts);
    let param = |name: &str, value: &str| Param { name: name.into(), value: value.into() };
    assert_eq!((&part.kind[..], &part.subkind[..]), (&b"Text"[..], &b"HTML"[..]));
    assert_eq!(part.params, [param("Charset", "utf-8"), param("name", "a\"b.html")]);
    assert_eq!(part.encoding, b"Quoted-Printable");
    assert_eq!(part.description.as_deref(), Some(&b"a page"[..]));
    assert_eq!(part.md5.as_deref(), Some(&b"Q2hlY2s="[..]));
    assert_eq!(part.language, [b"en", b"de"]);
    assert_eq!(part.location.as_deref(), Some(&b"http://x/y"[..]));
    assert_eq!(part.disposition.as_deref(), Some(&b"attachment"[..]));
    assert_eq!(part.disposition_params, [param("filename", "a"), param("size", "3")]);
}

/// The examples of RFC 2231 3, 4 and 4.1.
#[test]
fn parameters_of_rfc_2231_are_joined_and_stay_ascii() {
    for (given, name, joined) in [
        (
            "; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"",
            "URL",
            "ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar",
        ),
        (
            "; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
            "title*",
            "us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
        ),
        (
            "; title*0*=us-ascii'en'This%20is%20even%20more%20; \
             title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
            "title*",
            "us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it!",
        ),
        ("; a*1=2; a*0=1; a*10=4; a*2=3", "a", "1234"),
        ("; f*=iso-8859-1''%E9t%E9", "f*", "iso-8859-1''%E9t%E9"),
        ("; f*=utf-8''%zz%4", "f*", "utf-8''%zz%4"),
    ] {
        let (_, _, params) =
            value::content_type(format!("application/x-stuff{given}").as_bytes()).expect("a type");
        assert_eq!(params, [Param { name: name.into(), value: joined.into() }], "{given}");
    }
}

fn addresses(list: &str) -> Vec<EnvelopeAddress> {
    people::list(list.as_bytes(), &mut |_| true)
}

fn person(name: Option<&str>, mailbox: &str, host: &str) -> EnvelopeAddress {
    let octets = |text: &str| text.as_bytes().to_vec();
    EnvelopeAddress {
        name: name.map(octets),
        mailbox: Some(octets(mailbox)),
        host: Some(octets(host)),
    }
}

fn group(name: &str) -> EnvelopeAddress {
    EnvelopeAddress { name: None, mailbox: Some(name.as_bytes().to_vec()), host: None }
}

/// The examples of RFC 5322 appendix A, and what broken programs write.
#[test]
fn addresses_of_the_rfc_are_read() {
    let end = EnvelopeAddress::default;
    for (list, expected) in [
        (
            "John Doe <jdoe@machine.example>",
            vec![person(Some("John Doe"), "jdoe", "machine.example")],
        ),
        (
            "\"Joe Q. Public\" <john.q.public@example.com>",
            vec![person(Some("Joe Q. Public"), "john.q.public", "example.com")],
        ),
        (
            "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
            vec![
                person(Some("Mary Smith"), "mary", "x.test"),
                person(None, "jdoe", "example.org"),
                person(Some("Who?"), "one", "y.test"),
            ],
        ),
        (
            "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
            vec![
                person(None, "boss", "nil.test"),
                person(Some("Giant; \"Big\" Box"), "sysservices", "example.net"),
            ],
        ),
        (
            "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
            vec![
                group("A Group"),
                person(Some("Ed Jones"), "c", "a.test"),
                person(None, "joe", "where.test"),
                person(Some("John"), "jdoe", "one.test"),
                end(),
            ],
        ),
        ("Undisclosed recipients:;", vec![group("Undisclosed recipients"), end()]),
    ] {
        assert_eq!(addresses(list), expected, "{list}");
    }
}

#[test]
fn broken_lists_of_addresses_are_read_too() {
    let end = EnvelopeAddress::default;
    for (list, expected) in [
        (
            "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
            vec![person(Some("Pete"), "pete", "silly.test")],
        ),
        (
            "Chris Jones <c@(Chris's host.)public.example>",
            vec![person(Some("Chris Jones"), "c", "public.example")],
        ),
        (
            "Joe Q. Public <john.q.public@example.com>",
            vec![person(Some("Joe Q. Public"), "john.q.public", "example.com")],
        ),
        (
            "Mary <@node.test,@b.test:mary@example.net>, , jdoe@test  . example",
            vec![person(Some("Mary"), "mary", "example.net"), person(None, "jdoe", "test.example")],
        ),
        ("\"john doe\"@example.org", vec![person(None, "john doe", "example.org")]),
        ("root", vec![person(None, "root", "")]),
        ("x@[192.0.2.1]", vec![person(None, "x", "[192.0.2.1]")]),
        ("a@b <c@d>", vec![person(Some("a@b"), "c", "d")]),
        ("=?utf-8?q?J=C3=B6rg?= <j@x>", vec![person(Some("=?utf-8?q?J=C3=B6rg?="), "j", "x")]),
        (
            "Group: a@b, c@d",
            vec![group("Group"), person(None, "a", "b"), person(None, "c", "d"), end()],
        ),
        ("<", vec![person(None, "", "")]),
        ("<a@b", vec![person(None, "a", "b")]),
        ("\"unclosed <a@b>", vec![person(None, "unclosed <a@b>", "")]),
        (",,;;,", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(addresses(list), expected, "{list}");
    }
}

#[test]
fn dates_are_read_in_old_and_new_forms() {
    for (given, seconds, zone) in [
        ("Fri, 21 Nov 1997 09:55:06 -0600", 880_127_706, -360),
        ("Thu, 13 Feb 1969 23:32 -0330", -27_723_480, -210),
        ("Thu,\r\n 13\r\n Feb\r\n 1969\r\n 23:32\r\n -0330 (Newfoundland Time)", -27_723_480, -210),
        ("21 Nov 97 09:55:06 GMT", 880_106_106, 0),
        ("21 Nov 1997 09(comment):  55  :  06 EST", 0, 0),
        ("Sat, 1 Jan 2000 00:00:00 +0000", 946_684_800, 0),
        ("1 Jan 00 01:00 +0100", 946_684_800, 60),
        ("31 Dec 1998 23:59:60 +0000", 915_148_799, 0),
        ("Fri Nov 21 09:55:06 1997", 880_106_106, 0),
        ("Fri Nov 21 09:55:06 EST 1997", 880_124_106, -300),
        ("Fri Nov 21 09:55:06 1997 +0100", 880_102_506, 60),
        ("29 Feb 2024 12:00:00 Z", 1_709_208_000, 0),
    ] {
        let read = date::read(given.as_bytes()).map(|m| (m.seconds, m.zone_minutes));
        let expected = (seconds != 0).then_some((seconds, zone));
        assert_eq!(read, expected, "{given}");
    }
    for wrong in [
        "",
        "Fri",
        "\x0c",
        "1\x0cJan\x0b(",
        "30 Feb 2024 12:00 Z",
        "1 Jan 2024 24:00 Z",
        "1 Jan 2024",
        "x y z w",
    ] {
        assert_eq!(date::read(wrong.as_bytes()), None, "{wrong}");
    }
}

#[test]
fn charsets_are_undone() {
    let cases = [
        ("us-ascii", &b"plain"[..], "plain"),
        ("iso-8859-1", b"\xe9t\xe9", "été"),
        ("koi8-r", b"\xf0\xd2\xc9\xd7\xc5\xd4", "Привет"),
        ("no-such-charset", "é".as_bytes(), "é"),
        ("utf-8", b"\xe9t\xe9", "été"),
        ("", b"\xe9t\xe9", "été"),
    ];
    for (charset, octets, expected) in cases {
        assert_eq!(text::to_utf8(octets, Some(charset.as_bytes())), expected, "{charset}");
    }
}

#[test]
fn line_ends_become_crlf_once() {
    for (given, expected) in [
        (&b"a\nb\r\nc"[..], &b"a\r\nb\r\nc"[..]),
        (b"\n\n", b"\r\n\r\n"),
        (b"a\0b\n", b"ab\r\n"),
        (b"a\rb\r\n", b"a\rb\r\n"),
        (b"", b""),
    ] {
        let once = text::with_crlf(given).into_owned();
        assert_eq!(once, expected);
        assert_eq!(text::with_crlf(&once), &once[..], "again changes nothing");
    }
}

/// Deep, wide and long beyond the limits: bounded facts, all octets accounted for. The tests run
/// unoptimized; a walk that is not linear would not end.
#[test]
fn monsters_are_read_within_bounds() {
    let deep: Vec<u8> = (0..5_000)
        .flat_map(|i| {
            format!("Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n").into_bytes()
        })
        .collect();
    let messages = b"Content-Type: message/rfc822\n\n".repeat(5_000);
    let mut wide = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    wide.extend(b"--b\r\n\r\n".repeat(100_000));
    let mut line = b"Subject: ".to_vec();
    line.extend(vec![b'x'; 1 << 20]);
    let mut people = b"To: ".to_vec();
    people.extend(b"a@b,".repeat(1 << 18));
    let mut ids = b"References: ".to_vec();
    (0..50_000).for_each(|i| ids.extend(format!("<{i}@x> ").into_bytes()));
    let comments = [&b"From: "[..], &b"(".repeat(1 << 20)].concat();
    let params = [&b"Content-Type: text/plain"[..], &b"; a*0*=b".repeat(1 << 17)].concat();
    let dashes = [&wide[..50], &b"--\n".repeat(300_000)].concat();
    for (what, raw) in [
        ("deep", deep),
        ("messages", messages),
        ("wide", wide),
        ("line", line),
        ("people", people),
        ("ids", ids),
        ("comments", comments),
        ("params", params),
        ("dashes", dashes),
        ("nuls", vec![0; 1 << 20]),
    ] {
        let facts = read(&raw);
        let part = structure(&facts);
        assert_eq!(part.body_at + part.body_size, raw.len() as u64, "{what}");
        assert!(facts.encoded_len() < FACTS_BYTES * 3 + MIME_PARTS * 200, "{what}");
        assert!(facts.references.len() <= REFERENCES, "{what}");
        assert!(count(part) <= MIME_PARTS && depth(part) <= MIME_DEPTH, "{what}");
        let again = Facts::decode(&facts.encode_to_vec()[..]);
        assert_eq!(again.ok().as_ref(), Some(&facts), "{what}: kept and read again");
    }
}

#[test]
fn of_too_many_references_the_root_and_the_last_stay() {
    let ids: Vec<String> = (0..REFERENCES + 50).map(|i| format!("<{i}@x>")).collect();
    let facts = read(format!("References: {}\r\n\r\n", ids.join("\r\n ")).as_bytes());
    assert_eq!(facts.references.len(), REFERENCES);
    assert_eq!(facts.references.first().map(|i| string(i)).as_deref(), Some("0@x"));
    let last = format!("{}@x", REFERENCES + 49);
    assert_eq!(facts.references.last().map(|i| string(i)), Some(last));
}

fn count(part: &Part) -> usize {
    1 + part.parts.iter().map(count).sum::<usize>()
}

fn depth(part: &Part) -> usize {
    1 + part.parts.iter().map(depth).max().unwrap_or(0)
}
