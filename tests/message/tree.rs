//! Messages made from a tree whose octets are known, read back; and any octets at all.

use super::{shape, structure};
use crate::message::facts::Part;
use crate::message::structure::{body_of, find, header_of, read};
use mail_parser::{MessageParser, MimeHeaders, PartType};
use proptest::prelude::*;

/// A message as it is made.
#[derive(Debug, Clone)]
enum Tree {
    Text(Vec<String>),
    Multipart { preamble: bool, epilogue: bool, closed: bool, children: Vec<Tree> },
    Message(Box<Tree>),
}

fn trees() -> impl Strategy<Value = Tree> {
    let line = "[ -~]{0,30}".prop_map(|line| line.replace("--", "=="));
    let text = prop::collection::vec(line, 0..5).prop_map(Tree::Text);
    text.prop_recursive(5, 40, 4, |inner| {
        let children = prop::collection::vec(inner.clone(), 1..5);
        let multipart = (any::<bool>(), any::<bool>(), any::<bool>(), children);
        prop_oneof![
            multipart.prop_map(|(preamble, epilogue, closed, children)| Tree::Multipart {
                preamble,
                epilogue,
                closed,
                children
            }),
            inner.prop_map(|inner| Tree::Message(Box::new(inner))),
        ]
    })
}

/// The other reader knows no end of a part by the delimiter of an outer multipart, and stumbles
/// over a multipart in a message in a multipart.
fn all_closed(tree: Tree) -> Tree {
    match tree {
        Tree::Multipart { preamble, epilogue, children, .. } => {
            let children = children.into_iter().map(all_closed).collect();
            Tree::Multipart { preamble, epilogue, closed: true, children }
        }
        Tree::Message(inner) => match *inner {
            text @ Tree::Text(_) => Tree::Message(Box::new(text)),
            inner => all_closed(inner),
        },
        text => text,
    }
}

/// Writes messages and notes where each part lies.
struct Maker {
    raw: Vec<u8>,
    end: &'static str,
    boundaries: usize,
}

/// Header, body (as ranges), lines, children.
#[derive(Debug, PartialEq)]
struct Place {
    header: (usize, usize),
    body: (usize, usize),
    lines: usize,
    children: Vec<Place>,
}

impl Maker {
    fn line(&mut self, text: &str) {
        self.raw.extend(text.as_bytes());
        self.raw.extend(self.end.as_bytes());
    }

    /// The part ends without a line end of its own: that is the delimiter's.
    fn part(&mut self, tree: &Tree) -> Place {
        let at = self.raw.len();
        let (body, children) = match tree {
            Tree::Text(lines) => {
                self.line("X-Test: text");
                self.line("");
                let body = self.raw.len();
                self.raw.extend(lines.join(self.end).as_bytes());
                (body, Vec::new())
            }
            Tree::Message(inner) => {
                self.line("Content-Type: message/rfc822");
                self.line("");
                (self.raw.len(), vec![self.part(inner)])
            }
            Tree::Multipart { preamble, epilogue, closed, children } => {
                self.boundaries += 1;
                let boundary = format!("bound_{}_", self.boundaries);
                self.line(&format!("Content-Type: multipart/mixed; boundary=\"{boundary}\""));
                self.line("");
                let body = self.raw.len();
                if *preamble {
                    self.line("preamble");
                }
                let mut places = Vec::new();
                for (i, child) in children.iter().enumerate() {
                    if i > 0 {
                        self.line("");
                    }
                    self.line(&format!("--{boundary}"));
                    places.push(self.part(child));
                }
                if *closed {
                    self.line("");
                    self.raw.extend(format!("--{boundary}--").as_bytes());
                    if *epilogue {
                        self.line("");
                        self.raw.extend(b"epilogue");
                    }
                }
                (body, places)
            }
        };
        let end = self.raw.len();
        let lines = self.raw[body..end].iter().filter(|&&b| b == b'\n').count();
        Place { header: (at, body), body: (body, end), lines, children }
    }
}

fn place(part: &Part) -> Place {
    let range = |at: u64, size: u64| (at as usize, (at + size) as usize);
    Place {
        header: range(part.header_at, part.header_size),
        body: range(part.body_at, part.body_size),
        lines: part.body_lines as usize,
        children: part.parts.iter().map(place).collect(),
    }
}

