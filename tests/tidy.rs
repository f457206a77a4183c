//! Style and structure as tests: who may import whom, sizes, one home for each dangerous call,
//! the form of RFC comments, licences. Each rule has a test that plants a fault and sees it caught.

mod licences;
mod source;

use source::{Kind, Path, Token};
use std::path::PathBuf;

const FILE_LINES: usize = 700;
const FUNCTION_LINES: usize = 70;
const COLUMNS: usize = 100;

/// Which top module may import which. "*" is all. Sessions own no socket, clock or name lookup;
/// what they need of the world they ask for.
const IMPORTS: &[(&str, &str)] = &[
    ("limits", ""),
    ("clock", "limits"),
    ("event", "limits clock wire"),
    ("session", "limits wire"),
    ("request", "limits"),
    ("settings", "limits wire request"),
    ("wire", "limits"),
    ("message", "limits session event wire"),
    ("policy", "limits wire message"),
    ("store", "limits session event wire message"),
    ("net", "limits session event clock wire message settings policy"),
    ("smtp", "limits session event wire message store"),
    ("pop3", "limits session event wire message store"),
    ("imap", "limits session event wire message store"),
    ("delivery", "limits session event wire message store net smtp settings policy"),
    ("serve", "limits session event clock settings wire message store net smtp pop3 imap delivery"),
    (
        "collect",
        "limits event clock wire message store net imap pop3 smtp delivery settings policy",
    ),
    (
        "act",
        "limits session event clock request settings wire message store net smtp delivery serve \
         collect words update",
    ),
    (
        "admin",
        "limits session event clock request settings wire message store net delivery collect \
         serve act clients public words update",
    ),
    ("words", ""),
    ("update", "limits"),
    ("clients", "limits settings"),
    ("public", "limits settings wire clients"),
    ("system", "limits event clock request settings update"),
    ("units", "*"),
    ("cli", "*"),
    ("main", "*"),
    ("lib", "*"),
    ("fuzz_entry", "*"),
];

/// A path that has a home: only files whose names begin so may name it.
struct Ban {
    /// Begins with "::": the first segment of the path; else anywhere in it.
    path: &'static str,
    homes: &'static [&'static str],
    instead: &'static str,
}

const BANS: &[Ban] = &[
    ban("SystemTime::now", &["clock.rs"], "take the time as a value, or call clock::now"),
    ban(
        "Instant::now",
        &["clock.rs", "net/", "serve/", "units", "store/", "cli/", "admin/"],
        "a session asks to be called again with Step::Read or Step::Pause",
    ),
    ban("::heed", &["store/kv.rs"], "use store::kv"),
    ban("::rustls", &["net/"], "use net::tls"),
    ban("::tokio_rustls", &["net/"], "use net::tls"),
    ban("::mail_auth", &["net/"], "use net::dkim"),
    ban("::hyper", &["net/"], "use net::https"),
    ban("::rcgen", &["net/"], "use net::tls"),
    ban("tokio::net", &["net/"], "use net::listen or net::dial"),
    ban("std::net::TcpStream", &["net/"], "use net::dial"),
    ban("std::net::TcpListener", &["net/"], "use net::listen"),
    ban("std::net::UdpSocket", &["net/"], "use net"),
    ban("std::os::unix::net", &["net/", "cli/"], "use net"),
    ban("unsafe", &["store/kv.rs", "system/syscall"], "find a safe call"),
    ban("::tracing", &["event.rs"], "emit an Event"),
    ban("println!", &["cli/print.rs"], "use cli::print, or emit an Event"),
    ban("eprintln!", &["cli/print.rs"], "use cli::print, or emit an Event"),
    ban("print!", &["cli/print.rs"], "use cli::print"),
    ban("eprint!", &["cli/print.rs"], "use cli::print"),
    ban("::indicatif", &["cli/"], "only the command line shows progress"),
    ban("::clap", &["cli/", "act/"], "only the command line has arguments"),
    ban("process::exit", &["main.rs"], "return the exit code to main"),
    ban("tiny_http", &["admin/"], "pages belong in admin/"),
    ban("::askama", &["admin/"], "pages belong in admin/"),
    ban("::httparse", &["net/"], "use net::splice"),
    ban("::totp_rs", &["admin/"], "only the owner of the page has a second factor"),
    ban("dbg!", &[], "emit an Event"),
    ban("unimplemented!", &[], "write it"),
    ban("todo!", &[], "write it"),
];

