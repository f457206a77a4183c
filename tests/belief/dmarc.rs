//! DMARC as one table: records, authors, what proves them, what is found, and what becomes of it.

use super::names::Names;
use super::{KEY, arrival, examiner, sign};
use crate::net::authenticate::Arrival;
use crate::policy::judge::{Override, Rules, judge};
use crate::wire::dmarc::{Record, organization, walk};

/// Everybody's keys and SPF records: `pass.` domains let 192.0.2.7 send, all others do not.
const WORLD: &str = "
    pass.far.test TXT v=spf1 ip4:192.0.2.7 -all
    pass.near.test TXT v=spf1 ip4:192.0.2.7 -all
    fail.far.test TXT v=spf1 -all
    unsure.far.test SERVFAIL
    far.test A 192.0.2.1
    sub.far.test A 192.0.2.1
    s._domainkey.near.test TXT {key}
    s._domainkey.far.test TXT {key}
    s._domainkey.sub.far.test TXT {key}
    lost._domainkey.far.test SERVFAIL
";

/// record of far.test | author | envelope | signed by | -> dmarc, wish | -> verdict, reason,
/// override
///
/// Envelopes: near and far may send, fail may not, of unsure nobody can say. The key of lost cannot
/// be fetched. `-` is nobody, or nothing.
const TABLE: &str = "
    - | far.test | fail | - | none none | junk suspicious -
    - | far.test | far | - | none none | accept ordinary -
    p=none | far.test | near | - | fail none | accept ordinary -
    p=quarantine | far.test | near | - | fail quarantine | junk dmarc-quarantine -
    p=reject | far.test | near | - | fail reject | refuse dmarc-reject -
    p=reject | far.test | far | - | pass reject | accept proven-author -
    p=reject | far.test | fail | - | fail reject | refuse dmarc-reject -
    p=reject | far.test | - | far.test | pass reject | accept proven-author -
    p=reject | far.test | fail | far.test | pass reject | accept proven-author -
    p=reject | far.test | near | near.test | fail reject | refuse dmarc-reject -
    p=reject | far.test | near | sub.far.test | pass reject | accept proven-author -
    p=reject; adkim=s | far.test | near | sub.far.test | fail reject | refuse dmarc-reject -
    p=reject; adkim=s | far.test | near | far.test | pass reject | accept proven-author -
    p=reject; aspf=s | far.test | far | - | fail reject | refuse dmarc-reject -
    p=reject; aspf=s | pass.far.test | far | - | pass reject | accept proven-author -
    p=reject | sub.far.test | near | - | fail reject | refuse dmarc-reject -
    p=reject; sp=none | sub.far.test | near | - | fail none | accept ordinary -
    p=none; sp=quarantine | sub.far.test | near | - | fail quarantine | junk dmarc-quarantine -
    p=none; np=reject | gone.far.test | near | - | fail reject | refuse dmarc-reject -
    p=none; np=reject | sub.far.test | near | - | fail none | accept ordinary -
    p=reject; t=y | far.test | near | - | fail reject | junk dmarc-quarantine policy-test-mode
    p=quarantine; t=y | far.test | near | - | fail quarantine | accept ordinary policy-test-mode
    p=reject; pct=0 | far.test | near | - | fail reject | junk dmarc-quarantine policy-test-mode
    p=reject; pct=20 | far.test | near | - | fail reject | refuse dmarc-reject -
    p=reject | far.test | unsure | - | temperror reject | junk suspicious -
    p=reject | far.test | near | lost | temperror reject | junk suspicious -
    p=none | far.test | near | lost | temperror none | accept ordinary -
    SERVFAIL | far.test | near | - | temperror none | accept ordinary -
    GARBAGE | far.test | near | - | temperror none | accept ordinary -
    LIE | far.test | near | - | temperror none | accept ordinary -
    SERVFAIL | far.test | near | far.test | temperror none | accept ordinary -
    p=reject | near.test, joe@far.test | near | - | fail reject | refuse dmarc-reject -
    p=quarantine | near.test, joe@far.test | near | - | fail quarantine | junk dmarc-quarantine -
    p=none | near.test, joe@far.test | near | - | fail none | junk suspicious -
    - | near.test, joe@far.test | near | near.test | none none | junk suspicious -
    p=reject | near.test, joe@far.test | near | far.test | none none | junk suspicious -
    p=reject | far.test, joe@far.test | near | - | fail reject | refuse dmarc-reject -
    p=reject | far.test, joe@far.test | near | far.test | pass reject | accept proven-author -
    p=reject | far.test, joe@near..test | near | far.test | none none | junk suspicious -
    p=reject | far.test, joe@near..test | near | - | fail reject | refuse dmarc-reject -
    p=reject | a, b: joe@far.test, c; | near | far.test | none none | junk suspicious -
";

