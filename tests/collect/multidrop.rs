//! One mailbox for a domain: 34 headers as providers write them, and for whom each letter is.

use crate::collect::multidrop::shared;
use crate::store::format::Multidrop;
use proptest::prelude::*;

const OWN: &str = "all@firm.example";

/// What the header is like, the header, for whom; "!" before: only the author says so.
type Case = (&'static str, &'static str, &'static str);

/// By the usual fields, To not believed.
const USUAL: &[Case] = &[
    ("nothing at all", "", ""),
    ("Postfix", "X-Original-To: bob@firm.example\nDelivered-To: all@firm.example", "bob"),
    (
        "Postfix, the other way round",
        "Delivered-To: all@firm.example\nX-Original-To: bob@firm.example",
        "bob",
    ),
    ("Dovecot LDA", "Delivered-To: bob@firm.example\nReceived: by mx", "bob"),
    ("Exim", "Envelope-to: bob@firm.example\nDelivery-date: x\nReceived: by mx", "bob"),
    ("Exim, several", "Envelope-to: bob@firm.example,\n eve@firm.example", "bob eve"),
    ("Exim, some elsewhere", "Envelope-to: bob@firm.example, x@far.example", "bob"),
    ("fetchmail's name", "X-Envelope-To: <bob@firm.example>", "bob"),
    ("Fastmail", "X-Delivered-To: bob@firm.example\nReceived: from a by b", "bob"),
    ("1&1", "Envelope-To: <bob@firm.example>\nReceived: from a by b", "bob"),
    ("another case", "DELIVERED-TO: Bob@FIRM.Example", "Bob"),
    ("folded", "Delivered-To:\n bob@firm.example", "bob"),
    ("the mailbox itself tells nothing", "Delivered-To: all@firm.example", ""),
    ("the mailbox itself, in another case", "Delivered-To: ALL@firm.example", ""),
    (
        "passed through two mailboxes",
        "Delivered-To: bob@firm.example\nDelivered-To: eve@firm.example",
        "bob",
    ),
    ("another domain on top", "Delivered-To: x@far.example\nDelivered-To: bob@firm.example", "bob"),
    ("only another domain", "X-Original-To: bob@far.example", ""),
    ("a name that ends like it", "X-Original-To: bob@notfirm.example", ""),
    ("a domain below it", "X-Original-To: bob@x.firm.example", ""),
    (
        "below Received: the sender's own word",
        "Received: from a by b\nDelivered-To: boss@firm.example",
        "",
    ),
    (
        "above and below",
        "Delivered-To: bob@firm.example\nReceived: by b\nX-Original-To: boss@firm.example",
        "bob",
    ),
    (
        "Received for",
        "Received: from a (b [1.2.3.4]) by mx with ESMTP id 1 for <bob@firm.example>; Mon",
        "bob",
    ),
    ("Received for, without brackets", "Received: from a by mx for bob@firm.example; Mon", "bob"),
    (
        "Received of the hop before",
        "Received: by inner\nReceived: from a by mx for <bob@firm.example>; Mon",
        "bob",
    ),
    (
        "Received of three hops before",
        "Received: by a\nReceived: by b\nReceived: by c for <bob@firm.example>; x",
        "",
    ),
    ("for in a comment", "Received: from a (for <boss@firm.example>) by mx; Mon", ""),
    ("for behind the date", "Received: from a by mx; for <boss@firm.example>", ""),
    ("for the mailbox itself", "Received: by mx for <all@firm.example>; x", ""),
    ("To alone is not believed", "To: bob@firm.example", ""),
    (
        "a list in To, the envelope above",
        "X-Original-To: bob@firm.example\nTo: list@far.example",
        "bob",
    ),
    ("no address", "Delivered-To: bob\nEnvelope-To: undisclosed-recipients:;", ""),
    ("with a +tag", "Delivered-To: bob+news@firm.example", "bob+news"),
];

/// To is believed where nothing better is there.
const BELIEVING: &[Case] = &[
    ("To", "To: Bob <bob@firm.example>", "!bob"),
    ("To and Cc", "To: bob@firm.example\nCc: Eve <eve@firm.example>, x@far.example", "!bob eve"),
    ("the envelope goes first", "Delivered-To: eve@firm.example\nTo: bob@firm.example", "eve"),
    ("a list", "To: list@far.example", ""),
];

/// The owner names one field.
const NAMED: &[Case] = &[
    (
        "it is believed below Received too",
        "Received: by x\nX-Forwarded-For-User: bob@firm.example",
        "bob",
    ),
    ("and nothing else is", "X-Original-To: eve@firm.example", ""),
];

fn hold(cases: &[Case], rule: &Multidrop) {
    for (what, header, want) in cases {
        let message = format!("{}\n\nTo: text@firm.example\n", header).replace('\n', "\r\n");
        let found = shared(message.as_bytes(), OWN, rule);
        let names: Vec<&str> = found.to.iter().map(|to| to.local()).collect();
        let said = format!("{}{}", if found.doubtful { "!" } else { "" }, names.join(" "));
        assert_eq!(said, *want, "{what}: {found:?}");
        assert_eq!(found.to.is_empty(), found.words().contains("postmaster"), "{what}");
    }
}

fn rule() -> Multidrop {
    Multidrop { domain: "firm.example".to_string(), ..Multidrop::default() }
}

#[test]
fn the_table_of_headers() {
    assert!(USUAL.len() >= 30);
    hold(USUAL, &rule());
    hold(BELIEVING, &Multidrop { believe_to: true, ..rule() });
    hold(NAMED, &Multidrop { field: "x-forwarded-for-user".to_string(), ..rule() });
    let to = Multidrop { field: "to".to_string(), ..rule() };
    let found = shared(b"To: bob@firm.example\r\n\r\n", OWN, &to);
    assert!(found.doubtful && found.words().contains("the author wrote"), "{found:?}");
}

proptest! {
    #[test]
    fn no_header_makes_it_stumble(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        let message = [b"Delivered-To: ".as_slice(), &octets].concat();
        for believe_to in [false, true] {
            let found = shared(&message, OWN, &Multidrop { believe_to, ..rule() });
            prop_assert!(found.to.iter().all(|to| to.domain() == "firm.example"));
        }
    }
}
