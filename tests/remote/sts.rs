//! MTA-STS (RFC 8461): policies found, fetched, remembered and obeyed; and how TLS is counted.

use super::certificates::{Authority, Shown, tlsa};
use super::live::{good, one, secure};
use super::peers::{Peer, Script};
use super::{job, short, why};
use crate::clock;
use crate::delivery::remote::{Attempt, Network};
use crate::net::resolver::{CLOCK, Clock};
use crate::settings::Outgoing;
use crate::store::writer::Options;
use crate::store::{Store, remote};
use crate::tests::names::Names;
use crate::tests::net::toy::Folder;
use crate::wire::sts::{Mode, Policy, PolicyError, id, matches};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const PATIENCE: Duration = Duration::from_secs(3);
const ENFORCE: &str =
    "version: STSv1\r\nmode: enforce\r\nmx: mx.b.test\r\nmx: *.c.test\r\nmax_age: 604800\r\n";

// ---- the texts ----

#[test]
fn the_record_gives_an_id_or_there_is_no_policy() {
    let one = |text: &str| id(&[text.as_bytes()]);
    assert_eq!(one("v=STSv1; id=20160831085700Z;").as_deref(), Some("20160831085700Z"));
    assert_eq!(one("v=STSv1;id=a").as_deref(), Some("a"));
    assert_eq!(one("v=STSv1; new=x; id=a1").as_deref(), Some("a1"));
    for bad in ["v=STSv1", "v=STSv2; id=a", "v=STSv1; id=", "v=STSv1; id=a-b", "id=a; v=STSv1", ""]
    {
        assert_eq!(one(bad), None, "{bad}");
    }
    assert_eq!(one(&format!("v=STSv1; id={}", "a".repeat(33))), None);
    assert_eq!(id(&["v=STSv1; id=a", "v=STSv1; id=b"]), None, "several are as good as none");
    assert_eq!(id(&["v=spf1 -all", "v=STSv1; id=b"]).as_deref(), Some("b"));
    assert_eq!(id(&[[0xff, 0xfe]]), None);
}

#[test]
fn a_policy_is_read_field_by_field() {
    let policy = Policy::parse(ENFORCE.as_bytes()).expect("a policy");
    let mx = vec!["mx.b.test".to_string(), "*.c.test".to_string()];
    assert_eq!(policy, Policy { mode: Mode::Enforce, mx, max_age: 604_800 });
    let text = "version:STSv1\nmode:testing\nmode:none\nfuture: x\nmx:A.test\nmax_age:9999999999";
    let policy = Policy::parse(text.as_bytes()).expect("a policy");
    assert_eq!((policy.mode, policy.max_age), (Mode::Testing, 31_557_600));
    assert!(Policy::parse(b"version: STSv1\nmode: none\nmax_age: 0\n").is_ok(), "none needs no mx");
    let fault = |text: &str| Policy::parse(text.as_bytes()).expect_err(text);
    let rest = "mx: a.test\nmax_age: 1";
    assert_eq!(fault(&format!("mode: enforce\n{rest}")), PolicyError::Version);
    assert_eq!(fault(&format!("version: STSv2\nmode: enforce\n{rest}")), PolicyError::Version);
    assert_eq!(fault(&format!("version: STSv1\n{rest}")), PolicyError::Missing("mode"));
    assert!(matches!(fault(&format!("version: STSv1\nmode: x\n{rest}")), PolicyError::Value(..)));
    let head = "version: STSv1\nmode: enforce\n";
    assert_eq!(fault(&format!("{head}mx: a.test")), PolicyError::Missing("max_age"));
    assert_eq!(fault(&format!("{head}max_age: 1")), PolicyError::Missing("mx"));
    for bad in ["-1", "1.5", "12345678901", "", "1 day"] {
        let error = fault(&format!("{head}mx: a.test\nmax_age: {bad}"));
        assert!(matches!(error, PolicyError::Value("max_age", _)), "{bad}: {error}");
    }
    for bad in ["*", "*.", "a.*.test", "**.test", "a b", "\u{1}"] {
        let error = fault(&format!("{head}mx: {bad}\nmax_age: 1"));
        assert!(matches!(error, PolicyError::Value("mx", _)), "{bad}: {error}");
    }
    assert!(matches!(fault("<html>"), PolicyError::Line(_)));
    assert_eq!(fault(&"x".repeat(70_000)), PolicyError::TooLong);
    assert_eq!(Policy::parse(&[0xff]), Err(PolicyError::NotText));
}

