//! The example dialogues of the RFCs, played as they stand there.
//!
//! ```text
//! has NAME COUNT / smith …     the mailbox holds so many small messages / such a one
//! uidnext NAME VALIDITY NEXT   its UIDVALIDITY, and the uid that comes next
//! bare / fruit / foo / bars    no mailbox but INBOX / the mailboxes of RFC 5258's examples
//! quota OCTETS                 of the account
//! open clear / open tls        a new connection, not logged in; its greeting is to be heard
//! quiet COMMAND                client 1 says it, is answered OK, and nothing of it is looked at
//! act COMMAND                  the same by another client (client 4); L lines are its literal
//! long OCTETS                  a line of so many octets
//! many-flags COMMAND           the command with more keywords than a mailbox can have
//! \u{308}                      a character
//! ```

use super::runner::{Client, NOW, Stage, World, sized};
use crate::store::mailbox;
use crate::tests::dialogues::{Example, play_file};
use crate::wire::scram;

#[test]
fn the_examples_of_rfc_9051() {
    let text = include_str!("../dialogues/rfc9051.txt");
    play_file("RFC 9051", text, (71, 20, 17), play);
}

#[test]
fn the_examples_of_rfc_3501() {
    let text = include_str!("../dialogues/rfc3501.txt");
    play_file("RFC 3501", text, (27, 7, 1), play);
}

#[test]
fn the_examples_of_rfc_3502() {
    let text = include_str!("../dialogues/rfc3502.txt");
    play_file("RFC 3502", text, (1, 2, 0), play);
}

#[test]
fn the_examples_of_rfc_4315() {
    let text = include_str!("../dialogues/rfc4315.txt");
    play_file("RFC 4315", text, (1, 1, 0), play);
}

#[test]
fn the_examples_of_rfc_7162() {
    let text = include_str!("../dialogues/rfc7162.txt");
    play_file("RFC 7162", text, (28, 5, 4), play);
}

#[test]
fn the_examples_of_rfc_2177() {
    let text = include_str!("../dialogues/rfc2177.txt");
    play_file("RFC 2177", text, (1, 0, 0), play);
}

#[test]
fn the_examples_of_rfc_4731() {
    let text = include_str!("../dialogues/rfc4731.txt");
    play_file("RFC 4731", text, (4, 2, 0), play);
}

#[test]
fn the_examples_of_rfc_5161() {
    let text = include_str!("../dialogues/rfc5161.txt");
    play_file("RFC 5161", text, (1, 1, 0), play);
}

#[test]
fn the_examples_of_rfc_5182() {
    let text = include_str!("../dialogues/rfc5182.txt");
    play_file("RFC 5182", text, (9, 1, 0), play);
}

#[test]
fn the_examples_of_rfc_5819() {
    let text = include_str!("../dialogues/rfc5819.txt");
    play_file("RFC 5819", text, (1, 1, 0), play);
}

#[test]
fn the_examples_of_rfc_6154() {
    let text = include_str!("../dialogues/rfc6154.txt");
    play_file("RFC 6154", text, (2, 1, 1), play);
}

#[test]
fn the_examples_of_rfc_6851() {
    let text = include_str!("../dialogues/rfc6851.txt");
    play_file("RFC 6851", text, (1, 0, 0), play);
}

#[test]
fn the_examples_of_rfc_9208() {
    let text = include_str!("../dialogues/rfc9208.txt");
    play_file("RFC 9208", text, (2, 3, 2), play);
}

#[test]
fn the_examples_of_rfc_5032() {
    let text = include_str!("../dialogues/rfc5032.txt");
    play_file("RFC 5032", text, (1, 0, 0), play);
}

#[test]
fn the_examples_of_rfc_8438() {
    let text = include_str!("../dialogues/rfc8438.txt");
    play_file("RFC 8438", text, (2, 0, 0), play);
}

/// Each in a world of its own.
fn play(example: &Example) {
    scram::NONCE.set(Some("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"));
    let mut world = World::new();
    let script: Vec<String> = example.script.iter().map(|line| unescaped(line)).collect();
    let lines: Vec<&str> = script.iter().map(String::as_str).collect();
    world.login_broken = lines.contains(&"broken store");
    let mut clients: Vec<Option<Client>> = (0..4).map(|_| None).collect();
    let mut stage = Stage::new(&world, &mut clients, &example.name);
    let mut number = 0;
    while let Some(line) = lines.get(number) {
        let rest = lines.get(number + 1..).unwrap_or_default();
        number += 1;
        let (word, text) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "open" => {
                stage.clients[0] = Some(Client::new(&world, text == "tls", false));
                stage.listen(0);
            }
            "quiet" => quiet(&mut stage, 0, text, &[]),
            "act" => {
                let literal = rest.iter().take_while(|l| l.starts_with("L:")).count();
                quiet(&mut stage, 3, text, rest.get(..literal).unwrap_or_default());
                number += literal;
            }
            "long" => stage.say(0, &format!("{}\r\n", "x".repeat(text.parse().expect("octets")))),
            "many-flags" => {
                let flags: Vec<String> = (0..300).map(|n| format!("k{n}")).collect();
                stage.say(0, &format!("{text} {}\r\n", flags.join(" ")));
            }
            "broken" => {}
            _ if line.contains(": ") || line.ends_with(':') => stage.line(line, rest),
            "wake" | "time" | "stop" | "closed" => stage.line(line, rest),
            _ => hold(&world, word, text),
        }
    }
    stage.end();
}

