//! Servers that do what servers must not: each fault its own story, at every stage where it can
//! happen. None holds us long, none takes memory, and the trace says in words what it did.

use super::live::{EHLO, GREET, OK, b_test, good, host, network, one, rest_after_dots, secure};
use super::peers::{A, Dns, MX, Peer, Script, mx};
use super::{job, short, why};
use crate::delivery::remote::{Attempt, Job, Network, Outcome, deliver};
use crate::net::tls::Tls;
use crate::tests::net::toy::{Folder, NOW, names};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::TlsAcceptor;

/// A message that fits no buffer on the way.
fn large(domain: &str, recipients: &[&str]) -> Job {
    let text = format!("Subject: large\r\n\r\n{}", "and more of it\r\n".repeat(1 << 20));
    Job { message: text.into_bytes().into(), ..job(domain, recipients) }
}

/// A conversation that goes wrong at each of its stages in turn: the script so far, then this.
fn at_each_stage(says: &'static str) -> Vec<(&'static str, Script)> {
    let whole = good();
    let stages = ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "text", "end"];
    let cut = |at: usize| {
        let mut script: Script = whole[..=at].to_vec();
        script[at].1 = says;
        script
    };
    // Nothing is said to a line of text.
    let spoken = stages.iter().enumerate().filter(|(_, stage)| **stage != "text");
    spoken.map(|(at, stage)| (*stage, cut(at))).collect()
}

/// All at once, since each waits.
async fn all(says: &'static str) -> Vec<(&'static str, Attempt)> {
    let mut tasks = tokio::task::JoinSet::new();
    for (stage, script) in at_each_stage(says) {
        tasks.spawn(async move {
            let (_peer, network) = host(vec![script]).await;
            (stage, one(&network, job("b.test", &["bob@b.test"])).await)
        });
    }
    tasks.join_all().await
}

#[tokio::test]
async fn who_hangs_is_not_waited_for_at_any_stage() {
    let began = Instant::now();
    for (stage, attempt) in all("hang").await {
        assert_eq!(short(&attempt.outcome), ("retry", None), "{stage}: {attempt:?}");
        assert!(why(&attempt).contains("did not answer"), "{stage}: {attempt:?}");
        assert_eq!(attempt.server, "mx.b.test [127.0.0.1]");
    }
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn who_closes_is_tried_again_at_any_stage() {
    for (stage, attempt) in all("close").await {
        assert_eq!(short(&attempt.outcome), ("retry", None), "{stage}: {attempt:?}");
        assert!(why(&attempt).contains("ended"), "{stage}: {attempt:?}");
    }
}

#[tokio::test]
async fn who_says_goodbye_is_tried_again_at_any_stage() {
    for (stage, attempt) in all("421 4.3.2 shutting down\r\n").await {
        assert_eq!(short(&attempt.outcome), ("retry", Some(421)), "{stage}: {attempt:?}");
        assert_eq!(attempt.reached, !matches!(stage, "greeting" | "EHLO"), "{stage}");
    }
}

#[tokio::test]
async fn under_tls_it_is_no_different() {
    let folder = Folder::new();
    let whole = secure();
    for says in ["hang", "close", "flood", "babble"] {
        // From the EHLO under TLS on; nothing is said to a line of text.
        for at in (3..whole.len()).filter(|at| !whole[*at].1.is_empty()) {
            let mut script: Script = whole[..=at].to_vec();
            script[at].1 = says;
            let peer = Peer::start_with("127.0.0.1:0", vec![script], Some(acceptor(&folder))).await;
            let dns = Dns::start(b_test()).await;
            let network = network(&dns, peer.at.port());
            let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
            assert_eq!(short(&attempt.outcome), ("retry", None), "{says} {at}: {attempt:?}");
            assert_eq!(peer.connections(), 1, "{says} {at}: not in clear");
        }
    }
}

#[tokio::test]
async fn ten_million_octets_of_reply_are_not_read_at_any_stage() {
    for says in ["flood", "babble"] {
        for (stage, attempt) in all(says).await {
            assert_eq!(short(&attempt.outcome), ("retry", None), "{stage}: {attempt:?}");
            let why = why(&attempt);
            let said = why.contains("cannot be understood") && why.contains("a reply of more than");
            assert!(said, "{stage}: {attempt:?}");
        }
    }
}

#[tokio::test]
async fn letters_beyond_ascii_in_replies_do_no_harm() {
    let mut script = good();
    script[0].1 = "220 b.test Grüße \u{1f4ee}\r\n";
    let last = script.len() - 1;
    script[last].1 = "250 2.0.0 Nachricht über\u{7}nommen\r\n";
    let (_peer, network) = host(vec![script]).await;
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    let Outcome::Delivered { reply } = attempt.outcome else { panic!("{attempt:?}") };
    assert_eq!(reply.to_string(), "250 2.0.0 Nachricht über?nommen");
}

#[tokio::test]
async fn of_codes_that_contradict_each_other_the_first_counts() {
    // RFC 5321 4.2: a client acts on the reply code alone
    let cases = [
        ("250 5.1.1 no such person\r\n", "delivered", 250),
        ("550 2.1.5 fine\r\n", "failed", 550),
        ("450 5.7.1 never\r\n", "retry", 450),
        ("251-5.0.0 no\r\n251 4.0.0 later\r\n", "delivered", 250),
    ];
    for (says, how, code) in cases {
        let mut script = good();
        script[3].1 = says;
        let (_peer, network) = host(vec![script]).await;
        let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
        assert_eq!(short(&attempt.outcome), (how, Some(code)), "{says}: {attempt:?}");
    }
}

#[tokio::test]
async fn a_second_answer_to_one_command_is_an_answer_to_the_next() {
    let mut script = good();
    script[3].1 = "250 ok\r\n550 5.1.1 on second thoughts no\r\n";
    let (peer, network) = host(vec![script]).await;
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("failed", Some(550)), "{attempt:?}");
    assert!(!peer.heard().iter().any(|line| line.starts_with("Subject")), "{:?}", peer.heard());
}