#[test]
fn a_star_stands_for_one_label() {
    for (pattern, host, fits) in [
        ("mx.b.test", "MX.b.test", true),
        ("mx.b.test", "mx.b.test.", true),
        ("mx.b.test", "mx2.b.test", false),
        ("*.b.test", "mx.b.test", true),
        ("*.b.test", "a.mx.b.test", false),
        ("*.b.test", "b.test", false),
        ("*.b.test", ".b.test", false),
        ("*.b.test", "mxb.test", false),
    ] {
        assert_eq!(matches(pattern, host), fits, "{pattern} {host}");
    }
}

// ---- a world with a policy ----

/// A web server that answers every question alike.
struct Web {
    port: u16,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Web {
    async fn start(shown: &Shown) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let web = Web { port, answer: Arc::default(), asked: Arc::default() };
        let (answer, asked) = (web.answer.clone(), web.asked.clone());
        let acceptor = shown.acceptor.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, asked) = (answer.clone(), asked.clone());
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    asked.fetch_add(1, Ordering::SeqCst);
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let text = String::from_utf8_lossy(&request).to_string();
                    assert!(
                        text.starts_with("GET /.well-known/mta-sts.txt HTTP/1.1\r\n"),
                        "{text}"
                    );
                    assert!(text.contains("host: mta-sts.b.test:"), "{text}");
                    let answer = answer.lock().expect("a lock").clone();
                    if answer == "hang" {
                        std::future::pending::<()>().await;
                    }
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        web
    }

    fn says(&self, answer: &str) {
        *self.answer.lock().expect("a lock") = answer.to_string();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn ok(policy: &str) -> String {
    let length = policy.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{policy}"
    )
}

struct Scene {
    names: Names,
    peer: Peer,
    web: Web,
    folder: Folder,
    store: Store,
}

const RECORDS: &str = "b.test. MX 10 mx.b.test.\nmx.b.test. A 127.0.0.1\n\
    mta-sts.b.test. A 127.0.0.1\n";
const RECORD: &str = "_mta-sts.b.test. TXT \"v=STSv1; id=one;\"\n";

impl Scene {
    /// `authority` is known to us; the host of b.test shows `shown`.
    async fn new(authority: &Authority, script: Script, shown: Option<&Shown>) -> Scene {
        let peer = Peer::showing(script, shown).await;
        let web = Web::start(&authority.show("mta-sts.b.test")).await;
        web.says(&ok(ENFORCE));
        let text = format!("zone b.test. unsigned\n{RECORDS}{RECORD}");
        let names = Names::start("127.0.0.1:0", &text).expect("a name server");
        let folder = Folder::new();
        std::fs::write(folder.0.join("authority"), &authority.pem).expect("written");
        std::fs::write(folder.0.join("anchor"), names.anchor()).expect("written");
        let store = Store::open(&folder.0.join("store"), Options::default()).expect("a store");
        Scene { names, peer, web, folder, store }
    }

    fn network(&self, clock: Clock) -> Arc<Network> {
        let outgoing = Outgoing {
            port: self.peer.at.port(),
            https_port: self.web.port,
            name_servers: vec![self.names.at],
            trust_anchor: Some(self.folder.0.join("anchor")),
            authority: Some(self.folder.0.join("authority")),
            ..Outgoing::default()
        };
        let store = Some(self.store.clone());
        Network::with_patience("us.test".to_string(), outgoing, store, PATIENCE, clock)
            .expect("a network")
    }

    /// Sends, and writes down what was counted.
    async fn send(&self) -> Attempt {
        self.send_over(&self.network(CLOCK)).await
    }

    async fn send_over(&self, network: &Arc<Network>) -> Attempt {
        let attempt = one(network, job("b.test", &["bob@b.test"])).await;
        network.write_counts().await.expect("written");
        attempt
    }

