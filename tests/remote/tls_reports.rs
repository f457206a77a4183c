//! Reports to other domains on how TLS with them went (RFC 8460).

use crate::clock;
use crate::delivery::remote::Network;
use crate::delivery::report::Moment;
use crate::net::dkim::{Keys, Signer};
use crate::net::resolver::CLOCK;
use crate::settings::Outgoing;
use crate::store::format::{Outgoing as Row, StsPolicy};
use crate::store::outbox::{self, Place};
use crate::store::remote::{self, Counted};
use crate::store::{MailId, Store, verify};
use crate::tests::names::Names;
use crate::tests::net::toy::Folder;
use crate::tests::store::Office;
use crate::wire::tlsrpt::addresses;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

const DAY: i64 = 24 * 3600;

#[test]
fn the_record_gives_addresses_or_there_is_no_report() {
    let one = |text: &str| -> Vec<String> {
        addresses(&[text.as_bytes()]).iter().map(ToString::to_string).collect()
    };
    assert_eq!(one("v=TLSRPTv1; rua=mailto:tls@b.test"), ["tls@b.test"]);
    let text = "v=TLSRPTv1;rua=https://b.test/x,MAILTO:a%2Bb@b.test?subject=x, mailto:c@b.test;";
    assert_eq!(one(text), ["a+b@b.test", "c@b.test"]);
    for bad in ["v=TLSRPTv1", "v=TLSRPTv2; rua=mailto:a@b.test", "rua=mailto:a@b.test", ""] {
        assert!(one(bad).is_empty(), "{bad}");
    }
    for bad in
        ["mailto:", "mailto:%zz@b.test", "mailto:%", "mailto:a b", "a@b.test", "mailto:%ff@b"]
    {
        assert!(one(&format!("v=TLSRPTv1; rua={bad}")).is_empty(), "{bad}");
    }
    let many = vec!["mailto:a@b.test"; 50].join(",");
    assert_eq!(one(&format!("v=TLSRPTv1; rua={many}")).len(), 3);
    let record = "v=TLSRPTv1; rua=mailto:a@b.test";
    assert!(addresses(&[record, record]).is_empty(), "several are as good as none");
}

fn counted(domain: &str, policy: &'static str, result: &'static str, sessions: u64) -> Counted {
    let day = u32::try_from(clock::now() / DAY - 1).unwrap();
    let (host, why) = ("mx.b.test".to_string(), "the certificate has expired".to_string());
    Counted { day, domain: domain.to_string(), policy, result, sessions, host, why }
}

fn out(store: &Store) -> Vec<Row> {
    let read = store.snapshot().unwrap();
    let rows = outbox::list(&read, Place { due: 0, id: MailId(0) }, 100).unwrap();
    rows.into_iter().map(|(_, row)| row).collect()
}

const WORLD: &str = "zone b.test. unsigned\nzone c.test. unsigned\n\
    _smtp._tls.b.test. TXT \"v=TLSRPTv1; rua=mailto:tls@reports.test\"\n";

struct Scene {
    office: Office,
    names: Names,
    signer: Arc<Signer>,
    _folder: Folder,
}

impl Scene {
    fn new() -> Scene {
        let names = Names::start("127.0.0.1:0", WORLD);
        let (office, folder) = (Office::new(), Folder::new());
        let rows = vec![
            counted("b.test", "sts", "", 7),
            counted("b.test", "sts", "certificate-expired", 2),
            counted("b.test", "tlsa", "", 1),
            counted("c.test", "no-policy-found", "", 1),
        ];
        office.store.write_blocking(move |batch| remote::count(batch, &rows)).unwrap();
        let policy = StsPolicy {
            domain: "b.test".to_string(),
            id: "one".to_string(),
            mode: 2,
            mx: vec!["mx.b.test".to_string()],
            max_age: 86_400,
            fetched: clock::now(),
        };
        office.store.write_blocking(move |batch| remote::put_policy(batch, &policy)).unwrap();
        let signer = Arc::new(Signer::new(Keys::of(&folder.0)));
        Scene { office, names: names.expect("a name server"), signer, _folder: folder }
    }

    async fn report(&self, allowed: bool, moment: Moment) -> usize {
        let outgoing = Outgoing {
            name_servers: vec![self.names.at],
            tls_reports: allowed,
            ..Outgoing::default()
        };
        let (store, patience) = (Some(self.office.store.clone()), Duration::from_secs(5));
        let host = "mail.office.test".to_string();
        let network = Network::with_patience(host, outgoing, store, patience, CLOCK).unwrap();
        network.send_tls_reports(&self.signer, moment).await.expect("reported")
    }
}

/// At this second of today.
fn today(second: i64) -> Moment {
    let at = clock::now() / DAY * DAY + second;
    Moment { micros: at.unsigned_abs() * 1_000_000, chance: 0xabc }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_that_asks_for_it_is_told_once_of_yesterday() {
    let scene = Scene::new();
    let store = &scene.office.store;
    assert_eq!(scene.report(false, today(9 * 3600)).await, 0, "the owner does not allow it");
    assert_eq!(scene.report(true, today(60)).await, 0, "it is too early");
    let mute = format!("{WORLD}fault _smtp._tls.b.test. servfail\n");
    scene.names.become_world(&mute).expect("a world");
    assert_eq!(scene.report(true, today(9 * 3600)).await, 0, "nobody knows whether it asks");
    scene.names.become_world(WORLD).expect("a world");
    assert_eq!(scene.report(true, today(9 * 3600)).await, 1);
    assert_eq!(scene.report(true, today(10 * 3600)).await, 0, "it was told already");
    let rows = out(store);
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((row.sender.as_str(), row.recipients[0].address.as_str()), ("", "tls@reports.test"));
    let octets = outbox::octets(&store.snapshot().unwrap(), row, 0, row.size).unwrap();
    let message = String::from_utf8(octets).unwrap();
    assert_eq!(message.matches("DKIM-Signature:").count(), 2, "{message}");
    assert!(message.contains("\r\nTLS-Report-Domain: b.test\r\n"), "{message}");
    assert!(message.lines().all(|line| line.len() <= 998 && line.is_ascii()));
    let parsed = mail_parser::MessageParser::default().parse(message.as_bytes()).unwrap();
    let packed = parsed.attachment(0).expect("an attachment").contents();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).expect("gzip");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["organization-name"], "mail.office.test");
    let sts = &report["policies"][1];
    assert_eq!(sts["policy"]["policy-type"], "sts");
    assert_eq!(sts["policy"]["policy-string"][1], "mode: enforce");
    assert_eq!(sts["summary"]["total-successful-session-count"], 7);
    assert_eq!(sts["summary"]["total-failure-session-count"], 2);
    let failure = &sts["failure-details"][0];
    assert_eq!(failure["result-type"], "certificate-expired");
    assert_eq!(failure["receiving-mx-hostname"], "mx.b.test");
    assert_eq!(report["policies"][0]["policy"]["policy-type"], "tlsa");
    let start = report["date-range"]["start-datetime"].as_str().unwrap();
    assert!(start.ends_with("T00:00:00Z"), "{start}");
    let found = verify::verify(store, &mut |_, _| ()).unwrap();
    assert_eq!(found.faults, Vec::<String>::new());
}
