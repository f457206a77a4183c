//! The verdict as a table: one row for each way out of `judge`, and what tips it over.

use crate::policy::judge::{Judgement, OnDmarc, Override, Rules, Verdict, judge};
use crate::policy::{
    Arc, Claims, Clock, Dkim, Dmarc, Evidence, Finding, Identity, Iprev, Listed, Spf, Wish,
    results, words,
};
use crate::wire::address::Address;
use crate::wire::party::Party;
use proptest::prelude::*;

const MESSAGE: &[u8] = b"From: Joe <joe@far.test>\r\nSubject: hello\r\n\r\ntext\r\n";

fn spf(identity: Identity, domain: &str, finding: Finding) -> Spf {
    Spf { identity, domain: domain.to_string(), finding, why: String::new() }
}

fn dkim(domain: &str, finding: Finding) -> Dkim {
    Dkim { domain: domain.to_string(), finding, ..Dkim::default() }
}

/// Mail of a careful sender without DMARC, whom the recipient does not know.
fn ordinary() -> Evidence {
    let mut evidence =
        Evidence::new("192.0.2.7".parse().unwrap(), "mx.far.test", Claims::of(MESSAGE));
    evidence.sender = Address::parse("joe@far.test").ok();
    evidence.iprev = Iprev { finding: Finding::Pass, name: "mx.far.test".to_string() };
    evidence.spf = vec![
        spf(Identity::Helo, "mx.far.test", Finding::Pass),
        spf(Identity::Mail, "far.test", Finding::Pass),
    ];
    evidence.dmarc = Dmarc { domain: "far.test".to_string(), ..Dmarc::default() };
    evidence
}

fn unproven(wish: Wish) -> Evidence {
    let mut evidence = ordinary();
    evidence.dmarc = Dmarc { finding: Finding::Fail, wish, ..evidence.dmarc };
    evidence
}

fn proven() -> Evidence {
    let mut evidence = ordinary();
    evidence.dmarc =
        Dmarc { finding: Finding::Pass, wish: Wish::Reject, by: "SPF", ..evidence.dmarc };
    evidence
}

fn listed(mut evidence: Evidence) -> Evidence {
    evidence.listed = vec![Listed { zone: "bl.test".to_string(), code: [127, 0, 0, 2].into() }];
    evidence
}

fn with(mut evidence: Evidence, change: impl FnOnce(&mut Evidence)) -> Evidence {
    change(&mut evidence);
    evidence
}

fn short(judgement: &Judgement) -> String {
    let overridden = judgement.overridden.map(Override::name).unwrap_or("-");
    format!("{} {} {overridden}", judgement.verdict.name(), judgement.reason.name())
}

fn party(text: &str) -> Vec<Party> {
    vec![Party::parse(text).expect("an address or a domain")]
}

/// What speaks for and against a message, the owner's rules, and verdict, reason and override.
type Row = (&'static str, Evidence, Rules, &'static str);

fn hold(table: Vec<Row>) {
    for (what, evidence, rules, wanted) in table {
        assert_eq!(short(&judge(&evidence, &rules)), wanted, "{what}");
    }
}

fn spf_is(finding: Finding) -> Evidence {
    with(ordinary(), |e| e.spf[1].finding = finding)
}

fn known(evidence: Evidence) -> Evidence {
    with(evidence, |e| e.known = true)
}

#[test]
fn each_way_out_has_its_name() {
    let usual = Rules::default;
    let deny = || Rules { deny: party("far.test"), ..usual() };
    let allow = || Rules { allow: party("joe@far.test"), ..usual() };
    let strict = || Rules { refuse_listed: true, ..usual() };
    hold(vec![
        ("nothing speaks against it", ordinary(), usual(), "accept ordinary -"),
        (
            "not even a name server",
            with(ordinary(), |e| {
                e.iprev.finding = Finding::TempError;
                e.spf.iter_mut().for_each(|spf| spf.finding = Finding::TempError);
                e.dkim = vec![dkim("far.test", Finding::TempError)];
                e.dmarc.finding = Finding::TempError;
            }),
            usual(),
            "accept ordinary -",
        ),
        ("proven", proven(), usual(), "accept proven-author -"),
        ("proven and known", known(proven()), usual(), "accept known-author -"),
        (
            "the checks broke off",
            with(listed(unproven(Wish::Reject)), |e| {
                e.fault = Some("a panic".to_string());
            }),
            strict(),
            "accept not-checked -",
        ),
        ("denied", proven(), deny(), "refuse deny-list -"),
        ("allowed", listed(ordinary()), allow(), "accept allow-list -"),
        (
            "allowed though not proven",
            unproven(Wish::Reject),
            allow(),
            "accept allow-list allow-list",
        ),
        ("on a blocklist", listed(ordinary()), usual(), "junk blocklist -"),
        ("on a blocklist, proven", listed(proven()), usual(), "junk blocklist -"),
        (
            "on a blocklist, known and proven",
            listed(known(proven())),
            usual(),
            "accept known-author -",
        ),
        ("on a blocklist, known by name", listed(known(ordinary())), usual(), "junk blocklist -"),
        ("on a blocklist, strict", listed(ordinary()), strict(), "refuse blocklist -"),
    ]);
}