    /// Policy, result and number of what was counted for b.test.
    fn counts(&self) -> Vec<(String, String, u64)> {
        let rows = remote::counts(&self.store.snapshot().expect("read"), 0).expect("counts");
        let all = rows.into_iter().inspect(|(_, row)| assert_eq!(row.domain, "b.test"));
        let counts = all.flat_map(|(_, row)| row.counts);
        counts.map(|count| (count.policy, count.result, count.sessions)).collect()
    }

    fn forget_names(&self) {
        self.names.become_world(&format!("zone b.test. unsigned\n{RECORDS}")).expect("a world");
    }
}

fn counted(policy: &str, result: &str, sessions: u64) -> (String, String, u64) {
    (policy.to_string(), result.to_string(), sessions)
}

// ---- obeyed ----

#[tokio::test]
async fn enforced_with_the_right_certificate_delivers() {
    let authority = Authority::new();
    let shown = authority.show("mx.b.test");
    let scene = Scene::new(&authority, secure(), Some(&shown)).await;
    let attempt = scene.send().await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    assert!(attempt.secured.starts_with("encrypted with TLSv1.3, MTA-STS"), "{attempt:?}");
    assert_eq!(scene.counts(), [counted("sts", "", 1)]);
}

#[tokio::test]
async fn enforced_with_a_wrong_certificate_delivers_nothing_and_the_trace_says_why() {
    let authority = Authority::new();
    let cases = [
        (authority.show("else.test"), "is for another name", "certificate-host-mismatch"),
        (authority.show_expired("mx.b.test"), "has expired", "certificate-expired"),
        (Authority::new().show("mx.b.test"), "issuer", "certificate-not-trusted"),
    ];
    for (shown, said, result) in cases {
        let scene = Scene::new(&authority, secure(), Some(&shown)).await;
        let attempt = scene.send().await;
        assert_eq!(short(&attempt.outcome), ("retry", None), "{attempt:?}");
        let told = why(&attempt).contains("MTA-STS asks for TLS that is proven");
        assert!(told && why(&attempt).contains(said), "{attempt:?}");
        assert_eq!(scene.counts(), [counted("sts", result, 1)]);
        assert_eq!(scene.peer.connections(), 1, "there is no second try in clear");
    }
}

#[tokio::test]
async fn enforced_without_starttls_or_by_a_host_that_it_does_not_name_delivers_nothing() {
    let authority = Authority::new();
    let scene = Scene::new(&authority, good(), None).await;
    let attempt = scene.send().await;
    assert_eq!(short(&attempt.outcome), ("retry", None), "{attempt:?}");
    assert!(why(&attempt).contains("offers no TLS"), "{attempt:?}");
    assert!(why(&attempt).contains("MTA-STS asks for it"), "{attempt:?}");
    assert_eq!(scene.counts(), [counted("sts", "starttls-not-supported", 1)]);

    let shown = authority.show("mx.b.test");
    let scene = Scene::new(&authority, secure(), Some(&shown)).await;
    scene.web.says(&ok(&ENFORCE.replace("mx.b.test", "other.b.test")));
    let attempt = scene.send().await;
    assert_eq!(short(&attempt.outcome), ("retry", None), "{attempt:?}");
    assert!(why(&attempt).contains("the MTA-STS policy does not name it"), "{attempt:?}");
    assert_eq!(scene.counts(), [counted("sts", "validation-failure", 1)]);
    assert_eq!(scene.peer.connections(), 0);
}

#[tokio::test]
async fn a_policy_in_testing_delivers_and_counts_what_would_have_failed() {
    let authority = Authority::new();
    let shown = authority.show_expired("mx.b.test");
    let testing = ENFORCE.replace("enforce", "testing");
    let scene = Scene::new(&authority, secure(), Some(&shown)).await;
    scene.web.says(&ok(&testing));
    let attempt = scene.send().await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    assert!(attempt.secured.contains("testing"), "{attempt:?}");
    assert_eq!(scene.counts(), [counted("sts", "certificate-expired", 1)]);
    // Without TLS it goes in clear.
    let scene = Scene::new(&authority, good(), None).await;
    scene.web.says(&ok(&testing));
    let attempt = scene.send().await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    assert_eq!(scene.counts(), [counted("sts", "starttls-not-supported", 1)]);
}