const fn ban(path: &'static str, homes: &'static [&'static str], instead: &'static str) -> Ban {
    Ban { path, homes, instead }
}

/// One source file: its path from the top of the project, and its text.
struct File {
    path: String,
    text: String,
}

impl File {
    #[cfg(test)]
    fn planted(path: &str, text: &str) -> File {
        File { path: path.to_string(), text: text.to_string() }
    }

    /// The part of the path below appliance/, for files of the product.
    fn of_product(&self) -> Option<&str> {
        self.path.strip_prefix("appliance/")
    }

    fn tokens(&self) -> Vec<Token> {
        source::tokens(&self.text)
    }

    /// Paths named by the product, tests left out.
    fn product_paths(&self) -> Vec<Path> {
        source::paths(&source::product_code(&self.tokens()))
    }
}

/// The folder of the project.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file whose name ends so, outside of what builds and tools leave behind.
fn files(endings: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let name = entry.file_name().to_string_lossy().to_string();
            let made = ["target", "data", "node_modules", "__pycache__", "artifacts"];
            let hidden = name.starts_with('.') && name != ".ci";
            let kind = entry.file_type().expect("a file type");
            if hidden || made.contains(&name.as_str()) || name.starts_with("target-") {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
                let octets = std::fs::read(entry.path()).expect("a readable file");
                let path = entry.path();
                let path = path.strip_prefix(root()).expect("below the root");
                let path = path.to_string_lossy().to_string();
                found.push(File { path, text: String::from_utf8_lossy(&octets).to_string() });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty());
    found
}

/// Holds every file against a rule.
fn hold(files: &[File], rule: impl Fn(&File) -> Vec<String>) {
    let faults: Vec<String> = files.iter().flat_map(rule).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

// ---- imports ----

fn check_imports(file: &File) -> Vec<String> {
    let Some(inside) = file.of_product() else { return Vec::new() };
    let modules = module_of(inside);
    let own = modules.first().map_or("lib", String::as_str);
    let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == own) else {
        return vec![format!("{}: {own} is not in the table of imports", file.path)];
    };
    let mut faults = Vec::new();
    for path in file.product_paths() {
        let Some(top) = top_module(&path.segments, modules.len()) else { continue };
        let known = IMPORTS.iter().any(|(name, _)| *name == top);
        let fine = top == own || *allowed == "*" || allowed.split(' ').any(|m| m == top);
        if known && !fine {
            let at = format!("{}:{}", file.path, path.line);
            faults.push(format!("{at}: {own} may not import {top} (it may: {allowed})"));
        }
    }
    faults
}

/// `store/mail.rs` is module store, mail; `store/mod.rs` and `store.rs` are module store.
fn module_of(inside: &str) -> Vec<String> {
    let bare = inside.trim_end_matches(".rs");
    let mut parts: Vec<String> = bare.split('/').map(str::to_string).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// The top module that a path leads to, from `crate::` or by enough steps of `super::`.
fn top_module(segments: &[String], depth: usize) -> Option<&str> {
    let first = segments.first()?;
    let ups = segments.iter().take_while(|s| *s == "super").count();
    let at = match first.as_str() {
        "crate" => 1,
        "super" if ups >= depth => ups,
        _ => return None,
    };
    segments.get(at).map(String::as_str)
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let files = files(&[".rs"]);
    hold(&files, check_imports);
    for (name, _) in IMPORTS {
        let there = |f: &File| f.of_product().is_some_and(|i| module_of(i)[0] == *name);
        assert!(files.iter().any(there), "{name} is in the table of imports and not in the house");
    }
}

#[test]
fn the_import_rule_bites() {
    let planted = [
        ("appliance/wire/x.rs", "use crate::store::mail;"),
        ("appliance/imap/fetch.rs", "fn f() {\n    crate::net::dial();\n}"),
        ("appliance/smtp/mod.rs", "use crate::{wire::smtp, clock};"),
        ("appliance/store/mail.rs", "use super::super::net::tls;"),
        ("appliance/limits.rs", "use crate::wire;"),
        ("appliance/brandnew/mod.rs", ""),
    ];
    for (path, text) in planted {
        assert_eq!(check_imports(&File::planted(path, text)).len(), 1, "{path}: {text}");
    }
    let fine = "use crate::wire::x;\n#[cfg(test)]\nuse crate::net;\n#[cfg(test)]\nmod t {\n    \
                use crate::serve;\n}\nuse super::format;\n// crate::net is not imported\n";
    assert_eq!(check_imports(&File::planted("appliance/store/mail.rs", fine)).len(), 0);
}

// ---- one home for each call ----

fn check_homes(file: &File) -> Vec<String> {
    let (inside, paths) = match file.of_product() {
        Some(inside) => (inside, file.product_paths()),
        None => ("", source::paths(&source::without_comments(&file.tokens()))),
    };
    let everywhere = ["todo!", "unimplemented!", "dbg!"];
    let mut faults = Vec::new();
    for path in paths {
        for ban in BANS.iter().filter(|ban| names(ban.path, &path.segments)) {
            let bound = !inside.is_empty() || everywhere.contains(&ban.path);
            if bound && !ban.homes.iter().any(|home| inside.starts_with(home)) {
                let Ban { path: what, homes, instead } = ban;
                let at = format!("{}:{}", file.path, path.line);
                faults.push(format!("{at}: {what} belongs in {homes:?}: {instead}"));
            }
        }
    }
    faults
}

fn names(pattern: &str, segments: &[String]) -> bool {
    if let Some(first) = pattern.strip_prefix("::") {
        return segments.first().is_some_and(|s| s == first) && segments.len() > 1;
    }
    let want: Vec<&str> = pattern.split("::").collect();
    segments.windows(want.len()).any(|window| window.iter().eq(want.iter()))
}

#[test]
fn each_dangerous_call_has_one_home() {
    hold(&files(&[".rs"]), check_homes);
}

#[test]
fn the_home_rule_bites() {
    let planted = [
        "use std::time::SystemTime;\nfn f() { SystemTime::now(); }",
        "fn f() { std::time::SystemTime::now(); }",
        "fn f() { println!(\"x\"); }",
        "use heed::Env;",
        "use rustls::{ServerConfig};",
        "use tokio::{io, net::TcpStream};",
        "fn f() { unsafe { g() } }",
        "fn f() { tracing::info!(\"x\"); }",
        "fn f() { std::process::exit(1) }",
        "fn f() { unimplemented!() }",
        "fn f() { todo!() }",
        "use tiny_http::Server;",
    ];
    for text in planted {
        assert_eq!(check_homes(&File::planted("appliance/smtp/x.rs", text)).len(), 1, "{text}");
    }
    for (home, text) in [
        ("appliance/clock.rs", planted[0]),
        ("appliance/cli/print.rs", planted[2]),
        ("appliance/store/kv.rs", planted[3]),
        ("appliance/net/tls.rs", planted[4]),
        ("tests/x.rs", planted[5]),
        ("appliance/smtp/x.rs", "#[cfg(test)]\nfn f() { println!(\"x\"); }"),
        ("appliance/smtp/x.rs", "// println!(1)\nfn heed() { \"todo!()\" }"),
    ] {
        assert_eq!(check_homes(&File::planted(home, text)), Vec::<String>::new(), "{home}");
    }
    assert_eq!(check_homes(&File::planted("tests/x.rs", "fn f() { todo!() }")).len(), 1);
}

// ---- sizes ----

fn check_sizes(file: &File) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = file.text.lines().count();
    if lines > FILE_LINES {
        faults.push(format!("{}: {lines} lines, at most {FILE_LINES}", file.path));
    }
    for (i, line) in file.text.lines().enumerate() {
        if line.chars().count() > COLUMNS {
            faults.push(format!("{}:{}: wider than {COLUMNS} columns", file.path, i + 1));
        }
    }
    if file.path.ends_with(".rs") {
        for (name, line, lines) in source::functions(&source::without_comments(&file.tokens())) {
            if lines > FUNCTION_LINES {
                let at = format!("{}:{line}", file.path);
                faults.push(format!("{at}: {name} has {lines} lines, at most {FUNCTION_LINES}"));
            }
        }
    }
    faults
}

#[test]
fn files_functions_and_lines_are_of_bounded_size() {
    hold(&files(&[".rs", ".py", ".sh", ".mjs", "Makefile"]), check_sizes);
}

#[test]
fn the_size_rule_bites() {
    let faults = |text: &str| check_sizes(&File::planted("appliance/x.rs", text)).len();
    assert_eq!(faults(&"//\n".repeat(FILE_LINES)), 0);
    assert_eq!(faults(&"//\n".repeat(FILE_LINES + 1)), 1);
    assert_eq!(faults(&format!("//{}", "x".repeat(COLUMNS - 2))), 0);
    assert_eq!(faults(&format!("//{}", "é".repeat(COLUMNS - 1))), 1);
    assert_eq!(faults(&format!("fn f() {{\n{}}}", "    g();\n".repeat(FUNCTION_LINES - 2))), 0);
    assert_eq!(faults(&format!("fn f() {{\n{}}}", "    g();\n".repeat(FUNCTION_LINES - 1))), 1);
}

// ---- comments ----

fn check_comments(file: &File) -> Vec<String> {
    let mut faults = Vec::new();
    for token in file.tokens() {
        let Kind::Comment(text) = &token.kind else { continue };
        let at = format!("{}:{}", file.path, token.line);
        if text.starts_with("// RFC") && !is_rule(&text[3..]) {
            faults.push(format!("{at}: {text:?} is not of the form `// RFC 5321 4.1.1.3: words`"));
        }
        for word in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")] {
            if text.split(|c: char| !c.is_alphanumeric()).any(|w| w == word) {
                faults.push(format!("{at}: {word}: do it, or open an issue"));
            }
        }
    }
    faults
}

