//! Dates of header fields (RFC 5322 3.3 and 4.3) and of mbox lines, as seconds since 1970.
//!
//! ```text
//! date    = [day-name [","]] day month year clock [zone]        Fri, 21 Nov 1997 09:55:06 -0600
//! asctime = [day-name] month day clock [zone] year [zone]       Fri Nov 21 09:55:06 1997
//! clock   = hour ":" minute [":" second]
//! zone    = ("+" / "-") 4DIGIT / name
//! ```

use super::value::Scanner;

/// A moment and the zone it was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Seconds since 1970, UTC.
    pub seconds: i64,
    pub zone_minutes: i32,
}

/// Reads a date in either order, with the obsolete forms (two-digit years, no seconds, named
/// zones, comments). `None` when a field is missing or out of range.
pub(crate) fn read(value: &[u8]) -> Option<Moment> {
    let mut words = words(value);
    if words.first().is_some_and(|w| is_day_name(w)) {
        words.remove(0);
    }
    let word = |i: usize| words.get(i).copied();
    if let Some(month) = word(0).and_then(month) {
        let is_year = |w: &&[u8]| w.len() == 4 && w.iter().all(u8::is_ascii_digit);
        let tail = words.get(3..)?;
        let year = year(tail.iter().copied().find(|w| is_year(w))?)?;
        let zone = tail.iter().copied().find(|w| !is_year(w));
        return moment(year, month, number(word(1)?)?, clock(word(2)?)?, zone);
    }
    let month = word(1).and_then(month)?;
    moment(year(word(2)?)?, month, number(word(0)?)?, clock(word(3)?)?, word(4))
}

/// Days since 1970-01-01 in the Gregorian calendar.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn moment(year: i64, month: i64, day: i64, clock: i64, zone: Option<&[u8]>) -> Option<Moment> {
    if !(1..=month_days(year, month)).contains(&day) {
        return None;
    }
    let zone_minutes = zone.map_or(0, zone_minutes);
    let local = days_from_civil(year, month, day) * 86_400 + clock;
    Some(Moment { seconds: local - i64::from(zone_minutes) * 60, zone_minutes })
}

fn words(value: &[u8]) -> Vec<&[u8]> {
    let mut scan = Scanner::new(value);
    let mut words = Vec::new();
    while words.len() < 12 && scan.peek().is_some() {
        scan.skip_space();
        let word = scan.until(|b| b.is_ascii_whitespace() || b == b',' || b == b'(');
        scan.eat(b',');
        if !word.is_empty() {
            words.push(word);
        }
    }
    words
}

fn is_day_name(word: &[u8]) -> bool {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    word.get(..3).is_some_and(|w| days.iter().any(|d| w.eq_ignore_ascii_case(d.as_bytes())))
}

fn month(word: &[u8]) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let name = word.get(..3)?;
    let at = MONTHS.iter().position(|m| name.eq_ignore_ascii_case(m.as_bytes()))?;
    Some(at as i64 + 1)
}

fn number(word: &[u8]) -> Option<i64> {
    let digits = !word.is_empty() && word.len() <= 4 && word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word).ok().filter(|_| digits)?.parse().ok()
}

fn year(word: &[u8]) -> Option<i64> {
    let year = number(word)?;
    // RFC 5322 4.3: two digits below 50 are 20xx, other two and three digits count from 1900.
    match (word.len(), year) {
        (2, 0..50) => Some(year + 2000),
        (2 | 3, _) => Some(year + 1900),
        (4, 1..) => Some(year),
        _ => None,
    }
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Seconds of the day.
fn clock(word: &[u8]) -> Option<i64> {
    let mut fields = word.split(|&b| b == b':');
    let hour = number(fields.next()?)?;
    let minute = number(fields.next()?)?;
    let second = fields.next().map_or(Some(0), number)?;
    // RFC 5322 3.3: 60 is a leap second.
    let valid = hour < 24 && minute < 60 && second <= 60 && fields.next().is_none();
    valid.then_some(hour * 3600 + minute * 60 + second.min(59))
}

/// Minutes east of UTC; what is not understood is UTC (RFC 5322 4.3: -0000).
fn zone_minutes(word: &[u8]) -> i32 {
    if let [sign @ (b'+' | b'-'), digits @ ..] = word
        && digits.len() == 4
        && let Some(value) = number(digits)
        && value % 100 < 60
    {
        let minutes = (value / 100 * 60 + value % 100) as i32;
        return if *sign == b'-' { -minutes } else { minutes };
    }
    const NAMED: [(&str, i32); 8] = [
        ("EDT", -4),
        ("EST", -5),
        ("CDT", -5),
        ("CST", -6),
        ("MDT", -6),
        ("MST", -7),
        ("PDT", -7),
        ("PST", -8),
    ];
    let named = NAMED.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
    named.map_or(0, |(_, hours)| hours * 60)
}

/// `Fri Nov 21 09:55:06 1997`, with a zone behind it where it is not UTC: the date of an mbox line.
pub(crate) fn asctime(moment: Moment) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const NAMES: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let local = moment.seconds.saturating_add(i64::from(moment.zone_minutes) * 60);
    let (days, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    let name = |list: &[&'static str], i: i64| {
        usize::try_from(i).ok().and_then(|i| list.get(i).copied()).unwrap_or("Jan")
    };
    let (weekday, month) = (name(&DAYS, days.rem_euclid(7)), name(&NAMES, month - 1));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let text = format!("{weekday} {month} {day:2} {hour:02}:{minute:02}:{second:02} {year:04}");
    match moment.zone_minutes {
        0 => text,
        zone => {
            let sign = if zone < 0 { '-' } else { '+' };
            format!("{text} {sign}{:02}{:02}", zone.abs() / 60, zone.abs() % 60)
        }
    }
}

/// Year, month, day of days since 1970-01-01.
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}