fn made(tree: &Tree, end: &'static str) -> (Vec<u8>, Place) {
    let mut maker = Maker { raw: Vec::new(), end, boundaries: 0 };
    let place = maker.part(tree);
    (maker.raw, place)
}

/// What another reader of mail sees: types of the parts in their order, and the text of each leaf.
fn second_opinion(raw: &[u8]) -> Option<Vec<(String, String)>> {
    fn walk(message: &mail_parser::Message<'_>, id: u32, seen: &mut Vec<(String, String)>) {
        let Some(part) = message.part(id) else { return };
        let kind = part.content_type().map(|c| c.ctype().to_string());
        let kind = kind.unwrap_or_else(|| "text".to_string());
        match &part.body {
            PartType::Multipart(children) => {
                seen.push((kind, String::new()));
                children.iter().for_each(|&child| walk(message, child, seen));
            }
            PartType::Message(inner) => {
                seen.push((kind, String::new()));
                walk(inner, 0, seen);
            }
            PartType::Text(text) | PartType::Html(text) => seen.push((kind, text.to_string())),
            _ => seen.push((kind, String::new())),
        }
    }
    let message = MessageParser::new().parse(raw)?;
    let mut seen = Vec::new();
    walk(&message, 0, &mut seen);
    Some(seen)
}

fn first_opinion(raw: &[u8], part: &Part, seen: &mut Vec<(String, String)>) {
    let kind = String::from_utf8_lossy(&part.kind).to_lowercase();
    let leaf = part.parts.is_empty();
    let text =
        if leaf { String::from_utf8_lossy(body_of(raw, part)).into() } else { String::new() };
    seen.push((kind, text));
    part.parts.iter().for_each(|child| first_opinion(raw, child, seen));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_written_is_the_tree_read(tree in trees(), crlf in any::<bool>()) {
        let (raw, expected) = made(&tree, if crlf { "\r\n" } else { "\n" });
        let facts = read(&raw);
        prop_assert_eq!(place(structure(&facts)), expected, "{}", String::from_utf8_lossy(&raw));
    }

    #[test]
    fn another_reader_sees_the_same_parts(tree in trees()) {
        let (raw, _) = made(&all_closed(tree), "\r\n");
        let facts = read(&raw);
        let mut ours = Vec::new();
        first_opinion(&raw, structure(&facts), &mut ours);
        if let Some(theirs) = second_opinion(&raw) {
            prop_assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(&raw));
        }
    }

    #[test]
    fn any_octets_are_read_and_every_part_lies_within_them(raw in soup()) {
        let facts = read(&raw);
        check(&raw, structure(&facts));
        find(&facts, &[1, 1, 2]);
    }
}

/// Octets that look like mail now and then.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        &b"\r\n"[..],
        b"\n",
        b"\r",
        b"--b",
        b"--b--",
        b"--c",
        b"Content-Type: multipart/mixed; boundary=b",
        b"Content-Type: multipart/digest; boundary=c",
        b"Content-Type: message/rfc822",
        b"From: a <b@c>, d: e@f;",
        b"Date: 1 Jan 2000 00:00 Z",
        b"References: <a> <b",
        b"\0",
        b"\xff\xfe",
        b" ",
        b":",
        b"\"(<[",
    ]);
    let word = prop_oneof![
        4 => words.prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

fn check(raw: &[u8], part: &Part) {
    let end = part.body_at + part.body_size;
    assert!(end <= raw.len() as u64);
    assert_eq!(part.header_at + part.header_size, part.body_at);
    assert_eq!(header_of(raw, part).len() as u64, part.header_size);
    let lines = body_of(raw, part).iter().filter(|&&b| b == b'\n').count() as u64;
    assert_eq!(part.body_lines, lines, "{}: {:?}", shape(part), part);
    assert_eq!(part.is_multipart() || part.is_message(), !part.parts.is_empty());
    assert_eq!(part.is_message(), part.envelope.is_some());
    assert!(!part.is_message() || part.parts.len() == 1);
    part.parts.iter().for_each(|child| check(raw, child));
}
