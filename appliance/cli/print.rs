//! The one home of output: what people read in a terminal, what scripts read as JSON.
//!
//! Results go to standard output; progress and failures to standard error, so that a pipe gets
//! results only.

use super::failure::Failure;
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// Where a command line writes.
pub(crate) struct Screen {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    json: bool,
    /// Progress is drawn only for a person who watches.
    watched: bool,
    bar: Option<indicatif::ProgressBar>,
}

impl Screen {
    pub(crate) fn terminal() -> Screen {
        let mut screen = Self::to(Box::new(std::io::stdout()), Box::new(std::io::stderr()));
        screen.watched = std::io::stderr().is_terminal();
        screen
    }

    pub(crate) fn to(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Screen {
        Screen { out, err, json: false, watched: false, bar: None }
    }

    pub(crate) fn speak_json(&mut self) {
        self.json = true;
    }

    /// A result: the value as JSON, or its text for people.
    pub(crate) fn result(&mut self, value: &impl Serialize, text: &str) {
        self.end_progress();
        if !self.json {
            write_to(&mut self.out, &tame(text));
        } else if let Ok(json) = serde_json::to_string_pretty(value) {
            write_to(&mut self.out, &format!("{}\n", escaped(&json)));
        }
    }

    pub(crate) fn failure(&mut self, failure: &Failure) {
        self.end_progress();
        if self.json {
            let value = serde_json::json!({ "failure": failure });
            write_to(&mut self.out, &escaped(&format!("{value:#}\n")));
        }
        write_to(&mut self.err, &failure_text(failure));
    }

    /// Text as it is, such as the help.
    pub(crate) fn text(&mut self, text: &str, is_error: bool) {
        write_to(if is_error { &mut self.err } else { &mut self.out }, text);
    }

    pub(crate) fn progress(&mut self, done: u64, total: u64) {
        if !self.watched {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let look = "{bar:40} {percent} %, {eta} to go";
            let style = indicatif::ProgressStyle::with_template(look);
            let bar = indicatif::ProgressBar::new(total);
            bar.with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()))
        });
        bar.set_length(total);
        bar.set_position(done);
    }

    fn end_progress(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// A reader that went away (a closed pipe) is no failure of ours.
fn write_to(to: &mut Box<dyn Write + Send>, text: &str) {
    let _ = to.write_all(text.as_bytes());
    let _ = to.flush();
}

/// A line on standard output from the running server: what to do first.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn failure_text(failure: &Failure) -> String {
    let [what, why, remedy] = [&failure.what, &failure.why, &failure.remedy].map(|t| plain(t));
    let mut text = format!("mailroom: {what}: {why}\n");
    if !remedy.is_empty() {
        text.push_str(&format!("  what to do: {remedy}\n"));
    }
    text
}

/// Columns as wide as their widest cell.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        format!("{}\n", text.trim_end())
    };
    let mut text = line(&mut head.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// "1.5 MB": as disks are sold and people speak, with one decimal.
pub(crate) fn octets(octets: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let (mut tenths, mut unit) = (octets, None);
    for name in units {
        if tenths < if unit.is_none() { 1_000 } else { 10_000 } {
            break;
        }
        tenths /= if unit.is_none() { 100 } else { 1_000 };
        unit = Some(name);
    }
    match unit {
        None => format!("{octets} octets"),
        Some(unit) => format!("{}.{} {unit}", tenths / 10, tenths % 10),
    }
}

/// "2026-11-23 16:05:09" (UTC).
pub(crate) fn date_time(at: i64) -> String {
    let form = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    time::OffsetDateTime::from_unix_timestamp(at)
        .ok()
        .and_then(|at| at.format(form).ok())
        .unwrap_or_else(|| format!("{at} s"))
}

/// Text of a message or a peer, safe for a terminal and on one line: control characters become "?".
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { '?' } else { c }).collect()
}

/// The same for lines: whatever a result holds (names of files, of mailboxes), the terminal obeys
/// none of it.
fn tame(lines: &str) -> String {
    lines.chars().map(|c| if is_unsafe(c) && c != '\n' { '?' } else { c }).collect()
}

/// JSON with the control characters that its printer leaves as they are; all stand in strings.
fn escaped(json: &str) -> String {
    let escape = |c: char| match is_unsafe(c) && c != '\n' {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    };
    json.chars().map(escape).collect()
}

/// Control characters, and those that turn the direction of what follows: they could make an
/// address look like another.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