#[tokio::test]
async fn the_table_holds() {
    let mut rows = 0;
    for row in TABLE.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [record, author, envelope, signed, finding, verdict] = cells[..] else {
            panic!("{row}")
        };
        let record = match record {
            "-" => String::new(),
            "SERVFAIL" | "GARBAGE" | "LIE" => format!("_dmarc.far.test {record}"),
            record => format!("_dmarc.far.test TXT v=DMARC1; {record}"),
        };
        let names = Names::start(&format!("{}{record}\n", WORLD.replace("{key}", KEY))).await;
        let letter = format!("From: joe@{author}\r\nSubject: hello\r\n\r\ntext\r\n");
        let message = match signed {
            "-" => letter,
            "lost" => sign("far.test", "lost", &letter),
            domain => sign(domain, "s", &letter),
        };
        let sender = match envelope {
            "-" => None,
            "near" => Some("joe@pass.near.test"),
            "far" => Some("joe@pass.far.test"),
            "fail" => Some("joe@fail.far.test"),
            "unsure" => Some("joe@unsure.far.test"),
            _ => panic!("{row}"),
        };
        let sender = sender.map(|sender| sender.parse().expect("an address"));
        let asked = Arrival { sender, ..arrival(&message) };
        let mut evidence = examiner(&names, &record).examine(&asked).await;
        // What else could speak against it is not what this table is about.
        evidence.iprev.finding = crate::policy::Finding::Pass;
        let dmarc = &evidence.dmarc;
        let found = format!("{} {}", dmarc.finding.name(), dmarc.wish.name());
        assert_eq!(found, finding, "{row}: {dmarc:?}");
        let judgement = judge(&evidence, &Rules::default());
        let overridden = judgement.overridden.map(Override::name).unwrap_or("-");
        let (said, reason) = (judgement.verdict.name(), judgement.reason.name());
        assert_eq!(format!("{said} {reason} {overridden}"), verdict, "{row}");
        rows += 1;
    }
    assert_eq!(rows, 41);
}

/// The wish of each text for the domain itself and for one below it; `-`: none of it applies.
#[test]
fn a_fault_in_a_record_costs_only_what_is_wrong() {
    let table = [
        ("v=DMARC1; p=reject", "reject reject"),
        (" v = DMARC1 ;p=reject;", "reject reject"),
        ("v=DMARC1;P=Reject; SP=none", "reject none"),
        ("v=DMARC1; sp=none; p=reject", "reject none"),
        ("v=DMARC1; p=reject; adkim=x; aspf=yes; pct=many; fo=;;;", "reject reject"),
        ("v=DMARC1; p=reject; sp=noone", "reject reject"),
        ("v=DMARC1; p=reject; p=none", "reject reject"),
        ("v=DMARC1; p=refuse; rua=mailto:a@b.test", "none none"),
        ("v=DMARC1; p=refuse", "-"),
        ("v=DMARC1; p=", "-"),
        ("v=DMARC1", "-"),
        ("v=DMARC1; rua=mailto:a@b.test", "none none"),
        ("v=DMARC1 p=reject", "no record"),
        ("v=dmarc1; p=reject", "no record"),
        ("v=DMARC2; p=reject", "no record"),
        ("p=reject; v=DMARC1", "no record"),
        ("v=spf1 -all", "no record"),
        ("", "no record"),
        ("\u{fffd}v=DMARC1; p=reject", "no record"),
    ];
    for (text, wanted) in table {
        let wish = |record: &Record, own| {
            record.wish(own, true).map(|policy| format!("{policy:?}").to_lowercase())
        };
        let found = match Record::parse(text.as_bytes()) {
            None => "no record".to_string(),
            Some(record) => match (wish(&record, true), wish(&record, false)) {
                (Some(own), Some(below)) => format!("{own} {below}"),
                _ => "-".to_string(),
            },
        };
        assert_eq!(found, wanted, "{text:?}");
    }
}

#[test]
fn the_walk_goes_up_in_eight_steps_and_finds_the_organization() {
    assert_eq!(walk("a.mail.far.test"), ["a.mail.far.test", "mail.far.test", "far.test", "test"]);
    let long = walk("a.b.c.d.e.f.g.h.i.j.mail.far.test");
    assert_eq!((long.len(), long[1]), (8, "g.h.i.j.mail.far.test"));
    assert_eq!(walk("test"), ["test"]);
    let record =
        |text: &str| Record::parse(format!("v=DMARC1; p=none; {text}").as_bytes()).unwrap();
    let org = |found: &[(&'static str, &str)]| {
        let found: Vec<_> = found.iter().map(|(name, text)| (*name, record(text))).collect();
        organization("a.mail.far.test", &found).to_string()
    };
    assert_eq!(org(&[]), "a.mail.far.test");
    assert_eq!(org(&[("mail.far.test", ""), ("far.test", "")]), "far.test");
    assert_eq!(org(&[("mail.far.test", "psd=n")]), "mail.far.test");
    assert_eq!(org(&[("far.test", ""), ("test", "psd=y")]), "far.test");
    assert_eq!(org(&[("test", "psd=y")]), "far.test");
    assert_eq!(org(&[("a.mail.far.test", "psd=y")]), "a.mail.far.test");
}

#[tokio::test]
async fn two_records_at_one_name_are_none() {
    let zone = "_dmarc.far.test TXT v=DMARC1; p=reject\n_dmarc.far.test TXT v=DMARC1; p=none";
    let evidence = super::evidence(zone, "From: joe@far.test\r\n\r\nx\r\n").await;
    assert_eq!(evidence.dmarc.finding, crate::policy::Finding::None);
    let zone = "_dmarc.far.test TXT v=DMARC1; p=reject\n_dmarc.far.test TXT v=spf1 -all";
    let evidence = super::evidence(zone, "From: joe@far.test\r\n\r\nx\r\n").await;
    assert_eq!(evidence.dmarc.finding, crate::policy::Finding::Fail);
}
