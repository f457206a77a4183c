//! Reads Rust source just well enough for the rules: tokens with their lines, the paths that code
//! names, and the extent of functions. Source is taken to be formatted by rustfmt and to compile.

/// A piece of source and the line it begins on, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub line: usize,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Word(String),
    /// One character of punctuation.
    Mark(char),
    /// A string, character or number.
    Literal,
    /// With its slashes.
    Comment(String),
}

/// A path that code names, such as `crate::store::mail`, the groups of `use` written out. The
/// last segment of a macro call ends in `!`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub line: usize,
    pub segments: Vec<String>,
}

impl Token {
    fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }
}

pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut reader = Reader { rest: text, line: 1, tokens: Vec::new() };
    while !reader.rest.is_empty() {
        reader.step();
    }
    reader.tokens
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl Reader<'_> {
    fn step(&mut self) {
        let rest = self.rest;
        let first = rest.chars().next().unwrap_or(' ');
        if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            self.take(end, Some(Kind::Comment(rest[..end].to_string())));
        } else if rest.starts_with("/*") {
            let end = rest.find("*/").map_or(rest.len(), |i| i + 2);
            self.take(end, Some(Kind::Comment(rest[..end].to_string())));
        } else if let Some(end) = string_end(rest) {
            self.take(end, Some(Kind::Literal));
        } else if first == '\'' {
            self.quote();
        } else if first.is_alphabetic() || first == '_' {
            let end = word_end(rest);
            self.take(end, Some(Kind::Word(rest[..end].to_string())));
        } else if first.is_ascii_digit() {
            self.take(word_end(rest), Some(Kind::Literal));
        } else {
            let kind = (!first.is_whitespace()).then_some(Kind::Mark(first));
            self.take(first.len_utf8(), kind);
        }
    }

    /// A character or a lifetime: only the first has a second quote where it must end.
    fn quote(&mut self) {
        let mut inner = self.rest[1..].char_indices();
        let end = match inner.next() {
            Some((_, '\\')) => self.rest[3..].find('\'').map(|i| i + 4),
            Some(_) => inner.next().filter(|(_, c)| *c == '\'').map(|(i, _)| i + 2),
            None => None,
        };
        match end {
            Some(end) => self.take(end, Some(Kind::Literal)),
            None => self.take(1 + word_end(&self.rest[1..]), Some(Kind::Literal)),
        }
    }

    fn take(&mut self, bytes: usize, kind: Option<Kind>) {
        let bytes = bytes.clamp(1, self.rest.len());
        if let Some(kind) = kind {
            self.tokens.push(Token { line: self.line, kind });
        }
        self.line += self.rest[..bytes].matches('\n').count();
        self.rest = &self.rest[bytes..];
    }
}

fn word_end(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Where a string literal of any kind at the start of `text` ends.
fn string_end(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].iter().find(|prefix| {
        let after = text.strip_prefix(**prefix).unwrap_or_default();
        let after = if prefix.ends_with('r') { after.trim_start_matches('#') } else { after };
        after.starts_with('"')
    })?;
    let hashes = text[prefix.len()..].find('"')?;
    let open = prefix.len() + hashes + 1;
    if prefix.ends_with('r') {
        let close = format!("\"{}", "#".repeat(hashes));
        return text[open..].find(&close).map(|i| open + i + close.len());
    }
    let mut escaped = false;
    for (i, c) in text[open..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(open + i + 1),
            _ => {}
        }
    }
    None
}

/// The tokens without comments and without what stands under `#[cfg(test)]`.
pub(super) fn product_code(tokens: &[Token]) -> Vec<Token> {
    let code = without_comments(tokens);
    let mut kept = Vec::new();
    let mut at = 0;
    while at < code.len() {
        if is_cfg_test(&code[at..]) {
            at = item_end(&code, at);
        } else {
            kept.push(code[at].clone());
            at += 1;
        }
    }
    kept
}

pub(super) fn without_comments(tokens: &[Token]) -> Vec<Token> {
    tokens.iter().filter(|t| !matches!(t.kind, Kind::Comment(_))).cloned().collect()
}

fn is_cfg_test(code: &[Token]) -> bool {
    let words = ["#", "[", "cfg", "(", "test", ")", "]"];
    code.len() > words.len()
        && code.iter().zip(words).all(|(token, want)| match &token.kind {
            Kind::Word(word) => word == want,
            Kind::Mark(mark) => want.starts_with(*mark),
            _ => false,
        })
}