#[tokio::test]
async fn tls_that_is_offered_and_refused_is_done_without_and_told() {
    let mut script = good();
    script[1].1 = "250-b.test\r\n250 STARTTLS\r\n";
    script.insert(2, ("STARTTLS", "454 4.7.0 TLS not available\r\n"));
    let (_peer, network) = host(vec![script]).await;
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    assert!(attempt.secured.contains("it refused TLS: 454 4.7.0"), "{attempt:?}");
}

#[tokio::test]
async fn a_server_that_is_stuck_at_the_start_of_tls_is_left_or_written_to_in_clear() {
    let offers = ("EHLO", "250-b.test\r\n250 STARTTLS\r\n");
    let mut clear = good();
    clear[1] = offers;
    clear.insert(2, ("STARTTLS", "454 4.7.0 not now\r\n"));
    // Before its answer nothing is known of TLS: the host is tried again later.
    for (says, how) in [("hang", "retry"), ("close", "retry"), ("flood", "retry")] {
        let stuck = vec![GREET, offers, ("STARTTLS", says)];
        let (peer, network) = host(vec![stuck, clear.clone()]).await;
        let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
        assert_eq!(short(&attempt.outcome).0, how, "{says}: {attempt:?}");
        assert_eq!(peer.connections(), 1, "{says}");
    }
    // After it the handshake has failed, and nobody asks for TLS.
    let deaf = vec![GREET, offers, ("STARTTLS", "deaf220 go\r\n")];
    let closes = vec![GREET, offers, ("STARTTLS", "220 go\r\n"), ("", "close")];
    for stuck in [deaf, closes] {
        let (peer, network) = host(vec![stuck, good()]).await;
        let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
        assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
        assert!(attempt.secured.contains("since TLS failed"), "{attempt:?}");
        assert_eq!(peer.connections(), 2);
    }
}