#[test]
fn small_signs_count_together_and_a_first_contact_only_beside_them() {
    let usual = Rules::default;
    let grey = || Rules { greylist: true, ..usual() };
    hold(vec![
        ("SPF fails, unknown", spf_is(Finding::Fail), usual(), "junk suspicious -"),
        ("SPF fails, known", known(spf_is(Finding::Fail)), usual(), "accept ordinary -"),
        ("SPF soft", spf_is(Finding::SoftFail), usual(), "accept ordinary -"),
        ("SPF broken", spf_is(Finding::PermError), usual(), "accept ordinary -"),
        (
            "SPF fails, DKIM proves",
            with(proven(), |e| e.spf[1].finding = Finding::Fail),
            usual(),
            "accept proven-author -",
        ),
        (
            "no name, odd HELO, unknown",
            with(ordinary(), |e| {
                e.iprev = Iprev { finding: Finding::PermError, name: String::new() };
                e.helo = "localhost".to_string();
            }),
            usual(),
            "junk suspicious -",
        ),
        (
            "no name alone",
            with(ordinary(), |e| e.iprev.finding = Finding::Fail),
            usual(),
            "accept ordinary -",
        ),
        (
            "broken signature alone",
            with(ordinary(), |e| e.dkim = vec![dkim("far.test", Finding::Fail)]),
            usual(),
            "accept ordinary -",
        ),
        (
            "no author",
            with(ordinary(), |e| e.claims = Claims::of(b"Subject: x\r\n\r\n")),
            usual(),
            "junk suspicious -",
        ),
        (
            "two From fields",
            with(ordinary(), |e| {
                e.claims = Claims::of(b"From: a@a.test\r\nFrom: b@b.test\r\n\r\n");
            }),
            usual(),
            "junk suspicious -",
        ),
        ("greylisted", spf_is(Finding::Fail), grey(), "later greylist -"),
        (
            "greylisted, came again",
            with(spf_is(Finding::Fail), |e| e.waited = true),
            grey(),
            "junk suspicious -",
        ),
        ("greylisting and ordinary mail", ordinary(), grey(), "accept ordinary -"),
    ]);
}

#[test]
fn whose_author_is_not_clear_is_put_aside() {
    let usual = Rules::default;
    hold(vec![
        (
            "two From fields of one who is known",
            known(with(ordinary(), |e| {
                e.claims = Claims::of(b"From: joe@far.test\r\nFrom: joe@far.test\r\n\r\n");
            })),
            usual(),
            "junk suspicious -",
        ),
        (
            "authors of several domains",
            with(ordinary(), |e| e.claims = Claims::of(b"From: a@a.test, b@b.test\r\n\r\n")),
            usual(),
            "junk suspicious -",
        ),
        (
            "an author beside something that cannot be read",
            with(ordinary(), |e| e.claims = Claims::of(b"From: a@a..test, b@b.test\r\n\r\n")),
            usual(),
            "junk suspicious -",
        ),
        (
            "a domain that asks for proof, and nobody can say",
            with(unproven(Wish::Reject), |e| e.dmarc.finding = Finding::TempError),
            usual(),
            "junk suspicious -",
        ),
        (
            "the same of an author who is known",
            known(with(unproven(Wish::Reject), |e| e.dmarc.finding = Finding::TempError)),
            usual(),
            "accept ordinary -",
        ),
    ]);
}

