//! TLS: facts, injection, certificates replaced while connections stand.

use super::toy::{BOTH, Client, HOST, NOW, Server, Turn, handshake, names, until};
use crate::net::drive::Pace;
use crate::net::tls::Tls;
use std::time::Duration;
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn octets_sent_with_the_request_for_tls_are_thrown_away() {
    let server = Server::start(Turn::default());
    let mut client = server.call().await;
    // What an attacker on the way would inject, in the same packet as the real command.
    client.says("secure\r\necho injected\r\n").await;
    client.hears("ready").await;
    let socket = client.stream.into_inner();
    let mut client = Client::new(handshake(socket, &server.tls_folder(), BOTH).await);
    client.hears("secured TLSv1.3").await;
    client.says("echo mine\r\n").await;
    client.hears("mine").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ends_export_the_same_binding() {
    let server = Server::start(Turn::default());
    let mut client = server.call_secure().await;
    let (_, connection) = client.stream.get_ref().get_ref();
    let exporter = connection
        .export_keying_material([0_u8; 32], b"EXPORTER-Channel-Binding", None)
        .expect("exported");
    let leaf = connection.peer_certificates().expect("a certificate")[0].clone();
    let endpoint = ring::digest::digest(&ring::digest::SHA256, &leaf).as_ref().to_vec();
    client.says("facts\r\n").await;
    let facts = client.line().await;
    assert!(facts.contains(&format!("exporter: Some({exporter:?})")), "{facts}");
    assert!(facts.contains(&format!("endpoint: {endpoint:?}")), "{facts}");
    assert!(facts.contains("version: \"TLSv1.3\", cipher: \"TLS_AES_"), "{facts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_1_2_binds_to_the_certificate_alone() {
    let server = Server::start(Turn::default());
    let socket = TcpStream::connect(server.secure).await.expect("connected");
    let old = &[&rustls::version::TLS12];
    let mut client = Client::new(handshake(socket, &server.tls_folder(), old).await);
    client.hears("hello").await;
    client.says("facts\r\n").await;
    let facts = client.line().await;
    assert!(facts.contains("version: \"TLSv1.2\""), "{facts}");
    assert!(facts.contains("cipher: \"TLS_ECDHE_ECDSA_WITH_"), "{facts}");
    assert!(facts.contains("exporter: None"), "{facts}");
    assert!(!facts.contains("endpoint: []"), "{facts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let pace = Pace { handshake: Duration::from_millis(200), ..Pace::default() };
    let server = Server::start(Turn { pace, ..Turn::default() });
    let socket = TcpStream::connect(server.secure).await.expect("connected");
    until(|| server.gate.open() == 1).await;
    Client::new(socket).hears("").await;
    until(|| server.gate.open() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_are_not_tls_end_a_tls_connection_only() {
    let server = Server::start(Turn::default());
    let mut other = server.call_secure().await;
    let socket = TcpStream::connect(server.secure).await.expect("connected");
    let mut client = Client::new(socket);
    client.says("GET / HTTP/1.1\r\n\r\n").await;
    until(|| server.gate.open() == 1).await;
    other.says("echo x\r\n").await;
    other.hears("x").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_answer_crosses_tls_whole() {
    let server = Server::start(Turn::default());
    let mut client = server.call_secure().await;
    let text = "y".repeat(200_000);
    client.says(&format!("echo {text}\r\nagain 300\r\n")).await;
    client.hears(&text).await;
    for left in (0..300).rev() {
        client.hears(&format!("piece {left}")).await;
    }
}

/// The certificate that a new connection is shown.
async fn shown(server: &Server) -> Vec<u8> {
    let client = server.call_secure().await;
    let (_, connection) = client.stream.get_ref().get_ref();
    connection.peer_certificates().expect("a certificate")[0].to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_replaced_under_running_connections() {
    let server = Server::start(Turn::default());
    let folder = server.tls_folder();
    let mut running = server.call_secure().await;
    let first = shown(&server).await;
    server.tls.refresh(NOW);
    assert_eq!(shown(&server).await, first, "nothing changed, nothing is replaced");

    // The owner puts another in place.
    std::fs::remove_file(folder.join("host.pem")).expect("removed");
    Tls::open(&folder, names(), NOW + 5 * 24 * 3600).expect("another");
    server.tls.refresh(NOW);
    let second = shown(&server).await;
    assert_ne!(second, first);
    running.says("echo still\r\n").await;
    running.hears("still").await;

    // A certificate whose key does not fit is refused; the last good one stays.
    let key = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    std::fs::write(folder.join("host.key"), key).expect("written");
    server.tls.refresh(NOW);
    assert_eq!(shown(&server).await, second);
    std::fs::write(folder.join("host.pem"), "not a certificate").expect("written");
    server.tls.refresh(NOW);
    assert_eq!(shown(&server).await, second);
    assert!(crate::event::recent().iter().any(|line| line.contains("host.pem")));
    let fault = Tls::open(&folder, names(), NOW).err().expect("a broken file is not served");
    assert!(fault.to_string().contains("host.pem"), "{fault}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_not_ours_is_not_vouched_for() {
    let server = Server::start(Turn::default());
    let leaf = shown(&server).await;
    let text = String::from_utf8_lossy(&leaf);
    assert!(text.contains(HOST) && text.contains("localhost"));
    assert!(!text.contains("gmail.com"));
}
