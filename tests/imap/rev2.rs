//! RFC 9051: each command, with what its examples (`rfcs`) leave open: errors, other sessions.

use super::runner::{Client, Example, NOW, World, play_all, play_with};

fn nothing(_: &World) {}

fn three(world: &World) {
    world.fill("INBOX", 3);
}

fn eighteen(world: &World) {
    world.fill("blurdybloop", 18);
}

fn foobar(world: &World) {
    for name in ["foo", "foo/bar"] {
        world.fill(name, 1);
    }
}

fn terry(world: &World) {
    let raw =
        b"Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\nFrom: Terry Gray <gray@cac.example>\r\n\
        Subject: IMAP4rev2 WG mtg summary and minutes\r\nTo: imap@cac.example\r\n\
        cc: minutes@cnri.example, John Klensin <KLENSIN@mit.example>\r\n\
        Message-Id: <B27397-0100000@cac.example>\r\nMIME-Version: 1.0\r\n\
        Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\nminutes\r\nof the meeting\r\n";
    world.fill("INBOX", 1);
    world.add("INBOX", raw, &["\\Seen"], 837_593_105);
}

fn flagged(world: &World) {
    let raw = b"From: Smith <smith@example.org>\r\nSubject: old\r\n\r\nhello\r\n";
    let other = b"From: Jones <jones@example.org>\r\nSubject: other\r\n\r\nhello\r\n";
    // 1994-02-01 and before
    world.add("INBOX", other, &[], 760_000_000);
    world.add("INBOX", raw, &["\\Flagged", "\\Deleted"], 760_100_000);
    world.add("INBOX", raw, &["\\Flagged", "\\Seen"], NOW);
    world.add("INBOX", raw, &["\\Deleted"], NOW);
}

