//! Limits, chunking, pipelining, ends of connections, odd messages.

use super::{House, letter, tls};
use crate::limits::{LOGIN_FAILURES_PER_CONNECTION, POP3_ERRORS, POP3_LINE_BYTES, SASL_LINE_BYTES};
use crate::session::{Input, Session, Step};
use crate::store::{Batch, account};
use crate::tests::store::ALICE;
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn no_password_crosses_in_clear() {
    let house = House::with(&[]);
    let mut client = house.client_from("127.0.0.2:1", None);
    assert!(!client.says("CAPA\r\n", "+OK").contains("USER"));
    client.says("USER mrose\r\n", "-ERR");
    client.says("PASS secret\r\n", "-ERR");
    client.says("AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=\r\n", "-ERR");
    client.says("STLS\r\nUSER mrose\r\nPASS secret\r\n", "+OK");
    client.says("NOOP\r\n", "-ERR");
    client.says("USER mrose\r\nPASS secret\r\n", "+OK");
    client.says("NOOP\r\n", "+OK");
    let mut client = house.client_from("127.0.0.2:1", Some(tls()));
    let capa = client.says("CAPA\r\n", "+OK");
    assert!(capa.contains("USER") && !capa.contains("STLS"));
    client.says("STLS\r\n", "-ERR");
}

#[test]
fn a_suspended_person_reads_no_further() {
    let house = House::with(&[letter(100)]);
    let mut client = house.logged_in();
    client.says("STAT\r\n", "+OK 1 100");
    let suspend = |batch: &mut Batch| {
        account::update(batch, ALICE, &mut |account| {
            account.suspended = true;
            Ok(())
        })
    };
    house.office.store.write_blocking(suspend).expect("suspended");
    client.says("RETR 1\r\n", "-ERR [SYS/PERM]");
    assert!(client.closed);
}

#[test]
fn a_session_ends_with_the_password_that_began_it() {
    let house = House::with(&[letter(100)]);
    let store = &house.office.store;
    crate::tests::store::set_password(store, ALICE, 1);
    let mut client = house.logged_in();
    client.says("STAT\r\n", "+OK 1 100");
    crate::tests::store::set_password(store, ALICE, 2);
    client.says("RETR 1\r\n", "-ERR [SYS/PERM]");
    assert!(client.closed);
    drop(client);
    house.logged_in().says("STAT\r\n", "+OK 1 100");
}

#[test]
fn wrong_passwords_wait_and_too_many_end_the_connection() {
    let house = House::with(&[]);
    let mut client = house.client();
    for _ in 0..LOGIN_FAILURES_PER_CONNECTION {
        assert!(!client.closed);
        client.says("USER mrose\r\nPASS wrong\r\n", "+OK");
    }
    assert!(client.closed);
    assert_eq!(client.waited, Duration::from_secs(2 * LOGIN_FAILURES_PER_CONNECTION as u64));
}

#[test]
fn a_person_with_too_many_connections_hears_so() {
    let house = House::with(&[]);
    let mut client = house.client();
    client.says("USER eve\r\n", "+OK");
    client.says("PASS any\r\n", "-ERR [SYS/TEMP] Too many connections of this account are open,");
    client.says("USER mrose\r\n", "+OK");
    client.says("PASS secret\r\n", "+OK");
}

#[test]
fn too_many_wrong_commands_end_the_connection() {
    let house = House::with(&[]);
    let mut client = house.client();
    for line in
        ["XYZ", "", "USER", "RETR 1", "TOP", "\u{1}", "PASS x"].iter().cycle().take(POP3_ERRORS)
    {
        assert!(!client.closed);
        client.says(&format!("{line}\r\n"), "-ERR");
    }
    assert!(client.closed);
}

