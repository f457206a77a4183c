//! The menu of the console: what is typed, and what comes of it.

use crate::limits;
use crate::request::DeviceId;
use crate::system::init::reset::asked::Level;
use crate::system::menu::{Act, Came, Menu, Resets};
use proptest::prelude::*;
use std::time::Duration;

const RESETS: Resets =
    Resets { possible: true, device: Some(DeviceId(0x1A2B_3C4D)), lost: false, old_copy: false };

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Types it; what came of the last key.
fn typed(menu: &mut Menu, text: &str, resets: Resets) -> Option<Came> {
    text.bytes().map(|octet| menu.key(octet, seconds(5), resets)).last().flatten()
}

/// Types it into a menu that is closed, line by line; the act that it ends in.
fn act(text: &str) -> Option<Act> {
    let mut menu = Menu::default();
    let mut acts = Vec::new();
    for octet in text.bytes() {
        acts.extend(menu.key(octet, seconds(5), RESETS).and_then(|came| came.act));
    }
    assert!(acts.len() <= 1, "{text:?}: {acts:?}");
    acts.pop()
}

#[test]
fn each_choice_does_what_it_says() {
    for (text, wanted) in [
        ("\n1\n", Some(Act::Restart)),
        ("\r1\r", Some(Act::Restart)),
        ("\r\n2\r\n", Some(Act::Off)),
        ("x\n5\n", Some(Act::Show)),
        ("\n3\nyes\n", Some(Act::Reset(Level::Passwords))),
        ("\n3\nYES\n", Some(Act::Reset(Level::Passwords))),
        ("\n4\n1a2b-3c4d\n", Some(Act::Reset(Level::Everything))),
        ("\n4\n 1A2B3C4D \n", Some(Act::Reset(Level::Everything))),
        ("\n4\n1a2b-3c4x\x7fd\n", Some(Act::Reset(Level::Everything))),
        // Nothing of it is done by half.
        ("1", None),
        ("1\n", None),
        ("\n1", None),
        ("\n\n1\n", None),
        ("\n3\n", None),
        ("\n3\n\n", None),
        ("\n3\nno\n", None),
        ("\n3\nyes", None),
        ("\n4\n", None),
        ("\n4\nyes\n", None),
        ("\n4\n1a2b-3c4e\n", None),
        ("\n4\n1a2b-3c4\n", None),
        ("\n7\n", None),
        ("\n11\n", None),
    ] {
        assert_eq!(act(text), wanted, "{text:?}");
    }
}

#[test]
fn it_says_what_can_be_typed_and_what_came_of_it() {
    let mut menu = Menu::default();
    let lines = typed(&mut menu, "\n", RESETS).expect("it opens").lines;
    assert!(lines.len() == 6 && lines[0].starts_with("1  restart"), "{lines:?}");
    let sure = typed(&mut menu, "3\n", RESETS).expect("it asks").lines.join(" ");
    assert!(sure.contains("Type yes") && sure.contains("passwords of their mail stay"), "{sure}");
    let no = typed(&mut menu, "no\n", RESETS).expect("it closes");
    assert_eq!(no.lines, ["That was not yes. Nothing is reset."]);
    typed(&mut menu, "\n4\n", RESETS);
    let other = typed(&mut menu, "FFFF-FFFF\n", RESETS).expect("it closes");
    assert_eq!(other.lines, ["That was not the id of this device. Nothing is reset."]);
    assert_eq!(other.act, None);
    // Where the data partition is not in use nothing can be reset; the rest can be done.
    for resets in [Resets { possible: false, ..RESETS }, Resets { device: None, ..RESETS }] {
        for choice in ["\n3\n", "\n4\n"] {
            let came = typed(&mut menu, choice, resets).expect("it says why not");
            assert!(came.lines[0].contains("cannot be written") && came.act.is_none());
        }
        let came = typed(&mut menu, "\n1\n", resets).expect("it ends");
        assert_eq!(came.act, Some(Act::Restart));
    }
    // Every line fits a screen.
    let mut all = Vec::new();
    for text in ["\n", "3\n", "x\n", "\n", "4\n", "x\n", "\n", "1\n", "\n", "9\n"] {
        all.extend(typed(&mut menu, text, RESETS).map(|came| came.lines).unwrap_or_default());
    }
    for line in all {
        assert!(line.len() <= 80, "{line}");
    }
}

#[test]
fn a_minute_without_a_key_closes_it() {
    let mut menu = Menu::default();
    assert!(!menu.is_over(seconds(1_000)), "it is closed");
    for opened in ["\n", "\n3\n", "\n4\n1A2B"] {
        typed(&mut menu, opened, RESETS);
        assert!(!menu.is_over(seconds(5) + limits::MENU_OPEN - seconds(1)));
        assert!(menu.is_over(seconds(5) + limits::MENU_OPEN));
        assert!(!menu.is_over(seconds(900)), "once");
        // What was typed before counts no more.
        assert_eq!(typed(&mut menu, "-3C4D\n", RESETS), None);
        assert_eq!(typed(&mut menu, "yes\n", RESETS), None);
    }
    // Last words go as well.
    typed(&mut menu, "\n9\n", RESETS);
    assert!(menu.is_over(seconds(70)));
}

/// A device at the serial port that talks by itself, or gives back what the box says.
#[test]
fn what_is_no_person_does_not_open_it_and_an_echo_ends() {
    for noise in ["$GPGGA,092750.000,5321.6802\r\n", "login: \n", "AT\n", "123\n"] {
        let mut menu = Menu::default();
        for _ in 0..9 {
            assert_eq!(typed(&mut menu, noise, RESETS), None, "{noise:?}");
        }
    }
    let mut menu = Menu::default();
    let mut said = typed(&mut menu, "\n", RESETS).expect("it opens").lines;
    let mut rounds = 0;
    while let Some(line) = (!said.is_empty()).then(|| said.remove(0)) {
        let came = typed(&mut menu, &format!("box: menu      {line}\r\n"), RESETS);
        said.extend(came.map(|came| came.lines).unwrap_or_default());
        rounds += 1;
        assert!(rounds < 20, "it speaks with itself");
    }
}

proptest! {
    #[test]
    fn nothing_is_reset_without_its_word(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut menu = Menu::default();
        let keys = octets.iter().flat_map(|octet| match octet % 8 {
            0 => vec![b'\n'],
            1 => vec![b'3', b'\n'],
            2 => vec![b'4', b'\n'],
            _ => vec![*octet],
        });
        for octet in keys {
            let came = menu.key(octet, seconds(1), RESETS);
            let act = came.and_then(|came| came.act);
            prop_assert!(!matches!(act, Some(Act::Reset(_))));
        }
    }
}