/// `RFC 5321 4.1.1.3: words`; the section and the words may be left out, and several rules may be
/// joined by commas or "and".
fn is_rule(text: &str) -> bool {
    let (references, words) = match text.split_once(':') {
        Some((references, words)) => (references, Some(words)),
        None => (text, None),
    };
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let section = |text: &str| {
        let fine = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || c == '.';
        text.chars().all(fine) && !text.is_empty() && !text.ends_with('.')
    };
    let reference = |text: &str| match *text.split(' ').collect::<Vec<_>>() {
        ["RFC", number] => digits(number),
        ["RFC", number, at] => digits(number) && section(at),
        _ => false,
    };
    let spoken = words.is_none_or(|w| w.starts_with(' ') && w.len() > 1 && w.trim_end() == w);
    references.replace(" and ", ", ").split(", ").all(reference) && spoken
}

#[test]
fn comments_name_rules_in_one_form() {
    hold(&files(&[".rs"]), check_comments);
}

#[test]
fn the_comment_rule_bites() {
    let faults = |text: &str| check_comments(&File::planted("tests/x.rs", text)).len();
    for bad in ["RFC5321: x", "RFC 5321 section 4: x", "RFC 5321 4.1.: x", "RFC 5321 4.1 no colon"]
    {
        assert_eq!(faults(&format!("// {bad}")), 1, "{bad}");
    }
    for good in ["RFC 5321 4.1.1.3: x: y", "RFC 5321", "RFC 1 2A and RFC 2 3.1: x", "RFC 5321 4.1"]
    {
        assert_eq!(faults(&format!("let x = 1; // {good}")), 0, "{good}");
    }
    assert_eq!(faults(concat!("// TO", "DO: later")), 1);
    assert_eq!(faults(concat!("\"FIX", "ME\"")), 0);
}

