//! What was found of a message decides whether it is passed on, and whether its sender is told.

use super::{Town, at};
use crate::delivery::checkpoint::Checkpoint;
use crate::delivery::remote::Outcome;
use crate::policy::{Claims, Evidence, Finding, Identity, Listed, Spf};
use crate::settings::Checks;
use crate::wire::smtp::{Notify, Reply};

const TEXT: &str = "From: Eve <eve@far.test>\r\nSubject: offer\r\n\r\ntext\r\n";
const FORGED: &str = "From: boss@a.test\r\nSubject: pay\r\n\r\nnow\r\n";

/// A town where this is found of every message.
fn town(edit: fn(&mut Evidence)) -> Town {
    let mut town = Town::new("a.test");
    let examine = move |arrival: crate::net::authenticate::Arrival| {
        let claims = Claims::of(&arrival.message);
        let mut evidence = Evidence::new(arrival.peer, &arrival.helo, claims);
        evidence.sender = arrival.sender;
        edit(&mut evidence);
        Box::pin(async move { evidence }) as std::pin::Pin<Box<_>>
    };
    let checkpoint = Checkpoint::with(Box::new(examine), Checks::default());
    town.post = town.post.judging(checkpoint);
    town
}

fn spf(evidence: &mut Evidence, finding: Finding) {
    let (domain, why) = ("far.test".to_string(), String::new());
    evidence.spf.push(Spf { identity: Identity::Mail, domain, finding, why });
}

/// On two lists, and not what it says: junk.
fn junk(evidence: &mut Evidence) {
    spf(evidence, Finding::Fail);
    let code = std::net::Ipv4Addr::new(127, 0, 0, 2);
    for zone in ["one.test", "two.test"] {
        evidence.listed.push(Listed { zone: zone.to_string(), code });
    }
}

#[tokio::test]
async fn junk_stays_here_or_is_refused_and_is_not_passed_on() {
    let town = town(junk);
    let carol = town.person("carol@a.test", 0);
    town.lead("out@a.test", &[], &["partner@b.test"]).expect("out");
    town.lead("both@a.test", &[carol], &["partner@b.test"]).expect("both");
    let reply = town.send("eve@far.test", &["out@a.test"], TEXT).await;
    assert!(reply.code == 550 && reply.to_string().contains("looks unwanted"), "{reply}");
    assert!(town.send("eve@far.test", &["both@a.test"], TEXT).await.is_positive());
    assert!(town.leaving().is_empty());
    assert!(town.steps("both@a.test").contains(&"kept".to_string()));
}

#[tokio::test]
async fn what_our_own_domain_vouches_for_is_passed_on() {
    let proven = town(|evidence| evidence.dmarc.finding = Finding::Pass);
    let unproven = town(|evidence| spf(evidence, Finding::Pass));
    for (town, passed) in [(&proven, true), (&unproven, false)] {
        town.lead("out@a.test", &[], &["partner@b.test"]).expect("out");
        let reply = town.send("eve@far.test", &["out@a.test"], FORGED).await;
        assert_eq!((reply.is_positive(), town.leaving().len() == 1), (passed, passed), "{reply}");
    }
}

/// What is found of a message, its sender, what was asked, and whether success is told.
type Case = (fn(&mut Evidence), &'static str, Option<Notify>, bool);

#[tokio::test]
async fn success_is_told_to_a_sender_who_is_believed_and_to_no_other() {
    let asked = Some(Notify { success: true, failure: true, delay: false });
    let cases: [Case; 6] = [
        (|evidence| spf(evidence, Finding::Pass), "eve@far.test", asked, true),
        (|evidence| evidence.dmarc.finding = Finding::Pass, "eve@far.test", asked, true),
        (|evidence| spf(evidence, Finding::Neutral), "eve@far.test", asked, false),
        (|_| (), "eve@far.test", asked, false),
        (|evidence| spf(evidence, Finding::Pass), "", asked, false),
        (|evidence| spf(evidence, Finding::Pass), "eve@far.test", None, false),
    ];
    for (number, (edit, from, notify, told)) in cases.into_iter().enumerate() {
        let town = town(edit);
        town.person("carol@a.test", 0);
        let reply = town.send_asking(from, &["carol@a.test"], notify, TEXT).await;
        assert!(reply.is_positive(), "{number}: {reply}");
        let outbox = town.outbox();
        assert_eq!(outbox.len(), usize::from(told), "{number}: {outbox:?}");
        for (place, row, report) in outbox {
            assert_eq!((row.sender.as_str(), row.recipients[0].address.as_str()), ("", from));
            for words in ["Action: delivered\r\n", "rfc822; carol@a.test\r\n", "Subject: offer\r\n"]
            {
                assert!(report.contains(words), "{words}: {report}");
            }
            assert!(town.steps(from).contains(&"reported".to_string()) || number > 0);
            town.record(place, 0, Outcome::Delivered { reply: Reply::new(250, 0, 0, "taken") });
        }
        town.sound();
    }
}

#[tokio::test]
async fn success_of_what_is_passed_on_is_told_as_such() {
    let asked = Some(Notify { success: true, failure: false, delay: false });
    let town = town(|evidence| spf(evidence, Finding::Pass));
    town.lead("out@a.test", &[], &["partner@b.test"]).expect("out");
    assert!(town.send_asking("eve@far.test", &["out@a.test"], asked, TEXT).await.is_positive());
    let outbox = town.outbox();
    let report = outbox.iter().find(|(_, row, _)| row.told().is_none()).expect("a report");
    assert_eq!(at(&report.1.recipients[0].address), at("eve@far.test"));
    assert!(report.2.contains("Action: relayed\r\n"), "{}", report.2);
    assert!(report.2.contains("Subject: offer\r\n"), "the header comes back: {}", report.2);
    assert_eq!(outbox.len(), 2);
}
