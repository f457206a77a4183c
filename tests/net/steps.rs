//! Each step of a session, over a socket.

use super::toy::{Server, Turn, until};
use crate::limits;
use crate::net::drive::Pace;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_is_driven() {
    let mut server = Server::start(Turn::default());
    let mut client = server.call().await;
    client.says("echo one\r\n").await;
    client.hears("one").await;
    client.says("ask 41\r\n").await;
    client.hears("answer 42").await;
    assert_eq!(server.answered.recv().await, Some(41));
    client.says("pause 5\r\n").await;
    client.hears("go on").await;
    client.says("again 3\r\n").await;
    for piece in ["piece 2", "piece 1", "piece 0", "go on"] {
        client.hears(piece).await;
    }
    client.says("quit\r\n").await;
    client.hears("bye").await;
    client.hears("").await;
    until(|| server.gate.open() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_in_one_packet_are_answered_in_order_and_a_half_one_waits() {
    let server = Server::start(Turn::default());
    let mut client = server.call().await;
    client.says("echo a\r\nask 1\r\npause 1\r\nagain 1\r\necho b\r\nec").await;
    for line in ["a", "answer 2", "go on", "piece 0", "go on", "b"] {
        client.hears(line).await;
    }
    client.says("ho c\r\n").await;
    client.hears("c").await;
}

/// Two sessions that work without output on one thread: neither waits until the other has done all.
#[tokio::test(flavor = "current_thread")]
async fn work_without_output_takes_turns() {
    let server = Server::start(Turn::default());
    let (mut one, mut other) = (server.call().await, server.call().await);
    one.says("work 20\r\n").await;
    other.says("work 20\r\n").await;
    // The last of forty steps is done by the second; without turns the first ends with the 20th.
    let mut ends = [one.line().await, other.line().await];
    ends.sort();
    assert_eq!(ends[1], "worked 40");
    assert_ne!(ends[0], "worked 20");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_answer_is_preceded_by_what_was_said_before_it() {
    let mut server = Server::start(Turn::default());
    let mut client = server.call().await;
    client.says("echo first\r\nask 1000\r\n").await;
    client.hears("first").await;
    assert_eq!(server.asked.recv().await, Some(1000));
    server.let_go.notify_one();
    client.hears("answer 1001").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_answered_to_its_end_when_the_peer_is_gone() {
    let mut server = Server::start(Turn::default());
    let mut client = server.call().await;
    client.says("echo first\r\nask 1000\r\n").await;
    assert_eq!(server.asked.recv().await, Some(1000));
    // A reset, not an orderly end.
    let socket = nix::sys::socket::sockopt::Linger;
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    nix::sys::socket::setsockopt(client.stream.get_ref(), socket, &linger).expect("set");
    drop(client);
    server.let_go.notify_one();
    assert_eq!(server.answered.recv().await, Some(1000));
    until(|| server.gate.open() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_change_wakes_the_session_and_only_then() {
    let server = Server::start(Turn::default());
    let mut client = server.call().await;
    // Not watching yet: the change stays noted until it does.
    server.wake.notify_one();
    client.says("echo still\r\n").await;
    client.hears("still").await;
    client.says("watch\r\n").await;
    client.hears("watching").await;
    client.hears("woken").await;
    client.says("ec").await;
    server.wake.notify_one();
    client.hears("woken").await;
    client.says("ho x\r\n").await;
    client.hears("x").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_closed_peer_still_gets_its_answers() {
    let server = Server::start(Turn::default());
    let mut client = server.call().await;
    client.says("echo a\r\nask 1\r\nhalf").await;
    client.stream.get_mut().shutdown().await.expect("half closed");
    for line in ["a", "answer 2", "ended", ""] {
        client.hears(line).await;
    }
    until(|| server.gate.open() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_ends_in_a_time_out_and_a_dripped_line_buys_no_time() {
    let within = Duration::from_millis(400);
    let server = Server::start(Turn { within, ..Turn::default() });
    let mut silent = server.call().await;
    silent.hears("late").await;

    let mut dripping = server.call().await;
    let began = Instant::now();
    let (mut read, mut write) = tokio::io::split(dripping.stream);
    let drip = tokio::spawn(async move {
        while write.write_all(b"e").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut heard = Vec::new();
    let _ = read.read_to_end(&mut heard).await;
    assert_eq!(String::from_utf8_lossy(&heard), "late\r\n");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drip.abort();
    dripping = server.call().await;
    dripping.says("echo x\r\n").await;
    dripping.hears("x").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_reads_nothing_is_left() {
    let pace = Pace { write_stall: Duration::from_millis(200), ..Pace::default() };
    let server = Server::start(Turn { pace, ..Turn::default() });
    let mut client = server.call().await;
    client.says("flood\r\n").await;
    // The socket's buffers fill, then nothing moves: the server leaves while we hold on.
    until(|| server.gate.open() == 1).await;
    let left = async { until(|| server.gate.open() == 0).await };
    tokio::time::timeout(Duration::from_secs(10), left).await.expect("left");
    drop(client);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_session_does_not_take_is_bounded() {
    let server = Server::start(Turn::default());
    let mut client = server.call().await;
    // The toy waits for the end of a line that never comes.
    let piece = vec![b'e'; 64 * 1024];
    let mut sent = 0;
    while client.stream.write_all(&piece).await.is_ok() {
        sent += piece.len();
        assert!(sent < 64 * limits::INPUT_BUFFER_BYTES, "the server reads without bound");
    }
    until(|| server.gate.open() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_as_long_as_the_buffer_is_taken() {
    let server = Server::start(Turn::default());
    let mut client = server.call().await;
    let text = "x".repeat(limits::INPUT_BUFFER_BYTES - "echo \r\n".len());
    client.says(&format!("echo {text}\r\n")).await;
    client.hears(&text).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_ends_its_connection_and_no_other() {
    let server = Server::start(Turn::default());
    let mut other = server.call().await;
    let mut client = server.call().await;
    client.says("panic\r\n").await;
    client.hears("").await;
    other.says("echo still here\r\n").await;
    other.hears("still here").await;
    until(|| server.gate.open() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_is_ended_from_elsewhere_and_told_so() {
    let server = Server::start(Turn::default());
    let mut idle = server.call().await;
    server.shut.notify_one();
    idle.hears("stopping").await;
    until(|| server.gate.open() == 0).await;
    let mut other = server.call().await;
    other.says("echo still here\r\n").await;
    other.hears("still here").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_told_and_waits_for_an_answer_under_way() {
    let mut server = Server::start(Turn::default());
    let mut idle = server.call().await;
    let mut asking = server.call().await;
    let mut pausing = server.call().await;
    asking.says("ask 1000\r\n").await;
    assert_eq!(server.asked.recv().await, Some(1000));
    pausing.says("echo then\r\npause 60000\r\n").await;
    pausing.hears("then").await;
    server.stop.send(true).expect("sent");
    idle.hears("stopping").await;
    server.let_go.notify_one();
    asking.hears("answer 1001").await;
    asking.hears("stopping").await;
    pausing.hears("go on").await;
    pausing.hears("stopping").await;
    until(|| server.gate.open() == 0).await;
}

/// An answer may hold a turn to check a password: a peer that reads nothing must not keep it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_reads_nothing_holds_up_no_answer() {
    let mut server = Server::start(Turn::default());
    let mut client = server.call().await;
    client.says("heavy 1000\r\n").await;
    assert_eq!(server.asked.recv().await, Some(1000));
    // Only who waits already is let go: not an answer that has not begun to wait.
    let (let_go, mut answered) = (server.let_go.clone(), server.answered);
    until(|| {
        let_go.notify_waiters();
        answered.try_recv() == Ok(1000)
    })
    .await;
    drop(client);
}
