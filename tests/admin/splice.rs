//! The way of a request through TLS and the splice to a page and back, and what does not get
//! through.

use super::stage::World;
use crate::admin::{self, Pages};
use crate::limits;
use crate::net::listen::{Door, Gate};
use crate::net::splice::{Register, Splice, WebPace};
use crate::tests::net::toy::{BOTH, handshake};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// The pages behind a door, as `units` serves them.
struct Served {
    at: SocketAddr,
    inward: SocketAddr,
    gate: Gate,
    stop: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
    _pages: Pages,
    world: World,
}

const ROOMY: Duration = Duration::from_secs(60);

fn pace() -> WebPace {
    WebPace { handshake: ROOMY, idle: ROOMY, head: ROOMY, stall: ROOMY, body: ROOMY, reply: ROOMY }
}

async fn serve(pace: WebPace, tls: bool) -> Served {
    let world = World::owned();
    let register = Register::default();
    let pages = admin::start(&world.house, &register).expect("pages");
    let inward = pages.at();
    let (stop, stopping) = watch::channel(false);
    let splice = Splice {
        pages: inward,
        register,
        allowance: admin::allowance(&world.house),
        pace,
        tls: world.house.tls.clone(),
    };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let door = Door::bind("https", any, tls, 3).expect("a door");
    let at = door.at().expect("an address");
    let gate = Gate::new(10, 3);
    let held = gate.clone();
    let serving = tokio::spawn(async move { splice.serve(&door, &held, stopping).await });
    Served { at, inward, gate, stop, serving, _pages: pages, world }
}

impl Served {
    async fn plain(&self) -> TcpStream {
        TcpStream::connect(self.at).await.expect("a connection")
    }
}

/// Sends octets and reads until the other side closes.
async fn talk(mut stream: TcpStream, octets: &[u8]) -> String {
    let _ = stream.write_all(octets).await;
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    String::from_utf8_lossy(&reply).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_one_connection_are_answered_one_after_the_other_under_tls() {
    let served = serve(pace(), true).await;
    let folder = served.world.house.data.join("tls");
    let mut stream = handshake(served.plain().await, &folder, BOTH).await;
    // Three at once, the second with a body and without a page.
    let get = "GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    let post = "POST /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nGET /";
    let last = "HEAD /login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    stream.write_all(format!("{get}{post}{last}").as_bytes()).await.expect("sent");
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    let reply = String::from_utf8_lossy(&reply).into_owned();
    assert_eq!(reply.matches("HTTP/1.1 200").count(), 2, "{reply}");
    assert_eq!(reply.matches("HTTP/1.1 404").count(), 1, "{reply}");
    assert_eq!(reply.matches("</html>").count(), 1, "a HEAD has no body: {reply}");
    assert!(!reply.to_lowercase().contains("tiny-http"), "{reply}");
    assert!(reply.contains("Set-Cookie: __Host-mailroom="), "{reply}");
    drop(served);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_to_the_loopback_port_by_another_way_is_refused() {
    let served = serve(pace(), false).await;
    let stream = TcpStream::connect(served.inward).await.expect("a connection");
    let request = b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    let reply = talk(stream, request).await;
    assert!(reply.starts_with("HTTP/1.1 403"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_readers_could_take_differently_gets_no_further() {
    let served = serve(pace(), false).await;
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(limits::WEB_HEAD_BYTES));
    let far = format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(limits::WEB_TARGET_BYTES));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(limits::WEB_HEADERS + 1));
    let large = limits::WEB_BODY_BYTES + 1;
    let large = format!("POST /login HTTP/1.1\r\nContent-Length: {large}\r\n\r\n");
    let cases = [
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400"),
        ("POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc", "400"),
        ("POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\nabc", "400"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "411"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"),
        ("GET http://other/ HTTP/1.1\r\n\r\n", "400"),
        ("GET  / HTTP/1.1\r\n\r\n", "400"),
        ("GET /\u{e9} HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\n folded: x\r\n\r\n", "400"),
        ("SSH-2.0-OpenSSH_9\r\n\r\n", "400"),
        ("GET /a HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", "413"),
        (&long, "431"),
        (&far, "414"),
        (&many, "431"),
        (&large, "413"),
    ];
    for (request, status) in cases {
        let reply = talk(served.plain().await, request.as_bytes()).await;
        let start = request.chars().take(60).collect::<String>();
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{start:?}: {reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_let_go() {
    let quick = Duration::from_millis(50);
    let silent = serve(WebPace { idle: quick, ..pace() }, false).await;
    assert_eq!(talk(silent.plain().await, b"").await, "", "who says nothing is told nothing");
    let head = serve(WebPace { head: quick, ..pace() }, false).await;
    let reply = talk(head.plain().await, b"GET / HTTP/1.1\r\nHost: x").await;
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    let body = serve(WebPace { stall: quick, ..pace() }, false).await;
    let half = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf";
    let reply = talk(body.plain().await, half).await;
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    let deaf = serve(WebPace { handshake: quick, ..pace() }, true).await;
    assert_eq!(talk(deaf.plain().await, b"").await, "", "no handshake");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_holds_no_more_than_its_share_and_a_stop_ends_all() {
    let served = serve(pace(), false).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = served.plain().await;
        let request = b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        stream.write_all(request).await.expect("sent");
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.expect("a reply");
        held.push(stream);
    }
    assert_eq!(talk(served.plain().await, b"GET / HTTP/1.1\r\n\r\n").await, "");
    assert_eq!(served.gate.open(), 3);
    served.stop.send(true).expect("heard");
    served.serving.await.expect("no panic").expect("no failure");
    for mut stream in held {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }
}