const BASE: &[Example] = &[
    (
        "RFC 9051 6.1.1 CAPABILITY",
        nothing,
        "C: abcd CAPABILITY
         S: * CAPABILITY IMAP4rev1 IMAP4rev2 ENABLE … QRESYNC SAVEDATE OBJECTID APPENDLIMIT=…
         S: abcd OK CAPABILITY completed",
    ),
    (
        "RFC 9051 6.1.2 NOOP",
        three,
        "C: a001 NOOP
         S: a001 OK NOOP completed
         C: a002 SELECT INBOX
         S: ...
         S: a002 OK [READ-WRITE] …
         C2: b1 SELECT INBOX
         S2: ...
         S2: b1 OK …
         C2: b2 STORE 3 +FLAGS (\\Seen)
         S2: * 3 FETCH (FLAGS (\\Seen))
         S2: b2 OK …
         C2: b3 STORE 2 +FLAGS.SILENT (\\Deleted)
         S2: b3 OK …
         C2: b4 EXPUNGE
         S2: * 2 EXPUNGE
         S2: b4 OK …
         C: a047 NOOP
         S: * 2 EXPUNGE
         S: * 2 FETCH (UID 3 FLAGS (\\Seen))
         S: a047 OK NOOP completed",
    ),
    (
        "RFC 9051 6.1.3 LOGOUT",
        nothing,
        "C: A023 LOGOUT
         S: * BYE …
         S: A023 OK LOGOUT completed",
    ),
    (
        "RFC 9051 6.3.1 ENABLE",
        nothing,
        "C: t1 CAPABILITY
         S: * CAPABILITY … ENABLE …
         S: t1 OK …
         C: t2 ENABLE CONDSTORE X-GOOD-IDEA
         S: * ENABLED CONDSTORE
         S: t2 OK …
         C: t3 ENABLE X-GOOD-IDEA
         S: * ENABLED
         S: t3 OK …
         C: t4 ENABLE IMAP4rev2
         S: * ENABLED IMAP4rev2
         S: t4 OK …",
    ),
    (
        "RFC 9051 6.3.2 SELECT",
        three,
        "C: A141 ENABLE IMAP4rev2
         S: * ENABLED IMAP4rev2
         S: A141 OK …
         C: A142 SELECT INBOX
         S: * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)
         S: * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] …
         S: * 3 EXISTS
         S: * OK [UIDVALIDITY …] …
         S: * OK [UIDNEXT 4] …
         S: * OK [HIGHESTMODSEQ …] …
         S: * OK [MAILBOXID (…)] …
         S: * LIST () \"/\" INBOX
         S: A142 OK [READ-WRITE] SELECT completed
         C: A143 SELECT Drafts
         S: * OK [CLOSED] …
         S: ...
         S: * 0 EXISTS
         S: ...
         S: A143 OK [READ-WRITE] SELECT completed
         C: A144 SELECT nowhere
         S: * OK [CLOSED] …
         S: A144 NO [NONEXISTENT] …
         C: A145 FETCH 1 FLAGS
         S: A145 BAD …",
    ),
    (
        "RFC 9051 6.3.3 EXAMINE",
        eighteen,
        "C: A932 EXAMINE blurdybloop
         S: * FLAGS (…)
         S: * OK [PERMANENTFLAGS ()] …
         S: * 18 EXISTS
         S: ...
         S: A932 OK [READ-ONLY] EXAMINE completed
         C: A933 STORE 1 +FLAGS (\\Seen)
         S: A933 NO [READ-ONLY] …
         C: A934 FETCH 1 (BODY[TEXT])
         S: * 1 FETCH (BODY[TEXT] {11}
         S: body of 1
         S: )
         S: A934 OK …",
    ),
    (
        "RFC 9051 6.3.4 CREATE",
        nothing,
        "C: A003 CREATE owatagusiam/
         S: A003 OK …
         C: A004 CREATE owatagusiam/blurdybloop
         S: A004 OK …
         C: A005 CREATE owatagusiam
         S: A005 NO [ALREADYEXISTS] …
         C: A006 CREATE INBOX
         S: A006 NO [ALREADYEXISTS] …",
    ),
    (
        "RFC 9051 6.3.5 DELETE",
        |world| {
            world.fill("blurdybloop", 1);
            world.fill("foo", 1);
            world.fill("foo/bar", 1);
        },
        "C: A682 LIST \"\" *
         S: ...
         S: * LIST (\\HasNoChildren) \"/\" blurdybloop
         S: * LIST (\\HasChildren) \"/\" foo
         S: * LIST (\\HasNoChildren) \"/\" foo/bar
         S: A682 OK LIST completed
         C: A683 DELETE blurdybloop
         S: A683 OK DELETE completed
         C: A684 DELETE foo
         S: A684 OK DELETE completed
         C: A685 DELETE foo/bar
         S: A685 OK DELETE completed
         C: A686 LIST \"\" foo*
         S: A686 OK LIST completed
         C: A687 DELETE foo
         S: A687 NO [NONEXISTENT] …
         C: A688 DELETE INBOX
         S: A688 NO [CANNOT] …",
    ),
    (
        "RFC 9051 6.3.5 DELETE, levels that are left",
        foobar,
        "C: A1 ENABLE IMAP4rev2
         S: ...
         S: A1 OK …
         C: A85 LIST \"\" f%
         S: * LIST (\\HasChildren) \"/\" foo
         S: A85 OK LIST completed
         C: A86 DELETE foo
         S: A86 OK DELETE completed
         C: A87 LIST \"\" f%
         S: * LIST (\\NonExistent \\HasChildren) \"/\" foo
         S: A87 OK LIST completed
         C: A88 LIST \"\" f*
         S: * LIST (\\HasNoChildren) \"/\" foo/bar
         S: A88 OK LIST completed",
    ),
    (
        "RFC 9051 6.3.6 RENAME",
        |world| {
            world.fill("blurdybloop", 1);
            world.fill("foo", 1);
        },
        "C: A683 RENAME blurdybloop sarasoop
         S: A683 OK RENAME completed
         C: A684 RENAME foo zowie
         S: A684 OK RENAME completed
         C: A685 LIST \"\" *oo*
         S: * LIST (\\HasNoChildren) \"/\" sarasoop
         S: A685 OK LIST completed
         C: A686 RENAME zowie sarasoop
         S: A686 NO [ALREADYEXISTS] …
         C: A687 RENAME nothing else
         S: A687 NO [NONEXISTENT] …",
    ),
    (
        "RFC 9051 6.3.6 RENAME INBOX",
        three,
        "C: Z432 LIST \"\" INBOX*
         S: * LIST (\\HasNoChildren) \"/\" INBOX
         S: Z432 OK LIST completed
         C: Z433 RENAME INBOX old-mail
         S: Z433 OK RENAME completed
         C: Z434 STATUS INBOX (MESSAGES)
         S: * STATUS INBOX (MESSAGES 0)
         S: Z434 OK …
         C: Z435 STATUS old-mail (MESSAGES)
         S: * STATUS old-mail (MESSAGES 3)
         S: Z435 OK …",
    ),
    (
        "RFC 9051 6.3.7 SUBSCRIBE and 6.3.8 UNSUBSCRIBE",
        |world| world.fill("news/comp/mail/mime", 1),
        "C: A002 SUBSCRIBE news/comp/mail/mime
         S: A002 OK SUBSCRIBE completed
         C: A003 LIST (SUBSCRIBED) \"\" news*
         S: * LIST (\\HasNoChildren \\Subscribed) \"/\" news/comp/mail/mime
         S: A003 OK …
         C: A004 UNSUBSCRIBE news/comp/mail/mime
         S: A004 OK UNSUBSCRIBE completed
         C: A005 LIST (SUBSCRIBED) \"\" news*
         S: A005 OK …",
    ),
    (
        "RFC 9051 6.3.9 LIST",
        |world| world.fill("foo/bar/baz", 1),
        "C: A101 LIST \"\" \"\"
         S: * LIST (\\Noselect) \"/\" \"\"
         S: A101 OK LIST completed
         C: A202 LIST foo/ %
         S: * LIST (\\HasChildren) \"/\" foo/bar
         S: A202 OK LIST completed
         C: A203 LIST \"\" %
         S: * LIST (\\HasNoChildren) \"/\" INBOX
         S: * LIST (\\Archive \\HasNoChildren) \"/\" Archive
         S: * LIST (\\Drafts \\HasNoChildren) \"/\" Drafts
         S: * LIST (\\Junk \\HasNoChildren) \"/\" Junk
         S: * LIST (\\Sent \\HasNoChildren) \"/\" Sent
         S: * LIST (\\Trash \\HasNoChildren) \"/\" Trash
         S: * LIST (\\HasChildren) \"/\" foo
         S: A203 OK LIST completed",
    ),
    (
        "RFC 9051 6.3.10 NAMESPACE",
        nothing,
        "C: A001 NAMESPACE
         S: * NAMESPACE ((\"\" \"/\")) NIL NIL
         S: A001 OK NAMESPACE completed",
    ),
    (
        "RFC 9051 6.3.11 STATUS",
        eighteen,
        "C: A042 STATUS blurdybloop (UIDNEXT MESSAGES)
         S: * STATUS blurdybloop (UIDNEXT 19 MESSAGES 18)
         S: A042 OK STATUS completed
         C: A043 STATUS blurdybloop (UNSEEN DELETED SIZE UIDVALIDITY)
         S: * STATUS blurdybloop (UNSEEN 18 DELETED 0 SIZE … UIDVALIDITY …)
         S: A043 OK STATUS completed
         C: A044 STATUS nowhere (MESSAGES)
         S: A044 NO [NONEXISTENT] …",
    ),
    (
        "RFC 9051 6.3.12 APPEND",
        |world| world.fill("saved-messages", 2),
        "C: A003 APPEND saved-messages (\\Seen) {#}
         S: + …
         L: Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)
         L: From: Fred Foobar <foobar@Blurdybloop.example>
         L: Subject: afternoon meeting
         L: To: mooch@owatagu.siam.edu.example
         L: Message-Id: <B27397-0100000@Blurdybloop.example>
         L: MIME-Version: 1.0
         L: Content-Type: TEXT/PLAIN; CHARSET=US-ASCII
         L:
         L: Hello Joe, do you think we can meet at 3:30 tomorrow?
         L:
         C:
         S: A003 OK [APPENDUID … 3] APPEND completed
         C: A004 APPEND nowhere {#+}
         L: Subject: x
         L:
         C:
         S: A004 NO [TRYCREATE] …",
    ),
    (
        "RFC 9051 6.3.13 IDLE",
        three,
        "C: A001 SELECT INBOX
         S: ...
         S: A001 OK [READ-WRITE] SELECT completed
         C: A002 IDLE
         S: + idling
         C2: b1 APPEND INBOX {#+}
         L2: Subject: new
         L2:
         C2:
         S2: b1 OK [APPENDUID … 4] …
         wake 1
         S: * 4 EXISTS
         C: DONE
         S: A002 OK IDLE terminated
         C: A003 FETCH 4 (FLAGS)
         S: * 4 FETCH (FLAGS ())
         S: A003 OK …
         C: A004 IDLE
         S: + idling
         C2: b2 SELECT INBOX
         S2: ...
         S2: b2 OK …
         C2: b3 STORE 2:3 +FLAGS.SILENT (\\Deleted)
         S2: b3 OK …
         C2: b4 EXPUNGE
         S2: * 3 EXPUNGE
         S2: * 2 EXPUNGE
         S2: b4 OK …
         wake 1
         S: * 3 EXPUNGE
         S: * 2 EXPUNGE
         time 1
         S: * OK Still here
         C: DONE
         S: A004 OK IDLE terminated",
    ),
    (
        "RFC 9051 6.4.1 CLOSE",
        flagged,
        "C: A340 SELECT INBOX
         S: ...
         S: A340 OK …
         C: A341 CLOSE
         S: A341 OK CLOSE completed
         C: A342 STATUS INBOX (MESSAGES)
         S: * STATUS INBOX (MESSAGES 2)
         S: A342 OK …",
    ),
    (
        "RFC 9051 6.4.2 UNSELECT",
        flagged,
        "C: A341 SELECT INBOX
         S: ...
         S: A341 OK …
         C: A342 UNSELECT
         S: A342 OK UNSELECT completed
         C: A343 STATUS INBOX (MESSAGES)
         S: * STATUS INBOX (MESSAGES 4)
         S: A343 OK …",
    ),
    (
        "RFC 9051 6.4.3 EXPUNGE",
        |world| {
            world.fill("INBOX", 11);
        },
        "C: A201 SELECT INBOX
         S: ...
         S: A201 OK …
         C: A20x STORE 3,4,7,11 +FLAGS.SILENT (\\Deleted)
         S: A20x OK …
         C: A202 EXPUNGE
         S: * 11 EXPUNGE
         S: * 7 EXPUNGE
         S: * 4 EXPUNGE
         S: * 3 EXPUNGE
         S: A202 OK EXPUNGE completed",
    ),
];

const SEARCH: &[Example] = &[
    (
        "RFC 9051 6.4.4 SEARCH, results as ESEARCH",
        flagged,
        "C: A1 ENABLE IMAP4rev2
         S: ...
         S: A1 OK …
         C: A2 SELECT INBOX
         S: ...
         S: A2 OK …
         C: A282 SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"
         S: * ESEARCH (TAG \"A282\") COUNT 0
         S: A282 OK SEARCH completed
         C: A283 SEARCH RETURN () FLAGGED SINCE 1-Feb-1994 FROM \"Smith\"
         S: * ESEARCH (TAG \"A283\") ALL 2:3
         S: A283 OK SEARCH completed
         C: A284 SEARCH TEXT \"string not in mailbox\"
         S: * ESEARCH (TAG \"A284\")
         S: A284 OK SEARCH completed
         C: A285 SEARCH RETURN (MIN MAX) CHARSET UTF-8 TEXT {4+}
         C: HELL
         S: * ESEARCH (TAG \"A285\") MIN 1 MAX 4
         S: A285 OK …",
    ),
    (
        "RFC 9051 6.4.4.1 SAVE",
        flagged,
        "C: A2 SELECT INBOX
         S: ...
         S: A2 OK …
         C: A282 SEARCH RETURN (SAVE) FLAGGED FROM \"Smith\"
         S: A282 OK SEARCH completed
         C: A283 FETCH $ (FLAGS)
         S: * 2 FETCH (FLAGS (\\Flagged \\Deleted))
         S: * 3 FETCH (FLAGS (\\Flagged \\Seen))
         S: A283 OK FETCH completed
         C: A284 UID SEARCH RETURN (SAVE MIN) $ DELETED
         S: * ESEARCH (TAG \"A284\") UID MIN 2
         S: A284 OK …
         C: A285 UID STORE $ +FLAGS.SILENT (\\Answered)
         S: A285 OK …
         C: A286 SEARCH ANSWERED
         S: * SEARCH 2
         S: A286 OK …",
    ),
];

const FETCH: &[Example] = &[
    (
        "RFC 9051 6.4.5 FETCH",
        |world| world.fill("INBOX", 4),
        "C: A653 SELECT INBOX
         S: ...
         S: A653 OK …
         C: A654 FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])
         S: * 2 FETCH (FLAGS (\\Seen) BODY[HEADER.FIELDS (DATE FROM)] {25}
         S: From: bob@office.test
         S:
         S: )
         S: ...
         S: A654 OK FETCH completed",
    ),
    (
        "RFC 9051 6.4.6 STORE",
        |world| world.fill("INBOX", 4),
        "C: A1 SELECT INBOX
         S: ...
         S: A1 OK …
         C: A003 STORE 2:4 +FLAGS (\\Deleted)
         S: * 2 FETCH (FLAGS (\\Deleted))
         S: * 3 FETCH (FLAGS (\\Deleted))
         S: * 4 FETCH (FLAGS (\\Deleted))
         S: A003 OK STORE completed
         C: A004 STORE 2 FLAGS (\\Seen $Forwarded)
         S: * FLAGS (… $Forwarded)
         S: * OK [PERMANENTFLAGS (… $Forwarded \\*)] …
         S: * 2 FETCH (FLAGS (\\Seen $Forwarded))
         S: A004 OK STORE completed
         C: A005 STORE 2 -FLAGS.SILENT ($forwarded)
         S: A005 OK STORE completed
         C: A006 STORE 5 +FLAGS (\\Seen)
         S: A006 BAD …",
    ),
    (
        "RFC 9051 6.4.7 COPY",
        |world| {
            world.fill("INBOX", 4);
            world.fill("MEETING", 1);
        },
        "C: A1 SELECT INBOX
         S: ...
         S: A1 OK …
         C: A003 COPY 2:4 MEETING
         S: A003 OK [COPYUID … 2:4 2:4] COPY completed
         C: A004 COPY 1 nowhere
         S: A004 NO [TRYCREATE] …",
    ),
    (
        "RFC 9051 6.4.8 MOVE",
        |world| {
            world.fill("INBOX", 4);
            world.fill("foo", 1);
        },
        "C: a SELECT INBOX
         S: ...
         S: a OK …
         C: b UID MOVE 2:3 foo
         S: * OK [COPYUID … 2:3 2:3] Moved
         S: * 3 EXPUNGE
         S: * 2 EXPUNGE
         S: b OK MOVE completed",
    ),
    (
        "RFC 9051 6.4.9 UID",
        |world| world.fill("INBOX", 4),
        "C: A1 SELECT INBOX
         S: ...
         S: A1 OK …
         C: A2 STORE 1:2 +FLAGS.SILENT (\\Deleted)
         S: A2 OK …
         C: A3 UID EXPUNGE 2
         S: * 2 EXPUNGE
         S: A3 OK …
         C: A999 UID FETCH 3:4 FLAGS
         S: * 2 FETCH (UID 3 FLAGS ())
         S: * 3 FETCH (UID 4 FLAGS ())
         S: A999 OK FETCH completed
         C: A998 UID FETCH 900:* FLAGS
         S: * 3 FETCH (UID 4 FLAGS ())
         S: A998 OK FETCH completed
         C: A997 UID FETCH 900:901 FLAGS
         S: A997 OK FETCH completed",
    ),
    (
        "RFC 9051 7.5.2 FETCH response, and RFC 9051 8 sample connection",
        terry,
        "C: a002 SELECT INBOX
         S: ...
         S: a002 OK [READ-WRITE] SELECT completed
         C: a003 fetch 2 full
         S: * 2 FETCH (FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 08:…\"\
          \x20RFC822.SIZE … ENVELOPE (\"Mon, 7 Feb 1994 21:52:25 -0800 (PST)\"\
          \x20\"IMAP4rev2 WG mtg summary and minutes\"\
          \x20((\"Terry Gray\" NIL \"gray\" \"cac.example\"))\
          \x20((\"Terry Gray\" NIL \"gray\" \"cac.example\"))\
          \x20((\"Terry Gray\" NIL \"gray\" \"cac.example\"))\
          \x20((NIL NIL \"imap\" \"cac.example\"))\
          \x20((NIL NIL \"minutes\" \"cnri.example\")\
          (\"John Klensin\" NIL \"KLENSIN\" \"mit.example\"))\
          \x20NIL NIL \"<B27397-0100000@cac.example>\")\
          \x20BODY (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 25 2))
         S: a003 OK FETCH completed
         C: a004 fetch 2 body[header]
         S: * 2 FETCH (BODY[HEADER] {…}
         S: Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)
         S: ...
         S: )
         S: a004 OK FETCH completed
         C: a005 store 2 +flags \\deleted
         S: * 2 FETCH (FLAGS (\\Deleted \\Seen))
         S: a005 OK STORE completed
         C: a006 logout
         S: * BYE …
         S: a006 OK LOGOUT completed",
    ),
];

#[test]
fn the_examples_of_rfc_9051() {
    play_all("RFC 9051, base", BASE);
    play_all("RFC 9051, search", SEARCH);
    play_all("RFC 9051, messages", FETCH);
}

/// RFC 9051 6.2.1: what came before TLS is thrown away.
#[test]
fn starttls_authenticate_login() {
    let world = World::new();
    let mut clients = vec![Some(Client::new(&world, false, false)), None, None, None];
    let greeting = clients[0].as_mut().map(Client::hear).unwrap_or_default();
    assert!(greeting.starts_with("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 "), "{greeting}");
    assert!(greeting.contains(" STARTTLS LOGINDISABLED]"), "{greeting}");
    assert!(!greeting.contains("AUTH=PLAIN"), "{greeting}");
    play_with(
        &world,
        &mut clients,
        "RFC 9051 6.2",
        "C: a000 LOGIN alice@office.test wonderland
         S: a000 NO [PRIVACYREQUIRED] …
         C: a001 AUTHENTICATE PLAIN
         S: a001 NO [PRIVACYREQUIRED] …
         C: a002 STARTTLS
         S: a002 OK Begin TLS now
         C: a003 CAPABILITY
         S: * CAPABILITY …AUTH=PLAIN…
         S: a003 OK CAPABILITY completed
         C: a004 STARTTLS
         S: a004 BAD [CLIENTBUG] …
         C: a005 LOGIN alice@office.test wrong
         S: a005 NO [AUTHENTICATIONFAILED] …
         C: a006 LOGIN ill@office.test any
         S: a006 NO [UNAVAILABLE] …
         C: a006b LOGIN everywhere@office.test any
         S: a006b NO [LIMIT] Too many connections of this account are open, …
         C: a007 AUTHENTICATE PLAIN
         S: + 
         C: *
         S: a007 BAD …
         C: a008 AUTHENTICATE PLAIN AGFsaWNlQG9mZmljZS50ZXN0AHdvbmRlcmxhbmQ=
         S: a008 OK [CAPABILITY IMAP4rev1 …] Logged in
         C: a009 LOGIN alice@office.test wonderland
         S: a009 BAD …",
    );
}
