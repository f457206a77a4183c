//! What is found of the machine and of the world, in words of a page: what was looked at, what that
//! means, and how it is mended here.

use super::words::Words;
use super::zone;
use crate::act::check::said::{Said, spoken};
use crate::act::check::{Finding, State};

/// One finding as a page shows it.
pub(crate) struct Told {
    pub state: State,
    pub what: String,
    pub meaning: String,
    /// "" where nothing is to be done.
    pub mend: String,
    /// The page where it is mended, and what that is called.
    pub link: Option<(&'static str, &'static str)>,
}

pub(crate) fn told(words: &'static Words, zone: &str, finding: &Finding) -> Told {
    let found = mend(finding);
    Told {
        state: finding.state,
        what: what(words, &finding.what),
        meaning: meaning(words, zone, finding),
        mend: match found {
            Some((key, _)) => words.t(key).to_string(),
            // Of a look that an older version kept.
            None => finding.remedy.clone(),
        },
        link: found.and_then(|(_, link)| link).map(|(path, name)| (path, words.t(name))),
    }
}

pub(super) fn meaning(words: &Words, zone: &str, finding: &Finding) -> String {
    match finding.said.as_slice() {
        [] => finding.meaning.clone(),
        said => sentence(words, zone, said),
    }
}

pub(super) fn sentence(words: &Words, zone: &str, said: &[Said]) -> String {
    let text = spoken(said, words, &|at| zone::show(zone, at));
    let begin = text.split(' ').next().unwrap_or_default();
    // A name, an address or a piece of a record stays as it is.
    let named = said.first().is_some_and(|said| words.t(&said.key).starts_with('{'));
    let is_word = !named && begin.chars().all(|c| c.is_alphabetic() || ":,".contains(c));
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if is_word => first.to_uppercase().chain(letters).collect(),
        _ => text,
    }
}

/// Of the server itself: what the checks call it, and the key of its name.
pub(super) const FACTS: [(&str, &str); 7] = [
    ("space", "home.disk"),
    ("store", "home.store"),
    ("outbox", "home.queue"),
    ("clock", "home.clock"),
    ("certificate", "home.certificate"),
    ("last check of the store", "home.check"),
    ("backup", "home.backup"),
];

/// The same of the others.
const NAMES: [(&str, &str); 7] = [
    ("update", "what.update"),
    ("settings", "what.settings"),
    ("server", "what.server"),
    ("world", "what.world"),
    ("name servers", "what.names"),
    ("way out", "what.way"),
    ("outgoing address", "what.seen"),
];

/// And of those that are called by a value.
const OF_VALUES: [(&str, &str); 4] = [
    ("address of ", "what.address"),
    ("name of ", "what.ptr"),
    ("blocklist ", "what.list"),
    ("port ", "what.port"),
];

fn what(words: &Words, what: &str) -> String {
    if let Some((_, key)) = FACTS.iter().chain(&NAMES).find(|(name, _)| *name == what) {
        return words.t(key).to_string();
    }
    let of_value = |(begin, key): &(&str, &'static str)| Some((*key, what.strip_prefix(*begin)?));
    if let Some((key, value)) = OF_VALUES.iter().find_map(of_value) {
        return words.fill(key, &[&value]);
    }
    match what.split_once(" of ") {
        Some((kind, name)) if is_kind(kind) => words.fill("what.record", &[&kind, &name]),
        _ => what.to_string(),
    }
}

/// "MX" of "MX of office.example"
fn is_kind(kind: &str) -> bool {
    !kind.is_empty() && kind.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

/// A page, and the key of its name.
type Link = Option<(&'static str, &'static str)>;

const TIME: Link = Some(("/setup/time", "setup.time"));
const PEOPLE: Link = Some(("/people", "nav.people"));
const QUEUE: Link = Some(("/queue", "nav.queue"));
const CERTIFICATE: Link = Some(("/setup/certificate", "setup.certificate"));
const DOMAIN: Link = Some(("/setup/domain", "nav.domain"));
const UPDATE: Link = Some(("/update", "nav.update"));
const BACKUP: Link = Some(("/backup", "nav.backup"));
const WAY: Link = Some(("/setup/way", "setup.way"));

/// How it is mended, by the first thing that is said of it.
fn mend(finding: &Finding) -> Option<(&'static str, Link)> {
    let key = finding.said.first().map_or("", |said| said.key.as_str());
    if finding.state == State::Ok {
        return Some(("mend.nothing", None));
    }
    Some(match key {
        "found.clock-wrong" => ("home.mend-clock", TIME),
        "found.space-low" | "found.space-none" => ("home.mend-space", PEOPLE),
        "found.space-unreadable" => ("mend.disk", None),
        "found.store-empty" => ("mend.compact", None),
        "found.failed" | "found.store-odd" | "found.no-threads" => ("mend.trouble", None),
        "found.check-old" => ("mend.check-old", None),
        "found.check-faults" => ("mend.faults", None),
        "found.backup-unknown" => ("mend.backup-unknown", BACKUP),
        "found.backup-hand" => ("mend.backup-hand", BACKUP),
        _ if key.strip_prefix("found.").is_some_and(|it| it.starts_with("backup-")) => {
            ("mend.backup", BACKUP)
        }
        "found.settings-bad" => ("mend.settings", None),
        "found.server-stopped" | "found.server-never" => ("mend.server", None),
        "found.port-shut" => ("mend.port", None),
        "found.world-unnamed" => ("mend.unnamed", DOMAIN),
        "found.update-back" => ("mend.update-back", UPDATE),
        "found.update-substitute" => ("mend.update-anew", UPDATE),
        "found.names-none" => ("mend.names", None),
        "found.unknown" => ("mend.later", None),
        "found.address-none" | "found.address-inner" => ("mend.address", DOMAIN),
        "found.ptr-none" | "found.ptr-other" | "found.ptr-astray" => ("mend.ptr", None),
        "found.seen-other" => ("mend.seen", WAY),
        "found.list-on" => ("mend.list", None),
        "found.list-unknown" => ("mend.list-unknown", None),
        "found.way-unwelcome" => ("mend.unwelcome", None),
        "found.way-silent" => ("mend.silent", WAY),
        "found.way-blocked" | "found.way-refused" => ("mend.blocked", WAY),
        "found.way-none" => ("mend.reach", None),
        "found.outbox-one" | "found.outbox-some" | "found.outbox-many" => {
            ("home.mend-queue", QUEUE)
        }
        _ if key.starts_with("found.certificate") => ("home.mend-certificate", CERTIFICATE),
        _ if finding.what.split_once(" of ").is_some_and(|(kind, _)| is_kind(kind)) => {
            ("home.mend-record", DOMAIN)
        }
        _ => return None,
    })
}
