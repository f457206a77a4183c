//! The extensions: the examples of their RFCs, adapted to what our store holds.

use super::runner::{Example, NOW, World, play_all};

fn nothing(_: &World) {}

fn five(world: &World) {
    world.fill("INBOX", 5);
}

/// RFC 5258 5: the mailboxes of its examples.
fn fruit(world: &World) {
    for name in ["Fruit/Apple", "Fruit/Banana", "Tofu", "Vegetable/Broccoli", "Vegetable/Corn"] {
        world.fill(name, 1);
    }
    let alice = world.alice;
    let done = world.store.write_blocking(move |batch| {
        use crate::store::mailbox;
        for name in ["Archive", "Drafts", "Junk", "Sent", "Trash", "Fruit", "Vegetable/Corn"] {
            mailbox::unsubscribe(batch, alice, name)?;
        }
        for name in ["Fruit/Banana", "Fruit/Peach", "Vegetable", "Vegetable/Broccoli"] {
            mailbox::subscribe(batch, alice, name)?;
        }
        for name in ["Fruit/Apple", "Tofu", "Vegetable/Corn"] {
            mailbox::unsubscribe(batch, alice, name)?;
        }
        Ok(())
    });
    done.expect("subscriptions");
}

fn binary(world: &World) {
    let raw = b"Subject: parts\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=x\r\n\r\n\
        --x\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        caf=C3=A9=\r\n!\r\n\
        --x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        AAECAw==\r\n\
        --x\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: x-what\r\n\r\n\
        abc\r\n--x--\r\n";
    world.add("INBOX", raw, &["\\Seen"], NOW);
}

