//! The catalogue: every key that is used is there, every key that is there is used.

use crate::admin::words::Words;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn sources() -> String {
    let of = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("appliance").join(name);
    let mut folders = vec![of("admin"), of("act")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path: PathBuf = entry.path();
            let ending = path.extension().and_then(|it| it.to_str());
            match ending {
                _ if path.is_dir() => folders.push(path),
                Some("rs" | "html") => {
                    text.push_str(&std::fs::read_to_string(path).expect("read"));
                }
                _ => (),
            }
        }
    }
    text
}

/// Every text in quotes that looks like a key of a group that there is.
fn used(text: &str, groups: &BTreeSet<&str>) -> BTreeSet<String> {
    let looks = |piece: &&str| {
        let Some((group, key)) = piece.split_once('.') else { return false };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        groups.contains(group) && !key.is_empty() && key != "html" && key.chars().all(plain)
    };
    text.split('"').filter(looks).map(str::to_string).collect()
}

/// The key of each act that is written down: the list of acts says it in words.
fn acts(text: &str) -> impl Iterator<Item = String> {
    // Kinds of content look the same, and files.
    let others = ["application", "image", "multipart", "text", "tls"];
    let is_word =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    text.split('"').filter_map(move |piece| {
        let (kind, act) = piece.split_once('/')?;
        let is_act = !others.contains(&kind) && is_word(kind) && is_word(act);
        is_act.then(|| format!("did.{kind}-{act}"))
    })
}

#[test]
fn every_key_is_there_and_used_in_every_language() {
    let text = sources();
    let [english, others @ ..] = Words::all() else { panic!("no language") };
    let there: BTreeSet<String> = english.keys().into_iter().map(str::to_string).collect();
    assert!(there.len() > 50, "the catalogue is read");
    let groups = there.iter().filter_map(|key| key.split('.').next()).collect();
    let mut used = used(&text, &groups);
    used.extend(acts(&text));
    let missing: Vec<_> = used.difference(&there).collect();
    let idle: Vec<_> = there.difference(&used).collect();
    assert!(missing.is_empty(), "used, and not in the catalogue: {missing:?}");
    assert!(idle.is_empty(), "in the catalogue, and not used: {idle:?}");
    for other in others {
        let keys: BTreeSet<String> = other.keys().into_iter().map(str::to_string).collect();
        assert_eq!(keys, there, "{}", other.tongue);
    }
    // A key is one of a group that there is: a call with any other would slip through above.
    for call in [".t(\"", ".fill(\""] {
        for piece in text.split(call).skip(1) {
            let key = piece.split('"').next().unwrap_or_default();
            assert!(!key.contains('.') || there.contains(key), "{call}{key}");
        }
    }
}

#[test]
fn values_are_filled_in_and_are_not_filled_themselves() {
    let words = Words::choose(None);
    let text = words.fill("form.long", &[&"{1}", &7]);
    assert_eq!(text, "At most {1} characters; these are 7");
    assert_eq!(words.fill("form.long", &[]), words.t("form.long"), "no value, no change");
}

#[test]
fn the_language_is_the_browsers_where_we_have_it() {
    for accepted in [None, Some(""), Some("de-AT,de;q=0.8"), Some("en-GB"), Some("*;q=0,;;,q=")] {
        assert_eq!(Words::choose(accepted).tongue, "en", "{accepted:?}");
    }
}