#[test]
fn lines_at_above_and_far_above_the_limit() {
    let house = House::with(&[]);
    let mut client = house.client();
    let noop = |octets: usize| format!("USER {}\r\n", "x".repeat(octets - 7));
    client.says(&noop(POP3_LINE_BYTES), "+OK");
    client.says(&noop(POP3_LINE_BYTES + 1), "-ERR The line is too long");
    client.says(&noop(POP3_LINE_BYTES * 1_000), "-ERR The line is too long");
    client.send(&vec![b'x'; 1 << 20]);
    assert!(client.buffer.is_empty() && client.take().is_empty(), "an endless line is not kept");
    client.says("\r\n", "-ERR The line is too long");
    client.says("AUTH PLAIN\r\n", "+ ");
    client.says(&format!("{}\r\n", "A".repeat(SASL_LINE_BYTES - 2)), "-ERR");
    client.says("AUTH PLAIN\r\n", "+ ");
    client.says(&format!("{}\r\n", "A".repeat(SASL_LINE_BYTES)), "-ERR The line is too long");
    client.says("USER x\r\n", "+OK");
}

#[test]
fn numbers_out_of_range_are_errors() {
    let house = House::with(&[letter(100)]);
    let mut client = house.logged_in();
    for line in ["LIST 0", "RETR -1", "DELE 4294967296", "TOP 1", "TOP 1 x", "RETR +1", "UIDL 1 2"]
    {
        client.says(&format!("{line}\r\n"), "-ERR");
    }
    let all = client.says("TOP 1 99999999999999999999999\r\n", "+OK");
    assert!(all.ends_with("x\r\n.\r\n"));
}

#[test]
fn a_connection_that_ends_without_quit_deletes_nothing() {
    let house = House::with(&[letter(100), letter(100)]);
    let mut client = house.logged_in();
    client.says("DELE 1\r\n", "+OK");
    client.end();
    drop(client);
    let mut client = house.logged_in();
    client.says("DELE 2\r\nQUI", "+OK");
    client.end();
    drop(client);
    let mut client = house.logged_in();
    client.says("DELE 2\r\n", "+OK");
    let mut out = Vec::new();
    assert!(matches!(client.session.step(Input::TimedOut, &mut out), Step::Close));
    assert!(out.is_empty(), "an autologout says nothing");
    drop(client);
    assert_eq!(house.uids(), [1, 2]);
    let mut client = house.logged_in();
    client.says("DELE 2\r\nQUIT\r\n", "+OK");
    assert!(client.closed);
    assert_eq!(house.uids(), [1]);
}

#[test]
fn unique_ids_stay_and_are_never_given_twice() {
    let house = House::with(&[letter(100), letter(101)]);
    let ids = |house: &House| house.logged_in().says("UIDL\r\n", "+OK");
    let before = ids(&house);
    assert_eq!(before, ids(&house));
    let second =
        before.lines().nth(2).and_then(|l| l.split(' ').nth(1)).expect("an id").to_string();
    assert!((1..=70).contains(&second.len()) && second.bytes().all(|b| b.is_ascii_graphic()));
    house.expunge(2);
    house.deliver(&[letter(102)]);
    assert!(!ids(&house).contains(&second));
}

#[test]
fn a_message_that_another_session_removed_is_an_error() {
    let house = House::with(&[letter(100), letter(100)]);
    let mut client = house.logged_in();
    house.expunge(1);
    client.says("RETR 1\r\n", "-ERR");
    client.says("RETR 2\r\n", "+OK");
    client.says("DELE 1\r\nDELE 2\r\nQUIT\r\n", "+OK");
    assert!(house.uids().is_empty());
}

