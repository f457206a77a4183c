//! How updates stand, from PID 1 to the server: what is printed is read back, and no more.

use crate::limits;
use crate::update::install;
use crate::update::slot::{Slot, Standing};
use crate::update::state::{Other, Outcome, Past, Refused, Step, Told, Way, Work, parse, print};
use semver::Version;

pub(crate) fn version(text: &str) -> Version {
    text.parse().expect("a version")
}

/// A box that has seen everything.
pub(crate) fn full() -> Told {
    Told {
        board: "qemu-virt".to_string(),
        version: version("0.4.0"),
        epoch: 1,
        kernel: "6.1.0-40-arm64".to_string(),
        built: 1_790_000_000,
        slot: Slot::A,
        standing: Standing::RolledBack,
        other: Some(Other { version: version("0.3.0"), epoch: 1 }),
        work: Some(Work {
            way: Way::Stick,
            file: "mailroom-0.5.0-qemu-virt.mru".to_string(),
            version: Some(version("0.5.0")),
            step: Step::ReadingBack,
            done: 12,
            of: 128,
        }),
        refused: Some(Refused {
            way: Way::Upload,
            file: "mailroom-0.3.0-qemu-virt.mru".to_string(),
            version: Some(version("0.3.0")),
            why: "the update file has version 0.3.0, older than 0.4.0, which is running".into(),
            consent: true,
        }),
        history: vec![Past {
            at: 1_790_000_000,
            version: Some(version("0.5.0")),
            from: version("0.4.0"),
            way: Way::Hand,
            result: Outcome::Back,
            why: "no mail".to_string(),
        }],
    }
}

/// One where nothing is under way.
pub(crate) fn quiet() -> Told {
    let standing = Standing::Confirmed;
    Told { standing, other: None, work: None, refused: None, history: Vec::new(), ..full() }
}

#[test]
fn a_state_is_read_back_as_it_was_printed() {
    let told = full();
    let printed = String::from_utf8(print(&told)).expect("text");
    for piece in [
        "\"slot\": \"a\"",
        "\"standing\": \"rolled-back\"",
        "\"version\": \"0.4.0\"",
        "\"way\": \"stick\"",
        "\"step\": \"reading-back\"",
        "\"consent\": true",
        "\"result\": \"back\"",
    ] {
        assert!(printed.contains(piece), "{piece} in {printed}");
    }
    assert_eq!(parse(printed.as_bytes()), Ok(told.clone()));
    let bare = Told { other: None, work: None, refused: None, history: Vec::new(), ..told };
    assert_eq!(parse(&print(&bare)), Ok(bare));
    for (step, name) in [
        (install::Step::Checking, Step::Checking),
        (install::Step::Writing, Step::Writing),
        (install::Step::ReadingBack, Step::ReadingBack),
    ] {
        assert_eq!(Step::from(step), name);
    }
}

#[test]
fn what_is_printed_can_be_read_however_long_its_texts_are() {
    let mut told = full();
    let long = "\u{1f4ec}\u{7}\n\"\\".repeat(10_000);
    told.board.clone_from(&long);
    told.kernel.clone_from(&long);
    if let (Some(work), Some(refused)) = (&mut told.work, &mut told.refused) {
        work.file.clone_from(&long);
        refused.file.clone_from(&long);
        refused.why.clone_from(&long);
    }
    let past = Past { why: long, ..told.history.remove(0) };
    told.history = vec![past; 100];
    let read = parse(&print(&told)).expect("read back");
    assert_eq!(read.history.len(), limits::UPDATE_HISTORY);
    assert_eq!(read.board.chars().count(), limits::UPDATE_NAME_LETTERS);
    assert_eq!(read.history[0].why.chars().count(), limits::UPDATE_WHY_LETTERS);
    assert!(!read.history[0].why.contains(char::is_control));
}

#[test]
fn what_pid_1_does_not_print_is_not_read() {
    let printed = String::from_utf8(print(&full())).expect("text");
    for (from, to) in [
        ("\"slot\": \"a\"", "\"slot\": \"c\""),
        ("\"standing\": \"rolled-back\"", "\"standing\": \"fine\""),
        ("\"version\": \"0.4.0\"", "\"version\": \"four\""),
        ("\"done\": 12", "\"done\": 129"),
        ("\"done\": 12", "\"done\": -1"),
        ("\"epoch\": 1,", ""),
        ("\"board\":", "\"later\": 1, \"board\":"),
        ("qemu-virt\"", "qemu\\nvirt\""),
        ("no mail", &"long ".repeat(200)),
    ] {
        let other = printed.replacen(from, to, 1);
        assert_ne!(other, printed, "{from}");
        assert!(parse(other.as_bytes()).is_err(), "{to}");
    }
    assert!(parse(b"").is_err());
    let spaces = [printed.as_bytes(), &vec![b' '; limits::UPDATE_STATE_BYTES][..]].concat();
    assert!(parse(&spaces).is_err(), "a file without end is not taken");
}