/// What the domain asks for, and what is done: policy, test mode, list, chain, settings.
#[test]
fn a_domains_wish_is_followed_and_each_override_named() {
    let chain = |by: &str| Arc {
        finding: Finding::Pass,
        sealers: vec!["first.test".to_string(), by.to_string()],
        proven: Some("far.test".to_string()),
        why: String::new(),
    };
    let list = |e: &mut Evidence| {
        e.claims.list = true;
        e.dkim = vec![dkim("lists.test", Finding::Pass)];
    };
    let testing = |e: &mut Evidence| e.dmarc.testing = true;
    let nothing = |_: &mut Evidence| {};
    let from_list = |e: &mut Evidence| e.claims.list = true;
    let unproven_list = |e: &mut Evidence| {
        e.claims.list = true;
        e.spf.clear();
    };
    let sealed = |e: &mut Evidence| e.arc = chain("lists.test");
    let sealed_below = |e: &mut Evidence| e.arc = chain("a.lists.test");
    let sealed_by_another = |e: &mut Evidence| e.arc = chain("evillists.test");
    let broken_seal = |e: &mut Evidence| {
        e.arc = Arc { finding: Finding::Fail, ..chain("lists.test") };
    };
    // Whoever is trusted, and says that it was not proven there either.
    let sealed_as_found = |e: &mut Evidence| e.arc = Arc { proven: None, ..chain("lists.test") };
    let sealed_for_another = |e: &mut Evidence| {
        e.arc = Arc { proven: Some("evil.test".to_string()), ..chain("lists.test") };
    };
    let sealed_without_name = |e: &mut Evidence| {
        e.arc = Arc { proven: Some(String::new()), ..chain("lists.test") };
    };
    let rules =
        |dmarc| Rules { dmarc, forwarders: vec!["lists.test".to_string()], ..Rules::default() };
    let (honour, junk, report) = (OnDmarc::Honour, OnDmarc::Junk, OnDmarc::Report);
    type Change<'a> = &'a dyn Fn(&mut Evidence);
    let table: Vec<(Wish, Change, OnDmarc, &str)> = vec![
        (Wish::None, &nothing, honour, "accept ordinary -"),
        (Wish::Quarantine, &nothing, honour, "junk dmarc-quarantine -"),
        (Wish::Reject, &nothing, honour, "refuse dmarc-reject -"),
        (Wish::Quarantine, &testing, honour, "accept ordinary policy-test-mode"),
        (Wish::Reject, &testing, honour, "junk dmarc-quarantine policy-test-mode"),
        (Wish::Quarantine, &list, honour, "junk dmarc-quarantine -"),
        (Wish::Reject, &list, honour, "junk dmarc-reject mailing-list"),
        (Wish::Reject, &from_list, honour, "junk dmarc-reject mailing-list"),
        (Wish::Reject, &unproven_list, honour, "refuse dmarc-reject -"),
        (Wish::Reject, &sealed, honour, "accept ordinary trusted-forwarder"),
        (Wish::Reject, &sealed_below, honour, "accept ordinary trusted-forwarder"),
        (Wish::Reject, &sealed_by_another, honour, "refuse dmarc-reject -"),
        (Wish::Reject, &broken_seal, honour, "refuse dmarc-reject -"),
        (Wish::Reject, &sealed_as_found, honour, "refuse dmarc-reject -"),
        (Wish::Reject, &sealed_for_another, honour, "refuse dmarc-reject -"),
        (Wish::Reject, &sealed_without_name, honour, "accept ordinary trusted-forwarder"),
        (Wish::Reject, &nothing, junk, "junk dmarc-reject settings"),
        (Wish::Quarantine, &nothing, junk, "junk dmarc-quarantine -"),
        (Wish::Reject, &nothing, report, "accept ordinary settings"),
    ];
    for (number, (wish, change, dmarc, wanted)) in table.into_iter().enumerate() {
        let evidence = with(unproven(wish), change);
        assert_eq!(short(&judge(&evidence, &rules(dmarc))), wanted, "row {number}, {wish:?}");
    }
}

