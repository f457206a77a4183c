//! The one home of output: what people read in a terminal, what scripts read as JSON.
//!
//! Results go to standard output; progress and failures to standard error, so that a pipe gets
//! results only.

use crate::act::Progress;
use crate::act::failure::Failure;
use crate::act::words::{is_unsafe, plain};
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

    pub(crate) fn progress(&mut self, progress: Progress) {
        if !self.watched {
            return;
        }
        let (done, total, look) = match progress {
            Progress::Part(done, total) => (done, total, "{bar:40} {percent} %, {eta} to go"),
            Progress::Mail { messages, of, .. } => {
                (messages, of, "{bar:30} {pos} of {len} messages, {msg}, {per_sec}, {eta} to go")
            }
        };
        let bar = self.bar.get_or_insert_with(|| {
            let style = indicatif::ProgressStyle::with_template(look);
            let bar = indicatif::ProgressBar::new(total);
            bar.with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()))
        });
        if let Progress::Mail { octets, .. } = progress {
            bar.set_message(crate::act::words::octets(octets));
        }
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