const LISTS: &[Example] = &[
    (
        "RFC 5258 5, examples 1 to 7",
        fruit,
        "C: A01 LIST (SUBSCRIBED) \"\" \"*\"
         S: * LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX
         S: * LIST (\\HasNoChildren \\Subscribed) \"/\" Fruit/Banana
         S: * LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" Fruit/Peach
         S: * LIST (\\HasChildren \\Subscribed) \"/\" Vegetable
         S: * LIST (\\HasNoChildren \\Subscribed) \"/\" Vegetable/Broccoli
         S: A01 OK …
         C: A02 LIST () \"\" \"F%\" RETURN (CHILDREN)
         S: * LIST (\\HasChildren) \"/\" Fruit
         S: A02 OK …
         C: A04 LIST (SUBSCRIBED REMOTE) \"\" \"Veg*\"
         S: ...
         S: A04 OK …
         C: A07 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"%\"
         S: * LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX
         S: * LIST (\\HasChildren) \"/\" Fruit (\"CHILDINFO\" (\"SUBSCRIBED\"))
         S: * LIST (\\HasChildren \\Subscribed) \"/\" Vegetable (\"CHILDINFO\" (\"SUBSCRIBED\"))
         S: A07 OK …
         C: A08 LIST (RECURSIVEMATCH) \"\" \"%\"
         S: A08 BAD …
         C: A09 LIST \"\" (\"INBOX\" \"Tofu\" \"Fruit/%\") RETURN (SUBSCRIBED CHILDREN)
         S: * LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX
         S: * LIST (\\HasNoChildren) \"/\" Fruit/Apple
         S: * LIST (\\HasNoChildren \\Subscribed) \"/\" Fruit/Banana
         S: * LIST (\\HasNoChildren) \"/\" Tofu
         S: A09 OK …",
    ),
    (
        "RFC 5819 2 LIST-STATUS",
        |world| world.fill("foo", 30),
        "C: A01 LIST \"\" fo% RETURN (STATUS (MESSAGES UNSEEN))
         S: * LIST (\\HasNoChildren) \"/\" foo
         S: * STATUS foo (MESSAGES 30 UNSEEN 30)
         S: A01 OK LIST completed",
    ),
    (
        "RFC 6154 5 SPECIAL-USE",
        nothing,
        "C: t1 LIST \"\" \"%\" RETURN (SPECIAL-USE)
         S: ...
         S: * LIST (\\Drafts \\HasNoChildren) \"/\" Drafts
         S: ...
         S: t1 OK LIST completed
         C: t2 LIST (SPECIAL-USE) \"\" \"*\"
         S: * LIST (\\Archive \\HasNoChildren) \"/\" Archive
         S: * LIST (\\Drafts \\HasNoChildren) \"/\" Drafts
         S: * LIST (\\Junk \\HasNoChildren) \"/\" Junk
         S: * LIST (\\Sent \\HasNoChildren) \"/\" Sent
         S: * LIST (\\Trash \\HasNoChildren) \"/\" Trash
         S: t2 OK …
         C: t3 CREATE MySpecial (USE (\\Important))
         S: t3 NO [USEATTR] …
         C: t4 CREATE Sent2 (USE (\\Sent))
         S: t4 NO [USEATTR] …
         C: t5 DELETE Sent
         S: t5 OK …
         C: t6 CREATE Gesendet (USE (\\Sent))
         S: t6 OK [MAILBOXID (…)] …
         C: t7 LIST \"\" Ges*
         S: * LIST (\\Sent \\HasNoChildren) \"/\" Gesendet
         S: t7 OK …",
    ),
    (
        "RFC 8474 4 and 5 OBJECTID",
        five,
        "C: 3 CREATE foo
         S: 3 OK [MAILBOXID (F…)] …
         C: 4 STATUS foo (MAILBOXID)
         S: * STATUS foo (MAILBOXID (F…))
         S: 4 OK …
         C: 5 SELECT INBOX
         S: ...
         S: 5 OK …
         C: 6 FETCH 1 (EMAILID THREADID)
         S: * 1 FETCH (EMAILID (M…) THREADID (T…))
         S: 6 OK …
         C: 7 SEARCH EMAILID Mnothing
         S: * SEARCH
         S: 7 OK …",
    ),
    (
        "RFC 9208 4.1 and 4.2 QUOTA",
        |world| {
            five(world);
            world.quota(512 * 1024);
        },
        "C: A003 GETQUOTA \"\"
         S: * QUOTA \"\" (STORAGE 1 512)
         S: A003 OK …
         C: A004 GETQUOTAROOT INBOX
         S: * QUOTAROOT INBOX \"\"
         S: * QUOTA \"\" (STORAGE 1 512)
         S: A004 OK …
         C: A005 SETQUOTA \"\" (STORAGE 1024)
         S: A005 NO [NOPERM] …
         C: A006 GETQUOTA other
         S: A006 NO [NONEXISTENT] …
         C: A007 STATUS INBOX (DELETED DELETED-STORAGE)
         S: * STATUS INBOX (DELETED 0 DELETED-STORAGE 0)
         S: A007 OK …",
    ),
    (
        "RFC 9208 4.3.1 OVERQUOTA",
        |world| {
            five(world);
            world.quota(300);
        },
        "C: A003 APPEND INBOX {#+}
         L: Subject: large
         L:
         L: ................................................................................
         L: ................................................................................
         L: ................................................................................
         L: ................................................................................
         C:
         S: A003 NO [OVERQUOTA] …
         C: A005 SELECT INBOX
         S: ...
         S: * 5 EXISTS
         S: ...
         S: A005 OK …
         C: A006 COPY 1:5 Trash
         S: A006 NO [OVERQUOTA] …",
    ),
];