#[test]
fn claims_are_read_as_people_see_them() {
    let of = |header: &str| Claims::of(format!("{header}\r\n\r\nFrom: body@x.test\r\n").as_bytes());
    let domain = |header: &str| of(header).domain().map(str::to_string);
    assert_eq!(domain("From: \"Joe, x@y.test\" <joe@FAR.test>"), Some("far.test".to_string()));
    assert_eq!(domain("From: a@far.test,\r\n b@far.test"), Some("far.test".to_string()));
    assert_eq!(domain("From: a@far.test, b@near.test"), None);
    assert_eq!(domain("From: a@far.test\r\nFrom: b@near.test"), None);
    assert_eq!(domain("From: joe@bücher.test"), Some("xn--bcher-kva.test".to_string()));
    assert_eq!(domain("From: joe@[192.0.2.1]"), None);
    assert_eq!(domain("From: root"), None);
    assert_eq!(domain("From: a@far.test\r\nFrom: b@far.test"), None, "two fields");
    assert_eq!(domain("From: a@far..test, b@near.test"), None, "one cannot be read");
    assert_eq!(domain("From: us: a@far.test, b@far.test;"), Some("far.test".to_string()));
    assert_eq!(domain("From: a@far.test, x"), None);
    assert_eq!(domain("From: <@near.test:a@far.test>"), Some("far.test".to_string()));
    assert_eq!(domain("From: <boss@near.test@far.test>"), None);
    assert_eq!(domain("Subject: x"), None);
    let long = format!("From: a@far.test\r\n{}From: b@near.test", "X: y\r\n".repeat(50_000));
    assert_eq!((domain(&long), of(&long).from_fields), (None, 2), "however far below");
    let many: Vec<String> = (0..20_000).map(|n| format!("a@d{n}.test")).collect();
    assert_eq!(domain(&format!("From: {}", many.join(", "))), None);
    assert!(of("List-ID: <l.lists.test>\r\nFrom: a@b.test").list);
}

#[test]
fn what_a_hop_before_says_of_the_author_is_read_and_not_what_others_wrote_into_it() {
    let said = |text: &str| results::proven_author(text.as_bytes());
    let far = || Some("far.test".to_string());
    assert_eq!(said(" i=2; lists.test; spf=fail; dmarc=pass header.from=Far.test"), far());
    assert_eq!(
        said("i=1;lists.test 1;DMARC/1 = PASS (p=none; dis=none)\r\n header.from=far.test"),
        far()
    );
    assert_eq!(said("i=1; lists.test; dmarc=pass"), Some(String::new()));
    for nothing in [
        "",
        "i=1; dmarc=pass",
        "i=1; lists.test; none",
        "i=1; lists.test; dmarc=fail header.from=far.test",
        "i=1; lists.test; dmarc=fail; dmarc=pass header.from=far.test",
        "i=1; lists.test; dmarc=pass header.from=far.test; dmarc=fail",
        "i=1; lists.test; spf=pass smtp.mailfrom=\"; dmarc=pass header.from=far.test\"",
        "i=1; lists.test; spf=pass (; dmarc=pass header.from=far.test)",
        "i=1; lists.test; spf=pass smtp.mailfrom=\"\\\"; dmarc=pass\"",
        "i=1; lists.test; spf=pass reason=dmarc=pass",
        "i=1; lists.test (; dmarc=pass",
    ] {
        assert_eq!(said(nothing), None, "{nothing}");
    }
}

