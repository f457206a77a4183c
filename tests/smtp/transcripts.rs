//! The example dialogues of SMTP's extensions that an MX can have, in our words; those of RFC 5321
//! are in `rfcs`.
//!
//! A dialogue is the world it happens in (whom the box is home to), and what client and server say.
//! Text after the codes is ours; codes, order and effect are the RFC's. Where our rules differ from
//! the example (VRFY tells nothing, nothing is relayed), the comment says so.

use super::stage::{Table, Talk, run, setting};

struct Dialogue {
    /// Where it is from.
    name: &'static str,
    /// Addresses that exist; their domains are ours.
    people: &'static [&'static str],
    script: &'static str,
    /// Messages delivered, each with its number of recipients.
    delivered: &'static [usize],
}

const HELLO: &str = "
    S: 250-PIPELINING
    S: 250-SIZE 4000
    S: 250-8BITMIME
    S: 250-SMTPUTF8
    S: 250-ENHANCEDSTATUSCODES
    S: 250-CHUNKING
    S: 250-DSN
    S: 250-LIMITS
    S: 250 STARTTLS";

const DIALOGUES: &[Dialogue] = &[
    Dialogue {
        name: "RFC 5321 C: source routes are read and ignored",
        people: &["userc@d.bar.org"],
        script: "C: HELO host.one
            S: 250
            C: MAIL FROM:<@ONE.EXAMPLE,@TWO.EXAMPLE:JOE@THREE.EXAMPLE>
            S: 250
            C: RCPT TO:<@hosta.int,@jkl.org:userc@d.bar.org>
            S: 250
            C: DATA
            S: 354
            C: .
            S: 250",
        delivered: &[1],
    },
    Dialogue {
        name: "RFC 5321 4.5.1 and 4.5.5: postmaster and the empty sender",
        people: &["postmaster", "bob@foo.com"],
        script: "C: HELO bar.com
            S: 250
            C: MAIL FROM:<>
            S: 250
            C: RCPT TO:<Postmaster>
            S: 250
            C: RCPT TO:<bob@foo.com>
            S: 250
            C: DATA
            S: 354
            C: .
            S: 250",
        delivered: &[2],
    },
    Dialogue {
        // BINARYMIME is not offered: the whole pipeline is refused, and stays in step.
        name: "RFC 3030 4.2: pipelined BINARYMIME",
        people: &["mrose@dbc.mtview.ca.us"],
        script: "C: EHLO ymir.claremont.edu
            S: 250-
            HELLO
            C: MAIL FROM:<ned@ymir.claremont.edu> BODY=BINARYMIME
            C: RCPT TO:<mrose@dbc.mtview.ca.us>
            C: RCPT TO:<jstewart@dbc.mtview.ca.us>
            C: BDAT 10
            C: 12345678
            C: BDAT 8
            C: QUIT!!
            C: BDAT 0 LAST
            S: 501 5.5.4 BODY
            S: 503
            S: 503
            S: 503
            S: 503
            S: 503
            C: QUIT
            S: 221",
        delivered: &[],
    },
    Dialogue {
        name: "RFC 3030 4.2 with 8BITMIME: pipelined chunks",
        people: &["mrose@dbc.mtview.ca.us", "jstewart@dbc.mtview.ca.us"],
        script: "C: EHLO ymir.claremont.edu
            S: 250-
            HELLO
            C: MAIL FROM:<ned@ymir.claremont.edu> BODY=8BITMIME
            C: RCPT TO:<mrose@dbc.mtview.ca.us>
            C: RCPT TO:<jstewart@dbc.mtview.ca.us>
            C: BDAT 10
            C: 12345678
            C: BDAT 8
            C: QUIT!!
            C: BDAT 0 LAST
            S: 250 2.1.0
            S: 250 2.1.5
            S: 250 2.1.5
            S: 250 2.0.0 10
            S: 250 2.0.0 8
            S: 250 2.0.0
            C: QUIT
            S: 221",
        delivered: &[2],
    },
    Dialogue {
        name: "RFC 2920 5: commands in groups",
        people: &["ned@innosoft.com", "dan@innosoft.com", "kvc@innosoft.com"],
        script: "C: EHLO dbc.mtview.ca.us
            S: 250-
            HELLO
            C: MAIL FROM:<mrose@dbc.mtview.ca.us>
            C: RCPT TO:<ned@innosoft.com>
            C: RCPT TO:<dan@innosoft.com>
            C: RCPT TO:<kvc@innosoft.com>
            C: DATA
            S: 250
            S: 250
            S: 250
            S: 250
            S: 354
            C: ...
            C: .
            C: QUIT
            S: 250
            S: 221",
        delivered: &[3],
    },
    Dialogue {
        name: "RFC 2920 5: every recipient refused",
        people: &["someone@innosoft.com"],
        script: "C: EHLO dbc.mtview.ca.us
            S: 250-
            HELLO
            C: MAIL FROM:<mrose@dbc.mtview.ca.us>
            C: RCPT TO:<nsb@thumper.bellcore.com>
            C: RCPT TO:<galvin@tis.com>
            C: DATA
            S: 250
            S: 550
            S: 550
            S: 554
            C: QUIT
            S: 221",
        delivered: &[],
    },
    Dialogue {
        name: "RFC 3207 5: STARTTLS",
        people: &["bob@foo.com"],
        script: "C: EHLO client.example.com
            S: 250-
            HELLO
            C: STARTTLS
            S: 220
            S! secured
            C: EHLO client.example.com
            S: 250-
            S: 250-PIPELINING
            S: 250-SIZE
            S: 250-8BITMIME
            S: 250-SMTPUTF8
            S: 250-ENHANCEDSTATUSCODES
            S: 250-CHUNKING
            S: 250-DSN
            S: 250 LIMITS",
        delivered: &[],
    },
    Dialogue {
        name: "RFC 1870 8: sizes announced",
        people: &["ned@innosoft.com", "full@hmcvax.claremont.edu"],
        script: "C: EHLO ymir.claremont.edu
            S: 250-
            HELLO
            C: MAIL FROM:<ned@thor.innosoft.com> SIZE=4000
            S: 250
            C: RCPT TO:<ned@innosoft.com>
            S: 250
            C: RCPT TO:<ned@ymir.claremont.edu>
            S: 550
            C: RCPT TO:<full@hmcvax.claremont.edu>
            S: 452
            C: DATA
            S: 354
            C: ...
            C: .
            S: 250
            C: QUIT
            S: 221",
        delivered: &[1],
    },
    Dialogue {
        name: "RFC 1870 6.1: too large from the start",
        people: &["ned@innosoft.com"],
        script: "C: EHLO ymir.claremont.edu
            S: 250-
            HELLO
            C: MAIL FROM:<ned@thor.innosoft.com> SIZE=1000000
            S: 552 5.3.4
            C: QUIT
            S: 221",
        delivered: &[],
    },
    Dialogue {
        name: "RFC 6152 4: eight bits",
        people: &["mrose@dbc.mtview.ca.us"],
        script: "C: EHLO dbc.mtview.ca.us
            S: 250-
            HELLO
            C: MAIL FROM:<ned@ymir.claremont.edu> BODY=8BITMIME
            S: 250
            C: RCPT TO:<mrose@dbc.mtview.ca.us>
            S: 250
            C: DATA
            S: 354
            C: Grüße
            C: .
            S: 250
            C: QUIT
            S: 221",
        delivered: &[1],
    },
    Dialogue {
        name: "RFC 6531 3.4: addresses beyond ASCII",
        people: &["用户@例子.广告", "bob@foo.com"],
        script: "C: EHLO client.example
            S: 250-
            HELLO
            C: MAIL FROM:<pelé@exämple.test>
            S: 553 5.6.7
            C: MAIL FROM:<pelé@exämple.test> BODY=8BITMIME SMTPUTF8
            S: 250
            C: RCPT TO:<用户@例子.广告>
            S: 250
            C: DATA
            S: 354
            C: .
            S: 250
            C: MAIL FROM:<a@b.test>
            S: 250
            C: RCPT TO:<用户@例子.广告>
            S: 553 5.6.7",
        delivered: &[1],
    },
    Dialogue {
        name: "RFC 2034 8: enhanced codes",
        people: &["ned@innosoft.com"],
        script: "C: EHLO dbc.mtview.ca.us
            S: 250-
            HELLO
            C: MAIL FROM:<mrose@dbc.mtview.ca.us>
            S: 250 2.1.0
            C: RCPT TO:<ned@innosoft.com>
            S: 250 2.1.5
            C: RCPT TO:<nosuchuser@innosoft.com>
            S: 550 5.1.1
            C: RCPT TO:<remoteuser@isi.edu>
            S: 550 5.7.1
            C: DATA
            S: 354
            C: ...
            C: .
            S: 250 2.0.0
            C: QUIT
            S: 221 2.0.0",
        delivered: &[1],
    },
    Dialogue {
        name: "RFC 3461 10.1 and 10.2: notifications asked for",
        people: &["Bob@Example.COM", "Dana@Example.COM", "Fred@Example.COM"],
        script: "C: EHLO Example.ORG
            S: 250-
            HELLO
            C: MAIL FROM:<Alice@Example.ORG> RET=HDRS ENVID=QQ314159
            S: 250
            C: RCPT TO:<Bob@Example.COM> NOTIFY=SUCCESS ORCPT=rfc822;Bob@Example.COM
            S: 250
            C: RCPT TO:<Carol@Ivory.EDU> NOTIFY=FAILURE ORCPT=rfc822;Carol@Ivory.EDU
            S: 550 5.7.1
            C: RCPT TO:<Dana@Example.COM> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Dana@Ivory.EDU
            S: 250
            C: RCPT TO:<Eric@Example.COM> NOTIFY=FAILURE ORCPT=rfc822;Eric@Bombs.AF.MIL
            S: 550 5.1.1
            C: RCPT TO:<Fred@Example.COM> NOTIFY=NEVER
            S: 250
            C: DATA
            S: 354
            C: .
            S: 250
            C: QUIT
            S: 221",
        delivered: &[3],
    },
    Dialogue {
        name: "RFC 9422 3: limits told",
        people: &["bob@foo.com"],
        script: "C: EHLO client.example
            S: 250-
            S: 250-PIPELINING
            S: 250-SIZE 4000
            S: 250-8BITMIME
            S: 250-SMTPUTF8
            S: 250-ENHANCEDSTATUSCODES
            S: 250-CHUNKING
            S: 250-DSN
            S: 250-LIMITS MAILMAX=1000 RCPTMAX=1000
            S: 250 STARTTLS",
        delivered: &[],
    },
];

#[test]
fn the_dialogues_of_the_rfcs() {
    for dialogue in DIALOGUES {
        let mut table = Table::of(dialogue.people);
        for (who, destination) in &mut table.people {
            if who.starts_with("full@") {
                *destination = crate::smtp::Destination::OverQuota;
            }
        }
        let mut talk = Talk::new(setting(), table);
        let script = dialogue.script.replace("HELLO", HELLO.trim());
        run(&mut talk, &script);
        let delivered: Vec<usize> =
            talk.machine.received.iter().map(|arrived| arrived.recipients.len()).collect();
        assert_eq!(delivered, dialogue.delivered, "{}", dialogue.name);
    }
    println!("{} example dialogues of SMTP's RFCs held", DIALOGUES.len());
}
