//! What is said of a domain on its way here, as sentences of the catalogue.

use super::Sentences;
use crate::act::check::said::{Said, Value, say};
use crate::collect::moving::{self, CHANGE, FIRST, LAST, LOWER, OVER, WATCH};
use crate::limits::{MOVE_SILENT_SECONDS, MOVE_TTL_SECONDS};
use crate::store::format::{Move, Outside};
use crate::store::outside::OutsideId;

/// The name of the state; what was seen, what is wanted, and why.
pub(super) fn of(
    row: &Move,
    known: &[(OutsideId, Outside)],
    ours: &[String],
) -> (&'static str, Sentences) {
    let (stage, wanted, why) = wanted(row, known, ours);
    (stage, Sentences { checked: checked(row), wanted, why: say(why, []) })
}

fn checked(row: &Move) -> Vec<Said> {
    let mut said = match row.seen_at {
        0 => say("move.no-answer", []),
        at => {
            let (domain, hosts) = (Value::from(&row.domain), row.seen.join(", ").into());
            say("move.goes-to", [domain, hosts, Value::Span(row.seen_ttl.into()), Value::Time(at)])
        }
    };
    if row.stage == LOWER && row.lowered != 0 {
        let until = row.low.saturating_add(row.ttl.into());
        said.extend(say("move.lowered", [Value::Time(until)]));
    } else if row.stage == LOWER && row.low != 0 {
        said.extend(say("move.short-enough", []));
    }
    if matches!(row.stage, WATCH | LAST | OVER) {
        said.extend(match row.letter {
            0 => say("move.no-letter", []),
            at => say("move.last-letter", [Value::Time(at)]),
        });
    }
    if row.stage == WATCH && !row.deaf.is_empty() {
        said.extend(say("move.deaf", [row.deaf.join(", ").into()]));
    }
    said
}

fn wanted(
    row: &Move,
    known: &[(OutsideId, Outside)],
    ours: &[String],
) -> (&'static str, Vec<Said>, &'static str) {
    let domain = || Value::from(&row.domain);
    match row.stage {
        LOWER => {
            let most = Value::Span(MOVE_TTL_SECONDS.into());
            ("lower", say("move.lower", [domain(), most]), "move.lower-why")
        }
        FIRST if known.is_empty() => ("first", say("move.nobody", [domain()]), "move.nobody-why"),
        FIRST => ("first", say("move.first", []), "move.first-why"),
        CHANGE => {
            let host = ours.first().map_or("", String::as_str);
            ("change", say("move.change", [domain(), host.into()]), "move.change-why")
        }
        WATCH => {
            let silent = Value::Span(MOVE_SILENT_SECONDS);
            ("watch", say("move.watch", [silent]), "move.watch-why")
        }
        LAST => ("last", say("move.last", []), "move.last-why"),
        _ => ("over", over(row, known), "move.over-why"),
    }
}

fn over(row: &Move, known: &[(OutsideId, Outside)]) -> Vec<Said> {
    let at = Value::Time(moving::may_close(row).unwrap_or_default());
    let domain = Value::from(&row.domain);
    let close: Vec<&str> = known.iter().map(|(_, row)| row.address.as_str()).collect();
    match close.is_empty() {
        true => say("move.over-all", [at, domain]),
        false => say("move.over", [at, close.join(", ").into(), domain]),
    }
}