/// The box's own certificate, as a server shows it.
pub(super) fn acceptor(folder: &Folder) -> TlsAcceptor {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let tls = folder.0.join("peer");
    Tls::open(&tls, names(), NOW).expect("made");
    let chain = CertificateDer::pem_file_iter(tls.join("host.pem")).expect("read");
    let chain = chain.collect::<Result<Vec<_>, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_file(tls.join("host.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate");
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn what_is_injected_behind_the_answer_to_starttls_is_thrown_away() {
    let folder = Folder::new();
    let mut script = vec![GREET, ("EHLO", "250-b.test\r\n250 STARTTLS\r\n")];
    // What an attacker on the way would like to be read under TLS: an answer to our next EHLO.
    script.push(("STARTTLS", "tls220 go\r\n250-b.test\r\n250 AUTH PLAIN\r\n"));
    script.extend([EHLO]);
    script.extend(rest_after_dots());
    let peer = Peer::start_with("127.0.0.1:0", vec![script], Some(acceptor(&folder))).await;
    let dns = Dns::start(b_test()).await;
    let network = network(&dns, peer.at.port());
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    assert!(attempt.secured.contains("TLSv1.3"), "{attempt:?}");
    // DSN was offered under TLS only, AUTH in the injected octets only.
    assert!(attempt.dsn, "{attempt:?}");
    let hellos = peer.heard().iter().filter(|line| line.starts_with("EHLO")).count();
    assert_eq!((peer.connections(), hellos), (1, 2), "{:?}", peer.heard());
}

#[tokio::test]
async fn who_is_greylisted_comes_again() {
    let grey = ("RCPT", "450 4.2.0 Greylisted, try again in 300 seconds\r\n");
    let first = vec![GREET, EHLO, ("MAIL", OK), grey, ("RSET", "close")];
    let (_peer, network) = host(vec![first, good()]).await;
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("retry", Some(450)), "{attempt:?}");
    // The first connection was kept, and turns out to be of no use: another is begun.
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
}

#[tokio::test]
async fn a_goodbye_in_the_middle_of_the_message_is_heard() {
    let mut script = vec![GREET, EHLO, ("MAIL", OK), ("RCPT", OK), ("DATA", "354 go\r\n")];
    script.push(("and more", "421 4.3.2 shutting down\r\n"));
    let (_peer, network) = host(vec![script]).await;
    let attempt = one(&network, large("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("retry", Some(421)), "{attempt:?}");
    assert!(why(&attempt).contains("no time for us"), "{attempt:?}");
}

#[tokio::test]
async fn who_asks_for_the_message_and_does_not_read_it_is_left() {
    let script = vec![GREET, EHLO, ("MAIL", OK), ("RCPT", OK), ("DATA", "deaf354 go\r\n")];
    let (_peer, network) = host(vec![script]).await;
    let began = Instant::now();
    let attempt = one(&network, large("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("retry", None), "{attempt:?}");
    assert!(why(&attempt).contains("takes nothing more"), "{attempt:?}");
    assert!(began.elapsed() < Duration::from_secs(30));
}

// ---- the next host ----

/// b.test with hosts at 127.0.0.1, .2, .3 in this order of preference.
async fn hosts(scripts: [Script; 3]) -> (Vec<Peer>, Arc<Network>) {
    let [first, second, third] = scripts;
    let one = Peer::start("127.0.0.1:0", vec![first]).await;
    let port = one.at.port();
    let two = Peer::start(&format!("127.0.0.2:{port}"), vec![second]).await;
    let three = Peer::start(&format!("127.0.0.3:{port}"), vec![third]).await;
    let mut records = Vec::new();
    let names = ["mx1.b.test", "mx2.b.test", "mx3.b.test"];
    for (number, name) in (1_u8..).zip(names) {
        records.push(("b.test", MX, mx(u16::from(number), name)));
        records.push((name, A, vec![127, 0, 0, number]));
    }
    let dns = Dns::start(records).await;
    let network = network(&dns, port);
    (vec![one, two, three], network)
}

fn called(peers: &[Peer]) -> Vec<usize> {
    peers.iter().map(Peer::connections).collect()
}

fn answering(rcpt: &'static str) -> Script {
    vec![GREET, EHLO, ("MAIL", OK), ("RCPT", rcpt), ("RCPT", rcpt)]
}

#[tokio::test]
async fn who_is_put_off_by_one_host_is_taken_by_the_next() {
    let later = "450 4.3.0 my disk is full\r\n";
    let (peers, network) = hosts([answering(later), good(), good()]).await;
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    assert_eq!(attempt.server, "mx2.b.test [127.0.0.2]");
    assert_eq!(called(&peers), [1, 1, 0]);
}

#[tokio::test]
async fn only_who_is_put_off_is_said_to_the_next_host() {
    let mut first = vec![GREET, EHLO, ("MAIL", OK), ("RCPT", OK)];
    first.push(("RCPT", "451 4.3.0 not now\r\n"));
    first.extend(rest_after_dots().split_off(2));
    let (peers, network) = hosts([first, good(), good()]).await;
    let attempts = deliver(&network, job("b.test", &["bob@b.test", "eve@b.test"])).await;
    let servers: Vec<&str> = attempts.iter().map(|attempt| attempt.server.as_str()).collect();
    assert_eq!(servers, ["mx1.b.test [127.0.0.1]", "mx2.b.test [127.0.0.2]"], "{attempts:?}");
    let heard = peers[1].heard();
    let said: Vec<_> = heard.iter().filter(|line| line.starts_with("RCPT")).collect();
    assert_eq!(said, ["RCPT TO:<eve@b.test>"]);
}

#[tokio::test]
async fn two_hosts_are_asked_and_no_more() {
    let later = "450 4.2.0 greylisted\r\n";
    let (peers, network) = hosts([answering(later), answering(later), good()]).await;
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("retry", Some(450)), "{attempt:?}");
    assert_eq!(called(&peers), [1, 1, 0]);
}

#[tokio::test]
async fn a_final_no_is_not_asked_again_and_neither_is_a_message_that_may_have_arrived() {
    let no = "550 5.1.1 no such person\r\n";
    let (peers, network) = hosts([answering(no), good(), good()]).await;
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("failed", Some(550)), "{attempt:?}");
    assert_eq!(called(&peers), [1, 0, 0]);

    let mut silent = good();
    let last = silent.len() - 1;
    silent[last].1 = "close";
    let (peers, network) = hosts([silent, good(), good()]).await;
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("retry", None), "{attempt:?}");
    assert_eq!(called(&peers), [1, 0, 0]);
}

#[tokio::test]
async fn when_the_next_host_cannot_be_reached_the_first_ones_words_stand() {
    let later = "450 4.3.0 my disk is full\r\n";
    let (peers, network) = hosts([answering(later), vec![("", "close")], good()]).await;
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    // The second came to nothing, the third took it.
    assert_eq!(short(&attempt.outcome), ("delivered", Some(250)), "{attempt:?}");
    assert_eq!(called(&peers), [1, 1, 1]);
    let down = || vec![("", "close")];
    let (_peers, network) = hosts([answering(later), down(), down()]).await;
    let attempt = one(&network, job("b.test", &["bob@b.test"])).await;
    assert_eq!(short(&attempt.outcome), ("retry", Some(450)), "{attempt:?}");
    assert_eq!(attempt.server, "mx1.b.test [127.0.0.1]");
}
