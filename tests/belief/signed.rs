//! DKIM and ARC: the examples of the RFCs, and what may be wrong with a signature.

use super::names::Names;
use super::{AUTUMN, KEY, arrival, evidence, seal, seal_saying, sign, sign_by_hand};
use crate::net::authenticate::{Arrival, Examiner};
use crate::policy::{Evidence, Finding};

/// RFC 6376 appendix C; A.2 and A.3 with errata 3192 (one space in "game. Are") and 4926.
const RFC6376_KEY: &str = "brisbane._domainkey.example.com TXT v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUA\
    A4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBI\
    tLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QID\
    AQAB";
const RFC6376: &str = "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
        4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
        KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
        4bmp/YzhwvcubU4=;
Received: from client1.football.example.com  [192.0.2.1]
      by submitserver.example.com with SUBMISSION;
      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game. Are you hungry yet?

Joe.
";

/// RFC 8463 appendix A.
const RFC8463_KEYS: &str = "
    brisbane._domainkey.football.example.com TXT v=DKIM1; k=ed25519; \
    p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
    test._domainkey.football.example.com TXT v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQK\
    BgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e\
    /8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";
const RFC8463: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
";

const LETTER: &str = "From: joe@far.test\r\nSubject: hello\r\n\r\ntext\r\n";

fn crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}

fn found(evidence: &Evidence) -> Vec<(&'static str, String)> {
    evidence.dkim.iter().map(|dkim| (dkim.finding.name(), dkim.why.clone())).collect()
}

/// What is found of each signature of a message.
async fn check(zone: &str, message: &str) -> Vec<(&'static str, String)> {
    found(&evidence(zone, message).await)
}

