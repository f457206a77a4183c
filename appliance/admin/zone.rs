//! Times as the office reads them.

use jiff::Timestamp;
use jiff::tz::{self, TimeZone};

/// "2026-11-25 16:05" in this zone; in UTC, and saying so, where it is not known.
pub(crate) fn show(zone: &str, at: i64) -> String {
    let Ok(moment) = Timestamp::from_second(at) else { return format!("{at} s") };
    match TimeZone::get(zone) {
        Ok(found) if !zone.is_empty() => {
            moment.to_zoned(found).strftime("%Y-%m-%d %H:%M:%S").to_string()
        }
        _ => moment.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    }
}

/// The hour of the day in this zone, 0 to 23.
pub(crate) fn hour(zone: &str, at: i64) -> u8 {
    let zone = TimeZone::get(zone).ok().filter(|_| !zone.is_empty()).unwrap_or(TimeZone::UTC);
    let hour = Timestamp::from_second(at).map_or(0, |moment| moment.to_zoned(zone).hour());
    u8::try_from(hour).unwrap_or(0)
}

/// When a day such as "2026-11-25" begins in this zone, or the day so many after it.
pub(crate) fn day(zone: &str, text: &str, more: i64) -> Option<i64> {
    let day: jiff::civil::Date = text.parse().ok().filter(|_| text.len() == 10)?;
    let day = day.checked_add(jiff::Span::new().try_days(more).ok()?).ok()?;
    let zone = TimeZone::get(zone).ok().filter(|_| !zone.is_empty()).unwrap_or(TimeZone::UTC);
    Some(day.to_zoned(zone).ok()?.timestamp().as_second())
}

pub(crate) fn is_known(zone: &str) -> bool {
    !zone.is_empty() && TimeZone::get(zone).is_ok()
}

/// The zones that places of the world have, by their names.
pub(crate) fn names() -> Vec<String> {
    let all = tz::db().available();
    let mut names: Vec<String> = all.map(|name| name.to_string()).collect();
    names.retain(|name| {
        let area = name.split('/').next().unwrap_or_default();
        name == "UTC" || (AREAS.contains(&area) && name.contains('/'))
    });
    names.sort();
    names
}

const AREAS: [&str; 10] = [
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
];
