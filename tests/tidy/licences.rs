//! The licences of every crate in the product for Linux, against a list.

use std::process::Command;

/// What may be in the product. Unlicense and others are taken only where a crate offers one of
/// these beside them.
const ALLOWED: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "CC0-1.0",
    "Unicode-3.0",
    "CDLA-Permissive-2.0",
    "OLDAP-2.8",
];

const TARGETS: &[&str] = &["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-musl"];

#[test]
fn every_crate_has_an_allowed_licence() {
    let mut faults = Vec::new();
    for target in TARGETS {
        for (name, licence) in packages(target) {
            if !allows(&licence) {
                faults.push(format!("{name}: licence {licence:?} is not on the list"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_licence_rule_bites() {
    for good in ["MIT OR GPL-3.0", "MIT/Apache-2.0", "(MIT OR X) AND ISC", "Unlicense OR MIT"] {
        assert!(allows(good), "{good}");
    }
    let with = "Apache-2.0 WITH LLVM-exception OR GPL-2.0";
    assert!(allows(with));
    for bad in ["", "GPL-3.0", "AGPL-3.0-only", "MIT AND GPL-2.0", "Unlicense", "MIT OR", "(MIT"] {
        assert!(!allows(bad), "{bad}");
    }
    assert!(!allows("Apache-2.0 WITH Strange-exception"));
}

/// Name and licence expression (empty when there is none) of every package of the build.
fn packages(target: &str) -> Vec<(String, String)> {
    let output = Command::new(env!("CARGO"))
        .current_dir(super::root())
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", target])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let data: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = data["packages"].as_array().expect("packages");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
    let found: Vec<_> = packages.iter().map(|p| (text(&p["name"]), text(&p["license"]))).collect();
    assert!(found.len() > 20, "cargo metadata lists the packages");
    found
}

/// Does an SPDX expression leave us a choice in which all that is required is allowed?
fn allows(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    either(&mut rest) == Some(true) && rest.is_empty()
}

// either = both *( "OR" both ) ; both = one *( "AND" one )
// one = "(" either ")" / licence [ "WITH" exception ]
fn either(rest: &mut &[&str]) -> Option<bool> {
    let mut good = both(rest)?;
    while take(rest, "OR") {
        good |= both(rest)?;
    }
    Some(good)
}

fn both(rest: &mut &[&str]) -> Option<bool> {
    let mut good = one(rest)?;
    while take(rest, "AND") {
        good &= one(rest)?;
    }
    Some(good)
}

fn one(rest: &mut &[&str]) -> Option<bool> {
    if take(rest, "(") {
        let good = either(rest)?;
        return take(rest, ")").then_some(good);
    }
    let (first, after) = rest.split_first()?;
    *rest = after;
    if !take(rest, "WITH") {
        return Some(ALLOWED.contains(first));
    }
    let (exception, after) = rest.split_first()?;
    *rest = after;
    Some(ALLOWED.contains(&format!("{first} WITH {exception}").as_str()))
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    match rest.split_first() {
        Some((first, after)) if *first == word => {
            *rest = after;
            true
        }
        _ => false,
    }
}