#[tokio::test]
async fn the_examples_of_the_rfcs_are_right_and_a_changed_letter_is_not() {
    let (zone, message) = (RFC6376_KEY, crlf(RFC6376));
    assert_eq!(check(zone, &message).await, [("pass", String::new())]);
    let fail = |why: &str| ("fail", why.to_string());
    let changed = message.replace("hungry", "angry");
    assert_eq!(check(zone, &changed).await, [fail("the text was changed")]);
    let changed = message.replace("Is dinner", "Was dinner");
    assert_eq!(check(zone, &changed).await, [fail("it is not right")]);

    let (zone, message) = (RFC8463_KEYS, crlf(RFC8463));
    let both = [("pass", String::new()), ("pass", String::new())];
    assert_eq!(check(zone, &message).await, both);
    let evidence = evidence(zone, &message).await;
    let [first, second] = &evidence.dkim[..] else { panic!("{evidence:?}") };
    assert_eq!((first.algorithm, first.selector.as_str()), ("ed25519-sha256", "brisbane"));
    assert_eq!((second.algorithm, second.begins.as_str()), ("rsa-sha256", "F45dVWDf"));
    let changed = message.replace("Joe.\r\n", "Jim.\r\n");
    assert_eq!(
        check(zone, &changed).await,
        [fail("the text was changed"), fail("the text was changed")]
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_named() {
    let at = "s._domainkey.far.test";
    let perm = |why| ("permerror", why);
    let table: Vec<(String, (&str, &str))> = vec![
        (format!("{at} TXT {KEY}"), ("pass", "")),
        (
            format!("{at} TXT k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=; x=y"),
            ("pass", ""),
        ),
        (format!("{at} TXT {KEY}; s=*:other; h=sha1:sha256"), ("pass", "")),
        (format!("{at} TXT {KEY}\n{at} TXT noise"), ("pass", "")),
        ("other.test TXT x".to_string(), perm("its key is not published")),
        (format!("{at} A 192.0.2.1"), perm("its key is not published")),
        (format!("{at} TXT v=DKIM1; k=ed25519; p="), perm("its key was taken back")),
        (format!("{at} TXT v=DKIM1; k=ed25519; p=!!!"), perm("its key record is no key")),
        (format!("{at} TXT v=DKIM2; k=ed25519; p=AAAA"), perm("its key record is no key")),
        (format!("{at} TXT v=spf1 -all"), perm("its key record is no key")),
        (format!("{at} TXT {KEY}; s=other"), perm("its key is not for mail")),
        (format!("{at} TXT {KEY}; h=sha1"), perm("its key is for another hash")),
        (format!("{at} SERVFAIL"), ("temperror", "")),
        (format!("{at} GARBAGE"), ("temperror", "")),
        (format!("{at} LIE"), ("temperror", "")),
        (format!("{at} SILENT"), ("temperror", "")),
        (format!("{at} CNAME loop.test\nloop.test CNAME {at}"), ("temperror", "")),
    ];
    let message = sign("far.test", "s", LETTER);
    for (zone, (finding, why)) in table {
        let found = check(&zone, &message).await;
        let [(name, words)] = &found[..] else { panic!("{zone}: {found:?}") };
        // A chain of names that leads nowhere may also be called a key that is not there.
        let looped = zone.contains("loop") && *name == "permerror";
        assert!(*name == finding || looped, "{zone}: {found:?}");
        assert!(why.is_empty() || words == why, "{zone}: {found:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_signature_is_named() {
    let zone = format!("s._domainkey.far.test TXT {KEY}");
    let good = sign("far.test", "s", LETTER);
    let table = [
        ("", "", "pass", ""),
        ("v=1", "v=2", "neutral", "Unsupported version in DKIM Signature"),
        ("v=1; ", "", "neutral", "it has no version"),
        ("ed25519-sha256", "rot13", "neutral", "Unsupported algorithm in DKIM Signature"),
        ("ed25519-sha256", "rsa-sha1", "permerror", "SHA-1 is too weak to count"),
        ("h=Subject:From", "h=Subject", "permerror", "the author is not signed"),
        ("s=s;", "", "neutral", "it cannot be read"),
        ("bh=", "l=4; bh=", "policy", "only a part is signed (l=)"),
        ("d=far.test;", "d=far.test; i=joe@near.test;", "fail", "it speaks for another domain"),
        ("d=far.test;", "d=far.test; x=1;", "fail", "it is too old"),
    ];
    for (from, to, finding, why) in table {
        let message = if from.is_empty() { good.clone() } else { good.replacen(from, to, 1) };
        assert!(from.is_empty() || message != good, "{from} is not in {good}");
        let found = check(&zone, &message).await;
        assert_eq!(found, [(finding, why.to_string())], "{from} -> {to}: {message}");
    }
}

#[tokio::test]
async fn what_is_put_on_top_of_a_signed_field_is_not_signed() {
    let zone = format!("s._domainkey.far.test TXT {KEY}");
    let good = sign("far.test", "s", LETTER);
    for (field, finding) in [
        ("X-Note: none", "pass"),
        ("To: alice@office.test", "pass"),
        // It is not signed here: anybody may have put it there, once or more often.
        ("Reply-To: eve@evil.test\r\nReply-To: eve@evil.test", "pass"),
        ("Subject: your invoice", "policy"),
        ("subject : your invoice", "policy"),
        ("From: boss@far.test", "policy"),
    ] {
        let (name, why) = check(&zone, &format!("{field}\r\n{good}")).await.remove(0);
        assert_eq!(name, finding, "{field}: {why}");
    }
    let (_, why) = check(&zone, &format!("Subject: your invoice\r\n{good}")).await.remove(0);
    assert_eq!(why, "it signs one Subject, and there are more");
}

#[tokio::test]
async fn age_is_not_judged_by_a_clock_that_was_never_set() {
    let names = Names::start(&format!("s._domainkey.far.test TXT {KEY}")).await;
    let examiner = Examiner::new(names.resolver(), Vec::new());
    let found = async |tags: &str, now| {
        let message = sign_by_hand(tags);
        let asked = Arrival { now, ..arrival(&message) };
        examiner.examine(&asked).await.dkim[0].finding
    };
    assert_eq!(found("", AUTUMN).await, Finding::Pass);
    assert_eq!(found(&format!("x={}; ", AUTUMN + 60), AUTUMN).await, Finding::Pass);
    assert_eq!(found(&format!("x={}; ", AUTUMN - 60), AUTUMN).await, Finding::Fail);
    // A board that woke up in 1970 with a clock that runs knows nothing of it.
    assert_eq!(found("x=1; ", 86_400).await, Finding::Pass);
    assert_eq!(found("t=2; x=1; ", 86_400).await, Finding::Fail, "whatever the clock says");
}

#[tokio::test]
async fn of_many_signatures_the_authors_own_is_looked_at() {
    let mut message = sign("far.test", "s", LETTER);
    for number in 0..50 {
        message = sign(&format!("n{number}.test"), "s", &message);
    }
    let names = Names::start(&format!("s._domainkey.far.test TXT {KEY}")).await;
    let examiner = Examiner::new(names.resolver(), Vec::new());
    let evidence = examiner.examine(&arrival(&message)).await;
    assert_eq!(evidence.dkim.len(), crate::limits::DKIM_CHECKED);
    assert_eq!(evidence.more_signatures, 51 - crate::limits::DKIM_CHECKED);
    let own = evidence.dkim.iter().find(|dkim| dkim.domain == "far.test").expect("looked at");
    assert_eq!(own.finding, Finding::Pass);
    let keys = names.asked().iter().filter(|name| name.contains("_domainkey")).count();
    assert!(keys <= 2 * crate::limits::DKIM_CHECKED, "{keys} questions");
}

#[tokio::test]
async fn a_large_message_is_checked_too() {
    let letter = format!("{LETTER}{}", "more text\r\n".repeat(50_000));
    assert!(letter.len() > crate::limits::PREPARE_INLINE_BYTES);
    let zone = format!("s._domainkey.far.test TXT {KEY}");
    let message = sign("far.test", "s", &letter);
    assert_eq!(check(&zone, &message).await, [("pass", String::new())]);
}

#[tokio::test]
async fn a_chain_is_right_until_somebody_changes_the_message() {
    let zone = format!(
        "s._domainkey.far.test TXT {KEY}\nk._domainkey.first.test TXT {KEY}\n\
         k._domainkey.lists.test TXT {KEY}"
    );
    let once = seal("first.test", "k", &sign("far.test", "s", LETTER)).await;
    let twice = seal("lists.test", "k", &once).await;
    let arc = evidence(&zone, &twice).await.arc;
    assert_eq!((arc.finding, arc.why.as_str()), (Finding::Pass, ""));
    assert_eq!(arc.sealers, ["first.test", "lists.test"]);
    for (from, to, finding) in [
        ("text\r\n", "advertisement\r\n", Finding::Fail),
        ("Subject: hello", "Subject: buy", Finding::Fail),
        ("cv=pass", "cv=fail", Finding::Fail),
        ("i=2; a=", "i=3; a=", Finding::Fail),
        ("ARC-Seal:", "X-Seal:", Finding::Fail),
    ] {
        let changed = twice.replacen(from, to, 1);
        assert_ne!(changed, twice, "{from}");
        assert_eq!(evidence(&zone, &changed).await.arc.finding, finding, "{from} -> {to}");
    }
    assert_eq!(arc.proven, None, "nobody says that the author was proven");
    let saw = "lists.test; dmarc=pass header.from=far.test";
    let vouched = seal_saying("lists.test", "k", &once, saw).await;
    assert_eq!(evidence(&zone, &vouched).await.arc.proven.as_deref(), Some("far.test"));
    let forged = vouched.replacen("header.from=far.test", "header.from=bank.test", 1);
    let arc = evidence(&zone, &forged).await.arc;
    assert_eq!((arc.finding, arc.proven), (Finding::Fail, None));
    // What an earlier hop says is not what the last one says.
    let first = seal_saying("first.test", "k", &sign("far.test", "s", LETTER), saw).await;
    let later = seal("lists.test", "k", &first).await;
    let arc = evidence(&zone, &later).await.arc;
    assert_eq!((arc.finding, arc.proven), (Finding::Pass, None));
    let lost = zone.replace("k._domainkey.lists.test TXT", "k._domainkey.lists.test SERVFAIL");
    assert_eq!(evidence(&lost, &twice).await.arc.finding, Finding::TempError);
    assert_eq!(evidence(&zone, LETTER).await.arc.finding, Finding::None);
    let mut long = LETTER.to_string();
    for _ in 0..=crate::limits::ARC_LINKS {
        long = format!("ARC-Seal: i=1; a=rsa-sha256; cv=none; d=a.test; s=s; b=AAAA\r\n{long}");
    }
    assert_eq!(evidence(&zone, &long).await.arc.finding, Finding::Policy);
}
