//! The example dialogues of the RFCs, played as they stand there.
//!
//! ```text
//! people a@foo.com …   who is at home here; their domains are ours
//! host xyz.com         the name of this server; else foo.com
//! HELLO                what EHLO offers is not looked at
//! to a@foo.com …       whom the last message was delivered to
//! closed               the connection is over
//! ```

use super::stage::{BUDGET, Table, Talk, noon};
use crate::smtp::Setting;
use crate::tests::dialogues::{Example, fits, play_file};
use crate::wire::smtp::Budget;
use std::collections::VecDeque;

#[test]
fn the_examples_of_rfc_5321() {
    let text = include_str!("../dialogues/rfc5321.txt");
    play_file("RFC 5321", text, (6, 5, 2), play);
}

#[test]
fn the_examples_of_rfc_3030() {
    let text = include_str!("../dialogues/rfc3030.txt");
    play_file("RFC 3030", text, (1, 0, 1), play);
}

fn play(example: &Example) {
    let told = |word: &str| example.script.iter().find_map(|line| line.strip_prefix(word));
    let people: Vec<&str> = told("people ").unwrap_or_default().split(' ').collect();
    let host = told("host ").unwrap_or("foo.com");
    let setting = Setting::mx(host, Budget::new(BUDGET), noon);
    let mut talk = Talk::silent(setting, Table::of(&people));
    let mut heard: VecDeque<String> = lines(&talk.replies());
    // What is said behind the greeting waits for it only if it is looked at.
    if !example.script.iter().any(|line| line.starts_with("S: 220 ")) {
        heard.clear();
    }
    let mut said = String::new();
    for line in &example.script {
        if let Some(text) = line.strip_prefix("C:") {
            said.push_str(text.strip_prefix(' ').unwrap_or(text));
            said.push_str("\r\n");
            continue;
        }
        let at = format!("{} at {line}: {heard:?}", example.name);
        if !said.is_empty() {
            assert!(heard.is_empty(), "{at}");
            heard = lines(&talk.send(std::mem::take(&mut said).as_bytes()));
        }
        let (word, text) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "S:" => {
                let got = heard.pop_front().unwrap_or_else(|| panic!("{at}"));
                assert!(fits(text, &got), "{at}: {got}");
            }
            "HELLO" => {
                let offered = heard.iter().take_while(|line| line.starts_with("250-")).count();
                assert!(offered > 5, "{at}");
                drop(heard.drain(..=offered));
            }
            "to" => {
                let arrived = talk.machine.received.last().expect("a message");
                let to = arrived.recipients.iter().map(|r| r.to.to_string());
                assert_eq!(to.collect::<Vec<_>>().join(" "), text, "{at}");
            }
            "closed" => assert!(talk.closed, "{at}"),
            "people" | "host" => {}
            _ => panic!("{}: not a line of a dialogue: {line}", example.name),
        }
    }
    assert!(heard.is_empty(), "{}: not expected: {heard:?}", example.name);
}

fn lines(replies: &str) -> VecDeque<String> {
    replies.lines().map(str::to_owned).collect()
}
