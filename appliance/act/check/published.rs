//! One record as the world sees it, against the one to publish: pure.

use super::super::records::{Need, Place, Record};
use super::said::{Said, say};
use super::{Finding, State, UNKNOWN};
use crate::net::resolver::NoAnswer;

/// Addresses and their names are looked at by themselves, pages not at all.
pub(super) fn is_looked_at(record: &Record) -> bool {
    matches!(record.place, Place::Zone | Place::SignedZone)
        && !matches!(record.kind.as_str(), "A" | "AAAA")
}

/// What the answer means; `domain` is the one of ours that the record is for.
pub(crate) fn judge(
    domain: &str,
    record: &Record,
    answer: &Result<Vec<String>, NoAnswer>,
) -> Finding {
    let Record { name, kind, .. } = record;
    let what = format!("{kind} of {name}");
    let remedy = format!("publish it as `mailroom dns {domain}` says");
    let (state, said) = match answer {
        Err(NoAnswer::Unknown(why)) => {
            return Finding::new(
                &what,
                State::Warn,
                say(UNKNOWN, [why.into()]),
                "look again later",
            );
        }
        Err(NoAnswer::NoName | NoAnswer::NoRecord) => missing(record),
        Err(NoAnswer::Bogus) => (State::Wrong, say("found.bogus", [])),
        Ok(values) => match kind.as_str() {
            "TXT" => text(record, values),
            "MX" => exchange(record, values),
            _ => service(record, values),
        },
    };
    let remedy = if state == State::Ok { "" } else { &remedy };
    Finding::new(&what, state, said, remedy)
}

fn missing(record: &Record) -> (State, Vec<Said>) {
    let why = || [record.why.as_str().into()];
    match record.need {
        Need::Must => (State::Wrong, say("found.missing", why())),
        Need::Should => (State::Warn, say("found.missing", why())),
        Need::May => (State::Ok, say("found.not-needed", why())),
    }
}

fn exchange(record: &Record, values: &[String]) -> (State, Vec<Said>) {
    let host = |value: &str| value.rsplit(' ').next().unwrap_or_default().to_ascii_lowercase();
    let own = host(&record.value);
    let others: Vec<&str> = values.iter().filter(|v| host(v) != own).map(String::as_str).collect();
    match (others.len() == values.len(), others.is_empty()) {
        (true, _) => (State::Wrong, say("found.mx-elsewhere", [others.join(", ").into()])),
        (false, true) => (State::Ok, say("found.mx", [])),
        (false, false) => (State::Warn, say("found.mx-both", [others.join(", ").into()])),
    }
}

/// What a text is for is said by its first word.
fn text(record: &Record, values: &[String]) -> (State, Vec<Said>) {
    let wanted = record.value.replace("\" \"", "");
    let wanted = wanted.trim_matches('"');
    let family = wanted.split([';', ' ']).next().unwrap_or_default().to_ascii_lowercase();
    let of_family = |value: &&String| {
        let first = value.split([';', ' ']).next().unwrap_or_default().trim();
        // RFC 6376 3.6.1: v= may be left out
        first.eq_ignore_ascii_case(&family) || (family == "v=dkim1" && value.contains("p="))
    };
    let found: Vec<&String> = values.iter().filter(of_family).collect();
    match found.as_slice() {
        [] => missing(record),
        [one] if family == "v=spf1" => spf(wanted, one),
        [one] if family == "v=dkim1" => key(wanted, one),
        [one] if family == "v=dmarc1" => dmarc(one),
        [one] => (State::Ok, says(one)),
        // RFC 7208 4.5, RFC 7489 6.6.3, RFC 8461 3.1, RFC 8460 3: several are as good as none
        many => (State::Wrong, say("found.several", [many.len().into()])),
    }
}

fn says(found: &str) -> Vec<Said> {
    say("found.says", [quoted(found).into()])
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn spf(wanted: &str, found: &str) -> (State, Vec<Said>) {
    let terms = |text: &str| -> Vec<String> {
        let words = text.split_ascii_whitespace().skip(1);
        words.map(|word| word.trim_start_matches('+').to_ascii_lowercase()).collect()
    };
    let (wanted, all) = (terms(wanted), terms(found));
    if all.iter().any(|term| term == "all") {
        return (State::Wrong, say("found.spf-all", [quoted(found).into()]));
    }
    let ours = |term: &String| !term.ends_with("all") && wanted.contains(term);
    if all.iter().any(ours) {
        return (State::Ok, says(found));
    }
    let hands_on = |term: &String| term.starts_with("include:") || term.starts_with("redirect=");
    match all.iter().find(|term| hands_on(term)) {
        Some(term) => (State::Warn, say("found.spf-perhaps", [term.into(), quoted(found).into()])),
        None => (State::Wrong, say("found.spf-not", [quoted(found).into()])),
    }
}

fn key(wanted: &str, found: &str) -> (State, Vec<Said>) {
    match (tag(wanted, "p"), tag(found, "p")) {
        (_, Some(key)) if key.is_empty() => (State::Wrong, say("found.key-withdrawn", [])),
        (Some(own), Some(key)) if own == key => (State::Ok, say("found.key", [])),
        _ => (State::Wrong, say("found.key-other", [])),
    }
}

fn dmarc(found: &str) -> (State, Vec<Said>) {
    let policy = tag(found, "p").unwrap_or_default().to_ascii_lowercase();
    match policy.as_str() {
        "none" => (State::Ok, say("found.dmarc-none", [])),
        "quarantine" => (State::Ok, say("found.dmarc-quarantine", [])),
        "reject" => (State::Ok, say("found.dmarc-reject", [])),
        _ => (State::Wrong, say("found.dmarc-odd", [quoted(found).into()])),
    }
}

/// The value of a tag, without white space. RFC 6376 3.2
fn tag(record: &str, name: &str) -> Option<String> {
    let parts = record.split(';').filter_map(|part| part.split_once('='));
    let value = parts.filter(|(tag, _)| tag.trim().eq_ignore_ascii_case(name)).map(|(_, v)| v);
    value.map(|value| value.split_ascii_whitespace().collect()).next()
}

/// Everything that is right only as it stands.
fn service(record: &Record, values: &[String]) -> (State, Vec<Said>) {
    let plain = |value: &str| value.replace('"', "").to_ascii_lowercase();
    let own = plain(&record.value);
    if values.iter().any(|value| plain(value) == own) {
        return (State::Ok, say("found.published", []));
    }
    let all = values.join(", ");
    match (record.kind.as_str(), record.need) {
        // A wrong one keeps those out who insist on it.
        ("TLSA", _) => (State::Wrong, say("found.tlsa-other", [all.into()])),
        (_, Need::May) => (State::Ok, say("found.says", [all.into()])),
        _ => (State::Warn, say("found.other", [all.into(), record.value.as_str().into()])),
    }
}
