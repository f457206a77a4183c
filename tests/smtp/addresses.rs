//! Addresses: valid by construction, printed so that they read back the same.

use crate::wire::address::{Address, AddressError, check_domain};
use crate::wire::punycode::a_label;
use proptest::prelude::*;

#[test]
fn the_forms_of_an_address() {
    for (given, local, domain, printed) in [
        ("Bob@Office.TEST", "Bob", "office.test", "Bob@office.test"),
        ("\"Bob\"@office.test", "Bob", "office.test", "Bob@office.test"),
        ("\"Joe Q. Public\"@x.test", "Joe Q. Public", "x.test", "\"Joe Q. Public\"@x.test"),
        ("\"a@b\"@x.test", "a@b", "x.test", "\"a@b\"@x.test"),
        (r#""a\"b\\c"@x.test"#, "a\"b\\c", "x.test", r#""a\"b\\c"@x.test"#),
        ("bob@[192.0.2.1]", "bob", "[192.0.2.1]", "bob@[192.0.2.1]"),
        ("bob@[IPv6:2001:db8::1]", "bob", "[ipv6:2001:db8::1]", "bob@[ipv6:2001:db8::1]"),
        ("bob@office.test.", "bob", "office.test", "bob@office.test"),
        ("用户@例子.广告", "用户", "xn--fsqu00a.xn--4rr70v", "用户@xn--fsqu00a.xn--4rr70v"),
        ("bob@BÜCHER.test", "bob", "xn--bcher-kva.test", "bob@xn--bcher-kva.test"),
        ("bob@xn--bcher-kva.test", "bob", "xn--bcher-kva.test", "bob@xn--bcher-kva.test"),
        ("a+b/c=d@x", "a+b/c=d", "x", "a+b/c=d@x"),
    ] {
        let address = Address::parse(given).unwrap();
        assert_eq!((address.local(), address.domain()), (local, domain), "{given}");
        assert_eq!(address.to_string(), printed);
    }
}

#[test]
fn what_is_no_address() {
    use AddressError::*;
    let long_local = format!("{}@x.test", "a".repeat(65));
    let long_label = format!("a@{}.test", "b".repeat(64));
    let long_domain = format!("a@{}", "b.".repeat(128));
    for (given, why) in [
        ("", Empty),
        ("bob", NoAt),
        ("@x.test", LocalSyntax),
        ("\"\"@x.test", LocalSyntax),
        ("bob@", DomainSyntax),
        ("bob@.", DomainSyntax),
        ("bob@a..b", DomainSyntax),
        ("bob@-a.test", DomainSyntax),
        ("bob@a-.test", DomainSyntax),
        ("bob@a b.test", DomainSyntax),
        ("bob@[300.0.0.1]", DomainSyntax),
        ("bob@[IPv6:zz]", DomainSyntax),
        ("bob@[", DomainSyntax),
        (".bob@x.test", LocalSyntax),
        ("bo..b@x.test", LocalSyntax),
        ("bo b@x.test", LocalSyntax),
        ("\"bob@x.test", LocalSyntax),
        ("\"bo\"b\"@x.test", LocalSyntax),
        ("\"bob\\\"@x.test", LocalSyntax),
        ("bo\r\nb@x.test", LocalSyntax),
        ("\"bo\0b\"@x.test", LocalSyntax),
        (&long_local, LocalTooLong),
        (&long_label, DomainSyntax),
        (&long_domain, DomainTooLong),
    ] {
        assert_eq!(Address::parse(given), Err(why), "{given}");
    }
}

#[test]
fn tags_and_case() {
    let tagged = Address::parse("Bob+Lists+x@office.test").unwrap();
    assert_eq!(tagged.without_tag().unwrap().to_string(), "Bob@office.test");
    assert_eq!(tagged.local_folded(), "bob+lists+x");
    assert_eq!(Address::parse("+x@office.test").unwrap().without_tag(), None);
    assert_eq!(Address::parse("bob@office.test").unwrap().without_tag(), None);
    assert_eq!(check_domain("OFFICE.Test").unwrap(), "office.test");
}

#[test]
fn labels_beyond_ascii() {
    // The samples of RFC 3492 7.1 that are letters and digits, in lower case.
    for (label, wanted) in [
        ("ليهمابتكلموشعربي؟", "xn--egbpdaj6bu4bxfgehfvwxn"),
        ("他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye"),
        ("他們爲什麽不說中文", "xn--ihqwctvzc91f659drss3x8bo0yb"),
        ("pročprostěnemluvíčesky", "xn--proprostnemluvesky-uyb24dma41a"),
        ("почемужеонинеговорятпорусски", "xn--b1abfaaepdrnnbgefbadotcwatmq2g4l"),
        ("3年b組金八先生", "xn--3b-ww4c5e180e575a65lsy2b"),
        ("bücher", "xn--bcher-kva"),
        ("plain", "plain"),
    ] {
        assert_eq!(a_label(label).as_deref(), Some(wanted));
    }
    assert_eq!(a_label(&"ü".repeat(70)), None);
    for domain in ["ü-.test", "-ü.test", "ü ü.test", "ü\u{308}.test", "ü..test"] {
        assert_eq!(check_domain(domain), Err(AddressError::DomainSyntax), "{domain}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_the_same(
        local in "[ -~äßИ\u{a0}]{1,20}",
        domain in "[a-zA-Zäİß0-9-]{1,8}(\\.[a-z]{1,5}){0,3}",
    ) {
        if let Ok(address) = Address::new(&local, &domain) {
            prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
        }
    }

    #[test]
    fn any_text_is_taken_or_refused(text in "\\PC{0,40}") {
        if let Ok(address) = Address::parse(&text) {
            prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
        }
    }
}