#[tokio::test]
async fn a_policy_of_mode_none_is_none_and_an_expired_certificate_is_good_enough() {
    let authority = Authority::new();
    let shown = authority.show_expired("mx.b.test");
    let scene = Scene::new(&authority, secure(), Some(&shown)).await;
    scene.web.says(&ok("version: STSv1\nmode: none\nmax_age: 86400\n"));
    let attempt = scene.send().await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    let said = "encrypted with TLSv1.3, certificate not proven: the certificate has expired";
    assert!(attempt.secured.starts_with(said), "{attempt:?}");
    assert_eq!(scene.counts(), [counted("no-policy-found", "", 1)]);
}

// ---- fetched ----

#[tokio::test]
async fn a_policy_that_cannot_be_fetched_is_none_and_is_counted() {
    let authority = Authority::new();
    let shown = authority.show("mx.b.test");
    let fetch = "sts-policy-fetch-error";
    let big = format!("{ENFORCE}{}", "x: y\r\n".repeat(20_000));
    let endless = "HTTP/1.1 200 OK\r\nX: ".to_string() + &"y".repeat(100_000);
    let elsewhere = "HTTP/1.1 301 Moved\r\nLocation: https://x.test/\r\n\r\n";
    let cases = [
        ("HTTP/1.1 404 Not Found\r\n\r\n".to_string(), fetch),
        (elsewhere.to_string(), fetch),
        (ok(ENFORCE).replace("text/plain", "text/html"), fetch),
        (ok(&big), fetch),
        (endless, fetch),
        ("hang".to_string(), fetch),
        (String::new(), fetch),
        ("garbage\r\n\r\n".to_string(), fetch),
        (ok("<html>"), "sts-policy-invalid"),
    ];
    for (answer, result) in cases {
        let scene = Scene::new(&authority, secure(), Some(&shown)).await;
        scene.web.says(&answer);
        let network = scene.network(CLOCK);
        let attempt = scene.send_over(&network).await;
        let shown: String = answer.chars().take(60).collect();
        assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{shown}: {attempt:?}");
        let wanted = [counted("no-policy-found", "", 1), counted("sts", result, 1)];
        assert_eq!(scene.counts(), wanted, "{shown}");
        // It is not asked for again at once.
        scene.send_over(&network).await;
        assert_eq!(scene.web.asked(), 1, "{shown}");
    }
}

#[tokio::test]
async fn a_policy_shown_under_a_wrong_certificate_is_none() {
    let (authority, other) = (Authority::new(), Authority::new());
    let shown = authority.show("mx.b.test");
    let scene = Scene::new(&other, secure(), Some(&shown)).await;
    // What we know is `authority`; the web server's certificate is of the other.
    std::fs::write(scene.folder.0.join("authority"), &authority.pem).expect("written");
    let attempt = scene.send().await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    let wanted = [counted("no-policy-found", "", 1), counted("sts", "sts-webpki-invalid", 1)];
    assert_eq!(scene.counts(), wanted);
}

// ---- remembered ----

fn in_two_days() -> i64 {
    clock::now() + 2 * 24 * 3600
}

fn in_ten_days() -> i64 {
    clock::now() + 10 * 24 * 3600
}

#[tokio::test]
async fn a_policy_is_fetched_once_and_outlives_record_server_and_restart() {
    let authority = Authority::new();
    let wrong = authority.show("else.test");
    let scene = Scene::new(&authority, secure(), Some(&wrong)).await;
    for _ in 0..2 {
        assert_eq!(short(&scene.send().await.outcome).0, "retry");
    }
    assert_eq!(scene.web.asked(), 1);
    // An attacker who takes away the record and the policy gains nothing before max_age is over.
    scene.web.says("HTTP/1.1 404 Not Found\r\n\r\n");
    scene.forget_names();
    assert_eq!(short(&scene.send().await.outcome).0, "retry");
    let attempt = scene.send_over(&scene.network(in_ten_days)).await;
    assert_eq!(short(&attempt.outcome).0, "delivered", "{attempt:?}");
}