const SEARCHES: &[Example] = &[
    (
        "RFC 4731 3.1 and 4 ESEARCH",
        five,
        "C: A1 SELECT INBOX
         S: ...
         S: A1 OK …
         C: A282 SEARCH RETURN (MIN COUNT) UNSEEN
         S: * ESEARCH (TAG \"A282\") MIN 1 COUNT 5
         S: A282 OK SEARCH completed
         C: A283 UID SEARCH RETURN () 2,4:5
         S: * ESEARCH (TAG \"A283\") UID ALL 2,4:5
         S: A283 OK SEARCH completed
         C: A284 SEARCH RETURN (MAX) SEEN
         S: * ESEARCH (TAG \"A284\")
         S: A284 OK SEARCH completed
         C: A285 SEARCH RETURN (MIN) MODSEQ 1
         S: * OK [HIGHESTMODSEQ …] …
         S: * ESEARCH (TAG \"A285\") MIN 1 MODSEQ …
         S: A285 OK SEARCH completed",
    ),
    (
        "RFC 5182 2.3 SEARCHRES",
        five,
        "C: A1 SELECT INBOX
         S: ...
         S: A1 OK …
         C: A282 SEARCH RETURN (SAVE) 2:4
         S: A282 OK …
         C: A283 FETCH $ (UID)
         S: * 2 FETCH (UID 2)
         S: * 3 FETCH (UID 3)
         S: * 4 FETCH (UID 4)
         S: A283 OK …
         C: B282 SEARCH RETURN (SAVE COUNT) NOT $
         S: * ESEARCH (TAG \"B282\") COUNT 2
         S: B282 OK …
         C: B283 SEARCH RETURN (ALL) $
         S: * ESEARCH (TAG \"B283\") ALL 1,5
         S: B283 OK …
         C: D1 STORE 1 +FLAGS.SILENT (\\Deleted)
         S: D1 OK …
         C: D2 EXPUNGE
         S: * 1 EXPUNGE
         S: D2 OK …
         C: D3 COPY $ Trash
         S: D3 OK [COPYUID … 5 1] …
         C: D4 SEARCH RETURN (SAVE) CHARSET X-NONE TEXT x
         S: D4 NO [BADCHARSET …] …
         C: D5 SELECT INBOX
         S: ...
         S: D5 OK …
         C: D6 FETCH $ FLAGS
         S: D6 OK …",
    ),
    (
        "RFC 5032 3 WITHIN",
        |world| {
            world.add("INBOX", b"Subject: old\r\n\r\n", &[], NOW - 10_000);
            world.add("INBOX", b"Subject: new\r\n\r\n", &[], NOW - 10);
        },
        "C: A1 SELECT INBOX
         S: ...
         S: A1 OK …
         C: a1 SEARCH UNSEEN YOUNGER 3600
         S: * SEARCH 2
         S: a1 OK …
         C: a2 SEARCH OLDER 3600
         S: * SEARCH 1
         S: a2 OK …",
    ),
    (
        "RFC 8514 4 SAVEDATE",
        five,
        "C: A1 SELECT INBOX
         S: ...
         S: A1 OK …
         C: A101 FETCH 1 (SAVEDATE)
         S: * 1 FETCH (SAVEDATE \" 1-Feb-2026 00:00:00 +0000\")
         S: A101 OK …
         C: A102 SEARCH SAVEDON 1-Feb-2026
         S: * SEARCH 1 2 3 4 5
         S: A102 OK …
         C: A103 SEARCH SAVEDBEFORE 1-Feb-2026
         S: * SEARCH
         S: A103 OK …
         C: A104 SEARCH SAVEDATESUPPORTED 2
         S: * SEARCH 2
         S: A104 OK …",
    ),
];

const WRITES: &[Example] = &[
    (
        "RFC 3502 6.3.11 MULTIAPPEND, RFC 4315 3 APPENDUID, RFC 7888 4 LITERAL+",
        five,
        "C: A003 APPEND INBOX (\\Seen) {#+}
         L: Subject: one
         L:
         C:  (\\Flagged) \" 7-Feb-1994 22:43:04 -0800\" {#+}
         L: Subject: two
         L:
         C:
         S: A003 OK [APPENDUID … 6:7] …
         C: A004 SELECT INBOX
         S: ...
         S: * 7 EXISTS
         S: ...
         S: A004 OK …
         C: A005 FETCH 7 (FLAGS INTERNALDATE)
         S: * 7 FETCH (FLAGS (\\Flagged) INTERNALDATE \" 7-Feb-1994 22:43:04 -0800\")
         S: A005 OK …
         C: A00x APPEND INBOX {0+}
         C:
         S: A00x NO [CANNOT] …
         C: A006 APPEND nowhere {#+}
         L: Subject: one
         L:
         C:  {#+}
         L: Subject: two
         L:
         C:
         S: A006 NO [TRYCREATE] …",
    ),
    (
        "RFC 4315 2.1 and 3 UIDPLUS",
        |world| {
            five(world);
            world.fill("meeting", 1);
        },
        "C: A1 SELECT INBOX
         S: ...
         S: A1 OK …
         C: A003 STORE 2:5 +FLAGS.SILENT (\\Deleted)
         S: A003 OK …
         C: A004 COPY 2:4 meeting
         S: A004 OK [COPYUID … 2:4 2:4] …
         C: A005 UID COPY 90:100 meeting
         S: A005 OK COPY completed
         C: A006 UID EXPUNGE 3000:3002
         S: A006 OK …
         C: A007 UID EXPUNGE 3:4
         S: * 4 EXPUNGE
         S: * 3 EXPUNGE
         S: A007 OK …",
    ),
    (
        "RFC 6851 3.1 MOVE by numbers",
        five,
        "C: a SELECT INBOX
         S: ...
         S: a OK …
         C: b MOVE 1 Archive
         S: * OK [COPYUID … 1 1] …
         S: * 1 EXPUNGE
         S: b OK …
         C: c MOVE 1 nowhere
         S: c NO [TRYCREATE] …",
    ),
    (
        "RFC 3516 4.2 BINARY",
        binary,
        "C: A1 SELECT INBOX
         S: ...
         S: A1 OK …
         C: a FETCH 1 (BINARY.SIZE[1] BINARY[1])
         S: * 1 FETCH (BINARY.SIZE[1] 6 BINARY[1] ~{6}
         S: caf\u{e9}!)
         S: a OK …
         C: b FETCH 1 BINARY.PEEK[2]<1.2>
         S: * 1 FETCH (BINARY[2]<1> ~{2}
         S: \u{1}\u{2})
         S: b OK …
         C: c FETCH 1 BINARY[3]
         S: * 1 FETCH (BINARY[3] NIL)
         S: c NO [UNKNOWN-CTE] …",
    ),
    (
        "RFC 6855 3 and 4 UTF8=ACCEPT",
        nothing,
        "C: a ENABLE UTF8=ACCEPT
         S: * ENABLED UTF8=ACCEPT
         S: a OK …
         C: b CREATE \"f\u{fc}r alle\"
         S: b OK …
         C: c STATUS \"f\u{fc}r alle\" (MESSAGES)
         S: * STATUS \"f\u{fc}r alle\" (MESSAGES 0)
         S: c OK …
         C: d APPEND INBOX UTF8 (~{15+}
         C: Subject: \u{fc}
         C:
         C: )
         S: d OK [APPENDUID … 1] …
         C: e SELECT INBOX
         S: ...
         S: e OK …
         C: f FETCH 1 ENVELOPE
         S: * 1 FETCH (ENVELOPE (NIL \"\u{fc}\" NIL …
         S: f OK …",
    ),
    (
        "RFC 2971 3.1 ID",
        nothing,
        "C: a023 ID (\"name\" \"sodr\" \"version\" \"19.34\" \"vendor\" NIL)
         S: * ID (\"name\" \"Mailroom\" \"version\" \"…\")
         S: a023 OK ID completed
         C: a024 ID NIL
         S: * ID (…)
         S: a024 OK ID completed",
    ),
    (
        "RFC 7889 3 APPENDLIMIT",
        nothing,
        "C: a STATUS INBOX (APPENDLIMIT)
         S: * STATUS INBOX (APPENDLIMIT 52428800)
         S: a OK …
         C: b APPEND INBOX {52428801}
         S: b NO [TOOBIG] …",
    ),
];

const CHANGES: &[Example] = &[
    (
        "RFC 7162 3.1.3 STORE UNCHANGEDSINCE",
        five,
        "C: a101 SELECT INBOX (CONDSTORE)
         S: ...
         S: * OK [HIGHESTMODSEQ 6] …
         S: ...
         S: a101 OK …
         C: a103 UID STORE 2,4 (UNCHANGEDSINCE 6) +FLAGS.SILENT (\\Deleted)
         S: * 2 FETCH (UID 2 MODSEQ (7))
         S: * 4 FETCH (UID 4 MODSEQ (7))
         S: a103 OK STORE completed
         C: d105 STORE 1:3 (UNCHANGEDSINCE 6) +FLAGS (\\Flagged)
         S: * 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (8))
         S: * 3 FETCH (UID 3 FLAGS (\\Flagged) MODSEQ (8))
         S: d105 OK [MODIFIED 2] …
         C: b101 STORE 1 (UNCHANGEDSINCE 0) +FLAGS.SILENT ($MDNSent)
         S: b101 OK [MODIFIED 1] …",
    ),
    (
        "RFC 7162 3.1.4 and 3.1.5 FETCH and SEARCH with MODSEQ",
        five,
        "C: s100 SELECT INBOX
         S: ...
         S: s100 OK …
         C: s101 FETCH 1:3 (FLAGS) (CHANGEDSINCE 3)
         S: * OK [HIGHESTMODSEQ 6] …
         S: * 3 FETCH (FLAGS () MODSEQ (4))
         S: s101 OK …
         C: t SEARCH MODSEQ 5
         S: * SEARCH 4 5 (MODSEQ 6)
         S: t OK …
         C: u SEARCH MODSEQ 99
         S: * SEARCH
         S: u OK …
         C: v FETCH 1 (MODSEQ)
         S: * 1 FETCH (MODSEQ (2))
         S: v OK …
         C: w SEARCH RETURN (MIN MAX) MODSEQ 3
         S: * ESEARCH (TAG \"w\") MIN 2 MAX 5 MODSEQ 6
         S: w OK …
         C: x STATUS INBOX (HIGHESTMODSEQ)
         S: * STATUS INBOX (HIGHESTMODSEQ 6)
         S: x OK …",
    ),
    (
        "RFC 7162 3.2.5 QRESYNC",
        five,
        "C: a SELECT INBOX
         S: ...
         S: a OK …
         C: b STORE 2 +FLAGS.SILENT (\\Deleted)
         S: b OK …
         C: c EXPUNGE
         S: * 2 EXPUNGE
         S: c OK …
         C: d STORE 4 +FLAGS.SILENT (\\Seen)
         S: d OK …
         C2: a0 SELECT INBOX (QRESYNC (1 1))
         S2: a0 BAD [CLIENTBUG] …
         C2: a1 ENABLE QRESYNC
         S2: * ENABLED QRESYNC
         S2: a1 OK …
         C2: a2 SELECT INBOX (QRESYNC (1769904000 6 1:5))
         S2: ...
         S2: * OK [HIGHESTMODSEQ 9] …
         S2: ...
         S2: * VANISHED (EARLIER) 2
         S2: * 4 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (9))
         S2: a2 OK [READ-WRITE] …
         C2: a3 UID FETCH 1:* (FLAGS) (CHANGEDSINCE 6 VANISHED)
         S2: * VANISHED (EARLIER) 2
         S2: * 4 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (9))
         S2: a3 OK …
         C2: a4 STORE 1 +FLAGS.SILENT (\\Deleted)
         S2: * 1 FETCH (UID 1 MODSEQ (10))
         S2: a4 OK …
         C2: a5 EXPUNGE
         S2: * VANISHED 1
         S2: a5 OK [HIGHESTMODSEQ 11] …
         C: e NOOP
         S: * 1 EXPUNGE
         S: e OK …
         C2: a6 SELECT INBOX (QRESYNC (77 5 1:5))
         S2: ...
         S2: a6 OK …",
    ),
    (
        "RFC 7162 3.2.9 MOVE with QRESYNC",
        five,
        "C: a ENABLE QRESYNC
         S: * ENABLED QRESYNC
         S: a OK …
         C: b SELECT INBOX
         S: ...
         S: b OK …
         C: c UID MOVE 2:3 Archive
         S: * OK [COPYUID … 2:3 1:2] …
         S: * VANISHED 2:3
         S: c OK [HIGHESTMODSEQ …] MOVE completed
         C: d FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)
         S: d BAD …",
    ),
];

#[test]
fn lists_quotas_and_ids() {
    play_all("RFC 5258 5819 6154 8474 9208", LISTS);
}

#[test]
fn searches() {
    play_all("RFC 4731 5182 5032 8514", SEARCHES);
}

#[test]
fn writes_and_binary() {
    play_all("RFC 3502 4315 7888 6851 3516 6855 2971 7889", WRITES);
}

#[test]
fn condstore_and_qresync() {
    play_all("RFC 7162", CHANGES);
}
