//! RFC 3501: what IMAP4rev1 does otherwise than IMAP4rev2. Its own examples are in `rfcs`.

use super::runner::{Example, NOW, World, play_all};

fn eighteen(world: &World) {
    for n in 1..=18 {
        let raw = format!("Subject: {n}\r\n\r\nbody\r\n");
        let seen: &[&str] = if n < 12 { &["\\Seen"] } else { &[] };
        world.add("INBOX", raw.as_bytes(), seen, NOW);
    }
}

const EXAMPLES: &[Example] = &[
    (
        "RFC 3501 6.3.1 SELECT",
        eighteen,
        "C: A142 SELECT inbox
         S: * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)
         S: * OK [PERMANENTFLAGS (… \\*)] …
         S: * 18 EXISTS
         S: * 0 RECENT
         S: * OK [UNSEEN 12] …
         S: * OK [UIDVALIDITY …] …
         S: * OK [UIDNEXT 19] …
         S: * OK [HIGHESTMODSEQ …] …
         S: * OK [MAILBOXID (…)] …
         S: A142 OK [READ-WRITE] SELECT completed",
    ),
    (
        "RFC 3501 6.3.8 LIST and 6.3.9 LSUB",
        |world| world.fill("news/comp/mail/misc", 1),
        "C: A1 SUBSCRIBE news/comp/mail/mime
         S: A1 OK …
         C: A002 LSUB \"news/\" \"comp/mail/*\"
         S: * LSUB (\\Noselect) \"/\" news/comp/mail/mime
         S: A002 OK LSUB completed
         C: A003 LSUB \"news/\" \"comp/%\"
         S: * LSUB (\\Noselect) \"/\" news/comp/mail
         S: A003 OK LSUB completed",
    ),
    (
        "RFC 3501 6.3.10 STATUS",
        eighteen,
        "C: A042 STATUS INBOX (MESSAGES RECENT UNSEEN)
         S: * STATUS INBOX (MESSAGES 18 RECENT 0 UNSEEN 7)
         S: A042 OK STATUS completed",
    ),
    (
        "RFC 3501 6.4.1 CHECK and 6.4.3 EXPUNGE",
        eighteen,
        "C: A1 SELECT INBOX
         S: ...
         S: A1 OK …
         C: FXXZ CHECK
         S: FXXZ OK CHECK completed
         C: A2 STORE 1 +FLAGS.SILENT \\Deleted
         S: A2 OK …
         C: A202 EXPUNGE
         S: * 1 EXPUNGE
         S: A202 OK EXPUNGE completed",
    ),
    (
        "RFC 3501 6.4.4 SEARCH",
        |world| {
            let smith =
                b"From: Smith <s@example.org>\r\nSubject: =?UTF-8?Q?=C3=84rger?=\r\n\r\nx\r\n";
            let other = b"From: Other <o@example.org>\r\nSubject: y\r\n\r\n\
                \xd1\x82\xd0\xb5\xd1\x81\xd1\x82\r\n";
            world.add("INBOX", other, &[], NOW);
            world.add("INBOX", smith, &["\\Flagged"], NOW);
            world.add("INBOX", smith, &["\\Flagged", "\\Seen"], 1_000);
        },
        "C: A1 SELECT INBOX
         S: ...
         S: A1 OK …
         C: A282 SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"
         S: * SEARCH
         S: A282 OK SEARCH completed
         C: A283 SEARCH FLAGGED SINCE 1-Feb-1994 FROM \"smith\"
         S: * SEARCH 2
         S: A283 OK SEARCH completed
         C: A284 SEARCH TEXT \"string not in mailbox\"
         S: * SEARCH
         S: A284 OK SEARCH completed
         C: A285 SEARCH CHARSET UTF-8 TEXT {8+}
         C: \u{442}\u{415}\u{421}\u{442}
         S: * SEARCH 1
         S: A285 OK SEARCH completed
         C: A286 SEARCH CHARSET UTF-8 SUBJECT {6+}
         C: \u{e4}rger
         S: * SEARCH 2 3
         S: A286 OK SEARCH completed
         C: A287 SEARCH CHARSET X-KLINGON TEXT x
         S: A287 NO [BADCHARSET (…)] …
         C: A288 SEARCH OR NEW (RECENT OLD)
         S: * SEARCH
         S: A288 OK …
         C: A289 UID SEARCH NOT 1 HEADER From \"<s@example\"
         S: * SEARCH 2 3
         S: A289 OK …",
    ),
    (
        "RFC 3501 6.4.5 FETCH, by the names of RFC 822",
        |world| world.fill("INBOX", 2),
        "C: A1 EXAMINE INBOX
         S: ...
         S: A1 OK …
         C: A2 FETCH 1 RFC822.HEADER
         S: * 1 FETCH (RFC822.HEADER {37}
         S: From: bob@office.test
         S: Subject: 1
         S:
         S: )
         S: A2 OK …
         C: A3 FETCH 1 (RFC822.TEXT RFC822.SIZE)
         S: * 1 FETCH (RFC822.TEXT {11}
         S: body of 1
         S:  RFC822.SIZE 48)
         S: A3 OK …
         C: A4 FETCH 2 RFC822
         S: * 2 FETCH (RFC822 {48}
         S: ...
         S: )
         S: A4 OK …
         C: A5 FETCH 2 BODY[]<5.4>
         S: * 2 FETCH (BODY[]<5> {4}
         S:  bob)
         S: A5 OK …
         C: A6 FETCH 2 (BODY[1] BODY[2] BODY[1.MIME]<0.4> BODY[TEXT]<90.5>)
         S: * 2 FETCH (BODY[1] {11}
         S: body of 2
         S:  BODY[2] NIL BODY[1.MIME]<0> {4}
         S: From BODY[TEXT]<90> {0}
         S: )
         S: A6 OK …",
    ),
    (
        "RFC 3501 6.4.8 UID",
        |world| world.fill("INBOX", 2),
        "C: A1 SELECT INBOX
         S: ...
         S: A1 OK …
         C: A999 UID FETCH 1:2 BODY[HEADER.FIELDS.NOT (FROM)]
         S: * 1 FETCH (UID 1 BODY[HEADER.FIELDS.NOT (FROM)] {14}
         S: Subject: 1
         S:
         S:  FLAGS (\\Seen))
         S: * 2 FETCH (UID 2 BODY[HEADER.FIELDS.NOT (FROM)] {14}
         S: Subject: 2
         S:
         S:  FLAGS (\\Seen))
         S: A999 OK FETCH completed",
    ),
    (
        "RFC 3501 5.1.3, modified UTF-7",
        |_| {},
        "C: A1 CREATE \"~peter/mail/&U,BTFw-/&ZeVnLIqe-\"
         S: A1 OK …
         C: A2 LIST \"\" \"~peter/%/%\"
         S: * LIST (\\HasChildren) \"/\" ~peter/mail/&U,BTFw-
         S: A2 OK …
         C: A3 ENABLE UTF8=ACCEPT
         S: * ENABLED UTF8=ACCEPT
         S: A3 OK …
         C: A4 LIST \"\" \"~peter/mail/%/*\"
         S: * LIST (\\HasNoChildren) \"/\" \"~peter/mail/\u{53f0}\u{5317}/\u{65e5}\u{672c}\u{8a9e}\"
         S: A4 OK …",
    ),
];

#[test]
fn the_examples_of_rfc_3501() {
    play_all("RFC 3501", EXAMPLES);
}