#[tokio::test]
async fn a_new_id_or_an_old_age_fetches_anew_and_a_fetch_that_fails_keeps_what_was() {
    let authority = Authority::new();
    let wrong = authority.show("else.test");
    let scene = Scene::new(&authority, secure(), Some(&wrong)).await;
    assert_eq!(short(&scene.send().await.outcome).0, "retry");
    scene.web.says("HTTP/1.1 500 Oh\r\n\r\n");
    let attempt = scene.send_over(&scene.network(in_two_days)).await;
    assert_eq!((short(&attempt.outcome).0, scene.web.asked()), ("retry", 2), "{attempt:?}");
    assert!(scene.counts().contains(&counted("sts", "sts-policy-fetch-error", 1)));
    // The domain gives up its policy in the right way.
    scene.web.says(&ok("version: STSv1\nmode: none\nmax_age: 86400\n"));
    let text = RECORD.replace("id=one", "id=two");
    scene.names.become_world(&format!("zone b.test. unsigned\n{RECORDS}{text}")).expect("a world");
    let attempt = scene.send().await;
    assert_eq!((short(&attempt.outcome).0, scene.web.asked()), ("delivered", 3), "{attempt:?}");
}

#[tokio::test]
async fn old_policies_are_refreshed_without_any_mail_and_ended_ones_forgotten() {
    let authority = Authority::new();
    let scene = Scene::new(&authority, secure(), None).await;
    scene.send().await;
    let fetched = || {
        let read = scene.store.snapshot().expect("read");
        remote::policy(&read, "b.test").expect("read").map(|policy| policy.fetched)
    };
    let first = fetched().expect("a policy");
    scene.network(CLOCK).refresh_policies().await.expect("refreshed");
    assert_eq!(fetched(), Some(first), "it is young");
    scene.network(in_two_days).refresh_policies().await.expect("refreshed");
    assert!(fetched().expect("a policy") > first + 24 * 3600);
    scene.network(|| clock::now() + 30 * 24 * 3600).refresh_policies().await.expect("refreshed");
    assert_eq!(fetched(), None);
}

// ---- beside DANE, and without a clock ----

#[tokio::test]
async fn where_dane_is_the_policy_does_not_matter() {
    let (authority, unknown) = (Authority::new(), Authority::new());
    let own = unknown.show("else.test");
    let (right, wrong) = (tlsa(3, 1, 1, &own.der), tlsa(3, 1, 1, &authority.der));
    for (record, how, result) in [(right, "delivered", ""), (wrong, "retry", "validation-failure")]
    {
        let scene = Scene::new(&authority, secure(), Some(&own)).await;
        let port = scene.peer.at.port();
        let text = format!(
            "zone b.test. signed\n{RECORDS}{RECORD}_{port}._tcp.mx.b.test. TLSA {record}\n"
        );
        scene.names.become_world(&text).expect("a world");
        let attempt = scene.send().await;
        assert_eq!(short(&attempt.outcome).0, how, "{attempt:?}");
        assert_eq!(scene.counts(), [counted("tlsa", result, 1)]);
        assert_eq!(scene.web.asked(), 0);
    }
}

#[tokio::test]
async fn without_a_clock_no_policy_is_looked_at() {
    let authority = Authority::new();
    let scene = Scene::new(&authority, good(), None).await;
    let attempt = scene.send_over(&scene.network(|| 0)).await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    assert!(attempt.secured.contains("the clock of this machine is not set"), "{attempt:?}");
    assert_eq!(scene.web.asked(), 0);
}

// ---- counted ----

#[tokio::test]
async fn connections_are_counted_by_what_they_came_to() {
    let authority = Authority::new();
    let scene = Scene::new(&authority, good(), None).await;
    scene.forget_names();
    let network = scene.network(CLOCK);
    for _ in 0..3 {
        scene.send_over(&network).await;
    }
    // The second and third message took the connection of the first, or one of their own.
    let counts = scene.counts();
    let [(policy, result, sessions)] = counts.as_slice() else { panic!("{counts:?}") };
    let kind = (policy.as_str(), result.as_str());
    assert_eq!(kind, ("no-policy-found", "starttls-not-supported"));
    assert_eq!(usize::try_from(*sessions), Ok(scene.peer.connections()));
    // Forged answers are counted too.
    let scene = Scene::new(&authority, good(), None).await;
    scene.names.become_world(&format!("zone b.test. forged\n{RECORDS}")).expect("a world");
    assert_eq!(short(&scene.send().await.outcome).0, "retry");
    assert_eq!(scene.counts(), [counted("tlsa", "dnssec-invalid", 1)]);
}