// ---- what must not be in the project ----

/// Crates that bring a second cryptography or another C library.
const UNWANTED: &[&str] = &["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls", "openssl"];

fn check_lock(text: &str) -> Vec<String> {
    let named = |name: &&&str| text.lines().any(|line| line == format!("name = \"{name}\""));
    UNWANTED.iter().filter(named).map(|name| format!("Cargo.lock: {name}: use ring")).collect()
}

fn check_machine(file: &File) -> Vec<String> {
    let paths = [concat!("/wo", "rk/")];
    let mut faults = Vec::new();
    for (i, line) in file.text.lines().enumerate() {
        for path in paths.iter().filter(|path| line.contains(**path)) {
            faults.push(format!("{}:{}: names {path} of one machine", file.path, i + 1));
        }
    }
    faults
}

#[test]
fn one_cryptography_and_no_path_of_a_machine() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    assert_eq!(check_lock(&lock), Vec::<String>::new());
    hold(&files(&[""]), check_machine);
}

#[test]
fn the_rule_of_what_must_not_be_there_bites() {
    assert_eq!(check_lock("[[package]]\nname = \"aws-lc-rs\"\n").len(), 1);
    assert_eq!(check_lock("[[package]]\nname = \"aws-lc-free\"\n").len(), 0);
    let line = concat!("cd /wo", "rk/main");
    assert_eq!(check_machine(&File::planted("Makefile", line)).len(), 1);
}