#[test]
fn lists_of_the_owner_mean_what_they_say() {
    let is = |party: &str, address: &str| {
        Party::parse(party).expect(party).is(&Address::parse(address).expect(address))
    };
    assert!(is("far.test", "joe@far.test") && is("@Far.test", "joe@mail.FAR.test"));
    assert!(!is("far.test", "joe@notfar.test") && !is("mail.far.test", "joe@far.test"));
    assert!(is("joe@far.test", "Joe@far.test") && !is("joe@far.test", "joe@mail.far.test"));
    for wrong in ["", "@", "joe@", "a b.test", "[192.0.2.1]"] {
        assert_eq!(Party::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn results_are_one_field_whatever_others_wrote() {
    let mut evidence = proven();
    evidence.iprev = Iprev { finding: Finding::Fail, name: "evil\r\nX: (y)".to_string() };
    evidence.dkim = vec![
        Dkim {
            selector: "s".to_string(),
            algorithm: "rsa-sha256",
            begins: "ab/+".to_string(),
            ..dkim("far.test", Finding::Pass)
        },
        Dkim { why: "it is \"odd\"; spf=pass (".to_string(), ..dkim("x y", Finding::Neutral) },
    ];
    evidence.arc =
        Arc { finding: Finding::Pass, sealers: vec!["lists.test".to_string()], ..Arc::default() };
    evidence.dmarc.testing = true;
    assert_eq!(
        results::field(&evidence, "mail.office.test"),
        "Authentication-Results: mail.office.test;\r\n\
         \tiprev=fail (evil??X: ?y?) policy.iprev=192.0.2.7;\r\n\
         \tspf=pass smtp.helo=mx.far.test;\r\n\
         \tspf=pass smtp.mailfrom=far.test;\r\n\
         \tdkim=pass header.d=far.test header.s=s header.a=rsa-sha256 header.b=\"ab/+\";\r\n\
         \tdkim=neutral (it is \"odd\"; spf=pass ?) header.d=\"x y\";\r\n\
         \tarc=pass (sealed by lists.test);\r\n\
         \tdmarc=pass (p=reject, testing) header.from=far.test\r\n"
    );
}

fn finding() -> impl Strategy<Value = Finding> {
    prop::sample::select(vec![
        Finding::None,
        Finding::Pass,
        Finding::Fail,
        Finding::SoftFail,
        Finding::Neutral,
        Finding::Policy,
        Finding::TempError,
        Finding::PermError,
    ])
}

prop_compose! {
    fn evidence()(
        findings in prop::collection::vec(finding(), 6),
        helo in ".{0,20}",
        name in ".{0,20}",
        from in ".{0,40}",
        wish in prop::sample::select(vec![Wish::None, Wish::Quarantine, Wish::Reject]),
        flags in prop::collection::vec(any::<bool>(), 7),
        sealers in prop::collection::vec(".{0,10}", 0..3),
    ) -> Evidence {
        let claims = Claims::of(format!("From: {from}\r\n\r\n").as_bytes());
        let mut evidence = Evidence::new("2001:db8::7".parse().unwrap(), &helo, claims);
        evidence.iprev = Iprev { finding: findings[0], name: name.clone() };
        evidence.spf = vec![spf(Identity::Helo, &helo, findings[1])];
        if flags[0] {
            evidence.spf.push(spf(Identity::Mail, &name, findings[2]));
        }
        if flags[1] {
            evidence.dkim = vec![Dkim { why: name.clone(), ..dkim(&name, findings[3]) }];
        }
        evidence.arc = Arc { finding: findings[4], sealers, proven: None, why: name.clone() };
        evidence.dmarc = Dmarc { finding: findings[5], domain: name, wish, ..Dmarc::default() };
        evidence.dmarc.testing = flags[2];
        if flags[3] {
            evidence = listed(evidence);
        }
        (evidence.known, evidence.waited) = (flags[4], flags[5]);
        evidence.clock = if flags[6] { Clock::Floor } else { Clock::Told };
        evidence
    }
}

proptest! {
    /// Whatever is found, there is a verdict; what nobody can say never refuses; and nothing that
    /// others wrote leaves its field.
    #[test]
    fn any_evidence_has_a_verdict(
        evidence in evidence(),
        greylist in any::<bool>(),
        refuse_listed in any::<bool>(),
    ) {
        let rules = Rules { greylist, refuse_listed, ..Rules::default() };
        let judgement = judge(&evidence, &rules);
        if evidence.dmarc.finding == Finding::TempError && evidence.listed.is_empty() {
            prop_assert_ne!(judgement.verdict, Verdict::Refuse);
        }
        if evidence.is_proven() && evidence.listed.is_empty() {
            prop_assert_ne!(judgement.verdict, Verdict::Refuse);
        }
        let field = results::field(&evidence, "mail.office.test");
        let lines: Vec<&str> = field.split("\r\n").collect();
        prop_assert!(field.is_ascii() && field.ends_with("\r\n"));
        prop_assert!(lines[1..lines.len() - 1].iter().all(|line| line.starts_with('\t')));
        prop_assert_eq!(field.matches(['\r', '\n']).count(), 2 * (lines.len() - 1));
        let why = words::reason_field(&judgement, &evidence);
        prop_assert!(why.is_ascii() && !why.contains(['\r', '\n']));
        let begins = format!("{}; {}; ", judgement.verdict.name(), judgement.reason.name());
        prop_assert!(why.starts_with(&begins), "{why}");
        prop_assert!(!words::findings(&evidence).is_empty());
    }
}