/// The index after the item, field or expression that begins at `at` with its attributes.
fn item_end(code: &[Token], at: usize) -> usize {
    let mut at = at;
    while code.get(at).is_some_and(|t| t.is('#')) {
        at = group_end(code, at + 1);
    }
    let is_use = code.get(at).and_then(Token::word) == Some("use");
    while let Some(token) = code.get(at) {
        match token.kind {
            Kind::Mark(';' | ',') => return at + 1,
            Kind::Mark('}') => return at,
            Kind::Mark('{') if !is_use => return group_end(code, at),
            Kind::Mark('(' | '[' | '{') => at = group_end(code, at),
            _ => at += 1,
        }
    }
    at
}

/// The index after the bracket that closes the one at `at`.
fn group_end(code: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (i, token) in code.iter().enumerate().skip(at) {
        match token.kind {
            Kind::Mark('(' | '[' | '{') => depth += 1,
            Kind::Mark(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth <= 0 {
            return i + 1;
        }
    }
    code.len()
}

/// Every path that the code names; a lone word is a path too.
pub(super) fn paths(code: &[Token]) -> Vec<Path> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(token) = code.get(at) {
        let begins = token.word().is_some();
        at = if begins { path(code, at, &[], &mut found) } else { at + 1 };
    }
    found
}

/// Reads one path, or one branch of a `use` tree below `above`; returns the index after it.
fn path(code: &[Token], at: usize, above: &[String], found: &mut Vec<Path>) -> usize {
    let mut segments = above.to_vec();
    let mut at = at;
    let line = code[at].line;
    while let Some(word) = code.get(at).and_then(Token::word) {
        segments.push(word.to_string());
        at += 1;
        let joined = [at, at + 1].iter().all(|i| code.get(*i).is_some_and(|t| t.is(':')));
        if !joined {
            break;
        }
        at += 2;
        if code.get(at).is_some_and(|t| t.is('{')) {
            return branches(code, at + 1, &segments, found);
        }
    }
    let mark = |i: usize, mark: char| code.get(i).is_some_and(|t| t.is(mark));
    if mark(at, '!')
        && !mark(at + 1, '=')
        && let Some(last) = segments.last_mut()
    {
        last.push('!');
    }
    found.push(Path { line, segments });
    at
}

fn branches(code: &[Token], at: usize, above: &[String], found: &mut Vec<Path>) -> usize {
    let mut at = at;
    while let Some(token) = code.get(at) {
        if token.is('}') {
            return at + 1;
        }
        at = if token.word().is_some() { path(code, at, above, found) } else { at + 1 };
    }
    at
}

/// A function's name, its first line and how many lines it has.
pub(super) fn functions(code: &[Token]) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (i, pair) in code.windows(2).enumerate() {
        let (Some("fn"), Some(name)) = (pair[0].word(), pair[1].word()) else { continue };
        let mut at = i + 2;
        while let Some(token) = code.get(at) {
            match token.kind {
                Kind::Mark(';') => break,
                Kind::Mark('{') => {
                    let last = &code[group_end(code, at) - 1];
                    found.push((name.to_string(), pair[0].line, last.line + 1 - pair[0].line));
                    break;
                }
                Kind::Mark('(' | '[') => at = group_end(code, at),
                _ => at += 1,
            }
        }
    }
    found
}

#[test]
fn the_reader_knows_strings_quotes_and_comments() {
    let text =
        "let a = \"// not \\\" one\"; let b: &'static str = r#\"x\"y\"#; let c = '\\''; // end";
    let comments: Vec<_> =
        tokens(text).into_iter().filter(|t| matches!(t.kind, Kind::Comment(_))).collect();
    assert_eq!(comments.len(), 1);
    assert_eq!(comments[0].kind, Kind::Comment("// end".to_string()));
}

#[test]
fn the_reader_writes_use_trees_out() {
    let code = without_comments(&tokens("use a::{b, c::{self, d as e}};\nfn f() { g::h!(1) }"));
    let named: Vec<String> = paths(&code).iter().map(|p| p.segments.join("::")).collect();
    for want in ["a::b", "a::c::self", "a::c::d", "g::h!"] {
        assert!(named.contains(&want.to_string()), "{want} in {named:?}");
    }
}

#[test]
fn the_reader_measures_functions_and_skips_tests() {
    let text =
        "fn a(x: [u8; 2]) {\n\n}\n#[cfg(test)]\nmod tests { fn b() {} }\ntrait T { fn c(); }";
    let code = product_code(&tokens(text));
    assert_eq!(functions(&code), vec![("a".to_string(), 1, 3)]);
}
