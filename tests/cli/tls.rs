//! How TLS with other servers went, as the owner sees it.

use super::Data;
use crate::clock;
use crate::limits::{STS_POLICIES, TLS_COUNT_DAYS, TLS_COUNT_DOMAINS};
use crate::store::format::StsPolicy;
use crate::store::remote::{self, Counted, OTHERS};
use crate::store::verify;

fn today() -> u32 {
    u32::try_from(clock::now() / 86_400).unwrap()
}

fn counted(day: u32, domain: &str, result: &'static str, sessions: u64) -> Counted {
    Counted {
        day,
        domain: domain.to_string(),
        policy: "sts",
        result,
        sessions,
        host: "mx.b.test".to_string(),
        why: "the certificate has expired".to_string(),
    }
}

fn policy(domain: &str, fetched: i64) -> StsPolicy {
    StsPolicy {
        domain: domain.to_string(),
        id: "one".to_string(),
        mode: 2,
        mx: vec!["mx.b.test".to_string()],
        max_age: 86_400,
        fetched,
    }
}

#[test]
fn counts_and_policies_are_shown_with_a_server_and_without() {
    let data = Data::new();
    assert!(data.good("tls counts").contains("no connection to another server"));
    assert!(data.good("tls policies").contains("no MTA-STS policy"));
    let store = data.store();
    let rows = vec![
        counted(today(), "b.test", "", 7),
        counted(today(), "b.test", "certificate-expired", 2),
        counted(today() - 20, "old.test", "", 1),
    ];
    store.write_blocking(move |batch| remote::count(batch, &rows)).unwrap();
    let more = vec![counted(today(), "b.test", "certificate-expired", 1)];
    store.write_blocking(move |batch| remote::count(batch, &more)).unwrap();
    store.write_blocking(|batch| remote::put_policy(batch, &policy("b.test", 0))).unwrap();
    let report = verify::verify(&store, &mut |_, _| ()).unwrap();
    assert_eq!(report.faults, Vec::<String>::new());
    store.close();
    drop(store);
    for served in [false, true] {
        let _server = served.then(|| data.serve());
        let shown = data.good("tls counts");
        let said = "3 certificate-expired at mx.b.test: the certificate has expired";
        assert!(shown.contains(said), "{shown}");
        assert!(!shown.contains("old.test"), "{shown}");
        assert!(data.good("tls counts --days 30").contains("old.test"));
        let day = &data.json("tls counts")["tls-days"][0];
        assert_eq!((day["succeeded"].as_u64(), day["failed"].as_u64()), (Some(7), Some(3)));
        assert_eq!(day["failures"][0]["result"], "certificate-expired");
        let shown = data.good("tls policies");
        assert!(shown.contains("b.test") && shown.contains("enforce"), "{shown}");
        assert!(shown.contains("1970-01-02 00:00:00"), "{shown}");
    }
}

#[test]
fn days_domains_and_policies_do_not_grow_without_end() {
    let data = Data::new();
    let store = data.store();
    let many: Vec<Counted> =
        (0..TLS_COUNT_DOMAINS + 5).map(|n| counted(100, &format!("d{n}.test"), "", 1)).collect();
    store.write_blocking(move |batch| remote::count(batch, &many)).unwrap();
    let counts = |since| remote::counts(&store.snapshot().unwrap(), since).unwrap();
    assert_eq!(counts(0).len(), TLS_COUNT_DOMAINS + 1);
    let others = counts(0).into_iter().find(|(_, row)| row.domain == OTHERS).unwrap();
    assert_eq!(others.1.counts[0].sessions, 5);
    let later = vec![counted(101 + TLS_COUNT_DAYS, "b.test", "", 1)];
    store.write_blocking(move |batch| remote::count(batch, &later)).unwrap();
    assert_eq!(counts(0).len(), 1, "what is too old goes");

    store
        .write_blocking(|batch| {
            for number in 0..=STS_POLICIES {
                let fetched = i64::try_from(number).unwrap() + 1;
                remote::put_policy(batch, &policy(&format!("d{number}.test"), fetched))?;
            }
            Ok(())
        })
        .unwrap();
    let policies = remote::policies(&store.snapshot().unwrap(), "", usize::MAX).unwrap();
    assert_eq!(policies.len(), STS_POLICIES);
    assert!(policies.iter().all(|policy| policy.domain != "d0.test"), "the oldest goes");
    store.close();
}
