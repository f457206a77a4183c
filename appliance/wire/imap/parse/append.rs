//! APPEND (RFC 9051 6.3.12), MULTIAPPEND (RFC 3502), UTF8 (RFC 6855 4); and dates.
//!
//! ```text
//! append      = "APPEND" SP mailbox 1*(SP append-message)
//! append-message = [flag-list SP] [date-time SP] append-data
//! append-data = literal / literal8 / "UTF8" SP "(" literal8 ")"
//! date-time   = DQUOTE (SP DIGIT / 2DIGIT) "-" date-month "-" 4DIGIT SP
//!               2DIGIT ":" 2DIGIT ":" 2DIGIT SP ("+" / "-") 4DIGIT DQUOTE
//! date        = date-text / DQUOTE date-text DQUOTE
//! date-text   = 1*2DIGIT "-" date-month "-" 4DIGIT
//! ```

use super::super::{AppendMessage, Command};
use super::lexer::Lexer;
use super::{Fault, Parsed, store};

/// 1970-01-01.
const UNIX_EPOCH_JULIAN_DAY: i32 = 2_440_588;

/// A message of 0 octets is kept: RFC 3502 6.3.11 makes it the client's way to give up.
pub(super) fn append(lexer: &mut Lexer) -> Parsed<Command> {
    lexer.space()?;
    let mailbox = lexer.mailbox()?;
    let mut messages = Vec::new();
    lexer.space()?;
    loop {
        messages.push(message(lexer)?);
        if !lexer.eat(b' ') {
            return Ok(Command::Append { mailbox, messages });
        }
    }
}

fn message(lexer: &mut Lexer) -> Parsed<AppendMessage> {
    let mut flags = Vec::new();
    if lexer.peek() == Some(b'(') {
        flags = store::flag_list(lexer)?;
        lexer.space()?;
    }
    let mut date = None;
    if lexer.peek() == Some(b'"') {
        date = Some(date_time(lexer)?);
        lexer.space()?;
    }
    let (octets, literal8) = match lexer.peek() {
        Some(b'{') => (lexer.literal()?, false),
        Some(b'~') => (lexer.literal8()?, true),
        _ if lexer.eat_text("UTF8 (") => {
            let octets = lexer.literal8()?;
            lexer.need(b')')?;
            (octets, true)
        }
        _ => return Err(lexer.expected("flags, a date or a message as a literal")),
    };
    Ok(AppendMessage { flags, date, octets, literal8 })
}

/// Seconds since 1970 and the zone in minutes.
pub(super) fn date_time(lexer: &mut Lexer) -> Parsed<(i64, i32)> {
    let text = lexer.quoted()?;
    parse_date_time(&text).ok_or_else(|| {
        Fault::bad("not a date and time: \"dd-Mon-yyyy hh:mm:ss +zzzz\" was expected")
    })
}

pub(in crate::wire::imap) fn parse_date_time(text: &[u8]) -> Option<(i64, i32)> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
    if text.len() != "dd-Mon-yyyy hh:mm:ss +zzzz".len() {
        return None;
    }
    let (date, rest) = text.split_at_checked(11)?;
    let days = match date.strip_prefix(' ') {
        Some(one) => parse_date(one)?,
        None => parse_date(date)?,
    };
    let (time, zone) = rest.strip_prefix(' ')?.split_once(' ')?;
    let mut parts = time.split(':');
    let mut two = |most| digits(parts.next()?, 2).filter(|n| *n <= most);
    // a leap second is taken for the second behind it
    let seconds = two(23)? * 3600 + two(59)? * 60 + two(60)?;
    if parts.next().is_some() {
        return None;
    }
    let (hours, minutes) = zone.get(1..)?.split_at_checked(2)?;
    let minutes = digits(hours, 2)? * 60 + digits(minutes, 2).filter(|n| *n <= 59)?;
    let zone = match zone.as_bytes().first()? {
        b'+' => minutes,
        b'-' => -minutes,
        _ => return None,
    };
    let seconds = days * 86_400 + seconds - zone * 60;
    Some((seconds, i32::try_from(zone).ok()?))
}

/// Days since 1970, of a SEARCH key.
pub(super) fn date(lexer: &mut Lexer) -> Parsed<i64> {
    let text = lexer.astring("a date")?;
    let date = std::str::from_utf8(&text).ok().and_then(parse_date);
    date.ok_or_else(|| Fault::bad("not a date: \"d-Mon-yyyy\" was expected"))
}

fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let day = digits(day, day.len().clamp(1, 2))?;
    let month =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
            .iter()
            .position(|name| name.eq_ignore_ascii_case(month))?;
    let month = time::Month::try_from(u8::try_from(month + 1).ok()?).ok()?;
    let year = i32::try_from(digits(year, 4)?).ok()?;
    let date = time::Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;
    Some(i64::from(date.to_julian_day() - UNIX_EPOCH_JULIAN_DAY))
}

/// Exactly `count` digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    let fits = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}