fn quiet(stage: &mut Stage, who: usize, command: &str, literal: &[&str]) {
    let world_line = sized(&format!("q {command}"), literal);
    let mut text = format!("{world_line}\r\n");
    for line in literal {
        text.push_str(line.strip_prefix("L: ").unwrap_or_default());
        text.push_str("\r\n");
    }
    if !literal.is_empty() {
        text.push_str("\r\n");
    }
    let heard = stage.ask(who, &text);
    assert!(heard.contains("\r\nq OK") || heard.starts_with("q OK"), "{command}: {heard}");
}

fn unescaped(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\\u{") {
        let (digits, behind) = after.split_once('}').expect("a character");
        let value = u32::from_str_radix(digits, 16).expect("hexadecimal digits");
        out.push_str(before);
        out.push(char::from_u32(value).expect("a character"));
        rest = behind;
    }
    out + rest
}

/// What the store holds.
fn hold(world: &World, word: &str, text: &str) {
    let fields: Vec<&str> = text.split(' ').filter(|field| !field.is_empty()).collect();
    let from = |who: &str| format!("From: {who}\r\nSubject: x\r\n\r\nhello\r\n").into_bytes();
    let put = |raw: &[u8]| {
        world.add("INBOX", raw, &[], NOW);
    };
    match (word, fields.as_slice()) {
        ("has", [name, count]) => has(world, name, count.parse().expect("a count")),
        ("uidnext", [name, validity, next]) => {
            let number = |text: &&str| text.parse().expect("a number");
            age(world, name, number(validity), number(next));
        }
        ("quota", [octets]) => world.quota(octets.parse().expect("octets")),
        ("smith", []) => put(&from("Smith <smith@example.org>")),
        ("eric", []) => put(&from("Eric <eric@example.org>")),
        ("maria", []) => put(&from("maria@example.com")),
        ("mother", []) => {
            put("Content-Type: text/plain; charset=utf-8\r\n\r\nмать\r\n".as_bytes());
        }
        ("eleven", []) => {
            for n in 1..=11 {
                let who = if (3..5).contains(&n) { "Smith <s@x.test>" } else { "bob@office.test" };
                let raw = format!("From: {who}\r\nSubject: {n}\r\n\r\nhello\r\n");
                let flagged = matches!(n, 2..=4 | 10..=11);
                let flags: &[&str] = if flagged { &["\\Flagged"] } else { &[] };
                world.add("INBOX", raw.as_bytes(), flags, NOW);
            }
        }
        ("bare", []) => names(world, &[], &[]),
        ("fruit", []) => names(
            world,
            &["Fruit", "Fruit/Apple", "Fruit/Banana", "Tofu", "Vegetable/Broccoli"],
            &["INBOX", "Fruit/Banana", "Fruit/Peach", "Vegetable", "Vegetable/Broccoli"],
        ),
        ("foo", []) => names(world, &["Foo", "Foo/Bar", "Foo/Baz", "Moo"], &[]),
        ("bars", []) => bars(world),
        _ => panic!("not a line of a dialogue: {word} {text}"),
    }
}

fn has(world: &World, name: &str, count: u32) {
    if count == 0 {
        let (alice, name) = (world.alice, name.to_owned());
        let made = world
            .store
            .write_blocking(move |batch| mailbox::create(batch, alice, &name, "", NOW).map(drop));
        made.expect("a new mailbox");
    }
    world.fill(name, count);
}

fn age(world: &World, name: &str, uidvalidity: u32, uidnext: u32) {
    let (alice, name) = (world.alice, name.to_owned());
    let aged = world.store.write_blocking(move |batch| {
        let found = mailbox::by_name(batch, alice, &name)?.expect("a mailbox");
        mailbox::age(batch, alice, found.id, uidvalidity, uidnext)
    });
    aged.expect("aged");
}

/// No mailbox but INBOX and these, and no other subscription.
fn names(world: &World, there: &'static [&str], subscribed: &'static [&str]) {
    let alice = world.alice;
    let done = world.store.write_blocking(move |batch| {
        for name in mailbox::subscriptions(batch, alice)? {
            mailbox::unsubscribe(batch, alice, &name)?;
        }
        for (_, name) in mailbox::names(batch, alice)? {
            if !name.special_use.is_empty() {
                mailbox::delete(batch, alice, &name.name)?;
            }
        }
        for name in there {
            mailbox::create(batch, alice, name, "", NOW)?;
        }
        for name in subscribed {
            mailbox::subscribe(batch, alice, name)?;
        }
        Ok(())
    });
    done.expect("names");
    if there.contains(&"Vegetable/Broccoli") {
        world.fill("Vegetable/Corn", 1);
    }
}

/// RFC 9051 6.3.9.8, example 8; "qux2" is only a level.
fn bars(world: &World) {
    const THERE: [&str; 9] = [
        "foo2/bar1",
        "foo2/bar2",
        "baz2/bar2",
        "baz2/bar22",
        "baz2/bar222",
        "eps2",
        "eps2/mamba",
        "qux2",
        "qux2/bar2",
    ];
    const SUBSCRIBED: [&str; 8] = [
        "foo2/bar1",
        "foo2/bar2",
        "baz2/bar2",
        "baz2/bar22",
        "baz2/bar222",
        "eps2",
        "eps2/mamba",
        "qux2/bar2",
    ];
    names(world, &THERE, &SUBSCRIBED);
    let alice = world.alice;
    let gone = world.store.write_blocking(move |batch| mailbox::delete(batch, alice, "qux2"));
    gone.expect("a level");
}
