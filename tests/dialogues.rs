//! The example dialogues of the RFCs, in the order in which they stand there: `tests/dialogues/`.
//! Each file is the inventory and the test in one: an example that is listed is played, or it says
//! why it cannot be.
//!
//! ```text
//! == 6.3.5 DELETE | A683 DELETE blurdybloop     where it stands, and a line that finds it there
//! not: why                                      it does not apply here
//! otherwise: why                                what is said here instead is played
//! has blurdybloop 17                            what the store holds (the player knows the words)
//! C: A683 DELETE blurdybloop                    the client says it
//! S: A683 OK …                                  and hears it; "…" stands for any text
//! ```
//!
//! Free text, and what depends on the store (dates, uids that the example does not tell), is "…".
//! Responses that stand alone as an example of their form are no dialogues; each of them is heard
//! in the dialogue of its command.

/// One example.
pub(crate) struct Example {
    /// RFC, section and title.
    pub name: String,
    /// A line of it as the RFC has it.
    pub line: String,
    pub fate: Fate,
    pub script: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    AsItStands,
    /// The server may say something else, for this reason.
    Otherwise(String),
    /// Not played, for this reason.
    Not(String),
}

/// The examples of one file. Panics where the file is not written as it should be.
pub(crate) fn read(rfc: &str, text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let blocks = text.split("\n== ").skip(1);
    for block in blocks {
        let mut lines = block.lines();
        let head = lines.next().unwrap_or_default();
        let (name, line) = head.split_once(" | ").expect("a title and a line of the example");
        let mut example = Example {
            name: format!("{rfc} {name}"),
            line: line.to_owned(),
            fate: Fate::AsItStands,
            script: Vec::new(),
        };
        for line in lines.filter(|line| !line.is_empty()) {
            match line.split_once(": ") {
                Some(("not", why)) => example.fate = Fate::Not(why.to_owned()),
                Some(("otherwise", why)) => example.fate = Fate::Otherwise(why.to_owned()),
                _ => example.script.push(line.to_owned()),
            }
        }
        check(&example);
        examples.push(example);
    }
    examples
}

/// What is played has the line that names the example; what is not has a reason and no script.
fn check(example: &Example) {
    let Example { name, line, fate, script } = example;
    if let Fate::Not(why) = fate {
        assert!(why.len() > 10 && script.is_empty(), "{name}: a reason and nothing else");
        return;
    }
    let said = |text: &String| text.split_once(": ").is_some_and(|(_, rest)| rest == line);
    let answered = line.starts_with("S: ");
    assert!(answered || script.iter().any(said), "{name}: nobody says {line}");
    assert!(script.iter().any(|line| line.starts_with('S')), "{name}: nothing is heard");
}

/// Plays the examples of a file, says how many there were, and holds the counts: examples as they
/// stand, those answered otherwise, those that do not apply.
pub(crate) fn play_file(
    rfc: &str,
    text: &str,
    counts: (usize, usize, usize),
    play: impl Fn(&Example) + std::panic::RefUnwindSafe,
) {
    let examples = read(rfc, text);
    let mut failed: Vec<&str> = Vec::new();
    for example in examples.iter().filter(|e| !matches!(e.fate, Fate::Not(_))) {
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(example)));
        failed.extend(played.is_err().then_some(example.name.as_str()));
    }
    let count = |of: fn(&Fate) -> bool| examples.iter().filter(|e| of(&e.fate)).count();
    let as_they_stand = count(|fate| *fate == Fate::AsItStands);
    let otherwise = count(|fate| matches!(fate, Fate::Otherwise(_)));
    let not = count(|fate| matches!(fate, Fate::Not(_)));
    #[allow(clippy::print_stdout)]
    {
        println!(
            "{rfc}: {} example dialogues: {as_they_stand} as they stand, {otherwise} answered \
             otherwise, {not} do not apply",
            examples.len()
        );
    }
    assert!(failed.is_empty(), "{} went otherwise than written: {failed:#?}", failed.len());
    assert_eq!((as_they_stand, otherwise, not), counts, "{rfc}: the counts of the inventory");
}

/// "…" is any text.
pub(crate) fn fits(pattern: &str, line: &str) -> bool {
    let mut pieces = pattern.split('…');
    let Some(mut left) = line.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return left.is_empty() };
    for piece in middle {
        match left.find(piece) {
            Some(at) => left = left.get(at + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    left.ends_with(last)
}

#[test]
fn an_inventory_with_a_hole_is_found() {
    let hole = "top\n\n== 1 X | a X\nC: a Y\nS: a OK\n";
    let silent = "top\n\n== 1 X | a X\nC: a X\n";
    let lazy = "top\n\n== 1 X | a X\nnot: no\n";
    for text in [hole, silent, lazy] {
        assert!(std::panic::catch_unwind(|| read("RFC 0", text)).is_err(), "{text}");
    }
    let good = "top\n\n== 1 X | a X\nC: a X\nS: a OK …\n";
    assert_eq!(read("RFC 0", good).len(), 1);
    assert!(fits("a … c…", "a b c") && !fits("a … c", "a b d") && !fits("ab", "a"));
}

#[test]
fn an_example_that_goes_otherwise_is_found() {
    let text = "top\n\n== 1 X | a X\nC: a X\nS: a OK …\n";
    let wrong = || play_file("RFC 0", text, (1, 0, 0), |_| panic!("another line"));
    assert!(std::panic::catch_unwind(wrong).is_err());
    let miscounted = || play_file("RFC 0", text, (2, 0, 0), |_| ());
    assert!(std::panic::catch_unwind(miscounted).is_err());
    play_file("RFC 0", text, (1, 0, 0), |_| ());
}
