//! The example dialogues of the RFCs, played as they stand there.
//!
//! ```text
//! quiet / logged in    the greeting is not looked at / nor the log-in of mrose
//! locked / free        another session has the maildrop / no more
//! closed / left 2      the connection is over / so many messages are left
//! ```

use super::{Client, House, letter};
use crate::tests::dialogues::{Example, fits, play_file};
use std::collections::VecDeque;

#[test]
fn the_examples_of_rfc_1939() {
    let text = include_str!("../dialogues/rfc1939.txt");
    play_file("RFC 1939", text, (13, 3, 0), play);
}

#[test]
fn the_examples_of_rfc_2449() {
    let text = include_str!("../dialogues/rfc2449.txt");
    play_file("RFC 2449", text, (0, 2, 0), play);
}

#[test]
fn the_examples_of_rfc_6856() {
    let text = include_str!("../dialogues/rfc6856.txt");
    play_file("RFC 6856", text, (0, 0, 1), play);
}

fn play(example: &Example) {
    let house = House::with(&[letter(120), letter(200)]);
    let mut client = house.connect("127.0.0.1:40000", None);
    let mut heard: VecDeque<String> = lines(&mut client);
    let mut other = None;
    for line in &example.script {
        let at = format!("{} at {line}: {heard:?}", example.name);
        match line.split_once(':').map(|(mark, text)| (mark, text.trim_start_matches(' '))) {
            Some(("C", text)) => {
                assert!(heard.is_empty(), "{at}");
                client.send(format!("{text}\r\n").as_bytes());
                heard = lines(&mut client);
            }
            Some(("S", text)) => {
                let got = heard.pop_front().unwrap_or_else(|| panic!("{at}"));
                assert!(fits(text, &got), "{at}: {got}");
            }
            _ => match line.as_str() {
                "quiet" => heard.clear(),
                "logged in" => {
                    heard.clear();
                    client = house.logged_in();
                }
                "locked" => other = Some(house.logged_in()),
                "free" => drop(other.take()),
                "closed" => assert!(client.closed, "{at}"),
                _ => {
                    let left = line.strip_prefix("left ").expect("a line of a dialogue");
                    assert_eq!(house.uids().len().to_string(), left, "{at}");
                }
            },
        }
    }
    assert!(heard.is_empty(), "{}: not expected: {heard:?}", example.name);
}

fn lines(client: &mut Client<'_>) -> VecDeque<String> {
    client.take().split_terminator("\r\n").map(str::to_owned).collect()
}