#[test]
fn dots_are_stuffed_and_long_messages_come_in_pieces() {
    let mut raw = b".Subject: dots\r\n\r\n".to_vec();
    for i in 0..200_000 {
        raw.extend(format!(".{i}\r\n..\r\nx.\r\n").into_bytes());
    }
    raw.extend(vec![b'.'; 300_000]);
    let house = House::with(&[raw.clone()]);
    let mut client = house.logged_in();
    client.send(b"RETR 1\r\n");
    let said = std::mem::take(&mut client.said);
    let body = &said[said.iter().position(|&b| b == b'\n').expect("a line") + 1..];
    let mut got = Vec::new();
    for line in body.split_inclusive(|&b| b == b'\n') {
        got.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    raw.extend(b"\r\n\r\n");
    assert!(got == raw, "what was sent is what was stored, with a last line end");
    let top = client.says("TOP 1 2\r\n", "+OK");
    assert!(top.ends_with("\r\n..Subject: dots\r\n\r\n..0\r\n...\r\n.\r\n"), "{top:?}");
}

#[test]
fn headers_are_ascii_until_the_client_says_utf8() {
    let raw = "Subject: né à\r\nFrom: Jörg <j@x>\r\n\r\nbödy\r\n".as_bytes().to_vec();
    let house = House::with(&[raw]);
    let plain = house.logged_in().says("RETR 1\r\n", "+OK");
    assert!(plain.contains("Subject: =?UTF-8?B?bsOp?= =?UTF-8?B?w6A=?=\r\n"), "{plain}");
    assert!(plain.contains("From: =?UTF-8?B?SsO2cmc=?= <j@x>\r\n\r\nbödy\r\n"), "{plain}");
    let mut client = house.client();
    client.says("UTF8\r\nUSER mrose\r\nPASS secret\r\n", "+OK");
    assert!(client.says("RETR 1\r\n", "+OK").contains("Subject: né à\r\nFrom: Jörg"));
}

#[test]
fn a_large_maildrop_is_listed_in_pieces() {
    let house = House::with(&vec![letter(60); 4_500]);
    let mut client = house.logged_in();
    let list = client.says("LIST\r\nUIDL\r\nSTAT\r\n", "+OK");
    assert_eq!(list.lines().count(), 2 * 4_502 + 1);
    assert!(list.ends_with("+OK 4500 270000\r\n"));
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1usize..40, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    /// A session hears the same however the network cuts what was said.
    #[test]
    fn any_cut_of_the_input_gives_the_same_replies(cuts in cuts()) {
        const SAID: &[u8] = b"CAPA\r\nAUTH PLAIN\r\ndGVzdAB0ZXN0AHRlc3Q=\r\nSTAT\r\nLIST\r\n\
            RETR 1\r\n\
            TOP 2 1\r\nDELE 2\r\nXYZ\r\nUIDL\nRSET\r\nNOOP\r\nQUIT\r\n";
        let house = House::with(&[letter(120), letter(200)]);
        let whole = {
            let mut client = house.client();
            client.send(SAID);
            client.take()
        };
        let mut client = house.client();
        let (mut rest, mut cuts) = (SAID, cuts.into_iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
            client.send(now);
            rest = later;
        }
        prop_assert_eq!(client.take(), whole);
        prop_assert!(client.closed);
    }

    #[test]
    fn any_octets_are_answered_in_lines(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let house = House::with(&[]);
        let mut client = house.client();
        client.send(&octets);
        let said = client.take();
        let fine = said.lines().all(|l| l.starts_with("+OK") || l.starts_with("-ERR"));
        prop_assert!(fine, "{}", said);
    }
}

/// QUIT: who reads the reply may come back at once, so the maildrop is free before it is said.
#[test]
fn the_maildrop_is_given_back_before_the_reply_to_quit() {
    let house = House::with(&[letter(120)]);
    let mut client = house.logged_in();
    client.buffer.extend_from_slice(b"DELE 1\r\n");
    client.drive(false);
    client.take();
    client.buffer.extend_from_slice(b"QUIT\r\n");
    let mut out = Vec::new();
    let Step::Ask(ask) = client.session.step(Input::Bytes(&mut client.buffer), &mut out) else {
        panic!("QUIT asks for the deletion")
    };
    let answer = client.answer(ask);
    assert!(out.is_empty(), "nothing is said before it is done");
    // The reply is not made yet, and another session has the maildrop already.
    let mut next = house.logged_in();
    next.says("STAT\r\n", "+OK 0 0");
    client.session.step(Input::Answer(answer), &mut out);
    assert!(out.starts_with(b"+OK"));
    // Nor does the end of the first session take the lock from the second.
    drop(client);
    let mut third = house.client();
    third.says("USER mrose\r\n", "+OK");
    third.says("PASS secret\r\n", "-ERR [IN-USE]");
}
